//! What the models are made of: lanes of two slots, parties that fill and work, and the exploration itself.
//!
//! Three events, two slots and two laps are enough: a protocol of counters has no behaviour at a hundred slots that it
//! lacks at two. Each party has its own thread, and `main` only joins. Handles come back to `main` and are dropped there,
//! when every party is done: the poison of a dropped handle would wake a party whose own wake-up was lost.

use kolo_loom_tests::*;
use loom::thread::{self, JoinHandle};
use std::cell::Cell;
use std::panic;
use std::sync::Once;

pub(crate) type Source = Producer<u64, Park>;
pub(crate) type Worker = Stage<u64, Park>;
pub(crate) type Lane<const STAGES: usize> = (Source, [Worker; STAGES], Acknowledger<Park>, Monitor);

/// In flight without a bound, for models of the first gate.
pub(crate) const ANY: u64 = 99;

/// How many preemptions a schedule may have.
pub(crate) const BOUND: &str = "KOLO_LOOM_BOUND";

pub(crate) fn of<const STAGES: usize>(slots: usize, in_flight: u64) -> Lane<STAGES> {
    lane(Config { slots, in_flight }, || 0)
}

thread_local! {
    /// Executions of the model that this thread explores; loom runs all parties of one on one thread.
    static EXECUTIONS: Cell<usize> = const { Cell::new(0) };
}

/// Explores a model under the bound that the environment names, 1 otherwise, and says how many executions that took. One
/// that fails says in which: before it unwinds, since a failing model may abort.
pub(crate) fn check(model: impl Fn() + Send + Sync + 'static) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |what| {
            eprintln!("in execution {}:", EXECUTIONS.get());
            before(what);
        }));
    });
    let bound = std::env::var(BOUND).map_or(1, |bound| bound.parse().expect("KOLO_LOOM_BOUND: a number"));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(bound);
    EXECUTIONS.set(0);
    builder.check(move || {
        EXECUTIONS.set(EXECUTIONS.get() + 1);
        model();
    });
    println!("{} executions at bound {bound}", EXECUTIONS.get());
}

/// Publishes the numbers from 1 up to `count`, at most `max` at a time.
pub(crate) fn fill(mut producer: Source, count: u64, max: usize) -> Source {
    while producer.published() < count {
        match producer.try_claim(max) {
            Ok(mut batch) => {
                let first = batch.sequence();
                let len = batch.len().min((count - first) as usize);
                for (slot, number) in batch.iter_mut().zip(first + 1..=count) {
                    *slot = number;
                }
                batch.publish(len);
            }
            Err(Blocked::NotYet) => producer.wait(|producer| producer.ready()),
            Err(end) => panic!("{end:?} after {} of {count}", producer.published()),
        }
    }
    producer
}

/// Waits until everything published is acknowledged, as the poller does before it gives partitions up.
pub(crate) fn drain(producer: &mut Source) -> Result<(), Blocked> {
    while !producer.drained() {
        if producer.poisoned() {
            return Err(Blocked::Poisoned);
        }
        producer.wait(|producer| producer.drained() || producer.poisoned());
    }
    Ok(())
}

/// Claims at most `max` at a time and releases them all, until `count` were released or the lane ends.
pub(crate) fn work(stage: &mut Worker, count: u64, max: usize, mut each: impl FnMut(u64, &mut u64)) -> Option<Blocked> {
    while stage.position() < count {
        match stage.try_claim(max) {
            Ok(mut batch) => {
                let (sequence, len) = (batch.sequence(), batch.len());
                batch.iter_mut().zip(sequence..).for_each(|(slot, sequence)| each(sequence, slot));
                batch.release(len);
            }
            Err(Blocked::NotYet) => stage.wait(|stage| stage.ready()),
            Err(end) => return Some(end),
        }
    }
    None
}

pub(crate) fn expect_number(sequence: u64, slot: &mut u64) {
    assert_eq!(*slot, sequence + 1);
}

/// A thread that works on `count` slots one by one, for models in which the interest lies elsewhere.
pub(crate) fn working(mut stage: Worker, count: u64, each: fn(u64, &mut u64)) -> JoinHandle<Worker> {
    thread::spawn(move || {
        assert_eq!(work(&mut stage, count, 1, each), None);
        stage
    })
}
