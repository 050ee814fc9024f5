//! The Kafka producer: outputs gathered by partition, handed to librdkafka a batch at a time, delivery reports in bulk.
//!
//! `rd_kafka_produce_batch` with one fixed partition costs half of what a call a message does, and keeps order within
//! the partition. It can set neither timestamps nor headers: a message that needs them is *single*, and takes a call of its
//! own in its place among those of its partition. Delivery reports are taken as raw events, one for each batch that a
//! broker acknowledged; the opaque pointer of a message is no pointer but the sequence of the slot that caused it.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_void};
use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kolo_engine::slot::{Header, Headers};
use rdkafka::ClientConfig;
use rdkafka::bindings as rd;
use rdkafka::bindings::rd_kafka_resp_err_t as Code;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaType;

use crate::events::{Event, EventQueue};

/// What kolo sets on a producer where the program and the command line say nothing.
///
/// Order and absence of duplicates within a session come from idempotence; a broker that is away is waited for without
/// limit; how large a message may be is for the broker to say.
pub const DEFAULTS: &[(&str, &str)] = &[
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("compression.type", "lz4"),
    ("linger.ms", "5"),
    ("message.timeout.ms", "0"),
    ("message.max.bytes", "104857600"),
    ("queue.buffering.max.messages", "500000"),
];

/// How long a start may wait for a broker and for an output topic to come into being.
const START_TIMEOUT: Duration = Duration::from_secs(9);
/// How long a topic that the broker does not know may take to be created by it.
const CREATE_TIMEOUT: Duration = Duration::from_secs(5);

/// How often, and how long each time, a connection that was lost is looked for.
const PROBE_EVERY: Duration = Duration::from_secs(1);
const PROBE_TIMEOUT: Duration = Duration::from_millis(100);
/// How long to leave librdkafka alone when its queue is full and no delivery report has come.
const QUEUE_FULL_PAUSE: Duration = Duration::from_micros(200);

/// Why a producer or a topic of it could not be had.
#[derive(Debug)]
pub enum ConnectError {
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
    /// The broker neither has the topic nor creates it.
    TopicMissing {
        /// Connector name.
        connector: String,
        /// The topic.
        topic: String,
        /// The bootstrap list.
        brokers: String,
        /// The broker's last word.
        reason: String,
    },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Client { connector, reason } => write!(f, "connector {connector}: {reason}"),
            ConnectError::Unreachable { connector, brokers, waited_s, reason } => write!(
                f,
                "connector {connector}: no broker answered at {brokers} within {waited_s} s ({reason}); \
                 check that Kafka runs there and that `brokers` is right"
            ),
            ConnectError::TopicMissing { connector, topic, brokers, reason } => write!(
                f,
                "connector {connector}: output topic {topic} cannot be used ({reason}); create it with \
                 `kafka-topics.sh --bootstrap-server {brokers} --create --topic {topic}`"
            ),
        }
    }
}

impl std::error::Error for ConnectError {}

/// An output that will never be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The sequence of the slot that caused the output.
    pub sequence: u64,
    /// Output topic.
    pub topic: String,
    /// Output partition; negative: none was chosen.
    pub partition: i32,
    /// librdkafka's or the broker's reason.
    pub reason: String,
}

/// Why [`Producer::send`] did not send everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendError {
    /// An output will never be delivered.
    Refused(Refusal),
    /// The lane stopped while librdkafka's queue was full.
    Cancelled,
}

/// A topic that outputs go to.
struct Topic {
    name: String,
    handle: NonNull<rd::rd_kafka_topic_t>,
    /// Messages gathered for each partition, until [`Producer::send`].
    gathered: Vec<Gathered>,
    /// The partitions for which something is gathered, in order of their first message.
    touched: Vec<i32>,
}

/// What was gathered for one partition, in order.
#[derive(Default)]
struct Gathered {
    messages: Vec<rd::rd_kafka_message_t>,
    /// The messages among them that take a call each, in the same order; mostly none.
    singles: Vec<Single>,
}

impl Gathered {
    fn clear(&mut self) {
        self.messages.clear();
        self.singles.clear();
    }
}

/// What a message has beyond key and value.
struct Single {
    /// Index into [`Gathered::messages`].
    at: usize,
    /// Milliseconds since 1970; 0: the time of production.
    timestamp_ms: i64,
    /// Of the slot that caused it: good until [`Producer::send`] returns, as the message's key and value are.
    headers: Headers<'static>,
}

/// Headers as librdkafka takes them. The message that is produced with them owns them then.
struct OwnedHeaders(NonNull<rd::rd_kafka_headers_t>);

impl OwnedHeaders {
    fn new(headers: Headers<'_>) -> OwnedHeaders {
        // SAFETY: any number will do.
        let list = unsafe { rd::rd_kafka_headers_new(headers.count()) };
        let list = OwnedHeaders(NonNull::new(list).expect("rd_kafka_headers_new never returns null"));
        for Header { name, value } in headers {
            // A value of no bytes is a value; only a null pointer is none.
            let (at, len) = value.map_or((ptr::null(), 0), |value| (value.as_ptr(), value.len()));
            // SAFETY: the list is ours; name and value are as long as it is said, and copied.
            unsafe {
                let name = (name.as_ptr().cast(), name.len() as isize);
                rd::rd_kafka_header_add(list.0.as_ptr(), name.0, name.1, at.cast(), len as isize);
            }
        }
        list
    }
}

impl Drop for OwnedHeaders {
    fn drop(&mut self) {
        // SAFETY: the list is ours, and given back once: whoever hands it over forgets it.
        unsafe { rd::rd_kafka_headers_destroy(self.0.as_ptr()) };
    }
}

/// Index of a topic of one [`Producer`].
pub type TopicIndex = usize;

/// A producer for one connector.
pub struct Producer<C: ClientContext> {
    topics: Vec<Topic>,
    by_name: HashMap<Vec<u8>, TopicIndex>,
    queue: EventQueue,
    reports: Box<[*const rd::rd_kafka_message_t]>,
    /// Messages accepted by librdkafka whose delivery report has not come.
    in_flight: u64,
    connector: String,
    brokers: String,
    /// Told whenever a broker has answered.
    connected: Box<dyn Fn() + Send>,
    /// When to ask again whether a broker answers; `None` while none is known to be away.
    probe_at: Option<Instant>,
    // Last: everything above belongs to it.
    client: Client<C>,
}

// SAFETY: librdkafka's objects may be used from any thread; the raw pointers in `gathered` live only within one call of
// the thread that owns the producer.
unsafe impl<C: ClientContext> Send for Producer<C> {}

impl<C: ClientContext> Producer<C> {
    /// A producer with these properties, complete: [`DEFAULTS`], then the program's, then the command line's.
    ///
    /// # Errors
    /// A configuration that librdkafka refuses.
    pub fn new(
        connector: &str,
        config: &ClientConfig,
        context: C,
        connected: Box<dyn Fn() + Send>,
    ) -> Result<Self, ConnectError> {
        let failed =
            |reason: KafkaError| ConnectError::Client { connector: connector.to_owned(), reason: reason.to_string() };
        let native = config.create_native_config().map_err(failed)?;
        let mut events = rd::RD_KAFKA_EVENT_DR | rd::RD_KAFKA_EVENT_STATS | rd::RD_KAFKA_EVENT_ERROR;
        events |= rd::RD_KAFKA_EVENT_LOG;
        // SAFETY: `native` is a live configuration.
        unsafe { rd::rd_kafka_conf_set_events(native.ptr(), events) };
        let client = Client::new(config, native, RDKafkaType::RD_KAFKA_PRODUCER, context).map_err(failed)?;
        // SAFETY: the client is live, and dropped after its queue.
        let queue = unsafe { EventQueue::main(client.native_ptr()) };
        Ok(Producer {
            topics: Vec::new(),
            by_name: HashMap::new(),
            queue,
            reports: vec![ptr::null(); 1024].into_boxed_slice(),
            in_flight: 0,
            connector: connector.to_owned(),
            brokers: config.get("bootstrap.servers").unwrap_or("").to_owned(),
            connected,
            probe_at: None,
            client,
        })
    }

    /// Calls `f`, on a librdkafka thread, whenever delivery reports begin to wait.
    pub fn on_reports(&mut self, f: impl Fn() + Send + Sync + 'static) {
        self.queue.on_non_empty(f);
    }

    /// The index of topic `name`; opens it the first time, which asks the broker for its partitions and, where the
    /// broker creates topics by itself, makes it do so.
    ///
    /// # Errors
    /// No broker, or no such topic, within 10 s.
    pub fn topic(&mut self, name: &[u8]) -> Result<TopicIndex, ConnectError> {
        if let Some(&index) = self.by_name.get(name) {
            return Ok(index);
        }
        let text = String::from_utf8_lossy(name).into_owned();
        let partitions = self.partitions_of(&text)?;
        if self.topics.is_empty() {
            // librdkafka asks for its producer id when metadata arrives while a broker of the cluster is connected, else
            // 500 ms after its creation. The first answer comes from a bootstrap connection, the second does not.
            self.partitions_of(&text)?;
            (self.connected)();
        }
        let c_name = CString::new(name).map_err(|_| self.missing(&text, "the name holds a NUL".to_owned()))?;
        // SAFETY: the client is live; a null configuration means the client's own.
        let handle = unsafe { rd::rd_kafka_topic_new(self.client.native_ptr(), c_name.as_ptr(), ptr::null_mut()) };
        let handle =
            NonNull::new(handle).ok_or_else(|| self.missing(&text, "librdkafka refuses its name".to_owned()))?;
        let gathered = (0..partitions).map(|_| Gathered::default()).collect();
        self.topics.push(Topic { name: text, handle, gathered, touched: Vec::new() });
        self.by_name.insert(name.to_vec(), self.topics.len() - 1);
        Ok(self.topics.len() - 1)
    }

    fn missing(&self, topic: &str, reason: String) -> ConnectError {
        let (connector, brokers) = (self.connector.clone(), self.brokers.clone());
        ConnectError::TopicMissing { connector, topic: topic.to_owned(), brokers, reason }
    }

    fn partitions_of(&self, topic: &str) -> Result<usize, ConnectError> {
        let began = Instant::now();
        loop {
            let left = START_TIMEOUT.saturating_sub(began.elapsed()).max(Duration::from_millis(100));
            let metadata =
                self.client.fetch_metadata(Some(topic), left).map_err(|reason| ConnectError::Unreachable {
                    connector: self.connector.clone(),
                    brokers: self.brokers.clone(),
                    waited_s: START_TIMEOUT.as_secs(),
                    reason: reason.to_string(),
                })?;
            let found = metadata.topics().iter().find(|t| t.name() == topic);
            let reason = match found.map(|t| (t.error(), t.partitions().len())) {
                Some((None, partitions)) if partitions > 0 => return Ok(partitions),
                Some((Some(code), _)) => RDKafkaErrorCode::from(code).to_string(),
                _ => "the broker has no partitions for it".to_owned(),
            };
            if began.elapsed() >= CREATE_TIMEOUT {
                return Err(self.missing(topic, reason));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// How many partitions the topic had when it was opened.
    #[inline]
    pub fn partitions(&self, topic: TopicIndex) -> i32 {
        self.topics[topic].gathered.len() as i32
    }

    /// Gathers a message for the next [`send`](Self::send).
    ///
    /// # Safety
    /// `key` and `value` must stay where they are, unchanged, until `send` has returned.
    #[inline]
    pub unsafe fn gather(
        &mut self,
        topic: TopicIndex,
        partition: i32,
        key: Option<&[u8]>,
        value: &[u8],
        sequence: u64,
    ) {
        let topic = &mut self.topics[topic];
        let messages = &mut topic.gathered[partition as usize].messages;
        if messages.is_empty() {
            topic.touched.push(partition);
        }
        messages.push(rd::rd_kafka_message_t {
            err: Code::RD_KAFKA_RESP_ERR_NO_ERROR,
            rkt: ptr::null_mut(),
            partition,
            payload: value.as_ptr() as *mut c_void,
            len: value.len(),
            // A key of no bytes is a key; only a null pointer is none.
            key: key.map_or(ptr::null_mut(), |key| key.as_ptr() as *mut c_void),
            key_len: key.map_or(0, <[u8]>::len),
            offset: 0,
            _private: sequence as usize as *mut c_void,
        });
    }

    /// Gives the message that was gathered last for the partition a timestamp, unless it is 0, and headers.
    ///
    /// # Safety
    /// `headers` must stay where they are, unchanged, until `send` has returned.
    #[inline]
    pub unsafe fn single_out(&mut self, topic: TopicIndex, partition: i32, timestamp_ms: i64, headers: Headers<'_>) {
        let Gathered { messages, singles } = &mut self.topics[topic].gathered[partition as usize];
        // SAFETY: only `send` uses them, until whose end the caller keeps them in place.
        let headers = unsafe { std::mem::transmute::<Headers<'_>, Headers<'static>>(headers) };
        singles.push(Single { at: messages.len() - 1, timestamp_ms, headers });
    }

    /// Hands everything gathered to librdkafka, which copies it. While its queue is full, delivery reports are served
    /// and what was not accepted is offered again, in order.
    ///
    /// # Errors
    /// A message that librdkafka refuses for good, or `cancelled` while waiting for room.
    #[inline]
    pub fn send(&mut self, mut delivered: impl FnMut(u64), cancelled: impl Fn() -> bool) -> Result<(), SendError> {
        for number in 0..self.topics.len() {
            while let Some(partition) = self.topics[number].touched.pop() {
                let mut gathered = std::mem::take(&mut self.topics[number].gathered[partition as usize]);
                let sent = self.send_gathered(number, partition, &mut gathered, &mut delivered, &cancelled);
                gathered.clear();
                self.topics[number].gathered[partition as usize] = gathered;
                sent?;
            }
        }
        Ok(())
    }

    /// The runs between single messages a batch each, and each of these by itself.
    fn send_gathered(
        &mut self,
        topic: TopicIndex,
        partition: i32,
        gathered: &mut Gathered,
        delivered: &mut impl FnMut(u64),
        cancelled: &impl Fn() -> bool,
    ) -> Result<(), SendError> {
        let Gathered { messages, singles } = gathered;
        let mut next = 0;
        for single in singles.iter() {
            self.send_run(topic, partition, &mut messages[next..single.at], delivered, cancelled)?;
            self.send_single(topic, &messages[single.at], single, delivered, cancelled)?;
            next = single.at + 1;
        }
        self.send_run(topic, partition, &mut messages[next..], delivered, cancelled)
    }

    fn send_run(
        &mut self,
        topic: TopicIndex,
        partition: i32,
        messages: &mut [rd::rd_kafka_message_t],
        delivered: &mut impl FnMut(u64),
        cancelled: &impl Fn() -> bool,
    ) -> Result<(), SendError> {
        let mut rest = messages;
        while !rest.is_empty() {
            // SAFETY: the topic is live; `gather`'s caller keeps keys and values in place, and F_COPY copies them.
            let accepted = unsafe {
                let handle = self.topics[topic].handle.as_ptr();
                rd::rd_kafka_produce_batch(
                    handle,
                    partition,
                    rd::RD_KAFKA_MSG_F_COPY,
                    rest.as_mut_ptr(),
                    rest.len() as i32,
                )
            };
            self.in_flight += accepted as u64;
            if accepted as usize == rest.len() {
                return Ok(());
            }
            let first =
                rest.iter().position(|m| m.err != Code::RD_KAFKA_RESP_ERR_NO_ERROR).expect("one was not accepted");
            let refused = &rest[first];
            self.wait_for_room(topic, refused, refused.err, &mut *delivered, cancelled)?;
            // After a full queue librdkafka accepts nothing more of the batch: the rest is a tail, still in order.
            rest = &mut rest[first..];
        }
        Ok(())
    }

    fn send_single(
        &mut self,
        topic: TopicIndex,
        message: &rd::rd_kafka_message_t,
        single: &Single,
        delivered: &mut impl FnMut(u64),
        cancelled: &impl Fn() -> bool,
    ) -> Result<(), SendError> {
        use rd::rd_kafka_vtype_t as Type;
        use rd::{rd_kafka_vu_s__bindgen_ty_1 as Value, rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 as Bytes};
        let argument = |vtype, u| rd::rd_kafka_vu_t { vtype, u };
        let bytes = |ptr, size| Value { mem: Bytes { ptr, size } };
        let headers = (!single.headers.is_empty()).then(|| OwnedHeaders::new(single.headers));
        let list = headers.as_ref().map_or(ptr::null_mut(), |headers| headers.0.as_ptr());
        let arguments = [
            argument(Type::RD_KAFKA_VTYPE_RKT, Value { rkt: self.topics[topic].handle.as_ptr() }),
            argument(Type::RD_KAFKA_VTYPE_PARTITION, Value { i32_: message.partition }),
            argument(Type::RD_KAFKA_VTYPE_MSGFLAGS, Value { i: rd::RD_KAFKA_MSG_F_COPY }),
            argument(Type::RD_KAFKA_VTYPE_VALUE, bytes(message.payload, message.len)),
            argument(Type::RD_KAFKA_VTYPE_KEY, bytes(message.key, message.key_len)),
            argument(Type::RD_KAFKA_VTYPE_OPAQUE, Value { ptr: message._private }),
            argument(Type::RD_KAFKA_VTYPE_TIMESTAMP, Value { i64_: single.timestamp_ms }),
            argument(Type::RD_KAFKA_VTYPE_HEADERS, Value { headers: list }),
        ];
        loop {
            // SAFETY: client and topic are live; `gather`'s caller keeps key and value in place, and F_COPY copies them.
            // Each argument has the member of the union that belongs to its type.
            let error =
                unsafe { rd::rd_kafka_produceva(self.client.native_ptr(), arguments.as_ptr(), arguments.len()) };
            if error.is_null() {
                // They are the message's now.
                std::mem::forget(headers);
                self.in_flight += 1;
                return Ok(());
            }
            // SAFETY: the error is ours, and destroyed once.
            let code = unsafe {
                let code = rd::rd_kafka_error_code(error);
                rd::rd_kafka_error_destroy(error);
                code
            };
            self.wait_for_room(topic, message, code, delivered, cancelled)?;
        }
    }

    /// What to do about a message that was not accepted: while the queue is full, delivery reports are served, and there
    /// is a pause if none has come.
    fn wait_for_room(
        &mut self,
        topic: TopicIndex,
        message: &rd::rd_kafka_message_t,
        code: Code,
        delivered: &mut impl FnMut(u64),
        cancelled: &impl Fn() -> bool,
    ) -> Result<(), SendError> {
        if code != Code::RD_KAFKA_RESP_ERR__QUEUE_FULL {
            return Err(SendError::Refused(Refusal {
                sequence: message._private as usize as u64,
                topic: self.topics[topic].name.clone(),
                partition: message.partition,
                reason: RDKafkaErrorCode::from(code).to_string(),
            }));
        }
        if self.serve(delivered).map_err(SendError::Refused)? == 0 {
            if cancelled() {
                return Err(SendError::Cancelled);
            }
            std::thread::sleep(QUEUE_FULL_PAUSE);
        }
        Ok(())
    }

    /// Takes the delivery reports that have come; `delivered` is told the sequence of each message. Returns their number.
    ///
    /// # Errors
    /// A message that was not delivered and will not be.
    #[inline]
    pub fn serve(&mut self, mut delivered: impl FnMut(u64)) -> Result<usize, Refusal> {
        let mut served = 0;
        if self.probe_at.is_some_and(|at| Instant::now() >= at) {
            self.probe();
        }
        while let Some(event) = self.queue.poll() {
            if event.kind() == rd::RD_KAFKA_EVENT_DR {
                loop {
                    let reports = event.messages(&mut self.reports);
                    if reports.is_empty() {
                        break;
                    }
                    for &report in reports {
                        // SAFETY: messages of an event live as long as the event.
                        let report = unsafe { &*report };
                        if report.err != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
                            return Err(self.refusal(report));
                        }
                        delivered(report._private as usize as u64);
                    }
                    served += reports.len();
                    self.in_flight -= reports.len() as u64;
                }
            } else {
                self.hear(&event);
            }
        }
        Ok(served)
    }

    fn refusal(&self, report: &rd::rd_kafka_message_t) -> Refusal {
        // SAFETY: a delivery report's message holds a reference to its topic.
        let topic = unsafe { CStr::from_ptr(rd::rd_kafka_topic_name(report.rkt)) };
        let mut reason = RDKafkaErrorCode::from(report.err).to_string();
        if let Some((_, fatal)) = self.client.fatal_error() {
            reason = format!("{reason}; {fatal}");
        }
        Refusal {
            sequence: report._private as usize as u64,
            topic: topic.to_string_lossy().into_owned(),
            partition: report.partition,
            reason,
        }
    }

    /// Asks whether a broker answers again. librdkafka tells when the last connection is lost, not when one is back
    /// (its statistics would, at a price for every record).
    #[cold]
    fn probe(&mut self) {
        let topic = self.topics.first().map(|topic| topic.name.as_str());
        self.probe_at = match self.client.fetch_metadata(topic, PROBE_TIMEOUT) {
            Ok(_) => {
                (self.connected)();
                None
            }
            Err(_) => Some(Instant::now() + PROBE_EVERY),
        };
    }

    /// Log lines, errors and statistics go to the context.
    #[cold]
    fn hear(&mut self, event: &Event) {
        let context: &Arc<C> = self.client.context();
        match event.kind() {
            rd::RD_KAFKA_EVENT_LOG => {
                if let Some((level, facility, line)) = event.log() {
                    context.log(level, &facility, &line);
                }
            }
            rd::RD_KAFKA_EVENT_ERROR => {
                let (code, reason) = event.error();
                context.error(KafkaError::Global(code), &reason);
                if code == RDKafkaErrorCode::AllBrokersDown {
                    self.probe_at = Some(Instant::now() + PROBE_EVERY);
                }
            }
            rd::RD_KAFKA_EVENT_STATS => context.stats_raw(event.statistics()),
            _ => {}
        }
    }

    /// Whether reports wait.
    #[inline]
    pub fn has_reports(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Messages handed to librdkafka whose delivery report has not come.
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }
}

impl<C: ClientContext> Drop for Producer<C> {
    fn drop(&mut self) {
        for topic in &self.topics {
            // SAFETY: the reference was ours; the client lives until after this.
            unsafe { rd::rd_kafka_topic_destroy(topic.handle.as_ptr()) };
        }
    }
}
