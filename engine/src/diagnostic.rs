//! What is wrong with a program, told so that it can be put right: a code, the place, what was expected, a fix.
//!
//! 1. A [`Diagnostic`] is data; [`render`] makes text of it, and another form (JSON for editors) can be made of the same
//!    fields.
//! 2. Every kind of problem has a [`Code`] of its own, and every code a row in docs/diagnostics.md.
//! 3. Rendering shows the first line of a span that runs over several, and few lines around it: what it costs does not
//!    depend on the length of the file.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};

use crate::syntax::ast::Span;

/// Places at most this many lines from the problem are shown in one excerpt with it.
const NEAR_LINES: usize = 20;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The program cannot run.
    Error,
    /// The program runs, and probably not as intended.
    Warning,
}

macro_rules! codes {
    ($($name:ident $id:literal $title:literal,)*) => {
        /// The kinds of problems. The first letter of [`id`](Code::id) tells an error from a warning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $title] $name,)*
        }

        impl Code {
            /// All of them, in the order of their ids.
            pub const ALL: &[Code] = &[$(Code::$name,)*];

            /// `E012`, `W003`.
            pub fn id(self) -> &'static str {
                match self {
                    $(Code::$name => $id,)*
                }
            }

            /// What the kind of problem is called in docs/diagnostics.md.
            pub fn title(self) -> &'static str {
                match self {
                    $(Code::$name => $title,)*
                }
            }
        }
    };
}

codes! {
    UnexpectedCharacter "E001" "a character that means nothing in VPL",
    UnterminatedString "E002" "a text without its closing quote",
    UnterminatedComment "E003" "a comment without its end",
    BadNumber "E004" "a number or duration that cannot be read",
    BadTimestamp "E005" "a timestamp that cannot be read",
    BadEscape "E006" "an escape that JSON does not have",
    MixedIndentation "E007" "tabs and spaces mixed in one block",
    TooDeep "E008" "nesting that is too deep",
    TooLarge "E009" "a program that is too large",
    Expected "E010" "something else was expected here",
    ExpectedStatement "E011" "a statement was expected here",
    BadBlock "E012" "a block that is missing, or indented wrongly",
    BadRepeat "E013" "a loop that repeats too often",
    ChainedComparison "E014" "a comparison of a comparison",
    DuplicateName "E020" "a name declared twice",
    UnknownConnector "E021" "an unknown connector",
    UnknownOperation "E022" "an unknown operation",
    UnknownFunction "E023" "an unknown function",
    UnknownArgument "E024" "an unknown argument",
    WrongArguments "E025" "too few, too many or the wrong kind of arguments",
    UnknownType "E026" "an unknown type",
    UnknownKind "E027" "a kind of connector that kolo does not have",
    UnknownVariable "E028" "an unknown variable",
    Cycle "E029" "declarations that go round in a circle",
    LongChain "E030" "a chain of too many streams, events or calls",
    HavingWithoutAggregate "E031" "`.having` without `.aggregate`",
    MissingTopic "E032" "a topic that is named nowhere",
    UndefinedEnvironment "E033" "an environment variable that is not set",
    BadValue "E034" "a value that this place does not take",
    NotAssignable "E035" "an assignment to what cannot change",
    Misplaced "E036" "something in the wrong place",
    NeverMatches "E037" "a pattern that can never match",
    SecondWindow "E038" "a second window or aggregate in one stream",
    BareTrendField "E039" "a trend aggregate of a bare field",
    NotYet "E040" "not supported yet",
    Refused "E041" "refused for good",
    UnknownContext "E042" "an unknown context",
    FieldOutsideAggregate "E043" "a field outside of an aggregate",
    BadImport "E044" "a file that cannot be imported",
    UnknownField "W001" "a field that the event does not declare",
    SimilarName "W002" "a name that resembles a declared one",
    NoEffect "W003" "a statement that has no effect",
    UnreadStream "W004" "a stream that nobody reads",
    HiddenVariable "W005" "a variable hidden by a field",
    NeverValue "W006" "an expression that never has a value",
    AlwaysSame "W007" "a comparison whose result is always the same",
    NeverTrue "W008" "a condition that is never true",
    UnusedVariable "W009" "a variable that nothing uses",
    TopicTwice "W010" "a topic that is used twice",
    AcrossPartitions "W011" "a state by something else than its topic's key",
    HalfWindow "W012" "a window without an aggregate, or the reverse",
}

impl Code {
    /// Error or warning.
    pub fn severity(self) -> Severity {
        if self.id().starts_with('E') { Severity::Error } else { Severity::Warning }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// One problem of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its kind, which also says how bad it is.
    pub code: Code,
    /// One sentence: what is wrong.
    pub message: String,
    /// The place.
    pub span: Span,
    /// A few words beside the underlined place; may be empty.
    pub label: String,
    /// Other places that belong to the problem, each with a few words.
    pub related: Vec<(Span, String)>,
    /// Facts that explain it.
    pub notes: Vec<String>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A problem of that kind at that place.
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        let message = message.into();
        Diagnostic { code, message, span, label: String::new(), related: Vec::new(), notes: Vec::new(), help: None }
    }

    /// With a few words beside the place.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// With another place.
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }

    /// With a fact that explains it.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// With what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With "did you mean" as the label, if `similar` found something.
    pub fn suggest(self, similar: Option<&str>) -> Self {
        match similar {
            Some(name) => self.label(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    /// Error or warning.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }

    /// True for an error.
    pub fn is_error(&self) -> bool {
        self.severity() == Severity::Error
    }
}

/// A program's text and where it comes from; with the files that it imports, one after the other.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Of all files.
    text: String,
    line_starts: Vec<u32>,
    /// The program first.
    files: Vec<Part>,
    /// What stands behind `import`, and which of the files that is.
    imports: HashMap<String, Result<usize, String>>,
}

/// One file of a program.
#[derive(Debug, Clone)]
struct Part {
    name: String,
    /// Its first byte in the text of all files, and its first line.
    start: usize,
    first_line: usize,
    end: usize,
}

impl SourceFile {
    /// `name` is what a diagnostic calls it: a path, or `<code>`.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at as u32 + 1);
        let line_starts = std::iter::once(0).chain(starts).collect();
        let files = vec![Part { name: name.into(), start: 0, first_line: 0, end: text.len() }];
        SourceFile { text, line_starts, files, imports: HashMap::new() }
    }

    /// What a diagnostic calls the program.
    pub fn name(&self) -> &str {
        &self.files[0].name
    }

    /// What a diagnostic calls the file in which a byte lies.
    pub fn name_at(&self, byte: u32) -> &str {
        &self.part(byte).name
    }

    /// A byte's place in its file.
    pub fn offset_at(&self, byte: u32) -> u32 {
        byte - self.part(byte).start as u32
    }

    fn part(&self, byte: u32) -> &Part {
        let after = self.files.partition_point(|file| file.start <= byte as usize);
        &self.files[after.max(1) - 1]
    }

    /// How many files there are, with the program.
    pub(crate) fn files(&self) -> usize {
        self.files.len()
    }

    /// The text of one file.
    pub(crate) fn text_of(&self, file: usize) -> &str {
        &self.text[self.files[file].start..self.files[file].end]
    }

    /// Where a file begins in the text of all.
    pub(crate) fn start_of(&self, file: usize) -> usize {
        self.files[file].start
    }

    /// Whether it is known what `import` of this path is.
    pub(crate) fn knows_import(&self, path: &str) -> bool {
        self.imports.contains_key(path)
    }

    /// The file that `import` of this path means.
    pub(crate) fn import(&self, path: &str) -> Result<usize, String> {
        self.imports.get(path).cloned().unwrap_or_else(|| Err("files cannot be read here".to_owned()))
    }

    /// What `import` of this path is: the name and the text of a file, which may be there already.
    pub(crate) fn add_import(&mut self, path: String, found: Result<(String, String), String>) {
        let file = found.map(|(name, text)| {
            self.files.iter().position(|file| file.name == name).unwrap_or_else(|| {
                self.text.push('\n');
                let start = self.text.len();
                self.line_starts.push(start as u32);
                let first_line = self.line_starts.len() - 1;
                let lines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
                self.line_starts.extend(lines.map(|(at, _)| (start + at) as u32 + 1));
                self.text.push_str(&text);
                self.files.push(Part { name, start, first_line, end: self.text.len() });
                self.files.len() - 1
            })
        });
        self.imports.insert(path, file);
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte in its file, both from 1; columns count characters. A byte beyond the end is the end.
    pub fn position(&self, byte: u32) -> (usize, usize) {
        let line = self.line_of(byte);
        let start = self.line_starts[line] as usize;
        let column = self.text[start..self.floor(byte)].chars().count();
        (line - self.part(byte).first_line + 1, column + 1)
    }

    fn line_of(&self, byte: u32) -> usize {
        self.line_starts.partition_point(|start| *start <= byte) - 1
    }

    /// The bytes of a line, counted from 0, without its line end.
    fn line(&self, line: usize) -> Range<usize> {
        let start = self.line_starts[line] as usize;
        let end = self.line_starts.get(line + 1).map_or(self.text.len(), |next| *next as usize - 1);
        start..start + self.text[start..end].trim_end_matches('\r').len()
    }

    /// The nearest character boundary at or before `byte`.
    fn floor(&self, byte: u32) -> usize {
        let mut at = (byte as usize).min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    /// A span cut to the line in which it begins.
    fn first_line(&self, span: Span) -> Range<usize> {
        let line = self.line(self.line_of(span.start));
        let start = self.floor(span.start).clamp(line.start, line.end);
        start..self.floor(span.end).clamp(start, line.end)
    }
}

/// The diagnostics as a person reads them, one block each with a blank line after it.
pub fn render(file: &SourceFile, diagnostics: &[Diagnostic], colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    diagnostics.iter().map(|diagnostic| render_one(file, diagnostic, &renderer) + "\n\n").collect()
}

fn render_one(file: &SourceFile, diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let level = match diagnostic.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code.id());
    let here = file.line_of(diagnostic.span.start);
    let (near, far): (Vec<_>, Vec<_>) = diagnostic.related.iter().partition(|(span, _)| {
        let same = file.name_at(span.start) == file.name_at(diagnostic.span.start);
        same && file.line_of(span.start).abs_diff(here) <= NEAR_LINES
    });
    let context = |(span, label): &&'_ (Span, String)| (AnnotationKind::Context, *span, label.clone());
    let mut places = vec![(AnnotationKind::Primary, diagnostic.span, diagnostic.label.clone())];
    places.extend(near.iter().map(context));
    let mut group = Group::with_title(title).element(snippet(file, places));
    for place in &far {
        group = group.element(snippet(file, vec![context(place)]));
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

/// One excerpt of the file, from the first of the places to the last.
fn snippet(file: &SourceFile, places: Vec<(AnnotationKind, Span, String)>) -> Snippet<'_, Annotation<'_>> {
    let lines = || places.iter().map(|(_, span, _)| file.line_of(span.start));
    let (first, last) = (lines().min().unwrap_or(0), lines().max().unwrap_or(0));
    let (start, end) = (file.line(first).start, file.line(last).end);
    let annotations = places.into_iter().map(|(kind, span, label)| {
        let range = file.first_line(span);
        kind.span(range.start - start..range.end - start).label(Some(label).filter(|label| !label.is_empty()))
    });
    let part = file.part(file.line_starts[first]);
    let source = Snippet::source(&file.text[start..end]).line_start(first - part.first_line + 1);
    source.path(part.name.as_str()).annotations(annotations)
}

/// Of `names` the one that `name` is probably meant to be: equal but for case, or a few slips away (one in a short
/// name, a third of the letters at most). Of equally near ones the first.
pub fn similar<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    let limit = (length / 3).max(1);
    names
        .into_iter()
        .filter(|candidate| *candidate != name && candidate.chars().count().abs_diff(length) <= limit)
        .map(|candidate| (slips(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(slips, candidate)| *slips <= limit && *slips < candidate.chars().count())
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, substitutions and swaps of neighbours that lead from `a` to `b` (optimal string alignment).
fn slips(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let substituted = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = substituted.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before_last[j - 2] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let file = SourceFile::new("p.vpl", "a\r\né=b\n");
        assert_eq!(file.position(0), (1, 1));
        assert_eq!(file.position(3), (2, 1));
        assert_eq!(file.position(5), (2, 2));
        assert_eq!(file.position(4), (2, 1), "the middle of a character is its beginning");
        assert_eq!(file.position(99), (3, 1));
    }

    #[test]
    fn slips_are_counted_as_a_person_would() {
        assert_eq!(slips("price", "price"), 0);
        assert_eq!(slips("pirce", "price"), 1);
        assert_eq!(slips("prices", "price"), 1);
        assert_eq!(slips("", "abc"), 3);
    }

    #[test]
    fn similar_finds_misspelt_names_and_nothing_else() {
        let names = ["price", "volume", "symbol", "ts"];
        assert_eq!(similar("pirce", names), Some("price"));
        assert_eq!(similar("Volume", names), Some("volume"));
        assert_eq!(similar("symbols", names), Some("symbol"));
        assert_eq!(similar("bid", names), None);
        assert_eq!(similar("x", names), None);
        assert_eq!(similar("price", names), None, "the name itself is no suggestion");
    }

    #[test]
    fn ids_are_distinct_and_in_order() {
        let ids: Vec<&str> = Code::ALL.iter().map(|code| code.id()).collect();
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(ids, sorted);
    }

    #[test]
    fn rendering_survives_any_span() {
        let file = SourceFile::new("p.vpl", "stream é = A\r\n\n\ttab");
        let end = file.text().len() as u32 + 2;
        for start in 0..end {
            for stop in start..end {
                let diagnostic = Diagnostic::new(Code::Expected, Span { start, end: stop }, "m").label("l");
                assert!(render(&file, &[diagnostic], false).starts_with("error[E010]: m\n"));
            }
        }
    }
}
