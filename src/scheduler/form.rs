//! New tasks, fully formed.

use crate::model::service::Service;
use crate::model::task::{Container, Health};
use crate::model::task_definition::TaskDefinition;
use crate::model::{
    DeploymentId, DesiredStatus, InstanceName, LastStatus, Resources, Task, TaskId, TimeMs,
};

/// What a service's new task is made of.
pub(crate) struct Born<'a> {
    pub id: TaskId,
    pub service: &'a Service,
    pub deployment: &'a DeploymentId,
    pub definition: &'a TaskDefinition,
    pub resources: Resources,
    pub instance: InstanceName,
    pub placement: String,
    pub now: TimeMs,
}

/// A service's new task.
pub(crate) fn task(born: Born<'_>) -> Task {
    Task {
        id: born.id,
        cluster: born.service.cluster.clone(),
        instance: born.instance,
        task_definition: born.definition.id(),
        service: Some(born.service.name.clone()),
        deployment: Some(born.deployment.clone()),
        group: format!("service:{}", born.service.name),
        started_by: born.deployment.to_string(),
        desired_status: DesiredStatus::Running,
        last_status: LastStatus::Provisioning,
        containers: containers(born.definition),
        resources: born.resources,
        created_at: born.now,
        started_at: None,
        stopping_at: None,
        stopped_at: None,
        stop_code: None,
        stopped_reason: None,
        lost_at: None,
        placement: born.placement,
        client_token: None,
    }
}

/// The containers of a task that nobody has taken up yet, in the definition's order.
#[must_use]
pub fn containers(definition: &TaskDefinition) -> Vec<Container> {
    definition
        .container_definitions
        .iter()
        .map(|container| Container {
            name: container.name.clone(),
            runtime_id: String::new(),
            last_status: LastStatus::Pending,
            exit_code: None,
            reason: None,
            health: Health::Unknown,
            has_health_check: container
                .health_check
                .as_ref()
                .is_some_and(|check| check.command.first().is_some_and(|c| c != "NONE")),
            essential: container.essential,
            oom_killed: false,
            image_digest: None,
            network_bindings: Vec::new(),
        })
        .collect()
}
