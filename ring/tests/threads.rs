//! Three real threads a lane, under each wait strategy: every number arrives once, in order, through all hands.

use kolo_ring::*;
use std::thread;

/// Miri takes a second for what takes a millisecond here.
const NUMBERS: u64 = if cfg!(miri) { 200 } else { 20_000 };

/// Producer, one stage that squares, one that checks and acknowledges late; batches of changing sizes.
fn all_numbers_arrive_in_order<W: WaitStrategy>(slots: usize, in_flight: u64) {
    let config = Config { slots, in_flight };
    let (mut producer, [mut squares, mut checks], mut acknowledger, monitor) = lane::<u64, W, 2>(config, || 0);
    let filling = thread::spawn(move || {
        let mut sizes = (1..=slots.min(37)).cycle();
        while producer.published() < NUMBERS {
            let next = producer.published();
            match producer.try_claim(sizes.next().unwrap()) {
                Ok(mut batch) => {
                    let len = batch.len().min((NUMBERS - next) as usize);
                    for (slot, number) in batch.iter_mut().zip(next..NUMBERS) {
                        *slot = number;
                    }
                    batch.publish(len);
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
        producer.published()
    });
    let squaring = thread::spawn(move || {
        let mut sizes = (1..=slots.min(23)).cycle();
        loop {
            match squares.try_claim(sizes.next().unwrap()) {
                Ok(mut batch) => {
                    let half = batch.len().div_ceil(2);
                    batch[..half].iter_mut().for_each(|number| *number *= *number);
                    batch.release(half);
                }
                Err(Blocked::NotYet) => squares.wait(|stage| stage.ready()),
                Err(end) => return end,
            }
        }
    });
    let mut expected = 0;
    let end = loop {
        match checks.try_claim(slots) {
            Ok(batch) => {
                for number in batch.iter() {
                    assert_eq!(*number, expected * expected);
                    expected += 1;
                }
                let len = batch.len();
                batch.release(len);
                // All but the last: the next batch, or the close, acknowledges that one.
                acknowledger.acknowledge(checks.position() - u64::from(in_flight > 1));
            }
            Err(Blocked::NotYet) => checks.wait(|stage| stage.ready()),
            Err(end) => break end,
        }
    };
    acknowledger.acknowledge(checks.position());
    assert_eq!((end, squaring.join().unwrap(), filling.join().unwrap()), (Blocked::Closed, Blocked::Closed, NUMBERS));
    let positions = Positions { published: NUMBERS, stages: vec![NUMBERS; 2], acknowledged: NUMBERS };
    assert_eq!(monitor.positions(), positions);
}

#[test]
fn busy_spin() {
    all_numbers_arrive_in_order::<BusySpin>(1024, 4096);
}

#[test]
fn yielding() {
    all_numbers_arrive_in_order::<Yield>(256, 1024);
}

#[test]
fn parking_at_the_first_gate() {
    all_numbers_arrive_in_order::<Park>(64, 4096);
}

#[test]
fn parking_at_the_second_gate() {
    all_numbers_arrive_in_order::<Park>(64, 48);
}

#[test]
fn a_panic_in_one_thread_ends_the_others() {
    let (mut producer, [mut first, mut last], _acknowledger, _) =
        lane::<u64, Park, 2>(Config { slots: 8, in_flight: 8 }, || 0);
    let panicking = thread::spawn(move || {
        loop {
            match first.try_claim(1) {
                Ok(batch) => assert!(batch.sequence() < 3, "the point of this test"),
                Err(Blocked::NotYet) => first.wait(|stage| stage.ready()),
                Err(end) => panic!("{end}"),
            }
            first.try_claim(1).unwrap().release(1);
        }
    });
    let following = thread::spawn(move || {
        loop {
            match last.try_claim(8) {
                Ok(batch) => batch.release(1),
                Err(Blocked::NotYet) => last.wait(|stage| stage.ready()),
                Err(end) => return (end, last.position()),
            }
        }
    });
    let end = loop {
        match producer.try_claim(1) {
            Ok(batch) => batch.publish(1),
            Err(Blocked::NotYet) => producer.wait(|producer| producer.ready()),
            Err(end) => break end,
        }
    };
    assert_eq!(end, Blocked::Poisoned);
    let (end, released) = following.join().unwrap();
    assert_eq!(end, Blocked::Poisoned);
    assert!(released <= 3, "slot 3 was never released to the last stage");
    assert!(panicking.join().is_err());
}
