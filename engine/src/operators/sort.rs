//! `.order_by(…)`: the rows of one closing, in this order.
//!
//! Rows wait until the closing ends; equal ones stay in the order in which they came. Missing and null values come before
//! all others, ascending; values of different types are ordered by type.

use std::cmp::Ordering;

use bumpalo::Bump;

use crate::expr::{Context, Expr, RegisterIndex};
use crate::operators::kept::{Capture, Kept};
use crate::plan::Chain;
use crate::value::{Owned, Value};

#[derive(Debug)]
pub(crate) struct Sort {
    /// Each with whether the greatest comes first.
    pub(crate) keys: Vec<(Expr, bool)>,
    pub(crate) capture: Capture,
    /// Index into [`States::sorts`](super::States::sorts).
    pub(crate) state: usize,
    /// Where the rows go in the end, and where it expects their fields.
    pub(crate) rest: Chain,
    pub(crate) registers: Vec<RegisterIndex>,
}

/// The rows that wait.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    rows: Vec<(Box<[Owned]>, Kept)>,
    descending: Vec<bool>,
}

impl Sort {
    pub(crate) fn keep<'a>(&'a self, cx: &Context<'a>, states: &mut [Waiting]) {
        let waiting = &mut states[self.state];
        if waiting.rows.is_empty() {
            waiting.descending.clear();
            waiting.descending.extend(self.keys.iter().map(|(_, descending)| descending));
        }
        let keys = self.keys.iter().map(|(key, _)| key.eval(cx).plain().into()).collect();
        waiting.rows.push((keys, self.capture.keep(cx)));
    }
}

impl Waiting {
    pub(crate) fn sort(&mut self) {
        let Waiting { rows, descending } = self;
        let arena = Bump::new();
        rows.sort_by(|(a, _), (b, _)| {
            let keys = a.iter().zip(b).zip(descending.iter());
            let orders = keys.map(|((a, b), descending)| match (order(a.view(&arena), b.view(&arena)), descending) {
                (order, true) => order.reverse(),
                (order, false) => order,
            });
            orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        });
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Kept> {
        self.rows.drain(..).map(|(_, row)| row)
    }
}

/// Missing is as null.
fn order(a: Value, b: Value) -> Ordering {
    match (a.is_nothing(), b.is_nothing()) {
        (false, false) => a.sorting_order(b),
        (a, b) => b.cmp(&a),
    }
}
