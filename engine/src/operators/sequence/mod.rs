//! `->`, `sequence`, patterns: events that come one after the other.
//!
//! ```text
//!   event ─▶ partition ─▶ its runs, in the order of their starts ─▶ matches ─▶ the rest of the stream
//!                              ▲                                       ▲
//!   watermark ─────────────────┴── deadlines: absences, last closures ─┘
//! ```
//!
//! [`matcher`] has the rules, over [`runs`] of which each is a [`run`]; [`compile`] makes the expressions of a path into
//! what [`under_test`] asks of an event; [`matched`] and [`read`] are about what comes out.
//!
//! Limits, each of which is counted when it is hit:
//! 1. [`MAX_CAPTURED`](shape::MAX_CAPTURED) events of a closure are kept (`closure_truncated`).
//! 2. [`MAX_SUBSETS`](shape::MAX_SUBSETS) subsets of a run are put out (`subsets_withheld`).
//! 3. [`MAX_RUNS`](shape::MAX_RUNS) runs of a partition and [`MAX_OPEN_RUNS`](shape::MAX_OPEN_RUNS) in all; another one
//!    takes the place of the oldest (`runs_dropped`).
//!
//! A run holds the records of the events that it captured back until it ends.

mod compile;
mod matched;
mod matcher;
mod partitions;
mod read;
mod run;
mod runs;
mod shape;
mod under_test;

use std::cell::Cell;

pub(crate) use compile::{Feed, Sequence};
pub(crate) use shape::{MAX_CAPTURED, MAX_OPEN_RUNS, MAX_RUNS};

use crate::expr::{Context, Origin};
use crate::flow::{Out, RowHead};
use crate::operators::event_clock::END;
use crate::value::Value;
use matched::Match;
use matcher::{Matcher, Sink};
use run::Run;
use under_test::UnderTest;

/// The runs of a sequence.
#[derive(Debug)]
pub(crate) struct State(Matcher);

impl Sequence {
    pub(crate) fn state(&self) -> State {
        State(Matcher::new(&self.shape))
    }

    /// How far the times of matches may lie behind the watermark at which they come out: an absence has the time of its
    /// deadline, which the watermark has just passed; a closure that of its last event.
    pub(crate) fn lag_ns(&self) -> i64 {
        self.shape.within.unwrap_or(0)
    }

    /// Event time has come to `watermark`.
    pub(crate) fn advance(&self, State(matcher): &mut State, watermark: i64, out: &mut Out) {
        let mut rows = Rows { sequence: self, origin: None, silent: None, out };
        if watermark == END {
            matcher.finish(&self.shape, &mut rows);
        } else {
            matcher.advance(&self.shape, watermark, &mut rows);
        }
        count(matcher, out);
    }

    /// Takes the event at hand.
    #[inline]
    pub(crate) fn take<'a>(&self, feed: &'a Feed, State(matcher): &mut State, cx: &Context<'a>, out: &mut Out) {
        // A run that was over when it began, or whose event came late.
        let watermark = out.watermark();
        let mut rows = Rows { sequence: self, origin: None, silent: None, out };
        if watermark != END {
            matcher.advance(&self.shape, watermark, &mut rows);
        }
        (rows.origin, rows.silent) = (Some(cx.origin), Some(cx.silent));
        let key = feed.key.as_ref().map_or(Value::Missing, |key| key.eval(cx));
        let event = UnderTest::new(feed, cx);
        if self.everywhere && key.is_missing() {
            matcher.take_everywhere(&self.shape, key, &event, &mut rows);
        } else {
            matcher.take(&self.shape, key, &event, &mut rows);
        }
        count(matcher, out);
    }
}

#[inline]
fn count(matcher: &mut Matcher, out: &mut Out) {
    let hits = std::mem::take(&mut matcher.hits);
    let totals = out.totals();
    totals.runs_dropped += hits.dropped;
    totals.closure_truncated += hits.truncated;
    totals.subsets_withheld += hits.subsets;
}

/// Lets matches out as rows.
struct Rows<'r, 'o, 'f, 'e> {
    sequence: &'r Sequence,
    /// What the event under test came from; `None`: there is none, time has passed.
    origin: Option<Origin<'r>>,
    /// Whether matches of the event under test were put out before a restart.
    silent: Option<bool>,
    out: &'o mut Out<'f, 'e>,
}

impl Sink for Rows<'_, '_, '_, '_> {
    fn matched(&mut self, found: Match<'_>) {
        let mut desk = self.out.desk();
        {
            let arena = desk.arena();
            let registers: &[Cell<Value>] = self.out.registers(arena);
            for (register, read) in &self.sequence.outputs {
                registers[usize::from(*register)].set(read.value(&found, arena, self.out.tally()));
            }
            if let Some((register, steps)) = &self.sequence.whole {
                registers[usize::from(*register)].set(read::whole(steps, &found, arena));
            }
            let origin = Origin::Held(found.run.holdings.tickets());
            // What an event completes, the records of all events tell, for an old one may come behind a new one; what time
            // completes, the watermark of the last commit.
            let silent = match self.silent {
                Some(silent) => silent && !found.run.fresh,
                None => found.run.deadline < found.run.emitted,
            };
            self.out.row(RowHead { time: found.time, origin, silent }, registers, arena);
        }
        desk.clear();
        self.out.give_back(desk);
    }

    fn hold(&mut self, run: &mut Run) {
        if let Some(origin) = self.origin {
            run.emitted = run.emitted.max(self.out.emitted(origin));
            run.fresh |= self.silent == Some(false);
            run.holdings.hold(origin, self.out.retention());
        }
    }

    fn release(&mut self, run: &mut Run) {
        run.holdings.release(self.out.retention());
    }
}
