//! The storage: a power of two of slots, allocated once, and slices of it for whoever owns them at the moment.

use crate::sync::{Access, Watch};
use std::cell::UnsafeCell;
use std::ptr::slice_from_raw_parts_mut;

pub(crate) struct Slots<T> {
    cells: Box<[UnsafeCell<T>]>,
    watch: Watch,
}

// SAFETY: "ownership" of the crate's documentation: at every moment each slot belongs to one party, and it passes from
// one to the next over a Release store and an Acquire load. So slots are sent between threads, never shared.
unsafe impl<T: Send> Sync for Slots<T> {}

impl<T> Slots<T> {
    pub(crate) fn new(slots: usize, mut make: impl FnMut() -> T) -> Slots<T> {
        Slots { cells: (0..slots).map(|_| UnsafeCell::new(make())).collect(), watch: Watch::new(slots) }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Where the slot of `sequence` lies.
    #[inline]
    pub(crate) fn index(&self, sequence: u64) -> usize {
        sequence as usize & (self.cells.len() - 1)
    }

    /// The slots `[start, start + len)`.
    ///
    /// # Safety
    /// The range lies within the storage, and its slots belong to the calling party for as long as the pointer is used.
    #[inline]
    pub(crate) unsafe fn slice(&self, start: usize, len: usize) -> (*mut [T], Access) {
        let access = self.watch.access(start, len);
        debug_assert!(start + len <= self.cells.len());
        // SAFETY: the caller keeps the range within the storage. The pointer is derived from all of it, through cells.
        let first = UnsafeCell::raw_get(unsafe { self.cells.as_ptr().add(start) });
        (slice_from_raw_parts_mut(first, len), access)
    }
}
