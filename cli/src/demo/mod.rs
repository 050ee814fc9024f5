//! `kolo demo`: scenario 01 against a broker inside this process, every output verified.
//!
//! ```text
//!   Loader ─▶ ticks ─▶ the lane, wired as `kolo run` wires it ─▶ filtered ─▶ Verifier
//!             └────────────── MockCluster, over TCP ──────────────┘
//! ```
//!
//! Without a rate, up to [`PRELOAD`] records are on the broker before the lane starts, and further ones follow as
//! outputs are verified: the mock cluster keeps only a few MiB a partition. With a rate, records come by a schedule, and
//! latency counts from the moment at which each was due.

mod load;
mod mock;
mod verify;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kolo_source::generate::Program;

use crate::args::{DemoArgs, ProgramText};
use crate::check;
use crate::live::{self, Figures, Live};
use crate::outcome::{Failure, Outcome};
use crate::pipeline::{self, Settings};
use crate::report::{Latency, grouped};
use crate::setup::{self, Mode, Overrides};
use crate::signals;
use crate::stderr;
use load::{Loader, Schedule};
use mock::MockCluster;
use verify::{Verified, Verifier};

/// The program that runs: the one in scenarios/, compiled in so that the binary needs no files.
const PROGRAM: &str = include_str!("../../../scenarios/01_filter/pipeline.vpl");
const PROGRAM_NAME: &str = "scenarios/01_filter/pipeline.vpl";
/// Partitions of both topics without a rate: enough for the mock cluster to hold what is preloaded.
const PARTITIONS: u64 = 8;
/// Partitions of both topics with a rate: few, for the small batches of a paced producer are many, and the mock cluster
/// looks through all of a partition's for each fetch.
const PACED_PARTITIONS: u64 = 1;
/// Records loaded before the lane starts; also how far the loader may be ahead of the verified outputs.
const PRELOAD: u64 = 1_000_000;
/// How long records without outputs, after the last with one, may take.
const LAST_RECORDS: Duration = Duration::from_secs(10);

/// Runs the demo.
///
/// # Errors
/// An embedded broker that cannot be started, or a run that fails.
pub(crate) fn run(args: &DemoArgs) -> Result<Outcome, Failure> {
    let program = Program::Filter;
    let (input, output) = (program.input_topic(), program.output_topics()[0]);
    let loaded = check::load(ProgramText::Code(PROGRAM))?;
    let partitions = if args.rate.is_some() { PACED_PARTITIONS } else { PARTITIONS };
    let cluster = MockCluster::start()?;
    cluster.create_topic(input, partitions as i32)?;
    cluster.create_topic(output, partitions as i32)?;
    let brokers = cluster.bootstrap_servers();
    stderr::say(format_args!(
        "embedded broker at {brokers}; topics {input} and {output}, {partitions} partition(s) each"
    ));

    let linger_ms = if args.rate.is_some() { 1 } else { 20 };
    let mut loader = Loader::new(&brokers, program.input(), input, partitions, linger_ms)?;
    if args.rate.is_none() {
        let preloaded = args.events.min(PRELOAD);
        let began = Instant::now();
        stderr::say(format_args!("loading {} records ...", grouped(preloaded)));
        loader.produce_to(preloaded, |_| {})?;
        loader.flush()?;
        stderr::say(format_args!("loaded in {:.1} s; running {PROGRAM_NAME}", began.elapsed().as_secs_f64()));
    }

    let overrides = Overrides {
        brokers: Some(brokers.clone()),
        // The mock cluster sleeps this long when a fetch finds nothing.
        properties: vec![("fetch.wait.max.ms".to_owned(), "1".to_owned())],
        reset: None,
        alone: false,
    };
    let plan = loaded.plan()?;
    let outlets = setup::outlets(&plan, &overrides, Mode::default())?;
    let feed = setup::feed(&plan, PROGRAM_NAME, &overrides, Mode::default())?;
    let settings = Settings {
        slots: args.ring.slots(),
        in_flight: pipeline::IN_FLIGHT,
        ring: args.ring.ring,
        wait: args.ring.wait.strategy(1, &[]),
        cores: Vec::new(),
    };
    let (listening, ready) = std::sync::mpsc::channel();
    let began = Instant::now();
    let running = pipeline::start(
        plan,
        feed,
        |_| outlets,
        &settings,
        move || {
            // Nobody waits any more if the demo is ending.
            let _ = listening.send(());
        },
    );
    signals::install(running.stopper())?;
    let gauges = running.gauges();
    let events = args.events;
    let watched = gauges.clone();
    let live =
        Live::start(live::possible(false), move || Figures { expected: Some(events), lag: None, ..watched.figures() });

    let verifier = Verifier::new(&brokers, program, output, partitions, events)?;
    let verified = verifier.verified();
    let stop = Arc::new(AtomicBool::new(false));
    // A run that fails early never listens; then there is nothing to wait for.
    while ready.recv_timeout(Duration::from_millis(20)).is_err() && !running.ended() {}
    let schedule = args.rate.map(|rate| Schedule { begin: Instant::now(), rate: rate as f64 });
    let verified: Verified = thread::scope(|scope| {
        let loading = scope.spawn(|| match schedule {
            Some(schedule) => loader.produce_paced(events, schedule, &stop),
            None => loader.produce_behind(events, &verified, PRELOAD, &stop),
        });
        let verifying = scope.spawn(|| verifier.run(schedule, &stop));
        while !verifying.is_finished() {
            if running.ended() {
                stop.store(true, Ordering::Relaxed);
            }
            thread::sleep(Duration::from_millis(5));
        }
        stop.store(true, Ordering::Relaxed);
        let verified = verifying.join().map_err(|_| Failure::new("the verifier panicked: a defect of kolo's"))?;
        loading.join().map_err(|_| Failure::new("the loader panicked: a defect of kolo's"))??;
        Ok::<_, Failure>(verified)
    })?;
    let patience = Instant::now() + LAST_RECORDS;
    while verified.ok() && gauges.records() < events && !running.ended() && Instant::now() < patience {
        thread::sleep(Duration::from_millis(1));
    }
    running.stopper().stop();
    let finished = running.join()?;

    let occupancy = live.stop();
    let mut report = finished.report("demo", PROGRAM_NAME, &settings, began, occupancy);
    if let Some(latency) = Latency::of(&verified.latency_us) {
        report.latency_us = Some(latency);
        report.latency_span = "from a record due to its output read back, after 1 s of warm-up";
    }
    report.verdicts = vec![verified.verdict()];
    report.deliver(&args.report)?;
    Ok(report.outcome())
}
