//! Topics whose records meet by key: what their partition counts and their assignment to members must be like.

mod support;

use std::collections::BTreeSet;

use support::{Broker, Kolo, Message, fresh, number_of, on_each_broker, until};

on_each_broker![
    topics_that_meet_by_key_need_equal_partition_counts,
    topics_that_do_not_meet_by_key_may_have_any_partition_counts,
    partitions_of_topics_that_meet_by_key_are_assigned_by_range,
    a_member_that_is_alone_joins_topics_with_unequal_counts_until_another_one_comes,
    two_members_share_a_join_and_lose_nothing,
];

/// A program that reads `Left` and `Right` from two topics, and whatever it does with them.
struct Stage<'a> {
    broker: &'a Broker,
    topics: [String; 2],
    output: String,
    group: String,
}

impl<'a> Stage<'a> {
    fn new(broker: &'a Broker, partitions: [i32; 2]) -> Stage<'a> {
        let [left, right] = partitions;
        let topics = [broker.topic("left", left), broker.topic("right", right)];
        Stage { broker, topics, output: broker.topic("out", 1), group: fresh("group") }
    }

    fn start(&self, streams: &str, arguments: &[&str]) -> Kolo {
        let Stage { topics: [left, right], output, group, .. } = self;
        let program = format!(
            r#"
connector k = kafka(brokers: "replaced:9092", group_id: "{group}")
stream Lefts = Left.from(k, topic: "{left}", auto_offset_reset: "earliest")
stream Rights = Right.from(k, topic: "{right}", auto_offset_reset: "earliest")
{streams}.to(k, topic: "{output}")
"#
        );
        Kolo::run(self.broker, &program, ["--quiet"].iter().chain(arguments))
    }

    /// Number `n` to partition `n` modulo their count, of each topic.
    fn produce(&self, numbers: std::ops::Range<u64>) {
        for topic in &self.topics {
            let partitions = self.broker.ends(topic).len() as u64;
            let message = |n: u64| Message::of(format!(r#"{{"n":{n}}}"#)).on((n % partitions) as i32);
            self.broker.produce(topic, numbers.clone().map(message));
        }
    }

    fn found(&self) -> BTreeSet<u64> {
        self.broker.read(&self.output).concat().iter().map(number_of).collect()
    }
}

const JOIN: &str = "stream S = join(Lefts, Rights).on(Lefts.n == Rights.n).window(1h).emit(n: Lefts.n)";

fn topics_that_meet_by_key_need_equal_partition_counts(broker: &Broker) {
    let stage = Stage::new(broker, [2, 3]);
    for streams in [
        JOIN,
        "stream S = merge(Lefts, Rights).partition_by(n).window(10).aggregate(c: count())",
        "stream S = Lefts as a -> Rights where n == a.n as b .partition_by(n).emit(n: a.n)",
        "stream W = Lefts.partition_by(n).window(1s).aggregate(c: count())\n\
         stream S = join(W, Rights).on(W.n == Rights.n).emit(n: W.n)",
    ] {
        let finished = stage.start(streams, &[]).finish().code(1);
        let [left, right] = &stage.topics;
        let told =
            format!("stream S brings topics {left} and {right} together by key, and they have 2 and 3 partitions");
        for part in [told.as_str(), "connector k", "anew with as many as the other", "--alone"] {
            assert!(finished.stderr.contains(part), "{streams}: no {part:?} in\n{}", finished.stderr);
        }
        assert_eq!(finished.stderr.lines().filter(|line| !line.contains("WARN")).count(), 1, "{}", finished.stderr);
        assert_eq!(finished.stdout, "", "it never listened");
    }
    for topic in &stage.topics {
        assert!(broker.committed(topic, &stage.group).iter().all(Option::is_none), "the group was not joined");
    }
}

fn topics_that_do_not_meet_by_key_may_have_any_partition_counts(broker: &Broker) {
    for streams in [
        "stream S = merge(Lefts, Rights).emit(n: n)",
        "stream T = Lefts.partition_by(n).window(10).aggregate(c: count()).emit()\nstream S = Rights.emit(n: n)",
    ] {
        let stage = Stage::new(broker, [2, 3]);
        stage.produce(0..12);
        stage.start(streams, &["--until", "end"]).finish().ok();
        assert_eq!(stage.found(), (0..12).collect(), "{streams}");
    }
}

fn partitions_of_topics_that_meet_by_key_are_assigned_by_range(broker: &Broker) {
    let stage = Stage::new(broker, [2, 2]);
    stage.produce(0..12);
    let start = |streams: &str, property: &str| stage.start(streams, &["--until", "end", "-X", property]).finish();
    for (property, needed) in [
        ("partition.assignment.strategy=roundrobin", "needs partition.assignment.strategy=range instead of roundrobin"),
        ("partition.assignment.strategy=range,roundrobin", "instead of range,roundrobin"),
        ("partition.assignment.strategy=cooperative-sticky", "needs an eager partition.assignment.strategy"),
        ("group.protocol=consumer", "needs group.protocol=classic"),
    ] {
        let finished = start(JOIN, property).code(1);
        assert!(finished.stderr.contains(needed), "{property}: {}", finished.stderr);
        assert_eq!(finished.stdout, "", "it never listened");
    }
    // One topic by itself may be assigned either way.
    let alone = "stream S = Lefts.partition_by(n).window(1).aggregate(n: last(n)).emit(n: n)";
    start(alone, "partition.assignment.strategy=roundrobin").ok();
    assert_eq!(stage.found(), (0..12).collect());
    start(JOIN, "partition.assignment.strategy=range").ok();
}

fn a_member_that_is_alone_joins_topics_with_unequal_counts_until_another_one_comes(broker: &Broker) {
    const ALL: u64 = 60;
    let stage = Stage::new(broker, [2, 3]);
    stage.produce(0..ALL);
    let mut first = stage.start(JOIN, &["--alone"]);
    let count = broker.watch(&stage.output);
    first.until("all are joined", |_| count()[0] >= ALL as i64);
    assert_eq!(stage.found(), (0..ALL).collect());
    // Whoever is told first of its part stops, and may leave all partitions to the other one.
    let mut members = [first, stage.start(JOIN, &["--alone"])];
    until("one of them stops", || members.iter_mut().any(Kolo::ended));
    let stopped = members.into_iter().find_map(|mut member| member.ended().then(|| member.finish()));
    let stopped = stopped.expect("just seen").code(1);
    for told in ["stopped because the consumer group has another member", "stream S needs all"] {
        assert!(stopped.stderr.contains(told), "{}", stopped.stderr);
    }
}

fn two_members_share_a_join_and_lose_nothing(broker: &Broker) {
    const ALL: u64 = 400;
    let stage = Stage::new(broker, [4, 4]);
    stage.produce(0..ALL / 2);
    let mut first = stage.start(JOIN, &["-v"]);
    first.until("the first half is joined", |_| stage.found().len() as u64 == ALL / 2);
    let mut second = stage.start(JOIN, &["-v"]);
    second.until_said("assigned");
    stage.produce(ALL / 2..ALL);
    until("all are joined", || stage.found().len() as u64 == ALL);
    assert_eq!(stage.found(), (0..ALL).collect());
    // To each the same partitions of both topics.
    let said = second.stderr();
    let assigned = |topic: &str| -> BTreeSet<String> {
        let lines = said.lines().filter(|line| line.contains(": assigned"));
        lines.filter_map(|line| line.split_once(&format!("{topic}/"))?.1.split(':').next().map(str::to_owned)).collect()
    };
    let [left, right] = &stage.topics;
    assert_eq!((assigned(left).len(), assigned(left)), (2, assigned(right)), "{said}");
    for member in [first, second] {
        member.terminate();
        member.finish().ok();
    }
}
