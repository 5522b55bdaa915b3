//! `qd exec`: a program in a container, with the terminal lent to it.

use std::io::{self, Write as _};

use crossterm::terminal;
use rustix::termios::{QueueSelector, tcflush};

use super::args::Exec;
use super::error::{CliError, CliResult};
use super::resolve;
use super::session::Session;
use crate::docker::ExecOptions;
use crate::model::{ContainerName, LastStatus, Snapshot, TaskId};
use crate::tui::lent::{self, Keys, LentError, Parting};

/// Runs it; its exit code is passed on.
///
/// # Errors
/// [`CliError::Exit`] with the program's code if it is not 0.
pub async fn exec(session: &Session, asked: &Exec) -> CliResult {
    let snapshot = session.whole().await;
    let task = task_of(session, &snapshot, &asked.task)?;
    let container = asked
        .container
        .as_deref()
        .map(ContainerName::new)
        .transpose()
        .map_err(|error| CliError::Usage(error.to_string()))?;
    let tty = lent::is_terminal();
    let a_shell = asked.command.is_empty();
    let options = ExecOptions {
        command: if a_shell {
            lent::default_shell()
        } else {
            asked.command.clone()
        },
        tty,
        size: if tty { terminal::size().ok() } else { None },
    };
    if tty && a_shell {
        super::out::note(format!("qd: a shell in task {task}; {}", lent::WAY_BACK));
    }
    let keys = Keys::of_stdin().map_err(|error| failed(&LentError::Input(error)))?;
    let raw = if tty { Some(RawMode::enter()?) } else { None };
    let opening = session.client.exec(task, container, options);
    let ended = lent::lend(opening, keys, Vec::new()).await;
    drop(raw);
    match ended {
        Ok(Parting::Exit(0)) => Ok(()),
        Ok(Parting::Exit(code)) => Err(CliError::Exit(u8::try_from(code).unwrap_or(1))),
        Ok(Parting::Left) => Err(CliError::Failed(
            "left; the program may go on in its container".into(),
        )),
        Err(LentError::NotBegun(error)) => Err(error.into()),
        Err(LentError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            Err(CliError::Pipe)
        }
        Err(error) => Err(failed(&error)),
    }
}

fn failed(error: &LentError) -> CliError {
    CliError::Failed(error.to_string())
}

/// The task meant: by its id, or a service's one running task.
fn task_of(session: &Session, snapshot: &Snapshot, text: &str) -> CliResult<TaskId> {
    let cluster = session.cluster(snapshot)?;
    let service = match resolve::target(&snapshot.state, &cluster, text)? {
        resolve::Target::Task(task) => return Ok(task.id),
        resolve::Target::Service(service) => service,
    };
    let running: Vec<_> = snapshot
        .state
        .service_tasks(&cluster, &service.name)
        .filter(|task| task.last_status == LastStatus::Running && task.is_wanted())
        .collect();
    match running.as_slice() {
        [task] => Ok(task.id),
        [] => Err(CliError::Failed(format!(
            "no task of service {} runs",
            service.name
        ))),
        many => {
            let tasks: Vec<String> = many
                .iter()
                .map(|task| format!("  {} on {}", task.id.short(), task.whereabouts()))
                .collect();
            Err(CliError::Usage(format!(
                "service {} has {} running tasks; name the one you mean:\n{}",
                service.name,
                many.len(),
                tasks.join("\n")
            )))
        }
    }
}

/// The terminal passes every key on; put back on every way out, panics included: with the modes,
/// title and colours that the program may have changed, and without what the terminal has answered
/// to its questions, which the shell before us would take for typed.
struct RawMode;

impl RawMode {
    fn enter() -> CliResult<Self> {
        let failed = |error| CliError::Failed(format!("the terminal: {error}"));
        let mode = terminal::enable_raw_mode().map(|()| Self).map_err(failed)?;
        said(&[lent::TITLE_KEPT]).map_err(failed)?;
        Ok(mode)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that is gone cannot be put back and need not be.
        let _ = said(&[lent::SETTLE, lent::TITLE_BACK]);
        let _ = tcflush(io::stdin(), QueueSelector::IFlush);
        let _ = terminal::disable_raw_mode();
    }
}

fn said(sequences: &[&str]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(sequences.concat().as_bytes())?;
    out.flush()
}
