//! What types values can have, and which expressions can therefore never have one.
//!
//! 1. Types come from `event` declarations, literals, functions and aggregates, and flow through every operator that makes
//!    new fields of old ones: `fields` says what an event has, `state` what windows, sequences and joins make of it.
//!    Nothing is known of events that are not declared, of what a declared function gives, and behind a `.map` or
//!    `.process` whose fields only show when it runs.
//! 2. Everything found here is a warning: data need not be as it is declared, and a program with such an expression runs.
//! 3. An expression is warned of once, at its innermost cause: what is made of it may be anything.

mod fields;
mod kinds;
mod rules;
mod state;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::rc::Rc;

use super::program::{
    Expr, ExprKind, Function, Input, Operator, Origin, Piece, Program, Projection, Stream, Tell, Topic,
};
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::ast::{BinaryOp, Span, UnaryOp};
use fields::{Captured, Fields, Known, Row};
use kinds::Kinds;

/// Warns of the expressions of a program that never have a value, or always the same.
pub(super) fn check(program: &Program) -> Vec<Diagnostic> {
    let mut variables = Vec::new();
    let mut found = Vec::new();
    for variable in &program.variables {
        let row = Row::default();
        let kinds = Typing { row: &row, aggregates: &[], variables: &variables, found: &mut found }.of(&variable.value);
        variables.push(kinds);
    }
    let events = program.events.iter().map(|event| (event.name.text.as_str(), Rc::new(Fields::declared(event))));
    let mut streams = Streams {
        program,
        events: events.collect(),
        made: vec![None; program.streams.len()],
        variables: &variables,
        found,
    };
    for index in 0..program.streams.len() {
        streams.made(index, super::program::MAX_DEPTH);
    }
    streams.found
}

struct Streams<'p> {
    program: &'p Program,
    events: HashMap<&'p str, Rc<Fields>>,
    /// By stream: the fields of the events that it lets out, once they are known.
    made: Vec<Option<Rc<Fields>>>,
    /// By variable.
    variables: &'p [Kinds],
    found: Vec<Diagnostic>,
}

impl<'p> Streams<'p> {
    /// Goes through a stream, after those that it reads; at most `depth` of them feed each other.
    fn made(&mut self, index: usize, depth: usize) -> Rc<Fields> {
        if let Some(fields) = self.made.get(index).cloned().flatten() {
            return fields;
        }
        let program = self.program;
        let Some(stream) = program.streams.get(index).filter(|_| depth > 0) else { return Rc::default() };
        let mut inputs = Vec::new();
        for Input { from, predicate } in &stream.inputs {
            let input = match from {
                Origin::Source(source) => self.of_event(&program.sources[*source].event.text),
                Origin::Event(name) => self.of_event(name),
                Origin::Timer(_) => Rc::new(Fields::of_timer()),
                Origin::Stream(read) => self.made(*read, depth - 1),
            };
            if let Some(predicate) = predicate {
                self.condition(predicate, &Row::of(input.clone()));
            }
            inputs.push(input);
        }
        let mut row = match &inputs[..] {
            [one] => Row::of(one.clone()),
            several => Row::of(Rc::new(Fields::of_any(several))),
        };
        for operator in &stream.operators {
            row = self.behind(operator, &inputs, row);
        }
        self.published(stream, &row);
        self.made[index] = Some(row.fields.clone());
        row.fields
    }

    fn of_event(&self, name: &str) -> Rc<Fields> {
        self.events.get(name).cloned().unwrap_or_default()
    }

    /// What is known of the events that an operator lets out. Those of sequences and joins look at the stream's `inputs`.
    fn behind(&mut self, operator: &Operator, inputs: &[Rc<Fields>], row: Row) -> Row {
        match operator {
            Operator::Where(condition) => self.condition(condition, &row),
            Operator::Select(projections) | Operator::Emit(projections) => {
                return Row { fields: Rc::new(self.projected(projections, &row)), ..row };
            }
            Operator::Distinct(value) => value.iter().for_each(|value| _ = self.of(value, &row)),
            Operator::PartitionBy(value) => _ = self.of(value, &row),
            Operator::OrderBy(keys) => keys.iter().for_each(|key| _ = self.of(&key.value, &row)),
            Operator::Limit(_) => {}
            Operator::Tell(Tell { pieces, .. }) => {
                let values =
                    pieces.iter().filter_map(|piece| if let Piece::Value(value) = piece { Some(value) } else { None });
                values.for_each(|value| _ = self.of(value, &row));
            }
            // The fields of what comes out are known only when it runs.
            Operator::Map(value) | Operator::Process(value) => {
                self.of(value, &row);
                return Row { fields: Rc::default(), ..row };
            }
            Operator::Window(window) => {
                if let Some(aggregate) = &window.aggregate {
                    return self.aggregated(aggregate, window.partition_by.as_ref(), &row);
                }
            }
            Operator::Sequence(sequence) => return self.matched(sequence, inputs),
            Operator::Join(join) => return self.joined(join, inputs),
        }
        row
    }

    fn projected(&mut self, projections: &[Projection], row: &Row) -> Fields {
        let made = projections.iter().map(|projection| {
            let kinds = self.of(&projection.value, row);
            let declared = row.declared(&projection.value, &[]);
            (projection.name.text.clone(), Known { kinds, declared })
        });
        Fields::made(made)
    }

    /// What `.to` computes of the events that have come through.
    fn published(&mut self, stream: &Stream, row: &Row) {
        for target in stream.output.iter().flat_map(|output| &output.targets) {
            let target = &self.program.targets[*target];
            target.key.iter().for_each(|key| _ = self.of(key, row));
            if let Topic::Computed(topic) = &target.topic {
                self.of(topic, row);
            }
        }
    }

    fn of(&mut self, expr: &Expr, row: &Row) -> Kinds {
        self.typing(row).of(expr)
    }

    fn condition(&mut self, expr: &Expr, row: &Row) {
        self.typing(row).condition(expr, "a condition");
    }

    fn typing<'t>(&'t mut self, row: &'t Row) -> Typing<'t> {
        Typing { row, aggregates: &[], variables: self.variables, found: &mut self.found }
    }
}

/// The types in one expression.
struct Typing<'t> {
    row: &'t Row,
    /// The calls of aggregates, in the results of an aggregation.
    aggregates: &'t [Known],
    variables: &'t [Kinds],
    found: &'t mut Vec<Diagnostic>,
}

impl Typing<'_> {
    /// The types that the value may have; [`Kinds::ANY`] if nothing is known, or something was found.
    fn of(&mut self, expr: &Expr) -> Kinds {
        match &expr.kind {
            ExprKind::Null => Kinds::NULL,
            ExprKind::Bool(_) => Kinds::BOOL,
            ExprKind::Int(_) => Kinds::INT,
            ExprKind::Float(_) => Kinds::FLOAT,
            ExprKind::String(_) => Kinds::STR,
            ExprKind::Duration(_) => Kinds::DURATION,
            ExprKind::Timestamp(_) => Kinds::TIMESTAMP,
            ExprKind::Array(items) => {
                items.iter().for_each(|item| _ = self.of(item));
                Kinds::ARRAY
            }
            ExprKind::Map(entries) => {
                entries.iter().for_each(|(_, value)| _ = self.of(value));
                Kinds::MAP
            }
            ExprKind::Field(name) => self.row.fields.kinds(name),
            ExprKind::Captured(index) => self.captured(*index, expr),
            ExprKind::Aggregate(index) => self.aggregates.get(*index).map_or(Kinds::ANY, |known| known.kinds),
            ExprKind::Event => Kinds::MAP,
            ExprKind::Variable(index) => self.variables.get(*index).copied().unwrap_or(Kinds::ANY),
            ExprKind::Member { of, .. } => {
                self.of(of);
                Kinds::ANY
            }
            ExprKind::Index { of, index } => {
                let taken = Kinds::ARRAY.or(Kinds::MAP).or(Kinds::STR);
                self.expect(of, taken, "an index is taken of");
                self.expect(index, Kinds::INT.or(Kinds::STR), "an index is");
                Kinds::ANY
            }
            ExprKind::Slice { of, from, to } => {
                let of = self.expect(of, Kinds::ARRAY.or(Kinds::STR), "a slice is taken of");
                for end in [from, to].into_iter().flatten() {
                    self.expect(end, Kinds::INT, "the end of a slice is");
                }
                of
            }
            ExprKind::Call { function, args } => self.call(*function, args),
            ExprKind::Unary { op, operand } => match op {
                UnaryOp::Negate => self.expect(operand, Kinds::NUMBER.or(Kinds::DURATION), "`-` takes"),
                UnaryOp::BitNot => self.expect(operand, Kinds::INT, "`~` takes"),
                UnaryOp::Not => self.expect(operand, Kinds::BOOL, "`not` takes"),
            },
            ExprKind::Binary { op, left, right } => self.binary(*op, left, right, expr.span),
            ExprKind::IsNull { operand, .. } => {
                self.of(operand);
                Kinds::BOOL
            }
            ExprKind::Range { from, to, .. } => {
                self.expect(from, Kinds::INT, "the end of a range is");
                self.expect(to, Kinds::INT, "the end of a range is");
                Kinds::ARRAY
            }
            ExprKind::If { condition, then, otherwise } => {
                self.condition(condition, "the condition of an `if`");
                self.of(then).or(self.of(otherwise))
            }
            ExprKind::Lambda(body) => {
                self.of(body);
                Kinds::ANY
            }
            ExprKind::UserCall { args, .. } => {
                args.iter().for_each(|arg| _ = self.of(arg));
                Kinds::ANY
            }
            // What a lambda is given, or a function.
            ExprKind::Parameter(_) | ExprKind::Local(_) => Kinds::ANY,
        }
    }

    /// What is read of captured events. An aggregate that can use none of their values is warned of.
    fn captured(&mut self, index: usize, expr: &Expr) -> Kinds {
        let Some(Captured { known, unusable }) = self.row.captures.get(index) else { return Kinds::ANY };
        let Some(name) = unusable else { return known.kinds };
        let message = format!("`{name}` takes {}, and this is {}", Kinds::NUMBER, known.kinds);
        let diagnostic = Diagnostic::new(Code::NeverValue, expr.span, message).label(format!(
            "expected {}, found {}",
            Kinds::NUMBER,
            known.kinds
        ));
        self.report(diagnostic, &[expr]);
        Kinds::ANY
    }

    /// Warns if the expression can never be true.
    fn condition(&mut self, expr: &Expr, what: &str) {
        let kinds = self.of(expr);
        if !kinds.without_null().is_empty() && !kinds.meets(Kinds::BOOL) {
            let message = format!("{what} that is {kinds} is never true");
            let diagnostic = Diagnostic::new(Code::NeverTrue, expr.span, message)
                .label(format!("expected bool, found {kinds}"))
                .help("compare it with something: `x != 0`, `x is not null`");
            self.report(diagnostic, &[expr]);
        }
    }

    /// Looks at an operand that must have one of the `possible` types, which are returned.
    fn expect(&mut self, operand: &Expr, possible: Kinds, what: &str) -> Kinds {
        let kinds = self.of(operand);
        self.expected(operand, kinds, possible, what)
    }

    /// The same of one whose types are known.
    fn expected(&mut self, operand: &Expr, kinds: Kinds, possible: Kinds, what: &str) -> Kinds {
        if kinds.without_null().is_empty() || kinds.meets(possible) {
            return possible;
        }
        let message = format!("{what} {possible}, and this is {kinds}");
        let diagnostic = Diagnostic::new(Code::NeverValue, operand.span, message)
            .label(format!("expected {possible}, found {kinds}"));
        self.report(help_with_text(diagnostic, kinds, possible), &[operand]);
        Kinds::ANY
    }

    fn call(&mut self, function: Function, args: &[Expr]) -> Kinds {
        let (parameters, result) = rules::signature(function);
        let name = Function::ALL.iter().find(|(known, ..)| *known == function).map_or("", |(_, name, ..)| name);
        for (index, arg) in args.iter().enumerate() {
            match parameters.get(index).or(parameters.last()) {
                Some(parameter) if *parameter != Kinds::ANY => {
                    let before = self.found.len();
                    self.expect(arg, *parameter, &format!("argument {} of `{name}` is", index + 1));
                    // They are functions of arrays, and aggregates of events besides.
                    if matches!(function, Function::Sum | Function::Avg | Function::First | Function::Last)
                        && let Some(found) = self.found[before..].last_mut().filter(|found| found.span == arg.span)
                    {
                        found.help =
                            Some(format!("over many events it is an aggregate: `.window(1m).aggregate(x: {name}(…))`"));
                    }
                }
                _ => _ = self.of(arg),
            }
        }
        result
    }

    fn binary(&mut self, op: BinaryOp, left: &Expr, right: &Expr, span: Span) -> Kinds {
        use BinaryOp as Op;
        match op {
            Op::And | Op::Or => {
                let word = if op == Op::And { "`and` takes" } else { "`or` takes" };
                self.expect(left, Kinds::BOOL, word);
                self.expect(right, Kinds::BOOL, word);
                Kinds::BOOL
            }
            Op::Equal | Op::NotEqual => {
                let (a, b) = (self.of(left), self.of(right));
                if !rules::equals(a, b) {
                    let always = if op == Op::Equal { "false" } else { "true" };
                    let message = format!("this is always {always}: {a} is never equal to {b}");
                    let diagnostic = Diagnostic::new(Code::AlwaysSame, span, message);
                    self.report(help_with_comparison(diagnostic, left, a, right, b), &[left, right]);
                }
                Kinds::BOOL
            }
            Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual => {
                let (a, b) = (self.of(left), self.of(right));
                let known = !a.without_null().is_empty() && !b.without_null().is_empty();
                if known && !rules::orders(a, b) {
                    let message = format!("this is never true: {a} and {b} have no order");
                    let diagnostic = Diagnostic::new(Code::AlwaysSame, span, message);
                    self.report(help_with_comparison(diagnostic, left, a, right, b), &[left, right]);
                }
                Kinds::BOOL
            }
            Op::In | Op::NotIn => {
                let (item, all) = (self.of(left), self.of(right));
                let of = self.expected(right, all, Kinds::ARRAY.or(Kinds::MAP).or(Kinds::STR), "`in` looks into");
                if of != Kinds::ANY && all.without_null() == Kinds::STR && !item.meets(Kinds::STR.or(Kinds::NULL)) {
                    let message = format!("this never has a value: a str holds no {item}");
                    self.report(Diagnostic::new(Code::NeverValue, span, message), &[left, right]);
                }
                Kinds::BOOL
            }
            _ => {
                let (a, b) = (self.of(left), self.of(right));
                let result = rules::arithmetic(op, a, b);
                if !result.is_empty() || a.without_null().is_empty() || b.without_null().is_empty() {
                    return if result.is_empty() { Kinds::ANY } else { result };
                }
                let message = format!("this never has a value: {a} {} {b} is nothing", sign(op));
                let mut diagnostic = Diagnostic::new(Code::NeverValue, span, message);
                diagnostic = match (op, a.without_null() == Kinds::STR || b.without_null() == Kinds::STR) {
                    (Op::Add, true) => diagnostic.help("`to_string(x)` makes a text that can be added to another"),
                    (_, true) => diagnostic.help("`to_float(x)` reads the number in a text"),
                    _ => diagnostic,
                };
                self.report(diagnostic, &[left, right]);
                Kinds::ANY
            }
        }
    }

    /// With the places where the fields are declared that the operands are.
    fn report(&mut self, mut diagnostic: Diagnostic, operands: &[&Expr]) {
        for operand in operands {
            if let Some(span) = self.row.declared(operand, self.aggregates)
                && !diagnostic.related.iter().any(|(known, _)| *known == span)
            {
                diagnostic = diagnostic.related(span, "declared here");
            }
        }
        self.found.push(diagnostic);
    }
}

fn help_with_text(diagnostic: Diagnostic, found: Kinds, expected: Kinds) -> Diagnostic {
    match (found.without_null() == Kinds::STR, expected.without_null() == Kinds::STR) {
        (true, _) if expected == Kinds::INT => diagnostic.help("`to_int(x)` reads the number in a text"),
        (true, _) if expected.meets(Kinds::NUMBER) => diagnostic.help("`to_float(x)` reads the number in a text"),
        (_, true) => diagnostic.help("`to_string(x)` makes a text of anything"),
        _ => diagnostic,
    }
}

fn help_with_comparison(diagnostic: Diagnostic, left: &Expr, a: Kinds, right: &Expr, b: Kinds) -> Diagnostic {
    let quoted = |literal: &Expr, other: Kinds| match &literal.kind {
        ExprKind::Int(value) if other.without_null() == Kinds::STR => {
            Some(format!("compare with a text: `\"{value}\"`"))
        }
        ExprKind::String(text) if other.meets(Kinds::NUMBER) && text.parse::<f64>().is_ok() => {
            Some(format!("compare with a number: `{text}`"))
        }
        ExprKind::String(text) if other.meets(Kinds::BOOL) && matches!(text.as_str(), "true" | "false") => {
            Some(format!("compare with a bool: `{text}`"))
        }
        _ => None,
    };
    match quoted(right, a).or_else(|| quoted(left, b)) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

fn sign(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Subtract => "-",
        BinaryOp::Multiply => "*",
        BinaryOp::Divide => "/",
        BinaryOp::Remainder => "%",
        BinaryOp::Power => "**",
        BinaryOp::BitOr => "|",
        BinaryOp::BitXor => "^",
        BinaryOp::BitAnd => "&",
        BinaryOp::ShiftLeft => "<<",
        BinaryOp::ShiftRight => ">>",
        _ => "and",
    }
}
