//! Which rows a list shows, and in which order: chosen anew only when the fleet, the filter, the
//! order or what the tasks are narrowed to is another.

use super::super::filter::Filter;
use super::super::fleet::{Rows, TaskRow};
use super::super::sort;
use super::super::state::{Asked, Model, Pane};
use super::super::stats::Scope;
use super::rows;

/// What a list's rows are to be chosen by, if that is another than it was.
fn asked(model: &mut Model, pane: Pane, scope: Option<Scope>) -> Option<Filter> {
    let now = Asked {
        edition: model.fleet.edition,
        filter: model.filters[pane.index()].clone(),
        sort: model.sorting.of(pane),
        scope,
    };
    let before = &mut model.shown.asked[pane.index()];
    if *before == now {
        return None;
    }
    let filter = Filter::read(&now.filter, rows::heads(pane));
    *before = now;
    model.shown.wrong[pane.index()].clone_from(&filter.wrong);
    Some(filter)
}

/// What tasks say of a pull may be what they are chosen or ordered by.
pub(super) fn look_again(model: &mut Model) {
    model.shown.asked[Pane::Tasks.index()] = Asked::default();
}

pub(super) fn services(model: &mut Model) {
    let Some(filter) = asked(model, Pane::Services, None) else {
        return;
    };
    let all = &model.fleet.services;
    let passing = passing(&filter, model, all, rows::service_passes);
    model.shown.services = sort::services(model, passing);
}

pub(super) fn instances(model: &mut Model) {
    let Some(filter) = asked(model, Pane::Instances, None) else {
        return;
    };
    let all = &model.fleet.instances;
    let passing = passing(&filter, model, all, rows::instance_passes);
    model.shown.instances = sort::instances(model, passing);
}

/// The places of those that pass; where nothing is asked for, none is looked at.
fn passing<T>(
    filter: &Filter,
    model: &Model,
    all: &[T],
    passes: fn(&Filter, &Model, &T) -> bool,
) -> Vec<usize> {
    let places = 0..all.len();
    match filter.is_empty() {
        true => places.collect(),
        false => places
            .filter(|at| passes(filter, model, &all[*at]))
            .collect(),
    }
}

pub(super) fn tasks(model: &mut Model) {
    let scope = scope(model);
    let Some(filter) = asked(model, Pane::Tasks, scope.clone()) else {
        return;
    };
    let fleet = &model.fleet;
    let all = match scope {
        None => fleet.tasks.clone(),
        Some(Scope::Service(key)) => fleet.of_service(&key),
        Some(Scope::Instance(name)) => fleet.of_instance(&name).iter().cloned().collect(),
    };
    model.shown.tasks_in_scope = all.len();
    let in_order = filter.is_empty() && model.sorting.of(Pane::Tasks).column.is_none();
    model.shown.tasks_in_order = in_order;
    model.shown.tasks = if in_order {
        all
    } else {
        // Which pass and in what order hangs on all of them: looked at as the filter is typed, as
        // the order is chosen and as the fleet changes while either is on; not at other keys.
        let passing = all
            .iter()
            .filter(|row| rows::task_passes(&filter, model, row));
        let passing: Vec<TaskRow> = passing.cloned().collect();
        sort::tasks(model, passing).into_iter().collect::<Rows>()
    };
}

/// What the tasks shown are narrowed to.
fn scope(model: &Model) -> Option<Scope> {
    if model.all_tasks {
        return None;
    }
    match model.driver {
        Pane::Instances => model.instances.selected.clone().map(Scope::Instance),
        _ => model.services.selected.clone().map(Scope::Service),
    }
}

pub(super) fn events(model: &mut Model) {
    let Some(filter) = asked(model, Pane::Events, None) else {
        return;
    };
    let all = model.snapshot.state.events.iter().rev();
    model.shown.events = all
        .filter(|event| model.cluster_view.shows(&event.cluster))
        .filter(|event| filter.is_empty() || rows::event_passes(&filter, event))
        .cloned()
        .collect();
}
