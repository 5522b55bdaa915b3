//! The working copy of the state that one decision is made on.

use std::sync::Arc;

use super::about::About;
use crate::model::id::IdSource;
use crate::model::snapshot::Live;
use crate::model::{
    Audit, Change, Cluster, Event, EventKind, Instance, InstanceName, Service, Severity, State,
    Task, TimeMs,
};
use crate::scheduler::Index;

/// A working copy, and the changes that led to it.
pub(super) struct Work {
    pub state: State,
    pub live: Live,
    pub now: TimeMs,
    pub ids: IdSource,
    live_moved: bool,
    /// Whose doing it is while a command is carried out.
    pub actor: Option<Audit>,
    /// Whether what is being carried out has left its event.
    pub told: bool,
    changes: Vec<Change>,
    /// That of `state`, always.
    pub index: Index,
}

/// A point to go back to.
pub(super) struct Mark {
    state: State,
    changes: usize,
}

impl Work {
    pub fn new(index: Index, state: &State, live: &Live, now: TimeMs, seed: u64) -> Self {
        Self {
            state: state.clone(),
            live: live.clone(),
            now,
            ids: IdSource::new(seed),
            live_moved: false,
            actor: None,
            told: false,
            changes: Vec::new(),
            index,
        }
    }

    pub fn finish(self) -> (Vec<Change>, State, Option<Live>, Index) {
        let live = self.live_moved.then_some(self.live);
        (self.changes, self.state, live, self.index)
    }

    pub fn mark(&self) -> Mark {
        Mark {
            state: self.state.clone(),
            changes: self.changes.len(),
        }
    }

    pub fn rewind(&mut self, mark: Mark) {
        let undone = self.changes.split_off(mark.changes.min(self.changes.len()));
        self.index.undo(&mark.state, &self.state, &undone);
        self.state = mark.state;
    }

    /// Takes one change in.
    pub fn put(&mut self, change: Change) {
        self.index.apply(&self.state, &change);
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
        self.audited(severity, kind, about.into(), message, None);
    }

    /// Notes that something happened, and whose doing it was.
    pub fn audited(
        &mut self,
        severity: Severity,
        kind: EventKind,
        about: About,
        message: String,
        audit: Option<Audit>,
    ) {
        self.put(Change::Event(Arc::new(Event {
            at: self.now,
            severity,
            kind,
            cluster: about.cluster,
            service: about.service,
            task: about.task,
            instance: about.instance,
            audit,
            message,
        })));
    }

    /// Notes what a person or program did.
    pub fn operator(&mut self, about: impl Into<About>, message: String) {
        let (about, audit) = (about.into(), self.actor.clone());
        self.told = true;
        self.audited(Severity::Info, EventKind::Operator, about, message, audit);
    }

    /// The tasks of an instance.
    pub fn tasks_on(&self, instance: &InstanceName) -> Vec<Arc<Task>> {
        self.index.tasks_on(instance)
    }

    /// Changes what is true only now, and notes whether it moved.
    pub fn live(&mut self, change: impl FnOnce(&mut Live) -> bool) {
        if change(&mut self.live) {
            self.live_moved = true;
        }
    }
}
