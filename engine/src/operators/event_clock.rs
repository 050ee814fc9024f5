//! How far event time has come for one stage.
//!
//! ```text
//!   partition 0   ──────────●                      the greatest event time seen
//!   partition 1   ───────●                         idle: holds nothing back
//!   stage 4       ────────────●                    its own watermark, less how far its rows lie behind that
//!                        └─ min over those that are not idle − out_of_order = watermark
//! ```
//!
//! 1. The watermark never goes back.
//! 2. A partition that was assigned and has brought nothing yet holds it back, until it is idle.
//! 3. A partition is idle when `idle_timeout` of wall time has passed without an event of the stage's sources; wall time
//!    comes from ticks alone, so that a run stays a function of its slots. If all are idle, the latest of them counts.

use crate::check::program::Watermark;
use crate::slot::PartitionIndex;

/// Before all events.
const BEGINNING: i64 = i64::MIN;
/// After all events.
pub(crate) const END: i64 = i64::MAX;
/// Stands where a partition has no channel.
const NONE: u32 = u32::MAX;

/// The event time of one stage.
#[derive(Debug)]
pub(crate) struct EventClock {
    out_of_order_ns: i64,
    idle_timeout_ms: i64,
    channels: Vec<Channel>,
    /// By partition: the place of its channel.
    of_partition: Vec<u32>,
    watermark: i64,
    /// What it was when the input ended.
    before_end: Option<i64>,
}

#[derive(Debug)]
struct Channel {
    from: From,
    /// The greatest event time seen.
    time: i64,
    /// The wall time of the last event, as of the tick before it; `None`: no tick has come since.
    active_ms: Option<i64>,
    idle: bool,
}

#[derive(Debug, PartialEq)]
enum From {
    Partition(PartitionIndex),
    Stage(usize),
}

impl EventClock {
    /// A clock that nothing has moved, of a stage that the stages `upstream` feed.
    pub(crate) fn new(settings: Watermark, upstream: &[usize]) -> Self {
        let channels = upstream.iter().map(|stage| Channel::new(From::Stage(*stage))).collect();
        let Watermark { out_of_order_ns, idle_timeout_ms, .. } = settings;
        EventClock {
            out_of_order_ns,
            idle_timeout_ms,
            channels,
            of_partition: Vec::new(),
            watermark: BEGINNING,
            before_end: None,
        }
    }

    /// Everything that happened before this has been seen.
    pub(crate) fn watermark(&self) -> i64 {
        self.watermark
    }

    /// The watermark as commits tell it: that of the events alone. What the end of the input closes early is not over.
    pub(crate) fn mark(&self) -> i64 {
        self.before_end.unwrap_or(self.watermark)
    }

    /// Event time had come as far as this before a restart.
    pub(crate) fn restore(&mut self, watermark: i64) {
        self.watermark = self.watermark.max(watermark);
    }

    /// A partition was assigned whose events can reach the stage.
    pub(crate) fn add(&mut self, partition: PartitionIndex) {
        let index = partition as usize;
        if self.of_partition.len() <= index {
            self.of_partition.resize(index + 1, NONE);
        }
        if self.of_partition[index] == NONE {
            self.of_partition[index] = self.channels.len() as u32;
            self.channels.push(Channel::new(From::Partition(partition)));
        }
    }

    /// An event of a source with this time. Whether the watermark moved.
    #[inline]
    pub(crate) fn observe(&mut self, partition: PartitionIndex, time: i64) -> bool {
        match self.of_partition.get(partition as usize) {
            Some(&channel) if channel != NONE => self.move_to(channel as usize, time),
            _ => {
                self.add(partition);
                self.move_to(self.channels.len() - 1, time)
            }
        }
    }

    /// The watermark of a stage before this one. Whether this one's moved.
    pub(crate) fn follow(&mut self, stage: usize, watermark: i64) -> bool {
        let channel = self.channels.iter().position(|channel| channel.from == From::Stage(stage));
        channel.is_some_and(|channel| self.move_to(channel, watermark))
    }

    #[inline]
    fn move_to(&mut self, channel: usize, time: i64) -> bool {
        let channel = &mut self.channels[channel];
        channel.active_ms = None;
        let before = if channel.idle { BEGINNING } else { channel.time };
        channel.idle = false;
        if time <= before {
            return false;
        }
        channel.time = channel.time.max(time);
        // Only the one that was behind all others can have held the watermark back.
        before.saturating_sub(self.out_of_order_ns) <= self.watermark && self.advance()
    }

    fn advance(&mut self) -> bool {
        let active = self.channels.iter().filter(|channel| !channel.idle).map(|channel| channel.time).min();
        let Some(time) = active.or_else(|| self.channels.iter().map(|channel| channel.time).max()) else {
            return false;
        };
        let watermark = if time == END { END } else { time.saturating_sub(self.out_of_order_ns) };
        let moved = watermark > self.watermark;
        self.watermark = self.watermark.max(watermark);
        moved
    }

    /// Wall time has come to this. Whether the watermark moved.
    pub(crate) fn tick(&mut self, wall_ms: i64) -> bool {
        for channel in self.channels.iter_mut().filter(|channel| matches!(channel.from, From::Partition(_))) {
            let active_ms = *channel.active_ms.get_or_insert(wall_ms);
            channel.idle = self.idle_timeout_ms > 0 && wall_ms.saturating_sub(active_ms) >= self.idle_timeout_ms;
        }
        self.advance()
    }

    /// No record comes any more. The stages before this one may still have something.
    pub(crate) fn end(&mut self) {
        self.before_end = Some(self.watermark);
        for channel in self.channels.iter_mut().filter(|channel| matches!(channel.from, From::Partition(_))) {
            (channel.time, channel.idle) = (END, false);
        }
        if self.channels.is_empty() {
            self.watermark = END;
        }
        self.advance();
    }
}

impl Channel {
    fn new(from: From) -> Self {
        Channel { from, time: BEGINNING, active_ms: None, idle: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(out_of_order_ns: i64, idle_timeout_ms: i64, upstream: &[usize]) -> EventClock {
        EventClock::new(Watermark { out_of_order_ns, idle_timeout_ms, declared: true }, upstream)
    }

    #[test]
    fn the_slowest_partition_holds_the_watermark_back() {
        let mut clock = clock(10, 0, &[]);
        clock.add(0);
        clock.add(3);
        assert!(!clock.observe(0, 100), "partition 3 has brought nothing yet");
        assert!(clock.observe(3, 50));
        assert_eq!(clock.watermark(), 40);
        assert!(!clock.observe(0, 200));
        assert!(!clock.observe(3, 45), "it never goes back");
        assert!(clock.observe(3, 500));
        assert_eq!(clock.watermark(), 190);
        clock.observe(7, 150);
        assert!(!clock.observe(0, 600) && !clock.observe(3, 600), "one that nobody assigned joins");
    }

    #[test]
    fn a_partition_without_events_is_idle_after_its_timeout_until_the_next() {
        let mut clock = clock(0, 30_000, &[]);
        clock.add(0);
        clock.add(1);
        assert!(!clock.tick(1_000));
        assert!(!clock.observe(0, 100));
        assert!(!clock.tick(30_999));
        assert!(clock.tick(31_000), "partition 1 has been silent for 30 s; partition 0 for less");
        assert_eq!(clock.watermark(), 100);
        assert!(!clock.observe(1, 60), "the watermark stays where it is");
        assert!(!clock.observe(0, 200));
        assert!(clock.observe(1, 150));
        assert_eq!(clock.watermark(), 150);
        assert!(!clock.tick(40_000));
        assert!(clock.tick(70_000), "all are idle: the latest counts");
        assert_eq!(clock.watermark(), 200);
    }

    #[test]
    fn stages_before_it_and_partitions_end_apart() {
        let mut clock = clock(5, 0, &[2]);
        assert!(!clock.observe(0, 100));
        assert!(clock.follow(2, 80));
        assert_eq!(clock.watermark(), 75);
        clock.end();
        assert_eq!(clock.watermark(), 75);
        assert!(clock.follow(2, END));
        assert_eq!(clock.watermark(), END);
    }
}
