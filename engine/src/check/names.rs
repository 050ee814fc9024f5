//! Who declares what.

use std::collections::{HashMap, HashSet};

use super::Checker;
use crate::diagnostic::{Code, Diagnostic, similar};
use crate::syntax::ast::{self, BodyKind, Name, SourceKind, Span, Statement, StatementKind};

/// Which function, in order of declaration.
pub(super) type FunctionIndex = usize;

/// The declared names, by kind.
#[derive(Default)]
pub(super) struct Names<'a> {
    pub(super) connectors: Table<'a, ()>,
    pub(super) contexts: Table<'a, &'a ast::Context>,
    pub(super) events: Table<'a, &'a ast::Event>,
    pub(super) types: Table<'a, &'a ast::TypeDecl>,
    /// With its index in declaration order.
    pub(super) functions: Table<'a, (FunctionIndex, &'a ast::Function)>,
    pub(super) patterns: Table<'a, &'a ast::Pattern>,
    /// The value is the stream's index in declaration order.
    pub(super) streams: Table<'a, usize>,
    /// Table by statements that have a syntax error; they may be of any kind.
    pub(super) broken: HashSet<&'a str>,
    /// The event types that some `.from` binds to a topic, or some function emits.
    bound: HashSet<&'a str>,
    /// What is misspelt may be meant to be one of these, in the order of their declaration.
    sources: Vec<&'a str>,
    /// What has been found for names that are not declared: many streams may read the same one.
    found: HashMap<&'a str, Option<&'a str>>,
}

/// The names of one kind. Of two equal ones the first counts.
pub(super) struct Table<'a, T> {
    by_name: HashMap<&'a str, (Span, T)>,
    in_order: Vec<&'a str>,
}

impl<T> Default for Table<'_, T> {
    fn default() -> Self {
        Table { by_name: HashMap::new(), in_order: Vec::new() }
    }
}

impl<'a, T: Copy> Table<'a, T> {
    pub(super) fn get(&self, name: &str) -> Option<T> {
        self.by_name.get(name).map(|(_, value)| *value)
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = T> {
        self.by_name.values().map(|(_, value)| *value)
    }

    /// The declared name that `name` is probably meant to be.
    pub(super) fn similar(&self, name: &str) -> Option<&'a str> {
        similar(name, self.in_order.iter().copied())
    }

    /// Where the name is declared already, if it is.
    fn insert(&mut self, name: &'a Name, value: T) -> Option<Span> {
        if let Some((span, _)) = self.by_name.get(name.text.as_str()) {
            return Some(*span);
        }
        self.by_name.insert(&name.text, (name.span, value));
        self.in_order.push(&name.text);
        None
    }
}

impl<'a> Names<'a> {
    /// Something with that name can be read by a stream.
    pub(super) fn is_source(&self, name: &str) -> bool {
        self.events.contains(name)
            || self.streams.contains(name)
            || self.patterns.contains(name)
            || self.bound.contains(name)
            || self.broken.contains(name)
    }

    /// How records name the event type that the program calls `name`.
    pub(super) fn type_in_data(&self, name: &str) -> String {
        self.events.get(name).and_then(|event| event.in_data.clone()).unwrap_or_else(|| name.to_owned())
    }

    /// The event type, stream or pattern that `name` is probably meant to be.
    pub(super) fn similar_source(&mut self, name: &'a str) -> Option<&'a str> {
        *self.found.entry(name).or_insert_with(|| similar(name, self.sources.iter().copied()))
    }
}

impl<'a> Checker<'a> {
    pub(super) fn collect_names(&mut self, statements: &[&'a Statement], broken: &'a [Name]) {
        self.names.broken = broken.iter().map(|name| name.text.as_str()).collect();
        let (mut streams, mut functions) = (0, 0);
        for statement in statements {
            let names = &mut self.names;
            let (kind, name, earlier) = match &statement.kind {
                StatementKind::Connector(c) => ("connector", &c.name, names.connectors.insert(&c.name, ())),
                StatementKind::Context(c) => ("context", &c.name, names.contexts.insert(&c.name, c)),
                StatementKind::Event(e) => ("event", &e.name, names.events.insert(&e.name, e)),
                StatementKind::Type(t) => ("type", &t.name, names.types.insert(&t.name, t)),
                StatementKind::Function(f) => {
                    functions += 1;
                    emitted_in(&f.body, &mut |event| _ = names.bound.insert(event));
                    ("function", &f.name, names.functions.insert(&f.name, (functions - 1, f)))
                }
                StatementKind::Pattern(p) => ("pattern", &p.name, names.patterns.insert(&p.name, p)),
                StatementKind::Stream(s) => {
                    streams += 1;
                    if let SourceKind::From { event, .. } = &s.source.kind {
                        names.bound.insert(&event.text);
                    }
                    ("stream", &s.name, names.streams.insert(&s.name, streams - 1))
                }
                // A variable's name is looked at where its value is; a configuration's and an import's mean nothing yet.
                StatementKind::Variable(_)
                | StatementKind::Assign(_)
                | StatementKind::Repeat(_)
                | StatementKind::Config(_)
                | StatementKind::Import(_) => continue,
            };
            if matches!(kind, "event" | "stream" | "pattern") {
                self.names.sources.push(&name.text);
            }
            if let Some(earlier) = earlier {
                self.declared_twice(kind, name, earlier);
            }
        }
    }

    pub(super) fn declared_twice(&mut self, kind: &str, name: &Name, earlier: Span) {
        let message = format!("the {kind} `{}` is declared twice", name.text);
        let mut diagnostic = Diagnostic::new(Code::DuplicateName, name.span, message)
            .label("declared again")
            .help("give one of them another name");
        // In a loop without its variable in the name, both are the same place.
        if earlier == name.span {
            diagnostic = diagnostic.help("let the name depend on the loop's variable: `S{i}`");
        } else {
            diagnostic = diagnostic.related(earlier, "declared first");
        }
        self.report(diagnostic);
    }
}

/// Calls `visit` for the type of each `emit` in a function's body.
fn emitted_in<'a>(body: &'a [ast::BodyStatement], visit: &mut dyn FnMut(&'a str)) {
    for statement in body {
        match &statement.kind {
            BodyKind::If { branches, otherwise } => {
                branches.iter().for_each(|(_, block)| emitted_in(block, visit));
                otherwise.iter().for_each(|block| emitted_in(block, visit));
            }
            BodyKind::For { body, .. } | BodyKind::While { body, .. } => emitted_in(body, visit),
            BodyKind::Emit { event, .. } => visit(&event.text),
            _ => {}
        }
    }
}
