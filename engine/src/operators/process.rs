//! `.process(f(args))`: the events that the program's functions emit go on in place of the one at hand.
//!
//! Every `emit` that the expression may reach is an exit: the type and the fields of its events are known, so what follows
//! is compiled for them. The function is done before the first of its events goes on; an event goes through the rest of
//! the stream with all that it feeds, then through the streams that read its type, before the next one begins.

use crate::check::program::Projection;
use crate::expr::compile::{Compiler, Schema};
use crate::expr::user::EmitSite;
use crate::expr::{Expr, RegisterIndex};
use crate::plan::Chain;

#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) value: Expr,
    pub(crate) exits: Vec<Exit>,
}

/// Where the events of one `emit` go.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) site: EmitSite,
    /// What takes the fields of an event, in their order.
    pub(crate) registers: Vec<RegisterIndex>,
    /// The rest of the stream.
    pub(crate) rest: Chain,
    /// The streams that read events of this type, in order of declaration.
    pub(crate) readers: Vec<Chain>,
}

/// Registers for the fields of an emitted event, and what the event is from there on.
pub(crate) fn fields_of(
    event_type: &str,
    fields: &[Projection],
    compiler: &mut Compiler,
) -> (Vec<RegisterIndex>, Schema) {
    let registers: Vec<RegisterIndex> = fields.iter().map(|_| compiler.register()).collect();
    let named = fields.iter().zip(&registers);
    let fields = named.map(|(field, register)| (field.name.text.as_str().into(), Expr::Register(*register))).collect();
    (registers, Schema::Fields { event_type: Some(event_type.into()), fields })
}
