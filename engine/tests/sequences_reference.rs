//! Sequences against a naive reference: it follows each run alone, from the event that opened it to the end of the input,
//! and only then puts the matches of all runs into their order. Random sequences, random events.

mod common;

use common::{engine, lines, slot};
use kolo_engine::slot::{Cause, Slot};
use proptest::prelude::*;

const TYPES: [char; 3] = ['A', 'B', 'C'];

#[derive(Debug, Clone)]
struct Event {
    ty: usize,
    time: i64,
    x: i64,
    /// `None`: it has no key.
    key: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Condition {
    None,
    /// `x > k`
    Above(i64),
    /// `x == s0.x`
    SameAsFirst,
    /// `x > s0.x or x == k`, which is looked at for each run.
    BeyondFirst(i64),
}

#[derive(Debug, Clone)]
struct Step {
    ty: usize,
    all: bool,
    /// Rising or falling.
    trend: Option<bool>,
    condition: Condition,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Each,
    Longest,
    Subsets,
}

#[derive(Debug, Clone)]
struct Pattern {
    steps: Vec<Step>,
    absence: Option<(usize, Condition)>,
    not: Option<(usize, Condition)>,
    within: Option<i64>,
    partitioned: bool,
    strict: bool,
    mode: Option<Mode>,
}

impl Pattern {
    fn closure(&self, step: usize) -> bool {
        self.steps[step].all || self.steps[step].trend.is_some()
    }

    fn closures(&self) -> bool {
        (0..self.steps.len()).any(|step| self.closure(step))
    }

    fn trends(&self) -> bool {
        self.steps.iter().any(|step| step.trend.is_some())
    }

    fn mode(&self) -> Mode {
        self.mode.unwrap_or(if self.trends() { Mode::Longest } else { Mode::Each })
    }

    fn relevant(&self, event: &Event) -> bool {
        let others = self.absence.iter().chain(&self.not).map(|(ty, _)| *ty);
        self.steps.iter().map(|step| step.ty).chain(others).any(|ty| ty == event.ty)
    }

    fn program(&self) -> String {
        let condition = |condition: Condition| match condition {
            Condition::None => String::new(),
            Condition::Above(k) => format!(" where x > {k}"),
            Condition::SameAsFirst => " where x == s0.x".into(),
            Condition::BeyondFirst(k) => format!(" where x > s0.x or x == {k}"),
        };
        let mut text = String::from("stream S = ");
        for (index, step) in self.steps.iter().enumerate() {
            let (arrow, all) = (if index > 0 { " -> " } else { "" }, if step.all { "all " } else { "" });
            let trend = match step.trend {
                Some(true) => ".increasing(x)",
                Some(false) => ".decreasing(x)",
                None => "",
            };
            text += &format!("{arrow}{all}{}{trend}{} as s{index}", TYPES[step.ty], condition(step.condition));
        }
        if let Some((ty, c)) = self.absence {
            text += &format!(" -> NOT {}{}", TYPES[ty], condition(c));
        }
        text += "\n";
        if let Some((ty, c)) = self.not {
            text += &format!(".not({}{})", TYPES[ty], condition(c));
        }
        if let Some(within) = self.within {
            text += &format!(".within({within}ms)");
        }
        if self.partitioned {
            text += ".partition_by(key)";
        }
        if self.strict {
            text += ".strict()";
        }
        text += match self.mode {
            Some(Mode::Each) if self.closures() => ".each()",
            Some(Mode::Longest) if self.closures() => ".longest()",
            Some(Mode::Subsets) if self.closures() => ".subsets()",
            _ => "",
        };
        let fields = (0..self.steps.len()).map(|step| format!("s{step}: collect(s{step}.n)"));
        text + &format!(".emit({}, d: match_duration_ms)", fields.collect::<Vec<_>>().join(", "))
    }
}

/// When a match comes out: with an event or with the clock before it, then by deadline, then by start.
type When = (usize, bool, i64, usize);

/// One run, followed alone. Events are indices.
struct Run<'p> {
    pattern: &'p Pattern,
    events: &'p [Event],
    start: usize,
    captured: Vec<Vec<usize>>,
    at: usize,
    found: Vec<(When, usize, String)>,
}

impl Run<'_> {
    fn holds(&self, condition: Condition, event: usize) -> bool {
        let (x, first) = (self.events[event].x, self.captured[0].last().map(|first| self.events[*first].x));
        match condition {
            Condition::None => true,
            Condition::Above(k) => x > k,
            Condition::SameAsFirst => first == Some(x),
            Condition::BeyondFirst(k) => first.is_some_and(|first| x > first) || x == k,
        }
    }

    fn takes(&self, step: usize, event: usize) -> bool {
        let shape = &self.pattern.steps[step];
        let last = self.captured[step].last().or(step.checked_sub(1).and_then(|before| self.captured[before].last()));
        let continues = match (shape.trend, last) {
            (Some(rising), Some(last)) => {
                let (x, last) = (self.events[event].x, self.events[*last].x);
                if rising { x > last } else { x < last }
            }
            _ => true,
        };
        shape.ty == self.events[event].ty && self.holds(shape.condition, event) && continues
    }

    /// Puts out the match of these events.
    fn put(&mut self, when: When, time: i64, captured: &[Vec<usize>]) {
        let fields: String = captured
            .iter()
            .enumerate()
            .map(|(step, events)| {
                let numbers: Vec<String> = events.iter().map(usize::to_string).collect();
                format!(",\"s{step}\":[{}]", numbers.join(","))
            })
            .collect();
        let mut times = captured.iter().flatten().map(|event| self.events[*event].time);
        let first = times.next().unwrap_or(0);
        let duration = times.next_back().unwrap_or(first) - first;
        let order = self.found.len();
        self.found.push((when, order, format!("{time}{fields},\"d\":{duration}")));
    }

    /// The run is complete; without a time each match has that of its last event.
    fn complete(&mut self, when: When, time: Option<i64>) {
        let last = |captured: &[Vec<usize>], events: &[Event]| {
            events[*captured.iter().flatten().last().expect("something is captured")].time
        };
        if self.pattern.closures() && self.pattern.mode() == Mode::Each {
            return;
        }
        if !self.pattern.closures() || self.pattern.mode() == Mode::Longest {
            let captured = self.captured.clone();
            return self.put(when, time.unwrap_or_else(|| last(&captured, self.events)), &captured);
        }
        let mut all: Vec<Vec<Vec<usize>>> = vec![Vec::new()];
        for (step, events) in self.captured.iter().enumerate() {
            let choices =
                if self.pattern.closure(step) && !events.is_empty() { subsets(events) } else { vec![events.clone()] };
            all = all
                .iter()
                .flat_map(|before| {
                    choices.iter().map(move |choice| [&before[..], std::slice::from_ref(choice)].concat())
                })
                .collect();
        }
        for captured in all {
            self.put(when, time.unwrap_or_else(|| last(&captured, self.events)), &captured);
        }
    }

    fn capture(&mut self, step: usize, event: usize) -> bool {
        self.captured[step].push(event);
        let when = (event, true, 0, self.start);
        let time = self.events[event].time;
        if self.pattern.closure(step) {
            self.at = step;
            if self.pattern.mode() == Mode::Each {
                let captured = self.captured.clone();
                self.put(when, time, &captured);
            }
            return true;
        }
        self.at = step + 1;
        let complete = self.at == self.pattern.steps.len() && self.pattern.absence.is_none();
        if complete {
            self.complete(when, Some(time));
        }
        !complete
    }

    /// Follows the run; returns the event at which it ended.
    fn follow(&mut self) -> usize {
        let (pattern, events) = (self.pattern, self.events);
        let steps = pattern.steps.len();
        let deadline = pattern.within.map_or(i64::MAX, |within| events[self.start].time.saturating_add(within));
        if !self.capture(0, self.start) {
            return self.start;
        }
        let mut watermark = events[..=self.start].iter().filter(|e| pattern.relevant(e)).map(|e| e.time).max();
        for event in self.start + 1..=events.len() {
            let now = events.get(event);
            if now.is_some_and(|now| !pattern.relevant(now)) {
                continue;
            }
            watermark = watermark.max(Some(now.map_or(i64::MAX, |now| now.time)));
            let in_closure = self.at < steps && !self.captured[self.at].is_empty();
            let waits = pattern.absence.is_some() && (self.at == steps || self.at + 1 == steps && in_closure);
            let last_closure = self.at + 1 == steps && in_closure && pattern.absence.is_none();
            let when = (event, false, deadline, self.start);
            if watermark > Some(deadline) || now.is_none() {
                if waits {
                    self.complete(when, Some(deadline));
                } else if last_closure {
                    self.complete(when, None);
                }
                return event;
            }
            let Some(now) = now else { return event };
            if pattern.partitioned && now.key != events[self.start].key {
                continue;
            }
            let named = |of: &Option<(usize, Condition)>, run: &Self| {
                of.is_some_and(|(ty, condition)| ty == now.ty && run.holds(condition, event))
            };
            if named(&pattern.not, self) || waits && named(&pattern.absence, self) {
                return event;
            }
            if self.at < steps {
                if in_closure && self.at + 1 < steps && self.takes(self.at + 1, event) {
                    if !self.capture(self.at + 1, event) {
                        return event;
                    }
                    continue;
                }
                if self.takes(self.at, event) {
                    if !self.capture(self.at, event) {
                        return event;
                    }
                    continue;
                }
                if last_closure {
                    self.complete((event, true, 0, self.start), None);
                    return event;
                }
                if pattern.steps[self.at].trend.is_some() {
                    return event;
                }
            }
            if pattern.strict {
                return event;
            }
        }
        events.len()
    }
}

/// All subsets but the empty one; an element is there before it is not.
fn subsets(items: &[usize]) -> Vec<Vec<usize>> {
    let Some((first, rest)) = items.split_first() else { return Vec::new() };
    let of_rest = subsets(rest);
    let mut all: Vec<Vec<usize>> = of_rest.iter().map(|subset| [&[*first], &subset[..]].concat()).collect();
    all.push(vec![*first]);
    all.extend(of_rest);
    all
}

fn expected(pattern: &Pattern, events: &[Event]) -> Vec<String> {
    let mut found = Vec::new();
    // By key: the event at which its only run ends.
    let mut busy: Vec<(Option<i64>, usize)> = Vec::new();
    for start in 0..events.len() {
        let captured = vec![Vec::new(); pattern.steps.len()];
        let mut run = Run { pattern, events, start, captured, at: 0, found: Vec::new() };
        if !run.takes(0, start) {
            continue;
        }
        let key = if pattern.partitioned { events[start].key } else { None };
        if pattern.trends() && busy.iter().any(|(other, until)| *other == key && *until > start) {
            continue;
        }
        let end = run.follow();
        busy.push((key, end));
        found.extend(run.found);
    }
    found.sort_by_key(|(when, order, _)| (*when, *order));
    found.into_iter().map(|(_, _, shown)| shown).collect()
}

/// The slots of all events, and the end of input.
fn slots(events: &[Event]) -> Vec<Slot> {
    let mut slots: Vec<Slot> = events
        .iter()
        .enumerate()
        .map(|(n, event)| {
            let key = event.key.map_or(String::new(), |key| format!(",\"key\":{key}"));
            let mut slot =
                slot(&format!("{{\"event_type\":\"{}\",\"n\":{n},\"x\":{}{key}}}", TYPES[event.ty], event.x));
            (slot.timestamp_ms, slot.offset) = (event.time, n as i64);
            slot
        })
        .collect();
    slots.push(Slot { cause: Cause::EndOfInput, ..Slot::default() });
    slots
}

fn actual(program: &str, mut slots: Vec<Slot>, batch: usize) -> Vec<String> {
    let mut engine = engine(program);
    slots.chunks_mut(batch).for_each(|batch| engine.process(batch));
    shown(&slots)
}

fn shown(slots: &[Slot]) -> Vec<String> {
    let shown = |line: &String| {
        let rest = line.strip_prefix("{\"event_type\":\"S\",\"timestamp\":\"1970-01-01T00:00:").expect("a match");
        let (seconds, fields) = rest.split_once("Z\"").expect("a time");
        let millis = seconds.parse::<f64>().expect("seconds") * 1000.0;
        format!("{}{}", millis.round(), fields.trim_end_matches('}'))
    };
    lines(slots).iter().map(shown).collect()
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        3 => Just(Condition::None),
        1 => (0i64..4).prop_map(Condition::Above),
        1 => Just(Condition::SameAsFirst),
        1 => (0i64..4).prop_map(Condition::BeyondFirst),
    ]
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let trend = prop_oneof![5 => Just(None), 1 => any::<bool>().prop_map(Some)];
    let step = (0usize..3, prop::bool::weighted(0.3), trend, condition())
        .prop_map(|(ty, all, trend, condition)| Step { ty, all, trend, condition });
    let other = || prop::option::weighted(0.25, (0usize..3, condition()));
    let mode = prop::option::of(prop_oneof![Just(Mode::Each), Just(Mode::Longest), Just(Mode::Subsets)]);
    let settings = (prop::option::of(1i64..30), any::<bool>(), prop::bool::weighted(0.2), mode);
    (prop::collection::vec(step, 1..4), other(), other(), settings).prop_map(
        |(mut steps, absence, not, (within, partitioned, strict, mode))| {
            // The first step has nothing before it to be compared with.
            if matches!(steps[0].condition, Condition::SameAsFirst | Condition::BeyondFirst(_)) {
                steps[0].condition = Condition::None;
            }
            // A single step that is no closure is no sequence.
            if steps.len() == 1 && absence.is_none() && steps[0].trend.is_none() {
                steps[0].all = true;
            }
            // What a trend may be written on: not on the first step.
            steps[0].trend = None;
            if steps.len() == 1 && absence.is_none() {
                steps[0].all = true;
            }
            let within = if absence.is_some() { Some(within.unwrap_or(10)) } else { within };
            Pattern { steps, absence, not, within, partitioned, strict, mode }
        },
    )
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    // Mostly forward, sometimes together, sometimes back.
    let step = prop_oneof![4 => 0i64..6, 1 => -8i64..0];
    let key = prop_oneof![4 => (0i64..3).prop_map(Some), 1 => Just(None)];
    prop::collection::vec((0usize..3, step, 0i64..5, key), 0..14).prop_map(|events| {
        let mut time = 100;
        let mut all = Vec::new();
        for (ty, step, x, key) in events {
            time += step;
            all.push(Event { ty, time, x, key });
        }
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn sequences_match_what_the_reference_finds(pattern in pattern(), events in events(), batch in 1usize..6) {
        let program = pattern.program();
        let found = actual(&program, slots(&events), batch);
        prop_assert_eq!(found, expected(&pattern, &events), "{}", program);
    }

    /// A lane that stops after any event, and resumes at the floor that it had then, misses nothing of what was still to
    /// come. Events are in order: how far event time had come before the floor is not known any more. Runs of trends keep
    /// each other from opening, so there those that began before the floor are missed by later ones.
    #[test]
    fn nothing_is_lost_if_a_restart_begins_at_the_floor(pattern in pattern(), events in events(), stop in 0usize..14) {
        let program = pattern.program();
        let stop = stop.min(events.len());
        let mut events = events;
        let mut latest = i64::MIN;
        for event in &mut events {
            latest = latest.max(event.time);
            event.time = latest;
        }
        let mut before = slots(&events);
        let mut after = before.split_off(stop);
        let mut first = engine(&program);
        before.chunks_mut(1).for_each(|slot| first.process(slot));
        let floor = before.last().and_then(|last| last.floors.first()).map_or(stop as i64, |floor| floor.offset);
        first.process(&mut after);
        let mut again = slots(&events).split_off(usize::try_from(floor).expect("an offset"));
        engine(&program).process(&mut again);
        let mut found = shown(&again);
        for wanted in shown(&after) {
            let place = found.iter().position(|found| *found == wanted);
            prop_assert!(place.is_some() || pattern.trends(), "{} loses {} from {} on", program, wanted, floor);
            place.map(|place| found.swap_remove(place));
        }
    }
}
