//! Sequences: their steps, what ends their runs, and what is read of the events that they capture.

use super::{Expr, Input, Operator, Origin, Program, Stream, Watermark};
use crate::syntax::ast::{Name, Span, Trend};

/// A sequence of events. What reads its matches refers to captured events by [`ExprKind::Captured`](super::ExprKind::Captured).
#[derive(Debug, Clone, PartialEq)]
pub struct Sequence {
    /// The steps, at least one, in order.
    pub steps: Vec<Step>,
    /// `-> NOT B`: what must not come after the last step, until `within` has passed. Empty: nothing.
    pub absence: Vec<Candidate>,
    /// `.not(B)`: what ends a run.
    pub nots: Vec<Candidate>,
    /// How it knows how far event time has come.
    pub watermark: Watermark,
    /// `.within(d)`, in nanoseconds.
    pub within: Option<i64>,
    /// `.partition_by(field)`: runs of each value of their own.
    pub partition_by: Option<Name>,
    /// `.strict()`: an event that does not advance a run ends it.
    pub strict: bool,
    /// When a run with a closure matches.
    pub emission: Emission,
    /// `.trend_aggregate`: a result is put out after each event of a closure in last place, and an event without the
    /// partition field belongs to all partitions.
    pub trends: bool,
    /// What [`ExprKind::Captured`](super::ExprKind::Captured) refers to.
    pub captures: Vec<Capture>,
}

/// A step of a sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// `as NAME`; without it the event type, if no other step has that name.
    pub alias: Option<String>,
    /// The events that it takes.
    pub candidates: Vec<Candidate>,
    /// `all`, or a trend: one event or more.
    pub closure: bool,
    /// `.increasing(field)` or `.decreasing(field)`
    pub trend: Option<Trend>,
    /// Neighbours with the same number may come in any order.
    pub group: usize,
    /// The whole step.
    pub span: Span,
}

/// Events that a step takes, or that end a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Index into the stream's [`inputs`](super::Stream::inputs).
    pub input: usize,
    /// Only those for which this is true: of the event under test and the events captured so far.
    pub predicate: Option<Expr>,
}

/// When a run with a closure matches.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Emission {
    /// At each event of the closure.
    #[default]
    Each,
    /// Once, when the sequence is complete.
    Longest,
    /// For each subset of the closure's events, when the sequence is complete.
    Subsets,
}

/// Something of the events that a sequence has captured. All of it is missing as long as its step has captured nothing,
/// except counts and aggregates of nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Capture {
    /// `a.field`, `a[0].field`, `first(a).field`
    Field {
        /// Index into [`Sequence::steps`].
        step: usize,
        /// Of which of its events.
        which: Which,
        /// Which field.
        field: String,
    },
    /// `a`, `a[0]`: a map of all fields of an event; of [`Which::All`] the array of them.
    Event {
        /// Index into [`Sequence::steps`].
        step: usize,
        /// Which of its events.
        which: Which,
    },
    /// `a.LEN`, `count(a)`
    Count {
        /// Index into [`Sequence::steps`].
        step: usize,
    },
    /// `sum(a.field)`: what an aggregate makes of a field of all its events.
    Aggregate {
        /// Which aggregate.
        function: AliasFunction,
        /// Index into [`Sequence::steps`].
        step: usize,
        /// Which field.
        field: String,
    },
    /// `match_duration_ms`: from the first captured event to the last.
    DurationMs,
    /// `match_count`: how many events are captured.
    MatchCount,
    /// `_kleene_truncated`: true if a closure has seen more events than it keeps, else missing.
    Truncated,
}

/// Which of the events that a step has captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The last.
    Last,
    /// The one at this index; one below zero counts from the end.
    At(i64),
    /// All of them.
    All,
}

/// What can be made of a field of all events of an alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as they are called; what they do stands in docs/vpl.md")]
pub enum AliasFunction {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    DistinctCount,
    Collect,
}

impl AliasFunction {
    /// Every one of them, with the name by which it is called.
    pub const ALL: &[(AliasFunction, &str)] = &[
        (AliasFunction::Sum, "sum"),
        (AliasFunction::Avg, "avg"),
        (AliasFunction::Min, "min"),
        (AliasFunction::Max, "max"),
        (AliasFunction::Count, "count"),
        (AliasFunction::DistinctCount, "distinct_count"),
        (AliasFunction::DistinctCount, "count_distinct"),
        (AliasFunction::Collect, "collect"),
    ];
}

/// A step may take events of a type wherever they arrive, and another one those of the same type from the stream's own
/// `.from`. An event that is both comes by the latter.
impl Program {
    /// The inputs of a stream whose events come by the one with this number: itself, and that of the same type.
    pub(crate) fn together(&self, stream: &Stream, input: usize) -> Vec<usize> {
        let own = &stream.inputs[input];
        let with = |other: &usize| *other == input || self.shadows(own, &stream.inputs[*other]);
        (0..stream.inputs.len()).filter(with).collect()
    }

    /// The `.from` by which events of this input of a sequence come as well.
    pub(crate) fn shadowed(&self, stream: &Stream, input: &Input) -> Option<usize> {
        if !matches!(stream.operators.first(), Some(Operator::Sequence(_))) {
            return None;
        }
        stream.inputs.iter().find_map(|other| match other.from {
            Origin::Source(source) if self.shadows(other, input) => Some(source),
            _ => None,
        })
    }

    fn shadows(&self, input: &Input, other: &Input) -> bool {
        match (&input.from, &other.from) {
            (Origin::Source(source), Origin::Event(name)) => self.sources[*source].event.text == *name,
            _ => false,
        }
    }
}
