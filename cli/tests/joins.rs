//! What stops and kills leave of joins, and what the other commands of the language do outside of the engine.

mod support;

use std::collections::BTreeSet;
use std::fs;

use support::{Broker, Kolo, fresh, number_of, on_each_broker, simulate};

on_each_broker![joins_find_what_came_before_a_stop_and_before_a_kill];

/// The left side comes first and is seen, the right side comes later.
fn program(left: &str, right: &str, seen: &str, output: &str, group: &str) -> String {
    format!(
        r#"
connector k = kafka(brokers: "replaced:9092", group_id: "{group}")
stream Lefts = Left.from(k, topic: "{left}", auto_offset_reset: "earliest")
stream Rights = Right.from(k, topic: "{right}", auto_offset_reset: "earliest")
stream Seen = Lefts.emit(n: n).to(k, topic: "{seen}")
stream Joined = join(Lefts, Rights).on(Lefts.n == Rights.n).window(1h).emit(n: Lefts.n).to(k, topic: "{output}")
"#
    )
}

fn joins_find_what_came_before_a_stop_and_before_a_kill(broker: &Broker) {
    const ALL: u64 = 600;
    let [left, right, seen, output] = ["left", "right", "seen", "joined"].map(|name| broker.topic(name, 1));
    let group = fresh("group");
    let program = program(&left, &right, &seen, &output, &group);
    let number = |n: u64| format!(r#"{{"n":{n}}}"#);
    let start = |arguments: &[&str]| Kolo::run(broker, &program, ["--quiet"].iter().chain(arguments));

    broker.produce_values(&left, (0..ALL).map(number));
    let mut kolo = start(&[]);
    let count = broker.watch(&seen);
    kolo.until("the left side is seen", |_| count() == [ALL as i64]);
    kolo.terminate();
    kolo.finish().ok();
    let committed = broker.committed(&left, &group);
    assert_eq!(committed[0].unwrap_or(0), 0, "what a join keeps is not committed");

    broker.produce_values(&right, (0..ALL / 2).map(number));
    let mut kolo = start(&[]);
    let count = broker.watch(&output);
    kolo.until("half of the right side is joined", |_| count()[0] >= ALL as i64 / 2);
    kolo.kill();

    broker.produce_values(&right, (ALL / 2..ALL).map(number));
    start(&["--until", "end"]).finish().ok();
    let found: BTreeSet<u64> = broker.read(&output).concat().iter().map(number_of).collect();
    let lost: Vec<u64> = (0..ALL).filter(|n| !found.contains(n)).collect();
    assert!(lost.is_empty() && found.len() as u64 == ALL, "lost: {lost:?}");
}

#[test]
fn what_a_program_prints_goes_to_stderr_and_its_log_lines_too() {
    let program = "stream S = T.print(\"x is {x},\", x + 1, y: y).log(\"seen {x}\").tap(\"not by default\")\n    \
                   .alert(level: x).emit(x: x)\nstream All = T.print()";
    let finished = simulate(program, b"{\"event_type\":\"T\",\"x\":1}\n", &[]).ok();
    assert_eq!(finished.lines(), [r#"{"event_type":"S","timestamp":"1970-01-01T00:00:00Z","x":1}"#]);
    let stderr = &finished.stderr;
    for line in
        ["x is 1, 2 y=missing\n", "All: T {\"x\":1}\n", "kolo::program: S: seen 1\n", "kolo::program: S: level=1\n"]
    {
        assert!(stderr.contains(line), "{line} in {stderr}");
    }
    assert!(!stderr.contains("not by default"), "{stderr}");
}

#[test]
fn a_program_finds_its_imports_beside_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a new folder");
        fs::write(&path, text).expect("a new file");
        path
    };
    write("lib/limits.vpl", "const LOW = 2\n");
    write("lib/ticks.vpl", "import \"lib/limits.vpl\"\nstream Ticks = Tick.where(price > LOW)\n");
    let program = write("main.vpl", "import \"./lib/ticks.vpl\" as t\nstream S = t.Ticks.emit(p: price, low: t.LOW)\n");
    let check = |path: &std::path::Path| {
        let output = support::kolo().arg("check").arg(path).output().expect("kolo starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, stderr) = check(&program);
    assert_eq!(code, Some(0), "{stderr}");
    write("lib/limits.vpl", "const LOW = \n");
    let (code, stderr) = check(&program);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("limits.vpl:1:12"), "{stderr}");
    fs::remove_file(folder.path().join("lib/limits.vpl")).expect("the file is there");
    let (_, stderr) = check(&program);
    assert!(stderr.contains("error[E044]") && stderr.contains("ticks.vpl:1:8"), "{stderr}");
}
