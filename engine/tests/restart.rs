//! A restart from a commit: the engine is thrown away between two batches, and a new one begins with what the commit said.
//!
//! ```text
//!   records   ……………………………………………|…………………………     whole: one engine over all
//!                      ▲ floor        ▲ crash
//!                      └──────────────┴───────────▶     again: a new engine, from the floor on
//! ```
//!
//! What the old engine put out before the crash and the new one from there on must be what one engine puts out: nothing
//! lost, nothing short, and, as the commit is up to date, nothing twice.

mod common;

use common::{engine, lines, slot};
use kolo_engine::Engine;
use kolo_engine::resume;
use kolo_engine::slot::{Assignment, Cause, Slot};
use proptest::prelude::*;

/// A record: partition, event time in seconds, which of the partition's keys, and a value.
type Event = (u32, i64, u8, i64);

const PARTITIONS: u32 = 3;

fn record((partition, seconds, key, x): Event, offset: i64) -> Slot {
    let text = format!(r#"{{"event_type":"T","ts":{},"k":"p{partition}k{key}","x":{x}}}"#, seconds * 1000);
    Slot { partition, offset, ..slot(&text) }
}

fn assigned(partition: u32, offset: i64, metadata: String, epoch: u64) -> Slot {
    let assignment = Assignment { topic: "t".into(), partition: partition as i32, source: None, metadata, epoch };
    Slot { cause: Cause::Assigned(Box::new(assignment)), partition, offset, ..Slot::default() }
}

/// What the engine puts out for the records from `starts` on. After the batch that ends at `crash`: each partition's next
/// offset, and the commit's offsets and metadata.
struct Run {
    before: Vec<String>,
    after: Vec<String>,
    commits: Vec<(i64, String)>,
}

fn run(engine: &mut Engine, events: &[Event], starts: &[(i64, String)], epoch: u64, crash: usize, batch: usize) -> Run {
    let mut next = vec![0; PARTITIONS as usize];
    let mut slots: Vec<Slot> = Vec::new();
    for (partition, (offset, metadata)) in (0..).zip(starts) {
        slots.push(assigned(partition, *offset, metadata.clone(), epoch));
    }
    let mut commits = Vec::new();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (at, event) in events.iter().enumerate() {
        let offset = next[event.0 as usize];
        next[event.0 as usize] += 1;
        if offset >= starts[event.0 as usize].0 {
            slots.push(record(*event, offset));
        }
        let ends = at + 1 == crash || slots.len() >= batch;
        if ends && !slots.is_empty() {
            engine.process(&mut slots);
            if at < crash { before.extend(lines(&slots)) } else { after.extend(lines(&slots)) }
        }
        if at + 1 == crash {
            // Without a batch there is nothing new.
            let Some(last) = slots.last() else {
                commits = starts.to_vec();
                continue;
            };
            assert!(last.ends_batch);
            let commit = |partition: u32| {
                let start = &starts[partition as usize];
                if last.marks.is_empty() {
                    return start.clone();
                }
                let floor = last.floors.iter().find(|floor| floor.partition == partition);
                let processed = next[partition as usize].max(start.0);
                let offset = floor.map_or(processed, |floor| floor.offset.min(processed));
                (offset, resume::metadata(epoch, processed, &last.marks))
            };
            commits = (0..PARTITIONS).map(commit).collect();
        }
        if ends {
            slots.clear();
        }
    }
    slots.push(Slot { cause: Cause::EndOfInput, ..Slot::default() });
    engine.process(&mut slots);
    after.extend(lines(&slots));
    Run { before, after, commits }
}

const PROGRAMS: &[&str] = &[
    "stream S = T.partition_by(k).window(10s).aggregate(n: count(), sum: sum(x), first: first(x), all: collect(x)).emit()",
    "stream S = T.window(10s).aggregate(n: count(), sum: sum(x), last: last(x)).emit()",
    "stream S = T.partition_by(k).watermark(out_of_order: 5s).window(20s, sliding: 5s).aggregate(n: count(), max: max(x)).emit()",
    "stream S = T.partition_by(k).watermark(out_of_order: 40s).window(session: 4s).aggregate(n: count(), sum: sum(x)).emit()",
    "stream S = T.where(x > 2).window(10s).allowed_lateness(10s).emit(k: k, x: x)",
    "stream M = T.partition_by(k).window(5s).aggregate(n: count(), sum: sum(x))\n\
     stream S = M.window(20s).aggregate(windows: count(), n: sum(n), sum: sum(sum)).emit()",
    "stream P = T.where(x > 5).emit(k: k, x: x)\nstream S = T.partition_by(k).window(10s).aggregate(n: count()).emit()",
];

/// Times go on by little, and now and then back.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let step = (0..PARTITIONS, -4i64..6, 0u8..3, 0i64..10);
    proptest::collection::vec(step, 1..120).prop_map(|steps| {
        let mut now = 100;
        let at = |(partition, step, key, x): Event| {
            now = (now + step.max(0)).max(0);
            (partition, now + step.min(0), key, x)
        };
        steps.into_iter().map(at).collect()
    })
}

/// Whether the pieces are what should have come: each line as often as it should.
fn check(pieces: &[&Vec<String>], expected: &Run) -> Result<(), String> {
    let mut came: Vec<&String> = pieces.iter().copied().flatten().collect();
    let mut wanted: Vec<&String> = expected.before.iter().chain(&expected.after).collect();
    came.sort();
    wanted.sort();
    if came == wanted { Ok(()) } else { Err(format!("came {came:#?}\nwanted {wanted:#?}")) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_restart_loses_nothing_cuts_nothing_short_and_repeats_nothing(
        events in events(),
        crash in 1usize..120,
        again in 1usize..120,
        batch in 1usize..20,
    ) {
        let (crash, again) = (crash.min(events.len()), again.min(events.len()));
        let fresh = vec![(0, String::new()); PARTITIONS as usize];
        for program in PROGRAMS {
            let whole = run(&mut engine(program), &events, &fresh, 1, crash, batch);
            let second = run(&mut engine(program), &events, &whole.commits, 2, again, batch);
            let pieces = [&whole.before, &second.before, &second.after];
            prop_assert_eq!(check(&pieces, &whole), Ok(()), "{}, after the first restart", program);
            // The second crash comes where it will: also before the first restart is where the first run had been.
            let third = run(&mut engine(program), &events, &second.commits, 3, events.len(), batch);
            let pieces = [&whole.before, &second.before, &third.before, &third.after];
            prop_assert_eq!(check(&pieces, &whole), Ok(()), "{}, after the second restart", program);
        }
    }
}

/// After a restart partitions take turns as it happens: here the new record comes before the old one.
#[test]
fn what_a_new_record_makes_with_an_old_one_is_put_out_in_whatever_order_they_are_read() {
    let record = |event_type: &str, partition: u32, offset: i64, k: u32| {
        let text = format!(r#"{{"event_type":"{event_type}","ts":{},"k":{k}}}"#, 100_000 + offset);
        Slot { partition, offset, ..slot(&text) }
    };
    for program in [
        "stream S = join(stream l = L, stream r = R).on(l.k == r.k).window(1h).emit(k: l.k)",
        "stream S = left_join(stream l = L, stream r = R).on(l.k == r.k).window(1h).where(not is_null(r.k)).emit(k: l.k)",
        "stream S = R as r -> L where k == r.k as l .within(1h).partition_by(k).emit(k: r.k)",
        "stream S = R as r -> all L where k == r.k as l .within(1h).partition_by(k).emit(k: r.k)",
    ] {
        // The pair of key 1 is put out before the restart, that of key 2 lacks its new record.
        let (old, pair) = ([record("R", 1, 0, 1), record("L", 0, 0, 1), record("L", 0, 1, 2)], record("R", 1, 1, 2));
        let starts = [assigned(0, 0, String::new(), 1), assigned(1, 0, String::new(), 1)];
        let mut slots: Vec<Slot> = starts.into_iter().chain(old).collect();
        engine(program).process(&mut slots);
        assert_eq!(lines(&slots).len(), 1, "{program}: {:?}", lines(&slots));
        let marks = slots.last().expect("a record").marks.clone();
        let [left, right] = [2, 1].map(|processed| resume::metadata(1, processed, &marks));

        let [again, and_right] = [record("L", 0, 0, 1), record("L", 0, 1, 2)];
        let mut slots =
            vec![assigned(0, 0, left, 2), assigned(1, 0, right, 2), record("R", 1, 0, 1), pair, again, and_right];
        engine(program).process(&mut slots);
        let found = lines(&slots);
        assert!(found.len() == 1 && found[0].contains(r#""k":2"#), "{program}: {found:?}");
    }
}
