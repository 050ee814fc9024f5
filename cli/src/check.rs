//! Reads a program, and says what is wrong with it: `kolo check`, and the beginning of every command that runs one.
//!
//! Diagnostics go to stderr. Nothing of a program with an error is ever run; warnings are shown and do no more.

use std::fs;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

use kolo_engine::check::program::Program;
use kolo_engine::diagnostic::{self, Diagnostic, SourceFile};
use kolo_engine::plan::Plan;
use kolo_engine::syntax::gather;

use crate::args::{CheckArgs, Form, ProgramText};
use crate::outcome::{Failure, Outcome};
use crate::properties;
use crate::stderr;

mod json;

/// A program without errors, and its text.
pub(crate) struct Loaded {
    /// The program.
    pub(crate) program: Program,
    /// Where it comes from, for faults that show only later.
    pub(crate) source: SourceFile,
    /// How many warnings were shown.
    pub(crate) warnings: usize,
}

impl Loaded {
    /// The program as the engine runs it.
    ///
    /// # Errors
    /// A program that exceeds a limit of the planner.
    pub(crate) fn plan(&self) -> Result<Plan, Failure> {
        let name = self.source.name();
        Plan::compile(&self.program).map_err(|reason| Failure::new(format_args!("{name}: {reason}")))
    }
}

/// `kolo check`: all the programs, whatever is wrong with some of them.
///
/// # Errors
/// A single program with an error.
pub(crate) fn run(args: &CheckArgs) -> Result<Outcome, Failure> {
    if args.format == Form::Json {
        return json::run(&args.files);
    }
    let [file] = &args.files[..] else { return run_several(&args.files) };
    print_line(&check_one(file)?)?;
    Ok(Outcome::Done)
}

/// One line for each program, its problems above it.
fn run_several(files: &[PathBuf]) -> Result<Outcome, Failure> {
    let mut failed = 0;
    for file in files {
        match check_one(file) {
            Ok(summary) => print_line(&format!("{}: {summary}", file.display()))?,
            Err(failure) => {
                failed += 1;
                stderr::say(format_args!("error: {failure}"));
            }
        }
    }
    print_line(&format!("{}: {} without errors, {failed} with", counted(files.len(), "file"), files.len() - failed))?;
    Ok(if failed == 0 { Outcome::Done } else { Outcome::Wrong })
}

fn check_one(file: &Path) -> Result<String, Failure> {
    let loaded = load(ProgramText::File(file))?;
    loaded.plan()?;
    Ok(summary(&loaded.program, loaded.warnings))
}

/// Reads and checks a program; `${NAME}` in its connectors comes from the environment. Shows its diagnostics.
///
/// # Errors
/// A file that cannot be read, or a program with an error.
pub(crate) fn load(text: ProgramText<'_>) -> Result<Loaded, Failure> {
    let source = source_of(text)?;
    let (program, diagnostics) = examine(&source);
    match program {
        Some(program) => {
            show(&source, &diagnostics);
            Ok(Loaded { program, source, warnings: diagnostics.len() })
        }
        None => Err(reject(&source, &diagnostics)),
    }
}

/// The program's text and name, with the files that it imports.
pub(crate) fn source_of(text: ProgramText<'_>) -> Result<SourceFile, Failure> {
    Ok(match text {
        ProgramText::File(path) => with_imports(path, read(path)?),
        ProgramText::Code(code) => with_imports(Path::new("<code>"), code.to_owned()),
    })
}

/// A program with the files that it imports, which are looked for from the folder of the program at `path`.
pub(crate) fn with_imports(path: &Path, text: String) -> SourceFile {
    let folder = path.parent().unwrap_or(Path::new(""));
    gather(path.display().to_string(), text, &|import| {
        // `./a.vpl` is `a.vpl`.
        let file: PathBuf = folder.join(import).components().collect();
        let text = read(&file).map_err(|failure| failure.to_string())?;
        Ok((file.display().to_string(), text))
    })
}

/// Everything that can be said about a program without connecting anywhere; there is none if a diagnostic is an error.
pub(crate) fn examine(source: &SourceFile) -> (Option<Program>, Vec<Diagnostic>) {
    let (program, mut diagnostics) = kolo_engine::check::check(source, &|name| std::env::var(name).ok());
    let refused: Vec<Diagnostic> = program.iter().flat_map(properties::check_program).collect();
    let accepted = program.filter(|_| refused.is_empty());
    diagnostics.extend(refused);
    (accepted, diagnostics)
}

pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let name = path.display();
    let bytes = fs::read(path).map_err(|reason| match reason.kind() {
        ErrorKind::NotFound => Failure::new(format_args!("{name}: there is no such file")),
        _ => Failure::new(format_args!("{name}: cannot be read: {reason}")),
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
        Failure::new(format_args!("{name}:{line}: this is no UTF-8; save the program as UTF-8"))
    })
}

pub(crate) fn reject(source: &SourceFile, diagnostics: &[Diagnostic]) -> Failure {
    show(source, diagnostics);
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    let mut found = counted(errors, "error");
    if diagnostics.len() > errors {
        found += &format!(" and {}", counted(diagnostics.len() - errors, "warning"));
    }
    Failure::new(format_args!("{}: {found}", source.name()))
}

pub(crate) fn show(source: &SourceFile, diagnostics: &[Diagnostic]) {
    if !diagnostics.is_empty() {
        stderr::say(diagnostic::render(source, diagnostics, colour()).trim_end_matches('\n').to_owned() + "\n");
    }
}

/// Whether stderr takes colour, and whoever reads it wants it.
pub(crate) fn colour() -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    io::stderr().is_terminal() && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}

fn summary(program: &Program, warnings: usize) -> String {
    let mut line = format!(
        "Syntax OK: {}, {}, {}",
        counted(program.connectors.len(), "connector"),
        counted(program.events.len(), "event type"),
        counted(program.streams.len(), "stream")
    );
    if warnings > 0 {
        line += &format!(", {}", counted(warnings, "warning"));
    }
    line
}

pub(crate) fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

pub(crate) fn print_line(line: &str) -> Result<(), Failure> {
    writeln!(io::stdout(), "{line}")
        .map_err(|reason| Failure::new(format_args!("stdout cannot be written to: {reason}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICKS: &str = "event Tick:\n    price: float\nconnector k = kafka(brokers: \"a:9092\", topic: \"t\")\n";

    #[test]
    fn a_program_is_counted() {
        let text = format!("{TICKS}stream A = Tick.from(k)\nstream B = A.where(price > 1).emit()\n");
        let loaded = load(ProgramText::Code(&text)).expect("a right program");
        assert_eq!(summary(&loaded.program, 0), "Syntax OK: 1 connector, 1 event type, 2 streams");
        assert_eq!(summary(&loaded.program, 1), "Syntax OK: 1 connector, 1 event type, 2 streams, 1 warning");
        assert_eq!(loaded.source.name(), "<code>");
    }

    #[test]
    fn unreadable_files_say_why() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("p.vpl");
        let failure = |path: &Path| load(ProgramText::File(path)).err().expect("unreadable").to_string();
        assert_eq!(failure(&path), format!("{}: there is no such file", path.display()));
        fs::write(&path, b"# caf\xe9\n").expect("a new file can be written");
        assert_eq!(failure(&path), format!("{}:1: this is no UTF-8; save the program as UTF-8", path.display()));
        assert!(failure(folder.path()).contains(": cannot be read: "));
    }
}
