//! A run: the events that a sequence has captured so far, and the step at which it is.
//!
//! Captured events lie one behind the other in the order in which they came; those of a step lie together, since a run
//! never goes back. Of each event as many values are kept as its step's shape says. A short run lies in one piece, for most
//! of its cost is that of memory out of cache; one that has ended is used again with its buffers, so a run allocates nothing
//! once warm but the texts that it keeps.

use smallvec::SmallVec;

use crate::operators::retention::Holdings;
use crate::operators::sequence::shape::{MAX_CAPTURED, Shape};
use crate::value::Owned;

/// The values of a run's events.
pub(crate) type Values = SmallVec<[Owned; 4]>;

/// One attempt to find the sequence.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// Counts the runs of the sequence from 1; 0 is none.
    pub(crate) id: u64,
    pub(crate) partition: u32,
    /// The step that it waits for, or whose closure it is in; the number of steps if it has all.
    pub(crate) at: usize,
    /// The last instant of its `within`.
    pub(crate) deadline: i64,
    /// Some closure saw more events than are kept.
    pub(crate) truncated: bool,
    /// The value of the last event that continued a trend, if that event is not kept.
    pub(crate) beyond: Option<Owned>,
    /// The records that it came from.
    pub(crate) holdings: Holdings,
    /// Up to where a deadline's match was put out before a restart.
    pub(crate) emitted: i64,
    /// Whether it captured an event that was not read before a restart.
    pub(crate) fresh: bool,
    /// By step.
    spans: SmallVec<[Span; 3]>,
    events: SmallVec<[Event; 3]>,
    values: Values,
}

/// The events of one step: indices into those of the run.
#[derive(Debug, Default, Clone, Copy)]
struct Span {
    first: u16,
    count: u16,
}

#[derive(Debug, Clone, Copy)]
struct Event {
    time: i64,
    /// Where its values begin.
    values: u32,
}

impl Run {
    /// Empties the run, and takes it to the first of `steps` steps.
    pub(crate) fn begin(&mut self, steps: usize) {
        self.at = 0;
        self.emitted = i64::MIN;
        self.fresh = false;
        self.truncated = false;
        self.beyond = None;
        self.spans.clear();
        self.spans.resize(steps, Span::default());
        self.events.clear();
        self.values.clear();
    }

    /// Lets go of what it has captured.
    pub(crate) fn end(&mut self) {
        self.id = 0;
        self.values.clear();
        self.beyond = None;
    }

    /// Adds an event to a step; `capture` appends its values. False if the step's closure is full.
    pub(crate) fn push(&mut self, step: usize, time: i64, capture: impl FnOnce(&mut Values)) -> bool {
        let span = &mut self.spans[step];
        if usize::from(span.count) == MAX_CAPTURED {
            self.truncated = true;
            return false;
        }
        if span.count == 0 {
            span.first = self.events.len() as u16;
        }
        span.count += 1;
        self.events.push(Event { time, values: self.values.len() as u32 });
        capture(&mut self.values);
        true
    }

    /// Forgets the event that was captured last, which belongs to `step`.
    pub(crate) fn pop(&mut self, step: usize) {
        if let Some(event) = self.events.pop() {
            self.spans[step].count -= 1;
            self.values.truncate(event.values as usize);
        }
    }

    /// How many events of a step are kept.
    #[inline]
    pub(crate) fn count(&self, step: usize) -> usize {
        usize::from(self.spans[step].count)
    }

    /// Whether it is inside a closure, which has captured something.
    pub(crate) fn in_closure(&self, shape: &Shape) -> bool {
        self.at < self.spans.len() && shape.steps[self.at].closure && self.count(self.at) > 0
    }

    /// Whether it has captured all that it needs, and only waits for nothing to come.
    pub(crate) fn awaits_absence(&self, shape: &Shape) -> bool {
        shape.absence && (self.at == self.spans.len() || self.in_last_closure(shape))
    }

    /// Whether it is inside a closure behind which no step comes.
    pub(crate) fn in_last_closure(&self, shape: &Shape) -> bool {
        self.at + 1 == self.spans.len() && self.in_closure(shape)
    }

    /// The value at `place` of the last event of a step.
    pub(crate) fn last_value(&self, step: usize, place: usize) -> Option<&Owned> {
        let last = self.count(step).checked_sub(1)?;
        Some(&self.values_of(step, last)[place])
    }

    /// What is kept of the event number `index` of a step.
    #[inline]
    pub(crate) fn values_of(&self, step: usize, index: usize) -> &[Owned] {
        let event = usize::from(self.spans[step].first) + index;
        let first = self.events[event].values as usize;
        let end = self.events.get(event + 1).map_or(self.values.len(), |next| next.values as usize);
        &self.values[first..end]
    }

    /// The time of the event number `index` of a step.
    pub(crate) fn time_of(&self, step: usize, index: usize) -> i64 {
        self.events[usize::from(self.spans[step].first) + index].time
    }

    /// The time of the event that was captured first.
    pub(crate) fn first_time(&self) -> i64 {
        self.events.first().map_or(0, |event| event.time)
    }

    /// The time of the event that was captured last.
    pub(crate) fn last_time(&self) -> i64 {
        self.events.last().map_or(0, |event| event.time)
    }

    /// The steps that have captured something.
    pub(crate) fn steps(&self) -> impl DoubleEndedIterator<Item = usize> {
        (0..self.spans.len()).filter(|step| self.count(*step) > 0)
    }
}
