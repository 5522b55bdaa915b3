//! What holds a service up, and why its tasks failed, in words.

use std::collections::BTreeSet;

use super::follow::Counts;
use crate::model::state::ServiceKey;
use crate::model::{DeploymentId, State, StopCode, Task, TimeMs};

/// How many different reasons of failed tasks are told.
const REASONS_MAX: usize = 3;

/// What a service that is not at rest waits for now: hosts that do not answer, tasks that find no
/// place, tasks of this deployment that failed.
#[must_use]
pub fn held_up(state: &State, key: &ServiceKey, now: TimeMs) -> Vec<String> {
    let Some(service) = state.services.get(key) else {
        return Vec::new();
    };
    let mut lines: Vec<String> = Counts::of(state, service)
        .silent
        .iter()
        .map(|(name, count)| {
            let instance = state.instances.get(name);
            let since = instance.and_then(|it| it.silent_since());
            let silent = since.map_or_else(
                || "is not in the config".to_owned(),
                |since| format!("has not answered for {} s", now.since_ms(since) / 1_000),
            );
            let tasks = match count {
                1 => "1 of its tasks is".to_owned(),
                count => format!("{count} of its tasks are"),
            };
            format!("instance {name} {silent}: {tasks} there, and what they do is not known")
        })
        .collect();
    if let Some(unplaced) = &service.unplaced {
        lines.extend(unplaced.refusals.iter().map(|refusal| {
            let why = refusal.reasons.join("; ");
            format!("no place on {}: {why}", refusal.instance)
        }));
    }
    if let Some(primary) = service.primary() {
        lines.extend(reasons(state, key, Some(&primary.id)));
    }
    lines
}

/// Why a service's tasks failed, the latest first, each reason once. With a deployment, only
/// those that it started.
#[must_use]
pub fn reasons(state: &State, key: &ServiceKey, deployment: Option<&DeploymentId>) -> Vec<String> {
    let mut failed: Vec<_> = state
        .service_tasks(&key.0, &key.1)
        .filter(|task| deployment.is_none() || task.deployment.as_ref() == deployment)
        .filter(|task| {
            matches!(
                task.stop_code,
                Some(StopCode::TaskFailedToStart | StopCode::EssentialContainerExited)
            )
        })
        .collect();
    failed.sort_by_key(|task| std::cmp::Reverse(task.stopped_at.or(task.stopping_at)));
    let mut seen = BTreeSet::new();
    failed
        .iter()
        .filter_map(|task| {
            let why = failure(task);
            seen.insert(why.clone())
                .then(|| format!("task {} on {}: {why}", task.id.short(), task.whereabouts()))
        })
        .take(REASONS_MAX)
        .collect()
}

/// Why a task stopped: its own reason, and what its containers say.
#[must_use]
pub fn failure(task: &Task) -> String {
    let reason = task.stopped_reason.as_deref();
    let mut text = reason.unwrap_or("no reason known").to_owned();
    for container in &task.containers {
        let code = container
            .exit_code
            .filter(|code| *code != 0 || container.essential)
            .map(|code| format!("exit code {code}"));
        let reason = container
            .reason
            .as_deref()
            .filter(|it| !text.contains(it))
            .map(str::to_owned);
        let parts: Vec<String> = [code, reason].into_iter().flatten().collect();
        if !parts.is_empty() {
            text.push_str(&format!(" ({}: {})", container.name, parts.join(", ")));
        }
    }
    text
}
