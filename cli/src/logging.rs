//! The log: kolo's own lines and librdkafka's, on stderr, above the live line.
//!
//! 1. What is logged: RUST_LOG decides if it is set, else `-v`; without either, warnings and errors, and what the
//!    program's own `.log` says at the level `info`. What its `.print` writes is no log: it appears as it is, always.
//! 2. librdkafka repeats itself when a broker is away. Lines of it that differ only in numbers, or in what they add in
//!    parentheses at the end, pass once in [`QUIET`]; the next one that passes says how many did not.
//! 3. At most [`KINDS`] kinds of lines are remembered; beyond that the one that passed longest ago is forgotten.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kolo_engine::PRINT_TARGET;
use log::{LevelFilter, Log, Metadata, Record};

use crate::stderr;

/// How long lines like one that has passed are held back.
const QUIET: Duration = Duration::from_secs(5);
/// How many kinds of lines are remembered.
const KINDS: usize = 64;

/// Sets the log up for the rest of the process. `verbose` is how often `-v` was given.
pub(crate) fn start(verbose: u8) {
    let mut builder = env_logger::Builder::new();
    match std::env::var("RUST_LOG") {
        Ok(filters) if !filters.is_empty() => builder.parse_filters(&filters),
        _ => builder.parse_filters(match verbose {
            0 => "warn,kolo::program=info",
            1 => "warn,kolo=info,librdkafka=info",
            2 => "info,kolo=debug,librdkafka=info",
            _ => "debug,kolo=trace",
        }),
    };
    builder.format(|out, record| {
        let style = out.default_level_style(record.level());
        let (time, level, target) = (out.timestamp_seconds(), record.level(), record.target());
        writeln!(out, "{time} {style}{level:<5}{style:#} {target}: {}", record.args())
    });
    let lines = builder.build();
    // What `.print` writes comes at the level `info`.
    log::set_max_level(lines.filter().max(LevelFilter::Info));
    let logger = Logger { lines, gate: Mutex::new(Gate::default()) };
    log::set_boxed_logger(Box::new(logger)).expect("the log is set up once, by main");
}

/// From here on errors only, unless RUST_LOG decides.
pub(crate) fn hush() {
    if std::env::var_os("RUST_LOG").is_none_or(|filters| filters.is_empty()) {
        log::set_max_level(log::LevelFilter::Error);
    }
}

struct Logger {
    lines: env_logger::Logger,
    gate: Mutex<Gate>,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == PRINT_TARGET || self.lines.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if record.target() == PRINT_TARGET {
            return stderr::say(record.args().to_string());
        }
        if !self.lines.matches(record) {
            return;
        }
        if !speaks_for_librdkafka(record.target()) {
            return stderr::above(|| self.lines.log(record));
        }
        let text = record.args().to_string();
        let text = text.strip_prefix("librdkafka: ").unwrap_or(&text);
        let held_back = self.gate.lock().unwrap_or_else(PoisonError::into_inner).admit(text, Instant::now());
        let metadata = record.metadata().clone();
        let print = |args| stderr::above(|| self.lines.log(&Record::builder().metadata(metadata).args(args).build()));
        match held_back {
            None => {}
            Some(0) => print(format_args!("{text}")),
            Some(count) => print(format_args!("{text} (and {count} more like this since the last one)")),
        }
    }

    fn flush(&self) {
        self.lines.flush();
    }
}

/// librdkafka itself, and the wrapper, which passes its errors on.
fn speaks_for_librdkafka(target: &str) -> bool {
    target == "librdkafka" || target.starts_with("rdkafka::")
}

/// Lets one of many similar lines through.
#[derive(Debug, Default)]
struct Gate {
    kinds: HashMap<String, Kind>,
}

#[derive(Debug)]
struct Kind {
    passed: Instant,
    held_back: u64,
}

impl Gate {
    /// Whether `line` may pass, and how many like it have been held back before; `None`: it may not.
    fn admit(&mut self, line: &str, now: Instant) -> Option<u64> {
        let kind = kind(line);
        if let Some(known) = self.kinds.get_mut(&kind) {
            if now.duration_since(known.passed) < QUIET {
                known.held_back += 1;
                return None;
            }
            known.passed = now;
            return Some(std::mem::take(&mut known.held_back));
        }
        if self.kinds.len() == KINDS {
            let oldest = self.kinds.iter().min_by_key(|(_, kind)| kind.passed).map(|(text, _)| text.clone());
            self.kinds.remove(&oldest.expect("there are some"));
        }
        self.kinds.insert(kind, Kind { passed: now, held_back: 0 });
        Some(0)
    }
}

/// What similar lines have in common: the text without numbers, and without a last remark in parentheses.
fn kind(line: &str) -> String {
    let line = line.trim_end();
    let end = if line.ends_with(')') { line.rfind(" (").unwrap_or(line.len()) } else { line.len() };
    line[..end].chars().filter(|c| !c.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: &str = "FAIL [thrd:127.0.0.1:9092/1]: Connect to ipv4#127.0.0.1:9092 failed: Connection refused";

    #[test]
    fn of_similar_lines_one_passes_and_the_next_counts_the_others() {
        let mut gate = Gate::default();
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        assert_eq!(gate.admit(REFUSED, at(0)), Some(0));
        assert_eq!(gate.admit(&format!("{REFUSED} (after 3ms in state CONNECT)"), at(10)), None);
        assert_eq!(gate.admit(&REFUSED.replace("/1", "/2"), at(4_999)), None);
        assert_eq!(gate.admit("ERROR [thrd:main]: 1/1 brokers are down", at(4_999)), Some(0), "another kind");
        assert_eq!(gate.admit(REFUSED, at(5_000)), Some(2));
        assert_eq!(gate.admit(REFUSED, at(5_001)), None);
        assert_eq!(gate.admit(REFUSED, at(10_000)), Some(1));
    }

    #[test]
    fn only_so_many_kinds_are_remembered() {
        let mut gate = Gate::default();
        let began = Instant::now();
        let name = |n: usize| format!("topic {}", "x".repeat(n));
        for n in 0..=KINDS {
            assert_eq!(gate.admit(&name(n), began + Duration::from_millis(n as u64)), Some(0));
        }
        assert_eq!(gate.kinds.len(), KINDS);
        let now = began + Duration::from_secs(1);
        assert_eq!(gate.admit(&name(1), now), None, "still known");
        assert_eq!(gate.admit(&name(0), now), Some(0), "the oldest was forgotten");
    }

    #[test]
    fn only_librdkafka_is_held_back() {
        assert!(speaks_for_librdkafka("librdkafka") && speaks_for_librdkafka("rdkafka::client"));
        assert!(!speaks_for_librdkafka("kolo::record") && !speaks_for_librdkafka("kolo_source::kafka"));
    }
}
