//! What outputs do not depend on: where batches end, and, key by key, over how many partitions the keys are spread.
//!
//! The first holds for every program and every input, late events included. The second holds as far as the watermark lets
//! it: that of several partitions is the least of theirs, so it is never ahead of what one partition with all events would
//! have. Whoever is not late there is late nowhere, so with events that are out of order by no more than `out_of_order`
//! every key gives the same results in the same order; *when* they come out, and how those of different keys follow each
//! other, depends on the partitions. What is about several keys (`.order_by` and `.limit` of a closing, windows without a
//! key) has to have the keys in one partition.

mod common;

use std::collections::BTreeMap;

use common::{engine, lines, slot};
use kolo_engine::slot::{Assignment, Cause, Slot};
use proptest::prelude::*;

/// By how many seconds events are out of order at most, where the program reckons with it.
const DISORDER: i64 = 3;
const KEYS: usize = 6;

/// Programs whose results belong to a key, which they carry as `k`.
const KEYED: &[&str] = &[
    "stream W = T.watermark(out_of_order: 3s).partition_by(k).window(5s)\
     .aggregate(n: count(), sum: sum(x), all: collect(x), mean: avg(x)).emit()",
    "stream W = T.watermark(out_of_order: 3s).where(x > 2).partition_by(k).window(8s, sliding: 2s).allowed_lateness(1s)\
     .aggregate(n: count(), top: max(x)).having(n > 1).emit()",
    "stream W = T.watermark(out_of_order: 3s).partition_by(k).window(session: 2s).aggregate(n: count(), all: collect(x)).emit()",
    "stream W = T.watermark(out_of_order: 3s).partition_by(k).window(4s).emit(k: k, x: x)",
    "stream W = T.partition_by(k).window(4s, sliding: 1s).aggregate(n: count(), all: collect(x)).emit()",
    "stream W = T.partition_by(k).window(3).aggregate(all: collect(x)).emit()",
    "stream W = T.partition_by(k).window(3, sliding: 2).aggregate(all: collect(x)).emit()",
    "stream M = T as a -> U where x > a.x as b .watermark(out_of_order: 3s).within(6s).partition_by(k).emit(k: a.k, a: a.x, b: b.x)",
    "stream M = T as a -> all U as b -> T as c .watermark(out_of_order: 3s).within(9s).partition_by(k).longest()\
     .emit(k: a.k, n: count(b), all: collect(b.x), c: c.x)",
    "stream M = T as a -> all U as b .watermark(out_of_order: 3s).within(5s).partition_by(k).longest()\
     .emit(k: a.k, all: collect(b.x))",
    "stream M = T as a -> NOT U where x > a.x .watermark(out_of_order: 3s).within(4s).partition_by(k).emit(k: a.k, a: a.x)",
    "stream M = T as a -> U.increasing(x) as b .watermark(out_of_order: 3s).within(20s).partition_by(k)\
     .emit(k: a.k, all: collect(b.x))",
    "stream M = T as a -> all U as b -> T as c .watermark(out_of_order: 3s).within(9s).partition_by(k).subsets()\
     .not(U where x == 9).emit(k: a.k, all: collect(b.x))",
    "stream M = T as a -> all U as b -> T as c .watermark(out_of_order: 3s).within(9s).partition_by(k)\
     .trend_aggregate(n: count_trends(), top: max_trends(b.x)).emit()",
    "stream J = join(T, U).on(T.k == U.k).window(4s).emit(k: T.k, t: T.x, u: U.x)",
    "stream J = full_join(T, U).on(T.k == U.k).window(4s).emit(k: k, t: T.x, u: U.x)",
    "stream D = T.distinct(concat(k, to_string(x))).emit(k: k, x: x)",
    "fn twice(k: str, x: int):\n    emit P(k: k, x: x)\n    if x > 4:\n        emit P(k: k, x: -x)\n\
     stream Q = T.process(twice(k, x))\nstream R = P.partition_by(k).window(2).aggregate(all: collect(x)).emit()",
    "stream M = T as a -> U as b .watermark(out_of_order: 3s).within(6s).partition_by(k).emit(k: a.k, d: b.x - a.x)\n\
     stream W = M.partition_by(k).window(10s).aggregate(n: count(), all: collect(d)).emit()",
];

/// Programs about several keys at once, or about none, or that go by the clock.
const UNKEYED: &[&str] = &[
    "stream W = T.window(5s).partition_by(k).aggregate(n: count(), sum: sum(x)).order_by(sum desc, k).limit(2).emit()",
    "stream W = T.window(5s).order_by(x desc).distinct(x).limit(3).emit(k: k, x: x)",
    "stream W = merge(T, U).watermark(out_of_order: 2s, idle_timeout: 1s).window(5s).aggregate(n: count()).emit()",
    "stream L = T.limit(7).emit()\nstream D = U.distinct(x).emit()",
    "stream B = timer(3s, initial_delay: 1s).emit(at: timestamp)\nstream W = B.window(7s).aggregate(n: count()).emit()",
    "stream M = T as a -> U as b -> T as c .strict().emit(a: a.x, b: b.x, c: c.x)",
    "stream F = right_join(T, U).on(T.x == U.x).window(4s).emit()\nstream G = F.window(5).aggregate(n: count(x)).emit()",
];

/// Whether it is a `U` rather than a `T`, seconds, key, value.
type Event = (bool, i64, usize, i64);

fn record((other, seconds, key, x): Event, partition: u32, offset: i64) -> Slot {
    let event_type = if other { "U" } else { "T" };
    let text = format!(r#"{{"event_type":"{event_type}","ts":{},"k":"k{key}","x":{x}}}"#, seconds * 1000);
    Slot { partition, offset, ..slot(&text) }
}

fn assigned(partition: u32) -> Slot {
    let (topic, metadata) = ("t".to_owned(), String::new());
    let assignment = Assignment { topic, partition: partition as i32, source: None, metadata, epoch: 1 };
    Slot { cause: Cause::Assigned(Box::new(assignment)), partition, ..Slot::default() }
}

fn tick(seconds: i64) -> Slot {
    Slot { cause: Cause::Tick, timestamp_ms: seconds * 1000, ..Slot::default() }
}

fn end() -> Slot {
    Slot { cause: Cause::EndOfInput, ..Slot::default() }
}

/// Time goes on by little, now and then by much, and events are late by up to `disorder`.
fn events(disorder: i64) -> impl Strategy<Value = Vec<Event>> {
    let ahead = prop_oneof![8 => 0i64..2, 1 => 3i64..12];
    let step = (any::<bool>(), ahead, 0..=disorder, 0..KEYS, 0i64..10);
    proptest::collection::vec(step, 1..150).prop_map(|steps| {
        let mut now = 100;
        let at = |(other, ahead, late, key, x)| {
            now += ahead;
            (other, now - late, key, x)
        };
        steps.into_iter().map(at).collect()
    })
}

/// The outputs of each stream and key, in order.
fn by_key(lines: &[String]) -> BTreeMap<(String, String), Vec<&String>> {
    let mut by_key: BTreeMap<_, Vec<&String>> = BTreeMap::new();
    for line in lines {
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let text = |field: &str| value[field].as_str().unwrap_or_else(|| panic!("{line} has no {field}")).to_owned();
        by_key.entry((text("event_type"), text("k"))).or_default().push(line);
    }
    by_key
}

/// What comes out if every key's events lie in its home, and `picks` says from which partition the next one comes.
fn spread(program: &str, events: &[Event], homes: &[u32], picks: &[usize]) -> Vec<String> {
    let partitions = homes.iter().max().map_or(1, |last| last + 1);
    let mut queues: Vec<Vec<Event>> = vec![Vec::new(); partitions as usize];
    events.iter().rev().for_each(|event| queues[homes[event.2] as usize].push(*event));
    let mut slots: Vec<Slot> = (0..partitions).map(assigned).collect();
    let mut picks = picks.iter().cycle();
    for offset in 0..events.len() {
        let waiting: Vec<usize> = (0..queues.len()).filter(|queue| !queues[*queue].is_empty()).collect();
        let from = waiting[picks.next().expect("a cycle") % waiting.len()];
        slots.push(record(queues[from].pop().expect("it waits"), from as u32, offset as i64));
    }
    slots.push(end());
    engine(program).process(&mut slots);
    lines(&slots)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn outputs_do_not_depend_on_where_batches_end(
        events in events(2 * DISORDER),
        cuts in proptest::collection::vec(1usize..40, 1..12),
    ) {
        let slots = || {
            let mut slots = vec![assigned(0), assigned(1)];
            for (offset, event) in events.iter().enumerate() {
                slots.push(record(*event, event.2 as u32 % 2, offset as i64));
                if offset.is_multiple_of(11) {
                    slots.push(tick(event.1));
                }
            }
            slots.push(end());
            slots
        };
        for program in KEYED.iter().chain(UNKEYED) {
            let mut one_by_one = slots();
            let mut alone = engine(program);
            one_by_one.iter_mut().for_each(|slot| alone.process(std::slice::from_mut(slot)));
            let (mut batched, mut at, mut sizes) = (slots(), 0, cuts.iter().cycle());
            let mut engine = engine(program);
            while at < batched.len() {
                let end = (at + sizes.next().expect("a cycle")).min(batched.len());
                engine.process(&mut batched[at..end]);
                at = end;
            }
            prop_assert_eq!(lines(&batched), lines(&one_by_one), "{}", program);
        }
    }

    #[test]
    fn a_keys_outputs_do_not_depend_on_the_number_of_partitions(
        events in events(DISORDER),
        hashes in proptest::collection::vec(any::<u32>(), KEYS),
        picks in proptest::collection::vec(0usize..8, 1..40),
    ) {
        for program in KEYED {
            let one = spread(program, &events, &[0; KEYS], &[0]);
            for partitions in [3, 8] {
                let homes: Vec<u32> = hashes.iter().map(|hash| hash % partitions).collect();
                let several = spread(program, &events, &homes, &picks);
                prop_assert_eq!(by_key(&several), by_key(&one), "{} over {}", program, partitions);
            }
        }
    }
}

/// The programs above give something to compare.
#[test]
fn every_program_puts_something_out() {
    let time = |i| 100 + i / 4 + i / 50 * 10 - i % 3;
    let events: Vec<Event> = (0..400).map(|i| (i * 5 % 7 > 3, time(i), i as usize % KEYS, i * 7 % 11 % 10)).collect();
    for program in KEYED.iter().chain(UNKEYED) {
        let mut slots = vec![assigned(0)];
        slots.extend((0..).zip(&events).map(|(offset, event)| record(*event, 0, offset)));
        slots.extend([tick(200), tick(210), end()]);
        engine(program).process(&mut slots);
        assert!(lines(&slots).len() > 5, "{program} puts out {:?}", lines(&slots));
    }
}
