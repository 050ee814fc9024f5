//! Who takes part, each with its best known use of its own interface.

mod channels;
mod crate_disruptor;
mod lane;
mod ring_buffers;
mod tokio_tasks;

use hdrhistogram::Histogram;
use kolo_ring::{BusySpin, Disruptor, Native, Park};

use super::alone;
use super::latency;
use super::link::Link;
use super::run::Run;
use super::throughput;

/// One way to hand messages over, with one way to wait.
pub(super) struct Contender {
    /// What it is.
    pub(super) name: &'static str,
    /// How it waits: `busy-spin`, or `parking`.
    pub(super) wait: &'static str,
    /// The batches that it has a call for.
    pub(super) batches: &'static [usize],
    /// Messages a second.
    pub(super) throughput: fn(&Run) -> f64,
    /// Nanoseconds from a message's departure to its return.
    pub(super) round_trip: fn(&Run) -> Histogram<u64>,
    /// Nanoseconds from the moment at which a message was due to its arrival.
    pub(super) one_way: fn(&Run) -> Histogram<u64>,
    /// Fills and empties a link on one thread: batch, laps. Not where parties are tasks.
    pub(super) alone: Option<fn(usize, u32)>,
}

/// The batches that are measured.
pub(super) const BATCHES: &[usize] = &[1, 16, 256];
/// Those that the bars speak of.
pub(super) const BATCHES_OF_DUELS: &[usize] = &[16, 256];
/// That of interfaces without batches.
const ONE: &[usize] = &[1];

/// The names that the bars compare.
pub(super) const KOLO: &str = "kolo lane";
pub(super) const DISRUPTOR: &str = "disruptor";
pub(super) const RTRB_CHUNKS: &str = "rtrb, chunks";
pub(super) const BUSY_SPIN: &str = "busy-spin";
pub(super) const PARKING: &str = "parking";

/// Everyone.
pub(super) fn all() -> Vec<Contender> {
    vec![
        contender::<lane::Lane<Native, BusySpin>>(KOLO, BUSY_SPIN, BATCHES),
        contender::<crate_disruptor::Pollers>(DISRUPTOR, BUSY_SPIN, BATCHES),
        contender::<ring_buffers::RtrbChunks>(RTRB_CHUNKS, BUSY_SPIN, BATCHES),
        contender::<lane::Lane<Disruptor, BusySpin>>("kolo's adapter of disruptor", BUSY_SPIN, BATCHES),
        contender::<ring_buffers::Rtrb>("rtrb, one by one", BUSY_SPIN, ONE),
        contender::<ring_buffers::Crossbeam>("crossbeam ArrayQueue", BUSY_SPIN, ONE),
        contender::<channels::CrossbeamSpin>("crossbeam bounded", BUSY_SPIN, ONE),
        contender::<channels::StdSpin>("std sync_channel", BUSY_SPIN, ONE),
        contender::<lane::Lane<Native, Park>>(KOLO, PARKING, BATCHES),
        contender::<lane::Lane<Disruptor, Park>>("kolo's adapter of disruptor", PARKING, BATCHES),
        contender::<channels::Crossbeam>("crossbeam bounded", PARKING, ONE),
        contender::<channels::Std>("std sync_channel", PARKING, ONE),
        Contender {
            name: "tokio mpsc, tasks",
            wait: PARKING,
            batches: ONE,
            throughput: tokio_tasks::throughput,
            round_trip: tokio_tasks::round_trip,
            one_way: tokio_tasks::one_way,
            alone: None,
        },
    ]
}

/// Those of `all` that the bars compare: the lane, and the best of its kind.
pub(super) fn rivals(mut all: Vec<Contender>) -> Vec<Contender> {
    all.retain(|contender| contender.wait == BUSY_SPIN && [KOLO, DISRUPTOR, RTRB_CHUNKS].contains(&contender.name));
    all
}

fn contender<L: Link>(name: &'static str, wait: &'static str, batches: &'static [usize]) -> Contender {
    Contender {
        name,
        wait,
        batches,
        throughput: throughput::measure::<L>,
        round_trip: latency::round_trip::<L>,
        one_way: latency::one_way::<L>,
        alone: Some(alone::laps::<L>),
    }
}
