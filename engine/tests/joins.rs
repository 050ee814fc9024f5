//! Joins: each rule by hand, then random programs and events against a naive reference.

mod common;

use common::{counter, engine, lines, run, slot};
use proptest::prelude::*;

/// A record of this type at this second.
fn record(event_type: &str, second: i64, fields: &str) -> String {
    format!(r#"{{"event_type":"{event_type}","ts":{}{fields}}}"#, second * 1000)
}

/// The outputs of `program`, without their type.
fn results(program: &str, records: &[String]) -> Vec<String> {
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let outputs = run(program, &records);
    outputs.iter().map(|line| line.replace("{\"event_type\":\"J\",\"timestamp\":", "").replace('}', "")).collect()
}

fn at(second: i64, fields: &str) -> String {
    format!("\"1970-01-01T00:00:{second:02}Z\",{fields}")
}

#[test]
fn an_arrival_completes_one_result_with_the_last_of_the_other_sides() {
    let program = "stream J = join(T, H).on(T.zone == H.zone).window(1m).emit(t: T.v, h: H.v)";
    let records = [
        record("T", 1, r#","zone":"a","v":22"#),
        record("H", 2, r#","zone":"a","v":45"#),
        record("T", 3, r#","zone":"b","v":19"#),
        record("H", 4, r#","zone":"b","v":40"#),
        record("T", 5, r#","zone":"a","v":23"#),
        record("H", 6, r#","zone":"a","v":48"#),
    ];
    let expected =
        [at(2, r#""t":22,"h":45"#), at(4, r#""t":19,"h":40"#), at(5, r#""t":23,"h":45"#), at(6, r#""t":23,"h":48"#)];
    assert_eq!(results(program, &records), expected);
    // The same, however it is written.
    for program in [
        "stream J = join(T, H).window(1m).on(H.zone == T.zone).emit(t: T.v, h: H.v)",
        "stream J = join(stream a = T.on(a.zone == b.zone), stream b = H).emit(t: a.v, h: b.v)",
        "stream A = T\nstream B = H.where(v > 0)\nstream J = join(A, B).on(A.zone == B.zone).emit(t: A.v, h: B.v)",
        "stream J = join(T, H).on(lower(T.zone) == H.zone).emit(t: v, h: H.v)",
    ] {
        assert_eq!(results(program, &records), expected, "{program}");
    }
}

#[test]
fn the_window_includes_its_end_and_counts_back_from_the_arrival() {
    let program = "stream J = join(A, B).on(A.k == B.k).window(10s).emit(a: A.v, b: B.v)";
    let a = |second, v: i64| record("A", second, &format!(r#","k":1,"v":{v}"#));
    let b = |second, v: i64| record("B", second, &format!(r#","k":1,"v":{v}"#));
    assert_eq!(results(program, &[a(5, 1), b(15, 2)]), [at(15, r#""a":1,"b":2"#)], "exactly a window old");
    assert_eq!(results(program, &[a(5, 1), b(16, 2)]), [""; 0]);
    assert_eq!(results(program, &[a(20, 1), b(5, 2)]), [at(20, r#""a":1,"b":2"#)], "the later side's time");
    assert_eq!(results(program, &[a(5, 1), a(5, 2), b(5, 3)]), [at(5, r#""a":2,"b":3"#)], "the last of equal times");
    // What arrived last counts, if it is not too old; then what arrived before.
    assert_eq!(results(program, &[a(8, 1), a(6, 2), b(9, 3)]), [at(9, r#""a":2,"b":3"#)]);
    assert_eq!(results(program, &[a(8, 1), a(6, 2), b(17, 3)]), [at(17, r#""a":1,"b":3"#)]);
    assert_eq!(results(program, &[]), [""; 0]);
}

#[test]
fn keys_are_equal_by_value_and_missing_ones_join_nothing() {
    let records = |left: &str, right: &str| [record("A", 1, left), record("B", 2, right)];
    let one = "stream J = join(A, B).on(A.k == B.k).emit(n: 1)";
    let cases = [
        (r#","k":1"#, r#","k":1.0"#, true),
        (r#","k":1"#, r#","k":"1""#, false),
        (r#","k":9007199254740993"#, r#","k":9007199254740992"#, false),
        (r#","k":"é😀""#, r#","k":"é😀""#, true),
        (r#","k":[1,2]"#, r#","k":[1.0,2]"#, true),
        (r#","k":{"a":1,"b":2}"#, r#","k":{"b":2,"a":1}"#, true),
        (r#","k":null"#, r#","k":null"#, false),
        ("", "", false),
        (r#","k":null"#, "", false),
    ];
    for (left, right, joins) in cases {
        assert_eq!(results(one, &records(left, right)).len(), usize::from(joins), "{left} and {right}");
    }
    let two = "stream J = join(A, B).on(A.k == B.k and A.l == B.m).emit(n: 1)";
    let cases = [
        (r#","k":1,"l":2"#, r#","k":1,"m":2"#, true),
        (r#","k":1,"l":2"#, r#","k":1,"m":3"#, false),
        (r#","k":1,"l":2"#, r#","k":2,"m":1"#, false),
        (r#","k":1"#, r#","k":1"#, false),
    ];
    for (left, right, joins) in cases {
        assert_eq!(results(two, &records(left, right)).len(), usize::from(joins), "{left} and {right}");
    }
    let mut engine = engine(one);
    let mut slots = [slot(&record("A", 1, "")), slot(&record("B", 2, r#","k":null"#))];
    engine.process(&mut slots);
    assert_eq!(counter(&engine, "join_keyless"), 2);
}

#[test]
fn outer_joins_give_preserved_sides_at_once_with_nulls() {
    let records = [
        record("A", 1, r#","k":1,"v":10"#),
        record("B", 2, r#","k":1,"v":20"#),
        record("B", 3, r#","k":2,"v":21"#),
        record("A", 4, r#","k":2,"v":11"#),
        record("A", 5, r#","v":12"#),
        record("B", 6, r#","k":null,"v":22"#),
    ];
    let inner = [at(2, r#""a":10,"b":20"#), at(4, r#""a":11,"b":21"#)];
    let left = [
        at(1, r#""a":10,"b":null"#),
        at(2, r#""a":10,"b":20"#),
        at(4, r#""a":11,"b":21"#),
        at(5, r#""a":12,"b":null"#),
    ];
    let right = [
        at(2, r#""a":10,"b":20"#),
        at(3, r#""a":null,"b":21"#),
        at(4, r#""a":11,"b":21"#),
        at(6, r#""a":null,"b":22"#),
    ];
    let full = [
        at(1, r#""a":10,"b":null"#),
        at(2, r#""a":10,"b":20"#),
        at(3, r#""a":null,"b":21"#),
        at(4, r#""a":11,"b":21"#),
        at(5, r#""a":12,"b":null"#),
        at(6, r#""a":null,"b":22"#),
    ];
    for (kind, expected) in [("join", &inner[..]), ("left_join", &left), ("right_join", &right), ("full_join", &full)] {
        let program = format!("stream J = {kind}(A, B).on(A.k == B.k).emit(a: A.v, b: B.v)");
        assert_eq!(results(&program, &records), expected, "{kind}");
    }
}

#[test]
fn three_sides_join_when_all_are_there() {
    let program = "stream J = join(A, B, C).on(A.k == B.k and B.k == C.id).emit(a: A.v, b: B.v, c: C.v)";
    let records = [
        record("A", 1, r#","k":1,"v":1"#),
        record("C", 2, r#","id":1,"v":3"#),
        record("B", 3, r#","k":1,"v":2"#),
        record("A", 4, r#","k":1,"v":4"#),
    ];
    assert_eq!(results(program, &records), [at(3, r#""a":1,"b":2,"c":3"#), at(4, r#""a":4,"b":2,"c":3"#)]);
}

#[test]
fn results_are_read_by_side_by_bare_name_and_as_a_whole() {
    let records = [record("A", 1, r#","k":1,"v":10,"only_a":1"#), record("B", 2, r#","k":1,"v":20,"only_b":2"#)];
    let cases = [
        ("emit(v: v, a: only_a, b: only_b)", at(2, r#""v":10,"a":1,"b":2"#)),
        ("where(B.v > A.v).emit(sum: A.v + B.v)", at(2, r#""sum":30"#)),
        ("select(x: B.v).where(x == 20).emit(x: x)", at(2, r#""x":20"#)),
        ("emit()", at(2, r#""ts":1000,"k":1,"v":10,"only_a":1,"only_b":2"#)),
        ("filter(e => e.only_b == 2).emit(n: len(keys(A)))", at(2, r#""n":4"#)),
        ("map(e => {v: e.v}).emit()", at(2, r#""v":10"#)),
    ];
    for (operations, expected) in cases {
        let program = format!("stream J = join(A, B).on(A.k == B.k).{operations}");
        assert_eq!(results(&program, &records), [expected], "{operations}");
    }
    let program = "stream I = join(A, B).on(A.k == B.k)\nstream J = I.where(only_b == 2).emit(v: v, b: only_b)";
    assert_eq!(results(program, &records), [at(2, r#""v":10,"b":2"#)]);
    // Joins of joins and of windows.
    let program = "stream I = join(A, B).on(A.k == B.k).select(key: A.k, s: A.v + B.v)\n\
                   stream J = join(I, A).on(I.key == A.k).emit(s: I.s, v: A.v)";
    let mut more = records.to_vec();
    more.push(record("A", 3, r#","k":1,"v":11"#));
    let expected = [at(2, r#""s":30,"v":10"#), at(3, r#""s":31,"v":10"#), at(3, r#""s":31,"v":11"#)];
    assert_eq!(results(program, &more), expected, "the third event reaches the inner join first");
}

#[test]
fn an_event_that_is_on_both_sides_meets_the_last_one_before_it() {
    let program = "stream J = join(stream a = T, stream b = T).on(a.k == b.next).emit(a: a.v, b: b.v)";
    let records = [
        record("T", 1, r#","k":1,"next":2,"v":1"#),
        record("T", 2, r#","k":2,"next":3,"v":2"#),
        record("T", 3, r#","k":3,"next":3,"v":3"#),
    ];
    let expected = [at(2, r#""a":2,"b":1"#), at(3, r#""a":3,"b":2"#), at(3, r#""a":3,"b":3"#)];
    assert_eq!(results(program, &records), expected);
}

/// Which sides give results without a match.
const KINDS: [&str; 4] = ["join", "left_join", "right_join", "full_join"];

/// What arrived: side, key, time in seconds, value.
type Arrival = (usize, Option<i64>, i64, usize);

/// The rule of joins, word for word, over everything that ever arrived.
fn naive(kind: usize, sides: usize, window: i64, arrivals: &[Arrival]) -> Vec<(i64, Vec<Option<usize>>)> {
    let mut results = Vec::new();
    for (place, &(side, key, now, _)) in arrivals.iter().enumerate() {
        let row: Vec<Option<&Arrival>> = (0..sides)
            .map(|other| {
                if other == side {
                    return Some(&arrivals[place]);
                }
                let fits = |a: &&Arrival| a.0 == other && key.is_some() && a.1 == key && a.2 >= now - window;
                arrivals[..place].iter().rfind(fits)
            })
            .collect();
        let there = |side: usize| row[side].is_some();
        let complete = match kind {
            0 => (0..sides).all(there),
            1 => there(0),
            2 => there(sides - 1),
            _ => true,
        };
        if complete {
            let time = row.iter().flatten().map(|a| a.2).max().expect("the arrival itself");
            results.push((time, row.iter().map(|a| a.map(|a| a.3)).collect()));
        }
    }
    results
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn joins_do_what_the_rule_says(
        kind in 0..4usize,
        sides in 2..4usize,
        window in 1..8i64,
        steps in prop::collection::vec((0..3usize, prop::option::weighted(0.9, 0..3i64), 0..3i64, 0..5i64), 0..60),
        batch in 1..20usize,
    ) {
        // Late by less than a window, which is as late as a join promises to be exact.
        let mut clock = 100;
        let mut arrivals = Vec::new();
        for (value, (side, key, ahead, late)) in steps.into_iter().enumerate() {
            clock += ahead;
            arrivals.push((side % sides, key, clock - late.min(window), value));
        }
        let names: Vec<String> = (0..sides).map(|side| format!("S{side}")).collect();
        let on: Vec<String> = names.windows(2).map(|pair| format!("{}.k == {}.k", pair[0], pair[1])).collect();
        let fields: Vec<String> = names.iter().map(|name| format!("{}: {name}.v", name.to_lowercase())).collect();
        let program = format!(
            "stream J = {}({}).on({}).window({window}s).emit({})",
            KINDS[kind], names.join(", "), on.join(" and "), fields.join(", ")
        );
        let mut slots: Vec<_> = arrivals
            .iter()
            .map(|(side, key, time, value)| {
                let key = key.map_or(String::new(), |key| format!(r#","k":{key}"#));
                slot(&record(&names[*side], *time, &format!(r#"{key},"v":{value}"#)))
            })
            .collect();
        let mut engine = engine(&program);
        slots.chunks_mut(batch).for_each(|slots| engine.process(slots));
        let expected: Vec<String> = naive(kind, sides, window, &arrivals)
            .iter()
            .map(|(time, row)| {
                let fields = row.iter().enumerate().map(|(side, value)| {
                    format!(r#","s{side}":{}"#, value.map_or("null".to_owned(), |value| value.to_string()))
                });
                let time = format!("1970-01-01T00:{:02}:{:02}Z", time / 60, time % 60);
                format!(r#"{{"event_type":"J","timestamp":"{time}"{}}}"#, fields.collect::<String>())
            })
            .collect();
        prop_assert_eq!(lines(&slots), expected);
    }
}
