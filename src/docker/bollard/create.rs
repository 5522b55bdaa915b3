//! What the engine is asked to make, in bollard's types.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig, Mount,
    MountType, NetworkingConfig, PortBinding, PortMap, ResourcesUlimits,
};

use crate::docker::spec::{ContainerSpec, HealthSpec, MountSpec, NETWORK, NetworkSpec};

/// A spec as the engine takes it.
pub(super) fn create_body(spec: &ContainerSpec) -> ContainerCreateBody {
    let size = |bytes: u64| (bytes > 0).then(|| i64::try_from(bytes).unwrap_or(i64::MAX));
    let (network_mode, networking_config) = network_of(&spec.network);
    let (binds, mounts) = mounts_of(&spec.mounts);
    let host_config = HostConfig {
        cpu_shares: size(spec.cpu_shares),
        memory: size(spec.memory_bytes),
        memory_reservation: size(spec.memory_reservation_bytes),
        ulimits: Some(
            spec.ulimits
                .iter()
                .map(|limit| ResourcesUlimits {
                    name: Some(limit.name.clone()),
                    soft: Some(limit.soft_limit),
                    hard: Some(limit.hard_limit),
                })
                .collect(),
        ),
        binds: Some(binds),
        mounts: Some(mounts),
        log_config: spec
            .log
            .as_ref()
            .map(|(driver, options)| HostConfigLogConfig {
                typ: Some(driver.clone()),
                config: Some(options.clone().into_iter().collect()),
            }),
        network_mode: Some(network_mode),
        port_bindings: Some(port_bindings(spec)),
        ..HostConfig::default()
    };
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        cmd: spec.command.clone(),
        entrypoint: spec.entry_point.clone(),
        env: Some(spec.environment.clone()),
        labels: Some(spec.labels.clone().into_iter().collect()),
        user: spec.user.clone(),
        working_dir: spec.working_directory.clone(),
        exposed_ports: Some(port_bindings(spec).into_keys().collect()),
        healthcheck: spec.health.as_ref().map(health_config),
        stop_timeout: Some(i64::from(spec.stop_timeout_s)),
        host_config: Some(host_config),
        networking_config,
        ..ContainerCreateBody::default()
    }
}

fn network_of(network: &NetworkSpec) -> (String, Option<NetworkingConfig>) {
    match network {
        NetworkSpec::Host => ("host".to_owned(), None),
        NetworkSpec::None => ("none".to_owned(), None),
        NetworkSpec::Bridge { links } => {
            let endpoint = EndpointSettings {
                links: (!links.is_empty()).then(|| links.clone()),
                ..EndpointSettings::default()
            };
            let name = NETWORK.to_owned();
            let endpoints = HashMap::from([(name.clone(), endpoint)]);
            (
                name,
                Some(NetworkingConfig {
                    endpoints_config: Some(endpoints),
                }),
            )
        }
    }
}

/// Folders of the host go the old way: the engine then makes one that is not there, as under
/// ECS. A path with a colon can only go the new way.
fn mounts_of(mounts: &[MountSpec]) -> (Vec<String>, Vec<Mount>) {
    let (mut binds, mut others) = (Vec::new(), Vec::new());
    for mount in mounts {
        match &mount.source {
            Some(source) if mount.bind && !format!("{source}{}", mount.target).contains(':') => {
                let mode = if mount.read_only { "ro" } else { "rw" };
                binds.push(format!("{source}:{}:{mode}", mount.target));
            }
            source => others.push(Mount {
                target: Some(mount.target.clone()),
                source: source.clone(),
                typ: Some(if mount.bind {
                    MountType::BIND
                } else {
                    MountType::VOLUME
                }),
                read_only: Some(mount.read_only),
                ..Mount::default()
            }),
        }
    }
    (binds, others)
}

fn port_bindings(spec: &ContainerSpec) -> PortMap {
    let mut map = PortMap::new();
    for port in &spec.ports {
        let binding = PortBinding {
            host_ip: None,
            host_port: Some(match port.host_port {
                0 => String::new(),
                fixed => fixed.to_string(),
            }),
        };
        map.entry(format!("{}/{}", port.container_port, port.protocol))
            .or_insert_with(|| Some(Vec::new()))
            .get_or_insert_default()
            .push(binding);
    }
    map
}

fn health_config(health: &HealthSpec) -> HealthConfig {
    let nanos = |seconds: u32| Some(i64::from(seconds) * 1_000_000_000);
    HealthConfig {
        test: Some(health.test.clone()),
        interval: nanos(health.interval_s),
        timeout: nanos(health.timeout_s),
        retries: Some(i64::from(health.retries)),
        start_period: nanos(health.start_period_s),
        ..HealthConfig::default()
    }
}
