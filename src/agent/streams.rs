//! Logs, stats and shells: what flows from an engine to a reader without the controller.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::docker::{
    Engine, EngineError, EngineResult, ExecOptions, ExecSession, HealthLog, LogStream, StatsSample,
};
use crate::model::task::Container;
use crate::model::{
    ClusterName, Connection, ContainerName, InstanceName, LastStatus, ServiceName, Snapshot, State,
    Task, TaskId, TimeMs,
};

pub use super::directory::EngineDirectory;
pub use super::logs::logs;

/// Whose logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum LogTarget {
    /// One task's containers, or one of them.
    Task {
        /// The task.
        task: TaskId,
        /// Only this container.
        container: Option<ContainerName>,
    },
    /// All tasks on an instance, merged by time; with `follow`, those that come later too. What
    /// others run there is not read.
    Instance {
        /// The instance.
        instance: InstanceName,
    },
    /// All of a service's tasks, merged by time; with `follow`, those that come later too.
    Service {
        /// Its cluster.
        cluster: ClusterName,
        /// Its name.
        service: ServiceName,
    },
}

/// One item of a log stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "item")]
pub enum LogItem {
    /// A line.
    Line {
        /// When the engine received it.
        at: TimeMs,
        /// Which task wrote it.
        task: TaskId,
        /// Which container.
        container: ContainerName,
        /// On which instance.
        instance: InstanceName,
        /// On which output.
        stream: LogStream,
        /// The line as written: may hold control sequences.
        text: String,
    },
    /// Lines that were dropped because the reader was too slow.
    Dropped {
        /// How many.
        count: u64,
        /// How many bytes of text.
        #[serde(default)]
        bytes: u64,
    },
    /// One source ended with an error; the others go on.
    Broken {
        /// Whose.
        task: TaskId,
        /// Why.
        reason: String,
    },
}

/// Why there is nothing to read, or why it ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// No such task.
    #[error("there is no task {0}; stopped tasks are forgotten after a while")]
    NoTask(TaskId),
    /// No such service.
    #[error("there is no service {service} in cluster {cluster}")]
    NoService {
        /// The cluster.
        cluster: ClusterName,
        /// The service.
        service: ServiceName,
    },
    /// No such instance.
    #[error("there is no instance {0}")]
    NoInstance(InstanceName),
    /// The task has no container of that name.
    #[error("task {task} has no container {container}; it has {names}")]
    NoContainer {
        /// The task.
        task: TaskId,
        /// The name asked for.
        container: ContainerName,
        /// The names it has.
        names: String,
    },
    /// Nothing of the task runs that could be asked.
    #[error("{what} does not run; it is {status}")]
    NotRunning {
        /// The task or container.
        what: String,
        /// Its last status.
        status: &'static str,
    },
    /// The engine that would have to answer does not.
    #[error("instance {instance} has not answered since {since}: {reason}")]
    NotAnswering {
        /// The instance.
        instance: InstanceName,
        /// Since when, in UTC.
        since: String,
        /// What the last attempt ran into.
        reason: String,
    },
    /// The engine refused or failed.
    #[error("instance {instance}: {reason}")]
    Engine {
        /// The instance.
        instance: InstanceName,
        /// What it said.
        reason: String,
    },
}

impl StreamError {
    pub(super) fn not_answering(state: &State, name: &InstanceName) -> Self {
        let instance = state.instances.get(name);
        let heard = instance.and_then(|it| it.silent_since());
        let (since, reason) = match instance.map(|it| &it.connection) {
            Some(Connection::Disconnected { since, reason }) => {
                (utc(heard.unwrap_or(*since)), reason.clone())
            }
            Some(Connection::Connected { .. }) => (
                "just now".to_owned(),
                "it is being connected anew".to_owned(),
            ),
            None => (
                "it was taken out of the config".to_owned(),
                "there is no such instance".to_owned(),
            ),
        };
        Self::NotAnswering {
            instance: name.clone(),
            since,
            reason,
        }
    }

    fn engine(instance: &InstanceName, error: &EngineError) -> Self {
        Self::Engine {
            instance: instance.clone(),
            reason: error.to_string(),
        }
    }
}

/// A moment as people and programs both read it: `2026-01-31T23:59:59Z`.
fn utc(at: TimeMs) -> String {
    let seconds = i64::try_from(at.0 / 1000).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_second(seconds) {
        Ok(moment) => moment.to_string(),
        Err(_) => format!("{seconds} s after 1970"),
    }
}

/// How long an engine may take over one sample, or to begin a program in a container.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A task and the engine of its instance.
fn find(
    snapshot: &Snapshot,
    directory: &EngineDirectory,
    task: TaskId,
) -> Result<(Arc<Task>, Arc<dyn Engine>), StreamError> {
    let state = &snapshot.state;
    let found = state.tasks.get(&task).ok_or(StreamError::NoTask(task))?;
    let engine = directory
        .engine(&found.instance)
        .ok_or_else(|| StreamError::not_answering(state, &found.instance))?;
    Ok((found.clone(), engine))
}

/// Whether a container runs, as far as is known.
fn runs(container: &Container) -> bool {
    !container.runtime_id.is_empty()
        && (LastStatus::Running..LastStatus::Deprovisioning).contains(&container.last_status)
}

async fn answer<T>(
    instance: &InstanceName,
    call: impl Future<Output = EngineResult<T>>,
) -> EngineResult<T> {
    match timeout(ANSWER_LIMIT, call).await {
        Ok(result) => result,
        Err(_) => Err(EngineError::Unreachable(format!(
            "{instance} did not answer within {} s",
            ANSWER_LIMIT.as_secs()
        ))),
    }
}

/// One sample for each of a task's running containers.
///
/// # Errors
/// [`StreamError`] when there is no such task, or its instance does not answer.
pub async fn stats(
    snapshot: &Snapshot,
    directory: &EngineDirectory,
    task: TaskId,
) -> Result<Vec<(ContainerName, StatsSample)>, StreamError> {
    let (task, engine) = find(snapshot, directory, task)?;
    let running = task.containers.iter().filter(|c| runs(c));
    let calls = running.map(|container| {
        let call = answer(&task.instance, engine.stats(&container.runtime_id));
        call.map(|result| (container.name.clone(), result))
    });
    let mut samples = Vec::new();
    for (name, result) in join_all(calls).await {
        match result {
            Ok(sample) => samples.push((name, sample)),
            // It ended since the snapshot was taken.
            Err(EngineError::NotFound(_) | EngineError::Conflict(_)) => {}
            Err(error) => return Err(StreamError::engine(&task.instance, &error)),
        }
    }
    Ok(samples)
}

/// A container of a task and what its last health checks came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerHealth {
    /// The container.
    pub name: ContainerName,
    /// Its log; `None` = its engine has the container no more.
    pub health_log: Option<HealthLog>,
}

/// Whether a task has a container whose engine can be asked for a health log: one with a health
/// check that was made, also one that has ended since.
#[must_use]
pub fn has_health_log(task: &Task) -> bool {
    task.containers.iter().any(keeps_health)
}

fn keeps_health(container: &Container) -> bool {
    container.has_health_check && !container.runtime_id.is_empty()
}

/// The health log of each of a task's containers that has a health check and was made, as their
/// engine has it now; those that have ended too, for as long as they are not removed.
///
/// # Errors
/// [`StreamError`] when there is no such task, or its instance does not answer.
pub async fn health(
    snapshot: &Snapshot,
    directory: &EngineDirectory,
    task: TaskId,
) -> Result<Vec<ContainerHealth>, StreamError> {
    let (task, engine) = find(snapshot, directory, task)?;
    let kept = task.containers.iter().filter(|c| keeps_health(c));
    let calls = kept.map(|container| {
        let call = answer(&task.instance, engine.health_log(&container.runtime_id));
        call.map(|result| (container.name.clone(), result))
    });
    let mut logs = Vec::new();
    for (name, result) in join_all(calls).await {
        let health_log = match result {
            Ok(log) => Some(log),
            Err(EngineError::NotFound(_)) => None,
            Err(error) => return Err(StreamError::engine(&task.instance, &error)),
        };
        logs.push(ContainerHealth { name, health_log });
    }
    Ok(logs)
}

/// Runs a program in a container of a task: the one named, else its first essential one that
/// runs, else its first that runs.
///
/// # Errors
/// [`StreamError`] when there is no such task or container, it does not run, or its instance
/// does not answer or refuses.
pub async fn exec(
    snapshot: &Snapshot,
    directory: &EngineDirectory,
    task: TaskId,
    container: Option<&ContainerName>,
    options: ExecOptions,
) -> Result<ExecSession, StreamError> {
    let (task, engine) = find(snapshot, directory, task)?;
    let chosen = match container {
        Some(name) => {
            let named = container_of(&task, name)?;
            runs(named)
                .then_some(named)
                .ok_or_else(|| StreamError::NotRunning {
                    what: format!("container {name} of task {}", task.id),
                    status: named.last_status.as_str(),
                })?
        }
        None => {
            let all = task.containers.iter().filter(|c| runs(c));
            all.min_by_key(|c| !c.essential)
                .ok_or_else(|| StreamError::NotRunning {
                    what: format!("task {}", task.id),
                    status: task.last_status.as_str(),
                })?
        }
    };
    let call = engine.exec(&chosen.runtime_id, options);
    let session = answer(&task.instance, call).await;
    session.map_err(|error| StreamError::engine(&task.instance, &error))
}

/// A task's container of that name.
pub(super) fn container_of<'a>(
    task: &'a Task,
    name: &ContainerName,
) -> Result<&'a Container, StreamError> {
    let mut all = task.containers.iter();
    all.find(|c| &c.name == name)
        .ok_or_else(|| StreamError::NoContainer {
            task: task.id,
            container: name.clone(),
            names: task
                .containers
                .iter()
                .map(|c| c.name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        })
}
