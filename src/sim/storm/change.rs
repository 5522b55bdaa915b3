//! What must hold of everything that is stored.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::id::IdSource;
use crate::model::service::{SchedulingStrategy, ServiceStatus};
use crate::model::task::Health;
use crate::model::{
    Change, ClusterName, DesiredStatus, ServiceName, State, StopCode, Task, TaskId, TimeMs,
};
use crate::scheduler::{check, plan};

/// The tasks that ever were.
#[derive(Debug, Default)]
pub struct Born(BTreeSet<TaskId>);

impl Born {
    /// Takes the tasks of these changes in. The first id that another task had before.
    pub fn twice(&mut self, before: &State, changes: &[Change]) -> Option<TaskId> {
        let mut now = BTreeSet::new();
        for change in changes {
            let Change::Task(task) = change else { continue };
            if before.tasks.contains_key(&task.id) || !now.insert(task.id) {
                continue;
            }
            if !self.0.insert(task.id) {
                return Some(task.id);
            }
        }
        None
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// The first thing that must not be after a decision of this moment.
#[must_use]
pub fn wrong(before: &State, after: &State, at: TimeMs, thorough: bool) -> Option<String> {
    let violations = check(after, at);
    if let Some(violation) = violations.first() {
        return Some(violation.to_string());
    }
    if let Some(fall) = below_floor(before, after) {
        return Some(fall);
    }
    if thorough {
        let again = plan(after, at, &mut IdSource::new(1));
        if !again.is_empty() {
            return Some(format!("what was planned is planned again: {again:?}"));
        }
    }
    None
}

/// Whether the scheduler has stopped what serves, below a floor.
fn below_floor(before: &State, after: &State) -> Option<String> {
    let mut stopped: BTreeMap<(ClusterName, ServiceName), u32> = BTreeMap::new();
    for (id, task) in &before.tasks {
        let Some(now) = after.tasks.get(id) else {
            continue;
        };
        if let Some(service) = &task.service
            && was_stopped(task, now)
        {
            let key = (task.cluster.clone(), service.clone());
            *stopped.entry(key).or_default() += 1;
        }
    }
    for ((cluster, name), stopped) in stopped {
        let Some(service) = after.service(&cluster, &name) else {
            continue;
        };
        let replica = service.scheduling_strategy == SchedulingStrategy::Replica;
        if !replica || service.status != ServiceStatus::Active {
            continue;
        }
        let left = after
            .service_tasks(&cluster, &name)
            .filter(|task| task.is_serving());
        let left = u32::try_from(left.count()).unwrap_or(u32::MAX);
        let desired = service.desired_count;
        let floor = service.deployment_configuration.floor(desired);
        if left < floor.min(left.saturating_add(stopped)) {
            return Some(format!(
                "service {name}: {stopped} tasks that serve are stopped, {left} are left, the \
                 floor is {floor}"
            ));
        }
    }
    None
}

/// Whether the scheduler has decided to stop a task that serves.
fn was_stopped(before: &Task, after: &Task) -> bool {
    before.is_serving()
        && after.desired_status == DesiredStatus::Stopped
        && after.stop_code == Some(StopCode::ServiceSchedulerInitiated)
        && after.health() != Health::Unhealthy
        && after.lost_at.is_none()
}
