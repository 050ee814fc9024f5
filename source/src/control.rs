//! How the rest of the process speaks to a source that runs.

use std::sync::atomic::{AtomicBool, Ordering};

/// Set by others, seen by the source at its next turn. Whoever sets something wakes the source too, if it may sleep.
#[derive(Debug, Default)]
pub struct Control {
    stop: AtomicBool,
}

impl Control {
    /// Asks the source to take no more, drain the lane and finish.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Whether the source was asked to finish.
    #[inline]
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}
