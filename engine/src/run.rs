//! The engine's thread: claim a batch, run the plan over it, release it.
//!
//! The stage is taken by value: whichever way the loop ends, a panic included, its drop tells the other parties.

use std::fmt;

use kolo_ring::{Blocked, LaneBatch, LaneParty};

use crate::engine::Engine;
use crate::slot::Slot;

/// The most slots that are processed before the sink sees them: enough to make the hand-over cheap, and few enough to
/// keep the sink busy at the same time.
const BATCH_SLOTS: usize = 256;

/// The stack that a thread needs to run an engine: calls nest as deeply as the checker lets them.
pub const STACK_BYTES: usize = 8 << 20;

/// Another party of the lane stopped before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poisoned;

impl fmt::Display for Poisoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the engine stopped because another party of its lane did")
    }
}

impl std::error::Error for Poisoned {}

/// Runs `engine` over the lane until the lane is closed and empty.
///
/// # Errors
/// If the lane is poisoned.
pub fn run(engine: &mut Engine, mut stage: impl LaneParty<Slot = Slot>) -> Result<(), Poisoned> {
    loop {
        let worked = stage.try_claim(BATCH_SLOTS).map(|mut batch| {
            engine.process(&mut batch);
            let all = batch.len();
            batch.release(all);
        });
        match worked {
            Ok(()) => {}
            Err(Blocked::NotYet) => stage.wait(|stage| stage.ready()),
            Err(Blocked::Closed) => return Ok(()),
            Err(Blocked::Poisoned) => return Err(Poisoned),
        }
    }
}
