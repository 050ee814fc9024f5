//! Types, and the fields that have them.

use super::super::ast::{FieldDecl, Type, TypeKind};
use super::super::token::TokenKind;
use super::{Parsed, Parser};

impl<'a> Parser<'a, '_> {
    /// `name: type?` on one line
    pub(super) fn field_decl(&mut self) -> Parsed<FieldDecl> {
        let name = self.name("a field's name")?;
        self.expect(TokenKind::Colon)?;
        if self.peek().indent.is_some() {
            return Err(self.expected("a type"));
        }
        let ty = self.ty()?;
        Ok(FieldDecl { name, ty })
    }

    /// `type`, with any number of `?`, which mean the same as one.
    pub(super) fn ty(&mut self) -> Parsed<Type> {
        self.nested(|p| {
            let start = p.peek().span;
            let mut kind = p.plain_type()?;
            if p.at(TokenKind::Question) {
                let span = p.since(start);
                kind = TypeKind::Optional(Box::new(Type { kind, span }));
            }
            while p.eat(TokenKind::Question) {}
            Ok(Type { kind, span: p.since(start) })
        })
    }

    fn plain_type(&mut self) -> Parsed<TypeKind> {
        match self.peek().kind {
            TokenKind::Word if self.at_word("Stream") && self.peek_at(1).kind == TokenKind::Less => {
                self.next();
                self.next();
                let of = self.ty()?;
                self.close_angle()?;
                Ok(TypeKind::Stream(Box::new(of)))
            }
            TokenKind::Word => {
                let name = self.dotted_name("a type")?;
                Ok(match name.text.as_str() {
                    "int" => TypeKind::Int,
                    "float" => TypeKind::Float,
                    "bool" => TypeKind::Bool,
                    "str" => TypeKind::Str,
                    "timestamp" => TypeKind::Timestamp,
                    "duration" => TypeKind::Duration,
                    _ => TypeKind::Named(name.text),
                })
            }
            TokenKind::LeftBracket => {
                let open = self.next();
                let of = self.ty()?;
                self.expect_close(open, TokenKind::RightBracket)?;
                Ok(TypeKind::Array(Box::new(of)))
            }
            TokenKind::LeftBrace => {
                let open = self.next();
                let key = self.ty()?;
                self.expect(TokenKind::Colon)?;
                let value = self.ty()?;
                self.expect_close(open, TokenKind::RightBrace)?;
                Ok(TypeKind::Map(Box::new(key), Box::new(value)))
            }
            TokenKind::LeftParen => {
                let open = self.next();
                Ok(TypeKind::Tuple(self.list(open, TokenKind::RightParen, Self::ty)?))
            }
            _ => Err(self.expected("a type")),
        }
    }

    /// `>`, which may be the first half of a longer sign.
    fn close_angle(&mut self) -> Parsed<()> {
        let rest = match self.peek().kind {
            TokenKind::Greater => {
                self.next();
                return Ok(());
            }
            TokenKind::ShiftRight => TokenKind::Greater,
            TokenKind::GreaterOrEqual => TokenKind::Set,
            _ => return Err(self.expected("`>`")),
        };
        let token = &mut self.tokens[self.at];
        token.kind = rest;
        token.text = &token.text[1..];
        token.at += 1;
        token.span.start += 1;
        Ok(())
    }
}
