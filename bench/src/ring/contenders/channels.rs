//! Channels: crossbeam's and the standard library's, blocking as they are made to, and spun over.

use std::hint::spin_loop;
use std::sync::mpsc;

use crossbeam_channel as crossbeam;

use super::super::link::{CAPACITY, Queue};
use super::super::message::Message;

/// A channel that blocks, and the same one asked again and again.
macro_rules! channel {
    ($channel:ident, $blocking:ident, $spinning:ident, $make:path, $sender:ident) => {
        pub(super) struct $blocking;

        impl Queue for $blocking {
            type Sender = $channel::$sender<Message>;
            type Receiver = $channel::Receiver<Message>;

            fn queue() -> (Self::Sender, Self::Receiver) {
                $make(CAPACITY)
            }

            #[inline]
            fn push(sender: &mut Self::Sender, message: Message) {
                sender.send(message).expect("the receiver outlives the sender");
            }

            #[inline]
            fn pop(receiver: &mut Self::Receiver) -> Option<Message> {
                receiver.recv().ok()
            }
        }

        pub(super) struct $spinning;

        impl Queue for $spinning {
            type Sender = $channel::$sender<Message>;
            type Receiver = $channel::Receiver<Message>;

            fn queue() -> (Self::Sender, Self::Receiver) {
                $make(CAPACITY)
            }

            #[inline]
            fn push(sender: &mut Self::Sender, message: Message) {
                let mut unsent = message;
                loop {
                    match sender.try_send(unsent) {
                        Ok(()) => return,
                        Err($channel::TrySendError::Full(message)) => unsent = message,
                        Err($channel::TrySendError::Disconnected(_)) => panic!("the receiver outlives the sender"),
                    }
                    spin_loop();
                }
            }

            #[inline]
            fn pop(receiver: &mut Self::Receiver) -> Option<Message> {
                loop {
                    match receiver.try_recv() {
                        Ok(message) => return Some(message),
                        Err($channel::TryRecvError::Empty) => spin_loop(),
                        Err($channel::TryRecvError::Disconnected) => return None,
                    }
                }
            }
        }
    };
}

channel!(crossbeam, Crossbeam, CrossbeamSpin, crossbeam::bounded, Sender);
channel!(mpsc, Std, StdSpin, mpsc::sync_channel, SyncSender);
