//! Bad hosts: instances on which tasks of one service's revision keep failing are tried last.
//!
//! Only for that revision: a service's revision that fails for lack of a file on one host says nothing
//! about another service there. The instance still takes such tasks if no other does. A service
//! looks at its own tasks; a task that is run by hand, at all tasks of its definition in the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::rollout::Turn;
use crate::model::{InstanceName, StopCode, Task, TaskDefinitionId, TimeMs};

/// So many failures of a revision on one instance make it a bad host for that revision.
pub const BAD_HOST_FAILURES: u32 = 5;
/// Failures count for so long, in milliseconds.
pub const BAD_HOST_WINDOW_MS: u64 = 300_000;

/// How many of these tasks that are of that revision failed on each instance within the window.
pub(crate) fn failures<'a>(
    tasks: impl Iterator<Item = &'a Task>,
    revision: &TaskDefinitionId,
    now: TimeMs,
) -> BTreeMap<InstanceName, u32> {
    let mut failures: BTreeMap<InstanceName, u32> = BTreeMap::new();
    for task in tasks.filter(|task| failed(task, revision, now)) {
        *failures.entry(task.instance.clone()).or_default() += 1;
    }
    failures
}

/// The instances that have failed too often.
pub(crate) fn hosts(failures: &BTreeMap<InstanceName, u32>) -> BTreeSet<InstanceName> {
    let bad = failures
        .iter()
        .filter(|(_, count)| **count >= BAD_HOST_FAILURES);
    bad.map(|(name, _)| name.clone()).collect()
}

fn failed(task: &Task, revision: &TaskDefinitionId, now: TimeMs) -> bool {
    let recent = task
        .stopping_at
        .or(task.stopped_at)
        .is_some_and(|at| now.since_ms(at) < BAD_HOST_WINDOW_MS);
    has_failed(task) && recent && task.task_definition == *revision
}

/// Whether it ended by itself, whenever that was.
pub(crate) fn has_failed(task: &Task) -> bool {
    matches!(
        task.stop_code,
        Some(StopCode::TaskFailedToStart | StopCode::EssentialContainerExited)
    )
}

impl Turn<'_> {
    /// Looks up on which instances the revision that is wanted has failed of late.
    pub fn remember_failures(&mut self, tasks: &[&Arc<Task>], now: TimeMs) {
        if let Some(primary) = self.service.primary() {
            let revision = &primary.task_definition;
            self.failures = failures(tasks.iter().map(|task| &***task), revision, now);
        }
    }
}
