//! What every implementation of a lane must do: one suite, run on the native lane and on the adapter of `disruptor`.
//!
//! ```text
//!   producer ─▶ stage 1 (squares in place) ─▶ stage 2 (checks, releases, acknowledges)
//! ```
//!
//! - `steps` takes the steps of a lane one by one, on one thread.
//! - `threads` has a thread for each party, and every wait strategy.
//! - `differential` takes random steps on both lanes and compares what they show.

/// Defines each function `fn name<R: Ring>()` as two tests: `native::name` and `disruptor::name`.
macro_rules! on_each_ring {
    ($($name:ident),* $(,)?) => {
        mod native {
            $(#[test] fn $name() { super::$name::<kolo_ring::Native>(); })*
        }
        mod disruptor {
            $(#[test] fn $name() { super::$name::<kolo_ring::Disruptor>(); })*
        }
    };
}

mod differential;
mod steps;
mod threads;

use kolo_ring::*;

type Lane<R, W> = (<R as Ring>::Producer<u64, W>, [<R as Ring>::Stage<u64, W>; 2], Acknowledger<W>, Monitor);

fn of<R: Ring>(slots: usize, in_flight: u64) -> Lane<R, Park> {
    R::lane(Config { slots, in_flight }, || 0)
}

/// Publishes as much of `values` as one claim has room for.
fn publish(producer: &mut impl LaneProducer<Slot = u64>, values: &[u64]) -> Result<usize, Blocked> {
    let mut batch = producer.try_claim(values.len())?;
    let count = batch.len();
    batch.copy_from_slice(&values[..count]);
    batch.publish(count);
    Ok(count)
}

/// Claims up to `max`, changes each slot and releases all.
fn work(stage: &mut impl LaneParty<Slot = u64>, max: usize, change: fn(u64) -> u64) -> Result<Vec<u64>, Blocked> {
    let mut batch = stage.try_claim(max)?;
    batch.iter_mut().for_each(|value| *value = change(*value));
    let values = batch.to_vec();
    batch.release(values.len());
    Ok(values)
}

fn take(stage: &mut impl LaneParty<Slot = u64>, max: usize) -> Result<Vec<u64>, Blocked> {
    work(stage, max, |value| value)
}

/// Why there is nothing to claim, if there is not.
fn end_of(party: &mut impl LaneParty<Slot = u64>) -> Option<Blocked> {
    party.try_claim(1).err()
}
