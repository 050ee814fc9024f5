//! What outputs carry besides key and value, and where they come from if not from one record each.

mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use kolo_engine::time;
use support::{Broker, Kolo, Message, Record, fresh, number, number_of, numbers_in, on_each_broker};

on_each_broker![
    timestamps_and_headers_arrive_in_order_and_are_acknowledged,
    results_have_the_headers_of_the_record_that_let_them_out,
    ten_thousand_outputs_of_one_record_pass_through_a_ring_of_64_slots,
    a_timer_goes_by_the_clock_in_equal_steps,
    what_process_emits_goes_on_in_order_and_to_the_readers_of_its_type,
];

type Headers = Vec<(String, Option<Vec<u8>>)>;

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_millis() as i64
}

/// A number whose event time is not its record's timestamp.
fn timed(n: u64, event_ms: i64) -> String {
    let mut text = Vec::new();
    time::Writer::default().write(event_ms * 1_000_000, &mut text);
    let text = String::from_utf8(text).expect("a time is ASCII");
    format!(r#"{{"event_type":"Number","n":{n},"timestamp":"{text}"}}"#)
}

fn header(name: &str, value: &[u8]) -> (String, Option<Vec<u8>>) {
    (name.to_owned(), Some(value.to_vec()))
}

/// None, a few with everything that headers may be, and more than a slot holds.
fn headers_of(n: u64) -> Headers {
    if n.is_multiple_of(7) {
        return Vec::new();
    }
    let null = ("trace".to_owned(), None);
    let mut headers =
        vec![header("trace", n.to_string().as_bytes()), header("bytes", b"\x00\xff\x80\n"), null, header("trace", b"")];
    if n % 50 == 1 {
        headers.push(header("long", &[b'x'; 1_000]));
    }
    headers
}

/// The small queue of librdkafka is full most of the time, for batches and single messages alike, which alternate in each
/// partition.
fn timestamps_and_headers_arrive_in_order_and_are_acknowledged(broker: &Broker) {
    const ALL: u64 = 600;
    let (input, output, group) = (broker.topic("in", 2), broker.topic("out", 2), fresh("group"));
    let began_ms = now_ms();
    let event_ms = |n: u64| began_ms - 3_600_000 + n as i64;
    let message = |n: u64| Message { headers: headers_of(n), ..Message::of(timed(n, event_ms(n))).on((n % 2) as i32) };
    broker.produce(&input, (0..ALL).map(message));
    let program = format!(
        r#"
connector k = kafka(brokers: "replaced:9092", group_id: "{group}")
stream Numbers = Number.from(k, topic: "{input}", auto_offset_reset: "earliest")
stream Both = Numbers.emit(n: n).to(k, topic: "{output}", record_timestamp: "event", headers: "pass")
stream Neither = Numbers.where(n % 3 == 0).emit(n: n).to(k, topic: "{output}")
stream Time = Numbers.where(n % 5 == 0).emit(n: n).to(k, topic: "{output}", record_timestamp: "event")
stream Heads = Numbers.where(n % 5 == 0).emit(n: n).to(k, topic: "{output}", headers: "pass")
"#
    );
    let full = ["--until", "end", "--quiet", "-X", "queue.buffering.max.messages=50"];
    Kolo::run(broker, &program, full).finish().ok();
    assert!(broker.all_committed(&input, &group));
    for (partition, records) in broker.read(&output).iter().enumerate() {
        let mut records = records.iter();
        for n in (partition as u64..ALL).step_by(2) {
            for (stream, wanted, stamped, with_headers) in [
                ("Both", true, true, true),
                ("Neither", n.is_multiple_of(3), false, false),
                ("Time", n.is_multiple_of(5), true, false),
                ("Heads", n.is_multiple_of(5), false, true),
            ] {
                if !wanted {
                    continue;
                }
                let record = records.next().unwrap_or_else(|| panic!("{stream} {n} is missing"));
                let begins = format!(r#"{{"event_type":"{stream}","#);
                assert!(
                    record.text().starts_with(&begins) && number_of(record) == n,
                    "{stream} {n}: {}",
                    record.text()
                );
                let timestamp_ms = record.timestamp_ms.expect("every record has one");
                if stamped {
                    assert_eq!(timestamp_ms, event_ms(n), "{stream} {n}");
                } else {
                    assert!(timestamp_ms >= began_ms, "{stream} {n}: {timestamp_ms}");
                }
                let headers = if with_headers { headers_of(n) } else { Vec::new() };
                assert_eq!(record.headers, headers, "{stream} {n}");
            }
        }
        assert_eq!(records.next(), None);
    }
}

fn results_have_the_headers_of_the_record_that_let_them_out(broker: &Broker) {
    let input = broker.topic("in", 1);
    let [windows, pairs, joined] = ["windows", "pairs", "joined"].map(|name| broker.topic(name, 1));
    let base_ms = now_ms() / 1_000 * 1_000 - 3_600_000;
    let message = |n: u64| {
        let headers = vec![header("n", n.to_string().as_bytes())];
        Message { headers, ..Message::of(timed(n, base_ms + n as i64 * 1_000)) }
    };
    broker.produce(&input, (0..4).map(message));
    let program = format!(
        r#"
connector k = kafka(brokers: "replaced:9092", group_id: "{}")
stream Numbers = Number.from(k, topic: "{input}", auto_offset_reset: "earliest")
stream Windows = Numbers.window(1s).aggregate(n: last(n)).to(k, topic: "{windows}", record_timestamp: "event", headers: "pass")
stream Pairs = Numbers as a -> Numbers where n == a.n + 1 as b
    .emit(n: a.n)
    .to(k, topic: "{pairs}", record_timestamp: "event", headers: "pass")
stream Odd = Numbers.where(n % 2 == 1).select(half: n / 2)
stream Even = Numbers.where(n % 2 == 0).select(half: n / 2)
stream Joined = join(Even, Odd).on(Even.half == Odd.half).emit(n: Even.half).to(k, topic: "{joined}", headers: "pass")
"#,
        fresh("group")
    );
    Kolo::run(broker, &program, ["--until", "end", "--quiet"]).finish().ok();
    let told = |topic: &str| -> Vec<(u64, i64, Headers)> {
        let told = |record: &Record| {
            let after_ms = record.timestamp_ms.expect("every record has one") - base_ms;
            (number_of(record), after_ms, record.headers.clone())
        };
        broker.read(topic).concat().iter().map(told).collect()
    };
    let of = |n: &[u8]| vec![header("n", n)];
    // A window is closed by the first record behind it, the last one by the end of input.
    let closed = [(0, 1_000, of(b"1")), (1, 2_000, of(b"2")), (2, 3_000, of(b"3")), (3, 4_000, Vec::new())];
    assert_eq!(told(&windows), closed);
    assert_eq!(told(&pairs), [(0, 1_000, of(b"1")), (1, 2_000, of(b"2")), (2, 3_000, of(b"3"))]);
    let joined: Vec<(u64, Headers)> = told(&joined).into_iter().map(|(n, _, headers)| (n, headers)).collect();
    assert_eq!(joined, [(0, of(b"1")), (1, of(b"3"))]);
}

fn ten_thousand_outputs_of_one_record_pass_through_a_ring_of_64_slots(broker: &Broker) {
    let (input, output, group) = (broker.topic("in", 1), broker.topic("out", 1), fresh("group"));
    let counts = [3, 10_000, 0, 2];
    broker.produce_values(&input, counts.map(number));
    let program = format!(
        r#"
connector k = kafka(brokers: "replaced:9092", group_id: "{group}")
fn burst(count: int):
    for n in 0..count:
        emit Part(n: n)
stream Parts = Number.from(k, topic: "{input}", auto_offset_reset: "earliest").process(burst(n)).to(k, topic: "{output}")
"#
    );
    // What librdkafka's queue holds is less than what the record causes.
    let arguments = ["--until", "end", "--quiet", "--ring-size", "64", "-X", "queue.buffering.max.messages=1000"];
    Kolo::run(broker, &program, arguments).finish().ok();
    let expected: Vec<u64> = counts.into_iter().flat_map(|count| 0..count).collect();
    let found = numbers_in(broker, &output).concat();
    assert!(found == expected, "{} outputs instead of {}", found.len(), expected.len());
    assert_eq!(broker.committed(&input, &group), [Some(counts.len() as i64)]);
}

/// However late it is told the time, it fires for every step, with the time of that.
fn a_timer_goes_by_the_clock_in_equal_steps(broker: &Broker) {
    const STEP_MS: i64 = 200;
    let output = broker.topic("out", 1);
    let program = format!(
        r#"
connector k = kafka(brokers: "replaced:9092")
stream Ticks = timer({STEP_MS}ms).emit(at: timestamp).to(k, topic: "{output}", record_timestamp: "event")
"#
    );
    let before_ms = now_ms();
    let mut kolo = Kolo::run(broker, &program, ["--quiet"]);
    let count = broker.watch(&output);
    kolo.until("it has fired five times", |_| count()[0] >= 5);
    kolo.terminate();
    kolo.finish().ok();
    let after_ms = now_ms();
    let records = broker.read(&output).concat();
    let fired_ms = |record: &Record| {
        let json: serde_json::Value = serde_json::from_slice(record.value()).expect("outputs are JSON");
        assert_eq!(json["at"], json["timestamp"], "{json}");
        time::parse(json["at"].as_str().expect("a text").as_bytes()).expect("a time") / 1_000_000
    };
    let fired: Vec<i64> = records.iter().map(fired_ms).collect();
    assert!(fired[0] >= before_ms + STEP_MS, "the first one comes a step after the start: {before_ms}, {fired:?}");
    assert!(fired[fired.len() - 1] <= after_ms, "none comes before its time: {after_ms}, {fired:?}");
    assert!(fired.windows(2).all(|pair| pair[1] - pair[0] == STEP_MS), "{fired:?}");
    assert_eq!(
        records.iter().map(|record| record.timestamp_ms).collect::<Vec<_>>(),
        fired.into_iter().map(Some).collect::<Vec<_>>()
    );
}

fn what_process_emits_goes_on_in_order_and_to_the_readers_of_its_type(broker: &Broker) {
    const ALL: u64 = 200;
    let (input, group) = (broker.topic("in", 2), fresh("group"));
    let [output, large] = ["out", "large"].map(|name| broker.topic(name, 2));
    broker.produce(&input, (0..ALL).map(|n| Message::of(number(n)).on((n % 2) as i32)));
    let program = format!(
        r#"
connector k = kafka(brokers: "replaced:9092", group_id: "{group}")
fn split(n: int):
    if n % 3 == 0:
        emit Third(n: n)
    for again in 0..2:
        emit Part(n: n * 10 + again)
stream Parts = Number.from(k, topic: "{input}", auto_offset_reset: "earliest").process(split(n)).to(k, topic: "{output}")
stream Large = Third.where(n >= 100).emit(n: n).to(k, topic: "{large}")
"#
    );
    Kolo::run(broker, &program, ["--until", "end", "--quiet"]).finish().ok();
    assert!(broker.all_committed(&input, &group));
    let typed = |record: &Record| {
        let json: serde_json::Value = serde_json::from_slice(record.value()).expect("outputs are JSON");
        (json["event_type"].as_str().expect("a type").to_owned(), number_of(record))
    };
    for (partition, records) in broker.read(&output).iter().enumerate() {
        let emitted = |n: u64| {
            let third = n.is_multiple_of(3).then(|| ("Third".to_owned(), n));
            third.into_iter().chain((0..2).map(move |again| ("Part".to_owned(), n * 10 + again)))
        };
        let expected: Vec<(String, u64)> = (partition as u64..ALL).step_by(2).flat_map(emitted).collect();
        assert_eq!(records.iter().map(typed).collect::<Vec<_>>(), expected);
    }
    for (partition, numbers) in numbers_in(broker, &large).iter().enumerate() {
        let expected: Vec<u64> =
            (partition as u64..ALL).step_by(2).filter(|n| n.is_multiple_of(3) && *n >= 100).collect();
        assert_eq!(numbers, &expected);
    }
}
