//! Events that are kept and go on later: those of a window without an aggregate, and rows that wait to be ordered.
//!
//! An event whose fields are those of its record is kept as the record's text, so that whatever comes later finds every
//! field, written as it came in. An event with fields of its own is kept as their values, untouched numbers with their
//! texts.

use crate::expr::compile::{Compiler, Schema};
use crate::expr::{Context, EventKey, Expr, RegisterIndex};
use crate::value::Owned;

/// An event without its record.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// Which of the paths to the stage it came by.
    pub(crate) path: usize,
    pub(crate) time: i64,
    /// The key of its record.
    pub(crate) key: Option<Box<[u8]>>,
    pub(crate) body: Body,
    /// Whether it was put out before a restart.
    pub(crate) silent: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    Record { text: Box<str>, event_type: Box<str>, typed_by_type: bool },
    Fields(Box<[Owned]>),
}

/// How events are kept on one path.
#[derive(Debug)]
pub(crate) struct Capture {
    path: usize,
    /// The fields; `None`: the record.
    fields: Option<Vec<Expr>>,
}

impl Capture {
    /// Compiles what is kept of events with the fields of `schema` and this key. Also what their fields and their key are
    /// afterwards, and the registers where those are expected.
    pub(crate) fn compile(
        path: usize,
        schema: &Schema,
        key: Option<&Expr>,
        compiler: &mut Compiler,
    ) -> (Self, Schema, Option<Expr>, Vec<RegisterIndex>) {
        match schema {
            Schema::Record => {
                compiler.keep_fields = true;
                (Capture { path, fields: None }, Schema::Record, key.cloned(), Vec::new())
            }
            // Everything that a match offers goes back to where it was.
            Schema::Match { .. } => {
                let registers = compiler.match_registers(schema);
                let kept = registers.iter().map(|register| Expr::Register(*register)).collect();
                (Capture { path, fields: Some(kept) }, schema.clone(), key.cloned(), registers)
            }
            Schema::Map { event_type, register } => {
                let mut kept = vec![Expr::Register(*register)];
                let after = compiler.register();
                let mut registers = vec![after];
                let key = keep_key(key, &mut kept, &mut registers, compiler);
                let after = Schema::Map { event_type: event_type.clone(), register: after };
                (Capture { path, fields: Some(kept) }, after, key, registers)
            }
            Schema::Fields { event_type, fields } => {
                let mut kept: Vec<Expr> = fields.iter().map(|(_, fetch)| fetch.clone().untouched()).collect();
                let mut registers: Vec<RegisterIndex> = kept.iter().map(|_| compiler.register()).collect();
                let named = fields.iter().zip(&registers);
                let fields = named.map(|((name, _), register)| (name.clone(), Expr::Register(*register))).collect();
                let key = keep_key(key, &mut kept, &mut registers, compiler);
                let after = Schema::Fields { event_type: event_type.clone(), fields };
                (Capture { path, fields: Some(kept) }, after, key, registers)
            }
        }
    }

    /// Keeps the event at hand.
    pub(crate) fn keep<'a>(&'a self, cx: &Context<'a>) -> Kept {
        let (EventKey::Input(key) | EventKey::Own(key)) = cx.key;
        Kept {
            path: self.path,
            time: cx.time(),
            key: key.map(Box::from),
            body: match &self.fields {
                Some(fields) => Body::Fields(fields.iter().map(|field| field.eval(cx).into()).collect()),
                None => Body::Record {
                    text: cx.record.into(),
                    event_type: cx.event_type.into(),
                    typed_by_type: cx.typed_by_type,
                },
            },
            silent: cx.silent,
        }
    }
}

/// The key is kept as one more field.
fn keep_key(
    key: Option<&Expr>,
    kept: &mut Vec<Expr>,
    registers: &mut Vec<RegisterIndex>,
    compiler: &mut Compiler,
) -> Option<Expr> {
    kept.push(key?.clone().untouched());
    let register = compiler.register();
    registers.push(register);
    Some(Expr::Register(register))
}
