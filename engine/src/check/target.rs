//! Where streams are published: `.to` with its connector, its topic and its key.

use super::constants::kafka_key;
use super::expression::Scope;
use super::program::{At, ConnectorKind, Expr, ExprKind, Property, RecordTimestamp, Target, Topic};
use super::{Checker, Declared};
use crate::diagnostic::{Code, Diagnostic, similar};
use crate::syntax::ast::{self, Arg, BinaryOp, Name, Op, Span};

impl<'a> Checker<'a> {
    /// `.to(connector, topic: …, key: …, record_timestamp: …, headers: …)`
    pub(super) fn target(
        &mut self,
        op: &'a Op,
        args: &'a [Arg],
        declared: Declared<'a>,
        scope: &mut Scope<'a>,
    ) -> Option<Target> {
        let (connector, named) = match args {
            [Arg { name: None, value: ast::Expr { kind: ast::ExprKind::Name(text), span, .. } }, named @ ..] => {
                (Name { text: text.clone(), span: *span }, named)
            }
            _ => {
                let diagnostic = Diagnostic::new(Code::WrongArguments, op.span, "`.to` names no connector")
                    .help("its first argument is a connector: `.to(K, topic: \"…\")`");
                self.report(diagnostic);
                return None;
            }
        };
        let index = self.connector_index(&connector);
        let kind = index.map(|index| self.program.connectors[index].kind.clone());
        let labels = named.iter().filter_map(|arg| arg.name.as_ref());
        self.given_twice(labels.map(|name| (kafka_key(&name.text), name.span)));
        let mut topic = None;
        let mut topic_named = false;
        let mut key = None;
        let mut record_timestamp = RecordTimestamp::default();
        let mut pass_headers = false;
        let mut properties: Vec<Property> = Vec::new();
        for arg in named {
            let Some(label) = &arg.name else {
                let message = "after the connector, the arguments of `.to` have names";
                let diagnostic =
                    Diagnostic::new(Code::WrongArguments, arg.value.span, message).help("for example `topic: \"…\"`");
                self.report(diagnostic);
                continue;
            };
            match (label.text.as_str(), &kind) {
                ("topic", Some(ConnectorKind::Kafka(_)) | None) | ("path", Some(ConnectorKind::File { .. })) => {
                    topic_named = true;
                    topic = self.topic(&arg.value, scope);
                }
                ("key", Some(ConnectorKind::Kafka(_)) | None) => key = Some(self.resolve(&arg.value, scope)),
                ("record_timestamp", Some(ConnectorKind::Kafka(_))) => {
                    let choices = [("event", RecordTimestamp::Event), ("produced", RecordTimestamp::Produced)];
                    record_timestamp = self.choice(label, &arg.value, declared, choices).unwrap_or_default();
                }
                ("headers", Some(ConnectorKind::Kafka(_))) => {
                    let choices = [("pass", true), ("none", false)];
                    pass_headers = self.choice(label, &arg.value, declared, choices).unwrap_or_default();
                }
                (own, Some(ConnectorKind::Kafka(_))) => match kafka_key(own).as_str() {
                    "group_id" | "auto_offset_reset" | "brokers" | "bootstrap_servers" | "exactly_once" => {
                        self.unknown_argument(label, "`.to`", &["topic", "key", "record_timestamp", "headers"]);
                    }
                    _ => {
                        if let Some(value) = self.text(&arg.value, declared.variables) {
                            properties.extend(self.property(label, value));
                        }
                    }
                },
                (_, Some(ConnectorKind::File { .. })) => self.unknown_argument(label, "`.to` of a file", &["path"]),
                (_, Some(ConnectorKind::Console)) => self.unknown_argument(label, "`.to` of a console", &[]),
                (_, None) => {}
            }
        }
        let topic = match kind? {
            ConnectorKind::Kafka(kafka) => topic.or(kafka.topic.map(Topic::Fixed)).or_else(|| {
                if !topic_named {
                    let labels = named.iter().filter_map(|arg| arg.name.as_ref());
                    self.missing_topic(&connector, ".to", labels);
                }
                None
            })?,
            ConnectorKind::File { path } => topic.unwrap_or(Topic::Fixed(path)),
            ConnectorKind::Console => Topic::Fixed(At { value: String::new(), span: connector.span }),
        };
        Some(Target { connector: index?, topic, key, record_timestamp, pass_headers, properties, span: op.span })
    }

    /// The one of two choices that an argument names.
    fn choice<T>(
        &mut self,
        label: &Name,
        value: &ast::Expr,
        declared: Declared<'_>,
        choices: [(&str, T); 2],
    ) -> Option<T> {
        let found = self.text(value, declared.variables)?;
        let names = [choices[0].0, choices[1].0];
        let chosen = choices.into_iter().find_map(|(name, choice)| (name == found.value).then_some(choice));
        if chosen.is_none() {
            let message = format!("`{}` cannot be `{}`", label.text, found.value);
            let diagnostic = Diagnostic::new(Code::BadValue, found.span, message)
                .suggest(similar(&found.value, names))
                .help(format!("it is `{}` or `{}`", names[0], names[1]));
            self.report(diagnostic);
        }
        chosen
    }

    /// A text, a field, or a concatenation of these.
    fn topic(&mut self, expr: &ast::Expr, scope: &mut Scope<'_>) -> Option<Topic> {
        let before = self.diagnostics.len();
        let resolved = self.resolve(expr, scope);
        if self.diagnostics[before..].iter().any(Diagnostic::is_error) {
            return None;
        }
        if matches!(resolved.kind, ExprKind::String(_) | ExprKind::Variable(_) | ExprKind::Binary { .. })
            && let Ok(text) = self.constant_text(&resolved)
        {
            let topic = self.with_environment(text, expr.span)?;
            if topic.value.is_empty() {
                self.report(Diagnostic::new(Code::BadValue, expr.span, "a topic needs a name"));
                return None;
            }
            return Some(Topic::Fixed(topic));
        }
        if let Some(place) = no_topic(&resolved) {
            let diagnostic = Diagnostic::new(Code::BadValue, place, "this cannot name a topic")
                .help("a topic is a text, a field, or a concatenation: `topic: \"alerts-\" + region`");
            self.report(diagnostic);
            return None;
        }
        self.environment_in(resolved).map(Topic::Computed)
    }

    /// Replaces `${NAME}` in the texts of a concatenation.
    fn environment_in(&mut self, expr: Expr) -> Option<Expr> {
        let span = expr.span;
        let kind = match expr.kind {
            ExprKind::String(text) => ExprKind::String(self.with_environment(text, span)?.value),
            ExprKind::Binary { op, left, right } => {
                let (left, right) = (self.environment_in(*left), self.environment_in(*right));
                ExprKind::Binary { op, left: Box::new(left?), right: Box::new(right?) }
            }
            kind => kind,
        };
        Some(Expr { kind, span })
    }
}

/// The place in an expression of what a topic cannot consist of.
fn no_topic(expr: &Expr) -> Option<Span> {
    match &expr.kind {
        ExprKind::String(_) | ExprKind::Field(_) | ExprKind::Variable(_) | ExprKind::Member { .. } => None,
        ExprKind::Binary { op: BinaryOp::Add, left, right } => no_topic(left).or_else(|| no_topic(right)),
        _ => Some(expr.span),
    }
}
