//! How many messages a second reach the other end, while the sender does nothing but send.

use std::time::Instant;

use super::link::Link;
use super::message::Message;
use super::run::{Run, together};

/// Messages between two looks at the clock.
const BETWEEN_LOOKS: usize = 1024;

/// Messages a second, from the start to the last one's arrival. Each is verified.
pub(super) fn measure<L: Link>(run: &Run) -> f64 {
    let (began, (received, ended)) = match run.hops {
        1 => {
            let (sender, receiver) = L::one_hop();
            let send = || send::<L>(run, sender);
            together(run, send, None::<fn()>, || receive::<L>(run, receiver))
        }
        _ => {
            let (sender, relay, receiver) = L::two_hops();
            let send = || send::<L>(run, sender);
            together(run, send, Some(|| L::relay(relay, run.batch)), || receive::<L>(run, receiver))
        }
    };
    received as f64 / ended.duration_since(began).as_secs_f64()
}

fn send<L: Link>(run: &Run, mut sender: L::Sender) -> Instant {
    let began = Instant::now();
    let mut number = 0;
    while began.elapsed() < run.duration {
        for _ in 0..BETWEEN_LOOKS / run.batch {
            L::send(&mut sender, run.batch, |message| {
                message.write(number);
                number += 1;
            });
        }
    }
    began
}

fn receive<L: Link>(run: &Run, receiver: L::Receiver) -> (u64, Instant) {
    (receive_all::<L>(receiver, run.batch), Instant::now())
}

/// Receives and verifies messages until the sender is gone; how many.
///
/// Without a branch on what was read, and so with the same code for every contender: where a message's check decided
/// what comes next, the compiler's choices about it came to more than what the contenders differ by.
#[inline(always)]
pub(super) fn receive_all<L: Link>(receiver: L::Receiver, batch: usize) -> u64 {
    let (mut expected, mut wrong) = (0, 0);
    L::receive(receiver, batch, |message: &Message| {
        wrong |= message.differs(expected);
        expected += 1;
    });
    assert!(wrong == 0, "a message is missing, doubled or torn");
    expected
}
