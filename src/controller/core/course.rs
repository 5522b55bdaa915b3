//! How things would go on from a decision, on a copy of the state: what is started runs, what is
//! stopped ends, and it is decided again, until it comes to rest. No time passes for real.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::effects::{Action, moved};
use super::{Input, decide};
use crate::model::id::mix;
use crate::model::service::DEFAULT_GRACE_S;
use crate::model::snapshot::Live;
use crate::model::state::ServiceKey;
use crate::model::task::Health;
use crate::model::{
    Change, Connection, DesiredStatus, InstanceName, LastStatus, Service, ServiceStatus, State,
    Task, TaskId, TimeMs,
};
use crate::scheduler::awaits_proof;

/// How many rounds are followed at most.
const ROUNDS_MAX: usize = 200;
/// So many tasks are looked at over all rounds at most: a large fleet is followed less far.
const LOOKS_MAX: usize = 4_000_000;
/// How long a round takes on the copy, in milliseconds.
const ROUND_MS: u64 = 1_000;
/// How far time is moved on for what waits for it, in milliseconds.
const WAIT_MAX_MS: u64 = 15 * 60_000;

/// What is decided at one moment.
#[derive(Clone, Debug)]
pub struct Round {
    /// Tasks that start.
    pub starts: Vec<Arc<Task>>,
    /// Tasks that are told to stop.
    pub stops: Vec<Arc<Task>>,
}

/// How a service fares on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// How many tasks it wants in the end.
    pub desired: u32,
    /// The fewest that its deployment configuration lets serve.
    pub floor: u32,
    /// The most that it lets be RUNNING and PENDING.
    pub ceiling: u32,
    /// How many served before the first decision.
    pub before: u32,
    /// The fewest that served at any moment after it.
    pub fewest: u32,
    /// The most that were RUNNING or PENDING at any moment after it.
    pub most: u32,
    /// How many serve in the end.
    pub settled: u32,
    /// How many more do as far as was seen last: their instances do not answer in the end.
    pub unreachable: u32,
}

/// How it goes on.
#[derive(Clone, Debug)]
pub struct Course {
    /// The rounds in which something starts or stops.
    pub rounds: Vec<Round>,
    /// How each service that is kept in the end fares.
    pub served: BTreeMap<ServiceKey, Served>,
    /// The state in the end.
    pub end: State,
    /// Whether it came to rest; false where it was not followed to the end.
    pub at_rest: bool,
    /// How far time has gone on the copy.
    pub until: TimeMs,
}

/// Follows what was decided, from the state before to rest, and at least to that moment. Every host
/// that answers does as it is told, and whatever starts comes up healthy. Schedules stand still:
/// what they run, they run whatever was decided. `changes` are those that were decided, in order.
#[must_use]
pub fn course(
    before: &State,
    (decided, changes): (State, &[Change]),
    now: TimeMs,
    least: TimeMs,
    seed: u64,
) -> Course {
    let mut course = Course {
        rounds: Vec::new(),
        served: BTreeMap::new(),
        end: unscheduled(decided),
        at_rest: false,
        until: now,
    };
    let counts_before = counts(before);
    for (key, service) in &before.services {
        let count = counts_before.get(key).copied().unwrap_or_default();
        course.served.insert(
            key.clone(),
            Served {
                before: count.serving,
                ..Served::of(service)
            },
        );
    }
    course.note(before, changes);
    let (mut now, mut waited) = (now, 0);
    let looks = LOOKS_MAX / course.end.tasks.len().max(1);
    for round in 0..ROUNDS_MAX.min(looks.max(2)) {
        let acted = act(&course.end, now);
        let next = now.plus_ms(ROUND_MS);
        let state = acted.as_ref().unwrap_or(&course.end).clone();
        let seed = mix(seed ^ mix(round as u64));
        let decision = decide(&state, &Live::default(), next, seed, vec![Input::Wake]);
        let rests = acted.is_none() && decision.changes.is_empty();
        course.end = decision.state;
        course.note(&state, &decision.changes);
        now = next;
        course.until = now;
        if rests {
            let wait = decision.wake_at.map(|at| at.since_ms(now));
            let early = least.since_ms(now);
            match wait
                .filter(|&wait| wait > 0 && waits(&course.end, now) && waited + wait <= WAIT_MAX_MS)
            {
                Some(wait) => {
                    waited += wait;
                    now = now.plus_ms(wait);
                }
                // Nothing is to be done, but there is time left in which something may be.
                None if early > 0 => {
                    let wait = wait.filter(|&wait| wait > 0).unwrap_or(early);
                    now = now.plus_ms(wait.min(early));
                }
                None => {
                    course.at_rest = true;
                    break;
                }
            }
        }
    }
    course.settle();
    course
}

/// The state without what goes by the clock.
fn unscheduled(mut state: State) -> State {
    let all: Vec<_> = state.schedules.values().cloned().collect();
    for schedule in all.into_iter().filter(|it| it.enabled) {
        let mut schedule = schedule.as_ref().clone();
        schedule.enabled = false;
        state.apply(&Change::Schedule(Arc::new(schedule)));
    }
    state
}

/// Whether something is missing that time may bring: a start held back, a stop not confirmed, the
/// proof that what a deployment has started works.
fn waits(state: &State, now: TimeMs) -> bool {
    let moving = |service: &Service| {
        service
            .rebalance
            .as_ref()
            .is_some_and(|it| !it.extra.is_empty())
    };
    let held = |service: &Arc<Service>| service.backoff.held > 0 || moving(service);
    let unconfirmed =
        |task: &Arc<Task>| !task.is_stopped() && task.desired_status == DesiredStatus::Stopped;
    let mut tasks = state.tasks.values();
    state.services.values().any(held) || tasks.any(unconfirmed) || awaits_proof(state, now)
}

impl Course {
    /// Notes what the end has more than the state before it, and how the services fare there.
    fn note(&mut self, before: &State, changes: &[Change]) {
        let mut round = Round {
            starts: Vec::new(),
            stops: Vec::new(),
        };
        for (action, task) in moved(before, &self.end) {
            let Some(task) = self.end.tasks.get(&task.id) else {
                continue;
            };
            match action {
                Action::Start => round.starts.push(task.clone()),
                Action::Stop => round.stops.push(task.clone()),
            }
        }
        // The state has tasks by their ids, which are random; why one is where it is hangs on what
        // was decided before it.
        let turns = changes.iter().enumerate().filter_map(|(at, it)| match it {
            Change::Task(task) => Some((task.id, at)),
            _ => None,
        });
        let turns: BTreeMap<TaskId, usize> = turns.collect();
        let turn = |task: &Arc<Task>| turns.get(&task.id).copied();
        round.starts.sort_by_key(turn);
        round.stops.sort_by_key(turn);
        if !round.starts.is_empty() || !round.stops.is_empty() {
            self.rounds.push(round);
        }
        let counts = counts(&self.end);
        for (key, service) in &self.end.services {
            let served = self
                .served
                .entry(key.clone())
                .or_insert_with(|| Served::of(service));
            let count = counts.get(key).copied().unwrap_or_default();
            served.fewest = served.fewest.min(count.serving);
            served.most = served.most.max(count.wanted);
            served.settled = count.serving;
            served.unreachable = count.unreachable;
        }
    }

    /// Keeps what is said of services that are kept, against what they want in the end.
    fn settle(&mut self) {
        let end = &self.end;
        self.served.retain(|key, served| {
            let Some(service) = end.services.get(key) else {
                return false;
            };
            let wanted = Served::of(service);
            served.desired = wanted.desired;
            served.floor = wanted.floor;
            served.ceiling = wanted.ceiling;
            service.status == ServiceStatus::Active
        });
    }
}

impl Served {
    fn of(service: &Service) -> Self {
        let (bounds, desired) = (&service.deployment_configuration, service.desired_count);
        Self {
            desired,
            floor: bounds.floor(desired),
            ceiling: bounds.ceiling(desired).max(desired),
            before: 0,
            fewest: u32::MAX,
            most: 0,
            settled: 0,
            unreachable: 0,
        }
    }
}

/// How a service's tasks stand.
#[derive(Clone, Copy, Default)]
struct Count {
    serving: u32,
    /// Would serve, on instances that do not answer.
    unreachable: u32,
    /// RUNNING or PENDING.
    wanted: u32,
}

/// How the tasks of every service stand.
fn counts(state: &State) -> BTreeMap<ServiceKey, Count> {
    let mut counts: BTreeMap<ServiceKey, Count> = BTreeMap::new();
    for task in state.tasks.values().filter(|task| task.is_wanted()) {
        if let Some(service) = &task.service {
            let key = (task.cluster.clone(), service.clone());
            let count = counts.entry(key).or_default();
            let (serves, heard) = (task.is_serving(), state.hears(task));
            count.serving += u32::from(serves && heard);
            count.unreachable += u32::from(serves && !heard);
            count.wanted += 1;
        }
    }
    counts
}

/// The state with these instances silent for longer than any service waits for them.
#[must_use]
pub fn without(state: &State, instances: &BTreeSet<InstanceName>, now: TimeMs) -> State {
    let services = state.services.values();
    let grace_s = services.map(|service| service.grace_s).max().unwrap_or(0);
    let grace_ms = u64::from(grace_s.max(DEFAULT_GRACE_S)) * 1_000;
    let since = TimeMs(now.0.saturating_sub(grace_ms));
    let mut after = state.clone();
    for instance in instances
        .iter()
        .filter_map(|name| state.instances.get(name))
    {
        let mut instance = instance.as_ref().clone();
        instance.connection = Connection::Disconnected {
            since,
            reason: "left out of this plan".to_owned(),
        };
        instance.settles_at = None;
        after.apply(&Change::Instance(Arc::new(instance)));
    }
    after
}

/// The state after every host that answers has done as it is told; `None` if nothing was left to
/// do.
fn act(state: &State, now: TimeMs) -> Option<State> {
    let answers = |task: &Task| {
        let instance = state.instances.get(&task.instance);
        instance.is_some_and(|instance| instance.is_connected())
    };
    let mut after = None;
    for task in state.tasks.values().filter(|task| !task.is_stopped()) {
        let done = match task.desired_status {
            DesiredStatus::Running => task.is_serving() || task.health() == Health::Unhealthy,
            DesiredStatus::Stopped => false,
        };
        if done || task.lost_at.is_some() || !answers(task) {
            continue;
        }
        let mut task = task.as_ref().clone();
        match task.desired_status {
            DesiredStatus::Running => come_up(&mut task, now),
            DesiredStatus::Stopped => {
                task.last_status = LastStatus::Stopped;
                task.stopped_at = Some(now);
            }
        }
        let after: &mut State = after.get_or_insert_with(|| state.clone());
        after.apply(&Change::Task(Arc::new(task)));
    }
    after
}

fn come_up(task: &mut Task, now: TimeMs) {
    task.last_status = LastStatus::Running;
    task.started_at = task.started_at.or(Some(now));
    for container in &mut task.containers {
        container.last_status = LastStatus::Running;
        if container.has_health_check && container.health == Health::Unknown {
            container.health = Health::Healthy;
        }
    }
}
