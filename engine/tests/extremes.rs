//! Texts of a hundred thousand characters and records of a thousand fields, through everything that keeps or compares them.

mod common;

use common::{addresses, engine, lines, slot};
use kolo_engine::slot::{Cause, Slot};
use serde_json::{Map, Value, json};

const CHARACTERS: usize = 100_000;

/// A text of so many characters: of one to four bytes, and some that JSON escapes. `last` is the last one.
fn long(last: char) -> String {
    let mut text: String = "aé\"\n€😀\\\u{1}".chars().cycle().take(CHARACTERS - 1).collect();
    text.push(last);
    text
}

fn record(event_type: &str, seconds: i64, fields: Value) -> String {
    let mut all = Map::new();
    all.insert("event_type".into(), event_type.into());
    all.insert("ts".into(), (seconds * 1000).into());
    all.extend(fields.as_object().expect("an object").clone());
    Value::Object(all).to_string()
}

/// What comes out to the end of the input, each output without its time.
fn outputs(program: &str, records: &[String]) -> Vec<Value> {
    let mut slots: Vec<Slot> = records.iter().map(|record| slot(record)).collect();
    slots.push(Slot { cause: Cause::EndOfInput, ..Slot::default() });
    engine(program).process(&mut slots);
    let parse = |line: &String| {
        let mut value: Value = serde_json::from_str(line).expect("JSON");
        value.as_object_mut().expect("an object").remove("timestamp");
        value
    };
    lines(&slots).iter().map(parse).collect()
}

/// Not `assert_eq`, which would print megabytes.
fn same(program: &str, records: &[String], expected: &[Value]) {
    let came = outputs(program, records);
    assert_eq!(came.len(), expected.len(), "{program}");
    for (came, expected) in came.iter().zip(expected) {
        let short = came.to_string().chars().take(200).collect::<String>();
        assert!(came == expected, "{program}: {short} …");
    }
}

/// Two texts that differ in their last character only are two texts for everything.
#[test]
fn long_texts_pass_compare_and_are_keys() {
    let (x, y) = (long('x'), long('y'));
    let t = |seconds, s: &str, n: i64| record("T", seconds, json!({ "s": s, "n": n }));
    let u = |seconds, s: &str, n: i64| record("U", seconds, json!({ "s": s, "n": n }));
    let records = [t(0, &x, 1), t(1, &y, 2), u(2, &y, 3), t(3, &x, 4), u(4, &x, 5)];

    let program =
        format!("stream S = T.where(s > \"{}\" and ends_with(s, \"y\")).emit(s: s, n: len(s))", "a".repeat(1000));
    same(&program, &records, &[json!({ "event_type": "S", "s": y, "n": CHARACTERS })]);

    let program = "stream S = T.partition_by(s).window(10s).aggregate(n: count(), first: first(s), top: max(s)).emit()";
    let results = [(&x, 2), (&y, 1)].map(|(s, n)| json!({ "event_type": "S", "s": s, "n": n, "first": s, "top": s }));
    same(program, &records, &results);

    let program = "stream S = T.window(10s).order_by(s desc, n).emit(s: s, n: n)";
    let results = [(&y, 2), (&x, 1), (&x, 4)].map(|(s, n)| json!({ "event_type": "S", "s": s, "n": n }));
    same(program, &records, &results);

    let program = "stream S = T as a -> U where s == a.s as b .emit(s: a.s, a: a.n, b: b.n)";
    let results =
        [(&y, 2, 3), (&x, 1, 5), (&x, 4, 5)].map(|(s, a, b)| json!({ "event_type": "S", "s": s, "a": a, "b": b }));
    same(program, &records, &results);

    let program =
        "stream S = T as a -> all T as b -> U as c .partition_by(s).longest().emit(n: count(b), last: b.s, c: c.n)";
    same(program, &records, &[json!({ "event_type": "S", "n": 1, "last": x, "c": 5 })]);

    let program = "stream S = join(T, U).on(T.s == U.s).emit(s: U.s, t: T.n, u: U.n)";
    let results = [(&y, 2, 3), (&x, 4, 5)].map(|(s, t, u)| json!({ "event_type": "S", "s": s, "t": t, "u": u }));
    same(program, &records, &results);

    let program = "stream S = T.distinct(s).emit(n: n)";
    same(program, &records, &[json!({ "event_type": "S", "n": 1 }), json!({ "event_type": "S", "n": 2 })]);

    let program = "stream S = T.window(session: 1s).partition_by(s).aggregate(all: collect(s)).emit()";
    let results = [(&x, 1), (&y, 1), (&x, 1)].map(|(s, n)| json!({ "event_type": "S", "s": s, "all": vec![s; n] }));
    same(program, &records, &results);

    let program = "fn f(s: str):\n    emit P(s: s + s)\nstream S = T.where(n == 1).process(f(s))";
    same(program, &records, &[json!({ "event_type": "P", "s": x.repeat(2) })]);
}

#[test]
fn a_long_text_is_a_key_of_kafkas() {
    let text = long('z');
    let mut slots = [slot(&record("T", 0, json!({ "s": text })))];
    engine(&format!("{}stream S = T.emit(s: s).to(k, topic: \"t\", key: s)", common::KAFKA)).process(&mut slots);
    assert!(addresses(&slots[0]) == [(Some(0), None, format!("own {text}"))]);
}

/// All fields of a record, some of them and one of them, kept and passed on.
#[test]
fn a_thousand_fields_pass_and_are_kept() {
    let fields = |from: i64| (0..1000).map(|i| (format!("f{i}"), json!(from + i))).collect::<Map<_, _>>();
    let records = [("A", 0), ("B", 1000)].map(|(event_type, from)| record(event_type, 0, Value::Object(fields(from))));
    let output = |event_type: &str, parts: &[(&str, i64)]| {
        let mut all = Map::from_iter([("event_type".to_owned(), json!(event_type))]);
        for (prefix, from) in parts {
            all.insert(format!("{prefix}ts"), json!(0));
            all.extend(fields(*from).into_iter().map(|(name, value)| (format!("{prefix}{name}"), value)));
        }
        Value::Object(all)
    };
    same("stream S = A.emit()", &records, &[output("S", &[("", 0)])]);
    same("stream S = A as a -> B as b .emit()", &records, &[output("S", &[("a_", 0), ("b_", 1000)])]);
    // Of equal names the first side's.
    same("stream S = join(A, B).on(A.ts == B.ts).emit()", &records, &[output("S", &[("", 0)])]);
    same("stream S = B.window(1s).order_by(f999).emit()", &records, &[output("S", &[("", 1000)])]);

    let named: Vec<String> = (0..1000).rev().map(|i| format!("g{i}: f{i} + 1")).collect();
    let mut all = Map::from_iter([("event_type".to_owned(), json!("S"))]);
    all.extend((0..1000).rev().map(|i| (format!("g{i}"), json!(1001 + i))));
    let program = format!("stream S = B.emit({})", named.join(", "));
    same(&program, &records, &[Value::Object(all)]);

    let sums: Vec<String> = (0..1000).map(|i| format!("g{i}: sum(f{i})")).collect();
    let mut all = Map::from_iter([("event_type".to_owned(), json!("S"))]);
    all.extend((0..1000).map(|i| (format!("g{i}"), json!((1000 + i) as f64))));
    let program = format!("stream S = B.window(1s).aggregate({}).emit()", sums.join(", "));
    same(&program, &records, &[Value::Object(all)]);
}
