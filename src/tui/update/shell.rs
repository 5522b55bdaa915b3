//! A shell in a container: asked for, and how it ended.

use crate::model::TaskId;

use super::super::effect::Effect;
use super::super::lent::Parting;
use super::super::shell::{ShellAsk, ShellPrompt, containers};
use super::super::state::{Layer, Model};
use super::super::text;

/// Exit codes of a program that could not be run, or was not there.
const NOT_RUN: std::ops::RangeInclusive<i64> = 126..=127;

/// Asks in which container, and what to run.
pub(super) fn ask(model: &mut Model, id: TaskId) {
    let Some(task) = model.snapshot.state.tasks.get(&id) else {
        model.toast(format!("Task {} is gone.", id.short()));
        return;
    };
    let running = containers(task);
    let essential = task.containers.iter().find(|c| c.essential);
    let essential = essential.filter(|c| running.contains(&&c.name));
    let first = essential.map(|c| &c.name).or(running.first().copied());
    match first.cloned() {
        Some(container) => model.layers.push(Layer::Shell(ShellPrompt {
            task: id,
            container,
            command: String::new(),
        })),
        None => {
            let status = task.last_status.as_str();
            let words = format!("Nothing of task {} runs: it is {status}.", id.short());
            model.toast(words);
        }
    }
}

/// Goes to the next or previous container; `false` if no shell is being asked for.
pub(super) fn step(model: &mut Model, down: bool) -> bool {
    let Some(Layer::Shell(prompt)) = model.layers.last_mut() else {
        return false;
    };
    if let Some(task) = model.snapshot.state.tasks.get(&prompt.task) {
        let all = containers(task);
        let at = all.iter().position(|name| **name == prompt.container);
        let at = at.unwrap_or(0);
        let to = if down { at + 1 } else { at.saturating_sub(1) };
        if let Some(name) = all.get(to) {
            prompt.container = (*name).clone();
        }
    }
    true
}

/// Enter: the terminal is lent.
pub(super) fn entered(model: &mut Model, prompt: &ShellPrompt) -> Vec<Effect> {
    let command = match prompt.words() {
        Ok(command) => command,
        Err(why) => {
            model.toast_bad(why);
            return Vec::new();
        }
    };
    model.layers.pop();
    let task = model.snapshot.state.tasks.get(&prompt.task);
    vec![Effect::Shell(Box::new(ShellAsk {
        task: prompt.task,
        container: prompt.container.clone(),
        whereabouts: task
            .map(|task| task.whereabouts().to_string())
            .unwrap_or_default(),
        command,
    }))]
}

/// Says how it ended.
pub(super) fn ended(
    model: &mut Model,
    ask: &ShellAsk,
    how: Result<Parting, String>,
    after_ms: u64,
) {
    let (name, time) = (ask.name(), text::span(after_ms));
    match how {
        Ok(Parting::Exit(code)) if NOT_RUN.contains(&code) => {
            model.toast_bad(format!(
                "The {name} ended (exit code {code}, {time}). A code of 126 or 127 mostly says \
                 that the image has no such program; another can be typed after !."
            ));
        }
        Ok(Parting::Exit(code)) => {
            model.toast(format!("The {name} ended (exit code {code}, {time})."));
        }
        Ok(Parting::Left) => model.toast(format!(
            "Left the {name} after {time}. It may go on in its container."
        )),
        Err(why) => model.toast_bad(format!("The {name} broke off after {time}: {why}")),
    }
}
