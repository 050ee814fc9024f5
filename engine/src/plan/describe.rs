//! What a program does when it runs, in words: so that nobody has to guess what it costs.
//!
//! A [`Description`] is data; `Display` makes text of it, `serde` JSON. It is made from the checked program, whose
//! expressions are shown as they are written, and from its plan, which knows what is decoded.

use std::fmt;

use serde::Serialize;

use crate::check::keys::{self, Division, State};
use crate::check::program::{
    AggregateFunction, ConnectorKind, Emission, ExprKind, Join, OffsetReset, Operator, Origin, Program, Projection,
    RecordTimestamp, Sequence, Stream, Topic, Window, WindowKind,
};
use crate::decode::RESERVED;
use crate::diagnostic::SourceFile;
use crate::operators::{distinct, join, sequence, window};
use crate::plan::{Meeting, Plan};
use crate::syntax::ast::{JoinKind, Span};

/// What a plan does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Description {
    /// The topics and files that are read.
    pub sources: Vec<SourceDescription>,
    /// The fields that become columns, in order of their names, besides those that tell type and time of every record.
    /// All others are validated and skipped.
    pub decoded: Vec<String>,
    /// Whether every record is kept with all its fields, because some stream passes all of them on or compares them.
    pub keeps_all_fields: bool,
    /// Where topics meet by key, so that they need equal partition counts.
    pub meetings: Vec<MeetingDescription>,
    /// The streams, in order of declaration.
    pub streams: Vec<StreamDescription>,
}

/// A topic or file that is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceDescription {
    /// The connector.
    pub connector: String,
    /// The topic, or the file's path.
    pub topic: String,
    /// The types that streams read from there.
    pub event_types: Vec<String>,
    /// Whether a record without a type is taken to be of the only one of them.
    pub assumes_type: bool,
    /// Where a group without a committed offset begins; `None` for a file.
    pub begins: Option<&'static str>,
    /// By which field the topic is keyed, if a `.from` says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyed_by: Option<String>,
}

/// Topics that meet in state that is kept key by key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MeetingDescription {
    /// The stream that keeps it.
    pub stream: String,
    /// The topics of Kafka connectors.
    pub topics: Vec<String>,
}

/// A stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamDescription {
    /// Its name.
    pub name: String,
    /// What it reads.
    pub reads: Vec<String>,
    /// What it does, in order.
    pub steps: Vec<Step>,
    /// Where its events are published; empty with `output`: they are printed only.
    pub publishes: Vec<String>,
    /// The type of its outputs; `None`: it only feeds other streams.
    pub output: Option<String>,
}

/// One step of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What it does.
    pub does: String,
    /// What it keeps from one event to the next, and at most how much; `None`: nothing.
    pub state: Option<String>,
    /// What it takes for several members of a consumer group to share it; `None` without state, and without Kafka.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<String>,
}

impl Plan {
    /// Describes the plan of `program`, which `source` is the text of.
    pub fn describe(&self, program: &Program, source: &SourceFile) -> Description {
        let kafka = |from: &super::Source| matches!(self.connectors[from.connector].kind, ConnectorKind::Kafka(_));
        let states = if self.sources.iter().any(kafka) { keys::states(program) } else { Vec::new() };
        let describe = Describe { program, source, states };
        let own = self.decoded_fields().filter(|name| !RESERVED.contains(name));
        let mut decoded: Vec<String> = own.map(str::to_owned).collect();
        decoded.sort_unstable();
        Description {
            sources: self.sources.iter().map(|source| describe.source(self, source)).collect(),
            decoded,
            keeps_all_fields: self.keep_fields,
            meetings: self.meetings.iter().filter_map(|meeting| self.meeting(meeting)).collect(),
            streams: (0..program.streams.len()).map(|stream| describe.stream(stream)).collect(),
        }
    }
}

impl Plan {
    /// `None`: fewer than two of them are topics.
    fn meeting(&self, meeting: &Meeting) -> Option<MeetingDescription> {
        let kafka = |source: &&super::Source| matches!(self.connectors[source.connector].kind, ConnectorKind::Kafka(_));
        let sources = meeting.sources.iter().map(|&source| &self.sources[source]).filter(kafka);
        let topics: Vec<String> = sources.map(|source| source.topic.clone()).collect();
        (topics.len() > 1).then(|| MeetingDescription { stream: meeting.stream.clone(), topics })
    }
}

struct Describe<'p> {
    program: &'p Program,
    source: &'p SourceFile,
    /// How the states lie in the partitions of Kafka's topics.
    states: Vec<State<'p>>,
}

impl Describe<'_> {
    fn source(&self, plan: &Plan, source: &super::Source) -> SourceDescription {
        let connector = &plan.connectors[source.connector];
        let mut event_types: Vec<String> =
            source.declared.iter().map(|from| self.program.sources[*from].event.text.clone()).collect();
        event_types.dedup();
        SourceDescription {
            connector: connector.name.text.clone(),
            topic: source.topic.clone(),
            event_types,
            assumes_type: source.event_type.is_some(),
            begins: matches!(connector.kind, ConnectorKind::Kafka(_)).then_some(match source.auto_offset_reset {
                OffsetReset::Earliest => "earliest",
                OffsetReset::Latest => "latest",
            }),
            keyed_by: source
                .declared
                .iter()
                .find_map(|from| Some(self.program.sources[*from].key.as_ref()?.value.clone())),
        }
    }

    fn stream(&self, index: usize) -> StreamDescription {
        let stream: &Stream = &self.program.streams[index];
        let reads = stream.inputs.iter().map(|input| {
            let from = match &input.from {
                Origin::Source(source) => {
                    let source = &self.program.sources[*source];
                    let connector = &self.program.connectors[source.connector].name.text;
                    format!("{} from {connector}, {}", source.event.text, source.topic.value)
                }
                Origin::Event(name) => format!("{name} from anywhere"),
                Origin::Timer(timer) => {
                    let timer = &self.program.timers[*timer];
                    format!("a timer, every {}", Seconds(timer.every_ns))
                }
                Origin::Stream(index) => self.program.streams[*index].name.text.clone(),
            };
            match &input.predicate {
                Some(predicate) => format!("{from} where {}", self.text(predicate.span)),
                None => from,
            }
        });
        let reads = reads.collect();
        let steps = stream.operators.iter().enumerate().map(|(place, operator)| {
            let members = self.states.iter().find(|state| (state.stream, state.operator) == (index, place));
            Step { members: members.map(|state| members_of(operator, state)), ..self.step(operator) }
        });
        let output = stream.output.as_ref();
        let publishes = output.into_iter().flat_map(|output| &output.targets).map(|target| self.target(*target));
        StreamDescription {
            name: stream.name.text.clone(),
            reads,
            steps: steps.collect(),
            publishes: publishes.collect(),
            output: output
                .map(|output| output.event_type.clone().unwrap_or_else(|| "events of their own types".into())),
        }
    }

    /// Every operator has to say here what it does and what it keeps.
    fn step(&self, operator: &Operator) -> Step {
        let (does, state) = match operator {
            Operator::Where(condition) => (format!("where {}", self.text(condition.span)), None),
            Operator::Select(fields) => (format!("select {}", self.projections(fields)), None),
            Operator::Emit(fields) => (format!("emit {}", self.projections(fields)), None),
            Operator::Limit(most) => (format!("limit {most}"), Some("a count".to_owned())),
            Operator::Distinct(value) => {
                let what = value.as_ref().map_or("all fields", |value| self.text(value.span));
                let bound = format!("the last {} values; older ones are forgotten, and counted", distinct::REMEMBERED);
                (format!("distinct {what}"), Some(bound))
            }
            Operator::Map(value) => (format!("map to the entries of {}", self.text(value.span)), None),
            Operator::Process(value) => {
                (format!("process {}, and go on with what it emits", self.text(value.span)), None)
            }
            Operator::Tell(tell) => {
                let to = tell.level.map_or("stderr".to_owned(), |level| format!("the log, as {level}"));
                (format!("tell {to}"), None)
            }
            Operator::Sequence(sequence) => self.sequence(sequence),
            Operator::Join(join) => self.join(join),
            Operator::PartitionBy(key) => (format!("key of what is published: {}", self.text(key.span)), None),
            Operator::Window(window) => self.window(window),
            Operator::OrderBy(keys) => {
                let keys: Vec<String> = keys
                    .iter()
                    .map(|key| format!("{}{}", self.text(key.value.span), if key.descending { " desc" } else { "" }))
                    .collect();
                (format!("order by {}", keys.join(", ")), Some("the rows of one closing".to_owned()))
            }
        };
        Step { does, state, members: None }
    }

    fn window(&self, window: &Window) -> (String, Option<String>) {
        let mut does = match window.kind {
            WindowKind::Each => "each event by itself".to_owned(),
            WindowKind::Aligned { size_ns, slide_ns } if size_ns == slide_ns => {
                format!("tumbling windows of {}", Seconds(size_ns))
            }
            WindowKind::Aligned { size_ns, slide_ns } => {
                format!("hopping windows of {}, one every {}", Seconds(size_ns), Seconds(slide_ns))
            }
            WindowKind::Sliding { size_ns, slide_ns } => {
                format!("the last {}, every {}", Seconds(size_ns), Seconds(slide_ns))
            }
            WindowKind::Count { size } => format!("windows of {size} events"),
            WindowKind::SlidingCount { size, slide } => format!("the last {size} events, every {slide}"),
            WindowKind::Session { gap_ns } => format!("sessions, closed by a gap of more than {}", Seconds(gap_ns)),
        };
        if let Some(key) = &window.partition_by {
            does += &format!(", apart for each {}", key.name.text);
        }
        if window.watermark.declared {
            does += &format!(", events up to {} out of order", Seconds(window.watermark.out_of_order_ns));
        }
        if window.allowed_lateness_ns > 0 {
            does += &format!(", open {} longer for late ones", Seconds(window.allowed_lateness_ns));
        }
        let keeps = match &window.aggregate {
            _ if window.kind == WindowKind::Each => None,
            Some(aggregate) => {
                let accumulated = aggregate.calls.iter().all(|call| accumulates(call.function));
                let results: Vec<&str> = aggregate.results.iter().map(|result| result.name.text.as_str()).collect();
                does += &format!(": {}", results.join(", "));
                match window.kind {
                    WindowKind::Aligned { .. } if accumulated => Some(format!(
                        "{} accumulators for each open window of each key, for at most {} of these; beyond that events \
                         are refused, and counted",
                        aggregate.calls.len(),
                        window::MAX_GROUPS
                    )),
                    _ => Some(HELD.to_owned()),
                }
            }
            None => Some(HELD.to_owned()),
        };
        (does, keeps.map(|keeps| keeps.replace("HELD", &window::MAX_HELD.to_string())))
    }

    fn sequence(&self, sequence: &Sequence) -> (String, Option<String>) {
        let steps: Vec<&str> = sequence.steps.iter().map(|step| self.text(step.span)).collect();
        let mut does = format!("match {}", steps.join(" -> "));
        if let Some(key) = &sequence.partition_by {
            does += &format!(", apart for each {}", key.text);
        }
        if sequence.steps.iter().any(|step| step.closure) {
            does += match sequence.emission {
                Emission::Each => ", at each event of a closure",
                Emission::Longest => ", once, with the longest closure",
                Emission::Subsets => ", once for each subset of a closure",
            };
        }
        let keeps = match sequence.within {
            Some(within) => format!("the events of open matches for {}", Seconds(within)),
            None => "the events of open matches, without `.within` until they are complete".to_owned(),
        };
        let keeps = format!(
            "{keeps}; at most {} matches of each key, {} in all, and {} events of a closure, what is beyond is counted",
            sequence::MAX_RUNS,
            sequence::MAX_OPEN_RUNS,
            sequence::MAX_CAPTURED
        );
        (does, Some(keeps))
    }

    fn join(&self, join: &Join) -> (String, Option<String>) {
        let parts: Vec<&str> = join.keys.iter().flatten().map(|part| self.text(part.span)).collect();
        let of = match join.kind {
            JoinKind::Inner => "the last events of all sides",
            JoinKind::Left => "every event of the first side, and the last ones of the others,",
            JoinKind::Right => "every event of the last side, and the last ones of the others,",
            JoinKind::Full => "every event, and the last ones of the other sides,",
        };
        let does = format!("join {of} with equal {}, within {}", parts.join(" and "), Seconds(join.window_ns));
        let keeps = format!(
            "for each key and side the last event, for two windows; at most {} events, beyond that the first to arrive \
             is forgotten, and counted",
            join::MAX_EVENTS
        );
        (does, Some(keeps))
    }

    /// The new fields, and which of them are copied as they came in.
    fn projections(&self, fields: &[Projection]) -> String {
        let of = |copied: bool| {
            let names = fields.iter().filter(|field| matches!(field.value.kind, ExprKind::Field(_)) == copied);
            names.map(|field| field.name.text.as_str()).collect::<Vec<_>>().join(", ")
        };
        match (of(true).as_str(), of(false).as_str()) {
            ("", "") => "no fields".to_owned(),
            (copied, "") => format!("{copied} (copied as they came in)"),
            ("", computed) => format!("{computed} (computed)"),
            (copied, computed) => format!("{copied} (copied as they came in), {computed} (computed)"),
        }
    }

    fn target(&self, index: usize) -> String {
        let target = &self.program.targets[index];
        let connector = &self.program.connectors[target.connector];
        let mut text = connector.name.text.clone();
        match &target.topic {
            Topic::Fixed(topic) if topic.value.is_empty() => {}
            Topic::Fixed(topic) => text += &format!(", {}", topic.value),
            Topic::Computed(expr) => text += &format!(", topic {}", self.text(expr.span)),
        }
        if matches!(connector.kind, ConnectorKind::Kafka(_)) {
            text += &match &target.key {
                Some(key) => format!(", key {}", self.text(key.span)),
                None => ", the input's key".to_owned(),
            };
            if target.record_timestamp == RecordTimestamp::Event {
                text += ", the event's time as the record's timestamp";
            }
            if target.pass_headers {
                text += ", the input's headers";
            }
            if target.record_timestamp == RecordTimestamp::Event || target.pass_headers {
                text += " (a call for each output)";
            }
        }
        text
    }

    fn text(&self, span: Span) -> &str {
        self.source.text().get(span.range()).unwrap_or("…")
    }
}

/// What it takes for several members of a group to share a state, each of which sees some partitions of the topics.
fn members_of(operator: &Operator, state: &State<'_>) -> String {
    match (&state.division, operator) {
        (Division::ByKey, _) => "in several members, too: its topics are keyed so".to_owned(),
        (Division::Across(keyed), _) => {
            format!("in one member only: topic {} is keyed by {}", keyed.topic, keyed.fields[0])
        }
        (Division::Whole(_), Operator::Sequence(_)) => {
            "in one member only, unless events that match lie in partitions of one number".to_owned()
        }
        (Division::Whole(_), _) => "in one member only: this is one state for all events".to_owned(),
        (Division::Unknown, Operator::Join(_)) => {
            "in several members only if all sides' topics are keyed by it, and have as many partitions".to_owned()
        }
        (Division::Unknown, _) => {
            let by = state.by.map_or("it", |(by, _)| by);
            format!("in several members only if its topics are keyed by {by}")
        }
    }
}

/// What a window keeps that needs its events or their values.
const HELD: &str = "the values of events in open windows, at most HELD; beyond that events are refused, and counted";

/// Whether the aggregate is computed without keeping the values.
fn accumulates(function: AggregateFunction) -> bool {
    use AggregateFunction as F;
    match function {
        F::Count | F::Sum | F::Avg | F::Min | F::Max | F::StdDev | F::First | F::Last | F::Ema { .. } => true,
        F::CountDistinct | F::Percentile { .. } | F::Collect => false,
    }
}

/// Nanoseconds, for people.
struct Seconds(i64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0 as f64 / 1e9)
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "reads")?;
        if self.sources.is_empty() {
            writeln!(f, "  nothing by itself: no stream has `.from`")?;
        }
        for source in &self.sources {
            write!(f, "  {}, {}: {}", source.connector, source.topic, source.event_types.join(", "))?;
            if source.assumes_type {
                write!(f, ", also where a record names no type")?;
            }
            if let Some(field) = &source.keyed_by {
                write!(f, "; keyed by {field}")?;
            }
            match source.begins {
                Some(begins) => writeln!(f, "; from {begins} without a committed offset")?,
                None => writeln!(f)?,
            }
        }
        for MeetingDescription { stream, topics } in &self.meetings {
            writeln!(f, "  {} meet by key in {stream}: they need equal partition counts", topics.join(" and "))?;
        }
        writeln!(f, "decodes")?;
        let fields = self.decoded.iter().map(|field| format!(", {field}")).collect::<String>();
        writeln!(f, "  type and time of a record{fields}")?;
        writeln!(
            f,
            "  {}",
            match self.keeps_all_fields {
                true => "and keeps all others, for streams that pass all fields on or compare them",
                false => "all others are validated and skipped",
            }
        )?;
        for stream in &self.streams {
            writeln!(f, "stream {}", stream.name)?;
            for read in &stream.reads {
                writeln!(f, "  reads {read}")?;
            }
            for step in &stream.steps {
                writeln!(f, "  {}", step.does)?;
                if let Some(state) = &step.state {
                    writeln!(f, "      keeps {state}")?;
                }
                if let Some(members) = &step.members {
                    writeln!(f, "      right {members}")?;
                }
            }
            match &stream.output {
                None => writeln!(f, "  only feeds other streams")?,
                Some(output) if stream.publishes.is_empty() => writeln!(f, "  prints {output}")?,
                Some(output) => {
                    for target in &stream.publishes {
                        writeln!(f, "  publishes {output} to {target}")?;
                    }
                }
            }
        }
        let states = self.streams.iter().flat_map(|stream| &stream.steps).filter(|step| step.state.is_some()).count();
        match states {
            0 => write!(f, "keeps no state: an event depends on no other"),
            1 => write!(f, "keeps state in 1 step"),
            _ => write!(f, "keeps state in {states} steps"),
        }
    }
}
