//! One agent per instance: it watches the engine, reports what it sees, and takes the next step
//! from what is to what was decided.

pub mod clock;
pub mod streams;

pub use clock::{Clock, SystemClock, TokioClock};
