//! `linuxParameters` and GPUs.

use std::collections::BTreeMap;

use super::MIB;
use crate::model::ContainerDefinition;
use crate::model::parameters::{Device, Tmpfs};

/// Linux's own settings. What is not set is left to the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinuxSpec {
    /// Kernel capabilities added to the engine's default.
    pub capabilities_add: Vec<String>,
    /// Kernel capabilities taken from it.
    pub capabilities_drop: Vec<String>,
    /// Devices of the host.
    pub devices: Vec<DeviceSpec>,
    /// Whether an init process is process 1.
    pub init: Option<bool>,
    /// Size of `/dev/shm`.
    pub shared_memory_bytes: Option<u64>,
    /// Folders in memory: path to mount options.
    pub tmpfs: BTreeMap<String, String>,
    /// Memory and swap together, as the engine counts.
    pub memory_and_swap_bytes: Option<u64>,
    /// How eagerly it swaps, 0 to 100.
    pub swappiness: Option<u32>,
}

/// A device of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSpec {
    /// Path on the host.
    pub host_path: String,
    /// Path in the container.
    pub container_path: String,
    /// Some of `rwm`.
    pub permissions: String,
}

/// GPUs: so many of the engine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuSpec {
    /// How many.
    pub count: u32,
}

/// What the engine is told of `linuxParameters`, where the container may use so much memory.
pub(super) fn linux(container: &ContainerDefinition, memory_bytes: u64) -> LinuxSpec {
    let Some(said) = &container.linux_parameters else {
        return LinuxSpec::default();
    };
    let capabilities = said.capabilities.clone().unwrap_or_default();
    // ECS: memory and maxSwap together are Docker's memory-swap, so 0 is no swap at all; without
    // maxSwap swappiness is ignored. Docker takes neither without a limit of memory.
    let swap = said.max_swap.filter(|_| memory_bytes > 0);
    LinuxSpec {
        capabilities_add: capabilities.add,
        capabilities_drop: capabilities.drop,
        devices: said.devices.iter().map(device).collect(),
        init: said.init_process_enabled,
        shared_memory_bytes: said.shared_memory_size.map(|size| u64::from(size) * MIB),
        tmpfs: said
            .tmpfs
            .iter()
            .map(|folder| (folder.container_path.clone(), tmpfs_options(folder)))
            .collect(),
        memory_and_swap_bytes: swap.map(|swap| memory_bytes.saturating_add(u64::from(swap) * MIB)),
        swappiness: said.swappiness.filter(|_| swap.is_some()),
    }
}

fn device(device: &Device) -> DeviceSpec {
    let letter = |(word, letter): &(&str, char)| {
        let named = device.permissions.iter().any(|given| given == word);
        (named || device.permissions.is_empty()).then_some(*letter)
    };
    DeviceSpec {
        host_path: device.host_path.clone(),
        container_path: device
            .container_path
            .clone()
            .unwrap_or_else(|| device.host_path.clone()),
        permissions: [("read", 'r'), ("write", 'w'), ("mknod", 'm')]
            .iter()
            .filter_map(letter)
            .collect(),
    }
}

fn tmpfs_options(folder: &Tmpfs) -> String {
    let mut options = vec![format!("size={}m", folder.size)];
    options.extend(folder.mount_options.iter().cloned());
    options.join(",")
}

/// Only GPUs are the engine's to give; other resources are counted by the scheduler alone.
pub(super) fn gpus(container: &ContainerDefinition) -> Option<GpuSpec> {
    let count: u32 = container
        .resource_requirements
        .iter()
        .filter(|required| required.kind == "GPU")
        .filter_map(|required| required.value.parse::<u32>().ok())
        .sum();
    (count > 0).then_some(GpuSpec { count })
}
