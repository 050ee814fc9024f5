//! Test files: text to cases, each section with its place. docs/testing.md describes the format.
//!
//! 1. A line that begins with `===` opens a case, one that begins with `---` a section of it; nothing else has a meaning
//!    here. What stands before a case's first section is prose.
//! 2. A program or an input that stands in the file keeps its line numbers: it is the file with every other line blank,
//!    so whatever is said about it names a place in the test file.

use std::ops::Range;
use std::path::{Path, PathBuf};

use kolo_engine::diagnostic::similar;

/// A file of cases.
#[derive(Debug)]
pub(super) struct TestFile {
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) cases: Vec<Case>,
}

/// One program, one input, and what is expected.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    /// The line of its `===`, from 0.
    pub(super) line: usize,
    /// The line after its last one, from 0.
    pub(super) end: usize,
    pub(super) program: Text,
    pub(super) input: Text,
    pub(super) expectations: Vec<Section>,
}

/// A program or an input.
#[derive(Debug)]
pub(super) enum Text {
    /// It lies in this file.
    File(PathBuf),
    /// It stands in the test file, in these lines.
    Here(Vec<Range<usize>>),
}

/// `--- kind: argument` and the lines below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) kind: Kind,
    /// The line of its `---`, from 0.
    pub(super) line: usize,
    /// What stands behind the colon.
    pub(super) argument: String,
    /// The lines below, from 0.
    pub(super) body: Range<usize>,
}

/// The kinds of sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Program,
    Input,
    Output,
    Count,
    Error,
    Warning,
    Counters,
}

impl Kind {
    const ALL: &[(Kind, &str)] = &[
        (Kind::Program, "program"),
        (Kind::Input, "input"),
        (Kind::Output, "output"),
        (Kind::Count, "count"),
        (Kind::Error, "error"),
        (Kind::Warning, "warning"),
        (Kind::Counters, "counters"),
    ];

    pub(super) fn name(self) -> &'static str {
        let (_, name) = Kind::ALL.iter().find(|(kind, _)| *kind == self).expect("every kind has a name");
        name
    }
}

/// What is wrong with a test file, and in which line, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) line: usize,
    pub(super) message: String,
}

impl Problem {
    pub(super) fn new(line: usize, message: impl Into<String>) -> Problem {
        Problem { line, message: message.into() }
    }
}

impl TestFile {
    /// Reads a test file's text.
    ///
    /// # Errors
    /// Everything that is no test file about it.
    pub(super) fn parse(path: &Path, text: String) -> Result<TestFile, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut cases: Vec<Case> = Vec::new();
        let mut shared = Block::default();
        let mut block = Block::default();
        let mut open: Option<(String, usize)> = None;
        let mut section: Option<Section> = None;
        let lines: Vec<&str> = text.lines().collect();
        for number in 0..=lines.len() {
            let line = lines.get(number).copied();
            let heading = line.is_none_or(|line| line.starts_with("===") || line.starts_with("---"));
            if let Some(mut whole) = section.take_if(|_| heading) {
                whole.body.end = number;
                block.add(whole, open.is_none(), &mut problems);
            }
            match line {
                Some(line) if line.starts_with("---") => section = open_section(line, number, &mut problems),
                Some(line) if !line.starts_with("===") => {}
                _ => {
                    let whole = std::mem::take(&mut block);
                    match open.take() {
                        None => shared = whole,
                        Some((name, start)) => {
                            cases.push(whole.case(&shared, name, start..number, path, &mut problems));
                        }
                    }
                    let Some(line) = line else { break };
                    let name = line.trim_matches(|c: char| c == '=' || c.is_whitespace());
                    if name.is_empty() {
                        problems.push(Problem::new(number, "this case has no name: write `=== what it shows`"));
                    } else if let Some(earlier) = cases.iter().find(|case| case.name == name) {
                        let message = format!("the case of line {} has the same name", earlier.line + 1);
                        problems.push(Problem::new(number, message));
                    }
                    open = Some((name.to_owned(), number));
                }
            }
        }
        if cases.is_empty() && problems.is_empty() {
            problems.push(Problem::new(0, "there is no case in this file: one begins with `=== what it shows`"));
        }
        if problems.is_empty() { Ok(TestFile { path: path.to_owned(), text, cases }) } else { Err(problems) }
    }

    /// The lines of `ranges` at their places, all others blank.
    pub(super) fn only(&self, ranges: &[Range<usize>]) -> String {
        let Some(end) = ranges.iter().map(|range| range.end).max() else { return String::new() };
        let mut text = String::new();
        for (number, line) in self.text.lines().take(end).enumerate() {
            if ranges.iter().any(|range| range.contains(&number)) {
                text.push_str(line);
            }
            text.push('\n');
        }
        text
    }

    /// The lines of a section below its heading.
    pub(super) fn body<'t>(&'t self, section: &Section) -> impl Iterator<Item = &'t str> {
        self.text.lines().skip(section.body.start).take(section.body.len())
    }
}

fn open_section(line: &str, number: usize, problems: &mut Vec<Problem>) -> Option<Section> {
    let heading = line.trim_start_matches('-').trim();
    let (name, argument) = heading.split_once(':').unwrap_or((heading, ""));
    let (name, argument) = (name.trim(), argument.trim());
    let Some((kind, _)) = Kind::ALL.iter().find(|(_, known)| *known == name) else {
        let known = Kind::ALL.iter().map(|(_, name)| *name);
        let mut message = format!("there is no section `{name}`");
        match similar(name, known.clone()) {
            Some(meant) => message += &format!("; did you mean `{meant}`?"),
            None => message += &format!("; the sections are {}", known.collect::<Vec<_>>().join(", ")),
        }
        problems.push(Problem::new(number, message));
        return None;
    };
    Some(Section { kind: *kind, line: number, argument: argument.to_owned(), body: number + 1..number + 1 })
}

/// The sections of a case, or those before the first one.
#[derive(Default)]
struct Block {
    program: Vec<Section>,
    input: Vec<Section>,
    expectations: Vec<Section>,
}

impl Block {
    fn add(&mut self, section: Section, shared: bool, problems: &mut Vec<Problem>) {
        let of_kind = match section.kind {
            Kind::Program => &mut self.program,
            Kind::Input => &mut self.input,
            kind if shared => {
                let message = format!("`{}` belongs to a case: open one with `=== what it shows`", kind.name());
                return problems.push(Problem::new(section.line, message));
            }
            _ => &mut self.expectations,
        };
        if of_kind.iter().any(|earlier| earlier.kind == section.kind) {
            let message = format!("this case has a section `{}` already", section.kind.name());
            problems.push(Problem::new(section.line, message));
        }
        of_kind.push(section);
    }

    fn case(self, shared: &Block, name: String, lines: Range<usize>, path: &Path, problems: &mut Vec<Problem>) -> Case {
        let program = text(&shared.program, &self.program, path, problems);
        let input = text(&shared.input, &self.input, path, problems);
        if matches!(&program, Text::Here(lines) if lines.is_empty()) {
            problems.push(Problem::new(lines.start, "this case has no program: write one below `--- program`"));
        }
        let refused = self.expectations.iter().any(|section| section.kind == Kind::Error);
        for section in &self.expectations {
            if refused && matches!(section.kind, Kind::Output | Kind::Count | Kind::Counters) {
                let message = format!("a program with errors does not run: `{}` has no meaning", section.kind.name());
                problems.push(Problem::new(section.line, message));
            }
        }
        Case { name, line: lines.start, end: lines.end, program, input, expectations: self.expectations }
    }
}

/// The shared text and the case's own below it, or the file that the case names instead of both.
fn text(shared: &[Section], own: &[Section], path: &Path, problems: &mut Vec<Problem>) -> Text {
    let sections = if own.iter().any(|section| !section.argument.is_empty()) { own } else { &[shared, own].concat() };
    let named = sections.iter().find(|section| !section.argument.is_empty());
    match named {
        Some(section) => {
            if sections.len() > 1 {
                let message = "the text before the first case is a file's, and this case has text of its own";
                problems.push(Problem::new(sections[1].line, message));
            }
            Text::File(path.parent().unwrap_or(Path::new("")).join(&section.argument))
        }
        None => Text::Here(sections.iter().map(|section| section.body.clone()).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
prose
--- program
event A:
    n: int

=== first
more prose
--- program
stream B = A.emit()
--- input
A(1)
--- output
B { n: 1 }

=== second ===
--- program: other.vpl
--- error: E010
";

    fn parse(text: &str) -> Result<TestFile, Vec<Problem>> {
        TestFile::parse(Path::new("folder/a.vplt"), text.to_owned())
    }

    fn problems(text: &str) -> Vec<(usize, String)> {
        let problems = parse(text).expect_err("not a right file");
        problems.into_iter().map(|problem| (problem.line, problem.message)).collect()
    }

    #[test]
    fn cases_have_the_shared_text_and_their_own_at_their_places() {
        let file = parse(FILE).expect("a right file");
        let [first, second] = &file.cases[..] else { panic!("{:?}", file.cases) };
        assert_eq!((first.name.as_str(), first.line, first.end), ("first", 5, 14));
        assert_eq!((second.name.as_str(), second.line, second.end), ("second", 14, 17));
        let Text::Here(program) = &first.program else { panic!("{:?}", first.program) };
        assert_eq!(file.only(program), "\n\nevent A:\n    n: int\n\n\n\n\nstream B = A.emit()\n");
        let Text::Here(input) = &first.input else { panic!("{:?}", first.input) };
        assert_eq!(file.only(input), format!("{}A(1)\n", "\n".repeat(10)));
        let output = &first.expectations[0];
        assert_eq!((output.kind, file.body(output).collect::<Vec<_>>()), (Kind::Output, vec!["B { n: 1 }", ""]));
        assert!(matches!(&second.program, Text::File(path) if path == Path::new("folder/other.vpl")));
        assert_eq!(second.expectations[0].argument, "E010");
    }

    #[test]
    fn what_is_no_test_file_is_told_with_its_place() {
        let all = |text: &str| problems(text).into_iter().map(|(line, _)| line).collect::<Vec<_>>();
        assert_eq!(all(""), [0]);
        assert_eq!(all("=== a\n"), [0], "no program");
        assert_eq!(all("===\n--- program\nx\n"), [0], "no name");
        assert_eq!(all("=== a\n--- program\nx\n=== a\n--- program\nx\n"), [3], "the same name");
        assert_eq!(all("--- output\n=== a\n--- program\nx\n"), [0], "an expectation that belongs to no case");
        assert_eq!(all("=== a\n--- program\nx\n--- program\ny\n"), [3], "two programs");
        assert_eq!(all("=== a\n--- program\nx\n--- error: E010\n--- count: 1\n"), [4], "an error, and yet outputs");
        assert_eq!(all("--- program: p\n=== a\n--- program\nx\n"), [2], "a file and more");
        let (line, message) = &problems("=== a\n--- program\nx\n--- ouptut\n")[0];
        assert_eq!((*line, message.as_str()), (3, "there is no section `ouptut`; did you mean `output`?"));
    }
}
