//! One surface for the console and every command, whether the control plane runs in this
//! process or behind a socket: neither can tell.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use crate::controller::{Command, CommandError};
use crate::docker::{ExecOptions, ExecSession, LogOptions, StatsSample};
use crate::model::{ContainerName, InstanceName, Snapshot, TaskId};

pub use crate::agent::streams::{LogItem, LogTarget};

/// What went wrong between asking and being answered.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    /// The request was refused; nothing was changed.
    #[error(transparent)]
    Refused(#[from] CommandError),
    /// The control plane is not there (any more).
    #[error("the control plane does not answer: {0}")]
    Gone(String),
    /// The instance that would have to answer does not.
    #[error("{0}")]
    Engine(String),
}

/// What came of a command: ECS's response, and what it did not act on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// ECS's own response shape, such as `{"service": {…}}`.
    pub body: Value,
    /// Members that were kept and have no effect yet, each named.
    pub warnings: Vec<String>,
}

/// Where one task of a plan would go, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedStep {
    /// `start` or `stop`.
    pub action: String,
    /// Which service or family.
    pub subject: String,
    /// On which instance.
    pub instance: InstanceName,
    /// Which definition.
    pub task_definition: String,
    /// Why there.
    pub reason: String,
}

/// What a set of commands would do, computed on a copy of the state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanReport {
    /// The differences, one line each: `~ service web: desiredCount 3 → 5`.
    pub differences: Vec<String>,
    /// First starts and stops.
    pub steps: Vec<PlannedStep>,
    /// What would find no place, with every instance's reasons.
    pub unplaced: Vec<String>,
    /// Members that would be kept without effect.
    pub warnings: Vec<String>,
}

/// The control plane, near or far.
pub trait Client: Send + Sync + 'static {
    /// The newest picture, and a signal when there is a newer one. Closed when the control plane
    /// is gone.
    fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>>;
    /// Asks for a change. `who` goes into the event.
    fn command(&self, command: Command) -> BoxFuture<'_, Result<Reply, ClientError>>;
    /// What these commands, in this order, would do.
    fn plan(&self, commands: Vec<Command>) -> BoxFuture<'_, Result<PlanReport, ClientError>>;
    /// Logs.
    fn logs(
        &self,
        target: LogTarget,
        options: LogOptions,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<LogItem, ClientError>>, ClientError>>;
    /// One sample for each of a task's running containers.
    fn stats(
        &self,
        task: TaskId,
    ) -> BoxFuture<'_, Result<Vec<(ContainerName, StatsSample)>, ClientError>>;
    /// Runs a program in a task's container (its first essential one if none is named).
    fn exec(
        &self,
        task: TaskId,
        container: Option<ContainerName>,
        options: ExecOptions,
    ) -> BoxFuture<'_, Result<ExecSession, ClientError>>;
    /// Fails an instance of a simulated fleet, or brings it back; `None` if the fleet is real.
    fn toggle_fault(
        &self,
        instance: InstanceName,
    ) -> Option<BoxFuture<'_, Result<String, ClientError>>>;
}
