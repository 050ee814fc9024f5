//! What figures mean nothing without.

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use super::results::Machine;
use crate::report::cpu_model;

const UNKNOWN: &str = "unknown";

/// The machine as the system describes it.
pub(super) fn describe(load_before: String) -> Machine {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").map_or(UNKNOWN.to_owned(), |text| text.trim().into());
    Machine {
        cpu: cpu_model().unwrap_or_else(|| UNKNOWN.to_owned()),
        cores: available_parallelism().map_or(1, |cores| cores.get()),
        kernel: format!("{} {kernel}", std::env::consts::OS),
        rustc: rustc().unwrap_or_else(|| UNKNOWN.to_owned()),
        load_before,
        load_after: load(),
    }
}

/// The load average over the last minute.
pub(super) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().filter(|load| !load.is_empty()).unwrap_or(UNKNOWN).to_owned()
}

/// The compiler at hand, which is the one that built this if it was built here.
fn rustc() -> Option<String> {
    let output = Command::new("rustc").arg("--version").output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
