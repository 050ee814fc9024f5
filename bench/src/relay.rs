//! The limit: what librdkafka alone does, with nothing of ours between its consumer and its producer.
//!
//! One thread: `rd_kafka_consume_batch_queue` → a byte scan for the program's predicates → `rd_kafka_produce_batch`. It
//! parses and formats nothing, tracks no acknowledgements and commits no offsets; wherever the program puts something out,
//! the record goes out as the bytes it came in, to the same topic and the partition of the same number. It ends by itself
//! once everything that was in the input topic when it began has been read, and what passed has been delivered.
//!
//! An engine that evaluates programs and commits what it has finished cannot beat this but by luck; how near it comes
//! is its score.

use std::ffi::CString;
use std::ptr;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};
use kolo_source::generate::Program;
use memchr::memmem;
use rdkafka::bindings as rd;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, DeliveryResult, Producer, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::Result;
use crate::broker::START_TIMEOUT;

/// Messages taken and handed over at once.
const BATCH: usize = 512;
/// Rest when nothing has arrived; a busy loop would take the processor from librdkafka's own threads.
const IDLE: Duration = Duration::from_micros(50);

/// An idempotent producer asks for its id when metadata arrives from a broker that it is connected to, or half a second
/// after its creation, and sends nothing before.
const READY_AFTER: Duration = Duration::from_millis(600);

/// Where the relay reads and writes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Bootstrap brokers
    #[arg(long, env = "KOLO_TEST_BROKERS", default_value = "127.0.0.1:9092")]
    brokers: String,
    /// Topic to read, from its beginning to its present end
    #[arg(long)]
    input: String,
    /// Topics to write, one for each of the program's; they need at least as many partitions as the input
    #[arg(long, required = true)]
    output: Vec<String>,
    /// Whose predicates decide what goes where
    #[arg(long, default_value_t = Program::Filter, value_parser = crate::pipeline::program_names())]
    program: Program,
    /// Whose librdkafka settings to use
    #[arg(long, value_enum, default_value_t = Settings::Tuned)]
    settings: Settings,
}

/// A choice of librdkafka properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Settings {
    /// The fastest known for this task
    Tuned,
    /// What kolo sets by default
    Kolo,
}

impl Settings {
    fn consumer(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Settings::Tuned => &[
                ("fetch.message.max.bytes", "8388608"),
                ("queued.min.messages", "500000"),
                ("fetch.queue.backoff.ms", "1"),
            ],
            Settings::Kolo => kolo_source::kafka::DEFAULTS,
        }
    }

    fn producer(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Settings::Tuned => {
                &[("enable.idempotence", "true"), ("acks", "all"), ("compression.type", "lz4"), ("linger.ms", "20")]
            }
            Settings::Kolo => kolo_sink::kafka::DEFAULTS,
        }
    }
}

/// Relays what is in the input topic now, then returns.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.output.len() != options.program.output_topics().len() {
        return Err(format!("{} writes {} topics", options.program, options.program.output_topics().len()).into());
    }
    // The output first: what is fetched while nothing can be sent yet would be a head start that no clock sees.
    let output = Output::open(options)?;
    let mut input = Input::open(options)?;
    // Declared after `input`, so dropped before it: no message may outlive its consumer.
    let mut batch = Batch::new();
    let mut passing: Vec<Vec<_>> = options.output.iter().map(|_| Vec::with_capacity(BATCH)).collect();
    let scan = Scan::of(options.program);
    while input.unfinished > 0 {
        input.take(&mut batch)?;
        // A run is what stands side by side from one partition: produce_batch wants one partition a call.
        let mut partition = 0;
        for message in batch.messages() {
            if message.err != rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                let code = RDKafkaErrorCode::from(message.err);
                return Err(format!("reading {} [{}]: {code}", options.input, message.partition).into());
            }
            if message.partition != partition {
                output.send(partition, &mut passing)?;
                partition = message.partition;
            }
            input.reached(message.partition, message.offset + 1);
            if message.payload.is_null() {
                continue;
            }
            // SAFETY: payload is not null; with len it describes the value, which lives until the batch is filled again.
            let value = unsafe { std::slice::from_raw_parts(message.payload.cast::<u8>(), message.len) };
            let Some(tick) = scan.tick(value) else { continue };
            for (topic, passing) in passing.iter_mut().enumerate() {
                if passes(options.program, topic, tick) {
                    passing.push(outgoing(message));
                }
            }
        }
        output.send(partition, &mut passing)?;
        output.serve()?;
        if batch.is_empty() {
            thread::sleep(IDLE);
        }
    }
    output.finish()
}

/// What the predicates look at. All prices are whole, so the digits before the point are enough.
#[derive(Debug, Clone, Copy)]
struct Tick {
    price: u64,
    /// 0 where no predicate looks at it.
    volume: u64,
}

/// Finds numbers by the bytes that they stand behind.
struct Scan {
    price: memmem::Finder<'static>,
    volume: Option<memmem::Finder<'static>>,
}

impl Scan {
    fn of(program: Program) -> Scan {
        let volume = matches!(program, Program::Arithmetic).then(|| memmem::Finder::new(br#""volume": "#));
        Scan { price: memmem::Finder::new(br#""price": "#), volume }
    }

    #[inline]
    fn tick(&self, value: &[u8]) -> Option<Tick> {
        let price = whole_behind(&self.price, value)?;
        let volume = self.volume.as_ref().map_or(Some(0), |volume| whole_behind(volume, value))?;
        Some(Tick { price, volume })
    }
}

#[inline]
fn whole_behind(key: &memmem::Finder<'_>, value: &[u8]) -> Option<u64> {
    let at = key.find(value)? + key.needle().len();
    let digits = value[at..].iter().take_while(|b| b.is_ascii_digit());
    Some(digits.fold(0u64, |n, digit| n.saturating_mul(10).saturating_add(u64::from(digit - b'0'))))
}

/// Whether the program puts something out on its topic of this number.
#[inline]
fn passes(program: Program, topic: usize, Tick { price, volume }: Tick) -> bool {
    match (program, topic) {
        (Program::Filter | Program::FilterWide, _) => price > 50,
        (Program::Arithmetic, 0) => price * volume > 300_000,
        (Program::Arithmetic, _) => price > 50 && price < 100,
    }
}

/// A message to produce with the value of one that was consumed.
#[inline]
fn outgoing(message: &rd::rd_kafka_message_t) -> rd::rd_kafka_message_t {
    rd::rd_kafka_message_t {
        err: rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
        rkt: ptr::null_mut(),
        partition: message.partition,
        payload: message.payload,
        len: message.len,
        key: ptr::null_mut(),
        key_len: 0,
        offset: 0,
        _private: ptr::null_mut(),
    }
}

/// The consumer, with all partitions forwarded to one queue from which batches can be taken.
struct Input {
    consumer: BaseConsumer<Quiet>,
    data: *mut rd::rd_kafka_queue_t,
    /// Per partition, where it ended when the relay began.
    ends: Vec<i64>,
    /// Partitions whose end has not been reached.
    unfinished: usize,
}

impl Input {
    fn open(options: &Options) -> Result<Input> {
        let mut config = ClientConfig::new();
        config.extend(options.settings.consumer().iter().map(|(k, v)| (k.to_string(), v.to_string())));
        config.set("bootstrap.servers", &options.brokers);
        // Nothing is committed; librdkafka wants a group's name all the same.
        config.set("group.id", "kolo-bench-relay").set("enable.auto.commit", "false");
        let consumer: BaseConsumer<Quiet> = config.create_with_context(Quiet::default())?;
        let metadata = consumer.fetch_metadata(Some(&options.input), START_TIMEOUT)?;
        let partitions = metadata.topics().first().map_or(0, |t| t.partitions().len());
        if partitions == 0 {
            return Err(format!("topic {} does not exist at {}", options.input, options.brokers).into());
        }

        let name = CString::new(options.input.as_str())?;
        let rk = consumer.client().native_ptr();
        // SAFETY: `rk` is live as long as the consumer, which `Input` keeps and drops after the queue.
        let data = unsafe { rd::rd_kafka_queue_new(rk) };
        let mut ends = Vec::new();
        let mut assignment = TopicPartitionList::new();
        for partition in 0..partitions as i32 {
            ends.push(consumer.fetch_watermarks(&options.input, partition, START_TIMEOUT)?.1);
            assignment.add_partition_offset(&options.input, partition, Offset::Beginning)?;
            // SAFETY: both queues are live; the reference to the partition's is given back, forwarding keeps its own.
            unsafe {
                let queue = rd::rd_kafka_queue_get_partition(rk, name.as_ptr(), partition);
                rd::rd_kafka_queue_forward(queue, data);
                rd::rd_kafka_queue_destroy(queue);
            }
        }
        consumer.assign(&assignment)?;
        let unfinished = ends.iter().filter(|end| **end > 0).count();
        Ok(Input { consumer, data, ends, unfinished })
    }

    /// Fills `batch` with what has arrived; serves the control queue if nothing has.
    fn take(&mut self, batch: &mut Batch) -> Result<()> {
        batch.clear();
        // SAFETY: the array has BATCH places; librdkafka fills the first `n`, whose messages become the batch's.
        let n = unsafe { rd::rd_kafka_consume_batch_queue(self.data, 0, batch.array.as_mut_ptr(), BATCH) };
        batch.len = n.max(0) as usize;
        if batch.is_empty()
            && let Some(Err(error)) = self.consumer.poll(Duration::ZERO)
        {
            return Err(format!("reading: {error}").into());
        }
        Ok(())
    }

    /// Notes that everything below `position` has been read.
    #[inline]
    fn reached(&mut self, partition: i32, position: i64) {
        if position == self.ends[partition as usize] {
            self.unfinished -= 1;
        }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        // SAFETY: the reference that `open` made, given back once; the consumer is dropped after this.
        unsafe { rd::rd_kafka_queue_destroy(self.data) };
    }
}

/// Messages that were taken and are destroyed together. Those that [`Output::send`] is handed point into them.
struct Batch {
    array: Box<[*mut rd::rd_kafka_message_t]>,
    /// The first so many places hold live messages.
    len: usize,
}

impl Batch {
    fn new() -> Batch {
        Batch { array: vec![ptr::null_mut(); BATCH].into(), len: 0 }
    }

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn messages(&self) -> impl Iterator<Item = &rd::rd_kafka_message_t> {
        // SAFETY: the first `len` places hold live messages until `clear`, which needs `&mut self`.
        self.array[..self.len].iter().map(|message| unsafe { &**message })
    }

    fn clear(&mut self) {
        for message in &self.array[..self.len] {
            // SAFETY: the message is ours and live; `len` below says that it no longer is, so it is destroyed once.
            unsafe { rd::rd_kafka_message_destroy(*message) };
        }
        self.len = 0;
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The producer and its topics.
struct Output {
    producer: BaseProducer<Quiet>,
    topics: Vec<*mut rd::rd_kafka_topic_t>,
}

impl Output {
    fn open(options: &Options) -> Result<Output> {
        let mut config = ClientConfig::new();
        config.extend(options.settings.producer().iter().map(|(k, v)| (k.to_string(), v.to_string())));
        config.set("bootstrap.servers", &options.brokers);
        // Acknowledged messages are freed by librdkafka's own thread; only failures are reported.
        config.set("delivery.report.only.error", "true");
        let producer: BaseProducer<Quiet> = config.create_with_context(Quiet::default())?;
        let mut output = Output { producer, topics: Vec::new() };
        for topic in &options.output {
            output.producer.client().fetch_metadata(Some(topic), START_TIMEOUT)?;
            let name = CString::new(topic.as_str())?;
            let rk = output.producer.client().native_ptr();
            // SAFETY: the client is live; a null configuration means the client's own.
            let handle = unsafe { rd::rd_kafka_topic_new(rk, name.as_ptr(), ptr::null_mut()) };
            if handle.is_null() {
                return Err(format!("topic {topic} cannot be written to").into());
            }
            output.topics.push(handle);
        }
        thread::sleep(READY_AFTER);
        Ok(output)
    }

    /// Hands over what is to go to the partition of each topic.
    fn send(&self, partition: i32, passing: &mut [Vec<rd::rd_kafka_message_t>]) -> Result<()> {
        self.topics.iter().zip(passing).try_for_each(|(topic, messages)| self.send_to(*topic, partition, messages))
    }

    /// Hands all `messages` over, copying their values, and empties the list. Waits while the producer's queue is full.
    fn send_to(
        &self,
        topic: *mut rd::rd_kafka_topic_t,
        partition: i32,
        messages: &mut Vec<rd::rd_kafka_message_t>,
    ) -> Result<()> {
        use rd::rd_kafka_resp_err_t as Code;
        while !messages.is_empty() {
            // SAFETY: the topic is live, and every message's payload lives in a batch that is not yet cleared.
            let accepted = unsafe {
                rd::rd_kafka_produce_batch(
                    topic,
                    partition,
                    rd::RD_KAFKA_MSG_F_COPY,
                    messages.as_mut_ptr(),
                    messages.len() as i32,
                )
            };
            if accepted as usize == messages.len() {
                messages.clear();
                break;
            }
            messages.retain(|m| m.err != Code::RD_KAFKA_RESP_ERR_NO_ERROR);
            if let Some(refused) = messages.iter().find(|m| m.err != Code::RD_KAFKA_RESP_ERR__QUEUE_FULL) {
                return Err(format!("writing to partition {partition}: {}", RDKafkaErrorCode::from(refused.err)).into());
            }
            self.serve()?;
            thread::sleep(IDLE);
        }
        Ok(())
    }

    /// Takes reports of failures, and fails with the first.
    fn serve(&self) -> Result<()> {
        self.producer.poll(Duration::ZERO);
        let failure = self.producer.context().failure.lock().expect("nothing panics while it holds the lock").take();
        failure.map_or(Ok(()), |error| Err(format!("writing: {error}").into()))
    }

    /// Waits until everything is delivered.
    fn finish(&self) -> Result<()> {
        while self.producer.in_flight_count() > 0 {
            // SAFETY: the client is live. Flushing ends the linger; the time-out is short because `serve` must run.
            unsafe { rd::rd_kafka_flush(self.producer.client().native_ptr(), 10) };
            self.serve()?;
        }
        self.serve()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        for topic in &self.topics {
            // SAFETY: a reference that `open` made, given back once, before the producer is dropped.
            unsafe { rd::rd_kafka_topic_destroy(*topic) };
        }
    }
}

/// Keeps the first failed delivery; lets statistics pass unread.
#[derive(Default)]
struct Quiet {
    failure: Mutex<Option<KafkaError>>,
}

impl ClientContext for Quiet {
    fn stats_raw(&self, _: &[u8]) {}
}

impl ConsumerContext for Quiet {}

impl ProducerContext for Quiet {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            let mut failure = self.failure.lock().expect("nothing panics while it holds the lock");
            failure.get_or_insert_with(|| error.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_byte_scan_agrees_with_the_formula() {
        let (mut record, mut scratch) = (Vec::new(), Vec::new());
        for program in Program::ALL {
            let scan = Scan::of(program);
            for i in 0..6_000 {
                record.clear();
                program.input().record(i, &mut record);
                let tick = scan.tick(&record).expect("it has all numbers");
                for topic in 0..program.output_topics().len() {
                    let expected = program.expected(topic, i, &mut scratch);
                    assert_eq!(passes(program, topic, tick), expected, "{program} {topic} {i}");
                }
            }
            assert!(scan.tick(b"{}").is_none());
        }
        assert_eq!(whole_behind(&Scan::of(Program::Filter).price, br#"{"price": "#), Some(0));
    }
}
