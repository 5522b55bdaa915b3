//! What a set of commands would do, or the loss of instances, on a copy of the state.

mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::controller::core::{self, Action, Course, Effects, Input, Served, decide};
use crate::controller::{Command, CommandError, Response};
use crate::model::id::mix;
use crate::model::service::SchedulingStrategy;
use crate::model::snapshot::Live;
use crate::model::state::ServiceKey;
use crate::model::{
    ClusterName, Instance, InstanceName, ServiceName, Snapshot, State, Task, TaskDefinitionId,
    TaskId, grants,
};
use words::Names;

/// From how many percent of its memory or CPU on an instance is called tight.
const TIGHT_PERCENT: u64 = 90;

/// What is to be foreseen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanAsk {
    /// What would be asked, in this order.
    pub commands: Vec<Command>,
    /// Which instances would then be lost.
    pub without: Vec<InstanceName>,
}

impl From<Vec<Command>> for PlanAsk {
    fn from(commands: Vec<Command>) -> Self {
        Self {
            commands,
            without: Vec::new(),
        }
    }
}

/// Where one task of a plan would go, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedStep {
    /// Steps of one round are taken together; the next round follows when they are done.
    pub round: u32,
    /// Whether it starts or stops.
    pub action: Action,
    /// Which service or family.
    pub subject: String,
    /// On which instance.
    pub instance: InstanceName,
    /// Which definition.
    pub task_definition: TaskDefinitionId,
    /// Which task, if it is there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Why there.
    pub reason: String,
}

/// How a service fares on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceCourse {
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its name.
    pub service: ServiceName,
    /// Whether it wants a number of tasks, or one on every instance.
    #[serde(default)]
    pub scheduling_strategy: SchedulingStrategy,
    /// How many tasks it wants in the end.
    pub desired: u32,
    /// The fewest that its deployment configuration lets serve.
    pub floor: u32,
    /// The most that it lets be RUNNING and PENDING.
    pub ceiling: u32,
    /// How many serve now.
    pub before: u32,
    /// The fewest that serve at any moment on the way.
    pub fewest: u32,
    /// The most that are RUNNING or PENDING at any moment on the way.
    pub most: u32,
    /// How many serve in the end.
    pub settled: u32,
    /// How many more do as far as was seen last: their instances do not answer.
    #[serde(default)]
    pub unreachable: u32,
    /// How many of its tasks are lost with instances.
    #[serde(default)]
    pub lost: u32,
    /// How many of its tasks find no place in the end.
    #[serde(default)]
    pub unplaced: u32,
}

impl ServiceCourse {
    /// Whether fewer serve on the way than its deployment configuration lets, and more did before.
    #[must_use]
    pub fn falls_below_its_floor(&self) -> bool {
        self.fewest < self.floor && self.fewest < self.before
    }

    /// Whether fewer than that serve in the end, too.
    #[must_use]
    pub fn stays_below_its_floor(&self) -> bool {
        self.settled < self.floor && self.settled < self.before
    }

    /// How it fares while commands are carried out, in one line.
    #[must_use]
    pub fn on_the_way(&self) -> String {
        let least = match (self.before, self.fewest, self.floor) {
            (0, ..) => String::new(),
            (_, fewest, floor) if fewest >= floor => {
                format!("never fewer than {fewest} (floor {floor}), ")
            }
            // It was below already: the floor is that of what is wanted in the end.
            (before, fewest, floor) if fewest >= before && self.settled >= floor => {
                format!("never fewer than {fewest}, {floor} once they are up, ")
            }
            (before, fewest, floor) if fewest >= before && self.unreachable > 0 => {
                format!("never fewer than {fewest}, as now (floor {floor}), ")
            }
            (_, fewest, floor) => format!("down to {fewest}, below its floor of {floor}, "),
        };
        let unknown = match self.unreachable {
            0 => String::new(),
            1 => ", 1 more is on an instance that does not answer".to_owned(),
            more => format!(", {more} more are on instances that do not answer"),
        };
        format!(
            "{}: {} of {} serve in the end{unknown}; {least}at most {} RUNNING and PENDING \
             (ceiling {})",
            self.service, self.settled, self.desired, self.most, self.ceiling
        )
    }

    /// How it fares after a loss, in one line.
    #[must_use]
    pub fn after_a_loss(&self) -> String {
        let (fewest, desired, settled) = (self.fewest, self.desired, self.settled);
        let floor = self.floor;
        let fares = if self.scheduling_strategy == SchedulingStrategy::Daemon {
            // Its count falls with the instances, and its floor with its count.
            let gone = match self.lost {
                1 => "its one task there goes with the instance".to_owned(),
                lost => format!("its {lost} tasks there go with their instances"),
            };
            format!("{gone}, as it is a DAEMON; then {settled} of {desired} serve")
        } else if self.stays_below_its_floor() {
            format!(
                "falls to {fewest} of {desired} serving, below its floor of {floor}, and stays \
                 at {settled}"
            )
        } else if self.falls_below_its_floor() {
            format!(
                "falls to {fewest} of {desired} serving, below its floor of {floor}, until \
                 replacements run; then {settled} serve"
            )
        } else {
            format!("keeps its floor of {floor} with {fewest}; then {settled} of {desired} serve")
        };
        let mut line = format!(
            "{}: loses {} of {}; {fares}",
            self.service, self.lost, self.before
        );
        if self.unplaced > 0 {
            line.push_str(&format!("; {} would find no place", self.unplaced));
        }
        line
    }
}

/// An instance that would have little left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tight {
    /// The instance.
    pub instance: InstanceName,
    /// Percent of its memory that is held.
    pub memory_percent: u64,
    /// Percent of its CPU that is held.
    pub cpu_percent: u64,
}

impl std::fmt::Display for Tight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "tight: {}: {} % of its memory and {} % of its CPU are then held",
            self.instance, self.memory_percent, self.cpu_percent
        )
    }
}

/// A task run by hand that would be lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LostTask {
    /// The task.
    pub task: TaskId,
    /// What it is a copy of.
    pub task_definition: TaskDefinitionId,
    /// Where it is.
    pub instance: InstanceName,
}

/// What the loss of instances would come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LossReport {
    /// Which instances.
    pub instances: Vec<InstanceName>,
    /// Services that would lose tasks.
    pub services: Vec<ServiceCourse>,
    /// Tasks run by hand there: nothing replaces them.
    pub tasks: Vec<LostTask>,
    /// What would be started and stopped in their stead.
    pub steps: Vec<PlannedStep>,
    /// What would find no place, with every remaining instance's reasons.
    pub unplaced: Vec<String>,
    /// What would get tight.
    pub tight: Vec<Tight>,
}

/// What a set of commands would do, computed on a copy of the state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanReport {
    /// The differences, one line each: `~ service web: desiredCount 3 → 5`.
    pub differences: Vec<String>,
    /// Starts and stops until all is at rest.
    pub steps: Vec<PlannedStep>,
    /// How the services fare that the commands move.
    pub services: Vec<ServiceCourse>,
    /// What would find no place, with every instance's reasons.
    pub unplaced: Vec<String>,
    /// What would get tight.
    pub tight: Vec<Tight>,
    /// Whether it was followed until it came to rest.
    pub at_rest: bool,
    /// What the loss of instances would then come to, where that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<LossReport>,
    /// Members that would be kept without effect.
    pub warnings: Vec<String>,
    /// Number of the change that the state ended with when this was planned.
    pub planned_on: u64,
    /// What the first decision comes to: an apply that is given this does it or nothing.
    pub effects: Effects,
}

impl PlanReport {
    /// `starts 2 tasks, stops 2; web never below 3 of 4`: what it comes to in one line.
    #[must_use]
    pub fn headline(&self) -> String {
        let of = |action| self.steps.iter().filter(|it| it.action == action).count();
        let (starts, stops) = (of(Action::Start), of(Action::Stop));
        let mut parts = vec![match (starts, stops) {
            (0, 0) => "starts and stops nothing".to_owned(),
            (starts, 0) => format!("starts {starts}"),
            (0, stops) => format!("stops {stops}"),
            (starts, stops) => format!("starts {starts}, stops {stops}"),
        }];
        for it in self.services.iter().filter(|it| it.before > 0) {
            let least = it.fewest;
            parts.push(format!(
                "{} never below {least} of {}",
                it.service, it.desired
            ));
        }
        let unplaced: u32 = self.services.iter().map(|it| it.unplaced).sum();
        if unplaced > 0 {
            parts.push(format!("{unplaced} would find no place"));
        }
        parts.join("; ")
    }
}

/// What these commands, in this order, would do until all is at rest, and the loss of instances
/// after that. What would happen without them is left out.
///
/// # Errors
/// The first refusal.
pub fn plan(snapshot: &Snapshot, asked: PlanAsk) -> Result<PlanReport, CommandError> {
    let (now, seed) = (snapshot.at, mix(snapshot.seq));
    let live = Live::default();
    let before = decide(&snapshot.state, &live, now, seed, vec![Input::Wake]).state;
    let mut warnings: Vec<String> = asked.commands.iter().flat_map(Command::warnings).collect();
    let inputs = asked.commands.into_iter().map(|command| Input::Command {
        command,
        who: "plan".into(),
    });
    // Another seed than above, or the ids of both would meet.
    let decision = decide(&before, &live, now, mix(!seed), inputs.collect());
    let mut failures = Vec::new();
    for reply in decision.replies {
        match reply? {
            Response::Tasks(_, more) => failures.extend(more),
            Response::TaskDefinition(it) => {
                warnings.extend(grants::warnings(&decision.state.roles, &it));
            }
            _ => {}
        }
    }
    let effects = Effects::between(&before, &decision.state);
    let names = Names::of(&before);
    let differences = words::detailed(&effects.differences, &before, &decision.state);
    // Both go by the same clock: what time brings to others, it brings to them without this, too.
    let anyhow = |least| core::course(&before, (before.clone(), &[]), now, least, mix(seed ^ 1));
    let mut without_them = anyhow(now);
    let least = without_them.until;
    let course = core::course(
        &before,
        (decision.state, &decision.changes),
        now,
        least,
        mix(seed ^ 1),
    );
    if course.until > least {
        without_them = anyhow(course.until);
    }
    let steps = steps(&course, &without_them, &before, &names);
    let mut unplaced = words::unplaced(&without_them.end, &course.end, &[], &names);
    unplaced.extend(failures.iter().map(|failure| {
        let detail = Some(&failure.detail).filter(|detail| !detail.is_empty());
        names.said(detail.unwrap_or(&failure.reason))
    }));
    // Equal names in two clusters are two services.
    let moved = steps.iter().filter_map(|it| {
        let instance = course.end.instances.get(&it.instance)?;
        Some((&instance.cluster, it.subject.as_str()))
    });
    let moved: BTreeSet<_> = moved.collect();
    let of_interest = |key: &ServiceKey, _: &Served| {
        moved.contains(&(&key.0, key.1.as_str())) || unplaced_count(&course.end, key) > 0
    };
    Ok(PlanReport {
        services: services(&course, of_interest),
        tight: tight_by(&before, &course.end, &without_them.end),
        at_rest: course.at_rest,
        loss: (!asked.without.is_empty())
            .then(|| loss(&course.end, asked.without, now.plus_ms(1), seed)),
        differences,
        steps,
        unplaced,
        warnings,
        planned_on: snapshot.seq,
        effects,
    })
}

/// What follows when these instances are silent for longer than anything waits for them.
fn loss(
    before: &State,
    without: Vec<InstanceName>,
    now: crate::model::TimeMs,
    seed: u64,
) -> LossReport {
    let left_out: BTreeSet<InstanceName> = without.iter().cloned().collect();
    let lost = core::without(before, &left_out, now);
    let live = Live::default();
    let decided = decide(&lost, &live, now, mix(seed ^ 3), vec![Input::Wake]);
    let decided = (decided.state, decided.changes.as_slice());
    let names = Names::of(before);
    let course = core::course(before, decided, now, now, mix(seed ^ 4));
    let without_it = core::course(
        before,
        (before.clone(), &[]),
        now,
        course.until,
        mix(seed ^ 5),
    );
    let gone = before
        .tasks
        .values()
        .filter(|task| !task.is_stopped() && task.is_wanted() && left_out.contains(&task.instance));
    let mut tasks = Vec::new();
    let mut counts: BTreeMap<ServiceKey, u32> = BTreeMap::new();
    for task in gone {
        match &task.service {
            Some(service) => {
                let key = (task.cluster.clone(), service.clone());
                *counts.entry(key).or_default() += 1;
            }
            None => tasks.push(LostTask {
                task: task.id,
                task_definition: task.task_definition.clone(),
                instance: task.instance.clone(),
            }),
        }
    }
    let mut services = services(&course, |key, _| counts.contains_key(key));
    for it in &mut services {
        let key = (it.cluster.clone(), it.service.clone());
        it.lost = counts.get(&key).copied().unwrap_or(0);
    }
    LossReport {
        services,
        tasks,
        steps: steps(&course, &without_it, before, &names),
        unplaced: words::unplaced(before, &course.end, &without, &names),
        tight: tight(before, &course.end),
        instances: without,
    }
}

/// Who a step is about: a service, or a family of tasks run by hand.
fn key(task: &Task) -> (ClusterName, bool, String) {
    let subject = core::subject(task);
    (task.cluster.clone(), task.service.is_some(), subject)
}

/// How much is started and stopped for one subject, in whatever round and wherever: both depend on
/// what happens beside it.
type Moves<'a> = Vec<(Action, &'a TaskDefinitionId)>;

fn moves(course: &Course) -> BTreeMap<(ClusterName, bool, String), Moves<'_>> {
    let mut all: BTreeMap<_, Moves<'_>> = BTreeMap::new();
    for (_, action, task) in each(course) {
        let one = (action, &task.task_definition);
        all.entry(key(task)).or_default().push(one);
    }
    for moves in all.values_mut() {
        moves.sort_unstable();
    }
    all
}

fn each(course: &Course) -> impl Iterator<Item = (usize, Action, &Task)> {
    course.rounds.iter().enumerate().flat_map(|(at, round)| {
        let stops = round.stops.iter().map(move |it| (at, Action::Stop, &**it));
        let starts = round
            .starts
            .iter()
            .map(move |it| (at, Action::Start, &**it));
        starts.chain(stops)
    })
}

/// The steps of a course, without those of subjects that would go the same way anyhow.
fn steps(course: &Course, anyhow: &Course, before: &State, names: &Names) -> Vec<PlannedStep> {
    let (all, anyhow) = (moves(course), moves(anyhow));
    let mut steps: Vec<PlannedStep> = each(course)
        .filter(|(_, _, task)| {
            let key = key(task);
            all.get(&key) != anyhow.get(&key)
        })
        .map(|(at, action, task)| {
            let reason = match action {
                Action::Start => task.placement.clone(),
                Action::Stop => task.stopped_reason.clone().unwrap_or_default(),
            };
            PlannedStep {
                round: u32::try_from(at + 1).unwrap_or(u32::MAX),
                action,
                subject: core::subject(task),
                instance: task.instance.clone(),
                task_definition: task.task_definition.clone(),
                task: before.tasks.contains_key(&task.id).then_some(task.id),
                reason: names.said(&reason),
            }
        })
        .collect();
    // Of one subject in the order in which they were decided: each reason counts what went before.
    let order = |it: &PlannedStep| (it.round, it.subject.clone(), it.action);
    steps.sort_by_cached_key(order);
    number(&mut steps);
    steps
}

/// Numbers the rounds that are left from 1.
fn number(steps: &mut [PlannedStep]) {
    let (mut last, mut number) = (0, 0);
    for step in steps {
        if step.round != last {
            last = step.round;
            number += 1;
        }
        step.round = number;
    }
}

fn services(course: &Course, which: impl Fn(&ServiceKey, &Served) -> bool) -> Vec<ServiceCourse> {
    let chosen = course.served.iter().filter(|(key, it)| which(key, it));
    chosen
        .map(|(key, it)| ServiceCourse {
            cluster: key.0.clone(),
            service: key.1.clone(),
            scheduling_strategy: (course.end.services.get(key))
                .map_or_else(SchedulingStrategy::default, |it| it.scheduling_strategy),
            desired: it.desired,
            floor: it.floor,
            ceiling: it.ceiling,
            before: it.before,
            fewest: it.fewest,
            most: it.most,
            settled: it.settled,
            unreachable: it.unreachable,
            lost: 0,
            unplaced: unplaced_count(&course.end, key),
        })
        .collect()
}

fn unplaced_count(state: &State, key: &ServiceKey) -> u32 {
    let unplaced = state.services.get(key).and_then(|it| it.unplaced.as_ref());
    unplaced.map_or(0, |unplaced| unplaced.count)
}

/// Instances that are then nearly full, and would not be so anyhow.
fn tight_by(before: &State, after: &State, anyhow: &State) -> Vec<Tight> {
    let anyhow = tight(before, anyhow);
    let mut all = tight(before, after);
    all.retain(|it| !anyhow.contains(it));
    all
}

/// Instances that hold more than before and are then nearly full.
fn tight(before: &State, after: &State) -> Vec<Tight> {
    let (then, now) = (held(before), held(after));
    let percent = |held: u64, room: u64| (held * 100).checked_div(room).unwrap_or(0);
    let mut tight = Vec::new();
    for (name, &(cpu, memory)) in &now {
        let Some(instance) = after.instances.get(*name) else {
            continue;
        };
        let (room_cpu, room_memory) = room(instance);
        let it = Tight {
            instance: instance.name.clone(),
            memory_percent: percent(memory, room_memory),
            cpu_percent: percent(cpu, room_cpu),
        };
        let more = then
            .get(name)
            .is_none_or(|was| was.0 < cpu || was.1 < memory);
        if more && it.memory_percent.max(it.cpu_percent) >= TIGHT_PERCENT {
            tight.push(it);
        }
    }
    tight
}

/// CPU units and MiB that tasks hold on each instance.
fn held(state: &State) -> BTreeMap<&InstanceName, (u64, u64)> {
    let mut held: BTreeMap<&InstanceName, (u64, u64)> = BTreeMap::new();
    for task in state.tasks.values().filter(|task| !task.is_stopped()) {
        let (cpu, memory) = held.entry(&task.instance).or_default();
        *cpu += task.resources.cpu.0;
        *memory += task.resources.memory.0;
    }
    held
}

/// CPU units and MiB that an instance has for tasks.
fn room(instance: &Instance) -> (u64, u64) {
    let left = |all: u64, reserved: u64, foreign: u64| {
        all.saturating_sub(reserved).saturating_sub(foreign)
    };
    let (all, reserved, foreign) = (&instance.capacity, &instance.reserved, &instance.foreign);
    (
        left(all.cpu.0, reserved.cpu.0, foreign.cpu.0),
        left(all.memory.0, reserved.memory.0, foreign.memory.0),
    )
}

#[cfg(test)]
mod tests;
