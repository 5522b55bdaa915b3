//! One pass over everything: what should start, stop, be given up or found again.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::index::Index;
use super::rebalance::Zones;
use super::reconcile::{self, Loss, Member};
use super::rollout::{Turn, Why};
use super::{failures, feasible, settle, words};
use crate::model::event::Event;
use crate::model::id::IdSource;
use crate::model::service::{
    Backoff, DEFAULT_GRACE_S, Refusal, SchedulingStrategy, Service, ServiceStatus, Unplaced,
};
use crate::model::state::ServiceKey;
use crate::model::task::Health;
use crate::model::{
    Change, DesiredStatus, InstanceName, LastStatus, State, StopCode, Task, TaskId, TimeMs,
};

/// So many instances' refusals are kept with a service.
pub const REFUSALS_MAX: usize = 64;

/// A task that should stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The task.
    pub task: TaskId,
    /// ECS's code for it.
    pub code: StopCode,
    /// Why, in words: the task's `stoppedReason`.
    pub reason: String,
}

/// What one pass found should be done. Empty when everything is as it should be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// New tasks, each with its instance.
    pub starts: Vec<Task>,
    /// Tasks that should stop.
    pub stops: Vec<Stop>,
    /// Tasks given up for lost with their instance.
    pub lost: Vec<TaskId>,
    /// Lost tasks whose instance is back.
    pub found: Vec<TaskId>,
    /// Services whose deployments, back-off, unplaced demand or status moved.
    pub services: Vec<Service>,
    /// What to tell.
    pub events: Vec<Event>,
    /// The earliest moment at which time alone changes the outcome.
    pub wake_at: Option<TimeMs>,
}

impl Plan {
    /// Whether nothing is to be done. (Time may still change that: see `wake_at`.)
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
            && self.stops.is_empty()
            && self.lost.is_empty()
            && self.found.is_empty()
            && self.services.is_empty()
            && self.events.is_empty()
    }

    /// The plan as changes of the state it was made from, in an order that can be followed.
    /// A task that stops moves to DEACTIVATING: its stop was asked for and has not begun.
    #[must_use]
    pub fn changes(&self, state: &State, now: TimeMs) -> Vec<Change> {
        let mut touched: BTreeMap<TaskId, Task> = BTreeMap::new();
        let mut touch = |id: &TaskId, change: &dyn Fn(&mut Task)| {
            if let Some(task) = state.tasks.get(id) {
                change(touched.entry(*id).or_insert_with(|| task.as_ref().clone()));
            }
        };
        for id in &self.lost {
            touch(id, &|task| task.lost_at = Some(now));
        }
        for id in &self.found {
            touch(id, &|task| task.lost_at = None);
        }
        for stop in &self.stops {
            touch(&stop.task, &|task| {
                task.desired_status = DesiredStatus::Stopped;
                task.last_status = task.last_status.max(LastStatus::Deactivating);
                task.stopping_at = task.stopping_at.or(Some(now));
                task.stop_code = task.stop_code.or(Some(stop.code));
                if task.stopped_reason.is_none() {
                    task.stopped_reason = Some(stop.reason.as_str().into());
                }
            });
        }
        let tasks = touched.into_values().map(|t| Change::Task(Arc::new(t)));
        let starts = self.starts.iter().cloned();
        let services = self.services.iter().cloned();
        let events = self.events.iter().cloned();
        tasks
            .chain(starts.map(|t| Change::Task(Arc::new(t))))
            .chain(services.map(|s| Change::Service(Arc::new(s))))
            .chain(events.map(|e| Change::Event(Arc::new(e))))
            .collect()
    }

    pub(super) fn wake(&mut self, at: TimeMs) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }
}

/// Compares what is wanted with what is there, for every service, and says what to do.
///
/// Pure, and level-triggered: carried out and asked again at the same moment, the plan is empty.
#[must_use]
pub fn plan(state: &State, now: TimeMs, ids: &mut IdSource) -> Plan {
    plan_with(&mut Index::new(state), state, now, ids)
}

/// [`plan`] with the index that is kept beside the state. The plan's changes are still to be
/// applied to both.
#[must_use]
pub fn plan_with(index: &mut Index, state: &State, now: TimeMs, ids: &mut IdSource) -> Plan {
    // Out of the index for as long as it is written to; nothing here adds a service's task.
    let services = std::mem::take(&mut index.services);
    let plan = pass(index, &services, state, now, ids);
    index.services = services;
    index.settle();
    plan
}

fn pass(
    index: &mut Index,
    services: &BTreeMap<ServiceKey, BTreeMap<TaskId, Arc<Task>>>,
    state: &State,
    now: TimeMs,
    ids: &mut IdSource,
) -> Plan {
    let mut plan = Plan::default();
    standalone(&mut plan, index, now);
    let mut turns = Vec::new();
    // Daemons first: no replica takes their room.
    for strategy in [SchedulingStrategy::Daemon, SchedulingStrategy::Replica] {
        for (key, service) in &state.services {
            if service.status == ServiceStatus::Inactive || service.scheduling_strategy != strategy
            {
                continue;
            }
            let tasks = services.get(key).into_iter().flat_map(|t| t.values());
            let tasks: Vec<&Arc<Task>> = tasks.collect();
            let members = reconcile::members(index, service, &tasks, now);
            losses(&mut plan, service, &members, now);
            let mut turn = Turn::new(service, members);
            match service.status {
                ServiceStatus::Active => {
                    retry(&mut plan, index, &mut turn, &tasks, ids, now);
                    turn.remember_failures(&tasks, now);
                    match strategy {
                        SchedulingStrategy::Daemon => {
                            turn.advance_daemon(state, index, now, ids);
                        }
                        SchedulingStrategy::Replica => turn.advance(state, index, now, ids),
                    }
                }
                ServiceStatus::Draining | ServiceStatus::Inactive => turn.delete(index),
            }
            turns.push(turn);
        }
    }
    // Each round places a task at least, so there is an end to it.
    let mut more = true;
    while more {
        let again = |turn: &mut Turn<'_>| turn.start_again(state, index, now, ids);
        more = turns.iter_mut().map(again).filter(|more| *more).count() > 0;
    }
    // Only now is it known what every instance holds: no service's refusals depend on its turn.
    for turn in &mut turns {
        if turn.missing > 0 {
            turn.make_room(index);
        }
    }
    let zones = Zones::new(index);
    for turn in &mut turns {
        if turn.service.status == ServiceStatus::Active {
            settle::complete(&mut plan, turn, now);
            turn.rebalance(&mut plan, state, index, &zones, (now, ids));
        }
    }
    for turn in turns {
        finish(&mut plan, index, turn, now);
    }
    plan
}

/// How the reason of a stop begins that balances zones (ECS's words).
pub const REBALANCING: &str = "Availability Zone rebalancing";

/// Tasks run by hand are never replaced, but it is told that they are lost.
fn standalone(plan: &mut Plan, index: &Index, now: TimeMs) {
    for task in index.standalone.values() {
        match reconcile::loss(index, task, DEFAULT_GRACE_S, now) {
            Loss::Begins => plan.lost.push(task.id),
            Loss::Ends => plan.found.push(task.id),
            Loss::At(at) => plan.wake(at),
            Loss::None => {}
        }
    }
}

fn losses(plan: &mut Plan, service: &Service, members: &[Member<'_>], now: TimeMs) {
    let mut lost: BTreeMap<&InstanceName, Vec<TaskId>> = BTreeMap::new();
    let mut found: BTreeMap<&InstanceName, Vec<TaskId>> = BTreeMap::new();
    for member in members {
        let task = member.task;
        match member.loss(now) {
            Loss::Begins => lost.entry(&task.instance).or_default().push(task.id),
            Loss::Ends => found.entry(&task.instance).or_default().push(task.id),
            Loss::At(at) => plan.wake(at),
            Loss::None => {}
        }
    }
    for (instance, ids) in lost {
        plan.events.push(words::lost(service, instance, &ids, now));
        plan.lost.extend(ids);
    }
    for (instance, ids) in found {
        plan.events.push(words::found(service, instance, &ids, now));
        plan.found.extend(ids);
    }
}

/// Counts failures, gives up what keeps failing.
fn retry(
    plan: &mut Plan,
    index: &Index,
    turn: &mut Turn<'_>,
    tasks: &[&Arc<Task>],
    ids: &mut IdSource,
    now: TimeMs,
) {
    let before = turn.service.backoff.failures;
    let tries = |turn: &Turn<'_>| turn.service.rebalance.as_ref().map_or(0, |it| it.failures);
    let tried = tries(turn);
    failures::count(&mut turn.service, tasks, &turn.members, now);
    if tries(turn) > tried {
        let delay_ms = failures::rebalance_delay_ms(tries(turn));
        plan.events
            .push(words::move_failed(&turn.service, delay_ms, now));
    }
    let events = failures::circuit_breaker(&mut turn.service, ids, now);
    if !events.is_empty() {
        // Another deployment may be the one that is wanted now.
        plan.events.extend(events);
        reconcile::judge(index, &turn.service, &mut turn.members, now);
    }
    let backoff = &turn.service.backoff;
    if backoff.failures > before && backoff.until > now {
        let delay = backoff.until.since_ms(now);
        plan.events
            .push(words::backing_off(&turn.service, delay, now));
    }
}

/// Settles what the turn came to: unplaced demand, deployments, steadiness, events.
fn finish(plan: &mut Plan, index: &Index, mut turn: Turn<'_>, now: TimeMs) {
    report_starts_and_stops(plan, &turn, now);
    match turn.service.status {
        ServiceStatus::Active => {
            unplaced(plan, index, &mut turn, now);
            settle::settle(plan, &mut turn, now);
            let backoff = &turn.service.backoff;
            if now < backoff.until && backoff.held > 0 {
                plan.wake(backoff.until);
            }
            if let Some(at) = failures::wake_at(&turn.service, &turn.members) {
                plan.wake(at);
            }
            let grace_s = turn.service.health_check_grace_period_s;
            for member in turn.members.iter().filter(|m| m.wanted()) {
                let ends = reconcile::patience_ends(member.task, grace_s)
                    .filter(|_| member.task.health() == Health::Unhealthy);
                let times = member.task.protected_until.into_iter().chain(ends);
                times.filter(|at| *at > now).for_each(|at| plan.wake(at));
            }
        }
        ServiceStatus::Draining if turn.members.is_empty() => {
            turn.service.status = ServiceStatus::Inactive;
            turn.service.unplaced = None;
            turn.service.steady = false;
            turn.service.backoff = Backoff::default();
            plan.events.push(words::deleted(&turn.service, now));
        }
        ServiceStatus::Draining | ServiceStatus::Inactive => {
            turn.service.unplaced = None;
            turn.service.steady = false;
        }
    }
    plan.starts.append(&mut turn.starts);
    if turn.service != **turn.before {
        plan.services.push(turn.service);
    }
}

fn report_starts_and_stops(plan: &mut Plan, turn: &Turn<'_>, now: TimeMs) {
    let service = &turn.service;
    let mut reasons: BTreeMap<&Why, Vec<TaskId>> = BTreeMap::new();
    let mut lost: BTreeMap<&InstanceName, Vec<TaskId>> = BTreeMap::new();
    for (at, why) in &turn.stops {
        let Some(member) = turn.members.get(*at) else {
            continue;
        };
        // That fewer are wanted is not why one is gone that nobody has heard of.
        if member.lost && matches!(why, Why::Surplus | Why::Replaced) {
            let there = lost.entry(&member.task.instance).or_default();
            there.push(member.task.id);
        } else {
            reasons.entry(why).or_default().push(member.task.id);
        }
    }
    let stop = |reason: String| {
        move |task: TaskId| Stop {
            task,
            code: StopCode::ServiceSchedulerInitiated,
            reason: reason.clone(),
        }
    };
    for (why, ids) in reasons {
        let (reason, because) = stop_words(service, why);
        plan.events
            .push(words::stopped(service, &ids, &because, now));
        plan.stops.extend(ids.into_iter().map(stop(reason)));
    }
    for (host, ids) in lost {
        plan.events.push(words::given_up(service, host, &ids, now));
        let reason = format!("Lost with container instance {host}, which did not answer");
        plan.stops.extend(ids.into_iter().map(stop(reason)));
    }
    if !turn.starts.is_empty() {
        let ids: Vec<TaskId> = turn.starts.iter().map(|task| task.id).collect();
        plan.events.push(words::started(service, &ids, now));
    }
}

fn stop_words(service: &Service, why: &Why) -> (String, String) {
    let deployment = service.primary().map_or_else(String::new, |primary| {
        format!("(deployment {})", primary.id)
    });
    let scaling = format!("Scaling activity initiated by {deployment}");
    match why {
        Why::Surplus => (
            scaling,
            format!("its desired count is {}", service.desired_count),
        ),
        Why::Replaced => (scaling, format!("{deployment} replaces it")),
        Why::Rebalanced => (
            format!("{REBALANCING} initiated by {deployment}"),
            "another was started in a zone that had fewer".to_owned(),
        ),
        Why::Draining(instance) => (
            format!("Container instance {instance} is DRAINING"),
            format!("(instance {instance}) is DRAINING"),
        ),
        Why::Misplaced(instance) => (
            format!("Container instance {instance} no longer meets the placement constraints"),
            format!("(instance {instance}) no longer meets its placement constraints"),
        ),
        Why::Unhealthy => (
            "Task failed container health checks".to_owned(),
            "its health checks fail".to_owned(),
        ),
        Why::Deleted => (
            format!("(service {}) was deleted", service.name),
            "the service was deleted".to_owned(),
        ),
    }
}

/// Keeps the account of what finds no place, and tells when it begins or its reasons change.
fn unplaced(plan: &mut Plan, index: &Index, turn: &mut Turn<'_>, now: TimeMs) {
    if turn.unplaced == 0 {
        turn.service.unplaced = None;
        return;
    }
    let (message, refusals) = why_unplaced(index, turn);
    let before = turn.service.unplaced.as_ref();
    if before.is_none_or(|unplaced| unplaced.message != message) {
        plan.events
            .push(words::unplaced(&turn.service, &message, now));
    }
    turn.service.unplaced = Some(Unplaced {
        count: turn.unplaced,
        since: before.map_or(now, |unplaced| unplaced.since),
        refusals,
        message,
    });
}

fn why_unplaced(index: &Index, turn: &Turn<'_>) -> (String, Vec<Refusal>) {
    let name = &turn.service.name;
    if !turn.ungranted.is_empty() {
        let missing: Vec<String> = turn.ungranted.iter().map(ToString::to_string).collect();
        let message = format!(
            "(service {name}) was unable to place a task because its task definition asks for more than its task role grants: {}.",
            missing.join("; ")
        );
        return (message, Vec::new());
    }
    let start = format!(
        "(service {name}) was unable to place a task because no container instance met all of its requirements."
    );
    let Some(search) = &turn.search else {
        let wanted = turn
            .service
            .primary()
            .map(|p| p.task_definition.to_string());
        let wanted = wanted.unwrap_or_default();
        let message = format!(
            "(service {name}) was unable to place a task because its task definition {wanted} is not known. Register it, or update the service to another revision."
        );
        return (message, Vec::new());
    };
    let group = search.ranker.group.iter().copied().enumerate().collect();
    let mut all = search.ask.all_rejections(index, &group);
    if !turn.lacking.is_empty() {
        all.retain(|(at, _)| turn.lacking.contains(at));
    }
    if all.is_empty() {
        return (
            format!("{start} Reason: No Container Instances were found in your cluster."),
            Vec::new(),
        );
    }
    let summary = feasible::summary(&all);
    let kept = all.get(..REFUSALS_MAX.min(all.len())).unwrap_or_default();
    (
        format!("{start} Reason: {summary}."),
        feasible::refusals(index, kept),
    )
}
