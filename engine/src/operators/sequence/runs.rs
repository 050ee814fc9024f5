//! The runs of a sequence: by partition, each partition's in the order of their starts; by age; and by deadline.
//!
//! Runs lie in a slab and are used again. The queue of all runs in the order of their starts is that of their deadlines as
//! well, unless an event came late: the deadline of such a run also stands in a heap. A run that ends leaves its entries
//! behind, which are told by the id and swept when they are too many. So no event looks at runs of other partitions, and
//! none at runs whose deadline has not come.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::mem;

use crate::operators::sequence::partitions::{Partitions, Places};
use crate::operators::sequence::run::Run;
use crate::operators::sequence::shape::{MAX_OPEN_RUNS, MAX_RUNS};
use crate::value::Value;

/// Entries that may belong to runs that have ended, beyond as many as there are live ones.
const STALE_ENTRIES: usize = 64;

/// Deadline, id and place of a run that may have ended.
type Entry = (i64, u64, u32);

/// All open runs.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    slab: Vec<Run>,
    free: Vec<u32>,
    partitions: Partitions,
    last_id: u64,
    live: usize,
    by_age: VecDeque<Entry>,
    /// The latest deadline of all runs that there have been.
    latest: i64,
    /// The runs whose deadline lies before that of an older one.
    late: BinaryHeap<Reverse<Entry>>,
}

impl Runs {
    pub(crate) fn get(&self, place: u32) -> &Run {
        &self.slab[place as usize]
    }

    pub(crate) fn get_mut(&mut self, place: u32) -> &mut Run {
        &mut self.slab[place as usize]
    }

    /// The hash of a key, and the number of its partition if that has runs.
    #[inline]
    pub(crate) fn partition(&self, key: Value) -> (u64, Option<u32>) {
        self.partitions.find(key)
    }

    /// The partitions that have runs, in no particular order.
    pub(crate) fn partitions(&self) -> Vec<u32> {
        self.partitions.used()
    }

    /// Takes the runs of a partition out, to be put back by [`put_back`](Self::put_back).
    #[inline]
    pub(crate) fn take_out(&mut self, partition: u32) -> Places {
        mem::take(self.partitions.runs(partition))
    }

    /// A partition's runs, less those that have ended meanwhile.
    #[inline]
    pub(crate) fn put_back(&mut self, partition: u32, runs: Places) {
        *self.partitions.runs(partition) = runs;
    }

    /// Lets go of a partition without runs. Apart from [`put_back`](Self::put_back), for a run may follow at once.
    #[inline]
    pub(crate) fn tidy(&mut self, partition: u32) {
        if self.partitions.runs(partition).is_empty() {
            self.partitions.remove(partition);
        }
    }

    /// An empty run at the end of a partition, whose number is given if it is known. Ends other runs where there are too
    /// many; `ended` hears of them first.
    pub(crate) fn open(
        &mut self,
        (key, hash): (Value, u64),
        partition: Option<u32>,
        steps: usize,
        deadline: i64,
        mut ended: impl FnMut(&mut Run),
    ) -> u32 {
        let partition = partition.unwrap_or_else(|| self.partitions.insert(key, hash));
        let crowded = self.partitions.runs(partition).first().copied();
        if let Some(first) = crowded.filter(|_| self.partitions.runs(partition).len() >= MAX_RUNS) {
            ended(self.get_mut(first));
            self.remove(first, false);
        }
        if self.live >= MAX_OPEN_RUNS
            && let Some(oldest) = self.oldest()
        {
            ended(self.get_mut(oldest));
            let tidy = self.get(oldest).partition != partition;
            self.remove(oldest, tidy);
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.slab.push(Run::default());
            (self.slab.len() - 1) as u32
        });
        self.last_id += 1;
        self.live += 1;
        let run = &mut self.slab[place as usize];
        run.begin(steps);
        (run.id, run.partition, run.deadline) = (self.last_id, partition, deadline);
        self.sweep();
        let entry = (deadline, self.last_id, place);
        self.by_age.push_back(entry);
        if deadline >= self.latest {
            self.latest = deadline;
        } else {
            self.late.push(Reverse(entry));
        }
        self.partitions.runs(partition).push(place);
        place
    }

    /// Forgets entries of runs that have ended, if they are many.
    #[inline]
    fn sweep(&mut self) {
        let most = 2 * self.live + STALE_ENTRIES;
        let slab = &self.slab;
        let lives = |(_, id, place): &Entry| slab[*place as usize].id == *id;
        if self.by_age.len() > most {
            self.by_age.retain(lives);
        }
        if self.late.len() > most {
            self.late.retain(|Reverse(entry)| lives(entry));
        }
    }

    /// The run that was opened first.
    fn oldest(&mut self) -> Option<u32> {
        while let Some(&(_, id, place)) = self.by_age.front() {
            if self.slab[place as usize].id == id {
                return Some(place);
            }
            self.by_age.pop_front();
        }
        None
    }

    /// A run has ended, and has left its partition's list.
    #[inline]
    pub(crate) fn close(&mut self, place: u32) {
        self.slab[place as usize].end();
        self.free.push(place);
        self.live -= 1;
    }

    /// A run has ended. `tidy`: if it was its partition's last one, that goes as well.
    pub(crate) fn remove(&mut self, place: u32, tidy: bool) {
        let partition = self.get(place).partition;
        let runs = self.partitions.runs(partition);
        if let Some(index) = runs.iter().position(|run| *run == place) {
            runs.remove(index);
        }
        self.close(place);
        if tidy {
            self.tidy(partition);
        }
    }

    /// The run with the earliest deadline, if that lies before `time`.
    #[inline]
    pub(crate) fn overdue(&mut self, time: i64) -> Option<u32> {
        loop {
            let next = self.by_age.front().copied();
            let late = self.late.peek().map(|Reverse(entry)| *entry);
            let (entry, is_late) = match (next, late) {
                (Some(next), Some(late)) if late < next => (late, true),
                (Some(next), _) => (next, false),
                (None, late) => (late?, true),
            };
            let (deadline, id, place) = entry;
            if deadline >= time {
                return None;
            }
            if is_late {
                self.late.pop();
            } else {
                self.by_age.pop_front();
            }
            if self.slab[place as usize].id == id {
                return Some(place);
            }
        }
    }

    /// All runs by their deadlines, and of equal ones in the order of their starts.
    pub(crate) fn by_deadline(&self) -> Vec<u32> {
        let mut all: Vec<Entry> = (0..)
            .zip(&self.slab)
            .filter(|(_, run)| run.id != 0)
            .map(|(place, run)| (run.deadline, run.id, place))
            .collect();
        all.sort_unstable();
        all.into_iter().map(|(.., place)| place).collect()
    }
}
