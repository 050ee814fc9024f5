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
//!    disturbs all.
//! 3. The whole distribution of latencies is kept, not its mean.
//! 4. Whether a bar is met is asked in rounds of its own: many, short, there and back in turn, of those alone that it
//!    compares. Comparisons are between neighbours of one round; their median has an interval, and decides only if all of
//!    that lies on one side of the bar.
//!
//! Written to the folder `--out`: `ring.md` for people, `ring.json` for machines, plots as SVG and PNG.

mod alone;
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
use self::results::{Cost, Duels, Latency, Method, Results, Subject, Throughput};
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

/// What to hand over.
#[derive(Debug, Args)]
pub(crate) struct AloneOptions {
    /// A contender, by its name in the tables
    #[arg(long, default_value = contenders::KOLO)]
    contender: String,
    /// How it waits: busy-spin or parking
    #[arg(long, default_value = contenders::BUSY_SPIN)]
    wait: String,
    /// Messages handed over at a time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=link::CAPACITY as i64))]
    batch: u16,
    /// How often a link is filled and emptied
    #[arg(long, default_value_t = 1_000)]
    laps: u32,
}

/// Fills and empties one contender's link on one thread, for its instructions to be counted.
pub(crate) fn hand_over(options: &AloneOptions) -> Result<()> {
    let AloneOptions { contender, wait, batch, laps } = options;
    let mut all = contenders::all().into_iter();
    let found = all.find(|one| one.name == contender && one.wait == wait).and_then(|one| one.alone);
    let alone = found.ok_or_else(|| format!("no `{contender}` that waits by `{wait}` hands over on one thread"))?;
    alone(usize::from(*batch), *laps);
    Ok(())
}

/// Measures everything and writes it down.
pub(crate) fn run(options: &Options) -> Result<()> {
    let part = if options.quick { 10 } else { 1 };
    let (rounds, scale) = (usize::from(options.rounds), |ms: u64| Duration::from_millis(ms / part));
    let (sending, bouncing, pacing) = (scale(50), scale(200), scale(400));
    let pace = Duration::from_micros(10);

    let duels = Duels {
        rounds: 1_000 / part as usize,
        throughput_ms: 1,
        round_trip_rounds: 50,
        round_trip_ms: 20 / part,
        cost_rounds: 5_000 / part as usize,
    };

    let contenders = contenders::all();
    let load_before = machine::load();
    let hops: &[usize] = if options.one_hop { &[1] } else { &[1, 2] };
    let throughput = throughput("throughput", &contenders, (hops, contenders::BATCHES), rounds, sending);
    let bounce = |contender: &Contender, run: &Run| (contender.round_trip)(run);
    let round_trip = latencies("round trip", &contenders, rounds, (bouncing, pace), bounce);
    let arrive = |contender: &Contender, run: &Run| (contender.one_way)(run);
    let one_way = latencies("one way", &contenders, rounds, (pacing, pace), arrive);

    let rivals = contenders::rivals(contenders);
    let (short, batches) = (Duration::from_millis(duels.throughput_ms), contenders::BATCHES_OF_DUELS);
    let races = self::throughput("duels, throughput", &rivals, (&[1], batches), duels.rounds, short);
    let short = (Duration::from_millis(duels.round_trip_ms), pace);
    let bounces = latencies("duels, round trip", &rivals, duels.round_trip_rounds, short, bounce);
    let costs =
        vec![cost::<{ cost::BATCH }>(duels.cost_rounds, 20), cost::<{ cost::SINGLE }>(duels.cost_rounds, 1_000)];

    let bars = results::bars(&races, &bounces, &costs);
    let method = Method {
        rounds,
        duels,
        capacity_messages: link::CAPACITY,
        message_bytes: size_of::<Message>(),
        throughput_ms: sending.as_millis() as u64,
        round_trip_ms: bouncing.as_millis() as u64,
        one_way_ms: pacing.as_millis() as u64,
        pace_us: pace.as_micros() as u64,
    };
    let machine = machine::describe(load_before);
    let results = Results { machine, method, throughput, round_trip, one_way, costs, bars };

    let out = &options.out;
    let text = table::markdown(&results);
    fs::create_dir_all(out).map_err(|reason| format!("{}: {reason}", out.display()))?;
    fs::write(out.join("ring.md"), &text)?;
    fs::write(out.join("ring.json"), serde_json::to_string_pretty(&results)? + "\n")?;
    plot::write(&results, out)?;
    print!("{text}");
    Ok(())
}

/// Calls `measure` with each item, round by round, beginning with another one each time and every second time backwards.
/// The rounds of each item.
fn interleaved<T, M>(what: &str, items: &[T], rounds: usize, mut measure: impl FnMut(&T) -> M) -> Vec<Vec<M>> {
    let mut measured: Vec<Vec<M>> = items.iter().map(|_| Vec::with_capacity(rounds)).collect();
    for round in 0..rounds {
        if round % rounds.div_ceil(10) == 0 {
            eprintln!("kolo-bench: {what}, round {} of {rounds}", round + 1);
        }
        let first = round * items.len() / rounds;
        let mut order: Vec<usize> = (first..items.len()).chain(0..first).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for number in order {
            measured[number].push(measure(&items[number]));
        }
    }
    measured
}

fn throughput(
    what: &str,
    contenders: &[Contender],
    (hops, batches): (&[usize], &[usize]),
    rounds: usize,
    duration: Duration,
) -> Vec<Throughput> {
    let mut items: Vec<(&Contender, Run)> = Vec::new();
    for cores in [run::cores(), Vec::new()] {
        for &hops in hops {
            for &batch in batches {
                for contender in contenders.iter().filter(|contender| contender.batches.contains(&batch)) {
                    let run = Run { hops, batch, cores: cores.clone(), duration, pace: Duration::ZERO };
                    items.push((contender, run));
                }
            }
        }
    }
    let measured = interleaved(what, &items, rounds, |(contender, run)| (contender.throughput)(run));
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

/// What turns of `N` slots take. Few turns at a time, there and back: what disturbs the machine for longer than that falls
/// on all three alike.
fn cost<const N: usize>(rounds: usize, turns: u32) -> Cost {
    let (mut array, mut lane, mut parking) =
        (cost::Array::<N>::new(), cost::Lane::<BusySpin, N>::new(), cost::Lane::<Park, N>::new());
    let mut turn_ns = |number| match number {
        0 => turn_ns::<N>(turns, || array.turn()),
        1 => turn_ns::<N>(turns, || lane.turn()),
        _ => turn_ns::<N>(turns, || parking.turn()),
    };
    let rounds = (0..rounds).map(|_| {
        let mut ns = [0.0; 3];
        [0, 1, 2, 2, 1, 0].into_iter().for_each(|number| ns[number] += turn_ns(number) / 2.0);
        ns
    });
    Cost::of(N, rounds.collect())
}

/// Nanoseconds a turn, after a lap that brings the slots back into the cache.
#[inline(never)]
fn turn_ns<const N: usize>(turns: u32, mut turn: impl FnMut() -> u64) -> f64 {
    for _ in 0..cost::SLOTS / N {
        black_box(turn());
    }
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
            contender.alone.into_iter().for_each(|alone| contender.batches.iter().for_each(|&batch| alone(batch, 2)));
        }
    }

    #[test]
    fn a_turn_reads_what_was_written() {
        let (mut array, mut lane) = (cost::Array::<{ cost::BATCH }>::new(), cost::Lane::<Park, { cost::BATCH }>::new());
        for _ in 0..10 {
            assert_eq!(array.turn(), lane.turn());
        }
    }
}
