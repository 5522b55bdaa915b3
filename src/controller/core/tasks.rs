//! RegisterTaskDefinition, DeregisterTaskDefinition, RunTask, StopTask.

use std::sync::Arc;

use super::derive::ask_stop;
use super::find::{self, client, invalid};
use super::ground::{self, Chosen};
use super::observe::{place, words};
use super::purge;
use super::services::expressions;
use super::work::Work;
use crate::controller::command::{
    CommandError, DeregisterTaskDefinition, ErrorKind, Failure, RegisterTaskDefinition, Response,
    RunTask, StopTask,
};
use crate::model::parameters::TaskOverride;
use crate::model::tag::{self, PropagateTags};
use crate::model::task_definition::TaskDefinitionStatus;
use crate::model::{
    Change, ClusterName, DesiredStatus, Rare, StopCode, Task, TaskDefinition, validate,
};
use crate::scheduler::{self, PlaceRequest, Placed};

/// ECS's limit for the tasks of one RunTask.
const RUN_COUNT_MAX: u32 = 10;
/// ECS's limit for the text of a `startedBy` or a `group`, in characters.
const TEXT_MAX: usize = 255;
/// ECS's limit for the reason of a StopTask, in characters.
const REASON_MAX: usize = 1024;

pub(super) fn register(
    work: &mut Work,
    request: RegisterTaskDefinition,
    who: &str,
) -> Result<Response, CommandError> {
    let mut faults = request.faults();
    faults.extend(expressions(&request.placement_constraints));
    find::refuse(ErrorKind::ClientException, &faults)?;
    let revision = work.state.next_revision(&request.family);
    let definition = Arc::new(request.definition(revision, work.now));
    work.put(Change::TaskDefinition(definition.clone()));
    let message = format!(
        "(task definition {}) was registered by {who}.",
        definition.id()
    );
    work.operator(&ClusterName::default_cluster(), message);
    purge::definitions(work, &definition.family);
    Ok(Response::TaskDefinition(definition))
}

pub(super) fn deregister(
    work: &mut Work,
    request: &DeregisterTaskDefinition,
    who: &str,
) -> Result<Response, CommandError> {
    let definition = find::exact_definition(work, &request.task_definition)?;
    let id = definition.id();
    if definition.status == TaskDefinitionStatus::Inactive {
        return Err(client(format!(
            "The specified task definition is inactive: {id} was deregistered before."
        )));
    }
    let mut definition = (*definition).clone();
    definition.status = TaskDefinitionStatus::Inactive;
    let definition = Arc::new(definition);
    work.put(Change::TaskDefinition(definition.clone()));
    work.operator(
        &ClusterName::default_cluster(),
        format!("(task definition {id}) was deregistered by {who}."),
    );
    Ok(Response::TaskDefinition(definition))
}

pub(super) fn run(work: &mut Work, request: &RunTask, who: &str) -> Result<Response, CommandError> {
    let cluster = find::cluster(work, request.cluster.as_deref(), "")?;
    if let Some(token) = &request.client_token {
        let same = |task: &&Arc<Task>| {
            task.cluster == cluster && task.client_token.as_deref() == Some(token)
        };
        let known: Vec<_> = work.state.tasks.values().filter(same).cloned().collect();
        if !known.is_empty() {
            return Ok(Response::Tasks(known, Vec::new()));
        }
    }
    let Ready {
        definition,
        overrides,
        chosen,
    } = ready(work, &cluster, request)?;
    let tags = match request.propagate_tags {
        PropagateTags::TaskDefinition => tag::merged(&definition.tags, &request.tags),
        _ => request.tags.clone(),
    };
    let group = request
        .group
        .clone()
        .unwrap_or_else(|| format!("family:{}", definition.family));
    let placement = scheduler::place_with(
        &mut work.index,
        &work.state,
        work.now,
        &PlaceRequest {
            cluster: &cluster,
            definition: &definition,
            group: &group,
            constraints: &request.placement_constraints,
            strategies: &request.placement_strategy,
            launch_type: chosen.launch_type,
            capacity_provider_strategy: &chosen.strategy,
            count: request.count,
        },
    );
    // One text for all that are equal: there may be very many tasks.
    let group = work.index.shared(&group);
    let tags = Rare::from(tags);
    let started_by = (work.index).shared(request.started_by.as_deref().unwrap_or(who));
    let client_token: Option<Arc<str>> = request.client_token.as_deref().map(Into::into);
    let unplaced = placement.unplaced;
    let mut tasks = Vec::new();
    for placed in placement.placed {
        let mut task = born(work, &cluster, &definition, placed);
        task.group.clone_from(&group);
        task.started_by.clone_from(&started_by);
        task.launch_type = chosen.launch_type;
        task.client_token.clone_from(&client_token);
        task.overrides.clone_from(&overrides);
        task.tags.clone_from(&tags);
        tasks.push(work.put_task(task));
    }
    let smallest =
        (unplaced > 0).then(|| smallest(work, (&cluster, &chosen), &definition, &group, request));
    let detail = detail(&placement.message, &placement.refusals, smallest.flatten());
    let failures: Vec<Failure> = (0..unplaced)
        .map(|_| Failure {
            arn: work
                .state
                .partition(&cluster)
                .task_definition(&definition.id()),
            reason: placement.failure.unwrap_or("RESOURCE").to_owned(),
            detail: detail.clone(),
        })
        .collect();
    for task in &tasks {
        let message = format!(
            "{} of {} was run by {who} on {}: {}",
            words(task),
            task.task_definition,
            place(task),
            task.placement
        );
        work.operator(&**task, message);
    }
    Ok(Response::Tasks(tasks, failures))
}

/// What a RunTask comes to before places are looked for.
pub(super) struct Ready {
    /// As the tasks run it, overrides included.
    definition: Arc<TaskDefinition>,
    overrides: Option<Arc<TaskOverride>>,
    chosen: Chosen,
}

/// Refuses what could never run, wherever there is room.
pub(super) fn ready(
    work: &Work,
    cluster: &ClusterName,
    request: &RunTask,
) -> Result<Ready, CommandError> {
    check(request)?;
    let written = find::definition(work, &request.task_definition)?;
    if let Some(overrides) = &request.overrides {
        let faults = overrides.faults(&written);
        find::refuse(ErrorKind::InvalidParameterException, &faults)?;
    }
    let overrides = request.overrides.clone().filter(|it| !it.is_empty());
    let definition = match &overrides {
        None => written,
        Some(overrides) => Arc::new(written.with_overrides(overrides)),
    };
    find::granted(work, &definition, overrides.as_ref())?;
    let chosen = ground::choose(
        work,
        cluster,
        request.launch_type,
        &request.capacity_provider_strategy,
    )?;
    ground::check(
        chosen.launch_type,
        &definition,
        &request.placement_constraints,
        &request.placement_strategy,
    )?;
    Ok(Ready {
        definition,
        overrides: overrides.map(Arc::new),
        chosen,
    })
}

fn check(request: &RunTask) -> Result<(), CommandError> {
    if !(1..=RUN_COUNT_MAX).contains(&request.count) {
        return Err(invalid(format!(
            "count: {} is out of range; 1 to {RUN_COUNT_MAX} tasks can be run at once. For more, \
             run again or make a service.",
            request.count
        )));
    }
    for (member, text) in [
        ("group", &request.group),
        ("startedBy", &request.started_by),
    ] {
        if text.as_ref().is_some_and(|t| t.chars().count() > TEXT_MAX) {
            return Err(invalid(format!(
                "{member}: at most {TEXT_MAX} characters are allowed."
            )));
        }
    }
    if request
        .group
        .as_ref()
        .is_some_and(|group| group.starts_with("service:"))
    {
        return Err(invalid(
            "group: groups that begin with service: belong to services; choose another name.",
        ));
    }
    if request.propagate_tags == PropagateTags::Service {
        return Err(invalid(
            "propagateTags: a task that is run by hand has no service; TASK_DEFINITION or NONE",
        ));
    }
    let mut faults = tag::faults("tags", &request.tags);
    faults.extend(validate::placement(
        &request.placement_constraints,
        &request.placement_strategy,
    ));
    faults.extend(expressions(&request.placement_constraints));
    find::refuse(ErrorKind::InvalidParameterException, &faults)
}

/// What would have to change for one more to find a place.
fn smallest(
    work: &Work,
    (cluster, chosen): (&ClusterName, &Chosen),
    definition: &TaskDefinition,
    group: &str,
    request: &RunTask,
) -> Option<String> {
    let overrides = request.overrides.as_ref();
    let place = PlaceRequest {
        cluster,
        definition,
        group,
        constraints: &request.placement_constraints,
        strategies: &request.placement_strategy,
        launch_type: chosen.launch_type,
        capacity_provider_strategy: &chosen.strategy,
        count: 1,
    };
    let smallest = scheduler::explain::smallest_for(&work.state, work.now, &place, overrides)?;
    Some(format!("Smallest change: {}", smallest.sentence))
}

fn detail(
    message: &str,
    refusals: &[crate::model::service::Refusal],
    smallest: Option<String>,
) -> String {
    let each = refusals
        .iter()
        .map(|refusal| format!("{}: {}", refusal.instance, refusal.reasons.join("; ")));
    let each: Vec<String> = each.chain(smallest).collect();
    if each.is_empty() {
        return message.to_owned();
    }
    format!("{message}\n{}", each.join("\n"))
}

fn born(work: &mut Work, cluster: &ClusterName, definition: &TaskDefinition, at: Placed) -> Task {
    Task {
        containers: scheduler::containers(definition),
        resources: definition.resources(),
        placement: at.reason,
        capacity_provider: at.capacity_provider,
        ..Task::new(
            work.ids.task_id(),
            cluster.clone(),
            at.instance,
            definition.id(),
            work.now,
        )
    }
}

pub(super) fn stop(
    work: &mut Work,
    request: &StopTask,
    who: &str,
) -> Result<Response, CommandError> {
    let cluster = find::cluster(work, request.cluster.as_deref(), &request.task)?;
    let before = find::task(work, &cluster, &request.task)?;
    if before.desired_status == DesiredStatus::Stopped {
        return Ok(Response::Task(before));
    }
    let reason = match request.reason.as_deref().map(str::trim) {
        Some(reason) if reason.chars().count() > REASON_MAX => {
            return Err(invalid(format!(
                "reason: at most {REASON_MAX} characters are allowed."
            )));
        }
        Some(reason) if !reason.is_empty() => reason.to_owned(),
        _ => format!("Task stopped by {who}"),
    };
    let mut task = (*before).clone();
    ask_stop(&mut task, StopCode::UserInitiated, reason.clone(), work.now);
    let task = work.put_task(task);
    let why = request
        .reason
        .as_ref()
        .map_or(String::new(), |_| format!(": {reason}"));
    let message = format!("{} was told to stop by {who}{why}.", words(&task));
    work.operator(&*task, message);
    Ok(Response::Task(task))
}
