//! Nobody sleeps through what it waits for.

use crate::parties::*;
use kolo_loom_tests::*;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use std::sync::Arc;

#[test]
fn nobody_in_a_chain_sleeps_through_a_change() {
    check(|| {
        let (producer, [engine, sink], _acknowledger, _) = of::<2>(1, ANY);
        let filling = thread::spawn(move || fill(producer, 2, 1));
        let engine = working(engine, 2, expect_number);
        let sink = working(sink, 2, expect_number);
        let _handles = (filling.join().unwrap(), engine.join().unwrap(), sink.join().unwrap());
    });
}

#[test]
fn the_producer_sleeps_through_no_acknowledgement() {
    check(|| {
        let (producer, [mut sink], mut acknowledger, _) = of::<1>(2, 1);
        let filling = thread::spawn(move || fill(producer, 2, 1));
        let sink = thread::spawn(move || {
            for number in 1..=2 {
                work(&mut sink, number, 1, expect_number);
                acknowledger.acknowledge(number);
            }
            (sink, acknowledger)
        });
        let _handles = (filling.join().unwrap(), sink.join().unwrap());
    });
}

/// The poller's loop: it looks at the client's queue, waits for room to publish what it has, which may use up the
/// wake-up of something that came to the queue meanwhile, and then idles for the queue and the lane at once.
#[test]
fn the_lane_and_an_outside_event_both_wake_a_sleeper() {
    check(|| {
        let (producer, [mut stage], mut acknowledger, _) = of::<1>(1, ANY);
        let event = Arc::new(AtomicBool::new(false));
        let (raised, waker) = (Arc::clone(&event), producer.waker());
        let polling = thread::spawn(move || {
            let mut heard = event.load(Ordering::Acquire);
            let mut producer = fill(producer, 2, 1);
            let mut drained = producer.drained();
            while !heard || !drained {
                producer.wait(|producer| {
                    let lane = taken(Site::RecheckLane) && !drained && producer.drained();
                    let outside = taken(Site::RecheckOutside) && !heard && event.load(Ordering::Relaxed);
                    lane || outside
                });
                heard |= event.load(Ordering::Acquire);
                drained |= producer.drained();
            }
            producer
        });
        let raising = thread::spawn(move || {
            raised.store(true, Ordering::Release);
            waker.wake();
        });
        let sending = thread::spawn(move || {
            work(&mut stage, 2, 1, expect_number);
            acknowledger.acknowledge(2);
            (stage, acknowledger)
        });
        let _handles = (polling.join().unwrap(), raising.join().unwrap(), sending.join().unwrap());
    });
}

#[test]
fn nobody_sleeps_through_a_close_that_comes_alone() {
    check(|| {
        let (mut producer, [mut stage], _acknowledger, _) = of::<1>(1, ANY);
        let closing = thread::spawn(move || {
            producer.close();
            producer
        });
        let waiting = thread::spawn(move || {
            assert_eq!(work(&mut stage, 1, 1, expect_number), Some(Blocked::Closed));
            stage
        });
        let _handles = (closing.join().unwrap(), waiting.join().unwrap());
    });
}
