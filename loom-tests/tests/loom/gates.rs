//! What holds the producer back, and what it waits for before it gives its input up.

use crate::parties::*;
use loom::thread;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[test]
fn no_slot_is_overwritten_before_its_release() {
    check(|| {
        let (producer, [stage], _acknowledger, _) = of::<1>(1, ANY);
        let filling = thread::spawn(move || fill(producer, 3, 1));
        let reading = working(stage, 3, expect_number);
        let _handles = (filling.join().unwrap(), reading.join().unwrap());
    });
}

#[test]
fn the_producer_stays_within_reach_of_the_acknowledged_prefix() {
    check(|| {
        let (mut producer, [engine, mut sink], mut acknowledger, _) = of::<2>(2, 1);
        let granted = Arc::new(AtomicU64::new(1));
        let seen_by_producer = Arc::clone(&granted);
        let filling = thread::spawn(move || {
            for number in 1..=2 {
                producer = fill(producer, number, 1);
                assert!(number <= seen_by_producer.load(Ordering::Relaxed), "published beyond the second gate");
            }
            producer
        });
        let engine = working(engine, 1, expect_number);
        let sink = thread::spawn(move || {
            work(&mut sink, 1, 1, expect_number);
            granted.store(2, Ordering::Relaxed);
            acknowledger.acknowledge(1);
            (sink, acknowledger)
        });
        let _handles = (filling.join().unwrap(), engine.join().unwrap(), sink.join().unwrap());
    });
}

/// A rebalance: what the sink has sent and nobody has confirmed must not be given up, nor its offset be missed.
#[test]
fn a_revoke_waits_for_what_is_acknowledged_not_for_what_is_sent() {
    check(|| {
        let (producer, [engine, mut sink], mut acknowledger, _) = of::<2>(2, ANY);
        // loom runs all parties on one thread.
        let stored = Rc::new(loom::cell::UnsafeCell::new(0));
        let committed = Rc::clone(&stored);
        let filling = thread::spawn(move || {
            let mut producer = fill(producer, 1, 1);
            assert_eq!(drain(&mut producer), Ok(()));
            // SAFETY: loom fails the model if this read is not ordered after the write.
            committed.with(|offset| assert_eq!(unsafe { *offset }, 1));
            producer
        });
        let engine = working(engine, 1, expect_number);
        let sink = thread::spawn(move || {
            work(&mut sink, 1, 1, expect_number);
            // SAFETY: as above.
            stored.with_mut(|offset| unsafe { *offset = 1 });
            acknowledger.acknowledge(1);
            (sink, acknowledger)
        });
        let _handles = (filling.join().unwrap(), engine.join().unwrap(), sink.join().unwrap());
    });
}
