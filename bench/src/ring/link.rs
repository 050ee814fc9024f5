//! What is measured: a way to hand messages from one thread to the next.

use super::message::Message;

/// Messages that may be on their way at a time, in every contender.
pub(super) const CAPACITY: usize = 1024;

/// A way from a sender to a receiver, over one hop or two. A sender that is dropped has sent its last.
pub(super) trait Link: 'static {
    type Sender: Send;
    type Relay: Send;
    type Receiver: Send;

    fn one_hop() -> (Self::Sender, Self::Receiver);

    fn two_hops() -> (Self::Sender, Self::Relay, Self::Receiver);

    /// Sends `count` messages, as few calls as the contender needs, waiting for room as it waits.
    fn send(sender: &mut Self::Sender, count: usize, fill: impl FnMut(&mut Message));

    /// Hands on, at most `batch` at a time, until the sender is gone.
    fn relay(relay: Self::Relay, batch: usize);

    /// Receives, at most `batch` at a time, until the sender is gone.
    fn receive(receiver: Self::Receiver, batch: usize, each: impl FnMut(&Message));
}

/// A queue that takes and gives messages one by one, by value.
pub(super) trait Queue: 'static {
    type Sender: Send;
    type Receiver: Send;

    fn queue() -> (Self::Sender, Self::Receiver);

    fn push(sender: &mut Self::Sender, message: Message);

    /// The next message; `None` once the sender is gone and nothing is left.
    fn pop(receiver: &mut Self::Receiver) -> Option<Message>;
}

/// A queue is a link; two hops are two queues.
impl<Q: Queue> Link for Q {
    type Sender = Q::Sender;
    type Relay = (Q::Receiver, Q::Sender);
    type Receiver = Q::Receiver;

    fn one_hop() -> (Self::Sender, Self::Receiver) {
        Q::queue()
    }

    fn two_hops() -> (Self::Sender, Self::Relay, Self::Receiver) {
        let (sender, first) = Q::queue();
        let (second, receiver) = Q::queue();
        (sender, (first, second), receiver)
    }

    #[inline]
    fn send(sender: &mut Self::Sender, count: usize, mut fill: impl FnMut(&mut Message)) {
        for _ in 0..count {
            let mut message = Message::default();
            fill(&mut message);
            Q::push(sender, message);
        }
    }

    fn relay((mut receiver, mut sender): Self::Relay, _batch: usize) {
        while let Some(message) = Q::pop(&mut receiver) {
            Q::push(&mut sender, message);
        }
    }

    #[inline]
    fn receive(mut receiver: Self::Receiver, _batch: usize, mut each: impl FnMut(&Message)) {
        while let Some(message) = Q::pop(&mut receiver) {
            each(&message);
        }
    }
}
