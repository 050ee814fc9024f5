//! Scenario 01 by value, whatever the batches, and through the ring.

mod common;

use std::sync::Arc;

use common::{assigned, counter, engine};
use kolo_engine::check::check;
use kolo_engine::diagnostic::SourceFile;
use kolo_engine::plan::Plan;
use kolo_engine::slot::{Cause, Slot};
use kolo_engine::{Engine, Poisoned, run};
use kolo_ring::{Blocked, Config, Park, lane};

const RECORDS: usize = 100_000;
const PROGRAM: &str = include_str!("../../scenarios/01_filter/pipeline.vpl");
const BASE_MS: usize = 1_775_990_400_000;
const SYMBOLS: [&str; 4] = ["AAPL", "GOOG", "MSFT", "TSLA"];

fn record(i: usize) -> String {
    let (ts, symbol, price, volume) = (BASE_MS + i, SYMBOLS[i % 4], 40 + i % 100, 1000 + i % 5000);
    format!(r#"{{"event_type": "Tick", "ts": {ts}, "symbol": "{symbol}", "price": {price}.0, "volume": {volume}}}"#)
}

/// What record `i` causes, by the formula and not by the engine.
fn expected(i: usize) -> Option<String> {
    let (symbol, price, volume) = (SYMBOLS[i % 4], 40 + i % 100, 1000 + i % 5000);
    let (minute, second, milli) = (40 + i / 60_000, i / 1000 % 60, i % 1000);
    let fraction = if milli == 0 { String::new() } else { format!(".{milli:03}") };
    let time = format!("2026-04-12T10:{minute}:{second:02}{fraction}Z");
    (price > 50).then(|| {
        format!(
            r#"{{"event_type":"Filtered","timestamp":"{time}","symbol":"{symbol}","price":{price}.0,"volume":{volume}}}"#
        )
    })
}

/// What slot `i` puts out, of which there may be one line at most.
fn output(slot: &Slot) -> Option<&str> {
    assert!(slot.outputs.list().len() <= 1);
    let output = slot.outputs.list().first()?;
    assert_eq!(output.target, Some(0));
    Some(std::str::from_utf8(slot.outputs.bytes(output.value)).expect("UTF-8"))
}

#[test]
fn every_output_is_the_formulas_in_batches_of_any_size() {
    assert_eq!(
        expected(11).as_deref(),
        Some(
            r#"{"event_type":"Filtered","timestamp":"2026-04-12T10:40:00.011Z","symbol":"TSLA","price":51.0,"volume":1011}"#,
        )
    );
    for batch in [1, 256, RECORDS] {
        let mut engine = engine(PROGRAM);
        engine.process(&mut [assigned(Some(0))]);
        let mut slots: Vec<Slot> = (0..batch).map(|_| Slot::default()).collect();
        let mut outputs = 0;
        for start in (0..RECORDS).step_by(batch) {
            let slots = &mut slots[..batch.min(RECORDS - start)];
            for (i, slot) in slots.iter_mut().enumerate() {
                slot.recycle();
                slot.payload.set(None, Some(record(start + i).as_bytes()));
            }
            engine.process(slots);
            for (i, slot) in slots.iter().enumerate() {
                assert_eq!(output(slot), expected(start + i).as_deref(), "record {}", start + i);
                outputs += slot.outputs.list().len();
            }
        }
        assert_eq!(outputs, 89_000);
        let counted = ["records", "outputs", "filtered", "malformed", "unrouted"].map(|name| counter(&engine, name));
        assert_eq!(counted, [100_000, 89_000, 11_000, 0, 0]);
    }
}

#[test]
fn the_wide_variant_has_the_same_outputs() {
    let mut engine = engine(include_str!("../../scenarios/01_filter/wide.vpl"));
    for i in 0..2_000 {
        let (ts, symbol, price, volume) = (BASE_MS + i, SYMBOLS[i % 4], 40 + i % 100, 1000 + i % 5000);
        let mut fields = [
            r#""venue": "XNAS""#.to_owned(),
            format!(r#""seq": {i}"#),
            format!(r#""volume": {volume}"#),
            format!(r#""bid": {}.75"#, price - 1),
            format!(r#""price": {price}.0"#),
            format!(r#""ask": {}.25"#, price + 1),
            r#""side": "b""#.to_owned(),
            format!(r#""symbol": "{symbol}""#),
            format!(r#""ts": {ts}"#),
            r#""event_type": "Tick""#.to_owned(),
        ];
        // The order of the fields changes all the time, too.
        fields.rotate_left(i % 10);
        let mut slots = [Slot::default()];
        slots[0].payload.set(None, Some(format!("{{{}}}", fields.join(", ")).as_bytes()));
        engine.process(&mut slots);
        assert_eq!(output(&slots[0]), expected(i).as_deref(), "record {i}");
    }
}

fn plan() -> Arc<Plan> {
    let (program, _) = check(&SourceFile::new("pipeline.vpl", PROGRAM), &|_| None);
    Arc::new(Plan::compile(&program.expect("no errors")).expect("within the limits"))
}

#[test]
fn the_engines_thread_takes_a_lane_to_its_end() {
    const ENTERED: usize = 10_000;
    let config = Config { slots: 64, in_flight: 1024 };
    let (mut producer, [stage, mut last], mut acknowledger, _) = lane::<Slot, Park, 2>(config, Slot::default);
    let mut engine = Engine::new(plan());
    let counters = engine.counters();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut next = 0;
            while next < ENTERED {
                match producer.try_claim(16) {
                    Ok(mut batch) => {
                        let count = batch.len().min(ENTERED - next);
                        for slot in &mut batch[..count] {
                            slot.recycle();
                            slot.cause = Cause::Record;
                            slot.payload.set(None, Some(record(next).as_bytes()));
                            next += 1;
                        }
                        batch.publish(count);
                    }
                    Err(Blocked::NotYet) => producer.wait(|producer| producer.ready()),
                    Err(end) => panic!("{end}"),
                }
            }
            producer.close();
        });
        scope.spawn(move || run(&mut engine, stage).expect("the lane was closed"));
        let mut seen = 0;
        loop {
            match last.try_claim(64) {
                Ok(batch) => {
                    for slot in batch.iter() {
                        assert_eq!(output(slot), expected(seen).as_deref());
                        seen += 1;
                    }
                    let all = batch.len();
                    batch.release(all);
                    acknowledger.acknowledge(last.position());
                }
                Err(Blocked::NotYet) => last.wait(|stage| stage.ready()),
                Err(Blocked::Closed) => break,
                Err(Blocked::Poisoned) => panic!("poisoned"),
            }
        }
        assert_eq!(seen, ENTERED);
    });
    assert_eq!(counters.list()[..2], [("records", 10_000), ("outputs", 8_900)]);
}

#[test]
fn the_engines_thread_leaves_a_poisoned_lane() {
    let config = Config { slots: 8, in_flight: 8 };
    let (mut producer, [stage], _acknowledger, _) = lane::<Slot, Park, 1>(config, Slot::default);
    producer.poison();
    assert_eq!(run(&mut Engine::new(plan()), stage), Err(Poisoned));
}
