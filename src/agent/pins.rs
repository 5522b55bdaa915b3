//! What the containers of a task are made from: the tag of its definition, or the digest that
//! its deployment pinned it to. Pure.

use crate::docker::pin::{is_digest, pinned};
use crate::model::parameters::VersionConsistency;
use crate::model::service::ImagePin;
use crate::model::{ContainerDefinition, Deployment, DeploymentId, State, Task};

/// What a container is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// This reference.
    Image(String),
    /// Not known yet: the deployment has not pinned its image.
    Unresolved(DeploymentId),
    /// No instance that was asked could resolve the image: what it names here, once this engine
    /// has said that it cannot either.
    Local(DeploymentId),
}

/// What a container of a task is made from.
#[must_use]
pub fn source(state: &State, task: &Task, container: &ContainerDefinition) -> Source {
    let image = &container.image;
    let consistent = container.version_consistency != Some(VersionConsistency::Disabled);
    let deployment = deployment(state, task).filter(|_| consistent && !is_digest(image));
    let Some(deployment) = deployment else {
        return Source::Image(image.clone());
    };
    match deployment.images.get(image) {
        Some(ImagePin {
            digest: Some(digest),
            ..
        }) => Source::Image(pinned(image, digest)),
        Some(pin) if pin.is_local && pin.unresolved.contains_key(&task.instance) => {
            Source::Image(image.clone())
        }
        Some(pin) if pin.is_local => Source::Local(deployment.id.clone()),
        _ => Source::Unresolved(deployment.id.clone()),
    }
}

/// The reference that a container is made from: its tag where the digest is not known yet.
#[must_use]
pub fn image(state: &State, task: &Task, container: &ContainerDefinition) -> String {
    match source(state, task, container) {
        Source::Image(image) => image,
        Source::Unresolved(_) | Source::Local(_) => container.image.clone(),
    }
}

fn deployment<'a>(state: &'a State, task: &Task) -> Option<&'a Deployment> {
    let service = state.service(&task.cluster, task.service.as_ref()?)?;
    let id = task.deployment.as_ref()?;
    service.deployments.iter().find(|d| &d.id == id)
}
