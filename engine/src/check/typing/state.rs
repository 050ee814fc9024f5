//! What comes out of the operators that keep state: the types of aggregates, of captured events and of joined ones.

use std::rc::Rc;

use super::fields::{Captured, Fields, Known, Row};
use super::kinds::Kinds;
use super::{Streams, Typing, rules};
use crate::check::program::{
    Aggregate, AggregateCall, AggregateFunction, AliasFunction, Capture, Expr, Join, Partitioning, Sequence, Which,
};
use crate::diagnostic::{Code, Diagnostic};

/// What can be ordered, so that there is a least and a greatest.
const ORDERED: Kinds = Kinds::NUMBER.or(Kinds::STR).or(Kinds::TIMESTAMP).or(Kinds::DURATION);

impl Streams<'_> {
    /// The result of an aggregation: the partition field, unless a result has its name, and the results.
    pub(super) fn aggregated(&mut self, aggregate: &Aggregate, by: Option<&Partitioning>, row: &Row) -> Row {
        let partition = by.map(|by| {
            let kinds = self.of(&by.value, row);
            (by.name.text.clone(), Known { kinds, declared: row.declared(&by.value, &[]) })
        });
        let calls: Vec<Known> = aggregate.calls.iter().map(|call| self.aggregate(call, row)).collect();
        let mut typing = Typing { row, aggregates: &calls, variables: self.variables, found: &mut self.found };
        let results = aggregate.results.iter().map(|result| {
            let kinds = typing.of(&result.value);
            (result.name.text.clone(), Known { kinds, declared: row.declared(&result.value, &calls) })
        });
        // Of equal names the last one stays.
        let fields: Vec<(String, Known)> = partition.into_iter().chain(results).collect();
        Row::of(Rc::new(Fields::made(fields)))
    }

    /// One call of an aggregate function. Values that it cannot use are left out, so there has to be one that it can.
    fn aggregate(&mut self, call: &AggregateCall, row: &Row) -> Known {
        use AggregateFunction as F;
        let taken = match call.function {
            F::Count | F::CountDistinct | F::First | F::Last | F::Collect => Kinds::ANY,
            F::Sum | F::Avg | F::StdDev | F::Ema { .. } | F::Percentile { .. } => Kinds::NUMBER,
            F::Min | F::Max => ORDERED,
        };
        let (mut kinds, mut declared) = (Kinds::ANY, None);
        if let Some(argument) = &call.argument {
            kinds = self.of(argument, row);
            if !kinds.without_null().is_empty() && !kinds.meets(taken) {
                self.typing(row).expected(argument, kinds, taken, &format!("{} takes", name_of(call.function)));
                return Known { kinds: Kinds::ANY, declared: None };
            }
            declared = row.declared(argument, &[]);
        }
        let kept = Known { kinds: kinds.or(Kinds::NULL), declared };
        let made = |kinds| Known { kinds, declared: None };
        match call.function {
            F::Count | F::CountDistinct => made(Kinds::INT),
            F::Sum => made(Kinds::FLOAT),
            F::Avg | F::StdDev | F::Ema { .. } | F::Percentile { .. } => made(Kinds::FLOAT.or(Kinds::NULL)),
            F::Min | F::Max | F::First | F::Last => kept,
            F::Collect => made(Kinds::ARRAY.or(Kinds::NULL)),
        }
    }

    /// The match of a sequence, whose steps' conditions see the event under test and what is captured before it.
    pub(super) fn matched(&mut self, sequence: &Sequence, inputs: &[Rc<Fields>]) -> Row {
        let input = |input: usize| inputs.get(input).cloned().unwrap_or_default();
        let steps = sequence.steps.iter().map(|step| {
            let read: Vec<Rc<Fields>> = step.candidates.iter().map(|candidate| input(candidate.input)).collect();
            let fields = if let [one] = &read[..] { one.clone() } else { Rc::new(Fields::of_any(&read)) };
            (fields, step.closure)
        });
        let steps: Vec<(Rc<Fields>, bool)> = steps.collect();
        let captures: Rc<[Captured]> = sequence.captures.iter().map(|capture| captured(capture, &steps)).collect();
        let in_steps = sequence.steps.iter().flat_map(|step| &step.candidates);
        for candidate in in_steps.chain(&sequence.absence).chain(&sequence.nots) {
            if let Some(predicate) = &candidate.predicate {
                self.condition(predicate, &Row { fields: input(candidate.input), captures: captures.clone() });
            }
        }
        let named = sequence.steps.iter().zip(&steps);
        let named = named.filter_map(|(step, (fields, _))| Some((step.alias.as_deref()?, &**fields)));
        Row { fields: Rc::new(Fields::of_match(named)), captures }
    }

    /// The result of a join, whose sides' keys have to be equal.
    pub(super) fn joined(&mut self, join: &Join, sides: &[Rc<Fields>]) -> Row {
        let mut keys: Vec<Vec<(&Expr, Known)>> = Vec::new();
        for (parts, fields) in join.keys.iter().zip(sides) {
            let row = Row::of(fields.clone());
            let parts = parts.iter().map(|part| {
                let kinds = self.of(part, &row);
                (part, Known { kinds, declared: row.declared(part, &[]) })
            });
            keys.push(parts.collect());
        }
        if let Some((first, others)) = keys.split_first() {
            for (one, other) in others.iter().flat_map(|side| first.iter().zip(side)) {
                self.unequal(*one, *other);
            }
        }
        let steps: Vec<(Rc<Fields>, bool)> = sides.iter().map(|side| (side.clone(), false)).collect();
        let captures = join.captures.iter().map(|capture| captured(capture, &steps)).collect();
        Row { fields: Rc::new(Fields::of_sides(sides)), captures }
    }

    /// Warns if two sides' parts of the key are never equal.
    fn unequal(&mut self, (one, a): (&Expr, Known), (other, b): (&Expr, Known)) {
        if rules::equals(a.kinds, b.kinds) {
            return;
        }
        let message = format!("this join never matches: {} is never equal to {}", a.kinds, b.kinds);
        let mut diagnostic = Diagnostic::new(Code::AlwaysSame, other.span, message)
            .label(b.kinds.to_string())
            .related(one.span, a.kinds.to_string());
        for span in [a.declared, b.declared].into_iter().flatten() {
            diagnostic = diagnostic.related(span, "declared here");
        }
        self.found.push(diagnostic);
    }
}

/// What is known of something that is read of the events that `steps` have captured, each with whether it is a closure.
fn captured(capture: &Capture, steps: &[(Rc<Fields>, bool)]) -> Captured {
    let made = |kinds| Captured { known: Known { kinds, declared: None }, unusable: None };
    let field = |step: usize, name: &str| {
        let known = steps.get(step).map_or(Known { kinds: Kinds::ANY, declared: None }, |(of, _)| of.get(name));
        Known { kinds: known.kinds.or(Kinds::NULL), ..known }
    };
    match capture {
        Capture::Field { step, field: name, .. } => Captured { known: field(*step, name), unusable: None },
        Capture::Event { which: Which::All, .. } => made(Kinds::ARRAY),
        Capture::Event { .. } => made(Kinds::MAP.or(Kinds::NULL)),
        Capture::Count { .. } | Capture::DurationMs | Capture::MatchCount => made(Kinds::INT),
        Capture::Truncated => made(Kinds::BOOL),
        Capture::Aggregate { function, step, field: name } => {
            let of = field(*step, name);
            let closure = steps.get(*step).is_some_and(|(_, closure)| *closure);
            // Of the only event of its step an array is what there is to aggregate.
            let elements = !closure && of.kinds.meets(Kinds::ARRAY);
            let usable = elements || of.kinds.without_null().is_empty() || of.kinds.meets(Kinds::NUMBER);
            let unusable = |name| Captured { known: of, unusable: Some(name) };
            match function {
                AliasFunction::Sum if !usable => unusable("sum"),
                AliasFunction::Avg if !usable => unusable("avg"),
                AliasFunction::Sum => made(Kinds::FLOAT),
                AliasFunction::Avg => made(Kinds::FLOAT.or(Kinds::NULL)),
                AliasFunction::Count | AliasFunction::DistinctCount => made(Kinds::INT),
                AliasFunction::Collect => made(Kinds::ARRAY),
                AliasFunction::Min | AliasFunction::Max if elements => made(Kinds::ANY),
                AliasFunction::Min | AliasFunction::Max => Captured { known: of, unusable: None },
            }
        }
    }
}

/// What an aggregate function is called.
fn name_of(function: AggregateFunction) -> &'static str {
    use AggregateFunction as F;
    match function {
        F::Count => "`count`",
        F::CountDistinct => "`count_distinct`",
        F::Sum => "`sum`",
        F::Avg => "`avg`",
        F::Min => "`min`",
        F::Max => "`max`",
        F::StdDev => "`stddev`",
        F::First => "`first`",
        F::Last => "`last`",
        F::Ema { .. } => "`ema`",
        F::Percentile { .. } => "a percentile",
        F::Collect => "`collect`",
    }
}
