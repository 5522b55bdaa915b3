//! Prometheus's HTTP service discovery: what runs, is healthy and can be reached, and where.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::config::host_of;
use crate::model::{ClusterName, Snapshot, Task};

/// So many addresses are listed at most, the first by task and port.
const TARGETS_MAX: usize = 10_000;
/// So many Docker labels of a container become labels of its address.
const DOCKER_LABELS_MAX: usize = 32;
/// The longest value of such a label, in characters.
const VALUE_MAX: usize = 256;
/// What every label begins with: Prometheus drops what relabelling does not keep.
const META: &str = "__meta_quarterdeck_";

/// The published addresses of the tasks that serve, of one cluster or of all, each as `{targets, labels}`.
///
/// A port is listed at the address by which its instance is reached; what is published on the
/// instance's own loopback alone, and a task's address on its host's bridge, cannot be reached
/// from elsewhere and are left out.
///
/// Docker labels come only `with_labels`: they can hold secrets, and the listener for metrics is open to
/// every user of its machine.
#[must_use]
pub fn targets(snapshot: &Snapshot, cluster: Option<&ClusterName>, with_labels: bool) -> Value {
    let tasks = snapshot.state.tasks.values();
    let groups = tasks
        .filter(|task| cluster.is_none_or(|cluster| task.cluster == *cluster))
        .filter(|task| task.is_serving())
        .flat_map(|task| of_task(snapshot, task, with_labels))
        .take(TARGETS_MAX);
    Value::Array(groups.collect())
}

fn of_task(snapshot: &Snapshot, task: &Task, with_labels: bool) -> Vec<Value> {
    let state = &snapshot.state;
    let Some(instance) = state.instances.get(&task.instance) else {
        return Vec::new();
    };
    let host = host_of(&instance.endpoint).unwrap_or_else(|| instance.name.to_string());
    let definition = state.task_definitions.get(&task.task_definition);
    let mut groups = Vec::new();
    for container in &task.containers {
        let labels = definition
            .and_then(|it| {
                it.container_definitions
                    .iter()
                    .find(|it| it.name == container.name)
            })
            .filter(|_| with_labels)
            .map(|it| &it.docker_labels);
        let mut ports = BTreeMap::new();
        for binding in container.network_bindings.iter() {
            let loopback = binding.bind_ip.starts_with("127.") || binding.bind_ip == "::1";
            if !loopback {
                // IPv4 and IPv6 are bound apart, to one port mostly.
                ports
                    .entry((binding.container_port, binding.host_port))
                    .or_insert(binding);
            }
        }
        for ((port, host_port), binding) in ports {
            let target = if host.contains(':') {
                format!("[{host}]:{host_port}")
            } else {
                format!("{host}:{host_port}")
            };
            let mut all = serde_json::Map::new();
            let mut put = |name: &str, value: String| {
                all.insert(format!("{META}{name}"), value.into());
            };
            put("cluster", task.cluster.to_string());
            put(
                "service",
                task.service
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
            );
            put("family", task.task_definition.family.to_string());
            put("revision", task.task_definition.revision.to_string());
            put("task", task.id.to_string());
            put("container", container.name.to_string());
            put("port", port.to_string());
            put("protocol", binding.protocol.to_string());
            put("instance", task.instance.to_string());
            // What a silent instance runs is not known: it is kept, and whoever scrapes may drop it.
            put("instance_connected", instance.is_connected().to_string());
            put("zone", instance.zone().to_owned());
            for (name, value) in labels.into_iter().flatten().take(DOCKER_LABELS_MAX) {
                let value: String = value.chars().take(VALUE_MAX).collect();
                put(&format!("label_{}", label(name)), value);
            }
            groups.push(json!({"targets": [target], "labels": all}));
        }
    }
    groups
}

/// A name that Prometheus takes: what it does not is replaced by `_`.
fn label(name: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    name.chars().map(fit).collect()
}
