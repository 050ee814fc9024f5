//! Text to tokens.
//!
//! 1. Every byte is read a bounded number of times: the cost is linear in the text.
//! 2. A problem is reported and stepped over; the token in its place is [`TokenKind::Bad`], or the literal as far as it
//!    could be read.
//! 3. Newlines are not tokens. The first token of a line carries the line's [`Indent`], for the blocks that need it.

use super::repeat::Origin;
use super::token::{Indent, SIGNS, Token, TokenKind};
use crate::diagnostic::{Code, Diagnostic};

/// The tokens of `text`, the last of which is [`TokenKind::End`]. `origin` says where in the file the text stands.
pub(super) fn tokens<'a>(text: &'a str, origin: &Origin, diagnostics: &mut Vec<Diagnostic>) -> Vec<Token<'a>> {
    let mut lexer = Lexer { text, at: 0, line_start: 0, first_on_line: true, origin, diagnostics };
    let mut tokens = Vec::with_capacity(text.len() / 4 + 1);
    loop {
        let token = lexer.next();
        tokens.push(token);
        if token.kind == TokenKind::End {
            return tokens;
        }
    }
}

struct Lexer<'a, 'o> {
    text: &'a str,
    at: usize,
    line_start: usize,
    first_on_line: bool,
    origin: &'o Origin,
    diagnostics: &'o mut Vec<Diagnostic>,
}

impl<'a> Lexer<'a, '_> {
    fn next(&mut self) -> Token<'a> {
        self.skip_blanks();
        let start = self.at;
        let indent = self.first_on_line.then(|| self.indent());
        self.first_on_line = false;
        let kind = self.kind();
        let span = self.origin.span(start, self.at);
        Token { kind, text: &self.text[start..self.at], at: start as u32, span, indent }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
    }

    fn report(&mut self, code: Code, start: usize, message: &str) -> &mut Diagnostic {
        let span = self.origin.span(start, self.at);
        self.diagnostics.push(Diagnostic::new(code, span, message));
        let last = self.diagnostics.len() - 1;
        &mut self.diagnostics[last]
    }

    /// Steps over white space and comments, and notices line starts.
    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            match self.peek() {
                Some(b'\n') => {
                    self.at += 1;
                    self.line_start = self.at;
                    self.first_on_line = true;
                }
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                Some(b'#') => self.take_while(|byte| byte != b'\n'),
                Some(b'/') if rest.starts_with("//") => self.take_while(|byte| byte != b'\n'),
                Some(b'/') if rest.starts_with("/*") => self.skip_block_comment(),
                Some(0xEF) if self.at == 0 && rest.starts_with('\u{FEFF}') => {
                    self.at += '\u{FEFF}'.len_utf8();
                    self.line_start = self.at;
                }
                _ => return,
            }
        }
    }

    fn skip_block_comment(&mut self) {
        let start = self.at;
        let comment = &self.rest()[2..];
        let Some(length) = comment.find("*/") else {
            self.at += 2;
            self.report(Code::UnterminatedComment, start, "this comment has no end").help =
                Some("close it with `*/`".into());
            self.at = self.text.len();
            return;
        };
        self.at = start + 2 + length + 2;
        if let Some(newline) = self.text[start..self.at].rfind('\n') {
            self.line_start = start + newline + 1;
            self.first_on_line = true;
        }
    }

    /// The white space at the beginning of the present line.
    fn indent(&self) -> Indent {
        let line = &self.text[self.line_start..self.at];
        let blanks = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
        let width = blanks.len() as u32;
        Indent { width, tabs: blanks.contains('\t'), spaces: blanks.contains(' ') }
    }

    /// Reads one token from its first character on.
    fn kind(&mut self) -> TokenKind {
        let Some(first) = self.peek() else { return TokenKind::End };
        match first {
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => {
                self.take_while(is_word);
                TokenKind::Word
            }
            b'0'..=b'9' => self.number(),
            b'"' => self.string(),
            b'@' => self.timestamp(),
            _ => self.sign(),
        }
    }

    fn sign(&mut self) -> TokenKind {
        let rest = self.rest();
        if let Some((text, kind)) = SIGNS.iter().find(|(text, _)| rest.starts_with(text)) {
            self.at += text.len();
            return *kind;
        }
        let start = self.at;
        let character = rest.chars().next().unwrap_or(' ');
        self.at += character.len_utf8();
        // A text in single quotes is one problem, and so is a run of foreign characters.
        let line = self.rest().lines().next().unwrap_or_default();
        self.at += match line.find('\'').filter(|_| character == '\'') {
            Some(quote) => quote + 1,
            None => line.find(|next: char| next.is_ascii()).unwrap_or(line.len()),
        };
        let message = if character == '\'' { "single quotes mean nothing in VPL" } else { "this means nothing in VPL" };
        let diagnostic = self.report(Code::UnexpectedCharacter, start, message);
        diagnostic.help = match character {
            '\'' => Some("texts stand in double quotes: \"…\"".into()),
            ';' => Some("statements need no semicolon; leave it out".into()),
            '!' => Some("write `not`".into()),
            '“' | '”' => Some("use the plain quote \"".into()),
            _ if character.is_alphabetic() => Some("names consist of A–Z, a–z, 0–9 and _".into()),
            _ => None,
        };
        TokenKind::Bad
    }

    fn number(&mut self) -> TokenKind {
        let start = self.at;
        self.take_while(|byte| byte.is_ascii_digit());
        let mut kind = TokenKind::Int;
        let mut after = self.rest().bytes();
        if after.next() == Some(b'.') && after.next().is_some_and(|byte| byte.is_ascii_digit()) {
            kind = TokenKind::Float;
            self.at += 1;
            self.take_while(|byte| byte.is_ascii_digit());
            self.exponent();
        }
        let digits_end = self.at;
        self.take_while(is_word);
        let suffix = &self.text[digits_end..self.at];
        match (kind, suffix) {
            (_, "") => kind,
            (TokenKind::Int, "ns" | "us" | "ms" | "s" | "m" | "h" | "d") => TokenKind::Duration,
            _ => {
                let help = number_help(kind, suffix);
                let diagnostic = self.report(Code::BadNumber, start, "this number runs into letters");
                diagnostic.help = Some(help.into());
                TokenKind::Bad
            }
        }
    }

    /// `e10`, `E-3`: only if digits follow.
    fn exponent(&mut self) {
        let start = self.at;
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            let digits = self.at;
            self.take_while(|byte| byte.is_ascii_digit());
            if self.at == digits {
                self.at = start;
            }
        }
    }

    fn string(&mut self) -> TokenKind {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return TokenKind::String;
                }
                Some(b'\\')
                    if self.text.as_bytes().get(self.at + 1).is_some_and(|byte| !matches!(byte, b'\n' | b'\r')) =>
                {
                    // An escaped character of several bytes ends on a boundary because its later bytes are ordinary here.
                    self.at += 2;
                }
                Some(b'\n' | b'\r') | None => {
                    let diagnostic = self.report(Code::UnterminatedString, start, "this text has no closing quote");
                    diagnostic.help =
                        Some("close it with \" on the same line; a line break within a text is \\n".into());
                    return TokenKind::Bad;
                }
                Some(_) => self.at += 1,
            }
        }
    }

    /// `@`, then everything of which timestamps consist. A date ends after its ten characters: a minus may follow.
    fn timestamp(&mut self) -> TokenKind {
        self.at += 1;
        let date = self.rest().bytes().take("2024-01-15".len());
        self.at += date.take_while(|byte| byte.is_ascii_digit() || *byte == b'-').count();
        if matches!(self.peek(), Some(b'T' | b't')) {
            self.at += 1;
            self.take_while(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'));
            match self.peek() {
                Some(b'Z' | b'z') => self.at += 1,
                Some(b'+' | b'-') => {
                    self.at += 1;
                    self.take_while(|byte| byte.is_ascii_digit() || byte == b':');
                }
                _ => {}
            }
        }
        TokenKind::Timestamp
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn number_help(kind: TokenKind, suffix: &str) -> &'static str {
    match suffix.as_bytes()[0] {
        b'e' | b'E' if kind == TokenKind::Int => "an exponent needs a point before it: `1.0e6`",
        b'n' | b'u' | b'm' | b's' | b'h' | b'd' if kind == TokenKind::Float => {
            "a duration is a whole number of one unit: `1500ms` instead of `1.5s`"
        }
        _ => "a duration is a whole number of one unit (ns, us, ms, s, m, h, d): `90m` instead of `1h30m`",
    }
}
