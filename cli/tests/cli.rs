//! The binary as a person meets it: what it prints, where, and with which exit code. Nothing here needs a broker.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use kolo_source::generate::Scenario;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/01_filter/pipeline.vpl");

fn kolo(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kolo"));
    command.args(args).env_remove("RUST_LOG").env_remove("KOLO_TEST_CLUSTER").stdin(Stdio::null());
    command
}

/// Exit code, stdout and stderr.
fn run(args: &[&str]) -> (i32, String, String) {
    ended(kolo(args).output().expect("the binary starts"))
}

fn ended(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    (output.status.code().expect("no signal ended it"), text(output.stdout), text(output.stderr))
}

fn written(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    fs::write(&path, text).expect("a new file can be written");
    path.display().to_string()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn records(scenario: Scenario, count: u64) -> Vec<u8> {
    let mut lines = Vec::new();
    for i in 0..count {
        scenario.record(i, &mut lines);
        lines.push(b'\n');
    }
    lines
}

#[test]
fn help_names_every_command_and_run_every_flag_with_its_default() {
    let (code, help, _) = run(&["--help"]);
    assert_eq!(code, 0);
    for command in ["run", "simulate", "check", "parse", "plan", "test", "demo", "generate", "completions"] {
        assert!(help.contains(&format!("\n  {command} ")), "{command} in {help}");
        let (code, own, _) = run(&[command, "--help"]);
        assert_eq!(code, 0);
        assert!(own.contains(&format!("Usage: kolo {command}")), "{own}");
    }
    let (code, help, _) = run(&["help", "run"]);
    assert_eq!(code, 0);
    let flags = "--file --code --quiet --until --from --dry-run -X --brokers --wait --ring --ring-size --in-flight --pin --report \
                 --report-file --verbose";
    for flag in flags.split_whitespace() {
        assert!(help.contains(flag), "{flag} in {help}");
    }
    for default in ["auto", "16384", "131072", "text"] {
        assert!(help.contains(&format!("[default: {default}]")), "{default} in {help}");
    }
}

#[test]
fn the_version_names_librdkafkas() {
    let (code, version, _) = run(&["--version"]);
    assert_eq!(code, 0);
    let expected = format!("kolo {} (librdkafka ", env!("CARGO_PKG_VERSION"));
    let librdkafka = version.strip_prefix(&expected).expect("both versions").trim_end();
    assert!(librdkafka.ends_with(')') && librdkafka.starts_with(|c: char| c.is_ascii_digit()), "{version}");
}

#[test]
fn what_cannot_be_understood_ends_with_2_and_a_hint() {
    let wrong: [(&[&str], &str); 10] = [
        (&[], "Usage: kolo"),
        (&["chekc"], "'check'"),
        (&["run"], "--file"),
        (&["run", "-f", "p.vpl", "--code", "stream A = B"], "cannot be used with"),
        (&["run", "-f", "p.vpl", "--ring-size", "0"], "--ring-size"),
        (&["run", "-f", "p.vpl", "--wait", "spin"], "busy-spin"),
        (&["run", "-f", "p.vpl", "--from", "yesterday"], "earliest"),
        (&["run", "-f", "p.vpl", "-X", "linger.ms"], "KEY=VALUE"),
        (&["simulate", "-p", "p.vpl"], "--events"),
        (&["generate", "filer", "10"], "'filter'"),
    ];
    for (args, hint) in wrong {
        let (code, stdout, stderr) = run(args);
        assert_eq!((code, stdout.as_str()), (2, ""), "{args:?}: {stderr}");
        assert!(stderr.contains(hint), "{args:?} should mention {hint}: {stderr}");
    }
}

#[test]
fn a_right_program_is_counted() {
    let (code, stdout, stderr) = run(&["check", PROGRAM]);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, "Syntax OK: 1 connector, 1 event type, 2 streams\n", ""));
}

#[test]
fn errors_are_shown_with_code_place_source_and_hint() {
    let folder = folder();
    let path = written(&folder, "wrong.vpl", "stream A = Tick\n    .wehre(price > 1)\n    .emit()\n");
    let (code, stdout, stderr) = run(&["check", &path]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    let expected = format!(
        "error[E022]: there is no operation `.wehre`\n --> {path}:2:6\n  |\n2 |     .wehre(price > 1)\n  |      ^^^^^ did you \
         mean `where`?\n\nerror: {path}: 1 error\n"
    );
    assert_eq!(stderr, expected);
}

#[test]
fn all_problems_of_a_program_are_counted_at_the_end() {
    let counted = |streams: &str| {
        let (code, stdout, stderr) = run(&["run", "--code", streams]);
        assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
        stderr.lines().last().expect("at least one line").to_owned()
    };
    let two = counted("stream A = Tick.from(nowhere)\nstream B = A.wehre(price > 1).emit()");
    assert_eq!(two, "error: <code>: 2 errors");
    let mixed = counted("stream A = Tick.from(nowhere)");
    assert_eq!(mixed, "error: <code>: 1 error and 1 warning");
}

#[test]
fn a_ring_that_is_rounded_up_says_so() {
    let folder = folder();
    let events = written(&folder, "none.jsonl", "");
    let simulate = |size| run(&["simulate", "-p", PROGRAM, "-e", &events, "--ring-size", size]);
    let notice = "the ring has 4 slots: 3 rounded up to a power of two\n";
    let (code, stdout, stderr) = simulate("3");
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
    assert!(stderr.contains(notice), "{stderr}");
    assert!(!simulate("4").2.contains("rounded"));
}

#[test]
fn warnings_alone_are_shown_and_counted_and_do_not_fail() {
    let folder = folder();
    let path = written(&folder, "p.vpl", "event Tick:\n    price: float\nstream A = Tick.where(pirce > 1).emit()\n");
    let (code, stdout, stderr) = run(&["check", &path]);
    assert_eq!(
        (code, stdout.as_str()),
        (0, "Syntax OK: 0 connectors, 1 event type, 1 stream, 1 warning\n"),
        "{stderr}"
    );
    assert!(stderr.starts_with("warning[W001]: ") && stderr.contains("`price`"), "{stderr}");
}

#[test]
fn connectors_take_values_from_the_environment() {
    let folder = folder();
    let text = "connector k = kafka(brokers: \"${KOLO_TEST_CLUSTER}\", topic: \"t\")\nstream A = Tick.from(k).emit()\n";
    let path = written(&folder, "p.vpl", text);
    let output = kolo(&["check", &path]).env("KOLO_TEST_CLUSTER", "127.0.0.1:9092").output().expect("it starts");
    assert_eq!(ended(output).0, 0);
    let (code, _, stderr) = run(&["check", &path]);
    assert_eq!(code, 1);
    assert!(stderr.contains("KOLO_TEST_CLUSTER") && stderr.contains(&format!("{path}:1:")), "{stderr}");
}

#[test]
fn a_missing_file_is_one_clear_line() {
    for args in
        [&["check", "no/such.vpl"][..], &["run", "-f", "no/such.vpl"], &["simulate", "-p", "no/such.vpl", "-e", "-"]]
    {
        let (code, stdout, stderr) = run(args);
        assert_eq!(
            (code, stdout.as_str(), stderr.as_str()),
            (1, "", "error: no/such.vpl: there is no such file\n"),
            "{args:?}"
        );
    }
}

#[test]
fn records_are_generated_to_stdout_and_to_a_file() {
    let expected = records(Scenario::Filter, 3_000);
    let output = kolo(&["generate", "filter", "3000"]).output().expect("it starts");
    assert!(output.status.success() && output.stdout == expected && output.stderr.is_empty());

    let folder = folder();
    let path = written(&folder, "records.jsonl", "what was there before");
    let (code, stdout, stderr) = run(&["generate", "filter-wide", "5", "--out", &path]);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, "", ""));
    assert!(fs::read(&path).expect("it was written") == records(Scenario::FilterWide, 5));

    let nowhere = folder.path().join("missing/records.jsonl").display().to_string();
    let (code, _, stderr) = run(&["generate", "filter", "1", "--out", &nowhere]);
    assert_eq!(code, 1);
    assert!(stderr.starts_with(&format!("error: {nowhere} cannot be written to: ")), "{stderr}");
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_generator_without_an_error() {
    let mut child = kolo(&["generate", "filter", &u64::MAX.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut first = String::new();
    let mut reader = BufReader::new(child.stdout.take().expect("piped"));
    reader.read_line(&mut first).expect("a line comes");
    drop(reader);
    let (code, _, stderr) = ended(child.wait_with_output().expect("it ends"));
    assert_eq!((first.as_bytes(), code, stderr.as_str()), (&records(Scenario::Filter, 1)[..], 0, ""));
}

#[test]
fn every_shell_has_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (code, script, stderr) = run(&["completions", shell]);
        assert_eq!((code, stderr.as_str()), (0, ""));
        assert!(script.contains("simulate") && script.contains("ring-size"), "{shell}");
    }
    assert_eq!(run(&["completions", "cmd"]).0, 2);
}

#[test]
fn the_scenarios_of_this_checkout_are_right() {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut checked = 0;
    for folder in fs::read_dir(scenarios).expect("there are scenarios").flatten().filter(|entry| entry.path().is_dir())
    {
        for file in fs::read_dir(folder.path()).expect("a folder").flatten() {
            if file.path().extension().is_some_and(|extension| extension == "vpl") {
                let (code, stdout, stderr) = run(&["check", &file.path().display().to_string()]);
                assert_eq!((code, stderr.as_str()), (0, ""), "{}", file.path().display());
                assert!(stdout.starts_with("Syntax OK: "), "{stdout}");
                checked += 1;
            }
        }
    }
    assert!(checked >= 3, "only {checked} programs found");
}
