//! What one pass needs to look up fast, built once per pass.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::state::ServiceKey;
use crate::model::{
    CpuUnits, DesiredStatus, HostPort, Instance, InstanceName, LastStatus, MemoryMib, Resources,
    ServiceName, State, Task, TaskId,
};

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

/// One instance, with what is left of it.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    pub instance: &'a Instance,
    /// What there is to give: capacity − reserved − what others' containers use.
    pub room: Resources,
    /// What our tasks hold of it; until their stop is confirmed.
    pub used_cpu: CpuUnits,
    pub used_memory: MemoryMib,
    pub ports: BTreeMap<HostPort, Holder>,
    /// Our tasks on it whose stop is not confirmed.
    pub tasks: u32,
    /// How many of those have been RUNNING.
    pub running: u32,
    /// The groups of our tasks whose stop is not confirmed, with how many each has.
    pub groups: BTreeMap<String, u32>,
}

impl<'a> Node<'a> {
    fn new(instance: &'a Instance) -> Self {
        let taken = |total: &Resources| {
            (
                total
                    .cpu
                    .saturating_sub(instance.reserved.cpu)
                    .saturating_sub(instance.foreign.cpu),
                total
                    .memory
                    .saturating_sub(instance.reserved.memory)
                    .saturating_sub(instance.foreign.memory),
            )
        };
        let (cpu, memory) = taken(&instance.capacity);
        let foreign = instance.foreign.ports.iter();
        let reserved = instance.reserved.ports.iter();
        let ports = foreign
            .map(|port| (*port, Holder::Foreign))
            .chain(reserved.map(|port| (*port, Holder::Reserved)))
            .collect();
        Self {
            instance,
            room: Resources {
                cpu,
                memory,
                ..Resources::default()
            },
            used_cpu: CpuUnits(0),
            used_memory: MemoryMib(0),
            ports,
            tasks: 0,
            running: 0,
            groups: BTreeMap::new(),
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

    /// Takes a task's share away.
    pub fn hold(&mut self, task: &Task) {
        let holder = Holder::Task {
            id: task.id,
            service: task.service.clone(),
            stopping: task.desired_status == DesiredStatus::Stopped
                || task.last_status > LastStatus::Running,
        };
        self.take(&task.resources, &holder);
        self.running += u32::from(task.started_at.is_some());
        self.join(&task.group);
    }

    /// Takes the share of a task of that group away that has no id yet.
    pub fn hold_for_new(&mut self, resources: &Resources, group: &str) {
        self.take(resources, &Holder::New);
        self.join(group);
    }

    fn take(&mut self, resources: &Resources, holder: &Holder) {
        self.used_cpu += resources.cpu;
        self.used_memory += resources.memory;
        self.tasks += 1;
        for port in &resources.ports {
            self.ports.entry(*port).or_insert_with(|| holder.clone());
        }
    }

    fn join(&mut self, group: &str) {
        match self.groups.get_mut(group) {
            Some(count) => *count += 1,
            None => {
                self.groups.insert(group.to_owned(), 1);
            }
        }
    }
}

/// Everything one pass looks up.
pub(crate) struct Index<'a> {
    pub nodes: Vec<Node<'a>>,
    pub at: BTreeMap<&'a InstanceName, usize>,
    /// Each service's tasks, stopped ones included.
    pub services: BTreeMap<ServiceKey, Vec<&'a Arc<Task>>>,
    /// Tasks of no service whose stop is not confirmed.
    pub standalone: Vec<&'a Arc<Task>>,
}

impl<'a> Index<'a> {
    /// Looks at every instance and every task once.
    pub fn new(state: &'a State) -> Self {
        let mut index = Self {
            nodes: state.instances.values().map(|i| Node::new(i)).collect(),
            at: BTreeMap::new(),
            services: BTreeMap::new(),
            standalone: Vec::new(),
        };
        for (position, name) in state.instances.keys().enumerate() {
            index.at.insert(name, position);
        }
        for task in state.tasks.values() {
            if !task.is_stopped()
                && let Some(&position) = index.at.get(&task.instance)
                && let Some(node) = index.nodes.get_mut(position)
            {
                node.hold(task);
            }
            match &task.service {
                Some(service) => index
                    .services
                    .entry((task.cluster.clone(), service.clone()))
                    .or_default()
                    .push(task),
                None if !task.is_stopped() => index.standalone.push(task),
                None => {}
            }
        }
        index
    }

    /// Notes that a task is to stop: it goes on holding what it holds.
    pub fn stopping(&mut self, task: &Task) {
        let Some(node) = self
            .position(&task.instance)
            .and_then(|at| self.nodes.get_mut(at))
        else {
            return;
        };
        for port in &task.resources.ports {
            if let Some(Holder::Task { id, stopping, .. }) = node.ports.get_mut(port)
                && *id == task.id
            {
                *stopping = true;
            }
        }
    }

    /// Where an instance stands in `nodes`.
    pub fn position(&self, name: &InstanceName) -> Option<usize> {
        self.at.get(name).copied()
    }
}
