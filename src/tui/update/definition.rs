//! Keys about task definitions: opening one, walking its revisions, comparing two.

use crate::model::TaskDefinitionId;
use crate::model::service::Service;

use super::super::effect::Effect;
use super::super::keymap::Action;
use super::super::state::{Choice, Compared, Layer, Model, Subject};
use super::{fleet, layers};

/// An action on a task definition, or on what has one.
pub(super) fn act(model: &mut Model, action: Action, subject: &Subject) -> Vec<Effect> {
    match (action, subject) {
        (Action::Definition, _) => return open(model, subject),
        (Action::OlderRevision, Subject::Definition(of)) => walk(model, &of.id, false),
        (Action::NewerRevision, Subject::Definition(of)) => walk(model, &of.id, true),
        (Action::Compare, Subject::Definition(of)) => compare(model, &of.id),
        _ => {}
    }
    Vec::new()
}

/// Opens the page about the definition of a service or a task.
fn open(model: &mut Model, subject: &Subject) -> Vec<Effect> {
    let state = &model.snapshot.state;
    let compared = match subject {
        Subject::Service(key) => state.services.get(key).and_then(|it| of_service(it)),
        Subject::Task(id) => state.tasks.get(id).map(|task| Compared {
            id: task.task_definition.clone(),
            with: None,
        }),
        _ => None,
    };
    match compared {
        Some(compared) => fleet::open(model, Subject::Definition(compared)),
        None => {
            model.toast("It is gone meanwhile.");
            Vec::new()
        }
    }
}

/// What a service runs now, compared with what it ran before.
fn of_service(service: &Service) -> Option<Compared> {
    let id = service.primary()?.task_definition.clone();
    let replaced = service.deployments.iter().map(|it| &it.task_definition);
    let mut before = replaced.chain(&service.last_completed);
    let with = before
        .find(|it| it.family == id.family && **it != id)
        .cloned();
    Some(Compared { id, with })
}

/// Shows the next older or newer revision, and what differs from the one before that.
fn walk(model: &mut Model, from: &TaskDefinitionId, newer: bool) {
    let family = model.snapshot.state.family(&from.family);
    let ids: Vec<_> = family.map(|it| it.id()).collect();
    let to = match newer {
        true => ids.into_iter().find(|it| it.revision > from.revision),
        false => ids.into_iter().rfind(|it| it.revision < from.revision),
    };
    match (to, model.layers.last_mut()) {
        (Some(id), Some(Layer::Details { subject, .. })) => {
            *subject = Subject::Definition(Compared { id, with: None });
        }
        _ if newer => model.toast(format!("{from} is the newest revision.")),
        _ => model.toast(format!("{from} is the oldest revision that is kept.")),
    }
}

/// Offers the other revisions to compare with.
fn compare(model: &mut Model, id: &TaskDefinitionId) {
    let choice = Choice::Compared(id.clone());
    let items = layers::picker_items(model, &choice, "");
    let Some(selected) = items.into_iter().next() else {
        model.toast_here(format!(
            "{id} is the only revision of {}: there is none to compare it with.",
            id.family
        ));
        return;
    };
    model.layers.push(Layer::Picker {
        choice,
        typed: String::new(),
        selected,
    });
}
