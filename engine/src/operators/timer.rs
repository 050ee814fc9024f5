//! `timer(d)`: an event without fields, again and again.
//!
//! 1. Time is that of the events where a file is read, and then a timer fires before the event whose time has reached it;
//!    in a run against Kafka it is that of the ticks. Either way a timer is a function of the lane's slots.
//! 2. The first time that is seen starts a timer: it fires `initial_delay` later, then every `d`. Without an initial delay
//!    the first pause is as long as the others.
//! 3. Several timers fire in the order of their times, those of one time in the order of their declaration.
//!
//! Limit: when time leaps, at most [`MAX_FIRED`] timers fire; those for which there was no room are counted
//! (`timers_skipped`), and the timers go on with the first times after the leap. After a restart timers begin anew.

use crate::plan::Chain;

/// How many timers fire at most before one record, or at one tick.
pub(crate) const MAX_FIRED: u32 = 10_000;
/// From here on, the number of what feeds a stage is that of a timer.
pub(crate) const TIMERS: usize = usize::MAX / 2;

/// A timer.
#[derive(Debug)]
pub(crate) struct Timer {
    pub(crate) every_ns: i64,
    pub(crate) initial_delay_ns: i64,
    pub(crate) chain: Chain,
}

/// When each timer fires next.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    /// `None`: no time has been seen yet.
    next: Vec<Option<i64>>,
    fired: u32,
}

impl Schedule {
    pub(crate) fn new(timers: usize) -> Self {
        Schedule { next: vec![None; timers], fired: 0 }
    }

    /// Time has come to `now`: starts what has not been started.
    pub(crate) fn begin(&mut self, timers: &[Timer], now: i64) {
        self.fired = 0;
        for (next, timer) in self.next.iter_mut().zip(timers) {
            next.get_or_insert_with(|| now.saturating_add(timer.initial_delay_ns));
        }
    }

    /// The timer that fires next, and its time, if that is not after `now`.
    pub(crate) fn fire(&mut self, timers: &[Timer], now: i64) -> Option<(usize, i64)> {
        let due = self.next.iter().enumerate().filter_map(|(timer, next)| Some((timer, (*next)?)));
        let (timer, time) = due.filter(|(_, time)| *time <= now).min_by_key(|(timer, time)| (*time, *timer))?;
        if self.fired == MAX_FIRED {
            return None;
        }
        self.fired += 1;
        self.next[timer] = Some(time.saturating_add(timers[timer].every_ns)).filter(|next| *next > time);
        Some((timer, time))
    }

    /// Passes over what there was no room for; how many times that was.
    pub(crate) fn skip(&mut self, timers: &[Timer], now: i64) -> u64 {
        let mut skipped = 0;
        for (next, timer) in self.next.iter_mut().zip(timers) {
            if let Some(time) = next.filter(|time| *time <= now) {
                let missed = (now - time) / timer.every_ns + 1;
                skipped += missed as u64;
                *next = missed.checked_mul(timer.every_ns).and_then(|missed| time.checked_add(missed));
            }
        }
        skipped
    }
}
