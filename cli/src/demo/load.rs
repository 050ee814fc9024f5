//! Puts scenario records onto a topic: as fast as they are taken, or paced by a schedule.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kolo_source::generate::Scenario;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

use crate::outcome::Failure;

/// When each record is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    /// When record 0 is due.
    pub(crate) begin: Instant,
    /// Records a second.
    pub(crate) rate: f64,
}

impl Schedule {
    /// When record `i` is due, whether or not its producer keeps up: latencies count from here.
    pub(crate) fn due(&self, i: u64) -> Instant {
        self.begin + Duration::from_secs_f64(i as f64 / self.rate)
    }
}

/// Produces the records of a scenario; record `i` goes to partition `i` modulo `partitions`.
pub(crate) struct Loader {
    producer: ThreadedProducer<DefaultProducerContext>,
    scenario: Scenario,
    topic: String,
    partitions: u64,
    next: u64,
    value: Vec<u8>,
}

impl Loader {
    /// A loader for a topic.
    ///
    /// # Errors
    /// What librdkafka says of the client.
    pub(crate) fn new(
        brokers: &str,
        scenario: Scenario,
        topic: &str,
        partitions: u64,
        linger_ms: u32,
    ) -> Result<Self, Failure> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("compression.type", "lz4")
            .set("linger.ms", linger_ms.to_string())
            .set("queue.buffering.max.messages", "500000")
            .create()
            .map_err(|reason: KafkaError| Failure::new(format!("the loader's producer: {reason}")))?;
        let (topic, value) = (topic.to_owned(), Vec::with_capacity(256));
        Ok(Loader { producer, scenario, topic, partitions, next: 0, value })
    }

    /// Produces up to record `end` (exclusive), telling `progress` now and then how many there are.
    ///
    /// # Errors
    /// What librdkafka says of a record.
    pub(crate) fn produce_to(&mut self, end: u64, mut progress: impl FnMut(u64)) -> Result<(), Failure> {
        while self.next < end {
            self.produce_one()?;
            if self.next.is_multiple_of(10_000) {
                progress(self.next);
            }
        }
        Ok(())
    }

    /// Produces up to record `end` by schedule, until `stop` is set.
    ///
    /// # Errors
    /// What librdkafka says of a record.
    pub(crate) fn produce_paced(&mut self, end: u64, schedule: Schedule, stop: &AtomicBool) -> Result<(), Failure> {
        while self.next < end && !stop.load(Ordering::Relaxed) {
            let now = Instant::now();
            if schedule.due(self.next) > now {
                std::thread::sleep((schedule.due(self.next) - now).min(Duration::from_millis(1)));
                continue;
            }
            self.produce_one()?;
        }
        Ok(())
    }

    /// Produces up to record `end`, never more than `lead` outputs ahead of what `verified` counts, until `stop` is set.
    ///
    /// # Errors
    /// What librdkafka says of a record.
    pub(crate) fn produce_behind(
        &mut self,
        end: u64,
        verified: &Arc<AtomicU64>,
        lead: u64,
        stop: &AtomicBool,
    ) -> Result<(), Failure> {
        while self.next < end && !stop.load(Ordering::Relaxed) {
            let limit = end.min(verified.load(Ordering::Relaxed) + lead);
            if self.next >= limit {
                std::thread::sleep(Duration::from_millis(2));
                continue;
            }
            self.produce_to(limit, |_| {})?;
        }
        Ok(())
    }

    fn produce_one(&mut self) -> Result<(), Failure> {
        self.value.clear();
        self.scenario.record(self.next, &mut self.value);
        let partition = (self.next % self.partitions) as i32;
        loop {
            let record = BaseRecord::<(), [u8]>::to(&self.topic).payload(&self.value).partition(partition);
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err((reason, _)) => return Err(Failure::new(format!("record {}: {reason}", self.next))),
            }
        }
        self.next += 1;
        Ok(())
    }

    /// Waits until the broker has everything.
    ///
    /// # Errors
    /// If it has not within a minute.
    pub(crate) fn flush(&self) -> Result<(), Failure> {
        let late = |reason| Failure::new(format!("the records did not reach the embedded broker: {reason}"));
        self.producer.flush(Duration::from_secs(60)).map_err(late)
    }
}
