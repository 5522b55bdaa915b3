//! One agent per instance: it watches the engine, reports what it sees, and takes the next step
//! from what is to what was decided.

mod acts;
mod assignments;
pub mod clock;
mod courier;
pub mod directory;
mod follow;
mod inspector;
mod job;
mod logs;
pub mod order;
mod outbox;
pub mod pins;
mod pulse;
pub mod run;
mod session;
mod start;
pub mod step;
pub mod streams;
pub mod tuning;
mod vault;
mod verdict;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod holder_tests;
#[cfg(test)]
mod pins_tests;
#[cfg(test)]
mod run_tests;
#[cfg(test)]
mod step_tests;
#[cfg(test)]
mod streams_tests;

pub use clock::{Clock, SystemClock, TokioClock};
pub use courier::Courier;
pub use directory::{EngineDirectory, Heard};
pub use run::{AgentHandle, spawn};
pub use step::{Action, Key, View, World, step};
pub use tuning::Tuning;
pub use vault::{Vault, VaultError};
