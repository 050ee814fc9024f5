//! Joins: their sides, the conditions of `.on`, the window.
//!
//! A condition is an equality of two sides' expressions, and several are joined by `and`. Equalities that have a side's
//! expression in common say the same of all their sides: `A.id == B.id and B.id == C.id` is one part of the key. In the
//! end every part has an expression for every side.

use std::collections::HashMap;
use std::rc::Rc;

use super::aliases::{Alias, Aliases};
use super::expression::{Fields, Scope, Shape};
use super::program::{Capture, Expr, ExprKind, Input, Join, Watermark, Which};
use super::{Checker, Declared};
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::ast::{self, Arg, BinaryOp, Branch, Name, Op, OpKind, SourceKind, Span};

/// The most sides of a join.
const MAX_SIDES: usize = 64;
/// How old a match may be where nothing else is said.
const DEFAULT_WINDOW_NS: i64 = 60_000_000_000;

/// A checked join, and the operations over its results.
pub(super) struct Joined<'a> {
    pub(super) inputs: Vec<Input>,
    /// `None` if it is wrong.
    pub(super) join: Option<Join>,
    pub(super) scope: Scope<'a>,
    pub(super) rest: Vec<&'a Op>,
}

/// One part of the key: by side, its expression.
type Part = Vec<Option<Expr>>;

impl<'a> Checker<'a> {
    /// The join of a stream whose source is one.
    pub(super) fn join(
        &mut self,
        declared: Declared<'a>,
        shapes: &HashMap<String, Rc<Shape>>,
        streams: &[Fields],
    ) -> Option<Joined<'a>> {
        let SourceKind::Join { kind, sides } = &declared.stream.source.kind else { return None };
        let ops = &declared.stream.ops;
        let belongs = |op: &&Op| matches!(op.name.text.as_str(), "on" | "window");
        let rest = ops.iter().filter(|op| !belongs(op)).collect();
        let mut scope = Scope::new(Fields::Captured, declared.variables);
        let mut inputs = Vec::new();
        let mut aliases = Vec::new();
        for side in sides {
            let of_type = |name: &str| shapes.get(name).map_or(Fields::Any, |shape| Fields::Declared(shape.clone()));
            let (from, fields) = self.origin(&side.source, of_type, streams);
            inputs.push(Input { from, predicate: None });
            let name = Some(name_of(side).text.as_str());
            aliases.push(Alias { name, events: vec![&side.source.text], fields, closure: false });
        }
        let names = sides.iter().map(|side| (name_of(side).text.clone(), name_of(side).span));
        self.twice(names, "give one of them another name: `stream other = A`");
        scope.aliases = Some(Aliases { steps: aliases, own: None, captures: Vec::new(), closed: false, of_join: true });
        if sides.len() < 2 || sides.len() > MAX_SIDES {
            let message = format!("a join has 2 to {MAX_SIDES} sides, not {}", sides.len());
            let diagnostic = Diagnostic::new(Code::WrongArguments, declared.stream.source.span, message)
                .help("name the streams or event types: `join(A, B)`");
            self.report(diagnostic);
            return Some(Joined { inputs, join: None, scope, rest });
        }
        let window_ns = self.join_window(ops, declared.variables);
        let before = self.diagnostics.len();
        let mut parts: Vec<Part> = Vec::new();
        let mut conditions: Vec<&ast::Expr> = sides.iter().filter_map(|side| side.condition.as_ref()).collect();
        for op in ops.iter().filter(|op| op.name.text == "on") {
            if let OpKind::Plain(args) = &op.kind {
                conditions.extend(self.one(op, args));
            }
        }
        for condition in &conditions {
            self.condition(condition, sides.len(), &mut scope, &mut parts);
        }
        let failed = self.diagnostics[before..].iter().any(Diagnostic::is_error);
        if !failed {
            self.check_parts(&parts, &conditions, sides, declared.stream.source.span);
        }
        let failed = self.diagnostics[before..].iter().any(Diagnostic::is_error);
        let join = (!failed).then(|| Join {
            kind: *kind,
            window_ns,
            keys: (0..sides.len()).map(|side| parts.iter().filter_map(|part| part[side].clone()).collect()).collect(),
            watermark: Watermark::default(),
            captures: Vec::new(),
        });
        // What the conditions have asked for is not read of the results.
        if let Some(aliases) = &mut scope.aliases {
            aliases.captures.clear();
        }
        Some(Joined { inputs, join, scope, rest })
    }

    /// `.window(d)`
    fn join_window(&mut self, ops: &'a [Op], variables: usize) -> i64 {
        let Some(op) = ops.iter().find(|op| op.name.text == "window") else { return DEFAULT_WINDOW_NS };
        let OpKind::Plain(args) = &op.kind else { return DEFAULT_WINDOW_NS };
        if let [Arg { name: None, value }] = &args[..] {
            let window = self.span_of_time(value, 1, variables, "the window of a join is a duration");
            return window.unwrap_or(DEFAULT_WINDOW_NS);
        }
        let diagnostic = Diagnostic::new(Code::WrongArguments, op.span, "the window of a join is one duration").help(
            "for example `.window(5m)`; let a second stream read this one to aggregate its results over a window",
        );
        self.report(diagnostic);
        DEFAULT_WINDOW_NS
    }

    /// Equalities joined by `and`.
    fn condition(&mut self, condition: &ast::Expr, sides: usize, scope: &mut Scope<'a>, parts: &mut Vec<Part>) {
        match &condition.kind {
            ast::ExprKind::Binary { op: BinaryOp::And, left, right } => {
                self.condition(left, sides, scope, parts);
                self.condition(right, sides, scope, parts);
            }
            ast::ExprKind::Binary { op: BinaryOp::Equal, left, right } => {
                let (first, second) = (self.of_one_side(left, scope), self.of_one_side(right, scope));
                let (Some(first), Some(second)) = (first, second) else { return };
                if first.0 == second.0 {
                    let message = "both sides of this equality belong to the same side of the join";
                    let diagnostic = Diagnostic::new(Code::BadValue, condition.span, message)
                        .help("filter the side in a stream of its own, or the results with `.where`");
                    self.report(diagnostic);
                    return;
                }
                if let Err(place) = equate(first, second, sides, parts) {
                    let message = "two different values of one side would have to equal the same of another";
                    let diagnostic = Diagnostic::new(Code::BadValue, condition.span, message)
                        .related(place, "the other one")
                        .help("filter the results with `.where`");
                    self.report(diagnostic);
                }
            }
            _ => {
                let message = "`.on` consists of equalities joined by `and`";
                let diagnostic = Diagnostic::new(Code::BadValue, condition.span, message)
                    .help("for example `.on(A.id == B.id)`; filter the results with `.where`");
                self.report(diagnostic);
            }
        }
    }

    /// Which side an expression belongs to, and what it is there.
    fn of_one_side(&mut self, expr: &ast::Expr, scope: &mut Scope<'a>) -> Option<(usize, Expr)> {
        let before = self.diagnostics.len();
        let mut resolved = self.resolve(expr, scope);
        if self.diagnostics[before..].iter().any(Diagnostic::is_error) {
            return None;
        }
        let captures = scope.aliases.as_ref().map_or(&[][..], |aliases| &aliases.captures);
        let mut sides = Vec::new();
        on_its_side(&mut resolved, captures, &mut sides);
        sides.dedup();
        if let [side] = sides[..] {
            return Some((side, resolved));
        }
        let (message, help) = match sides.is_empty() {
            true => ("this belongs to no side of the join", "filter the results with `.where`"),
            false => ("it is not clear to which side of the join this belongs", "write its side before it: `A.id`"),
        };
        self.report(Diagnostic::new(Code::BadValue, expr.span, message).help(help));
        None
    }

    /// Every side has every part of the key, and there is one.
    fn check_parts(&mut self, parts: &[Part], conditions: &[&ast::Expr], sides: &[Branch], source: Span) {
        if parts.is_empty() {
            let names: Vec<&str> = sides.iter().map(|side| name_of(side).text.as_str()).collect();
            let message = "nothing says which events of the sides belong together";
            let diagnostic = Diagnostic::new(Code::WrongArguments, source, message)
                .help(format!("add an equality: `.on({}.id == {}.id)`", names[0], names[1]));
            self.report(diagnostic);
        }
        for part in parts {
            if let Some(absent) = part.iter().position(Option::is_none) {
                let span = conditions.first().map_or(source, |condition| condition.span);
                let given = part.iter().flatten().next().map_or(span, |expr| expr.span);
                let written = self.source.text().get(given.range()).unwrap_or("this value");
                let message = format!("`{}` has nothing that equals `{written}`", name_of(&sides[absent]).text);
                let diagnostic = Diagnostic::new(Code::BadValue, given, message).help(
                    "every value of `.on` has an equal on every side; join two sides first, and the third with that",
                );
                self.report(diagnostic);
            }
        }
    }
}

/// The name of a side in expressions.
fn name_of(side: &Branch) -> &Name {
    side.label.as_ref().unwrap_or(&side.source)
}

/// Makes captures into fields of the event that is captured, and collects of which side they are.
fn on_its_side(expr: &mut Expr, captures: &[Capture], sides: &mut Vec<usize>) {
    if let ExprKind::Captured(index) = expr.kind {
        match &captures[index] {
            Capture::Field { step, field, .. } => {
                sides.push(*step);
                expr.kind = ExprKind::Field(field.clone());
            }
            Capture::Event { step, which: Which::Last } => {
                sides.push(*step);
                expr.kind = ExprKind::Event;
            }
            _ => {}
        }
    }
    expr.parts_mut(&mut |part| on_its_side(part, captures, sides));
}

/// Adds an equality to the parts of the key.
///
/// # Errors
/// If a side would have two different expressions for one part: the place of the other one.
fn equate(first: (usize, Expr), second: (usize, Expr), sides: usize, parts: &mut Vec<Part>) -> Result<(), Span> {
    let holds = |part: &Part, (side, expr): &(usize, Expr)| part[*side].as_ref().is_some_and(|known| same(known, expr));
    let place = |of: &(usize, Expr)| parts.iter().position(|part| holds(part, of));
    let (at_first, at_second) = (place(&first), place(&second));
    let mut part = match at_first {
        Some(at) => parts[at].clone(),
        None => {
            let mut part = vec![None; sides];
            part[first.0] = Some(first.1);
            part
        }
    };
    let other = match at_second {
        Some(at) => parts[at].clone(),
        None => {
            let mut part = vec![None; sides];
            part[second.0] = Some(second.1);
            part
        }
    };
    for (known, new) in part.iter_mut().zip(other) {
        match (&known, new) {
            (Some(known), Some(new)) if !same(known, &new) => return Err(known.span),
            (None, Some(new)) => *known = Some(new),
            _ => {}
        }
    }
    match (at_first, at_second) {
        (Some(at), None) | (None, Some(at)) => parts[at] = part,
        (Some(at), Some(merged)) => {
            parts[at] = part;
            if merged != at {
                parts.remove(merged);
            }
        }
        (None, None) => parts.push(part),
    }
    Ok(())
}

/// Whether two expressions are the same, wherever they are written.
fn same(a: &Expr, b: &Expr) -> bool {
    fn placeless(expr: &mut Expr) {
        expr.span = Span::default();
        expr.parts_mut(&mut placeless);
    }
    let (mut a, mut b) = (a.clone(), b.clone());
    placeless(&mut a);
    placeless(&mut b);
    a == b
}
