//! What an event is about.

use crate::model::{ClusterName, Instance, InstanceName, Service, ServiceName, Task, TaskId};

/// The things that an event names.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub cluster: ClusterName,
    pub service: Option<ServiceName>,
    pub task: Option<TaskId>,
    pub instance: Option<InstanceName>,
}

impl From<&ClusterName> for About {
    fn from(cluster: &ClusterName) -> Self {
        Self {
            cluster: cluster.clone(),
            service: None,
            task: None,
            instance: None,
        }
    }
}

impl From<&Instance> for About {
    fn from(instance: &Instance) -> Self {
        Self {
            instance: Some(instance.name.clone()),
            ..Self::from(&instance.cluster)
        }
    }
}

impl From<&Service> for About {
    fn from(service: &Service) -> Self {
        Self {
            service: Some(service.name.clone()),
            ..Self::from(&service.cluster)
        }
    }
}

impl From<&Task> for About {
    fn from(task: &Task) -> Self {
        Self {
            service: task.service.clone(),
            task: Some(task.id),
            instance: Some(task.instance.clone()),
            ..Self::from(&task.cluster)
        }
    }
}
