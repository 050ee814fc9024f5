//! The lane against a reference that cannot be wrong: two queues and a few counts, over random steps on one thread.
//!
//! ```text
//!   producer ─▶ queues[0] ─▶ stage 0 ─▶ queues[1] ─▶ stage 1 ─▶ sent − acknowledged
//! ```
//!
//! A claim, its use, and letting go are steps of their own, so every party can hold a batch while the others move. Each
//! stage multiplies what it lets go by a prime of its own, so a value tells whose hands it went through.

mod party;

use kolo_ring::*;
use party::{Handle, Party};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use std::collections::VecDeque;

const MARKS: [u64; 2] = [1_000_003, 998_244_353];

/// `party` 0 is the producer, 1 and 2 are the stages.
#[derive(Debug, Clone)]
enum Step {
    /// Claims up to `max` slots and writes them; keeps a batch that it has.
    Claim {
        party: usize,
        max: usize,
    },
    /// Lets so many eighths of the claimed slots go, from the first on, rounded up.
    LetGo {
        party: usize,
        eighths: usize,
    },
    /// Gives the claim up: nothing is let go.
    Cancel {
        party: usize,
    },
    /// Waits, woken from outside if there is nothing to wait for.
    Wait {
        party: usize,
    },
    Acknowledge {
        eighths: u64,
    },
    Close,
    Poison {
        party: usize,
    },
    Drop {
        party: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let party = || 0..3usize;
    // Ends are rare: most runs go a few times round the ring first.
    prop_oneof![
        300 => (party(), 1..12usize).prop_map(|(party, max)| Step::Claim { party, max }),
        300 => (party(), 0..=8usize).prop_map(|(party, eighths)| Step::LetGo { party, eighths }),
        20 => party().prop_map(|party| Step::Cancel { party }),
        20 => party().prop_map(|party| Step::Wait { party }),
        100 => (0..=8u64).prop_map(|eighths| Step::Acknowledge { eighths }),
        1 => Just(Step::Close),
        1 => party().prop_map(|party| Step::Poison { party }),
        1 => party().prop_map(|party| Step::Drop { party }),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Closed,
    Poisoned,
}

struct Reference {
    slots: u64,
    in_flight: u64,
    queues: [VecDeque<u64>; 2],
    /// Published, then released by each stage.
    counts: [u64; 3],
    acknowledged: u64,
    /// How each party ended.
    ends: [Option<End>; 3],
    /// Whether the last stage has seen the close, be it poisoned afterwards or not.
    closed: bool,
}

impl Reference {
    /// The party that `party` looks at.
    fn ahead(party: usize) -> usize {
        (party + 2) % 3
    }

    /// How many slots `party` may claim at most.
    fn room(&self, party: usize, max: usize) -> u64 {
        let [published, _, sent] = self.counts;
        let room = match party {
            0 => (self.slots - (published - sent)).min(self.in_flight - (published - self.acknowledged)),
            stage => self.queues[stage - 1].len() as u64,
        };
        room.min(max as u64).min(self.slots - self.counts[party] % self.slots)
    }

    /// What `party` may be told when it claims with `room`. What it knows may be stale, so it may be told of less.
    fn allows(&self, party: usize, room: u64, outcome: Result<u64, Blocked>) -> bool {
        let ahead = self.ends[Self::ahead(party)];
        match outcome {
            _ if self.ends[party] == Some(End::Poisoned) => outcome == Err(Blocked::Poisoned),
            _ if self.ends[party] == Some(End::Closed) => outcome == Err(Blocked::Closed),
            Ok(len) => 1 <= len && len <= room,
            Err(Blocked::Poisoned) => ahead == Some(End::Poisoned),
            Err(Blocked::Closed) => party > 0 && ahead == Some(End::Closed) && room == 0,
            Err(Blocked::NotYet) => room == 0 && (ahead.is_none() || party == 0 && ahead == Some(End::Closed)),
        }
    }

    /// Whether `party` must not sleep.
    fn ready(&self, party: usize) -> bool {
        let ahead = self.ends[Self::ahead(party)];
        let poisoned = ahead == Some(End::Poisoned) || self.ends[party] == Some(End::Poisoned);
        self.room(party, usize::MAX) > 0 || poisoned || (party > 0 && ahead == Some(End::Closed))
    }

    fn end(&mut self, party: usize, end: End) {
        self.ends[party] = Some(end);
        self.closed |= party == 2 && end == End::Closed;
    }

    /// What `party` makes of the slot of `sequence`, in which it found `value`.
    fn mark(party: usize, sequence: u64, value: u64) -> u64 {
        match party {
            0 => sequence + 1,
            stage => value.wrapping_mul(MARKS[stage - 1]),
        }
    }

    fn let_go(&mut self, party: usize, values: &[u64]) {
        if party > 0 {
            self.queues[party - 1].drain(..values.len());
        }
        if party < 2 {
            self.queues[party].extend(values);
        } else {
            let marks = MARKS[0].wrapping_mul(MARKS[1]);
            assert!(values.iter().zip(self.counts[2] + 1..).all(|(value, n)| *value == n.wrapping_mul(marks)));
        }
        self.counts[party] += values.len() as u64;
    }
}

fn run(slots: usize, in_flight: u64, steps: &[Step]) -> Result<(), TestCaseError> {
    let (producer, [first, last], mut acknowledger, monitor) = lane::<u64, Park, 2>(Config { slots, in_flight }, || 0);
    let mut parties = [Handle::Producer(producer), Handle::Stage(first), Handle::Stage(last)].map(Party::new).map(Some);
    // What each party found in the slots that it holds.
    let mut held: [Option<Vec<u64>>; 3] = [None, None, None];
    let mut reference = Reference {
        slots: slots as u64,
        in_flight,
        queues: Default::default(),
        counts: [0; 3],
        acknowledged: 0,
        ends: [None; 3],
        closed: false,
    };
    for step in steps {
        match *step {
            Step::Claim { party, max } => {
                let Some(hand) = &mut parties[party] else { continue };
                if held[party].is_some() {
                    continue;
                }
                let room = reference.room(party, max);
                let seen = hand.try_claim(max);
                prop_assert!(reference.allows(party, room, seen), "{step:?}: {seen:?} with room {room}");
                match seen {
                    Err(Blocked::NotYet) => {}
                    Err(Blocked::Closed) => reference.end(party, End::Closed),
                    Err(Blocked::Poisoned) => reference.end(party, End::Poisoned),
                    Ok(_) => {
                        let batch = hand.batch().expect("just claimed");
                        prop_assert_eq!(batch.sequence(), reference.counts[party]);
                        if party > 0 {
                            prop_assert!(batch.iter().eq(reference.queues[party - 1].range(..batch.len())), "{step:?}");
                        }
                        held[party] = Some(batch.to_vec());
                    }
                }
            }
            Step::LetGo { party, eighths } => {
                let (Some(hand), Some(found)) = (&mut parties[party], held[party].take()) else { continue };
                let batch = hand.batch().expect("held");
                prop_assert_eq!(&batch[..], &found[..], "{:?}: somebody else wrote into a claimed slot", step);
                let count = (batch.len() * eighths).div_ceil(8);
                for (slot, sequence) in batch[..count].iter_mut().zip(reference.counts[party]..) {
                    *slot = Reference::mark(party, sequence, *slot);
                }
                let values = batch[..count].to_vec();
                hand.let_go(count);
                reference.let_go(party, &values);
            }
            Step::Cancel { party } => {
                let (Some(hand), Some(_)) = (&mut parties[party], held[party].take()) else { continue };
                hand.cancel();
            }
            Step::Wait { party } => {
                let Some(hand) = parties[party].as_mut().filter(|_| held[party].is_none()) else { continue };
                let ready = reference.ready(party);
                prop_assert_eq!(hand.ready(), ready, "{:?}", step);
                hand.wait(!ready);
            }
            Step::Acknowledge { eighths } => {
                reference.acknowledged += ((reference.counts[2] - reference.acknowledged) * eighths).div_ceil(8);
                acknowledger.acknowledge(reference.acknowledged);
            }
            Step::Close => {
                let Some(hand) = parties[0].as_mut().filter(|_| held[0].is_none()) else { continue };
                hand.close();
                if reference.ends[0].is_none() {
                    reference.end(0, End::Closed);
                }
            }
            Step::Poison { party } => {
                let Some(hand) = parties[party].as_mut().filter(|_| held[party].is_none()) else { continue };
                hand.poison();
                reference.end(party, End::Poisoned);
            }
            // With or without a batch in hand, as a panic would.
            Step::Drop { party } => {
                held[party] = None;
                if parties[party].take().is_some() && reference.ends[party].is_none() {
                    reference.end(party, End::Poisoned);
                }
            }
        }
        let [published, evaluated, sent] = reference.counts;
        let positions = Positions { published, stages: vec![evaluated, sent], acknowledged: reference.acknowledged };
        prop_assert_eq!(monitor.positions(), positions, "after {:?}", step);
        prop_assert_eq!(monitor.occupancy(), published - sent);
        prop_assert_eq!(monitor.poisoned(), reference.ends.contains(&Some(End::Poisoned)));
        prop_assert_eq!(monitor.closed(), reference.closed);
        if let Some(Handle::Producer(producer)) = parties[0].as_ref().and_then(Party::idle) {
            prop_assert_eq!(producer.drained(), reference.acknowledged == published);
            prop_assert_eq!((producer.published(), producer.sent()), (published, sent));
        }
    }
    Ok(())
}

fn config() -> ProptestConfig {
    let regressions = FileFailurePersistence::Direct("tests/reference.proptest-regressions");
    let default = ProptestConfig::default();
    // Miri takes a second for what takes a millisecond here, and knows nothing of files.
    if cfg!(miri) {
        return ProptestConfig { cases: 8, failure_persistence: None, ..default };
    }
    ProptestConfig { cases: default.cases.max(2_000), failure_persistence: Some(Box::new(regressions)), ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_lane_does_what_two_queues_do(
        slots in (0..4u32).prop_map(|bits| 1usize << bits),
        in_flight in 1..20u64,
        steps in prop::collection::vec(step(), 0..if cfg!(miri) { 60 } else { 400 }),
    ) {
        run(slots, in_flight, &steps)?;
    }
}

/// A producer with room at its first gate does not look at the last stage's poison until its second gate is shut.
#[test]
fn poison_reaches_a_producer_at_its_second_gate() {
    let produce = [Step::Claim { party: 0, max: 1 }, Step::LetGo { party: 0, eighths: 8 }];
    let steps = [&[Step::Poison { party: 2 }][..], &produce, &produce].concat();
    run(2, 1, &steps).unwrap();
}
