//! VPL: parse, check, plan, and run over contiguous batches of slots.

pub mod check;
pub mod diagnostic;
pub mod slot;
pub mod syntax;
