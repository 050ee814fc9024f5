//! Compiled expressions: names are columns, registers or constants, and evaluation is a walk over a small tree.
//!
//! [`compile`] makes them of the checked program's expressions, [`eval`] computes them, [`formula`] does so quicker where all
//! is numbers, [`functions`] holds the built-in functions, [`user`] runs those of the program, [`text`] bounds the strings
//! that they build. What cannot be computed is
//! [`Value::Missing`](crate::value::Value::Missing); each cause is counted in a [`Tally`] where it arises, and only there.

pub(crate) mod compile;
mod eval;
mod formula;
mod functions;
mod text;
pub(crate) mod user;

pub(crate) use formula::{Arithmetic, Comparison};
pub(crate) use functions::text_of;

use std::cell::Cell;

use bumpalo::Bump;

use crate::check::program::Function;
use crate::counters::Totals;
use crate::decode::{self, Column, ColumnIndex, Field, Fields};
use crate::json::Kind;
use crate::number;
use crate::operators::retention::Ticket;
use crate::slot::PartitionIndex;
use crate::time;
use crate::value::{Number, NumberKind, Owned, Value};

/// Index of a computed field of a derived event.
pub(crate) type RegisterIndex = u16;

/// A compiled expression.
#[derive(Debug, Clone)]
pub(crate) enum Expr {
    Constant(Owned),
    Column(ColumnIndex),
    /// A column that is merely passed on: a number keeps its text.
    Untouched(ColumnIndex),
    Register(RegisterIndex),
    /// A lambda's parameter, or a function's local: index into [`Context::parameters`].
    Parameter(usize),
    /// The name of the record's type.
    EventType,
    /// The event time.
    Time,
    /// The record's own field `timestamp`, else the event time.
    TimestampOrTime,
    /// The whole record as a map.
    Record,
    /// The same, merely passed on: numbers keep their texts.
    UntouchedRecord,
    Array(Box<[Expr]>),
    /// Also a derived event as a whole; its missing fields are left out.
    Map(Box<[(Box<str>, Expr)]>),
    Member(Box<Expr>, Box<str>),
    Index(Box<[Expr; 2]>),
    Slice(Box<Expr>, Option<Box<Expr>>, Option<Box<Expr>>),
    Call(Function, Box<[Expr]>),
    /// A function that the program declares.
    UserCall(user::Call),
    /// `map` and `filter`: the array, the lambda's body and the place of its parameter.
    Each {
        keep: bool,
        over: Box<Expr>,
        body: Box<Expr>,
        parameter: usize,
    },
    Negate(Box<Expr>),
    BitNot(Box<Expr>),
    Not(Box<Expr>),
    And(Box<[Expr; 2]>),
    Or(Box<[Expr; 2]>),
    /// `==` and `!=`.
    Equal {
        negated: bool,
        sides: Box<[Expr; 2]>,
    },
    Order(Box<Comparison>),
    /// `in` and `not in`.
    In {
        negated: bool,
        sides: Box<[Expr; 2]>,
    },
    Arithmetic(Box<Arithmetic>),
    IsNull {
        negated: bool,
        operand: Box<Expr>,
    },
    Range {
        inclusive: bool,
        ends: Box<[Expr; 2]>,
    },
    If(Box<[Expr; 3]>),
}

impl Expr {
    /// Whether it fetches a value rather than computing one, so that a missing value arises in it.
    fn is_leaf(&self) -> bool {
        matches!(
            self,
            Expr::Constant(_)
                | Expr::Column(_)
                | Expr::Untouched(_)
                | Expr::Register(_)
                | Expr::Parameter(_)
                | Expr::TimestampOrTime
        )
    }

    /// The same for whoever passes the value on, or keeps it to do so later: a number that was not computed is then written
    /// as it came in. That is a field, a part of one, and what `if` or `coalesce` take of these.
    pub(crate) fn untouched(self) -> Expr {
        let all = |parts: Box<[Expr]>| parts.into_iter().map(Expr::untouched).collect();
        match self {
            Expr::Column(column) => Expr::Untouched(column),
            Expr::Record => Expr::UntouchedRecord,
            Expr::Array(items) => Expr::Array(all(items)),
            Expr::Map(entries) => {
                Expr::Map(entries.into_iter().map(|(name, value)| (name, value.untouched())).collect())
            }
            Expr::Member(of, field) => Expr::Member(Box::new(of.untouched()), field),
            Expr::Index(parts) => {
                let [of, index] = *parts;
                Expr::Index(Box::new([of.untouched(), index]))
            }
            Expr::If(parts) => {
                let [condition, then, otherwise] = *parts;
                Expr::If(Box::new([condition, then.untouched(), otherwise.untouched()]))
            }
            Expr::Call(Function::Coalesce, args) => Expr::Call(Function::Coalesce, all(args)),
            other => other,
        }
    }
}

/// The ordering comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    /// Whether `a` and `b` satisfy the comparison. A NaN satisfies none.
    #[inline(always)]
    fn between<T: PartialOrd>(self, a: T, b: T) -> bool {
        match self {
            Order::Less => a < b,
            Order::LessOrEqual => a <= b,
            Order::Greater => a > b,
            Order::GreaterOrEqual => a >= b,
        }
    }

    /// Whether two values in this order satisfy the comparison. A NaN satisfies none.
    #[inline(always)]
    fn admits(self, order: Option<std::cmp::Ordering>) -> bool {
        match self {
            Order::Less => order.is_some_and(|order| order.is_lt()),
            Order::LessOrEqual => order.is_some_and(|order| order.is_le()),
            Order::Greater => order.is_some_and(|order| order.is_gt()),
            Order::GreaterOrEqual => order.is_some_and(|order| order.is_ge()),
        }
    }
}

/// Why values went missing, counted since the engine began.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) overflow: Cell<u64>,
    pub(crate) division_by_zero: Cell<u64>,
    pub(crate) wrong_type: Cell<u64>,
    pub(crate) missing_operand: Cell<u64>,
    pub(crate) out_of_range: Cell<u64>,
    pub(crate) cut_short: Cell<u64>,
}

/// Why a value is missing.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Why {
    Overflow,
    DivisionByZero,
    WrongType,
    MissingOperand,
    OutOfRange,
    /// A function reached a limit.
    CutShort,
}

impl Tally {
    /// Tells how often each cause arose.
    pub(crate) fn tell(&self, totals: &mut Totals) {
        totals.overflow = self.overflow.get();
        totals.division_by_zero = self.division_by_zero.get();
        totals.wrong_type = self.wrong_type.get();
        totals.missing_operand = self.missing_operand.get();
        totals.out_of_range = self.out_of_range.get();
        totals.cut_short = self.cut_short.get();
    }

    #[cold]
    pub(crate) fn count(&self, why: Why) {
        let counter = match why {
            Why::Overflow => &self.overflow,
            Why::DivisionByZero => &self.division_by_zero,
            Why::WrongType => &self.wrong_type,
            Why::MissingOperand => &self.missing_operand,
            Why::OutOfRange => &self.out_of_range,
            Why::CutShort => &self.cut_short,
        };
        counter.set(counter.get() + 1);
    }
}

/// A number that was read from a column, or computed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KnownNumber {
    /// The number of the event for which it holds, from 1.
    event: u64,
    number: Number,
}

/// Which [`KnownNumber`]: columns, registers and the steps of formulas have one each, by turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NumberCell(u32);

impl NumberCell {
    const COLUMN: u32 = 0;
    const REGISTER: u32 = 1;
    const STEP: u32 = 2;

    #[inline(always)]
    fn of_column(column: ColumnIndex) -> NumberCell {
        NumberCell(u32::from(column) << 2 | Self::COLUMN)
    }

    #[inline(always)]
    pub(crate) fn of_register(register: RegisterIndex) -> NumberCell {
        NumberCell(u32::from(register) << 2 | Self::REGISTER)
    }

    pub(crate) fn of_step(step: u32) -> NumberCell {
        NumberCell(step << 2 | Self::STEP)
    }

    /// How many there are for so many columns, registers and steps.
    pub(crate) fn count(columns: usize, registers: usize, steps: u32) -> usize {
        columns.max(registers).max(steps as usize) << 2
    }
}

impl KnownNumber {
    /// Holds for no event.
    pub(crate) const NONE: KnownNumber = KnownNumber { event: 0, number: Number::int(0) };
}

/// What an event came from: what a restart has to read again for it to come again.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// A record.
    Record { partition: PartitionIndex, offset: i64 },
    /// The records that these hold.
    Held(&'a [Ticket]),
}

/// The key that an event's output has, if nothing else gives it one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EventKey<'a> {
    /// That of the slot's own record.
    Input(Option<&'a [u8]>),
    /// That of an event that was kept, or none.
    Own(Option<&'a [u8]>),
}

/// The record at hand, and everything that an expression may ask for.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// The text that columns point into.
    pub(crate) record: &'a str,
    pub(crate) columns: &'a [Column],
    /// By [`NumberCell`].
    pub(crate) numbers: &'a [Cell<KnownNumber>],
    /// The number of this event, from 1.
    pub(crate) number: u64,
    /// All fields, where the plan needs them.
    pub(crate) fields: Option<&'a Fields>,
    /// The name of the record's type.
    pub(crate) event_type: &'a str,
    /// Whether the field `type` named the type and so is none of the data.
    pub(crate) typed_by_type: bool,
    /// The event time that stands outside the data: that of a file's native form.
    pub(crate) outer_time: Option<i64>,
    /// The event time if the data has none.
    pub(crate) fallback_time: i64,
    /// The event time, once somebody asked for it.
    pub(crate) time: Cell<Option<i64>>,
    pub(crate) origin: Origin<'a>,
    pub(crate) key: EventKey<'a>,
    /// Whether what the event causes was put out before a restart: it changes state, and nothing else.
    pub(crate) silent: bool,
    pub(crate) registers: &'a [Cell<Value<'a>>],
    /// The parameters of lambdas and the locals of functions.
    pub(crate) parameters: &'a [Cell<Value<'a>>],
    /// What the program's functions have done.
    pub(crate) work: user::Work<'a>,
    pub(crate) arena: &'a Bump,
    pub(crate) tally: &'a Tally,
}

impl<'a> Context<'a> {
    /// For expressions that read no record.
    pub(crate) fn without_record(parameters: &'a [Cell<Value<'a>>], arena: &'a Bump, tally: &'a Tally) -> Self {
        Context {
            record: "",
            columns: &[],
            numbers: &[],
            number: 0,
            fields: None,
            event_type: "",
            typed_by_type: false,
            outer_time: None,
            fallback_time: 0,
            time: Cell::new(Some(0)),
            origin: Origin::Held(&[]),
            key: EventKey::Own(None),
            silent: false,
            registers: &[],
            parameters,
            work: user::Work::default(),
            arena,
            tally,
        }
    }

    /// The value of a column.
    #[inline(always)]
    pub(crate) fn column(&self, column: ColumnIndex) -> Value<'a> {
        let field = &self.columns[usize::from(column)];
        match field.kind {
            Kind::Int | Kind::Float => self.number(NumberCell::of_column(column)).map_or(Value::Missing, Value::from),
            _ => field.value(self.record, self.arena),
        }
    }

    /// The value of a column that is merely passed on.
    pub(crate) fn untouched(&self, column: ColumnIndex) -> Value<'a> {
        let field = &self.columns[usize::from(column)];
        match field.kind {
            Kind::Int | Kind::Float => number::untouched(self.column(column), self.record, field.place(), self.arena),
            _ => field.untouched(self.record, self.arena),
        }
    }

    /// The value of a register.
    #[inline(always)]
    pub(crate) fn register(&self, register: RegisterIndex) -> Value<'a> {
        match self.known(NumberCell::of_register(register)) {
            Some(number) => number.into(),
            None => self.registers[usize::from(register)].get(),
        }
    }

    /// Computes what a register is from now on: the number in its cell, or else its value.
    #[inline(always)]
    pub(crate) fn compute(&self, register: RegisterIndex, expr: &'a Expr) {
        let value = match expr {
            Expr::Arithmetic(arithmetic) => {
                if arithmetic.number(self).is_some() {
                    return;
                }
                if let Some(known) = self.numbers.get(NumberCell::of_register(register).0 as usize) {
                    known.set(KnownNumber::NONE);
                }
                eval::computed(self, arithmetic)
            }
            _ => expr.eval(self),
        };
        self.registers[usize::from(register)].set(value);
    }

    /// The number in a cell, if it holds for this event.
    #[inline(always)]
    pub(crate) fn known(&self, cell: NumberCell) -> Option<Number> {
        let known = self.numbers.get(cell.0 as usize)?.get();
        (known.event == self.number).then_some(known.number)
    }

    /// The number of a column or register, if it is one. That of a column is read at first, and remembered for whoever
    /// uses it next.
    #[inline(always)]
    fn number(&self, cell: NumberCell) -> Option<Number> {
        self.known(cell).or_else(|| self.look(cell))
    }

    #[inline(never)]
    fn look(&self, cell: NumberCell) -> Option<Number> {
        let index = cell.0 as usize >> 2;
        match cell.0 & 3 {
            NumberCell::COLUMN => {}
            NumberCell::REGISTER => return self.registers[index].get().number(),
            _ => return None,
        }
        let (field, record) = (&self.columns[index], self.record.as_bytes());
        let number = match field.kind {
            Kind::Float => Number::float(number::float(record, field.place())),
            Kind::Int => number::int(record, field.place()),
            _ => return None,
        };
        _ = self.remember(cell, number);
        Some(number)
    }

    /// Puts a number into its cell; `None` if there is none, as where no event is at hand.
    #[inline(always)]
    fn remember(&self, cell: NumberCell, number: Number) -> Option<()> {
        self.numbers.get(cell.0 as usize)?.set(KnownNumber { event: self.number, number });
        Some(())
    }

    /// The event time in nanoseconds: `@timestamp`, else `ts`, else `timestamp`, else what the record came with.
    #[inline]
    pub(crate) fn time(&self) -> i64 {
        if let Some(time) = self.time.get() {
            return time;
        }
        let time = self
            .outer_time
            .or_else(|| self.text_time(decode::AT_TIMESTAMP))
            .or_else(|| self.field_time(decode::TS))
            .or_else(|| self.field_time(decode::TIMESTAMP))
            .unwrap_or(self.fallback_time);
        self.time.set(Some(time));
        time
    }

    /// A field that holds RFC 3339 text, as a time.
    #[inline(always)]
    fn text_time(&self, column: ColumnIndex) -> Option<i64> {
        let column = &self.columns[usize::from(column)];
        if column.kind == Kind::Missing { None } else { self.parsed_time(column) }
    }

    #[inline(never)]
    fn parsed_time(&self, column: &Column) -> Option<i64> {
        time::parse(column.string(self.record, self.arena)?.as_bytes())
    }

    /// A field that holds milliseconds or RFC 3339 text, as a time.
    #[inline]
    fn field_time(&self, column: ColumnIndex) -> Option<i64> {
        match self.columns[usize::from(column)].kind {
            Kind::Missing => None,
            Kind::Int => match number::int(self.record.as_bytes(), self.columns[usize::from(column)].place()).kind() {
                NumberKind::Int(millis) => time::from_millis(millis),
                NumberKind::Float(_) => None,
            },
            _ => self.text_time(column),
        }
    }

    /// All fields of the record that are data, once each, with their names.
    #[inline]
    pub(crate) fn data_fields(&self) -> impl Iterator<Item = (&'a str, Field)> + use<'a> {
        let (typed_by_type, record, arena) = (self.typed_by_type, self.record, self.arena);
        let fields = self.fields.map_or(&[][..], |fields| fields.once(record, arena));
        let named = fields.iter().map(move |field| (field.name(record, arena), *field));
        named.filter(move |(name, _)| !(*name == "event_type" || typed_by_type && *name == "type"))
    }

    /// Missing, and why.
    #[cold]
    fn missing(&self, why: Why) -> Value<'a> {
        self.tally.count(why);
        Value::Missing
    }
}
