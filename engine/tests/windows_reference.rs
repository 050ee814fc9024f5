//! Windows against a reference that is as naive as can be: it keeps every event, looks through all of them, and knows
//! nothing of batches. Random windows over random events; results, their times and their order have to be the same.

mod common;

use common::{engine, lines, slot};
use kolo_engine::slot::{Cause, Slot};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Times in half seconds.
type Time = i64;

#[derive(Debug, Clone, Copy)]
struct Event {
    time: Time,
    key: Option<u8>,
    x: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
enum Window {
    Aligned { size: Time, slide: Time },
    Sliding { size: Time, slide: Time },
    Count(usize),
    SlidingCount(usize, usize),
    Session(Time),
}

#[derive(Debug, Clone, Copy)]
struct Case {
    window: Window,
    out_of_order: Option<Time>,
    lateness: Time,
}

impl Case {
    fn program(&self) -> String {
        let ms = |time: Time| format!("{}ms", time * 500);
        let window = match self.window {
            Window::Aligned { size, slide } if size == slide => ms(size),
            Window::Aligned { size, slide } | Window::Sliding { size, slide } => {
                format!("{}, sliding: {}", ms(size), ms(slide))
            }
            Window::Count(size) => size.to_string(),
            Window::SlidingCount(size, slide) => format!("{size}, sliding: {slide}"),
            Window::Session(gap) => format!("session: {}", ms(gap)),
        };
        let watermark = self.out_of_order.map_or(String::new(), |d| format!(".watermark(out_of_order: {})", ms(d)));
        let lateness =
            if self.lateness > 0 { format!(".allowed_lateness({})", ms(self.lateness)) } else { String::new() };
        format!(
            "stream S = T{watermark}.partition_by(k).window({window}){lateness}\
             .aggregate(n: count(), xs: count(x), sum: sum(x), least: min(x), first: first(x), last: last(x), all: collect(x), \
             kinds: count_distinct(x), middle: median(x)).emit()"
        )
    }
}

/// Events of one result, in order of arrival.
struct Group {
    key: Option<u8>,
    end: Time,
    members: Vec<Event>,
}

fn result(group: &Group, time: Time) -> Value {
    let mut fields = Map::new();
    fields.insert("event_type".into(), json!("S"));
    let (seconds, half) = (time.div_euclid(2), time.rem_euclid(2));
    let half = if half == 1 { ".500" } else { "" };
    fields.insert("timestamp".into(), json!(format!("1970-01-01T00:{:02}:{:02}{half}Z", seconds / 60, seconds % 60)));
    if let Some(key) = group.key {
        fields.insert("k".into(), json!(format!("k{key}")));
    }
    let xs: Vec<i64> = group.members.iter().filter_map(|event| event.x).collect();
    let mut sorted = xs.clone();
    sorted.sort();
    let middle = |place: usize| sorted[place] as f64;
    let median = match sorted.len() {
        0 => Value::Null,
        len => json!((middle((len - 1) / 2) + middle(len / 2)) / 2.0),
    };
    sorted.dedup();
    fields.insert("n".into(), json!(group.members.len()));
    fields.insert("xs".into(), json!(xs.len()));
    fields.insert("sum".into(), json!(xs.iter().sum::<i64>() as f64));
    fields.insert("least".into(), json!(xs.iter().min()));
    fields.insert("first".into(), json!(xs.first()));
    fields.insert("last".into(), json!(xs.last()));
    fields.insert("all".into(), if xs.is_empty() { Value::Null } else { json!(xs) });
    fields.insert("kinds".into(), json!(sorted.len()));
    fields.insert("middle".into(), median);
    Value::Object(fields)
}

fn latest(members: &[Event]) -> Time {
    members.iter().map(|event| event.time).max().expect("no result is empty")
}

fn reference(case: Case, events: &[Event]) -> Vec<Value> {
    let mut results = Vec::new();
    let mut groups: Vec<Group> = Vec::new();
    let mut arrived: Vec<Event> = Vec::new();
    let mut fired: Vec<(Option<u8>, Time)> = Vec::new();
    for (at, event) in events.iter().map(Some).chain([None]).enumerate() {
        let seen = events[..events.len().min(at + 1)].iter().map(|event| event.time).max();
        let watermark = match event {
            Some(_) => seen.expect("an event") - case.out_of_order.unwrap_or(0),
            None => Time::MAX,
        };
        // What closes, first.
        let closes = |group: &Group| match case.window {
            Window::Aligned { .. } => group.end + case.lateness <= watermark,
            Window::Session(gap) => latest(&group.members) + gap + case.lateness < watermark,
            _ => false,
        };
        let (mut closed, open): (Vec<Group>, Vec<Group>) = groups.drain(..).partition(|group| closes(group));
        groups = open;
        closed.sort_by_key(|group| match case.window {
            Window::Session(_) => latest(&group.members),
            _ => group.end,
        });
        for group in &closed {
            let tumbling = matches!(case.window, Window::Aligned { size, slide } if size == slide);
            results.push(result(group, if tumbling { group.end } else { latest(&group.members) }));
        }
        let Some(event) = event else { break };
        let Event { time, key, .. } = *event;
        arrived.push(*event);
        let of_key = || arrived.iter().copied().filter(|event| event.key == key);
        let fire = |members: Vec<Event>| {
            let time = latest(&members);
            result(&Group { key, end: time, members }, time)
        };
        match case.window {
            Window::Aligned { size, slide } => {
                for start in (0..=time).filter(|start| start % slide == 0 && time < start + size) {
                    let end = start + size;
                    if end + case.lateness <= watermark {
                        continue;
                    }
                    match groups.iter_mut().find(|group| group.key == key && group.end == end) {
                        Some(group) => group.members.push(*event),
                        None => groups.push(Group { key, end, members: vec![*event] }),
                    }
                }
            }
            Window::Session(gap) => {
                let near = |group: &Group| {
                    group.key == key && group.members.iter().any(|other| (other.time - time).abs() <= gap)
                };
                if time + gap + case.lateness < watermark && !groups.iter().any(near) {
                    continue;
                }
                // All that it is near to become one, where the first of them stood.
                let place = groups.iter().position(near).unwrap_or(groups.len());
                let mut members = vec![*event];
                while let Some(at) = groups.iter().position(near) {
                    members.extend(groups.remove(at).members);
                }
                let mut ordered: Vec<Event> = Vec::new();
                // Arrival order: as the events stand in the input. Equal events are interchangeable.
                for other in &events[..=at] {
                    let same = |member: &Event| (member.time, member.key, member.x) == (other.time, other.key, other.x);
                    if let Some(found) = members.iter().position(same) {
                        ordered.push(members.remove(found));
                    }
                }
                groups.insert(place, Group { key, end: 0, members: ordered });
            }
            Window::Count(size) => {
                if of_key().count().is_multiple_of(size) {
                    let all: Vec<Event> = of_key().collect();
                    results.push(fire(all[all.len() - size..].to_vec()));
                }
            }
            Window::SlidingCount(size, slide) => {
                let all: Vec<Event> = of_key().collect();
                if all.len() >= size && (all.len() - size).is_multiple_of(slide) {
                    results.push(fire(all[all.len() - size..].to_vec()));
                }
            }
            Window::Sliding { size, slide } => {
                let last = fired.iter().rev().find(|(of, _)| *of == key).map(|(_, time)| *time);
                if last.is_none_or(|last| time >= last + slide) {
                    fired.push((key, time));
                    results.push(fire(of_key().filter(|event| event.time >= time - size).collect()));
                }
            }
        }
    }
    results
}

fn actual(case: Case, events: &[Event], batch: usize) -> Vec<Value> {
    let mut slots: Vec<Slot> = events
        .iter()
        .map(|event| {
            let mut fields = json!({"event_type": "T", "ts": event.time * 500});
            event.key.inspect(|key| fields["k"] = json!(format!("k{key}")));
            event.x.inspect(|x| fields["x"] = json!(x));
            slot(&fields.to_string())
        })
        .collect();
    slots.push(Slot { cause: Cause::EndOfInput, ..Slot::default() });
    let mut engine = engine(&case.program());
    slots.chunks_mut(batch).for_each(|batch| engine.process(batch));
    lines(&slots).iter().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Disorder up to `disorder` half seconds.
fn events(disorder: Time) -> impl Strategy<Value = Vec<Event>> {
    let key = prop_oneof![Just(None), (0u8..3).prop_map(Some)];
    let x = prop_oneof![1 => Just(None), 5 => (-5i64..20).prop_map(Some)];
    let step = prop_oneof![6 => 0i64..4, 1 => 10i64..30];
    proptest::collection::vec((step, 0..=disorder, key, x), 0..60).prop_map(|steps| {
        let mut now = 40;
        let event = |(step, back, key, x)| {
            now += step;
            Event { time: now - back, key, x }
        };
        steps.into_iter().map(event).collect()
    })
}

fn cases() -> impl Strategy<Value = (Case, Vec<Event>)> {
    let patience = prop_oneof![Just(None), (0i64..8).prop_map(Some)];
    let closing = (
        prop_oneof![
            (1i64..20).prop_map(|size| Window::Aligned { size, slide: size }),
            (1i64..9).prop_map(Window::Session),
        ],
        patience,
        0i64..6,
    );
    let hopping = (
        (1i64..20, 1i64..8).prop_map(|(size, slide)| Window::Aligned { size, slide }),
        (0i64..8).prop_map(Some),
        0i64..6,
    );
    let counted = prop_oneof![
        (1usize..6).prop_map(Window::Count),
        (1usize..6, 1usize..8).prop_map(|(size, slide)| Window::SlidingCount(size, slide)),
    ];
    let counted = (counted, Just(None), Just(0));
    let case = |(window, out_of_order, lateness)| Case { window, out_of_order, lateness };
    let disordered = prop_oneof![closing, hopping, counted].prop_map(case);
    let sliding = (1i64..20, 1i64..8).prop_map(|(size, slide)| Window::Sliding { size, slide });
    let sliding = sliding.prop_map(|window| Case { window, out_of_order: None, lateness: 0 });
    prop_oneof![4 => (disordered, events(6)), 1 => (sliding, events(0))]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn windows_do_what_the_reference_does((case, events) in cases(), batch in 1usize..70) {
        prop_assert_eq!(actual(case, &events, batch), reference(case, &events), "{}", case.program());
    }
}
