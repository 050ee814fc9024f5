//! The events that a join keeps, by key and side.
//!
//! ```text
//!   key ─▶ side ─▶ the event that arrived last ─▶ an earlier one with a later time ─▶ …     (a stack)
//!   front ─▶ … all events in the order of their arrival … ─▶ back                          (a list)
//! ```
//!
//! Of two events of a side and key, the one that arrived earlier is of no use any more if its time is not later: whatever
//! it would match, the other one matches as well, and that arrived last. So a stack holds one event where times only
//! rise, and more only as far as they fall.

use crate::operators::keys::{KeyIndex, Keys};
use crate::operators::retention::{Holdings, Retention};
use crate::value::{Owned, Value};

/// The number of a kept event.
type EventIndex = u32;
/// Stands where there is no event.
const NONE: EventIndex = u32::MAX;

/// An event of one side.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) time: i64,
    /// What its side's feed keeps of it.
    pub(super) values: Box<[Owned]>,
    pub(super) holdings: Holdings,
    /// Whether what it completed was put out before a restart.
    pub(super) silent: bool,
    /// Index into [`Store::tops`].
    place: usize,
    /// The next one of its stack.
    below: EventIndex,
    before: EventIndex,
    after: EventIndex,
}

#[derive(Debug)]
pub(super) struct Store {
    sides: usize,
    keys: Keys,
    /// By key and side: the event that arrived last.
    tops: Vec<EventIndex>,
    events: Vec<Event>,
    free: Vec<EventIndex>,
    front: EventIndex,
    back: EventIndex,
}

impl Store {
    pub(super) fn new(sides: usize) -> Self {
        let (keys, tops, events, free) = (Keys::default(), Vec::new(), Vec::new(), Vec::new());
        Store { sides, keys, tops, events, free, front: NONE, back: NONE }
    }

    /// How many events there are.
    pub(super) fn len(&self) -> usize {
        self.events.len() - self.free.len()
    }

    /// The number of a key, new or known.
    #[inline]
    pub(super) fn key(&mut self, key: Value) -> KeyIndex {
        let (hash, known) = self.keys.find(key);
        known.unwrap_or_else(|| {
            let index = self.keys.insert(hash, key);
            let needed = (index as usize + 1) * self.sides;
            if self.tops.len() < needed {
                self.tops.resize(needed, NONE);
            }
            index
        })
    }

    /// The event that arrived last of those with this key whose time is not before `earliest`.
    #[inline]
    pub(super) fn find(&self, key: KeyIndex, side: usize, earliest: i64) -> Option<&Event> {
        let mut index = self.tops[key as usize * self.sides + side];
        while index != NONE {
            let event = &self.events[index as usize];
            if event.time >= earliest {
                return Some(event);
            }
            index = event.below;
        }
        None
    }

    /// Room for an event of this side, which has arrived now: on top of its stack, without those of which it leaves
    /// nothing to be wanted. What it holds of an event before it is to be overwritten.
    pub(super) fn push(&mut self, key: KeyIndex, side: usize, time: i64, retention: &mut Retention) -> &mut Event {
        let place = key as usize * self.sides + side;
        while let Some(top) = self.top(place).filter(|top| self.events[*top as usize].time <= time) {
            self.tops[place] = self.events[top as usize].below;
            self.unlink(top);
            self.events[top as usize].holdings.release(retention);
            self.free.push(top);
        }
        let below = self.tops[place];
        let index = self.free.pop().unwrap_or_else(|| {
            let (values, holdings) = (Box::default(), Holdings::default());
            let (silent, below, before, after) = (false, NONE, NONE, NONE);
            self.events.push(Event { time, values, holdings, silent, place, below, before, after });
            (self.events.len() - 1) as EventIndex
        });
        self.tops[place] = index;
        let before = std::mem::replace(&mut self.back, index);
        match before {
            NONE => self.front = index,
            before => self.events[before as usize].after = index,
        }
        let event = &mut self.events[index as usize];
        (event.time, event.place, event.below, event.before, event.after) = (time, place, below, before, NONE);
        event
    }

    /// Forgets the event that arrived first if it is before `horizon`. Whether it was.
    pub(super) fn forget_before(&mut self, horizon: i64, retention: &mut Retention) -> bool {
        let old = self.front != NONE && self.events[self.front as usize].time < horizon;
        if old {
            self.forget_first(retention);
        }
        old
    }

    /// Forgets the event that arrived first.
    pub(super) fn forget_first(&mut self, retention: &mut Retention) {
        let index = self.front;
        if index == NONE {
            return;
        }
        let place = self.events[index as usize].place;
        // It is the lowest of its stack, for it arrived before all others.
        match self.tops[place] {
            top if top == index => self.tops[place] = NONE,
            top => {
                let mut above = top;
                while self.events[above as usize].below != index {
                    above = self.events[above as usize].below;
                }
                self.events[above as usize].below = NONE;
            }
        }
        self.unlink(index);
        let event = &mut self.events[index as usize];
        event.holdings.release(retention);
        event.values = Box::default();
        self.free.push(index);
        let key = place / self.sides;
        if self.tops[key * self.sides..][..self.sides].iter().all(|top| *top == NONE) {
            self.keys.forget(key as KeyIndex);
        }
    }

    fn top(&self, place: usize) -> Option<EventIndex> {
        Some(self.tops[place]).filter(|top| *top != NONE)
    }

    /// Takes an event out of the list.
    fn unlink(&mut self, index: EventIndex) {
        let Event { before, after, .. } = self.events[index as usize];
        match before {
            NONE => self.front = after,
            before => self.events[before as usize].after = after,
        }
        match after {
            NONE => self.back = before,
            after => self.events[after as usize].before = before,
        }
    }
}
