//! The tasks of a fleet in order. Copies and parts share what they are made of, so that showing
//! fifty of ten thousand costs what fifty cost.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use imbl::Vector;

use crate::model::{ClusterName, ServiceName, State, Task, TaskId};

use super::super::clusters;
use super::TaskRow;

/// The places of clusters: by region, then by name, as they stand on the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Order(BTreeMap<ClusterName, usize>);

/// The cluster's place and name, whether the task was run by hand, the service.
type Owner<'a> = (usize, &'a ClusterName, bool, Option<&'a ServiceName>);

/// Whose a task is, whether it has stopped, when, and which it is.
type Place<'a> = (Owner<'a>, bool, u64, TaskId);

impl Order {
    pub(super) fn of(state: &State) -> Self {
        let all = clusters::by_region(state).into_iter().enumerate();
        Self(
            all.map(|(at, (_, cluster))| (cluster.name.clone(), at))
                .collect(),
        )
    }

    /// What groups tasks: those of services first.
    fn owner<'a>(&self, cluster: &'a ClusterName, service: Option<&'a ServiceName>) -> Owner<'a> {
        let rank = self.0.get(cluster).copied().unwrap_or(self.0.len());
        (rank, cluster, service.is_none(), service)
    }

    /// By region, cluster and service, what lives before what has stopped; the living by age, the
    /// stopped newest first.
    pub(super) fn place<'a>(&self, task: &'a Task) -> Place<'a> {
        let stopped = task.is_stopped();
        let when = if stopped {
            u64::MAX - task.stopped_at.unwrap_or_default().0
        } else {
            task.created_at.0
        };
        let owner = self.owner(&task.cluster, task.service.as_ref());
        (owner, stopped, when, task.id)
    }
}

/// Tasks in their [`Order`], or in whatever order they were collected.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows(Vector<TaskRow>, Arc<Order>);

impl Rows {
    /// Rows that are in that order already.
    pub(super) fn ordered(rows: impl IntoIterator<Item = TaskRow>, order: Arc<Order>) -> Self {
        Self(rows.into_iter().collect(), order)
    }

    pub(super) fn order(&self) -> &Arc<Order> {
        &self.1
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn get(&self, at: usize) -> Option<&TaskRow> {
        #[cfg(test)]
        looked::at(1);
        self.0.get(at)
    }

    /// All of them. What a key or a frame does must not need this.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &TaskRow> {
        self.0.iter().inspect(|_| {
            #[cfg(test)]
            looked::at(1);
        })
    }

    /// Those from row `top` on, at most so many.
    pub(crate) fn window(&self, top: usize, most: usize) -> impl Iterator<Item = &TaskRow> {
        (top..top.saturating_add(most)).map_while(|at| self.get(at))
    }

    /// Some of them.
    pub(super) fn part(&self, places: Range<usize>) -> Self {
        Self(self.0.clone().slice(places), self.1.clone())
    }

    /// Where a service's tasks are, or those run by hand in a cluster, if these are in order.
    pub(super) fn of(&self, cluster: &ClusterName, service: Option<&ServiceName>) -> Range<usize> {
        let order = &self.1;
        let wanted = order.owner(cluster, service);
        let compared = |task: &Task| {
            order
                .owner(&task.cluster, task.service.as_ref())
                .cmp(&wanted)
        };
        let begin = self.before(|task| compared(task).is_lt());
        let end = self.before(|task| compared(task).is_le());
        begin..end
    }

    /// How many come before what does not hold any more.
    fn before(&self, holds: impl Fn(&Task) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.get(middle).is_some_and(|row| holds(&row.task)) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    /// The row of a task that is among these, if they are in order.
    pub(super) fn find(&self, task: &Task) -> Option<&TaskRow> {
        self.get(self.position(task)?)
    }

    /// Where a task is among these, if they are in order.
    pub(crate) fn position(&self, task: &Task) -> Option<usize> {
        let at = self.first_from(task);
        let row = self.get(at)?;
        (row.task.id == task.id).then_some(at)
    }

    /// Where a task is, or would be.
    fn first_from(&self, task: &Task) -> usize {
        let place = self.1.place(task);
        self.before(|it| self.1.place(it) < place)
    }

    pub(super) fn insert(&mut self, row: TaskRow) {
        let at = self.first_from(&row.task);
        self.0.insert(at, row);
    }

    /// Takes the row of a task away, as it was when it was put there.
    pub(super) fn remove(&mut self, task: &Task) -> Option<TaskRow> {
        let at = self.position(task)?;
        Some(self.0.remove(at))
    }
}

impl FromIterator<TaskRow> for Rows {
    fn from_iter<I: IntoIterator<Item = TaskRow>>(rows: I) -> Self {
        Self::ordered(rows, Arc::default())
    }
}

/// How many rows were looked at, for the tests that hold that a key looks at few.
#[cfg(test)]
pub(crate) mod looked {
    use std::cell::Cell;

    thread_local! {
        static ROWS: Cell<usize> = const { Cell::new(0) };
    }

    pub(crate) fn at(rows: usize) {
        ROWS.set(ROWS.get() + rows);
    }

    /// How many since the last time that this was asked.
    pub(crate) fn since() -> usize {
        ROWS.take()
    }
}
