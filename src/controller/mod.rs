//! The one owner of the state. `core` decides (sans-IO), `driver` drives it with tokio.

pub mod command;
pub mod core;
mod crew;
pub mod driver;
pub mod handle;
mod intake;
pub mod meters;
pub mod orphaned;
mod outage;
mod past;
mod wall;
pub mod wire;

#[cfg(test)]
mod driver_tests;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod outage_tests;
#[cfg(test)]
mod reload_tests;

pub use command::{Command, CommandError, ErrorKind, Response};
pub use driver::{ControlPlane, Ended, Start, StartError, start};
pub use handle::{Answer, Handle, ReloadRefusal};
pub use orphaned::Orphaned;
pub(crate) use outage::UNCHANGED;
