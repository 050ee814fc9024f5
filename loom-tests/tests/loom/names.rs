//! Every atomic operation of the lane names the site that leans on it, or says why none does: read from its sources.
//!
//! A name that no line uses needs no test here: weakening it changes nothing, so its mutant survives.

use std::fs;
use std::path::{Path, PathBuf};

/// What only the ring's `sync` may name: the models could not stand in for it elsewhere.
const BEHIND_SYNC: [&str; 6] = ["std::sync", "core::sync", "std::thread", "std::hint", "core::hint", "crossbeam_utils"];

/// Lines of `source` on which an ordering comes about without a name, or a primitive without `sync`.
fn unnamed(source: &str) -> Vec<usize> {
    let code: String = source.lines().map(|line| line.split("//").next().expect("a part").to_owned() + "\n").collect();
    let line_of = |at: usize| code[..at].matches('\n').count() + 1;
    let mut lines = Vec::new();
    for (at, _) in code.match_indices("Ordering::") {
        let before: String = code[..at].split_whitespace().collect();
        // `order(Site::Gate,` or, where the site is handed down, `order(site,`.
        let call = before.trim_end_matches(',').trim_end_matches(|c: char| c.is_alphanumeric() || c == ':');
        let named =
            call.strip_suffix("order(").is_some_and(|rest| !rest.ends_with(|c: char| c.is_alphanumeric() || c == '_'));
        if !named {
            lines.push(line_of(at));
        }
    }
    for sign in BEHIND_SYNC.iter().chain(&["Ordering as", "relaxed(\"\")"]) {
        lines.extend(code.match_indices(sign).map(|(at, _)| line_of(at)));
    }
    lines
}

/// The lane's own files. The adapter in a folder of its own is another implementation, with another crate's orderings.
fn sources() -> Vec<PathBuf> {
    let ring = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ring/src");
    let files = fs::read_dir(ring).expect("the ring's sources").map(|entry| entry.expect("an entry").path());
    files.filter(|path| path.extension().is_some_and(|kind| kind == "rs")).collect()
}

#[test]
fn every_atomic_operation_has_a_name() {
    for path in sources().into_iter().filter(|path| !path.ends_with("sync.rs")) {
        let lines = unnamed(&fs::read_to_string(&path).expect("a source"));
        assert!(
            lines.is_empty(),
            "{}, lines {lines:?}: an ordering that comes neither from `order(Site::…, …)` nor from `relaxed(\"why\")`, or \
             a primitive that does not come from `sync`. Name it in site.rs and give it a mutant in mutants.rs",
            path.display()
        );
    }
}

#[test]
fn an_atomic_operation_without_a_name_is_found() {
    for named in [
        "self.word.load(order(Site::Gate, Ordering::Acquire))",
        "self.word.store(1, order(\n    Site::Publish,\n    Ordering::Release,\n))",
        "self.word.load(order(site, Ordering::Acquire))",
        "self.word.load(relaxed(\"a figure\"))",
        "fence(Site::SignalFence);",
        "use crate::sync::{Arc, Ordering, order}; // not std::sync, nor Ordering::SeqCst",
    ] {
        assert_eq!(unnamed(named), [], "{named}");
    }
    for unnamed_one in [
        "self.word.load(Ordering::Acquire)",
        "self.word.fetch_add(1, Ordering::Relaxed)",
        "self.word.compare_exchange(0, 1, order(Site::Gate, Ordering::AcqRel), Ordering::Acquire)",
        "self.word.store(reorder(Site::Gate, Ordering::Release))",
        "let ordering = Ordering::SeqCst;",
        "use std::sync::atomic::AtomicU64;",
        "std::thread::park()",
        "use crate::sync::{Ordering as O};",
        "use crate::sync::Ordering::*;",
        "self.word.load(relaxed(\"\"))",
    ] {
        assert_eq!(unnamed(unnamed_one), [1], "{unnamed_one}");
    }
    assert_eq!(unnamed("let word = 1;\nself.word.load(\n    Ordering::Acquire,\n)"), [3]);
}
