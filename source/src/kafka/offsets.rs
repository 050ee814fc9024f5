//! Where to begin: absolute start offsets for newly assigned partitions.
//!
//! librdkafka resolves `earliest` and `latest` lazily, on its first fetch; records produced after kolo says that it
//! listens could then be missed. So kolo asks first and assigns absolute offsets, and where the group had no commit it
//! commits the offset that it begins at, so that a crash before the first acknowledgement cannot move the beginning.

use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::consumer::Consumer;
use super::error::Error;

/// Where to begin a partition for which the group has no committed offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// The first record that the broker still holds.
    Earliest,
    /// Only records produced from now on.
    Latest,
    /// The first record with this timestamp or a later one, in ms since 1970.
    Time {
        /// Milliseconds since 1970.
        unix_ms: i64,
    },
}

/// How long one question about offsets may take while running.
const TIMEOUT: Duration = Duration::from_secs(15);

/// A partition and where it begins.
pub(super) struct Start {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// The metadata string of the commit that it resumes from.
    pub(super) metadata: String,
    /// Whether the group had a usable commit.
    pub(super) committed: bool,
}

/// Resolves the start of every partition in `assignment`.
pub(super) fn resolve<C: ClientContext>(
    consumer: &Consumer<C>,
    assignment: &TopicPartitionList,
) -> Result<Vec<Start>, Error> {
    if assignment.count() == 0 {
        return Ok(Vec::new());
    }
    let committed = consumer.client.committed_offsets(assignment.clone(), TIMEOUT).map_err(|reason| {
        let first = &assignment.elements()[0];
        let (topic, partition) = (first.topic().to_owned(), first.partition());
        Error::Offsets { topic, partition, asked: "the group's committed offset", reason: reason.to_string() }
    })?;
    let mut starts = Vec::with_capacity(assignment.count());
    for element in committed.elements() {
        let (topic, partition) = (element.topic(), element.partition());
        let (low, high) = consumer.watermarks(topic, partition, TIMEOUT)?;
        let reset = consumer.config.topics.iter().find(|t| t.name == topic).map_or(Reset::Latest, |t| t.reset);
        let commit = match element.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        let offset = match commit {
            Some(offset) if (low..=high).contains(&offset) => offset,
            Some(offset) if offset < low => {
                log::error!(
                    target: "kolo::source",
                    "{topic}/{partition}: records {offset} to {} are gone from the broker (retention) before kolo read \
                     them; beginning at {low}",
                    low - 1
                );
                low
            }
            Some(offset) => {
                let begin = reset_offset(consumer, reset, topic, partition, (low, high))?;
                log::error!(
                    target: "kolo::source",
                    "{topic}/{partition}: the group's committed offset {offset} lies beyond the end {high} (was the \
                     topic created anew?); beginning at {begin}"
                );
                begin
            }
            None => reset_offset(consumer, reset, topic, partition, (low, high))?,
        };
        starts.push(Start {
            topic: topic.to_owned(),
            partition,
            offset,
            metadata: element.metadata().to_owned(),
            committed: commit == Some(offset),
        });
    }
    Ok(starts)
}

/// The absolute offset that `reset` stands for now.
pub(super) fn reset_offset<C: ClientContext>(
    consumer: &Consumer<C>,
    reset: Reset,
    topic: &str,
    partition: i32,
    (low, high): (i64, i64),
) -> Result<i64, Error> {
    let unix_ms = match reset {
        Reset::Earliest => return Ok(low),
        Reset::Latest => return Ok(high),
        Reset::Time { unix_ms } => unix_ms,
    };
    let failed = |reason: KafkaError| Error::Offsets {
        topic: topic.to_owned(),
        partition,
        asked: "the first offset at a point in time",
        reason: reason.to_string(),
    };
    let mut question = TopicPartitionList::new();
    question.add_partition_offset(topic, partition, Offset::Offset(unix_ms)).map_err(failed)?;
    let answer = consumer.client.offsets_for_times(question, TIMEOUT).map_err(failed)?;
    Ok(match answer.find_partition(topic, partition).map(|e| e.offset()) {
        Some(Offset::Offset(offset)) => offset,
        // Everything is older than that: begin with what comes next.
        _ => high,
    })
}
