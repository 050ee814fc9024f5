//! How long the engine takes for a record, alone on one thread: no ring, no Kafka, inputs laid out in slots beforehand.
//!
//! ```text
//! cargo run --release -p kolo-engine --example throughput [-- PROGRAM [LAPS]]
//! ```
//!
//! Each line is one program over scenario-01 records: the least and the median time a record over all laps, where a lap
//! fills 4,096 slots (outside of the measured time) and processes them in batches of 256, as a lane does. The programs
//! that stop early show what the phases cost: a stream of another type leaves decoding and routing alone, a filter that
//! nothing passes adds the predicate, the whole scenario adds the output. With a PROGRAM, only that one is run: the line of
//! that number, from 1, or a file with a program that reads events of type `Tick`.
//!
//! Times of a busy machine vary; instructions do not. With the line's number and 25 laps, the cost a record is what this
//! prints, divided by 25 * 4,096:
//!
//! ```text
//! valgrind --tool=callgrind --toggle-collect='*Engine*process*' throughput 3 25
//! ```

use std::sync::Arc;
use std::time::Instant;

use kolo_engine::Engine;
use kolo_engine::check::check;
use kolo_engine::diagnostic::{SourceFile, render};
use kolo_engine::plan::Plan;
use kolo_engine::slot::Slot;

const SLOTS: usize = 4096;
const BATCH_SLOTS: usize = 256;
const LAPS: usize = 1000;
/// Records that are laid out before they come again: sequences over 10,000 keys need more than one lap of slots.
const RECORDS: usize = 25 * SLOTS;

/// Gives record i.
type Records = fn(usize) -> String;

/// Name, program, and which records it reads.
const PROGRAMS: &[(&str, &str, Records)] = &[
    ("decode and route", "stream S = Other.emit()", narrow),
    ("+ predicate", "stream S = Tick.where(price > 1000).emit(symbol: symbol, price: price, volume: volume)", narrow),
    (
        "+ output (scenario 01)",
        "stream S = Tick.where(price > 50).emit(symbol: symbol, price: price, volume: volume)",
        narrow,
    ),
    ("all fields passed on", "stream S = Tick.where(price > 50).emit()", narrow),
    (
        "ten fields, other order",
        "stream S = Tick.where(price > 50).emit(symbol: symbol, price: price, volume: volume)",
        wide,
    ),
    (
        "two streams, arithmetic",
        "stream V = Tick.select(symbol: symbol, notional: price * volume)\n\
         stream A = V.where(notional > 300000).emit(symbol: symbol, notional: notional, fee: notional * 0.25 + 1)\n\
         stream B = Tick.where(price > 50 and price < 100)\
         .emit(symbol: symbol, bid: price - 0.25, ask: price + 0.25, lots: volume / 100, rest: volume % 100)",
        narrow,
    ),
    (
        "two steps, 10,000 keys",
        "stream S = Order as o -> Payment as p .within(5m).partition_by(id).emit(id: o.id, price: o.price, paid: p.price)",
        orders,
    ),
    (
        "two steps, where",
        "stream S = Order as o -> Payment where p.price > o.price as p .within(5m).partition_by(id)\
         .emit(id: o.id, price: o.price, paid: p.price)",
        orders,
    ),
    (
        "closure, longest",
        "stream S = Open as o -> all Tick where price > o.price as t -> Close as c .longest().partition_by(symbol)\
         .emit(symbol: o.symbol, ticks: count(t), top: max(t.price), first: first(t).price)",
        sessions,
    ),
    (
        "join of two, 100 keys",
        "stream S = join(stream a = A, stream b = B).on(a.symbol == b.symbol).window(1m)\
         .emit(symbol: a.symbol, bid: a.price, ask: b.price)",
        quotes,
    ),
];

const BASE_MS: usize = 1_775_990_400_000;
const SYMBOLS: [&str; 4] = ["AAPL", "GOOG", "MSFT", "TSLA"];

fn narrow(i: usize) -> String {
    let (ts, symbol, price, volume) = (BASE_MS + i, SYMBOLS[i % 4], 40 + i % 100, 1000 + i % 5000);
    format!(r#"{{"event_type": "Tick", "ts": {ts}, "symbol": "{symbol}", "price": {price}.0, "volume": {volume}}}"#)
}

fn wide(i: usize) -> String {
    let (ts, symbol, price, volume) = (BASE_MS + i, SYMBOLS[i % 4], 40 + i % 100, 1000 + i % 5000);
    format!(
        r#"{{"venue": "XNAS", "seq": {i}, "volume": {volume}, "bid": {}.75, "price": {price}.0, "ask": {price}.25, "side": "b", "symbol": "{symbol}", "ts": {ts}, "event_type": "Tick"}}"#,
        price - 1
    )
}

/// 10,000 orders, and then their payments.
fn orders(i: usize) -> String {
    let (ts, id, event_type) = (BASE_MS + i, i % 10_000, if i % 20_000 < 10_000 { "Order" } else { "Payment" });
    let price = if event_type == "Order" { 40 + i % 97 } else { 140 };
    format!(r#"{{"event_type": "{event_type}", "ts": {ts}, "id": {id}, "price": {price}.0, "note": "none"}}"#)
}

/// Sessions of eight ticks, of 100 symbols at a time.
fn sessions(i: usize) -> String {
    let (ts, symbol) = (BASE_MS + i, i % 100);
    let event_type = match i / 100 % 10 {
        0 => "Open",
        9 => "Close",
        _ => "Tick",
    };
    let price = if event_type == "Open" { 40 } else { 35 + i / 100 * 7 % 50 };
    format!(r#"{{"event_type": "{event_type}", "ts": {ts}, "symbol": "S{symbol}", "price": {price}.0, "volume": {i}}}"#)
}

/// Prices of 100 symbols from two markets in turn.
fn quotes(i: usize) -> String {
    let (ts, symbol, event_type) = (BASE_MS + i, i / 2 % 100, ["A", "B"][i % 2]);
    format!(r#"{{"event_type": "{event_type}", "ts": {ts}, "symbol": "S{symbol}", "price": {}.0}}"#, 40 + i % 97)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let laps = arguments.get(1).map_or(LAPS, |laps| laps.parse().expect("LAPS is a number"));
    let lines = match arguments.first().map(|program| (program, program.parse::<usize>())) {
        None => PROGRAMS,
        Some((_, Ok(number))) => PROGRAMS.get(number.wrapping_sub(1)..number).expect("lines are numbered from 1"),
        Some((path, Err(_))) => {
            return measure(path, &std::fs::read_to_string(path).expect("PROGRAM can be read"), narrow, laps);
        }
    };
    lines.iter().for_each(|(name, program, record)| measure(name, program, *record, laps));
}

fn measure(name: &str, program: &str, record: Records, laps: usize) {
    let file = SourceFile::new(name, program);
    let (checked, diagnostics) = check(&file, &|_| None);
    let Some(checked) = checked else { panic!("{}", render(&file, &diagnostics, false)) };
    let mut engine = Engine::new(Arc::new(Plan::compile(&checked).expect("within the limits")));
    let mut slots: Vec<Slot> = (0..SLOTS).map(|_| Slot::default()).collect();
    let records: Vec<String> = (0..RECORDS).map(record).collect();
    let mut outputs = 0;
    let mut times: Vec<f64> = Vec::with_capacity(laps);
    for lap in 0..laps {
        for (slot, record) in slots.iter_mut().zip(&records[lap * SLOTS % RECORDS..]) {
            slot.recycle();
            slot.payload.set(None, Some(record.as_bytes()));
        }
        let start = Instant::now();
        for batch in slots.chunks_mut(BATCH_SLOTS) {
            engine.process(batch);
        }
        times.push(start.elapsed().as_nanos() as f64 / SLOTS as f64);
        outputs += slots.iter().map(|slot| slot.outputs.list().len()).sum::<usize>();
    }
    times.sort_by(f64::total_cmp);
    println!(
        "{name:<24} {:6.1} ns least  {:6.1} ns median  {:5.2} outputs a record",
        times[0],
        times[times.len() / 2],
        outputs as f64 / (laps * SLOTS) as f64
    );
}
