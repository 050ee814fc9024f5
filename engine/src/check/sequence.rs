//! Sequences: a source followed by `->`, `sequence(…)`, and streams that read a pattern. All of them come down to steps,
//! each of which takes events of some inputs.
//!
//! 1. The shape first: steps, forbidden events and settings, wherever in the stream they stand.
//! 2. Then the inputs: what several steps read is one input, so that an event reaches the sequence once.
//! 3. Then the predicates, in the order of the steps: each sees the event under test and the steps before it.
//!
//! What follows the sequence is an ordinary chain of operations over its matches.

use std::collections::HashMap;
use std::rc::Rc;

use super::aliases::{Alias, Aliases};
use super::expression::{Fields, Scope, Shape};
use super::program::{Candidate, Emission, Expr, ExprKind, Input, Origin, Sequence, Step};
use super::{Checker, Declared};
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::ast::{self, Arg, BinaryOp, Name, Op, OpKind, Pattern, SourceKind, Span, Trend};

/// The most steps of a sequence.
pub(super) const MAX_STEPS: usize = 64;

/// A sequence before its names are resolved.
#[derive(Default)]
struct Outline<'a> {
    steps: Vec<StepOutline<'a>>,
    nots: Vec<(&'a Name, Option<&'a ast::Expr>)>,
    within: Option<i64>,
    partition_by: Option<Name>,
    strict: bool,
    /// The emission and where it is asked for.
    emission: Option<(Emission, Span)>,
}

struct StepOutline<'a> {
    reads: Vec<Reads<'a>>,
    all: bool,
    not: bool,
    trend: Option<&'a Trend>,
    predicate: Option<&'a ast::Expr>,
    /// `.where` and `.filter` between the source and its first `->`.
    filters: Vec<&'a ast::Expr>,
    alias: Option<&'a Name>,
    span: Span,
}

/// What a step reads.
struct Reads<'a> {
    name: &'a Name,
    /// The stream's own `.from`.
    source: Option<usize>,
    /// `.where` in a merge.
    condition: Option<&'a ast::Expr>,
}

/// Operations that belong to a sequence itself.
pub(super) const OF_SEQUENCES: &[&str] = &["within", "not", "strict", "stnm", "stam", "each", "longest", "subsets"];

/// What is known of streams and events that come before.
pub(super) struct Known<'k> {
    pub(super) shapes: &'k HashMap<String, Rc<Shape>>,
    pub(super) streams: &'k [Fields],
}

/// A checked sequence, and the operations over its matches.
pub(super) struct Sequenced<'a> {
    pub(super) inputs: Vec<Input>,
    /// `None` if it is wrong.
    pub(super) sequence: Option<Sequence>,
    pub(super) scope: Scope<'a>,
    pub(super) rest: Vec<&'a Op>,
}

impl<'a> Checker<'a> {
    /// Whether the stream's source and `->` make a sequence.
    pub(super) fn is_sequence(&self, stream: &'a ast::Stream) -> bool {
        let source = match &stream.source.kind {
            SourceKind::Sequence(_) | SourceKind::Named { all: true, .. } => true,
            SourceKind::Named { name, .. } => self.pattern(name).is_some(),
            _ => false,
        };
        source || stream.ops.iter().any(|op| matches!(op.kind, OpKind::Follow(_)))
    }

    /// The pattern that a name means, unless a stream has it.
    fn pattern(&self, name: &Name) -> Option<&'a Pattern> {
        if self.names.streams.contains(&name.text) { None } else { self.names.patterns.get(&name.text) }
    }

    /// An operation of sequences in a stream that is none.
    pub(super) fn without_sequence(&mut self, op: &Op) {
        let message = format!("`.{}` belongs to a sequence, and this stream has none", op.name.text);
        let diagnostic = Diagnostic::new(Code::Misplaced, op.name.span, message)
            .help("a sequence has steps: `A as a -> B where b.id == a.id as b`");
        self.report(diagnostic);
    }

    /// Checks every pattern by itself, whether a stream reads it or not.
    pub(super) fn check_patterns(&mut self, known: &Known<'_>) {
        let patterns: Vec<&'a Pattern> = self.names.patterns.values().collect();
        for pattern in patterns {
            for step in &pattern.steps {
                self.check_read_name(&step.event, None);
            }
            let mut outline = Outline::default();
            self.follow_pattern(pattern, &mut outline);
            let variables = self.program.variables.len();
            self.resolve_sequence(outline, pattern.name.span, variables, known);
        }
    }

    /// The sequence of a stream that is one. If it is wrong, the operations over its matches are checked all the same.
    pub(super) fn sequence(
        &mut self,
        declared: Declared<'a>,
        source: Option<usize>,
        known: &Known<'_>,
    ) -> Sequenced<'a> {
        let mut outline = Outline::default();
        let begun = self.outline_source(declared.stream, source, &mut outline);
        let mut rest = Vec::new();
        let last_step = declared.stream.ops.iter().rposition(|op| matches!(op.kind, OpKind::Follow(_)));
        for (place, op) in declared.stream.ops.iter().enumerate() {
            if !self.outline_operation(op, last_step.is_some_and(|last| place < last), &mut outline) {
                rest.push(op);
            }
        }
        let span = declared.stream.name.span;
        let resolved = begun.and_then(|()| self.resolve_sequence(outline, span, declared.variables, known));
        match resolved {
            Some((inputs, mut sequence, scope)) => {
                sequence.trends = rest.iter().any(|op| op.name.text == "trend_aggregate");
                Sequenced { inputs, sequence: Some(sequence), scope, rest }
            }
            None => {
                let scope = Scope::new(Fields::Any, declared.variables);
                Sequenced { inputs: Vec::new(), sequence: None, scope, rest }
            }
        }
    }

    fn outline_source(
        &mut self,
        stream: &'a ast::Stream,
        source: Option<usize>,
        outline: &mut Outline<'a>,
    ) -> Option<()> {
        let span = stream.source.span;
        let step = |reads| StepOutline {
            reads,
            all: false,
            not: false,
            trend: None,
            predicate: None,
            filters: Vec::new(),
            alias: None,
            span,
        };
        match &stream.source.kind {
            SourceKind::Named { all, name, predicate, alias } => {
                let Some(pattern) = self.pattern(name) else {
                    let first = step(vec![Reads { name, source: None, condition: None }]);
                    outline.steps.push(StepOutline {
                        all: *all,
                        predicate: predicate.as_ref(),
                        alias: alias.as_ref(),
                        ..first
                    });
                    return Some(());
                };
                if *all || predicate.is_some() || alias.is_some() {
                    self.bare_pattern(name, span);
                }
                self.follow_pattern(pattern, outline);
            }
            SourceKind::From { event, .. } => {
                source?;
                outline.steps.push(step(vec![Reads { name: event, source, condition: None }]));
            }
            SourceKind::Merge(branches) => {
                let reads = |branch: &'a ast::Branch| Reads {
                    name: &branch.source,
                    source: None,
                    condition: branch.condition.as_ref(),
                };
                outline.steps.push(step(branches.iter().map(reads).collect()));
            }
            SourceKind::Sequence(steps) => {
                for listed in steps {
                    if let Some(within) = &listed.within {
                        outline.within = self.duration(within).or(outline.within);
                    }
                    let listed_step = step(vec![Reads { name: &listed.event, source: None, condition: None }]);
                    outline.steps.push(StepOutline {
                        predicate: listed.predicate.as_ref(),
                        alias: Some(&listed.alias),
                        span: listed.alias.span.to(listed.event.span),
                        ..listed_step
                    });
                }
                if steps.is_empty() {
                    let diagnostic = Diagnostic::new(Code::WrongArguments, span, "this sequence has no steps")
                        .help("name them: `sequence(a: A, b: B where x > a.x)`");
                    self.report(diagnostic);
                    return None;
                }
            }
            SourceKind::Join { .. } | SourceKind::Timer(_) => {
                let diagnostic = Diagnostic::new(Code::Misplaced, span, "a sequence cannot begin here")
                    .help("declare a stream of this, and let the sequence begin with that stream");
                self.report(diagnostic);
                return None;
            }
        }
        Some(())
    }

    /// Takes in an operation that belongs to the sequence itself; false if it is one over matches.
    fn outline_operation(&mut self, op: &'a Op, steps_follow: bool, outline: &mut Outline<'a>) -> bool {
        match (&op.kind, op.name.text.as_str()) {
            (OpKind::Follow(step), _) => self.follow(step, outline),
            (OpKind::Not { event, predicate }, _) => outline.nots.push((event, predicate.as_ref())),
            (OpKind::Plain(args), "within") => {
                if let Some(within) = self.one(op, args) {
                    outline.within = self.duration(within).or(outline.within);
                }
            }
            (OpKind::Plain(args), "partition_by") => {
                if let Some(field) = self.one(op, args) {
                    outline.partition_by = self.partition_field(field).or(outline.partition_by.take());
                }
            }
            (OpKind::Plain(args), word @ ("strict" | "stnm" | "stam" | "each" | "longest" | "subsets")) => {
                if let [first, ..] = &args[..] {
                    let message = format!("`.{word}` takes no arguments");
                    self.report(Diagnostic::new(Code::WrongArguments, first.value.span, message));
                }
                match word {
                    "strict" => outline.strict = true,
                    "each" => outline.emission = Some((Emission::Each, op.span)),
                    "longest" => outline.emission = Some((Emission::Longest, op.span)),
                    "subsets" => outline.emission = Some((Emission::Subsets, op.span)),
                    // Skip till next match, and its variant: what every sequence does.
                    _ => {}
                }
            }
            (OpKind::Plain(args), "where" | "filter") if steps_follow => match (&mut outline.steps[..], &args[..]) {
                ([first], [Arg { name: None, value }]) => first.filters.push(value),
                ([_], _) => {
                    self.one(op, args);
                }
                _ => self.not_between(op),
            },
            (_, _) if steps_follow => self.not_between(op),
            _ => return false,
        }
        true
    }

    fn not_between(&mut self, op: &Op) {
        let name = &op.name.text;
        let diagnostic =
            Diagnostic::new(Code::Misplaced, op.name.span, format!("`.{name}` cannot stand before a step"));
        self.report(match name.as_str() {
            "where" | "filter" => diagnostic.help("write the condition into the step: `-> B where …`"),
            _ => diagnostic
                .help("move it behind the last step, or declare a stream that does it and let the sequence read that"),
        });
    }

    fn follow(&mut self, step: &'a ast::Step, outline: &mut Outline<'a>) {
        if let Some(pattern) = self.pattern(&step.event) {
            if step.all || step.not || step.trend.is_some() || step.predicate.is_some() || step.alias.is_some() {
                self.bare_pattern(&step.event, step.span);
            }
            return self.follow_pattern(pattern, outline);
        }
        outline.steps.push(StepOutline {
            reads: vec![Reads { name: &step.event, source: None, condition: None }],
            all: step.all,
            not: step.not,
            trend: step.trend.as_ref(),
            predicate: step.predicate.as_ref(),
            filters: Vec::new(),
            alias: step.alias.as_ref(),
            span: step.span,
        });
    }

    /// The steps of a pattern, which are no patterns themselves.
    fn follow_pattern(&mut self, pattern: &'a Pattern, outline: &mut Outline<'a>) {
        for step in &pattern.steps {
            if self.pattern(&step.event).is_some() {
                let message = format!("`{}` is a pattern, and a pattern consists of events", step.event.text);
                let diagnostic = Diagnostic::new(Code::Misplaced, step.event.span, message)
                    .help("write its steps here, or declare a stream that reads it");
                self.report(diagnostic);
                continue;
            }
            self.follow(step, outline);
        }
        outline.within = pattern.within.map(|(within, _)| within).or(outline.within);
        outline.partition_by = pattern.partition_by.clone().or(outline.partition_by.take());
    }

    fn bare_pattern(&mut self, name: &Name, span: Span) {
        let message = format!("`{}` is a pattern; it has its own steps, predicates and aliases", name.text);
        let diagnostic = Diagnostic::new(Code::Misplaced, span, message)
            .help(format!("write `{}` alone; its aliases can be used here", name.text));
        self.report(diagnostic);
    }

    /// A constant span of time.
    pub(super) fn duration(&mut self, expr: &ast::Expr) -> Option<i64> {
        match expr.kind {
            ast::ExprKind::Duration(nanos) => Some(nanos),
            _ => {
                let diagnostic = Diagnostic::new(Code::BadValue, expr.span, "this is no duration")
                    .help("write a number and its unit: `30s`, `5m`, `1h`");
                self.report(diagnostic);
                None
            }
        }
    }

    /// `field` or `alias.field`: the events of all steps are told apart by the same field.
    fn partition_field(&mut self, expr: &ast::Expr) -> Option<Name> {
        match &expr.kind {
            ast::ExprKind::Name(name) => Some(Name { text: name.clone(), span: expr.span }),
            ast::ExprKind::Member { of, field, .. } if matches!(of.kind, ast::ExprKind::Name(_)) => Some(field.clone()),
            _ => {
                let message = "a sequence is partitioned by a field";
                let diagnostic = Diagnostic::new(Code::WrongArguments, expr.span, message)
                    .help("every step's events need it under the same name; a stream with `.select` can give it one");
                self.report(diagnostic);
                None
            }
        }
    }

    /// What an input of that name is.
    fn read(&self, reads: &Reads<'a>, known: &Known<'_>) -> (Origin, Fields) {
        let of_type = |name: &str| known.shapes.get(name).map_or(Fields::Any, |shape| Fields::Declared(shape.clone()));
        match reads.source {
            Some(source) => (Origin::Source(source), of_type(&reads.name.text)),
            None => self.origin(reads.name, of_type, known.streams),
        }
    }

    fn resolve_sequence(
        &mut self,
        mut outline: Outline<'a>,
        span: Span,
        variables: usize,
        known: &Known<'_>,
    ) -> Option<(Vec<Input>, Sequence, Scope<'a>)> {
        let absence = outline.steps.pop_if(|step| step.not);
        self.check_outline(&outline, absence.as_ref(), span)?;
        let mut inputs = Inputs::default();
        let mut scope = Scope::new(Fields::Any, variables);
        let steps = outline.steps.iter().map(|step| self.alias(step, known)).collect();
        let steps = unambiguous(steps);
        let count = steps.len();
        scope.aliases = Some(Aliases { steps, own: None, captures: Vec::new(), closed: false });

        let mut steps = Vec::new();
        for (index, step) in outline.steps.iter().enumerate() {
            let name = scope.aliases.as_ref().and_then(|aliases| aliases.steps[index].name);
            let candidates = self.candidates(step, index, name, &mut scope, &mut inputs, known);
            if let Some(trend) = step.trend {
                let fields = self.read(&step.reads[0], known).1;
                self.expect_field(&trend.field.text, trend.field.span, &fields);
            }
            steps.push(Step {
                alias: name.map(str::to_owned),
                candidates,
                closure: step.all || step.trend.is_some(),
                trend: step.trend.cloned(),
                span: step.span,
            });
        }
        let absence = absence.map_or(Vec::new(), |step| {
            let alias = step.alias.map(|alias| alias.text.as_str());
            self.candidates(&step, count, alias, &mut scope, &mut inputs, known)
        });
        let mut nots = Vec::new();
        for (name, predicate) in std::mem::take(&mut outline.nots) {
            let step = StepOutline {
                reads: vec![Reads { name, source: None, condition: None }],
                all: false,
                not: true,
                trend: None,
                predicate,
                filters: Vec::new(),
                alias: None,
                span: name.span,
            };
            nots.extend(self.candidates(&step, count, None, &mut scope, &mut inputs, known));
        }
        scope.fields = Fields::Any;
        scope.alias = None;
        scope.qualifiers.clear();
        let by_trend = steps.iter().any(|step| step.trend.is_some());
        let usual = if by_trend { Emission::Longest } else { Emission::Each };
        let sequence = Sequence {
            steps,
            absence,
            nots,
            within: outline.within,
            partition_by: outline.partition_by,
            strict: outline.strict,
            emission: outline.emission.map_or(usual, |(emission, _)| emission),
            trends: false,
            captures: Vec::new(),
        };
        Some((inputs.all, sequence, scope))
    }

    /// What is wrong with a sequence whatever its names mean.
    fn check_outline(&mut self, outline: &Outline<'a>, absence: Option<&StepOutline<'a>>, span: Span) -> Option<()> {
        let misplaced: Vec<&StepOutline> = outline.steps.iter().filter(|step| step.not).collect();
        for step in &misplaced {
            let diagnostic = Diagnostic::new(Code::NeverMatches, step.span, "this pattern can never match")
                .label("an absence can stand in last place only")
                .help(format!("to forbid it between two steps, write `.not({})`", step.reads[0].name.text));
            self.report(diagnostic);
        }
        if !misplaced.is_empty() {
            return None;
        }
        if outline.steps.is_empty() {
            let diagnostic = Diagnostic::new(Code::NeverMatches, span, "this sequence has no step that takes an event")
                .help("an absence needs an event after which it is looked for: `A as a -> NOT B`");
            self.report(diagnostic);
            return None;
        }
        if outline.steps.len() > MAX_STEPS {
            let message = format!("a sequence has at most {MAX_STEPS} steps, not {}", outline.steps.len());
            self.report(Diagnostic::new(Code::LongChain, span, message).help("let a second sequence read this one"));
            return None;
        }
        if let Some(step) = absence {
            if outline.within.is_none() {
                let diagnostic = Diagnostic::new(Code::NeverMatches, step.span, "this pattern can never match")
                    .label("without an end to the wait, nothing is ever known to be absent")
                    .help("say how long to wait: `.within(5m)`");
                self.report(diagnostic);
            }
            if step.all || step.trend.is_some() {
                let diagnostic = Diagnostic::new(Code::WrongArguments, step.span, "an absence is of one event")
                    .help("leave out `all` and the trend");
                self.report(diagnostic);
            }
        }
        let closure = outline.steps.iter().any(|step| step.all || step.trend.is_some());
        if let (Some((_, span)), false) = (outline.emission, closure) {
            let diagnostic = Diagnostic::new(Code::NoEffect, span, "this has no effect on a sequence without `all`")
                .help("leave it out, or write `all` before the step that may take several events");
            self.report(diagnostic);
        }
        let aliases = outline.steps.iter().chain(absence).filter_map(|step| step.alias);
        self.given_twice(aliases.map(|alias| (alias.text.clone(), alias.span)));
        Some(())
    }

    /// A step as expressions see it.
    fn alias(&self, step: &StepOutline<'a>, known: &Known<'_>) -> Alias<'a> {
        let fields: Vec<Fields> = step.reads.iter().map(|reads| self.read(reads, known).1).collect();
        let events: Vec<&str> = step.reads.iter().map(|reads| reads.name.text.as_str()).collect();
        let name = step.alias.map(|alias| alias.text.as_str());
        let fields = match &fields[..] {
            [one] => one.clone(),
            several => Fields::union(events.first().copied().unwrap_or_default(), several),
        };
        Alias { name, events, fields, closure: step.all || step.trend.is_some() }
    }

    /// The events of a step, of an absence or of `.not`, with their predicates resolved.
    fn candidates(
        &mut self,
        step: &StepOutline<'a>,
        own: usize,
        alias: Option<&'a str>,
        scope: &mut Scope<'a>,
        inputs: &mut Inputs,
        known: &Known<'_>,
    ) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for reads in &step.reads {
            let (origin, fields) = self.read(reads, known);
            scope.fields = fields;
            scope.alias = alias;
            scope.qualifiers = vec![&reads.name.text];
            if let Some(aliases) = &mut scope.aliases {
                aliases.own = Some(own);
            }
            let mut conditions = Vec::new();
            for filter in &step.filters {
                conditions.push(self.resolve_of_event("filter", filter, scope));
            }
            for condition in reads.condition.into_iter().chain(step.predicate) {
                conditions.push(self.resolve(condition, scope));
            }
            candidates.push(Candidate { input: inputs.index(origin), predicate: all_of(conditions) });
        }
        if let Some(aliases) = &mut scope.aliases {
            aliases.own = None;
        }
        candidates
    }
}

/// Steps without an alias are called by their event type, if that is nobody else's name.
fn unambiguous(mut steps: Vec<Alias<'_>>) -> Vec<Alias<'_>> {
    for index in 0..steps.len() {
        let [event] = steps[index].events[..] else { continue };
        let meant = |(other, alias): (usize, &Alias)| {
            other != index && (alias.name == Some(event) || alias.events.contains(&event))
        };
        if steps[index].name.is_none() && !steps.iter().enumerate().any(meant) {
            steps[index].name = Some(event);
        }
    }
    steps
}

/// The conditions joined by `and`.
fn all_of(conditions: Vec<Expr>) -> Option<Expr> {
    conditions.into_iter().reduce(|left, right| {
        let span = left.span.to(right.span);
        let kind = ExprKind::Binary { op: BinaryOp::And, left: Box::new(left), right: Box::new(right) };
        Expr { kind, span }
    })
}

/// The inputs of a sequence, each once.
#[derive(Default)]
struct Inputs {
    all: Vec<Input>,
}

impl Inputs {
    fn index(&mut self, from: Origin) -> usize {
        self.all.iter().position(|input| input.from == from).unwrap_or_else(|| {
            self.all.push(Input { from, predicate: None });
            self.all.len() - 1
        })
    }
}
