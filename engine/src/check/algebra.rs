//! `.pattern(name: …)`: an event algebra as the steps that it spells.
//!
//! | algebra | steps |
//! |---|---|
//! | `a -> b` | one after the other |
//! | `a and b` | both, in any order |
//! | `a or b` | one step that takes either |
//! | `a xor b` | the same, in last place: what comes first completes the sequence, so the other has not come |
//! | `a and not b` | `a`; and `b` ends a run, as `.not(b)` does |
//! | `a -> not b` | an absence, in last place |
//!
//! A name is one of the source's (an alias, a merged stream) or an event type. What has no steps of its own, such as an
//! alternative of two sequences, is refused: streams can be merged.

use super::Checker;
use super::outline::{Outline, StepOutline};
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::ast::{EventAlgebra, Name, Span};

impl<'a> Checker<'a> {
    /// Replaces the source's steps by those that the algebra makes of them.
    pub(super) fn outline_algebra(&mut self, name: &'a Name, events: &'a EventAlgebra, outline: &mut Outline<'a>) {
        let source = std::mem::take(&mut outline.steps);
        let mut spelling =
            Spelling { source: &source, used: vec![false; source.len()], steps: Vec::new(), nots: Vec::new() };
        let spelt = spelling.sequence(events);
        let Spelling { used, steps, nots, .. } = spelling;
        if let Err((span, message)) = spelt {
            let diagnostic = Diagnostic::new(Code::BadValue, span.unwrap_or(name.span), message)
                .help("declare a stream for each part, and let a sequence or a `merge` read them");
            self.report(diagnostic);
        } else if let Some(unused) = used.iter().position(|used| !used) {
            let what = source[unused].alias.unwrap_or(source[unused].reads[0].name);
            let diagnostic =
                Diagnostic::new(Code::Misplaced, what.span, format!("the pattern does not name `{}`", what.text))
                    .related(name.span, "the pattern")
                    .help("name it in the pattern, or let the stream read what the pattern names");
            self.report(diagnostic);
        }
        outline.steps = steps;
        outline.nots.extend(nots);
    }
}

/// A place, if it has a name, and what is wrong there.
type Unspeakable = (Option<Span>, &'static str);

struct Spelling<'s, 'a> {
    source: &'s [StepOutline<'a>],
    used: Vec<bool>,
    steps: Vec<StepOutline<'a>>,
    nots: Vec<StepOutline<'a>>,
}

impl<'a> Spelling<'_, 'a> {
    fn sequence(&mut self, events: &'a EventAlgebra) -> Result<(), Unspeakable> {
        let parts = match events {
            EventAlgebra::Then(parts) => &parts[..],
            one => std::slice::from_ref(one),
        };
        for (index, part) in parts.iter().enumerate() {
            let last = index + 1 == parts.len();
            match part {
                EventAlgebra::Then(_) => self.sequence(part)?,
                EventAlgebra::Not(of) => {
                    let step = self.event(of)?;
                    self.steps.push(StepOutline { not: true, ..step });
                }
                EventAlgebra::And(all) => self.all_of(all, last)?,
                one => {
                    let step = self.one_of(one, last)?;
                    self.steps.push(step);
                }
            }
        }
        Ok(())
    }

    /// Steps in any order, and what must not come meanwhile.
    fn all_of(&mut self, all: &'a [EventAlgebra], last: bool) -> Result<(), Unspeakable> {
        let first = self.steps.len();
        for part in all {
            match part {
                EventAlgebra::Not(of) => {
                    let forbidden = self.event(of)?;
                    self.nots.push(forbidden);
                }
                one => {
                    let step = self.one_of(one, last)?;
                    self.steps.push(StepOutline { group: Some(first), ..step });
                }
            }
        }
        Ok(())
    }

    /// One step: an event, or either of several.
    fn one_of(&mut self, events: &'a EventAlgebra, last: bool) -> Result<StepOutline<'a>, Unspeakable> {
        match events {
            EventAlgebra::Xor(_) if !last => {
                Err((place(events), "`xor` can stand in last place only: later, both may have come"))
            }
            EventAlgebra::Or(all) | EventAlgebra::Xor(all) => {
                let mut steps = all.iter().map(|one| self.event(one)).collect::<Result<Vec<_>, _>>()?.into_iter();
                let mut step = steps.next().ok_or((None, "this pattern names nothing"))?;
                for other in steps {
                    if step.predicate.is_some() || other.predicate.is_some() {
                        return Err((place(events), "the events of an `or` have no predicates of their own"));
                    }
                    step.reads.extend(other.reads);
                }
                step.alias = None;
                Ok(step)
            }
            one => self.event(one),
        }
    }

    fn event(&mut self, events: &'a EventAlgebra) -> Result<StepOutline<'a>, Unspeakable> {
        let EventAlgebra::Event(name) = events else {
            return Err((place(events), "only events can stand here, not sequences or alternatives of them"));
        };
        let called = |step: &StepOutline| {
            step.alias.is_some_and(|alias| alias.text == name.text)
                || step.reads.iter().any(|read| read.called(&name.text))
        };
        let Some(index) = self.source.iter().position(called) else { return Ok(StepOutline::of(name)) };
        self.used[index] = true;
        let source = &self.source[index];
        // Of a merge only the stream of that name.
        let reads = match source.alias {
            Some(_) => source.reads.clone(),
            None => source.reads.iter().filter(|read| read.called(&name.text)).cloned().collect(),
        };
        Ok(StepOutline { reads, span: name.span, ..source.clone() })
    }
}

/// The first name of an algebra.
fn place(events: &EventAlgebra) -> Option<Span> {
    match events {
        EventAlgebra::Event(name) => Some(name.span),
        EventAlgebra::Not(of) => place(of),
        EventAlgebra::Then(all) | EventAlgebra::And(all) | EventAlgebra::Or(all) | EventAlgebra::Xor(all) => {
            all.iter().find_map(place)
        }
    }
}
