//! What state costs: the bytes that an engine has from the allocator for each key, kept event or open run.
//!
//! ```text
//!   an engine, warm by one record ─▶ live bytes ─▶ records that each bring one more of what is counted ─▶ live bytes
//! ```
//!
//! The difference, divided by how many there are. It holds the room that tables have for growing, which is a third of
//! what they need at these numbers, and at most as much again; not what the allocator itself adds: glibc's 8 bytes for
//! each allocation, and up to 15 of rounding. That is why allocations are counted as well. Keys are texts of ten bytes
//! and cost an allocation each; as ints they would cost none.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use kolo_engine::Engine;
use kolo_engine::check::check;
use kolo_engine::diagnostic::{SourceFile, render};
use kolo_engine::plan::Plan;
use kolo_engine::slot::Slot;

use crate::Result;

/// Records that the engine takes at once.
const BATCH_SLOTS: usize = 256;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Keys, events or runs of each kind
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    count: u64,
}

/// Whether allocations are counted: not while something else is measured, which shares the allocator.
static COUNTING: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Bytes and allocations that this thread has now, beyond those when it began to count.
    static LIVE: Cell<(i64, i64)> = const { Cell::new((0, 0)) };
}

/// The system's allocator, counting what each thread has of it.
pub(crate) struct Counting;

impl Counting {
    #[inline]
    fn add(bytes: i64, allocations: i64) {
        // On its own: what another thread does in the meantime is not counted here.
        if COUNTING.load(Ordering::Relaxed) {
            let (live, count) = LIVE.get();
            LIVE.set((live + bytes, count + allocations));
        }
    }
}

// SAFETY: every method hands its arguments on to the system's allocator, whose contract is the caller's.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: the arguments go on as they are, see above.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Counting::add(layout.size() as i64, 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: the arguments go on as they are, see above.
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        Counting::add(-(layout.size() as i64), -1);
        // SAFETY: the caller keeps the contract of `dealloc`; `pointer` came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    // SAFETY: the arguments go on as they are, see above.
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        Counting::add(new_size as i64 - layout.size() as i64, 0);
        // SAFETY: the caller keeps the contract of `realloc`; `pointer` came from `System`.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

/// Something that state holds many of.
struct Case {
    name: &'static str,
    /// What there is one more of with each record, or each eleven.
    of: Of,
    program: &'static str,
    /// It should not take more bytes than this.
    bound: f64,
}

/// What there is one more of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// A record brings a new key.
    Key,
    /// A record brings one more event of the one key.
    Event,
    /// A record brings an event of a new key.
    EventAndKey,
    /// A record opens a run, that of a new key.
    Run,
    /// A start and ten more events make a run, that of a new key.
    LongRun,
}

impl Of {
    fn name(self) -> &'static str {
        match self {
            Of::Key => "key",
            Of::Event => "event",
            Of::EventAndKey => "event + key",
            Of::Run | Of::LongRun => "run + key",
        }
    }

    fn records(self) -> u64 {
        if self == Of::LongRun { 11 } else { 1 }
    }

    /// Record i: about 75 bytes.
    fn record(self, i: u64) -> String {
        let (key, event_type) = match self {
            Of::Key | Of::EventAndKey | Of::Run => (i, "T"),
            Of::Event => (0, "T"),
            Of::LongRun => (i / 11, if i.is_multiple_of(11) { "T" } else { "U" }),
        };
        let ts = 1_775_990_400_000 + i / 1000;
        format!(r#"{{"event_type":"{event_type}","ts":{ts},"k":"k{key:09}","x":{}.5}}"#, i % 1000)
    }
}

const CASES: [Case; 16] = [
    Case {
        name: "tumbling: count, avg",
        of: Of::Key,
        program: "stream S = T.partition_by(k).window(1h).aggregate(n: count(), mean: avg(x)).emit()",
        bound: 240.0,
    },
    Case {
        name: "tumbling: nine aggregates",
        of: Of::Key,
        program: "stream S = T.partition_by(k).window(1h).aggregate(a: count(), b: sum(x), c: avg(x), d: min(x), e: max(x), \
                  f: stddev(x), g: first(x), h: last(x), i: ema(x, 5)).emit()",
        bound: 680.0,
    },
    Case {
        name: "tumbling: all aggregates, one value",
        of: Of::Key,
        program: "stream S = T.partition_by(k).window(1h).aggregate(a: count(), b: sum(x), c: avg(x), d: min(x), e: max(x), \
                  f: stddev(x), g: first(x), h: last(x), i: ema(x, 5), j: count_distinct(x), k: p95(x), l: collect(x)).emit()",
        bound: 1250.0,
    },
    Case {
        name: "tumbling: collect",
        of: Of::Event,
        program: "stream S = T.partition_by(k).window(1h).aggregate(all: collect(x)).emit()",
        bound: 48.0,
    },
    Case {
        name: "tumbling: events handed on",
        of: Of::Event,
        program: "stream S = T.partition_by(k).window(1h).emit(x: x)",
        bound: 260.0,
    },
    Case {
        name: "hopping, ten overlap: avg",
        of: Of::Key,
        program: "stream S = T.watermark(out_of_order: 1s).partition_by(k).window(10h, sliding: 1h)\
                  .aggregate(mean: avg(x)).emit()",
        bound: 1050.0,
    },
    Case {
        name: "sliding: avg",
        of: Of::Key,
        program: "stream S = T.partition_by(k).window(1h, sliding: 1h).aggregate(mean: avg(x)).emit()",
        bound: 600.0,
    },
    Case {
        name: "sliding: avg",
        of: Of::Event,
        program: "stream S = T.partition_by(k).window(1h, sliding: 1h).aggregate(mean: avg(x)).emit()",
        bound: 120.0,
    },
    Case {
        name: "count of 100: avg",
        of: Of::Key,
        program: "stream S = T.partition_by(k).window(100).aggregate(mean: avg(x)).emit()",
        bound: 620.0,
    },
    Case {
        name: "session: avg",
        of: Of::Key,
        program: "stream S = T.partition_by(k).window(session: 1h).aggregate(mean: avg(x)).emit()",
        bound: 560.0,
    },
    Case {
        name: "session: avg",
        of: Of::Event,
        program: "stream S = T.partition_by(k).window(session: 1h).aggregate(mean: avg(x)).emit()",
        bound: 60.0,
    },
    Case { name: "distinct over a stream", of: Of::Key, program: "stream S = T.distinct(k).emit(k: k)", bound: 80.0 },
    Case {
        name: "join: a side, one field",
        of: Of::EventAndKey,
        program: "stream S = join(T, U).on(T.k == U.k).window(1h).emit(x: T.x, y: U.x)",
        bound: 290.0,
    },
    Case {
        name: "sequence of two steps, one field",
        of: Of::Run,
        program: "stream S = T as a -> U as b .within(1h).partition_by(k).emit(x: a.x, y: b.x)",
        bound: 700.0,
    },
    Case {
        name: "absence behind one step",
        of: Of::Run,
        program: "stream S = T as a -> NOT U .within(1h).partition_by(k).emit(x: a.x)",
        bound: 700.0,
    },
    Case {
        name: "closure: eleven events, one field",
        of: Of::LongRun,
        program: "stream S = T as a -> all U as b -> V as c .within(1h).partition_by(k).longest().emit(all: collect(b.x))",
        bound: 1600.0,
    },
];

/// What one of them takes.
struct Cost {
    bytes: f64,
    allocations: f64,
}

/// Measures, and prints the table.
pub(crate) fn run(options: &Options) -> Result<()> {
    println!("{:<38}{:<12}{:>8}{:>14}{:>10}", "state", "each", "bytes", "allocations", "bound");
    for case in &CASES {
        let Cost { bytes, allocations } = measure(case, options.count)?;
        println!("{:<38}{:<12}{bytes:>8.0}{allocations:>14.1}{:>10.0}", case.name, case.of.name(), case.bound);
    }
    println!("With {} of each. Bytes as asked of the allocator, spare room included.", options.count);
    Ok(())
}

fn measure(case: &Case, count: u64) -> Result<Cost> {
    let source = SourceFile::new(case.name, case.program);
    let (program, diagnostics) = check(&source, &|_| None);
    let program = program.ok_or_else(|| render(&source, &diagnostics, false))?;
    let mut engine = Engine::new(Arc::new(Plan::compile(&program)?));
    let mut slots: Vec<Slot> = (0..BATCH_SLOTS).map(|_| Slot::default()).collect();
    let records = case.of.records();
    // The first ones bring tables and buffers into being.
    take(&mut engine, &mut slots, case.of, 0..records);
    COUNTING.store(true, Ordering::Relaxed);
    let before = LIVE.get();
    take(&mut engine, &mut slots, case.of, records..records * (count + 1));
    let after = LIVE.get();
    let each = |before: i64, after: i64| (after - before) as f64 / count as f64;
    Ok(Cost { bytes: each(before.0, after.0), allocations: each(before.1, after.1) })
}

/// Takes records through the engine; what they put out is dropped.
fn take(engine: &mut Engine, slots: &mut [Slot], of: Of, records: std::ops::Range<u64>) {
    let mut next = records.start;
    while next < records.end {
        let mut filled = 0;
        for (slot, i) in slots.iter_mut().zip(next..records.end) {
            slot.recycle();
            slot.offset = i as i64;
            slot.payload.set(None, Some(of.record(i).as_bytes()));
            filled += 1;
        }
        engine.process(&mut slots[..filled]);
        next += filled as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Room for growing is the same part of the whole as with the 100,000 of the table.
    const COUNT: u64 = 25_000;

    #[test]
    fn state_takes_no_more_than_its_bound() {
        for case in &CASES {
            let Cost { bytes, .. } = measure(case, COUNT).unwrap_or_else(|error| panic!("{}: {error}", case.name));
            let name = (case.name, case.of.name());
            assert!(bytes <= case.bound, "{name:?} takes {bytes:.0} bytes, more than {}", case.bound);
            assert!(bytes > case.bound / 4.0, "{name:?} takes {bytes:.0} bytes: {} is no bound for that", case.bound);
        }
    }
}
