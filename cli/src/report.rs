//! What a run came to: plain data, a text of at most 80 columns, and one line of JSON.
//!
//! The JSON names are stable, snake_case, and end with their units. Counters appear there under the names that the
//! engine gives them, zeros included; the text shows those that are not zero, and explains them.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};

use crate::outcome::{Failure, Outcome};
use crate::stderr;

/// How wide the text may be.
const COLUMNS: usize = 80;

/// The latency that every run measures of itself.
pub(crate) const OWN_LATENCY: &str = "from taken by kolo to outputs acknowledged";

/// The report at the end.
#[derive(Debug, Args)]
#[command(next_help_heading = "Report")]
pub(crate) struct ReportArgs {
    /// The form of the report: for people, or one line of JSON
    #[arg(long, value_enum, value_name = "FORM", default_value_t = ReportForm::Text)]
    pub(crate) report: ReportForm,

    /// Write the report to this file instead of stderr
    #[arg(long, value_name = "PATH")]
    pub(crate) report_file: Option<PathBuf>,
}

/// Forms of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportForm {
    /// For people, in 80 columns
    Text,
    /// One line of JSON
    Json,
}

/// What a run came to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    /// `run`, `simulate` or `demo`.
    pub(crate) command: &'static str,
    /// The program's file, or what stands for it.
    pub(crate) program: String,
    /// The name of the lane's implementation.
    pub(crate) ring: String,
    /// The wait strategy's name.
    pub(crate) wait: String,
    /// Slots of the ring.
    pub(crate) ring_slots: u64,
    /// How many of them were in use; `None` if the run was too short to sample it.
    pub(crate) ring_occupancy_slots: Option<Occupancy>,
    /// Records that may wait for their acknowledgement.
    pub(crate) in_flight_limit: u64,
    /// From the first record taken to the last acknowledgement, in seconds.
    pub(crate) elapsed_s: f64,
    /// Records taken.
    pub(crate) records_in: u64,
    /// Bytes of their keys and values, where the source counts them.
    pub(crate) bytes_in: Option<u64>,
    /// Outputs sent.
    pub(crate) outputs: u64,
    /// Bytes of their values.
    pub(crate) bytes_out: u64,
    /// What the engine counted besides, by its own names.
    #[serde(serialize_with = "as_map")]
    pub(crate) counters: Vec<(&'static str, u64)>,
    /// How long records took from the source to the acknowledgement of their outputs; `None` if there were none.
    pub(crate) latency_us: Option<Latency>,
    /// Between which two moments latencies were taken.
    pub(crate) latency_span: &'static str,
    /// The most memory that the process has held; `None` where the system does not tell.
    pub(crate) peak_memory_bytes: Option<u64>,
    /// What was verified.
    pub(crate) verdicts: Vec<Verdict>,
}

/// Slots in use, over the samples of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Occupancy {
    /// On average.
    pub(crate) mean: f64,
    /// At most.
    pub(crate) max: u64,
}

/// A distribution of latencies in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
    #[serde(rename = "p99_9")]
    pub(crate) p999: u64,
    pub(crate) max: u64,
}

impl Latency {
    /// The percentiles of a histogram of microseconds; `None` if it is empty.
    pub(crate) fn of(histogram_us: &Histogram<u64>) -> Option<Latency> {
        let at = |quantile| histogram_us.value_at_quantile(quantile);
        let all = || Latency { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: histogram_us.max() };
        (!histogram_us.is_empty()).then(all)
    }
}

/// Something that was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Verdict {
    /// What was looked at, and what was found: `outputs: 890,000 of 890,000 expected`.
    pub(crate) what: String,
    /// Whether it is as it should be.
    pub(crate) ok: bool,
}

/// The counters in the order in which the text shows them, with a name for people and what it means.
const EXPLAINED: &[(&str, &str, &str)] = &[
    ("malformed", "malformed", "not whole JSON objects; logged with their place"),
    ("unrouted", "unrouted", "of a type that no stream reads from there"),
    ("late", "late", "came after what they belong to was closed"),
    ("window_refused", "window full", "events for which a window had no more room"),
    ("filtered", "filtered out", "stopped by a .where or .filter"),
    ("limited", "limited", "beyond a .limit"),
    ("repeated", "repeated", "seen before by a .distinct"),
    ("distinct_forgotten", "forgotten", "values that a .distinct had no more room for"),
    ("shapeless", "no map", "what a .map made of them has no fields"),
    ("runs_dropped", "runs dropped", "of a sequence, to make room for others"),
    ("closure_truncated", "not captured", "events beyond those that a closure keeps"),
    ("timers_skipped", "timers skipped", "there was no room for: time had leapt"),
    ("join_evicted", "joins forgot", "events, to make room for others"),
    ("join_keyless", "no key to join", "a part of it missing or null"),
    ("subsets_withheld", "subsets cut", "beyond those that a run puts out"),
    ("topicless", "without topic", "outputs dropped: no text names their topic"),
];

/// Shown even when they are zero: that nothing went wrong is worth a line.
const ALWAYS_SHOWN: &[&str] = &["malformed", "unrouted"];

/// The counters of values that are missing, with their causes. They are shown together.
const MISSING_VALUES: &[(&str, &str)] = &[
    ("division_by_zero", "division by zero"),
    ("overflow", "overflow"),
    ("wrong_type", "wrong type"),
    ("missing_operand", "missing operand"),
    ("out_of_range", "out of range"),
    ("cut_short", "limit of a function"),
];

/// Counters that the report has fields of its own for.
const ELSEWHERE: &[&str] = &["records", "outputs"];

impl Report {
    /// Writes the report where it was asked for: to stderr or a file, as text or JSON.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(crate) fn deliver(&self, args: &ReportArgs) -> Result<(), Failure> {
        let text = self.render(args.report);
        match &args.report_file {
            None => stderr::say(text.trim_end()),
            Some(path) => fs::write(path, text).map_err(|reason| {
                Failure::new(format_args!("the report cannot be written to {}: {reason}", path.display()))
            })?,
        }
        Ok(())
    }

    /// The report in that form, with a line end.
    pub(crate) fn render(&self, form: ReportForm) -> String {
        match form {
            ReportForm::Text => self.text(),
            ReportForm::Json => self.json(),
        }
    }

    /// [`Outcome::Wrong`] if anything that was verified is not as it should be.
    pub(crate) fn outcome(&self) -> Outcome {
        if self.verdicts.iter().all(|verdict| verdict.ok) { Outcome::Done } else { Outcome::Wrong }
    }

    fn per_second(&self, count: u64) -> f64 {
        if self.elapsed_s > 0.0 { count as f64 / self.elapsed_s } else { 0.0 }
    }

    fn json(&self) -> String {
        #[derive(Serialize)]
        struct WithRates<'a> {
            #[serde(flatten)]
            report: &'a Report,
            records_in_per_s: f64,
            outputs_per_s: f64,
        }
        let records_in_per_s = self.per_second(self.records_in);
        let with_rates = WithRates { report: self, records_in_per_s, outputs_per_s: self.per_second(self.outputs) };
        serde_json::to_string(&with_rates).expect("numbers and texts can always be written") + "\n"
    }

    fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        _ = self.write_text(&mut out);
        out
    }

    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "kolo {}  {}", self.command, self.program)?;
        let (slots, in_flight) = (grouped(self.ring_slots), grouped(self.in_flight_limit));
        let Report { ring, wait, .. } = self;
        writeln!(out, "  wait {wait}, {ring} ring of {slots} slots, at most {in_flight} records in flight\n")?;

        let flow = |count, bytes: Option<u64>| {
            let rate = format!("{}/s", grouped(self.per_second(count) as u64));
            format!("{rate:>14}{:>14}", bytes.map_or(String::new(), in_bytes))
        };
        row(out, "records in", self.records_in, &flow(self.records_in, self.bytes_in))?;
        row(out, "outputs", self.outputs, &flow(self.outputs, Some(self.bytes_out)))?;
        writeln!(out, "  {:<14}{:>15}\n", "elapsed", in_seconds(self.elapsed_s))?;

        self.write_counters(out)?;
        if let Some(latency) = &self.latency_us {
            writeln!(out, "\n  latency, {}", self.latency_span)?;
            let Latency { p50, p90, p99, p999, max } = *latency;
            let columns = [("p50", p50), ("p90", p90), ("p99", p99), ("p99.9", p999), ("max", max)];
            for (name, _) in columns {
                write!(out, "{name:>13}")?;
            }
            writeln!(out)?;
            for (_, latency_us) in columns {
                write!(out, "{:>13}", in_time(latency_us))?;
            }
            writeln!(out)?;
        }

        writeln!(out)?;
        let memory = self.peak_memory_bytes.map_or("unknown".to_owned(), in_bytes);
        writeln!(out, "  {:<14}{memory:>15}", "peak memory")?;
        let occupancy = match self.ring_occupancy_slots {
            None => "too short a run to sample".to_owned(),
            Some(Occupancy { mean, max }) => {
                let percent = |used: f64| used * 100.0 / self.ring_slots.max(1) as f64;
                let mean = format!("mean {} ({:.0} %)", grouped(mean.round() as u64), percent(mean));
                format!("{mean}, max {} ({:.0} %) of {slots} slots", grouped(max), percent(max as f64))
            }
        };
        writeln!(out, "  ring in use  {occupancy}")?;

        if !self.verdicts.is_empty() {
            writeln!(out)?;
        }
        for Verdict { what, ok } in &self.verdicts {
            writeln!(out, "{}", folded(&format!("{what}: {}", if *ok { "OK" } else { "WRONG" })))?;
        }
        Ok(())
    }

    fn write_counters(&self, out: &mut String) -> std::fmt::Result {
        let counter = |name: &str| self.counters.iter().find(|(known, _)| *known == name).map(|(_, count)| *count);
        for (name, label, meaning) in EXPLAINED {
            match counter(name) {
                Some(0) if ALWAYS_SHOWN.contains(name) => row(out, label, 0, "")?,
                None | Some(0) => {}
                Some(count) => row(out, label, count, meaning)?,
            }
        }
        let causes: Vec<_> = MISSING_VALUES
            .iter()
            .filter_map(|(name, cause)| Some((*cause, counter(name)?)))
            .filter(|(_, count)| *count > 0)
            .collect();
        if !causes.is_empty() {
            row(out, "values missing", causes.iter().map(|(_, count)| count).sum(), "where they were computed, by:")?;
            for (cause, count) in causes {
                row(out, &format!("  {cause}"), count, "")?;
            }
        }
        for (name, count) in self.counters.iter().filter(|(name, count)| *count > 0 && !is_known(name)) {
            row(out, &name.replace('_', " "), *count, "")?;
        }
        Ok(())
    }
}

fn is_known(name: &str) -> bool {
    EXPLAINED.iter().any(|(known, ..)| *known == name)
        || MISSING_VALUES.iter().any(|(known, _)| *known == name)
        || ELSEWHERE.contains(&name)
}

/// A count with its name before and a remark after it. A name may run into the blanks before the number.
fn row(out: &mut String, label: &str, count: u64, remark: &str) -> std::fmt::Result {
    let count = grouped(count);
    let width = 28usize.saturating_sub(label.chars().count());
    let line = format!("  {label} {count:>width$}  {remark}");
    writeln!(out, "{}", line.trim_end())
}

/// `text` with a new line and two blanks instead of the last blank before column [`COLUMNS`] is passed.
fn folded(text: &str) -> String {
    let (mut out, mut column) = (String::new(), 0);
    for word in text.split(' ') {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > COLUMNS {
            out += "\n  ";
            column = 2;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out += word;
        column += width;
    }
    out
}

fn as_map<S: Serializer>(counters: &[(&'static str, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counters.iter().filter(|(name, _)| !ELSEWHERE.contains(name)).copied())
}

/// A whole number with commas between its thousands.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Three digits or more, and the unit that suits.
fn in_time(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => three_digits(us as f64 / 1e3, "ms"),
        _ => three_digits(us as f64 / 1e6, "s"),
    }
}

fn in_seconds(seconds: f64) -> String {
    match seconds as u64 {
        0..60 => three_digits(seconds, "s"),
        whole @ 60..3_600 => format!("{} min {:02} s", whole / 60, whole % 60),
        whole => format!("{} h {:02} min", grouped(whole / 3_600), whole / 60 % 60),
    }
}

fn in_bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let (mut amount, mut unit) = (bytes as f64 / 1_024.0, 0);
    while amount >= 1_024.0 && unit + 1 < UNITS.len() {
        (amount, unit) = (amount / 1_024.0, unit + 1);
    }
    three_digits(amount, UNITS[unit])
}

fn three_digits(amount: f64, unit: &str) -> String {
    let decimals = if amount < 9.995 { 2 } else { usize::from(amount < 99.95) };
    format!("{amount:.decimals$} {unit}")
}

/// The most memory that this process has held resident; `None` where there is no /proc.
pub(crate) fn peak_memory_bytes() -> Option<u64> {
    peak_memory_of(&fs::read_to_string("/proc/self/status").ok()?)
}

fn peak_memory_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            command: "demo",
            program: "scenarios/01_filter/pipeline.vpl".to_owned(),
            ring: "native".to_owned(),
            wait: "park".to_owned(),
            ring_slots: 4_096,
            ring_occupancy_slots: Some(Occupancy { mean: 512.4, max: 4_096 }),
            in_flight_limit: 65_536,
            elapsed_s: 0.5,
            records_in: 1_000_000,
            bytes_in: Some(107_900_000),
            outputs: 890_000,
            bytes_out: 104_000_000,
            counters: vec![("records", 1_000_000), ("outputs", 890_000), ("malformed", 0), ("unrouted", 0)],
            latency_us: Some(Latency { p50: 812, p90: 1_234, p99: 23_456, p999: 123_456, max: 1_234_567 }),
            latency_span: OWN_LATENCY,
            peak_memory_bytes: Some(64 << 20),
            verdicts: vec![Verdict {
                what: "outputs: 890,000 of 890,000 expected, every value as computed independently".to_owned(),
                ok: true,
            }],
        }
    }

    #[test]
    fn the_text_reads_well() {
        let expected = "\
kolo demo  scenarios/01_filter/pipeline.vpl
  wait park, native ring of 4,096 slots, at most 65,536 records in flight

  records in          1,000,000     2,000,000/s       103 MiB
  outputs               890,000     1,780,000/s      99.2 MiB
  elapsed                0.50 s

  malformed                   0
  unrouted                    0

  latency, from taken by kolo to outputs acknowledged
          p50          p90          p99        p99.9          max
       812 µs      1.23 ms      23.5 ms       123 ms       1.23 s

  peak memory          64.0 MiB
  ring in use  mean 512 (13 %), max 4,096 (100 %) of 4,096 slots

outputs: 890,000 of 890,000 expected, every value as computed independently: OK
";
        assert_eq!(report().render(ReportForm::Text), expected);
    }

    #[test]
    fn what_is_not_zero_is_explained_within_eighty_columns() {
        let all = EXPLAINED.iter().map(|(name, ..)| *name).chain(MISSING_VALUES.iter().map(|(name, _)| *name));
        let counters: Vec<_> = all.map(|name| (name, 9_999_999_999)).chain([("newly_invented", 12)]).collect();
        let text = Report { counters, ..report() }.render(ReportForm::Text);
        for line in text.lines() {
            assert!(line.chars().count() <= COLUMNS, "{} columns: {line}", line.chars().count());
        }
        assert!(
            text.contains("\n  malformed       9,999,999,999  not whole JSON objects; logged with their place\n"),
            "{text}"
        );
        assert!(text.contains("\n  values missing 59,999,999,994  where they were computed, by:\n"), "{text}");
        assert!(text.contains("\n    division by zero 9,999,999,999\n"), "{text}");
        assert!(text.contains("\n  newly invented             12\n"), "{text}");
    }

    #[test]
    fn every_counter_of_the_engine_is_known() {
        for (name, _) in kolo_engine::Counters::default().list() {
            assert!(is_known(name), "the report does not explain `{name}`");
        }
    }

    #[test]
    fn what_is_unknown_is_said_to_be() {
        let empty = Report {
            elapsed_s: 0.0,
            records_in: 0,
            bytes_in: None,
            latency_us: None,
            peak_memory_bytes: None,
            ring_occupancy_slots: None,
            verdicts: vec![],
            ..report()
        };
        let text = empty.render(ReportForm::Text);
        assert!(text.contains("\n  records in                  0             0/s\n"), "{text}");
        assert!(text.contains("\n  peak memory           unknown\n"), "{text}");
        assert!(text.ends_with("\n  ring in use  too short a run to sample\n"), "{text}");
        assert!(!text.contains("latency"), "{text}");
        assert_eq!(empty.outcome(), Outcome::Done, "nothing was found wrong");
    }

    #[test]
    fn the_json_has_stable_names_with_units() {
        let json: serde_json::Value = serde_json::from_str(&report().render(ReportForm::Json)).expect("valid JSON");
        let names: Vec<_> = json.as_object().expect("an object").keys().map(String::as_str).collect();
        let expected = "command program ring wait ring_slots ring_occupancy_slots in_flight_limit elapsed_s records_in \
                        bytes_in outputs bytes_out counters latency_us latency_span peak_memory_bytes verdicts \
                        records_in_per_s \
                        outputs_per_s";
        assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
        assert_eq!(json["records_in_per_s"], 2e6);
        assert_eq!(json["ring_occupancy_slots"]["max"], 4_096);
        assert_eq!(
            json["latency_us"],
            serde_json::json!({"p50": 812, "p90": 1234, "p99": 23456, "p99_9": 123456, "max": 1234567})
        );
        assert_eq!(json["counters"], serde_json::json!({"malformed": 0, "unrouted": 0}));
        assert_eq!(json["verdicts"][0]["ok"], true);
    }

    #[test]
    fn a_wrong_verdict_is_a_wrong_outcome() {
        let mut report = report();
        report.verdicts.push(Verdict { what: "order".to_owned(), ok: false });
        assert_eq!(report.outcome(), Outcome::Wrong);
        assert!(report.render(ReportForm::Text).ends_with("\norder: WRONG\n"));
    }

    #[test]
    fn a_long_verdict_is_folded() {
        let what = "outputs: 89,000 of 89,000 expected; then the words go on until the line is full, and on".to_owned();
        let report = Report { verdicts: vec![Verdict { what, ok: true }], ..report() };
        let expected =
            "\noutputs: 89,000 of 89,000 expected; then the words go on until the line is full,\n  and on: OK\n";
        assert!(report.render(ReportForm::Text).ends_with(expected), "{}", report.render(ReportForm::Text));
    }

    #[test]
    fn a_report_goes_to_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report.json");
        let args = |path| ReportArgs { report: ReportForm::Json, report_file: Some(path) };
        report().deliver(&args(path.clone())).expect("a new file can be written");
        assert_eq!(fs::read_to_string(path).expect("it was written"), report().render(ReportForm::Json));
        let failure = report().deliver(&args(folder.path().to_owned())).expect_err("a folder is no file");
        assert!(failure.to_string().starts_with("the report cannot be written to "), "{failure}");
    }

    #[test]
    fn latencies_are_those_of_the_histogram() {
        let mut histogram = Histogram::new(3).expect("three digits are allowed");
        assert_eq!(Latency::of(&histogram), None);
        (1..=1_000u64).for_each(|us| histogram += us);
        assert_eq!(Latency::of(&histogram), Some(Latency { p50: 500, p90: 900, p99: 990, p999: 999, max: 1_000 }));
    }

    #[test]
    fn numbers_suit_their_size() {
        let numbers = [0, 999, 1_000, 123_456, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "123,456", "1,234,567"]);
        let times = [0, 999, 1_000, 9_994, 9_999, 99_960, 999_000, 12_345_678].map(in_time);
        assert_eq!(times, ["0 µs", "999 µs", "1.00 ms", "9.99 ms", "10.0 ms", "100 ms", "999 ms", "12.3 s"]);
        let spans = [0.0, 1.234, 59.9, 61.0, 7_265.0].map(in_seconds);
        assert_eq!(spans, ["0.00 s", "1.23 s", "59.9 s", "1 min 01 s", "2 h 01 min"]);
        let sizes = [0, 1_023, 1_024, 64 << 20, 5 << 30, 3 << 50].map(in_bytes);
        assert_eq!(sizes, ["0 B", "1023 B", "1.00 KiB", "64.0 MiB", "5.00 GiB", "3072 TiB"]);
    }

    #[test]
    fn peak_memory_is_read_from_the_status() {
        assert_eq!(peak_memory_of("Name:\tkolo\nVmPeak:\t  999 kB\nVmHWM:\t   1234 kB\n"), Some(1_234 * 1_024));
        assert_eq!(peak_memory_of("Name:\tkolo\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_held_some_memory() {
        assert!(peak_memory_bytes().is_some_and(|bytes| bytes > 100_000));
    }
}
