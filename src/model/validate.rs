//! Whether a task definition or a service makes sense. Every fault at once, each with its path.

use std::collections::BTreeSet;

use super::capacity::LaunchType;
use super::id::ContainerName;
use super::resources::{CpuUnits, MemoryMib};
use super::service::{
    DeploymentConfiguration, PlacementConstraint, PlacementConstraintKind, PlacementStrategy,
    PlacementStrategyKind,
};
use super::task_definition::{
    ContainerDefinition, DependencyCondition, NetworkMode, TaskDefinition, Volume, VolumeScope,
};

mod capacity;
mod elsewhere;
mod fargate;
mod graph;
mod lifecycle;
mod linux;
mod network;
mod secrets;
mod service;
mod zones;

pub use capacity::capacity_provider_strategy;
pub use elsewhere::{Elsewhere, asks_for_something, elsewhere};
pub use fargate::fargate;
pub use network::PORTS_MAX;
pub use service::{
    DESIRED_COUNT_MAX, bounds, daemon_ground, desired_count, health_grace, placement, scheduling,
};
pub use zones::{cannot_rebalance, no_rebalancing, rebalancing_words, zone_rebalancing};

/// ECS's limit for containers in a task.
pub const CONTAINERS_MAX: usize = 10;
/// Docker's least memory for a container, in MiB.
pub const MEMORY_MIN: MemoryMib = MemoryMib(6);

/// ECS's bounds for the cpu of a whole task.
pub const TASK_CPU_MIN: CpuUnits = CpuUnits(128);
/// See [`TASK_CPU_MIN`].
pub const TASK_CPU_MAX: CpuUnits = CpuUnits(196_608);
/// ECS's limit for an image reference without its digest, in characters.
const IMAGE_MAX: usize = 255;
/// Ours, in seconds: ECS names none on instances, and an agent waits no longer for a stop.
pub const STOP_TIMEOUT_MAX_S: u32 = 24 * 3600;

/// One thing wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct Fault {
    /// Where: `containerDefinitions[0].memory`; empty for the whole.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// Faults as they are found.
#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Fault {
            path: path.into(),
            message: message.into(),
        });
    }
}

const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Everything that is wrong with a task definition; empty if it can be registered.
#[must_use]
pub fn task_definition(definition: &TaskDefinition) -> Vec<Fault> {
    let mut faults = Faults::default();
    containers(definition, &mut faults);
    secrets::role(definition, &mut faults);
    totals(definition, &mut faults);
    for (index, container) in definition.container_definitions.iter().enumerate() {
        let at = |member: &str| format!("containerDefinitions[{index}].{member}");
        basics(container, &at, &mut faults);
        secrets::container(container, &at, &mut faults);
        memory(definition, container, &at, &mut faults);
        network::ports(definition.network_mode, container, &at, &mut faults);
        network::names(definition.network_mode, container, &at, &mut faults);
        network::volumes_from(definition, container, &at, &mut faults);
        linux::linux(definition, container, &at, &mut faults);
        links(definition, container, &at, &mut faults);
        depends_on(definition, container, &at, &mut faults);
        health_check(container, &at, &mut faults);
        lifecycle::lifecycle(container, &at, &mut faults);
        mounts(definition, container, &at, &mut faults);
        ulimits(container, &at, &mut faults);
    }
    network::host_ports(definition, &mut faults);
    platform(definition, &mut faults);
    elsewhere::only_aws(definition, &mut faults);
    graph::cycles(definition, &mut faults);
    volumes(&definition.volumes, &mut faults);
    if definition.placement_constraints.len() > service::CONSTRAINTS_MAX {
        let most = service::CONSTRAINTS_MAX;
        faults.add(
            "placementConstraints",
            format!("at most {most} are allowed"),
        );
    }
    for (index, constraint) in definition.placement_constraints.iter().enumerate() {
        let at = format!("placementConstraints[{index}]");
        if constraint.kind == PlacementConstraintKind::DistinctInstance {
            faults.add(
                format!("{at}.type"),
                "a task definition takes memberOf only; give distinctInstance to the service",
            );
        } else {
            service::constraint(constraint, &at, &mut faults);
        }
    }
    if definition
        .requires_compatibilities
        .contains(&LaunchType::Fargate)
    {
        faults.0.extend(fargate(definition));
    }
    faults.0
}

/// ECS's CPUArchitecture and OSFamily, as far as Linux engines have them.
fn platform(definition: &TaskDefinition, faults: &mut Faults) {
    let Some(platform) = &definition.runtime_platform else {
        return;
    };
    if let Some(word) = &platform.cpu_architecture
        && !matches!(word.as_str(), "X86_64" | "ARM64")
    {
        faults.add(
            "runtimePlatform.cpuArchitecture",
            format!("\"{word}\" is not an architecture; expected X86_64 or ARM64"),
        );
    }
    if let Some(word) = &platform.operating_system_family
        && word != "LINUX"
    {
        faults.add(
            "runtimePlatform.operatingSystemFamily",
            format!("\"{word}\" is not supported; only LINUX containers are run"),
        );
    }
}

fn containers(definition: &TaskDefinition, faults: &mut Faults) {
    let all = &definition.container_definitions;
    let at = "containerDefinitions";
    if all.is_empty() || all.len() > CONTAINERS_MAX {
        let count = all.len();
        faults.add(
            at,
            format!("a task has 1 to {CONTAINERS_MAX} containers, not {count}"),
        );
    }
    if !all.is_empty() && !all.iter().any(|c| c.essential) {
        faults.add(at, "at least one container must be essential");
    }
    let mut seen = BTreeSet::new();
    for (index, container) in all.iter().enumerate() {
        if !seen.insert(&container.name) {
            faults.add(
                format!("{at}[{index}].name"),
                format!(
                    "there is another container {}; names are unique in a task",
                    container.name
                ),
            );
        }
    }
}

fn totals(definition: &TaskDefinition, faults: &mut Faults) {
    let all = &definition.container_definitions;
    if let Some(limit) = definition.cpu {
        let sum = all.iter().map(|c| c.cpu).sum();
        if limit < sum {
            faults.add(
                "cpu",
                format!("its containers ask for {sum} CPU units, more than the task's {limit}"),
            );
        }
        // ECS: 0.125 to 192 vCPUs.
        if !(TASK_CPU_MIN..=TASK_CPU_MAX).contains(&limit) {
            faults.add(
                "cpu",
                format!(
                    "a task's cpu is {TASK_CPU_MIN} to {TASK_CPU_MAX} CPU units, not {limit}; \
                     leave it out if the containers say"
                ),
            );
        }
    }
    let Some(limit) = definition.memory else {
        return;
    };
    if limit < MEMORY_MIN {
        faults.add("memory", least_memory(limit));
    }
    let sum: MemoryMib = all.iter().map(ContainerDefinition::scheduling_memory).sum();
    if limit < sum {
        faults.add(
            "memory",
            format!("its containers ask for {sum} MiB, more than the task's {limit} MiB"),
        );
    }
}

fn least_memory(found: MemoryMib) -> String {
    format!("{found} MiB is below the {MEMORY_MIN} MiB that Docker needs for a container")
}

fn basics(container: &ContainerDefinition, at: &dyn Fn(&str) -> String, faults: &mut Faults) {
    if container.image.trim().is_empty() {
        faults.add(at("image"), "an image must be named, such as nginx:1.27");
    } else if container.image.chars().any(char::is_whitespace) {
        faults.add(
            at("image"),
            format!(
                "\"{}\" has a space; an image reference has none",
                container.image
            ),
        );
    }
    image_reference(container, at, faults);
    if let Some(wait) = container
        .stop_timeout
        .filter(|wait| *wait > STOP_TIMEOUT_MAX_S)
    {
        faults.add(
            at("stopTimeout"),
            format!("{wait} s is longer than a day; {STOP_TIMEOUT_MAX_S} at most is allowed"),
        );
    }
    if let Some(folder) = &container.working_directory
        && !folder.starts_with('/')
    {
        faults.add(at("workingDirectory"), not_absolute(folder));
    }
    for (index, pair) in container.environment.iter().enumerate() {
        if pair.name.is_empty() || pair.name.contains('=') || pair.name.contains('\0') {
            faults.add(
                at(&format!("environment[{index}].name")),
                format!("\"{}\" cannot name a variable", pair.name),
            );
        }
    }
    for name in container.docker_labels.keys() {
        if name.starts_with("com.amazonaws.ecs.") || name.starts_with("quarterdeck.") {
            faults.add(
                at("dockerLabels"),
                format!("the label {name} is set by Quarterdeck itself; choose another name"),
            );
        }
    }
    match container.log_configuration.as_ref() {
        Some(log) if log.log_driver == "awsfirelens" => faults.add(
            at("logConfiguration.logDriver"),
            "awsfirelens is not a log driver of a Docker Engine; use fluentd with the address of \
             your log router",
        ),
        Some(log) if log.log_driver.trim().is_empty() => faults.add(
            at("logConfiguration.logDriver"),
            "name a log driver, such as json-file, local or journald",
        ),
        _ => {}
    }
}

/// ECS: 255 characters before the digest, which is sha256 in 64 hexadecimal digits.
fn image_reference(
    container: &ContainerDefinition,
    at: &dyn Fn(&str) -> String,
    faults: &mut Faults,
) {
    let (name, digest) = match container.image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (container.image.as_str(), None),
    };
    if name.chars().count() > IMAGE_MAX {
        let message = format!("an image reference has {IMAGE_MAX} characters at most");
        faults.add(at("image"), message);
    }
    let hex = |digest: &str| digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit());
    if let Some(digest) = digest.filter(|d| !d.strip_prefix("sha256:").is_some_and(hex)) {
        faults.add(
            at("image"),
            format!("\"{digest}\" is not a digest; expected sha256: and 64 hexadecimal digits"),
        );
    }
}

fn not_absolute(path: &str) -> String {
    format!("\"{path}\" is not an absolute path; it must begin with /")
}

fn memory(
    definition: &TaskDefinition,
    container: &ContainerDefinition,
    at: &dyn Fn(&str) -> String,
    faults: &mut Faults,
) {
    let (hard, soft) = (container.memory, container.memory_reservation);
    if hard.is_none() && soft.is_none() && definition.memory.is_none() {
        faults.add(
            at("memory"),
            format!(
                "container {} needs memory or memoryReservation, or the task needs memory",
                container.name
            ),
        );
    }
    for (member, amount) in [("memory", hard), ("memoryReservation", soft)] {
        if let Some(amount) = amount.filter(|amount| *amount < MEMORY_MIN) {
            faults.add(at(member), least_memory(amount));
        }
    }
    if let (Some(hard), Some(soft)) = (hard, soft)
        && soft > hard
    {
        faults.add(
            at("memoryReservation"),
            format!("{soft} MiB is above the container's memory of {hard} MiB"),
        );
    }
    if let (Some(hard), Some(task), Some(_)) = (hard, definition.memory, soft)
        && hard > task
    {
        faults.add(
            at("memory"),
            format!("{hard} MiB is above the task's memory of {task} MiB"),
        );
    }
}

fn links(
    definition: &TaskDefinition,
    container: &ContainerDefinition,
    at: &dyn Fn(&str) -> String,
    faults: &mut Faults,
) {
    if !container.links.is_empty() && definition.network_mode != NetworkMode::Bridge {
        faults.add(at("links"), "links work in networkMode bridge only");
    }
    for (index, link) in container.links.iter().enumerate() {
        let here = at(&format!("links[{index}]"));
        let (target, alias) = link.split_once(':').unwrap_or((link, link));
        if alias.is_empty() {
            faults.add(&here, format!("\"{link}\" has no alias after the colon"));
        }
        if target == container.name.as_str() {
            faults.add(&here, format!("container {target} links to itself"));
        } else if graph::named(definition, target).is_none() {
            faults.add(&here, no_container(definition, target));
        }
    }
}

fn no_container(definition: &TaskDefinition, name: &str) -> String {
    let names: Vec<_> = definition
        .container_definitions
        .iter()
        .map(|c| c.name.as_str())
        .collect();
    match super::members::nearest(name, names.iter().copied()) {
        Some(near) => format!("there is no container {name} in this task; did you mean {near}?"),
        None => format!(
            "there is no container {name} in this task; it has {}",
            names.join(", ")
        ),
    }
}

fn depends_on(
    definition: &TaskDefinition,
    container: &ContainerDefinition,
    at: &dyn Fn(&str) -> String,
    faults: &mut Faults,
) {
    let mut seen: BTreeSet<&ContainerName> = BTreeSet::new();
    for (index, dependency) in container.depends_on.iter().enumerate() {
        let here = |member: &str| at(&format!("dependsOn[{index}].{member}"));
        let name = &dependency.container_name;
        if !seen.insert(name) {
            faults.add(
                here("containerName"),
                format!("{name} is named twice; say one condition"),
            );
        }
        if *name == container.name {
            faults.add(
                here("containerName"),
                format!("container {name} depends on itself"),
            );
            continue;
        }
        let Some(target) = definition.container(name) else {
            faults.add(
                here("containerName"),
                no_container(definition, name.as_str()),
            );
            continue;
        };
        match dependency.condition {
            DependencyCondition::Start => {}
            DependencyCondition::Healthy if !target.checks_health() => faults.add(
                here("condition"),
                format!("container {name} has no healthCheck, so it never becomes HEALTHY"),
            ),
            DependencyCondition::Healthy => {}
            DependencyCondition::Complete | DependencyCondition::Success if target.essential => {
                faults.add(
                    here("condition"),
                    format!(
                        "container {name} is essential, so its end stops the task; set its \
                         essential to false to wait for its end"
                    ),
                );
            }
            DependencyCondition::Complete | DependencyCondition::Success => {}
        }
    }
}

fn health_check(container: &ContainerDefinition, at: &dyn Fn(&str) -> String, faults: &mut Faults) {
    let Some(check) = &container.health_check else {
        return;
    };
    let here = |member: &str| at(&format!("healthCheck.{member}"));
    let command: Vec<&str> = check.command.iter().map(String::as_str).collect();
    match command.as_slice() {
        // Docker's NONE: not even the image's own check.
        ["NONE"] | ["CMD", _, ..] | ["CMD-SHELL", _] => {}
        ["CMD-SHELL", ..] => faults.add(
            here("command"),
            "after CMD-SHELL comes the shell's command line as one text",
        ),
        _ => faults.add(
            here("command"),
            "must be [\"CMD\", PROGRAM, ARGUMENT…] or [\"CMD-SHELL\", \"COMMAND LINE\"]",
        ),
    }
    for (member, value, least, most) in [
        ("interval", check.interval, 5, 300),
        ("timeout", check.timeout, 2, 60),
        ("retries", check.retries, 1, 10),
        ("startPeriod", check.start_period, 0, 300),
    ] {
        if let Some(value) = value.filter(|value| !(least..=most).contains(value)) {
            faults.add(
                here(member),
                format!("{value} is out of range; {least} to {most} is allowed"),
            );
        }
    }
}

fn mounts(
    definition: &TaskDefinition,
    container: &ContainerDefinition,
    at: &dyn Fn(&str) -> String,
    faults: &mut Faults,
) {
    let mut seen = BTreeSet::new();
    for (index, mount) in container.mount_points.iter().enumerate() {
        let here = |member: &str| at(&format!("mountPoints[{index}].{member}"));
        if !definition
            .volumes
            .iter()
            .any(|v| v.name == mount.source_volume)
        {
            faults.add(
                here("sourceVolume"),
                format!(
                    "the task has no volume \"{}\"; name it in volumes",
                    mount.source_volume
                ),
            );
        }
        let path = &mount.container_path;
        if !path.starts_with('/') {
            faults.add(here("containerPath"), not_absolute(path));
        } else if path.trim_matches('/').is_empty() {
            // Docker refuses it.
            let message = "nothing can be mounted over a container's whole file system";
            faults.add(here("containerPath"), message);
        } else if !seen.insert(path) {
            faults.add(
                here("containerPath"),
                format!("{path} is mounted twice in this container"),
            );
        }
    }
}

fn ulimits(container: &ContainerDefinition, at: &dyn Fn(&str) -> String, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for (index, limit) in container.ulimits.iter().enumerate() {
        let here = |member: &str| at(&format!("ulimits[{index}].{member}"));
        let name = limit.name.as_str();
        if !ULIMITS.contains(&name) {
            let near = super::members::nearest(name, ULIMITS)
                .map_or_else(|| ULIMITS.join(", "), str::to_owned);
            faults.add(
                here("name"),
                format!("\"{name}\" is not a limit; expected {near}"),
            );
        } else if !seen.insert(name) {
            faults.add(here("name"), format!("{name} is given twice"));
        }
        for (member, value) in [
            ("softLimit", limit.soft_limit),
            ("hardLimit", limit.hard_limit),
        ] {
            if value < -1 {
                let message = format!("{value} is no limit; 0 or more, or -1 for none, is allowed");
                faults.add(here(member), message);
            }
        }
        // -1 stands for no limit.
        let unlimited = |value: i64| if value == -1 { i64::MAX } else { value };
        if unlimited(limit.soft_limit) > unlimited(limit.hard_limit) {
            faults.add(
                here("softLimit"),
                format!(
                    "{} is above the hard limit of {}",
                    limit.soft_limit, limit.hard_limit
                ),
            );
        }
    }
}

fn volumes(volumes: &[Volume], faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for (index, volume) in volumes.iter().enumerate() {
        let here = |member: &str| format!("volumes[{index}].{member}");
        let name = &volume.name;
        let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 255 || !name.chars().all(letters) {
            faults.add(
                here("name"),
                format!("\"{name}\" cannot name a volume: 1 to 255 letters, digits, '-', '_', '.'"),
            );
        } else if !seen.insert(name) {
            faults.add(here("name"), format!("there is another volume {name}"));
        }
        let folder = volume.host.as_ref().and_then(|h| h.source_path.as_ref());
        if let Some(folder) = folder.filter(|folder| !folder.starts_with('/')) {
            faults.add(here("host.sourcePath"), not_absolute(folder));
        }
        let Some(docker) = &volume.docker_volume_configuration else {
            continue;
        };
        if volume.host.is_some() {
            faults.add(
                here("host"),
                "a volume is a folder of the host or a Docker volume, not both",
            );
        }
        if docker.scope == VolumeScope::Task && docker.autoprovision.is_some() {
            faults.add(
                here("dockerVolumeConfiguration.autoprovision"),
                "autoprovision is for the scope shared; a task's own volume is always made",
            );
        }
    }
}

#[cfg(test)]
mod parameter_tests;
#[cfg(test)]
mod tests;
