//! Once warm, a record allocates nothing: neither in decoding, nor in expressions, nor for its outputs.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use kolo_engine::slot::Slot;

/// The system's allocator, counting what each thread asks of it.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every method hands its arguments on to the system's allocator, whose contract is the caller's.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: the arguments go on as they are, see above.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: the arguments go on as they are, see above.
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`; `pointer` came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    // SAFETY: the arguments go on as they are, see above.
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `realloc`; `pointer` came from `System`.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of a warm engine over one more lap of the same slots.
fn allocations(program: &str, record: impl Fn(usize) -> String) -> u64 {
    const SLOTS: usize = 512;
    const LAPS: usize = 6;
    let mut engine = common::engine(program);
    let mut slots: Vec<Slot> = (0..SLOTS).map(|_| Slot::default()).collect();
    let mut during = 0;
    for lap in 0..LAPS {
        let records: Vec<String> = (0..SLOTS).map(|i| record(lap * SLOTS + i)).collect();
        let before = ALLOCATIONS.get();
        for (slot, record) in slots.iter_mut().zip(&records) {
            slot.recycle();
            slot.payload.set(Some(b"key"), Some(record.as_bytes()));
        }
        for batch in slots.chunks_mut(100) {
            engine.process(batch);
        }
        during = ALLOCATIONS.get() - before;
    }
    let outputs: usize = slots.iter().map(|slot| slot.outputs.list().len()).sum();
    assert!(outputs > SLOTS / 2, "{program} puts nothing out");
    during
}

fn tick(i: usize) -> String {
    format!(
        r#"{{"event_type": "Tick", "ts": {}, "symbol": "S{}", "price": {}.5, "volume": {}, "note": "caf\u00e9", "xs": [1, 2, {i}]}}"#,
        1_775_990_400_000 + i,
        i % 7,
        40 + i % 100,
        i % 5000
    )
}

#[test]
fn the_counter_counts() {
    let before = ALLOCATIONS.get();
    drop(std::hint::black_box(vec![0u8; 100]));
    assert_eq!(ALLOCATIONS.get() - before, 1);
}

#[test]
fn filtering_and_passing_on_allocates_nothing() {
    assert_eq!(allocations("stream S = Tick.where(price > 45).emit(symbol: symbol, price: price)", tick), 0);
    assert_eq!(allocations("stream S = Tick.emit()", tick), 0);
}

#[test]
fn computing_allocates_nothing() {
    let program = "stream V = Tick.select(n: upper(note) + \"!\", sum: sum(map(xs, x => x * 2)), p: price * volume, s: symbol)\n\
                   stream S = V.where(p > 100 and s != \"S0\").limit(1000000).emit(n: n, sum: sum, fee: p * 0.25 + 1, text: to_string(p), parts: split(s, \"\"))";
    assert_eq!(allocations(program, tick), 0);
}

#[test]
fn records_of_many_shapes_allocate_nothing() {
    let shuffled = |i: usize| {
        let mut fields: Vec<String> = (0..9).map(|f| format!(r#""field_{f}": {}"#, i + f)).collect();
        fields.rotate_left(i % 9);
        format!(r#"{{"event_type":"Tick",{}}}"#, fields.join(","))
    };
    assert_eq!(allocations("stream S = Tick.where(field_3 >= 0).emit(a: field_1, b: field_8 + 1)", shuffled), 0);
    let never_the_same =
        |i: usize| format!(r#"{{"event_type":"Tick","key_{i}":1,"a_key_much_longer_than_any_step_{i}":2}}"#);
    assert_eq!(allocations("stream S = Tick.emit(one: 1)", never_the_same), 0);
}

#[test]
fn sequences_allocate_nothing() {
    let steps = |i: usize| {
        let event_type = if i % 32 < 16 { "Order" } else { "Payment" };
        format!(
            r#"{{"event_type":"{event_type}","ts":{},"id":{},"price":{}.5}}"#,
            1_775_990_400_000 + i,
            i % 16,
            i % 50
        )
    };
    let program = "stream S = Order as o -> Payment where id == o.id as p .within(5m).partition_by(id).emit(a: o.price, b: p.price)\n\
                   stream N = Order.emit(id: id)";
    assert_eq!(allocations(program, steps), 0);
    let closure = |i: usize| {
        let event_type = ["Open", "Tick", "Tick", "Tick", "Close"][i % 5];
        format!(r#"{{"event_type":"{event_type}","ts":{},"price":{}.5}}"#, 1_775_990_400_000 + i, i % 50)
    };
    let program = "stream S = Open as o -> all Tick as t -> Close as c .longest().emit(n: count(t), top: max(t.price))\n\
                   stream N = Tick.emit(price: price)";
    assert_eq!(allocations(program, closure), 0);
}

#[test]
fn windowed_aggregates_allocate_nothing() {
    // What closes does so in the same slots of every lap, whose buffers have grown by then.
    let keyed = |i: usize| {
        format!(r#"{{"event_type":"Tick","ts":{},"symbol":"S{}","price":{}.5}}"#, 1_775_990_400_000 + i, i % 4, i % 50)
    };
    for (window, aggregates) in [
        ("window(128ms)", "n: count(), mean: avg(price), low: min(price), spread: stddev(price)"),
        ("watermark(out_of_order: 5ms).window(128ms, sliding: 16ms)", "n: count(), mean: avg(price), top: max(price)"),
        ("window(128ms, sliding: 16ms)", "mean: avg(price), last: last(price)"),
        ("window(32)", "sum: sum(price), trend: ema(price, 5)"),
        ("window(32, sliding: 8)", "sum: sum(price)"),
    ] {
        let program = format!(
            "stream S = Tick.partition_by(symbol).{window}.aggregate({aggregates}).emit()\n\
             stream N = Tick.emit(price: price)"
        );
        assert_eq!(allocations(&program, keyed), 0, "{program}");
    }
}
