//! New tasks, fully formed.

use std::sync::Arc;

use crate::model::service::Service;
use crate::model::tag::{PropagateTags, Tag};
use crate::model::task::Container;
use crate::model::task_definition::TaskDefinition;
use crate::model::{
    CapacityProviderName, DeploymentId, InstanceName, Resources, Task, TaskId, TimeMs,
};

/// What a service's new task is made of.
pub(crate) struct Born<'a> {
    pub id: TaskId,
    /// ECS's group, which all of the service's tasks share.
    pub group: Arc<str>,
    pub service: &'a Service,
    pub deployment: &'a DeploymentId,
    pub definition: &'a TaskDefinition,
    pub resources: Resources,
    pub instance: InstanceName,
    pub placement: Arc<str>,
    pub capacity_provider: Option<CapacityProviderName>,
    pub now: TimeMs,
}

/// A service's new task.
pub(crate) fn task(born: Born<'_>) -> Task {
    Task {
        service: Some(born.service.name.clone()),
        deployment: Some(born.deployment.clone()),
        group: born.group,
        started_by: born.deployment.clone().into(),
        containers: containers(born.definition),
        resources: born.resources,
        placement: born.placement,
        launch_type: born.service.launch_type,
        tags: tags(born.service, born.definition).into(),
        capacity_provider: born.capacity_provider,
        ..Task::new(
            born.id,
            born.service.cluster.clone(),
            born.instance,
            born.definition.id(),
            born.now,
        )
    }
}

/// The tags that a service's new task gets.
fn tags(service: &Service, definition: &TaskDefinition) -> Vec<Tag> {
    match service.propagate_tags {
        PropagateTags::None => Vec::new(),
        PropagateTags::Service => service.tags.clone(),
        PropagateTags::TaskDefinition => definition.tags.clone(),
    }
}

/// The containers of a task that nobody has taken up yet, in the definition's order.
#[must_use]
pub fn containers(definition: &TaskDefinition) -> Vec<Container> {
    definition
        .container_definitions
        .iter()
        .map(|container| {
            Container::new(
                container.name.clone(),
                container.essential,
                container.checks_health(),
            )
        })
        .collect()
}
