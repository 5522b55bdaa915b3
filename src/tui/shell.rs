//! A shell in a container, before it has the terminal: where, and what is run.

use crate::model::{ContainerName, LastStatus, Task, TaskId};

use super::lent;

/// What the terminal is lent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShellAsk {
    /// The task.
    pub task: TaskId,
    /// Which of its containers.
    pub container: ContainerName,
    /// On which instance that is, in words.
    pub whereabouts: String,
    /// Program and arguments.
    pub command: Vec<String>,
}

impl ShellAsk {
    /// What it is, in words.
    pub(crate) fn name(&self) -> String {
        let what = if self.command == lent::default_shell() {
            "shell"
        } else {
            self.command.first().map_or("", String::as_str)
        };
        let task = self.task.short();
        format!("{what} in {} of task {task}", self.container)
    }

    /// The line before it begins.
    pub(crate) fn announcement(&self) -> String {
        let on = &self.whereabouts;
        format!("qd: {} on {on}; {}", self.name(), lent::WAY_BACK)
    }
}

/// The question which container, and what to run there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShellPrompt {
    pub task: TaskId,
    pub container: ContainerName,
    /// What was typed; a shell if nothing was.
    pub command: String,
}

impl ShellPrompt {
    /// Program and arguments as typed, quotes taken off.
    ///
    /// # Errors
    /// In words, when a quote is not closed.
    pub(crate) fn words(&self) -> Result<Vec<String>, String> {
        match shell_words::split(&self.command) {
            Ok(words) if words.is_empty() => Ok(lent::default_shell()),
            Ok(words) => Ok(words),
            Err(_) => Err("A quote is not closed.".to_owned()),
        }
    }

    /// The same on the command line.
    pub(crate) fn cli(&self) -> String {
        let (task, container) = (self.task.short(), &self.container);
        let line = format!("qd exec {task} --container {container}");
        match self.command.trim() {
            "" => line,
            command => format!("{line} -- {command}"),
        }
    }
}

/// The containers of a task that run, as far as is known.
pub(crate) fn containers(task: &Task) -> Vec<&ContainerName> {
    let runs = |status| (LastStatus::Running..LastStatus::Deprovisioning).contains(&status);
    let running = task.containers.iter().filter(|c| runs(c.last_status));
    running.map(|c| &c.name).collect()
}
