//! Session windows: a key's events with no more than a gap between one and the next.
//!
//! 1. A session closes when the watermark is more than the gap (and the allowed lateness) behind its last event. Sessions
//!    close in the order of their ends, those with one end in the order of their beginning to exist.
//! 2. An event joins every open session of its key that it is within the gap of; of two that it joins one becomes. An event
//!    that joins none and whose own session would have closed already is late.
//! 3. Events are held one by one until their session closes, because sessions that become one have to be put in the order
//!    of arrival again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use smallvec::SmallVec;

use super::{Budget, Feed, Kept, MAX_GROUPS, MAX_HELD, Window};
use crate::check::program::WindowKind;
use crate::expr::{Context, Origin};
use crate::flow::{Out, RowHead};
use crate::operators::aggregate::Accumulator;
use crate::operators::keys::{KeyIndex, Keys};
use crate::operators::retention::Holdings;
use crate::value::{Owned, Value};

/// How many sessions that closed are kept to be used again.
const SPARE: usize = 1024;
/// Up to so many keys stay known when they have no session.
const KEYS_KEPT: usize = 100_000;

#[derive(Debug)]
pub(crate) struct State {
    keys: Keys,
    /// By key: its open sessions, mostly one.
    open: Vec<SmallVec<[Session; 1]>>,
    /// When to look whether a session has closed: its end when it was put here (it may have grown since), its number and
    /// its key.
    ends: BinaryHeap<Reverse<(i64, u64, KeyIndex)>>,
    sessions: usize,
    /// How many sessions and events there have been.
    numbers: u64,
    spare: Vec<Session>,
    accumulators: Vec<Accumulator>,
    budget: Budget,
}

#[derive(Debug, Default)]
struct Session {
    number: u64,
    /// The least and the greatest event time.
    first: i64,
    last: i64,
    /// By event, in order of arrival.
    arrivals: Vec<u64>,
    /// The values of the calls' arguments, event by event.
    values: Vec<Owned>,
    /// The events of a window without an aggregate.
    events: Vec<Kept>,
    holdings: Holdings,
    /// Up to where results were put out before a restart.
    emitted: i64,
}

impl Default for State {
    fn default() -> Self {
        State {
            keys: Keys::default(),
            open: Vec::new(),
            ends: BinaryHeap::new(),
            sessions: 0,
            numbers: 0,
            spare: Vec::new(),
            accumulators: Vec::new(),
            budget: Budget { left: MAX_HELD, refused: 0 },
        }
    }
}

impl State {
    pub(super) fn advance(&mut self, window: &Window, watermark: i64, out: &mut Out) {
        let WindowKind::Session { gap_ns } = window.kind else { return };
        let patience = gap_ns.saturating_add(window.allowed_lateness_ns);
        // At the end of the input even the last one closes.
        let closed = |last: i64| last.saturating_add(patience) < watermark || watermark == i64::MAX;
        while let Some(&Reverse((last, number, key))) = self.ends.peek()
            && closed(last)
        {
            self.ends.pop();
            let open = &mut self.open[key as usize];
            // One that became part of another is not there any more.
            let Some(at) = open.iter().position(|session| session.number == number) else { continue };
            if open[at].last > last {
                self.ends.push(Reverse((open[at].last, number, key)));
                continue;
            }
            let session = open.swap_remove(at);
            self.close(window, key, session, out);
        }
    }

    pub(super) fn take<'a>(&mut self, window: &Window, feed: &'a Feed, cx: &Context<'a>, out: &mut Out) {
        let WindowKind::Session { gap_ns } = window.kind else { return };
        let time = cx.time();
        let value = feed.key.as_ref().map_or(Value::Missing, |key| key.eval(cx));
        let (hash, known) = self.keys.find(value);
        let joins = |session: &Session| {
            time <= session.last.saturating_add(gap_ns) && time >= session.first.saturating_sub(gap_ns)
        };
        let joined = known.and_then(|key| self.open[key as usize].iter().position(joins));
        if joined.is_none() {
            if time.saturating_add(gap_ns).saturating_add(window.allowed_lateness_ns) < out.watermark() {
                out.totals().late += 1;
                return;
            }
            if self.sessions >= MAX_GROUPS {
                out.totals().window_refused += 1;
                return;
            }
        }
        if !self.budget.take() {
            out.totals().window_refused += std::mem::take(&mut self.budget.refused);
            return;
        }
        self.numbers += 1;
        let arrival = self.numbers;
        let key = known.unwrap_or_else(|| self.keys.insert(hash, value));
        if self.open.len() <= key as usize {
            self.open.resize_with(key as usize + 1, SmallVec::new);
        }
        let open = &mut self.open[key as usize];
        let at = joined.unwrap_or_else(|| {
            let mut session = self.spare.pop().unwrap_or_default();
            (session.number, session.first, session.last, session.emitted) = (arrival, time, time, i64::MIN);
            open.push(session);
            self.sessions += 1;
            self.ends.push(Reverse((time, arrival, key)));
            open.len() - 1
        });
        let session = &mut open[at];
        session.first = session.first.min(time);
        session.last = session.last.max(time);
        session.emitted = session.emitted.max(out.emitted(cx.origin));
        session.arrivals.push(arrival);
        match &feed.capture {
            Some(capture) => session.events.push(capture.keep(cx)),
            None => session.values.extend(feed.arguments.iter().map(|argument| match argument {
                Some(argument) => argument.eval(cx).into(),
                None => Owned::Bool(true),
            })),
        }
        session.holdings.hold(cx.origin, out.retention());
        // The event may have closed the gap to a neighbour.
        if let Some(other) = (0..open.len()).find(|other| *other != at && touches(&open[at], &open[*other], gap_ns)) {
            let later = open.swap_remove(at.max(other));
            let spare = open[at.min(other)].absorb(later, feed.arguments.len(), out);
            self.spare.push(spare);
            self.sessions -= 1;
        }
    }

    fn close(&mut self, window: &Window, key: KeyIndex, mut session: Session, out: &mut Out) {
        let State { keys, accumulators, budget, .. } = self;
        out.begin_closing();
        let origin = Origin::Held(session.holdings.tickets());
        let WindowKind::Session { gap_ns } = window.kind else { return };
        let patience = gap_ns.saturating_add(window.allowed_lateness_ns);
        let silent = session.last.saturating_add(patience) < session.emitted;
        if let Some(functions) = &window.calls {
            if accumulators.is_empty() {
                accumulators.extend(functions.iter().map(|function| Accumulator::new(*function)));
            }
            let desk = out.desk();
            for values in session.values.chunks_exact(functions.len().max(1)) {
                for (value, accumulator) in values.iter().zip(&mut *accumulators) {
                    accumulator.add(value.view(desk.arena()), budget, out.tally());
                }
            }
            window.row(accumulators, keys.key(key), RowHead { time: session.last, origin, silent }, out);
            accumulators.iter_mut().for_each(|accumulator| accumulator.reset(budget));
            out.give_back(desk);
        } else {
            session.events.iter().for_each(|event| out.kept(event, origin, silent));
        }
        out.end_closing(Origin::Held(session.holdings.tickets()));
        budget.left += session.arrivals.len();
        session.clear(out);
        if self.spare.len() < SPARE {
            self.spare.push(session);
        }
        self.sessions -= 1;
        if self.open[key as usize].is_empty() && self.keys.used() > KEYS_KEPT {
            self.keys.forget(key);
        }
    }
}

impl Session {
    /// Becomes one with another session of its key. Returns what is left of that.
    #[cold]
    fn absorb(&mut self, mut other: Session, calls: usize, out: &mut Out) -> Session {
        let (mut arrivals, mut values, mut events) = (Vec::new(), Vec::new(), Vec::new());
        {
            let mut sides = [&mut *self, &mut other].map(|session| {
                let arrivals = std::mem::take(&mut session.arrivals).into_iter().peekable();
                (
                    arrivals,
                    std::mem::take(&mut session.values).into_iter(),
                    std::mem::take(&mut session.events).into_iter(),
                )
            });
            loop {
                let next = sides.each_mut().map(|(arrivals, ..)| arrivals.peek().copied().unwrap_or(u64::MAX));
                let (from, of_events, of_kept) = &mut sides[usize::from(next[1] < next[0])];
                let Some(arrival) = from.next() else { break };
                arrivals.push(arrival);
                values.extend(of_events.by_ref().take(calls));
                events.extend(of_kept.next());
            }
        }
        (self.arrivals, self.values, self.events) = (arrivals, values, events);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.emitted = self.emitted.max(other.emitted);
        // The end of the one that came first is still on the heap, and so is found.
        self.number = self.number.min(other.number);
        self.holdings.hold(Origin::Held(other.holdings.tickets()), out.retention());
        other.clear(out);
        other
    }

    /// Nothing is left but memory.
    fn clear(&mut self, out: &mut Out) {
        self.arrivals.clear();
        self.values.clear();
        self.events.clear();
        self.holdings.release(out.retention());
    }
}

fn touches(a: &Session, b: &Session, gap_ns: i64) -> bool {
    a.first <= b.last.saturating_add(gap_ns) && b.first <= a.last.saturating_add(gap_ns)
}
