//! Whole programs, Kafka to Kafka, in interleaved rounds.
//!
//! For every program and number of partitions: the input is loaded before anything is timed; then, round after round,
//! the relay with its best settings, the relay with kolo's, and kolo read it one after the other, each into topics of its
//! own. Interleaving lets whatever else the machine does fall on all alike, and ratios are taken within a round.
//!
//! - Rate: records in, divided by the time from the first to the last output by the broker's own clock (LogAppendTime).
//! - Processor time: user and system time of the engine's process and its children, start to end, per record in.
//! - Every output of every round is compared by value and order with `kolo_source::generate`; kolo's committed offsets
//!   must be the ends of its input. A difference ends the benchmark with exit code 1 and leaves the output topics to be
//!   looked at.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{self, Command};
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use kolo_source::generate::Program;

use crate::Result;
use crate::broker::{Broker, Written};
use crate::child::{self, Usage};
use crate::relay::Settings;
use crate::report;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Bootstrap brokers
    #[arg(long, env = "KOLO_TEST_BROKERS", default_value = "127.0.0.1:9092")]
    pub(crate) brokers: String,
    /// Programs to run, separated by commas
    #[arg(long, value_delimiter = ',', default_values_t = Program::ALL, value_parser = program_names())]
    pub(crate) programs: Vec<Program>,
    /// Numbers of partitions to run each program with, separated by commas
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8], value_parser = clap::value_parser!(i32).range(1..=1000))]
    pub(crate) partitions: Vec<i32>,
    /// Engines to run, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Engine::Relay, Engine::RelayKolo, Engine::Kolo])]
    pub(crate) engines: Vec<Engine>,
    /// Records to load
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) events: u64,
    /// Rounds that count
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Rounds before those, which warm the broker up and do not count
    #[arg(long, default_value_t = 1)]
    pub(crate) warm_up: u32,
    /// The kolo to measure [default: the one beside this program]
    #[arg(long)]
    pub(crate) kolo: Option<PathBuf>,
    /// A further argument for `kolo run`; may be given several times
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) kolo_arg: Vec<String>,
    /// Seconds that one run may take
    #[arg(long, default_value_t = 120)]
    pub(crate) timeout_s: u64,
    /// Also write the figures to this file, as JSON
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

pub(crate) fn program_names() -> impl TypedValueParser<Value = Program> {
    PossibleValuesParser::new(Program::ALL.map(Program::name)).try_map(|name| name.parse())
}

/// Who runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// The bare relay with the fastest settings known
    Relay,
    /// The bare relay with kolo's own settings
    RelayKolo,
    /// kolo
    Kolo,
}

impl Engine {
    /// As the table has it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Engine::Relay => "relay",
            Engine::RelayKolo => "relay, kolo's settings",
            Engine::Kolo => "kolo",
        }
    }
}

/// One program on one number of partitions.
pub(crate) struct Case {
    /// What runs.
    pub(crate) program: Program,
    /// Of the input, and of every output.
    pub(crate) partitions: i32,
    /// Per engine, in the order of [`Options::engines`]: its rounds.
    pub(crate) rounds: Vec<Vec<Round>>,
}

/// One run of one engine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    /// Records in, a second, between the first and the last output.
    pub(crate) records_per_s: f64,
    /// Processor time per record in.
    pub(crate) cpu_ns: f64,
    /// Peak resident memory, in MB of 10⁶ bytes.
    pub(crate) peak_mb: f64,
    /// From the start of the process to the first output.
    pub(crate) first_output_ms: f64,
    /// Outputs per record in.
    pub(crate) outputs_per_record: f64,
}

/// Runs everything, prints a table, writes the JSON.
pub(crate) fn run(options: &Options) -> Result<()> {
    let kolo = match options.engines.contains(&Engine::Kolo) {
        true => child::kolo(options.kolo.as_ref())?,
        false => PathBuf::new(),
    };
    let bench = Bench { options, broker: Broker::connect(&options.brokers)?, kolo };
    let mut cases = Vec::new();
    for &partitions in &options.partitions {
        for &program in &options.programs {
            let case = bench.case(program, partitions)?;
            print!("{}", report::table(options, &case));
            cases.push(case);
        }
    }
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report::json(options, &cases))?;
        fs::write(path, text + "\n").map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    }
    Ok(())
}

struct Bench<'a> {
    options: &'a Options,
    broker: Broker,
    kolo: PathBuf,
}

impl Bench<'_> {
    /// All rounds of one program on one number of partitions, with an input of its own.
    fn case(&self, program: Program, partitions: i32) -> Result<Case> {
        let input = self.name(&format!("{program}-{partitions}"));
        eprintln!("loading {} records into {input}", self.options.events);
        self.broker.load(&input, program.input(), partitions, self.options.events)?;
        let rounds = self.rounds(program, partitions, &input);
        self.broker.delete(&[input])?;
        Ok(Case { program, partitions, rounds: rounds? })
    }

    /// The rounds that count, per engine.
    fn rounds(&self, program: Program, partitions: i32, input: &str) -> Result<Vec<Vec<Round>>> {
        let Options { engines, warm_up, rounds, .. } = self.options;
        let mut measured = vec![Vec::new(); engines.len()];
        for number in 0..warm_up + rounds {
            for (engine, measured) in engines.iter().zip(&mut measured) {
                let run = Run { bench: self, program, partitions, input, number };
                let round = match engine {
                    Engine::Relay => run.relay(Settings::Tuned),
                    Engine::RelayKolo => run.relay(Settings::Kolo),
                    Engine::Kolo => run.kolo(),
                };
                let (engine, partitions) = (engine.label(), report::counted(partitions, "partition"));
                let round = round.map_err(|error| format!("{engine}, {program}, {partitions}: {error}"))?;
                let warming = if number < *warm_up { " (warming up)" } else { "" };
                eprintln!("{engine:<22} {:>9.0} records/s{warming}", round.records_per_s);
                if number >= *warm_up {
                    measured.push(round);
                }
            }
        }
        Ok(measured)
    }

    /// A topic's or group's name that no other benchmark has at this moment.
    fn name(&self, what: &str) -> String {
        format!("kolo-bench-{}-{what}", process::id())
    }
}

/// One run, about to be made.
struct Run<'a> {
    bench: &'a Bench<'a>,
    program: Program,
    partitions: i32,
    input: &'a str,
    number: u32,
}

impl Run<'_> {
    /// The relay puts the record itself out wherever the program puts something out.
    fn relay(&self, settings: Settings) -> Result<Round> {
        let settings = settings.to_possible_value().expect("no setting is hidden");
        let mut command = Command::new(env::current_exe()?);
        command.args(["relay", "--brokers", self.bench.broker.address(), "--input", self.input]);
        command.args(["--settings", settings.get_name(), "--program", self.program.name()]);
        let name = |topic: &&str| self.bench.name(&format!("relay-{}-{topic}-{}", settings.get_name(), self.number));
        let topics: Vec<String> = self.program.output_topics().iter().map(name).collect();
        for topic in &topics {
            command.args(["--output", topic]);
        }

        self.measure(command, &topics, |topic, i, out| {
            let passes = self.program.expected(topic, i, out);
            out.clear();
            self.program.input().record(i, out);
            passes
        })
    }

    fn kolo(&self) -> Result<Round> {
        let group = self.bench.name(&format!("group-{}", self.number));
        let (mut text, mut topics) = (text_of(self.program).to_string(), Vec::new());
        substitute(&mut text, &quoted(self.program.input_topic()), &quoted(self.input))?;
        substitute(&mut text, "kafka(", &format!("kafka(group_id: {}, ", quoted(&group)))?;
        for topic in self.program.output_topics() {
            let fresh = self.bench.name(&format!("kolo-{topic}-{}", self.number));
            substitute(&mut text, &quoted(topic), &quoted(&fresh))?;
            topics.push(fresh);
        }
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("pipeline.vpl");
        fs::write(&file, text)?;
        let mut command = Command::new(&self.bench.kolo);
        command.arg("run").arg("--file").arg(&file).args(["--quiet", "--until", "end", "--brokers"]);
        command.arg(self.bench.broker.address()).args(&self.bench.options.kolo_arg);

        let round = self.measure(command, &topics, |topic, i, out| self.program.expected(topic, i, out))?;
        self.bench.broker.verify_committed(&group, self.input, self.partitions)?;
        self.bench.broker.delete_group(&group)?;
        Ok(round)
    }

    /// Runs `command`, which writes `topics`; `expected(topic, i, out)` is what record `i` causes on each.
    fn measure(
        &self,
        mut command: Command,
        topics: &[String],
        expected: impl Fn(usize, u64, &mut Vec<u8>) -> bool,
    ) -> Result<Round> {
        let Options { events, timeout_s, .. } = *self.bench.options;
        for topic in topics {
            self.bench.broker.create(topic, self.partitions)?;
        }
        let usage = child::run(&mut command, Duration::from_secs(timeout_s))?;
        let mut written = Written::NOTHING;
        for (index, topic) in topics.iter().enumerate() {
            let expected = |i, out: &mut Vec<u8>| expected(index, i, out);
            written = written.and(self.bench.broker.verify(topic, self.partitions, events, expected)?);
        }
        self.bench.broker.delete(topics)?;
        Round::of(events, usage, written)
    }
}

impl Round {
    fn of(events: u64, usage: Usage, written: Written) -> Result<Round> {
        let took_ms = written.last_ms.saturating_sub(written.first_ms);
        if took_ms <= 0 {
            return Err(format!("{events} records are too few to be timed; give --events more").into());
        }
        Ok(Round {
            records_per_s: events as f64 * 1_000.0 / took_ms as f64,
            cpu_ns: usage.cpu_ns as f64 / events as f64,
            peak_mb: usage.peak_rss_bytes as f64 / 1e6,
            first_output_ms: (written.first_ms - usage.started_ms) as f64,
            outputs_per_record: written.count as f64 / events as f64,
        })
    }
}

fn text_of(program: Program) -> &'static str {
    match program {
        Program::Filter => include_str!("../../scenarios/01_filter/pipeline.vpl"),
        Program::FilterWide => include_str!("../../scenarios/01_filter/wide.vpl"),
        Program::Arithmetic => include_str!("../../scenarios/arithmetic/pipeline.vpl"),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// Replaces the one occurrence of `from`.
fn substitute(text: &mut String, from: &str, to: &str) -> Result<()> {
    match text.matches(from).count() {
        1 => *text = text.replace(from, to),
        n => return Err(format!("the program has {n} times {from}, and the benchmark knows what to do with 1").into()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_has_the_places_that_are_filled_in() {
        for program in Program::ALL {
            let mut text = text_of(program).to_string();
            let topics = program.output_topics().iter().copied().chain([program.input_topic()]);
            for place in topics.map(quoted).chain(["kafka(".to_string()]) {
                substitute(&mut text, &place, "").unwrap_or_else(|error| panic!("{program}: {error}"));
            }
        }
    }

    #[test]
    fn a_rate_is_records_in_over_first_to_last_output() {
        let usage = Usage { cpu_ns: 1_000_000, peak_rss_bytes: 3_000_000, started_ms: 900 };
        let written = Written { count: 1_500, first_ms: 1_000, last_ms: 1_500 };
        let round = Round::of(2_000, usage, written).expect("it took some time");
        assert_eq!((round.records_per_s, round.cpu_ns, round.peak_mb), (4_000.0, 500.0, 3.0));
        assert_eq!((round.first_output_ms, round.outputs_per_record), (100.0, 0.75));
        assert!(Round::of(2_000, usage, Written::NOTHING).is_err());
    }
}
