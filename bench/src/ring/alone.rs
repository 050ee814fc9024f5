//! A hand-over by itself, for instructions to be counted: one thread fills a link, then empties it, again and again.
//!
//! Nobody waits and no cache line travels, so what callgrind counts in [`fill`] and [`drain`] is the same in every run. A
//! lap is as many messages as a link holds; two sizes of batches tell the cost of a message from that of a batch.

use super::link::{CAPACITY, Link};
use super::throughput;

/// Fills and empties a new link, `laps` times.
pub(super) fn laps<L: Link>(batch: usize, laps: u32) {
    for _ in 0..laps {
        let (mut sender, receiver) = L::one_hop();
        fill::<L>(&mut sender, batch);
        drop(sender);
        let received = drain::<L>(receiver, batch);
        assert_eq!(received, CAPACITY as u64, "a lap is a full link");
    }
}

#[inline(never)]
fn fill<L: Link>(sender: &mut L::Sender, batch: usize) {
    let mut number = 0;
    for _ in 0..CAPACITY / batch {
        L::send(sender, batch, |message| {
            message.write(number);
            number += 1;
        });
    }
}

#[inline(never)]
fn drain<L: Link>(receiver: L::Receiver, batch: usize) -> u64 {
    throughput::receive_all::<L>(receiver, batch)
}
