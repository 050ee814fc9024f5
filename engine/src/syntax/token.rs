//! The words and signs of a program.

use super::ast::Span;

/// One word, literal or sign.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    /// Which one.
    pub(super) kind: TokenKind,
    /// Its characters.
    pub(super) text: &'a str,
    /// Where it stands in the text that was read; in a repeated block that is the block with its variable replaced.
    pub(super) at: u32,
    /// Where it stands in the file.
    pub(super) span: Span,
    /// The indentation of its line, if it is the first on it.
    pub(super) indent: Option<Indent>,
}

/// The white space before the first token of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Indent {
    /// How many characters.
    pub(super) width: u32,
    /// Whether there are tabs among them.
    pub(super) tabs: bool,
    /// Whether there are spaces among them.
    pub(super) spaces: bool,
}

/// The kinds of tokens; the texts of the signs stand in [`SIGNS`]. There are no reserved words: what a [`Word`](TokenKind::Word) is, the parser decides by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// An identifier or keyword.
    Word,
    /// An integer.
    Int,
    /// A number with a point.
    Float,
    /// A text in quotes.
    String,
    /// `5m`
    Duration,
    /// `@2024-01-15`
    Timestamp,
    LeftParen,
    RightParen,
    LeftBracket,
    RightBracket,
    LeftBrace,
    RightBrace,
    Comma,
    Colon,
    Assign,
    Dot,
    OptionalDot,
    Question,
    Set,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    FatArrow,
    Arrow,
    Range,
    RangeInclusive,
    Plus,
    Minus,
    Star,
    StarStar,
    Slash,
    Percent,
    Pipe,
    Caret,
    Ampersand,
    ShiftLeft,
    ShiftRight,
    Tilde,
    /// Something that the lexer has reported already.
    Bad,
    /// The end of the text.
    End,
}

/// The signs, longer ones before those that they begin with.
pub(super) const SIGNS: &[(&str, TokenKind)] = &[
    ("..=", TokenKind::RangeInclusive),
    (":=", TokenKind::Assign),
    ("?.", TokenKind::OptionalDot),
    ("==", TokenKind::Equal),
    ("=>", TokenKind::FatArrow),
    ("!=", TokenKind::NotEqual),
    ("<=", TokenKind::LessOrEqual),
    ("<<", TokenKind::ShiftLeft),
    (">=", TokenKind::GreaterOrEqual),
    (">>", TokenKind::ShiftRight),
    ("->", TokenKind::Arrow),
    ("..", TokenKind::Range),
    ("**", TokenKind::StarStar),
    ("(", TokenKind::LeftParen),
    (")", TokenKind::RightParen),
    ("[", TokenKind::LeftBracket),
    ("]", TokenKind::RightBracket),
    ("{", TokenKind::LeftBrace),
    ("}", TokenKind::RightBrace),
    (",", TokenKind::Comma),
    (":", TokenKind::Colon),
    (".", TokenKind::Dot),
    ("?", TokenKind::Question),
    ("=", TokenKind::Set),
    ("<", TokenKind::Less),
    (">", TokenKind::Greater),
    ("+", TokenKind::Plus),
    ("-", TokenKind::Minus),
    ("*", TokenKind::Star),
    ("/", TokenKind::Slash),
    ("%", TokenKind::Percent),
    ("|", TokenKind::Pipe),
    ("^", TokenKind::Caret),
    ("&", TokenKind::Ampersand),
    ("~", TokenKind::Tilde),
];

impl TokenKind {
    /// How a message calls what is expected.
    pub(super) fn describe(self) -> String {
        match self {
            TokenKind::Word => "a name".into(),
            TokenKind::Int => "an integer".into(),
            TokenKind::Float => "a number".into(),
            TokenKind::String => "a text in quotes".into(),
            TokenKind::Duration => "a duration such as `5m`".into(),
            TokenKind::Timestamp => "a timestamp".into(),
            TokenKind::Bad => "something readable".into(),
            TokenKind::End => "the end of the file".into(),
            sign => SIGNS.iter().find(|(_, kind)| *kind == sign).map_or(String::new(), |(text, _)| format!("`{text}`")),
        }
    }
}

impl Token<'_> {
    /// How a message calls what is found.
    pub(super) fn describe(&self) -> String {
        match self.kind {
            TokenKind::End => "the end of the file".into(),
            TokenKind::Bad => "something unreadable".into(),
            _ if self.text.len() > 40 => "a long text".into(),
            _ => format!("`{}`", self.text),
        }
    }

    /// True for this word.
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.kind == TokenKind::Word && self.text == word
    }
}
