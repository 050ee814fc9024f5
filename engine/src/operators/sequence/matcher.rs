//! The rules of sequences. What happens with an event, in each run of its partition in the order of their starts:
//!
//! 1. A run whose `within` has passed ends.
//! 2. An event that `.not` names ends it.
//! 3. It advances by one step at most. In a closure that has captured something the next step is tried first. An event
//!    that does neither leaves it as it is, but ends it if the closure is the last step or a trend, or if the sequence is
//!    strict.
//!
//! Then an event that fits the first step opens a run. A run that waits for an absence, or whose last step is a closure,
//! completes when the watermark passes its deadline.
//!
//! Here an event is whatever implements [`Event`], so that the rules can be tested without anything around them.

use crate::check::program::Emission;
use crate::operators::sequence::matched::{Match, complete};
use crate::operators::sequence::run::{Run, Values};
use crate::operators::sequence::runs::Runs;
use crate::operators::sequence::shape::{Mode, Shape};
use crate::value::{Owned, Value};

/// The event under test.
pub(crate) trait Event {
    /// Event time.
    fn time(&self) -> i64;
    /// Whether it can do nothing to a run that is open.
    fn only_opens(&self) -> bool;
    /// Whether it may be taken by `step`, given what the run has captured. The trend is none of its business.
    fn fits(&self, step: usize, run: &Run) -> bool;
    /// Whether it continues the trend of `step` behind an event with this value.
    fn continues(&self, step: usize, last: &Owned) -> bool;
    /// The value by which the next event of the trend of `step` will be compared with it.
    fn trend_value(&self, step: usize) -> Owned;
    /// Whether a `.not` names it.
    fn forbids(&self, run: &Run) -> bool;
    /// Whether it is what must not come after the last step.
    fn breaks_absence(&self, run: &Run) -> bool;
    /// Appends what is kept of it as an event of `step`.
    fn capture(&self, step: usize, values: &mut Values);
}

/// Where matches go, and who knows of the records that runs need.
pub(crate) trait Sink {
    /// A match.
    fn matched(&mut self, found: Match<'_>);
    /// The run needs the record of the event under test from now on.
    fn hold(&mut self, run: &mut Run);
    /// The run has ended.
    fn release(&mut self, run: &mut Run);
}

/// How often a bound was hit.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hits {
    /// Runs that were ended to make room.
    pub(crate) dropped: u64,
    /// Events that a full closure did not keep.
    pub(crate) truncated: u64,
    /// Subsets that were not put out.
    pub(crate) subsets: u64,
}

/// The runs of one sequence.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    pub(crate) runs: Runs,
    pub(crate) hits: Hits,
    /// What a run that has captured nothing looks like.
    nothing: Run,
}

impl Matcher {
    /// A matcher without runs.
    pub(crate) fn new(shape: &Shape) -> Self {
        let mut matcher = Matcher::default();
        matcher.nothing.begin(shape.steps.len());
        matcher
    }

    /// Takes an event of the partition `key`.
    pub(crate) fn take(&mut self, shape: &Shape, key: Value, event: &impl Event, sink: &mut impl Sink) {
        let (hash, partition) = self.runs.partition(key);
        let mut free = true;
        if let Some(partition) = partition.filter(|_| !event.only_opens()) {
            free = self.react(shape, partition, event, sink) || !shape.one_run();
        }
        if free && let Some(step) = (0..shape.steps[0].group.1).find(|step| event.fits(*step, &self.nothing)) {
            self.open(shape, (key, hash), partition, step, event, sink);
        }
        if let Some(partition) = partition {
            self.runs.tidy(partition);
        }
    }

    /// Takes an event that belongs to all partitions. It opens a run in that of `key`.
    pub(crate) fn take_everywhere(&mut self, shape: &Shape, key: Value, event: &impl Event, sink: &mut impl Sink) {
        let (_, own) = self.runs.partition(key);
        // In the order of the oldest run of each.
        let mut others: Vec<(u64, u32)> = Vec::new();
        for partition in self.runs.partitions() {
            let runs = self.runs.take_out(partition);
            others
                .extend(runs.first().filter(|_| own != Some(partition)).map(|run| (self.runs.get(*run).id, partition)));
            self.runs.put_back(partition, runs);
        }
        others.sort_unstable();
        for (_, partition) in others {
            self.react(shape, partition, event, sink);
            self.runs.tidy(partition);
        }
        self.take(shape, key, event, sink);
    }

    /// Takes the event to all runs of a partition; true if none remains.
    fn react(&mut self, shape: &Shape, partition: u32, event: &impl Event, sink: &mut impl Sink) -> bool {
        let mut runs = self.runs.take_out(partition);
        runs.retain(|place| {
            let run = self.runs.get_mut(*place);
            let stays = react(shape, run, event, &mut self.hits, sink);
            if !stays {
                sink.release(run);
                self.runs.close(*place);
            }
            stays
        });
        let none_left = runs.is_empty();
        self.runs.put_back(partition, runs);
        none_left
    }

    fn open(
        &mut self,
        shape: &Shape,
        key: (Value, u64),
        partition: Option<u32>,
        step: usize,
        event: &impl Event,
        sink: &mut impl Sink,
    ) {
        let deadline = shape.within.map_or(i64::MAX, |within| event.time().saturating_add(within));
        let hits = &mut self.hits;
        let place = self.runs.open(key, partition, shape.steps.len(), deadline, |run| {
            hits.dropped += 1;
            sink.release(run);
        });
        let run = self.runs.get_mut(place);
        if !advance(shape, run, step, event, &mut self.hits, sink) {
            sink.release(run);
            self.runs.remove(place, partition.is_none());
        }
    }

    /// Event time has come to `watermark`: runs that end before that end, in the order of their deadlines.
    pub(crate) fn advance(&mut self, shape: &Shape, watermark: i64, sink: &mut impl Sink) {
        while let Some(place) = self.runs.overdue(watermark) {
            self.hits.subsets += expire(shape, self.runs.get(place), sink);
            sink.release(self.runs.get_mut(place));
            self.runs.remove(place, true);
        }
    }

    /// No event comes any more: all runs end.
    pub(crate) fn finish(&mut self, shape: &Shape, sink: &mut impl Sink) {
        for place in self.runs.by_deadline() {
            self.hits.subsets += expire(shape, self.runs.get(place), sink);
            sink.release(self.runs.get_mut(place));
            self.runs.remove(place, true);
        }
    }
}

/// Takes the event to a run that has captured something; whether the run goes on.
fn react(shape: &Shape, run: &mut Run, event: &impl Event, hits: &mut Hits, sink: &mut impl Sink) -> bool {
    let awaits_absence = run.awaits_absence(shape);
    if event.time() > run.deadline {
        // Whether something is absent is known when the watermark has passed the deadline, and not before.
        if !awaits_absence {
            hits.subsets += expire(shape, run, sink);
        }
        return awaits_absence;
    }
    if event.forbids(run) || awaits_absence && event.breaks_absence(run) {
        return false;
    }
    let (at, steps) = (run.at, shape.steps.len());
    if at < steps {
        let in_closure = run.in_closure(shape);
        let (_, behind) = shape.steps[at].group;
        if behind > at + 1 {
            let open = (at..behind).find(|step| run.count(*step) == 0 && follows(shape, run, *step, event));
            return match open {
                Some(step) => advance(shape, run, step, event, hits, sink),
                None => !shape.strict,
            };
        }
        if in_closure && at + 1 < steps && follows(shape, run, at + 1, event) {
            return advance(shape, run, at + 1, event, hits, sink);
        }
        if follows(shape, run, at, event) {
            return advance(shape, run, at, event, hits, sink);
        }
        if in_closure && at + 1 == steps && !shape.absence {
            hits.subsets += complete(shape, run, None, &mut |found| sink.matched(found));
            return false;
        }
        if shape.steps[at].trend.is_some() {
            return false;
        }
    }
    !shape.strict
}

/// Whether the event may be taken by `step`, its trend included.
fn follows(shape: &Shape, run: &Run, step: usize, event: &impl Event) -> bool {
    if !event.fits(step, run) {
        return false;
    }
    let Some(trend) = shape.steps[step].trend else { return true };
    let last = match (run.count(step), trend.before) {
        (0, Some(before)) => run.last_value(step - 1, before),
        (0, None) => None,
        _ => run.beyond.as_ref().or_else(|| run.last_value(step, trend.own)),
    };
    last.is_none_or(|last| event.continues(step, last))
}

/// The run takes the event into `step`; whether it goes on.
fn advance(
    shape: &Shape,
    run: &mut Run,
    step: usize,
    event: &impl Event,
    hits: &mut Hits,
    sink: &mut impl Sink,
) -> bool {
    let closure = shape.steps[step].closure;
    if step != run.at {
        run.beyond = None;
    }
    if !run.push(step, event.time(), |values| event.capture(step, values)) {
        hits.truncated += 1;
        if shape.mode == Mode::Closure(Emission::Each) {
            // Each event matches, so the latest takes the place of the one before it.
            run.pop(step);
            run.push(step, event.time(), |values| event.capture(step, values));
        } else if shape.steps[step].trend.is_some() {
            run.beyond = Some(event.trend_value(step));
        }
    }
    sink.hold(run);
    let (first, behind) = shape.steps[step].group;
    let complete_group = (first..behind).all(|step| run.count(step) > 0);
    run.at = match (closure, complete_group) {
        (true, _) => step,
        (false, true) => behind,
        (false, false) => first,
    };
    let last = behind == shape.steps.len() && complete_group && !shape.absence;
    if closure {
        if shape.mode == Mode::Closure(Emission::Each) || shape.mode == Mode::Trends && last {
            sink.matched(Match::whole(run, event.time()));
        }
        return true;
    }
    if last {
        hits.subsets += complete(shape, run, Some(event.time()), &mut |found| sink.matched(found));
    }
    !last
}

/// What a run matches when it ends at its deadline, or at the end of input.
fn expire(shape: &Shape, run: &Run, sink: &mut impl Sink) -> u64 {
    if run.awaits_absence(shape) {
        complete(shape, run, Some(run.deadline), &mut |found| sink.matched(found))
    } else if run.in_last_closure(shape) {
        complete(shape, run, None, &mut |found| sink.matched(found))
    } else {
        0
    }
}
