//! One thread holds all handles and moves them by hand: what each operation does, and what it leaves alone.

use kolo_ring::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

type Lane<const STAGES: usize> = (Producer<u64, Park>, [Stage<u64, Park>; STAGES], Acknowledger<Park>, Monitor);

fn of<const STAGES: usize>(slots: usize, in_flight: u64) -> Lane<STAGES> {
    lane(Config { slots, in_flight }, || 0)
}

fn publish(producer: &mut Producer<u64, Park>, values: &[u64]) {
    let mut batch = producer.try_claim(values.len()).expect("room");
    batch.copy_from_slice(values);
    batch.publish(values.len());
}

fn take(stage: &mut Stage<u64, Park>, max: usize) -> Result<Vec<u64>, Blocked> {
    let batch = stage.try_claim(max)?;
    let values = batch.to_vec();
    batch.release(values.len());
    Ok(values)
}

/// What a source does before it gives its input up: it waits for every acknowledgement, serving others meanwhile.
fn drain(producer: &mut Producer<u64, Park>, mut serve: impl FnMut()) -> Result<(), Blocked> {
    while !producer.drained() {
        if producer.poisoned() {
            return Err(Blocked::Poisoned);
        }
        serve();
        producer.wait(|producer| producer.drained() || producer.poisoned());
    }
    Ok(())
}

#[test]
fn a_slot_is_enriched_in_place_by_one_party_after_the_other() {
    let (mut producer, [mut first, mut last], _acknowledger, _) = of::<2>(4, 100);
    publish(&mut producer, &[1, 2, 3]);
    assert_eq!(last.try_claim(9).err(), Some(Blocked::NotYet), "the first stage has not released anything");
    let mut batch = first.try_claim(2).unwrap();
    assert_eq!((batch.sequence(), &batch[..]), (0, &[1, 2][..]));
    batch.iter_mut().for_each(|value| *value *= 10);
    batch.release(2);
    assert_eq!(take(&mut last, 9), Ok(vec![10, 20]));
}

#[test]
fn what_is_not_let_go_is_claimed_again() {
    let (mut producer, [mut stage], _acknowledger, monitor) = of::<1>(4, 100);
    producer.try_claim(4).unwrap()[0] = 7;
    assert_eq!(monitor.positions().published, 0, "a dropped batch publishes nothing");
    let batch = producer.try_claim(4).unwrap();
    assert_eq!((batch.sequence(), batch[0], batch.len()), (0, 7, 4));
    batch.publish(1);
    assert_eq!(producer.try_claim(4).unwrap().sequence(), 1);
    stage.try_claim(1).unwrap().release(0);
    assert_eq!(take(&mut stage, 4), Ok(vec![7]));
}

#[test]
fn a_batch_ends_at_the_wrap() {
    let (mut producer, [mut stage], _acknowledger, _) = of::<1>(4, 100);
    publish(&mut producer, &[0, 1, 2]);
    assert_eq!(take(&mut stage, 3), Ok(vec![0, 1, 2]));
    assert_eq!(producer.try_claim(4).unwrap().len(), 1);
    publish(&mut producer, &[3]);
    publish(&mut producer, &[4, 5]);
    assert_eq!(take(&mut stage, 4), Ok(vec![3]));
    assert_eq!(take(&mut stage, 4), Ok(vec![4, 5]));
}

#[test]
fn the_first_gate_keeps_the_producer_within_a_lap_of_the_last_stage() {
    let (mut producer, [mut first, mut last], _acknowledger, monitor) = of::<2>(2, 100);
    publish(&mut producer, &[0, 1]);
    assert_eq!(take(&mut first, 2), Ok(vec![0, 1]));
    assert_eq!(producer.try_claim(1).err(), Some(Blocked::NotYet));
    assert!(!producer.ready());
    assert_eq!(monitor.occupancy(), 2);
    assert_eq!(take(&mut last, 1), Ok(vec![0]));
    assert!(producer.ready());
    assert_eq!((producer.try_claim(2).unwrap().len(), producer.sent(), monitor.occupancy()), (1, 1, 1));
}

#[test]
fn the_second_gate_keeps_the_producer_near_the_acknowledged_prefix() {
    let (mut producer, [mut stage], mut acknowledger, _) = of::<1>(4, 3);
    publish(&mut producer, &[0, 1, 2]);
    assert_eq!(take(&mut stage, 4), Ok(vec![0, 1, 2]));
    assert_eq!(producer.try_claim(4).err(), Some(Blocked::NotYet), "released, but not acknowledged");
    assert!(!producer.ready() && !producer.drained());
    acknowledger.acknowledge(1);
    assert!(producer.ready());
    assert_eq!((producer.try_claim(4).unwrap().len(), producer.acknowledged()), (1, 1));
    acknowledger.acknowledge(3);
    assert!(producer.drained());
    assert_eq!(acknowledger.position(), 3);
}

#[test]
fn any_bound_on_slots_in_flight_is_counted_with() {
    let (mut producer, _stages, _acknowledger, _) = of::<1>(2, u64::MAX);
    publish(&mut producer, &[0, 1]);
    assert_eq!(producer.try_claim(1).err(), Some(Blocked::NotYet));
}

#[test]
fn the_close_comes_after_the_last_slot_and_is_passed_on() {
    let (mut producer, [mut first, mut last], _acknowledger, monitor) = of::<2>(4, 100);
    publish(&mut producer, &[1]);
    producer.close();
    assert_eq!(producer.try_claim(1).err(), Some(Blocked::Closed));
    assert_eq!(take(&mut first, 4), Ok(vec![1]));
    assert!(first.ready());
    assert_eq!(take(&mut first, 4), Err(Blocked::Closed));
    assert_eq!(take(&mut last, 4), Ok(vec![1]));
    assert!(!monitor.closed());
    assert_eq!(take(&mut last, 4), Err(Blocked::Closed));
    assert_eq!(take(&mut last, 4), Err(Blocked::Closed));
    drop((producer, first, last));
    assert!(monitor.closed() && !monitor.poisoned());
}

#[test]
fn poison_goes_round_the_chain_from_wherever_it_starts_and_lets_no_slot_go() {
    for start in 0..3 {
        let (mut producer, [mut first, mut last], _acknowledger, monitor) = of::<2>(4, 100);
        publish(&mut producer, &[1, 2]);
        assert_eq!(take(&mut first, 1), Ok(vec![1]));
        let before = monitor.positions();
        match start {
            0 => producer.poison(),
            1 => first.poison(),
            _ => last.poison(),
        }
        for _ in 0..2 {
            // The first stage still knows of slot 1, the producer of two free ones. Each comes to the end of it.
            while let Ok(batch) = first.try_claim(4) {
                batch.release(1);
            }
            while let Ok(batch) = last.try_claim(4) {
                batch.release(1);
            }
            while let Ok(batch) = producer.try_claim(4) {
                batch.publish(1);
            }
        }
        let ends = (producer.try_claim(1).err(), first.try_claim(1).err(), last.try_claim(1).err());
        assert_eq!(ends, (Some(Blocked::Poisoned), Some(Blocked::Poisoned), Some(Blocked::Poisoned)), "from {start}");
        assert!(producer.poisoned() && first.poisoned() && last.poisoned() && monitor.poisoned());
        assert!(producer.ready() && first.ready() && last.ready(), "a waiting party must not sleep");
        let after = monitor.positions();
        match start {
            0 => assert_eq!(after.published, before.published),
            1 => assert_eq!(after.stages[0], before.stages[0]),
            _ => assert_eq!(after.stages[1], before.stages[1]),
        }
    }
}

#[test]
fn a_producer_blocked_at_the_second_gate_alone_notices_poison() {
    let (mut producer, [mut stage], _acknowledger, _) = of::<1>(4, 1);
    publish(&mut producer, &[1]);
    stage.poison();
    assert_eq!(producer.try_claim(1).err(), Some(Blocked::Poisoned));
}

#[test]
fn a_closed_stage_can_still_poison() {
    let (mut producer, [mut stage], _acknowledger, _) = of::<1>(4, 100);
    publish(&mut producer, &[1]);
    producer.close();
    assert_eq!(take(&mut stage, 4), Ok(vec![1]));
    assert_eq!(take(&mut stage, 4), Err(Blocked::Closed));
    assert!(!producer.poisoned());
    stage.poison();
    assert_eq!(drain(&mut producer, || {}), Err(Blocked::Poisoned));
}

#[test]
fn a_panic_holding_a_batch_releases_nothing_and_stops_everyone() {
    let (mut producer, [mut first, mut last], _acknowledger, monitor) = of::<2>(4, 100);
    publish(&mut producer, &[1, 2]);
    let panic = catch_unwind(AssertUnwindSafe(move || {
        let batch = first.try_claim(2).unwrap();
        assert_eq!(batch[0], 0, "the point of this test");
    }));
    assert!(panic.is_err());
    assert_eq!(take(&mut last, 4), Err(Blocked::Poisoned));
    assert!(producer.poisoned());
    assert_eq!(monitor.positions(), Positions { published: 2, stages: vec![0, 0], acknowledged: 0 });
}

#[test]
fn a_handle_dropped_before_its_end_poisons() {
    let (producer, [mut stage], _acknowledger, _) = of::<1>(4, 100);
    drop(producer);
    assert_eq!(take(&mut stage, 1), Err(Blocked::Poisoned));
    let (producer, [stage], _acknowledger, _) = of::<1>(4, 100);
    drop(stage);
    assert!(producer.poisoned());
}

#[test]
fn an_acknowledger_dropped_with_slots_unacknowledged_poisons() {
    for acknowledged in [1, 2] {
        let (mut producer, [mut stage], mut acknowledger, monitor) = of::<1>(4, 100);
        publish(&mut producer, &[1, 2]);
        producer.close();
        assert_eq!(take(&mut stage, 4), Ok(vec![1, 2]));
        assert_eq!(take(&mut stage, 4), Err(Blocked::Closed));
        acknowledger.acknowledge(acknowledged);
        drop(acknowledger);
        assert_eq!(drain(&mut producer, || {}), if acknowledged == 2 { Ok(()) } else { Err(Blocked::Poisoned) });
        assert_eq!((monitor.poisoned(), producer.acknowledged()), (acknowledged == 1, acknowledged));
    }
}

#[test]
fn draining_waits_for_acknowledgement_and_serves_meanwhile() {
    let (mut producer, [mut stage], mut acknowledger, _) = of::<1>(4, 100);
    publish(&mut producer, &[1, 2]);
    assert_eq!(take(&mut stage, 4), Ok(vec![1, 2]));
    let mut served = 0;
    let serve = || {
        served += 1;
        acknowledger.acknowledge(served / 2);
    };
    assert_eq!(drain(&mut producer, serve), Ok(()));
    assert_eq!(served, 4);
    publish(&mut producer, &[3]);
    assert_eq!(drain(&mut producer, || stage.poison()), Err(Blocked::Poisoned));
}

#[test]
fn a_party_asks_once_more_before_it_sleeps_and_idles_anew_after_progress() {
    let (mut producer, [mut stage], _acknowledger, _) = of::<1>(4, 100);
    let steps_before_sleep = |stage: &mut Stage<u64, Park>| {
        let mut asked = false;
        (0..).find(|_| {
            stage.wait(|_| {
                asked = true;
                true
            });
            asked
        })
    };
    let patience = steps_before_sleep(&mut stage);
    assert_eq!(steps_before_sleep(&mut stage), Some(0), "still idle: straight to sleep");
    assert_eq!(stage.try_claim(1).err(), Some(Blocked::NotYet));
    publish(&mut producer, &[1]);
    assert_eq!(stage.try_claim(1).unwrap().len(), 1);
    assert_eq!(steps_before_sleep(&mut stage), Some(0), "a claim alone is no progress");
    assert_eq!(take(&mut stage, 1), Ok(vec![1]));
    assert_eq!(steps_before_sleep(&mut stage), patience);
    stage.worked();
    assert_eq!(steps_before_sleep(&mut stage), patience);
}

#[test]
fn slots_are_dropped_once_after_the_last_handle_in_any_order() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let alive = Arc::new(());
        let config = Config { slots: 4, in_flight: 4 };
        let (mut producer, [first, last], _acknowledger, _monitor) = lane::<_, Park, 2>(config, || alive.clone());
        producer.try_claim(4).unwrap().publish(2);
        let mut handles: [Option<Box<dyn std::any::Any>>; 3] =
            [Some(Box::new(producer)), Some(Box::new(first)), Some(Box::new(last))];
        for (dropped, &index) in order.iter().enumerate() {
            assert_eq!(Arc::strong_count(&alive), 5, "after {dropped} of {order:?}");
            handles[index] = None;
        }
        assert_eq!(Arc::strong_count(&alive), 1, "{order:?}");
    }
}

#[test]
fn handles_travel_between_threads() {
    fn travels<T: Send>(_: &T) {}
    fn is_shared<T: Send + Sync + Clone>(_: &T) {}
    let (producer, [stage], acknowledger, monitor) = of::<1>(4, 100);
    travels(&producer);
    travels(&stage);
    travels(&acknowledger);
    is_shared(&monitor);
    is_shared(&producer.waker());
    is_shared(&stage.waker());
}

#[test]
fn wait_strategies_have_names() {
    for wait in [Wait::BusySpin, Wait::Yield, Wait::Park] {
        assert_eq!(wait.to_string().parse(), Ok(wait));
    }
    let error = "sleep".parse::<Wait>().unwrap_err();
    assert_eq!(error.to_string(), "unknown wait strategy `sleep`: it is one of busy-spin, yield, park");
    assert_eq!(Wait::auto(usize::MAX / 8), Wait::Park);
}

#[test]
#[should_panic(expected = "a lane has a power of two of slots, not 3")]
fn a_lane_refuses_a_number_of_slots_that_is_no_power_of_two() {
    of::<1>(3, 1);
}

#[test]
#[should_panic(expected = "3 slots let go out of a batch of 2")]
fn more_than_the_batch_cannot_be_let_go() {
    let (mut producer, _stages, _acknowledger, _) = of::<1>(4, 100);
    producer.try_claim(2).unwrap().publish(3);
}
