//! Numbers: JSON text to `i64` and `f64` and back.
//!
//! Reading an int takes eight digits at a time out of one word. Reading a float has a fast path that is exact: a
//! mantissa of at most 2^53 and a power of ten of at most 10^22 are both representable, so one IEEE division rounds
//! correctly. Everything else takes the standard library's parser.

use crate::value::Value;

/// 10^0 to 10^22, the powers of ten that an `f64` represents exactly.
const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];
/// A number of fewer digits fits in an `i64`, and one of as many in a `u64`.
const DIGITS: usize = 19;

/// The value of a JSON number without point or exponent; a float if it is beyond `i64`.
#[inline]
pub(crate) fn int(text: &[u8]) -> Value<'static> {
    let (negative, mut digits) = sign(text);
    if digits.len() >= DIGITS {
        let text = std::str::from_utf8(text).unwrap_or_default();
        return text.parse().map_or_else(|_| Value::Float(float(text.as_bytes())), Value::Int);
    }
    let mut magnitude = 0;
    while let Some((eight, rest)) = digits.split_first_chunk() {
        magnitude = magnitude * 100_000_000 + eight_digits(u64::from_le_bytes(*eight));
        digits = rest;
    }
    for digit in digits {
        magnitude = magnitude * 10 + u64::from(digit & 0x0f);
    }
    Value::Int(if negative { -(magnitude as i64) } else { magnitude as i64 })
}

/// The value of a JSON number.
#[inline]
pub(crate) fn float(text: &[u8]) -> f64 {
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

/// Eight digits at once, the first in the lowest byte: neighbours are joined to pairs, to fours, to the whole.
#[inline(always)]
fn eight_digits(text: u64) -> u64 {
    let digits = text & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (fours * 10_000 + (fours >> 32)) & 0xffff_ffff
}

/// Reads a whole string as a number, blanks around it allowed; `None` if it is none.
pub(crate) fn from_text(text: &str) -> Option<Value<'static>> {
    let text = text.trim();
    if let Ok(int) = text.parse() {
        return Some(Value::Int(int));
    }
    // The standard parser also knows "inf", "nan" and "infinity"; a number begins and ends with a digit or a point.
    let numeric = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    text.parse().ok().filter(|float: &f64| numeric && float.is_finite()).map(Value::Float)
}

/// Appends `int` in decimal.
#[inline]
pub(crate) fn write_int(int: i64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let (mut rest, mut start) = (int.unsigned_abs(), digits.len());
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if int < 0 {
        start -= 1;
        digits[start] = b'-';
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends the shortest text that reads back as `float`, always with a point or an exponent; a non-finite one is `null`.
#[inline]
pub(crate) fn write_float(float: f64, out: &mut Vec<u8>) {
    if float.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(float).as_bytes());
    } else {
        out.extend_from_slice(b"null");
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
            assert_eq!(Owned::from(int(text.as_bytes())), Owned::Int(expected), "{text}");
        }
        let beyond = |text: &str| Owned::from(int(text.as_bytes()));
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
                assert_eq!(Owned::from(int(text.as_bytes())), Owned::Int(expected));
                for point in 1..len {
                    let text = format!("{sign}{}.{}", &digits[..point], &digits[point..len]);
                    let expected: f64 = text.parse().expect(&text);
                    assert_eq!(float(text.as_bytes()), expected, "{text}");
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
            assert_eq!(float(text.as_bytes()).to_bits(), expected.to_bits(), "{text}");
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
    fn ints_of_every_length_are_written() {
        for value in [0, 7, -7, 10, 1011, i64::MAX, i64::MIN] {
            assert_eq!(text_of(|out| write_int(value, out)), value.to_string());
        }
    }

    #[test]
    fn text_is_a_number_or_none() {
        assert!(matches!(from_text(" 12 "), Some(Value::Int(12))));
        assert!(matches!(from_text("1e3"), Some(Value::Float(1000.0))));
        assert!(matches!(from_text("92233720368547758080"), Some(Value::Float(_))));
        for text in ["", "twelve", "inf", "nan", "1e400", "1 2"] {
            assert!(from_text(text).is_none(), "{text}");
        }
    }
}
