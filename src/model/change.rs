//! The only way in which [`State`](super::State) changes.
//!
//! A change names the whole new value of one thing. Applying it cannot fail, and applying a log
//! of them from the start rebuilds the state at any moment.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cluster::Cluster;
use super::event::Event;
use super::id::{
    ClusterName, InstanceName, RoleName, ScheduleName, ServiceName, TaskDefinitionId, TaskId,
};
use super::instance::Instance;
use super::role::Role;
use super::schedule::Schedule;
use super::service::Service;
use super::task::Task;
use super::task_definition::TaskDefinition;

/// One step of the state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "change", content = "body")]
pub enum Change {
    /// The control plane's own id was drawn: it marks our containers as this state's.
    ControlPlane(String),
    /// A cluster is now this.
    Cluster(Arc<Cluster>),
    /// A cluster is gone.
    ClusterRemoved(ClusterName),
    /// An instance is now this.
    Instance(Arc<Instance>),
    /// An instance is gone from the config.
    InstanceRemoved(InstanceName),
    /// A task definition is now this.
    TaskDefinition(Arc<TaskDefinition>),
    /// A task definition is forgotten.
    TaskDefinitionRemoved(TaskDefinitionId),
    /// A service is now this.
    Service(Arc<Service>),
    /// A service is gone.
    ServiceRemoved(ClusterName, ServiceName),
    /// A task is now this.
    Task(Arc<Task>),
    /// A stopped task is forgotten.
    TaskRemoved(TaskId),
    /// A role is now this.
    Role(Arc<Role>),
    /// A role is gone from the config.
    RoleRemoved(RoleName),
    /// A schedule is now this.
    Schedule(Arc<Schedule>),
    /// A schedule is gone.
    ScheduleRemoved(ClusterName, ScheduleName),
    /// Something happened.
    Event(Arc<Event>),
}
