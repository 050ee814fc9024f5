//! Formulas: arithmetic and comparisons of numbers, and nothing else, without a detour through values.
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
use crate::expr::{Context, Expr, NumberCell, Order, RegisterIndex, eval};
use crate::syntax::ast::BinaryOp;
use crate::value::NumberKind::{Float, Int};
use crate::value::{self, Number, Owned};

/// What a step reckons with.
#[derive(Debug, Clone, Copy)]
enum Term {
    Constant(Number),
    Cell(NumberCell),
}

impl Term {
    /// What fetches the number that `expr` is; the steps that compute it first are added to `steps`.
    fn of(expr: &Expr, steps: &mut Vec<Step>) -> Option<Term> {
        Some(match expr {
            Expr::Constant(Owned::Int(int)) => Term::Constant(Number::int(*int)),
            Expr::Constant(Owned::Float(float)) => Term::Constant(Number::float(*float)),
            Expr::Column(column) => Term::Cell(NumberCell::of_column(*column)),
            Expr::Register(register) => Term::Cell(NumberCell::of_register(*register)),
            Expr::Arithmetic(arithmetic) => {
                steps.extend_from_slice(arithmetic.steps.as_ref()?);
                Term::Cell(steps.last()?.to)
            }
            _ => return None,
        })
    }

    /// The same for both operands of an operator.
    fn both(sides: &[Expr; 2]) -> Option<(Vec<Step>, [Term; 2])> {
        let mut steps = Vec::new();
        let terms = [Term::of(&sides[0], &mut steps)?, Term::of(&sides[1], &mut steps)?];
        Some((steps, terms))
    }

    #[inline(always)]
    fn number(&self, cx: &Context) -> Option<Number> {
        match self {
            Term::Constant(number) => Some(*number),
            Term::Cell(cell) => cx.number(*cell),
        }
    }
}

/// An operator, its two operands, and where the result goes.
#[derive(Debug, Clone, Copy)]
struct Step {
    op: BinaryOp,
    terms: [Term; 2],
    to: NumberCell,
}

impl Step {
    #[inline(always)]
    fn take(&self, cx: &Context) -> Option<Number> {
        let [left, right] = &self.terms;
        let number = eval::number_arithmetic(self.op, left.number(cx)?, right.number(cx)?).ok()?;
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
        let (mut steps, terms) = Term::both(sides)?;
        steps.push(Step { op, terms, to: compiler.step() });
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
    /// The steps that compute its terms first, and these; `None`: it is no formula.
    formula: Option<(Vec<Step>, [Term; 2])>,
    pub(super) order: Order,
    pub(super) sides: [Expr; 2],
}

impl Comparison {
    pub(super) fn new(order: Order, sides: [Expr; 2]) -> Comparison {
        Comparison { formula: Term::both(&sides), order, sides }
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
