//! Everything the controller knows, in persistent maps: a copy is cheap and shares structure.

use std::sync::Arc;

use imbl::{OrdMap, Vector};
use serde::{Deserialize, Serialize};

use super::arn::Partition;
use super::change::Change;
use super::cluster::Cluster;
use super::event::Event;
use super::id::{
    ClusterName, Family, IdError, InstanceName, Revision, RoleName, ScheduleName, ServiceName,
    TaskDefinitionId, TaskId,
};
use super::instance::Instance;
use super::observation::{ObservedContainer, Ownership};
use super::role::Role;
use super::schedule::Schedule;
use super::service::Service;
use super::task::Task;
use super::task_definition::{TaskDefinition, TaskDefinitionStatus};
use super::texts::Texts;

/// How many events a state keeps; older ones are in the change log.
pub const EVENTS_MAX: usize = 1_000;

/// A service's key: its cluster and its name.
pub type ServiceKey = (ClusterName, ServiceName);

/// A schedule's key: its cluster and its name.
pub type ScheduleKey = (ClusterName, ScheduleName);

/// Why a text means no task definition that something could start from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoDefinition {
    /// It is no name of one.
    #[error(transparent)]
    Misnamed(IdError),
    /// There is no ACTIVE one of that name.
    #[error("there is no such task definition")]
    Unknown,
    /// It was deregistered.
    #[error(
        "task definition {0} is INACTIVE: it was deregistered, so nothing new starts from it. \
         Register the family anew, or name another revision"
    )]
    Inactive(TaskDefinitionId),
}

/// Everything the controller knows. Changed by [`State::apply`] only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Marks our containers as this state's; empty until drawn.
    pub control_plane: String,
    /// Clusters by name.
    #[serde(with = "values::clusters")]
    pub clusters: OrdMap<ClusterName, Arc<Cluster>>,
    /// Instances by name.
    #[serde(with = "values::instances")]
    pub instances: OrdMap<InstanceName, Arc<Instance>>,
    /// Task definitions by `family:revision`.
    #[serde(with = "values::task_definitions")]
    pub task_definitions: OrdMap<TaskDefinitionId, Arc<TaskDefinition>>,
    /// Services by cluster and name.
    #[serde(with = "values::services")]
    pub services: OrdMap<ServiceKey, Arc<Service>>,
    /// Tasks by id; stopped ones are kept for a while.
    #[serde(with = "values::tasks")]
    pub tasks: OrdMap<TaskId, Arc<Task>>,
    /// Roles of the config by name.
    #[serde(default, with = "values::roles")]
    pub roles: OrdMap<RoleName, Arc<Role>>,
    /// Schedules by cluster and name.
    #[serde(default, with = "values::schedules")]
    pub schedules: OrdMap<ScheduleKey, Arc<Schedule>>,
    /// The latest events, oldest first.
    pub events: Vector<Arc<Event>>,
}

impl State {
    /// Whether this is that very state, and not only an equal one: dear to make, cheap to tell.
    /// Of two that were made apart from each other it may say no though they are equal.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.control_plane == other.control_plane
            && self.clusters.ptr_eq(&other.clusters)
            && self.instances.ptr_eq(&other.instances)
            && self.task_definitions.ptr_eq(&other.task_definitions)
            && self.services.ptr_eq(&other.services)
            && self.tasks.ptr_eq(&other.tasks)
            && self.roles.ptr_eq(&other.roles)
            && self.schedules.ptr_eq(&other.schedules)
            && self.events.ptr_eq(&other.events)
    }

    /// Whose a container is, if this control plane made it: by its labels and name, or, if it was
    /// renamed behind our back, because a task knows it by its id.
    #[must_use]
    pub fn owner_of<'a>(&self, container: &'a ObservedContainer) -> Option<&'a Ownership> {
        let by_id = || {
            let owner = container.owner.as_ref()?;
            let mut known = self.tasks.get(&owner.task)?.containers.iter();
            let is_it = known.any(|c| c.runtime_id == container.runtime_id);
            (is_it && owner.control_plane == self.control_plane).then_some(owner)
        };
        container.owned_by(&self.control_plane).or_else(by_id)
    }

    /// Takes one change in. The same changes in the same order give the same state.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::ControlPlane(id) => self.control_plane.clone_from(id),
            Change::Cluster(cluster) => {
                self.clusters.insert(cluster.name.clone(), cluster.clone());
            }
            Change::ClusterRemoved(name) => {
                self.clusters.remove(name);
            }
            Change::Instance(instance) => {
                self.instances
                    .insert(instance.name.clone(), instance.clone());
            }
            Change::InstanceRemoved(name) => {
                self.instances.remove(name);
            }
            Change::TaskDefinition(definition) => {
                self.task_definitions
                    .insert(definition.id(), definition.clone());
            }
            Change::TaskDefinitionRemoved(id) => {
                self.task_definitions.remove(id);
            }
            Change::Service(service) => {
                let key = (service.cluster.clone(), service.name.clone());
                self.services.insert(key, service.clone());
            }
            Change::ServiceRemoved(cluster, name) => {
                self.services.remove(&(cluster.clone(), name.clone()));
            }
            Change::Task(task) => {
                self.tasks.insert(task.id, task.clone());
            }
            Change::TaskRemoved(id) => {
                self.tasks.remove(id);
            }
            Change::Role(role) => {
                self.roles.insert(role.name.clone(), role.clone());
            }
            Change::RoleRemoved(name) => {
                self.roles.remove(name);
            }
            Change::Schedule(schedule) => {
                let key = (schedule.cluster.clone(), schedule.name.clone());
                self.schedules.insert(key, schedule.clone());
            }
            Change::ScheduleRemoved(cluster, name) => {
                self.schedules.remove(&(cluster.clone(), name.clone()));
            }
            Change::Event(event) => {
                self.events.push_back(event.clone());
                while self.events.len() > EVENTS_MAX {
                    self.events.pop_front();
                }
            }
        }
    }

    /// Takes several changes in, in order.
    pub fn apply_all<'a>(&mut self, changes: impl IntoIterator<Item = &'a Change>) {
        for change in changes {
            self.apply(change);
        }
    }

    /// The service of that cluster and name.
    #[must_use]
    pub fn service(&self, cluster: &ClusterName, name: &ServiceName) -> Option<&Arc<Service>> {
        self.services.get(&(cluster.clone(), name.clone()))
    }

    /// Whether the instance that a task is on answers: if not, what is known of the task is what
    /// was seen last.
    #[must_use]
    pub fn hears(&self, task: &Task) -> bool {
        let instance = self.instances.get(&task.instance);
        instance.is_some_and(|instance| instance.is_connected())
    }

    /// Whether a task counts and nobody knows how it is: it is wanted, not given up for lost, and
    /// its instance does not answer.
    #[must_use]
    pub fn is_unreachable(&self, task: &Task) -> bool {
        task.is_wanted() && !self.hears(task)
    }

    /// A service's tasks, stopped ones included.
    pub fn service_tasks<'a>(
        &'a self,
        cluster: &'a ClusterName,
        name: &'a ServiceName,
    ) -> impl Iterator<Item = &'a Arc<Task>> {
        self.tasks
            .values()
            .filter(move |task| &task.cluster == cluster && task.service.as_ref() == Some(name))
    }

    /// An instance's tasks, stopped ones included.
    pub fn instance_tasks<'a>(
        &'a self,
        name: &'a InstanceName,
    ) -> impl Iterator<Item = &'a Arc<Task>> {
        self.tasks
            .values()
            .filter(move |task| &task.instance == name)
    }

    /// The newest ACTIVE revision of a family.
    #[must_use]
    pub fn latest_definition(&self, family: &Family) -> Option<&Arc<TaskDefinition>> {
        self.family(family)
            .filter(|definition| definition.status == TaskDefinitionStatus::Active)
            .last()
    }

    /// The ACTIVE task definition that a text means: `FAMILY` is its newest, `FAMILY:REVISION` that
    /// one.
    ///
    /// # Errors
    /// [`NoDefinition`] when there is none that something could start from.
    pub fn named_definition(&self, text: &str) -> Result<&Arc<TaskDefinition>, NoDefinition> {
        if !text.contains(':') {
            let family = Family::new(text).map_err(NoDefinition::Misnamed)?;
            return self.latest_definition(&family).ok_or(NoDefinition::Unknown);
        }
        let id: TaskDefinitionId = text.parse().map_err(NoDefinition::Misnamed)?;
        match self.task_definitions.get(&id) {
            None => Err(NoDefinition::Unknown),
            Some(found) if found.status == TaskDefinitionStatus::Inactive => {
                Err(NoDefinition::Inactive(id))
            }
            Some(found) => Ok(found),
        }
    }

    /// The revision that the next registration in a family gets. Revisions are never reused.
    #[must_use]
    pub fn next_revision(&self, family: &Family) -> Revision {
        let last = self.family(family).map(|d| d.revision.0).max();
        Revision(last.unwrap_or(0).saturating_add(1))
    }

    /// A family's definitions, oldest first.
    pub fn family<'a>(
        &'a self,
        family: &Family,
    ) -> impl Iterator<Item = &'a Arc<TaskDefinition>> + use<'a> {
        let at = |revision| TaskDefinitionId {
            family: family.clone(),
            revision: Revision(revision),
        };
        self.task_definitions
            .range(at(0)..=at(u32::MAX))
            .map(|(_, definition)| definition)
    }

    /// What the ARNs of a cluster start with.
    #[must_use]
    pub fn partition(&self, cluster: &ClusterName) -> Partition {
        self.clusters
            .get(cluster)
            .map(|c| c.partition.clone())
            .unwrap_or_default()
    }
}

/// Maps travel as the list of their values: the keys are in the values, and JSON has no other
/// keys than strings.
mod values {
    macro_rules! values {
        ($module:ident, $key:ty, $value:ty, |$item:ident| $of:expr) => {
            values!($module, $key, $value, |$item| $of, |_: &mut Vec<_>| {});
        };
        ($module:ident, $key:ty, $value:ty, |$item:ident| $of:expr, $share:expr) => {
            pub mod $module {
                #[allow(unused_imports)]
                use super::super::*;
                use serde::{Deserialize, Deserializer, Serializer};

                pub fn serialize<S: Serializer>(
                    map: &OrdMap<$key, Arc<$value>>,
                    to: S,
                ) -> Result<S::Ok, S::Error> {
                    to.collect_seq(map.values())
                }

                pub fn deserialize<'de, D: Deserializer<'de>>(
                    from: D,
                ) -> Result<OrdMap<$key, Arc<$value>>, D::Error> {
                    let mut values = Vec::<Arc<$value>>::deserialize(from)?;
                    $share(&mut values);
                    Ok(values.into_iter().map(|$item| ($of, $item)).collect())
                }
            }
        };
    }
    values!(clusters, ClusterName, Cluster, |c| c.name.clone());
    values!(instances, InstanceName, Instance, |i| i.name.clone());
    values!(task_definitions, TaskDefinitionId, TaskDefinition, |d| d
        .id());
    values!(services, ServiceKey, Service, |s| (
        s.cluster.clone(),
        s.name.clone()
    ));
    values!(tasks, TaskId, Task, |t| t.id, |tasks: &mut Vec<
        Arc<Task>,
    >| {
        // Each was read with texts of its own.
        let mut texts = Texts::default();
        for task in tasks.iter_mut().filter_map(Arc::get_mut) {
            task.share(&mut texts);
        }
    });
    values!(roles, RoleName, Role, |r| r.name.clone());
    values!(schedules, ScheduleKey, Schedule, |s| (
        s.cluster.clone(),
        s.name.clone()
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::{EventKind, Severity};
    use crate::model::time::TimeMs;

    fn event(at: u64) -> Change {
        Change::Event(Arc::new(Event {
            at: TimeMs(at),
            severity: Severity::Info,
            kind: EventKind::Service,
            cluster: ClusterName::default_cluster(),
            service: None,
            task: None,
            instance: None,
            audit: None,
            message: String::new(),
        }))
    }

    #[test]
    fn a_copy_is_the_same_until_one_of_them_changes() {
        let mut state = State::default();
        (0..200).for_each(|n| state.apply(&event(n)));
        let mut copy = state.clone();
        assert!(copy.is_same(&state));
        copy.apply(&event(200));
        assert!(!copy.is_same(&state));
    }

    #[test]
    fn events_are_bounded_and_the_oldest_go() {
        let mut state = State::default();
        for at in 0..EVENTS_MAX as u64 + 5 {
            state.apply(&event(at));
        }
        assert_eq!(state.events.len(), EVENTS_MAX);
        assert_eq!(state.events.front().unwrap().at, TimeMs(5));
    }

    #[test]
    fn tasks_that_are_read_have_their_texts_in_common() {
        let mut state = State::default();
        for id in 1..=2 {
            let instance = InstanceName::new("ops-1").unwrap();
            let definition = "web:1".parse().unwrap();
            let cluster = ClusterName::default_cluster();
            let mut task = Task::new(TaskId(id), cluster, instance, definition, TimeMs(1));
            task.group = "family:web".into();
            state.apply(&Change::Task(Arc::new(task)));
        }
        let text = serde_json::to_string(&state).unwrap();
        let read: State = serde_json::from_str(&text).unwrap();
        assert_eq!(read, state);
        let (one, two) = (&read.tasks[&TaskId(1)], &read.tasks[&TaskId(2)]);
        assert!(Arc::ptr_eq(&one.group, &two.group));
        assert!(std::ptr::eq(one.instance.as_str(), two.instance.as_str()));
    }

    #[test]
    fn a_state_survives_its_own_json() {
        let mut state = State::default();
        state.apply(&Change::ControlPlane("abc".into()));
        state.apply(&Change::Cluster(Arc::new(Cluster::new(
            ClusterName::default_cluster(),
            Partition::default(),
            true,
            TimeMs(1),
        ))));
        state.apply(&event(3));
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
    }
}
