//! Keys about two tasks side by side.

use crate::model::TaskId;

use super::super::compare::{self, Replicas};
use super::super::effect::Effect;
use super::super::keymap::Action;
use super::super::state::{Choice, Layer, Model, Subject};
use super::fleet;

/// An action on a task, or on two side by side.
pub(super) fn act(model: &mut Model, action: Action, subject: &Subject) -> Vec<Effect> {
    match (action, subject) {
        (Action::Against, Subject::Task(task)) => return open(model, *task),
        (Action::Against, Subject::Replicas(of)) => pick(model, of),
        (Action::OnlyDifferent, Subject::Replicas(_)) => {
            change(model, |of| of.only_different = !of.only_different);
        }
        _ => {}
    }
    Vec::new()
}

/// Opens a task beside the one that is most unlike it.
fn open(model: &mut Model, left: TaskId) -> Vec<Effect> {
    let Some(right) = compare::candidates(model, left).first().copied() else {
        alone(model, left);
        return Vec::new();
    };
    let replicas = Replicas {
        left,
        right,
        only_different: false,
    };
    fleet::open(model, Subject::Replicas(replicas))
}

/// Offers what else the first task can be compared with.
fn pick(model: &mut Model, of: &Replicas) {
    let choice = Choice::Replica(of.left);
    let items = compare::candidates(model, of.left);
    let other = items.iter().find(|id| **id != of.right);
    let Some(selected) = other.or(items.first()) else {
        alone(model, of.left);
        return;
    };
    model.layers.push(Layer::Picker {
        choice,
        typed: String::new(),
        selected: selected.to_string(),
    });
}

fn alone(model: &mut Model, task: TaskId) {
    model.toast(format!(
        "There is no other task of the service or family of {} to compare it with.",
        task.short()
    ));
}

/// Another task was chosen to be beside the first.
pub(super) fn chosen(model: &mut Model, selected: &str) {
    if let Ok(right) = selected.parse::<TaskId>() {
        change(model, |of| of.right = right);
    }
}

/// Changes what the open page compares, which is read from its top again.
fn change(model: &mut Model, with: impl FnOnce(&mut Replicas)) {
    if let Some(Layer::Details {
        subject: Subject::Replicas(of),
        top,
        ..
    }) = model.layers.last_mut()
    {
        with(of);
        *top = 0;
    }
}
