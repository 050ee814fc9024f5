//! Variables and connectors: what is known before any event arrives.
//!
//! A connector's parameters are texts in the end. A bare word in one is the variable of that name, if one is visible,
//! and itself otherwise: `auto_offset_reset: earliest`.

use std::collections::HashMap;

use super::expression::{Fields, Scope};
use super::function::DeclaredFunction;
use super::program::{At, Connector, ConnectorKind, Expr, ExprKind, Kafka, OffsetReset, Property, Variable as Value};
use super::{Checker, Declared};
use crate::diagnostic::{Code, Diagnostic, similar};
use crate::syntax::ast::{self, BinaryOp, Name, Param, Span, Statement, StatementKind, VariableKind};

/// The variables that are visible at a place of the file: those above it, the last assignment to each.
#[derive(Default)]
pub(super) struct Visible<'a> {
    /// The values that each variable had from top to bottom, as indices into the program's variables.
    values: HashMap<&'a str, Vec<usize>>,
    declared: HashMap<&'a str, (VariableKind, Span)>,
    /// The text of each of the program's variables, if it is a constant that has one.
    texts: Vec<Option<String>>,
}

impl<'a> Visible<'a> {
    /// The value of a variable where `count` of the program's variables are visible.
    pub(super) fn get(&self, name: &str, count: usize) -> Option<usize> {
        let values = self.values.get(name)?;
        values[..values.partition_point(|value| *value < count)].last().copied()
    }

    /// The variable that `name` is probably meant to be.
    pub(super) fn similar(&self, name: &str) -> Option<&'a str> {
        let mut names: Vec<&str> = self.declared.keys().copied().collect();
        names.sort_unstable();
        similar(name, names)
    }
}

/// The parameters of a Kafka connector that are kolo's own. All others are librdkafka's.
const KAFKA_PARAMS: &[&str] =
    &["brokers", "bootstrap_servers", "topic", "group_id", "auto_offset_reset", "exactly_once"];

/// Properties of librdkafka that decide which offsets are committed, and when an input ends.
const OWN_PROPERTIES: &[&str] = &["enable.auto.offset.store", "enable.partition.eof"];

impl<'a> Checker<'a> {
    /// Resolves variables and connectors from top to bottom. Returns the streams and the functions in order of
    /// declaration.
    pub(super) fn resolve_constants(
        &mut self,
        statements: &[&'a Statement],
    ) -> (Vec<Declared<'a>>, Vec<DeclaredFunction<'a>>) {
        let (mut streams, mut functions) = (Vec::new(), Vec::new());
        for statement in statements {
            match &statement.kind {
                StatementKind::Variable(variable) => self.variable(variable),
                StatementKind::Assign(assign) => self.assign(assign),
                StatementKind::Connector(connector) => self.connector(connector),
                StatementKind::Function(function) => {
                    functions.push(DeclaredFunction { function, variables: self.program.variables.len() });
                }
                StatementKind::Stream(stream) => {
                    streams.push(Declared { stream, span: statement.span, variables: self.program.variables.len() });
                }
                _ => {}
            }
        }
        (streams, functions)
    }

    fn variable(&mut self, variable: &'a ast::Variable) {
        if let Some(ty) = &variable.ty {
            self.check_type(ty);
        }
        if let Some((_, earlier)) = self.visible.declared.get(variable.name.text.as_str()) {
            let earlier = *earlier;
            self.declared_twice("variable", &variable.name, earlier);
        } else {
            self.visible.declared.insert(&variable.name.text, (variable.kind, variable.name.span));
        }
        self.value(&variable.name, &variable.value);
    }

    fn assign(&mut self, assign: &'a ast::Assign) {
        let name = &assign.name;
        match self.visible.declared.get(name.text.as_str()) {
            Some((VariableKind::Var, _)) => {}
            Some((kind, declared)) => {
                let word = if *kind == VariableKind::Let { "let" } else { "const" };
                let message = format!("`{}` cannot be assigned again", name.text);
                let diagnostic = Diagnostic::new(Code::NotAssignable, name.span, message)
                    .related(*declared, format!("declared with `{word}`"))
                    .help("declare it with `var`");
                self.report(diagnostic);
            }
            None if self.names.broken.contains(name.text.as_str()) => {}
            None => {
                let message = format!("there is no variable `{}` to assign to", name.text);
                let diagnostic = Diagnostic::new(Code::UnknownVariable, name.span, message)
                    .suggest(self.visible.similar(&name.text))
                    .help(format!("declare it first: `var {} = …`", name.text));
                self.report(diagnostic);
            }
        }
        self.value(name, &assign.value);
    }

    fn value(&mut self, name: &'a Name, value: &ast::Expr) {
        let mut scope = Scope::new(Fields::None, self.program.variables.len());
        let value = self.resolve(value, &mut scope);
        self.visible.texts.push(self.constant_text(&value).ok());
        self.visible.values.entry(&name.text).or_default().push(self.program.variables.len());
        self.program.variables.push(Value { name: name.clone(), value });
    }

    fn connector(&mut self, connector: &'a ast::Connector) {
        let kind = match connector.kind.text.as_str() {
            "kafka" => ConnectorKind::Kafka(self.kafka(&connector.params)),
            "file" => {
                self.known_params(&connector.params, &["path"], "a file connector");
                let path = connector.params.iter().find(|param| param.key.text == "path");
                let Some(path) = path else {
                    let message = format!("the connector `{}` has no path", connector.name.text);
                    let diagnostic = Diagnostic::new(Code::WrongArguments, connector.kind.span, message)
                        .help("name the file: `file(path: \"out.jsonl\")`");
                    return self.report(diagnostic);
                };
                let Some(path) = self.text(&path.value, self.program.variables.len()) else { return };
                ConnectorKind::File { path }
            }
            "console" => {
                self.known_params(&connector.params, &[], "a console connector");
                ConnectorKind::Console
            }
            kind => {
                let diagnostic = Diagnostic::new(
                    Code::UnknownKind,
                    connector.kind.span,
                    format!("kolo has no connector of kind `{kind}`"),
                )
                .suggest(similar(kind, ["kafka", "file", "console"]))
                .help("the kinds are kafka, file and console; bring other sources into Kafka first");
                return self.report(diagnostic);
            }
        };
        self.program.connectors.push(Connector { name: connector.name.clone(), kind });
    }

    fn known_params(&mut self, params: &[Param], known: &[&str], of: &str) {
        for param in params.iter().filter(|param| !known.contains(&param.key.text.as_str())) {
            let message = format!("{of} has no parameter `{}`", param.key.text);
            let mut diagnostic = Diagnostic::new(Code::UnknownArgument, param.key.span, message)
                .suggest(similar(&param.key.text, known.iter().copied()));
            if !known.is_empty() {
                diagnostic = diagnostic.help(format!("it takes {}", known.join(", ")));
            }
            self.report(diagnostic);
        }
        self.given_twice(params.iter().map(|param| (param.key.text.clone(), param.key.span)));
    }

    /// Reports keys that stand twice.
    pub(super) fn given_twice(&mut self, keys: impl IntoIterator<Item = (String, Span)>) {
        self.twice(keys, "leave one of them out");
    }

    /// The same, with what is to be done about it.
    pub(super) fn twice(&mut self, keys: impl IntoIterator<Item = (String, Span)>, help: &str) {
        let mut seen: HashMap<String, Span> = HashMap::new();
        for (key, span) in keys {
            if let Some(first) = seen.get(&key) {
                let diagnostic = Diagnostic::new(Code::DuplicateName, span, format!("`{key}` is given twice"))
                    .related(*first, "given first")
                    .help(help);
                self.report(diagnostic);
            } else {
                seen.insert(key, span);
            }
        }
    }

    fn kafka(&mut self, params: &[Param]) -> Kafka {
        let variables = self.program.variables.len();
        let mut kafka = Kafka::default();
        self.given_twice(params.iter().map(|param| match kafka_key(&param.key.text).as_str() {
            "bootstrap_servers" => ("brokers".to_owned(), param.key.span),
            key => (key.to_owned(), param.key.span),
        }));
        for param in params {
            let Some(value) = self.text(&param.value, variables) else { continue };
            match kafka_key(&param.key.text).as_str() {
                "brokers" | "bootstrap_servers" => kafka.brokers = Some(value),
                "topic" => kafka.topic = self.not_empty(value, "a topic"),
                "group_id" => kafka.group_id = self.not_empty(value, "a consumer group"),
                "auto_offset_reset" => kafka.auto_offset_reset = self.offset_reset(value),
                "exactly_once" => kafka.exactly_once = self.exactly_once(value),
                _ => kafka.properties.extend(self.property(&param.key, value)),
            }
        }
        kafka
    }

    /// A property of librdkafka, unless it is one that kolo's own bookkeeping depends on.
    pub(super) fn property(&mut self, key: &Name, value: At<String>) -> Option<Property> {
        let property =
            Property { key: kafka_key(&key.text), value: value.value, key_span: key.span, value_span: value.span };
        if !OWN_PROPERTIES.contains(&property.key.as_str()) {
            return Some(property);
        }
        let message = format!("kolo sets {} itself", property.key);
        self.report(Diagnostic::new(Code::UnknownArgument, key.span, message).help("leave it out"));
        None
    }

    pub(super) fn not_empty(&mut self, value: At<String>, what: &str) -> Option<At<String>> {
        if value.value.is_empty() {
            self.report(Diagnostic::new(Code::BadValue, value.span, format!("{what} needs a name")));
            return None;
        }
        Some(value)
    }

    pub(super) fn offset_reset(&mut self, value: At<String>) -> Option<At<OffsetReset>> {
        let reset = match value.value.as_str() {
            "earliest" => OffsetReset::Earliest,
            "latest" => OffsetReset::Latest,
            other => {
                let message = format!("`auto_offset_reset` cannot be `{other}`");
                let diagnostic = Diagnostic::new(Code::BadValue, value.span, message)
                    .suggest(similar(other, ["earliest", "latest"]))
                    .help("it is `earliest` or `latest`");
                self.report(diagnostic);
                return None;
            }
        };
        Some(At { value: reset, span: value.span })
    }

    fn exactly_once(&mut self, value: At<String>) -> Option<At<bool>> {
        match value.value.as_str() {
            "false" => Some(At { value: false, span: value.span }),
            "true" => {
                let diagnostic = Diagnostic::new(Code::NotYet, value.span, "`exactly_once` is not supported yet")
                    .help("leave it out: outputs are delivered at least once");
                self.report(diagnostic);
                None
            }
            other => {
                let message = format!("`exactly_once` cannot be `{other}`");
                self.report(Diagnostic::new(Code::BadValue, value.span, message).help("it is `true` or `false`"));
                None
            }
        }
    }

    /// The value of a parameter as text, `${NAME}` replaced.
    pub(super) fn text(&mut self, value: &ast::Expr, variables: usize) -> Option<At<String>> {
        let mut scope = Scope::new(Fields::BareWords, variables);
        let before = self.diagnostics.len();
        let resolved = self.resolve(value, &mut scope);
        if self.diagnostics[before..].iter().any(Diagnostic::is_error) {
            return None;
        }
        match self.constant_text(&resolved) {
            Ok(text) => self.with_environment(text, value.span),
            Err(span) => {
                let help = "a parameter is a text, a number, true or false, a concatenation or an array of these";
                let diagnostic = Diagnostic::new(Code::BadValue, span, "this is no value for a parameter").help(help);
                self.report(diagnostic);
                None
            }
        }
    }

    /// What a constant expression is as text; the place of what is not constant, or is no text.
    pub(super) fn constant_text(&self, expr: &Expr) -> Result<String, Span> {
        let text = match &expr.kind {
            ExprKind::String(text) => Ok(text.clone()),
            ExprKind::Int(value) => Ok(value.to_string()),
            ExprKind::Float(value) => Ok(value.to_string()),
            ExprKind::Bool(value) => Ok(value.to_string()),
            ExprKind::Variable(index) => self.visible.texts[*index].clone().ok_or(expr.span),
            ExprKind::Array(items) => {
                let items: Result<Vec<String>, Span> = items.iter().map(|item| self.constant_text(item)).collect();
                Ok(items?.join(","))
            }
            ExprKind::Binary { op: BinaryOp::Add, left, right } => {
                Ok(self.constant_text(left)? + &self.constant_text(right)?)
            }
            _ => Err(expr.span),
        };
        text.and_then(|text| if text.len() > MAX_TEXT_BYTES { Err(expr.span) } else { Ok(text) })
    }

    /// Replaces every `${NAME}` by the environment's value. A value is not searched again.
    pub(super) fn with_environment(&mut self, text: String, span: Span) -> Option<At<String>> {
        let mut value = String::with_capacity(text.len());
        let mut rest = text.as_str();
        let mut complete = true;
        while let Some(start) = rest.find("${") {
            value.push_str(&rest[..start]);
            let Some(length) = rest[start..].find('}') else {
                let place = self.place_of(&rest[start..], span);
                self.report(
                    Diagnostic::new(Code::UndefinedEnvironment, place, "this `${` is not closed")
                        .help("write `${NAME}`, with the name of an environment variable"),
                );
                return None;
            };
            let name = &rest[start + 2..start + length];
            match (self.env)(name) {
                Some(found) => value.push_str(&found),
                None => {
                    let place = self.place_of(&rest[start..=start + length], span);
                    let message = format!("the environment variable `{name}` is not set");
                    let diagnostic = Diagnostic::new(Code::UndefinedEnvironment, place, message)
                        .help(format!("set it before kolo starts: `{name}=… kolo …`"));
                    self.report(diagnostic);
                    complete = false;
                }
            }
            rest = &rest[start + length + 1..];
        }
        value.push_str(rest);
        complete.then_some(At { value, span })
    }

    /// Where `text` is written within `span`; all of `span` if it came there by way of a variable.
    fn place_of(&self, text: &str, span: Span) -> Span {
        let written = self.source.text().get(span.range()).unwrap_or_default();
        match written.find(text) {
            Some(at) => Span::new(span.start as usize + at, span.start as usize + at + text.len()),
            None => span,
        }
    }
}

/// A longer text than any parameter: doubling a variable again and again must not exhaust the memory.
const MAX_TEXT_BYTES: usize = 64 << 10;

/// A key as VPL spells it. librdkafka's spelling, in quotes, means the same.
pub(super) fn kafka_key(key: &str) -> String {
    let own = key.replace('.', "_");
    if KAFKA_PARAMS.contains(&own.as_str()) { own } else { key.replace('_', ".") }
}
