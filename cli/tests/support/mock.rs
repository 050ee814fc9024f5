//! librdkafka's mock cluster with what the wrapper leaves out: no delay before a group's first rebalance.

use std::ffi::{CStr, CString};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::bindings as rd;
use rdkafka::client::{Client, DefaultClientContext};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr, RDKafkaType};

/// The number of the only broker.
const BROKER: i32 = 1;

/// A cluster of one broker; it ends when dropped.
pub(crate) struct Mock {
    cluster: *mut rd::rd_kafka_mock_cluster_t,
    /// Carries the cluster's thread; dropped after the cluster.
    _client: Client,
}

// SAFETY: the mock cluster's functions pass requests to its own thread and wait for the answer.
unsafe impl Send for Mock {}
// SAFETY: as above.
unsafe impl Sync for Mock {}

impl Mock {
    pub(crate) fn start() -> Mock {
        let config = ClientConfig::new();
        let native = config.create_native_config().expect("an empty configuration is a right one");
        let client = Client::new(&config, native, RDKafkaType::RD_KAFKA_PRODUCER, DefaultClientContext)
            .expect("a client without brokers can always be had");
        // SAFETY: the client is live, and dropped after the cluster.
        let cluster = unsafe { rd::rd_kafka_mock_cluster_new(client.native_ptr(), BROKER) };
        assert!(!cluster.is_null(), "no free port or no memory for the mock cluster");
        // SAFETY: the cluster is live.
        unsafe { rd::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0) };
        Mock { cluster, _client: client }
    }

    pub(crate) fn bootstrap(&self) -> String {
        // SAFETY: the cluster is live, and the string lives as long.
        let servers = unsafe { CStr::from_ptr(rd::rd_kafka_mock_cluster_bootstraps(self.cluster)) };
        servers.to_string_lossy().into_owned()
    }

    pub(crate) fn create_topic(&self, name: &str, partitions: i32) {
        let name = CString::new(name).expect("a topic name holds no NUL");
        // SAFETY: the cluster is live and the name a C string.
        accepted(unsafe { rd::rd_kafka_mock_topic_create(self.cluster, name.as_ptr(), partitions, 1) });
    }

    /// Cuts all connections and accepts no new ones.
    pub(crate) fn down(&self) {
        // SAFETY: the cluster is live.
        accepted(unsafe { rd::rd_kafka_mock_broker_set_down(self.cluster, BROKER) });
    }

    /// Accepts connections again.
    pub(crate) fn up(&self) {
        // SAFETY: the cluster is live.
        accepted(unsafe { rd::rd_kafka_mock_broker_set_up(self.cluster, BROKER) });
    }

    /// Delays every answer.
    pub(crate) fn round_trip(&self, time: Duration) {
        // SAFETY: the cluster is live.
        accepted(unsafe { rd::rd_kafka_mock_broker_set_rtt(self.cluster, BROKER, time.as_millis() as i32) });
    }

    /// Answers the next requests of this kind with these errors.
    pub(crate) fn errors(&self, request: RDKafkaApiKey, errors: &[RDKafkaRespErr]) {
        // SAFETY: the cluster is live, and `errors` has as many elements as it says.
        unsafe {
            rd::rd_kafka_mock_push_request_errors_array(self.cluster, request.into(), errors.len(), errors.as_ptr())
        };
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        // SAFETY: the cluster is ours and destroyed once, before its client.
        unsafe { rd::rd_kafka_mock_cluster_destroy(self.cluster) };
    }
}

fn accepted(code: rd::rd_kafka_resp_err_t) {
    assert_eq!(code, rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR, "the mock cluster refuses");
}
