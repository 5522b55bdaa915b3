//! ECS's ContainerInstance.

use serde_json::{Value, json};

use super::{Tally, set, set_time};
use crate::model::{Connection, Instance, Protocol, Resources, State};

/// ECS's ContainerInstance: registered is what the engine has less what is kept for the host,
/// remaining is that less what tasks and other people's containers hold.
#[must_use]
pub fn container_instance(state: &State, instance: &Instance) -> Value {
    let partition = state.partition(&instance.cluster);
    let mut tally = Tally::default();
    let mut held = instance.reserved.clone();
    held.add(&instance.foreign);
    for task in state.instance_tasks(&instance.name) {
        tally.count(state, task);
        if !task.is_stopped() {
            held.add(&task.resources);
        }
    }
    let attributes: Vec<Value> = instance
        .attributes
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    let mut body = json!({
        "containerInstanceArn": partition.instance(&instance.cluster, &instance.name),
        "ec2InstanceId": instance.name,
        "status": instance.status.as_str(),
        "agentConnected": instance.is_connected(),
        "runningTasksCount": tally.running,
        "pendingTasksCount": tally.pending,
        "registeredResources": resources(instance, &instance.reserved),
        "remainingResources": resources(instance, &held),
        "attributes": attributes,
        "versionInfo": {
            "agentVersion": env!("CARGO_PKG_VERSION"),
            "dockerVersion": format!("DockerVersion: {}", instance.docker_version),
        },
        "attachments": [], "tags": instance.tags,
        "version": 1,
    });
    set_time(&mut body, "registeredAt", instance.registered_at);
    let provider = instance.capacity_provider.as_ref();
    set(
        &mut body,
        "capacityProviderName",
        provider.map(|name| name.as_str()),
    );
    if let Connection::Disconnected { reason, .. } = &instance.connection {
        set(&mut body, "statusReason", Some(reason.clone()));
    }
    body
}

/// Capacity less `held`; of ports, as ECS does, those that are taken.
fn resources(instance: &Instance, held: &Resources) -> Value {
    let ports = |protocol| {
        held.ports
            .iter()
            .filter(|port| port.protocol == protocol)
            .map(|port| port.port.to_string())
            .collect::<Vec<_>>()
    };
    let number = |name: &str, value: u64| json!({"name": name, "type": "INTEGER", "doubleValue": 0.0, "longValue": 0, "integerValue": value});
    let set = |name: &str, values: Vec<String>| json!({"name": name, "type": "STRINGSET", "doubleValue": 0.0, "longValue": 0, "integerValue": 0, "stringSetValue": values});
    let mut all = vec![
        number("CPU", instance.capacity.cpu.saturating_sub(held.cpu).0),
        number(
            "MEMORY",
            instance.capacity.memory.saturating_sub(held.memory).0,
        ),
        set("PORTS", ports(Protocol::Tcp)),
        set("PORTS_UDP", ports(Protocol::Udp)),
    ];
    for (name, count) in &instance.capacity.named {
        let held = held.named.get(name).copied().unwrap_or(0);
        all.push(number(name, count.saturating_sub(held)));
    }
    Value::Array(all)
}
