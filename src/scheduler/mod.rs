//! Which task goes where, and why. Pure: time, ids and the seed are arguments.
//!
//! [`plan`] compares what every service wants with what is there, and says what to start, stop,
//! give up for lost or count again; carried out and asked again it says nothing. [`place`]
//! finds instances for tasks run by hand, by the same rules.

mod bad;
mod check;
mod daemon;
pub mod explain;
mod expression;
mod failures;
mod feasible;
mod form;
mod ground;
mod index;
#[cfg(test)]
mod index_tests;
mod node;
mod place;
mod plan;
mod rank;
mod rebalance;
mod reconcile;
mod rollout;
mod room;
#[cfg(test)]
mod runners_up;
mod scale_in;
mod settle;
mod shares;
pub mod smallest;
mod strategy;
mod victims;
mod words;

#[cfg(test)]
#[allow(dead_code)] // other rooms build their tests with it
pub(crate) mod fixture;
#[cfg(test)]
mod plan_tests;
#[cfg(test)]
mod rebalance_tests;
#[cfg(test)]
mod reference;
#[cfg(test)]
pub(crate) mod scenario;
#[cfg(test)]
pub(crate) mod script;
#[cfg(test)]
mod storm;
#[cfg(test)]
#[allow(dead_code)] // other rooms build their tests with it
pub(crate) mod world;

pub(crate) use bad::has_failed;
pub use bad::{BAD_HOST_FAILURES, BAD_HOST_WINDOW_MS};
pub use check::{Violation, check, check_plan, check_with};
pub use expression::{EXPRESSION_MAX, Expression, ExpressionError, Facts};
pub use failures::{
    BACKOFF_FIRST_MS, BACKOFF_MAX_MS, BREAKER_RESET_MS, BREAKER_THRESHOLD, HEALTHY_RESET_MS,
    backoff_delay_ms, breaker_threshold,
};
pub use feasible::Rejection;
pub use form::containers;
pub use ground::Ground;
pub use index::Index;
pub use place::{PlaceRequest, Placed, Placement, place, place_with};
pub use plan::{Plan, REBALANCING, REFUSALS_MAX, Stop, plan, plan_with};
pub use rebalance::REBALANCE_WAIT_MS;
pub use reconcile::{COMPLETION_SETTLE_MS, awaits_proof};
pub use strategy::default_strategies;
