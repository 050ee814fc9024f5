//! The built-in functions.
//!
//! An argument that is missing or null makes the result missing, except where the function is about just that
//! (`is_null`, `coalesce`, `type_of`, `to_string`) or merely stores it (`push`, `set`, the default of `get`, an array's
//! element). An argument of the wrong type makes it missing, too.

use std::time::{SystemTime, UNIX_EPOCH};

use bumpalo::collections::{String as ArenaString, Vec as ArenaVec};

use crate::check::program::Function;
use crate::encode;
use crate::expr::eval::{arithmetic, code_points, contains, element, extreme_order, from_either_end, range, unusable};
use crate::expr::text::Text;
use crate::expr::{Context, Expr, Why};
use crate::number;
use crate::syntax::ast::BinaryOp;
use crate::time;
use crate::value::{self, Value};

/// The least float above every `i64`.
const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

/// Calls `function`; the checker saw to the number of arguments.
pub(super) fn call<'a>(cx: &Context<'a>, function: Function, args: &'a [Expr]) -> Value<'a> {
    match args {
        [] => Value::Timestamp(now()),
        [only] if function == Function::Coalesce => only.eval(cx),
        [only] => one(cx, function, only, only.eval(cx)),
        _ if function == Function::Coalesce => {
            let mut rest = args.iter().map(|arg| arg.eval(cx));
            let mut null = Value::Missing;
            rest.find(|value| {
                null = if matches!(value, Value::Null) { Value::Null } else { null };
                !value.is_nothing()
            })
            .unwrap_or(null)
        }
        _ if matches!(function, Function::Min | Function::Max) => {
            let values = ArenaVec::from_iter_in(args.iter().map(|arg| arg.eval(cx)), cx.arena);
            match values.iter().zip(args).find(|(value, _)| value.is_nothing()) {
                Some((value, arg)) => unusable(cx, [(arg, *value)]),
                None => extreme(cx, function, values.into_bump_slice()),
            }
        }
        _ if function == Function::Concat => concat(cx, args),
        [left, right] if function == Function::Contains => contains(cx, right, left),
        [first, second] => two(cx, function, (first, first.eval(cx)), (second, second.eval(cx))),
        [first, second, third, ..] => {
            three(cx, function, (first, first.eval(cx)), (second, second.eval(cx)), (third, third.eval(cx)))
        }
    }
}

/// The wall clock: the one function whose result is not determined by the input.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i64)
}

fn one<'a>(cx: &Context<'a>, function: Function, arg: &'a Expr, value: Value<'a>) -> Value<'a> {
    match (function, value) {
        (Function::IsNull, value) => Value::Bool(value.is_nothing()),
        (Function::TypeOf, value) if !value.is_missing() => Value::Str(value.type_name()),
        (Function::ToString, value) if !value.is_missing() => Value::Str(text_of(cx, value)),
        (Function::Abs, Value::Int(int)) => int.checked_abs().map_or_else(|| cx.missing(Why::Overflow), Value::Int),
        (Function::Abs, Value::Float(float, _)) => Value::float(float.abs()),
        (Function::Abs, Value::Duration(nanos)) => {
            nanos.checked_abs().map_or_else(|| cx.missing(Why::Overflow), Value::Duration)
        }
        (Function::Floor | Function::Ceil | Function::Round, Value::Int(int)) => Value::Int(int),
        (Function::Floor, Value::Float(float, _)) => whole(cx, float.floor()),
        (Function::Ceil, Value::Float(float, _)) => whole(cx, float.ceil()),
        (Function::Round, Value::Float(float, _)) => whole(cx, float.round()),
        (Function::Sqrt, Value::Int(_) | Value::Float(..)) => real(value, f64::sqrt),
        (Function::Log, Value::Int(_) | Value::Float(..)) => real(value, f64::ln),
        (Function::Log10, Value::Int(_) | Value::Float(..)) => real(value, f64::log10),
        (Function::Exp, Value::Int(_) | Value::Float(..)) => real(value, f64::exp),
        (Function::Sin, Value::Int(_) | Value::Float(..)) => real(value, f64::sin),
        (Function::Cos, Value::Int(_) | Value::Float(..)) => real(value, f64::cos),
        (Function::Tan, Value::Int(_) | Value::Float(..)) => real(value, f64::tan),
        (Function::ToInt, Value::Int(int)) => Value::Int(int),
        (Function::ToInt, Value::Bool(bool)) => Value::Int(bool.into()),
        (Function::ToInt, Value::Float(float, _)) => whole(cx, float.trunc()),
        (Function::ToInt, Value::Timestamp(nanos) | Value::Duration(nanos)) => Value::Int(nanos.div_euclid(1_000_000)),
        (Function::ToInt, Value::Str(text)) => match number::from_text(text) {
            Some(Value::Float(float, _)) => whole(cx, float.trunc()),
            Some(int) => int,
            None => cx.missing(Why::WrongType),
        },
        (Function::ToFloat, Value::Int(_) | Value::Float(..)) => real(value, |float| float),
        (Function::ToFloat, Value::Bool(bool)) => Value::float(f64::from(u8::from(bool))),
        (Function::ToFloat, Value::Str(text)) => match number::from_text(text).and_then(Value::as_float) {
            Some(float) => Value::float(float),
            None => cx.missing(Why::WrongType),
        },
        (Function::Len, Value::Str(text)) => Value::Int(text.chars().count() as i64),
        (Function::Len, Value::Array(items)) => Value::Int(items.len() as i64),
        (Function::Len, Value::Map(entries)) => Value::Int(entries.len() as i64),
        (Function::Trim, Value::Str(text)) => Value::Str(text.trim()),
        (Function::Lower, Value::Str(text)) => Value::Str(collect(cx, text.chars().flat_map(char::to_lowercase))),
        (Function::Upper, Value::Str(text)) => Value::Str(collect(cx, text.chars().flat_map(char::to_uppercase))),
        (Function::Reverse, Value::Str(text)) => Value::Str(collect(cx, text.chars().rev())),
        (Function::Reverse, Value::Array(items)) => {
            Value::Array(cx.arena.alloc_slice_fill_iter(items.iter().rev().copied()))
        }
        (Function::First, Value::Array(items)) => items.first().copied().unwrap_or_else(|| cx.missing(Why::OutOfRange)),
        (Function::Last, Value::Array(items)) => items.last().copied().unwrap_or_else(|| cx.missing(Why::OutOfRange)),
        (Function::Pop, Value::Array(items)) => Value::Array(items.split_last().map_or(items, |(_, rest)| rest)),
        (Function::Sort, Value::Array(items)) => {
            let sorted = cx.arena.alloc_slice_copy(items);
            // Ties stay in order without the buffer that a stable sort would allocate: equal values look alike.
            sorted.sort_unstable_by(|a, b| a.sorting_order(*b));
            Value::Array(sorted)
        }
        (Function::Range, Value::Int(to)) => range(cx, 0, to, 1),
        (Function::Sum, Value::Array(items)) => sum(cx, items),
        (Function::Avg, Value::Array(items)) => avg(cx, items),
        (Function::Min | Function::Max, Value::Array(items)) => extreme(cx, function, items),
        (Function::Min | Function::Max, value) if !value.is_nothing() => value,
        (Function::Concat, value) if !value.is_nothing() => concat(cx, std::slice::from_ref(arg)),
        (Function::Keys, Value::Map(entries)) => {
            Value::Array(cx.arena.alloc_slice_fill_iter(entries.iter().map(|(key, _)| Value::Str(key))))
        }
        (Function::Values, Value::Map(entries)) => {
            Value::Array(cx.arena.alloc_slice_fill_iter(entries.iter().map(|(_, value)| *value)))
        }
        (_, value) => unusable(cx, [(arg, value)]),
    }
}

type Arg<'a> = (&'a Expr, Value<'a>);

fn two<'a>(cx: &Context<'a>, function: Function, first: Arg<'a>, second: Arg<'a>) -> Value<'a> {
    match (function, first.1, second.1) {
        (Function::Pow, a, b) => match arithmetic(cx, BinaryOp::Power, a, b) {
            Ok(value) => value,
            Err(Why::WrongType) => unusable(cx, [first, second]),
            Err(why) => cx.missing(why),
        },
        (Function::StartsWith, Value::Str(text), Value::Str(part)) => Value::Bool(text.starts_with(part)),
        (Function::EndsWith, Value::Str(text), Value::Str(part)) => Value::Bool(text.ends_with(part)),
        (Function::Split, Value::Str(text), Value::Str("")) => {
            let chars = text.char_indices().map(|(at, char)| Value::Str(&text[at..at + char.len_utf8()]));
            Value::Array(ArenaVec::from_iter_in(chars, cx.arena).into_bump_slice())
        }
        (Function::Split, Value::Str(text), Value::Str(separator)) => {
            Value::Array(ArenaVec::from_iter_in(text.split(separator).map(Value::Str), cx.arena).into_bump_slice())
        }
        (Function::Join, Value::Array(items), Value::Str(separator)) => {
            let mut text = Text::with_capacity(0, cx);
            for (i, item) in items.iter().enumerate() {
                text.push(if i > 0 { separator } else { "" });
                text.push(text_of(cx, *item));
            }
            text.finish(cx)
        }
        (Function::Substring, Value::Str(text), Value::Int(from)) => Value::Str(code_points(text, from, i64::MAX)),
        (Function::Push, Value::Array(items), value) => {
            let all = items.iter().copied().chain([element(value)]);
            Value::Array(ArenaVec::from_iter_in(all, cx.arena).into_bump_slice())
        }
        (Function::Range, Value::Int(from), Value::Int(to)) => range(cx, from, to, 1),
        (Function::Get, of, key) => get(of, key).unwrap_or_else(|| unusable_or_absent(cx, first, second)),
        _ => unusable(cx, [first, second]),
    }
}

fn three<'a>(cx: &Context<'a>, function: Function, first: Arg<'a>, second: Arg<'a>, third: Arg<'a>) -> Value<'a> {
    match (function, first.1, second.1, third.1) {
        (Function::Clamp, value, low, high) => match (value.order(low), value.order(high)) {
            (Ok(Some(order)), _) if order.is_lt() => low,
            (Ok(_), Ok(Some(order))) if order.is_gt() => high,
            (Ok(_), Ok(_)) => value,
            _ => unusable(cx, [first, second, third]),
        },
        (Function::Replace, Value::Str(text), Value::Str(from), Value::Str(to)) => {
            let (mut replaced, mut end) = (Text::with_capacity(text.len(), cx), 0);
            for (start, part) in text.match_indices(from) {
                replaced.push(&text[end..start]);
                replaced.push(to);
                end = start + part.len();
                if replaced.too_long() {
                    break;
                }
            }
            replaced.push(&text[end..]);
            replaced.finish(cx)
        }
        (Function::Substring, Value::Str(text), Value::Int(from), Value::Int(to)) => {
            Value::Str(code_points(text, from, to))
        }
        (Function::Range, Value::Int(from), Value::Int(to), Value::Int(step)) => range(cx, from, to, step),
        (Function::Get, of, key, default) => get(of, key).unwrap_or(default),
        (Function::Set, Value::Map(entries), Value::Str(key), value) => {
            let mut all = ArenaVec::from_iter_in(entries.iter().copied(), cx.arena);
            match all.iter_mut().find(|(name, _)| *name == key) {
                Some((_, old)) => *old = element(value),
                None => all.push((key, element(value))),
            }
            Value::Map(all.into_bump_slice())
        }
        _ => unusable(cx, [first, second, third]),
    }
}

/// A float without a fraction as an int.
fn whole<'a>(cx: &Context<'a>, float: f64) -> Value<'a> {
    if (-TWO_TO_63..TWO_TO_63).contains(&float) { Value::Int(float as i64) } else { cx.missing(Why::Overflow) }
}

fn real<'a>(value: Value<'a>, function: impl FnOnce(f64) -> f64) -> Value<'a> {
    value.as_float().map_or(Value::Missing, |float| Value::float(function(float)))
}

fn collect<'a>(cx: &Context<'a>, chars: impl Iterator<Item = char>) -> &'a str {
    ArenaString::from_iter_in(chars, cx.arena).into_bump_str()
}

fn get<'a>(of: Value<'a>, key: Value<'a>) -> Option<Value<'a>> {
    match (of, key) {
        (Value::Map(entries), Value::Str(key)) => value::entry(entries, key),
        (Value::Array(items), Value::Int(at)) => from_either_end(at, items.len()).map(|at| items[at]),
        _ => None,
    }
}

fn unusable_or_absent<'a>(cx: &Context<'a>, of: Arg<'a>, key: Arg<'a>) -> Value<'a> {
    match (of.1, key.1) {
        (Value::Map(_), Value::Str(_)) | (Value::Array(_), Value::Int(_)) => cx.missing(Why::OutOfRange),
        _ => unusable(cx, [of, key]),
    }
}

/// The sum of the elements, which keeps their type; nulls do not count, and nothing sums up to 0.
fn sum<'a>(cx: &Context<'a>, items: &[Value<'a>]) -> Value<'a> {
    let mut sum = Value::Int(0);
    for item in items.iter().filter(|item| !item.is_nothing()) {
        sum = match (sum, item) {
            (Value::Int(0), Value::Duration(_)) => *item,
            _ => match arithmetic(cx, BinaryOp::Add, sum, *item) {
                Ok(value) => value,
                Err(why) => return cx.missing(why),
            },
        };
    }
    sum
}

fn avg<'a>(cx: &Context<'a>, items: &[Value<'a>]) -> Value<'a> {
    let count = items.iter().filter(|item| !item.is_nothing()).count();
    if count == 0 {
        return cx.missing(Why::OutOfRange);
    }
    let sum = items.iter().filter(|item| !item.is_nothing()).try_fold(0.0, |sum, item| Some(sum + item.as_float()?));
    sum.map_or_else(|| cx.missing(Why::WrongType), |sum| Value::float(sum / count as f64))
}

/// The least or greatest of `items`, nulls aside; the first of equals.
fn extreme<'a>(cx: &Context<'a>, function: Function, items: &'a [Value<'a>]) -> Value<'a> {
    let mut items = items.iter().copied().filter(|item| !item.is_nothing());
    let Some(mut best) = items.next() else { return cx.missing(Why::OutOfRange) };
    for item in items {
        match extreme_order(item, best) {
            Some(order) if if function == Function::Min { order.is_lt() } else { order.is_gt() } => best = item,
            Some(_) => {}
            None => return cx.missing(Why::WrongType),
        }
    }
    best
}

/// Arrays one after the other, or everything as text one after the other.
fn concat<'a>(cx: &Context<'a>, args: &'a [Expr]) -> Value<'a> {
    let values = ArenaVec::from_iter_in(args.iter().map(|arg| arg.eval(cx)), cx.arena);
    if let Some((value, arg)) = values.iter().zip(args).find(|(value, _)| value.is_nothing()) {
        return unusable(cx, [(arg, *value)]);
    }
    if values.iter().all(|value| matches!(value, Value::Array(_))) {
        let mut all = ArenaVec::new_in(cx.arena);
        for value in &values {
            if let Value::Array(items) = value {
                all.extend_from_slice(items);
            }
        }
        return Value::Array(all.into_bump_slice());
    }
    let mut text = Text::with_capacity(0, cx);
    for value in &values {
        text.push(text_of(cx, *value));
    }
    text.finish(cx)
}

/// A value as text: a string as it is, an instant as RFC 3339, everything else as in JSON.
pub(crate) fn text_of<'a>(cx: &Context<'a>, value: Value<'a>) -> &'a str {
    match value {
        Value::Str(text) => text,
        Value::Null => "null",
        Value::Bool(bool) => {
            if bool {
                "true"
            } else {
                "false"
            }
        }
        Value::Int(int) => bumpalo::format!(in cx.arena, "{}", int).into_bump_str(),
        Value::Float(float, _) if float.is_finite() => cx.arena.alloc_str(zmij::Buffer::new().format_finite(float)),
        Value::Float(float, _) => bumpalo::format!(in cx.arena, "{}", float).into_bump_str(),
        other => {
            let mut json = Vec::new();
            encode::write_value(other, &mut time::Writer::default(), &mut json);
            let text = String::from_utf8_lossy(&json);
            // The JSON of instants and durations is their text in quotes.
            let bare = if matches!(other, Value::Array(_) | Value::Map(_)) { &text } else { text.trim_matches('"') };
            cx.arena.alloc_str(bare)
        }
    }
}
