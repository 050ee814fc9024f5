//! Values: what expressions compute with, how values compare, and the constants of a program.
//!
//! A [`Value`] is a small copyable view. Its text and elements lie in the record, in the plan's constants or in the arena
//! of the record at hand, so nothing is allocated for it and nothing of it outlives the record. State keeps [`Owned`]
//! values instead.

use std::cmp::Ordering;

use bumpalo::Bump;

use crate::number;

/// One value, for as long as its record is at hand.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// No value: an absent field, or the result of what cannot be computed.
    Missing,
    /// JSON's `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number written without point or exponent that fits.
    Int(i64),
    /// Every other number. With its text, if it is merely passed on and that text is not the one that would be written for
    /// it: `50.10`, `1e2`, an int beyond `i64`. Nothing but writing and keeping it looks at the text.
    Float(f64, Option<&'a &'a str>),
    /// Text.
    Str(&'a str),
    /// An array.
    Array(&'a [Value<'a>]),
    /// A map, in the order in which its keys came; no key twice.
    Map(&'a [(&'a str, Value<'a>)]),
    /// An instant, in nanoseconds since 1970.
    Timestamp(i64),
    /// A span of time, in nanoseconds.
    Duration(i64),
}

/// A value that is a number, in two words: a pair of scalars, unlike an enum of an int and a float, is passed and returned
/// in registers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number {
    is_float: bool,
    bits: u64,
}

/// A [`Number`] to look at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum NumberKind {
    /// See [`Value::Int`].
    Int(i64),
    /// See [`Value::Float`].
    Float(f64),
}

impl Number {
    #[inline(always)]
    pub(crate) const fn int(int: i64) -> Number {
        Number { is_float: false, bits: int as u64 }
    }

    #[inline(always)]
    pub(crate) const fn float(float: f64) -> Number {
        Number { is_float: true, bits: float.to_bits() }
    }

    #[inline(always)]
    pub(crate) fn kind(self) -> NumberKind {
        if self.is_float { NumberKind::Float(f64::from_bits(self.bits)) } else { NumberKind::Int(self.bits as i64) }
    }

    #[inline(always)]
    pub(crate) fn as_float(self) -> f64 {
        match self.kind() {
            NumberKind::Int(int) => int as f64,
            NumberKind::Float(float) => float,
        }
    }
}

impl From<Number> for Value<'_> {
    #[inline(always)]
    fn from(number: Number) -> Self {
        match number.kind() {
            NumberKind::Int(int) => Value::Int(int),
            NumberKind::Float(float) => Value::float(float),
        }
    }
}

/// Two values of types that have no order between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incomparable;

impl<'a> Value<'a> {
    /// A float that was computed, or whose text does not matter.
    #[inline(always)]
    pub fn float(float: f64) -> Self {
        Value::Float(float, None)
    }

    /// The value without the text that a number came in with.
    #[inline(always)]
    pub fn plain(self) -> Self {
        match self {
            Value::Float(float, Some(_)) => Value::float(float),
            other => other,
        }
    }

    /// The number that it is, if it is one.
    #[inline(always)]
    pub(crate) fn number(self) -> Option<Number> {
        match self {
            Value::Int(int) => Some(Number::int(int)),
            Value::Float(float, _) => Some(Number::float(float)),
            _ => None,
        }
    }

    /// Whether this is [`Value::Missing`].
    #[inline]
    pub fn is_missing(self) -> bool {
        matches!(self, Value::Missing)
    }

    /// Whether this is missing or null, which arithmetic and orderings treat alike.
    #[inline]
    pub fn is_nothing(self) -> bool {
        matches!(self, Value::Missing | Value::Null)
    }

    /// The type's name, as `type_of` gives it.
    pub fn type_name(self) -> &'static str {
        match self {
            Value::Missing => "missing",
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(..) => "float",
            Value::Str(_) => "string",
            Value::Array(_) => "array",
            Value::Map(_) => "map",
            Value::Timestamp(_) => "timestamp",
            Value::Duration(_) => "duration",
        }
    }

    /// Equality by value: ints equal floats, null equals null alone, different types are unequal.
    pub fn equals(self, other: Value) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Str(a), Value::Str(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Float(a, _), Value::Float(b, _)) => a == b,
            (Value::Int(a), Value::Float(b, _)) | (Value::Float(b, _), Value::Int(a)) => {
                int_against_float(a, b) == Some(Ordering::Equal)
            }
            (Value::Timestamp(a), Value::Timestamp(b)) | (Value::Duration(a), Value::Duration(b)) => a == b,
            (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equals(*b)),
            (Value::Map(a), Value::Map(b)) => {
                a.len() == b.len() && a.iter().all(|(key, a)| entry(b, key).is_some_and(|b| a.equals(b)))
            }
            _ => false,
        }
    }

    /// The order of two numbers, strings, instants or durations; `None` where a NaN is one of them.
    ///
    /// # Errors
    /// [`Incomparable`] for all other pairs of types.
    #[inline]
    pub fn order(self, other: Value) -> Result<Option<Ordering>, Incomparable> {
        match (self, other) {
            (Value::Int(a), Value::Int(b)) => Ok(Some(a.cmp(&b))),
            (Value::Float(a, _), Value::Float(b, _)) => Ok(a.partial_cmp(&b)),
            (Value::Int(a), Value::Float(b, _)) => Ok(int_against_float(a, b)),
            (Value::Float(a, _), Value::Int(b)) => Ok(int_against_float(b, a).map(Ordering::reverse)),
            // UTF-8 keeps the order of code points.
            (Value::Str(a), Value::Str(b)) => Ok(Some(a.cmp(b))),
            (Value::Timestamp(a), Value::Timestamp(b)) | (Value::Duration(a), Value::Duration(b)) => {
                Ok(Some(a.cmp(&b)))
            }
            _ => Err(Incomparable),
        }
    }

    /// A total order for sorting: by [`order`](Self::order) where there is one, else by type; NaN comes last of the numbers.
    pub fn sorting_order(self, other: Value) -> Ordering {
        match self.order(other) {
            Ok(Some(order)) => order,
            Ok(None) => self.is_nan().cmp(&other.is_nan()),
            Err(Incomparable) => self.rank().cmp(&other.rank()).then_with(|| match (self, other) {
                (Value::Bool(a), Value::Bool(b)) => a.cmp(&b),
                _ => Ordering::Equal,
            }),
        }
    }

    /// A number as a float.
    #[inline]
    pub fn as_float(self) -> Option<f64> {
        match self {
            Value::Int(int) => Some(int as f64),
            Value::Float(float, _) => Some(float),
            _ => None,
        }
    }

    fn is_nan(self) -> bool {
        matches!(self, Value::Float(float, _) if float.is_nan())
    }

    fn rank(self) -> u8 {
        match self {
            Value::Missing => 0,
            Value::Null => 1,
            Value::Bool(_) => 2,
            Value::Int(_) | Value::Float(..) => 3,
            Value::Str(_) => 4,
            Value::Timestamp(_) => 5,
            Value::Duration(_) => 6,
            Value::Array(_) => 7,
            Value::Map(_) => 8,
        }
    }
}

/// The value of `key` in a map.
pub fn entry<'a>(map: &[(&str, Value<'a>)], key: &str) -> Option<Value<'a>> {
    map.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
}

/// Whether `int` is among those that floats represent exactly, without gaps between them.
#[inline(always)]
pub(crate) fn fits_float(int: i64) -> bool {
    const EXACT: i64 = 1 << 53;
    (-EXACT..=EXACT).contains(&int)
}

/// Compares by value, without rounding the int to a float first.
#[inline]
pub fn int_against_float(int: i64, float: f64) -> Option<Ordering> {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    if float.is_nan() {
        None
    } else if float >= TWO_TO_63 {
        Some(Ordering::Less)
    } else if float < -TWO_TO_63 {
        Some(Ordering::Greater)
    } else {
        // In range, so the conversion only cuts the fraction off.
        let whole = float as i64;
        int.cmp(&whole).then_with(|| 0.0f64.total_cmp(&(float - whole as f64 + 0.0))).into()
    }
}

/// A value that owns its text and elements: a constant of the program, or a part of an operator's state.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Owned {
    /// See [`Value::Missing`].
    #[default]
    Missing,
    /// See [`Value::Null`].
    Null,
    /// See [`Value::Bool`].
    Bool(bool),
    /// See [`Value::Int`].
    Int(i64),
    /// See [`Value::Float`].
    Float(f64),
    /// The text of a float that came with one.
    Number(Box<str>),
    /// See [`Value::Str`].
    Str(Box<str>),
    /// See [`Value::Array`].
    Array(Box<[Owned]>),
    /// See [`Value::Map`].
    Map(Box<[(Box<str>, Owned)]>),
    /// See [`Value::Timestamp`].
    Timestamp(i64),
    /// See [`Value::Duration`].
    Duration(i64),
}

impl Owned {
    /// A view of it; the elements of arrays and maps are laid out in `arena`.
    #[inline(always)]
    pub fn view<'a>(&'a self, arena: &'a Bump) -> Value<'a> {
        match self {
            Owned::Missing => Value::Missing,
            Owned::Null => Value::Null,
            Owned::Bool(bool) => Value::Bool(*bool),
            Owned::Int(int) => Value::Int(*int),
            Owned::Float(float) => Value::float(*float),
            Owned::Str(text) => Value::Str(text),
            Owned::Timestamp(nanos) => Value::Timestamp(*nanos),
            Owned::Duration(nanos) => Value::Duration(*nanos),
            Owned::Array(_) | Owned::Map(_) | Owned::Number(_) => self.view_in(arena),
        }
    }

    #[inline(never)]
    fn view_in<'a>(&'a self, arena: &'a Bump) -> Value<'a> {
        match self {
            Owned::Array(items) => Value::Array(arena.alloc_slice_fill_iter(items.iter().map(|item| item.view(arena)))),
            Owned::Map(entries) => {
                Value::Map(arena.alloc_slice_fill_iter(entries.iter().map(|(key, value)| (&**key, value.view(arena)))))
            }
            Owned::Number(text) => Value::Float(number::float_of(text), Some(arena.alloc(&**text))),
            scalar => scalar.view(arena),
        }
    }
}

impl From<Value<'_>> for Owned {
    fn from(value: Value) -> Owned {
        match value {
            Value::Missing => Owned::Missing,
            Value::Null => Owned::Null,
            Value::Bool(bool) => Owned::Bool(bool),
            Value::Int(int) => Owned::Int(int),
            Value::Float(float, None) => Owned::Float(float),
            Value::Float(_, Some(text)) => Owned::Number((*text).into()),
            Value::Str(text) => Owned::Str(text.into()),
            Value::Timestamp(nanos) => Owned::Timestamp(nanos),
            Value::Duration(nanos) => Owned::Duration(nanos),
            Value::Array(items) => Owned::Array(items.iter().map(|item| (*item).into()).collect()),
            Value::Map(entries) => {
                Owned::Map(entries.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Ordering::{Equal, Greater, Less};

    const TWO_TO_53: i64 = 1 << 53;

    #[test]
    fn ints_and_floats_compare_by_value() {
        for (int, float, expected) in [
            (1, 1.0, Some(Equal)),
            (1, 1.5, Some(Less)),
            (-1, -1.5, Some(Greater)),
            (0, -0.0, Some(Equal)),
            (0, 5e-324, Some(Less)),
            (TWO_TO_53 + 1, TWO_TO_53 as f64, Some(Greater)),
            (TWO_TO_53 - 1, TWO_TO_53 as f64, Some(Less)),
            (i64::MAX, 9_223_372_036_854_775_808.0, Some(Less)),
            (i64::MIN, -9_223_372_036_854_775_808.0, Some(Equal)),
            (i64::MIN, -1e19, Some(Greater)),
            (0, f64::INFINITY, Some(Less)),
            (0, f64::NEG_INFINITY, Some(Greater)),
            (0, f64::NAN, None),
        ] {
            assert_eq!(int_against_float(int, float), expected, "{int} against {float}");
        }
    }

    #[test]
    fn different_types_are_unequal_and_unordered() {
        let values = [
            Value::Null,
            Value::Bool(true),
            Value::Int(1),
            Value::Str("1"),
            Value::Timestamp(1),
            Value::Duration(1),
            Value::Array(&[]),
            Value::Map(&[]),
        ];
        for (i, a) in values.iter().enumerate() {
            for (j, b) in values.iter().enumerate() {
                assert_eq!(a.equals(*b), i == j, "{a:?} == {b:?}");
                if i != j {
                    assert_eq!(a.order(*b), Err(Incomparable), "{a:?} < {b:?}");
                    assert_eq!(a.sorting_order(*b), i.cmp(&j), "{a:?} sorts before {b:?}");
                }
            }
        }
    }

    #[test]
    fn maps_equal_in_any_order_of_keys() {
        let a = [("x", Value::Int(1)), ("y", Value::float(2.0))];
        let b = [("y", Value::Int(2)), ("x", Value::Int(1))];
        assert!(Value::Map(&a).equals(Value::Map(&b)));
        assert!(!Value::Map(&a).equals(Value::Map(&b[..1])));
    }

    #[test]
    fn strings_order_by_code_point() {
        assert_eq!(Value::Str("Z").order(Value::Str("a")), Ok(Some(Less)));
        assert_eq!(Value::Str("\u{ffff}").order(Value::Str("\u{10000}")), Ok(Some(Less)));
    }

    #[test]
    fn an_owned_value_looks_like_what_it_was_made_of() {
        let arena = Bump::new();
        let inner = [Value::Str("x"), Value::Null, Value::Timestamp(3)];
        let entries = [("list", Value::Array(&inner)), ("d", Value::Duration(4)), ("b", Value::Bool(false))];
        let owned = Owned::from(Value::Map(&entries));
        assert!(owned.view(&arena).equals(Value::Map(&entries)));
    }

    #[test]
    fn a_number_that_came_with_a_text_keeps_it_and_is_its_value() {
        let arena = Bump::new();
        let owned = Owned::from(Value::Float(50.1, Some(&"50.10")));
        assert_eq!(owned, Owned::Number("50.10".into()));
        let view = owned.view(&arena);
        assert!(view.equals(Value::float(50.1)));
        assert_eq!(view.sorting_order(Value::Int(50)), Greater);
        assert_eq!(Owned::from(view), owned);
        assert_eq!(Owned::from(view.plain()), Owned::Float(50.1));
        assert_eq!(size_of::<Value>(), size_of::<Owned>(), "neither pays for the text");
        assert_eq!(size_of::<Value>(), 24);
    }
}
