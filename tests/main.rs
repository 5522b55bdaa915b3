//! The integration tests: one binary, because linking it is most of what a test build costs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    dead_code
)]

mod architecture;
mod churn;
mod cli;
mod console;
mod copying;
mod demo;
mod editing;
mod errors;
mod faulty;
mod fleet;
mod fuzz_corpus;
mod hands;
mod health;
mod hostile;
mod lent;
mod logs;
mod map;
mod marks;
mod mouse;
mod notices;
mod offers;
mod picture;
mod proposal;
mod pty;
mod real;
mod regions;
mod remote;
mod replicas;
mod restoring;
mod screens;
mod serving;
mod silent;
mod simulation;
mod stats;
mod timeline;
mod tours;
