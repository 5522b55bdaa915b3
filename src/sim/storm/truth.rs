//! What really runs, whatever anybody believes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::trace::Record;
use crate::model::observation::ObservedContainer;
use crate::model::shared::Shared;
use crate::model::{CpuUnits, InstanceName, MemoryMib, State, Task, TaskId};
use crate::sim::{Fleet, Trouble};

/// How long a container may run that nobody wants, while its host is well and a control plane is
/// there, in milliseconds: until a silent connection is noticed (10 s), an attempt to reach the host
/// again (15 s), a stop that hung (30 s stopTimeout and 30 s more) and is tried again (30 s), and
/// the stop itself (30 s).
pub const UNWANTED_MS_MAX: u64 = 180_000;
/// How long a host may be thought emptier than it is after it told so, in milliseconds: until the
/// next whole list (72 s at most), and until what was placed there by then is stopped.
pub const BELIEVED_MS_MAX: u64 = 72_000 + UNWANTED_MS_MAX;
/// CPU units of every simulated host.
pub const HOST_CPU: CpuUnits = CpuUnits(4096);
/// MiB of every simulated host.
pub const HOST_MEMORY: MemoryMib = MemoryMib(8192);

/// What is watched from second to second. Clones are the same watch.
#[derive(Clone)]
pub struct Truth(Arc<Mutex<Watch>>);

struct Watch {
    fleet: Fleet,
    record: Record,
    /// Since when what runs is not wanted.
    unwanted: BTreeMap<(InstanceName, String), Instant>,
    /// When each host was last unwell, or nobody was there to see to it.
    unwell: BTreeMap<InstanceName, Instant>,
    /// When hosts last gave out lists which were not true: for a while what is believed of them may
    /// be wrong, and then it must be right again.
    lied: BTreeMap<InstanceName, Instant>,
}

/// Those of ours on a host.
fn ours(fleet: &Fleet, host: &InstanceName) -> Vec<ObservedContainer> {
    let all = fleet.containers(host).unwrap_or_default();
    all.into_iter().filter(|it| it.owner.is_some()).collect()
}

/// `(task, container)` of what is up on a host and ours.
#[must_use]
pub fn up_on(fleet: &Fleet, host: &InstanceName) -> Vec<(ObservedContainer, TaskId)> {
    let up = ours(fleet, host).into_iter().filter(|c| c.state.is_up());
    up.filter_map(|it| {
        let task = it.owner.as_ref()?.task;
        Some((it, task))
    })
    .collect()
}

/// Whether a task's containers share something that one more container holds.
fn is_held(state: &State, task: &Task) -> bool {
    let definition = state.task_definitions.get(&task.task_definition);
    definition.is_some_and(|it| Shared::of(task, it).any())
}

impl Truth {
    /// Watches a fleet.
    #[must_use]
    pub fn new(fleet: Fleet, record: Record) -> Self {
        Self(Arc::new(Mutex::new(Watch {
            fleet,
            record,
            unwanted: BTreeMap::new(),
            unwell: BTreeMap::new(),
            lied: BTreeMap::new(),
        })))
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at what one host has, after a call to its engine.
    pub fn look_at(&self, host: &InstanceName) {
        self.watch().capacity(host);
    }

    /// Looks at every host: nothing runs that nobody has wanted for too long.
    pub fn look(&self, state: &State, is_led: bool) {
        self.watch().look(state, is_led);
    }

    /// What really runs is exactly what is wanted, each container once.
    #[must_use]
    pub fn departs(&self, state: &State) -> Option<String> {
        self.watch().departs(state)
    }
}

impl Watch {
    fn capacity(&mut self, host: &InstanceName) {
        let trouble = self.fleet.trouble_of(host).unwrap_or_default();
        let now = Instant::now();
        if trouble.lists_old > 0 {
            self.lied.insert(host.clone(), now);
        }
        if let Some(lied) = self.lied.get(host) {
            // Nothing is put right on a host that cannot be spoken to.
            let since = self.unwell.get(host).copied().unwrap_or(*lied).max(*lied);
            if now - since <= Duration::from_millis(BELIEVED_MS_MAX) {
                return;
            }
            self.lied.remove(host);
        }
        let up = up_on(&self.fleet, host);
        let of_tasks = || {
            let holder = |c: &ObservedContainer| {
                let owner = c.owner.as_ref();
                owner.is_some_and(|owner| owner.container.is_holder())
            };
            up.iter().map(|(c, _)| c).filter(move |c| !holder(c))
        };
        let cpu: CpuUnits = of_tasks().map(|c| c.cpu).sum();
        let memory: MemoryMib = of_tasks().map(|c| c.memory).sum();
        if cpu > HOST_CPU || memory > HOST_MEMORY {
            self.record.fail(format!(
                "what runs on {host} takes {cpu} CPU units and {memory} MiB, more than it has"
            ));
        }
    }

    fn look(&mut self, state: &State, is_led: bool) {
        let now = Instant::now();
        let hosts: Vec<InstanceName> = self.fleet.names().cloned().collect();
        let mut seen = BTreeSet::new();
        for host in hosts {
            self.capacity(&host);
            let trouble = self.fleet.trouble_of(&host).unwrap_or_default();
            let fault = self.fleet.fault(&host).ok().flatten();
            let lossy = self.fleet.loses_calls(&host).unwrap_or(true);
            let well = fault.is_none() && trouble == Trouble::default() && !lossy;
            if !well || !is_led {
                self.unwell.insert(host.clone(), now);
            }
            for (container, task) in up_on(&self.fleet, &host) {
                let task = state.tasks.get(&task);
                let wanted = task.is_some_and(|it| {
                    it.instance == host && it.desired_status == crate::model::DesiredStatus::Running
                });
                if wanted {
                    continue;
                }
                let key = (host.clone(), container.runtime_id.clone());
                seen.insert(key.clone());
                let since = *self.unwanted.entry(key).or_insert(now);
                let since = since.max(self.unwell.get(&host).copied().unwrap_or(since));
                let ms = u64::try_from((now - since).as_millis()).unwrap_or(u64::MAX);
                if ms > UNWANTED_MS_MAX {
                    self.record.fail(format!(
                        "{} on {host} runs, and nobody has wanted it for {} s",
                        container.name,
                        ms / 1000
                    ));
                }
            }
        }
        self.unwanted.retain(|key, _| seen.contains(key));
    }

    fn departs(&self, state: &State) -> Option<String> {
        let mut running = BTreeSet::new();
        for host in self.fleet.names() {
            for (container, task) in up_on(&self.fleet, host) {
                let name = &container.name;
                let Some(known) = state.tasks.get(&task) else {
                    return Some(format!(
                        "{name} on {host} runs for a task that is not known"
                    ));
                };
                if known.instance != *host || !known.is_wanted() {
                    return Some(format!("{name} runs on {host}, where it is not wanted"));
                }
                let part = container.owner.map(|owner| owner.container);
                if !running.insert((task, part)) {
                    return Some(format!("{name} on {host} is doubled"));
                }
            }
            for container in ours(&self.fleet, host) {
                let Some(owner) = container.owner else {
                    continue;
                };
                let task = state.tasks.get(&owner.task);
                if owner.container.is_holder() && task.is_none_or(|task| !task.is_wanted()) {
                    return Some(format!("{} was left behind on {host}", container.name));
                }
            }
        }
        let wanted = state.tasks.values().filter(|task| task.is_wanted());
        let wanted: usize = wanted
            .map(|task| task.containers.len() + usize::from(is_held(state, task)))
            .sum();
        let up = running.len();
        (up != wanted).then(|| format!("{up} containers run, and {wanted} are wanted"))
    }
}
