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

/// When tasks of one revision failed on each instance, within the window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failures(BTreeMap<InstanceName, Vec<TimeMs>>);

impl Failures {
    /// Those of these tasks that are of that revision.
    pub fn of<'a>(
        tasks: impl Iterator<Item = &'a Task>,
        revision: &TaskDefinitionId,
        now: TimeMs,
    ) -> Self {
        let mut all: BTreeMap<InstanceName, Vec<TimeMs>> = BTreeMap::new();
        for task in tasks {
            if let Some(at) = failed_at(task, revision, now) {
                all.entry(task.instance.clone()).or_default().push(at);
            }
        }
        Self(all)
    }

    /// The instances that have failed too often.
    pub fn hosts(&self) -> BTreeSet<InstanceName> {
        let bad = self.0.iter().filter(|(_, at)| is_bad(at));
        bad.map(|(name, _)| name.clone()).collect()
    }

    /// When the first of those is as good as any again, if nothing more fails there.
    pub fn first_ends(&self) -> Option<TimeMs> {
        let bad = self.0.values().filter(|at| is_bad(at));
        let ends = bad.filter_map(|at| {
            let mut newest_first = at.clone();
            newest_first.sort_unstable_by(|one, other| other.cmp(one));
            let last = newest_first.get(BAD_HOST_FAILURES as usize - 1)?;
            Some(last.plus_ms(BAD_HOST_WINDOW_MS))
        });
        ends.min()
    }
}

fn is_bad(failures: &[TimeMs]) -> bool {
    failures.len() >= BAD_HOST_FAILURES as usize
}

/// When it failed, if that counts.
fn failed_at(task: &Task, revision: &TaskDefinitionId, now: TimeMs) -> Option<TimeMs> {
    let at = task.stopping_at.or(task.stopped_at)?;
    let counts = has_failed(task)
        && now.since_ms(at) < BAD_HOST_WINDOW_MS
        && task.task_definition == *revision;
    counts.then_some(at)
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
            self.failures = Failures::of(tasks.iter().map(|task| &***task), revision, now);
        }
    }
}
