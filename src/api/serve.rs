//! The server on the unix socket in the state folder.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::IncomingStream;
use serde::Serialize;
use serde_json::Value;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::wire::{self, WireError};
use super::{act, query, v1};
use crate::controller::{CommandError, ErrorKind, Handle, wire as ecs};
use crate::model::{Actor, Surface};
use crate::store::lock;

/// Name of the socket in the state folder.
pub const SOCKET: &str = "qd.sock";
/// The longest request body, in bytes; ECS's own limit for a task definition is 64 KiB.
const BODY_MAX: usize = 4 << 20;
/// How long connections may take to end when the server stops.
const FAREWELL: Duration = Duration::from_secs(3);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[error("the socket {}: {message}", place.display())]
pub struct ServeError {
    /// The socket.
    pub place: PathBuf,
    /// Why not.
    pub message: String,
}

/// A server at work. Dropped without [`Server::stop`] it ends at once.
pub struct Server {
    place: PathBuf,
    stop: CancellationToken,
    task: AbortOnDropHandle<std::io::Result<()>>,
}

impl Server {
    /// Serves a control plane on the socket in `dir`, in place of a stale one. Only who holds
    /// the folder's lock may ask for this.
    ///
    /// # Errors
    /// [`ServeError`] if the socket cannot be made.
    pub fn start(dir: &Path, handle: Handle) -> Result<Self, ServeError> {
        let place = dir.join(SOCKET);
        let listener = bind(dir, &place).map_err(|error| ServeError {
            place: place.clone(),
            message: explain(&place, &error),
        })?;
        let stop = CancellationToken::new();
        let router = router(App {
            handle,
            stop: stop.clone(),
        });
        let stopped = stop.clone().cancelled_owned();
        let service = router.into_make_service_with_connect_info::<Peer>();
        let serving = axum::serve(listener, service).with_graceful_shutdown(stopped);
        let task = tokio::spawn(async move { serving.await });
        Ok(Self {
            place,
            stop,
            task: AbortOnDropHandle::new(task),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Ends the streams, lets requests under way finish for a moment, and removes the socket.
    pub async fn stop(mut self) {
        self.stop.cancel();
        match tokio::time::timeout(FAREWELL, &mut self.task).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the server ended badly"),
            Ok(Err(error)) => tracing::warn!(%error, "the server broke down"),
            Err(_) => tracing::warn!("connections that did not end were cut"),
        }
        if let Err(error) = std::fs::remove_file(&self.place) {
            tracing::warn!(%error, socket = %self.place.display(), "the socket stays behind");
        }
    }
}

/// Makes the socket for its owner alone from its first moment on: it is bound in a folder that
/// nobody else can enter, and moved to its place, where it replaces a stale one in one step.
fn bind(dir: &Path, place: &Path) -> std::io::Result<UnixListener> {
    let cradle = dir.join(format!(".{}", std::process::id()));
    match std::fs::remove_dir_all(&cradle) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::DirBuilder::new().mode(0o700).create(&cradle)?;
    let born = cradle.join("s");
    let listener = UnixListener::bind(&born).and_then(|listener| {
        std::fs::set_permissions(&born, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&born, place)?;
        Ok(listener)
    });
    std::fs::remove_dir_all(&cradle)?;
    listener
}

fn explain(place: &Path, error: &std::io::Error) -> String {
    if error.kind() == std::io::ErrorKind::InvalidInput {
        let length = place.as_os_str().len();
        return format!(
            "its path of {length} bytes is longer than a socket's may be (about 100); name a \
             shorter folder with --state"
        );
    }
    error.to_string()
}

/// What every handler has.
#[derive(Clone)]
pub(super) struct App {
    pub handle: Handle,
    /// Streams end when this is cancelled.
    pub stop: CancellationToken,
}

fn router(app: App) -> Router {
    Router::new()
        .route("/", post(operation))
        .route("/v1/snapshot", get(v1::snapshot))
        .route("/v1/watch", get(v1::watch))
        .route("/v1/history", post(v1::history))
        .route("/v1/logs", post(v1::logs))
        .route("/v1/stats", post(v1::stats))
        .route("/v1/exec", post(v1::exec))
        .route("/v1/plan", post(v1::plan))
        .route("/v1/apply", post(v1::apply))
        .route("/v1/explain", post(v1::explain))
        .route("/v1/fault", post(v1::fault))
        .fallback(nowhere)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(app)
}

async fn nowhere() -> Fault {
    Fault(WireError::from(&CommandError::new(
        ErrorKind::UnknownOperationException,
        "there is nothing here: ECS's operations are POST /, ours are under /v1/",
    )))
}

/// An error as ECS sends it.
pub(super) struct Fault(pub WireError);

impl From<CommandError> for Fault {
    fn from(error: CommandError) -> Self {
        Self(WireError::from(&error))
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = if self.0.kind == "ServerException" {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            StatusCode::BAD_REQUEST
        };
        let mut response = json(&self.0);
        *response.status_mut() = status;
        response
    }
}

/// A body of ECS's content type.
pub(super) fn json<T: Serialize>(body: &T) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => ([(header::CONTENT_TYPE, wire::CONTENT_TYPE)], bytes).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Reads a body; an empty one counts as `{}`.
pub(super) fn body(bytes: &Bytes) -> Result<Value, CommandError> {
    if bytes.is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        CommandError::new(
            ErrorKind::ClientException,
            format!("the body is not JSON: {error}"),
        )
    })
}

/// One of ECS's operations.
async fn operation(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Fault> {
    let target = headers
        .get("x-amz-target")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let Some(operation) = target.strip_prefix(wire::TARGET_PREFIX) else {
        return Err(Fault::from(CommandError::new(
            ErrorKind::UnknownOperationException,
            format!(
                "the header X-Amz-Target must be {}OPERATION, and is \"{target}\"",
                wire::TARGET_PREFIX
            ),
        )));
    };
    let body = body(&bytes)?;
    if query::OPERATIONS.contains(&operation) {
        return Ok(json(&query(&app.handle.snapshot(), operation, &body)?));
    }
    let command = ecs::decode(operation, &body)?;
    let reply = act(&app.handle, command, who(&headers, peer)).await?;
    let mut response = json(&reply.body);
    let version = app.handle.snapshot().version;
    response
        .headers_mut()
        .insert(wire::VERSION_HEADER, HeaderValue::from(version));
    if !reply.warnings.is_empty()
        && let Ok(warnings) = HeaderValue::from_str(&wire::warnings(&reply.warnings))
    {
        response
            .headers_mut()
            .insert(wire::WARNINGS_HEADER, warnings);
    }
    Ok(response)
}

/// The user at the other end of a connection, as the kernel knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(Option<u32>);

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(stream.io().peer_cred().ok().map(|peer| peer.uid()))
    }
}

/// Who asks. Only the socket's owner (and root) gets this far, and is trusted to say more than
/// which user it is.
pub(super) fn who(headers: &HeaderMap, peer: Peer) -> Actor {
    let said = |name| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.filter(|text| !text.is_empty())
    };
    let user = match (said(wire::USER_HEADER), peer.0) {
        (Some(user), _) => user.to_owned(),
        (None, Some(uid)) => lock::user_of(uid),
        (None, None) => "unknown".to_owned(),
    };
    Actor::new(&user, Surface::from_wire(said(wire::SURFACE_HEADER)))
}
