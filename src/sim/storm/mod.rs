//! The whole of it in a storm: the real driver, agents and simulated engines over a store that
//! outlives them, in one thread, from one seed, by a clock that nobody waits for.
//!
//! Everything that happens is drawn from the seed, and nothing else decides in which order things
//! happen: one thread, a clock that is wound on when all have done what they could, one waiter to
//! a channel or waiters that are woken in the order in which they came. So a seed replays exactly,
//! in any process. After every change that is stored and after every call to an engine it is
//! looked whether anything is that must not be ([`Failure`]).

mod change;
mod character;
mod clock;
mod disk;
mod door;
mod faults;
mod ledger;
mod run;
mod torn;
mod trace;
mod truth;
mod world;

pub use character::{Character, Kind};
pub use ledger::Promise;
pub use run::{Outcome, simulate, storm};
pub use trace::{Failure, Record};
pub use world::{World, web};
