//! What the launch type FARGATE asks of a task definition.

use super::{ContainerDefinition, Fault, Faults, NetworkMode, TaskDefinition};
use crate::model::parameters::{IpcMode, PidMode};

/// The longest stopTimeout of a container on FARGATE, in seconds.
const STOP_TIMEOUT_MAX: u32 = 120;

/// Memory that goes with a task's CPU units, in MiB: those of a list, or of a range in steps.
enum Sizes {
    Of(&'static [u64]),
    Range { least: u64, most: u64, step: u64 },
}

/// Fargate's table of task sizes, by CPU units.
const TABLE: [(u64, Sizes); 7] = [
    (256, Sizes::Of(&[512, 1024, 2048])),
    (512, range(1024, 4096, 1024)),
    (1024, range(2048, 8192, 1024)),
    (2048, range(4096, 16384, 1024)),
    (4096, range(8192, 30720, 1024)),
    (8192, range(16384, 61440, 4096)),
    (16384, range(32768, 122_880, 8192)),
];

const fn range(least: u64, most: u64, step: u64) -> Sizes {
    Sizes::Range { least, most, step }
}

impl Sizes {
    fn has(&self, memory: u64) -> bool {
        match self {
            Self::Of(list) => list.contains(&memory),
            Self::Range { least, most, step } => {
                (*least..=*most).contains(&memory) && (memory - least).is_multiple_of(*step)
            }
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Of(list) => {
                let list: Vec<String> = list.iter().map(ToString::to_string).collect();
                list.join(", ")
            }
            Self::Range { least, most, step } => format!("{least} to {most} in steps of {step}"),
        }
    }
}

/// Why tasks of this definition cannot have the launch type FARGATE; empty if they can.
#[must_use]
pub fn fargate(definition: &TaskDefinition) -> Vec<Fault> {
    let mut faults = Faults::default();
    size(definition, &mut faults);
    if definition.network_mode != NetworkMode::Awsvpc {
        faults.add(
            "networkMode",
            "on FARGATE it must be awsvpc: a task has a network namespace of its own",
        );
    }
    if !definition.placement_constraints.is_empty() {
        faults.add(
            "placementConstraints",
            "on FARGATE there are no instances to choose among; leave them out",
        );
    }
    if definition.pid_mode == Some(PidMode::Host) {
        faults.add(
            "pidMode",
            "host is not allowed on FARGATE; use task or leave it out",
        );
    }
    if matches!(definition.ipc_mode, Some(IpcMode::Host | IpcMode::Task)) {
        faults.add("ipcMode", "it is not allowed on FARGATE; leave it out");
    }
    for (index, volume) in definition.volumes.iter().enumerate() {
        let here = |member: &str| format!("volumes[{index}].{member}");
        if volume
            .host
            .as_ref()
            .is_some_and(|host| host.source_path.is_some())
        {
            faults.add(
                here("host.sourcePath"),
                "on FARGATE there is no host to share a folder with; leave it out",
            );
        }
        if volume.docker_volume_configuration.is_some() {
            faults.add(
                here("dockerVolumeConfiguration"),
                "it is not allowed on FARGATE; name the volume only",
            );
        }
    }
    for (index, container) in definition.container_definitions.iter().enumerate() {
        let at = |member: &str| format!("containerDefinitions[{index}].{member}");
        of_container(container, &at, &mut faults);
    }
    faults.0
}

fn size(definition: &TaskDefinition, faults: &mut Faults) {
    let (cpu, memory) = (definition.cpu, definition.memory);
    if cpu.is_none() {
        faults.add(
            "cpu",
            "on FARGATE the task's own cpu is required: 256, 512, 1024, 2048, 4096, 8192 or 16384",
        );
    }
    if memory.is_none() {
        faults.add("memory", "on FARGATE the task's own memory is required");
    }
    let Some(cpu) = cpu else { return };
    let Some((_, sizes)) = TABLE.iter().find(|(units, _)| *units == cpu.0) else {
        let units: Vec<String> = TABLE.iter().map(|(units, _)| units.to_string()).collect();
        faults.add(
            "cpu",
            format!(
                "FARGATE has no tasks of {cpu} CPU units; choose one of {}",
                units.join(", ")
            ),
        );
        return;
    };
    if let Some(memory) = memory.filter(|memory| !sizes.has(memory.0)) {
        let message = format!(
            "FARGATE has no tasks of {cpu} CPU units with {memory} MiB; {cpu} go with {} MiB",
            sizes.words()
        );
        faults.add("memory", message);
    }
}

fn of_container(container: &ContainerDefinition, at: &dyn Fn(&str) -> String, faults: &mut Faults) {
    let linux = container.linux_parameters.as_ref();
    let linux =
        |test: &dyn Fn(&crate::model::parameters::LinuxParameters) -> bool| linux.is_some_and(test);
    for (member, used) in [
        ("privileged", container.privileged),
        ("links", !container.links.is_empty()),
        ("dnsServers", !container.dns_servers.is_empty()),
        ("dnsSearchDomains", !container.dns_search_domains.is_empty()),
        ("extraHosts", !container.extra_hosts.is_empty()),
        ("hostname", container.hostname.is_some()),
        (
            "dockerSecurityOptions",
            !container.docker_security_options.is_empty(),
        ),
        ("disableNetworking", container.disable_networking),
        (
            "resourceRequirements",
            !container.resource_requirements.is_empty(),
        ),
        (
            "linuxParameters.devices",
            linux(&|it| !it.devices.is_empty()),
        ),
        (
            "linuxParameters.sharedMemorySize",
            linux(&|it| it.shared_memory_size.is_some()),
        ),
        (
            "linuxParameters.maxSwap",
            linux(&|it| it.max_swap.is_some()),
        ),
        (
            "linuxParameters.swappiness",
            linux(&|it| it.swappiness.is_some()),
        ),
    ] {
        if used {
            faults.add(at(member), "it is not allowed on FARGATE; leave it out");
        }
    }
    let added = |it: &crate::model::parameters::LinuxParameters| {
        let capabilities = it.capabilities.as_ref();
        capabilities.is_some_and(|c| c.add.iter().any(|name| name != "SYS_PTRACE"))
    };
    if linux(&added) {
        faults.add(
            at("linuxParameters.capabilities.add"),
            "on FARGATE only SYS_PTRACE can be added",
        );
    }
    if let Some(seconds) = container
        .stop_timeout
        .filter(|seconds| *seconds > STOP_TIMEOUT_MAX)
    {
        faults.add(
            at("stopTimeout"),
            format!("{seconds} s is too long; {STOP_TIMEOUT_MAX} s is the most on FARGATE"),
        );
    }
    for (index, mapping) in container.port_mappings.iter().enumerate() {
        let host = mapping.host_port.unwrap_or(0);
        if host != 0 && host != mapping.container_port {
            let here = at(&format!("portMappings[{index}].hostPort"));
            faults.add(here, "on FARGATE it is the container's port; leave it out");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CpuUnits, MemoryMib};
    use crate::scheduler::fixture;

    fn definition(cpu: u64, memory: u64) -> TaskDefinition {
        let mut definition = fixture::definition("web", 1, 64, 64, &[]);
        definition.network_mode = NetworkMode::Awsvpc;
        definition.cpu = Some(CpuUnits(cpu));
        definition.memory = Some(MemoryMib(memory));
        definition
    }

    fn said(definition: &TaskDefinition) -> Vec<String> {
        fargate(definition)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn sizes_are_those_of_fargates_table() {
        for (cpu, memory) in [
            (256, 512),
            (256, 1024),
            (256, 2048),
            (512, 1024),
            (512, 3072),
            (512, 4096),
            (1024, 2048),
            (1024, 8192),
            (2048, 4096),
            (2048, 16384),
            (4096, 8192),
            (4096, 30720),
            (8192, 16384),
            (8192, 20480),
            (8192, 61440),
            (16384, 32768),
            (16384, 122_880),
        ] {
            assert_eq!(said(&definition(cpu, memory)), [""; 0], "{cpu} {memory}");
        }
        for (cpu, memory) in [
            (256, 1536),
            (256, 4096),
            (512, 512),
            (512, 1536),
            (1024, 1024),
            (1024, 9216),
            (4096, 31744),
            (8192, 17408),
            (16384, 36864),
            (300, 512),
            (32768, 122_880),
        ] {
            assert_eq!(said(&definition(cpu, memory)).len(), 1, "{cpu} {memory}");
        }
        assert_eq!(
            said(&definition(8192, 17408)),
            [
                "memory: FARGATE has no tasks of 8192 CPU units with 17408 MiB; 8192 go with 16384 to 61440 in steps of 4096 MiB"
            ]
        );
    }

    #[test]
    fn what_needs_the_host_is_refused_by_name() {
        let mut definition = fixture::definition("web", 1, 64, 64, &[8080]);
        let container = &mut definition.container_definitions[0];
        container.privileged = true;
        container.links = vec!["db".to_owned()];
        container.stop_timeout = Some(121);
        container.port_mappings[0].host_port = Some(80);
        definition.pid_mode = Some(PidMode::Host);
        let said = said(&definition);
        let places: Vec<&str> = said
            .iter()
            .filter_map(|line| line.split(':').next())
            .collect();
        assert_eq!(
            places,
            [
                "cpu",
                "memory",
                "networkMode",
                "pidMode",
                "containerDefinitions[0].privileged",
                "containerDefinitions[0].links",
                "containerDefinitions[0].stopTimeout",
                "containerDefinitions[0].portMappings[0].hostPort",
            ]
        );
    }
}
