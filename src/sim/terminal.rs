//! Programs run inside simulated containers: bytes in, bytes out, with or without a terminal.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use tokio::sync::{broadcast, mpsc};

use super::host::{Host, Wire, Work};
use super::shell::{self, Done, Surroundings};
use crate::docker::{
    EngineError, EngineEvent, EngineResult, ExecInput, ExecOptions, ExecOutput, ExecSession,
    LogStream,
};

/// How many pieces may wait in either direction.
const PIECES_MAX: usize = 64;
/// The longest line that the shell takes, in bytes.
const LINE_MAX: usize = 4_096;
const PROMPT: &str = "/ # ";

type Output = mpsc::Sender<EngineResult<ExecOutput>>;

/// Runs a program in a container that runs.
pub(super) async fn exec(
    host: Arc<Host>,
    id: &str,
    options: ExecOptions,
) -> EngineResult<ExecSession> {
    let look = |machine: &mut super::machine::Machine, _| {
        let container = machine.find(id)?;
        if container.up_since().is_none() {
            return Err(EngineError::Conflict(format!(
                "container {} is not running",
                container.id
            )));
        }
        let around = Surroundings {
            host_name: container.id.chars().take(12).collect(),
            environment: container.spec.variables(),
            size: options.tty.then(|| options.size.unwrap_or((80, 24))),
        };
        Ok((container.id.clone(), around))
    };
    let (id, around) = host.call(Work::Start, look).await?;
    let (input, keys) = mpsc::channel(PIECES_MAX);
    let (output, shown) = mpsc::channel(PIECES_MAX);
    let session = Session {
        id,
        tty: options.tty,
        around,
        events: host.subscribe(),
        wire: host.connection(),
        output,
        line: Vec::new(),
        last: 0,
        full: false,
    };
    tokio::spawn(session.run(options.command, keys));
    let output = stream::unfold(shown, |mut shown| async move {
        shown.recv().await.map(|item| (item, shown))
    });
    Ok(ExecSession {
        input,
        output: output.boxed(),
    })
}

struct Session {
    id: String,
    tty: bool,
    around: Surroundings,
    events: broadcast::Receiver<EngineEvent>,
    wire: Wire,
    output: Output,
    line: Vec<u8>,
    last: i64,
    /// A program fills the screen, and has the keys.
    full: bool,
}

/// The reader has gone: there is nobody left to tell.
struct Gone;

impl From<mpsc::error::SendError<EngineResult<ExecOutput>>> for Gone {
    fn from(_: mpsc::error::SendError<EngineResult<ExecOutput>>) -> Self {
        Self
    }
}

impl Session {
    async fn run(mut self, command: Vec<String>, keys: mpsc::Receiver<ExecInput>) {
        let ended = if shell::is_interactive(&command) {
            self.converse(keys).await
        } else {
            self.once(&command).await
        };
        if let Ok(end) = ended {
            // A reader that has gone needs no end.
            let _ = self.output.send(end).await;
        }
    }

    async fn once(&mut self, command: &[String]) -> Result<EngineResult<ExecOutput>, Gone> {
        let done = match (shell::line_of(command), command.split_first()) {
            (Some(line), _) => shell::run_line(line, 0, &self.around),
            (None, Some((program, words))) => {
                let found = shell::run(program, words, 0, &self.around);
                found.unwrap_or_else(|| not_executable(program))
            }
            (None, None) => not_executable(""),
        };
        let code = done.code;
        self.show(done).await?;
        Ok(Ok(ExecOutput::Exit(code)))
    }

    /// The interactive shell: reads until told to leave.
    async fn converse(
        &mut self,
        mut keys: mpsc::Receiver<ExecInput>,
    ) -> Result<EngineResult<ExecOutput>, Gone> {
        self.prompt().await?;
        loop {
            if let Err(error) = self.wire.flows().await {
                return Ok(Err(error));
            }
            let input = tokio::select! {
                biased;
                () = self.wire.disturbed() => continue,
                news = self.events.recv() => {
                    if news.is_err() || self.container_is_up() {
                        continue;
                    }
                    return Ok(Ok(ExecOutput::Exit(super::machine::EXIT_KILLED)));
                }
                input = keys.recv() => input,
            };
            let left = match input {
                Some(ExecInput::Data(bytes)) => self.typed(&bytes).await?,
                Some(ExecInput::Resize(columns, rows)) => {
                    if self.tty {
                        self.around.size = Some((columns, rows));
                        self.draw().await?;
                    }
                    false
                }
                Some(ExecInput::End) | None => true,
            };
            if left {
                return Ok(Ok(ExecOutput::Exit(self.last)));
            }
        }
    }

    fn container_is_up(&self) -> bool {
        let id = self.id.clone();
        let look = move |machine: &mut super::machine::Machine, _| {
            machine.find(&id).is_ok_and(|c| c.up_since().is_some())
        };
        self.wire.host.with(look)
    }

    /// Takes typed bytes; whether the shell was left.
    async fn typed(&mut self, bytes: &[u8]) -> Result<bool, Gone> {
        for byte in bytes {
            if self.full {
                if matches!(byte, b'q' | 0x03) {
                    self.full = false;
                    self.echo(b"\x1b[?1049l").await?;
                    self.prompt().await?;
                }
                continue;
            }
            match (*byte, self.tty) {
                (b'\r', true) | (b'\n', _) => {
                    self.echo(b"\r\n").await?;
                    if self.enter().await? {
                        return Ok(true);
                    }
                }
                (0x04, true) if self.line.is_empty() => return Ok(true),
                (0x03, true) => {
                    self.line.clear();
                    self.last = 130;
                    self.echo(b"^C\r\n").await?;
                    self.prompt().await?;
                }
                (0x7f | 0x08, true) if self.line.pop().is_some() => {
                    self.echo(b"\x08 \x08").await?;
                }
                (0..=0x1f | 0x7f, true) => {}
                (byte, _) if self.line.len() < LINE_MAX => {
                    self.line.push(byte);
                    self.echo(&[byte]).await?;
                }
                _ => {}
            }
        }
        Ok(false)
    }

    async fn enter(&mut self) -> Result<bool, Gone> {
        let bytes = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&bytes).into_owned();
        if self.tty && shell::fills_screen(&line) {
            self.full = true;
            self.echo(b"\x1b[?1049h").await?;
            self.draw().await?;
            return Ok(false);
        }
        let done = shell::run_line(&line, self.last, &self.around);
        self.last = done.code;
        let leaves = done.leaves;
        self.show(done).await?;
        if !leaves {
            self.prompt().await?;
        }
        Ok(leaves)
    }

    /// What fills the screen, if something does.
    async fn draw(&mut self) -> Result<(), Gone> {
        let Some((columns, rows)) = self.around.size.filter(|_| self.full) else {
            return Ok(());
        };
        self.echo(shell::screenful(columns, rows).as_bytes()).await
    }

    async fn prompt(&mut self) -> Result<(), Gone> {
        self.echo(PROMPT.as_bytes()).await
    }

    /// What a terminal shows beside what programs print.
    async fn echo(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        if self.tty {
            self.put(LogStream::Stdout, bytes.to_vec()).await?;
        }
        Ok(())
    }

    async fn show(&mut self, done: Done) -> Result<(), Gone> {
        let on_terminal = |text: &str| text.replace('\n', "\r\n").into_bytes();
        if self.tty {
            let all = done.out + &done.err;
            return self.put(LogStream::Stdout, on_terminal(&all)).await;
        }
        self.put(LogStream::Stdout, done.out.into_bytes()).await?;
        self.put(LogStream::Stderr, done.err.into_bytes()).await
    }

    async fn put(&mut self, stream: LogStream, bytes: Vec<u8>) -> Result<(), Gone> {
        if bytes.is_empty() {
            return Ok(());
        }
        let piece = ExecOutput::Data(stream, Bytes::from(bytes));
        Ok(self.output.send(Ok(piece)).await?)
    }
}

fn not_executable(program: &str) -> Done {
    Done {
        err: format!(
            "OCI runtime exec failed: exec failed: unable to start container process: exec: \
             \"{program}\": executable file not found in $PATH: unknown\n"
        ),
        code: 127,
        ..Done::default()
    }
}
