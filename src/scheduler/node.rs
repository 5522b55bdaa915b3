//! One instance as the scheduler sees it: what it has, who holds what of it, what is left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::{
    ClusterName, CpuUnits, DesiredStatus, HostPort, Instance, LastStatus, MemoryMib, Resources,
    ServiceName, Task, TaskId,
};

/// How many tasks of one group are on an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupCount {
    /// All whose stop is not confirmed.
    pub held: u32,
    /// Of the instance's cluster, wanted and not lost: what spreading counts.
    pub counted: u32,
    /// Of the instance's cluster, wanted, lost ones included: what `distinctInstance` counts.
    pub wanted: u32,
}

/// Who has a host port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// Kept for the host itself.
    Reserved,
    /// A container that is not ours.
    Foreign,
    /// Another task of the same request.
    New,
    /// One of our tasks.
    Task {
        id: TaskId,
        service: Option<ServiceName>,
        stopping: bool,
    },
}

/// The share of a task that a pass places, before its change is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tentative {
    pub resources: Resources,
    pub group: Arc<str>,
    pub holder: Holder,
}

/// What tasks hold in all. Wider than any one amount, so that giving back is exact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Held {
    cpu: u128,
    memory: u128,
    named: BTreeMap<String, u128>,
}

/// One instance, with what is left of it.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub instance: Arc<Instance>,
    /// What there is to give: capacity − reserved − what others' containers use. Ports apart.
    pub room: Resources,
    /// What our tasks hold of it; until their stop is confirmed.
    pub used_cpu: CpuUnits,
    pub used_memory: MemoryMib,
    /// How many hold each host port; one is right, and none is not listed.
    pub ports: BTreeMap<HostPort, u32>,
    /// Our tasks on it whose stop is not confirmed.
    pub tasks: u32,
    held: Held,
    /// All tasks that name it, stopped ones included.
    all: BTreeMap<TaskId, Arc<Task>>,
    /// How many of them have been RUNNING.
    pub running: u32,
    /// The groups of our tasks whose stop is not confirmed.
    pub groups: BTreeMap<Arc<str>, GroupCount>,
    /// What this pass has placed here and not yet made a change of.
    tentative: Vec<Tentative>,
    /// What this pass has told to stop and not yet made a change of.
    stopping: BTreeSet<TaskId>,
}

/// Two nodes are equal when every placement goes alike on them.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.instance == other.instance
            && self.held == other.held
            && self.ports == other.ports
            && self.tasks == other.tasks
            && self.all == other.all
            && self.running == other.running
            && self.groups == other.groups
            && self.tentative == other.tentative
            && self.stopping == other.stopping
    }
}

impl Node {
    pub fn new(instance: Arc<Instance>) -> Self {
        let mut node = Self {
            room: room(&instance),
            instance,
            used_cpu: CpuUnits(0),
            used_memory: MemoryMib(0),
            ports: BTreeMap::new(),
            tasks: 0,
            held: Held::default(),
            all: BTreeMap::new(),
            running: 0,
            groups: BTreeMap::new(),
            tentative: Vec::new(),
            stopping: BTreeSet::new(),
        };
        node.count_own_ports(true);
        node
    }

    /// Takes the instance's new value in; its tasks stay.
    pub fn replace_instance(&mut self, instance: Arc<Instance>) {
        if instance.cluster != self.instance.cluster {
            // Its tasks count for nobody in another cluster.
            let all = std::mem::take(&mut self.all);
            *self = Self::new(instance);
            all.into_values().for_each(|task| self.put(task));
            return;
        }
        self.count_own_ports(false);
        self.room = room(&instance);
        self.instance = instance;
        self.count_own_ports(true);
    }

    fn count_own_ports(&mut self, add: bool) {
        let instance = self.instance.clone();
        let reserved = instance.reserved.ports.iter();
        for port in reserved.chain(&instance.foreign.ports) {
            self.count_port(*port, add);
        }
    }

    fn count_port(&mut self, port: HostPort, add: bool) {
        let count = self.ports.entry(port).or_default();
        step(count, add);
        if *count == 0 {
            self.ports.remove(&port);
        }
    }

    /// CPU that nobody holds.
    pub fn free_cpu(&self) -> CpuUnits {
        self.room.cpu.saturating_sub(self.used_cpu)
    }

    /// Memory that nobody holds.
    pub fn free_memory(&self) -> MemoryMib {
        self.room.memory.saturating_sub(self.used_memory)
    }

    /// How much of a named resource there is to give.
    pub fn room_named(&self, name: &str) -> u64 {
        self.room.named.get(name).copied().unwrap_or(0)
    }

    /// How much of a named resource our tasks hold.
    pub fn used_named(&self, name: &str) -> u64 {
        let held = self.held.named.get(name).copied().unwrap_or(0);
        u64::try_from(held).unwrap_or(u64::MAX)
    }

    /// How much of a named resource nobody holds.
    pub fn free_named(&self, name: &str) -> u64 {
        self.room_named(name).saturating_sub(self.used_named(name))
    }

    /// Every named resource that it has or that a task holds.
    pub fn named(&self) -> BTreeSet<&str> {
        let has = self.room.named.keys();
        has.chain(self.held.named.keys())
            .map(String::as_str)
            .collect()
    }

    /// All tasks that name it, stopped ones included.
    pub fn all(&self) -> &BTreeMap<TaskId, Arc<Task>> {
        &self.all
    }

    /// How many tasks of a group of a cluster are on it.
    pub fn group(&self, cluster: &ClusterName, group: &str) -> GroupCount {
        let count = self.groups.get(group).copied();
        count
            .filter(|_| &self.instance.cluster == cluster)
            .unwrap_or_default()
    }

    /// Who has a port, for telling; the task that is oldest by its id if several claim it.
    pub fn holder(&self, port: HostPort) -> Option<Holder> {
        if !self.ports.contains_key(&port) {
            return None;
        }
        if self.instance.reserved.ports.contains(&port) {
            return Some(Holder::Reserved);
        }
        if self.instance.foreign.ports.contains(&port) {
            return Some(Holder::Foreign);
        }
        let mut standing = self.all.values();
        let standing =
            standing.find(|task| !task.is_stopped() && task.resources.ports.contains(&port));
        if let Some(task) = standing {
            return Some(self.as_holder(task));
        }
        let mut tentative = self.tentative.iter();
        tentative
            .find(|tentative| tentative.resources.ports.contains(&port))
            .map(|tentative| tentative.holder.clone())
    }

    fn as_holder(&self, task: &Task) -> Holder {
        Holder::Task {
            id: task.id,
            service: task.service.clone(),
            stopping: self.leaves(task),
        }
    }

    fn leaves(&self, task: &Task) -> bool {
        task.desired_status == DesiredStatus::Stopped
            || task.last_status > LastStatus::Running
            || self.stopping.contains(&task.id)
    }

    /// Tasks on it whose stop was asked for and is not confirmed.
    pub fn leaving(&self) -> impl Iterator<Item = &Arc<Task>> {
        let all = self.all.values();
        all.filter(|task| !task.is_stopped() && self.leaves(task))
    }

    /// Takes a task in that names this instance, in place of its value before.
    pub fn put(&mut self, task: Arc<Task>) {
        self.count(&task, true);
        if let Some(before) = self.all.insert(task.id, task) {
            self.count(&before, false);
        }
    }

    /// Forgets a task.
    pub fn forget(&mut self, id: &TaskId) {
        if let Some(before) = self.all.remove(id) {
            self.count(&before, false);
        }
    }

    fn count(&mut self, task: &Task, add: bool) {
        if task.is_stopped() {
            return;
        }
        self.take(&task.resources, add);
        if task.started_at.is_some() {
            step(&mut self.running, add);
        }
        let wanted =
            task.desired_status == DesiredStatus::Running && task.cluster == self.instance.cluster;
        self.join(&task.group, wanted, wanted && task.lost_at.is_none(), add);
    }

    fn join(&mut self, group: &Arc<str>, wanted: bool, counted: bool, add: bool) {
        if !self.groups.contains_key(group) {
            self.groups.insert(group.clone(), GroupCount::default());
        }
        let Some(count) = self.groups.get_mut(group) else {
            return;
        };
        step(&mut count.held, add);
        if wanted {
            step(&mut count.wanted, add);
        }
        if counted {
            step(&mut count.counted, add);
        }
        if count.held == 0 {
            self.groups.remove(group);
        }
    }

    /// Takes a share away, or gives it back.
    fn take(&mut self, resources: &Resources, add: bool) {
        let sum = |sum: &mut u128, amount: u64| {
            let amount = u128::from(amount);
            *sum = if add {
                sum.saturating_add(amount)
            } else {
                sum.saturating_sub(amount)
            };
        };
        sum(&mut self.held.cpu, resources.cpu.0);
        sum(&mut self.held.memory, resources.memory.0);
        for (name, amount) in resources.named.iter().filter(|(_, amount)| **amount > 0) {
            let held = self.held.named.entry(name.clone()).or_default();
            sum(held, *amount);
            if *held == 0 {
                self.held.named.remove(name);
            }
        }
        self.used_cpu = CpuUnits(u64::try_from(self.held.cpu).unwrap_or(u64::MAX));
        self.used_memory = MemoryMib(u64::try_from(self.held.memory).unwrap_or(u64::MAX));
        step(&mut self.tasks, add);
        for port in &resources.ports {
            self.count_port(*port, add);
        }
    }

    /// Takes the share of a task away of which no change was made yet.
    pub fn hold(&mut self, tentative: Tentative) {
        self.take(&tentative.resources, true);
        self.join(&tentative.group, true, true, true);
        self.tentative.push(tentative);
    }

    /// Notes that a task is to stop: it goes on holding what it holds.
    pub fn stop(&mut self, id: TaskId) {
        self.stopping.insert(id);
    }

    /// Gives back what is only tentative.
    pub fn settle(&mut self) {
        self.stopping.clear();
        for tentative in std::mem::take(&mut self.tentative) {
            self.take(&tentative.resources, false);
            self.join(&tentative.group, true, true, false);
        }
    }
}

fn step(count: &mut u32, add: bool) {
    *count = if add {
        count.saturating_add(1)
    } else {
        count.saturating_sub(1)
    };
}

/// What there is to give: capacity − reserved − what others' containers use.
fn room(instance: &Instance) -> Resources {
    let (reserved, foreign) = (&instance.reserved, &instance.foreign);
    let capacity = &instance.capacity;
    let named = capacity.named.iter().map(|(name, count)| {
        let of = |resources: &Resources| resources.named.get(name).copied().unwrap_or(0);
        let left = count.saturating_sub(of(reserved));
        (name.clone(), left.saturating_sub(of(foreign)))
    });
    Resources {
        cpu: capacity
            .cpu
            .saturating_sub(reserved.cpu)
            .saturating_sub(foreign.cpu),
        memory: capacity
            .memory
            .saturating_sub(reserved.memory)
            .saturating_sub(foreign.memory),
        named: named.collect(),
        ..Resources::default()
    }
}
