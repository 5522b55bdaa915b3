//! ECS's Task.

use serde_json::{Value, json};

use super::{definition_arn, plain, set, set_time, uuid};
use crate::controller::wire;
use crate::model::instance::attribute;
use crate::model::task::Container;
use crate::model::{
    CapacityProviderName, ContainerDefinition, LaunchType, Partition, State, Task, TaskDefinition,
    TimeMs,
};

/// ECS's platform version of everything on FARGATE: there is one, the one that runs.
pub(super) const PLATFORM_VERSION: &str = "LATEST";
/// ECS's platform family of everything on FARGATE.
pub(super) const PLATFORM_FAMILY: &str = "Linux";

/// ECS's Task. Its cpu and memory, and its containers', are strings, as in ECS.
#[must_use]
pub fn task(state: &State, task: &Task) -> Value {
    let partition = state.partition(&task.cluster);
    let definition = state.definition_of(task);
    let containers: Vec<Value> = task
        .containers
        .iter()
        .map(|it| container(&partition, task, definition.as_deref(), it))
        .collect();
    let mut body = json!({
        "taskArn": partition.task(&task.cluster, &task.id),
        "clusterArn": partition.cluster(&task.cluster),
        "taskDefinitionArn": definition_arn(state, &task.task_definition),
        "containers": containers,
        "group": task.group,
        "launchType": task.launch_type.as_str(),
        "desiredStatus": plain(&task.desired_status),
        "lastStatus": task.last_status.as_str(),
        "healthStatus": plain(&task.health()),
        "cpu": task.resources.cpu.to_string(),
        "memory": task.resources.memory.to_string(),
        "createdAt": task.created_at.as_wire_seconds(),
        "enableExecuteCommand": false,
        "overrides": overrides(task),
        "attachments": attachments(task), "inferenceAccelerators": [], "tags": task.tags,
        "version": 1,
    });
    match task.launch_type {
        LaunchType::Ec2 => {
            let arn = partition.instance(&task.cluster, &task.instance);
            body["containerInstanceArn"] = arn.into();
        }
        LaunchType::Fargate => {
            body["platformVersion"] = PLATFORM_VERSION.into();
            body["platformFamily"] = PLATFORM_FAMILY.into();
        }
    }
    let provider = task
        .capacity_provider
        .as_ref()
        .map(CapacityProviderName::as_str);
    set(&mut body, "capacityProviderName", provider);
    set_time(&mut body, "startedAt", task.started_at);
    set_time(&mut body, "stoppingAt", task.stopping_at);
    set_time(&mut body, "stoppedAt", task.stopped_at);
    set(&mut body, "stopCode", task.stop_code.as_ref().map(plain));
    set(&mut body, "stoppedReason", task.stopped_reason.as_deref());
    let by = Some(&*task.started_by).filter(|by| !by.is_empty());
    set(&mut body, "startedBy", by);
    place(state, task, &mut body);
    body
}

/// ECS names every container here, those of which nothing is overridden too.
fn overrides(task: &Task) -> Value {
    let mut body = task.overrides.as_deref().map_or_else(|| json!({}), plain);
    wire::amounts_as_text(&mut body);
    let given = task.overrides.iter().flat_map(|it| &it.container_overrides);
    let given: Vec<_> = given.collect();
    let all = task.containers.iter().map(|container| {
        match given.iter().find(|it| it.name == container.name) {
            Some(of) => plain(*of),
            None => json!({"name": container.name}),
        }
    });
    body["containerOverrides"] = all.collect();
    body["inferenceAcceleratorOverrides"] = json!([]);
    body
}

/// The id of what attaches a task to its network.
fn attachment_id(task: &Task) -> String {
    uuid(&format!("{} network", task.id))
}

/// A task with a network of its own is attached to it, as to ECS's network interface.
fn attachments(task: &Task) -> Value {
    let Some(address) = &task.address else {
        return json!([]);
    };
    let status = if task.is_stopped() {
        "DELETED"
    } else {
        "ATTACHED"
    };
    json!([{
        "id": attachment_id(task),
        "type": "ElasticNetworkInterface",
        "status": status,
        "details": [{"name": "privateIPv4Address", "value": address}],
    }])
}

/// Every container of such a task has the task's address.
fn interfaces(task: &Task) -> Value {
    match &task.address {
        Some(address) => json!([{
            "attachmentId": attachment_id(task),
            "privateIpv4Address": address,
        }]),
        None => json!([]),
    }
}

/// ECS's ProtectedTask, at that moment.
#[must_use]
pub fn protection(state: &State, task: &Task, now: TimeMs) -> Value {
    let partition = state.partition(&task.cluster);
    let until = task.protected_until.filter(|until| *until > now);
    let mut body = json!({
        "taskArn": partition.task(&task.cluster, &task.id),
        "protectionEnabled": until.is_some(),
    });
    set_time(&mut body, "expirationDate", until);
    body
}

/// What its instance says of it: zone, architecture, whether it is heard.
fn place(state: &State, task: &Task, body: &mut Value) {
    let instance = state.instances.get(&task.instance);
    let connected = instance.is_some_and(|it| it.is_connected());
    body["connectivity"] = if connected {
        "CONNECTED"
    } else {
        "DISCONNECTED"
    }
    .into();
    body["attributes"] = json!([]);
    let Some(instance) = instance else { return };
    if !instance.zone().is_empty() {
        body["availabilityZone"] = instance.zone().into();
    }
    if let Some(architecture) = instance.attribute(attribute::CPU_ARCHITECTURE) {
        body["attributes"] = json!([
            {"name": attribute::CPU_ARCHITECTURE, "value": architecture}
        ]);
    }
}

fn container(
    partition: &Partition,
    task: &Task,
    definition: Option<&TaskDefinition>,
    container: &Container,
) -> Value {
    let task_arn = partition.task(&task.cluster, &task.id);
    let id = uuid(&format!("{} {}", task.id, container.name));
    let mut body = json!({
        "containerArn": format!("{}/{id}", task_arn.replacen(":task/", ":container/", 1)),
        "taskArn": task_arn,
        "name": container.name,
        "lastStatus": container.last_status.as_str(),
        "healthStatus": plain(&container.health),
        "networkBindings": container.network_bindings,
        "networkInterfaces": interfaces(task),
    });
    if let Some(written) = definition.and_then(|it| it.container(&container.name)) {
        asked_for(written, &mut body);
    }
    let runtime_id = Some(container.runtime_id.clone()).filter(|id| !id.is_empty());
    set(&mut body, "runtimeId", runtime_id);
    set(&mut body, "exitCode", container.exit_code);
    set(&mut body, "reason", container.reason.as_deref());
    set(&mut body, "imageDigest", container.image_digest.as_deref());
    body
}

fn asked_for(definition: &ContainerDefinition, body: &mut Value) {
    body["image"] = definition.image.clone().into();
    body["cpu"] = definition.cpu.to_string().into();
    set(body, "memory", definition.memory.map(|it| it.to_string()));
    let reservation = definition.memory_reservation.map(|it| it.to_string());
    set(body, "memoryReservation", reservation);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ClusterName, ContainerName, InstanceName, TaskId, TimeMs};

    #[test]
    fn a_task_with_an_address_of_its_own_is_attached_to_it_as_to_ecs_s_network_interface() {
        let mut it = Task::new(
            TaskId(1),
            ClusterName::default_cluster(),
            InstanceName::new("ops-1").unwrap(),
            "web:1".parse().unwrap(),
            TimeMs(0),
        );
        let main = ContainerName::new("main").unwrap();
        it.containers = vec![Container::new(main, true, false)];
        let without = task(&State::default(), &it);
        assert_eq!(without["attachments"], json!([]));
        assert_eq!(without["containers"][0]["networkInterfaces"], json!([]));
        it.address = Some("172.18.0.7".into());
        let with = task(&State::default(), &it);
        let attachment = &with["attachments"][0];
        assert_eq!(attachment["type"], "ElasticNetworkInterface");
        let detail = json!({"name": "privateIPv4Address", "value": "172.18.0.7"});
        assert_eq!(attachment["details"], json!([detail]));
        let interface = &with["containers"][0]["networkInterfaces"][0];
        assert_eq!(interface["privateIpv4Address"], "172.18.0.7");
        assert_eq!(interface["attachmentId"], attachment["id"]);
    }
}
