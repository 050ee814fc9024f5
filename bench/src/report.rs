//! The figures, as a table for people and as JSON for machines.

use std::fmt::Write;
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
    let mut out = String::new();
    let partitions = if case.partitions == 1 { "partition" } else { "partitions" };
    let _ = writeln!(
        out,
        "\n{}: {} {partitions}, {} records, median of {} (least – greatest)",
        case.program,
        case.partitions,
        grouped(options.events as f64),
        options.rounds
    );
    let _ = writeln!(
        out,
        "{:<23}{:>10} {:<24}{:>6} {:<14}{:>7}{:>7}{:>6}  of {}",
        "",
        "records/s",
        "",
        "CPU ns",
        "",
        "peak MB",
        "1st ms",
        "out/in",
        options.engines[0].label()
    );
    for (engine, rounds) in options.engines.iter().zip(&case.rounds) {
        let rate = Summary::of(rounds.iter().map(|round| round.records_per_s));
        let cpu = Summary::of(rounds.iter().map(|round| round.cpu_ns));
        let ratio = ratio(rounds, &case.rounds[0]);
        let median = |quantity: fn(&Round) -> f64| Summary::of(rounds.iter().map(quantity)).median;
        let _ = writeln!(
            out,
            "{:<23}{:>10} {:<24}{:>6.0} {:<14}{:>7.0}{:>7.0}{:>6.2}  {:.2} ({:.2} – {:.2})",
            engine.label(),
            grouped(rate.median),
            format!("({} – {})", grouped(rate.min), grouped(rate.max)),
            cpu.median,
            format!("({:.0} – {:.0})", cpu.min, cpu.max),
            median(|round| round.peak_mb),
            median(|round| round.first_output_ms),
            median(|round| round.outputs_per_record),
            ratio.median,
            ratio.min,
            ratio.max,
        );
    }
    out
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

/// A whole number with commas between its thousands.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
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
fn cpu_model() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        let written = [0.0, 7.4, 999.6, 12_345.0, 2_812_345.0].map(grouped);
        assert_eq!(written, ["0", "7", "1,000", "12,345", "2,812,345"]);
    }
}
