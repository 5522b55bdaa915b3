//! TagResource, UntagResource.

use std::sync::Arc;

use super::find::{self, client, invalid};
use super::work::Work;
use crate::controller::command::tagging::{TagResource, UntagResource};
use crate::controller::command::{CommandError, ErrorKind, Response};
use crate::model::arn::Resource;
use crate::model::tag::{self, TAGS_MAX, Tag};
use crate::model::validate::Fault;
use crate::model::{Change, InstanceName};

pub(super) fn tag(
    work: &mut Work,
    request: &TagResource,
    who: &str,
) -> Result<Response, CommandError> {
    find::refuse(
        ErrorKind::InvalidParameterException,
        &tag::faults("tags", &request.tags),
    )?;
    change(work, &request.resource_arn, who, "tagged", |tags| {
        tag::merged(tags, &request.tags)
    })
}

pub(super) fn untag(
    work: &mut Work,
    request: &UntagResource,
    who: &str,
) -> Result<Response, CommandError> {
    change(work, &request.resource_arn, who, "untagged", |tags| {
        let stays = |tag: &&Tag| !request.tag_keys.contains(&tag.key);
        tags.iter().filter(stays).cloned().collect()
    })
}

/// Gives a thing its new tags.
fn change(
    work: &mut Work,
    arn: &str,
    who: &str,
    did: &str,
    new: impl Fn(&[Tag]) -> Vec<Tag>,
) -> Result<Response, CommandError> {
    let checked = |tags: &[Tag]| {
        let tags = new(tags);
        if tags.len() > TAGS_MAX {
            let message = format!("{} tags in all; at most {TAGS_MAX} are allowed", tags.len());
            let fault = Fault {
                path: "tags".to_owned(),
                message,
            };
            return Err(invalid(fault.to_string()));
        }
        Ok(tags)
    };
    match Resource::of(arn).ok_or_else(|| not_an_arn(arn))? {
        Resource::Task(_, id) => {
            let cluster = find::cluster(work, None, arn)?;
            let mut task = (*find::task(work, &cluster, id)?).clone();
            task.tags = checked(&task.tags)?.into();
            let task = work.put_task(task);
            work.operator(&*task, format!("(task {}) was {did} by {who}.", task.id));
        }
        Resource::Service(_, name) => {
            let cluster = find::cluster(work, None, arn)?;
            let mut service = (*find::service(work, &cluster, name)?).clone();
            service.tags = checked(&service.tags)?;
            let service = work.put_service(service);
            let message = format!("(service {}) was {did} by {who}.", service.name);
            work.operator(&*service, message);
        }
        Resource::TaskDefinition(id) => {
            let mut definition = (*find::exact_definition(work, id)?).clone();
            definition.tags = checked(&definition.tags)?;
            let message = format!("(task definition {}) was {did} by {who}.", definition.id());
            work.put(Change::TaskDefinition(Arc::new(definition)));
            work.operator(&crate::model::ClusterName::default_cluster(), message);
        }
        Resource::Cluster(name) => {
            let name = find::cluster(work, Some(name), "")?;
            if let Some(mut cluster) = work.state.clusters.get(&name).map(|it| (**it).clone()) {
                cluster.tags = checked(&cluster.tags)?;
                work.put_cluster(cluster);
                work.operator(&name, format!("(cluster {name}) was {did} by {who}."));
            }
        }
        Resource::Instance(_, name) => {
            let cluster = find::cluster(work, None, arn)?;
            let found = InstanceName::new(name).ok();
            let found = found.and_then(|name| work.state.instances.get(&name));
            // What serves FARGATE stays out of sight.
            let found = found.filter(|it| it.cluster == cluster && !it.fargate);
            let found = found.ok_or_else(|| {
                invalid(format!(
                    "There is no container instance {name} in cluster {cluster}."
                ))
            })?;
            let mut instance = (**found).clone();
            instance.tags = checked(&instance.tags)?;
            let message = format!("(instance {}) was {did} by {who}.", instance.name);
            work.operator(&instance, message);
            work.put_instance(instance);
        }
        other @ (Resource::Other(_) | Resource::ServiceDeployment(..)) => {
            let kind = match other {
                Resource::Other(kind) => kind,
                _ => "service-deployment",
            };
            return Err(CommandError::new(
                ErrorKind::UnsupportedFeatureException,
                format!(
                    "tags of a {kind} are not supported; clusters, container instances, services, \
                     tasks and task definitions have them"
                ),
            ));
        }
    }
    Ok(Response::Done)
}

fn not_an_arn(text: &str) -> CommandError {
    client(format!(
        "\"{text}\" is not an ARN of ECS: arn:aws:ecs:REGION:ACCOUNT:service/CLUSTER/NAME, say"
    ))
}
