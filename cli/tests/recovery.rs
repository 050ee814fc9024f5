//! What survives: kill -9, SIGTERM, and members of one group that come and go. Records are numbered, record `n` on
//! partition `n` modulo the number of partitions, so that the place of every one is known.

mod support;

use support::{
    Broker, Feeder, Kolo, Message, Random, Record, fresh, number, numbers, numbers_in, on_each_broker, until,
};

const PARTITIONS: u64 = 4;

on_each_broker![
    nothing_produced_after_it_listens_is_missed,
    a_kill_before_the_first_acknowledgement_does_not_move_the_beginning,
    terminations_leave_neither_gap_nor_duplicate,
];

/// Topics and a group under test, and somebody who keeps feeding.
struct Stage<'a> {
    broker: &'a Broker,
    input: String,
    output: String,
    group: String,
    program: String,
    random: Random,
}

impl<'a> Stage<'a> {
    fn new(broker: &'a Broker) -> Stage<'a> {
        let (input, output) = (broker.topic("in", PARTITIONS as i32), broker.topic("out", PARTITIONS as i32));
        let group = fresh("group");
        let program = numbers(&input, &output, &group);
        Stage { broker, input, output, group, program, random: Random::new() }
    }

    fn start(&self, arguments: &[&str]) -> Kolo {
        Kolo::run(self.broker, &self.program, ["--quiet"].iter().chain(arguments))
    }

    /// Waits until a random number of outputs has come since now.
    fn let_it_advance(&mut self, kolo: &mut Kolo, up_to: u64) {
        let count = self.broker.watch(&self.output);
        let total = || count().iter().sum::<i64>();
        let goal = total() + 1 + self.random.below(up_to) as i64;
        kolo.until(&format!("there are {goal} outputs"), |_| total() >= goal);
    }

    fn feed(&self) -> Feeder {
        self.broker.feed_numbers(&self.input, 5_000)
    }

    /// Ends the feeder and reads everything that is left.
    fn drain(&self, feeder: Feeder) -> u64 {
        let fed = feeder.stop();
        self.start(&["--until", "end"]).finish().ok();
        assert!(self.broker.all_committed(&self.input, &self.group));
        fed
    }
}

/// The numbers below `fed` that belong on a partition.
fn expected(partition: usize, fed: u64) -> Vec<u64> {
    (partition as u64..fed).step_by(PARTITIONS as usize).collect()
}

/// Compares without printing a hundred thousand numbers.
fn assert_same(what: &str, found: &[u64], expected: &[u64]) {
    let first = found.iter().zip(expected).position(|(a, b)| a != b).unwrap_or(found.len().min(expected.len()));
    let around = |numbers: &[u64]| numbers[first.saturating_sub(3)..numbers.len().min(first + 4)].to_vec();
    assert!(
        found == expected,
        "{what}: {} numbers, expected {}; from place {} on {:?} instead of {:?}",
        found.len(),
        expected.len(),
        first.saturating_sub(3),
        around(found),
        around(expected)
    );
}

/// Each number where it comes for the first time.
fn first_occurrences(numbers: &[u64]) -> Vec<u64> {
    let mut seen = std::collections::HashSet::new();
    numbers.iter().copied().filter(|n| seen.insert(*n)).collect()
}

#[test]
fn five_kills_lose_no_number_and_keep_the_order_of_first_occurrences() {
    let Some(broker) = Broker::real() else { return };
    let mut stage = Stage::new(&broker);
    let feeder = stage.feed();
    let (mut kills, mut hits) = (0, 0);
    while hits < 5 {
        // With a long linger there is mostly something that librdkafka has and the broker has not.
        let mut kolo = stage.start(&["-X", "linger.ms=50"]);
        kolo.until_listening();
        stage.let_it_advance(&mut kolo, 30_000);
        kolo.kill();
        let (outputs, committed) = (broker.ends(&stage.output), broker.committed(&stage.input, &stage.group));
        let read_again: Vec<u64> = numbers_in(&broker, &stage.output)
            .iter()
            .zip(&committed)
            .map(|(numbers, committed)| {
                // Record n lies at offset n / PARTITIONS of its partition.
                let done = numbers.iter().map(|n| n / PARTITIONS + 1).max().unwrap_or(0);
                done.saturating_sub(committed.unwrap_or(0) as u64)
            })
            .collect();
        kills += 1;
        println!("kill {kills}: outputs {outputs:?}, committed {committed:?}, to be read again {read_again:?}");
        // On a machine that starves the feeder, a kill may come just when all is committed: it does not count.
        hits += u32::from(read_again.iter().any(|count| *count > 0));
        assert!(kills < 20, "of {kills} kills only {hits} hit something that was unacknowledged");
    }
    let fed = stage.drain(feeder);
    for (partition, numbers) in numbers_in(&broker, &stage.output).iter().enumerate() {
        let found = first_occurrences(numbers);
        assert_same(&format!("partition {partition}"), &found, &expected(partition, fed));
    }
}

/// A window over all partitions, which lists what it held: every number has to come in one window, and a window that comes
/// again has to come whole.
#[test]
fn kills_with_windows_open_lose_no_window_and_cut_none_short() {
    let Some(broker) = Broker::real() else { return };
    let mut stage = Stage::new(&broker);
    let Stage { input, output, group, .. } = &stage;
    stage.program = format!(
        r#"
connector k = kafka(brokers: "replaced:9092", group_id: "{group}")
stream Numbers = Number.from(k, topic: "{input}", auto_offset_reset: "earliest")
stream Windows = Numbers
    .window(300ms)
    .aggregate(count: count(), numbers: collect(n))
    .to(k, topic: "{output}")
"#
    );
    let feeder = stage.feed();
    let (input, group) = (stage.input.clone(), stage.group.clone());
    let committed = || broker.committed(&input, &group);
    for round in 1..=5 {
        let mut kolo = stage.start(&["-X", "linger.ms=20", "-X", "auto.commit.interval.ms=50"]);
        kolo.until_listening();
        let begun = committed();
        stage.let_it_advance(&mut kolo, 8);
        if round > 2 {
            // The floor moves when the oldest open window closes.
            kolo.until("windows are committed", |_| committed().iter().zip(&begun).all(|(now, begun)| now > begun));
        }
        kolo.kill();
        println!("kill {round}: committed {:?} of {:?}", committed(), broker.ends(&stage.input));
    }
    // Stopped in good order, with windows open: they are built again. What this run put out is committed once it has come to
    // where the last one had been; what the killed ones did need not be, and may lie ahead of it.
    let (begun, known) = (broker.ends(&stage.output), committed());
    let mut kolo = stage.start(&[]);
    kolo.until_listening();
    stage.let_it_advance(&mut kolo, 8);
    kolo.until("windows are committed", |_| committed().iter().zip(&known).all(|(now, known)| now > known));
    kolo.terminate();
    kolo.finish().ok();
    let stopped = broker.ends(&stage.output);
    let fed = stage.drain(feeder);
    let mut windows = std::collections::BTreeMap::new();
    let mut repeated = 0;
    let records = broker.read(&stage.output);
    let window =
        |record: &Record| -> serde_json::Value { serde_json::from_slice(record.value()).expect("outputs are JSON") };
    let end = |window: &serde_json::Value| window["timestamp"].as_str().expect("a time").to_owned();
    // The ends of the windows that lie between two places of every partition.
    let ends = |from: &[i64], to: &[i64]| {
        let parts = records.iter().zip(from.iter().zip(to));
        let part = parts.flat_map(|(records, (from, to))| &records[*from as usize..*to as usize]);
        part.map(|record| end(&window(record))).collect::<std::collections::BTreeSet<_>>()
    };
    let well_stopped = ends(&begun, &stopped);
    let again: Vec<_> = well_stopped.intersection(&ends(&stopped, &broker.ends(&stage.output))).cloned().collect();
    assert!(!well_stopped.is_empty() && again.is_empty(), "put out and committed, and yet they come again: {again:?}");
    for record in records.iter().flatten() {
        let window = window(record);
        let numbers = window["numbers"].as_array().expect("an array").iter();
        let mut numbers: Vec<u64> = numbers.map(|n| n.as_u64().expect("a number")).collect();
        // Partitions take turns differently when they are read again.
        numbers.sort();
        assert_eq!(window["count"].as_u64(), Some(numbers.len() as u64));
        let end = end(&window);
        if let Some(before) = windows.insert(end.clone(), numbers.clone()) {
            assert_same(&format!("the window that ends at {end}, again"), &numbers, &before);
            repeated += 1;
        }
    }
    println!("{} windows, {repeated} of them again", windows.len());
    let mut found: Vec<u64> = windows.into_values().flatten().collect();
    found.sort();
    assert_same("all windows", &found, &(0..fed).collect::<Vec<_>>());
}

/// Every number waits for the next of its partition, so a kill always finds a sequence open in each: its first event has
/// been read, and must be read again.
#[test]
fn five_kills_lose_no_match_of_sequences_that_are_open() {
    let Some(broker) = Broker::real() else { return };
    let mut stage = Stage::new(&broker);
    stage.program = pairs(&stage.input, &stage.output, &stage.group);
    let feeder = stage.feed();
    for round in 1..=5 {
        let mut kolo = stage.start(&["-X", "linger.ms=50"]);
        kolo.until_listening();
        stage.let_it_advance(&mut kolo, 30_000);
        kolo.kill();
        println!("kill {round}: outputs {:?}", broker.ends(&stage.output));
    }
    let fed = feeder.stop();
    stage.start(&["--until", "end"]).finish().ok();
    for (partition, numbers) in numbers_in(&broker, &stage.output).iter().enumerate() {
        let (found, mut wanted) = (first_occurrences(numbers), expected(partition, fed));
        // The last one waits for a number that does not come.
        wanted.pop();
        assert_same(&format!("partition {partition}"), &found, &wanted);
    }
}

/// Numbers that are followed by another one of their partition.
fn pairs(input: &str, output: &str, group: &str) -> String {
    format!(
        r#"
connector k = kafka(brokers: "replaced:9092", group_id: "{group}")
stream Numbers = Number.from(k, topic: "{input}", auto_offset_reset: "earliest")
    .select(n: n, partition: n % {PARTITIONS})
stream Pairs = Numbers as a -> Numbers where n == a.n + {PARTITIONS} as b
    .partition_by(partition)
    .emit(n: a.n)
    .to(k, topic: "{output}", key: null)
"#
    )
}

fn terminations_leave_neither_gap_nor_duplicate(broker: &Broker) {
    let mut stage = Stage::new(broker);
    let feeder = stage.feed();
    for round in 1..=5 {
        let mut kolo = stage.start(&["-X", "linger.ms=20"]);
        kolo.until_listening();
        stage.let_it_advance(&mut kolo, 10_000);
        if round % 2 == 0 {
            kolo.terminate()
        } else {
            kolo.interrupt()
        }
        let finished = kolo.finish().ok();
        assert!(finished.stderr.contains("stopping"), "{}", finished.stderr);
        let outputs: Vec<_> = broker.ends(&stage.output).into_iter().map(Some).collect();
        assert_eq!(broker.committed(&stage.input, &stage.group), outputs, "stop {round}");
    }
    let fed = stage.drain(feeder);
    for (partition, numbers) in numbers_in(broker, &stage.output).iter().enumerate() {
        assert_same(&format!("partition {partition}"), numbers, &expected(partition, fed));
    }
}

fn nothing_produced_after_it_listens_is_missed(broker: &Broker) {
    let mut stage = Stage::new(broker);
    stage.program = stage.program.replace("earliest", "latest");
    let message = |n: u64| Message::of(number(n)).on((n % PARTITIONS) as i32);
    broker.produce(&stage.input, (0..100).map(message));
    let mut kolo = stage.start(&[]);
    kolo.until_listening();
    broker.produce(&stage.input, (100..200).map(message));
    let count = broker.watch(&stage.output);
    kolo.until("all outputs are there", |_| count() == [25; 4]);
    kolo.terminate();
    kolo.finish().ok();
    let found = numbers_in(broker, &stage.output);
    for (partition, numbers) in found.iter().enumerate() {
        assert_same(&format!("partition {partition}"), numbers, &expected(partition, 200)[25..]);
    }
}

fn a_kill_before_the_first_acknowledgement_does_not_move_the_beginning(broker: &Broker) {
    let mut stage = Stage::new(broker);
    stage.program = stage.program.replace("earliest", "latest");
    let message = |n: u64| Message::of(number(n)).on((n % PARTITIONS) as i32);
    broker.produce(&stage.input, (0..100).map(message));
    // Nothing is acknowledged while outputs linger.
    let mut kolo = stage.start(&["-X", "linger.ms=60000"]);
    kolo.until_listening();
    broker.produce(&stage.input, (100..200).map(message));
    kolo.kill();
    assert_eq!(broker.ends(&stage.output), [0; 4]);
    stage.start(&["--until", "end"]).finish().ok();
    for (partition, numbers) in numbers_in(broker, &stage.output).iter().enumerate() {
        assert_same(&format!("partition {partition}"), numbers, &expected(partition, 200)[25..]);
    }
}

/// A second member joins while records flow, then the first one leaves in good order.
fn a_member_comes_and_goes(protocol: &str) {
    let Some(broker) = Broker::real() else { return };
    let mut stage = Stage::new(&broker);
    let arguments = ["-v", "-X", protocol];
    let feeder = stage.feed();
    let mut first = stage.start(&arguments);
    first.until_listening();
    stage.let_it_advance(&mut first, 5_000);
    let mut second = stage.start(&arguments);
    second.until_listening();
    first.until_said("revoked");
    second.until_said("assigned");
    stage.let_it_advance(&mut second, 20_000);
    first.terminate();
    let first = first.finish().ok();
    // The second has all four partitions before long, and all of them advance.
    let count = broker.watch(&stage.output);
    let then = count();
    second.until("every partition advances", |_| count().iter().zip(&then).all(|(now, then)| now > then));
    second.terminate();
    let second = second.finish().ok();
    for (member, finished) in [("first", &first), ("second", &second)] {
        assert!(
            !finished.stderr.contains("WARN") && !finished.stderr.contains("ERROR"),
            "{member}: {}",
            finished.stderr
        );
    }
    let outputs: Vec<_> = broker.ends(&stage.output).into_iter().map(Some).collect();
    assert_eq!(broker.committed(&stage.input, &stage.group), outputs);
    let fed = stage.drain(feeder);
    for (partition, numbers) in numbers_in(&broker, &stage.output).iter().enumerate() {
        assert_same(&format!("partition {partition}"), numbers, &expected(partition, fed));
    }
}

#[test]
fn members_come_and_go_without_gap_or_duplicate_under_the_eager_protocol() {
    a_member_comes_and_goes("partition.assignment.strategy=range");
}

#[test]
fn members_come_and_go_without_gap_or_duplicate_under_the_cooperative_protocol() {
    a_member_comes_and_goes("partition.assignment.strategy=cooperative-sticky");
}

#[test]
fn members_come_and_go_without_gap_or_duplicate_where_the_broker_assigns() {
    a_member_comes_and_goes("group.protocol=consumer");
}

#[test]
fn a_member_without_partitions_listens_and_takes_over() {
    let Some(broker) = Broker::real() else { return };
    let (input, output, group) = (broker.topic("in", 1), broker.topic("out", 1), fresh("group"));
    let program = numbers(&input, &output, &group);
    let mut members: Vec<Kolo> = (0..2).map(|_| Kolo::run(&broker, &program, ["--quiet", "-v"])).collect();
    members.iter_mut().for_each(Kolo::until_listening);
    broker.produce_values(&input, (0..100).map(number));
    until("the outputs are there", || broker.ends(&output) == [100]);
    // One of them has the only partition now; whichever it is, the other one goes on when it leaves.
    for (round, member) in members.into_iter().enumerate() {
        member.terminate();
        member.finish().ok();
        let produced = 100 * (round as u64 + 2);
        broker.produce_values(&input, (produced - 100..produced).map(number));
        if round == 0 {
            until("the other one goes on", || broker.ends(&output) == [produced as i64]);
        }
    }
    Kolo::run(&broker, &program, ["--quiet", "--until", "end"]).finish().ok();
    assert_same("the only partition", &numbers_in(&broker, &output)[0], &(0..300).collect::<Vec<_>>());
}
