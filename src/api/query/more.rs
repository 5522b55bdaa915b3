//! Schedules and tags.

use serde_json::{Value, json};

use super::{Describe, List, cluster, definition, describe, invalid, page, shape};
use crate::controller::{CommandError, ErrorKind};
use crate::model::arn::Resource;
use crate::model::{ClusterName, Schedule, ScheduleName, ServiceName, State, TaskId};

pub(super) fn list_schedules(state: &State, asked: &List) -> Result<Value, CommandError> {
    let cluster = cluster(state, asked.cluster.as_deref())?;
    let names = of(state, &cluster.name).map(|it| it.name.to_string());
    page("schedules", names.collect(), asked)
}

fn of<'a>(state: &'a State, cluster: &'a ClusterName) -> impl Iterator<Item = &'a Schedule> {
    let all = state.schedules.values().map(AsRef::as_ref);
    all.filter(move |it| &it.cluster == cluster)
}

pub(super) fn describe_schedules(state: &State, asked: &Describe) -> Result<Value, CommandError> {
    let cluster = cluster(state, asked.cluster.as_deref())?;
    describe("schedules", &asked.schedules, str::to_owned, |name| {
        let key = (cluster.name.clone(), ScheduleName::new(name).ok()?);
        let schedule = state.schedules.get(&key)?;
        Some(shape::schedule(state, schedule))
    })
}

pub(super) fn list_tags(state: &State, asked: &Describe) -> Result<Value, CommandError> {
    let arn = asked.resource_arn.as_deref();
    let arn = arn.ok_or_else(|| invalid("the member resourceArn is missing"))?;
    let gone = || {
        let message = format!("the resource {arn} was not found");
        CommandError::new(ErrorKind::ResourceNotFoundException, message)
    };
    let resource = Resource::of(arn)
        .ok_or_else(|| invalid(format!("resourceArn: \"{arn}\" is no ARN of ECS")))?;
    let tags = match resource {
        Resource::Task(_, id) => {
            let id: Option<TaskId> = id.parse().ok();
            let task = id.and_then(|id| state.tasks.get(&id));
            &task.ok_or_else(gone)?.tags
        }
        Resource::Service(of, name) => {
            let cluster = cluster(state, Some(of))?;
            let name = ServiceName::new(name).ok();
            let service = name.and_then(|name| state.service(&cluster.name, &name));
            &service.ok_or_else(gone)?.tags
        }
        Resource::TaskDefinition(id) => &definition(state, id).ok_or_else(gone)?.tags,
        Resource::Other(_) => return Ok(json!({"tags": []})),
    };
    Ok(json!({"tags": tags}))
}
