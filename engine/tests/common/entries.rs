//! Where bytes from outside come in, as functions that must hold for any bytes. The fuzzer (fuzz/) and the mutation test
//! (`mutations.rs`) call the same ones.

use std::sync::{Arc, LazyLock};

use kolo_engine::Engine;
use kolo_engine::check::check as check_program;
use kolo_engine::diagnostic::{Diagnostic, SourceFile, render};
use kolo_engine::evt::Translator;
use kolo_engine::plan::Plan;
use kolo_engine::slot::{Cause, Slot};
use kolo_engine::syntax::parse;

/// Separates the program from its records, and these from each other, in the input of [`engine`].
const SEPARATOR: &str = "\n---\n";

/// A program whose streams pass everything on, and look into some fields.
const WIDE: &str = "stream All = T.emit()\n\
    stream Some = T.where(n > 1 or s != \"x\").emit(n: n, s: s, up: upper(s), sum: n + 1, at: timestamp)\n";

/// The entry of that name.
pub(crate) fn entry(name: &str) -> fn(&[u8]) {
    match name {
        "syntax" => syntax,
        "check" => check,
        "json" => json,
        "evt" => evt,
        "engine" => engine,
        _ => panic!("there is no entry {name}"),
    }
}

/// Lexer and parser: whatever is wrong is told at a place in the text.
fn syntax(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let source = SourceFile::new("p.vpl", text);
    let (_, diagnostics) = parse(&source);
    assert_placed(&source, &diagnostics);
}

/// Checker and planner: a program without errors can be planned, described and run.
fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let source = SourceFile::new("p.vpl", text);
    let (program, diagnostics) = check_program(&source, &|name| Some(name.to_lowercase()));
    assert_placed(&source, &diagnostics);
    assert_eq!(program.is_none(), diagnostics.iter().any(Diagnostic::is_error), "errors refuse a program");
    if let Some(program) = program
        && let Ok(plan) = Plan::compile(&program)
    {
        assert!(!plan.describe(&program, &source).to_string().is_empty());
        drop(Engine::new(Arc::new(plan)));
    }
}

/// Decoding: what is no JSON object is malformed, and whatever is put out of one that is, is JSON.
fn json(bytes: &[u8]) {
    static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| {
        let (program, _) = check_program(&SourceFile::new("p.vpl", WIDE), &|_| None);
        Arc::new(Plan::compile(&program.expect("it is right")).expect("it is small"))
    });
    let mut engine = Engine::new(Arc::clone(&PLAN));
    let mut slots = [Slot::default(), Slot::default()];
    slots[0].payload.set(None, Some(bytes));
    // What a record leaves behind must not disturb the next one.
    slots[1].payload.set(None, Some(br#"{"event_type":"T","n":2}"#));
    engine.process(&mut slots);
    assert_valid_outputs(&slots);
    assert_eq!(slots[1].outputs.list().len(), 2);
    let list = engine.counters().list();
    let malformed = list.iter().find(|(name, _)| *name == "malformed").expect("it is counted").1;
    if malformed == 0 {
        assert!(is_json(bytes), "accepted, and no JSON: {}", String::from_utf8_lossy(bytes));
    }
}

/// Lines of `.evt`: what is understood becomes JSON.
fn evt(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let mut translator = Translator::default();
    for line in text.lines() {
        let mut json = Vec::new();
        match translator.line(line, &mut json) {
            Err(error) => assert!(error.column <= line.chars().count() + 1, "{line}: {error}"),
            Ok(()) if line.trim_ascii_start().starts_with('{') => {}
            Ok(()) => assert!(json.is_empty() || is_json(&json), "{line}: {}", String::from_utf8_lossy(&json)),
        }
    }
}

/// A whole engine: a program and its records. Batches are without meaning, and outputs are JSON.
fn engine(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let mut parts = text.split(SEPARATOR);
    let source = SourceFile::new("p.vpl", parts.next().unwrap_or_default());
    let (Some(program), _) = check_program(&source, &|_| None) else { return };
    if source.text().contains("now") {
        return;
    }
    let Ok(plan) = Plan::compile(&program) else { return };
    let plan = Arc::new(plan);
    let records: Vec<&str> = parts.collect();
    let run = |batch: usize| {
        let mut engine = Engine::new(Arc::clone(&plan));
        let mut slots: Vec<Slot> = records.iter().map(|record| slot(record)).collect();
        slots.push(Slot { cause: Cause::EndOfInput, ..Slot::default() });
        slots.chunks_mut(batch).for_each(|slots| engine.process(slots));
        assert_valid_outputs(&slots);
        lines(&slots)
    };
    assert_eq!(run(1), run(usize::MAX), "{text}");
}

fn slot(record: &str) -> Slot {
    let mut slot = Slot { timestamp_ms: -1, ..Slot::default() };
    slot.payload.set(None, Some(record.as_bytes()));
    slot
}

fn lines(slots: &[Slot]) -> Vec<Vec<u8>> {
    let outputs = slots.iter().flat_map(|slot| slot.outputs.list().iter().map(move |output| (slot, output.value)));
    outputs.map(|(slot, value)| slot.outputs.bytes(value).to_vec()).collect()
}

fn assert_valid_outputs(slots: &[Slot]) {
    for line in lines(slots) {
        assert!(is_json(&line), "an output that is no JSON: {}", String::from_utf8_lossy(&line));
    }
}

/// Whether it is a JSON object, however deep and however large its numbers.
fn is_json(bytes: &[u8]) -> bool {
    let object = bytes.trim_ascii_start().starts_with(b"{");
    let ignored = || serde_json::from_slice::<serde::de::IgnoredAny>(bytes);
    object && str::from_utf8(bytes).is_ok() && ignored().is_ok()
}

fn assert_placed(source: &SourceFile, diagnostics: &[Diagnostic]) {
    let end = source.text().len() as u32;
    for diagnostic in diagnostics {
        let (start, stop) = (diagnostic.span.start, diagnostic.span.end);
        assert!(start <= stop && stop <= end, "{diagnostic:?} lies outside of a text of {end} bytes");
    }
    assert_eq!(render(source, diagnostics, false).is_empty(), diagnostics.is_empty());
}
