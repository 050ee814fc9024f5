//! The results as Markdown.

use std::fmt::{self, Write};

use super::contenders::BATCHES;
use super::results::{Bar, Duels, Latency, Results, Subject, Verdict};
use crate::summary::Summary;

/// The whole report.
pub(super) fn markdown(results: &Results) -> String {
    let mut out = String::new();
    write(&mut out, results).expect("a String takes everything");
    out
}

fn write(out: &mut String, results: &Results) -> fmt::Result {
    let (machine, method) = (&results.machine, &results.method);
    writeln!(out, "# kolo's lane beside other queues\n")?;
    writeln!(
        out,
        "{}, {} cores, {}, {}; load average {} before, {} after. {} rounds; capacity {} messages of {} bytes, each written \
         and read whole.\n",
        machine.cpu,
        machine.cores,
        machine.kernel,
        machine.rustc,
        machine.load_before,
        machine.load_after,
        method.rounds,
        method.capacity_messages,
        method.message_bytes
    )?;

    let Duels { rounds, throughput_ms, round_trip_rounds, round_trip_ms, cost_rounds } = method.duels;
    writeln!(out, "## Bars\n")?;
    writeln!(
        out,
        "Each in rounds of its own, of those alone that it compares, there and back in turn: {rounds} of {throughput_ms} ms \
         for throughput, {round_trip_rounds} of {round_trip_ms} ms for round trips, {cost_rounds} for costs. A round's \
         measurements are compared with each other; the median of that, in brackets its 95 % interval (the sign test's, over \
         the medians of some 25 blocks of rounds). Met or missed is a bar on whose one side all of the interval lies; \"at the bar\", one \
         within it.\n"
    )?;
    writeln!(out, "| what | measured | must be | | in rounds |\n|---|---|---|---|---|")?;
    for bar in &results.bars {
        let verdict = match bar.verdict {
            Verdict::Met => "met",
            Verdict::AtTheBar => "at the bar",
            Verdict::Missed => "**missed**",
        };
        let Bar { what, median, interval: (from, to), unit, direction, limit, rounds_met, rounds, .. } = bar;
        let decimals = if *unit == "times" { 3 } else { 2 };
        writeln!(
            out,
            "| {what} | {median:.decimals$} {unit} [{from:.decimals$}, {to:.decimals$}] | {direction} {limit} | {verdict} | \
             {rounds_met} of {rounds} |"
        )?;
    }

    for pinned in [true, false] {
        writeln!(out, "\n## Throughput, {}\n", placed(pinned))?;
        writeln!(out, "Millions of messages a second, medians of {} ms each.\n", method.throughput_ms)?;
        write!(out, "| | waits by |")?;
        for (hops, name) in [(1, "hop"), (2, "hops")] {
            BATCHES.iter().try_for_each(|batch| write!(out, " {hops} {name}, {batch} |"))?;
        }
        writeln!(out, "\n|---|---|{}", "---|".repeat(2 * BATCHES.len()))?;
        for subject in subjects(results, pinned) {
            write!(out, "| {} | {} |", subject.contender, subject.wait)?;
            for hops in [1, 2] {
                for &batch in BATCHES {
                    let mut cells = results.throughput.iter();
                    match cells.find(|cell| cell.subject == *subject && cell.hops == hops && cell.batch == batch) {
                        Some(cell) => {
                            write!(out, " {:.2} |", Summary::of(cell.messages_per_s.iter().copied()).median / 1e6)?
                        }
                        None => write!(out, " – |")?,
                    }
                }
            }
            writeln!(out)?;
        }
    }

    let paced = format!("A message every {} µs; from the moment at which it was due.", method.pace_us);
    for (name, how, latencies) in [
        ("Round trip", "One message at a time, there and back.".to_owned(), &results.round_trip),
        ("One way", paced, &results.one_way),
    ] {
        for pinned in [true, false] {
            writeln!(out, "\n## {name}, {}\n\n{how}\n", placed(pinned))?;
            writeln!(out, "| | waits by | p50 | p99 | p99.9 | p99.99 | max |\n|---|---|---|---|---|---|---|")?;
            latencies.iter().filter(|latency| latency.subject.pinned == pinned).try_for_each(|latency| {
                let Latency { subject, p50_ns, p99_ns, p99_9_ns, p99_99_ns, max_ns, .. } = latency;
                let Subject { contender, wait, .. } = subject;
                write!(out, "| {contender} | {wait} |")?;
                let shares = [p50_ns, p99_ns, p99_9_ns, p99_99_ns, max_ns];
                shares.into_iter().try_for_each(|ns| write!(out, " {} |", duration(*ns)))?;
                writeln!(out)
            })?;
        }
    }

    writeln!(out, "\n## Cost\n")?;
    writeln!(
        out,
        "One thread publishes, claims and releases batches, and writes and reads each slot's first 64 bytes; nanoseconds a \
         batch, median (least – greatest).\n"
    )?;
    writeln!(out, "| batch | plain array | lane | lane that may park |\n|---|---|---|---|")?;
    for cost in &results.costs {
        write!(out, "| {} |", cost.batch)?;
        for Summary { median, min, max } in [cost.array_ns, cost.lane_ns, cost.parking_lane_ns] {
            write!(out, " {median:.1} ({min:.1} – {max:.1}) |")?;
        }
        writeln!(out)?;
    }
    writeln!(out, "\n{FLAWS}")
}

/// Nanoseconds to three digits or so.
fn duration(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} µs", ns as f64 / 1e3),
        _ => format!("{:.1} ms", ns as f64 / 1e6),
    }
}

fn placed(pinned: bool) -> &'static str {
    if pinned { "each thread tied to a core" } else { "threads where the system puts them" }
}

/// Everyone, in the order in which they were measured.
fn subjects(results: &Results, pinned: bool) -> impl Iterator<Item = &Subject> {
    results.round_trip.iter().map(|latency| &latency.subject).filter(move |subject| subject.pinned == pinned)
}

const FLAWS: &str = "\
## What these figures do not tell

- Where there are fewer cores than threads, as with two hops on two cores, spinning parties wait for their time slice and
  not for each other: those columns measure the system's scheduler. Parking is what such machines need.
- A virtual machine's cores are shared: the tails beyond p99.9 hold what the host does, for every contender alike. And
  whether two of them are threads of one physical core may change by the minute: the same contender has moved 40 million
  and 330 million messages a second. Compare within a run only, best the rounds' own ratios under \"Bars\".
- From batch 16 on, where the cores are apart, everyone in place moves one cache line after another as fast as the machine
  does; docs/ring.md counts what each does besides. \"At the bar\" with a narrow interval says that two are even.
- An interval is of the median of one run. From run to run the machine itself changes, which it knows nothing of: the same
  two have differed by 1 or 2 % more.
- The capacity is the same for all, though some gain from another; so is the message, one cache line. Interfaces without
  batches have one column.
- The lane's second gate, on what is acknowledged, stays open here: kolo's sink moves it once a batch.
- A relay reads a message in place where the contender lets it (the lane, `disruptor`), and moves it to a second queue
  where it must (all others).
- `disruptor` is read through its event pollers, so that all threads are placed alike, and spins without a hint to the
  processor, as its `BusySpin` does; everyone else spins with one. Its `Sleep` is no parking and is left out.
- tokio's tasks run on a runtime with as many workers as there are parties; the paced sender is a thread beside it.
- Each latency includes reading the clock, some 25 ns.
";

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_are_short() {
        assert_eq!(
            [7, 999, 1_000, 45_678, 12_345_678].map(duration),
            ["7 ns", "999 ns", "1.0 µs", "45.7 µs", "12.3 ms"]
        );
    }
}
