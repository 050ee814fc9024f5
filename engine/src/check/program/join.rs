//! Joins: their sides, what makes two events belong together, and what is read of them.

use super::{Capture, Expr, Watermark};
use crate::syntax::ast::JoinKind;

/// A join of two or more sides, which are the stream's [`inputs`](super::Stream::inputs). What reads its results refers to
/// the sides' events by [`ExprKind::Captured`](super::ExprKind::Captured).
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// Which sides give a result without a match.
    pub kind: JoinKind,
    /// How much older than the event that arrives another one may be, in nanoseconds.
    pub window_ns: i64,
    /// By side: the parts of its events' key, as many as on every other side.
    pub keys: Vec<Vec<Expr>>,
    /// How far event time has come.
    pub watermark: Watermark,
    /// What [`ExprKind::Captured`](super::ExprKind::Captured) refers to; a step is a side.
    pub captures: Vec<Capture>,
}
