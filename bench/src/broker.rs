//! Everything that the benchmark asks of the broker outside the measured time: topics made and deleted, inputs loaded,
//! outputs read back and compared.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_executor::block_on;
use kolo_source::generate::Scenario;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext, Message, Offset, Timestamp, TopicPartitionList};

use crate::Result;

/// How long a broker may take to answer a request.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a topic may stand still while it is being read back.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Records go to the partitions in turn, so many at a time.
const BLOCK: u64 = 1_000;

/// The records that `partition` of `partitions` holds, in order, when `events` of them are loaded.
pub(crate) fn records_of(partition: i32, partitions: i32, events: u64) -> impl Iterator<Item = u64> {
    let (partition, partitions) = (partition as u64, partitions as u64);
    (partition..events.div_ceil(BLOCK))
        .step_by(partitions as usize)
        .flat_map(move |block| block * BLOCK..events.min((block + 1) * BLOCK))
}

/// A connection to the broker under test.
pub(crate) struct Broker {
    address: String,
    admin: AdminClient<DefaultClientContext>,
}

/// What was found in an output topic that held exactly what it should.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    /// Outputs.
    pub(crate) count: u64,
    /// LogAppendTime of the first, in ms since 1970; greater than `last_ms` if there are none.
    pub(crate) first_ms: i64,
    /// LogAppendTime of the last.
    pub(crate) last_ms: i64,
}

impl Written {
    /// No outputs.
    pub(crate) const NOTHING: Written = Written { count: 0, first_ms: i64::MAX, last_ms: i64::MIN };

    /// Both together.
    pub(crate) fn and(self, other: Written) -> Written {
        Written {
            count: self.count + other.count,
            first_ms: self.first_ms.min(other.first_ms),
            last_ms: self.last_ms.max(other.last_ms),
        }
    }
}

impl Broker {
    /// Connects, and fails if no broker answers.
    pub(crate) fn connect(address: &str) -> Result<Broker> {
        let admin: AdminClient<DefaultClientContext> = config(address).create()?;
        admin.inner().fetch_metadata(None, START_TIMEOUT).map_err(|error| {
            format!("no Kafka broker answers at {address} ({error}); start one with `ci/kafka start`, or name one with --brokers")
        })?;
        Ok(Broker { address: address.to_string(), admin })
    }

    /// The bootstrap address.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Makes a topic that is timed by the broker's own clock, and waits until the broker knows who leads its partitions: it
    /// says that a topic is made before it can be asked about it.
    pub(crate) fn create(&self, topic: &str, partitions: i32) -> Result<()> {
        let new =
            NewTopic::new(topic, partitions, TopicReplication::Fixed(1)).set("message.timestamp.type", "LogAppendTime");
        for result in block_on(self.admin.create_topics([&new], &admin_options()))? {
            result.map_err(|(topic, code)| format!("topic {topic} cannot be made: {code}"))?;
        }
        // Not the admin client: what it has asked about once it asks about again, and a deleted topic would come back.
        let asking: BaseConsumer = config(&self.address).create()?;
        let began = Instant::now();
        while !led(&asking, topic, partitions)? {
            if began.elapsed() >= START_TIMEOUT {
                return Err(format!("topic {topic} was made, but nobody leads its partitions").into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Deletes topics; one that is not there is no error.
    pub(crate) fn delete(&self, topics: &[String]) -> Result<()> {
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        for result in block_on(self.admin.delete_topics(&topics, &admin_options()))? {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
                Err((topic, code)) => return Err(format!("topic {topic} cannot be deleted: {code}").into()),
            }
        }
        Ok(())
    }

    /// Forgets consumer groups; one that is not there is no error.
    pub(crate) fn delete_group(&self, group: &str) -> Result<()> {
        for result in block_on(self.admin.delete_groups(&[group], &admin_options()))? {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::GroupIdNotFound)) => {}
                Err((group, code)) => return Err(format!("group {group} cannot be deleted: {code}").into()),
            }
        }
        Ok(())
    }

    /// Makes `topic` and writes records 0 to `events` of `scenario` to it, lz4-compressed.
    pub(crate) fn load(&self, topic: &str, scenario: Scenario, partitions: i32, events: u64) -> Result<()> {
        self.create(topic, partitions)?;
        let producer: ThreadedProducer<Failures> = config(&self.address)
            .set("enable.idempotence", "true")
            .set("compression.type", "lz4")
            .set("linger.ms", "50")
            .set("queue.buffering.max.messages", "500000")
            .set("delivery.report.only.error", "true")
            .create_with_context(Failures::default())?;
        let mut value = Vec::new();
        for block in 0..events.div_ceil(BLOCK) {
            let partition = (block % partitions as u64) as i32;
            for i in block * BLOCK..events.min((block + 1) * BLOCK) {
                value.clear();
                scenario.record(i, &mut value);
                let mut record = BaseRecord::<(), [u8]>::to(topic).partition(partition).payload(&value);
                while let Err((error, refused)) = producer.send(record) {
                    if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                        return Err(format!("record {i} cannot be written to {topic}: {error}").into());
                    }
                    record = refused;
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
        producer.flush(Duration::from_secs(60))?;
        match producer.context().count.load(Ordering::Relaxed) {
            0 => Ok(()),
            failed => Err(format!("{failed} of {events} records could not be written to {topic}").into()),
        }
    }

    /// Reads all of `topic` and compares it with what it should hold: `expected(i, out)` appends what record `i`
    /// causes, and says whether it causes anything. Partition p holds the outputs of input partition p, in its order.
    pub(crate) fn verify(
        &self,
        topic: &str,
        partitions: i32,
        events: u64,
        expected: impl Fn(u64, &mut Vec<u8>) -> bool,
    ) -> Result<Written> {
        let consumer: BaseConsumer = config(&self.address)
            .set("group.id", "kolo-bench-verify")
            .set("enable.auto.commit", "false")
            .set("fetch.queue.backoff.ms", "1")
            .create()?;
        let mut assignment = TopicPartitionList::new();
        let mut unread = 0;
        let mut records = Vec::new();
        for partition in 0..partitions {
            let (low, high) = consumer.fetch_watermarks(topic, partition, START_TIMEOUT)?;
            unread += (high - low) as u64;
            assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
            records.push(records_of(partition, partitions, events));
        }
        consumer.assign(&assignment)?;

        let mut written = Written::NOTHING;
        let mut wanted = Vec::new();
        let mut heard = Instant::now();
        while unread > 0 {
            let Some(message) = consumer.poll(Duration::from_millis(100)) else {
                if heard.elapsed() > READ_TIMEOUT {
                    return Err(format!("{topic}: {unread} records were announced and never came").into());
                }
                continue;
            };
            let message = message?;
            heard = Instant::now();
            unread -= 1;
            let place = || format!("{topic} [{}] offset {}", message.partition(), message.offset());
            let value = message.payload().unwrap_or_default();
            let record = next_output(&mut records[message.partition() as usize], &expected, &mut wanted);
            if record.is_none() || value != wanted {
                let wanted = match record {
                    Some(i) => format!("record {i}'s output {}", String::from_utf8_lossy(&wanted)),
                    None => "nothing more".to_string(),
                };
                let found = String::from_utf8_lossy(value);
                return Err(format!("{}: expected {wanted}\n  found {found}", place()).into());
            }
            let Timestamp::LogAppendTime(ms) = message.timestamp() else {
                return Err(format!("{} carries no LogAppendTime", place()).into());
            };
            written = written.and(Written { count: 1, first_ms: ms, last_ms: ms });
        }
        for (partition, records) in records.iter_mut().enumerate() {
            if let Some(i) = next_output(records, &expected, &mut wanted) {
                return Err(format!("{topic} [{partition}] ends before record {i}'s output").into());
            }
        }
        Ok(written)
    }

    /// Fails unless `group` has committed the end of every partition of `topic`.
    pub(crate) fn verify_committed(&self, group: &str, topic: &str, partitions: i32) -> Result<()> {
        let consumer: BaseConsumer = config(&self.address).set("group.id", group).create()?;
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, partitions - 1);
        for committed in consumer.committed_offsets(list, START_TIMEOUT)?.elements() {
            let (_, end) = consumer.fetch_watermarks(topic, committed.partition(), START_TIMEOUT)?;
            if committed.offset() != Offset::Offset(end) && end > 0 {
                return Err(format!(
                    "{topic} [{}] ends at {end}, but group {group} has committed {:?}",
                    committed.partition(),
                    committed.offset()
                )
                .into());
            }
        }
        Ok(())
    }
}

/// The next of `records` that causes an output, which is then all that `out` holds.
fn next_output(
    records: &mut impl Iterator<Item = u64>,
    expected: &impl Fn(u64, &mut Vec<u8>) -> bool,
    out: &mut Vec<u8>,
) -> Option<u64> {
    out.clear();
    records.find(|&i| expected(i, out))
}

fn config(address: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address);
    config
}

fn admin_options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(START_TIMEOUT)).request_timeout(Some(START_TIMEOUT))
}

/// Counts records that could not be delivered.
#[derive(Default)]
struct Failures {
    count: AtomicU64,
}

impl ClientContext for Failures {}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        self.count.fetch_add(u64::from(result.is_err()), Ordering::Relaxed);
    }
}

/// Whether all partitions of a topic have a leader.
fn led(consumer: &BaseConsumer, topic: &str, partitions: i32) -> Result<bool> {
    let metadata = consumer.fetch_metadata(Some(topic), START_TIMEOUT)?;
    let known = metadata.topics().iter().flat_map(|topic| topic.partitions());
    Ok(known.filter(|partition| partition.error().is_none() && partition.leader() >= 0).count() == partitions as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_lies_in_exactly_one_partition() {
        for (partitions, events) in [(1, 0), (1, 2_500), (3, 999), (3, 7_001), (8, 20_000)] {
            let mut all: Vec<u64> = (0..partitions).flat_map(|p| records_of(p, partitions, events)).collect();
            assert!((0..partitions).all(|p| records_of(p, partitions, events).is_sorted()));
            all.sort_unstable();
            assert_eq!(all, (0..events).collect::<Vec<_>>(), "{partitions} partitions, {events} events");
        }
        assert_eq!(records_of(1, 3, 7_001).nth(1_000), Some(4_000));
    }
}
