#![no_main]

#[path = "../../engine/tests/common/entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entries::entry("check")(bytes));
