//! ECS's ServiceDeployment: what became of each attempt to bring a revision of a service in.
//!
//! Here a rollback is a deployment of its own. ECS tells it as the end of the deployment that
//! failed, and so do we.

use serde_json::{Value, json};

use super::service::Counts;
use super::{definition_arn, set_time};
use crate::model::service::{CIRCUIT_BREAKER, PastDeployment, RolloutState};
use crate::model::{DeploymentId, Service, State, TimeMs};
use crate::scheduler::breaker_threshold;

/// A deployment that is listed, or one of the history.
struct Told {
    past: PastDeployment,
    /// Failures in a row; no longer known of the history.
    failed_tasks: Option<u32>,
    is_primary: bool,
}

/// Every deployment of a service that is known, newest first.
fn known(service: &Service) -> Vec<Told> {
    let current = service.deployments.iter().enumerate();
    let mut all: Vec<Told> = current
        .map(|(index, it)| Told {
            past: it.clone().into(),
            failed_tasks: Some(it.failed_tasks),
            is_primary: index == 0,
        })
        .collect();
    let over = |it: &&PastDeployment| service.deployments.iter().all(|now| now.id != it.id);
    all.extend(service.history.iter().filter(over).map(|it| Told {
        past: it.clone(),
        failed_tasks: None,
        is_primary: false,
    }));
    all.sort_by_key(|it| std::cmp::Reverse(it.past.created_at));
    all
}

/// The deployment that went back from one that failed: the circuit breaker's own, or an older one
/// that it took up again.
fn rollback_of<'a>(failed: &Told, all: &'a [Told]) -> Option<&'a Told> {
    let (began, end) = (failed.past.created_at, failed.past.ended_at);
    let back = |it: &&Told| {
        let own = it.past.started_by == CIRCUIT_BREAKER && it.past.created_at == end;
        own || (it.past.created_at < began && it.past.ended_at >= end)
    };
    all.iter().filter(|_| is_failed(failed)).find(back)
}

fn is_failed(told: &Told) -> bool {
    told.past.rollout_state == RolloutState::Failed
}

/// ECS's word for how it is going.
fn status(told: &Told, all: &[Told]) -> &'static str {
    match (told.past.rollout_state, rollback_of(told, all)) {
        // It had completed, or nothing would have gone back to it.
        _ if taken_up_again(told, all) => "SUCCESSFUL",
        (RolloutState::Completed, _) => "SUCCESSFUL",
        (RolloutState::InProgress, _) if told.is_primary => "IN_PROGRESS",
        (RolloutState::InProgress, _) | (RolloutState::Failed, None) => "STOPPED",
        (RolloutState::Failed, Some(back)) => match back.past.rollout_state {
            RolloutState::Completed => "ROLLBACK_SUCCESSFUL",
            RolloutState::InProgress if back.is_primary => "ROLLBACK_IN_PROGRESS",
            _ => "ROLLBACK_FAILED",
        },
    }
}

/// A service's deployments as ECS lists them, newest first, each with its ARN.
#[must_use]
pub fn service_deployments(state: &State, service: &Service) -> Vec<(String, Value)> {
    let all = known(service);
    let listed = all
        .iter()
        .filter(|it| it.past.started_by != CIRCUIT_BREAKER);
    listed
        .map(|told| {
            let body = brief(state, service, told, &all);
            let arn = body["serviceDeploymentArn"].as_str().unwrap_or_default();
            (arn.to_owned(), body)
        })
        .collect()
}

/// ECS's ServiceDeploymentBrief.
fn brief(state: &State, service: &Service, told: &Told, all: &[Told]) -> Value {
    let partition = state.partition(&service.cluster);
    let (cluster, name, it) = (&service.cluster, &service.name, &told.past);
    let status = status(told, all);
    let mut body = json!({
        "serviceDeploymentArn": partition.service_deployment(cluster, name, &it.id),
        "serviceArn": partition.service(cluster, name),
        "clusterArn": partition.cluster(cluster),
        "createdAt": it.created_at.as_wire_seconds(),
        "startedAt": it.created_at.as_wire_seconds(),
        "targetServiceRevisionArn": partition.service_revision(cluster, name, &it.id),
        "status": status,
        "statusReason": it.rollout_state_reason,
    });
    let end = match (status, rollback_of(told, all)) {
        ("ROLLBACK_SUCCESSFUL", Some(back)) => Some(back.past.ended_at),
        // An older one that was taken up again: when it first completed is no longer known.
        ("SUCCESSFUL", _) => Some(it.ended_at).filter(|_| !taken_up_again(told, all)),
        _ => None,
    };
    set_time(&mut body, "finishedAt", end);
    body
}

fn taken_up_again(told: &Told, all: &[Told]) -> bool {
    let mut backs = all.iter().filter_map(|other| rollback_of(other, all));
    backs.any(|back| back.past.id == told.past.id)
}

/// ECS's ServiceDeployment of that id. `taskDefinition` and `startedBy` are ours.
#[must_use]
pub fn service_deployment(
    state: &State,
    service: &Service,
    id: &str,
    counts: &Counts,
) -> Option<Value> {
    let all = known(service);
    let at = all.iter().position(|it| it.past.id.digits() == id)?;
    let told = all.get(at)?;
    if told.past.started_by == CIRCUIT_BREAKER {
        return None;
    }
    let it = &told.past;
    let mut body = brief(state, service, told, &all);
    if let Value::Object(members) = &mut body {
        members.remove("targetServiceRevisionArn");
    }
    let summary = |id: &DeploymentId, requested: Option<u32>| {
        let tally = counts.of_deployment(service, id);
        let partition = state.partition(&service.cluster);
        json!({
            "arn": partition.service_revision(&service.cluster, &service.name, id),
            "requestedTaskCount": requested.unwrap_or(tally.wanted),
            "runningTaskCount": tally.running,
            "pendingTaskCount": tally.pending,
        })
    };
    let wanted = told.is_primary.then_some(service.desired_count);
    body["targetServiceRevision"] = summary(&it.id, wanted);
    let before = all
        .iter()
        .skip(at + 1)
        .find(|older| status(older, &all) == "SUCCESSFUL");
    let sources = before.map(|older| summary(&older.past.id, None));
    body["sourceServiceRevisions"] = sources.into_iter().collect();
    body["updatedAt"] = it.ended_at.as_wire_seconds().into();
    body["taskDefinition"] = definition_arn(state, &it.task_definition).into();
    body["startedBy"] = it.started_by.as_str().into();
    let stopped = Some(it.ended_at).filter(|_| body["status"] == "STOPPED");
    set_time(&mut body, "stoppedAt", stopped);
    if let Some(back) = rollback_of(told, &all) {
        body["rollback"] = rollback(state, service, back, it.ended_at);
    }
    if let Some(failed) = told.failed_tasks {
        body["deploymentConfiguration"] = super::plain(&service.deployment_configuration);
        body["deploymentCircuitBreaker"] = breaker(service, it.rollout_state, failed);
    }
    Some(body)
}

fn rollback(state: &State, service: &Service, back: &Told, at: TimeMs) -> Value {
    let partition = state.partition(&service.cluster);
    let (cluster, name) = (&service.cluster, &service.name);
    json!({
        "reason": back.past.rollout_state_reason,
        "startedAt": at.as_wire_seconds(),
        "serviceRevisionArn": partition.service_revision(cluster, name, &back.past.id),
    })
}

fn breaker(service: &Service, went: RolloutState, failed: u32) -> Value {
    let on = service
        .deployment_configuration
        .deployment_circuit_breaker
        .enable;
    let status = match went {
        _ if !on => "DISABLED",
        RolloutState::InProgress => "MONITORING",
        RolloutState::Completed => "MONITORING_COMPLETE",
        RolloutState::Failed => "TRIGGERED",
    };
    json!({
        "status": status,
        "failureCount": failed,
        "threshold": breaker_threshold(service.desired_count),
    })
}
