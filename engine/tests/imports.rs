//! Programs of several files.

use std::sync::Arc;

use kolo_engine::Engine;
use kolo_engine::check::check;
use kolo_engine::diagnostic::{SourceFile, render};
use kolo_engine::plan::Plan;
use kolo_engine::syntax::gather;

mod common;

/// A program with the files that it may import.
fn source(program: &str, files: &[(&str, &str)]) -> SourceFile {
    gather("main.vpl", program, &|path| {
        let found = files.iter().find(|(name, _)| *name == path.trim_start_matches("./"));
        found.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).ok_or("there is no such file".to_owned())
    })
}

/// What the program puts out.
fn run(program: &str, files: &[(&str, &str)], records: &[&str]) -> Vec<String> {
    let source = source(program, files);
    let (checked, diagnostics) = check(&source, &|_| None);
    let checked = checked.unwrap_or_else(|| panic!("{}", render(&source, &diagnostics, false)));
    assert!(diagnostics.is_empty(), "{}", render(&source, &diagnostics, false));
    let mut slots: Vec<_> = records.iter().map(|record| common::slot(record)).collect();
    Engine::new(Arc::new(Plan::compile(&checked).expect("within the limits"))).process(&mut slots);
    common::lines(&slots)
}

/// What is said of the program.
fn said(program: &str, files: &[(&str, &str)]) -> String {
    let source = source(program, files);
    render(&source, &check(&source, &|_| None).1, false)
}

const LIBRARY: (&str, &str) = (
    "lib.vpl",
    "const LIMIT = 5\nevent Tick:\n    price: float\nfn over(price: float, limit: float) -> float:\n    let LIMIT = 1\n    \
     price - limit * LIMIT\nstream Ticks = Tick.where(price > LIMIT)\nstream High = Ticks as t\n    \
     .where(over(t.price, LIMIT) > 1)\n    .emit(p: t.price)\n",
);
const TICK: &str = r#"{"event_type":"Tick","price":7}"#;
const T0: &str = "1970-01-01T00:00:00Z";

#[test]
fn an_import_stands_for_what_the_file_declares() {
    let expected = [
        format!(r#"{{"event_type":"High","timestamp":"{T0}","p":7}}"#),
        format!(r#"{{"event_type":"Mine","timestamp":"{T0}","q":5,"r":2}}"#),
    ];
    let program = "import \"lib.vpl\"\nstream Mine = Ticks.where(price > LIMIT).emit(q: LIMIT, r: over(price, LIMIT))";
    assert_eq!(run(program, &[LIBRARY], &[TICK]), expected);
    // Twice is once, also by way of others.
    let both = ("both.vpl", "import \"./lib.vpl\"\nimport \"lib.vpl\"\n");
    assert_eq!(run(&format!("import \"both.vpl\"\n{program}"), &[LIBRARY, both], &[TICK]), expected);
}

#[test]
fn a_prefix_stands_before_all_that_the_file_declares() {
    let program = "import \"lib.vpl\" as x\nconst LIMIT = 1\n\
                   stream Mine = x.Ticks.where(price > LIMIT).emit(q: x.LIMIT, r: x.over(x.Ticks.price, LIMIT))\n\
                   stream Own = x.Tick as t .where(t.price > x.LIMIT + LIMIT).emit(o: t.price)";
    assert_eq!(
        run(program, &[LIBRARY], &[TICK]),
        [
            format!(r#"{{"event_type":"x.High","timestamp":"{T0}","p":7}}"#),
            format!(r#"{{"event_type":"Mine","timestamp":"{T0}","q":5,"r":6}}"#),
            format!(r#"{{"event_type":"Own","timestamp":"{T0}","o":7}}"#),
        ]
    );
    // Prefixes of prefixes.
    let outer =
        ("outer.vpl", "import \"lib.vpl\" as y\nconst TWICE = y.LIMIT * 2\nstream S = y.Ticks.emit(t: TWICE)\n");
    let program = "import \"outer.vpl\" as x\nstream T = x.y.Ticks.emit(l: x.y.LIMIT, t: x.TWICE)";
    assert_eq!(
        run(program, &[LIBRARY, outer], &[TICK]),
        [
            format!(r#"{{"event_type":"x.y.High","timestamp":"{T0}","p":7}}"#),
            format!(r#"{{"event_type":"x.S","timestamp":"{T0}","t":10}}"#),
            format!(r#"{{"event_type":"T","timestamp":"{T0}","l":5,"t":10}}"#),
        ]
    );
}

#[test]
fn connectors_and_contexts_have_prefixes_too() {
    let library =
        ("k.vpl", "connector k = file(path: \"out\")\ncontext c (cores: [3])\nstream S = T.context(c).emit().to(k)\n");
    let source = source("import \"k.vpl\" as x\nstream U = T.emit().to(x.k).context(x.c)", &[library]);
    let (program, diagnostics) = check(&source, &|_| None);
    let found = render(&source, &diagnostics, false);
    assert!(program.is_none() && found.contains("`.context` cannot stand behind `.to`"), "{found}");
    let source = self::source("import \"k.vpl\" as x\nstream U = T.context(x.c).emit().to(x.k)", &[library]);
    let program = check(&source, &|_| None).0.expect("no error");
    assert_eq!((program.connectors[0].name.text.as_str(), program.targets.len()), ("x.k", 2));
    assert_eq!(program.cores, [3]);
}

#[test]
fn what_is_wrong_in_an_imported_file_is_told_with_its_name() {
    let library = ("lib.vpl", "let a = 1\n\nstream S = T.wher(a > 1).emit()\n");
    let found = said("import \"lib.vpl\"\nstream U = T.wher(b > 1).emit()", &[library]);
    assert!(found.contains(" --> lib.vpl:3:14\n  |\n3 | stream S = T.wher(a > 1)"), "{found}");
    assert!(found.contains(" --> main.vpl:2:14\n  |\n2 | stream U = T.wher(b > 1)"), "{found}");
    // A name that two files declare: each place with its file.
    let found = said("import \"lib.vpl\"\nlet a = 2", &[("lib.vpl", "let a = 1\n")]);
    assert!(found.contains("main.vpl:2:5") && found.contains("lib.vpl:1:5"), "{found}");
    let found = said("import \"lib.vpl\"", &[("lib.vpl", "stream = 5\n")]);
    assert!(found.contains("lib.vpl:1:8"), "{found}");
}

#[test]
fn imports_that_cannot_be_are_refused() {
    let found = said("import \"none.vpl\"\n", &[]);
    assert!(found.contains("error[E044]: `none.vpl` cannot be imported: there is no such file"), "{found}");
    let found = said("import \"a.vpl\"\n", &[("a.vpl", "import \"b.vpl\"\n"), ("b.vpl", "import \"a.vpl\" as x\n")]);
    assert!(found.contains("error[E029]: `a.vpl` imports itself") && found.contains("b.vpl:1:8"), "{found}");
    let found = said("for i in 0..2:\n    import \"a.vpl\"\n", &[("a.vpl", "let a = 1\n")]);
    assert!(found.contains("error[E036]: a loop cannot import files"), "{found}");
    let alone = SourceFile::new("p.vpl", "import \"a.vpl\"\n");
    assert_eq!(check(&alone, &|_| None).1[0].code.id(), "E044");
}
