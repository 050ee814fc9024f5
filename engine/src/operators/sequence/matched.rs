//! A match: what a run has captured, or a part of it.

use crate::check::program::{Emission, Which};
use crate::operators::sequence::run::Run;
use crate::operators::sequence::shape::{MAX_SUBSETS, Mode, Shape};

/// The events of a match. Predicates see those of an open run in the same way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Match<'r> {
    pub(crate) run: &'r Run,
    pub(crate) time: i64,
    /// By step: which of its events belong to it, the first one's bit lowest; `None`: all.
    chosen: Option<&'r [u32]>,
}

impl<'r> Match<'r> {
    /// All that the run has captured.
    pub(crate) fn whole(run: &'r Run, time: i64) -> Self {
        Match { run, time, chosen: None }
    }

    /// How many events of a step belong to it.
    pub(crate) fn count(&self, step: usize) -> usize {
        self.chosen.map_or_else(|| self.run.count(step), |chosen| chosen[step].count_ones() as usize)
    }

    /// The numbers, within the run, of a step's events.
    pub(crate) fn events(&self, step: usize) -> impl DoubleEndedIterator<Item = usize> + use<'_, 'r> {
        let chosen = self.chosen.map_or(u32::MAX, |chosen| chosen[step]);
        (0..self.run.count(step)).filter(move |event| chosen >> event & 1 == 1)
    }

    /// The number, within the run, of one of a step's events.
    pub(crate) fn event(&self, step: usize, which: Which) -> Option<usize> {
        let count = self.count(step);
        let index = match which {
            Which::Last | Which::All => count.checked_sub(1)?,
            Which::At(index) => {
                let magnitude = usize::try_from(index.unsigned_abs()).ok()?;
                if index < 0 { count.checked_sub(magnitude)? } else { magnitude }
            }
        };
        if self.chosen.is_none() {
            return (index < count).then_some(index);
        }
        self.events(step).nth(index)
    }

    /// How many events belong to it.
    pub(crate) fn captured(&self) -> usize {
        self.run.steps().map(|step| self.count(step)).sum()
    }

    /// From the time of its first event to that of its last, in the order in which they came.
    pub(crate) fn duration(&self) -> i64 {
        if self.chosen.is_none() {
            return self.run.last_time().saturating_sub(self.run.first_time());
        }
        let mut times = self.run.steps().flat_map(|step| self.events(step).map(move |event| (step, event)));
        let time = |event: Option<(usize, usize)>| event.map_or(0, |(step, event)| self.run.time_of(step, event));
        let first = time(times.next());
        self.last_time().saturating_sub(first)
    }

    fn last_time(&self) -> i64 {
        let mut steps = self.run.steps().rev();
        let last = steps.find_map(|step| Some(self.run.time_of(step, self.events(step).next_back()?)));
        last.unwrap_or_default()
    }
}

/// The matches of a run that is complete. `time` is that of what completed it; without it, each match has the time of its
/// last event. Returns how many matches the bound withheld.
pub(crate) fn complete(shape: &Shape, run: &Run, time: Option<i64>, out: &mut impl FnMut(Match<'_>)) -> u64 {
    match shape.mode {
        // It has matched at every event of its closures.
        Mode::Closure(Emission::Each) => 0,
        Mode::Closure(Emission::Subsets) => subsets(shape, run, time, out),
        Mode::Trends if time.is_none() => 0,
        Mode::Single | Mode::Closure(Emission::Longest) | Mode::Trends => {
            out(Match::whole(run, time.unwrap_or_else(|| run.last_time())));
            0
        }
    }
}

/// All combinations of a subset, not empty, of each closure's events: an event is there before it is not, and the closures
/// that come last vary fastest.
fn subsets(shape: &Shape, run: &Run, time: Option<i64>, out: &mut impl FnMut(Match<'_>)) -> u64 {
    let full = |step: usize| (1u32 << run.count(step)) - 1;
    let closures: Vec<usize> = run.steps().filter(|step| shape.steps[*step].closure).collect();
    let mut chosen: Vec<u32> = (0..shape.steps.len()).map(full).collect();
    // Counts down as a number whose highest bit is the first event; `chosen` has the bits the other way round.
    let mut counters: Vec<u32> = closures.iter().map(|step| full(*step)).collect();
    let all = closures.iter().fold(1u64, |all, step| all.saturating_mul(u64::from(full(*step))));
    for _ in 0..all.min(MAX_SUBSETS as u64) {
        for (counter, step) in counters.iter().zip(&closures) {
            chosen[*step] = counter.reverse_bits() >> (u32::BITS as usize - run.count(*step));
        }
        let mut found = Match { run, time: 0, chosen: Some(&chosen) };
        found.time = time.unwrap_or_else(|| found.last_time());
        out(found);
        for (counter, step) in counters.iter_mut().zip(&closures).rev() {
            *counter -= 1;
            if *counter > 0 {
                break;
            }
            *counter = full(*step);
        }
    }
    all.saturating_sub(MAX_SUBSETS as u64)
}
