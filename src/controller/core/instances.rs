//! UpdateContainerInstancesState: draining and activating.

use super::find::{self, invalid};
use super::work::Work;
use crate::controller::command::{CommandError, Failure, Response, UpdateContainerInstancesState};
use crate::model::arn::short_name;
use crate::model::{InstanceName, InstanceStatus};

/// How many instances one request may name. ECS stops at 10, which is few for one rack.
const INSTANCES_MAX: usize = 100;

pub(super) fn update_state(
    work: &mut Work,
    request: &UpdateContainerInstancesState,
    who: &str,
) -> Result<Response, CommandError> {
    let named = &request.container_instances;
    let first = named.first().map_or("", String::as_str);
    let cluster = find::cluster(work, request.cluster.as_deref(), first)?;
    if request.status == InstanceStatus::Registering {
        return Err(invalid(
            "status: an instance can be set to ACTIVE or DRAINING; REGISTERING is observed.",
        ));
    }
    if named.is_empty() || named.len() > INSTANCES_MAX {
        return Err(invalid(format!(
            "containerInstances: name 1 to {INSTANCES_MAX} instances, not {}.",
            named.len()
        )));
    }
    let (mut changed, mut failures) = (Vec::new(), Vec::new());
    for text in named {
        let found = InstanceName::new(short_name(text))
            .ok()
            .and_then(|name| work.state.instances.get(&name).cloned())
            .filter(|instance| instance.cluster == cluster);
        let Some(instance) = found else {
            failures.push(Failure {
                arn: text.clone(),
                reason: "MISSING".to_owned(),
                detail: format!(
                    "There is no container instance {} in cluster {cluster}.",
                    short_name(text)
                ),
            });
            continue;
        };
        let status = match request.status {
            // One that has never answered becomes ACTIVE when it does.
            InstanceStatus::Active if instance.status == InstanceStatus::Registering => {
                InstanceStatus::Registering
            }
            InstanceStatus::Active if instance.registered_at.is_none() => {
                InstanceStatus::Registering
            }
            status => status,
        };
        let before = instance.status;
        let mut instance = (*instance).clone();
        instance.status = status;
        let instance = work.put_instance(instance);
        if before != status {
            let message = format!(
                "(instance {}) was set to {} by {who}.",
                instance.name,
                status.as_str()
            );
            work.operator(&*instance, message);
        }
        changed.push(instance);
    }
    Ok(Response::Instances(changed, failures))
}
