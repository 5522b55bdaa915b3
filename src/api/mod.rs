//! The wire: ECS's own operations and shapes, and what ECS has no word for under `/v1/`.

pub mod difference;
pub(crate) mod frame;
pub mod plan;
pub mod query;
pub mod serve;
pub mod shape;
mod v1;
pub mod wire;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::controller::{Command, CommandError, Handle};

pub use plan::{PlanReport, PlannedStep, plan};
pub use query::query;
pub use serve::{ServeError, Server};
pub(crate) use v1::stream_error;

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
pub async fn act(handle: &Handle, command: Command, who: String) -> Result<Reply, CommandError> {
    let warnings = command.warnings();
    let answer = handle.command(command, who).await?;
    Ok(Reply {
        body: shape::response(&answer.snapshot.state, &answer.response),
        warnings,
    })
}
