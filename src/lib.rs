//! Quarterdeck: Amazon ECS's model over plain Docker hosts, operated from one console.
//!
//! Data moves one way round: observe → decide → commit → act. `ARCHITECTURE.md` has the map.

pub mod agent;
pub mod api;
pub mod apply;
pub mod cli;
pub mod client;
pub mod config;
pub mod controller;
pub mod docker;
pub mod document;
pub mod model;
pub mod scheduler;
pub mod sim;
pub mod store;
pub mod tui;
