//! How a party idles, and how a sleeping one is woken.
//!
//! Idling belongs to the loop: `try_claim` never waits, and `wait` takes one idle step. Sleep is the last resort of
//! [`Park`] alone, and is a handshake of two stores and two loads with a fence between each pair:
//!
//! ```text
//!   the party that waits                   the party that moves the cursor
//!   ────────────────────                   ───────────────────────────────
//!   asleep := true                         cursor := n           (Release)
//!   fence (SeqCst)      ── AnnounceFence   fence (SeqCst)        ── SignalFence
//!   look once more      ── Recheck         asleep? then unpark   ── Signal
//!   park
//! ```
//!
//! Of the two fences one comes first. If the left one does, the right party sees `asleep`; if the right one does, the
//! left party sees the cursor. Either way nobody sleeps through a change. Lanes whose strategy never sleeps compile the
//! right column down to its first line.

use crate::site::Site;
use crate::sync::{self, AtomicBool, Parker, Unparker, fence, relaxed, taken};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The longest sleep. No wake-up is lost within the lane; this bounds the harm of an event outside of it whose source
/// forgot its [`Waker`], at a cost of ten wake-ups a second.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// What a party does while there is nothing to do.
pub trait WaitStrategy: 'static {
    /// Whether parties sleep, so that who moves a cursor must look for a sleeper. If not, publishing is one store.
    const SIGNALS: bool;

    /// Takes the idle step that follows `steps` others, or returns true: the party should sleep.
    fn idle(steps: u32) -> bool;
}

/// Spins, and never gives its core away: the lowest latency, for machines with a core to spare for each party.
#[derive(Debug, Clone, Copy)]
pub struct BusySpin;

/// Spins, then yields to other threads between looks.
#[derive(Debug, Clone, Copy)]
pub struct Yield;

/// Spins, yields, then sleeps until signalled.
#[derive(Debug, Clone, Copy)]
pub struct Park;

impl WaitStrategy for BusySpin {
    const SIGNALS: bool = false;

    #[inline]
    fn idle(_steps: u32) -> bool {
        sync::spin_loop();
        false
    }
}

impl WaitStrategy for Yield {
    const SIGNALS: bool = false;

    #[inline]
    fn idle(steps: u32) -> bool {
        if steps < sync::SPINS {
            sync::spin_loop();
        } else {
            sync::yield_now();
        }
        false
    }
}

impl WaitStrategy for Park {
    const SIGNALS: bool = true;

    #[inline]
    fn idle(steps: u32) -> bool {
        if steps >= sync::SPINS + sync::YIELDS {
            return true;
        }
        Yield::idle(steps)
    }
}

/// A wait strategy by name, for programs that choose it when they start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// [`BusySpin`]
    BusySpin,
    /// [`Yield`]
    Yield,
    /// [`Park`]
    Park,
}

impl Wait {
    /// Spinning if this process may use a core for each of the three parties of `lanes` lanes and two besides, counting
    /// affinity and quota; else parking.
    pub fn auto(lanes: usize) -> Wait {
        let cores = sync::available_parallelism().map_or(1, |cores| cores.get());
        if cores >= 3 * lanes + 2 { Wait::BusySpin } else { Wait::Park }
    }

    fn name(self) -> &'static str {
        match self {
            Wait::BusySpin => "busy-spin",
            Wait::Yield => "yield",
            Wait::Park => "park",
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Wait {
    type Err = UnknownWait;

    fn from_str(name: &str) -> Result<Wait, UnknownWait> {
        let all = [Wait::BusySpin, Wait::Yield, Wait::Park];
        all.into_iter().find(|wait| wait.name() == name).ok_or_else(|| UnknownWait(name.to_owned()))
    }
}

/// A name that is no wait strategy's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownWait(String);

impl fmt::Display for UnknownWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown wait strategy `{}`: it is one of busy-spin, yield, park", self.0)
    }
}

impl std::error::Error for UnknownWait {}

/// The shared half of a party's sleep.
pub(crate) struct Bell {
    asleep: AtomicBool,
    unparker: Unparker,
}

impl Bell {
    /// A bell, and the sleeper that it wakes.
    pub(crate) fn new() -> (Bell, Parker) {
        let parker = Parker::new();
        (Bell { asleep: AtomicBool::new(false), unparker: parker.unparker().clone() }, parker)
    }

    /// Wakes the party if it sleeps or is about to. Comes after the store that it waits for.
    #[inline]
    pub(crate) fn ring<W: WaitStrategy>(&self, site: Site) {
        if W::SIGNALS && taken(site) {
            fence(Site::SignalFence);
            if self.asleep.load(relaxed("the fence orders it")) {
                self.unparker.unpark();
            }
        }
    }

    /// Sleeps, unless `ready` holds once the sleep is announced.
    #[cold]
    pub(crate) fn sleep_unless(&self, parker: &Parker, ready: impl FnOnce() -> bool) {
        if taken(Site::Announce) {
            self.asleep.store(true, relaxed("the fence orders it"));
        }
        fence(Site::AnnounceFence);
        if !(taken(Site::Recheck) && ready()) {
            parker.park_timeout(LONGEST_SLEEP);
        }
        self.asleep.store(false, relaxed("seen late, it costs one wake-up too many"));
    }

    pub(crate) fn waker(&self) -> Waker {
        Waker(self.unparker.clone())
    }
}

/// Ends a party's sleep from outside the lane, from any thread: when a queue that the party also serves has something,
/// or the process is asked to stop. A wake-up that comes before the sleep ends it at once, so none is lost.
#[derive(Clone)]
pub struct Waker(Unparker);

impl Waker {
    /// Wakes the party. Cheap if it does not sleep.
    pub fn wake(&self) {
        self.0.unpark();
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Waker")
    }
}
