//! What comes of a command: what was changed, or why nothing was.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::schedule::Schedule;
use crate::model::{Cluster, Instance, Service, Task, TaskDefinition};

/// Something that an operation on several things could not do (ECS: `failures`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// About what.
    pub arn: String,
    /// ECS's word: `MISSING`, `RESOURCE:MEMORY`, `RESOURCE:CPU`, `RESOURCE:PORTS`, `AGENT`, …
    pub reason: String,
    /// In words, every instance with every reason.
    pub detail: String,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// A task definition as it now is.
    TaskDefinition(Arc<TaskDefinition>),
    /// A service as it now is.
    Service(Arc<Service>),
    /// Tasks that were made, and what could not be.
    Tasks(Vec<Arc<Task>>, Vec<Failure>),
    /// A task as it now is.
    Task(Arc<Task>),
    /// Instances as they now are, and those that could not be changed.
    Instances(Vec<Arc<Instance>>, Vec<Failure>),
    /// Tasks whose protection was set, and those whose could not be.
    ProtectedTasks(Vec<Arc<Task>>, Vec<Failure>),
    /// A cluster as it now is.
    Cluster(Arc<Cluster>),
    /// A schedule as it now is, or was before it was deleted.
    Schedule(Arc<Schedule>),
    /// It is done, and there is nothing to tell.
    Done,
}

/// ECS's names for what can be wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorKind {
    /// The request cannot be carried out as it is.
    ClientException,
    /// A parameter is wrong.
    InvalidParameterException,
    /// No such cluster.
    ClusterNotFoundException,
    /// The cluster still has instances.
    ClusterContainsContainerInstancesException,
    /// The cluster still has services.
    ClusterContainsServicesException,
    /// The cluster still has tasks.
    ClusterContainsTasksException,
    /// No such service.
    ServiceNotFoundException,
    /// The service was deleted.
    ServiceNotActiveException,
    /// The state is not what the request was made for.
    ConflictException,
    /// No such thing.
    ResourceNotFoundException,
    /// Who asks is not allowed to.
    AccessDeniedException,
    /// Not offered.
    UnsupportedFeatureException,
    /// No such operation.
    UnknownOperationException,
    /// Our fault: the store failed, the control plane is going down.
    ServerException,
}

/// Why a command was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct CommandError {
    /// ECS's name for it.
    #[serde(rename = "__type")]
    pub kind: ErrorKind,
    /// What happened, to what, and what to do.
    pub message: String,
}

/// The longest refusal, in bytes: it may quote what was asked, and that may be long.
pub const REFUSAL_MAX: usize = 64 * 1024;

impl CommandError {
    /// An error of that kind. What is too long of the message is cut.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > REFUSAL_MAX {
            let whole = (0..=REFUSAL_MAX)
                .rev()
                .find(|at| message.is_char_boundary(*at));
            message.truncate(whole.unwrap_or(0));
            message.push('…');
        }
        Self { kind, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_cut_where_it_quotes_too_much() {
        let error = CommandError::new(ErrorKind::ClientException, "ü".repeat(REFUSAL_MAX));
        assert!(error.message.len() <= REFUSAL_MAX + '…'.len_utf8());
        assert!(error.message.ends_with("ü…"));
    }
}
