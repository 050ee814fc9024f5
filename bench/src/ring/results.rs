//! What came of it, as it is written to `ring.json`.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::contenders::{BUSY_SPIN, DISRUPTOR, KOLO, RTRB_CHUNKS};
use crate::summary::{Summary, interval};

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Results {
    pub(super) machine: Machine,
    pub(super) method: Method,
    pub(super) throughput: Vec<Throughput>,
    pub(super) round_trip: Vec<Latency>,
    pub(super) one_way: Vec<Latency>,
    pub(super) costs: Vec<Cost>,
    pub(super) bars: Vec<Bar>,
}

/// Where it ran.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    pub(super) cpu: String,
    pub(super) cores: usize,
    pub(super) kernel: String,
    pub(super) rustc: String,
    /// The system's load averages over one minute, at the beginning and the end. The benchmark itself is in the second.
    pub(super) load_before: String,
    pub(super) load_after: String,
}

/// How it ran.
#[derive(Debug, Serialize)]
pub(super) struct Method {
    pub(super) rounds: usize,
    pub(super) capacity_messages: usize,
    pub(super) message_bytes: usize,
    pub(super) throughput_ms: u64,
    pub(super) round_trip_ms: u64,
    pub(super) one_way_ms: u64,
    pub(super) pace_us: u64,
    pub(super) duels: Duels,
}

/// The measurements that decide about the bars, in rounds of their own.
#[derive(Debug, Serialize)]
pub(super) struct Duels {
    pub(super) rounds: usize,
    pub(super) throughput_ms: u64,
    pub(super) round_trip_rounds: usize,
    pub(super) round_trip_ms: u64,
    pub(super) cost_rounds: usize,
}

/// What was measured, of whom.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Subject {
    pub(super) contender: &'static str,
    pub(super) wait: &'static str,
    pub(super) pinned: bool,
}

impl Subject {
    fn is(&self, contender: &str, pinned: bool) -> bool {
        self.contender == contender && self.wait == BUSY_SPIN && self.pinned == pinned
    }
}

/// Messages a second, of each round.
#[derive(Debug, Serialize)]
pub(super) struct Throughput {
    #[serde(flatten)]
    pub(super) subject: Subject,
    pub(super) hops: usize,
    pub(super) batch: usize,
    pub(super) messages_per_s: Vec<f64>,
}

/// A distribution over all rounds, and the two percentiles that a single round tells as well.
#[derive(Debug, Serialize)]
pub(super) struct Latency {
    #[serde(flatten)]
    pub(super) subject: Subject,
    pub(super) samples: u64,
    pub(super) p50_ns: u64,
    pub(super) p99_ns: u64,
    pub(super) p99_9_ns: u64,
    pub(super) p99_99_ns: u64,
    pub(super) max_ns: u64,
    pub(super) p50_ns_by_round: Vec<f64>,
    pub(super) p99_ns_by_round: Vec<f64>,
    /// (share of the messages, nanoseconds within which they came).
    pub(super) curve: Vec<(f64, u64)>,
}

impl Latency {
    pub(super) fn of(subject: Subject, rounds: &[Histogram<u64>]) -> Latency {
        let mut all = super::latency::histogram();
        rounds.iter().for_each(|round| all.add(round).expect("the same bounds"));
        let by_round = |share| rounds.iter().map(|round| round.value_at_quantile(share) as f64).collect();
        // 0.5 of 0.1 beyond, 0.05 of 0.01, and so on, as far as there are messages.
        let beyond = (0..16).map(|step| 0.5f64 * 10f64.powf(-f64::from(step) / 3.0));
        let curve = beyond
            .take_while(|beyond| beyond * all.len() as f64 >= 1.0)
            .map(|beyond| (1.0 - beyond, all.value_at_quantile(1.0 - beyond)))
            .collect();
        Latency {
            subject,
            samples: all.len(),
            p50_ns: all.value_at_quantile(0.5),
            p99_ns: all.value_at_quantile(0.99),
            p99_9_ns: all.value_at_quantile(0.999),
            p99_99_ns: all.value_at_quantile(0.9999),
            max_ns: all.max(),
            p50_ns_by_round: by_round(0.5),
            p99_ns_by_round: by_round(0.99),
            curve,
        }
    }
}

/// One thread's turns, in nanoseconds a turn.
#[derive(Debug, Serialize)]
pub(super) struct Cost {
    pub(super) batch: usize,
    pub(super) array_ns: Summary,
    pub(super) lane_ns: Summary,
    pub(super) parking_lane_ns: Summary,
    /// The three of each round: thousands, of which the bars tell what matters.
    #[serde(skip)]
    rounds: Vec<[f64; 3]>,
}

impl Cost {
    /// Of rounds of an array's, a lane's and a parking lane's turns.
    pub(super) fn of(batch: usize, rounds: Vec<[f64; 3]>) -> Cost {
        let of = |number: usize| Summary::of(rounds.iter().map(|round| round[number]));
        Cost { batch, array_ns: of(0), lane_ns: of(1), parking_lane_ns: of(2), rounds }
    }

    /// What a lane adds to a slot's nanoseconds, by round.
    fn above_array_ns_per_slot(&self) -> Vec<f64> {
        self.rounds.iter().map(|[array, lane, _]| (lane - array) / self.batch as f64).collect()
    }

    /// What parking adds to a batch's nanoseconds, by round.
    fn parking_ns_per_batch(&self) -> Vec<f64> {
        self.rounds.iter().map(|[_, lane, parking]| parking - lane).collect()
    }
}

/// What a measurement says about a bar.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// The whole interval meets it.
    Met,
    /// The bar lies within the interval: neither can be said.
    AtTheBar,
    /// Nothing of the interval meets it.
    Missed,
}

/// Something that must hold, as measured.
#[derive(Debug, Serialize)]
pub(super) struct Bar {
    pub(super) what: String,
    pub(super) median: f64,
    /// Within which the median is known, by [`interval`].
    pub(super) interval: (f64, f64),
    pub(super) unit: &'static str,
    /// `at least` or `at most`.
    pub(super) direction: &'static str,
    pub(super) limit: f64,
    pub(super) verdict: Verdict,
    /// How many rounds meet it by themselves.
    pub(super) rounds_met: usize,
    pub(super) rounds: usize,
}

impl Bar {
    fn at_least(what: String, measured: &[f64]) -> Bar {
        Bar::new(what, measured, "times", "at least", 1.0, |value| value >= 1.0)
    }

    fn at_most(what: String, measured: &[f64], unit: &'static str, limit: f64) -> Bar {
        Bar::new(what, measured, unit, "at most", limit, |value| value <= limit)
    }

    fn new(
        what: String,
        measured: &[f64],
        unit: &'static str,
        direction: &'static str,
        limit: f64,
        meets: impl Fn(f64) -> bool,
    ) -> Bar {
        let Summary { median, .. } = Summary::of(measured.iter().copied());
        let (from, to) = interval(measured);
        let verdict = match (meets(from), meets(to)) {
            (true, true) => Verdict::Met,
            (false, false) => Verdict::Missed,
            _ => Verdict::AtTheBar,
        };
        let rounds_met = measured.iter().filter(|value| meets(**value)).count();
        Bar { what, median, interval: (from, to), unit, direction, limit, verdict, rounds_met, rounds: measured.len() }
    }
}

/// Compares the native lane with the best of its kind; rounds with their neighbours.
pub(super) fn bars(throughput: &[Throughput], round_trip: &[Latency], costs: &[Cost]) -> Vec<Bar> {
    let mut bars = Vec::new();
    let placed = |pinned| if pinned { "pinned" } else { "not pinned" };
    for pinned in [true, false] {
        for batch in [16, 256] {
            let rounds_of = |contender: &str| {
                let of = |t: &&Throughput| t.subject.is(contender, pinned) && t.hops == 1 && t.batch == batch;
                throughput.iter().find(of).map(|found| found.messages_per_s.as_slice()).unwrap_or_default()
            };
            for other in [DISRUPTOR, RTRB_CHUNKS] {
                let what = format!("throughput, one hop, batch {batch}, {}: {KOLO} / {other}", placed(pinned));
                bars.push(Bar::at_least(what, &ratios(rounds_of(KOLO), rounds_of(other))));
            }
        }
        let of = |contender: &str| {
            let found = round_trip.iter().find(|latency| latency.subject.is(contender, pinned));
            found.expect("both are always measured")
        };
        let (ours, theirs) = (of(KOLO), of(DISRUPTOR));
        let percentiles = [
            ("p50", &ours.p50_ns_by_round, &theirs.p50_ns_by_round),
            ("p99", &ours.p99_ns_by_round, &theirs.p99_ns_by_round),
        ];
        for (percentile, ours, theirs) in percentiles {
            let what = format!("round trip, {percentile}, {}: {KOLO} / {DISRUPTOR}", placed(pinned));
            bars.push(Bar::at_most(what, &ratios(ours, theirs), "times", 1.0));
        }
    }
    // The first is of the batches that the bar speaks of; of a single slot, a lane costs little but its hand-over.
    let what = format!("publish, claim and release of {}, above a plain array", costs[0].batch);
    bars.push(Bar::at_most(what, &costs[0].above_array_ns_per_slot(), "ns a slot", 1.0));
    for cost in costs {
        let what = format!("parking, above busy-spin, for {}", cost.batch);
        bars.push(Bar::at_most(what, &cost.parking_ns_per_batch(), "ns a batch", 10.0));
    }
    bars
}

fn ratios(ours: &[f64], theirs: &[f64]) -> Vec<f64> {
    ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(contender: &'static str, pinned: bool) -> Subject {
        Subject { contender, wait: BUSY_SPIN, pinned }
    }

    fn latency(contender: &'static str, pinned: bool, ns: [u64; 3]) -> Latency {
        let rounds = ns.map(|ns| {
            let mut round = super::super::latency::histogram();
            round.record_n(ns, 1_000).expect("within the bounds");
            round
        });
        Latency::of(subject(contender, pinned), &rounds)
    }

    #[test]
    fn a_bar_is_met_or_missed_only_by_the_whole_interval() {
        let (mut throughput, mut round_trip) = (Vec::new(), Vec::new());
        for pinned in [true, false] {
            for batch in [16, 256] {
                for (contender, messages_per_s) in
                    [(KOLO, [20.0, 30.0, 20.0]), (DISRUPTOR, [20.0, 29.0, 19.0]), (RTRB_CHUNKS, [19.0, 31.0, 21.0])]
                {
                    let messages_per_s = messages_per_s.to_vec();
                    throughput.push(Throughput { subject: subject(contender, pinned), hops: 1, batch, messages_per_s });
                }
            }
            round_trip.push(latency(KOLO, pinned, [100, 200, 300]));
            round_trip.push(latency(DISRUPTOR, pinned, [90, 190, 290]));
        }
        let cost =
            |parking_ns: f64| Cost::of(256, vec![[1000.0, 1128.0, 1128.0 + parking_ns], [1100.0, 1228.0, 1240.0]]);
        let bars = bars(&throughput, &round_trip, &[cost(12.0), cost(9.0)]);
        let verdicts: Vec<Verdict> = bars.iter().map(|bar| bar.verdict).collect();
        use Verdict::{AtTheBar, Met, Missed};
        let of_one_placement = [Met, AtTheBar, Met, AtTheBar, Missed, Missed];
        assert_eq!(verdicts, [&of_one_placement[..], &of_one_placement, &[Met, Missed, AtTheBar]].concat());
        assert_eq!((bars[0].rounds_met, bars[0].rounds), (3, 3));
        assert_eq!((bars[0].median, bars[0].interval), (30.0 / 29.0, (1.0, 20.0 / 19.0)));
        assert_eq!((bars[12].median, bars[13].median), (0.5, 12.0));
    }

    #[test]
    fn a_curve_goes_as_far_as_there_are_messages() {
        let latency = latency(KOLO, true, [100, 200, 300]);
        assert_eq!((latency.samples, latency.p50_ns, latency.max_ns), (3_000, 200, 300));
        let (last, ns) = *latency.curve.last().expect("half of them at least");
        assert!(last < 1.0 - 1.0 / 3_000.0 && last > 0.999 && ns == 300, "{last} {ns}");
    }
}
