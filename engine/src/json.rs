//! The JSON scanner: one pass that validates all of RFC 8259 and finds where each value ends, eight bytes at a time.
//!
//! Limits
//! 1. Containers nest at most [`MAX_DEPTH`] deep.
//! 2. A number that overflows to infinity is refused.
//! 3. `\u` escapes must spell whole code points: a lone surrogate is refused.
//! 4. Outside strings the grammar admits ASCII alone, so the scanner only notes whether it saw a byte above it; UTF-8 is
//!    then checked over the whole record ([`Scanner::text`]).
//!
//! [`value`] turns text that passed into a [`Value`].

use std::fmt;
use std::ops::Range;

use bumpalo::Bump;
use bumpalo::collections::{String as ArenaString, Vec as ArenaVec};

use crate::number;
use crate::value::Value;

/// How deep arrays and objects may nest, the record's own object not counted.
pub(crate) const MAX_DEPTH: u32 = 127;

/// A number of so many bytes without an exponent cannot overflow.
const SAFE_NUMBER_BYTES: usize = 300;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// What kind of JSON value a stretch of text is.
///
/// As wide as its neighbours in a column, so that columns have no gaps and are emptied by one fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u32)]
pub(crate) enum Kind {
    /// There is no value.
    #[default]
    Missing,
    /// `null`.
    Null,
    /// `false`.
    False,
    /// `true`.
    True,
    /// A number without point or exponent.
    Int,
    /// A number with a point or an exponent.
    Float,
    /// A string whose bytes are its value.
    Str,
    /// A string with escapes in it.
    Escaped,
    /// An array.
    Array,
    /// An object.
    Map,
}

/// Why a payload is not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// The byte at which the trouble shows, from 0.
    pub(crate) at: usize,
    /// What is wrong there.
    pub(crate) fault: Fault,
}

/// What is wrong with a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The record has a null value.
    Tombstone,
    /// The value has no bytes, or blanks only.
    Empty,
    /// The value is not a JSON object.
    NotAnObject,
    /// The text ends in the middle of a value.
    Ends,
    /// Something else stands where this should.
    Expected(&'static str),
    /// A control character stands bare in a string.
    Control,
    /// A backslash is followed by what JSON does not know.
    Escape,
    /// A `\u` escape is half of a surrogate pair.
    Surrogate,
    /// A number has no digits where some must be, or has leading zeros.
    Number,
    /// A number is beyond what a float can hold.
    Range,
    /// The bytes are not UTF-8.
    Utf8,
    /// Containers nest deeper than [`MAX_DEPTH`].
    Depth,
    /// Something follows the object.
    Trailing,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            Fault::Tombstone => return f.write_str("the value is null (a tombstone)"),
            Fault::Empty => return f.write_str("the value is empty"),
            Fault::NotAnObject => f.write_str("the value is not a JSON object"),
            Fault::Ends => f.write_str("the text ends too early"),
            Fault::Expected(what) => write!(f, "expected {what}"),
            Fault::Control => f.write_str("a control character in a string must be escaped"),
            Fault::Escape => f.write_str("unknown escape in a string"),
            Fault::Surrogate => f.write_str("a \\u escape is half of a surrogate pair"),
            Fault::Number => f.write_str("malformed number"),
            Fault::Range => f.write_str("the number is too large for a float"),
            Fault::Utf8 => f.write_str("invalid UTF-8"),
            Fault::Depth => write!(f, "nested deeper than {MAX_DEPTH} levels"),
            Fault::Trailing => f.write_str("something follows the object"),
        }?;
        write!(f, " at byte {}", self.at)
    }
}

impl std::error::Error for Malformed {}

/// Walks over one text. Positions are byte offsets; each method takes one and returns the next.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    /// Has a high bit set if some byte above ASCII was seen (or may have been).
    above_ascii: u64,
}

impl<'a> Scanner<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Scanner { bytes, above_ascii: 0 }
    }

    /// The byte at `at`; 0, which no grammar rule accepts, past the end.
    #[inline(always)]
    pub(crate) fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    /// The first position from `at` on that holds no blank.
    #[inline(always)]
    pub(crate) fn blanks(&self, mut at: usize) -> usize {
        while matches!(self.byte(at), b' ' | b'\t' | b'\n' | b'\r') {
            at += 1;
        }
        at
    }

    /// The complaint that `what` should stand at `at`.
    #[cold]
    pub(crate) fn expected(&self, at: usize, what: &'static str) -> Malformed {
        let fault = if at >= self.bytes.len() { Fault::Ends } else { Fault::Expected(what) };
        Malformed { at: at.min(self.bytes.len()), fault }
    }

    /// Tells of bytes that were skipped: `seen` has a high bit set if one of them lies above ASCII.
    #[inline(always)]
    pub(crate) fn note(&mut self, seen: u64) {
        self.above_ascii |= seen;
    }

    /// One value, blanks before it allowed: its kind, start and end. Its first eight bytes are loaded once; most values
    /// end within them.
    #[inline(always)]
    pub(crate) fn value(&mut self, at: usize) -> Result<(Kind, usize, usize), Malformed> {
        let mut at = at;
        let mut word = self.word(at);
        if word as u8 <= b' ' {
            at = self.blanks(at);
            word = self.word(at);
        }
        // The commonest first, one after the other: strings, then numbers.
        if word as u8 == b'"' {
            // The quote is shifted out; what comes in at the top means nothing to a string.
            const NEUTRAL: u64 = (b'a' as u64) << 56;
            let content = word >> 8 | NEUTRAL;
            let special = special_in_string(content);
            let skipped = special.trailing_zeros() & 0x38;
            if special != 0 && (content >> skipped) as u8 == b'"' {
                self.note(content);
                return Ok((Kind::Str, at, at + 2 + skipped as usize / 8));
            }
            let (kind, end) = self.long_string(at)?;
            return Ok((kind, at, end));
        }
        if (word as u8).is_ascii_digit() {
            let (kind, end) = self.number(at, at, word)?;
            return Ok((kind, at, end));
        }
        let (kind, end) = match word as u8 {
            b'-' => self.number(at, at + 1, self.word(at + 1))?,
            b'{' | b'[' => self.container(at)?,
            _ => self.literal(at)?,
        };
        Ok((kind, at, end))
    }

    /// A string whose opening quote is at `at`.
    #[inline]
    pub(crate) fn string(&mut self, at: usize) -> Result<(Kind, usize), Malformed> {
        let (mut here, mut kind) = (at + 1, Kind::Str);
        loop {
            let word = self.word(here);
            self.above_ascii |= word;
            let special = special_in_string(word);
            if special == 0 {
                here += 8;
            } else {
                let skipped = special.trailing_zeros() & !7;
                here += skipped as usize / 8;
                match (word >> skipped) as u8 {
                    b'"' => return Ok((kind, here + 1)),
                    b'\\' => {
                        kind = Kind::Escaped;
                        here = self.escape(here)?;
                    }
                    _ if here >= self.bytes.len() => {
                        return Err(Malformed { at: self.bytes.len(), fault: Fault::Ends });
                    }
                    _ => return Err(Malformed { at: here, fault: Fault::Control }),
                }
            }
        }
    }

    /// A string that is not known to end within eight bytes, or has escapes.
    #[inline(never)]
    fn long_string(&mut self, at: usize) -> Result<(Kind, usize), Malformed> {
        self.string(at)
    }

    /// An object's key, whose opening quote should be at `at`, and its colon: where the key's string ends, whether it has
    /// escapes, and where the value may begin.
    pub(crate) fn key(&mut self, at: usize) -> Result<(Kind, usize, usize), Malformed> {
        if self.byte(at) != b'"' {
            return Err(self.expected(at, "a key in quotes"));
        }
        let (kind, end) = self.string(at)?;
        let colon = self.blanks(end);
        if self.byte(colon) != b':' {
            return Err(self.expected(colon, "':'"));
        }
        Ok((kind, end, self.blanks(colon + 1)))
    }

    /// The scanned bytes as text, once the whole of them was accepted.
    ///
    /// # Errors
    /// If the strings in it are not UTF-8.
    #[inline]
    pub(crate) fn text(&self) -> Result<&'a str, Malformed> {
        if self.above_ascii & HIGH == 0 {
            // SAFETY: every byte was part of a string whose words were or-ed into `above_ascii`, or matched a grammar
            // rule that admits ASCII alone; no high bit was seen, so all bytes are ASCII.
            return Ok(unsafe { std::str::from_utf8_unchecked(self.bytes) });
        }
        simdutf8::basic::from_utf8(self.bytes).map_err(|_| {
            let at = std::str::from_utf8(self.bytes).map_or_else(|error| error.valid_up_to(), str::len);
            Malformed { at, fault: Fault::Utf8 }
        })
    }

    /// A number that begins at `at`, and its first digit at `digits`, with the eight bytes `word` there.
    #[inline(always)]
    fn number(&self, at: usize, digits: usize, word: u64) -> Result<(Kind, usize), Malformed> {
        let whole = leading_digits(word);
        if whole == 0 || (word as u8 == b'0' && whole > 1) {
            return Err(Malformed { at: digits, fault: Fault::Number });
        }
        if whole == 8 {
            // Many ints, times above all, end within the next eight bytes.
            let rest = self.word(digits + 8);
            let more = leading_digits(rest);
            return if more == 8 || matches!((rest >> (8 * more)) as u8, b'.' | b'e' | b'E') {
                self.long_number(at, digits)
            } else {
                Ok((Kind::Int, digits + 8 + more))
            };
        }
        let (point, rest) = (word >> (8 * whole), word >> (8 * whole) >> 8);
        let fraction = if point as u8 == b'.' { leading_digits(rest) } else { 0 };
        match (point as u8, (rest >> (8 * fraction)) as u8) {
            // Where the fraction reaches the end of the word, nothing tells what follows it.
            (b'.', _) if fraction == 0 || whole + fraction == 7 => self.long_number(at, digits),
            (b'.', b'e' | b'E') | (b'e' | b'E', _) => self.long_number(at, digits),
            (b'.', _) => Ok((Kind::Float, digits + whole + 1 + fraction)),
            _ => Ok((Kind::Int, digits + whole)),
        }
    }

    /// A number that is not known to end within eight bytes.
    #[inline(never)]
    fn long_number(&self, at: usize, digits: usize) -> Result<(Kind, usize), Malformed> {
        let (mut kind, mut end) = (Kind::Int, self.digits(digits));
        if self.byte(end) == b'.' {
            let fraction = end + 1;
            end = self.digits(fraction);
            if end == fraction {
                return Err(Malformed { at: end, fault: Fault::Number });
            }
            kind = Kind::Float;
        }
        if matches!(self.byte(end), b'e' | b'E') || end - at > SAFE_NUMBER_BYTES {
            (kind, end) = self.large_number(at, kind, end)?;
        }
        Ok((kind, end))
    }

    /// A number with an exponent (still to be scanned, at `end`) or with very many digits.
    #[cold]
    fn large_number(&self, at: usize, mut kind: Kind, mut end: usize) -> Result<(Kind, usize), Malformed> {
        if matches!(self.byte(end), b'e' | b'E') {
            let exponent = end + 1 + usize::from(matches!(self.byte(end + 1), b'+' | b'-'));
            end = self.digits(exponent);
            if end == exponent {
                return Err(Malformed { at: end, fault: Fault::Number });
            }
            kind = Kind::Float;
        }
        let finite = std::str::from_utf8(&self.bytes[at..end])
            .is_ok_and(|text| text.parse().is_ok_and(|float: f64| float.is_finite()));
        if finite { Ok((kind, end)) } else { Err(Malformed { at, fault: Fault::Range }) }
    }

    /// The end of the run of digits at `at`.
    #[inline(always)]
    fn digits(&self, mut at: usize) -> usize {
        loop {
            let count = leading_digits(self.word(at));
            at += count;
            if count < 8 {
                return at;
            }
        }
    }

    #[inline]
    fn literal(&self, at: usize) -> Result<(Kind, usize), Malformed> {
        let rest = &self.bytes[at.min(self.bytes.len())..];
        match rest {
            [b't', b'r', b'u', b'e', ..] => Ok((Kind::True, at + 4)),
            [b'n', b'u', b'l', b'l', ..] => Ok((Kind::Null, at + 4)),
            [b'f', b'a', b'l', b's', b'e', ..] => Ok((Kind::False, at + 5)),
            _ => Err(self.expected(at, "a value")),
        }
    }

    /// An array or object, without recursion: one bit a level tells which of the two is open.
    fn container(&mut self, at: usize) -> Result<(Kind, usize), Malformed> {
        const { assert!(MAX_DEPTH <= u128::BITS) }
        let kind = if self.byte(at) == b'{' { Kind::Map } else { Kind::Array };
        let (mut open_maps, mut depth, mut here) = (0u128, 0, at);
        loop {
            match self.byte(here) {
                opening @ (b'{' | b'[') => {
                    depth += 1;
                    if depth > MAX_DEPTH {
                        return Err(Malformed { at: here, fault: Fault::Depth });
                    }
                    let map = opening == b'{';
                    open_maps = open_maps << 1 | u128::from(map);
                    here = self.blanks(here + 1);
                    if self.byte(here) != if map { b'}' } else { b']' } {
                        here = if map { self.key(here)?.2 } else { here };
                        continue;
                    }
                }
                b'"' => here = self.string(here)?.1,
                b'-' => here = self.number(here, here + 1, self.word(here + 1))?.1,
                b'0'..=b'9' => here = self.number(here, here, self.word(here))?.1,
                _ => here = self.literal(here)?.1,
            }
            // After a value, or at the closing bracket of an empty container.
            loop {
                let map = open_maps & 1 == 1;
                here = self.blanks(here);
                match self.byte(here) {
                    b',' => {
                        here = self.blanks(here + 1);
                        here = if map { self.key(here)?.2 } else { here };
                        break;
                    }
                    closing if closing == if map { b'}' } else { b']' } => {
                        here += 1;
                        depth -= 1;
                        open_maps >>= 1;
                        if depth == 0 {
                            return Ok((kind, here));
                        }
                    }
                    _ => return Err(self.expected(here, if map { "',' or '}'" } else { "',' or ']'" })),
                }
            }
        }
    }

    /// The escape whose backslash is at `at`: where it ends.
    #[cold]
    fn escape(&self, at: usize) -> Result<usize, Malformed> {
        match self.byte(at + 1) {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(at + 2),
            b'u' => match hex(self.bytes, at + 2).ok_or(Malformed { at, fault: Fault::Escape })? {
                0xd800..=0xdbff => match (self.byte(at + 6), self.byte(at + 7), hex(self.bytes, at + 8)) {
                    (b'\\', b'u', Some(0xdc00..=0xdfff)) => Ok(at + 12),
                    _ => Err(Malformed { at, fault: Fault::Surrogate }),
                },
                0xdc00..=0xdfff => Err(Malformed { at, fault: Fault::Surrogate }),
                _ => Ok(at + 6),
            },
            _ if at + 1 >= self.bytes.len() => Err(Malformed { at: self.bytes.len(), fault: Fault::Ends }),
            _ => Err(Malformed { at, fault: Fault::Escape }),
        }
    }

    /// Eight bytes from `at`, the first in the lowest place; zeros beyond the end.
    #[inline(always)]
    fn word(&self, at: usize) -> u64 {
        match self.bytes.get(at..at + 8).and_then(<[u8]>::first_chunk) {
            Some(bytes) => u64::from_le_bytes(*bytes),
            None => self.last_word(at),
        }
    }

    #[inline]
    fn last_word(&self, at: usize) -> u64 {
        let left = self.bytes.len().saturating_sub(at);
        match self.bytes.last_chunk() {
            Some(_) if left == 0 => 0,
            Some(bytes) => u64::from_le_bytes(*bytes) >> (64 - 8 * left),
            None => (0..left).fold(0, |word, i| word | u64::from(self.bytes[at + i]) << (8 * i)),
        }
    }
}

/// Marks the quotes, backslashes and control characters in `word`. Borrows run upwards, so only the lowest mark is
/// reliable.
#[inline(always)]
fn special_in_string(word: u64) -> u64 {
    let zeros_of = |difference: u64| difference.wrapping_sub(ONES) & !difference;
    let quotes = zeros_of(word ^ (u64::from(b'"') * ONES));
    let backslashes = zeros_of(word ^ (u64::from(b'\\') * ONES));
    let controls = word.wrapping_sub(0x20 * ONES) & !word;
    (quotes | backslashes | controls) & HIGH
}

/// How many of the bytes of `word`, from the lowest, are digits.
#[inline(always)]
fn leading_digits(word: u64) -> usize {
    let values = word ^ (u64::from(b'0') * ONES);
    // Carries run upwards, so the lowest mark is reliable. Without a mark, the result is 64 bits, or 8 bytes.
    let others = (values.wrapping_add((0x80 - 10) * ONES) | values) & HIGH;
    others.trailing_zeros() as usize / 8
}

/// The number that four hexadecimal digits at `at` spell.
fn hex(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
}

/// Resolves the escapes of a string's content, which the scanner has accepted.
pub(crate) fn unescape<'a>(content: &str, arena: &'a Bump) -> &'a str {
    let mut text = ArenaString::with_capacity_in(content.len(), arena);
    let mut rest = content;
    while let Some((before, escape)) = rest.split_once('\\') {
        text.push_str(before);
        let (point, len) = match escape.as_bytes() {
            [b'u', ..] => code_point(escape.as_bytes()),
            [b'b', ..] => (0x08, 1),
            [b'f', ..] => (0x0c, 1),
            [b'n', ..] => (0x0a, 1),
            [b'r', ..] => (0x0d, 1),
            [b't', ..] => (0x09, 1),
            [itself, ..] => (u32::from(*itself), 1),
            [] => break,
        };
        text.push(char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER));
        rest = &escape[len..];
    }
    text.push_str(rest);
    text.into_bump_str()
}

/// The code point that `uXXXX`, or `uXXXX\uXXXX` for a surrogate pair, spells, and how many bytes that takes.
fn code_point(escape: &[u8]) -> (u32, usize) {
    match (hex(escape, 1), hex(escape, 7)) {
        (Some(high @ 0xd800..=0xdbff), Some(low)) => (0x1_0000 + ((high & 0x3ff) << 10 | low & 0x3ff), 11),
        (point, _) => (point.unwrap_or_default(), 5),
    }
}

/// The content of a string, quotes and all, as text.
#[inline]
pub(crate) fn string<'a>(kind: Kind, quoted: &'a str, arena: &'a Bump) -> &'a str {
    let content = &quoted[1..quoted.len() - 1];
    if kind == Kind::Escaped { unescape(content, arena) } else { content }
}

/// The value of the stretch `at` of a text that the scanner has accepted, where it found a value of `kind`. Only arrays
/// and maps and escaped strings take room in `arena`.
#[inline(always)]
pub(crate) fn value<'a>(kind: Kind, text: &'a str, at: Range<usize>, arena: &'a Bump) -> Value<'a> {
    match kind {
        Kind::Missing => Value::Missing,
        Kind::Null => Value::Null,
        Kind::False => Value::Bool(false),
        Kind::True => Value::Bool(true),
        Kind::Int => number::int(text.as_bytes(), at).into(),
        Kind::Float => Value::float(number::float(text.as_bytes(), at)),
        Kind::Str => Value::Str(&text[at.start + 1..at.end - 1]),
        Kind::Escaped => Value::Str(string(kind, &text[at], arena)),
        Kind::Array | Kind::Map => nested::<false>(&mut Scanner::new(text.as_bytes()), at.start, text, arena).0,
    }
}

/// The same for a value that is merely passed on: its numbers keep their texts.
pub(crate) fn untouched<'a>(kind: Kind, text: &'a str, at: Range<usize>, arena: &'a Bump) -> Value<'a> {
    match kind {
        Kind::Int | Kind::Float => number::untouched(value(kind, text, at.clone(), arena), text, at, arena),
        Kind::Array | Kind::Map => nested::<true>(&mut Scanner::new(text.as_bytes()), at.start, text, arena).0,
        _ => value(kind, text, at, arena),
    }
}

/// The array or map that begins at `at`, and where it ends. Recursion is bounded by [`MAX_DEPTH`].
#[inline(never)]
fn nested<'a, const UNTOUCHED: bool>(
    scanner: &mut Scanner<'a>,
    at: usize,
    text: &'a str,
    arena: &'a Bump,
) -> (Value<'a>, usize) {
    let map = scanner.byte(at) == b'{';
    let mut items = ArenaVec::new_in(arena);
    let mut entries = ArenaVec::new_in(arena);
    let mut here = scanner.blanks(at + 1);
    while !matches!(scanner.byte(here), b']' | b'}') {
        let mut key = "";
        if map {
            let Ok((kind, end, value_at)) = scanner.key(here) else { break };
            key = string(kind, &text[here..end], arena);
            here = value_at;
        }
        let (element, end) = if matches!(scanner.byte(here), b'[' | b'{') {
            nested::<UNTOUCHED>(scanner, here, text, arena)
        } else {
            let Ok((kind, start, end)) = scanner.value(here) else { break };
            let element = if UNTOUCHED { untouched } else { value };
            (element(kind, text, start..end, arena), end)
        };
        if map {
            entries.push((key, element))
        } else {
            items.push(element)
        }
        here = scanner.blanks(end);
        if scanner.byte(here) == b',' {
            here = scanner.blanks(here + 1);
        }
    }
    if map {
        last_wins(&mut entries, |(key, _)| key, arena);
        (Value::Map(entries.into_bump_slice()), here + 1)
    } else {
        (Value::Array(items.into_bump_slice()), here + 1)
    }
}

/// Resolves repeated keys: the last value wins and takes the place of the first.
pub(crate) fn last_wins<'a, T: Copy>(entries: &mut ArenaVec<'a, T>, key: impl Fn(&T) -> &str, arena: &'a Bump) {
    /// Up to so many, comparing all pairs is cheaper than sorting.
    const FEW: usize = 12;
    let repeated = if entries.len() <= FEW {
        (1..entries.len()).any(|i| entries[..i].iter().any(|earlier| key(earlier) == key(&entries[i])))
    } else {
        true
    };
    if !repeated {
        return;
    }
    let mut order = ArenaVec::from_iter_in(0..entries.len(), arena);
    order.sort_unstable_by(|&a, &b| key(&entries[a]).cmp(key(&entries[b])).then(a.cmp(&b)));
    let mut keep = ArenaVec::from_iter_in(entries.iter().map(|_| true), arena);
    let mut first = 0;
    for (i, &at) in order.iter().enumerate().skip(1) {
        if key(&entries[order[first]]) == key(&entries[at]) {
            keep[at] = false;
            entries[order[first]] = entries[at];
        } else {
            first = i;
        }
    }
    let mut index = 0..;
    entries.retain(|_| index.next().is_some_and(|i: usize| keep[i]));
}
