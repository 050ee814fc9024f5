//! A child process, and what it used: processor time with that of its own children, and peak resident memory.

use std::env;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::Result;

/// How often the child is looked at.
const SAMPLE: Duration = Duration::from_millis(10);
/// Lines of its standard error that are shown when it fails.
const LAST_LINES: usize = 12;

/// What a child used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// User and system time, in nanoseconds.
    pub(crate) cpu_ns: u64,
    /// Greatest resident set, in bytes. The kernel's high-water mark as last sampled: `ru_maxrss` would include this
    /// process's own memory as it was when the child was started.
    pub(crate) peak_rss_bytes: u64,
    /// When it was started, in ms since 1970.
    pub(crate) started_ms: i64,
}

/// Where kolo is: where `named` says, else beside this program.
///
/// # Errors
/// If it is not beside this program and none is named.
pub(crate) fn kolo(named: Option<&PathBuf>) -> Result<PathBuf> {
    if let Some(path) = named {
        return Ok(path.clone());
    }
    let path = env::current_exe()?.with_file_name("kolo");
    if !path.exists() {
        let hint = "build it with `cargo build --release --workspace`, or name one with --kolo";
        return Err(format!("there is no {}; {hint}", path.display()).into());
    }
    Ok(path)
}

/// Runs `command` to its end.
///
/// # Errors
/// If it cannot be started, does not end within `timeout`, or exits with anything but 0; the message holds the last
/// lines that it wrote to standard error.
pub(crate) fn run(command: &mut Command, timeout: Duration) -> Result<Usage> {
    let mut stderr = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr.try_clone()?);
    let name = command.get_program().to_string_lossy().into_owned();
    let started_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
    let deadline = Instant::now() + timeout;
    let mut child = command.spawn().map_err(|error| format!("{name} cannot be started: {error}"))?;

    let mut peak_rss_bytes = 0;
    let mut killed = false;
    let (status, usage) = loop {
        peak_rss_bytes = peak_rss(child.id()).unwrap_or(peak_rss_bytes);
        if let Some(ended) = try_wait(child.id())? {
            break ended;
        }
        if Instant::now() > deadline && !killed {
            child.kill()?;
            killed = true;
        }
        thread::sleep(SAMPLE);
    };
    if killed {
        return Err(format!("{name} did not end within {} s{}", timeout.as_secs(), last_lines(&mut stderr)?).into());
    }
    if !libc::WIFEXITED(status) || libc::WEXITSTATUS(status) != 0 {
        let how = match libc::WIFEXITED(status) {
            true => format!("exit code {}", libc::WEXITSTATUS(status)),
            false => format!("signal {}", libc::WTERMSIG(status)),
        };
        return Err(format!("{name} ended with {how}{}", last_lines(&mut stderr)?).into());
    }
    Ok(Usage { cpu_ns: nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime), peak_rss_bytes, started_ms })
}

/// The exit status and resource usage of `pid`, if it has ended.
fn try_wait(pid: u32) -> Result<Option<(i32, libc::rusage)>> {
    let mut status = 0;
    // SAFETY: an all-zero rusage is a valid value of that plain struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live places of the right type; `pid` is a child of ours not yet waited for.
    match unsafe { libc::wait4(pid as i32, &mut status, libc::WNOHANG, &mut usage) } {
        0 => Ok(None),
        -1 => Err(std::io::Error::last_os_error().into()),
        _ => Ok(Some((status, usage))),
    }
}

/// The high-water mark of a living process's resident set, in bytes.
fn peak_rss(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn nanoseconds(time: libc::timeval) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1_000
}

fn last_lines(stderr: &mut File) -> Result<String> {
    stderr.seek(SeekFrom::Start(0))?;
    let text = std::io::read_to_string(stderr)?;
    let lines: Vec<&str> = text.lines().collect();
    let shown = &lines[lines.len().saturating_sub(LAST_LINES)..];
    Ok(shown.iter().map(|line| format!("\n  | {line}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn time_and_memory_of_a_child_are_found() {
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        let usage = run(&mut shell(busy), Duration::from_secs(60)).expect("it ends well");
        assert!(usage.cpu_ns > 0 && usage.peak_rss_bytes > 0 && usage.started_ms > 0, "{usage:?}");
    }

    #[test]
    fn a_failure_shows_what_the_child_said_last() {
        let error = run(&mut shell("echo gone wrong >&2; exit 3"), Duration::from_secs(60)).expect_err("exit 3");
        assert_eq!(error.to_string(), "sh ended with exit code 3\n  | gone wrong");
        let error = run(&mut shell("kill -9 $$"), Duration::from_secs(60)).expect_err("killed");
        assert_eq!(error.to_string(), "sh ended with signal 9");
    }

    #[test]
    fn a_child_that_does_not_end_is_killed() {
        let error = run(&mut shell("exec sleep 600"), Duration::ZERO).expect_err("it never ends by itself");
        assert!(error.to_string().starts_with("sh did not end within 0 s"), "{error}");
    }
}
