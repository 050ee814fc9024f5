//! kolo's lanes, through the traits that source, engine and sink use.

use std::marker::PhantomData;

use kolo_ring::{Acknowledger, Blocked, Config, LaneBatch, LaneParty, LaneProducer, Ring, WaitStrategy};

use super::super::link::{CAPACITY, Link};
use super::super::message::Message;

/// A lane of an implementation `R`. Nothing awaits an acknowledgement here, so the second gate is never shut.
pub(super) struct Lane<R, W>(PhantomData<fn() -> (R, W)>);

/// A producer whose drop closes the lane.
pub(super) struct Sender<P: LaneProducer>(P);

impl<P: LaneProducer> Drop for Sender<P> {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn config() -> Config {
    Config { slots: CAPACITY, in_flight: u64::MAX }
}

/// Works through batches until the lane has ended.
#[inline]
fn work<S: LaneParty<Slot = Message>>(stage: &mut S, batch: usize, mut each: impl FnMut(&mut [Message])) {
    loop {
        let claimed = stage.try_claim(batch).map(|mut batch| {
            each(&mut batch);
            let all = batch.len();
            batch.release(all);
        });
        match claimed {
            Ok(()) => {}
            Err(Blocked::NotYet) => stage.wait(|stage| stage.ready()),
            Err(Blocked::Closed) => return,
            Err(Blocked::Poisoned) => panic!("another party of the lane has panicked"),
        }
    }
}

impl<R: Ring, W: WaitStrategy> Link for Lane<R, W> {
    type Sender = Sender<R::Producer<Message, W>>;
    type Relay = R::Stage<Message, W>;
    type Receiver = (R::Stage<Message, W>, Acknowledger<W>);

    fn one_hop() -> (Self::Sender, Self::Receiver) {
        let (producer, [stage], acknowledger, _) = R::lane(config(), Message::default);
        (Sender(producer), (stage, acknowledger))
    }

    fn two_hops() -> (Self::Sender, Self::Relay, Self::Receiver) {
        let (producer, [first, last], acknowledger, _) = R::lane(config(), Message::default);
        (Sender(producer), first, (last, acknowledger))
    }

    #[inline]
    fn send(Sender(producer): &mut Self::Sender, count: usize, mut fill: impl FnMut(&mut Message)) {
        let mut left = count;
        while left > 0 {
            let sent = producer.try_claim(left).map(|mut batch| {
                batch.iter_mut().for_each(&mut fill);
                let all = batch.len();
                batch.publish(all);
                all
            });
            match sent {
                Ok(sent) => left -= sent,
                Err(Blocked::NotYet) => producer.wait(|producer| producer.ready()),
                Err(end) => panic!("{end}"),
            }
        }
    }

    /// The middle of three parties reads what is there and leaves it in place.
    fn relay(mut stage: Self::Relay, batch: usize) {
        work(&mut stage, batch, |messages| {
            messages.iter().for_each(|message| assert!(message.read().is_some(), "a message was torn"));
        });
    }

    #[inline]
    fn receive((mut stage, mut acknowledger): Self::Receiver, batch: usize, mut each: impl FnMut(&Message)) {
        work(&mut stage, batch, |messages| messages.iter().for_each(&mut each));
        acknowledger.acknowledge(stage.position());
    }
}
