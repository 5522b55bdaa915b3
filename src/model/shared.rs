//! What the containers of one task share, and the container that holds it.

use super::capacity::LaunchType;
use super::id::ContainerName;
use super::parameters::{IpcMode, PidMode};
use super::task::Task;
use super::task_definition::{NetworkMode, TaskDefinition};

/// The ECS agent's name for the container that holds what a task's containers share. No user's
/// container can have it: `~` is no letter of names.
pub const HOLDER: &str = "~internal~ecs~pause";

/// The namespaces that all containers of a task have in common. A container of its own, the
/// holder, keeps them while the task's containers come and go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shared {
    /// One network: they talk over localhost.
    pub network: bool,
    /// One set of processes.
    pub pid: bool,
    /// One shared memory.
    pub ipc: bool,
}

impl Shared {
    /// What a task's containers share.
    #[must_use]
    pub fn of(task: &Task, definition: &TaskDefinition) -> Self {
        Self {
            network: network_mode(task, definition) == NetworkMode::Awsvpc,
            pid: definition.pid_mode == Some(PidMode::Task),
            ipc: definition.ipc_mode == Some(IpcMode::Task),
        }
    }

    /// Whether there is anything to hold.
    #[must_use]
    pub fn any(self) -> bool {
        self.network || self.pid || self.ipc
    }
}

/// How a task's containers reach the network: as the definition says, but under FARGATE always in
/// a namespace of the task's own.
#[must_use]
pub fn network_mode(task: &Task, definition: &TaskDefinition) -> NetworkMode {
    match task.launch_type {
        LaunchType::Fargate => NetworkMode::Awsvpc,
        _ => definition.network_mode,
    }
}

impl ContainerName {
    /// Whether this is the container that holds what its task's containers share.
    #[must_use]
    pub fn is_holder(&self) -> bool {
        self.as_str() == HOLDER
    }
}
