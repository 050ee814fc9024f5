//! What is known of an event: its fields, and what a sequence or a join has captured on the way to it.

use std::collections::HashMap;
use std::rc::Rc;

use super::kinds::Kinds;
use crate::check::expression::MAX_PASSED_BYTES;
use crate::check::program::{EventType, Expr, ExprKind};
use crate::syntax::ast::Span;

/// What is known of a value.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) kinds: Kinds,
    /// Where the field is declared that it is, or comes from unchanged.
    pub(super) declared: Option<Span>,
}

/// What is known of the fields of an event. A field that is not among them may be anything.
pub(super) struct Fields {
    known: HashMap<String, Known>,
    /// Nobody says which fields there are besides.
    others: bool,
    /// The event was made here, and not read: its type and time are its own, and not fields of its data.
    made: bool,
}

impl Default for Fields {
    /// Of an event of which nothing is known.
    fn default() -> Self {
        Fields { known: HashMap::new(), others: true, made: false }
    }
}

impl Fields {
    pub(super) fn declared(event: &EventType) -> Self {
        let known = event.fields.iter().map(|field| {
            let known = Known { kinds: Kinds::declared(&field.ty), declared: Some(field.name.span) };
            (field.name.text.clone(), known)
        });
        Fields { known: known.collect(), others: false, made: false }
    }

    /// Of an event that has these fields and no others.
    pub(super) fn made(known: impl IntoIterator<Item = (String, Known)>) -> Self {
        Fields { known: known.into_iter().collect(), others: false, made: true }
    }

    /// Of an event of a timer, which has nothing but its time.
    pub(super) fn of_timer() -> Self {
        Fields::made([])
    }

    /// Of an event that may be any of these.
    pub(super) fn of_any(inputs: &[Rc<Fields>]) -> Self {
        let Some((first, rest)) = inputs.split_first() else { return Fields::default() };
        let everywhere = first.known.iter().filter_map(|(name, known)| {
            let kinds = rest.iter().try_fold(known.kinds, |kinds, of| Some(kinds.or(of.known.get(name)?.kinds)))?;
            Some((name.clone(), Known { kinds, declared: known.declared }))
        });
        Fields {
            known: everywhere.collect(),
            others: inputs.iter().any(|input| input.others),
            made: inputs.iter().all(|input| input.made),
        }
    }

    /// Of a match: the fields of every alias's events as `alias_field`, which may be missing.
    pub(super) fn of_match<'f>(steps: impl Iterator<Item = (&'f str, &'f Fields)>) -> Self {
        let mut passed = Fields::made([]);
        let mut bytes = 0;
        for (alias, fields) in steps {
            passed.others |= fields.others;
            bytes += fields.known.keys().map(|name| alias.len() + 1 + name.len()).sum::<usize>();
            if bytes > MAX_PASSED_BYTES {
                return Fields { made: true, ..Fields::default() };
            }
            for (name, known) in &fields.known {
                let passed = passed.known.entry(format!("{alias}_{name}")).or_insert(*known);
                passed.kinds = passed.kinds.or(known.kinds).or(Kinds::NULL);
            }
        }
        passed
    }

    /// Of the result of a join: of every name the first side's field. Behind a side of which not all is known there may be
    /// one of it. Type and time are the result's.
    pub(super) fn of_sides(sides: &[Rc<Fields>]) -> Self {
        let mut passed = Fields::made([]);
        for side in sides {
            for (name, known) in &side.known {
                let known = Known { kinds: known.kinds.or(Kinds::NULL), ..*known };
                passed.known.entry(name.clone()).or_insert(known);
            }
            if side.others {
                passed.others = true;
                break;
            }
        }
        passed.known.retain(|name, _| !matches!(name.as_str(), "event_type" | "timestamp"));
        passed
    }

    pub(super) fn get(&self, name: &str) -> Known {
        let kinds = match name {
            "event_type" if self.made => Kinds::STR,
            "timestamp" if self.made => Kinds::TIMESTAMP,
            _ => Kinds::ANY,
        };
        self.known.get(name).copied().unwrap_or(Known { kinds, declared: None })
    }

    pub(super) fn kinds(&self, name: &str) -> Kinds {
        self.get(name).kinds
    }
}

/// What is known where one of a stream's operators stands.
#[derive(Clone, Default)]
pub(super) struct Row {
    pub(super) fields: Rc<Fields>,
    /// What [`ExprKind::Captured`] refers to.
    pub(super) captures: Rc<[Captured]>,
}

/// What is known of something that is read of captured events.
#[derive(Clone, Copy)]
pub(super) struct Captured {
    pub(super) known: Known,
    /// The name of an aggregate that takes numbers, and is given `known`, which are none.
    pub(super) unusable: Option<&'static str>,
}

impl Row {
    pub(super) fn of(fields: Rc<Fields>) -> Self {
        Row { fields, ..Row::default() }
    }

    /// Where the field is declared that an expression is.
    pub(super) fn declared(&self, expr: &Expr, aggregates: &[Known]) -> Option<Span> {
        match &expr.kind {
            ExprKind::Field(name) => self.fields.get(name).declared,
            ExprKind::Captured(index) => self.captures.get(*index)?.known.declared,
            ExprKind::Aggregate(index) => aggregates.get(*index)?.declared,
            _ => None,
        }
    }
}
