//! What a commit says besides its offset, so that a restart repeats nothing in part.
//!
//! A partition resumes at its floor: the oldest record that open state needed when the commit was made. On the way from
//! there to where it had been, it meets records whose outputs are known to be delivered, and it rebuilds windows of which
//! it has only the end. So the metadata of a commit carries, as of the same moment,
//!
//! ```text
//!   k1 EPOCH PROCESSED STAGE=WATERMARK STAGE=WATERMARK …          in base 36, the epoch and stages as hashes
//!   └ which assignment     └ how far event time had come: what ends before it was put out
//!              └ the next offset: what earlier records made, by themselves or together, was put out
//! ```
//!
//! and what was put out is computed again without being put out again: it is *silent*.
//!
//! 1. Commits of one assignment (an epoch) tell of one history, so the latest of them holds for all its partitions. Those of
//!    different epochs were made by different members, and each holds for its own partition.
//! 2. Until all partitions are where they had been, floors stay where they are and nothing is committed: the old commits
//!    are still the right ones. Then every partition is committed, also where its offset stays: commits of one history are
//!    all of one epoch.
//! 3. Exact for state whose key lies in one partition, and for all state while one lane has all partitions. What a count or
//!    an arrival-driven sliding window has begun before its floor is not known: after a restart such windows begin anew at
//!    the first record that is read again.

use crate::expr::Origin;
use crate::operators::event_clock::EventClock;
use crate::plan::Stage;
use crate::slot::{Floor, Mark, PartitionIndex};

/// What begins the metadata of kolo's commits.
const VERSION: &str = "k1";

/// The metadata of a commit.
pub fn metadata(epoch: u64, processed: i64, marks: &[Mark]) -> String {
    let mut text = format!("{VERSION} {} {}", base36(epoch), base36(processed.max(0) as u64));
    for mark in marks {
        text.push(' ');
        text.push_str(&base36(u64::from(mark.stage)));
        text.push('=');
        // Times before 1970 have a sign of their own.
        text.push_str(if mark.watermark < 0 { "-" } else { "" });
        text.push_str(&base36(mark.watermark.unsigned_abs()));
    }
    text
}

/// A commit's own words, as [`metadata`] wrote them.
#[derive(Debug, PartialEq)]
struct Said {
    epoch: u64,
    processed: i64,
    marks: Vec<Mark>,
}

impl Said {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        if words.next() != Some(VERSION) {
            return None;
        }
        let epoch = u64::from_str_radix(words.next()?, 36).ok()?;
        let processed = i64::from_str_radix(words.next()?, 36).ok()?;
        let mark = |word: &str| {
            let (stage, watermark) = word.split_once('=')?;
            let (stage, watermark) = (u32::from_str_radix(stage, 36), i64::from_str_radix(watermark, 36));
            Some(Mark { stage: stage.ok()?, watermark: watermark.ok()? })
        };
        Some(Said { epoch, processed, marks: words.map(mark).collect::<Option<_>>()? })
    }
}

/// The name of a stage in commits: a hash that every version of kolo and every edition of the program computes alike.
pub(crate) fn stage_mark(kind: &str, stream: &str) -> u32 {
    // FNV-1a
    let bytes = kind.bytes().chain([b' ']).chain(stream.bytes());
    bytes.fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

fn base36(mut number: u64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut text = Vec::new();
    loop {
        text.push(DIGITS[(number % 36) as usize]);
        number /= 36;
        if number == 0 {
            break;
        }
    }
    text.iter().rev().map(|digit| char::from(*digit)).collect()
}

/// Where partitions resumed, and how far each has to go.
#[derive(Debug, Default)]
pub(crate) struct Resume {
    /// By partition.
    partitions: Vec<Option<Partition>>,
    /// Whether something is still behind where it had been.
    behind: bool,
}

#[derive(Debug)]
struct Partition {
    start: i64,
    said: Option<Said>,
    /// The next offset.
    position: i64,
    /// By stage: up to where results were put out.
    emitted: Vec<i64>,
}

impl Resume {
    /// A partition was assigned, from `start` on, by a commit with this metadata.
    pub(crate) fn assigned(&mut self, partition: PartitionIndex, start: i64, metadata: &str, stages: &[Stage]) {
        let said = Said::parse(metadata);
        self.behind |= said.is_some();
        let index = partition as usize;
        if self.partitions.len() <= index {
            self.partitions.resize_with(index + 1, || None);
        }
        let emitted = vec![i64::MIN; stages.len()];
        self.partitions[index] = Some(Partition { start, said, position: start, emitted });
        let said = self.partitions.iter().flatten().filter_map(|partition| partition.said.as_ref());
        let marks: Vec<(u64, Mark)> = said.flat_map(|said| said.marks.iter().map(|mark| (said.epoch, *mark))).collect();
        for partition in self.partitions.iter_mut().flatten() {
            let Some(Said { epoch, .. }) = &partition.said else { continue };
            for (emitted, stage) in partition.emitted.iter_mut().zip(stages) {
                let own = marks.iter().filter(|(of, mark)| of == epoch && mark.stage == stage.mark);
                *emitted = own.map(|(_, mark)| mark.watermark).max().unwrap_or(i64::MIN);
            }
        }
    }

    /// Whether there is anything to ask the rest of this for.
    #[inline]
    pub(crate) fn is_behind(&self) -> bool {
        self.behind
    }

    /// Whether what this record completes was put out. Called for every record while something is behind.
    pub(crate) fn reads(&mut self, partition: PartitionIndex, offset: i64) -> bool {
        let Some(Some(partition)) = self.partitions.get_mut(partition as usize) else { return false };
        partition.position = offset + 1;
        partition.said.as_ref().is_some_and(|said| offset < said.processed)
    }

    /// Up to where the results of a stage to which this contributes were put out.
    pub(crate) fn emitted(&self, origin: Origin, stage: usize) -> i64 {
        let of = |partition: PartitionIndex| match self.partitions.get(partition as usize) {
            Some(Some(partition)) => partition.emitted[stage],
            _ => i64::MIN,
        };
        match origin {
            Origin::Record { partition, .. } => of(partition),
            Origin::Held(tickets) => tickets.iter().map(|ticket| of(ticket.partition())).max().unwrap_or(i64::MIN),
        }
    }

    /// Whether all is where it had been now: then the clocks have to be, too. Called after every record while something is
    /// behind.
    pub(crate) fn catches_up(&mut self, clocks: &mut [EventClock]) -> bool {
        let mut epochs = self.partitions.iter().flatten().filter_map(|partition| partition.said.as_ref());
        if self.partitions.iter().flatten().any(Partition::is_behind) {
            return false;
        }
        let first = epochs.next().map(|said| said.epoch);
        if epochs.all(|said| Some(said.epoch) == first) {
            for partition in self.partitions.iter().flatten() {
                for (clock, emitted) in clocks.iter_mut().zip(&partition.emitted) {
                    clock.restore(*emitted);
                }
            }
        }
        let restored = |partition: &Partition| {
            clocks.iter().zip(&partition.emitted).all(|(clock, emitted)| clock.watermark() >= *emitted)
        };
        self.behind = !self.partitions.iter().flatten().all(restored);
        !self.behind
    }

    /// The floors while something is behind.
    pub(crate) fn floors(&self) -> impl Iterator<Item = Floor> {
        let starts = (0..).zip(&self.partitions);
        starts.filter_map(|(partition, of)| Some(Floor { partition, offset: of.as_ref()?.start }))
    }
}

impl Partition {
    fn is_behind(&self) -> bool {
        self.said.as_ref().is_some_and(|said| self.position < said.processed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_says_what_was_meant() {
        let marks = [
            Mark { stage: 0, watermark: i64::MIN },
            Mark { stage: u32::MAX, watermark: 1_775_990_400_000_000_000 },
            Mark { stage: 7, watermark: -1 },
        ];
        let text = metadata(u64::MAX, 123_456, &marks);
        assert_eq!(
            Said::parse(&text),
            Some(Said { epoch: u64::MAX, processed: 123_456, marks: marks.into() }),
            "{text}"
        );
        let text = metadata(0, 0, &[]);
        assert_eq!(Said::parse(&text), Some(Said { epoch: 0, processed: 0, marks: Vec::new() }));
        for text in ["", "k2 0 0", "k1", "k1 x", "k1 1 1 1", "k1 1 1 !=1", "somebody else's"] {
            assert_eq!(Said::parse(text), None, "{text}");
        }
    }
}
