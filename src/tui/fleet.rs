//! The snapshot, counted and ordered for the screen. Made once for each picture that is shown.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::model::state::ServiceKey;
use crate::model::task::Health;
use crate::model::{
    ClusterName, DesiredStatus, Instance, InstanceName, LastStatus, Resources, RolloutState,
    Service, ServiceName, ServiceStatus, Snapshot, Task,
};

use super::ghosts::Ghosts;
use super::text;

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
    fn take(&mut self, task: &Task, reachable: bool) {
        let slot = match stage(task, reachable) {
            Stage::Running => &mut self.running,
            Stage::Unhealthy => &mut self.unhealthy,
            Stage::Starting => &mut self.starting,
            Stage::Stopping => &mut self.stopping,
            Stage::Lost => &mut self.lost,
            Stage::Unreachable => &mut self.unreachable,
            Stage::Stopped => &mut self.stopped,
        };
        *slot += 1;
    }

    /// What holds resources, as far as is known.
    pub(crate) fn live(&self) -> u32 {
        self.running + self.unhealthy + self.starting + self.stopping + self.lost + self.unreachable
    }

    /// RUNNING, as ECS's runningCount.
    pub(crate) fn up(&self) -> u32 {
        self.running + self.unhealthy + self.unreachable
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
#[derive(Clone, Debug)]
pub(crate) struct ServiceRow {
    pub service: Arc<Service>,
    pub tally: Tally,
    /// Serving tasks of the primary deployment.
    pub updated: u32,
    /// Tasks that are up or coming up, by zone.
    pub zones: BTreeMap<String, u32>,
    pub mood: Mood,
}

impl ServiceRow {
    /// What it is known by: its name alone may be another cluster's too.
    pub(crate) fn key(&self) -> ServiceKey {
        (self.service.cluster.clone(), self.service.name.clone())
    }

    /// Whether it is that service.
    pub(crate) fn is(&self, (cluster, name): &ServiceKey) -> bool {
        self.service.name == *name && self.service.cluster == *cluster
    }
}

/// A task as shown.
#[derive(Clone, Debug)]
pub(crate) struct TaskRow {
    pub task: Arc<Task>,
    pub stage: Stage,
    pub mood: Mood,
}

/// An instance as shown.
#[derive(Clone, Debug)]
pub(crate) struct InstanceRow {
    pub instance: Arc<Instance>,
    pub tally: Tally,
    /// The tasks that hold something of it, as places in the [`Fleet`].
    pub tasks: Vec<usize>,
    /// Reserved, foreign and placed together.
    pub used: Resources,
    pub mood: Mood,
}

/// Column widths that stay the same while rows scroll by.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Widths {
    pub service: usize,
    pub definition: usize,
    pub instance: usize,
    pub zone: usize,
    pub endpoint: usize,
}

/// Everything of one cluster, in the order in which it is shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fleet {
    pub services: Vec<ServiceRow>,
    pub tasks: Vec<TaskRow>,
    pub instances: Vec<InstanceRow>,
    pub tally: Tally,
    /// Instances that answer.
    pub connected: usize,
    pub widths: Widths,
    /// What a plan that is shown on the map would change.
    pub ghosts: Arc<Ghosts>,
}

impl Fleet {
    /// Counts and orders one cluster of a snapshot.
    pub(crate) fn new(snapshot: &Snapshot, cluster: &ClusterName) -> Self {
        let state = &snapshot.state;
        let mut fleet = Self::default();
        let mut by_service: HashMap<&ServiceName, usize> = HashMap::new();
        let mut by_instance: HashMap<&InstanceName, usize> = HashMap::new();
        for ((of, name), service) in &state.services {
            if of == cluster && service.status != ServiceStatus::Inactive {
                by_service.insert(name, fleet.services.len());
                fleet.add_service(service);
            }
        }
        for (name, instance) in &state.instances {
            if &instance.cluster == cluster {
                by_instance.insert(name, fleet.instances.len());
                fleet.add_instance(instance);
            }
        }
        for task in state.tasks.values().filter(|t| &t.cluster == cluster) {
            let service = task.service.as_ref().and_then(|s| by_service.get(s));
            let instance = by_instance.get(&task.instance);
            fleet.add_task(task, service.copied(), instance.copied());
        }
        for row in &mut fleet.services {
            row.mood = service_mood(row);
        }
        fleet.tasks.sort_by(|a, b| order(a).cmp(&order(b)));
        for (at, row) in fleet.tasks.iter().enumerate() {
            let host = by_instance.get(&row.task.instance);
            if let Some(host) = host.and_then(|host| fleet.instances.get_mut(*host))
                && !row.task.is_stopped()
            {
                host.tasks.push(at);
            }
        }
        fleet
    }

    fn add_service(&mut self, service: &Arc<Service>) {
        let widths = &mut self.widths;
        widths.service = widths.service.max(text::width(service.name.as_str()));
        self.services.push(ServiceRow {
            service: service.clone(),
            tally: Tally::default(),
            updated: 0,
            zones: BTreeMap::new(),
            mood: Mood::Calm,
        });
    }

    fn add_instance(&mut self, instance: &Arc<Instance>) {
        let widths = &mut self.widths;
        widths.instance = widths.instance.max(text::width(instance.name.as_str()));
        widths.zone = widths.zone.max(text::width(instance.zone()));
        widths.endpoint = widths.endpoint.max(text::width(&instance.endpoint));
        self.connected += usize::from(instance.is_connected());
        let mut used = instance.reserved.clone();
        used.add(&instance.foreign);
        self.instances.push(InstanceRow {
            instance: instance.clone(),
            tally: Tally::default(),
            tasks: Vec::new(),
            used,
            mood: instance_mood(instance),
        });
    }

    fn add_task(&mut self, task: &Arc<Task>, service: Option<usize>, instance: Option<usize>) {
        let host = instance.and_then(|at| self.instances.get_mut(at));
        let reachable = host.as_ref().is_none_or(|row| row.instance.is_connected());
        let home = host.as_ref().map(|row| row.instance.clone());
        let stage = stage(task, reachable);
        if let Some(row) = host {
            row.tally.take(task, reachable);
            if !task.is_stopped() {
                row.used.add(&task.resources);
            }
        }
        if let Some(row) = service.and_then(|at| self.services.get_mut(at)) {
            row.tally.take(task, reachable);
            let zone = home.as_ref().map_or("", |instance| instance.zone());
            if !matches!(stage, Stage::Stopping | Stage::Stopped | Stage::Lost) {
                match row.zones.get_mut(zone) {
                    Some(n) => *n += 1,
                    None => _ = row.zones.insert(zone.to_owned(), 1),
                }
            }
            let primary = row.service.primary().map(|d| &d.id);
            if task.is_serving() && primary.is_some() && primary == task.deployment.as_ref() {
                row.updated += 1;
            }
        }
        self.tally.take(task, reachable);
        let widths = &mut self.widths;
        let definition = task.task_definition.to_string();
        widths.definition = widths.definition.max(text::width(&definition));
        self.tasks.push(TaskRow {
            task: task.clone(),
            stage,
            mood: task_mood(task, stage),
        });
    }

    /// The service of that key.
    pub(crate) fn service(&self, (cluster, name): &ServiceKey) -> Option<&ServiceRow> {
        let found = self.services.binary_search_by(|row| {
            let it = &row.service;
            (&it.cluster, &it.name).cmp(&(cluster, name))
        });
        found.ok().and_then(|at| self.services.get(at))
    }

    /// The row of a service.
    pub(crate) fn row_of(&self, service: &Service) -> Option<&ServiceRow> {
        self.service(&(service.cluster.clone(), service.name.clone()))
    }

    /// The instance of that name.
    pub(crate) fn instance(&self, name: &InstanceName) -> Option<&InstanceRow> {
        let found = self
            .instances
            .binary_search_by(|row| row.instance.name.cmp(name));
        found.ok().and_then(|at| self.instances.get(at))
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

/// By service, what lives before what has stopped; the living by age, the stopped newest first.
fn order(row: &TaskRow) -> impl Ord + '_ {
    let task = &row.task;
    let stopped = task.is_stopped();
    let when = if stopped {
        u64::MAX - task.stopped_at.unwrap_or_default().0
    } else {
        task.created_at.0
    };
    (
        task.service.is_none(),
        task.service.as_ref(),
        stopped,
        when,
        task.id,
    )
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
        || (service.backoff.failures > 0 && row.tally.running < service.desired_count)
        || row.tally.unhealthy + row.tally.unreachable > 0
    {
        Mood::Warn
    } else if rolling || row.tally.running != service.desired_count {
        Mood::Busy
    } else {
        Mood::Calm
    }
}
