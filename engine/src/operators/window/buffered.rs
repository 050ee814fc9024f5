//! Windows that arrivals drive: by count, sliding, and none at all. Their events are held one by one, and computed anew for
//! each result.
//!
//! A key's events are dropped when no later result can contain them: a result never lies before its key's latest event. A
//! sliding window's key that brings nothing any more is looked for as event time goes on: its events go when they are
//! [`PATIENCE`] of the window's sizes and a slide old, so an event that is late by up to a size finds what it would have
//! found in time.

use std::collections::VecDeque;

use smallvec::SmallVec;

use super::{Budget, Feed, Kept, MAX_GROUPS, MAX_HELD, Window};
use crate::check::program::WindowKind;
use crate::expr::{Context, Origin};
use crate::flow::{Out, RowHead};
use crate::operators::aggregate::Accumulator;
use crate::operators::keys::{KeyIndex, Keys};
use crate::operators::retention::{Holdings, Ticket};
use crate::value::{Owned, Value};

/// How often, in parts of a sliding window's size, keys without events are looked for.
const SWEEPS: i64 = 8;
/// After how many sizes of a sliding window a key without events is forgotten.
const PATIENCE: i64 = 2;
/// Up to so many keys stay known when they have no events.
const KEYS_KEPT: usize = 100_000;

#[derive(Debug)]
pub(crate) struct State {
    keys: Keys,
    /// By key.
    buffers: Vec<Buffer>,
    /// For the result at hand.
    accumulators: Vec<Accumulator>,
    holdings: Holdings,
    budget: Budget,
    next_sweep: i64,
}

/// The events of a key, in order of arrival.
#[derive(Debug, Default)]
struct Buffer {
    entries: VecDeque<Entry>,
    /// The values of the calls' arguments, entry by entry.
    values: VecDeque<Owned>,
    /// How many events there have been: since the last result, for a window of a count; ever, for one that slides.
    seen: u64,
    /// The time of the event that gave the last result.
    last_result: Option<i64>,
    /// The greatest event time.
    latest: i64,
}

#[derive(Debug)]
struct Entry {
    time: i64,
    tickets: SmallVec<[Ticket; 1]>,
    /// For a window without an aggregate.
    event: Option<Box<Kept>>,
}

impl Default for State {
    fn default() -> Self {
        State {
            keys: Keys::default(),
            buffers: Vec::new(),
            accumulators: Vec::new(),
            holdings: Holdings::default(),
            budget: Budget { left: MAX_HELD, refused: 0 },
            next_sweep: i64::MIN,
        }
    }
}

impl State {
    pub(super) fn advance(&mut self, window: &Window, watermark: i64, out: &mut Out) {
        if let WindowKind::Sliding { size_ns, slide_ns } = window.kind
            && watermark >= self.next_sweep
        {
            self.next_sweep = watermark.saturating_add((size_ns / SWEEPS).max(1));
            let bound = watermark.saturating_sub(size_ns.saturating_mul(PATIENCE).saturating_add(slide_ns));
            let idle = |key: &KeyIndex| self.buffers[*key as usize].latest < bound;
            let idle: Vec<KeyIndex> = self.keys.indices().filter(idle).collect();
            for key in idle {
                self.clear(key, out);
                self.keys.forget(key);
            }
        }
    }

    pub(super) fn take<'a>(&mut self, window: &Window, feed: &'a Feed, cx: &Context<'a>, out: &mut Out) {
        let key = feed.key.as_ref().map_or(Value::Missing, |key| key.eval(cx));
        if window.kind == WindowKind::Each {
            return self.alone(window, feed, key, cx, out);
        }
        let (hash, known) = self.keys.find(key);
        if self.budget.left == 0 || known.is_none() && self.keys.used() >= MAX_GROUPS {
            out.totals().window_refused += 1;
            return;
        }
        let key = known.unwrap_or_else(|| self.keys.insert(hash, key));
        if self.buffers.len() <= key as usize {
            self.buffers.resize_with(key as usize + 1, Buffer::default);
        }
        let buffer = &mut self.buffers[key as usize];
        let time = cx.time();
        buffer.latest = if known.is_none() { time } else { buffer.latest.max(time) };
        buffer.seen += 1;
        let mut tickets = SmallVec::new();
        match cx.origin {
            Origin::Record { partition, offset } => tickets.push(out.retention().take(partition, offset)),
            Origin::Held(held) => tickets.extend(held.iter().map(|ticket| out.retention().again(*ticket))),
        }
        let event = feed.capture.as_ref().map(|capture| Box::new(capture.keep(cx)));
        buffer.entries.push_back(Entry { time, tickets, event });
        buffer.values.extend(feed.arguments.iter().map(|argument| match argument {
            Some(argument) => argument.eval(cx).into(),
            None => Owned::Bool(true),
        }));
        self.budget.left -= 1;
        match window.kind {
            WindowKind::Each | WindowKind::Aligned { .. } | WindowKind::Session { .. } => {
                unreachable!("the window's kind decides which state it has")
            }
            WindowKind::Count { size } => {
                if buffer.seen >= size {
                    self.result(window, key, i64::MIN, cx.silent, out);
                    self.clear(key, out);
                    if self.keys.used() > KEYS_KEPT {
                        self.keys.forget(key);
                    }
                }
            }
            WindowKind::SlidingCount { size, slide } => {
                if buffer.seen > size {
                    self.drop_oldest(key, feed.arguments.len(), out);
                }
                let seen = self.buffers[key as usize].seen;
                if seen >= size && (seen - size).is_multiple_of(slide) {
                    self.result(window, key, i64::MIN, cx.silent, out);
                }
            }
            WindowKind::Sliding { size_ns, slide_ns } => {
                let bound = buffer.latest.saturating_sub(size_ns);
                while self.buffers[key as usize].entries.front().is_some_and(|entry| entry.time < bound) {
                    self.drop_oldest(key, feed.arguments.len(), out);
                }
                let buffer = &mut self.buffers[key as usize];
                if buffer.last_result.is_none_or(|last| time >= last.saturating_add(slide_ns)) {
                    buffer.last_result = Some(time);
                    self.result(window, key, time.saturating_sub(size_ns), cx.silent, out);
                }
            }
        }
        out.totals().window_refused += std::mem::take(&mut self.budget.refused);
    }

    /// The result of one event.
    fn alone<'a>(&mut self, window: &Window, feed: &'a Feed, key: Value, cx: &Context<'a>, out: &mut Out) {
        self.renew(window);
        super::add_all(&feed.arguments, &mut self.accumulators, cx, &mut self.budget);
        out.begin_closing();
        let head = RowHead { time: cx.time(), origin: cx.origin, silent: cx.silent };
        window.row(&mut self.accumulators, &key.into(), head, out);
        out.end_closing(cx.origin);
    }

    /// Makes the accumulators ready for a result.
    fn renew(&mut self, window: &Window) {
        let State { accumulators, budget, .. } = self;
        if accumulators.is_empty() {
            let functions = window.calls.iter().flatten();
            accumulators.extend(functions.map(|function| Accumulator::new(*function)));
        }
        accumulators.iter_mut().for_each(|accumulator| accumulator.reset(budget));
    }

    /// Lets out what the key's events from `oldest` on make.
    fn result(&mut self, window: &Window, key: KeyIndex, oldest: i64, silent: bool, out: &mut Out) {
        self.renew(window);
        let desk = out.desk();
        let State { keys, buffers, accumulators, holdings, budget, .. } = self;
        let buffer = &buffers[key as usize];
        let inside = |entry: &&Entry| entry.time >= oldest;
        let entries = buffer.entries.iter().filter(inside);
        entries.clone().for_each(|entry| holdings.hold(Origin::Held(&entry.tickets), out.retention()));
        out.begin_closing();
        let origin = Origin::Held(holdings.tickets());
        match &window.calls {
            Some(functions) => {
                let calls = functions.len();
                let mut time = i64::MIN;
                for (place, entry) in buffer.entries.iter().enumerate().filter(|(_, entry)| inside(entry)) {
                    time = time.max(entry.time);
                    for (call, accumulator) in accumulators.iter_mut().enumerate() {
                        let value = buffer.values[place * calls + call].view(desk.arena());
                        accumulator.add(value, budget, out.tally());
                    }
                }
                window.row(accumulators, keys.key(key), RowHead { time, origin, silent }, out);
            }
            None => {
                for event in entries.filter_map(|entry| entry.event.as_ref()) {
                    out.kept(event, origin, silent);
                }
            }
        }
        out.end_closing(Origin::Held(holdings.tickets()));
        holdings.release(out.retention());
        out.give_back(desk);
    }

    fn drop_oldest(&mut self, key: KeyIndex, calls: usize, out: &mut Out) {
        let buffer = &mut self.buffers[key as usize];
        if let Some(entry) = buffer.entries.pop_front() {
            buffer.values.drain(..calls);
            self.budget.left += 1;
            entry.tickets.iter().for_each(|ticket| out.retention().give_back(*ticket));
        }
    }

    /// Forgets all events of a key.
    fn clear(&mut self, key: KeyIndex, out: &mut Out) {
        let buffer = &mut self.buffers[key as usize];
        self.budget.left += buffer.entries.len();
        for entry in buffer.entries.drain(..) {
            entry.tickets.iter().for_each(|ticket| out.retention().give_back(*ticket));
        }
        buffer.values.clear();
        (buffer.seen, buffer.last_result) = (0, None);
    }
}
