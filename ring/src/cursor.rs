//! A cursor: how many slots a party has let go of, and whether it has ended.
//!
//! ```text
//!   63      62        61                              0
//!   CLOSED  POISONED  count of slots let go, from 0
//! ```
//!
//! Both ends live in the word that the follower reads anyway. A close therefore arrives with the last count, and there
//! is no flag that could overtake it or be overtaken. A lane that moves a billion slots a second counts for 146 years.

use crate::sync::{CachePadded, Ordering, WholeWord};
use crate::wait::Bell;

const CLOSED: u64 = 1 << 63;
const POISONED: u64 = 1 << 62;
/// The largest count.
pub(crate) const COUNT: u64 = POISONED - 1;

/// The value of a cursor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(u64);

impl Word {
    pub(crate) const START: Word = Word(0);

    #[inline]
    pub(crate) fn open(count: u64) -> Word {
        Word(count)
    }

    pub(crate) fn close(self) -> Word {
        Word(self.0 | CLOSED)
    }

    pub(crate) fn poison(self) -> Word {
        Word(self.0 | POISONED)
    }

    #[inline]
    pub(crate) fn count(self) -> u64 {
        self.0 & COUNT
    }

    #[inline]
    pub(crate) fn closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    #[inline]
    pub(crate) fn poisoned(self) -> bool {
        self.0 & POISONED != 0
    }
}

/// A [`Word`] that its owner alone moves and others follow.
pub(crate) struct Cursor(CachePadded<WholeWord>);

impl Cursor {
    pub(crate) fn new() -> Cursor {
        Cursor(CachePadded::new(WholeWord::new(0)))
    }

    #[inline]
    pub(crate) fn load(&self, ordering: Ordering) -> Word {
        Word(self.0.load(ordering))
    }

    /// There is one writer, so a plain store is enough.
    #[inline]
    pub(crate) fn store(&self, word: Word, ordering: Ordering) {
        self.0.store(word.0, ordering);
    }
}

/// What a party shares with the others. Cursor and bell lie on cache lines of their own: the cursor is written once a
/// batch by its party, the bell is read once a batch by others and written only around a sleep.
pub(crate) struct Party {
    pub(crate) cursor: Cursor,
    pub(crate) bell: CachePadded<Bell>,
}

impl Party {
    pub(crate) fn new(bell: Bell) -> Party {
        Party { cursor: Cursor::new(), bell: CachePadded::new(bell) }
    }
}
