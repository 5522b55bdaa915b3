//! Where a service has come to: its deployment completed, a steady state, what is over and forgotten.

use super::plan::Plan;
use super::reconcile::{Member, Place};
use super::rollout::Turn;
use super::words;
use crate::model::service::{Deployment, RolloutState};
use crate::model::{TaskId, TimeMs};

impl Turn<'_> {
    /// Whether it has just the tasks that it wants, and all of them serve.
    fn arrived(&self) -> bool {
        let desired = self.service.desired_count;
        self.starts.is_empty()
            && self.keepers() == desired
            && self.count(|m| m.serving() && m.place == Place::Keeper) == desired
    }

    /// Whether nothing that can still be heard of is on its way out.
    fn quiet(&self) -> bool {
        let leaves = |m: &Member<'_>| !m.out_of_reach() && (m.stopping || m.place != Place::Keeper);
        !self.members.iter().any(leaves)
    }

    /// Whether everything is as the service wants it, and nothing moves.
    pub fn at_rest(&self) -> bool {
        let primary = self.service.primary();
        let completed = primary.is_some_and(|p| p.rollout_state == RolloutState::Completed);
        completed && self.arrived() && self.quiet()
    }
}

/// Completes a deployment that has arrived.
pub(super) fn complete(plan: &mut Plan, turn: &mut Turn<'_>, now: TimeMs) {
    let Some(primary) = turn.service.primary().cloned() else {
        return;
    };
    if primary.rollout_state != RolloutState::InProgress || !turn.arrived() {
        return;
    }
    // A stop that a silent instance may never confirm must not hold up the service for ever.
    let others =
        turn.which(|m| m.task.deployment.as_ref() != Some(&primary.id) && !m.out_of_reach());
    if !others.is_empty() {
        return;
    }
    let proven = turn.members.iter().map(Member::proves_at).max();
    if let Some(at) = proven.filter(|at| *at > now) {
        plan.wake(at);
        return;
    }
    if let Some(primary) = turn.service.deployments.first_mut() {
        primary.rollout_state = RolloutState::Completed;
        primary.rollout_state_reason = format!("ECS deployment {} completed.", primary.id);
        primary.failed_tasks = 0;
        primary.updated_at = now;
    }
    turn.service.last_completed = Some(primary.task_definition.clone());
    turn.service.last_completed_images = primary.images.clone();
    plan.events
        .push(words::completed(&turn.service, &primary.id, now));
}

/// Announces a steady state, forgets what is over.
pub(super) fn settle(plan: &mut Plan, turn: &mut Turn<'_>, now: TimeMs) {
    held_by_protection(plan, turn, now);
    forget_deployments(turn);
    let steady = turn.at_rest();
    if steady && !turn.service.steady {
        let members = turn.members.iter().filter(|m| m.unconfirmed());
        let unconfirmed: Vec<TaskId> = members.map(|m| m.task.id).collect();
        if !unconfirmed.is_empty() {
            plan.events
                .push(words::unconfirmed(&turn.service, &unconfirmed, now));
        }
        plan.events.push(words::steady(&turn.service, now));
    }
    turn.service.steady = steady;
    let stopping = turn.members.iter().filter(|m| m.stopping && !m.silent);
    for at in stopping.filter_map(|m| m.grace_ends) {
        plan.wake(at);
    }
    wait_for_proof(plan, turn, now);
    let rebalance = turn.service.rebalance.as_ref();
    let extra = |m: &&Member<'_>| rebalance.is_some_and(|it| it.extra.contains(&m.task.id));
    let proving = turn.members.iter().filter(|m| m.serving()).filter(extra);
    for at in proving.map(Member::proves_at).filter(|at| *at > now) {
        plan.wake(at);
    }
}

/// What is to be replaced, or is on a DRAINING instance, stops when what takes over has proven itself.
fn wait_for_proof(plan: &mut Plan, turn: &Turn<'_>, now: TimeMs) {
    let to_go = |m: &Member<'_>| m.wanted() && m.place != Place::Keeper;
    if turn.members.iter().any(to_go) {
        let trials = turn.members.iter().filter(|m| turn.is_on_trial(m, now));
        for at in trials.map(Member::proves_at) {
            plan.wake(at);
        }
    }
}

/// Tells that tasks which should stop are protected, when that begins or there are more of them.
fn held_by_protection(plan: &mut Plan, turn: &mut Turn<'_>, now: TimeMs) {
    let held: Vec<&Member<'_>> = turn
        .held()
        .into_iter()
        .filter_map(|at| turn.members.get(at))
        .collect();
    let count = u32::try_from(held.len()).unwrap_or(u32::MAX);
    if count > turn.service.held_by_protection {
        let ids: Vec<TaskId> = held.iter().map(|m| m.task.id).collect();
        let ends = held.iter().filter_map(|m| m.task.protected_until).min();
        let left_ms = ends.map_or(0, |at| at.since_ms(now));
        plan.events
            .push(words::held(&turn.service, &ids, left_ms, now));
    }
    turn.service.held_by_protection = count;
}

/// Moves deployments that have no task left to the history. One that FAILED is kept, so that its outcome can be
/// read, until a later deployment has completed.
fn forget_deployments(turn: &mut Turn<'_>) {
    let Some(primary) = turn.service.primary().cloned() else {
        return;
    };
    let completed = primary.rollout_state == RolloutState::Completed;
    let members = &turn.members;
    // Of those that FAILED one stays, the newest: the list has an end.
    let mut told = false;
    let stays = |deployment: &Deployment| {
        let has_tasks = members
            .iter()
            .any(|m| m.task.deployment.as_ref() == Some(&deployment.id) && !m.out_of_reach());
        let failed = deployment.rollout_state == RolloutState::Failed;
        deployment.id == primary.id
            || has_tasks
            || (failed
                && (!completed || deployment.updated_at >= primary.created_at)
                && !std::mem::replace(&mut told, true))
    };
    let all = std::mem::take(&mut turn.service.deployments);
    let (stay, over) = all.into_iter().partition(stays);
    turn.service.deployments = stay;
    let over: Vec<Deployment> = over;
    for deployment in over.into_iter().rev() {
        turn.service.remember(deployment);
    }
}
