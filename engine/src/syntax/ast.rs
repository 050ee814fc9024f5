//! The tree that the parser makes of a program: what is written, not yet what it means.
//!
//! 1. Every node that a diagnostic may point at carries its [`Span`]; a name carries its own.
//! 2. Nothing is resolved here: an identifier in an expression is a [`ExprKind::Name`], whether it will turn out to be a
//!    field, an alias, a variable or a lambda's parameter.
//! 3. Operations without a syntax of their own are [`OpKind::Plain`]: the checker knows what arguments each one takes.
//! 4. No tree is higher than [`MAX_HEIGHT`], so that whoever walks it (or drops it) may recurse.

use std::ops::Range;

use serde::Serialize;

/// The greatest [`Expr::height`] of an expression that the parser returns.
pub const MAX_HEIGHT: u16 = 256;

/// A stretch of the program's text, in bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last one.
    pub end: u32,
}

impl Span {
    /// The bytes from `start` up to `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Span { start: start as u32, end: end as u32 }
    }

    /// From the beginning of `self` to the end of `last`.
    pub fn to(self, last: Span) -> Self {
        Span { start: self.start, end: last.end.max(self.start) }
    }

    /// The same as a range, to index the text with.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A name as it is written. A name of an imported file may have dots: `shared.Tick`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Name {
    /// The name itself.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// A whole program.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
pub struct Program {
    /// The statements in the order in which they are written; loops are repeated already.
    pub statements: Vec<Statement>,
    /// The names that statements with a syntax error declare: known, but nothing else is known of them.
    pub broken: Vec<Name>,
}

/// One statement of the outermost level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statement {
    /// Which statement it is.
    pub kind: StatementKind,
    /// From its first word to its last.
    pub span: Span,
}

/// The statements of the outermost level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum StatementKind {
    /// `context NAME (cores: [0, 1])`
    Context(Context),
    /// `connector NAME = kind (key: value, …)`
    Connector(Connector),
    /// `event NAME extends NAME: fields`
    Event(Event),
    /// `type NAME = T`, or `type NAME: fields`
    Type(TypeDecl),
    /// `let`, `var` or `const`
    Variable(Variable),
    /// `NAME := expr`
    Assign(Assign),
    /// `fn NAME (parameters) -> T: body`
    Function(Function),
    /// `for NAME in a..b: statements`
    Repeat(Repeat),
    /// `config NAME { key: value }`
    Config(Config),
    /// `import "file" as NAME`
    Import(Import),
    /// `pattern NAME = step -> step …`
    Pattern(Pattern),
    /// `stream NAME = source .operation(…) …`
    Stream(Stream),
}

/// `context NAME (cores: [0, 1])`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Context {
    /// Its name.
    pub name: Name,
    /// The cores to which its lanes are pinned; `None` without the parentheses.
    pub cores: Option<Vec<i64>>,
}

/// `connector NAME = kind (key: value, …)`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Connector {
    /// Its name.
    pub name: Name,
    /// `kafka`, `file`, `console`, or a kind that is refused.
    pub kind: Name,
    /// Its parameters, in the order in which they are written.
    pub params: Vec<Param>,
}

/// `key: value`, where the value is a constant, a name, a concatenation or an array of these.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Param {
    /// The key; one in quotes is kept without them.
    pub key: Name,
    /// The value. A bare word is an [`ExprKind::Name`].
    pub value: Expr,
}

/// `event NAME extends NAME: fields`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Its name.
    pub name: Name,
    /// How records name it, where that is not its name: it comes from a file that is imported with a prefix.
    pub in_data: Option<String>,
    /// The event whose fields it has as well.
    pub extends: Option<Name>,
    /// Its own fields.
    pub fields: Vec<FieldDecl>,
}

/// `name: type?`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldDecl {
    /// Its name.
    pub name: Name,
    /// Its type; `?` makes it [`TypeKind::Optional`].
    pub ty: Type,
}

/// A type as it is written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Type {
    /// Which type it is.
    pub kind: TypeKind,
    /// Where it stands.
    pub span: Span,
}

/// The types.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum TypeKind {
    /// `int`
    Int,
    /// `float`
    Float,
    /// `bool`
    Bool,
    /// `str`
    Str,
    /// `timestamp`
    Timestamp,
    /// `duration`
    Duration,
    /// The name of a declared type or event.
    Named(String),
    /// `[T]`
    Array(Box<Type>),
    /// `{K: V}`
    Map(Box<Type>, Box<Type>),
    /// `(T, U)`
    Tuple(Vec<Type>),
    /// `Stream<T>`
    Stream(Box<Type>),
    /// `T?`
    Optional(Box<Type>),
}

/// `type NAME = T`, or `type NAME: fields`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TypeDecl {
    /// Its name.
    pub name: Name,
    /// What the name stands for.
    pub body: TypeBody,
}

/// What a declared type stands for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum TypeBody {
    /// Another type.
    Alias(Type),
    /// A record of fields.
    Fields(Vec<FieldDecl>),
}

/// `let NAME: T = expr`, and the same with `var` and `const`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Variable {
    /// With which word it is declared.
    pub kind: VariableKind,
    /// Its name.
    pub name: Name,
    /// Its declared type.
    pub ty: Option<Type>,
    /// Its value.
    pub value: Expr,
}

/// With which word a variable is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum VariableKind {
    /// `let`: is not assigned again.
    Let,
    /// `var`: may be assigned again.
    Var,
    /// `const`: is not assigned again.
    Const,
}

/// `NAME := expr`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Assign {
    /// The variable.
    pub name: Name,
    /// Its new value.
    pub value: Expr,
}

/// `fn NAME (parameters) -> T: body`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Function {
    /// Its name.
    pub name: Name,
    /// Its parameters.
    pub parameters: Vec<FieldDecl>,
    /// The declared type of its value.
    pub returns: Option<Type>,
    /// Its statements; the last expression is its value.
    pub body: Vec<BodyStatement>,
}

/// One statement of a function's body.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BodyStatement {
    /// Which statement it is.
    pub kind: BodyKind,
    /// Where it stands.
    pub span: Span,
}

/// The statements of a function's body.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum BodyKind {
    /// `if … elif … else …`
    If {
        /// The conditions, each with its block.
        branches: Vec<(Expr, Vec<BodyStatement>)>,
        /// The block of `else`.
        otherwise: Option<Vec<BodyStatement>>,
    },
    /// `for NAME in expr:`
    For {
        /// The variable.
        variable: Name,
        /// A range or an array.
        over: Expr,
        /// What is repeated.
        body: Vec<BodyStatement>,
    },
    /// `while expr:`
    While {
        /// As long as this is true.
        condition: Expr,
        /// What is repeated.
        body: Vec<BodyStatement>,
    },
    /// `break`
    Break,
    /// `continue`
    Continue,
    /// `return expr`
    Return(Option<Expr>),
    /// `let`, `var` or `const`
    Variable(Variable),
    /// `NAME := expr`
    Assign(Assign),
    /// `emit TYPE(name: expr, …)`
    Emit {
        /// The type of the event.
        event: Name,
        /// Its fields.
        fields: Vec<Arg>,
    },
    /// An expression; the last one is the function's value.
    Expr(Expr),
}

/// `for NAME in a..b: statements`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Repeat {
    /// The name that stands in braces in the block.
    pub variable: Name,
    /// The first value.
    pub first: i64,
    /// The value after the last one.
    pub end: i64,
    /// The block, once for every value, with `{NAME}` replaced by it. The spans are those of the block as written.
    pub statements: Vec<Statement>,
}

/// `config NAME { key: value }`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Config {
    /// Its name.
    pub name: Name,
    /// Its entries.
    pub params: Vec<Param>,
}

/// `import "file" as NAME`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Import {
    /// The file, relative to the program, or the module's name in `import fn … from wasm`.
    pub path: Name,
    /// The prefix for its names.
    pub alias: Option<Name>,
    /// True for `import fn … from wasm`, which is refused.
    pub foreign: bool,
}

/// `pattern NAME = step -> step … within d partition by NAME`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pattern {
    /// Its name.
    pub name: Name,
    /// Its steps, at least one.
    pub steps: Vec<Step>,
    /// `within d`, a duration in nanoseconds.
    pub within: Option<(i64, Span)>,
    /// `partition by NAME`
    pub partition_by: Option<Name>,
}

/// One step of a pattern or of a chain of `->`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// `all`: one or more such events.
    pub all: bool,
    /// `NOT`: no such event.
    pub not: bool,
    /// The event type or stream.
    pub event: Name,
    /// `.increasing(field)` or `.decreasing(field)`
    pub trend: Option<Trend>,
    /// `where expr`
    pub predicate: Option<Expr>,
    /// `as NAME`
    pub alias: Option<Name>,
    /// Where it stands.
    pub span: Span,
}

/// `.increasing(field)` or `.decreasing(field)`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trend {
    /// True for `.increasing`.
    pub increasing: bool,
    /// The field that has to rise or to fall.
    pub field: Name,
}

/// `stream NAME: T = source .operation(…) …`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stream {
    /// Its name.
    pub name: Name,
    /// Its declared type.
    pub ty: Option<Type>,
    /// What it reads.
    pub source: Source,
    /// What it does with that, in order.
    pub ops: Vec<Op>,
}

/// What a stream reads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Source {
    /// Which kind of source it is.
    pub kind: SourceKind,
    /// Where it stands.
    pub span: Span,
}

/// The sources.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum SourceKind {
    /// `EVENT.from(connector, key: value, …)`
    From {
        /// The event type that is bound to the topic.
        event: Name,
        /// The connector.
        connector: Name,
        /// Its parameters here.
        params: Vec<Param>,
    },
    /// `NAME`, `all NAME`, `NAME where pred as alias`: an event type, a stream or a pattern.
    Named {
        /// `all`: a Kleene closure that is the first step of a sequence.
        all: bool,
        /// What is read.
        name: Name,
        /// `where pred`
        predicate: Option<Expr>,
        /// `as NAME`
        alias: Option<Name>,
    },
    /// `merge(A, stream B = C.where(expr), …)`
    Merge(Vec<Branch>),
    /// `join(A, stream B = C.on(expr), …)` and its three relatives.
    Join {
        /// Which of the four.
        kind: JoinKind,
        /// Its sides.
        sides: Vec<Branch>,
    },
    /// `sequence(alias: EVENT where expr .within(d), …)`
    Sequence(Vec<SequenceStep>),
    /// `timer(d, initial_delay: d)`
    Timer(Vec<Arg>),
}

/// One input of a merge or a join.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Branch {
    /// `stream NAME =`
    pub label: Option<Name>,
    /// What is read.
    pub source: Name,
    /// The expression of `.where(…)` in a merge, of `.on(…)` in a join.
    pub condition: Option<Expr>,
}

/// Which sides of a join give a result without a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum JoinKind {
    /// `join`: none.
    Inner,
    /// `left_join`: the first.
    Left,
    /// `right_join`: the last.
    Right,
    /// `full_join`: all.
    Full,
}

/// One step of `sequence(…)`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SequenceStep {
    /// The name of the captured event.
    pub alias: Name,
    /// The event type or stream.
    pub event: Name,
    /// `where expr`
    pub predicate: Option<Expr>,
    /// `.within(d)`
    pub within: Option<Expr>,
}

/// One operation of a stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Op {
    /// Its name; for a step it is `->`.
    pub name: Name,
    /// What it is given.
    pub kind: OpKind,
    /// From its dot or arrow to its last character.
    pub span: Span,
}

/// The operations, by their syntax.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum OpKind {
    /// `.name(expr, name: expr, …)`
    Plain(Vec<Arg>),
    /// `-> all NOT NAME.increasing(f) where pred as alias`
    Follow(Step),
    /// `.emit(as TYPE, name: expr, …)`
    Emit {
        /// The type of the output.
        output: Option<Name>,
        /// Its fields.
        args: Vec<Arg>,
    },
    /// `.order_by(expr desc, …)`
    OrderBy(Vec<OrderKey>),
    /// `.not(NAME where expr)`
    Not {
        /// The event type or stream that ends a run.
        event: Name,
        /// `where expr`
        predicate: Option<Expr>,
    },
    /// `.pattern(NAME: A -> B and not C)`
    Pattern {
        /// Its name.
        name: Name,
        /// What has to happen.
        events: EventAlgebra,
    },
    /// An operation that kolo refuses; what stands in its parentheses is not looked at.
    Refused,
}

/// An argument.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Arg {
    /// The name before the colon.
    pub name: Option<Name>,
    /// Its value.
    pub value: Expr,
}

/// One key of `.order_by`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OrderKey {
    /// What is compared.
    pub value: Expr,
    /// True for `desc`.
    pub descending: bool,
}

/// The event algebra of `.pattern`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum EventAlgebra {
    /// An event type, a stream or an alias.
    Event(Name),
    /// `a -> b -> …`: one after the other.
    Then(Vec<EventAlgebra>),
    /// `a and b …`: all, in any order.
    And(Vec<EventAlgebra>),
    /// `a or b …`: at least one.
    Or(Vec<EventAlgebra>),
    /// `a xor b …`: exactly one.
    Xor(Vec<EventAlgebra>),
    /// `not a`: none.
    Not(Box<EventAlgebra>),
}

/// An expression.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Expr {
    /// Which expression it is.
    pub kind: ExprKind,
    /// Where it stands, with its parentheses.
    pub span: Span,
    /// Levels of expressions below this one; at most [`MAX_HEIGHT`].
    #[serde(skip)]
    pub height: u16,
}

/// The expressions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum ExprKind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number with a point.
    Float(f64),
    /// A text in quotes, without them and with its escapes replaced.
    String(String),
    /// `5m`, in nanoseconds.
    Duration(i64),
    /// `@2024-01-15T10:00:00Z`, in nanoseconds since 1970.
    Timestamp(i64),
    /// `[a, b]`
    Array(Vec<Expr>),
    /// `{k: v}`; a key is a word or a text in quotes.
    Map(Vec<(Name, Expr)>),
    /// An identifier.
    Name(String),
    /// `of.field`, or `of?.field`
    Member {
        /// Of what.
        of: Box<Expr>,
        /// Which field.
        field: Name,
        /// True for `?.`.
        optional: bool,
    },
    /// `of[index]`
    Index {
        /// Of what.
        of: Box<Expr>,
        /// Which element.
        index: Box<Expr>,
    },
    /// `of[from:to]`
    Slice {
        /// Of what.
        of: Box<Expr>,
        /// The first element.
        from: Option<Box<Expr>>,
        /// The element after the last.
        to: Option<Box<Expr>>,
    },
    /// `callee(args)`
    Call {
        /// What is called: in a sensible program a name.
        callee: Box<Expr>,
        /// Its arguments.
        args: Vec<Arg>,
    },
    /// `-a`, `~a`, `not a`
    Unary {
        /// Which operator.
        op: UnaryOp,
        /// Its operand.
        operand: Box<Expr>,
    },
    /// `a + b` and the like
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
    /// `a..b`, `a..=b`
    Range {
        /// The first value.
        from: Box<Expr>,
        /// The last one, or the one after it.
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
        /// The value otherwise.
        otherwise: Box<Expr>,
    },
    /// `x => e`, `(x, y) => e`
    Lambda {
        /// Its parameters.
        parameters: Vec<Name>,
        /// Its value.
        body: Box<Expr>,
    },
}

/// The operators with one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum UnaryOp {
    /// `-`
    Negate,
    /// `~`
    BitNot,
    /// `not`
    Not,
}

/// The operators with two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum BinaryOp {
    /// `or`
    Or,
    /// `and`
    And,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `in`
    In,
    /// `not in`
    NotIn,
    /// `|`
    BitOr,
    /// `^`
    BitXor,
    /// `&`
    BitAnd,
    /// `<<`
    ShiftLeft,
    /// `>>`
    ShiftRight,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Remainder,
    /// `**`
    Power,
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
            | ExprKind::Name(_) => {}
            ExprKind::Array(items) => items.iter().for_each(visit),
            ExprKind::Map(entries) => entries.iter().for_each(|(_, value)| visit(value)),
            ExprKind::Member { of, .. } => visit(of),
            ExprKind::Index { of, index } => [of, index].into_iter().for_each(|part| visit(part)),
            ExprKind::Slice { of, from, to } => {
                [Some(of), from.as_ref(), to.as_ref()].into_iter().flatten().for_each(|part| visit(part));
            }
            ExprKind::Call { callee, args } => {
                visit(callee);
                args.iter().for_each(|arg| visit(&arg.value));
            }
            ExprKind::Unary { operand, .. } | ExprKind::IsNull { operand, .. } => visit(operand),
            ExprKind::Binary { left, right, .. } => [left, right].into_iter().for_each(|part| visit(part)),
            ExprKind::Range { from, to, .. } => [from, to].into_iter().for_each(|part| visit(part)),
            ExprKind::If { condition, then, otherwise } => {
                [condition, then, otherwise].into_iter().for_each(|part| visit(part));
            }
            ExprKind::Lambda { body, .. } => visit(body),
        }
    }

    /// The same as [`parts`](Self::parts), to change them.
    pub(super) fn parts_mut(&mut self, visit: &mut dyn FnMut(&mut Expr)) {
        match &mut self.kind {
            ExprKind::Null
            | ExprKind::Bool(_)
            | ExprKind::Int(_)
            | ExprKind::Float(_)
            | ExprKind::String(_)
            | ExprKind::Duration(_)
            | ExprKind::Timestamp(_)
            | ExprKind::Name(_) => {}
            ExprKind::Array(items) => items.iter_mut().for_each(visit),
            ExprKind::Map(entries) => entries.iter_mut().for_each(|(_, value)| visit(value)),
            ExprKind::Member { of, .. } => visit(of),
            ExprKind::Index { of, index } => [of, index].into_iter().for_each(|part| visit(part)),
            ExprKind::Slice { of, from, to } => {
                [Some(of), from.as_mut(), to.as_mut()].into_iter().flatten().for_each(|part| visit(part));
            }
            ExprKind::Call { callee, args } => {
                visit(callee);
                args.iter_mut().for_each(|arg| visit(&mut arg.value));
            }
            ExprKind::Unary { operand, .. } | ExprKind::IsNull { operand, .. } => visit(operand),
            ExprKind::Binary { left, right, .. } => [left, right].into_iter().for_each(|part| visit(part)),
            ExprKind::Range { from, to, .. } => [from, to].into_iter().for_each(|part| visit(part)),
            ExprKind::If { condition, then, otherwise } => {
                [condition, then, otherwise].into_iter().for_each(|part| visit(part));
            }
            ExprKind::Lambda { body, .. } => visit(body),
        }
    }

    /// An expression whose height follows from its parts.
    pub fn new(kind: ExprKind, span: Span) -> Self {
        let mut expr = Expr { kind, span, height: 0 };
        let mut height = 0;
        expr.parts(&mut |part| height = height.max(part.height.saturating_add(1)));
        expr.height = height;
        expr
    }
}
