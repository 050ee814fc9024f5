//! Replays a file at the pace of its events: each is taken as long after the first one as its time is after the first
//! one's. An event out of order, or late because the lane was, is taken at once.

use std::time::{Duration, Instant};

use kolo_engine::event_time::EventTimes;

use crate::control::Control;

/// How long a replay sleeps at most before it looks whether it is asked to stop.
const NAP: Duration = Duration::from_millis(20);

/// Holds lines back until their time has come.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    times: EventTimes,
    /// The time of the first event, and when it was taken.
    first: Option<(i64, Instant)>,
}

impl Pace {
    /// Waits until the line is due, or `control` asks to stop.
    pub(crate) fn wait(&mut self, line: &[u8], control: &Control) {
        let Some(time) = self.times.of(line) else { return };
        let (origin, began) = *self.first.get_or_insert_with(|| (time, Instant::now()));
        let after = Duration::from_nanos(u64::try_from(time.saturating_sub(origin)).unwrap_or(0));
        while let Some(left) = after.checked_sub(began.elapsed()).filter(|left| !left.is_zero())
            && !control.stopping()
        {
            std::thread::sleep(left.min(NAP));
        }
    }
}
