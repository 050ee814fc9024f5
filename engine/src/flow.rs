//! How events move through a plan: along chains, into stages, and out of them.
//!
//! ```text
//!   record ─▶ chain ─▶ publish, feeds ─▶ chain …
//!               └────▶ stage ─ rows ─▶ rest ─▶ publish, feeds ─▶ chain … ─▶ stage …
//! ```
//!
//! 1. An event runs through a chain and everything that it feeds before the next one begins, so outputs come depth first.
//!    The depth is bounded by the checker.
//! 2. A record reaches each stage below its chain once: with the event, or with its time alone if something before the
//!    stage dropped it. The stage first advances its clock, which may let rows out, and then takes the event.
//! 3. After its rows, a stage tells its watermark to the stages behind it.
//! 4. While a stage works its state is taken out of [`States`], so that what its rows run through may change the rest. A
//!    stage never reaches itself: streams have no cycles.
//! 5. A row is an event without a record: its fields are registers, or a record that was kept and is decoded again. It has
//!    a [`Desk`] of its own, which is cleared after it.

use std::cell::Cell;
use std::mem;

use bumpalo::Bump;

use crate::counters::Totals;
use crate::decode::Decoder;
use crate::expr::{Context, EventKey, KnownNumber, Origin, Tally};
use crate::operators::event_clock::{END, EventClock};
use crate::operators::kept::{Body, Kept};
use crate::operators::process::Process;
use crate::operators::retention::Retention;
use crate::operators::timer::TIMERS;
use crate::operators::{Feed, StageState, States};
use crate::plan::{Chain, End, Plan, Stage};
use crate::slot::Outputs;
use crate::time;
use crate::value::Value;

/// Everything that chains and stages change, for one slot.
pub(crate) struct Flow<'e> {
    pub(crate) plan: &'e Plan,
    pub(crate) states: &'e mut States,
    pub(crate) times: &'e mut time::Writer,
    /// Where a line is written before it is appended to the outputs.
    pub(crate) line: &'e mut Vec<u8>,
    pub(crate) totals: &'e mut Totals,
    pub(crate) tally: &'e Tally,
    pub(crate) outputs: &'e mut Outputs,
    /// Those that are free.
    pub(crate) desks: &'e mut Vec<Desk>,
    pub(crate) numbers: &'e [Cell<KnownNumber>],
    /// How many contexts there have been, by which what was read of one is told from what was read of another.
    pub(crate) contexts: &'e mut u64,
}

/// Capacity in bytes that a desk may keep between rows.
const ARENA_BYTES_KEPT: usize = 1 << 20;

/// Where rows are laid out, one after the other. Rows that run while another one does have another desk.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    arena: Bump,
    /// Decodes records that were kept; made when the first one comes.
    decoder: Option<Box<Decoder>>,
}

impl Desk {
    /// Where a row's text and elements may lie.
    pub(crate) fn arena(&self) -> &Bump {
        &self.arena
    }

    /// Makes room for the next row.
    pub(crate) fn clear(&mut self) {
        if self.arena.allocated_bytes() > ARENA_BYTES_KEPT {
            self.arena = Bump::new();
        } else {
            self.arena.reset();
        }
    }
}

impl<'e> Flow<'e> {
    /// Takes the event at hand through a chain and all that it feeds.
    pub(crate) fn run<'a>(&mut self, chain: &'a Chain, cx: &Context<'a>) {
        for operator in &chain.operators {
            if !operator.pass(cx, self.states, self.totals) {
                return self.tell_time(chain, cx);
            }
        }
        match &chain.end {
            End::Out { publish, feeds } => {
                if let Some(publish) = publish {
                    publish.put(cx, self.times, self.line, self.outputs, self.totals);
                }
                for fed in feeds {
                    self.run(fed, cx);
                }
            }
            End::Process(process) => {
                self.process(process, cx);
                // It may have emitted nothing for them.
                self.tell_time(chain, cx);
            }
            End::Stage { feed, stage } => self.reach(*stage, Some(feed), cx),
            End::Sort(sort) => sort.keep(cx, &mut self.states.sorts),
        }
    }

    /// Stages learn that the event happened, and nothing else of it.
    fn tell_time<'a>(&mut self, chain: &Chain, cx: &Context<'a>) {
        for stage in &chain.below {
            self.reach(*stage, None, cx);
        }
    }

    /// Runs the functions of a `.process`, then takes each event that they emitted through all that is behind it.
    #[inline(never)]
    fn process<'a>(&mut self, process: &'a Process, cx: &Context<'a>) {
        process.value.eval(cx);
        for emitted in cx.take_emitted() {
            let Some(exit) = process.exits.iter().find(|exit| exit.site == emitted.site) else { continue };
            for (register, value) in exit.registers.iter().zip(emitted.fields) {
                cx.registers[usize::from(*register)].set(*value);
            }
            self.run(&exit.rest, cx);
            for reader in &exit.readers {
                self.run(reader, cx);
            }
        }
    }

    /// The event at hand comes to a stage, or only its time.
    fn reach<'a>(&mut self, index: usize, feed: Option<&'a Feed>, cx: &Context<'a>) {
        let moved = match cx.origin {
            Origin::Record { partition, .. } => self.states.clocks[index].observe(partition, cx.time()),
            Origin::Held(_) => false,
        };
        if !moved && feed.is_none() {
            return;
        }
        let stage = &self.plan.stages[index];
        let mut state = mem::take(&mut self.states.stages[index]);
        if moved {
            self.advance(index, stage, &mut state);
        }
        if let Some(feed) = feed {
            stage.operator.take(feed, &mut state, cx, &mut Out { flow: self, stage, index });
        }
        self.states.stages[index] = state;
    }

    /// A stage's watermark has moved.
    fn advance(&mut self, index: usize, stage: &'e Stage, state: &mut StageState) {
        let watermark = self.states.clocks[index].watermark();
        stage.operator.advance(state, watermark, &mut Out { flow: self, stage, index });
        let passed_on = if watermark == END { END } else { watermark.saturating_sub(stage.lag_ns) };
        for &below in &stage.below {
            if self.states.clocks[below].follow(index, passed_on) {
                self.advance_alone(below);
            }
        }
    }

    fn advance_alone(&mut self, index: usize) {
        let mut state = mem::take(&mut self.states.stages[index]);
        self.advance(index, &self.plan.stages[index], &mut state);
        self.states.stages[index] = state;
    }

    /// Wall time has come to this.
    pub(crate) fn tick(&mut self, wall_ms: i64) {
        for index in 0..self.plan.stages.len() {
            if self.states.clocks[index].tick(wall_ms) {
                self.advance_alone(index);
            }
        }
    }

    /// The time by which timers go has come to `now`.
    pub(crate) fn timers(&mut self, now: i64) {
        let timers = &self.plan.timers;
        self.states.schedule.begin(timers, now);
        while let Some((timer, time)) = self.states.schedule.fire(timers, now) {
            let chain = &timers[timer].chain;
            for &stage in &chain.below {
                if self.states.clocks[stage].follow(TIMERS + timer, time) {
                    self.advance_alone(stage);
                }
            }
            let mut desk = self.desks.pop().unwrap_or_default();
            {
                let head = RowHead { time, origin: Origin::Held(&[]), silent: false };
                let registers = desk.arena.alloc_slice_fill_with(self.plan.registers, |_| Cell::new(Value::Missing));
                self.run_row(chain, head, EventKey::Own(None), registers, &desk.arena);
            }
            desk.clear();
            self.desks.push(desk);
        }
        self.totals.timers_skipped += self.states.schedule.skip(timers, now);
    }

    /// No record comes any more: what event time alone keeps open closes, stage by stage, each after those before it.
    pub(crate) fn end(&mut self) {
        self.states.clocks.iter_mut().for_each(EventClock::end);
        for (number, timer) in (TIMERS..).zip(&self.plan.timers) {
            for &stage in &timer.chain.below {
                self.states.clocks[stage].follow(number, END);
            }
        }
        for index in 0..self.plan.stages.len() {
            if self.states.clocks[index].watermark() == END {
                self.advance_alone(index);
            }
        }
    }

    /// After every record while a restart is behind where it had been.
    #[cold]
    pub(crate) fn catch_up(&mut self) {
        let States { resume, clocks, .. } = &mut *self.states;
        if resume.catches_up(clocks) {
            (0..self.plan.stages.len()).for_each(|index| self.advance_alone(index));
        }
    }

    fn number(&mut self) -> u64 {
        *self.contexts += 1;
        *self.contexts
    }
}

/// What comes out of a stage.
pub(crate) struct Out<'o, 'e> {
    flow: &'o mut Flow<'e>,
    stage: &'e Stage,
    index: usize,
}

/// What a row is besides its fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowHead<'b> {
    /// Its event time.
    pub(crate) time: i64,
    pub(crate) origin: Origin<'b>,
    /// Whether it was put out before a restart.
    pub(crate) silent: bool,
}

impl Out<'_, '_> {
    pub(crate) fn retention(&mut self) -> &mut Retention {
        &mut self.flow.states.retention
    }

    pub(crate) fn totals(&mut self) -> &mut Totals {
        self.flow.totals
    }

    pub(crate) fn tally(&self) -> &Tally {
        self.flow.tally
    }

    /// Up to where results to which this contributes were put out before a restart.
    #[inline]
    pub(crate) fn emitted(&self, origin: Origin) -> i64 {
        let resume = &self.flow.states.resume;
        if resume.is_behind() { resume.emitted(origin, self.index) } else { i64::MIN }
    }

    /// The stage's watermark.
    pub(crate) fn watermark(&self) -> i64 {
        self.flow.states.clocks[self.index].watermark()
    }

    /// A desk to lay rows on; give it back.
    pub(crate) fn desk(&mut self) -> Desk {
        self.flow.desks.pop().unwrap_or_default()
    }

    pub(crate) fn give_back(&mut self, mut desk: Desk) {
        desk.clear();
        self.flow.desks.push(desk);
    }

    /// Fresh registers on a desk, all missing.
    pub(crate) fn registers<'b>(&self, arena: &'b Bump) -> &'b [Cell<Value<'b>>] {
        arena.alloc_slice_fill_with(self.flow.plan.registers, |_| Cell::new(Value::Missing))
    }

    /// The rows up to [`end_closing`](Self::end_closing) belong together: `.order_by`, `.limit` and `.distinct` are about
    /// them.
    pub(crate) fn begin_closing(&mut self) {
        for &limit in &self.stage.limits {
            self.flow.states.limits[limit] = Default::default();
        }
        for &distinct in &self.stage.distincts {
            self.flow.states.distincts[distinct].clear();
        }
    }

    /// See [`begin_closing`](Self::begin_closing). `origin` is where all its rows came from.
    pub(crate) fn end_closing(&mut self, origin: Origin) {
        if let Some(sort) = self.stage.sort {
            let mut rows = mem::take(&mut self.flow.states.sorts[sort]);
            rows.sort();
            for row in rows.drain() {
                let End::Sort(sort) = &self.stage.rests[row.path].end else { continue };
                self.flow.run_kept(&sort.rest, &sort.registers, &row, origin, row.silent);
            }
            self.flow.states.sorts[sort] = rows;
        }
    }

    /// A row whose fields are the registers, on the only path behind the stage.
    pub(crate) fn row<'b>(&mut self, head: RowHead<'b>, registers: &'b [Cell<Value<'b>>], arena: &'b Bump)
    where
        Self: 'b,
    {
        let chain = &self.stage.rests[0];
        self.flow.run_row(chain, head, EventKey::Own(None), registers, arena);
    }

    /// The same, with the key of the record that let it out.
    pub(crate) fn row_with_key<'b>(
        &mut self,
        head: RowHead<'b>,
        key: EventKey<'b>,
        registers: &'b [Cell<Value<'b>>],
        arena: &'b Bump,
    ) where
        Self: 'b,
    {
        let chain = &self.stage.rests[0];
        self.flow.run_row(chain, head, key, registers, arena);
    }

    /// An event that was kept goes on as it came.
    pub(crate) fn kept(&mut self, kept: &Kept, origin: Origin, silent: bool) {
        let (chain, registers) = (&self.stage.rests[kept.path], &self.stage.registers[kept.path]);
        self.flow.run_kept(chain, registers, kept, origin, silent);
    }
}

impl Flow<'_> {
    fn run_row<'b>(
        &mut self,
        chain: &'b Chain,
        head: RowHead<'b>,
        key: EventKey<'b>,
        registers: &'b [Cell<Value<'b>>],
        arena: &'b Bump,
    ) where
        Self: 'b,
    {
        let number = self.number();
        let RowHead { time, origin, silent } = head;
        let parameters = arena.alloc_slice_fill_with(self.plan.parameters, |_| Cell::new(Value::Missing));
        let cx = Context {
            numbers: self.numbers,
            number,
            time: Cell::new(Some(time)),
            origin,
            key,
            silent,
            registers,
            ..Context::without_record(parameters, arena, self.tally)
        };
        self.run(chain, &cx);
    }

    /// Runs a chain for an event that was kept. `registers` are where the chain expects its fields.
    fn run_kept(&mut self, chain: &Chain, registers: &[u16], kept: &Kept, origin: Origin, silent: bool) {
        let mut desk = self.desks.pop().unwrap_or_default();
        let number = self.number();
        {
            let Desk { arena, decoder } = &mut desk;
            let cells: &[Cell<Value>] = arena.alloc_slice_fill_with(self.plan.registers, |_| Cell::new(Value::Missing));
            let parameters = arena.alloc_slice_fill_with(self.plan.parameters, |_| Cell::new(Value::Missing));
            let mut cx = Context {
                numbers: self.numbers,
                number,
                time: Cell::new(Some(kept.time)),
                origin,
                key: EventKey::Own(kept.key.as_deref()),
                silent,
                registers: cells,
                ..Context::without_record(parameters, arena, self.tally)
            };
            match &kept.body {
                Body::Fields(values) => {
                    for (register, value) in registers.iter().zip(values) {
                        cells[usize::from(*register)].set(value.view(arena));
                    }
                }
                Body::Record { text, event_type, typed_by_type } => {
                    let plan = self.plan;
                    let decoder =
                        decoder.get_or_insert_with(|| Box::new(Decoder::new(plan.columns.clone(), plan.keep_fields)));
                    cx.record = decoder.decode(text.as_bytes(), arena).expect("it was decoded when it came");
                    (cx.columns, cx.fields) = (decoder.columns(), Some(decoder.fields()));
                    (cx.event_type, cx.typed_by_type) = (event_type, *typed_by_type);
                }
            }
            self.run(chain, &cx);
        }
        desk.clear();
        self.desks.push(desk);
    }
}
