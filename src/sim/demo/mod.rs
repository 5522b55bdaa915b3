//! `qd demo`: a shop on twelve simulated instances in three zones, and a voyage through it; in the
//! console with two more clusters, one of them in another region.

mod crowd;
mod hosts;
mod services;
mod voyage;
pub mod world;

use std::time::Duration;

pub use crowd::Crowd;
pub use hosts::{fleet, settings};
pub use services::{IMAGE_WEB, IMAGE_WEB_NEXT, commands, web_definition};
pub use voyage::{VoyageError, load, voyage};

use super::FleetError;
use crate::agent::Tuning;
use crate::model::id::IdError;

/// What is built into the demo and wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DemoError {
    /// A name that is none.
    #[error("the demo is built wrongly: {0}")]
    Name(#[from] IdError),
    /// A container that its host does not take.
    #[error("the demo is built wrongly: {0}")]
    Fleet(#[from] FleetError),
}

/// How soon the demo's services give up an instance that does not answer, in seconds.
pub const GRACE_S: u32 = 4;

/// What agents of the demo go by: a lost instance is noticed within about two seconds.
#[must_use]
pub fn tuning() -> Tuning {
    Tuning {
        connect_timeout: Duration::from_secs(2),
        backoff_first: Duration::from_millis(200),
        backoff_most: Duration::from_secs(1),
        settled_after: Duration::from_secs(3),
        heartbeat: Duration::from_millis(700),
        ping_timeout: Duration::from_millis(900),
        pings_missed_most: 1,
        resync: Duration::from_secs(20),
        ..Tuning::default()
    }
}
