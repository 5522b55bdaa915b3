//! Docker Engines in memory: what agents see cannot be told from real ones.
//!
//! Everything is drawn from one seed and told by tokio's clock, so a fleet under a paused clock
//! replays. `machine` holds what an engine has and is pure; `host` puts time, latency and faults
//! around it; `engine` is the door.

mod container;
pub mod demo;
mod dice;
mod engine;
mod fleet;
mod health;
mod host;
mod image;
mod lines;
mod logs;
mod machine;
mod shell;
mod stats;
pub mod storm;
mod terminal;
mod trouble;

#[cfg(test)]
mod tests;

pub use engine::SimEngine;
pub use fleet::{Fleet, FleetError};
pub use host::{Fault, HostSpec, Latency};
pub use machine::Foreign;
pub use trouble::Trouble;
