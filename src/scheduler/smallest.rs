//! The smallest change that would place a task that no instance takes.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::feasible::Rejection;
use crate::model::parameters::TaskOverride;
use crate::model::service::SchedulingStrategy;
use crate::model::{
    ClusterName, CpuUnits, HostPort, Instance, InstanceName, MemoryMib, Resources, ServiceName,
    State, Task, TaskDefinitionId, TaskId, TimeMs,
};

/// The most tasks whose stop is proposed for one place.
const STOPS_MAX: usize = 3;
/// The least memory that a definition is proposed to ask for: Docker's own minimum, rounded up.
const MEMORY_MIN: MemoryMib = MemoryMib(6);

/// What would have to change on one instance for it to take the task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Smallest {
    /// Which instance would then take it; `None` where there is none at all.
    pub instance: Option<InstanceName>,
    /// What has to be done, all of it.
    pub mends: Vec<Mend>,
    /// The same in words.
    pub sentence: String,
    /// Commands that do it, where there are such.
    pub commands: Vec<String>,
}

/// One thing that has to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mend {
    /// The instance is to take tasks again.
    Activate,
    /// Its engine is to answer.
    Answer,
    /// This task is to stop.
    Stop(TaskId),
    /// The definition is to ask for no more than this.
    Ask {
        /// CPU units.
        cpu: CpuUnits,
        /// MiB.
        memory: MemoryMib,
    },
    /// The instance is to match this expression, or the constraint to go.
    Match {
        /// The expression.
        expression: String,
        /// Attributes with which it would, where there are such.
        attributes: BTreeMap<String, String>,
    },
    /// The instance is to have so many of a named resource.
    Give(String, u64),
    /// The service itself holds this host port there.
    OtherPort(HostPort),
    /// The instance is to have this line in the configuration.
    Configure(String),
    /// This expression is to be put right.
    Correct(String),
    /// There is to be another instance, or no `distinctInstance`.
    Elsewhere,
    /// An instance is to be configured.
    AddInstance,
    /// What no command of ours does.
    Other(String),
}

/// Who looks for a place.
pub(crate) struct Seeker<'a> {
    pub cluster: &'a ClusterName,
    /// Its own tasks are not proposed to stop: they would be missed at once.
    pub service: Option<&'a ServiceName>,
    pub definition: &'a TaskDefinitionId,
    pub resources: &'a Resources,
    /// What the run asks for in place of its definition.
    pub overrides: Option<&'a TaskOverride>,
}

impl Seeker<'_> {
    fn is_own(&self, task: &Task) -> bool {
        self.service.is_some()
            && task.service.as_ref() == self.service
            && task.cluster == *self.cluster
    }
}

/// Chooses the instance with the fewest changes, then with the least that is missing for its
/// size. `all` is every instance of the cluster with what it refuses for.
#[must_use]
pub(crate) fn smallest(
    state: &State,
    now: TimeMs,
    seeker: &Seeker<'_>,
    all: &[(InstanceName, Vec<Rejection>)],
) -> Option<Smallest> {
    if all.is_empty() {
        return Some(Smallest {
            instance: None,
            mends: vec![Mend::AddInstance],
            sentence: format!(
                "Add an instance of cluster {0} to the configuration: an [[instance]] with name, \
                 endpoint and cluster = \"{0}\".",
                seeker.cluster
            ),
            commands: Vec::new(),
        });
    }
    let ways = all.iter().filter_map(|(name, rejections)| {
        let instance = state.instances.get(name)?;
        Some(way(state, now, seeker, instance, rejections))
    });
    let best = ways.min_by(|a, b| a.cost().cmp(&b.cost()))?;
    Some(best.told(state, seeker))
}

/// What one instance would need.
struct Way<'a> {
    instance: &'a Instance,
    mends: Vec<Mend>,
    /// How hard it is, for choosing between as many changes: per mille of the instance that are
    /// missing, and as much for what is as hard as that.
    hardness: u64,
    short: Short,
}

/// What is missing of what can be counted.
#[derive(Clone, Debug, Default)]
struct Short {
    cpu: u64,
    memory: u64,
    ports: Vec<HostPort>,
    named: BTreeMap<String, u64>,
}

fn way<'a>(
    state: &State,
    now: TimeMs,
    seeker: &Seeker<'_>,
    instance: &'a Instance,
    rejections: &[Rejection],
) -> Way<'a> {
    let mut way = Way {
        instance,
        mends: Vec::new(),
        hardness: 0,
        short: Short::default(),
    };
    for rejection in rejections {
        match rejection {
            Rejection::Draining => way.mend(Mend::Activate, 100),
            Rejection::NotConnected { .. } => way.mend(Mend::Answer, 400),
            Rejection::Registering => way.mend(Mend::Answer, 500),
            Rejection::Cpu { needs, free } => way.short.cpu = needs.saturating_sub(*free).0,
            Rejection::Memory { needs, free } => way.short.memory = needs.saturating_sub(*free).0,
            Rejection::Port { port, .. } => way.short.ports.push(*port),
            Rejection::NotMember {
                expression,
                attributes,
                ..
            } => {
                let (expression, attributes) = (expression.clone(), attributes.clone());
                way.mend(
                    Mend::Match {
                        expression,
                        attributes,
                    },
                    700,
                );
            }
            Rejection::Named { name, needs, free } => {
                let missing = needs.saturating_sub(*free);
                way.short.named.insert(name.clone(), missing);
            }
            Rejection::NotFargate => way.mend(Mend::Configure("fargate = true".to_owned()), 850),
            Rejection::OtherProvider { wants, .. } => {
                let line = format!("capacity_provider = \"{wants}\"");
                way.mend(Mend::Configure(line), 850);
            }
            Rejection::BadExpression { expression, .. } => {
                way.mend(Mend::Correct(expression.clone()), 600);
            }
            Rejection::NotDistinct { .. } => way.mend(Mend::Elsewhere, 800),
            #[allow(unreachable_patterns)] // whatever else may refuse is told as it is
            other => way.mend(Mend::Other(other.to_string()), 900),
        }
    }
    way.make_room(state, now, seeker);
    way
}

impl Way<'_> {
    fn mend(&mut self, mend: Mend, hardness: u64) {
        self.mends.push(mend);
        self.hardness += hardness;
    }

    /// What no command does comes last; then the fewest changes, then the least that is missing.
    fn cost(&self) -> (bool, usize, u64, &InstanceName) {
        let other = |mend: &Mend| matches!(mend, Mend::Other(_));
        let beyond_us = self.mends.iter().any(other);
        (
            beyond_us,
            self.mends.len(),
            self.hardness,
            &self.instance.name,
        )
    }

    /// Finds what to stop for what is missing, or what to change instead.
    fn make_room(&mut self, state: &State, now: TimeMs, seeker: &Seeker<'_>) {
        if self.short.is_nothing() {
            return;
        }
        self.count_what_is_over(state);
        let short = self.short.clone();
        let capacity = &self.instance.capacity;
        let permille = |short: u64, of: u64| (short * 1000).checked_div(of).unwrap_or(1000);
        self.hardness += permille(short.cpu, capacity.cpu.0);
        self.hardness += permille(short.memory, capacity.memory.0);
        self.hardness += 200 * (short.ports.len() + short.named.len()) as u64;
        let here = |task: &&Task| task.instance == self.instance.name && task.is_wanted();
        let wanted: Vec<&Task> = (state.tasks.values().map(AsRef::as_ref))
            .filter(here)
            .collect();
        let tasks: Vec<&Task> = (wanted.iter().copied())
            .filter(|task| may_stop(state, now, seeker, task))
            .collect();
        let less = less(&short, seeker.resources);
        match stops(&short, &tasks) {
            // One change is smaller than several.
            Some(stops) if stops.len() > 1 && short.ports.is_empty() && less.is_some() => {}
            Some(stops) => {
                self.mends.extend(stops.into_iter().map(Mend::Stop));
                return;
            }
            None => {}
        }
        for port in &short.ports {
            let mut own = wanted.iter().filter(|task| seeker.is_own(task));
            self.mends
                .push(match own.any(|task| task.resources.ports.contains(port)) {
                    true => Mend::OtherPort(*port),
                    false => Mend::Other(format!(
                        "host port {port} has to come free, or {} to name another hostPort (0 = \
                         any that is free)",
                        seeker.definition
                    )),
                });
        }
        for (name, missing) in &short.named {
            let has = capacity.named.get(name).copied().unwrap_or(0);
            self.mends.push(Mend::Give(name.clone(), has + missing));
        }
        self.ask_less(&short, seeker);
    }

    /// What is missing of CPU and memory where no stop makes room for all that is missing.
    fn ask_less(&mut self, short: &Short, seeker: &Seeker<'_>) {
        let countable = Short {
            cpu: short.cpu,
            memory: short.memory,
            ..Short::default()
        };
        if countable.is_nothing() {
            return;
        }
        if let Some(mend) = less(&countable, seeker.resources) {
            self.mends.push(mend);
            return;
        }
        let mut parts = Vec::new();
        if short.memory > 0 {
            parts.push(format!("{} MiB of memory", short.memory));
        }
        if short.cpu > 0 {
            parts.push(format!("{} CPU units", short.cpu));
        }
        let what = format!(
            "{} have to come free, or an instance with that much room be added",
            parts.join(" and ")
        );
        self.mend(Mend::Other(what), 1000);
    }

    /// What is held can be more than there is, where others' containers have grown: then nothing
    /// is free, and more than what is asked for has to come free.
    fn count_what_is_over(&mut self, state: &State) {
        let instance = self.instance;
        let tasks = state.tasks.values();
        let here = tasks.filter(|task| task.instance == instance.name && !task.is_stopped());
        let (mut cpu, mut memory) = (instance.reserved.cpu, instance.reserved.memory);
        let missing = self.short.named.keys();
        let mut held_named: BTreeMap<String, u64> = missing
            .map(|name| (name.clone(), reserved(instance, name)))
            .collect();
        for held in here.map(|task| &task.resources).chain([&instance.foreign]) {
            cpu += held.cpu;
            memory += held.memory;
            for (name, count) in &mut held_named {
                *count += held.named.get(name).copied().unwrap_or(0);
            }
        }
        if self.short.cpu > 0 {
            self.short.cpu += cpu.saturating_sub(instance.capacity.cpu).0;
        }
        if self.short.memory > 0 {
            self.short.memory += memory.saturating_sub(instance.capacity.memory).0;
        }
        for (name, missing) in &mut self.short.named {
            let has = instance.capacity.named.get(name).copied().unwrap_or(0);
            let held = held_named.get(name).copied().unwrap_or(0);
            *missing += held.saturating_sub(has);
        }
    }

    /// The way in words, and the commands for it.
    fn told(self, state: &State, seeker: &Seeker<'_>) -> Smallest {
        let name = &self.instance.name;
        let mut commands = Vec::new();
        let mut parts = Vec::new();
        let stops = self.mends.iter().any(|mend| matches!(mend, Mend::Stop(_)));
        for mend in &self.mends {
            commands.extend(words::command(mend, name));
            parts.push(words::mend(mend, state, seeker, self.instance, &self.short));
        }
        if stops
            && self.short.ports.is_empty()
            && let Some(less) = less(&self.short, seeker.resources)
        {
            let less = words::mend(&less, state, seeker, self.instance, &self.short);
            parts.push(format!("or {less}"));
        }
        let mut sentence = parts.join("; ");
        if let Some(first) = sentence.get_mut(0..1) {
            first.make_ascii_uppercase();
        }
        sentence.push('.');
        Smallest {
            instance: Some(name.clone()),
            mends: self.mends,
            sentence,
            commands,
        }
    }
}

/// Whether the stop of a task may be proposed: not of the service that seeks a place, not what is
/// protected, and not a DAEMON's, which would be there again at once.
fn may_stop(state: &State, now: TimeMs, seeker: &Seeker<'_>, task: &Task) -> bool {
    let service = (task.service.as_ref()).and_then(|name| state.service(&task.cluster, name));
    let daemon = service.is_some_and(|it| it.scheduling_strategy == SchedulingStrategy::Daemon);
    !daemon && task.protected_until.is_none_or(|until| until <= now) && !seeker.is_own(task)
}

fn reserved(instance: &Instance, name: &str) -> u64 {
    instance.reserved.named.get(name).copied().unwrap_or(0)
}

/// The cheapest single task whose stop frees enough, else the fewest; `None` if too many would
/// have to go. What is run by hand goes before what a service would start again.
fn stops(short: &Short, tasks: &[&Task]) -> Option<Vec<TaskId>> {
    let held = |task: &Task| (task.resources.memory.0, task.resources.cpu.0, task.id);
    let single = tasks.iter().filter(|task| short.met_by(&[task]));
    if let Some(task) = single.min_by_key(|task| (task.service.is_some(), held(task))) {
        return Some(vec![task.id]);
    }
    // Who holds a port has to go; then the largest.
    let mut order: Vec<&Task> = tasks.to_vec();
    order.sort_by_key(|task| {
        let ports = task.resources.ports.iter();
        let ports = ports.filter(|port| short.ports.contains(port)).count();
        (Reverse(ports), task.service.is_some(), Reverse(held(task)))
    });
    (2..=STOPS_MAX.min(order.len())).find_map(|count| {
        let chosen = &order[..count];
        let ids = chosen.iter().map(|task| task.id);
        short.met_by(chosen).then(|| ids.collect())
    })
}

impl Short {
    fn is_nothing(&self) -> bool {
        self.cpu == 0 && self.memory == 0 && self.ports.is_empty() && self.named.is_empty()
    }

    /// Whether the stop of these tasks frees all of it.
    fn met_by(&self, tasks: &[&Task]) -> bool {
        let cpu: u64 = tasks.iter().map(|task| task.resources.cpu.0).sum();
        let memory: u64 = tasks.iter().map(|task| task.resources.memory.0).sum();
        let free = |port| tasks.iter().any(|task| task.resources.ports.contains(port));
        let named = |name: &String| -> u64 {
            let held = tasks.iter().filter_map(|it| it.resources.named.get(name));
            held.sum()
        };
        let enough = |(name, missing): (&String, &u64)| *missing <= named(name);
        self.cpu <= cpu
            && self.memory <= memory
            && self.ports.iter().all(free)
            && self.named.iter().all(enough)
    }
}

/// What the definition would have to ask for instead, if that is anything at all.
fn less(short: &Short, asks: &Resources) -> Option<Mend> {
    let cpu = asks.cpu.saturating_sub(CpuUnits(short.cpu));
    let memory = asks.memory.saturating_sub(MemoryMib(short.memory));
    let enough = short.named.is_empty()
        && (short.cpu == 0 || cpu.0 > 0)
        && (short.memory == 0 || memory >= MEMORY_MIN);
    enough.then_some(Mend::Ask { cpu, memory })
}

mod words;

#[cfg(test)]
mod tests;
