//! One test for each parameter: what ECS's JSON says, and what the engine is asked.

use super::tests::{definition, spec_of};
use super::*;
use serde_json::{Value, json};

fn with(container: Value) -> ContainerSpec {
    within(json!({}), container)
}

fn within(task: Value, container: Value) -> ContainerSpec {
    let mut body = json!({"family": "web", "revision": 3, "containerDefinitions": [
        {"name": "app", "image": "i", "memory": 64}, {"name": "side", "image": "i"}]});
    for (member, value) in task.as_object().unwrap() {
        body[member] = value.clone();
    }
    for (member, value) in container.as_object().unwrap() {
        body["containerDefinitions"][0][member] = value.clone();
    }
    spec_of(&definition(body), 0)
}

fn linux(parameters: Value) -> LinuxSpec {
    with(json!({"linuxParameters": parameters})).linux
}

const MIB_BYTES: u64 = 1 << 20;

#[test]
fn what_is_not_said_is_left_to_the_engine() {
    let spec = with(json!({}));
    assert_eq!(spec.linux, LinuxSpec::default());
    assert_eq!(spec.names, NamesSpec::default());
    assert_eq!(
        (spec.pid, spec.ipc, spec.gpus, spec.platform),
        (None, None, None, None)
    );
    assert!(!spec.privileged && !spec.read_only_root && !spec.interactive && !spec.terminal);
    assert!(spec.security_options.is_empty() && spec.sysctls.is_empty());
    assert!(spec.volumes_from.is_empty());
    assert_eq!(linux(json!({})), LinuxSpec::default());
}

#[test]
fn capabilities_are_added_and_dropped() {
    let spec = linux(json!({"capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}}));
    assert_eq!(spec.capabilities_add, ["NET_ADMIN"]);
    assert_eq!(spec.capabilities_drop, ["ALL"]);
}

#[test]
fn a_device_keeps_its_path_and_has_every_permission_unless_told_otherwise() {
    let spec = linux(json!({"devices": [
        {"hostPath": "/dev/fuse"},
        {"hostPath": "/dev/sda", "containerPath": "/dev/disk", "permissions": ["write", "read"]}]}));
    let said: Vec<_> = spec
        .devices
        .iter()
        .map(|d| {
            (
                d.host_path.as_str(),
                d.container_path.as_str(),
                d.permissions.as_str(),
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            ("/dev/fuse", "/dev/fuse", "rwm"),
            ("/dev/sda", "/dev/disk", "rw")
        ]
    );
}

#[test]
fn an_init_process_and_the_size_of_shared_memory() {
    let spec = linux(json!({"initProcessEnabled": true, "sharedMemorySize": 8}));
    assert_eq!(spec.init, Some(true));
    assert_eq!(spec.shared_memory_bytes, Some(8 * MIB_BYTES));
    assert_eq!(
        linux(json!({"initProcessEnabled": false})).init,
        Some(false)
    );
}

#[test]
fn a_folder_in_memory_has_its_size_and_options() {
    let spec = linux(json!({"tmpfs": [
        {"containerPath": "/run", "size": 16, "mountOptions": ["noexec", "mode=1777"]},
        {"containerPath": "/tmp", "size": 1}]}));
    assert_eq!(spec.tmpfs["/run"], "size=16m,noexec,mode=1777");
    assert_eq!(spec.tmpfs["/tmp"], "size=1m");
}

#[test]
fn swap_comes_on_top_of_memory_and_zero_is_none_at_all() {
    let swap = |parameters| {
        let spec = linux(parameters);
        (spec.memory_and_swap_bytes, spec.swappiness)
    };
    assert_eq!(swap(json!({"maxSwap": 32})), (Some(96 * MIB_BYTES), None));
    assert_eq!(
        swap(json!({"maxSwap": 0, "swappiness": 0})),
        (Some(64 * MIB_BYTES), Some(0))
    );
    // ECS: without maxSwap, swappiness is ignored and the host's configuration counts.
    assert_eq!(swap(json!({"swappiness": 90})), (None, None));
}

#[test]
fn swap_is_counted_from_the_tasks_memory_where_the_container_names_none() {
    let body = json!({"family": "web", "revision": 1, "memory": 100, "containerDefinitions": [
        {"name": "app", "image": "i", "linuxParameters": {"maxSwap": 28}}]});
    let spec = spec_of(&definition(body), 0);
    assert_eq!(spec.linux.memory_and_swap_bytes, Some(128 * MIB_BYTES));
}

#[test]
fn powers_and_files() {
    let spec = with(json!({"privileged": true, "readonlyRootFilesystem": true}));
    assert!(spec.privileged && spec.read_only_root);
}

#[test]
fn terminal_and_standard_input() {
    let spec = with(json!({"interactive": true, "pseudoTerminal": true}));
    assert!(spec.interactive && spec.terminal);
    let spec = with(json!({"pseudoTerminal": true}));
    assert!(!spec.interactive && spec.terminal);
}

#[test]
fn names_that_it_has_and_looks_up() {
    let spec = with(json!({
        "hostname": "box", "dnsServers": ["10.0.0.2"], "dnsSearchDomains": ["corp.example"],
        "extraHosts": [{"hostname": "db", "ipAddress": "10.0.0.3"},
                       {"hostname": "six", "ipAddress": "fd00::1"}]}));
    assert_eq!(
        spec.names,
        NamesSpec {
            hostname: Some("box".to_owned()),
            dns_servers: vec!["10.0.0.2".to_owned()],
            dns_search_domains: vec!["corp.example".to_owned()],
            extra_hosts: vec!["db:10.0.0.3".to_owned(), "six:fd00::1".to_owned()],
        }
    );
}

#[test]
fn security_options_are_written_as_engines_read_them() {
    let spec = with(json!({"dockerSecurityOptions": [
        "no-new-privileges", "apparmor:docker-default", "label:user:USER", "label=level:s0"]}));
    assert_eq!(
        spec.security_options,
        [
            "no-new-privileges",
            "apparmor=docker-default",
            "label=user:USER",
            "label=level:s0"
        ]
    );
}

#[test]
fn kernel_settings() {
    let spec = with(json!({"systemControls": [
        {"namespace": "net.core.somaxconn", "value": "1024"}]}));
    assert_eq!(spec.sysctls["net.core.somaxconn"], "1024");
}

#[test]
fn volumes_of_another_container_are_named_as_on_the_engine() {
    let spec = with(json!({"volumesFrom": [
        {"sourceContainer": "side"}, {"sourceContainer": "other", "readOnly": true}]}));
    let id = "000000000000000000000000000000ab";
    assert_eq!(
        spec.volumes_from,
        [
            format!("qd-web-3-side-{id}:rw"),
            format!("qd-web-3-other-{id}:ro")
        ]
    );
}

#[test]
fn gpus_are_the_engines_to_give_and_other_resources_are_only_counted() {
    let spec = with(json!({"resourceRequirements": [
        {"type": "GPU", "value": "2"}, {"type": "license", "value": "1"}]}));
    assert_eq!(spec.gpus, Some(GpuSpec { count: 2 }));
    let spec = with(json!({"resourceRequirements": [{"type": "license", "value": "1"}]}));
    assert_eq!(spec.gpus, None);
}

#[test]
fn a_container_without_network_publishes_nothing() {
    let spec = with(json!({"disableNetworking": true, "portMappings": [{"containerPort": 80}]}));
    assert_eq!(spec.network, NetworkSpec::None);
    assert!(spec.ports.is_empty());
}

#[test]
fn namespaces_are_the_hosts_or_nobodys() {
    let spec = within(json!({"pidMode": "host", "ipcMode": "host"}), json!({}));
    assert_eq!(
        (spec.pid, spec.ipc),
        (Some(PidSpec::Host), Some(IpcSpec::Host))
    );
    let spec = within(json!({"ipcMode": "none"}), json!({}));
    assert_eq!((spec.pid, spec.ipc), (None, Some(IpcSpec::None)));
}

#[test]
fn an_architecture_asks_for_an_image_made_for_it() {
    let platform = |architecture: &str| {
        let said = json!({"runtimePlatform": {"cpuArchitecture": architecture}});
        within(said, json!({})).platform
    };
    assert_eq!(platform("X86_64").as_deref(), Some("linux/amd64"));
    assert_eq!(platform("ARM64").as_deref(), Some("linux/arm64"));
    let said = json!({"runtimePlatform": {"operatingSystemFamily": "LINUX"}});
    assert_eq!(within(said, json!({})).platform, None);
}

#[test]
fn each_port_of_a_range_is_published_where_the_engine_chooses() {
    let spec = with(json!({"portMappings": [
        {"containerPortRange": "7000-7002", "protocol": "udp"}, {"containerPort": 80, "hostPort": 8080}]}));
    let ports: Vec<_> = spec
        .ports
        .iter()
        .map(|p| (p.container_port, p.host_port, p.protocol))
        .collect();
    assert_eq!(
        ports,
        [
            (7000, 0, Protocol::Udp),
            (7001, 0, Protocol::Udp),
            (7002, 0, Protocol::Udp),
            (80, 8080, Protocol::Tcp)
        ]
    );
}

#[test]
fn cpu_shares_stay_within_what_the_kernel_takes() {
    assert_eq!(with(json!({"cpu": 1})).cpu_shares, 2);
    assert_eq!(with(json!({"cpu": 300_000})).cpu_shares, 262_144);
}
