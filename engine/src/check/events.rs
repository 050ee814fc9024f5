//! Operations that make events out of an event, or tell a person about it: `.map`, `.process`, `.print` and its relatives.

use super::expression::{Fields, Scope};
use super::program::{BodyStatement, Expr, ExprKind, Operator, Piece, Projection, Tell};
use super::stream::Building;
use super::{Checker, Declared};
use crate::diagnostic::{Code, Diagnostic, similar};
use crate::syntax::ast::{self, Arg, Name, Op};

/// The levels of the log, as `.log(level: …)` names them.
const LEVELS: &[(&str, log::Level)] = &[
    ("error", log::Level::Error),
    ("warn", log::Level::Warn),
    ("warning", log::Level::Warn),
    ("info", log::Level::Info),
    ("debug", log::Level::Debug),
    ("trace", log::Level::Trace),
];

impl<'a> Checker<'a> {
    /// `.map(e => {…})`. A map that is written down is a projection; the fields of any other are known when it runs.
    pub(super) fn map(&mut self, op: &Op, arg: &'a ast::Expr, stream: &str, building: &mut Building<'a>) {
        let value = self.resolve_of_event(&op.name.text, arg, &mut building.scope);
        let written = match &arg.kind {
            ast::ExprKind::Lambda { body, .. } => body,
            _ => arg,
        };
        let (ExprKind::Map(entries), ast::ExprKind::Map(keys)) = (&value.kind, &written.kind) else {
            building.scope.projected(Fields::Any);
            building.operators.push(Operator::Map(value));
            return;
        };
        self.given_twice(keys.iter().map(|(key, _)| (key.text.clone(), key.span)));
        let fields = keys.iter().zip(entries);
        let fields: Vec<Projection> =
            fields.map(|((key, _), (_, value))| Projection { name: key.clone(), value: value.clone() }).collect();
        building.scope.projected(Fields::made(stream, &fields));
        building.operators.push(Operator::Select(fields));
    }

    /// `.process(f(args))`: the events that `f` emits take the place of the one at hand.
    pub(super) fn process(&mut self, op: &Op, arg: &'a ast::Expr, declared: Declared<'a>, building: &mut Building<'a>) {
        building.scope.may_emit = true;
        let value = self.resolve_of_event(&op.name.text, arg, &mut building.scope);
        building.scope.may_emit = false;
        let stream = &declared.stream.name.text;
        let mut made = Vec::new();
        for function in self.called_by(&value) {
            BodyStatement::each_emit(&self.program.functions[function].body, &mut |_, fields| {
                made.push(Fields::made(stream, fields));
            });
        }
        if made.is_empty() {
            let message = "nothing is emitted here, so nothing goes on from `.process`";
            let diagnostic = Diagnostic::new(Code::NoEffect, op.span, message)
                .help("call a function that has an `emit TYPE(…)`, or make one event of each with `.map`");
            self.report(diagnostic);
        }
        building.scope.projected(Fields::union(stream, &made));
        building.operators.push(Operator::Process(value));
    }

    /// `.print(…)`, `.log(…)`, `.alert(…)`, `.tap(…)`
    pub(super) fn tell(&mut self, op: &Op, args: &'a [Arg], stream: &str, scope: &mut Scope<'a>) -> Tell {
        let mut level = match op.name.text.as_str() {
            "log" => Some(log::Level::Info),
            "alert" => Some(log::Level::Warn),
            "tap" => Some(log::Level::Debug),
            _ => None,
        };
        self.given_twice(args.iter().filter_map(|arg| arg.name.as_ref()).map(|name| (name.text.clone(), name.span)));
        let mut pieces = if level.is_some() { vec![Piece::Text(format!("{stream}:"))] } else { Vec::new() };
        for Arg { name, value } in args {
            if let ("log", Some("level")) = (op.name.text.as_str(), name.as_ref().map(|name| name.text.as_str())) {
                level = self.level(value).or(level);
                continue;
            }
            let mut gap = if pieces.is_empty() { String::new() } else { " ".to_owned() };
            if let Some(name) = name.as_ref().filter(|name| name.text != "message") {
                gap += &format!("{}=", name.text);
            }
            pieces.push(Piece::Text(gap));
            match &value.kind {
                ast::ExprKind::String(text) => self.template(text, value, scope, &mut pieces),
                _ => pieces.push(Piece::Value(self.resolve(value, scope))),
            }
        }
        if args.is_empty() {
            if level.is_none() {
                pieces.push(Piece::Text(format!("{stream}:")));
            }
            let at_hand = |kind| Piece::Value(Expr { kind, span: op.span });
            let event_type = at_hand(ExprKind::Field("event_type".to_owned()));
            pieces.extend([
                Piece::Text(" ".to_owned()),
                event_type,
                Piece::Text(" ".to_owned()),
                at_hand(ExprKind::Event),
            ]);
        }
        Tell { level, pieces }
    }

    fn level(&mut self, value: &ast::Expr) -> Option<log::Level> {
        let name = match &value.kind {
            ast::ExprKind::String(text) | ast::ExprKind::Name(text) => text.as_str(),
            _ => "",
        };
        let level = LEVELS.iter().find(|(known, _)| *known == name).map(|(_, level)| *level);
        if level.is_none() {
            let diagnostic = Diagnostic::new(Code::BadValue, value.span, "the log has no such level")
                .suggest(similar(name, LEVELS.iter().map(|(known, _)| *known)))
                .help("the levels are \"error\", \"warn\", \"info\", \"debug\" and \"trace\"");
            self.report(diagnostic);
        }
        level
    }

    /// A text in which `{field}` and `{alias.field}` stand for their values. Other braces are braces.
    fn template(&mut self, text: &str, whole: &ast::Expr, scope: &mut Scope<'a>, pieces: &mut Vec<Piece>) {
        let mut rest = text;
        while let Some(start) = rest.find('{') {
            let Some(length) = rest[start..].find('}') else { break };
            let inside = &rest[start + 1..start + length];
            let words: Vec<&str> = inside.split('.').collect();
            if !words.iter().all(|word| is_word(word)) {
                pieces.push(Piece::Text(rest[..=start].to_owned()));
                rest = &rest[start + 1..];
                continue;
            }
            if start > 0 {
                pieces.push(Piece::Text(rest[..start].to_owned()));
            }
            let name = |word: &str| Name { text: word.to_owned(), span: whole.span };
            let mut value = ast::Expr::new(ast::ExprKind::Name(words[0].to_owned()), whole.span);
            for word in &words[1..] {
                let kind = ast::ExprKind::Member { of: Box::new(value), field: name(word), optional: false };
                value = ast::Expr::new(kind, whole.span);
            }
            pieces.push(Piece::Value(self.resolve(&value, scope)));
            rest = &rest[start + length + 1..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
    }
}

fn is_word(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.bytes().all(plain) && text.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}
