//! `kolo test` as a person meets it: what passes, how a failure reads, what `--update` writes.

mod support;

use std::fs;
use std::path::Path;

use support::{Finished, Kolo, kolo};

/// `kolo test` in a folder.
fn test(folder: &Path, arguments: &[&str]) -> Finished {
    let mut command = kolo();
    command.current_dir(folder).arg("test").args(arguments);
    let finished = Kolo::start(command).finish();
    assert_eq!(finished.stdout, "", "everything is said on stderr");
    finished
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn write(folder: &tempfile::TempDir, name: &str, text: &str) {
    fs::write(folder.path().join(name), text).expect("a new file can be written");
}

const RIGHT: &str = "\
Prose.

--- program
event Trade:
    symbol: str
    price: float
    quantity: int

stream Large = Trade.where(price * quantity > 1000).emit(symbol: symbol, worth: price * quantity)

=== large trades pass
--- input
Trade { symbol: \"AAPL\", price: 100.5, quantity: 10 }
@5s Trade { symbol: \"MSFT\", price: 20, quantity: 100 }
--- output
Large { symbol: \"AAPL\", worth: 1005.0 }
@5s Large { symbol: \"MSFT\", worth: 2000 }

=== exactly 1,000 is not more than 1,000
--- input
Trade(\"AAPL\", 10, 100)
--- output: none
--- counters: filtered 1

=== numbers of outputs
--- input
Trade(a, 1000, 2)
Trade(b, 1000, 3)
--- count: 2
--- counters: records 2, malformed 0

=== a type of its own, in any order
--- program
stream Small = Trade.where(price < 10).emit()
--- input
Trade(a, 1, 5000)
Trade(b, 2, 6000)
--- output: any order
Small { symbol: b, price: 2, quantity: 6000 }
Large { symbol: b, worth: 12000 }
Small { symbol: a, price: 1, quantity: 5000 }
{\"event_type\":\"Large\",\"timestamp\":\"1970-01-01T00:00:00Z\",\"symbol\":\"a\",\"worth\":5000}

=== errors and warnings
--- program
stream Wrong = Trade.wher(price > 1).emit()
stream Idle = Trade.where(price > 1)
--- error: E022
--- warning: W004
";

#[test]
fn every_kind_of_expectation_can_be_met() {
    let folder = folder();
    write(&folder, "trades.vplt", RIGHT);
    let finished = test(folder.path(), &[]).ok();
    let said: Vec<&str> = finished.stderr.lines().collect();
    assert_eq!(said[0], "ok     trades.vplt:11 large trades pass");
    assert_eq!(said.last(), Some(&"5 passed (1 file)"));
    let finished = test(folder.path(), &["--quiet", "trades.vplt"]).ok();
    assert_eq!(finished.stderr, "5 passed (1 file)\n");
    let finished = test(folder.path(), &["--filter", "numbers"]).ok();
    assert_eq!(finished.stderr, "ok     trades.vplt:25 numbers of outputs\n1 passed (1 file)\n");
}

#[test]
fn a_failure_shows_what_came_beside_what_was_expected() {
    let folder = folder();
    write(&folder, "trades.vplt", &RIGHT.replace("worth: 2000 }", "worth: 2000.0 }"));
    let finished = test(folder.path(), &["-q"]).code(1);
    let expected = "\
FAILED trades.vplt:11 large trades pass
    trades.vplt:15: the outputs differ (- expected, + came)
        Large { symbol: \"AAPL\", worth: 1005.0 }
      - @5s Large { symbol: \"MSFT\", worth: 2000.0 }
      + @5s Large { symbol: \"MSFT\", worth: 2000 }
4 passed, 1 failed (1 file)
";
    assert_eq!(finished.stderr, expected);
}

#[test]
fn each_expectation_fails_where_it_is_not_met() {
    for (right, wrong, said) in [
        ("--- count: 2", "--- count: 3", "- 3\n      + 2"),
        ("--- count: 2", "--- count: Large 1, Small 0", "- Large 1\n      + Large 2\n        Small 0"),
        ("malformed 0", "malformed 1", "- malformed 1\n      + malformed 0"),
        ("malformed 0", "malfromed 0", "there is no counter `malfromed`"),
        ("--- output: none", "--- output\nLarge()", "- Large()"),
        ("Trade(\"AAPL\", 10, 100)", "Trade(\"AAPL\", 11, 100)", "+ @0s Large { symbol: \"AAPL\", worth: 1100 }"),
        ("--- error: E022", "--- error: E010, E022", "- E010\n        E022"),
        ("--- warning: W004", "--- warning: none", "+ W004"),
        ("--- output: any order", "--- output", "the outputs differ"),
        (".wher(", ".where(", "- E022"),
        ("Trade(a, 1000, 2)", "Trade(a, 1000, 2", "expected `,` or `)`"),
        ("stream Small = ", "stream Small := ", "the program has errors"),
    ] {
        let folder = folder();
        assert!(RIGHT.contains(right), "{right}");
        write(&folder, "trades.vplt", &RIGHT.replace(right, wrong));
        let finished = test(folder.path(), &["-q"]).code(1);
        assert!(finished.stderr.contains(said), "{wrong}: {}", finished.stderr);
        assert!(finished.stderr.ends_with("4 passed, 1 failed (1 file)\n"), "{wrong}: {}", finished.stderr);
    }
}

#[test]
fn update_writes_what_came_and_leaves_the_rest() {
    let folder = folder();
    let mut wrong = RIGHT.to_owned();
    for (right, other) in [
        ("@5s Large { symbol: \"MSFT\", worth: 2000 }", "@6s Large { symbol: \"MSFT\", worth: 2000 }\n@7s Large { }"),
        ("--- output: none", "--- output\nLarge { }"),
        ("--- counters: records 2, malformed 0", "--- counters: records 9, malformed 0"),
        ("--- error: E022", "--- error: E010"),
        ("--- warning: W004", "--- warning: none"),
    ] {
        assert!(wrong.contains(right), "{right}");
        wrong = wrong.replace(right, other);
    }
    write(&folder, "trades.vplt", &wrong);
    let finished = test(folder.path(), &["--update"]).ok();
    assert!(finished.stderr.ends_with("1 passed, 4 updated (1 file)\n"), "{}", finished.stderr);
    let updated = fs::read_to_string(folder.path().join("trades.vplt")).expect("it is still there");
    assert_eq!(updated, RIGHT);
    test(folder.path(), &[]).ok();
}

#[test]
fn update_gives_a_case_without_expectation_what_came() {
    let folder = folder();
    write(
        &folder,
        "a.vplt",
        "--- program\nstream B = A.emit(n: n)\n\n=== one\n--- input\n@5s A { n: 1 }\n\n=== none\n",
    );
    let finished = test(folder.path(), &["-q"]).code(1);
    assert!(finished.stderr.contains("nothing is expected"), "{}", finished.stderr);
    test(folder.path(), &["--update"]).ok();
    let updated = fs::read_to_string(folder.path().join("a.vplt")).expect("it is still there");
    let expected = "--- program\nstream B = A.emit(n: n)\n\n=== one\n--- input\n@5s A { n: 1 }\n--- output\n\
                    @5s B { n: 1 }\n\n=== none\n--- output: none\n";
    assert_eq!(updated, expected);
}

#[test]
fn programs_and_inputs_may_lie_in_files() {
    let folder = folder();
    write(&folder, "program.vpl", "event A:\n    n: int\nstream B = A.emit(n: n)\n");
    write(&folder, "events.evt", "A(1)\n@5s A(2)\n");
    write(&folder, "events.jsonl", "{\"event_type\":\"A\",\"n\":3}\nbroken\n");
    write(
        &folder,
        "a.vplt",
        "--- program: program.vpl\n=== evt\n--- input: events.evt\n--- output\nB { n: 1 }\n@5s B { n: 2 }\n\
         === json\n--- input: events.jsonl\n--- output\nB { n: 3 }\n--- counters: malformed 1\n\
         === gone\n--- input: gone.evt\n--- output: none\n",
    );
    let finished = test(folder.path(), &["-q"]).code(1);
    assert!(finished.stderr.contains("gone.evt: No such file"), "{}", finished.stderr);
    assert!(finished.stderr.ends_with("2 passed, 1 failed (1 file)\n"), "{}", finished.stderr);
}

#[test]
fn what_is_no_test_says_so() {
    let folder = folder();
    let finished = test(folder.path(), &[]).code(1);
    assert_eq!(finished.stderr, "error: there is no test in .: tests are files named *.vplt\n");
    write(&folder, "a.vplt", "=== a\n--- progam\n");
    let finished = test(folder.path(), &[]).code(1);
    assert!(finished.stderr.contains("a.vplt:2: there is no section `progam`; did you mean `program`?"));
    assert!(finished.stderr.ends_with("0 passed, 1 file cannot be read (1 file)\n"), "{}", finished.stderr);
    let finished = test(folder.path(), &["gone.vplt"]).code(1);
    assert_eq!(finished.stderr, "error: gone.vplt: there is no such file\n");
}
