//! The lane against a reference that cannot be wrong: two queues and a count, over random steps on one thread.
//!
//! ```text
//!   producer ─▶ queues[0] ─▶ stage 0 ─▶ queues[1] ─▶ stage 1 ─▶ sent − acknowledged
//! ```
//!
//! Each stage multiplies what it lets go by a prime of its own, so a value tells whose hands it went through.

use kolo_ring::*;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use std::collections::VecDeque;

const MARKS: [u64; 2] = [1_000_003, 998_244_353];

#[derive(Debug, Clone)]
enum Step {
    /// Claim up to `max`, let the first `keep` of 8 parts go.
    Produce {
        max: usize,
        eighths: usize,
    },
    Work {
        stage: usize,
        max: usize,
        eighths: usize,
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
    let (max, eighths) = (1..12usize, 0..=8usize);
    prop_oneof![
        30 => (max.clone(), eighths.clone()).prop_map(|(max, eighths)| Step::Produce { max, eighths }),
        60 => (0..2usize, max, eighths).prop_map(|(stage, max, eighths)| Step::Work { stage, max, eighths }),
        15 => (0..=8u64).prop_map(|eighths| Step::Acknowledge { eighths }),
        1 => Just(Step::Close),
        1 => (0..3usize).prop_map(|party| Step::Poison { party }),
        1 => (0..3usize).prop_map(|party| Step::Drop { party }),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Closed,
    Poisoned,
}

#[derive(Default)]
struct Reference {
    queues: [VecDeque<u64>; 2],
    /// Published, then released by each stage.
    counts: [u64; 3],
    acknowledged: u64,
    /// How each party ended; 0 is the producer.
    ends: [Option<End>; 3],
    /// Whether the last stage has seen the close, be it poisoned afterwards or not.
    closed: bool,
}

impl Reference {
    /// What `party` may be told when it has `room`, and when the next it looks at is `ahead`.
    fn allows(&self, party: usize, ahead: usize, room: u64, outcome: Result<u64, Blocked>) -> bool {
        match outcome {
            _ if self.ends[party] == Some(End::Poisoned) => outcome == Err(Blocked::Poisoned),
            _ if self.ends[party] == Some(End::Closed) => outcome == Err(Blocked::Closed),
            Ok(len) => 1 <= len && len <= room,
            Err(Blocked::Poisoned) => self.ends[ahead] == Some(End::Poisoned),
            Err(Blocked::Closed) => party > 0 && self.ends[ahead] == Some(End::Closed) && room == 0,
            Err(Blocked::NotYet) => {
                room == 0 && (self.ends[ahead].is_none() || party == 0 && self.ends[ahead] == Some(End::Closed))
            }
        }
    }

    fn end(&mut self, party: usize, blocked: Blocked) {
        match blocked {
            Blocked::NotYet => {}
            Blocked::Closed => {
                self.ends[party] = Some(End::Closed);
                self.closed |= party == 2;
            }
            Blocked::Poisoned => self.ends[party] = Some(End::Poisoned),
        }
    }
}

fn run(slots: usize, in_flight: u64, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let (producer, [first, last], mut acknowledger, monitor) = lane::<u64, Park, 2>(Config { slots, in_flight }, || 0);
    let mut producer = Some(producer);
    let mut stages = [Some(first), Some(last)];
    let mut reference = Reference::default();
    for step in steps {
        let name = format!("{step:?}");
        match step {
            Step::Produce { max, eighths } => {
                let Some(producer) = &mut producer else { continue };
                let [published, _, sent] = reference.counts;
                let free = (slots as u64 - (published - sent)).min(in_flight - (published - reference.acknowledged));
                let room = free.min(max as u64).min(slots as u64 - published % slots as u64);
                let ready = producer.ready();
                let outcome = producer.try_claim(max);
                let seen = outcome.as_ref().map(|batch| batch.len() as u64).map_err(|blocked| *blocked);
                prop_assert!(reference.allows(0, 2, room, seen), "{name}: {seen:?} with room {room}");
                prop_assert!(ready == (seen != Err(Blocked::NotYet)) || seen == Err(Blocked::Closed), "{name}: ready");
                match outcome {
                    Err(blocked) => reference.end(0, blocked),
                    Ok(mut batch) => {
                        prop_assert_eq!(batch.sequence(), published);
                        let count = batch.len() * eighths / 8;
                        for (slot, value) in batch.iter_mut().zip(published + 1..) {
                            *slot = value;
                        }
                        batch.publish(count);
                        reference.queues[0].extend((published + 1..).take(count));
                        reference.counts[0] += count as u64;
                    }
                }
            }
            Step::Work { stage: index, max, eighths } => {
                let Some(stage) = &mut stages[index] else { continue };
                let position = reference.counts[index + 1];
                let queued = reference.queues[index].len() as u64;
                let room = queued.min(max as u64).min(slots as u64 - position % slots as u64);
                let ready = stage.ready();
                let outcome = stage.try_claim(max);
                let seen = outcome.as_ref().map(|batch| batch.len() as u64).map_err(|blocked| *blocked);
                prop_assert!(reference.allows(index + 1, index, room, seen), "{name}: {seen:?} with room {room}");
                prop_assert_eq!(ready, seen != Err(Blocked::NotYet), "{}: ready", name);
                match outcome {
                    Err(blocked) => reference.end(index + 1, blocked),
                    Ok(mut batch) => {
                        prop_assert_eq!(batch.sequence(), position);
                        prop_assert!(batch.iter().eq(reference.queues[index].range(..batch.len())));
                        let count = batch.len() * eighths / 8;
                        for (slot, queued) in batch.iter_mut().zip(&mut reference.queues[index]).take(count) {
                            *slot = slot.wrapping_mul(MARKS[index]);
                            *queued = queued.wrapping_mul(MARKS[index]);
                        }
                        batch.release(count);
                        let released: Vec<u64> = reference.queues[index].drain(..count).collect();
                        if index == 0 {
                            reference.queues[1].extend(released);
                        } else {
                            let marks = MARKS[0].wrapping_mul(MARKS[1]);
                            prop_assert!(released.iter().zip(position + 1..).all(|(v, n)| *v == n.wrapping_mul(marks)));
                        }
                        reference.counts[index + 1] += count as u64;
                    }
                }
            }
            Step::Acknowledge { eighths } => {
                reference.acknowledged += (reference.counts[2] - reference.acknowledged) * eighths / 8;
                acknowledger.acknowledge(reference.acknowledged);
            }
            Step::Close => {
                let Some(producer) = &mut producer else { continue };
                producer.close();
                reference.ends[0] = reference.ends[0].or(Some(End::Closed));
            }
            Step::Poison { party } => {
                match (party, &mut producer, &mut stages) {
                    (0, Some(producer), _) => producer.poison(),
                    (1, _, [Some(stage), _]) | (2, _, [_, Some(stage)]) => stage.poison(),
                    _ => continue,
                }
                reference.ends[party] = Some(End::Poisoned);
            }
            Step::Drop { party } => {
                let dropped = if party == 0 { producer.take().is_some() } else { stages[party - 1].take().is_some() };
                if dropped {
                    reference.ends[party] = reference.ends[party].or(Some(End::Poisoned));
                }
            }
        }
        let [published, evaluated, sent] = reference.counts;
        let positions = Positions { published, stages: vec![evaluated, sent], acknowledged: reference.acknowledged };
        prop_assert_eq!(monitor.positions(), positions, "after {}", name);
        prop_assert_eq!(monitor.occupancy(), published - sent);
        prop_assert_eq!(monitor.poisoned(), reference.ends.contains(&Some(End::Poisoned)));
        prop_assert_eq!(monitor.closed(), reference.closed);
        if let Some(producer) = &producer {
            prop_assert_eq!(producer.drained(), reference.acknowledged == published);
            prop_assert_eq!((producer.published(), producer.sent()), (published, sent));
        }
    }
    Ok(())
}

fn config() -> ProptestConfig {
    let regressions = FileFailurePersistence::Direct("tests/reference.proptest-regressions");
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.max(2_000), failure_persistence: Some(Box::new(regressions)), ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_lane_does_what_two_queues_do(
        slots in (0..4u32).prop_map(|bits| 1usize << bits),
        in_flight in 1..20u64,
        steps in prop::collection::vec(step(), 0..120),
    ) {
        run(slots, in_flight, steps)?;
    }
}
