//! What streams do with an event, one file an operator: its state and its update rule.
//!
//! An operator belongs to one path from a record to a stream, so its expressions know where every field lies. State belongs
//! to the stream: all paths to it share one entry of [`States`].
//!
//! An [`Operator`] answers at once whether an event goes on. A stage ([`Stateful`]) keeps something of its events and lets
//! rows out when it will: it is told of event time ([`event_clock`]), and what it keeps of a record holds the record's
//! commit back ([`retention`]). [`flow`](crate::flow) takes events from the one to the other.
//!
//! A new kind of stage is a variant of [`Stateful`], [`Feed`] and [`StageState`], and a file (or folder) of its own. What it
//! has to do: `advance` when its watermark has moved (to [`END`](event_clock::END) when the input ends), `take` an event,
//! and in both let rows out through [`Out`]; a [`Ticket`](retention::Ticket) for every record of which it keeps something,
//! given back when it no longer does.
//!
//! No [`Operator`] needs a record again once it has been processed, so none holds back a commit; after a restart `.limit`
//! and `.distinct` begin anew.

pub(crate) mod aggregate;
pub(crate) mod distinct;
pub(crate) mod event_clock;
pub(crate) mod filter;
pub(crate) mod join;
pub(crate) mod kept;
pub(crate) mod keys;
pub(crate) mod limit;
pub(crate) mod process;
pub(crate) mod project;
pub(crate) mod publish;
pub(crate) mod reshape;
pub(crate) mod retention;
pub(crate) mod sequence;
pub(crate) mod sort;
pub(crate) mod tell;
pub(crate) mod timer;
pub(crate) mod window;

use crate::counters::Totals;
use crate::expr::Context;
use crate::flow::Out;
use crate::plan::Stage;
use crate::resume::Resume;
use event_clock::EventClock;
use retention::Retention;

/// One step of a chain.
#[derive(Debug)]
pub(crate) enum Operator {
    Filter(filter::Filter),
    Project(project::Project),
    Limit(limit::Limit),
    Distinct(distinct::Distinct),
    Reshape(reshape::Reshape),
    Tell(tell::Tell),
}

/// What a stage is.
#[derive(Debug)]
pub(crate) enum Stateful {
    Window(window::Window),
    Sequence(sequence::Sequence),
    Join(join::Join),
}

/// What a stage is given of an event, compiled for one path to it.
#[derive(Debug)]
pub(crate) enum Feed {
    Window(window::Feed),
    Sequence(sequence::Feed),
    Join(join::Feed),
}

/// The state of one stage.
#[derive(Debug, Default)]
pub(crate) enum StageState {
    /// Its stage is at work.
    #[default]
    Taken,
    Window(Box<window::State>),
    Sequence(Box<sequence::State>),
    Join(Box<join::State>),
}

/// The state of all operators, by the numbers that the plan gave them.
#[derive(Debug, Default)]
pub(crate) struct States {
    pub(crate) limits: Vec<limit::Passed>,
    pub(crate) distincts: Vec<distinct::Seen>,
    pub(crate) sorts: Vec<sort::Waiting>,
    /// By stage.
    pub(crate) stages: Vec<StageState>,
    /// By stage.
    pub(crate) clocks: Vec<EventClock>,
    pub(crate) retention: Retention,
    pub(crate) schedule: timer::Schedule,
    pub(crate) resume: Resume,
}

/// How many states of each kind a plan needs, apart from those of stages.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct StateCounts {
    pub(crate) limits: usize,
    pub(crate) distincts: usize,
    pub(crate) sorts: usize,
}

impl States {
    pub(crate) fn new(counts: StateCounts, stages: &[Stage], timers: usize) -> Self {
        let limits = (0..counts.limits).map(|_| limit::Passed::default()).collect();
        let distincts = (0..counts.distincts).map(|_| distinct::Seen::default()).collect();
        let sorts = (0..counts.sorts).map(|_| sort::Waiting::default()).collect();
        let schedule = timer::Schedule::new(timers);
        let mut states = States { limits, distincts, sorts, schedule, ..States::default() };
        states.reset_stages(stages);
        states
    }

    /// Forgets what stages know: their records will be read again, here or elsewhere.
    pub(crate) fn reset_stages(&mut self, stages: &[Stage]) {
        self.stages = stages.iter().map(|stage| stage.operator.state()).collect();
        self.clocks = stages.iter().map(|stage| EventClock::new(stage.watermark, &stage.upstream)).collect();
        self.retention = Retention::default();
        self.resume = Resume::default();
    }
}

impl Stateful {
    fn state(&self) -> StageState {
        match self {
            Stateful::Window(window) => StageState::Window(Box::new(window.state())),
            Stateful::Sequence(sequence) => StageState::Sequence(Box::new(sequence.state())),
            Stateful::Join(join) => StageState::Join(Box::new(join.state())),
        }
    }

    /// What it is called, with its stream's name, in commits.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Stateful::Window(_) => "window",
            Stateful::Sequence(_) => "sequence",
            Stateful::Join(_) => "join",
        }
    }

    /// How far the times of its rows may lie behind its watermark.
    pub(crate) fn lag_ns(&self) -> i64 {
        match self {
            Stateful::Window(window) => window.lag_ns(),
            Stateful::Sequence(sequence) => sequence.lag_ns(),
            // An event that is late gives a row that is.
            Stateful::Join(_) => 0,
        }
    }

    /// Event time has come to `watermark`.
    #[inline]
    pub(crate) fn advance(&self, state: &mut StageState, watermark: i64, out: &mut Out) {
        match (self, state) {
            (Stateful::Window(window), StageState::Window(state)) => window.advance(state, watermark, out),
            (Stateful::Sequence(sequence), StageState::Sequence(state)) => sequence.advance(state, watermark, out),
            (Stateful::Join(join), StageState::Join(state)) => join.advance(state, watermark, out),
            (_, StageState::Taken) => unreachable!("a stage does not reach itself"),
            _ => unreachable!("a stage has the state of its kind"),
        }
    }

    /// Takes the event at hand.
    #[inline]
    pub(crate) fn take<'a>(&self, feed: &'a Feed, state: &mut StageState, cx: &Context<'a>, out: &mut Out) {
        match (self, feed, state) {
            (Stateful::Window(window), Feed::Window(feed), StageState::Window(state)) => {
                window.take(feed, state, cx, out);
            }
            (Stateful::Join(join), Feed::Join(feed), StageState::Join(state)) => join.take(feed, state, cx, out),
            (Stateful::Sequence(sequence), Feed::Sequence(feed), StageState::Sequence(state)) => {
                sequence.take(feed, state, cx, out);
            }
            (_, _, StageState::Taken) => unreachable!("a stage does not reach itself"),
            _ => unreachable!("a stage has the state and the feeds of its kind"),
        }
    }
}

impl Operator {
    /// Takes the event at hand; whether it goes on.
    #[inline]
    pub(crate) fn pass<'a>(&'a self, cx: &Context<'a>, states: &mut States, totals: &mut Totals) -> bool {
        match self {
            Operator::Filter(filter) => filter.pass(cx, totals),
            Operator::Project(project) => project.pass(cx),
            Operator::Limit(limit) => limit.pass(&mut states.limits, totals),
            Operator::Distinct(distinct) => distinct.pass(cx, &mut states.distincts, totals),
            Operator::Reshape(reshape) => reshape.pass(cx, totals),
            Operator::Tell(tell) => tell.pass(cx),
        }
    }
}
