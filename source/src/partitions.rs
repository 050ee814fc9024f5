//! The lane's numbering of topic partitions.
//!
//! Every assignment gives its partitions fresh numbers, also one that was held before: an acknowledgement that arrives
//! late, for an assignment that has ended, names a retired number and can never move an offset of the present one.

use std::sync::RwLock;

use kolo_engine::slot::PartitionIndex;

/// One assigned partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which of the poller's consumers holds it.
    pub consumer: usize,
    /// Topic name.
    pub topic: String,
    /// Kafka's partition number.
    pub partition: i32,
    /// Whether the assignment still holds.
    pub active: bool,
}

/// All partitions ever assigned in this run, shared by the poller (which assigns and retires) and the
/// [`OffsetStore`](crate::kafka::OffsetStore) (which looks up).
#[derive(Debug, Default)]
pub struct Partitions {
    entries: RwLock<Vec<Entry>>,
}

impl Partitions {
    /// Numbers a newly assigned partition.
    pub fn assign(&self, consumer: usize, topic: &str, partition: i32) -> PartitionIndex {
        let mut entries = self.entries.write().expect("no panic while holding the lock");
        entries.push(Entry { consumer, topic: topic.to_owned(), partition, active: true });
        (entries.len() - 1) as PartitionIndex
    }

    /// Ends an assignment: offsets for `index` are no longer stored.
    pub fn retire(&self, index: PartitionIndex) {
        self.entries.write().expect("no panic while holding the lock")[index as usize].active = false;
    }

    /// Runs `f` on the entry of `index`.
    pub fn with<R>(&self, index: PartitionIndex, f: impl FnOnce(&Entry) -> R) -> R {
        f(&self.entries.read().expect("no panic while holding the lock")[index as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_assigned_again_gets_a_new_number() {
        let partitions = Partitions::default();
        let first = partitions.assign(0, "ticks", 3);
        partitions.retire(first);
        let second = partitions.assign(0, "ticks", 3);
        assert_ne!(first, second);
        assert!(!partitions.with(first, |e| e.active));
        assert!(partitions.with(second, |e| e.active && e.topic == "ticks" && e.partition == 3));
    }
}
