//! Tasks that fail: the back-off before they are replaced, and the circuit breaker.
//!
//! **What counts as a failure.** A task of the primary deployment that could not start
//! (`TaskFailedToStart`), whose essential container ended with whatever exit code
//! (`EssentialContainerExited`), or whose health checks turned UNHEALTHY; each once. What does
//! not count: a task stopped by a person or by the scheduler, one lost with its host, and
//! anything of a deployment that is being replaced. Those are replaced at once.
//!
//! **Rounds.** Tasks that were up side by side and fail together are one failure in a row; a task
//! that was started after the last round began and fails too begins the next round. The first
//! round is made good at once, the second after 1 s, then 2 s, 4 s, … 5 min. A new deployment, or
//! a replacement that serves for 10 min, begins anew.
//!
//! **The circuit breaker** counts every failed task while a deployment is under way. Its count
//! begins anew when a task of the deployment that was created after the last failure serves and
//! has been up for 60 s. So failures scattered over a long rollout do not add up, and an image that
//! runs for some seconds and crashes still ends its deployment: merely getting to RUNNING proves
//! nothing. The back-off goes on growing all the same; only 10 min end that.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::reconcile::{Member, sick};
use super::words;
use crate::model::event::Event;
use crate::model::id::IdSource;
use crate::model::service::{
    Backoff, CIRCUIT_BREAKER, Deployment, ROLLING_BACK, RolloutState, Service, same_images,
};
use crate::model::{DesiredStatus, StopCode, Task, TaskId, TimeMs};

/// The delay before the second round is made good, in milliseconds.
pub const BACKOFF_FIRST_MS: u64 = 1_000;
/// The longest delay, in milliseconds.
pub const BACKOFF_MAX_MS: u64 = 300_000;
/// A replacement that serves this long ends a streak of failures, in milliseconds.
pub const HEALTHY_RESET_MS: u64 = 600_000;
/// A task created after the last failure that is up this long ends the circuit breaker's count, in
/// milliseconds.
pub const BREAKER_RESET_MS: u64 = 60_000;
/// The first and the longest pause after a task failed that was started to balance zones, in
/// milliseconds.
const REBALANCE_RETRY_MS: (u64, u64) = (60_000, 3_600_000);
/// The fewest and the most consecutive failures that end a deployment.
pub const BREAKER_THRESHOLD: (u32, u32) = (3, 200);

/// How long to wait after that many failures in a row.
#[must_use]
pub fn backoff_delay_ms(failures: u32) -> u64 {
    match failures {
        0 | 1 => 0,
        _ => BACKOFF_FIRST_MS
            .checked_shl(failures - 2)
            .filter(|_| failures < 32)
            .map_or(BACKOFF_MAX_MS, |delay| delay.min(BACKOFF_MAX_MS)),
    }
}

/// How long zone rebalancing waits after that many tasks in a row that it started and that failed:
/// a minute, doubling to an hour.
#[must_use]
pub(crate) fn rebalance_delay_ms(failures: u32) -> u64 {
    let (first, most) = REBALANCE_RETRY_MS;
    match failures {
        0 => 0,
        _ => most.min(first << (failures - 1).min(16)),
    }
}

/// How many consecutive failures end a deployment of that many tasks.
#[must_use]
pub fn breaker_threshold(desired: u32) -> u32 {
    desired
        .div_ceil(2)
        .clamp(BREAKER_THRESHOLD.0, BREAKER_THRESHOLD.1)
}

fn failed(task: &Task, grace_s: Option<u32>, now: TimeMs) -> bool {
    let ended = matches!(
        task.stop_code,
        Some(StopCode::TaskFailedToStart | StopCode::EssentialContainerExited)
    );
    let unhealthy = task.desired_status == DesiredStatus::Running && sick(task, grace_s, now);
    task.lost_at.is_none() && (ended || unhealthy)
}

/// Counts the failures that are new, and forgets a streak that is over.
pub(crate) fn count(
    service: &mut Service,
    tasks: &[&Arc<Task>],
    members: &[Member<'_>],
    now: TimeMs,
) {
    let grace_s = service.health_check_grace_period_s;
    let rebalance = service.rebalance.as_ref();
    let extra = rebalance.map_or(BTreeSet::new(), |it| it.extra.clone());
    let Some(primary) = service.deployments.first_mut() else {
        return;
    };
    let backoff = &mut service.backoff;
    let known = backoff.failures > 0;
    let over = over_at(backoff, primary, members).is_some_and(|at| at <= now);
    if known && (backoff.round_at < primary.created_at || over) {
        *backoff = Backoff {
            counted: std::mem::take(&mut backoff.counted),
            ..Backoff::default()
        };
        if primary.failed_tasks > 0 && primary.rollout_state != RolloutState::Failed {
            primary.failed_tasks = 0;
            primary.updated_at = now;
        }
    }
    if forgiven_at(backoff, primary, members).is_some_and(|at| at <= now) {
        primary.failed_tasks = 0;
        primary.updated_at = now;
    }
    let counted: BTreeSet<TaskId> = backoff.counted.iter().copied().collect();
    let fresh: Vec<&Task> = tasks
        .iter()
        .map(AsRef::as_ref)
        .filter(|task| failed(task, grace_s, now) && !counted.contains(&task.id))
        .collect();
    if fresh.is_empty() {
        return;
    }
    // Ids that the state has forgotten need not be remembered here either.
    let known: BTreeSet<TaskId> = tasks.iter().map(|task| task.id).collect();
    backoff.counted.retain(|id| known.contains(id));
    backoff.counted.extend(fresh.iter().map(|task| task.id));
    // What is being replaced is only noted: it must not count when it is rolled back to.
    let failed: Vec<&Task> = fresh
        .into_iter()
        .filter(|task| task.deployment.as_ref() == Some(&primary.id))
        .collect();
    // What was started to balance the zones is not missed: it holds back its like only.
    let (moved, failed): (Vec<&Task>, Vec<&Task>) = failed
        .into_iter()
        .partition(|task| extra.contains(&task.id));
    if let Some(rebalance) = service.rebalance.as_mut().filter(|_| !moved.is_empty()) {
        rebalance.failures = rebalance.failures.saturating_add(1);
        rebalance.until = now.plus_ms(rebalance_delay_ms(rebalance.failures));
    }
    if failed.is_empty() {
        return;
    }
    if now >= backoff.until {
        backoff.held = 0;
    }
    let again = failed
        .iter()
        .any(|task| task.created_at >= backoff.round_at);
    if backoff.failures == 0 || again {
        backoff.failures = backoff.failures.saturating_add(1);
        backoff.round_at = now;
        backoff.until = now.plus_ms(backoff_delay_ms(backoff.failures));
    }
    backoff.failed_at = now;
    let count = u32::try_from(failed.len()).unwrap_or(u32::MAX);
    if now < backoff.until {
        backoff.held = backoff.held.saturating_add(count);
    }
    if primary.rollout_state == RolloutState::InProgress {
        primary.failed_tasks = primary.failed_tasks.saturating_add(count);
        primary.updated_at = now;
    }
}

/// Since when the task that has been up longest is, of those that serve and were created at
/// `after` or later.
fn proven(after: TimeMs, primary: &Deployment, members: &[Member<'_>]) -> Option<TimeMs> {
    members
        .iter()
        .filter(|m| m.task.deployment.as_ref() == Some(&primary.id))
        .filter(|m| m.task.created_at >= after && m.serving())
        .filter_map(|m| m.task.started_at)
        .min()
}

/// When the streak of rounds is over, if what serves now serves on.
fn over_at(backoff: &Backoff, primary: &Deployment, members: &[Member<'_>]) -> Option<TimeMs> {
    if backoff.failures == 0 {
        return None;
    }
    proven(backoff.round_at, primary, members).map(|since| since.plus_ms(HEALTHY_RESET_MS))
}

/// When the circuit breaker's count is over, if what serves now serves on.
fn forgiven_at(backoff: &Backoff, primary: &Deployment, members: &[Member<'_>]) -> Option<TimeMs> {
    if primary.failed_tasks == 0 || primary.rollout_state != RolloutState::InProgress {
        return None;
    }
    proven(backoff.failed_at, primary, members).map(|since| since.plus_ms(BREAKER_RESET_MS))
}

/// When time alone ends one of the counts.
pub(crate) fn wake_at(service: &Service, members: &[Member<'_>]) -> Option<TimeMs> {
    let (backoff, primary) = (&service.backoff, service.primary()?);
    let over = over_at(backoff, primary, members);
    let forgiven = forgiven_at(backoff, primary, members);
    over.into_iter().chain(forgiven).min()
}

/// Gives up a deployment that keeps failing, and goes back to the last one that completed if the
/// service wants that. A deployment of the very definition that completed last is never given
/// up: there is nothing better to go back to, so it only backs off.
pub(crate) fn circuit_breaker(
    service: &mut Service,
    ids: &mut IdSource,
    now: TimeMs,
) -> Vec<Event> {
    let breaker = &service.deployment_configuration.deployment_circuit_breaker;
    let rollback = breaker.rollback;
    let threshold = breaker_threshold(service.desired_count);
    let enabled = breaker.enable;
    let last_completed = service.last_completed.clone();
    let images = service.last_completed_images.clone();
    let Some(primary) = service.deployments.first_mut() else {
        return Vec::new();
    };
    if !enabled
        || primary.rollout_state != RolloutState::InProgress
        || primary.failed_tasks < threshold
        || (last_completed.as_ref() == Some(&primary.task_definition)
            && (images.is_empty() || same_images(&primary.images, &images)))
    {
        return Vec::new();
    }
    primary.rollout_state = RolloutState::Failed;
    primary.rollout_state_reason =
        "ECS deployment circuit breaker: tasks failed to start.".to_owned();
    primary.updated_at = now;
    let (failed, tasks) = (primary.id.clone(), primary.failed_tasks);
    let mut events = vec![words::deployment_failed(service, &failed, tasks, now)];
    if let Some(definition) = last_completed.filter(|_| rollback) {
        let mut to = match service.deployments.iter().position(|d| {
            d.id != failed && d.task_definition == definition && same_images(&d.images, &images)
        }) {
            Some(at) => service.deployments.remove(at),
            None => Deployment {
                images,
                ..Deployment::new(ids.deployment_id(), definition, CIRCUIT_BREAKER, now)
            },
        };
        to.rollout_state = RolloutState::InProgress;
        to.rollout_state_reason = format!("{ROLLING_BACK} {}.", to.id);
        to.failed_tasks = 0;
        to.updated_at = now;
        events.push(words::rolling_back(service, &failed, &to, now));
        service.deployments.insert(0, to);
        service.backoff = Backoff {
            counted: std::mem::take(&mut service.backoff.counted),
            ..Backoff::default()
        };
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_from_one_second_to_five_minutes() {
        let delays: Vec<u64> = (0..12).map(backoff_delay_ms).collect();
        assert_eq!(
            delays,
            [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300].map(|s| s * 1000)
        );
        assert_eq!(backoff_delay_ms(u32::MAX), BACKOFF_MAX_MS);
    }

    #[test]
    fn the_breaker_needs_half_the_tasks_but_three_at_least_and_two_hundred_at_most() {
        let thresholds = [0, 1, 6, 7, 9, 1000].map(breaker_threshold);
        assert_eq!(thresholds, [3, 3, 3, 4, 5, 200]);
    }
}
