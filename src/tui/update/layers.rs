//! Keys on what lies over the panes: pages, prompts, lists to choose from, questions.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::model::TaskDefinitionId;
use crate::model::task_definition::TaskDefinitionStatus;

use super::super::bindings;
use super::super::clusters::{self, ClusterView};
use super::super::compare as replicas;
use super::super::effect::Effect;
use super::super::keymap::Action;
use super::super::state::{Act, Choice, Layer, Model, Subject};
use super::super::yank as copied;
use super::{act, compare, fleet, logs, proposal, settle, shell, yank};

/// The most characters that a filter or a choice takes.
pub(super) const TYPED_MAX: usize = 64;
/// The most characters of a path, or of what logs are searched for.
const PATH_MAX: usize = 256;
/// The most digits of a desired count.
const DIGITS_MAX: usize = 5;
/// So many pages that were left can be gone forward to.
const LEFT_MAX: usize = 50;
/// The most characters of a name that is typed to confirm something.
const NAME_MAX: usize = 255;
/// How far a page key scrolls.
const PAGE: usize = 10;

/// An action on the page or question on top.
pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    let Some(Layer::Details { top, narrow, .. } | Layer::Help { top, narrow }) =
        model.layers.last_mut()
    else {
        return match action {
            Action::Back => back(model),
            _ => Vec::new(),
        };
    };
    match action {
        Action::Back if !narrow.is_off() => narrow.let_go(),
        Action::Back => return back(model),
        Action::Filter => narrow.typing = true,
        Action::Up => *top = top.saturating_sub(1),
        Action::Down => *top = top.saturating_add(1),
        Action::PageUp => *top = top.saturating_sub(PAGE),
        Action::PageDown => *top = top.saturating_add(PAGE),
        Action::Top => *top = 0,
        Action::Bottom => *top = usize::MAX,
        _ => {
            if let Some(Layer::Details { subject, .. }) = model.layers.last() {
                let subject = subject.clone();
                return fleet::on_subject(model, action, Some(subject));
            }
        }
    }
    Vec::new()
}

/// Takes the top layer away. What page it was is kept, to go forward to.
pub(super) fn back(model: &mut Model) -> Vec<Effect> {
    let Some(layer) = model.layers.pop() else {
        return Vec::new();
    };
    if let Layer::Details { subject, .. } = &layer {
        remember(model, subject.clone());
    }
    close(layer)
}

/// Keeps a page, to go forward to.
pub(super) fn remember(model: &mut Model, subject: Subject) {
    if model.left.len() >= LEFT_MAX {
        model.left.remove(0);
    }
    model.left.push(subject);
}

/// Ends what goes on for a layer that is taken away.
pub(super) fn close(layer: Layer) -> Vec<Effect> {
    match layer {
        Layer::Logs(page) => vec![Effect::CloseLogs(page.ticket)],
        _ => Vec::new(),
    }
}

/// A key while text is being typed.
pub(super) fn typed(model: &mut Model, key: &KeyEvent) -> Vec<Effect> {
    let plain = !key
        .modifiers
        .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    let name = bindings::key_name(key);
    if matches!(model.layers.last(), Some(Layer::Confirm(_)))
        && let Some(action) = proposal::while_typing(&name)
    {
        return proposal::act(model, action);
    }
    match (key.code, name.as_str()) {
        (KeyCode::Esc, _) if model.layers.is_empty() => {
            model.filters[model.focus.index()].clear();
            model.filtering = false;
        }
        (KeyCode::Esc, _) if matches!(model.layers.last(), Some(Layer::Logs(_))) => {
            logs::left(model);
        }
        (KeyCode::Esc, _) if matches!(model.layers.last(), Some(Layer::Timeline)) => {
            model.timeline.filter.clear();
            model.timeline.typing = false;
        }
        (KeyCode::Esc, _) => match model.layers.last_mut() {
            Some(Layer::Details { narrow, .. } | Layer::Help { narrow, .. }) => narrow.let_go(),
            _ => return back(model),
        },
        (KeyCode::Enter, _) => return enter(model),
        (KeyCode::Backspace, _) => {
            if let Some(text) = input(model) {
                text.pop();
            }
            changed(model);
        }
        (_, "ctrl-u") => {
            if let Some(text) = input(model) {
                text.clear();
            }
            changed(model);
        }
        (KeyCode::Up | KeyCode::Down, _) if shell::step(model, key.code == KeyCode::Down) => {}
        (KeyCode::Up | KeyCode::Down, _) => move_in_picker(model, key.code == KeyCode::Down),
        (KeyCode::Char(c), _) if plain => {
            insert(model, c);
            changed(model);
        }
        _ => {}
    }
    Vec::new()
}

/// Text that was pasted goes where text is being typed, and nowhere else.
pub(super) fn paste(model: &mut Model, text: &str) {
    for c in text.trim().chars().filter(|c| !c.is_control()) {
        insert(model, c);
    }
    changed(model);
}

/// What is typed has changed.
fn changed(model: &mut Model) {
    if let Some(Layer::Details { top, narrow, .. } | Layer::Help { top, narrow }) =
        model.layers.last_mut()
        && narrow.typing
    {
        *top = 0;
    }
    first_item(model);
    logs::retyped(model);
}

fn insert(model: &mut Model, c: char) {
    let (fits, most) = match model.layers.last() {
        Some(Layer::Number { .. }) => (c.is_ascii_digit(), DIGITS_MAX),
        Some(Layer::Logs(_)) => (true, PATH_MAX),
        Some(Layer::Confirm(_)) => (true, NAME_MAX),
        _ => (true, TYPED_MAX),
    };
    if let Some(text) = input(model)
        && fits
        && text.chars().count() < most
    {
        text.push(c);
    }
}

/// The text being typed.
fn input(model: &mut Model) -> Option<&mut String> {
    let keys = model.place().is_some();
    match model.layers.last_mut() {
        None if model.filtering => Some(&mut model.filters[model.focus.index()]),
        Some(Layer::Details { narrow, .. } | Layer::Help { narrow, .. }) if narrow.typing => {
            Some(&mut narrow.words)
        }
        Some(Layer::Number { input, .. }) => Some(input),
        Some(Layer::Picker { typed, .. }) => Some(typed),
        Some(Layer::Logs(page)) => page.input(),
        Some(Layer::Palette(palette)) => Some(&mut palette.typed),
        Some(Layer::Confirm(proposal)) if !keys => Some(&mut proposal.typed),
        Some(Layer::Timeline) => Some(&mut model.timeline.filter),
        Some(Layer::Shell(prompt)) => Some(&mut prompt.command),
        _ => None,
    }
}

/// What was typed or chosen stands.
pub(super) fn enter(model: &mut Model) -> Vec<Effect> {
    match model.layers.last_mut() {
        Some(Layer::Logs(_)) => return logs::entered(model),
        Some(Layer::Details { narrow, .. } | Layer::Help { narrow, .. }) => {
            narrow.typing = false;
            return Vec::new();
        }
        _ => {}
    }
    match model.layers.last().cloned() {
        None => model.filtering = false,
        Some(Layer::Timeline) => model.timeline.typing = false,
        Some(Layer::Number { service, input }) => {
            let Ok(to) = input.parse::<u32>() else {
                model.toast_here("Type how many tasks are wanted, then Enter.");
                return Vec::new();
            };
            model.layers.pop();
            let now = model.snapshot.state.services.get(&service);
            if now.is_some_and(|s| s.desired_count == to) {
                model.toast(format!("Service {} is at {to} already.", service.1));
            } else {
                act::ask(model, Act::Scale(service, to));
            }
        }
        Some(Layer::Picker {
            choice,
            selected,
            typed,
        }) => {
            if !picker_items(model, &choice, &typed).contains(&selected) {
                model.toast("Nothing matches what is typed.");
                return Vec::new();
            }
            model.layers.pop();
            match choice {
                Choice::Since => return logs::since(model, &selected),
                Choice::Columns => logs::toggle_column(model, &selected, typed),
                Choice::Copy(source) => return yank::chosen(model, &source, &selected),
                choice => chosen(model, choice, &selected),
            }
        }
        Some(Layer::Shell(prompt)) => return shell::entered(model, &prompt),
        Some(_) => {}
    }
    Vec::new()
}

pub(super) fn chosen(model: &mut Model, choice: Choice, selected: &str) {
    match choice {
        Choice::Revision(key) => {
            let Ok(id) = selected.parse::<TaskDefinitionId>() else {
                return;
            };
            let service = model.snapshot.state.services.get(&key);
            let primary = service.and_then(|s| s.primary());
            if primary.is_some_and(|d| d.task_definition == id) {
                model.toast(format!(
                    "Service {} is at {id} already; r restarts it.",
                    key.1
                ));
            } else {
                act::ask(model, Act::Update(key, id));
            }
        }
        Choice::Since | Choice::Columns | Choice::Copy(_) => {}
        Choice::Replica(_) => compare::chosen(model, selected),
        Choice::Compared(_) => {
            if let Some(Layer::Details {
                subject: Subject::Definition(compared),
                ..
            }) = model.layers.last_mut()
            {
                compared.with = selected.parse().ok();
            }
        }
        Choice::Cluster => {
            if let Some(view) = ClusterView::labelled(selected) {
                model.cluster_view = view;
                model.marks = Default::default();
                model.services = Default::default();
                model.tasks = Default::default();
                model.instances = Default::default();
                let snapshot = model.snapshot.clone();
                settle::show(model, snapshot);
            }
        }
    }
}

/// Offers all clusters together and each of them, if there is more than one.
pub(super) fn choose_cluster(model: &mut Model) {
    if let [one] = model.snapshot.state.clusters.keys().collect::<Vec<_>>()[..] {
        let words = format!("There is no other cluster than {one}.");
        model.toast(words);
        return;
    }
    model.layers.push(Layer::Picker {
        choice: Choice::Cluster,
        typed: String::new(),
        selected: model.cluster_view.label().to_owned(),
    });
}

/// What can be chosen, narrowed to what was typed; revisions newest first.
pub(crate) fn picker_items(model: &Model, choice: &Choice, typed: &str) -> Vec<String> {
    let state = &model.snapshot.state;
    let all: Vec<String> = match choice {
        Choice::Cluster => {
            let views = clusters::choices(model);
            views.iter().map(|it| it.label().to_owned()).collect()
        }
        Choice::Since => logs::reaches(),
        Choice::Columns => logs::columns(model),
        Choice::Copy(source) => {
            let pieces = copied::pieces(model, source).into_iter();
            pieces.map(|it| it.what).collect()
        }
        // They are found by what is shown of them: an id says nothing.
        Choice::Replica(task) => return replicas::choices(model, *task, typed),
        Choice::Compared(id) => {
            let others = state.family(&id.family).map(|it| it.id());
            let mut others: Vec<_> = others.filter(|it| it != id).collect();
            others.reverse();
            others.iter().map(ToString::to_string).collect()
        }
        Choice::Revision(key) => {
            let primary = state.services.get(key).and_then(|s| s.primary());
            let Some(family) = primary.map(|d| &d.task_definition.family) else {
                return Vec::new();
            };
            let mut ids: Vec<_> = state
                .family(family)
                .filter(|d| d.status == TaskDefinitionStatus::Active)
                .map(|d| d.id())
                .collect();
            ids.reverse();
            ids.iter().map(ToString::to_string).collect()
        }
    };
    let typed = typed.to_lowercase();
    all.into_iter()
        .filter(|item| item.to_lowercase().contains(&typed))
        .collect()
}

/// After typing, the first item that matches is the chosen one.
fn first_item(model: &mut Model) {
    if let Some(Layer::Palette(palette)) = model.layers.last_mut() {
        palette.list = Default::default();
    }
    let Some(Layer::Picker { choice, typed, .. }) = model.layers.last() else {
        return;
    };
    let first = picker_items(model, choice, typed).into_iter().next();
    if let Some(Layer::Picker { selected, .. }) = model.layers.last_mut()
        && let Some(first) = first
    {
        *selected = first;
    }
}

fn move_in_picker(model: &mut Model, down: bool) {
    let Some(Layer::Picker {
        choice,
        typed,
        selected,
    }) = model.layers.last()
    else {
        return;
    };
    let items = picker_items(model, choice, typed);
    let at = items.iter().position(|item| item == selected).unwrap_or(0);
    let at = if down { at + 1 } else { at.saturating_sub(1) };
    let item = items.get(at.min(items.len().saturating_sub(1))).cloned();
    if let Some(Layer::Picker { selected, .. }) = model.layers.last_mut()
        && let Some(item) = item
    {
        *selected = item;
    }
}
