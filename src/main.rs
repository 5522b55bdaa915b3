//! The `qd` program.
fn main() {}
