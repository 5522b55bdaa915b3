//! Where a service goes back to.

use super::id::{Revision, TaskDefinitionId};
use super::service::{ROLLING_BACK, RolloutState, Service};
use super::state::State;
use super::task_definition::TaskDefinitionStatus;

/// Where the circuit breaker rolls a service back to just now, if it does.
#[must_use]
pub fn rolling_back(service: &Service) -> Option<&TaskDefinitionId> {
    let rolling = service.primary().filter(|primary| {
        primary.rollout_state == RolloutState::InProgress
            && primary.rollout_state_reason.starts_with(ROLLING_BACK)
    });
    rolling.map(|primary| &primary.task_definition)
}

/// Where a rollback leads: the definition of the last deployment that completed with another than
/// the one it has, or, where none is remembered, the revision before.
///
/// # Errors
/// Why there is nothing to go back to, in words.
pub fn rollback_target(state: &State, service: &Service) -> Result<TaskDefinitionId, String> {
    let now = service
        .primary()
        .map(|primary| primary.task_definition.clone());
    let Some(now) = now else {
        return Err(format!("service {} has no deployment", service.name));
    };
    if let Some(last) = service.last_completed.clone().filter(|last| *last != now) {
        return Ok(last);
    }
    let completed = service.history.iter().find(|past| {
        past.rollout_state == RolloutState::Completed
            && past.task_definition != now
            && state.task_definitions.contains_key(&past.task_definition)
    });
    if let Some(past) = completed {
        return Ok(past.task_definition.clone());
    }
    let before = state
        .family(&now.family)
        .filter(|definition| definition.revision < now.revision)
        .filter(|definition| definition.status == TaskDefinitionStatus::Active)
        .map(|definition| definition.revision)
        .max_by_key(|Revision(number)| *number);
    match before {
        Some(revision) => Ok(TaskDefinitionId {
            family: now.family,
            revision,
        }),
        None => Err(format!(
            "service {} runs {now}, and there is no ACTIVE revision before it to go back to",
            service.name
        )),
    }
}
