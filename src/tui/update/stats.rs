//! Figures: what is sampled, and the keys on their page.

use crate::model::{InstanceName, TaskId, TimeMs};

use super::super::effect::Effect;
use super::super::event::Ticket;
use super::super::fleet::{Fleet, Rows, Stage, TaskRow};
use super::super::keymap::Action;
use super::super::state::{Layer, List, Model, StatsResult, Subject};
use super::super::stats::{Order, Pace, Scope, StatsPage, Usage};
use super::super::view::stats::rows_area;
use super::super::view::tasks::{figures_window, is_sorted_by_figures};
use super::{fleet, layers, shown};

/// The most tasks of an instance's own page that are sampled: more than a screen has.
const PAGE_TASKS: usize = 60;

/// Opens the figures of what is selected, or of what it belongs to.
pub(super) fn open(model: &mut Model, subject: &Subject) {
    if model.past.is_some() {
        model.toast("What tasks used then is not kept: this is the past.");
        return;
    }
    let (scope, selected) = match subject {
        Subject::Service(key) => (Scope::Service(key.clone()), None),
        Subject::Instance(name) => (Scope::Instance(name.clone()), None),
        Subject::Task(id) => {
            let Some(task) = model.snapshot.state.tasks.get(id) else {
                return;
            };
            let scope = match &task.service {
                Some(name) => Scope::Service((task.cluster.clone(), name.clone())),
                None => Scope::Instance(task.instance.clone()),
            };
            (scope, Some(*id))
        }
        Subject::Event(_)
        | Subject::Schedules
        | Subject::Definition(_)
        | Subject::Replicas(_)
        | Subject::Refused(_) => {
            return;
        }
    };
    model.layers.push(Layer::Stats(StatsPage {
        scope,
        order: Order::default(),
        list: List {
            selected,
            ..List::default()
        },
        rows: Vec::new(),
        chosen_by: None,
    }));
}

/// A key on the page of figures.
pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    let height = model
        .layout()
        .map_or(1, |layout| rows_area(layout.body).height);
    let page_step = isize::from(i16::try_from(height).unwrap_or(i16::MAX)).max(1);
    let Some(Layer::Stats(page)) = model.layers.last_mut() else {
        return Vec::new();
    };
    let by = match action {
        Action::Back => return layers::back(model),
        Action::Order => {
            page.order = page.order.next();
            return Vec::new();
        }
        Action::Up => -1,
        Action::Down => 1,
        Action::PageUp => -page_step,
        Action::PageDown => page_step,
        Action::Top => isize::MIN + 1,
        Action::Bottom => isize::MAX,
        _ => {
            let subject = page.list.selected.map(Subject::Task);
            return match (action, subject) {
                (Action::Open, Some(subject)) => fleet::open(model, subject),
                (_, subject) => fleet::on_subject(model, action, subject),
            };
        }
    };
    let rows = &page.rows;
    page.list.step(by, rows.len(), |row| rows[row]);
    Vec::new()
}

/// Whether a task uses anything that could be sampled.
fn runs(row: &TaskRow) -> bool {
    matches!(
        row.stage,
        Stage::Running | Stage::Unhealthy | Stage::Stopping
    )
}

/// Brings the page in line with the fleet, the samples and the size.
pub(super) fn settle(model: &mut Model) {
    let Some(layout) = model.layout() else {
        return;
    };
    let height = usize::from(rows_area(layout.body).height);
    let (fleet, usage, now) = (&model.fleet, &model.usage, model.now);
    let Some(Layer::Stats(page)) = model.layers.last_mut() else {
        return;
    };
    // Each of its tasks is looked at when one of them, the figures or the order changed; not at a key.
    let asked = Some((fleet.edition, usage.edition, page.order));
    if page.chosen_by != asked {
        page.chosen_by = asked;
        choose(page, fleet, usage, now);
    }
    let rows = &page.rows;
    page.list.settle(rows.len(), height, |row| rows[row]);
}

/// The page's tasks in the order asked for.
fn choose(page: &mut StatsPage, fleet: &Fleet, usage: &Usage, now: TimeMs) {
    let tasks: Rows = match &page.scope {
        Scope::Service(key) => fleet.of_service(key),
        Scope::Instance(name) => fleet.of_instance(name).iter().cloned().collect(),
    };
    let mut rows: Vec<(TaskId, f64)> = tasks
        .iter()
        .filter(|row| !row.task.is_stopped())
        .map(|row| {
            let book = usage.book(row.task.id);
            let point = book.and_then(|book| book.sum.fresh(now));
            let value = point.and_then(|point| page.order.of(point));
            (row.task.id, value.unwrap_or(-1.0))
        })
        .collect();
    if page.order != Order::Task {
        rows.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    }
    page.rows = rows.into_iter().map(|(task, _)| task).collect();
}

/// The page on the screen, whatever question lies over it.
pub(super) fn page(model: &Model) -> Option<&Layer> {
    let beneath = |layer: &&Layer| {
        !matches!(
            layer,
            Layer::Number { .. }
                | Layer::Picker { .. }
                | Layer::Confirm(_)
                | Layer::Shell(_)
                | Layer::Notice(_)
                | Layer::Palette(_)
        )
    };
    model.layers.iter().rfind(beneath)
}

/// The tasks on the screen of which figures are shown, with their hosts, and how often.
fn wanted(model: &Model) -> (Vec<(TaskId, InstanceName)>, Pace) {
    if model.past.is_some() {
        return (Vec::new(), Pace::Page); // What was used then is not kept.
    }
    let fleet = &model.fleet;
    let answering = |row: &&TaskRow| runs(row);
    let pair = |row: &TaskRow| (row.task.id, row.task.instance.clone());
    let tasks = match page(model) {
        Some(Layer::Details {
            subject: Subject::Task(id),
            ..
        }) => {
            let row = fleet.task(*id).filter(answering);
            row.map(pair).into_iter().collect()
        }
        Some(Layer::Details {
            subject: Subject::Instance(name),
            ..
        }) => {
            let here = fleet.of_instance(name).iter();
            here.filter(answering).take(PAGE_TASKS).map(pair).collect()
        }
        Some(Layer::Details {
            subject: Subject::Replicas(both),
            ..
        }) => {
            let of = [both.left, both.right];
            let rows = of.into_iter().filter_map(|id| fleet.task(id));
            rows.filter(answering).map(pair).collect()
        }
        Some(Layer::Stats(page)) => {
            let height = model
                .layout()
                .map_or(0, |layout| rows_area(layout.body).height);
            let window = page
                .rows
                .iter()
                .skip(page.list.top)
                .take(usize::from(height));
            let rows = window.filter_map(|id| fleet.task(*id));
            rows.filter(answering).map(pair).collect()
        }
        None => {
            let rows = figures_window(model).filter(answering).map(pair);
            return (rows.collect(), Pace::List);
        }
        _ => Vec::new(),
    };
    (tasks, Pace::Page)
}

/// After every event: samples what is on the screen, and gives up what is not.
pub(super) fn tend(model: &mut Model) -> Vec<Effect> {
    let (wanted, pace) = wanted(model);
    if wanted.is_empty() && model.usage.is_empty() {
        return Vec::new();
    }
    let asks = model
        .usage
        .want(&wanted, pace, model.now, &mut model.tickets);
    let give_up = asks.give_up.into_iter().map(Effect::CloseStats);
    let begin = asks.begin.into_iter();
    let begin = begin.map(|(ticket, task)| Effect::Stats { ticket, task });
    give_up.chain(begin).collect()
}

/// A sample came, or why there is none.
pub(super) fn took(model: &mut Model, ticket: Ticket, samples: StatsResult) {
    if model.usage.took(model.now, ticket, samples) {
        if is_sorted_by_figures(model) {
            shown::look_again(model);
            super::settle::settle(model);
        } else {
            settle(model);
        }
    }
}
