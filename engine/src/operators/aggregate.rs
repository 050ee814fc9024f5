//! The aggregate functions: what each remembers of the values of a group, and what it makes of them.
//!
//! 1. Values that are missing or null do not count. A value of a type that the function cannot use does not count either,
//!    and is counted as `wrong_type`.
//! 2. Ints are added exactly, apart from floats, as long as their sum fits 64 bits; a sum is rounded to a float once, when
//!    it is asked for.
//! 3. `count_distinct`, `percentile` and `collect` remember every value. How many may be remembered is bounded by the
//!    window ([`Budget`]); a value beyond that is not taken and is counted.
//! 4. What remembers nothing of varying size allocates nothing.

use bumpalo::Bump;
use hashbrown::HashTable;

use crate::check::program::AggregateFunction;
use crate::expr::{Tally, Why};
use crate::number;
use crate::operators::keys;
use crate::value::{Owned, Value};

/// How many values the accumulators of a window may still remember.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) left: usize,
    /// How many values were refused.
    pub(crate) refused: u64,
}

impl Budget {
    /// Whether there is room for one more.
    pub(crate) fn take(&mut self) -> bool {
        let taken = self.left > 0;
        self.left -= usize::from(taken);
        self.refused += u64::from(!taken);
        taken
    }
}

/// One function over one group.
#[derive(Debug)]
pub(crate) enum Accumulator {
    Count(i64),
    Sum(Sum),
    Avg(Sum),
    Min(Owned),
    Max(Owned),
    StdDev(Box<Spread>),
    First(Owned),
    Last(Owned),
    Distinct(Box<HashTable<Owned>>),
    Ema { alpha: f64, value: Option<f64> },
    Percentile { q: f64, values: Vec<f64> },
    Collect(Vec<Owned>),
}

/// Numbers added up: ints and floats apart.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    count: u64,
    ints: i64,
    floats: f64,
}

/// Welford's running mean and sum of squared distances from it.
#[derive(Debug, Default)]
pub(crate) struct Spread {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Accumulator {
    pub(crate) fn new(function: AggregateFunction) -> Self {
        match function {
            AggregateFunction::Count => Accumulator::Count(0),
            AggregateFunction::Sum => Accumulator::Sum(Sum::default()),
            AggregateFunction::Avg => Accumulator::Avg(Sum::default()),
            AggregateFunction::Min => Accumulator::Min(Owned::Missing),
            AggregateFunction::Max => Accumulator::Max(Owned::Missing),
            AggregateFunction::StdDev => Accumulator::StdDev(Box::default()),
            AggregateFunction::First => Accumulator::First(Owned::Missing),
            AggregateFunction::Last => Accumulator::Last(Owned::Missing),
            AggregateFunction::CountDistinct => Accumulator::Distinct(Box::default()),
            AggregateFunction::Ema { alpha } => Accumulator::Ema { alpha, value: None },
            AggregateFunction::Percentile { q } => Accumulator::Percentile { q, values: Vec::new() },
            AggregateFunction::Collect => Accumulator::Collect(Vec::new()),
        }
    }

    /// Forgets the group; memory is kept for the next one.
    pub(crate) fn reset(&mut self, budget: &mut Budget) {
        match self {
            Accumulator::Count(count) => *count = 0,
            Accumulator::Sum(sum) | Accumulator::Avg(sum) => *sum = Sum::default(),
            Accumulator::Min(value)
            | Accumulator::Max(value)
            | Accumulator::First(value)
            | Accumulator::Last(value) => *value = Owned::Missing,
            Accumulator::StdDev(spread) => **spread = Spread::default(),
            Accumulator::Distinct(values) => {
                budget.left += values.len();
                values.clear();
            }
            Accumulator::Ema { value, .. } => *value = None,
            Accumulator::Percentile { values, .. } => {
                budget.left += values.len();
                values.clear();
            }
            Accumulator::Collect(values) => {
                budget.left += values.len();
                values.clear();
            }
        }
    }

    /// One more value of the group; for `count()` any value that is not null.
    #[inline]
    pub(crate) fn add(&mut self, value: Value, budget: &mut Budget, tally: &Tally) {
        if value.is_nothing() {
            return;
        }
        match self {
            Accumulator::Count(count) => *count += 1,
            Accumulator::Sum(sum) | Accumulator::Avg(sum) => sum.add(value, tally),
            _ => self.add_rarer(value, budget, tally),
        }
    }

    fn add_rarer(&mut self, value: Value, budget: &mut Budget, tally: &Tally) {
        match self {
            Accumulator::Count(_) | Accumulator::Sum(_) | Accumulator::Avg(_) => self.add(value, budget, tally),
            Accumulator::Min(least) => replace_if(least, value, tally, |order| order.is_lt()),
            Accumulator::Max(greatest) => replace_if(greatest, value, tally, |order| order.is_gt()),
            Accumulator::StdDev(spread) => {
                if let Some(number) = number(value, tally) {
                    spread.count += 1;
                    let before = number - spread.mean;
                    spread.mean += before / spread.count as f64;
                    spread.squares += before * (number - spread.mean);
                }
            }
            Accumulator::First(first) => {
                if *first == Owned::Missing {
                    *first = value.into();
                }
            }
            Accumulator::Last(last) => set(last, value),
            Accumulator::Distinct(values) => {
                let hash = keys::hash(value);
                if values.find(hash, |known| keys::same(known, value)).is_none() && budget.take() {
                    values.insert_unique(hash, value.into(), keys::hash_owned);
                }
            }
            Accumulator::Ema { alpha, value: average } => {
                if let Some(number) = number(value, tally) {
                    *average = Some(average.map_or(number, |average| *alpha * number + (1.0 - *alpha) * average));
                }
            }
            Accumulator::Percentile { values, .. } => {
                if let Some(number) = number(value, tally)
                    && budget.take()
                {
                    values.push(number);
                }
            }
            Accumulator::Collect(values) => {
                if budget.take() {
                    values.push(value.into());
                }
            }
        }
    }

    /// What the function makes of the values so far.
    pub(crate) fn result<'a>(&'a mut self, arena: &'a Bump) -> Value<'a> {
        match self {
            Accumulator::Count(count) => Value::Int(*count),
            Accumulator::Sum(sum) => Value::float(sum.total()),
            Accumulator::Avg(sum) if sum.count == 0 => Value::Null,
            Accumulator::Avg(sum) => Value::float(sum.total() / sum.count as f64),
            Accumulator::Min(value)
            | Accumulator::Max(value)
            | Accumulator::First(value)
            | Accumulator::Last(value) => match value {
                Owned::Missing => Value::Null,
                value => value.view(arena),
            },
            Accumulator::StdDev(spread) if spread.count < 2 => Value::Null,
            Accumulator::StdDev(spread) => Value::float((spread.squares / (spread.count - 1) as f64).sqrt()),
            Accumulator::Distinct(values) => Value::Int(values.len() as i64),
            Accumulator::Ema { value, .. } => value.map_or(Value::Null, Value::float),
            Accumulator::Percentile { values, q } => percentile(values, *q).map_or(Value::Null, Value::float),
            Accumulator::Collect(values) if values.is_empty() => Value::Null,
            Accumulator::Collect(values) => {
                Value::Array(arena.alloc_slice_fill_iter(values.iter().map(|value| value.view(arena))))
            }
        }
    }
}

impl Sum {
    #[inline]
    fn add(&mut self, value: Value, tally: &Tally) {
        match value {
            Value::Int(int) => match self.ints.checked_add(int) {
                Some(sum) => self.ints = sum,
                None => self.floats += int as f64,
            },
            Value::Float(float, _) => self.floats += float,
            _ => return tally.count(Why::WrongType),
        }
        self.count += 1;
    }

    fn total(&self) -> f64 {
        self.ints as f64 + self.floats
    }
}

/// Linear between the two values around q·(n−1).
fn percentile(values: &mut [f64], q: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let place = q * last as f64;
    let (_, below, rest) = values.select_nth_unstable_by(place as usize, f64::total_cmp);
    let above = rest.iter().copied().min_by(f64::total_cmp).unwrap_or(*below);
    let fraction = place.fract();
    // Not `below + (above − below) · fraction` where nothing lies between: infinities would become NaN.
    Some(if fraction == 0.0 { *below } else { *below * (1.0 - fraction) + above * fraction })
}

fn number(value: Value, tally: &Tally) -> Option<f64> {
    let number = value.as_float();
    if number.is_none() {
        tally.count(Why::WrongType);
    }
    number
}

/// Keeps `value` if it is the first, or stands to the one that is kept as wanted.
fn replace_if(kept: &mut Owned, value: Value, tally: &Tally, wanted: impl Fn(std::cmp::Ordering) -> bool) {
    let other = match kept {
        // Nothing is kept yet, so the value only has to be of a type that has an order.
        Owned::Missing => value,
        Owned::Str(text) => Value::Str(text),
        Owned::Int(int) => Value::Int(*int),
        Owned::Float(float) => Value::float(*float),
        Owned::Number(text) => Value::float(number::float_of(text)),
        Owned::Timestamp(nanos) => Value::Timestamp(*nanos),
        Owned::Duration(nanos) => Value::Duration(*nanos),
        Owned::Null | Owned::Bool(_) | Owned::Array(_) | Owned::Map(_) => Value::Null,
    };
    match value.order(other) {
        Ok(Some(order)) => {
            if wanted(order) || *kept == Owned::Missing {
                set(kept, value);
            }
        }
        Ok(None) => {}
        Err(_) => tally.count(Why::WrongType),
    }
}

/// Overwrites, and reuses the memory of a text of the same length.
fn set(kept: &mut Owned, value: Value) {
    match (kept, value) {
        (Owned::Str(text), Value::Str(new)) if text.len() == new.len() => copy(text, new),
        (Owned::Number(text), Value::Float(_, Some(new))) if text.len() == new.len() => copy(text, new),
        (kept, value) => *kept = value.into(),
    }
}

fn copy(text: &mut Box<str>, new: &str) {
    // Both are UTF-8, and of one length, so the bytes fit and stay UTF-8.
    let mut bytes = std::mem::take(text).into_boxed_bytes();
    bytes.copy_from_slice(new.as_bytes());
    *text = String::from_utf8(bytes.into_vec()).expect("copied from a str").into_boxed_str();
}
