//! What ECS has no word for.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use futures_util::{StreamExt, future};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::AsyncWriteExt;
use tokio_util::codec::FramedRead;
use tokio_util::sync::CancellationToken;

use super::frame::{self, Frame, Frames};
use super::serve::{App, Fault, Peer, body, json};
use super::wire::{
    self, ApplyRequest, ApplyResponse, ExecRequest, ExplainRequest, FaultRequest, FaultResponse,
    HealthLogRequest, HealthLogResponse, LogsLine, LogsRequest, PlanCommand, PlanRequest,
    SnapshotQuery, StatsRequest, StatsResponse, WatchLine, WireError,
};
use crate::agent::streams::{self, StreamError};
use crate::controller::command::permit;
use crate::controller::handle::{Deltas, Missed};
use crate::controller::meters::Watching;
use crate::controller::{Command, CommandError, ErrorKind, Handle};
use crate::docker::{ExecOutput, ExecSession};
use crate::model::{AccessRole, HistoryAsk};

/// The longest request of a program to run, in bytes.
const EXEC_BODY_MAX: usize = 1 << 20;

type Answer = Result<Response, Fault>;

/// An error of a stream: what was asked wrongly is ECS's, what the engine did is the engine's.
pub(crate) fn stream_error(error: &StreamError) -> WireError {
    match error {
        StreamError::NotAnswering { .. } | StreamError::Engine { .. } => {
            WireError::engine(error.to_string())
        }
        StreamError::NoTask(_)
        | StreamError::NoService { .. }
        | StreamError::NoInstance(_)
        | StreamError::NoContainer { .. }
        | StreamError::NotRunning { .. } => WireError::from(&CommandError::new(
            ErrorKind::InvalidParameterException,
            error.to_string(),
        )),
    }
}

fn read<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Fault> {
    serde_json::from_value(body(bytes)?).map_err(|error| {
        Fault::from(CommandError::new(
            ErrorKind::InvalidParameterException,
            error.to_string(),
        ))
    })
}

pub(super) async fn whoami(ConnectInfo(peer): ConnectInfo<Peer>, headers: HeaderMap) -> Response {
    json(&wire::WhoAmI::from(&super::serve::who(&headers, &peer)))
}

pub(super) async fn snapshot(State(app): State<App>, Query(of): Query<SnapshotQuery>) -> Answer {
    match of.at {
        None => Ok(json(&app.handle.picture())),
        Some(moment) => Ok(json(&app.handle.at(moment).await?)),
    }
}

pub(super) async fn history(State(app): State<App>, bytes: Bytes) -> Answer {
    let asked: HistoryAsk = read(&bytes)?;
    Ok(json(&app.handle.history(asked).await?))
}

pub(super) async fn plan(State(app): State<App>, bytes: Bytes) -> Answer {
    let request: PlanRequest = read(&bytes)?;
    let commands = commands(&request.commands)?;
    let asked = super::PlanAsk {
        commands,
        without: request.without,
    };
    let report = super::plan_apart(app.handle.snapshot(), asked).await?;
    Ok(json(&report))
}

fn commands(list: &[PlanCommand]) -> Result<Vec<Command>, CommandError> {
    let count = list.len();
    if count > wire::COMMANDS_MAX {
        let most = wire::COMMANDS_MAX;
        return Err(CommandError::new(
            ErrorKind::InvalidParameterException,
            format!("commands: {count} changes at once; at most {most} are allowed"),
        ));
    }
    list.iter().map(PlanCommand::command).collect()
}

pub(super) async fn apply(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer {
    let request: ApplyRequest = read(&bytes)?;
    let commands = commands(&request.commands)?;
    let who = super::serve::who(&headers, &peer);
    let replies = super::act_on_all(&app.handle, commands, request.planned, who).await?;
    let version = app.handle.snapshot().version;
    Ok(json(&ApplyResponse { replies, version }))
}

pub(super) async fn explain(State(app): State<App>, bytes: Bytes) -> Answer {
    let request: ExplainRequest = read(&bytes)?;
    let picture = app.handle.picture();
    Ok(json(&super::explained(&picture, &request.about)?))
}

pub(super) async fn fault(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer {
    let role = super::serve::who(&headers, &peer).role;
    permit::allowed(role, AccessRole::Operator, "failing an instance")?;
    let request: FaultRequest = read(&bytes)?;
    match app.handle.toggle_fault(&request.instance) {
        Some(Ok(message)) => Ok(json(&FaultResponse { message })),
        Some(Err(error)) => Err(Fault(WireError::engine(error.to_string()))),
        None => Err(Fault::from(CommandError::new(
            ErrorKind::UnsupportedFeatureException,
            "these engines are real; only a simulated instance can be failed",
        ))),
    }
}

/// One value a line. A value that cannot be written ends the stream.
fn lines<T: Serialize + Send + 'static>(
    stop: CancellationToken,
    items: impl Stream<Item = T> + Send + 'static,
) -> Response {
    written(items.take_until(stop.cancelled_owned()))
}

fn written<T: Serialize + Send + 'static>(
    items: impl Stream<Item = T> + Send + 'static,
) -> Response {
    let lines = items.map(|item| match serde_json::to_vec(&item) {
        Ok(mut line) => {
            line.push(b'\n');
            Ok(Bytes::from(line))
        }
        Err(error) => Err(std::io::Error::other(error)),
    });
    let content_type = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (content_type, Body::from_stream(lines)).into_response()
}

/// A watcher: at its own pace, and never more than the bounded ring of deltas behind.
struct Watcher {
    handle: Handle,
    watching: Watching,
    deltas: Option<Deltas>,
}

impl Watcher {
    async fn next(mut self) -> Option<(WatchLine, Self)> {
        let Some(deltas) = &mut self.deltas else {
            let (snapshot, deltas) = self.handle.listen().ok()?;
            self.deltas = Some(deltas);
            let line = WatchLine::Snapshot(Box::new(self.handle.as_of_now(&snapshot)));
            return Some((line, self));
        };
        let beat = Duration::from_secs(wire::BEAT_S);
        match tokio::time::timeout(beat, deltas.next()).await {
            Ok(Ok(delta)) => Some((WatchLine::Delta(Box::new(delta.as_ref().clone())), self)),
            Ok(Err(Missed::Gone)) => None,
            Ok(Err(Missed::Behind)) => {
                self.watching.fell_behind();
                self.deltas = None;
                Box::pin(self.next()).await
            }
            Err(_) => Some((WatchLine::Beat, self)),
        }
    }
}

pub(super) async fn watch(State(app): State<App>) -> Response {
    let watcher = Watcher {
        watching: app.handle.meters().watch(),
        handle: app.handle,
        deltas: None,
    };
    lines(app.stop, stream::unfold(watcher, Watcher::next))
}

pub(super) async fn logs(State(app): State<App>, bytes: Bytes) -> Answer {
    let request: LogsRequest = read(&bytes)?;
    let items = streams::logs(
        app.handle.snapshots(),
        app.handle.engines().clone(),
        request.target,
        request.options,
    );
    let items = items.map(|item| match item {
        Ok(item) => LogsLine::Item(item),
        Err(error) => LogsLine::Error(stream_error(&error)),
    });
    // A stream that the server cuts must not look like one that has come to its end.
    let stop = app.stop.clone();
    let ending = async move {
        stop.is_cancelled()
            .then(|| LogsLine::Error(WireError::ending()))
    };
    let items = items
        .take_until(app.stop.cancelled_owned())
        .chain(stream::once(ending).filter_map(future::ready));
    Ok(written(items))
}

pub(super) async fn stats(State(app): State<App>, bytes: Bytes) -> Answer {
    let request: StatsRequest = read(&bytes)?;
    let snapshot = app.handle.snapshot();
    let stats = streams::stats(&snapshot, app.handle.engines(), request.task).await;
    match stats {
        Ok(stats) => Ok(json(&StatsResponse { stats })),
        Err(error) => Err(Fault(stream_error(&error))),
    }
}

pub(super) async fn health_log(State(app): State<App>, bytes: Bytes) -> Answer {
    let request: HealthLogRequest = read(&bytes)?;
    let snapshot = app.handle.snapshot();
    let logs = streams::health(&snapshot, app.handle.engines(), request.task).await;
    match logs {
        Ok(containers) => Ok(json(&HealthLogResponse { containers })),
        Err(error) => Err(Fault(stream_error(&error))),
    }
}

/// Begins the program first, so that what is wrong is told as an error, then upgrades.
pub(super) async fn exec(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
) -> Answer {
    let who = super::serve::who(request.headers(), &peer);
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let asked = request.headers().get(header::UPGRADE);
    let asked = asked.is_some_and(|protocol| protocol.as_bytes() == wire::EXEC_PROTOCOL.as_bytes());
    let (Some(upgrade), true) = (upgrade, asked) else {
        return Err(Fault::from(CommandError::new(
            ErrorKind::ClientException,
            format!("exec needs an upgrade to {}", wire::EXEC_PROTOCOL),
        )));
    };
    let bytes = axum::body::to_bytes(request.into_body(), EXEC_BODY_MAX)
        .await
        .map_err(|error| {
            Fault::from(CommandError::new(
                ErrorKind::ClientException,
                error.to_string(),
            ))
        })?;
    let request: ExecRequest = read(&bytes)?;
    let session = super::exec(&app.handle, request, who)
        .await
        .map_err(Fault)?;
    tokio::spawn(async move {
        // Either side may hang up at any time: the session then ends with its connection.
        tokio::select! {
            () = carry(upgrade, session) => {}
            () = app.stop.cancelled() => {}
            () = peer.expired() => {}
        }
    });
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(
        header::UPGRADE,
        HeaderValue::from_static(wire::EXEC_PROTOCOL),
    );
    Ok(response)
}

/// Carries frames between the connection and the program until either ends.
async fn carry(upgrade: OnUpgrade, mut session: ExecSession) {
    let Ok(upgraded) = upgrade.await else { return };
    let (from, mut out) = tokio::io::split(TokioIo::new(upgraded));
    let mut from = FramedRead::new(from, Frames);
    let input = session.input;
    let inward = async {
        while let Some(Ok(Frame::Input(frame))) = from.next().await {
            if input.send(frame).await.is_err() {
                // The program takes no more; what it still writes is another matter.
                std::future::pending::<()>().await;
            }
        }
    };
    let outward = async {
        while let Some(item) = session.output.next().await {
            let (frame, last) = match item {
                Ok(output @ ExecOutput::Exit(_)) => (Frame::Output(output), true),
                Ok(output) => (Frame::Output(output), false),
                Err(error) => (Frame::Broken(error.to_string()), true),
            };
            if frame::send(&mut out, frame).await.is_err() || last {
                break;
            }
        }
        // The reader hears the end either way: by this or by the connection's own.
        let _ = out.shutdown().await;
    };
    // A reader that has gone ends the session, whether the program writes or not.
    tokio::select! {
        () = outward => {}
        () = inward => {}
    }
}
