//! Standard output: every output a line and nothing else, however slow its reader is, until the reader goes away.

mod support;

use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsRawFd;
use std::process::ChildStdout;
use std::time::Duration;

use support::{Broker, Kolo, fresh, number, numbers, simulate, until};

/// What the pipes of these tests hold: all beyond it has to wait for a reader.
const PIPE_BYTES: usize = 4 << 10;

/// A program that only prints.
fn printing(input: &str, group: &str) -> String {
    format!(
        r#"
connector k = kafka(brokers: "replaced:9092", group_id: "{group}")
stream Numbers = Number.from(k, topic: "{input}", auto_offset_reset: "earliest").emit(n: n)
"#
    )
}

/// The number in a line.
fn n(line: &str) -> u64 {
    let json: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line:?}"));
    assert_eq!(json["event_type"], "Numbers");
    json["n"].as_u64().expect("a number")
}

#[test]
fn without_quiet_every_output_is_a_line_and_nothing_else_is() {
    let broker = Broker::mock();
    let (input, output, group) = (broker.topic("in", 1), broker.topic("out", 1), fresh("group"));
    broker.produce_values(&input, (0..1_000).map(number));
    let finished = Kolo::run(&broker, &numbers(&input, &output, &group), ["-v", "--until", "end"]).finish().ok();
    let read = broker.read(&output).concat();
    assert_eq!(finished.lines(), read.iter().map(|record| record.text()).collect::<Vec<_>>());
    assert_eq!(finished.stdout.lines().map(n).collect::<Vec<_>>(), (0..1_000).collect::<Vec<_>>());
    assert!(finished.stderr.contains("Listening for events...\n"), "{}", finished.stderr);
}

#[test]
fn with_quiet_no_output_is_printed() {
    let broker = Broker::mock();
    let (input, output, group) = (broker.topic("in", 1), broker.topic("out", 1), fresh("group"));
    broker.produce_values(&input, (0..1_000).map(number));
    let arguments = ["-v", "--until", "end", "-q"];
    let finished = Kolo::run(&broker, &numbers(&input, &output, &group), arguments).finish().ok();
    assert_eq!(finished.stdout, "Listening for events...\n");
    assert!(!finished.stderr.contains("Listening for events..."), "{}", finished.stderr);
    assert_eq!(broker.ends(&output), [1_000], "they are produced all the same");
}

#[test]
fn a_console_connector_prints_each_output_once() {
    let broker = Broker::mock();
    let (input, group) = (broker.topic("in", 1), fresh("group"));
    broker.produce_values(&input, (0..100).map(number));
    let program = format!(
        "connector screen = console()\n{}",
        printing(&input, &group).replace(".emit(n: n)", ".emit(n: n).to(screen)")
    );
    for arguments in [vec!["--until", "end"], vec!["--until", "end", "--quiet"]] {
        let group = format!("group.id={}", fresh("group"));
        let finished =
            Kolo::run(&broker, &program, arguments.iter().copied().chain(["-X", group.as_str()])).finish().ok();
        // Quiet silences what is repeated on stdout, not what the program itself prints there.
        let printed: Vec<u64> = finished.stdout.lines().filter(|line| line.starts_with('{')).map(n).collect();
        assert_eq!(printed, (0..100).collect::<Vec<_>>(), "{arguments:?}");
    }
}

#[test]
fn a_slow_reader_loses_no_line() {
    const RECORDS: u64 = 20_000;
    let broker = Broker::mock();
    let (input, output, group) = (broker.topic("in", 2), broker.topic("out", 1), fresh("group"));
    broker.produce_values(&input, (0..RECORDS).map(number));
    let program = numbers(&input, &output, &group);
    let mut kolo = Kolo::start_unread(Kolo::run_command(&broker, &program, ["--until", "end"]));
    let mut stdout = narrow(kolo.take_stdout());
    // It fills the pipe, and must wait then: far fewer outputs are produced than there are records.
    until("lines wait in the pipe", || waiting_bytes(&stdout) > PIPE_BYTES / 2);
    let mut text = Vec::new();
    let mut chunk = [0; 10_000];
    for pause in 0.. {
        assert!(pause > 20 || !kolo.ended(), "it waits for its reader");
        let count = stdout.read(&mut chunk).expect("a pipe can be read");
        if count == 0 {
            break;
        }
        text.extend_from_slice(&chunk[..count]);
        if pause < 20 {
            // A pause in which the pipe is full again; no outcome depends on its length.
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    kolo.finish().ok();
    assert!(text.len() > 100 * PIPE_BYTES, "more than a pipe holds");
    let text = String::from_utf8(text).expect("outputs are UTF-8");
    assert_eq!(text.lines().map(n).collect::<Vec<_>>(), (0..RECORDS).collect::<Vec<_>>());
    assert_eq!(broker.ends(&output), [RECORDS as i64]);
}

#[test]
fn a_slow_reader_of_simulate_loses_no_line() {
    const RECORDS: u64 = 20_000;
    let events: Vec<u8> = (0..RECORDS).flat_map(|n| [number(n), b"\n".to_vec()].concat()).collect();
    let finished = simulate("stream Numbers = Number.emit(n: n)", &events, &[]).ok();
    assert_eq!(finished.stdout.lines().map(n).collect::<Vec<_>>(), (0..RECORDS).collect::<Vec<_>>());

    let folder = tempfile::tempdir().expect("a folder");
    let (program, events_file) = (folder.path().join("p.vpl"), folder.path().join("e.jsonl"));
    std::fs::write(&program, "stream Numbers = Number.emit(n: n)").expect("a file can be written");
    std::fs::write(&events_file, &events).expect("a file can be written");
    let mut command = support::kolo();
    command.arg("simulate").arg("-p").arg(&program).arg("-e").arg(&events_file);
    let mut kolo = Kolo::start_unread(command);
    let mut stdout = narrow(kolo.take_stdout());
    until("lines wait in the pipe", || waiting_bytes(&stdout) > PIPE_BYTES / 2);
    assert!(!kolo.ended(), "it waits for its reader");
    let mut text = String::new();
    stdout.read_to_string(&mut text).expect("a pipe can be read");
    assert!(text == finished.stdout, "the same, however it is read");
    kolo.finish().ok();
}

#[test]
fn a_reader_that_goes_away_ends_the_run_and_what_it_was_not_given_is_not_committed() {
    const RECORDS: u64 = 3_000;
    let broker = Broker::mock();
    let (input, group) = (broker.topic("in", 1), fresh("group"));
    // Long lines: a batch of them is far more than is written at a time, so that the reader goes away within one.
    let text = "x".repeat(1_000);
    broker.produce_values(&input, (0..RECORDS).map(|n| format!(r#"{{"n":{n},"text":"{text}"}}"#)));
    let program = printing(&input, &group).replace(".emit(n: n)", ".emit(n: n, text: text)");
    let mut kolo = Kolo::start_unread(Kolo::run_command::<&str>(&broker, &program, []));
    let mut stdout = BufReader::new(narrow(kolo.take_stdout()));
    let mut line = String::new();
    for expected in 0..1_000 {
        line.clear();
        stdout.read_line(&mut line).expect("a pipe can be read");
        assert_eq!(n(&line), expected);
    }
    until("lines wait in the pipe", || waiting_bytes(stdout.get_ref()) > PIPE_BYTES / 2);
    // Lines grow no shorter, so there are at most so many in what it has read ahead and in the pipe.
    let given = 1_000 + (stdout.buffer().len() + PIPE_BYTES).div_ceil(line.len()) as u64;
    drop(stdout);
    // No --until end and no signal: only the reader's going ends it.
    kolo.finish().ok();
    let committed = broker.committed(&input, &group)[0].expect("the beginning is committed at least") as u64;
    assert!(committed <= given, "{committed} committed, at most {given} lines were given to the reader");
    let finished = Kolo::run(&broker, &program, ["--until", "end"]).finish().ok();
    let rest: Vec<u64> = finished.stdout.lines().map(n).collect();
    assert_eq!(rest, (committed..RECORDS).collect::<Vec<_>>(), "the next run begins with what was not committed");
}

#[test]
fn a_reader_that_goes_away_costs_no_output_on_kafka() {
    const RECORDS: u64 = 20_000;
    let broker = Broker::mock();
    let (input, output, group) = (broker.topic("in", 1), broker.topic("out", 1), fresh("group"));
    broker.produce_values(&input, (0..RECORDS).map(number));
    let program = numbers(&input, &output, &group);
    let mut kolo = Kolo::start_unread(Kolo::run_command::<&str>(&broker, &program, []));
    drop(kolo.take_stdout());
    kolo.finish().ok();
    assert_eq!(broker.committed(&input, &group)[0], Some(broker.ends(&output)[0]));
    Kolo::run(&broker, &program, ["--until", "end", "--quiet"]).finish().ok();
    assert_eq!(support::numbers_in(&broker, &output), [(0..RECORDS).collect::<Vec<_>>()]);
}

/// The pipe, holding no more than [`PIPE_BYTES`].
fn narrow(pipe: ChildStdout) -> ChildStdout {
    // SAFETY: this touches no memory; the descriptor is open as long as `pipe` is.
    let size = unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETPIPE_SZ, PIPE_BYTES as libc::c_int) };
    assert_eq!(size as usize, PIPE_BYTES, "a pipe of one page can be had");
    pipe
}

/// Bytes that wait in a pipe to be read.
fn waiting_bytes(pipe: &impl AsRawFd) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int to where it is told; the descriptor is open as long as `pipe` is.
    let answer = unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &mut count) };
    assert_eq!(answer, 0, "a pipe tells what waits in it");
    count as usize
}
