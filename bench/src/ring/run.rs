//! One measurement's conditions, and the threads that take part.

use std::sync::Barrier;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use core_affinity::CoreId;

/// The conditions of one measurement.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// 1 or 2.
    pub(super) hops: usize,
    /// Messages handed over at a time, at most.
    pub(super) batch: usize,
    /// The cores of sender, relay and receiver; empty: wherever the system puts them.
    pub(super) cores: Vec<CoreId>,
    /// How long messages are sent.
    pub(super) duration: Duration,
    /// Between two messages of a paced sender.
    pub(super) pace: Duration,
}

/// The cores of a pinned run: all that this process may use, in turn.
pub(super) fn cores() -> Vec<CoreId> {
    core_affinity::get_core_ids().unwrap_or_default()
}

/// Runs both on threads of their own, begun together: the receiver, and the sender with the relay's place in between.
pub(super) fn together<S: Send, R: Send>(
    run: &Run,
    send: impl FnOnce() -> S + Send,
    relay: Option<impl FnOnce() + Send>,
    receive: impl FnOnce() -> R + Send,
) -> (S, R) {
    let hops = 1 + usize::from(relay.is_some());
    let barrier = Barrier::new(hops + 1);
    thread::scope(|scope| {
        let relay = relay.map(|relay| party(scope, run, &barrier, 1, relay));
        let receiver = party(scope, run, &barrier, hops, receive);
        let sender = party(scope, run, &barrier, 0, send);
        let sent = sender.join().expect("the sender does not panic");
        relay.map(ScopedJoinHandle::join).transpose().expect("the relay does not panic");
        (sent, receiver.join().expect("the receiver does not panic"))
    })
}

fn party<'scope, T: Send + 'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    run: &Run,
    barrier: &'scope Barrier,
    number: usize,
    work: impl FnOnce() -> T + Send + 'scope,
) -> ScopedJoinHandle<'scope, T> {
    let core = core_of(run, number);
    scope.spawn(move || {
        pin(core);
        barrier.wait();
        work()
    })
}

/// The core of a party: each its own as far as there are any.
pub(super) fn core_of(run: &Run, party: usize) -> Option<CoreId> {
    (!run.cores.is_empty()).then(|| run.cores[party % run.cores.len()])
}

/// Ties the calling thread to a core, if that may be.
pub(super) fn pin(core: Option<CoreId>) {
    if let Some(core) = core
        && !core_affinity::set_for_current(core)
    {
        eprintln!("kolo-bench: a thread could not be tied to core {}: its figures are unpinned ones", core.id);
    }
}
