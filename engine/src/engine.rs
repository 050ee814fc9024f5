//! The engine: runs a plan over batches of slots, and writes each record's outputs into the record's own slot.
//!
//! What happens to a record: [`decode`](crate::decode) validates it whole and finds the plan's columns; its type (and the
//! topic it came from) names the chains to run, and [`flow`](crate::flow) takes it through them.
//!
//! 1. The engine is a function of the slots that it is given, in order; batches are without meaning. Only `now()` looks at
//!    a clock.
//! 2. A malformed record is counted and logged, and concerns nobody else.
//! 3. Once warm, a record allocates nothing: values lie in an arena that is emptied after each record, outputs in the
//!    slot's buffers.

use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

use bumpalo::Bump;

use crate::check::program::ConnectorKind;
use crate::counters::{Counters, Totals};
use crate::decode::{AT_TIMESTAMP, ColumnIndex, DATA, Decoder, EVENT_TYPE, TIME_CREATED, TYPE, UTC_TIME};
use crate::expr::user::Work;
use crate::expr::{Context, EventKey, KnownNumber, NumberCell, Origin, Tally};
use crate::flow::{Desk, Flow};
use crate::json::{Fault, Kind, Malformed};
use crate::operators::States;
use crate::plan::Plan;
use crate::report::Reporter;
use crate::slot::{Assignment, Cause, Mark, Outputs, Slot};
use crate::time;
use crate::value::Value;

/// Capacity in bytes that the arena may keep between records.
const ARENA_BYTES_KEPT: usize = 1 << 20;

/// How many slots ahead cache lines are asked for.
const PREFETCH_SLOTS: usize = 2;

/// Runs one plan for one lane.
#[derive(Debug)]
pub struct Engine {
    plan: Arc<Plan>,
    decoder: Decoder,
    /// Decodes the `data` of a file's native form.
    inner: Decoder,
    partitions: Vec<Partition>,
    arena: Bump,
    /// By [`NumberCell`].
    numbers: Box<[Cell<KnownNumber>]>,
    /// How many events there have been, rows of stages included.
    contexts: u64,
    states: States,
    /// Whether timers go by the wall clock, as in a run against Kafka.
    wall_timers: bool,
    desks: Vec<Desk>,
    tally: Tally,
    totals: Totals,
    times: time::Writer,
    /// Where a line is written before it is appended to the outputs: these lie far away, and it stays near.
    line: Vec<u8>,
    /// The event time of the last record that had no Kafka timestamp to fall back on.
    last_time: i64,
    last_type: LastType,
    reporter: Reporter,
    counters: Arc<Counters>,
}

/// The type that the last record named: neighbours mostly share it, and then one comparison tells.
#[derive(Debug)]
struct LastType {
    /// How long its name is, quotes included.
    len: usize,
    /// The last bytes of it, the last one in the highest place, and which of them count: all of them must.
    tail: u128,
    mask: u128,
    /// Its number, if some stream reads it.
    index: Option<ColumnIndex>,
}

impl Default for LastType {
    /// No name: its length is none that a value has.
    fn default() -> Self {
        LastType { len: usize::MAX, tail: 0, mask: 0, index: None }
    }
}

impl LastType {
    /// The type whose name stands at `place`, in quotes; remembered if it is short and does not begin the record.
    fn new(record: &str, place: Range<usize>, index: Option<ColumnIndex>) -> Self {
        match tail(record, place.end) {
            Some(tail) if (1..=size_of::<u128>()).contains(&place.len()) => {
                let mask = u128::MAX << (u128::BITS as usize - 8 * place.len());
                LastType { len: place.len(), tail: tail & mask, mask, index }
            }
            _ => Self::default(),
        }
    }

    #[inline(always)]
    fn stands_at(&self, record: &str, place: Range<usize>) -> bool {
        place.len() == self.len && tail(record, place.end).is_some_and(|tail| tail & self.mask == self.tail)
    }
}

#[inline(always)]
fn tail(record: &str, end: usize) -> Option<u128> {
    record.as_bytes().get(..end)?.last_chunk().map(|bytes| u128::from_le_bytes(*bytes))
}

/// What a partition index stands for.
#[derive(Debug, Clone)]
struct Partition {
    topic: String,
    number: i32,
    /// Index into the plan's routes.
    origin: usize,
    /// The type of records that name none.
    bound_type: Option<String>,
    /// Its number, if some stream reads it.
    bound_index: Option<ColumnIndex>,
    /// Whether its lines may take a file's forms.
    file: bool,
}

impl Partition {
    fn unknown() -> Self {
        Partition { topic: "input".into(), number: 0, origin: 0, bound_type: None, bound_index: None, file: true }
    }

    fn new(assignment: &Assignment, plan: &Plan) -> Self {
        let source = assignment.source.and_then(|source| plan.sources().get(usize::from(source)));
        let kind = source.map(|source| &plan.connectors()[source.connector].kind);
        let bound_type = source.and_then(|source| source.event_type.clone());
        Partition {
            topic: assignment.topic.clone(),
            number: assignment.partition,
            origin: plan.origin(assignment.source.filter(|_| source.is_some())),
            bound_index: bound_type.as_deref().and_then(|name| plan.types.find(name)),
            bound_type,
            file: !matches!(kind, Some(ConnectorKind::Kafka(_))),
        }
    }
}

impl Engine {
    /// An engine that has seen nothing yet.
    pub fn new(plan: Arc<Plan>) -> Self {
        Engine {
            decoder: Decoder::new(plan.columns.clone(), plan.keep_fields),
            inner: Decoder::new(plan.columns.clone(), plan.keep_fields),
            contexts: 0,
            states: States::new(plan.states, &plan.stages, plan.timers.len()),
            wall_timers: false,
            desks: Vec::new(),
            numbers: (0..NumberCell::count(plan.columns.len(), plan.registers, plan.steps))
                .map(|_| Cell::new(KnownNumber::NONE))
                .collect(),
            plan,
            partitions: Vec::new(),
            arena: Bump::new(),
            tally: Tally::default(),
            totals: Totals::default(),
            times: time::Writer::default(),
            line: Vec::new(),
            last_time: 0,
            last_type: LastType::default(),
            reporter: Reporter::default(),
            counters: Arc::default(),
        }
    }

    /// The plan that it runs.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// What it counts; up to date at the end of every batch.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Takes the next slots of the lane, in order, and adds to each the outputs that it causes.
    pub fn process(&mut self, slots: &mut [Slot]) {
        for at in 0..slots.len() {
            if let Some(ahead) = slots.get(at + PREFETCH_SLOTS) {
                ahead.prefetch_for_engine();
            }
            let slot = &mut slots[at];
            slot.begin();
            match &slot.cause {
                Cause::Record => self.record(slot),
                Cause::Assigned(assignment) => {
                    let index = slot.partition as usize;
                    if self.partitions.len() <= index {
                        self.partitions.resize_with(index + 1, Partition::unknown);
                    }
                    self.partitions[index] = Partition::new(assignment, &self.plan);
                    self.wall_timers |= !self.partitions[index].file;
                    for &stage in &self.plan.reaches[self.partitions[index].origin] {
                        self.states.clocks[stage].add(slot.partition);
                    }
                    let resume = &mut self.states.resume;
                    resume.assigned(slot.partition, slot.offset, &assignment.metadata, &self.plan.stages);
                    // Whoever keeps the ledger learns before the first record that there is state.
                    self.settle(slot);
                }
                Cause::EndOfInput => {
                    self.reporter.summarise();
                    self.flow(&mut slot.outputs).end();
                }
                Cause::Tick => {
                    self.reporter.tick();
                    let wall_ms = slot.timestamp_ms;
                    let mut flow = self.flow(&mut slot.outputs);
                    flow.tick(wall_ms);
                    if let Some(now) = time::from_millis(wall_ms) {
                        flow.timers(now);
                    }
                }
                // All partitions are revoked together, and what was not committed is read again by their next owner.
                Cause::Revoked => self.states.reset_stages(&self.plan.stages),
            }
        }
        if let Some(last) = slots.last_mut() {
            self.settle(last);
        }
        self.tally.tell(&mut self.totals);
        self.counters.publish(&self.totals);
    }

    /// Writes what a commit needs to know of the plan's state, as of this slot.
    fn settle(&self, slot: &mut Slot) {
        let (plan, states) = (&*self.plan, &self.states);
        if plan.stages.is_empty() {
            return;
        }
        slot.ends_batch = true;
        slot.floors.clear();
        slot.marks.clear();
        if states.resume.is_behind() {
            slot.floors.extend(states.resume.floors());
        } else {
            slot.floors.extend(states.retention.floors());
            let clocks = plan.stages.iter().zip(&states.clocks);
            slot.marks.extend(clocks.map(|(stage, clock)| Mark { stage: stage.mark, watermark: clock.mark() }));
        }
    }

    fn flow<'e>(&'e mut self, outputs: &'e mut Outputs) -> Flow<'e> {
        Flow {
            plan: &self.plan,
            states: &mut self.states,
            times: &mut self.times,
            line: &mut self.line,
            totals: &mut self.totals,
            tally: &self.tally,
            outputs,
            desks: &mut self.desks,
            numbers: &self.numbers,
            contexts: &mut self.contexts,
        }
    }

    #[inline]
    fn record(&mut self, slot: &mut Slot) {
        self.totals.records += 1;
        let behind = self.states.resume.is_behind();
        let silent = behind && self.states.resume.reads(slot.partition, slot.offset);
        if let Err(malformed) = self.decode_and_run(slot, silent) {
            self.malformed(slot, malformed);
        }
        if behind {
            self.flow(&mut slot.outputs).catch_up();
        }
        if self.arena.allocated_bytes() > ARENA_BYTES_KEPT {
            self.arena = Bump::new();
        } else {
            self.arena.reset();
        }
    }

    #[inline]
    fn decode_and_run(&mut self, slot: &mut Slot, silent: bool) -> Result<(), Malformed> {
        let plan = &*self.plan;
        let bytes = slot.payload.value().ok_or(Malformed { at: 0, fault: Fault::Tombstone })?;
        let outer = self.decoder.decode(bytes, &self.arena)?;
        let partition = self.partitions.get(slot.partition as usize);
        let file = partition.is_none_or(|partition| partition.file);

        let outer_columns = self.decoder.columns();
        let event_type = &outer_columns[usize::from(EVENT_TYPE)];
        let by_type = file && event_type.kind == Kind::Missing;
        let named = if by_type { &outer_columns[usize::from(TYPE)] } else { event_type };
        let again = self.last_type.stands_at(outer, named.place());
        let mut type_index = if again { self.last_type.index } else { None };
        let mut type_name = match type_index {
            Some(index) => Some(plan.types.name(index)),
            None => named.string(outer, &self.arena),
        };
        if let (false, Some(name)) = (again, type_name) {
            type_index = plan.types.find(name);
            self.last_type = LastType::new(outer, named.place(), type_index);
        }
        let typed_by_type = by_type && type_name.is_some();

        let (mut record, mut decoder, mut outer_time) = (outer, &self.decoder, None);
        if file && !by_type && type_name.is_some() {
            let data = &outer_columns[usize::from(DATA)];
            if data.kind == Kind::Map && !self.decoder.has_foreign_fields() {
                outer_time = [AT_TIMESTAMP, UTC_TIME, TIME_CREATED].into_iter().find_map(|column| {
                    time::parse(outer_columns[usize::from(column)].string(outer, &self.arena)?.as_bytes())
                });
                record = self.inner.decode(data.raw(outer).as_bytes(), &self.arena)?;
                decoder = &self.inner;
            }
        }
        if type_name.is_none()
            && matches!(event_type.kind, Kind::Missing | Kind::Null)
            && let Some(partition) = partition
        {
            (type_name, type_index) = (partition.bound_type.as_deref(), partition.bound_index);
        }

        self.contexts += 1;
        let registers = cells(plan.registers, &self.arena);
        let cx = Context {
            record,
            columns: decoder.columns(),
            numbers: &self.numbers,
            number: self.contexts,
            fields: Some(decoder.fields()),
            event_type: type_name.unwrap_or_default(),
            typed_by_type,
            outer_time,
            fallback_time: time::from_millis(slot.timestamp_ms).filter(|time| *time >= 0).unwrap_or(self.last_time),
            time: Cell::new(None),
            origin: Origin::Record { partition: slot.partition, offset: slot.offset },
            key: EventKey::Input(slot.payload.key()),
            silent,
            registers,
            parameters: cells(plan.parameters, &self.arena),
            work: Work::default(),
            arena: &self.arena,
            tally: &self.tally,
        };
        if slot.timestamp_ms < 0 {
            self.last_time = cx.time();
        }
        let origin = partition.map_or(0, |partition| partition.origin);
        let roots = type_index.map_or(&[][..], |index| &plan.routes[origin][usize::from(index)]);
        self.totals.unrouted += u64::from(roots.is_empty());
        let mut flow = Flow {
            plan,
            states: &mut self.states,
            times: &mut self.times,
            line: &mut self.line,
            totals: &mut self.totals,
            tally: &self.tally,
            outputs: &mut slot.outputs,
            desks: &mut self.desks,
            numbers: &self.numbers,
            contexts: &mut self.contexts,
        };
        if !plan.timers.is_empty() && !self.wall_timers {
            flow.timers(cx.time());
        }
        for &root in roots {
            flow.run(&plan.roots[root as usize], &cx);
        }
        Ok(())
    }

    #[cold]
    fn malformed(&mut self, slot: &Slot, malformed: Malformed) {
        self.totals.malformed += 1;
        let unknown = Partition::unknown();
        let partition = self.partitions.get(slot.partition as usize).unwrap_or(&unknown);
        self.reporter.malformed(&partition.topic, partition.number, slot.offset, &malformed);
    }
}

/// Fresh cells, all missing.
#[inline]
fn cells<'a>(count: usize, arena: &'a Bump) -> &'a [Cell<Value<'a>>] {
    if count == 0 { &[] } else { arena.alloc_slice_fill_with(count, |_| Cell::new(Value::Missing)) }
}
