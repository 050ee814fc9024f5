//! `.print`, `.log`, `.alert` and `.tap`: a line for a person, and the event goes on.
//!
//! `.print` writes to stderr whatever the log's filter is, the others at a level of the log. Both go through the process's
//! logger, under targets of their own: whoever owns stderr decides how a line gets there.

use std::fmt::Write;

use crate::check::program::{self, Piece};
use crate::expr::compile::{Compiler, Schema};
use crate::expr::{Context, Expr, text_of};
use crate::report::{PRINT_TARGET, PROGRAM_TARGET};

#[derive(Debug)]
pub(crate) struct Tell {
    level: Option<log::Level>,
    pieces: Vec<Told>,
}

#[derive(Debug)]
enum Told {
    Text(Box<str>),
    Value(Expr),
}

impl Tell {
    pub(crate) fn compile(tell: &program::Tell, compiler: &mut Compiler, schema: &Schema) -> Self {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => Told::Text(text.as_str().into()),
            Piece::Value(value) => Told::Value(compiler.expr(value, schema)),
        };
        Tell { level: tell.level, pieces: tell.pieces.iter().map(piece).collect() }
    }

    pub(crate) fn pass<'a>(&'a self, cx: &Context<'a>) -> bool {
        let (target, level) = match self.level {
            Some(level) => (PROGRAM_TARGET, level),
            None => (PRINT_TARGET, log::Level::Info),
        };
        if log::log_enabled!(target: target, level) {
            let mut line = String::new();
            for piece in &self.pieces {
                // Writing to a string cannot fail.
                let _ = match piece {
                    Told::Text(text) => line.write_str(text),
                    Told::Value(value) => match value.eval(cx) {
                        value if value.is_missing() => line.write_str("missing"),
                        value => line.write_str(text_of(cx, value)),
                    },
                };
            }
            log::log!(target: target, level, "{line}");
        }
        true
    }
}
