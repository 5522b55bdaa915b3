//! From a task and its definition to what an engine is asked to make. Pure.

use std::collections::BTreeMap;

use crate::model::grants;
use crate::model::parameters::Secret;
use crate::model::resources::Protocol;
use crate::model::shared::network_mode;
use crate::model::task_definition::{
    HealthCheck, LogConfiguration, NetworkMode, PortMapping, Ulimit,
};
use crate::model::{
    ContainerDefinition, ContainerName, MemoryMib, Partition, Task, TaskDefinition,
};

use super::holder::holder_name;
use super::secret::HiddenVariable;
use super::volume::{VolumeSource, volume_source};

mod host;
mod linux;

pub(super) use host::shared_sysctls;
pub use host::{IpcSpec, NamesSpec, PidSpec};
pub use linux::{DeviceSpec, GpuSpec, LinuxSpec};

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
    /// On a network: that this program made it.
    pub const NETWORK: &str = "quarterdeck.network";
}

/// The one bridge network per instance that tasks in bridge mode share.
pub const NETWORK: &str = "quarterdeck";

/// Which network a container joins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NetworkSpec {
    /// The shared bridge, with links as aliases of this endpoint alone.
    Bridge {
        /// `CONTAINER:ALIAS` with the other container's name on the engine.
        links: Vec<String>,
    },
    /// The host's.
    Host,
    /// None.
    #[default]
    None,
    /// That of the container with this name on the engine.
    Of(String),
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// Secrets to be fetched into `hidden`: the variable, and the secret's name in the config.
    pub secrets: Vec<Secret>,
    /// Environment files to be read into `hidden`.
    pub environment_files: Vec<String>,
    /// Variables with values that only the container is to see, fetched right before it is made.
    pub hidden: Vec<HiddenVariable>,
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
    /// Whether it has the host's full powers.
    pub privileged: bool,
    /// Whether its own file system is read-only.
    pub read_only_root: bool,
    /// Security options, `NAME` or `NAME=VALUE`.
    pub security_options: Vec<String>,
    /// Whether its standard input stays open.
    pub interactive: bool,
    /// Whether it gets a terminal.
    pub terminal: bool,
    /// Kernel settings of its namespaces.
    pub sysctls: BTreeMap<String, String>,
    /// Containers by their names on the engine whose volumes are mounted too: `NAME:ro`, `NAME:rw`.
    pub volumes_from: Vec<String>,
    /// GPUs.
    pub gpus: Option<GpuSpec>,
    /// Process namespace; the engine's default if none.
    pub pid: Option<PidSpec>,
    /// Namespace of shared memory; the engine's default if none.
    pub ipc: Option<IpcSpec>,
    /// Host name, `/etc/hosts`, `/etc/resolv.conf`.
    pub names: NamesSpec,
    /// Linux's own settings.
    pub linux: LinuxSpec,
    /// `linux/ARCHITECTURE` that the image must be made for, if the definition says.
    pub platform: Option<String>,
}

impl ContainerSpec {
    /// All its environment variables, the hidden ones included: for the engine alone.
    #[must_use]
    pub fn variables(&self) -> Vec<String> {
        let hidden = self.hidden.iter();
        let hidden = hidden.map(|v| format!("{}={}", v.name, v.value.expose()));
        self.environment.iter().cloned().chain(hidden).collect()
    }
}

/// The smallest weight that the kernel takes; ECS gives it to containers that name no CPU.
const CPU_SHARES_MIN: u64 = 2;
/// The largest, which ECS gives to containers that name more.
const CPU_SHARES_MAX: u64 = 262_144;
/// ECS's time between stop signal and kill where nothing is said, in seconds.
pub const STOP_TIMEOUT_S: u32 = 30;
/// Bytes in a MiB.
const MIB: u64 = 1024 * 1024;

/// `qd-FAMILY-REVISION-CONTAINER-TASKID`: a container's name on its engine.
#[must_use]
pub fn container_name(task: &Task, container: &ContainerName) -> String {
    let definition = &task.task_definition;
    let (family, revision) = (&definition.family, definition.revision);
    format!("qd-{family}-{revision}-{container}-{}", task.id)
}

/// What the engine of the task's instance is asked to make for one of its containers.
#[must_use]
pub fn container_spec(
    task: &Task,
    definition: &TaskDefinition,
    container: &ContainerDefinition,
    control_plane: &str,
    arn: &Partition,
) -> ContainerSpec {
    let memory_bytes = container.memory.or(definition.memory).map_or(0, bytes);
    ContainerSpec {
        name: container_name(task, &container.name),
        image: container.image.clone(),
        command: container.command.clone(),
        entry_point: container.entry_point.clone(),
        environment: container
            .environment
            .iter()
            .map(|pair| format!("{}={}", pair.name, pair.value))
            .collect(),
        secrets: secrets(container),
        environment_files: grants::environment_files(container, task.overrides.as_deref())
            .iter()
            .map(|file| file.value.clone())
            .collect(),
        hidden: Vec::new(),
        labels: labels(task, container, control_plane, arn),
        cpu_shares: cpu_shares(definition, container),
        memory_bytes,
        memory_reservation_bytes: container.memory_reservation.map_or(0, bytes),
        ports: ports(task, definition, container),
        network: network(task, definition, container),
        health: container.health_check.as_ref().map(health),
        user: container.user.clone(),
        working_directory: container.working_directory.clone(),
        mounts: mounts(task, definition, container),
        ulimits: container.ulimits.clone(),
        log: container
            .log_configuration
            .as_ref()
            .filter(|log| log.log_driver != LogConfiguration::CLOUDWATCH)
            .map(|log| (log.log_driver.clone(), log.options.clone())),
        stop_timeout_s: container.stop_timeout.unwrap_or(STOP_TIMEOUT_S),
        privileged: container.privileged,
        read_only_root: container.readonly_root_filesystem,
        security_options: host::security_options(container),
        interactive: container.interactive,
        terminal: container.pseudo_terminal,
        sysctls: host::sysctls(task, definition, container),
        volumes_from: volumes_from(task, container),
        gpus: linux::gpus(container),
        pid: host::pid(task, definition),
        ipc: host::ipc(task, definition),
        names: host::names(task, definition, container),
        linux: linux::linux(container, memory_bytes),
        platform: host::platform(definition),
    }
}

fn bytes(amount: MemoryMib) -> u64 {
    amount.0.saturating_mul(MIB)
}

/// The containers are named as on the engine, since only they are known to it.
fn volumes_from(task: &Task, container: &ContainerDefinition) -> Vec<String> {
    container
        .volumes_from
        .iter()
        .map(|from| {
            let mode = if from.read_only { "ro" } else { "rw" };
            format!("{}:{mode}", container_name(task, &from.source_container))
        })
        .collect()
}

fn secrets(container: &ContainerDefinition) -> Vec<Secret> {
    let named = container.secrets.iter().map(|secret| Secret {
        name: secret.name.clone(),
        value_from: grants::secret_name(&secret.value_from).to_owned(),
    });
    named.collect()
}

/// The user's labels, and over them those by which the container is known again.
fn labels(
    task: &Task,
    container: &ContainerDefinition,
    control_plane: &str,
    arn: &Partition,
) -> BTreeMap<String, String> {
    let mut labels = container.docker_labels.clone();
    let mut put = |name: &str, value: String| labels.insert(name.to_owned(), value);
    put(label::CLUSTER, task.cluster.to_string());
    put(label::TASK_ARN, arn.task(&task.cluster, &task.id));
    put(label::FAMILY, task.task_definition.family.to_string());
    put(label::REVISION, task.task_definition.revision.to_string());
    put(label::CONTAINER, container.name.to_string());
    put(label::TASK_ID, task.id.to_string());
    put(label::CONTROL_PLANE, control_plane.to_owned());
    put(label::INSTANCE, task.instance.to_string());
    if let Some(service) = &task.service {
        put(label::SERVICE, service.to_string());
    }
    labels
}

/// A container's own CPU units, else an equal part of what the task's other containers leave of
/// the task's.
fn cpu_shares(definition: &TaskDefinition, container: &ContainerDefinition) -> u64 {
    let own = container.cpu.0;
    let units = match definition.cpu {
        Some(task) if own == 0 => {
            let all = &definition.container_definitions;
            let named: u64 = all.iter().map(|c| c.cpu.0).sum();
            let sharing = all.iter().filter(|c| c.cpu.0 == 0).count() as u64;
            task.0.saturating_sub(named) / sharing.max(1)
        }
        _ => own,
    };
    units.clamp(CPU_SHARES_MIN, CPU_SHARES_MAX)
}

fn ports(
    task: &Task,
    definition: &TaskDefinition,
    container: &ContainerDefinition,
) -> Vec<PortSpec> {
    // In the host's network there is nothing to publish: the port is the host's already. In a
    // task's own its holder publishes.
    if network_mode(task, definition) != NetworkMode::Bridge || container.disable_networking {
        return Vec::new();
    }
    let published = |mapping: &PortMapping| {
        let host_port = match mapping.container_port_range {
            // ECS: each port of a range gets a port that the engine finds.
            Some(_) => 0,
            None => mapping.host_port.unwrap_or(0),
        };
        let protocol = mapping.protocol;
        let ports = mapping.container_ports().into_iter().flatten();
        ports.map(move |container_port| PortSpec {
            container_port,
            host_port,
            protocol,
        })
    };
    container.port_mappings.iter().flat_map(published).collect()
}

fn network(
    task: &Task,
    definition: &TaskDefinition,
    container: &ContainerDefinition,
) -> NetworkSpec {
    match network_mode(task, definition) {
        _ if container.disable_networking => NetworkSpec::None,
        NetworkMode::Host => NetworkSpec::Host,
        NetworkMode::None => NetworkSpec::None,
        NetworkMode::Awsvpc => NetworkSpec::Of(holder_name(task)),
        NetworkMode::Bridge => NetworkSpec::Bridge {
            links: container
                .links
                .iter()
                .filter_map(|link| {
                    let (name, alias) = link.split_once(':').unwrap_or((link, link));
                    let name = ContainerName::new(name).ok()?;
                    Some(format!("{}:{alias}", container_name(task, &name)))
                })
                .collect(),
        },
    }
}

/// ECS's defaults: every 30 s, 5 s each, 3 failures, no grace at the start.
pub(super) fn health(check: &HealthCheck) -> HealthSpec {
    HealthSpec {
        test: check.command.clone(),
        interval_s: check.interval.unwrap_or(30),
        timeout_s: check.timeout.unwrap_or(5),
        retries: check.retries.unwrap_or(3),
        start_period_s: check.start_period.unwrap_or(0),
    }
}

fn mounts(
    task: &Task,
    definition: &TaskDefinition,
    container: &ContainerDefinition,
) -> Vec<MountSpec> {
    container
        .mount_points
        .iter()
        .map(|point| {
            let volume = definition
                .volumes
                .iter()
                .find(|volume| volume.name == point.source_volume);
            let source = volume.map(|volume| volume_source(task, volume));
            let bind = matches!(source, Some(VolumeSource::Folder(_)));
            MountSpec {
                source: source.map(|source| match source {
                    VolumeSource::Folder(name)
                    | VolumeSource::OfTask(name)
                    | VolumeSource::Shared(name) => name,
                }),
                bind,
                target: point.container_path.clone(),
                read_only: point.read_only,
            }
        })
        .collect()
}

#[cfg(test)]
mod parameter_tests;
#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
