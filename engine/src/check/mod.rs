//! Tree to program: names resolved, arguments checked, every problem of a file reported in one go.

pub mod program;
