//! Model checks of the ring's protocol, and the proof that they can fail.

mod models;
mod mutants;
