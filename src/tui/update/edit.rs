//! Editing a service or a task definition: asked for, read back, proposed with its plan.

use std::sync::Arc;

use super::super::edit::{self, EditAsk, Refused, Verdict};
use super::super::effect::Effect;
use super::super::state::{Act, Layer, Model, Subject};
use super::{fleet, layers, proposal};

/// Asks for a thing to be edited.
pub(super) fn begin(model: &mut Model, subject: &Subject) -> Vec<Effect> {
    match edit::ask(&model.snapshot.state, subject) {
        Some(ask) => vec![Effect::Edit(Box::new(ask))],
        None => {
            model.toast("There is nothing to edit here: services and task definitions are.");
            Vec::new()
        }
    }
}

/// Goes on with the text that a question is about.
pub(super) fn again(model: &mut Model) -> Vec<Effect> {
    let Some(ask) = asked(model) else {
        return Vec::new();
    };
    model.layers.pop();
    vec![Effect::Edit(Box::new(ask))]
}

/// The text that the question on top is about.
fn asked(model: &Model) -> Option<EditAsk> {
    match model.layers.last() {
        Some(Layer::Confirm(proposal)) if proposal.sent.is_none() => {
            proposal.acts.iter().find_map(Act::edited).cloned()
        }
        _ => None,
    }
}

/// The question on top is left: what was typed is a page to go forward to.
pub(super) fn keep(model: &mut Model) {
    if let Some(ask) = asked(model) {
        let why = vec!["You left it as it was, and nothing was changed.".to_owned()];
        let refused = Arc::new(Refused { ask, why });
        layers::remember(model, Subject::Refused(refused));
        let key = model.options.keys.first_of(super::Action::Forward);
        model.toast(format!(
            "Nothing was changed. {key} goes back to what you had typed."
        ));
    }
}

/// The editor has ended.
pub(super) fn ended(
    model: &mut Model,
    ask: &EditAsk,
    outcome: Result<String, String>,
) -> Vec<Effect> {
    let text = match outcome {
        Ok(text) => text,
        Err(why) => return failed(model, ask, why),
    };
    // The page of what was wrong has done its service.
    if matches!(
        model.layers.last(),
        Some(Layer::Details {
            subject: Subject::Refused(_),
            ..
        })
    ) {
        model.layers.pop();
    }
    if text == ask.original {
        model.toast(format!(
            "You changed nothing: {} is left as it is.",
            ask.name
        ));
        return Vec::new();
    }
    let now = model.plane_time(model.now);
    let state = &model.snapshot.state;
    match edit::read(ask, &text, (state, now)) {
        Verdict::Same => {
            model.toast(format!(
                "Nothing to change: {} is like that already.",
                ask.name
            ));
            Vec::new()
        }
        Verdict::Faulty(why) => refuse(model, ask.with(text), why),
        Verdict::Changes(changes) => {
            let acts = changes.into_iter().map(|it| Act::Apply(Arc::new(it)));
            let meanwhile = ask.meanwhile(&model.snapshot.state);
            proposal::propose_edited(model, acts.collect(), meanwhile);
            Vec::new()
        }
    }
}

/// The editor has failed. What was typed in an earlier round is kept.
fn failed(model: &mut Model, ask: &EditAsk, why: String) -> Vec<Effect> {
    model.toast_bad(format!("Nothing was changed: {why}."));
    let stays = matches!(
        model.layers.last(),
        Some(Layer::Details { subject: Subject::Refused(refused), .. }) if refused.ask == *ask
    );
    if stays || ask.text == ask.original {
        return Vec::new();
    }
    let why = vec![format!(
        "Your editor failed when you went on with it: {why}"
    )];
    refuse(model, ask.clone(), why)
}

/// Shows what is wrong with a text, which is kept.
pub(super) fn refuse(model: &mut Model, ask: EditAsk, why: Vec<String>) -> Vec<Effect> {
    let refused = Arc::new(Refused { ask, why });
    fleet::open(model, Subject::Refused(refused))
}
