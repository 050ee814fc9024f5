//! What a sequence consists of, wherever in its stream that is written: the source, `->`, the settings.
//!
//! Nothing is resolved here but the names of patterns, whose steps take their place.

use super::Checker;
use super::program::Emission;
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::ast::{self, Arg, Name, Op, OpKind, Pattern, SourceKind, Span, Trend};

/// A sequence before its names are resolved.
#[derive(Default)]
pub(super) struct Outline<'a> {
    pub(super) steps: Vec<StepOutline<'a>>,
    pub(super) nots: Vec<StepOutline<'a>>,
    pub(super) within: Option<i64>,
    pub(super) partition_by: Option<Name>,
    pub(super) strict: bool,
    /// The emission and where it is asked for.
    pub(super) emission: Option<(Emission, Span)>,
    /// How many of the program's variables are visible.
    pub(super) variables: usize,
    /// The name in `.pattern`.
    pub(super) algebra: Option<&'a Name>,
}

/// A step, an absence, or what ends a run.
#[derive(Clone)]
pub(super) struct StepOutline<'a> {
    pub(super) reads: Vec<Reads<'a>>,
    pub(super) all: bool,
    pub(super) not: bool,
    pub(super) trend: Option<&'a Trend>,
    pub(super) predicate: Option<&'a ast::Expr>,
    /// `.where` and `.filter` between the source and its first `->`.
    pub(super) filters: Vec<&'a ast::Expr>,
    pub(super) alias: Option<&'a Name>,
    /// Steps with the same number may come in any order.
    pub(super) group: Option<usize>,
    pub(super) span: Span,
}

impl<'a> StepOutline<'a> {
    /// A step that takes the events called `name`.
    pub(super) fn of(name: &'a Name) -> Self {
        StepOutline {
            reads: vec![Reads { name, label: None, source: None, condition: None }],
            all: false,
            not: false,
            trend: None,
            predicate: None,
            filters: Vec::new(),
            alias: None,
            group: None,
            span: name.span,
        }
    }
}

/// What a step reads.
#[derive(Clone)]
pub(super) struct Reads<'a> {
    pub(super) name: &'a Name,
    /// Its name in a merge.
    pub(super) label: Option<&'a Name>,
    /// The stream's own `.from`.
    pub(super) source: Option<usize>,
    /// `.where` in a merge.
    pub(super) condition: Option<&'a ast::Expr>,
}

impl Reads<'_> {
    /// Whether it is called so.
    pub(super) fn called(&self, name: &str) -> bool {
        self.label.unwrap_or(self.name).text == name
    }
}

/// What is said of an argument that is no duration.
const WITHIN: &str = "`within` takes a duration";

/// Operations that belong to a sequence itself.
pub(super) const OF_SEQUENCES: &[&str] = &["within", "not", "strict", "stnm", "stam", "each", "longest", "subsets"];

impl<'a> Checker<'a> {
    /// Whether the stream's source and `->` make a sequence.
    pub(super) fn is_sequence(&self, stream: &'a ast::Stream) -> bool {
        let source = match &stream.source.kind {
            SourceKind::Sequence(_) | SourceKind::Named { all: true, .. } => true,
            SourceKind::Named { name, .. } => self.pattern(name).is_some(),
            _ => false,
        };
        source || stream.ops.iter().any(|op| matches!(op.kind, OpKind::Follow(_) | OpKind::Pattern { .. }))
    }

    /// The pattern that a name means, unless a stream has it.
    pub(super) fn pattern(&self, name: &Name) -> Option<&'a Pattern> {
        if self.names.streams.contains(&name.text) { None } else { self.names.patterns.get(&name.text) }
    }

    /// An operation of sequences in a stream that is none.
    pub(super) fn without_sequence(&mut self, op: &Op) {
        let message = format!("`.{}` belongs to a sequence, and this stream has none", op.name.text);
        let diagnostic = Diagnostic::new(Code::Misplaced, op.name.span, message)
            .help("a sequence has steps: `A as a -> B where b.id == a.id as b`");
        self.report(diagnostic);
    }

    pub(super) fn outline_source(
        &mut self,
        stream: &'a ast::Stream,
        source: Option<usize>,
        outline: &mut Outline<'a>,
    ) -> Option<()> {
        let span = stream.source.span;
        match &stream.source.kind {
            SourceKind::Named { all, name, predicate, alias } => {
                let Some(pattern) = self.pattern(name) else {
                    outline.steps.push(StepOutline {
                        all: *all,
                        predicate: predicate.as_ref(),
                        alias: alias.as_ref(),
                        span,
                        ..StepOutline::of(name)
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
                let reads = vec![Reads { name: event, label: None, source, condition: None }];
                outline.steps.push(StepOutline { reads, span, ..StepOutline::of(event) });
            }
            SourceKind::Merge(branches) => {
                let reads = |branch: &'a ast::Branch| Reads {
                    name: &branch.source,
                    label: branch.label.as_ref(),
                    source: None,
                    condition: branch.condition.as_ref(),
                };
                let Some(first) = branches.first() else {
                    let diagnostic = Diagnostic::new(Code::WrongArguments, span, "this merges nothing")
                        .help("name the streams or event types: `merge(A, B)`");
                    self.report(diagnostic);
                    return None;
                };
                let reads = branches.iter().map(reads).collect();
                outline.steps.push(StepOutline { reads, span, ..StepOutline::of(&first.source) });
            }
            SourceKind::Sequence(steps) => {
                for listed in steps {
                    if let Some(within) = &listed.within {
                        outline.within = self.span_of_time(within, 0, outline.variables, WITHIN).or(outline.within);
                    }
                    outline.steps.push(StepOutline {
                        predicate: listed.predicate.as_ref(),
                        alias: Some(&listed.alias),
                        span: listed.alias.span.to(listed.event.span),
                        ..StepOutline::of(&listed.event)
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
    pub(super) fn outline_operation(&mut self, op: &'a Op, steps_follow: bool, outline: &mut Outline<'a>) -> bool {
        match (&op.kind, op.name.text.as_str()) {
            (OpKind::Follow(step), _) => self.follow(step, outline),
            (OpKind::Not { event, predicate }, _) => {
                outline.nots.push(StepOutline { predicate: predicate.as_ref(), ..StepOutline::of(event) });
            }
            (OpKind::Pattern { name, events }, _) => match outline.algebra.replace(name) {
                None => self.outline_algebra(name, events, outline),
                Some(first) => {
                    let diagnostic = Diagnostic::new(Code::Misplaced, op.name.span, "a stream has one `.pattern`")
                        .related(first.span, "the first")
                        .help("declare a second stream");
                    self.report(diagnostic);
                }
            },
            (OpKind::Plain(args), "within") => {
                if let Some(within) = self.one(op, args) {
                    outline.within = self.span_of_time(within, 0, outline.variables, WITHIN).or(outline.within);
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
            all: step.all,
            not: step.not,
            trend: step.trend.as_ref(),
            predicate: step.predicate.as_ref(),
            alias: step.alias.as_ref(),
            span: step.span,
            ..StepOutline::of(&step.event)
        });
    }

    /// The steps of a pattern, which are no patterns themselves.
    pub(super) fn follow_pattern(&mut self, pattern: &'a Pattern, outline: &mut Outline<'a>) {
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
}
