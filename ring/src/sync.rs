//! Everything of the machine that the lane leans on: atomics, parking, spinning, and named orderings.
//!
//! Nothing else in this crate names `std::sync::atomic`, `std::thread` or a wait primitive. The models compile the
//! other files beside their own version of this one, in which one [`Site`] at a time can be weakened. Here the sites
//! cost nothing: each function below is the identity.

use crate::site::Site;

pub(crate) use crossbeam_utils::CachePadded;
pub(crate) use crossbeam_utils::sync::{Parker, Unparker};
pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::Arc;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(crate) use std::thread::yield_now;

/// Idle steps that spin before a party yields. With [`YIELDS`] the best of those measured on two cores, where longer
/// spinning took time from the very thread that was waited for.
pub(crate) const SPINS: u32 = 50;
/// Idle steps that yield before a party sleeps.
pub(crate) const YIELDS: u32 = 10;

/// The ordering of `site`.
#[inline(always)]
pub(crate) const fn order(_site: Site, ordering: Ordering) -> Ordering {
    ordering
}

/// The sequentially consistent fence of `site`.
#[inline(always)]
pub(crate) fn fence(_site: Site) {
    std::sync::atomic::fence(Ordering::SeqCst);
}

/// Whether the step of `site` is taken: always.
#[inline(always)]
pub(crate) const fn taken(_site: Site) -> bool {
    true
}

/// The number that `site` rests on; a weakened one is one too many.
#[inline(always)]
pub(crate) const fn exact(_site: Site, number: u64) -> u64 {
    number
}

/// Watches that each slot is accessed by one party at a time, and only with a happens-before edge between two parties.
/// Only the models look: here it is nothing.
pub(crate) struct Watch;

impl Watch {
    pub(crate) fn new(_slots: usize) -> Watch {
        Watch
    }

    /// The slots from `start` on are accessed until the returned guard ends.
    #[inline(always)]
    pub(crate) fn access(&self, _start: usize, _len: usize) -> Access {
        Access
    }
}

/// Slots being accessed.
pub(crate) struct Access;

impl Access {
    #[inline(always)]
    pub(crate) fn end(self) {}
}
