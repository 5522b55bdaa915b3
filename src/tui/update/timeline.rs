//! Keys on the timeline, and the way into the past and back.

use std::sync::Arc;

use crate::model::{Event, History, Snapshot};

use super::super::effect::Effect;
use super::super::event::Ticket;
use super::super::filter::Filter;
use super::super::keymap::Action;
use super::super::state::{Layer, Model, Pane, Subject};
use super::super::timeline::Past;
use super::{fleet, layers, rows, settle};

/// How many happenings a page key passes.
const PAGE: isize = 10;
/// So long the cursor has to rest before the past under it is asked for, in milliseconds: who runs
/// along the axis asks once.
const REST_MS: u64 = 120;

/// Opens the timeline, at the newest happening or at the past that is looked at.
pub(super) fn open(model: &mut Model) -> Vec<Effect> {
    model.layers.push(Layer::Timeline);
    model.tickets += 1;
    model.timeline.ticket = model.tickets;
    model.timeline.selected = model.past.as_ref().map(|past| past.seq);
    vec![Effect::History(model.tickets)]
}

/// What happened is there.
pub(super) fn told(model: &mut Model, ticket: Ticket, history: Result<History, String>) {
    if model.timeline.ticket == ticket {
        model.timeline.history = Some(history);
        model.timeline.chosen_by = None;
        settle(model);
    }
}

/// Narrows the timeline to the clusters shown and to its filter.
pub(super) fn settle(model: &mut Model) {
    if !matches!(model.layers.last(), Some(Layer::Timeline)) && model.past.is_none() {
        return;
    }
    let asked = (model.timeline.filter.clone(), model.cluster_view.clone());
    if model.timeline.chosen_by.as_ref() == Some(&asked) {
        model.timeline.find();
        return;
    }
    model.timeline.chosen_by = Some(asked);
    let filter = Filter::read(&model.timeline.filter, rows::heads(Pane::Events));
    let view = &model.cluster_view;
    let passes = |event: &Event| view.shows(&event.cluster) && rows::event_passes(&filter, event);
    model.timeline.settle(passes);
    model.timeline.wrong = filter.wrong;
}

/// A key on the timeline.
pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    let timeline = &mut model.timeline;
    match action {
        Action::Back if !timeline.filter.is_empty() => timeline.filter.clear(),
        Action::Back => return layers::back(model),
        Action::Up | Action::Left => timeline.step(-1),
        Action::Down | Action::Right => timeline.step(1),
        Action::PageUp => timeline.step(-PAGE),
        Action::PageDown => timeline.step(PAGE),
        Action::Top => timeline.step(isize::MIN + 1),
        Action::Bottom => timeline.step(isize::MAX),
        Action::ZoomIn => timeline.zoom_by(1),
        Action::ZoomOut => timeline.zoom_by(-1),
        Action::Filter => timeline.typing = true,
        Action::Open => return look(model, 0),
        Action::Logs => {
            let event = timeline.current().map(|it| it.event.clone());
            return fleet::on_subject(model, action, event.map(Subject::Event));
        }
        _ => {}
    }
    Vec::new()
}

/// Asks for the fleet as it was right after the happening under the cursor.
fn look(model: &mut Model, after_ms: u64) -> Vec<Effect> {
    let Some(it) = model.timeline.current() else {
        model.toast("There is nothing to look at.");
        return Vec::new();
    };
    let (moment, seq) = (it.at, it.seq);
    model.tickets += 1;
    model.looking = Some((model.tickets, seq));
    vec![Effect::At {
        ticket: model.tickets,
        moment,
        after_ms,
    }]
}

/// The happening before or after, while the past is looked at.
pub(super) fn step(model: &mut Model, by: isize) -> Vec<Effect> {
    if model.past.is_none() {
        model.toast("This is now. H opens the timeline; Enter there shows the fleet as it was.");
        return Vec::new();
    }
    model.timeline.step(by);
    look(model, REST_MS)
}

/// The fleet as it was is there. One that is not waited for any more is dropped.
pub(super) fn looked(model: &mut Model, ticket: Ticket, then: Result<Arc<Snapshot>, String>) {
    let Some((_, seq)) = model.looking.take_if(|(asked, _)| *asked == ticket) else {
        return;
    };
    let then = match then {
        Ok(then) => then,
        Err(error) => {
            model.toast_bad(format!("That moment cannot be shown: {error}"));
            return;
        }
    };
    let (present, received) = match model.past.take() {
        Some(past) => (past.present, past.received),
        None => (model.snapshot.clone(), model.received),
    };
    model.past = Some(Past {
        seq,
        present,
        received,
    });
    if matches!(model.layers.last(), Some(Layer::Timeline)) {
        model.layers.pop();
    }
    settle::adopt(model, then);
}

/// Back to now.
pub(super) fn now(model: &mut Model) -> Vec<Effect> {
    model.looking = None;
    if let Some(past) = model.past.take() {
        settle::adopt(model, past.present);
        model.received = past.received;
        settle::pass(model);
    }
    Vec::new()
}
