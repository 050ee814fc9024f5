//! Functions and the statements of their bodies: the one part of the language in which lines and indentation count.

use super::super::ast::{BodyKind, BodyStatement, Expr, Function};
use super::super::token::TokenKind;
use super::{Ends, Parsed, Parser, Reported};
use crate::diagnostic::{Code, Diagnostic};

impl Parser<'_, '_> {
    /// `fn NAME (parameters) -> T:` and its body
    pub(super) fn function(&mut self) -> Parsed<Function> {
        let header = self.at;
        self.next();
        let name = self.name("the function's name")?;
        let open = self.expect(TokenKind::LeftParen)?;
        let parameters = self.list(open, TokenKind::RightParen, Self::field_decl)?;
        let returns = if self.eat(TokenKind::Arrow) { Some(self.ty()?) } else { None };
        self.expect(TokenKind::Colon)?;
        let body = self.block(header)?;
        Ok(Function { name, parameters, returns, body })
    }

    /// The deeper lines below the line that begins at token `header`.
    fn block(&mut self, header: usize) -> Parsed<Vec<BodyStatement>> {
        self.nested(|p| {
            let first = p.at;
            let outer = p.line_width(header);
            let width = match p.peek().indent {
                Some(indent) if indent.width > outer && !p.at(TokenKind::End) => indent.width,
                _ => return Err(p.no_block(header)),
            };
            let mut statements = Vec::new();
            let mut failed = false;
            while !p.at(TokenKind::End) && p.peek().indent.is_none_or(|indent| indent.width > outer) {
                let begin = p.at;
                match p.line(width) {
                    Ok(statement) => statements.push(statement),
                    Err(Reported) => {
                        failed = true;
                        if p.at == begin {
                            p.next();
                        }
                        p.skip_until(|p| p.peek().indent.is_some_and(|indent| indent.width <= width));
                    }
                }
            }
            p.check_indentation(first);
            // Whoever parses what follows must not be led astray by the rest of a bad line.
            if failed && statements.is_empty() { Err(Reported) } else { Ok(statements) }
        })
    }

    /// One statement, at the beginning of a line that is indented like its block.
    fn line(&mut self, width: u32) -> Parsed<BodyStatement> {
        let token = self.peek();
        match token.indent {
            None => return Err(self.expected("the end of the line")),
            Some(indent) if indent.width != width => {
                let message = format!("this line is indented by {}, its block by {width}", indent.width);
                let diagnostic =
                    Diagnostic::new(Code::BadBlock, token.span, message).help("indent all lines of a block alike");
                return Err(self.report(diagnostic));
            }
            Some(_) => {}
        }
        let ends = Ends { newline: true, block: width, operation: false };
        let kind = self.with_ends(ends, Self::body_statement)?;
        Ok(BodyStatement { kind, span: self.since(token.span) })
    }

    fn body_statement(&mut self) -> Parsed<BodyKind> {
        let header = self.at;
        let (word, next) = (self.peek(), self.peek_at(1));
        if word.kind != TokenKind::Word {
            return Ok(BodyKind::Expr(self.expr()?));
        }
        if next.kind == TokenKind::Assign {
            return Ok(BodyKind::Assign(self.assign()?));
        }
        let ends_here = next.indent.is_some() || next.kind == TokenKind::End;
        let word_follows = next.kind == TokenKind::Word && !ends_here;
        match word.text {
            "let" | "var" | "const" if word_follows => Ok(BodyKind::Variable(self.variable()?)),
            "for" if word_follows => {
                self.next();
                let variable = self.name("the loop's variable")?;
                self.expect_word("in")?;
                let over = self.header_expr()?;
                Ok(BodyKind::For { variable, over, body: self.block(header)? })
            }
            "while" if self.starts_header() => {
                self.next();
                let condition = self.header_expr()?;
                Ok(BodyKind::While { condition, body: self.block(header)? })
            }
            "if" if self.starts_header() => self.if_statement(),
            "break" if ends_here => {
                self.next();
                Ok(BodyKind::Break)
            }
            "continue" if ends_here => {
                self.next();
                Ok(BodyKind::Continue)
            }
            "return" => {
                self.next();
                let value = if ends_here { None } else { Some(self.expr()?) };
                Ok(BodyKind::Return(value))
            }
            "emit" if word_follows => {
                self.next();
                let event = self.dotted_name("an event type")?;
                Ok(BodyKind::Emit { event, fields: self.args()? })
            }
            _ => Ok(BodyKind::Expr(self.expr()?)),
        }
    }

    /// An expression and the colon that ends the line.
    fn header_expr(&mut self) -> Parsed<Expr> {
        let expr = self.expr()?;
        self.expect(TokenKind::Colon)?;
        Ok(expr)
    }

    /// Whether the next word begins a statement: not if it is an operand, or a function that is called by that name.
    fn starts_header(&self) -> bool {
        let next = self.peek_at(1);
        next.indent.is_none() && self.operand_follows()
    }

    /// `if c:` with its branches, or a line that begins with `if c then a else b`.
    fn if_statement(&mut self) -> Parsed<BodyKind> {
        let (header, width) = (self.at, self.line_width(self.at));
        self.next();
        let condition = self.expr()?;
        if self.at_word("then") {
            self.at = header;
            return Ok(BodyKind::Expr(self.expr()?));
        }
        self.expect(TokenKind::Colon)?;
        let mut branches = vec![(condition, self.block(header)?)];
        let mut otherwise = None;
        loop {
            let header = self.at;
            if self.peek().indent.is_none_or(|indent| indent.width != width) {
                break;
            }
            if self.at_word("elif") {
                self.next();
                let condition = self.header_expr()?;
                branches.push((condition, self.block(header)?));
            } else if self.at_word("else") && self.peek_at(1).kind == TokenKind::Colon {
                self.next();
                self.next();
                otherwise = Some(self.block(header)?);
                break;
            } else {
                break;
            }
        }
        Ok(BodyKind::If { branches, otherwise })
    }
}
