//! What a lane adds to the work on its slots: one thread, so nothing is waited for and no cache line travels.
//!
//! A turn writes the first 64 bytes of each slot of a batch, then reads them. The array does nothing else; a lane also
//! claims, publishes, claims and releases. `cargo bench -p kolo-bench --bench lane_cost` runs the same turns.

use std::hint::black_box;

use kolo_ring::{Acknowledger, Config, Native, Ring, WaitStrategy};

/// Slots in a turn: as many as the bars speak of, and one, which leaves hardly anything but the hand-over.
pub(crate) const BATCH: usize = 256;
pub(crate) const SINGLE: usize = 1;
/// Slots in all: a quarter of a megabyte of them, less than a core's second cache.
pub(crate) const SLOTS: usize = 1024;

/// As wide as a slot of kolo's is to a payload of its own.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Slot([u64; 32]);

impl Slot {
    const EMPTY: Slot = Slot([0; 32]);

    #[inline(always)]
    fn write(&mut self, number: u64) {
        for (word, value) in self.0[..8].iter_mut().zip(number..) {
            *word = value;
        }
    }

    #[inline(always)]
    fn read(&self) -> u64 {
        self.0[..8].iter().fold(0, |sum, word| sum.wrapping_add(*word))
    }
}

#[inline(always)]
fn write(slots: &mut [Slot], first: u64) {
    slots.iter_mut().zip(first..).for_each(|(slot, number)| slot.write(number));
}

#[inline(always)]
fn read(slots: &[Slot]) -> u64 {
    slots.iter().fold(0, |sum, slot| sum.wrapping_add(slot.read()))
}

/// A plain array, `N` slots a turn.
pub(crate) struct Array<const N: usize> {
    slots: Vec<Slot>,
    position: u64,
}

impl<const N: usize> Array<N> {
    pub(crate) fn new() -> Array<N> {
        Array { slots: vec![Slot::EMPTY; SLOTS], position: 0 }
    }

    /// One turn; the sum of what was read.
    #[inline]
    pub(crate) fn turn(&mut self) -> u64 {
        let start = self.position as usize % SLOTS;
        let batch = &mut self.slots[start..start + N];
        write(batch, self.position);
        // As if somebody else read it: the compiler may not join the two loops, which a lane's can't be either.
        let sum = read(black_box(batch));
        self.position += N as u64;
        sum
    }
}

/// The native lane, both ends in one hand, `N` slots a turn.
pub(crate) struct Lane<W: WaitStrategy, const N: usize> {
    producer: <Native as Ring>::Producer<Slot, W>,
    stage: <Native as Ring>::Stage<Slot, W>,
    _acknowledger: Acknowledger<W>,
}

impl<W: WaitStrategy, const N: usize> Lane<W, N> {
    pub(crate) fn new() -> Lane<W, N> {
        let config = Config { slots: SLOTS, in_flight: u64::MAX };
        let (producer, [stage], _acknowledger, _) = Native::lane(config, || Slot::EMPTY);
        Lane { producer, stage, _acknowledger }
    }

    /// One turn; the sum of what was read.
    #[inline]
    pub(crate) fn turn(&mut self) -> u64 {
        let mut batch = self.producer.try_claim(N).expect("all slots are free");
        let (first, filled) = (batch.sequence(), batch.len());
        write(&mut batch, first);
        batch.publish(filled);
        let batch = self.stage.try_claim(N).expect("they were published");
        let (sum, taken) = (read(&batch), batch.len());
        assert_eq!(taken, N, "a turn is one batch");
        batch.release(taken);
        sum
    }
}
