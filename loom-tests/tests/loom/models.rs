//! Each model is one property of the protocol, over every schedule and every stale value that the bound admits.
//!
//! Three events, two slots and two laps are enough: a protocol of counters has no behaviour at a hundred slots that it
//! lacks at two. Each party has its own thread, and `main` only joins. Handles come back to `main` and are dropped there,
//! when every party is done: the poison of a dropped handle would wake a party whose own wake-up was lost.

use kolo_loom_tests::*;
use loom::thread::{self, JoinHandle};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

type Source = Producer<u64, Park>;
type Worker = Stage<u64, Park>;
type Lane<const STAGES: usize> = (Source, [Worker; STAGES], Acknowledger<Park>, Monitor);

/// In flight without a bound, for models of the first gate.
const ANY: u64 = 99;

fn of<const STAGES: usize>(slots: usize, in_flight: u64) -> Lane<STAGES> {
    lane(Config { slots, in_flight }, || 0)
}

/// Runs a model under the bound of `KOLO_LOOM_BOUND` preemptions, and says how many executions that took.
fn check(model: impl Fn() + Send + Sync + 'static) {
    let executions = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    let bound = std::env::var("KOLO_LOOM_BOUND").map_or(1, |bound| bound.parse().expect("KOLO_LOOM_BOUND: a number"));
    builder.preemption_bound = Some(bound);
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!("{} executions at bound {bound}", executions.load(Ordering::Relaxed));
}

/// Publishes the numbers from 1 up to `count`, at most `max` at a time.
fn fill(mut producer: Source, count: u64, max: usize) -> Source {
    while producer.published() < count {
        match producer.try_claim(max) {
            Ok(mut batch) => {
                let first = batch.sequence();
                let len = batch.len().min((count - first) as usize);
                for (slot, number) in batch.iter_mut().zip(first + 1..=count) {
                    *slot = number;
                }
                batch.publish(len);
            }
            Err(Blocked::NotYet) => producer.wait(|producer| producer.ready()),
            Err(end) => panic!("{end:?} after {} of {count}", producer.published()),
        }
    }
    producer
}

/// Waits until everything published is acknowledged, as the poller does before it gives partitions up.
fn drain(producer: &mut Source) -> Result<(), Blocked> {
    while !producer.drained() {
        if producer.poisoned() {
            return Err(Blocked::Poisoned);
        }
        producer.wait(|producer| producer.drained() || producer.poisoned());
    }
    Ok(())
}

/// Claims at most `max` at a time and releases them all, until `count` were released or the lane ends.
fn work(stage: &mut Worker, count: u64, max: usize, mut each: impl FnMut(u64, &mut u64)) -> Option<Blocked> {
    while stage.position() < count {
        match stage.try_claim(max) {
            Ok(mut batch) => {
                let (sequence, len) = (batch.sequence(), batch.len());
                batch.iter_mut().zip(sequence..).for_each(|(slot, sequence)| each(sequence, slot));
                batch.release(len);
            }
            Err(Blocked::NotYet) => stage.wait(|stage| stage.ready()),
            Err(end) => return Some(end),
        }
    }
    None
}

fn expect_number(sequence: u64, slot: &mut u64) {
    assert_eq!(*slot, sequence + 1);
}

/// A thread that works on `count` slots one by one, for models in which the interest lies elsewhere.
fn working(mut stage: Worker, count: u64, each: fn(u64, &mut u64)) -> JoinHandle<Worker> {
    thread::spawn(move || {
        assert_eq!(work(&mut stage, count, 1, each), None);
        stage
    })
}

#[test]
fn a_published_slot_is_seen_whole() {
    check(|| {
        let (producer, [stage], _acknowledger, _) = of::<1>(2, ANY);
        let filling = thread::spawn(move || fill(producer, 2, 1));
        let reading = working(stage, 2, expect_number);
        let _handles = (filling.join().unwrap(), reading.join().unwrap());
    });
}

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
fn nothing_is_lost_doubled_or_reordered_across_a_wrap() {
    check(|| {
        let (producer, [mut stage], _acknowledger, _) = of::<1>(2, ANY);
        let filling = thread::spawn(move || {
            let producer = fill(producer, 1, 1);
            fill(producer, 4, 2)
        });
        let reading = thread::spawn(move || {
            let mut numbers = Vec::new();
            work(&mut stage, 4, 2, |_, slot| numbers.push(*slot));
            assert_eq!(numbers, [1, 2, 3, 4]);
            stage
        });
        let _handles = (filling.join().unwrap(), reading.join().unwrap());
    });
}

#[test]
fn the_sink_sees_what_the_engine_wrote() {
    check(|| {
        let (producer, [engine, sink], _acknowledger, _) = of::<2>(2, ANY);
        let filling = thread::spawn(move || fill(producer, 2, 2));
        let engine = working(engine, 2, |_, slot| *slot *= 10);
        let sink = working(sink, 2, |sequence, slot| assert_eq!(*slot, 10 * (sequence + 1)));
        let _handles = (filling.join().unwrap(), engine.join().unwrap(), sink.join().unwrap());
    });
}

#[test]
fn the_producer_stays_within_reach_of_the_acknowledged_prefix() {
    check(|| {
        let (mut producer, [mut stage], mut acknowledger, _) = of::<1>(2, 1);
        let granted = Arc::new(AtomicU64::new(1));
        let seen_by_producer = Arc::clone(&granted);
        let filling = thread::spawn(move || {
            for number in 1..=2 {
                producer = fill(producer, number, 1);
                assert!(number <= seen_by_producer.load(Ordering::Relaxed), "published beyond the second gate");
            }
            producer
        });
        let reading = thread::spawn(move || {
            for number in 1..=2 {
                work(&mut stage, number, 1, expect_number);
                granted.fetch_add(1, Ordering::Relaxed);
                acknowledger.acknowledge(number);
            }
            (stage, acknowledger)
        });
        let _handles = (filling.join().unwrap(), reading.join().unwrap());
    });
}

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
        let filling = thread::spawn(move || fill(producer, 3, 1));
        let sink = thread::spawn(move || {
            for number in 1..=3 {
                work(&mut sink, number, 1, expect_number);
                acknowledger.acknowledge(number);
            }
            (sink, acknowledger)
        });
        let _handles = (filling.join().unwrap(), sink.join().unwrap());
    });
}

#[test]
fn the_ring_and_an_outside_event_both_wake_a_sleeper() {
    check(|| {
        let (producer, [mut stage], _acknowledger, _) = of::<1>(1, ANY);
        let event = Arc::new(loom::sync::atomic::AtomicBool::new(false));
        let (raised, waker) = (Arc::clone(&event), stage.waker());
        let waiting = thread::spawn(move || {
            let (mut number, mut heard) = (None, false);
            while number.is_none() || !heard {
                heard |= event.load(Ordering::Acquire);
                match stage.try_claim(1) {
                    Ok(batch) => {
                        number = Some(batch[0]);
                        batch.release(1);
                    }
                    Err(_) if heard && number.is_some() => {}
                    Err(_) => stage.wait(|stage| stage.ready() || (!heard && event.load(Ordering::Relaxed))),
                }
            }
            assert_eq!(number, Some(1));
            stage
        });
        let raising = thread::spawn(move || {
            raised.store(true, Ordering::Release);
            waker.wake();
        });
        let filling = thread::spawn(move || fill(producer, 1, 1));
        let _handles = (filling.join().unwrap(), raising.join().unwrap(), waiting.join().unwrap());
    });
}

#[test]
fn a_close_lets_everything_before_it_through() {
    check(|| {
        let (producer, [mut engine, mut sink], _acknowledger, monitor) = of::<2>(2, ANY);
        let filling = thread::spawn(move || {
            let mut producer = fill(producer, 2, 1);
            producer.close();
            producer
        });
        let engine = thread::spawn(move || {
            assert_eq!(work(&mut engine, ANY, 1, |_, slot| *slot *= 10), Some(Blocked::Closed));
            engine
        });
        let sink = thread::spawn(move || {
            let mut numbers = Vec::new();
            assert_eq!(work(&mut sink, ANY, 1, |_, slot| numbers.push(*slot)), Some(Blocked::Closed));
            assert_eq!(numbers, [10, 20]);
            sink
        });
        let _handles = (filling.join().unwrap(), engine.join().unwrap(), sink.join().unwrap());
        assert!(monitor.closed() && !monitor.poisoned());
    });
}

#[test]
fn a_close_alone_shows_everything_before_it() {
    check(|| {
        // Without parking there are no fences, and a follower may see no store but the last.
        let (mut producer, [mut stage], _acknowledger, _) =
            lane::<u64, BusySpin, 1>(Config { slots: 2, in_flight: 2 }, || 0);
        let filling = thread::spawn(move || {
            let mut batch = producer.try_claim(1).unwrap();
            batch[0] = 1;
            batch.publish(1);
            producer.close();
            producer
        });
        let reading = thread::spawn(move || {
            for _attempt in 0..2 {
                match stage.try_claim(2) {
                    Ok(batch) => {
                        assert_eq!(batch[..], [1]);
                        batch.release(1);
                    }
                    Err(Blocked::NotYet) => {}
                    Err(end) => assert_eq!((end, stage.position()), (Blocked::Closed, 1)),
                }
            }
            stage
        });
        let _handles = (filling.join().unwrap(), reading.join().unwrap());
    });
}

#[test]
fn a_panic_with_a_batch_in_hand_lets_nothing_go_and_stops_everyone() {
    check(|| {
        let (mut producer, [mut engine, mut sink], _acknowledger, monitor) = of::<2>(1, ANY);
        let filling = thread::spawn(move || {
            loop {
                match producer.try_claim(1) {
                    Ok(batch) => batch.publish(1),
                    Err(Blocked::NotYet) => producer.wait(|producer| producer.ready()),
                    Err(end) => return (end, producer),
                }
            }
        });
        let engine = thread::spawn(move || {
            let panic = catch_unwind(AssertUnwindSafe(move || {
                work(&mut engine, 1, 1, |_, _| resume_unwind(Box::new("the engine's")));
            }));
            assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"the engine's"));
        });
        let sink = thread::spawn(move || {
            assert_eq!(work(&mut sink, 1, 1, |_, _| {}), Some(Blocked::Poisoned));
            sink
        });
        engine.join().unwrap();
        let (end, _producer) = filling.join().unwrap();
        let _sink = sink.join().unwrap();
        assert_eq!(end, Blocked::Poisoned);
        assert_eq!(monitor.positions(), Positions { published: 1, stages: vec![0, 0], acknowledged: 0 });
    });
}

#[test]
fn drained_means_acknowledged_and_shows_what_came_before() {
    check(|| {
        let (producer, [mut stage], mut acknowledger, _) = of::<1>(2, ANY);
        let stored = loom::sync::Arc::new(loom::cell::UnsafeCell::new(0));
        let committed = stored.clone();
        let filling = thread::spawn(move || {
            let mut producer = fill(producer, 2, 2);
            assert_eq!(drain(&mut producer), Ok(()));
            // SAFETY: loom fails the model if this read is not ordered after the write.
            committed.with(|offset| assert_eq!(unsafe { *offset }, 2));
            producer
        });
        let reading = thread::spawn(move || {
            work(&mut stage, 2, 2, expect_number);
            // SAFETY: as above.
            stored.with_mut(|offset| unsafe { *offset = 2 });
            acknowledger.acknowledge(2);
            (stage, acknowledger)
        });
        let _handles = (filling.join().unwrap(), reading.join().unwrap());
    });
}

#[test]
fn an_acknowledger_that_gives_up_ends_the_wait_for_it() {
    check(|| {
        let (producer, [mut stage], acknowledger, _) = of::<1>(1, ANY);
        let filling = thread::spawn(move || {
            let mut producer = fill(producer, 1, 1);
            assert_eq!(drain(&mut producer), Err(Blocked::Poisoned));
            producer
        });
        let reading = thread::spawn(move || {
            work(&mut stage, 1, 1, expect_number);
            drop(acknowledger);
            stage
        });
        let _handles = (filling.join().unwrap(), reading.join().unwrap());
    });
}

#[test]
fn a_monitor_sees_no_count_overtake_the_one_it_follows() {
    check(|| {
        let (producer, [mut stage], mut acknowledger, monitor) = of::<1>(2, ANY);
        let filling = thread::spawn(move || fill(producer, 1, 1));
        let reading = thread::spawn(move || {
            work(&mut stage, 1, 1, expect_number);
            acknowledger.acknowledge(1);
            (stage, acknowledger)
        });
        let watching = thread::spawn(move || {
            let positions = monitor.positions();
            assert!(positions.acknowledged <= positions.stages[0], "{positions:?}");
            assert!(positions.stages[0] <= positions.published, "{positions:?}");
            assert!(monitor.occupancy() <= 1);
        });
        let _handles = (filling.join().unwrap(), reading.join().unwrap(), watching.join().unwrap());
    });
}
