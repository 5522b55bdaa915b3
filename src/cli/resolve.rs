//! From what was typed to what is meant, with a clear word when it is nothing or too much.

use std::sync::Arc;

use super::error::{CliError, CliResult};
use crate::document::nearest;
use crate::model::arn::short_name;
use crate::model::state::NoDefinition;
use crate::model::{
    ClusterName, Family, Instance, InstanceName, Service, ServiceName, ServiceStatus, State, Task,
    TaskDefinition, TaskDefinitionId,
};

/// How many candidates an ambiguity names.
const CANDIDATES_MAX: usize = 8;

/// What a TARGET can be.
#[derive(Clone, Debug)]
pub enum Target {
    /// A service.
    Service(Arc<Service>),
    /// A task.
    Task(Arc<Task>),
}

fn missing(what: &str, name: &str, near: Option<&str>, list: &str) -> CliError {
    CliError::Usage(match near {
        Some(near) => format!("there is no {what} \"{name}\"; did you mean \"{near}\"?"),
        None => format!("there is no {what} \"{name}\"; {list} lists them"),
    })
}

/// The cluster that `--cluster` names.
///
/// # Errors
/// [`CliError::Usage`] with the nearest name when there is none.
pub fn cluster(state: &State, name: &str) -> CliResult<ClusterName> {
    let name = short_name(name);
    match state
        .clusters
        .keys()
        .find(|cluster| cluster.as_str() == name)
    {
        Some(cluster) => Ok(cluster.clone()),
        None => {
            let names = state.clusters.keys().map(ClusterName::as_str);
            Err(missing(
                "cluster",
                name,
                nearest(name, names),
                "qd cluster ls",
            ))
        }
    }
}

/// The services of a cluster, those deleted and gone left out.
pub fn services<'a>(
    state: &'a State,
    cluster: &'a ClusterName,
) -> impl Iterator<Item = &'a Arc<Service>> {
    state.services.values().filter(move |service| {
        &service.cluster == cluster && service.status != ServiceStatus::Inactive
    })
}

/// A service by its name.
///
/// # Errors
/// [`CliError::Usage`] with the nearest name when there is none.
pub fn service(state: &State, cluster: &ClusterName, name: &str) -> CliResult<Arc<Service>> {
    let name = short_name(name);
    services(state, cluster)
        .find(|service| service.name.as_str() == name)
        .cloned()
        .ok_or_else(|| {
            let names = services(state, cluster).map(|service| service.name.as_str());
            let what = format!("service in cluster {cluster} called");
            missing(&what, name, nearest(name, names), "qd service ls")
        })
}

/// An instance by its name.
///
/// # Errors
/// [`CliError::Usage`] with the nearest name when there is none.
pub fn instance(state: &State, name: &str) -> CliResult<Arc<Instance>> {
    let name = short_name(name);
    let found = state.instances.values().find(|it| it.name.as_str() == name);
    found.cloned().ok_or_else(|| {
        let names = state.instances.values().map(|it| it.name.as_str());
        missing("instance", name, nearest(name, names), "qd instance ls")
    })
}

/// The instances of a zone.
///
/// # Errors
/// [`CliError::Usage`] with the nearest zone when it has none.
pub fn zone(state: &State, zone: &str) -> CliResult<Vec<InstanceName>> {
    let there = state.instances.values().filter(|it| it.zone() == zone);
    let names: Vec<InstanceName> = there.map(|it| it.name.clone()).collect();
    if names.is_empty() {
        let near = nearest(zone, state.instances.values().map(|it| it.zone()));
        return Err(missing("zone", zone, near, "qd instance ls"));
    }
    Ok(names)
}

/// A task by its id or the beginning of it.
///
/// # Errors
/// [`CliError::Usage`] when no task, or more than one, begins so.
pub fn task(state: &State, cluster: &ClusterName, prefix: &str) -> CliResult<Arc<Task>> {
    match tasks(state, cluster, prefix)?.as_slice() {
        [] => Err(missing("task", prefix, None, "qd task ls --all")),
        [task] => Ok(task.clone()),
        many => Err(ambiguous(prefix, many)),
    }
}

/// The tasks whose id begins so, those that run before those that stopped.
fn tasks(state: &State, cluster: &ClusterName, prefix: &str) -> CliResult<Vec<Arc<Task>>> {
    let prefix = short_name(prefix).to_lowercase();
    if prefix.is_empty() {
        return Err(CliError::Usage("an empty task id says nothing".into()));
    }
    Ok(state
        .tasks
        .values()
        .filter(|task| &task.cluster == cluster && task.id.to_string().starts_with(&prefix))
        .cloned()
        .collect())
}

fn ambiguous(prefix: &str, tasks: &[Arc<Task>]) -> CliError {
    let mut lines = vec![format!(
        "\"{prefix}\" is the beginning of {} tasks; type more of the one you mean:",
        tasks.len()
    )];
    for task in tasks.iter().take(CANDIDATES_MAX) {
        lines.push(format!(
            "  {}  {}  {}",
            task.id,
            task.group,
            task.last_status.as_str()
        ));
    }
    if tasks.len() > CANDIDATES_MAX {
        lines.push(format!("  and {} more", tasks.len() - CANDIDATES_MAX));
    }
    CliError::Usage(lines.join("\n"))
}

/// A service by its name, else a task by its id or the beginning of it.
///
/// # Errors
/// [`CliError::Usage`] when it is nothing or more than one thing.
pub fn target(state: &State, cluster: &ClusterName, text: &str) -> CliResult<Target> {
    let named = service(state, cluster, text);
    if let Ok(service) = named {
        return Ok(Target::Service(service));
    }
    let hex = short_name(text).bytes().all(|b| b.is_ascii_hexdigit());
    let found = if hex {
        tasks(state, cluster, text)?
    } else {
        Vec::new()
    };
    match found.as_slice() {
        [task] => Ok(Target::Task(task.clone())),
        [] => {
            let names = services(state, cluster).map(|service| service.name.as_str());
            Err(missing(
                "service or task",
                text,
                nearest(text, names),
                "qd service ls and qd task ls",
            ))
        }
        many => Err(ambiguous(text, many)),
    }
}

/// The ACTIVE task definition that something new is to start from: `FAMILY` is its newest,
/// `FAMILY:REVISION` that one.
///
/// # Errors
/// [`CliError::Usage`] with the nearest family when there is none, or it is INACTIVE.
pub fn active_definition(state: &State, text: &str) -> CliResult<Arc<TaskDefinition>> {
    match state.named_definition(short_name(text)) {
        Ok(found) => Ok(found.clone()),
        Err(NoDefinition::Unknown) => definition(state, text),
        Err(none) => Err(CliError::Usage(none.to_string())),
    }
}

/// A task definition to look at, INACTIVE ones too, by `FAMILY` (its newest ACTIVE revision) or
/// `FAMILY:REVISION`.
///
/// # Errors
/// [`CliError::Usage`] with the nearest family when there is none.
pub fn definition(state: &State, text: &str) -> CliResult<Arc<TaskDefinition>> {
    let text = short_name(text);
    let found = if text.contains(':') {
        let id: TaskDefinitionId = text
            .parse()
            .map_err(|error: crate::model::id::IdError| CliError::Usage(error.to_string()))?;
        state.task_definitions.get(&id)
    } else {
        Family::new(text)
            .ok()
            .and_then(|family| state.latest_definition(&family))
    };
    found.cloned().ok_or_else(|| {
        let family = text.split(':').next().unwrap_or(text);
        let families: Vec<&str> = state
            .task_definitions
            .keys()
            .map(|id| id.family.as_str())
            .collect();
        if let Some(known) = families.iter().find(|name| **name == family) {
            let list = format!("qd taskdef ls {known} --all");
            return missing("ACTIVE revision of task definition", text, None, &list);
        }
        missing(
            "task definition",
            text,
            nearest(family, families),
            "qd taskdef ls",
        )
    })
}

/// A service's name, as text or from an ARN.
///
/// # Errors
/// [`CliError::Usage`] when it is no valid name.
pub fn service_name(text: &str) -> CliResult<ServiceName> {
    ServiceName::new(short_name(text)).map_err(|error| CliError::Usage(error.to_string()))
}
