//! What is handed over: one cache line, all of it written and all of it read.

/// A line of eight words. It fills its cache line, as every slot of a lane fills several: no contender gains from several
/// messages in one line, and none suffers from two threads in one.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
pub(super) struct Message([u64; 8]);

impl Message {
    /// Writes the whole line.
    #[inline(always)]
    pub(super) fn write(&mut self, number: u64) {
        self.0 = std::array::from_fn(|word| number.wrapping_add(word as u64));
    }

    /// Reads the whole line; 0 if it is as [`write`](Self::write) wrote `number`.
    #[inline(always)]
    pub(super) fn differs(&self, number: u64) -> u64 {
        let sum = self.0.iter().fold(0u64, |sum, word| sum.wrapping_add(*word));
        (self.0[0] ^ number) | (sum ^ number.wrapping_mul(8).wrapping_add(28))
    }

    /// Reads the whole line; nothing if it is not as written.
    #[inline(always)]
    pub(super) fn read(&self) -> Option<u64> {
        (self.differs(self.0[0]) == 0).then_some(self.0[0])
    }

    /// The number, read alone.
    #[inline(always)]
    pub(super) fn number(&self) -> u64 {
        self.0[0]
    }
}

#[cfg(test)]
mod tests {
    use super::Message;

    #[test]
    fn a_line_is_read_as_written() {
        let mut message = Message::default();
        for number in [0, 1, 1 << 63, u64::MAX] {
            message.write(number);
            assert_eq!((message.read(), message.number(), message.differs(number)), (Some(number), number, 0));
            assert_ne!(message.differs(number ^ 2), 0);
        }
        message.0[5] ^= 1;
        assert_eq!(message.read(), None);
        assert_ne!(message.differs(u64::MAX), 0);
    }
}
