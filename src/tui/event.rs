//! Everything that can happen to the console, as one type.

use std::sync::Arc;

use crossterm::event::{KeyEvent, MouseEvent};

use crate::client::{
    ClientError, ContainerHealth, Explanation, LogItem, PlanReport, Reply, Standing,
};
use crate::docker::StatsSample;
use crate::model::{ContainerName, History, Snapshot};

use super::edit::EditAsk;
use super::lent::Parting;
use super::shell::ShellAsk;

/// Numbers what was asked for, so that a late answer is told from the one waited for.
pub type Ticket = u64;

/// What came of saving a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It is written.
    Written,
    /// There is such a file already; it was left as it is.
    Exists,
    /// Why it could not be written.
    Failed(String),
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A key was pressed.
    Key(KeyEvent),
    /// A button of the mouse was pressed, or its wheel turned.
    Mouse(MouseEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal now has this many columns and rows.
    Resize(u16, u16),
    /// There is a newer picture.
    Snapshot(Arc<Snapshot>),
    /// Log lines came in.
    Logs {
        /// Of which opening.
        ticket: Ticket,
        /// The items, oldest first.
        items: Vec<LogItem>,
    },
    /// A log stream ended; with an error if it failed.
    LogsEnded {
        /// Of which opening.
        ticket: Ticket,
        /// What went wrong, if something did.
        error: Option<String>,
    },
    /// Log lines were to be saved.
    LogsSaved {
        /// Of which opening.
        ticket: Ticket,
        /// Where, as it was typed.
        path: String,
        /// How many lines.
        lines: u64,
        /// What came of it.
        outcome: Saved,
    },
    /// What a task's containers use.
    Stats {
        /// Of which opening of a task's page.
        ticket: Ticket,
        /// One sample a container, or why there is none.
        samples: Result<Vec<(ContainerName, StatsSample)>, String>,
    },
    /// What the last health checks of a task's containers came to.
    HealthLog {
        /// Of which opening of a task's page.
        ticket: Ticket,
        /// One log a container, or why there is none.
        result: Result<Vec<ContainerHealth>, String>,
    },
    /// Why something is where it is, or why not.
    Explained {
        /// Of which opening of its page.
        ticket: Ticket,
        /// The answer, or why there is none.
        result: Result<Box<Explanation>, String>,
    },
    /// What happened, as far back as the log reaches.
    History {
        /// Of which opening of the timeline.
        ticket: Ticket,
        /// What happened, or why that is not known.
        history: Result<History, String>,
    },
    /// The fleet as it was.
    Then {
        /// Of which asking.
        ticket: Ticket,
        /// The picture, or why there is none.
        snapshot: Result<Arc<Snapshot>, String>,
    },
    /// What commands would do.
    Planned {
        /// Of which asking.
        ticket: Ticket,
        /// The plan, or why there is none.
        result: Result<Box<PlanReport>, String>,
    },
    /// Commands were answered.
    Applied {
        /// Of which sending.
        ticket: Ticket,
        /// What was asked for, in words.
        what: String,
        /// A reply for each command.
        result: Result<Vec<Reply>, ClientError>,
    },
    /// A simulated instance was failed or mended.
    Fault(Result<String, String>),
    /// How the way to the control plane stands has changed.
    Standing(Standing),
    /// The terminal is ours again after it was lent to a program in a container.
    ShellEnded {
        /// What was asked for.
        ask: Box<ShellAsk>,
        /// How it ended, or why it could not.
        how: Result<Parting, String>,
        /// How long it had the terminal, in milliseconds.
        after_ms: u64,
    },
    /// The terminal is ours again after something was edited.
    Edited {
        /// What.
        ask: Box<EditAsk>,
        /// What it says now, or why that is not known.
        outcome: Result<String, String>,
    },
    /// Time has passed that something on the screen waits for.
    Clock,
}
