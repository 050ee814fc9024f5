//! A party's own half: claim and release, written once for the producer and for every stage.

use crate::cursor::{Party, Word};
use crate::site::Site;
use crate::slots::Slots;
use crate::sync::{Access, Arc, Ordering, Parker, exact, order, relaxed, taken};
use crate::wait::WaitStrategy;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// Why there is nothing to claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocked {
    /// Nothing at the moment: wait and try again.
    NotYet,
    /// The lane was closed, and everything before the close has been claimed and let go.
    Closed,
    /// A party stopped for a reason of its own: nothing more may be claimed.
    Poisoned,
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Blocked::NotYet => "nothing to claim yet",
            Blocked::Closed => "the lane is closed and drained",
            Blocked::Poisoned => "the lane is poisoned: one of its parties stopped early",
        })
    }
}

impl std::error::Error for Blocked {}

/// What the producer's and a stage's handle have in common.
pub(crate) struct Hand<T, W: WaitStrategy> {
    slots: Arc<Slots<T>>,
    own: Arc<Party>,
    /// The party that this one follows.
    ahead: Arc<Party>,
    /// The party that follows this one, woken when `own` moves.
    behind: Arc<Party>,
    /// How far this party may be ahead of the one it follows: 0 for a stage, the number of slots for the producer.
    lead: u64,
    /// The count in `own`, without reading it back.
    position: u64,
    /// The cursor of `ahead` when it was last looked at. It may be stale, so there may be more, never less.
    seen: Word,
    /// How this party ended, if it did.
    ended: Option<Blocked>,
    /// Idle steps since this party last let something go.
    idle_steps: u32,
    parker: Parker,
    strategy: PhantomData<fn() -> W>,
}

impl<T, W: WaitStrategy> Hand<T, W> {
    /// `chain` is `[own, ahead, behind]`.
    pub(crate) fn new(slots: Arc<Slots<T>>, chain: [&Arc<Party>; 3], lead: u64, parker: Parker) -> Hand<T, W> {
        let [own, ahead, behind] = chain.map(Arc::clone);
        Hand {
            slots,
            own,
            ahead,
            behind,
            lead,
            position: 0,
            seen: Word::START,
            ended: None,
            idle_steps: 0,
            parker,
            strategy: PhantomData,
        }
    }

    #[inline]
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// A look at the cursor that this party follows.
    #[inline]
    pub(crate) fn peek(&self) -> Word {
        self.ahead.cursor.load(relaxed("a hint, not a permission: only `limit` lets slots be touched"))
    }

    /// Whether the party that this one follows leaves room to claim.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.peek().count() + self.lead > self.position
    }

    #[inline]
    pub(crate) fn poisoned(&self) -> bool {
        self.ended == Some(Blocked::Poisoned) || self.peek().poisoned()
    }

    /// The sequence before which all slots from `position` on are this party's, as far as it knows; looks at the other
    /// cursor only when it knows of none. `site` is the load's name: it is one line, and pairs with two.
    #[inline]
    pub(crate) fn limit(&mut self, site: Site) -> Result<u64, Blocked> {
        if let Some(end) = self.ended {
            return Err(end);
        }
        if self.seen.count() + self.lead == self.position {
            let word = self.ahead.cursor.load(order(site, Ordering::Acquire));
            if word.poisoned() {
                return Err(self.catch_poison());
            }
            // Nothing new: a party that waits stores nothing on its way to the next look.
            if word == self.seen {
                return Ok(self.position);
            }
            self.seen = word;
        }
        Ok(self.seen.count() + self.lead)
    }

    /// Passes on the poison of the party that this one follows.
    #[cold]
    pub(crate) fn catch_poison(&mut self) -> Blocked {
        if taken(Site::PoisonPropagates) {
            self.poison();
        }
        Blocked::Poisoned
    }

    /// Whether the predecessor had closed when `limit` last looked.
    #[inline]
    pub(crate) fn seen_closed(&self) -> bool {
        self.seen.closed()
    }

    /// Hands out the slots before `limit`, at most `max` of them, and none beyond the wrap.
    #[inline]
    pub(crate) fn batch(&mut self, limit: u64, max: usize) -> Batch<'_, T, W> {
        assert!(max > 0, "a claim is for at least one slot");
        let start = self.slots.index(self.position);
        let before_wrap = exact(Site::Wrap, (self.slots.len() - start) as u64);
        let len = (limit - self.position).min(max as u64).min(before_wrap) as usize;
        // SAFETY: `start + len` does not pass the wrap. By "ownership" the slots `[position, limit)` are this party's
        // until it moves its cursor, and while the batch lives only the batch can do that: it borrows the hand.
        let (slots, access) = unsafe { self.slots.slice(start, len) };
        Batch { hand: self, slots, access, lifetime: PhantomData }
    }

    /// Moves the cursor by `count`, and wakes the follower if it sleeps.
    #[inline]
    fn let_go(&mut self, count: usize, site: Site) {
        if count == 0 {
            return;
        }
        self.position += exact(Site::Count, count as u64);
        self.idle_steps = 0;
        self.own.cursor.store(Word::open(self.position), order(site, Ordering::Release));
        self.behind.bell.ring::<W>(Site::Signal);
    }

    /// Ends the lane in order: the last store to this cursor, with the same pairing as any other.
    pub(crate) fn close(&mut self) {
        if self.ended.is_none() {
            self.ended = Some(Blocked::Closed);
            self.own.cursor.store(Word::open(self.position).close(), order(Site::Close, Ordering::Release));
            self.behind.bell.ring::<W>(Site::Signal);
        }
    }

    /// Stops the lane. The count stays, so no slot is let go.
    pub(crate) fn poison(&mut self) {
        if self.ended == Some(Blocked::Poisoned) {
            return;
        }
        let word = Word::open(exact(Site::PoisonCount, self.position));
        let word = if self.ended == Some(Blocked::Closed) { word.close() } else { word };
        self.ended = Some(Blocked::Poisoned);
        self.own.cursor.store(word.poison(), relaxed("no slot is let go"));
        self.behind.bell.ring::<W>(Site::Signal);
    }

    /// Takes one idle step short of sleeping, or returns true: it is time to sleep.
    #[inline]
    pub(crate) fn idle(&mut self) -> bool {
        let sleepy = W::idle(self.idle_steps);
        self.idle_steps = self.idle_steps.saturating_add(1);
        sleepy
    }

    pub(crate) fn worked(&mut self) {
        self.idle_steps = 0;
    }

    pub(crate) fn sleep_unless(&self, ready: impl FnOnce() -> bool) {
        self.own.bell.sleep_unless(&self.parker, ready);
    }

    pub(crate) fn own(&self) -> &Party {
        &self.own
    }
}

impl<T, W: WaitStrategy> Drop for Hand<T, W> {
    /// A party that leaves before the lane has ended for it, by a panic or otherwise, stops everyone.
    fn drop(&mut self) {
        if self.ended.is_some() {
            return;
        }
        // What a guard would do that releases when it is dropped: only in a model.
        if !taken(Site::DropLetsNothingGo) {
            self.let_go(1, Site::Release);
        }
        if taken(Site::PoisonOnDrop) {
            self.poison();
        }
    }
}

/// Claimed slots, as a slice, until the next publish or release.
///
/// Dropping a batch does nothing: its slots stay claimed, and the next claim hands them out again. Only
/// [`publish`](Self::publish) and [`release`](Self::release) let slots go, so a panic in between loses none.
pub struct Batch<'a, T, W: WaitStrategy> {
    hand: &'a mut Hand<T, W>,
    /// Not a reference: the slots change hands while `let_go`, which takes the batch, still runs.
    slots: *mut [T],
    access: Access,
    lifetime: PhantomData<&'a mut [T]>,
}

impl<T, W: WaitStrategy> Batch<'_, T, W> {
    /// The sequence of the first slot.
    #[inline]
    pub fn sequence(&self) -> u64 {
        self.hand.position
    }

    /// The producer's word for letting go: stage 1 may claim the first `count` slots. The rest stay claimed.
    ///
    /// # Panics
    /// If the batch has fewer slots.
    #[inline]
    pub fn publish(self, count: usize) {
        self.let_go(count, Site::Publish);
    }

    /// A stage's word for letting go: the next party may claim the first `count` slots. The rest stay claimed.
    ///
    /// # Panics
    /// If the batch has fewer slots.
    #[inline]
    pub fn release(self, count: usize) {
        self.let_go(count, Site::Release);
    }

    #[inline]
    fn let_go(self, count: usize, site: Site) {
        let Batch { hand, slots, access, .. } = self;
        assert!(count <= slots.len(), "{count} slots let go out of a batch of {}", slots.len());
        let _over = access.end(Site::AccessEnd);
        hand.let_go(count, site);
    }
}

impl<T, W: WaitStrategy> Deref for Batch<'_, T, W> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: "ownership": the slots are this party's until the batch is consumed, and `self` is borrowed.
        unsafe { &*self.slots }
    }
}

impl<T, W: WaitStrategy> DerefMut for Batch<'_, T, W> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: "ownership", as above, and `self` is borrowed mutably.
        unsafe { &mut *self.slots }
    }
}
