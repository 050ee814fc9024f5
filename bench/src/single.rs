//! Two questions that need no second engine: does kolo keep its rate while acknowledgements are far away, and what does
//! it cost while there is nothing to do? Both on librdkafka's mock cluster, inside this process.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use clap::Args;
use kolo_source::generate::{Program, Scenario};
use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use serde_json::Value;

use crate::Result;
use crate::child;
use crate::summary::Summary;

/// Enough partitions for the mock cluster to hold the records: it keeps 5 MiB each.
const PARTITIONS: i32 = 8;
/// The mock cluster's only broker.
const BROKER: i32 = 1;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct DistantOptions {
    /// Milliseconds that every answer of the broker takes
    #[arg(long, default_value_t = 20)]
    rtt_ms: u64,
    /// Records to load
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    events: u64,
    /// Rounds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The kolo to measure [default: the one beside this program]
    #[arg(long)]
    kolo: Option<PathBuf>,
    /// A further argument for `kolo run`; may be given several times
    #[arg(long, allow_hyphen_values = true)]
    kolo_arg: Vec<String>,
}

/// Runs scenario 01 on a broker whose answers take their time.
pub(crate) fn distant(options: &DistantOptions) -> Result<()> {
    let kolo = child::kolo(options.kolo.as_ref())?;
    let cluster = MockCluster::new(1)?;
    let brokers = cluster.bootstrap_servers();
    let program = Program::Filter;
    cluster.create_topic(program.input_topic(), PARTITIONS, 1)?;
    load(&brokers, program.input_topic(), program.input(), options.events)?;
    let folder = tempfile::tempdir()?;
    let (file, report) = (folder.path().join("pipeline.vpl"), folder.path().join("report.json"));
    let expected = program.expected_count(0, 0..options.events);
    let mut rates = Vec::new();
    for round in 0..options.rounds {
        // A topic a round: the mock cluster forgets what is beyond its limit, and would have to make room.
        let topic = format!("filtered-{round}");
        cluster.create_topic(&topic, PARTITIONS, 1)?;
        let text =
            include_str!("../../scenarios/01_filter/pipeline.vpl").replace("\"filtered\"", &format!("\"{topic}\""));
        fs::write(&file, text)?;
        cluster.broker_round_trip_time(BROKER, Duration::from_millis(options.rtt_ms))?;
        let mut command = Command::new(&kolo);
        command.arg("run").arg("--file").arg(&file).args(["--quiet", "--until", "end", "--brokers", &brokers]);
        command.args(["-X", "fetch.wait.max.ms=5", "-X", &format!("group.id=distant-{round}")]);
        command.args(["--report", "json", "--report-file"]).arg(&report).args(&options.kolo_arg);
        child::run(&mut command, Duration::from_secs(120))?;
        cluster.broker_round_trip_time(BROKER, Duration::ZERO)?;
        let told: Value = serde_json::from_str(&fs::read_to_string(&report)?)?;
        let number = |name: &str| told[name].as_f64().ok_or(format!("kolo's report has no {name}"));
        if number("records_in")? as u64 != options.events || number("outputs")? as u64 != expected {
            return Err(format!("kolo took {} records and sent {} outputs", told["records_in"], told["outputs"]).into());
        }
        rates.push(number("records_in_per_s")? / 1e6);
        eprintln!("round {}: {:.3} M records/s", round + 1, rates[rates.len() - 1]);
    }
    let Summary { median, min, max } = Summary::of(rates);
    println!(
        "acknowledgements {} ms away: {median:.3} ({min:.3} – {max:.3}) million records/s, from listening to the last \
         acknowledgement, {} records, {} rounds",
        options.rtt_ms, options.events, options.rounds
    );
    Ok(())
}

/// Loads the records in batches as large as they get: of each partition the mock cluster answers a fetch with one batch,
/// so small ones would make the fetches, and not the acknowledgements, the limit.
fn load(brokers: &str, topic: &str, scenario: Scenario, events: u64) -> Result<()> {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("compression.type", "lz4")
        .set("linger.ms", "1000")
        .set("queue.buffering.max.messages", "2000000")
        .create()?;
    let mut value = Vec::new();
    for i in 0..events {
        value.clear();
        scenario.record(i, &mut value);
        let partition = (i % PARTITIONS as u64) as i32;
        while producer.send(BaseRecord::<(), [u8]>::to(topic).partition(partition).payload(&value)).is_err() {
            thread::sleep(Duration::from_millis(1));
        }
    }
    producer.flush(Duration::from_secs(60))?;
    Ok(())
}

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct IdleOptions {
    /// Bootstrap brokers [default: a mock cluster in this process]
    #[arg(long)]
    brokers: Option<String>,
    /// Seconds to watch
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// kolo's wait strategy
    #[arg(long, default_value = "park")]
    wait: String,
    /// The kolo to measure [default: the one beside this program]
    #[arg(long)]
    kolo: Option<PathBuf>,
}

/// Runs scenario 01 on an empty topic, and tells how much of a core that takes.
pub(crate) fn idle(options: &IdleOptions) -> Result<()> {
    let kolo = child::kolo(options.kolo.as_ref())?;
    let cluster: Option<MockCluster<'static, DefaultProducerContext>> = match options.brokers {
        Some(_) => None,
        None => Some(MockCluster::new(1)?),
    };
    let brokers = match (&options.brokers, &cluster) {
        (Some(brokers), _) => brokers.clone(),
        (None, cluster) => cluster.as_ref().expect("made just now").bootstrap_servers(),
    };
    let topic = format!("kolo-bench-idle-{}", std::process::id());
    create(&brokers, &topic)?;
    let folder = tempfile::tempdir()?;
    let (file, said) = (folder.path().join("pipeline.vpl"), folder.path().join("said"));
    let text = include_str!("../../scenarios/01_filter/pipeline.vpl")
        .replace("\"ticks\"", &format!("\"{topic}\""))
        .replace("\"filtered\"", &format!("\"{topic}-out\""));
    fs::write(&file, text)?;
    let mut command = Command::new(&kolo);
    command.arg("run").arg("--file").arg(&file).args(["--quiet", "--brokers", &brokers, "--wait", &options.wait]);
    command.stdout(fs::File::create(&said)?).stderr(Stdio::null());
    let mut running = Running(command.spawn()?);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !fs::read_to_string(&said)?.contains("Listening") {
        if running.0.try_wait()?.is_some() || Instant::now() > deadline {
            return Err("kolo did not begin to listen".into());
        }
        thread::sleep(Duration::from_millis(50));
    }
    // What starting took is over, and the group has settled.
    thread::sleep(Duration::from_secs(2));
    let before = cpu_ticks(running.0.id())?;
    let began = Instant::now();
    thread::sleep(Duration::from_secs(options.seconds));
    let ticks = cpu_ticks(running.0.id())? - before;
    // SAFETY: sysconf reads a constant.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
    let percent = ticks as f64 / per_second / began.elapsed().as_secs_f64() * 100.0;
    println!("idle, wait {}: {percent:.2} % of a core over {} s", options.wait, options.seconds);
    Ok(())
}

/// A process that ends with its handle.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing left to do then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn create(brokers: &str, topic: &str) -> Result<()> {
    // Both kinds of broker make a topic that a producer asks for.
    let producer: ThreadedProducer<DefaultProducerContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        let metadata = producer.client().fetch_metadata(Some(topic), Duration::from_secs(10))?;
        if metadata.topics().iter().any(|t| t.name() == topic && t.error().is_none() && !t.partitions().is_empty()) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("topic {topic} was not created by the broker").into());
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// User and system time of a process, in clock ticks.
fn cpu_ticks(pid: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the name in parentheses, which may hold blanks; user and system time are the 14th and 15th.
    let after = stat.rsplit(')').next().unwrap_or("");
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|text| text.parse::<u64>().ok());
    ticks(11).zip(ticks(12)).map(|(user, system)| user + system).ok_or_else(|| "/proc has another form here".into())
}
