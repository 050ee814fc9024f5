//! What the tests of the binary share: brokers to run against, topics with records in them, and the process itself.
//!
//! ```text
//!   test ─▶ Broker::mock()  librdkafka's mock cluster, inside this process         always
//!        └▶ Broker::real()  the Apache Kafka that KOLO_TEST_BROKERS names          skipped without it; a failure
//!        └▶ Kolo            the binary, started as a user would start it           with KOLO_REQUIRE_BROKER=1
//! ```
//!
//! 1. Topics and groups have fresh names: tests neither see each other nor an earlier run.
//! 2. Nothing sleeps for a fixed time: [`until`] looks again and again, for at most [`PATIENCE`].
//! 3. What is random follows from a seed that is printed, and that KOLO_TEST_SEED sets.

#![allow(dead_code, reason = "every test file compiles all of this and uses a part")]
#![allow(unused_imports, unused_macros, reason = "as above")]

mod broker;
mod mock;
mod process;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(crate) use broker::{Broker, Feeder, Kind, Message, Record};
pub(crate) use process::{Finished, Kolo, kolo, simulate};

/// How long anything that must happen may take on a slow and shared machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Defines each function `fn name(&Broker)` as two tests: `mock::name` and `real::name`.
macro_rules! on_each_broker {
    ($($name:ident),* $(,)?) => {
        mod mock {
            $(#[test] fn $name() { super::$name(&$crate::support::Broker::mock()) })*
        }
        mod real {
            $(#[test] fn $name() {
                if let Some(broker) = $crate::support::Broker::real() {
                    super::$name(&broker)
                }
            })*
        }
    };
}
pub(crate) use on_each_broker;

/// Looks every few milliseconds whether `what` has happened.
///
/// # Panics
/// If it has not after [`PATIENCE`].
pub(crate) fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !happened() {
        assert!(Instant::now() < deadline, "after {PATIENCE:?} still waiting until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A name that no other test, process or run has.
pub(crate) fn fresh(what: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{what}-{:x}-{}-{count}", now.as_millis(), std::process::id())
}

/// A program that passes the field `n` of each record of `input` on to `output`, from the oldest record on.
pub(crate) fn numbers(input: &str, output: &str, group: &str) -> String {
    format!(
        r#"
connector k = kafka(brokers: "replaced:9092", group_id: "{group}")
stream Numbers = Number.from(k, topic: "{input}", auto_offset_reset: "earliest")
    .emit(n: n)
    .to(k, topic: "{output}")
"#
    )
}

/// The record that [`numbers`] reads the number `n` from.
pub(crate) fn number(n: u64) -> Vec<u8> {
    format!(r#"{{"event_type":"Number","n":{n}}}"#).into_bytes()
}

/// The number in an output of [`numbers`].
pub(crate) fn number_of(output: &Record) -> u64 {
    let json: serde_json::Value = serde_json::from_slice(output.value()).expect("outputs are JSON");
    json["n"].as_u64().unwrap_or_else(|| panic!("no number in {json}"))
}

/// The numbers of each partition of `topic`, in order.
pub(crate) fn numbers_in(broker: &Broker, topic: &str) -> Vec<Vec<u64>> {
    broker.read(topic).iter().map(|partition| partition.iter().map(number_of).collect()).collect()
}

/// Numbers that look random and follow from a seed (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    /// From KOLO_TEST_SEED, else from the clock; printed either way, for whoever has to repeat a failure.
    pub(crate) fn new() -> Random {
        let given = std::env::var("KOLO_TEST_SEED").ok().map(|seed| seed.parse().expect("KOLO_TEST_SEED is a number"));
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_millis() as u64;
        let seed = given.unwrap_or_else(now);
        println!("KOLO_TEST_SEED={seed}");
        Random(seed)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}
