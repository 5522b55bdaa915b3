//! The unix socket in the state folder: for its owner and root.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::connection::{ACCEPT_PAUSE, Course, Hush, converse, refusing};
use super::peer;

/// So many connections are served at once; who comes then waits for one of them to end.
const CONNECTIONS_MAX: usize = 512;
/// So many that are not admitted are told so at once; more are cut without a word.
const REFUSED_MAX: usize = 16;

/// Makes the socket for its owner alone from its first moment on: it is bound in a folder that
/// nobody else can enter, and moved to its place, where it replaces a stale one in one step.
pub(super) fn bind(dir: &Path, place: &Path) -> std::io::Result<UnixListener> {
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

/// What is wrong with a place for a socket.
pub(super) fn explain(place: &Path, error: &std::io::Error) -> String {
    if error.kind() == std::io::ErrorKind::InvalidInput {
        let length = place.as_os_str().len();
        return format!(
            "its path of {length} bytes is longer than a socket's may be (about 100); name a \
             shorter folder with --state"
        );
    }
    error.to_string()
}

/// Takes connections in until it is told to stop.
pub(super) async fn accept(listener: UnixListener, router: Router, course: Course) {
    let owner = rustix::process::geteuid().as_raw();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let strangers = Arc::new(Semaphore::new(REFUSED_MAX));
    let (hush, trouble) = (Hush::default(), Hush::default());
    let mut waiting = None;
    loop {
        let place = match waiting.take() {
            Some(place) => place,
            None => tokio::select! {
                // Never closed.
                Ok(place) = places.clone().acquire_owned() => place,
                () = course.stop.cancelled() => return,
            },
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = course.stop.cancelled() => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                if trouble.may_tell().is_some() {
                    tracing::warn!(%error, "the socket takes no connection");
                }
                waiting = Some(place);
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let stop = course.stop.clone();
        match peer::admitted(user(&stream), owner) {
            Ok(peer) => {
                let router = router.clone();
                course.spawn(async move {
                    converse(stream, router, Some(peer), stop).await;
                    drop(place);
                });
            }
            Err(refusal) => {
                waiting = Some(place);
                if let Some(untold) = hush.may_tell() {
                    tracing::warn!(user = ?user(&stream), untold, %refusal, "refused on the socket");
                }
                if let Ok(place) = strangers.clone().try_acquire_owned() {
                    course.spawn(async move {
                        // Nothing is asked of who it is: everything gets the same answer.
                        converse(stream, refusing(refusal), None, stop).await;
                        drop(place);
                    });
                }
            }
        }
    }
}

/// The user at the other end, as the kernel knows it.
fn user(stream: &UnixStream) -> Option<u32> {
    stream.peer_cred().ok().map(|peer| peer.uid())
}
