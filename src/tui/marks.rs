//! The rows that are marked in a list, to be changed together.

use std::collections::BTreeSet;

use crate::model::state::ServiceKey;
use crate::model::{InstanceName, TaskId};

use super::fleet::Fleet;
use super::state::{Model, Pane};

/// The most rows that are marked in a list: what is done to them is one request and one plan.
pub(crate) const MARKED_MAX: usize = 1_000;

/// What is marked, by id: rows may move, or be filtered out, and stay marked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    pub services: BTreeSet<ServiceKey>,
    pub tasks: BTreeSet<TaskId>,
    pub instances: BTreeSet<InstanceName>,
}

impl Marks {
    /// How many are marked in a list.
    pub(crate) fn count(&self, pane: Pane) -> usize {
        match pane {
            Pane::Services => self.services.len(),
            Pane::Tasks => self.tasks.len(),
            Pane::Instances => self.instances.len(),
            Pane::Events => 0,
        }
    }

    /// Lets go of all marks of a list.
    pub(crate) fn clear(&mut self, pane: Pane) {
        match pane {
            Pane::Services => self.services.clear(),
            Pane::Tasks => self.tasks.clear(),
            Pane::Instances => self.instances.clear(),
            Pane::Events => {}
        }
    }

    /// Drops what is gone.
    pub(crate) fn keep(&mut self, fleet: &Fleet) {
        self.services.retain(|it| fleet.service(it).is_some());
        self.instances.retain(|it| fleet.instance(it).is_some());
        self.tasks.retain(|id| fleet.task(*id).is_some());
    }
}

/// Marks something, or lets go of it; whether there was room for it.
fn toggle<T: Ord>(marks: &mut BTreeSet<T>, id: T) -> bool {
    marks.remove(&id) || (marks.len() < MARKED_MAX && marks.insert(id))
}

/// Marks the selected row of the focused list, or lets go of it; whether there was room for it.
pub(crate) fn toggle_selected(model: &mut Model) -> bool {
    let marks = &mut model.marks;
    match model.focus {
        Pane::Services => {
            let id = model.services.selected.clone();
            id.is_none_or(|id| toggle(&mut marks.services, id))
        }
        Pane::Tasks => {
            let id = model.tasks.selected;
            id.is_none_or(|id| toggle(&mut marks.tasks, id))
        }
        Pane::Instances => {
            let id = model.instances.selected.clone();
            id.is_none_or(|id| toggle(&mut marks.instances, id))
        }
        Pane::Events => true,
    }
}

/// Marks every row of the focused list that passes its filter; whether there was room for all.
pub(crate) fn mark_shown(model: &mut Model) -> bool {
    fn take<T: Ord>(marks: &mut BTreeSet<T>, mut all: impl Iterator<Item = T>) -> bool {
        all.all(|id| marks.contains(&id) || (marks.len() < MARKED_MAX && marks.insert(id)))
    }
    let (marks, fleet, shown) = (&mut model.marks, &model.fleet, &model.shown);
    match model.focus {
        Pane::Services => {
            let rows = shown.services.iter().map(|at| &fleet.services[*at]);
            take(&mut marks.services, rows.map(|it| it.key()))
        }
        Pane::Tasks => {
            let rows = shown.tasks.iter();
            take(&mut marks.tasks, rows.map(|it| it.task.id))
        }
        Pane::Instances => {
            let rows = shown.instances.iter().map(|at| &fleet.instances[*at]);
            let names = rows.map(|it| it.instance.name.clone());
            take(&mut marks.instances, names)
        }
        Pane::Events => true,
    }
}

/// How many rows that a list shows are marked.
pub(crate) fn shown(model: &Model, pane: Pane) -> usize {
    let (marks, fleet, shown) = (&model.marks, &model.fleet, &model.shown);
    if marks.count(pane) == 0 {
        return 0;
    }
    match pane {
        Pane::Services => {
            let rows = shown.services.iter().map(|at| &fleet.services[*at]);
            rows.filter(|it| marks.services.contains(&it.key())).count()
        }
        Pane::Tasks => {
            let rows = shown.tasks.iter();
            rows.filter(|it| marks.tasks.contains(&it.task.id)).count()
        }
        Pane::Instances => {
            let rows = shown.instances.iter().map(|at| &fleet.instances[*at]);
            rows.filter(|it| marks.instances.contains(&it.instance.name))
                .count()
        }
        Pane::Events => 0,
    }
}
