//! The crate `disruptor` as a lane: the second implementation, to compare with and to measure against.
//!
//! ```text
//!   the crate sequences           SingleProducer ─▶ EventPoller ─▶ … ─▶ EventPoller ─┐
//!                                       ▲───────────────────────────────────────────┘
//!   the slots lie beside          [ slot 0 | slot 1 | … ]
//!   figures, ends and bells       a word and a bell for each party
//! ```
//!
//! Who may touch which slot is decided by the crate alone, by its cursors and barriers: its producer's word about free
//! slots, and its pollers' about available ones. What a lane promises beyond that is made here:
//!
//! | the crate | here | what it costs |
//! |---|---|---|
//! | gives consumers `&E`, one at a time | the crate's events are `()`. Event *n* stands for slot *n* of a storage of our own, which its owner may write to, as a slice | nothing |
//! | a guard releases all its events when dropped, by a panic too | a claim takes a guard to learn how many slots there are, and forgets it; a release takes one for exactly as many as it lets go, and drops it | the crate's barrier is read twice a batch |
//! | the producer cannot claim without publishing | it asks for one slot more than the ring has; the refusal says how many are free | the last stage's cursor is read at every claim, where the native lane remembers it |
//! | waits for a full ring without end | only the `try_` operations are called | nothing |
//! | wait strategies cannot be signalled | none is used: parties idle and sleep as in the native lane, woken by its bells | as there |
//! | has no poison | a bit in a word of each party's; all words are read when there is nothing to claim | nothing while there is work |
//! | ends by dropping the producer, which tells the consumers in no order with anything else | the producer's word says so too, and a stage has ended only when both have | nothing while there is work |
//! | shows no cursors | each party keeps its count in its word, for figures and the acknowledger | one store a batch |
//!
//! Nothing lives in the crate that a panic could drop: no guard outlives the call that made it.
//!
//! # Limits
//! As those of the native lane. Poison spreads to all parties at once, instead of round the chain.

mod producer;
mod seat;
mod stage;

pub use self::producer::DisruptorProducer;
pub use self::seat::DisruptorBatch;
pub use self::stage::DisruptorStage;

use self::producer::Sequencer;
use self::seat::Seat;
use self::stage::Poller;
use crate::acknowledger::Acknowledger;
use crate::cursor::{COUNT, Cursor, Party};
use crate::interface::Ring;
use crate::lane::Config;
use crate::monitor::Monitor;
use crate::slots::Slots;
use crate::sync::{Arc, Parker};
use crate::wait::{Bell, WaitStrategy};
use ::disruptor::{BusySpin, build_single_producer};
use std::marker::PhantomData;

/// Lanes that the crate `disruptor` sequences.
#[derive(Debug, Clone, Copy)]
pub struct Disruptor;

impl Ring for Disruptor {
    type Producer<T: Send + 'static, W: WaitStrategy> = DisruptorProducer<T, W>;
    type Stage<T: Send + 'static, W: WaitStrategy> = DisruptorStage<T, W>;

    fn lane<T: Send + 'static, W: WaitStrategy, const STAGES: usize>(
        config: Config,
        make: impl FnMut() -> T,
    ) -> (DisruptorProducer<T, W>, [DisruptorStage<T, W>; STAGES], Acknowledger<W>, Monitor) {
        assert!(STAGES > 0, "a lane has at least one stage");
        assert!(config.slots.is_power_of_two(), "a lane has a power of two of slots, not {}", config.slots);
        assert!(config.in_flight > 0, "a lane without a slot in flight cannot move");

        let (parties, parkers): (Vec<Arc<Party>>, Vec<Parker>) = (0..=STAGES)
            .map(|_| {
                let (bell, parker) = Bell::new();
                (Arc::new(Party::new(bell)), parker)
            })
            .unzip();
        let prefix = Arc::new(Cursor::new());
        let acknowledger = Acknowledger {
            prefix: Arc::clone(&prefix),
            last: Arc::clone(&parties[STAGES]),
            producer: Arc::clone(&parties[0]),
            position: 0,
            strategy: PhantomData,
        };
        let monitor = Monitor { parties: parties.into(), prefix, slots: config.slots };
        let slots = Arc::new(Slots::new(config.slots, make));
        let mut seats = parkers
            .into_iter()
            .enumerate()
            .map(|(number, parker)| Seat::new(Arc::clone(&slots), monitor.clone(), number, parker));
        let mut seat = || seats.next().expect("one seat a party");

        let (sequencer, pollers) = sequencer(config.slots, STAGES);
        let producer =
            DisruptorProducer { seat: seat(), sequencer: Some(sequencer), in_flight: config.in_flight.min(COUNT) };
        let mut pollers = pollers.into_iter();
        let stages = std::array::from_fn(|_| DisruptorStage {
            seat: seat(),
            poller: pollers.next().expect("one poller a stage"),
        });
        (producer, stages, acknowledger, monitor)
    }
}

/// The crate's producer, and a chain of pollers behind it.
fn sequencer(slots: usize, stages: usize) -> (Sequencer, Vec<Poller>) {
    // The crate's strategy is for threads that it starts itself; here it starts none.
    let (first, builder) = build_single_producer(slots, || (), BusySpin).new_event_poller();
    let mut pollers = vec![Poller::First(first)];
    if stages == 1 {
        return (builder.build(), pollers);
    }
    let (second, mut builder) = builder.and_then().new_event_poller();
    pollers.push(Poller::Later(second));
    while pollers.len() < stages {
        let (poller, longer) = builder.and_then().new_event_poller();
        pollers.push(Poller::Later(poller));
        builder = longer;
    }
    (builder.build(), pollers)
}
