//! The first party, behind the crate's producer.

use super::seat::{DisruptorBatch, Holder, Seat};
use crate::hand::Blocked;
use crate::interface::{LaneParty, LaneProducer};
use crate::wait::{WaitStrategy, Waker};
use ::disruptor::{MissingFreeSlots, Producer, SingleConsumerBarrier, SingleProducer};

/// The crate's producer. Its events are nothing but their sequence.
pub(super) type Sequencer = SingleProducer<(), SingleConsumerBarrier>;

/// The producer of a [`Disruptor`](super::Disruptor) lane.
pub struct DisruptorProducer<T, W: WaitStrategy> {
    // Dropped before the sequencer, which tells the stages of a shutdown: they are to see the poison then.
    pub(super) seat: Seat<T, W>,
    /// `None` once closed: dropping it is the crate's way to say so.
    pub(super) sequencer: Option<Sequencer>,
    pub(super) in_flight: u64,
}

impl<T, W: WaitStrategy> DisruptorProducer<T, W> {
    /// How many slots the crate has free.
    #[inline]
    fn free(&mut self) -> u64 {
        let more = self.seat.slots.len() + 1;
        let sequencer = self.sequencer.as_mut().expect("a producer that has not ended");
        match sequencer.try_batch_publish(more, |_| {}) {
            Err(MissingFreeSlots(missing)) => more as u64 - missing,
            Ok(_) => unreachable!("a ring has no room for one event more than it has slots"),
        }
    }

    #[inline]
    fn room_in_flight(&self) -> u64 {
        self.seat.acknowledged() + self.in_flight - self.seat.position
    }
}

impl<T: Send, W: WaitStrategy> LaneParty for DisruptorProducer<T, W> {
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
        let room = self.free().min(self.room_in_flight());
        if room == 0 {
            return Err(self.seat.why_nothing(false));
        }
        let len = room.min(max as u64).min(self.seat.before_wrap() as u64) as usize;
        // SAFETY: the crate counts these slots as free: every stage is done with them, which its barrier's Acquire load
        // has seen, and none gets them before this handle, which the batch borrows, publishes them.
        unsafe {
            let slots = self.seat.slice(len);
            Ok(DisruptorBatch::new(self, slots))
        }
    }

    #[inline]
    fn position(&self) -> u64 {
        self.seat.position
    }

    #[inline]
    fn ready(&self) -> bool {
        self.poisoned()
            || (self.sent() + self.seat.slots.len() as u64 > self.seat.position && self.room_in_flight() > 0)
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

impl<T: Send, W: WaitStrategy> LaneProducer for DisruptorProducer<T, W> {
    #[inline]
    fn sent(&self) -> u64 {
        self.seat.ahead().count()
    }

    #[inline]
    fn acknowledged(&self) -> u64 {
        self.seat.acknowledged()
    }

    #[inline]
    fn drained(&self) -> bool {
        self.seat.acknowledged() == self.seat.position
    }

    fn close(&mut self) {
        if self.seat.open().is_ok() {
            self.sequencer = None;
            self.seat.end(Blocked::Closed);
        }
    }
}

impl<T, W: WaitStrategy> Holder for DisruptorProducer<T, W> {
    #[inline]
    fn first(&self) -> u64 {
        self.seat.position
    }

    #[inline]
    fn let_go(&mut self, count: usize) {
        let DisruptorProducer { seat, sequencer, .. } = self;
        seat.let_go(count, || {
            let sequencer = sequencer.as_mut().expect("a producer that has not ended");
            sequencer.try_batch_publish(count, |_| {}).expect("the slots are free: they were claimed");
        });
    }
}
