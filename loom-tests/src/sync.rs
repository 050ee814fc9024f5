//! What the lane leans on, modelled: loom's atomics, parking without a timeout, and sites of which one can be weakened.
//!
//! The counterpart of the ring's own `sync`, which says what each item is for.

use crate::site::Site;
use loom::cell::{MutPtr, UnsafeCell};
use loom::sync::Notify;
use loom::sync::atomic::AtomicU64;
use std::sync::OnceLock;
use std::time::Duration;

pub(crate) use crossbeam_utils::CachePadded;
pub(crate) use loom::hint::spin_loop;
pub(crate) use loom::sync::atomic::{AtomicBool, Ordering};
pub(crate) use loom::thread::yield_now;
// Handles are counted by the standard library: loom would explore each clone and drop, and no handle leans on the order
// in which the counts move.
pub(crate) use std::sync::Arc;
pub(crate) use std::thread::available_parallelism;

/// A party of a model sleeps at once: it is the sleep that is being checked.
pub(crate) const SPINS: u32 = 0;
pub(crate) const YIELDS: u32 = 0;

/// The environment variable that names the site to weaken.
pub const WEAKEN: &str = "KOLO_LOOM_WEAKEN";

fn weakened(site: Site) -> bool {
    static WEAKENED: OnceLock<Option<Site>> = OnceLock::new();
    let chosen = WEAKENED.get_or_init(|| {
        let name = std::env::var(WEAKEN).ok()?;
        let site = Site::ALL.iter().find(|site| format!("{site:?}") == name);
        Some(*site.unwrap_or_else(|| panic!("{WEAKEN}: `{name}` is not the name of a site")))
    });
    *chosen == Some(site)
}

pub(crate) fn order(site: Site, ordering: Ordering) -> Ordering {
    if weakened(site) { Ordering::Relaxed } else { ordering }
}

pub(crate) fn relaxed(_why: &str) -> Ordering {
    Ordering::Relaxed
}

pub(crate) fn fence(site: Site) {
    if !weakened(site) {
        loom::sync::atomic::fence(Ordering::SeqCst);
    }
}

/// Public for the sites that are the models' own lines: those of a caller that waits.
pub fn taken(site: Site) -> bool {
    !weakened(site)
}

pub(crate) fn exact(site: Site, number: u64) -> u64 {
    number + u64::from(weakened(site))
}

/// One cell of loom's for each slot. It fails the model when two accesses overlap, and when one is not ordered after the
/// other.
pub(crate) struct Watch(Box<[UnsafeCell<()>]>);

impl Watch {
    pub(crate) fn new(slots: usize) -> Watch {
        Watch((0..slots).map(|_| UnsafeCell::new(())).collect())
    }

    pub(crate) fn access(&self, start: usize, len: usize) -> Access {
        Access { guards: self.0[start..start + len].iter().map(UnsafeCell::get_mut).collect() }
    }
}

pub(crate) struct Access {
    guards: Vec<MutPtr<()>>,
}

impl Access {
    pub(crate) fn end(self, site: Site) -> Option<Access> {
        if weakened(site) {
            return Some(self);
        }
        drop(self.guards);
        None
    }
}

/// A word that is read and written whole, or, once [`Site::CloseInWord`] is weakened, in two parts: the top bit in a
/// flag of its own, raised after the rest was stored and looked at after the rest was loaded.
pub(crate) struct WholeWord {
    word: AtomicU64,
    flag: AtomicBool,
}

const FLAG: u64 = 1 << 63;

impl WholeWord {
    pub(crate) fn new(word: u64) -> WholeWord {
        WholeWord { word: AtomicU64::new(word), flag: AtomicBool::new(false) }
    }

    pub(crate) fn load(&self, ordering: Ordering) -> u64 {
        let word = self.word.load(ordering);
        if weakened(Site::CloseInWord) && self.flag.load(ordering) { word | FLAG } else { word }
    }

    pub(crate) fn store(&self, word: u64, ordering: Ordering) {
        if weakened(Site::CloseInWord) && word & FLAG != 0 {
            self.word.store(word & !FLAG, ordering);
            self.flag.store(true, ordering);
        } else {
            self.word.store(word, ordering);
        }
    }
}

/// A sleep that only a wake-up ends, or, as with any parking, nothing at all, once a model.
pub(crate) struct Parker(Unparker);

#[derive(Clone)]
pub(crate) struct Unparker(Arc<Notify>);

impl Parker {
    pub(crate) fn new() -> Parker {
        Parker(Unparker(Arc::new(Notify::new())))
    }

    pub(crate) fn unparker(&self) -> &Unparker {
        &self.0
    }

    pub(crate) fn park_timeout(&self, _limit: Duration) {
        self.0.0.wait();
    }
}

impl Unparker {
    pub(crate) fn unpark(&self) {
        self.0.notify();
    }
}
