//! The server: on the unix socket in the state folder, and where the config says so besides.

mod certificate;
mod connection;
mod patient;
mod peer;
mod places;
mod plain;
mod socket;
mod tls;

pub use patient::STALL_MOST;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::wire::{self, WireError};
use super::{act, query, v1};
use crate::config::ListenSettings;
use crate::controller::{CommandError, ErrorKind, Handle, wire as ecs};
use connection::{BODY_MAX, Listener, whole_body};
pub(super) use peer::{Peer, who};

/// Name of the socket in the state folder.
pub const SOCKET: &str = "qd.sock";
/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {message}")]
pub struct ServeError {
    /// The socket or address, as what it is configured: `the socket /run/qd.sock`.
    pub place: String,
    /// Why not.
    pub message: String,
}

/// A server at work. Dropped without [`Server::stop`] it ends at once.
pub struct Server {
    place: PathBuf,
    handle: Handle,
    socket: Listener,
    api: Option<Api>,
    metrics: Option<Metrics>,
}

/// A socket that is bound. It outlives who takes connections from it.
#[derive(Clone)]
struct Bound {
    address: SocketAddr,
    listener: Arc<TcpListener>,
}

/// What listens, by what it was configured with.
struct Listening<T> {
    what: T,
    bound: Bound,
    listener: Listener,
}

type Api = Listening<tls::Loaded>;
type Metrics = Listening<SocketAddr>;

/// What becomes of one thing that listens.
enum Step<T> {
    /// It goes on as it is.
    Stays,
    /// It ends, or never was.
    Ends,
    /// It begins, in place of what was there.
    Begins(T, Bound),
}

/// Where to listen from now on, with all that could go wrong behind it. Dropped, it leaves
/// everything as it is.
pub struct Prepared {
    api: Step<tls::Loaded>,
    metrics: Step<SocketAddr>,
}

impl Server {
    /// Serves a control plane on the socket in `dir`, in place of a stale one. Only who holds
    /// the folder's lock may ask for this.
    ///
    /// # Errors
    /// [`ServeError`] if the socket cannot be made.
    pub fn start(dir: &Path, handle: Handle) -> Result<Self, ServeError> {
        let place = dir.join(SOCKET);
        let bound = socket::bind(dir, &place).map_err(|error| ServeError {
            place: format!("the socket {}", place.display()),
            message: socket::explain(&place, &error),
        })?;
        let socket = Listener::start(|course| {
            let router = router(App {
                handle: handle.clone(),
                stop: course.stop.clone(),
            });
            socket::accept(bound, router, course)
        });
        Ok(Self {
            place,
            handle,
            socket,
            api: None,
            metrics: None,
        })
    }

    /// Listens where the config says, besides the socket, and no longer where it does not:
    /// [`Server::prepare`] and [`Server::take_up`] in one.
    ///
    /// # Errors
    /// As for [`Server::prepare`]; then everything is as it was.
    pub async fn listen(&mut self, settings: &ListenSettings) -> Result<(), ServeError> {
        let prepared = self.prepare(settings).await?;
        self.take_up(prepared).await;
        Ok(())
    }

    /// Reads the files and binds the addresses that are new, and changes nothing yet. What
    /// listens there already keeps its socket, whichever of the two tables it was under.
    ///
    /// # Errors
    /// [`ServeError`] with the address or file that cannot be used.
    pub async fn prepare(&self, settings: &ListenSettings) -> Result<Prepared, ServeError> {
        let api = match (&settings.api, &self.api) {
            (None, _) => Step::Ends,
            (Some(api), now) => {
                let loaded = tls::Loaded::read(api).map_err(|message| ServeError {
                    place: "[api]".to_owned(),
                    message,
                })?;
                match now {
                    Some(now) if now.what.is_as(&loaded) => Step::Stays,
                    _ => {
                        let same = |it: &&Api| it.what.address() == loaded.address();
                        let known = now.as_ref().filter(same).map(|it| it.bound.clone());
                        let bound = self.socket("[api]", loaded.address(), known).await?;
                        Step::Begins(loaded, bound)
                    }
                }
            }
        };
        let metrics = match (settings.metrics, &self.metrics) {
            (None, _) => Step::Ends,
            (Some(new), Some(now)) if now.what == new => Step::Stays,
            (Some(new), _) => Step::Begins(new, self.socket("[metrics]", new, None).await?),
        };
        Ok(Prepared { api, metrics })
    }

    /// The socket for an address: the one that listens there now, or one that is bound for it.
    async fn socket(
        &self,
        table: &str,
        wanted: SocketAddr,
        known: Option<Bound>,
    ) -> Result<Bound, ServeError> {
        let api = self.api.iter().map(|it| &it.bound);
        let metrics = self.metrics.iter().map(|it| &it.bound);
        let mut ours = api.chain(metrics).filter(|it| it.address == wanted);
        match known.or_else(|| ours.next().cloned()) {
            Some(bound) => Ok(bound),
            None => bind(table, wanted).await,
        }
    }

    /// Goes by what was prepared. What stays as it is keeps its connections; all others end, those
    /// of who may no longer come among them, and whoever still may attaches anew.
    pub async fn take_up(&mut self, prepared: Prepared) {
        // Both first, so that nobody takes what comes over a socket that changes hands.
        if !matches!(prepared.api, Step::Stays)
            && let Some(before) = self.api.take()
        {
            before.listener.stop().await;
        }
        if !matches!(prepared.metrics, Step::Stays)
            && let Some(before) = self.metrics.take()
        {
            before.listener.stop().await;
        }
        if let Step::Begins(loaded, bound) = prepared.api {
            self.api = Some(self.begin_over_tls(loaded, bound));
        }
        if let Step::Begins(configured, bound) = prepared.metrics {
            self.metrics = Some(self.begin_plainly(configured, bound));
        }
    }

    fn begin_plainly(&self, configured: SocketAddr, bound: Bound) -> Metrics {
        let listener = Listener::start(|course| {
            let router = plain_router(App {
                handle: self.handle.clone(),
                stop: course.stop.clone(),
            });
            plain::accept(bound.listener.clone(), router, course)
        });
        tracing::info!(address = %bound.address, "metrics, health and addresses are served");
        Listening {
            what: configured,
            bound,
            listener,
        }
    }

    /// Where figures, health and addresses are served plainly, if they are.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|it| it.bound.address)
    }

    fn begin_over_tls(&self, loaded: tls::Loaded, bound: Bound) -> Api {
        let listener = Listener::start(|course| {
            let router = router(App {
                handle: self.handle.clone(),
                stop: course.stop.clone(),
            });
            tls::accept(bound.listener.clone(), loaded.door(router), course)
        });
        tracing::info!(address = %bound.address, "listening with mutual TLS");
        Listening {
            what: loaded,
            bound,
            listener,
        }
    }

    /// Where the API is served over TLS, if it is.
    #[must_use]
    pub fn api_address(&self) -> Option<SocketAddr> {
        self.api.as_ref().map(|it| it.bound.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Ends the streams, lets requests under way finish for a moment, and removes the socket.
    pub async fn stop(self) {
        if let Some(api) = self.api {
            api.listener.stop().await;
        }
        if let Some(metrics) = self.metrics {
            metrics.listener.stop().await;
        }
        self.socket.stop().await;
        if let Err(error) = std::fs::remove_file(&self.place) {
            tracing::warn!(%error, socket = %self.place.display(), "the socket stays behind");
        }
    }
}

async fn bind(table: &str, address: SocketAddr) -> Result<Bound, ServeError> {
    let bound = TcpListener::bind(address).await;
    let bound = bound.and_then(|listener| {
        Ok(Bound {
            address: listener.local_addr()?,
            listener: Arc::new(listener),
        })
    });
    bound.map_err(|error| ServeError {
        place: format!("{table} listen {address}"),
        message: error.to_string(),
    })
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
        .route("/v1/whoami", get(v1::whoami))
        .route("/v1/snapshot", get(v1::snapshot))
        .route("/v1/watch", get(v1::watch))
        .route("/v1/history", post(v1::history))
        .route("/v1/logs", post(v1::logs))
        .route("/v1/stats", post(v1::stats))
        .route("/v1/health-log", post(v1::health_log))
        .route("/v1/exec", post(v1::exec))
        .route("/v1/plan", post(v1::plan))
        .route("/v1/apply", post(v1::apply))
        .route("/v1/explain", post(v1::explain))
        .route("/v1/fault", post(v1::fault))
        .merge(plain::routes())
        .fallback(nowhere)
        .layer(axum::middleware::from_fn(whole_body))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(app)
}

/// What is served without a name.
fn plain_router(app: App) -> Router {
    plain::routes().fallback(nowhere).with_state(app)
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
    let reply = act(&app.handle, command, who(&headers, &peer)).await?;
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
