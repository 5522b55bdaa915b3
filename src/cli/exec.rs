//! `qd exec`: a program in a container, with the terminal lent to it.

use std::io::{IsTerminal as _, Read as _};

use bytes::Bytes;
use crossterm::terminal;
use futures_util::StreamExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::args::Exec;
use super::error::{CliError, CliResult};
use super::resolve;
use super::session::Session;
use crate::docker::{ExecInput, ExecOptions, ExecOutput, LogStream};
use crate::model::{ContainerName, LastStatus, Snapshot, TaskId};

/// Bytes read from standard input at once.
const CHUNK: usize = 8 * 1024;
/// Chunks of standard input under way; more waits.
const CHUNKS_MAX: usize = 16;

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
    let tty = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let options = ExecOptions {
        command: asked.command.clone(),
        tty,
        size: if tty { terminal::size().ok() } else { None },
    };
    let opened = session.client.exec(task, container, options).await?;
    let raw = if tty { Some(RawMode::enter()?) } else { None };
    let (input, mut output) = (opened.input, opened.output);
    let mut keys = read_stdin();
    let mut resized = signal(SignalKind::window_change())
        .map_err(|error| CliError::Failed(format!("signals: {error}")))?;
    let mut reading = true;
    let code = loop {
        tokio::select! {
            item = output.next() => match item {
                Some(Ok(ExecOutput::Data(stream, data))) => write(stream, &data)?,
                Some(Ok(ExecOutput::Exit(code))) => break code,
                Some(Err(error)) => return Err(CliError::Failed(error.to_string())),
                None => return Err(CliError::Failed(
                    "the connection ended before the program did".into(),
                )),
            },
            chunk = keys.recv(), if reading => {
                reading = chunk.is_some();
                let sent = match chunk {
                    Some(chunk) => input.send(ExecInput::Data(chunk)).await,
                    None => input.send(ExecInput::End).await,
                };
                // A program that takes no more input may still have something to say.
                reading &= sent.is_ok();
            }
            _ = resized.recv(), if tty => {
                if let Ok((columns, rows)) = terminal::size() {
                    let _ = input.send(ExecInput::Resize(columns, rows)).await.is_ok();
                }
            }
        }
    };
    drop(raw);
    match u8::try_from(code) {
        Ok(0) => Ok(()),
        Ok(code) => Err(CliError::Exit(code)),
        Err(_) => Err(CliError::Exit(1)),
    }
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

fn write(stream: LogStream, data: &Bytes) -> CliResult {
    match stream {
        LogStream::Stdout => super::out::raw(data),
        LogStream::Stderr => {
            use std::io::Write as _;
            // Nothing can be said about a standard error that is gone.
            let _ = std::io::stderr().write_all(data);
            Ok(())
        }
    }
}

/// Reads standard input on a thread of its own: a read cannot be called off, and must not hold
/// up the end of the program.
fn read_stdin() -> mpsc::Receiver<Bytes> {
    let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut buffer = [0_u8; CHUNK];
        loop {
            match stdin.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => {
                    let chunk = Bytes::copy_from_slice(&buffer[..length]);
                    if sender.blocking_send(chunk).is_err() {
                        break;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
    });
    receiver
}

/// The terminal passes every key on; put back on every way out, panics included.
struct RawMode;

impl RawMode {
    fn enter() -> CliResult<Self> {
        terminal::enable_raw_mode()
            .map(|()| Self)
            .map_err(|error| CliError::Failed(format!("the terminal: {error}")))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = terminal::disable_raw_mode();
    }
}
