//! librdkafka's mock cluster: a Kafka broker inside this process, reached over TCP on 127.0.0.1 like any other.
//!
//! It keeps at most 5 MiB a partition, forgets everything at the end, and is neither a measure of latency (an empty
//! fetch sleeps its full `fetch.wait.max.ms`) nor of transactions.

use std::ffi::{CStr, CString};
use std::ptr::NonNull;

use rdkafka::ClientConfig;
use rdkafka::bindings as rd;
use rdkafka::client::{Client, DefaultClientContext};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::types::RDKafkaType;

use crate::outcome::Failure;

/// A mock cluster of one broker; it ends when dropped.
pub(crate) struct MockCluster {
    cluster: NonNull<rd::rd_kafka_mock_cluster_t>,
    // Carries the cluster's thread; dropped after the cluster.
    _client: Client,
}

// SAFETY: the mock cluster's functions pass requests to its own thread.
unsafe impl Send for MockCluster {}

impl MockCluster {
    /// Starts a broker on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// What librdkafka says when it cannot.
    pub(crate) fn start() -> Result<Self, Failure> {
        let failed = |reason: String| Failure::new(format!("the embedded broker could not be started: {reason}"));
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Error);
        let native = config.create_native_config().map_err(|e| failed(e.to_string()))?;
        let client = Client::new(&config, native, RDKafkaType::RD_KAFKA_PRODUCER, DefaultClientContext)
            .map_err(|e| failed(e.to_string()))?;
        // SAFETY: the client is live, and dropped after the cluster.
        let cluster = NonNull::new(unsafe { rd::rd_kafka_mock_cluster_new(client.native_ptr(), 1) })
            .ok_or_else(|| failed("no free port or no memory".to_owned()))?;
        // A group of one member need not wait for others to join.
        // SAFETY: the cluster is live.
        unsafe { rd::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster.as_ptr(), 0) };
        Ok(MockCluster { cluster, _client: client })
    }

    /// Where clients connect to.
    pub(crate) fn bootstrap_servers(&self) -> String {
        // SAFETY: the cluster is live, and the string lives as long.
        let servers = unsafe { CStr::from_ptr(rd::rd_kafka_mock_cluster_bootstraps(self.cluster.as_ptr())) };
        servers.to_string_lossy().into_owned()
    }

    /// Creates a topic.
    ///
    /// # Errors
    /// What the broker says when it cannot.
    pub(crate) fn create_topic(&self, name: &str, partitions: i32) -> Result<(), Failure> {
        let c_name = CString::new(name).expect("a topic name holds no NUL");
        // SAFETY: the cluster is live and the name a C string.
        let code = unsafe { rd::rd_kafka_mock_topic_create(self.cluster.as_ptr(), c_name.as_ptr(), partitions, 1) };
        if code == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Ok(());
        }
        Err(Failure::new(format!("the embedded broker refuses topic {name}: {code:?}")))
    }
}

impl Drop for MockCluster {
    fn drop(&mut self) {
        // SAFETY: the cluster is ours and destroyed once, before its client.
        unsafe { rd::rd_kafka_mock_cluster_destroy(self.cluster.as_ptr()) };
    }
}
