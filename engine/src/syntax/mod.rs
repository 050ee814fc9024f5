//! Text to tree, in three steps: `lexer` makes tokens, `parser` makes an [`ast::Program`] of them, and `literal` reads
//! the values of its literals. `repeat` serves the loops that repeat text,
//! `import` and `prefix` the files that a program imports.

pub mod ast;
mod import;
mod lexer;
mod literal;
mod parser;
mod prefix;
mod repeat;
mod token;

#[cfg(test)]
mod tests;

pub use import::{Load, gather, parse};
pub use parser::{MAX_NESTING, MAX_PROGRAM_BYTES, REFUSED_OPERATIONS};
pub use repeat::{MAX_EXPANDED_BYTES, MAX_REPEATS};
