//! Why it is where it is, or why it is not running: every instance, every reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::daemon;
use super::feasible::{Ask, Rejection};
use super::ground::Ground;
use super::index::Index;
use super::place::{PlaceRequest, looked, place};
use super::rank::Ranker;
use super::reconcile;
use super::rollout::Turn;
use super::smallest::{Mend, Seeker, Smallest, smallest};
use super::words;
use crate::model::capacity::launch_type_of;
use crate::model::grants;
use crate::model::parameters::TaskOverride;
use crate::model::service::{Backoff, RolloutState, SchedulingStrategy, Service, ServiceStatus};
use crate::model::{
    ClusterName, DesiredStatus, InstanceName, LaunchType, ServiceName, State, Task,
    TaskDefinitionId, TaskId, TimeMs,
};

/// What is to be explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum About {
    /// A task.
    Task(TaskId),
    /// A service.
    Service(ClusterName, ServiceName),
    /// One more task of a definition, run by hand in a cluster.
    Definition(ClusterName, TaskDefinitionId),
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(id) => write!(f, "task {id}"),
            Self::Service(_, name) => write!(f, "service {name}"),
            Self::Definition(_, id) => write!(f, "task definition {id}"),
        }
    }
}

/// Explains it; `None` if the state does not know it.
#[must_use]
pub fn explain(state: &State, now: TimeMs, about: &About) -> Option<Explanation> {
    match about {
        About::Task(id) => task(state, now, *id),
        About::Service(cluster, name) => service(state, now, cluster, name),
        About::Definition(cluster, id) => definition(state, now, cluster, id),
    }
}

/// The whole answer to *why*.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// What is explained: `task 0a1b…` or `service web`.
    pub subject: String,
    /// The answer, a sentence a line.
    pub answer: Vec<String>,
    /// What every instance of the cluster says to one more such task: those that take it first,
    /// best first, then the nearest misses.
    pub instances: Vec<Verdict>,
    /// Where no instance takes one more: the smallest change after which one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smallest: Option<Smallest>,
}

impl Explanation {
    /// What asks for more than its role grants starts nowhere, whatever room there is: says so,
    /// where it is the case, in place of who takes one more.
    fn granted(
        mut self,
        state: &State,
        id: &TaskDefinitionId,
        overrides: Option<&TaskOverride>,
    ) -> Self {
        let Some(definition) = state.task_definitions.get(id) else {
            return self;
        };
        let missing = grants::missing(&state.roles, definition, overrides);
        if missing.is_empty() {
            return self;
        }
        let words: Vec<String> = missing.iter().map(ToString::to_string).collect();
        let words = words.join("; ");
        // A service that lacks tasks for it has said so.
        if !self.answer.iter().any(|line| line.contains(&words)) {
            self.answer.push(format!(
                "Nothing starts from {id}, which asks for more than its task role grants: {words}."
            ));
        }
        let asked: Vec<String> = missing.iter().map(|it| it.asked.to_string()).collect();
        let lacks = format!("no role grants its task {}", asked.join(" and "));
        for verdict in &mut self.instances {
            if std::mem::take(&mut verdict.takes) {
                verdict.reasons = vec![format!("it has room, but {lacks}")];
            } else {
                verdict.reasons.push(lacks.clone());
            }
        }
        // There may be room to make besides; without the grant it would be made for nothing.
        let mends = missing
            .iter()
            .map(|it| format!("{}: {}", it.asked, it.mend()));
        let mends: Vec<String> = mends.collect();
        self.smallest = Some(Smallest {
            instance: None,
            sentence: format!("Grant {}.", mends.join("; ")),
            mends: mends.into_iter().map(Mend::Other).collect(),
            commands: Vec::new(),
        });
        self
    }
}

/// What one instance says to a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The instance.
    pub instance: String,
    /// Whether it would take one more such task now.
    pub takes: bool,
    /// If it takes it: why it stands where it does. Else every filter that refuses.
    pub reasons: Vec<String>,
}

/// Explains a task; `None` if the state does not know it.
#[must_use]
pub fn task(state: &State, now: TimeMs, id: TaskId) -> Option<Explanation> {
    let task = state.tasks.get(&id)?;
    let service = task
        .service
        .as_ref()
        .and_then(|name| state.service(&task.cluster, name));
    let (instances, smallest) = match service {
        Some(service) => {
            let told = verdicts(state, now, service, &task.task_definition);
            (told.0, told.1)
        }
        None => definition(state, now, &task.cluster, &task.task_definition)
            .map_or((Vec::new(), None), |it| (it.instances, it.smallest)),
    };
    let told = Explanation {
        subject: format!("task {id}"),
        answer: task_answer(state, now, task),
        instances,
        smallest,
    };
    let overrides = task.overrides.as_deref();
    Some(told.granted(state, &task.task_definition, overrides))
}

fn task_answer(state: &State, now: TimeMs, task: &Task) -> Vec<String> {
    let mut answer = vec![format!(
        "It is {} (desired {}) on {}{}.",
        task.last_status.as_str(),
        match task.desired_status {
            crate::model::DesiredStatus::Running => "RUNNING",
            crate::model::DesiredStatus::Stopped => "STOPPED",
        },
        match task.launch_type {
            LaunchType::Ec2 => "instance ",
            LaunchType::Fargate => "FARGATE, served by ",
        },
        task.instance
    )];
    if !task.placement.is_empty() {
        answer.push(format!("It was placed there because: {}.", task.placement));
    }
    if let Some(provider) = &task.capacity_provider {
        answer.push(format!("It counts for capacity provider {provider}."));
    }
    if let Some(until) = task.protected_until.filter(|until| *until > now)
        && !task.is_stopped()
    {
        answer.push(format!(
            "It is protected for {} more: scale-in, deployments and draining do not stop it.",
            words::minutes(until.since_ms(now))
        ));
    }
    if let Some(reason) = &task.stopped_reason {
        let code = task
            .stop_code
            .map_or_else(String::new, |c| format!("{c:?}: "));
        answer.push(format!("It was stopped: {code}{reason}."));
    }
    for container in &task.containers {
        if let Some(reason) = &container.reason {
            answer.push(format!("Container {}: {reason}.", container.name));
        }
    }
    match state.instances.get(&task.instance) {
        None => answer.push("Its instance is no longer in the config.".to_owned()),
        Some(instance) => {
            if let Some(since) = instance.silent_since() {
                let seconds = now.since_ms(since) / 1000;
                answer.push(format!(
                    "Its instance has not answered for {seconds} s: what is shown is what was seen last."
                ));
            }
        }
    }
    if task.lost_at.is_some() && !task.is_stopped() {
        answer.push(
            "It is given up for lost and has been replaced; it counts again if its instance returns."
                .to_owned(),
        );
    }
    answer
}

/// Explains a service; `None` if the state does not know it.
#[must_use]
pub fn service(
    state: &State,
    now: TimeMs,
    cluster: &ClusterName,
    name: &ServiceName,
) -> Option<Explanation> {
    let service = state.service(cluster, name)?;
    let (instances, smallest, turn) = match service.primary() {
        Some(primary) if service.status == ServiceStatus::Active => {
            verdicts(state, now, service, &primary.task_definition)
        }
        _ => (Vec::new(), None, None),
    };
    let mut answer = service_answer(state, now, service);
    answer.extend(turn);
    let told = Explanation {
        subject: format!("service {name}"),
        answer,
        instances,
        smallest,
    };
    Some(match service.primary() {
        Some(primary) => told.granted(state, &primary.task_definition, None),
        None => told,
    })
}

/// Explains where one more task of a definition would go; `None` if the state does not know it.
#[must_use]
pub fn definition(
    state: &State,
    now: TimeMs,
    cluster: &ClusterName,
    id: &TaskDefinitionId,
) -> Option<Explanation> {
    let definition = state.task_definitions.get(id)?;
    let default = (state.clusters.get(cluster)).map_or(&[][..], |cluster| {
        &cluster.default_capacity_provider_strategy
    });
    // What is fit for FARGATE alone is meant for it.
    let (launch_type, strategy) = match definition.requires_compatibilities.as_slice() {
        [LaunchType::Fargate] => (LaunchType::Fargate, &[][..]),
        _ => (launch_type_of(default), default),
    };
    let request = PlaceRequest {
        launch_type,
        capacity_provider_strategy: strategy,
        cluster,
        definition,
        group: &format!("family:{}", definition.family),
        constraints: &[],
        strategies: &[],
        count: 1,
    };
    let placement = place(state, now, &request);
    let mut index = Index::new(state);
    let (ask, ranker) = looked(&mut index, state, now, &request, &placement);
    let (mut instances, refuses) = stand(&index, &ask, &ranker);
    instances.extend(refuses.iter().map(refusal));
    let granted = grants::missing(&state.roles, definition, None).is_empty();
    let answer = match placement.placed.first() {
        Some(_) if !granted => None,
        Some(placed) => Some(format!(
            "One more task of it, run by hand, would go to {}.",
            placed.instance
        )),
        None => Some(placement.message),
    };
    let smallest = (placement.placed.is_empty())
        .then(|| smallest_for(state, now, &request, None))
        .flatten();
    let told = Explanation {
        subject: format!("task definition {id}"),
        answer: answer.into_iter().collect(),
        instances,
        smallest,
    };
    Some(told.granted(state, id, None))
}

fn service_answer(state: &State, now: TimeMs, service: &Service) -> Vec<String> {
    let tasks: Vec<_> = state
        .service_tasks(&service.cluster, &service.name)
        .filter(|task| !task.is_stopped())
        .collect();
    let wanted = || tasks.iter().filter(|task| task.is_wanted());
    let (known, unknown): (Vec<&Arc<Task>>, Vec<_>) = wanted().partition(|task| state.hears(task));
    let serving = known.iter().filter(|task| task.is_serving()).count();
    let (stopping, kept): (Vec<&Arc<Task>>, Vec<_>) = tasks
        .iter()
        .partition(|task| task.desired_status == DesiredStatus::Stopped);
    let lost = kept.iter().filter(|task| task.lost_at.is_some()).count();
    let mut answer = vec![format!(
        "It is {} and wants {}: {serving} serve, {} are on the way.",
        service.status.as_str(),
        match service.desired_count {
            1 => "1 task".to_owned(),
            count => format!("{count} tasks"),
        },
        known.len() - serving
    )];
    if !unknown.is_empty() {
        let hosts: BTreeSet<&str> = unknown.iter().map(|task| task.instance.as_str()).collect();
        answer.push(format!(
            "{} of its tasks {} on {}, which {} not answer: what they do is not known.",
            unknown.len(),
            if unknown.len() == 1 { "is" } else { "are" },
            join(&hosts),
            if hosts.len() == 1 { "does" } else { "do" },
        ));
    }
    if lost > 0 {
        answer.push(format!(
            "{lost} more are lost on instances that do not answer; they count again if those return."
        ));
    }
    answer.extend(unconfirmed(state, now, &stopping));
    if let Some(primary) = service.primary() {
        let state = match primary.rollout_state {
            RolloutState::InProgress => "under way",
            RolloutState::Completed => "completed",
            RolloutState::Failed => "given up: nothing new starts until the service is updated",
        };
        answer.push(format!(
            "Deployment {} of {} is {state}.",
            primary.id, primary.task_definition
        ));
    }
    answer.extend(on_trial(state, service, now, &kept));
    if service.backoff.held > 0 && now < service.backoff.until {
        answer.push(format!(
            "After {}, {} failed tasks are replaced in {} s.",
            Backoff::in_a_row(service.backoff.failures),
            service.backoff.held,
            service.backoff.until.since_ms(now).div_ceil(1000)
        ));
    }
    answer.extend(protected(now, &kept));
    if let Some(unplaced) = &service.unplaced {
        answer.push(format!(
            "{} wanted and without a place for {} s. {}",
            match unplaced.count {
                1 => "1 task is".to_owned(),
                count => format!("{count} tasks are"),
            },
            now.since_ms(unplaced.since) / 1000,
            unplaced.message
        ));
    }
    answer
}

/// What a deployment or a DRAINING instance waits for before what serves is stopped.
fn on_trial(state: &State, service: &Service, now: TimeMs, kept: &[&Arc<Task>]) -> Option<String> {
    let primary = service.primary()?;
    let tried = |task: &&&Arc<Task>| {
        task.is_serving()
            && reconcile::is_on_trial(service, task, now)
            && !reconcile::on_draining(state, task)
    };
    let count = kept.iter().filter(tried).count();
    let wanted = || kept.iter().filter(|task| task.is_wanted());
    let is_old = |task: &&Arc<Task>| task.deployment.as_ref() != Some(&primary.id);
    let old = wanted().any(is_old);
    let draining = wanted().filter(|task| reconcile::makes_way(state, service, task));
    let draining: BTreeSet<&str> = draining.map(|task| task.instance.as_str()).collect();
    let leaves = match (old, draining.len()) {
        (false, 0) => return None,
        (true, 0) => "no old one".to_owned(),
        (false, _) => format!("none on DRAINING {}", join(&draining)),
        (true, _) => format!("no old one and none on DRAINING {}", join(&draining)),
    };
    let (has, it) = match count {
        0 => return None,
        1 => ("1 of its new tasks has".to_owned(), "it"),
        count => (format!("{count} of its new tasks have"), "them"),
    };
    let seconds = reconcile::COMPLETION_SETTLE_MS / 1_000;
    Some(format!(
        "{has} not stayed up for {seconds} s yet; {leaves} stops for {it} before that."
    ))
}

fn join(names: &BTreeSet<&str>) -> String {
    let names: Vec<&str> = names.iter().copied().collect();
    names.join(", ")
}

/// Which tasks nothing but a person stops for now.
fn protected(now: TimeMs, kept: &[&Arc<Task>]) -> Option<String> {
    let ends: Vec<TimeMs> = (kept.iter().filter_map(|task| task.protected_until))
        .filter(|until| *until > now)
        .collect();
    let next = ends.iter().min()?;
    let count = match ends.len() {
        1 => "1 of its tasks is protected".to_owned(),
        count => format!("{count} of its tasks are protected"),
    };
    Some(format!(
        "{count}: scale-in, deployments and draining do not stop what is; the next protection ends in {}.",
        words::minutes(next.since_ms(now))
    ))
}

/// Which stops wait for instances that do not answer.
fn unconfirmed(state: &State, now: TimeMs, stopping: &[&Arc<Task>]) -> Option<String> {
    let mut silent: BTreeMap<&InstanceName, (usize, u64)> = BTreeMap::new();
    for task in stopping {
        let instance = state.instances.get(&task.instance);
        if let Some(since) = instance.and_then(|instance| instance.silent_since()) {
            let (count, seconds) = silent.entry(&task.instance).or_default();
            *count += 1;
            *seconds = now.since_ms(since) / 1000;
        }
    }
    let parts: Vec<String> = silent
        .iter()
        .map(|(name, (count, seconds))| format!("{count} on {name}, silent for {seconds} s"))
        .collect();
    (!parts.is_empty()).then(|| {
        format!(
            "Stops that are not confirmed: {}. They hold what they hold until the instance answers, or is taken out of the configuration.",
            parts.join("; ")
        )
    })
}

/// What every instance says to one more task of a service, what would have to change if none
/// takes it, and whose turn it is where capacity providers share the tasks.
fn verdicts(
    state: &State,
    now: TimeMs,
    service: &Arc<Service>,
    definition: &TaskDefinitionId,
) -> (Vec<Verdict>, Option<Smallest>, Option<String>) {
    let Some(definition) = state.task_definitions.get(definition) else {
        return (Vec::new(), None, None);
    };
    let index = Index::new(state);
    let key = (service.cluster.clone(), service.name.clone());
    let tasks: Vec<&Arc<Task>> = (index.services.get(&key).into_iter())
        .flat_map(|tasks| tasks.values())
        .collect();
    let mut turn = Turn::new(service, reconcile::members(&index, service, &tasks, now));
    turn.remember_failures(&tasks, now);
    let search = turn.search(state, &index, definition);
    let (mut verdicts, refuses) = stand(&index, &search.ask, &search.ranker);
    let seeker = Seeker {
        cluster: &service.cluster,
        service: Some(&service.name),
        definition: &definition.id(),
        resources: &search.ask.resources,
        overrides: None,
    };
    // A DAEMON that has its tasks lacks nothing.
    let is_daemon = service.scheduling_strategy == SchedulingStrategy::Daemon;
    let lacks = verdicts.is_empty() && !(is_daemon && service.unplaced.is_none());
    let smallest = lacks
        .then(|| smallest(state, now, &seeker, &refuses))
        .flatten();
    verdicts.extend(refuses.iter().map(refusal));
    if is_daemon {
        verdicts.iter_mut().for_each(|it| one_each(it, &turn));
    }
    (verdicts, smallest, turn.providers_turn())
}

/// Of a DAEMON: an instance that has its task takes no other, and none is before another.
fn one_each(verdict: &mut Verdict, turn: &Turn<'_>) {
    let mut there = turn.members.iter().filter(|m| m.wanted());
    if there.any(|m| m.task.instance.as_str() == verdict.instance) {
        verdict.takes = false;
        verdict.reasons = vec!["it has its one task of this DAEMON".to_owned()];
    } else if verdict.takes {
        verdict.reasons = vec![daemon::PLACEMENT.to_owned()];
    }
}

/// Those that take one more, the best first, and what the others say.
fn stand(
    index: &Index,
    ask: &Ask,
    ranker: &Ranker,
) -> (Vec<Verdict>, Vec<(InstanceName, Vec<Rejection>)>) {
    let takes = ranker.order(index).into_iter();
    let takes = takes.map(|(at, reason)| Verdict {
        instance: name(index, at).map_or_else(String::new, ToString::to_string),
        takes: true,
        reasons: vec![reason],
    });
    let group = ranker.group.iter().copied().enumerate().collect();
    let refuses = by_name(index, ask.all_rejections(index, &group));
    (takes.collect(), refuses)
}

fn refusal((instance, rejections): &(InstanceName, Vec<Rejection>)) -> Verdict {
    Verdict {
        instance: instance.to_string(),
        takes: false,
        reasons: rejections.iter().map(ToString::to_string).collect(),
    }
}

/// The smallest change that would place one more task run by hand, of a definition as `overrides`
/// have left it; `None` if it has a place.
#[must_use]
pub fn smallest_for(
    state: &State,
    now: TimeMs,
    request: &PlaceRequest<'_>,
    overrides: Option<&TaskOverride>,
) -> Option<Smallest> {
    let index = Index::new(state);
    let constraints = request.constraints.iter();
    let provider = request.capacity_provider_strategy.first();
    let ask = Ask::new(
        request.cluster,
        Ground::of(
            request.launch_type,
            provider.map(|item| &item.capacity_provider),
        ),
        request.definition.resources(),
        constraints.chain(&request.definition.placement_constraints),
    )
    .on(request.definition.runtime_platform.as_ref());
    let mut group: BTreeMap<usize, u32> = BTreeMap::new();
    for task in state.tasks.values() {
        if &task.cluster == request.cluster
            && &*task.group == request.group
            && !task.is_stopped()
            && task.desired_status == DesiredStatus::Running
            && let Some(at) = index.position(&task.instance)
        {
            *group.entry(at).or_default() += 1;
        }
    }
    let refuses = by_name(&index, ask.all_rejections(&index, &group));
    let instances = state.instances.values();
    let asked = instances.filter(|it| &it.cluster == request.cluster);
    if refuses.len() < asked.count() {
        return None;
    }
    let seeker = Seeker {
        cluster: request.cluster,
        service: None,
        definition: &request.definition.id(),
        resources: &ask.resources,
        overrides,
    };
    smallest(state, now, &seeker, &refuses)
}

fn name(index: &Index, at: usize) -> Option<&InstanceName> {
    index.nodes.get(at).map(|node| &node.instance.name)
}

fn by_name(
    index: &Index,
    all: Vec<(usize, Vec<Rejection>)>,
) -> Vec<(InstanceName, Vec<Rejection>)> {
    all.into_iter()
        .filter_map(|(at, rejections)| Some((name(index, at)?.clone(), rejections)))
        .collect()
}
