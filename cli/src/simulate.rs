//! `kolo simulate`: a program over a file of events, through the same ring and the same plan as `kolo run`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Instant;

use kolo_engine::check::program::Program;
use kolo_sink::lines::Lines;
use kolo_source::evt;

use crate::args::{ProgramText, SimulateArgs};
use crate::live::{self, Live};
use crate::outcome::{Failure, Outcome};
use crate::pipeline::{self, Feed, Settings};
use crate::{check, setup, signals};

/// Bytes of the file that are read at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// Runs the program over the file.
///
/// # Errors
/// A program with errors, a file that cannot be read, or standard output that cannot be written.
pub(crate) fn run(args: &SimulateArgs) -> Result<Outcome, Failure> {
    let loaded = check::load(ProgramText::File(&args.program))?;
    let plan = loaded.plan()?;
    let feed = if args.events == Path::new("-") {
        let reader = Box::new(BufReader::with_capacity(BUFFER_BYTES, std::io::stdin()));
        Feed::Lines { name: "-".to_owned(), reader, timed: args.timed }
    } else {
        file(&args.events, &loaded.program, args.timed)?
    };
    let settings = Settings {
        slots: args.ring.slots(),
        in_flight: pipeline::IN_FLIGHT,
        ring: args.ring.ring,
        wait: args.ring.wait.strategy(1, &[]),
        cores: Vec::new(),
    };
    let mut outlets = setup::offline_outlets(&plan, (!args.quiet).then(Lines::stdout));
    let began = Instant::now();
    let running = pipeline::start(
        plan,
        feed,
        |stopper| {
            outlets.reader_gone = Box::new(move || stopper.stop());
            outlets
        },
        &settings,
        || {},
    );
    signals::install(running.stopper())?;
    let gauges = running.gauges();
    let live = Live::start(live::possible(!args.quiet), move || gauges.figures());
    let finished = running.join()?;
    let program = args.program.display().to_string();
    let report = finished.report("simulate", &program, &settings, began, live.stop());
    report.deliver(&args.report)?;
    Ok(report.outcome())
}

/// The events of a file: `.evt` by its name, JSON lines otherwise.
///
/// # Errors
/// A file that cannot be opened.
pub(crate) fn file(path: &Path, program: &Program, timed: bool) -> Result<Feed, Failure> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|reason| Failure::new(format_args!("{name}: {reason}")))?;
    let lines = BufReader::with_capacity(BUFFER_BYTES, file);
    let reader: Box<dyn BufRead + Send> = match path.extension() {
        Some(extension) if extension == "evt" => Box::new(evt::Reader::new(lines, &program.events)),
        _ => Box::new(lines),
    };
    Ok(Feed::Lines { name, reader, timed })
}
