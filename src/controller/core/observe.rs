//! What agents report, taken into the state.

use std::collections::BTreeMap;

use super::derive::{Seen, ask_stop, derive};
use super::pins;
use super::work::Work;
use crate::model::instance::attribute;
use crate::model::observation::{EngineInfo, ObservedContainer};
use crate::model::task::{Container, Health};
use crate::model::{
    Connection, CpuUnits, DesiredStatus, EventKind, Instance, InstanceName, InstanceStatus,
    LastStatus, LaunchType, MemoryMib, Observation, Resources, Severity, StopCode, Task, TaskId,
    TimeMs,
};

/// The oldest API that is known to do: Docker 20.10.
const API_MIN: (u32, u32) = (1, 41);
/// The reason of an instance that nobody has tried to reach yet.
pub(super) const NOT_YET_REACHED: &str = "not yet reached";
/// The reason of one that is reached elsewhere from now on, where nobody has tried it yet.
pub(in crate::controller) const MOVED: &str = "not yet reached at its new place";

pub(super) fn observe(work: &mut Work, observation: Observation) {
    match observation {
        Observation::Connected { instance, info } => connected(work, &instance, &info),
        Observation::Disconnected {
            instance,
            reason,
            heard_at,
        } => disconnected(work, &instance, reason, heard_at),
        Observation::Containers {
            instance,
            containers,
        } => listed(work, &instance, &containers),
        Observation::TaskFailed {
            task,
            container,
            reason,
        } => task_failed(work, task, container.as_str(), &reason),
        Observation::Pulling { task, progress } => {
            let progress = progress.filter(|_| work.state.tasks.contains_key(&task));
            work.live(|live| match progress {
                Some(progress) if live.pulls.get(&task) == Some(&progress) => false,
                Some(progress) => {
                    live.pulls.insert(task, progress);
                    true
                }
                None => live.pulls.remove(&task).is_some(),
            });
        }
        Observation::ImageResolved {
            task,
            image,
            answer,
        } => pins::resolved(work, task, image, answer),
        Observation::Stuck {
            instance,
            task,
            reason,
        } => stuck(work, &instance, task, &reason),
        Observation::Agent { instance, status } => {
            let known = work.state.instances.contains_key(&instance);
            work.live(|live| {
                let news = known && live.agents.get(&instance) != Some(&status);
                if news {
                    live.agents.insert(instance, status);
                }
                news
            });
        }
    }
}

/// What is to go does not go: somebody has to look at that host.
fn stuck(work: &mut Work, name: &InstanceName, task: Option<TaskId>, reason: &str) {
    let Some(instance) = work.state.instances.get(name).cloned() else {
        return;
    };
    let reason = reason.trim_end_matches('.');
    let task = task.and_then(|id| work.state.tasks.get(&id).cloned());
    match task {
        Some(task) => {
            let message = format!(
                "{} on (instance {name}): {reason}. It is tried on.",
                words(&task)
            );
            work.event(Severity::Warning, EventKind::Task, &*task, message);
        }
        None => {
            let message = format!("(instance {name}): {reason}. It is tried on.");
            work.event(Severity::Warning, EventKind::Instance, &*instance, message);
        }
    }
}

/// The engine answered and says what it is. The instance counts as connected only when its
/// containers are known too ([`listed`]): until then nobody can say which tasks are still there
/// or which ports are taken.
fn connected(work: &mut Work, name: &InstanceName, info: &EngineInfo) {
    let Some(before) = work.state.instances.get(name).cloned() else {
        return;
    };
    let mut instance = (*before).clone();
    let derived = instance_type(&before.capacity);
    instance.capacity = Resources {
        cpu: info.cpu,
        memory: info.memory,
        // What the engine does not tell is the configuration's to say.
        named: before.capacity.named.clone(),
        ..Resources::default()
    };
    instance.docker_version.clone_from(&info.docker_version);
    instance.api_version.clone_from(&info.api_version);
    instance.engine_id.clone_from(&info.engine_id);
    let sized = instance.attributes.get(attribute::INSTANCE_TYPE);
    if sized.is_none() || sized == Some(&derived) {
        let size = instance_type(&instance.capacity);
        instance
            .attributes
            .insert(attribute::INSTANCE_TYPE.to_owned(), size);
    }
    for (attribute, value) in [
        (attribute::OS_TYPE, info.os_type.as_str()),
        (
            attribute::CPU_ARCHITECTURE,
            architecture(&info.architecture),
        ),
        (attribute::DOCKER_VERSION, info.docker_version.as_str()),
    ] {
        instance
            .attributes
            .insert(attribute.to_owned(), value.to_owned());
    }
    if instance.registered_at.is_none() {
        instance.registered_at = Some(work.now);
    }
    let instance = work.put_instance(instance);
    if before.engine_id != instance.engine_id {
        warn_of_clone(work, &instance);
    }
    if before.api_version != instance.api_version && is_too_old(&instance.api_version) {
        let message = format!(
            "(instance {name}) runs Docker {} with API {}, older than {}.{} (Docker 20.10): some \
             things will not work there. Update its engine.",
            instance.docker_version, instance.api_version, API_MIN.0, API_MIN.1
        );
        work.event(Severity::Warning, EventKind::Instance, &*instance, message);
    }
}

/// ECS's words for a processor architecture.
fn architecture(engine: &str) -> &str {
    match engine {
        "aarch64" => "arm64",
        "amd64" => "x86_64",
        other => other,
    }
}

/// What an instance is called by its size where the configuration names no type.
pub(super) fn instance_type(capacity: &Resources) -> String {
    // The kernel keeps a part of the memory for itself, so the machine has the next whole GiB.
    let (cpus, gib) = (capacity.cpu.0 / 1024, capacity.memory.0.div_ceil(1024));
    format!("{cpus}cpu-{gib}gib")
}

fn is_too_old(api_version: &str) -> bool {
    let mut parts = api_version.split('.').map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < API_MIN,
        _ => false,
    }
}

fn warn_of_clone(work: &mut Work, instance: &Instance) {
    if instance.engine_id.is_empty() {
        return;
    }
    let twins = work
        .state
        .instances
        .values()
        .filter(|other| other.name != instance.name && other.engine_id == instance.engine_id);
    let twins: Vec<String> = twins.map(|other| other.name.to_string()).collect();
    if !twins.is_empty() {
        let message = format!(
            "(instance {}) has the same engine id as {}: either a cloned machine, which is \
             harmless, or one engine configured twice, whose capacity would then count twice.",
            instance.name,
            twins.join(", ")
        );
        work.event(Severity::Warning, EventKind::Instance, instance, message);
    }
}

fn disconnected(work: &mut Work, name: &InstanceName, reason: String, heard_at: Option<TimeMs>) {
    let Some(before) = work.state.instances.get(name).cloned() else {
        return;
    };
    let (since, news) = match &before.connection {
        Connection::Connected { .. } => (work.now, true),
        Connection::Disconnected { since, reason } => (*since, reason == NOT_YET_REACHED),
    };
    let mut instance = (*before).clone();
    let message = format!("(instance {name}) does not answer: {reason}");
    if reason != MOVED {
        // A whole attempt since the start has failed: it had its chance to answer.
        instance.settles_at = None;
    }
    instance.connection = Connection::Disconnected { since, reason };
    // An agent that has not heard it since it is at work knows no better than what is stored; nor
    // does one that goes by a wall clock that was set since, while what is stored was moved along.
    let told = heard_at.filter(|at| *at <= work.now);
    let known = told.max(before.heard_at);
    instance.heard_at = known.or(heard_at.map(|_| work.now));
    let instance = work.put_instance(instance);
    if news {
        work.event(Severity::Warning, EventKind::Instance, &*instance, message);
    }
}

/// The whole list of an engine's containers.
fn listed(work: &mut Work, name: &InstanceName, containers: &[ObservedContainer]) {
    let Some(before) = work.state.instances.get(name).cloned() else {
        return;
    };
    let mut instance = (*before).clone();
    // What runs is in the way whoever made it: one of ours without a task here that holds its
    // share (its task was counted as STOPPED, say, when the instance left the fleet) counts too.
    let held = |c: &ObservedContainer| {
        let owner = work.state.owner_of(c);
        let task = owner.and_then(|owner| work.state.tasks.get(&owner.task));
        task.is_some_and(|task| &task.instance == name && !task.is_stopped())
    };
    let foreign: Vec<_> = containers
        .iter()
        .filter(|c| c.state.is_up() && !held(c))
        .collect();
    instance.foreign = Resources {
        cpu: foreign.iter().map(|c| c.cpu).sum::<CpuUnits>(),
        memory: foreign.iter().map(|c| c.memory).sum::<MemoryMib>(),
        ports: foreign.iter().flat_map(|c| c.host_ports.clone()).collect(),
        ..Resources::default()
    };
    instance.foreign_count = u32::try_from(foreign.len()).unwrap_or(u32::MAX);
    let answers = instance.registered_at.is_some() && !instance.is_connected();
    if answers {
        instance.connection = Connection::Connected { since: work.now };
        (instance.heard_at, instance.settles_at) = (None, None);
        if instance.status == InstanceStatus::Registering {
            instance.status = InstanceStatus::Active;
        }
    }
    let instance = work.put_instance(instance);
    if answers {
        tell_connected(work, &before, &instance);
    }
    let mut by_task: BTreeMap<TaskId, Vec<&ObservedContainer>> = BTreeMap::new();
    for container in containers {
        if let Some(owner) = work.state.owner_of(container) {
            by_task.entry(owner.task).or_default().push(container);
        }
    }
    let heard_since = match &instance.connection {
        Connection::Connected { since } => *since,
        Connection::Disconnected { .. } => work.now,
    };
    for task in work.tasks_on(name) {
        if task.is_stopped() {
            continue;
        }
        let of_task = by_task.get(&task.id).map(Vec::as_slice);
        let seen = seen(&task, of_task.unwrap_or_default());
        let definition = work.state.task_definitions.get(&task.task_definition);
        let definition = definition.map(AsRef::as_ref);
        let after = derive(&task, &seen, definition, (heard_since, work.now));
        if after != *task {
            let after = work.put_task(after);
            tell_task(work, &task, &after);
        }
    }
}

/// A task's containers by name. Names on an engine are unique, so two for one name should not
/// be; if they are, the known one counts, else the one that is up.
fn seen<'a>(task: &Task, containers: &[&'a ObservedContainer]) -> Seen<'a> {
    let mut seen = Seen::new();
    for container in containers.iter().copied() {
        let Some(owner) = &container.owner else {
            continue;
        };
        let is_known = |c: &ObservedContainer| {
            let known = task.containers.iter();
            known
                .filter(|k| k.name == owner.container)
                .any(|k| k.runtime_id == c.runtime_id)
        };
        let weight = |c: &ObservedContainer| (is_known(c), c.state.is_up());
        match seen.get(&owner.container) {
            Some(other) if weight(other) >= weight(container) => {}
            _ => {
                seen.insert(&owner.container, container);
            }
        }
    }
    seen
}

fn tell_connected(work: &mut Work, before: &Instance, instance: &Instance) {
    let name = &instance.name;
    let message = match &before.connection {
        _ if before.status == InstanceStatus::Registering => format!(
            "(instance {name}) registered: {} CPU units, {} MiB, Docker {}.",
            instance.capacity.cpu, instance.capacity.memory, instance.docker_version
        ),
        // The control plane was started again; the instance was there all along.
        Connection::Disconnected { reason, .. } if reason == NOT_YET_REACHED => return,
        Connection::Disconnected { since, .. } => format!(
            "(instance {name}) answers again after {} s.",
            work.now.since_ms(before.silent_since().unwrap_or(*since)) / 1000
        ),
        Connection::Connected { .. } => return,
    };
    work.event(Severity::Info, EventKind::Instance, instance, message);
}

/// `(service web) (task 1a2b3c4d)`, or without a service just the task.
pub(super) fn words(task: &Task) -> String {
    match &task.service {
        Some(service) => format!("(service {service}) (task {})", task.id.short()),
        None => format!("(task {})", task.id.short()),
    }
}

/// `(instance ops-1)`; FARGATE has none that anybody sees.
pub(super) fn place(task: &Task) -> String {
    match task.launch_type {
        LaunchType::Ec2 => format!("(instance {})", task.instance),
        LaunchType::Fargate => task.launch_type.as_str().to_owned(),
    }
}

fn tell_task(work: &mut Work, before: &Task, after: &Task) {
    let who = words(after);
    let host = place(after);
    if before.last_status < LastStatus::Running && after.last_status == LastStatus::Running {
        let message = format!("{who} is RUNNING on {host}.");
        work.event(Severity::Info, EventKind::Task, after, message);
    }
    tell_health(work, before, after, &who);
    tell_restarts(work, before, after, &who);
    let fell = before.desired_status == DesiredStatus::Running
        && after.desired_status == DesiredStatus::Stopped;
    let has_stopped = after.is_stopped() && !before.is_stopped();
    if !fell && !has_stopped {
        return;
    }
    let verb = if has_stopped {
        "has stopped"
    } else {
        "is stopping"
    };
    let reason = after.stopped_reason.as_deref().unwrap_or("it was asked to");
    let reason = reason.trim_end_matches('.');
    let ends = after.containers.iter().filter_map(|it| end(it, reason));
    let ends: Vec<String> = ends.collect();
    let ends = if ends.is_empty() {
        String::new()
    } else {
        format!(" ({})", ends.join("; "))
    };
    let clean = after.service.is_none() && after.containers.iter().all(|c| c.exit_code == Some(0));
    let missed = before.lost_at.is_none();
    let severity = if fell && !clean && missed {
        Severity::Warning
    } else {
        Severity::Info
    };
    let message = format!("{who} {verb} on {host}: {reason}{ends}.");
    work.event(severity, EventKind::Exit, after, message);
}

/// How a container ended: `web: exit code 137, OutOfMemoryError: …`; without what was `said` of
/// its task already.
fn end(container: &Container, said: &str) -> Option<String> {
    let code = container.exit_code.map(|code| format!("exit code {code}"));
    let reason = container.reason.as_deref();
    let reason = reason.filter(|it| !said.contains(it.trim_end_matches('.')));
    let reason = reason.map(str::to_owned);
    let parts: Vec<String> = code.into_iter().chain(reason).collect();
    (!parts.is_empty()).then(|| format!("{}: {}", container.name, parts.join(", ")))
}

fn tell_restarts(work: &mut Work, before: &Task, after: &Task, who: &str) {
    for (was, is) in before.containers.iter().zip(&after.containers) {
        if is.restart_count <= was.restart_count {
            continue;
        }
        let code = was.exit_code.map(|code| format!(" after exit code {code}"));
        let oom = if was.oom_killed {
            ", out of memory"
        } else {
            ""
        };
        let message = format!(
            "{who} restarted container {} on {}{}{oom} (restart {}).",
            is.name,
            place(after),
            code.unwrap_or_default(),
            is.restart_count
        );
        work.event(Severity::Warning, EventKind::Exit, after, message);
    }
}

fn tell_health(work: &mut Work, before: &Task, after: &Task, who: &str) {
    if after.is_stopped() {
        return;
    }
    let message = match (before.health(), after.health()) {
        (Health::Unknown | Health::Healthy, Health::Unhealthy) => {
            format!("{who} failed container health checks.")
        }
        (Health::Unhealthy, Health::Healthy) => {
            format!("{who} passes its container health checks again.")
        }
        _ => return,
    };
    let severity = if after.health() == Health::Unhealthy {
        Severity::Warning
    } else {
        Severity::Info
    };
    work.event(severity, EventKind::Health, after, message);
}

/// A task that cannot be brought up. Its end is confirmed, like every other, by the next list.
fn task_failed(work: &mut Work, id: TaskId, container: &str, reason: &str) {
    work.live(|live| live.pulls.remove(&id).is_some());
    let Some(before) = work.state.tasks.get(&id).cloned() else {
        return;
    };
    if before.is_stopped() {
        return;
    }
    let mut task = (*before).clone();
    let failed = task
        .containers
        .iter_mut()
        .find(|c| c.name.as_str() == container);
    if let Some(failed) = failed {
        failed.reason = Some(reason.into());
    }
    ask_stop(
        &mut task,
        StopCode::TaskFailedToStart,
        reason.to_owned(),
        work.now,
    );
    let after = work.put_task(task);
    if before.desired_status == DesiredStatus::Running {
        let message = format!(
            "{} failed to start on {}: container {container}: {reason}",
            words(&after),
            place(&after)
        );
        work.event(Severity::Warning, EventKind::Exit, &*after, message);
    }
}
