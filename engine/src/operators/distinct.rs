//! `.distinct(expr)`: an event goes on if its value was not there before; without an expression, all fields are the value.
//!
//! Limits
//! 1. The last [`REMEMBERED`] different values are remembered, in the order of their first appearance. A value that was
//!    forgotten (it is counted) passes again.
//! 2. Values are remembered as digests of 128 bits, about 64 bytes each with their place in the set. With as many values
//!    as are remembered, the odds that two share a digest are about 1 in 10^28.
//! 3. Values are the same if `==` says so: `1` and `1.0`, and maps whatever the order of their fields. All missing values
//!    are the same.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hasher};

use crate::counters::Totals;
use crate::expr::{Context, Expr};
use crate::value::Value;

/// How many different values a `.distinct` remembers.
pub(crate) const REMEMBERED: usize = 100_000;

#[derive(Debug)]
pub(crate) struct Distinct {
    pub(crate) value: Expr,
    /// Index into [`States::distincts`](super::States::distincts).
    pub(crate) state: usize,
}

/// The values seen last.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    set: HashSet<u128>,
    order: VecDeque<u128>,
}

impl Seen {
    /// Begins anew.
    pub(crate) fn clear(&mut self) {
        self.set.clear();
        self.order.clear();
    }
}

impl Distinct {
    pub(crate) fn pass<'a>(&'a self, cx: &Context<'a>, states: &mut [Seen], totals: &mut Totals) -> bool {
        let seen = &mut states[self.state];
        let digest = digest_of(self.value.eval(cx));
        if !seen.set.insert(digest) {
            totals.repeated += 1;
            return false;
        }
        if seen.order.len() == REMEMBERED
            && let Some(oldest) = seen.order.pop_front()
        {
            seen.set.remove(&oldest);
            totals.distinct_forgotten += 1;
        }
        seen.order.push_back(digest);
        true
    }
}

fn digest_of(value: Value) -> u128 {
    let mut digest = Digest::default();
    digest.value(value);
    digest.finish()
}

/// Two SipHashes with different beginnings.
struct Digest([DefaultHasher; 2]);

impl Default for Digest {
    fn default() -> Self {
        let mut halves = [DefaultHasher::new(), DefaultHasher::new()];
        halves[1].write_u8(1);
        Digest(halves)
    }
}

impl Digest {
    fn value(&mut self, value: Value) {
        match value {
            Value::Missing => self.tagged(0, &[]),
            Value::Null => self.tagged(1, &[]),
            Value::Bool(bool) => self.tagged(2, &[u8::from(bool)]),
            Value::Int(int) => self.tagged(3, &int.to_le_bytes()),
            Value::Float(float, _) => {
                // Out of range, the conversion saturates, and the float no longer equals the int.
                let int = float as i64;
                if Value::float(float).equals(Value::Int(int)) {
                    self.value(Value::Int(int));
                } else {
                    self.tagged(4, &float.to_bits().to_le_bytes());
                }
            }
            Value::Str(text) => self.tagged(5, text.as_bytes()),
            Value::Timestamp(nanos) => self.tagged(6, &nanos.to_le_bytes()),
            Value::Duration(nanos) => self.tagged(7, &nanos.to_le_bytes()),
            Value::Array(items) => {
                self.tagged(8, &items.len().to_le_bytes());
                items.iter().for_each(|item| self.value(*item));
            }
            Value::Map(entries) => {
                // A sum does not depend on the order of the fields.
                let sum = entries.iter().fold(0u128, |sum, (key, value)| {
                    let mut entry = Digest::default();
                    entry.tagged(5, key.as_bytes());
                    entry.value(*value);
                    sum.wrapping_add(entry.finish())
                });
                self.tagged(9, &sum.to_le_bytes());
            }
        }
    }

    fn tagged(&mut self, tag: u8, bytes: &[u8]) {
        for half in &mut self.0 {
            half.write_u8(tag);
            half.write_usize(bytes.len());
            half.write(bytes);
        }
    }

    fn finish(&self) -> u128 {
        u128::from(self.0[0].finish()) << 64 | u128::from(self.0[1].finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_agree_with_equality() {
        let one_two = [("a", Value::Int(1)), ("b", Value::float(2.0))];
        let two_one = [("b", Value::Int(2)), ("a", Value::float(1.0))];
        let swapped = [("a", Value::Int(2)), ("b", Value::Int(1))];
        let values = [
            Value::Null,
            Value::Bool(true),
            Value::Int(1),
            Value::float(1.0),
            Value::float(1.5),
            Value::float(-0.0),
            Value::Int(0),
            Value::Int(i64::MAX),
            Value::float(9_223_372_036_854_775_808.0),
            Value::Str("1"),
            Value::Str(""),
            Value::Timestamp(1),
            Value::Duration(1),
            Value::Array(&[]),
            Value::Array(&[Value::Int(1)]),
            Value::Map(&one_two),
            Value::Map(&two_one),
            Value::Map(&swapped),
        ];
        for a in values {
            for b in values {
                assert_eq!(digest_of(a) == digest_of(b), a.equals(b), "{a:?} and {b:?}");
            }
        }
    }
}
