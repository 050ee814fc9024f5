//! How a lane ends: closed, with everything before the close through all hands; or poisoned, with nothing let go.

use crate::parties::*;
use kolo_loom_tests::*;
use loom::thread;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

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
fn a_producer_that_only_acknowledgements_hold_back_hears_of_poison() {
    check(|| {
        let (producer, [mut stage], _acknowledger, _) = of::<1>(2, 1);
        let filling = thread::spawn(move || {
            let mut producer = fill(producer, 1, 1);
            while let Err(blocked) = producer.try_claim(1).map(drop) {
                if blocked == Blocked::Poisoned {
                    return producer;
                }
                producer.wait(|producer| producer.ready());
            }
            panic!("claimed beyond the second gate");
        });
        let failing = thread::spawn(move || {
            stage.poison();
            stage
        });
        let _handles = (filling.join().unwrap(), failing.join().unwrap());
    });
}
