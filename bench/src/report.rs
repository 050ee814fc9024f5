//! The figures, as a table for people and as JSON for machines.

use std::fs;
use std::thread;

use rdkafka::util::get_rdkafka_version;
use serde_json::{Value, json};

use crate::pipeline::{Case, Options, Round};
use crate::summary::Summary;

/// One measured quantity: its JSON name, and where it is in a round.
type Quantity = (&'static str, fn(&Round) -> f64);

const QUANTITIES: [Quantity; 5] = [
    ("records_per_s", |round| round.records_per_s),
    ("cpu_ns_per_record", |round| round.cpu_ns),
    ("peak_rss_mb", |round| round.peak_mb),
    ("first_output_ms", |round| round.first_output_ms),
    ("outputs_per_record", |round| round.outputs_per_record),
];

/// A table of one case, an engine a line; the ratio is to the first engine, round by round.
pub(crate) fn table(options: &Options, case: &Case) -> String {
    let Case { program, partitions, .. } = case;
    let records = grouped(options.events);
    let mut out = format!("\n{program}, {}, {records} records\n", counted(*partitions, "partition"));
    let reference = format!("of {}", options.engines[0].label());
    let columns = ["million records/s", "CPU ns/record", "peak MB", "first ms", "out/in", &reference];
    out += &line("", columns.map(str::to_string));
    for (engine, rounds) in options.engines.iter().zip(&case.rounds) {
        let summary = |quantity: fn(&Round) -> f64| Summary::of(rounds.iter().map(quantity));
        let cells = [
            spread(summary(|round| round.records_per_s / 1e6), 3),
            spread(summary(|round| round.cpu_ns), 0),
            format!("{:.0}", summary(|round| round.peak_mb).median),
            format!("{:.0}", summary(|round| round.first_output_ms).median),
            format!("{:.2}", summary(|round| round.outputs_per_record).median),
            spread(ratio(rounds, &case.rounds[0]), 2),
        ];
        out += &line(engine.label(), cells);
    }
    let rounds = counted(options.rounds as i32, "round");
    out += &format!("Median of {rounds} (least – greatest); first: from start to first output.\n");
    out
}

/// One line of a table.
fn line(label: &str, cells: [String; 6]) -> String {
    let [rate, cpu, memory, first, outputs, ratio] = cells;
    let line = format!("{label:<23}{rate:<22}{cpu:<19}{memory:>7}{first:>10}{outputs:>8}   {ratio}");
    format!("{}\n", line.trim_end())
}

/// `median (least – greatest)`.
fn spread(Summary { median, min, max }: Summary, decimals: usize) -> String {
    format!("{median:.decimals$} ({min:.decimals$} – {max:.decimals$})")
}

/// `1 round`, `2 rounds`.
pub(crate) fn counted(number: i32, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Everything measured, with what it was measured on.
pub(crate) fn json(options: &Options, cases: &[Case]) -> Value {
    let engine = |case: &Case, index: usize| {
        let rounds = &case.rounds[index];
        let mut entry = json!({ "engine": options.engines[index].label() });
        for (name, quantity) in QUANTITIES {
            entry[name] = summary(Summary::of(rounds.iter().map(quantity)));
            entry[name]["rounds"] = rounds.iter().map(quantity).collect();
        }
        entry["ratio"] = summary(ratio(rounds, &case.rounds[0]));
        entry
    };
    let case = |case: &Case| {
        json!({
            "program": case.program.name(),
            "partitions": case.partitions,
            "engines": (0..options.engines.len()).map(|index| engine(case, index)).collect::<Value>(),
        })
    };
    json!({
        "benchmark": "pipeline",
        "version": env!("CARGO_PKG_VERSION"),
        "librdkafka": get_rdkafka_version().1,
        "machine": { "cpu": cpu_model(), "cores": thread::available_parallelism().map_or(0, usize::from) },
        "events": options.events,
        "rounds": options.rounds,
        "ratio_to": options.engines[0].label(),
        "cases": cases.iter().map(case).collect::<Value>(),
    })
}

/// How fast `rounds` were beside the rounds of `reference`, each beside its neighbour.
fn ratio(rounds: &[Round], reference: &[Round]) -> Summary {
    Summary::of(rounds.iter().zip(reference).map(|(round, reference)| round.records_per_s / reference.records_per_s))
}

fn summary(summary: Summary) -> Value {
    json!({ "median": summary.median, "min": summary.min, "max": summary.max })
}

/// A number with commas between its thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The processor's name where the system tells it.
pub(crate) fn cpu_model() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([0, 7, 1_000, 12_345, 2_812_345].map(grouped), ["0", "7", "1,000", "12,345", "2,812,345"]);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let round = |records_per_s| Round {
            records_per_s,
            cpu_ns: 0.0,
            peak_mb: 0.0,
            first_output_ms: 0.0,
            outputs_per_record: 0.0,
        };
        let ratio = ratio(&[1.0, 3.0, 8.0].map(round), &[2.0, 3.0, 4.0].map(round));
        assert_eq!(ratio, Summary { median: 1.0, min: 0.5, max: 2.0 });
    }
}
