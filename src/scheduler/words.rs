//! Events in ECS's words.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::event::{Event, EventKind, Severity};
use crate::model::service::{Backoff, Deployment, Service};
use crate::model::{DeploymentId, InstanceName, TaskId, TimeMs};

/// So many tasks are named in one event; the rest are counted.
const NAMED_MAX: usize = 10;

fn event(service: &Service, severity: Severity, kind: EventKind, now: TimeMs, say: &str) -> Event {
    Event {
        at: now,
        severity,
        kind,
        cluster: service.cluster.clone(),
        service: Some(service.name.clone()),
        task: None,
        instance: None,
        audit: None,
        message: format!("(service {}) {say}", service.name),
    }
}

fn list(tasks: &[TaskId]) -> String {
    let mut parts: Vec<String> = tasks
        .iter()
        .take(NAMED_MAX)
        .map(|id| format!("(task {id})"))
        .collect();
    if tasks.len() > NAMED_MAX {
        parts.push(format!("and {} more", tasks.len() - NAMED_MAX));
    }
    parts.join(" ")
}

/// `1 minute`, `12 minutes`: what is begun counts whole.
pub(crate) fn minutes(ms: u64) -> String {
    match ms.div_ceil(60_000) {
        1 => "1 minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    }
}

fn tasks(count: usize) -> String {
    if count == 1 {
        "1 task".to_owned()
    } else {
        format!("{count} tasks")
    }
}

/// The task an event is about, if it is about one only.
fn about(mut event: Event, ids: &[TaskId]) -> Event {
    if let [id] = ids {
        event.task = Some(*id);
    }
    event
}

pub(crate) fn started(service: &Service, ids: &[TaskId], now: TimeMs) -> Event {
    let say = format!("has started {}: {}.", tasks(ids.len()), list(ids));
    about(
        event(service, Severity::Info, EventKind::Task, now, &say),
        ids,
    )
}

pub(crate) fn stopped(service: &Service, ids: &[TaskId], why: &str, now: TimeMs) -> Event {
    let say = format!(
        "has stopped {}: {} because {why}.",
        tasks(ids.len()).replace("task", "running task"),
        list(ids)
    );
    about(
        event(service, Severity::Info, EventKind::Task, now, &say),
        ids,
    )
}

pub(crate) fn given_up(
    service: &Service,
    instance: &InstanceName,
    ids: &[TaskId],
    now: TimeMs,
) -> Event {
    let say = format!(
        "no longer wants {} lost on (instance {instance}): {}.",
        tasks(ids.len()),
        list(ids)
    );
    Event {
        instance: Some(instance.clone()),
        ..about(
            event(service, Severity::Info, EventKind::Task, now, &say),
            ids,
        )
    }
}

pub(crate) fn lost(
    service: &Service,
    instance: &InstanceName,
    ids: &[TaskId],
    now: TimeMs,
) -> Event {
    let say = format!(
        "has lost {} on (instance {instance}), which has not answered for {} seconds: {}.",
        tasks(ids.len()),
        service.grace_s,
        list(ids)
    );
    Event {
        instance: Some(instance.clone()),
        ..about(
            event(service, Severity::Warning, EventKind::Task, now, &say),
            ids,
        )
    }
}

pub(crate) fn found(
    service: &Service,
    instance: &InstanceName,
    ids: &[TaskId],
    now: TimeMs,
) -> Event {
    let say = format!(
        "has found {} again on (instance {instance}): {}.",
        tasks(ids.len()),
        list(ids)
    );
    Event {
        instance: Some(instance.clone()),
        ..about(
            event(service, Severity::Info, EventKind::Task, now, &say),
            ids,
        )
    }
}

pub(crate) fn unconfirmed(service: &Service, ids: &[TaskId], now: TimeMs) -> Event {
    let say = format!(
        "does not wait for the stop of {} on instances that have not answered for {} seconds: {}. What they hold stays held until their instances answer, or are taken out of the configuration.",
        tasks(ids.len()),
        service.grace_s,
        list(ids)
    );
    about(
        event(service, Severity::Warning, EventKind::Task, now, &say),
        ids,
    )
}

pub(crate) fn held(service: &Service, ids: &[TaskId], left_ms: u64, now: TimeMs) -> Event {
    let minutes = minutes(left_ms);
    let say = format!(
        "was unable to scale in due to task protection of {}: {}; the next protection ends in {minutes}.",
        tasks(ids.len()),
        list(ids)
    );
    about(
        event(service, Severity::Info, EventKind::Task, now, &say),
        ids,
    )
}

pub(crate) fn steady(service: &Service, now: TimeMs) -> Event {
    let say = "has reached a steady state.";
    event(service, Severity::Info, EventKind::Service, now, say)
}

pub(crate) fn completed(service: &Service, id: &DeploymentId, now: TimeMs) -> Event {
    let say = format!("(deployment {id}) deployment completed.");
    event(service, Severity::Info, EventKind::Deployment, now, &say)
}

pub(crate) fn deployment_failed(
    service: &Service,
    id: &DeploymentId,
    failed: u32,
    now: TimeMs,
) -> Event {
    let say =
        format!("(deployment {id}) deployment failed: {failed} of its tasks failed to start.");
    event(service, Severity::Error, EventKind::Deployment, now, &say)
}

pub(crate) fn rolling_back(
    service: &Service,
    from: &DeploymentId,
    to: &Deployment,
    now: TimeMs,
) -> Event {
    let say = format!(
        "(deployment {from}) is rolled back to (deployment {}), {}.",
        to.id, to.task_definition
    );
    event(service, Severity::Warning, EventKind::Deployment, now, &say)
}

pub(crate) fn unplaced(service: &Service, message: &str, now: TimeMs) -> Event {
    Event {
        message: message.to_owned(),
        ..event(service, Severity::Warning, EventKind::Service, now, "")
    }
}

pub(crate) fn backing_off(service: &Service, delay_ms: u64, now: TimeMs) -> Event {
    let seconds = delay_ms / 1000;
    let seconds = if seconds == 1 {
        "1 second".to_owned()
    } else {
        format!("{seconds} seconds")
    };
    let say = format!(
        "is unable to consistently start tasks successfully: {}; the next start is in {seconds}.",
        Backoff::in_a_row(service.backoff.failures)
    );
    event(service, Severity::Warning, EventKind::Service, now, &say)
}

pub(crate) fn deleted(service: &Service, now: TimeMs) -> Event {
    let say = "has stopped all its tasks and is now INACTIVE.";
    event(service, Severity::Info, EventKind::Service, now, say)
}

/// `3 tasks in a, 0 tasks in b`
fn by_zone(counts: &BTreeMap<String, u32>) -> String {
    let each = counts.iter().map(|(zone, count)| {
        let zone = if zone.is_empty() { "no zone" } else { zone };
        format!("{} in {zone}", tasks(*count as usize))
    });
    each.collect::<Vec<_>>().join(", ")
}

pub(crate) fn unbalanced(service: &Service, counts: &BTreeMap<String, u32>, now: TimeMs) -> Event {
    let zones = by_zone(counts);
    let say = format!("is not zone balanced: {zones}. Zone rebalancing is in progress.");
    event(service, Severity::Info, EventKind::Service, now, &say)
}

/// The end of a rebalancing; `even` if the zones are.
///
/// `last` are the instances that are tried last, because tasks failed there.
pub(crate) fn rebalanced(
    service: &Service,
    counts: &BTreeMap<String, u32>,
    even: bool,
    last: &BTreeSet<InstanceName>,
    now: TimeMs,
) -> Event {
    let zones = by_zone(counts);
    let names: Vec<&str> = last.iter().map(InstanceName::as_str).collect();
    let but = match names.is_empty() {
        true => String::new(),
        false => format!(
            ", or only one where tasks failed of late ({})",
            names.join(", ")
        ),
    };
    let say = match even {
        true => format!("is zone balanced: {zones}."),
        false => format!(
            "cannot be zone balanced any further: {zones}; no instance of an emptier zone takes a task{but}."
        ),
    };
    event(service, Severity::Info, EventKind::Service, now, &say)
}

/// A task that was started to balance zones failed.
pub(crate) fn move_failed(service: &Service, delay_ms: u64, now: TimeMs) -> Event {
    let minutes = minutes(delay_ms);
    let say = format!(
        "cannot be zone balanced yet: the task started for it failed, and none was stopped; the next try is in {minutes}."
    );
    event(service, Severity::Warning, EventKind::Service, now, &say)
}
