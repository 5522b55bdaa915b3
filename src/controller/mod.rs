//! The one owner of the state. `core` decides (sans-IO), `driver` drives it with tokio.

pub mod command;
pub mod core;
pub mod driver;
pub mod handle;
pub mod orphaned;
mod past;
pub mod wire;

#[cfg(test)]
mod driver_tests;
#[cfg(test)]
pub(crate) mod fixture;

pub use command::{Command, CommandError, ErrorKind, Response};
pub use driver::{ControlPlane, Ended, Start, StartError, start};
pub use handle::{Answer, Handle};
pub use orphaned::Orphaned;
