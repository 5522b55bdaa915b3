//! The one owner of the state. `core` decides (sans-IO), `driver` drives it with tokio.

pub mod command;
pub mod core;
pub mod wire;

pub use command::{Command, CommandError, ErrorKind, Response};
