//! What expressions are worth: one table, each line an expression and the JSON that it is written as. `-` stands for
//! missing, which an emit leaves out.

mod common;

/// The record that the expressions read. `absent` is a field that it does not have.
const RECORD: &str = r#"{"event_type": "T", "ts": 1775990400011, "i": 7, "neg": -7, "big": 9223372036854775807,
    "min": -9223372036854775808, "over": 9223372036854775808, "f": 2.5, "whole": 50.0, "exp": 1e3, "zero": 0,
    "p53": 9007199254740993, "t": true, "no": false, "nil": null, "s": "Zürich", "esc": "a\"b\u00e9\n", "empty": "",
    "num": " 12 ", "xs": [3, 1, 2], "mixed": [1, "a", null, 2.5], "none": [], "deep": [[1, 2], [3]],
    "m": {"a": 1, "b": {"c": "x"}, "a": 2}, "raw": [ 1,
    {"k" : "v"} ]}"#;

const TABLE: &[(&str, &str)] = &[
    // Literals and fields. An untouched field is written as it came in, but on one line.
    ("1", "1"),
    ("1.0", "1.0"),
    ("1.0e3", "1000.0"),
    ("\"a\\\"b\"", r#""a\"b""#),
    ("null", "null"),
    ("[1, 2.0, \"x\", absent]", r#"[1,2.0,"x",null]"#),
    ("{a: 1, b: [i]}", r#"{"a":1,"b":[7]}"#),
    ("90s", "\"90s\""),
    ("2h", "\"2h\""),
    ("@2024-01-15", "\"2024-01-15T00:00:00Z\""),
    ("exp", "1e3"),
    ("esc", r#""a\"b\u00e9\n""#),
    ("nil", "null"),
    ("absent", "-"),
    ("raw", r#"[ 1,    {"k" : "v"} ]"#),
    ("event_type", "\"T\""),
    ("timestamp", "\"2026-04-12T10:40:00.011Z\""),
    // Ints stay ints; division truncates; with a float it is a float.
    ("i + 1", "8"),
    ("i - 10", "-3"),
    ("i * i", "49"),
    ("i / 2", "3"),
    ("neg / 2", "-3"),
    ("i % 4", "3"),
    ("neg % 4", "-3"),
    ("2 ** 10", "1024"),
    ("2 ** 3 ** 2", "512"),
    ("2 ** -1", "0.5"),
    ("-2 ** 2", "4"),
    ("1 ** 9000000000", "1"),
    ("(0 - 1) ** 9000000001", "-1"),
    ("i + 1.0", "8.0"),
    ("i / 2.0", "3.5"),
    ("i * f", "17.5"),
    ("f ** 2", "6.25"),
    ("7.5 % 2", "1.5"),
    ("whole + 10", "60.0"),
    ("0.1 + 0.2", "0.30000000000000004"),
    ("over + 0", "9.223372036854776e+18"),
    ("-i", "-7"),
    ("-f", "-2.5"),
    ("-90s", "\"-90s\""),
    // What cannot be computed is missing.
    ("big + 1", "-"),
    ("min - 1", "-"),
    ("big * 2", "-"),
    ("-min", "-"),
    ("min / -1", "-"),
    ("min % -1", "0"),
    ("2 ** 63", "-"),
    ("10.0 ** 400", "-"),
    ("1.0e308 * 10", "-"),
    ("i / zero", "-"),
    ("i % zero", "-"),
    ("f / 0.0", "-"),
    ("f % 0", "-"),
    ("zero ** -1", "-"),
    ("i + s", "-"),
    ("s - s", "-"),
    ("t + 1", "-"),
    ("i + absent", "-"),
    ("i + nil", "-"),
    ("-s", "-"),
    ("not i", "-"),
    ("~f", "-"),
    // Strings.
    ("s + \"!\"", "\"Zürich!\""),
    ("esc + empty", r#""a\"bé\n""#),
    // Bits.
    ("6 & 3", "2"),
    ("6 | 3", "7"),
    ("6 ^ 3", "5"),
    ("~6", "-7"),
    ("1 << 4", "16"),
    ("-16 >> 2", "-4"),
    ("1 << 64", "-"),
    ("1 << -1", "-"),
    ("1 | 2 ^ 3 & 4", "3"),
    // Times.
    ("@2024-01-15T10:00:00Z + 90s", "\"2024-01-15T10:01:30Z\""),
    ("@2024-01-15T10:00:00+02:00 - 1h", "\"2024-01-15T07:00:00Z\""),
    ("@2024-01-15T10:00:00Z - @2024-01-15", "\"10h\""),
    ("90s + 30s", "\"2m\""),
    ("90s - 2m", "\"-30s\""),
    ("90s * 2", "\"3m\""),
    ("90s / 2", "\"45s\""),
    ("90s / 1m", "1.5"),
    ("90s / 0", "-"),
    ("90s < 2m", "true"),
    ("@2024-01-15 < timestamp", "true"),
    // Equality: by value, across int and float; different types are unequal; missing stays missing.
    ("i == 7.0", "true"),
    ("whole == 50", "true"),
    ("p53 == 9007199254740992.0", "false"),
    ("p53 == 9007199254740993", "true"),
    ("i == \"7\"", "false"),
    ("i != \"7\"", "true"),
    ("s == \"Z\\u00fcrich\"", "true"),
    ("t == 1", "false"),
    ("nil == null", "true"),
    ("nil != null", "false"),
    ("i == null", "false"),
    ("i != null", "true"),
    ("absent == null", "-"),
    ("absent == absent", "-"),
    ("absent != 1", "-"),
    ("[1, 2.0] == [1.0, 2]", "true"),
    ("{a: 1, b: 2} == {b: 2, a: 1.0}", "true"),
    ("m == {a: 2, b: {c: \"x\"}}", "true"),
    // Orderings.
    ("i > 6.5", "true"),
    ("i >= 7.0", "true"),
    ("i < 7", "false"),
    ("i <= 7", "true"),
    ("p53 > 9007199254740992.0", "true"),
    ("big < 9223372036854775808.0", "true"),
    ("over > big", "true"),
    ("\"Z\" < \"a\"", "true"),
    ("\"a\" < \"é\"", "true"),
    ("i < \"8\"", "-"),
    ("nil < 1", "-"),
    ("absent < 1", "-"),
    ("t < no", "-"),
    // Three-valued logic.
    ("t and no", "false"),
    ("t or no", "true"),
    ("t and absent", "-"),
    ("no and absent", "false"),
    ("absent and no", "false"),
    ("absent or t", "true"),
    ("t or absent", "true"),
    ("absent or no", "-"),
    ("nil and no", "false"),
    ("not t", "false"),
    ("not absent", "-"),
    ("not (i > 9)", "true"),
    ("i and t", "-"),
    // Null and missing.
    ("nil is null", "true"),
    ("absent is null", "true"),
    ("i is null", "false"),
    ("i is not null", "true"),
    ("absent is not null", "false"),
    ("is_null(absent)", "true"),
    ("is_null(i / zero)", "true"),
    ("is_null(0)", "false"),
    ("coalesce(absent, nil, i)", "7"),
    ("coalesce(absent, nil)", "null"),
    ("coalesce(absent)", "-"),
    // Choices.
    ("if i > 5 then \"high\" else \"low\"", "\"high\""),
    ("if absent > 5 then 1 else 2", "2"),
    ("if nil then 1 else 2", "2"),
    ("if i then 1 else 2", "2"),
    // Membership.
    ("1 in xs", "true"),
    ("1.0 in xs", "true"),
    ("9 in xs", "false"),
    ("9 not in xs", "true"),
    ("null in mixed", "true"),
    ("\"a\" in m", "true"),
    ("\"z\" in m", "false"),
    ("\"rich\" in s", "true"),
    ("absent in xs", "-"),
    ("1 in absent", "-"),
    ("1 in s", "-"),
    ("i in (0..7)", "false"),
    ("i in (0..=7)", "true"),
    // Elements and parts.
    ("xs[0]", "3"),
    ("xs[-1]", "2"),
    ("xs[3]", "-"),
    ("xs[-4]", "-"),
    ("deep[0][1]", "2"),
    ("m.b.c", "\"x\""),
    ("m?.b?.c", "\"x\""),
    ("m.z", "-"),
    ("absent?.z", "-"),
    ("m[\"a\"]", "2"),
    ("m[\"z\"]", "-"),
    ("s[1]", "\"ü\""),
    ("s[-1]", "\"h\""),
    ("s[9]", "-"),
    ("xs[1:]", "[1,2]"),
    ("xs[:-1]", "[3,1]"),
    ("xs[1:2]", "[1]"),
    ("xs[2:1]", "[]"),
    ("xs[-99:99]", "[3,1,2]"),
    ("s[1:3]", "\"ür\""),
    // Ranges.
    ("0..3", "[0,1,2]"),
    ("1..=3", "[1,2,3]"),
    ("3..1", "[]"),
    ("0..100000", "-"),
    ("range(3)", "[0,1,2]"),
    ("range(1, 3)", "[1,2]"),
    ("range(6, 0, -2)", "[6,4,2]"),
    ("range(0, 3, 0)", "-"),
    // Numbers.
    ("abs(neg)", "7"),
    ("abs(-2.5)", "2.5"),
    ("abs(min)", "-"),
    ("sqrt(49)", "7.0"),
    ("sqrt(-1)", "null"),
    ("floor(2.7)", "2"),
    ("ceil(2.1)", "3"),
    ("round(2.5)", "3"),
    ("round(-2.5)", "-3"),
    ("floor(i)", "7"),
    ("floor(1.0e300)", "-"),
    ("pow(2, 10)", "1024"),
    ("pow(2, 0.5)", "1.4142135623730951"),
    ("log(exp(1))", "1.0"),
    ("log10(1000)", "3.0"),
    ("log(0)", "null"),
    ("sin(0)", "0.0"),
    ("cos(0)", "1.0"),
    ("tan(0)", "0.0"),
    ("min(3, 1.5, 2)", "1.5"),
    ("max(\"a\", \"b\")", "\"b\""),
    ("min(1, absent)", "-"),
    ("min(1, \"a\")", "-"),
    ("min(xs)", "1"),
    ("max(xs)", "3"),
    ("max(none)", "-"),
    ("clamp(i, 0, 5)", "5"),
    ("clamp(i, 8.5, 9)", "8.5"),
    ("clamp(i, 0, 10)", "7"),
    ("clamp(s, 0, 10)", "-"),
    // Strings.
    ("len(s)", "6"),
    ("len(xs)", "3"),
    ("len(m)", "2"),
    ("len(i)", "-"),
    ("trim(\" x \")", "\"x\""),
    ("lower(\"ÄB\")", "\"äb\""),
    ("upper(\"äb\")", "\"ÄB\""),
    ("split(\"a,b,,c\", \",\")", r#"["a","b","","c"]"#),
    ("split(\"añ\", \"\")", r#"["a","ñ"]"#),
    ("join([\"a\", 1, 2.0, null], \"-\")", "\"a-1-2.0-null\""),
    ("replace(\"aXbX\", \"X\", \"--\")", "\"a--b--\""),
    ("starts_with(s, \"Zü\")", "true"),
    ("ends_with(s, \"x\")", "false"),
    ("substring(s, 1, 3)", "\"ür\""),
    ("substring(s, 4)", "\"ch\""),
    ("substring(s, 4, 99)", "\"ch\""),
    ("concat(\"a\", 1, 2.0)", "\"a12.0\""),
    ("concat(xs, [4])", "[3,1,2,4]"),
    ("concat(\"a\", absent)", "-"),
    ("contains(s, \"ric\")", "true"),
    ("contains(xs, 2)", "true"),
    ("contains(m, \"a\")", "true"),
    ("reverse(\"añ\")", "\"ña\""),
    // Arrays and maps.
    ("first(xs)", "3"),
    ("last(xs)", "2"),
    ("first(none)", "-"),
    ("push(xs, 9)", "[3,1,2,9]"),
    ("push(xs, absent)", "[3,1,2,null]"),
    ("pop(xs)", "[3,1]"),
    ("pop(none)", "[]"),
    ("reverse(xs)", "[2,1,3]"),
    ("sort(xs)", "[1,2,3]"),
    ("sort([2.5, \"b\", 1, null, \"a\", true])", r#"[null,true,1,2.5,"a","b"]"#),
    ("sum(xs)", "6"),
    ("sum([1, 2.5])", "3.5"),
    ("sum([1, null])", "1"),
    ("sum(none)", "0"),
    ("sum(mixed)", "-"),
    ("sum([1s, 2s])", "\"3s\""),
    ("avg(xs)", "2.0"),
    ("avg(none)", "-"),
    ("keys(m)", r#"["a","b"]"#),
    ("values({a: 1, b: 2})", "[1,2]"),
    ("get(m, \"a\")", "2"),
    ("get(m, \"z\")", "-"),
    ("get(m, \"z\", 0)", "0"),
    ("get(xs, -1)", "2"),
    ("set({a: 1}, \"b\", 2)", r#"{"a":1,"b":2}"#),
    ("set({a: 1}, \"a\", 2)", r#"{"a":2}"#),
    ("map(xs, x => x * i)", "[21,7,14]"),
    ("map(mixed, x => x + 1)", "[2,null,null,3.5]"),
    ("filter(xs, x => x > 1)", "[3,2]"),
    ("map(deep, row => map(row, x => x * len(row)))", "[[2,4],[3]]"),
    ("sum(map(filter(xs, x => x > 1), x => x ** 2))", "13"),
    // Conversions.
    ("to_string(50.0)", "\"50.0\""),
    ("to_string(whole)", "\"50.0\""),
    ("to_string(i)", "\"7\""),
    ("to_string(nil)", "\"null\""),
    ("to_string(t)", "\"true\""),
    ("to_string(xs)", "\"[3,1,2]\""),
    ("to_string(90s)", "\"90s\""),
    ("to_string(@2024-01-15)", "\"2024-01-15T00:00:00Z\""),
    ("to_string(absent)", "-"),
    ("to_int(\"12\")", "12"),
    ("to_int(num)", "12"),
    ("to_int(2.9)", "2"),
    ("to_int(-2.9)", "-2"),
    ("to_int(t)", "1"),
    ("to_int(\"x\")", "-"),
    ("to_int(@2024-01-15)", "1705276800000"),
    ("to_float(i)", "7.0"),
    ("to_float(\"2.5\")", "2.5"),
    ("to_float(\"inf\")", "-"),
    ("type_of(i)", "\"int\""),
    ("type_of(whole)", "\"float\""),
    ("type_of(over)", "\"float\""),
    ("type_of(s)", "\"string\""),
    ("type_of(nil)", "\"null\""),
    ("type_of(xs)", "\"array\""),
    ("type_of(m)", "\"map\""),
    ("type_of(t)", "\"bool\""),
    ("type_of(@2024-01-15)", "\"timestamp\""),
    ("type_of(1s)", "\"duration\""),
    ("type_of(now())", "\"timestamp\""),
];

#[test]
fn every_expression_is_worth_what_the_table_says() {
    let arguments: Vec<_> = TABLE.iter().enumerate().map(|(i, (expr, _))| format!("    v{i}: {expr}")).collect();
    let program = format!("stream S = T.emit(\n{})", arguments.join(",\n"));
    let lines = common::run(&program, &[RECORD]);
    let output: serde_json::Value = serde_json::from_str(&lines[0]).expect(&lines[0]);
    let mut expected = String::from(r#"{"event_type":"S","timestamp":"2026-04-12T10:40:00.011Z""#);
    let mut wrong = Vec::new();
    for (i, (expr, text)) in TABLE.iter().enumerate() {
        let found = output.get(format!("v{i}"));
        let wanted = (*text != "-").then(|| serde_json::from_str::<serde_json::Value>(text).expect(text));
        if found != wanted.as_ref() {
            wrong.push(format!("{expr}: expected {text}, found {found:?}"));
        }
        if *text != "-" {
            expected.push_str(&format!(",\"v{i}\":{text}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    // And to the letter: serde_json does not tell 60.0 from 6e1.
    assert_eq!(lines, [expected + "}"]);
}

#[test]
fn causes_of_missing_values_are_counted_where_they_arise() {
    let count = |expr: &str, counter: &str| {
        let mut engine = common::engine(&format!("stream S = T.emit(v: {expr})"));
        engine.process(&mut [common::slot(RECORD)]);
        let causes = ["overflow", "division_by_zero", "wrong_type", "missing_operand", "out_of_range"];
        let total: u64 = causes.iter().map(|cause| common::counter(&engine, cause)).sum();
        assert_eq!(total, common::counter(&engine, counter), "{expr} has no other cause");
        total
    };
    assert_eq!(count("big + 1", "overflow"), 1);
    assert_eq!(count("(big + 1) * 2 - 3", "overflow"), 1);
    assert_eq!(count("i / zero + 1", "division_by_zero"), 1);
    assert_eq!(count("s * 2", "wrong_type"), 1);
    assert_eq!(count("absent + 1", "missing_operand"), 1);
    assert_eq!(count("(absent + 1) * 2", "missing_operand"), 1);
    assert_eq!(count("nil < 3", "missing_operand"), 1);
    assert_eq!(count("xs[7] + 1", "out_of_range"), 1);
    assert_eq!(count("absent", "missing_operand"), 0);
    assert_eq!(count("coalesce(absent, 1)", "missing_operand"), 0);
    assert_eq!(count("absent is null", "missing_operand"), 0);
    assert_eq!(count("t or absent", "missing_operand"), 0);
}

#[test]
fn variables_are_computed_once_from_those_above() {
    let program = "let base = 10\nconst limit: int = base * 4 + 20 / 2\nlet over = limit + 1 > base * 2 - 3\n\
                   let names = [\"x\", \"y\"]\n\
                   stream S = T.where(i < limit)\n\
                   .emit(limit: limit, over: over, second: names[1], twice: map(names, n => n + n))";
    assert_eq!(
        common::run(program, &[RECORD]),
        [concat!(
            r#"{"event_type":"S","timestamp":"2026-04-12T10:40:00.011Z","limit":50,"over":true,"#,
            r#""second":"y","twice":["xx","yy"]}"#
        )]
    );
}
