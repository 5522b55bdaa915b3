//! Attach to the control plane of a state folder, or carry it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};

use super::alive::Alive;
use super::{Client, ClientError, LocalClient, RemoteClient, operator};
use crate::agent::{Clock, SystemClock, Tuning};
use crate::api::serve::SOCKET;
use crate::api::{Prepared, ServeError, Server};
use crate::config::{Difference, ListenSettings, Settings};
use crate::controller::{ControlPlane, Ended, Handle, ReloadRefusal, Start, StartError, start};
use crate::docker::Connector;
use crate::model::Surface;
use crate::model::snapshot::Holder;
use crate::store::lock::user;
use crate::store::{LockError, LockHolder, SqliteStore, StateLock, StoreError};

/// How long a held folder is tried again: its holder may be starting, or ending.
const PATIENCE: Duration = Duration::from_secs(10);
/// Wait between two such attempts.
const ATTEMPT_GAP: Duration = Duration::from_millis(100);
/// How long one attempt to attach may take.
const ATTACH_LIMIT: Duration = Duration::from_secs(5);

/// Opens engines, made only by who carries the control plane. It is given the state folder, for
/// private files.
pub type MakeConnector = Box<dyn FnOnce(&Path) -> Arc<dyn Connector> + Send>;

/// What to open, and as what.
pub struct OpenOptions {
    /// The validated configuration, for when this process carries the control plane.
    pub settings: Settings,
    /// The state folder.
    pub state_dir: PathBuf,
    /// What this process is: `serve`, `console`, `apply`, …
    pub role: String,
    /// Whether it has to carry the control plane itself: attaching to another is an error then.
    pub serve: bool,
    /// Opens engines.
    pub connector: MakeConnector,
    /// The agents' numbers.
    pub tuning: Tuning,
}

/// A control plane that is there to be used.
pub struct Opened {
    /// The surface.
    pub client: Arc<dyn Client>,
    /// The control plane itself, if this process carries it.
    pub plane: Option<Carried>,
}

/// Why there is no control plane to use.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the state folder and does not answer on its socket.
    #[error(
        "{held}, which does not answer on its socket; end that process, or name another state folder with --state"
    )]
    Held {
        /// Who.
        held: LockError,
    },
    /// Another process carries the control plane already, and this one was to.
    #[error("the control plane of {} is carried already by qd {} (pid {}, user {})", dir.display(), holder.role, holder.pid, holder.user)]
    Carried {
        /// The state folder.
        dir: PathBuf,
        /// Who.
        holder: Box<Holder>,
    },
    /// The lock cannot be used.
    #[error(transparent)]
    Lock(LockError),
    /// The state cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The control plane did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The socket cannot be made.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// A control plane that this process carries, with its socket and its lock.
pub struct Carried {
    plane: ControlPlane,
    server: Server,
    alive: Alive,
    // Let go last: whoever takes it next finds everything stored.
    lock: StateLock,
}

impl Carried {
    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        self.server.place()
    }

    /// The way in and out.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.plane.handle
    }

    /// The configuration that it goes by.
    #[must_use]
    pub fn settings(&self) -> Option<&Settings> {
        self.plane.settings()
    }

    /// Goes by another configuration from now on.
    ///
    /// # Errors
    /// [`ReloadRefusal`]; then everything is as it was.
    pub async fn reload(&mut self, settings: Settings) -> Result<Difference, ReloadRefusal> {
        self.plane.reload(settings).await
    }

    /// Holds that it can listen where the configuration says besides the socket.
    ///
    /// # Errors
    /// [`ServeError`] as for [`Server::prepare`].
    pub async fn prepare(&self, settings: &ListenSettings) -> Result<Prepared, ServeError> {
        self.server.prepare(settings).await
    }

    /// Listens as was prepared, and no longer elsewhere.
    pub async fn take_up(&mut self, prepared: Prepared) {
        self.server.take_up(prepared).await;
    }

    /// Resolves when the control plane has ended by itself. May be dropped and called anew
    /// until then.
    ///
    /// # Errors
    /// [`Ended`] with the reason.
    pub async fn ended(&mut self) -> Result<(), Ended> {
        self.plane.ended().await
    }

    /// Takes the socket away, stops the agents, stores what is left, and lets the folder go.
    /// Containers go on running.
    ///
    /// # Errors
    /// [`Ended`] if the control plane had ended before, or the last change was not stored.
    pub async fn stop(self) -> Result<(), Ended> {
        self.server.stop().await;
        let outcome = self.plane.stop().await;
        self.alive.end().await;
        drop(self.lock);
        outcome
    }
}

/// Attaches to the control plane of the state folder if one answers on its socket; else takes
/// the folder's lock and carries the control plane, with the socket for others to attach to.
/// Of several that begin at once, one carries and the others attach.
///
/// # Errors
/// [`OpenError`].
pub async fn open(options: OpenOptions) -> Result<Opened, OpenError> {
    let dir = options.state_dir.clone();
    let socket = dir.join(SOCKET);
    let holder = holder(&options.role);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let held = match StateLock::take(&dir, &holder) {
            Ok(lock) => return carry(options, lock, holder).await,
            Err(held @ LockError::Held { .. }) => held,
            Err(error) => return Err(OpenError::Lock(error)),
        };
        let attach = RemoteClient::connect(&socket, operator(surface(&options.role)));
        let attach = timeout(ATTACH_LIMIT, attach)
            .await
            .unwrap_or_else(|_| Err(silent()));
        match attach {
            Ok(client) if options.serve => {
                let holder = client.snapshots().borrow().holder.clone();
                return Err(OpenError::Carried {
                    dir,
                    holder: Box::new(holder),
                });
            }
            Ok(client) => {
                return Ok(Opened {
                    client: Arc::new(client),
                    plane: None,
                });
            }
            Err(error) => tracing::debug!(%error, "the state folder is held, its socket silent"),
        }
        if Instant::now() >= deadline {
            return Err(OpenError::Held { held });
        }
        sleep(ATTEMPT_GAP).await;
    }
}

/// Attaches to the control plane of a state folder, if one listens on its socket now; nothing where
/// nobody does.
///
/// # Errors
/// [`ClientError`] when somebody listens and it cannot be attached to: it is silent, refuses us, or
/// is of another version.
pub async fn attach(dir: &Path, surface: Surface) -> Result<Option<Arc<dyn Client>>, ClientError> {
    let socket = dir.join(SOCKET);
    // One that was killed leaves its socket behind, on which nobody listens.
    if let Err(error) = UnixStream::connect(&socket).await
        && matches!(
            error.kind(),
            ErrorKind::NotFound | ErrorKind::ConnectionRefused
        )
    {
        tracing::debug!(%error, "no control plane listens on the socket");
        return Ok(None);
    }
    let attach = RemoteClient::connect(&socket, operator(surface));
    let client = timeout(ATTACH_LIMIT, attach)
        .await
        .unwrap_or_else(|_| Err(silent()))?;
    Ok(Some(Arc::new(client)))
}

fn silent() -> ClientError {
    ClientError::Gone("it is silent".to_owned())
}

/// Through what a process of that role asks for changes.
fn surface(role: &str) -> Surface {
    match role {
        "console" => Surface::Console,
        _ => Surface::CommandLine,
    }
}

fn holder(role: &str) -> LockHolder {
    LockHolder {
        pid: std::process::id(),
        user: user(),
        role: role.to_owned(),
        since: SystemClock.now(),
    }
}

/// Carries the control plane of the state folder if nobody holds the folder now, without waiting;
/// `None` if somebody does.
///
/// # Errors
/// [`OpenError`].
pub(super) async fn take_over(options: OpenOptions) -> Result<Option<Opened>, OpenError> {
    let holder = holder(&options.role);
    match StateLock::take(&options.state_dir, &holder) {
        Ok(lock) => carry(options, lock, holder).await.map(Some),
        Err(LockError::Held { .. }) => Ok(None),
        Err(error) => Err(OpenError::Lock(error)),
    }
}

async fn carry(
    options: OpenOptions,
    lock: StateLock,
    holder: LockHolder,
) -> Result<Opened, OpenError> {
    let dir = options.state_dir;
    let operator = operator(surface(&options.role));
    // A command that carries the control plane for a moment opens no port.
    let listen = options.serve.then(|| options.settings.listen.clone());
    let opening = dir.clone();
    let store = tokio::task::spawn_blocking(move || SqliteStore::open(&opening))
        .await
        .map_err(|broken| StartError::Broken(broken.to_string()))??;
    let plane = start(Start {
        settings: options.settings,
        store: Box::new(store),
        last_alive: lock.last_alive(),
        connector: (options.connector)(&dir),
        clock: Arc::new(SystemClock),
        seed: None,
        holder: Holder {
            role: holder.role,
            pid: holder.pid,
            user: holder.user,
            since: holder.since,
            simulated: false,
        },
        tuning: options.tuning,
    })
    .await?;
    let alive = Alive::keep(lock.life_sign(), SystemClock, plane.handle.snapshots());
    let mut server = Server::start(&dir, plane.handle.clone())?;
    if let Some(listen) = listen {
        server.listen(&listen).await?;
    }
    Ok(Opened {
        client: Arc::new(LocalClient::new(plane.handle.clone(), operator)),
        plane: Some(Carried {
            plane,
            server,
            alive,
            lock,
        }),
    })
}
