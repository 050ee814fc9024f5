//! What an expression may say of the events that a sequence has captured.
//!
//! A name is an alias, or the event type of a step whose alias nobody else has. Inside a step's predicate its own alias is
//! the event under test; `b[0].f`, `count(b)` and the like are still those of the events captured so far. Behind the
//! sequence, a bare name is what the match offers (`match_count`), or the field of the first captured event that has it.

use super::Checker;
use super::expression::{Fields, Scope};
use super::program::{AliasFunction, Capture, Expr, ExprKind, Function, Which};
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::ast::{self, Arg, Name, Span, UnaryOp};

/// The steps of a sequence as its expressions see them.
#[derive(Clone)]
pub(super) struct Aliases<'s> {
    pub(super) steps: Vec<Alias<'s>>,
    /// The step whose predicate is at hand; their number for an event that no step takes, as in `.not`; `None` behind the
    /// sequence, where there is no event under test.
    pub(super) own: Option<usize>,
    /// What the expressions have asked for.
    pub(super) captures: Vec<Capture>,
    /// The captured events are out of reach: a projection has made a new event.
    pub(super) closed: bool,
    /// The steps are the sides of a join, and a result is no match of a sequence.
    pub(super) of_join: bool,
}

/// A step.
#[derive(Clone)]
pub(super) struct Alias<'s> {
    pub(super) name: Option<&'s str>,
    /// The names of its event types.
    pub(super) events: Vec<&'s str>,
    pub(super) fields: Fields,
    pub(super) closure: bool,
}

/// What every match offers.
const OF_MATCH: &[(&str, Capture)] = &[
    ("match_duration_ms", Capture::DurationMs),
    ("match_count", Capture::MatchCount),
    ("_kleene_truncated", Capture::Truncated),
];

impl Aliases<'_> {
    /// All captures, with the partition field among them: it is the key of what is published.
    pub(super) fn with_partition(mut self, field: Option<&Name>) -> Vec<Capture> {
        if let Some(field) = field {
            self.capture(Capture::Field { step: 0, which: Which::Last, field: field.text.clone() });
        }
        self.captures
    }

    /// The fields that streams see which read the matches, or the results of the join.
    pub(super) fn passed_on(&self, stream: &str) -> Fields {
        if self.of_join {
            let sides: Vec<Fields> = self.steps.iter().map(|side| side.fields.clone()).collect();
            return Fields::union(stream, &sides);
        }
        Fields::of_match(stream, self.steps.iter().filter_map(|step| Some((step.name?, &step.fields))))
    }

    /// The number of a capture, the same for equal ones.
    pub(super) fn capture(&mut self, capture: Capture) -> ExprKind {
        let index = self.captures.iter().position(|known| *known == capture).unwrap_or_else(|| {
            self.captures.push(capture);
            self.captures.len() - 1
        });
        ExprKind::Captured(index)
    }
}

/// The step that `name` means.
fn step_of(name: &str, scope: &Scope<'_>) -> Option<usize> {
    let aliases = scope.aliases.as_ref().filter(|_| !scope.has_parameter(name))?;
    let named = aliases.steps.iter().position(|alias| alias.name == Some(name));
    if named.is_none() && aliases.own.is_some() && scope.qualifiers.contains(&name) {
        return aliases.own.filter(|own| *own < aliases.steps.len());
    }
    named.or_else(|| aliases.steps.iter().position(|alias| alias.events.contains(&name)))
}

/// A name without anything around it.
fn bare(expr: &ast::Expr) -> Option<&str> {
    if let ast::ExprKind::Name(name) = &expr.kind { Some(name) } else { None }
}

/// The only argument of a call of a function by its name.
fn call<'e>(callee: &'e ast::Expr, args: &'e [Arg]) -> Option<(&'e str, &'e ast::Expr)> {
    match args {
        [Arg { name: None, value }] => Some((bare(callee)?, value)),
        _ => None,
    }
}

/// An int, which may have a sign.
fn constant(expr: &ast::Expr) -> Option<i64> {
    match &expr.kind {
        ast::ExprKind::Int(value) => Some(*value),
        ast::ExprKind::Unary { op: UnaryOp::Negate, operand } => constant(operand)?.checked_neg(),
        _ => None,
    }
}

/// Whether some name in `expr` is an alias.
fn mentions(expr: &ast::Expr, aliases: &Aliases<'_>) -> bool {
    let mentions = |expr: &ast::Expr| mentions(expr, aliases);
    match &expr.kind {
        ast::ExprKind::Name(name) => aliases.steps.iter().any(|alias| alias.closure && alias.name == Some(name)),
        ast::ExprKind::Member { of, .. } => mentions(of),
        ast::ExprKind::Binary { left, right, .. } => mentions(left) || mentions(right),
        ast::ExprKind::Unary { operand, .. } => mentions(operand),
        _ => false,
    }
}

impl Checker<'_> {
    /// What `expr` is, if it is about captured events.
    pub(super) fn captured(&mut self, expr: &ast::Expr, scope: &mut Scope<'_>) -> Option<ExprKind> {
        let aliases = scope.aliases.as_ref().filter(|aliases| !aliases.closed)?;
        match &expr.kind {
            ast::ExprKind::Name(name) if !scope.has_parameter(name) => {
                match aliases.steps.iter().position(|alias| alias.name == Some(name)) {
                    Some(step) if aliases.own == Some(step) => None,
                    Some(step) => {
                        self.of_step(step, expr.span, scope, |step| Capture::Event { step, which: Which::Last })
                    }
                    None if aliases.own.is_none() => self.of_match(name, expr.span, scope),
                    None => None,
                }
            }
            ast::ExprKind::Member { of, field, .. } => {
                let (step, which, plain) = selected(of, scope)?;
                if plain && field.text == "LEN" && aliases.steps[step].closure {
                    return self.of_step(step, expr.span, scope, |step| Capture::Count { step });
                }
                if plain && aliases.own == Some(step) {
                    return None;
                }
                let fields = aliases.steps[step].fields.clone();
                self.expect_field(&field.text, field.span, &fields);
                let field = field.text.clone();
                self.of_step(step, expr.span, scope, |step| Capture::Field { step, which, field })
            }
            ast::ExprKind::Index { of, index } => {
                let step = step_of(bare(of)?, scope)?;
                if let Some((step, which, _)) = selected(expr, scope) {
                    return self.of_step(step, expr.span, scope, |step| Capture::Event { step, which });
                }
                if !aliases.steps[step].closure {
                    return None;
                }
                let of_kind = self.of_step(step, of.span, scope, |step| Capture::Event { step, which: Which::All })?;
                let of = Box::new(Expr { kind: of_kind, span: of.span });
                Some(ExprKind::Index { of, index: self.boxed(index, scope) })
            }
            ast::ExprKind::Call { callee, args } => {
                let (name, arg) = call(callee, args)?;
                if let Some((step, which, _)) = selected(expr, scope) {
                    return self.of_step(step, expr.span, scope, |step| Capture::Event { step, which });
                }
                if let ("count", Some(alias)) = (name, bare(arg))
                    && let Some(step) = step_of(alias, scope)
                {
                    return self.of_step(step, expr.span, scope, |step| Capture::Count { step });
                }
                let (function, _) = *AliasFunction::ALL.iter().find(|(_, known)| *known == name)?;
                self.aggregate(function, name, arg, scope)
            }
            _ => None,
        }
    }

    /// `sum(a.field)` and its relatives.
    fn aggregate(
        &mut self,
        function: AliasFunction,
        name: &str,
        arg: &ast::Expr,
        scope: &mut Scope<'_>,
    ) -> Option<ExprKind> {
        let aliases = scope.aliases.as_ref()?;
        if let ast::ExprKind::Member { of, field, .. } = &arg.kind
            && let Some((step, _, true)) = selected(of, scope)
        {
            // Of the event under test alone there is nothing to add up.
            if aliases.own == Some(step) && !aliases.steps[step].closure {
                return None;
            }
            let fields = aliases.steps[step].fields.clone();
            self.expect_field(&field.text, field.span, &fields);
            let field = field.text.clone();
            return self.of_step(step, arg.span, scope, |step| Capture::Aggregate { function, step, field });
        }
        if mentions(arg, aliases) {
            let message = format!("`{name}` over captured events takes a field of an alias");
            let diagnostic = Diagnostic::new(Code::WrongArguments, arg.span, message).help(format!(
                "for example `{name}(a.price)`; to compute with each event, `collect(a.price)` gives an array"
            ));
            self.report(diagnostic);
            return Some(ExprKind::Null);
        }
        None
    }

    /// A capture of a step, which must have captured something at this place.
    fn of_step(
        &mut self,
        step: usize,
        span: Span,
        scope: &mut Scope<'_>,
        capture: impl FnOnce(usize) -> Capture,
    ) -> Option<ExprKind> {
        let aliases = scope.aliases.as_mut()?;
        let alias = &aliases.steps[step];
        if aliases.own.is_some_and(|own| step > own || step == own && !alias.closure) {
            let name = alias.name.or(alias.events.first().copied()).unwrap_or_default();
            let diagnostic = Diagnostic::new(Code::NeverMatches, span, "this pattern can never match")
                .label(format!("`{name}` is not captured yet when this is looked at"))
                .help("a predicate sees the event under test and the events of the steps before it");
            self.report(diagnostic);
            return Some(ExprKind::Null);
        }
        Some(aliases.capture(capture(step)))
    }

    /// A bare name behind the sequence.
    fn of_match(&mut self, name: &str, span: Span, scope: &mut Scope<'_>) -> Option<ExprKind> {
        let of_join = scope.aliases.as_ref()?.of_join;
        if let (false, Some((_, capture))) = (of_join, OF_MATCH.iter().find(|(known, _)| *known == name)) {
            return Some(scope.aliases.as_mut()?.capture(capture.clone()));
        }
        if matches!(name, "event_type" | "timestamp") || scope.fields.certainly(name) {
            return None;
        }
        let variable = self.visible.get(name, scope.variables).is_some();
        let aliases = scope.aliases.as_ref()?;
        let last = |step: usize, field: &str| Capture::Field { step, which: Which::Last, field: field.to_owned() };
        let certain = aliases.steps.iter().any(|alias| alias.fields.certainly(name));
        let mut found = Vec::new();
        for (step, alias) in aliases.steps.iter().enumerate() {
            if alias.fields.certainly(name) || !certain && alias.fields.possibly(name) {
                found.push(last(step, name));
            }
        }
        // As `.emit()` names it.
        for (step, alias) in aliases.steps.iter().enumerate() {
            let field = alias.name.and_then(|alias| name.strip_prefix(alias)?.strip_prefix('_'));
            if let Some(field) = field.filter(|field| alias.fields.possibly(field)) {
                found.push(last(step, field));
            }
        }
        if found.is_empty() && !variable {
            found.extend((0..aliases.steps.len()).map(|step| last(step, name)));
            let diagnostic = Diagnostic::new(
                Code::UnknownField,
                span,
                format!(
                    "no {} has a field `{name}`",
                    if of_join { "side of this join" } else { "event of this sequence" }
                ),
            )
            .help(if of_join {
                "write the side before it: `A.field`"
            } else {
                "write the alias before it: `a.field`"
            });
            self.report(diagnostic);
        }
        if variable && !certain {
            return None;
        }
        let aliases = scope.aliases.as_mut()?;
        let mut kinds: Vec<ExprKind> = found.into_iter().map(|capture| aliases.capture(capture)).collect();
        match kinds.len() {
            1 => kinds.pop(),
            _ => {
                let args = kinds.into_iter().map(|kind| Expr { kind, span }).collect();
                Some(ExprKind::Call { function: Function::Coalesce, args })
            }
        }
    }
}

/// `a`, `a[1]`, `first(a)`, `last(a)`: which event of which step; and whether it is the alias alone.
fn selected(expr: &ast::Expr, scope: &Scope<'_>) -> Option<(usize, Which, bool)> {
    let step = |expr: &ast::Expr| step_of(bare(expr)?, scope);
    match &expr.kind {
        ast::ExprKind::Name(_) => Some((step(expr)?, Which::Last, true)),
        ast::ExprKind::Index { of, index } => Some((step(of)?, Which::At(constant(index)?), false)),
        ast::ExprKind::Call { callee, args } => match call(callee, args)? {
            ("first", alias) => Some((step(alias)?, Which::At(0), false)),
            ("last", alias) => Some((step(alias)?, Which::Last, false)),
            _ => None,
        },
        _ => None,
    }
}
