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
    client: String,
    state: Arc<AtomicU8>,
}

impl Watch {
    /// The watch of `connector`'s consumer or producer.
    pub(crate) fn new(connector: &str, role: &str) -> Self {
        Watch { client: format!("connector {connector} ({role})"), state: Arc::new(AtomicU8::new(UNKNOWN)) }
    }

    /// What to call when the client, which has the watch then, has heard from a broker. Without it only statistics tell,
    /// and a connection that is lost before the first of them is lost without a word.
    pub(crate) fn connected(&self) -> impl Fn() + use<> {
        let state = Arc::clone(&self.state);
        move || state.store(UP, Ordering::Relaxed)
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
        log::log!(target: "librdkafka", level, "{}: {facility}: {line}", self.client);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, Resolve};
        match error.rdkafka_error_code() {
            Some(AllBrokersDown) => {
                if self.state.swap(DOWN, Ordering::Relaxed) == UP {
                    log::warn!(target: "kolo::connection", "{}: connection lost, trying again: {reason}", self.client);
                }
            }
            Some(BrokerTransportFailure | Resolve) => log::debug!(target: "librdkafka", "{}: {reason}", self.client),
            _ => log::warn!(target: "librdkafka", "{}: {error}: {reason}", self.client),
        }
    }

    /// Statistics come once a second; brokers that are connected stand in them as `UP`.
    fn stats_raw(&self, statistics: &[u8]) {
        if memchr::memmem::find(statistics, b"\"state\":\"UP\"").is_some()
            && self.state.swap(UP, Ordering::Relaxed) == DOWN
        {
            log::warn!(target: "kolo::connection", "{}: connected again", self.client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_news_from_the_first_answer_on() {
        let watch = Watch::new("local", "producer");
        let connected = watch.connected();
        assert_eq!(watch.state.load(Ordering::Relaxed), UNKNOWN);
        connected();
        assert_eq!(watch.state.load(Ordering::Relaxed), UP);
    }

    #[test]
    fn a_loss_is_news_only_after_a_connection() {
        let watch = Watch::new("local", "consumer");
        let down = || KafkaError::Global(RDKafkaErrorCode::AllBrokersDown);
        watch.error(down(), "1/1 brokers are down");
        assert_eq!(watch.state.load(Ordering::Relaxed), DOWN);
        watch.stats_raw(br#"{"brokers":{"a":{"state":"DOWN"}}}"#);
        assert_eq!(watch.state.load(Ordering::Relaxed), DOWN);
        watch.stats_raw(br#"{"brokers":{"a":{"state":"UP"}}}"#);
        assert_eq!(watch.state.load(Ordering::Relaxed), UP);
    }
}
