//! `.map` to a map whose fields are known only when it runs: its entries become the fields of the event.

use crate::counters::Totals;
use crate::expr::{Context, Expr, RegisterIndex};
use crate::value::Value;

#[derive(Debug)]
pub(crate) struct Reshape {
    pub(crate) value: Expr,
    /// Takes the map.
    pub(crate) register: RegisterIndex,
}

impl Reshape {
    pub(crate) fn pass<'a>(&'a self, cx: &Context<'a>, totals: &mut Totals) -> bool {
        let value = self.value.eval(cx);
        cx.registers[usize::from(self.register)].set(value);
        let passes = matches!(value, Value::Map(_));
        totals.shapeless += u64::from(!passes);
        passes
    }
}
