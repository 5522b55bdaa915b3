//! Programs run inside a container, over a connection taken over from HTTP.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, StreamExt};
use hyper::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::lines::Demux;
use super::transport::Transport;
use super::{EngineError, EngineResult, ExecInput, ExecOptions, ExecOutput, ExecSession};

/// Inputs that may wait for a slow program.
const INPUTS_WAITING: usize = 64;
/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;
/// How often the exit code is asked for after the output ended, and how long between.
const EXIT_TRIES: u32 = 40;
const EXIT_PAUSE: Duration = Duration::from_millis(50);
/// How often a first size is offered: the terminal is there a moment after the start.
const SIZE_TRIES: u32 = 10;
const SIZE_PAUSE: Duration = Duration::from_millis(20);

type Wire = hyper_util::rt::TokioIo<hyper::upgrade::Upgraded>;

/// Runs a program inside a container.
///
/// # Errors
/// [`EngineError`], by what the engine answered. A program that is not there is no error here:
/// the engine writes so into its output, and its exit code is 126 or 127.
pub async fn exec(
    transport: &Transport,
    container: &str,
    options: ExecOptions,
) -> EngineResult<ExecSession> {
    let create = json!({
        "AttachStdin": true, "AttachStdout": true, "AttachStderr": true,
        "Tty": options.tty, "Cmd": options.command,
    });
    let path = format!("/containers/{container}/exec");
    let created = transport.json(Method::POST, &path, Some(&create)).await?;
    let Some(id) = created.get("Id").and_then(Value::as_str) else {
        return Err(EngineError::Failed(format!(
            "{}: the engine gave no id for the program to run",
            transport.endpoint()
        )));
    };
    let size = options.size.filter(|_| options.tty);
    let mut start = json!({"Detach": false, "Tty": options.tty});
    if let Some((columns, rows)) = size {
        start["ConsoleSize"] = json!([rows, columns]);
    }
    let wire = transport
        .upgrade(&format!("/exec/{id}/start"), &start)
        .await?;
    let (read, write) = tokio::io::split(wire);
    let (input, inputs) = mpsc::channel(INPUTS_WAITING);
    let token = CancellationToken::new();
    let pump = pump(transport.clone(), id.to_owned(), write, inputs, size);
    let stop = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = pump => {}
        }
    });
    let output = Output {
        transport: transport.clone(),
        id: id.to_owned(),
        read,
        demux: Demux::new(options.tty),
        rest: Bytes::new(),
        buffer: BytesMut::new(),
        _pump: token.drop_guard(),
    };
    Ok(ExecSession {
        input,
        output: output.stream(),
    })
}

/// Carries input to the program until either side ends.
async fn pump(
    transport: Transport,
    id: String,
    mut write: impl AsyncWrite + Unpin,
    mut inputs: mpsc::Receiver<ExecInput>,
    size: Option<(u16, u16)>,
) {
    if let Some((columns, rows)) = size {
        for _ in 0..SIZE_TRIES {
            if resize(&transport, &id, columns, rows).await.is_ok() {
                break;
            }
            tokio::time::sleep(SIZE_PAUSE).await;
        }
    }
    while let Some(input) = inputs.recv().await {
        let written = match input {
            ExecInput::Data(bytes) => {
                async {
                    write.write_all(&bytes).await?;
                    write.flush().await
                }
                .await
            }
            ExecInput::End => write.shutdown().await,
            ExecInput::Resize(columns, rows) => {
                if let Err(error) = resize(&transport, &id, columns, rows).await {
                    tracing::debug!(%error, "a terminal in a container was not resized");
                }
                Ok(())
            }
        };
        // The program has ended: its output tells, and the input has nowhere to go.
        if written.is_err() {
            return;
        }
    }
    // Whoever wrote is gone, so no more input comes. A program that still works goes on.
    if let Err(error) = write.shutdown().await {
        tracing::debug!(%error, "the input of a program in a container was not closed");
    }
}

async fn resize(transport: &Transport, id: &str, columns: u16, rows: u16) -> EngineResult<()> {
    let path = format!("/exec/{id}/resize?h={rows}&w={columns}");
    transport.open(Method::POST, &path, None).await.map(|_| ())
}

struct Output {
    transport: Transport,
    id: String,
    read: ReadHalf<Wire>,
    demux: Demux,
    rest: Bytes,
    buffer: BytesMut,
    /// Ends the input when the output is dropped.
    _pump: DropGuard,
}

impl Output {
    fn stream(self) -> BoxStream<'static, EngineResult<ExecOutput>> {
        stream::try_unfold(Some(self), |state| async move {
            let Some(mut output) = state else {
                return Ok(None);
            };
            match output.next().await? {
                ExecOutput::Exit(code) => Ok(Some((ExecOutput::Exit(code), None))),
                data => Ok(Some((data, Some(output)))),
            }
        })
        .boxed()
    }

    async fn next(&mut self) -> EngineResult<ExecOutput> {
        loop {
            let piece = self
                .demux
                .next(&mut self.rest)
                .map_err(|error| EngineError::Failed(error.to_string()))?;
            if let Some(piece) = piece {
                return Ok(ExecOutput::Data(piece.stream, piece.bytes));
            }
            self.buffer.reserve(READ_BYTES);
            match self.read.read_buf(&mut self.buffer).await {
                Ok(0) => {
                    let code = exit_code(&self.transport, &self.id).await?;
                    return Ok(ExecOutput::Exit(code));
                }
                Ok(_) => self.rest = self.buffer.split().freeze(),
                Err(error) => {
                    return Err(EngineError::Unreachable(self.transport.broken(&error)));
                }
            }
        }
    }
}

/// The output ends a moment before the engine has noted the exit code.
async fn exit_code(transport: &Transport, id: &str) -> EngineResult<i64> {
    let path = format!("/exec/{id}/json");
    for _ in 0..EXIT_TRIES {
        let state = transport.json(Method::GET, &path, None).await?;
        if state.get("Running").and_then(Value::as_bool) == Some(false)
            && let Some(code) = state.get("ExitCode").and_then(Value::as_i64)
        {
            return Ok(code);
        }
        tokio::time::sleep(EXIT_PAUSE).await;
    }
    Err(EngineError::Failed(format!(
        "{}: the program's output ended, but the engine does not tell its exit code",
        transport.endpoint()
    )))
}
