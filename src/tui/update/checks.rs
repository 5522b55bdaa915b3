//! Health logs: that of the task whose page is on the screen is read.

use crate::agent::streams::has_health_log;
use crate::model::TaskId;

use super::super::effect::Effect;
use super::super::state::{Layer, Model, Subject};
use super::stats;

/// The task whose page is on the screen, if there is a health log of it to be read.
fn wanted(model: &Model) -> Option<TaskId> {
    // What a check said then is not kept; and on a screen that is too small nobody sees it.
    if model.past.is_some() || model.layout().is_none() {
        return None;
    }
    let Some(Layer::Details {
        subject: Subject::Task(id),
        ..
    }) = stats::page(model)
    else {
        return None;
    };
    let task = model.snapshot.state.tasks.get(id)?;
    has_health_log(task).then_some(*id)
}

/// After every event: reads the log of what is on the screen, and gives up that of what is not.
pub(super) fn tend(model: &mut Model) -> Vec<Effect> {
    let wanted = wanted(model);
    let asks = model.checks.want(wanted, model.now, &mut model.tickets);
    let give_up = asks.give_up.map(Effect::CloseHealthLog);
    let begin = asks.begin;
    let begin = begin.map(|(ticket, task)| Effect::HealthLog { ticket, task });
    give_up.into_iter().chain(begin).collect()
}
