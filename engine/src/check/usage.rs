//! What is declared and not used, or used in a way that is rarely meant: variables and topics.

use std::collections::HashMap;

use super::program::{ConnectorKind, Program, Topic};
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::ast::{Name, Span};

/// Warns of variables that nothing uses, and of topics that are used twice.
pub(super) fn check(program: &Program, text: &str) -> Vec<Diagnostic> {
    let mut found = unused_variables(program, text);
    topics(program, &mut found);
    found
}

/// A variable is used if its name stands anywhere but where it is given a value: parameters of connectors, texts of loops
/// and comments count, so that nobody is warned of a variable that is used.
fn unused_variables(program: &Program, text: &str) -> Vec<Diagnostic> {
    let mut values: HashMap<&str, (&Name, usize)> = HashMap::new();
    let mut places: Vec<Span> = Vec::new();
    for variable in &program.variables {
        // The repetitions of a loop stand in one place.
        let again = places.contains(&variable.name.span);
        places.push(variable.name.span);
        values.entry(&variable.name.text).or_insert((&variable.name, 0)).1 += usize::from(!again);
    }
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    let mut unused = values.clone();
    for word in words {
        if let Some((_, left)) = values.get_mut(word) {
            if *left == 0 {
                unused.remove(word);
            }
            *left = left.saturating_sub(1);
        }
    }
    let mut unused: Vec<&Name> = unused.into_values().map(|(name, _)| name).collect();
    unused.sort_unstable_by_key(|name| name.span);
    // In a loop the name is put together from pieces.
    let whole = |name: &&&Name| text.get(name.span.range()) == Some(name.text.as_str());
    let warn = |name: &Name| {
        Diagnostic::new(Code::UnusedVariable, name.span, format!("nothing uses the variable `{}`", name.text))
            .help("leave it out")
    };
    unused.iter().filter(whole).map(|name| warn(name)).collect()
}

fn topics(program: &Program, found: &mut Vec<Diagnostic>) {
    let kafka = |connector: usize| matches!(program.connectors[connector].kind, ConnectorKind::Kafka(_));
    let mut read: HashMap<(usize, &str), &super::program::Source> = HashMap::new();
    for source in program.sources.iter().filter(|source| kafka(source.connector)) {
        let topic = source.topic.value.as_str();
        let first = *read.entry((source.connector, topic)).or_insert(source);
        if first.event.text != source.event.text {
            let message = format!("topic {topic} is read as {} and as {}", first.event.text, source.event.text);
            let diagnostic = Diagnostic::new(Code::TopicTwice, source.event.span, message)
                .related(first.event.span, "read as this first")
                .note("only a record whose `event_type` names its type is then read at all")
                .help("if every record names its type, all is well; if none does, give each type a topic of its own");
            found.push(diagnostic);
        }
    }
    for target in &program.targets {
        let Topic::Fixed(topic) = &target.topic else { continue };
        if let Some(source) = read.get(&(target.connector, topic.value.as_str())) {
            let message = format!("topic {} is written to and read from", topic.value);
            let diagnostic = Diagnostic::new(Code::TopicTwice, topic.span, message)
                .related(source.event.span, "read here")
                .help("if the outputs are not meant to come in again, publish them to another topic");
            found.push(diagnostic);
        }
    }
}
