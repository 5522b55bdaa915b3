//! Keys on the stowage map: the cursor walks the blocks.

use std::sync::Arc;

use super::super::effect::Effect;
use super::super::ghosts::Ghosts;
use super::super::keymap::Action;
use super::super::map::{self, Cargo, Chart, MapPage};
use super::super::state::{Layer, Model, Subject};
use super::{fleet, layers};
use crate::model::InstanceName;

/// How many instances a page key passes.
const PAGE: usize = 10;

/// Opens the map at what is selected in the focused list.
pub(super) fn open(model: &mut Model) {
    let mut page = MapPage {
        measure: model.measure,
        ..MapPage::default()
    };
    let wanted = fleet::selected(model);
    let fleet = &model.fleet;
    let start = match &wanted {
        // What lives comes before what has stopped.
        Some(Subject::Service(key)) => fleet.of_service(key).get(0).cloned(),
        Some(Subject::Task(id)) => fleet.task(*id).cloned(),
        _ => None,
    };
    if let Some(row) = start.filter(|row| !row.task.is_stopped()) {
        page.host = Some(row.task.instance.clone());
        page.cargo = Some(Cargo::Task(row.task.id));
    } else if let Some(Subject::Instance(name)) = wanted {
        page.host = Some(name);
    }
    model.layers.push(Layer::Map(page));
}

/// Opens the map with what the plan of the question on top would change, at its first step.
pub(super) fn open_planned(model: &mut Model) {
    let Some(Layer::Confirm(proposal)) = model.layers.last() else {
        return;
    };
    let Some(Ok(foreseen)) = &proposal.plan else {
        return;
    };
    let first = foreseen.report.steps.first();
    let page = MapPage {
        planned: true,
        measure: model.measure,
        host: first.map(|step| step.instance.clone()),
        cargo: first.map(|step| step.task.map_or(Cargo::Ghost(0), Cargo::Task)),
        ..MapPage::default()
    };
    model.layers.push(Layer::Map(page));
}

/// What the map on the screen shows of a plan.
fn ghosts(model: &Model) -> Arc<Ghosts> {
    let planned = |layer: &Layer| matches!(layer, Layer::Map(page) if page.planned);
    if !model.layers.iter().any(planned) {
        return Arc::default();
    }
    let plan = model.layers.iter().rev().find_map(|layer| match layer {
        Layer::Confirm(proposal) => match &proposal.plan {
            Some(Ok(foreseen)) => Some(foreseen.ghosts.clone()),
            _ => None,
        },
        _ => None,
    });
    plan.unwrap_or_default()
}

/// Brings the map in line with the fleet and the size.
pub(super) fn settle(model: &mut Model) {
    model.fleet.ghosts = ghosts(model);
    let Some(layout) = model.layout() else {
        return;
    };
    let (fleet, clusters) = (&model.fleet, &model.clusters);
    for layer in &mut model.layers {
        if let Layer::Map(page) = layer {
            page.settle(fleet, clusters, map::area(layout.body));
        }
    }
}

/// A key on the map.
pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    let Some(Layer::Map(page)) = model.layers.last() else {
        return Vec::new();
    };
    let mut page = page.clone();
    match action {
        Action::Back => return layers::back(model),
        Action::Measure => {
            page.measure = page.measure.other();
            model.measure = page.measure;
        }
        Action::Open => {
            let subject = subject(&page);
            return subject.map_or_else(Vec::new, |subject| fleet::open(model, subject));
        }
        Action::Logs => {
            let subject = subject(&page);
            if !matches!(subject, Some(Subject::Task(_))) {
                model.toast("Only tasks have logs: walk to a coloured block.");
                return Vec::new();
            }
            return fleet::on_subject(model, action, subject);
        }
        _ => walk(model, &mut page, action),
    }
    if let Some(Layer::Map(kept)) = model.layers.last_mut() {
        *kept = page;
    }
    Vec::new()
}

/// What is under the cursor: a task, or else its instance.
pub(super) fn subject(page: &MapPage) -> Option<Subject> {
    match page.cargo {
        Some(Cargo::Task(id)) => Some(Subject::Task(id)),
        _ => page.host.clone().map(Subject::Instance),
    }
}

/// Puts the cursor on a block of an instance; whether it was there already.
pub(super) fn point(model: &mut Model, host: InstanceName, at: usize) -> bool {
    let fleet = &model.fleet;
    let Some(Layer::Map(page)) = model.layers.last_mut() else {
        return false;
    };
    if page.host.as_ref() == Some(&host) && page.at == at {
        return true;
    }
    if let Some(row) = fleet.instance(&host) {
        let blocks = map::blocks(fleet, row, page.measure);
        page.host = Some(host);
        pick(page, &blocks, at);
    }
    false
}

fn walk(model: &Model, page: &mut MapPage, action: Action) {
    let fleet = &model.fleet;
    let Some(layout) = model.layout() else {
        return;
    };
    let chart = Chart::new(fleet, &model.clusters, page.measure, map::area(layout.body));
    let host = page.host.as_ref().and_then(|name| fleet.instance(name));
    let (Some(row), Some(name)) = (host, &page.host) else {
        return;
    };
    let Some((bay, at)) = chart.find(fleet, name) else {
        return;
    };
    let blocks = map::blocks(fleet, row, page.measure);
    let across = chart.across;
    let below = |bay: usize| (bay + across < chart.bays.len()).then_some((bay + across, 0));
    let last_of = |bay: usize| (bay, chart.bays[bay].holds.len().saturating_sub(1));
    let to = match action {
        Action::Left if page.at > 0 => return pick(page, &blocks, page.at - 1),
        Action::Right if page.at + 1 < blocks.len() => return pick(page, &blocks, page.at + 1),
        Action::Left if bay % across > 0 => (bay - 1, at),
        Action::Right if (bay + 1) % across > 0 && bay + 1 < chart.bays.len() => (bay + 1, at),
        Action::Up if at > 0 => (bay, at - 1),
        Action::Up if bay >= across => last_of(bay - across),
        Action::Down if at < last_of(bay).1 => (bay, at + 1),
        Action::Down => below(bay).unwrap_or((bay, at)),
        Action::PageUp if at > 0 || bay < across => (bay, at.saturating_sub(PAGE)),
        Action::PageUp => last_of(bay - across),
        Action::PageDown if at < last_of(bay).1 => (bay, (at + PAGE).min(last_of(bay).1)),
        Action::PageDown => below(bay).unwrap_or((bay, at)),
        Action::Top => (0, 0),
        Action::Bottom => last_of(chart.bays.len() - 1),
        _ => return,
    };
    let Some(next) = chart.hold(to.0, to.1).and_then(|h| fleet.instances.get(h)) else {
        return;
    };
    let there = map::blocks(fleet, next, page.measure);
    let found = match action {
        Action::Right => 0,
        Action::Left => there.len() - 1,
        _ => {
            // What is nearest in the same column.
            let cells = |row| chart.cells(row, page.measure);
            let from = middle(&map::spread(&blocks, cells(row), page.at), page.at);
            under(&map::spread(&there, cells(next), 0), from)
        }
    };
    page.host = Some(next.instance.name.clone());
    pick(page, &there, found);
}

fn pick(page: &mut MapPage, blocks: &[map::Block], at: usize) {
    page.at = at;
    page.cargo = blocks.get(at).map(|block| block.cargo);
}

/// The middle cell of a block.
fn middle(widths: &[usize], at: usize) -> usize {
    let before: usize = widths.iter().take(at).sum();
    before
        + widths
            .get(at)
            .map_or(0, |width| width.saturating_sub(1) / 2)
}

/// The block that a cell belongs to; the last one if the bar ends before it.
fn under(widths: &[usize], cell: usize) -> usize {
    let mut end = 0;
    let found = widths.iter().position(|width| {
        end += width;
        cell < end
    });
    found.unwrap_or(widths.len().saturating_sub(1))
}
