//! The working copy of the state that one decision is made on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::about::About;
use crate::model::id::IdSource;
use crate::model::snapshot::Live;
use crate::model::{
    Change, Cluster, Event, EventKind, Instance, InstanceName, Service, Severity, State, Task,
    TaskId, TimeMs,
};

/// A working copy, and the changes that led to it.
pub(super) struct Work {
    pub state: State,
    pub live: Live,
    pub now: TimeMs,
    pub ids: IdSource,
    live_moved: bool,
    changes: Vec<Change>,
    /// Which tasks each instance has; made when first asked for, because a look through all
    /// tasks for every report of a large fleet would cost the square of its size.
    by_instance: Option<BTreeMap<InstanceName, BTreeSet<TaskId>>>,
}

/// A point to go back to.
pub(super) struct Mark {
    state: State,
    changes: usize,
}

impl Work {
    pub fn new(state: &State, live: &Live, now: TimeMs, seed: u64) -> Self {
        Self {
            state: state.clone(),
            live: live.clone(),
            now,
            ids: IdSource::new(seed),
            live_moved: false,
            changes: Vec::new(),
            by_instance: None,
        }
    }

    pub fn finish(self) -> (Vec<Change>, State, Option<Live>) {
        let live = self.live_moved.then_some(self.live);
        (self.changes, self.state, live)
    }

    pub fn mark(&self) -> Mark {
        Mark {
            state: self.state.clone(),
            changes: self.changes.len(),
        }
    }

    pub fn rewind(&mut self, mark: Mark) {
        if self.changes.len() != mark.changes {
            self.changes.truncate(mark.changes);
            self.by_instance = None;
        }
        self.state = mark.state;
    }

    /// Takes one change in.
    pub fn put(&mut self, change: Change) {
        if let (Some(index), Change::Task(task)) = (&mut self.by_instance, &change) {
            index
                .entry(task.instance.clone())
                .or_default()
                .insert(task.id);
        }
        self.state.apply(&change);
        self.changes.push(change);
    }

    /// Takes a task's new value in, if it is new.
    pub fn put_task(&mut self, task: Task) -> Arc<Task> {
        if let Some(known) = self.state.tasks.get(&task.id)
            && **known == task
        {
            return known.clone();
        }
        let task = Arc::new(task);
        self.put(Change::Task(task.clone()));
        task
    }

    /// Takes an instance's new value in, if it is new.
    pub fn put_instance(&mut self, instance: Instance) -> Arc<Instance> {
        if let Some(known) = self.state.instances.get(&instance.name)
            && **known == instance
        {
            return known.clone();
        }
        let instance = Arc::new(instance);
        self.put(Change::Instance(instance.clone()));
        instance
    }

    /// Takes a service's new value in, if it is new.
    pub fn put_service(&mut self, service: Service) -> Arc<Service> {
        if let Some(known) = self.state.service(&service.cluster, &service.name)
            && **known == service
        {
            return known.clone();
        }
        let service = Arc::new(service);
        self.put(Change::Service(service.clone()));
        service
    }

    /// Takes a cluster's new value in, if it is new.
    pub fn put_cluster(&mut self, cluster: Cluster) -> Arc<Cluster> {
        if let Some(known) = self.state.clusters.get(&cluster.name)
            && **known == cluster
        {
            return known.clone();
        }
        let cluster = Arc::new(cluster);
        self.put(Change::Cluster(cluster.clone()));
        cluster
    }

    /// Notes that something happened.
    pub fn event(
        &mut self,
        severity: Severity,
        kind: EventKind,
        about: impl Into<About>,
        message: String,
    ) {
        let about = about.into();
        self.put(Change::Event(Arc::new(Event {
            at: self.now,
            severity,
            kind,
            cluster: about.cluster,
            service: about.service,
            task: about.task,
            instance: about.instance,
            message,
        })));
    }

    /// Notes what a person or program did.
    pub fn operator(&mut self, about: impl Into<About>, message: String) {
        self.event(Severity::Info, EventKind::Operator, about, message);
    }

    /// The tasks of an instance.
    pub fn tasks_on(&mut self, instance: &InstanceName) -> Vec<Arc<Task>> {
        let index = self.by_instance.get_or_insert_with(|| {
            let mut index: BTreeMap<InstanceName, BTreeSet<TaskId>> = BTreeMap::new();
            for task in self.state.tasks.values() {
                index
                    .entry(task.instance.clone())
                    .or_default()
                    .insert(task.id);
            }
            index
        });
        let ids = index.get(instance).into_iter().flatten();
        ids.filter_map(|id| self.state.tasks.get(id).cloned())
            .collect()
    }

    /// Changes what is true only now, and notes whether it moved.
    pub fn live(&mut self, change: impl FnOnce(&mut Live) -> bool) {
        if change(&mut self.live) {
            self.live_moved = true;
        }
    }
}
