//! Keys on the main screen.

use crate::agent::streams::LogTarget;
use crate::client::About;
use crate::model::rollback::{rollback_target, rolling_back};
use crate::model::service::SchedulingStrategy;
use crate::model::state::ServiceKey;
use crate::model::{Event, InstanceName, InstanceStatus, Service, State, TaskDefinitionId, TaskId};

use super::super::effect::Effect;
use super::super::keymap::Action;
use super::super::narrow::Narrow;
use super::super::sort;
use super::super::state::{Act, Choice, Layer, Model, Pane, Subject};
use super::super::yank::Source;
use super::{act, bulk, compare, definition, edit, layers, logs, map, shell, stats, yank};

/// How many pages may lie over one another: the lowest one goes when there is one more.
const LAYERS_MAX: usize = 50;
/// How far a page key goes when the pane's height is not known.
const PAGE_MIN: isize = 1;

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Down => step(model, 1),
        Action::Up => step(model, -1),
        Action::PageDown => step(model, page(model)),
        Action::PageUp => step(model, -page(model)),
        Action::Top => step(model, isize::MIN + 1),
        Action::Bottom => step(model, isize::MAX),
        Action::NextPane => focus(model, model.focus.step(1)),
        Action::PreviousPane => focus(model, model.focus.step(3)),
        Action::Pane(at) => focus(model, Pane::ALL[at]),
        Action::Filter => model.filtering = true,
        Action::Back if model.marks.count(model.focus) > 0 => model.marks.clear(model.focus),
        Action::Back => let_go(model),
        Action::Mark => {
            bulk::mark(model);
            step(model, 1);
        }
        Action::MarkAll => bulk::mark_all(model),
        Action::AllTasks => model.all_tasks = !model.all_tasks,
        Action::Sort => sort::next(model),
        Action::ReverseSort => sort::reverse(model),
        Action::Cluster => layers::choose_cluster(model),
        Action::Schedules => return open(model, Subject::Schedules),
        Action::Map => map::open(model),
        Action::Open => {
            let subject = selected(model);
            return subject.map_or_else(Vec::new, |subject| open(model, subject));
        }
        _ => {
            if let Some(effects) = bulk::act(model, action) {
                return effects;
            }
            let subject = selected(model);
            return on_subject(model, action, subject);
        }
    }
    Vec::new()
}

/// Lets go of the focused list's filter; where it has none, of those of all lists.
fn let_go(model: &mut Model) {
    let own = std::mem::take(&mut model.filters[model.focus.index()]);
    if own.is_empty() && model.filters.iter().any(|it| !it.is_empty()) {
        model.filters = Default::default();
        model.toast("The filters of the other lists are let go of, too.");
    }
}

fn page(model: &Model) -> isize {
    model.layout().map_or(PAGE_MIN, |layout| {
        let rows = layout.panes[model.focus.index()].rows.height;
        isize::from(i16::try_from(rows).unwrap_or(i16::MAX)).max(PAGE_MIN)
    })
}

/// The row of a list that is selected.
pub(super) fn row(model: &Model, pane: Pane) -> usize {
    match pane {
        Pane::Services => model.services.row,
        Pane::Tasks => model.tasks.row,
        Pane::Instances => model.instances.row,
        Pane::Events => model.events.row,
    }
}

/// Moves the window over a list's rows.
pub(super) fn scroll(model: &mut Model, pane: Pane, by: isize) {
    let Some(layout) = model.layout() else {
        return;
    };
    let height = usize::from(layout.panes[pane.index()].rows.height);
    let (shown, fleet) = (&model.shown, &model.fleet);
    match pane {
        Pane::Services => {
            let id = |row: usize| fleet.services[shown.services[row]].key();
            model.services.scroll(by, shown.services.len(), height, id);
        }
        Pane::Tasks => {
            let id = |row| shown.tasks.get(row).map_or(TaskId(0), |it| it.task.id);
            model.tasks.scroll(by, shown.tasks.len(), height, id);
            model.chosen_task = model.tasks.selected;
        }
        Pane::Instances => {
            let id = |row: usize| fleet.instances[shown.instances[row]].instance.name.clone();
            model
                .instances
                .scroll(by, shown.instances.len(), height, id);
        }
        Pane::Events => {
            let id = |row: usize| shown.events[row].clone();
            model.events.scroll(by, shown.events.len(), height, id);
            // Only there the newest are not gone back to.
            focus(model, pane);
        }
    }
}

pub(super) fn focus(model: &mut Model, pane: Pane) {
    model.focus = pane;
    if matches!(pane, Pane::Services | Pane::Instances) {
        model.driver = pane;
    }
}

/// Selects the row of the focused list that is so many rows away.
pub(super) fn step(model: &mut Model, by: isize) {
    let shown = &model.shown;
    let fleet = &model.fleet;
    match model.focus {
        Pane::Services => model.services.step(by, shown.services.len(), |row| {
            fleet.services[shown.services[row]].key()
        }),
        Pane::Tasks => {
            let rows = &shown.tasks;
            let to = model.tasks.row.saturating_add_signed(by);
            let to = to.min(rows.len().saturating_sub(1));
            if let Some(row) = rows.get(to) {
                model.tasks.row = to;
                model.tasks.selected = Some(row.task.id);
                model.chosen_task = model.tasks.selected;
            }
        }
        Pane::Instances => model.instances.step(by, shown.instances.len(), |row| {
            fleet.instances[shown.instances[row]].instance.name.clone()
        }),
        Pane::Events => model
            .events
            .step(by, shown.events.len(), |row| shown.events[row].clone()),
    }
}

/// What is selected in the focused list.
pub(super) fn selected(model: &Model) -> Option<Subject> {
    match model.focus {
        Pane::Services => model.services.selected.clone().map(Subject::Service),
        Pane::Tasks => model.tasks.selected.map(Subject::Task),
        Pane::Instances => model.instances.selected.clone().map(Subject::Instance),
        Pane::Events => model.events.selected.clone().map(Subject::Event),
    }
}

/// Opens the page about something: there is no way forward from there.
pub(super) fn open(model: &mut Model, subject: Subject) -> Vec<Effect> {
    model.left.clear();
    show(model, subject)
}

/// Opens the page that was left last.
pub(super) fn forward(model: &mut Model) -> Vec<Effect> {
    let Some(subject) = model.left.pop() else {
        model.toast("There is no page to go forward to.");
        return Vec::new();
    };
    show(model, subject)
}

fn show(model: &mut Model, subject: Subject) -> Vec<Effect> {
    model.explained = None;
    let mut effects = Vec::new();
    if model.layers.len() >= LAYERS_MAX {
        effects.extend(layers::close(model.layers.remove(0)));
    }
    if model.past.is_some() {
        unknown_then(model, &subject);
        model.layers.push(Layer::Details {
            subject,
            top: 0,
            explaining: None,
            narrow: Narrow::default(),
        });
        return effects;
    }
    let explaining = about(&subject).map(|about| {
        model.tickets += 1;
        (model.tickets, about)
    });
    effects.extend(explaining.clone().map(|(ticket, about)| Effect::Explain {
        ticket,
        about,
        after_ms: 0,
    }));
    model.layers.push(Layer::Details {
        subject,
        top: 0,
        explaining,
        narrow: Narrow::default(),
    });
    effects
}

/// What only the present can be asked is said to be missing.
fn unknown_then(model: &mut Model, subject: &Subject) {
    if let Some(about) = about(subject) {
        let why = "only the present can be explained: this is the past";
        model.explained = Some((about, Err(why.to_owned())));
    }
}

/// What of a subject can be explained.
fn about(subject: &Subject) -> Option<About> {
    match subject {
        Subject::Task(task) => Some(About::Task(*task)),
        Subject::Service((cluster, name)) => Some(About::Service(cluster.clone(), name.clone())),
        Subject::Instance(_)
        | Subject::Event(_)
        | Subject::Schedules
        | Subject::Definition(_)
        | Subject::Replicas(_)
        | Subject::Refused(_) => None,
    }
}

/// An action on a row or on the page about it.
pub(super) fn on_subject(
    model: &mut Model,
    action: Action,
    subject: Option<Subject>,
) -> Vec<Effect> {
    let Some(subject) = subject else {
        model.toast("Nothing is selected.");
        return Vec::new();
    };
    match (action, subject) {
        (Action::Stats, subject) => stats::open(model, &subject),
        (Action::Edit | Action::EditAgain, subject) => return edit::begin(model, &subject),
        (Action::Copy, subject) => return yank::of(model, &Source::Thing(subject)),
        (Action::Logs, Subject::Task(task)) => return task_logs(model, task),
        (Action::Logs, Subject::Service(key)) => return service_logs(model, key),
        (Action::Logs, Subject::Instance(name)) => return instance_logs(model, name),
        (Action::Logs, Subject::Event(event)) => return event_logs(model, &event),
        (
            Action::Definition | Action::OlderRevision | Action::NewerRevision | Action::Compare,
            subject,
        ) => return definition::act(model, action, &subject),
        (Action::Against | Action::OnlyDifferent, subject) => {
            return compare::act(model, action, &subject);
        }
        (Action::Stop, Subject::Task(task)) => stop(model, task),
        (Action::Shell, Subject::Task(task)) => shell::ask(model, task),
        (Action::Drain, Subject::Instance(name)) => drain(model, name),
        (Action::Fault, Subject::Instance(name)) => return fault(model, name),
        (
            Action::Scale
            | Action::Update
            | Action::Restart
            | Action::Rollback
            | Action::Rebalance
            | Action::Delete,
            subject,
        ) => {
            if let Some(key) = service_of(model, &subject) {
                on_service(model, action, key);
            } else {
                model.toast("That task belongs to no service: it was run by hand.");
            }
        }
        _ => {}
    }
    Vec::new()
}

/// The service that is meant: itself, or the one that a task belongs to.
fn service_of(model: &Model, subject: &Subject) -> Option<ServiceKey> {
    match subject {
        Subject::Service(key) => Some(key.clone()),
        Subject::Task(id) => {
            let task = model.snapshot.state.tasks.get(id)?;
            Some((task.cluster.clone(), task.service.clone()?))
        }
        Subject::Instance(_)
        | Subject::Event(_)
        | Subject::Schedules
        | Subject::Definition(_)
        | Subject::Replicas(_)
        | Subject::Refused(_) => None,
    }
}

fn on_service(model: &mut Model, action: Action, key: ServiceKey) {
    let Some(service) = model.snapshot.state.services.get(&key).cloned() else {
        model.toast(format!("Service {} is gone.", key.1));
        return;
    };
    match action {
        // Refused before a number is asked for, not after.
        Action::Scale if service.scheduling_strategy == SchedulingStrategy::Daemon => {
            model.toast(format!(
                "Service {} is a DAEMON: it runs one task on every instance, and has no number to set.",
                key.1
            ));
        }
        Action::Scale => model.layers.push(Layer::Number {
            service: key,
            input: String::new(),
        }),
        Action::Update => {
            let current = service.primary().map(|d| d.task_definition.to_string());
            let choice = Choice::Revision(key);
            let items = super::picker_items(model, &choice, "");
            let other = items.iter().find(|item| Some(*item) != current.as_ref());
            let Some(selected) = other.or(items.first()).cloned() else {
                model.toast_bad("Its family has no ACTIVE revision to update to.");
                return;
            };
            model.layers.push(Layer::Picker {
                choice,
                typed: String::new(),
                selected,
            });
        }
        _ => match service_act(model, action, &key) {
            Ok(act) => act::ask(model, act),
            Err(why) => model.toast_bad(format!("Nothing is rolled back: {why}.")),
        },
    }
}

/// What a key that needs no more than the service does to it, or why it cannot.
pub(super) fn service_act(model: &Model, action: Action, key: &ServiceKey) -> Result<Act, String> {
    let state = &model.snapshot.state;
    Ok(match action {
        Action::Restart => Act::Restart(key.clone()),
        Action::Rollback => {
            let service = state.services.get(key).ok_or("it is gone")?;
            Act::Rollback(key.clone(), rollback(state, service)?)
        }
        Action::Rebalance => Act::Rebalance(key.clone()),
        _ => Act::Delete(key.clone()),
    })
}

/// Where a service is to be rolled back to: no further while that is under way.
fn rollback(state: &State, service: &Service) -> Result<TaskDefinitionId, String> {
    match rolling_back(service) {
        Some(to) => Err(format!(
            "service {} is already rolling back to {to}",
            service.name
        )),
        None => rollback_target(state, service),
    }
}

fn stop(model: &mut Model, task: TaskId) {
    let stopped = model.snapshot.state.tasks.get(&task);
    if stopped.is_none_or(|t| t.is_stopped()) {
        model.toast(format!("Task {} has stopped already.", task.short()));
    } else {
        act::ask(model, Act::Stop(task));
    }
}

fn drain(model: &mut Model, name: InstanceName) {
    let status = model.snapshot.state.instances.get(&name).map(|i| i.status);
    let act = match status {
        Some(InstanceStatus::Draining) => Act::Activate(name),
        _ => Act::Drain(name),
    };
    act::ask(model, act);
}

fn fault(model: &mut Model, name: InstanceName) -> Vec<Effect> {
    if model.is_simulated() {
        return vec![Effect::Fault(name)];
    }
    model.toast("Only instances of a simulated fleet can be failed: see qd demo.");
    Vec::new()
}

fn task_logs(model: &mut Model, id: TaskId) -> Vec<Effect> {
    let Some(task) = model.snapshot.state.tasks.get(&id) else {
        return Vec::new();
    };
    let of = task.service.as_ref().map_or("run by hand", |s| s.as_str());
    let title = format!("task {} · {of} · {}", id.short(), task.whereabouts());
    let target = LogTarget::Task {
        task: id,
        container: None,
    };
    logs::open(model, target, title)
}

fn service_logs(model: &mut Model, (cluster, service): ServiceKey) -> Vec<Effect> {
    let title = format!("service {service} · all its tasks");
    logs::open(model, LogTarget::Service { cluster, service }, title)
}

/// All of its tasks; what others run there is not ours to read, and that is said.
fn instance_logs(model: &mut Model, instance: InstanceName) -> Vec<Effect> {
    let found = model.snapshot.state.instances.get(&instance);
    let title = match found.map_or(0, |instance| instance.foreign_count) {
        0 => format!("instance {instance} · all its tasks"),
        n => format!("instance {instance} · {n} of others left out"),
    };
    logs::open(model, LogTarget::Instance { instance }, title)
}

/// What was written around an event by the task that it is about, else by the service's tasks,
/// else by those on the instance.
fn event_logs(model: &mut Model, event: &Event) -> Vec<Effect> {
    let (target, title) = if let Some(task) = event.task {
        let container = None;
        let title = format!("task {}", task.short());
        (LogTarget::Task { task, container }, title)
    } else if let Some(service) = event.service.clone() {
        let title = format!("service {service}");
        let cluster = event.cluster.clone();
        (LogTarget::Service { cluster, service }, title)
    } else if let Some(instance) = event.instance.clone() {
        let title = format!("instance {instance}");
        (LogTarget::Instance { instance }, title)
    } else {
        model.toast("That event is about no task, service or instance: nothing wrote logs.");
        return Vec::new();
    };
    logs::open_around(model, target, title, event.at)
}
