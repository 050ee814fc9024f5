//! A view of a lane from outside: how far each party is.

use crate::cursor::{Cursor, Party, Word};
use crate::site::Site;
use crate::sync::{Arc, Ordering, order, relaxed};

/// Reads a lane's cursors, from any thread, without disturbing anyone.
#[derive(Clone)]
pub struct Monitor {
    /// The producer, then the stages in order.
    pub(crate) parties: Arc<[Arc<Party>]>,
    pub(crate) prefix: Arc<Cursor>,
    pub(crate) slots: usize,
}

/// The counts of a lane at about one moment: `acknowledged ≤ … ≤ stages[1] ≤ stages[0] ≤ published`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positions {
    /// Slots that the producer has published.
    pub published: u64,
    /// Slots that each stage has released.
    pub stages: Vec<u64>,
    /// Length of the acknowledged prefix.
    pub acknowledged: u64,
}

impl Monitor {
    /// All counts. They are read from the last party to the first, so each is at least what its follower had seen.
    pub fn positions(&self) -> Positions {
        let acknowledged = self.prefix.load(order(Site::Survey, Ordering::Acquire)).count();
        let mut counts: Vec<u64> = self.survey().map(Word::count).collect();
        counts.reverse();
        let published = counts.remove(0);
        Positions { published, stages: counts, acknowledged }
    }

    /// Slots published and not yet released by the last stage; between 0 and [`slots`](Self::slots).
    pub fn occupancy(&self) -> u64 {
        let sent = self.last().cursor.load(order(Site::Survey, Ordering::Acquire)).count();
        let published = self.parties[0].cursor.load(relaxed("the load above orders it")).count();
        (published - sent).min(self.slots as u64)
    }

    /// How many slots the lane has.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Whether any party is poisoned.
    pub fn poisoned(&self) -> bool {
        self.prefix.load(relaxed("a figure")).poisoned() || self.survey().any(Word::poisoned)
    }

    /// Whether the last stage has closed: everything published was released. Acknowledgements may be outstanding.
    pub fn closed(&self) -> bool {
        self.last().cursor.load(relaxed("a figure")).closed()
    }

    /// The cursors from the last to the first.
    fn survey(&self) -> impl Iterator<Item = Word> {
        self.parties.iter().rev().map(|party| party.cursor.load(order(Site::Survey, Ordering::Acquire)))
    }

    fn last(&self) -> &Party {
        &self.parties[self.parties.len() - 1]
    }
}
