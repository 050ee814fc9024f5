//! What is read of captured events: values that they keep, counts, aggregates.

use std::cmp::Ordering;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;

use crate::check::program::{AliasFunction, Which};
use crate::expr::{Tally, Why};
use crate::operators::sequence::compile::{Read, WholeStep};
use crate::operators::sequence::matched::Match;
use crate::value::{Owned, Value};

impl Read {
    /// The value, as of a match or of a run that goes on.
    pub(super) fn value<'b>(self, found: &Match<'b>, arena: &'b Bump, tally: &Tally) -> Value<'b> {
        let run = found.run;
        let kept = |step: usize, place: usize, event: usize| run.values_of(step, event)[place].view(arena);
        match self {
            Read::Value { step, which: Which::All, place } => {
                let all = found.events(step).map(|event| kept(step, place, event));
                Value::Array(ArenaVec::from_iter_in(all, arena).into_bump_slice())
            }
            Read::Value { step, which, place } => match found.event(step, which) {
                Some(event) => kept(step, place, event),
                None => Value::Missing,
            },
            Read::Count { step } => Value::Int(found.count(step) as i64),
            Read::Aggregate { function, step, place, closure } => {
                let mut values = ArenaVec::new_in(arena);
                for event in found.events(step) {
                    match kept(step, place, event) {
                        // The only event of its step: its array is what there is to add up.
                        Value::Array(items) if !closure => {
                            values.extend(items.iter().filter(|item| !item.is_nothing()))
                        }
                        value => values.extend(Some(value).filter(|value| !value.is_nothing())),
                    }
                }
                aggregate(function, values, tally)
            }
            Read::DurationMs => Value::Int(found.duration() / 1_000_000),
            Read::MatchCount => Value::Int(found.captured() as i64),
            Read::Truncated if run.truncated => Value::Bool(true),
            Read::Truncated => Value::Missing,
        }
    }
}

/// The aggregate of values of which none is null or missing.
fn aggregate<'b>(function: AliasFunction, values: ArenaVec<'b, Value<'b>>, tally: &Tally) -> Value<'b> {
    match function {
        AliasFunction::Collect => Value::Array(values.into_bump_slice()),
        AliasFunction::Count => Value::Int(values.len() as i64),
        AliasFunction::DistinctCount => {
            let first =
                |(index, value): &(usize, &Value)| !values[..*index].iter().any(|before| before.equals(**value));
            Value::Int(values.iter().enumerate().filter(first).count() as i64)
        }
        AliasFunction::Min => extreme(&values, Ordering::is_lt, tally),
        AliasFunction::Max => extreme(&values, Ordering::is_gt, tally),
        AliasFunction::Sum | AliasFunction::Avg => {
            let (mut sum, mut count) = (0.0, 0);
            for value in values {
                match value.as_float() {
                    Some(float) => (sum, count) = (sum + float, count + 1),
                    None => tally.count(Why::WrongType),
                }
            }
            match function {
                AliasFunction::Sum => Value::float(sum),
                _ if count == 0 => Value::Null,
                _ => Value::float(sum / f64::from(count)),
            }
        }
    }
}

/// The first of the values that come before all others; those without an order to it are left out.
fn extreme<'b>(values: &[Value<'b>], before: fn(Ordering) -> bool, tally: &Tally) -> Value<'b> {
    let mut best = Value::Null;
    for value in values {
        match (best, value.order(best)) {
            (Value::Null, _) => best = *value,
            (_, Ok(order)) => best = if order.is_some_and(before) { *value } else { best },
            (_, Err(_)) => tally.count(Why::WrongType),
        }
    }
    best
}

/// The match as a whole: every field of the last event of each alias as `alias_field`.
pub(super) fn whole<'b>(steps: &'b [WholeStep], found: &Match<'b>, arena: &'b Bump) -> Value<'b> {
    let mut entries = ArenaVec::new_in(arena);
    let run = found.run;
    for WholeStep { step, prefix, place } in steps {
        let Some(event) = found.event(*step, Which::Last) else { continue };
        if let Owned::Map(fields) = &run.values_of(*step, event)[*place] {
            for (name, value) in fields {
                entries.push((joined(prefix, name, arena), value.view(arena)));
            }
        }
    }
    if run.truncated {
        entries.push(("_kleene_truncated", Value::Bool(true)));
    }
    Value::Map(entries.into_bump_slice())
}

fn joined<'a>(prefix: &str, name: &str, arena: &'a Bump) -> &'a str {
    let mut text = bumpalo::collections::String::with_capacity_in(prefix.len() + name.len(), arena);
    text.push_str(prefix);
    text.push_str(name);
    text.into_bump_str()
}

/// The value in an arena that outlives the run.
pub(super) fn copied<'a>(value: Value<'_>, arena: &'a Bump) -> Value<'a> {
    match value {
        Value::Missing => Value::Missing,
        Value::Null => Value::Null,
        Value::Bool(bool) => Value::Bool(bool),
        Value::Int(int) => Value::Int(int),
        Value::Float(float, _) => Value::float(float),
        Value::Str(text) => Value::Str(arena.alloc_str(text)),
        Value::Timestamp(nanos) => Value::Timestamp(nanos),
        Value::Duration(nanos) => Value::Duration(nanos),
        Value::Array(items) => Value::Array(arena.alloc_slice_fill_iter(items.iter().map(|item| copied(*item, arena)))),
        Value::Map(entries) => {
            let entry = |(name, value): &(&str, Value)| (&*arena.alloc_str(name), copied(*value, arena));
            Value::Map(arena.alloc_slice_fill_iter(entries.iter().map(entry)))
        }
    }
}
