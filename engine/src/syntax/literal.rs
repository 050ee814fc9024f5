//! The values of literals.

/// A text without its quotes, its escapes replaced. `token` begins and ends with a quote.
///
/// # Errors
/// The place of the first escape that JSON does not have, in bytes within `token`, with its length.
pub(super) fn string(token: &str) -> Result<String, (usize, usize)> {
    let body = &token[1..token.len() - 1];
    let mut value = String::with_capacity(body.len());
    let mut at = 0;
    while let Some(length) = body[at..].find('\\') {
        value.push_str(&body[at..at + length]);
        at += length;
        let (character, length) = escape(&body[at..]).map_err(|length| (at + 1, length))?;
        value.push(character);
        at += length;
    }
    value.push_str(&body[at..]);
    Ok(value)
}

/// The character that an escape stands for and the escape's length; the length alone if there is no such escape.
fn escape(text: &str) -> Result<(char, usize), usize> {
    let simple = match text.as_bytes()[1] {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{C}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(text),
        _ => return Err(1 + text[1..].chars().next().map_or(0, char::len_utf8)),
    };
    Ok((simple, 2))
}

/// `\uXXXX`, or a surrogate pair of two of them.
fn unicode(text: &str) -> Result<(char, usize), usize> {
    let hex = |at: usize| {
        let digits = text.get(at..at + 4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        u32::from_str_radix(digits, 16).ok()
    };
    let high = hex(2).ok_or(2usize)?;
    if let Some(character) = char::from_u32(high) {
        return Ok((character, 6));
    }
    let low = text[6..].starts_with("\\u").then(|| hex(8)).flatten().ok_or(6usize)?;
    if !(0xD800..0xDC00).contains(&high) || !(0xDC00..0xE000).contains(&low) {
        return Err(6);
    }
    let code = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    char::from_u32(code).map(|character| (character, 12)).ok_or(12)
}

/// Nanoseconds of `5m`; `None` if they do not fit (about 292 years).
pub(super) fn duration(token: &str) -> Option<i64> {
    let digits = token.bytes().take_while(u8::is_ascii_digit).count();
    let unit: i64 = match &token[digits..] {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3_600 * 1_000_000_000,
        _ => 86_400 * 1_000_000_000,
    };
    token[..digits].parse::<i64>().ok()?.checked_mul(unit)
}

/// Nanoseconds since 1970 of `@2024-01-15` or `@2024-01-15T10:00:00Z`; `None` if there is no such time, or it does not
/// fit (1677 to 2262).
pub(super) fn timestamp(token: &str) -> Option<i64> {
    let text = token.strip_prefix('@')?;
    let (date, time) = match text.find(['T', 't']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let (year, month, day) = (number(parts.next()?, 4)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    if parts.next().is_some() || !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400;
    let (time_of_day, nanoseconds) = time.map_or(Some((0, 0)), time_of_day)?;
    let total = i128::from(seconds + time_of_day) * 1_000_000_000 + i128::from(nanoseconds);
    i64::try_from(total).ok()
}

/// Seconds since midnight UTC, and nanoseconds, of `10:00:00.5+02:00`.
fn time_of_day(text: &str) -> Option<(i64, i64)> {
    let zone_at = text.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = text.split_at(zone_at);
    let (clock, fraction) = clock.split_once('.').map_or((clock, None), |(clock, fraction)| (clock, Some(fraction)));
    let mut parts = clock.split(':');
    let (hour, minute, second) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let nanoseconds = match fraction {
        None => 0,
        Some(digits) if (1..=9).contains(&digits.len()) => {
            number(digits, digits.len())? * 10_i64.pow(9 - digits.len() as u32)
        }
        Some(_) => return None,
    };
    let offset = match zone.split_at(1) {
        ("Z" | "z", "") => 0,
        (sign, zone) => {
            let (hours, minutes) = zone.split_once(':')?;
            let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let east = if sign == "-" { -1 } else { 1 };
            east * (hours * 3_600 + minutes * 60)
        }
    };
    Some((hour * 3_600 + minute * 60 + second - offset, nanoseconds))
}

/// Exactly that many digits.
fn number(text: &str, digits: usize) -> Option<i64> {
    let good = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    good.then(|| text.parse().ok()).flatten()
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years are counted from March, so that the leap day is the
/// last of its year and the lengths of the months before it follow one line.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_have_the_escapes_of_json() {
        assert_eq!(string(r#""""#), Ok(String::new()));
        assert_eq!(string(r#""a\"\\\/\b\f\n\r\tz""#), Ok("a\"\\/\u{8}\u{C}\n\r\tz".into()));
        assert_eq!(string(r#""\u00e9\ud83d\uDE00é""#), Ok("é😀é".into()));
        assert_eq!(string(r#""a\x""#), Err((2, 2)));
        assert_eq!(string(r#""\é""#), Err((1, 3)));
        assert_eq!(string(r#""\u12""#), Err((1, 2)));
        assert_eq!(string(r#""\u+123""#), Err((1, 2)));
        assert_eq!(string(r#""\ud83d""#), Err((1, 6)), "half a pair");
        assert_eq!(string(r#""\ud83dA""#), Err((1, 6)));
        assert_eq!(string(r#""\ude00""#), Err((1, 6)), "the second half alone");
    }

    #[test]
    fn durations_are_nanoseconds() {
        assert_eq!(duration("7ns"), Some(7));
        assert_eq!(duration("7us"), Some(7_000));
        assert_eq!(duration("7ms"), Some(7_000_000));
        assert_eq!(duration("7s"), Some(7_000_000_000));
        assert_eq!(duration("7m"), Some(420_000_000_000));
        assert_eq!(duration("7h"), Some(25_200_000_000_000));
        assert_eq!(duration("7d"), Some(604_800_000_000_000));
        assert_eq!(duration("106751d"), Some(106_751 * 86_400_000_000_000));
        assert_eq!(duration("106752d"), None);
        assert_eq!(duration("99999999999999999999s"), None);
    }

    #[test]
    fn timestamps_are_nanoseconds_since_1970() {
        assert_eq!(timestamp("@1970-01-01"), Some(0));
        assert_eq!(timestamp("@1969-12-31T23:59:59.999999999Z"), Some(-1));
        assert_eq!(timestamp("@2024-01-15T10:00:00Z"), Some(1_705_312_800_000_000_000));
        assert_eq!(timestamp("@2024-01-15T12:00:00.5+02:00"), Some(1_705_312_800_500_000_000));
        assert_eq!(timestamp("@2024-01-15t05:30:00-04:30"), Some(1_705_312_800_000_000_000));
        assert_eq!(timestamp("@2024-02-29"), Some(1_709_164_800_000_000_000));
        assert_eq!(timestamp("@2000-03-01"), Some(951_868_800_000_000_000));
        for bad in [
            "@2023-02-29",
            "@2024-13-01",
            "@2024-00-01",
            "@2024-01-00",
            "@2024-1-1",
            "@2024-01-15T10:00:00",
            "@2024-01-15T10:00Z",
            "@2024-01-15T24:00:00Z",
            "@2024-01-15T10:00:00.Z",
            "@2024-01-15T10:00:00.1234567890Z",
            "@2024-01-15T10:00:00+2",
            "@2024-01-15T10:00:00Z1",
            "@1500-01-01",
            "@9999-01-01",
            "@",
            "@2024-01-15-01",
        ] {
            assert_eq!(timestamp(bad), None, "{bad}");
        }
    }
}
