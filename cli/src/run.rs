//! `kolo run`: a program against Kafka, until a signal or the end of the input.

use std::sync::Arc;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::args::{Pin, ProgramText, RunArgs};
use crate::live::{self, Live};
use crate::outcome::{Failure, Outcome};
use crate::pipeline::{self, Settings};
use crate::setup::{self, Mode, Overrides};
use crate::stderr;
use crate::{check, properties, signals};

/// What is said once nothing that is produced from now on can be missed.
const LISTENING: &str = "Listening for events...";

/// Runs the program.
///
/// # Errors
/// A program with errors, clients that cannot connect, or whatever stops the lane.
pub(crate) fn run(args: &RunArgs) -> Result<Outcome, Failure> {
    let loaded = check::load(args.program.text())?;
    let plan = loaded.plan()?;
    let overrides = Overrides {
        brokers: args.brokers.clone(),
        properties: args.properties.iter().map(|p| (p.key.clone(), p.value.clone())).collect(),
        reset: args.from,
        alone: args.alone,
    };
    properties::check_overrides(&overrides.properties)?;
    let mode = Mode { until_end: args.until.is_some(), dry_run: args.dry_run, echo: !args.quiet };
    let cores = cores(args.pin.as_ref(), plan.cores());
    let settings = Settings {
        slots: args.ring.slots(),
        in_flight: args.in_flight,
        ring: args.ring.ring,
        wait: args.ring.wait.strategy(1, &cores),
        cores,
    };
    let name = match args.program.text() {
        ProgramText::File(path) => path.display().to_string(),
        ProgramText::Code(_) => loaded.source.name().to_owned(),
    };
    let mut outlets = setup::outlets(&plan, &overrides, mode)?;
    let feed = setup::feed(&plan, &name, &overrides, mode)?;

    let began = Arc::new(OnceLock::new());
    let (listened, quiet) = (Arc::clone(&began), args.quiet);
    let running = pipeline::start(
        plan,
        feed,
        |stopper| {
            outlets.reader_gone = Box::new(move || stopper.stop());
            outlets
        },
        &settings,
        move || {
            listened.set(Instant::now()).expect("it listens once");
            if quiet {
                // A reader that does not want to know does not stop the run.
                stderr::above(|| {
                    let mut stdout = std::io::stdout();
                    let _ = std::io::Write::write_all(&mut stdout, format!("{LISTENING}\n").as_bytes());
                    let _ = std::io::Write::flush(&mut stdout);
                });
            } else {
                stderr::say(LISTENING);
            }
        },
    );
    signals::install(running.stopper())?;
    let gauges = running.gauges();
    let live = Live::start(live::possible(!args.quiet), move || gauges.figures());
    while !running.ended() {
        thread::sleep(Duration::from_millis(5));
    }
    let finished = running.join()?;
    let began = began.get().copied().unwrap_or(finished.settled);
    let report = finished.report("run", &name, &settings, began, live.stop());
    report.deliver(&args.report)?;
    Ok(report.outcome())
}

/// Cores for source, engine and sink; empty: unpinned. What the command line does not say, the program's contexts do.
pub(crate) fn cores(pin: Option<&Pin>, of_program: &[usize]) -> Vec<usize> {
    let available = || core_affinity::get_core_ids().unwrap_or_default();
    let dealt = |list: &[usize]| list.iter().copied().cycle().take(3).collect();
    match pin {
        None => dealt(of_program),
        Some(Pin::Off) => Vec::new(),
        Some(Pin::Cores(list)) => dealt(list),
        Some(Pin::Auto) => {
            let ids: Vec<usize> = available().into_iter().map(|core| core.id).collect();
            // librdkafka's threads and the rest of the machine keep two cores, as for busy-spinning.
            if ids.len() >= 5 {
                ids[ids.len() - 3..].to_vec()
            } else {
                log::info!(target: "kolo", "not pinned: {} cores are too few to give three away", ids.len());
                Vec::new()
            }
        }
    }
}
