//! What streams do with records: routing, operators, outputs and their order. Each test states its rule in its name.

mod common;

use common::{KAFKA, addresses, assigned, counter, engine, lines, run, slot};
use kolo_engine::slot::Slot;

const T0: &str = "1970-01-01T00:00:00Z";

fn line(event_type: &str, fields: &str) -> String {
    format!(r#"{{"event_type":"{event_type}","timestamp":"{T0}"{fields}}}"#)
}

#[test]
fn where_keeps_only_what_is_true() {
    let records = [
        r#"{"event_type":"T","x":51}"#,
        r#"{"event_type":"T","x":50}"#,
        r#"{"event_type":"T","x":50.5}"#,
        r#"{"event_type":"T","x":"60"}"#,
        r#"{"event_type":"T","x":null}"#,
        r#"{"event_type":"T"}"#,
        r#"{"event_type":"T","x":9223372036854775808}"#,
    ];
    let expected = [line("S", r#","x":51"#), line("S", r#","x":50.5"#), line("S", r#","x":9223372036854775808"#)];
    assert_eq!(run("stream S = T.where(x > 50).emit(x: x)", &records), expected);
    assert_eq!(run("stream S = T.filter(e => e.x > 50).emit(x: x)", &records), expected);
    assert_eq!(run("stream S = T where x > 50 as t .emit(x: t.x)", &records), expected);
    assert_eq!(run("stream S = T.where(not (x <= 50)).emit(x: x)", &records), expected);

    let mut engine = engine("stream S = T.where(x > 50).emit(x: x)");
    let mut slots: Vec<Slot> = records.iter().map(|record| slot(record)).collect();
    engine.process(&mut slots);
    let counted =
        ["records", "outputs", "filtered", "wrong_type", "missing_operand"].map(|name| counter(&engine, name));
    assert_eq!(counted, [7, 3, 4, 1, 2]);
}

#[test]
fn emit_without_arguments_passes_all_fields_but_type_and_time() {
    let record =
        "{ \"ts\": 0, \"a\" : [1,\n 2], \"event_type\": \"T\", \"timestamp\": 5, \"b\\u0063\": 1.50, \"a2\": null}";
    assert_eq!(
        run("stream S = T.emit()", &[record]),
        [line("S", ",\"ts\":0,\"a\":[1, 2],\"b\\u0063\":1.50,\"a2\":null")]
    );
    // Of a repeated key the last wins, in the place of the first.
    assert_eq!(
        run("stream S = T.emit()", &[r#"{"a":1,"event_type":"T","b":2,"\u0061":3}"#]),
        [line("S", r#","\u0061":3,"b":2"#)]
    );
    let many: String = (0..40).map(|i| format!(r#","f{}":{i}"#, i % 20)).collect();
    let once: String = (0..20).map(|i| format!(r#","f{i}":{}"#, i + 20)).collect();
    assert_eq!(run("stream S = T.emit()", &[&format!(r#"{{"event_type":"T"{many}}}"#)]), [line("S", &once)]);
}

#[test]
fn of_a_repeated_key_the_last_wins() {
    assert_eq!(
        run("stream S = T.where(x > 5).emit(x: x)", &[r#"{"event_type":"T","x":1,"x":9}"#]),
        [line("S", r#","x":9"#)]
    );
    assert!(run("stream S = T.where(x > 5).emit(x: x)", &[r#"{"event_type":"T","x":9,"\u0078":1}"#]).is_empty());
    assert!(run("stream S = T.emit()", &[r#"{"event_type":"T","event_type":"U"}"#]).is_empty());
}

#[test]
fn emit_names_its_output_and_takes_the_place_of_the_built_in_fields() {
    let record = [r#"{"event_type":"T","ts":1500,"x":1,"kind":"Alarm"}"#];
    let cases = [
        ("emit(as Alert, x: x)", r#"{"event_type":"Alert","timestamp":"1970-01-01T00:00:01.500Z","x":1}"#),
        ("emit(x: x, event_type: kind)", r#"{"event_type":"Alarm","timestamp":"1970-01-01T00:00:01.500Z","x":1}"#),
        ("emit(x: x, timestamp: ts)", r#"{"event_type":"S","timestamp":1500,"x":1}"#),
        ("emit(timestamp: ts, event_type: kind)", r#"{"event_type":"Alarm","timestamp":1500}"#),
        ("emit(x: x, timestamp: absent)", r#"{"event_type":"S","x":1}"#),
        ("emit(event_type: absent, timestamp: absent)", "{}"),
        ("emit(x: \"x\", y: y)", r#"{"event_type":"S","timestamp":"1970-01-01T00:00:01.500Z","x":"x"}"#),
        ("select(x, k: kind).emit()", r#"{"event_type":"S","timestamp":"1970-01-01T00:00:01.500Z","x":1,"k":"Alarm"}"#),
    ];
    for (operations, expected) in cases {
        assert_eq!(run(&format!("stream S = T.{operations}"), &record), [expected], "{operations}");
    }
    // Passed on, they do not: the next stream has a type and a time of its own.
    let program = "stream A = T.emit(x: x, timestamp: ts, event_type: kind)\nstream B = A.emit()";
    assert_eq!(
        run(program, &record),
        [
            r#"{"event_type":"Alarm","timestamp":1500,"x":1}"#,
            r#"{"event_type":"B","timestamp":"1970-01-01T00:00:01.500Z","x":1}"#
        ]
    );
}

#[test]
fn derived_streams_read_what_was_emitted_and_numbers_stay_as_they_came() {
    let program = "stream A = T.emit(p: price, q: price * 2, k: 1)\n\
                   stream B = A.where(q > 10 and k == 1).select(p: p, r: q + 1, gone: price)\n\
                   stream C = B.emit(p: p, r: r, gone: gone, whose: event_type, when: timestamp)";
    assert_eq!(
        run(program, &[r#"{"event_type":"T","price":1.50e1}"#, r#"{"event_type":"T","price":1}"#]),
        [
            line("A", r#","p":1.50e1,"q":30.0,"k":1"#),
            line("C", &format!(r#","p":1.50e1,"r":31.0,"whose":"B","when":"{T0}""#)),
            line("A", r#","p":1,"q":2,"k":1"#),
        ]
    );
}

#[test]
fn outputs_come_depth_first_in_order_of_declaration() {
    let program = "stream D = A.emit(n: 4)\nstream A = T.emit(n: 1)\nstream B = T.emit(n: 2)\nstream C = A.emit(n: 3)\n\
                   stream E = merge(D, B).emit(n: 5)";
    let types: Vec<String> = run(program, &[r#"{"event_type":"T"}"#, r#"{"event_type":"T"}"#])
        .iter()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["event_type"].to_string())
        .collect();
    let each = [r#""A""#, r#""D""#, r#""E""#, r#""C""#, r#""B""#, r#""E""#];
    assert_eq!(types, [each, each].concat());
}

#[test]
fn a_merge_reads_each_side_by_its_own_fields_and_shares_its_state() {
    let program = "stream A = T.where(x < 10).emit(v: x + 1)\n\
                   stream M = merge(A, stream R = U.where(v > 1)).limit(3).emit(v: v)\n";
    let records = [
        r#"{"event_type":"T","x":1,"v":77}"#,
        r#"{"event_type":"U","v":5}"#,
        r#"{"event_type":"U","v":1}"#,
        r#"{"event_type":"T","x":2}"#,
        r#"{"event_type":"T","x":3}"#,
        r#"{"event_type":"U","v":6}"#,
    ];
    let merged: Vec<_> = run(program, &records).into_iter().filter(|line| line.contains(r#""M""#)).collect();
    assert_eq!(merged, [line("M", r#","v":2"#), line("M", r#","v":5"#), line("M", r#","v":3"#)]);
}

#[test]
fn limit_passes_the_first_and_counts_the_rest() {
    let mut engine = engine("stream S = T.where(x > 0).limit(2).emit(x: x)");
    let mut slots: Vec<Slot> = (0..5).map(|x| slot(&format!(r#"{{"event_type":"T","x":{x}}}"#))).collect();
    engine.process(&mut slots);
    assert_eq!(lines(&slots), [line("S", r#","x":1"#), line("S", r#","x":2"#)]);
    assert_eq!(counter(&engine, "limited"), 2);
}

#[test]
fn distinct_passes_a_value_once() {
    let records = [
        r#"{"event_type":"T","x":1,"y":1}"#,
        r#"{"event_type":"T","x":1.0,"y":2}"#,
        r#"{"event_type":"T","x":"1","y":3}"#,
        r#"{"event_type":"T","y":4}"#,
        r#"{"event_type":"T","y":5}"#,
        r#"{"y":4, "event_type":"T"}"#,
    ];
    let ys = |program: &str| -> Vec<String> {
        run(program, &records).iter().map(|line| line.chars().rev().nth(1).into_iter().collect()).collect()
    };
    assert_eq!(ys("stream S = T.distinct(x).emit(y: y)"), ["1", "3", "4"]);
    assert_eq!(ys("stream S = T.distinct().emit(y: y)"), ["1", "2", "3", "4", "5"]);
    assert_eq!(ys("stream S = T.select(x: x, y: 0).distinct().emit(y: y)"), ["0", "0", "0"]);
}

#[test]
fn distinct_forgets_the_oldest_beyond_its_bound_and_says_so() {
    const REMEMBERED: usize = 100_000;
    let mut engine = engine("stream S = T.distinct(x).emit(x: x)");
    let mut pass = |x: usize| {
        let mut slots = [slot(&format!(r#"{{"event_type":"T","x":{x}}}"#))];
        engine.process(&mut slots);
        slots[0].outputs.list().len()
    };
    assert!((0..REMEMBERED).all(|x| pass(x) == 1));
    assert_eq!([pass(0), pass(REMEMBERED - 1)], [0, 0]);
    assert_eq!([pass(REMEMBERED), pass(1), pass(0)], [1, 0, 1]);
    assert_eq!((counter(&engine, "distinct_forgotten"), counter(&engine, "repeated")), (2, 3));
}

#[test]
fn outputs_are_addressed_by_target_topic_and_key() {
    let program = format!(
        "{KAFKA}stream A = T.emit(x: x)\n\
         stream B = T.emit(x: x).to(k, topic: \"b\")\n\
         stream C = T.to(k, topic: \"c\", key: name).to(k, topic: \"c2\", key: x)\n\
         stream D = T.emit(dest: dest).to(k, topic: dest)\n\
         stream E = T.emit(dest: dest).to(k, topic: \"pre-\" + dest, key: absent)\n"
    );
    let mut engine = engine(&program);
    let mut slots = [
        slot(r#"{"event_type":"T","x":1.50,"name":"a\nb","dest":"here"}"#),
        slot(r#"{"event_type":"T","x":[1, 2],"dest":7}"#),
    ];
    engine.process(&mut slots);
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        addresses(&slots[0]),
        [
            (None, None, "input".into()),
            (Some(0), None, "input".into()),
            (Some(1), None, "own a\nb".into()),
            (Some(2), None, "own 1.50".into()),
            (Some(3), text("here"), "input".into()),
            (Some(4), text("pre-here"), "none".into()),
        ]
    );
    assert_eq!(
        addresses(&slots[1]),
        [
            (None, None, "input".into()),
            (Some(0), None, "input".into()),
            (Some(1), None, "none".into()),
            (Some(2), None, "own [1,2]".into()),
        ]
    );
    assert_eq!(counter(&engine, "topicless"), 2);
    let topics: Vec<_> = engine.plan().targets().iter().map(|target| target.topic.as_deref()).collect();
    assert_eq!(topics, [Some("b"), Some("c"), Some("c2"), None, None]);
    assert_eq!(lines(&slots)[2], line("C", r#","x":1.50,"name":"a\nb","dest":"here""#));
}

/// Beginning with 1970's first millisecond there is no timestamp that Kafka's clients can set: 0 means the time of
/// production to them.
#[test]
fn only_a_target_that_wants_it_is_told_the_time_of_the_event() {
    let program = format!(
        "{KAFKA}stream S = T.emit(n: n)\n    .to(k, topic: \"a\", record_timestamp: \"event\")\n    .to(k, topic: \"b\")"
    );
    let time = |time: &str| slot(&format!(r#"{{"event_type":"T","n":1,"timestamp":"{time}"}}"#));
    let mut slots = [
        time("2026-04-12T10:40:00.1239Z"),
        time("1970-01-01T00:00:00.001Z"),
        time("1970-01-01T00:00:00.0009Z"),
        time("1969-12-31T23:59:59.9999Z"),
    ];
    engine(&program).process(&mut slots);
    let told = |slot: &Slot| slot.outputs.list().iter().map(|output| output.timestamp_ms).collect::<Vec<_>>();
    let told: Vec<Vec<i64>> = slots.iter().map(told).collect();
    assert_eq!(told, [[1_775_990_400_123, 0], [1, 0], [0, 0], [-1, 0]]);
}

#[test]
fn records_are_routed_by_type_and_by_topic() {
    let program = format!(
        "{KAFKA}stream A = T.from(k, topic: \"a\").emit(n: 1)\n\
         stream B = U.from(k, topic: \"b\").emit(n: 2)\n\
         stream C = V.from(k, topic: \"b\").emit(n: 3)\n\
         stream D = T.emit(n: 4)\n"
    );
    let routed = |source: Option<u16>, record: &str| -> Vec<String> {
        let mut engine = engine(&program);
        assert_eq!(engine.plan().sources().len(), 2);
        let mut slots = [assigned(source), slot(record)];
        engine.process(&mut slots);
        assert_eq!(counter(&engine, "unrouted"), u64::from(slots[1].outputs.list().is_empty()), "{record}");
        lines(&slots).iter().map(|line| line[15..16].to_owned()).collect()
    };
    let (typed, untyped, null) = (r#"{"event_type":"T"}"#, r#"{"x":1}"#, r#"{"event_type":null}"#);
    assert_eq!(routed(Some(0), typed), ["A", "D"]);
    assert_eq!(routed(Some(0), untyped), ["A", "D"], "the only type that is bound to the topic");
    assert_eq!(routed(Some(0), null), ["A", "D"]);
    assert_eq!(routed(Some(0), r#"{"event_type":7}"#), Vec::<String>::new());
    assert_eq!(routed(Some(0), r#"{"event_type":"U"}"#), Vec::<String>::new(), "U arrives on another topic");
    assert_eq!(routed(Some(1), typed), ["D"]);
    assert_eq!(routed(Some(1), untyped), Vec::<String>::new(), "two types are bound to the topic");
    assert_eq!(routed(Some(1), r#"{"event_type":"\u0055"}"#), ["B"]);
    assert_eq!(routed(None, typed), ["A", "D"], "a file has no topic");
    assert_eq!(routed(None, r#"{"event_type":"V"}"#), ["C"]);
    assert_eq!(routed(None, r#"{"event_type":"W"}"#), Vec::<String>::new());
}

#[test]
fn event_time_has_an_order_of_sources() {
    let time = |fields: &str, kafka_ms: i64| -> String {
        let mut slots = [slot(&format!(r#"{{"event_type":"T"{fields}}}"#))];
        slots[0].timestamp_ms = kafka_ms;
        engine("stream S = T.emit(x: x)").process(&mut slots);
        let line = lines(&slots).remove(0);
        line[r#"{"event_type":"S","timestamp":""#.len()..line.len() - 2].to_owned()
    };
    assert_eq!(
        time(r#","@timestamp":"1970-01-01T00:00:01Z","ts":2000,"timestamp":3000"#, 4000),
        "1970-01-01T00:00:01Z"
    );
    assert_eq!(time(r#","ts":2000,"timestamp":3000"#, 4000), "1970-01-01T00:00:02Z");
    assert_eq!(time(r#","ts":"1970-01-01T01:00:00+01:00","timestamp":3000"#, 4000), T0);
    assert_eq!(time(r#","timestamp":3001"#, 4000), "1970-01-01T00:00:03.001Z");
    assert_eq!(time(r#","timestamp":"1970-01-01T00:00:00.000001Z""#, 4000), "1970-01-01T00:00:00.000001Z");
    assert_eq!(time("", 4000), "1970-01-01T00:00:04Z");
    // What is no time is passed over.
    assert_eq!(time(r#","@timestamp":5,"ts":"soon","timestamp":1.5"#, 4000), "1970-01-01T00:00:04Z");
    assert_eq!(time(r#","ts":9223372036854775807"#, 4000), "1970-01-01T00:00:04Z");
    assert_eq!(time("", -1), T0);
}

#[test]
fn files_have_two_forms_and_remember_the_time() {
    let records = [
        r#"{"event_type":"T","@timestamp":"1970-01-01T00:00:01Z","data":{"x":1,"ts":7}}"#,
        r#"{"event_type":"T","UtcTime":"1970-01-01 00:00:02.5","data":{"x":2}}"#,
        r#"{"event_type":"T","TimeCreated":"1970-01-01T00:00:03Z","data":{"x":3}}"#,
        r#"{"event_type":"T","data":{"x":4,"ts":4000}}"#,
        r#"{"event_type":"T","data":{"x":5}}"#,
        r#"{"type":"T","x":6,"ts":6000}"#,
        r#"{"type":"U","event_type":"T","x":7}"#,
        r#"{"event_type":"T","data":{"x":8},"x":9}"#,
    ];
    let mut slots = vec![assigned(None)];
    slots.extend(records.iter().map(|record| Slot { timestamp_ms: -1, ..slot(record) }));
    engine("stream S = T.emit()").process(&mut slots);
    let expected = [
        ("01", r#""x":1,"ts":7"#),
        ("02.500", r#""x":2"#),
        ("03", r#""x":3"#),
        ("04", r#""x":4,"ts":4000"#),
        ("04", r#""x":5"#),
        ("06", r#""x":6,"ts":6000"#),
        ("06", r#""type":"U","x":7"#),
        ("06", r#""data":{"x":8},"x":9"#),
    ];
    let expected =
        expected.map(|(at, fields)| format!(r#"{{"event_type":"S","timestamp":"1970-01-01T00:00:{at}Z",{fields}}}"#));
    assert_eq!(lines(&slots), expected);
    // On a topic, neither form means anything.
    let mut slots = [assigned(Some(0)), slot(records[0]), slot(records[5])];
    let mut engine = engine(&format!("{KAFKA}stream S = T.from(k, topic: \"t\").emit()"));
    engine.process(&mut slots);
    assert!(lines(&slots)[0].ends_with(r#""data":{"x":1,"ts":7}}"#));
    assert!(lines(&slots)[1].ends_with(r#""type":"T","x":6,"ts":6000}"#), "the bound type, and type is a field");
}

#[test]
fn malformed_records_concern_nobody_else() {
    let records = [
        r#"{"event_type":"T","x":1}"#,
        r#"{"event_type":"T","x":2"#,
        "[1]",
        "",
        r#"{"event_type":"T","x":1e999}"#,
        r#"{"event_type":"T","x":3}"#,
    ];
    let mut slots: Vec<Slot> = records.iter().map(|record| slot(record)).collect();
    slots.insert(3, Slot::default());
    let mut engine = engine("stream S = T.emit(x: x)");
    engine.process(&mut slots);
    assert_eq!(lines(&slots), [line("S", r#","x":1"#), line("S", r#","x":3"#)]);
    assert_eq!((counter(&engine, "records"), counter(&engine, "malformed")), (7, 5));
    // Nor does it matter whether a field is read.
    for program in ["stream S = T.emit(x: x)", "stream S = T.emit(y: y)", "stream S = T.emit()", "stream S = U.emit()"]
    {
        let mut engine = common::engine(program);
        engine.process(&mut slots);
        assert_eq!(counter(&engine, "malformed"), 5, "{program}");
    }
}

#[test]
fn a_plan_names_what_it_reads() {
    let program = format!("{KAFKA}stream A = T.from(k, topic: \"a\").where(price > 1).emit(s: symbol)");
    let engine = engine(&program);
    let fields: Vec<_> = engine.plan().decoded_fields().collect();
    assert!(fields.contains(&"price") && fields.contains(&"symbol") && !fields.contains(&"volume"));
    let source = &engine.plan().sources()[0];
    assert_eq!((source.topic.as_str(), source.event_type.as_deref(), source.connector), ("a", Some("T"), 0));
}

#[test]
fn outputs_do_not_depend_on_where_batches_begin() {
    let program = "stream A = T.where(x % 3 != 0).select(x: x, y: x * 2)\nstream B = merge(A, T).distinct(x % 10).limit(9).emit(x: x, y: y)\n\
                   stream C = A.distinct().emit()";
    let records = || (0..200).map(|x| slot(&format!(r#"{{"event_type":"T","x":{}}}"#, x * 7 % 50)));
    let outputs = |batch: usize| {
        let (mut engine, mut slots) = (engine(program), records().collect::<Vec<_>>());
        slots.chunks_mut(batch).for_each(|batch| engine.process(batch));
        (lines(&slots), engine.counters().list())
    };
    let expected = outputs(200);
    assert!(expected.0.len() > 30);
    for batch in [1, 2, 7, 64] {
        assert_eq!(outputs(batch), expected, "batches of {batch}");
    }
}

#[test]
fn strings_that_grow_without_bound_are_missing() {
    let program = "stream S = T.emit(a: replace(s, \"\", s), b: join(map(range(9000), i => s), \"\"), c: s + s)";
    let text = "x".repeat(3000);
    let mut slots = [slot(&format!(r#"{{"event_type":"T","s":"{text}"}}"#))];
    let mut engine = engine(program);
    engine.process(&mut slots);
    assert_eq!(lines(&slots), [line("S", &format!(r#","c":"{text}{text}""#))]);
    assert_eq!(counter(&engine, "overflow"), 2);
}

#[test]
fn topics_meet_where_state_is_kept_key_by_key() {
    let sources = "stream A = Left.from(k, topic: \"a\")\nstream B = Right.from(k, topic: \"b\")\nstream C = Other.from(k, topic: \"c\")\n";
    let meetings = |streams: &str| -> Vec<(String, Vec<usize>)> {
        let engine = engine(&format!("{KAFKA}{sources}{streams}"));
        engine.plan().meetings().iter().map(|meeting| (meeting.stream.clone(), meeting.sources.clone())).collect()
    };
    let in_s = |sources: &[usize]| vec![("S".to_owned(), sources.to_vec())];
    for (streams, sources) in [
        ("stream S = join(A, B).on(A.n == B.n).emit(n: A.n)", &[0, 1][..]),
        ("stream S = join(Left, Right).on(Left.n == Right.n).emit(n: Left.n)", &[0, 1]),
        ("stream S = A as a -> B where n == a.n as b .partition_by(n).emit(n: a.n)", &[0, 1]),
        ("stream S = merge(A, B, C).partition_by(n).window(1m).aggregate(c: count()).emit()", &[0, 1, 2]),
        ("stream S = merge(A, C).partition_by(n).window(10).emit()", &[0, 2]),
        // A type that no `.from` names may come from anywhere, unless a function emits it.
        ("stream S = Unknown.partition_by(n).window(10).emit()", &[0, 1, 2]),
        (
            "fn f(n: int):\n    emit Made(n: n)\nstream D = A.process(f(n))\nstream S = join(B, Made).on(B.n == Made.n).emit()",
            &[0, 1],
        ),
    ] {
        assert_eq!(meetings(streams), in_s(sources), "{streams}");
    }
    // By way of a state of its own.
    let through =
        "stream W = A.window(1m).partition_by(n).aggregate(n: last(n))\nstream S = join(W, B).on(W.n == B.n).emit()";
    assert_eq!(meetings(through), in_s(&[0, 1]));
    for streams in [
        "stream S = merge(A, B).emit()",
        "stream S = merge(A, B).window(1m).aggregate(c: count()).emit()",
        "stream S = A as a -> B as b .emit(n: a.n)",
        "stream S = A.partition_by(n).window(10).emit()\nstream T = B.partition_by(n).window(10).emit()",
        "stream S = Left.partition_by(n).window(10).emit()",
    ] {
        assert_eq!(meetings(streams), [], "{streams}");
    }
}
