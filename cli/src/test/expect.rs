//! What a case expects, beside what came.

use std::borrow::Cow;
use std::ops::Range;

use super::case::Actual;
use super::diff::{self, Step};
use super::event::{self, Expected};
use super::file::{Case, Kind, Problem, Section, TestFile};

/// An expectation that was not met.
#[derive(Debug)]
pub(super) struct Mismatch {
    /// What was expected; `None` if nothing of the kind was.
    pub(super) kind: Option<Kind>,
    /// The line of the expectation or of the case, from 0.
    pub(super) line: usize,
    /// What is not as expected.
    pub(super) title: String,
    /// The two beside each other, a line each: expected ones begin with `-`, actual ones with `+`.
    pub(super) diff: Vec<String>,
    /// What to write instead, if the program is right. There is none where a person should look.
    pub(super) correction: Option<Correction>,
}

/// The section that would be met.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Correction {
    /// The lines that it takes the place of, from 0.
    pub(super) lines: Range<usize>,
    /// The new lines, the heading first.
    pub(super) text: Vec<String>,
}

/// Compares. No mismatch means that the case has passed.
///
/// # Errors
/// Expectations that cannot be read.
pub(super) fn compare(file: &TestFile, case: &Case, actual: &Actual) -> Result<Vec<Mismatch>, Vec<Problem>> {
    let (mut mismatches, mut problems) = (Vec::new(), Vec::new());
    for section in &case.expectations {
        let compared = match section.kind {
            Kind::Output => output(file, section, &actual.outputs),
            Kind::Count => count(file, section, &actual.outputs),
            Kind::Counters => counters(file, section, actual),
            Kind::Error => Ok(codes(file, section, &actual.errors, &actual.outputs)),
            Kind::Warning => Ok(codes(file, section, &actual.warnings, &actual.outputs)),
            Kind::Program | Kind::Input => unreachable!("these expect nothing"),
        };
        match compared {
            Ok(mismatch) => mismatches.extend(mismatch),
            Err(problem) => problems.push(problem),
        }
    }
    let expects_error = case.expectations.iter().any(|section| section.kind == Kind::Error);
    if !actual.errors.is_empty() && !expects_error {
        // The outputs that are missing are a consequence.
        mismatches.retain(|mismatch| mismatch.kind == Some(Kind::Warning));
        mismatches.push(unexpected_errors(file, case, actual));
    } else if case.expectations.is_empty() {
        let end = last_line(file, case.line..case.end);
        mismatches.push(Mismatch {
            kind: None,
            line: case.line,
            title: "nothing is expected: write `--- output` or another expectation, or use --update".to_owned(),
            diff: actual.outputs.iter().map(|output| format!("+ {}", event::short(output, true))).collect(),
            correction: Some(Correction { lines: end..end, text: output_section(&actual.outputs) }),
        });
    }
    if problems.is_empty() { Ok(mismatches) } else { Err(problems) }
}

fn unexpected_errors(file: &TestFile, case: &Case, actual: &Actual) -> Mismatch {
    let end = last_line(file, case.line..case.end);
    let lines = match &case.expectations[..] {
        [] => Some(end..end),
        [section] if section.kind == Kind::Output => Some(extent(file, section)),
        // Whoever expects more than outputs does not expect errors.
        _ => None,
    };
    let text = vec![format!("--- error: {}", actual.errors.join(", "))];
    Mismatch {
        kind: None,
        line: case.line,
        title: "the program has errors".to_owned(),
        diff: actual.diagnostics.trim_end().lines().map(str::to_owned).collect(),
        correction: lines.map(|lines| Correction { lines, text }),
    }
}

/// A section that expects these outputs.
fn output_section(outputs: &[String]) -> Vec<String> {
    let heading = if outputs.is_empty() { "--- output: none" } else { "--- output" };
    [heading.to_owned()].into_iter().chain(outputs.iter().map(|output| event::short(output, true))).collect()
}

/// The line after the last of `lines` that is not blank.
fn last_line(file: &TestFile, lines: Range<usize>) -> usize {
    let text = file.text.lines().enumerate().take(lines.end).skip(lines.start);
    text.filter(|(_, line)| !line.trim().is_empty()).last().map_or(lines.start, |(number, _)| number + 1)
}

/// The lines of a section, without the blank ones at its end.
fn extent(file: &TestFile, section: &Section) -> Range<usize> {
    section.line..last_line(file, section.line..section.body.end)
}

/// The lines of an expectation that mean something, with their numbers from 0.
fn entries<'t>(file: &'t TestFile, section: &Section) -> Vec<(usize, &'t str)> {
    let lines = file.body(section).enumerate().map(|(index, line)| (section.body.start + index, line.trim()));
    lines.filter(|(_, line)| !(line.is_empty() || line.starts_with('#') || line.starts_with("//"))).collect()
}

fn output(file: &TestFile, section: &Section, actual: &[String]) -> Result<Option<Mismatch>, Problem> {
    let mut expected = Vec::new();
    let entries = entries(file, section);
    for (line, text) in &entries {
        expected.push(Expected::parse(text).map_err(|message| Problem::new(*line, message))?);
    }
    let any_order = match section.argument.as_str() {
        "" => false,
        "any order" => true,
        "none" if expected.is_empty() => false,
        "none" => return Err(Problem::new(entries[0].0, "`--- output: none` has no outputs below it")),
        other => {
            let message = format!("`{other}` is no way to compare outputs: they are `any order` and `none`");
            return Err(Problem::new(section.line, message));
        }
    };
    let same = |i: usize, j: usize| expected[i].matches(&actual[j]);
    let steps = if any_order {
        in_any_order(expected.len(), actual.len(), same)
    } else {
        diff::compare(expected.len(), actual.len(), same)
    };
    if steps.iter().all(|step| matches!(step, Step::Same(..))) {
        return Ok(None);
    }
    // New lines look like those that are there.
    let whole = expected.iter().any(|expected| matches!(expected, Expected::Line(_)));
    let timed = expected.iter().any(Expected::timed) || expected.is_empty();
    let written = |j: usize| if whole { Cow::from(&actual[j]) } else { event::short(&actual[j], timed).into() };
    let shown = steps.iter().map(|step| match *step {
        Step::Same(i, _) => format!("  {}", entries[i].1),
        Step::Absent(i) => format!("- {}", entries[i].1),
        Step::Extra(j) => format!("+ {}", written(j)),
    });
    let kept = steps.iter().filter_map(|step| match *step {
        Step::Same(i, _) => Some(entries[i].1.to_owned()),
        Step::Absent(_) => None,
        Step::Extra(j) => Some(written(j).into_owned()),
    });
    let argument = match (any_order, actual.is_empty()) {
        (_, true) => ": none",
        (true, false) => ": any order",
        (false, false) => "",
    };
    let text = [format!("--- output{argument}")].into_iter().chain(kept).collect();
    Ok(Some(Mismatch {
        kind: Some(Kind::Output),
        line: section.line,
        title: "the outputs differ (- expected, + came)".to_owned(),
        diff: shown.collect(),
        correction: Some(Correction { lines: extent(file, section), text }),
    }))
}

/// Pairs each expected one with the first actual one that is left.
fn in_any_order(expected: usize, actual: usize, same: impl Fn(usize, usize) -> bool) -> Vec<Step> {
    let mut left: Vec<usize> = (0..actual).collect();
    let mut steps: Vec<Step> = (0..expected)
        .map(|i| match left.iter().position(|j| same(i, *j)) {
            Some(place) => Step::Same(i, left.remove(place)),
            None => Step::Absent(i),
        })
        .collect();
    steps.extend(left.into_iter().map(Step::Extra));
    steps
}

/// What a list says, separated by commas or lines.
fn list<'t>(file: &'t TestFile, section: &'t Section) -> Vec<(usize, &'t str)> {
    let argument = [(section.line, section.argument.as_str())];
    let lines = argument.into_iter().chain(entries(file, section));
    let items = lines.flat_map(|(line, text)| text.split(',').map(move |item| (line, item.trim())));
    items.filter(|(_, item)| !item.is_empty()).collect()
}

fn count(file: &TestFile, section: &Section, actual: &[String]) -> Result<Option<Mismatch>, Problem> {
    let mut pairs = Vec::new();
    for (line, item) in list(file, section) {
        pairs.push(match item.rsplit_once(char::is_whitespace) {
            None => (String::new(), number(line, item)?, actual.len() as u64),
            Some((name, expected)) => {
                let start = format!("{{\"event_type\":{}", serde_json::Value::from(name.trim()));
                let of_type = |output: &&String| {
                    output.strip_prefix(start.as_str()).is_some_and(|rest| rest.starts_with([',', '}']))
                };
                let came = actual.iter().filter(of_type).count() as u64;
                (format!("{} ", name.trim()), number(line, expected)?, came)
            }
        });
    }
    Ok(numbers(file, section, "the number of outputs", &pairs))
}

fn counters(file: &TestFile, section: &Section, actual: &Actual) -> Result<Option<Mismatch>, Problem> {
    let mut pairs = Vec::new();
    for (line, item) in list(file, section) {
        let Some((name, expected)) = item.rsplit_once(char::is_whitespace) else {
            return Err(Problem::new(line, "expected a counter and its value: `malformed 1`"));
        };
        let name = name.trim();
        let expected = number(line, expected)?;
        // A program with errors, which is reported on its own, counts nothing.
        match actual.counters.iter().find(|(known, _)| *known == name) {
            Some((_, came)) => pairs.push((format!("{name} "), expected, *came)),
            None if actual.counters.is_empty() => {}
            None => {
                let known: Vec<&str> = actual.counters.iter().map(|(name, _)| *name).collect();
                let message = format!("there is no counter `{name}`; they are {}", known.join(", "));
                return Err(Problem::new(line, message));
            }
        }
    }
    Ok(numbers(file, section, "a counter", &pairs))
}

fn number(line: usize, text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| Problem::new(line, format!("`{text}` is no number")))
}

/// `pairs` are what is counted, the number expected, and the number that came.
fn numbers(file: &TestFile, section: &Section, what: &str, pairs: &[(String, u64, u64)]) -> Option<Mismatch> {
    let shown = pairs.iter().flat_map(|(of, expected, came)| match expected == came {
        true => vec![format!("  {of}{came}")],
        false => vec![format!("- {of}{expected}"), format!("+ {of}{came}")],
    });
    let right: Vec<String> = pairs.iter().map(|(of, _, came)| format!("{of}{came}")).collect();
    pairs.iter().any(|(_, expected, came)| expected != came).then(|| Mismatch {
        kind: Some(section.kind),
        line: section.line,
        title: format!("{what} differs (- expected, + came)"),
        diff: shown.collect(),
        correction: Some(Correction {
            lines: extent(file, section),
            text: vec![format!("--- {}: {}", section.kind.name(), right.join(", "))],
        }),
    })
}

fn codes(file: &TestFile, section: &Section, codes: &[&str], outputs: &[String]) -> Option<Mismatch> {
    let listed = list(file, section);
    let expected: Vec<&str> = listed.iter().map(|(_, code)| *code).filter(|code| *code != "none").collect();
    let steps = diff::compare(expected.len(), codes.len(), |i, j| expected[i] == codes[j]);
    let shown = steps.iter().map(|step| match *step {
        Step::Same(i, _) => format!("  {}", expected[i]),
        Step::Absent(i) => format!("- {}", expected[i]),
        Step::Extra(j) => format!("+ {}", codes[j]),
    });
    let name = section.kind.name();
    (expected != codes).then(|| Mismatch {
        kind: Some(section.kind),
        line: section.line,
        title: format!("the {name}s of the program differ (- expected, + came)"),
        diff: shown.collect(),
        correction: Some(Correction {
            lines: extent(file, section),
            text: match (section.kind, codes) {
                (Kind::Error, []) => output_section(outputs),
                (_, []) => vec![format!("--- {name}: none")],
                _ => vec![format!("--- {name}: {}", codes.join(", "))],
            },
        }),
    })
}
