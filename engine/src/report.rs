//! Tells the log about malformed records: a few a second in full, the rest as a number.

use std::fmt;
use std::time::{Duration, Instant};

/// The log's target, by which it can be filtered.
pub const LOG_TARGET: &str = "kolo::record";

/// The target of what a program's `.log`, `.alert` and `.tap` write.
pub const PROGRAM_TARGET: &str = "kolo::program";

/// The target of what a program's `.print` writes: lines without time and level, which no filter holds back.
pub const PRINT_TARGET: &str = "kolo::print";

/// How many records a second are reported in full.
const IN_FULL: u32 = 5;
const PERIOD: Duration = Duration::from_secs(1);

/// Reports at a limited rate. The clock is read only when there is something to report.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    period_began: Option<Instant>,
    reported: u32,
    withheld: u64,
}

impl Reporter {
    /// Reports one record, or counts it towards the next summary.
    #[cold]
    pub(crate) fn malformed(&mut self, topic: &str, partition: i32, offset: i64, what: &dyn fmt::Display) {
        let now = Instant::now();
        if self.period_began.is_none_or(|began| now.duration_since(began) >= PERIOD) {
            self.summarise();
            self.period_began = Some(now);
            self.reported = 0;
        }
        if self.reported < IN_FULL {
            self.reported += 1;
            log::warn!(target: LOG_TARGET, "malformed record {topic}[{partition}]@{offset}: {what}");
        } else {
            self.withheld += 1;
        }
    }

    /// Time has passed: tells how many records went unreported, if the last period is over.
    pub(crate) fn tick(&mut self) {
        if self.withheld > 0 && self.period_began.is_none_or(|began| began.elapsed() >= PERIOD) {
            self.summarise();
        }
    }

    /// Tells how many records went unreported.
    pub(crate) fn summarise(&mut self) {
        if self.withheld > 0 {
            log::warn!(target: LOG_TARGET, "{} more malformed records", self.withheld);
            self.withheld = 0;
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.summarise();
    }
}
