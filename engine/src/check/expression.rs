//! Expressions: what each name in them is, and whether functions are called as they can be.
//!
//! A name is, in this order: a parameter of an enclosing lambda; a local of the function around it; a field that is known to exist; a variable that is
//! declared above; the stream's alias, which is the whole event; a field.

use std::collections::HashSet;
use std::rc::Rc;

use super::Checker;
use super::aliases::Aliases;
use super::function::Locals;
use super::names::FunctionIndex;
use super::program::{Expr, ExprKind, Function, Projection};
use super::support;
use super::window::Aggregation;
use crate::diagnostic::{Code, Diagnostic, similar};
use crate::syntax::ast::{self, Arg, Name, Span, UnaryOp};

/// What is known of the fields of the event under test.
#[derive(Clone)]
pub(super) enum Fields {
    /// There is no event.
    None,
    /// There is no event, and a word that is no variable is a text.
    BareWords,
    /// An event type that is not declared: any field may be there.
    Any,
    /// A declared event type: other fields may be there, and are probably misspelt.
    Declared(Rc<Shape>),
    /// What `.select` or `.emit` made: no other field is there.
    Made(Rc<Shape>),
    /// Those of a match, or of the result of a join: [`Scope::aliases`] says what can be read of the captured events.
    Captured,
}

/// Matches of matches of matches have names without end: of a match with more than this many bytes of them nothing is known.
pub(super) const MAX_PASSED_BYTES: usize = 100_000;

/// Every event has a type and a time, whatever its fields.
const ALWAYS_THERE: &[&str] = &["event_type", "timestamp"];

/// Names of fields, and whose they are.
pub(super) struct Shape {
    /// The event type or stream.
    of: String,
    /// In order, for messages.
    names: Vec<String>,
    known: HashSet<String>,
    /// Fields that may be there although nobody declares them.
    unsaid: HashSet<String>,
}

impl Shape {
    pub(super) fn new(of: String, names: Vec<String>) -> Self {
        let known = names.iter().cloned().collect();
        Shape { of, names, known, unsaid: HashSet::new() }
    }
}

impl Fields {
    /// The fields of a result: the partition field, unless a result has its name, and the results.
    pub(super) fn of_result(stream: &str, partition: Option<&str>, results: &[Projection]) -> Self {
        let results = results.iter().map(|result| result.name.text.as_str());
        let partition = partition.filter(|name| !results.clone().any(|result| result == *name));
        let names = partition.into_iter().chain(results).map(str::to_owned).collect();
        Fields::Made(Rc::new(Shape::new(stream.to_owned(), names)))
    }

    /// The fields of an event that `.select` or `.emit` of a stream made.
    pub(super) fn made(stream: &str, projections: &[Projection]) -> Self {
        let names = projections.iter().map(|projection| projection.name.text.clone()).collect();
        Fields::Made(Rc::new(Shape::new(stream.to_owned(), names)))
    }

    /// The fields that an event of a merge may have.
    pub(super) fn union(stream: &str, inputs: &[Fields]) -> Self {
        let (mut names, mut unsaid) = (Vec::new(), HashSet::new());
        let mut known = HashSet::new();
        for input in inputs {
            let Some(shape) = input.shape() else { return Fields::Any };
            names.extend(shape.names.iter().filter(|name| known.insert(name.as_str())).cloned());
            unsaid.extend(shape.unsaid.iter().cloned());
        }
        let shape = Shape { unsaid, ..Shape::new(stream.to_owned(), names) };
        Fields::Made(Rc::new(shape))
    }

    /// The fields of a match as other streams see them: every alias's as `alias_field`.
    pub(super) fn of_match<'f>(stream: &str, aliases: impl Iterator<Item = (&'f str, &'f Fields)>) -> Self {
        let (mut names, mut unsaid) = (Vec::new(), HashSet::from(["_kleene_truncated".to_owned()]));
        let mut bytes = 0;
        for (alias, fields) in aliases {
            let Some(shape) = fields.shape() else { return Fields::Any };
            let own = shape.names.iter().chain(&shape.unsaid).map(|name| alias.len() + 1 + name.len());
            bytes += own.sum::<usize>();
            if bytes > MAX_PASSED_BYTES {
                return Fields::Any;
            }
            names.extend(shape.names.iter().map(|name| format!("{alias}_{name}")));
            let others = shape.unsaid.iter().map(String::as_str).chain(ALWAYS_THERE.iter().copied());
            unsaid.extend(others.map(|name| format!("{alias}_{name}")));
        }
        let shape = Shape { unsaid, ..Shape::new(stream.to_owned(), names) };
        Fields::Made(Rc::new(shape))
    }

    fn shape(&self) -> Option<&Shape> {
        match self {
            Fields::Declared(shape) | Fields::Made(shape) => Some(shape),
            Fields::None | Fields::BareWords | Fields::Any | Fields::Captured => None,
        }
    }

    /// Whether an event may have the field without anyone having to be warned.
    pub(super) fn possibly(&self, name: &str) -> bool {
        let there = |shape: &Shape| shape.known.contains(name) || shape.unsaid.contains(name);
        self.shape().is_none_or(there)
    }

    pub(super) fn certainly(&self, name: &str) -> bool {
        self.shape().is_some_and(|shape| shape.known.contains(name))
    }
}

/// What the names in an expression can be.
pub(super) struct Scope<'s> {
    pub(super) fields: Fields,
    /// The name of the event as a whole.
    pub(super) alias: Option<&'s str>,
    /// Names before a dot that mean the event as well: of its type, of the stream that it comes from.
    pub(super) qualifiers: Vec<&'s str>,
    /// The other events that a sequence captures.
    pub(super) aliases: Option<Aliases<'s>>,
    /// How many of the program's variables are visible.
    pub(super) variables: usize,
    parameters: Vec<Parameter>,
    /// In a function's body: what it declares.
    pub(super) locals: Option<Locals>,
    /// Whether functions that emit may be called.
    pub(super) may_emit: bool,
    /// Inside `.aggregate` and outside of its calls.
    pub(super) aggregation: Option<Aggregation>,
}

struct Parameter {
    name: String,
    /// `None`: it is the event itself, as in `.filter(e => e.price > 5)`.
    number: Option<usize>,
}

impl<'s> Scope<'s> {
    pub(super) fn new(fields: Fields, variables: usize) -> Self {
        let (qualifiers, parameters) = (Vec::new(), Vec::new());
        let (aliases, locals, aggregation) = (None, None, None);
        Scope { fields, alias: None, qualifiers, aliases, variables, parameters, locals, may_emit: false, aggregation }
    }

    /// After `.select` and `.emit` an event has the new fields only.
    pub(super) fn projected(&mut self, fields: Fields) {
        self.fields = fields;
        if let Some(aliases) = &mut self.aliases {
            aliases.closed = true;
        }
    }

    /// Whether a parameter of an enclosing lambda has that name.
    pub(super) fn has_parameter(&self, name: &str) -> bool {
        self.parameter(name).is_some()
    }

    fn local(&self, name: &str) -> Option<usize> {
        self.locals.as_ref()?.find(name)
    }

    fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().rev().find(|parameter| parameter.name == name)
    }

    /// Whether `name.field` is a field of the event.
    fn is_event(&self, name: &str) -> bool {
        match self.parameter(name) {
            Some(parameter) => parameter.number.is_none(),
            None => self.alias == Some(name) || self.qualifiers.contains(&name) && !self.fields.certainly(name),
        }
    }
}

impl Checker<'_> {
    /// Resolves an expression. What is wrong with it is reported, and null stands in its place.
    pub(super) fn resolve(&mut self, expr: &ast::Expr, scope: &mut Scope<'_>) -> Expr {
        use ast::ExprKind as Tree;
        if scope.aggregation.is_none()
            && let Some(kind) = self.captured(expr, scope)
        {
            return Expr { kind, span: expr.span };
        }
        let kind = match &expr.kind {
            Tree::Null => ExprKind::Null,
            Tree::Bool(value) => ExprKind::Bool(*value),
            Tree::Int(value) => ExprKind::Int(*value),
            Tree::Float(value) => ExprKind::Float(*value),
            Tree::String(value) => ExprKind::String(value.clone()),
            Tree::Duration(value) => ExprKind::Duration(*value),
            Tree::Timestamp(value) => ExprKind::Timestamp(*value),
            Tree::Array(items) => ExprKind::Array(items.iter().map(|item| self.resolve(item, scope)).collect()),
            Tree::Map(entries) => ExprKind::Map(
                entries.iter().map(|(key, value)| (key.text.clone(), self.resolve(value, scope))).collect(),
            ),
            Tree::Name(name) => self.resolve_name(name, expr.span, scope),
            Tree::Member { of, field, .. } => match &of.kind {
                Tree::Name(name) if scope.is_event(name) => self.field(&field.text, field.span, scope),
                _ => ExprKind::Member { of: self.boxed(of, scope), field: field.text.clone() },
            },
            Tree::Index { of, index } => ExprKind::Index { of: self.boxed(of, scope), index: self.boxed(index, scope) },
            Tree::Slice { of, from, to } => ExprKind::Slice {
                of: self.boxed(of, scope),
                from: from.as_ref().map(|from| self.boxed(from, scope)),
                to: to.as_ref().map(|to| self.boxed(to, scope)),
            },
            Tree::Call { callee, args } => self.call(callee, args, expr.span, scope),
            Tree::Unary { op, operand } => {
                let operand = self.boxed(operand, scope);
                match (op, &operand.kind) {
                    (UnaryOp::Negate, ExprKind::Int(value)) if *value != i64::MIN => ExprKind::Int(-value),
                    (UnaryOp::Negate, ExprKind::Float(value)) => ExprKind::Float(-value),
                    _ => ExprKind::Unary { op: *op, operand },
                }
            }
            Tree::Binary { op, left, right } => {
                ExprKind::Binary { op: *op, left: self.boxed(left, scope), right: self.boxed(right, scope) }
            }
            Tree::IsNull { operand, negated } => {
                ExprKind::IsNull { operand: self.boxed(operand, scope), negated: *negated }
            }
            Tree::Range { from, to, inclusive } => {
                ExprKind::Range { from: self.boxed(from, scope), to: self.boxed(to, scope), inclusive: *inclusive }
            }
            Tree::If { condition, then, otherwise } => ExprKind::If {
                condition: self.boxed(condition, scope),
                then: self.boxed(then, scope),
                otherwise: self.boxed(otherwise, scope),
            },
            Tree::Lambda { .. } => {
                let diagnostic = Diagnostic::new(Code::WrongArguments, expr.span, "a lambda cannot stand here")
                    .note("`>=` compares, and `=>` makes a lambda")
                    .help("lambdas are the second argument of `map` and `filter`, and the argument of `.filter`, `.map` and `.process`");
                self.report(diagnostic);
                ExprKind::Null
            }
        };
        Expr { kind, span: expr.span }
    }

    pub(super) fn boxed(&mut self, expr: &ast::Expr, scope: &mut Scope<'_>) -> Box<Expr> {
        Box::new(self.resolve(expr, scope))
    }

    fn resolve_name(&mut self, name: &str, span: Span, scope: &mut Scope<'_>) -> ExprKind {
        if let Some(parameter) = scope.parameter(name) {
            return parameter.number.map_or(ExprKind::Event, ExprKind::Parameter);
        }
        if let Some(local) = scope.local(name) {
            return ExprKind::Local(local);
        }
        let variable = self.visible.get(name, scope.variables);
        if scope.fields.certainly(name) {
            if scope.aggregation.is_some() {
                return self.field(name, span, scope);
            }
            if let Some(index) = variable {
                let message = format!("`{name}` is a field here, not the variable");
                let diagnostic = Diagnostic::new(Code::HiddenVariable, span, message)
                    .related(self.program.variables[index].name.span, "the variable")
                    .help("give the variable a name that no field has");
                self.report(diagnostic);
            }
            return ExprKind::Field(name.to_owned());
        }
        if let Some(index) = variable {
            if let Some(locals) = &mut scope.locals {
                locals.note_variable(index);
            }
            return ExprKind::Variable(index);
        }
        if scope.alias == Some(name) {
            if scope.aggregation.is_some() {
                self.field_outside_aggregate(name, span);
            }
            return ExprKind::Event;
        }
        match scope.fields {
            Fields::BareWords => ExprKind::String(name.to_owned()),
            Fields::None => {
                if !self.names.broken.contains(name) {
                    let local = scope.locals.as_ref().and_then(|locals| similar(name, locals.names()));
                    let note = match &scope.locals {
                        Some(_) => "a function knows its parameters and variables; fields are given to it: `f(price)`",
                        None => "a variable is visible below its declaration; fields exist in streams only",
                    };
                    let diagnostic =
                        Diagnostic::new(Code::UnknownVariable, span, format!("there is no variable `{name}`"))
                            .suggest(local.or_else(|| self.visible.similar(name)))
                            .note(note);
                    self.report(diagnostic);
                }
                ExprKind::Null
            }
            _ => self.field(name, span, scope),
        }
    }

    /// A field of the event under test, which may not have it.
    fn field(&mut self, name: &str, span: Span, scope: &Scope<'_>) -> ExprKind {
        if scope.aggregation.as_ref().is_some_and(|aggregation| aggregation.partition.as_deref() != Some(name)) {
            self.field_outside_aggregate(name, span);
            return ExprKind::Null;
        }
        self.expect_field(name, span, &scope.fields);
        ExprKind::Field(name.to_owned())
    }

    /// Warns of a field that an event probably does not have.
    pub(super) fn expect_field(&mut self, name: &str, span: Span, fields: &Fields) {
        let warning = match fields {
            _ if fields.possibly(name) || ALWAYS_THERE.contains(&name) => None,
            Fields::Declared(shape) => {
                Some((shape, format!("the event `{}` declares no field `{name}`", shape.of), None))
            }
            Fields::Made(shape) => {
                let note = format!("it has {}", list(&shape.names));
                Some((shape, format!("an event of `{}` has no field `{name}`", shape.of), Some(note)))
            }
            Fields::None | Fields::BareWords | Fields::Any | Fields::Captured => None,
        };
        if let Some((shape, message, note)) = warning {
            let suggestion = similar(name, shape.names.iter().map(String::as_str));
            let mut diagnostic = Diagnostic::new(Code::UnknownField, span, message).suggest(suggestion);
            diagnostic.notes.extend(note);
            self.report(diagnostic);
        }
    }

    fn call(&mut self, callee: &ast::Expr, args: &[Arg], span: Span, scope: &mut Scope<'_>) -> ExprKind {
        let name = match &callee.kind {
            ast::ExprKind::Name(name) => name.as_str(),
            ast::ExprKind::Member { field, .. } => {
                let message = format!("functions are not called with a dot: `.{}(…)`", field.text);
                let diagnostic = Diagnostic::new(Code::UnknownFunction, field.span, message)
                    .help(format!("give it what stands before the dot: `{}(x, …)`", field.text));
                self.report(diagnostic);
                return ExprKind::Null;
            }
            _ => {
                self.report(Diagnostic::new(Code::UnknownFunction, callee.span, "this is no function"));
                return ExprKind::Null;
            }
        };
        if let Some((function, declared)) = self.names.functions.get(name) {
            return self.user_call(function, declared, args, span, scope);
        }
        if self.names.broken.contains(name) {
            return ExprKind::Null;
        }
        if scope.aggregation.is_some()
            && let Some(aggregate) = self.aggregate_call(name, args, span, scope)
        {
            return aggregate;
        }
        let Some((function, _, least, most)) = Function::ALL.iter().find(|(_, known, ..)| *known == name).copied()
        else {
            self.unknown_function(name, callee.span);
            return ExprKind::Null;
        };
        self.arity(name, args, (least, most), span);
        let takes_lambda = matches!(function, Function::Map | Function::Filter);
        let mut resolved = Vec::with_capacity(args.len());
        for (position, arg) in args.iter().enumerate() {
            resolved.push(if takes_lambda && position == 1 {
                self.lambda(name, &arg.value, scope)
            } else {
                self.resolve(&arg.value, scope)
            });
        }
        ExprKind::Call { function, args: resolved }
    }

    /// The arguments of a function have no names, and there are so many of them.
    pub(super) fn arity(&mut self, name: &str, args: &[Arg], (least, most): (usize, usize), span: Span) {
        self.without_names(name, args);
        if args.len() < least || args.len() > most {
            let takes = match (least, most) {
                (0, 0) => "no argument".into(),
                (1, 1) => "1 argument".into(),
                (_, usize::MAX) => format!("at least {least} argument"),
                _ if least == most => format!("{least} arguments"),
                _ => format!("{least} to {most} arguments"),
            };
            let message = format!("`{name}` takes {takes}, not {}", args.len());
            self.report(Diagnostic::new(Code::WrongArguments, span, message));
        }
    }

    /// The arguments of a function are told apart by their places.
    fn without_names(&mut self, function: &str, args: &[Arg]) {
        for label in args.iter().filter_map(|arg| arg.name.as_ref()) {
            let message = format!("`{function}` has no argument `{}`", label.text);
            let diagnostic = Diagnostic::new(Code::UnknownArgument, label.span, message)
                .help("the arguments of a function have no names");
            self.report(diagnostic);
        }
    }

    /// A call of a function that the program declares.
    fn user_call(
        &mut self,
        function: FunctionIndex,
        declared: &ast::Function,
        args: &[Arg],
        span: Span,
        scope: &mut Scope<'_>,
    ) -> ExprKind {
        self.without_names(&declared.name.text, args);
        let takes = declared.parameters.len();
        if args.len() != takes {
            let plural = if takes == 1 { "" } else { "s" };
            let message = format!("`{}` takes {takes} argument{plural}, not {}", declared.name.text, args.len());
            let diagnostic =
                Diagnostic::new(Code::WrongArguments, span, message).related(declared.name.span, "declared here");
            self.report(diagnostic);
        }
        match &mut scope.locals {
            Some(locals) => locals.note_call(function),
            None => {
                if matches!(scope.fields, Fields::None | Fields::BareWords) {
                    self.functions.in_values.push((function, span, scope.variables));
                }
                if !scope.may_emit {
                    self.functions.quiet_calls.push((function, span));
                }
            }
        }
        ExprKind::UserCall { function, args: args.iter().map(|arg| self.resolve(&arg.value, scope)).collect() }
    }

    fn unknown_function(&mut self, name: &str, span: Span) {
        let mut diagnostic = Diagnostic::new(Code::UnknownFunction, span, format!("there is no function `{name}`"));
        diagnostic = if support::AGGREGATES.contains(&name) {
            diagnostic.note(format!("`{name}` is an aggregate; it stands in `.aggregate`"))
        } else {
            let functions = Function::ALL.iter().map(|(_, known, ..)| *known);
            let own = support::foreign(support::FOREIGN_FUNCTIONS, name);
            let meant = own.or_else(|| similar(name, functions)).or_else(|| self.names.functions.similar(name));
            diagnostic.suggest(meant.or_else(|| similar(name, support::AGGREGATES.iter().copied())))
        };
        self.report(diagnostic);
    }

    /// The second argument of `map` and `filter`.
    fn lambda(&mut self, function: &str, expr: &ast::Expr, scope: &mut Scope<'_>) -> Expr {
        let ast::ExprKind::Lambda { parameters, body } = &expr.kind else {
            let message = format!("the second argument of `{function}` is a lambda");
            self.report(Diagnostic::new(Code::WrongArguments, expr.span, message).help("for example `x => x > 5`"));
            return Expr { kind: ExprKind::Null, span: expr.span };
        };
        let [parameter] = &parameters[..] else {
            let message = format!("the lambda of `{function}` has one parameter, not {}", parameters.len());
            self.report(Diagnostic::new(Code::WrongArguments, expr.span, message));
            return Expr { kind: ExprKind::Null, span: expr.span };
        };
        let number = scope.parameters.iter().filter(|parameter| parameter.number.is_some()).count();
        let body = self.with_parameter(parameter, Some(number), body, scope);
        Expr { kind: ExprKind::Lambda(Box::new(body)), span: expr.span }
    }

    /// The argument of `.filter`, `.map` and `.process`: an expression, or a lambda whose parameter is the event.
    pub(super) fn resolve_of_event(&mut self, op: &str, expr: &ast::Expr, scope: &mut Scope<'_>) -> Expr {
        let ast::ExprKind::Lambda { parameters, body } = &expr.kind else { return self.resolve(expr, scope) };
        let [parameter] = &parameters[..] else {
            let message = format!("the lambda of `.{}` has one parameter, not {}", op, parameters.len());
            self.report(Diagnostic::new(Code::WrongArguments, expr.span, message));
            return Expr { kind: ExprKind::Null, span: expr.span };
        };
        self.with_parameter(parameter, None, body, scope)
    }

    fn with_parameter(&mut self, name: &Name, number: Option<usize>, body: &ast::Expr, scope: &mut Scope<'_>) -> Expr {
        scope.parameters.push(Parameter { name: name.text.clone(), number });
        let body = self.resolve(body, scope);
        scope.parameters.pop();
        body
    }
}

/// `a`, `b` and `c`; of many only the first ones.
fn list(names: &[String]) -> String {
    let mut quoted: Vec<String> = names.iter().take(MAX_LISTED).map(|name| format!("`{name}`")).collect();
    if names.len() > MAX_LISTED {
        quoted.push(format!("{} more", names.len() - MAX_LISTED));
    }
    match &quoted[..] {
        [] => "no fields".into(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

/// More names than a message needs.
const MAX_LISTED: usize = 12;
