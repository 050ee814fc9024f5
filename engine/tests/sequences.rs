//! Sequences by hand: each case is a program, the events that it is given, and the matches that must come out.
//!
//! An event is written `TYPE@seconds field:value …`; a match as its time in seconds and its fields.

mod common;

use common::{counter, engine, lines, slot};
use kolo_engine::slot::{Cause, Slot};

/// The slots of events that are written as above, and the end of input.
fn slots(events: &str) -> Vec<Slot> {
    let mut slots: Vec<Slot> = events
        .split('|')
        .map(str::trim)
        .filter(|event| !event.is_empty())
        .map(|event| {
            let mut words = event.split_whitespace();
            let (name, seconds) = words.next().and_then(|word| word.split_once('@')).expect("TYPE@seconds");
            let fields: String = words
                .map(|field| {
                    let (name, value) = field.split_once(':').expect("field:value");
                    format!(",\"{name}\":{value}")
                })
                .collect();
            let mut slot = slot(&format!("{{\"event_type\":\"{name}\"{fields}}}"));
            slot.timestamp_ms = (seconds.parse::<f64>().expect("seconds") * 1000.0) as i64;
            slot
        })
        .collect();
    slots.push(Slot { cause: Cause::EndOfInput, ..Slot::default() });
    slots
}

/// A line as its time in seconds and its other fields.
fn shown(line: &str) -> String {
    let rest =
        line.strip_prefix("{\"event_type\":\"S\",\"timestamp\":\"1970-01-01T00:").unwrap_or_else(|| panic!("{line}"));
    let (time, fields) = rest.split_once("Z\"").unwrap_or_else(|| panic!("{line}"));
    let (minutes, seconds) = time.split_once(':').expect("minutes and seconds");
    let seconds = minutes.parse::<f64>().expect("minutes") * 60.0 + seconds.parse::<f64>().expect("seconds");
    format!("{seconds} {}", fields.trim_start_matches(',').trim_end_matches('}').replace('"', ""))
}

fn matches(program: &str, events: &str) -> Vec<String> {
    let mut slots = slots(events);
    engine(program).process(&mut slots);
    lines(&slots).iter().map(|line| shown(line)).collect()
}

#[track_caller]
fn case(program: &str, events: &str, expected: &[&str]) {
    assert_eq!(matches(program, events), expected, "{program}\nover {events}");
}

#[test]
fn every_event_of_the_first_step_opens_a_run_and_a_run_never_branches() {
    let program = "stream S = A as a -> B as b .emit(a: a.n, b: b.n)";
    case(program, "", &[]);
    case(program, "B@1 n:1", &[]);
    case(program, "A@1 n:1", &[]);
    case(program, "A@1 n:1 | A@2 n:2 | A@3 n:3 | B@4 n:9 | B@5 n:10", &["4 a:1,b:9", "4 a:2,b:9", "4 a:3,b:9"]);
    let same = "stream S = A as a -> A as b .emit(a: a.n, b: b.n)";
    case(same, "A@1 n:1 | A@2 n:2 | A@3 n:3", &["2 a:1,b:2", "3 a:2,b:3"]);
    let three = "stream S = A as a -> A as b -> A as c .emit(a: a.n, b: b.n, c: c.n)";
    case(three, "A@1 n:1 | A@2 n:2 | A@3 n:3 | A@4 n:4", &["3 a:1,b:2,c:3", "4 a:2,b:3,c:4"]);
    // Equal times, and times that go back: the order of arrival counts.
    case(program, "A@1 n:1 | B@1 n:2", &["1 a:1,b:2"]);
    case(program, "A@5 n:1 | B@2 n:2", &["2 a:1,b:2"]);
}

#[test]
fn other_events_between_the_steps_do_not_matter() {
    let program = "stream S = A as a -> B as b .emit(a: a.n, b: b.n)";
    case(program, "A@1 n:1 | X@2 | C@3 | B@4 n:2", &["4 a:1,b:2"]);
}

#[test]
fn predicates_see_the_event_and_what_is_captured() {
    let program = "stream S = A as a -> B where b.id == a.id and n > 1 as b .emit(a: a.n, b: b.n)";
    case(
        program,
        "A@1 id:1 n:0 | A@2 id:2 n:0 | B@3 id:2 n:1 | B@4 id:2 n:2 | B@5 id:1.0 n:3",
        &["4 a:0,b:2", "5 a:0,b:3"],
    );
    // What is missing or null equals nothing, or null alone.
    case(program, "A@1 n:1 | B@2 n:2", &[]);
    case(program, "A@1 id:null n:1 | B@2 id:null n:2", &["2 a:1,b:2"]);
    let text = "stream S = A where n > 0 as a -> B where s == a.s + \"!\" as b .emit(s: b.s)";
    case(text, "A@1 n:1 s:\"ä\" | A@2 n:0 s:\"o\" | B@3 s:\"o!\" | B@4 s:\"ä!\"", &["4 s:ä!"]);
    let by_type = "stream S = A -> B where B.n > A.n -> C where n > B.n .emit(a: A.n, b: B.n, c: C.n)";
    case(by_type, "A@1 n:1 | B@2 n:1 | B@3 n:2 | C@4 n:2 | C@5 n:3", &["5 a:1,b:2,c:3"]);
    let before = "stream S = A as a .where(a.n > 1).filter(e => e.n < 4) -> A as b .emit(a: a.n, b: b.n)";
    case(before, "A@1 n:1 | A@2 n:2 | A@3 n:5 | A@4 n:1", &["3 a:2,b:5"]);
}

#[test]
fn within_is_counted_from_the_first_event_and_inclusive() {
    let program = "stream S = A as a -> B as b -> C as c .within(5s).emit(c: c.n)";
    case(program, "A@0 | B@3 | C@5 n:1", &["5 c:1"]);
    case(program, "A@0 | B@3 | C@5.001 n:1", &[]);
    case(program, "A@0 | A@1 | B@3 | C@5.5 n:1", &["5.5 c:1"]);
    // The last one holds.
    case("stream S = A as a -> B as b .within(1s).within(5s).emit(b: b.n)", "A@0 | B@5 n:1", &["5 b:1"]);
    // A run that is over stays over, even if a late event would have been in time.
    case("stream S = A as a -> B as b .within(5s).emit(b: b.n)", "A@0 | A@6 | B@4 n:1", &["4 b:1"]);
}

#[test]
fn not_ends_the_runs_of_its_partition() {
    let program = "stream S = A as a -> B as b .not(C where n == a.n).partition_by(id).emit(a: a.n)";
    case(program, "A@1 id:1 n:1 | A@2 id:1 n:2 | C@3 id:1 n:1 | B@4 id:1", &["4 a:2"]);
    case(program, "A@1 id:1 n:1 | A@2 id:2 n:1 | C@3 id:1 n:1 | B@4 id:1 | B@5 id:2", &["5 a:1"]);
    // The event may be one of a step: it ends runs before it advances others, and opens one.
    let own = "stream S = A as a -> A as b .not(A where n == a.n).emit(a: a.n, b: b.n)";
    case(own, "A@1 n:1 | A@2 n:1 | A@3 n:2", &["3 a:1,b:2"]);
}

#[test]
fn partitions_are_apart_and_a_missing_key_is_one_of_its_own() {
    let program = "stream S = A as a -> B as b .partition_by(id).emit(id: id, a: a.n, b: b.n)";
    case(
        program,
        "A@1 id:1 n:1 | A@2 id:\"1\" n:2 | A@3 n:3 | B@4 id:1.0 n:4 | B@5 n:5 | B@6 id:\"1\" n:6",
        &["4 id:1,a:1,b:4", "5 a:3,b:5", "6 id:1,a:2,b:6"],
    );
}

#[test]
fn strict_ends_runs_that_an_event_does_not_advance() {
    let program = "stream S = A as a -> B where n > 1 as b -> C as c .strict().emit(a: a.n, c: c.n)";
    case(program, "A@1 n:1 | B@2 n:2 | C@3 n:3", &["3 a:1,c:3"]);
    case(program, "A@1 n:1 | B@2 n:1 | B@3 n:2 | C@4 n:3", &[]);
    case(program, "A@1 n:1 | X@2 | B@3 n:2 | A@4 n:5 | C@5 n:3", &[]);
    case(program, "A@1 n:1 | A@2 n:2 | B@3 n:2 | C@4 n:3", &["4 a:2,c:3"]);
    for word in ["stnm", "stam"] {
        let loose = program.replace("strict", word);
        case(&loose, "A@1 n:1 | B@2 n:1 | B@3 n:2 | C@4 n:3", &["4 a:1,c:3"]);
    }
}

#[test]
fn where_behind_the_sequence_filters_matches() {
    let program = "stream S = A as a -> B as b .where(b.n > a.n).emit(a: a.n, b: b.n)";
    case(program, "A@1 n:5 | A@2 n:1 | B@3 n:3 | B@4 n:9", &["3 a:1,b:3"]);
}

#[test]
fn streams_are_steps_and_matches_are_events() {
    let program = "stream Big = A.where(n > 10).select(m: n * 2)\n\
                   stream Pair = Big as x -> B as y .emit(m: x.m, b: y.n)\n\
                   stream S = Pair as p -> Pair as q .emit(p: p.m, q: q.m, b: q.b)";
    let events = slots("A@1 n:5 | A@2 n:20 | B@3 n:1 | A@4 n:30 | B@5 n:2");
    let mut slots = events;
    engine(program).process(&mut slots);
    let last = lines(&slots).pop().expect("an output");
    assert_eq!(shown(&last), "5 p:40,q:60,b:2");
    // A stream that passes matches on as they are: their fields are `alias_field`.
    let program = "stream M = A as a -> B as b .where(a.n > 0)\nstream S = M.where(b_n > 1).emit(x: a_n, y: b_n)";
    case(program, "A@1 n:1 | B@2 n:1 | A@3 n:2 | B@4 n:2", &["4 x:2,y:2"]);
}

#[test]
fn emit_without_arguments_passes_every_captured_field() {
    let program = "stream S = A as a -> B as b .emit()";
    case(program, "A@1 x:1 s:\"é\" | B@2 y:[1,{\"z\":null}]", &["2 a_x:1,a_s:é,b_y:[1,{z:null}]"]);
    case("stream S = A -> B as b .emit()", "A@1 x:1 | B@2 y:2", &["2 A_x:1,b_y:2"]);
}

#[test]
fn a_match_offers_its_duration_and_its_count() {
    let program = "stream S = A as a -> all B as b -> C as c .longest().emit(d: match_duration_ms, n: match_count)";
    case(program, "A@1 | B@2 | B@3 | C@4.5", &["4.5 d:3500,n:4"]);
}

#[test]
fn bare_names_behind_a_sequence_are_fields_of_the_first_event_that_has_them() {
    let program = "stream S = A as a -> B as b .emit(x: x, y: y, n: n, by: b_n)";
    case(program, "A@1 x:1 n:3 | B@2 y:2 n:4", &["2 x:1,y:2,n:3,by:4"]);
}

#[test]
fn an_absence_is_known_when_the_watermark_has_passed() {
    let program = "stream S = A as a -> NOT B where id == a.id .within(5s).emit(id: a.id)";
    case(program, "A@0 id:1 | B@6 id:1", &["5 id:1"]);
    case(program, "A@0 id:1 | B@5 id:1 | B@9 id:1", &[]);
    case(program, "A@0 id:1 | B@4 id:2 | B@9 id:1", &["5 id:1"]);
    case(program, "A@0 id:1", &["5 id:1"]);
    case(program, "A@0 id:1 | A@2 id:2 | B@3 id:1", &["7 id:2"]);
    // Nothing is known as long as the watermark stands exactly there.
    case(program, "A@0 id:1 | A@5 id:2 | B@5 id:1", &["10 id:2"]);
    let pattern =
        "pattern P = A as a -> B as b -> NOT C within 5s partition by id\nstream S = P.emit(id: a.id, n: b.n)";
    case(pattern, "A@0 id:1 | C@1 id:1 | B@2 id:1 n:7 | C@3 id:2 | A@9 id:3", &["5 id:1,n:7"]);
    case(pattern, "A@0 id:1 | B@2 id:1 n:7 | C@3 id:1 | A@9 id:3", &[]);
}

#[test]
fn each_matches_at_every_event_of_a_closure() {
    let program = "stream S = A as a -> all B as b -> C as c .emit(a: a.n, b: b.n, c: c.n)";
    case(program, "A@1 n:1 | B@2 n:2 | B@3 n:3 | C@4 n:4", &["2 a:1,b:2", "3 a:1,b:3"]);
    let same = "stream S = F as a -> all F as b .emit(a: a.n, b: b.n, k: b.LEN)";
    case(same, "F@1 n:1 | F@2 n:2 | F@3 n:3", &["2 a:1,b:2,k:1", "3 a:1,b:3,k:2", "3 a:2,b:3,k:1"]);
    case("stream S = all A as a .emit(n: collect(a.n))", "A@1 n:1 | A@2 n:2", &["1 n:[1]", "2 n:[1,2]", "2 n:[2]"]);
}

#[test]
fn longest_matches_once_at_the_terminator_or_at_the_break() {
    let middle = "stream S = A as a -> all B as b -> C as c .longest().emit(b: collect(b.n), c: c.n)";
    case(middle, "A@1 | B@2 n:2 | B@3 n:3 | C@4 n:4", &["4 b:[2,3],c:4"]);
    case(middle, "A@1 | C@2 n:1 | B@3 n:3 | A@4 | C@5 n:4", &["5 b:[3],c:4"]);
    case(middle, "A@1 | B@2 n:2", &[]);
    let last = "stream S = A as a -> all B where n > 1 as b .longest().emit(b: collect(b.n))";
    case(last, "A@1 | B@2 n:1 | B@3 n:3 | B@4 n:4 | X@5 | B@6 n:1 | B@7 n:9", &["4 b:[3,4]"]);
    case(last, "A@1 | B@2 n:2", &["2 b:[2]"]);
    let within = "stream S = A as a -> all B as b .longest().within(5s).emit(b: collect(b.n))";
    case(within, "A@0 | B@2 n:1 | B@5 n:2 | B@6 n:3", &["5 b:[1,2]"]);
    case(within, "A@0 | A@10", &[]);
    // The next step is tried before the closure takes another event.
    let same = "stream S = A as a -> all B as b -> B where n == 9 as c .longest().emit(b: collect(b.n), c: c.n)";
    case(same, "A@1 | B@2 n:9 | B@3 n:2 | B@4 n:9 | B@5 n:9", &["4 b:[9,2],c:9"]);
}

#[test]
fn subsets_come_with_an_event_before_they_come_without_it() {
    let program = "stream S = A as a -> all B as b -> C as c .subsets().emit(b: collect(b.n), k: match_count)";
    case(
        program,
        "A@0 | B@1 n:1 | B@2 n:2 | B@3 n:3 | C@4",
        &[
            "4 b:[1,2,3],k:5",
            "4 b:[1,2],k:4",
            "4 b:[1,3],k:4",
            "4 b:[1],k:3",
            "4 b:[2,3],k:4",
            "4 b:[2],k:3",
            "4 b:[3],k:3",
        ],
    );
    let last = "stream S = A as a -> all B as b .subsets().emit(b: collect(b.n))";
    case(last, "A@0 | B@1 n:1 | B@2 n:2", &["2 b:[1,2]", "1 b:[1]", "2 b:[2]"]);
}

#[test]
fn a_trend_breaks_where_it_ends_and_the_next_begins_there() {
    let program = "stream S = T as a -> all T.increasing(p) as b .emit(a: a.p, b: collect(b.p))";
    let events = "T@1 p:50 | T@2 p:45 | T@3 p:47 | T@4 p:48 | T@5 p:40 | T@6 p:41";
    case(program, events, &["4 a:45,b:[47,48]", "6 a:40,b:[41]"]);
    case(program, "T@1 p:1 | T@2 p:1 | T@3 p:2", &["3 a:1,b:[2]"]);
    case(program, "T@1 p:1 | T@2 p:\"x\" | T@3 p:2 | T@4 p:3", &["4 a:2,b:[3]"]);
    let falling = "stream S = T as a -> T.decreasing(p) as b .partition_by(s).emit(s: s, b: collect(b.p))";
    case(
        falling,
        "T@1 s:1 p:9 | T@2 s:2 p:1 | T@3 s:1 p:8.5 | T@4 s:1 p:8 | T@5 s:2 p:2 | T@6 s:1 p:10",
        &["4 s:1,b:[8.5,8]"],
    );
    let each = "stream S = T as a -> all T.increasing(p) as b .each().emit(a: a.p, b: b.p)";
    case(each, "T@1 p:1 | T@2 p:2 | T@3 p:3 | T@4 p:0", &["2 a:1,b:2", "3 a:1,b:3"]);
    let terminated = "stream S = T as a -> all T.increasing(p) as b -> U as u .emit(b: collect(b.p))";
    case(terminated, "T@1 p:1 | T@2 p:2 | T@3 p:3 | U@4 | T@5 p:4 | U@6", &["4 b:[2,3]"]);
}

#[test]
fn a_closure_keeps_twenty_events() {
    let bs: String = (1..=25).map(|n| format!("| B@{n} n:{n} ")).collect();
    let longest = "stream S = A as a -> all B as b -> C as c .longest()\
                   .emit(k: b.LEN, last: b.n, sum: sum(b.n), t: _kleene_truncated)";
    case(longest, &format!("A@0 {bs} | C@30"), &["30 k:20,last:20,sum:210.0,t:true"]);
    let each = "stream S = A as a -> all B as b .emit(n: b.n, k: count(b), t: _kleene_truncated)";
    let found = matches(each, &format!("A@0 {bs}"));
    assert_eq!((found.len(), found[19].as_str(), found[24].as_str()), (25, "20 n:20,k:20", "25 n:25,k:20,t:true"));
    let mut slots = slots(&format!("A@0 {bs} | C@30"));
    let subsets = "stream S = A as a -> all B as b -> C as c .subsets().emit(n: b.n)";
    let mut engine = engine(subsets);
    engine.process(&mut slots);
    assert_eq!(lines(&slots).len(), 10_000);
    assert_eq!(counter(&engine, "closure_truncated"), 5);
    assert_eq!(counter(&engine, "subsets_withheld"), (1 << 20) - 1 - 10_000);
}

#[test]
fn aliases_give_events_counts_and_aggregates() {
    let program = "stream S = A as a -> all B as b -> C as c .longest().emit(l: b.n, f: first(b).n, i: b[1].n, e: b[-1].n, \
                   o: b[9].n, k: b.LEN, k2: count(b), s: sum(b.n), v: avg(b.n), mi: min(b.n), ma: max(b.n), \
                   d: distinct_count(b.n), c: collect(b.n), w: b[0], m: last(b).n, a: sum(a.n))";
    case(
        program,
        "A@1 n:4 | B@2 n:2 | B@3 n:5 | B@4 | B@5 n:null | B@6 n:2.0 | C@7",
        &["7 l:2.0,f:2,i:5,e:2.0,k:5,k2:5,s:9.0,v:3.0,mi:2,ma:5,d:2,c:[2,5,2.0],w:{n:2},m:2.0,a:4.0"],
    );
    let empty =
        "stream S = A as a -> all B as b -> C as c -> all D as d .emit(b: b.n, s: sum(d.n), v: avg(d.n), k: d.LEN)";
    case(empty, "A@1 | B@2 n:1", &["2 b:1,s:0.0,v:null,k:0"]);
    let own = "stream S = A as a -> all B where n > a.n + count(b) as b -> C as c .longest().emit(b: collect(b.n))";
    case(own, "A@1 n:0 | B@2 n:1 | B@3 n:1 | B@4 n:2 | C@5", &["5 b:[1,2]"]);
}

#[test]
fn trend_aggregates_count_the_trends_of_a_closure() {
    let program = "stream S = A as a -> all B as b -> C as c .partition_by(id)\
                   .trend_aggregate(t: count_trends(), n: count_events(), s: sum_trends(b.x), v: avg_trends(b.x), lo: min_trends(b.x), hi: max_trends(b.x))";
    let events = "A@0 id:1 | B@1 id:1 x:1 | B@2 id:1 x:2 | B@3 id:1 x:6 | C@4 id:1";
    case(&format!("{program}.emit()"), events, &["4 id:1,t:7,n:3,s:9.0,v:3.0,lo:1,hi:6"]);
    case(&format!("{program}.emit(a: a.id, t: t)"), events, &["4 a:1,t:7"]);
    let last = "stream S = A as a -> all B as b .partition_by(id).trend_aggregate(t: count_trends()).emit(t: t)";
    case(last, "A@0 id:1 | B@1 id:1 | B@2 id:1", &["1 t:1", "2 t:3"]);
    // Only here, an event without the partition field joins every open run.
    case(last, "A@0 id:1 | A@1 id:2 | B@2 | B@3 id:2", &["2 t:1", "2 t:1", "3 t:3"]);
}

#[test]
fn sequences_can_be_written_in_three_ways() {
    let events = "A@0 id:1 n:1 | B@1 id:1 n:2 | A@2 id:2 n:3 | B@9 id:2 n:4";
    for source in [
        "stream S = A as a -> B where b.id == a.id as b .within(5s)",
        "stream S = sequence(a: A, b: B where b.id == a.id .within(5s))",
        "pattern P = A as a -> B where b.id == a.id as b within 5s\nstream S = P",
        "pattern P = A as a within 5s\nstream S = P -> B where b.id == a.id as b",
    ] {
        case(&format!("{source}.emit(a: a.n, b: b.n)"), events, &["1 a:1,b:2"]);
    }
}

#[test]
fn a_run_too_many_takes_the_place_of_the_oldest() {
    let mut events: String = (0..10_001).map(|n| format!("A@0 n:{n} |")).collect();
    events.push_str("B@1");
    let mut slots = slots(&events);
    let mut engine = engine("stream S = A as a -> B as b .emit(n: a.n)");
    engine.process(&mut slots);
    let found = lines(&slots);
    assert_eq!((found.len(), shown(&found[0]).as_str()), (10_000, "1 n:1"));
    assert_eq!(counter(&engine, "runs_dropped"), 1);
}

#[test]
fn batches_are_without_meaning() {
    let program = "stream S = A as a -> all B where x > a.x as b -> NOT C where x == a.x .within(5s).longest().partition_by(id).emit(b: collect(b.x))";
    let events: String = (0..200)
        .map(|i| {
            format!(
                "{}@{} id:{} x:{} |",
                ["A", "B", "B", "A", "B", "C", "B"][i % 7],
                i as f64 / 4.0,
                i * 5 % 3,
                i * 11 % 13
            )
        })
        .collect();
    let expected = matches(program, &events);
    assert!(expected.len() > 10, "{expected:?}");
    for size in [1, 3, 64] {
        let mut slots = slots(&events);
        let mut engine = engine(program);
        slots.chunks_mut(size).for_each(|batch| engine.process(batch));
        let found: Vec<String> = lines(&slots).iter().map(|line| shown(line)).collect();
        assert_eq!(found, expected, "batches of {size}");
    }
}

#[test]
fn an_algebra_spells_a_sequence() {
    let any_order =
        "stream S = merge(A, B, C).pattern(p: A and B -> C).emit(a: A.n, b: B.n, c: C.n, d: match_duration_ms)";
    case(any_order, "B@1 n:1 | A@2 n:2 | C@3 n:3", &["3 a:2,b:1,c:3,d:2000"]);
    case(any_order, "A@1 n:1 | C@2 n:9 | B@3 n:2 | C@4 n:3", &["4 a:1,b:2,c:3,d:3000"]);
    // A run takes an event of each once, and every event that it does not need opens nothing but its own.
    case(any_order, "A@1 n:1 | A@2 n:2 | B@3 n:3 | C@4 n:4", &["4 a:1,b:3,c:4,d:3000", "4 a:2,b:3,c:4,d:2000"]);
    let either = "stream S = A.pattern(p: A -> B or C).emit(a: A.n, x: n)";
    case(either, "A@1 n:1 | C@2 n:2 | B@3 n:3", &["2 a:1,x:1"]);
    let unless = "stream S = sequence(a: A, b: B where n > a.n).pattern(p: a -> b and not C).emit(a: a.n, b: b.n)";
    case(unless, "A@1 n:1 | B@2 n:1 | B@3 n:2", &["3 a:1,b:2"]);
    case(unless, "A@1 n:1 | C@2 | B@3 n:2 | A@4 n:3 | B@5 n:4", &["5 a:3,b:4"]);
    let absent = "stream S = A as a .pattern(p: a -> not B).within(5s).emit(a: a.n)";
    case(absent, "A@0 n:1 | A@3 n:2 | B@4", &[]);
    case(absent, "A@0 n:1 | A@6 n:2 | B@7", &["5 a:1"]);
}

#[test]
fn a_merge_is_a_first_step_of_several_types() {
    let program = "stream S = merge(A, stream Big = B.where(n > 5)) -> C as c .emit(n: n, c: c.n, first: match_count)";
    case(program, "A@1 n:1 | B@2 n:2 | B@3 n:6 | C@4", &["4 n:1,first:2", "4 n:6,first:2"]);
}

#[test]
fn an_event_of_its_own_topic_reaches_a_sequence_once() {
    let program = "connector k = kafka(brokers: \"b:9092\")\n\
                   stream S = A.from(k, topic: \"t\") -> A as b .emit(a: match_count, b: b.n)";
    case(program, "A@1 n:1 | A@2 n:2 | A@3 n:3", &["2 a:2,b:2", "3 a:2,b:3"]);
    // From another topic it fits the second step alone.
    let mut engine =
        engine(&format!("{program}\nstream Other = X.from(k, topic: \"u\").where(n > 0)\nstream Y = Other.emit()"));
    let mut both = vec![common::assigned(Some(0)), common::assigned(Some(1))];
    both[1].partition = 1;
    for (n, partition) in [(1, 1), (2, 0), (3, 1), (4, 0)] {
        let mut slot = slot(&format!("{{\"event_type\":\"A\",\"n\":{n}}}"));
        (slot.partition, slot.timestamp_ms) = (partition, n * 1000);
        both.push(slot);
    }
    engine.process(&mut both);
    let found: Vec<String> = lines(&both).iter().map(|line| shown(line)).collect();
    assert_eq!(found, ["3 a:2,b:3"]);
}

#[test]
fn windows_aggregate_matches() {
    let program = "stream M = A as a -> B as b .emit(id: a.id, wait: match_duration_ms)\n\
                   stream S = M.window(10s).aggregate(n: count(), slowest: max(wait)).emit(n: n, slowest: slowest)";
    let mut slots = slots("A@1 id:1 | B@3 id:1 | A@4 id:2 | B@5 id:2 | A@12 id:3 | B@13");
    engine(program).process(&mut slots);
    let found: Vec<String> =
        lines(&slots).iter().filter(|line| line.contains("\"S\"")).map(|line| shown(line)).collect();
    assert_eq!(found, ["10 n:2,slowest:2000", "20 n:1,slowest:1000"]);
    let inline = "stream S = A as a -> B as b .window(10s).aggregate(n: count(), x: sum(a.x)).emit(n: n, x: x)";
    case(inline, "A@1 x:1 | B@3 | A@4 x:2 | B@5 | A@12 x:5 | B@13", &["10 n:2,x:3.0", "20 n:1,x:5.0"]);
    let kept = "stream S = A as a -> B as b .window(10s).emit(x: a.x, y: b.y)";
    case(kept, "A@1 x:1 | B@3 y:2 | A@12 x:5 | B@13 y:6", &["3 x:1,y:2", "13 x:5,y:6"]);
}

#[test]
fn lateness_is_allowed_for_by_the_watermark() {
    let program = "stream S = A as a -> NOT B where id == a.id .within(5s).watermark(out_of_order: 3s).emit(id: a.id)";
    case(program, "A@0 id:1 | A@7 id:2 | B@4 id:1 | A@20 id:3 | B@21 id:3", &["12 id:2"]);
    case(program, "A@0 id:1 | A@9 id:2 | B@4 id:1", &["5 id:1", "14 id:2"]);
}
