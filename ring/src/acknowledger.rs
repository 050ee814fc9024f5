//! The prefix that nobody needs any more: sent, and confirmed by whoever received it.

use crate::cursor::{Cursor, Party, Word};
use crate::site::Site;
use crate::sync::{Arc, Ordering, order, relaxed, taken};
use crate::wait::WaitStrategy;
use std::marker::PhantomData;

/// Advances the acknowledged prefix, the producer's second gate. Held beside the last stage, by the same thread.
pub struct Acknowledger<W: WaitStrategy> {
    pub(crate) prefix: Arc<Cursor>,
    pub(crate) last: Arc<Party>,
    pub(crate) producer: Arc<Party>,
    pub(crate) position: u64,
    pub(crate) strategy: PhantomData<fn() -> W>,
}

impl<W: WaitStrategy> Acknowledger<W> {
    /// Declares that all slots before the sequence `up_to` are done with. It never goes back, nor beyond what the last
    /// stage has released.
    #[inline]
    pub fn acknowledge(&mut self, up_to: u64) {
        debug_assert!(up_to >= self.position, "acknowledged {} before, now {up_to}", self.position);
        debug_assert!(up_to <= self.released(), "acknowledged {up_to}, which was not released");
        if up_to != self.position {
            self.position = up_to;
            self.prefix.store(Word::open(up_to), order(Site::Acknowledge, Ordering::Release));
            self.producer.bell.ring::<W>(Site::SignalAcknowledged);
        }
    }

    /// The acknowledged prefix.
    #[inline]
    pub fn position(&self) -> u64 {
        self.position
    }

    fn released(&self) -> u64 {
        self.last.cursor.load(relaxed("the last stage is moved by this very thread")).count()
    }
}

impl<W: WaitStrategy> Drop for Acknowledger<W> {
    /// Slots that were released and will never be acknowledged are a party's early end too: the producer may be waiting
    /// for them after the last stage has closed.
    fn drop(&mut self) {
        if self.position < self.released() && taken(Site::PoisonOnAbandon) {
            self.prefix.store(Word::open(self.position).poison(), relaxed("poison hands nothing over"));
            self.producer.bell.ring::<W>(Site::SignalAcknowledged);
        }
    }
}
