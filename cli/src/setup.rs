//! From a checked program to connected clients: which properties, which consumers, which producers and files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::time::Duration;

use kolo_engine::check::program::{Connector, ConnectorKind, Kafka, OffsetReset, Property};
use kolo_engine::plan::Plan;
use kolo_sink::kafka::Producer;
use kolo_sink::lines::Lines;
use kolo_sink::{Outlets, Target};
use kolo_source::kafka::{Consumer, ConsumerConfig, Meeting, Options, Reset, Topic};
use rdkafka::ClientConfig;

use crate::connection::Watch;
use crate::outcome::Failure;
use crate::pipeline::Feed;
use crate::properties;

/// How often a plan with state is told the wall time.
const TICK: Duration = Duration::from_millis(500);
/// Timers are no finer than this.
const FINEST_TICK: Duration = Duration::from_millis(5);

/// What the command line says about the connectors, over what the program says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    /// Bootstrap brokers for every Kafka connector.
    pub(crate) brokers: Option<String>,
    /// librdkafka properties for every client.
    pub(crate) properties: Vec<(String, String)>,
    /// Where to begin without a committed offset.
    pub(crate) reset: Option<Reset>,
    /// The promise that the consumer groups have no other members.
    pub(crate) alone: bool,
}

/// What a run reads and writes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mode {
    /// Finish at the ends that the partitions have now.
    pub(crate) until_end: bool,
    /// Produce nothing and commit nothing.
    pub(crate) dry_run: bool,
    /// Repeat every output on standard output.
    pub(crate) echo: bool,
}

/// Connects to whatever the program reads.
///
/// # Errors
/// A source that kolo cannot read, a broker that does not answer, a topic or file that does not exist.
pub(crate) fn feed(plan: &Plan, program_name: &str, overrides: &Overrides, mode: Mode) -> Result<Feed, Failure> {
    if plan.sources().is_empty() && plan.shortest_timer_ns().is_none() {
        return Err(Failure::new(
            "the program reads nothing: no stream has `.from`. To run it over a file, use \
             `kolo simulate -p PROGRAM -e EVENTS`"
                .to_owned(),
        ));
    }
    // One consumer for each connector and group, in order of the first source that needs it.
    let mut groups: BTreeMap<(usize, String), Vec<usize>> = BTreeMap::new();
    let mut files = Vec::new();
    for (number, source) in plan.sources().iter().enumerate() {
        match &plan.connectors()[source.connector].kind {
            ConnectorKind::Kafka(kafka) => {
                let of_connector = kafka.group_id.as_ref().map(|group| group.value.clone());
                let group = overrides
                    .properties
                    .iter()
                    .rev()
                    .find_map(|(key, value)| (key == "group.id").then(|| value.clone()))
                    .or_else(|| source.group_id.clone())
                    .or(of_connector)
                    .unwrap_or_else(|| default_group(program_name));
                groups.entry((source.connector, group)).or_default().push(number);
            }
            ConnectorKind::File { .. } => files.push(&source.topic),
            ConnectorKind::Console => {
                return Err(Failure::new(
                    "a console connector cannot be read from; use a kafka or file one".to_owned(),
                ));
            }
        }
    }
    match (groups.is_empty(), files.as_slice()) {
        // A program of timers reads nothing.
        (_, []) => kafka_feed(plan, groups, overrides, mode),
        (true, [path]) => {
            let file = File::open(path).map_err(|reason| Failure::new(format!("{path}: {reason}")))?;
            let reader = Box::new(BufReader::with_capacity(1 << 20, file));
            Ok(Feed::Lines { name: (*path).clone(), reader, timed: false })
        }
        _ => Err(Failure::new(
            "a run reads from Kafka or from one file; this program reads from more than that. Run one program for each"
                .to_owned(),
        )),
    }
}

/// How often the plan has to be told the wall time.
fn tick_every(plan: &Plan) -> Option<Duration> {
    let timers = plan.shortest_timer_ns().map(|pause| Duration::from_nanos(pause.unsigned_abs() / 2));
    let timers = timers.map(|pause| pause.clamp(FINEST_TICK, TICK));
    timers.or(plan.is_stateful().then_some(TICK))
}

fn kafka_feed(
    plan: &Plan,
    groups: BTreeMap<(usize, String), Vec<usize>>,
    overrides: &Overrides,
    mode: Mode,
) -> Result<Feed, Failure> {
    let mut consumers = Vec::with_capacity(groups.len());
    if plan.is_stateful() && groups.len() > 1 {
        log::warn!(
            target: "kolo",
            "the program has state and reads through {} consumer groups: when one of them rebalances, what the others \
             brought to open windows, sequences and joins is lost; read all topics through one connector and group",
            groups.len()
        );
    }
    for ((number, group), sources) in groups {
        let (connector, kafka) = kafka_of(plan, number);
        let own = sources.iter().flat_map(|&source| &plan.sources()[source].properties);
        let mut client = client(connector, kafka, kolo_source::kafka::DEFAULTS, own, overrides)?;
        log::info!(target: "kolo", "connector {}: consumer group {group}", connector.name.text);
        let meetings = meetings(plan, &sources);
        if plan.is_stateful() {
            assign_eagerly(&connector.name.text, &mut client, &meetings, overrides.alone)?;
        }
        // There the broker says how long a session lasts, and librdkafka refuses to be told.
        if assigned_by_broker(&client) && client.get(SESSION_TIMEOUT) == default_of(SESSION_TIMEOUT) {
            client.remove(SESSION_TIMEOUT);
        }
        client.set("group.id", group);
        // These are how the acknowledged prefix becomes the commit; nothing may turn them round.
        client.set("enable.auto.offset.store", "false").set("auto.offset.reset", "error");
        if mode.until_end {
            client.set("enable.partition.eof", "true");
        }
        if mode.dry_run {
            client.set("enable.auto.commit", "false");
        }
        let topics = sources
            .iter()
            .map(|&number| {
                let source = &plan.sources()[number];
                let reset = overrides.reset.unwrap_or(match source.auto_offset_reset {
                    OffsetReset::Earliest => Reset::Earliest,
                    OffsetReset::Latest => Reset::Latest,
                });
                Topic { name: source.topic.clone(), reset, source: number as u16 }
            })
            .collect();
        let config =
            ConsumerConfig { connector: connector.name.text.clone(), client, topics, meetings, alone: overrides.alone };
        let watch = Watch::new(&connector.name.text, "consumer");
        let connected = Box::new(watch.connected());
        consumers.push(Consumer::connect(config, watch, connected, mode.until_end)?);
    }
    let options = Options {
        until_end: mode.until_end,
        commit: !mode.dry_run,
        tick_every: tick_every(plan),
        // A dry run produces nothing that could have them.
        headers: plan.passes_headers() && !mode.dry_run,
        ..Options::default()
    };
    Ok(Feed::Kafka { consumers, options })
}

/// Where topics of one consumer, which reads `sources`, meet by key.
fn meetings(plan: &Plan, sources: &[usize]) -> Vec<Meeting> {
    let all = plan.meetings().iter().map(|meeting| Meeting {
        stream: meeting.stream.clone(),
        topics: meeting
            .sources
            .iter()
            .filter(|source| sources.contains(source))
            .map(|&source| plan.sources()[source].topic.clone())
            .collect(),
    });
    all.filter(|meeting| meeting.topics.len() > 1).collect()
}

/// The property that a group's newer protocol (KIP-848) does not have.
const SESSION_TIMEOUT: &str = "session.timeout.ms";

/// What kolo sets a consumer's property to where nobody else does.
fn default_of(property: &str) -> Option<&'static str> {
    let found = kolo_source::kafka::DEFAULTS.iter().find(|(key, _)| *key == property);
    found.map(|(_, value)| *value)
}

/// Whether the group uses the newer protocol, in which the broker assigns partitions (KIP-848).
fn assigned_by_broker(client: &ClientConfig) -> bool {
    client.get("group.protocol").is_some_and(|protocol| protocol.eq_ignore_ascii_case("consumer"))
}

/// How the partitions of a program with state are assigned: all anew at each rebalance, as its state begins anew; and
/// where topics meet by key, those of one number to one member.
fn assign_eagerly(
    connector: &str,
    client: &mut ClientConfig,
    meetings: &[Meeting],
    alone: bool,
) -> Result<(), Failure> {
    if assigned_by_broker(client) {
        return Err(Failure::new(format_args!(
            "connector {connector}: a program with state needs group.protocol=classic: with the other one, some partitions \
             stay where they are while the state of all begins anew"
        )));
    }
    let strategy = client.get("partition.assignment.strategy");
    if strategy.is_some_and(|strategy| strategy.contains("cooperative")) {
        return Err(Failure::new(format_args!(
            "connector {connector}: a program with state needs an eager partition.assignment.strategy (range, roundrobin): \
             with a cooperative one, some partitions stay where they are while the state of all begins anew"
        )));
    }
    let Some(Meeting { stream, topics }) = meetings.first().filter(|_| !alone) else { return Ok(()) };
    match strategy {
        None => _ = client.set("partition.assignment.strategy", "range"),
        Some(strategy) if strategy.trim() == "range" => {}
        Some(strategy) => {
            return Err(Failure::new(format_args!(
                "connector {connector}: stream {stream} brings topics {} together by key, which needs \
                 partition.assignment.strategy=range instead of {strategy}: else members of the consumer group would read \
                 equal keys apart. Leave it out, or give --alone if this process is to be the group's only member",
                topics.join(" and ")
            )));
        }
    }
    Ok(())
}

/// Connects to whatever the program writes to. `reader_gone` ends the run when standard output's reader goes away.
///
/// # Errors
/// A broker that does not answer, a topic that cannot be created, a file that cannot be written.
pub(crate) fn outlets(plan: &Plan, overrides: &Overrides, mode: Mode) -> Result<Outlets<Watch>, Failure> {
    let mut outlets = Outlets {
        producers: Vec::new(),
        lines: Vec::new(),
        targets: Vec::new(),
        echo: None,
        reader_gone: Box::new(|| {}),
    };
    let mut producers: BTreeMap<usize, usize> = BTreeMap::new();
    let mut files: BTreeMap<String, usize> = BTreeMap::new();
    if mode.echo && !mode.dry_run {
        outlets.lines.push(Lines::stdout());
        outlets.echo = Some(0);
    }
    for target in plan.targets() {
        if mode.dry_run {
            outlets.targets.push(Target::Null);
            continue;
        }
        let connector = &plan.connectors()[target.connector];
        let place = match &connector.kind {
            ConnectorKind::Kafka(kafka) => {
                let producer = match producers.get(&target.connector) {
                    Some(&producer) => producer,
                    None => {
                        let siblings = plan.targets().iter().filter(|t| t.connector == target.connector);
                        let own = siblings.flat_map(|t| &t.properties);
                        let client = client(connector, kafka, kolo_sink::kafka::DEFAULTS, own, overrides)?;
                        let watch = Watch::new(&connector.name.text, "producer");
                        let connected = Box::new(watch.connected());
                        outlets.producers.push(Producer::new(&connector.name.text, &client, watch, connected)?);
                        producers.insert(target.connector, outlets.producers.len() - 1);
                        outlets.producers.len() - 1
                    }
                };
                let topic = match &target.topic {
                    Some(topic) => Some(outlets.producers[producer].topic(topic.as_bytes())?),
                    None => None,
                };
                Target::Kafka { producer, topic, pass_headers: target.pass_headers }
            }
            ConnectorKind::File { path } => {
                let path = target.topic.clone().unwrap_or_else(|| path.value.clone());
                let number = match files.get(&path) {
                    Some(&number) => number,
                    None => {
                        let lines = Lines::file(&path).map_err(|reason| Failure::new(format!("{path}: {reason}")))?;
                        outlets.lines.push(lines);
                        files.insert(path, outlets.lines.len() - 1);
                        outlets.lines.len() - 1
                    }
                };
                Target::Lines(number)
            }
            ConnectorKind::Console => {
                let number = outlets.echo.or_else(|| files.get("").copied()).unwrap_or_else(|| {
                    outlets.lines.push(Lines::stdout());
                    outlets.lines.len() - 1
                });
                // Standard output is one, however many connectors lead there. No file has the empty name.
                files.insert(String::new(), number);
                Target::Lines(number)
            }
        };
        outlets.targets.push(place);
    }
    Ok(outlets)
}

/// Outlets that go nowhere; every output is a line of `echo`.
pub(crate) fn offline_outlets(plan: &Plan, echo: Option<Lines>) -> Outlets<Watch> {
    Outlets {
        producers: Vec::new(),
        targets: plan.targets().iter().map(|_| Target::Null).collect(),
        echo: echo.as_ref().map(|_| 0),
        lines: echo.into_iter().collect(),
        reader_gone: Box::new(|| {}),
    }
}

fn kafka_of(plan: &Plan, connector: usize) -> (&Connector, &Kafka) {
    let connector = &plan.connectors()[connector];
    match &connector.kind {
        ConnectorKind::Kafka(kafka) => (connector, kafka),
        _ => unreachable!("only Kafka connectors have consumer groups"),
    }
}

/// The complete properties of one client: kolo's defaults, the connector's, its statements' own, the command line's.
fn client<'a>(
    connector: &Connector,
    kafka: &'a Kafka,
    defaults: &[(&str, &str)],
    own: impl Iterator<Item = &'a Property>,
    overrides: &Overrides,
) -> Result<ClientConfig, Failure> {
    let mut client = ClientConfig::new();
    let mut set = |key: &str, value: &str| {
        client.set(properties::canonical(key), value);
    };
    for (key, value) in defaults {
        set(key, value);
    }
    for property in kafka.properties.iter().chain(own) {
        set(&property.key, &property.value);
    }
    let brokers = overrides.brokers.as_ref().or(kafka.brokers.as_ref().map(|brokers| &brokers.value));
    if let Some(brokers) = brokers {
        set("bootstrap.servers", brokers);
    }
    for (key, value) in &overrides.properties {
        set(key, value);
    }
    if client.get("bootstrap.servers").is_none() {
        let name = &connector.name.text;
        return Err(Failure::new(format!(
            "connector {name} names no brokers; write `brokers: \"host:9092\"` in it, or give --brokers"
        )));
    }
    Ok(client)
}

/// The group of a program that names none: the same for every start of the same program.
fn default_group(program_name: &str) -> String {
    let stem = std::path::Path::new(program_name);
    let parts: Vec<&str> = stem.iter().filter_map(|part| part.to_str()).collect();
    // A file that is called like its siblings in other folders, `pipeline.vpl`, is told apart by its folder.
    let tail = parts[parts.len().saturating_sub(2)..].join("-");
    let name: String = tail
        .trim_end_matches(".vpl")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' })
        .collect();
    format!("kolo-{}", name.trim_matches(['-', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_group_is_stable_and_says_which_program() {
        assert_eq!(default_group("scenarios/01_filter/pipeline.vpl"), "kolo-01_filter-pipeline");
        assert_eq!(default_group("./pipeline.vpl"), "kolo-pipeline");
        assert_eq!(default_group("<code>"), "kolo-code");
    }
}
