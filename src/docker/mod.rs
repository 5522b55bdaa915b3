//! The narrow door to a Docker Engine.
//!
//! [`Engine`] is all that the rest of the program knows of Docker. The real one is in
//! `bollard`, the simulated one in [`crate::sim`]; agents cannot tell them apart.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::model::observation::{EngineInfo, ObservedContainer};
use crate::model::{InstanceName, TimeMs};

pub mod bollard;
pub mod cache;
pub mod connector;
pub mod credentials;
pub mod exec;
pub mod feed;
pub mod health;
pub mod holder;
pub mod holder_image;
pub mod image;
pub mod lines;
pub mod listed;
pub mod logs;
pub mod meter;
pub mod observe;
pub mod pin;
pub mod pull;
pub mod secret;
pub mod spec;
pub mod ssh;
pub mod stats;
pub mod tls;
pub mod transport;
pub mod version;
pub mod volume;

pub use health::HealthLog;
pub use spec::ContainerSpec;

/// What went wrong at an engine, sorted by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine cannot be reached or does not answer: try again later.
    #[error("{0}")]
    Unreachable(String),
    /// What was asked for is not there (HTTP 404).
    #[error("{0}")]
    NotFound(String),
    /// It is there already, or in a state that forbids this (HTTP 409).
    #[error("{0}")]
    Conflict(String),
    /// The engine refuses, and would refuse again (other 4xx): a bad parameter, no access.
    #[error("{0}")]
    Refused(String),
    /// The engine failed at it (5xx): a taken port, a full disk, a missing runtime.
    #[error("{0}")]
    Failed(String),
}

impl EngineError {
    /// The same error with a note added.
    #[must_use]
    pub fn with(self, note: &str) -> Self {
        self.map(|text| format!("{text} ({note})"))
    }

    /// The same error in other words.
    #[must_use]
    pub fn map(self, words: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Unreachable(text) => Self::Unreachable(words(text)),
            Self::NotFound(text) => Self::NotFound(words(text)),
            Self::Conflict(text) => Self::Conflict(words(text)),
            Self::Refused(text) => Self::Refused(words(text)),
            Self::Failed(text) => Self::Failed(words(text)),
        }
    }
}

/// The outcome of a call to an engine.
pub type EngineResult<T> = Result<T, EngineError>;

/// A change that an engine announces. It only says where to look: the container is inspected
/// anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineEvent {
    /// Something happened to this container.
    Container {
        /// The engine's id for it.
        runtime_id: String,
        /// It was removed (`destroy`), so inspecting it would find nothing.
        destroyed: bool,
    },
    /// The set of images changed.
    Images,
}

/// Which log lines are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogOptions {
    /// Whether to stay for what comes.
    pub follow: bool,
    /// Only lines from this moment on.
    pub since: Option<TimeMs>,
    /// Only lines up to this moment.
    pub until: Option<TimeMs>,
    /// At most this many of the last lines to begin with; `None` = all.
    pub tail: Option<u32>,
}

/// Which of a process's two outputs a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line that a container wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When the engine received it.
    pub at: TimeMs,
    /// Where it came from.
    pub stream: LogStream,
    /// The line without its end, as the container wrote it: may hold control sequences.
    pub text: String,
}

/// One sample of what a container uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatsSample {
    /// When the engine took it, in the engine's clock; 0 = it did not say.
    #[serde(default)]
    pub at: TimeMs,
    /// CPU in units of 1024 a vCPU, over the sampled second.
    pub cpu_units: f64,
    /// Memory in bytes, page cache taken off.
    pub memory_bytes: u64,
    /// Its limit in bytes; 0 = none.
    pub memory_limit_bytes: u64,
    /// Bytes received since it started.
    pub rx_bytes: u64,
    /// Bytes sent since it started.
    pub tx_bytes: u64,
    /// Bytes read from disks since it started; `None` where the engine does not count them.
    #[serde(default)]
    pub read_bytes: Option<u64>,
    /// Bytes written to disks since it started; `None` where the engine does not count them.
    #[serde(default)]
    pub written_bytes: Option<u64>,
}

/// What to run inside a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecOptions {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Whether it gets a terminal.
    pub tty: bool,
    /// Columns and rows of that terminal.
    pub size: Option<(u16, u16)>,
}

/// What comes out of a program run inside a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecOutput {
    /// Bytes it wrote (with a terminal, everything is stdout).
    Data(LogStream, Bytes),
    /// It ended with this code. The last item.
    Exit(i64),
}

/// What goes to a program run inside a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecInput {
    /// Bytes for its standard input.
    Data(Bytes),
    /// Its terminal now has this many columns and rows.
    Resize(u16, u16),
    /// Its standard input has ended.
    End,
}

/// A program that runs inside a container.
pub struct ExecSession {
    /// Bounded way in.
    pub input: tokio::sync::mpsc::Sender<ExecInput>,
    /// What comes out.
    pub output: BoxStream<'static, EngineResult<ExecOutput>>,
}

/// How far a pull has come, in bytes over all layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PullStep {
    /// Bytes received.
    pub done_bytes: u64,
    /// Bytes known to come.
    pub total_bytes: u64,
}

/// One Docker Engine. Calls bound their connect and header waits themselves; streams end with
/// an error when the engine goes away. Every call may be dropped half-way.
pub trait Engine: Send + Sync + 'static {
    /// Asks for a sign of life.
    fn ping(&self) -> BoxFuture<'_, EngineResult<()>>;
    /// What the engine is and has.
    fn info(&self) -> BoxFuture<'_, EngineResult<EngineInfo>>;
    /// Announcements from now on. The stream is established before the future resolves, so a
    /// list made afterwards misses nothing.
    fn events(&self) -> BoxFuture<'_, EngineResult<BoxStream<'static, EngineResult<EngineEvent>>>>;
    /// Every container, stopped ones included.
    fn list(&self) -> BoxFuture<'_, EngineResult<Vec<ObservedContainer>>>;
    /// One container, by id or name. [`EngineError::NotFound`] if there is none.
    fn inspect<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<ObservedContainer>>;
    /// Whether an image is there, so that it need not be pulled.
    fn has_image<'a>(&'a self, image: &'a str) -> BoxFuture<'a, EngineResult<bool>>;
    /// What an image reference stands for now, with credentials as for a pull. Fails only where
    /// the engine itself does not answer.
    fn resolve<'a>(&'a self, image: &'a str) -> BoxFuture<'a, EngineResult<pin::Resolution>>;
    /// Pulls an image, with credentials from Docker's own config. The stream ends after the
    /// image is there, or with the error.
    fn pull(&self, image: &str) -> BoxStream<'static, EngineResult<PullStep>>;
    /// Makes the shared bridge network if it is not there.
    fn ensure_network<'a>(&'a self, name: &'a str) -> BoxFuture<'a, EngineResult<()>>;
    /// Makes the image of the containers that hold what a task's containers share
    /// ([`holder_image`]), if it is not there. [`EngineError::Refused`] on a processor that there
    /// is none for.
    fn ensure_holder_image(&self) -> BoxFuture<'_, EngineResult<()>>;
    /// Makes a container (not started) and gives the engine's id for it.
    /// [`EngineError::Conflict`] if the name is taken: it is then found by name.
    fn create<'a>(&'a self, spec: &'a ContainerSpec) -> BoxFuture<'a, EngineResult<String>>;
    /// Starts a container. Starting one that runs is no error.
    fn start<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<()>>;
    /// Asks a container to end and kills it after `timeout_s`; returns once it has ended.
    /// Stopping one that does not run, or is not there, is no error.
    fn stop<'a>(&'a self, id: &'a str, timeout_s: u32) -> BoxFuture<'a, EngineResult<()>>;
    /// Removes a container with its unnamed volumes, killing it if it runs. Removing one that is
    /// not there is no error; one that is being removed already is an [`EngineError::Conflict`].
    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<()>>;
    /// Makes a named volume if it is not there.
    fn ensure_volume<'a>(&'a self, volume: &'a spec::VolumeSpec)
    -> BoxFuture<'a, EngineResult<()>>;
    /// Removes a named volume. One that is not there is no error.
    fn remove_volume<'a>(&'a self, name: &'a str) -> BoxFuture<'a, EngineResult<()>>;
    /// What a container wrote, and with `follow` writes.
    fn logs(&self, id: &str, options: LogOptions) -> BoxStream<'static, EngineResult<LogLine>>;
    /// One sample of what a container uses.
    fn stats<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<StatsSample>>;
    /// What a container's last health checks came to; empty without a check, or before the first
    /// has ended. [`EngineError::NotFound`] if there is no such container.
    fn health_log<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<HealthLog>>;
    /// Runs a program inside a container.
    fn exec<'a>(
        &'a self,
        id: &'a str,
        options: ExecOptions,
    ) -> BoxFuture<'a, EngineResult<ExecSession>>;
}

/// Opens engines. The real one dials endpoints; the simulated one looks in its fleet.
pub trait Connector: Send + Sync + 'static {
    /// Opens the engine of an instance and makes sure that it answers. Bounded in time.
    fn connect<'a>(
        &'a self,
        instance: &'a crate::config::InstanceSettings,
    ) -> BoxFuture<'a, EngineResult<Arc<dyn Engine>>>;

    /// Fails an instance of a simulated fleet, or mends it if it has a fault, and says in words
    /// what was done. `None` where engines are real: those are not ours to break.
    fn toggle_fault(&self, instance: &InstanceName) -> Option<EngineResult<String>> {
        let _ = instance;
        None
    }
}

#[cfg(test)]
mod bounds_tests;
#[cfg(test)]
mod engine_tests;
#[cfg(test)]
mod listing_tests;
