//! What only a watcher knows of long work: how fast a pull goes, how many tasks a drain began with.

use std::collections::{HashMap, VecDeque};

use super::fleet::{Fleet, InstanceRow};
use crate::model::{InstanceName, InstanceStatus, Snapshot, TaskId, TimeMs};

/// How far back a rate looks, in milliseconds.
const WINDOW_MS: u64 = 10_000;
/// The least time that a rate is told over, in milliseconds.
const LEAST_MS: u64 = 1_000;
/// The most points that are kept of one pull.
const POINTS_MAX: usize = 32;

/// What was seen of long work while this console looked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// Bytes that had arrived, by the task that waits for them.
    pulls: HashMap<TaskId, VecDeque<(TimeMs, u64)>>,
    /// The most tasks that were seen on an instance since it drains.
    drains: HashMap<InstanceName, u32>,
}

/// How far a drain has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drain {
    /// Tasks of services that are still there.
    pub left: u32,
    /// The most that were, as far as this console has seen.
    pub of: u32,
}

impl Progress {
    /// Takes a newer picture in.
    pub(crate) fn see(&mut self, snapshot: &Snapshot, fleet: &Fleet) {
        let pulls = &snapshot.live.pulls;
        self.pulls.retain(|task, _| pulls.contains_key(task));
        for (task, pull) in pulls {
            let points = self.pulls.entry(*task).or_default();
            if points
                .back()
                .is_some_and(|(_, bytes)| *bytes > pull.done_bytes)
            {
                // Another image of the task.
                points.clear();
            }
            points.push_back((snapshot.at, pull.done_bytes));
            let old = |at: TimeMs| snapshot.at.since_ms(at) > WINDOW_MS;
            while points.len() > POINTS_MAX || points.front().is_some_and(|(at, _)| old(*at)) {
                points.pop_front();
            }
        }
        let draining = |row: &&InstanceRow| row.instance.status == InstanceStatus::Draining;
        let name = |row: &InstanceRow| row.instance.name.clone();
        let mut before = std::mem::take(&mut self.drains);
        for row in fleet.instances.iter().filter(draining) {
            let left = row.live().filter(|it| it.task.service.is_some()).count();
            let left = u32::try_from(left).unwrap_or(u32::MAX);
            let most = before.remove(&row.instance.name).unwrap_or(0);
            self.drains.insert(name(row), left.max(most));
        }
    }

    /// Bytes a second of a task's pull, once it was watched for long enough.
    pub(crate) fn pull_rate(&self, task: TaskId) -> Option<u64> {
        let points = self.pulls.get(&task)?;
        let ((since, first), (at, last)) = (points.front()?, points.back()?);
        let ms = at.since_ms(*since);
        (ms >= LEAST_MS).then(|| (last - first).saturating_mul(1_000) / ms)
    }

    /// How far the drain of an instance has come, of which so many tasks are left.
    pub(crate) fn drain(&self, instance: &InstanceName, left: u32) -> Drain {
        let of = self.drains.get(instance).copied().unwrap_or(0).max(left);
        Drain { left, of }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::task::PullProgress;

    fn pulled(seconds: u64, done_bytes: u64) -> Snapshot {
        let mut snapshot = Snapshot {
            at: TimeMs(1_000_000 + seconds * 1_000),
            ..Snapshot::default()
        };
        let pull = PullProgress {
            image: "web:7".into(),
            done_bytes,
            total_bytes: 10_000,
        };
        snapshot.live.pulls.insert(TaskId(1), pull);
        snapshot
    }

    fn see(progress: &mut Progress, snapshot: Snapshot) {
        progress.see(&snapshot, &Fleet::default());
    }

    #[test]
    fn a_pull_has_a_rate_once_it_was_watched_for_a_while() {
        let mut progress = Progress::default();
        see(&mut progress, pulled(0, 100));
        assert_eq!(progress.pull_rate(TaskId(1)), None);
        see(&mut progress, pulled(2, 500));
        assert_eq!(progress.pull_rate(TaskId(1)), Some(200));
        see(&mut progress, pulled(14, 1_700));
        assert_eq!(
            progress.pull_rate(TaskId(1)),
            None,
            "what is long ago counts for nothing"
        );
        see(&mut progress, pulled(15, 1_800));
        assert_eq!(progress.pull_rate(TaskId(1)), Some(100));
        see(&mut progress, pulled(16, 10));
        assert_eq!(
            progress.pull_rate(TaskId(1)),
            None,
            "another image begins anew"
        );
        see(&mut progress, Snapshot::default());
        assert_eq!(progress.pull_rate(TaskId(1)), None);
    }
}
