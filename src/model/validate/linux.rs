//! `linuxParameters`, kernel settings, security options and whole resources.

use std::collections::BTreeSet;

use super::{ContainerDefinition, Faults, not_absolute};
use crate::model::members::nearest;
use crate::model::parameters::{Device, IpcMode, Tmpfs};
use crate::model::task_definition::NetworkMode;
use crate::model::{MemoryMib, TaskDefinition};

/// ECS's KernelCapabilities, and those that kernels have learnt since.
const CAPABILITIES: [&str; 41] = [
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
];
const WAKE_ALARM: &str = "WAKE_ALARM";

/// ECS's DeviceCgroupPermission.
const PERMISSIONS: [&str; 3] = ["read", "write", "mknod"];

/// ECS's mountOptions of Tmpfs. Those with a value have it after `=`.
const TMPFS_FLAGS: &str = "defaults ro rw suid nosuid dev nodev exec noexec sync async dirsync \
    remount mand nomand atime noatime diratime nodiratime bind rbind unbindable runbindable \
    private rprivate shared rshared slave rslave relatime norelatime strictatime nostrictatime";
const TMPFS_VALUES: [&str; 6] = ["mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"];

/// ECS's SystemControl: the settings that a namespace of shared memory has of its own.
const IPC_SETTINGS: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

pub(super) fn linux(
    definition: &TaskDefinition,
    container: &ContainerDefinition,
    at: &dyn Fn(&str) -> String,
    faults: &mut Faults,
) {
    system_controls(definition, container, at, faults);
    security_options(container, at, faults);
    resource_requirements(container, at, faults);
    let Some(linux) = &container.linux_parameters else {
        return;
    };
    let here = |member: &str| at(&format!("linuxParameters.{member}"));
    let capabilities = linux.capabilities.clone().unwrap_or_default();
    for (list, names) in [("add", &capabilities.add), ("drop", &capabilities.drop)] {
        for (index, name) in names.iter().enumerate() {
            let place = here(&format!("capabilities.{list}[{index}]"));
            capability(name, place, faults);
        }
    }
    devices(&linux.devices, &here, faults);
    tmpfs(&linux.tmpfs, container, &here, faults);
    if linux.shared_memory_size == Some(0) {
        let message = "0 MiB is no size; leave it out for the engine's 64 MiB";
        faults.add(here("sharedMemorySize"), message);
    }
    // ECS: whole numbers from 0 to 100.
    if let Some(eager) = linux.swappiness.filter(|eager| *eager > 100) {
        let message = format!("{eager} is out of range; 0 to 100 is allowed");
        faults.add(here("swappiness"), message);
    }
    // Docker: memory-swap is memory and swap together, so it needs a limit of memory.
    let limited: Option<MemoryMib> = container.memory.or(definition.memory);
    if linux.max_swap.is_some() && limited.is_none() {
        faults.add(
            here("maxSwap"),
            "swap comes on top of a limit of memory; give the container memory",
        );
    }
}

fn capability(name: &str, place: String, faults: &mut Faults) {
    if CAPABILITIES.contains(&name) || name == WAKE_ALARM {
        return;
    }
    let plain = name.to_uppercase();
    let plain = plain.strip_prefix("CAP_").unwrap_or(&plain);
    let near = nearest(plain, CAPABILITIES).map_or_else(
        || "; they are written as in NET_ADMIN".to_owned(),
        |near| format!("; did you mean {near}?"),
    );
    faults.add(place, format!("\"{name}\" is not a capability{near}"));
}

fn devices(devices: &[Device], here: &dyn Fn(&str) -> String, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for (index, device) in devices.iter().enumerate() {
        let here = |member: &str| here(&format!("devices[{index}].{member}"));
        if !device.host_path.starts_with('/') {
            faults.add(here("hostPath"), not_absolute(&device.host_path));
        }
        let inside = device.container_path.as_ref().unwrap_or(&device.host_path);
        if device.container_path.is_some() && !inside.starts_with('/') {
            faults.add(here("containerPath"), not_absolute(inside));
        } else if !seen.insert(inside) {
            let message = format!("{inside} is another device of this container already");
            faults.add(here("containerPath"), message);
        }
        for word in &device.permissions {
            if !PERMISSIONS.contains(&word.as_str()) {
                faults.add(
                    here("permissions"),
                    format!("\"{word}\" is not a permission; expected read, write or mknod"),
                );
            }
        }
    }
}

fn tmpfs(
    folders: &[Tmpfs],
    container: &ContainerDefinition,
    here: &dyn Fn(&str) -> String,
    faults: &mut Faults,
) {
    // Docker: one mount for a path.
    let mounts = container.mount_points.iter().map(|m| &m.container_path);
    let mut seen: BTreeSet<&String> = mounts.collect();
    for (index, folder) in folders.iter().enumerate() {
        let here = |member: &str| here(&format!("tmpfs[{index}].{member}"));
        let path = &folder.container_path;
        if !path.starts_with('/') {
            faults.add(here("containerPath"), not_absolute(path));
        } else if !seen.insert(path) {
            let message = format!("{path} is mounted twice in this container");
            faults.add(here("containerPath"), message);
        }
        if folder.size == 0 {
            faults.add(here("size"), "a folder in memory has 1 MiB or more");
        }
        for option in &folder.mount_options {
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (option.as_str(), None),
            };
            let right = match value {
                Some(value) => TMPFS_VALUES.contains(&name) && !value.is_empty(),
                None => TMPFS_FLAGS.split_whitespace().any(|flag| flag == name),
            };
            if !right {
                let message = format!(
                    "\"{option}\" is not an option of tmpfs; expected such as noexec or mode=1777"
                );
                faults.add(here("mountOptions"), message);
            }
        }
    }
}

fn system_controls(
    definition: &TaskDefinition,
    container: &ContainerDefinition,
    at: &dyn Fn(&str) -> String,
    faults: &mut Faults,
) {
    let mut seen = BTreeSet::new();
    for (index, control) in container.system_controls.iter().enumerate() {
        let place = at(&format!("systemControls[{index}].namespace"));
        let name = control.namespace.as_str();
        let of_network = name.starts_with("net.");
        let of_ipc = IPC_SETTINGS.contains(&name) || name.starts_with("fs.mqueue.");
        if !of_network && !of_ipc {
            faults.add(
                &place,
                format!(
                    "\"{name}\" is the whole host's; a container can have its own net.*, \
                     fs.mqueue.* and {}",
                    IPC_SETTINGS.join(", ")
                ),
            );
        }
        // Docker and ECS: a setting cannot be its own in a namespace that is the host's.
        if of_network && definition.network_mode == NetworkMode::Host {
            faults.add(
                &place,
                format!("{name} would be the host's own in networkMode host; set it on the host"),
            );
        }
        if of_ipc && definition.ipc_mode == Some(IpcMode::Host) {
            faults.add(
                &place,
                format!("{name} would be the host's own with ipcMode host; set it on the host"),
            );
        }
        if !seen.insert(name) {
            faults.add(&place, format!("{name} is given twice"));
        }
        if control.value.is_empty() {
            let place = at(&format!("systemControls[{index}].value"));
            faults.add(place, format!("{name} needs a value"));
        }
    }
}

/// ECS: `no-new-privileges`, `apparmor:PROFILE`, `label:VALUE`. Docker takes `seccomp` too, as
/// `unconfined` or the profile itself.
fn security_options(
    container: &ContainerDefinition,
    at: &dyn Fn(&str) -> String,
    faults: &mut Faults,
) {
    for (index, option) in container.docker_security_options.iter().enumerate() {
        let place = at(&format!("dockerSecurityOptions[{index}]"));
        let (name, value) = match option.find([':', '=']) {
            Some(at) => (&option[..at], Some(&option[at + 1..])),
            None => (option.as_str(), None),
        };
        match (name, value) {
            ("no-new-privileges", None | Some("true" | "false")) => {}
            ("apparmor" | "label", Some(value)) if !value.is_empty() => {}
            ("seccomp", Some(value))
                if matches!(value, "unconfined" | "builtin") || value.starts_with('{') => {}
            ("seccomp", Some(path)) => faults.add(
                place,
                format!(
                    "an engine does not read the file \"{path}\"; give the profile's JSON itself, \
                     or unconfined"
                ),
            ),
            ("credentialspec", _) => faults.add(
                place,
                "credential specs are for Active Directory on AWS's agents, which a plain engine \
                 has not; mount a keytab of your own instead",
            ),
            _ => faults.add(
                place,
                format!(
                    "\"{option}\" is not a security option; expected no-new-privileges, \
                     apparmor:PROFILE, label:VALUE or seccomp:unconfined"
                ),
            ),
        }
    }
}

fn resource_requirements(
    container: &ContainerDefinition,
    at: &dyn Fn(&str) -> String,
    faults: &mut Faults,
) {
    let mut seen = BTreeSet::new();
    for (index, required) in container.resource_requirements.iter().enumerate() {
        let here = |member: &str| at(&format!("resourceRequirements[{index}].{member}"));
        let kind = required.kind.as_str();
        if matches!(kind, "InferenceAccelerator" | "NeuronDevice") {
            faults.add(
                here("type"),
                format!("{kind} is AWS's own hardware; use GPU, or a resource that instances name"),
            );
            continue;
        }
        if kind.trim().is_empty() {
            faults.add(here("type"), "a resource needs a name, such as GPU");
        } else if !seen.insert(kind) {
            faults.add(here("type"), format!("{kind} is required twice"));
        }
        if !required.value.parse::<u32>().is_ok_and(|count| count > 0) {
            faults.add(
                here("value"),
                format!(
                    "\"{}\" is not a whole number above 0; say how many of {kind}",
                    required.value
                ),
            );
        }
    }
}
