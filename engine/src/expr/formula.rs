//! Formulas: sums, products and comparisons of numbers, and nothing else, without a detour through values.
//!
//! A [`Value`](crate::value::Value) is three words and travels through memory; a [`Number`] is two and travels in
//! registers. An expression that only reckons with numbers is therefore compiled twice: as what it is, and as a formula, a
//! list of steps. A step takes its two numbers from cells, each of which belongs to a column or to a computed field and
//! knows for which event it holds, and leaves its result in another one; there is nothing to be told apart but ints and
//! floats.
//!
//! A formula counts nothing, and gives up as soon as anything but the plain case shows: an operand that is no number, an
//! overflow, a division by zero. The expression is then evaluated as always, which comes to the same end and counts why.

use crate::expr::compile::Compiler;
use crate::expr::{Context, Expr, NumberCell, Order, RegisterIndex};
use crate::syntax::ast::BinaryOp;
use crate::value::NumberKind::{Float, Int};
use crate::value::{self, Number, Owned};

/// An operator of formulas.
#[derive(Debug, Clone, Copy)]
enum Op {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Op {
    fn of(op: BinaryOp) -> Option<Op> {
        Some(match op {
            BinaryOp::Add => Op::Add,
            BinaryOp::Subtract => Op::Subtract,
            BinaryOp::Multiply => Op::Multiply,
            BinaryOp::Divide => Op::Divide,
            BinaryOp::Remainder => Op::Remainder,
            _ => return None,
        })
    }

    #[inline(always)]
    fn ints(self, a: i64, b: i64) -> Option<i64> {
        match self {
            Op::Add => a.checked_add(b),
            Op::Subtract => a.checked_sub(b),
            Op::Multiply => a.checked_mul(b),
            Op::Divide => a.checked_div(b),
            Op::Remainder => a.checked_rem(b),
        }
    }

    #[inline(always)]
    fn floats(self, a: f64, b: f64) -> Option<f64> {
        let result = match self {
            Op::Add => a + b,
            Op::Subtract => a - b,
            Op::Multiply => a * b,
            Op::Divide => a / b,
            Op::Remainder => a % b,
        };
        result.is_finite().then_some(result)
    }
}

/// What a step reckons with.
#[derive(Debug, Clone, Copy)]
struct Term {
    /// Where the number is; `None`: it is `constant`.
    cell: Option<NumberCell>,
    constant: Number,
}

impl Term {
    /// What fetches the number that `expr` is; the steps that compute it first are added to `steps`.
    fn of(expr: &Expr, steps: &mut Vec<Step>) -> Option<Term> {
        let constant = |constant| Term { cell: None, constant };
        let cell = |cell| Term { cell: Some(cell), constant: Number::int(0) };
        Some(match expr {
            Expr::Constant(Owned::Int(int)) => constant(Number::int(*int)),
            Expr::Constant(Owned::Float(float)) => constant(Number::float(*float)),
            Expr::Column(column) => cell(NumberCell::of_column(*column)),
            Expr::Register(register) => cell(NumberCell::of_register(*register)),
            Expr::Arithmetic(arithmetic) => {
                steps.extend_from_slice(arithmetic.steps.as_ref()?);
                cell(steps.last()?.to)
            }
            _ => return None,
        })
    }

    #[inline(always)]
    fn number(&self, cx: &Context) -> Option<Number> {
        match self.cell {
            Some(cell) => cx.number(cell),
            None => Some(self.constant),
        }
    }
}

/// An operator, its two operands, and where the result goes.
#[derive(Debug, Clone, Copy)]
struct Step {
    op: Op,
    terms: [Term; 2],
    to: NumberCell,
}

impl Step {
    #[inline(always)]
    fn take(&self, cx: &Context) -> Option<Number> {
        let [left, right] = &self.terms;
        let (left, right) = (left.number(cx)?, right.number(cx)?);
        let number = match (left.kind(), right.kind()) {
            (Int(a), Int(b)) => Number::int(self.op.ints(a, b)?),
            _ => Number::float(self.op.floats(left.as_float(), right.as_float())?),
        };
        cx.remember(self.to, number)?;
        Some(number)
    }
}

/// `+ - * / % **` and the operators on bits.
#[derive(Debug, Clone)]
pub(crate) struct Arithmetic {
    /// `None`: it is no formula.
    steps: Option<Box<[Step]>>,
    pub(super) op: BinaryOp,
    pub(super) sides: [Expr; 2],
}

impl Arithmetic {
    pub(super) fn new(op: BinaryOp, sides: [Expr; 2], compiler: &mut Compiler) -> Arithmetic {
        Arithmetic { steps: Self::steps(op, &sides, compiler), op, sides }
    }

    fn steps(op: BinaryOp, sides: &[Expr; 2], compiler: &mut Compiler) -> Option<Box<[Step]>> {
        let mut steps = Vec::new();
        let terms = [Term::of(&sides[0], &mut steps)?, Term::of(&sides[1], &mut steps)?];
        steps.push(Step { op: Op::of(op)?, terms, to: compiler.step() });
        Some(steps.into())
    }

    /// Lets a formula leave its result in the cell of a register.
    pub(crate) fn leave_in(&mut self, register: RegisterIndex) {
        if let Some(last) = self.steps.as_deref_mut().and_then(<[Step]>::last_mut) {
            last.to = NumberCell::of_register(register);
        }
    }

    /// The result, if it is plain.
    #[inline(never)]
    pub(super) fn number(&self, cx: &Context) -> Option<Number> {
        let mut result = None;
        for step in self.steps.as_deref()? {
            result = Some(step.take(cx)?);
        }
        result
    }
}

/// `<`, `<=`, `>` and `>=`.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    /// What computes the terms, and these; `None`: it is no formula.
    formula: Option<(Box<[Step]>, [Term; 2])>,
    pub(super) order: Order,
    pub(super) sides: [Expr; 2],
}

impl Comparison {
    pub(super) fn new(order: Order, sides: [Expr; 2]) -> Comparison {
        Comparison { formula: Self::formula(&sides), order, sides }
    }

    fn formula(sides: &[Expr; 2]) -> Option<(Box<[Step]>, [Term; 2])> {
        let mut steps = Vec::new();
        let terms = [Term::of(&sides[0], &mut steps)?, Term::of(&sides[1], &mut steps)?];
        Some((steps.into(), terms))
    }

    /// The result, if it is plain.
    #[inline(always)]
    pub(super) fn plain(&self, cx: &Context) -> Option<bool> {
        let (steps, [left, right]) = self.formula.as_ref()?;
        for step in steps {
            step.take(cx)?;
        }
        Some(match (left.number(cx)?.kind(), right.number(cx)?.kind()) {
            (Float(a), Float(b)) => self.order.between(a, b),
            (Int(a), Int(b)) => self.order.between(a, b),
            (Float(a), Int(b)) if value::fits_float(b) => self.order.between(a, b as f64),
            (Int(a), Float(b)) if value::fits_float(a) => self.order.between(a as f64, b),
            _ => return None,
        })
    }
}
