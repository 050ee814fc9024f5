//! What every implementation of a lane can do, for loops that run on any of them.
//!
//! There are two: [`Native`], this crate's own, and [`Disruptor`](crate::Disruptor), an adapter of the crate of that
//! name. Source, engine and sink are generic over the handles' traits, so that the choice is made once, where a lane is
//! made, and costs nothing where slots are handled: every call is a direct one.
//!
//! What a method promises is said at [`Producer`] and [`Stage`], whose methods these are.
//! [`Acknowledger`] and [`Monitor`] are the same for every implementation.

use crate::acknowledger::Acknowledger;
use crate::hand::{Batch, Blocked};
use crate::lane::{Config, lane};
use crate::monitor::Monitor;
use crate::producer::Producer;
use crate::stage::Stage;
use crate::wait::{WaitStrategy, Waker};
use std::ops::DerefMut;

/// An implementation of lanes.
pub trait Ring: 'static {
    /// The party that fills slots.
    type Producer<T: Send + 'static, W: WaitStrategy>: LaneProducer<Slot = T, Wait = W> + 'static;
    /// A party that follows another.
    type Stage<T: Send + 'static, W: WaitStrategy>: LaneParty<Slot = T, Wait = W> + 'static;

    /// A lane, as [`lane`](crate::lane()) makes one.
    ///
    /// # Panics
    /// If `slots` is not a power of two, or `in_flight` or `STAGES` is 0.
    #[expect(clippy::type_complexity, reason = "a lane is taken apart at once, into these four")]
    fn lane<T: Send + 'static, W: WaitStrategy, const STAGES: usize>(
        config: Config,
        make: impl FnMut() -> T,
    ) -> (Self::Producer<T, W>, [Self::Stage<T, W>; STAGES], Acknowledger<W>, Monitor);
}

/// A party of a lane: the producer, or a stage.
pub trait LaneParty: Send {
    /// What a slot holds.
    type Slot;
    /// How this party idles.
    type Wait: WaitStrategy;
    /// Claimed slots.
    type Batch<'a>: LaneBatch<Self::Slot>
    where
        Self: 'a;

    /// Claims between 1 and `max` slots that lie side by side.
    ///
    /// # Errors
    /// [`Blocked`], if there is nothing to claim.
    fn try_claim(&mut self, max: usize) -> Result<Self::Batch<'_>, Blocked>;

    /// How many slots this party has let go: the sequence of the next one that it claims.
    fn position(&self) -> u64;

    /// Whether a claim would bring something other than [`Blocked::NotYet`].
    fn ready(&self) -> bool;

    /// Whether the lane is poisoned, as far as this party can tell.
    fn poisoned(&self) -> bool;

    /// Takes one idle step; a party that would sleep asks `ready` once more.
    fn wait(&mut self, ready: impl FnMut(&Self) -> bool);

    /// Starts idling anew, after work that let no slot go.
    fn worked(&mut self);

    /// Stops the lane.
    fn poison(&mut self);

    /// Wakes this party from any thread.
    fn waker(&self) -> Waker;
}

/// What the producer can do beyond a stage.
pub trait LaneProducer: LaneParty {
    /// How many slots the last stage has released.
    fn sent(&self) -> u64;

    /// How many slots, from the first on without a gap, are acknowledged.
    fn acknowledged(&self) -> u64;

    /// Whether everything published is acknowledged.
    fn drained(&self) -> bool;

    /// Publishes the end.
    fn close(&mut self);
}

/// Claimed slots, as a slice. Dropping them lets none go.
pub trait LaneBatch<T>: DerefMut<Target = [T]> {
    /// The sequence of the first slot.
    fn sequence(&self) -> u64;

    /// The producer's word for letting go of the first `count` slots.
    ///
    /// # Panics
    /// If the batch has fewer slots.
    fn publish(self, count: usize);

    /// A stage's word for letting go of the first `count` slots.
    ///
    /// # Panics
    /// If the batch has fewer slots.
    fn release(self, count: usize);
}

/// This crate's own lane.
#[derive(Debug, Clone, Copy)]
pub struct Native;

impl Ring for Native {
    type Producer<T: Send + 'static, W: WaitStrategy> = Producer<T, W>;
    type Stage<T: Send + 'static, W: WaitStrategy> = Stage<T, W>;

    fn lane<T: Send + 'static, W: WaitStrategy, const STAGES: usize>(
        config: Config,
        make: impl FnMut() -> T,
    ) -> (Producer<T, W>, [Stage<T, W>; STAGES], Acknowledger<W>, Monitor) {
        lane(config, make)
    }
}

/// Forwards to the methods of the same names.
macro_rules! party {
    ($handle:ident, $position:ident) => {
        type Slot = T;
        type Wait = W;
        type Batch<'a>
            = Batch<'a, T, W>
        where
            Self: 'a;

        #[inline]
        fn try_claim(&mut self, max: usize) -> Result<Batch<'_, T, W>, Blocked> {
            $handle::try_claim(self, max)
        }

        #[inline]
        fn position(&self) -> u64 {
            self.$position()
        }

        #[inline]
        fn ready(&self) -> bool {
            $handle::ready(self)
        }

        #[inline]
        fn poisoned(&self) -> bool {
            $handle::poisoned(self)
        }

        #[inline]
        fn wait(&mut self, ready: impl FnMut(&Self) -> bool) {
            $handle::wait(self, ready);
        }

        #[inline]
        fn worked(&mut self) {
            $handle::worked(self);
        }

        fn poison(&mut self) {
            $handle::poison(self);
        }

        fn waker(&self) -> Waker {
            $handle::waker(self)
        }
    };
}

impl<T: Send, W: WaitStrategy> LaneParty for Producer<T, W> {
    party!(Producer, published);
}

impl<T: Send, W: WaitStrategy> LaneParty for Stage<T, W> {
    party!(Stage, position);
}

impl<T: Send, W: WaitStrategy> LaneProducer for Producer<T, W> {
    #[inline]
    fn sent(&self) -> u64 {
        Producer::sent(self)
    }

    #[inline]
    fn acknowledged(&self) -> u64 {
        Producer::acknowledged(self)
    }

    #[inline]
    fn drained(&self) -> bool {
        Producer::drained(self)
    }

    fn close(&mut self) {
        Producer::close(self);
    }
}

impl<T, W: WaitStrategy> LaneBatch<T> for Batch<'_, T, W> {
    #[inline]
    fn sequence(&self) -> u64 {
        Batch::sequence(self)
    }

    #[inline]
    fn publish(self, count: usize) {
        Batch::publish(self, count);
    }

    #[inline]
    fn release(self, count: usize) {
        Batch::release(self, count);
    }
}
