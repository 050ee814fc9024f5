//! A handle of a lane together with the batch that it holds, so that a claim outlives the step that made it.

use kolo_ring::*;
use std::ptr::NonNull;

/// A party's handle.
pub(crate) enum Handle {
    Producer(Producer<u64, Park>),
    Stage(Stage<u64, Park>),
}

/// A handle, and what it has claimed.
pub(crate) struct Party {
    /// Borrows the handle. While it is there, the handle is not touched.
    batch: Option<Batch<'static, u64, Park>>,
    /// Owned, behind a pointer that can be moved while the batch borrows what it points to.
    handle: NonNull<Handle>,
    let_go: fn(Batch<'static, u64, Park>, usize),
}

impl Party {
    pub(crate) fn new(handle: Handle) -> Party {
        let let_go = match handle {
            Handle::Producer(_) => Batch::publish,
            Handle::Stage(_) => Batch::release,
        };
        Party { batch: None, handle: NonNull::from(Box::leak(Box::new(handle))), let_go }
    }

    /// The handle, unless it holds a batch.
    pub(crate) fn idle(&self) -> Option<&Handle> {
        if self.batch.is_some() {
            return None;
        }
        // SAFETY: the handle lives until `drop`, and without a batch nothing else borrows it.
        Some(unsafe { self.handle.as_ref() })
    }

    fn handle(&mut self) -> &'static mut Handle {
        assert!(self.batch.is_none(), "the handle is borrowed by its batch");
        // SAFETY: as in `idle`. Where the reference goes on living, it does so in the batch, which `drop` takes first.
        unsafe { self.handle.as_mut() }
    }

    /// Claims, and holds what was claimed. Returns how many slots that is.
    pub(crate) fn try_claim(&mut self, max: usize) -> Result<u64, Blocked> {
        let batch = match self.handle() {
            Handle::Producer(producer) => producer.try_claim(max)?,
            Handle::Stage(stage) => stage.try_claim(max)?,
        };
        Ok(self.batch.insert(batch).len() as u64)
    }

    pub(crate) fn batch(&mut self) -> Option<&mut Batch<'static, u64, Park>> {
        self.batch.as_mut()
    }

    pub(crate) fn let_go(&mut self, count: usize) {
        (self.let_go)(self.batch.take().expect("a batch in hand"), count);
    }

    pub(crate) fn cancel(&mut self) {
        self.batch = None;
    }

    pub(crate) fn ready(&self) -> bool {
        match self.idle().expect("no batch in hand") {
            Handle::Producer(producer) => producer.ready(),
            Handle::Stage(stage) => stage.ready(),
        }
    }

    /// Idles until it has looked once more before it would sleep; `cancelled`: with a wake-up from outside pending.
    pub(crate) fn wait(&mut self, cancelled: bool) {
        match self.handle() {
            Handle::Producer(producer) => wait(producer, cancelled),
            Handle::Stage(stage) => wait(stage, cancelled),
        }
    }

    pub(crate) fn poison(&mut self) {
        match self.handle() {
            Handle::Producer(producer) => producer.poison(),
            Handle::Stage(stage) => stage.poison(),
        }
    }

    /// Closes the lane, if this is its producer.
    pub(crate) fn close(&mut self) {
        if let Handle::Producer(producer) = self.handle() {
            producer.close();
        }
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        self.batch = None;
        // SAFETY: `new` made it from a box, and nothing borrows it any more.
        drop(unsafe { Box::from_raw(self.handle.as_ptr()) });
    }
}

fn wait(party: &mut impl LaneParty, cancelled: bool) {
    if cancelled {
        party.waker().wake();
    }
    let mut asked = false;
    while !asked {
        party.wait(|party| {
            asked = true;
            party.ready()
        });
    }
}
