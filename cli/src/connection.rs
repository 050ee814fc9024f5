//! Says once when a connection to Kafka is lost and once when it is back, whatever librdkafka repeats in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

const UNKNOWN: u8 = 0;
const UP: u8 = 1;
const DOWN: u8 = 2;

/// The state of one client's connection. Also passes librdkafka's own lines on to the log.
pub(crate) struct Watch {
    connection: Arc<Connection>,
}

struct Connection {
    client: String,
    state: AtomicU8,
}

impl Watch {
    /// The watch of `connector`'s consumer or producer.
    pub(crate) fn new(connector: &str, role: &str) -> Self {
        let client = format!("connector {connector} ({role})");
        Watch { connection: Arc::new(Connection { client, state: AtomicU8::new(UNKNOWN) }) }
    }

    /// What is to be called whenever a broker has answered.
    pub(crate) fn connected(&self) -> impl Fn() + Send + 'static + use<> {
        let connection = Arc::clone(&self.connection);
        move || {
            if connection.state.swap(UP, Ordering::Relaxed) == DOWN {
                log::warn!(target: "kolo::connection", "{}: connected again", connection.client);
            }
        }
    }
}

impl ClientContext for Watch {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        use RDKafkaLogLevel::{Alert, Critical, Debug, Emerg, Error, Info, Notice, Warning};
        let level = match (level, facility) {
            // A connection that fails is told by its state; a property that is for the other kind of client is no news.
            (_, "FAIL" | "ERROR" | "CONFWARN" | "MAXPOLL") if level as i32 > Critical as i32 => log::Level::Debug,
            (Emerg | Alert | Critical | Error, _) => log::Level::Error,
            (Warning, _) => log::Level::Warn,
            (Notice | Info, _) => log::Level::Info,
            (Debug, _) => log::Level::Debug,
        };
        log::log!(target: "librdkafka", level, "{}: {facility}: {line}", self.connection.client);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, Resolve};
        let Connection { client, state } = &*self.connection;
        match error.rdkafka_error_code() {
            Some(AllBrokersDown) => {
                if state.swap(DOWN, Ordering::Relaxed) == UP {
                    log::warn!(target: "kolo::connection", "{}: connection lost, trying again: {reason}", client);
                }
            }
            Some(BrokerTransportFailure | Resolve) => log::debug!(target: "librdkafka", "{}: {reason}", client),
            _ => log::warn!(target: "librdkafka", "{}: {error}: {reason}", client),
        }
    }

    /// For whoever sets `statistics_interval_ms`.
    fn stats_raw(&self, statistics: &[u8]) {
        let client = &self.connection.client;
        log::info!(target: "librdkafka::statistics", "{client}: {}", String::from_utf8_lossy(statistics));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_news_only_after_an_answer_and_once() {
        let watch = Watch::new("local", "consumer");
        let connected = watch.connected();
        let state = || watch.connection.state.load(Ordering::Relaxed);
        let down = || watch.error(KafkaError::Global(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down");
        assert_eq!(state(), UNKNOWN);
        down();
        assert_eq!(state(), DOWN);
        connected();
        assert_eq!(state(), UP);
        watch.error(KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure), "one of several");
        assert_eq!(state(), UP);
    }
}
