//! The tasks of a fleet in order. Copies and parts share what they are made of, so that showing
//! fifty of ten thousand costs what fifty cost.

use std::ops::Range;

use imbl::Vector;

use crate::model::state::ServiceKey;
use crate::model::{ClusterName, ServiceName, Task};

use super::TaskRow;

/// Tasks in the order of [`place`], or in whatever order they were collected.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows(Vector<TaskRow>);

impl Rows {
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
        Self(self.0.clone().slice(places))
    }

    /// Where a service's tasks are, if these are in order.
    pub(super) fn of_service(&self, service: &ServiceKey) -> Range<usize> {
        let (cluster, name) = service;
        let wanted = (false, cluster, Some(name));
        let begin = self.before(|task| owner(task) < wanted);
        let end = self.before(|task| owner(task) <= wanted);
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
        let row = self.get(self.before(|it| place(it) < place(task)))?;
        (row.task.id == task.id).then_some(row)
    }

    pub(super) fn insert(&mut self, row: TaskRow) {
        let at = self.before(|it| place(it) < place(&row.task));
        self.0.insert(at, row);
    }

    /// Takes the row of a task away, as it was when it was put there.
    pub(super) fn remove(&mut self, task: &Task) -> Option<TaskRow> {
        let at = self.before(|it| place(it) < place(task));
        let there = self.get(at).is_some_and(|row| row.task.id == task.id);
        there.then(|| self.0.remove(at))
    }
}

impl FromIterator<TaskRow> for Rows {
    fn from_iter<I: IntoIterator<Item = TaskRow>>(rows: I) -> Self {
        Self(rows.into_iter().collect())
    }
}

/// What groups tasks: those of services first.
fn owner(task: &Task) -> (bool, &ClusterName, Option<&ServiceName>) {
    (task.service.is_none(), &task.cluster, task.service.as_ref())
}

/// By service, what lives before what has stopped; the living by age, the stopped newest first.
pub(super) fn place(task: &Task) -> impl Ord + '_ {
    let stopped = task.is_stopped();
    let when = if stopped {
        u64::MAX - task.stopped_at.unwrap_or_default().0
    } else {
        task.created_at.0
    };
    (owner(task), stopped, when, task.id)
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
