//! Functions that the program declares: their statements, and what calling them does.
//!
//! A function's locals lie in cells of their own, for nobody calls itself: a call sets them, nothing has to be saved.
//!
//! Limits, each of which makes the value of the call missing and is counted (`cut_short`); what has been emitted before
//! stays:
//! 1. a loop makes at most [`MAX_TURNS`] turns,
//! 2. all loops and calls that one record causes make at most [`MAX_STEPS`] turns together,
//! 3. all values that one record causes take at most [`MAX_BYTES`].

use std::cell::Cell;
use std::sync::Arc;

use bumpalo::collections::Vec as ArenaVec;

use crate::expr::eval::unusable;
use crate::expr::{Context, Expr, Why};
use crate::value::Value;

/// The most turns of one loop.
const MAX_TURNS: u32 = 10_000;
/// The most turns of all loops, and calls, that one record causes.
const MAX_STEPS: u32 = 100_000_000;
/// The most memory that the values of one record may take, in bytes.
const MAX_BYTES: usize = 256 << 20;

/// A compiled function.
#[derive(Debug)]
pub(crate) struct Function {
    /// The cell of its first local; the parameters come first.
    pub(crate) first_local: usize,
    pub(crate) body: Box<[Statement]>,
}

/// A compiled statement. Locals are cells of [`Context::parameters`].
#[derive(Debug)]
pub(crate) enum Statement {
    If { branches: Box<[(Expr, Box<[Statement]>)]>, otherwise: Box<[Statement]> },
    For { local: usize, over: Expr, body: Box<[Statement]> },
    While { condition: Expr, body: Box<[Statement]> },
    Break,
    Continue,
    Return(Option<Expr>),
    Set { local: usize, value: Expr },
    Emit { site: EmitSite, fields: Box<[Expr]> },
    Value(Expr),
}

/// Which `emit` of the program.
pub(crate) type EmitSite = usize;

/// A call of a compiled function.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) function: Arc<Function>,
    pub(crate) args: Box<[Expr]>,
}

/// What the calls of one record have done so far.
#[derive(Debug, Default)]
pub(crate) struct Work<'a> {
    steps: Cell<u32>,
    emitted: Cell<Option<&'a Emitted<'a>>>,
}

/// An event that `emit` made.
#[derive(Debug)]
pub(crate) struct Emitted<'a> {
    pub(crate) site: EmitSite,
    /// Its fields, in the order in which they are written there.
    pub(crate) fields: &'a [Value<'a>],
    before: Option<&'a Emitted<'a>>,
}

impl<'a> Context<'a> {
    /// The events that were emitted since the last time, in order.
    pub(crate) fn take_emitted(&self) -> &'a [&'a Emitted<'a>] {
        let mut all = ArenaVec::new_in(self.arena);
        let mut last = self.work.emitted.take();
        while let Some(emitted) = last {
            all.push(emitted);
            last = emitted.before;
        }
        all.reverse();
        all.into_bump_slice()
    }

    /// Whether one more step may be made.
    #[inline]
    fn step(&self) -> bool {
        let steps = self.work.steps.get();
        self.work.steps.set(steps.saturating_add(1));
        steps < MAX_STEPS && self.arena.allocated_bytes() <= MAX_BYTES
    }
}

/// How a statement ends.
enum End<'a> {
    /// With the next statement.
    Next,
    Break,
    Continue,
    Return(Value<'a>),
    /// At a limit, which has been counted.
    CutShort,
}

impl Call {
    pub(super) fn eval<'a>(&'a self, cx: &Context<'a>) -> Value<'a> {
        if !cx.step() {
            return cx.missing(Why::CutShort);
        }
        // An argument may call the same function: the locals are set when all of them are known.
        let mut values = ArenaVec::with_capacity_in(self.args.len(), cx.arena);
        values.extend(self.args.iter().map(|arg| arg.eval(cx)));
        for (local, value) in (self.function.first_local..).zip(values) {
            cx.parameters[local].set(value);
        }
        let mut last = Value::Missing;
        match run(cx, &self.function.body, &mut last) {
            End::Return(value) => value,
            End::CutShort => Value::Missing,
            End::Next | End::Break | End::Continue => last,
        }
    }
}

/// Runs statements until one leads elsewhere. `last` is the value of the last expression.
fn run<'a>(cx: &Context<'a>, statements: &'a [Statement], last: &mut Value<'a>) -> End<'a> {
    for statement in statements {
        let end = match statement {
            Statement::Value(value) => {
                *last = value.eval(cx);
                End::Next
            }
            Statement::Set { local, value } => {
                cx.parameters[*local].set(value.eval(cx));
                End::Next
            }
            Statement::If { branches, otherwise } => {
                let block =
                    branches.iter().find(|(condition, _)| condition.holds(cx)).map_or(otherwise, |(_, block)| block);
                run(cx, block, last)
            }
            Statement::Return(value) => End::Return(value.as_ref().map_or(Value::Missing, |value| value.eval(cx))),
            Statement::Break => End::Break,
            Statement::Continue => End::Continue,
            Statement::For { local, over, body } => run_for(cx, *local, over, body, last),
            Statement::While { condition, body } => {
                let turns = std::iter::from_fn(|| condition.holds(cx).then_some(()));
                repeat(cx, turns, |()| run(cx, body, last))
            }
            Statement::Emit { site, fields } => {
                let fields = cx.arena.alloc_slice_fill_iter(fields.iter().map(|field| field.eval(cx)));
                let before = cx.work.emitted.get();
                cx.work.emitted.set(Some(cx.arena.alloc(Emitted { site: *site, fields, before })));
                End::Next
            }
        };
        if !matches!(end, End::Next) {
            return end;
        }
    }
    End::Next
}

fn run_for<'a>(cx: &Context<'a>, local: usize, over: &'a Expr, body: &'a [Statement], last: &mut Value<'a>) -> End<'a> {
    let turn = |value| {
        cx.parameters[local].set(value);
        run(cx, body, last)
    };
    // A range need not be laid out to be gone through.
    if let Expr::Range { inclusive, ends } = over
        && let (Value::Int(from), Value::Int(to)) = (ends[0].eval(cx), ends[1].eval(cx))
    {
        return match inclusive {
            true => repeat(cx, (from..=to).map(Value::Int), turn),
            false => repeat(cx, (from..to).map(Value::Int), turn),
        };
    }
    match over.eval(cx) {
        Value::Array(items) => repeat(cx, items.iter().copied(), turn),
        other => {
            unusable(cx, [(over, other)]);
            End::Next
        }
    }
}

/// One turn for each item, until one leads out of the loop.
fn repeat<'a, T>(cx: &Context<'a>, items: impl Iterator<Item = T>, mut turn: impl FnMut(T) -> End<'a>) -> End<'a> {
    for (turns, item) in (0..).zip(items) {
        if turns == MAX_TURNS || !cx.step() {
            cx.missing(Why::CutShort);
            return End::CutShort;
        }
        match turn(item) {
            End::Next | End::Continue => {}
            End::Break => break,
            end @ (End::Return(_) | End::CutShort) => return end,
        }
    }
    End::Next
}
