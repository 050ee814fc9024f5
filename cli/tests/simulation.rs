//! `kolo simulate`: both forms of events, their times, and the same plan as on Kafka.

mod support;

use kolo_source::generate::{Program, Scenario};
use support::simulate;

const TICKS: &str = "stream Ticks = Tick.emit(n: n)";

/// The line that [`TICKS`] prints.
fn tick(n: u64, time: &str) -> String {
    format!(r#"{{"event_type":"Ticks","timestamp":"{time}","n":{n}}}"#)
}

#[test]
fn the_timestamp_of_native_events_is_honoured() {
    let events = concat!(
        r#"{"event_type":"Tick","@timestamp":"2026-04-12T10:40:00Z","data":{"n":1}}"#,
        "\n",
        r#"{"event_type":"Tick","@timestamp":"2026-04-12T10:40:00.011Z","data":{"n":2,"ts":5}}"#,
        "\n",
        r#"{"data":{"n":3},"@timestamp":"2026-04-12T12:40:00.123456+02:00","event_type":"Tick"}"#,
        "\n",
    );
    let finished = simulate(TICKS, events.as_bytes(), &[]).ok();
    let expected =
        [tick(1, "2026-04-12T10:40:00Z"), tick(2, "2026-04-12T10:40:00.011Z"), tick(3, "2026-04-12T10:40:00.123456Z")];
    assert_eq!(finished.lines(), expected);
}

#[test]
fn the_time_of_flat_events_is_honoured() {
    let events = concat!(
        r#"{"event_type":"Tick","ts":1775990400011,"n":1}"#,
        "\n",
        r#"{"event_type":"Tick","timestamp":"2026-04-12T10:40:01Z","n":2}"#,
        "\n",
        r#"{"event_type":"Tick","@timestamp":"2026-04-12T10:40:02Z","ts":1,"n":3}"#,
    );
    let finished = simulate(TICKS, events.as_bytes(), &[]).ok();
    let expected =
        [tick(1, "2026-04-12T10:40:00.011Z"), tick(2, "2026-04-12T10:40:01Z"), tick(3, "2026-04-12T10:40:02Z")];
    assert_eq!(finished.lines(), expected);
}

#[test]
fn both_forms_and_blank_lines_may_be_mixed() {
    let events = concat!(
        "\n  \n",
        r#"{"event_type":"Tick","@timestamp":"2026-04-12T10:40:00Z","data":{"n":1}}"#,
        "\r\n\t\r\n",
        r#"  {"event_type":"Tick","ts":1775990401000,"n":2}  "#,
        "\n\n\n",
        r#"{"event_type":"Other","ts":1775990401000,"n":99}"#,
        "\n",
        r#"{"event_type":"Tick","@timestamp":"2026-04-12T10:40:02Z","data":{"n":3}}"#,
    );
    let finished = simulate(TICKS, events.as_bytes(), &["--report", "json"]).ok();
    let expected = [tick(1, "2026-04-12T10:40:00Z"), tick(2, "2026-04-12T10:40:01Z"), tick(3, "2026-04-12T10:40:02Z")];
    assert_eq!(finished.lines(), expected);
    let report = finished.report();
    assert_eq!(report["records_in"], 4, "blank lines are no records");
    assert_eq!(report["counters"]["unrouted"], 1);
    assert_eq!(report["counters"]["malformed"], 0);
}

#[test]
fn outputs_can_be_inputs() {
    let first = simulate(TICKS, br#"{"event_type":"Tick","ts":1775990400011,"n":1}"#, &[]).ok();
    let second = simulate("stream Again = Ticks.emit(n: n)", first.stdout.as_bytes(), &[]).ok();
    assert_eq!(second.lines(), [tick(1, "2026-04-12T10:40:00.011Z").replace("Ticks", "Again")]);
}

#[test]
fn quiet_prints_no_outputs() {
    let events = "{\"event_type\":\"Tick\",\"ts\":1,\"n\":1}\n".repeat(100);
    let finished = simulate(TICKS, events.as_bytes(), &["--quiet", "--report", "json"]).ok();
    assert_eq!(finished.stdout, "");
    assert_eq!(finished.report()["outputs"], 100);
}

#[test]
fn an_empty_file_is_no_failure() {
    for events in ["", "\n", "   "] {
        let finished = simulate(TICKS, events.as_bytes(), &["--report", "json"]).ok();
        assert_eq!(finished.stdout, "");
        assert_eq!(finished.report()["records_in"], 0);
    }
}

#[test]
fn the_scenarios_give_what_the_formula_says_for_every_ring_and_wait() {
    let scenarios = [
        (Program::Filter, include_str!("../../scenarios/01_filter/pipeline.vpl")),
        (Program::FilterWide, include_str!("../../scenarios/01_filter/wide.vpl")),
        (Program::Arithmetic, include_str!("../../scenarios/arithmetic/pipeline.vpl")),
    ];
    for (program, text) in scenarios {
        let records = lines(program.input(), 10_000);
        let mut expected = Vec::new();
        for i in 0..10_000 {
            for topic in 0..program.output_topics().len() {
                if program.expected(topic, i, &mut expected) {
                    expected.push(b'\n');
                }
            }
        }
        let expected = String::from_utf8(expected).expect("outputs are ASCII");
        for (wait, ring_size) in
            [("busy-spin", "64"), ("yield", "64"), ("park", "64"), ("auto", "64"), ("park", "1"), ("auto", "4096")]
        {
            let finished = simulate(text, &records, &["--wait", wait, "--ring-size", ring_size]).ok();
            assert!(finished.stdout == expected, "{program}, --wait {wait}, --ring-size {ring_size}");
        }
    }
}

/// Bad records, long ones, blank lines, outputs of several streams: whatever comes in, both lanes put out the same bytes.
#[test]
fn both_rings_give_the_same_bytes() {
    let program = "stream V = Tick.select(symbol: symbol, notional: price * volume)\n\
                   stream A = V.where(notional > 60000).emit(symbol: symbol, notional: notional, fee: notional * 0.25)\n\
                   stream B = Tick.where(volume % 7 == 3).emit()\n\
                   stream C = Tick.select(symbol: symbol).distinct(symbol).emit(first: symbol)\n";
    let mut events = Vec::new();
    for i in 0..20_000 {
        Scenario::Filter.record(i, &mut events);
        events.push(b'\n');
        match i % 1_000 {
            10 => events.extend(b"no JSON at all\n"),
            20 => events.extend(b"{\"event_type\":\"Other\",\"ts\":1}\n \n"),
            30 => {
                // Longer than a slot: it lies beside.
                let note = "x".repeat(i as usize);
                events.extend(format!(r#"{{"event_type":"Tick","ts":{i},"volume":3,"note":"{note}"}}"#).into_bytes());
                events.push(b'\n');
            }
            _ => {}
        }
    }
    for (wait, ring_size) in [("busy-spin", "64"), ("yield", "1024"), ("park", "2"), ("park", "4096")] {
        let [native, disruptor] = ["native", "disruptor"].map(|ring| {
            let arguments = ["--ring", ring, "--wait", wait, "--ring-size", ring_size, "--report", "json"];
            let finished = simulate(program, &events, &arguments).ok();
            let report = finished.report();
            assert_eq!(report["ring"], ring);
            (finished.stdout, report["records_in"].clone(), report["outputs"].clone(), report["counters"].clone())
        });
        assert!(native == disruptor, "--wait {wait}, --ring-size {ring_size}: the two rings differ");
        assert!(native.0.lines().count() > 10_000 && native.1.as_u64() > Some(20_000));
    }
}

/// Every kind of window, sequence and join, timers, functions that emit, `.distinct`, `.limit` and `.order_by`.
const STATEFUL: &str = r#"
fn split(symbol: str, price: float, n: int):
    emit Half(symbol: symbol, part: 1, price: price)
    if n % 2 == 0:
        emit Half(symbol: symbol, part: 2, price: price / 2.0)

pattern Pair = Tick as a -> Order where symbol == a.symbol as b within 4s

stream Tumbling = Tick.watermark(out_of_order: 2s).partition_by(symbol).window(5s)
    .aggregate(n: count(), mean: avg(price), top: max(price), all: collect(n)).having(n > 1)
    .order_by(top desc, mean).limit(3).emit()
stream Lenient = Tick.window(3s).allowed_lateness(2s).aggregate(n: count(), sum: sum(price), last: last(price)).emit()
stream Hopping = Tick.watermark(out_of_order: 1s).partition_by(symbol).window(6s, sliding: 2s)
    .aggregate(median: median(price), kinds: count_distinct(price)).emit()
stream Sliding = Tick.partition_by(symbol).window(4s, sliding: 1s).aggregate(n: count(), ema: ema(price, 3)).emit()
stream Count = Order.partition_by(symbol).window(7).aggregate(first: first(price), last: last(n)).emit()
stream SlidingCount = Order.window(9, sliding: 4).aggregate(spread: stddev(price), p95: p95(price)).emit()
stream Session = Order.partition_by(symbol).watermark(out_of_order: 2s).window(session: 700ms)
    .aggregate(n: count(), all: collect(n)).emit()
stream Events = merge(Tick, Order).window(2s).order_by(price desc, n).distinct(price).limit(4).emit()
stream Alone = Cancel.aggregate(n: count(), price: max(price)).emit()

stream Pairs = Pair.partition_by(symbol).emit(symbol: a.symbol, a: a.price, b: b.price)
stream Longest = Tick as t -> all Order where price > t.price as o -> Cancel as c .within(6s).partition_by(symbol)
    .longest().emit(symbol: t.symbol, n: count(o), top: max(o.price), all: collect(o.n), c: c.n)
stream Subsets = Cancel as c -> all Order as o -> Tick as t .within(1s).partition_by(symbol).subsets()
    .emit(c: c.n, all: collect(o.n), t: t.n)
stream Rising = Cancel as c -> Tick.increasing(price) as t .within(5s).partition_by(symbol).emit(c: c.n, all: collect(t.price))
stream Absent = Cancel as c -> NOT Order where symbol == c.symbol .within(800ms).emit(n: c.n, symbol: c.symbol)
stream Strict = Tick as a -> Tick as b -> Order as c .strict().not(Cancel where price > 90).emit(a: a.n, b: b.n, c: c.n)
stream Trends = Cancel as c -> all Tick as t -> Order .within(2s).partition_by(symbol)
    .trend_aggregate(n: count_trends(), top: max_trends(t.price)).emit()

stream Joined = join(Tick, Order).on(Tick.symbol == Order.symbol).window(1s)
    .emit(symbol: Tick.symbol, tick: Tick.price, order: Order.price)
stream Left = left_join(Cancel, Tick, Order).on(Cancel.symbol == Tick.symbol and Tick.symbol == Order.symbol).window(2s)
    .emit()
stream OfMatches = Pairs.partition_by(symbol).window(10s).aggregate(n: count(), sum: sum(a + b)).emit()
stream OfJoined = Joined.watermark(out_of_order: 3s).window(8s).aggregate(n: count(), mean: avg(tick - order)).emit()

stream Split = Tick.process(split(symbol, price, n))
stream Halves = Half.partition_by(symbol).window(11).aggregate(sum: sum(price), parts: sum(part)).emit()
stream Distinct = Order.distinct(price).emit(price: price)
stream Limited = Tick.where(price > 50).limit(40).emit(n: n)
stream Beat = timer(3s, initial_delay: 500ms).emit(at: timestamp)
stream Beats = Beat.window(20s).aggregate(n: count()).emit()
"#;

/// Ticks, orders and cancels of seven symbols, out of order by up to 1.5 s and now and then by much more, with leaps of
/// time, equal times, numbers in odd spellings, texts longer than a slot, and lines that are none.
fn disordered(count: u64) -> Vec<u8> {
    let (mut events, mut now, mut seed) = (Vec::new(), 1_775_990_400_000i64, 7u64);
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for n in 0..count {
        now += random(60) as i64 + if random(200) == 0 { 9_000 } else { 0 };
        let late = match random(20) {
            0 => random(8_000),
            1..8 => random(1_500),
            _ => 0,
        };
        let event_type = ["Tick", "Tick", "Tick", "Order", "Order", "Cancel"][random(6) as usize];
        let (symbol, price) = (random(7), random(1_000));
        let price = match random(3) {
            0 => format!("{}.{:02}", price / 10, price % 10 * 10),
            1 => format!("{price}e-1"),
            _ => format!("{}", price / 10),
        };
        let note = if n.is_multiple_of(97) { "x".repeat(random(2_000) as usize) } else { String::new() };
        let line = format!(
            r#"{{"event_type":"{event_type}","ts":{},"n":{n},"symbol":"S{symbol}","price":{price},"note":"{note}"}}"#,
            now - late as i64
        );
        events.extend(line.into_bytes());
        events.push(b'\n');
        if n % 500 == 250 {
            events.extend(b"{\"event_type\":\"Tick\",\n\n{\"event_type\":\"Other\"}\n");
        }
    }
    events
}

/// State lives in the engine alone: neither where batches end, which the ring's size and the threads' pace decide, nor how
/// threads wait, nor whose ring it is can change what it makes of its input.
#[test]
fn programs_with_state_put_out_the_same_bytes_whatever_the_ring_and_the_wait() {
    let events = disordered(1_500);
    let run = |ring: &str, wait: &str, ring_size: &str| {
        let arguments = ["--ring", ring, "--wait", wait, "--ring-size", ring_size, "--report", "json"];
        let finished = simulate(STATEFUL, &events, &arguments).ok();
        let counters = finished.report()["counters"].clone();
        (finished.stdout, counters)
    };
    let expected = run("native", "auto", "4096");
    assert!(expected.1["late"].as_u64() > Some(10), "some events are late: {}", expected.1);
    for stream in STATEFUL.lines().filter_map(|line| line.strip_prefix("stream ")?.split(' ').next()) {
        // Functions name the type of what they emit.
        let event_type = if stream == "Split" { "Half" } else { stream };
        let begin = format!(r#"{{"event_type":"{event_type}","#);
        assert!(expected.0.lines().any(|line| line.starts_with(&begin)), "{stream} puts something out");
    }
    for ring in ["native", "disruptor"] {
        for (wait, ring_size) in
            [("park", "1"), ("auto", "2"), ("yield", "16"), ("busy-spin", "64"), ("park", "512"), ("yield", "4096")]
        {
            let came = run(ring, wait, ring_size);
            assert!(came == expected, "--ring {ring}, --wait {wait}, --ring-size {ring_size}");
        }
    }
}

fn lines(scenario: Scenario, count: u64) -> Vec<u8> {
    let mut lines = Vec::new();
    for i in 0..count {
        scenario.record(i, &mut lines);
        lines.push(b'\n');
    }
    lines
}
