//! Stopped tasks are kept for a while, for their logs and reasons, then forgotten.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::work::Work;
use crate::model::arn::short_name;
use crate::model::{
    Change, ClusterName, EventKind, Family, Service, ServiceStatus, Severity, State,
    TaskDefinitionId, TaskId, TimeMs,
};
use crate::scheduler::{BAD_HOST_WINDOW_MS, has_failed};

/// How long a stopped task is kept, in milliseconds.
pub(super) const STOPPED_KEPT_MS: u64 = 3_600_000;
/// How many stopped tasks of one service, or of one family run by hand, are kept.
pub(super) const STOPPED_KEPT_MAX: usize = 20;
/// Beyond that, those that failed of late are kept among the newest so many.
const FAILED_KEPT_MAX: usize = 200;

/// How many revisions of a family are kept; more only while they are in use. (ECS keeps all of
/// them, and a registry has one for each build: it is far more than anybody goes back.)
pub(super) const REVISIONS_KEPT_MAX: usize = 500;

/// Forgets what is too old or too many; tells when the next one is due. A task whose stop is not
/// confirmed still holds what it holds, and is never forgotten.
pub(super) fn purge(work: &mut Work) -> Option<TimeMs> {
    let mut groups: BTreeMap<_, Vec<(Reverse<TimeMs>, TaskId, bool)>> = BTreeMap::new();
    for task in work.state.tasks.values().filter(|task| task.is_stopped()) {
        let family = task
            .service
            .is_none()
            .then(|| task.task_definition.family.clone());
        let group = (task.cluster.clone(), task.service.clone(), family);
        let stopped = task.stopped_at.unwrap_or(task.created_at);
        groups
            .entry(group)
            .or_default()
            .push((Reverse(stopped), task.id, has_failed(task)));
    }
    let mut next = None;
    let mut gone = Vec::new();
    for mut tasks in groups.into_values() {
        tasks.sort_unstable();
        for (place, (Reverse(stopped), id, failed)) in tasks.into_iter().enumerate() {
            // By its late failures a bad host is known, however many tasks stop meanwhile.
            let late = failed && place < FAILED_KEPT_MAX;
            let due = match place {
                0..STOPPED_KEPT_MAX => stopped.plus_ms(STOPPED_KEPT_MS),
                _ if late => stopped.plus_ms(BAD_HOST_WINDOW_MS),
                _ => stopped,
            };
            if due <= work.now {
                gone.push(id);
            } else {
                next = Some(next.map_or(due, |sooner: TimeMs| sooner.min(due)));
            }
        }
    }
    for id in gone {
        work.put(Change::TaskRemoved(id));
        work.live(|live| live.pulls.remove(&id).is_some());
    }
    services(work);
    next
}

/// Of a family that has become long, the oldest revisions that nothing refers to are forgotten. The
/// newest stay whatever they are, so that no number is ever given twice.
pub(super) fn definitions(work: &mut Work, family: &Family) {
    let all: Vec<TaskDefinitionId> = work.state.family(family).map(|it| it.id()).collect();
    let Some(surplus) = all.len().checked_sub(REVISIONS_KEPT_MAX).filter(|n| *n > 0) else {
        return;
    };
    let mut used = used_definitions(&work.state, family);
    used.extend(work.state.latest_definition(family).map(|it| it.id()));
    let old = &all[..all.len() - REVISIONS_KEPT_MAX];
    let gone = old.iter().filter(|id| !used.contains(id)).take(surplus);
    let gone: Vec<_> = gone.cloned().collect();
    let Some(first) = gone.first() else {
        return;
    };
    let message = format!(
        "(task definition {first}) was forgotten{}: nothing uses it, and its family has {} newer \
         revisions.",
        match gone.len() {
            1 => String::new(),
            more => format!(", and {} more of its family", more - 1),
        },
        REVISIONS_KEPT_MAX
    );
    let about = &ClusterName::default_cluster();
    work.event(Severity::Info, EventKind::Service, about, message);
    for id in gone {
        work.put(Change::TaskDefinitionRemoved(id));
    }
}

/// The revisions of a family that tasks run, services have, had or could go back to, and schedules
/// name.
fn used_definitions(state: &State, family: &Family) -> BTreeSet<TaskDefinitionId> {
    let tasks = state.tasks.values().map(|task| &task.task_definition);
    let services = state.services.values().flat_map(|service| {
        let now = service.deployments.iter().map(|it| &it.task_definition);
        let back = service.last_completed.iter();
        now.chain(service.history.iter().map(|it| &it.task_definition))
            .chain(back)
    });
    let of_family = |id: &&TaskDefinitionId| &id.family == family;
    let mut used: BTreeSet<_> = tasks.chain(services).filter(of_family).cloned().collect();
    let schedules = state.schedules.values();
    used.extend(schedules.filter_map(|it| {
        let name = short_name(&it.task_definition);
        name.parse::<TaskDefinitionId>().ok()
    }));
    used
}

/// A deleted service is shown as INACTIVE as long as any task of it is.
fn services(work: &mut Work) {
    let inactive = |service: &&Arc<Service>| service.status == ServiceStatus::Inactive;
    let gone: Vec<Arc<Service>> = work
        .state
        .services
        .values()
        .filter(inactive)
        .filter(|s| {
            work.state
                .service_tasks(&s.cluster, &s.name)
                .next()
                .is_none()
        })
        .cloned()
        .collect();
    for service in gone {
        let name = service.name.clone();
        work.put(Change::ServiceRemoved(service.cluster.clone(), name));
    }
}
