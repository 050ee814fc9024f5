//! tokio's bounded channel between tasks, one record a wake-up: the design that kolo replaces.
//!
//! Each party is a task, on a runtime with a worker for each of them; where the scheduler puts them is part of the design.
//! The paced sender alone is a thread outside of the runtime, as a Kafka client's is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use hdrhistogram::Histogram;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::super::latency::{self, Arrivals};
use super::super::link::CAPACITY;
use super::super::message::Message;
use super::super::run::{Run, core_of, pin};

fn runtime(run: &Run, workers: usize) -> Runtime {
    let run = run.clone();
    let started = AtomicUsize::new(0);
    Builder::new_multi_thread()
        .worker_threads(workers)
        .on_thread_start(move || pin(core_of(&run, started.fetch_add(1, Ordering::Relaxed))))
        .build()
        .expect("the system starts threads")
}

fn queue() -> (Sender<Message>, Receiver<Message>) {
    channel(CAPACITY)
}

fn numbered(number: u64) -> Message {
    let mut message = Message::default();
    message.write(number);
    message
}

pub(super) fn throughput(run: &Run) -> f64 {
    let runtime = runtime(run, run.hops + 1);
    let (sender, mut receiver) = queue();
    if run.hops == 2 {
        let (second, last) = queue();
        let mut first = std::mem::replace(&mut receiver, last);
        runtime.spawn(async move {
            while let Some(message) = first.recv().await {
                second.send(message).await.expect("the receiver outlives the sender");
            }
        });
    }
    let duration = run.duration;
    let receive = runtime.spawn(async move {
        let mut expected = 0;
        while let Some(message) = receiver.recv().await {
            assert!(message.read() == Some(expected), "a message is missing, doubled or torn");
            expected += 1;
        }
        (expected, Instant::now())
    });
    let send = runtime.spawn(async move {
        let began = Instant::now();
        let mut numbers = 0..;
        while began.elapsed() < duration {
            for number in numbers.by_ref().take(CAPACITY) {
                sender.send(numbered(number)).await.expect("the receiver outlives the sender");
            }
        }
        began
    });
    let began = runtime.block_on(send).expect("the sender does not panic");
    let (received, ended) = runtime.block_on(receive).expect("the receiver does not panic");
    received as f64 / ended.duration_since(began).as_secs_f64()
}

pub(super) fn round_trip(run: &Run) -> Histogram<u64> {
    let runtime = runtime(run, 2);
    let (there, mut echo_in) = queue();
    let (echo_out, mut back) = queue();
    runtime.spawn(async move {
        while let Some(message) = echo_in.recv().await {
            echo_out.send(message).await.expect("the other side waits for it");
        }
    });
    let (duration, warm_up) = (run.duration, latency::warm_up(run));
    let ping = runtime.spawn(async move {
        let mut histogram = latency::histogram();
        let began = Instant::now();
        let mut left = began;
        while left.duration_since(began) < duration {
            there.send(numbered(1)).await.expect("the echo waits for it");
            back.recv().await.expect("the echo answers");
            let now = Instant::now();
            if now.duration_since(began) > warm_up {
                histogram.saturating_record(now.duration_since(left).as_nanos() as u64);
            }
            left = now;
        }
        histogram
    });
    runtime.block_on(ping).expect("nothing of it panics")
}

pub(super) fn one_way(run: &Run) -> Histogram<u64> {
    // The sender takes the first core, the worker the second.
    let mut cores = run.cores.clone();
    if !cores.is_empty() {
        cores.rotate_left(1);
    }
    let runtime = runtime(&Run { cores, ..run.clone() }, 1);
    let (sender, mut receiver) = queue();
    let epoch = Instant::now();
    let mut arrivals = Arrivals::new(run, epoch);
    let receive = runtime.spawn(async move {
        while let Some(message) = receiver.recv().await {
            arrivals.arrived(message.number());
        }
        arrivals.histogram
    });
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pin(core_of(run, 0));
            latency::paced(run, epoch, |due| {
                sender.blocking_send(numbered(due)).expect("the receiver outlives the sender");
            });
            drop(sender);
        });
    });
    runtime.block_on(receive).expect("the receiver does not panic")
}
