//! The event under test: the record at hand, or a row of a stream, as a sequence looks at it.
//!
//! What a predicate says of the event alone is computed once, however many runs ask.

use std::cell::Cell;

use smallvec::{SmallVec, smallvec};

use crate::expr::{Context, Why};
use crate::operators::keys::same;
use crate::operators::sequence::compile::{Feed, Predicate, Term};
use crate::operators::sequence::matched::Match;
use crate::operators::sequence::matcher::Event;
use crate::operators::sequence::read::copied;
use crate::operators::sequence::run::{Run, Values};
use crate::value::{Owned, Value};

/// An event on one path.
pub(super) struct UnderTest<'e, 'a> {
    feed: &'a Feed,
    cx: &'e Context<'a>,
    /// By [`Predicate::verdict`].
    verdicts: SmallVec<[Cell<Option<bool>>; 4]>,
    /// By [`Term::Equal`]'s operand.
    operands: SmallVec<[Cell<Option<Value<'a>>>; 4]>,
}

impl<'e, 'a> UnderTest<'e, 'a> {
    pub(super) fn new(feed: &'a Feed, cx: &'e Context<'a>) -> Self {
        let (verdicts, operands) =
            (smallvec![Cell::new(None); feed.verdicts], smallvec![Cell::new(None); feed.operands]);
        UnderTest { feed, cx, verdicts, operands }
    }

    fn any(&self, predicates: &'a [Predicate], run: &Run) -> bool {
        predicates.iter().any(|predicate| self.holds(predicate, run))
    }

    fn holds(&self, predicate: &'a Predicate, run: &Run) -> bool {
        let verdict = &self.verdicts[predicate.verdict];
        let once = verdict.get().unwrap_or_else(|| {
            let holds = predicate.once.iter().all(|condition| condition.holds(self.cx));
            verdict.set(Some(holds));
            holds
        });
        if !once {
            return false;
        }
        let mut read = false;
        predicate.terms.iter().all(|term| match term {
            Term::Equal { own, operand, step, place } => {
                let operand = &self.operands[*operand];
                let value = operand.get().unwrap_or_else(|| {
                    let value = own.eval(self.cx);
                    operand.set(Some(value));
                    value
                });
                let captured = run.last_value(*step, *place);
                if value.is_missing() || captured.is_none_or(|captured| matches!(captured, Owned::Missing)) {
                    self.cx.tally.count(Why::MissingOperand);
                    return false;
                }
                captured.is_some_and(|captured| same(captured, value))
            }
            Term::Other(condition) => {
                if !read {
                    let captured = Match::whole(run, 0);
                    for (register, wanted) in &predicate.reads {
                        let value = wanted.value(&captured, self.cx.arena, self.cx.tally);
                        self.cx.registers[usize::from(*register)].set(copied(value, self.cx.arena));
                    }
                    read = true;
                }
                condition.holds(self.cx)
            }
        })
    }
}

impl Event for UnderTest<'_, '_> {
    fn time(&self) -> i64 {
        self.cx.time()
    }

    fn only_opens(&self) -> bool {
        self.feed.only_opens
    }

    fn fits(&self, step: usize, run: &Run) -> bool {
        self.feed.steps[step].as_ref().is_some_and(|step| self.any(&step.predicates, run))
    }

    fn continues(&self, step: usize, last: &Owned) -> bool {
        let Some((increasing, field)) = self.feed.steps[step].as_ref().and_then(|step| step.trend.as_ref()) else {
            return false;
        };
        let order = field.eval(self.cx).order(last.view(self.cx.arena)).ok().flatten();
        order.is_some_and(|order| if *increasing { order.is_gt() } else { order.is_lt() })
    }

    fn trend_value(&self, step: usize) -> Owned {
        let trend = self.feed.steps[step].as_ref().and_then(|step| step.trend.as_ref());
        trend.map_or(Owned::Missing, |(_, field)| field.eval(self.cx).into())
    }

    fn forbids(&self, run: &Run) -> bool {
        self.any(&self.feed.nots, run)
    }

    fn breaks_absence(&self, run: &Run) -> bool {
        self.any(&self.feed.absence, run)
    }

    fn capture(&self, step: usize, values: &mut Values) {
        if let Some(feed) = &self.feed.steps[step] {
            values.extend(feed.values.iter().map(|value| Owned::from(value.eval(self.cx))));
        }
    }
}
