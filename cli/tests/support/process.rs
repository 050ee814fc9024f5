//! The binary as a process: started, watched, signalled, and never left behind.

use std::ffi::OsStr;
use std::io::Read;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use super::{Broker, PATIENCE};

/// What kolo says once nothing that is produced from then on can be missed.
const LISTENING: &str = "Listening for events...\n";

/// The binary, with nothing of this environment that would change what it logs.
pub(crate) fn kolo() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kolo"));
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// `kolo simulate` over a program and events, with further arguments.
pub(crate) fn simulate(program: &str, events: &[u8], arguments: &[&str]) -> Finished {
    let folder = tempfile::tempdir().expect("a folder for the test's files");
    let (program_file, events_file) = (folder.path().join("program.vpl"), folder.path().join("events.jsonl"));
    std::fs::write(&program_file, program).expect("the program can be written");
    std::fs::write(&events_file, events).expect("the events can be written");
    let mut command = kolo();
    command.args(["simulate".as_ref(), "-p".as_ref(), program_file.as_os_str()]);
    command.args(["-e".as_ref(), events_file.as_os_str()]).args(arguments);
    Kolo::start(command).finish()
}

/// What a stream has carried so far, gathered by a thread so that the process never blocks.
struct Capture {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Capture {
    fn of(mut stream: impl Read + Send + 'static) -> Capture {
        let text = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                sink.lock().expect("nobody panics holding it").extend_from_slice(&buffer[..count]);
            }
        });
        Capture { text, reader: Some(reader) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().expect("nobody panics holding it")).into_owned()
    }

    /// Everything, once the stream has ended.
    fn whole(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("reading does not panic");
        }
        self.text()
    }
}

/// A process that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// `None`: killed by a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The same, if it ended well.
    ///
    /// # Panics
    /// With everything that it said, if it did not.
    #[track_caller]
    pub(crate) fn ok(self) -> Finished {
        self.code(0)
    }

    /// The same, if it ended with this exit code.
    ///
    /// # Panics
    /// With everything that it said, if it did not.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Finished {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// The lines of stdout.
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    /// The report of a run with `--report json`.
    #[track_caller]
    pub(crate) fn report(&self) -> serde_json::Value {
        let line = self.stderr.lines().rfind(|line| line.starts_with('{'));
        let line = line.unwrap_or_else(|| panic!("no report in stderr:\n{}", self.stderr));
        serde_json::from_str(line).expect("the report is JSON")
    }
}

/// A running kolo. It is killed when dropped.
pub(crate) struct Kolo {
    child: Child,
    stdout: Option<Capture>,
    stderr: Capture,
}

impl Kolo {
    /// Starts it, with both streams captured.
    pub(crate) fn start(command: Command) -> Kolo {
        let mut kolo = Kolo::start_unread(command);
        let stdout = kolo.take_stdout();
        kolo.stdout = Some(Capture::of(stdout));
        kolo
    }

    /// Starts it with nobody reading its stdout: see [`take_stdout`](Self::take_stdout).
    pub(crate) fn start_unread(mut command: Command) -> Kolo {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary can be started");
        let stderr = Capture::of(child.stderr.take().expect("stderr is piped"));
        Kolo { child, stdout: None, stderr }
    }

    /// `kolo run --code PROGRAM` against a broker, with further arguments.
    pub(crate) fn run<A: AsRef<OsStr>>(broker: &Broker, program: &str, arguments: impl IntoIterator<Item = A>) -> Kolo {
        Kolo::start(Kolo::run_command(broker, program, arguments))
    }

    /// The same, not yet started.
    pub(crate) fn run_command<A: AsRef<OsStr>>(
        broker: &Broker,
        program: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        let arguments: Vec<A> = arguments.into_iter().collect();
        let assigned_by_broker = arguments.iter().any(|argument| argument.as_ref() == "group.protocol=consumer");
        let mut command = kolo();
        command.args(["run", "--code", program]).args(broker.flags(!assigned_by_broker)).args(arguments);
        command
    }

    /// The reading end of its stdout, to be read as the test likes. Dropped, the reader has gone.
    pub(crate) fn take_stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().expect("stdout is taken once")
    }

    /// What it has written to stdout so far.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.as_ref().map(Capture::text).unwrap_or_default()
    }

    /// What it has written to stderr so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Whether it has ended.
    pub(crate) fn ended(&mut self) -> bool {
        self.status().is_some()
    }

    fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Waits until `condition` holds of what it does.
    ///
    /// # Panics
    /// With everything that it said, if it ends or takes too long.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, mut condition: impl FnMut(&Kolo) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self) {
            let told = |kolo: &Kolo| format!("stdout:\n{}\nstderr:\n{}", kolo.stdout(), kolo.stderr());
            let ended = self.status();
            // It may have ended right after the condition came true.
            assert!(ended.is_none() || condition(self), "ended ({ended:?}) before {what}; {}", told(self));
            assert!(Instant::now() < deadline, "{PATIENCE:?} passed before {what}; {}", told(self));
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    /// Waits until it says that it listens, wherever it says so.
    #[track_caller]
    pub(crate) fn until_listening(&mut self) {
        self.until("it listens", |kolo| kolo.stdout().contains(LISTENING) || kolo.stderr().contains(LISTENING));
    }

    /// Waits until stderr contains `text`.
    #[track_caller]
    pub(crate) fn until_said(&mut self, text: &str) {
        self.until(text, |kolo| kolo.stderr().contains(text));
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal(libc::SIGTERM);
    }

    /// Sends SIGINT.
    pub(crate) fn interrupt(&self) {
        self.signal(libc::SIGINT);
    }

    fn signal(&self, signal: libc::c_int) {
        // SAFETY: kill(2) touches no memory; the child has not been waited for successfully, so the number is its own.
        let sent = unsafe { libc::kill(self.child.id() as libc::pid_t, signal) };
        assert_eq!(sent, 0, "the child can be signalled");
    }

    /// Kills it at once, as `kill -9` does.
    pub(crate) fn kill(mut self) -> Finished {
        self.signal(libc::SIGKILL);
        self.finished()
    }

    /// Waits until it ends.
    ///
    /// # Panics
    /// With everything that it said, if it takes too long.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Finished {
        let deadline = Instant::now() + PATIENCE;
        while !self.ended() {
            let told = || format!("stdout:\n{}\nstderr:\n{}", self.stdout(), self.stderr());
            assert!(Instant::now() < deadline, "it does not end within {PATIENCE:?}; {}", told());
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        self.finished()
    }

    fn finished(&mut self) -> Finished {
        let code = self.child.wait().expect("a child can be waited for").code();
        let stdout = self.stdout.as_mut().map(Capture::whole).unwrap_or_default();
        Finished { code, stdout, stderr: self.stderr.whole() }
    }
}

impl Drop for Kolo {
    fn drop(&mut self) {
        // Both fail for a process that has ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
