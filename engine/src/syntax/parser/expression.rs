//! Expressions: operator precedence by levels, as in the table of docs/vpl.md.

use super::super::ast::{Arg, BinaryOp, Expr, ExprKind, Name, Span, UnaryOp};
use super::super::literal;
use super::super::token::{Token, TokenKind};
use super::{Ends, Parsed, Parser, Reported, word_name};
use crate::diagnostic::{Code, Diagnostic};

/// The levels of the operators with two operands and of `not`, the loosest first. A lambda is looser than all of them;
/// the other unary operators, and what follows an operand, are tighter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Range,
    Or,
    And,
    Not,
    Comparison,
    BitOr,
    BitXor,
    BitAnd,
    Shift,
    Sum,
    Product,
    Power,
}

/// An operator between two operands.
#[derive(Debug, Clone, Copy)]
enum Infix {
    Range { inclusive: bool },
    Is,
    Binary(BinaryOp),
}

impl Level {
    /// The level of the right operand: the next tighter one, so that operators of one level group to the left.
    fn right(self) -> Level {
        match self {
            Level::Range => Level::Or,
            Level::Or => Level::And,
            Level::And => Level::Not,
            Level::Not => Level::Comparison,
            Level::Comparison => Level::BitOr,
            Level::BitOr => Level::BitXor,
            Level::BitXor => Level::BitAnd,
            Level::BitAnd => Level::Shift,
            Level::Shift => Level::Sum,
            Level::Sum => Level::Product,
            Level::Product => Level::Power,
            // `**` alone groups to the right.
            Level::Power => Level::Power,
        }
    }
}

impl<'a> Parser<'a, '_> {
    /// Any expression.
    pub(super) fn expr(&mut self) -> Parsed<Expr> {
        self.nested(|p| {
            let start = p.peek().span;
            let Some(parameters) = p.lambda_parameters() else { return p.binary(Level::Range) };
            let body = p.expr()?;
            p.expr_of(ExprKind::Lambda { parameters, body: Box::new(body) }, p.since(start))
        })
    }

    /// An expression without parentheses that an operation, `as` or `->` may follow.
    pub(super) fn predicate(&mut self) -> Parsed<Expr> {
        self.with_ends(Ends { operation: true, ..self.ends }, Self::expr)
    }

    /// `x =>` or `(x, y) =>`, if they stand here.
    fn lambda_parameters(&mut self) -> Option<Vec<Name>> {
        if self.at(TokenKind::Word) && self.peek_at(1).kind == TokenKind::FatArrow {
            let parameter = word_name(self.next());
            self.next();
            return Some(vec![parameter]);
        }
        if !self.at(TokenKind::LeftParen) {
            return None;
        }
        let mut ahead = 1;
        while self.peek_at(ahead).kind == TokenKind::Word && self.peek_at(ahead + 1).kind == TokenKind::Comma {
            ahead += 2;
        }
        let closed =
            self.peek_at(ahead).kind == TokenKind::Word && self.peek_at(ahead + 1).kind == TokenKind::RightParen;
        if !closed || self.peek_at(ahead + 2).kind != TokenKind::FatArrow {
            return None;
        }
        let parameters = (1..=ahead).step_by(2).map(|ahead| word_name(self.peek_at(ahead))).collect();
        self.at += ahead + 3;
        Some(parameters)
    }

    /// Operands joined by operators of `level` or tighter.
    fn binary(&mut self, level: Level) -> Parsed<Expr> {
        let start = self.peek().span;
        let mut left = if level <= Level::Not && self.at_not() {
            self.next();
            let operand = self.nested(|p| p.binary(Level::Not))?;
            self.expr_of(ExprKind::Unary { op: UnaryOp::Not, operand: Box::new(operand) }, self.since(start))?
        } else {
            self.unary()?
        };
        let mut compared = None;
        while let Some((infix, of, tokens)) = self.infix().filter(|(_, of, _)| *of >= level) {
            let sign = self.peek().span;
            if of == Level::Comparison
                && let Some(first) = compared.replace(sign)
            {
                return Err(self.chained(first, sign));
            }
            for _ in 0..tokens {
                self.next();
            }
            let kind = match infix {
                Infix::Is => {
                    let negated = self.eat_word("not");
                    self.expect_word("null")?;
                    ExprKind::IsNull { operand: Box::new(left), negated }
                }
                Infix::Range { inclusive } => {
                    let to = self.nested(|p| p.binary(of.right()))?;
                    ExprKind::Range { from: Box::new(left), to: Box::new(to), inclusive }
                }
                Infix::Binary(op) => {
                    let right = self.nested(|p| p.binary(of.right()))?;
                    ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) }
                }
            };
            left = self.expr_of(kind, self.since(start))?;
            if of == Level::Range {
                break;
            }
        }
        Ok(left)
    }

    fn chained(&mut self, first: Span, second: Span) -> Reported {
        let diagnostic = Diagnostic::new(Code::ChainedComparison, second, "a comparison cannot be compared again")
            .label("second comparison")
            .related(first, "first comparison")
            .help("join two comparisons with `and`: `a < b and b < c`");
        self.report(diagnostic)
    }

    /// The operator that stands here, its level and its number of tokens.
    fn infix(&self) -> Option<(Infix, Level, usize)> {
        use BinaryOp as Op;
        let token = self.peek();
        let (op, level) = match token.kind {
            _ if self.block_ended() => return None,
            // On a line of its own it is an operand of that name.
            TokenKind::Word if self.ends.newline && token.indent.is_some() && !self.operand_follows() => return None,
            TokenKind::Word => match token.text {
                "or" => (Op::Or, Level::Or),
                "and" => (Op::And, Level::And),
                "in" => (Op::In, Level::Comparison),
                "not" if self.peek_at(1).is_word("in") => {
                    return Some((Infix::Binary(Op::NotIn), Level::Comparison, 2));
                }
                "is" => return Some((Infix::Is, Level::Comparison, 1)),
                _ => return None,
            },
            TokenKind::Range => return Some((Infix::Range { inclusive: false }, Level::Range, 1)),
            TokenKind::RangeInclusive => return Some((Infix::Range { inclusive: true }, Level::Range, 1)),
            TokenKind::Equal => (Op::Equal, Level::Comparison),
            TokenKind::NotEqual => (Op::NotEqual, Level::Comparison),
            TokenKind::Less => (Op::Less, Level::Comparison),
            TokenKind::LessOrEqual => (Op::LessOrEqual, Level::Comparison),
            TokenKind::Greater => (Op::Greater, Level::Comparison),
            TokenKind::GreaterOrEqual => (Op::GreaterOrEqual, Level::Comparison),
            TokenKind::Pipe => (Op::BitOr, Level::BitOr),
            TokenKind::Caret => (Op::BitXor, Level::BitXor),
            TokenKind::Ampersand => (Op::BitAnd, Level::BitAnd),
            TokenKind::ShiftLeft => (Op::ShiftLeft, Level::Shift),
            TokenKind::ShiftRight => (Op::ShiftRight, Level::Shift),
            TokenKind::Plus => (Op::Add, Level::Sum),
            TokenKind::Minus => (Op::Subtract, Level::Sum),
            TokenKind::Star => (Op::Multiply, Level::Product),
            TokenKind::Slash => (Op::Divide, Level::Product),
            TokenKind::Percent => (Op::Remainder, Level::Product),
            TokenKind::StarStar => (Op::Power, Level::Power),
            _ => return None,
        };
        Some((Infix::Binary(op), level, 1))
    }

    /// Whether the next token stands on a line behind the block of the statement at hand.
    fn block_ended(&self) -> bool {
        self.ends.newline && self.peek().indent.is_some_and(|indent| indent.width < self.ends.block)
    }

    /// `-a`, `~a`, or an operand.
    fn unary(&mut self) -> Parsed<Expr> {
        let op = match self.peek().kind {
            TokenKind::Minus => UnaryOp::Negate,
            TokenKind::Tilde => UnaryOp::BitNot,
            _ => return self.postfix(),
        };
        let start = self.next().span;
        // The one integer whose absolute value is none.
        if op == UnaryOp::Negate && self.at(TokenKind::Int) && self.peek().text == "9223372036854775808" {
            self.next();
            return self.expr_of(ExprKind::Int(i64::MIN), self.since(start));
        }
        let operand = self.nested(Self::unary)?;
        self.expr_of(ExprKind::Unary { op, operand: Box::new(operand) }, self.since(start))
    }

    /// An operand with what follows it: fields, indices, arguments.
    fn postfix(&mut self) -> Parsed<Expr> {
        let start = self.peek().span;
        let mut expr = self.primary()?;
        loop {
            let token = self.peek();
            let new_line = token.indent.is_some();
            let kind = match token.kind {
                _ if self.block_ended() => break,
                TokenKind::Dot if self.at_operation() && (self.ends.operation || new_line) => break,
                TokenKind::Dot | TokenKind::OptionalDot => {
                    self.next();
                    let field = self.name("a field's name")?;
                    ExprKind::Member { of: Box::new(expr), field, optional: token.kind == TokenKind::OptionalDot }
                }
                TokenKind::LeftBracket | TokenKind::LeftParen if self.ends.newline && new_line => break,
                TokenKind::LeftBracket => {
                    self.next();
                    self.within_brackets(|p| p.index(expr, token))?
                }
                TokenKind::LeftParen => ExprKind::Call { callee: Box::new(expr), args: self.args()? },
                _ => break,
            };
            expr = self.expr_of(kind, self.since(start))?;
        }
        Ok(expr)
    }

    /// `i]` or `a:b]`
    fn index(&mut self, of: Expr, open: Token<'a>) -> Parsed<ExprKind> {
        let of = Box::new(of);
        let from = if self.at(TokenKind::Colon) { None } else { Some(Box::new(self.expr()?)) };
        if !self.eat(TokenKind::Colon) {
            let Some(index) = from else { return Err(self.expected("an index")) };
            self.expect_close(open, TokenKind::RightBracket)?;
            return Ok(ExprKind::Index { of, index });
        }
        let to = if self.at(TokenKind::RightBracket) { None } else { Some(Box::new(self.expr()?)) };
        self.expect_close(open, TokenKind::RightBracket)?;
        Ok(ExprKind::Slice { of, from, to })
    }

    /// `(expr, name: expr, …)`
    pub(super) fn args(&mut self) -> Parsed<Vec<Arg>> {
        let open = self.expect(TokenKind::LeftParen)?;
        self.list(open, TokenKind::RightParen, Self::arg)
    }

    /// `expr` or `name: expr`
    pub(super) fn arg(&mut self) -> Parsed<Arg> {
        let named = self.at(TokenKind::Word) && self.peek_at(1).kind == TokenKind::Colon;
        let name = named.then(|| word_name(self.next()));
        if named {
            self.next();
        }
        Ok(Arg { name, value: self.expr()? })
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let token = self.peek();
        let kind = match token.kind {
            // Something is missing, and the next statement is no part of it.
            TokenKind::Word if self.operand_follows() && self.starts_statement(self.at) => {
                return Err(self.expected("an expression"));
            }
            TokenKind::Word => match token.text {
                "true" => ExprKind::Bool(true),
                "false" => ExprKind::Bool(false),
                "null" => ExprKind::Null,
                "if" if self.operand_follows() => return self.conditional(),
                "not" if self.operand_follows() => return Err(self.misplaced_not()),
                name => ExprKind::Name(name.to_owned()),
            },
            TokenKind::Int => match token.text.parse() {
                Ok(value) => ExprKind::Int(value),
                Err(_) => {
                    return Err(self.bad_literal(
                        Code::BadNumber,
                        "this integer is beyond 64 bits",
                        "a float reaches further: `1.0e19`",
                    ));
                }
            },
            TokenKind::Float => match token.text.parse::<f64>() {
                Ok(value) if value.is_finite() => ExprKind::Float(value),
                _ => {
                    return Err(self.bad_literal(
                        Code::BadNumber,
                        "this number is infinite",
                        "the greatest is about 1.8e308",
                    ));
                }
            },
            TokenKind::String => ExprKind::String(self.string_value(token)?),
            TokenKind::Duration => ExprKind::Duration(self.duration_value(token)?),
            TokenKind::Timestamp => match literal::timestamp(token.text) {
                Some(value) => ExprKind::Timestamp(value),
                None => {
                    let help = "write `@2024-01-15` or `@2024-01-15T10:00:00Z`, between 1677 and 2262";
                    return Err(self.bad_literal(Code::BadTimestamp, "there is no such time", help));
                }
            },
            TokenKind::LeftParen => return self.parenthesised(),
            TokenKind::LeftBracket => {
                let open = self.next();
                let items = self.list(open, TokenKind::RightBracket, Self::expr)?;
                return self.expr_of(ExprKind::Array(items), self.since(open.span));
            }
            TokenKind::LeftBrace => {
                let open = self.next();
                let entries = self.list(open, TokenKind::RightBrace, Self::map_entry)?;
                return self.expr_of(ExprKind::Map(entries), self.since(open.span));
            }
            _ => return Err(self.expected("an expression")),
        };
        self.next();
        Ok(Expr::new(kind, token.span))
    }

    fn parenthesised(&mut self) -> Parsed<Expr> {
        let open = self.next();
        let mut inner = self.within_brackets(Self::expr)?;
        self.expect_close(open, TokenKind::RightParen)?;
        inner.span = self.since(open.span);
        Ok(inner)
    }

    /// `if condition then a else b`
    fn conditional(&mut self) -> Parsed<Expr> {
        let start = self.next().span;
        let condition = Box::new(self.expr()?);
        self.expect_word("then")?;
        let then = Box::new(self.expr()?);
        self.expect_word("else")?;
        let otherwise = Box::new(self.expr()?);
        self.expr_of(ExprKind::If { condition, then, otherwise }, self.since(start))
    }

    fn map_entry(&mut self) -> Parsed<(Name, Expr)> {
        let key = self.key()?;
        self.expect(TokenKind::Colon)?;
        Ok((key, self.expr()?))
    }

    /// A word, or a text in quotes.
    pub(super) fn key(&mut self) -> Parsed<Name> {
        let token = self.peek();
        match token.kind {
            TokenKind::String => {
                let text = self.string_value(token)?;
                self.next();
                Ok(Name { text, span: token.span })
            }
            _ => self.name("a key"),
        }
    }

    /// `not` as an operator, not as a field of that name.
    fn at_not(&self) -> bool {
        self.at_word("not") && self.operand_follows()
    }

    /// Whether the token after the next one begins an operand: then the next one is an operator, and no name.
    pub(super) fn operand_follows(&self) -> bool {
        let after = self.peek_at(1);
        match after.kind {
            TokenKind::Word => !matches!(after.text, "and" | "or" | "in" | "is" | "then" | "else" | "as"),
            TokenKind::Int
            | TokenKind::Float
            | TokenKind::String
            | TokenKind::Duration
            | TokenKind::Timestamp
            | TokenKind::LeftParen
            | TokenKind::LeftBracket
            | TokenKind::LeftBrace
            | TokenKind::Minus
            | TokenKind::Tilde => true,
            _ => false,
        }
    }

    fn misplaced_not(&mut self) -> Reported {
        let diagnostic = Diagnostic::new(Code::Expected, self.peek().span, "`not` cannot stand here")
            .label("binds less tightly than the operator before it")
            .help("put it in parentheses: `a == (not b)`");
        self.report(diagnostic)
    }

    fn bad_literal(&mut self, code: Code, message: &str, help: &str) -> Reported {
        let diagnostic = Diagnostic::new(code, self.peek().span, message).help(help);
        self.report(diagnostic)
    }

    /// The value of a text in quotes.
    pub(super) fn string_value(&mut self, token: Token<'a>) -> Parsed<String> {
        literal::string(token.text).map_err(|(at, length)| {
            let start = token.at as usize + at;
            let span = self.origin.span(start, start + length);
            let diagnostic = Diagnostic::new(Code::BadEscape, span, "there is no such escape").help(
                "the escapes are those of JSON: \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\u with four hexadecimal digits",
            );
            self.report(diagnostic)
        })
    }

    /// The value of a duration.
    pub(super) fn duration_value(&mut self, token: Token<'a>) -> Parsed<i64> {
        literal::duration(token.text)
            .ok_or_else(|| self.bad_literal(Code::BadNumber, "this duration is too long", "106751d is the longest"))
    }
}
