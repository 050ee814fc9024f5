//! Text to tree, in three steps: `lexer` makes tokens, `parser` makes an [`ast::Program`] of them, and `literal` reads
//! the values of its literals. `repeat` serves the loops that repeat text.

pub mod ast;
mod lexer;
mod literal;
mod parser;
mod repeat;
mod token;

#[cfg(test)]
mod tests;

pub use parser::{MAX_NESTING, MAX_PROGRAM_BYTES, REFUSED_OPERATIONS, parse};
pub use repeat::{MAX_EXPANDED_BYTES, MAX_REPEATS};
