//! Random streams without state over random events, against an interpreter that takes one event after the other through
//! what the program says, and knows nothing of plans, columns and registers.
//!
//! Expressions mix all types, missing and null, so that most of what can be wrong with an operand is.

mod common;

use std::cmp::Ordering;
use std::fmt::{self, Write as _};

use common::{engine, lines, slot};
use kolo_engine::slot::Slot;
use proptest::prelude::*;

/// Fields of the events, of which each has some; and what `.select` and the like call theirs.
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

#[derive(Debug, Clone)]
enum Val {
    Missing,
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(&'static str),
    /// A text that was put together.
    Text(String),
    Array(Vec<Val>),
}

#[derive(Debug, Clone)]
enum Expr {
    Value(Val),
    Field(usize),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    /// `-`, `~`, `not`
    Unary(&'static str, Box<Expr>),
    IsNull(bool, Box<Expr>),
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    Power(Box<Expr>, i64),
    /// An element of an array of three.
    Element(Box<[Expr; 3]>, i64),
    Call(&'static str, Vec<Expr>),
}

#[derive(Debug, Clone)]
enum Op {
    Where(Expr),
    Filter(Expr),
    Select(Vec<(usize, Expr)>),
    Map(Vec<(usize, Expr)>),
    Distinct(Option<Expr>),
    Limit(usize),
    Emit(Vec<(usize, Expr)>),
}

#[derive(Debug, Clone)]
enum Source {
    Type,
    Stream(usize),
    Merge(usize, usize),
}

#[derive(Debug, Clone)]
struct Stream {
    source: Source,
    ops: Vec<Op>,
    emit: Option<Op>,
}

type Row = Vec<(usize, Val)>;

fn value() -> impl Strategy<Value = Val> {
    let ints = prop::sample::select(vec![0, 1, 2, 3, 7, -1, -2, 62, 64, 1_000, 1 << 53, (1 << 53) + 1, i64::MAX]);
    let floats = prop::sample::select(vec![0.0, -0.0, 0.5, 1.0, 2.0, -2.5, 0.1, 3.25, 1000.0, 9_007_199_254_740_992.0]);
    let scalar = prop_oneof![
        4 => ints.prop_map(Val::Int),
        4 => floats.prop_map(Val::Float),
        2 => prop::sample::select(vec!["", "a", "ab", "b", "é", "2"]).prop_map(Val::Str),
        1 => any::<bool>().prop_map(Val::Bool),
        1 => Just(Val::Null),
    ];
    prop_oneof![8 => scalar.clone(), 1 => prop::collection::vec(scalar, 0..3).prop_map(Val::Array)]
}

fn expr() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![2 => value().prop_map(Expr::Value), 5 => (0..NAMES.len()).prop_map(Expr::Field)];
    leaf.prop_recursive(4, 24, 3, |part| {
        let boxed = || part.clone().prop_map(Box::new);
        let arithmetic = prop::sample::select(vec!["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"]);
        let logic = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">=", "and", "or", "in", "not in"]);
        let functions = prop::sample::select(vec!["abs", "len", "is_null", "coalesce", "min", "max"]);
        let call = (functions, part.clone(), part.clone()).prop_map(|(name, first, second)| match name {
            "abs" | "len" | "is_null" => Expr::Call(name, vec![first]),
            _ => Expr::Call(name, vec![first, second]),
        });
        prop_oneof![
            4 => (arithmetic, boxed(), boxed()).prop_map(|(op, a, b)| Expr::Binary(op, a, b)),
            5 => (logic, boxed(), boxed()).prop_map(|(op, a, b)| Expr::Binary(op, a, b)),
            2 => (prop::sample::select(vec!["-", "~", "not "]), boxed()).prop_map(|(op, a)| Expr::Unary(op, a)),
            1 => (any::<bool>(), boxed()).prop_map(|(negated, a)| Expr::IsNull(negated, a)),
            1 => (boxed(), boxed(), boxed()).prop_map(|(c, a, b)| Expr::If(c, a, b)),
            1 => (boxed(), -2..5i64).prop_map(|(a, exponent)| Expr::Power(a, exponent)),
            1 => (part.clone(), part.clone(), part.clone(), -4..4i64)
                .prop_map(|(a, b, c, at)| Expr::Element(Box::new([a, b, c]), at)),
            2 => call,
        ]
    })
}

/// Fields with different names.
fn fields() -> impl Strategy<Value = Vec<(usize, Expr)>> {
    let names = prop::sample::subsequence((0..NAMES.len()).collect::<Vec<_>>(), 1..=3).prop_shuffle();
    (names, prop::collection::vec(expr(), 3)).prop_map(|(names, values)| names.into_iter().zip(values).collect())
}

fn stream(number: usize) -> impl Strategy<Value = Stream> {
    let op = prop_oneof![
        3 => expr().prop_map(Op::Where),
        1 => expr().prop_map(Op::Filter),
        2 => fields().prop_map(Op::Select),
        1 => fields().prop_map(Op::Map),
        1 => prop::option::of(expr()).prop_map(Op::Distinct),
        1 => (1..6usize).prop_map(Op::Limit),
    ];
    let emit = prop_oneof![
        1 => Just(None),
        2 => Just(Some(Op::Emit(Vec::new()))),
        3 => fields().prop_map(|fields| Some(Op::Emit(fields))),
    ];
    let source =
        (0..3u8, any::<prop::sample::Index>(), any::<prop::sample::Index>()).prop_map(move |(kind, a, b)| match kind {
            1 if number > 0 => Source::Stream(a.index(number)),
            2 if number > 1 => Source::Merge(a.index(number), b.index(number)),
            _ => Source::Type,
        });
    (source, prop::collection::vec(op, 0..4), emit).prop_map(|(source, ops, emit)| match source {
        // A merge of a stream with itself is that stream.
        Source::Merge(a, b) if a == b => Stream { source: Source::Stream(a), ops, emit },
        source => Stream { source, ops, emit },
    })
}

fn streams() -> impl Strategy<Value = Vec<Stream>> {
    (stream(0), stream(1), stream(2), stream(3)).prop_map(|(a, b, c, d)| vec![a, b, c, d])
}

fn events() -> impl Strategy<Value = Vec<Row>> {
    let event = prop::collection::vec(prop::option::weighted(0.8, value()), NAMES.len());
    let present = event.prop_map(|values| {
        values.into_iter().enumerate().filter_map(|(name, value)| Some((name, value?))).collect::<Row>()
    });
    prop::collection::vec(present, 1..12)
}

impl fmt::Display for Val {
    /// As JSON, and as a literal of VPL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Val::Missing | Val::Null => f.write_str("null"),
            Val::Bool(bool) => write!(f, "{bool}"),
            Val::Int(int) => write!(f, "{int}"),
            Val::Float(float) => write!(f, "{float:?}"),
            Val::Str(text) => write!(f, "\"{text}\""),
            Val::Text(text) => write!(f, "\"{text}\""),
            Val::Array(items) => {
                f.write_char('[')?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i > 0 { "," } else { "" })?;
                }
                f.write_char(']')
            }
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Value(value) => write!(f, "({value})"),
            Expr::Field(field) => f.write_str(NAMES[*field]),
            Expr::Binary(op, a, b) => write!(f, "({a} {op} {b})"),
            Expr::Unary(op, a) => write!(f, "({op}{a})"),
            Expr::IsNull(negated, a) => write!(f, "({a} is {}null)", if *negated { "not " } else { "" }),
            Expr::If(c, a, b) => write!(f, "(if {c} then {a} else {b})"),
            Expr::Power(a, exponent) => write!(f, "({a} ** ({exponent}))"),
            Expr::Element(items, at) => write!(f, "[{}, {}, {}][{at}]", items[0], items[1], items[2]),
            Expr::Call(name, args) => {
                let args: Vec<String> = args.iter().map(Expr::to_string).collect();
                write!(f, "{name}({})", args.join(", "))
            }
        }
    }
}

fn listed(fields: &[(usize, Expr)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{}: {value}", NAMES[*name])).collect();
    fields.join(", ")
}

fn text_of(streams: &[Stream]) -> String {
    let mut text = String::new();
    for (number, stream) in streams.iter().enumerate() {
        let source = match stream.source {
            Source::Type => "T".to_owned(),
            Source::Stream(read) => format!("S{read}"),
            Source::Merge(a, b) => format!("merge(S{a}, S{b})"),
        };
        _ = write!(text, "stream S{number} = {source}");
        for op in stream.ops.iter().chain(&stream.emit) {
            _ = match op {
                Op::Where(condition) => write!(text, "\n    .where({condition})"),
                Op::Filter(condition) => write!(text, "\n    .filter(it => {condition})"),
                Op::Select(fields) => write!(text, "\n    .select({})", listed(fields)),
                Op::Map(fields) => write!(text, "\n    .map(it => {{{}}})", listed(fields)),
                Op::Distinct(value) => {
                    write!(text, "\n    .distinct({})", value.as_ref().map_or(String::new(), Expr::to_string))
                }
                Op::Limit(count) => write!(text, "\n    .limit({count})"),
                Op::Emit(fields) => write!(text, "\n    .emit({})", listed(fields)),
            };
        }
        text.push('\n');
    }
    text
}

impl Val {
    fn nothing(&self) -> bool {
        matches!(self, Val::Missing | Val::Null)
    }

    fn text(&self) -> Option<&str> {
        match self {
            Val::Str(text) => Some(text),
            Val::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Numbers by value, whatever their types; other types are unequal to each other.
    fn equals(&self, other: &Val) -> bool {
        match (self, other) {
            (Val::Null, Val::Null) | (Val::Missing, Val::Missing) => true,
            (Val::Bool(a), Val::Bool(b)) => a == b,
            (Val::Array(a), Val::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equals(b)),
            _ => self.order(other) == Some(Ordering::Equal),
        }
    }

    /// Of two numbers or two texts.
    fn order(&self, other: &Val) -> Option<Ordering> {
        match (self, other) {
            (Val::Int(a), Val::Int(b)) => Some(a.cmp(b)),
            (Val::Float(a), Val::Float(b)) => a.partial_cmp(b),
            (Val::Int(a), Val::Float(b)) => exactly(*a, *b),
            (Val::Float(a), Val::Int(b)) => exactly(*b, *a).map(Ordering::reverse),
            _ => self.text()?.chars().partial_cmp(other.text()?.chars()),
        }
    }
}

/// An int beside a float, none of them rounded: floats of this size are whole.
fn exactly(int: i64, float: f64) -> Option<Ordering> {
    match float {
        _ if float.is_nan() => None,
        _ if float.abs() < 1e15 => (int as f64).partial_cmp(&float),
        _ if float >= 1e19 => Some(Ordering::Less),
        _ if float <= -1e19 => Some(Ordering::Greater),
        _ => Some(i128::from(int).cmp(&(float as i128))),
    }
}

fn arithmetic(op: &str, a: &Val, b: &Val) -> Val {
    let float = |result: f64| if result.is_infinite() { Val::Missing } else { Val::Float(result) };
    match (a, b) {
        (Val::Int(a), Val::Int(b)) => {
            let shift = u32::try_from(*b).ok().filter(|by| *by < 64);
            let result = match op {
                "+" => a.checked_add(*b),
                "-" => a.checked_sub(*b),
                "*" => a.checked_mul(*b),
                "/" => a.checked_div(*b),
                // What the smallest int leaves by −1 is 0.
                "%" => (*b != 0).then(|| a.wrapping_rem(*b)),
                "&" => Some(a & b),
                "|" => Some(a | b),
                "^" => Some(a ^ b),
                "<<" => shift.map(|by| a << by),
                ">>" => shift.map(|by| a >> by),
                _ => unreachable!(),
            };
            result.map_or(Val::Missing, Val::Int)
        }
        (Val::Int(_) | Val::Float(_), Val::Int(_) | Val::Float(_)) => {
            let number = |value: &Val| match value {
                Val::Int(int) => *int as f64,
                Val::Float(float) => *float,
                _ => unreachable!(),
            };
            let (a, b) = (number(a), number(b));
            match op {
                "+" => float(a + b),
                "-" => float(a - b),
                "*" => float(a * b),
                "/" | "%" if b == 0.0 => Val::Missing,
                "/" => float(a / b),
                "%" => float(a % b),
                _ => Val::Missing,
            }
        }
        _ => match (op, a.text(), b.text()) {
            ("+", Some(a), Some(b)) => Val::Text(format!("{a}{b}")),
            _ => Val::Missing,
        },
    }
}

fn power(base: &Val, exponent: i64) -> Val {
    match (base, exponent) {
        (Val::Int(base), 0..) => {
            (0..exponent).try_fold(1i64, |power, _| power.checked_mul(*base)).map_or(Val::Missing, Val::Int)
        }
        (Val::Int(0), _) => Val::Missing,
        (Val::Int(base), _) => Val::Float((*base as f64).powf(exponent as f64)),
        (Val::Float(base), ..0) if *base == 0.0 => Val::Missing,
        (Val::Float(base), _) => Val::Float(base.powf(exponent as f64)),
        _ => Val::Missing,
    }
}

/// `and` is decided by false, `or` by true; without a decision, all have to be known.
fn connect(decisive: bool, a: Val, b: Val) -> Val {
    match (a, b) {
        (Val::Bool(a), _) if a == decisive => Val::Bool(decisive),
        (_, Val::Bool(b)) if b == decisive => Val::Bool(decisive),
        (Val::Bool(_), Val::Bool(_)) => Val::Bool(!decisive),
        _ => Val::Missing,
    }
}

fn contained(item: &Val, all: &Val) -> Option<bool> {
    match (item, all) {
        (Val::Missing, _) => None,
        (item, Val::Array(items)) => Some(items.iter().any(|other| other.equals(item))),
        (item, all) => Some(all.text()?.contains(item.text()?)),
    }
}

impl Expr {
    fn eval(&self, row: &Row) -> Val {
        match self {
            Expr::Value(value) => value.clone(),
            Expr::Field(field) => {
                row.iter().find(|(name, _)| name == field).map_or(Val::Missing, |(_, value)| value.clone())
            }
            Expr::Binary(op, a, b) => {
                let (a, b) = (a.eval(row), b.eval(row));
                let ordered = |holds: fn(Ordering) -> bool| match a.order(&b) {
                    Some(order) => Val::Bool(holds(order)),
                    None => Val::Missing,
                };
                match *op {
                    "and" => connect(false, a, b),
                    "or" => connect(true, a, b),
                    "==" | "!=" if matches!(a, Val::Missing) || matches!(b, Val::Missing) => Val::Missing,
                    "==" => Val::Bool(a.equals(&b)),
                    "!=" => Val::Bool(!a.equals(&b)),
                    "<" => ordered(Ordering::is_lt),
                    "<=" => ordered(Ordering::is_le),
                    ">" => ordered(Ordering::is_gt),
                    ">=" => ordered(Ordering::is_ge),
                    "in" => contained(&a, &b).map_or(Val::Missing, Val::Bool),
                    "not in" => contained(&a, &b).map_or(Val::Missing, |found| Val::Bool(!found)),
                    _ => arithmetic(op, &a, &b),
                }
            }
            Expr::Unary(op, a) => match (*op, a.eval(row)) {
                ("-", Val::Int(int)) => int.checked_neg().map_or(Val::Missing, Val::Int),
                ("-", Val::Float(float)) => Val::Float(-float),
                ("~", Val::Int(int)) => Val::Int(!int),
                ("not ", Val::Bool(bool)) => Val::Bool(!bool),
                _ => Val::Missing,
            },
            Expr::IsNull(negated, a) => Val::Bool(a.eval(row).nothing() != *negated),
            Expr::If(c, a, b) => match c.eval(row) {
                Val::Bool(true) => a.eval(row),
                _ => b.eval(row),
            },
            Expr::Power(a, exponent) => power(&a.eval(row), *exponent),
            Expr::Element(items, at) => {
                let at = if *at < 0 { at + 3 } else { *at };
                let item = usize::try_from(at).ok().and_then(|at| items.get(at));
                item.map_or(Val::Missing, |item| element(item.eval(row)))
            }
            Expr::Call(name, args) => call(name, args.iter().map(|arg| arg.eval(row)).collect()),
        }
    }
}

/// An array has no holes.
fn element(value: Val) -> Val {
    if matches!(value, Val::Missing) { Val::Null } else { value }
}

fn call(name: &str, args: Vec<Val>) -> Val {
    match (name, &args[..]) {
        ("is_null", [a]) => Val::Bool(a.nothing()),
        ("abs", [Val::Int(int)]) => int.checked_abs().map_or(Val::Missing, Val::Int),
        ("abs", [Val::Float(float)]) => Val::Float(float.abs()),
        ("len", [Val::Array(items)]) => Val::Int(items.len() as i64),
        ("len", [text]) => text.text().map_or(Val::Missing, |text| Val::Int(text.chars().count() as i64)),
        ("coalesce", [a, b]) => match (a, b) {
            (a, _) if !a.nothing() => a.clone(),
            (Val::Null, Val::Missing) => Val::Null,
            (_, b) => b.clone(),
        },
        ("min" | "max", [a, b]) => match a.order(b) {
            Some(order) if if name == "min" { order.is_gt() } else { order.is_lt() } => b.clone(),
            Some(_) => a.clone(),
            None => Val::Missing,
        },
        _ => Val::Missing,
    }
}

/// What the program has seen of one stream.
#[derive(Debug, Default, Clone)]
struct Memory {
    /// By operation.
    passed: [usize; 4],
    seen: [Vec<Row>; 4],
}

struct Interpreter<'a> {
    streams: &'a [Stream],
    memory: Vec<Memory>,
    out: Vec<String>,
}

impl Interpreter<'_> {
    fn event(&mut self, row: &Row) {
        for number in 0..self.streams.len() {
            if matches!(self.streams[number].source, Source::Type) {
                self.run(number, row.clone());
            }
        }
    }

    fn run(&mut self, number: usize, mut row: Row) {
        let stream = &self.streams[number];
        for (at, op) in stream.ops.iter().chain(&stream.emit).enumerate() {
            let memory = &mut self.memory[number];
            match op {
                Op::Where(condition) | Op::Filter(condition) => {
                    if !matches!(condition.eval(&row), Val::Bool(true)) {
                        return;
                    }
                }
                Op::Limit(count) => {
                    memory.passed[at] += 1;
                    if memory.passed[at] > *count {
                        return;
                    }
                }
                Op::Distinct(value) => {
                    let mut key = match value {
                        Some(value) => vec![(0, value.eval(&row))],
                        None => row.clone(),
                    };
                    key.sort_by_key(|(name, _)| *name);
                    let same = |other: &Row| {
                        let pairs = || key.iter().zip(other);
                        key.len() == other.len() && pairs().all(|(a, b)| a.0 == b.0 && a.1.equals(&b.1))
                    };
                    if memory.seen[at].iter().any(same) {
                        return;
                    }
                    memory.seen[at].push(key);
                }
                Op::Emit(fields) if fields.is_empty() => {}
                Op::Select(fields) | Op::Map(fields) | Op::Emit(fields) => {
                    let values = fields.iter().map(|(name, value)| (*name, value.eval(&row)));
                    row = values.filter(|(_, value)| !matches!(value, Val::Missing)).collect();
                }
            }
        }
        if stream.emit.is_some() {
            let fields: String = row.iter().map(|(name, value)| format!(",\"{}\":{value}", NAMES[*name])).collect();
            self.out.push(format!(r#"{{"event_type":"S{number}","timestamp":"1970-01-01T00:00:00Z"{fields}}}"#));
        }
        for reader in number + 1..self.streams.len() {
            match self.streams[reader].source {
                Source::Stream(read) if read == number => self.run(reader, row.clone()),
                Source::Merge(a, b) if a == number || b == number => self.run(reader, row.clone()),
                _ => {}
            }
        }
    }
}

/// The line with every float as its bits: how floats are spelt is another test's business.
fn with_bits(line: &str) -> String {
    let mut out = String::new();
    for (at, part) in line.split('"').enumerate() {
        if at % 2 == 1 {
            _ = write!(out, "\"{part}\"");
            continue;
        }
        for token in part.split_inclusive([',', ':', '[', ']', '{', '}']) {
            let (number, end) = token.split_at(token.trim_end_matches([',', ':', '[', ']', '{', '}']).len());
            match number.parse::<f64>() {
                Ok(float) if number.contains(['.', 'e']) => _ = write!(out, "<{:x}>{end}", float.to_bits()),
                _ => out += token,
            }
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn streams_do_what_their_text_says(streams in streams(), events in events()) {
        let program = text_of(&streams);
        let records: Vec<String> = events
            .iter()
            .map(|row| {
                let fields: String = row.iter().map(|(name, value)| format!(", \"{}\": {value}", NAMES[*name])).collect();
                format!(r#"{{"event_type": "T"{fields}}}"#)
            })
            .collect();
        let mut slots: Vec<Slot> = records.iter().map(|record| slot(record)).collect();
        engine(&program).process(&mut slots);
        let found: Vec<String> = lines(&slots).iter().map(|line| with_bits(line)).collect();

        let memory = vec![Memory::default(); streams.len()];
        let mut interpreter = Interpreter { streams: &streams, memory, out: Vec::new() };
        events.iter().for_each(|row| interpreter.event(row));
        let expected: Vec<String> = interpreter.out.iter().map(|line| with_bits(line)).collect();
        prop_assert_eq!(found, expected, "{}\n{}", program, records.join("\n"));
    }
}
