//! From a task and its definition to what an engine is asked to make. Pure.

use std::collections::BTreeMap;

use crate::model::resources::Protocol;
use crate::model::task_definition::Ulimit;

/// Labels that the ECS agent puts on containers, and ours.
pub mod label {
    /// Cluster name.
    pub const CLUSTER: &str = "com.amazonaws.ecs.cluster";
    /// Task ARN.
    pub const TASK_ARN: &str = "com.amazonaws.ecs.task-arn";
    /// Task definition family.
    pub const FAMILY: &str = "com.amazonaws.ecs.task-definition-family";
    /// Task definition revision.
    pub const REVISION: &str = "com.amazonaws.ecs.task-definition-version";
    /// Container name in the definition.
    pub const CONTAINER: &str = "com.amazonaws.ecs.container-name";
    /// Task id.
    pub const TASK_ID: &str = "quarterdeck.task-id";
    /// Id of the control plane's state.
    pub const CONTROL_PLANE: &str = "quarterdeck.control-plane";
    /// Service name.
    pub const SERVICE: &str = "quarterdeck.service";
    /// Instance name.
    pub const INSTANCE: &str = "quarterdeck.instance";
}

/// The one bridge network per instance that tasks in bridge mode share.
pub const NETWORK: &str = "quarterdeck";

/// Which network a container joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkSpec {
    /// The shared bridge, with links as aliases of this endpoint alone.
    Bridge {
        /// `CONTAINER:ALIAS` with the other container's name on the engine.
        links: Vec<String>,
    },
    /// The host's.
    Host,
    /// None.
    None,
}

/// A port to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortSpec {
    /// Port in the container.
    pub container_port: u16,
    /// Port of the host; 0 = the engine chooses.
    pub host_port: u16,
    /// Protocol.
    pub protocol: Protocol,
}

/// A mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountSpec {
    /// Folder of the host or name of a Docker volume; `None` = an unnamed volume.
    pub source: Option<String>,
    /// Whether `source` is a folder of the host.
    pub bind: bool,
    /// Path in the container.
    pub target: String,
    /// Whether it is read-only.
    pub read_only: bool,
}

/// A named volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeSpec {
    /// Name on the engine.
    pub name: String,
    /// Driver; `local` if none.
    pub driver: Option<String>,
    /// Driver options.
    pub driver_opts: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A health check, with times in seconds and ECS's defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthSpec {
    /// `CMD …` or `CMD-SHELL …`.
    pub test: Vec<String>,
    /// Seconds between checks.
    pub interval_s: u32,
    /// Seconds a check may take.
    pub timeout_s: u32,
    /// Failures in a row that make it unhealthy.
    pub retries: u32,
    /// Seconds at the start in which failures do not count.
    pub start_period_s: u32,
}

/// All that an engine needs to make one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSpec {
    /// Name on the engine, derived from the task's id: a create that was cut short is found
    /// again by it.
    pub name: String,
    /// Image reference.
    pub image: String,
    /// Command.
    pub command: Option<Vec<String>>,
    /// Entry point.
    pub entry_point: Option<Vec<String>>,
    /// `NAME=VALUE`.
    pub environment: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// CPU shares; 0 = the engine's own default.
    pub cpu_shares: u64,
    /// Hard limit in bytes; 0 = none.
    pub memory_bytes: u64,
    /// Soft limit in bytes; 0 = none.
    pub memory_reservation_bytes: u64,
    /// Ports to publish.
    pub ports: Vec<PortSpec>,
    /// Network.
    pub network: NetworkSpec,
    /// Health check.
    pub health: Option<HealthSpec>,
    /// User.
    pub user: Option<String>,
    /// Working directory.
    pub working_directory: Option<String>,
    /// Mounts.
    pub mounts: Vec<MountSpec>,
    /// Limits of its processes.
    pub ulimits: Vec<Ulimit>,
    /// Log driver and its options.
    pub log: Option<(String, BTreeMap<String, String>)>,
    /// Seconds between stop signal and kill.
    pub stop_timeout_s: u32,
}
