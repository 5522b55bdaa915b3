//! After every change: what is shown, what is selected, what belongs to it.

use std::sync::Arc;

use crate::model::{Event, Snapshot};

use super::super::filter::Filter;
use super::super::fleet::{Fleet, TaskRow, belongs, service_of};
use super::super::sort;
use super::super::state::{Layer, Links, Model, PANES, Pane};
use super::super::view::{page, proposal};
use super::rows;

/// Takes a newer picture in.
pub(super) fn adopt(model: &mut Model, snapshot: Arc<Snapshot>) {
    let old = &model.snapshot;
    if old.state.is_same(&snapshot.state) && old.version != 0 {
        // Only what is true just now has moved: agents were heard, pulls went on.
        model.received = model.now;
        model.snapshot = snapshot;
    } else {
        show(model, snapshot);
    }
}

/// Shows a picture, in the cluster that is chosen.
pub(super) fn show(model: &mut Model, snapshot: Arc<Snapshot>) {
    model.received = model.now;
    model.fleet = Fleet::new(&snapshot, &model.cluster);
    if model.past.is_none() {
        model.marks.keep(&model.fleet);
        // Rates are of what goes on, not of what is looked back on.
        model.progress.see(&snapshot);
    }
    model.snapshot = snapshot;
    sort::reorder_all(model);
    settle(model);
}

/// Brings lists, selections and scroll positions in line with the fleet, filters and size.
pub(super) fn settle(model: &mut Model) {
    let heights = heights(model);
    let height = |pane: Pane| usize::from(heights[pane.index()]);
    let filters =
        Pane::ALL.map(|pane| Filter::read(&model.filters[pane.index()], rows::heads(pane)));
    let [of_services, of_tasks, of_instances, of_events] = &filters;

    let (all, sorting) = (&model.fleet.services, &model.sorting);
    let order = sorting.rows(Pane::Services, all.len());
    model.shown.services = order
        .filter(|at| rows::service_passes(of_services, &all[*at]))
        .collect();
    let (rows, fleet) = (&model.shown.services, &model.fleet.services);
    model
        .services
        .settle(rows.len(), height(Pane::Services), |row| {
            fleet[rows[row]].key()
        });

    let (all, sorting) = (&model.fleet.instances, &model.sorting);
    let order = sorting.rows(Pane::Instances, all.len());
    model.shown.instances = order
        .filter(|at| rows::instance_passes(of_instances, &all[*at]))
        .collect();
    let (rows, fleet) = (&model.shown.instances, &model.fleet.instances);
    model
        .instances
        .settle(rows.len(), height(Pane::Instances), |row| {
            fleet[rows[row]].instance.name.clone()
        });

    let (all, sorting) = (&model.fleet.tasks, &model.sorting);
    let mut in_all = 0;
    let tasks = sorting
        .rows(Pane::Tasks, all.len())
        .filter(|at| in_scope(model, &all[*at]))
        .inspect(|_| in_all += 1)
        .filter(|at| rows::task_passes(of_tasks, model, &all[*at]))
        .collect();
    model.shown.tasks = tasks;
    model.shown.tasks_in_scope = in_all;
    // Only now is it known how tasks and events share what the panes above leave.
    let heights = self::heights(model);
    let height = |pane: Pane| usize::from(heights[pane.index()]);
    let (rows, fleet) = (&model.shown.tasks, &model.fleet.tasks);
    // Another service's tasks are shown from their beginning.
    let known = |id| rows.iter().any(|row| fleet[*row].task.id == id);
    if model.focus != Pane::Tasks && !model.tasks.selected.is_some_and(known) {
        model.tasks = Default::default();
    }
    model.tasks.settle(rows.len(), height(Pane::Tasks), |row| {
        fleet[rows[row]].task.id
    });

    let all = model.snapshot.state.events.iter().rev();
    model.shown.events = all
        .filter(|event| event.cluster == model.cluster)
        .filter(|event| rows::event_passes(of_events, event))
        .cloned()
        .collect();
    let events = &model.shown.events;
    if model.focus != Pane::Events {
        model.events = Default::default();
    }
    model
        .events
        .settle(events.len(), height(Pane::Events), |row| {
            events[row].clone()
        });

    model.shown.wrong = filters.map(|filter| filter.wrong);
    model.links = links(model);
    super::map::settle(model);
    super::palette::settle(model);
    super::timeline::settle(model);
    super::stats::settle(model);
    clamp_page(model);
}

fn heights(model: &Model) -> [u16; PANES] {
    model.layout().map_or([1; PANES], |layout| {
        layout.panes.map(|pane| pane.rows.height)
    })
}

fn clamp_page(model: &mut Model) {
    if let Some(last) = proposal::last_top(model)
        && let Some(Layer::Confirm(it)) = model.layers.last_mut()
    {
        it.top = it.top.min(last);
    }
    let Some(last) = page::last_top(model) else {
        return;
    };
    if let Some(Layer::Details { top, .. } | Layer::Help { top }) = model.layers.last_mut() {
        *top = (*top).min(last);
    }
}

/// Whether a task belongs to what the tasks shown are narrowed to.
fn in_scope(model: &Model, row: &TaskRow) -> bool {
    if model.all_tasks {
        return true;
    }
    match model.driver {
        Pane::Instances => model
            .instances
            .selected
            .as_ref()
            .is_none_or(|name| &row.task.instance == name),
        _ => model
            .services
            .selected
            .as_ref()
            .is_none_or(|key| belongs(&row.task, key)),
    }
}

/// What belongs to the selected thing of the focused list.
fn links(model: &Model) -> Links {
    let mut links = Links::default();
    let live = || model.fleet.tasks.iter().filter(|r| !r.task.is_stopped());
    let mut take = |row: &TaskRow| {
        let task = &row.task;
        links.tasks.insert(task.id);
        *links.instances.entry(task.instance.clone()).or_default() += 1;
        links.services.extend(service_of(task));
    };
    match model.focus {
        Pane::Services => live()
            .filter(|row| {
                let selected = model.services.selected.as_ref();
                selected.is_some_and(|key| belongs(&row.task, key))
            })
            .for_each(&mut take),
        Pane::Instances => live()
            .filter(|row| Some(&row.task.instance) == model.instances.selected.as_ref())
            .for_each(&mut take),
        Pane::Tasks => model
            .fleet
            .tasks
            .iter()
            .filter(|row| Some(row.task.id) == model.tasks.selected)
            .for_each(&mut take),
        Pane::Events => {
            if let Some(event) = &model.events.selected {
                link_event(event, &mut links);
            }
        }
    }
    links
}

fn link_event(event: &Event, links: &mut Links) {
    links.tasks.extend(event.task);
    let service = event.service.clone();
    links
        .services
        .extend(service.map(|name| (event.cluster.clone(), name)));
    if let Some(instance) = &event.instance {
        links.instances.insert(instance.clone(), 0);
    }
}
