//! The console looks as it did when it was left, as far as what it showed is still there.

use super::super::clusters::ClusterView;
use super::super::effect::Effect;
use super::super::kept::View;
use super::super::sort;
use super::super::state::{Model, Pane};
use super::layers::TYPED_MAX;
use super::settle;

/// Looks again as then, with the first picture.
pub(super) fn restore(model: &mut Model) -> Vec<Effect> {
    // A picture that nobody holds the scheduler in is none yet.
    let pictured = !model.snapshot.holder.role.is_empty();
    let Some(view) = model.restoring.take_if(|_| pictured) else {
        return Vec::new();
    };
    let View {
        cluster,
        focus,
        driver,
        all_tasks,
        service,
        chosen_task,
        instance,
        filters,
        sorting,
        logs,
        map,
        mouse,
        ..
    } = *view;
    // A cluster that was asked for now goes before the one of then.
    let unasked = model.options.cluster_view == ClusterView::All;
    let clusters = &model.snapshot.state.clusters;
    if let Some(cluster) = cluster.filter(|it| unasked && clusters.contains_key(it)) {
        model.cluster_view = ClusterView::One(cluster);
    }
    model.focus = focus.unwrap_or(model.focus);
    let drives = |pane: &Pane| matches!(pane, Pane::Services | Pane::Instances);
    model.driver = driver.filter(drives).unwrap_or(model.driver);
    model.all_tasks = all_tasks;
    model.services.selected = service;
    model.tasks.selected = chosen_task;
    model.chosen_task = chosen_task;
    model.instances.selected = instance;
    for (pane, filter) in filters {
        model.filters[pane.index()] = filter.chars().take(TYPED_MAX).collect();
    }
    model.log_looks = logs;
    model.measure = map;
    for (pane, sorted) in sorting {
        sort::restore(model, pane, &sorted.column, sorted.reversed);
    }
    let snapshot = model.snapshot.clone();
    settle::show(model, snapshot);
    match mouse.filter(|mouse| *mouse != model.mouse) {
        Some(mouse) => {
            model.mouse = mouse;
            vec![Effect::Mouse(mouse)]
        }
        None => Vec::new(),
    }
}
