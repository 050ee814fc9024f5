//! Numbers: JSON text to `i64` and `f64` and back.
//!
//! A number is read where it stands in its record, by the words that *end* where it ends: what comes before it is masked
//! out, so its last digit is always the last byte, and eight digits are taken out of a word at once. Reading a float has
//! a fast path that is exact: a mantissa of at most 2^53 and a power of ten of at most 10^22 are both representable, so
//! one IEEE division rounds correctly. Everything else takes the standard library's parser.

use std::ops::Range;

use bumpalo::Bump;

use crate::pen::Pen;
use crate::value::{Number, Value};

/// 10^0 to 10^22, the powers of ten that an `f64` represents exactly.
const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];
/// A number of fewer digits fits in an `i64`, and one of as many in a `u64`.
const DIGITS: usize = 19;
const ONES: u64 = 0x0101_0101_0101_0101;

/// The value of the JSON number without point or exponent that stands at `at`; a float if it is beyond `i64`.
#[inline(always)]
pub(crate) fn int(record: &[u8], at: Range<usize>) -> Number {
    let negative = record[at.start] == b'-';
    match digits_before(record, at.end, at.len() - usize::from(negative)) {
        Some(magnitude) => Number::int(if negative { -(magnitude as i64) } else { magnitude as i64 }),
        None => any_int(&record[at]),
    }
}

/// The value of the JSON number that stands at `at`.
#[inline(always)]
pub(crate) fn float(record: &[u8], at: Range<usize>) -> f64 {
    let negative = record[at.start] == b'-';
    match decimal_before(record, at.end, at.len() - usize::from(negative)) {
        Some(magnitude) => {
            if negative {
                -magnitude
            } else {
                magnitude
            }
        }
        None => any_float(&record[at]),
    }
}

/// The value of a whole text that is a JSON number.
pub(crate) fn float_of(text: &str) -> f64 {
    float(text.as_bytes(), 0..text.len())
}

/// The JSON number that stands at `at`, with its text if [`write_float`] would write another one. An int that fits is
/// always written as it came in, but for `-0`.
pub(crate) fn untouched<'a>(value: Value<'a>, record: &'a str, at: Range<usize>, arena: &'a Bump) -> Value<'a> {
    match value {
        Value::Float(float, _) if !is_written_as(float, &record[at.clone()]) => {
            Value::Float(float, Some(arena.alloc(&record[at])))
        }
        other => other,
    }
}

fn is_written_as(float: f64, text: &str) -> bool {
    let mut written = [0u8; NUMBER_BYTES];
    let start = written.as_mut_ptr();
    // SAFETY: there is room for a number, and the end lies within it.
    let len = unsafe { put_float(float, start).offset_from_unsigned(start) };
    &written[..len] == text.as_bytes()
}

/// What the `count` digits before `end` spell; `None` if they are none or more than 16, or the record begins too late.
#[inline(always)]
fn digits_before(record: &[u8], end: usize, count: usize) -> Option<u64> {
    let low = word_before(record, end)?;
    match count {
        1..=8 => Some(eight_digits(last_bytes(low, count))),
        9..=16 => {
            let high = last_bytes(word_before(record, end - 8)?, count - 8);
            Some(eight_digits(high) * 100_000_000 + eight_digits(low))
        }
        _ => None,
    }
}

/// What the `count` digits and point before `end` spell; `None` if there are more than eight, or no point or an exponent
/// among them, or the record begins too late.
#[inline(always)]
fn decimal_before(record: &[u8], end: usize, count: usize) -> Option<f64> {
    if !(1..=8).contains(&count) {
        return None;
    }
    // Digits become their values. The point becomes 0x1e, signs look alike, and the letter of an exponent 0x55 or 0x75.
    let values = last_bytes(word_before(record, end)? ^ (ONES * u64::from(b'0')), count);
    let others = values & (ONES * 0xf0);
    if others == 0 || others & (ONES * 0xe0) != 0 {
        return None;
    }
    // Without an exponent, the point is the only other. It is closed up by the digits before it.
    let point = others.trailing_zeros() & !7;
    let (before, after) = (values & !(u64::MAX << point), values & u64::MAX << 8 << point);
    let fraction = 7 - point as usize / 8;
    Some(eight_digits(before << 8 | after) as i64 as f64 / POWERS_OF_TEN[fraction])
}

/// The eight bytes before `end`, the first in the lowest place.
#[inline(always)]
fn word_before(record: &[u8], end: usize) -> Option<u64> {
    record.get(..end)?.last_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// `word` without all but its last `count` bytes, of which there are one to eight.
#[inline(always)]
fn last_bytes(word: u64, count: usize) -> u64 {
    word & u64::MAX << (64 - 8 * count)
}

/// [`int`] of any length.
#[inline(never)]
fn any_int(text: &[u8]) -> Number {
    let (negative, digits) = sign(text);
    if digits.len() >= DIGITS {
        let text = std::str::from_utf8(text).unwrap_or_default();
        return text.parse().map_or_else(|_| Number::float(any_float(text.as_bytes())), Number::int);
    }
    let magnitude = digits.iter().fold(0, |magnitude, digit| magnitude * 10 + i64::from(digit & 0x0f));
    Number::int(if negative { -magnitude } else { magnitude })
}

/// [`float`] of any length and form.
#[inline(never)]
fn any_float(text: &[u8]) -> f64 {
    let (negative, digits) = sign(text);
    if digits.len() <= DIGITS {
        let (mut mantissa, mut point, mut plain) = (0, digits.len() - 1, true);
        for (at, &byte) in digits.iter().enumerate() {
            let digit = u64::from(byte.wrapping_sub(b'0'));
            if digit < 10 {
                mantissa = mantissa * 10 + digit;
            } else {
                point = at;
                plain &= byte == b'.';
            }
        }
        if plain && mantissa <= 1 << 53 {
            let magnitude = mantissa as i64 as f64 / POWERS_OF_TEN[digits.len() - 1 - point];
            return if negative { -magnitude } else { magnitude };
        }
    }
    // The scanner accepts JSON's numbers only, all of which the standard parser understands.
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

#[inline(always)]
fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    }
}

/// Eight digits at once, the first in the lowest byte: neighbours are joined to pairs, to fours, to the whole. Each
/// product holds, in its upper half, the sum of the left neighbour's multiple and the right one.
#[inline(always)]
fn eight_digits(text: u64) -> u64 {
    let digits = text & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = (digits.wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 << 32 | 1) >> 32
}

/// Reads a whole string as a number, blanks around it allowed; `None` if it is none.
pub(crate) fn from_text(text: &str) -> Option<Value<'static>> {
    let text = text.trim();
    if let Ok(int) = text.parse() {
        return Some(Value::Int(int));
    }
    // The standard parser also knows "inf", "nan" and "infinity"; a number begins and ends with a digit or a point.
    let numeric = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    text.parse().ok().filter(|float: &f64| numeric && float.is_finite()).map(Value::float)
}

/// The digits of 0 to 99.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut n = 0;
    while n < pairs.len() {
        pairs[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    pairs
};

/// More bytes than any number's text has.
pub(crate) const NUMBER_BYTES: usize = 32;

/// Appends `int` in decimal.
#[inline]
pub(crate) fn write_int(int: i64, out: &mut Vec<u8>) {
    let mut pen = Pen::new(out, NUMBER_BYTES);
    // SAFETY: there is room for a number.
    unsafe { pen.put(|at| put_int(int, at)) };
    pen.put_down();
}

/// Appends the shortest text that reads back as `float`, always with a point or an exponent; a non-finite one is `null`.
#[inline]
pub(crate) fn write_float(float: f64, out: &mut Vec<u8>) {
    let mut pen = Pen::new(out, NUMBER_BYTES);
    // SAFETY: there is room for a number.
    unsafe { pen.put(|at| put_float(float, at)) };
    pen.put_down();
}

/// Writes at `at` what [`write_int`] appends, and returns the place behind it.
///
/// # Safety
/// [`NUMBER_BYTES`] may be written at `at`.
#[inline]
pub(crate) unsafe fn put_int(int: i64, at: *mut u8) -> *mut u8 {
    // SAFETY: a sign and at most 19 digits.
    unsafe {
        at.write(b'-');
        put_natural(int.unsigned_abs(), at.add(usize::from(int < 0)))
    }
}

/// Writes at `at` what [`write_float`] appends, and returns the place behind it.
///
/// # Safety
/// [`NUMBER_BYTES`] may be written at `at`.
#[inline]
pub(crate) unsafe fn put_float(float: f64, at: *mut u8) -> *mut u8 {
    // SAFETY: as the caller promises.
    unsafe { put_short_decimal(float, at).unwrap_or_else(|| put_any_float(float, at)) }
}

/// Writes the digits of `natural` at `at`, and returns the place behind them.
///
/// # Safety
/// 20 bytes may be written at `at`.
#[inline(always)]
unsafe fn put_natural(mut natural: u64, at: *mut u8) -> *mut u8 {
    // SAFETY: there are as many digits as the logarithm says, and each is written once, the last ones first.
    unsafe {
        let end = at.add(natural.checked_ilog10().map_or(1, |log| log as usize + 1));
        let mut next = end;
        while natural >= 100 {
            next = next.sub(2);
            put_pair(natural % 100, next);
            natural /= 100;
        }
        if natural >= 10 {
            put_pair(natural, next.sub(2));
        } else {
            next.sub(1).write(b'0' + natural as u8);
        }
        end
    }
}

/// Writes the two digits of a number below 100.
///
/// # Safety
/// Two bytes may be written at `at`.
#[inline(always)]
unsafe fn put_pair(below_100: u64, at: *mut u8) {
    // SAFETY: as the caller promises.
    unsafe { at.cast::<[u8; 2]>().write(PAIRS[below_100 as usize]) };
}

/// Writes `float` at `at`, and returns the place behind it, if four decimals are enough for it and 15 digits in all.
///
/// The decimal n / 10^4 is taken if the division gives `float` back: n and 10^4 are exact, so the division rounds as
/// reading the text would. And it is the shortest text that does: a float has at most one decimal of up to 15 digits.
///
/// # Safety
/// [`NUMBER_BYTES`] may be written at `at`.
#[inline(always)]
unsafe fn put_short_decimal(float: f64, at: *mut u8) -> Option<*mut u8> {
    const SCALE: f64 = 1e4;
    const LIMIT: f64 = 1e15 / SCALE;
    let magnitude = float.abs();
    // A NaN is not below the limit either.
    let scaled = if magnitude < LIMIT { (magnitude * SCALE + 0.5) as i64 } else { return None };
    if scaled as f64 / SCALE != magnitude {
        return None;
    }
    let (whole, decimals) = (scaled as u64 / SCALE as u64, scaled as u64 % SCALE as u64);
    // SAFETY: a sign, 11 digits, the point, and four decimals, of which zeros at the end do not count.
    unsafe {
        at.write(b'-');
        let point = put_natural(whole, at.add(usize::from(float.is_sign_negative())));
        point.write(b'.');
        put_pair(decimals / 100, point.add(1));
        put_pair(decimals % 100, point.add(3));
        let count = match decimals {
            _ if decimals.is_multiple_of(1000) => 1,
            _ if decimals.is_multiple_of(100) => 2,
            _ if decimals.is_multiple_of(10) => 3,
            _ => 4,
        };
        Some(point.add(1 + count))
    }
}

/// Writes what [`put_float`] does, of any length.
///
/// # Safety
/// [`NUMBER_BYTES`] may be written at `at`.
#[inline(never)]
unsafe fn put_any_float(float: f64, at: *mut u8) -> *mut u8 {
    let mut buffer = zmij::Buffer::new();
    let text = if float.is_finite() { buffer.format_finite(float) } else { "null" };
    assert!(text.len() <= NUMBER_BYTES, "the longest float has 24 characters");
    // SAFETY: the text is no longer than what the caller promises.
    unsafe {
        at.copy_from_nonoverlapping(text.as_ptr(), text.len());
        at.add(text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Owned;

    fn text_of(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    /// What `put` writes, which must be no more than it may.
    fn text_put(put: impl FnOnce(*mut u8) -> *mut u8) -> String {
        let mut room = [0u8; NUMBER_BYTES];
        let end = put(room.as_mut_ptr());
        let len = end as usize - room.as_ptr() as usize;
        String::from_utf8(room[..len].to_vec()).expect("ASCII")
    }

    fn any_text(float: f64) -> String {
        // SAFETY: there is room for a number.
        text_put(|at| unsafe { put_any_float(float, at) })
    }

    /// What stands before and after a number must not matter, nor how much of it there is.
    fn in_records<T>(number: &str, read: impl Fn(&[u8], Range<usize>) -> T, same: impl Fn(&T, &T) -> bool) -> T {
        let alone = read(number.as_bytes(), 0..number.len());
        for before in ["{\"a\":", "[-9.9E+99,", "[[1234567890123456789,99999999.5e", "{\"key of many bytes\": "] {
            let record = format!("{before}{number}99.9e9");
            assert!(same(&alone, &read(record.as_bytes(), before.len()..before.len() + number.len())), "{record}");
        }
        alone
    }

    fn read_int(text: &str) -> Value<'static> {
        in_records(text, |record, at| int(record, at).into(), |a: &Value, b| Owned::from(*a) == Owned::from(*b))
    }

    fn read_float(text: &str) -> f64 {
        in_records(text, float, |a, b| a.to_bits() == b.to_bits())
    }

    #[test]
    fn ints_stay_exact_and_turn_to_floats_beyond_i64() {
        for (text, expected) in [
            ("0", 0),
            ("-0", 0),
            ("12345678", 12_345_678),
            ("-1775990400011", -1_775_990_400_011),
            ("9007199254740993", (1 << 53) + 1),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(Owned::from(read_int(text)), Owned::Int(expected), "{text}");
        }
        let beyond = |text: &str| Owned::from(read_int(text));
        assert_eq!(beyond("9223372036854775808"), Owned::Float(9223372036854775808.0));
        assert_eq!(beyond("-9223372036854775809"), Owned::Float(-9223372036854775808.0));
    }

    #[test]
    fn numbers_of_every_length_are_read() {
        let digits = "1234567890123456789";
        for len in 1..=digits.len() {
            for sign in ["", "-"] {
                let text = format!("{sign}{}", &digits[..len]);
                let expected: i64 = text.parse().expect(&text);
                assert_eq!(Owned::from(read_int(&text)), Owned::Int(expected));
                for point in 1..len {
                    let text = format!("{sign}{}.{}", &digits[..point], &digits[point..len]);
                    let expected: f64 = text.parse().expect(&text);
                    assert_eq!(read_float(&text), expected, "{text}");
                }
            }
        }
    }

    #[test]
    fn the_fast_path_agrees_with_the_standard_parser() {
        for text in [
            "0.0",
            "-0.0",
            "51.0",
            "0.1",
            "139.5",
            "123456789.123456789",
            "9007199254740992.0",
            "9007199254740993.0",
            "0.0000000000000000000001",
            "1234567890123456.789",
            "1e5",
            "1.5e3",
            "12",
            "1234567.8",
            "123456.7",
            "-2.5E-3",
            "5e-324",
            "1.7976931348623157e308",
            "100000000000000000000.5",
        ] {
            let expected: f64 = text.parse().expect(text);
            assert_eq!(read_float(text).to_bits(), expected.to_bits(), "{text}");
        }
    }

    #[test]
    fn computed_floats_show_that_they_are_floats() {
        for (float, text) in [(60.0, "60.0"), (-0.5, "-0.5"), (1e300, "1e+300"), (0.1 + 0.2, "0.30000000000000004")] {
            assert_eq!(text_of(|out| write_float(float, out)), text);
        }
        for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(text_of(|out| write_float(float, out)), "null");
        }
    }

    #[test]
    fn short_decimals_are_written_as_all_others() {
        let agree = |float: f64| {
            // SAFETY: there is room for a number.
            let short = text_put(|at| unsafe { put_short_decimal(float, at).expect("it is short") });
            assert_eq!(short, any_text(float));
        };
        for digits in
            (0i64..20_000).chain([99_999, 100_000, 100_001, 123_450_000, 999_999_999_999_998, 999_999_999_999_999])
        {
            agree(digits as f64 / 1e4);
            agree(digits as f64 / -1e4);
        }
    }

    proptest::proptest! {
        #[test]
        fn floats_are_written_in_the_shortest_way(digits: i64, scale in 0..22, bits: u64) {
            for float in [digits as f64 / POWERS_OF_TEN[scale as usize], f64::from_bits(bits)] {
                proptest::prop_assert_eq!(text_of(|out| write_float(float, out)), any_text(float));
            }
        }
    }

    #[test]
    fn ints_of_every_length_are_written() {
        let powers = (0..19).map(|exponent| 10i64.pow(exponent));
        for value in powers.flat_map(|power| [power, -power, power - 1, power + 1]).chain([i64::MAX, i64::MIN]) {
            assert_eq!(text_of(|out| write_int(value, out)), value.to_string());
        }
    }

    #[test]
    fn text_is_a_number_or_none() {
        assert!(matches!(from_text(" 12 "), Some(Value::Int(12))));
        assert!(matches!(from_text("1e3"), Some(Value::Float(1000.0, _))));
        assert!(matches!(from_text("92233720368547758080"), Some(Value::Float(..))));
        for text in ["", "twelve", "inf", "nan", "1e400", "1 2"] {
            assert!(from_text(text).is_none(), "{text}");
        }
    }
}
