//! The nouns, in Amazon ECS's words. Pure: no clock, random, I/O or logging.
//!
//! [`State`] holds everything the controller knows; it changes only by [`Change`]s.

pub mod access;
pub mod actor;
pub mod arn;
pub mod calendar;
pub mod capacity;
pub mod change;
pub mod cluster;
pub mod event;
pub mod grants;
pub mod history;
pub mod id;
pub mod instance;
pub mod members;
pub mod observation;
pub mod overrides;
pub mod parameters;
pub mod rare;
pub mod resources;
pub mod role;
pub mod rollback;
pub mod schedule;
pub mod service;
pub mod shared;
pub mod snapshot;
pub mod state;
pub mod tag;
pub mod task;
pub mod task_definition;
pub mod texts;
pub mod time;
pub mod validate;

pub use access::AccessRole;
pub use actor::{Actor, Audit, Outcome, Surface};
pub use arn::Partition;
pub use capacity::{CapacityProviderStrategyItem, LaunchType};
pub use change::Change;
pub use cluster::Cluster;
pub use event::{Event, EventKind, Severity};
pub use history::{Happening, History, HistoryAsk};
pub use id::{
    CapacityProviderName, ClusterName, ContainerName, DeploymentId, Family, InstanceName, Revision,
    RoleName, ScheduleName, ServiceName, TaskDefinitionId, TaskId,
};
pub use instance::{Connection, Instance, InstanceStatus};
pub use observation::Observation;
pub use rare::Rare;
pub use resources::{CpuUnits, HostPort, MemoryMib, Protocol, Resources};
pub use role::Role;
pub use schedule::Schedule;
pub use service::{Deployment, RolloutState, Service, ServiceStatus};
pub use snapshot::Snapshot;
pub use state::State;
pub use tag::{PropagateTags, Tag};
pub use task::{DesiredStatus, LastStatus, StopCode, Task};
pub use task_definition::{ContainerDefinition, TaskDefinition};
pub use texts::Texts;
pub use time::TimeMs;
