//! `kolo check` for several files and for editors, `kolo parse`, `kolo plan`, and what `kolo simulate` reads.

mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Finished, Kolo, kolo};

fn run(folder: &Path, arguments: &[&str]) -> Finished {
    let mut command = kolo();
    command.current_dir(folder).args(arguments);
    Kolo::start(command).finish()
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("a new file can be written");
    }
    folder
}

const RIGHT: &str = "\
connector local = kafka(brokers: \"127.0.0.1:9092\")
event Tick:
    symbol: str
    price: float
stream Ticks = Tick.from(local, topic: \"ticks\")
stream Filtered = Ticks as t
    .where(t.price > 50)
    .distinct(symbol)
    .emit(symbol: symbol, twice: price * 2)
    .to(local, topic: \"filtered\", key: symbol)
";

const WRONG: &str = "stream Ticks = Tick.where(price > 1)\n# \u{e9}\nstream Ticks = Tick.wher(price > 1).emit()\n";

#[test]
fn several_programs_are_checked_whatever_is_wrong_with_some() {
    let folder = folder(&[("right.vpl", RIGHT), ("wrong.vpl", WRONG)]);
    let finished = run(folder.path(), &["check", "wrong.vpl", "gone.vpl", "right.vpl"]).code(1);
    let expected = "right.vpl: Syntax OK: 1 connector, 1 event type, 2 streams\n3 files: 1 without errors, 2 with\n";
    assert_eq!(finished.stdout, expected);
    assert!(finished.stderr.contains("error: gone.vpl: there is no such file\n"), "{}", finished.stderr);
    assert!(finished.stderr.contains("error: wrong.vpl: 2 errors"), "{}", finished.stderr);
    run(folder.path(), &["check", "right.vpl", "right.vpl"]).ok();
}

#[test]
fn editors_get_one_document_with_every_place() {
    let folder = folder(&[("right.vpl", RIGHT), ("wrong.vpl", WRONG)]);
    let finished = run(folder.path(), &["check", "--format", "json", "wrong.vpl", "right.vpl", "gone.vpl"]).code(1);
    assert_eq!(finished.stderr, "");
    let document: Value = serde_json::from_str(&finished.stdout).expect("it is JSON");
    assert_eq!((&document["errors"], &document["warnings"]), (&3.into(), &1.into()));
    let [wrong, right, gone] = &document["files"].as_array().expect("an array")[..] else { panic!("{document}") };
    assert_eq!((&right["file"], &right["diagnostics"]), (&"right.vpl".into(), &Value::Array(Vec::new())));
    assert_eq!(gone["failure"], "gone.vpl: there is no such file");
    let twice = wrong["diagnostics"].as_array().expect("an array").iter().find(|problem| problem["code"] == "E020");
    let expected = serde_json::json!({
        "code": "E020",
        "severity": "error",
        "message": "the stream `Ticks` is declared twice",
        "range": {
            "start": { "line": 3, "column": 8, "offset": 49 },
            "end": { "line": 3, "column": 13, "offset": 54 },
        },
        "label": "declared again",
        "related": [{
            "range": {
                "start": { "line": 1, "column": 8, "offset": 7 },
                "end": { "line": 1, "column": 13, "offset": 12 },
            },
            "label": "declared first",
        }],
        "notes": [],
        "help": "give one of them another name",
    });
    assert_eq!(twice, Some(&expected));
    assert_eq!(run(folder.path(), &["check", "--format", "json", "right.vpl"]).ok().stderr, "");
}

#[test]
fn the_tree_is_shown_with_its_places() {
    let folder =
        folder(&[("right.vpl", RIGHT), ("wrong.vpl", WRONG), ("broken.vpl", "stream A = B.emit(n: )\nstream C = D\n")]);
    let finished = run(folder.path(), &["parse", "right.vpl"]).ok();
    let expected = "\
Stream  5:1-5:48
  name: Ticks
  source: From  5:16-5:48
    event: Tick
    connector: local
    params:
      -
        key: topic
        value: String \"ticks\"  5:40-5:47
Stream  6:1-10:47
  name: Filtered
  source: Named  6:19-6:29
    name: Ticks
    alias: t
  ops:
    Plain where  7:5-7:25
      -
        value: Binary  7:12-7:24
          op: Greater
          left: Member  7:12-7:19
            of: Name t  7:12-7:13
            field: price
          right: Int 50  7:22-7:24
";
    assert!(finished.stdout.contains(expected), "{}", finished.stdout);
    let finished = run(folder.path(), &["parse", "--format", "json", "right.vpl"]).ok();
    let tree: Value = serde_json::from_str(&finished.stdout).expect("it is JSON");
    assert_eq!(tree[3]["kind"]["Stream"]["source"]["kind"]["Named"]["name"]["text"], "Ticks");
    assert_eq!(tree[0]["span"], serde_json::json!({ "start": 0, "end": 50 }));
    run(folder.path(), &["parse", "wrong.vpl"]).ok();
    let finished = run(folder.path(), &["parse", "broken.vpl"]).code(1);
    assert!(finished.stdout.contains("name: C"), "{}", finished.stdout);
    assert!(finished.stderr.contains("error[E010]"), "{}", finished.stderr);
}

#[test]
fn the_plan_says_what_is_read_decoded_kept_and_published() {
    let more = RIGHT.replace("key: symbol", "key: symbol, record_timestamp: \"event\", headers: \"pass\"");
    let join = "connector k = kafka(brokers: \"b:9092\")\nstream A = Left.from(k, topic: \"left\")\n\
                stream B = Right.from(k, topic: \"right\")\nstream J = join(A, B).on(A.n == B.n).emit()\n";
    let files = [("right.vpl", RIGHT), ("more.vpl", &more), ("join.vpl", join), ("wrong.vpl", WRONG)];
    let folder = folder(&files);
    let finished = run(folder.path(), &["plan", "right.vpl"]).ok();
    let expected = "\
reads
  local, ticks: Tick, also where a record names no type; from latest without a committed offset
decodes
  type and time of a record, price, symbol
  all others are validated and skipped
stream Ticks
  reads Tick from local, ticks
  only feeds other streams
stream Filtered
  reads Ticks
  where t.price > 50
  distinct symbol
      keeps the last 100000 values; older ones are forgotten, and counted
  emit symbol (copied as they came in), twice (computed)
  publishes Filtered to local, filtered, key symbol
keeps state in 1 step
";
    assert_eq!(finished.stdout, expected);
    let finished = run(folder.path(), &["plan", "more.vpl"]).ok();
    let more = "key symbol, the event's time as the record's timestamp, the input's headers (a call for each output)";
    assert_eq!(finished.stdout, expected.replace("key symbol", more));
    let finished = run(folder.path(), &["plan", "join.vpl"]).ok();
    let meet = "  left and right meet by key in J: they need equal partition counts\ndecodes\n";
    assert!(finished.stdout.contains(meet), "{}", finished.stdout);
    let finished = run(folder.path(), &["plan", "--format", "json", "right.vpl"]).ok();
    let plan: Value = serde_json::from_str(&finished.stdout).expect("it is JSON");
    assert_eq!(plan["decoded"], serde_json::json!(["price", "symbol"]));
    assert_eq!(plan["streams"][1]["steps"][0], serde_json::json!({ "does": "where t.price > 50", "state": null }));
    run(folder.path(), &["plan", "wrong.vpl"]).code(1);
}

#[test]
fn the_plan_says_what_states_need_to_be_right_in_several_members() {
    let program = "connector K = kafka(brokers: \"127.0.0.1:1\")\n\
        stream Ticks = Tick.from(K, topic: \"ticks\", key: symbol)\nstream Quotes = Quote.from(K, topic: \"quotes\")\n\
        stream A = Ticks.partition_by(symbol).window(1m).aggregate(n: count()).emit()\n\
        stream B = Ticks.partition_by(venue).window(1m).aggregate(n: count()).emit()\n\
        stream C = Quotes.partition_by(venue).window(1m).aggregate(n: count()).emit()\n\
        stream D = Quotes.window(1m).aggregate(n: count()).emit()\n\
        stream E = join(Ticks, Quotes).on(Ticks.symbol == Quotes.symbol).emit(n: Ticks.n)\n\
        stream F = Ticks as a -> Quotes where symbol == a.symbol as b .within(1m).emit(n: a.n)\n";
    let folder =
        folder(&[("p.vpl", program), ("without.vpl", "stream A = T.window(9).aggregate(n: count()).emit()\n")]);
    let finished = run(folder.path(), &["plan", "p.vpl"]).ok();
    let said: Vec<&str> = finished.stdout.lines().filter_map(|line| line.trim().strip_prefix("right ")).collect();
    let expected = [
        "in several members, too: its topics are keyed so",
        "in one member only: topic ticks is keyed by symbol",
        "in several members only if its topics are keyed by venue",
        "in one member only: this is one state for all events",
        "in several members only if all sides' topics are keyed by it, and have as many partitions",
        "in one member only, unless events that match lie in partitions of one number",
    ];
    assert_eq!(said, expected);
    assert!(
        finished.stdout.contains("  K, ticks: Tick, also where a record names no type; keyed by symbol; from latest")
    );
    let finished = run(folder.path(), &["plan", "without.vpl"]).ok();
    assert!(!finished.stdout.contains("member"), "nothing is read in several members: {}", finished.stdout);
}

#[test]
fn simulate_reads_evt_files_and_says_which_line_is_wrong() {
    let program = "event A:\n    n: int\n    s: str\nstream B = A.emit(n: n, s: s)\n";
    let folder = folder(&[
        ("p.vpl", program),
        ("right.evt", "# events\nA(1, x)\n@5s A { s: 'y', n: 2, ts: 9 };\n{\"event_type\":\"A\",\"n\":3}\n"),
        ("wrong.evt", "A(1, x)\nA[2]\nA(3, z)\n"),
    ]);
    let finished = run(folder.path(), &["simulate", "-p", "p.vpl", "-e", "right.evt"]).ok();
    let expected = [
        r#"{"event_type":"B","timestamp":"1970-01-01T00:00:00Z","n":1,"s":"x"}"#,
        r#"{"event_type":"B","timestamp":"1970-01-01T00:00:05Z","n":2,"s":"y"}"#,
        r#"{"event_type":"B","timestamp":"1970-01-01T00:00:05Z","n":3}"#,
    ];
    assert_eq!(finished.lines(), expected);
    let finished = run(folder.path(), &["simulate", "-p", "p.vpl", "-e", "wrong.evt"]).code(1);
    let said = "error: wrong.evt:2: cannot be read: column 2: expected `{` or `(` after `A`\n";
    assert!(finished.stderr.contains(said), "{}", finished.stderr);
}

#[test]
fn a_timed_simulation_takes_as_long_as_its_events() {
    let folder = folder(&[("p.vpl", "stream B = A.emit(n: n)\n"), ("e.evt", "@7s A(1)\n@6s A(2)\n@7300ms A(3)\n")]);
    let began = Instant::now();
    let finished = run(folder.path(), &["simulate", "--timed", "-p", "p.vpl", "-e", "e.evt"]).ok();
    assert!(began.elapsed() >= Duration::from_millis(300), "the last event is due 300 ms after the first");
    assert_eq!(finished.lines().len(), 3);
}
