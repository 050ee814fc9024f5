//! Streams: their sources, their operations, the steps of their sequences.

use super::super::ast::{
    Branch, EventAlgebra, JoinKind, Name, Op, OpKind, OrderKey, Param, SequenceStep, Source, SourceKind, Step, Stream,
    Trend,
};
use super::super::token::{Token, TokenKind};
use super::{Parsed, Parser, word_name};

/// Operations that kolo refuses for good. Their arguments may have any form; they are skipped.
pub const REFUSED_OPERATIONS: &[&str] =
    &["forecast", "score", "enrich", "fork", "any", "all", "first", "concurrent", "collect", "on_error"];

impl<'a> Parser<'a, '_> {
    /// `stream NAME: T = source op …`
    pub(super) fn stream(&mut self) -> Parsed<Stream> {
        let first = self.at;
        self.next();
        let name = self.name("the stream's name")?;
        let ty = if self.eat(TokenKind::Colon) { Some(self.ty()?) } else { None };
        self.expect(TokenKind::Set)?;
        let source = self.source()?;
        let mut ops = Vec::new();
        loop {
            let begin = self.at;
            match self.op() {
                Ok(Some(op)) => ops.push(op),
                Ok(None) => return Ok(Stream { name, ty, source, ops }),
                // One bad operation does not hide the problems of those that follow it.
                Err(reported) => {
                    if !self.skip_operation(begin, first) {
                        return Err(reported);
                    }
                }
            }
        }
    }

    /// Goes to the end of the operation that begins at token `begin`, if its parentheses are closed before the next
    /// statement.
    fn skip_operation(&mut self, begin: usize, statement: usize) -> bool {
        let failed_at = self.at;
        self.at = begin;
        self.skip_until(|p| p.at(TokenKind::LeftParen) || p.statement_follows(statement));
        let closed = self.at(TokenKind::LeftParen) && self.skip_brackets(statement) && self.at >= failed_at;
        if !closed {
            self.at = self.at.max(failed_at);
        }
        closed
    }

    /// From an opening bracket to behind the one that closes it. False if a statement begins before that.
    fn skip_brackets(&mut self, statement: usize) -> bool {
        let mut open = 0;
        while !self.at(TokenKind::End) && !self.statement_follows(statement) {
            match self.next().kind {
                TokenKind::LeftParen | TokenKind::LeftBracket | TokenKind::LeftBrace => open += 1,
                TokenKind::RightParen | TokenKind::RightBracket | TokenKind::RightBrace => open -= 1,
                _ => {}
            }
            if open <= 0 {
                return true;
            }
        }
        false
    }

    fn source(&mut self) -> Parsed<Source> {
        let start = self.peek().span;
        let kind = self.source_kind()?;
        Ok(Source { kind, span: self.since(start) })
    }

    fn source_kind(&mut self) -> Parsed<SourceKind> {
        if self.at(TokenKind::Word) && self.peek_at(1).kind == TokenKind::LeftParen {
            let join = match self.peek().text {
                "merge" => None,
                "join" => Some(JoinKind::Inner),
                "left_join" => Some(JoinKind::Left),
                "right_join" => Some(JoinKind::Right),
                "full_join" => Some(JoinKind::Full),
                "sequence" => {
                    self.next();
                    let open = self.next();
                    return Ok(SourceKind::Sequence(self.list(open, TokenKind::RightParen, Self::sequence_step)?));
                }
                "timer" => {
                    self.next();
                    return Ok(SourceKind::Timer(self.args()?));
                }
                _ => return Err(self.expected("`merge`, `join`, `sequence`, `timer` or an event type")),
            };
            self.next();
            let open = self.next();
            let condition = if join.is_some() { "on" } else { "where" };
            let branches = self.list(open, TokenKind::RightParen, |p| p.branch(condition))?;
            return Ok(match join {
                Some(kind) => SourceKind::Join { kind, sides: branches },
                None => SourceKind::Merge(branches),
            });
        }
        let all = self.eat_all();
        let name = self.dotted_name("an event type, a stream or a pattern")?;
        if self.at(TokenKind::Dot) && self.peek_at(1).is_word("from") && self.at_operation() {
            return self.from(name);
        }
        let predicate = self.where_clause()?;
        let alias = self.alias()?;
        Ok(SourceKind::Named { all, name, predicate, alias })
    }

    /// `.from(connector, key: value, …)`
    fn from(&mut self, event: Name) -> Parsed<SourceKind> {
        self.next();
        self.next();
        let open = self.next();
        self.within_brackets(|p| {
            // Parameters come behind it.
            if p.peek_at(1).kind == TokenKind::Colon {
                return Err(p.expected("a connector's name"));
            }
            let connector = p.dotted_name("a connector's name")?;
            let params = if p.eat(TokenKind::Comma) {
                p.list(open, TokenKind::RightParen, Self::param)?
            } else if p.eat(TokenKind::RightParen) {
                Vec::new()
            } else {
                return Err(p.unclosed(open, "`,` or `)`"));
            };
            Ok(SourceKind::From { event, connector, params })
        })
    }

    /// `key: value`
    pub(super) fn param(&mut self) -> Parsed<Param> {
        let key = self.key()?;
        self.expect(TokenKind::Colon)?;
        Ok(Param { key, value: self.expr()? })
    }

    /// `all`, where it is not the name itself.
    fn eat_all(&mut self) -> bool {
        let name = self.peek_at(1);
        let keyword = self.at_word("all")
            && name.kind == TokenKind::Word
            && !matches!(name.text, "as" | "where")
            && !self.starts_statement(self.at + 1);
        if keyword {
            self.next();
        }
        keyword
    }

    fn where_clause(&mut self) -> Parsed<Option<super::Expr>> {
        if self.eat_word("where") { Ok(Some(self.predicate()?)) } else { Ok(None) }
    }

    fn alias(&mut self) -> Parsed<Option<Name>> {
        if self.eat_word("as") { Ok(Some(self.name("an alias")?)) } else { Ok(None) }
    }

    /// `NAME`, or `stream NAME = NAME.where(expr)`
    fn branch(&mut self, condition: &str) -> Parsed<Branch> {
        let labelled =
            self.at_word("stream") && self.peek_at(1).kind == TokenKind::Word && self.peek_at(2).kind == TokenKind::Set;
        let label = labelled.then(|| {
            self.next();
            let label = word_name(self.next());
            self.next();
            label
        });
        let source = self.dotted_name("an event type or a stream")?;
        let condition = if labelled && self.at_operation() && self.peek_at(1).is_word(condition) {
            self.next();
            self.next();
            let open = self.next();
            let expr = self.expr()?;
            self.expect_close(open, TokenKind::RightParen)?;
            Some(expr)
        } else {
            None
        };
        Ok(Branch { label, source, condition })
    }

    /// `alias: EVENT where expr .within(d)`
    fn sequence_step(&mut self) -> Parsed<SequenceStep> {
        let alias = self.name("an alias")?;
        self.expect(TokenKind::Colon)?;
        let event = self.dotted_name("an event type or a stream")?;
        let predicate = self.where_clause()?;
        let within = if self.at_operation() && self.peek_at(1).is_word("within") {
            self.next();
            self.next();
            let open = self.next();
            let within = self.expr()?;
            self.expect_close(open, TokenKind::RightParen)?;
            Some(within)
        } else {
            None
        };
        Ok(SequenceStep { alias, event, predicate, within })
    }

    /// `all NOT EVENT.increasing(f) where pred as alias`
    pub(super) fn step(&mut self) -> Parsed<Step> {
        let start = self.peek().span;
        let all = self.eat_all();
        let not = self.at(TokenKind::Word)
            && self.peek().text.eq_ignore_ascii_case("not")
            && self.peek_at(1).kind == TokenKind::Word
            && !matches!(self.peek_at(1).text, "as" | "where" | "within" | "partition");
        if not {
            self.next();
        }
        let event = self.dotted_name("an event type or a stream")?;
        let increasing = self.peek_at(1).is_word("increasing");
        let trend = if self.at_operation() && (increasing || self.peek_at(1).is_word("decreasing")) {
            self.next();
            self.next();
            let open = self.next();
            let field = self.name("a field's name")?;
            self.expect_close(open, TokenKind::RightParen)?;
            Some(Trend { increasing, field })
        } else {
            None
        };
        let predicate = self.where_clause()?;
        let alias = self.alias()?;
        Ok(Step { all, not, event, trend, predicate, alias, span: self.since(start) })
    }

    /// The next operation, if one follows.
    fn op(&mut self) -> Parsed<Option<Op>> {
        let start = self.peek();
        if self.eat(TokenKind::Arrow) {
            let kind = OpKind::Follow(self.step()?);
            return Ok(Some(Op { name: word_name(start), kind, span: self.since(start.span) }));
        }
        if !self.eat(TokenKind::Dot) {
            return Ok(None);
        }
        let name = self.name("an operation")?;
        let kind = match name.text.as_str() {
            "emit" => self.emit()?,
            "order_by" => {
                let open = self.expect(TokenKind::LeftParen)?;
                OpKind::OrderBy(self.list(open, TokenKind::RightParen, Self::order_key)?)
            }
            "not" => self.in_parentheses(|p| {
                Ok(OpKind::Not { event: p.dotted_name("an event type or a stream")?, predicate: p.where_clause()? })
            })?,
            "pattern" => self.in_parentheses(|p| {
                let name = p.name("the pattern's name")?;
                p.expect(TokenKind::Colon)?;
                Ok(OpKind::Pattern { name, events: p.event_algebra()? })
            })?,
            refused if REFUSED_OPERATIONS.contains(&refused) => {
                if !self.at(TokenKind::LeftParen) {
                    return Err(self.expected("`(`"));
                }
                let open = self.peek();
                if !self.skip_brackets(self.at) {
                    return Err(self.unclosed(open, "`)`"));
                }
                OpKind::Refused
            }
            _ => OpKind::Plain(self.args()?),
        };
        Ok(Some(Op { name, kind, span: self.since(start.span) }))
    }

    fn in_parentheses<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let open = self.expect(TokenKind::LeftParen)?;
        self.within_brackets(|p| {
            let parsed = parse(p)?;
            p.expect_close(open, TokenKind::RightParen)?;
            Ok(parsed)
        })
    }

    /// `as TYPE (args)`, `(as TYPE, args)` or `(args)`
    fn emit(&mut self) -> Parsed<OpKind> {
        let mut output = self.alias()?;
        let open = self.expect(TokenKind::LeftParen)?;
        if output.is_none() && self.at_word("as") && self.peek_at(1).kind == TokenKind::Word {
            output = self.alias()?;
            if !self.eat(TokenKind::Comma) && !self.at(TokenKind::RightParen) && !self.at(TokenKind::Word) {
                return Err(self.unclosed(open, "`,` or `)`"));
            }
        }
        let args = self.list(open, TokenKind::RightParen, Self::arg)?;
        Ok(OpKind::Emit { output, args })
    }

    fn order_key(&mut self) -> Parsed<OrderKey> {
        let value = self.expr()?;
        let descending = self.eat_word("desc");
        if !descending {
            self.eat_word("asc");
        }
        Ok(OrderKey { value, descending })
    }

    /// Loosest first: `->`, `or`, `xor`, `and`, `not`.
    fn event_algebra(&mut self) -> Parsed<EventAlgebra> {
        self.nested(|p| {
            p.joined(
                |p| p.eat(TokenKind::Arrow),
                EventAlgebra::Then,
                |p| {
                    p.joined(
                        |p| p.eat_word("or"),
                        EventAlgebra::Or,
                        |p| {
                            p.joined(
                                |p| p.eat_word("xor"),
                                EventAlgebra::Xor,
                                |p| p.joined(|p| p.eat_word("and"), EventAlgebra::And, Self::algebra_operand),
                            )
                        },
                    )
                },
            )
        })
    }

    /// One or more operands; several become one node of the algebra.
    fn joined(
        &mut self,
        operator: impl Fn(&mut Self) -> bool,
        node: impl FnOnce(Vec<EventAlgebra>) -> EventAlgebra,
        operand: impl Fn(&mut Self) -> Parsed<EventAlgebra>,
    ) -> Parsed<EventAlgebra> {
        let first = operand(self)?;
        if !operator(self) {
            return Ok(first);
        }
        let mut operands = vec![first, operand(self)?];
        while operator(self) {
            operands.push(operand(self)?);
        }
        Ok(node(operands))
    }

    fn algebra_operand(&mut self) -> Parsed<EventAlgebra> {
        if self.at(TokenKind::LeftParen) {
            return self.in_parentheses(Self::event_algebra);
        }
        let negated = self.peek().text.eq_ignore_ascii_case("not")
            && matches!(self.peek_at(1).kind, TokenKind::Word | TokenKind::LeftParen);
        if negated {
            self.next();
            return Ok(EventAlgebra::Not(Box::new(self.nested(Self::algebra_operand)?)));
        }
        Ok(EventAlgebra::Event(self.dotted_name("an event type or a stream")?))
    }

    /// Whether the statement that begins at token `statement` ends before the next token.
    fn statement_follows(&self, statement: usize) -> bool {
        self.at > statement && self.starts_statement(self.at) && self.column(self.at) <= self.column(statement)
    }

    /// Characters before the token on its line; the greatest number for one that is not the first.
    fn column(&self, token: usize) -> u32 {
        self.tokens[token].indent.map_or(u32::MAX, |indent| indent.width)
    }

    /// Whether the token is the first of its line and begins a statement of the outermost level.
    pub(super) fn starts_statement(&self, token: usize) -> bool {
        let token_at = |index: usize| -> Token<'a> { self.tokens[index.min(self.tokens.len() - 1)] };
        let (word, next) = (token_at(token), token_at(token + 1));
        word.indent.is_some() && super::statement::begins(word, next)
    }
}
