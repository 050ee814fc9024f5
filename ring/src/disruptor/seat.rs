//! What the adapter's producer and stages have in common: everything but the crate's own handles.

use crate::cursor::{Party, Word};
use crate::hand::Blocked;
use crate::interface::LaneBatch;
use crate::monitor::Monitor;
use crate::site::Site;
use crate::slots::Slots;
use crate::sync::{Access, Arc, Ordering, Parker};
use crate::wait::{WaitStrategy, Waker};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// A party's place in the chain.
pub(super) struct Seat<T, W: WaitStrategy> {
    pub(super) slots: Arc<Slots<T>>,
    /// Every party's word and bell, and the acknowledged prefix.
    pub(super) monitor: Monitor,
    /// 0 is the producer.
    number: usize,
    /// How many slots this party has let go.
    pub(super) position: u64,
    /// How this party ended, if it did.
    ended: Option<Blocked>,
    idle_steps: u32,
    parker: Parker,
    strategy: PhantomData<fn() -> W>,
}

impl<T, W: WaitStrategy> Seat<T, W> {
    pub(super) fn new(slots: Arc<Slots<T>>, monitor: Monitor, number: usize, parker: Parker) -> Seat<T, W> {
        Seat { slots, monitor, number, position: 0, ended: None, idle_steps: 0, parker, strategy: PhantomData }
    }

    fn own(&self) -> &Party {
        &self.monitor.parties[self.number]
    }

    /// The word of the party that this one follows.
    #[inline]
    pub(super) fn ahead(&self) -> Word {
        let parties = &self.monitor.parties;
        parties[self.number.checked_sub(1).unwrap_or(parties.len() - 1)].cursor.load(Ordering::Acquire)
    }

    /// An error once this party has ended.
    #[inline]
    pub(super) fn open(&self) -> Result<(), Blocked> {
        self.ended.map_or(Ok(()), Err)
    }

    /// Slots from this party's position to the end of the storage.
    #[inline]
    pub(super) fn before_wrap(&self) -> usize {
        self.slots.len() - self.slots.index(self.position)
    }

    /// The `len` slots from this party's position on.
    ///
    /// # Safety
    /// The crate has given them to this party, which keeps them for as long as the pointer is used; and they end before
    /// the wrap.
    // SAFETY: reads no slot itself; whoever uses the pointer has been given the slots.
    #[inline]
    pub(super) unsafe fn slice(&self, len: usize) -> (*mut [T], Access) {
        // SAFETY: the caller's promise.
        unsafe { self.slots.slice(self.slots.index(self.position), len) }
    }

    /// Lets `count` slots go; `hand_over` makes the crate do so. The word moves first, so that no word is ever behind
    /// that of a follower; the bell comes last, so that whom it wakes finds the slots.
    #[inline]
    pub(super) fn let_go(&mut self, count: usize, hand_over: impl FnOnce()) {
        if count == 0 {
            return;
        }
        self.position += count as u64;
        self.idle_steps = 0;
        self.own().cursor.store(Word::open(self.position), Ordering::Release);
        hand_over();
        let parties = &self.monitor.parties;
        parties[(self.number + 1) % parties.len()].bell.ring::<W>(Site::Signal);
    }

    /// Says why there was nothing to claim, and passes an end on. `closed` is whether the crate has nothing more.
    #[cold]
    pub(super) fn why_nothing(&mut self, closed: bool) -> Blocked {
        if self.poisoned() {
            self.end(Blocked::Poisoned);
            Blocked::Poisoned
        } else if closed && self.ahead().closed() {
            self.end(Blocked::Closed);
            Blocked::Closed
        } else {
            Blocked::NotYet
        }
    }

    /// Ends this party, and wakes everyone: the crate tells all stages at once.
    pub(super) fn end(&mut self, end: Blocked) {
        if self.ended == Some(Blocked::Poisoned) || self.ended == Some(end) {
            return;
        }
        let word = Word::open(self.position);
        let word = if end == Blocked::Closed || self.ended.is_some() { word.close() } else { word };
        let word = if end == Blocked::Poisoned { word.poison() } else { word };
        self.ended = Some(end);
        self.own().cursor.store(word, Ordering::Release);
        self.monitor.parties.iter().for_each(|party| party.bell.ring::<W>(Site::Signal));
    }

    #[inline]
    pub(super) fn poisoned(&self) -> bool {
        self.ended == Some(Blocked::Poisoned) || self.monitor.poisoned()
    }

    /// Takes an idle step short of sleeping, or returns true: it is time to sleep.
    #[inline]
    pub(super) fn idle(&mut self) -> bool {
        let sleepy = W::idle(self.idle_steps);
        self.idle_steps = self.idle_steps.saturating_add(1);
        sleepy
    }

    pub(super) fn sleep_unless(&self, ready: impl FnOnce() -> bool) {
        self.own().bell.sleep_unless(&self.parker, ready);
    }

    /// How many slots, from the first on without a gap, are acknowledged.
    #[inline]
    pub(super) fn acknowledged(&self) -> u64 {
        self.monitor.prefix.load(Ordering::Acquire).count()
    }

    pub(super) fn worked(&mut self) {
        self.idle_steps = 0;
    }

    pub(super) fn waker(&self) -> Waker {
        self.own().bell.waker()
    }
}

impl<T, W: WaitStrategy> Drop for Seat<T, W> {
    /// A party that leaves before the lane has ended for it stops everyone.
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.end(Blocked::Poisoned);
        }
    }
}

/// A handle that can let slots go.
pub trait Holder {
    /// The sequence of its first slot.
    fn first(&self) -> u64;

    /// Lets the first `count` of the claimed slots go.
    fn let_go(&mut self, count: usize);
}

/// Slots claimed from a [`Disruptor`](super::Disruptor) lane.
pub struct DisruptorBatch<'a, T, H> {
    holder: &'a mut H,
    /// Not a reference: the slots change hands while `let_go`, which takes the batch, still runs.
    slots: *mut [T],
    access: Access,
    lifetime: PhantomData<&'a mut [T]>,
}

impl<'a, T, H: Holder> DisruptorBatch<'a, T, H> {
    /// # Safety
    /// The slots are the holder's until it lets them go.
    #[inline]
    pub(super) unsafe fn new(holder: &'a mut H, (slots, access): (*mut [T], Access)) -> Self {
        DisruptorBatch { holder, slots, access, lifetime: PhantomData }
    }
}

impl<T, H: Holder> LaneBatch<T> for DisruptorBatch<'_, T, H> {
    #[inline]
    fn sequence(&self) -> u64 {
        self.holder.first()
    }

    #[inline]
    fn publish(self, count: usize) {
        assert!(count <= self.slots.len(), "{count} slots let go out of a batch of {}", self.slots.len());
        let _over = self.access.end(Site::AccessEnd);
        self.holder.let_go(count);
    }

    #[inline]
    fn release(self, count: usize) {
        self.publish(count);
    }
}

impl<T, H> Deref for DisruptorBatch<'_, T, H> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: the slots are the holder's until the batch is consumed, and `self` is borrowed.
        unsafe { &*self.slots }
    }
}

impl<T, H> DerefMut for DisruptorBatch<'_, T, H> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { &mut *self.slots }
    }
}
