//! `.select` and `.emit`: an event with new fields.
//!
//! A field that is a mere column, constant or earlier register stays what it is, so a number that passes through several
//! streams is still copied as it came in. Only what has to be computed gets a register, and is computed once, here.

use crate::check::program::Projection;
use crate::expr::compile::{Compiler, Schema};
use crate::expr::{Context, Expr, RegisterIndex};

#[derive(Debug)]
pub(crate) struct Project {
    computed: Vec<(RegisterIndex, Expr)>,
}

impl Project {
    /// Compiles a projection of events with the fields of `schema`, and what their fields are afterwards.
    pub(crate) fn compile(projections: &[Projection], compiler: &mut Compiler, schema: &Schema) -> (Self, Schema) {
        let (mut computed, mut fields) = (Vec::new(), Vec::new());
        for projection in projections {
            let value = match compiler.expr(&projection.value, schema) {
                fetch @ (Expr::Constant(_)
                | Expr::Column(_)
                | Expr::Register(_)
                | Expr::EventType
                | Expr::Time
                | Expr::TimestampOrTime) => fetch,
                mut compute => {
                    let register = compiler.register();
                    if let Expr::Arithmetic(arithmetic) = &mut compute {
                        arithmetic.leave_in(register);
                    }
                    computed.push((register, compute.untouched()));
                    Expr::Register(register)
                }
            };
            fields.push((projection.name.text.as_str().into(), value));
        }
        let event_type = schema.event_type().map(Box::from);
        (Project { computed }, Schema::Fields { event_type, fields })
    }

    /// Whether it computes nothing, so that it need not run.
    pub(crate) fn is_idle(&self) -> bool {
        self.computed.is_empty()
    }

    #[inline]
    pub(crate) fn pass<'a>(&'a self, cx: &Context<'a>) -> bool {
        for (register, expr) in &self.computed {
            cx.compute(*register, expr);
        }
        true
    }
}
