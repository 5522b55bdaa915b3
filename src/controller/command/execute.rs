//! Running a program inside a container, as far as it is the control plane's matter: whether there
//! is such a task, and that it is written down who did it. The bytes go past it.

use serde::{Deserialize, Serialize};

/// Asks to run a program in a running task's container (ECS: ExecuteCommand). ECS's answer is the
/// address of a session at Amazon, which is not to be had here, so this is not offered on the
/// wire: `/v1/exec` asks for it before it opens the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecuteCommand {
    /// Task id, a unique beginning of one, or ARN.
    pub task: String,
    /// Cluster.
    #[serde(default)]
    pub cluster: Option<String>,
    /// Container; the essential one that runs if not named.
    #[serde(default)]
    pub container: Option<String>,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Whether it gets a terminal.
    pub interactive: bool,
}
