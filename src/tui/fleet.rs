//! The snapshot, counted and ordered for the screen; it follows each newer picture by what changed.

mod count;
mod follow;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::state::ServiceKey;
use crate::model::task::Health;
use crate::model::{
    ClusterName, DeploymentId, DesiredStatus, Family, Instance, InstanceName, LastStatus,
    Resources, Revision, RolloutState, Service, ServiceName, ServiceStatus, Task, TaskDefinitionId,
    TaskId, TimeMs,
};

use super::ghosts::Ghosts;
use count::Share;
use follow::Source;

pub(crate) use rows::Rows;
#[cfg(test)]
pub(crate) use rows::looked;

/// How loud a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mood {
    /// Over and done with.
    Quiet,
    /// As it should be.
    Calm,
    /// On its way.
    Busy,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
}

/// How many tasks are in which stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// RUNNING and wanted (healthy or with no check).
    pub running: u32,
    /// RUNNING, wanted, its health check not passed (yet).
    pub unhealthy: u32,
    /// On its way up.
    pub starting: u32,
    /// On its way down.
    pub stopping: u32,
    /// Given up for lost with its instance.
    pub lost: u32,
    /// On an instance that does not answer, within the grace period.
    pub unreachable: u32,
    /// Stopped.
    pub stopped: u32,
}

impl Tally {
    fn take(&mut self, stage: Stage) {
        *self.slot(stage) += 1;
    }

    fn slot(&mut self, stage: Stage) -> &mut u32 {
        match stage {
            Stage::Running => &mut self.running,
            Stage::Unhealthy => &mut self.unhealthy,
            Stage::Starting => &mut self.starting,
            Stage::Stopping => &mut self.stopping,
            Stage::Lost => &mut self.lost,
            Stage::Unreachable => &mut self.unreachable,
            Stage::Stopped => &mut self.stopped,
        }
    }

    /// What holds resources, as far as is known.
    pub(crate) fn live(&self) -> u32 {
        self.running + self.unhealthy + self.starting + self.stopping + self.lost + self.unreachable
    }

    /// Known to be RUNNING.
    pub(crate) fn up(&self) -> u32 {
        self.running + self.unhealthy
    }

    /// The same in words: with a mark where more may be.
    pub(crate) fn up_words(&self) -> String {
        let unknown = if self.unreachable > 0 { "?" } else { "" };
        format!("{}{unknown}", self.up())
    }
}

/// Where a task is in its life, as an operator would put it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Running,
    Unhealthy,
    Starting,
    Stopping,
    Lost,
    Unreachable,
    Stopped,
}

/// A task's stage.
pub(crate) fn stage(task: &Task, reachable: bool) -> Stage {
    if task.is_stopped() {
        Stage::Stopped
    } else if task.lost_at.is_some() {
        Stage::Lost
    } else if task.desired_status == DesiredStatus::Stopped {
        Stage::Stopping
    } else if !reachable {
        Stage::Unreachable
    } else if task.last_status < LastStatus::Running {
        Stage::Starting
    } else if task.is_serving() {
        Stage::Running
    } else if task.last_status > LastStatus::Running {
        Stage::Stopping
    } else if task.health() == Health::Unhealthy {
        Stage::Unhealthy
    } else {
        Stage::Starting
    }
}

/// A service as shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ServiceRow {
    pub service: Arc<Service>,
    pub tally: Tally,
    /// Tasks that are up or coming up, by zone.
    pub zones: BTreeMap<String, u32>,
    /// Its tasks by deployment.
    shares: BTreeMap<DeploymentId, Share>,
    /// Its tasks within the grace period, by the instance that does not answer.
    unheard: BTreeMap<InstanceName, BTreeSet<TaskId>>,
    /// Its region is lost: what runs of it is not known.
    pub adrift: bool,
    /// Until when it counts as failing, if it does now.
    pub failing: Option<TimeMs>,
    pub mood: Mood,
}

impl ServiceRow {
    /// What it is known by: its name alone may be another cluster's too.
    pub(crate) fn key(&self) -> ServiceKey {
        (self.service.cluster.clone(), self.service.name.clone())
    }

    /// How many failures in a row keep it short of tasks, or of those of the revision that it is
    /// to have, if they do now: what it says of itself and how loudly both go by this.
    pub(crate) fn failures(&self) -> Option<u32> {
        let wanted = self.service.desired_count;
        let rolling = self
            .service
            .primary()
            .is_some_and(|it| it.rollout_state == RolloutState::InProgress);
        let short = self.tally.running < wanted || (rolling && self.updated() < wanted);
        let failing = self.failing.is_some() && short;
        failing.then_some(self.service.backoff.failures)
    }

    /// Whether it is that service.
    pub(crate) fn is(&self, (cluster, name): &ServiceKey) -> bool {
        self.service.name == *name && self.service.cluster == *cluster
    }
}

/// A task as shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TaskRow {
    pub task: Arc<Task>,
    pub stage: Stage,
    pub mood: Mood,
}

impl TaskRow {
    fn new(task: &Arc<Task>, reachable: bool) -> Self {
        let stage = stage(task, reachable);
        Self {
            task: task.clone(),
            stage,
            mood: task_mood(task, stage),
        }
    }
}

/// An instance as shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InstanceRow {
    pub instance: Arc<Instance>,
    pub tally: Tally,
    /// Its tasks, those that have stopped too.
    tasks: Vec<TaskRow>,
    /// Reserved, foreign and placed together.
    pub used: Resources,
    pub mood: Mood,
}

impl InstanceRow {
    /// Its tasks that hold something of it.
    pub(crate) fn live(&self) -> impl Iterator<Item = &TaskRow> {
        #[cfg(test)]
        looked::at(self.tasks.len());
        self.tasks.iter().filter(|row| !row.task.is_stopped())
    }
}

/// Column widths that stay the same while rows scroll by.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Widths {
    pub service: usize,
    pub definition: usize,
    pub instance: usize,
    pub zone: usize,
    pub endpoint: usize,
}

/// Everything of the clusters shown, in the order in which it is shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fleet {
    pub services: Vec<ServiceRow>,
    pub tasks: Rows,
    pub instances: Vec<InstanceRow>,
    /// Instances that answer.
    pub connected: usize,
    /// Services that something is wrong with.
    pub troubled: usize,
    /// The instance that has been silent longest, and since when.
    pub silent: Option<(TimeMs, InstanceName)>,
    /// How many are lost: were heard, and do not answer.
    pub lost: usize,
    pub widths: Widths,
    /// What a plan that is shown on the map would change.
    pub ghosts: Arc<Ghosts>,
    /// Grows with every change of the rows, and when one says something else as time goes by.
    pub edition: u64,
    /// The moment that it is shown at, in the control plane's time.
    now: TimeMs,
    /// When which services cease to count as failing.
    turns: BTreeSet<(TimeMs, ServiceKey)>,
    /// What it was made from.
    of: Source,
    /// How many tasks there are by the width of their definition's name.
    definitions: BTreeMap<usize, usize>,
    /// How many services there are by the width of their name.
    names: BTreeMap<usize, usize>,
    /// Of all clusters, shown or not: who runs how many tasks of which revision.
    runs: BTreeMap<TaskDefinitionId, BTreeMap<Runner, u32>>,
}

/// Who runs a task: a cluster's service, or somebody by hand there.
pub(crate) type Runner = (ClusterName, Option<ServiceName>);

impl Fleet {
    /// The service of that key.
    pub(crate) fn service(&self, key: &ServiceKey) -> Option<&ServiceRow> {
        let at = self.service_at(key).ok()?;
        self.services.get(at)
    }

    /// The row of a service.
    pub(crate) fn row_of(&self, service: &Service) -> Option<&ServiceRow> {
        self.service(&(service.cluster.clone(), service.name.clone()))
    }

    /// The instance of that name.
    pub(crate) fn instance(&self, name: &InstanceName) -> Option<&InstanceRow> {
        let at = self.instance_at(name).ok()?;
        self.instances.get(at)
    }

    /// The task of that id.
    pub(crate) fn task(&self, id: TaskId) -> Option<&TaskRow> {
        self.tasks.find(self.of.tasks.get(&id)?)
    }

    /// The tasks of those ids that are there, in order.
    pub(crate) fn tasks_of<'a>(&self, ids: impl IntoIterator<Item = &'a TaskId>) -> Vec<&TaskRow> {
        let mut rows: Vec<_> = ids.into_iter().filter_map(|id| self.task(*id)).collect();
        let order = self.tasks.order();
        rows.sort_by(|a, b| order.place(&a.task).cmp(&order.place(&b.task)));
        rows
    }

    /// A service's tasks.
    pub(crate) fn of_service(&self, key: &ServiceKey) -> Rows {
        self.tasks.part(self.tasks.of(&key.0, Some(&key.1)))
    }

    /// The tasks that somebody runs.
    pub(crate) fn of_runner(&self, (cluster, service): &Runner) -> Rows {
        self.tasks.part(self.tasks.of(cluster, service.as_ref()))
    }

    /// Who runs tasks of a family, in whatever cluster.
    pub(crate) fn runners(&self, family: &Family) -> impl Iterator<Item = &Runner> {
        let first = TaskDefinitionId {
            family: family.clone(),
            revision: Revision(0),
        };
        let of_family = self.runs.range(first..);
        let of_family = of_family.take_while(move |(id, _)| id.family == *family);
        of_family.flat_map(|(_, by)| by.keys())
    }

    /// Who runs how many tasks of a revision, in whatever cluster.
    pub(crate) fn runs(&self, id: &TaskDefinitionId) -> Option<&BTreeMap<Runner, u32>> {
        self.runs.get(id)
    }

    /// The tasks on an instance.
    pub(crate) fn of_instance(&self, name: &InstanceName) -> &[TaskRow] {
        let tasks = self.instance(name).map_or(&[][..], |row| &row.tasks);
        #[cfg(test)]
        looked::at(tasks.len());
        tasks
    }

    fn service_at(&self, (cluster, name): &ServiceKey) -> Result<usize, usize> {
        self.services.binary_search_by(|row| {
            let it = &row.service;
            (&it.cluster, &it.name).cmp(&(cluster, name))
        })
    }

    fn instance_at(&self, name: &InstanceName) -> Result<usize, usize> {
        self.instances
            .binary_search_by(|row| row.instance.name.cmp(name))
    }
}

/// The service that a task belongs to; none if it was run by hand.
pub(crate) fn service_of(task: &Task) -> Option<ServiceKey> {
    let name = task.service.clone()?;
    Some((task.cluster.clone(), name))
}

/// Whether a task belongs to that service.
pub(crate) fn belongs(task: &Task, (cluster, name): &ServiceKey) -> bool {
    task.service.as_ref() == Some(name) && task.cluster == *cluster
}

fn instance_mood(instance: &Instance) -> Mood {
    use crate::model::InstanceStatus as S;
    match (instance.is_connected(), instance.status) {
        (false, S::Registering) => Mood::Busy,
        (false, _) => Mood::Bad,
        (true, S::Draining) => Mood::Warn,
        (true, S::Registering) => Mood::Busy,
        (true, S::Active) => Mood::Calm,
    }
}

fn task_mood(task: &Task, stage: Stage) -> Mood {
    match stage {
        Stage::Running => Mood::Calm,
        Stage::Unhealthy | Stage::Lost => Mood::Bad,
        Stage::Unreachable => Mood::Warn,
        Stage::Starting | Stage::Stopping => Mood::Busy,
        Stage::Stopped if failed(task) => Mood::Warn,
        Stage::Stopped => Mood::Quiet,
    }
}

/// Whether a stopped task ended other than it should.
pub(crate) fn failed(task: &Task) -> bool {
    use crate::model::StopCode as C;
    // It had been replaced before anybody knew how it ended.
    if task.lost_at.is_some() {
        return false;
    }
    match task.stop_code {
        Some(C::TaskFailedToStart) => true,
        Some(C::EssentialContainerExited) => {
            task.service.is_some()
                || task
                    .containers
                    .iter()
                    .any(|c| c.essential && c.exit_code != Some(0))
        }
        _ => false,
    }
}

fn service_mood(row: &ServiceRow) -> Mood {
    let service = &row.service;
    let failed = service
        .primary()
        .is_some_and(|d| d.rollout_state == RolloutState::Failed);
    let rolling = service
        .primary()
        .is_some_and(|d| d.rollout_state == RolloutState::InProgress);
    if service.status == ServiceStatus::Draining {
        Mood::Busy
    } else if failed || (row.tally.running == 0 && service.desired_count > 0 && !rolling) {
        Mood::Bad
    } else if service.unplaced.is_some()
        || row.failures().is_some()
        || row.tally.unhealthy + row.tally.unreachable > 0
    {
        Mood::Warn
    } else if rolling || row.tally.running != service.desired_count {
        Mood::Busy
    } else {
        Mood::Calm
    }
}
