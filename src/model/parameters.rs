//! The parameters of containers that go beyond image, command and ports, in ECS's own JSON.

use serde::{Deserialize, Serialize};

use super::id::ContainerName;
use super::observation::{ContainerState, ObservedContainer};

/// Starts a container again in place when it ends, without replacing its task (ECS:
/// `restartPolicy`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestartPolicy {
    /// Whether it is on.
    pub enabled: bool,
    /// Exit codes after which the container is not started again; 50 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored_exit_codes: Vec<i64>,
    /// Seconds that the container must have run to be started again, 60 to 1800; 300 where
    /// nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_attempt_period: Option<u32>,
}

/// ECS's seconds that a container must have run to be started again, where nothing is said.
const RESTART_ATTEMPT_PERIOD_S: u32 = 300;

impl RestartPolicy {
    /// Whether the policy starts this container again: it ended, with a code that is not
    /// ignored, and had run long enough since its last start. Both moments are of the engine's
    /// own clock. One that ended too soon, or whose times are not known, stays ended.
    #[must_use]
    pub fn restarts(&self, container: &ObservedContainer) -> bool {
        let (Some(started), Some(finished)) = (container.started_at, container.finished_at) else {
            return false;
        };
        let ignored = |code: i64| self.ignored_exit_codes.contains(&code);
        let period_s = self
            .restart_attempt_period
            .unwrap_or(RESTART_ATTEMPT_PERIOD_S);
        self.enabled
            && container.state == ContainerState::Exited
            && !container.exit_code.is_some_and(ignored)
            && finished.since_ms(started) >= u64::from(period_s) * 1000
    }
}

/// A secret that a container gets as an environment variable (ECS: `secrets`). The value is
/// never here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// Name of the environment variable.
    pub name: String,
    /// Name of a secret of the config, or an ARN that ends in it.
    pub value_from: String,
}

/// A file of `NAME=VALUE` lines (ECS: `environmentFiles`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentFile {
    /// Where it is.
    pub value: String,
    /// ECS's kind of store; `s3` there.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A whole number of some resource (ECS: `resourceRequirements`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceRequirement {
    /// How many, as text.
    #[serde(default)]
    pub value: String,
    /// Of what: `GPU`, or another resource that instances name.
    #[serde(rename = "type")]
    pub kind: String,
}

/// Linux's own settings (ECS: `linuxParameters`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinuxParameters {
    /// Kernel capabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<KernelCapabilities>,
    /// Devices of the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// Whether an init process reaps zombies and forwards signals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_process_enabled: Option<bool>,
    /// Size of `/dev/shm` in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_memory_size: Option<u32>,
    /// Folders in memory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tmpfs: Vec<Tmpfs>,
    /// Swap in MiB that the container may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_swap: Option<u32>,
    /// How eagerly it swaps, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swappiness: Option<u32>,
}

/// Kernel capabilities added to and dropped from the engine's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KernelCapabilities {
    /// Added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<String>,
    /// Dropped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<String>,
}

/// A device of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Path on the host.
    pub host_path: String,
    /// Path in the container; the host's where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_path: Option<String>,
    /// `read`, `write`, `mknod`; all where nothing is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<String>,
}

/// A folder in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tmpfs {
    /// Path in the container.
    pub container_path: String,
    /// Size in MiB.
    pub size: u32,
    /// Options, as `mount -o` takes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mount_options: Vec<String>,
}

/// A line of the container's `/etc/hosts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostEntry {
    /// Name.
    pub hostname: String,
    /// Address.
    pub ip_address: String,
}

/// A kernel setting of the container's namespaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SystemControl {
    /// Name, such as `net.core.somaxconn`.
    pub namespace: String,
    /// Value.
    pub value: String,
}

/// Another container of the task whose volumes are mounted too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeFrom {
    /// That container.
    pub source_container: ContainerName,
    /// Whether they may only be read.
    #[serde(default)]
    pub read_only: bool,
}

/// Whether a tag is pinned to a digest for a whole deployment (ECS: `versionConsistency`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VersionConsistency {
    /// It is: every task of the deployment runs the same image.
    #[default]
    Enabled,
    /// Each task runs what the tag names when it starts.
    Disabled,
}

/// Whose processes a task's containers see (ECS: `pidMode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PidMode {
    /// The host's.
    Host,
    /// Those of all containers of the task.
    Task,
}

/// Whose shared memory a task's containers use (ECS: `ipcMode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IpcMode {
    /// The host's.
    Host,
    /// One for all containers of the task.
    Task,
    /// Each its own, shared with nobody.
    None,
}

/// What the task's images are made for (ECS: `runtimePlatform`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimePlatform {
    /// `X86_64` or `ARM64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_architecture: Option<String>,
    /// `LINUX`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operating_system_family: Option<String>,
}

/// What one task has otherwise than its definition (ECS: `TaskOverride`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskOverride {
    /// Per container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub container_overrides: Vec<ContainerOverride>,
    /// CPU units of the task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<super::resources::CpuUnits>,
    /// MiB of the task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<super::resources::MemoryMib>,
    /// The role that it has instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_role_arn: Option<String>,
}

/// What one container has otherwise than its definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerOverride {
    /// The container.
    pub name: ContainerName,
    /// Replaces its command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Added to its environment, over what is there under the same name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<super::task_definition::KeyValue>,
    /// Replaces its environment files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment_files: Vec<EnvironmentFile>,
    /// Replaces its CPU units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<super::resources::CpuUnits>,
    /// Replaces its hard limit in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<super::resources::MemoryMib>,
    /// Replaces its soft limit in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_reservation: Option<super::resources::MemoryMib>,
    /// Replaces what it requires of other resources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource_requirements: Vec<ResourceRequirement>,
}
