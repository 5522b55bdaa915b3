//! What an update wants done outside: data, carried out by the [runner](super::runner).

use crate::agent::streams::LogTarget;
use crate::client::About;
use crate::client::Effects;
use crate::controller::Command;
use crate::docker::LogOptions;
use crate::model::{InstanceName, TaskId, TimeMs};

use super::edit::EditAsk;
use super::event::Ticket;
use super::shell::ShellAsk;

/// One thing to be done outside the model.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Ask what commands would do.
    Plan {
        /// The number that the plan comes back with.
        ticket: Ticket,
        /// The commands, in this order.
        commands: Vec<Command>,
        /// Wait that many milliseconds first.
        after_ms: u64,
    },
    /// Send commands: all are carried out, or none.
    Apply {
        /// The number that the answer comes back with.
        ticket: Ticket,
        /// What they do, in words, for the notice about the answer.
        what: String,
        /// The commands, in this order.
        commands: Vec<Command>,
        /// What they were planned to come to: just that, or nothing.
        planned: Option<Effects>,
    },
    /// Fail or mend a simulated instance.
    Fault(InstanceName),
    /// Open a log stream.
    OpenLogs {
        /// The number that its lines come back with.
        ticket: Ticket,
        /// Whose logs.
        target: LogTarget,
        /// From when on, and whether what comes is followed.
        options: LogOptions,
    },
    /// Save log lines in a file.
    SaveLogs {
        /// Of which opening.
        ticket: Ticket,
        /// Where, as it was typed.
        path: String,
        /// How many lines it is.
        lines: u64,
        /// What.
        text: String,
        /// Whether a file that is there is written over.
        over: bool,
    },
    /// Close a log stream.
    CloseLogs(Ticket),
    /// Sample what a task's containers use.
    Stats {
        /// The number that the sample comes back with.
        ticket: Ticket,
        /// The task.
        task: TaskId,
    },
    /// Ask why something is where it is, or why not.
    Explain {
        /// The number that the answer comes back with.
        ticket: Ticket,
        /// What.
        about: About,
        /// Wait that many milliseconds first.
        after_ms: u64,
    },
    /// Ask what happened.
    History(Ticket),
    /// Ask for the fleet as it was; it takes the place of an asking that is still under way.
    At {
        /// The number that it comes back with.
        ticket: Ticket,
        /// When, in the control plane's clock.
        moment: TimeMs,
        /// Wait that many milliseconds first.
        after_ms: u64,
    },
    /// Lend the terminal to a program in a container; the console waits until it has ended.
    Shell(Box<ShellAsk>),
    /// Take the mouse, or leave it to the terminal.
    Mouse(bool),
    /// Have the terminal copy a text to the clipboard of the machine that it is on.
    Copy(String),
    /// Lend the terminal to the operator's editor; the console waits until it has ended.
    Edit(Box<EditAsk>),
    /// Give up a sample: what it is of is no longer on the screen.
    CloseStats(Ticket),
    /// Read what the last health checks of a task's containers came to.
    HealthLog {
        /// The number that the log comes back with.
        ticket: Ticket,
        /// The task.
        task: TaskId,
    },
    /// Give up the reading of a health log: the page that it is for is no longer on the screen.
    CloseHealthLog(Ticket),
}
