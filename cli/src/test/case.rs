//! One case: its program over its input, through the code path of `kolo simulate`, with the outputs gathered.

use std::io::{self, Cursor, Write};
use std::sync::{Arc, Mutex, PoisonError};

use kolo_engine::diagnostic::{self, Diagnostic};
use kolo_engine::plan::Plan;
use kolo_ring::Wait;
use kolo_sink::lines::Lines;
use kolo_source::evt;

use super::file::{Case, TestFile, Text};
use crate::check::{examine, read, with_imports};
use crate::outcome::Failure;
use crate::pipeline::{self, Feed, RingKind, Settings};
use crate::{setup, simulate};

/// Slots of the ring: few, for cases are small.
const SLOTS: usize = 256;

/// What came of a case.
#[derive(Debug, Default)]
pub(super) struct Actual {
    /// The codes of the program's errors, in the order of its text.
    pub(super) errors: Vec<&'static str>,
    /// Those of its warnings.
    pub(super) warnings: Vec<&'static str>,
    /// Both, as `kolo check` shows them.
    pub(super) diagnostics: String,
    /// One line each; empty if there are errors.
    pub(super) outputs: Vec<String>,
    /// The engine's counters; empty if there are errors.
    pub(super) counters: Vec<(&'static str, u64)>,
}

/// Runs the case.
///
/// # Errors
/// A file that cannot be read, an input that is none, or a run that failed.
pub(super) fn run(file: &TestFile, case: &Case) -> Result<Actual, Failure> {
    let source = match &case.program {
        Text::File(path) => with_imports(path, read(path)?),
        Text::Here(lines) => with_imports(&file.path, file.only(lines)),
    };
    let (program, diagnostics) = examine(&source);
    let codes = |errors: bool| {
        let of_kind = diagnostics.iter().filter(move |diagnostic| diagnostic.is_error() == errors);
        of_kind.map(|diagnostic: &Diagnostic| diagnostic.code.id()).collect()
    };
    let mut actual = Actual {
        errors: codes(true),
        warnings: codes(false),
        diagnostics: diagnostic::render(&source, &diagnostics, false),
        ..Actual::default()
    };
    let Some(program) = program else { return Ok(actual) };
    let plan = Plan::compile(&program)?;
    let feed = match &case.input {
        Text::File(path) => simulate::file(path, &program, false)?,
        Text::Here(lines) => Feed::Lines {
            name: file.path.display().to_string(),
            reader: Box::new(evt::Reader::new(Cursor::new(file.only(lines)), &program.events)),
            timed: false,
        },
    };
    let settings = Settings {
        slots: SLOTS,
        in_flight: pipeline::IN_FLIGHT,
        ring: RingKind::Native,
        wait: Wait::Park,
        cores: Vec::new(),
    };
    let gathered = Gathered::default();
    let outlets = setup::offline_outlets(&plan, Some(Lines::new(Box::new(gathered.clone()), "the test")));
    let finished = pipeline::start(plan, feed, |_| outlets, &settings, || {}).join()?;
    actual.counters = finished.gauges.engine.list().to_vec();
    let bytes = std::mem::take(&mut *gathered.0.lock().unwrap_or_else(PoisonError::into_inner));
    let text = String::from_utf8(bytes).expect("outputs are JSON, and JSON is UTF-8");
    actual.outputs = text.lines().map(str::to_owned).collect();
    Ok(actual)
}

/// Keeps what is written.
#[derive(Clone, Default)]
struct Gathered(Arc<Mutex<Vec<u8>>>);

impl Write for Gathered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
