//! The scanner and the decoder against serde_json, over records that are generated, mutated and mixed.

use proptest::prelude::*;
use serde_json::Value as Oracle;

use super::*;

/// Longer than a remembered step.
const LONG_KEY: &str = "a_key_that_is_longer_than_any_step_that_the_decoder_remembers";

fn names() -> Names {
    Names::new(RESERVED.into_iter().chain(["a", "b", "price", "π", "quo\"te", "", LONG_KEY]))
}

/// Accepts what the decoder should: an object, and nothing else.
fn oracle(bytes: &[u8]) -> Option<serde_json::Map<String, Oracle>> {
    match serde_json::from_slice(bytes) {
        Ok(Oracle::Object(fields)) => Some(fields),
        _ => None,
    }
}

fn same(value: Value, oracle: &Oracle) -> bool {
    match (value, oracle) {
        (Value::Null, Oracle::Null) => true,
        (Value::Bool(a), Oracle::Bool(b)) => a == *b,
        (Value::Str(a), Oracle::String(b)) => a == b,
        (Value::Int(a), Oracle::Number(b)) if b.is_i64() => Some(a) == b.as_i64(),
        // serde_json keeps −0 as a float.
        (Value::Int(0), Oracle::Number(b)) => b.as_f64() == Some(0.0),
        // serde_json rounds with an error of a unit in the last place.
        (Value::Float(a, _), Oracle::Number(b)) => {
            b.as_f64().is_some_and(|b| (a - b).abs() <= a.abs() * 1e-15 || a == b)
        }
        (Value::Array(a), Oracle::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(*a, b)),
        (Value::Map(a), Oracle::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((name, a), (key, b))| name == key && same(*a, b))
        }
        _ => false,
    }
}

/// Decodes `record` and compares verdict, columns and fields with the oracle's.
fn agrees(decoder: &mut Decoder, record: &[u8]) {
    let arena = Bump::new();
    let shown = String::from_utf8_lossy(record);
    let (decoded, expected) = (decoder.decode(record, &arena), oracle(record));
    let (Ok(text), Some(expected)) = (decoded, &expected) else {
        assert_eq!(decoded.is_ok(), expected.is_some(), "{shown}: {decoded:?}");
        return;
    };
    for (name, column) in names().iter().zip(decoder.columns()) {
        match expected.get(name) {
            Some(oracle) => {
                let value = column.value(text, &arena);
                assert!(same(value, oracle), "{name} of {shown}: {value:?}, not {oracle:?}");
            }
            None => assert_eq!(column.kind, Kind::Missing, "{name} of {shown}"),
        }
    }
    let fields = decoder.fields().once(text, &arena);
    assert_eq!(fields.len(), expected.len(), "{shown}");
    for (field, (key, oracle)) in fields.iter().zip(expected) {
        let name = field.name(text, &arena);
        assert!(name == key && same(field.value.value(text, &arena), oracle), "{name} of {shown}");
    }
    let foreign = expected.keys().any(|key| !RESERVED[..=usize::from(DATA)].contains(&key.as_str()));
    assert_eq!(decoder.has_foreign_fields(), foreign, "{shown}");
}

/// A small generator of records as different producers might write them.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize) % sides
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.roll(choices.len())]
    }

    fn blanks(&mut self, out: &mut String) {
        out.push_str(self.pick(&["", "", "", " ", "", "\n\t", "  \r\n"]));
    }

    fn object(&mut self, depth: usize, out: &mut String) {
        out.push('{');
        self.blanks(out);
        for i in 0..self.roll(7) {
            if i > 0 {
                out.push(',');
                self.blanks(out);
            }
            let keys = [
                r#""a""#,
                r#""b""#,
                r#""price""#,
                r#""pri\u0063e""#,
                r#""π""#,
                r#""\u03c0""#,
                r#""quo\"te""#,
                r#""""#,
                r#""event_type""#,
                r#""data""#,
                r#""ts""#,
                r#""unread""#,
                r#""a_key_that_is_longer_than_any_step_that_the_decoder_remembers""#,
                r#""a_key_that_is_longer_than_any_step_that_the_decoder_remembers\n""#,
            ];
            out.push_str(self.pick(&keys));
            self.blanks(out);
            out.push(':');
            self.blanks(out);
            self.value(depth, out);
            self.blanks(out);
        }
        out.push('}');
    }

    fn value(&mut self, depth: usize, out: &mut String) {
        let scalars = [
            "null",
            "true",
            "false",
            "0",
            "-0",
            "7",
            "-12",
            "9007199254740993",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775809",
            "51.0",
            "0.1",
            "-2.5e-3",
            "1E5",
            "1e400",
            "1e-400",
            "123456789012345678901234567890.5",
            r#""""#,
            r#""x""#,
            r#""Zürich, 東京 😀""#,
            r#""tab\tquote\"slash\/\\""#,
            r#""\u00e9\ud83d\ude00""#,
            r#""exactly8""#,
            r#""a string that spans several words of eight bytes""#,
        ];
        match self.roll(if depth == 0 { 8 } else { 10 }) {
            8 => self.object(depth - 1, out),
            9 => {
                out.push('[');
                self.blanks(out);
                for i in 0..self.roll(4) {
                    if i > 0 {
                        out.push(',');
                    }
                    self.blanks(out);
                    self.value(depth - 1, out);
                    self.blanks(out);
                }
                out.push(']');
            }
            _ => out.push_str(self.pick(&scalars)),
        }
    }

    fn mutate(&mut self, record: &mut Vec<u8>) {
        const BYTES: &[u8] = b"\"\\{}[],:0123456789.eE+-tfn \n\0\x1f\x80\xc3\xe9\xffux";
        let (at, byte) = (self.roll(record.len()), BYTES[self.roll(BYTES.len())]);
        match self.roll(5) {
            0 => record[at] = byte,
            1 => record.insert(at, byte),
            2 => drop(record.remove(at)),
            3 => record.truncate(at),
            _ => record[at] ^= 1 << self.roll(8),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// One decoder over many records, so that predictions hit, miss and are learned.
    #[test]
    fn every_record_agrees_with_the_oracle(seed: u64) {
        let mut dice = Dice(seed);
        let mut decoder = Decoder::new(names(), true);
        let mut text = String::new();
        for _ in 0..20 {
            // Half of the records look like the one before.
            if text.is_empty() || dice.roll(2) == 0 {
                text.clear();
                dice.blanks(&mut text);
                dice.object(3, &mut text);
                dice.blanks(&mut text);
            }
            agrees(&mut decoder, text.as_bytes());
            let mut mutant = text.clone().into_bytes();
            for _ in 0..=dice.roll(2) {
                if !mutant.is_empty() {
                    dice.mutate(&mut mutant);
                }
            }
            agrees(&mut decoder, &mutant);
        }
    }
}

#[test]
fn what_is_not_an_object_is_refused_with_its_place() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let many_digits = format!("{{\"a\":{}}}", "9".repeat(400));
    let cases: &[(&str, usize, Fault)] = &[
        ("", 0, Fault::Empty),
        ("  \n", 3, Fault::Empty),
        ("[]", 0, Fault::NotAnObject),
        ("null", 0, Fault::NotAnObject),
        ("\"{}\"", 0, Fault::NotAnObject),
        ("{", 1, Fault::Ends),
        ("{\"a\"", 4, Fault::Ends),
        ("{\"a\":", 5, Fault::Ends),
        ("{\"a\":1", 6, Fault::Ends),
        ("{\"a\":1,", 7, Fault::Ends),
        ("{\"a\":1,}", 7, Fault::Expected("a key in quotes")),
        ("{\"a\" 1}", 5, Fault::Expected("':'")),
        ("{\"a\":1 \"b\":2}", 7, Fault::Expected("',' or '}'")),
        ("{\"a\":1]", 6, Fault::Expected("',' or '}'")),
        ("{\"a\":[1}", 7, Fault::Expected("',' or ']'")),
        ("{\"a\":{\"b\":1]", 11, Fault::Expected("',' or '}'")),
        ("{\"a\":tru}", 5, Fault::Expected("a value")),
        ("{\"a\":'x'}", 5, Fault::Expected("a value")),
        ("{\"a\":\"x", 7, Fault::Ends),
        ("{\"a\":\"x\ty\"}", 7, Fault::Control),
        ("{\"a\":\"\\q\"}", 6, Fault::Escape),
        ("{\"a\":\"\\u12g4\"}", 6, Fault::Escape),
        ("{\"a\":\"\\", 7, Fault::Ends),
        ("{\"a\":\"\\ud800\"}", 6, Fault::Surrogate),
        ("{\"a\":\"\\udc00\"}", 6, Fault::Surrogate),
        ("{\"a\":\"\\ud800\\u0041\"}", 6, Fault::Surrogate),
        ("{\"a\":01}", 5, Fault::Number),
        ("{\"a\":-}", 6, Fault::Number),
        ("{\"a\":1.}", 7, Fault::Number),
        ("{\"a\":1e}", 7, Fault::Number),
        ("{\"a\":1e400}", 5, Fault::Range),
        (&many_digits, 5, Fault::Range),
        (&deep, 132, Fault::Depth),
        ("{\"a\":1} {}", 8, Fault::Trailing),
        ("{\"a\":1}\0", 7, Fault::Trailing),
        ("\u{feff}{}", 0, Fault::NotAnObject),
    ];
    let mut decoder = Decoder::new(names(), false);
    for (record, at, fault) in cases {
        let found = decoder.decode(record.as_bytes(), &Bump::new()).map(str::len);
        assert_eq!(found, Err(Malformed { at: *at, fault: *fault }), "{record}");
        // The verdict is the same once the keys are known.
        decoder.decode(b"{\"a\":1}", &Bump::new()).expect("well-formed");
        assert_eq!(decoder.decode(record.as_bytes(), &Bump::new()).map(str::len), found, "{record}");
    }
}

#[test]
fn invalid_utf8_is_found_in_values_and_keys_read_or_not() {
    for (record, at) in [
        (&b"{\"a\":\"\xff\"}"[..], 6),
        (b"{\"unread\":\"ok\",\"b\":\"a long string, then \xc3\x28\"}", 40),
        (b"{\"\xe9\":1}", 2),
        (b"{\"a_key_that_is_longer_than_any_step_that_the_decoder_remembers\xff\":1}", 63),
    ] {
        let mut decoder = Decoder::new(names(), false);
        let found = decoder.decode(record, &Bump::new()).map(str::len);
        assert_eq!(found, Err(Malformed { at, fault: Fault::Utf8 }), "{}", String::from_utf8_lossy(record));
    }
}

#[test]
fn nesting_is_accepted_up_to_its_limit() {
    let depth = crate::json::MAX_DEPTH as usize;
    let record = format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let arena = Bump::new();
    let mut decoder = Decoder::new(names(), false);
    let text = decoder.decode(record.as_bytes(), &arena).expect("as deep as allowed");
    let mut value = decoder.columns()[RESERVED.len()].value(text, &arena);
    let mut found = 0;
    while let Value::Array(items) = value {
        found += 1;
        value = items.first().copied().unwrap_or(Value::Missing);
    }
    assert_eq!(found, depth);
}

#[test]
fn more_keys_than_are_remembered_change_nothing() {
    let mut decoder = Decoder::new(names(), true);
    for lap in 0..3 {
        for i in 0..2 * STEPS {
            agrees(&mut decoder, format!(r#"{{"k{i}":{lap},"a":{i}, "{LONG_KEY}":1,"b":2}}"#).as_bytes());
        }
    }
    let wide: Vec<String> = (0..2 * STEPS).map(|i| format!("\"k{i}\": {i}")).collect();
    for _ in 0..3 {
        agrees(&mut decoder, format!("{{{}, \"a\": 1}}", wide.join(", ")).as_bytes());
    }
}

#[test]
fn a_key_that_opens_a_record_is_not_taken_for_one_inside() {
    let mut decoder = Decoder::new(names(), false);
    decoder.decode(b"{\"a\":1}", &Bump::new()).expect("well-formed");
    let inside = format!("{{\"{LONG_KEY}\":1{{\"a\":1}}");
    assert!(decoder.decode(inside.as_bytes(), &Bump::new()).is_err());
    assert!(decoder.decode(b"{\"a\":1{\"a\":1}", &Bump::new()).is_err());
    assert!(decoder.decode(b",\"a\":1}", &Bump::new()).is_err());
}

#[test]
fn no_bytes_stand_for_a_key_that_was_never_learned() {
    let mut decoder = Decoder::new(Names::new(RESERVED), false);
    for filler in [0x00, 0xff] {
        for len in [16, 32, 64] {
            for (before, after) in [(&br#"{"a":1"#[..], &b"2}"[..]), (b"", br#"{"a":1}"#), (b"", b"1}")] {
                let record = [before, &vec![filler; len][..], after].concat();
                for _ in 0..3 {
                    assert!(decoder.decode(&record, &Bump::new()).is_err(), "{record:?}");
                    decoder.decode(br#"{"a":1}"#, &Bump::new()).expect("a record");
                }
            }
        }
    }
}
