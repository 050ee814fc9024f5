//! `kolo test`: unit tests of programs, in text files. docs/testing.md describes them.
//!
//! ```text
//!   file    text to cases          case    a case's program over its input, as `kolo simulate` runs it
//!   event   one output, written    expect  what is expected beside what came      diff  two lists beside each other
//! ```
//!
//! Everything that is said goes to stderr, as with `kolo simulate`. A case that cannot be run has failed.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::args::TestArgs;
use crate::check::{colour, counted, read};
use crate::outcome::{Failure, Outcome};
use crate::stderr::say;
use expect::{Correction, Mismatch};
use file::{Case, Problem, TestFile};

mod case;
mod diff;
mod event;
mod expect;
mod file;

/// How the name of a test file ends.
const EXTENSION: &str = "vplt";

/// What became of the cases.
#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
    updated: usize,
    /// Files that are no test files.
    broken: usize,
}

/// Runs all cases of the files.
///
/// # Errors
/// A path that does not exist, or below which no test file is.
pub(crate) fn run(args: &TestArgs) -> Result<Outcome, Failure> {
    let mut paths = Vec::new();
    for path in &args.paths {
        find(path, &mut paths)?;
    }
    if paths.is_empty() {
        let folders: Vec<String> = args.paths.iter().map(|path| path.display().to_string()).collect();
        let message = format!("there is no test in {}: tests are files named *.{EXTENSION}", folders.join(", "));
        return Err(Failure::new(message));
    }
    let styles = Styles::new(colour());
    let mut tally = Tally::default();
    for path in &paths {
        run_file(path, args, &styles, &mut tally)?;
    }
    say(tally.summary(paths.len()));
    Ok(if tally.failed + tally.broken == 0 { Outcome::Done } else { Outcome::Wrong })
}

/// A file as it is; of a folder all test files below it, in the order of their names.
fn find(path: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let unreadable = |reason| Failure::new(format_args!("{}: cannot be read: {reason}", path.display()));
    if !path.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        entries.push((entry.path(), entry.file_type().map_err(unreadable)?));
    }
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (inner, kind) in entries {
        if kind.is_dir() {
            find(&inner, found)?;
        } else if inner.extension().is_some_and(|extension| extension == EXTENSION) {
            found.push(inner.strip_prefix("./").unwrap_or(&inner).to_owned());
        }
    }
    Ok(())
}

fn run_file(path: &Path, args: &TestArgs, styles: &Styles, tally: &mut Tally) -> Result<(), Failure> {
    let file = match TestFile::parse(path, read(path)?) {
        Ok(file) => file,
        Err(problems) => {
            tally.broken += 1;
            say(tell(path, &problems));
            return Ok(());
        }
    };
    let mut corrections = Vec::new();
    for case in &file.cases {
        if !args.filter.as_ref().is_none_or(|part| case.name.contains(part.as_str())) {
            continue;
        }
        let place = format!("{}:{} {}", path.display(), case.line + 1, case.name);
        match try_case(&file, case) {
            Ok(mismatches) if mismatches.is_empty() => {
                tally.passed += 1;
                if !args.quiet {
                    say(format_args!("{} {place}", styles.good("ok    ")));
                }
            }
            Ok(mismatches) if args.update && mismatches.iter().all(|mismatch| mismatch.correction.is_some()) => {
                tally.updated += 1;
                say(format_args!("{} {place}", styles.good("update")));
                corrections.extend(mismatches.into_iter().filter_map(|mismatch| mismatch.correction));
            }
            Ok(mismatches) => {
                tally.failed += 1;
                say(format_args!("{} {place}{}", styles.bad("FAILED"), explain(path, &mismatches, styles)));
            }
            Err(reason) => {
                tally.failed += 1;
                say(format_args!("{} {place}\n{}", styles.bad("FAILED"), indented(&reason)));
            }
        }
    }
    if !corrections.is_empty() {
        let unwritable = |reason| Failure::new(format_args!("{}: cannot be written: {reason}", path.display()));
        fs::write(path, corrected(&file.text, corrections)).map_err(unwritable)?;
    }
    Ok(())
}

/// What is not as expected; an error if the case cannot be run.
fn try_case(file: &TestFile, case: &Case) -> Result<Vec<Mismatch>, String> {
    let actual = case::run(file, case).map_err(|failure| failure.to_string())?;
    expect::compare(file, case, &actual).map_err(|problems| tell(&file.path, &problems))
}

fn tell(path: &Path, problems: &[Problem]) -> String {
    let lines = problems.iter().map(|problem| format!("{}:{}: {}", path.display(), problem.line + 1, problem.message));
    lines.collect::<Vec<_>>().join("\n")
}

fn explain(path: &Path, mismatches: &[Mismatch], styles: &Styles) -> String {
    let mut text = String::new();
    for mismatch in mismatches {
        _ = write!(text, "\n    {}:{}: {}", path.display(), mismatch.line + 1, mismatch.title);
        for line in &mismatch.diff {
            let line = match line.as_bytes() {
                [b'-', b' ', ..] => styles.bad(line),
                [b'+', b' ', ..] => styles.good(line),
                _ => line.clone(),
            };
            _ = write!(text, "\n      {line}");
        }
    }
    text
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// The text with the corrections in their places.
fn corrected(text: &str, mut corrections: Vec<Correction>) -> String {
    corrections.sort_by_key(|correction| correction.lines.start);
    let mut lines: Vec<&str> = text.lines().collect();
    for correction in corrections.iter().rev() {
        lines.splice(correction.lines.clone(), correction.text.iter().map(String::as_str));
    }
    lines.join("\n") + "\n"
}

impl Tally {
    fn summary(&self, files: usize) -> String {
        let mut parts = vec![format!("{} passed", self.passed)];
        for (count, what) in [(self.failed, "failed"), (self.updated, "updated")] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        if self.broken > 0 {
            parts.push(format!("{} cannot be read", counted(self.broken, "file")));
        }
        format!("{} ({})", parts.join(", "), counted(files, "file"))
    }
}

/// Colours, where they are wanted.
struct Styles {
    colour: bool,
}

impl Styles {
    fn new(colour: bool) -> Styles {
        Styles { colour }
    }

    fn good(&self, text: &str) -> String {
        self.paint(text, "\x1b[32m")
    }

    fn bad(&self, text: &str) -> String {
        self.paint(text, "\x1b[31m")
    }

    fn paint(&self, text: &str, begin: &str) -> String {
        if self.colour { format!("{begin}{text}\x1b[0m") } else { text.to_owned() }
    }
}
