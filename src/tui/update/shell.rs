//! A shell in a container: asked for, and how it ended.

use crate::model::TaskId;

use super::super::effect::Effect;
use super::super::lent::Parting;
use super::super::shell::{ShellAsk, ShellPrompt, containers};
use super::super::state::{Layer, Model, Notice};
use super::super::text;

/// Exit codes of a program that could not be run, or was not there.
const NOT_RUN: std::ops::RangeInclusive<i64> = 126..=127;
/// Exit codes of a program that was killed or told to end (SIGKILL, SIGTERM).
const KILLED: [i64; 2] = [137, 143];
/// Who typed for a program that ended this soon may not have seen that it did.
const AT_ONCE_MS: u64 = 1_000;

/// Asks in which container, and what to run.
pub(super) fn ask(model: &mut Model, id: TaskId) {
    let Some(task) = model.snapshot.state.tasks.get(&id) else {
        refuse(model, "No shell", format!("Task {} is gone.", id.short()));
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
            let why = format!("Nothing of task {} runs: it is {status}.", id.short());
            refuse(model, "No shell", why);
        }
    }
}

/// Says why there is no shell, in a way that what is typed for it does nothing.
fn refuse(model: &mut Model, title: &str, why: String) {
    let dead = "What was typed for it was dropped. So that none of it reaches the fleet, keys do \
                nothing until esc closes this.";
    model.layers.push(Layer::Notice(Notice {
        title: title.to_owned(),
        words: vec![why, dead.to_owned()],
    }));
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
            model.toast_here(why);
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

/// Says how it ended. Where the one who typed may not have seen that yet, a notice takes the keys.
pub(super) fn ended(
    model: &mut Model,
    ask: &ShellAsk,
    how: Result<Parting, String>,
    after_ms: u64,
) {
    let (name, time) = (ask.name(), text::span(after_ms));
    let code = match how {
        Ok(Parting::Exit(code)) => code,
        Ok(Parting::Left) => {
            model.toast(format!(
                "Left the {name} after {time}. It may go on in its container."
            ));
            return;
        }
        Err(why) => {
            let words = format!("The {name} broke off after {time}: {why}");
            refuse(model, "The shell broke off", words);
            return;
        }
    };
    let words = format!("The {name} ended (exit code {code}, {time}).");
    if NOT_RUN.contains(&code) {
        let hint = "A code of 126 or 127 mostly says that the image has no such program; another \
                    can be typed after !.";
        refuse(model, "The program did not run", format!("{words} {hint}"));
    } else if KILLED.contains(&code) {
        let hint = "It was killed from outside: its container may have been stopped.";
        refuse(model, "The program was ended", format!("{words} {hint}"));
    } else if after_ms < AT_ONCE_MS {
        refuse(model, "The program ended at once", words);
    } else {
        model.toast(words);
    }
}
