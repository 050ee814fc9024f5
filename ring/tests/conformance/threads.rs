//! A thread for each party: order, gates, and what ends a wait.

use crate::{of, publish};
use kolo_ring::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

on_each_ring!(
    numbers_arrive_once_and_in_order_busy_spin,
    numbers_arrive_once_and_in_order_yield,
    numbers_arrive_once_and_in_order_park,
    numbers_arrive_when_in_flight_is_the_narrower_gate,
    a_ring_of_one_slot,
    a_panic_in_one_thread_ends_the_others,
    poison_wakes_who_sleeps,
    a_close_wakes_who_sleeps,
    a_waker_ends_a_wait_for_something_else,
);

const NUMBERS: u64 = if cfg!(miri) { 200 } else { 4_000 };

/// Three threads, batches of changing sizes, partial releases, late acknowledgements.
fn numbers_arrive<R: Ring, W: WaitStrategy>(slots: usize, in_flight: u64) {
    let config = Config { slots, in_flight };
    let (mut producer, [mut squares, mut checks], mut acknowledger, monitor) = R::lane::<u64, W, 2>(config, || 0);
    let (watching, bounds) = (monitor.clone(), (slots as u64, in_flight));
    let filling = thread::spawn(move || {
        let mut sizes = (1..=slots.min(37)).cycle();
        while producer.position() < NUMBERS {
            let next = producer.position();
            let size = sizes.next().unwrap();
            let claimed = producer.try_claim(size).map(|mut batch| {
                let len = batch.len().min((NUMBERS - next) as usize);
                for (slot, number) in batch.iter_mut().zip(next..NUMBERS) {
                    *slot = number;
                }
                batch.publish(len);
            });
            match claimed {
                Ok(()) => {
                    assert!(producer.position() <= producer.acknowledged() + bounds.1, "in flight");
                    assert!(watching.occupancy() <= bounds.0);
                }
                Err(Blocked::NotYet) => producer.wait(|producer| producer.ready()),
                Err(end) => panic!("{end} after {next} numbers"),
            }
        }
        producer.close();
        while !producer.drained() {
            assert!(!producer.poisoned());
            producer.wait(|producer| producer.drained() || producer.poisoned());
        }
    });
    let squaring = thread::spawn(move || {
        let mut sizes = (1..=slots.min(23)).cycle();
        loop {
            let size = sizes.next().unwrap();
            let claimed = squares.try_claim(size).map(|mut batch| {
                let half = batch.len().div_ceil(2);
                batch[..half].iter_mut().for_each(|number| *number *= *number);
                batch.release(half);
            });
            match claimed {
                Ok(()) => {}
                Err(Blocked::NotYet) => squares.wait(|stage| stage.ready()),
                Err(end) => return end,
            }
        }
    });
    let mut expected = 0;
    let end = loop {
        let claimed = checks.try_claim(slots).map(|batch| {
            for number in batch.iter() {
                assert_eq!(*number, expected * expected);
                expected += 1;
            }
            let len = batch.len();
            batch.release(len);
        });
        match claimed {
            // All but the last: the next batch, or the close, acknowledges that one.
            Ok(()) => acknowledger.acknowledge(checks.position() - u64::from(in_flight > 1)),
            Err(Blocked::NotYet) => checks.wait(|stage| stage.ready()),
            Err(end) => break end,
        }
    };
    acknowledger.acknowledge(checks.position());
    filling.join().unwrap();
    assert_eq!((end, squaring.join().unwrap()), (Blocked::Closed, Blocked::Closed));
    let positions = Positions { published: NUMBERS, stages: vec![NUMBERS; 2], acknowledged: NUMBERS };
    assert_eq!(monitor.positions(), positions);
}

fn numbers_arrive_once_and_in_order_busy_spin<R: Ring>() {
    numbers_arrive::<R, BusySpin>(1024, 4096);
}

fn numbers_arrive_once_and_in_order_yield<R: Ring>() {
    numbers_arrive::<R, Yield>(64, 4096);
}

fn numbers_arrive_once_and_in_order_park<R: Ring>() {
    numbers_arrive::<R, Park>(64, 4096);
}

fn numbers_arrive_when_in_flight_is_the_narrower_gate<R: Ring>() {
    numbers_arrive::<R, Park>(64, 48);
    numbers_arrive::<R, Yield>(64, 1);
}

fn a_ring_of_one_slot<R: Ring>() {
    numbers_arrive::<R, Park>(1, 100);
}

/// Works until an end comes, and says which.
fn until_the_end(mut party: impl LaneParty) -> Blocked {
    loop {
        match party.try_claim(1).map(|batch| batch.release(1)) {
            Ok(()) => {}
            Err(Blocked::NotYet) => party.wait(|party| party.ready()),
            Err(end) => return end,
        }
    }
}

fn a_panic_in_one_thread_ends_the_others<R: Ring>() {
    let (producer, [mut first, last], _acknowledger, monitor) = of::<R>(8, 100);
    let panicking = thread::spawn(move || {
        loop {
            let claimed = first.try_claim(1).map(|batch| {
                assert!(batch.sequence() < 3, "the point of this test");
                batch.release(1);
            });
            if claimed.is_err() {
                first.wait(|stage| stage.ready());
            }
        }
    });
    let following = thread::spawn(move || until_the_end(last));
    assert_eq!(until_the_end(producer), Blocked::Poisoned);
    assert_eq!(following.join().unwrap(), Blocked::Poisoned);
    assert!(panicking.join().is_err());
    assert_eq!(monitor.positions().stages[0], 3, "the batch in hand was not released");
}

fn poison_wakes_who_sleeps<R: Ring>() {
    let (mut producer, [first, last], _acknowledger, _) = of::<R>(8, 100);
    let others = [thread::spawn(move || until_the_end(first)), thread::spawn(move || until_the_end(last))];
    assert_eq!(publish(&mut producer, &[1]), Ok(1));
    producer.poison();
    others.into_iter().for_each(|other| assert_eq!(other.join().unwrap(), Blocked::Poisoned));
}

fn a_close_wakes_who_sleeps<R: Ring>() {
    let (mut producer, [first, last], _acknowledger, monitor) = of::<R>(8, 100);
    let others = [thread::spawn(move || until_the_end(first)), thread::spawn(move || until_the_end(last))];
    assert_eq!(publish(&mut producer, &[1, 2]), Ok(2));
    producer.close();
    others.into_iter().for_each(|other| assert_eq!(other.join().unwrap(), Blocked::Closed));
    assert_eq!(monitor.positions().stages, [2, 2]);
}

fn a_waker_ends_a_wait_for_something_else<R: Ring>() {
    let (mut producer, [mut first, last], _acknowledger, monitor) = of::<R>(8, 100);
    let wakers = [producer.waker(), first.waker()];
    let (cancelled, started) = (Arc::new(AtomicBool::new(false)), Arc::new(Barrier::new(3)));
    let (flag, start) = (Arc::clone(&cancelled), Arc::clone(&started));
    let source = thread::spawn(move || {
        start.wait();
        while !flag.load(Ordering::Acquire) {
            producer.wait(|_| flag.load(Ordering::Acquire));
        }
        producer.close();
    });
    let (flag, start) = (Arc::clone(&cancelled), Arc::clone(&started));
    let stage = thread::spawn(move || {
        start.wait();
        while !flag.load(Ordering::Acquire) {
            first.wait(|stage| stage.ready() || flag.load(Ordering::Acquire));
        }
        until_the_end(first)
    });
    started.wait();
    cancelled.store(true, Ordering::Release);
    wakers.iter().for_each(Waker::wake);
    source.join().unwrap();
    assert_eq!((stage.join().unwrap(), until_the_end(last)), (Blocked::Closed, Blocked::Closed));
    assert!(monitor.closed());
}
