//! What a sequence looks for, as far as its runs need to know: no expressions, no names.

use crate::check::program::Emission;

/// The most events of a closure that a run keeps.
pub(crate) const MAX_CAPTURED: usize = 20;
/// The most subsets of its closures' events that a run puts out.
pub(crate) const MAX_SUBSETS: usize = 10_000;
/// The most runs of one partition; another one takes the place of the oldest.
pub(crate) const MAX_RUNS: usize = 10_000;
/// The most runs of one sequence; another one takes the place of the oldest.
pub(crate) const MAX_OPEN_RUNS: usize = 1_000_000;

/// A sequence's steps and settings.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) steps: Box<[StepShape]>,
    /// After the last step, something must not come until `within` has passed.
    pub(crate) absence: bool,
    /// How long after its first event a run ends, in nanoseconds.
    pub(crate) within: Option<i64>,
    /// An event that does not advance a run ends it.
    pub(crate) strict: bool,
    pub(crate) mode: Mode,
}

/// When a run matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It has no closure: when it is complete.
    Single,
    /// As [`Emission`] says.
    Closure(Emission),
    /// When it is complete; for a closure in last place after each event.
    Trends,
}

/// A step.
#[derive(Debug, Clone, Default)]
pub(crate) struct StepShape {
    /// It takes one event or more.
    pub(crate) closure: bool,
    pub(crate) trend: Option<TrendShape>,
    /// The first of the steps that may come in any order together with it, and the one behind them; itself alone mostly.
    pub(crate) group: (usize, usize),
}

/// Where the values stand that a closure's next event has to go beyond.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TrendShape {
    /// Among the values of this step's events.
    pub(crate) own: usize,
    /// Among those of the step before it.
    pub(crate) before: Option<usize>,
}

impl Shape {
    /// Whether an event that does not fit can end a run.
    pub(crate) fn breaks(&self) -> bool {
        self.strict || self.one_run() || !self.absence && self.steps.last().is_some_and(|step| step.closure)
    }

    /// Whether a partition has one run at most: the next trend begins where the last one broke.
    pub(crate) fn one_run(&self) -> bool {
        self.steps.iter().any(|step| step.trend.is_some())
    }
}
