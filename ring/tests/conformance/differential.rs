//! Random steps, taken on the native lane and on the adapter: the crate is the oracle.

use kolo_ring::*;
use proptest::prelude::*;

/// One step of one party, taken on both implementations.
#[derive(Debug, Clone)]
enum Step {
    Produce { max: usize, eighths: usize },
    Work { stage: usize, max: usize, eighths: usize },
    Acknowledge { eighths: u64 },
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let (max, eighths) = (1..12usize, 0..=8usize);
    prop_oneof![
        30 => (max.clone(), eighths.clone()).prop_map(|(max, eighths)| Step::Produce { max, eighths }),
        60 => (0..2usize, max, eighths).prop_map(|(stage, max, eighths)| Step::Work { stage, max, eighths }),
        20 => (0..=8u64).prop_map(|eighths| Step::Acknowledge { eighths }),
        1 => Just(Step::Close),
    ]
}

/// Lets go of `eighths` of `max` slots if there are as many, each passed through `change`; in as many claims as it takes,
/// for the native lane hands out no more at a time than what it saw at its last look.
fn turn(
    party: &mut impl LaneParty<Slot = u64>,
    (max, eighths): (usize, usize),
    change: impl Fn(u64, u64) -> u64,
) -> Result<Vec<u64>, Blocked> {
    let mut values = Vec::new();
    let wanted = max * eighths / 8;
    while values.len() < wanted {
        let mut batch = match party.try_claim(max - values.len()) {
            Ok(batch) => batch,
            Err(Blocked::NotYet) => break,
            Err(end) => return Err(end),
        };
        let (first, count) = (batch.sequence(), batch.len().min(wanted - values.len()));
        for (slot, sequence) in batch[..count].iter_mut().zip(first..) {
            *slot = change(*slot, sequence);
        }
        values.extend_from_slice(&batch[..count]);
        batch.release(count);
    }
    Ok(values)
}

/// Takes the steps on a lane: what each one saw, with the counts after it.
fn history<R: Ring>(slots: usize, in_flight: u64, steps: &[Step]) -> Vec<(Result<Vec<u64>, Blocked>, Positions)> {
    let (mut producer, mut stages, mut acknowledger, monitor) =
        R::lane::<u64, Park, 2>(Config { slots, in_flight }, || 0);
    let mut history = Vec::new();
    for step in steps {
        let seen = match *step {
            // A slot that comes round again adds its last lap's value: laps are compared too.
            Step::Produce { max, eighths } => turn(&mut producer, (max, eighths), |value, n| value ^ (n + 1)),
            Step::Work { stage, max, eighths } => turn(&mut stages[stage], (max, eighths), |value, n| {
                value.wrapping_mul(31).wrapping_add(stage as u64 + n)
            }),
            Step::Acknowledge { eighths } => {
                let outstanding = stages[1].position() - acknowledger.position();
                acknowledger.acknowledge(acknowledger.position() + outstanding * eighths / 8);
                Ok(Vec::new())
            }
            Step::Close => {
                producer.close();
                Ok(Vec::new())
            }
        };
        history.push((seen, monitor.positions()));
    }
    history
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_implementations_do_the_same(
        slots in (0..4u32).prop_map(|bits| 1usize << bits),
        in_flight in 1..20u64,
        steps in prop::collection::vec(step(), 0..120),
    ) {
        prop_assert_eq!(history::<Native>(slots, in_flight, &steps), history::<Disruptor>(slots, in_flight, &steps));
    }
}
