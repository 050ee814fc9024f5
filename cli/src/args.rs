//! The command line: what can be said to kolo, and what holds where nothing is said.
//!
//! Every flag states its default here and nowhere else. What clap can tell to be wrong ends with exit code 2 before
//! anything has begun.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::LazyLock;

use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use clap_complete::Shell;
use kolo_engine::time;
use kolo_ring::Wait;
use kolo_source::generate::Scenario;
use kolo_source::kafka::Reset;
use rdkafka::util::get_rdkafka_version;

use crate::pipeline::{IN_FLIGHT, RingKind};
use crate::report::ReportArgs;
use crate::stderr;

/// Slots that a ring may have at most: half a gigabyte of them.
const MAX_SLOTS: u64 = 1 << 20;
/// Records that may wait for their acknowledgement at most.
const MAX_IN_FLIGHT: u64 = 1 << 24;

static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{} (librdkafka {})", env!("CARGO_PKG_VERSION"), get_rdkafka_version().1));

/// Runs VPL programs over Kafka: Kafka → VPL → Kafka, in one process
///
/// Start with `kolo demo`, which needs no Kafka, then `kolo check` and `kolo run` a program of your own.
#[derive(Debug, Parser)]
#[command(name = "kolo", version = VERSION.as_str(), arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// Say more on stderr: -v what happens, -vv details, -vvv librdkafka's as well
    ///
    /// Without it only warnings and errors are logged. RUST_LOG, where it is set, decides alone.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, display_order = 900)]
    pub(crate) verbose: u8,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What kolo can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(RunArgs),
    Simulate(SimulateArgs),
    Check(CheckArgs),
    Parse(ParseArgs),
    Plan(PlanArgs),
    Test(TestArgs),
    Demo(DemoArgs),
    Generate(GenerateArgs),
    Completions(CompletionsArgs),
}

/// Runs a program against Kafka
///
/// Reads the topics of the program's `.from` as a member of its consumer group, and publishes what its streams put out
/// to the topics of `.to`. The offset of a record is committed only after everything that it caused is acknowledged, so
/// that a crash loses nothing: after a restart the records without acknowledgement are read again.
///
/// It says `Listening for events...` once it has its partitions, and from then on misses nothing. SIGINT or SIGTERM:
/// it takes no more, finishes what it has taken, commits, reports, and exits with 0; a second signal ends it at once
/// with 130.
///
/// Outputs are printed on stdout too, one line of JSON each, unless --quiet is given; nothing else is printed there.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) program: ProgramArgs,

    /// Print no outputs on stdout; only `Listening for events...` appears there
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// Evaluate, but publish nothing and commit nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// When to stop by itself [default: never, only on a signal]
    #[arg(long, value_enum, value_name = "WHEN", help_heading = "What is read")]
    pub(crate) until: Option<Until>,

    /// Where to begin where the group has committed no offset [default: as the program says, else latest]
    ///
    /// `earliest`: with the oldest record. `latest`: with the next one. A time: with the first record whose Kafka
    /// timestamp is not before it, as RFC 3339 (2026-04-12T10:40:00Z) or in milliseconds since 1970. It takes precedence
    /// over every `auto_offset_reset` of the program.
    #[arg(long, value_name = "earliest|latest|TIME", value_parser = parse_from, help_heading = "What is read")]
    pub(crate) from: Option<Reset>,

    /// Bootstrap brokers, as host:port,host:port, instead of those that the program names
    #[arg(long, value_name = "LIST", value_parser = parse_brokers, help_heading = "Kafka")]
    pub(crate) brokers: Option<String>,

    /// A librdkafka property for every consumer and producer to which it applies; may be repeated
    ///
    /// It takes precedence over what the program sets. For example: -X linger.ms=20 -X client.id=filter
    #[arg(short = 'X', value_name = "KEY=VALUE", help_heading = "Kafka")]
    pub(crate) properties: Vec<Property>,

    /// Promise that this process is the only member of its consumer groups
    ///
    /// Topics that a join, or a window or sequence with .partition_by, brings together by key then need no equal partition
    /// counts. The run stops as soon as another member has partitions of them.
    #[arg(long, help_heading = "Kafka")]
    pub(crate) alone: bool,

    #[command(flatten)]
    pub(crate) ring: RingArgs,

    /// How many records may wait for their acknowledgement before no more are taken
    ///
    /// Enough of them keep the ring moving while brokers take their time; each costs some tens of bytes.
    #[arg(long, value_name = "N", default_value_t = IN_FLIGHT, value_parser = up_to(MAX_IN_FLIGHT), help_heading = "Ring")]
    pub(crate) in_flight: u64,

    /// Tie the threads of source, engine and sink to processor cores: auto, off, or a list such as 0,1,2
    ///
    /// `auto` gives each a core of its own where there are enough. A list is dealt out in that order, and from its
    /// beginning again if it is too short. It helps where nothing else runs on those cores, and harms elsewhere. A core
    /// that cannot be had is a warning. Without this, the cores of the program's contexts are taken, if it has any.
    #[arg(long, value_name = "CORES", help_heading = "Ring")]
    pub(crate) pin: Option<Pin>,

    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

/// Runs a program over a file of events, without Kafka
///
/// The events go through the same ring and the same plan as those of `kolo run`, and outputs are printed on stdout, one
/// line of JSON each. An event is a line: {"event_type":"Tick","@timestamp":"2026-04-12T10:40:00Z","data":{…}} or flat,
/// {"event_type":"Tick","ts":1775990400000,…}; in a file named *.evt also Tick { price: 50.5 } (docs/testing.md).
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// The VPL program
    #[arg(short, long, value_name = "FILE")]
    pub(crate) program: PathBuf,

    /// The events, one a line; `-` is stdin
    #[arg(short, long, value_name = "FILE")]
    pub(crate) events: PathBuf,

    /// Print no outputs, only the report
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// Take each event as long after the first one as its time is after the first one's [default: as fast as it goes]
    #[arg(long)]
    pub(crate) timed: bool,

    #[command(flatten)]
    pub(crate) ring: RingArgs,

    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

/// Says what is wrong with programs, or how much they declare
///
/// Exits with 1 if there is an error; warnings alone leave it at 0.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The VPL programs
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// For people, on stderr, or for editors: one JSON document on stdout (docs/diagnostics.md)
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Form::Text)]
    pub(crate) format: Form,
}

/// Shows the tree that the parser makes of a program
///
/// What could be understood is shown even if there are errors; then it exits with 1.
#[derive(Debug, Args)]
pub(crate) struct ParseArgs {
    /// The VPL program
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// As an indented tree, or as JSON with byte offsets
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Form::Text)]
    pub(crate) format: Form,
}

/// Shows what a program does when it runs: what is read and decoded, which operators, which state and bounds
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// The VPL program
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// For people, or as JSON
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Form::Text)]
    pub(crate) format: Form,
}

/// Forms in which something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Runs the unit tests of programs that lie in text files
///
/// A test file has cases: a program, an input, and what must come out. They run through the code path of `kolo simulate`.
/// docs/testing.md describes the files. Exits with 1 if a case fails.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Test files, or folders in which to look for files named *.vplt
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,

    /// Rewrite the expectations that are not met
    ///
    /// To be read before it is committed: what came need not be right.
    #[arg(long)]
    pub(crate) update: bool,

    /// Run only the cases whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,

    /// Name only the cases that fail
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Runs scenarios/01_filter against a Kafka cluster inside this process
///
/// librdkafka plays the cluster. Records are loaded into it and filtered through the very code path of `kolo run`; every
/// output is verified by value; a report tells rates and latencies. Nothing has to be installed or started.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// How many records to load
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = value_parser!(u64).range(1..))]
    pub(crate) events: u64,

    /// Records a second to offer, evenly spaced, whether or not the pipeline keeps up [default: as fast as it goes]
    ///
    /// Latencies mean something at a rate below the greatest possible one; without a rate they tell how long the queues
    /// are.
    #[arg(long, value_name = "R", value_parser = value_parser!(u64).range(1..))]
    pub(crate) rate: Option<u64>,

    #[command(flatten)]
    pub(crate) ring: RingArgs,

    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

/// Writes the records of a scenario, all of which follow from a formula
///
/// To stdout, one line each, unless --out or --brokers is given.
#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// Which records
    #[arg(value_name = "SCENARIO", value_parser = scenarios())]
    pub(crate) scenario: Scenario,

    /// How many
    #[arg(value_name = "N")]
    pub(crate) count: u64,

    /// Write to this file, replacing it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["brokers", "topic"])]
    pub(crate) out: Option<PathBuf>,

    /// Publish to Kafka at these bootstrap brokers, host:port,host:port
    #[arg(long, value_name = "LIST", value_parser = parse_brokers, requires = "topic", help_heading = "Kafka")]
    pub(crate) brokers: Option<String>,

    /// The topic to publish to; record i goes to partition i modulo their number
    #[arg(long, value_name = "NAME", requires = "brokers", help_heading = "Kafka")]
    pub(crate) topic: Option<String>,

    /// Records a second [default: as fast as it goes]
    #[arg(long, value_name = "R", value_parser = value_parser!(u64).range(1..))]
    pub(crate) rate: Option<u64>,
}

/// Prints the completions for a shell
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    pub(crate) shell: Shell,
}

/// Where the program comes from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ProgramArgs {
    /// The VPL program
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// The VPL program itself, instead of a file
    #[arg(long, value_name = "TEXT")]
    pub(crate) code: Option<String>,
}

/// A program's text, or where it lies.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ProgramText<'a> {
    /// In this file.
    File(&'a Path),
    /// Here.
    Code(&'a str),
}

impl ProgramArgs {
    /// Which of the two was given.
    pub(crate) fn text(&self) -> ProgramText<'_> {
        match (&self.file, &self.code) {
            (Some(file), _) => ProgramText::File(file),
            (None, code) => ProgramText::Code(code.as_deref().expect("clap demands one of the two")),
        }
    }
}

/// The ring between source, engine and sink.
#[derive(Debug, Args)]
#[command(next_help_heading = "Ring")]
pub(crate) struct RingArgs {
    /// What a thread does while there is nothing to do
    #[arg(long, value_enum, value_name = "STRATEGY", default_value_t = WaitArg::Auto)]
    pub(crate) wait: WaitArg,

    /// Who hands the slots from thread to thread
    ///
    /// Both do the same; the second is there to check the first against, and to measure it beside.
    #[arg(long, value_enum, value_name = "IMPLEMENTATION", default_value_t = RingKind::Native)]
    pub(crate) ring: RingKind,

    /// Slots of the ring, rounded up to a power of two
    ///
    /// Enough that a thread which waits for a core does not stop the others; more leave the processor's caches.
    #[arg(long, value_name = "N", default_value_t = 16_384, value_parser = up_to(MAX_SLOTS))]
    pub(crate) ring_size: u64,
}

impl RingArgs {
    /// The number of slots, a power of two; says so on stderr if it is not what was asked for.
    pub(crate) fn slots(&self) -> usize {
        let slots = self.ring_size.next_power_of_two();
        if slots != self.ring_size {
            stderr::say(format_args!("the ring has {slots} slots: {} rounded up to a power of two", self.ring_size));
        }
        slots as usize
    }
}

/// Wait strategies by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WaitArg {
    /// Spin: the lowest latency, and a whole core for each thread
    BusySpin,
    /// Spin, then yield to other threads
    Yield,
    /// Spin, yield, then sleep until woken: idles at next to no cost
    Park,
    /// busy-spin where this process may use 5 cores or more, else park
    Auto,
}

impl WaitArg {
    /// The strategy for a process of that many lanes, the threads of which are tied to these cores. Where two of them share
    /// one, a thread that spins keeps the other one from what it waits for.
    pub(crate) fn strategy(self, lanes: usize, cores: &[usize]) -> Wait {
        let shared = cores.iter().enumerate().any(|(at, core)| cores[..at].contains(core));
        match self {
            WaitArg::BusySpin => Wait::BusySpin,
            WaitArg::Yield => Wait::Yield,
            WaitArg::Park => Wait::Park,
            WaitArg::Auto if shared => Wait::Park,
            WaitArg::Auto => Wait::auto(lanes),
        }
    }
}

/// When a run stops by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Until {
    /// Once everything is processed and acknowledged that the topics held when it started
    End,
}

/// A librdkafka property from the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Property {
    /// Its name as librdkafka spells it.
    pub(crate) key: String,
    /// Its value.
    pub(crate) value: String,
}

impl FromStr for Property {
    type Err = String;

    fn from_str(text: &str) -> Result<Property, String> {
        match text.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
            Some((key, value)) if !key.is_empty() => Ok(Property { key: key.to_owned(), value: value.to_owned() }),
            _ => Err("a property is given as KEY=VALUE, for example linger.ms=20".to_owned()),
        }
    }
}

/// Which cores the threads of a lane are tied to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pin {
    /// None.
    Off,
    /// One each, if there are enough.
    Auto,
    /// These in turn: source, engine, sink.
    Cores(Vec<usize>),
}

impl FromStr for Pin {
    type Err = String;

    fn from_str(text: &str) -> Result<Pin, String> {
        match text {
            "off" => Ok(Pin::Off),
            "auto" => Ok(Pin::Auto),
            list => match list.split(',').map(|core| core.trim().parse()).collect() {
                Ok(cores) => Ok(Pin::Cores(cores)),
                Err(_) => Err("it is auto, off, or numbers of cores, for example 0,1,2".to_owned()),
            },
        }
    }
}

/// A number of at least 1.
fn up_to(most: u64) -> RangedU64ValueParser {
    value_parser!(u64).range(1..=most)
}

fn scenarios() -> impl TypedValueParser<Value = Scenario> {
    PossibleValuesParser::new(Scenario::ALL.map(Scenario::name)).try_map(|name| name.parse())
}

fn parse_from(text: &str) -> Result<Reset, String> {
    match text {
        "earliest" => Ok(Reset::Earliest),
        "latest" => Ok(Reset::Latest),
        time => match time.parse().ok().or_else(|| Some(time::parse(time.as_bytes())?.div_euclid(1_000_000))) {
            Some(unix_ms) if unix_ms >= 0 => Ok(Reset::Time { unix_ms }),
            _ => Err("it is earliest, latest, a time such as 2026-04-12T10:40:00Z, or milliseconds since 1970".into()),
        },
    }
}

/// A list of brokers without blanks; librdkafka itself ignores an element that it cannot read.
fn parse_brokers(text: &str) -> Result<String, String> {
    let brokers: Vec<&str> = text.split(',').map(str::trim).collect();
    match brokers.iter().find(|broker| broker.is_empty() || broker.contains(char::is_whitespace)) {
        Some(broker) => Err(format!("`{broker}` is no broker; they are given as host:port,host:port")),
        None => Ok(brokers.join(",")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ReportForm;
    use clap::CommandFactory;

    fn run_args(args: &[&str]) -> Result<RunArgs, clap::Error> {
        let all = ["kolo", "run"].iter().chain(args);
        match Cli::try_parse_from(all)?.command {
            Command::Run(args) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_declarations_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn defaults() {
        let args = run_args(&["-f", "p.vpl"]).expect("a file is enough");
        assert!(matches!(args.program.text(), ProgramText::File(path) if path == Path::new("p.vpl")));
        assert_eq!((args.quiet, args.dry_run, args.until, args.from), (false, false, None, None));
        assert_eq!(
            (args.ring.wait, args.ring.slots(), args.in_flight, args.pin),
            (WaitArg::Auto, 16_384, 131_072, None)
        );
        assert_eq!((args.report.report, args.report.report_file), (ReportForm::Text, None));
    }

    #[test]
    fn exactly_one_program() {
        assert!(run_args(&[]).is_err());
        assert!(run_args(&["-f", "p.vpl", "--code", "stream A = B"]).is_err());
        let args = run_args(&["--code", "stream A = B"]).expect("a text is enough");
        assert!(matches!(args.program.text(), ProgramText::Code("stream A = B")));
    }

    #[test]
    fn a_ring_has_at_least_one_slot_and_at_most_what_memory_bears() {
        for asked in [1, 2, MAX_SLOTS] {
            let args = run_args(&["-f", "p", "--ring-size", &asked.to_string()]).expect("it is in bounds");
            assert_eq!(args.ring.slots() as u64, asked);
        }
        assert!(run_args(&["-f", "p", "--ring-size", "0"]).is_err());
        assert!(run_args(&["-f", "p", "--ring-size", &(MAX_SLOTS + 1).to_string()]).is_err());
    }

    #[test]
    fn a_beginning_is_a_word_or_a_time() {
        assert_eq!(parse_from("earliest"), Ok(Reset::Earliest));
        assert_eq!(parse_from("latest"), Ok(Reset::Latest));
        let unix_ms = 1_775_990_400_011;
        for text in ["1775990400011", "2026-04-12T10:40:00.011Z", "2026-04-12T12:40:00.011+02:00"] {
            assert_eq!(parse_from(text), Ok(Reset::Time { unix_ms }), "{text}");
        }
        for text in ["", "newest", "-1", "1969-12-31T23:59:59Z", "2026-13-01"] {
            assert!(parse_from(text).is_err(), "{text}");
        }
    }

    #[test]
    fn properties_split_at_the_first_equals_sign() {
        let args = run_args(&["-f", "p", "-X", "linger.ms=20", "-X", "sasl.password=a=b", "-X", "client.id="]);
        let properties: Vec<_> = args.expect("all valid").properties.into_iter().map(|p| (p.key, p.value)).collect();
        let expected = [("linger.ms", "20"), ("sasl.password", "a=b"), ("client.id", "")];
        assert_eq!(properties, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert!(run_args(&["-f", "p", "-X", "linger.ms"]).is_err());
        assert!(run_args(&["-f", "p", "-X", "=20"]).is_err());
    }

    #[test]
    fn pins() {
        assert_eq!("off".parse(), Ok(Pin::Off));
        assert_eq!("auto".parse(), Ok(Pin::Auto));
        assert_eq!("0, 2,5".parse(), Ok(Pin::Cores(vec![0, 2, 5])));
        for text in ["", "on", "0,", "-1"] {
            assert!(text.parse::<Pin>().is_err(), "{text}");
        }
    }

    #[test]
    fn brokers_lose_their_blanks_and_none_is_empty() {
        assert_eq!(parse_brokers("a:9092, b:9092").as_deref(), Ok("a:9092,b:9092"));
        for text in ["", "a:9092,", "a:9092 b:9092"] {
            assert!(parse_brokers(text).is_err(), "{text}");
        }
    }

    #[test]
    fn generated_records_go_to_one_place() {
        let parse = |args: &str| Cli::try_parse_from(args.split(' ')).map(|cli| cli.command);
        assert!(matches!(
            parse("kolo generate filter 10 --brokers a:9092 --topic t"),
            Ok(Command::Generate(GenerateArgs { scenario: Scenario::Filter, count: 10, topic: Some(_), .. }))
        ));
        assert!(parse("kolo generate filter 10 --brokers a:9092").is_err(), "no topic");
        assert!(parse("kolo generate filter 10 --topic t").is_err(), "no brokers");
        assert!(parse("kolo generate filter 10 --out f --brokers a:9092 --topic t").is_err(), "both");
        assert!(parse("kolo generate filer 10").is_err(), "no such scenario");
    }
}
