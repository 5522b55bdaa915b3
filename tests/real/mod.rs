//! The program on real Docker engines, each in a network namespace of its own.

mod endpoints;
mod engines;
mod faults;
mod flood;
mod health;
mod loss;
mod network;
mod parameters;
mod pins;
mod pull;
mod reasons;
mod registry;
mod reloading;
mod rolling;
mod rounds;
mod secrets;
mod ship;
mod spread;
mod stored;

pub(crate) use engines::skipped;
