//! Types behind and inside what keeps state: what is warned of, and what is not.

use crate::check::check;
use crate::diagnostic::{Diagnostic, SourceFile, render};

const EVENTS: &str = "event A:\n    id: str\n    x: float\n    tags: [str]\n    ok: bool\n\
                      event B:\n    id: str\n    y: int\n    note: str\n";

/// The warnings of a program with the events A and B: each as its code, the text that is underlined, and its message.
fn warnings(text: &str) -> Vec<String> {
    let text = format!("{EVENTS}{text}\n");
    let source = SourceFile::new("test.vpl", text.as_str());
    let (program, diagnostics) = check(&source, &|_| None);
    assert!(program.is_some(), "{}", render(&source, &diagnostics, false));
    let shown = |diagnostic: &Diagnostic| {
        format!("{} {}: {}", diagnostic.code.id(), &text[diagnostic.span.range()], diagnostic.message)
    };
    diagnostics.iter().map(shown).collect()
}

fn assert_silent(text: &str) {
    assert_eq!(warnings(text), Vec::<String>::new(), "{text}");
}

/// What is warned of in a stream's `.where` behind `stream S = …`.
fn of_condition(stream: &str, condition: &str) -> Vec<String> {
    warnings(&format!("stream S = {stream}\nstream T = S.where({condition}).emit()"))
}

#[test]
fn aggregates_have_the_types_of_their_results() {
    let aggregated = "A.partition_by(id).window(1m).aggregate(n: count(), d: count_distinct(x), s: sum(x), m: avg(x), \
                      v: stddev(x), e: ema(x, 3), p: p99(x), lo: min(x), f: first(ok), l: last(id), all: collect(x), \
                      r: sum(x) / count(), t: to_string(count()))";
    for (condition, warning) in [
        ("n == \"5\"", "W007 n == \"5\": this is always false: int is never equal to str"),
        ("d == \"5\"", "W007 d == \"5\": this is always false: int is never equal to str"),
        ("s == \"5\"", "W007 s == \"5\": this is always false: float is never equal to str"),
        ("m > \"5\"", "W007 m > \"5\": this is never true: float and str have no order"),
        ("v > \"5\"", "W007 v > \"5\": this is never true: float and str have no order"),
        ("e > \"5\"", "W007 e > \"5\": this is never true: float and str have no order"),
        ("p > \"5\"", "W007 p > \"5\": this is never true: float and str have no order"),
        ("lo == \"5\"", "W007 lo == \"5\": this is always false: a number is never equal to str"),
        ("f == 1", "W007 f == 1: this is always false: bool is never equal to int"),
        ("l > 1", "W007 l > 1: this is never true: str and int have no order"),
        ("all > 1", "W007 all > 1: this is never true: array and int have no order"),
        ("r > \"5\"", "W007 r > \"5\": this is never true: float and str have no order"),
        ("t > 5", "W007 t > 5: this is never true: str and int have no order"),
        ("id > 5", "W007 id > 5: this is never true: str and int have no order"),
        ("n", "W008 n: a condition that is int is never true"),
        ("upper(s) == l", "W006 s: argument 1 of `upper` is str, and this is float"),
        ("s | 1 > 0", "W006 s | 1: this never has a value: float | int is nothing"),
        ("timestamp > 5", "W007 timestamp > 5: this is never true: timestamp and int have no order"),
        ("event_type == 5", "W007 event_type == 5: this is always false: str is never equal to int"),
        ("cnt > 5", "W001 cnt: an event of `S` has no field `cnt`"),
    ] {
        assert_eq!(of_condition(aggregated, condition), [warning]);
    }
    assert_silent(&format!(
        "stream S = {aggregated}\nstream T = S.where(n > 5 and s > 1 and f and l == \"x\" and len(all) > 2 and id != l \
         and timestamp > @2026-01-01 and m is not null and event_type == \"S\").emit()"
    ));
}

#[test]
fn what_an_aggregate_is_given_is_looked_at() {
    let result = |result: &str| warnings(&format!("stream S = A.window(1m).aggregate(r: {result}).emit()"));
    assert_eq!(result("sum(id)"), ["W006 id: `sum` takes a number, and this is str"]);
    assert_eq!(result("median(tags)"), ["W006 tags: a percentile takes a number, and this is array"]);
    assert_eq!(result("ema(ok, 3)"), ["W006 ok: `ema` takes a number, and this is bool"]);
    assert_eq!(
        result("max(tags)"),
        ["W006 tags: `max` takes int or float or str or timestamp or duration, and this is array"]
    );
    assert_eq!(result("avg(id * 2)"), ["W006 id * 2: this never has a value: str * int is nothing"]);
    assert_eq!(result("last(id) - 1"), ["W006 last(id) - 1: this never has a value: str - int is nothing"]);
    assert_eq!(result("count() == \"5\""), ["W007 count() == \"5\": this is always false: int is never equal to str"]);
    assert_eq!(
        result("if count() then 1 else 2"),
        ["W008 count(): the condition of an `if` that is int is never true"]
    );
    for silent in ["sum(x)", "count(id)", "max(id)", "count_distinct(tags)", "collect(ok)", "sum(z)", "last(z) + 1"] {
        let warnings: Vec<String> = result(silent).into_iter().filter(|warning| !warning.starts_with("W001")).collect();
        assert_eq!(warnings, Vec::<String>::new(), "{silent}");
    }
}

#[test]
fn captured_events_have_the_types_of_their_fields() {
    let sequence = "A as a -> all B where id == a.id as b";
    let of = |value: &str| warnings(&format!("stream S = {sequence} .emit(v: {value})"));
    for (value, warning) in [
        ("a.x == \"5\"", "W007 a.x == \"5\": this is always false: a number is never equal to str"),
        ("first(b).note * 2", "W006 first(b).note * 2: this never has a value: str * int is nothing"),
        ("b[0].note > 2", "W007 b[0].note > 2: this is never true: str and int have no order"),
        ("b[-1].y > \"2\"", "W007 b[-1].y > \"2\": this is never true: a number and str have no order"),
        ("count(b) == \"2\"", "W007 count(b) == \"2\": this is always false: int is never equal to str"),
        ("b.LEN == \"2\"", "W007 b.LEN == \"2\": this is always false: int is never equal to str"),
        ("sum(b.y) == \"2\"", "W007 sum(b.y) == \"2\": this is always false: float is never equal to str"),
        ("max(b.note) > 2", "W007 max(b.note) > 2: this is never true: str and int have no order"),
        (
            "distinct_count(b.note) > \"2\"",
            "W007 distinct_count(b.note) > \"2\": this is never true: int and str have no order",
        ),
        ("sum(b.note)", "W006 sum(b.note): `sum` takes a number, and this is str"),
        ("upper(match_duration_ms)", "W006 match_duration_ms: argument 1 of `upper` is str, and this is int"),
        ("match_count == \"2\"", "W007 match_count == \"2\": this is always false: int is never equal to str"),
        ("note > 5", "W007 note > 5: this is never true: str and int have no order"),
        ("b_note > 5", "W007 b_note > 5: this is never true: str and int have no order"),
        ("a.z", "W001 z: the event `A` declares no field `z`"),
        ("z", "W001 z: no event of this sequence has a field `z`"),
    ] {
        assert_eq!(of(value), [warning]);
    }
    assert_silent(&format!(
        "stream S = {sequence} .where(a.x > 2 and b.y < 5 and match_duration_ms > 5).emit(x: a.x * b[0].y, n: count(b) + \
         b.LEN, c: len(collect(b.note)), t: a.timestamp, m: max(a.tags) == 5, i: a.id == id, s: sum(a.tags))"
    ));
}

#[test]
fn conditions_of_steps_know_the_event_under_test_and_those_before_it() {
    let steps = |steps: &str| warnings(&format!("stream S = {steps} .emit(i: a.id)"));
    let always = |text: &str| vec![format!("W007 {text}: this is always false: str is never equal to a number")];
    assert_eq!(steps("A as a -> B where note == a.x as b"), always("note == a.x"));
    assert_eq!(steps("A as a -> B where b.note == y as b"), always("b.note == y"));
    assert_eq!(steps("A as a -> B as b .not(B where note == y) .within(1m)"), always("note == y"));
    assert_eq!(steps("A as a -> NOT B where note == a.x .within(1m)"), always("note == a.x"));
    assert_eq!(steps("A where x as a -> B"), ["W008 x: a condition that is a number is never true"]);
    assert_eq!(
        steps("A as a -> all B where count(b) < \"3\" as b"),
        ["W007 count(b) < \"3\": this is never true: int and str have no order"]
    );
    assert_silent(
        "stream S = A as a -> all B where y > a.x and b.note != a.id as b -> U where z == a.x .emit(i: a.id)",
    );
}

#[test]
fn matches_that_are_passed_on_have_the_fields_of_all_aliases() {
    let sequence = "A as a -> all B as b .emit()";
    assert_eq!(
        of_condition(sequence, "b_note > 5"),
        ["W007 b_note > 5: this is never true: str and int have no order"]
    );
    assert_eq!(of_condition(sequence, "b_nota == a_id"), ["W001 b_nota: an event of `S` has no field `b_nota`"]);
    assert_eq!(of_condition(sequence, "x > 5"), ["W001 x: an event of `S` has no field `x`"]);
    assert_silent(&format!(
        "stream S = {sequence}\nstream T = S.where(a_x > b_y and a_timestamp != b_event_type and timestamp > @2026-01-01 \
         and _kleene_truncated is null).emit()"
    ));
    // Of an event that is not declared nothing is known.
    assert_silent("stream S = A as a -> U as u .emit()\nstream T = S.where(u_x > u_y and a_x > 5 and b_x).emit()");
    assert_eq!(
        of_condition("A as a -> U as u .emit()", "a_id > 5"),
        ["W007 a_id > 5: this is never true: str and int have no order"]
    );
}

#[test]
fn every_event_of_a_sequence_has_the_field_that_partitions_it() {
    let sequence = |rest: &str| warnings(&format!("stream S = A as a -> all B as b {rest}.emit()"));
    assert_eq!(sequence(".partition_by(note)"), ["W001 note: the event `A` declares no field `note`"]);
    assert_eq!(sequence(".not(U).partition_by(id)"), Vec::<String>::new());
    assert_eq!(sequence(".not(C).partition_by(id)"), Vec::<String>::new());
    assert_eq!(
        warnings("event C:\n    z: int\nstream S = A as a -> B as b .not(C).partition_by(id).emit()"),
        ["W001 id: the event `C` declares no field `id`"]
    );
    // Here events without it belong to all partitions.
    let trends = |field: &str| sequence(&format!(".partition_by({field}).trend_aggregate(n: count_trends())"));
    assert_eq!(trends("note"), Vec::<String>::new());
    assert_eq!(trends("z").len(), 2);
}

#[test]
fn trend_aggregates_are_numbers() {
    let trends = "A as a -> all B as b .partition_by(id).trend_aggregate(n: count_trends(), s: sum_trends(b.y), m: max_trends(b.y))";
    assert_eq!(
        of_condition(trends, "n == \"1\""),
        ["W007 n == \"1\": this is always false: a number is never equal to str"]
    );
    assert_eq!(of_condition(trends, "s > \"1\""), ["W007 s > \"1\": this is never true: float and str have no order"]);
    assert_eq!(of_condition(trends, "id > 1"), ["W007 id > 1: this is never true: str and int have no order"]);
    assert_silent(&format!("stream S = {trends}\nstream T = S.where(n > 5 and s > m and id == \"x\").emit()"));
    assert_eq!(
        warnings("stream S = A -> all B as b .trend_aggregate(s: avg_trends(b.note)).emit()"),
        ["W006 note: `avg` takes a number, and this is str"]
    );
}

#[test]
fn sides_of_joins_have_their_types() {
    let join = "join(A, stream r = B).on(A.id == r.id)";
    let of = |value: &str| warnings(&format!("stream S = {join}.emit(v: {value})"));
    for (value, warning) in [
        ("A.x == \"5\"", "W007 A.x == \"5\": this is always false: a number is never equal to str"),
        ("r.note > 5", "W007 r.note > 5: this is never true: str and int have no order"),
        ("B.note > 5", "W007 B.note > 5: this is never true: str and int have no order"),
        ("note > 5", "W007 note > 5: this is never true: str and int have no order"),
        ("r.z", "W001 z: the event `B` declares no field `z`"),
        ("z", "W001 z: no side of this join has a field `z`"),
    ] {
        assert_eq!(of(value), [warning]);
    }
    let passed = format!("{join}.emit()");
    assert_eq!(of_condition(&passed, "note > 5"), ["W007 note > 5: this is never true: str and int have no order"]);
    assert_eq!(of_condition(&passed, "nota == id"), ["W001 nota: an event of `S` has no field `nota`"]);
    assert_silent(&format!(
        "stream S = {passed}\nstream T = S.where(x > y and note != id and timestamp != null).emit()"
    ));
    // An undeclared side may have a field of that name.
    assert_silent("stream S = join(U, A).on(U.id == A.id).emit()\nstream T = S.where(x == \"5\" and q).emit()");
    assert_eq!(
        warnings("stream S = join(A, U).on(A.id == U.id).emit(v: x == \"5\")"),
        ["W007 x == \"5\": this is always false: a number is never equal to str"]
    );
}

#[test]
fn keys_of_different_types_join_nothing() {
    assert_eq!(
        warnings("stream S = left_join(A, B).on(A.id == B.y).emit(v: A.x)"),
        ["W007 B.y: this join never matches: str is never equal to a number"]
    );
    assert_silent("stream S = join(A, B, U).on(A.x == B.y and B.y == U.z).emit(v: A.x)");
    assert_silent("stream S = join(A, B).on(to_string(A.x) == B.note).emit(v: A.x)");
}

#[test]
fn timers_have_nothing_but_their_time() {
    let timer = |value: &str| warnings(&format!("stream S = timer(5s).emit(v: {value})"));
    assert_eq!(timer("timestamp * 2"), ["W006 timestamp * 2: this never has a value: timestamp * int is nothing"]);
    assert_eq!(timer("x"), ["W001 x: an event of `S` has no field `x`"]);
    assert_eq!(timer("timestamp + 1m"), Vec::<String>::new());
}

#[test]
fn arguments_of_functions_and_what_people_are_told_are_looked_at() {
    let twice = "fn twice(v: float):\n    v * 2\n";
    assert_eq!(
        warnings(&format!("{twice}stream S = A.emit(v: twice(upper(x)))")),
        ["W006 x: argument 1 of `upper` is str, and this is a number"]
    );
    assert_eq!(
        warnings("stream S = A.print(upper(x)).emit()"),
        ["W006 x: argument 1 of `upper` is str, and this is a number"]
    );
    assert_silent(&format!("{twice}stream S = A.emit(v: twice(x) == \"5\")"));
}

#[test]
fn captured_events_are_out_of_reach_behind_an_aggregate() {
    let text = "stream S = A as a -> B as b .window(10).aggregate(n: count(), l: last(a.x)).where(l > 5)";
    assert_silent(&format!("{text}.emit(n: n)"));
    assert_eq!(warnings(&format!("{text}.emit(x: a.x)")), ["W001 a: an event of `S` has no field `a`"]);
}
