//! One surface for the console and every command, whether the control plane runs in this
//! process or behind a socket: neither can tell.

mod alive;
mod door;
pub mod local;
pub mod open;
mod operator;
pub mod remote;
pub mod succession;

#[cfg(test)]
mod open_tests;
#[cfg(test)]
mod remote_tests;
#[cfg(test)]
mod succession_tests;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::sync::watch;

use crate::controller::{Command, CommandError};
use crate::docker::{ExecOptions, ExecSession, LogOptions, StatsSample};
use crate::model::{ContainerName, History, HistoryAsk, InstanceName, Snapshot, TaskId, TimeMs};

pub use crate::agent::streams::{ContainerHealth, LogItem, LogTarget};
pub use crate::api::wire::WhoAmI;
pub use crate::api::{PlanAsk, PlanReport, PlannedStep, Reply};
pub use crate::controller::core::Effects;
pub use crate::scheduler::explain::{About, Explanation};
pub use local::LocalClient;
pub use open::{Carried, OpenError, OpenOptions, Opened, attach, open};
pub use operator::operator;
pub use remote::RemoteClient;
pub use succession::Succession;

/// What went wrong between asking and being answered.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    /// The request was refused; nothing was changed.
    #[error(transparent)]
    Refused(#[from] CommandError),
    /// The control plane is not there (any more).
    #[error("the control plane does not answer: {0}")]
    Gone(String),
    /// The control plane answers, and in what this client cannot read: asking again helps nothing.
    #[error(
        "the control plane says what this qd cannot read ({0}); is another version of it running \
         there?"
    )]
    Unreadable(String),
    /// The instance that would have to answer does not.
    #[error("{0}")]
    Engine(String),
}

impl ClientError {
    /// What went wrong, for a sentence that says already that the control plane does not answer.
    #[must_use]
    pub fn why(&self) -> String {
        match self {
            Self::Gone(why) => why.clone(),
            other => other.to_string(),
        }
    }
}

/// How the way to the control plane stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It runs in this process.
    Carrying,
    /// It runs in another process, which answers.
    Attached {
        /// Since when, in this machine's clock.
        since: TimeMs,
    },
    /// It does not answer; what was last seen still stands, growing stale.
    Lost {
        /// Since when, in this machine's clock.
        since: TimeMs,
        /// What the last attempt ran into.
        reason: String,
    },
}

/// The control plane, near or far.
pub trait Client: Send + Sync + 'static {
    /// The newest picture, and a signal when there is a newer one. Closed when the control plane
    /// is gone.
    fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>>;
    /// How the way to the control plane stands, and a signal when that changes.
    fn standings(&self) -> watch::Receiver<Standing>;
    /// How the way to the control plane stands now.
    fn standing(&self) -> Standing {
        self.standings().borrow().clone()
    }
    /// In whose name this surface asks, and what may be asked for.
    fn whoami(&self) -> BoxFuture<'_, Result<WhoAmI, ClientError>>;
    /// Asks for a change. `who` goes into the event.
    fn command(&self, command: Command) -> BoxFuture<'_, Result<Reply, ClientError>>;
    /// What these commands, in this order, would do, and the loss of instances after that.
    fn plan(&self, asked: PlanAsk) -> BoxFuture<'_, Result<PlanReport, ClientError>>;
    /// Asks for several changes: all are made, or none; and where it is given what they were
    /// planned to come to, only if they come to just that. One reply for each command.
    fn apply(
        &self,
        commands: Vec<Command>,
        planned: Option<Effects>,
    ) -> BoxFuture<'_, Result<Vec<Reply>, ClientError>>;
    /// Why something is where it is, or why not.
    fn explain(&self, about: About) -> BoxFuture<'_, Result<Explanation, ClientError>>;
    /// What happened, as far back as the log reaches.
    fn history(&self, asked: HistoryAsk) -> BoxFuture<'_, Result<History, ClientError>>;
    /// The fleet as it was at a moment, in the control plane's clock.
    fn at(&self, moment: TimeMs) -> BoxFuture<'_, Result<Arc<Snapshot>, ClientError>>;
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
    /// What the last health checks of each of a task's containers came to, as their engine has it
    /// now.
    fn health_log(&self, task: TaskId) -> BoxFuture<'_, Result<Vec<ContainerHealth>, ClientError>>;
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
