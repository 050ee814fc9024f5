//! Outputs as they are written down in a test: the line itself, or the short form of `.evt`.
//!
//! A line in the short form, `@5s Alert { price: 51.0 }`, names type and fields in their order; values are compared as
//! they are written, so `51` is not `51.0`, but a text may be escaped or not. The time is compared if there is an `@`.

use kolo_engine::{evt, time};

/// Times further from 1970 than this are written as dates, not as offsets.
const FAR_NS: i64 = 366 * 86_400 * 1_000_000_000;

/// An output that a test expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    /// The whole line, byte for byte.
    Line(String),
    /// The short form.
    Short {
        /// In nanoseconds since 1970; `None`: any.
        time_ns: Option<i64>,
        /// `"event_type":…` and then the fields, each as [`canonical`] writes it.
        members: Vec<String>,
    },
}

impl Expected {
    /// Reads a line of `--- output`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(line: &str) -> Result<Expected, String> {
        let line = line.trim();
        if line.starts_with('{') {
            return match serde_json::from_str::<serde_json::Map<_, _>>(line) {
                Ok(_) => Ok(Expected::Line(line.to_owned())),
                Err(reason) => Err(format!("this is no JSON object: {reason}")),
            };
        }
        let (dated, rest) = match line.strip_prefix('@').and_then(|timed| timed.split_once(char::is_whitespace)) {
            Some((date, rest)) if date.contains('-') => {
                let time = time::parse(date.as_bytes()).ok_or_else(|| format!("`{date}` is no time"))?;
                (Some(time), rest)
            }
            _ => (None, line),
        };
        let mut json = Vec::new();
        evt::Translator::default().line(rest, &mut json).map_err(|error| error.to_string())?;
        let json = String::from_utf8(json).expect("text stays text");
        let [event_type, timestamp, data] = &members(&json)[..] else {
            return Err("expected an output: `Type { field: value }`".to_owned());
        };
        let given = dated.or_else(|| line.starts_with('@').then(|| time_of(timestamp)).flatten());
        let fields = members(data.strip_prefix("\"data\":").expect("the native form has data"));
        let members = [*event_type].iter().chain(&fields).map(|member| canonical(member)).collect();
        Ok(Expected::Short { time_ns: given, members })
    }

    /// Whether `output` is what is expected.
    pub(super) fn matches(&self, output: &str) -> bool {
        match self {
            Expected::Line(line) => line == output,
            Expected::Short { time_ns, members: expected } => {
                let members = members(output);
                let [event_type, timestamp, fields @ ..] = &members[..] else { return false };
                let time = time_of(timestamp);
                let found = [event_type].into_iter().chain(fields);
                time.is_some()
                    && time_ns.is_none_or(|expected| time == Some(expected))
                    && found.map(|member| canonical(member)).eq(expected.iter().map(String::as_str))
            }
        }
    }

    /// Whether it says when.
    pub(super) fn timed(&self) -> bool {
        matches!(self, Expected::Short { time_ns: Some(_), .. })
    }
}

/// An output in the short form, with its time if that is wanted; as it is if it has no such form.
pub(super) fn short(output: &str, timed: bool) -> String {
    try_short(output, timed).unwrap_or_else(|| output.to_owned())
}

fn try_short(output: &str, timed: bool) -> Option<String> {
    let members = members(output);
    let [event_type, timestamp, fields @ ..] = &members[..] else { return None };
    let event_type = event_type.strip_prefix("\"event_type\":\"")?.strip_suffix('"')?;
    let time = time_of(timestamp)?;
    let mut text = String::new();
    if timed {
        text = match time {
            0..FAR_NS if time % 1_000_000_000 == 0 => format!("@{}s ", time / 1_000_000_000),
            0..FAR_NS if time % 1_000_000 == 0 => format!("@{}ms ", time / 1_000_000),
            0..FAR_NS => format!("@{time}ns "),
            _ => format!("@{} ", timestamp.strip_prefix("\"timestamp\":\"")?.strip_suffix('"')?),
        };
    }
    let fields: Option<Vec<String>> = fields
        .iter()
        .map(|member| {
            let (name, value) = member.strip_prefix('"')?.split_once("\":")?;
            Some(format!("{name}: {value}"))
        })
        .collect();
    text += &format!("{event_type} {{ {} }}", fields?.join(", "));
    let text = text.replace("{  }", "{ }");
    // A map, or a name that is no word, has no short form.
    Expected::parse(&text).is_ok_and(|expected| expected.matches(output)).then_some(text)
}

fn time_of(timestamp: &str) -> Option<i64> {
    let (_, text) = timestamp.strip_suffix('"')?.split_once(":\"")?;
    time::parse(text.as_bytes())
}

/// The members of a JSON object, each `"name":value` as it is written. Nothing is made of what is no object.
fn members(object: &str) -> Vec<&str> {
    let Some(inner) = object.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        return Vec::new();
    };
    let (mut members, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    let (mut in_text, mut escaped) = (false, false);
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                members.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if start < inner.len() {
        members.push(&inner[start..]);
    }
    members
}

/// JSON without blanks, its texts escaped in one way.
fn canonical(json: &str) -> String {
    let mut canonical = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(quote) = rest.find('"') {
        canonical.extend(rest[..quote].chars().filter(|c| !c.is_ascii_whitespace()));
        let bytes = &rest.as_bytes()[quote..];
        let mut end = 1;
        while end < bytes.len() && bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let text = &rest[quote..(quote + end + 1).min(rest.len())];
        match serde_json::from_str::<String>(text) {
            Ok(plain) => canonical += &serde_json::Value::String(plain).to_string(),
            Err(_) => canonical += text,
        }
        rest = &rest[quote + text.len()..];
    }
    canonical.extend(rest.chars().filter(|c| !c.is_ascii_whitespace()));
    canonical
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = r#"{"event_type":"A","timestamp":"1970-01-01T00:00:05Z","n":51.0,"s":"a, \"b\"","l":[1,"x"]}"#;

    fn matches(expected: &str, output: &str) -> bool {
        Expected::parse(expected).unwrap_or_else(|reason| panic!("{expected}: {reason}")).matches(output)
    }

    #[test]
    fn the_short_form_compares_type_fields_and_values() {
        for expected in [
            r#"A { n: 51.0, s: "a, \"b\"", l: [1, "x"] }"#,
            r#"A { n: 51.0, s: 'a, "b"', l: [1, x] }"#,
            r#"@5s A { n: 51.0, s: "a, \u0022b\u0022", l: [1,"x"] }"#,
            r#"@1970-01-01T00:00:05Z A { n: 51.0, s: 'a, "b"', l: [1, x] }"#,
        ] {
            assert!(matches(expected, OUTPUT), "{expected}");
        }
        for expected in [
            r#"A { n: 51, s: 'a, "b"', l: [1, x] }"#,
            r#"B { n: 51.0, s: 'a, "b"', l: [1, x] }"#,
            r#"A { s: 'a, "b"', n: 51.0, l: [1, x] }"#,
            r#"A { n: 51.0, s: 'a, "b"' }"#,
            r#"A { n: 51.0, s: 'a, "b"', l: [1, x], m: 1 }"#,
            r#"@4s A { n: 51.0, s: 'a, "b"', l: [1, x] }"#,
            r#"@1970-01-02 A { n: 51.0, s: 'a, "b"', l: [1, x] }"#,
        ] {
            assert!(!matches(expected, OUTPUT), "{expected}");
        }
    }

    #[test]
    fn a_line_compares_byte_for_byte() {
        assert!(matches(OUTPUT, OUTPUT));
        assert!(!matches(&OUTPUT.replace("51.0", "51.00"), OUTPUT));
        assert!(!matches(&OUTPUT.replace(":[1", ": [1"), OUTPUT));
    }

    #[test]
    fn what_is_written_short_is_read_as_the_same() {
        assert_eq!(short(OUTPUT, false), r#"A { n: 51.0, s: "a, \"b\"", l: [1,"x"] }"#);
        assert_eq!(short(OUTPUT, true), r#"@5s A { n: 51.0, s: "a, \"b\"", l: [1,"x"] }"#);
        assert_eq!(short(r#"{"event_type":"A","timestamp":"1970-01-01T00:00:00.25Z"}"#, true), "@250ms A { }");
        let late = r#"{"event_type":"A","timestamp":"2026-04-12T10:40:00Z","n":1}"#;
        assert_eq!(short(late, true), "@2026-04-12T10:40:00Z A { n: 1 }");
        for (without, why) in [
            (r#"{"event_type":"A","timestamp":"1970-01-01T00:00:00Z","m":{"k":1}}"#, "a map"),
            (r#"{"event_type":"A","timestamp":"1970-01-01T00:00:00Z","a b":1}"#, "a name that is no word"),
            (r#"{"timestamp":"1970-01-01T00:00:00Z","event_type":"A"}"#, "the type is not first"),
            (r#"{"event_type":"A","timestamp":5}"#, "a time of its own"),
        ] {
            assert_eq!(short(without, true), without, "{why}");
        }
    }

    #[test]
    fn what_is_no_output_says_so() {
        for line in ["A", "A {", "{", "[]", "BATCH 5", "@x A()", "@2026-13-01 A()"] {
            assert!(Expected::parse(line).is_err(), "{line}");
        }
    }
}
