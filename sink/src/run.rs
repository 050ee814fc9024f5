//! The sink's thread: claims what the engine has evaluated, sends the outputs, serves delivery reports, advances the
//! acknowledged prefix.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;
use hdrhistogram::Histogram;
use kolo_engine::clock::Clock;
use kolo_engine::slot::{Assignment, Cause, Commit, Headers, Key, PartitionIndex, Slot};
use kolo_ring::{Acknowledger, Blocked, LaneBatch, LaneParty, Monitor, WaitStrategy};
use rdkafka::client::ClientContext;

use crate::kafka::{ConnectError, Producer, Refusal, SendError, TopicIndex};
use crate::ledger::Ledger;
use crate::lines::Lines;
use crate::partitioner;

/// Slots claimed at a time, at most: few enough that acknowledgements and the source's room do not wait for long.
const BATCH: usize = 256;

/// How many slots ahead the engine's cache lines are asked for.
const PREFETCH_SLOTS: usize = 2;

/// Latencies beyond this are counted as this: one hour.
const LONGEST_LATENCY_US: u64 = 3_600_000_000;

/// Where the outputs of one `.to` go.
pub enum Target {
    /// A topic of one of the sink's producers.
    Kafka {
        /// Index into the producers.
        producer: usize,
        /// The topic; `None`: each output names its own.
        topic: Option<TopicIndex>,
        /// Whether outputs have the headers of the record that caused them.
        pass_headers: bool,
    },
    /// Index into the sink's line writers.
    Lines(usize),
    /// Nowhere: a dry run.
    Null,
}

/// What the sink has done so far. Written by the sink alone, once a batch.
#[derive(Debug, Default)]
pub struct Counters {
    /// Outputs handed on: to librdkafka, to a line writer, or dropped by a dry run.
    pub outputs: CachePadded<AtomicU64>,
    /// Bytes of their values.
    pub bytes: AtomicU64,
    /// Outputs whose delivery a broker has confirmed.
    pub delivered: AtomicU64,
}

/// Why the sink stopped before the end.
#[derive(Debug)]
pub enum Error {
    /// An output was refused for good; nothing from its input on is committed.
    Refused {
        /// `topic/partition@offset` of the record that caused it.
        input: String,
        /// Where it should have gone, and why it did not.
        refusal: Refusal,
    },
    /// An output topic that a record names could not be used.
    Topic {
        /// `topic/partition@offset` of the record that caused it.
        input: String,
        /// The reason.
        reason: ConnectError,
    },
    /// A file or standard output could not be written to.
    Write {
        /// What was written to.
        name: String,
        /// The operating system's reason.
        reason: io::Error,
    },
    /// Another party of the lane failed; its error tells why.
    LanePoisoned,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Refused { input, refusal } => write!(
                f,
                "an output of record {input} was refused for good by {}/{}: {}; nothing from that record on was \
                 committed, so a restart reads it again",
                refusal.topic, refusal.partition, refusal.reason
            ),
            Error::Topic { input, reason } => write!(f, "an output of record {input} cannot be sent: {reason}"),
            Error::Write { name, reason } => write!(f, "{name} cannot be written to: {reason}"),
            Error::LanePoisoned => write!(f, "stopped because another part of the lane failed"),
        }
    }
}

impl std::error::Error for Error {}

/// Told, for each partition, from where to read on, once everything before that is delivered.
type StoreOffsets = Box<dyn FnMut(&[Commit]) + Send>;

/// The last party of a lane.
pub struct Sink<S: LaneParty<Slot = Slot>, C: ClientContext> {
    stage: S,
    acknowledger: Acknowledger<S::Wait>,
    outlets: Outlets<C>,
    ledger: Ledger,
    store: StoreOffsets,
    offsets: Vec<(PartitionIndex, i64)>,
    commits: Vec<Commit>,
    inputs: Inputs,
    monitor: Monitor,
    clock: Clock,
    latency_us: Histogram<u64>,
    counters: Arc<Counters>,
}

/// Everything that outputs can go to.
pub struct Outlets<C: ClientContext> {
    /// One producer for each Kafka connector that the program writes to.
    pub producers: Vec<Producer<C>>,
    /// Files, and standard output for console connectors.
    pub lines: Vec<Lines>,
    /// For each target of the plan, in its order.
    pub targets: Vec<Target>,
    /// Which of `lines` repeats every output that does not go there anyway; `None`: outputs are not repeated.
    pub echo: Option<usize>,
    /// Called once if the reader of a line writer has gone away; the run is to end as by a signal.
    pub reader_gone: Box<dyn FnMut() + Send>,
}

impl<S: LaneParty<Slot = Slot>, C: ClientContext + 'static> Sink<S, C> {
    /// A sink over the last stage. `store` is told, for each partition, the next offset to read once everything before
    /// it is delivered; `in_flight` is the lane's second gate.
    pub fn new(
        stage: S,
        acknowledger: Acknowledger<S::Wait>,
        monitor: Monitor,
        mut outlets: Outlets<C>,
        in_flight: u64,
        store: impl FnMut(&[Commit]) + Send + 'static,
        clock: Clock,
    ) -> Self {
        if S::Wait::SIGNALS {
            for producer in &mut outlets.producers {
                let waker = stage.waker();
                producer.on_reports(move || waker.wake());
            }
        }
        Sink {
            stage,
            acknowledger,
            outlets,
            ledger: Ledger::new(in_flight),
            store: Box::new(store),
            offsets: Vec::new(),
            commits: Vec::new(),
            inputs: Inputs::default(),
            monitor,
            clock,
            latency_us: Histogram::new_with_bounds(1, LONGEST_LATENCY_US, 3).expect("the bounds are in order"),
            counters: Arc::default(),
        }
    }

    /// The sink's counters.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Runs until the lane has closed and everything is delivered. Returns the latencies of all records, from arrival
    /// in the source to acknowledgement, in microseconds.
    ///
    /// If a line's reader went away, lines that nobody received stay unacknowledged and the run ends without them.
    ///
    /// # Errors
    /// An output refused for good, a file that cannot be written, or a lane poisoned by another party.
    pub fn run(mut self) -> Result<Histogram<u64>, Error> {
        let mut closed = false;
        loop {
            let mut worked = self.settle()?;
            match self.take() {
                Ok(slots) => worked |= slots > 0,
                Err(Untaken::Closed) => closed = true,
                Err(Untaken::Failed(error)) => return Err(error),
            }
            if closed && (self.ledger.is_settled() || self.outlets.nothing_in_flight()) {
                self.settle()?;
                return Ok(self.latency_us);
            }
            if worked {
                self.stage.worked();
            } else {
                let outlets = &self.outlets;
                self.stage.wait(|stage| (!closed && stage.ready()) || outlets.has_reports());
            }
        }
    }

    /// Serves delivery reports and advances the prefix: offsets are stored first, then the cursor moves.
    #[inline]
    fn settle(&mut self) -> Result<bool, Error> {
        let mut delivered = 0;
        for number in 0..self.outlets.producers.len() {
            let ledger = &mut self.ledger;
            match self.outlets.producers[number].serve(|sequence| ledger.confirm(sequence, 1)) {
                Ok(served) => delivered += served,
                Err(refusal) => return Err(refused(&self.ledger, &self.inputs, refusal)),
            }
        }
        if delivered > 0 {
            self.counters.delivered.fetch_add(delivered as u64, Ordering::Relaxed);
        }
        let before = self.ledger.prefix();
        let mut now_us = None;
        let (clock, latency_us) = (&self.clock, &mut self.latency_us);
        let prefix = self.ledger.advance(|arrived_ns, records| {
            let now_ns = *now_us.get_or_insert_with(|| clock.now_ns());
            latency_us.saturating_record_n(now_ns.saturating_sub(arrived_ns) / 1_000, records);
        });
        if prefix == before {
            return Ok(delivered > 0);
        }
        self.offsets.clear();
        self.ledger.take_offsets(&mut self.offsets);
        if !self.offsets.is_empty() {
            let ledger = &self.ledger;
            self.commits.clear();
            self.commits.extend(self.offsets.iter().map(|(partition, offset)| ledger.commit(*partition, *offset)));
            (self.store)(&self.commits);
        }
        self.acknowledger.acknowledge(prefix);
        Ok(true)
    }

    /// The hot path: one batch of slots, entered into the ledger, sent, and given home. Returns their number.
    #[inline]
    fn take(&mut self) -> Result<usize, Untaken> {
        let Sink { stage, outlets, ledger, inputs, counters, monitor, .. } = self;
        let mut batch = match stage.try_claim(BATCH) {
            Ok(batch) => batch,
            Err(Blocked::NotYet) => return Ok(0),
            Err(Blocked::Closed) => return Err(Untaken::Closed),
            Err(Blocked::Poisoned) => return Err(Untaken::Failed(Error::LanePoisoned)),
        };
        let first = batch.sequence();
        let (mut outputs, mut bytes) = (0, 0);
        for (at, slot) in batch.iter().enumerate() {
            if let Some(ahead) = batch.get(at + PREFETCH_SLOTS) {
                ahead.prefetch_for_sink();
            }
            let sequence = first + at as u64;
            if let Cause::Assigned(assignment) = &slot.cause {
                inputs.learn(slot.partition, assignment);
            }
            // SAFETY: `send` below returns before the slots are recycled or released.
            let outstanding = unsafe { outlets.gather(slot, sequence, inputs) }.map_err(Untaken::Failed)?;
            outputs += slot.outputs.list().len() as u64;
            bytes += slot.outputs.list().iter().map(|output| u64::from(output.value.len)).sum::<u64>();
            ledger.enter(sequence, slot, outstanding);
            if slot.ends_batch {
                ledger.record_floors(sequence, &slot.floors);
                ledger.record_marks(sequence, &slot.marks);
            }
        }
        match outlets.send(ledger, || monitor.poisoned()) {
            Ok(()) => {}
            Err(SendError::Refused(refusal)) => return Err(Untaken::Failed(refused(ledger, inputs, refusal))),
            Err(SendError::Cancelled) => return Err(Untaken::Failed(Error::LanePoisoned)),
        }
        if !outlets.flush().map_err(Untaken::Failed)? {
            // Which lines of this batch arrived cannot be known: none of its slots is acknowledged.
            ledger.hold(first);
        }
        counters.outputs.fetch_add(outputs, Ordering::Relaxed);
        counters.bytes.fetch_add(bytes, Ordering::Relaxed);
        batch.iter_mut().for_each(Slot::recycle);
        let slots = batch.len();
        batch.release(slots);
        Ok(slots)
    }
}

/// Names the record whose output will never be delivered.
#[cold]
fn refused(ledger: &Ledger, inputs: &Inputs, refusal: Refusal) -> Error {
    let (partition, offset) = ledger.place(refusal.sequence).unwrap_or((PartitionIndex::MAX, -1));
    Error::Refused { input: inputs.place(partition, offset), refusal }
}

/// The partitions that records come from, as assignments announce them.
#[derive(Default)]
struct Inputs {
    /// Topic and Kafka's partition number, by [`PartitionIndex`].
    partitions: Vec<(String, i32)>,
}

impl Inputs {
    fn learn(&mut self, index: PartitionIndex, assignment: &Assignment) {
        let index = index as usize;
        self.partitions.resize(self.partitions.len().max(index + 1), Default::default());
        self.partitions[index] = (assignment.topic.clone(), assignment.partition);
    }

    /// Kafka's partition number.
    #[inline]
    fn number(&self, index: PartitionIndex) -> i32 {
        self.partitions.get(index as usize).map_or(0, |&(_, partition)| partition)
    }

    /// `topic/partition@offset`, as messages name a record.
    fn place(&self, index: PartitionIndex, offset: i64) -> String {
        match self.partitions.get(index as usize) {
            Some((topic, partition)) => format!("{topic}/{partition}@{offset}"),
            None => format!("?@{offset}"),
        }
    }
}

/// Why no batch was taken.
enum Untaken {
    Closed,
    Failed(Error),
}

impl<C: ClientContext> Outlets<C> {
    /// Gathers the outputs of one slot, or writes them if they are lines. Returns how many confirmations it waits for.
    ///
    /// # Safety
    /// The slot must stay where it is, unchanged, until `send` has returned.
    #[inline]
    unsafe fn gather(&mut self, slot: &Slot, sequence: u64, inputs: &Inputs) -> Result<u32, Error> {
        let mut outstanding = 0;
        for output in slot.outputs.list() {
            let value = slot.outputs.bytes(output.value);
            let mut written_to = None;
            match output.target.map(|target| &self.targets[target as usize]) {
                Some(&Target::Kafka { producer, topic, pass_headers }) => {
                    let producer = &mut self.producers[producer];
                    let topic = match output.topic {
                        None => topic.expect("the plan gives every output without a topic of its own a target's"),
                        Some(name) => producer.topic(slot.outputs.bytes(name)).map_err(|reason| Error::Topic {
                            input: inputs.place(slot.partition, slot.offset),
                            reason,
                        })?,
                    };
                    let key = match output.key {
                        Key::None => None,
                        Key::Input => slot.payload.key(),
                        Key::Own(span) => Some(slot.outputs.bytes(span)),
                    };
                    let partitions = producer.partitions(topic);
                    let partition = match key {
                        Some(key) => partitioner::by_key(key, partitions),
                        None => inputs.number(slot.partition) % partitions,
                    };
                    // A slot that is no record holds what the last lap left.
                    let headers = match slot.cause {
                        Cause::Record if pass_headers => slot.payload.headers(),
                        _ => Headers::default(),
                    };
                    // SAFETY: key, value and headers lie in the slot, which the caller keeps in place.
                    unsafe {
                        producer.gather(topic, partition, key, value, sequence);
                        if output.timestamp_ms > 0 || !headers.is_empty() {
                            producer.single_out(topic, partition, output.timestamp_ms.max(0), headers);
                        }
                    }
                    outstanding += 1;
                }
                Some(&Target::Lines(number)) => {
                    self.write(number, value, true)?;
                    written_to = Some(number);
                }
                Some(Target::Null) | None => {}
            }
            if let Some(echo) = self.echo
                && written_to != Some(echo)
            {
                // A line that repeats what goes elsewhere holds nothing up when its reader has gone.
                self.write(echo, value, output.target.is_none())?;
            }
        }
        Ok(outstanding)
    }

    /// Hands everything gathered to librdkafka, and the lines to the operating system.
    #[inline]
    fn send(&mut self, ledger: &mut Ledger, poisoned: impl Fn() -> bool) -> Result<(), SendError> {
        for producer in &mut self.producers {
            producer.send(|sequence| ledger.confirm(sequence, 1), &poisoned)?;
        }
        Ok(())
    }

    #[inline]
    fn write(&mut self, number: usize, line: &[u8], owed: bool) -> Result<(), Error> {
        self.lines[number].write(line, owed).or_else(|reason| self.failed(number, reason))
    }

    /// Flushes all lines. False: a reader has gone, and lines that were owed to it were not written.
    #[inline]
    fn flush(&mut self) -> Result<bool, Error> {
        let mut complete = true;
        for number in 0..self.lines.len() {
            self.lines[number].flush().or_else(|reason| self.failed(number, reason))?;
            complete &= self.lines[number].settled();
        }
        Ok(complete)
    }

    #[cold]
    fn failed(&mut self, number: usize, reason: io::Error) -> Result<(), Error> {
        if reason.kind() == io::ErrorKind::BrokenPipe {
            (self.reader_gone)();
            return Ok(());
        }
        Err(Error::Write { name: self.lines[number].name().to_owned(), reason })
    }

    #[inline]
    fn has_reports(&self) -> bool {
        self.producers.iter().any(Producer::has_reports)
    }

    fn nothing_in_flight(&self) -> bool {
        self.producers.iter().all(|producer| producer.in_flight() == 0)
    }
}
