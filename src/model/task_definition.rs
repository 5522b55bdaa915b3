//! Task definitions: `family:revision`, immutable, in ECS's own JSON.
//!
//! Member names and types are those of ECS's RegisterTaskDefinition. Members that are not acted
//! on yet land in `unsupported`: they are kept, given back, and named in a warning.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::capacity::LaunchType;
use super::id::{ContainerName, Family, Revision, TaskDefinitionId};
use super::observation::ObservedContainer;
use super::parameters::{
    EnvironmentFile, HostEntry, IpcMode, LinuxParameters, PidMode, ResourceRequirement,
    RestartPolicy, RuntimePlatform, Secret, SystemControl, VersionConsistency, VolumeFrom,
};
use super::resources::{CpuUnits, HostPort, MemoryMib, Protocol, Resources};
use super::service::PlacementConstraint;
use super::tag::Tag;
use super::time::TimeMs;

/// Members kept as they came.
pub type Kept = BTreeMap<String, Value>;

/// How a task's containers reach the network (ECS: `networkMode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    /// The instance's shared bridge network, with port mappings.
    #[default]
    Bridge,
    /// The host's own network; container ports are host ports.
    Host,
    /// No network.
    None,
    /// One network namespace for all containers of the task, which talk over localhost.
    Awsvpc,
}

/// One immutable revision of a family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinition {
    /// Family.
    pub family: Family,
    /// Revision in the family, from 1.
    pub revision: Revision,
    /// The 1 to 10 containers that run together on one instance.
    pub container_definitions: Vec<ContainerDefinition>,
    /// Volumes that the containers' mount points name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
    /// Network mode.
    #[serde(default)]
    pub network_mode: NetworkMode,
    /// CPU units of the whole task, if given; else the sum over its containers counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuUnits>,
    /// Memory of the whole task in MiB, if given; else the sum over its containers counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryMib>,
    /// Constraints on where its tasks may run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub placement_constraints: Vec<PlacementConstraint>,
    /// Launch types that it must be fit for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires_compatibilities: Vec<LaunchType>,
    /// What its images are made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_platform: Option<RuntimePlatform>,
    /// Whose processes its containers see; each its own where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_mode: Option<PidMode>,
    /// Whose shared memory its containers use; the engine's default where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipc_mode: Option<IpcMode>,
    /// The role whose grants its tasks have: a name, or an ARN that ends in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_role_arn: Option<String>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// Whether new tasks may still be made from it.
    #[serde(default)]
    pub status: TaskDefinitionStatus,
    /// When it was registered.
    #[serde(default)]
    pub registered_at: TimeMs,
    /// Members that are not acted on, kept and given back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unsupported: Kept,
}

/// Whether a task definition can be used for new tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TaskDefinitionStatus {
    /// It can.
    #[default]
    Active,
    /// It was deregistered: what runs goes on, nothing new starts.
    Inactive,
}

/// One container of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerDefinition {
    /// Name, unique in the task.
    pub name: ContainerName,
    /// Image reference, as `docker pull` takes it.
    pub image: String,
    /// Replaces the image's command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Replaces the image's entry point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_point: Option<Vec<String>>,
    /// Environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<KeyValue>,
    /// CPU units (shares): what the scheduler reserves and the kernel weighs by.
    #[serde(default)]
    pub cpu: CpuUnits,
    /// Hard limit in MiB: going over it kills the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryMib>,
    /// Soft limit in MiB: what the scheduler reserves if set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_reservation: Option<MemoryMib>,
    /// Ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub port_mappings: Vec<PortMapping>,
    /// Whether its exit stops the task; ECS takes true where nothing is said.
    #[serde(default = "yes")]
    pub essential: bool,
    /// Health check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// Other containers of the task to be reached by name: `NAME` or `NAME:ALIAS`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
    /// Containers that must come first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<Dependency>,
    /// Seconds between the stop signal and the kill; 30 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<u32>,
    /// User, as `docker run --user` takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Working directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
    /// Where the task's volumes are mounted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mount_points: Vec<MountPoint>,
    /// Resource limits of its processes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ulimits: Vec<Ulimit>,
    /// Labels for the container.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub docker_labels: BTreeMap<String, String>,
    /// Log driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_configuration: Option<LogConfiguration>,
    /// Starts it again in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<RestartPolicy>,
    /// Secrets that it gets as environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Secret>,
    /// Files of environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment_files: Vec<EnvironmentFile>,
    /// Whole resources that it requires.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource_requirements: Vec<ResourceRequirement>,
    /// Linux's own settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linux_parameters: Option<LinuxParameters>,
    /// Whether it has the host's full powers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub privileged: bool,
    /// Whether its own file system is read-only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub readonly_root_filesystem: bool,
    /// Name servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_servers: Vec<String>,
    /// Domains in which short names are looked up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_search_domains: Vec<String>,
    /// Lines of its `/etc/hosts`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_hosts: Vec<HostEntry>,
    /// Host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Security options, as `docker run --security-opt` takes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub docker_security_options: Vec<String>,
    /// Whether its standard input stays open.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interactive: bool,
    /// Whether it gets a terminal.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pseudo_terminal: bool,
    /// Kernel settings of its namespaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub system_controls: Vec<SystemControl>,
    /// Other containers whose volumes are mounted too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes_from: Vec<VolumeFrom>,
    /// Seconds that containers which depend on this one wait for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_timeout: Option<u32>,
    /// Whether its tag is pinned to a digest for a deployment; it is where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_consistency: Option<VersionConsistency>,
    /// Whether it has no network.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disable_networking: bool,
    /// Members that are not acted on, kept and given back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unsupported: Kept,
}

fn yes() -> bool {
    true
}

/// A name and its value (ECS: `KeyValuePair`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyValue {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// A port of the container, published on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortMapping {
    /// Port in the container; 0 where a range is named instead.
    #[serde(default)]
    pub container_port: u16,
    /// `FIRST-LAST`: a range of ports in the container, instead of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_port_range: Option<String>,
    /// Port of the host; 0 or absent lets the engine choose (ephemeral) in bridge mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_port: Option<u16>,
    /// Protocol.
    #[serde(default)]
    pub protocol: Protocol,
    /// Name of the mapping, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A container's health check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    /// `["CMD", …]`, `["CMD-SHELL", "…"]`, or `["NONE"]`: no check, not even the image's own.
    pub command: Vec<String>,
    /// Seconds between checks, 5 to 300; 30 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<u32>,
    /// Seconds a check may take, 2 to 60; 5 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// Failures in a row that make it unhealthy, 1 to 10; 3 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// Seconds at the start in which failures do not count, 0 to 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_period: Option<u32>,
}

/// One container waits for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dependency {
    /// The container that must come first.
    pub container_name: ContainerName,
    /// How far it must have come.
    pub condition: DependencyCondition,
}

/// How far a container must have come before one that depends on it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum DependencyCondition {
    /// It was started.
    Start,
    /// It ran to its end, whatever its exit code.
    Complete,
    /// It ran to its end with exit code 0.
    Success,
    /// Its health check passes.
    Healthy,
}

/// Where a volume appears in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MountPoint {
    /// Name of one of the task's volumes.
    pub source_volume: String,
    /// Path in the container.
    pub container_path: String,
    /// Whether the container may only read it.
    #[serde(default)]
    pub read_only: bool,
}

/// A volume of the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// Name that mount points use.
    pub name: String,
    /// A folder of the host, or with no `sourcePath` an unnamed volume of the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostVolume>,
    /// A Docker volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_volume_configuration: Option<DockerVolume>,
    /// Members that are not acted on, kept and given back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unsupported: Kept,
}

/// A folder of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostVolume {
    /// Absolute path on the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_path: Option<String>,
}

/// A Docker volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DockerVolume {
    /// `task` (goes with the task) or `shared` (stays, under its own name).
    #[serde(default)]
    pub scope: VolumeScope,
    /// Whether a shared volume that is not there is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoprovision: Option<bool>,
    /// Volume driver; `local` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Options for the driver.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub driver_opts: BTreeMap<String, String>,
    /// Labels for the volume.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// How long a Docker volume lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VolumeScope {
    /// As long as the task.
    #[default]
    Task,
    /// Until someone removes it.
    Shared,
}

/// A limit on a container's processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ulimit {
    /// Name, such as `nofile`.
    pub name: String,
    /// Soft limit.
    pub soft_limit: i64,
    /// Hard limit.
    pub hard_limit: i64,
}

/// Where a container's output goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogConfiguration {
    /// The engine's log driver, such as `json-file`, `local`, `journald`.
    pub log_driver: String,
    /// Options for the driver.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

impl LogConfiguration {
    /// The log driver of AWS's CloudWatch, in whose place the engine's own is used.
    pub const CLOUDWATCH: &str = "awslogs";
}

impl PortMapping {
    /// Its ports in the container. `None` if its range cannot be read as `FIRST-LAST`, which
    /// validation refuses.
    #[must_use]
    pub fn container_ports(&self) -> Option<std::ops::RangeInclusive<u16>> {
        let Some(range) = &self.container_port_range else {
            return Some(self.container_port..=self.container_port);
        };
        let (first, last) = range.split_once('-')?;
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (0 < first && first < last).then_some(first..=last)
    }

    /// One tcp port, published where the engine chooses.
    #[must_use]
    pub fn new(container_port: u16) -> Self {
        Self {
            container_port,
            container_port_range: None,
            host_port: None,
            protocol: Protocol::default(),
            name: None,
        }
    }
}

impl ContainerDefinition {
    /// An essential container of which nothing more is said.
    #[must_use]
    pub fn new(name: ContainerName, image: impl Into<String>) -> Self {
        Self {
            name,
            image: image.into(),
            command: None,
            entry_point: None,
            environment: Vec::new(),
            cpu: CpuUnits(0),
            memory: None,
            memory_reservation: None,
            port_mappings: Vec::new(),
            essential: true,
            health_check: None,
            links: Vec::new(),
            depends_on: Vec::new(),
            stop_timeout: None,
            user: None,
            working_directory: None,
            mount_points: Vec::new(),
            ulimits: Vec::new(),
            docker_labels: BTreeMap::new(),
            log_configuration: None,
            restart_policy: None,
            secrets: Vec::new(),
            environment_files: Vec::new(),
            resource_requirements: Vec::new(),
            linux_parameters: None,
            privileged: false,
            readonly_root_filesystem: false,
            dns_servers: Vec::new(),
            dns_search_domains: Vec::new(),
            extra_hosts: Vec::new(),
            hostname: None,
            docker_security_options: Vec::new(),
            interactive: false,
            pseudo_terminal: false,
            system_controls: Vec::new(),
            volumes_from: Vec::new(),
            start_timeout: None,
            version_consistency: None,
            disable_networking: false,
            unsupported: Kept::new(),
        }
    }

    /// Whether its restart policy starts that container, which was made from it, again.
    #[must_use]
    pub fn restarts(&self, found: &ObservedContainer) -> bool {
        let policy = self.restart_policy.as_ref();
        policy.is_some_and(|policy| policy.restarts(found))
    }

    /// Whether its health is checked by what the definition says.
    #[must_use]
    pub fn checks_health(&self) -> bool {
        let first = self.health_check.as_ref().and_then(|c| c.command.first());
        first.is_some_and(|first| first != "NONE")
    }

    /// What the scheduler counts: memoryReservation if set, else memory, else nothing.
    #[must_use]
    pub fn scheduling_memory(&self) -> MemoryMib {
        self.memory_reservation.or(self.memory).unwrap_or_default()
    }
}

impl TaskDefinition {
    /// A definition of which nothing more is said than its containers.
    #[must_use]
    pub fn new(family: Family, revision: Revision, containers: Vec<ContainerDefinition>) -> Self {
        Self {
            family,
            revision,
            container_definitions: containers,
            volumes: Vec::new(),
            network_mode: NetworkMode::default(),
            cpu: None,
            memory: None,
            placement_constraints: Vec::new(),
            requires_compatibilities: Vec::new(),
            runtime_platform: None,
            pid_mode: None,
            ipc_mode: None,
            task_role_arn: None,
            tags: Vec::new(),
            status: TaskDefinitionStatus::default(),
            registered_at: TimeMs::default(),
            unsupported: Kept::new(),
        }
    }

    /// `family:revision`.
    #[must_use]
    pub fn id(&self) -> TaskDefinitionId {
        TaskDefinitionId {
            family: self.family.clone(),
            revision: self.revision,
        }
    }

    /// What one task asks of its instance: the task's own cpu and memory if given, else the
    /// sums over its containers; and its fixed host ports.
    #[must_use]
    pub fn resources(&self) -> Resources {
        let containers = &self.container_definitions;
        Resources {
            cpu: self
                .cpu
                .unwrap_or_else(|| containers.iter().map(|c| c.cpu).sum()),
            memory: self.memory.unwrap_or_else(|| {
                containers
                    .iter()
                    .map(ContainerDefinition::scheduling_memory)
                    .sum()
            }),
            ports: containers
                .iter()
                .flat_map(|c| &c.port_mappings)
                .filter_map(|mapping| self.host_port(mapping))
                .collect(),
            named: self.named().into(),
        }
    }

    /// Whole resources by name: what its containers require in all. What is no number counts
    /// for nothing; it is refused where the definition is registered.
    fn named(&self) -> BTreeMap<String, u64> {
        let mut named = BTreeMap::new();
        let containers = self.container_definitions.iter();
        for requirement in containers.flat_map(|c| &c.resource_requirements) {
            let count: u64 = requirement.value.parse().unwrap_or(0);
            let sum: &mut u64 = named.entry(requirement.kind.clone()).or_default();
            *sum = sum.saturating_add(count);
        }
        named.retain(|_, count| *count > 0);
        named
    }

    /// The fixed host port of a mapping; `None` for an ephemeral one. In host mode the
    /// container's port is the host's.
    #[must_use]
    pub fn host_port(&self, mapping: &PortMapping) -> Option<HostPort> {
        let port = match self.network_mode {
            NetworkMode::Bridge => mapping.host_port.unwrap_or(0),
            NetworkMode::Host => mapping.container_port,
            // In a namespace of its own a task takes the host's port of the same number only if it says so.
            NetworkMode::Awsvpc => mapping.host_port.unwrap_or(0),
            NetworkMode::None => 0,
        };
        (port != 0).then_some(HostPort {
            port,
            protocol: mapping.protocol,
        })
    }

    /// The container of that name.
    #[must_use]
    pub fn container(&self, name: &ContainerName) -> Option<&ContainerDefinition> {
        self.container_definitions.iter().find(|c| &c.name == name)
    }
}
