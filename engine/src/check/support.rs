//! What of the language kolo runs, what it does not run yet, and what it refuses for good.

use super::Checker;
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::ast::{self, ExprKind, Op, OpKind, Statement, StatementKind};

/// How kolo stands to an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Support {
    /// It runs.
    Yes,
    /// It will not; this does the same or nearly so.
    Refused(&'static str),
}

/// Every operation that has a name.
pub(super) const OPERATIONS: &[(&str, Support)] = &[
    ("where", Support::Yes),
    ("having", Support::Yes),
    ("select", Support::Yes),
    ("emit", Support::Yes),
    ("to", Support::Yes),
    ("limit", Support::Yes),
    ("distinct", Support::Yes),
    ("filter", Support::Yes),
    ("window", Support::Yes),
    ("aggregate", Support::Yes),
    ("partition_by", Support::Yes),
    ("within", Support::Yes),
    ("not", Support::Yes),
    ("strict", Support::Yes),
    ("stnm", Support::Yes),
    ("stam", Support::Yes),
    ("each", Support::Yes),
    ("longest", Support::Yes),
    ("subsets", Support::Yes),
    ("on", Support::Yes),
    ("watermark", Support::Yes),
    ("allowed_lateness", Support::Yes),
    ("order_by", Support::Yes),
    ("map", Support::Yes),
    ("process", Support::Yes),
    ("print", Support::Yes),
    ("log", Support::Yes),
    ("alert", Support::Yes),
    ("tap", Support::Yes),
    ("context", Support::Yes),
    ("trend_aggregate", Support::Yes),
    ("pattern", Support::Yes),
    ("forecast", Support::Refused("put the matches out to a topic and forecast from there")),
    ("score", Support::Refused("put the events out to a topic and score them in a service that reads it")),
    ("enrich", Support::Refused("join with a stream that carries the data: `join(A, B)`")),
    ("fork", Support::Refused("declare several streams that read this one")),
    ("any", Support::Refused("declare a stream for each alternative and `merge` them")),
    ("all", Support::Refused("write a sequence with `->`, or a `join`")),
    ("first", Support::Refused("`.limit(1)` passes the first event")),
    ("concurrent", Support::Refused("start kolo several times: they share the partitions of a consumer group")),
    ("collect", Support::Refused("`.aggregate(all: collect(x))` collects values")),
    ("on_error", Support::Refused("leave it out: malformed records and missing values are counted and reported")),
];

/// Functions that stand in `.aggregate` and `.trend_aggregate` only.
pub(super) const AGGREGATES: &[&str] = &[
    "count",
    "stddev",
    "count_distinct",
    "distinct",
    "distinct_count",
    "ema",
    "median",
    "percentile",
    "p50",
    "p95",
    "p99",
    "collect",
    "count_trends",
    "count_events",
    "sum_trends",
    "avg_trends",
    "min_trends",
    "max_trends",
];

/// What other languages call operations, and how VPL does the same.
pub(super) const FOREIGN_OPERATIONS: &[(&[&str], &str)] = &[
    (&["group_by", "groupby", "key_by", "keyby", "partition"], "write `.partition_by(field)`"),
    (&["tumbling", "tumble", "time_window", "window_by"], "write `.window(1m)`"),
    (&["sliding", "hopping", "hop"], "write `.window(5m, sliding: 1m)`"),
    (&["session", "session_window"], "write `.window(session: 5m)`"),
    (
        &["count", "sum", "avg", "mean", "min", "max", "reduce", "fold", "summarize"],
        "aggregates stand in `.aggregate`: `.window(1m).aggregate(n: count())`",
    ),
    (&["join", "left_join", "right_join", "full_join"], "a join is a source: `stream C = join(A, B).on(A.id == B.id)`"),
    (&["merge", "union"], "a merge is a source: `stream C = merge(A, B)`"),
    (&["sort", "sort_by", "orderby"], "write `.order_by(field)`, behind a window"),
    (&["take", "head"], "write `.limit(10)`"),
    (&["unique", "dedup"], "write `.distinct()`"),
    (&["sink", "publish", "output", "into"], "write `.to(connector, topic: …)`"),
    (&["followed_by", "then", "next"], "write `-> B where … as b`"),
];

/// What other languages call functions, and what VPL calls them.
pub(super) const FOREIGN_FUNCTIONS: &[(&[&str], &str)] = &[
    (&["mean", "average"], "avg"),
    (&["std", "stdev", "stddev_samp"], "stddev"),
    (&["size", "length", "strlen", "char_length"], "len"),
    (&["to_upper", "toupper", "uppercase", "ucase"], "upper"),
    (&["to_lower", "tolower", "lowercase", "lcase"], "lower"),
    (&["str", "string", "tostring"], "to_string"),
    (&["int", "integer", "parse_int"], "to_int"),
    (&["float", "double", "parse_float"], "to_float"),
    (&["substr", "mid", "slice"], "substring"),
    (&["ifnull", "nvl", "default"], "coalesce"),
    (&["ceiling"], "ceil"),
    (&["typeof"], "type_of"),
    (&["uniq", "approx_count_distinct", "count_unique"], "count_distinct"),
    (&["array_agg", "list", "collect_list"], "collect"),
    (&["first_value"], "first"),
    (&["last_value"], "last"),
];

/// What is said of a name by which other languages call something.
pub(super) fn foreign(table: &[(&[&str], &'static str)], name: &str) -> Option<&'static str> {
    let called = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    table.iter().find(|(names, _)| called(names)).map(|(_, own)| *own)
}

impl<'a> Checker<'a> {
    /// Statements that are not supported, or have no effect.
    pub(super) fn refuse_statement(&mut self, statement: &'a Statement) {
        match &statement.kind {
            StatementKind::Import(import) if import.foreign => {
                let message = "kolo runs no foreign functions, and will not";
                let diagnostic =
                    Diagnostic::new(Code::Refused, statement.span, message).help("write the function in VPL with `fn`");
                self.report(diagnostic);
            }
            // All others have been put into their place: these stand in a loop.
            StatementKind::Import(import) => {
                let diagnostic = Diagnostic::new(Code::Misplaced, import.path.span, "a loop cannot import files")
                    .help("move the import before the loop");
                self.report(diagnostic);
            }
            StatementKind::Config(config) => {
                let diagnostic = Diagnostic::new(Code::NoEffect, config.name.span, "`config` has no effect")
                    .help("leave it out; kolo is configured by its flags and by connectors");
                self.report(diagnostic);
            }
            _ => {}
        }
    }

    /// What is wrong with a stream's operations whether they are supported or not.
    pub(super) fn check_shape(&mut self, ops: &'a [Op]) {
        for name in ["window", "aggregate", "trend_aggregate"] {
            let mut found = ops.iter().filter(|op| op.name.text == name);
            if let (Some(first), Some(second)) = (found.next(), found.next()) {
                let message = format!("this is a second `.{name}` in one stream");
                let diagnostic = Diagnostic::new(Code::SecondWindow, second.name.span, message)
                    .related(first.name.span, "the first")
                    .help("put it into a stream of its own that reads this one");
                self.report(diagnostic);
            }
        }
        let mut partitions = ops.iter().filter(|op| op.name.text == "partition_by");
        if let (Some(first), Some(second)) = (partitions.next(), partitions.next_back()) {
            let message = "this has no effect: the last `.partition_by` of a stream holds";
            let diagnostic = Diagnostic::new(Code::NoEffect, first.name.span, message)
                .related(second.name.span, "the last")
                .help("to partition by both, make them one field in a stream before this one");
            self.report(diagnostic);
        }
        let aggregated = ops.iter().any(|op| op.name.text == "aggregate");
        for op in ops {
            match (op.name.text.as_str(), &op.kind) {
                ("having", _) if !aggregated => {
                    let message = "`.having` filters the results of `.aggregate`, and this stream has none";
                    let diagnostic =
                        Diagnostic::new(Code::HavingWithoutAggregate, op.name.span, message).help("write `.where`");
                    self.report(diagnostic);
                }
                ("window", OpKind::Plain(args)) => {
                    if let Some(name) =
                        args.iter().filter_map(|arg| arg.name.as_ref()).find(|name| name.text == "policy")
                    {
                        let diagnostic = Diagnostic::new(Code::Refused, name.span, "a window has no policy")
                            .help("`.watermark` and `.allowed_lateness` say when a window closes");
                        self.report(diagnostic);
                    }
                }
                ("trend_aggregate", OpKind::Plain(args)) => args.iter().for_each(|arg| self.check_trend(&arg.value)),
                _ => {}
            }
        }
    }

    /// A window that computes nothing, and an aggregation without a window, can be meant, and mostly are not. The window
    /// of a join is another thing.
    pub(super) fn check_window(&mut self, ops: &'a [Op], of_join: bool) {
        // An operation that does not exist may be meant to be the missing one.
        if ops.iter().any(|op| !OPERATIONS.contains(&(op.name.text.as_str(), Support::Yes))) {
            return;
        }
        let place = |name: &str| ops.iter().position(|op| op.name.text == name);
        let (window, aggregate) = (place("window"), place("aggregate"));
        // They are about the rows of one closing.
        let about_closings = |op: &Op| matches!(op.name.text.as_str(), "order_by" | "limit" | "distinct");
        match (window.filter(|_| !of_join), aggregate) {
            (Some(window), None) if !ops[window..].iter().any(about_closings) => {
                let message = "nothing is computed over this window; its events only wait until it closes";
                let diagnostic = Diagnostic::new(Code::HalfWindow, ops[window].name.span, message)
                    .help("put `.aggregate(n: count())` behind it, or leave it out");
                self.report(diagnostic);
            }
            (None, Some(aggregate)) => {
                let (message, help) = match of_join {
                    true => (
                        "this aggregates each result by itself: the window of a join says which events match",
                        "let a second stream read the results, with a `.window(1m)` of its own and the aggregate",
                    ),
                    false => (
                        "this aggregates each event by itself: the stream has no window",
                        "put `.window(1m)` before it",
                    ),
                };
                self.report(Diagnostic::new(Code::HalfWindow, ops[aggregate].name.span, message).help(help));
            }
            _ => {}
        }
    }

    /// `sum_trends` and its relatives need an alias: a bare field does not say of which events.
    fn check_trend(&mut self, expr: &ast::Expr) {
        if let ExprKind::Call { callee, args } = &expr.kind
            && let ExprKind::Name(function) = &callee.kind
            && ["sum_trends", "avg_trends", "min_trends", "max_trends"].contains(&function.as_str())
            && let [ast::Arg { value: ast::Expr { kind: ExprKind::Name(field), span, .. }, .. }] = &args[..]
        {
            let message = format!("`{function}` of a bare field does not say of which events");
            let diagnostic = Diagnostic::new(Code::BareTrendField, *span, message)
                .help(format!("write the alias of the `all` step before it: `b.{field}`"));
            self.report(diagnostic);
        }
    }
}
