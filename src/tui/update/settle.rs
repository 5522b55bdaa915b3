//! After every change: what is shown, what is selected, what belongs to it.

use std::sync::Arc;

use crate::model::Snapshot;

use super::super::fleet::service_of;
use super::super::state::{Layer, Links, List, Model, PANES, Pane};
use super::super::view::{page, proposal};
use super::shown;

/// Takes a newer picture in.
pub(super) fn adopt(model: &mut Model, snapshot: Arc<Snapshot>) {
    let old = &model.snapshot;
    if old.state.is_same(&snapshot.state) && old.version != 0 {
        // Only what is true just now has moved: agents were heard, pulls went on.
        let pulls_moved = old.live.pulls != snapshot.live.pulls;
        model.received = model.now;
        model.snapshot = snapshot;
        if pulls_moved {
            shown::look_again(model);
        }
        let moment = model.moment();
        if model.fleet.pass(moment) || pulls_moved {
            settle(model);
        }
    } else {
        model.received = model.now;
        show(model, snapshot);
    }
}

/// Time has passed: what has turned with it is shown.
pub(super) fn pass(model: &mut Model) {
    let moment = model.moment();
    if model.fleet.pass(moment) {
        settle(model);
    }
}

/// Shows a picture, of the clusters that are chosen.
pub(super) fn show(model: &mut Model, snapshot: Arc<Snapshot>) {
    model.snapshot = snapshot.clone();
    let (state, moment) = (&snapshot.state, model.moment());
    model.fleet.follow(state, &model.cluster_view, moment);
    model.clusters.follow(state, &model.cluster_view);
    for row in &mut model.fleet.services {
        row.adrift = model.clusters.lost_with(&row.service.cluster).is_some();
    }
    if model.past.is_none() {
        model.marks.keep(&model.fleet);
        // Rates are of what goes on, not of what is looked back on.
        model.progress.see(&snapshot, &model.fleet);
    }
    settle(model);
}

/// Brings lists, selections and scroll positions in line with the fleet, filters and size. After
/// a key this looks at what is on the screen, and at nothing else that has not changed.
pub(super) fn settle(model: &mut Model) {
    let heights = heights(model);
    let height = |pane: Pane| usize::from(heights[pane.index()]);

    shown::services(model);
    let (rows, fleet) = (&model.shown.services, &model.fleet.services);
    model
        .services
        .settle(rows.len(), height(Pane::Services), |row| {
            fleet[rows[row]].key()
        });

    shown::instances(model);
    let (rows, fleet) = (&model.shown.instances, &model.fleet.instances);
    model
        .instances
        .settle(rows.len(), height(Pane::Instances), |row| {
            fleet[rows[row]].instance.name.clone()
        });

    shown::tasks(model);
    settle_tasks(model);

    shown::events(model);
    let height = usize::from(self::heights(model)[Pane::Events.index()]);
    let events = &model.shown.events;
    if model.focus != Pane::Events {
        model.events = Default::default();
    }
    model
        .events
        .settle(events.len(), height, |row| events[row].clone());

    model.links = links(model);
    super::map::settle(model);
    super::palette::settle(model);
    super::timeline::settle(model);
    super::stats::settle(model);
    clamp_page(model);
}

fn settle_tasks(model: &mut Model) {
    // Only now is it known how tasks and events share what the panes above leave.
    let height = usize::from(heights(model)[Pane::Tasks.index()]);
    let rows = &model.shown.tasks;
    let id = |row: usize| rows.get(row).map(|it| it.task.id);
    let mut list = List {
        selected: model.tasks.selected.map(Some),
        row: model.tasks.row,
        top: model.tasks.top,
    };
    if let (true, Some(wanted)) = (model.shown.tasks_in_order, model.tasks.selected) {
        let task = model.fleet.task(wanted);
        match task.and_then(|row| rows.position(&row.task)) {
            Some(row) => list.row = row,
            // It is gone: its neighbour is taken, and nothing searched for it.
            None => list.selected = None,
        }
    }
    list.settle(rows.len(), height, id);
    // Another service's tasks are shown from their beginning, and so are those among which none was
    // gone to: the first row may stop, and would take the list along to where the stopped ones are.
    let kept = list.selected.flatten();
    let stays = kept == model.tasks.selected && kept == model.chosen_task;
    if model.focus != Pane::Tasks && !stays {
        list = List::default();
        list.settle(rows.len(), height, id);
    }
    model.tasks = List {
        selected: list.selected.flatten(),
        row: list.row,
        top: list.top,
    };
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
    if let Some(Layer::Details { top, .. } | Layer::Help { top, .. }) = model.layers.last_mut() {
        *top = (*top).min(last);
    }
}

/// What the things on the screen are asked whether they belong to it.
fn links(model: &Model) -> Links {
    let found = match model.focus {
        Pane::Services => model.services.selected.clone().map(Links::Service),
        Pane::Instances => model.instances.selected.clone().map(|name| {
            let here = model.fleet.of_instance(&name).iter();
            let live = here.filter(|row| !row.task.is_stopped());
            let services = live.filter_map(|row| service_of(&row.task)).collect();
            Links::Instance(name, services)
        }),
        Pane::Tasks => {
            let row = model.tasks.selected.and_then(|id| model.fleet.task(id));
            row.map(|row| Links::Task(row.task.clone()))
        }
        Pane::Events => model.events.selected.clone().map(Links::Event),
    };
    found.unwrap_or_default()
}
