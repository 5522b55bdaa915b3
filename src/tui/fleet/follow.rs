//! From one picture to the next: only what changed is looked at, with the services and instances
//! that it belongs to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;

use crate::model::state::ServiceKey;
use crate::model::{
    Cluster, ClusterName, Instance, InstanceName, Service, ServiceStatus, State, Task, TaskId,
    TimeMs,
};

use super::super::clusters::ClusterView;
use super::super::text;
use super::rows::Order;
use super::{
    Fleet, InstanceRow, Mood, Rows, ServiceRow, Tally, TaskRow, instance_mood, service_mood,
    service_of,
};

/// Changes of more tasks than this are a new fleet: sorting once is cheaper than so many searches.
const FOLLOWED_MAX: usize = 2_000;

/// What a fleet was made from.
#[derive(Clone, Debug, Default)]
pub(super) struct Source {
    view: Option<ClusterView>,
    clusters: OrdMap<ClusterName, Arc<Cluster>>,
    services: OrdMap<ServiceKey, Arc<Service>>,
    instances: OrdMap<InstanceName, Arc<Instance>>,
    pub(super) tasks: OrdMap<TaskId, Arc<Task>>,
}

impl Source {
    fn shows(&self, cluster: &ClusterName) -> bool {
        self.view.as_ref().is_some_and(|view| view.shows(cluster))
    }
}

/// One thing as it was and as it is.
type Step<T> = (Option<Arc<T>>, Option<Arc<T>>);

/// What is to be counted again.
#[derive(Default)]
struct Touched {
    services: BTreeSet<ServiceKey>,
    /// Those whose tasks may be others.
    instances: BTreeSet<InstanceName>,
    /// Whether an instance itself is another.
    hosts: bool,
}

impl Fleet {
    /// Counts and orders what a state has of the clusters that are shown, as it is at that moment.
    pub(crate) fn new(state: &State, view: &ClusterView, now: TimeMs) -> Self {
        let mut fleet = Self {
            now,
            of: Source {
                view: Some(view.clone()),
                clusters: state.clusters.clone(),
                services: state.services.clone(),
                instances: state.instances.clone(),
                tasks: state.tasks.clone(),
            },
            ..Self::default()
        };
        let services = state.services.values().filter(|it| fleet.has_service(it));
        let instances = state.instances.values().filter(|it| fleet.has_instance(it));
        (fleet.services, fleet.instances) = (
            services.map(service_row).collect(),
            instances.map(instance_row).collect(),
        );
        for row in &fleet.services {
            let width = text::width(row.service.name.as_str());
            *fleet.names.entry(width).or_default() += 1;
        }
        let order = Arc::new(Order::of(state));
        let tasks = state.tasks.values().filter(|it| view.shows(&it.cluster));
        let mut rows: Vec<TaskRow> = tasks.map(|task| fleet.row(task)).collect();
        rows.sort_by(|a, b| order.place(&a.task).cmp(&order.place(&b.task)));
        for task in state.tasks.values() {
            fleet.count_run(task, true);
        }
        for row in &rows {
            fleet.count_definition(&row.task);
            fleet.count_for_service(row, true);
            if let Ok(at) = fleet.instance_at(&row.task.instance) {
                fleet.instances[at].tasks.push(row.clone());
            }
        }
        fleet.tasks = Rows::ordered(rows, order);
        fleet.recount(&Touched {
            services: fleet.services.iter().map(ServiceRow::key).collect(),
            instances: state.instances.keys().cloned().collect(),
            hosts: true,
        });
        fleet
    }

    /// Becomes the fleet of that state at that moment.
    pub(crate) fn follow(&mut self, state: &State, view: &ClusterView, now: TimeMs) {
        let edition = self.edition + 1;
        if !self.step(state, view, now) {
            *self = Self::new(state, view, now);
        }
        self.edition = edition;
    }

    /// Becomes what it is at that moment; whether that is anything else.
    pub(crate) fn pass(&mut self, now: TimeMs) -> bool {
        let mut touched = Touched::default();
        self.turn(now, &mut touched);
        if touched.services.is_empty() {
            return false;
        }
        self.recount(&touched);
        self.edition += 1;
        true
    }

    /// When the next service ceases to count as failing.
    pub(crate) fn turns_at(&self) -> Option<TimeMs> {
        self.turns.first().map(|(at, _)| *at)
    }

    /// Goes to a moment: the services that are others there are to be looked at again.
    fn turn(&mut self, now: TimeMs, touched: &mut Touched) {
        let before = std::mem::replace(&mut self.now, now);
        let over = self.turns.iter().take_while(|(at, _)| *at <= now);
        touched.services.extend(over.map(|(_, key)| key.clone()));
        if now < before {
            // A moment of the past, or a clock that was set back.
            let failed = |row: &&ServiceRow| row.service.backoff.failing_until() > Some(now);
            let again = self.services.iter().filter(failed);
            touched.services.extend(again.map(ServiceRow::key));
        }
    }

    /// Takes what changed in; `false` if that is too much, or of other clusters.
    fn step(&mut self, state: &State, view: &ClusterView, now: TimeMs) -> bool {
        if self.of.view.as_ref() != Some(view) {
            return false;
        }
        let tasks = steps(&self.of.tasks, &state.tasks);
        let instances = steps(&self.of.instances, &state.instances);
        let services = steps(&self.of.services, &state.services);
        let (Some(tasks), Some(instances), Some(services)) = (tasks, instances, services) else {
            return false;
        };
        // Tasks that were without their instance are not known by it.
        let comes_or_goes = |(old, new): &Step<Instance>| {
            let has =
                |it: &Option<Arc<Instance>>| it.as_ref().is_some_and(|it| self.has_instance(it));
            has(old) != has(new)
        };
        if instances.iter().any(comes_or_goes) {
            return false;
        }
        if !self.of.clusters.ptr_eq(&state.clusters) {
            if **self.tasks.order() != Order::of(state) {
                return false;
            }
            self.of.clusters = state.clusters.clone();
        }
        self.of.services = state.services.clone();
        self.of.instances = state.instances.clone();
        let mut touched = Touched::default();
        for (old, new) in services {
            self.step_service(old, new, &mut touched);
        }
        for (_, new) in instances {
            self.step_instance(new, &mut touched);
        }
        for (old, new) in tasks {
            self.step_task(old, new, &mut touched);
        }
        self.of.tasks = state.tasks.clone();
        self.turn(now, &mut touched);
        self.recount(&touched);
        true
    }

    fn has_service(&self, service: &Service) -> bool {
        self.of.shows(&service.cluster) && service.status != ServiceStatus::Inactive
    }

    fn has_instance(&self, instance: &Instance) -> bool {
        self.of.shows(&instance.cluster)
    }

    fn step_service(
        &mut self,
        old: Option<Arc<Service>>,
        new: Option<Arc<Service>>,
        touched: &mut Touched,
    ) {
        let Some(any) = new.as_ref().or(old.as_ref()) else {
            return;
        };
        let key = (any.cluster.clone(), any.name.clone());
        let new = new.filter(|it| self.has_service(it));
        match (self.service_at(&key), new) {
            (Ok(at), Some(new)) => self.services[at].service = new,
            (Ok(at), None) => {
                let row = self.services.remove(at);
                take_one(&mut self.names, text::width(key.1.as_str()));
                if let Some(until) = row.failing {
                    self.turns.remove(&(until, key.clone()));
                }
                self.troubled -= usize::from(row.mood >= Mood::Warn);
            }
            (Err(at), Some(new)) => {
                self.services.insert(at, service_row(&new));
                *self.names.entry(text::width(key.1.as_str())).or_default() += 1;
                // Those that had been left over of one of the same name.
                for row in self.of_service(&key).iter() {
                    self.count_for_service(row, true);
                }
            }
            (Err(_), None) => return,
        }
        touched.services.insert(key);
    }

    /// An instance that was there and is there still.
    fn step_instance(&mut self, new: Option<Arc<Instance>>, touched: &mut Touched) {
        let Some(new) = new.filter(|it| self.has_instance(it)) else {
            return;
        };
        let Ok(at) = self.instance_at(&new.name) else {
            return;
        };
        let old = self.instances[at].instance.clone();
        let moved = old.is_connected() != new.is_connected() || old.zone() != new.zone();
        // Its tasks are counted by its zone and by whether it answers: as it was, then as it is.
        let tasks = match moved {
            true => self.instances[at].tasks.clone(),
            false => Vec::new(),
        };
        for row in &tasks {
            self.take_out(&row.task, touched);
        }
        let row = &mut self.instances[at];
        row.mood = instance_mood(&new);
        touched.instances.insert(new.name.clone());
        touched.hosts = true;
        row.instance = new;
        for row in &tasks {
            self.put_in(&row.task, touched);
        }
    }

    fn step_task(&mut self, old: Option<Arc<Task>>, new: Option<Arc<Task>>, touched: &mut Touched) {
        if let Some(old) = old {
            self.count_run(&old, false);
            self.take_out(&old, touched);
        }
        if let Some(new) = new {
            self.count_run(&new, true);
            if self.of.shows(&new.cluster) {
                self.put_in(&new, touched);
            }
        }
    }

    /// Takes a task out, if it is shown.
    fn take_out(&mut self, task: &Task, touched: &mut Touched) {
        let Some(row) = self.tasks.remove(task) else {
            debug_assert!(
                !self.of.shows(&task.cluster),
                "what is shown is found where it was put: {}",
                task.id
            );
            return;
        };
        self.uncount_definition(task);
        self.count_for_service(&row, false);
        touched.services.extend(service_of(task));
        if let Ok(at) = self.instance_at(&task.instance) {
            self.instances[at].tasks.retain(|it| it.task.id != task.id);
            touched.instances.insert(task.instance.clone());
        }
    }

    fn put_in(&mut self, task: &Arc<Task>, touched: &mut Touched) {
        let row = self.row(task);
        self.count_definition(task);
        self.count_for_service(&row, true);
        touched.services.extend(service_of(task));
        if let Ok(at) = self.instance_at(&task.instance) {
            let order = self.tasks.order().clone();
            let tasks = &mut self.instances[at].tasks;
            let to = tasks.partition_point(|it| order.place(&it.task) < order.place(task));
            tasks.insert(to, row.clone());
            touched.instances.insert(task.instance.clone());
        }
        self.tasks.insert(row);
    }

    fn row(&self, task: &Arc<Task>) -> TaskRow {
        let host = self.instance(&task.instance);
        TaskRow::new(task, host.is_none_or(|row| row.instance.is_connected()))
    }

    fn count_definition(&mut self, task: &Task) {
        *self.definitions.entry(definition_width(task)).or_default() += 1;
    }

    fn uncount_definition(&mut self, task: &Task) {
        take_one(&mut self.definitions, definition_width(task));
    }

    fn recount(&mut self, touched: &Touched) {
        for name in &touched.instances {
            if let Ok(at) = self.instance_at(name) {
                recount_instance(&mut self.instances[at]);
            }
        }
        for key in &touched.services {
            if let Ok(at) = self.service_at(key) {
                let row = &mut self.services[at];
                if let Some(until) = row.failing {
                    self.turns.remove(&(until, key.clone()));
                }
                let until = row.service.backoff.failing_until();
                row.failing = until.filter(|until| self.now < *until);
                if let Some(until) = row.failing {
                    self.turns.insert((until, key.clone()));
                }
                let mood = service_mood(row);
                let before = std::mem::replace(&mut row.mood, mood);
                self.troubled -= usize::from(before >= Mood::Warn);
                self.troubled += usize::from(row.mood >= Mood::Warn);
            }
        }
        if touched.hosts {
            self.recount_hosts();
        }
        let widest = |of: &BTreeMap<usize, usize>| of.last_key_value().map_or(0, |(it, _)| *it);
        self.widths.service = widest(&self.names);
        self.widths.definition = widest(&self.definitions);
    }

    /// What is known of a host itself changes seldom: then a word of each is looked at.
    fn recount_hosts(&mut self) {
        let all = || self.instances.iter().map(|row| &*row.instance);
        let widest = |width: fn(&Instance) -> usize| all().map(width).max().unwrap_or(0);
        self.widths.instance = widest(|it| text::width(it.name.as_str()));
        self.widths.zone = widest(|it| text::width(it.zone()));
        self.widths.endpoint = widest(|it| text::width(&it.endpoint));
        self.connected = all().filter(|it| it.is_connected()).count();
        self.silent = all().filter_map(silent).min();
        self.lost = all().filter_map(silent).count();
    }
}

/// What leads from one map to the other; `None` if it is more than is followed.
fn steps<K, T>(old: &OrdMap<K, Arc<T>>, new: &OrdMap<K, Arc<T>>) -> Option<Vec<Step<T>>>
where
    K: Ord + Clone,
    T: PartialEq,
{
    let mut steps = Vec::new();
    for item in old.diff(new) {
        if steps.len() == FOLLOWED_MAX {
            return None;
        }
        steps.push(match item {
            DiffItem::Add(_, new) => (None, Some(new.clone())),
            DiffItem::Update { old, new } => (Some(old.1.clone()), Some(new.1.clone())),
            DiffItem::Remove(_, old) => (Some(old.clone()), None),
        });
    }
    Some(steps)
}

/// One fewer of that width.
fn take_one(widths: &mut BTreeMap<usize, usize>, width: usize) {
    if let Some(n) = widths.get_mut(&width) {
        *n -= 1;
        if *n == 0 {
            widths.remove(&width);
        }
    }
}

fn definition_width(task: &Task) -> usize {
    let id = &task.task_definition;
    let digits = id.revision.0.checked_ilog10().unwrap_or(0) as usize + 1;
    text::width(id.family.as_str()) + 1 + digits
}

fn service_row(service: &Arc<Service>) -> ServiceRow {
    ServiceRow {
        service: service.clone(),
        tally: Tally::default(),
        zones: BTreeMap::new(),
        shares: BTreeMap::new(),
        unheard: BTreeMap::new(),
        adrift: false,
        failing: None,
        mood: Mood::Calm,
    }
}

fn instance_row(instance: &Arc<Instance>) -> InstanceRow {
    InstanceRow {
        instance: instance.clone(),
        tally: Tally::default(),
        tasks: Vec::new(),
        used: instance.reserved.clone(),
        mood: instance_mood(instance),
    }
}

fn recount_instance(row: &mut InstanceRow) {
    row.used = row.instance.reserved.clone();
    row.used.add(&row.instance.foreign);
    row.tally = Tally::default();
    #[cfg(test)]
    super::looked::at(row.tasks.len());
    for TaskRow { task, stage, .. } in &row.tasks {
        row.tally.take(*stage);
        if !task.is_stopped() {
            row.used.add(&task.resources);
        }
    }
}

/// Since when an instance is silent. One that is connected is heard all the time: its agent sees
/// to that.
fn silent(instance: &Instance) -> Option<(TimeMs, InstanceName)> {
    let since = instance.silent_since()?;
    instance.registered_at?;
    Some((since, instance.name.clone()))
}
