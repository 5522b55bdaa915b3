//! What the tags of a deployment's images stand for: one digest each, for all of its tasks.

use std::collections::BTreeSet;

use super::work::Work;
use crate::model::service::{ImagePin, UNRESOLVED_MAX};
use crate::model::{
    DeploymentId, EventKind, InstanceName, Service, ServiceName, Severity, Task, TaskId,
};

/// An agent says what an image's tag stands for. The first digest holds for the deployment. That
/// there is none holds for the agent's instance: only where nobody can resolve the image do tasks
/// run what its tag names on their instance.
pub(super) fn resolved(
    work: &mut Work,
    task: TaskId,
    image: String,
    answer: Result<String, String>,
) {
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
    let asks = || asking(work, &before, deployment, &image);
    let pin = pinned.images.entry(image.clone()).or_default();
    let Some(news) = take(pin, &task.instance, answer, asks) else {
        return;
    };
    let say = news.words(name, deployment, &image);
    let service = work.put_service(service);
    if let Some((severity, message)) = say {
        work.event(severity, EventKind::Deployment, &*service, message);
    }
}

/// What an answer came to.
enum News {
    /// It is noted.
    Noted,
    /// These run what the reference names there, each for its reason.
    Local(Vec<(InstanceName, String)>),
    /// Pinned, though these have been running what the reference names there.
    Late {
        digest: String,
        by: InstanceName,
        local: Vec<InstanceName>,
    },
}

/// Takes an answer in; `None` if it says nothing new. `asks`: the instances that have still to
/// know what to make containers from.
fn take(
    pin: &mut ImagePin,
    by: &InstanceName,
    answer: Result<String, String>,
    asks: impl FnOnce() -> BTreeSet<InstanceName>,
) -> Option<News> {
    if pin.digest.is_some() {
        return None;
    }
    match answer {
        Ok(digest) => {
            let before = std::mem::replace(pin, ImagePin::to_digest(digest.clone()));
            let local = before.unresolved.into_keys().collect();
            Some(match before.is_local {
                true => News::Late {
                    digest,
                    by: by.clone(),
                    local,
                },
                false => News::Noted,
            })
        }
        Err(reason) => {
            let is_full = pin.unresolved.len() >= UNRESOLVED_MAX;
            let is_new = !is_full && pin.unresolved.insert(by.clone(), reason.clone()).is_none();
            let is_enough = pin.unresolved.len() >= UNRESOLVED_MAX;
            let all = |pin: &ImagePin| asks().iter().all(|it| pin.unresolved.contains_key(it));
            if !pin.is_local && (is_enough || all(pin)) {
                pin.is_local = true;
                return Some(News::Local(pin.unresolved.clone().into_iter().collect()));
            }
            is_new.then(|| match pin.is_local {
                true => News::Local(vec![(by.clone(), reason)]),
                false => News::Noted,
            })
        }
    }
}

impl News {
    fn words(
        self,
        service: &ServiceName,
        deployment: &DeploymentId,
        image: &str,
    ) -> Option<(Severity, String)> {
        let about = format!("(service {service}) (deployment {deployment})");
        match self {
            Self::Noted => None,
            Self::Local(each) => {
                let each = each.into_iter();
                let each = each.map(|(name, reason)| format!("(instance {name}): {reason}"));
                let say = format!(
                    "{about} was unable to resolve {image} to a digest on {}. No other instance \
                     resolved it either: tasks there run what {image} names there, and are not \
                     pinned.",
                    each.collect::<Vec<_>>().join("; ")
                );
                Some((Severity::Warning, say))
            }
            Self::Late { digest, by, local } => {
                let local = local.iter().map(|name| format!("(instance {name})"));
                let say = format!(
                    "{about} is pinned to {digest} for {image} from now on, as (instance {by}) \
                     resolved it. Tasks that were started before on {} run what {image} named there.",
                    local.collect::<Vec<_>>().join(" ")
                );
                Some((Severity::Warning, say))
            }
        }
    }
}

/// The instances that answer and have a task of the deployment with a container still to be made
/// from that image.
fn asking(
    work: &Work,
    service: &Service,
    deployment: &DeploymentId,
    image: &str,
) -> BTreeSet<InstanceName> {
    let key = (service.cluster.clone(), service.name.clone());
    let tasks = work.index.services.get(&key).into_iter();
    let asks = |task: &&std::sync::Arc<Task>| {
        let definition = work.state.task_definitions.get(&task.task_definition);
        let instance = work.state.instances.get(&task.instance);
        let is_to_be_made = |name| {
            let mut containers = task.containers.iter();
            containers.any(|it| it.name == name && it.runtime_id.is_empty())
        };
        task.deployment.as_ref() == Some(deployment)
            && task.is_wanted()
            && instance.is_some_and(|instance| instance.is_connected())
            && definition.is_some_and(|definition| {
                let mut containers = definition.container_definitions.iter();
                containers.any(|it| it.image == image && is_to_be_made(it.name.clone()))
            })
    };
    let asking = tasks.flat_map(|tasks| tasks.values()).filter(asks);
    asking.map(|task| task.instance.clone()).collect()
}
