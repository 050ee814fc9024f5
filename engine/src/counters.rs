//! What the engine counts. The engine's thread adds up in plain integers and publishes the totals once a batch; anyone
//! may read them at any time.

use std::sync::atomic::{AtomicU64, Ordering};

/// Totals since the engine began, as of the end of the last batch.
#[derive(Debug, Default)]
pub struct Counters {
    /// Records that entered, malformed ones included.
    pub records: AtomicU64,
    /// Outputs written.
    pub outputs: AtomicU64,
    /// Records that are not JSON objects, or not whole ones.
    pub malformed: AtomicU64,
    /// Records of a type that no stream reads, or reads from another topic.
    pub unrouted: AtomicU64,
    /// Events that a `.where` or `.filter` stopped.
    pub filtered: AtomicU64,
    /// Events beyond a `.limit`.
    pub limited: AtomicU64,
    /// Events that a `.distinct` had seen before.
    pub repeated: AtomicU64,
    /// Values that a `.distinct` forgot because it remembers only so many.
    pub distinct_forgotten: AtomicU64,
    /// Outputs dropped because the topic that they name is missing, no text, or empty.
    pub topicless: AtomicU64,
    /// Events that a `.map` dropped because its value is no map.
    pub shapeless: AtomicU64,
    /// Events whose windows had all closed when they came.
    pub late: AtomicU64,
    /// Events and values that a window had no room for.
    pub window_refused: AtomicU64,
    /// Runs of sequences that were ended to make room for others.
    pub runs_dropped: AtomicU64,
    /// Events of closures that were not kept, because their run had as many as it keeps.
    pub closure_truncated: AtomicU64,
    /// Subsets of closures beyond those that a run puts out.
    pub subsets_withheld: AtomicU64,
    /// Times at which a timer did not fire, because time had leapt too far.
    pub timers_skipped: AtomicU64,
    /// Events that a join forgot before their time to make room for others.
    pub join_evicted: AtomicU64,
    /// Events that joined nothing because a part of their key was missing or null.
    pub join_keyless: AtomicU64,
    /// Values missing because an int or a float overflowed.
    pub overflow: AtomicU64,
    /// Values missing because of a division by zero.
    pub division_by_zero: AtomicU64,
    /// Values missing because an operand had the wrong type.
    pub wrong_type: AtomicU64,
    /// Values missing because an operand was missing or null.
    pub missing_operand: AtomicU64,
    /// Values missing because an index, a key or a range lies outside.
    pub out_of_range: AtomicU64,
    /// Calls of the program's functions that ended at a limit.
    pub cut_short: AtomicU64,
}

impl Counters {
    /// Every counter with its name, for reports.
    pub fn list(&self) -> [(&'static str, u64); 24] {
        [
            ("records", &self.records),
            ("outputs", &self.outputs),
            ("malformed", &self.malformed),
            ("unrouted", &self.unrouted),
            ("filtered", &self.filtered),
            ("limited", &self.limited),
            ("repeated", &self.repeated),
            ("distinct_forgotten", &self.distinct_forgotten),
            ("topicless", &self.topicless),
            ("shapeless", &self.shapeless),
            ("late", &self.late),
            ("window_refused", &self.window_refused),
            ("runs_dropped", &self.runs_dropped),
            ("closure_truncated", &self.closure_truncated),
            ("subsets_withheld", &self.subsets_withheld),
            ("timers_skipped", &self.timers_skipped),
            ("join_evicted", &self.join_evicted),
            ("join_keyless", &self.join_keyless),
            ("overflow", &self.overflow),
            ("division_by_zero", &self.division_by_zero),
            ("wrong_type", &self.wrong_type),
            ("missing_operand", &self.missing_operand),
            ("out_of_range", &self.out_of_range),
            ("cut_short", &self.cut_short),
        ]
        .map(|(name, counter)| (name, counter.load(Ordering::Relaxed)))
    }

    /// Publishes a total. There is one writer, so no addition has to be atomic.
    #[inline]
    pub(crate) fn publish(counter: &AtomicU64, total: u64) {
        counter.store(total, Ordering::Relaxed);
    }
}
