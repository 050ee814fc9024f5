//! Evaluation. Nothing here allocates but in the record's arena.

use std::cmp::Ordering;

use bumpalo::collections::Vec as ArenaVec;

use crate::check::program::Function;
use crate::expr::text::Text;
use crate::expr::{Arithmetic, Comparison, Context, Expr, Why, functions};
use crate::syntax::ast::BinaryOp;
use crate::value::{self, Number, NumberKind, Value};

/// The most elements that a range may have.
const RANGE_ELEMENTS: u64 = 10_000;
/// The most bits by which an int may be shifted.
const SHIFT_LIMIT: u32 = i64::BITS;

impl Expr {
    /// Whether the expression is true; false, missing, null and everything else are not.
    #[inline]
    pub(crate) fn holds<'a>(&'a self, cx: &Context<'a>) -> bool {
        match self {
            Expr::Order(comparison) => match comparison.plain(cx) {
                Some(holds) => holds,
                None => matches!(compared(cx, comparison), Value::Bool(true)),
            },
            Expr::And(sides) => sides[0].holds(cx) && sides[1].holds(cx),
            _ => match self.eval(cx) {
                Value::Bool(bool) => bool,
                Value::Missing | Value::Null => {
                    if self.is_leaf() {
                        cx.missing(Why::MissingOperand);
                    }
                    false
                }
                _ => {
                    cx.missing(Why::WrongType);
                    false
                }
            },
        }
    }

    /// The value; a leaf costs no call, and a formula none that goes through memory.
    #[inline(always)]
    pub(crate) fn value<'a>(&'a self, cx: &Context<'a>) -> Value<'a> {
        match self {
            Expr::Constant(constant) => constant.view(cx.arena),
            Expr::Column(column) => cx.column(*column),
            Expr::Register(register) => cx.register(*register),
            Expr::Arithmetic(arithmetic) => match arithmetic.number(cx) {
                Some(number) => number.into(),
                None => computed(cx, arithmetic),
            },
            _ => self.eval(cx),
        }
    }

    /// The expression's value.
    pub(crate) fn eval<'a>(&'a self, cx: &Context<'a>) -> Value<'a> {
        match self {
            Expr::Constant(_) | Expr::Column(_) | Expr::Register(_) | Expr::Arithmetic(_) => self.value(cx),
            Expr::Order(comparison) => match comparison.plain(cx) {
                Some(holds) => Value::Bool(holds),
                None => compared(cx, comparison),
            },
            _ => self.eval_rarer(cx),
        }
    }

    /// [`eval`](Self::eval) of everything but leaves, orderings and arithmetic, apart so that those need little stack.
    #[inline(never)]
    fn eval_rarer<'a>(&'a self, cx: &Context<'a>) -> Value<'a> {
        match self {
            Expr::Constant(_) | Expr::Column(_) | Expr::Register(_) | Expr::Order(_) | Expr::Arithmetic(_) => {
                self.eval(cx)
            }
            Expr::Parameter(parameter) => cx.parameters[*parameter].get(),
            Expr::EventType => Value::Str(cx.event_type),
            Expr::Time => Value::Timestamp(cx.time()),
            Expr::TimestampOrTime => match cx.column(crate::decode::TIMESTAMP) {
                Value::Missing => Value::Timestamp(cx.time()),
                value => value,
            },
            Expr::Untouched(column) => cx.untouched(*column),
            Expr::UntouchedRecord => {
                let fields = cx.data_fields().map(|(name, field)| (name, field.value.untouched(cx.record, cx.arena)));
                Value::Map(ArenaVec::from_iter_in(fields, cx.arena).into_bump_slice())
            }
            Expr::Record => {
                let fields = cx.data_fields().map(|(name, field)| (name, field.value.value(cx.record, cx.arena)));
                Value::Map(ArenaVec::from_iter_in(fields, cx.arena).into_bump_slice())
            }
            Expr::Array(items) => {
                Value::Array(cx.arena.alloc_slice_fill_iter(items.iter().map(|item| element(item.eval(cx)))))
            }
            Expr::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| (&**key, value.eval(cx)));
                let entries = ArenaVec::from_iter_in(entries.filter(|(_, value)| !value.is_missing()), cx.arena);
                Value::Map(entries.into_bump_slice())
            }
            Expr::Member(of, field) => match of.eval(cx) {
                Value::Map(entries) => value::entry(entries, field).unwrap_or(Value::Missing),
                _ => Value::Missing,
            },
            Expr::Index(parts) => index(cx, &parts[0], &parts[1]),
            Expr::Slice(of, from, to) => slice(cx, of, from.as_deref(), to.as_deref()),
            // What it gives back it takes as it is; all others compute.
            Expr::Call(Function::Coalesce, args) => functions::call(cx, Function::Coalesce, args),
            Expr::Call(function, args) => functions::call(cx, *function, args).plain(),
            Expr::UserCall(call) => call.eval(cx).plain(),
            Expr::Each { keep, over, body, parameter } => each(cx, *keep, over, body, *parameter),
            Expr::Negate(operand) => match operand.eval(cx) {
                Value::Int(int) => int.checked_neg().map_or_else(|| cx.missing(Why::Overflow), Value::Int),
                Value::Float(float, _) => Value::float(-float),
                Value::Duration(nanos) => {
                    nanos.checked_neg().map_or_else(|| cx.missing(Why::Overflow), Value::Duration)
                }
                other => unusable(cx, [(&**operand, other)]),
            },
            Expr::BitNot(operand) => match operand.eval(cx) {
                Value::Int(int) => Value::Int(!int),
                other => unusable(cx, [(&**operand, other)]),
            },
            Expr::Not(operand) => match operand.eval(cx) {
                Value::Bool(bool) => Value::Bool(!bool),
                other => unusable(cx, [(&**operand, other)]),
            },
            Expr::And(sides) => connect(cx, sides, false),
            Expr::Or(sides) => connect(cx, sides, true),
            Expr::Equal { negated, sides } => match (sides[0].eval(cx), sides[1].eval(cx)) {
                (left @ Value::Missing, right) | (left, right @ Value::Missing) => {
                    unusable(cx, [(&sides[0], left), (&sides[1], right)])
                }
                (left, right) => Value::Bool(left.equals(right) != *negated),
            },
            Expr::In { negated, sides } => match contains(cx, &sides[0], &sides[1]) {
                Value::Bool(found) => Value::Bool(found != *negated),
                missing => missing,
            },
            Expr::IsNull { negated, operand } => Value::Bool(operand.eval(cx).is_nothing() != *negated),
            Expr::Range { inclusive, ends } => match (ends[0].eval(cx), ends[1].eval(cx)) {
                (Value::Int(from), Value::Int(to)) => {
                    range(cx, from, if *inclusive { to.saturating_add(1) } else { to }, 1)
                }
                (from, to) => unusable(cx, [(&ends[0], from), (&ends[1], to)]),
            },
            Expr::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                match condition.eval(cx) {
                    Value::Bool(true) => then.eval(cx),
                    _ => otherwise.eval(cx),
                }
            }
        }
    }
}

/// Missing, because some operand is: counted where that is a leaf's doing, since any other counted its own cause. If no
/// operand is missing or null, one has the wrong type.
#[cold]
pub(super) fn unusable<'a, const N: usize>(cx: &Context<'a>, operands: [(&Expr, Value<'a>); N]) -> Value<'a> {
    if operands.iter().any(|(expr, value)| value.is_nothing() && expr.is_leaf()) {
        cx.missing(Why::MissingOperand)
    } else if operands.iter().any(|(_, value)| value.is_missing()) {
        Value::Missing
    } else if operands.iter().any(|(_, value)| value.is_nothing()) {
        cx.missing(Why::MissingOperand)
    } else {
        cx.missing(Why::WrongType)
    }
}

/// What an array holds in place of a missing element.
#[inline]
pub(super) fn element(value: Value) -> Value {
    if value.is_missing() { Value::Null } else { value }
}

/// `and` (decided by false) and `or` (decided by true): one operand that decides outweighs a missing one.
fn connect<'a>(cx: &Context<'a>, sides: &'a [Expr; 2], decisive: bool) -> Value<'a> {
    let mut result = Value::Bool(!decisive);
    for side in sides {
        match side.eval(cx) {
            Value::Bool(bool) if bool == decisive => return Value::Bool(decisive),
            Value::Bool(_) => {}
            other => result = unusable(cx, [(side, other)]),
        }
    }
    result
}

fn index<'a>(cx: &Context<'a>, of: &'a Expr, at: &'a Expr) -> Value<'a> {
    let found = match (of.eval(cx), at.eval(cx)) {
        (Value::Array(items), Value::Int(at)) => from_either_end(at, items.len()).map(|at| items[at]),
        (Value::Str(text), Value::Int(at)) => {
            let len = if at < 0 { text.chars().count() } else { usize::MAX };
            from_either_end(at, len)
                .and_then(|at| text.char_indices().nth(at))
                .map(|(start, char)| Value::Str(&text[start..start + char.len_utf8()]))
        }
        (Value::Map(entries), Value::Str(key)) => value::entry(entries, key),
        (of_value, at_value) => return unusable(cx, [(of, of_value), (at, at_value)]),
    };
    found.unwrap_or_else(|| cx.missing(Why::OutOfRange))
}

/// The index that `at` means: one below zero counts from the end.
pub(super) fn from_either_end(at: i64, len: usize) -> Option<usize> {
    let at =
        if at < 0 { len.checked_sub(usize::try_from(at.unsigned_abs()).ok()?)? } else { usize::try_from(at).ok()? };
    (at < len).then_some(at)
}

fn slice<'a>(cx: &Context<'a>, of: &'a Expr, from: Option<&'a Expr>, to: Option<&'a Expr>) -> Value<'a> {
    let end = |expr: Option<&'a Expr>, default: i64| expr.map_or(Value::Int(default), |expr| expr.eval(cx));
    let (of_value, from_value, to_value) = (of.eval(cx), end(from, 0), end(to, i64::MAX));
    match (of_value, from_value, to_value) {
        (Value::Array(items), Value::Int(from), Value::Int(to)) => {
            let (from, to) = stretch(from, to, items.len());
            Value::Array(&items[from..to])
        }
        (Value::Str(text), Value::Int(from), Value::Int(to)) => Value::Str(code_points(text, from, to)),
        _ => unusable(cx, [(of, of_value), (from.unwrap_or(of), from_value), (to.unwrap_or(of), to_value)]),
    }
}

/// The part of `text` from code point `from` up to `to`, both cut to what there is, negative ones counted from the end.
pub(super) fn code_points(text: &str, from: i64, to: i64) -> &str {
    let (from, to) = stretch(from, to, text.chars().count());
    let mut starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let start = starts.nth(from).unwrap_or(text.len());
    let end = if to > from { starts.nth(to - from - 1).unwrap_or(text.len()) } else { start };
    &text[start..end]
}

fn stretch(from: i64, to: i64, len: usize) -> (usize, usize) {
    let cut = |at: i64| {
        let magnitude = usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX);
        if at < 0 { len.saturating_sub(magnitude) } else { len.min(magnitude) }
    };
    let from = cut(from);
    (from, cut(to).max(from))
}

fn each<'a>(cx: &Context<'a>, keep: bool, over: &'a Expr, body: &'a Expr, parameter: usize) -> Value<'a> {
    let items = match over.eval(cx) {
        Value::Array(items) => items,
        other => return unusable(cx, [(over, other)]),
    };
    let mut results = ArenaVec::with_capacity_in(items.len(), cx.arena);
    for &item in items {
        cx.parameters[parameter].set(item);
        if !keep {
            results.push(element(body.eval(cx)));
        } else if body.holds(cx) {
            results.push(item);
        }
    }
    Value::Array(results.into_bump_slice())
}

/// Whether `item` is an element of the array, a key of the map or a part of the string `all`.
pub(super) fn contains<'a>(cx: &Context<'a>, item: &'a Expr, all: &'a Expr) -> Value<'a> {
    let value = item.eval(cx);
    // A range need not be laid out to be looked into.
    if let (Expr::Range { inclusive, ends }, Value::Int(int)) = (all, value)
        && let (Value::Int(from), Value::Int(to)) = (ends[0].eval(cx), ends[1].eval(cx))
    {
        return Value::Bool(from <= int && (int < to || *inclusive && int == to));
    }
    match (value, all.eval(cx)) {
        (Value::Missing, collection) => unusable(cx, [(item, Value::Missing), (all, collection)]),
        (value, Value::Array(items)) => Value::Bool(items.iter().any(|item| item.equals(value))),
        (Value::Str(key), Value::Map(entries)) => Value::Bool(value::entry(entries, key).is_some()),
        (Value::Str(part), Value::Str(text)) => Value::Bool(text.contains(part)),
        (value, collection) => unusable(cx, [(item, value), (all, collection)]),
    }
}

/// The ints from `from` on, `step` apart, up to but without `to`.
pub(super) fn range<'a>(cx: &Context<'a>, from: i64, to: i64, step: i64) -> Value<'a> {
    let distance = if step > 0 { i128::from(to) - i128::from(from) } else { i128::from(from) - i128::from(to) };
    if step == 0 {
        return cx.missing(Why::OutOfRange);
    }
    let count = u64::try_from(distance.max(0)).unwrap_or(u64::MAX).div_ceil(step.unsigned_abs());
    if count > RANGE_ELEMENTS {
        return cx.missing(Why::OutOfRange);
    }
    let ints = (0..count as usize).map(|i| Value::Int(from + i as i64 * step));
    Value::Array(cx.arena.alloc_slice_fill_iter(ints))
}

/// What an operator makes of its two operands, whatever they are.
#[inline(never)]
pub(super) fn computed<'a>(cx: &Context<'a>, arithmetic: &'a Arithmetic) -> Value<'a> {
    let [left, right] = &arithmetic.sides;
    let (left_value, right_value) = (left.value(cx), right.value(cx));
    match self::arithmetic(cx, arithmetic.op, left_value, right_value) {
        Ok(value) => value,
        Err(Why::WrongType) => unusable(cx, [(left, left_value), (right, right_value)]),
        Err(why) => cx.missing(why),
    }
}

/// What a comparison makes of its two operands, whatever they are.
#[inline(never)]
fn compared<'a>(cx: &Context<'a>, comparison: &'a Comparison) -> Value<'a> {
    let [left, right] = &comparison.sides;
    let (left_value, right_value) = (left.value(cx), right.value(cx));
    match left_value.order(right_value) {
        Ok(found) => Value::Bool(comparison.order.admits(found)),
        Err(_) => unusable(cx, [(left, left_value), (right, right_value)]),
    }
}

/// The operators `+ - * / % **` and those on bits.
///
/// # Errors
/// [`Why::WrongType`] also when an operand is missing or null, which the caller tells apart.
pub(super) fn arithmetic<'a>(
    cx: &Context<'a>,
    op: BinaryOp,
    left: Value<'a>,
    right: Value<'a>,
) -> Result<Value<'a>, Why> {
    match (left.number(), right.number()) {
        (Some(a), Some(b)) => number_arithmetic(op, a, b).map(Value::from),
        _ => other_arithmetic(cx, op, left, right),
    }
}

/// [`arithmetic`] of numbers.
#[inline(always)]
pub(super) fn number_arithmetic(op: BinaryOp, left: Number, right: Number) -> Result<Number, Why> {
    match (left.kind(), right.kind()) {
        (NumberKind::Int(a), NumberKind::Int(b)) => int_arithmetic(op, a, b),
        _ => float_arithmetic(op, left.as_float(), right.as_float()).map(Number::float),
    }
}

/// [`arithmetic`] of all but numbers.
#[inline(never)]
fn other_arithmetic<'a>(cx: &Context<'a>, op: BinaryOp, left: Value<'a>, right: Value<'a>) -> Result<Value<'a>, Why> {
    match (left, right) {
        (Value::Str(a), Value::Str(b)) if op == BinaryOp::Add => {
            let mut text = Text::with_capacity(a.len() + b.len(), cx);
            text.push(a);
            text.push(b);
            Ok(text.finish(cx))
        }
        _ => time_arithmetic(op, left, right),
    }
}

#[inline]
fn int_arithmetic(op: BinaryOp, a: i64, b: i64) -> Result<Number, Why> {
    let by_zero = |value: Option<i64>| if b == 0 { Err(Why::DivisionByZero) } else { value.ok_or(Why::Overflow) };
    let shift = |shifted: fn(i64, u32) -> i64| {
        u32::try_from(b).ok().filter(|by| *by < SHIFT_LIMIT).map(|by| shifted(a, by)).ok_or(Why::Overflow)
    };
    let int = match op {
        BinaryOp::Add => a.checked_add(b).ok_or(Why::Overflow),
        BinaryOp::Subtract => a.checked_sub(b).ok_or(Why::Overflow),
        BinaryOp::Multiply => a.checked_mul(b).ok_or(Why::Overflow),
        BinaryOp::Divide => by_zero(a.checked_div(b)),
        // The remainder of a division by −1 is 0, even where the quotient overflows.
        BinaryOp::Remainder => by_zero(Some(a.checked_rem(b).unwrap_or(0))),
        BinaryOp::Power if b < 0 => return float_arithmetic(op, a as f64, b as f64).map(Number::float),
        BinaryOp::Power => int_power(a, b),
        BinaryOp::BitAnd => Ok(a & b),
        BinaryOp::BitOr => Ok(a | b),
        BinaryOp::BitXor => Ok(a ^ b),
        BinaryOp::ShiftLeft => shift(|a, by| a << by),
        BinaryOp::ShiftRight => shift(|a, by| a >> by),
        _ => Err(Why::WrongType),
    };
    int.map(Number::int)
}

fn int_power(base: i64, exponent: i64) -> Result<i64, Why> {
    match (base, u32::try_from(exponent)) {
        (0 | 1, _) => Ok(if exponent == 0 { 1 } else { base }),
        (-1, _) => Ok(if exponent % 2 == 0 { 1 } else { -1 }),
        (_, Ok(exponent)) => base.checked_pow(exponent).ok_or(Why::Overflow),
        _ => Err(Why::Overflow),
    }
}

#[inline]
fn float_arithmetic(op: BinaryOp, a: f64, b: f64) -> Result<f64, Why> {
    let result = match op {
        BinaryOp::Add => a + b,
        BinaryOp::Subtract => a - b,
        BinaryOp::Multiply => a * b,
        BinaryOp::Divide | BinaryOp::Remainder if b == 0.0 => return Err(Why::DivisionByZero),
        BinaryOp::Divide => a / b,
        BinaryOp::Remainder => a % b,
        BinaryOp::Power if a == 0.0 && b < 0.0 => return Err(Why::DivisionByZero),
        BinaryOp::Power => a.powf(b),
        _ => return Err(Why::WrongType),
    };
    if result.is_infinite() { infinite(result, a, b) } else { Ok(result) }
}

/// An infinite result is an overflow, unless it is the infinity that an operand was.
#[cold]
fn infinite(result: f64, a: f64, b: f64) -> Result<f64, Why> {
    if a.is_finite() && b.is_finite() { Err(Why::Overflow) } else { Ok(result) }
}

/// Instants and durations: their differences and sums, and multiples and fractions of durations.
fn time_arithmetic<'a>(op: BinaryOp, left: Value<'a>, right: Value<'a>) -> Result<Value<'a>, Why> {
    use BinaryOp::{Add, Divide, Multiply, Subtract};
    use Value::{Duration, Int, Timestamp};
    let whole = |nanos: Option<i64>| nanos.ok_or(Why::Overflow);
    match (op, left, right) {
        (Subtract, Timestamp(a), Timestamp(b)) => whole(a.checked_sub(b)).map(Duration),
        (Add, Timestamp(a), Duration(b)) | (Add, Duration(a), Timestamp(b)) => whole(a.checked_add(b)).map(Timestamp),
        (Subtract, Timestamp(a), Duration(b)) => whole(a.checked_sub(b)).map(Timestamp),
        (Add, Duration(a), Duration(b)) => whole(a.checked_add(b)).map(Duration),
        (Subtract, Duration(a), Duration(b)) => whole(a.checked_sub(b)).map(Duration),
        (Multiply, Duration(a), Int(b)) | (Multiply, Int(a), Duration(b)) => whole(a.checked_mul(b)).map(Duration),
        (Divide, Duration(_), Int(0) | Duration(0)) => Err(Why::DivisionByZero),
        (Divide, Duration(a), Int(b)) => whole(a.checked_div(b)).map(Duration),
        (Divide, Duration(a), Duration(b)) => Ok(Value::float(a as f64 / b as f64)),
        _ => Err(Why::WrongType),
    }
}

/// The order in which `min` and `max` compare; `None` for types without one.
pub(super) fn extreme_order(a: Value, b: Value) -> Option<Ordering> {
    a.order(b).ok().map(|order| order.unwrap_or(Ordering::Equal))
}
