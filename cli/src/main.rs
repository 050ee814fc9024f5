//! kolo
fn main() {}
