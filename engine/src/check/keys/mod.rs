//! Whether what a program keeps is kept by the same field by which the topics are keyed that it reads.
//!
//! A record's key decides in which partition it lies, and each member of a consumer group sees some partitions only. So a
//! state is right in several members if all events that it needs have the same key, and in one member always.
//!
//! 1. By what a topic is keyed is known where `.from(…, key: field)` says it, and where the program itself writes all that
//!    it reads there. Of other topics nothing is known, and nothing is warned of.
//! 2. `held` follows the fields that hold the key through every operator, under whatever name. What is computed of the key
//!    may be as good as the key: nothing is warned of there either.
//! 3. A window without `.partition_by` is meant to be one for all events. That it wants a single member is for `kolo plan`
//!    to say; a warning says it only where `.from` says by what its topic is keyed. A sequence without it may compare what
//!    is needed in its conditions, and is let be.

mod held;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use super::program::{
    Aggregate, AggregateFunction, BodyStatement, Capture, ConnectorKind, Expr, ExprKind, Join, MAX_DEPTH, Operator,
    Origin, Program, Sequence, Stream, Target, Topic, Window, WindowKind,
};
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::ast::{Name, Span};
use held::{Held, Holds};

/// A topic and by what it is keyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keyed {
    pub(crate) topic: String,
    /// The fields of its records that hold their key; they are equal in every record.
    pub(crate) fields: Vec<String>,
    /// Where that is said.
    span: Span,
    /// It is a `.from` that says it.
    declared: bool,
}

/// How a state lies in the partitions that its stream reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Division {
    /// One state for all events; with a topic that a `.from` says to be keyed, if there is one.
    Whole(Option<Keyed>),
    /// One for each value of what keys the topics.
    ByKey,
    /// One for each value of something, and it is not known by what all of the topics are keyed.
    Unknown,
    /// One for each value of something else than what keys this topic.
    Across(Keyed),
}

/// A state of a program.
pub(crate) struct State<'p> {
    /// Index into [`Program::streams`].
    pub(crate) stream: usize,
    /// Index into [`Stream::operators`].
    pub(crate) operator: usize,
    pub(crate) division: Division,
    /// By what it is divided: the name, and where it is written.
    pub(crate) by: Option<(&'p str, Span)>,
    /// The field that holds the topic's key there.
    instead: Option<String>,
}

/// Warns of states that are divided by something else than what keys their topics. `text` is the program's.
pub(super) fn check(program: &Program, text: &str) -> Vec<Diagnostic> {
    let warning = |state: State<'_>| {
        let stream = &program.streams[state.stream];
        match (state.division, state.by) {
            (Division::Across(keyed), Some((by, span))) => {
                let joins = matches!(stream.operators[state.operator], Operator::Join(_));
                // A name, or an expression of `.on`.
                let by = if joins { text.get(span.range()).unwrap_or("this") } else { by };
                Some(across(&keyed, by, span, state.instead.as_deref(), joins))
            }
            (Division::Whole(Some(keyed)), _) => Some(whole(&keyed, &stream.name)),
            _ => None,
        }
    };
    states(program).into_iter().filter_map(warning).collect()
}

fn across(keyed: &Keyed, by: &str, span: Span, instead: Option<&str>, joins: bool) -> Diagnostic {
    let Keyed { topic, fields, span: place, .. } = keyed;
    let field = &fields[0];
    let (what, help) = match (joins, instead) {
        (true, _) => ("this joins by", "read topics that are keyed by what `.on` compares".to_owned()),
        (_, Some(instead)) => (
            "this keeps a state for each",
            format!("partition by `{instead}`, or read a topic that is keyed by `{by}`"),
        ),
        (_, None) => (
            "this keeps a state for each",
            format!("keep `{field}` and partition by it, or read a topic that is keyed by `{by}`"),
        ),
    };
    let message = format!("{what} `{by}`, and topic {topic} is keyed by `{field}`");
    Diagnostic::new(Code::AcrossPartitions, span, message)
        .label("equal values may lie in several partitions")
        .related(*place, format!("{topic} is keyed by `{field}`"))
        .note("of several members of a group each one sees only some partitions, and so a part of these events")
        .note("if equal values share a partition all the same, name that field in `key:` of `.from`")
        .help(help)
}

fn whole(keyed: &Keyed, stream: &Name) -> Diagnostic {
    let Keyed { topic, fields, span, .. } = keyed;
    let message =
        format!("`{}` keeps one state for all events, and topic {topic} is keyed by `{}`", stream.text, fields[0]);
    Diagnostic::new(Code::AcrossPartitions, stream.span, message)
        .related(*span, format!("{topic} is keyed by `{}`", fields[0]))
        .note("of several members of a group each one sees only some partitions, and has a state of its own for these")
        .help("use `.partition_by`; or leave out `key:`, if the program runs in one member only")
}

/// All states of a program, those of a stream in the order of its operators.
pub(crate) fn states(program: &Program) -> Vec<State<'_>> {
    // What is written depends on what is read, and the other way round: once without what the program writes itself.
    let mut first = Flows::new(program, HashMap::new());
    first.run();
    let written = first.written();
    let mut second = Flows::new(program, written);
    second.run();
    second.states.sort_by_key(|state| (state.stream, state.operator));
    second.states
}

/// Longer names of fields nobody writes.
const MAX_NAME_BYTES: usize = 1_000;

/// Streams that merge streams that merge may come from everywhere under any names; of more than this nothing is known.
const MAX_ORIGINS: usize = 64;

/// Where events come from, as far as their keys are concerned.
#[derive(Clone, Default)]
struct Flow {
    /// The topics of known keys, each with the fields that hold the key now.
    origins: Vec<(Keyed, Held)>,
    /// Some of the events come from where nothing is known of keys.
    unknown: bool,
    /// What holds the key with which `.to` publishes them if it names none.
    own: Held,
}

impl Flow {
    fn unknown() -> Self {
        Flow { unknown: true, ..Flow::default() }
    }

    /// Events of any of these.
    fn merged(flows: &[Flow]) -> Self {
        if let [one] = flows {
            return one.clone();
        }
        let mut origins: Vec<(Keyed, Held)> = Vec::new();
        for origin in flows.iter().flat_map(|flow| &flow.origins) {
            if !origins.contains(origin) {
                origins.push(origin.clone());
            }
            if origins.len() > MAX_ORIGINS {
                return Flow::unknown();
            }
        }
        let unknown = flows.is_empty() || flows.iter().any(|flow| flow.unknown);
        Flow { origins, unknown, own: Held::default() }
    }

    /// The same events after a change of their fields.
    fn changed(self, change: impl Fn(&Held) -> Held) -> Self {
        Flow {
            origins: self.origins.into_iter().map(|(keyed, held)| (keyed, change(&held))).collect(),
            unknown: self.unknown,
            own: change(&self.own),
        }
    }

    /// How a state lies in the partitions that is not divided.
    fn whole(&self) -> Division {
        Division::Whole(self.origins.iter().map(|(keyed, _)| keyed).find(|keyed| keyed.declared).cloned())
    }

    /// How a state lies in the partitions that is divided by something which holds that much of each topic's key.
    fn division(&self, holds: impl Fn(&Held) -> Holds) -> (Division, Option<String>) {
        let mut computed = false;
        for (keyed, held) in &self.origins {
            match holds(held) {
                Holds::Key => {}
                Holds::Perhaps => computed = true,
                Holds::Nothing => return (Division::Across(keyed.clone()), held.any_field()),
            }
        }
        match self.unknown || computed || self.origins.is_empty() {
            true => (Division::Unknown, None),
            false => (Division::ByKey, None),
        }
    }
}

struct Flows<'p> {
    program: &'p Program,
    /// By connector and topic: what is known of the topics that the program writes.
    written: HashMap<(usize, &'p str), Option<Keyed>>,
    /// By event type: where its events come from, once that is known.
    events: HashMap<&'p str, Flow>,
    /// The types that functions emit.
    emitted: HashSet<&'p str>,
    /// By stream: what it lets out, once that is known.
    made: Vec<Option<Flow>>,
    states: Vec<State<'p>>,
}

impl<'p> Flows<'p> {
    fn new(program: &'p Program, written: HashMap<(usize, &'p str), Option<Keyed>>) -> Self {
        let mut emitted = HashSet::new();
        for function in &program.functions {
            BodyStatement::each_emit(&function.body, &mut |event_type, _| _ = emitted.insert(event_type));
        }
        let made = vec![None; program.streams.len()];
        Flows { program, written, events: HashMap::new(), emitted, made, states: Vec::new() }
    }

    fn run(&mut self) {
        for stream in 0..self.program.streams.len() {
            self.made(stream, MAX_DEPTH);
        }
    }

    /// Goes through a stream, after those that it reads; at most `depth` of them feed each other.
    fn made(&mut self, index: usize, depth: usize) -> Flow {
        if let Some(flow) = self.made.get(index).cloned().flatten() {
            return flow;
        }
        let program = self.program;
        let Some(stream) = program.streams.get(index).filter(|_| depth > 0) else { return Flow::unknown() };
        let mut inputs = Vec::new();
        for input in &stream.inputs {
            inputs.push(match &input.from {
                Origin::Source(source) => self.source(*source),
                Origin::Event(name) => self.event(name),
                Origin::Timer(_) => Flow::unknown(),
                Origin::Stream(read) => self.made(*read, depth - 1),
            });
        }
        let mut flow = Flow::merged(&inputs);
        for operator in 0..stream.operators.len() {
            flow = self.behind(index, operator, flow, &inputs);
        }
        self.made[index] = Some(flow.clone());
        flow
    }

    /// The events of a topic.
    fn source(&self, index: usize) -> Flow {
        let source = &self.program.sources[index];
        if !self.is_kafka(source.connector) {
            return Flow::unknown();
        }
        let said = source.key.as_ref().map(|key| Keyed {
            topic: source.topic.value.clone(),
            fields: vec![key.value.clone()],
            span: key.span,
            declared: true,
        });
        let written = self.written.get(&(source.connector, source.topic.value.as_str()));
        let Some(keyed) = said.or_else(|| written.cloned().flatten()) else { return Flow::unknown() };
        let held = Held::of_fields(keyed.fields.iter());
        Flow { origins: vec![(keyed, held.clone())], unknown: false, own: held }
    }

    /// The events of a type, from every topic on which they arrive.
    fn event(&mut self, name: &'p str) -> Flow {
        if let Some(flow) = self.events.get(name) {
            return flow.clone();
        }
        let sources = self.program.sources.iter().enumerate().filter(|(_, source)| source.event.text == name);
        let flows: Vec<Flow> = sources.map(|(index, _)| self.source(index)).collect();
        let mut flow = Flow::merged(&flows);
        flow.unknown |= self.emitted.contains(name);
        self.events.insert(name, flow.clone());
        flow
    }

    fn is_kafka(&self, connector: usize) -> bool {
        matches!(self.program.connectors[connector].kind, ConnectorKind::Kafka(_))
    }

    /// What comes out of an operator.
    fn behind(&mut self, stream: usize, operator: usize, flow: Flow, inputs: &[Flow]) -> Flow {
        let program = self.program;
        match &program.streams[stream].operators[operator] {
            Operator::Where(_)
            | Operator::Limit(_)
            | Operator::Tell(_)
            | Operator::Distinct(_)
            | Operator::OrderBy(_) => flow,
            Operator::Select(fields) | Operator::Emit(fields) => flow.changed(|held| held.projected(fields, &[])),
            Operator::PartitionBy(key) => Flow { own: Held::of_key(key), ..flow },
            // Their fields have nothing to do with those that come in.
            Operator::Map(_) | Operator::Process(_) => Flow::unknown(),
            Operator::Window(window) if window.kind == WindowKind::Each => match &window.aggregate {
                Some(aggregate) => aggregated(&flow, window, aggregate),
                None => flow,
            },
            Operator::Window(window) => {
                let by = window.partition_by.as_ref().map(|by| (by.name.text.as_str(), by.value.span));
                let (division, instead) = match &window.partition_by {
                    Some(by) => flow.division(|held| held.of(&by.value, &[])),
                    None => (flow.whole(), None),
                };
                let kept = flow.divided(&division);
                self.states.push(State { stream, operator, division, by, instead });
                match &window.aggregate {
                    Some(aggregate) => aggregated(&kept, window, aggregate),
                    None => Flow {
                        own: window.partition_by.as_ref().map_or(Held::default(), |by| Held::of_key(&by.value)),
                        ..kept
                    },
                }
            }
            Operator::Sequence(sequence) => {
                let (state, flow) = sequence_state(sequence, inputs);
                self.states.push(State { stream, operator, ..state });
                flow
            }
            Operator::Join(join) => {
                let (states, flow) = join_states(join, inputs);
                self.states.extend(states.into_iter().map(|state| State { stream, operator, ..state }));
                flow
            }
        }
    }

    /// By what the topics are keyed that the program writes; `None` if the keys of some of the records are not known.
    fn written(&self) -> HashMap<(usize, &'p str), Option<Keyed>> {
        let mut written: HashMap<(usize, &'p str), Option<Keyed>> = HashMap::new();
        for (stream, flow) in self.program.streams.iter().zip(&self.made) {
            for target in targets(self.program, stream) {
                let Topic::Fixed(topic) = &target.topic else { continue };
                let held = match &target.key {
                    Some(key) => Held::of_key(key),
                    None => flow.as_ref().map_or(Held::default(), |flow| flow.own.clone()),
                };
                let span = target.key.as_ref().map_or(target.span, |key| key.span);
                let fields = held.fields();
                let keyed =
                    (!fields.is_empty()).then(|| Keyed { topic: topic.value.clone(), fields, span, declared: false });
                written
                    .entry((target.connector, topic.value.as_str()))
                    .and_modify(|known| *known = both(known.take(), keyed.clone()))
                    .or_insert(keyed);
            }
        }
        written
    }
}

fn targets<'p>(program: &'p Program, stream: &'p Stream) -> impl Iterator<Item = &'p Target> {
    stream.output.iter().flat_map(|output| &output.targets).map(|target| &program.targets[*target])
}

/// By what a topic is keyed whose records are of two kinds.
fn both(one: Option<Keyed>, other: Option<Keyed>) -> Option<Keyed> {
    let (mut one, other) = (one?, other?);
    one.fields.retain(|field| other.fields.contains(field));
    (!one.fields.is_empty()).then_some(one)
}

impl Flow {
    /// What comes out of a state. Its results lie where the state does; behind one that does not lie by the key there is
    /// nothing to say of keys, for it has been said.
    fn divided(self, division: &Division) -> Self {
        match division {
            Division::ByKey | Division::Unknown => self,
            Division::Whole(_) | Division::Across(_) => Flow { own: self.own, ..Flow::unknown() },
        }
    }
}

/// The results of an aggregation: they have the partition field and what is made of it.
fn aggregated(flow: &Flow, window: &Window, aggregate: &Aggregate) -> Flow {
    let change = |held: &Held| {
        let call = |call: &super::program::AggregateCall| {
            let holds = call.argument.as_ref().map_or(Holds::Nothing, |argument| held.of(argument, &[]));
            match (call.function, holds) {
                // All events of a group have it in common, if the group is that of a key.
                (
                    AggregateFunction::First
                    | AggregateFunction::Last
                    | AggregateFunction::Min
                    | AggregateFunction::Max,
                    Holds::Key,
                ) => Holds::Key,
                (_, Holds::Nothing) => Holds::Nothing,
                _ => Holds::Perhaps,
            }
        };
        let calls: Vec<Holds> = aggregate.calls.iter().map(call).collect();
        let mut results = held.projected(&aggregate.results, &calls);
        if let Some(by) = &window.partition_by
            && !aggregate.results.iter().any(|result| result.name.text == by.name.text)
        {
            results.insert(&by.name.text, held.of(&by.value, &[]));
        }
        results
    };
    let own = match &window.partition_by {
        Some(by) => change(&Held::of_key(&by.value)),
        None => Held::default(),
    };
    Flow { own, ..flow.clone().changed(change) }
}

/// Placeholders for what the caller fills in.
fn state(division: Division, instead: Option<String>) -> State<'static> {
    State { stream: 0, operator: 0, division, by: None, instead }
}

/// A sequence lies by the key if the events of all of its steps do, and of what ends its runs.
fn sequence_state<'p>(sequence: &'p Sequence, inputs: &[Flow]) -> (State<'p>, Flow) {
    let Some(by) = &sequence.partition_by else { return (state(Division::Whole(None), None), Flow::unknown()) };
    let steps = sequence.steps.iter().flat_map(|step| &step.candidates);
    let read: Vec<Flow> = steps
        .chain(&sequence.absence)
        .chain(&sequence.nots)
        .filter_map(|candidate| inputs.get(candidate.input).cloned())
        .collect();
    let all = Flow::merged(&read);
    let (division, instead) = all.division(|held| held.of_field(&by.text));
    // In a match the field of every alias has the value of the partition.
    let mut held = Held::default();
    let aliases = sequence.steps.iter().filter_map(|step| step.alias.as_deref());
    for step in aliases.filter(|alias| alias.len() + by.text.len() < MAX_NAME_BYTES) {
        held.insert(&format!("{step}_{}", by.text), Holds::Key);
    }
    for (index, capture) in sequence.captures.iter().enumerate() {
        if matches!(capture, Capture::Field { field, .. } if *field == by.text) {
            held.insert_capture(index, Holds::Key);
        }
    }
    let flow = Flow { own: Held::default(), ..all }.changed(|_| held.clone()).divided(&division);
    (State { by: Some((&by.text, by.span)), ..state(division, instead) }, flow)
}

/// A join lies by the key if one part of it is the key of every side.
fn join_states<'p>(join: &'p Join, sides: &[Flow]) -> (Vec<State<'p>>, Flow) {
    let parts = join.keys.first().map_or(0, Vec::len);
    let divisions = |side: usize| {
        let known = (0..parts).filter_map(move |part| Some((join.keys.get(side)?.get(part)?, sides.get(side)?)));
        known.map(|(key, flow)| flow.division(|held| held.of(key, &[]))).collect::<Vec<_>>()
    };
    let by_side: Vec<Vec<(Division, Option<String>)>> = (0..sides.len()).map(divisions).collect();
    let lies_across = |(division, _): &(Division, Option<String>)| matches!(division, Division::Across(_));
    let good = (0..parts).find(|part| !by_side.iter().any(|side| side.get(*part).is_some_and(lies_across)));
    if let Some(part) = good {
        let certain =
            by_side.iter().all(|side| side.get(part).is_some_and(|(division, _)| *division == Division::ByKey));
        let division = if certain { Division::ByKey } else { Division::Unknown };
        let flow = joined(join, part, sides, certain);
        return (vec![state(division, None)], flow);
    }
    // The sides none of whose parts is the key; if there is none, each has another one, and the last is named.
    let mut across: Vec<usize> =
        (0..sides.len()).filter(|side| by_side[*side].iter().all(lies_across) && !by_side[*side].is_empty()).collect();
    if across.is_empty() {
        across.extend((0..sides.len()).rev().find(|side| by_side[*side].iter().any(lies_across)));
    }
    let states = across.into_iter().filter_map(|side| {
        let part = by_side[side].iter().position(lies_across)?;
        let (division, instead) = by_side[side][part].clone();
        Some(State { by: Some(("", join.keys[side][part].span)), ..state(division, instead) })
    });
    (states.collect(), Flow::unknown())
}

/// The results of a join that lies by this part of its key: every side's field that is the part holds it.
fn joined(join: &Join, part: usize, sides: &[Flow], certain: bool) -> Flow {
    let mut held = Held::default();
    for (side, keys) in join.keys.iter().enumerate() {
        let Some(Expr { kind: ExprKind::Field(name), .. }) = keys.get(part) else { continue };
        held.insert(name, Holds::Key);
        for (index, capture) in join.captures.iter().enumerate() {
            if matches!(capture, Capture::Field { step, field, .. } if *step == side && field == name) {
                held.insert_capture(index, Holds::Key);
            }
        }
    }
    let all = Flow::merged(sides);
    let flow = Flow { own: Held::default(), ..all }.changed(|_| held.clone());
    // A result has the key of the record that completes it, which may be any.
    if certain { flow } else { Flow { own: Held::default(), ..flow } }
}
