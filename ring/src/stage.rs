//! A later party of a lane: it claims what its predecessor let go, works on it in place, and lets it go in turn.

use crate::hand::{Batch, Blocked, Hand};
use crate::site::Site;
use crate::sync::taken;
use crate::wait::{WaitStrategy, Waker};

/// Works on slots after exactly one predecessor. The last stage's release gives slots home to the producer.
pub struct Stage<T, W: WaitStrategy> {
    pub(crate) hand: Hand<T, W>,
}

impl<T, W: WaitStrategy> Stage<T, W> {
    /// Claims between 1 and `max` slots that lie side by side.
    ///
    /// # Errors
    /// [`Blocked`]. The first [`Blocked::Closed`] closes this stage too: its follower will see the end after the last slot.
    #[inline]
    pub fn try_claim(&mut self, max: usize) -> Result<Batch<'_, T, W>, Blocked> {
        let limit = self.hand.limit(Site::Observe)?;
        let empty = limit == self.hand.position();
        if self.hand.seen_closed() && (empty || !taken(Site::CloseLast)) {
            if taken(Site::ClosePropagates) {
                self.hand.close();
            }
            return Err(Blocked::Closed);
        }
        if empty {
            return Err(Blocked::NotYet);
        }
        Ok(self.hand.batch(limit, max))
    }

    /// How many slots this stage has released: the sequence of the next one that it claims.
    #[inline]
    pub fn position(&self) -> u64 {
        self.hand.position()
    }

    /// Whether a claim would bring something other than [`Blocked::NotYet`]: a slot, or an end.
    #[inline]
    pub fn ready(&self) -> bool {
        let closed = taken(Site::ReadyAtClose) && self.hand.peek().closed();
        let poisoned = taken(Site::ReadyAtPoison) && self.poisoned();
        self.hand.has_room() || closed || poisoned
    }

    /// Whether the lane is poisoned, as far as it has come down to this stage.
    #[inline]
    pub fn poisoned(&self) -> bool {
        self.hand.poisoned()
    }

    /// Takes one idle step, after a claim brought [`Blocked::NotYet`] or nothing could be released. A party that would
    /// sleep first announces it and asks `ready` once more, which names everything that is waited for.
    #[inline]
    pub fn wait(&mut self, mut ready: impl FnMut(&Self) -> bool) {
        if self.hand.idle() {
            self.hand.sleep_unless(|| ready(self));
        }
    }

    /// Starts idling anew, after work that released nothing.
    #[inline]
    pub fn worked(&mut self) {
        self.hand.worked();
    }

    /// Stops the lane, also after it was closed.
    pub fn poison(&mut self) {
        self.hand.poison();
    }

    /// Wakes this stage from any thread.
    pub fn waker(&self) -> Waker {
        self.hand.own().bell.waker()
    }
}
