//! A lane's steps, one by one, on one thread.

use crate::{Lane, end_of, of, publish, take, work};
use kolo_ring::*;
use std::thread;

on_each_ring!(
    a_slot_is_enriched_by_one_party_after_the_other,
    what_is_not_released_is_claimed_again,
    a_dropped_batch_lets_nothing_go,
    a_batch_ends_at_the_wrap_and_at_the_most_that_was_asked_for,
    the_producer_is_never_more_than_the_slots_ahead,
    the_producer_is_never_more_than_in_flight_ahead_of_the_acknowledged_prefix,
    the_figures_are_those_of_all_parties,
    a_close_comes_after_everything_published,
    a_close_of_an_empty_lane,
    nothing_comes_after_an_end,
    a_batch_of_the_wrong_size_is_refused,
    poison_by_any_party_stops_all_and_lets_nothing_go,
    a_handle_dropped_early_poisons,
    a_handle_dropped_after_the_end_does_not,
    an_acknowledger_dropped_early_poisons,
    a_lane_of_one_and_of_four_stages,
);

fn a_slot_is_enriched_by_one_party_after_the_other<R: Ring>() {
    let (mut producer, [mut first, mut last], _acknowledger, _) = of::<R>(4, 100);
    assert_eq!(publish(&mut producer, &[1, 2, 3]), Ok(3));
    assert_eq!(end_of(&mut last), Some(Blocked::NotYet), "the first stage has released nothing");
    assert!(first.ready() && !last.ready());
    assert_eq!(work(&mut first, 2, |value| value * 10), Ok(vec![10, 20]));
    assert!(last.ready());
    assert_eq!(work(&mut last, 9, |value| value + 1), Ok(vec![11, 21]), "what the first stage wrote");
    assert_eq!(work(&mut first, 9, |value| value * 10), Ok(vec![30]));
    assert_eq!(publish(&mut producer, &[4]), Ok(1));
    assert_eq!(work(&mut first, 9, |value| value * 10), Ok(vec![40]));
    assert_eq!(take(&mut last, 1), Ok(vec![30]));
    assert_eq!(producer.try_claim(1).unwrap()[0], 11, "what the last lap left in the slot");
}

fn what_is_not_released_is_claimed_again<R: Ring>() {
    let (mut producer, [mut first, mut last], ..) = of::<R>(8, 100);
    let mut batch = producer.try_claim(5).unwrap();
    batch.copy_from_slice(&[1, 2, 3, 4, 5]);
    batch.publish(4);
    assert_eq!(producer.position(), 4);
    let batch = producer.try_claim(1).unwrap();
    assert_eq!((batch.sequence(), batch[0]), (4, 5), "written by the claim before");
    batch.publish(1);
    let mut seen = Vec::new();
    for (count, expected) in [(2, 0), (0, 2), (1, 2), (2, 3)] {
        let batch = first.try_claim(8).unwrap();
        assert_eq!((batch.sequence(), batch.len()), (expected, 5 - expected as usize));
        assert_eq!(batch[0], expected + 1);
        batch.release(count);
        assert_eq!(first.position(), expected + count as u64);
        seen.extend(std::iter::from_fn(|| take(&mut last, 8).ok()).flatten());
        assert_eq!(seen.len() as u64, expected + count as u64, "exactly what was released");
    }
    assert_eq!(seen, [1, 2, 3, 4, 5]);
}

fn a_dropped_batch_lets_nothing_go<R: Ring>() {
    let (mut producer, [mut first, mut last], _acknowledger, monitor) = of::<R>(4, 100);
    producer.try_claim(4).unwrap()[0] = 7;
    assert_eq!(monitor.positions().published, 0);
    assert_eq!(end_of(&mut first), Some(Blocked::NotYet));
    assert_eq!(publish(&mut producer, &[8, 9]), Ok(2));
    drop(first.try_claim(4).unwrap());
    assert_eq!(end_of(&mut last), Some(Blocked::NotYet));
    assert_eq!(take(&mut first, 4), Ok(vec![8, 9]));
}

fn a_batch_ends_at_the_wrap_and_at_the_most_that_was_asked_for<R: Ring>() {
    let (mut producer, [mut first, mut last], ..) = of::<R>(4, 100);
    assert_eq!(publish(&mut producer, &[0, 1, 2]), Ok(3));
    assert_eq!(take(&mut first, 2), Ok(vec![0, 1]));
    assert_eq!(take(&mut first, 2), Ok(vec![2]));
    assert_eq!(take(&mut last, 3), Ok(vec![0, 1, 2]));
    assert_eq!(publish(&mut producer, &[3, 4]), Ok(1), "slot 3 is the last before the wrap");
    assert_eq!(publish(&mut producer, &[4, 5]), Ok(2));
    assert_eq!(take(&mut first, usize::MAX), Ok(vec![3]));
    assert_eq!(take(&mut first, usize::MAX), Ok(vec![4, 5]));
}

fn the_producer_is_never_more_than_the_slots_ahead<R: Ring>() {
    let (mut producer, [mut first, mut last], _acknowledger, monitor) = of::<R>(2, 100);
    assert_eq!(publish(&mut producer, &[0, 1]), Ok(2));
    assert_eq!(take(&mut first, 2), Ok(vec![0, 1]));
    assert_eq!(end_of(&mut producer), Some(Blocked::NotYet), "released by the first stage only");
    assert!(!producer.ready());
    assert_eq!((producer.sent(), monitor.occupancy(), monitor.slots()), (0, 2, 2));
    assert_eq!(take(&mut last, 1), Ok(vec![0]));
    assert!(producer.ready());
    assert_eq!(producer.try_claim(2).unwrap().len(), 1);
    assert_eq!((producer.sent(), monitor.occupancy()), (1, 1));
}

fn the_producer_is_never_more_than_in_flight_ahead_of_the_acknowledged_prefix<R: Ring>() {
    let (mut producer, [mut first, mut last], mut acknowledger, _) = of::<R>(8, 3);
    assert_eq!(publish(&mut producer, &[0, 1, 2, 3, 4]), Ok(3));
    assert_eq!(take(&mut first, 8), Ok(vec![0, 1, 2]));
    assert_eq!(take(&mut last, 8), Ok(vec![0, 1, 2]));
    assert_eq!(end_of(&mut producer), Some(Blocked::NotYet), "sent, but not acknowledged");
    assert!(!producer.ready() && !producer.drained());
    acknowledger.acknowledge(2);
    assert!(producer.ready());
    assert_eq!(publish(&mut producer, &[3, 4, 5]), Ok(2));
    acknowledger.acknowledge(3);
    assert_eq!((producer.acknowledged(), producer.drained()), (3, false));
    assert_eq!(publish(&mut producer, &[5, 6]), Ok(1));
}

fn the_figures_are_those_of_all_parties<R: Ring>() {
    let (mut producer, [mut first, mut last], mut acknowledger, monitor) = of::<R>(8, 100);
    assert!(producer.drained());
    assert_eq!(publish(&mut producer, &[0, 1, 2, 3]), Ok(4));
    assert_eq!(take(&mut first, 3), Ok(vec![0, 1, 2]));
    assert_eq!(take(&mut last, 2), Ok(vec![0, 1]));
    acknowledger.acknowledge(1);
    let positions = Positions { published: 4, stages: vec![3, 2], acknowledged: 1 };
    assert_eq!(monitor.positions(), positions);
    assert_eq!((producer.position(), first.position(), last.position(), acknowledger.position()), (4, 3, 2, 1));
    assert_eq!((producer.sent(), producer.acknowledged(), monitor.occupancy()), (2, 1, 2));
    assert!(!monitor.poisoned() && !monitor.closed());
}

fn a_close_comes_after_everything_published<R: Ring>() {
    let (mut producer, [mut first, mut last], mut acknowledger, monitor) = of::<R>(4, 100);
    assert_eq!(publish(&mut producer, &[0, 1]), Ok(2));
    producer.close();
    assert_eq!(take(&mut first, 1), Ok(vec![0]));
    assert_eq!(take(&mut last, 1), Ok(vec![0]));
    assert_eq!(end_of(&mut last), Some(Blocked::NotYet), "one is still with the first stage");
    assert_eq!(take(&mut first, 1), Ok(vec![1]));
    assert_eq!(end_of(&mut first), Some(Blocked::Closed));
    assert!(!monitor.closed());
    assert_eq!(take(&mut last, 1), Ok(vec![1]));
    assert!(last.ready(), "an end is something to claim for");
    assert_eq!(end_of(&mut last), Some(Blocked::Closed));
    assert!(monitor.closed() && !monitor.poisoned());
    assert!(!producer.drained(), "sent is not acknowledged");
    acknowledger.acknowledge(2);
    assert!(producer.drained() && !producer.poisoned());
}

fn a_close_of_an_empty_lane<R: Ring>() {
    let (mut producer, [mut first, mut last], _acknowledger, monitor) = of::<R>(4, 100);
    producer.close();
    assert_eq!(end_of(&mut first), Some(Blocked::Closed));
    assert_eq!(end_of(&mut last), Some(Blocked::Closed));
    assert!(producer.drained() && monitor.closed());
}

fn nothing_comes_after_an_end<R: Ring>() {
    let (mut producer, [mut first, mut last], ..) = of::<R>(4, 100);
    producer.close();
    producer.close();
    for _ in 0..2 {
        assert_eq!(end_of(&mut producer), Some(Blocked::Closed));
        assert_eq!(end_of(&mut first), Some(Blocked::Closed));
        assert_eq!(end_of(&mut last), Some(Blocked::Closed));
    }
    last.poison();
    assert_eq!(end_of(&mut last), Some(Blocked::Poisoned), "poison is the stronger of the two");
    assert!(producer.poisoned());
}

fn a_batch_of_the_wrong_size_is_refused<R: Ring>() {
    let refused = |wrong: fn(Lane<R, Park>)| {
        let lane = of::<R>(4, 100);
        let monitor = lane.3.clone();
        let panicked = thread::spawn(move || wrong(lane)).join();
        assert!(panicked.is_err() && monitor.poisoned() && monitor.positions().published == 0);
    };
    refused(|mut lane| drop(lane.0.try_claim(0)));
    refused(|mut lane| lane.0.try_claim(2).unwrap().publish(3));
}

/// Lets all parties work until there is nothing left to claim, twice: what a party knows to be its own, it still claims;
/// then it looks, and is told; and poison may have to go round the chain.
fn tell_all(
    mut producer: Option<&mut impl LaneProducer<Slot = u64>>,
    mut first: Option<&mut impl LaneParty<Slot = u64>>,
    mut last: Option<&mut impl LaneParty<Slot = u64>>,
) {
    for _ in 0..2 {
        while producer.as_deref_mut().is_some_and(|party| publish(party, &[9]).is_ok()) {}
        while first.as_deref_mut().is_some_and(|party| take(party, 4).is_ok()) {}
        while last.as_deref_mut().is_some_and(|party| take(party, 4).is_ok()) {}
    }
}

fn poison_by_any_party_stops_all_and_lets_nothing_go<R: Ring>() {
    for culprit in 0..3 {
        let (mut producer, [mut first, mut last], _acknowledger, monitor) = of::<R>(4, 100);
        assert_eq!(publish(&mut producer, &[0, 1, 2]), Ok(3));
        assert_eq!(take(&mut first, 2), Ok(vec![0, 1]));
        assert_eq!(take(&mut last, 1), Ok(vec![0]));
        let before = monitor.positions();
        match culprit {
            0 => producer.poison(),
            1 => first.poison(),
            _ => last.poison(),
        }
        assert!(monitor.poisoned());
        tell_all(Some(&mut producer), Some(&mut first), Some(&mut last));
        let ends = [end_of(&mut producer), end_of(&mut first), end_of(&mut last)];
        assert_eq!(ends, [Some(Blocked::Poisoned); 3], "poisoned by {culprit}");
        let after = monitor.positions();
        let own = |positions: &Positions| [positions.published, positions.stages[0], positions.stages[1]][culprit];
        assert_eq!(own(&after), own(&before), "the culprit's slots stay where they are");
        assert!(!monitor.closed());
    }
}

fn a_handle_dropped_early_poisons<R: Ring>() {
    for culprit in 0..3 {
        let (producer, [first, last], _acknowledger, monitor) = of::<R>(4, 100);
        let (mut producer, mut first, mut last) = (Some(producer), Some(first), Some(last));
        match culprit {
            0 => drop(producer.take()),
            1 => drop(first.take()),
            _ => drop(last.take()),
        }
        tell_all(producer.as_mut(), first.as_mut(), last.as_mut());
        assert!(monitor.poisoned() && !monitor.closed());
        assert!(first.is_none_or(|mut party| end_of(&mut party) == Some(Blocked::Poisoned)));
        assert!(last.is_none_or(|mut party| end_of(&mut party) == Some(Blocked::Poisoned)));
        assert!(producer.is_none_or(|mut party| party.ready() && end_of(&mut party) == Some(Blocked::Poisoned)));
    }
}

fn a_handle_dropped_after_the_end_does_not<R: Ring>() {
    let (mut producer, [mut first, mut last], mut acknowledger, monitor) = of::<R>(4, 100);
    assert_eq!(publish(&mut producer, &[5]), Ok(1));
    producer.close();
    drop(producer);
    assert_eq!(take(&mut first, 1), Ok(vec![5]), "what a producer has published outlives it");
    assert_eq!(end_of(&mut first), Some(Blocked::Closed));
    drop(first);
    assert_eq!(take(&mut last, 1), Ok(vec![5]));
    assert_eq!(end_of(&mut last), Some(Blocked::Closed));
    acknowledger.acknowledge(1);
    drop((last, acknowledger));
    assert!(monitor.closed() && !monitor.poisoned());
}

fn an_acknowledger_dropped_early_poisons<R: Ring>() {
    let (mut producer, [mut first, mut last], acknowledger, monitor) = of::<R>(4, 100);
    assert_eq!(publish(&mut producer, &[5]), Ok(1));
    producer.close();
    assert_eq!((take(&mut first, 1), take(&mut last, 1)), (Ok(vec![5]), Ok(vec![5])));
    assert_eq!((end_of(&mut first), end_of(&mut last)), (Some(Blocked::Closed), Some(Blocked::Closed)));
    assert!(!producer.poisoned());
    drop(acknowledger);
    assert!(producer.poisoned() && !producer.drained(), "it may be waiting for what will never be acknowledged");
    assert!(monitor.poisoned());
}

fn a_lane_of_one_and_of_four_stages<R: Ring>() {
    let config = Config { slots: 2, in_flight: 100 };
    let (mut producer, [mut only], ..) = R::lane::<u64, Yield, 1>(config, || 0);
    let (mut head, mut stages, ..) = R::lane::<u64, Yield, 4>(config, || 0);
    for n in 0..10 {
        assert_eq!(publish(&mut producer, &[n]), Ok(1));
        assert_eq!(take(&mut only, 2), Ok(vec![n]));
        assert_eq!(publish(&mut head, &[n]), Ok(1));
        for (stage, added) in stages.iter_mut().zip(1..) {
            assert_eq!(work(stage, 2, |value| value + 1), Ok(vec![n + added]));
        }
    }
}
