//! Inputs whose every record, and outputs whose every byte, follow from a formula: a run over them can be verified by
//! value, without a second engine and without keeping anything in memory.
//!
//! A [`Scenario`] is an input: record `i` is a flat JSON object as Python's `json` prints it, with a blank after `:` and
//! `,`. A [`Program`] is one of the VPL programs in `scenarios/`: which outputs record `i` causes, byte for byte.
//! Generated records have no key.
//!
//! Event time begins at [`BASE_MS`] and never goes back.
//!
//! | scenario | record i |
//! |---|---|
//! | [`Filter`](Scenario::Filter) | a `Tick`: ts = base + i, symbol = \[AAPL, GOOG, MSFT, TSLA\]\[i mod 4\], price = 40.0 + i mod 100, volume = 1000 + i mod 5000 |
//! | [`FilterWide`](Scenario::FilterWide) | the same tick with its fields in another order, and five more: venue = \[XNAS, XNYS, ARCX, BATS\]\[⌊i/4⌋ mod 4\], seq = i, bid = price − 0.5, ask = price + 0.5, side = \[buy, sell\]\[i mod 2\] |
//! | [`Readings`](Scenario::Readings) | a `Reading`: ts = base + 10 i, device_id = dev_{i mod 100}, temperature = 20.0 + (i mod 30) / 2 |
//! | [`Orders`](Scenario::Orders) | k = ⌊i/2⌋; even i an `Order`: ts = base + i, order_id = k, user = u{k mod 10000}, amount = 10.0 + k mod 90; odd i its `Payment`: ts = base + i, order_id = k, paid = 10.0 + k mod 90 |

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Event time of the first record: 2026-04-12T10:40:00Z, in milliseconds since 1970.
pub const BASE_MS: u64 = 1_775_990_400_000;

const SYMBOLS: [&str; 4] = ["AAPL", "GOOG", "MSFT", "TSLA"];
const VENUES: [&str; 4] = ["XNAS", "XNYS", "ARCX", "BATS"];
const SIDES: [&str; 2] = ["buy", "sell"];

/// A generated input. Its name, as `Display` and `FromStr` have it, is what the command line takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Ticks of four symbols: `filter`.
    Filter,
    /// The same ticks, permuted and with ten fields instead of five: `filter-wide`.
    FilterWide,
    /// Temperatures of a hundred devices: `readings`.
    Readings,
    /// Orders, each followed at once by its payment: `orders`.
    Orders,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Scenario; 4] = [Scenario::Filter, Scenario::FilterWide, Scenario::Readings, Scenario::Orders];

    /// The name that the command line takes.
    pub const fn name(self) -> &'static str {
        match self {
            Scenario::Filter => "filter",
            Scenario::FilterWide => "filter-wide",
            Scenario::Readings => "readings",
            Scenario::Orders => "orders",
        }
    }

    /// Appends record `i`'s value to `out`: one line of JSON, without its line end.
    pub fn record(self, i: u64, out: &mut Vec<u8>) {
        match self {
            Scenario::Filter => {
                let tick = Tick::at(i);
                text(out, r#"{"event_type": "Tick", "ts": "#);
                int(out, tick.ts);
                text(out, r#", "symbol": ""#);
                text(out, tick.symbol);
                text(out, r#"", "price": "#);
                quarters(out, tick.price * 4);
                text(out, r#", "volume": "#);
                int(out, tick.volume);
            }
            Scenario::FilterWide => {
                let tick = Tick::at(i);
                text(out, r#"{"venue": ""#);
                text(out, VENUES[(i / 4 % 4) as usize]);
                text(out, r#"", "seq": "#);
                int(out, i);
                text(out, r#", "volume": "#);
                int(out, tick.volume);
                text(out, r#", "bid": "#);
                quarters(out, tick.price * 4 - 2);
                text(out, r#", "price": "#);
                quarters(out, tick.price * 4);
                text(out, r#", "ask": "#);
                quarters(out, tick.price * 4 + 2);
                text(out, r#", "event_type": "Tick", "side": ""#);
                text(out, SIDES[(i % 2) as usize]);
                text(out, r#"", "symbol": ""#);
                text(out, tick.symbol);
                text(out, r#"", "ts": "#);
                int(out, tick.ts);
            }
            Scenario::Readings => {
                text(out, r#"{"event_type": "Reading", "ts": "#);
                int(out, BASE_MS + 10 * i);
                text(out, r#", "device_id": "dev_"#);
                int(out, i % 100);
                text(out, r#"", "temperature": "#);
                quarters(out, 80 + i % 30 * 2);
            }
            Scenario::Orders => {
                let (k, is_order) = (i / 2, i.is_multiple_of(2));
                text(out, r#"{"event_type": ""#);
                text(out, if is_order { "Order" } else { "Payment" });
                text(out, r#"", "ts": "#);
                int(out, BASE_MS + i);
                text(out, r#", "order_id": "#);
                int(out, k);
                if is_order {
                    text(out, r#", "user": "u"#);
                    int(out, k % 10_000);
                    text(out, r#"", "amount": "#);
                } else {
                    text(out, r#", "paid": "#);
                }
                quarters(out, (10 + k % 90) * 4);
            }
        }
        text(out, "}");
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scenario {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let known = Scenario::ALL.iter().map(|s| s.name());
        Scenario::ALL.into_iter().find(|s| s.name() == name).ok_or_else(|| UnknownName::new("scenario", name, known))
    }
}

/// A VPL program of `scenarios/` whose outputs are known by formula.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `scenarios/01_filter/pipeline.vpl`: `filter`.
    Filter,
    /// `scenarios/01_filter/wide.vpl`: `filter-wide`.
    FilterWide,
    /// `scenarios/arithmetic/pipeline.vpl`: `arithmetic`.
    Arithmetic,
}

impl Program {
    /// All of them.
    pub const ALL: [Program; 3] = [Program::Filter, Program::FilterWide, Program::Arithmetic];

    /// The name that the command line takes.
    pub const fn name(self) -> &'static str {
        match self {
            Program::Filter => "filter",
            Program::FilterWide => "filter-wide",
            Program::Arithmetic => "arithmetic",
        }
    }

    /// What it reads.
    pub const fn input(self) -> Scenario {
        match self {
            Program::Filter | Program::Arithmetic => Scenario::Filter,
            Program::FilterWide => Scenario::FilterWide,
        }
    }

    /// The topic that it reads.
    pub const fn input_topic(self) -> &'static str {
        "ticks"
    }

    /// The topics that it writes, in the order in which one record's outputs are caused. At most one output of a
    /// record goes to each.
    pub const fn output_topics(self) -> &'static [&'static str] {
        match self {
            Program::Filter | Program::FilterWide => &["filtered"],
            Program::Arithmetic => &["large", "quotes"],
        }
    }

    /// Appends what record `i` sends to `output_topics()[topic]` to `out`, and says whether it sends anything there.
    ///
    /// # Panics
    /// If there is no such topic.
    pub fn expected(self, topic: usize, i: u64, out: &mut Vec<u8>) -> bool {
        let tick = Tick::at(i);
        match (self, self.output_topics()[topic]) {
            (_, "filtered") => {
                if tick.price <= 50 {
                    return false;
                }
                head(out, "Filtered", &tick);
                text(out, r#","price":"#);
                quarters(out, tick.price * 4);
                text(out, r#","volume":"#);
                int(out, tick.volume);
            }
            (_, "large") => {
                let notional = tick.price * tick.volume;
                if notional <= 300_000 {
                    return false;
                }
                head(out, "Large", &tick);
                text(out, r#","notional":"#);
                quarters(out, notional * 4);
                text(out, r#","fee":"#);
                quarters(out, notional + 4);
            }
            (_, "quotes") => {
                if tick.price <= 50 || tick.price >= 100 {
                    return false;
                }
                head(out, "Quotes", &tick);
                text(out, r#","bid":"#);
                quarters(out, tick.price * 4 - 1);
                text(out, r#","ask":"#);
                quarters(out, tick.price * 4 + 1);
                text(out, r#","lots":"#);
                int(out, tick.volume / 100);
                text(out, r#","rest":"#);
                int(out, tick.volume % 100);
            }
            (_, other) => unreachable!("no formula for topic {other}"),
        }
        text(out, "}");
        true
    }

    /// How many of `records` send something to `output_topics()[topic]`.
    ///
    /// # Panics
    /// If there is no such topic.
    pub fn expected_count(self, topic: usize, records: Range<u64>) -> u64 {
        // Everything that a predicate looks at repeats after 5,000 records.
        const PERIOD: u64 = 5_000;
        let mut scratch = Vec::new();
        let mut sends = |i: u64| {
            scratch.clear();
            u64::from(self.expected(topic, i, &mut scratch))
        };
        let mut up_to = |end: u64| -> u64 {
            let rest: u64 = (0..end % PERIOD).map(&mut sends).sum();
            match end / PERIOD {
                0 => rest,
                laps => rest + laps * (0..PERIOD).map(&mut sends).sum::<u64>(),
            }
        };
        up_to(records.end.max(records.start)) - up_to(records.start)
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Program {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let known = Program::ALL.iter().map(|p| p.name());
        Program::ALL.into_iter().find(|p| p.name() == name).ok_or_else(|| UnknownName::new("program", name, known))
    }
}

/// A name that no [`Scenario`] or [`Program`] has; its message lists those that there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    message: String,
}

impl UnknownName {
    fn new(kind: &str, name: &str, known: impl Iterator<Item = &'static str>) -> Self {
        let known: Vec<_> = known.collect();
        UnknownName { message: format!("no {kind} is named `{name}`; choose one of {}", known.join(", ")) }
    }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UnknownName {}

/// What a tick says, whichever way it is written down. Prices are whole here; JSON shows them as `40.0`.
struct Tick {
    ts: u64,
    symbol: &'static str,
    price: u64,
    volume: u64,
}

impl Tick {
    fn at(i: u64) -> Tick {
        Tick { ts: BASE_MS + i, symbol: SYMBOLS[(i % 4) as usize], price: 40 + i % 100, volume: 1_000 + i % 5_000 }
    }
}

/// What every output of a tick begins with.
fn head(out: &mut Vec<u8>, stream: &str, tick: &Tick) {
    text(out, r#"{"event_type":""#);
    text(out, stream);
    text(out, r#"","timestamp":""#);
    rfc3339(out, tick.ts);
    text(out, r#"","symbol":""#);
    text(out, tick.symbol);
    text(out, r#"""#);
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn int(out: &mut Vec<u8>, mut n: u64) {
    const LONGEST: usize = 20;
    let mut digits = [0u8; LONGEST];
    let mut first = LONGEST;
    loop {
        first -= 1;
        digits[first] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

/// `n` / 4 as the shortest decimal that has a point. Quarters are exact in binary, so that this is what any right
/// float formatter prints.
fn quarters(out: &mut Vec<u8>, n: u64) {
    int(out, n / 4);
    text(out, [".0", ".25", ".5", ".75"][(n % 4) as usize]);
}

/// `n` with leading zeros to `width` digits.
fn padded(out: &mut Vec<u8>, n: u64, width: u32) {
    for place in (0..width).rev() {
        out.push(b'0' + (n / 10u64.pow(place) % 10) as u8);
    }
}

/// RFC 3339 in UTC, with three fractional digits where they are needed and none where they are not. Counts calendar
/// years up from 2026, where the scenarios begin.
fn rfc3339(out: &mut Vec<u8>, ms: u64) {
    const JANUARY_2026: u64 = 20_454;
    let mut day = ms / 86_400_000 - JANUARY_2026;
    let (mut year, mut month) = (2026, 1);
    while day >= days_of(year, month) {
        day -= days_of(year, month);
        (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    }
    padded(out, year, 4);
    out.push(b'-');
    padded(out, month, 2);
    out.push(b'-');
    padded(out, day + 1, 2);
    out.push(b'T');
    padded(out, ms / 3_600_000 % 24, 2);
    out.push(b':');
    padded(out, ms / 60_000 % 60, 2);
    out.push(b':');
    padded(out, ms / 1_000 % 60, 2);
    if !ms.is_multiple_of(1_000) {
        out.push(b'.');
        padded(out, ms % 1_000, 3);
    }
    out.push(b'Z');
}

fn days_of(year: u64, month: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(scenario: Scenario, i: u64) -> String {
        let mut out = Vec::new();
        scenario.record(i, &mut out);
        String::from_utf8(out).expect("records are ASCII")
    }

    fn expected(program: Program, topic: usize, i: u64) -> Option<String> {
        let mut out = Vec::new();
        let sends = program.expected(topic, i, &mut out);
        assert_eq!(sends, !out.is_empty(), "nothing is written where nothing is sent");
        sends.then(|| String::from_utf8(out).expect("outputs are ASCII"))
    }

    #[test]
    fn records_have_the_form_of_python_json() {
        assert_eq!(
            record(Scenario::Filter, 0),
            r#"{"event_type": "Tick", "ts": 1775990400000, "symbol": "AAPL", "price": 40.0, "volume": 1000}"#
        );
        assert_eq!(
            record(Scenario::Filter, 1_004_999),
            r#"{"event_type": "Tick", "ts": 1775991404999, "symbol": "TSLA", "price": 139.0, "volume": 5999}"#
        );
        assert_eq!(
            record(Scenario::FilterWide, 11),
            concat!(
                r#"{"venue": "ARCX", "seq": 11, "volume": 1011, "bid": 50.5, "price": 51.0, "ask": 51.5, "#,
                r#""event_type": "Tick", "side": "sell", "symbol": "TSLA", "ts": 1775990400011}"#
            )
        );
        assert_eq!(
            record(Scenario::Readings, 131),
            r#"{"event_type": "Reading", "ts": 1775990401310, "device_id": "dev_31", "temperature": 25.5}"#
        );
        assert_eq!(
            record(Scenario::Orders, 20_182),
            r#"{"event_type": "Order", "ts": 1775990420182, "order_id": 10091, "user": "u91", "amount": 21.0}"#
        );
        assert_eq!(
            record(Scenario::Orders, 20_183),
            r#"{"event_type": "Payment", "ts": 1775990420183, "order_id": 10091, "paid": 21.0}"#
        );
    }

    #[test]
    fn a_record_is_appended_to_what_is_there() {
        let mut out = b"before ".to_vec();
        Scenario::Filter.record(0, &mut out);
        Program::Filter.expected(0, 0, &mut out);
        assert!(out.starts_with(b"before {") && out.ends_with(b"1000}"));
    }

    #[test]
    fn the_filter_keeps_prices_above_fifty() {
        assert_eq!(expected(Program::Filter, 0, 10), None);
        for program in [Program::Filter, Program::FilterWide] {
            assert_eq!(
                expected(program, 0, 11).as_deref(),
                Some(
                    r#"{"event_type":"Filtered","timestamp":"2026-04-12T10:40:00.011Z","symbol":"TSLA","price":51.0,"volume":1011}"#
                )
            );
        }
        assert_eq!(
            expected(Program::Filter, 0, 1_000_091).as_deref(),
            Some(
                r#"{"event_type":"Filtered","timestamp":"2026-04-12T10:56:40.091Z","symbol":"TSLA","price":131.0,"volume":1091}"#
            )
        );
    }

    #[test]
    fn the_arithmetic_program_computes_floats_and_ints() {
        // Record 3,159 is a tick at 99.0, volume 4,159: notional 411,741.0.
        assert_eq!(
            expected(Program::Arithmetic, 0, 3_159).as_deref(),
            Some(
                r#"{"event_type":"Large","timestamp":"2026-04-12T10:40:03.159Z","symbol":"TSLA","notional":411741.0,"fee":102936.25}"#
            )
        );
        assert_eq!(
            expected(Program::Arithmetic, 1, 3_159).as_deref(),
            Some(
                r#"{"event_type":"Quotes","timestamp":"2026-04-12T10:40:03.159Z","symbol":"TSLA","bid":98.75,"ask":99.25,"lots":41,"rest":59}"#
            )
        );
        assert_eq!(expected(Program::Arithmetic, 1, 3_160), None, "a price of 100 is no quote");
        assert_eq!(expected(Program::Arithmetic, 0, 60), None, "100 × 1,060 is not large");
    }

    #[test]
    fn counts_agree_with_counting() {
        assert_eq!(Program::Filter.expected_count(0, 0..100_000), 89_000);
        assert_eq!(Program::Filter.expected_count(0, 0..1_000_000), 890_000);
        let mut scratch = Vec::new();
        for program in Program::ALL {
            for topic in 0..program.output_topics().len() {
                for range in [0..0, 7..7, 0..11, 0..12, 4_990..5_020, 123..17_311] {
                    let counted = range.clone().filter(|&i| program.expected(topic, i, &mut scratch)).count() as u64;
                    assert_eq!(program.expected_count(topic, range.clone()), counted, "{program} {topic} {range:?}");
                }
            }
        }
    }

    #[test]
    fn times_cross_days_months_and_leap_years() {
        let time = |ms| {
            let mut out = Vec::new();
            rfc3339(&mut out, ms);
            String::from_utf8(out).expect("times are ASCII")
        };
        assert_eq!(time(BASE_MS), "2026-04-12T10:40:00Z");
        assert_eq!(time(BASE_MS + 47_999_999), "2026-04-12T23:59:59.999Z");
        assert_eq!(time(BASE_MS + 48_000_000), "2026-04-13T00:00:00Z");
        assert_eq!(time(1_777_593_600_000), "2026-05-01T00:00:00Z");
        assert_eq!(time(1_798_761_600_000), "2027-01-01T00:00:00Z");
        assert_eq!(time(1_835_395_200_500), "2028-02-29T00:00:00.500Z");
        assert_eq!(time(1_835_481_600_000), "2028-03-01T00:00:00Z");
    }

    #[test]
    fn names_are_read_back_and_a_wrong_one_lists_the_right_ones() {
        for scenario in Scenario::ALL {
            assert_eq!(scenario.to_string().parse(), Ok(scenario));
        }
        for program in Program::ALL {
            assert_eq!(program.to_string().parse(), Ok(program));
        }
        let error = "filer".parse::<Scenario>().expect_err("not a scenario").to_string();
        assert_eq!(error, "no scenario is named `filer`; choose one of filter, filter-wide, readings, orders");
    }
}
