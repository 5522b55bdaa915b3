//! One agent per instance: it watches the engine, reports what it sees, and takes the next step
//! from what is to what was decided.

pub mod clock;
pub mod order;
pub mod step;
pub mod streams;
pub mod tuning;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod step_tests;

pub use clock::{Clock, SystemClock, TokioClock};
pub use step::{Action, Key, View, World, step};
pub use tuning::Tuning;
