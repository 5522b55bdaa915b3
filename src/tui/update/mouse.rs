//! The mouse: a click does what the keys do to the thing under it, the wheel scrolls it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use crate::model::TimeMs;

use super::super::effect::Effect;
use super::super::hit::Target;
use super::super::keymap::Action;
use super::super::sort;
use super::super::state::{Layer, Model, Pane};
use super::super::view;
use super::{fleet, layers, map, palette, perform, pressed};

/// Two clicks at one place within this time are a double click, in milliseconds.
const DOUBLE_MS: u64 = 400;
/// How many rows the wheel scrolls by.
const NOTCH: isize = 3;

/// The last click.
#[derive(Clone, Debug)]
pub(crate) struct Click {
    at: TimeMs,
    place: Position,
    target: Target,
}

/// Leaves the mouse to the terminal, or takes it.
pub(super) fn toggle(model: &mut Model) -> Vec<Effect> {
    model.mouse = !model.mouse;
    let all = model.options.keys.first_of(Action::Mouse);
    model.toast(match model.mouse {
        true => {
            format!("The mouse works here now. {all} leaves it to the terminal, to select text.")
        }
        false => format!(
            "The mouse is the terminal's now: select text as you are used to. {all} takes it back."
        ),
    });
    vec![Effect::Mouse(model.mouse)]
}

/// Something was done with the mouse.
pub(super) fn happened(model: &mut Model, event: MouseEvent) -> Vec<Effect> {
    // What was under way when it was left to the terminal is nothing to us.
    if !model.mouse {
        return Vec::new();
    }
    let place = Position::new(event.column, event.row);
    match event.kind {
        MouseEventKind::Down(MouseButton::Left) => click(model, place),
        MouseEventKind::ScrollUp => wheel(model, place, -1),
        MouseEventKind::ScrollDown => wheel(model, place, 1),
        _ => Vec::new(),
    }
}

fn click(model: &mut Model, place: Position) -> Vec<Effect> {
    let Some(target) = view::target(model, place) else {
        model.clicked = None;
        return Vec::new();
    };
    let now = Click {
        at: model.now,
        place,
        target: target.clone(),
    };
    let before = model
        .clicked
        .replace(now)
        .filter(|before| before.place == place && model.now.since_ms(before.at) < DOUBLE_MS);
    match before.map(|it| it.target) {
        // The first click may have moved what it hit from under the pointer.
        Some(Target::Row(..)) if model.layers.is_empty() => fleet::act(model, Action::Open),
        // The second half of a double click never hits what only the first one brought there.
        Some(before) if before != target => Vec::new(),
        _ => hit(model, target),
    }
}

fn hit(model: &mut Model, target: Target) -> Vec<Effect> {
    match target {
        Target::Cover => {}
        Target::Toast(at) => model.toasts.remove(at),
        Target::Key(key) => return pressed(model, &key),
        Target::Pane(pane) => {
            model.filtering = false;
            fleet::focus(model, pane);
        }
        Target::Head(pane, head) => {
            model.filtering = false;
            sort::by(model, pane, head);
        }
        Target::Row(pane, row) => return of_list(model, pane, row),
        Target::Item(at) => return item(model, at),
        Target::Found(at) => return palette::take(model, at),
        Target::Block(host, at) => {
            if map::point(model, host, at) {
                return perform(model, Action::Open);
            }
        }
        Target::Figures(task) => {
            if let Some(Layer::Stats(page)) = model.layers.last_mut() {
                if page.list.selected == Some(task) {
                    return perform(model, Action::Open);
                }
                page.list.selected = Some(task);
            }
        }
        Target::Happening(row) => {
            let by = row.cast_signed() - model.timeline.row.cast_signed();
            if by == 0 {
                return perform(model, Action::Open);
            }
            model.timeline.step(by);
        }
        Target::Moment(row) => model.timeline.go(row),
    }
    Vec::new()
}

/// Selects a row; opens it if it is the one that is selected.
fn of_list(model: &mut Model, pane: Pane, row: usize) -> Vec<Effect> {
    model.filtering = false;
    let again = model.focus == pane && fleet::row(model, pane) == row;
    fleet::focus(model, pane);
    fleet::step(
        model,
        row.cast_signed() - fleet::row(model, pane).cast_signed(),
    );
    match again {
        true => fleet::act(model, Action::Open),
        false => Vec::new(),
    }
}

/// Chooses a line of a list to choose from.
fn item(model: &mut Model, at: usize) -> Vec<Effect> {
    let Some(Layer::Picker { choice, typed, .. }) = model.layers.last() else {
        return Vec::new();
    };
    let chosen = layers::picker_items(model, choice, typed)
        .into_iter()
        .nth(at);
    match (chosen, model.layers.last_mut()) {
        (Some(chosen), Some(Layer::Picker { selected, .. })) => {
            *selected = chosen;
            layers::enter(model)
        }
        _ => Vec::new(),
    }
}

fn wheel(model: &mut Model, place: Position, way: isize) -> Vec<Effect> {
    let (key, action) = match way {
        1 => (KeyCode::Down, Action::Down),
        _ => (KeyCode::Up, Action::Up),
    };
    match model.layers.last() {
        None => {
            let under = view::target(model, place).and_then(|it| it.pane());
            if let Some(pane) = under {
                fleet::scroll(model, pane, way * NOTCH);
            }
            Vec::new()
        }
        Some(Layer::Picker { .. } | Layer::Palette(_) | Layer::Shell(_)) => {
            pressed(model, &KeyEvent::new(key, KeyModifiers::NONE))
        }
        Some(Layer::Number { .. }) => Vec::new(),
        Some(layer) => {
            let rows = match layer {
                Layer::Map(_) | Layer::Timeline => 1,
                _ => NOTCH,
            };
            (0..rows).flat_map(|_| perform(model, action)).collect()
        }
    }
}
