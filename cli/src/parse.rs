//! `kolo parse`: the tree that the parser makes of a program.
//!
//! The tree is what [`ast`](kolo_engine::syntax::ast) says, under the same names: its JSON is the derived one. The text
//! shows the same with a node a line, what a node consists of below it, and places as line and column; what is absent is
//! left out, and a thing that is only a name stands behind its role.

use kolo_engine::diagnostic::{Diagnostic, SourceFile};
use kolo_engine::syntax::parse;
use serde_json::{Map, Value};

use crate::args::{Form, ParseArgs, ProgramText};
use crate::check::{print_line, reject, source_of};
use crate::outcome::{Failure, Outcome};

/// Shows the tree.
///
/// # Errors
/// A file that cannot be read, or a program with a syntax error.
pub(crate) fn run(args: &ParseArgs) -> Result<Outcome, Failure> {
    let source = source_of(ProgramText::File(&args.file))?;
    let (tree, diagnostics) = parse(&source);
    let tree = serde_json::to_value(&tree.statements).expect("names, texts and finite numbers can always be written");
    print_line(&match args.format {
        Form::Json => tree.to_string(),
        Form::Text => Text::of(&source, &tree),
    })?;
    match diagnostics.iter().any(Diagnostic::is_error) {
        true => Err(reject(&source, &diagnostics)),
        false => Ok(Outcome::Done),
    }
}

/// The tree as indented lines.
struct Text<'s> {
    source: &'s SourceFile,
    lines: Vec<String>,
}

impl Text<'_> {
    fn of(source: &SourceFile, tree: &Value) -> String {
        let mut text = Text { source, lines: Vec::new() };
        for statement in tree.as_array().into_iter().flatten() {
            text.node("", statement, 0);
        }
        text.lines.join("\n")
    }

    /// `role` is what the value is to the node above it.
    fn node(&mut self, role: &str, value: &Value, depth: usize) {
        let role = if role.is_empty() { String::new() } else { format!("{role}: ") };
        match value {
            Value::Null | Value::Bool(false) => {}
            Value::Object(members) => match name_in(members) {
                Some(name) => self.line(depth, format!("{role}{name}")),
                None => self.object(&role, members, depth),
            },
            Value::Array(items) if items.is_empty() => {}
            Value::Array(items) => {
                self.line(depth, role.trim_end_matches(' ').to_owned());
                items.iter().for_each(|item| self.node("", item, depth + 1));
            }
            // A variant without content.
            Value::String(word) => self.line(depth, format!("{role}{word}")),
            other => self.line(depth, format!("{role}{other}")),
        }
    }

    fn object(&mut self, role: &str, members: &Map<String, Value>, depth: usize) {
        let place = members.get("span").map(|span| self.place(span)).unwrap_or_default();
        let name = members.get("name").filter(|_| members.contains_key("kind") && members.contains_key("span"));
        let name = name.and_then(|name| Some(format!(" {}", name_in(name.as_object()?)?)));
        let place = name.clone().unwrap_or_default() + &place;
        // A node with a kind is of that kind; what belongs to the kind belongs to the node.
        match members.get("kind") {
            Some(Value::Object(kind)) if kind.len() == 1 => {
                let (kind, content) = kind.iter().next().expect("it has one");
                self.variant(&format!("{role}{kind}"), content, &place, depth);
            }
            Some(Value::String(kind)) if members.contains_key("span") => {
                self.line(depth, format!("{role}{kind}{place}"))
            }
            _ if members.len() == 1 && members.keys().all(|key| key.starts_with(char::is_uppercase)) => {
                let (kind, content) = members.iter().next().expect("it has one");
                return self.variant(&format!("{role}{kind}"), content, &place, depth);
            }
            _ if role.is_empty() => self.line(depth, format!("-{place}")),
            _ => self.line(depth, format!("{}{place}", role.trim_end_matches(' '))),
        }
        let shown = |key: &str| match key {
            "span" => true,
            "kind" => members.contains_key("span"),
            "name" => name.is_some(),
            _ => false,
        };
        for (key, value) in members.iter().filter(|(key, _)| !shown(key)) {
            self.node(key, value, depth + 1);
        }
    }

    fn variant(&mut self, heading: &str, content: &Value, place: &str, depth: usize) {
        match content {
            Value::Object(members) if name_in(members).is_none() => {
                let own = members.get("span").map(|span| self.place(span)).unwrap_or_default();
                self.line(depth, format!("{heading}{own}{place}"));
                for (key, value) in members.iter().filter(|(key, _)| *key != "span") {
                    self.node(key, value, depth + 1);
                }
            }
            Value::Array(items) => {
                self.line(depth, format!("{heading}{place}"));
                items.iter().for_each(|item| self.node("", item, depth + 1));
            }
            Value::Object(members) => {
                self.line(depth, format!("{heading} {}{place}", name_in(members).unwrap_or_default()));
            }
            Value::String(name) if heading.ends_with("Name") || heading.ends_with("Named") => {
                self.line(depth, format!("{heading} {name}{place}"));
            }
            other => self.line(depth, format!("{heading} {other}{place}")),
        }
    }

    /// `  3:5-3:12`
    fn place(&self, span: &Value) -> String {
        let position = |key: &str| {
            let byte = span.get(key).and_then(Value::as_u64).unwrap_or_default();
            let (line, column) = self.source.position(byte as u32);
            format!("{line}:{column}")
        };
        format!("  {}-{}", position("start"), position("end"))
    }

    fn line(&mut self, depth: usize, text: String) {
        if !text.is_empty() {
            self.lines.push(format!("{:depth$}{text}", "", depth = 2 * depth));
        }
    }
}

/// A name and its place, and nothing else: only the name matters.
fn name_in(members: &Map<String, Value>) -> Option<&str> {
    let only = members.len() == 2 && members.contains_key("span");
    members.get("text").filter(|_| only).and_then(Value::as_str)
}
