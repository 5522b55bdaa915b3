//! UpdateTaskProtection: neither scale-in nor a deployment nor a draining instance stops a
//! protected task. A person, its own end, failing health checks and its service's deletion do.

use super::find::{self, invalid};
use super::work::Work;
use crate::controller::command::{CommandError, Failure, Response, UpdateTaskProtection};
use crate::model::DesiredStatus;

/// ECS's limit for one request.
const TASKS_MAX: usize = 10;
/// How long a protection lasts where nothing is said, in minutes.
const DEFAULT_MINUTES: u32 = 120;
/// ECS's limit for a protection, in minutes.
const MINUTES_MAX: u32 = 2_880;

pub(super) fn update(
    work: &mut Work,
    request: &UpdateTaskProtection,
    who: &str,
) -> Result<Response, CommandError> {
    let first = request.tasks.first().map_or("", String::as_str);
    let cluster = find::cluster(work, request.cluster.as_deref(), first)?;
    if request.tasks.is_empty() || request.tasks.len() > TASKS_MAX {
        return Err(invalid(format!(
            "tasks: name 1 to {TASKS_MAX} tasks, not {}.",
            request.tasks.len()
        )));
    }
    let minutes = request.expires_in_minutes.unwrap_or(DEFAULT_MINUTES);
    if minutes == 0 || minutes > MINUTES_MAX {
        return Err(invalid(format!(
            "expiresInMinutes: {minutes} is out of range; 1 to {MINUTES_MAX} is allowed."
        )));
    }
    let until = work.now.plus_ms(u64::from(minutes) * 60_000);
    let until = Some(until).filter(|_| request.protection_enabled);
    let (mut set, mut failures) = (Vec::new(), Vec::new());
    for named in &request.tasks {
        let failure = |reason: &str, detail: String| Failure {
            arn: named.clone(),
            reason: reason.to_owned(),
            detail,
        };
        let task = match find::task(work, &cluster, named) {
            Ok(task) => task,
            Err(error) => {
                failures.push(failure("MISSING", error.message));
                continue;
            }
        };
        let Some(service) = task.service.clone() else {
            let detail = "The task belongs to no service: nothing but its own end, or a person, \
                          stops it.";
            failures.push(failure("TASK_NOT_VALID", detail.to_owned()));
            continue;
        };
        if task.desired_status == DesiredStatus::Stopped {
            let detail = "The task has stopped, or its stop was asked for.";
            failures.push(failure("TASK_NOT_VALID", detail.to_owned()));
            continue;
        }
        let mut after = (*task).clone();
        after.protected_until = until;
        let changed = after != *task;
        let task = work.put_task(after);
        if changed {
            let what = if until.is_some() {
                format!(
                    "is protected by {who} for {minutes} minutes: neither scale-in nor a deployment stops it"
                )
            } else {
                format!("is no longer protected, by {who}")
            };
            work.operator(
                &*task,
                format!("(service {service}) (task {}) {what}.", task.id),
            );
        }
        set.push(task);
    }
    Ok(Response::ProtectedTasks(set, failures))
}
