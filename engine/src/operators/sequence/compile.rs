//! Checked sequence to compiled one: the part that all paths share, and what each path feeds into it.
//!
//! Of a captured event only those fields are kept that some predicate or some reader of the matches refers to; all of
//! them where the match is passed on as a whole.

use crate::check::program::{
    AliasFunction, Candidate, Capture, Emission, Expr as Checked, ExprKind, Sequence as Program, Step, Which,
};
use crate::expr::compile::{Compiler, Schema};
use crate::expr::{Expr, RegisterIndex};
use crate::operators::sequence::shape::{Mode, Shape, StepShape, TrendShape};
use crate::syntax::ast::BinaryOp;

/// A sequence, for all paths.
#[derive(Debug)]
pub(crate) struct Sequence {
    pub(super) shape: Shape,
    /// By step: what is kept of its events.
    pub(super) kept: Vec<Vec<Kept>>,
    /// What the readers of a match look at.
    pub(super) outputs: Vec<(RegisterIndex, Read)>,
    /// Where the match as a whole goes, if anyone looks at it; with the aliases of the steps that belong to it.
    pub(super) whole: Option<(RegisterIndex, Vec<WholeStep>)>,
    /// An event without the partition field belongs to all partitions.
    pub(super) everywhere: bool,
}

/// What is kept of an event.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kept {
    Field(String),
    /// All its fields.
    All,
}

/// A step's part in the match as a whole.
#[derive(Debug)]
pub(super) struct WholeStep {
    pub(super) step: usize,
    /// `alias_`
    pub(super) prefix: Box<str>,
    /// Where all fields of an event stand among its values.
    pub(super) place: usize,
}

/// Something of captured events, by the places of their values.
#[derive(Debug, Clone, Copy)]
pub(super) enum Read {
    /// One value of one event, or of [`Which::All`] the array of them.
    Value {
        step: usize,
        which: Which,
        place: usize,
    },
    Count {
        step: usize,
    },
    Aggregate {
        function: AliasFunction,
        step: usize,
        place: usize,
        closure: bool,
    },
    DurationMs,
    MatchCount,
    Truncated,
}

/// What one path brings to a sequence.
#[derive(Debug)]
pub(crate) struct Feed {
    /// The value of the partition field.
    pub(super) key: Option<Expr>,
    /// By step: how its events become events of that step; `None` if they cannot.
    pub(super) steps: Vec<Option<StepFeed>>,
    pub(super) absence: Vec<Predicate>,
    pub(super) nots: Vec<Predicate>,
    /// How many results of [`Predicate`] and of [`Term::Equal`] hold for all runs.
    pub(super) verdicts: usize,
    pub(super) operands: usize,
    /// Its events can do nothing to a run that is open.
    pub(super) only_opens: bool,
}

#[derive(Debug)]
pub(super) struct StepFeed {
    /// One of them has to be true.
    pub(super) predicates: Vec<Predicate>,
    /// What is kept, in the order of the step's [`Kept`].
    pub(super) values: Vec<Expr>,
    /// The field of the step's trend.
    pub(super) trend: Option<(bool, Expr)>,
}

/// Conditions that all have to be true. Those about the event alone come first, and are looked at once an event.
#[derive(Debug, Default)]
pub(super) struct Predicate {
    pub(super) once: Vec<Expr>,
    /// Where the result of `once` is remembered.
    pub(super) verdict: usize,
    pub(super) terms: Vec<Term>,
    /// What `terms` look at, besides [`Term::Equal`].
    pub(super) reads: Vec<(RegisterIndex, Read)>,
}

/// A condition about the event and the run.
#[derive(Debug)]
pub(super) enum Term {
    /// The event's value equals that of a captured event: by far the commonest.
    Equal {
        own: Expr,
        operand: usize,
        step: usize,
        place: usize,
    },
    Other(Expr),
}

impl Sequence {
    /// A sequence of which nothing is known yet; it holds its stage's place.
    pub(crate) fn nothing() -> Self {
        let shape = Shape { steps: Box::default(), absence: false, within: None, strict: false, mode: Mode::Single };
        Sequence { shape, kept: Vec::new(), outputs: Vec::new(), whole: None, everywhere: false }
    }

    /// Begins to collect what is read of matches. What comes behind the sequence is compiled with the schema that this
    /// returns, up to [`finish`](Self::finish).
    pub(crate) fn begin(program: &Program, stream: &str, compiler: &mut Compiler) -> Schema {
        compiler.captured.push(vec![None; program.captures.len()]);
        Schema::Match { event_type: Some(stream.into()), all: compiler.register() }
    }

    /// The register of the partition field's value, of the match that is collected at the moment.
    pub(crate) fn key(program: &Program, compiler: &mut Compiler) -> Option<Expr> {
        let field = program.partition_by.as_ref()?;
        let capture = Capture::Field { step: 0, which: Which::Last, field: field.text.clone() };
        let index = program.captures.iter().position(|known| *known == capture)?;
        Some(compiler.captured(index))
    }

    /// What all paths share, once it is known what is read of matches.
    pub(crate) fn finish(program: &Program, compiler: &mut Compiler, schema: &Schema) -> Self {
        let registers = compiler.captured.pop().unwrap_or_default();
        let mut kept = kept(program);
        let whole = match schema {
            Schema::Match { all, .. } if compiler.whole_matches.contains(all) => {
                let mut steps = Vec::new();
                for (step, shape) in program.steps.iter().enumerate() {
                    if let Some(alias) = &shape.alias {
                        let place = place(&mut kept[step], Kept::All);
                        steps.push(WholeStep { step, prefix: format!("{alias}_").into(), place });
                    }
                }
                Some((*all, steps))
            }
            _ => None,
        };
        let outputs = reads(registers, program, &kept);
        let shape = shape(program, &kept);
        let everywhere = program.trends && program.partition_by.is_some();
        Sequence { shape, kept, outputs, whole, everywhere }
    }
}

/// What is to be read into the registers that were asked for.
fn reads(registers: Vec<Option<RegisterIndex>>, program: &Program, kept: &[Vec<Kept>]) -> Vec<(RegisterIndex, Read)> {
    let registers = registers.into_iter().zip(&program.captures);
    registers.filter_map(|(register, capture)| Some((register?, read(capture, program, kept)?))).collect()
}

/// What the expressions of a program keep of each step's events.
fn kept(program: &Program) -> Vec<Vec<Kept>> {
    let mut kept = vec![Vec::new(); program.steps.len()];
    for capture in &program.captures {
        match capture {
            Capture::Field { step, field, .. } | Capture::Aggregate { step, field, .. } => {
                place(&mut kept[*step], Kept::Field(field.clone()));
            }
            Capture::Event { step, .. } => {
                place(&mut kept[*step], Kept::All);
            }
            Capture::Count { .. } | Capture::DurationMs | Capture::MatchCount | Capture::Truncated => {}
        }
    }
    for (step, trend) in
        program.steps.iter().enumerate().filter_map(|(step, shape)| Some((step, shape.trend.as_ref()?)))
    {
        for kept in &mut kept[step.saturating_sub(1)..=step] {
            place(kept, Kept::Field(trend.field.text.clone()));
        }
    }
    kept
}

/// Where something stands among the values of an event; it is added if it is new.
fn place(kept: &mut Vec<Kept>, wanted: Kept) -> usize {
    kept.iter().position(|kept| *kept == wanted).unwrap_or_else(|| {
        kept.push(wanted);
        kept.len() - 1
    })
}

fn shape(program: &Program, kept: &[Vec<Kept>]) -> Shape {
    let find = |step: usize, field: &str| {
        kept[step].iter().position(|kept| matches!(kept, Kept::Field(name) if name == field))
    };
    let steps = program.steps.iter().enumerate().map(|(step, shape)| StepShape {
        closure: shape.closure,
        trend: shape.trend.as_ref().and_then(|trend| {
            let before = step.checked_sub(1).and_then(|step| find(step, &trend.field.text));
            Some(TrendShape { own: find(step, &trend.field.text)?, before })
        }),
        group: {
            let together = |other: &&Step| other.group == shape.group;
            let after = program.steps[step..].iter().take_while(together).count();
            let before = program.steps[..step].iter().rev().take_while(together).count();
            (step - before, step + after)
        },
    });
    let steps: Box<[StepShape]> = steps.collect();
    let mode = match program.emission {
        _ if program.trends => Mode::Trends,
        emission if steps.iter().any(|step| step.closure) => Mode::Closure(emission),
        Emission::Each | Emission::Longest | Emission::Subsets => Mode::Single,
    };
    Shape { steps, absence: !program.absence.is_empty(), within: program.within, strict: program.strict, mode }
}

/// Where a capture is read. All that it needs is kept, so it is always found.
fn read(capture: &Capture, program: &Program, kept: &[Vec<Kept>]) -> Option<Read> {
    let find = |step: usize, wanted: &Kept| kept[step].iter().position(|kept| kept == wanted);
    let field = |field: &String| Kept::Field(field.clone());
    Some(match capture {
        Capture::Field { step, which, field: name } => {
            Read::Value { step: *step, which: *which, place: find(*step, &field(name))? }
        }
        Capture::Event { step, which } => Read::Value { step: *step, which: *which, place: find(*step, &Kept::All)? },
        Capture::Count { step } => Read::Count { step: *step },
        Capture::Aggregate { function, step, field: name } => Read::Aggregate {
            function: *function,
            step: *step,
            place: find(*step, &field(name))?,
            closure: program.steps[*step].closure,
        },
        Capture::DurationMs => Read::DurationMs,
        Capture::MatchCount => Read::MatchCount,
        Capture::Truncated => Read::Truncated,
    })
}

impl Feed {
    /// Compiles what events of these inputs of the stream bring, whose fields on this path are those of `schema`.
    pub(crate) fn compile(
        program: &Program,
        sequence: &Sequence,
        inputs: &[usize],
        compiler: &mut Compiler,
        schema: &Schema,
    ) -> Self {
        let mut feed = Feed {
            key: program.partition_by.as_ref().map(|field| compiler.field(&field.text, schema)),
            steps: Vec::new(),
            absence: Vec::new(),
            nots: Vec::new(),
            verdicts: 0,
            operands: 0,
            only_opens: false,
        };
        for (step, checked) in program.steps.iter().enumerate() {
            let predicates = feed.predicates(&checked.candidates, program, sequence, inputs, compiler, schema);
            let step = (!predicates.is_empty()).then(|| StepFeed {
                predicates,
                values: sequence.kept[step]
                    .iter()
                    .map(|kept| match kept {
                        Kept::Field(name) => compiler.field(name, schema).untouched(),
                        Kept::All => compiler.event(schema).untouched(),
                    })
                    .collect(),
                trend: checked
                    .trend
                    .as_ref()
                    .map(|trend| (trend.increasing, compiler.field(&trend.field.text, schema))),
            });
            feed.steps.push(step);
        }
        feed.absence = feed.predicates(&program.absence, program, sequence, inputs, compiler, schema);
        feed.nots = feed.predicates(&program.nots, program, sequence, inputs, compiler, schema);
        let advances = (0..feed.steps.len()).any(|step| {
            let again = step > 0 || sequence.shape.steps[0].closure || sequence.shape.steps[0].group.1 > 1;
            again && feed.steps[step].is_some()
        });
        let named = !feed.nots.is_empty() || !feed.absence.is_empty();
        feed.only_opens = !advances && !named && !sequence.shape.breaks();
        feed
    }

    /// The predicates of those candidates that are of these inputs.
    fn predicates(
        &mut self,
        candidates: &[Candidate],
        program: &Program,
        sequence: &Sequence,
        inputs: &[usize],
        compiler: &mut Compiler,
        schema: &Schema,
    ) -> Vec<Predicate> {
        let mut predicates = Vec::new();
        for candidate in candidates.iter().filter(|candidate| inputs.contains(&candidate.input)) {
            let mut predicate = Predicate { verdict: self.verdicts, ..Predicate::default() };
            self.verdicts += 1;
            let mut conditions = Vec::new();
            candidate.predicate.iter().for_each(|all| conjuncts(all, &mut conditions));
            for condition in conditions {
                self.condition(condition, &mut predicate, program, sequence, compiler, schema);
            }
            predicates.push(predicate);
        }
        predicates
    }

    fn condition(
        &mut self,
        condition: &Checked,
        predicate: &mut Predicate,
        program: &Program,
        sequence: &Sequence,
        compiler: &mut Compiler,
        schema: &Schema,
    ) {
        let mut compiled = |expr: &Checked| {
            compiler.captured.push(vec![None; program.captures.len()]);
            let compiled = compiler.expr(expr, schema);
            let registers = compiler.captured.pop().unwrap_or_default();
            (compiled, reads(registers, program, &sequence.kept))
        };
        if let ExprKind::Binary { op: BinaryOp::Equal, left, right } = &condition.kind {
            for (own, other) in [(left, right), (right, left)] {
                if let ExprKind::Captured(capture) = other.kind
                    && let Some(Read::Value { step, which: Which::Last, place }) =
                        read(&program.captures[capture], program, &sequence.kept)
                    && let (own, reads) = compiled(own)
                    && reads.is_empty()
                {
                    predicate.terms.push(Term::Equal { own, operand: self.operands, step, place });
                    self.operands += 1;
                    return;
                }
            }
        }
        let (condition, reads) = compiled(condition);
        if reads.is_empty() {
            predicate.once.push(condition);
        } else {
            predicate.reads.extend(reads);
            predicate.terms.push(Term::Other(condition));
        }
    }
}

/// The conditions that `and` joins.
fn conjuncts<'e>(expr: &'e Checked, all: &mut Vec<&'e Checked>) {
    match &expr.kind {
        ExprKind::Binary { op: BinaryOp::And, left, right } => {
            conjuncts(left, all);
            conjuncts(right, all);
        }
        _ => all.push(expr),
    }
}
