//! Model checks of the ring's protocol, and the proof that they can fail.

mod ends;
mod gates;
mod handover;
mod mutants;
mod names;
mod parties;
mod sleep;
