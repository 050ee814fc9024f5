//! The ledger: which inputs are wholly delivered, and up to where that holds without a hole.
//!
//! Every slot of the lane enters with its sequence, its place in Kafka and the number of its outputs that somebody must
//! confirm. Each confirmation names the sequence; the contiguous prefix of entries with nothing outstanding advances, and
//! with it, per partition, the offset that a commit may carry.
//!
//! ```text
//!   sequence   0  1  2  3  4  5  6 …        prefix = 3: all below are delivered
//!   outputs    ✓  ✓  ✓  1  ✓  2  ✓          4 and 6 are delivered, and wait for 3
//! ```
//!
//! **Floors.** State may need records again that were acknowledged long ago. The engine records, in the last slot of each
//! batch, the oldest offset per partition that its state needed at that point. A commit uses the floors recorded at the
//! prefix, never later ones: what closed a window may still be unacknowledged, and then a crash must find its records. In
//! the midst of a batch nobody knows what state needs, so with state only the ends of batches are committed.
//!
//! Single-threaded, owned by the sink. Entries: one a slot in flight, 24 bytes each.

use std::collections::VecDeque;

use kolo_engine::resume;
use kolo_engine::slot::{Cause, Commit, Floor, Mark, PartitionIndex, Slot};

/// Stands in for the offset of a slot that is no record.
const NO_RECORD: i64 = -1;

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    offset: i64,
    arrived_ns: u64,
    partition: PartitionIndex,
    outstanding: u32,
}

/// What a partition's commit may carry.
#[derive(Debug, Clone, Copy, Default)]
struct Position {
    /// The offset after the last record of the prefix.
    next: i64,
    /// The same at the end of the last batch within the prefix: there, floors and marks hold.
    settled: i64,
    /// The oldest offset that state needs, as of the prefix.
    floor: Option<i64>,
    /// The assignment that it belongs to.
    epoch: u64,
    /// Whether nothing of that assignment was given out yet.
    new: bool,
    /// Whether what was last given out had been committed before, with other metadata.
    again: bool,
    /// What was last given out.
    given: i64,
    dirty: bool,
}

/// Deliveries outstanding, by sequence.
#[derive(Debug)]
pub struct Ledger {
    entries: Box<[Entry]>,
    mask: u64,
    prefix: u64,
    entered: u64,
    positions: Vec<Position>,
    dirty: Vec<PartitionIndex>,
    /// (sequence after which they hold, floors), oldest first.
    floors: VecDeque<(u64, Vec<Floor>)>,
    /// The partitions with a floor now.
    floored: Vec<PartitionIndex>,
    /// (sequence after which they hold, marks), oldest first.
    marks: VecDeque<(u64, Vec<Mark>)>,
    /// The marks as of the prefix; `None`: the plan has no state.
    marked: Option<Vec<Mark>>,
}

impl Ledger {
    /// A ledger for at most `in_flight` unacknowledged slots, rounded up to a power of two.
    pub fn new(in_flight: u64) -> Self {
        let capacity = in_flight.next_power_of_two();
        Ledger {
            entries: vec![Entry::default(); capacity as usize].into_boxed_slice(),
            mask: capacity - 1,
            prefix: 0,
            entered: 0,
            positions: Vec::new(),
            dirty: Vec::new(),
            floors: VecDeque::new(),
            floored: Vec::new(),
            marks: VecDeque::new(),
            marked: None,
        }
    }

    /// Enters the slot at `sequence`, of whose outputs `outstanding` are yet to be confirmed.
    ///
    /// # Panics
    /// If slots are entered out of order, or more are in flight than the ledger holds: the lane's second gate forbids it.
    #[inline]
    pub fn enter(&mut self, sequence: u64, slot: &Slot, outstanding: u32) {
        assert_eq!(sequence, self.entered, "slots enter in order, once");
        assert!(sequence - self.prefix <= self.mask, "more slots in flight than the ledger holds");
        let record = matches!(slot.cause, Cause::Record);
        self.entries[(sequence & self.mask) as usize] = Entry {
            offset: if record { slot.offset } else { NO_RECORD },
            arrived_ns: slot.arrived_ns,
            partition: slot.partition,
            outstanding,
        };
        self.entered = sequence + 1;
        if slot.partition as usize >= self.positions.len() {
            self.positions.resize(slot.partition as usize + 1, Position::default());
        }
        if let Cause::Assigned(assignment) = &slot.cause {
            // What the partition begins with is committed.
            let position = &mut self.positions[slot.partition as usize];
            let offset = slot.offset;
            *position = Position { next: offset, settled: offset, given: offset, new: true, ..*position };
            position.epoch = assignment.epoch;
        }
    }

    /// The floors that hold once everything up to and including `sequence` is delivered. Partitions not named have none.
    pub fn record_floors(&mut self, sequence: u64, floors: &[Floor]) {
        // State that is empty again must lift its old floors; where there never were any, there is nothing to note.
        if !floors.is_empty() || !self.floored.is_empty() || !self.floors.is_empty() {
            self.floors.push_back((sequence, floors.to_vec()));
        }
    }

    /// How far event time had come once everything up to and including `sequence` is delivered.
    pub fn record_marks(&mut self, sequence: u64, marks: &[Mark]) {
        self.marks.push_back((sequence, marks.to_vec()));
    }

    /// Confirms `outputs` outputs of the slot at `sequence`. Confirmations for slots that left the ledger, or beyond what
    /// was outstanding, change nothing.
    #[inline]
    pub fn confirm(&mut self, sequence: u64, outputs: u32) {
        if sequence >= self.prefix && sequence < self.entered {
            let entry = &mut self.entries[(sequence & self.mask) as usize];
            entry.outstanding = entry.outstanding.saturating_sub(outputs);
        }
    }

    /// Holds the prefix at `sequence` for good: that slot gets an output that nobody will confirm.
    #[cold]
    pub fn hold(&mut self, sequence: u64) {
        self.entries[(sequence & self.mask) as usize].outstanding += 1;
    }

    /// Advances the prefix past everything delivered; `latency` is told how many records arrived when. Returns the prefix.
    #[inline]
    pub fn advance(&mut self, mut latency: impl FnMut(u64, u64)) -> u64 {
        // Records of one batch share their time of arrival, so they are told as a run.
        let (mut run_ns, mut run_records) = (0, 0);
        while self.prefix < self.entered {
            let entry = self.entries[(self.prefix & self.mask) as usize];
            if entry.outstanding != 0 {
                break;
            }
            if entry.offset != NO_RECORD {
                let position = &mut self.positions[entry.partition as usize];
                position.next = entry.offset + 1;
                if !position.dirty {
                    position.dirty = true;
                    self.dirty.push(entry.partition);
                }
                if entry.arrived_ns != run_ns && run_records > 0 {
                    latency(run_ns, run_records);
                    run_records = 0;
                }
                run_ns = entry.arrived_ns;
                run_records += 1;
            }
            if self.floors.front().is_some_and(|&(sequence, _)| sequence == self.prefix) {
                let (_, floors) = self.floors.pop_front().expect("just seen");
                self.take_floors(&floors);
            }
            if self.marks.front().is_some_and(|&(sequence, _)| sequence == self.prefix) {
                self.marked = self.marks.pop_front().map(|(_, marks)| marks);
                self.settle();
            }
            self.prefix += 1;
        }
        if run_records > 0 {
            latency(run_ns, run_records);
        }
        self.prefix
    }

    /// With state, commits are made as of the end of a batch. Every partition of an assignment is given out once, also where
    /// its offset has not moved: the metadata says to which assignment all of them belong.
    fn settle(&mut self) {
        let behind = self.marked.as_ref().is_none_or(Vec::is_empty);
        for (partition, position) in (0..).zip(&mut self.positions) {
            let moved = position.settled != position.next || position.new && !behind;
            position.settled = position.next;
            if moved && !position.dirty {
                position.dirty = true;
                self.dirty.push(partition);
            }
        }
    }

    fn take_floors(&mut self, floors: &[Floor]) {
        for partition in self.floored.drain(..) {
            let position = &mut self.positions[partition as usize];
            position.floor = None;
            if !position.dirty {
                position.dirty = true;
                self.dirty.push(partition);
            }
        }
        for floor in floors {
            if floor.partition as usize >= self.positions.len() {
                self.positions.resize(floor.partition as usize + 1, Position::default());
            }
            self.positions[floor.partition as usize].floor = Some(floor.offset);
            self.floored.push(floor.partition);
        }
    }

    /// Adds to `out`, for every partition whose commit has moved since the last call, the offset of the next record to
    /// read: the one after the prefix, but never beyond the partition's floor. Nothing, while the plan's marks are empty.
    pub fn take_offsets(&mut self, out: &mut Vec<(PartitionIndex, i64)>) {
        for partition in self.dirty.drain(..) {
            let position = &mut self.positions[partition as usize];
            position.dirty = false;
            let behind = self.marked.as_ref().is_some_and(Vec::is_empty);
            let next = if self.marked.is_some() { position.settled } else { position.next };
            let offset = position.floor.map_or(next, |floor| next.min(floor));
            let again = self.marked.is_some() && position.new && offset == position.given;
            if !behind && (offset > position.given || again) {
                position.given = offset;
                (position.new, position.again) = (false, again);
                out.push((partition, offset));
            }
        }
    }

    /// What the commit of a partition says whose offset was just given out.
    pub fn commit(&self, partition: PartitionIndex, offset: i64) -> Commit {
        let Position { epoch, settled, again, .. } = self.positions[partition as usize];
        let metadata = self.marked.as_ref().map_or(String::new(), |marks| resume::metadata(epoch, settled, marks));
        Commit { partition, offset, metadata, again }
    }

    /// The sequence below which everything is delivered.
    pub fn prefix(&self) -> u64 {
        self.prefix
    }

    /// Whether nothing is outstanding.
    pub fn is_settled(&self) -> bool {
        self.prefix == self.entered
    }

    /// Place in the input of the slot at `sequence`, while it is in flight: partition and offset (−1: not a record).
    pub fn place(&self, sequence: u64) -> Option<(PartitionIndex, i64)> {
        (sequence >= self.prefix && sequence < self.entered).then(|| {
            let entry = &self.entries[(sequence & self.mask) as usize];
            (entry.partition, entry.offset)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(partition: PartitionIndex, offset: i64) -> Slot {
        Slot { partition, offset, ..Slot::default() }
    }

    fn offsets(ledger: &mut Ledger) -> Vec<(PartitionIndex, i64)> {
        ledger.advance(|_, _| {});
        let mut out = Vec::new();
        ledger.take_offsets(&mut out);
        out.sort();
        out
    }

    #[test]
    fn the_prefix_waits_for_holes_and_passes_them_in_one_go() {
        let mut ledger = Ledger::new(8);
        ledger.enter(0, &record(0, 10), 1);
        ledger.enter(1, &record(1, 20), 0);
        ledger.enter(2, &record(0, 11), 2);
        assert_eq!(offsets(&mut ledger), []);
        ledger.confirm(2, 1);
        ledger.confirm(0, 1);
        assert_eq!(offsets(&mut ledger), [(0, 11), (1, 21)]);
        ledger.confirm(2, 1);
        assert_eq!(offsets(&mut ledger), [(0, 12)]);
        assert!(ledger.is_settled());
    }

    #[test]
    fn repeated_and_foreign_confirmations_change_nothing() {
        let mut ledger = Ledger::new(4);
        ledger.enter(0, &record(0, 0), 1);
        ledger.enter(1, &record(0, 1), 1);
        ledger.confirm(0, 1);
        ledger.confirm(0, 5);
        ledger.confirm(7, 1);
        assert_eq!(offsets(&mut ledger), [(0, 1)]);
        ledger.confirm(0, 1);
        assert_eq!(ledger.prefix(), 1);
        assert_eq!(ledger.place(1), Some((0, 1)));
        assert_eq!(ledger.place(0), None);
    }

    #[test]
    fn slots_that_are_no_records_move_the_prefix_and_no_offset() {
        let mut ledger = Ledger::new(4);
        ledger.enter(0, &Slot { cause: Cause::Tick, partition: 0, offset: 99, ..Slot::default() }, 0);
        assert_eq!(offsets(&mut ledger), []);
        assert_eq!(ledger.prefix(), 1);
    }

    /// Records 0 to 99 fill a window, record 100 closes it and its output is unacknowledged: the floor is still 0.
    #[test]
    fn a_commit_uses_the_floor_recorded_at_the_prefix() {
        let mut ledger = Ledger::new(256);
        for offset in 0..100 {
            ledger.enter(offset as u64, &record(0, offset), 0);
        }
        ledger.record_floors(99, &[Floor { partition: 0, offset: 0 }]);
        ledger.enter(100, &record(0, 100), 1);
        ledger.record_floors(100, &[Floor { partition: 0, offset: 100 }]);
        assert_eq!(offsets(&mut ledger), [], "nothing above 0 may be committed");
        assert_eq!(ledger.prefix(), 100);
        ledger.confirm(100, 1);
        assert_eq!(offsets(&mut ledger), [(0, 100)]);
        ledger.enter(101, &record(0, 101), 0);
        ledger.record_floors(101, &[]);
        assert_eq!(offsets(&mut ledger), [(0, 102)], "state is empty again: nothing holds the commit back");
    }

    fn assigned(partition: PartitionIndex, offset: i64, epoch: u64) -> Slot {
        let (topic, metadata) = (String::new(), String::new());
        let assignment = kolo_engine::slot::Assignment { topic, partition: 0, source: None, metadata, epoch };
        Slot { cause: Cause::Assigned(Box::new(assignment)), partition, offset, ..Slot::default() }
    }

    #[test]
    fn with_state_the_ends_of_batches_are_committed_and_every_partition_once_in_an_assignment() {
        let mark = |watermark| [Mark { stage: 1, watermark }];
        let commits = |ledger: &mut Ledger| {
            let given = offsets(ledger).into_iter();
            given.map(|(partition, offset)| ledger.commit(partition, offset)).collect::<Vec<_>>()
        };
        let mut ledger = Ledger::new(16);
        ledger.enter(0, &assigned(0, 5, 9), 0);
        ledger.enter(1, &assigned(1, 7, 9), 0);
        ledger.record_marks(1, &[]);
        assert_eq!(commits(&mut ledger), [], "what was committed before is still right");
        ledger.enter(2, &record(0, 5), 0);
        assert_eq!(commits(&mut ledger), [], "in the midst of a batch");
        ledger.enter(3, &record(0, 6), 0);
        ledger.record_floors(3, &[Floor { partition: 0, offset: 5 }]);
        ledger.record_marks(3, &mark(60));
        let metadata = |processed, watermark| resume::metadata(9, processed, &mark(watermark));
        let commit = |partition, offset, processed, watermark, again| Commit {
            partition,
            offset,
            metadata: metadata(processed, watermark),
            again,
        };
        assert_eq!(commits(&mut ledger), [commit(0, 5, 7, 60, true), commit(1, 7, 7, 60, true)]);
        ledger.enter(4, &record(0, 7), 0);
        assert_eq!(commits(&mut ledger), []);
        ledger.enter(5, &record(1, 7), 0);
        ledger.record_floors(5, &[Floor { partition: 1, offset: 7 }]);
        ledger.record_marks(5, &mark(90));
        assert_eq!(commits(&mut ledger), [commit(0, 8, 8, 90, false)]);
    }

    #[test]
    fn latencies_are_told_by_run_of_arrival() {
        let mut ledger = Ledger::new(8);
        for (sequence, arrived_ns) in [7, 7, 9, 9, 9].into_iter().enumerate() {
            ledger.enter(sequence as u64, &Slot { arrived_ns, offset: sequence as i64, ..Slot::default() }, 0);
        }
        let mut runs = Vec::new();
        ledger.advance(|arrived_ns, records| runs.push((arrived_ns, records)));
        assert_eq!(runs, [(7, 2), (9, 3)]);
    }
}
