//! What the engine counts. The engine's thread adds up in plain integers and publishes the totals once a batch; anyone
//! may read them at any time.

use std::sync::atomic::{AtomicU64, Ordering};

/// Declares the counters, each once.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Totals since the engine began, as of the end of the last batch.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: AtomicU64,)*
        }

        /// The same as the engine's thread adds them up.
        #[derive(Debug, Default)]
        pub(crate) struct Totals {
            $($(#[$doc])* pub(crate) $name: u64,)*
        }

        impl Counters {
            /// Every counter with its name, for reports.
            pub fn list(&self) -> [(&'static str, u64); [$(stringify!($name)),*].len()] {
                [$((stringify!($name), self.$name.load(Ordering::Relaxed))),*]
            }

            /// Publishes the totals. There is one writer, so no addition has to be atomic.
            pub(crate) fn publish(&self, totals: &Totals) {
                $(self.$name.store(totals.$name, Ordering::Relaxed);)*
            }
        }
    };
}

counters! {
    /// Records that entered, malformed ones included.
    records,
    /// Outputs written.
    outputs,
    /// Records that are not JSON objects, or not whole ones.
    malformed,
    /// Records of a type that no stream reads, or reads from another topic.
    unrouted,
    /// Events that a `.where` or `.filter` stopped.
    filtered,
    /// Events beyond a `.limit`.
    limited,
    /// Events that a `.distinct` had seen before.
    repeated,
    /// Values that a `.distinct` forgot because it remembers only so many.
    distinct_forgotten,
    /// Outputs dropped because the topic that they name is missing, no text, or empty.
    topicless,
    /// Events that a `.map` dropped because its value is no map.
    shapeless,
    /// Events whose windows had all closed when they came.
    late,
    /// Events and values that a window had no room for.
    window_refused,
    /// Runs of sequences that were ended to make room for others.
    runs_dropped,
    /// Events of closures that were not kept, because their run had as many as it keeps.
    closure_truncated,
    /// Subsets of closures beyond those that a run puts out.
    subsets_withheld,
    /// Times at which a timer did not fire, because time had leapt too far.
    timers_skipped,
    /// Events that a join forgot before their time to make room for others.
    join_evicted,
    /// Events that joined nothing because a part of their key was missing or null.
    join_keyless,
    /// Values missing because an int or a float overflowed.
    overflow,
    /// Values missing because of a division by zero.
    division_by_zero,
    /// Values missing because an operand had the wrong type.
    wrong_type,
    /// Values missing because an operand was missing or null.
    missing_operand,
    /// Values missing because an index, a key or a range lies outside.
    out_of_range,
    /// Calls of the program's functions that ended at a limit.
    cut_short,
}
