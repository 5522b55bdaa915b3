//! What a list's rows say, column by column, as its filter sees them.

use crate::model::Event;

use super::super::filter::Filter;
use super::super::fleet::{InstanceRow, ServiceRow, TaskRow};
use super::super::state::{Model, Pane};
use super::super::view::{services, tasks};

const SERVICES: &[&str] = &[
    "SERVICE",
    "CLUSTER",
    "REGION",
    "STATE",
    "DEFINITION",
    "ZONES",
    "RUN",
];
const TASKS: &[&str] = &[
    "TASK",
    "STATE",
    "SERVICE",
    "CLUSTER",
    "REGION",
    "DEFINITION",
    "INSTANCE",
    "ZONE",
    "HEALTH",
    "PORTS",
    "WHY",
];
const INSTANCES: &[&str] = &[
    "INSTANCE", "CLUSTER", "REGION", "STATE", "ZONE", "DOCKER", "ENDPOINT", "TASKS",
];
const EVENTS: &[&str] = &[
    "MESSAGE", "SEVERITY", "KIND", "CLUSTER", "SERVICE", "TASK", "INSTANCE",
];

/// The heads of a list's columns.
pub(super) fn heads(pane: Pane) -> &'static [&'static str] {
    match pane {
        Pane::Services => SERVICES,
        Pane::Tasks => TASKS,
        Pane::Instances => INSTANCES,
        Pane::Events => EVENTS,
    }
}

fn words(thing: Option<impl ToString>) -> String {
    thing.map(|it| it.to_string()).unwrap_or_default()
}

pub(super) fn service_passes(filter: &Filter, model: &Model, row: &ServiceRow) -> bool {
    let service = &row.service;
    let definition = || words(service.primary().map(|d| &d.task_definition));
    let whole = || {
        let status = service.status.as_str();
        format!("{} {status} {}", service.name, definition())
    };
    let cell = |at: usize| match SERVICES[at] {
        "SERVICE" => service.name.to_string(),
        "CLUSTER" => service.cluster.to_string(),
        "REGION" => model.clusters.region(&service.cluster).to_owned(),
        "STATE" => services::state(row),
        "DEFINITION" => definition(),
        "ZONES" => row.zones.keys().cloned().collect::<Vec<_>>().join(" "),
        _ => format!("{}/{}", row.tally.up(), service.desired_count),
    };
    filter.passes(whole, cell, SERVICES.len())
}

pub(super) fn task_passes(filter: &Filter, model: &Model, row: &TaskRow) -> bool {
    let task = &row.task;
    let whole = || {
        format!(
            "{} {} {} {} {:?} {} {}",
            task.id,
            task.group,
            task.task_definition,
            task.last_status.as_str(),
            row.stage,
            task.whereabouts(),
            task.stopped_reason.as_deref().unwrap_or_default(),
        )
    };
    let cell = |at: usize| match TASKS[at] {
        "TASK" => task.id.to_string(),
        "CLUSTER" => task.cluster.to_string(),
        "REGION" => model.clusters.region(&task.cluster).to_owned(),
        "STATE" => tasks::state(model, row),
        "SERVICE" => words(task.service.as_ref()),
        "DEFINITION" => task.task_definition.to_string(),
        "INSTANCE" => task.whereabouts().to_string(),
        "ZONE" => {
            let host = model.fleet.instance(&task.instance);
            words(host.map(|row| row.instance.zone()))
        }
        "HEALTH" => tasks::checked_health(task)
            .map(|health| format!("{health:?}"))
            .unwrap_or_default(),
        "PORTS" => tasks::ports(task),
        _ => tasks::why(task),
    };
    filter.passes(whole, cell, TASKS.len())
}

pub(super) fn instance_passes(filter: &Filter, model: &Model, row: &InstanceRow) -> bool {
    let instance = &row.instance;
    let status = instance.status.as_str();
    let whole = || {
        let lost = if instance.is_connected() {
            ""
        } else {
            "LOST disconnected"
        };
        let mut text = format!("{} {} {status} {lost}", instance.name, instance.endpoint);
        for (name, value) in &instance.attributes {
            text.push_str(&format!(" {name}={value}"));
        }
        text
    };
    let cell = |at: usize| match INSTANCES[at] {
        "INSTANCE" => instance.name.to_string(),
        "CLUSTER" => instance.cluster.to_string(),
        "REGION" => model.clusters.region(&instance.cluster).to_owned(),
        "STATE" if !instance.is_connected() => format!("LOST {status}"),
        "STATE" => status.to_owned(),
        "ZONE" => instance.zone().to_owned(),
        "DOCKER" => instance.docker_version.clone(),
        "ENDPOINT" => instance.endpoint.clone(),
        _ => row.tally.live().to_string(),
    };
    filter.passes(whole, cell, INSTANCES.len())
}

pub(super) fn event_passes(filter: &Filter, event: &Event) -> bool {
    let cell = |at: usize| match EVENTS[at] {
        "MESSAGE" => event.message.clone(),
        "SEVERITY" => format!("{:?}", event.severity),
        "KIND" => format!("{:?}", event.kind),
        "CLUSTER" => event.cluster.to_string(),
        "SERVICE" => words(event.service.as_ref()),
        "TASK" => words(event.task),
        _ => words(event.instance.as_ref()),
    };
    filter.passes(|| event.message.clone(), cell, EVENTS.len())
}
