//! What a plan must not do, whatever it finds.

use std::collections::{BTreeMap, BTreeSet};

use super::Violation;
use crate::model::service::{SchedulingStrategy, Service, ServiceStatus};
use crate::model::task::Health;
use crate::model::{DesiredStatus, InstanceStatus, State, Task, TaskId};
use crate::scheduler::feasible::Ask;
use crate::scheduler::index::Index;
use crate::scheduler::{Plan, rollout};

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn service_of<'a>(state: &'a State, task: &Task) -> Option<&'a Service> {
    let service = state.service(&task.cluster, task.service.as_ref()?)?;
    Some(service.as_ref())
}

/// Starts: only where nothing refuses, where there is room, and within the ceiling.
pub(super) fn starts(before: &State, plan: &Plan, after: &State, found: &mut Vec<Violation>) {
    let index = Index::new(after);
    let mut asks: BTreeMap<_, Ask> = BTreeMap::new();
    let mut services = BTreeMap::new();
    for task in &plan.starts {
        let definition = before.task_definitions.get(&task.task_definition);
        let (Some(service), Some(definition)) = (service_of(after, task), definition) else {
            continue;
        };
        if service.scheduling_strategy == SchedulingStrategy::Replica {
            services.insert((task.cluster.clone(), service.name.clone()), service);
        }
        let ask = asks
            .entry((
                service.name.clone(),
                task.cluster.clone(),
                definition.id(),
                task.capacity_provider.clone(),
            ))
            .or_insert_with(|| rollout::ask(service, definition, task.capacity_provider.as_ref()));
        let node = index.position(&task.instance);
        let Some(node) = node.and_then(|at| index.nodes.get(at)) else {
            continue;
        };
        let instance = task.instance.clone();
        let refusals: Vec<String> = ask.standing(node).iter().map(ToString::to_string).collect();
        if !refusals.is_empty() {
            found.push(Violation::Refused {
                task: task.id,
                instance: instance.clone(),
                reason: refusals.join("; "),
            });
        }
        let short = |name: &&str| node.used_named(name) > node.room_named(name);
        if node.used_cpu > node.room.cpu
            || node.used_memory > node.room.memory
            || node.named().iter().any(short)
        {
            found.push(Violation::NoRoom {
                task: task.id,
                instance: instance.clone(),
            });
        }
        let alone = ask.distinct || service.scheduling_strategy == SchedulingStrategy::Daemon;
        let same = after
            .service_tasks(&service.cluster, &service.name)
            .filter(|other| {
                other.instance == task.instance
                    && other.desired_status == DesiredStatus::Running
                    && !other.is_stopped()
            });
        if alone && same.count() > 1 {
            found.push(Violation::Second {
                task: task.id,
                instance,
                service: service.name.clone(),
            });
        }
    }
    for service in services.into_values() {
        let tasks = after.service_tasks(&service.cluster, &service.name);
        let tasks = count(tasks.filter(|task| task.is_wanted()).count());
        let desired = service.desired_count;
        let ceiling = service
            .deployment_configuration
            .ceiling(desired)
            .max(desired);
        if tasks > ceiling {
            found.push(Violation::AboveCeiling {
                service: service.name.clone(),
                tasks,
                ceiling,
            });
        }
    }
}

/// Stops: never below the floor, and nothing that is protected, unless its health checks fail.
pub(super) fn stops(before: &State, plan: &Plan, after: &State, found: &mut Vec<Violation>) {
    let lost: BTreeSet<TaskId> = plan.lost.iter().copied().collect();
    let mut stopped: BTreeMap<_, BTreeSet<TaskId>> = BTreeMap::new();
    for stop in &plan.stops {
        let Some(task) = before.tasks.get(&stop.task) else {
            continue;
        };
        let active = |s: &&Service| s.status == ServiceStatus::Active;
        let Some(service) = service_of(after, task).filter(active) else {
            continue;
        };
        let stopping_at = after
            .tasks
            .get(&stop.task)
            .and_then(|task| task.stopping_at);
        let lost = lost.contains(&task.id) || task.lost_at.is_some();
        if task.protected_until > stopping_at && task.health() != Health::Unhealthy && !lost {
            found.push(Violation::Protected { task: task.id });
        }
        let key = (service.cluster.clone(), service.name.clone());
        stopped.entry(key).or_default().insert(stop.task);
    }
    if stopped.is_empty() {
        return;
    }
    let index = Index::new(before);
    for ((cluster, name), stopped) in stopped {
        let Some(service) = after.service(&cluster, &name) else {
            continue;
        };
        // What is found again with its instance counts from now on.
        let serving = |task: &Task| {
            let mut task = task.clone();
            if plan.found.contains(&task.id) {
                task.lost_at = None;
            }
            task.is_serving()
        };
        let counts = |task: &Task| {
            serving(task) && !lost.contains(&task.id) && stands(before, &index, service, task)
        };
        let tasks = before
            .service_tasks(&cluster, &name)
            .filter(|task| counts(task));
        let (gone, left): (Vec<_>, Vec<_>) = tasks.partition(|task| stopped.contains(&task.id));
        let (was, left) = (count(gone.len() + left.len()), count(left.len()));
        let floor = service
            .deployment_configuration
            .floor(service.desired_count);
        if left < was.min(floor) {
            found.push(Violation::BelowFloor {
                service: name,
                before: was,
                after: left,
                floor,
            });
        }
    }
}

/// Whether a task counts for the floor: of a DAEMON, only where one should be.
fn stands(state: &State, index: &Index, service: &Service, task: &Task) -> bool {
    if service.scheduling_strategy == SchedulingStrategy::Replica {
        return true;
    }
    let instance = state.instances.get(&task.instance);
    let definition = state.task_definitions.get(&task.task_definition);
    let (Some(instance), Some(definition)) = (instance, definition) else {
        return false;
    };
    let node = index
        .position(&instance.name)
        .and_then(|at| index.nodes.get(at));
    let ask = rollout::ask(service, definition, task.capacity_provider.as_ref());
    // On a silent one it counts until it is lost.
    instance.status == InstanceStatus::Active
        && node.is_some_and(|node| !instance.is_connected() || ask.standing(node).is_empty())
}
