//! What ECS's Describe* operations answer. Empty lists are sent, nulls are not; times are
//! seconds since 1970 with milliseconds; members that were kept are given back.

mod definition;
mod deployment;
mod instance;
mod schedule;
mod service;
mod task;

use serde_json::{Map, Value, json};

use crate::controller::Response;
use crate::controller::command::Failure;
use crate::model::capacity::{FARGATE_PROVIDERS, is_fargate};
use crate::model::{
    CapacityProviderName, Cluster, ClusterName, LastStatus, State, Task, TaskDefinitionId, TimeMs,
};

pub use definition::task_definition;
pub use deployment::{service_deployment, service_deployments};
pub use instance::container_instance;
pub use schedule::schedule;
pub use service::{Counts, service};
pub use task::{protection, task};

/// A response of ECS to a command, over the state after it.
#[must_use]
pub fn response(state: &State, response: &Response) -> Value {
    match response {
        Response::TaskDefinition(it) => {
            let mut body = json!({"taskDefinition": task_definition(state, it)});
            if !it.tags.is_empty() {
                body["tags"] = plain(&it.tags);
            }
            body
        }
        Response::Service(it) => json!({"service": service(state, it, &Counts::of(state))}),
        Response::Tasks(tasks, failures) => json!({
            "tasks": tasks.iter().map(|it| task(state, it)).collect::<Vec<_>>(),
            "failures": failures.iter().map(failure).collect::<Vec<_>>(),
        }),
        Response::Task(it) => json!({"task": task(state, it)}),
        Response::Instances(instances, failures) => json!({
            "containerInstances": instances
                .iter()
                .map(|it| container_instance(state, it))
                .collect::<Vec<_>>(),
            "failures": failures.iter().map(failure).collect::<Vec<_>>(),
        }),
        Response::ProtectedTasks(tasks, failures) => json!({
            "protectedTasks": tasks.iter().map(|it| protection(state, it, TimeMs::default())).collect::<Vec<_>>(),
            "failures": failures.iter().map(failure).collect::<Vec<_>>(),
        }),
        Response::Cluster(it) => json!({"cluster": cluster(state, it)}),
        Response::Schedule(it) => json!({"schedule": schedule(state, it)}),
        Response::Done => json!({}),
    }
}

/// ECS's Cluster.
#[must_use]
pub fn cluster(state: &State, cluster: &Cluster) -> Value {
    let name = &cluster.name;
    // What serves FARGATE stays out of sight.
    let mine = || state.instances.values().filter(|it| &it.cluster == name);
    let instances = mine().filter(|it| !it.fargate);
    let fargate = if mine().any(|it| it.fargate) {
        &FARGATE_PROVIDERS[..]
    } else {
        &[]
    };
    let providers: Vec<&str> = (cluster.capacity_providers.iter())
        .map(CapacityProviderName::as_str)
        .chain(fargate.iter().copied())
        .collect();
    let services = state
        .services
        .values()
        .filter(|it| &it.cluster == name && it.status == crate::model::ServiceStatus::Active);
    let mut tally = Tally::default();
    for task in state.tasks.values().filter(|it| &it.cluster == name) {
        tally.count(state, task);
    }
    json!({
        "clusterArn": cluster.partition.cluster(name),
        "clusterName": name,
        "status": "ACTIVE",
        "registeredContainerInstancesCount": instances.count(),
        "runningTasksCount": tally.running,
        "pendingTasksCount": tally.pending,
        "unreachableTasksCount": tally.unreachable,
        "activeServicesCount": services.count(),
        "statistics": [], "tags": cluster.tags, "settings": [],
        "capacityProviders": providers,
        "defaultCapacityProviderStrategy": cluster.default_capacity_provider_strategy,
    })
}

/// ECS's CapacityProvider, one of a cluster's or one of ECS's own.
#[must_use]
pub fn capacity_provider(cluster: &Cluster, name: &CapacityProviderName) -> Value {
    let mut body = json!({
        "capacityProviderArn": cluster.partition.capacity_provider(name),
        "name": name,
        "status": "ACTIVE",
        "tags": [],
    });
    if is_fargate(name) {
        body["type"] = name.as_str().into();
    } else {
        body["cluster"] = cluster.name.as_str().into();
    }
    body
}

/// ECS's Failure.
#[must_use]
pub fn failure(failure: &Failure) -> Value {
    let mut body = json!({"arn": failure.arn, "reason": failure.reason});
    if !failure.detail.is_empty() {
        body["detail"] = failure.detail.clone().into();
    }
    body
}

/// How many tasks run and how many are on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    running: u32,
    pending: u32,
    wanted: u32,
    /// Of the wanted: on instances that do not answer.
    unreachable: u32,
}

impl Tally {
    /// Counts a task the way ECS does: by what was observed of it. A task given up for lost
    /// counts for nothing.
    fn count(&mut self, state: &State, task: &Task) {
        if task.lost_at.is_some() {
            return;
        }
        self.unreachable += u32::from(state.is_unreachable(task));
        self.wanted += u32::from(task.is_wanted());
        match task.last_status {
            LastStatus::Running => self.running += 1,
            LastStatus::Provisioning | LastStatus::Pending | LastStatus::Activating => {
                self.pending += 1;
            }
            _ => {}
        }
    }
}

/// A task definition's ARN. Families are not bound to a cluster, so all of them carry the region
/// and account of `default`, wherever they are named.
#[must_use]
pub fn definition_arn(state: &State, id: &TaskDefinitionId) -> String {
    state
        .partition(&ClusterName::default_cluster())
        .task_definition(id)
}

/// Sets a time that may not have come yet; nothing is sent in its place.
fn set_time(body: &mut Value, member: &str, time: Option<TimeMs>) {
    if let Some(time) = time {
        body[member] = time.as_wire_seconds().into();
    }
}

/// Sets a member that may be absent; nothing is sent in its place.
fn set<T: Into<Value>>(body: &mut Value, member: &str, value: Option<T>) {
    if let Some(value) = value {
        body[member] = value.into();
    }
}

/// A value as JSON. Our types have text keys only, which is all that could fail.
pub(super) fn plain<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_else(|_| Value::Object(Map::new()))
}

/// Takes out members that are null, everywhere.
fn strip_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(strip_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_nulls),
        _ => {}
    }
}

/// 32 hexadecimal digits in the form of a UUID, the same for the same text.
fn uuid(text: &str) -> String {
    let half = |start: u64| {
        text.bytes().fold(start, |seed, byte| {
            crate::model::id::mix(seed ^ u64::from(byte))
        })
    };
    let hex = format!("{:016x}{:016x}", half(1), half(2));
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}
