//! From what a request names to the thing itself. Short names and full ARNs are taken alike.

use std::sync::Arc;

use super::work::Work;
use crate::controller::command::{CommandError, ErrorKind};
use crate::model::arn::short_name;
use crate::model::grants;
use crate::model::members::nearest;
use crate::model::parameters::TaskOverride;
use crate::model::state::NoDefinition;
use crate::model::task_definition::TaskDefinitionStatus;
use crate::model::validate::Fault;
use crate::model::{
    ClusterName, Service, ServiceName, Task, TaskDefinition, TaskDefinitionId, TaskId,
};

/// The fewest digits that may stand for a whole task id.
const TASK_PREFIX_MIN: usize = 4;
/// How many tasks an ambiguous prefix lists.
const TASKS_LISTED_MAX: usize = 8;

pub(super) fn invalid(message: impl Into<String>) -> CommandError {
    CommandError::new(ErrorKind::InvalidParameterException, message)
}

pub(super) fn client(message: impl Into<String>) -> CommandError {
    CommandError::new(ErrorKind::ClientException, message)
}

/// Refuses a request with every fault that was found.
pub(super) fn refuse(kind: ErrorKind, faults: &[Fault]) -> Result<(), CommandError> {
    if faults.is_empty() {
        return Ok(());
    }
    let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
    Err(CommandError::new(kind, said.join("\n")))
}

/// Refuses what asks for more than its task role grants, with every grant that is missing.
pub(super) fn granted(
    work: &Work,
    definition: &TaskDefinition,
    overrides: Option<&TaskOverride>,
) -> Result<(), CommandError> {
    let missing = grants::missing(&work.state.roles, definition, overrides);
    if missing.is_empty() {
        return Ok(());
    }
    let said: Vec<String> = missing.iter().map(ToString::to_string).collect();
    Err(invalid(format!(
        "Task definition {} asks for more than its task role grants:\n{}",
        definition.id(),
        said.join("\n")
    )))
}

/// ` Did you mean X?` or ` There are X, Y.`, to end a message about something that is not there.
pub(super) fn help<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => format!(" Did you mean {near}?"),
        None if known.is_empty() => " There are none.".to_owned(),
        None if known.len() <= 12 => format!(" There are {}.", known.join(", ")),
        None => String::new(),
    }
}

/// The cluster in the middle of a long ARN: `…:service/CLUSTER/NAME`.
fn cluster_of_arn(arn: &str) -> Option<&str> {
    let mut parts = arn.strip_prefix("arn:")?.split('/').skip(1);
    let (cluster, _name) = (parts.next()?, parts.next()?);
    Some(cluster)
}

/// The cluster that a request names; one inside the ARN of what it is about; else `default`.
pub(super) fn cluster(
    work: &Work,
    named: Option<&str>,
    about: &str,
) -> Result<ClusterName, CommandError> {
    let name = named
        .map(short_name)
        .filter(|name| !name.is_empty())
        .or_else(|| cluster_of_arn(about))
        .unwrap_or("default");
    let found = ClusterName::new(name)
        .ok()
        .filter(|name| work.state.clusters.contains_key(name));
    found.ok_or_else(|| {
        let known = work.state.clusters.keys().map(ClusterName::as_str);
        CommandError::new(
            ErrorKind::ClusterNotFoundException,
            format!("There is no cluster {name}.{}", help(name, known)),
        )
    })
}

/// The service that a request names.
pub(super) fn service(
    work: &Work,
    cluster: &ClusterName,
    named: &str,
) -> Result<Arc<Service>, CommandError> {
    let name = short_name(named);
    let found = ServiceName::new(name)
        .ok()
        .and_then(|name| work.state.service(cluster, &name).cloned());
    found.ok_or_else(|| {
        let here = work.state.services.values();
        let known = here
            .filter(|service| &service.cluster == cluster)
            .map(|service| service.name.as_str());
        CommandError::new(
            ErrorKind::ServiceNotFoundException,
            format!(
                "There is no service {name} in cluster {cluster}.{}",
                help(name, known)
            ),
        )
    })
}

/// The ACTIVE task definition that a request names: a bare family is its newest.
pub(super) fn definition(work: &Work, named: &str) -> Result<Arc<TaskDefinition>, CommandError> {
    let name = short_name(named);
    let found = work.state.named_definition(name);
    found.cloned().map_err(|none| match none {
        NoDefinition::Misnamed(error) => invalid(error.to_string()),
        NoDefinition::Unknown => no_definition(work, name),
        NoDefinition::Inactive(id) => client(format!(
            "Task definition {id} is INACTIVE: it was deregistered, so nothing new starts from \
             it. Register the family anew, or name another revision."
        )),
    })
}

/// The task definition of that `family:revision`, whatever its status.
pub(super) fn exact_definition(
    work: &Work,
    named: &str,
) -> Result<Arc<TaskDefinition>, CommandError> {
    let name = short_name(named);
    let id: TaskDefinitionId = name
        .parse()
        .map_err(|error: crate::model::id::IdError| invalid(error.to_string()))?;
    let found = work.state.task_definitions.get(&id).cloned();
    found.ok_or_else(|| no_definition(work, name))
}

fn no_definition(work: &Work, name: &str) -> CommandError {
    let family = name.split(':').next().unwrap_or(name);
    let mut revisions = Vec::new();
    let mut families: Vec<&str> = Vec::new();
    for (id, definition) in &work.state.task_definitions {
        if definition.status == TaskDefinitionStatus::Inactive {
            continue;
        }
        if id.family.as_str() == family {
            revisions.push(id.revision.to_string());
        }
        if families.last() != Some(&id.family.as_str()) {
            families.push(id.family.as_str());
        }
    }
    let help = if revisions.is_empty() {
        help(family, families.into_iter())
    } else {
        let newest = revisions.len().saturating_sub(12);
        format!(" It has the revisions {}.", revisions[newest..].join(", "))
    };
    client(format!(
        "TaskDefinition not found: there is no ACTIVE {name}.{help}"
    ))
}

/// The task that a request names: its ARN, its id, or the beginning of its id.
pub(super) fn task(
    work: &Work,
    cluster: &ClusterName,
    named: &str,
) -> Result<Arc<Task>, CommandError> {
    let text = short_name(named).to_lowercase();
    let not_found = || {
        invalid(format!(
            "The referenced task was not found: there is no task {text} in cluster {cluster}. \
             Stopped tasks are forgotten after a while."
        ))
    };
    if let Ok(id) = text.parse::<TaskId>() {
        let found = work.state.tasks.get(&id);
        let here = found.filter(|task| &task.cluster == cluster);
        return here.cloned().ok_or_else(not_found);
    }
    let digits = text.bytes().all(|b| b.is_ascii_hexdigit());
    if !digits || text.len() < TASK_PREFIX_MIN || text.len() >= 32 {
        return Err(invalid(format!(
            "\"{text}\" is not a task id: give its 32 hexadecimal digits, or the first \
             {TASK_PREFIX_MIN} or more of them."
        )));
    }
    let begins =
        |task: &&Arc<Task>| &task.cluster == cluster && task.id.to_string().starts_with(&text);
    let matches: Vec<&Arc<Task>> = work.state.tasks.values().filter(begins).collect();
    match matches.as_slice() {
        [] => Err(not_found()),
        [one] => Ok((*one).clone()),
        many => {
            let mut listed: Vec<String> = many
                .iter()
                .take(TASKS_LISTED_MAX)
                .map(|task| format!("{} ({} on {})", task.id, task.group, task.instance))
                .collect();
            if many.len() > TASKS_LISTED_MAX {
                listed.push(format!("and {} more", many.len() - TASKS_LISTED_MAX));
            }
            Err(invalid(format!(
                "{} tasks begin with {text}; give more digits: {}",
                many.len(),
                listed.join(", ")
            )))
        }
    }
}
