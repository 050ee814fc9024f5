//! Sequences: a source followed by `->`, `sequence(…)`, and streams that read a pattern. All of them come down to steps,
//! each of which takes events of some inputs.
//!
//! 1. The shape first, by `outline`: steps, forbidden events and settings, wherever in the stream they stand.
//! 2. Then the inputs: what several steps read is one input, so that an event reaches the sequence once.
//! 3. Then the predicates, in the order of the steps: each sees the event under test and the steps before it.
//!
//! What follows the sequence is an ordinary chain of operations over its matches.

use std::collections::HashMap;
use std::rc::Rc;

use super::aliases::{Alias, Aliases};
use super::expression::{Fields, Scope, Shape};
use super::outline::{Outline, Reads, StepOutline};
use super::program::{Candidate, Emission, Expr, ExprKind, Input, Origin, Sequence, Step, Watermark};
use super::{Checker, Declared};
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::ast::{BinaryOp, Op, OpKind, Pattern, Span};

/// The most steps of a sequence.
pub(super) const MAX_STEPS: usize = 64;

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
    /// Checks every pattern by itself, whether a stream reads it or not.
    pub(super) fn check_patterns(&mut self, known: &Known<'_>) {
        let patterns: Vec<&'a Pattern> = self.names.patterns.values().collect();
        for pattern in patterns {
            for step in &pattern.steps {
                self.check_read_name(&step.event, None);
            }
            let mut outline = Outline { variables: self.program.variables.len(), ..Outline::default() };
            self.follow_pattern(pattern, &mut outline);
            self.resolve_sequence(outline, pattern.name.span, known);
        }
    }

    /// The sequence of a stream that is one. If it is wrong, the operations over its matches are checked all the same.
    pub(super) fn sequence(
        &mut self,
        declared: Declared<'a>,
        source: Option<usize>,
        known: &Known<'_>,
    ) -> Sequenced<'a> {
        let mut outline = Outline { variables: declared.variables, ..Outline::default() };
        let begun = self.outline_source(declared.stream, source, &mut outline);
        let mut rest = Vec::new();
        let is_step = |op: &Op| matches!(op.kind, OpKind::Follow(_) | OpKind::Pattern { .. });
        let last_step = declared.stream.ops.iter().rposition(is_step);
        for (place, op) in declared.stream.ops.iter().enumerate() {
            if !self.outline_operation(op, last_step.is_some_and(|last| place < last), &mut outline) {
                rest.push(op);
            }
        }
        self.expect_partition_field(&outline, &rest, known);
        let span = declared.stream.name.span;
        let resolved = begun.and_then(|()| self.resolve_sequence(outline, span, known));
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

    /// Warns if events lack the field by which the sequence is partitioned: they would be in a partition of their own.
    fn expect_partition_field(&mut self, outline: &Outline<'a>, rest: &[&Op], known: &Known<'_>) {
        let Some(field) = &outline.partition_by else { return };
        let reads = outline.steps.iter().chain(&outline.nots).flat_map(|step| &step.reads);
        let fields: Vec<Fields> = reads.map(|reads| self.read(reads, known).1).collect();
        // There such events belong to all partitions, so that one step with the field is enough.
        let trends = rest.iter().any(|op| op.name.text == "trend_aggregate");
        if !(trends && fields.iter().any(|fields| fields.possibly(&field.text))) {
            fields.iter().for_each(|fields| self.expect_field(&field.text, field.span, fields));
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
        known: &Known<'_>,
    ) -> Option<(Vec<Input>, Sequence, Scope<'a>)> {
        let absence = outline.steps.pop_if(|step| step.not);
        self.check_outline(&outline, absence.as_ref(), span)?;
        let mut inputs = Inputs::default();
        let mut scope = Scope::new(Fields::Any, outline.variables);
        let steps = outline.steps.iter().map(|step| self.alias(step, known)).collect();
        let steps = unambiguous(steps);
        let count = steps.len();
        scope.aliases = Some(Aliases { steps, own: None, captures: Vec::new(), closed: false, of_join: false });

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
                group: step.group.unwrap_or(index),
                span: step.span,
            });
        }
        let absence = absence.map_or(Vec::new(), |step| {
            let alias = step.alias.map(|alias| alias.text.as_str());
            self.candidates(&step, count, alias, &mut scope, &mut inputs, known)
        });
        let mut nots = Vec::new();
        for step in &outline.nots {
            nots.extend(self.candidates(step, count, None, &mut scope, &mut inputs, known));
        }
        scope.fields = Fields::Captured;
        scope.alias = None;
        scope.qualifiers.clear();
        let by_trend = steps.iter().any(|step| step.trend.is_some());
        let usual = if by_trend { Emission::Longest } else { Emission::Each };
        let sequence = Sequence {
            steps,
            absence,
            nots,
            watermark: Watermark::default(),
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
        self.twice(aliases.map(|alias| (alias.text.clone(), alias.span)), "give one of them another alias");
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
