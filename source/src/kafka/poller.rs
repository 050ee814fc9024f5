//! The poller thread: from librdkafka's queues into the lane.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use kolo_engine::clock::Clock;
use kolo_engine::slot::{Assignment, Cause, PartitionIndex, Slot};
use kolo_ring::{Blocked, LaneBatch, LaneProducer, WaitStrategy};
use rdkafka::bindings::rd_kafka_resp_err_t as Code;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::consumer::{Consumer, OffsetStore, Rebalance};
use super::error::Error;
use super::offsets::{self, Start};
use super::queue::{Headers, Message};
use crate::control::Control;
use crate::partitions::Partitions;
use crate::spill::{self, SpillBudget};

/// How long a revocation waits for what is in flight before the partitions go unacknowledged.
const REVOKE_DEADLINE: Duration = Duration::from_secs(30);
/// How often the lag is taken anew.
const LAG_EVERY: Duration = Duration::from_millis(500);

/// How the poller behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Finish by itself when every partition has reached the end that it had at the start.
    pub until_end: bool,
    /// Whether offsets are committed (a dry run leaves the group untouched).
    pub commit: bool,
    /// Publish a [`Cause::Tick`] this often; `None`: the plan needs none.
    pub tick_every: Option<Duration>,
    /// Whether records are taken with their headers, because some target passes them on.
    pub headers: bool,
    /// Bytes of large payloads that may be in flight; at least one record is always admitted.
    pub spill_limit: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { until_end: false, commit: true, tick_every: None, headers: false, spill_limit: spill::DEFAULT_LIMIT }
    }
}

/// What the poller has done so far. Written by the poller alone, once a batch.
#[derive(Debug, Default)]
pub struct Counters {
    /// Records put into the lane.
    pub records: CachePadded<AtomicU64>,
    /// Bytes of their keys and values.
    pub bytes: AtomicU64,
    /// Records that the broker holds beyond what has been taken; −1 while unknown.
    pub lag: AtomicI64,
    /// Partitions held now.
    pub partitions: AtomicU64,
}

/// One partition as the poller sees it. Indexed by [`PartitionIndex`].
struct Held {
    consumer: usize,
    topic: String,
    partition: i32,
    /// The next offset to come.
    position: i64,
    /// Records from here on are not wanted.
    end: i64,
    active: bool,
}

impl Held {
    fn finished(&self) -> bool {
        !self.active || self.position >= self.end
    }
}

/// Which partition a run of messages belongs to. Good for one batch: a topic object's address may be used again later.
#[derive(Clone, Copy)]
struct Route {
    topic_address: usize,
    partition: i32,
    index: Option<PartitionIndex>,
}

/// The source's side of a lane that reads Kafka.
pub struct Poller<P, C: ClientContext + 'static> {
    lane: P,
    consumers: Vec<Consumer<C>>,
    partitions: Arc<Partitions>,
    held: Vec<Held>,
    spill: SpillBudget,
    options: Options,
    clock: Clock,
    counters: Arc<Counters>,
    next_tick: Instant,
    next_lag: Instant,
}

impl<P: LaneProducer<Slot = Slot>, C: ClientContext + 'static> Poller<P, C> {
    /// A poller over connected consumers.
    pub fn new(lane: P, mut consumers: Vec<Consumer<C>>, options: Options, clock: Clock) -> Self {
        if P::Wait::SIGNALS {
            for consumer in &mut consumers {
                let (data, control) = (lane.waker(), lane.waker());
                consumer.data.on_non_empty(move || data.wake());
                consumer.control.on_non_empty(move || control.wake());
            }
        }
        Poller {
            lane,
            consumers,
            partitions: Arc::new(Partitions::default()),
            held: Vec::new(),
            spill: SpillBudget::new(options.spill_limit),
            options,
            clock,
            counters: Arc::new(Counters { lag: AtomicI64::new(-1), ..Counters::default() }),
            next_tick: Instant::now(),
            next_lag: Instant::now(),
        }
    }

    /// What the sink stores acknowledged offsets with.
    pub fn offset_store(&self) -> OffsetStore<C> {
        OffsetStore {
            clients: self.consumers.iter().map(|c| Arc::clone(&c.client)).collect(),
            partitions: Arc::clone(&self.partitions),
        }
    }

    /// The poller's counters.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Wakes the poller when it sleeps, for whoever sets `stop`.
    pub fn waker(&self) -> kolo_ring::Waker {
        self.lane.waker()
    }

    /// Polls until it is asked to stop or the input has ended, then lets the lane drain, commits and closes.
    ///
    /// `listening` is called once, when every consumer has its assignment and absolute start offsets.
    ///
    /// # Errors
    /// A client that can't go on, offsets that could not be had, or a lane poisoned by another party.
    pub fn run(mut self, control: &Control, listening: impl FnOnce()) -> Result<(), Error> {
        let mut listening = Some(listening);
        loop {
            self.serve()?;
            if listening.is_some() && self.consumers.iter().all(|c| c.ready) {
                listening.take().expect("just seen")();
            }
            if control.stopping() {
                break;
            }
            if listening.is_none() && self.options.until_end && self.held.iter().all(Held::finished) {
                self.publish(|slot| slot.cause = Cause::EndOfInput)?;
                break;
            }
            self.tick()?;
            if self.transfer()? == 0 {
                self.idle(control);
            }
        }
        self.finish()
    }

    /// Control events, and rebalances that wait for an answer.
    fn serve(&mut self) -> Result<(), Error> {
        if self.lane.poisoned() {
            return Err(Error::LanePoisoned);
        }
        for number in 0..self.consumers.len() {
            self.consumers[number].serve()?;
            while let Some(rebalance) = self.consumers[number].next_rebalance() {
                match rebalance {
                    Rebalance::Assign(partitions) => self.assign(number, &partitions)?,
                    Rebalance::Revoke { partitions, lost } => self.revoke(number, &partitions, lost)?,
                }
            }
        }
        Ok(())
    }

    fn assign(&mut self, number: usize, partitions: &TopicPartitionList) -> Result<(), Error> {
        self.consumers[number].check_alone(partitions)?;
        let starts = offsets::resolve(&self.consumers[number], partitions)?;
        let mut absolute = TopicPartitionList::with_capacity(starts.len());
        let mut uncommitted = TopicPartitionList::new();
        for start in &starts {
            let offset = Offset::Offset(start.offset);
            absolute.add_partition_offset(&start.topic, start.partition, offset).expect("a valid offset");
            if !start.committed {
                uncommitted.add_partition_offset(&start.topic, start.partition, offset).expect("a valid offset");
            }
        }
        let consumer = &self.consumers[number];
        let rk = consumer.client.client().native_ptr();
        for start in &starts {
            // SAFETY: `rk` is the live client that the data queue belongs to.
            unsafe { consumer.data.take_partition(rk, &start.topic, start.partition) };
        }
        consumer.accept(&absolute).map_err(|reason| Error::Client {
            connector: consumer.config.connector.clone(),
            reason: reason.to_string(),
        })?;
        if self.options.commit
            && uncommitted.count() > 0
            && let Err(reason) = consumer.client.commit(&uncommitted, CommitMode::Sync)
        {
            log::warn!(target: "kolo::source", "the start offsets were not committed: {reason}");
        }
        // Random, so that no other assignment has it, in whatever process.
        let epoch = RandomState::new().build_hasher().finish();
        for start in starts {
            self.hold(number, start, epoch)?;
        }
        self.consumers[number].ready = true;
        self.counters.partitions.store(self.held.iter().filter(|h| h.active).count() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn hold(&mut self, number: usize, start: Start, epoch: u64) -> Result<(), Error> {
        let index = self.partitions.assign(number, &start.topic, start.partition);
        let consumer = &mut self.consumers[number];
        let place = (start.topic.clone(), start.partition);
        let end = if self.options.until_end { consumer.ends.get(&place).copied().unwrap_or(0) } else { i64::MAX };
        consumer.assigned.insert(place, index);
        let source = consumer.config.topics.iter().find(|t| t.name == start.topic).map(|t| t.source);
        log::info!(target: "kolo::source", "{}/{}: assigned, from offset {}", start.topic, start.partition, start.offset);
        self.held.push(Held {
            consumer: number,
            topic: start.topic.clone(),
            partition: start.partition,
            position: start.offset,
            end,
            active: true,
        });
        let assignment =
            Assignment { topic: start.topic, partition: start.partition, source, metadata: start.metadata, epoch };
        self.publish(|slot| {
            slot.cause = Cause::Assigned(Box::new(assignment));
            slot.partition = index;
            slot.offset = start.offset;
        })
    }

    /// Stops taking from the partitions, waits until all that was taken is acknowledged and its offsets are stored, and
    /// gives them up. A lost assignment is somebody else's already: nothing to wait for.
    fn revoke(&mut self, number: usize, partitions: &TopicPartitionList, lost: bool) -> Result<(), Error> {
        let mut indices = Vec::new();
        for element in partitions.elements() {
            let place = (element.topic().to_owned(), element.partition());
            if let Some(index) = self.consumers[number].assigned.remove(&place) {
                self.held[index as usize].active = false;
                indices.push(index);
                log::info!(target: "kolo::source", "{}/{}: {}", place.0, place.1, if lost { "lost" } else { "revoked" });
            }
        }
        for &index in &indices {
            self.publish(|slot| {
                slot.cause = Cause::Revoked;
                slot.partition = index;
            })?;
        }
        if !lost && !indices.is_empty() {
            let late = Instant::now() + REVOKE_DEADLINE;
            if self.drain(|| Instant::now() >= late)? {
                if self.options.commit {
                    self.consumers[number].commit_stored();
                }
            } else {
                log::warn!(
                    target: "kolo::source",
                    "{} partition(s) given up before all their records were acknowledged (waited {} s): their new \
                     owner reads those again",
                    indices.len(),
                    REVOKE_DEADLINE.as_secs()
                );
            }
        }
        for &index in &indices {
            self.partitions.retire(index);
        }
        let consumer = &self.consumers[number];
        if let Err(reason) = consumer.give_up(partitions) {
            log::warn!(target: "kolo::source", "connector {}: {reason}", consumer.config.connector);
        }
        self.counters.partitions.store(self.held.iter().filter(|h| h.active).count() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until everything published is acknowledged, serving librdkafka meanwhile. False: given up before.
    fn drain(&mut self, give_up: impl Fn() -> bool) -> Result<bool, Error> {
        while !self.lane.drained() {
            if self.lane.poisoned() {
                return Err(Error::LanePoisoned);
            }
            if give_up() {
                return Ok(false);
            }
            for consumer in &mut self.consumers {
                consumer.serve()?;
            }
            self.lane.wait(|lane| lane.drained() || lane.poisoned() || give_up());
        }
        Ok(true)
    }

    /// Publishes one slot that is not a record, waiting for room.
    fn publish(&mut self, fill: impl FnOnce(&mut Slot)) -> Result<(), Error> {
        loop {
            let blocked = match self.lane.try_claim(1) {
                Ok(mut batch) => {
                    let slot = &mut batch[0];
                    slot.offset = -1;
                    slot.timestamp_ms = -1;
                    slot.arrived_ns = self.clock.now_ns();
                    fill(slot);
                    batch.publish(1);
                    return Ok(());
                }
                Err(blocked) => blocked,
            };
            match blocked {
                Blocked::NotYet => {
                    for consumer in &mut self.consumers {
                        consumer.serve()?;
                    }
                    self.lane.wait(|lane| lane.ready());
                }
                Blocked::Poisoned | Blocked::Closed => return Err(Error::LanePoisoned),
            }
        }
    }

    fn tick(&mut self) -> Result<(), Error> {
        let Some(every) = self.options.tick_every else { return Ok(()) };
        let now = Instant::now();
        if now < self.next_tick {
            return Ok(());
        }
        self.next_tick = now + every;
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        self.publish(|slot| {
            slot.cause = Cause::Tick;
            slot.timestamp_ms = wall.as_millis() as i64;
        })
    }

    /// Moves what has arrived into the lane, as far as there is room. Returns the messages handled.
    fn transfer(&mut self) -> Result<usize, Error> {
        let mut handled = 0;
        for number in 0..self.consumers.len() {
            let consumer = &mut self.consumers[number];
            if consumer.messages.is_empty() {
                consumer.data.take(&mut consumer.messages);
            }
            handled += self.fill(number)?;
        }
        if handled > 0 {
            self.take_lag();
        }
        Ok(handled)
    }

    /// The hot path: copies messages into slots, batch by batch, until there are none left or no room.
    fn fill(&mut self, number: usize) -> Result<usize, Error> {
        self.spill.settle(self.lane.sent());
        let Poller { lane, consumers, held, spill, clock, counters, options, .. } = self;
        let with_headers = options.headers;
        let consumer = &mut consumers[number];
        let mut handled = 0;
        let mut bytes = 0;
        let mut route = Route { topic_address: 0, partition: -1, index: None };
        let mut gone = Vec::new();
        while !consumer.messages.is_empty() && spill.admits() {
            let mut batch = match lane.try_claim(consumer.messages.len()) {
                Ok(batch) => batch,
                Err(Blocked::NotYet) => break,
                Err(Blocked::Poisoned | Blocked::Closed) => return Err(Error::LanePoisoned),
            };
            let arrived_ns = clock.now_ns();
            let first = batch.sequence();
            let mut filled = 0;
            while filled < batch.len() {
                let Some(message) = consumer.messages.peek() else { break };
                if message.topic_address() != route.topic_address || message.partition() != route.partition {
                    let place = (message.topic().to_owned(), message.partition());
                    route = Route {
                        topic_address: message.topic_address(),
                        partition: place.1,
                        index: consumer.assigned.get(&place).copied(),
                    };
                }
                if let Some(index) = route.index {
                    let held = &mut held[index as usize];
                    if message.error() != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
                        if event(&message, held) {
                            gone.push(index);
                        }
                    } else if message.offset() < held.end {
                        let slot = &mut batch[filled];
                        slot.cause = Cause::Record;
                        slot.partition = index;
                        slot.offset = message.offset();
                        slot.timestamp_ms = message.timestamp_ms();
                        slot.arrived_ns = arrived_ns;
                        let (key, value) = (message.key(), message.value());
                        bytes += key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
                        if with_headers {
                            slot.payload.set_with_headers(key, value, headers(&message, held));
                        } else {
                            slot.payload.set(key, value);
                        }
                        held.position = message.offset() + 1;
                        spill.took(first + filled as u64, slot.payload.spilled_bytes());
                        filled += 1;
                    } else {
                        held.position = held.end;
                    }
                } else if message.error() != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
                    log::debug!(target: "kolo::source", "{}: {}", message.topic(), describe(&message));
                }
                consumer.messages.advance();
                handled += 1;
                if !spill.admits() {
                    break;
                }
            }
            batch.publish(filled);
            counters.records.fetch_add(filled as u64, Ordering::Relaxed);
        }
        counters.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        for index in gone {
            self.resume(number, index)?;
        }
        Ok(handled)
    }

    /// The position's records are gone from the broker: say so and go on with what it still holds.
    fn resume(&mut self, number: usize, index: PartitionIndex) -> Result<(), Error> {
        let held = &mut self.held[index as usize];
        let consumer = &self.consumers[number];
        let (low, high) = consumer.watermarks(&held.topic, held.partition, Duration::from_secs(15))?;
        let offset = if held.position < low { low } else { high };
        log::error!(
            target: "kolo::source",
            "{}/{}: offset {} is not on the broker, which holds {low} to {high} (retention, or a topic created anew); going on at {offset}",
            held.topic, held.partition, held.position
        );
        let mut place = TopicPartitionList::new();
        place.add_partition_offset(&held.topic, held.partition, Offset::Offset(offset)).expect("a valid offset");
        held.position = offset;
        consumer.client.seek_partitions(place, Duration::from_secs(15)).map(drop).map_err(|reason| Error::Client {
            connector: consumer.config.connector.clone(),
            reason: reason.to_string(),
        })
    }

    fn take_lag(&mut self) {
        let now = Instant::now();
        if now < self.next_lag {
            return;
        }
        self.next_lag = now + LAG_EVERY;
        let mut lag = 0;
        for held in self.held.iter().filter(|h| h.active) {
            // What librdkafka learned with its last fetch: no round trip.
            if let Some(high) = self.consumers[held.consumer].known_end(&held.topic, held.partition) {
                lag += (high - held.position).max(0);
            }
        }
        self.counters.lag.store(lag, Ordering::Relaxed);
    }

    /// One idle step: for room if messages wait for it, else for messages.
    fn idle(&mut self, control: &Control) {
        self.take_lag();
        let Poller { lane, consumers, .. } = self;
        let waiting_for_room = consumers.iter().any(|c| !c.messages.is_empty());
        lane.wait(|lane| {
            lane.poisoned()
                || control.stopping()
                || consumers.iter().any(|c| !c.control.is_empty())
                || if waiting_for_room { lane.ready() } else { consumers.iter().any(|c| !c.data.is_empty()) }
        });
    }

    /// Ends the input, waits for every acknowledgement and commits. The group is left when the consumers are dropped.
    fn finish(mut self) -> Result<(), Error> {
        self.lane.close();
        self.drain(|| false)?;
        if self.options.commit {
            self.consumers.iter().for_each(Consumer::commit_stored);
        }
        Ok(())
    }
}

/// The headers of a record, none if they cannot be read.
fn headers<'m>(message: &Message<'m>, held: &Held) -> Headers<'m> {
    message.headers().unwrap_or_else(|code| {
        let place = (&held.topic, held.partition, message.offset());
        log::warn!(target: "kolo::source", "{}/{}@{}: unreadable headers: {code:?}", place.0, place.1, place.2);
        Headers::default()
    })
}

/// Handles what came in place of a record. True: the position is gone from the broker.
fn event(message: &Message<'_>, held: &mut Held) -> bool {
    match message.error() {
        Code::RD_KAFKA_RESP_ERR__PARTITION_EOF => {
            held.position = held.position.max(message.offset());
            false
        }
        Code::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET | Code::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE => true,
        _ => {
            log::warn!(target: "kolo::source", "{}/{}: {}", held.topic, held.partition, describe(message));
            false
        }
    }
}

fn describe(message: &Message<'_>) -> String {
    String::from_utf8_lossy(message.value().unwrap_or(b"unknown error")).into_owned()
}
