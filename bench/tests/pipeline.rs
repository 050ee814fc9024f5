//! The pipeline benchmark itself, small, on the broker that `KOLO_TEST_BROKERS` names. What it measures is not looked
//! at here; that it verifies is.

use std::env;
use std::fs;
use std::process::{Command, Output};

/// Runs `kolo-bench pipeline` with few records, or nothing if no broker is named.
fn pipeline(arguments: &[&str]) -> Option<Output> {
    if env::var_os("KOLO_TEST_BROKERS").is_none() {
        eprintln!("skipped: KOLO_TEST_BROKERS names no broker; see ci/kafka");
        return None;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_kolo-bench"));
    command.args(["pipeline", "--events", "100000", "--rounds", "1", "--warm-up", "0"]).args(arguments);
    Some(command.output().expect("kolo-bench starts"))
}

#[test]
fn the_relay_forwards_what_the_filter_keeps() {
    let json = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    let path = json.path().to_str().expect("its path is text");
    let arguments = ["--engines", "relay,relay-kolo", "--programs", "filter,filter-wide", "--partitions", "3"];
    let Some(output) = pipeline(&[&arguments[..], &["--json", path]].concat()) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.contains("filter-wide, 3 partitions, 100,000 records"), "{table}");

    let report: serde_json::Value = serde_json::from_slice(&fs::read(path).expect("it is there")).expect("it is JSON");
    let cases = report["cases"].as_array().expect("cases are a list");
    assert_eq!(cases.len(), 2);
    for engine in cases.iter().flat_map(|case| case["engines"].as_array().expect("engines are a list")) {
        assert_eq!(engine["outputs_per_record"]["median"], 0.89, "{engine}");
        assert_eq!(engine["records_per_s"]["rounds"].as_array().map(Vec::len), Some(1), "{engine}");
    }
}

#[test]
fn an_engine_that_writes_nothing_fails() {
    let arguments = ["--engines", "kolo", "--kolo", "true", "--programs", "filter", "--partitions", "1"];
    let Some(output) = pipeline(&arguments) else { return };
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains("kolo, filter, 1 partition: ") && error.contains("ends before record 11's output"),
        "{error}"
    );
}
