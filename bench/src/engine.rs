//! The engine by itself: whole programs over records that lie in memory, on one thread, through the ring.
//!
//! ```text
//!   one thread:  copy records into slots, publish ─▶ Engine::process, release ─▶ look at each output, release ─▶ again
//! ```
//!
//! What is measured is everything that a lane does with a record but Kafka and files. Each program has a bar, stated for a
//! machine on which the bare relay moves 2.8 M records/s; `--relay` scales it to this one. The time that it takes to check
//! a program of 10,000 lines is measured as well.
//!
//! The clock is the thread's processor time: where it has a core to itself, that is the time that passes; where it has not,
//! it is not charged for others.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Args;
use kolo_engine::Engine;
use kolo_engine::check::check;
use kolo_engine::diagnostic::{SourceFile, render};
use kolo_engine::plan::Plan;
use kolo_engine::slot::{Cause, Slot};
use kolo_ring::{Acknowledger, BusySpin, Config, Producer, Stage, lane};
use serde_json::{Value, json};

use crate::Result;
use crate::report::cpu_model;
use crate::summary::Summary;

/// What the relay does on the machine for which the bars are stated, in records/s.
const RELAY_OF_BARS: f64 = 2_800_000.0;
/// Slots of the ring, as `kolo run` has by default.
const SLOTS: usize = 16_384;
/// Slots that the engine and the last stage take at once, as a lane's do at most.
const BATCH_SLOTS: usize = 256;
/// Lines of the program that is checked.
const CHECKED_LINES: usize = 10_000;
/// Within so many milliseconds.
const CHECK_BAR_MS: f64 = 100.0;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Records to run each program over
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    events: u64,
    /// Rounds that count
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Records a second that `kolo-bench relay` moves on this machine; scales the bars
    #[arg(long, default_value_t = RELAY_OF_BARS)]
    relay: f64,
    /// Only the programs whose name contains this
    #[arg(long)]
    filter: Option<String>,
    /// Also write the figures to this file, as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

/// A program, its records, and how many a second it should do.
struct Case {
    name: &'static str,
    program: &'static str,
    /// Appends record i.
    record: fn(u64, &mut Vec<u8>),
    bar: f64,
}

const CASES: [Case; 6] = [
    Case {
        name: "filter and projection",
        program: include_str!("../programs/filter.vpl"),
        record: |i, out| {
            let (ts, symbol, price) = (at(i), SYMBOLS[i as usize % 4], 40 + i % 100);
            put(
                out,
                format_args!(
                    r#"{{"event_type": "Tick", "ts": {ts}, "symbol": "{symbol}", "price": {price}.0, "volume": {i}}}"#
                ),
            );
        },
        bar: 5e6,
    },
    Case {
        name: "tumbling average, 100 keys",
        program: include_str!("../programs/tumbling.vpl"),
        record: |i, out| {
            let (ts, key, price) = (at(i), i * 7 % 100, 40 + i % 100);
            put(out, format_args!(r#"{{"event_type": "Tick", "ts": {ts}, "symbol": "S{key}", "price": {price}.5}}"#));
        },
        bar: 4e6,
    },
    Case {
        name: "sliding window, 10 slides",
        program: include_str!("../programs/sliding.vpl"),
        record: |i, out| {
            let (ts, price) = (at(i), 40 + i % 100);
            put(out, format_args!(r#"{{"event_type": "Tick", "ts": {ts}, "price": {price}.5}}"#));
        },
        bar: 2e6,
    },
    Case {
        name: "join of two streams",
        program: include_str!("../programs/join.vpl"),
        record: order_or_payment,
        bar: 1.5e6,
    },
    Case {
        name: "sequence, 10,000 keys",
        program: include_str!("../programs/sequence.vpl"),
        record: order_or_payment,
        bar: 1.5e6,
    },
    Case {
        name: "closure, longest match",
        program: include_str!("../programs/kleene.vpl"),
        record: |i, out| {
            // Ten events a match: a start, eight readings, an end; the matches of 100 machines run side by side.
            let (ts, id, value) = (at(i), i % 100, i % 1000);
            match i / 100 % 10 {
                0 => put(out, format_args!(r#"{{"event_type": "Start", "ts": {ts}, "id": {id}}}"#)),
                9 => put(out, format_args!(r#"{{"event_type": "Stop", "ts": {ts}, "id": {id}}}"#)),
                _ => {
                    put(out, format_args!(r#"{{"event_type": "Reading", "ts": {ts}, "id": {id}, "value": {value}.5}}"#))
                }
            }
        },
        bar: 0.5e6,
    },
];

const SYMBOLS: [&str; 4] = ["AAPL", "GOOG", "MSFT", "TSLA"];

/// The time of record i in milliseconds: ten records each.
fn at(i: u64) -> u64 {
    1_775_990_400_000 + i / 10
}

/// Ten thousand orders, then their payments, and again.
fn order_or_payment(i: u64, out: &mut Vec<u8>) {
    let (ts, id, amount) = (at(i), i % 10_000, i % 500);
    let event_type = if (i / 10_000).is_multiple_of(2) { "Order" } else { "Payment" };
    put(out, format_args!(r#"{{"event_type": "{event_type}", "ts": {ts}, "id": {id}, "amount": {amount}.25}}"#));
}

fn put(out: &mut Vec<u8>, record: std::fmt::Arguments<'_>) {
    std::io::Write::write_fmt(out, record).expect("memory can be written to");
}

/// What came of a program.
struct Measured {
    name: &'static str,
    bar: f64,
    /// Records a second; an error is why the program was refused.
    rate: Result<Summary, String>,
    outputs_per_record: f64,
}

/// Measures, and prints the table.
pub(crate) fn run(options: &Options) -> Result<()> {
    let scale = options.relay / RELAY_OF_BARS;
    let mut all = Vec::new();
    println!("{:<28}{:<26}{:>12}{:>9}{:>9}", "program", "million records/s", "bar", "of bar", "out/in");
    for case in &CASES {
        if !options.filter.as_ref().is_none_or(|part| case.name.contains(part.as_str())) {
            continue;
        }
        let measured = measure(case, options, scale);
        println!("{}", line(&measured));
        all.push(measured);
    }
    let check_ms = check_time(options.rounds);
    println!(
        "a program of {CHECKED_LINES} lines is checked in {:.1} ms ({:.1} – {:.1}); the bar is {CHECK_BAR_MS} ms",
        check_ms.median, check_ms.min, check_ms.max
    );
    println!(
        "Median of {} rounds (least – greatest) over {} records; bars for a relay of {:.2} M records/s.",
        options.rounds,
        options.events,
        options.relay / 1e6
    );
    if let Some(path) = &options.json {
        fs::write(path, serde_json::to_string_pretty(&document(options, &all, check_ms))? + "\n")?;
    }
    Ok(())
}

fn line(measured: &Measured) -> String {
    let Measured { name, bar, rate, outputs_per_record } = measured;
    match rate {
        Err(reason) => format!("{name:<28}{reason}"),
        Ok(Summary { median, min, max }) => {
            let rate = format!("{:.3} ({:.3} – {:.3})", median / 1e6, min / 1e6, max / 1e6);
            format!("{name:<28}{rate:<26}{:>12.2}{:>9.2}{outputs_per_record:>9.3}", bar / 1e6, median / bar)
        }
    }
}

fn measure(case: &Case, options: &Options, scale: f64) -> Measured {
    let failed =
        |reason| Measured { name: case.name, bar: case.bar * scale, rate: Err(reason), outputs_per_record: 0.0 };
    let plan = match compile(case) {
        Ok(plan) => Arc::new(plan),
        Err(reason) => return failed(reason),
    };
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for i in 0..options.events {
        (case.record)(i, &mut bytes);
        ends.push(bytes.len());
    }
    let mut outputs = 0;
    let mut rates = Vec::new();
    for _ in 0..options.rounds {
        let mut loop_of_one = Loop::new(&plan);
        let began = processor_time();
        outputs = loop_of_one.run(&bytes, &ends);
        rates.push(options.events as f64 / (processor_time() - began).as_secs_f64());
    }
    Measured {
        name: case.name,
        bar: case.bar * scale,
        rate: Ok(Summary::of(rates)),
        outputs_per_record: outputs as f64 / options.events as f64,
    }
}

fn compile(case: &Case) -> Result<Plan, String> {
    let source = SourceFile::new(case.name, case.program);
    let (program, diagnostics) = check(&source, &|_| None);
    let program = program.ok_or_else(|| {
        let first = diagnostics.iter().find(|diagnostic| diagnostic.is_error());
        first.map_or_else(String::new, |first| format!("refused: {}", first.message))
    })?;
    if !diagnostics.is_empty() {
        eprint!("{}", render(&source, &diagnostics, false));
    }
    Plan::compile(&program).map_err(|reason| format!("refused: {reason}"))
}

/// A lane whose parties take turns on one thread.
struct Loop {
    producer: Producer<Slot, BusySpin>,
    evaluate: Stage<Slot, BusySpin>,
    send: Stage<Slot, BusySpin>,
    acknowledger: Acknowledger<BusySpin>,
    engine: Engine,
}

impl Loop {
    fn new(plan: &Arc<Plan>) -> Loop {
        let config = Config { slots: SLOTS, in_flight: u64::MAX / 2 };
        let (producer, [evaluate, send], acknowledger, _) = lane::<Slot, BusySpin, 2>(config, Slot::default);
        Loop { producer, evaluate, send, acknowledger, engine: Engine::new(Arc::clone(plan)) }
    }

    /// Runs the records, each of which ends at its place in `bytes`, and the end of the input. Returns the number of
    /// outputs.
    fn run(&mut self, bytes: &[u8], ends: &[usize]) -> u64 {
        let (mut outputs, mut next, mut start) = (0, 0, 0);
        let last = ends.len() as u64 + 1;
        while self.send.position() < last {
            if let Ok(mut batch) = self.producer.try_claim(BATCH_SLOTS) {
                let mut filled = 0;
                while filled < batch.len() && next <= ends.len() {
                    let slot = &mut batch[filled];
                    match ends.get(next) {
                        Some(end) => {
                            (slot.cause, slot.offset, slot.timestamp_ms) = (Cause::Record, next as i64, -1);
                            slot.payload.set(None, Some(&bytes[start..*end]));
                            start = *end;
                        }
                        None => slot.cause = Cause::EndOfInput,
                    }
                    (filled, next) = (filled + 1, next + 1);
                }
                batch.publish(filled);
            }
            if let Ok(mut batch) = self.evaluate.try_claim(BATCH_SLOTS) {
                self.engine.process(&mut batch);
                let all = batch.len();
                batch.release(all);
            }
            if let Ok(mut batch) = self.send.try_claim(BATCH_SLOTS) {
                for slot in batch.iter_mut() {
                    for output in slot.outputs.list() {
                        std::hint::black_box(slot.outputs.bytes(output.value));
                        outputs += 1;
                    }
                    slot.recycle();
                }
                let all = batch.len();
                batch.release(all);
                self.acknowledger.acknowledge(self.send.position());
            }
        }
        outputs
    }
}

/// How long it takes to check and plan a program of [`CHECKED_LINES`] lines, in milliseconds.
fn check_time(rounds: u32) -> Summary {
    let text = long_program();
    let times = (0..rounds).map(|_| {
        let began = processor_time();
        let source = SourceFile::new("long.vpl", text.as_str());
        let (program, _) = check(&source, &|_| None);
        Plan::compile(&program.expect("the program is right")).expect("it is within the limits");
        (processor_time() - began).as_secs_f64() * 1e3
    });
    Summary::of(times)
}

/// What this thread has used of a processor so far.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec that the call may write to, and every Linux has this clock.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(failed, 0, "the system tells the processor time of a thread");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Event types of ten fields, and chains of five streams that filter, compute and publish.
fn long_program() -> String {
    let mut text = "connector k = kafka(brokers: \"127.0.0.1:9092\")\n".to_owned();
    let mut number = 0;
    let lines = |text: &str| text.bytes().filter(|byte| *byte == b'\n').count();
    while lines(&text) < CHECKED_LINES {
        _ = writeln!(text, "event Tick{number}:");
        for field in 0..10 {
            _ = writeln!(text, "    field{field}: {}", if field % 2 == 0 { "float" } else { "str" });
        }
        _ = writeln!(text, "let limit{number} = {number} * 2 + 1");
        _ = writeln!(text, "stream Raw{number} = Tick{number}.from(k, topic: \"ticks-{number}\")");
        _ = writeln!(text, "    .where(field0 > limit{number} and field1 != \"x\" or field2 * 2 < 10.5)");
        for step in 1..5 {
            let read = if step == 1 { format!("Raw{number}") } else { format!("Step{number}x{}", step - 1) };
            _ = writeln!(text, "stream Step{number}x{step} = {read} as e");
            _ = writeln!(text, "    .where(e.field0 + {step} > field2 and len(field1) in [1, 2, 3])");
            _ = writeln!(text, "    .select(field0: field0 * 2, field1, field2: field2 - {step}.5)");
        }
        _ = writeln!(text, "stream Out{number} = Step{number}x4");
        _ = writeln!(text, "    .emit(a: field0, b: upper(field1), c: if field2 > 1 then \"high\" else \"low\")");
        _ = writeln!(text, "    .to(k, topic: \"out-{number}\", key: b)");
        number += 1;
    }
    text
}

/// Everything measured, with what it was measured on.
fn document(options: &Options, all: &[Measured], check_ms: Summary) -> Value {
    let summary = |summary: &Summary| json!({ "median": summary.median, "min": summary.min, "max": summary.max });
    let program = |measured: &Measured| {
        let mut entry = json!({ "program": measured.name, "bar_records_per_s": measured.bar });
        match &measured.rate {
            Ok(rate) => {
                entry["records_per_s"] = summary(rate);
                entry["of_bar"] = (rate.median / measured.bar).into();
                entry["outputs_per_record"] = measured.outputs_per_record.into();
            }
            Err(reason) => entry["refused"] = reason.as_str().into(),
        }
        entry
    };
    json!({
        "benchmark": "engine",
        "version": env!("CARGO_PKG_VERSION"),
        "machine": { "cpu": cpu_model(), "cores": thread::available_parallelism().map_or(0, usize::from) },
        "events": options.events,
        "rounds": options.rounds,
        "relay_records_per_s": options.relay,
        "programs": all.iter().map(program).collect::<Value>(),
        "check": { "lines": CHECKED_LINES, "ms": summary(&check_ms), "bar_ms": CHECK_BAR_MS },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Over whole laps of its records each program gives as many outputs as its formula says.
    #[test]
    fn the_programs_do_what_they_are_measured_for() {
        for (name, records, expected) in [
            ("filter and projection", 1_000, 10 * 89),
            // Two whole seconds of all 100 keys; the last window is flushed.
            ("tumbling average, 100 keys", 20_000, 200),
            // One at the first event, and one at every full second after it.
            ("sliding window, 10 slides", 20_001, 3),
            ("sequence, 10,000 keys", 40_000, 20_000),
            ("closure, longest match", 2_000, 200),
        ] {
            let case = CASES.iter().find(|case| case.name == name).expect("a case of that name");
            let plan = Arc::new(compile(case).unwrap_or_else(|reason| panic!("{name}: {reason}")));
            let (mut bytes, mut ends) = (Vec::new(), Vec::new());
            for i in 0..records {
                (case.record)(i, &mut bytes);
                ends.push(bytes.len());
            }
            assert_eq!(Loop::new(&plan).run(&bytes, &ends), expected, "{name}");
        }
    }

    #[test]
    fn the_long_program_is_long_and_right() {
        let text = long_program();
        assert!(text.lines().count() >= CHECKED_LINES);
        let source = SourceFile::new("long.vpl", text.as_str());
        let (program, diagnostics) = check(&source, &|_| None);
        assert!(program.is_some() && diagnostics.is_empty(), "{}", render(&source, &diagnostics[..1], false));
    }
}
