//! Windows and aggregates. Each test states its rule in its name; expected events were worked out by hand.

mod common;

use common::{counter, engine, lines, slot};
use kolo_engine::slot::{Cause, Slot};

/// What `program` puts out for these events of type `T` (a time in seconds and the other fields each), up to the end of
/// the input. Outputs are
/// written as their time and the other fields.
fn outputs(program: &str, events: &[(f64, &str)]) -> Vec<String> {
    let mut engine = engine(program);
    let mut slots: Vec<Slot> = events.iter().map(|(time, fields)| event("T", *time, fields)).collect();
    slots.push(Slot { cause: Cause::EndOfInput, ..Slot::default() });
    engine.process(&mut slots);
    lines(&slots).iter().map(|line| short(line)).collect()
}

fn event(event_type: &str, time: f64, fields: &str) -> Slot {
    let comma = if fields.is_empty() { "" } else { "," };
    slot(&format!(r#"{{"event_type":"{event_type}","ts":{}{comma}{fields}}}"#, (time * 1000.0) as i64))
}

/// `12.5 {"n":3}`
fn short(line: &str) -> String {
    let serde_json::Value::Object(mut fields) = serde_json::from_str(line).expect("JSON") else { panic!("{line}") };
    let time = fields.shift_remove("timestamp").expect("a time");
    let name = fields.shift_remove("event_type").expect("a type");
    let time = time.as_str().expect("text").strip_prefix("1970-01-01T00:").expect("soon after 1970").to_owned();
    let rest = serde_json::Value::Object(fields);
    let name = name.as_str().expect("text");
    format!("{}{} {rest}", if name == "S" { String::new() } else { format!("{name} ") }, time.trim_end_matches('Z'))
}

#[test]
fn a_tumbling_window_closes_when_the_watermark_reaches_its_end() {
    let program = "stream S = T.window(1m).aggregate(n: count(), sum: sum(x), mean: avg(x)).emit()";
    let events = [(0.0, r#""x":1"#), (59.999, r#""x":2.5"#), (60.0, r#""x":10"#), (250.0, r#""x":null"#)];
    assert_eq!(
        outputs(program, &events),
        [
            r#"01:00 {"n":2,"sum":3.5,"mean":1.75}"#,
            r#"02:00 {"n":1,"sum":10.0,"mean":10.0}"#,
            r#"05:00 {"n":1,"sum":0.0,"mean":null}"#
        ]
    );
    assert_eq!(outputs(program, &[]), [""; 0]);
}

#[test]
fn each_key_has_a_window_of_its_own_and_results_come_in_the_order_of_their_first_appearance() {
    let program = "stream S = T.partition_by(k).window(10s).aggregate(n: count(), last: last(x)).emit()";
    let events = [
        (1.0, r#""k":"b","x":1"#),
        (2.0, r#""k":"a","x":2"#),
        (3.0, r#""k":"b","x":3"#),
        (4.0, r#""x":4"#),
        (5.0, r#""k":null,"x":5"#),
        (11.0, r#""k":"a","x":6"#),
    ];
    assert_eq!(
        outputs(program, &events),
        [
            r#"00:10 {"k":"b","n":2,"last":3}"#,
            r#"00:10 {"k":"a","n":1,"last":2}"#,
            r#"00:10 {"n":1,"last":4}"#,
            r#"00:10 {"k":null,"n":1,"last":5}"#,
            r#"00:20 {"k":"a","n":1,"last":6}"#
        ]
    );
}

#[test]
fn a_late_event_is_counted_and_dropped_and_what_a_filter_drops_moves_the_watermark_all_the_same() {
    let mut engine = engine("stream S = T.where(x > 0).window(10s).aggregate(n: count()).emit()");
    let mut slots = [event("T", 1.0, r#""x":1"#), event("T", 10.0, r#""x":0"#), event("T", 9.999, r#""x":1"#)];
    engine.process(&mut slots);
    assert_eq!(lines(&slots[1..2]).iter().map(|line| short(line)).collect::<Vec<_>>(), [r#"00:10 {"n":1}"#]);
    assert_eq!((counter(&engine, "late"), counter(&engine, "filtered")), (1, 1));
    assert!(slots[2].ends_batch && slots[2].floors.is_empty(), "nothing is open");
}
