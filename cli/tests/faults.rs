//! Brokers that go away, come back, or refuse: what is said, what is lost (nothing), and how the run ends.

mod support;

use std::time::Duration;

use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use support::{Broker, Kolo, Message, fresh, number, numbers, numbers_in, until};

/// How often `text` occurs.
fn occurrences(of: &str, text: &str) -> usize {
    text.matches(of).count()
}

#[test]
fn a_broker_that_goes_away_and_returns_costs_nothing_but_time() {
    let broker = Broker::mock();
    let (input, output, group) = (broker.topic("in", 2), broker.topic("out", 2), fresh("group"));
    let message = |n: u64| Message::of(number(n)).on((n % 2) as i32);
    broker.produce(&input, (0..100).map(message));
    let mut kolo =
        Kolo::run(&broker, &numbers(&input, &output, &group), ["--quiet", "-X", "reconnect.backoff.max.ms=500"]);
    kolo.until_listening();
    until("the first outputs are there", || broker.ends(&output) == [50, 50]);
    for round in 1..=2 {
        // Whoever lost a connection must have been known to be connected: statistics tell so once a second.
        broker.faults().down();
        kolo.until("both clients have noticed", |kolo| occurrences("connection lost", &kolo.stderr()) == 2 * round);
        broker.faults().up();
        kolo.until("both clients are back", |kolo| occurrences("connected again", &kolo.stderr()) == 2 * round);
        broker.produce(&input, (round as u64 * 100..(round as u64 + 1) * 100).map(message));
        let expected = 50 * (round as i64 + 1);
        kolo.until("the next outputs are there", |_| broker.ends(&output) == [expected; 2]);
    }
    kolo.terminate();
    let finished = kolo.finish().ok();
    assert_eq!(occurrences("connection lost", &finished.stderr), 4, "one line a change:\n{}", finished.stderr);
    assert_eq!(occurrences("connected again", &finished.stderr), 4, "one line a change:\n{}", finished.stderr);
    let expected: Vec<Vec<u64>> = (0..2).map(|partition| (partition..300).step_by(2).collect()).collect();
    assert_eq!(numbers_in(&broker, &output), expected);
    assert!(broker.all_committed(&input, &group));
}

#[test]
fn outputs_that_wait_for_a_broker_arrive_when_it_returns() {
    let broker = Broker::mock();
    let (input, output, group) = (broker.topic("in", 1), broker.topic("out", 1), fresh("group"));
    broker.produce_values(&input, (0..100).map(number));
    // Not quiet: a line on stdout tells that librdkafka has the output.
    let program = numbers(&input, &output, &group);
    let mut kolo = Kolo::run(&broker, &program, ["-X", "linger.ms=2000", "-X", "reconnect.backoff.max.ms=500"]);
    kolo.until("all outputs are sent", |kolo| kolo.stdout().lines().count() == 100);
    broker.faults().down();
    kolo.terminate();
    kolo.until_said("stopping");
    broker.faults().up();
    kolo.finish().ok();
    assert_eq!(numbers_in(&broker, &output), [(0..100).collect::<Vec<_>>()]);
    assert!(broker.all_committed(&input, &group));
}

#[test]
fn a_second_signal_ends_a_run_that_cannot_drain_with_130() {
    let broker = Broker::mock();
    let (input, output, group) = (broker.topic("in", 1), broker.topic("out", 1), fresh("group"));
    broker.produce_values(&input, (0..100).map(number));
    let program = numbers(&input, &output, &group);
    let mut kolo = Kolo::run(&broker, &program, ["-X", "linger.ms=10000"]);
    kolo.until("all outputs are sent", |kolo| kolo.stdout().lines().count() == 100);
    broker.faults().down();
    kolo.terminate();
    kolo.until_said("stopping");
    assert!(!kolo.ended(), "it waits for acknowledgements");
    kolo.interrupt();
    kolo.finish().code(130);
    broker.faults().up();
    assert_eq!(broker.ends(&output), [0]);
    assert_eq!(broker.committed(&input, &group), [Some(0)], "nothing but the beginning");
}

#[test]
fn a_long_round_trip_changes_no_output() {
    let broker = Broker::mock();
    let (input, output, group) = (broker.topic("in", 2), broker.topic("out", 2), fresh("group"));
    let message = |n: u64| Message::of(number(n)).on((n % 2) as i32);
    broker.produce(&input, (0..20_000).map(message));
    broker.faults().round_trip(Duration::from_millis(50));
    let finished = Kolo::run(&broker, &numbers(&input, &output, &group), ["--quiet", "--until", "end"]).finish();
    broker.faults().round_trip(Duration::ZERO);
    finished.ok();
    let expected: Vec<Vec<u64>> = (0..2).map(|partition| (partition..20_000).step_by(2).collect()).collect();
    assert_eq!(numbers_in(&broker, &output), expected);
    assert!(broker.all_committed(&input, &group));
}

#[test]
fn errors_that_pass_are_retried() {
    let broker = Broker::mock();
    let (input, output, group) = (broker.topic("in", 1), broker.topic("out", 1), fresh("group"));
    broker.produce_values(&input, (0..1_000).map(number));
    let passing = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
    ];
    broker.faults().errors(RDKafkaApiKey::Produce, &passing);
    Kolo::run(&broker, &numbers(&input, &output, &group), ["--quiet", "--until", "end"]).finish().ok();
    assert_eq!(numbers_in(&broker, &output), [(0..1_000).collect::<Vec<_>>()]);
    assert!(broker.all_committed(&input, &group));
}

#[test]
fn an_output_that_the_broker_refuses_for_good_stops_the_run() {
    let broker = Broker::mock();
    let (input, output, group) = (broker.topic("in", 1), broker.topic("out", 1), fresh("group"));
    let program = numbers(&input, &output, &group);
    broker.produce_values(&input, (0..10).map(number));
    Kolo::run(&broker, &program, ["--quiet", "--until", "end"]).finish().ok();
    broker.produce_values(&input, (10..20).map(number));
    broker.faults().errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED; 20]);
    // Without --until end it would run for ever if it did not stop.
    let finished = Kolo::run(&broker, &program, ["--quiet"]).finish().code(1);
    for part in [format!("{input}/0@10"), format!("{output}/0"), "refused for good".to_owned()] {
        assert!(finished.stderr.contains(&part), "no {part:?} in\n{}", finished.stderr);
    }
    assert_eq!(broker.committed(&input, &group), [Some(10)], "nothing from the refused record on");
}

#[test]
fn an_output_that_is_too_large_for_its_topic_stops_the_run_at_its_record() {
    let Some(broker) = Broker::real() else { return };
    let (input, group) = (broker.topic("in", 1), fresh("group"));
    let output = broker.topic_with("out", 1, &[("max.message.bytes", "1000")]);
    // Random letters, which no compression makes small.
    let mut random = support::Random::new();
    let text: String = (0..5_000).map(|_| char::from(b'a' + random.below(26) as u8)).collect();
    let value = |n: u64| format!(r#"{{"n":{n},"text":"{}"}}"#, if n == 10 { &text } else { "short" });
    broker.produce_values(&input, (0..20).map(value));
    let program = numbers(&input, &output, &group).replace(".emit(n: n)", ".emit(n: n, text: text)");
    // Each output in a batch of its own, so that only the large one is refused.
    let finished = Kolo::run(&broker, &program, ["--quiet", "-X", "batch.num.messages=1"]).finish().code(1);
    for part in [format!("{input}/0@10"), format!("{output}/0"), "refused for good".to_owned()] {
        assert!(finished.stderr.contains(&part), "no {part:?} in\n{}", finished.stderr);
    }
    let committed = broker.committed(&input, &group)[0].expect("the beginning is committed at least");
    assert!(committed <= 10, "{committed} is committed");
    assert!(numbers_in(&broker, &output)[0].starts_with(&(0..committed as u64).collect::<Vec<_>>()));
}

#[test]
fn a_property_of_the_program_reaches_librdkafka_which_then_refuses_at_the_record() {
    let broker = Broker::mock();
    let (input, output, group) = (broker.topic("in", 1), broker.topic("out", 1), fresh("group"));
    let text = "long ".repeat(1_000);
    let value = |n: u64| format!(r#"{{"n":{n},"text":"{}"}}"#, if n == 7 { &text } else { "short" });
    broker.produce_values(&input, (0..20).map(value));
    let program = numbers(&input, &output, &group)
        .replace(".emit(n: n)", ".emit(n: n, text: text)")
        .replace("group_id:", "message_max_bytes: 2000, group_id:");
    let finished = Kolo::run(&broker, &program, ["--quiet"]).finish().code(1);
    assert!(finished.stderr.contains(&format!("{input}/0@7")), "{}", finished.stderr);
    assert!(broker.committed(&input, &group)[0] <= Some(7));
}
