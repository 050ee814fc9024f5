//! `.evt`: events written by hand, one a line, as the JSON lines that the engine reads.
//!
//! ```text
//! # a comment; so is a line that starts with two slashes
//! Tick { symbol: "AAPL", price: 50.5, halted: false, tags: [a, "b c"] };
//! Tick("AAPL", 51)            the declared fields in order; those beyond them are field_N, counted from field_0
//! @5s Tick { symbol: AAPL }   at 1970-01-01T00:00:05Z; @100ms, @1m; @250 counts milliseconds
//! BATCH 7000                  the time of the lines that follow and have no @ of their own, in milliseconds
//! {"event_type":"Tick","ts":5}    a JSON line as in a JSONL file
//! ```
//!
//! 1. An event becomes the native form, `{"event_type":…,"@timestamp":…,"data":{…}}`, so no field ever sets its time.
//! 2. A number is one if JSON would read it so, and stays as it is written; `nil` is null; any other bare word is a text.
//! 3. One line in, at most one line out: line numbers stay those of the file.
//! 4. A line that cannot be read is an [`Error`]; nothing is guessed and nothing skipped. Arrays nest at most
//!    [`MAX_DEPTH`] levels.

use std::collections::HashMap;
use std::fmt;

use crate::check::program::EventType;
use crate::time;

/// How deep arrays may nest.
pub const MAX_DEPTH: usize = 64;

/// Turns the lines of one file into JSON, in order.
#[derive(Debug, Default)]
pub struct Translator {
    /// The fields of each declared type.
    declared: HashMap<String, Vec<String>>,
    /// The time of lines without one of their own, in nanoseconds.
    batch_ns: i64,
    times: time::Writer,
}

/// Why a line is no event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Where in the line, in characters from 1.
    pub column: usize,
    /// What was wrong there, or what was expected.
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.message)
    }
}

impl std::error::Error for Error {}

impl Translator {
    /// For a program that declares these event types.
    pub fn new(events: &[EventType]) -> Self {
        let names = |event: &EventType| event.fields.iter().map(|field| field.name.text.clone()).collect();
        let declared = events.iter().map(|event| (event.name.text.clone(), names(event))).collect();
        Translator { declared, ..Translator::default() }
    }

    /// Appends the line's event to `json`, without a line end; nothing for a comment, a blank line or `BATCH`.
    ///
    /// # Errors
    /// A line that is none of those that the module shows. What was appended then is no event.
    pub fn line(&mut self, line: &str, json: &mut Vec<u8>) -> Result<(), Error> {
        let mut line = Line { text: line, at: 0 };
        line.blanks();
        if matches!(line.peek(), None | Some(b'#')) || line.rest().starts_with("//") {
            return Ok(());
        }
        if line.peek() == Some(b'{') {
            json.extend_from_slice(line.rest().trim_ascii_end().as_bytes());
            return Ok(());
        }
        let mut time_ns = self.batch_ns;
        if line.take(b'@') {
            time_ns = line.offset()?;
            line.blanks();
            if line.peek() == Some(b'{') {
                return Err(line.error("a JSON line has its time in a field: leave out the `@`"));
            }
        }
        let Some(name) = line.word() else { return Err(line.error("expected an event: `Type { field: value }`")) };
        let spaced = line.blanks();
        if name == "BATCH" && spaced && line.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.batch_ns = line.offset()?;
            return line.end();
        }
        json.extend_from_slice(b"{\"event_type\":\"");
        json.extend_from_slice(name.as_bytes());
        json.extend_from_slice(b"\",\"@timestamp\":\"");
        self.times.write(time_ns, json);
        json.extend_from_slice(b"\",\"data\":{");
        if line.take(b'{') {
            line.list(b'}', json, |line, _, json| {
                let Some(field) = line.word() else { return Err(line.error("expected a field's name, or `}`")) };
                write_name(field, json);
                line.blanks();
                line.expect(b':')?;
                line.value(b"},", 0, json)
            })?;
        } else if line.take(b'(') {
            let fields = self.declared.get(name).map_or(&[][..], Vec::as_slice);
            line.list(b')', json, |line, index, json| {
                match fields.get(index) {
                    Some(field) => write_name(field, json),
                    None => write_name(&format!("field_{index}"), json),
                }
                line.value(b"),", 0, json)
            })?;
        } else {
            return Err(line.error(format!("expected `{{` or `(` after `{name}`")));
        }
        json.extend_from_slice(b"}}");
        line.end()
    }
}

/// Appends `"name":`. Names are words, so nothing is escaped.
fn write_name(name: &str, json: &mut Vec<u8>) {
    json.push(b'"');
    json.extend_from_slice(name.as_bytes());
    json.extend_from_slice(b"\":");
}

/// A line, read from left to right.
struct Line<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Line<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8) -> Result<(), Error> {
        if self.take(byte) { Ok(()) } else { Err(self.error(format!("expected `{}`", char::from(byte)))) }
    }

    /// Whether there were any.
    fn blanks(&mut self) -> bool {
        !self.run(|byte| byte.is_ascii_whitespace()).is_empty()
    }

    /// The longest stretch of such bytes, all of them ASCII.
    fn run(&mut self, of: impl Fn(u8) -> bool) -> &'t str {
        let rest = self.rest();
        let len = rest.bytes().take_while(|byte| byte.is_ascii() && of(*byte)).count();
        self.at += len;
        &rest[..len]
    }

    fn word(&mut self) -> Option<&'t str> {
        let begins = self.peek().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        begins.then(|| self.run(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
    }

    fn error(&self, message: impl Into<String>) -> Error {
        Error { column: self.text[..self.at].chars().count() + 1, message: message.into() }
    }

    /// A number of milliseconds, or of the unit behind it, as nanoseconds.
    fn offset(&mut self) -> Result<i64, Error> {
        let start = self.at;
        let digits = self.run(|byte| byte.is_ascii_digit());
        let unit = self.run(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let unit_ns = match unit {
            "ns" => 1,
            "us" => 1_000,
            "ms" | "" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            _ => 0,
        };
        let offset_ns = digits.parse().ok().and_then(|count: i64| count.checked_mul(unit_ns)).filter(|_| unit_ns > 0);
        offset_ns.ok_or_else(|| {
            self.at = start;
            self.error("expected an offset from 1970: a whole number and ns, us, ms, s, m, h or d; ms without one")
        })
    }

    /// The elements up to `close`, with commas between them in the line and in `json`.
    fn list(
        &mut self,
        close: u8,
        json: &mut Vec<u8>,
        mut element: impl FnMut(&mut Self, usize, &mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for index in 0.. {
            self.blanks();
            if self.take(close) {
                return Ok(());
            }
            if index > 0 {
                json.push(b',');
            }
            element(self, index, json)?;
            self.blanks();
            if self.peek() != Some(close) && !self.take(b',') {
                return Err(self.error(format!("expected `,` or `{}`", char::from(close))));
            }
        }
        unreachable!("a line ends before its indices do")
    }

    /// A value, in front of one of the bytes `until`.
    fn value(&mut self, until: &[u8], depth: usize, json: &mut Vec<u8>) -> Result<(), Error> {
        self.blanks();
        match self.peek() {
            Some(quote @ (b'"' | b'\'')) => self.string(quote, json),
            Some(b'[') if depth == MAX_DEPTH => Err(self.error("arrays are nested too deep here")),
            Some(b'[') => {
                self.at += 1;
                json.push(b'[');
                self.list(b']', json, |line, _, json| line.value(b"],", depth + 1, json))?;
                json.push(b']');
                Ok(())
            }
            Some(b'{') => Err(self.error("a map is written in a JSON line: `{\"event_type\":\"Type\",\"field\":{…}}`")),
            _ => self.bare(until, json),
        }
    }

    /// A quoted string, as a JSON one.
    fn string(&mut self, quote: u8, json: &mut Vec<u8>) -> Result<(), Error> {
        let opened = self.error("this text has no closing quote on its line");
        self.at += 1;
        json.push(b'"');
        loop {
            match self.peek() {
                None => return Err(opened),
                Some(byte) if byte == quote => break,
                Some(b'"') => json.extend_from_slice(b"\\\""),
                Some(b'\\') => {
                    self.escape(json)?;
                    continue;
                }
                Some(byte) if byte < 0x20 => json.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                Some(byte) => json.push(byte),
            }
            self.at += 1;
        }
        self.at += 1;
        json.push(b'"');
        Ok(())
    }

    fn escape(&mut self, json: &mut Vec<u8>) -> Result<(), Error> {
        let escape = self.rest().as_bytes();
        let hex = |escape: &[u8]| {
            let digits = escape.get(2..6)?;
            let all = escape.starts_with(b"\\u") && digits.iter().all(u8::is_ascii_hexdigit);
            all.then(|| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())?
        };
        let len = match escape.get(1) {
            Some(b'\'') => {
                json.push(b'\'');
                self.at += 2;
                return Ok(());
            }
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => match hex(escape) {
                Some(0xd800..0xdc00) if matches!(escape.get(6..).and_then(hex), Some(0xdc00..0xe000)) => 12,
                Some(0xd800..0xe000) => return Err(self.error("half a surrogate pair is no character")),
                Some(_) => 6,
                None => return Err(self.error("expected four hexadecimal digits after `\\u`")),
            },
            _ => return Err(self.error("the escapes are those of JSON, and `\\'`")),
        };
        json.extend_from_slice(&escape[..len]);
        self.at += len;
        Ok(())
    }

    /// A number, true, false, null, nil, or a word without quotes.
    fn bare(&mut self, until: &[u8], json: &mut Vec<u8>) -> Result<(), Error> {
        let rest = self.rest();
        let ends = |byte: u8| byte.is_ascii_whitespace() || byte == b';' || until.contains(&byte);
        let word = &rest[..rest.bytes().position(ends).unwrap_or(rest.len())];
        if word.is_empty() {
            return Err(self.error("expected a value"));
        }
        if let Some(at) = word.find(|c: char| matches!(c, '"' | '\'' | '\\' | '{' | '(' | '[') || c.is_control()) {
            self.at += at;
            return Err(self.error("this can stand in a quoted text only"));
        }
        self.at += word.len();
        match word {
            "nil" => json.extend_from_slice(b"null"),
            "true" | "false" | "null" => json.extend_from_slice(word.as_bytes()),
            _ if is_number(word) => json.extend_from_slice(word.as_bytes()),
            _ => {
                json.push(b'"');
                json.extend_from_slice(word.as_bytes());
                json.push(b'"');
            }
        }
        Ok(())
    }

    /// Nothing but a semicolon may follow.
    fn end(&mut self) -> Result<(), Error> {
        self.blanks();
        self.take(b';');
        self.blanks();
        if self.at == self.text.len() { Ok(()) } else { Err(self.error("expected the end of the line")) }
    }
}

/// Whether this is a number as JSON writes it.
fn is_number(word: &str) -> bool {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut rest = word.strip_prefix('-').unwrap_or(word);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest.starts_with('0')) {
        return false;
    }
    rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix('.') {
        let len = digits(fraction);
        if len == 0 {
            return false;
        }
        rest = &fraction[len..];
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let len = digits(exponent);
        if len == 0 {
            return false;
        }
        rest = &exponent[len..];
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::check;
    use crate::diagnostic::SourceFile;

    fn translator() -> Translator {
        let program =
            SourceFile::new("p.vpl", "event Base:\n    id: int\nevent Tick extends Base:\n    price: float\n");
        let (program, _) = check(&program, &|_| None);
        Translator::new(&program.expect("a right program").events)
    }

    fn translated(line: &str) -> Result<String, Error> {
        let mut json = Vec::new();
        translator().line(line, &mut json).map(|()| String::from_utf8(json).expect("text stays text"))
    }

    /// The event of that time in milliseconds and these fields.
    fn event(time: &str, data: &str) -> Result<String, Error> {
        Ok(format!("{{\"event_type\":\"Tick\",\"@timestamp\":\"1970-01-01T00:{time}Z\",\"data\":{{{data}}}}}"))
    }

    #[test]
    fn both_forms_of_arguments() {
        for line in ["Tick { id: 1, price: 2.50 }", "Tick{id:1,price:2.50,};", "  Tick(1, 2.50)", "Tick ( 1 ,2.50 ) ; "]
        {
            assert_eq!(translated(line), event("00:00", r#""id":1,"price":2.50"#), "{line}");
        }
        assert_eq!(translated("Tick(1, 2, 3)"), event("00:00", r#""id":1,"price":2,"field_2":3"#));
        assert_eq!(translated("Tick()"), event("00:00", ""));
        assert_eq!(translated("Tick { }"), event("00:00", ""));
        let undeclared = translated("Other(x)").map(|json| json.contains(r#""data":{"field_0":"x"}"#));
        assert_eq!(undeclared, Ok(true));
    }

    #[test]
    fn values() {
        for (value, json) in [
            ("true", "true"),
            ("false", "false"),
            ("null", "null"),
            ("nil", "null"),
            ("42", "42"),
            ("-7", "-7"),
            ("50.0", "50.0"),
            ("1.5e-3", "1.5e-3"),
            ("9007199254740993", "9007199254740993"),
            ("007", r#""007""#),
            ("1.", r#""1.""#),
            (".5", r#"".5""#),
            ("+1", r#""+1""#),
            ("1e", r#""1e""#),
            ("-", r#""-""#),
            ("5s", r#""5s""#),
            ("True", r#""True""#),
            ("a:b", r#""a:b""#),
            ("\u{e9}t\u{e9}", "\"\u{e9}t\u{e9}\""),
            (r#""a, b }""#, r#""a, b }""#),
            ("'it'", r#""it""#),
            (r#"'say "x"'"#, r#""say \"x\"""#),
            (r#""it\'s""#, r#""it's""#),
            (r#""\n\u00e9\ud83d\ude00""#, r#""\n\u00e9\ud83d\ude00""#),
            ("\"a\tb\"", r#""a\u0009b""#),
            ("[1, 'a', b, [null], []]", r#"[1,"a","b",[null],[]]"#),
        ] {
            assert_eq!(
                translated(&format!("Tick {{ v: {value} }}")),
                event("00:00", &format!("\"v\":{json}")),
                "{value}"
            );
            let listed = format!("\"id\":{json},\"price\":1");
            assert_eq!(translated(&format!("Tick({value}, 1)")), event("00:00", &listed), "{value}");
        }
    }

    #[test]
    fn offsets_are_absolute_and_a_line_s_own() {
        let mut translator = translator();
        let mut times = Vec::new();
        for line in [
            "Tick()",
            "@5s Tick()",
            "Tick()",
            "BATCH 100",
            "Tick()",
            "@250 Tick()",
            "@1m Tick()",
            "Tick()",
            "BATCH 0",
            "Tick()",
            "@100ms Tick()",
        ] {
            let mut json = Vec::new();
            translator.line(line, &mut json).expect("a right line");
            let json = String::from_utf8(json).expect("text");
            times.extend(
                json.split("\"@timestamp\":\"1970-01-01T00:")
                    .nth(1)
                    .map(|rest| rest.split('Z').next().expect("a time ends").to_owned()),
            );
        }
        let expected =
            ["00:00", "00:05", "00:00", "00:00.100", "00:00.250", "01:00", "00:00.100", "00:00", "00:00.100"];
        assert_eq!(times, expected);
    }

    #[test]
    fn what_is_no_event_and_what_is_json() {
        for line in ["", "   \t", "# Tick()", "  // Tick()", "BATCH 5", "BATCH 5;"] {
            assert_eq!(translated(line).as_deref(), Ok(""), "{line}");
        }
        assert_eq!(translated(r#"  {"event_type":"X"}  "#).as_deref(), Ok(r#"{"event_type":"X"}"#));
        assert_eq!(translated("{ broken").as_deref(), Ok("{ broken"), "the engine says what is wrong with JSON");
        assert_eq!(translated("BATCH { n: 5 }").map(|json| json.contains("\"BATCH\"")), Ok(true));
    }

    #[test]
    fn what_cannot_be_read_says_where_and_why() {
        for (line, column, message) in [
            ("Tick", 5, "expected `{` or `(` after `Tick`"),
            ("5 Tick", 1, "expected an event"),
            ("Tick {", 7, "expected a field's name"),
            ("Tick { a }", 10, "expected `:`"),
            ("Tick { a: }", 11, "expected a value"),
            ("Tick { a: 1 b: 2 }", 13, "expected `,` or `}`"),
            ("Tick { a: New York }", 15, "expected `,` or `}`"),
            ("Tick { a: 'x }", 11, "closing quote"),
            ("Tick { \u{e9}: 1 }", 8, "expected a field's name"),
            ("Tick(1) x", 9, "expected the end of the line"),
            ("Tick(1);;", 9, "expected the end of the line"),
            ("Tick((1))", 6, "quoted text"),
            ("Tick({})", 6, "a map is written in a JSON line"),
            (r"Tick('\x')", 7, "the escapes are those of JSON"),
            (r"Tick('\u12')", 7, "four hexadecimal digits"),
            (r"Tick('\ud800')", 7, "half a surrogate pair"),
            ("@ Tick()", 2, "expected an offset"),
            ("@5x Tick()", 2, "expected an offset"),
            ("@9223372036854775807s Tick()", 2, "expected an offset"),
            ("@5s {}", 5, "leave out the `@`"),
            ("BATCH 5 6", 9, "expected the end of the line"),
        ] {
            let error = translated(line).expect_err(line);
            assert_eq!(error.column, column, "{line}: {error}");
            assert!(error.message.contains(message), "{line}: {error}");
        }
        let deep = format!("Tick({}{})", "[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1));
        assert!(translated(&deep).is_err_and(|error| error.message.contains("too deep")));
    }
}
