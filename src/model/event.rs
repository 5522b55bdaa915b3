//! What happened, in words worth reading at three in the morning.

use serde::{Deserialize, Serialize};

use super::actor::Audit;
use super::id::{ClusterName, InstanceName, ServiceName, TaskId};
use super::time::TimeMs;

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Info,
    /// Worth a look.
    Warning,
    /// Something is not as wanted.
    Error,
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// An instance registered, was lost, came back, drains.
    Instance,
    /// A service was written, deleted, is steady, cannot place.
    Service,
    /// A deployment began, completed, failed.
    Deployment,
    /// A task was placed, started, or could not be.
    Task,
    /// A container or a task ended, or failed to start.
    Exit,
    /// A task's health checks began to fail, or pass again.
    Health,
    /// A person or program did something.
    Operator,
}

/// One line of the event list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When.
    pub at: TimeMs,
    /// How much it matters.
    pub severity: Severity,
    /// What kind.
    pub kind: EventKind,
    /// In which cluster.
    pub cluster: ClusterName,
    /// About which service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// About which task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// About which instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceName>,
    /// Whose doing it was, if it was an operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
    /// In words, as ECS would: `(service web) has reached a steady state.`
    pub message: String,
}
