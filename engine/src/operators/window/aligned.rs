//! Tumbling and hopping windows: they begin at multiples of a duration since 1970, and close in that order.
//!
//! Keys are numbered once for all open windows; in a window, a key's number leads to its group without a search, and the
//! accumulators of all groups lie one behind the other. What a window needed is used again by the next one, so that a
//! steady stream allocates nothing.

use std::collections::VecDeque;

use super::{Budget, Feed, Kept, MAX_GROUPS, MAX_HELD, Window};
use crate::check::program::WindowKind;
use crate::expr::{Context, Origin};
use crate::flow::{Out, RowHead};
use crate::operators::aggregate::Accumulator;
use crate::operators::keys::{KeyIndex, Keys};
use crate::operators::retention::Holdings;
use crate::value::Value;

/// Keys that no open window has may stay as long as there are no more than these and as many as are in use.
const UNUSED_KEYS_KEPT: usize = 1024;
/// How many closed windows are kept to be used again.
const SPARE: usize = 16;

#[derive(Debug)]
pub(crate) struct State {
    keys: Keys,
    /// By key: in how many open windows it is.
    uses: Vec<u32>,
    unused: usize,
    /// In the order of their beginnings.
    open: VecDeque<Open>,
    spare: Vec<Open>,
    /// In all open windows.
    groups: usize,
    budget: Budget,
}

/// A window that is open, with its groups in the order in which their keys appeared.
#[derive(Debug, Default)]
struct Open {
    start: i64,
    end: i64,
    groups: Vec<Group>,
    /// By key: the place of its group, from 1; 0 or beyond the end: none.
    places: Vec<u32>,
    /// As many for each group as there are calls. Those beyond the groups are empty.
    accumulators: Vec<Accumulator>,
    /// By group: the events of a window without an aggregate.
    events: Vec<Vec<Kept>>,
    holdings: Holdings,
}

#[derive(Debug)]
struct Group {
    key: KeyIndex,
    /// The greatest event time.
    time: i64,
    /// Whether its result was put out before a restart.
    silent: bool,
}

impl Default for State {
    fn default() -> Self {
        State {
            keys: Keys::default(),
            uses: Vec::new(),
            unused: 0,
            open: VecDeque::new(),
            spare: Vec::new(),
            groups: 0,
            budget: Budget { left: MAX_HELD, refused: 0 },
        }
    }
}

impl State {
    pub(super) fn advance(&mut self, window: &Window, watermark: i64, out: &mut Out) {
        let closed = |open: &Open| open.end.saturating_add(window.allowed_lateness_ns) <= watermark;
        while self.open.front().is_some_and(closed) {
            let open = self.open.pop_front().expect("just seen");
            self.close(window, open, out);
        }
    }

    pub(super) fn take<'a>(&mut self, window: &Window, feed: &'a Feed, cx: &Context<'a>, out: &mut Out) {
        let WindowKind::Aligned { size_ns, slide_ns } = window.kind else { return };
        let time = cx.time();
        let last_start = time.saturating_sub(time.rem_euclid(slide_ns));
        let overlap = (size_ns - (time - last_start) + slide_ns - 1).div_euclid(slide_ns).max(0);
        if overlap == 0 {
            // Between two windows that do not touch each other.
            return;
        }
        // The first window that has not closed yet.
        let watermark = out.watermark();
        let is_open = |start: i64| start.saturating_add(size_ns).saturating_add(window.allowed_lateness_ns) > watermark;
        let mut start = last_start.saturating_sub((overlap - 1).saturating_mul(slide_ns));
        while start <= last_start && !is_open(start) {
            start = start.saturating_add(slide_ns);
        }
        if start > last_start {
            out.totals().late += 1;
            return;
        }
        let Some(key) = self.key(feed, cx) else {
            out.totals().window_refused += 1;
            return;
        };
        let emitted = out.emitted(cx.origin).saturating_sub(window.allowed_lateness_ns);
        // Mostly the last one is wanted, or the last few.
        let mut at = match self.open.back() {
            Some(last) if last.start < start => self.open.len(),
            Some(last) if last.start == start => self.open.len() - 1,
            _ => self.open.partition_point(|open| open.start < start),
        };
        loop {
            if self.open.get(at).is_none_or(|open| open.start != start) {
                let mut open = self.spare.pop().unwrap_or_default();
                (open.start, open.end) = (start, start.saturating_add(size_ns));
                self.open.insert(at, open);
            }
            self.add(window, feed, (at, key), emitted, cx, out);
            if start >= last_start {
                break;
            }
            start = start.saturating_add(slide_ns);
            at += 1;
        }
        out.totals().window_refused += std::mem::take(&mut self.budget.refused);
    }

    /// The number of the event's key; `None` if no window has room for another group.
    #[inline]
    fn key<'a>(&mut self, feed: &'a Feed, cx: &Context<'a>) -> Option<KeyIndex> {
        let value = feed.key.as_ref().map_or(Value::Missing, |key| key.eval(cx));
        let (hash, known) = self.keys.find(value);
        if known.is_some() {
            return known;
        }
        if self.groups >= MAX_GROUPS {
            return None;
        }
        let key = self.keys.insert(hash, value);
        self.uses.resize(self.keys.len(), 0);
        self.uses[key as usize] = 0;
        self.unused += 1;
        Some(key)
    }

    #[inline]
    fn add<'a>(
        &mut self,
        window: &Window,
        feed: &'a Feed,
        (at, key): (usize, KeyIndex),
        emitted: i64,
        cx: &Context<'a>,
        out: &mut Out,
    ) {
        let open = &mut self.open[at];
        let calls = feed.arguments.len();
        if open.places.len() <= key as usize {
            open.places.resize(self.keys.len(), 0);
        }
        let mut place = open.places[key as usize] as usize;
        if place == 0 {
            if self.groups >= MAX_GROUPS {
                out.totals().window_refused += 1;
                return;
            }
            open.groups.push(Group { key, time: i64::MIN, silent: false });
            place = open.groups.len();
            open.places[key as usize] = place as u32;
            if let Some(functions) = &window.calls
                && open.accumulators.len() < place * calls
            {
                open.accumulators.extend(functions.iter().map(|function| Accumulator::new(*function)));
            }
            if window.calls.is_none() && open.events.len() < place {
                open.events.push(Vec::new());
            }
            self.groups += 1;
            self.unused -= usize::from(self.uses[key as usize] == 0);
            self.uses[key as usize] += 1;
        }
        let group = &mut open.groups[place - 1];
        group.time = group.time.max(cx.time());
        group.silent |= open.end <= emitted;
        if let Some(capture) = &feed.capture {
            if self.budget.take() {
                open.events[place - 1].push(capture.keep(cx));
            }
        } else {
            let accumulators = &mut open.accumulators[(place - 1) * calls..][..calls];
            super::add_all(&feed.arguments, accumulators, cx, &mut self.budget);
        }
        open.holdings.hold(cx.origin, out.retention());
    }

    fn close(&mut self, window: &Window, mut open: Open, out: &mut Out) {
        let calls = window.results.len();
        let tumbling = matches!(window.kind, WindowKind::Aligned { size_ns, slide_ns } if size_ns == slide_ns);
        out.begin_closing();
        for (place, group) in open.groups.iter().enumerate() {
            let origin = Origin::Held(open.holdings.tickets());
            if window.calls.is_some() {
                let accumulators = &mut open.accumulators[place * calls..][..calls];
                let time = if tumbling { open.end } else { group.time };
                let head = RowHead { time, origin, silent: group.silent };
                window.row(accumulators, self.keys.key(group.key), head, out);
                accumulators.iter_mut().for_each(|accumulator| accumulator.reset(&mut self.budget));
            } else {
                for event in &open.events[place] {
                    out.kept(event, origin, group.silent);
                }
                self.budget.left += open.events[place].len();
                open.events[place].clear();
            }
        }
        out.end_closing(Origin::Held(open.holdings.tickets()));
        open.holdings.release(out.retention());
        for group in open.groups.drain(..) {
            open.places[group.key as usize] = 0;
            let uses = &mut self.uses[group.key as usize];
            *uses -= 1;
            self.unused += usize::from(*uses == 0);
            self.groups -= 1;
        }
        if self.spare.len() < SPARE {
            self.spare.push(open);
        }
        if self.unused > UNUSED_KEYS_KEPT.max(self.keys.used() / 2) {
            self.forget_unused();
        }
    }

    #[cold]
    fn forget_unused(&mut self) {
        let unused: Vec<KeyIndex> = self.keys.indices().filter(|key| self.uses[*key as usize] == 0).collect();
        unused.into_iter().for_each(|key| self.keys.forget(key));
        self.unused = 0;
    }
}
