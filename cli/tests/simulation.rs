//! `kolo simulate`: both forms of events, their times, and the same plan as on Kafka.

mod support;

use kolo_source::generate::{Program, Scenario};
use support::simulate;

const TICKS: &str = "stream Ticks = Tick.emit(n: n)";

/// The line that [`TICKS`] prints.
fn tick(n: u64, time: &str) -> String {
    format!(r#"{{"event_type":"Ticks","timestamp":"{time}","n":{n}}}"#)
}

#[test]
fn the_timestamp_of_native_events_is_honoured() {
    let events = concat!(
        r#"{"event_type":"Tick","@timestamp":"2026-04-12T10:40:00Z","data":{"n":1}}"#,
        "\n",
        r#"{"event_type":"Tick","@timestamp":"2026-04-12T10:40:00.011Z","data":{"n":2,"ts":5}}"#,
        "\n",
        r#"{"data":{"n":3},"@timestamp":"2026-04-12T12:40:00.123456+02:00","event_type":"Tick"}"#,
        "\n",
    );
    let finished = simulate(TICKS, events.as_bytes(), &[]).ok();
    let expected =
        [tick(1, "2026-04-12T10:40:00Z"), tick(2, "2026-04-12T10:40:00.011Z"), tick(3, "2026-04-12T10:40:00.123456Z")];
    assert_eq!(finished.lines(), expected);
}

#[test]
fn the_time_of_flat_events_is_honoured() {
    let events = concat!(
        r#"{"event_type":"Tick","ts":1775990400011,"n":1}"#,
        "\n",
        r#"{"event_type":"Tick","timestamp":"2026-04-12T10:40:01Z","n":2}"#,
        "\n",
        r#"{"event_type":"Tick","@timestamp":"2026-04-12T10:40:02Z","ts":1,"n":3}"#,
    );
    let finished = simulate(TICKS, events.as_bytes(), &[]).ok();
    let expected =
        [tick(1, "2026-04-12T10:40:00.011Z"), tick(2, "2026-04-12T10:40:01Z"), tick(3, "2026-04-12T10:40:02Z")];
    assert_eq!(finished.lines(), expected);
}

#[test]
fn both_forms_and_blank_lines_may_be_mixed() {
    let events = concat!(
        "\n  \n",
        r#"{"event_type":"Tick","@timestamp":"2026-04-12T10:40:00Z","data":{"n":1}}"#,
        "\r\n\t\r\n",
        r#"  {"event_type":"Tick","ts":1775990401000,"n":2}  "#,
        "\n\n\n",
        r#"{"event_type":"Other","ts":1775990401000,"n":99}"#,
        "\n",
        r#"{"event_type":"Tick","@timestamp":"2026-04-12T10:40:02Z","data":{"n":3}}"#,
    );
    let finished = simulate(TICKS, events.as_bytes(), &["--report", "json"]).ok();
    let expected = [tick(1, "2026-04-12T10:40:00Z"), tick(2, "2026-04-12T10:40:01Z"), tick(3, "2026-04-12T10:40:02Z")];
    assert_eq!(finished.lines(), expected);
    let report = finished.report();
    assert_eq!(report["records_in"], 4, "blank lines are no records");
    assert_eq!(report["counters"]["unrouted"], 1);
    assert_eq!(report["counters"]["malformed"], 0);
}

#[test]
fn outputs_can_be_inputs() {
    let first = simulate(TICKS, br#"{"event_type":"Tick","ts":1775990400011,"n":1}"#, &[]).ok();
    let second = simulate("stream Again = Ticks.emit(n: n)", first.stdout.as_bytes(), &[]).ok();
    assert_eq!(second.lines(), [tick(1, "2026-04-12T10:40:00.011Z").replace("Ticks", "Again")]);
}

#[test]
fn quiet_prints_no_outputs() {
    let events = "{\"event_type\":\"Tick\",\"ts\":1,\"n\":1}\n".repeat(100);
    let finished = simulate(TICKS, events.as_bytes(), &["--quiet", "--report", "json"]).ok();
    assert_eq!(finished.stdout, "");
    assert_eq!(finished.report()["outputs"], 100);
}

#[test]
fn an_empty_file_is_no_failure() {
    for events in ["", "\n", "   "] {
        let finished = simulate(TICKS, events.as_bytes(), &["--report", "json"]).ok();
        assert_eq!(finished.stdout, "");
        assert_eq!(finished.report()["records_in"], 0);
    }
}

#[test]
fn the_scenarios_give_what_the_formula_says_for_every_ring_and_wait() {
    let scenarios = [
        (Program::Filter, include_str!("../../scenarios/01_filter/pipeline.vpl")),
        (Program::FilterWide, include_str!("../../scenarios/01_filter/wide.vpl")),
        (Program::Arithmetic, include_str!("../../scenarios/arithmetic/pipeline.vpl")),
    ];
    for (program, text) in scenarios {
        let records = lines(program.input(), 10_000);
        let mut expected = Vec::new();
        for i in 0..10_000 {
            for topic in 0..program.output_topics().len() {
                if program.expected(topic, i, &mut expected) {
                    expected.push(b'\n');
                }
            }
        }
        let expected = String::from_utf8(expected).expect("outputs are ASCII");
        for (wait, ring_size) in
            [("busy-spin", "64"), ("yield", "64"), ("park", "64"), ("auto", "64"), ("park", "1"), ("auto", "4096")]
        {
            let finished = simulate(text, &records, &["--wait", wait, "--ring-size", ring_size]).ok();
            assert!(finished.stdout == expected, "{program}, --wait {wait}, --ring-size {ring_size}");
        }
    }
}

/// Bad records, long ones, blank lines, outputs of several streams: whatever comes in, both lanes put out the same bytes.
#[test]
fn both_rings_give_the_same_bytes() {
    let program = "stream V = Tick.select(symbol: symbol, notional: price * volume)\n\
                   stream A = V.where(notional > 60000).emit(symbol: symbol, notional: notional, fee: notional * 0.25)\n\
                   stream B = Tick.where(volume % 7 == 3).emit()\n\
                   stream C = Tick.select(symbol: symbol).distinct(symbol).emit(first: symbol)\n";
    let mut events = Vec::new();
    for i in 0..20_000 {
        Scenario::Filter.record(i, &mut events);
        events.push(b'\n');
        match i % 1_000 {
            10 => events.extend(b"no JSON at all\n"),
            20 => events.extend(b"{\"event_type\":\"Other\",\"ts\":1}\n \n"),
            30 => {
                // Longer than a slot: it lies beside.
                let note = "x".repeat(i as usize);
                events.extend(format!(r#"{{"event_type":"Tick","ts":{i},"volume":3,"note":"{note}"}}"#).into_bytes());
                events.push(b'\n');
            }
            _ => {}
        }
    }
    for (wait, ring_size) in [("busy-spin", "64"), ("yield", "1024"), ("park", "2"), ("park", "4096")] {
        let [native, disruptor] = ["native", "disruptor"].map(|ring| {
            let arguments = ["--ring", ring, "--wait", wait, "--ring-size", ring_size, "--report", "json"];
            let finished = simulate(program, &events, &arguments).ok();
            let report = finished.report();
            assert_eq!(report["ring"], ring);
            (finished.stdout, report["records_in"].clone(), report["outputs"].clone(), report["counters"].clone())
        });
        assert!(native == disruptor, "--wait {wait}, --ring-size {ring_size}: the two rings differ");
        assert!(native.0.lines().count() > 10_000 && native.1.as_u64() > Some(20_000));
    }
}

fn lines(scenario: Scenario, count: u64) -> Vec<u8> {
    let mut lines = Vec::new();
    for i in 0..count {
        scenario.record(i, &mut lines);
        lines.push(b'\n');
    }
    lines
}
