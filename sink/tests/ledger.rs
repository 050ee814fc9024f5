//! The ledger against a naive one, which keeps everything for ever and counts anew from the start whenever it is asked.

use kolo_engine::slot::{Cause, Floor, PartitionIndex, Slot};
use kolo_sink::ledger::Ledger;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

const PARTITIONS: PartitionIndex = 4;
/// The most outputs of one slot.
const FAN_OUT: u32 = 10_000;

#[derive(Debug, Clone)]
enum Step {
    Enter {
        /// `None`: a tick, which has no place in the input.
        partition: Option<PartitionIndex>,
        /// Offsets are not dense: compaction and transactions leave gaps.
        gap: i64,
        outputs: u32,
        /// The slot arrives with the one before it.
        same_arrival: bool,
        /// The slot ends a batch, after which these floors hold: so many records back.
        floors: Option<Vec<(PartitionIndex, i64)>>,
    },
    /// A delivery report for the slot so many before the newest, be it in flight or gone.
    Confirm { back: usize, outputs: u32 },
    /// All outputs of the slot at `part` of what is in flight, in sixteenths.
    Settle { part: usize },
    /// An output of the slot at `part` was refused.
    Hold { part: usize },
    /// The sink's turn: move the prefix, take what may be committed.
    Advance,
}

fn step() -> impl Strategy<Value = Step> {
    let outputs = prop_oneof![6 => 0..4u32, 1 => 0..=FAN_OUT, 1 => Just(FAN_OUT)];
    let floors =
        prop::collection::btree_map(0..PARTITIONS, 0..30i64, 0..3).prop_map(|floors| floors.into_iter().collect());
    let partition = prop::option::weighted(0.9, 0..PARTITIONS);
    prop_oneof![
        10 => (partition, 1..3i64, outputs.clone(), any::<bool>(), prop::option::weighted(0.3, floors)).prop_map(
            |(partition, gap, outputs, same_arrival, floors)| Step::Enter { partition, gap, outputs, same_arrival, floors }
        ),
        6 => (0..40usize, outputs).prop_map(|(back, outputs)| Step::Confirm { back, outputs }),
        8 => (0..16usize).prop_map(|part| Step::Settle { part }),
        1 => (0..16usize).prop_map(|part| Step::Hold { part }),
        6 => Just(Step::Advance),
    ]
}

struct Entry {
    record: Option<(PartitionIndex, i64)>,
    arrived_ns: u64,
    outstanding: u32,
    floors: Option<Vec<Floor>>,
}

#[derive(Default)]
struct Naive {
    entries: Vec<Entry>,
    /// By partition: the highest offset given out for commit.
    given: [i64; PARTITIONS as usize],
}

impl Naive {
    fn prefix(&self) -> usize {
        self.entries.iter().position(|entry| entry.outstanding > 0).unwrap_or(self.entries.len())
    }

    /// What a commit of `partition` may carry: the offset after its last record of the prefix, but no more than the floor
    /// that the engine recorded last within the prefix.
    fn commit(&self, partition: PartitionIndex) -> i64 {
        let done = &self.entries[..self.prefix()];
        let records = done.iter().rev().filter_map(|entry| entry.record);
        let next = records.filter(|place| place.0 == partition).map(|place| place.1 + 1).next().unwrap_or(0);
        let floors = done.iter().rev().find_map(|entry| entry.floors.as_deref()).unwrap_or(&[]);
        floors.iter().filter(|floor| floor.partition == partition).fold(next, |next, floor| next.min(floor.offset))
    }

    /// Offsets that have risen since the last call.
    fn take_offsets(&mut self) -> Vec<(PartitionIndex, i64)> {
        let mut out = Vec::new();
        for partition in 0..PARTITIONS {
            let offset = self.commit(partition);
            if offset > self.given[partition as usize] {
                self.given[partition as usize] = offset;
                out.push((partition, offset));
            }
        }
        out
    }

    /// Records of `entries[from..to]` by run of equal arrivals.
    fn arrivals(&self, from: usize, to: usize) -> Vec<(u64, u64)> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for entry in self.entries[from..to].iter().filter(|entry| entry.record.is_some()) {
            match runs.last_mut() {
                Some((arrived_ns, records)) if *arrived_ns == entry.arrived_ns => *records += 1,
                _ => runs.push((entry.arrived_ns, 1)),
            }
        }
        runs
    }
}

fn run(in_flight: u64, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut ledger = Ledger::new(in_flight);
    let mut naive = Naive::default();
    let mut offsets = [0i64; PARTITIONS as usize];
    let mut arrived_ns = 1;
    // The prefix moves only when the sink advances it.
    let mut advanced = 0;
    for step in steps {
        let entered = naive.entries.len();
        let at = |part: usize| advanced + (entered - advanced) * part / 16;
        match step {
            Step::Enter { partition, gap, outputs, same_arrival, floors } => {
                if entered - advanced == in_flight as usize {
                    continue;
                }
                arrived_ns += u64::from(!same_arrival);
                let record = partition.map(|partition| {
                    offsets[partition as usize] += gap;
                    (partition, offsets[partition as usize])
                });
                let slot = match record {
                    Some((partition, offset)) => Slot { partition, offset, arrived_ns, ..Slot::default() },
                    None => Slot { cause: Cause::Tick, offset: -1, arrived_ns, ..Slot::default() },
                };
                ledger.enter(entered as u64, &slot, outputs);
                let floors: Option<Vec<Floor>> = floors.map(|floors| {
                    let floor = |(partition, back): (PartitionIndex, i64)| Floor {
                        partition,
                        offset: (offsets[partition as usize] - back).max(0),
                    };
                    floors.into_iter().map(floor).collect()
                });
                if let Some(floors) = &floors {
                    ledger.record_floors(entered as u64, floors);
                }
                naive.entries.push(Entry { record, arrived_ns, outstanding: outputs, floors });
            }
            Step::Confirm { back, outputs } => {
                // One beyond the newest, too: a report that belongs to nobody.
                let Some(sequence) = (entered + 1).checked_sub(back) else { continue };
                ledger.confirm(sequence as u64, outputs);
                if let Some(entry) = naive.entries.get_mut(sequence) {
                    entry.outstanding = entry.outstanding.saturating_sub(outputs);
                }
            }
            Step::Settle { part } if advanced < entered => {
                let entry = &mut naive.entries[at(part)];
                ledger.confirm(at(part) as u64, entry.outstanding);
                entry.outstanding = 0;
            }
            Step::Hold { part } if advanced < entered => {
                ledger.hold(at(part) as u64);
                naive.entries[at(part)].outstanding += 1;
            }
            Step::Settle { .. } | Step::Hold { .. } => {}
            Step::Advance => {
                let mut arrivals = Vec::new();
                let prefix = ledger.advance(|arrived_ns, records| arrivals.push((arrived_ns, records)));
                prop_assert_eq!(prefix, naive.prefix() as u64);
                prop_assert_eq!(arrivals, naive.arrivals(advanced, prefix as usize));
                advanced = prefix as usize;
                let mut out = Vec::new();
                ledger.take_offsets(&mut out);
                out.sort_unstable();
                prop_assert_eq!(out, naive.take_offsets());
                prop_assert_eq!(ledger.is_settled(), advanced == entered);
            }
        }
        prop_assert_eq!(ledger.prefix(), advanced as u64);
        for sequence in [advanced.wrapping_sub(1), advanced, naive.entries.len()] {
            let in_flight = naive.entries.get(sequence).filter(|_| sequence >= advanced);
            let place = ledger.place(sequence as u64);
            prop_assert_eq!(place.is_some(), in_flight.is_some());
            if let Some((partition, offset)) = in_flight.and_then(|entry| entry.record) {
                prop_assert_eq!(place, Some((partition, offset)));
            }
        }
    }
    Ok(())
}

fn config() -> ProptestConfig {
    let regressions = FileFailurePersistence::Direct("tests/ledger.proptest-regressions");
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.max(2_000), failure_persistence: Some(Box::new(regressions)), ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_ledger_does_what_a_naive_one_does(
        in_flight in 1..40u64,
        steps in prop::collection::vec(step(), 0..150),
    ) {
        run(in_flight, steps)?;
    }
}

/// A window over four records closes; its output, a thousand records long, is confirmed from the last to the first.
#[test]
fn no_commit_passes_the_floor_of_what_is_unconfirmed() {
    let mut ledger = Ledger::new(8);
    let record = |offset| Slot { partition: 0, offset, ..Slot::default() };
    for offset in 0..4 {
        ledger.enter(offset as u64, &record(offset), 0);
        ledger.record_floors(offset as u64, &[Floor { partition: 0, offset: 0 }]);
    }
    ledger.enter(4, &record(4), 1_000);
    ledger.record_floors(4, &[Floor { partition: 0, offset: 4 }]);
    let mut out = Vec::new();
    for _ in 0..1_000 {
        assert_eq!(ledger.advance(|_, _| {}), 4);
        ledger.take_offsets(&mut out);
        assert_eq!(out, [], "a crash now must find the window's records");
        ledger.confirm(4, 1);
    }
    assert_eq!(ledger.advance(|_, _| {}), 5);
    ledger.take_offsets(&mut out);
    assert_eq!(out, [(0, 4)]);
}
