//! The values of `.partition_by`, numbered.
//!
//! 1. Values are one key if `==` says so: `1` and `1.0`, maps whatever the order of their fields. All missing values are
//!    one key, and null is another. A key looks like the first of its values since it was numbered.
//! 2. A key is looked up by the value as it lies in the record; it is copied when it is new.
//! 3. Numbers of keys that nobody uses any more are given to new ones, when their user says so.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::LazyLock;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::number;
use crate::value::{Owned, Value};

/// Seeded once a process: nothing depends on the order of hashes, and nobody can aim at them.
static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// The number of a key.
pub(crate) type KeyIndex = u32;

/// Keys by number, and numbers by key.
#[derive(Debug)]
pub(crate) struct Keys {
    seed: RandomState,
    numbers: HashTable<KeyIndex>,
    keys: Vec<Key>,
    free: Vec<KeyIndex>,
}

#[derive(Debug)]
struct Key {
    value: Owned,
    hash: u64,
}

impl Default for Keys {
    fn default() -> Self {
        Keys { seed: SEED.clone(), numbers: HashTable::new(), keys: Vec::new(), free: Vec::new() }
    }
}

impl Keys {
    /// How many numbers there are, used or not.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// How many keys there are.
    pub(crate) fn used(&self) -> usize {
        self.numbers.len()
    }

    /// The key with this number.
    pub(crate) fn key(&self, index: KeyIndex) -> &Owned {
        &self.keys[index as usize].value
    }

    /// The number of a key, if it is known.
    #[inline]
    pub(crate) fn find(&self, value: Value) -> (u64, Option<KeyIndex>) {
        let hash = hash_with(&self.seed, value);
        let found = self.numbers.find(hash, |index| {
            let key = &self.keys[*index as usize];
            key.hash == hash && same(&key.value, value)
        });
        (hash, found.copied())
    }

    /// Numbers a key that [`find`](Self::find) did not find.
    pub(crate) fn insert(&mut self, hash: u64, value: Value) -> KeyIndex {
        let key = Key { value: value.into(), hash };
        let index = match self.free.pop() {
            Some(index) => {
                self.keys[index as usize] = key;
                index
            }
            None => {
                self.keys.push(key);
                (self.keys.len() - 1) as KeyIndex
            }
        };
        let keys = &self.keys;
        self.numbers.insert_unique(hash, index, |index| keys[*index as usize].hash);
        index
    }

    /// Nobody uses this key any more.
    pub(crate) fn forget(&mut self, index: KeyIndex) {
        let hash = self.keys[index as usize].hash;
        if let Ok(entry) = self.numbers.find_entry(hash, |known| *known == index) {
            entry.remove();
            self.keys[index as usize].value = Owned::Missing;
            self.free.push(index);
        }
    }

    /// All keys in use.
    pub(crate) fn indices(&self) -> impl Iterator<Item = KeyIndex> {
        self.numbers.iter().copied()
    }
}

/// Whether `==` says that they are equal; and missing is missing.
#[inline]
pub(crate) fn same(known: &Owned, value: Value) -> bool {
    match (known, value) {
        (Owned::Str(known), Value::Str(text)) => **known == *text,
        (Owned::Int(known), Value::Int(int)) => *known == int,
        (Owned::Missing, value) => value.is_missing(),
        (Owned::Array(_) | Owned::Map(_), Value::Array(_) | Value::Map(_)) => {
            value.equals(known.view(&bumpalo::Bump::new()))
        }
        (Owned::Array(_) | Owned::Map(_), _) | (_, Value::Array(_) | Value::Map(_)) => false,
        (scalar, value) => scalar_of(scalar).equals(value),
    }
}

fn scalar_of(owned: &Owned) -> Value<'_> {
    match owned {
        Owned::Missing | Owned::Array(_) | Owned::Map(_) => Value::Missing,
        Owned::Null => Value::Null,
        Owned::Bool(bool) => Value::Bool(*bool),
        Owned::Int(int) => Value::Int(*int),
        Owned::Float(float) => Value::float(*float),
        Owned::Number(text) => Value::float(number::float_of(text)),
        Owned::Str(text) => Value::Str(text),
        Owned::Timestamp(nanos) => Value::Timestamp(*nanos),
        Owned::Duration(nanos) => Value::Duration(*nanos),
    }
}

/// The same for values that `==` calls equal.
pub(crate) fn hash(value: Value) -> u64 {
    hash_with(&SEED, value)
}

/// See [`hash`].
pub(crate) fn hash_owned(value: &Owned) -> u64 {
    hash(value.view(&bumpalo::Bump::new()))
}

#[inline]
fn hash_with(seed: &RandomState, value: Value) -> u64 {
    match value {
        Value::Str(text) => seed.hash_one(text),
        other => hash_other(seed, other),
    }
}

fn hash_other(seed: &RandomState, value: Value) -> u64 {
    let mut hasher = seed.build_hasher();
    match value {
        Value::Missing => hasher.write_u8(0),
        Value::Null => hasher.write_u8(1),
        Value::Bool(bool) => hasher.write_u8(2 + u8::from(bool)),
        Value::Int(int) => hasher.write_i64(int),
        Value::Float(float, _) => {
            // Out of range, the conversion saturates, and the float no longer equals the int.
            let int = float as i64;
            match Value::float(float).equals(Value::Int(int)) {
                true => hasher.write_i64(int),
                false => hasher.write_u64(float.to_bits()),
            }
        }
        Value::Str(text) => text.hash(&mut hasher),
        Value::Timestamp(nanos) | Value::Duration(nanos) => hasher.write_i64(nanos),
        Value::Array(items) => items.iter().for_each(|item| hasher.write_u64(hash_with(seed, *item))),
        Value::Map(entries) => {
            // A sum does not depend on the order of the fields.
            let sum = entries.iter().fold(0u64, |sum, (key, value)| {
                let mut entry = seed.build_hasher();
                key.hash(&mut entry);
                entry.write_u64(hash_with(seed, *value));
                sum.wrapping_add(entry.finish())
            });
            hasher.write_u64(sum);
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_numbered_once_and_numbers_are_given_again() {
        let mut keys = Keys::default();
        let mut number = |value: Value| {
            let (hash, found) = keys.find(value);
            found.unwrap_or_else(|| keys.insert(hash, value))
        };
        let swapped = [[("a", Value::Int(1)), ("b", Value::Null)], [("b", Value::Null), ("a", Value::float(1.0))]];
        let values = [
            (Value::Missing, 0),
            (Value::Null, 1),
            (Value::Int(1), 2),
            (Value::float(1.0), 2),
            (Value::Str("1"), 3),
            (Value::float(-0.0), 4),
            (Value::Int(0), 4),
            (Value::Bool(true), 5),
            (Value::Map(&swapped[0]), 6),
            (Value::Map(&swapped[1]), 6),
            (Value::Array(&[Value::Int(1)]), 7),
            (Value::Array(&[]), 8),
            (Value::Timestamp(1), 9),
            (Value::Duration(1), 10),
            (Value::Missing, 0),
        ];
        for (value, expected) in values {
            assert_eq!(number(value), expected, "{value:?}");
        }
        keys.forget(3);
        assert_eq!(keys.find(Value::Str("1")).1, None);
        let (hash, _) = keys.find(Value::Str("new"));
        assert_eq!(keys.insert(hash, Value::Str("new")), 3);
        assert_eq!((keys.len(), keys.used()), (11, 11));
    }
}
