//! Reads the outputs back from the broker and compares each, byte for byte and in order, with what the formula says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use kolo_source::generate::Program;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::load::Schedule;
use crate::outcome::Failure;
use crate::report::{Verdict, grouped};

/// No output for so long: those that are missing will not come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Latencies count from the record that was due this long after the first: before, clients still connect.
pub(crate) const WARM_UP: Duration = Duration::from_secs(1);

/// What became of the outputs.
pub(crate) struct Verified {
    /// Outputs that are there, in order, with the right value.
    pub(crate) right: u64,
    /// Outputs that the formula demands.
    pub(crate) expected: u64,
    /// The first that differs: what came, and what should have.
    pub(crate) difference: Option<String>,
    /// From the moment when a record was due until its output was read back, in microseconds. Empty without a schedule.
    pub(crate) latency_us: Histogram<u64>,
}

impl Verified {
    /// The line that the report ends with.
    pub(crate) fn verdict(&self) -> Verdict {
        let found = format!("outputs: {} of {} expected", grouped(self.right), grouped(self.expected));
        let what = match &self.difference {
            None => format!("{found}, all values and order as computed"),
            Some(difference) => format!("{found}; the first that differs: {difference}"),
        };
        Verdict { what, ok: self.ok() }
    }

    /// Whether all is as it should be.
    pub(crate) fn ok(&self) -> bool {
        self.right == self.expected && self.difference.is_none()
    }
}

/// Follows the output topic.
pub(crate) struct Verifier {
    consumer: BaseConsumer,
    program: Program,
    partitions: u64,
    events: u64,
    verified: Arc<AtomicU64>,
}

impl Verifier {
    /// A verifier of the outputs that `events` records cause. The outputs of record `i` are on partition `i` modulo
    /// `partitions`.
    ///
    /// # Errors
    /// What librdkafka says of the client.
    pub(crate) fn new(
        brokers: &str,
        program: Program,
        topic: &str,
        partitions: u64,
        events: u64,
    ) -> Result<Self, Failure> {
        let failed = |reason: KafkaError| Failure::new(format!("the verifier's consumer: {reason}"));
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", "kolo-demo-verifier")
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "1")
            .set("fetch.queue.backoff.ms", "1")
            .set("queued.max.messages.kbytes", "16384")
            .create()
            .map_err(failed)?;
        let mut assignment = TopicPartitionList::new();
        for partition in 0..partitions {
            assignment.add_partition_offset(topic, partition as i32, Offset::Beginning).map_err(failed)?;
        }
        consumer.assign(&assignment).map_err(failed)?;
        Ok(Verifier { consumer, program, partitions, events, verified: Arc::default() })
    }

    /// Up to which record, about, everything is verified.
    pub(crate) fn verified(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.verified)
    }

    /// Reads until every expected output has come, one differs, none comes any more, or `stop` is set.
    pub(crate) fn run(self, schedule: Option<Schedule>, stop: &AtomicBool) -> Verified {
        let expected = self.program.expected_count(0, 0..self.events);
        let latency_us = Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("the bounds are in order");
        let mut result = Verified { right: 0, expected, difference: None, latency_us };
        let mut next: Vec<u64> = (0..self.partitions).collect();
        let mut formula = Vec::with_capacity(256);
        let mut last_progress = Instant::now();
        while result.right < expected && !stop.load(Ordering::Relaxed) {
            let Some(Ok(message)) = self.consumer.poll(Duration::from_millis(50)) else {
                if last_progress.elapsed() > PATIENCE {
                    break;
                }
                continue;
            };
            let next = &mut next[message.partition() as usize];
            formula.clear();
            while *next < self.events && !self.program.expected(0, *next, &mut formula) {
                formula.clear();
                *next += self.partitions;
            }
            if message.payload() != Some(&formula) {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                result.difference = Some(format!(
                    "partition {} offset {}: got {}, expected {}",
                    message.partition(),
                    message.offset(),
                    text(message.payload().unwrap_or(b"nothing")),
                    text(if formula.is_empty() { b"nothing more" } else { &formula }),
                ));
                break;
            }
            if let Some(schedule) = schedule
                && schedule.due(*next) >= schedule.begin + WARM_UP
            {
                let late = Instant::now().saturating_duration_since(schedule.due(*next));
                result.latency_us.saturating_record(late.as_micros() as u64);
            }
            self.verified.store(*next, Ordering::Relaxed);
            *next += self.partitions;
            result.right += 1;
            last_progress = Instant::now();
        }
        result
    }
}
