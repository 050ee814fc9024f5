//! Which of an event's fields hold a key.

use std::collections::BTreeMap;

use crate::check::program::{Expr, ExprKind, Projection};

/// What a value has to do with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// It is the key.
    Key,
    /// It is computed of it, so that equal keys give equal values, and perhaps different ones different values.
    Perhaps,
    /// Nothing.
    Nothing,
}

/// The fields of an event, and what is read of captured events, that have to do with a key.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Held {
    fields: BTreeMap<String, Holds>,
    /// By index of the capture.
    captures: BTreeMap<usize, Holds>,
}

impl Held {
    /// These fields are the key.
    pub(super) fn of_fields<'f>(fields: impl Iterator<Item = &'f String>) -> Self {
        Held { fields: fields.map(|field| (field.clone(), Holds::Key)).collect(), ..Held::default() }
    }

    /// The key is this value; a field, or nobody knows where it is found again.
    pub(super) fn of_key(key: &Expr) -> Self {
        let mut held = Held::default();
        match &key.kind {
            ExprKind::Field(name) => held.insert(name, Holds::Key),
            ExprKind::Captured(index) => held.insert_capture(*index, Holds::Key),
            _ => {}
        }
        held
    }

    pub(super) fn insert(&mut self, field: &str, holds: Holds) {
        if holds != Holds::Nothing {
            self.fields.insert(field.to_owned(), holds);
        }
    }

    pub(super) fn insert_capture(&mut self, index: usize, holds: Holds) {
        self.captures.insert(index, holds);
    }

    /// The fields that are the key, in the order of their names.
    pub(super) fn fields(&self) -> Vec<String> {
        self.fields.iter().filter(|(_, holds)| **holds == Holds::Key).map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn any_field(&self) -> Option<String> {
        self.fields().into_iter().next()
    }

    pub(super) fn of_field(&self, name: &str) -> Holds {
        self.fields.get(name).copied().unwrap_or(Holds::Nothing)
    }

    /// What an expression has to do with the key; `calls` says it of the aggregates' calls.
    pub(super) fn of(&self, expr: &Expr, calls: &[Holds]) -> Holds {
        match &expr.kind {
            ExprKind::Field(name) => self.of_field(name),
            ExprKind::Captured(index) => self.captures.get(index).copied().unwrap_or(Holds::Nothing),
            ExprKind::Aggregate(index) => calls.get(*index).copied().unwrap_or(Holds::Nothing),
            // The event has it among its fields.
            ExprKind::Event => Holds::Perhaps,
            _ => {
                let mut holds = Holds::Nothing;
                expr.parts(&mut |part| {
                    if self.of(part, calls) != Holds::Nothing {
                        holds = Holds::Perhaps;
                    }
                });
                holds
            }
        }
    }

    /// The fields of an event that is made of these.
    pub(super) fn projected(&self, projections: &[Projection], calls: &[Holds]) -> Self {
        let mut made = Held { fields: BTreeMap::new(), captures: self.captures.clone() };
        for projection in projections {
            made.insert(&projection.name.text, self.of(&projection.value, calls));
        }
        made
    }
}
