//! Topics, records and committed offsets on a broker, mock or real.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::mock::Mock;
use super::{PATIENCE, fresh};

/// Which broker it is, for the few tests that must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// librdkafka's mock cluster.
    Mock,
    /// Apache Kafka.
    Real,
}

/// A broker to run against.
pub(crate) struct Broker {
    /// Reads topics; dropped before the mock cluster.
    reader: OnceLock<BaseConsumer>,
    bootstrap: String,
    mock: Option<Mock>,
}

/// What is produced: nulls and empties are different things.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message {
    /// Which partition; `None`: 0.
    pub(crate) partition: i32,
    /// The key.
    pub(crate) key: Option<Vec<u8>>,
    /// The value; `None` is a tombstone.
    pub(crate) value: Option<Vec<u8>>,
    /// Milliseconds since 1970; `None`: now.
    pub(crate) timestamp_ms: Option<i64>,
    /// Names and values, in order.
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Message {
    /// A value for partition 0.
    pub(crate) fn of(value: impl Into<Vec<u8>>) -> Message {
        Message { value: Some(value.into()), ..Message::default() }
    }

    /// The same for another partition.
    pub(crate) fn on(self, partition: i32) -> Message {
        Message { partition, ..self }
    }
}

/// What was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) offset: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Record {
    /// The value, which must not be a tombstone.
    pub(crate) fn value(&self) -> &[u8] {
        self.value.as_deref().expect("outputs are never tombstones")
    }

    /// The value as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(self.value()).expect("outputs are UTF-8")
    }
}

impl Broker {
    /// The mock cluster, started for this test.
    pub(crate) fn mock() -> Broker {
        let mock = Mock::start();
        Broker { reader: OnceLock::new(), bootstrap: mock.bootstrap(), mock: Some(mock) }
    }

    /// The broker that KOLO_TEST_BROKERS names; `None`, and a line that says so, without it.
    ///
    /// # Panics
    /// Without it where KOLO_REQUIRE_BROKER=1 demands one.
    pub(crate) fn real() -> Option<Broker> {
        match std::env::var("KOLO_TEST_BROKERS") {
            Ok(bootstrap) if !bootstrap.is_empty() => Some(Broker { reader: OnceLock::new(), bootstrap, mock: None }),
            _ => {
                let required = std::env::var("KOLO_REQUIRE_BROKER").is_ok_and(|value| value == "1");
                assert!(!required, "KOLO_REQUIRE_BROKER=1, but KOLO_TEST_BROKERS names no broker");
                println!("skipped: KOLO_TEST_BROKERS names no broker; `ci/kafka start` runs one");
                None
            }
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        if self.mock.is_some() { Kind::Mock } else { Kind::Real }
    }

    /// Where clients connect to.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// The mock cluster's own controls.
    ///
    /// # Panics
    /// For a real broker.
    pub(crate) fn faults(&self) -> &Mock {
        self.mock.as_ref().expect("faults can be had of the mock cluster only")
    }

    /// What `kolo run` is told about this broker; how long sessions last, only where a member may say that.
    pub(crate) fn flags(&self, sessions: bool) -> Vec<String> {
        let address = ["--brokers", &self.bootstrap].map(str::to_owned);
        if !sessions {
            return address.into();
        }
        // A killed member is forgotten after the shortest session that Apache Kafka allows. The mock cluster waits for
        // most of a session before every rebalance but the first, and in an empty fetch for as long as it may.
        let own: &[&str] = match self.kind() {
            Kind::Mock => &["session.timeout.ms=3000", "fetch.wait.max.ms=5"],
            Kind::Real => &["session.timeout.ms=6000"],
        };
        let properties = own.iter().chain(&["heartbeat.interval.ms=500"]).flat_map(|property| ["-X", property]);
        address.into_iter().chain(properties.map(str::to_owned)).collect()
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    fn consumer(&self, group: &str) -> BaseConsumer {
        let mut config = self.client();
        config.set("group.id", group).set("enable.auto.commit", "false").set("auto.offset.reset", "error");
        config.set("fetch.wait.max.ms", "5").set("fetch.message.max.bytes", "8388608");
        config.create().expect("a right configuration")
    }

    /// A new topic with a fresh name that begins with `what`.
    pub(crate) fn topic(&self, what: &str, partitions: i32) -> String {
        self.topic_with(what, partitions, &[])
    }

    /// The same with properties of the topic, which only Apache Kafka has.
    pub(crate) fn topic_with(&self, what: &str, partitions: i32, properties: &[(&str, &str)]) -> String {
        let name = fresh(what);
        match &self.mock {
            Some(mock) => mock.create_topic(&name, partitions),
            None => {
                let admin: AdminClient<DefaultClientContext> = self.client().create().expect("a right configuration");
                let mut topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
                for (key, value) in properties {
                    topic = topic.set(key, value);
                }
                let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
                let created = futures_executor::block_on(admin.create_topics([&topic], &options));
                created.expect("the broker answers").pop().expect("one answer").expect("the topic is created");
            }
        }
        name
    }

    /// Produces all of them, in order within each partition.
    pub(crate) fn produce(&self, topic: &str, messages: impl IntoIterator<Item = Message>) {
        let producer = self.producer();
        for message in messages {
            send(&producer, topic, &message);
        }
        producer.flush(PATIENCE).expect("the broker takes everything");
    }

    /// Produces values to partition 0.
    pub(crate) fn produce_values<V: Into<Vec<u8>>>(&self, topic: &str, values: impl IntoIterator<Item = V>) {
        self.produce(topic, values.into_iter().map(Message::of));
    }

    fn producer(&self) -> BaseProducer<Delivered> {
        let mut config = self.client();
        // One request at a time keeps the order within a partition. An idempotent producer would take half a second to
        // begin.
        config.set("max.in.flight", "1").set("linger.ms", "5").set("message.max.bytes", "8388608");
        config.create_with_context(Delivered).expect("a right configuration")
    }

    /// Where each partition of the topic ends.
    pub(crate) fn ends(&self, topic: &str) -> Vec<i64> {
        let reader = self.reader();
        (0..partitions(reader, topic)).map(|partition| end(reader, topic, partition)).collect()
    }

    fn reader(&self) -> &BaseConsumer {
        self.reader.get_or_init(|| self.consumer("kolo-test-reader"))
    }

    /// Something that tells again and again where a topic ends, over one connection.
    pub(crate) fn watch(&self, topic: &str) -> impl Fn() -> Vec<i64> + use<> {
        let (consumer, topic) = (self.consumer("kolo-test-reader"), topic.to_owned());
        let partitions = partitions(&consumer, &topic);
        move || (0..partitions).map(|partition| end(&consumer, &topic, partition)).collect()
    }

    /// All records of the topic, by partition. One thread at a time: there is one reader.
    pub(crate) fn read(&self, topic: &str) -> Vec<Vec<Record>> {
        let ends = self.ends(topic);
        let consumer = self.reader();
        let mut assignment = TopicPartitionList::new();
        for (partition, _) in ends.iter().enumerate().filter(|(_, end)| **end > 0) {
            assignment.add_partition_offset(topic, partition as i32, Offset::Offset(0)).expect("a valid offset");
        }
        let mut records = vec![Vec::new(); ends.len()];
        consumer.assign(&assignment).expect("partitions can be assigned");
        let deadline = Instant::now() + PATIENCE;
        let missing = |records: &[Vec<Record>]| {
            let next = |read: &Vec<Record>| read.last().map_or(0, |record: &Record| record.offset + 1);
            records.iter().zip(&ends).any(|(read, &end)| next(read) < end)
        };
        while missing(&records) {
            assert!(Instant::now() < deadline, "{topic} could not be read to its ends {ends:?}");
            // Errors are of connections, which come back, or the deadline tells.
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
                records[message.partition() as usize].push(Record {
                    offset: message.offset(),
                    key: message.key().map(<[u8]>::to_vec),
                    value: message.payload().map(<[u8]>::to_vec),
                    timestamp_ms: message.timestamp().to_millis(),
                    headers: message.headers().map_or(Vec::new(), |headers| {
                        let owned =
                            |header: Header<'_, &[u8]>| (header.key.to_owned(), header.value.map(<[u8]>::to_vec));
                        headers.iter().map(owned).collect()
                    }),
                });
            }
        }
        consumer.unassign().expect("partitions can be given up");
        records
    }

    /// What the group has committed for each partition of the topic.
    pub(crate) fn committed(&self, topic: &str, group: &str) -> Vec<Option<i64>> {
        let consumer = self.consumer(group);
        let partitions = partitions(&consumer, topic);
        let mut question = TopicPartitionList::new();
        question.add_partition_range(topic, 0, partitions - 1);
        let answer = consumer.committed_offsets(question, PATIENCE).expect("the broker answers");
        let offsets: HashMap<i32, Offset> = answer.elements().iter().map(|e| (e.partition(), e.offset())).collect();
        let known = |partition| match offsets[&partition] {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        (0..partitions).map(known).collect()
    }

    /// Whether everything in the topic is committed by the group.
    pub(crate) fn all_committed(&self, topic: &str, group: &str) -> bool {
        let committed = self.committed(topic, group);
        committed.iter().zip(self.ends(topic)).all(|(offset, end)| offset.unwrap_or(0) == end)
    }

    /// Produces [`number`](super::number)s from 0 on, number `n` to partition `n` modulo their count, until told to stop.
    pub(crate) fn feed_numbers(&self, topic: &str, records_per_second: u32) -> Feeder {
        let (producer, topic) = (self.producer(), topic.to_owned());
        let partitions = self.ends(&topic).len() as u64;
        let (stop, fed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&fed));
        let thread = std::thread::spawn(move || {
            let began = Instant::now();
            let mut n = 0;
            while !stopped.load(Ordering::Relaxed) {
                let due = (began.elapsed().as_secs_f64() * f64::from(records_per_second)) as u64;
                while n < due {
                    send(&producer, &topic, &Message::of(super::number(n)).on((n % partitions) as i32));
                    n += 1;
                }
                count.store(n, Ordering::Relaxed);
                producer.poll(Duration::from_millis(1));
            }
            producer.flush(PATIENCE).expect("the broker takes everything");
            n
        });
        Feeder { stop, fed, thread: Some(thread) }
    }
}

/// A thread that goes on producing.
pub(crate) struct Feeder {
    stop: Arc<AtomicBool>,
    fed: Arc<AtomicU64>,
    thread: Option<JoinHandle<u64>>,
}

impl Feeder {
    /// How many it has produced so far.
    pub(crate) fn fed(&self) -> u64 {
        self.fed.load(Ordering::Relaxed)
    }

    /// Stops it once everything is on the broker, and says how many there are.
    pub(crate) fn stop(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("it is stopped once").join().expect("the feeder does not panic")
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Makes a test fail whose records do not arrive.
struct Delivered;

impl ClientContext for Delivered {}

impl ProducerContext for Delivered {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((reason, _)) = result {
            panic!("a test's record was not delivered: {reason}");
        }
    }
}

fn send(producer: &BaseProducer<Delivered>, topic: &str, message: &Message) {
    loop {
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).partition(message.partition);
        record.key = message.key.as_deref();
        record.payload = message.value.as_deref();
        record.timestamp = message.timestamp_ms;
        record.headers = (!message.headers.is_empty()).then(|| {
            let add = |headers: OwnedHeaders, (name, value): &(String, Option<Vec<u8>>)| {
                headers.insert(Header { key: name, value: value.as_deref() })
            };
            message.headers.iter().fold(OwnedHeaders::new(), add)
        });
        match producer.send(record) {
            Ok(()) => break,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                producer.poll(Duration::from_millis(1));
            }
            Err((reason, _)) => panic!("a test's record is refused: {reason}"),
        }
    }
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> i32 {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("the broker answers");
    let partitions = metadata.topics()[0].partitions().len() as i32;
    assert!(partitions > 0, "there is no topic {topic}");
    partitions
}

fn end(consumer: &BaseConsumer, topic: &str, partition: i32) -> i64 {
    consumer.fetch_watermarks(topic, partition, PATIENCE).expect("the broker answers").1
}
