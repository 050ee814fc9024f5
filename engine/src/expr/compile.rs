//! Checked expressions to compiled ones.

use crate::check::program::{Expr as Checked, ExprKind, Function};
use crate::decode::{ColumnIndex, RESERVED};
use crate::expr::{Expr, Order, Place, RegisterIndex};
use crate::syntax::ast::{BinaryOp, UnaryOp};
use crate::value::{self, Owned};

/// What the fields of an event are at some place of a stream.
#[derive(Debug, Clone)]
pub(crate) enum Schema {
    /// Those of the record as it came in.
    Record,
    /// Those of a projection, each with the expression that fetches it. They are in the order in which they were given.
    Fields {
        /// The name of the event's type, where it is not the record's own.
        event_type: Option<Box<str>>,
        fields: Vec<(Box<str>, Expr)>,
    },
}

/// Collects what the expressions of a plan need.
#[derive(Debug)]
pub(crate) struct Compiler<'p> {
    /// The names that have columns, by column.
    pub(crate) columns: Vec<Box<str>>,
    /// The values of the program's variables.
    pub(crate) variables: &'p [Owned],
    /// How many registers there are.
    pub(crate) registers: usize,
    /// How many parameters of nested lambdas there are at most.
    pub(crate) parameters: usize,
    /// How many lambdas enclose the expression at hand.
    lambdas: usize,
    /// Whether some expression reads a record as a whole.
    pub(crate) keep_fields: bool,
}

impl<'p> Compiler<'p> {
    pub(crate) fn new(variables: &'p [Owned]) -> Self {
        let columns = RESERVED.map(Box::from).into();
        Compiler { columns, variables, registers: 0, parameters: 0, lambdas: 0, keep_fields: false }
    }

    /// A register of its own.
    pub(crate) fn register(&mut self) -> RegisterIndex {
        self.registers += 1;
        (self.registers - 1) as RegisterIndex
    }

    /// Compiles `expr`, whose fields are those of `schema`.
    pub(crate) fn expr(&mut self, expr: &Checked, schema: &Schema) -> Expr {
        match &expr.kind {
            ExprKind::Null => Expr::Constant(Owned::Null),
            ExprKind::Bool(bool) => Expr::Constant(Owned::Bool(*bool)),
            ExprKind::Int(int) => Expr::Constant(Owned::Int(*int)),
            ExprKind::Float(float) => Expr::Constant(Owned::Float(*float)),
            ExprKind::String(text) => Expr::Constant(Owned::Str(text.as_str().into())),
            ExprKind::Duration(nanos) => Expr::Constant(Owned::Duration(*nanos)),
            ExprKind::Timestamp(nanos) => Expr::Constant(Owned::Timestamp(*nanos)),
            ExprKind::Array(items) => Expr::Array(items.iter().map(|item| self.expr(item, schema)).collect()),
            ExprKind::Map(entries) => {
                let mut compiled: Vec<(Box<str>, Expr)> = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let value = self.expr(value, schema);
                    match compiled.iter_mut().find(|(earlier, _)| **earlier == **key) {
                        Some((_, earlier)) => *earlier = value,
                        None => compiled.push((key.as_str().into(), value)),
                    }
                }
                Expr::Map(compiled.into())
            }
            ExprKind::Field(name) => self.field(name, schema),
            ExprKind::Event => self.event(schema),
            // Only behind a sequence, which the checker refuses.
            ExprKind::Captured(_) => Expr::Constant(Owned::Missing),
            ExprKind::Variable(index) => Expr::Constant(self.variables[*index].clone()),
            ExprKind::Parameter(index) => Expr::Parameter(*index),
            ExprKind::Member { of, field } => Expr::Member(self.boxed(of, schema), field.as_str().into()),
            ExprKind::Index { of, index } => Expr::Index(self.pair(of, index, schema)),
            ExprKind::Slice { of, from, to } => {
                let mut end = |end: &Option<Box<Checked>>| end.as_ref().map(|end| self.boxed(end, schema));
                let (from, to) = (end(from), end(to));
                Expr::Slice(self.boxed(of, schema), from, to)
            }
            ExprKind::Call { function: function @ (Function::Map | Function::Filter), args } => {
                self.each(*function, args, schema)
            }
            ExprKind::Call { function, args } => {
                Expr::Call(*function, args.iter().map(|arg| self.expr(arg, schema)).collect())
            }
            // A lambda stands only where `each` takes it apart.
            ExprKind::Lambda(body) => self.expr(body, schema),
            ExprKind::Unary { op: UnaryOp::Negate, operand } => match self.expr(operand, schema) {
                Expr::Constant(Owned::Int(int)) if int != i64::MIN => Expr::Constant(Owned::Int(-int)),
                Expr::Constant(Owned::Float(float)) => Expr::Constant(Owned::Float(-float)),
                operand => Expr::Negate(Box::new(operand)),
            },
            ExprKind::Unary { op: UnaryOp::BitNot, operand } => Expr::BitNot(self.boxed(operand, schema)),
            ExprKind::Unary { op: UnaryOp::Not, operand } => Expr::Not(self.boxed(operand, schema)),
            ExprKind::Binary { op, left, right } => binary(*op, self.pair(left, right, schema)),
            ExprKind::IsNull { operand, negated } => {
                Expr::IsNull { negated: *negated, operand: self.boxed(operand, schema) }
            }
            ExprKind::Range { from, to, inclusive } => {
                Expr::Range { inclusive: *inclusive, ends: self.pair(from, to, schema) }
            }
            ExprKind::If { condition, then, otherwise } => Expr::If(Box::new([
                self.expr(condition, schema),
                self.expr(then, schema),
                self.expr(otherwise, schema),
            ])),
        }
    }

    /// The whole event as a map.
    pub(crate) fn event(&mut self, schema: &Schema) -> Expr {
        match schema {
            Schema::Record => {
                self.keep_fields = true;
                Expr::Record
            }
            Schema::Fields { fields, .. } => Expr::Map(fields.clone().into()),
        }
    }

    /// What fetches the field `name`.
    pub(crate) fn field(&mut self, name: &str, schema: &Schema) -> Expr {
        match schema {
            Schema::Record => match name {
                "event_type" => Expr::EventType,
                "timestamp" => Expr::TimestampOrTime,
                _ => Expr::Column(self.column(name)),
            },
            Schema::Fields { event_type, fields } => {
                if let Some((_, fetch)) = fields.iter().find(|(field, _)| **field == *name) {
                    return fetch.clone();
                }
                match (name, event_type) {
                    ("event_type", None) => Expr::EventType,
                    ("event_type", Some(name)) => Expr::Constant(Owned::Str(name.clone())),
                    ("timestamp", _) => Expr::Time,
                    _ => Expr::Constant(Owned::Missing),
                }
            }
        }
    }

    fn column(&mut self, name: &str) -> ColumnIndex {
        let index = self.columns.iter().position(|column| **column == *name).unwrap_or_else(|| {
            self.columns.push(name.into());
            self.columns.len() - 1
        });
        index as ColumnIndex
    }

    fn each(&mut self, function: Function, args: &[Checked], schema: &Schema) -> Expr {
        let [over, lambda] = args else { return Expr::Constant(Owned::Missing) };
        let over = self.boxed(over, schema);
        let parameter = self.lambdas;
        self.lambdas += 1;
        self.parameters = self.parameters.max(self.lambdas);
        let body = self.boxed(lambda, schema);
        self.lambdas -= 1;
        Expr::Each { keep: function == Function::Filter, over, body, parameter }
    }

    fn boxed(&mut self, expr: &Checked, schema: &Schema) -> Box<Expr> {
        Box::new(self.expr(expr, schema))
    }

    fn pair(&mut self, left: &Checked, right: &Checked, schema: &Schema) -> Box<[Expr; 2]> {
        Box::new([self.expr(left, schema), self.expr(right, schema)])
    }
}

fn binary(op: BinaryOp, sides: Box<[Expr; 2]>) -> Expr {
    match op {
        BinaryOp::And => Expr::And(sides),
        BinaryOp::Or => Expr::Or(sides),
        BinaryOp::Equal => Expr::Equal { negated: false, sides },
        BinaryOp::NotEqual => Expr::Equal { negated: true, sides },
        BinaryOp::In => Expr::In { negated: false, sides },
        BinaryOp::NotIn => Expr::In { negated: true, sides },
        BinaryOp::Less => order(Order::Less, sides),
        BinaryOp::LessOrEqual => order(Order::LessOrEqual, sides),
        BinaryOp::Greater => order(Order::Greater, sides),
        BinaryOp::GreaterOrEqual => order(Order::GreaterOrEqual, sides),
        BinaryOp::BitOr
        | BinaryOp::BitXor
        | BinaryOp::BitAnd
        | BinaryOp::ShiftLeft
        | BinaryOp::ShiftRight
        | BinaryOp::Add
        | BinaryOp::Subtract
        | BinaryOp::Multiply
        | BinaryOp::Divide
        | BinaryOp::Remainder
        | BinaryOp::Power => Expr::Arithmetic(op, sides),
    }
}

fn order(order: Order, sides: Box<[Expr; 2]>) -> Expr {
    let place = match sides[0] {
        Expr::Column(column) => Some(Place::Column(column)),
        Expr::Register(register) => Some(Place::Register(register)),
        _ => None,
    };
    match (place, &sides[1]) {
        (Some(place), Expr::Constant(Owned::Float(limit))) => Expr::OrderToNumber(order, place, *limit),
        (Some(place), Expr::Constant(Owned::Int(limit))) if value::fits_float(*limit) => {
            Expr::OrderToNumber(order, place, *limit as f64)
        }
        _ => Expr::Order(order, sides),
    }
}
