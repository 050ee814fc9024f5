//! Event times: RFC 3339 text to nanoseconds since 1970 and back.
//!
//! Limits
//! 1. A time is an `i64` of nanoseconds, so it lies between 1677-09-21 and 2262-04-11. Text or milliseconds beyond that
//!    are unreadable, as if the field were not there.
//! 2. Text without an offset is taken as UTC, a blank may stand for the `T`, a bare date is its midnight; digits beyond
//!    nanoseconds are cut off.
//! 3. Written times have 0, 3, 6 or 9 digits of fraction, whichever is enough.

use crate::pen::Pen;

const NANOS: i64 = 1_000_000_000;
const DAY_SECONDS: i64 = 86_400;

/// Milliseconds since 1970 as a time; `None` beyond the range of an `i64` of nanoseconds.
#[inline]
pub fn from_millis(millis: i64) -> Option<i64> {
    millis.checked_mul(1_000_000)
}

/// A time as whole milliseconds since 1970, those before it negative.
#[inline]
pub fn to_millis(time: i64) -> i64 {
    time.div_euclid(1_000_000)
}

/// Reads an RFC 3339 time, within the limits that the module states.
pub fn parse(text: &[u8]) -> Option<i64> {
    let (year, month, day) = (digits(text, 0, 4)?, digits(text, 5, 2)?, digits(text, 8, 2)?);
    let valid_date = text[4] == b'-' && text[7] == b'-' && (1..=days_in_month(year, month)).contains(&day);
    if !valid_date {
        return None;
    }
    let days = days_from_civil(year, month, day);
    if text.len() == 10 {
        return at(days * DAY_SECONDS, 0);
    }
    let (hour, minute, second) = (digits(text, 11, 2)?, digits(text, 14, 2)?, digits(text, 17, 2)?);
    let separated = matches!(text[10], b'T' | b't' | b' ') && text[13] == b':' && text[16] == b':';
    // 60 is a leap second: the same instant as the next second's 0.
    if !separated || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut rest = &text[19..];
    let mut nanos = 0;
    if let [b'.', fraction @ ..] = rest {
        let count = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return None;
        }
        nanos = (0..9).fold(0, |sum, i| sum * 10 + fraction[..count].get(i).map_or(0, |byte| i64::from(byte - b'0')));
        rest = &fraction[count..];
    }
    let offset_minutes = match rest {
        [] | [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (digits(rest, 1, 2)?, digits(rest, 4, 2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    at(days * DAY_SECONDS + hour * 3600 + minute * 60 + second - offset_minutes * 60, nanos)
}

/// Writes times, remembering the text of a second: neighbouring records mostly share theirs.
#[derive(Debug, Clone)]
pub struct Writer {
    /// The time at which the second begins, if that is one.
    second: Option<i64>,
    /// Its text, without what follows the seconds.
    text: [u8; Self::ROOM],
}

impl Default for Writer {
    fn default() -> Self {
        Writer { second: Some(0), text: *b"1970-01-01T00:00:00             " }
    }
}

impl Writer {
    /// As many bytes as any text, with its quote, may have.
    pub(crate) const ROOM: usize = 32;
    /// How much of it is remembered.
    const SECONDS: usize = 19;

    /// Appends `time` as RFC 3339 in UTC.
    pub fn write(&mut self, time: i64, out: &mut Vec<u8>) {
        let mut pen = Pen::new(out, Self::ROOM);
        // SAFETY: there is room, and the closing quote is the last byte.
        unsafe { pen.put(|at| self.put_quoted(time, at).sub(1)) };
        pen.put_down();
    }

    /// Writes at `at` the text of `time` and the quote that ends its string; returns the place behind it.
    ///
    /// Nothing that was written byte by byte is read again at once: that would have to wait for those writes.
    ///
    /// # Safety
    /// [`ROOM`](Self::ROOM) bytes may be written at `at`.
    #[inline(always)]
    pub(crate) unsafe fn put_quoted(&mut self, time: i64, at: *mut u8) -> *mut u8 {
        let since = self.second.and_then(|second| time.checked_sub(second));
        let nanos = match since {
            Some(nanos) if (0..NANOS).contains(&nanos) => nanos as u32,
            _ => self.turn_to(time),
        };
        let (millis, below) = (nanos / 1_000_000, nanos % 1_000_000);
        // SAFETY: the text takes all the room, and what follows the seconds at most 12 of the 13 bytes behind them.
        unsafe {
            at.copy_from_nonoverlapping(self.text.as_ptr(), Self::ROOM);
            let end = at.add(Self::SECONDS);
            if nanos == 0 || below != 0 {
                return put_rarer_fraction(nanos, end);
            }
            let [a, b, c] = three_digits(millis);
            end.cast::<[u8; 8]>().write([b'.', a, b, c, b'Z', b'"', 0, 0]);
            end.add(6)
        }
    }

    /// Remembers the second of `time`; the nanoseconds since it began.
    #[inline(never)]
    fn turn_to(&mut self, time: i64) -> u32 {
        let (second, nanos) = (time.div_euclid(NANOS), time.rem_euclid(NANOS));
        self.second = time.checked_sub(nanos);
        let (days, in_day) = (second.div_euclid(DAY_SECONDS), second.rem_euclid(DAY_SECONDS));
        let (year, month, day) = civil_from_days(days);
        self.text[0..2].copy_from_slice(&two_digits(year / 100));
        self.text[2..4].copy_from_slice(&two_digits(year % 100));
        self.text[5..7].copy_from_slice(&two_digits(month));
        self.text[8..10].copy_from_slice(&two_digits(day));
        self.text[11..13].copy_from_slice(&two_digits(in_day / 3600));
        self.text[14..16].copy_from_slice(&two_digits(in_day / 60 % 60));
        self.text[17..19].copy_from_slice(&two_digits(in_day % 60));
        nanos as u32
    }
}

/// Writes what follows the seconds where that is not milliseconds: nothing, or more digits; and `Z"`.
///
/// # Safety
/// 12 bytes may be written at `at`.
#[inline(never)]
unsafe fn put_rarer_fraction(nanos: u32, at: *mut u8) -> *mut u8 {
    let mut text = *b".000000000";
    text[1..4].copy_from_slice(&three_digits(nanos / 1_000_000));
    text[4..7].copy_from_slice(&three_digits(nanos / 1000 % 1000));
    text[7..10].copy_from_slice(&three_digits(nanos % 1000));
    let len = match nanos {
        0 => 0,
        _ if nanos.is_multiple_of(1000) => 7,
        _ => 10,
    };
    // SAFETY: ten bytes at most, and two.
    unsafe {
        at.copy_from_nonoverlapping(text.as_ptr(), len);
        at.add(len).cast::<[u8; 2]>().write(*b"Z\"");
        at.add(len + 2)
    }
}

fn at(seconds: i64, nanos: i64) -> Option<i64> {
    i64::try_from(i128::from(seconds) * i128::from(NANOS) + i128::from(nanos)).ok()
}

#[inline]
fn two_digits(n: i64) -> [u8; 2] {
    [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8]
}

#[inline]
fn three_digits(n: u32) -> [u8; 3] {
    [b'0' + (n / 100) as u8, b'0' + (n / 10 % 10) as u8, b'0' + (n % 10) as u8]
}

/// `count` digits at `start`, as a number.
fn digits(text: &[u8], start: usize, count: usize) -> Option<i64> {
    text.get(start..start + count)?
        .iter()
        .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar. Years begin in March here, so that the leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`]: year, month, day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(time: i64) -> String {
        let mut out = Vec::new();
        Writer::default().write(time, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn reads_what_rfc_3339_allows() {
        let cases: &[(&str, Option<i64>)] = &[
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01", Some(0)),
            ("1970-01-01 00:00:01", Some(NANOS)),
            ("1969-12-31T23:59:59.5Z", Some(-NANOS / 2)),
            ("2026-04-12T10:40:00.011Z", Some(1_775_990_400_011 * 1_000_000)),
            ("2026-04-12T12:40:00.011+02:00", Some(1_775_990_400_011 * 1_000_000)),
            ("2026-04-12t05:10:00.011-05:30", Some(1_775_990_400_011 * 1_000_000)),
            ("2024-02-29T00:00:00.123456789Z", Some(1_709_164_800_123_456_789)),
            ("2024-02-29T00:00:00.1234567899Z", Some(1_709_164_800_123_456_789)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_800 * NANOS)),
            ("2023-02-29", None),
            ("1900-02-29", None),
            ("2024-13-01", None),
            ("2024-00-01", None),
            ("2024-04-31", None),
            ("2024-01-01T24:00:00Z", None),
            ("2024-01-01T00:60:00Z", None),
            ("2024-01-01T00:00:00.Z", None),
            ("2024-01-01T00:00:00+0100", None),
            ("2024-01-01T00:00:00+24:00", None),
            ("2024-01-01T00:00:00Zx", None),
            ("2024-01-01T", None),
            ("2024-1-01", None),
            ("9999-12-31T23:59:59Z", None),
            ("", None),
            ("yesterday", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text.as_bytes()), *expected, "{text}");
        }
    }

    #[test]
    fn writes_as_many_digits_as_needed() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2026-04-12T10:40:00.011Z",
            "2024-02-29T23:59:59.000001Z",
            "2024-02-29T23:59:59.100000001Z",
            "1969-12-31T23:59:59.999Z",
            "1700-03-01T00:00:00Z",
            "2262-04-11T23:47:16.854775807Z",
        ] {
            assert_eq!(written(parse(text.as_bytes()).expect(text)), text);
        }
    }

    #[test]
    fn every_day_survives_the_calendar() {
        for day in (-100_000..100_000).step_by(7) {
            let (year, month, dom) = civil_from_days(day);
            assert_eq!(days_from_civil(year, month, dom), day, "{year}-{month}-{dom}");
        }
    }

    #[test]
    fn the_remembered_second_never_shows() {
        let mut writer = Writer::default();
        for time in [
            0,
            86_399 * NANOS,
            86_400 * NANOS,
            -1,
            1_775_990_400_011_000_000,
            1_775_990_400_012_000_000,
            0,
            0,
            i64::MIN,
            i64::MIN + 1,
            i64::MAX,
            i64::MIN,
            1_001,
            i64::MAX,
        ] {
            let mut out = Vec::new();
            writer.write(time, &mut out);
            assert_eq!(String::from_utf8(out).expect("ASCII"), written(time));
        }
    }

    #[test]
    fn milliseconds_out_of_range_are_no_time() {
        assert_eq!(from_millis(i64::MAX), None);
        assert_eq!(from_millis(-1), Some(-1_000_000));
    }
}
