//! A shell in a container, before it has the terminal: where, and what is run.

use crate::model::{ClusterName, ContainerName, LastStatus, Task, TaskId};

use super::{command_line, lent};

/// What only a shell reads otherwise than as it stands.
const SHELL_SIGNS: [char; 9] = ['|', '>', '<', '$', '*', '&', ';', '`', '~'];

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

    /// The same on the command line, quoted for a shell.
    ///
    /// # Errors
    /// In words, when a quote is not closed.
    pub(crate) fn cli(&self, cluster: &ClusterName) -> Result<String, String> {
        let (task, container) = (self.task.short(), self.container.as_str());
        let mut words = vec!["exec", &task, "--container", container];
        let command = self.words()?;
        if !self.command.trim().is_empty() {
            words.push("--");
            words.extend(command.iter().map(String::as_str));
        }
        Ok(command_line::qd(cluster, &words))
    }

    /// Whether something in it would mean something to a shell, and means nothing here.
    pub(crate) fn looks_like_shell(&self) -> bool {
        let words = self.words().unwrap_or_default();
        let by_shell = words.first().is_some_and(|it| it.ends_with("sh"));
        !by_shell && words.iter().any(|word| word.contains(SHELL_SIGNS))
    }
}

/// The containers of a task that run, as far as is known.
pub(crate) fn containers(task: &Task) -> Vec<&ContainerName> {
    let runs = |status| (LastStatus::Running..LastStatus::Deprovisioning).contains(&status);
    let running = task.containers.iter().filter(|c| runs(c.last_status));
    running.map(|c| &c.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(command: &str) -> ShellPrompt {
        ShellPrompt {
            task: TaskId(0xab << 120),
            container: ContainerName::new("app").unwrap(),
            command: command.to_owned(),
        }
    }

    #[test]
    fn the_line_is_quoted_and_what_only_a_shell_reads_is_told() {
        let cluster = ClusterName::new("staging").unwrap();
        let of = |command: &str| prompt(command).cli(&cluster);
        let begins = "qd --cluster staging exec ab000000 --container app";
        assert_eq!(of(""), Ok(begins.to_owned()));
        for typed in [
            "ls -l /tmp",
            "ps aux | grep 'my app'",
            "echo $HOME",
            "sh -c 'ls | wc -l'",
        ] {
            let line = of(typed).unwrap();
            let words = shell_words::split(&line).unwrap();
            let at = words.iter().position(|it| it == "--").unwrap();
            assert_eq!(words[at + 1..], prompt(typed).words().unwrap(), "{line}");
        }
        assert_eq!(of("echo 'a"), Err("A quote is not closed.".to_owned()));
        for (typed, told) in [
            ("ls -l", false),
            ("ps aux | grep x", true),
            ("echo $HOME", true),
            ("sh -c 'ls | wc -l'", false),
            ("/bin/bash -c 'echo $HOME'", false),
        ] {
            assert_eq!(prompt(typed).looks_like_shell(), told, "{typed}");
        }
    }
}
