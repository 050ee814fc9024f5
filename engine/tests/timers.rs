//! Timers: by event time over files, by ticks in a run against Kafka.

mod common;

use common::{KAFKA, assigned, counter, engine, lines, slot};
use kolo_engine::slot::{Cause, Slot};

/// An event at this millisecond.
fn event(ms: i64) -> Slot {
    slot(&format!(r#"{{"event_type":"T","ts":{ms}}}"#))
}

/// The types and times of all outputs.
fn fired(slots: &[Slot]) -> Vec<String> {
    let value = |line: &String| serde_json::from_str::<serde_json::Value>(line).expect("JSON");
    let text = |value: &serde_json::Value, key: &str| value[key].as_str().expect("a text").to_owned();
    lines(slots)
        .iter()
        .map(value)
        .map(|v| format!("{} {}", text(&v, "event_type"), &text(&v, "timestamp")[17..]))
        .collect()
}

fn run(program: &str, mut slots: Vec<Slot>) -> Vec<String> {
    engine(program).process(&mut slots);
    fired(&slots)
}

#[test]
fn a_timer_fires_before_the_event_that_reaches_its_time() {
    let program = "stream Beat = timer(2s).emit(at: timestamp)\nstream E = T.emit()";
    let slots = vec![event(1000), event(2999), event(3000), event(2000), event(8000)];
    let expected = ["E 01Z", "E 02.999Z", "Beat 03Z", "E 03Z", "E 02Z", "Beat 05Z", "Beat 07Z", "E 08Z"];
    assert_eq!(run(program, slots), expected);
    let first = &mut [event(1000), event(3000)];
    engine("stream Beat = timer(2s).emit(at: timestamp, what: event_type)").process(first);
    assert_eq!(
        lines(first),
        [r#"{"event_type":"Beat","timestamp":"1970-01-01T00:00:03Z","at":"1970-01-01T00:00:03Z","what":"Timer"}"#]
    );
}

#[test]
fn the_initial_delay_counts_from_the_first_time() {
    let program = |delay| format!("stream B = timer(10s, initial_delay: {delay}).emit()");
    let slots = || vec![event(1000), event(2000), event(22000)];
    assert_eq!(run(&program("1s"), slots()), ["B 02Z", "B 12Z", "B 22Z"]);
    assert_eq!(run(&program("0s"), slots()), ["B 01Z", "B 11Z", "B 21Z"]);
    assert_eq!(run("stream B = timer(10s).emit()", slots()), ["B 11Z", "B 21Z"]);
    assert_eq!(run("stream B = timer(10s).emit()", Vec::new()), [""; 0]);
}

#[test]
fn timers_fire_in_the_order_of_their_times_and_of_their_declaration() {
    let program =
        "stream A = timer(3s).emit()\nstream B = timer(2s).emit()\nstream C = B.where(event_type == \"B\").emit()";
    let expected = ["B 02Z", "C 02Z", "A 03Z", "B 04Z", "C 04Z", "A 06Z", "B 06Z", "C 06Z"];
    assert_eq!(run(program, vec![event(0), event(6000)]), expected);
}

#[test]
fn a_leap_of_time_is_bounded_and_counted() {
    let mut engine = engine("stream B = timer(1s).emit()");
    let mut slots = vec![event(0), event(20_000_500), event(20_001_000)];
    engine.process(&mut slots);
    assert_eq!((lines(&slots[..2]).len(), lines(&slots[2..]).len()), (10_000, 1));
    assert_eq!(counter(&engine, "timers_skipped"), 10_000);
}

#[test]
fn against_kafka_timers_go_by_the_ticks() {
    let program =
        format!("{KAFKA}stream S = T.from(k, topic: \"t\")\nstream B = timer(2s).emit()\nstream E = S.emit()");
    let tick = |ms| Slot { cause: Cause::Tick, timestamp_ms: ms, ..Slot::default() };
    let slots = vec![assigned(Some(0)), event(1000), tick(10_000), event(9000), tick(11_999), tick(14_100)];
    assert_eq!(run(&program, slots), ["E 01Z", "E 09Z", "B 12Z", "B 14Z"]);
}

#[test]
fn windows_and_functions_work_on_timers() {
    let program = "stream W = timer(1s).window(3s).aggregate(n: count()).emit(n: n)";
    let end = Slot { cause: Cause::EndOfInput, ..Slot::default() };
    let mut slots = vec![event(0), event(7000), end];
    engine(program).process(&mut slots);
    let counts =
        |slots: &[Slot]| lines(slots).iter().map(|line| line[line.len() - 2..][..1].to_owned()).collect::<Vec<_>>();
    assert_eq!(counts(&slots[..2]), ["2", "3"], "1 2 and 3 4 5 are closed; 6 7 are open");
    assert_eq!(counts(&slots[2..]), ["2"]);
    let program = "fn row(n: int):\n    for i in 0..n:\n        emit Pixel(i: i)\nstream S = timer(1s).process(row(2))";
    assert_eq!(run(program, vec![event(0), event(2000)]), ["Pixel 01Z", "Pixel 01Z", "Pixel 02Z", "Pixel 02Z"]);
}
