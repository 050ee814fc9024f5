//! VPL: parse, check, plan, and run over contiguous batches of slots.

pub mod check;
pub mod clock;
mod counters;
mod decode;
pub mod diagnostic;
mod encode;
mod engine;
pub mod event_time;
pub mod evt;
mod expr;
mod flow;
mod json;
mod number;
mod operators;
mod pen;
pub mod plan;
mod report;
pub mod resume;
mod run;
pub mod slot;
pub mod syntax;
pub mod time;
pub mod value;

pub use counters::Counters;
pub use engine::Engine;
pub use report::{LOG_TARGET, PRINT_TARGET, PROGRAM_TARGET};
pub use run::{Poisoned, STACK_BYTES, run};
