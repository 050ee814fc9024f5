//! Puts a lane together: the slots, a cursor for each party, and who follows whom.

use crate::acknowledger::Acknowledger;
use crate::cursor::{COUNT, Cursor, Party};
use crate::hand::Hand;
use crate::monitor::Monitor;
use crate::producer::Producer;
use crate::site::Site;
use crate::slots::Slots;
use crate::stage::Stage;
use crate::sync::{Arc, Parker, exact, taken};
use crate::wait::{Bell, WaitStrategy};
use std::marker::PhantomData;

/// The size of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Number of slots, a power of two. Few, so that they stay in the cache between two parties.
    pub slots: usize,
    /// How many slots may be published beyond the acknowledged prefix. Many, so that round trips do not stall the lane.
    pub in_flight: u64,
}

/// A lane of `STAGES` stages: its producer, its stages in order, the acknowledger that goes with the last, and a view of all.
///
/// `make` makes the slots, once and for all; they are reused in turn.
///
/// # Panics
/// If `slots` is not a power of two, or `in_flight` or `STAGES` is 0.
#[expect(clippy::type_complexity, reason = "a lane is taken apart at once, into these four")]
pub fn lane<T, W: WaitStrategy, const STAGES: usize>(
    config: Config,
    make: impl FnMut() -> T,
) -> (Producer<T, W>, [Stage<T, W>; STAGES], Acknowledger<W>, Monitor) {
    assert!(STAGES > 0, "a lane has at least one stage");
    assert!(config.slots.is_power_of_two(), "a lane has a power of two of slots, not {}", config.slots);
    assert!(config.in_flight > 0, "a lane without a slot in flight cannot move");

    let slots = Arc::new(Slots::new(config.slots, make));
    // The models' own leak, for them to find.
    if !taken(Site::SlotsFreed) {
        std::mem::forget(Arc::clone(&slots));
    }
    let prefix = Arc::new(Cursor::new());
    let (parties, parkers): (Vec<Arc<Party>>, Vec<Parker>) = (0..=STAGES)
        .map(|_| {
            let (bell, parker) = Bell::new();
            (Arc::new(Party::new(bell)), parker)
        })
        .unzip();
    let mut parkers = parkers.into_iter();
    let mut hand = |own: usize, ahead: usize, lead: u64| {
        let behind = if taken(Site::Follower) { (own + 1) % parties.len() } else { ahead };
        let parker = parkers.next().expect("one parker a party");
        Hand::new(Arc::clone(&slots), [&parties[own], &parties[ahead], &parties[behind]], lead, parker)
    };

    let producer = Producer {
        hand: hand(0, STAGES, exact(Site::SlotGate, config.slots as u64)),
        prefix: Arc::clone(&prefix),
        seen_acknowledged: 0,
        in_flight: exact(Site::InFlightGate, config.in_flight.min(COUNT)),
    };
    let stages = std::array::from_fn(|stage| {
        let ahead = if taken(Site::Predecessor) { stage } else { 0 };
        Stage { hand: hand(stage + 1, ahead, 0) }
    });
    let acknowledger = Acknowledger {
        prefix: Arc::clone(&prefix),
        last: Arc::clone(&parties[STAGES]),
        producer: Arc::clone(&parties[0]),
        position: 0,
        strategy: PhantomData,
    };
    (producer, stages, acknowledger, Monitor { parties: parties.into(), prefix, slots: config.slots })
}
