//! What may be read without a name, over plain HTTP on this machine alone.

use std::sync::Arc;

use axum::Extension;
use axum::Router;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::connection::{ACCEPT_PAUSE, Course, Hush, converse};
use super::peer::Peer;
use super::{App, Fault};
use crate::api::metrics;
use crate::controller::{CommandError, ErrorKind};
use crate::model::ClusterName;

/// So many connections are served at once; who comes then waits for one of them to end.
const CONNECTIONS_MAX: usize = 32;

/// What programs that look after others read: figures, health, addresses.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/metrics", get(figures))
        .route("/healthz", get(health))
        .route("/v1/http_sd", get(discovery))
}

/// Takes connections in until it is told to stop.
pub(super) async fn accept(listener: Arc<TcpListener>, router: Router, course: Course) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let trouble = Hush::default();
    loop {
        let place = tokio::select! {
            // Never closed.
            Ok(place) = places.clone().acquire_owned() => place,
            () = course.stop.cancelled() => return,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = course.stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let (router, stop) = (router.clone(), course.stop.clone());
                course.spawn(async move {
                    converse(stream, router, None, stop).await;
                    drop(place);
                });
            }
            Err(error) => {
                if trouble.may_tell().is_some() {
                    tracing::warn!(%error, "no connection can be taken for metrics");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn figures(State(app): State<App>) -> Response {
    let log = app.handle.log_size().await;
    let handle = app.handle;
    // A pass over all tasks, of which there may be many.
    let page =
        tokio::task::spawn_blocking(move || metrics::page(&handle.picture(), handle.meters(), log));
    match page.await {
        Ok(page) => ([(header::CONTENT_TYPE, metrics::text::CONTENT_TYPE)], page).into_response(),
        Err(broken) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{broken}\n")).into_response(),
    }
}

async fn health(State(app): State<App>) -> Response {
    match app.handle.health() {
        Ok(()) => "ok: the control plane decides and stores\n".into_response(),
        Err(reason) => {
            let line: Vec<&str> = reason.lines().collect();
            (
                StatusCode::SERVICE_UNAVAILABLE,
                format!("{}\n", line.join(" ")),
            )
                .into_response()
        }
    }
}

/// Which of what runs is asked for.
#[derive(Debug, Default, serde::Deserialize)]
struct Which {
    /// In that cluster only.
    cluster: Option<String>,
}

async fn discovery(
    State(app): State<App>,
    peer: Option<Extension<ConnectInfo<Peer>>>,
    Query(which): Query<Which>,
) -> Result<Response, Fault> {
    let is_known = peer.is_some();
    let snapshot = app.handle.snapshot();
    let cluster = match which.cluster {
        None => None,
        Some(name) => Some(
            ClusterName::new(&name)
                .ok()
                .filter(|name| snapshot.state.clusters.contains_key(name))
                .ok_or_else(|| {
                    CommandError::new(
                        ErrorKind::ClusterNotFoundException,
                        format!("There is no cluster {name}."),
                    )
                })?,
        ),
    };
    let found = tokio::task::spawn_blocking(move || {
        metrics::targets(&snapshot, cluster.as_ref(), is_known)
    });
    let found = found
        .await
        .map_err(|broken| CommandError::new(ErrorKind::ServerException, broken.to_string()))?;
    Ok(axum::Json(found).into_response())
}
