//! The first party of a lane: it claims free slots, fills and publishes them, and is held back by two gates.

use crate::cursor::Cursor;
use crate::hand::{Batch, Blocked, Hand};
use crate::site::Site;
use crate::sync::{Arc, Ordering, order, relaxed, taken};
use crate::wait::{WaitStrategy, Waker};

/// Fills slots. Its gates: at most as many slots published beyond the last stage as there are, so that none is
/// overwritten; at most `in_flight` published beyond the acknowledged prefix, so that what awaits acknowledgement is bounded.
pub struct Producer<T, W: WaitStrategy> {
    pub(crate) hand: Hand<T, W>,
    pub(crate) prefix: Arc<Cursor>,
    /// The acknowledged prefix when it was last looked at; it may have grown since.
    pub(crate) seen_acknowledged: u64,
    pub(crate) in_flight: u64,
}

impl<T, W: WaitStrategy> Producer<T, W> {
    /// Claims between 1 and `max` free slots that lie side by side. They hold whatever the last lap left in them.
    ///
    /// # Errors
    /// [`Blocked::NotYet`] while either gate is shut, [`Blocked::Closed`] after [`close`](Self::close).
    #[inline]
    pub fn try_claim(&mut self, max: usize) -> Result<Batch<'_, T, W>, Blocked> {
        let mut limit = self.hand.limit(Site::Gate)?;
        if self.seen_acknowledged + self.in_flight == self.hand.position() {
            self.seen_acknowledged = self.done(Site::SecondGate);
        }
        limit = limit.min(self.seen_acknowledged + self.in_flight);
        if limit == self.hand.position() {
            // With room at the first gate its cursor was not looked at; and no acknowledgement will come out of poison.
            let poisoned = taken(Site::PoisonAtSecondGate) && self.poisoned();
            return Err(if poisoned { self.hand.catch_poison() } else { Blocked::NotYet });
        }
        Ok(self.hand.batch(limit, max))
    }

    /// How many slots were published: the sequence of the next one.
    #[inline]
    pub fn published(&self) -> u64 {
        self.hand.position()
    }

    /// How many slots the last stage has released. A figure: it gives no right to look at anything that was sent.
    #[inline]
    pub fn sent(&self) -> u64 {
        self.hand.peek().count()
    }

    /// How many slots, from the first on without a gap, are acknowledged. What the acknowledger did before is visible.
    #[inline]
    pub fn acknowledged(&self) -> u64 {
        self.prefix.load(order(Site::ObserveAcknowledged, Ordering::Acquire)).count()
    }

    /// How many slots are done with, for which `site` takes the acknowledged ones.
    #[inline]
    fn done(&self, site: Site) -> u64 {
        if taken(site) { self.acknowledged() } else { self.sent() }
    }

    /// Whether everything published is acknowledged: what a rebalance and a shutdown wait for, with
    /// [`wait`](Self::wait) until `drained() || poisoned()`.
    #[inline]
    pub fn drained(&self) -> bool {
        self.done(Site::Drained) == self.published()
    }

    /// Whether a claim would bring something other than [`Blocked::NotYet`]: there is room at both gates, or an end.
    #[inline]
    pub fn ready(&self) -> bool {
        let poisoned = taken(Site::ReadyAtPoison) && self.poisoned();
        let room = self.hand.has_room() && self.acknowledged() + self.in_flight > self.hand.position();
        room || poisoned
    }

    /// Whether the lane is poisoned, as far as it has come round to the producer. Cheap; for a poller without input,
    /// which claims nothing and would not notice.
    #[inline]
    pub fn poisoned(&self) -> bool {
        self.hand.poisoned() || self.prefix.load(relaxed("a hint, as any look for poison")).poisoned()
    }

    /// Takes one idle step, after a claim brought [`Blocked::NotYet`] or there was nothing to publish. A party that
    /// would sleep first announces it and asks `ready` once more, which names everything that is waited for.
    #[inline]
    pub fn wait(&mut self, mut ready: impl FnMut(&Self) -> bool) {
        if self.hand.idle() {
            self.hand.sleep_unless(|| ready(self));
        }
    }

    /// Starts idling anew, after work that published nothing.
    #[inline]
    pub fn worked(&mut self) {
        self.hand.worked();
    }

    /// Publishes the end: stages take what came before, then close. Nothing can be claimed afterwards.
    pub fn close(&mut self) {
        self.hand.close();
    }

    /// Stops the lane at once: each party's next claim that looks beyond what it knows brings [`Blocked::Poisoned`].
    pub fn poison(&mut self) {
        self.hand.poison();
    }

    /// Wakes this producer from any thread.
    pub fn waker(&self) -> Waker {
        self.hand.own().bell.waker()
    }
}
