//! A slot goes from hand to hand: what one party wrote, the next one sees, and nobody else is at it.

use crate::parties::*;
use kolo_loom_tests::*;
use loom::alloc::Track;
use loom::thread;

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

#[test]
fn handles_dropped_in_any_order_leak_nothing() {
    check(|| {
        let config = Config { slots: 2, in_flight: ANY };
        let (mut producer, [mut engine, sink], acknowledger, monitor) =
            lane::<Track<u64>, Park, 2>(config, || Track::new(0));
        let filling = thread::spawn(move || {
            let mut batch = producer.try_claim(2).unwrap();
            *batch[0].get_mut() = 1;
            batch.publish(1);
        });
        let working = thread::spawn(move || {
            if let Ok(mut batch) = engine.try_claim(1) {
                *batch[0].get_mut() += 1;
                batch.release(1);
            }
        });
        let leaving = thread::spawn(move || drop((sink, acknowledger)));
        for party in [filling, working, leaving] {
            party.join().unwrap();
        }
        assert!(monitor.poisoned());
    });
}
