//! What agents report. Reports are levels, not edges: a container report is the whole of what
//! an engine has, so losing one loses nothing.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::id::{ContainerName, InstanceName, TaskId};
use super::resources::{CpuUnits, HostPort, MemoryMib};
use super::task::{Health, NetworkBinding, PullProgress};
use super::time::TimeMs;

/// What an engine says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineInfo {
    /// The engine's own id: not unique, see [`InstanceName`].
    pub engine_id: String,
    /// The host's name.
    pub host_name: String,
    /// The engine's version.
    pub docker_version: String,
    /// The API version that was negotiated.
    pub api_version: String,
    /// `linux`.
    pub os_type: String,
    /// `x86_64`, `aarch64`.
    pub architecture: String,
    /// All the CPU there is.
    pub cpu: CpuUnits,
    /// All the memory there is.
    pub memory: MemoryMib,
}

/// A container's state as the engine names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerState {
    /// Made, never started.
    Created,
    /// Runs.
    Running,
    /// Frozen; its processes are still there.
    Paused,
    /// Being restarted by the engine.
    Restarting,
    /// Being removed.
    Removing,
    /// Ended.
    Exited,
    /// Ended, and the engine could not clean it up.
    Dead,
}

impl ContainerState {
    /// Whether its processes hold resources and ports.
    #[must_use]
    pub fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }

    /// Whether it ran and has ended.
    #[must_use]
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Exited | Self::Dead | Self::Removing)
    }
}

/// Whose a container is, read from its labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ownership {
    /// The control plane that made it (`quarterdeck.control-plane`).
    pub control_plane: String,
    /// The task it belongs to (`quarterdeck.task-id`).
    pub task: TaskId,
    /// Its name in the task definition.
    pub container: ContainerName,
}

/// One container as an engine has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObservedContainer {
    /// The engine's id for it.
    pub runtime_id: String,
    /// Its name on the engine, without the leading slash.
    pub name: String,
    /// Whose it is; `None` for a container without our labels.
    pub owner: Option<Ownership>,
    /// Image reference it was made from.
    pub image: String,
    /// Digest or id of the image it runs.
    pub image_digest: Option<String>,
    /// State.
    pub state: ContainerState,
    /// Exit code, once it has ended.
    pub exit_code: Option<i64>,
    /// Whether the kernel killed it for memory.
    pub oom_killed: bool,
    /// What the engine says went wrong; empty if nothing.
    pub error: String,
    /// When it last started, in the engine's clock.
    pub started_at: Option<TimeMs>,
    /// When it last ended, in the engine's clock.
    pub finished_at: Option<TimeMs>,
    /// Health check's result; `None` without a check.
    pub health: Option<Health>,
    /// Published ports.
    pub network_bindings: Vec<NetworkBinding>,
    /// CPU it asks for: quota if it has one, else its shares where they were set.
    pub cpu: CpuUnits,
    /// Memory it asks for: reservation if set, else its limit, else 0.
    pub memory: MemoryMib,
    /// Host ports that it holds while it is up.
    pub host_ports: Vec<HostPort>,
    /// Named volumes that it mounts: a task's own ones go when its last container goes.
    #[serde(default)]
    pub volumes: Vec<String>,
    /// Its own address on the shared bridge; `None` if it has none, or shares another's.
    #[serde(default)]
    pub address: Option<String>,
}

/// How an instance's agent stands with its engine: shown, never decided upon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentStatus {
    /// When the engine last answered anything.
    pub heard_at: Option<TimeMs>,
    /// How long its last ping took.
    pub latency_ms: Option<u64>,
    /// Attempts to connect since it last answered.
    pub attempts: u32,
    /// When the next attempt is due, while it does not answer.
    pub retry_at: Option<TimeMs>,
}

impl ObservedContainer {
    /// Whose it is, if that control plane made it, as far as the container itself tells. Labels
    /// alone do not: an image committed from one of its containers carries them too, but what it
    /// made is named after the task. (Nobody commits a holder.) One that was renamed is known by
    /// its id: see [`State::owner_of`](super::State::owner_of).
    #[must_use]
    pub fn owned_by(&self, control_plane: &str) -> Option<&Ownership> {
        self.owner.as_ref().filter(|owner| {
            owner.control_plane == control_plane
                && (owner.container.is_holder() || self.name.ends_with(&owner.task.to_string()))
        })
    }
}

/// One report of an agent.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// The engine answered (again), and this is what it is.
    Connected {
        /// The instance.
        instance: InstanceName,
        /// What the engine says of itself.
        info: EngineInfo,
    },
    /// The engine no longer answers.
    Disconnected {
        /// The instance.
        instance: InstanceName,
        /// What the attempt ran into.
        reason: String,
        /// When it last answered anything; `None` if it never has since its agent is at work.
        heard_at: Option<TimeMs>,
    },
    /// All the containers that the engine has, ours and others'.
    Containers {
        /// The instance.
        instance: InstanceName,
        /// Every container, stopped ones included.
        containers: Arc<Vec<ObservedContainer>>,
    },
    /// An image pull moved on, or ended (`None`).
    Pulling {
        /// The task that waits for it.
        task: TaskId,
        /// How far it has come.
        progress: Option<PullProgress>,
    },
    /// A task could not be brought up: an image that is not to be had, a create or start that
    /// the engine refused for good.
    TaskFailed {
        /// The task.
        task: TaskId,
        /// The container it failed at.
        container: ContainerName,
        /// In ECS's words: `CannotPullContainerError: …`.
        reason: String,
    },
    /// What the tag of an image stands for, asked on behalf of a task: the first digest holds for
    /// the task's whole deployment, a "none" for the task's instance.
    ImageResolved {
        /// The task.
        task: TaskId,
        /// The image, as its definition names it.
        image: String,
        /// The digest, or why no registry gives one.
        answer: Result<String, String>,
    },
    /// What is to go does not go, after several attempts; it is tried on.
    Stuck {
        /// The instance.
        instance: InstanceName,
        /// The task that it belongs to; `None` for a volume.
        task: Option<TaskId>,
        /// What cannot be done to what, and what the engine said to it.
        reason: String,
    },
    /// How the agent stands with its engine.
    Agent {
        /// The instance.
        instance: InstanceName,
        /// Its standing.
        status: AgentStatus,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_owned_by_labels_and_name_together() {
        let task = TaskId(5);
        let mut container: ObservedContainer = serde_json::from_value(serde_json::json!({
            "runtimeId": "a", "name": format!("qd-web-1-app-{task}"), "image": "busybox",
            "owner": {"controlPlane": "p", "task": task, "container": "app"},
            "imageDigest": null, "state": "running", "exitCode": null, "oomKilled": false,
            "error": "", "startedAt": null, "finishedAt": null, "health": null,
            "networkBindings": [], "cpu": 0, "memory": 0, "hostPorts": [],
        }))
        .unwrap();
        assert_eq!(container.owned_by("p").map(|o| o.task), Some(task));
        assert_eq!(container.owned_by("other"), None);
        container.name = "made-from-a-committed-image".to_owned();
        assert_eq!(container.owned_by("p"), None);
    }
}
