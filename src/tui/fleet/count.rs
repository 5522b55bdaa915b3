//! What services' tasks come to, kept up task by task: however many a service has, one that changed
//! is all that is looked at.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::model::service::Deployment;
use crate::model::{InstanceName, Task, TaskId, TimeMs};

use super::{Fleet, ServiceRow, Stage, TaskRow, service_of};

/// The tasks of a deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    /// RUNNING, wanted and healthy, on an instance that answers.
    pub serving: u32,
    pub unhealthy: u32,
    pub starting: u32,
    /// Last known to serve, whether their instance answers or not.
    fit: u32,
    /// When those that are up or coming up were started.
    started: BTreeMap<TimeMs, u32>,
}

impl Share {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How many of those that are up or coming up were started after a moment.
    pub(crate) fn started_since(&self, moment: TimeMs) -> u32 {
        let after = (Bound::Excluded(moment), Bound::Unbounded);
        self.started.range(after).map(|(_, n)| n).sum()
    }

    fn count(&mut self, row: &TaskRow, comes: bool) {
        let up = match row.stage {
            Stage::Running => Some(&mut self.serving),
            Stage::Unhealthy => Some(&mut self.unhealthy),
            Stage::Starting => Some(&mut self.starting),
            _ => None,
        };
        if let Some(slot) = up {
            count(slot, comes);
            if let Some(at) = row.task.started_at {
                count_by(&mut self.started, at, comes);
            }
        }
        if row.task.is_serving() {
            count(&mut self.fit, comes);
        }
    }
}

impl ServiceRow {
    /// Serving tasks of the primary deployment.
    pub(crate) fn updated(&self) -> u32 {
        let primary = self.service.primary();
        let share = primary.and_then(|it| self.shares.get(&it.id));
        share.map_or(0, |share| share.fit)
    }

    /// The tasks of one of its deployments.
    pub(crate) fn share(&self, deployment: &Deployment) -> Option<&Share> {
        self.shares.get(&deployment.id)
    }

    /// The instances that do not answer, with one of its tasks there that is within the grace period.
    pub(crate) fn unheard(&self) -> impl Iterator<Item = (&InstanceName, TaskId)> {
        let first = |tasks: &BTreeSet<TaskId>| tasks.first().copied();
        let each = self.unheard.iter();
        each.filter_map(move |(name, tasks)| Some((name, first(tasks)?)))
    }

    fn count(&mut self, row: &TaskRow, zone: &str, comes: bool) {
        let TaskRow { task, stage, .. } = row;
        count(self.tally.slot(*stage), comes);
        if !matches!(stage, Stage::Stopping | Stage::Stopped | Stage::Lost) {
            count_by(&mut self.zones, zone.to_owned(), comes);
        }
        if let Some(id) = &task.deployment {
            let share = self.shares.entry(id.clone()).or_default();
            share.count(row, comes);
            if share.is_empty() {
                self.shares.remove(id);
            }
        }
        if *stage == Stage::Unreachable {
            let there = self.unheard.entry(task.instance.clone()).or_default();
            match comes {
                true => there.insert(task.id),
                false => there.remove(&task.id),
            };
            if there.is_empty() {
                self.unheard.remove(&task.instance);
            }
        }
    }
}

impl Fleet {
    /// Counts a task that comes or goes for the service that it belongs to.
    pub(super) fn count_for_service(&mut self, row: &TaskRow, comes: bool) {
        #[cfg(test)]
        super::looked::at(1);
        let Some(Ok(at)) = service_of(&row.task).map(|key| self.service_at(&key)) else {
            return;
        };
        let home = self.instance(&row.task.instance);
        let zone = home.map_or(String::new(), |it| it.instance.zone().to_owned());
        self.services[at].count(row, &zone, comes);
    }

    /// Counts a task of any cluster that comes or goes for its revision.
    pub(super) fn count_run(&mut self, task: &Task, comes: bool) {
        if task.is_stopped() {
            return;
        }
        let runs = self.runs.entry(task.task_definition.clone()).or_default();
        count_by(runs, (task.cluster.clone(), task.service.clone()), comes);
        if runs.is_empty() {
            self.runs.remove(&task.task_definition);
        }
    }
}

fn count(slot: &mut u32, comes: bool) {
    debug_assert!(comes || *slot > 0, "what goes was counted");
    *slot = match comes {
        true => *slot + 1,
        false => slot.saturating_sub(1),
    };
}

fn count_by<K: Ord>(by: &mut BTreeMap<K, u32>, key: K, comes: bool) {
    match (by.entry(key), comes) {
        (entry, true) => *entry.or_default() += 1,
        (Entry::Occupied(mut entry), false) => {
            count(entry.get_mut(), false);
            if *entry.get() == 0 {
                entry.remove();
            }
        }
        (Entry::Vacant(_), false) => debug_assert!(comes, "what goes was counted"),
    }
}
