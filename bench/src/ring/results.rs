//! What came of it, as it is written to `ring.json`.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::contenders::{BUSY_SPIN, DISRUPTOR, KOLO, RTRB_CHUNKS};
use crate::summary::Summary;

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Results {
    pub(super) machine: Machine,
    pub(super) method: Method,
    pub(super) throughput: Vec<Throughput>,
    pub(super) round_trip: Vec<Latency>,
    pub(super) one_way: Vec<Latency>,
    pub(super) cost: Cost,
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

/// One thread's turns of 256 slots, in nanoseconds a turn, of each round.
#[derive(Debug, Serialize)]
pub(super) struct Cost {
    pub(super) batch: usize,
    pub(super) array_ns: Vec<f64>,
    pub(super) lane_ns: Vec<f64>,
    pub(super) parking_lane_ns: Vec<f64>,
}

impl Cost {
    /// What a lane adds to a slot's nanoseconds, by round.
    fn above_array_ns_per_slot(&self) -> Vec<f64> {
        differences(&self.lane_ns, &self.array_ns, self.batch as f64)
    }

    /// What parking adds to a batch's nanoseconds, by round.
    fn parking_ns_per_batch(&self) -> Vec<f64> {
        differences(&self.parking_lane_ns, &self.lane_ns, 1.0)
    }
}

/// Something that must hold, as measured.
#[derive(Debug, Serialize)]
pub(super) struct Bar {
    pub(super) what: String,
    pub(super) measured: Summary,
    pub(super) unit: &'static str,
    /// `at least` or `at most`.
    pub(super) direction: &'static str,
    pub(super) limit: f64,
    /// By the median.
    pub(super) met: bool,
    /// How many rounds meet it by themselves: near half of them, the two sides are even.
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
        let summary = Summary::of(measured.iter().copied());
        let rounds_met = measured.iter().filter(|value| meets(**value)).count();
        let (met, rounds) = (meets(summary.median), measured.len());
        Bar { what, measured: summary, unit, direction, limit, met, rounds_met, rounds }
    }
}

/// Compares the native lane with the best of its kind; rounds with their neighbours.
pub(super) fn bars(throughput: &[Throughput], round_trip: &[Latency], cost: &Cost) -> Vec<Bar> {
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
    let what = format!("publish, claim and release of {}, above a plain array", cost.batch);
    bars.push(Bar::at_most(what, &cost.above_array_ns_per_slot(), "ns a slot", 1.0));
    let what = format!("parking, above busy-spin, for {}", cost.batch);
    bars.push(Bar::at_most(what, &cost.parking_ns_per_batch(), "ns a batch", 10.0));
    bars
}

fn ratios(ours: &[f64], theirs: &[f64]) -> Vec<f64> {
    ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect()
}

fn differences(ours: &[f64], theirs: &[f64], parts: f64) -> Vec<f64> {
    ours.iter().zip(theirs).map(|(ours, theirs)| (ours - theirs) / parts).collect()
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
    fn a_bar_is_met_by_the_median_of_ratios_within_a_round() {
        let (mut throughput, mut round_trip) = (Vec::new(), Vec::new());
        for pinned in [true, false] {
            for batch in [16, 256] {
                for (contender, messages_per_s) in
                    [(KOLO, [10.0, 30.0, 20.0]), (DISRUPTOR, [20.0, 29.0, 19.0]), (RTRB_CHUNKS, [11.0, 31.0, 1.0])]
                {
                    let messages_per_s = messages_per_s.to_vec();
                    throughput.push(Throughput { subject: subject(contender, pinned), hops: 1, batch, messages_per_s });
                }
            }
            round_trip.push(latency(KOLO, pinned, [100, 200, 300]));
            round_trip.push(latency(DISRUPTOR, pinned, [90, 190, 900]));
        }
        let cost = Cost {
            batch: 256,
            array_ns: vec![1000.0, 1100.0],
            lane_ns: vec![1128.0, 1228.0],
            parking_lane_ns: vec![1140.0, 1240.0],
        };
        let bars = bars(&throughput, &round_trip, &cost);
        let met: Vec<bool> = bars.iter().map(|bar| bar.met).collect();
        let of_one_placement = [true, false, true, false, false, false];
        assert_eq!(met, [&of_one_placement[..], &of_one_placement, &[true, false]].concat());
        assert_eq!((bars[0].rounds_met, bars[0].rounds), (2, 3));
        assert_eq!(bars[0].measured, Summary { median: 30.0 / 29.0, min: 0.5, max: 20.0 / 19.0 });
        assert_eq!(bars[12].measured.median, 0.5);
        assert_eq!(bars[13].measured.median, 12.0);
    }

    #[test]
    fn a_curve_goes_as_far_as_there_are_messages() {
        let latency = latency(KOLO, true, [100, 200, 300]);
        assert_eq!((latency.samples, latency.p50_ns, latency.max_ns), (3_000, 200, 300));
        let (last, ns) = *latency.curve.last().expect("half of them at least");
        assert!(last < 1.0 - 1.0 / 3_000.0 && last > 0.999 && ns == 300, "{last} {ns}");
    }
}
