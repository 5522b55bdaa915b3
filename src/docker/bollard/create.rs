//! What the engine is asked to make, in bollard's types.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, DeviceMapping, DeviceRequest, EndpointSettings, HealthConfig, HostConfig,
    HostConfigLogConfig, Mount, MountType, NetworkingConfig, PortBinding, PortMap,
    ResourcesUlimits,
};

use crate::docker::spec::{
    ContainerSpec, DeviceSpec, GpuSpec, HealthSpec, IpcSpec, MountSpec, NETWORK, NetworkSpec,
    PidSpec,
};

/// A spec as the engine takes it. Every member here is in API 1.41, the oldest that is spoken: no
/// parameter has to be refused because an engine is too old for it.
pub(super) fn create_body(spec: &ContainerSpec) -> ContainerCreateBody {
    let (network_mode, networking_config) = network_of(&spec.network);
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        cmd: spec.command.clone(),
        entrypoint: spec.entry_point.clone(),
        env: Some(spec.variables()),
        labels: Some(spec.labels.clone().into_iter().collect()),
        user: spec.user.clone(),
        working_dir: spec.working_directory.clone(),
        hostname: spec.names.hostname.clone(),
        open_stdin: spec.interactive.then_some(true),
        tty: spec.terminal.then_some(true),
        exposed_ports: Some(port_bindings(spec).into_keys().collect()),
        healthcheck: spec.health.as_ref().map(health_config),
        stop_timeout: Some(i64::from(spec.stop_timeout_s)),
        host_config: Some(HostConfig {
            network_mode: Some(network_mode),
            ..host_config(spec)
        }),
        networking_config,
        ..ContainerCreateBody::default()
    }
}

fn host_config(spec: &ContainerSpec) -> HostConfig {
    let size = |bytes: u64| (bytes > 0).then(|| i64::try_from(bytes).unwrap_or(i64::MAX));
    let texts = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    let (binds, mounts) = mounts_of(&spec.mounts);
    let (linux, names) = (&spec.linux, &spec.names);
    HostConfig {
        cpu_shares: size(spec.cpu_shares),
        memory: size(spec.memory_bytes),
        memory_reservation: size(spec.memory_reservation_bytes),
        memory_swap: linux.memory_and_swap_bytes.and_then(size),
        memory_swappiness: linux.swappiness.map(i64::from),
        ulimits: Some(ulimits(spec)),
        binds: Some(binds),
        mounts: Some(mounts),
        volumes_from: texts(&spec.volumes_from),
        log_config: spec
            .log
            .as_ref()
            .map(|(driver, options)| HostConfigLogConfig {
                typ: Some(driver.clone()),
                config: Some(options.clone().into_iter().collect()),
            }),
        port_bindings: Some(port_bindings(spec)),
        privileged: spec.privileged.then_some(true),
        readonly_rootfs: spec.read_only_root.then_some(true),
        security_opt: texts(&spec.security_options),
        sysctls: table(&spec.sysctls),
        pid_mode: spec.pid.as_ref().map(pid_mode),
        ipc_mode: spec.ipc.as_ref().map(ipc_mode),
        dns: texts(&names.dns_servers),
        dns_search: texts(&names.dns_search_domains),
        extra_hosts: texts(&names.extra_hosts),
        cap_add: texts(&linux.capabilities_add),
        cap_drop: texts(&linux.capabilities_drop),
        devices: (!linux.devices.is_empty()).then(|| linux.devices.iter().map(device).collect()),
        device_requests: spec.gpus.map(|gpus| vec![device_request(gpus)]),
        init: linux.init,
        shm_size: linux.shared_memory_bytes.and_then(size),
        tmpfs: table(&linux.tmpfs),
        ..HostConfig::default()
    }
}

fn ulimits(spec: &ContainerSpec) -> Vec<ResourcesUlimits> {
    spec.ulimits
        .iter()
        .map(|limit| ResourcesUlimits {
            name: Some(limit.name.clone()),
            soft: Some(limit.soft_limit),
            hard: Some(limit.hard_limit),
        })
        .collect()
}

fn table(entries: &BTreeMap<String, String>) -> Option<HashMap<String, String>> {
    (!entries.is_empty()).then(|| entries.clone().into_iter().collect())
}

fn pid_mode(pid: &PidSpec) -> String {
    match pid {
        PidSpec::Host => "host".to_owned(),
        PidSpec::Container(name) => format!("container:{name}"),
    }
}

fn ipc_mode(ipc: &IpcSpec) -> String {
    match ipc {
        IpcSpec::Host => "host".to_owned(),
        IpcSpec::None => "none".to_owned(),
        IpcSpec::Shareable => "shareable".to_owned(),
        IpcSpec::Container(name) => format!("container:{name}"),
    }
}

fn device(device: &DeviceSpec) -> DeviceMapping {
    DeviceMapping {
        path_on_host: Some(device.host_path.clone()),
        path_in_container: Some(device.container_path.clone()),
        cgroup_permissions: Some(device.permissions.clone()),
    }
}

/// As `docker run --gpus N` asks: of whatever driver the engine has for GPUs.
fn device_request(gpus: GpuSpec) -> DeviceRequest {
    DeviceRequest {
        count: Some(i64::from(gpus.count)),
        capabilities: Some(vec![vec!["gpu".to_owned()]]),
        ..DeviceRequest::default()
    }
}

fn network_of(network: &NetworkSpec) -> (String, Option<NetworkingConfig>) {
    match network {
        NetworkSpec::Host => ("host".to_owned(), None),
        NetworkSpec::None => ("none".to_owned(), None),
        NetworkSpec::Of(name) => (format!("container:{name}"), None),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::spec::{LinuxSpec, NamesSpec};
    use serde_json::{Value, json};

    fn body(spec: &ContainerSpec) -> Value {
        serde_json::to_value(create_body(spec)).unwrap()
    }

    #[test]
    fn a_parameter_that_is_not_set_is_not_sent() {
        let body = body(&ContainerSpec::default());
        let host = body["HostConfig"].as_object().unwrap();
        let sent: Vec<&str> = host.keys().map(String::as_str).collect();
        assert_eq!(
            sent,
            ["Binds", "Mounts", "NetworkMode", "PortBindings", "Ulimits"]
        );
        assert!(body.get("Hostname").is_none() && body.get("Tty").is_none());
    }

    #[test]
    fn every_parameter_has_dockers_name_and_unit() {
        let spec = ContainerSpec {
            memory_bytes: 64 << 20,
            privileged: true,
            read_only_root: true,
            security_options: vec!["no-new-privileges".to_owned()],
            interactive: true,
            terminal: true,
            sysctls: BTreeMap::from([("net.core.somaxconn".to_owned(), "9".to_owned())]),
            volumes_from: vec!["other:ro".to_owned()],
            gpus: Some(GpuSpec { count: 2 }),
            pid: Some(PidSpec::Host),
            ipc: Some(IpcSpec::None),
            names: NamesSpec {
                hostname: Some("box".to_owned()),
                dns_servers: vec!["10.0.0.2".to_owned()],
                dns_search_domains: vec!["corp".to_owned()],
                extra_hosts: vec!["db:10.0.0.3".to_owned()],
            },
            linux: LinuxSpec {
                capabilities_add: vec!["NET_ADMIN".to_owned()],
                capabilities_drop: vec!["ALL".to_owned()],
                devices: vec![DeviceSpec {
                    host_path: "/dev/a".to_owned(),
                    container_path: "/dev/b".to_owned(),
                    permissions: "rw".to_owned(),
                }],
                init: Some(true),
                shared_memory_bytes: Some(8 << 20),
                tmpfs: BTreeMap::from([("/run".to_owned(), "size=1m".to_owned())]),
                memory_and_swap_bytes: Some(96 << 20),
                swappiness: Some(0),
            },
            ..ContainerSpec::default()
        };
        let body = body(&spec);
        for (member, value) in [
            ("Hostname", json!("box")),
            ("OpenStdin", json!(true)),
            ("Tty", json!(true)),
        ] {
            assert_eq!(body[member], value, "{member}");
        }
        for (member, value) in [
            ("Memory", json!(64 << 20)),
            ("MemorySwap", json!(96 << 20)),
            ("MemorySwappiness", json!(0)),
            ("Privileged", json!(true)),
            ("ReadonlyRootfs", json!(true)),
            ("SecurityOpt", json!(["no-new-privileges"])),
            ("Sysctls", json!({"net.core.somaxconn": "9"})),
            ("VolumesFrom", json!(["other:ro"])),
            (
                "DeviceRequests",
                json!([{"Count": 2, "Capabilities": [["gpu"]]}]),
            ),
            ("PidMode", json!("host")),
            ("IpcMode", json!("none")),
            ("Dns", json!(["10.0.0.2"])),
            ("DnsSearch", json!(["corp"])),
            ("ExtraHosts", json!(["db:10.0.0.3"])),
            ("CapAdd", json!(["NET_ADMIN"])),
            ("CapDrop", json!(["ALL"])),
            (
                "Devices",
                json!([{"PathOnHost": "/dev/a", "PathInContainer": "/dev/b",
                        "CgroupPermissions": "rw"}]),
            ),
            ("Init", json!(true)),
            ("ShmSize", json!(8 << 20)),
            ("Tmpfs", json!({"/run": "size=1m"})),
        ] {
            assert_eq!(body["HostConfig"][member], value, "{member}");
        }
        let pid = PidSpec::Container("x".to_owned());
        assert_eq!(pid_mode(&pid), "container:x");
        assert_eq!(ipc_mode(&IpcSpec::Shareable), "shareable");
    }
}
