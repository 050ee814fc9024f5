//! One member of a consumer group, with the data queue that its partitions are forwarded to.

use std::collections::{HashMap, VecDeque};
use std::ffi::CString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kolo_engine::slot::{Commit, PartitionIndex};
use rdkafka::ClientConfig;
use rdkafka::bindings::{rd_kafka_get_watermark_offsets, rd_kafka_resp_err_t as Code};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::base_consumer::BaseConsumer;
use rdkafka::consumer::{CommitMode, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;

use super::error::Error;
use super::offsets::Reset;
use super::queue::{Messages, Queue};
use crate::partitions::Partitions;

/// What kolo sets on a consumer where the program and the command line say nothing.
///
/// Prefetch is short: each message costs librdkafka an allocation of its own, and one that has waited long is read and
/// freed out of memory instead of a cache. With 4 MiB of messages waiting instead of 16, and half a MiB of a partition
/// fetched at a time instead of one, `kolo run` took about 5 % less processor time a record. Half of that again gained no
/// more, and took a tenth off the rate from a broker 20 ms away, for one fetch at a time is under way to each broker.
/// `fetch.queue.backoff.ms` matters because its default, 1000, leaves a partition unfetched for a second whenever the local
/// queue has been full. A short session lets a killed member's partitions move on: heartbeats come from librdkafka's own
/// thread, which nothing in kolo can hold up.
pub const DEFAULTS: &[(&str, &str)] = &[
    ("enable.auto.offset.store", "false"),
    ("enable.auto.commit", "true"),
    ("auto.commit.interval.ms", "1000"),
    ("auto.offset.reset", "error"),
    ("session.timeout.ms", "10000"),
    ("fetch.queue.backoff.ms", "1"),
    ("fetch.max.bytes", "4194304"),
    ("fetch.message.max.bytes", "524288"),
    ("queued.max.messages.kbytes", "4096"),
];

/// How long a start may wait for a broker.
pub(super) const START_TIMEOUT: Duration = Duration::from_secs(9);

/// How often, and how long each time, a connection that was lost is looked for.
const PROBE_EVERY: Duration = Duration::from_secs(1);
const PROBE_TIMEOUT: Duration = Duration::from_millis(100);

/// Messages taken from librdkafka in one call, at most.
const BATCH: usize = 512;

/// One topic that the program reads through a connector.
#[derive(Debug, Clone)]
pub struct Topic {
    /// Topic name.
    pub name: String,
    /// Where to begin a partition for which the group has no committed offset.
    pub reset: Reset,
    /// Index into [`Plan::sources`](kolo_engine::plan::Plan::sources).
    pub source: u16,
}

/// Topics whose records meet in one state that is kept key by key.
#[derive(Debug, Clone)]
pub struct Meeting {
    /// The stream that keeps the state.
    pub stream: String,
    /// Topic names, two at least.
    pub topics: Vec<String>,
}

/// What it takes to join a group.
#[derive(Debug, Clone)]
pub struct ConsumerConfig {
    /// The connector's name in the program, for messages.
    pub connector: String,
    /// librdkafka properties, complete: [`DEFAULTS`], then the program's, then the command line's.
    pub client: ClientConfig,
    /// The topics to subscribe to.
    pub topics: Vec<Topic>,
    /// Which of them meet by key, so that they need equal partition counts.
    pub meetings: Vec<Meeting>,
    /// Whether the group has no other member: then counts may differ, and all partitions of `meetings` must be assigned.
    pub alone: bool,
}

/// A group member and its data queue.
pub struct Consumer<C: ClientContext + 'static> {
    // Field order is drop order: nothing of librdkafka may be held when the client closes.
    pub(super) messages: Messages,
    pub(super) data: Queue,
    pub(super) control: Queue,
    pub(super) client: Arc<BaseConsumer<Context<C>>>,
    pub(super) config: ConsumerConfig,
    /// The last offset exclusive at which `--until end` finishes each partition, taken when the run started.
    pub(super) ends: HashMap<(String, i32), i64>,
    /// The partitions that this member holds now.
    pub(super) assigned: HashMap<(String, i32), PartitionIndex>,
    /// How many partitions each topic had at the start.
    counts: HashMap<String, usize>,
    /// Whether the first assignment, possibly an empty one, has come.
    pub(super) ready: bool,
    /// Told whenever a broker has answered.
    connected: Box<dyn Fn() + Send>,
    /// When to ask again whether a broker answers; `None` while none is known to be away.
    probe_at: Option<Instant>,
}

impl<C: ClientContext + 'static> Consumer<C> {
    /// Connects, makes sure that every topic exists, takes the end offsets if asked to, and subscribes.
    ///
    /// # Errors
    /// A configuration that librdkafka refuses, no broker within 10 s, a topic that does not exist, topics that
    /// meet by key and have different numbers of partitions.
    pub fn connect(
        config: ConsumerConfig,
        context: C,
        connected: Box<dyn Fn() + Send>,
        take_ends: bool,
    ) -> Result<Self, Error> {
        let connector = || config.connector.clone();
        let client_error = |reason: KafkaError| Error::Client { connector: connector(), reason: reason.to_string() };
        let context = Context::new(context);
        let client: BaseConsumer<Context<C>> = config.client.create_with_context(context).map_err(client_error)?;
        let client = Arc::new(client);
        let rk = client.client().native_ptr();
        // SAFETY: `rk` is live, has a group.id (set by the caller for every run), and outlives both queues: they stand
        // before `client` in the struct.
        let (data, control) = unsafe { (Queue::new(rk), Queue::of_consumer(rk)) };
        let mut consumer = Consumer {
            messages: Messages::with_capacity(BATCH),
            data,
            control,
            client,
            config,
            ends: HashMap::new(),
            assigned: HashMap::new(),
            counts: HashMap::new(),
            ready: false,
            connected,
            probe_at: None,
        };
        consumer.check_topics(take_ends)?;
        consumer.check_meetings()?;
        (consumer.connected)();
        let names: Vec<&str> = consumer.config.topics.iter().map(|t| t.name.as_str()).collect();
        if let Err(reason) = consumer.client.subscribe(&names) {
            return Err(Error::Client { connector: consumer.config.connector.clone(), reason: reason.to_string() });
        }
        Ok(consumer)
    }

    fn check_topics(&mut self, take_ends: bool) -> Result<(), Error> {
        let deadline = Instant::now() + START_TIMEOUT;
        let brokers = || self.config.client.get("bootstrap.servers").unwrap_or("").to_owned();
        for topic in &self.config.topics {
            // librdkafka's own threads report problems on the control queue; serving it here lets them be logged.
            self.client.poll(Duration::ZERO);
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(100));
            let metadata = self.client.fetch_metadata(Some(&topic.name), left).map_err(|reason| {
                self.client.poll(Duration::ZERO);
                Error::Unreachable {
                    connector: self.config.connector.clone(),
                    brokers: brokers(),
                    waited_s: START_TIMEOUT.as_secs(),
                    reason: reason.to_string(),
                }
            })?;
            let found = metadata.topics().iter().find(|t| t.name() == topic.name);
            let partitions = match found {
                Some(found) if found.error().is_none() && !found.partitions().is_empty() => found.partitions(),
                Some(found) if found.error().is_some_and(|e| e != Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => {
                    let code: RDKafkaErrorCode = found.error().expect("just seen").into();
                    let reason = format!("topic {}: {code}", topic.name);
                    return Err(Error::Client { connector: self.config.connector.clone(), reason });
                }
                _ => {
                    return Err(Error::TopicMissing {
                        connector: self.config.connector.clone(),
                        topic: topic.name.clone(),
                        brokers: brokers(),
                    });
                }
            };
            self.counts.insert(topic.name.clone(), partitions.len());
            if take_ends {
                for partition in partitions {
                    let (_, high) = self.watermarks(&topic.name, partition.id(), START_TIMEOUT)?;
                    self.ends.insert((topic.name.clone(), partition.id()), high);
                }
            }
        }
        Ok(())
    }

    /// Before the group is joined: members that are at work are not disturbed by one that cannot be.
    fn check_meetings(&self) -> Result<(), Error> {
        if self.config.alone {
            return Ok(());
        }
        for Meeting { stream, topics } in &self.config.meetings {
            let counted = |topic: &String| (topic.clone(), self.counts[topic]);
            let first = counted(&topics[0]);
            if let Some(other) = topics.iter().map(counted).find(|(_, count)| *count != first.1) {
                return Err(Error::UnequalPartitions {
                    connector: self.config.connector.clone(),
                    stream: stream.clone(),
                    topics: [first, other],
                });
            }
        }
        Ok(())
    }

    /// Refuses an assignment that leaves partitions to another member of a group that is not to have any.
    pub(super) fn check_alone(&self, assigned: &TopicPartitionList) -> Result<(), Error> {
        if !self.config.alone {
            return Ok(());
        }
        for Meeting { stream, topics } in &self.config.meetings {
            for topic in topics {
                let held = assigned.elements_for_topic(topic).len();
                if held < self.counts[topic] {
                    return Err(Error::NotAlone {
                        connector: self.config.connector.clone(),
                        stream: stream.clone(),
                        topic: topic.clone(),
                        held,
                        of: self.counts[topic],
                    });
                }
            }
        }
        Ok(())
    }

    /// The first offset held and the one after the last, as the broker says now.
    pub(super) fn watermarks(&self, topic: &str, partition: i32, timeout: Duration) -> Result<(i64, i64), Error> {
        self.client.fetch_watermarks(topic, partition, timeout).map_err(|reason| Error::Offsets {
            topic: topic.to_owned(),
            partition,
            asked: "its first and last offset",
            reason: reason.to_string(),
        })
    }

    /// The partition's end as librdkafka saw it with its last fetch; `None` before the first. Asks nobody.
    pub(super) fn known_end(&self, topic: &str, partition: i32) -> Option<i64> {
        let topic = CString::new(topic).ok()?;
        let (mut low, mut high) = (-1, -1);
        // SAFETY: the client is live, the name is a C string, and both places can be written to.
        let code = unsafe {
            let rk = self.client.client().native_ptr();
            rd_kafka_get_watermark_offsets(rk, topic.as_ptr(), partition, &mut low, &mut high)
        };
        (code == Code::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some(high)
    }

    /// Serves librdkafka's control queue: rebalances are filed, everything else goes to the context.
    pub(super) fn serve(&mut self) -> Result<(), Error> {
        if self.probe_at.is_some_and(|at| Instant::now() >= at) {
            self.probe();
        }
        // Several events may wait; each call takes one.
        for _ in 0..64 {
            match self.client.poll(Duration::ZERO) {
                Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                    let reason = match self.client.client().fatal_error() {
                        Some((_, words)) => words,
                        None => code.to_string(),
                    };
                    return Err(Error::Fatal { connector: self.config.connector.clone(), reason });
                }
                // The context has been told as well; it decides what is news.
                Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AllBrokersDown))) => {
                    self.probe_at = Some(Instant::now() + PROBE_EVERY);
                }
                Some(Err(KafkaError::MessageConsumption(_))) => {}
                Some(Err(reason)) => {
                    log::warn!(target: "kolo::source", "connector {}: {reason}", self.config.connector)
                }
                Some(Ok(message)) => drop(message),
                None if self.control.is_empty() => break,
                None => {}
            }
        }
        Ok(())
    }

    /// Asks whether a broker answers again. librdkafka tells when the last connection is lost, not when one is back
    /// (its statistics would, at a price for every record).
    #[cold]
    fn probe(&mut self) {
        let topic = self.config.topics.first().map(|topic| topic.name.as_str());
        self.probe_at = match self.client.fetch_metadata(topic, PROBE_TIMEOUT) {
            Ok(_) => {
                (self.connected)();
                None
            }
            Err(_) => Some(Instant::now() + PROBE_EVERY),
        };
    }

    /// The next rebalance that librdkafka waits to have answered.
    pub(super) fn next_rebalance(&self) -> Option<Rebalance> {
        let context = self.client.context();
        if !context.filed.load(Ordering::Acquire) {
            return None;
        }
        let mut rebalances = context.rebalances.lock().expect("no panic while holding the lock");
        let next = rebalances.pop_front();
        context.filed.store(!rebalances.is_empty(), Ordering::Release);
        next
    }

    /// Gives librdkafka the answer to an assignment.
    pub(super) fn accept(&self, partitions: &TopicPartitionList) -> KafkaResult<()> {
        match self.client.rebalance_protocol() {
            RebalanceProtocol::Cooperative => self.client.incremental_assign(partitions),
            _ => self.client.assign(partitions),
        }
    }

    /// Gives librdkafka the answer to a revocation.
    pub(super) fn give_up(&self, partitions: &TopicPartitionList) -> KafkaResult<()> {
        match self.client.rebalance_protocol() {
            RebalanceProtocol::Cooperative => self.client.incremental_unassign(partitions),
            _ => self.client.unassign(),
        }
    }

    /// Commits what has been stored, and waits for the broker's answer.
    pub(super) fn commit_stored(&self) {
        match self.client.commit_consumer_state(CommitMode::Sync) {
            Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
            Err(reason) => log::warn!(
                target: "kolo::source",
                "connector {}: the last offsets were not committed ({reason}); their records will be read again",
                self.config.connector
            ),
        }
    }
}

impl<C: ClientContext + 'static> Drop for Consumer<C> {
    /// Closing needs every rebalance answered, and the loop that did so has ended: from here on the callback does, and
    /// what was filed before gets its answer now.
    fn drop(&mut self) {
        self.client.context().closing.store(true, Ordering::Release);
        while let Some(rebalance) = self.next_rebalance() {
            let answered = match &rebalance {
                Rebalance::Assign(partitions) => self.accept(partitions),
                Rebalance::Revoke { partitions, .. } => self.give_up(partitions),
            };
            if let Err(reason) = answered {
                log::debug!(target: "kolo::source", "rebalance while closing: {reason}");
            }
        }
    }
}

/// A rebalance that waits for its answer.
pub(super) enum Rebalance {
    /// These partitions are ours now.
    Assign(TopicPartitionList),
    /// These partitions move away; `lost`: they have moved already.
    Revoke { partitions: TopicPartitionList, lost: bool },
}

/// Files rebalances for the poller's loop and hands everything else to the context that the caller brought.
pub(super) struct Context<C> {
    inner: C,
    /// Whether `rebalances` may hold something: spares the loop a lock a turn.
    filed: AtomicBool,
    rebalances: Mutex<VecDeque<Rebalance>>,
    closing: AtomicBool,
}

impl<C> Context<C> {
    fn new(inner: C) -> Self {
        Context {
            inner,
            filed: AtomicBool::new(false),
            rebalances: Mutex::new(VecDeque::new()),
            closing: AtomicBool::new(false),
        }
    }
}

impl<C: ClientContext> ClientContext for Context<C> {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = C::ENABLE_REFRESH_OAUTH_TOKEN;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.inner.log(level, facility, line);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.inner.stats_raw(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.inner.error(error, reason);
    }

    fn generate_oauth_token(
        &self,
        config: Option<&str>,
    ) -> Result<rdkafka::client::OAuthToken, Box<dyn std::error::Error>> {
        self.inner.generate_oauth_token(config)
    }
}

impl<C: ClientContext + 'static> ConsumerContext for Context<C> {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let assign = code == Code::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            let cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
            let answered = match (assign, cooperative) {
                (true, true) => consumer.incremental_assign(partitions),
                (true, false) => consumer.assign(partitions),
                (false, true) => consumer.incremental_unassign(partitions),
                (false, false) => consumer.unassign(),
            };
            if let Err(reason) = answered {
                log::debug!(target: "kolo::source", "rebalance while closing: {reason}");
            }
            return;
        }
        let rebalance = if assign {
            Rebalance::Assign(partitions.clone())
        } else {
            Rebalance::Revoke { partitions: partitions.clone(), lost: consumer.assignment_lost() }
        };
        self.rebalances.lock().expect("no panic while holding the lock").push_back(rebalance);
        self.filed.store(true, Ordering::Release);
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        match result {
            Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
            Err(reason) => log::warn!(
                target: "kolo::source",
                "a commit failed ({reason}); the next one covers it, or its records are read again"
            ),
        }
    }
}

/// Stores the acknowledged prefix for the next commit. Given to the sink, which alone knows that prefix.
pub struct OffsetStore<C: ClientContext + 'static> {
    pub(super) clients: Vec<Arc<BaseConsumer<Context<C>>>>,
    pub(super) partitions: Arc<Partitions>,
}

impl<C: ClientContext + 'static> OffsetStore<C> {
    /// Stores, for each partition, from where to read on. Those of assignments that have ended are dropped: their new owner
    /// decides.
    ///
    /// librdkafka commits a stored offset only if it is new. Where the metadata alone is, it is committed here.
    pub fn store(&self, commits: &[Commit]) {
        for (number, client) in self.clients.iter().enumerate() {
            let list = self.list(number, commits.iter());
            if list.count() == 0 {
                continue;
            }
            if let Err(reason) = client.store_offsets(&list) {
                // A revocation may overtake us between the look-up and the call: librdkafka then says "wrong state".
                log::debug!(target: "kolo::source", "offsets not stored: {reason}");
            }
            let again = self.list(number, commits.iter().filter(|commit| commit.again));
            if again.count() > 0
                && let Err(reason) = client.commit(&again, CommitMode::Async)
            {
                log::debug!(target: "kolo::source", "offsets not committed again: {reason}");
            }
        }
    }

    /// Those of the active partitions of one consumer.
    fn list<'c>(&self, number: usize, commits: impl Iterator<Item = &'c Commit>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for commit in commits {
            self.partitions.with(commit.partition, |entry| {
                if entry.active && entry.consumer == number {
                    let mut element = list.add_partition(&entry.topic, entry.partition);
                    element.set_offset(Offset::Offset(commit.offset)).expect("a record's offset is a valid offset");
                    if !commit.metadata.is_empty() {
                        element.set_metadata(&commit.metadata);
                    }
                }
            });
        }
        list
    }
}
