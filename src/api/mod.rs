//! The wire: ECS's own operations and shapes, and what ECS has no word for under `/v1/`.

pub mod difference;
#[doc(hidden)] // the fuzz target of frames reads them
pub mod frame;
pub mod metrics;
pub mod plan;
pub mod query;
pub mod serve;
pub mod shape;
mod v1;
pub mod wire;

#[cfg(test)]
pub(crate) mod authority;
#[cfg(test)]
mod both_tests;
#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod peer_tests;
#[cfg(test)]
mod secret_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::agent::streams;
use crate::controller::command::execute::ExecuteCommand;
use crate::controller::core::{Batch, Effects};
use crate::controller::{Command, CommandError, ErrorKind, Handle, Response};
use crate::docker::ExecSession;
use crate::model::task_definition::TaskDefinitionStatus;
use crate::model::{Actor, Snapshot, State, grants};
use crate::scheduler::explain::{self, Explanation};

pub use plan::{LossReport, PlanAsk, PlanReport, PlannedStep, ServiceCourse, Tight, plan};
pub use query::query;
pub use serve::{Prepared, ServeError, Server};
pub(crate) use v1::stream_error;
use wire::{ExecRequest, WireError};

/// What came of a command: ECS's response, and what it did not act on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// ECS's own response shape, such as `{"service": {…}}`.
    pub body: Value,
    /// Members that were kept and have no effect yet, each named.
    pub warnings: Vec<String>,
}

/// Asks the control plane for a change and gives ECS's response.
///
/// # Errors
/// [`CommandError`] as the control plane gives it.
pub async fn act(handle: &Handle, command: Command, who: Actor) -> Result<Reply, CommandError> {
    let warnings = command.warnings();
    let answer = handle.command(command, who).await?;
    Ok(reply(&answer.snapshot.state, &answer.response, warnings))
}

/// Runs a program inside a task's container. Who did it is in the audit trail before it begins.
///
/// # Errors
/// [`CommandError`] as the control plane gives it; else as [`streams::exec`].
pub async fn exec(
    handle: &Handle,
    asked: ExecRequest,
    who: Actor,
) -> Result<ExecSession, WireError> {
    let noted = ExecuteCommand {
        task: asked.task.to_string(),
        cluster: handle
            .snapshot()
            .state
            .tasks
            .get(&asked.task)
            .map(|t| t.cluster.to_string()),
        container: asked.container.as_ref().map(ToString::to_string),
        command: asked.options.command.clone(),
        interactive: asked.options.tty,
    };
    let noted = handle.command(Command::ExecuteCommand(noted), who).await;
    noted.map_err(|refusal| WireError::from(&refusal))?;
    let (task, container) = (asked.task, asked.container.as_ref());
    let snapshot = handle.snapshot();
    streams::exec(&snapshot, handle.engines(), task, container, asked.options)
        .await
        .map_err(|error| stream_error(&error))
}

/// The reply to a command, with what a person should know of it. Who registers what its role does
/// not grant is told so, for nothing will start from it.
fn reply(state: &State, response: &Response, mut warnings: Vec<String>) -> Reply {
    if let Response::TaskDefinition(definition) = response
        && definition.status == TaskDefinitionStatus::Active
    {
        warnings.extend(grants::warnings(&state.roles, definition));
    }
    Reply {
        body: shape::response(state, response),
        warnings,
    }
}

/// Asks the control plane for several changes, all of them or none, and only if they come to what
/// was planned, where that is given. One reply for each command.
///
/// # Errors
/// [`CommandError`] as the control plane gives it; ConflictException if the state has moved.
pub async fn act_on_all(
    handle: &Handle,
    commands: Vec<Command>,
    planned: Option<Effects>,
    who: Actor,
) -> Result<Vec<Reply>, CommandError> {
    let warnings: Vec<_> = commands.iter().map(Command::warnings).collect();
    let batch = Batch {
        commands,
        who,
        planned,
    };
    let answer = handle.batch(batch).await?;
    let state = &answer.snapshot.state;
    let replies = answer.response.iter().zip(warnings);
    Ok(replies
        .map(|(response, warnings)| reply(state, response, warnings))
        .collect())
}

/// So many plans are worked out at once, whoever asks; more wait. A plan goes on when its asker has
/// gone, and the threads that it takes are those of the change log, too.
const PLANS_MAX: usize = 2;

static PLANS: Semaphore = Semaphore::const_new(PLANS_MAX);

/// [`plan()`] on a thread of its own: over a large fleet it takes a while.
///
/// # Errors
/// The first refusal.
pub async fn plan_apart(
    snapshot: Arc<Snapshot>,
    asked: PlanAsk,
) -> Result<PlanReport, CommandError> {
    let broken = |reason: String| CommandError::new(ErrorKind::ServerException, reason);
    let turn = PLANS.acquire().await;
    let turn = turn.map_err(|closed| broken(closed.to_string()))?;
    let planned = tokio::task::spawn_blocking(move || {
        let planned = plan(&snapshot, asked);
        drop(turn);
        planned
    });
    let planned = planned.await;
    planned.unwrap_or_else(|panic| Err(broken(format!("the plan broke down: {panic}"))))
}

/// Why something is where it is, or why not.
///
/// # Errors
/// [`CommandError`] if there is no such thing.
pub fn explained(snapshot: &Snapshot, about: &explain::About) -> Result<Explanation, CommandError> {
    explain::explain(&snapshot.state, snapshot.at, about).ok_or_else(|| {
        CommandError::new(
            ErrorKind::InvalidParameterException,
            format!("There is no {about} any more."),
        )
    })
}
