//! What the scheduler looks up, kept beside a state and moved on by the state's own changes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::bad;
use super::expression::Expression;
use super::feasible::Ask;
use super::node::{Holder, Node, Tentative};
use super::rank::Ranker;
use crate::model::service::PlacementStrategy;
use crate::model::state::ServiceKey;
use crate::model::{
    Change, Instance, InstanceName, Resources, State, Task, TaskDefinitionId, TaskId, Texts,
};

/// So many changes of nodes are remembered at least; a ranker further behind looks at all.
const JOURNAL_MAX: usize = 32_768;
/// So many rankers are kept at most, of however few nodes.
const KEPT_MAX: usize = 32;
/// So many of the last placements' nodes are remembered: more than one request by hand has.
const RECENT_MAX: usize = 16;
/// So many nodes all kept rankers together have at most; the last one used is kept in any case.
const KEPT_NODES_MAX: usize = 1_000_000;

/// What the scheduler looks up in a state: what is left of every instance, and every service's
/// tasks. Made once by [`Index::new`] and then told of every change by [`Index::apply`]; it is
/// always equal to one that is made afresh.
#[derive(Debug, Default)]
pub struct Index {
    /// In the order of their names, which every scan relies on.
    pub(crate) nodes: Vec<Node>,
    /// Each service's tasks, stopped ones included.
    pub(crate) services: BTreeMap<ServiceKey, BTreeMap<TaskId, Arc<Task>>>,
    /// Tasks of no service whose stop is not confirmed.
    pub(crate) standalone: BTreeMap<TaskId, Arc<Task>>,
    /// Tasks that ended by themselves and are still known, by what they are copies of.
    pub(crate) failed: BTreeMap<TaskDefinitionId, BTreeMap<TaskId, Arc<Task>>>,
    /// Tasks that name an instance which is not there.
    astray: BTreeMap<InstanceName, BTreeMap<TaskId, Arc<Task>>>,
    /// Nodes with something tentative on them.
    tentative: Vec<usize>,
    /// Which nodes changed, in order; the oldest are forgotten.
    journal: Vec<usize>,
    /// How many were forgotten.
    journal_start: u64,
    /// Rankers of earlier requests, the last used last. They save work and decide nothing.
    kept: Vec<(Ask, Ranker)>,
    texts: Texts,
    /// Where something was placed last; a guess, looked at again before it is believed.
    recent: VecDeque<usize>,
}

/// Two indexes are equal when every decision made with them is.
impl PartialEq for Index {
    fn eq(&self, other: &Self) -> bool {
        self.nodes == other.nodes
            && self.services == other.services
            && self.standalone == other.standalone
            && self.failed == other.failed
            && self.astray == other.astray
            && self.tentative == other.tentative
    }
}

impl Index {
    /// Looks at every instance and every task once.
    #[must_use]
    pub fn new(state: &State) -> Self {
        let mut index = Self {
            nodes: state.instances.values().cloned().map(Node::new).collect(),
            ..Self::default()
        };
        for task in state.tasks.values() {
            index.put_task(None, task);
        }
        index
    }

    /// Takes one change in. `before` is the state that the change is about to be applied to.
    pub fn apply(&mut self, before: &State, change: &Change) {
        match change {
            Change::Instance(instance) => self.put_instance(instance),
            Change::InstanceRemoved(name) => self.remove_instance(name),
            Change::Task(task) => self.put_task(before.tasks.get(&task.id), task),
            Change::TaskRemoved(id) => {
                if let Some(task) = before.tasks.get(id) {
                    self.remove_task(task);
                }
            }
            Change::ControlPlane(_)
            | Change::Cluster(_)
            | Change::ClusterRemoved(_)
            | Change::TaskDefinition(_)
            | Change::TaskDefinitionRemoved(_)
            | Change::Service(_)
            | Change::ServiceRemoved(..)
            | Change::Role(_)
            | Change::RoleRemoved(_)
            | Change::Schedule(_)
            | Change::ScheduleRemoved(..)
            | Change::Event(_) => {}
        }
    }

    /// Takes changes back that were applied: they led from `before` to `after`.
    pub fn undo<'a>(
        &mut self,
        before: &State,
        after: &State,
        changes: impl IntoIterator<Item = &'a Change>,
    ) {
        for change in changes {
            match change {
                Change::Instance(instance) => self.restore_instance(before, &instance.name),
                Change::InstanceRemoved(name) => self.restore_instance(before, name),
                Change::Task(task) => self.restore_task(before, after, &task.id),
                Change::TaskRemoved(id) => self.restore_task(before, after, id),
                _ => {}
            }
        }
    }

    fn restore_instance(&mut self, before: &State, name: &InstanceName) {
        match before.instances.get(name) {
            Some(instance) => self.put_instance(instance),
            None => self.remove_instance(name),
        }
    }

    fn restore_task(&mut self, before: &State, after: &State, id: &TaskId) {
        match (before.tasks.get(id), after.tasks.get(id)) {
            (Some(task), now) => self.put_task(now, task),
            (None, Some(task)) => self.remove_task(task),
            (None, None) => {}
        }
    }

    fn put_instance(&mut self, instance: &Arc<Instance>) {
        match self.search(&instance.name) {
            Ok(at) => {
                if let Some(node) = self.nodes.get_mut(at) {
                    node.replace_instance(instance.clone());
                    self.touch(at);
                }
            }
            Err(at) => {
                let mut node = Node::new(instance.clone());
                let astray = self.astray.remove(&instance.name);
                for task in astray.unwrap_or_default().into_values() {
                    node.put(task);
                }
                self.nodes.insert(at, node);
                self.kept.clear();
            }
        }
    }

    fn remove_instance(&mut self, name: &InstanceName) {
        if let Ok(at) = self.search(name) {
            let node = self.nodes.remove(at);
            self.kept.clear();
            if !node.all().is_empty() {
                self.astray.insert(name.clone(), node.all().clone());
            }
        }
    }

    /// Takes a task's value in, in place of the one that is known.
    fn put_task(&mut self, known: Option<&Arc<Task>>, task: &Arc<Task>) {
        if let Some(known) = known
            && (known.instance != task.instance
                || known.task_definition != task.task_definition
                || service_key(known) != service_key(task))
        {
            // A task stays where it is and whose it is; a change log is believed all the same.
            self.remove_task(known);
        }
        self.note_failure(task);
        match self.position(&task.instance) {
            Some(at) => {
                if let Some(node) = self.nodes.get_mut(at) {
                    node.put(task.clone());
                    self.touch(at);
                }
            }
            None => {
                let astray = self.astray.entry(task.instance.clone()).or_default();
                astray.insert(task.id, task.clone());
            }
        }
        match service_key(task) {
            Some(key) => {
                let tasks = self.services.entry(key).or_default();
                tasks.insert(task.id, task.clone());
            }
            None if task.is_stopped() => {
                self.standalone.remove(&task.id);
            }
            None => {
                self.standalone.insert(task.id, task.clone());
            }
        }
    }

    /// Keeps in mind which tasks ended by themselves.
    fn note_failure(&mut self, task: &Arc<Task>) {
        if bad::has_failed(task) {
            let id = task.task_definition.clone();
            let failed = self.failed.entry(id).or_default();
            failed.insert(task.id, task.clone());
        } else {
            self.forget_failure(task);
        }
    }

    fn forget_failure(&mut self, task: &Task) {
        if let Some(failed) = self.failed.get_mut(&task.task_definition) {
            failed.remove(&task.id);
            if failed.is_empty() {
                self.failed.remove(&task.task_definition);
            }
        }
    }

    fn remove_task(&mut self, task: &Task) {
        self.forget_failure(task);
        if let Some(at) = self.position(&task.instance)
            && let Some(node) = self.nodes.get_mut(at)
        {
            node.forget(&task.id);
            self.touch(at);
        }
        if let Some(astray) = self.astray.get_mut(&task.instance) {
            astray.remove(&task.id);
            if astray.is_empty() {
                self.astray.remove(&task.instance);
            }
        }
        self.standalone.remove(&task.id);
        if let Some(key) = service_key(task)
            && let Some(tasks) = self.services.get_mut(&key)
        {
            tasks.remove(&task.id);
            if tasks.is_empty() {
                self.services.remove(&key);
            }
        }
    }

    /// All tasks that name an instance, stopped ones included, by their ids.
    #[must_use]
    pub fn tasks_on(&self, instance: &InstanceName) -> Vec<Arc<Task>> {
        let tasks = match self.position(instance).and_then(|at| self.nodes.get(at)) {
            Some(node) => Some(node.all()),
            None => self.astray.get(instance),
        };
        tasks
            .into_iter()
            .flatten()
            .map(|(_, task)| task.clone())
            .collect()
    }

    /// Whether an instance, with what runs on it, meets an expression.
    #[must_use]
    pub fn matches(&self, instance: &InstanceName, expression: &Expression) -> bool {
        let node = self.position(instance).and_then(|at| self.nodes.get(at));
        node.is_some_and(|node| expression.matches(node))
    }

    /// Where an instance stands in `nodes`.
    pub(crate) fn position(&self, name: &InstanceName) -> Option<usize> {
        // Nearly always it is where something was placed a moment ago. To search among very many
        // names is to read memory all over.
        let there = |at: &usize| {
            let node = self.nodes.get(*at);
            node.is_some_and(|node| &node.instance.name == name)
        };
        let recent = self.recent.iter().rev().copied().find(there);
        recent.or_else(|| self.search(name).ok())
    }

    fn search(&self, name: &InstanceName) -> Result<usize, usize> {
        self.nodes
            .binary_search_by(|node| node.instance.name.cmp(name))
    }

    /// Takes the share of a task away that this pass places; [`Index::settle`] gives it back.
    pub(crate) fn hold(&mut self, at: usize, task: &Task) {
        let holder = Holder::Task {
            id: task.id,
            service: task.service.clone(),
            stopping: false,
        };
        self.hold_as(at, &task.resources, task.group.clone(), holder);
    }

    /// Takes the share of a task of that group away that has no id yet; [`Index::settle`] gives it back.
    pub(crate) fn hold_for_new(&mut self, at: usize, resources: &Resources, group: &str) {
        let group = self.texts.shared(group);
        self.hold_as(at, resources, group, Holder::New);
    }

    fn hold_as(&mut self, at: usize, resources: &Resources, group: Arc<str>, holder: Holder) {
        if let Some(node) = self.nodes.get_mut(at) {
            node.hold(Tentative {
                resources: resources.clone(),
                group,
                holder,
            });
            if self.recent.len() >= RECENT_MAX {
                self.recent.pop_front();
            }
            self.recent.push_back(at);
            self.tentative.push(at);
            self.touch(at);
        }
    }

    /// Notes that this pass tells a task to stop, until [`Index::settle`]: it goes on holding
    /// what it holds.
    pub(crate) fn stopping(&mut self, task: &Task) {
        if let Some(at) = self.position(&task.instance)
            && let Some(node) = self.nodes.get_mut(at)
        {
            node.stop(task.id);
            self.tentative.push(at);
        }
    }

    /// Ends a pass: what it placed and told to stop counts once its changes are applied.
    pub(crate) fn settle(&mut self) {
        for at in std::mem::take(&mut self.tentative) {
            if let Some(node) = self.nodes.get_mut(at) {
                node.settle();
                self.touch(at);
            }
        }
    }
}

impl Index {
    /// A text for new tasks, the same one for all that are equal: a group, who started them.
    pub fn shared(&mut self, text: &str) -> Arc<str> {
        self.texts.shared(text)
    }

    fn touch(&mut self, at: usize) {
        self.journal.push(at);
        if self.journal.len() >= 2 * JOURNAL_MAX {
            self.journal.drain(..JOURNAL_MAX);
            self.journal_start += JOURNAL_MAX as u64;
        }
    }

    /// How many changes of nodes there were.
    pub(crate) fn journal_end(&self) -> u64 {
        self.journal_start + self.journal.len() as u64
    }

    /// Which nodes changed after the first `seen` changes; `None` if that is forgotten.
    pub(crate) fn journal_since(&self, seen: u64) -> Option<&[usize]> {
        let from = usize::try_from(seen.checked_sub(self.journal_start)?).ok()?;
        self.journal.get(from..)
    }

    /// The kept ranker of such a request.
    pub(crate) fn take_kept(
        &mut self,
        ask: &Ask,
        strategies: &[PlacementStrategy],
        who: (u64, &str),
    ) -> Option<Ranker> {
        let same = |(of, ranker): &(Ask, Ranker)| ranker.serves(strategies, who) && of == ask;
        let at = self.kept.iter().rposition(same)?;
        Some(self.kept.remove(at).1)
    }

    /// Keeps a ranker for the next such request.
    pub(crate) fn keep(&mut self, ask: Ask, ranker: Ranker) {
        self.kept.push((ask, ranker));
        let most = (KEPT_NODES_MAX / self.nodes.len().max(1)).clamp(1, KEPT_MAX);
        while self.kept.len() > most {
            self.kept.remove(0);
        }
    }
}

fn service_key(task: &Task) -> Option<ServiceKey> {
    let service = task.service.as_ref()?;
    Some((task.cluster.clone(), service.clone()))
}
