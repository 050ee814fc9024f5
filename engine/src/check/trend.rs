//! `.trend_aggregate`: how many trends the events of a closure make, and aggregates of those events.
//!
//! A trend is a subset of the captured events with one event or more, so n events make 2^n − 1 of them. Sums and the like
//! are over the events, each once.

use super::aliases::Aliases;
use super::program::{AliasFunction, Capture, Expr, ExprKind, Operator, Projection, Which};
use super::stream::Building;
use super::{Checker, expression::Fields};
use crate::diagnostic::{Code, Diagnostic, similar};
use crate::syntax::ast::{self, Arg, BinaryOp, Name, Op};

/// The functions of `.trend_aggregate`. Those with an aggregate take `alias.field`, the others nothing.
const FUNCTIONS: &[(&str, Option<AliasFunction>)] = &[
    ("count_trends", None),
    ("count_events", None),
    ("sum_trends", Some(AliasFunction::Sum)),
    ("avg_trends", Some(AliasFunction::Avg)),
    ("min_trends", Some(AliasFunction::Min)),
    ("max_trends", Some(AliasFunction::Max)),
];

impl<'a> Checker<'a> {
    /// `.trend_aggregate(name: fn(…), …)`: an event with these fields, behind the partition field.
    pub(super) fn trend_aggregate(&mut self, op: &'a Op, args: &'a [Arg], building: &mut Building<'a>) {
        let partition = match building.operators.first() {
            Some(Operator::Sequence(sequence)) => sequence.partition_by.clone(),
            _ => None,
        };
        let closures: Vec<usize> = match &building.scope.aliases {
            Some(Aliases { steps, closed: false, .. }) => {
                (0..steps.len()).filter(|step| steps[*step].closure).collect()
            }
            _ => Vec::new(),
        };
        let [closure] = closures[..] else {
            let message = "`.trend_aggregate` is about the events of one `all` step";
            let diagnostic = Diagnostic::new(Code::Misplaced, op.name.span, message)
                .label(format!("there are {} here", closures.len()))
                .help("for example `A as a -> all B as b`, and then `.trend_aggregate(trends: count_trends())`");
            return self.report(diagnostic);
        };
        if args.is_empty() {
            let diagnostic = Diagnostic::new(Code::WrongArguments, op.span, "`.trend_aggregate` computes nothing")
                .help("for example `.trend_aggregate(trends: count_trends())`");
            self.report(diagnostic);
        }
        let mut projections: Vec<Projection> = Vec::new();
        for arg in args {
            let Some(name) = &arg.name else {
                let diagnostic = Diagnostic::new(Code::WrongArguments, arg.value.span, "this field has no name")
                    .help("write `trends: count_trends()`");
                self.report(diagnostic);
                continue;
            };
            if let Some(value) = self.trend_function(&arg.value, closure, building) {
                projections.push(Projection { name: name.clone(), value });
            }
        }
        self.given_twice(projections.iter().map(|field| (field.name.text.clone(), field.name.span)));
        if let Some(field) = partition.filter(|field| projections.iter().all(|known| known.name.text != field.text)) {
            let value = self.of_trend(
                Capture::Field { step: 0, which: Which::Last, field: field.text.clone() },
                &field,
                building,
            );
            projections.insert(0, Projection { name: field, value });
        }
        building.scope.fields = Fields::made(&op.name.text, &projections);
        building.operators.push(Operator::Select(projections));
    }

    fn of_trend(&mut self, capture: Capture, name: &Name, building: &mut Building<'a>) -> Expr {
        let kind = building.scope.aliases.as_mut().map_or(ExprKind::Null, |aliases| aliases.capture(capture));
        Expr { kind, span: name.span }
    }

    fn trend_function(&mut self, expr: &'a ast::Expr, closure: usize, building: &mut Building<'a>) -> Option<Expr> {
        let called = match &expr.kind {
            ast::ExprKind::Call { callee, args } => match &callee.kind {
                ast::ExprKind::Name(name) => Some((name, callee.span, args)),
                _ => None,
            },
            _ => None,
        };
        let Some((name, span, args)) = called else {
            let diagnostic = Diagnostic::new(Code::WrongArguments, expr.span, "this is no trend aggregate")
                .help("compute with the results in `.emit`");
            self.report(diagnostic);
            return None;
        };
        let name = Name { text: name.clone(), span };
        let Some((_, function)) = FUNCTIONS.iter().find(|(known, _)| *known == name.text) else {
            let message = format!("there is no trend aggregate `{}`", name.text);
            let diagnostic = Diagnostic::new(Code::UnknownFunction, span, message)
                .suggest(similar(&name.text, FUNCTIONS.iter().map(|(known, _)| *known)));
            self.report(diagnostic);
            return None;
        };
        let capture = match (function, &args[..]) {
            (None, []) => Capture::Count { step: closure },
            (Some(function), [Arg { name: None, value }]) => {
                let function = *function;
                return self.trend_field(function, value, closure, building);
            }
            _ => {
                let takes = if function.is_some() { "the field of an alias: `b.price`" } else { "no argument" };
                let diagnostic =
                    Diagnostic::new(Code::WrongArguments, expr.span, format!("`{}` takes {takes}", name.text));
                self.report(diagnostic);
                return None;
            }
        };
        let count = self.of_trend(capture, &name, building);
        if name.text == "count_events" {
            return Some(count);
        }
        // 2 ** n − 1
        let int = |value| Box::new(Expr { kind: ExprKind::Int(value), span });
        let power = ExprKind::Binary { op: BinaryOp::Power, left: int(2), right: Box::new(count) };
        let power = Box::new(Expr { kind: power, span });
        Some(Expr { kind: ExprKind::Binary { op: BinaryOp::Subtract, left: power, right: int(1) }, span })
    }

    fn trend_field(
        &mut self,
        function: AliasFunction,
        arg: &'a ast::Expr,
        closure: usize,
        building: &mut Building<'a>,
    ) -> Option<Expr> {
        let aliases = building.scope.aliases.as_ref()?;
        let of_closure =
            |of: &ast::Expr| matches!(&of.kind, ast::ExprKind::Name(name) if aliases.steps[closure].name == Some(name));
        match &arg.kind {
            // Reported with the stream's shape.
            ast::ExprKind::Name(_) => None,
            ast::ExprKind::Member { of, field, .. } if of_closure(of) => {
                let fields = aliases.steps[closure].fields.clone();
                self.expect_field(&field.text, field.span, &fields);
                let capture = Capture::Aggregate { function, step: closure, field: field.text.clone() };
                Some(self.of_trend(capture, field, building))
            }
            _ => {
                let message = "a trend aggregate takes a field of the `all` step's alias";
                self.report(Diagnostic::new(Code::WrongArguments, arg.span, message).help("for example `b.price`"));
                None
            }
        }
    }
}
