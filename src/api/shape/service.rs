//! ECS's Service, with its deployments and its latest events.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::task::{PLATFORM_FAMILY, PLATFORM_VERSION};
use super::{Tally, definition_arn, plain, strip_nulls, uuid};
use crate::model::members::{self, Shape};
use crate::model::state::ServiceKey;
use crate::model::{Deployment, DeploymentId, Event, LaunchType, Service, State};

/// How many events ECS gives with a service.
const EVENTS_MAX: usize = 100;
/// Members of CreateService that ECS gives back in the deployments, not in the service.
const OF_DEPLOYMENTS: [&str; 3] = [
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
];

/// Tasks counted by service and by deployment, in one pass over all of them.
#[derive(Debug, Default)]
pub struct Counts {
    services: HashMap<ServiceKey, Tally>,
    deployments: HashMap<(ServiceKey, DeploymentId), Tally>,
}

impl Counts {
    /// Counts the tasks of a state.
    #[must_use]
    pub fn of(state: &State) -> Self {
        let mut counts = Self::default();
        for task in state.tasks.values() {
            let Some(service) = &task.service else {
                continue;
            };
            let key = (task.cluster.clone(), service.clone());
            if let Some(deployment) = &task.deployment {
                counts
                    .deployments
                    .entry((key.clone(), deployment.clone()))
                    .or_default()
                    .count(state, task);
            }
            counts.services.entry(key).or_default().count(state, task);
        }
        counts
    }

    /// ECS's `runningCount` and `pendingCount` of a service.
    #[must_use]
    pub fn of_service(&self, service: &Service) -> (u32, u32) {
        let key = (service.cluster.clone(), service.name.clone());
        let tally = self.services.get(&key).copied().unwrap_or_default();
        (tally.running, tally.pending)
    }

    /// Those of one deployment.
    pub(super) fn of_deployment(&self, service: &Service, id: &DeploymentId) -> Tally {
        let key = (service.cluster.clone(), service.name.clone());
        let tally = self.deployments.get(&(key, id.clone()));
        tally.copied().unwrap_or_default()
    }
}

/// ECS's Service.
#[must_use]
pub fn service(state: &State, service: &Service, counts: &Counts) -> Value {
    let key = (service.cluster.clone(), service.name.clone());
    let partition = state.partition(&service.cluster);
    let tally = counts.services.get(&key).copied().unwrap_or_default();
    let mut body = kept(service);
    let deployments: Vec<Value> = service
        .deployments
        .iter()
        .enumerate()
        .map(|(index, it)| {
            let tally = counts.deployments.get(&(key.clone(), it.id.clone()));
            let tally = tally.copied().unwrap_or_default();
            let mut body_of = deployment(state, it, tally);
            ground(service, &mut body_of);
            if index == 0 {
                body_of["status"] = "PRIMARY".into();
                body_of["desiredCount"] = service.desired_count.into();
                hand_down(&mut body, &mut body_of);
            }
            body_of
        })
        .collect();
    let facts = json!({
        "serviceArn": partition.service(&service.cluster, &service.name),
        "serviceName": service.name,
        "clusterArn": partition.cluster(&service.cluster),
        "status": service.status.as_str(),
        "desiredCount": service.desired_count,
        "runningCount": tally.running,
        "pendingCount": tally.pending,
        "unreachableCount": tally.unreachable,
        "availabilityZoneRebalancing": plain(&service.availability_zone_rebalancing),
        "schedulingStrategy": plain(&service.scheduling_strategy),
        "deploymentController": {"type": "ECS"},
        "placementConstraints": service.placement_constraints,
        "placementStrategy": service.placement_strategy,
        "deployments": deployments,
        "events": events(state, service),
        "createdAt": service.created_at.as_wire_seconds(),
        "hostLossGracePeriodSeconds": service.grace_s,
        "tags": service.tags,
        "propagateTags": plain(&service.propagate_tags),
    });
    merge(&mut body, facts);
    if let Some(seconds) = service.health_check_grace_period_s {
        body["healthCheckGracePeriodSeconds"] = seconds.into();
    }
    ground(service, &mut body);
    if let Some(primary) = service.primary() {
        body["taskDefinition"] = definition_arn(state, &primary.task_definition).into();
    }
    for list in ["loadBalancers", "serviceRegistries"] {
        if body.get(list).is_none() {
            body[list] = json!([]);
        }
    }
    strip_nulls(&mut body);
    body
}

/// The members that were kept, each in its place, with the deployment configuration.
fn kept(service: &Service) -> Value {
    let mut body = json!({
        "deploymentConfiguration": service.deployment_configuration,
        "unsupported": service.unsupported,
    });
    members::restore(Shape::CreateService, &mut body);
    if let Value::Object(members) = &mut body {
        members.remove("unsupported");
        if let Some(role) = members.remove("role") {
            members.insert("roleArn".into(), role);
        }
    }
    body
}

fn hand_down(service: &mut Value, deployment: &mut Value) {
    let Value::Object(members) = service else {
        return;
    };
    for name in OF_DEPLOYMENTS {
        if let Some(value) = members.remove(name) {
            deployment[name] = value;
        }
    }
}

/// Where its tasks run: a launch type, or a capacity provider strategy in its stead.
fn ground(service: &Service, body: &mut Value) {
    if service.capacity_provider_strategy.is_empty() {
        body["launchType"] = service.launch_type.as_str().into();
    } else {
        body["capacityProviderStrategy"] = plain(&service.capacity_provider_strategy);
    }
    if service.launch_type == LaunchType::Fargate {
        body["platformVersion"] = PLATFORM_VERSION.into();
        body["platformFamily"] = PLATFORM_FAMILY.into();
    }
}

fn merge(body: &mut Value, facts: Value) {
    if let (Value::Object(into), Value::Object(facts)) = (body, facts) {
        into.extend(facts);
    }
}

fn deployment(state: &State, deployment: &Deployment, tally: Tally) -> Value {
    json!({
        "id": deployment.id,
        "status": "ACTIVE",
        "taskDefinition": definition_arn(state, &deployment.task_definition),
        "desiredCount": tally.wanted,
        "pendingCount": tally.pending,
        "runningCount": tally.running,
        "unreachableCount": tally.unreachable,
        "failedTasks": deployment.failed_tasks,
        "createdAt": deployment.created_at.as_wire_seconds(),
        "updatedAt": deployment.updated_at.as_wire_seconds(),
        "rolloutState": plain(&deployment.rollout_state),
        "rolloutStateReason": deployment.rollout_state_reason,
        "containerImages": images(deployment),
    })
}

/// Ours: what every task of the deployment runs under each image reference, and why one is not
/// pinned to a digest.
fn images(deployment: &Deployment) -> Vec<Value> {
    let images = deployment.images.iter();
    images
        .map(|(image, pin)| match &pin.digest {
            Some(digest) => json!({"image": image, "imageDigest": digest}),
            None => json!({"image": image, "reason": pin.reason()}),
        })
        .collect()
}

/// The service's latest events, newest first.
fn events(state: &State, service: &Service) -> Vec<Value> {
    state
        .events
        .iter()
        .rev()
        .filter(|event| {
            event.cluster == service.cluster && event.service.as_ref() == Some(&service.name)
        })
        .take(EVENTS_MAX)
        .map(|event| event_shape(event))
        .collect()
}

fn event_shape(event: &Event) -> Value {
    json!({
        "id": uuid(&format!("{} {}", event.at.0, event.message)),
        "createdAt": event.at.as_wire_seconds(),
        "message": event.message,
    })
}
