//! Programs that people run inside containers: written down before they begin.

use super::find;
use super::observe::words;
use super::work::Work;
use crate::controller::command::execute::ExecuteCommand;
use crate::controller::{CommandError, Response};

/// The most characters of a command line that are kept.
const COMMAND_MAX: usize = 300;

/// Notes that somebody is about to run a program in a task. Whether the engine can is told to
/// whoever asked.
pub(super) fn execute(
    work: &mut Work,
    request: &ExecuteCommand,
    who: &str,
) -> Result<Response, CommandError> {
    let cluster = find::cluster(work, request.cluster.as_deref(), &request.task)?;
    let task = find::task(work, &cluster, &request.task)?;
    let what = if request.interactive {
        "open a terminal"
    } else {
        "run a program"
    };
    let container = match &request.container {
        Some(name) => format!(" in container {name}"),
        None => String::new(),
    };
    let message = format!(
        "{} on {} was asked by {who} to {what}{container}: {}",
        words(&task),
        task.whereabouts(),
        command_line(&request.command),
    );
    // Each one, however alike: two that read the same need not have been.
    work.operator(&*task, message);
    Ok(Response::Done)
}

/// The words of a command, on one line and no longer than is worth keeping.
fn command_line(words: &[String]) -> String {
    let line = shell_words::join(words);
    let clean = line.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut kept: String = clean.take(COMMAND_MAX).collect();
    if line.chars().count() > COMMAND_MAX {
        kept.push('…');
    }
    kept
}
