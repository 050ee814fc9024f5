//! Streams: their operations, in order, each of which may change what fields an event has.

use std::collections::HashMap;
use std::rc::Rc;

use super::expression::{Fields, Scope, Shape};
use super::join::Joined;
use super::outline::OF_SEQUENCES;
use super::program::{ExprKind, Operator, OrderKey, Output, Projection, Stream, Target, Watermark};
use super::sequence::{Known, Sequenced};
use super::support::{FOREIGN_OPERATIONS, OPERATIONS, Support, foreign};
use super::window::{Windowing, inherited};
use super::{Checker, Declared};
use crate::diagnostic::{Code, Diagnostic, similar};
use crate::syntax::ast::{self, Arg, Name, Op, OpKind, SourceKind};

/// A stream while its operations are gone through.
pub(super) struct Building<'s> {
    pub(super) scope: Scope<'s>,
    pub(super) operators: Vec<Operator>,
    targets: Vec<Target>,
    /// `.emit`, once it has come.
    emitted: Option<&'s Op>,
    /// The type that `.emit as` names.
    event_type: Option<&'s Name>,
    /// The last `.to`, once one has come.
    published: Option<&'s Op>,
    windowing: Windowing<'s>,
}

impl<'a> Checker<'a> {
    /// Resolves all streams, in `order`, so that the fields of what a stream reads are known.
    pub(super) fn resolve_streams(&mut self, streams: &[Declared<'a>], order: &[usize]) {
        let shapes = self.event_shapes();
        let sources: Vec<Option<usize>> = streams.iter().map(|declared| self.resolve_source(*declared)).collect();
        let mut fields: Vec<Fields> = vec![Fields::Any; streams.len()];
        let mut watermarks = vec![Watermark::default(); streams.len()];
        let mut resolved: Vec<Option<(Stream, Vec<Target>)>> = streams.iter().map(|_| None).collect();
        for index in order {
            let declared = streams[*index];
            self.check_source_names(declared.stream);
            self.check_shape(&declared.stream.ops);
            self.check_window(&declared.stream.ops, matches!(declared.stream.source.kind, SourceKind::Join { .. }));
            let (inputs, scope, first, ops) = if self.is_sequence(declared.stream) {
                let known = Known { shapes: &shapes, streams: &fields };
                let Sequenced { inputs, scope, sequence, rest } = self.sequence(declared, sources[*index], &known);
                (inputs, scope, sequence.map(|sequence| Operator::Sequence(Box::new(sequence))), rest)
            } else if let Some(joined) = self.join(declared, &shapes, &fields) {
                let Joined { inputs, scope, join, rest } = joined;
                (inputs, scope, join.map(|join| Operator::Join(Box::new(join))), rest)
            } else {
                let (inputs, scope) = self.inputs(declared, sources[*index], &shapes, &fields);
                (inputs, scope, None, declared.stream.ops.iter().collect())
            };
            let windowing = self.windowing(declared, inherited(&inputs, &watermarks));
            watermarks[*index] = windowing.passed_on();
            let mut building = Building {
                scope,
                windowing,
                operators: first.into_iter().collect(),
                targets: Vec::new(),
                emitted: None,
                event_type: None,
                published: None,
            };
            for op in ops {
                self.operation(op, declared, &mut building);
            }
            let Building { scope, windowing, mut operators, targets, emitted, event_type, published } = building;
            let passed_on = match (scope.fields, &scope.aliases) {
                (Fields::Captured, Some(aliases)) => aliases.passed_on(&declared.stream.name.text),
                (fields, _) => fields,
            };
            match (operators.first_mut(), scope.aliases) {
                (Some(Operator::Sequence(sequence)), Some(aliases)) => {
                    sequence.watermark = windowing.watermark;
                    sequence.captures = aliases.with_partition(sequence.partition_by.as_ref());
                }
                (Some(Operator::Join(join)), Some(aliases)) => {
                    join.watermark = windowing.watermark;
                    join.captures = aliases.captures;
                }
                _ => {}
            }
            fields[*index] = passed_on;
            let processed = operators.iter().any(|operator| matches!(operator, Operator::Process(_)));
            let output = (emitted.is_some() || published.is_some() || processed).then(|| {
                let own_type = processed && emitted.is_none();
                let event_type = (!own_type).then(|| event_type.unwrap_or(&declared.stream.name).text.clone());
                Output { event_type, targets: Vec::new() }
            });
            let stream = Stream { name: declared.stream.name.clone(), inputs, operators, output, span: declared.span };
            resolved[*index] = Some((stream, targets));
        }
        self.check_patterns(&Known { shapes: &shapes, streams: &fields });
        for (mut stream, targets) in resolved.into_iter().flatten() {
            if let Some(output) = &mut stream.output {
                let first = self.program.targets.len();
                output.targets = (first..first + targets.len()).collect();
            }
            self.program.targets.extend(targets);
            self.program.streams.push(stream);
        }
        self.check_agreement();
        let silent: Vec<bool> = self.program.streams.iter().map(|stream| stream.output.is_none()).collect();
        self.report_unread(streams, &silent);
    }

    fn event_shapes(&self) -> HashMap<String, Rc<Shape>> {
        let shape = |event: &super::program::EventType| {
            let names = event.fields.iter().map(|field| field.name.text.clone()).collect();
            (event.name.text.clone(), Rc::new(Shape::new(event.name.text.clone(), names)))
        };
        let whole = |event: &&super::program::EventType| !self.torn_events.contains(event.name.text.as_str());
        self.program.events.iter().filter(whole).map(shape).collect()
    }

    fn operation(&mut self, op: &'a Op, declared: Declared<'a>, building: &mut Building<'a>) {
        let name = op.name.text.as_str();
        match OPERATIONS.iter().find(|(known, _)| *known == name).map(|(_, support)| *support) {
            None => {
                let diagnostic =
                    Diagnostic::new(Code::UnknownOperation, op.name.span, format!("there is no operation `.{name}`"));
                self.report(match foreign(FOREIGN_OPERATIONS, name) {
                    Some(help) => diagnostic.help(help),
                    None => diagnostic.suggest(similar(name, OPERATIONS.iter().map(|(known, _)| *known))),
                });
                building.scope.fields = Fields::Any;
                return;
            }
            Some(Support::Refused(instead)) => {
                let message = format!("kolo does not do `.{name}`, and will not");
                self.report(Diagnostic::new(Code::Refused, op.name.span, message).help(instead));
                building.scope.fields = Fields::Any;
                return;
            }
            Some(Support::Yes) => {}
        }
        if let Some(published) = building.published.filter(|_| name != "to") {
            let diagnostic =
                Diagnostic::new(Code::Misplaced, op.name.span, format!("`.{name}` cannot stand behind `.to`"))
                    .related(published.name.span, "the events have been published here")
                    .help(format!("move `.{name}` before `.to`"));
            self.report(diagnostic);
        }
        if OF_SEQUENCES.contains(&name) {
            return self.without_sequence(op);
        }
        let scope = &mut building.scope;
        match (name, &op.kind) {
            ("trend_aggregate", OpKind::Plain(args)) => self.trend_aggregate(op, args, building),
            ("where" | "having", OpKind::Plain(args)) => {
                if let Some(arg) = self.one(op, args) {
                    building.operators.push(Operator::Where(self.resolve(arg, scope)));
                }
            }
            ("filter", OpKind::Plain(args)) => {
                if let Some(arg) = self.one(op, args) {
                    building.operators.push(Operator::Where(self.resolve_of_event(name, arg, scope)));
                }
            }
            ("map", OpKind::Plain(args)) => {
                if let Some(arg) = self.one(op, args) {
                    self.map(op, arg, &declared.stream.name.text, building);
                }
            }
            ("process", OpKind::Plain(args)) => {
                if let Some(arg) = self.one(op, args) {
                    self.process(op, arg, declared, building);
                }
            }
            ("print" | "log" | "alert" | "tap", OpKind::Plain(args)) => {
                let tell = self.tell(op, args, &declared.stream.name.text, scope);
                building.operators.push(Operator::Tell(tell));
            }
            ("select", OpKind::Plain(args)) => {
                if args.is_empty() {
                    let diagnostic = Diagnostic::new(Code::WrongArguments, op.span, "`.select` names no field")
                        .help("name the fields to keep: `.select(a, b: c + 1)`");
                    self.report(diagnostic);
                }
                let fields = self.projections(args, scope, true);
                scope.projected(Fields::made(&declared.stream.name.text, &fields));
                building.operators.push(Operator::Select(fields));
            }
            ("emit", OpKind::Emit { output, args }) => {
                if let Some(first) = building.emitted.replace(op) {
                    let diagnostic = Diagnostic::new(Code::Misplaced, op.name.span, "a stream has one `.emit`")
                        .related(first.name.span, "the first")
                        .help("declare a second stream that reads this one");
                    self.report(diagnostic);
                }
                building.event_type = output.as_ref();
                if !args.is_empty() {
                    let fields = self.projections(args, scope, false);
                    scope.projected(Fields::made(&declared.stream.name.text, &fields));
                    building.operators.push(Operator::Emit(fields));
                }
            }
            ("limit", OpKind::Plain(args)) => {
                if let Some(arg) = self.one(op, args)
                    && let Some(limit) = self.limit(arg, scope)
                {
                    building.operators.push(Operator::Limit(limit));
                }
            }
            ("distinct", OpKind::Plain(args)) => {
                let arg = if args.is_empty() { Some(None) } else { self.one(op, args).map(Some) };
                if let Some(arg) = arg {
                    building.operators.push(Operator::Distinct(arg.map(|arg| self.resolve(arg, scope))));
                }
            }
            // With an aggregate, the window takes its place.
            ("window", _) if building.windowing.aggregates => {}
            ("window", _) => {
                let window = self.window(&building.windowing, None, declared, scope);
                building.operators.push(Operator::Window(Box::new(window)));
                building.windowing.placed = true;
            }
            ("aggregate", OpKind::Plain(args)) => {
                let window = self.window(&building.windowing, Some((op, args)), declared, scope);
                building.operators.push(Operator::Window(Box::new(window)));
                building.windowing.placed = true;
            }
            ("partition_by", _) => {
                if let Some((_, field)) = building.windowing.partition.filter(|_| !building.windowing.stateful) {
                    building.operators.push(Operator::PartitionBy(self.resolve(field, scope)));
                }
            }
            ("order_by", OpKind::OrderBy(keys)) => {
                if !building.windowing.placed {
                    let message = "`.order_by` orders the rows of one closing of a window, and there is none before it";
                    let diagnostic = Diagnostic::new(Code::Misplaced, op.name.span, message)
                        .help("put `.window(…)` or `.aggregate(…)` before it");
                    self.report(diagnostic);
                }
                let keys = keys
                    .iter()
                    .map(|key| OrderKey { value: self.resolve(&key.value, scope), descending: key.descending });
                building.operators.push(Operator::OrderBy(keys.collect()));
            }
            ("context", OpKind::Plain(args)) => {
                if let Some(arg) = self.one(op, args) {
                    self.context(arg);
                }
            }
            ("on", _) => {
                let message = "`.on` belongs to a join, and this stream is none";
                let diagnostic = Diagnostic::new(Code::Misplaced, op.name.span, message)
                    .help("join the streams: `stream C = join(A, B).on(A.id == B.id)`");
                self.report(diagnostic);
            }
            // Gone through beforehand, wherever they stand.
            ("watermark" | "allowed_lateness", _) => {}
            (_, OpKind::Plain(args)) => {
                building.published = Some(op);
                let target = self.target(op, args, declared, scope);
                building.targets.extend(target);
            }
            // The parser gives `.emit` its own form and no other operation that is supported.
            _ => {}
        }
    }

    /// The only argument of an operation that takes one.
    pub(super) fn one(&mut self, op: &Op, args: &'a [Arg]) -> Option<&'a ast::Expr> {
        let name = &op.name.text;
        match args {
            [Arg { name: None, value }] => Some(value),
            [Arg { name: Some(label), .. }] => {
                self.unknown_argument(label, &format!("`.{name}`"), &[]);
                None
            }
            _ => {
                let message = format!("`.{name}` takes 1 argument, not {}", args.len());
                let mut diagnostic = Diagnostic::new(Code::WrongArguments, op.span, message);
                match name.as_str() {
                    "where" | "having" | "filter" if args.len() > 1 => {
                        diagnostic = diagnostic.help("join conditions with `and`");
                    }
                    "partition_by" | "distinct" if args.len() > 1 => {
                        diagnostic = diagnostic
                            .help("make them one field in a stream before this one: `.select(…, both: a + b)`");
                    }
                    _ => {}
                }
                self.report(diagnostic);
                None
            }
        }
    }

    pub(super) fn unknown_argument(&mut self, label: &Name, of: &str, known: &[&str]) {
        let message = format!("{of} has no argument `{}`", label.text);
        let mut diagnostic = Diagnostic::new(Code::UnknownArgument, label.span, message)
            .suggest(similar(&label.text, known.iter().copied()));
        if !known.is_empty() {
            diagnostic = diagnostic.help(format!("it takes {}", known.join(", ")));
        }
        self.report(diagnostic);
    }

    fn limit(&mut self, arg: &ast::Expr, scope: &mut Scope<'_>) -> Option<u64> {
        let limit = match self.constant(arg, scope) {
            ExprKind::Int(limit) => u64::try_from(limit).ok(),
            _ => None,
        };
        if limit.is_none() {
            let message = "`.limit` takes a number of events, known before the program runs";
            self.report(Diagnostic::new(Code::BadValue, arg.span, message).help("for example `.limit(10)`"));
        }
        limit
    }

    /// `name: expr`, and a field's name alone where `bare` allows it.
    pub(super) fn projections(&mut self, args: &[Arg], scope: &mut Scope<'_>, bare: bool) -> Vec<Projection> {
        let mut projections: Vec<Projection> = Vec::new();
        let mut names = Vec::new();
        for arg in args {
            let name = match (&arg.name, &arg.value.kind) {
                (Some(name), _) => name.clone(),
                (None, ast::ExprKind::Name(field)) if bare => Name { text: field.clone(), span: arg.value.span },
                (None, kind) => {
                    let suggestion = match kind {
                        ast::ExprKind::Name(field) | ast::ExprKind::Member { field: Name { text: field, .. }, .. } => {
                            field
                        }
                        _ => "name",
                    };
                    let written = self.source.text().get(arg.value.span.range()).unwrap_or("…");
                    let diagnostic = Diagnostic::new(Code::WrongArguments, arg.value.span, "this field has no name")
                        .help(format!("write `{suggestion}: {written}`"));
                    self.report(diagnostic);
                    continue;
                }
            };
            let value = self.resolve(&arg.value, scope);
            names.push((name.text.clone(), name.span));
            projections.push(Projection { name, value });
        }
        self.given_twice(names);
        projections
    }
}
