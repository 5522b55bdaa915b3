//! One connection at a time, whatever it came over: heads, bodies and their number are bounded.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tower_service::Service as _;

use super::patient::Patient;
use super::{Fault, Peer};
use crate::controller::{CommandError, ErrorKind};

/// How long the head of a request may take to arrive, and a connection be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest request body, in bytes; ECS's own limit for a task definition is 64 KiB.
pub(super) const BODY_MAX: usize = 4 << 20;
/// The most bytes that one connection has read ahead, and the longest head.
const BUFFER_MAX: usize = 64 << 10;
/// How long connections may take to end when a listener stops.
const FAREWELL: Duration = Duration::from_secs(3);
/// Wait after a connection could not be taken: the machine is out of something.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The same is told to the log once in this time at most.
const HUSH: Duration = Duration::from_secs(10);

/// What the connections of one listener have in common.
#[derive(Clone, Debug)]
pub(super) struct Course {
    /// Streams end and no request is taken any more when this is cancelled.
    pub stop: CancellationToken,
    /// Connections are cut when this is.
    cut: CancellationToken,
    tasks: TaskTracker,
}

impl Course {
    /// Looks after a connection, or whatever else ends with the listener.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cut = self.cut.clone();
        self.tasks.spawn(async move {
            // Cut first: what is dropped half-way is meant to be.
            tokio::select! {
                biased;
                () = cut.cancelled() => {}
                () = task => {}
            }
        });
    }
}

/// Something that listens, with all its connections. Dropped without [`Listener::stop`] it ends
/// at once.
#[derive(Debug)]
pub(super) struct Listener {
    course: Course,
    cut: DropGuard,
}

impl Listener {
    /// Begins to listen: `accept` takes connections in until it is told to stop.
    pub fn start<F>(accept: impl FnOnce(Course) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let cut = CancellationToken::new();
        let course = Course {
            stop: CancellationToken::new(),
            cut: cut.clone(),
            tasks: TaskTracker::new(),
        };
        course.spawn(accept(course.clone()));
        Self {
            course,
            cut: cut.drop_guard(),
        }
    }

    /// Ends the streams, lets requests under way finish for a moment, and cuts what is left.
    pub async fn stop(self) {
        let Self { course, cut } = self;
        course.stop.cancel();
        course.tasks.close();
        if tokio::time::timeout(FAREWELL, course.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("connections that did not end were cut");
        }
        drop(cut);
        // What was cut has let go of its address, too.
        course.tasks.wait().await;
    }
}

/// Serves one connection until either end hangs up or the listener stops. Without a peer, whatever
/// asks in somebody's name fails.
pub(super) async fn converse<S>(
    stream: S,
    router: Router,
    peer: Option<Peer>,
    stop: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        if let Some(peer) = &peer {
            request.extensions_mut().insert(ConnectInfo(peer.clone()));
        }
        // A router is ready at any time.
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(BUFFER_MAX)
        .serve_connection(TokioIo::new(Patient::new(stream)), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

/// Answers everything on a connection with the same refusal.
pub(super) fn refusing(refusal: CommandError) -> Router {
    Router::new().fallback(move || {
        let refusal = refusal.clone();
        async move { Fault::from(refusal) }
    })
}

/// Takes a body in whole before anything is done with it, within its bounds.
pub(super) async fn whole_body(request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let refuse = |message: String| {
        Fault::from(CommandError::new(ErrorKind::ClientException, message)).into_response()
    };
    let bytes = axum::body::to_bytes(body, BODY_MAX);
    match tokio::time::timeout(BODY_TIMEOUT, bytes).await {
        Ok(Ok(bytes)) => next.run(Request::from_parts(head, Body::from(bytes))).await,
        Ok(Err(error)) => refuse(format!(
            "the body cannot be taken: {error} (it may have {BODY_MAX} bytes)"
        )),
        Err(_) => refuse(format!(
            "the body did not arrive within {} s",
            BODY_TIMEOUT.as_secs()
        )),
    }
}

/// Keeps somebody who tries in a loop from filling the log.
#[derive(Debug, Default)]
pub(super) struct Hush(Mutex<Hushed>);

#[derive(Debug, Default)]
struct Hushed {
    told: Option<Instant>,
    untold: u64,
}

impl Hush {
    /// How often it was not told before, if it may be told now.
    pub fn may_tell(&self) -> Option<u64> {
        let mut hushed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if hushed.told.is_some_and(|told| told.elapsed() < HUSH) {
            hushed.untold += 1;
            return None;
        }
        hushed.told = Some(Instant::now());
        Some(std::mem::take(&mut hushed.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_repeats_is_told_once_in_a_while_with_how_often_it_was_not() {
        let hush = Hush::default();
        assert_eq!(hush.may_tell(), Some(0));
        assert_eq!([hush.may_tell(), hush.may_tell()], [None, None]);
        tokio::time::advance(HUSH).await;
        assert_eq!(hush.may_tell(), Some(2));
        assert_eq!(hush.may_tell(), None);
    }
}
