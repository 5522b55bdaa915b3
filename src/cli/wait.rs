//! Waits for services to come to rest and for tasks to end, and tells how it goes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use super::error::{CliError, CliResult};
use super::follow::{Follow, Made, Standing};
use super::reasons::{failure, held_up};
use super::session::Session;
use super::{out, time};
use crate::agent::{Clock as _, SystemClock};
use crate::model::state::ServiceKey;
use crate::model::{
    Event, EventKind, InstanceName, InstanceStatus, LastStatus, ServiceName, Severity, Snapshot,
    StopCode, Task, TaskId, TimeMs,
};

/// How often patience is looked at while nothing happens.
const LOOK: Duration = Duration::from_secs(1);

/// Remembers the last event seen, to tell which are new.
#[derive(Clone, Debug, Default)]
pub struct EventCursor {
    last: Option<Arc<Event>>,
}

impl EventCursor {
    /// Only events after those of this picture are new.
    #[must_use]
    pub fn after(snapshot: &Snapshot) -> Self {
        Self {
            last: snapshot.state.events.back().cloned(),
        }
    }

    /// The events since the last call, oldest first.
    pub fn fresh(&mut self, snapshot: &Snapshot) -> Vec<Arc<Event>> {
        let events = &snapshot.state.events;
        let mut fresh: Vec<Arc<Event>> = events
            .iter()
            .rev()
            .take_while(|event| Some(*event) != self.last.as_ref())
            .cloned()
            .collect();
        fresh.reverse();
        if let Some(event) = fresh.last() {
            self.last = Some(event.clone());
        }
        fresh
    }
}

/// What the answer to a change of a service says was made; `None` if it is about none.
#[must_use]
pub fn made(reply: &Value) -> Option<Made> {
    let service = &reply["service"];
    Some(Made {
        deployment: serde_json::from_value(service["deployments"][0]["id"].clone()).ok()?,
        desired_count: u32::try_from(service["desiredCount"].as_u64()?).ok()?,
    })
}

/// Waits until all these services are at rest, each after what was made of it, or, where they
/// were deleted, gone.
///
/// # Errors
/// [`CliError::Failed`] with every reason, when one of them is not going to get there or the
/// time is over; [`CliError::Client`] when the control plane is gone.
pub async fn services(
    session: &Session,
    wanted: Vec<(ServiceKey, Option<Made>)>,
    deleting: bool,
    limit: Duration,
) -> CliResult {
    let keys: Vec<ServiceKey> = wanted.iter().map(|(key, _)| key.clone()).collect();
    let mut presence = session.presence();
    let deadline = Instant::now() + limit;
    let mut snapshots = session.client.snapshots();
    let first = snapshots.borrow_and_update().clone();
    let mut events = EventCursor::after(&first);
    let mut follows: Vec<(Follow, Option<Standing>)> = wanted
        .into_iter()
        .map(|(key, made)| (Follow::new(&first.state, key, deleting).after(made), None))
        .collect();
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        for event in events.fresh(&snapshot) {
            tell(&event, &keys);
        }
        let now = SystemClock.now();
        for (follow, last) in &mut follows {
            let standing = follow.look(&snapshot.state, now);
            if last.as_ref() != Some(&standing) {
                if let Standing::Moving(line) | Standing::Settled(line) = &standing {
                    out::note(line);
                }
                *last = Some(standing);
            }
        }
        let standings: Vec<&Standing> = follows.iter().filter_map(|(_, it)| it.as_ref()).collect();
        let moving = standings.iter().any(|it| matches!(it, Standing::Moving(_)));
        let failed: Vec<&str> = standings
            .iter()
            .filter_map(|standing| match standing {
                Standing::Failed(reason) => Some(reason.as_str()),
                _ => None,
            })
            .collect();
        if !failed.is_empty() {
            return Err(CliError::Failed(failed.join("\n")));
        }
        if !moving {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(too_late(&snapshot, now, &follows, &keys, limit));
        }
        let look = (Instant::now() + LOOK).min(deadline);
        tokio::select! {
            changed = snapshots.changed() => if changed.is_err() {
                return Session::gone();
            },
            gone = presence.gone() => return Err(gone),
            () = sleep_until(look) => {}
        }
    }
}

fn too_late(
    snapshot: &Snapshot,
    now: TimeMs,
    follows: &[(Follow, Option<Standing>)],
    keys: &[ServiceKey],
    limit: Duration,
) -> CliError {
    let mut text = format!("it did not settle within {} s:", limit.as_secs());
    for (_, standing) in follows {
        if let Some(Standing::Moving(line)) = standing {
            text.push_str(&format!("\n{line}"));
        }
    }
    for (key, _) in keys
        .iter()
        .zip(follows)
        .filter(|(_, (_, standing))| matches!(standing, Some(Standing::Moving(_))))
    {
        for line in held_up(&snapshot.state, key, now) {
            text.push_str(&format!("\n  {line}"));
        }
    }
    CliError::Failed(text)
}

/// Tells what went wrong with a service while it is waited for, and its deployments' milestones.
fn tell(event: &Event, keys: &[ServiceKey]) {
    let ours = keys
        .iter()
        .any(|key| key.0 == event.cluster && Some(&key.1) == event.service.as_ref());
    let telling = event.severity > Severity::Info || event.kind == EventKind::Deployment;
    if ours && telling {
        out::note(format!("{}  {}", time::local(event.at), event.message));
    }
}

/// How far tasks are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// They run, or have ended already.
    Running,
    /// They have stopped.
    Stopped,
}

/// Waits until all these tasks have come so far.
///
/// # Errors
/// [`CliError::Failed`] when one could not start or ended with another exit code than 0, or the
/// time is over.
pub async fn tasks(session: &Session, ids: &[TaskId], until: Until, limit: Duration) -> CliResult {
    let deadline = Instant::now() + limit;
    let mut snapshots = session.client.snapshots();
    let mut presence = session.presence();
    let mut seen: BTreeMap<TaskId, LastStatus> = BTreeMap::new();
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        let mut left = 0;
        for id in ids {
            let Some(task) = snapshot.state.tasks.get(id) else {
                continue;
            };
            let there = task.is_stopped()
                || (until == Until::Running && task.last_status == LastStatus::Running);
            left += u32::from(!there);
            if seen.insert(*id, task.last_status) != Some(task.last_status) {
                let status = task.last_status.as_str();
                out::note(format!(
                    "task {} on {}: {status}",
                    id.short(),
                    task.whereabouts()
                ));
            }
        }
        if left == 0 {
            return ended(&snapshot, ids);
        }
        tokio::select! {
            changed = snapshots.changed() => if changed.is_err() {
                return Session::gone();
            },
            gone = presence.gone() => return Err(gone),
            () = sleep_until(deadline) => {
                return Err(CliError::Failed(format!(
                    "{left} of {} tasks {} within {} s",
                    ids.len(),
                    match until {
                        Until::Running => "do not run",
                        Until::Stopped => "have not stopped",
                    },
                    limit.as_secs()
                )));
            }
        }
    }
}

/// Waits until no task of a service is left on these instances. Tasks that no service has are left
/// alone, and named.
///
/// # Errors
/// [`CliError::Failed`] with what is left when the time is over, or when an instance is no longer
/// DRAINING.
pub async fn drained(session: &Session, names: &[InstanceName], limit: Duration) -> CliResult {
    let deadline = Instant::now() + limit;
    let mut snapshots = session.client.snapshots();
    let mut presence = session.presence();
    let mut said = String::new();
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        if let Some(name) = names.iter().find(|name| !is_draining(&snapshot, name)) {
            let what = format!("instance {name} is no longer DRAINING: someone activated it");
            return Err(CliError::Failed(what));
        }
        let (left, alone) = tasks_on(&snapshot, names);
        if left.is_empty() {
            for task in alone {
                out::note(format!(
                    "left alone on {}: task {} of {}, which no service has (started by {})",
                    task.instance,
                    task.id.short(),
                    task.task_definition,
                    task.started_by
                ));
            }
            return Ok(());
        }
        let now = left_in_short(&left);
        if said != now {
            out::note(&now);
            said = now;
        }
        tokio::select! {
            changed = snapshots.changed() => if changed.is_err() {
                return Session::gone();
            },
            gone = presence.gone() => return Err(gone),
            () = sleep_until(deadline) => {
                let each = left.iter().map(|task| format!("\n  {}", stays(task, &snapshot)));
                let each: String = each.collect();
                let limit = limit.as_secs();
                return Err(CliError::Failed(format!("not empty within {limit} s:{each}")));
            }
        }
    }
}

/// An instance that the config no longer has is as good as drained.
fn is_draining(snapshot: &Snapshot, name: &InstanceName) -> bool {
    let instance = snapshot.state.instances.get(name);
    instance.is_none_or(|it| it.status == InstanceStatus::Draining)
}

/// The tasks on these instances whose stop is not confirmed: those of services, and the others.
fn tasks_on<'a>(snapshot: &'a Snapshot, names: &[InstanceName]) -> (Vec<&'a Task>, Vec<&'a Task>) {
    let all = snapshot.state.tasks.values().map(AsRef::as_ref);
    let here = |task: &&Task| names.contains(&task.instance) && !task.is_stopped();
    all.filter(here).partition(|task| task.service.is_some())
}

/// `left: 3 of web on h1, 1 of api on h2`
fn left_in_short(left: &[&Task]) -> String {
    let mut counts: BTreeMap<_, u32> = BTreeMap::new();
    for task in left {
        *counts.entry((&task.instance, &task.service)).or_default() += 1;
    }
    let each = counts.into_iter().map(|((instance, service), count)| {
        let service = service.as_ref().map_or("", ServiceName::as_str);
        format!("{count} of {service} on {instance}")
    });
    format!("left: {}", each.collect::<Vec<_>>().join(", "))
}

/// A task that has not left, and what is known of why.
fn stays(task: &Task, snapshot: &Snapshot) -> String {
    let service = task.service.as_ref();
    let mut text = format!(
        "task {} of {} on {}: {}",
        task.id.short(),
        service.map_or("", ServiceName::as_str),
        task.instance,
        task.last_status.as_str()
    );
    if let Some(until) = task.protected_until.filter(|until| *until > snapshot.at) {
        text.push_str(&format!(", protected until {}", time::local(until)));
    }
    let instance = snapshot.state.instances.get(&task.instance);
    if instance.is_some_and(|it| !it.is_connected()) {
        text.push_str(", its instance does not answer");
    }
    let service = service.and_then(|name| snapshot.state.service(&task.cluster, name));
    if let Some(unplaced) = service.and_then(|it| it.unplaced.as_ref()) {
        text.push_str(&format!(", no place elsewhere: {}", unplaced.message));
    }
    text
}

fn ended(snapshot: &Snapshot, ids: &[TaskId]) -> CliResult {
    let mut failed = Vec::new();
    for task in ids.iter().filter_map(|id| snapshot.state.tasks.get(id)) {
        let bad_exit = task
            .containers
            .iter()
            .any(|it| it.essential && it.exit_code.is_some_and(|code| code != 0));
        let asked = task.stop_code == Some(StopCode::UserInitiated);
        let never = task.stop_code == Some(StopCode::TaskFailedToStart);
        if never || (bad_exit && !asked) {
            failed.push(format!("task {}: {}", task.id.short(), failure(task)));
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(CliError::Failed(failed.join("\n")))
    }
}
