//! Events and types: inherited fields, aliases replaced, circles found.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::Checker;
use super::program::{EventType, Field};
use crate::diagnostic::{Code, Diagnostic, similar};
use crate::syntax::ast::{self, FieldDecl, Span, Statement, StatementKind, Type, TypeBody, TypeKind};

const BUILT_IN: &[&str] = &["int", "float", "bool", "str", "timestamp", "duration"];

/// Names that other languages give to VPL's types.
const FOREIGN: &[(&str, &str)] = &[
    ("string", "str"),
    ("text", "str"),
    ("integer", "int"),
    ("long", "int"),
    ("i64", "int"),
    ("double", "float"),
    ("f64", "float"),
    ("number", "float"),
    ("boolean", "bool"),
    ("datetime", "timestamp"),
];

impl<'a> Checker<'a> {
    pub(super) fn resolve_events(&mut self, statements: &[&'a Statement]) {
        for statement in statements {
            match &statement.kind {
                StatementKind::Event(event) => {
                    let whole = statement.span;
                    if self.torn.iter().any(|place| whole.start <= place.start && place.end <= whole.end) {
                        self.torn_events.insert(&event.name.text);
                    }
                    self.check_fields(&event.fields, "event");
                    let fields = self.event_fields(event);
                    self.program.events.push(EventType { name: event.name.clone(), fields });
                }
                StatementKind::Type(declared) => match &declared.body {
                    TypeBody::Fields(fields) => self.check_fields(fields, "type"),
                    TypeBody::Alias(ty) => {
                        self.check_type(ty);
                        self.check_alias(declared);
                    }
                },
                _ => {}
            }
        }
    }

    fn check_fields(&mut self, fields: &'a [FieldDecl], of: &str) {
        let mut seen: Vec<(&str, Span)> = Vec::new();
        let mut names = HashSet::new();
        for field in fields {
            if names.insert(field.name.text.as_str()) {
                seen.push((&field.name.text, field.name.span));
            } else {
                let earlier = seen.iter().find(|(name, _)| *name == field.name.text).map(|(_, span)| *span);
                let message = format!("the field `{}` stands twice in this {of}", field.name.text);
                let diagnostic = Diagnostic::new(Code::DuplicateName, field.name.span, message)
                    .related(earlier.unwrap_or(field.name.span), "declared first");
                self.report(diagnostic);
            }
            self.check_type(&field.ty);
        }
    }

    /// All names in a type are declared.
    pub(super) fn check_type(&mut self, ty: &Type) {
        match &ty.kind {
            TypeKind::Int
            | TypeKind::Float
            | TypeKind::Bool
            | TypeKind::Str
            | TypeKind::Timestamp
            | TypeKind::Duration => {}
            TypeKind::Array(of) | TypeKind::Stream(of) | TypeKind::Optional(of) => self.check_type(of),
            TypeKind::Map(key, value) => {
                self.check_type(key);
                self.check_type(value);
            }
            TypeKind::Tuple(types) => types.iter().for_each(|ty| self.check_type(ty)),
            TypeKind::Named(name) => {
                let names = &self.names;
                if names.events.contains(name) || names.types.contains(name) || names.broken.contains(name.as_str()) {
                    return;
                }
                let foreign =
                    FOREIGN.iter().find(|(foreign, _)| name.eq_ignore_ascii_case(foreign)).map(|(_, own)| *own);
                let suggestion = foreign
                    .or_else(|| similar(name, BUILT_IN.iter().copied()))
                    .or_else(|| names.types.similar(name))
                    .or_else(|| names.events.similar(name));
                let diagnostic = Diagnostic::new(Code::UnknownType, ty.span, format!("there is no type `{name}`"))
                    .suggest(suggestion)
                    .help(format!("the types are {}, and those that `type` and `event` declare", BUILT_IN.join(", ")));
                self.report(diagnostic);
            }
        }
    }

    /// An alias must not stand for itself, directly or through others.
    fn check_alias(&mut self, declared: &'a ast::TypeDecl) {
        let mut seen = vec![declared.name.text.as_str()];
        let mut next = declared;
        while let TypeBody::Alias(Type { kind: TypeKind::Named(name), .. }) = &next.body
            && let Some(target) = self.names.types.get(name)
        {
            if target.name.text == declared.name.text {
                seen.push(&declared.name.text);
                let message = format!("the type `{}` stands for itself: {}", declared.name.text, seen.join(" = "));
                self.report(Diagnostic::new(Code::Cycle, declared.name.span, message));
                return;
            }
            if seen.contains(&target.name.text.as_str()) {
                return;
            }
            seen.push(&target.name.text);
            next = target;
        }
    }

    /// The fields of an event, inherited ones first. A field declared again takes the place of the inherited one.
    fn event_fields(&mut self, event: &'a ast::Event) -> Vec<Field> {
        let mut chain = vec![event];
        let mut seen = HashSet::from([event.name.text.as_str()]);
        let mut next = event;
        while let Some(base) = &next.extends {
            let Some(parent) = self.names.events.get(&base.text) else {
                // Reported where it is written, not in everything that inherits from there.
                if next.name.span == event.name.span && !self.names.broken.contains(base.text.as_str()) {
                    let message = format!("there is no event `{}` to extend", base.text);
                    let suggestion = self.names.events.similar(&base.text);
                    self.report(Diagnostic::new(Code::UnknownType, base.span, message).suggest(suggestion));
                }
                break;
            };
            if !seen.insert(&parent.name.text) {
                if parent.name.text == event.name.text {
                    let path: Vec<&str> = chain.iter().chain([&event]).map(|event| event.name.text.as_str()).collect();
                    let message = format!("the event `{}` extends itself: {}", event.name.text, path.join(" extends "));
                    self.report(Diagnostic::new(Code::Cycle, base.span, message));
                }
                break;
            }
            if chain.len() > MAX_ANCESTORS {
                let message = format!("the event `{}` has more than {MAX_ANCESTORS} events above it", event.name.text);
                let diagnostic = Diagnostic::new(Code::LongChain, event.name.span, message)
                    .help("declare the fields of several of them in one");
                self.report(diagnostic);
                return Vec::new();
            }
            chain.push(parent);
            next = parent;
        }
        let mut fields: Vec<Field> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for field in chain.iter().rev().flat_map(|event| &event.fields) {
            let resolved = Field { name: field.name.clone(), ty: self.expand(&field.ty) };
            match places.entry(&field.name.text) {
                Entry::Occupied(place) => fields[*place.get()] = resolved,
                Entry::Vacant(place) => {
                    place.insert(fields.len());
                    fields.push(resolved);
                }
            }
        }
        fields
    }

    /// The type for which an alias stands. One that stands for itself is left as it is.
    fn expand(&self, ty: &Type) -> Type {
        let mut ty = ty;
        let mut steps = 0;
        while let TypeKind::Named(name) = &ty.kind
            && let Some(ast::TypeDecl { body: TypeBody::Alias(target), .. }) = self.names.types.get(name)
            && steps < MAX_ALIASES
        {
            ty = target;
            steps += 1;
        }
        ty.clone()
    }
}

/// The most events that one inherits from, directly or through others: every one of them is copied into it.
const MAX_ANCESTORS: usize = 100;

/// More aliases of aliases than anyone writes; a circle of them ends here.
const MAX_ALIASES: usize = 100;
