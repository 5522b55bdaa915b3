//! The holder: the container that keeps the namespaces which a task's containers share, so that
//! any of them may stop or start again. Pure.

use crate::model::shared::Shared;
use crate::model::{ContainerDefinition, ContainerName, Partition, Task, TaskDefinition};

use super::holder_image::{IMAGE, PROGRAM};
use super::spec::{
    ContainerSpec, IpcSpec, NamesSpec, NetworkSpec, PortSpec, container_spec, shared_sysctls,
};

/// Its name on the engine, in place of a container's. The dot keeps it apart from every name
/// that a user can give.
const ENGINE_NAME: &str = "internal.pause";

/// Seconds between stop signal and kill: its process heeds no signal but the last.
pub const STOP_TIMEOUT_S: u32 = 0;

/// `qd-FAMILY-REVISION-internal.pause-TASKID`.
#[must_use]
pub fn holder_name(task: &Task) -> String {
    let definition = &task.task_definition;
    let (family, revision) = (&definition.family, definition.revision);
    format!("qd-{family}-{revision}-{ENGINE_NAME}-{}", task.id)
}

/// What the engine is asked to make for a task's holder; `None` if the task needs none.
#[must_use]
pub fn holder_spec(
    task: &Task,
    definition: &TaskDefinition,
    control_plane: &str,
    arn: &Partition,
) -> Option<ContainerSpec> {
    let shared = Shared::of(task, definition);
    if !shared.any() {
        return None;
    }
    let container = ContainerDefinition {
        entry_point: Some(vec![PROGRAM.to_owned()]),
        ..ContainerDefinition::new(ContainerName::holder(), IMAGE)
    };
    let mut spec = container_spec(task, definition, &container, control_plane, arn);
    spec.name = holder_name(task);
    spec.network = match shared.network {
        true => NetworkSpec::Bridge { links: Vec::new() },
        false => NetworkSpec::None,
    };
    spec.ports = match shared.network {
        true => published(definition),
        false => Vec::new(),
    };
    spec.pid = None;
    spec.ipc = shared.ipc.then_some(IpcSpec::Shareable);
    spec.sysctls = shared_sysctls(shared, definition);
    if shared.network {
        spec.names = names(definition);
    }
    if shared.ipc {
        let all = definition.container_definitions.iter();
        let linux = all.filter_map(|c| c.linux_parameters.as_ref());
        let sizes_mib = linux.filter_map(|linux| linux.shared_memory_size);
        spec.linux.shared_memory_bytes = sizes_mib.max().map(|mib| u64::from(mib) << 20);
    }
    // Its image is made for the engine's processor.
    spec.platform = None;
    // It is none of the task's containers: it uses next to nothing, and counts for nothing.
    spec.memory_bytes = 0;
    spec.memory_reservation_bytes = 0;
    spec.cpu_shares = 0;
    // It writes nothing.
    spec.log = Some(("none".to_owned(), Default::default()));
    spec.stop_timeout_s = STOP_TIMEOUT_S;
    Some(spec)
}

/// The name servers of all the task's containers: they share one list.
fn names(definition: &TaskDefinition) -> NamesSpec {
    let mut names = NamesSpec::default();
    let add = |list: &mut Vec<String>, more: &[String]| {
        for text in more {
            if !list.contains(text) {
                list.push(text.clone());
            }
        }
    };
    for container in &definition.container_definitions {
        add(&mut names.dns_servers, &container.dns_servers);
        add(&mut names.dns_search_domains, &container.dns_search_domains);
    }
    names
}

/// The ports of all the task's containers that are to be had at the host's address too.
fn published(definition: &TaskDefinition) -> Vec<PortSpec> {
    let containers = definition.container_definitions.iter();
    let mappings = containers.flat_map(|container| &container.port_mappings);
    mappings
        .filter_map(|mapping| {
            Some(PortSpec {
                container_port: mapping.container_port,
                host_port: mapping.host_port.filter(|port| *port != 0)?,
                protocol: mapping.protocol,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::docker::observe::owner_of;
    use crate::docker::spec::PidSpec;
    use crate::model::{ClusterName, InstanceName, LaunchType, TaskId, TimeMs};

    fn definition(members: Value) -> TaskDefinition {
        let mut text = json!({"family": "web", "revision": 7, "cpu": 512, "memory": 512,
        "containerDefinitions": [
            {"name": "app", "image": "i", "portMappings": [
                {"containerPort": 80, "hostPort": 80}, {"containerPort": 81}]},
            {"name": "side", "image": "i", "portMappings": [
                {"containerPort": 53, "hostPort": 53, "protocol": "udp"}]},
        ]});
        let object = text.as_object_mut().unwrap();
        object.extend(members.as_object().unwrap().clone());
        serde_json::from_value(text).unwrap()
    }

    fn task(definition: &TaskDefinition) -> Task {
        Task::new(
            TaskId(0xab),
            ClusterName::default_cluster(),
            InstanceName::new("ops-1").unwrap(),
            definition.id(),
            TimeMs(0),
        )
    }

    fn specs(definition: &TaskDefinition, task: &Task) -> (Option<ContainerSpec>, ContainerSpec) {
        let arn = Partition::default();
        let app = &definition.container_definitions[0];
        (
            holder_spec(task, definition, "plane", &arn),
            container_spec(task, definition, app, "plane", &arn),
        )
    }

    const NAME: &str = "qd-web-7-internal.pause-000000000000000000000000000000ab";

    #[test]
    fn the_holder_joins_the_bridge_and_publishes_and_the_containers_join_the_holder() {
        let definition = definition(json!({"networkMode": "awsvpc"}));
        let (holder, app) = specs(&definition, &task(&definition));
        let holder = holder.unwrap();
        assert_eq!(holder.name, NAME);
        assert_eq!(holder.network, NetworkSpec::Bridge { links: Vec::new() });
        let ports: Vec<_> = holder.ports.iter().map(|p| p.host_port).collect();
        assert_eq!(
            ports,
            [80, 53],
            "81 is to be had at the task's own address only"
        );
        assert_eq!((holder.cpu_shares, holder.memory_bytes), (0, 0));
        assert_eq!(app.network, NetworkSpec::Of(NAME.to_owned()));
        assert!(app.ports.is_empty());
        assert_eq!((app.pid, app.ipc), (None, None));
        // It is known again by its labels, as none of the task's containers.
        let owner = owner_of(&holder.labels.into_iter().collect()).unwrap();
        assert!(owner.container.is_holder() && owner.task == TaskId(0xab));
    }

    #[test]
    fn what_belongs_to_a_shared_namespace_is_said_of_the_holder() {
        let definition = definition(json!({"networkMode": "awsvpc", "containerDefinitions": [
            {"name": "app", "image": "i", "dnsServers": ["10.0.0.2"], "systemControls": [
                {"namespace": "net.core.somaxconn", "value": "512"},
                {"namespace": "kernel.msgmax", "value": "9"}]}]}));
        let (holder, app) = specs(&definition, &task(&definition));
        let holder = holder.unwrap();
        assert_eq!(holder.names.dns_servers, ["10.0.0.2"]);
        assert_eq!(
            holder.sysctls.keys().collect::<Vec<_>>(),
            ["net.core.somaxconn"]
        );
        assert!(app.names.dns_servers.is_empty(), "Docker refuses it there");
        assert_eq!(app.sysctls.keys().collect::<Vec<_>>(), ["kernel.msgmax"]);
    }

    #[test]
    fn processes_and_shared_memory_are_held_without_a_network() {
        let definition = definition(json!({"pidMode": "task", "ipcMode": "task"}));
        let (holder, app) = specs(&definition, &task(&definition));
        let holder = holder.unwrap();
        assert_eq!(holder.network, NetworkSpec::None);
        assert!(holder.ports.is_empty());
        assert_eq!((holder.pid, holder.ipc), (None, Some(IpcSpec::Shareable)));
        assert_eq!(app.pid, Some(PidSpec::Container(NAME.to_owned())));
        assert_eq!(app.ipc, Some(IpcSpec::Container(NAME.to_owned())));
        assert_eq!(app.ports.len(), 2, "bridge publishes as ever");
    }

    #[test]
    fn what_is_the_hosts_or_nobodys_needs_no_holder_and_fargate_does() {
        let hosts = definition(json!({"pidMode": "host", "ipcMode": "none"}));
        let (holder, app) = specs(&hosts, &task(&hosts));
        assert_eq!(holder, None);
        assert_eq!(
            (app.pid, app.ipc),
            (Some(PidSpec::Host), Some(IpcSpec::None))
        );
        let plain = definition(json!({}));
        let mut fargate = task(&plain);
        assert_eq!(specs(&plain, &fargate).0, None);
        fargate.launch_type = LaunchType::Fargate;
        let (holder, app) = specs(&plain, &fargate);
        assert!(holder.is_some());
        assert_eq!(app.network, NetworkSpec::Of(NAME.to_owned()));
    }
}
