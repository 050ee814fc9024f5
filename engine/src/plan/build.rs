//! Checked program to plan.

use std::cell::Cell;
use std::collections::HashMap;

use bumpalo::Bump;

use crate::check::program::{self, BodyStatement, Input, Operator as Checked, Origin, Output, Program, Topic};
use crate::decode::Names;
use crate::expr::compile::{Compiler, Schema, emits_before};
use crate::expr::{Context, Expr, Tally};
use crate::operators::distinct::Distinct;
use crate::operators::filter::Filter;
use crate::operators::join::{self, Join};
use crate::operators::kept::Capture;
use crate::operators::limit::Limit;
use crate::operators::process::{self, Exit, Process};
use crate::operators::project::Project;
use crate::operators::publish::Publish;
use crate::operators::reshape::Reshape;
use crate::operators::sequence::{self, Sequence};
use crate::operators::sort::Sort;
use crate::operators::tell::Tell;
use crate::operators::timer::{TIMERS, Timer};
use crate::operators::window::{self, Window};
use crate::operators::{Feed, Operator, StateCounts, Stateful};
use crate::plan::{
    Chain, End, MAX_CHAINS, MAX_FIELDS, MAX_STAGES, MAX_TARGETS, Meeting, Plan, PlanError, Source, Stage, Target,
};
use crate::resume::stage_mark;
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
        stages: Vec::new(),
        keyed: Vec::new(),
        chains: 0,
    };
    let records = Events { schema: Schema::Record, key: None, projected: false, stage: None, closing: None, input: 0 };
    let mut timers = Vec::new();
    let (mut roots, mut heads): (Vec<Chain>, _) = (Vec::new(), Vec::new());
    for (index, stream) in program.streams.iter().enumerate() {
        for input in &stream.inputs {
            let (event_type, from) = match &input.from {
                Origin::Source(source) => (program.sources[*source].event.text.as_str(), Some(*source)),
                Origin::Event(name) => (name.as_str(), None),
                Origin::Stream(_) => continue,
                Origin::Timer(timer) => {
                    let program::Timer { every_ns, initial_delay_ns } = program.timers[*timer];
                    // Its events have a type and a time, and nothing else.
                    let schema = Schema::Fields { event_type: Some("Timer".into()), fields: Vec::new() };
                    let ticks = Events { schema, stage: Some(TIMERS + timers.len()), ..records.clone() };
                    let chain = builder.chain(index, input, &ticks)?;
                    timers.push(Timer { every_ns, initial_delay_ns, chain });
                    continue;
                }
            };
            roots.push(builder.chain(index, input, &records)?);
            heads.push(Head { event_type, from, except: program.shadowed(stream, input) });
        }
    }
    let Builder { compiler, states, stages, keyed, .. } = builder;
    let fields = compiler.columns.len().max(compiler.registers);
    if fields > MAX_FIELDS {
        return Err(PlanError::Fields(fields));
    }
    if stages.len() > MAX_STAGES {
        return Err(PlanError::Stages(stages.len()));
    }
    let sources = sources(program);
    let mut types: Vec<&str> = Vec::new();
    for head in &heads {
        if !types.contains(&head.event_type) {
            types.push(head.event_type);
        }
    }
    let routes = routes(&heads, &types, &sources);
    let meetings = meetings(program, &sources, &heads, &roots, &stages, &keyed);
    let reaches = |types: &Vec<Vec<u32>>| union(types.iter().flatten().map(|root| &roots[*root as usize].below));
    let reaches = routes.iter().map(reaches).collect();
    Ok(Plan {
        connectors: program.connectors.clone(),
        sources,
        targets: program.targets.iter().map(target).collect(),
        cores: program.cores.clone(),
        columns: Names::new(compiler.columns),
        keep_fields: compiler.keep_fields,
        types: Names::new(types),
        roots,
        routes,
        registers: compiler.registers,
        steps: compiler.steps,
        parameters: compiler.parameters,
        states,
        timers,
        stages,
        reaches,
        meetings,
    })
}

/// What a chain that begins with a record reads.
struct Head<'p> {
    event_type: &'p str,
    /// The only `.from` whose records it reads; `None`: wherever they arrive.
    from: Option<usize>,
    /// The `.from` whose records it does not read, for another chain of the stream does.
    except: Option<usize>,
}

struct Builder<'p> {
    program: &'p Program,
    compiler: Compiler<'p>,
    /// By stream: who reads it, in order of declaration.
    readers: Vec<Vec<(usize, &'p Input)>>,
    /// The state of a stream's operator, by the operator's place in the stream.
    state_of: HashMap<(usize, usize), usize>,
    states: StateCounts,
    stages: Vec<Stage>,
    /// By stage: the name of its stream, if it keeps its state key by key.
    keyed: Vec<Option<&'p str>>,
    chains: usize,
}

/// What is known of the events at some place of a stream.
#[derive(Clone)]
struct Events {
    schema: Schema,
    /// Their key, where that is not their record's.
    key: Option<Expr>,
    /// Whether the stream itself made their fields.
    projected: bool,
    /// The stage whose rows they are, or come of.
    stage: Option<usize>,
    /// The same, where that is the stream's own: then they come in closings.
    closing: Option<usize>,
    /// The number of the stream's input by which they come.
    input: usize,
}

impl<'p> Builder<'p> {
    /// The chain of a stream for `events` that come by `input`, with all that it feeds.
    fn chain(&mut self, index: usize, input: &Input, events: &Events) -> Result<Chain, PlanError> {
        let inputs = &self.program.streams[index].inputs;
        let number = inputs.iter().position(|known| std::ptr::eq(known, input)).unwrap_or_default();
        let events = Events { projected: false, closing: None, input: number, ..events.clone() };
        let mut operators = Vec::new();
        if let Some(predicate) = &input.predicate {
            operators.push(Operator::Filter(Filter { condition: self.compiler.expr(predicate, &events.schema) }));
        }
        self.rest(index, 0, operators, events)
    }

    /// What a stream does with `events` from the operator at `from` on, with all that it feeds.
    fn rest(
        &mut self,
        index: usize,
        from: usize,
        mut operators: Vec<Operator>,
        mut events: Events,
    ) -> Result<Chain, PlanError> {
        let stream = &self.program.streams[index];
        self.chains += 1;
        if self.chains > MAX_CHAINS {
            return Err(PlanError::Chains { stream: stream.name.text.clone() });
        }
        for (place, operator) in stream.operators.iter().enumerate().skip(from) {
            let schema = &events.schema;
            operators.push(match operator {
                Checked::Where(condition) => {
                    Operator::Filter(Filter { condition: self.compiler.expr(condition, schema) })
                }
                Checked::Select(projections) | Checked::Emit(projections) => {
                    let (project, after) = Project::compile(projections, &mut self.compiler, schema);
                    events.schema = after;
                    events.projected = true;
                    if project.is_idle() {
                        continue;
                    }
                    Operator::Project(project)
                }
                Checked::Sequence(sequence) => return self.sequence((index, place), sequence, operators, &events),
                Checked::Map(value) => {
                    let value = self.compiler.expr(value, schema);
                    let register = self.compiler.register();
                    events.schema = Schema::Map { event_type: schema.event_type().map(Box::from), register };
                    events.projected = true;
                    Operator::Reshape(Reshape { value: value.untouched(), register })
                }
                Checked::Tell(tell) => Operator::Tell(Tell::compile(tell, &mut self.compiler, schema)),
                Checked::Process(value) => {
                    let process = self.process(index, place, value, &events)?;
                    let behind = process.exits.iter().flat_map(|exit| exit.readers.iter().chain([&exit.rest]));
                    let below = union(behind.map(|chain| &chain.below));
                    return Ok(Chain { operators, end: End::Process(Box::new(process)), below });
                }
                Checked::Limit(most) => {
                    let state = *self.state_of.entry((index, place)).or_insert(self.states.limits);
                    self.states.limits = self.states.limits.max(state + 1);
                    if let Some(stage) = events.closing {
                        self.stages[stage].limits.push(state);
                    }
                    Operator::Limit(Limit { most: *most, state })
                }
                Checked::Distinct(value) => {
                    let state = *self.state_of.entry((index, place)).or_insert(self.states.distincts);
                    self.states.distincts = self.states.distincts.max(state + 1);
                    if let Some(stage) = events.closing {
                        self.stages[stage].distincts.push(state);
                    }
                    let value = match value {
                        Some(value) => self.compiler.expr(value, schema),
                        None => self.compiler.event(schema),
                    };
                    Operator::Distinct(Distinct { value, state })
                }
                Checked::PartitionBy(field) => {
                    events.key = Some(self.compiler.expr(field, schema));
                    continue;
                }
                Checked::Join(join) => return self.join((index, place), join, operators, &events),
                Checked::Window(window) => return self.window((index, place), window, operators, &events),
                Checked::OrderBy(keys) => return self.order_by((index, place), keys, operators, &events),
            });
        }
        let publish = stream.output.as_ref().map(|output| {
            let Events { schema, projected, key, .. } = &events;
            let compiler = &mut self.compiler;
            Box::new(Publish::compile(output, &self.program.targets, compiler, schema, *projected, key.as_ref()))
        });
        // Downstream, the event is one of this stream.
        match &stream.output {
            None => events.schema.rename(&stream.name.text),
            Some(Output { event_type: Some(name), .. }) => events.schema.rename(name),
            Some(Output { event_type: None, .. }) => {}
        }
        let mut feeds = Vec::new();
        for (reader, input) in self.readers[index].clone() {
            feeds.push(self.chain(reader, input, &events)?);
        }
        // A stream that merely renames another one costs nothing: what it feeds takes its place.
        if operators.is_empty() && publish.is_none() && feeds.len() == 1 {
            return Ok(feeds.remove(0));
        }
        let below = union(feeds.iter().map(|chain| &chain.below));
        Ok(Chain { operators, end: End::Out { publish, feeds }, below })
    }

    /// `.process`, the operator of a stream at `place`, with everything that comes behind it.
    fn process(
        &mut self,
        index: usize,
        place: usize,
        value: &program::Expr,
        events: &Events,
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
                let emitted = Events { schema, projected: true, ..events.clone() };
                let rest = self.rest(index, place + 1, Vec::new(), emitted.clone())?;
                let mut readers = Vec::new();
                for (reader, stream) in program.streams.iter().enumerate() {
                    for input in &stream.inputs {
                        if matches!(&input.from, Origin::Event(name) if name == event_type) {
                            readers.push(self.chain(reader, input, &emitted)?);
                        }
                    }
                }
                exits.push(Exit { site, registers, rest, readers });
            }
        }
        let mut value = self.compiler.expr(value, &events.schema);
        if let Expr::UserCall(call) = &mut value {
            // What the function emits of them is passed on.
            call.args = call.args.iter().map(|arg| arg.clone().untouched()).collect();
        }
        Ok(Process { value, exits })
    }

    /// The end of a chain in the window of a stream. The first path to it brings the stage into being.
    fn window(
        &mut self,
        (index, place): (usize, usize),
        window: &'p program::Window,
        operators: Vec<Operator>,
        events: &Events,
    ) -> Result<Chain, PlanError> {
        let known = self.state_of.get(&(index, place)).copied();
        let stage = match known {
            Some(stage) => stage,
            None => {
                let calls = window.aggregate.as_ref().map(|aggregate| &aggregate.calls);
                let keyed = window.partition_by.is_some() && calls.is_some();
                let key = keyed.then(|| self.compiler.register());
                let results = calls.into_iter().flatten().map(|_| self.compiler.register()).collect();
                let calls = calls.map(|calls| calls.iter().map(|call| call.function).collect());
                let program::Window { kind, allowed_lateness_ns, watermark, .. } = *window;
                let operator = Stateful::Window(Window { kind, allowed_lateness_ns, calls, key, results });
                self.stage((index, place), operator, watermark, window.partition_by.is_some())
            }
        };
        if let Some(upstream) = events.stage.filter(|upstream| !self.stages[stage].upstream.contains(upstream)) {
            self.stages[stage].upstream.push(upstream);
        }
        let key = window.partition_by.as_ref().map(|partition| self.compiler.expr(&partition.value, &events.schema));
        let mut feed = window::Feed { key: key.clone(), arguments: Vec::new(), capture: None };
        match &window.aggregate {
            Some(aggregate) => {
                let arguments = aggregate.calls.iter().map(|call| call.argument.as_ref());
                feed.arguments = arguments
                    .zip(&aggregate.calls)
                    .map(|(argument, call)| {
                        let argument = self.compiler.expr(argument?, &events.schema);
                        Some(if call.function.keeps_values() { argument.untouched() } else { argument })
                    })
                    .collect();
                feed.key = feed.key.map(Expr::untouched);
                if known.is_none() {
                    let rest = self.results((index, place), stage, window, aggregate)?;
                    self.stages[stage].rests.push(rest);
                }
            }
            None => {
                let path = self.stages[stage].rests.len();
                let key = key.as_ref().or(events.key.as_ref());
                let (capture, schema, key, registers) = Capture::compile(path, &events.schema, key, &mut self.compiler);
                feed.capture = Some(capture);
                let projected = events.projected;
                let events = Events { schema, key, projected, stage: Some(stage), closing: Some(stage), input: 0 };
                // In its place before what is behind it is built: another path may come here meanwhile.
                self.stages[stage].rests.push(Chain::nothing());
                self.stages[stage].registers.push(registers);
                self.stages[stage].rests[path] = self.rest(index, place + 1, Vec::new(), events)?;
            }
        }
        let below = union(self.stages[stage].rests.iter().map(|chain| &chain.below));
        self.stages[stage].below = below;
        Ok(Chain { operators, end: End::Stage { feed: Feed::Window(feed), stage }, below: vec![stage] })
    }

    /// The end of a chain in the sequence of a stream. The first path to it brings the stage into being.
    fn sequence(
        &mut self,
        (index, place): (usize, usize),
        sequence: &'p program::Sequence,
        operators: Vec<Operator>,
        events: &Events,
    ) -> Result<Chain, PlanError> {
        let stage = match self.state_of.get(&(index, place)).copied() {
            Some(stage) => stage,
            None => {
                let stage = self.stage(
                    (index, place),
                    Stateful::Sequence(Sequence::nothing()),
                    sequence.watermark,
                    sequence.partition_by.is_some(),
                );
                let schema = Sequence::begin(sequence, &self.program.streams[index].name.text, &mut self.compiler);
                let key = Sequence::key(sequence, &mut self.compiler);
                let matches = Events {
                    schema: schema.clone(),
                    key,
                    projected: false,
                    stage: Some(stage),
                    closing: None,
                    input: 0,
                };
                let rest = self.rest(index, place + 1, Vec::new(), matches)?;
                let operator = Stateful::Sequence(Sequence::finish(sequence, &mut self.compiler, &schema));
                let built = &mut self.stages[stage];
                built.below = rest.below.clone();
                built.rests.push(rest);
                (built.lag_ns, built.operator) = (operator.lag_ns(), operator);
                stage
            }
        };
        if let Some(upstream) = events.stage.filter(|upstream| !self.stages[stage].upstream.contains(upstream)) {
            self.stages[stage].upstream.push(upstream);
        }
        let stream = &self.program.streams[index];
        let inputs = self.program.together(stream, events.input);
        let Stateful::Sequence(operator) = &self.stages[stage].operator else {
            unreachable!("the stage of a sequence is one")
        };
        let feed = sequence::Feed::compile(sequence, operator, &inputs, &mut self.compiler, &events.schema);
        Ok(Chain { operators, end: End::Stage { feed: Feed::Sequence(feed), stage }, below: vec![stage] })
    }

    /// The end of a chain in the join of a stream. The first path to it brings the stage into being.
    fn join(
        &mut self,
        (index, place): (usize, usize),
        join: &'p program::Join,
        operators: Vec<Operator>,
        events: &Events,
    ) -> Result<Chain, PlanError> {
        let stage = match self.state_of.get(&(index, place)).copied() {
            Some(stage) => stage,
            None => {
                let stage = self.stage((index, place), Stateful::Join(Join::nothing()), join.watermark, true);
                let schema = Join::begin(join, &self.program.streams[index].name.text, &mut self.compiler);
                let rows = Events {
                    schema: schema.clone(),
                    key: None,
                    projected: false,
                    stage: Some(stage),
                    closing: None,
                    input: 0,
                };
                let rest = self.rest(index, place + 1, Vec::new(), rows)?;
                let built = &mut self.stages[stage];
                built.below = rest.below.clone();
                built.rests.push(rest);
                built.operator = Stateful::Join(Join::finish(join, &mut self.compiler, &schema));
                stage
            }
        };
        if let Some(upstream) = events.stage.filter(|upstream| !self.stages[stage].upstream.contains(upstream)) {
            self.stages[stage].upstream.push(upstream);
        }
        let Stateful::Join(operator) = &self.stages[stage].operator else { unreachable!("the stage of a join is one") };
        let feed = join::Feed::compile(join, operator, events.input, &mut self.compiler, &events.schema);
        Ok(Chain { operators, end: End::Stage { feed: Feed::Join(feed), stage }, below: vec![stage] })
    }

    /// A new stage, with nothing behind it yet.
    fn stage(
        &mut self,
        place: (usize, usize),
        operator: Stateful,
        watermark: program::Watermark,
        keyed: bool,
    ) -> usize {
        let stage = self.stages.len();
        self.state_of.insert(place, stage);
        let name: &'p str = &self.program.streams[place.0].name.text;
        self.keyed.push(keyed.then_some(name));
        self.stages.push(Stage {
            mark: stage_mark(operator.kind(), name),
            lag_ns: operator.lag_ns(),
            operator,
            watermark,
            upstream: Vec::new(),
            rests: Vec::new(),
            registers: Vec::new(),
            below: Vec::new(),
            limits: Vec::new(),
            distincts: Vec::new(),
            sort: None,
        });
        stage
    }

    /// What the rows of an aggregation go through: its results are computed, and the stream goes on with them.
    fn results(
        &mut self,
        (index, place): (usize, usize),
        stage: usize,
        window: &program::Window,
        aggregate: &program::Aggregate,
    ) -> Result<Chain, PlanError> {
        let Stateful::Window(operator) = &self.stages[stage].operator else {
            unreachable!("the stage of a window is one")
        };
        let key = operator.key.map(Expr::Register);
        let name = window.partition_by.as_ref().map(|partition| partition.name.text.as_str());
        self.compiler.aggregates.clone_from(&operator.results);
        let before = Schema::Fields {
            event_type: Some(self.program.streams[index].name.text.as_str().into()),
            fields: name.into_iter().map(Box::from).zip(key.clone()).collect(),
        };
        let (project, after) = Project::compile(&aggregate.results, &mut self.compiler, &before);
        let (Schema::Fields { event_type, fields: partition }, Schema::Fields { fields: results, .. }) =
            (before, after)
        else {
            unreachable!("a projection makes fields of fields")
        };
        let hidden = |name: &str| results.iter().any(|(result, _)| **result == *name);
        let mut fields = partition;
        fields.retain(|(name, _)| !hidden(name));
        fields.extend(results);
        let operators = if project.is_idle() { Vec::new() } else { vec![Operator::Project(project)] };
        let events = Events {
            schema: Schema::Fields { event_type, fields },
            key,
            projected: true,
            stage: Some(stage),
            closing: Some(stage),
            input: 0,
        };
        self.rest(index, place + 1, operators, events)
    }

    fn order_by(
        &mut self,
        (index, place): (usize, usize),
        keys: &'p [program::OrderKey],
        operators: Vec<Operator>,
        events: &Events,
    ) -> Result<Chain, PlanError> {
        let state = *self.state_of.entry((index, place)).or_insert(self.states.sorts);
        self.states.sorts = self.states.sorts.max(state + 1);
        let stage = events.closing.expect("the checker puts it behind a window");
        self.stages[stage].sort = Some(state);
        let compiled = keys.iter().map(|key| (self.compiler.expr(&key.value, &events.schema), key.descending));
        let keys = compiled.collect();
        let path = self.stages[stage].rests.len().saturating_sub(1);
        let (capture, schema, key, registers) =
            Capture::compile(path, &events.schema, events.key.as_ref(), &mut self.compiler);
        let rest = self.rest(index, place + 1, Vec::new(), Events { schema, key, ..events.clone() })?;
        let below = rest.below.clone();
        Ok(Chain { operators, end: End::Sort(Box::new(Sort { keys, capture, state, rest, registers })), below })
    }
}

impl Chain {
    fn nothing() -> Self {
        Chain { operators: Vec::new(), end: End::Out { publish: None, feeds: Vec::new() }, below: Vec::new() }
    }
}

/// All of them, once each.
fn union<'a>(parts: impl Iterator<Item = &'a Vec<usize>>) -> Vec<usize> {
    let mut all: Vec<usize> = parts.flatten().copied().collect();
    all.sort_unstable();
    all.dedup();
    all
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

/// Which topics meet where state is kept key by key.
fn meetings(
    program: &Program,
    sources: &[Source],
    heads: &[Head],
    roots: &[Chain],
    stages: &[Stage],
    keyed: &[Option<&str>],
) -> Vec<Meeting> {
    let emitted = |name: &str| {
        let mut found = false;
        for function in &program.functions {
            BodyStatement::each_emit(&function.body, &mut |event_type, _| found |= event_type == name);
        }
        found
    };
    let mut reached_by: Vec<Vec<usize>> = vec![Vec::new(); stages.len()];
    for (head, root) in heads.iter().zip(roots) {
        let declare = |known: &dyn Fn(usize) -> bool| {
            let reads = |number: &usize| sources[*number].declared.iter().any(|from| known(*from));
            (0..sources.len()).filter(reads).collect::<Vec<_>>()
        };
        let mut from = match head.from {
            Some(only) => declare(&|from| from == only),
            None => declare(&|from| program.sources[from].event.text == head.event_type),
        };
        if from.is_empty() && !emitted(head.event_type) {
            from = (0..sources.len()).collect();
        }
        let mut waiting = root.below.clone();
        let mut reached = vec![false; stages.len()];
        while let Some(stage) = waiting.pop() {
            if !std::mem::replace(&mut reached[stage], true) {
                reached_by[stage].extend(&from);
                waiting.extend(&stages[stage].below);
            }
        }
    }
    let mut meetings = Vec::new();
    for (mut sources, keyed) in reached_by.into_iter().zip(keyed) {
        sources.sort_unstable();
        sources.dedup();
        if let (Some(stream), [_, _, ..]) = (keyed, &sources[..]) {
            meetings.push(Meeting { stream: (*stream).to_owned(), sources });
        }
    }
    meetings
}

fn target(target: &program::Target) -> Target {
    Target {
        connector: target.connector,
        topic: match &target.topic {
            Topic::Fixed(topic) => Some(topic.value.clone()),
            Topic::Computed(_) => None,
        },
        pass_headers: target.pass_headers,
        properties: target.properties.clone(),
    }
}

fn routes(heads: &[Head], types: &[&str], sources: &[Source]) -> Vec<Vec<Vec<u32>>> {
    // A long program has hundreds of each: heads are looked through only by those of their own type.
    let mut heads_of: HashMap<&str, Vec<(u32, &Head)>> = HashMap::new();
    for (root, head) in (0u32..).zip(heads) {
        heads_of.entry(head.event_type).or_default().push((root, head));
    }
    let heads_of: Vec<_> = types.iter().map(|name| heads_of.remove(name).unwrap_or_default()).collect();
    let reads = |head: &Head, source: Option<&Source>| {
        let from_here = match (head.from, source) {
            (Some(from), Some(source)) => source.declared.contains(&from),
            _ => true,
        };
        let not_elsewhere = match (head.except, source) {
            (Some(except), Some(source)) => !source.declared.contains(&except),
            (Some(_), None) => false,
            (None, _) => true,
        };
        from_here && not_elsewhere
    };
    let roots_of = |heads: &Vec<(u32, &Head)>, source| {
        heads.iter().filter(|(_, head)| reads(head, source)).map(|(root, _)| *root).collect()
    };
    let origins = [None].into_iter().chain(sources.iter().map(Some));
    origins.map(|source| heads_of.iter().map(|heads| roots_of(heads, source)).collect()).collect()
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
