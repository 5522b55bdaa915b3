//! From text to what is asked for: the files of `qd apply`, and what an operator edits in the
//! console, become steps against the state as it is.

pub mod plan_file;
pub mod read;
pub mod steps;
