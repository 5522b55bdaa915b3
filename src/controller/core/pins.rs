//! What the tags of a deployment's images stand for: one digest each, for all of its tasks.

use super::work::Work;
use crate::model::service::ImagePin;
use crate::model::{EventKind, Severity, TaskId};

/// An agent says what an image's tag stands for. The first answer holds for the deployment;
/// whatever comes later was asked before that was known.
pub(super) fn resolved(work: &mut Work, task: TaskId, image: String, pin: ImagePin) {
    let Some(task) = work.state.tasks.get(&task).cloned() else {
        return;
    };
    let (Some(name), Some(deployment)) = (&task.service, &task.deployment) else {
        return;
    };
    let definition = work.state.task_definitions.get(&task.task_definition);
    let is_asked_for = definition.is_some_and(|d| {
        d.container_definitions
            .iter()
            .any(|container| container.image == image)
    });
    let Some(before) = work.state.service(&task.cluster, name).cloned() else {
        return;
    };
    let mut service = (*before).clone();
    let mut deployments = service.deployments.iter_mut();
    let Some(pinned) = deployments.find(|d| &d.id == deployment && is_asked_for) else {
        return;
    };
    if pinned.images.contains_key(&image) {
        return;
    }
    let unpinned = pin.digest.is_none().then(|| {
        format!(
            "(service {name}) (deployment {deployment}) runs what {image} names on each host: it \
             could not be pinned to one digest ({}).",
            pin.reason
        )
    });
    pinned.images.insert(image, pin);
    let service = work.put_service(service);
    if let Some(message) = unpinned {
        work.event(Severity::Warning, EventKind::Deployment, &*service, message);
    }
}
