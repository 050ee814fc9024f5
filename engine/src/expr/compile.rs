//! Checked expressions to compiled ones.

use std::sync::Arc;

use crate::check::program::{BodyStatement, Expr as Checked, ExprKind, Function, UserFunction};
use crate::decode::{ColumnIndex, RESERVED};
use crate::expr::user::{self, Statement};
use crate::expr::{Arithmetic, Comparison, Expr, NumberCell, Order, RegisterIndex};
use crate::syntax::ast::{BinaryOp, UnaryOp};
use crate::value::Owned;

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
    /// Those of a match: what an expression of the stream itself reads has a register of its own, and other streams look
    /// into the whole.
    Match {
        /// The name of the event's type.
        event_type: Option<Box<str>>,
        /// Where the map of all fields lies, if anyone reads it.
        all: RegisterIndex,
    },
    /// The entries of a map that is known only when it runs.
    Map {
        /// The name of the event's type, where it is not the record's own.
        event_type: Option<Box<str>>,
        /// Where the map lies.
        register: RegisterIndex,
    },
}

impl Schema {
    /// The name of the event's type, where it is not the record's own.
    pub(crate) fn event_type(&self) -> Option<&str> {
        match self {
            Schema::Record => None,
            Schema::Fields { event_type, .. } | Schema::Map { event_type, .. } | Schema::Match { event_type, .. } => {
                event_type.as_deref()
            }
        }
    }

    /// The same fields, in an event of another type. A record keeps its own.
    pub(crate) fn rename(&mut self, name: &str) {
        match self {
            Schema::Record => {}
            Schema::Fields { event_type, .. } | Schema::Map { event_type, .. } | Schema::Match { event_type, .. } => {
                *event_type = Some(name.into());
            }
        }
    }
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
    /// How many steps of formulas have a cell of their own.
    pub(crate) steps: u32,
    /// How many cells there are for parameters of lambdas and locals of functions.
    pub(crate) parameters: usize,
    /// The program's functions, and those of them that are compiled.
    declared: &'p [UserFunction],
    functions: Vec<Option<Arc<user::Function>>>,
    /// Where the parameters and locals of the expression at hand lie.
    frame: Frame,
    /// Where the results of the aggregate calls lie, while the results of an aggregation are compiled.
    pub(crate) aggregates: Vec<RegisterIndex>,
    /// Whether some expression reads a record as a whole.
    pub(crate) keep_fields: bool,
    /// The registers that hold the captures of the sequence at hand, of those that have been read; the innermost last.
    pub(crate) captured: Vec<Vec<Option<RegisterIndex>>>,
    /// The matches that some expression reads as a whole, by [`Schema::Match`]'s register.
    pub(crate) whole_matches: Vec<RegisterIndex>,
}

/// The cells of a function's expressions, or of those that stand in no function.
#[derive(Debug, Default)]
struct Frame {
    /// The cell of the function's first local.
    first_local: usize,
    /// By nesting: the cell of a lambda's parameter.
    lambdas: Vec<usize>,
    /// How many lambdas enclose the expression at hand.
    depth: usize,
}

impl<'p> Compiler<'p> {
    pub(crate) fn new(variables: &'p [Owned], declared: &'p [UserFunction]) -> Self {
        Compiler {
            columns: RESERVED.map(Box::from).into(),
            variables,
            registers: 0,
            steps: 0,
            parameters: 0,
            declared,
            functions: vec![None; declared.len()],
            frame: Frame::default(),
            aggregates: Vec::new(),
            keep_fields: false,
            captured: Vec::new(),
            whole_matches: Vec::new(),
        }
    }

    /// A register of its own.
    pub(crate) fn register(&mut self) -> RegisterIndex {
        self.registers += 1;
        (self.registers - 1) as RegisterIndex
    }

    /// A cell for the result of a formula's step.
    pub(super) fn step(&mut self) -> NumberCell {
        self.steps += 1;
        NumberCell::of_step(self.steps - 1)
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
            ExprKind::Captured(index) => self.captured(*index),
            ExprKind::Variable(index) => Expr::Constant(self.variables[*index].clone()),
            ExprKind::Parameter(index) => Expr::Parameter(self.frame.lambdas[*index]),
            ExprKind::Local(index) => Expr::Parameter(self.frame.first_local + index),
            ExprKind::UserCall { function, args } => {
                let args = args.iter().map(|arg| self.expr(arg, schema)).collect();
                Expr::UserCall(user::Call { function: self.function(*function), args })
            }
            ExprKind::Aggregate(call) => Expr::Register(self.aggregates[*call]),
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
            ExprKind::Binary { op, left, right } => {
                let sides = self.pair(left, right, schema);
                self.binary(*op, sides)
            }
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
            Schema::Map { register, .. } => Expr::Register(*register),
            Schema::Match { all, .. } => self.whole_match(*all),
        }
    }

    /// A match as a map.
    fn whole_match(&mut self, all: RegisterIndex) -> Expr {
        if !self.whole_matches.contains(&all) {
            self.whole_matches.push(all);
        }
        Expr::Register(all)
    }

    /// All registers of a match: the whole, and the captures of the sequence at hand.
    pub(crate) fn match_registers(&mut self, schema: &Schema) -> Vec<RegisterIndex> {
        let captures = self.captured.last().map_or(0, Vec::len);
        let mut places: Vec<Expr> = (0..captures).map(|index| self.captured(index)).collect();
        places.push(self.event(schema));
        places
            .into_iter()
            .filter_map(|place| if let Expr::Register(register) = place { Some(register) } else { None })
            .collect()
    }

    /// A capture of the sequence at hand.
    pub(crate) fn captured(&mut self, index: usize) -> Expr {
        let known = self.captured.last().and_then(|captured| captured[index]);
        let register = known.unwrap_or_else(|| self.register());
        if let Some(captured) = self.captured.last_mut() {
            captured[index] = Some(register);
        }
        Expr::Register(register)
    }

    /// What fetches the field `name`.
    pub(crate) fn field(&mut self, name: &str, schema: &Schema) -> Expr {
        match schema {
            Schema::Record => match name {
                "event_type" => Expr::EventType,
                "timestamp" => Expr::TimestampOrTime,
                _ => Expr::Column(self.column(name)),
            },
            Schema::Fields { event_type, fields } => match fields.iter().find(|(field, _)| **field == *name) {
                Some((_, fetch)) => fetch.clone(),
                None => built_in(name, event_type.as_deref()).unwrap_or(Expr::Constant(Owned::Missing)),
            },
            Schema::Map { event_type, register } => match built_in(name, event_type.as_deref()) {
                Some(built_in) => entry_or(*register, name, built_in),
                None => Expr::Member(Box::new(Expr::Register(*register)), name.into()),
            },
            Schema::Match { event_type, all } => match built_in(name, event_type.as_deref()) {
                Some(built_in) => built_in,
                None => Expr::Member(Box::new(self.whole_match(*all)), name.into()),
            },
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
        if self.frame.depth == self.frame.lambdas.len() {
            self.frame.lambdas.push(self.parameters);
            self.parameters += 1;
        }
        let parameter = self.frame.lambdas[self.frame.depth];
        self.frame.depth += 1;
        let body = self.boxed(lambda, schema);
        self.frame.depth -= 1;
        Expr::Each { keep: function == Function::Filter, over, body, parameter }
    }

    /// A function of the program, compiled when it is called for the first time. It has cells of its own: whoever calls
    /// it, whatever lambda it is called in, its values are nobody else's.
    fn function(&mut self, index: usize) -> Arc<user::Function> {
        if let Some(function) = &self.functions[index] {
            return Arc::clone(function);
        }
        let declared = &self.declared[index];
        let frame = Frame { first_local: self.parameters, ..Frame::default() };
        self.parameters += declared.locals;
        let outer = std::mem::replace(&mut self.frame, frame);
        let mut site = emits_before(self.declared, index);
        let body = self.body(&declared.body, &mut site);
        let Frame { first_local, .. } = std::mem::replace(&mut self.frame, outer);
        let function = Arc::new(user::Function { first_local, body });
        self.functions[index] = Some(Arc::clone(&function));
        function
    }

    fn body(&mut self, statements: &[BodyStatement], site: &mut user::EmitSite) -> Box<[Statement]> {
        let nothing = Schema::Fields { event_type: None, fields: Vec::new() };
        let mut compiled = Vec::with_capacity(statements.len());
        for statement in statements {
            compiled.push(match statement {
                BodyStatement::If { branches, otherwise } => {
                    let mut blocks = Vec::with_capacity(branches.len());
                    for (condition, block) in branches {
                        blocks.push((self.expr(condition, &nothing), self.body(block, site)));
                    }
                    Statement::If { branches: blocks.into(), otherwise: self.body(otherwise, site) }
                }
                BodyStatement::For { local, over, body } => Statement::For {
                    local: self.frame.first_local + local,
                    over: self.expr(over, &nothing),
                    body: self.body(body, site),
                },
                BodyStatement::While { condition, body } => {
                    Statement::While { condition: self.expr(condition, &nothing), body: self.body(body, site) }
                }
                BodyStatement::Break => Statement::Break,
                BodyStatement::Continue => Statement::Continue,
                BodyStatement::Return(value) => {
                    Statement::Return(value.as_ref().map(|value| self.expr(value, &nothing)))
                }
                BodyStatement::Set { local, value } => {
                    Statement::Set { local: self.frame.first_local + local, value: self.expr(value, &nothing) }
                }
                BodyStatement::Emit { fields, .. } => {
                    *site += 1;
                    let fields = fields.iter().map(|field| self.expr(&field.value, &nothing)).collect();
                    Statement::Emit { site: *site - 1, fields }
                }
                BodyStatement::Value(value) => Statement::Value(self.expr(value, &nothing)),
            });
        }
        compiled.into()
    }

    fn boxed(&mut self, expr: &Checked, schema: &Schema) -> Box<Expr> {
        Box::new(self.expr(expr, schema))
    }

    fn binary(&mut self, op: BinaryOp, sides: Box<[Expr; 2]>) -> Expr {
        match op {
            BinaryOp::And => Expr::And(sides),
            BinaryOp::Or => Expr::Or(sides),
            BinaryOp::Equal => Expr::Equal { negated: false, sides },
            BinaryOp::NotEqual => Expr::Equal { negated: true, sides },
            BinaryOp::In => Expr::In { negated: false, sides },
            BinaryOp::NotIn => Expr::In { negated: true, sides },
            BinaryOp::Less => order(Order::Less, *sides),
            BinaryOp::LessOrEqual => order(Order::LessOrEqual, *sides),
            BinaryOp::Greater => order(Order::Greater, *sides),
            BinaryOp::GreaterOrEqual => order(Order::GreaterOrEqual, *sides),
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
            | BinaryOp::Power => Expr::Arithmetic(Box::new(Arithmetic::new(op, *sides, self))),
        }
    }

    fn pair(&mut self, left: &Checked, right: &Checked, schema: &Schema) -> Box<[Expr; 2]> {
        Box::new([self.expr(left, schema), self.expr(right, schema)])
    }
}

/// The entry `name` of the map in a register, and `built_in` if it has none: an entry hides what is built in, even if it is
/// null.
pub(crate) fn entry_or(register: RegisterIndex, name: &str, built_in: Expr) -> Expr {
    let map = || Expr::Register(register);
    let has = Expr::In { negated: false, sides: Box::new([Expr::Constant(Owned::Str(name.into())), map()]) };
    Expr::If(Box::new([has, Expr::Member(Box::new(map()), name.into()), built_in]))
}

/// What every event has: its type, which may be another than the record's, and its time.
fn built_in(name: &str, event_type: Option<&str>) -> Option<Expr> {
    match (name, event_type) {
        ("event_type", None) => Some(Expr::EventType),
        ("event_type", Some(name)) => Some(Expr::Constant(Owned::Str(name.into()))),
        ("timestamp", _) => Some(Expr::Time),
        _ => None,
    }
}

/// How many `emit` the functions before `index` have.
pub(crate) fn emits_before(functions: &[UserFunction], index: usize) -> user::EmitSite {
    let mut count = 0;
    functions[..index].iter().for_each(|function| BodyStatement::each_emit(&function.body, &mut |_, _| count += 1));
    count
}

fn order(order: Order, sides: [Expr; 2]) -> Expr {
    Expr::Order(Box::new(Comparison::new(order, sides)))
}
