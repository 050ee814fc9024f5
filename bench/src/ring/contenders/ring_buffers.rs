//! Ring buffers without a way to wait: rtrb, with single messages and with chunks, and crossbeam's `ArrayQueue`.

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_queue::ArrayQueue;
use rtrb::chunks::ChunkError;
use rtrb::{Consumer, Producer, PushError, RingBuffer};

use super::super::link::{CAPACITY, Link, Queue};
use super::super::message::Message;

/// rtrb, one message at a time.
pub(super) struct Rtrb;

impl Queue for Rtrb {
    type Sender = Producer<Message>;
    type Receiver = Consumer<Message>;

    fn queue() -> (Producer<Message>, Consumer<Message>) {
        RingBuffer::new(CAPACITY)
    }

    #[inline]
    fn push(sender: &mut Producer<Message>, message: Message) {
        let mut unsent = message;
        while let Err(PushError::Full(message)) = sender.push(unsent) {
            unsent = message;
            spin_loop();
        }
    }

    #[inline]
    fn pop(receiver: &mut Consumer<Message>) -> Option<Message> {
        loop {
            match receiver.pop() {
                Ok(message) => return Some(message),
                // The sender may have pushed its last just before it left.
                Err(_) if receiver.is_abandoned() => return receiver.pop().ok(),
                Err(_) => spin_loop(),
            }
        }
    }
}

/// rtrb with chunks: messages are written and read in place, whole chunks at a time.
pub(super) struct RtrbChunks;

/// Reads chunks of at most `batch` until the sender has gone.
#[inline]
fn read_chunks(receiver: &mut Consumer<Message>, batch: usize, mut each: impl FnMut(&[Message])) {
    let mut read = |receiver: &mut Consumer<Message>| {
        let chunk = match receiver.read_chunk(batch) {
            Ok(chunk) => chunk,
            Err(ChunkError::TooFewSlots(0)) => return false,
            Err(ChunkError::TooFewSlots(fewer)) => receiver.read_chunk(fewer).expect("they were counted"),
        };
        let (before_wrap, after_wrap) = chunk.as_slices();
        each(before_wrap);
        each(after_wrap);
        chunk.commit_all();
        true
    };
    loop {
        if !read(receiver) {
            if receiver.is_abandoned() {
                while read(receiver) {}
                return;
            }
            spin_loop();
        }
    }
}

/// Writes chunks until `count` messages are sent.
#[inline]
fn write_chunks(sender: &mut Producer<Message>, count: usize, mut fill: impl FnMut(&mut Message)) {
    let mut left = count;
    while left > 0 {
        let chunk = match sender.write_chunk_uninit(left) {
            Ok(chunk) => chunk,
            Err(ChunkError::TooFewSlots(0)) => {
                spin_loop();
                continue;
            }
            Err(ChunkError::TooFewSlots(fewer)) => sender.write_chunk_uninit(fewer).expect("they were counted"),
        };
        left -= chunk.fill_from_iter(std::iter::repeat_with(|| {
            let mut message = Message::default();
            fill(&mut message);
            message
        }));
    }
}

impl Link for RtrbChunks {
    type Sender = Producer<Message>;
    type Relay = (Consumer<Message>, Producer<Message>);
    type Receiver = Consumer<Message>;

    fn one_hop() -> (Producer<Message>, Consumer<Message>) {
        RingBuffer::new(CAPACITY)
    }

    fn two_hops() -> (Producer<Message>, Self::Relay, Consumer<Message>) {
        let (sender, first) = RingBuffer::new(CAPACITY);
        let (second, receiver) = RingBuffer::new(CAPACITY);
        (sender, (first, second), receiver)
    }

    #[inline]
    fn send(sender: &mut Producer<Message>, count: usize, fill: impl FnMut(&mut Message)) {
        write_chunks(sender, count, fill);
    }

    fn relay((mut receiver, mut sender): Self::Relay, batch: usize) {
        read_chunks(&mut receiver, batch, |messages| {
            let mut next = messages.iter();
            write_chunks(&mut sender, messages.len(), |message| *message = *next.next().expect("one for each"));
        });
    }

    #[inline]
    fn receive(mut receiver: Consumer<Message>, batch: usize, mut each: impl FnMut(&Message)) {
        read_chunks(&mut receiver, batch, |messages| messages.iter().for_each(&mut each));
    }
}

/// crossbeam's queue for many producers and many consumers.
pub(super) struct Crossbeam;

struct Shared {
    queue: ArrayQueue<Message>,
    closed: AtomicBool,
}

/// Closes the queue when dropped.
pub(super) struct Sender(Arc<Shared>);

pub(super) struct Receiver(Arc<Shared>);

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Release);
    }
}

impl Queue for Crossbeam {
    type Sender = Sender;
    type Receiver = Receiver;

    fn queue() -> (Sender, Receiver) {
        let shared = Arc::new(Shared { queue: ArrayQueue::new(CAPACITY), closed: AtomicBool::new(false) });
        (Sender(Arc::clone(&shared)), Receiver(shared))
    }

    #[inline]
    fn push(Sender(shared): &mut Sender, message: Message) {
        let mut unsent = message;
        while let Err(message) = shared.queue.push(unsent) {
            unsent = message;
            spin_loop();
        }
    }

    #[inline]
    fn pop(Receiver(shared): &mut Receiver) -> Option<Message> {
        loop {
            match shared.queue.pop() {
                Some(message) => return Some(message),
                None if shared.closed.load(Ordering::Acquire) => return shared.queue.pop(),
                None => spin_loop(),
            }
        }
    }
}
