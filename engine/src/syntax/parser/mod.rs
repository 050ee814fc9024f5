//! Tokens to tree: recursive descent, one token after the other, with a bounded number of tokens of look-ahead.
//!
//! 1. There are no reserved words. A word is a keyword where the grammar has one and the next token fits; everywhere
//!    else it is a name.
//! 2. Every problem is reported once, when it is met. [`Reported`] then leads back to the nearest place from which
//!    parsing can go on: the next operation of the stream, the next line of the block, the next statement.
//! 3. Nesting is limited to [`MAX_NESTING`] and the height of an expression to [`MAX_HEIGHT`], so that no program
//!    exhausts the stack, here or in whoever walks the tree.
//! 4. Newlines matter in blocks only. Indentation is compared where a statement of a block begins, nowhere else.

mod expression;
mod function;
mod statement;
mod stream;
mod types;

use super::ast::{Expr, ExprKind, MAX_HEIGHT, Name, Program, Span};
use super::lexer;
use super::repeat::Origin;
use super::token::{Token, TokenKind};
use crate::diagnostic::{Code, Diagnostic};

pub use stream::REFUSED_OPERATIONS;

/// The deepest nesting of parentheses, operators, blocks and types.
pub const MAX_NESTING: u16 = 128;

/// The longest program.
pub const MAX_PROGRAM_BYTES: usize = 16 << 20;

/// Reads the text of one file, which begins at byte `start` of its program: what could be understood of it, and everything
/// that is wrong with its syntax.
pub(super) fn parse_text(text: &str, start: usize) -> (Program, Vec<Diagnostic>) {
    let mut shared = Shared::default();
    if text.len() > MAX_PROGRAM_BYTES {
        let message = format!("the program has {} bytes; {MAX_PROGRAM_BYTES} is the most", text.len());
        shared.diagnostics.push(Diagnostic::new(Code::TooLarge, Span::new(start, start), message));
        return (Program::default(), shared.diagnostics);
    }
    let origin = Origin::file(start, text.len());
    let statements = Parser::new(text, &origin, 1, &mut shared).statements();
    (Program { statements, broken: shared.broken }, shared.diagnostics)
}

/// A problem has been reported; the caller gives up as well, or goes on from a place where that makes sense.
struct Reported;

type Parsed<T> = Result<T, Reported>;

/// What the parsers of a program and of its repeated blocks have in common.
#[derive(Default)]
struct Shared {
    diagnostics: Vec<Diagnostic>,
    broken: Vec<Name>,
    expanded_bytes: usize,
}

struct Parser<'a, 'd> {
    text: &'a str,
    origin: &'a Origin,
    tokens: Vec<Token<'a>>,
    /// Index of the next token; the last one, the end, is never passed.
    at: usize,
    depth: u16,
    ends: Ends,
    /// How often the text is repeated by the loops around it.
    repeats: i64,
    shared: &'d mut Shared,
}

/// What ends an expression besides a token that cannot go on with it. Within brackets nothing does.
#[derive(Debug, Default, Clone, Copy)]
struct Ends {
    /// A bracket that opens on the next line: in the body of a function a statement ends with its line.
    newline: bool,
    /// A line that is indented by less: the block of the statement has ended there, whatever the line begins with.
    block: u32,
    /// `.name(`: after a predicate without parentheses an operation follows.
    operation: bool,
}

impl<'a, 'd> Parser<'a, 'd> {
    fn new(text: &'a str, origin: &'a Origin, repeats: i64, shared: &'d mut Shared) -> Self {
        let tokens = lexer::tokens(text, origin, &mut shared.diagnostics);
        Parser { text, origin, tokens, at: 0, depth: 0, ends: Ends::default(), repeats, shared }
    }

    fn peek(&self) -> Token<'a> {
        self.tokens[self.at]
    }

    fn peek_at(&self, ahead: usize) -> Token<'a> {
        self.tokens[(self.at + ahead).min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> Token<'a> {
        let token = self.peek();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn at(&self, kind: TokenKind) -> bool {
        self.peek().kind == kind
    }

    fn at_word(&self, word: &str) -> bool {
        self.peek().is_word(word)
    }

    fn eat(&mut self, kind: TokenKind) -> bool {
        let found = self.at(kind);
        if found {
            self.next();
        }
        found
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        if found {
            self.next();
        }
        found
    }

    /// Where the token before the next one ends.
    fn last_span(&self) -> Span {
        self.tokens[self.at.saturating_sub(1)].span
    }

    /// From `start` to the end of the last token.
    fn since(&self, start: Span) -> Span {
        start.to(self.last_span())
    }

    fn report(&mut self, diagnostic: Diagnostic) -> Reported {
        self.shared.diagnostics.push(diagnostic);
        Reported
    }

    /// Reports that `what` was expected instead of the next token.
    fn expected(&mut self, what: &str) -> Reported {
        match self.expectation(what) {
            Some(diagnostic) => self.report(diagnostic),
            None => Reported,
        }
    }

    /// `None` if the lexer has reported the next token already.
    fn expectation(&self, what: &str) -> Option<Diagnostic> {
        let found = self.peek();
        if found.kind == TokenKind::Bad {
            return None;
        }
        // What is missing at the end of a line is missing there, not wherever the next token may stand.
        let missing = self.at > 0 && (found.indent.is_some() || found.kind == TokenKind::End);
        let last = self.last_span();
        let span = if missing { Span { start: last.end, end: last.end } } else { found.span };
        let message = format!("expected {what}, found {}", found.describe());
        let diagnostic = Diagnostic::new(Code::Expected, span, message).label(format!("expected {what}"));
        let within = what.contains("`,`") || what == "an expression";
        Some(match self.foreign_sign().filter(|_| within) {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        })
    }

    /// How VPL writes the next sign, if it is one that other languages have.
    fn foreign_sign(&self) -> Option<&'static str> {
        match (self.at.checked_sub(1).map_or("", |at| self.tokens[at].text), self.peek().text) {
            ("&", "&") | (_, "AND") => Some("write `and`"),
            ("|", "|") | (_, "OR") => Some("write `or`"),
            ("<", ">") => Some("write `!=`"),
            ("==" | "!=", "=") => Some("two signs are enough: `==`, `!=`"),
            (_, "=") => Some("`==` compares; behind the name of an argument stands `:`"),
            _ => None,
        }
    }

    fn expect(&mut self, kind: TokenKind) -> Parsed<Token<'a>> {
        if self.at(kind) { Ok(self.next()) } else { Err(self.expected(&kind.describe())) }
    }

    fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.eat_word(word) { Ok(()) } else { Err(self.expected(&format!("`{word}`"))) }
    }

    /// The bracket that closes `open`.
    fn expect_close(&mut self, open: Token<'a>, close: TokenKind) -> Parsed<()> {
        if self.eat(close) { Ok(()) } else { Err(self.unclosed(open, &close.describe())) }
    }

    fn unclosed(&mut self, open: Token<'a>, what: &str) -> Reported {
        let Some(mut diagnostic) = self.expectation(what) else { return Reported };
        if self.text[open.at as usize..self.peek().at as usize].contains('\n') {
            diagnostic = diagnostic.related(open.span, "for this bracket");
        }
        self.report(diagnostic)
    }

    fn name(&mut self, what: &str) -> Parsed<Name> {
        if !self.at(TokenKind::Word) {
            return Err(self.expected(what));
        }
        Ok(word_name(self.next()))
    }

    /// A name that may belong to an imported file: `shared.Tick`. An operation that follows is not part of it.
    fn dotted_name(&mut self, what: &str) -> Parsed<Name> {
        let mut name = self.name(what)?;
        while self.at(TokenKind::Dot) && self.peek_at(1).kind == TokenKind::Word && !self.at_operation() {
            self.next();
            let part = self.next();
            name.text.push('.');
            name.text.push_str(part.text);
            name.span = name.span.to(part.span);
        }
        Ok(name)
    }

    /// `.name(`, or `.emit as`.
    fn at_operation(&self) -> bool {
        let (name, after) = (self.peek_at(1), self.peek_at(2));
        self.at(TokenKind::Dot)
            && name.kind == TokenKind::Word
            && (after.kind == TokenKind::LeftParen || name.text == "emit" && after.is_word("as"))
    }

    /// `item, item, …` up to `close`; a comma may follow the last one.
    fn list<T>(
        &mut self,
        open: Token<'a>,
        close: TokenKind,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        self.within_brackets(|p| {
            let mut items = Vec::new();
            while !p.eat(close) {
                items.push(item(p)?);
                if !p.eat(TokenKind::Comma) && !p.at(close) {
                    return Err(p.unclosed(open, &format!("`,` or {}", close.describe())));
                }
            }
            Ok(items)
        })
    }

    fn within_brackets<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.with_ends(Ends::default(), parse)
    }

    fn with_ends<T>(&mut self, ends: Ends, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let outer = std::mem::replace(&mut self.ends, ends);
        let parsed = parse(self);
        self.ends = outer;
        parsed
    }

    /// Everything that recurses goes through here.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_NESTING {
            return Err(self.too_deep(self.peek().span, MAX_NESTING));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn too_deep(&mut self, span: Span, limit: u16) -> Reported {
        let diagnostic = Diagnostic::new(Code::TooDeep, span, format!("this is nested more than {limit} levels deep"))
            .help("give parts of it names of their own with `let`, or use `in [a, b, …]` for a chain of `or`");
        self.report(diagnostic)
    }

    fn expr_of(&mut self, kind: ExprKind, span: Span) -> Parsed<Expr> {
        let expr = Expr::new(kind, span);
        if expr.height > MAX_HEIGHT { Err(self.too_deep(span, MAX_HEIGHT)) } else { Ok(expr) }
    }

    /// Skips tokens until one that satisfies `stop`, or the end.
    fn skip_until(&mut self, stop: impl Fn(&Self) -> bool) {
        while !self.at(TokenKind::End) && !stop(self) {
            self.next();
        }
    }

    /// In the lines from token `first` up to the next one, tabs and spaces must not be mixed.
    fn check_indentation(&mut self, first: usize) {
        let mut seen: Option<(bool, Span)> = None;
        let mut mixed = None;
        for token in &self.tokens[first..self.at.max(first)] {
            let Some(indent) = token.indent.filter(|indent| indent.width > 0) else { continue };
            let (tabs, _) = *seen.get_or_insert((indent.tabs, token.span));
            if indent.tabs && indent.spaces || indent.tabs != tabs {
                mixed = Some(token.span);
                break;
            }
        }
        if let (Some(span), Some((tabs, other))) = (mixed, seen) {
            let mut diagnostic =
                Diagnostic::new(Code::MixedIndentation, span, "tabs and spaces are mixed in this block")
                    .help("indent all lines of a block with spaces");
            if other != span {
                let with = if tabs { "this line is indented with tabs" } else { "this line is indented with spaces" };
                diagnostic = diagnostic.related(other, with);
            }
            self.report(diagnostic);
        }
    }
}

fn word_name(token: Token<'_>) -> Name {
    Name { text: token.text.to_owned(), span: token.span }
}
