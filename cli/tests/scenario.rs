//! Programs run from their beginning to the end of their topics: what comes out, byte for byte and in order, where it
//! goes, and what is committed and reported then.

mod support;

use std::ffi::c_void;

use kolo_source::generate::{BASE_MS, Program, Scenario};
use rdkafka::bindings::rd_kafka_msg_partitioner_murmur2;
use support::{Broker, Kind, Kolo, Message, fresh, kolo, number, numbers, numbers_in, on_each_broker, until};

const FILTER: &str = include_str!("../../scenarios/01_filter/pipeline.vpl");
const WIDE: &str = include_str!("../../scenarios/01_filter/wide.vpl");
const ARITHMETIC: &str = include_str!("../../scenarios/arithmetic/pipeline.vpl");

/// What makes a run end by itself and print no outputs.
const TO_THE_END: [&str; 3] = ["--until", "end", "--quiet"];

on_each_broker![
    scenario_01_is_right_by_value_and_order_on_one_partition,
    scenario_01_is_right_by_value_and_order_on_four_partitions,
    outputs_do_not_depend_on_the_order_or_number_of_fields,
    two_derived_streams_with_arithmetic_are_right_by_value,
    outputs_without_a_key_stay_on_the_input_partition_modulo_their_number,
    outputs_with_a_key_go_where_murmur2_sends_them,
    two_topics_in_one_program_are_both_read,
    a_field_names_the_topic,
    a_second_run_begins_where_the_first_ended,
    a_dry_run_produces_and_commits_nothing,
    an_empty_topic_has_ended_at_once,
    records_beyond_the_end_that_the_topic_had_are_left,
    a_missing_output_topic_is_created_by_the_broker,
];

/// A scenario's program with its topics replaced by fresh ones, which hold `records` records.
struct Prepared {
    text: String,
    input: String,
    outputs: Vec<String>,
    group: String,
}

fn prepare(broker: &Broker, program: Program, text: &str, partitions: i32, records: u64) -> Prepared {
    let input = broker.topic("ticks", partitions);
    let mut text = text.replace(&format!("{:?}", program.input_topic()), &format!("{input:?}"));
    let outputs: Vec<String> = program.output_topics().iter().map(|name| broker.topic(name, partitions)).collect();
    for (name, fresh) in program.output_topics().iter().zip(&outputs) {
        text = text.replace(&format!("{name:?}"), &format!("{fresh:?}"));
    }
    produce_scenario(broker, program.input(), &input, partitions, records);
    Prepared { text, input, outputs, group: fresh("group") }
}

fn produce_scenario(broker: &Broker, scenario: Scenario, topic: &str, partitions: i32, records: u64) {
    let message = |i: u64| {
        let mut value = Vec::new();
        scenario.record(i, &mut value);
        Message::of(value).on((i % partitions as u64) as i32)
    };
    broker.produce(topic, (0..records).map(message));
}

impl Prepared {
    fn run(&self, broker: &Broker, arguments: &[&str]) -> support::Finished {
        let group = format!("group.id={}", self.group);
        Kolo::run(broker, &self.text, ["-X", &group].iter().chain(arguments)).finish().ok()
    }

    /// Every output, in the order of its input partition, and nothing else.
    fn verify(&self, broker: &Broker, program: Program, partitions: i32, records: u64) {
        for (number, topic) in self.outputs.iter().enumerate() {
            let read = broker.read(topic);
            assert_eq!(read.len(), partitions as usize);
            for (partition, read) in read.iter().enumerate() {
                let mut expected = Vec::new();
                for i in (partition as u64..records).step_by(partitions as usize) {
                    let mut value = Vec::new();
                    if program.expected(number, i, &mut value) {
                        expected.push(String::from_utf8(value).expect("outputs are ASCII"));
                    }
                }
                let texts: Vec<&str> = read.iter().map(|record| record.text()).collect();
                assert!(!expected.is_empty(), "there is something to verify");
                assert_eq!(texts, expected, "{topic}/{partition}");
            }
        }
    }
}

fn runs_right(broker: &Broker, program: Program, text: &str, partitions: i32) {
    const RECORDS: u64 = 10_000;
    let prepared = prepare(broker, program, text, partitions, RECORDS);
    let finished = prepared.run(broker, &TO_THE_END);
    assert_eq!(finished.stdout, "Listening for events...\n");
    prepared.verify(broker, program, partitions, RECORDS);
    let ends: Vec<_> = broker.ends(&prepared.input).into_iter().map(Some).collect();
    assert_eq!(broker.committed(&prepared.input, &prepared.group), ends);
}

fn scenario_01_is_right_by_value_and_order_on_one_partition(broker: &Broker) {
    runs_right(broker, Program::Filter, FILTER, 1);
}

fn scenario_01_is_right_by_value_and_order_on_four_partitions(broker: &Broker) {
    runs_right(broker, Program::Filter, FILTER, 4);
}

fn outputs_do_not_depend_on_the_order_or_number_of_fields(broker: &Broker) {
    runs_right(broker, Program::FilterWide, WIDE, 2);
}

fn two_derived_streams_with_arithmetic_are_right_by_value(broker: &Broker) {
    runs_right(broker, Program::Arithmetic, ARITHMETIC, 2);
}

fn outputs_without_a_key_stay_on_the_input_partition_modulo_their_number(broker: &Broker) {
    let (input, output, group) = (broker.topic("in", 5), broker.topic("out", 3), fresh("group"));
    broker.produce(&input, (0..500).map(|n| Message::of(number(n)).on((n % 5) as i32)));
    Kolo::run(broker, &numbers(&input, &output, &group), TO_THE_END).finish().ok();
    let out = numbers_in(broker, &output);
    let from = |partition: u64| (0..500).filter(move |n| n % 5 == partition).collect::<Vec<u64>>();
    // Two inputs meet on one output: each keeps its own order there.
    for (partition, read) in out.iter().enumerate() {
        let sources: Vec<u64> = (0..5).filter(|source| source % 3 == partition as u64).collect();
        for &source in &sources {
            let mine: Vec<u64> = read.iter().copied().filter(|n| n % 5 == source).collect();
            assert_eq!(mine, from(source), "input {source} on output {partition}");
        }
        assert_eq!(read.len(), 100 * sources.len());
    }
}

fn outputs_with_a_key_go_where_murmur2_sends_them(broker: &Broker) {
    const OUTPUTS: i32 = 5;
    let (input, output, group) = (broker.topic("in", 3), broker.topic("out", OUTPUTS), fresh("group"));
    let by_field = broker.topic("by-field", OUTPUTS);
    let keys: Vec<Option<Vec<u8>>> = (0..300)
        .map(|n| match n % 10 {
            0 => None,
            1 => Some(Vec::new()),
            length => Some(format!("key {n}").into_bytes().into_iter().cycle().take(length + 3).collect()),
        })
        .collect();
    let message = |n: usize| {
        let value = format!(r#"{{"event_type":"Number","n":{n},"name":"name {n}"}}"#).into_bytes();
        Message { key: keys[n].clone(), value: Some(value), partition: (n % 3) as i32, ..Message::default() }
    };
    broker.produce(&input, (0..keys.len()).map(message));
    let program = format!(
        "{}\nstream Named = Numbers.emit(n: n, name: name).to(k, topic: \"{by_field}\", key: name)\n",
        numbers(&input, &output, &group).replace(".emit(n: n)", ".emit(n: n, name: name)")
    );
    Kolo::run(broker, &program, TO_THE_END).finish().ok();

    let mut seen = 0;
    for (partition, records) in broker.read(&output).iter().enumerate() {
        for record in records {
            let n = support::number_of(record) as usize;
            assert_eq!(record.key, keys[n], "the input's key is passed on");
            let expected = match &keys[n] {
                Some(key) => murmur2_partition(key, OUTPUTS),
                None => (n % 3) as i32,
            };
            assert_eq!(partition as i32, expected, "{n} with key {:?}", record.key);
            seen += 1;
        }
    }
    assert_eq!(seen, keys.len());
    let mut seen = 0;
    for (partition, records) in broker.read(&by_field).iter().enumerate() {
        for record in records {
            let name = format!("name {}", support::number_of(record)).into_bytes();
            assert_eq!(partition as i32, murmur2_partition(&name, OUTPUTS));
            assert_eq!(record.key, Some(name));
            seen += 1;
        }
    }
    assert_eq!(seen, keys.len());
}

/// librdkafka's own partitioner, which equals the Java client's.
fn murmur2_partition(key: &[u8], partitions: i32) -> i32 {
    let null = std::ptr::null_mut();
    // SAFETY: the partitioner reads the key only; topic and opaques are for partitioners that need them.
    unsafe {
        let key_start = key.as_ptr().cast::<c_void>();
        rd_kafka_msg_partitioner_murmur2(std::ptr::null(), key_start, key.len(), partitions, null, null)
    }
}

fn two_topics_in_one_program_are_both_read(broker: &Broker) {
    let (left, right, output) = (broker.topic("left", 2), broker.topic("right", 3), broker.topic("out", 1));
    let group = fresh("group");
    let program = format!(
        r#"
connector k = kafka(brokers: "replaced:9092", group_id: "{group}", auto_offset_reset: "earliest")
stream Lefts = Left.from(k, topic: "{left}").emit(n: n).to(k, topic: "{output}")
stream Rights = Right.from(k, topic: "{right}").emit(n: n).to(k, topic: "{output}")
"#
    );
    // Types may be left out where one `.from` reads the topic; a type that nobody reads there is passed over.
    let values = |offset: u64| move |n: u64| Message::of(format!(r#"{{"n":{}}}"#, offset + n)).on((n % 2) as i32);
    broker.produce(&left, (0..100).map(values(0)));
    broker.produce(&right, (0..100).map(values(1_000)));
    broker.produce_values(&right, [r#"{"event_type":"Left","n":5000}"#]);
    let finished = Kolo::run(broker, &program, TO_THE_END.iter().chain(&["--report", "json"])).finish().ok();
    let mut out = numbers_in(broker, &output).concat();
    out.sort_unstable();
    assert_eq!(out, (0..100).chain(1_000..1_100).collect::<Vec<u64>>());
    assert_eq!(finished.report()["records_in"], 201);
    assert_eq!(finished.report()["counters"]["unrouted"], 1);
    assert!(broker.all_committed(&left, &group) && broker.all_committed(&right, &group));
}

fn a_field_names_the_topic(broker: &Broker) {
    let (input, group) = (broker.topic("in", 1), fresh("group"));
    let (red, blue) = (broker.topic("red", 1), broker.topic("blue", 1));
    let prefix = red.strip_prefix("red").expect("so it begins");
    assert!(!blue.ends_with(prefix), "the names share no part that a test could confuse");
    let colour = |n: u64| if n.is_multiple_of(3) { &red } else { &blue };
    broker.produce_values(&input, (0..30).map(|n| format!(r#"{{"n":{n},"colour":"{}"}}"#, colour(n))));
    broker.produce_values(&input, [r#"{"n":99}"#, r#"{"n":99,"colour":7}"#, r#"{"n":99,"colour":""}"#]);
    let program = format!(
        r#"
connector k = kafka(brokers: "replaced:9092", group_id: "{group}", auto_offset_reset: "earliest")
stream Sorted = Number.from(k, topic: "{input}").emit(n: n, colour: colour).to(k, topic: colour)
"#
    );
    let finished = Kolo::run(broker, &program, TO_THE_END.iter().chain(&["--report", "json"])).finish().ok();
    let multiples: Vec<u64> = (0..30).filter(|n| n % 3 == 0).collect();
    let others: Vec<u64> = (0..30).filter(|n| n % 3 != 0).collect();
    assert_eq!(numbers_in(broker, &red), [multiples]);
    assert_eq!(numbers_in(broker, &blue), [others]);
    assert_eq!(finished.report()["counters"]["topicless"], 3);
    assert!(broker.all_committed(&input, &group), "an output without a topic holds nothing up");
}

fn a_second_run_begins_where_the_first_ended(broker: &Broker) {
    let (input, output, group) = (broker.topic("in", 2), broker.topic("out", 2), fresh("group"));
    let program = numbers(&input, &output, &group);
    let message = |n: u64| Message::of(number(n)).on((n % 2) as i32);
    for round in 0..3 {
        broker.produce(&input, (round * 100..(round + 1) * 100).map(message));
        let finished = Kolo::run(broker, &program, TO_THE_END.iter().chain(&["--report", "json"])).finish().ok();
        assert_eq!(finished.report()["records_in"], 100);
    }
    let expected: Vec<Vec<u64>> = (0..2).map(|partition| (partition..300).step_by(2).collect()).collect();
    assert_eq!(numbers_in(broker, &output), expected);
}

fn a_dry_run_produces_and_commits_nothing(broker: &Broker) {
    let (input, output, group) = (broker.topic("in", 2), broker.topic("out", 2), fresh("group"));
    broker.produce(&input, (0..100).map(|n| Message::of(number(n)).on((n % 2) as i32)));
    let program = numbers(&input, &output, &group);
    let arguments = ["--dry-run", "--report", "json"];
    let finished = Kolo::run(broker, &program, TO_THE_END.iter().chain(&arguments)).finish().ok();
    assert_eq!(finished.report()["records_in"], 100);
    assert_eq!(broker.ends(&output), [0, 0]);
    assert_eq!(broker.committed(&input, &group), [None, None]);
    Kolo::run(broker, &program, TO_THE_END).finish().ok();
    assert_eq!(broker.ends(&output), [50, 50], "what comes after a dry run is as if it had not been");
}

fn an_empty_topic_has_ended_at_once(broker: &Broker) {
    let (input, output, group) = (broker.topic("in", 3), broker.topic("out", 1), fresh("group"));
    let arguments = TO_THE_END.iter().chain(&["--report", "json"]);
    let finished = Kolo::run(broker, &numbers(&input, &output, &group), arguments).finish().ok();
    assert_eq!(finished.stdout, "Listening for events...\n");
    assert_eq!(finished.report()["records_in"], 0);
    assert_eq!(broker.ends(&output), [0]);
}

fn records_beyond_the_end_that_the_topic_had_are_left(broker: &Broker) {
    let (input, output, group) = (broker.topic("in", 1), broker.topic("out", 1), fresh("group"));
    let feeder = broker.feed_numbers(&input, 5_000);
    until("there is something to read", || feeder.fed() > 1_000);
    // It would never end if it chased the feeder, which goes on.
    Kolo::run(broker, &numbers(&input, &output, &group), TO_THE_END).finish().ok();
    let outputs = broker.ends(&output);
    assert_eq!(broker.committed(&input, &group), [Some(outputs[0])]);
    assert!((1_000..feeder.stop() as i64).contains(&outputs[0]), "{outputs:?}");
}

fn a_missing_output_topic_is_created_by_the_broker(broker: &Broker) {
    let (input, output, group) = (broker.topic("in", 1), fresh("created"), fresh("group"));
    broker.produce_values(&input, (0..10).map(number));
    Kolo::run(broker, &numbers(&input, &output, &group), TO_THE_END).finish().ok();
    assert_eq!(numbers_in(broker, &output).concat(), (0..10).collect::<Vec<u64>>());
}

#[test]
fn outputs_do_not_depend_on_ring_size_or_wait_strategy() {
    const RECORDS: u64 = 10_000;
    let broker = Broker::mock();
    for wait in ["busy-spin", "yield", "park", "auto"] {
        for ring_size in ["64", "4096"] {
            let prepared = prepare(&broker, Program::Filter, FILTER, 2, RECORDS);
            prepared.run(&broker, &["--wait", wait, "--ring-size", ring_size, "--until", "end", "--quiet"]);
            prepared.verify(&broker, Program::Filter, 2, RECORDS);
            assert!(broker.all_committed(&prepared.input, &prepared.group), "--wait {wait} --ring-size {ring_size}");
        }
    }
}

#[test]
fn a_ring_of_one_slot_changes_no_output() {
    let broker = Broker::mock();
    let prepared = prepare(&broker, Program::Filter, FILTER, 2, 500);
    prepared.run(&broker, &["--ring-size", "1", "--wait", "park", "--until", "end", "--quiet"]);
    prepared.verify(&broker, Program::Filter, 2, 500);
    assert!(broker.all_committed(&prepared.input, &prepared.group));
}

#[test]
fn a_small_window_of_unacknowledged_records_changes_no_output() {
    let broker = Broker::mock();
    let prepared = prepare(&broker, Program::Filter, FILTER, 4, 5_000);
    prepared.run(&broker, &["--in-flight", "10", "-X", "linger.ms=0", "--until", "end", "--quiet"]);
    prepared.verify(&broker, Program::Filter, 4, 5_000);
    assert!(broker.all_committed(&prepared.input, &prepared.group));
}

#[test]
fn a_ring_size_is_rounded_up_and_it_says_so() {
    let broker = Broker::mock();
    let prepared = prepare(&broker, Program::Filter, FILTER, 1, 200);
    let finished = prepared.run(&broker, &["--ring-size", "100", "--report", "json", "--until", "end", "--quiet"]);
    assert!(finished.stderr.contains("the ring has 128 slots: 100 rounded up"), "{}", finished.stderr);
    assert_eq!(finished.report()["ring_slots"], 128);
}

#[test]
fn the_report_counts_what_went_in_and_out() {
    let broker = Broker::mock();
    let prepared = prepare(&broker, Program::Filter, FILTER, 2, 1_000);
    let finished = prepared.run(&broker, &["--report", "json", "--until", "end", "--quiet"]);
    let report = finished.report();
    let (mut bytes_in, mut bytes_out, mut outputs) = (0, 0, 0);
    for i in 0..1_000 {
        let (mut value, mut output) = (Vec::new(), Vec::new());
        Scenario::Filter.record(i, &mut value);
        outputs += u64::from(Program::Filter.expected(0, i, &mut output));
        bytes_in += value.len();
        bytes_out += output.len();
    }
    assert_eq!(report["command"], "run");
    assert_eq!(report["records_in"], 1_000);
    assert_eq!(report["bytes_in"], bytes_in);
    assert_eq!(report["outputs"], outputs);
    assert_eq!(report["bytes_out"], bytes_out);
    assert_eq!(report["counters"]["filtered"], 1_000 - outputs);
    assert_eq!(report["counters"]["malformed"], 0);
    assert_eq!(report["counters"]["unrouted"], 0);
    assert!(report["latency_us"]["p99"].as_u64() <= report["latency_us"]["max"].as_u64(), "{report}");
    assert!(report["latency_us"]["max"].as_u64() > Some(0), "{report}");
}

#[test]
fn the_report_goes_to_a_file_where_one_is_named() {
    let broker = Broker::mock();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.json");
    let file = path.to_str().expect("paths here are UTF-8");
    let prepared = prepare(&broker, Program::Filter, FILTER, 1, 100);
    let finished = prepared.run(&broker, &["--report", "json", "--report-file", file, "--until", "end", "--quiet"]);
    let report = std::fs::read_to_string(&path).expect("the report is there");
    let report: serde_json::Value = serde_json::from_str(&report).expect("one JSON value");
    assert_eq!(report["outputs"], 89);
    assert!(!finished.stderr.contains("records_in"), "not on stderr as well: {}", finished.stderr);
}

#[test]
fn the_text_report_goes_to_stderr() {
    let broker = Broker::mock();
    let prepared = prepare(&broker, Program::Filter, FILTER, 1, 100);
    let finished = prepared.run(&broker, &TO_THE_END);
    for line in
        ["  records in                100", "  outputs                    89", "  malformed                   0"]
    {
        assert!(finished.stderr.lines().any(|said| said.starts_with(line)), "no {line:?} in\n{}", finished.stderr);
    }
}

#[test]
fn the_default_group_is_made_of_the_program_file_stable_and_printed() {
    let broker = Broker::mock();
    let (input, output) = (broker.topic("in", 1), broker.topic("out", 1));
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("filter")).expect("a folder can be made");
    let file = folder.path().join("filter").join("main.vpl");
    let program = numbers(&input, &output, "unused").replace(r#", group_id: "unused""#, "");
    std::fs::write(&file, program).expect("a file can be written");
    for round in 1..=2 {
        broker.produce_values(&input, (0..10).map(number));
        let mut command = kolo();
        command.args(["run", "-v", "-f"]).arg(&file).args(broker.flags(true)).args(TO_THE_END);
        let finished = Kolo::start(command).finish().ok();
        assert!(finished.stderr.contains("consumer group kolo-filter-main"), "{}", finished.stderr);
        assert_eq!(broker.committed(&input, "kolo-filter-main"), [Some(10 * round)]);
        assert_eq!(broker.ends(&output), [10 * round], "the second run goes on where the first ended");
    }
}

#[test]
fn outputs_carry_the_event_time() {
    // Of the record's own fields where it has one, else of Kafka.
    let broker = Broker::mock();
    assert_eq!(broker.kind(), Kind::Mock);
    let (input, output, group) = (broker.topic("in", 1), broker.topic("out", 1), fresh("group"));
    let kafka = |value: &str| Message { timestamp_ms: Some(BASE_MS as i64), ..Message::of(value) };
    let values = [
        r#"{"n":1,"@timestamp":"2020-01-02T03:04:05.678+01:00","ts":5}"#,
        r#"{"n":2,"ts":1000}"#,
        r#"{"n":3,"timestamp":"2021-01-01T00:00:00Z"}"#,
        r#"{"n":4}"#,
    ];
    broker.produce(&input, values.map(kafka));
    Kolo::run(&broker, &numbers(&input, &output, &group), TO_THE_END).finish().ok();
    let read = broker.read(&output).concat();
    let texts: Vec<&str> = read.iter().map(|record| record.text()).collect();
    let times = ["2020-01-02T02:04:05.678Z", "1970-01-01T00:00:01Z", "2021-01-01T00:00:00Z", "2026-04-12T10:40:00Z"];
    let output =
        |(n, time): (usize, &&str)| format!(r#"{{"event_type":"Numbers","timestamp":"{time}","n":{}}}"#, n + 1);
    assert_eq!(texts, times.iter().enumerate().map(output).collect::<Vec<_>>());
}
