//! Records that are not what a program expects: counted, logged with their places, and of no consequence to others.

mod support;

use support::{Broker, Kolo, Message, fresh, number, numbers, numbers_in, on_each_broker, simulate};

on_each_broker![
    malformed_records_are_counted_and_leave_their_neighbours_alone,
    whether_a_record_is_malformed_does_not_depend_on_the_fields_that_a_program_reads,
    a_record_of_two_mebibytes_passes,
    numbers_beyond_64_bits_are_floats,
    malformed_records_after_which_nothing_comes_are_committed,
];

/// Everything that is no whole JSON object, with the fault in a place that [`numbers`] does not read where possible.
fn malformed() -> Vec<Option<Vec<u8>>> {
    let texts: [&[u8]; 17] = [
        br#"{"n":1,"#,
        br#"{"n":1,"s":"open}"#,
        br#"{"n":1} {"n":2}"#,
        br#"{"n":1,}"#,
        br#"{"n":1,"x":01}"#,
        br#"{"n":1,"x":nul}"#,
        br#"{"n":1,"x":{"y":[1,2}}"#,
        b"{\"n\":1,\"s\":\"\x01\"}",
        b"{\"n\":1,\"s\":\"\xff\xfe\"}",
        b"{\"n\":1,\"\xc3\x28\":2}",
        br#"{"n":1,"x":1e400}"#,
        br#"{"n":1,"x":-1e400}"#,
        br#"[{"n":1}]"#,
        br#""n""#,
        b"17",
        b"null",
        b"",
    ];
    let mut all: Vec<_> = texts.iter().map(|text| Some(text.to_vec())).collect();
    all.push(None);
    all
}

fn report_of(broker: &Broker, program: &str) -> (serde_json::Value, String) {
    let arguments = ["--until", "end", "--quiet", "--report", "json"];
    let finished = Kolo::run(broker, program, arguments).finish().ok();
    (finished.report(), finished.stderr)
}

fn malformed_records_are_counted_and_leave_their_neighbours_alone(broker: &Broker) {
    let (input, output, group) = (broker.topic("in", 2), broker.topic("out", 2), fresh("group"));
    let bad = malformed();
    // Partition 1: a good record before and after each bad one; partition 0: good ones only.
    for (i, value) in bad.iter().enumerate() {
        let good = Message::of(number(i as u64)).on(1);
        let bad = Message { value: value.clone(), partition: 1, ..Message::default() };
        broker.produce(&input, [Message::of(number(i as u64)), good, bad]);
    }
    broker.produce(&input, [Message::of(number(bad.len() as u64)).on(1)]);
    let (report, stderr) = report_of(broker, &numbers(&input, &output, &group));
    let count = bad.len() as u64;
    assert_eq!(numbers_in(broker, &output), [(0..count).collect::<Vec<_>>(), (0..=count).collect()]);
    assert_eq!(report["counters"]["malformed"], count, "{stderr}");
    assert_eq!(report["records_in"], 3 * count + 1);
    assert_eq!(report["outputs"], 2 * count + 1);
    assert!(broker.all_committed(&input, &group));
    // The first ones in full, the rest as a number, and none of them twice.
    for offset in [1, 3, 5] {
        let place = format!("malformed record {input}[1]@{offset}:");
        assert_eq!(stderr.matches(&place).count(), 1, "no {place:?} in\n{stderr}");
    }
    let in_full = stderr.matches("malformed record ").count() as u64;
    let others: u64 = stderr
        .lines()
        .filter_map(|line| line.strip_suffix(" more malformed records")?.rsplit(' ').next()?.parse::<u64>().ok())
        .sum();
    assert_eq!(in_full + others, count, "{stderr}");
}

fn whether_a_record_is_malformed_does_not_depend_on_the_fields_that_a_program_reads(broker: &Broker) {
    let input = broker.topic("in", 1);
    let bad = malformed();
    broker.produce(&input, bad.iter().map(|value| Message { value: value.clone(), ..Message::default() }));
    broker.produce_values(&input, [r#"{"n":1,"x":2,"s":"right"}"#]);
    for emit in [".emit(n: n)", ".emit(s: s)", ".emit(one: 1)", ".emit()", ".where(x > 1).emit(nothing: absent)"] {
        let (output, group) = (broker.topic("out", 1), fresh("group"));
        let program = numbers(&input, &output, &group).replace(".emit(n: n)", emit);
        let (report, stderr) = report_of(broker, &program);
        assert_eq!(report["counters"]["malformed"], bad.len(), "{emit}: {stderr}");
        assert_eq!(broker.ends(&output), [1], "{emit}: only the last record causes an output");
    }
}

fn a_record_of_two_mebibytes_passes(broker: &Broker) {
    let large = [("max.message.bytes", "8388608")];
    let (input, output) = (broker.topic_with("in", 1, &large), broker.topic_with("out", 1, &large));
    let text = "large ".repeat((2 << 20) / 6);
    let value = |n: u64| format!(r#"{{"n":{n},"text":"{}"}}"#, if n == 1 { &text } else { "small" });
    broker.produce_values(&input, (0..3).map(value));
    let program = numbers(&input, &output, &fresh("group")).replace(".emit(n: n)", ".emit()");
    let (report, _) = report_of(broker, &program);
    assert_eq!(report["counters"]["malformed"], 0);
    let out = broker.read(&output).concat();
    let texts: Vec<serde_json::Value> = out.iter().map(|o| serde_json::from_slice(o.value()).expect("JSON")).collect();
    assert_eq!(texts.iter().map(|json| json["n"].as_u64()).collect::<Vec<_>>(), [Some(0), Some(1), Some(2)]);
    assert!(texts[1]["text"] == text, "all of it");
    assert_eq!(texts[2]["text"], "small");
}

fn numbers_beyond_64_bits_are_floats(broker: &Broker) {
    let (input, output) = (broker.topic("in", 1), broker.topic("out", 1));
    broker.produce_values(
        &input,
        [
            r#"{"n":9223372036854775807}"#,
            r#"{"n":9223372036854775808}"#,
            r#"{"n":-9223372036854775809}"#,
            r#"{"n":1e308}"#,
        ],
    );
    let program =
        numbers(&input, &output, &fresh("group")).replace(".emit(n: n)", ".emit(n: n, half: n / 2, type: type_of(n))");
    let (report, _) = report_of(broker, &program);
    assert_eq!(report["counters"]["malformed"], 0);
    let out = broker.read(&output).concat();
    let tails: Vec<&str> = out.iter().map(|o| o.text().split_once(r#","n":"#).expect("a number").1).collect();
    assert_eq!(
        tails,
        [
            r#"9223372036854775807,"half":4611686018427387903,"type":"int"}"#,
            r#"9223372036854775808,"half":4.611686018427388e+18,"type":"float"}"#,
            r#"-9223372036854775809,"half":-4.611686018427388e+18,"type":"float"}"#,
            r#"1e308,"half":5e+307,"type":"float"}"#,
        ]
    );
}

fn malformed_records_after_which_nothing_comes_are_committed(broker: &Broker) {
    let (input, output, group) = (broker.topic("in", 1), broker.topic("out", 1), fresh("group"));
    broker.produce_values(&input, ["no JSON", "[]", ""]);
    let (report, _) = report_of(broker, &numbers(&input, &output, &group));
    assert_eq!(report["counters"]["malformed"], 3);
    assert_eq!(broker.committed(&input, &group), [Some(3)]);
    assert_eq!(broker.ends(&output), [0]);
}

#[test]
fn malformed_lines_of_a_file_are_counted_with_their_numbers() {
    let mut events = Vec::new();
    let bad: Vec<Vec<u8>> = malformed().into_iter().flatten().filter(|line| !line.is_empty()).collect();
    for (n, line) in bad.iter().enumerate() {
        events.extend_from_slice(&number(n as u64));
        events.push(b'\n');
        events.extend_from_slice(line);
        events.push(b'\n');
    }
    let finished = simulate("stream Numbers = Number.emit(n: n)", &events, &["--report", "json"]).ok();
    let printed: Vec<u64> = finished
        .lines()
        .iter()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["n"].as_u64().expect("a number"))
        .collect();
    assert_eq!(printed, (0..bad.len() as u64).collect::<Vec<_>>());
    assert_eq!(finished.report()["counters"]["malformed"], bad.len());
    assert!(finished.stderr.contains("events.jsonl[0]@2:"), "{}", finished.stderr);
}
