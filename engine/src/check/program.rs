//! What a checked program is: every name resolved, every argument in its place. The planner consumes it.
//!
//! 1. References are indices: a stream's input into [`Program::streams`] or [`Program::sources`], `.to` into
//!    [`Program::targets`], a variable into [`Program::variables`].
//! 2. An [`Expr`] says of each identifier what it is: a field of the event under test, a variable, a lambda's parameter.
//!    Functions are the members of [`Function`], and called with a number of arguments that they take.
//! 3. Streams feed only streams: [`Program::streams`] has no cycle and no chain longer than [`MAX_DEPTH`].
//! 4. A `Program` exists only if its file has no error. Spans remain, for whoever finds a fault later (librdkafka
//!    refusing a property, a topic that does not exist).

mod join;
mod sequence;
mod window;

pub use join::Join;
pub use sequence::*;

use crate::syntax::ast::{BinaryOp, Name, Span, Type, UnaryOp};

pub use window::{Aggregate, AggregateCall, AggregateFunction, OrderKey, Partitioning, Watermark, Window, WindowKind};

/// The longest chain of streams that feed each other.
pub const MAX_DEPTH: usize = 10;

/// A checked program.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Program {
    /// The connectors, in order of declaration.
    pub connectors: Vec<Connector>,
    /// The declared event types.
    pub events: Vec<EventType>,
    /// The values of `let`, `var` and `const`, one for each assignment: a stream sees the last one above it.
    pub variables: Vec<Variable>,
    /// What `fn` declares, in order of declaration. None calls itself, directly or through others.
    pub functions: Vec<UserFunction>,
    /// The processor cores of the contexts that streams name, in order of the streams, each once.
    pub cores: Vec<usize>,
    /// One for each `.from`, in order of declaration.
    pub sources: Vec<Source>,
    /// One for each `timer(…)`, in order of declaration.
    pub timers: Vec<Timer>,
    /// One for each `.to`, in order of declaration.
    pub targets: Vec<Target>,
    /// The streams, in order of declaration, in which the streams that read one event run.
    pub streams: Vec<Stream>,
}

impl Program {
    /// The functions that `expr` calls, directly and through others, are added to `called`, each once and in order of
    /// their first call. No function may call itself.
    pub fn visit_calls(&self, expr: &Expr, called: &mut Vec<usize>) {
        if let ExprKind::UserCall { function, .. } = &expr.kind
            && !called.contains(function)
        {
            called.push(*function);
            let body = self.functions.get(*function).map_or(&[][..], |function| &function.body);
            BodyStatement::each_expr(body, &mut |expr| self.visit_calls(expr, called));
        }
        expr.parts(&mut |part| self.visit_calls(part, called));
    }
}

/// A value and where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it is written.
    pub span: Span,
}

/// A way out of, or into, the process.
#[derive(Debug, Clone, PartialEq)]
pub struct Connector {
    /// Its name.
    pub name: Name,
    /// Its kind, with its parameters. `${ENV}` is replaced in all of them.
    pub kind: ConnectorKind,
}

/// The kinds of connectors.
#[derive(Debug, Clone, PartialEq)]
pub enum ConnectorKind {
    /// A Kafka cluster.
    Kafka(Kafka),
    /// A file of JSON lines.
    File {
        /// Its path.
        path: At<String>,
    },
    /// Standard output.
    Console,
}

/// The parameters of a Kafka connector.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Kafka {
    /// `brokers` or `bootstrap_servers`; the elements of an array are joined by commas.
    pub brokers: Option<At<String>>,
    /// `topic`: for every `.from` and `.to` that names none.
    pub topic: Option<At<String>>,
    /// `group_id`
    pub group_id: Option<At<String>>,
    /// `auto_offset_reset`: for every `.from` that has none of its own.
    pub auto_offset_reset: Option<At<OffsetReset>>,
    /// `exactly_once`
    pub exactly_once: Option<At<bool>>,
    /// Everything else: properties of librdkafka.
    pub properties: Vec<Property>,
}

/// A property of librdkafka. Whether it exists, and takes this value, only librdkafka knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// Its name as librdkafka spells it: `linger.ms`.
    pub key: String,
    /// Its value as text.
    pub value: String,
    /// Where the key is written.
    pub key_span: Span,
    /// Where the value is written.
    pub value_span: Span,
}

/// Where a consumer group without a committed offset begins.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum OffsetReset {
    /// With the oldest record.
    Earliest,
    /// With the next record.
    #[default]
    Latest,
}

/// A declared event type.
#[derive(Debug, Clone, PartialEq)]
pub struct EventType {
    /// Its name.
    pub name: Name,
    /// Its fields, inherited ones first.
    pub fields: Vec<Field>,
}

/// A declared field.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: Name,
    /// Its type; an alias that `type` declares is replaced by the type for which it stands.
    pub ty: Type,
}

/// The value of `let`, `var` or `const`. It refers to earlier variables only, never to a field.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// Its name.
    pub name: Name,
    /// Its value.
    pub value: Expr,
}

/// A function that the program declares.
#[derive(Debug, Clone, PartialEq)]
pub struct UserFunction {
    /// Its name.
    pub name: Name,
    /// How many parameters it has. They are its first locals.
    pub parameters: usize,
    /// How many locals it has, its parameters included.
    pub locals: usize,
    /// Its statements.
    pub body: Vec<BodyStatement>,
}

/// One statement of a function.
#[derive(Debug, Clone, PartialEq)]
pub enum BodyStatement {
    /// `if`, `elif` and `else`: the first block whose condition is true.
    If {
        /// The conditions, each with its block.
        branches: Vec<(Expr, Vec<BodyStatement>)>,
        /// The block of `else`; empty without one.
        otherwise: Vec<BodyStatement>,
    },
    /// `for`: once for every element.
    For {
        /// The local that takes each element.
        local: usize,
        /// An array or a range.
        over: Expr,
        /// What is repeated.
        body: Vec<BodyStatement>,
    },
    /// `while`: as long as the condition is true.
    While {
        /// What decides.
        condition: Expr,
        /// What is repeated.
        body: Vec<BodyStatement>,
    },
    /// Ends the innermost loop.
    Break,
    /// Goes on with the next turn of the innermost loop.
    Continue,
    /// Ends the function; without a value, its value is missing.
    Return(Option<Expr>),
    /// A declaration or an assignment.
    Set {
        /// Which local.
        local: usize,
        /// Its value.
        value: Expr,
    },
    /// `emit TYPE(name: expr, …)`. The function is called in `.process` only.
    Emit {
        /// The event's type, as records name it.
        event_type: String,
        /// Its fields.
        fields: Vec<Projection>,
    },
    /// An expression. The last one that is reached is the function's value, if no `return` is.
    Value(Expr),
}

impl BodyStatement {
    /// Calls `visit` for each expression that stands in `statements`, but not for the parts of it.
    pub fn each_expr<'b>(statements: &'b [BodyStatement], visit: &mut dyn FnMut(&'b Expr)) {
        for statement in statements {
            match statement {
                BodyStatement::If { branches, otherwise } => {
                    for (condition, block) in branches {
                        visit(condition);
                        Self::each_expr(block, visit);
                    }
                    Self::each_expr(otherwise, visit);
                }
                BodyStatement::For { over: expr, body, .. } | BodyStatement::While { condition: expr, body } => {
                    visit(expr);
                    Self::each_expr(body, visit);
                }
                BodyStatement::Return(Some(value)) | BodyStatement::Set { value, .. } | BodyStatement::Value(value) => {
                    visit(value)
                }
                BodyStatement::Emit { fields, .. } => fields.iter().for_each(|field| visit(&field.value)),
                BodyStatement::Break | BodyStatement::Continue | BodyStatement::Return(None) => {}
            }
        }
    }

    /// Calls `visit` for each `emit` in `statements`, in the order in which they are written.
    pub fn each_emit<'b>(statements: &'b [BodyStatement], visit: &mut dyn FnMut(&'b str, &'b [Projection])) {
        for statement in statements {
            match statement {
                BodyStatement::If { branches, otherwise } => {
                    branches.iter().for_each(|(_, block)| Self::each_emit(block, visit));
                    Self::each_emit(otherwise, visit);
                }
                BodyStatement::For { body, .. } | BodyStatement::While { body, .. } => Self::each_emit(body, visit),
                BodyStatement::Emit { event_type, fields } => visit(event_type, fields),
                BodyStatement::Break
                | BodyStatement::Continue
                | BodyStatement::Return(_)
                | BodyStatement::Set { .. }
                | BodyStatement::Value(_) => {}
            }
        }
    }
}

/// One `.from`: an event type that arrives on a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The type that is assumed where a record names none and no other `.from` reads the topic.
    pub event: Name,
    /// Index into [`Program::connectors`].
    pub connector: usize,
    /// Kafka: the topic. File: the path. Console is never a source.
    pub topic: At<String>,
    /// Where to begin without a committed offset: what `.from` says, else its connector, else latest.
    pub auto_offset_reset: OffsetReset,
    /// The consumer group: what `.from` says, else its connector.
    pub group_id: Option<At<String>>,
    /// `key:`: the field that is, or goes with, the key of the topic's records: where it is equal, they share a partition.
    pub key: Option<At<String>>,
    /// Properties of librdkafka that are given here.
    pub properties: Vec<Property>,
    /// The whole `EVENT.from(…)`.
    pub span: Span,
}

/// `timer(d, initial_delay: d)`: events without fields, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    /// From one to the next, in nanoseconds; at least one.
    pub every_ns: i64,
    /// From the first time that is seen to the first event; `every_ns` where nothing is said.
    pub initial_delay_ns: i64,
}

/// One `.to`: where a stream is published.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Index into [`Program::connectors`].
    pub connector: usize,
    /// The topic; for a file its path; empty for the console.
    pub topic: Topic,
    /// `key:`; the input record's key without it.
    pub key: Option<Expr>,
    /// `record_timestamp:`
    pub record_timestamp: RecordTimestamp,
    /// `headers: "pass"`: outputs have the headers of the record that caused them.
    pub pass_headers: bool,
    /// Properties of librdkafka that are given here.
    pub properties: Vec<Property>,
    /// The whole `.to(…)`.
    pub span: Span,
}

/// What the timestamp of an output's Kafka record is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RecordTimestamp {
    /// The time at which it is produced.
    #[default]
    Produced,
    /// The time of its event.
    Event,
}

/// The topic of a target.
#[derive(Debug, Clone, PartialEq)]
pub enum Topic {
    /// The same for every output.
    Fixed(At<String>),
    /// Depends on the output: a field, or a concatenation.
    Computed(Expr),
}

/// A stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// Its name.
    pub name: Name,
    /// What it reads: one input, those of a merge, or those of a sequence's steps, each once. An event that several of
    /// them let pass comes once for each.
    pub inputs: Vec<Input>,
    /// What it does with an event, in order. What comes out feeds the streams that read it.
    pub operators: Vec<Operator>,
    /// What is put out of an event that has passed all operators; `None`: the stream only feeds others.
    pub output: Option<Output>,
    /// The whole statement.
    pub span: Span,
}

/// One input of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// What is read.
    pub from: Origin,
    /// `where`: only the events for which this is true.
    pub predicate: Option<Expr>,
}

/// What a stream reads.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// Events of the source's type that arrive on the source's topic. Index into [`Program::sources`].
    Source(usize),
    /// Events of that type, wherever they arrive.
    Event(String),
    /// What a stream lets out. Index into [`Program::streams`]; it may be declared below.
    Stream(usize),
    /// The events of a timer. Index into [`Program::timers`].
    Timer(usize),
}

/// One step of what a stream does with an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Operator {
    /// `.where`, `.having`, `.filter`: only events for which this is true pass.
    Where(Expr),
    /// `.select`: an event with only these fields; its type and time stay.
    Select(Vec<Projection>),
    /// `.emit(name: expr, …)`: an event with only these fields. `.emit()` changes nothing and has no operator.
    Emit(Vec<Projection>),
    /// `.limit(n)`: the first n events pass.
    Limit(u64),
    /// `.map` to a map whose fields are known only when it runs: an event with the map's entries as its fields. What is no
    /// map makes no event.
    Map(Expr),
    /// `.process`: the expression's value is of no interest. The stream goes on with the events that the functions which
    /// it calls emit, each with fields and a type of its own.
    Process(Expr),
    /// `.print`, `.log`, `.alert`, `.tap`: tells a person about the event, and passes it on.
    Tell(Tell),
    /// `.distinct(expr)`: an event whose value was there before does not pass; without one all fields are compared.
    /// Behind a [`Window`](Operator::Window), `Limit` and `Distinct` begin anew with each closing.
    Distinct(Option<Expr>),
    /// `->`, `sequence`, a pattern: the matches of a sequence. It comes before all other operators.
    Sequence(Box<Sequence>),
    /// `join` and its relatives: the results of a join. It comes before all other operators.
    Join(Box<Join>),
    /// `.partition_by(field)` of a stream without state: the key of what it publishes.
    PartitionBy(Expr),
    /// `.window`, `.aggregate` or both, with all that belongs to them. A stream has one at most.
    Window(Box<Window>),
    /// `.order_by(…)`: the rows of one closing in this order; behind a window only.
    OrderBy(Vec<OrderKey>),
}

/// What a person is told of an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Tell {
    /// The log's level; `None`: a line on stderr, whatever the log's filter.
    pub level: Option<log::Level>,
    /// The line's pieces, one after the other.
    pub pieces: Vec<Piece>,
}

/// A piece of a line that a person reads.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// The same for every event.
    Text(String),
    /// A value: a text without quotes, everything else as in JSON.
    Value(Expr),
}

/// A field of a projected event. One whose value is missing is left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    /// The new field's name; `event_type` and `timestamp` take the built-in one's place.
    pub name: Name,
    /// Its value.
    pub value: Expr,
}

/// What a stream puts out.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The outputs' `event_type`: the stream's name, or the one of `.emit(as TYPE)`. `None`: the type with which
    /// `.process` emitted them.
    pub event_type: Option<String>,
    /// Where they go, indices into [`Program::targets`]; empty: only to standard output.
    pub targets: Vec<usize>,
}

/// A resolved expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// Which expression it is.
    pub kind: ExprKind,
    /// Where it is written.
    pub span: Span,
}

impl Expr {
    /// Calls `visit` for each expression of which this one consists directly.
    pub fn parts<'e>(&'e self, visit: &mut dyn FnMut(&'e Expr)) {
        match &self.kind {
            ExprKind::Null
            | ExprKind::Bool(_)
            | ExprKind::Int(_)
            | ExprKind::Float(_)
            | ExprKind::String(_)
            | ExprKind::Duration(_)
            | ExprKind::Timestamp(_)
            | ExprKind::Field(_)
            | ExprKind::Event
            | ExprKind::Captured(_)
            | ExprKind::Aggregate(_)
            | ExprKind::Variable(_)
            | ExprKind::Parameter(_)
            | ExprKind::Local(_) => {}
            ExprKind::Array(items) => items.iter().for_each(visit),
            ExprKind::Map(entries) => entries.iter().for_each(|(_, value)| visit(value)),
            ExprKind::Member { of, .. } => visit(of),
            ExprKind::Index { of, index } => [of, index].into_iter().for_each(|part| visit(part)),
            ExprKind::Slice { of, from, to } => {
                [Some(of), from.as_ref(), to.as_ref()].into_iter().flatten().for_each(|part| visit(part));
            }
            ExprKind::Call { args, .. } | ExprKind::UserCall { args, .. } => args.iter().for_each(visit),
            ExprKind::Lambda(body) => visit(body),
            ExprKind::Unary { operand, .. } | ExprKind::IsNull { operand, .. } => visit(operand),
            ExprKind::Binary { left, right, .. } => [left, right].into_iter().for_each(|part| visit(part)),
            ExprKind::Range { from, to, .. } => [from, to].into_iter().for_each(|part| visit(part)),
            ExprKind::If { condition, then, otherwise } => {
                [condition, then, otherwise].into_iter().for_each(|part| visit(part));
            }
        }
    }

    /// The same as [`parts`](Self::parts), to change them.
    pub(crate) fn parts_mut(&mut self, visit: &mut dyn FnMut(&mut Expr)) {
        match &mut self.kind {
            ExprKind::Null
            | ExprKind::Bool(_)
            | ExprKind::Int(_)
            | ExprKind::Float(_)
            | ExprKind::String(_)
            | ExprKind::Duration(_)
            | ExprKind::Timestamp(_)
            | ExprKind::Field(_)
            | ExprKind::Event
            | ExprKind::Captured(_)
            | ExprKind::Aggregate(_)
            | ExprKind::Variable(_)
            | ExprKind::Parameter(_)
            | ExprKind::Local(_) => {}
            ExprKind::Array(items) => items.iter_mut().for_each(visit),
            ExprKind::Map(entries) => entries.iter_mut().for_each(|(_, value)| visit(value)),
            ExprKind::Member { of, .. } => visit(of),
            ExprKind::Index { of, index } => [of, index].into_iter().for_each(|part| visit(part)),
            ExprKind::Slice { of, from, to } => {
                [Some(of), from.as_mut(), to.as_mut()].into_iter().flatten().for_each(|part| visit(part));
            }
            ExprKind::Call { args, .. } | ExprKind::UserCall { args, .. } => args.iter_mut().for_each(visit),
            ExprKind::Lambda(body) => visit(body),
            ExprKind::Unary { operand, .. } | ExprKind::IsNull { operand, .. } => visit(operand),
            ExprKind::Binary { left, right, .. } => [left, right].into_iter().for_each(|part| visit(part)),
            ExprKind::Range { from, to, .. } => [from, to].into_iter().for_each(|part| visit(part)),
            ExprKind::If { condition, then, otherwise } => {
                [condition, then, otherwise].into_iter().for_each(|part| visit(part));
            }
        }
    }
}

/// The resolved expressions.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number with a point.
    Float(f64),
    /// A text.
    String(String),
    /// A duration in nanoseconds.
    Duration(i64),
    /// A timestamp in nanoseconds since 1970.
    Timestamp(i64),
    /// `[a, b]`; at run time a missing element is null.
    Array(Vec<Expr>),
    /// `{k: v}`; of equal keys the last wins.
    Map(Vec<(String, Expr)>),
    /// A field of the event under test; `alias.field` and `Type.field` are this as well.
    Field(String),
    /// The whole event as a map of its fields: the alias or the lambda's parameter alone.
    Event,
    /// Something of the events that the stream's sequence has captured. Index into [`Sequence::captures`].
    Captured(usize),
    /// Index into [`Program::variables`].
    Variable(usize),
    /// A parameter of an enclosing lambda. Parameters are numbered from the outermost lambda of the expression inwards,
    /// from 0, left to right.
    Parameter(usize),
    /// A local of the function around it: a parameter first.
    Local(usize),
    /// A field of a map: `of.field`, `of?.field`. Missing if there is none, or `of` is no map.
    Member {
        /// Of what.
        of: Box<Expr>,
        /// Which field.
        field: String,
    },
    /// `of[index]`: an element of an array, or a field of a map.
    Index {
        /// Of what.
        of: Box<Expr>,
        /// Which one.
        index: Box<Expr>,
    },
    /// `of[from:to]`, of an array or a string.
    Slice {
        /// Of what.
        of: Box<Expr>,
        /// The first element.
        from: Option<Box<Expr>>,
        /// The element after the last.
        to: Option<Box<Expr>>,
    },
    /// A value of [`Aggregate::calls`]; in the results of an aggregation only.
    Aggregate(usize),
    /// A built-in function.
    Call {
        /// Which function.
        function: Function,
        /// As many arguments as it takes.
        args: Vec<Expr>,
    },
    /// A function that the program declares: index into [`Program::functions`].
    UserCall {
        /// Which function.
        function: usize,
        /// As many arguments as it takes.
        args: Vec<Expr>,
    },
    /// A lambda; stands only as the second argument of [`Function::Map`] and [`Function::Filter`], with one parameter.
    Lambda(Box<Expr>),
    /// `-a`, `~a`, `not a`
    Unary {
        /// Which operator.
        op: UnaryOp,
        /// Its operand.
        operand: Box<Expr>,
    },
    /// `a + b` and the like.
    Binary {
        /// Which operator.
        op: BinaryOp,
        /// Its left operand.
        left: Box<Expr>,
        /// Its right operand.
        right: Box<Expr>,
    },
    /// `a is null`, `a is not null`
    IsNull {
        /// What is looked at.
        operand: Box<Expr>,
        /// True for `is not`.
        negated: bool,
    },
    /// `a..b`, `a..=b`: the array of these integers.
    Range {
        /// The first.
        from: Box<Expr>,
        /// The last, or the one after it.
        to: Box<Expr>,
        /// True for `..=`.
        inclusive: bool,
    },
    /// `if condition then a else b`
    If {
        /// What decides.
        condition: Box<Expr>,
        /// The value when it is true.
        then: Box<Expr>,
        /// The value otherwise, also when the condition is missing.
        otherwise: Box<Expr>,
    },
}

/// The built-in functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named as they are called; what they do stands in docs/vpl.md")]
pub enum Function {
    Abs,
    Sqrt,
    Floor,
    Ceil,
    Round,
    Pow,
    Log,
    Log10,
    Exp,
    Sin,
    Cos,
    Tan,
    Min,
    Max,
    Clamp,
    Len,
    Trim,
    Lower,
    Upper,
    Split,
    Join,
    Replace,
    StartsWith,
    EndsWith,
    Substring,
    Concat,
    Contains,
    First,
    Last,
    Push,
    Pop,
    Reverse,
    Sort,
    Range,
    Sum,
    Avg,
    Keys,
    Values,
    Get,
    Set,
    Map,
    Filter,
    ToString,
    ToInt,
    ToFloat,
    TypeOf,
    IsNull,
    Coalesce,
    Now,
}

impl Function {
    /// Every function, with the name by which it is called and the least and the greatest number of its arguments.
    pub const ALL: &[(Function, &str, usize, usize)] = &[
        (Function::Abs, "abs", 1, 1),
        (Function::Sqrt, "sqrt", 1, 1),
        (Function::Floor, "floor", 1, 1),
        (Function::Ceil, "ceil", 1, 1),
        (Function::Round, "round", 1, 1),
        (Function::Pow, "pow", 2, 2),
        (Function::Log, "log", 1, 1),
        (Function::Log10, "log10", 1, 1),
        (Function::Exp, "exp", 1, 1),
        (Function::Sin, "sin", 1, 1),
        (Function::Cos, "cos", 1, 1),
        (Function::Tan, "tan", 1, 1),
        (Function::Min, "min", 1, usize::MAX),
        (Function::Max, "max", 1, usize::MAX),
        (Function::Clamp, "clamp", 3, 3),
        (Function::Len, "len", 1, 1),
        (Function::Trim, "trim", 1, 1),
        (Function::Lower, "lower", 1, 1),
        (Function::Upper, "upper", 1, 1),
        (Function::Split, "split", 2, 2),
        (Function::Join, "join", 2, 2),
        (Function::Replace, "replace", 3, 3),
        (Function::StartsWith, "starts_with", 2, 2),
        (Function::EndsWith, "ends_with", 2, 2),
        (Function::Substring, "substring", 2, 3),
        (Function::Concat, "concat", 1, usize::MAX),
        (Function::Contains, "contains", 2, 2),
        (Function::First, "first", 1, 1),
        (Function::Last, "last", 1, 1),
        (Function::Push, "push", 2, 2),
        (Function::Pop, "pop", 1, 1),
        (Function::Reverse, "reverse", 1, 1),
        (Function::Sort, "sort", 1, 1),
        (Function::Range, "range", 1, 3),
        (Function::Sum, "sum", 1, 1),
        (Function::Avg, "avg", 1, 1),
        (Function::Keys, "keys", 1, 1),
        (Function::Values, "values", 1, 1),
        (Function::Get, "get", 2, 3),
        (Function::Set, "set", 3, 3),
        (Function::Map, "map", 2, 2),
        (Function::Filter, "filter", 2, 2),
        (Function::ToString, "to_string", 1, 1),
        (Function::ToInt, "to_int", 1, 1),
        (Function::ToFloat, "to_float", 1, 1),
        (Function::TypeOf, "type_of", 1, 1),
        (Function::IsNull, "is_null", 1, 1),
        (Function::Coalesce, "coalesce", 1, usize::MAX),
        (Function::Now, "now", 0, 0),
    ];
}
