//! `kolo-bench ring`: the lane beside the best queues that there are, in one run.
//!
//! ```text
//!   throughput   sender ═══▶ receiver            sender ═══▶ relay ═══▶ receiver
//!   round trip   ping ─▶ echo ─▶ ping            one message at a time
//!   one way      sender ─ · ─ · ─▶ receiver      by schedule, from the moment at which a message was due
//!   cost         one thread, both ends           beside a plain array
//! ```
//!
//! 1. Every contender carries the same messages, one cache line each, through the same capacity, and every message that
//!    arrives is verified while throughput is measured.
//! 2. Contenders take turns within a round, and rounds begin with a different one each: what disturbs the machine
//!    disturbs all. Comparisons are between neighbours of one round, and their medians are reported.
//! 3. The whole distribution of latencies is kept, not its mean.
//!
//! Written to the folder `--out`: `ring.md` for people, `ring.json` for machines, plots as SVG and PNG.

mod contenders;
mod cost;
mod latency;
mod link;
mod machine;
mod message;
mod plot;
mod results;
mod run;
mod table;
mod throughput;

use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use hdrhistogram::Histogram;
use kolo_ring::{BusySpin, Park};

use self::contenders::Contender;
use self::message::Message;
use self::results::{Cost, Latency, Method, Results, Subject, Throughput};
use self::run::Run;
use crate::Result;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Take a tenth of the time: to see that it works, not to quote
    #[arg(long)]
    quick: bool,

    /// Leave out the throughput over two hops, which on fewer than three cores measures the scheduler
    #[arg(long)]
    one_hop: bool,

    /// How often everything is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=99))]
    rounds: u16,

    /// The folder that the results are written to
    #[arg(long, value_name = "FOLDER", default_value = "bench/results")]
    out: PathBuf,
}

/// Measures everything and writes it down.
pub(crate) fn run(options: &Options) -> Result<()> {
    let part = if options.quick { 10 } else { 1 };
    let (rounds, scale) = (usize::from(options.rounds), |ms: u64| Duration::from_millis(ms / part));
    let (sending, bouncing, pacing) = (scale(50), scale(200), scale(400));
    let pace = Duration::from_micros(10);

    let contenders = contenders::all();
    let load_before = machine::load();
    let throughput = throughput(&contenders, if options.one_hop { &[1] } else { &[1, 2] }, rounds, sending);
    let bounce = |contender: &Contender, run: &Run| (contender.round_trip)(run);
    let round_trip = latencies("round trip", &contenders, rounds, (bouncing, pace), bounce);
    let arrive = |contender: &Contender, run: &Run| (contender.one_way)(run);
    let one_way = latencies("one way", &contenders, rounds, (pacing, pace), arrive);
    let cost = cost(rounds, if options.quick { 200 } else { 2_000 });

    let bars = results::bars(&throughput, &round_trip, &cost);
    let method = Method {
        rounds,
        capacity_messages: link::CAPACITY,
        message_bytes: size_of::<Message>(),
        throughput_ms: sending.as_millis() as u64,
        round_trip_ms: bouncing.as_millis() as u64,
        one_way_ms: pacing.as_millis() as u64,
        pace_us: pace.as_micros() as u64,
    };
    let machine = machine::describe(load_before);
    let results = Results { machine, method, throughput, round_trip, one_way, cost, bars };

    let out = &options.out;
    let text = table::markdown(&results);
    fs::create_dir_all(out).map_err(|reason| format!("{}: {reason}", out.display()))?;
    fs::write(out.join("ring.md"), &text)?;
    fs::write(out.join("ring.json"), serde_json::to_string_pretty(&results)? + "\n")?;
    plot::write(&results, out)?;
    print!("{text}");
    Ok(())
}

/// Calls `measure` with each item, round by round, beginning with another one each time. The rounds of each item.
fn interleaved<T, M>(what: &str, items: &[T], rounds: usize, mut measure: impl FnMut(&T) -> M) -> Vec<Vec<M>> {
    let mut measured: Vec<Vec<M>> = items.iter().map(|_| Vec::with_capacity(rounds)).collect();
    for round in 0..rounds {
        eprintln!("kolo-bench: {what}, round {} of {rounds}", round + 1);
        let first = round * items.len() / rounds;
        for number in (first..items.len()).chain(0..first) {
            measured[number].push(measure(&items[number]));
        }
    }
    measured
}

fn throughput(contenders: &[Contender], hops: &[usize], rounds: usize, duration: Duration) -> Vec<Throughput> {
    let mut items: Vec<(&Contender, Run)> = Vec::new();
    for cores in [run::cores(), Vec::new()] {
        for &hops in hops {
            for &batch in contenders::BATCHES {
                for contender in contenders.iter().filter(|contender| contender.batches.contains(&batch)) {
                    let run = Run { hops, batch, cores: cores.clone(), duration, pace: Duration::ZERO };
                    items.push((contender, run));
                }
            }
        }
    }
    let measured = interleaved("throughput", &items, rounds, |(contender, run)| (contender.throughput)(run));
    let results = items.iter().zip(measured).map(|((contender, run), messages_per_s)| Throughput {
        subject: subject(contender, run),
        hops: run.hops,
        batch: run.batch,
        messages_per_s,
    });
    results.collect()
}

fn latencies(
    what: &str,
    contenders: &[Contender],
    rounds: usize,
    (duration, pace): (Duration, Duration),
    measure: impl Fn(&Contender, &Run) -> Histogram<u64>,
) -> Vec<Latency> {
    let mut items: Vec<(&Contender, Run)> = Vec::new();
    for cores in [run::cores(), Vec::new()] {
        let run = Run { hops: 1, batch: 1, cores, duration, pace };
        items.extend(contenders.iter().map(|contender| (contender, run.clone())));
    }
    let measured = interleaved(what, &items, rounds, |(contender, run)| measure(contender, run));
    items.iter().zip(measured).map(|((contender, run), rounds)| Latency::of(subject(contender, run), &rounds)).collect()
}

fn subject(contender: &Contender, run: &Run) -> Subject {
    Subject { contender: contender.name, wait: contender.wait, pinned: !run.cores.is_empty() }
}

fn cost(rounds: usize, turns: u32) -> Cost {
    let (mut array, mut lane, mut parking) =
        (cost::Array::new(), cost::Lane::<BusySpin>::new(), cost::Lane::<Park>::new());
    let mut measured = Cost { batch: cost::BATCH, array_ns: vec![], lane_ns: vec![], parking_lane_ns: vec![] };
    // More rounds than of anything else: they are short, and what they tell apart is small.
    for _ in 0..rounds * 10 {
        measured.array_ns.push(turn_ns(turns, || array.turn()));
        measured.lane_ns.push(turn_ns(turns, || lane.turn()));
        measured.parking_lane_ns.push(turn_ns(turns, || parking.turn()));
    }
    measured
}

/// Nanoseconds a turn.
#[inline(never)]
fn turn_ns(turns: u32, mut turn: impl FnMut() -> u64) -> f64 {
    let start = Instant::now();
    for _ in 0..turns {
        black_box(turn());
    }
    start.elapsed().as_nanos() as f64 / f64::from(turns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contender_delivers_every_message_over_one_hop_and_two() {
        for contender in contenders::all() {
            for hops in [1, 2] {
                for &batch in contender.batches {
                    let duration = Duration::from_millis(1);
                    let run = Run { hops, batch, cores: Vec::new(), duration, pace: Duration::from_micros(50) };
                    assert!((contender.throughput)(&run) > 0.0, "{} {hops} {batch}", contender.name);
                }
            }
            let duration = Duration::from_millis(3);
            let run = Run { hops: 1, batch: 1, cores: run::cores(), duration, pace: Duration::from_micros(50) };
            assert_eq!((contender.one_way)(&run).len(), 54, "{}: 60 messages but those that warm up", contender.name);
            (contender.round_trip)(&run);
        }
    }

    #[test]
    fn a_turn_reads_what_was_written() {
        let (mut array, mut lane) = (cost::Array::new(), cost::Lane::<Park>::new());
        for _ in 0..10 {
            assert_eq!(array.turn(), lane.turn());
        }
    }
}
