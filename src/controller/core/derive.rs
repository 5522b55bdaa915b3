//! What a report of containers makes of a task. Pure: the task before, and what was seen.

use std::collections::BTreeMap;

use crate::docker::spec::STOP_TIMEOUT_S;
use crate::model::observation::{ContainerState, ObservedContainer};
use crate::model::shared::Shared;
use crate::model::task::{Container, Health, NetworkBinding};
use crate::model::{
    ContainerName, DesiredStatus, LastStatus, Rare, StopCode, Task, TaskDefinition, TimeMs,
};

/// ECS's words for a container that the kernel killed.
pub(super) const OUT_OF_MEMORY: &str = "OutOfMemoryError: Container killed due to memory usage";
/// ECS's words for a task whose essential container has ended.
pub(super) const ESSENTIAL_EXITED: &str = "Essential container in task exited";
/// Why a container that is no longer listed counts as ended.
pub(super) const REMOVED: &str =
    "CannotInspectContainerError: the container was removed from its engine";

/// The exit code of a process that SIGKILL ended.
const KILLED: i64 = 137;

/// Why a task has stopped that was given up for lost and whose containers had ended meanwhile.
const REPLACED: &str = "Given up for lost while its instance was away; its containers had ended \
                        when that answered again";

/// A task's containers as its engine lists them.
pub(super) type Seen<'a> = BTreeMap<&'a ContainerName, &'a ObservedContainer>;

/// The task after its instance's whole list was seen. What was observed only moves on in a
/// task's life, never back. Whether a lost task counts again is the scheduler's to say.
///
/// A container that its definition's restart policy starts again has not ended, as long as its
/// task is to run: the agent decides by the same rule. `heard_since` is since when its instance has
/// been heard without a gap.
pub(super) fn derive(
    before: &Task,
    seen: &Seen<'_>,
    definition: Option<&TaskDefinition>,
    (heard_since, now): (TimeMs, TimeMs),
) -> Task {
    let mut task = before.clone();
    if task.is_stopped() {
        return task;
    }
    for container in &mut task.containers {
        match seen.get(&container.name) {
            Some(observed) => {
                let policy = definition
                    .and_then(|d| d.container(&container.name))
                    .and_then(|c| c.restart_policy.as_ref())
                    .filter(|policy| policy.enabled);
                let is_wanted = before.desired_status == DesiredStatus::Running;
                match policy.filter(|policy| is_wanted && policy.restarts(observed)) {
                    Some(_) => about_to_restart(container, observed),
                    None => take_in(container, observed, policy.is_some()),
                }
                if before.stopping_at.is_some_and(|asked| heard_since <= asked) {
                    would_not_end(container, observed, before, definition, now);
                }
            }
            None => missing(container, before.desired_status),
        }
    }
    if let Some(definition) = definition {
        of_holder(&mut task, seen, definition, now);
    }
    let ended = |c: &Container| c.last_status == LastStatus::Stopped;
    if task.containers.iter().any(|c| c.essential && ended(c)) {
        has_ended(&mut task, ESSENTIAL_EXITED.to_owned(), now);
    }
    if task.desired_status == DesiredStatus::Stopped {
        if seen.values().any(|observed| may_hold(observed.state)) {
            task.last_status = task.last_status.max(LastStatus::Stopping);
        } else {
            stopped(&mut task, now);
        }
        return task;
    }
    let status = bringing_up(&task.containers);
    task.last_status = task.last_status.max(status);
    if task.last_status == LastStatus::Running && task.started_at.is_none() {
        task.started_at = Some(now);
    }
    task
}

/// What is told of a task's holder: its address and ports are the task's, and its end ends the
/// task, which has lost what it held.
fn of_holder(task: &mut Task, seen: &Seen<'_>, definition: &TaskDefinition, now: TimeMs) {
    let shared = Shared::of(task, definition);
    if !shared.any() || seen.is_empty() {
        return;
    }
    let name = ContainerName::holder();
    let Some(holder) = seen.get(&name).filter(|c| !c.state.has_ended()) else {
        let code = seen.get(&name).and_then(|c| c.exit_code);
        let how = code.map_or("was removed".to_owned(), |code| {
            format!("ended with exit code {code}")
        });
        let reason = format!(
            "{ESSENTIAL_EXITED}: {name}, which holds what the task's containers share, {how}"
        );
        return has_ended(task, reason, now);
    };
    if !shared.network {
        return;
    }
    task.address = holder.address.as_deref().map(Into::into);
    for container in &mut task.containers {
        if container.last_status != LastStatus::Running {
            continue;
        }
        let mapped = definition
            .container(&container.name)
            .map(|c| c.port_mappings.as_slice());
        let of_container = |binding: &&NetworkBinding| {
            let mut mapped = mapped.unwrap_or_default().iter();
            mapped.any(|m| {
                (m.container_port, m.protocol) == (binding.container_port, binding.protocol)
            })
        };
        let bindings = holder.network_bindings.iter().filter(of_container);
        let mut bindings: Vec<_> = bindings.cloned().collect();
        bindings.sort_unstable();
        container.network_bindings = bindings.into();
    }
}

/// Something that a task is nothing without has ended. One whose host was away for longer than it is
/// waited for is not missed any more: it has been replaced.
fn has_ended(task: &mut Task, reason: String, now: TimeMs) {
    match task.lost_at {
        Some(_) => {
            let code = StopCode::ServiceSchedulerInitiated;
            ask_stop(task, code, REPLACED.to_owned(), now);
        }
        None => ask_stop(task, StopCode::EssentialContainerExited, reason, now),
    }
}

/// Whether a container holds its ports and resources, or may the next moment: a start can be
/// under way while it still shows as created. (The agent removes those that never start.)
fn may_hold(state: ContainerState) -> bool {
    state.is_up() || state == ContainerState::Created
}

/// How far a wanted task has come.
fn bringing_up(containers: &[Container]) -> LastStatus {
    let started = |c: &Container| c.last_status >= LastStatus::Running;
    if containers.iter().all(started) {
        // An essential container that has ended would have ended the task.
        LastStatus::Running
    } else if containers.iter().any(started) {
        LastStatus::Activating
    } else {
        LastStatus::Pending
    }
}

/// A container that has ended and is about to be started again: how it ended stays told until
/// then, and there is nothing of it to reach.
fn about_to_restart(container: &mut Container, observed: &ObservedContainer) {
    container.runtime_id.clone_from(&observed.runtime_id);
    // A start that nobody saw before its end.
    container.last_status = container.last_status.max(LastStatus::Running);
    container.started_at = container.started_at.or(observed.started_at);
    how_it_ended(container, observed);
    container.health = Health::Unknown;
    container.network_bindings = Rare::default();
}

fn how_it_ended(container: &mut Container, observed: &ObservedContainer) {
    container.exit_code = observed.exit_code;
    container.oom_killed = observed.oom_killed;
    if observed.oom_killed {
        container.reason = Some(OUT_OF_MEMORY.into());
    } else if !observed.error.is_empty() {
        container.reason = Some(observed.error.as_str().into());
    }
}

/// A container that was killed because it went on after it was asked to end says so. Only of an
/// engine that was heard all the while: another one was not asked, and what ended its containers
/// nobody saw.
fn would_not_end(
    container: &mut Container,
    observed: &ObservedContainer,
    task: &Task,
    definition: Option<&TaskDefinition>,
    now: TimeMs,
) {
    let killed = observed.state.has_ended() && observed.exit_code == Some(KILLED);
    let Some(asked_at) = task.stopping_at.filter(|_| killed) else {
        return;
    };
    let timeout_s = definition
        .and_then(|d| d.container(&container.name))
        .and_then(|c| c.stop_timeout)
        .unwrap_or(STOP_TIMEOUT_S);
    // By both clocks: it may have ended long before it was looked at.
    let ended_at = observed.finished_at.map_or(now, |at| at.min(now));
    if container.reason.is_none() && ended_at.since_ms(asked_at) >= u64::from(timeout_s) * 1000 {
        let reason = format!(
            "Killed: it had not ended {timeout_s} s after it was asked to (its stopTimeout)"
        );
        container.reason = Some(reason.into());
    }
}

/// Counts another start of a container that runs, by its restart policy (`by_policy`).
fn note_start(container: &mut Container, observed: &ObservedContainer, by_policy: bool) {
    let Some(started_at) = observed.started_at else {
        return;
    };
    let known = container.started_at.replace(started_at);
    if by_policy && known.is_some_and(|known| known != started_at) {
        container.restart_count = container.restart_count.saturating_add(1);
        (container.exit_code, container.reason) = (None, None);
        container.oom_killed = false;
    }
}

fn take_in(container: &mut Container, observed: &ObservedContainer, by_policy: bool) {
    container.runtime_id.clone_from(&observed.runtime_id);
    // A container that was made from a digest runs it, whatever the engine calls its image.
    let made_from = observed.image.split_once('@').map(|(_, digest)| digest);
    let digest = made_from.or(observed.image_digest.as_deref());
    if let Some(digest) = digest.filter(|it| container.image_digest.as_deref() != Some(*it)) {
        container.image_digest = Some(digest.into());
    }
    if observed.state.has_ended() {
        container.last_status = LastStatus::Stopped;
        how_it_ended(container, observed);
        return;
    }
    if !observed.state.is_up() {
        container.last_status = container.last_status.max(LastStatus::Pending);
        return;
    }
    container.last_status = container.last_status.max(LastStatus::Running);
    note_start(container, observed, by_policy);
    if let Some(health) = observed.health {
        container.health = health;
    }
    let mut bindings = observed.network_bindings.clone();
    // Engines list them in no order; a change of order is no change.
    bindings.sort_unstable();
    container.network_bindings = bindings.into();
}

/// A container that is not listed: not made yet, or made and removed since. That the agent
/// removes one which never started, because its task stops, is nothing to tell.
fn missing(container: &mut Container, desired: DesiredStatus) {
    if container.runtime_id.is_empty() || container.last_status == LastStatus::Stopped {
        return;
    }
    if desired == DesiredStatus::Running || container.last_status >= LastStatus::Running {
        container.reason = Some(REMOVED.into());
    }
    container.last_status = LastStatus::Stopped;
}

/// Wants a task stopped, unless that is wanted already: the first reason stands.
pub(super) fn ask_stop(task: &mut Task, code: StopCode, reason: String, now: TimeMs) {
    if task.desired_status == DesiredStatus::Stopped {
        return;
    }
    task.desired_status = DesiredStatus::Stopped;
    task.last_status = task.last_status.max(LastStatus::Deactivating);
    task.stop_code = Some(code);
    task.stopped_reason = Some(reason.into());
    task.stopping_at = Some(now);
}

/// The task has stopped, and holds nothing any more.
pub(super) fn stopped(task: &mut Task, now: TimeMs) {
    task.last_status = LastStatus::Stopped;
    task.stopped_at = Some(now);
    for container in &mut task.containers {
        container.last_status = LastStatus::Stopped;
    }
}
