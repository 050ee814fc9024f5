//! `.where`, `.having` and `.filter`: an event goes on if the expression is true. Missing and null are not.

use crate::counters::Totals;
use crate::expr::{Context, Expr};

#[derive(Debug)]
pub(crate) struct Filter {
    pub(crate) condition: Expr,
}

impl Filter {
    #[inline]
    pub(crate) fn pass<'a>(&'a self, cx: &Context<'a>, totals: &mut Totals) -> bool {
        let passes = self.condition.holds(cx);
        totals.filtered += u64::from(!passes);
        passes
    }
}
