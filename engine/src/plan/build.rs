//! Checked program to plan.

use std::cell::Cell;
use std::collections::HashMap;

use bumpalo::Bump;

use crate::check::program::{self, BodyStatement, Input, Operator as Checked, Origin, Output, Program, Topic};
use crate::decode::Names;
use crate::expr::compile::{Compiler, Schema, emits_before};
use crate::expr::{Context, Tally};
use crate::operators::distinct::Distinct;
use crate::operators::filter::Filter;
use crate::operators::limit::Limit;
use crate::operators::process::{self, Exit, Process};
use crate::operators::project::Project;
use crate::operators::publish::Publish;
use crate::operators::reshape::Reshape;
use crate::operators::tell::Tell;
use crate::operators::{Operator, StateCounts};
use crate::plan::{Chain, MAX_CHAINS, MAX_FIELDS, MAX_TARGETS, Plan, PlanError, Source, Target};
use crate::value::{Owned, Value};

pub(super) fn plan(program: &Program) -> Result<Plan, PlanError> {
    if program.targets.len() > MAX_TARGETS {
        return Err(PlanError::Targets(program.targets.len()));
    }
    let variables = values_of(program);
    let mut builder = Builder {
        program,
        compiler: Compiler::new(&variables, &program.functions),
        readers: readers(program),
        state_of: HashMap::new(),
        states: StateCounts::default(),
        chains: 0,
    };
    let (mut roots, mut heads) = (Vec::new(), Vec::new());
    for (index, stream) in program.streams.iter().enumerate() {
        for input in &stream.inputs {
            let (event_type, from) = match &input.from {
                Origin::Source(source) => (program.sources[*source].event.text.as_str(), Some(*source)),
                Origin::Event(name) => (name.as_str(), None),
                Origin::Stream(_) => continue,
            };
            roots.push(builder.chain(index, input, &Schema::Record)?);
            heads.push(Head { event_type, from });
        }
    }
    let compiler = builder.compiler;
    let fields = compiler.columns.len().max(compiler.registers);
    if fields > MAX_FIELDS {
        return Err(PlanError::Fields(fields));
    }
    let sources = sources(program);
    let mut types: Vec<&str> = Vec::new();
    for head in &heads {
        if !types.contains(&head.event_type) {
            types.push(head.event_type);
        }
    }
    let routes = routes(&heads, &types, &sources);
    Ok(Plan {
        connectors: program.connectors.clone(),
        sources,
        targets: program.targets.iter().map(target).collect(),
        columns: Names::new(compiler.columns),
        keep_fields: compiler.keep_fields,
        types: Names::new(types),
        roots,
        routes,
        registers: compiler.registers,
        parameters: compiler.parameters,
        states: builder.states,
    })
}

/// What a chain that begins with a record reads.
struct Head<'p> {
    event_type: &'p str,
    /// The only `.from` whose records it reads; `None`: wherever they arrive.
    from: Option<usize>,
}

struct Builder<'p> {
    program: &'p Program,
    compiler: Compiler<'p>,
    /// By stream: who reads it, in order of declaration.
    readers: Vec<Vec<(usize, &'p Input)>>,
    /// The state of a stream's operator, by the operator's place in the stream.
    state_of: HashMap<(usize, usize), usize>,
    states: StateCounts,
    chains: usize,
}

impl Builder<'_> {
    /// The chain of a stream for events that come by `input` and have the fields of `schema`, with all that it feeds.
    fn chain(&mut self, index: usize, input: &Input, schema: &Schema) -> Result<Chain, PlanError> {
        let mut operators = Vec::new();
        if let Some(predicate) = &input.predicate {
            operators.push(Operator::Filter(Filter { condition: self.compiler.expr(predicate, schema) }));
        }
        self.rest(index, 0, operators, schema.clone(), false)
    }

    /// The chain of a stream from its operator at `first` on, behind `operators`. `projected` says whether the stream
    /// itself made the event's fields.
    fn rest(
        &mut self,
        index: usize,
        first: usize,
        mut operators: Vec<Operator>,
        mut schema: Schema,
        mut projected: bool,
    ) -> Result<Chain, PlanError> {
        let stream = &self.program.streams[index];
        self.chains += 1;
        if self.chains > MAX_CHAINS {
            return Err(PlanError::Chains { stream: stream.name.text.clone() });
        }
        for (place, operator) in stream.operators.iter().enumerate().skip(first) {
            operators.push(match operator {
                Checked::Where(condition) => {
                    Operator::Filter(Filter { condition: self.compiler.expr(condition, &schema) })
                }
                Checked::Select(projections) | Checked::Emit(projections) => {
                    let (project, after) = Project::compile(projections, &mut self.compiler, &schema);
                    schema = after;
                    projected = true;
                    if project.is_idle() {
                        continue;
                    }
                    Operator::Project(project)
                }
                // The checker refuses it.
                Checked::Sequence(_) => continue,
                Checked::Map(value) => {
                    let value = self.compiler.expr(value, &schema);
                    let register = self.compiler.register();
                    schema = Schema::Map { event_type: schema.event_type().map(Box::from), register };
                    projected = true;
                    Operator::Reshape(Reshape { value, register })
                }
                Checked::Tell(tell) => Operator::Tell(Tell::compile(tell, &mut self.compiler, &schema)),
                Checked::Process(value) => {
                    let process = Some(self.process(index, place, value, &schema)?);
                    return Ok(Chain { operators, process, publish: None, feeds: Vec::new() });
                }
                Checked::Limit(most) => {
                    let state = *self.state_of.entry((index, place)).or_insert(self.states.limits);
                    self.states.limits = self.states.limits.max(state + 1);
                    Operator::Limit(Limit { most: *most, state })
                }
                Checked::Distinct(value) => {
                    let state = *self.state_of.entry((index, place)).or_insert(self.states.distincts);
                    self.states.distincts = self.states.distincts.max(state + 1);
                    let value = match value {
                        Some(value) => self.compiler.expr(value, &schema),
                        None => self.compiler.event(&schema),
                    };
                    Operator::Distinct(Distinct { value, state })
                }
            });
        }
        let mut publish = stream
            .output
            .as_ref()
            .map(|output| Publish::compile(output, &self.program.targets, &mut self.compiler, &schema, projected));
        // Downstream, the event is one of this stream.
        match &stream.output {
            None => schema.rename(&stream.name.text),
            Some(Output { event_type: Some(name), .. }) => schema.rename(name),
            Some(Output { event_type: None, .. }) => {}
        }
        let (mut feeds, mut process) = (Vec::new(), None);
        for (reader, input) in self.readers[index].clone() {
            feeds.push(self.chain(reader, input, &schema)?);
        }
        // A stream that merely renames another one costs nothing: what it feeds takes its place.
        while operators.is_empty() && publish.is_none() && feeds.len() == 1 {
            Chain { operators, process, publish, feeds } = feeds.remove(0);
        }
        Ok(Chain { operators, process, publish, feeds })
    }

    /// `.process`, the operator of a stream at `place`, with everything that comes behind it.
    fn process(
        &mut self,
        index: usize,
        place: usize,
        value: &program::Expr,
        schema: &Schema,
    ) -> Result<Process, PlanError> {
        let (program, mut called, mut exits) = (self.program, Vec::new(), Vec::new());
        program.visit_calls(value, &mut called);
        for function in called {
            let mut emits = Vec::new();
            BodyStatement::each_emit(&program.functions[function].body, &mut |event_type, fields| {
                emits.push((event_type, fields));
            });
            for (site, (event_type, fields)) in (emits_before(&program.functions, function)..).zip(emits) {
                let (registers, schema) = process::fields_of(event_type, fields, &mut self.compiler);
                let rest = self.rest(index, place + 1, Vec::new(), schema.clone(), true)?;
                let mut readers = Vec::new();
                for (reader, stream) in program.streams.iter().enumerate() {
                    for input in &stream.inputs {
                        if matches!(&input.from, Origin::Event(name) if name == event_type) {
                            readers.push(self.chain(reader, input, &schema)?);
                        }
                    }
                }
                exits.push(Exit { site, registers, rest, readers });
            }
        }
        Ok(Process { value: self.compiler.expr(value, schema), exits })
    }
}

fn readers(program: &Program) -> Vec<Vec<(usize, &Input)>> {
    let mut readers = vec![Vec::new(); program.streams.len()];
    for (reader, stream) in program.streams.iter().enumerate() {
        for input in &stream.inputs {
            if let Origin::Stream(read) = input.from {
                readers[read].push((reader, input));
            }
        }
    }
    readers
}

/// One source for each topic of a connector. Where several `.from` read it, the first one's settings hold.
fn sources(program: &Program) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    for (index, from) in program.sources.iter().enumerate() {
        let same = |source: &&mut Source| source.connector == from.connector && source.topic == from.topic.value;
        match sources.iter_mut().find(same) {
            Some(source) => {
                source.declared.push(index);
                if source.event_type.as_ref() != Some(&from.event.text) {
                    source.event_type = None;
                }
            }
            None => sources.push(Source {
                connector: from.connector,
                topic: from.topic.value.clone(),
                event_type: Some(from.event.text.clone()),
                auto_offset_reset: from.auto_offset_reset,
                group_id: from.group_id.as_ref().map(|group| group.value.clone()),
                properties: from.properties.clone(),
                declared: vec![index],
            }),
        }
    }
    sources
}

fn target(target: &program::Target) -> Target {
    Target {
        connector: target.connector,
        topic: match &target.topic {
            Topic::Fixed(topic) => Some(topic.value.clone()),
            Topic::Computed(_) => None,
        },
        properties: target.properties.clone(),
    }
}

fn routes(heads: &[Head], types: &[&str], sources: &[Source]) -> Vec<Vec<Vec<u32>>> {
    let reads = |head: &Head, name: &str, source: Option<&Source>| {
        let from_here = match (head.from, source) {
            (Some(from), Some(source)) => source.declared.contains(&from),
            _ => true,
        };
        from_here && head.event_type == name
    };
    let roots_of = |name: &str, source| {
        (0u32..).zip(heads).filter(|(_, head)| reads(head, name, source)).map(|(root, _)| root).collect()
    };
    let origins = [None].into_iter().chain(sources.iter().map(Some));
    origins.map(|source| types.iter().map(|name| roots_of(name, source)).collect()).collect()
}

/// The values of the program's variables, each of which may use those before it.
fn values_of(program: &Program) -> Vec<Owned> {
    // A function reads no variable above the one whose value it computes: the checker saw to that. What it reads of
    // others is never asked for.
    let mut values: Vec<Owned> = vec![Owned::Missing; program.variables.len()];
    for (index, variable) in program.variables.iter().enumerate() {
        let nothing = Schema::Fields { event_type: None, fields: Vec::new() };
        let mut compiler = Compiler::new(&values, &program.functions);
        let expr = compiler.expr(&variable.value, &nothing);
        let (arena, tally) = (Bump::new(), Tally::default());
        let parameters: Vec<_> = (0..compiler.parameters).map(|_| Cell::new(Value::Missing)).collect();
        let value = expr.eval(&Context::without_record(&parameters, &arena, &tally)).into();
        drop(expr);
        values[index] = value;
    }
    values
}
