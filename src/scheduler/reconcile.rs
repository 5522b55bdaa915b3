//! Desired against observed, for one service: who counts, who must go, who is lost.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::index::Index;
use crate::model::service::{SchedulingStrategy, Service};
use crate::model::task::Health;
use crate::model::{DesiredStatus, InstanceStatus, LastStatus, RolloutState, State, Task, TimeMs};

/// How long a task without a health check must stay up before it counts for the completion of its
/// deployment, in milliseconds: an image that crashes after some seconds completes nothing. (ECS
/// waits 40 s, before such a task counts for the floor.)
pub const COMPLETION_SETTLE_MS: u64 = 10_000;

/// Whether a deployment, or a DRAINING instance, waits for what was started to prove itself before
/// what that replaces stops.
#[must_use]
pub fn awaits_proof(state: &State, now: TimeMs) -> bool {
    let service_of = |task: &Task| {
        let name = task.service.as_ref()?;
        state.service(&task.cluster, name)
    };
    let tried = state.tasks.values().filter_map(|task| {
        let service = service_of(task)?;
        (task.is_serving() && is_on_trial(service, task, now)).then(|| task.deployment.as_ref())
    });
    let tried: BTreeSet<_> = tried.flatten().collect();
    let leaves = |task: &Arc<Task>| {
        service_of(task).is_some_and(|service| {
            service.primary().is_some_and(|it| {
                let old = task.deployment.as_ref() != Some(&it.id);
                tried.contains(&it.id) && (old || makes_way(state, service, task))
            })
        })
    };
    !tried.is_empty()
        && state
            .tasks
            .values()
            .any(|task| task.is_wanted() && leaves(task))
}

/// What a host's silence makes of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Nothing new.
    None,
    /// It is given up for lost now.
    Begins,
    /// Its instance is back, so it counts again.
    Ends,
    /// It will be given up at that moment, if its instance stays silent.
    At(TimeMs),
}

/// Whether a task's instance has been silent for longer than the grace period.
pub(crate) fn loss(index: &Index, task: &Task, grace_s: u32, now: TimeMs) -> Loss {
    let node = index.position(&task.instance);
    loss_by(node, grace_ends(index, node, grace_s), task, now)
}

/// The same, of a task whose instance stands there and is waited for until then.
fn loss_by(node: Option<usize>, grace_ends: Option<TimeMs>, task: &Task, now: TimeMs) -> Loss {
    if node.is_none() || task.is_stopped() || task.desired_status == DesiredStatus::Stopped {
        return Loss::None;
    }
    match (grace_ends, task.lost_at) {
        (None, Some(_)) => Loss::Ends,
        (Some(end), None) if end <= now => Loss::Begins,
        (Some(end), None) => Loss::At(end),
        (None, None) | (Some(_), Some(_)) => Loss::None,
    }
}

/// Until when what is on a silent instance is waited for; `None` while it answers.
fn grace_ends(index: &Index, node: Option<usize>, grace_s: u32) -> Option<TimeMs> {
    index.nodes.get(node?)?.instance.given_up_at(grace_s)
}

/// Why a task that still runs is not to be counted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It is what the service wants.
    Keeper,
    /// It belongs to a deployment that is being replaced.
    Old,
    /// Its instance is DRAINING.
    Draining,
    /// Its health checks fail.
    Unhealthy,
    /// Of a DAEMON: its instance no longer meets the constraints.
    Misplaced,
}

/// One task of a service whose stop is not confirmed.
#[derive(Clone, Debug)]
pub(crate) struct Member<'a> {
    pub task: &'a Arc<Task>,
    pub node: Option<usize>,
    pub place: Place,
    /// Given up for lost, as of this pass.
    pub lost: bool,
    /// Its stop was asked for, before or in this pass.
    pub stopping: bool,
    /// Until when its silent instance is waited for; `None` while that answers.
    pub grace_ends: Option<TimeMs>,
    /// That moment has come.
    pub silent: bool,
    /// Neither scale-in nor a deployment stops it now.
    pub protected: bool,
}

impl Member<'_> {
    /// Whether its instance has been silent for longer than the grace period.
    pub fn loss(&self, now: TimeMs) -> Loss {
        loss_by(self.node, self.grace_ends, self.task, now)
    }

    /// Whether nothing more waits for it: it is lost, or its instance fell silent before its stop
    /// was confirmed. It holds what it holds all the same.
    pub fn out_of_reach(&self) -> bool {
        self.lost || self.unconfirmed()
    }

    /// Whether its stop was asked for and its instance has been silent for too long to confirm it.
    pub fn unconfirmed(&self) -> bool {
        self.stopping && self.silent
    }

    /// Whether the service counts on it: RUNNING or on the way there.
    pub fn wanted(&self) -> bool {
        !self.stopping && !self.lost
    }

    /// Whether scale-in, a deployment or a draining instance may stop it.
    pub fn may_go(&self) -> bool {
        self.wanted() && !self.protected
    }

    /// Whether a deployment may count it as up; [`Task::is_serving`] as of this pass.
    pub fn serving(&self) -> bool {
        self.wanted()
            && self.task.last_status == LastStatus::Running
            && (!checked(self.task) || self.task.health() == Health::Healthy)
    }

    /// From when on a task that serves proves that its deployment works: at once if its health
    /// is checked, else when it has stayed up for [`COMPLETION_SETTLE_MS`].
    pub fn proves_at(&self) -> TimeMs {
        proves_at(self.task)
    }
}

/// Whether anything in a task is checked that counts.
fn checked(task: &Task) -> bool {
    let mut containers = task.containers.iter();
    containers.any(|c| c.has_health_check && c.essential)
}

fn proves_at(task: &Task) -> TimeMs {
    match task.started_at {
        Some(at) if !checked(task) => at.plus_ms(COMPLETION_SETTLE_MS),
        _ => TimeMs::default(),
    }
}

/// Whether a task that serves has yet to prove that it works: until then nothing is stopped that it
/// could replace, be that of an older deployment or on a DRAINING instance. (ECS too lets a task
/// without a health check run for a while, 40 s, before it counts for the floor.)
pub(crate) fn is_on_trial(service: &Service, task: &Task, now: TimeMs) -> bool {
    proves_at(task) > now
        && service.primary().is_some_and(|primary| {
            primary.rollout_state != RolloutState::Failed
                && task.deployment.as_ref() == Some(&primary.id)
        })
}

/// Whether a task is on a DRAINING instance.
pub(crate) fn on_draining(state: &State, task: &Task) -> bool {
    let instance = state.instances.get(&task.instance);
    instance.is_some_and(|it| it.status == InstanceStatus::Draining)
}

/// Whether a task on a DRAINING instance stops when what takes over has proven itself. A DAEMON's is
/// replaced nowhere else: it waits for the replicas there.
pub(crate) fn makes_way(state: &State, service: &Service, task: &Task) -> bool {
    service.scheduling_strategy == SchedulingStrategy::Replica && on_draining(state, task)
}

/// The members of a service, those that are lost already marked.
pub(crate) fn members<'a>(
    index: &Index,
    service: &Service,
    tasks: &[&'a Arc<Task>],
    now: TimeMs,
) -> Vec<Member<'a>> {
    tasks
        .iter()
        .filter(|task| !task.is_stopped())
        .map(|task| {
            let node = index.position(&task.instance);
            let grace_ends = grace_ends(index, node, service.grace_s);
            let lost = match loss_by(node, grace_ends, task, now) {
                Loss::Begins => true,
                Loss::Ends => false,
                Loss::None | Loss::At(_) => task.lost_at.is_some(),
            };
            let place = place(index, node, service, task, now);
            Member {
                task,
                node,
                place,
                lost,
                stopping: task.desired_status == DesiredStatus::Stopped
                    || task.last_status > LastStatus::Running,
                grace_ends,
                silent: grace_ends.is_some_and(|end| end <= now),
                protected: task.protected_until.is_some_and(|until| until > now),
            }
        })
        .collect()
}

/// Whether a task's health checks fail and its service's grace period for them is over.
pub(crate) fn sick(task: &Task, grace_s: Option<u32>, now: TimeMs) -> bool {
    task.health() == Health::Unhealthy && patience_ends(task, grace_s).is_none_or(|end| end <= now)
}

/// Until when failing health checks of a task are not acted on (ECS:
/// `healthCheckGracePeriodSeconds`).
pub(crate) fn patience_ends(task: &Task, grace_s: Option<u32>) -> Option<TimeMs> {
    let grace_ms = u64::from(grace_s?) * 1000;
    Some(task.started_at.unwrap_or(task.created_at).plus_ms(grace_ms))
}

fn place(index: &Index, node: Option<usize>, service: &Service, task: &Task, now: TimeMs) -> Place {
    let instance = node
        .and_then(|at| index.nodes.get(at))
        .map(|node| &node.instance);
    if sick(task, service.health_check_grace_period_s, now) {
        Place::Unhealthy
    } else if task.deployment.as_ref() != service.primary().map(|primary| &primary.id) {
        Place::Old
    } else if instance.is_some_and(|i| i.status == InstanceStatus::Draining) {
        Place::Draining
    } else {
        Place::Keeper
    }
}

/// Judges the members anew, after another deployment became the primary one.
pub(crate) fn judge(index: &Index, service: &Service, members: &mut [Member<'_>], now: TimeMs) {
    for member in members {
        member.place = place(index, member.node, service, member.task, now);
    }
}

/// Whether the service's primary deployment was given up and nothing is to replace it: then
/// nothing new starts, and what serves is left alone.
pub(crate) fn given_up(service: &Service) -> bool {
    service
        .primary()
        .is_some_and(|primary| primary.rollout_state == RolloutState::Failed)
}
