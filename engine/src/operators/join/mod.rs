//! `join` and its relatives: an event meets the last ones of the other sides that have its key.
//!
//! ```text
//!   event ─▶ key ─▶ kept for its side ─▶ of every other side the last to arrive, not older than the window ─▶ one row
//! ```
//!
//! 1. An event is kept before it is matched, and gives one row at most.
//! 2. A key with a missing or null part joins nothing, and is not kept; of a preserved side it still gives its row.
//! 3. An event is forgotten when the watermark is [`PATIENCE`] windows past it, so that events which arrive late by less
//!    than that find what they would have found in time.
//!
//! Limit, for each join of a program: [`MAX_EVENTS`] events at a time. One more, and the one that arrived first is
//! forgotten before its time, which is counted (`join_evicted`).

mod store;

use std::cell::Cell;

use bumpalo::collections::Vec as ArenaVec;
use smallvec::SmallVec;

use crate::check::program::{self, Capture};
use crate::expr::compile::{Compiler, Schema};
use crate::expr::{Context, EventKey, Expr, Origin, RegisterIndex};
use crate::flow::{Out, RowHead};
use crate::operators::retention::Ticket;
use crate::syntax::ast::JoinKind;
use crate::value::{Owned, Value};
use store::{Event, Store};

/// The most events that one join keeps.
pub(crate) const MAX_EVENTS: usize = 1_000_000;
/// After how many windows an event is forgotten.
const PATIENCE: i64 = 2;

/// A join.
#[derive(Debug)]
pub(crate) struct Join {
    kind: JoinKind,
    window_ns: i64,
    sides: usize,
    /// By side: what is kept of its events.
    kept: Vec<Vec<Kept>>,
    /// What rows carry: the register, the side, and the place of the value among those that are kept.
    outputs: Vec<(RegisterIndex, usize, usize)>,
    /// Where rows carry the fields of all sides, if anyone reads them: the register, and by side the place of its event.
    whole: Option<(RegisterIndex, Vec<usize>)>,
}

/// Something of an event that is kept.
#[derive(Debug, PartialEq)]
enum Kept {
    Field(Box<str>),
    /// All of its fields.
    Event,
}

/// What the join is given of an event, compiled for one path to it.
#[derive(Debug)]
pub(crate) struct Feed {
    side: usize,
    /// The parts of the key.
    key: Vec<Expr>,
    kept: Vec<Expr>,
}

/// The state of a join.
#[derive(Debug)]
pub(crate) struct State {
    store: Store,
}

impl Join {
    /// A join of which nothing is known yet; it holds its stage's place.
    pub(crate) fn nothing() -> Self {
        Join { kind: JoinKind::Inner, window_ns: 0, sides: 0, kept: Vec::new(), outputs: Vec::new(), whole: None }
    }

    /// Begins to collect what is read of rows. What comes behind the join is compiled with the schema that this returns,
    /// up to [`finish`](Self::finish).
    pub(crate) fn begin(program: &program::Join, stream: &str, compiler: &mut Compiler) -> Schema {
        compiler.captured.push(vec![None; program.captures.len()]);
        Schema::Match { event_type: Some(stream.into()), all: compiler.register() }
    }

    /// What all paths share, once it is known what is read of rows.
    pub(crate) fn finish(program: &program::Join, compiler: &mut Compiler, schema: &Schema) -> Self {
        let registers = compiler.captured.pop().unwrap_or_default();
        let sides = program.keys.len();
        let mut kept: Vec<Vec<Kept>> = (0..sides).map(|_| Vec::new()).collect();
        let mut outputs = Vec::new();
        for (register, capture) in registers.into_iter().zip(&program.captures) {
            let (side, value) = match capture {
                Capture::Field { step, field, .. } => (*step, Kept::Field(field.as_str().into())),
                Capture::Event { step, .. } => (*step, Kept::Event),
                // Closures have these; a join has none.
                Capture::Count { .. } | Capture::Aggregate { .. } => continue,
                Capture::DurationMs | Capture::MatchCount | Capture::Truncated => continue,
            };
            if let Some(register) = register {
                outputs.push((register, side, place_of(&mut kept[side], value)));
            }
        }
        let whole = match schema {
            Schema::Match { all, .. } if compiler.whole_matches.contains(all) => {
                Some((*all, kept.iter_mut().map(|kept| place_of(kept, Kept::Event)).collect()))
            }
            _ => None,
        };
        Join { kind: program.kind, window_ns: program.window_ns, sides, kept, outputs, whole }
    }

    pub(crate) fn state(&self) -> State {
        State { store: Store::new(self.sides) }
    }

    /// Event time has come to `watermark`: what nobody can match any more is forgotten.
    #[inline]
    pub(crate) fn advance(&self, state: &mut State, watermark: i64, out: &mut Out) {
        let horizon = watermark.saturating_sub(self.window_ns.saturating_mul(PATIENCE));
        while state.store.forget_before(horizon, out.retention()) {}
    }

    /// Takes the event at hand.
    pub(crate) fn take<'a>(&self, feed: &'a Feed, state: &mut State, cx: &Context<'a>, out: &mut Out) {
        let time = cx.time();
        let parts: SmallVec<[Value; 2]> = feed.key.iter().map(|part| part.eval(cx)).collect();
        if parts.iter().any(|part| part.is_nothing()) {
            out.totals().join_keyless += 1;
            if self.preserves(feed.side) {
                self.alone(feed, cx, out);
            }
            return;
        }
        let store = &mut state.store;
        // Before the key is looked up: it may be the last one of its key that is forgotten.
        if store.len() >= MAX_EVENTS {
            store.forget_first(out.retention());
            out.totals().join_evicted += 1;
        }
        let key = match parts[..] {
            [part] => store.key(part),
            _ => store.key(Value::Array(&parts)),
        };
        let event = store.push(key, feed.side, time, out.retention());
        if event.values.len() == feed.kept.len() {
            event.values.iter_mut().zip(&feed.kept).for_each(|(value, kept)| *value = kept.eval(cx).into());
        } else {
            event.values = feed.kept.iter().map(|kept| kept.eval(cx).into()).collect();
        }
        event.holdings.hold(cx.origin, out.retention());
        event.silent = cx.silent;

        let earliest = time.saturating_sub(self.window_ns);
        let found = |side| store.find(key, side, if side == feed.side { i64::MIN } else { earliest });
        let events: SmallVec<[Option<&Event>; 4]> = (0..self.sides).map(found).collect();
        if !self.completes(feed.side, &events) {
            return;
        }
        let tickets: SmallVec<[Ticket; 4]> =
            events.iter().flatten().flat_map(|event| event.holdings.tickets()).copied().collect();
        let values: SmallVec<[Option<&[Owned]>; 4]> =
            events.iter().map(|event| event.map(|event| &*event.values)).collect();
        // The later side's.
        let time = events.iter().flatten().map(|event| event.time).max().unwrap_or(time);
        // After a restart an old event may come behind a new one, and what they make together was never put out.
        let silent = events.iter().flatten().all(|event| event.silent);
        let head = RowHead { time, origin: Origin::Held(&tickets), silent };
        self.row(&values, head, cx.key, out);
    }

    /// Whether an event of this side gives a row without a match.
    fn preserves(&self, side: usize) -> bool {
        match self.kind {
            JoinKind::Inner => false,
            JoinKind::Left => side == 0,
            JoinKind::Right => side + 1 == self.sides,
            JoinKind::Full => true,
        }
    }

    /// Whether these events, of which the one of `side` has just arrived, make a row.
    fn completes(&self, side: usize, events: &[Option<&Event>]) -> bool {
        match self.kind {
            JoinKind::Inner => events.iter().all(Option::is_some),
            _ if self.preserves(side) => true,
            JoinKind::Left => events.first().is_some_and(Option::is_some),
            JoinKind::Right | JoinKind::Full => events.last().is_some_and(Option::is_some),
        }
    }

    /// The row of an event that can match nothing.
    #[cold]
    fn alone<'a>(&self, feed: &'a Feed, cx: &Context<'a>, out: &mut Out) {
        let kept: Vec<Owned> = feed.kept.iter().map(|kept| kept.eval(cx).into()).collect();
        let values: Vec<Option<&[Owned]>> = (0..self.sides).map(|side| (side == feed.side).then_some(&*kept)).collect();
        let head = RowHead { time: cx.time(), origin: cx.origin, silent: cx.silent };
        self.row(&values, head, cx.key, out);
    }

    /// Lets out a row of these sides; what is read of the others is null.
    fn row(&self, sides: &[Option<&[Owned]>], head: RowHead, key: EventKey, out: &mut Out) {
        let mut desk = out.desk();
        {
            let arena = desk.arena();
            let registers: &[Cell<Value>] = out.registers(arena);
            for &(register, side, place) in &self.outputs {
                let value = sides[side].map_or(Value::Null, |values| values[place].view(arena));
                registers[usize::from(register)].set(value);
            }
            if let Some((register, places)) = &self.whole {
                let mut all: ArenaVec<(&str, Value)> = ArenaVec::new_in(arena);
                for (values, &place) in sides.iter().zip(places) {
                    let Some(Value::Map(fields)) = values.map(|values| values[place].view(arena)) else { continue };
                    for field in fields {
                        // The first side that has a field gives it.
                        if !all.iter().any(|(name, _)| *name == field.0) {
                            all.push(*field);
                        }
                    }
                }
                registers[usize::from(*register)].set(Value::Map(all.into_bump_slice()));
            }
            out.row_with_key(head, key, registers, arena);
        }
        desk.clear();
        out.give_back(desk);
    }
}

impl Feed {
    /// What the join is given of events with the fields of `schema` that come to this side.
    pub(crate) fn compile(
        program: &program::Join,
        join: &Join,
        side: usize,
        compiler: &mut Compiler,
        schema: &Schema,
    ) -> Self {
        let key = program.keys[side].iter().map(|part| compiler.expr(part, schema)).collect();
        let kept = |kept: &Kept| match kept {
            Kept::Field(name) => compiler.field(name, schema).untouched(),
            Kept::Event => compiler.event(schema).untouched(),
        };
        Feed { side, key, kept: join.kept[side].iter().map(kept).collect() }
    }
}

/// The place of `value` among what is kept, where it may be already.
fn place_of(kept: &mut Vec<Kept>, value: Kept) -> usize {
    kept.iter().position(|known| *known == value).unwrap_or_else(|| {
        kept.push(value);
        kept.len() - 1
    })
}
