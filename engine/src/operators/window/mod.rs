//! `.window` and `.aggregate`: events held until their window gives its results.
//!
//! ```text
//!   event ─▶ key number ─▶ window(s) of its time ─▶ accumulators      closing ─▶ rows ─▶ the rest of the stream
//! ```
//!
//! [`aligned`] holds tumbling and hopping windows, [`session`] sessions, [`buffered`] those that arrivals drive. A window without an aggregate keeps its events
//! ([`Kept`]); everything else is the same.
//!
//! Limits, for each window of a program:
//! 1. [`MAX_GROUPS`] groups (a key in an open window) at a time. An event that would need another one is not taken.
//! 2. [`MAX_HELD`] events or values held at a time: by windows without an aggregate, by count, sliding and session
//!    windows, and by `collect`, `count_distinct` and `percentile`. One beyond that is not taken.
//!
//! Each is counted (`window_refused`). A late event (all its windows have closed) is dropped and counted (`late`).

mod aligned;
mod buffered;
mod session;

use std::cell::Cell;

use crate::check::program::{AggregateFunction, WindowKind};
use crate::expr::{Context, Expr, RegisterIndex};
use crate::flow::{Out, RowHead};
use crate::operators::aggregate::{Accumulator, Budget};
use crate::operators::kept::{Capture, Kept};
use crate::value::{Owned, Value};

/// The most groups of one window.
pub(crate) const MAX_GROUPS: usize = 1_000_000;
/// The most events and values that one window holds.
pub(crate) const MAX_HELD: usize = 4_000_000;

/// A window of a stream.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) kind: WindowKind,
    pub(crate) allowed_lateness_ns: i64,
    /// The calls; `None`: the events themselves come out.
    pub(crate) calls: Option<Vec<AggregateFunction>>,
    /// Where rows carry the key.
    pub(crate) key: Option<RegisterIndex>,
    /// Where rows carry the results of the calls.
    pub(crate) results: Vec<RegisterIndex>,
}

/// What the window is given of an event, on one path to it.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) key: Option<Expr>,
    /// By call; `None`: every event counts.
    pub(crate) arguments: Vec<Option<Expr>>,
    /// For a window without an aggregate.
    pub(crate) capture: Option<Capture>,
}

/// The state of a window.
#[derive(Debug)]
pub(crate) enum State {
    Aligned(aligned::State),
    Buffered(buffered::State),
    Session(session::State),
}

impl Window {
    pub(crate) fn state(&self) -> State {
        match self.kind {
            WindowKind::Aligned { .. } => State::Aligned(aligned::State::default()),
            WindowKind::Session { .. } => State::Session(session::State::default()),
            WindowKind::Each
            | WindowKind::Sliding { .. }
            | WindowKind::Count { .. }
            | WindowKind::SlidingCount { .. } => State::Buffered(buffered::State::default()),
        }
    }

    /// How far the times of rows may lie behind the watermark at which they come out.
    pub(crate) fn lag_ns(&self) -> i64 {
        match self.kind {
            WindowKind::Aligned { size_ns, slide_ns } if size_ns == slide_ns && self.calls.is_some() => {
                self.allowed_lateness_ns
            }
            WindowKind::Aligned { size_ns, .. } => size_ns.saturating_add(self.allowed_lateness_ns),
            WindowKind::Session { gap_ns } => gap_ns.saturating_add(self.allowed_lateness_ns),
            WindowKind::Each
            | WindowKind::Sliding { .. }
            | WindowKind::Count { .. }
            | WindowKind::SlidingCount { .. } => 0,
        }
    }

    /// Event time has come to `watermark`: what closes lets its rows out.
    #[inline]
    pub(crate) fn advance(&self, state: &mut State, watermark: i64, out: &mut Out) {
        match state {
            State::Aligned(state) => state.advance(self, watermark, out),
            State::Buffered(state) => state.advance(self, watermark, out),
            State::Session(state) => state.advance(self, watermark, out),
        }
    }

    /// Takes the event at hand.
    #[inline]
    pub(crate) fn take<'a>(&self, feed: &'a Feed, state: &mut State, cx: &Context<'a>, out: &mut Out) {
        match state {
            State::Aligned(state) => state.take(self, feed, cx, out),
            State::Buffered(state) => state.take(self, feed, cx, out),
            State::Session(state) => state.take(self, feed, cx, out),
        }
    }

    /// Lets out the row of a group.
    fn row(&self, accumulators: &mut [Accumulator], key: &Owned, head: RowHead, out: &mut Out) {
        let mut desk = out.desk();
        {
            let arena = desk.arena();
            let registers: &[Cell<Value>] = out.registers(arena);
            if let Some(register) = self.key {
                registers[usize::from(register)].set(key.view(arena));
            }
            for (register, accumulator) in self.results.iter().zip(accumulators) {
                registers[usize::from(*register)].set(accumulator.result(arena));
            }
            out.row(head, registers, arena);
        }
        desk.clear();
        out.give_back(desk);
    }
}

/// Adds the event at hand to the accumulators of its group.
#[inline]
fn add_all<'a>(arguments: &'a [Option<Expr>], accumulators: &mut [Accumulator], cx: &Context<'a>, budget: &mut Budget) {
    for (argument, accumulator) in arguments.iter().zip(accumulators) {
        let value = argument.as_ref().map_or(Value::Bool(true), |argument| argument.eval(cx));
        accumulator.add(value, budget, cx.tally);
    }
}
