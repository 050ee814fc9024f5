//! Text to tree: the lexer makes tokens, the parser makes an [`ast::Program`] of them.

pub mod ast;
