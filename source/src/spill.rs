//! The bound on large payloads: bytes held outside the slots while they are in flight.

use std::collections::VecDeque;

/// Bytes of large payloads in flight, when nothing else is said.
pub const DEFAULT_LIMIT: usize = 32 << 20;

/// Counts the buffers that slots hold beside their inline bytes, from the copy in until the sink has let the slot go.
#[derive(Debug)]
pub struct SpillBudget {
    limit: usize,
    bytes: usize,
    /// (sequence, bytes), oldest first.
    in_flight: VecDeque<(u64, usize)>,
}

impl SpillBudget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        SpillBudget { limit, bytes: 0, in_flight: VecDeque::new() }
    }

    /// Whether another record may enter. One always may when none is in flight, however large it is.
    #[inline]
    pub fn admits(&self) -> bool {
        self.bytes < self.limit || self.in_flight.is_empty()
    }

    /// The slot at `sequence` holds `bytes` outside itself.
    #[inline]
    pub fn took(&mut self, sequence: u64, bytes: usize) {
        if bytes > 0 {
            self.in_flight.push_back((sequence, bytes));
            self.bytes += bytes;
        }
    }

    /// All slots below `sent` have come home, their buffers freed.
    #[inline]
    pub fn settle(&mut self, sent: u64) {
        while self.in_flight.front().is_some_and(|&(sequence, _)| sequence < sent) {
            self.bytes -= self.in_flight.pop_front().expect("just seen").1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_one_record_of_any_size_and_then_up_to_the_limit() {
        let mut budget = SpillBudget::new(100);
        assert!(budget.admits());
        budget.took(0, 1_000);
        assert!(!budget.admits());
        budget.settle(0);
        assert!(!budget.admits(), "the slot at 0 has not been let go");
        budget.settle(1);
        assert!(budget.admits());
        budget.took(1, 0);
        budget.took(2, 60);
        assert!(budget.admits());
        budget.took(3, 60);
        assert!(!budget.admits());
        budget.settle(3);
        assert!(budget.admits());
    }
}
