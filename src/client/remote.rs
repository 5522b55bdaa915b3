//! The control plane in another process: over its unix socket, or over TCP with mutual TLS.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};
use tokio_util::io::StreamReader;
use tokio_util::task::AbortOnDropHandle;

use super::door::{Way, gone};
use super::{
    About, Client, ClientError, ContainerHealth, Effects, Explanation, LogItem, LogTarget, PlanAsk,
    PlanReport, Reply, Standing, WhoAmI,
};
use crate::agent::{Clock, SystemClock};
use crate::api::frame::{self, Frame, Frames};
use crate::api::wire::{
    self, ApplyRequest, ApplyResponse, ExecRequest, ExplainRequest, FaultRequest, FaultResponse,
    HealthLogRequest, HealthLogResponse, LogsLine, LogsRequest, PlanCommand, PlanRequest,
    StatsRequest, StatsResponse, WatchLine, WireError,
};
use crate::config::RemoteSettings;
use crate::controller::command::ErrorKind;
use crate::controller::{Command, wire as ecs};
use crate::docker::{
    EngineError, ExecInput, ExecOptions, ExecOutput, ExecSession, LogOptions, StatsSample,
};
use crate::model::{
    Actor, ContainerName, History, HistoryAsk, InstanceName, Snapshot, TaskId, TimeMs,
};

/// How long connecting and the head of an answer may take. A command waits for the store and,
/// behind others, for its turn.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// A watch on which nothing comes for so long is dead: beats come far more often.
const SILENCE_LIMIT: Duration = Duration::from_secs(4 * wire::BEAT_S);
/// How long the picture may take to have a command's effect in it.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(3);
/// Wait before the first attempt to attach anew; doubles with every further one.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// The longest such wait.
const BACKOFF_MOST: Duration = Duration::from_secs(3);
/// The longest line and the longest answer that are taken, in bytes: the picture of a very large
/// fleet. Of a server that sends more, nothing is kept.
const LINE_MAX: usize = 512 << 20;
/// The longest refusal that is taken, in bytes.
const REFUSAL_MAX: usize = 4 << 20;
/// The longest reason that is told of an answer that is no refusal of ours, in characters.
const REASON_MAX: usize = 1_000;
/// Frames of a shell that may wait in either direction.
const EXEC_BUFFER: usize = 64;

/// The surface over the socket of another process.
pub struct RemoteClient {
    door: Door,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    standing: watch::Receiver<Standing>,
    _watch: AbortOnDropHandle<()>,
}

impl RemoteClient {
    /// Attaches to the control plane behind a socket, in the name of `who`. When this returns,
    /// the first picture is there; from then on it attaches anew by itself.
    ///
    /// # Errors
    /// [`ClientError::Gone`] if nobody answers there.
    pub async fn connect(socket: &Path, who: Actor) -> Result<Self, ClientError> {
        Self::over(Way::Socket(socket.to_owned()), who).await
    }

    /// The same over TCP: our certificate says who asks, whatever `who` is called.
    ///
    /// # Errors
    /// [`ClientError::Gone`] if nobody answers there, or a file cannot be used; else as the server
    /// refuses us.
    pub async fn connect_over_tls(
        server: &RemoteSettings,
        who: Actor,
    ) -> Result<Self, ClientError> {
        Self::over(Way::over_tls(server.clone()).await?, who).await
    }

    async fn over(way: Way, who: Actor) -> Result<Self, ClientError> {
        let door = Door { way, who };
        let mut lines = door.watch().await?;
        let first = match next_line(&mut lines).await? {
            WatchLine::Snapshot(snapshot) => snapshot,
            _ => return Err(gone("the watch did not begin with a picture")),
        };
        let (snapshots, seen) = watch::channel(Arc::new(*first));
        let (standing, stands) = watch::channel(attached());
        let follower = Follower {
            door: door.clone(),
            snapshots,
            standing,
        };
        let task = tokio::spawn(follower.run(lines));
        Ok(Self {
            door,
            snapshots: seen,
            standing: stands,
            _watch: AbortOnDropHandle::new(task),
        })
    }
}

impl RemoteClient {
    /// Waits until the picture has the effect of a command in it: who asked for a change and
    /// looks finds it done. Late is no error, for the change is made: the watch may be attaching
    /// anew.
    async fn catch_up(&self, version: u64) {
        let mut snapshots = self.snapshots.clone();
        let there = snapshots.wait_for(|snapshot| snapshot.version >= version);
        if timeout(CATCH_UP_LIMIT, there).await.is_err() {
            tracing::debug!(version, "the picture is late");
        }
    }
}

fn attached() -> Standing {
    Standing::Attached {
        since: SystemClock.now(),
    }
}

type Lines = BoxStream<'static, Result<String, ClientError>>;

/// The next line of a watch, which is never silent for long.
async fn next_line(lines: &mut Lines) -> Result<WatchLine, ClientError> {
    let line = timeout(SILENCE_LIMIT, lines.next())
        .await
        .map_err(|_| gone("it has fallen silent"))?;
    let line = line.ok_or_else(|| gone("it has hung up"))??;
    serde_json::from_str(&line).map_err(|error| {
        gone(format!(
            "it says what this qd cannot read; is another version of it running there? {error}"
        ))
    })
}

/// What a server that does not know what it is asked for has to say to who asks.
fn older(error: ClientError) -> ClientError {
    match error {
        ClientError::Refused(refusal) if refusal.kind == ErrorKind::UnknownOperationException => {
            ClientError::Engine("qd serve is older than this program and cannot tell".to_owned())
        }
        other => other,
    }
}

/// Keeps the picture up to date.
struct Follower {
    door: Door,
    snapshots: watch::Sender<Arc<Snapshot>>,
    standing: watch::Sender<Standing>,
}

impl Follower {
    async fn run(self, mut lines: Lines) {
        loop {
            let reason = self.follow(&mut lines).await;
            self.standing.send_replace(Standing::Lost {
                since: SystemClock.now(),
                reason: reason.why(),
            });
            lines = self.attach_anew().await;
        }
    }

    /// Takes lines in until there is something wrong with them.
    async fn follow(&self, lines: &mut Lines) -> ClientError {
        loop {
            match next_line(lines).await {
                Ok(WatchLine::Snapshot(snapshot)) => {
                    self.snapshots.send_replace(Arc::new(*snapshot));
                    self.standing.send_if_modified(|standing| {
                        let lost = matches!(standing, Standing::Lost { .. });
                        if lost {
                            *standing = attached();
                        }
                        lost
                    });
                }
                Ok(WatchLine::Delta(delta)) => {
                    let mut next = Snapshot::clone(&self.snapshots.borrow());
                    if delta.version != next.version + 1 {
                        return gone(format!(
                            "the watch has a gap between {} and {}",
                            next.version, delta.version
                        ));
                    }
                    next.advance(&delta);
                    self.snapshots.send_replace(Arc::new(next));
                }
                Ok(WatchLine::Beat) => {}
                Err(error) => return error,
            }
        }
    }

    async fn attach_anew(&self) -> Lines {
        let mut wait = BACKOFF_FIRST;
        loop {
            tokio::time::sleep(wait).await;
            self.door.way.refresh().await;
            match self.door.watch().await {
                Ok(lines) => return lines,
                Err(error) => self.standing.send_modify(|standing| {
                    if let Standing::Lost { reason, .. } = standing {
                        *reason = error.why();
                    }
                }),
            }
            wait = (wait * 2).min(BACKOFF_MOST);
        }
    }
}

/// The way to the server: one connection for each request, which on a unix socket costs next to
/// nothing.
#[derive(Clone)]
struct Door {
    way: Way,
    who: Actor,
}

impl Door {
    fn request(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        headers: &[(&str, &str)],
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "quarterdeck")
            .header(CONTENT_TYPE, wire::CONTENT_TYPE)
            .header(wire::USER_HEADER, wire::ascii(&self.who.user))
            .header(wire::SURFACE_HEADER, self.who.surface.wire_name());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Full::new(Bytes::from(body))).map_err(gone)
    }

    /// Sends a request and gives the answer once its head is there. An error of the server is
    /// read whole and given as such.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        headers: &[(&str, &str)],
    ) -> Result<Response<Incoming>, ClientError> {
        let request = self.request(method, path, body, headers)?;
        let answer = async {
            let mut sender = self.way.dial().await?;
            let sent = sender.send_request(request).await;
            sent.map_err(|error| self.way.explain(&error))
        };
        let response = timeout(ANSWER_LIMIT, answer)
            .await
            .map_err(|_| gone(format!("no answer within {} s", ANSWER_LIMIT.as_secs())))??;
        let status = response.status();
        if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response);
        }
        let bytes = whole(response, REFUSAL_MAX).await?;
        let error: WireError = serde_json::from_slice(&bytes).map_err(|_| {
            let said = String::from_utf8_lossy(&bytes);
            let said: String = said.chars().take(REASON_MAX).collect();
            gone(format!("{status}: {said}"))
        })?;
        Err(refusal(error))
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(gone)?;
        let response = self.send(Method::POST, path, body, &[]).await?;
        read(response).await
    }

    async fn watch(&self) -> Result<Lines, ClientError> {
        let response = self.send(Method::GET, "/v1/watch", Vec::new(), &[]).await?;
        Ok(lines(response))
    }
}

fn refusal(error: WireError) -> ClientError {
    match error.command_error() {
        Some(refusal) => ClientError::Refused(refusal),
        None if error.kind == wire::ENGINE_ERROR => ClientError::Engine(error.message),
        None if error.kind == wire::ENDING => ClientError::Gone(error.message),
        None => ClientError::Unreadable(format!("{}: {}", error.kind, error.message)),
    }
}

/// A whole answer of at most `most` bytes.
async fn whole(response: Response<Incoming>, most: usize) -> Result<Bytes, ClientError> {
    let body = timeout(
        ANSWER_LIMIT,
        Limited::new(response.into_body(), most).collect(),
    );
    let body = body.await.map_err(|_| gone("its answer broke off"))?;
    let body = body.map_err(|error| match error.is::<LengthLimitError>() {
        true => gone(format!("its answer is longer than {most} bytes")),
        false => gone(error),
    })?;
    Ok(body.to_bytes())
}

async fn read<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T, ClientError> {
    let bytes = whole(response, LINE_MAX).await?;
    serde_json::from_slice(&bytes).map_err(|error| gone(format!("its answer: {error}")))
}

fn lines(response: Response<Incoming>) -> Lines {
    let body = response.into_body().into_data_stream();
    let body = body.map(|part| part.map_err(std::io::Error::other));
    let codec = LinesCodec::new_with_max_length(LINE_MAX);
    FramedRead::new(StreamReader::new(body), codec)
        .map(|line| line.map_err(|error| bad_line(&error)))
        .boxed()
}

/// Why there is no next line: the stream broke off, or what comes is no line.
fn bad_line(error: &LinesCodecError) -> ClientError {
    match error {
        LinesCodecError::Io(broken) if broken.kind() != std::io::ErrorKind::InvalidData => {
            gone(broken)
        }
        _ => ClientError::Unreadable(error.to_string()),
    }
}

impl Client for RemoteClient {
    fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    fn standings(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    fn whoami(&self) -> BoxFuture<'_, Result<WhoAmI, ClientError>> {
        Box::pin(async move {
            let path = "/v1/whoami";
            let response = self.door.send(Method::GET, path, Vec::new(), &[]).await?;
            read(response).await
        })
    }

    fn command(&self, command: Command) -> BoxFuture<'_, Result<Reply, ClientError>> {
        Box::pin(async move {
            let body = serde_json::to_vec(&ecs::encode(&command)).map_err(gone)?;
            let target = format!("{}{}", wire::TARGET_PREFIX, command.operation());
            let headers = [("x-amz-target", target.as_str())];
            let response = self.door.send(Method::POST, "/", body, &headers).await?;
            let warnings = match response.headers().get(wire::WARNINGS_HEADER) {
                Some(list) => serde_json::from_slice(list.as_bytes()).map_err(gone)?,
                None => Vec::new(),
            };
            let version = response.headers().get(wire::VERSION_HEADER);
            let version = version.and_then(|text| text.to_str().ok()?.parse::<u64>().ok());
            let body: Value = read(response).await?;
            if let Some(version) = version {
                self.catch_up(version).await;
            }
            Ok(Reply { body, warnings })
        })
    }

    fn plan(&self, asked: PlanAsk) -> BoxFuture<'_, Result<PlanReport, ClientError>> {
        let request = PlanRequest {
            commands: asked.commands.iter().map(PlanCommand::from).collect(),
            without: asked.without,
        };
        Box::pin(async move { self.door.post("/v1/plan", &request).await })
    }

    fn apply(
        &self,
        commands: Vec<Command>,
        planned: Option<Effects>,
    ) -> BoxFuture<'_, Result<Vec<Reply>, ClientError>> {
        let request = ApplyRequest {
            commands: commands.iter().map(PlanCommand::from).collect(),
            planned,
        };
        Box::pin(async move {
            let answer: ApplyResponse = self.door.post("/v1/apply", &request).await?;
            self.catch_up(answer.version).await;
            Ok(answer.replies)
        })
    }

    fn explain(&self, about: About) -> BoxFuture<'_, Result<Explanation, ClientError>> {
        let request = ExplainRequest { about };
        Box::pin(async move { self.door.post("/v1/explain", &request).await })
    }

    fn history(&self, asked: HistoryAsk) -> BoxFuture<'_, Result<History, ClientError>> {
        Box::pin(async move { self.door.post("/v1/history", &asked).await })
    }

    fn at(&self, moment: TimeMs) -> BoxFuture<'_, Result<Arc<Snapshot>, ClientError>> {
        Box::pin(async move {
            let path = format!("/v1/snapshot?at={}", moment.0);
            let response = self.door.send(Method::GET, &path, Vec::new(), &[]).await?;
            read(response).await
        })
    }

    fn logs(
        &self,
        target: LogTarget,
        options: LogOptions,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<LogItem, ClientError>>, ClientError>> {
        Box::pin(async move {
            let request = LogsRequest { target, options };
            let body = serde_json::to_vec(&request).map_err(gone)?;
            let response = self.door.send(Method::POST, "/v1/logs", body, &[]).await?;
            let items = lines(response).map(|line| {
                let line = serde_json::from_str(&line?).map_err(|error| {
                    ClientError::Unreadable(format!("a line of the logs: {error}"))
                })?;
                match line {
                    LogsLine::Item(item) => Ok(item),
                    LogsLine::Error(error) => Err(refusal(error)),
                }
            });
            Ok(items.boxed())
        })
    }

    fn stats(
        &self,
        task: TaskId,
    ) -> BoxFuture<'_, Result<Vec<(ContainerName, StatsSample)>, ClientError>> {
        Box::pin(async move {
            let request = StatsRequest { task };
            let response: StatsResponse = self.door.post("/v1/stats", &request).await?;
            Ok(response.stats)
        })
    }

    fn health_log(&self, task: TaskId) -> BoxFuture<'_, Result<Vec<ContainerHealth>, ClientError>> {
        Box::pin(async move {
            let request = HealthLogRequest { task };
            let asked = self.door.post("/v1/health-log", &request).await;
            let response: HealthLogResponse = asked.map_err(older)?;
            Ok(response.containers)
        })
    }

    fn exec(
        &self,
        task: TaskId,
        container: Option<ContainerName>,
        options: ExecOptions,
    ) -> BoxFuture<'_, Result<ExecSession, ClientError>> {
        Box::pin(async move {
            let request = ExecRequest {
                task,
                container,
                options,
            };
            let body = serde_json::to_vec(&request).map_err(gone)?;
            let headers = [
                (CONNECTION.as_str(), "upgrade"),
                (UPGRADE.as_str(), wire::EXEC_PROTOCOL),
            ];
            let door = &self.door;
            let response = door.send(Method::POST, "/v1/exec", body, &headers).await?;
            let upgraded = hyper::upgrade::on(response).await.map_err(gone)?;
            Ok(session(TokioIo::new(upgraded)))
        })
    }

    fn toggle_fault(
        &self,
        instance: InstanceName,
    ) -> Option<BoxFuture<'_, Result<String, ClientError>>> {
        if !self.snapshots.borrow().holder.simulated {
            return None;
        }
        Some(Box::pin(async move {
            let request = FaultRequest { instance };
            let response: FaultResponse = self.door.post("/v1/fault", &request).await?;
            Ok(response.message)
        }))
    }
}

/// A shell's two ways over one connection. Dropping the output hangs up.
fn session(connection: TokioIo<hyper::upgrade::Upgraded>) -> ExecSession {
    let (from, mut out) = tokio::io::split(connection);
    let from = FramedRead::new(from, Frames);
    let (input, mut inputs) = mpsc::channel::<ExecInput>(EXEC_BUFFER);
    let pump = AbortOnDropHandle::new(tokio::spawn(async move {
        while let Some(frame) = inputs.recv().await {
            if frame::send(&mut out, Frame::Input(frame)).await.is_err() {
                return;
            }
        }
        // Nobody writes any more: the program hears the end of its input, and is read on.
        let _ = frame::send(&mut out, Frame::Input(ExecInput::End)).await;
        // Kept open: closing this half would hang up.
        std::future::pending::<()>().await;
    }));
    let output = stream::unfold(Some((from, pump)), |state| async move {
        let (mut from, pump) = state?;
        let broken = |reason: String| Err(EngineError::Unreachable(reason));
        let item = match from.next().await {
            Some(Ok(Frame::Output(output @ ExecOutput::Exit(_)))) => {
                return Some((Ok(output), None));
            }
            Some(Ok(Frame::Output(output))) => return Some((Ok(output), Some((from, pump)))),
            Some(Ok(Frame::Broken(reason))) => Err(EngineError::Failed(reason)),
            Some(Ok(Frame::Input(_))) => broken("the server sent what only a client sends".into()),
            Some(Err(error)) => broken(error.to_string()),
            None => broken("the control plane hung up".to_owned()),
        };
        Some((item, None))
    });
    ExecSession {
        input,
        output: output.boxed(),
    }
}
