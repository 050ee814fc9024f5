//! What can go wrong between a broker and the lane.

use std::fmt;

/// Why a source could not start, or had to stop. Names the connector as the program does.
#[derive(Debug)]
pub enum Error {
    /// librdkafka refused the configuration or the client.
    Client {
        /// Connector name.
        connector: String,
        /// librdkafka's reason.
        reason: String,
    },
    /// No broker answered within the time allowed.
    Unreachable {
        /// Connector name.
        connector: String,
        /// The bootstrap list.
        brokers: String,
        /// Seconds waited.
        waited_s: u64,
        /// librdkafka's reason.
        reason: String,
    },
    /// The broker does not know an input topic.
    TopicMissing {
        /// Connector name.
        connector: String,
        /// The topic.
        topic: String,
        /// The bootstrap list.
        brokers: String,
    },
    /// Topics that meet by key have different numbers of partitions.
    UnequalPartitions {
        /// Connector name.
        connector: String,
        /// The stream in which they meet.
        stream: String,
        /// Two of them, each with its number of partitions.
        topics: [(String, usize); 2],
    },
    /// Another member of the group has partitions of topics that meet by key, though there was to be none.
    NotAlone {
        /// Connector name.
        connector: String,
        /// The stream in which they meet.
        stream: String,
        /// One of the topics.
        topic: String,
        /// How many of its partitions were assigned.
        held: usize,
        /// How many it has.
        of: usize,
    },
    /// Start or end offsets of a partition could not be had.
    Offsets {
        /// Topic name.
        topic: String,
        /// Kafka's partition number.
        partition: i32,
        /// What was asked.
        asked: &'static str,
        /// librdkafka's reason.
        reason: String,
    },
    /// The client can't go on: fenced, unauthorised, or broken inside librdkafka.
    Fatal {
        /// Connector name.
        connector: String,
        /// librdkafka's words.
        reason: String,
    },
    /// Another party of the lane failed; its error tells why.
    LanePoisoned,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Client { connector, reason } => write!(f, "connector {connector}: {reason}"),
            Error::Unreachable { connector, brokers, waited_s, reason } => write!(
                f,
                "connector {connector}: no broker answered at {brokers} within {waited_s} s ({reason}); \
                 check that Kafka runs there and that `brokers` is right"
            ),
            Error::TopicMissing { connector, topic, brokers } => write!(
                f,
                "connector {connector}: topic {topic} does not exist; create it with \
                 `kafka-topics.sh --bootstrap-server {brokers} --create --topic {topic}`"
            ),
            Error::UnequalPartitions { connector, stream, topics: [(one, ones), (other, others)] } => write!(
                f,
                "connector {connector}: stream {stream} brings topics {one} and {other} together by key, and they have {ones} \
                 and {others} partitions, so that members of the consumer group would read equal keys apart. Create one \
                 of them anew with as many as the other, or give --alone if this process is to be the group's only member"
            ),
            Error::NotAlone { connector, stream, topic, held, of } => write!(
                f,
                "connector {connector}: stopped because the consumer group has another member, which --alone rules out: \
                 {held} of {of} partitions of topic {topic} are left to this one, and stream {stream} needs all"
            ),
            Error::Offsets { topic, partition, asked, reason } => {
                write!(f, "{topic}/{partition}: no answer when asking for {asked}: {reason}")
            }
            Error::Fatal { connector, reason } => write!(f, "connector {connector}: {reason}"),
            Error::LanePoisoned => write!(f, "stopped because another part of the lane failed"),
        }
    }
}

impl std::error::Error for Error {}
