//! How long one message takes: there and back, and one way at a steady pace.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::link::Link;
use super::run::{Run, together};

/// Latencies beyond this are counted as this.
const LONGEST_NS: u64 = 10_000_000_000;
/// The part of a measurement at its beginning that does not count.
const WARM_UP: u32 = 10;

/// Nanoseconds, to three digits.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("the bounds are in order")
}

/// When a measurement of this length begins to count.
pub(super) fn warm_up(run: &Run) -> Duration {
    run.duration / WARM_UP
}

/// One message at a time, to an echo and back over a second link.
pub(super) fn round_trip<L: Link>(run: &Run) -> Histogram<u64> {
    let (there, echo_in) = L::one_hop();
    let (mut echo_out, back) = L::one_hop();
    let ping = || {
        let mut histogram = histogram();
        let began = Instant::now();
        let mut left = began;
        let mut there = Some(there);
        let depart = |there: &mut Option<L::Sender>| {
            L::send(there.as_mut().expect("it is dropped at the end"), 1, |message| message.write(1));
        };
        depart(&mut there);
        // Messages come back until none is sent any more: dropping this sender ends the echo, whose end ends the loop.
        L::receive(back, 1, |_| {
            let now = Instant::now();
            if now.duration_since(began) > warm_up(run) {
                histogram.saturating_record(now.duration_since(left).as_nanos() as u64);
            }
            if now.duration_since(began) < run.duration {
                left = now;
                depart(&mut there);
            } else {
                there = None;
            }
        });
        histogram
    };
    let echo = || {
        L::receive(echo_in, 1, |arrived| L::send(&mut echo_out, 1, |message| *message = *arrived));
        drop(echo_out);
    };
    together(run, ping, None::<fn()>, echo).0
}

/// Messages by schedule, one way; from the moment at which each was due, so that a late one makes the next late as well.
pub(super) fn one_way<L: Link>(run: &Run) -> Histogram<u64> {
    let (mut sender, receiver) = L::one_hop();
    let epoch = Instant::now();
    let send = || {
        paced(run, epoch, |due| L::send(&mut sender, 1, |message| message.write(due)));
        drop(sender);
    };
    let receive = || {
        let mut arrivals = Arrivals::new(run, epoch);
        L::receive(receiver, 1, |message| arrivals.arrived(message.number()));
        arrivals.histogram
    };
    together(run, send, None::<fn()>, receive).1
}

/// Calls `send` with each moment at which a message is due, when it is due, in nanoseconds since `epoch`. It spins in
/// between: a sender that slept would be late by more than is measured.
pub(super) fn paced(run: &Run, epoch: Instant, mut send: impl FnMut(u64)) {
    let began = epoch.elapsed();
    let mut due = began;
    while due < began + run.duration {
        while epoch.elapsed() < due {
            std::hint::spin_loop();
        }
        send(due.as_nanos() as u64);
        due += run.pace;
    }
}

/// Records how late messages come.
pub(super) struct Arrivals {
    epoch: Instant,
    /// Messages that do not count any more.
    to_warm_up: u128,
    pub(super) histogram: Histogram<u64>,
}

impl Arrivals {
    pub(super) fn new(run: &Run, epoch: Instant) -> Arrivals {
        Arrivals { epoch, to_warm_up: warm_up(run).as_nanos() / run.pace.as_nanos(), histogram: histogram() }
    }

    #[inline]
    pub(super) fn arrived(&mut self, due_ns: u64) {
        let now_ns = self.epoch.elapsed().as_nanos() as u64;
        if self.to_warm_up > 0 {
            self.to_warm_up -= 1;
        } else {
            self.histogram.saturating_record(now_ns - due_ns);
        }
    }
}
