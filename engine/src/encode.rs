//! Events to JSON lines, written into the slot of the record that caused them.
//!
//! An [`Encoder`] is compiled once per stream and path. Every piece of a line begins with a comma; the first comma is
//! turned into the opening brace at the end, so no piece needs to know whether one came before it. A field that is still a
//! column is copied as it came in; a number that an operator kept and passed on comes with its text, where that matters.

use crate::decode::Column;
use crate::expr::compile::{self, Schema};
use crate::expr::{Context, Expr, RegisterIndex};
use crate::json::Kind;
use crate::number::{self, NUMBER_BYTES};
use crate::pen::Pen;
use crate::time;
use crate::value::{Owned, Value};

/// Room that a line's buffer gets beyond what is reckoned with, so that longer pieces seldom make it grow.
const LINE_BYTES: usize = 256;
/// Columns of up to so many bytes are copied as so many bytes.
const SHORT: usize = 16;

/// How events of one stream, on one path to it, are written.
#[derive(Debug)]
pub(crate) struct Encoder {
    /// `,"event_type":"T"`, unless a field stands in its place; and then the key of the time, if that is the built-in one.
    head: Piece<64>,
    event_type: Option<Field>,
    timestamp: Timestamp,
    body: Body,
    /// The most bytes that a line has, apart from those pieces that make room for themselves. Every such piece makes so
    /// much room behind it as well.
    room: usize,
}

#[derive(Debug)]
enum Timestamp {
    /// The event time; the head ends in its key and opening quote.
    BuiltIn,
    /// The event time after an `event_type` that is a field.
    AfterField,
    Field(Field),
}

#[derive(Debug)]
struct Field {
    /// `,"name":`
    key: Piece<32>,
    value: Expr,
}

#[derive(Debug)]
enum Body {
    Fields(Vec<Field>),
    /// All fields of the record.
    Record,
    /// The entries of the map in this register.
    Map(RegisterIndex),
}

impl Encoder {
    /// An encoder of events with the fields of `schema`. If the stream itself `projected` them, fields named `event_type`
    /// and `timestamp` take the place of the built-in ones; fields merely passed on do not.
    pub(crate) fn new(event_type: &str, schema: &Schema, projected: bool) -> Self {
        let (mut type_field, mut time_field) = (None, None);
        let body = match schema {
            Schema::Record => Body::Record,
            Schema::Match { all, .. } => Body::Map(*all),
            Schema::Map { register, .. } => {
                let built_in = Expr::Constant(Owned::Str(event_type.into()));
                let field = |name, built_in| {
                    Some(Field { key: key(name), value: compile::entry_or(*register, name, built_in) })
                };
                (type_field, time_field) = (field("event_type", built_in), field("timestamp", Expr::Time));
                Body::Map(*register)
            }
            Schema::Fields { fields, .. } => {
                let mut rest = Vec::new();
                for (name, value) in fields {
                    let field = Field { key: key(name), value: value.clone() };
                    match &**name {
                        "event_type" => type_field = Some(field),
                        "timestamp" => time_field = Some(field),
                        _ => rest.push(field),
                    }
                }
                Body::Fields(rest)
            }
        };
        if !projected {
            (type_field, time_field) = (None, None);
        }
        let mut head = Vec::new();
        if type_field.is_none() {
            head.extend_from_slice(b",\"event_type\":");
            write_string(event_type, &mut head);
        }
        let timestamp = match (time_field, &type_field) {
            (Some(field), _) => Timestamp::Field(field),
            (None, Some(_)) => Timestamp::AfterField,
            (None, None) => {
                head.extend_from_slice(TIME_KEY);
                Timestamp::BuiltIn
            }
        };
        let fields = match &body {
            Body::Fields(fields) => fields.len(),
            // Room is made for each anew.
            Body::Record | Body::Map(_) => 2,
        };
        // Beside the body there are two more fields at most, the head, a time with its key, and the closing brace.
        let room = (fields + 2) * Field::ROOM + Piece::<64>::ROOM + Piece::<32>::ROOM + time::Writer::ROOM + 1;
        Encoder { head: Piece::new(&head), event_type: type_field, timestamp, body, room }
    }

    /// Appends the event at hand as one line, without a line end.
    #[inline]
    pub(crate) fn write<'a>(&'a self, cx: &Context<'a>, times: &mut time::Writer, out: &mut Vec<u8>) {
        let start = out.len();
        let mut pen = Pen::new(out, self.room + LINE_BYTES);
        // SAFETY: `room` is what all pieces together take that do not make room for themselves, and those make as much
        // again behind them.
        unsafe {
            self.head.write(&mut pen, self.room);
            if let Some(field) = &self.event_type {
                field.write(cx, times, &mut pen, self.room);
            }
            match &self.timestamp {
                Timestamp::BuiltIn => pen.put(|at| times.put_quoted(cx.time(), at)),
                Timestamp::AfterField => {
                    pen.put(|at| {
                        at.copy_from_nonoverlapping(TIME_KEY.as_ptr(), TIME_KEY.len());
                        at.add(TIME_KEY.len())
                    });
                    pen.put(|at| times.put_quoted(cx.time(), at));
                }
                Timestamp::Field(field) => field.write(cx, times, &mut pen, self.room),
            }
            match &self.body {
                Body::Fields(fields) => fields.iter().for_each(|field| field.write(cx, times, &mut pen, self.room)),
                Body::Map(register) => {
                    let map = cx.register(*register);
                    pen.append(self.room, |out| write_entries(map, times, out));
                }
                Body::Record => {
                    for (name, field) in cx.data_fields() {
                        if name != "timestamp" {
                            pen.make_room(self.room);
                            pen.chunk(b",", 1);
                            write_column(&field.key, cx.record, &mut pen, self.room);
                            pen.chunk(b":", 1);
                            write_column(&field.value, cx.record, &mut pen, self.room);
                        }
                    }
                }
            }
            pen.chunk(b"}", 1);
        }
        pen.put_down();
        match out.get_mut(start) {
            Some(comma) if *comma == b',' => *comma = b'{',
            _ => out.insert(start, b'{'),
        }
    }
}

const TIME_KEY: &[u8] = b",\"timestamp\":\"";

impl Field {
    /// The most bytes that a field takes which does not make room for itself.
    const ROOM: usize = Piece::<32>::ROOM + NUMBER_BYTES;

    /// Writes key and value, or nothing if the value is missing.
    ///
    /// # Safety
    /// There is [`room`](Self::ROOM) for it.
    #[inline(always)]
    unsafe fn write<'a>(&'a self, cx: &Context<'a>, times: &mut time::Writer, pen: &mut Pen, room: usize) {
        let value = match self.value {
            Expr::Column(column) => {
                let column = &cx.columns[usize::from(column)];
                if column.kind != Kind::Missing {
                    // SAFETY: as the caller promises.
                    unsafe {
                        self.key.write(pen, room);
                        write_column(column, cx.record, pen, room);
                    }
                }
                return;
            }
            Expr::Register(register) => cx.register(register),
            _ => self.value.eval(cx),
        };
        if !value.is_missing() {
            // SAFETY: as the caller promises.
            unsafe {
                self.key.write(pen, room);
                match value {
                    Value::Int(int) => pen.put(|at| number::put_int(int, at)),
                    Value::Float(float, None) => pen.put(|at| number::put_float(float, at)),
                    other => pen.append(room, |out| write_value(other, times, out)),
                }
            }
        }
    }
}

/// A constant piece of a line. One of up to `N` bytes is copied as `N` bytes, which are a few moves.
#[derive(Debug)]
struct Piece<const N: usize> {
    start: [u8; N],
    len: usize,
    rest: Box<[u8]>,
}

impl<const N: usize> Piece<N> {
    /// The most bytes that it takes without making room for itself.
    const ROOM: usize = N;

    fn new(text: &[u8]) -> Self {
        let (head, rest) = text.split_at(text.len().min(N));
        let mut start = [0; N];
        start[..head.len()].copy_from_slice(head);
        Piece { start, len: head.len(), rest: rest.into() }
    }

    /// # Safety
    /// There is [`room`](Self::ROOM) for it.
    #[inline(always)]
    unsafe fn write(&self, pen: &mut Pen, room: usize) {
        // SAFETY: as the caller promises.
        unsafe { pen.chunk(&self.start, self.len) };
        if !self.rest.is_empty() {
            pen.long(&self.rest, room);
        }
    }
}

/// Writes a value as it came in.
///
/// # Safety
/// There is room for [`SHORT`] bytes.
#[inline(always)]
unsafe fn write_column(column: &Column, record: &str, pen: &mut Pen, room: usize) {
    let place = column.place();
    match record.as_bytes()[place.start..].first_chunk::<SHORT>() {
        // SAFETY: as the caller promises.
        Some(chunk) if place.len() <= SHORT && !matches!(column.kind, Kind::Array | Kind::Map) => unsafe {
            pen.chunk(chunk, place.len());
        },
        _ => write_long(column, record, pen, room),
    }
}

/// [`write_column`] of what is long, a container, or stands at the record's end.
#[inline(never)]
fn write_long(column: &Column, record: &str, pen: &mut Pen, room: usize) {
    match column.kind {
        Kind::Array | Kind::Map => pen.append(room, |out| write_container(column.raw(record), out)),
        _ => pen.long(column.raw(record).as_bytes(), room),
    }
}

/// Appends a container as it came in, but without the line ends that may stand between its elements: an output is one
/// line.
#[inline(never)]
fn write_container(text: &str, out: &mut Vec<u8>) {
    if text.contains(['\n', '\r']) {
        out.extend(text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')));
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

/// Appends the entries of a map as fields, each with a comma before it, except for those that every event has.
#[inline(never)]
fn write_entries(map: Value, times: &mut time::Writer, out: &mut Vec<u8>) {
    let Value::Map(entries) = map else { return };
    for (name, value) in entries.iter().filter(|(name, _)| !matches!(*name, "event_type" | "timestamp")) {
        out.push(b',');
        write_string(name, out);
        out.push(b':');
        write_value(*value, times, out);
    }
}

/// `,"name":`
fn key(name: &str) -> Piece<32> {
    let mut key = vec![b','];
    write_string(name, &mut key);
    key.push(b':');
    Piece::new(&key)
}

/// Appends `value` as JSON: an instant as RFC 3339, a duration as VPL spells it, what is missing or not finite as null.
pub(crate) fn write_value(value: Value, times: &mut time::Writer, out: &mut Vec<u8>) {
    match value {
        Value::Missing | Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(int) => number::write_int(int, out),
        Value::Float(float, None) => number::write_float(float, out),
        Value::Float(_, Some(text)) => out.extend_from_slice(text.as_bytes()),
        Value::Str(text) => write_string(text, out),
        Value::Timestamp(nanos) => {
            out.push(b'"');
            times.write(nanos, out);
            out.push(b'"');
        }
        Value::Duration(nanos) => {
            out.push(b'"');
            write_duration(nanos, out);
            out.push(b'"');
        }
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_value(*item, times, out);
            }
            out.push(b']');
        }
        Value::Map(entries) => {
            out.push(b'{');
            for (i, (key, value)) in entries.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_string(key, out);
                out.push(b':');
                write_value(*value, times, out);
            }
            out.push(b'}');
        }
    }
}

/// Appends `text` in quotes, with what JSON wants escaped escaped.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => *b"\\\"",
            b'\\' => *b"\\\\",
            0x08 => *b"\\b",
            0x0c => *b"\\f",
            b'\n' => *b"\\n",
            b'\r' => *b"\\r",
            b'\t' => *b"\\t",
            0..0x20 => *b"\\u",
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[plain..at]);
        out.extend_from_slice(&escape);
        if escape == *b"\\u" {
            out.extend_from_slice(&[b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]]);
        }
        plain = at + 1;
    }
    out.extend_from_slice(&text.as_bytes()[plain..]);
    out.push(b'"');
}

/// Appends a duration as VPL spells it, in the greatest unit that divides it: `90s`, `1500ms`.
fn write_duration(nanos: i64, out: &mut Vec<u8>) {
    const UNITS: [(i64, &str); 7] = [
        (86_400_000_000_000, "d"),
        (3_600_000_000_000, "h"),
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
        (1, "ns"),
    ];
    let (size, unit) = match nanos {
        0 => (1, "s"),
        _ => UNITS.into_iter().find(|(size, _)| nanos % size == 0).unwrap_or((1, "ns")),
    };
    number::write_int(nanos / size, out);
    out.extend_from_slice(unit.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: Value) -> String {
        let mut out = Vec::new();
        write_value(value, &mut time::Writer::default(), &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn values_look_as_json_wants_them() {
        let inner = [Value::Int(1), Value::Missing, Value::Str("x")];
        let entries = [("a\"b", Value::Array(&inner)), ("t", Value::Timestamp(1_500_000_000)), ("n", Value::Null)];
        assert_eq!(json(Value::Map(&entries)), r#"{"a\"b":[1,null,"x"],"t":"1970-01-01T00:00:01.500Z","n":null}"#);
        assert_eq!(json(Value::float(60.0)), "60.0");
        assert_eq!(json(Value::float(f64::NAN)), "null");
        assert_eq!(json(Value::Bool(false)), "false");
    }

    #[test]
    fn strings_are_escaped_so_that_any_reader_gets_them_back() {
        let text: String = (0..0x80).map(char::from).chain(['é', '\u{2028}', '😀']).collect();
        let written = json(Value::Str(&text));
        assert!(written.is_ascii() || written.contains('é'));
        assert_eq!(serde_json::from_str::<String>(&written).expect(&written), text);
    }

    #[test]
    fn durations_are_spelt_as_in_programs() {
        for (nanos, text) in [
            (0, "0s"),
            (90_000_000_000, "90s"),
            (120_000_000_000, "2m"),
            (1_500_000_000, "1500ms"),
            (-1, "-1ns"),
            (172_800_000_000_000, "2d"),
        ] {
            assert_eq!(json(Value::Duration(nanos)), format!("\"{text}\""));
        }
    }
}
