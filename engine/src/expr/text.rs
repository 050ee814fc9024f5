//! Strings that expressions build. A string may repeat its parts, and a program may repeat that, so their length is
//! bounded: a longer one is missing, counted as an overflow.

use bumpalo::collections::String as ArenaString;

use crate::expr::{Context, Why};
use crate::value::Value;

/// The longest string that an expression may build, in bytes.
pub(super) const MAX_BYTES: usize = 4 << 20;

/// A string under construction.
pub(super) struct Text<'a> {
    text: ArenaString<'a>,
    too_long: bool,
}

impl<'a> Text<'a> {
    pub(super) fn with_capacity(bytes: usize, cx: &Context<'a>) -> Self {
        Text { text: ArenaString::with_capacity_in(bytes.min(MAX_BYTES), cx.arena), too_long: false }
    }

    #[inline]
    pub(super) fn push(&mut self, part: &str) {
        self.too_long |= self.text.len() + part.len() > MAX_BYTES;
        if !self.too_long {
            self.text.push_str(part);
        }
    }

    /// The string, or missing if it became too long.
    pub(super) fn finish(self, cx: &Context<'a>) -> Value<'a> {
        if self.too_long { cx.missing(Why::Overflow) } else { Value::Str(self.text.into_bump_str()) }
    }

    /// Whether nothing more can be added.
    pub(super) fn too_long(&self) -> bool {
        self.too_long
    }
}
