//! Windows and aggregations of a checked program.

use super::{Expr, Projection};
use crate::syntax::ast::Name;

/// A window, an aggregation, or both.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// Which events it holds, and when it gives results.
    pub kind: WindowKind,
    /// How its event time advances.
    pub watermark: Watermark,
    /// How long a window stays open after its end has been reached, in nanoseconds.
    pub allowed_lateness_ns: i64,
    /// A state of its own for each value of this field.
    pub partition_by: Option<Partitioning>,
    /// What comes out; `None`: the events themselves.
    pub aggregate: Option<Aggregate>,
}

/// Kinds of windows. Sizes are in nanoseconds of event time, or in events; all are greater than 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are what the variants say they are")]
pub enum WindowKind {
    /// None: each event by itself.
    Each,
    /// Windows of `size_ns` that begin at multiples of `slide_ns` since 1970; tumbling where both are equal.
    Aligned { size_ns: i64, slide_ns: i64 },
    /// The events of the last `size_ns`, at the first event and then whenever `slide_ns` have passed.
    Sliding { size_ns: i64, slide_ns: i64 },
    /// `size` events, then the next ones.
    Count { size: u64 },
    /// The last `size` events: at first when there are so many, then after every `slide` of them.
    SlidingCount { size: u64, slide: u64 },
    /// Events with no more than `gap_ns` between one and the next.
    Session { gap_ns: i64 },
}

/// How a stream's event time advances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    /// How far events may come behind the latest one, in nanoseconds.
    pub out_of_order_ns: i64,
    /// After how much wall time without an event a partition holds nothing back, in milliseconds; 0: never.
    pub idle_timeout_ms: i64,
    /// Whether the stream, or one that it reads, has a `.watermark`.
    pub declared: bool,
}

impl Default for Watermark {
    fn default() -> Self {
        Watermark { out_of_order_ns: 0, idle_timeout_ms: 30_000, declared: false }
    }
}

/// `.partition_by(field)`
#[derive(Debug, Clone, PartialEq)]
pub struct Partitioning {
    /// The field's name, under which results carry the value.
    pub name: Name,
    /// The field.
    pub value: Expr,
}

/// `.aggregate(name: expr, …)`
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// The calls of aggregate functions in `results`, to which [`ExprKind::Aggregate`](super::ExprKind::Aggregate) refers.
    pub calls: Vec<AggregateCall>,
    /// The fields of a result: expressions over the calls and the partition field.
    pub results: Vec<Projection>,
}

/// One call of an aggregate function.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateCall {
    /// Which function.
    pub function: AggregateFunction,
    /// What it is computed of, an expression over the event; `None` for `count()`.
    pub argument: Option<Expr>,
}

/// The aggregate functions. Values that are missing or null do not count in any of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AggregateFunction {
    /// `count()`, `count(x)`
    Count,
    /// `sum(x)`, a float; 0.0 of nothing.
    Sum,
    /// `avg(x)`
    Avg,
    /// `min(x)`
    Min,
    /// `max(x)`
    Max,
    /// `stddev(x)`, of a sample; null of fewer than two.
    StdDev,
    /// `first(x)`, in order of arrival.
    First,
    /// `last(x)`, in order of arrival.
    Last,
    /// `count_distinct(x)`, `count(distinct(x))`
    CountDistinct,
    /// `ema(x, n)` with α = 2/(n+1), seeded by the first value.
    Ema {
        /// α
        alpha: f64,
    },
    /// `percentile(x, q)`, `median`, `p50`, `p95`, `p99`: interpolated linearly at q·(n−1).
    Percentile {
        /// From 0 to 1.
        q: f64,
    },
    /// `collect(x)`: the values, in order of arrival.
    Collect,
}

impl AggregateFunction {
    /// Whether its result is made of the values themselves, so that an untouched number in it is written as it came in.
    pub fn keeps_values(self) -> bool {
        use AggregateFunction::{Collect, First, Last, Max, Min};
        matches!(self, Min | Max | First | Last | Collect)
    }
}

/// What rows are ordered by.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderKey {
    /// The value that is compared.
    pub value: Expr,
    /// Greatest first.
    pub descending: bool,
}
