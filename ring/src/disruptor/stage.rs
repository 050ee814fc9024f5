//! A later party, behind one of the crate's pollers.

use super::seat::{DisruptorBatch, Holder, Seat};
use crate::hand::Blocked;
use crate::interface::LaneParty;
use crate::wait::{WaitStrategy, Waker};
use ::disruptor::{EventGuard, EventPoller, Polling, SingleConsumerBarrier, SingleProducerBarrier};
use std::mem;

/// The crate's poller, whose type tells what it follows.
pub(super) enum Poller {
    /// The producer.
    First(EventPoller<(), SingleProducerBarrier>),
    /// Another poller.
    Later(EventPoller<(), SingleConsumerBarrier>),
}

impl Poller {
    /// How many events there are, at most `max`. None is consumed.
    #[inline]
    fn look(&mut self, max: usize) -> Result<usize, Polling> {
        match self {
            Poller::First(poller) => poller.take(max as u64).map(count_of),
            Poller::Later(poller) => poller.take(max as u64).map(count_of),
        }
    }

    /// Consumes `count` events, which a look has shown.
    #[inline]
    fn consume(&mut self, count: usize) {
        let consumed = match self {
            Poller::First(poller) => poller.take(count as u64).map(drop),
            Poller::Later(poller) => poller.take(count as u64).map(drop),
        };
        consumed.expect("the events are there: they were claimed");
    }

    #[inline]
    fn has_events(&self) -> bool {
        match self {
            Poller::First(poller) => poller.has_available(),
            Poller::Later(poller) => poller.has_available(),
        }
    }
}

/// The events that `guard` stands for. Dropping it would consume them; it owns nothing, so that it may be forgotten.
#[inline]
fn count_of<B>(mut guard: EventGuard<'_, (), B>) -> usize {
    let count = ExactSizeIterator::len(&&mut guard);
    mem::forget(guard);
    count
}

/// A stage of a [`Disruptor`](super::Disruptor) lane.
pub struct DisruptorStage<T, W: WaitStrategy> {
    pub(super) seat: Seat<T, W>,
    pub(super) poller: Poller,
}

impl<T: Send, W: WaitStrategy> LaneParty for DisruptorStage<T, W> {
    type Slot = T;
    type Wait = W;
    type Batch<'a>
        = DisruptorBatch<'a, T, Self>
    where
        Self: 'a;

    #[inline]
    fn try_claim(&mut self, max: usize) -> Result<Self::Batch<'_>, Blocked> {
        assert!(max > 0, "a claim is for at least one slot");
        self.seat.open()?;
        match self.poller.look(max.min(self.seat.before_wrap())) {
            // SAFETY: the crate counts these events as available to this poller: whoever it follows is done with their
            // slots, which its barrier's Acquire load has seen, and nobody gets them before this handle, which the batch
            // borrows, consumes them.
            Ok(len) => unsafe {
                let slots = self.seat.slice(len);
                Ok(DisruptorBatch::new(self, slots))
            },
            Err(nothing) => Err(self.seat.why_nothing(nothing == Polling::Shutdown)),
        }
    }

    #[inline]
    fn position(&self) -> u64 {
        self.seat.position
    }

    #[inline]
    fn ready(&self) -> bool {
        self.poller.has_events() || self.seat.ahead().closed() || self.poisoned()
    }

    #[inline]
    fn poisoned(&self) -> bool {
        self.seat.poisoned()
    }

    #[inline]
    fn wait(&mut self, mut ready: impl FnMut(&Self) -> bool) {
        if self.seat.idle() {
            self.seat.sleep_unless(|| ready(self));
        }
    }

    #[inline]
    fn worked(&mut self) {
        self.seat.worked();
    }

    fn poison(&mut self) {
        self.seat.end(Blocked::Poisoned);
    }

    fn waker(&self) -> Waker {
        self.seat.waker()
    }
}

impl<T, W: WaitStrategy> Holder for DisruptorStage<T, W> {
    #[inline]
    fn first(&self) -> u64 {
        self.seat.position
    }

    #[inline]
    fn let_go(&mut self, count: usize) {
        let DisruptorStage { seat, poller } = self;
        seat.let_go(count, || poller.consume(count));
    }
}
