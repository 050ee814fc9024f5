//! The statements of the outermost level, except streams.

use super::super::ast::{
    Assign, Config, Connector, Context, Event, FieldDecl, Import, Name, Pattern, Repeat, Statement, StatementKind,
    TypeBody, TypeDecl, Variable, VariableKind,
};
use super::super::repeat::{MAX_EXPANDED_BYTES, MAX_REPEATS, Template};
use super::super::token::{Token, TokenKind};
use super::{Parsed, Parser, Reported, word_name};
use crate::diagnostic::{Code, Diagnostic, similar};

const KEYWORDS: &[&str] = &[
    "context",
    "connector",
    "event",
    "type",
    "let",
    "var",
    "const",
    "fn",
    "for",
    "config",
    "import",
    "pattern",
    "stream",
];

/// Whether these two tokens begin a statement.
pub(super) fn begins(word: Token<'_>, next: Token<'_>) -> bool {
    let argument = match word.text {
        "import" => next.kind == TokenKind::String || next.is_word("fn"),
        _ => next.kind == TokenKind::Word,
    };
    word.kind == TokenKind::Word && (next.kind == TokenKind::Assign || argument && KEYWORDS.contains(&word.text))
}

impl<'a> Parser<'a, '_> {
    /// All statements up to the end.
    pub(super) fn statements(&mut self) -> Vec<Statement> {
        let mut statements = Vec::new();
        while !self.at(TokenKind::End) {
            let first = self.at;
            match self.statement() {
                Ok(statement) => statements.push(statement),
                Err(Reported) => {
                    if self.at == first {
                        self.next();
                    }
                    let (word, name) = (self.tokens[first], self.tokens[(first + 1).min(self.tokens.len() - 1)]);
                    if begins(word, name) && name.kind == TokenKind::Word {
                        self.shared.broken.push(word_name(name));
                    }
                    let width = self.tokens[first].indent.map_or(u32::MAX, |indent| indent.width);
                    self.skip_until(|p| {
                        p.starts_statement(p.at) && p.peek().indent.is_some_and(|indent| indent.width <= width)
                    });
                }
            }
        }
        statements
    }

    fn statement(&mut self) -> Parsed<Statement> {
        let word = self.peek();
        if !begins(word, self.peek_at(1)) && !KEYWORDS.contains(&word.text) {
            return Err(self.no_statement());
        }
        let kind = if self.peek_at(1).kind == TokenKind::Assign {
            StatementKind::Assign(self.assign()?)
        } else {
            match word.text {
                "context" => StatementKind::Context(self.context()?),
                "connector" => StatementKind::Connector(self.connector()?),
                "event" => StatementKind::Event(self.event()?),
                "type" => StatementKind::Type(self.type_decl()?),
                "let" | "var" | "const" => StatementKind::Variable(self.variable()?),
                "fn" => StatementKind::Function(self.function()?),
                "for" => StatementKind::Repeat(self.repeat()?),
                "config" => StatementKind::Config(self.config()?),
                "import" => StatementKind::Import(self.import()?),
                "pattern" => StatementKind::Pattern(self.pattern()?),
                _ => StatementKind::Stream(self.stream()?),
            }
        };
        Ok(Statement { kind, span: self.since(word.span) })
    }

    fn no_statement(&mut self) -> Reported {
        let found = self.peek();
        if found.kind == TokenKind::Bad {
            return Reported;
        }
        let message = format!("a statement was expected, found {}", found.describe());
        let mut diagnostic = Diagnostic::new(Code::ExpectedStatement, found.span, message);
        let keyword = similar(found.text, KEYWORDS.iter().copied()).filter(|_| found.kind == TokenKind::Word);
        // What goes on here is a step of a sequence.
        let instead = match found.text {
            "where" => Some("a step's condition stands before its alias: `B where … as b`"),
            "+" | "*" => Some("`all B as b` takes one event or more"),
            _ => self.foreign_sign(),
        };
        diagnostic = match (keyword, instead) {
            (_, Some(instead)) => diagnostic.help(instead),
            (Some(_), None) => diagnostic.suggest(keyword),
            (None, None) => diagnostic.help(format!("a statement begins with one of: {}", KEYWORDS.join(", "))),
        };
        self.report(diagnostic)
    }

    /// `NAME := expr`
    pub(super) fn assign(&mut self) -> Parsed<Assign> {
        let name = self.name("a variable")?;
        self.expect(TokenKind::Assign)?;
        Ok(Assign { name, value: self.expr()? })
    }

    /// `let NAME: T = expr`
    pub(super) fn variable(&mut self) -> Parsed<Variable> {
        let kind = match self.next().text {
            "let" => VariableKind::Let,
            "var" => VariableKind::Var,
            _ => VariableKind::Const,
        };
        let name = self.name("the variable's name")?;
        let ty = if self.eat(TokenKind::Colon) { Some(self.ty()?) } else { None };
        self.expect(TokenKind::Set)?;
        Ok(Variable { kind, name, ty, value: self.expr()? })
    }

    fn context(&mut self) -> Parsed<Context> {
        self.next();
        let name = self.name("the context's name")?;
        if !self.at(TokenKind::LeftParen) {
            return Ok(Context { name, cores: None });
        }
        let open = self.next();
        self.expect_word("cores")?;
        self.expect(TokenKind::Colon)?;
        let bracket = self.expect(TokenKind::LeftBracket)?;
        let cores = self.list(bracket, TokenKind::RightBracket, Self::integer)?;
        self.eat(TokenKind::Comma);
        self.expect_close(open, TokenKind::RightParen)?;
        Ok(Context { name, cores: Some(cores) })
    }

    /// An integer that may have a minus.
    fn integer(&mut self) -> Parsed<i64> {
        let negative = self.eat(TokenKind::Minus);
        let token = self.expect(TokenKind::Int)?;
        let digits = if negative { format!("-{}", token.text) } else { token.text.to_owned() };
        digits
            .parse()
            .map_err(|_| self.report(Diagnostic::new(Code::BadNumber, token.span, "this integer is beyond 64 bits")))
    }

    fn connector(&mut self) -> Parsed<Connector> {
        self.next();
        let name = self.name("the connector's name")?;
        self.expect(TokenKind::Set)?;
        let kind = self.name("a kind of connector: kafka, file or console")?;
        let open = self.expect(TokenKind::LeftParen)?;
        let params = self.list(open, TokenKind::RightParen, Self::param)?;
        Ok(Connector { name, kind, params })
    }

    fn event(&mut self) -> Parsed<Event> {
        let first = self.at;
        self.next();
        let name = self.name("the event's name")?;
        let extends = if self.eat_word("extends") { Some(self.dotted_name("an event's name")?) } else { None };
        let fields = self.fields(first)?;
        Ok(Event { name, in_data: None, extends, fields })
    }

    fn type_decl(&mut self) -> Parsed<TypeDecl> {
        let first = self.at;
        self.next();
        let name = self.name("the type's name")?;
        let body = if self.at(TokenKind::Colon) {
            TypeBody::Fields(self.fields(first)?)
        } else if self.eat(TokenKind::Set) {
            TypeBody::Alias(self.ty()?)
        } else {
            return Err(self.expected("`=` or `:`"));
        };
        Ok(TypeDecl { name, body })
    }

    /// `:` and one or more fields. They need no deeper indentation, because no statement begins with a name and a colon;
    /// but what is indented more deeply is meant to be a field.
    fn fields(&mut self, first: usize) -> Parsed<Vec<FieldDecl>> {
        self.expect(TokenKind::Colon)?;
        let block = self.at;
        let mut fields = Vec::new();
        let mut failed = false;
        let outer = self.line_width(first);
        while self.at(TokenKind::Word) && (self.peek_at(1).kind == TokenKind::Colon || self.line_below(outer)) {
            match self.field_decl() {
                Ok(field) => fields.push(field),
                Err(Reported) => {
                    failed = true;
                    self.skip_until(|p| p.peek().indent.is_some());
                }
            }
        }
        if fields.is_empty() && !failed {
            let span = self.tokens[first].span.to(self.last_span());
            let diagnostic = Diagnostic::new(Code::BadBlock, span, "this declares no field")
                .help("write its fields on the lines below it: `    price: float`");
            return Err(self.report(diagnostic));
        }
        self.check_indentation(block);
        Ok(fields)
    }

    fn config(&mut self) -> Parsed<Config> {
        self.next();
        let name = self.name("the configuration's name")?;
        let open = self.expect(TokenKind::LeftBrace)?;
        self.within_brackets(|p| {
            let mut params = Vec::new();
            while p.at(TokenKind::Word) {
                params.push(p.param()?);
                p.eat(TokenKind::Comma);
            }
            p.expect_close(open, TokenKind::RightBrace)?;
            Ok(Config { name, params })
        })
    }

    /// `import "file" as NAME`; of `import fn … from wasm`, which is refused, only the name is kept.
    fn import(&mut self) -> Parsed<Import> {
        let first = self.at;
        self.next();
        if self.eat_word("fn") {
            let path = self.name("a function's name")?;
            let width = self.tokens[first].indent.map_or(u32::MAX, |indent| indent.width);
            self.skip_until(|p| {
                p.starts_statement(p.at) && p.peek().indent.is_some_and(|indent| indent.width <= width)
            });
            return Ok(Import { path, alias: None, foreign: true });
        }
        if !self.at(TokenKind::String) {
            return Err(self.expected("a file's name in quotes"));
        }
        let token = self.peek();
        let path = Name { text: self.string_value(token)?, span: token.span };
        self.next();
        let alias = if self.eat_word("as") { Some(self.name("a prefix")?) } else { None };
        Ok(Import { path, alias, foreign: false })
    }

    fn pattern(&mut self) -> Parsed<Pattern> {
        self.next();
        let name = self.name("the pattern's name")?;
        self.expect(TokenKind::Set)?;
        let mut steps = vec![self.step()?];
        while self.eat(TokenKind::Arrow) {
            steps.push(self.step()?);
        }
        let mut within = None;
        if self.eat_word("within") {
            if !self.at(TokenKind::Duration) {
                return Err(self.expected(&TokenKind::Duration.describe()));
            }
            let token = self.peek();
            within = Some((self.duration_value(token)?, token.span));
            self.next();
        }
        let mut partition_by = None;
        if self.at_word("partition") && self.peek_at(1).is_word("by") {
            self.next();
            self.next();
            partition_by = Some(self.name("a field's name")?);
        }
        Ok(Pattern { name, steps, within, partition_by })
    }

    /// `for NAME in a..b:` and its block, parsed once for every value.
    fn repeat(&mut self) -> Parsed<Repeat> {
        let header = self.at;
        self.next();
        let variable = self.name("the loop's variable")?;
        self.expect_word("in")?;
        let range = self.peek().span;
        let first = self.integer()?;
        let inclusive = self.at(TokenKind::RangeInclusive);
        if !self.eat(TokenKind::Range) && !self.eat(TokenKind::RangeInclusive) {
            return Err(self.expected("`..`"));
        }
        let last = self.integer()?;
        let range = self.since(range);
        self.expect(TokenKind::Colon)?;
        let end = if inclusive { last.saturating_add(1) } else { last };
        let block = self.block_tokens(header)?;
        let times = end.saturating_sub(first).max(0).saturating_mul(self.repeats);
        if times > MAX_REPEATS {
            let message = format!("this repeats its block {times} times; {MAX_REPEATS} is the most");
            let diagnostic = Diagnostic::new(Code::BadRepeat, range, message);
            return Err(self.report(diagnostic));
        }
        let statements = self.filled(block, &variable, first..end, times)?;
        Ok(Repeat { variable, first, end, statements })
    }

    /// Steps over the block below the line that begins at token `header`: the deeper lines, and whatever their brackets
    /// hold. Returns the bytes of the block.
    fn block_tokens(&mut self, header: usize) -> Parsed<(usize, usize)> {
        let outer = self.line_width(header);
        let deeper = self.peek().indent.is_some_and(|indent| indent.width > outer) && !self.at(TokenKind::End);
        if !deeper {
            return Err(self.no_block(header));
        }
        let (first, mut open) = (self.at, 0_i32);
        while !self.at(TokenKind::End) {
            let token = self.peek();
            if open == 0 && token.indent.is_some_and(|indent| indent.width <= outer) {
                break;
            }
            match token.kind {
                TokenKind::LeftParen | TokenKind::LeftBracket | TokenKind::LeftBrace => open += 1,
                TokenKind::RightParen | TokenKind::RightBracket | TokenKind::RightBrace => open = (open - 1).max(0),
                _ => {}
            }
            self.next();
        }
        self.check_indentation(first);
        let (token, last) = (self.tokens[first], self.tokens[self.at - 1]);
        let width = token.indent.map_or(0, |indent| indent.width);
        Ok(((token.at - width) as usize, last.at as usize + last.text.len()))
    }

    fn filled(
        &mut self,
        (start, end): (usize, usize),
        variable: &Name,
        values: std::ops::Range<i64>,
        times: i64,
    ) -> Parsed<Vec<Statement>> {
        let template = Template::new(self.text, start, end, &variable.text);
        let mut statements = Vec::new();
        for value in values {
            let (text, origin) = template.fill(value, self.origin);
            self.shared.expanded_bytes += text.len();
            if self.shared.expanded_bytes > MAX_EXPANDED_BYTES {
                let message = format!("the loops of this program expand to more than {MAX_EXPANDED_BYTES} bytes");
                let diagnostic = Diagnostic::new(Code::BadRepeat, variable.span, message);
                return Err(self.report(diagnostic));
            }
            let before = self.shared.diagnostics.len();
            let depth = self.depth;
            let mut block = Parser::new(&text, &origin, times, self.shared);
            block.depth = depth;
            statements.extend(block.nested(|p| Ok(p.statements())).unwrap_or_default());
            // What is wrong with one repetition is wrong with all of them.
            if self.shared.diagnostics.len() > before {
                break;
            }
        }
        Ok(statements)
    }

    /// The indentation of the line on which the token stands.
    pub(super) fn line_width(&self, token: usize) -> u32 {
        self.tokens[..=token].iter().rev().find_map(|token| token.indent).map_or(0, |indent| indent.width)
    }

    /// Whether the next token begins a line that is indented by more than `outer`, and no statement.
    fn line_below(&self, outer: u32) -> bool {
        self.peek().indent.is_some_and(|indent| indent.width > outer) && !self.starts_statement(self.at)
    }

    /// Reports that the line that begins at token `header` has no block.
    pub(super) fn no_block(&mut self, header: usize) -> Reported {
        let span = self.tokens[header].span.to(self.last_span());
        let diagnostic = Diagnostic::new(Code::BadBlock, span, "a block was expected below this line")
            .help("write it on the following lines, indented more deeply than this one");
        self.report(diagnostic)
    }
}
