//! The partitions of a sequence, by the value of the partition field. Only those that have runs are remembered.

use smallvec::SmallVec;

use crate::operators::keys::{KeyIndex, Keys};
use crate::value::Value;

/// Places of runs.
pub(crate) type Places = SmallVec<[u32; 4]>;

#[derive(Debug, Default)]
pub(crate) struct Partitions {
    keys: Keys,
    /// By key: the places of its runs, in the order of their starts.
    runs: Vec<Places>,
}

impl Partitions {
    /// The hash of a key, and its partition if it has runs.
    #[inline]
    pub(crate) fn find(&self, key: Value) -> (u64, Option<KeyIndex>) {
        self.keys.find(key)
    }

    /// A partition for a key that has none.
    pub(crate) fn insert(&mut self, key: Value, hash: u64) -> KeyIndex {
        let index = self.keys.insert(hash, key);
        if self.runs.len() <= index as usize {
            self.runs.resize_with(index as usize + 1, Places::new);
        }
        index
    }

    /// The runs of a partition.
    #[inline]
    pub(crate) fn runs(&mut self, partition: KeyIndex) -> &mut Places {
        &mut self.runs[partition as usize]
    }

    /// Forgets a partition without runs.
    pub(crate) fn remove(&mut self, partition: KeyIndex) {
        self.keys.forget(partition);
    }

    /// All that have runs, in no particular order.
    pub(crate) fn used(&self) -> Vec<KeyIndex> {
        self.keys.indices().collect()
    }
}
