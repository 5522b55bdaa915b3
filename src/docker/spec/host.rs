//! What a container sees of its host and has to name things by.

use std::collections::BTreeMap;

use crate::docker::holder::holder_name;
use crate::model::parameters::{IpcMode, PidMode};
use crate::model::shared::Shared;
use crate::model::{ContainerDefinition, Task, TaskDefinition};

/// Names: its own, and those it can look up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamesSpec {
    /// Host name.
    pub hostname: Option<String>,
    /// Name servers.
    pub dns_servers: Vec<String>,
    /// Domains in which short names are looked up.
    pub dns_search_domains: Vec<String>,
    /// `NAME:ADDRESS`, lines of `/etc/hosts`.
    pub extra_hosts: Vec<String>,
}

/// Whose processes a container sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PidSpec {
    /// The host's.
    Host,
    /// Those of the container with this name on the engine.
    Container(String),
}

/// Whose shared memory a container uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IpcSpec {
    /// The host's.
    Host,
    /// Its own, shared with nobody, and without `/dev/shm`.
    None,
    /// Its own, which other containers can join.
    Shareable,
    /// That of the container with this name on the engine.
    Container(String),
}

/// In a network of the task's own, names are looked up as its holder does: its files are shared.
pub(super) fn names(
    task: &Task,
    definition: &TaskDefinition,
    container: &ContainerDefinition,
) -> NamesSpec {
    if Shared::of(task, definition).network {
        return NamesSpec::default();
    }
    NamesSpec {
        hostname: container.hostname.clone(),
        dns_servers: container.dns_servers.clone(),
        dns_search_domains: container.dns_search_domains.clone(),
        extra_hosts: container
            .extra_hosts
            .iter()
            .map(|entry| format!("{}:{}", entry.hostname, entry.ip_address))
            .collect(),
    }
}

pub(super) fn pid(task: &Task, definition: &TaskDefinition) -> Option<PidSpec> {
    match definition.pid_mode? {
        PidMode::Host => Some(PidSpec::Host),
        PidMode::Task => Some(PidSpec::Container(holder_name(task))),
    }
}

pub(super) fn ipc(task: &Task, definition: &TaskDefinition) -> Option<IpcSpec> {
    match definition.ipc_mode? {
        IpcMode::Host => Some(IpcSpec::Host),
        // ECS's none is Docker's.
        IpcMode::None => Some(IpcSpec::None),
        IpcMode::Task => Some(IpcSpec::Container(holder_name(task))),
    }
}

/// ECS writes `apparmor:PROFILE` and `label:VALUE`; engines have long taken `=` there, and newer
/// ones take nothing else.
pub(super) fn security_options(container: &ContainerDefinition) -> Vec<String> {
    let option = |text: &String| match text.find([':', '=']) {
        Some(at) => format!("{}={}", &text[..at], &text[at + 1..]),
        None => text.clone(),
    };
    container
        .docker_security_options
        .iter()
        .map(option)
        .collect()
}

/// The kernel settings of a container's own namespaces; those of shared ones are the holder's.
pub(super) fn sysctls(
    task: &Task,
    definition: &TaskDefinition,
    container: &ContainerDefinition,
) -> BTreeMap<String, String> {
    let shared = Shared::of(task, definition);
    let controls = container.system_controls.iter();
    controls
        .filter(|control| !is_shared(shared, &control.namespace))
        .map(|control| (control.namespace.clone(), control.value.clone()))
        .collect()
}

/// The kernel settings of what a task's containers share, the last word counting, as in ECS.
pub(in crate::docker) fn shared_sysctls(
    shared: Shared,
    definition: &TaskDefinition,
) -> BTreeMap<String, String> {
    let containers = definition.container_definitions.iter();
    let controls = containers.flat_map(|container| &container.system_controls);
    controls
        .filter(|control| is_shared(shared, &control.namespace))
        .map(|control| (control.namespace.clone(), control.value.clone()))
        .collect()
}

/// Whether a kernel setting belongs to a namespace that the task's containers share.
fn is_shared(shared: Shared, setting: &str) -> bool {
    let of_network = setting.starts_with("net.");
    let of_ipc = ["kernel.msg", "kernel.sem", "kernel.shm", "fs.mqueue."];
    let of_ipc = of_ipc.iter().any(|start| setting.starts_with(start));
    (shared.network && of_network) || (shared.ipc && of_ipc)
}

/// `linux/amd64`, in the words of image indexes.
pub(super) fn platform(definition: &TaskDefinition) -> Option<String> {
    let said = definition.runtime_platform.as_ref()?;
    match said.cpu_architecture.as_deref()? {
        "X86_64" => Some("linux/amd64".to_owned()),
        "ARM64" => Some("linux/arm64".to_owned()),
        _ => None,
    }
}
