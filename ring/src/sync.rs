//! Everything of the machine that the lane leans on: atomics, parking, spinning, and named orderings.
//!
//! Nothing else of the lane names `std::sync` or `std::thread`, and no atomic operation of it has an ordering but from
//! [`order`] or [`relaxed`]. The models compile the other files beside their own version of this one, in which one
//! [`Site`] at a time can be weakened. Here the sites cost nothing: each function below is the identity.

use crate::site::Site;
use std::sync::atomic::AtomicU64;

pub(crate) use crossbeam_utils::CachePadded;
pub(crate) use crossbeam_utils::sync::{Parker, Unparker};
pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::Arc;
pub(crate) use std::sync::atomic::{AtomicBool, Ordering};
pub(crate) use std::thread::{available_parallelism, yield_now};

/// What a cursor lives in: read and written whole, its count and how it ended at once ([`Site::CloseInWord`]).
pub(crate) type WholeWord = AtomicU64;

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

/// The ordering of an operation on which nothing leans; `why` says what is leaned on instead, if anything is.
#[inline(always)]
pub(crate) const fn relaxed(_why: &str) -> Ordering {
    Ordering::Relaxed
}

/// The sequentially consistent fence of `site`.
#[inline(always)]
pub(crate) fn fence(_site: Site) {
    std::sync::atomic::fence(Ordering::SeqCst);
}

/// Whether the step of `site` is taken: always. So what follows `!taken(…)` is never compiled; it is a mistake that the
/// models make on purpose.
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
    /// Ends the access. What comes back is to be dropped after the store that gives the slots away: nothing, unless
    /// `site` is weakened.
    #[inline(always)]
    pub(crate) fn end(self, _site: Site) -> Option<Access> {
        None
    }
}
