//! The program's own functions, and the operations that call them: `.map`, `.process`.

mod common;

use common::{counter, engine, lines, run, slot};

const T0: &str = "1970-01-01T00:00:00Z";

/// What `f(x)` gives, as JSON, for a record with these fields; the name of the field if it is missing.
fn value(functions: &str, call: &str, fields: &str) -> String {
    let program = format!("{functions}\nstream S = T.emit(v: {call})");
    let [line] = &run(&program, &[&format!(r#"{{"event_type":"T","x":{fields}}}"#)])[..] else {
        panic!("one output for one record")
    };
    let head = format!(r#"{{"event_type":"S","timestamp":"{T0}""#);
    let rest = line.strip_prefix(&head).unwrap_or_else(|| panic!("{line}"));
    rest.strip_prefix(",\"v\":").and_then(|rest| rest.strip_suffix('}')).unwrap_or("missing").to_owned()
}

#[test]
fn statements_do_what_they_say() {
    let cases = [
        // The value: the last expression, or what returns.
        ("    x + 1", "1", "2"),
        ("    x + 1\n    x + 2", "1", "3"),
        ("    return x\n    5", "1", "1"),
        ("    return", "1", "missing"),
        ("    let y = x", "1", "missing"),
        ("    x\n    let y = 5", "1", "1"),
        // if, elif, else; a missing condition takes the else.
        ("    if x > 2:\n        \"a\"\n    elif x > 1:\n        \"b\"\n    else:\n        \"c\"", "3", "\"a\""),
        ("    if x > 2:\n        \"a\"\n    elif x > 1:\n        \"b\"\n    else:\n        \"c\"", "2", "\"b\""),
        ("    if x > 2:\n        \"a\"\n    elif x > 1:\n        \"b\"\n    else:\n        \"c\"", "1", "\"c\""),
        ("    if x > 2:\n        \"a\"\n    elif x > 1:\n        \"b\"\n    else:\n        \"c\"", "null", "\"c\""),
        ("    if x > 2:\n        return 1\n    0", "3", "1"),
        ("    if x > 2:\n        return 1\n    0", "2", "0"),
        ("    if x > 2:\n        1", "2", "missing"),
        ("    if x > 0 then 1 else 2", "0", "2"),
        // Loops.
        ("    var s = 0\n    for i in 0..x:\n        s := s + i\n    s", "5", "10"),
        ("    var s = 0\n    for i in 1..=x:\n        s := s + i\n    s", "5", "15"),
        ("    var s = 0\n    for i in 0..x:\n        s := s + i\n    s", "0", "0"),
        ("    var s = 0\n    for i in x:\n        s := s + i\n    s", "[1,2.5,3]", "6.5"),
        ("    var s = 0\n    for i in x:\n        s := s + 1\n    s", "{\"a\":1}", "0"),
        ("    var n = 0\n    while x > n * n:\n        n := n + 1\n    n", "50", "8"),
        ("    for i in 0..10:\n        if i * i > x:\n            return i\n    -1", "50", "8"),
        ("    for i in 0..10:\n        if i * i > x:\n            return i\n    -1", "500", "-1"),
        ("    var n = 0\n    while true:\n        n := n + 1\n        if n >= x:\n            break\n    n", "7", "7"),
        (
            "    var s = []\n    for i in 0..x:\n        if i % 2 == 0:\n            continue\n        s := push(s, i)\n    s",
            "6",
            "[1,3,5]",
        ),
        (
            "    var n = 0\n    for i in 0..x:\n        for j in 0..x:\n            if j > i:\n                break\n            n := n + 1\n    n",
            "4",
            "10",
        ),
        // A loop's last expression is the last expression.
        ("    for i in 0..x:\n        i", "4", "3"),
        // Blocks hide and give back.
        ("    let y = 1\n    if x > 0:\n        let y = 2\n        y\n    y", "1", "1"),
        ("    var y = 1\n    if x > 0:\n        y := 2\n    y", "1", "2"),
        ("    x := x * 2\n    x + 1", "4", "9"),
        // Missing stays missing, in a local as well.
        ("    let y = x / 0\n    coalesce(y, 7)", "1", "7"),
        ("    let y = x\n    y is null", "null", "true"),
    ];
    for (body, x, expected) in cases {
        let function = format!("fn f(x: int) -> int:\n{body}\n");
        assert_eq!(value(&function, "f(x)", x), expected, "{function} of {x}");
    }
}

#[test]
fn calls_do_not_disturb_each_other() {
    let double = "fn double(x: int) -> int:\n    let y = x\n    y * 2\n";
    for (call, x, expected) in [
        ("double(double(x)) + double(x)", "3", "18"),
        ("map(x, e => double(e) + e)", "[1,2,3]", "[3,6,9]"),
        ("double(first(filter([1, 2, 3], e => e == double(1)))) + x", "1", "5"),
    ] {
        assert_eq!(value(double, call, x), expected, "{call}");
    }
    // A lambda in a function, called in a lambda: each has its own parameter.
    let scale = "fn scale(a: [int], by: int) -> [int]:\n    map(a, e => e * by)\n";
    assert_eq!(value(scale, "map(x, e => scale([e, e + 1], e))", "[1,2]"), "[[1,2],[4,6]]");
    // The arguments are computed before the first of them is passed.
    let minus = "fn minus(a: int, b: int) -> int:\n    a - b\n";
    assert_eq!(value(minus, "minus(minus(x, 1), minus(5, x))", "3"), "0");
    assert_eq!(value(minus, "minus(10, minus(x, minus(x, 1)))", "3"), "9");
}

#[test]
fn functions_are_called_in_values_of_variables_and_see_variables() {
    let program = "const RATE = 3\nfn cost(n: int):\n    n * RATE\nlet two = cost(2)\n\
                   stream S = T.where(cost(x) > two).emit(c: cost(x), two: two)";
    let records = [r#"{"event_type":"T","x":2}"#, r#"{"event_type":"T","x":3}"#];
    assert_eq!(
        run(program, &records),
        [format!(r#"{{"event_type":"S","timestamp":"{T0}","c":9,"two":6}}"#)],
        "6 is not greater than 6"
    );
}

#[test]
fn a_function_takes_a_whole_event() {
    let program = "event T:\n    x: int\n    y: int\nfn sum_of(t: T):\n    t.x + t.y\n\
                   stream S = T as t .where(sum_of(t) > 3).emit(s: sum_of(t), k: len(keys(t)))";
    assert_eq!(
        run(program, &[r#"{"event_type":"T","x":2,"y":2}"#]),
        [format!(r#"{{"event_type":"S","timestamp":"{T0}","s":4,"k":2}}"#)]
    );
}

#[test]
fn endless_loops_end_and_are_counted() {
    let program = "fn spin(n: int):\n    var i = 0\n    while i >= 0:\n        i := i + 1\n    i\n\
                   fn turns(n: int):\n    var i = 0\n    while i < n:\n        i := i + 1\n    i\n\
                   stream S = T.emit(spin: spin(x), turns: turns(x))";
    let mut engine = engine(program);
    let mut slots = [
        slot(r#"{"event_type":"T","x":10000}"#),
        slot(r#"{"event_type":"T","x":10001}"#),
        slot(r#"{"event_type":"T"}"#),
    ];
    engine.process(&mut slots);
    let head = format!(r#"{{"event_type":"S","timestamp":"{T0}""#);
    assert_eq!(
        lines(&slots),
        [format!("{head},\"turns\":10000}}"), format!("{head}}}"), format!("{head},\"turns\":0}}")]
    );
    assert_eq!(counter(&engine, "cut_short"), 4);
}

#[test]
fn what_a_record_makes_is_bounded() {
    // Each turn copies 2 MiB: after some hundred of them the call ends.
    let program = "fn grow(n: int):\n    var s = \"x\"\n    for i in 0..21:\n        s := s + s\n    \
                   for i in 0..n:\n        s := s + \"\"\n    starts_with(s, \"xx\")\n\
                   stream S = T.emit(n: grow(x))";
    let mut engine = engine(program);
    let mut slots = [slot(r#"{"event_type":"T","x":10}"#), slot(r#"{"event_type":"T","x":1000}"#)];
    engine.process(&mut slots);
    let head = format!(r#"{{"event_type":"S","timestamp":"{T0}""#);
    assert_eq!(lines(&slots), [format!("{head},\"n\":true}}"), format!("{head}}}")]);
    assert_eq!(counter(&engine, "cut_short"), 1);
}

/// Expressions of the greatest height that parses, which call functions of the greatest height that is checked.
#[test]
fn the_highest_calls_fit_a_threads_stack() {
    type Shape = fn(&str) -> String;
    let shapes: [(&str, Shape); 4] = [
        ("sums", |of| format!("{of}{}", " + 1".repeat(45))),
        ("calls", |of| format!("{}{of}{}", "max(1, ".repeat(45), ")".repeat(45))),
        ("choices", |of| format!("{}{of}", "if false then 0 else ".repeat(45))),
        ("lambdas", |of| format!("{}{of}{}", "first(map([x], x => ".repeat(14), "))".repeat(14))),
    ];
    for (name, high) in shapes {
        let functions = (0..6).map(|i| format!("fn f{i}(x: int):\n    {}\n", high(&format!("f{}(x)", i + 1))));
        let program = functions.collect::<String>()
            + &format!("fn f6(x: int):\n    x\nstream S = T.emit(n: {})", high(&high("f0(x)")));
        let run = move || run(&program, &[r#"{"event_type":"T","x":5}"#]);
        let thread = std::thread::Builder::new().stack_size(kolo_engine::STACK_BYTES).spawn(run);
        let outputs = thread.expect("a thread").join().expect("no panic");
        let value = if name == "sums" { 5 + 8 * 45 } else { 5 };
        assert_eq!(outputs, [format!(r#"{{"event_type":"S","timestamp":"{T0}","n":{value}}}"#)], "{name}");
    }
}

#[test]
fn map_makes_a_new_event() {
    let record = [r#"{"event_type":"T","ts":1500,"x":2,"y":{"a":1,"b":null}}"#];
    let head = |name: &str| format!(r#"{{"event_type":"{name}","timestamp":"1970-01-01T00:00:01.500Z""#);
    let cases = [
        (
            "map(e => {d: e.x * 2, gone: e.z, y: e.y}).emit()",
            format!("{},\"d\":4,\"y\":{{\"a\":1,\"b\":null}}}}", head("S")),
        ),
        ("map({d: x * 2}).where(d > 3).emit(e: d + 1, x: coalesce(x, 0))", format!("{},\"e\":5,\"x\":0}}", head("S"))),
        ("map({timestamp: ts, event_type: \"U\"}).emit()", r#"{"event_type":"U","timestamp":1500}"#.to_owned()),
        // The fields are known only when it runs.
        ("map(y).emit()", format!("{},\"a\":1,\"b\":null}}", head("S"))),
        (
            "map(set(y, \"c\", x)).where(c == 2 and b is null).emit(a: a, c: c)",
            format!("{},\"a\":1,\"c\":2}}", head("S")),
        ),
        (
            "map(set(y, \"event_type\", \"U\")).emit()",
            r#"{"event_type":"U","timestamp":"1970-01-01T00:00:01.500Z","a":1,"b":null}"#.to_owned(),
        ),
        ("map(set(y, \"timestamp\", 5)).emit()", r#"{"event_type":"S","timestamp":5,"a":1,"b":null}"#.to_owned()),
        ("map(set(y, \"timestamp\", null)).emit(t: timestamp)", format!("{},\"t\":null}}", head("S"))),
        (
            "map(y).emit(t: timestamp, e: event_type)",
            format!("{},\"t\":\"1970-01-01T00:00:01.500Z\",\"e\":\"T\"}}", head("S")),
        ),
        ("map(x => x.y).distinct().limit(1).emit(all: concat(keys(y), [a]))", format!("{}}}", head("S"))),
    ];
    for (operations, expected) in cases {
        assert_eq!(run(&format!("stream S = T.{operations}"), &record), [expected], "{operations}");
    }
    let shape = "fn shape(x: int):\n    if x > 1 then {big: x} else {small: x}\n";
    assert_eq!(
        run(&format!("{shape}stream S = T.map(shape(x)).emit()"), &record),
        [format!("{},\"big\":2}}", head("S"))]
    );
    // Passed on, an event of another stream has that stream's type, and a time of its own.
    let program = "stream A = T.map(set(set(y, \"timestamp\", 5), \"event_type\", \"U\"))\nstream B = A.emit()";
    assert_eq!(run(program, &record), [format!("{},\"a\":1,\"b\":null}}", head("B"))]);

    let mut engine = engine("stream S = T.map(x).emit()");
    let mut slots = [slot(record[0])];
    engine.process(&mut slots);
    assert!(lines(&slots).is_empty());
    assert_eq!(counter(&engine, "shapeless"), 1);
}

const SPLIT: &str = "fn split(order: int, items: [int]):\n    for item in items:\n        if item < 0:\n            \
                     emit Return(order: order, item: -item)\n            continue\n        \
                     emit Sale(order: order, item: item)\n";

#[test]
fn process_goes_on_with_what_is_emitted() {
    let record = [r#"{"event_type":"T","ts":1500,"order":7,"items":[1,-2,3]}"#, r#"{"event_type":"T","items":[]}"#];
    let line = |name: &str, fields: &str| {
        format!(r#"{{"event_type":"{name}","timestamp":"1970-01-01T00:00:01.500Z",{fields}}}"#)
    };
    // Put out with their own types, in order.
    assert_eq!(
        run(&format!("{SPLIT}stream S = T.process(split(order, items))"), &record),
        [
            line("Sale", "\"order\":7,\"item\":1"),
            line("Return", "\"order\":7,\"item\":2"),
            line("Sale", "\"order\":7,\"item\":3")
        ]
    );
    // Through the rest of the stream; those that read the types see all of them, each event before the next.
    let program = format!(
        "{SPLIT}stream Sales = Sale.where(item > 0).emit(i: item)\n\
         stream S = T.process(e => split(e.order, e.items)).where(item > 1).limit(1).emit(item: item, was: event_type)\n\
         stream Big = S.emit(k: item * 10)\nstream Returns = Return.emit()"
    );
    assert_eq!(
        run(&program, &record),
        [
            line("Sales", "\"i\":1"),
            line("S", "\"item\":2,\"was\":\"Return\""),
            line("Big", "\"k\":20"),
            line("Returns", "\"order\":7,\"item\":2"),
            line("Sales", "\"i\":3"),
        ]
    );
}

#[test]
fn process_in_process_and_emits_that_depend_on_calls() {
    let program = "fn pair(x: int):\n    emit P(x: x)\n    emit P(x: x + 1)\nfn both(x: int):\n    pair(x)\n    pair(x * 10)\n\
                   stream A = T.process(both(x))\nstream B = A.process(pair(x * 2)).emit(y: x)";
    let expected: Vec<String> = [
        ("P", "x", 1),
        ("B", "y", 2),
        ("B", "y", 3),
        ("P", "x", 2),
        ("B", "y", 4),
        ("B", "y", 5),
        ("P", "x", 10),
        ("B", "y", 20),
        ("B", "y", 21),
        ("P", "x", 11),
        ("B", "y", 22),
        ("B", "y", 23),
    ]
    .map(|(name, field, value)| format!(r#"{{"event_type":"{name}","timestamp":"{T0}","{field}":{value}}}"#))
    .into();
    assert_eq!(run(program, &[r#"{"event_type":"T","x":1}"#]), expected);
}

/// A result that is a number is kept apart from one that is not: none may be taken for another event's.
#[test]
fn what_one_emitted_event_computes_is_nothing_to_the_next() {
    let program = "fn each(xs: [int]):\n    for x in xs:\n        emit P(x: x)\n\
                   stream A = T.process(each(xs)).select(x: x, twice: x * 2)\n\
                   stream B = A.where(twice > 2).emit(x: x, more: (twice + 1) * 0.5)\n\
                   stream C = A.emit(x: x, twice: twice, both: twice + x)";
    let line = |name: &str, fields: &str| format!(r#"{{"event_type":"{name}","timestamp":"{T0}",{fields}}}"#);
    let expected = [
        line("B", "\"x\":3,\"more\":3.5"),
        line("C", "\"x\":3,\"twice\":6,\"both\":9"),
        line("C", "\"x\":\"a\""),
        line("C", "\"x\":0.5,\"twice\":1.0,\"both\":1.5"),
        line("C", "\"x\":null"),
        line("C", "\"x\":9223372036854775807"),
        line("B", "\"x\":2,\"more\":2.5"),
        line("C", "\"x\":2,\"twice\":4,\"both\":6"),
    ];
    let mut found = run(program, &[r#"{"event_type":"T","xs":[3,"a",0.5,null,9223372036854775807,2]}"#]);
    // A puts out what goes through it, too.
    found.retain(|line| !line.contains(r#""event_type":"P""#));
    assert_eq!(found, expected);
}

#[test]
fn one_record_may_cause_ten_thousand_outputs() {
    let program = "fn tile(n: int):\n    for i in 0..n:\n        for j in 0..n:\n            emit Pixel(x: i, y: j)\n\
                   stream S = T.process(tile(100))";
    let outputs = run(program, &[r#"{"event_type":"T"}"#]);
    assert_eq!(outputs.len(), 10_000);
    assert!(outputs[9_999].ends_with(r#""x":99,"y":99}"#), "{}", outputs[9_999]);
}
