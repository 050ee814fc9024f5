//! `.limit(n)`: the first n events go on.

use crate::counters::Totals;

#[derive(Debug)]
pub(crate) struct Limit {
    pub(crate) most: u64,
    /// Index into [`States::limits`](super::States::limits).
    pub(crate) state: usize,
}

/// How many events went on.
#[derive(Debug, Default)]
pub(crate) struct Passed(u64);

impl Limit {
    #[inline]
    pub(crate) fn pass(&self, states: &mut [Passed], totals: &mut Totals) -> bool {
        let Passed(passed) = &mut states[self.state];
        if *passed < self.most {
            *passed += 1;
            true
        } else {
            totals.limited += 1;
            false
        }
    }
}
