//! Windows and aggregations: `.window`, `.aggregate`, `.partition_by`, `.watermark`, `.allowed_lateness`.
//!
//! These operations belong together wherever they stand in their stream, so they are collected beforehand. The window
//! takes its place where `.aggregate` stands, else where `.window` does: what comes before it concerns events, what comes
//! after it results.

use super::expression::{Fields, Scope};
use super::program::{
    Aggregate, AggregateCall, AggregateFunction, ExprKind, Input, Origin, Partitioning, Watermark, Window, WindowKind,
};
use super::{Checker, Declared};
use crate::diagnostic::{Code, Diagnostic, similar};
use crate::syntax::ast::{self, Arg, Name, Op, OpKind, SourceKind, Span};

/// The most hopping windows that one event may belong to.
const MAX_OVERLAP: i64 = 10_000;

/// What is inside `.aggregate`, outside of the aggregates' arguments.
pub(super) struct Aggregation {
    calls: Vec<AggregateCall>,
    /// The only field that has one value for all events of a group.
    pub(super) partition: Option<String>,
}

/// What the operations of a stream say of its window.
pub(super) struct Windowing<'a> {
    kind: WindowKind,
    pub(super) watermark: Watermark,
    allowed_lateness_ns: i64,
    /// The field of `.partition_by`, and its expression.
    pub(super) partition: Option<(&'a str, &'a ast::Expr)>,
    /// Whether there is an `.aggregate`.
    pub(super) aggregates: bool,
    /// Whether the stream has state that `.partition_by` divides.
    pub(super) stateful: bool,
    /// Whether the window stands before the operation at hand.
    pub(super) placed: bool,
}

impl Windowing<'_> {
    /// The watermark of what comes out: that of a window lies behind the disorder of what goes in.
    pub(super) fn passed_on(&self) -> Watermark {
        match self.stateful {
            true => Watermark { out_of_order_ns: 0, ..self.watermark },
            false => self.watermark,
        }
    }
}

/// The watermark of a stream without `.watermark`: that of what it reads. Of several inputs the most patient.
pub(super) fn inherited(inputs: &[Input], watermarks: &[Watermark]) -> Watermark {
    let read = inputs.iter().map(|input| match input.from {
        Origin::Stream(stream) => watermarks[stream],
        Origin::Source(_) | Origin::Event(_) | Origin::Timer(_) => Watermark::default(),
    });
    let most_patient = |a: Watermark, b: Watermark| Watermark {
        out_of_order_ns: a.out_of_order_ns.max(b.out_of_order_ns),
        idle_timeout_ms: match (a.idle_timeout_ms, b.idle_timeout_ms) {
            (0, _) | (_, 0) => 0,
            (a, b) => a.max(b),
        },
        declared: a.declared || b.declared,
    };
    read.reduce(most_patient).unwrap_or_default()
}

impl<'a> Checker<'a> {
    /// Goes through the operations of a stream that describe its window.
    pub(super) fn windowing(&mut self, declared: Declared<'a>, watermark: Watermark) -> Windowing<'a> {
        let ops = &declared.stream.ops;
        let has = |name: &str| ops.iter().any(|op| op.name.text == name);
        let (windowed, aggregates) = (has("window"), has("aggregate"));
        // Their state is not a window's, and `.partition_by` divides that.
        let sequence = self.is_sequence(declared.stream);
        let other_state = sequence || matches!(declared.stream.source.kind, SourceKind::Join { .. });
        let mut windowing = Windowing {
            kind: WindowKind::Each,
            watermark,
            allowed_lateness_ns: 0,
            partition: None,
            aggregates,
            stateful: windowed || aggregates || other_state,
            placed: false,
        };
        for (name, op) in ops.iter().map(|op| (op.name.text.as_str(), op)) {
            let OpKind::Plain(args) = &op.kind else { continue };
            match name {
                "watermark" => self.watermark(op, args, declared.variables, &mut windowing),
                "partition_by" if !sequence => windowing.partition = self.partition(op, args),
                _ => {}
            }
        }
        for (name, op) in ops.iter().map(|op| (op.name.text.as_str(), op)) {
            let OpKind::Plain(args) = &op.kind else { continue };
            match name {
                // It is the join's.
                "window" if matches!(declared.stream.source.kind, SourceKind::Join { .. }) => {}
                "window" => {
                    let watermark = windowing.watermark.declared;
                    let kind = self.window_kind(op, args, declared.variables, watermark);
                    windowing.kind = kind.unwrap_or(WindowKind::Each);
                }
                "allowed_lateness" => {
                    if let Some(arg) = self.one(op, args) {
                        let what = "`.allowed_lateness` takes a duration";
                        windowing.allowed_lateness_ns =
                            self.span_of_time(arg, 0, declared.variables, what).unwrap_or(0);
                    }
                }
                _ => {}
            }
        }
        let of_time = matches!(windowing.kind, WindowKind::Aligned { .. } | WindowKind::Session { .. });
        if let Some(op) = ops.iter().find(|op| op.name.text == "allowed_lateness" && !of_time) {
            let message = "`.allowed_lateness` has no effect: this stream has no window that event time closes";
            let diagnostic = Diagnostic::new(Code::NoEffect, op.name.span, message)
                .help("tumbling, hopping (with `.watermark`) and session windows have ends that events can miss");
            self.report(diagnostic);
        }
        windowing
    }

    /// `.watermark(out_of_order: d, idle_timeout: d)`
    fn watermark(&mut self, op: &'a Op, args: &'a [Arg], variables: usize, windowing: &mut Windowing<'a>) {
        const KNOWN: &[&str] = &["out_of_order", "idle_timeout"];
        let watermark = &mut windowing.watermark;
        *watermark = Watermark { declared: true, ..Watermark::default() };
        let labels = args.iter().filter_map(|arg| arg.name.as_ref());
        self.given_twice(labels.map(|name| (name.text.clone(), name.span)));
        let mut out_of_order = None;
        for arg in args {
            match arg.name.as_ref().map(|name| name.text.as_str()) {
                Some("out_of_order") => {
                    let what = "`out_of_order` takes a duration";
                    out_of_order = Some(self.span_of_time(&arg.value, 0, variables, what).unwrap_or(0));
                }
                Some("idle_timeout") => {
                    let what = "`idle_timeout` takes a duration";
                    if let Some(timeout_ns) = self.span_of_time(&arg.value, 0, variables, what) {
                        // Not rounded to 0, which means never.
                        watermark.idle_timeout_ms = timeout_ns.div_euclid(1_000_000).max(timeout_ns.signum());
                    }
                }
                Some(_) => {
                    let label = arg.name.as_ref().expect("it has a name");
                    self.unknown_argument(label, "`.watermark`", KNOWN);
                }
                None => {
                    let message = "the arguments of `.watermark` have names";
                    let diagnostic = Diagnostic::new(Code::WrongArguments, arg.value.span, message)
                        .help("for example `.watermark(out_of_order: 10s)`");
                    self.report(diagnostic);
                }
            }
        }
        if out_of_order.is_none() && args.iter().all(|arg| arg.name.is_some()) {
            let message = "`.watermark` does not say how far events may be out of order";
            let diagnostic = Diagnostic::new(Code::WrongArguments, op.span, message)
                .help("for example `.watermark(out_of_order: 10s)`; `0s` if they never are");
            self.report(diagnostic);
        }
        watermark.out_of_order_ns = out_of_order.unwrap_or(0);
    }

    /// `.partition_by(field)`, `.partition_by(alias.field)`
    fn partition(&mut self, op: &'a Op, args: &'a [Arg]) -> Option<(&'a str, &'a ast::Expr)> {
        let field = self.one(op, args)?;
        match &field.kind {
            ast::ExprKind::Name(name) => Some((name, field)),
            ast::ExprKind::Member { of, field: Name { text, .. }, .. } if matches!(of.kind, ast::ExprKind::Name(_)) => {
                Some((text, field))
            }
            _ => {
                let diagnostic = Diagnostic::new(Code::BadValue, field.span, "`.partition_by` takes a field");
                self.report(match &field.kind {
                    ast::ExprKind::String(name) => diagnostic.help(format!("without quotes: `.partition_by({name})`")),
                    _ => diagnostic.help(
                        "compute it in a stream before this one: `.select(…, key: …)`, then `.partition_by(key)`",
                    ),
                });
                None
            }
        }
    }

    /// `d`, `d, sliding: d`, `n`, `n, sliding: n` or `session: d`.
    fn window_kind(&mut self, op: &Op, args: &'a [Arg], variables: usize, watermark: bool) -> Option<WindowKind> {
        let (mut size, mut sliding, mut session) = (None, None, None);
        let mut unknown = false;
        for arg in args {
            match &arg.name {
                None if size.is_none() => size = Some(&arg.value),
                None => {
                    let message = "`.window` takes 1 size, and this is another one";
                    let diagnostic = Diagnostic::new(Code::WrongArguments, arg.value.span, message)
                        .help("a window that slides is `.window(5m, sliding: 1m)`");
                    self.report(diagnostic);
                    return None;
                }
                Some(name) if name.text == "sliding" => sliding = Some(&arg.value),
                Some(name) if name.text == "session" => session = Some(&arg.value),
                // Refused with the shape of the stream.
                Some(name) if name.text == "policy" => {}
                Some(name) => {
                    let known = match name.text.as_str() {
                        "slide" | "hop" | "every" | "advance" => "sliding",
                        "gap" => "session",
                        _ => "",
                    };
                    let message = format!("`.window` has no argument `{}`", name.text);
                    let diagnostic = Diagnostic::new(Code::UnknownArgument, name.span, message);
                    self.report(match known {
                        "" => diagnostic.suggest(similar(&name.text, ["sliding", "session"])).help(
                            "its size has no name, the others are sliding and session: `.window(5m, sliding: 1m)`",
                        ),
                        known => diagnostic.suggest(Some(known)),
                    });
                    unknown = true;
                }
            }
        }
        let labels = args.iter().filter_map(|arg| arg.name.as_ref());
        self.given_twice(labels.map(|name| (name.text.clone(), name.span)));
        match (size, sliding, session) {
            // What is missing may be what has a wrong name.
            (None, None, None) if unknown => None,
            (None, None, Some(gap)) => {
                Some(WindowKind::Session { gap_ns: self.span_of_time(gap, 1, variables, "`session` takes the gap")? })
            }
            (Some(size), sliding, None) => {
                let size_span = size.span;
                let slide_span = sliding.map_or(size_span, |sliding| sliding.span);
                let size = self.constant_of(size, variables);
                let slide = sliding.map(|sliding| self.constant_of(sliding, variables));
                match (size, slide) {
                    (ExprKind::Duration(size_ns), None) if size_ns > 0 => {
                        Some(WindowKind::Aligned { size_ns, slide_ns: size_ns })
                    }
                    (ExprKind::Duration(size_ns), Some(ExprKind::Duration(slide_ns)))
                        if size_ns > 0 && slide_ns > 0 =>
                    {
                        if !watermark {
                            return Some(WindowKind::Sliding { size_ns, slide_ns });
                        }
                        if size_ns / slide_ns > MAX_OVERLAP {
                            let message = format!("an event would belong to more than {MAX_OVERLAP} windows");
                            let diagnostic =
                                Diagnostic::new(Code::BadValue, slide_span, message).help("slide by more at a time");
                            self.report(diagnostic);
                        }
                        Some(WindowKind::Aligned { size_ns, slide_ns })
                    }
                    (ExprKind::Int(size), None) if size > 0 => Some(WindowKind::Count { size: size as u64 }),
                    (ExprKind::Int(size), Some(ExprKind::Int(slide))) if size > 0 && slide > 0 => {
                        Some(WindowKind::SlidingCount { size: size as u64, slide: slide as u64 })
                    }
                    (ExprKind::Duration(1..) | ExprKind::Int(1..), Some(_)) => {
                        let message = "a window slides by what it is measured in: a duration or a number of events";
                        let diagnostic = Diagnostic::new(Code::BadValue, slide_span, message)
                            .help("for example `.window(5m, sliding: 1m)` or `.window(100, sliding: 10)`");
                        self.report(diagnostic);
                        None
                    }
                    other => {
                        let message =
                            "a window's size is a duration or a number of events, known before the program runs";
                        let help = match &other {
                            (ExprKind::String(text), _) => format!("without quotes: `.window({text})`"),
                            _ => "for example `.window(5m)` or `.window(100)`".to_owned(),
                        };
                        self.report(Diagnostic::new(Code::BadValue, size_span, message).help(help));
                        None
                    }
                }
            }
            _ => {
                let message = "`.window` takes a size or a session's gap";
                let help =
                    "for example `.window(5m)`, `.window(5m, sliding: 1m)`, `.window(100)` or `.window(session: 5m)`";
                self.report(Diagnostic::new(Code::WrongArguments, op.span, message).help(help));
                None
            }
        }
    }

    /// A constant duration of at least `least` nanoseconds.
    pub(super) fn span_of_time(&mut self, expr: &ast::Expr, least: i64, variables: usize, what: &str) -> Option<i64> {
        match self.constant_of(expr, variables) {
            ExprKind::Duration(nanos) if nanos >= least => Some(nanos),
            _ => {
                let message = format!("{what}, known before the program runs");
                self.report(Diagnostic::new(Code::BadValue, expr.span, message).help("for example `10s`"));
                None
            }
        }
    }

    fn constant_of(&mut self, expr: &ast::Expr, variables: usize) -> ExprKind {
        self.constant(expr, &mut Scope::new(Fields::None, variables))
    }

    /// The value of an expression that must not depend on an event, variables looked through.
    pub(super) fn constant(&mut self, expr: &ast::Expr, scope: &mut Scope<'_>) -> ExprKind {
        let mut resolved = self.resolve(expr, scope);
        while let ExprKind::Variable(index) = resolved.kind {
            resolved = self.program.variables[index].value.clone();
        }
        resolved.kind
    }

    /// The window at its place. What comes after it sees its results.
    pub(super) fn window(
        &mut self,
        windowing: &Windowing<'a>,
        aggregate: Option<(&'a Op, &'a [Arg])>,
        declared: Declared<'a>,
        scope: &mut Scope<'a>,
    ) -> Window {
        let partition_by = windowing.partition.map(|(name, field)| Partitioning {
            name: Name { text: name.to_owned(), span: field.span },
            value: self.resolve(field, scope),
        });
        let aggregate = aggregate.map(|(op, args)| {
            if args.is_empty() {
                let diagnostic = Diagnostic::new(Code::WrongArguments, op.span, "`.aggregate` computes nothing")
                    .help("name what to compute: `.aggregate(n: count(), mean: avg(price))`");
                self.report(diagnostic);
            }
            let partition = windowing.partition.map(|(name, _)| name.to_owned());
            scope.aggregation = Some(Aggregation { calls: Vec::new(), partition });
            let results = self.projections(args, scope, false);
            let calls = scope.aggregation.take().expect("put there just now").calls;
            let first = windowing.partition.map(|(name, _)| name);
            scope.projected(Fields::of_result(&declared.stream.name.text, first, &results));
            Aggregate { calls, results }
        });
        Window {
            kind: windowing.kind,
            watermark: windowing.watermark,
            allowed_lateness_ns: windowing.allowed_lateness_ns,
            partition_by,
            aggregate,
        }
    }

    /// A call inside `.aggregate`: that of an aggregate, unless it can only be the function of the same name.
    pub(super) fn aggregate_call(
        &mut self,
        name: &str,
        args: &[Arg],
        span: Span,
        scope: &mut Scope<'_>,
    ) -> Option<ExprKind> {
        let takes = match name {
            "count" => (0, 1),
            "min" | "max" if args.len() > 1 => return None,
            "ema" | "percentile" => (2, 2),
            "sum" | "avg" | "min" | "max" | "stddev" | "first" | "last" | "count_distinct" | "distinct_count"
            | "median" | "p50" | "p95" | "p99" | "collect" => (1, 1),
            "distinct" => {
                let diagnostic = Diagnostic::new(Code::UnknownFunction, span, "`distinct` stands in `count(…)` only")
                    .help("write `count_distinct(x)`, or `count(distinct(x))`");
                self.report(diagnostic);
                return Some(ExprKind::Null);
            }
            _ => return None,
        };
        self.arity(name, args, takes, span);
        if !(takes.0..=takes.1).contains(&args.len()) {
            return Some(ExprKind::Null);
        }
        let mut function = match name {
            "count" => AggregateFunction::Count,
            "sum" => AggregateFunction::Sum,
            "avg" => AggregateFunction::Avg,
            "min" => AggregateFunction::Min,
            "max" => AggregateFunction::Max,
            "stddev" => AggregateFunction::StdDev,
            "first" => AggregateFunction::First,
            "last" => AggregateFunction::Last,
            "median" | "p50" => AggregateFunction::Percentile { q: 0.5 },
            "p95" => AggregateFunction::Percentile { q: 0.95 },
            "p99" => AggregateFunction::Percentile { q: 0.99 },
            "collect" => AggregateFunction::Collect,
            "ema" => AggregateFunction::Ema { alpha: self.ema_alpha(&args[1].value, scope) },
            "percentile" => AggregateFunction::Percentile { q: self.quantile(&args[1].value, scope) },
            _ => AggregateFunction::CountDistinct,
        };
        let mut argument = args.first().map(|arg| &arg.value);
        if let (AggregateFunction::Count, Some(ast::ExprKind::Call { callee, args })) =
            (function, argument.map(|argument| &argument.kind))
            && let (ast::ExprKind::Name(inner), [Arg { name: None, value }]) = (&callee.kind, &args[..])
            && inner == "distinct"
        {
            (function, argument) = (AggregateFunction::CountDistinct, Some(value));
        }
        let aggregation = scope.aggregation.take();
        let argument = argument.map(|argument| self.resolve(argument, scope));
        scope.aggregation = aggregation;
        let calls = &mut scope.aggregation.as_mut()?.calls;
        calls.push(AggregateCall { function, argument });
        Some(ExprKind::Aggregate(calls.len() - 1))
    }

    fn ema_alpha(&mut self, periods: &ast::Expr, scope: &mut Scope<'_>) -> f64 {
        match self.constant(periods, scope) {
            ExprKind::Int(periods @ 1..) => 2.0 / (periods as f64 + 1.0),
            _ => {
                let message = "the second argument of `ema` is a number of events, known before the program runs";
                self.report(
                    Diagnostic::new(Code::BadValue, periods.span, message).help("for example `ema(price, 12)`"),
                );
                1.0
            }
        }
    }

    fn quantile(&mut self, quantile: &ast::Expr, scope: &mut Scope<'_>) -> f64 {
        let q = match self.constant(quantile, scope) {
            ExprKind::Int(q) => q as f64,
            ExprKind::Float(q) => q,
            _ => f64::NAN,
        };
        if !(0.0..=1.0).contains(&q) {
            let message =
                "the second argument of `percentile` lies between 0 and 1, and is known before the program runs";
            let diagnostic =
                Diagnostic::new(Code::BadValue, quantile.span, message).help("for example `percentile(latency, 0.95)`");
            self.report(diagnostic);
            return 0.5;
        }
        q
    }

    /// A field has many values in a group; a result has one.
    pub(super) fn field_outside_aggregate(&mut self, name: &str, span: Span) {
        let message = format!("`{name}` has a value for each event, and a result needs one for all of them");
        let diagnostic = Diagnostic::new(Code::FieldOutsideAggregate, span, message).help(
            match super::support::AGGREGATES.contains(&name) {
                true => format!("a function is called: `{name}()`, or `{name}(x)`"),
                false => format!("say which: `last({name})`, `avg({name})`; or `.partition_by({name})`"),
            },
        );
        self.report(diagnostic);
    }
}
