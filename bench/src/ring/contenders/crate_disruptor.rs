//! The crate `disruptor` as its documentation shows it: batches published by closure, read through event pollers.
//!
//! Pollers rather than handlers, so that the harness places the threads; a handler's own loop does the same. Like the
//! crate's `BusySpin`, the loops spin without a hint to the processor.

use disruptor::{
    BusySpin, EventPoller, Polling, Producer, SingleConsumerBarrier, SingleProducer, SingleProducerBarrier,
    build_single_producer,
};

use super::super::link::{CAPACITY, Link};
use super::super::message::Message;

pub(super) struct Pollers;

/// A poller behind the producer, or behind another poller.
pub(super) enum Last {
    OfOne(EventPoller<Message, SingleProducerBarrier>),
    OfTwo(EventPoller<Message, SingleConsumerBarrier>),
}

macro_rules! poll {
    ($poller:ident, $batch:ident, $each:ident) => {
        loop {
            match $poller.take($batch as u64) {
                Ok(mut messages) => (&mut messages).for_each(&mut $each),
                Err(Polling::NoEvents) => {}
                Err(Polling::Shutdown) => return,
            }
        }
    };
}

impl Link for Pollers {
    type Sender = SingleProducer<Message, SingleConsumerBarrier>;
    type Relay = EventPoller<Message, SingleProducerBarrier>;
    type Receiver = Last;

    fn one_hop() -> (Self::Sender, Last) {
        let (poller, builder) = build_single_producer(CAPACITY, Message::default, BusySpin).new_event_poller();
        (builder.build(), Last::OfOne(poller))
    }

    fn two_hops() -> (Self::Sender, Self::Relay, Last) {
        let (first, builder) = build_single_producer(CAPACITY, Message::default, BusySpin).new_event_poller();
        let (last, builder) = builder.and_then().new_event_poller();
        (builder.build(), first, Last::OfTwo(last))
    }

    #[inline]
    fn send(sender: &mut Self::Sender, count: usize, mut fill: impl FnMut(&mut Message)) {
        if count == 1 {
            sender.publish(fill);
        } else {
            sender.batch_publish(count, |messages| messages.for_each(&mut fill));
        }
    }

    fn relay(mut poller: Self::Relay, batch: usize) {
        let mut each = |message: &Message| assert!(message.read().is_some(), "a message was torn");
        poll!(poller, batch, each)
    }

    #[inline]
    fn receive(last: Last, batch: usize, mut each: impl FnMut(&Message)) {
        match last {
            Last::OfOne(mut poller) => poll!(poller, batch, each),
            Last::OfTwo(mut poller) => poll!(poller, batch, each),
        }
    }
}
