//! What is wrong with programs, for editors: one JSON document on stdout. docs/diagnostics.md describes it.

use std::path::{Path, PathBuf};

use kolo_engine::diagnostic::{Diagnostic, Severity, SourceFile};
use kolo_engine::plan::Plan;
use kolo_engine::syntax::ast::Span;
use serde::Serialize;

use super::{examine, print_line, source_of};
use crate::args::ProgramText;
use crate::outcome::{Failure, Outcome};

#[derive(Serialize)]
struct Document {
    files: Vec<File>,
    errors: usize,
    warnings: usize,
}

#[derive(Serialize)]
struct File {
    file: String,
    /// What is wrong with the whole of it; it cannot be read, for example.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    diagnostics: Vec<Problem>,
}

#[derive(Serialize)]
struct Problem {
    code: &'static str,
    severity: &'static str,
    message: String,
    range: Range,
    label: String,
    related: Vec<Related>,
    notes: Vec<String>,
    help: Option<String>,
}

#[derive(Serialize)]
struct Related {
    range: Range,
    label: String,
}

#[derive(Serialize)]
struct Range {
    /// The imported file in which it lies; none for the program itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    start: Position,
    end: Position,
}

/// Lines and columns count from 1, columns in characters; the offset counts bytes from 0.
#[derive(Serialize)]
struct Position {
    line: usize,
    column: usize,
    offset: u32,
}

/// Checks the programs, and writes the document.
pub(super) fn run(paths: &[PathBuf]) -> Result<Outcome, Failure> {
    let files: Vec<File> = paths.iter().map(|path| check(path)).collect();
    let count = |severity| {
        let of_kind = |file: &File| file.diagnostics.iter().filter(|problem| problem.severity == severity).count();
        files.iter().map(of_kind).sum::<usize>()
    };
    let failures = files.iter().filter(|file| file.failure.is_some()).count();
    let (errors, warnings) = (count("error") + failures, count("warning"));
    let document = Document { files, errors, warnings };
    print_line(&serde_json::to_string(&document).expect("texts and numbers can always be written"))?;
    Ok(if errors == 0 { Outcome::Done } else { Outcome::Wrong })
}

fn check(path: &Path) -> File {
    let file = path.display().to_string();
    let source = match source_of(ProgramText::File(path)) {
        Ok(source) => source,
        Err(failure) => return File { file, failure: Some(failure.to_string()), diagnostics: Vec::new() },
    };
    let (program, diagnostics) = examine(&source);
    let failure = program.and_then(|program| Plan::compile(&program).err()).map(|reason| reason.to_string());
    File { file, failure, diagnostics: diagnostics.into_iter().map(|one| problem(&source, one)).collect() }
}

fn problem(source: &SourceFile, diagnostic: Diagnostic) -> Problem {
    let Diagnostic { code, message, span, label, related, notes, help } = diagnostic;
    let related = related.into_iter().map(|(span, label)| Related { range: range(source, span), label }).collect();
    Problem {
        code: code.id(),
        severity: match code.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        message,
        range: range(source, span),
        label,
        related,
        notes,
        help,
    }
}

fn range(source: &SourceFile, span: Span) -> Range {
    let position = |offset| {
        let (line, column) = source.position(offset);
        Position { line, column, offset: source.offset_at(offset) }
    };
    let file = Some(source.name_at(span.start)).filter(|name| *name != source.name()).map(str::to_owned);
    Range { file, start: position(span.start), end: position(span.end) }
}
