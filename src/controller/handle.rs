//! The way in and out of a running control plane.

use std::sync::{Arc, OnceLock};

use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::command::{Command, CommandError, ErrorKind, Response};
use super::core::{Batch, Reload};
use super::meters::Meters;
use super::orphaned::Orphaned;
use super::past::Past;
use crate::agent::Clock;
use crate::agent::EngineDirectory;
use crate::docker::{Connector, EngineResult};
use crate::model::snapshot::Delta;
use crate::model::snapshot::Holder;
use crate::model::{Actor, History, HistoryAsk, InstanceName, Snapshot, TimeMs};
use crate::store::LogSize;

/// How many commands may wait; who asks for more waits with them.
pub const COMMANDS_MAX: usize = 256;
/// How many deltas a slow listener may fall behind before it has to begin anew.
pub const DELTAS_MAX: usize = 512;

/// Where an answer goes.
pub(super) type ReplyTo<T> = oneshot::Sender<Result<Answer<T>, CommandError>>;

/// A request on its way to the one owner of the state.
pub(super) enum Request {
    /// One change.
    Command {
        command: Command,
        who: Actor,
        reply: ReplyTo<Response>,
    },
    /// Several, made together or not at all.
    Batch {
        batch: Batch,
        reply: ReplyTo<Vec<Response>>,
    },
    /// The configuration was read anew.
    Reload {
        reload: Reload,
        reply: oneshot::Sender<Result<(), ReloadRefusal>>,
    },
    /// It was to be, and cannot be used.
    ReloadRefused {
        reason: String,
        reply: oneshot::Sender<()>,
    },
    /// Whether decisions are made at all.
    Probe { reply: oneshot::Sender<()> },
}

/// Why a running control plane does not go by another configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReloadRefusal {
    /// It would take instances out of the fleet from under their tasks.
    #[error(transparent)]
    Orphaned(#[from] Orphaned),
    /// It cannot be stored, or the control plane is gone.
    #[error(transparent)]
    Store(CommandError),
}

/// What came of a command, and the picture right after it.
#[derive(Clone, Debug)]
pub struct Answer<T = Response> {
    /// The response.
    pub response: T,
    /// The first picture with the command's effect in it.
    pub snapshot: Arc<Snapshot>,
}

/// Why a listener got no delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// It fell too far behind: take a fresh picture and go on from there.
    Behind,
    /// The control plane is gone.
    Gone,
}

/// A running control plane, as everyone but its owner sees it. Cheap to copy.
#[derive(Clone)]
pub struct Handle {
    pub(super) commands: mpsc::Sender<Request>,
    pub(super) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(super) deltas: broadcast::WeakSender<Arc<Delta>>,
    pub(super) engines: EngineDirectory,
    pub(super) connector: Arc<dyn Connector>,
    pub(super) fate: Arc<OnceLock<String>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) past: Past,
    pub(super) meters: Arc<Meters>,
}

impl Handle {
    /// Asks for a change; `who` goes into the audit trail. Resolves after the change is stored.
    ///
    /// # Errors
    /// [`CommandError`] when it is refused, or as ServerException when the control plane is
    /// gone: then it is not known whether the change was stored.
    pub async fn command(&self, command: Command, who: Actor) -> Result<Answer, CommandError> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Command {
            command,
            who,
            reply,
        };
        self.ask(request, answer).await
    }

    /// Asks for several changes, made together or not at all. Resolves after they are stored.
    ///
    /// # Errors
    /// [`CommandError`] as for [`Handle::command`], and as ConflictException where they would
    /// not come to what was planned.
    pub async fn batch(&self, batch: Batch) -> Result<Answer<Vec<Response>>, CommandError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Batch { batch, reply }, answer).await
    }

    /// Goes by another configuration from now on.
    pub(super) async fn reload(&self, reload: Reload) -> Result<(), ReloadRefusal> {
        let (reply, answer) = oneshot::channel();
        let gone = || ReloadRefusal::Store(self.gone());
        let asked = self.commands.send(Request::Reload { reload, reply }).await;
        asked.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Writes down that the configuration was to be read anew and cannot be used. Resolves when
    /// that is stored, or cannot be.
    pub async fn reload_refused(&self, reason: String) {
        let (reply, noted) = oneshot::channel();
        let request = Request::ReloadRefused { reason, reply };
        if self.commands.send(request).await.is_ok() {
            // Gone meanwhile: then it ends with a reason of its own.
            let _ = noted.await;
        }
    }

    /// Resolves when a decision was made after this was asked, so that it tells of more than a
    /// process that is there: of a queue that is taken from and of a store that comes back. While
    /// the store cannot be written it is answered all the same, for that is known and told.
    ///
    /// # Errors
    /// [`CommandError`] when the control plane is gone.
    pub async fn probe(&self) -> Result<(), CommandError> {
        let (reply, made) = oneshot::channel();
        let asked = self.commands.send(Request::Probe { reply }).await;
        asked.map_err(|_| self.gone())?;
        made.await.map_err(|_| self.gone())
    }

    async fn ask<T>(
        &self,
        request: Request,
        answer: oneshot::Receiver<Result<Answer<T>, CommandError>>,
    ) -> Result<Answer<T>, CommandError> {
        if self.commands.send(request).await.is_err() {
            return Err(self.gone());
        }
        answer.await.unwrap_or_else(|_| Err(self.gone()))
    }

    fn gone(&self) -> CommandError {
        let message = match self.fate.get() {
            Some(reason) => format!("the control plane has stopped: {reason}"),
            None => "the control plane has stopped".to_owned(),
        };
        CommandError::new(ErrorKind::ServerException, message)
    }

    /// Why the control plane stopped, once it has, if it was not asked to.
    #[must_use]
    pub fn fate(&self) -> Option<&str> {
        self.fate.get().map(String::as_str)
    }

    /// What is counted while it runs.
    #[must_use]
    pub fn meters(&self) -> &Arc<Meters> {
        &self.meters
    }

    /// How large the change log is; `None` if it does not say in time.
    pub async fn log_size(&self) -> Option<LogSize> {
        self.past.size().await
    }

    /// Whether the control plane decides and stores.
    ///
    /// # Errors
    /// In words, why not.
    pub fn health(&self) -> Result<(), String> {
        if self.snapshots.has_changed().is_err() {
            return Err(self.gone().message);
        }
        if let Some(reason) = self.fate() {
            return Err(reason.to_owned());
        }
        if let Some(outage) = &self.snapshot().live.outage {
            return Err(format!("nothing is decided: {}", outage.reason));
        }
        self.meters.stuck().map_or(Ok(()), Err)
    }

    /// The newest picture, and a signal when there is a newer one. Closed when the control
    /// plane is gone.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// The newest picture as of now: ages are counted from the moment it is given, however long
    /// ago the last change was.
    #[must_use]
    pub fn picture(&self) -> Snapshot {
        let mut picture = self.as_of_now(&self.snapshot());
        // Heartbeats are no news, so no picture is made for them.
        for (name, at) in self.engines.heard() {
            if let Some(agent) = picture.live.agents.get_mut(&name) {
                agent.heard_at = agent.heard_at.max(Some(at));
            }
        }
        picture
    }

    /// That picture as of now.
    #[must_use]
    pub fn as_of_now(&self, snapshot: &Snapshot) -> Snapshot {
        Snapshot {
            at: self.clock.now().max(snapshot.at),
            ..snapshot.clone()
        }
    }

    /// The newest picture.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }

    /// What happened, as far back as the log reaches.
    ///
    /// # Errors
    /// [`CommandError`] if the log cannot be read.
    pub async fn history(&self, asked: HistoryAsk) -> Result<History, CommandError> {
        self.past.history(asked).await
    }

    /// The fleet as it was at a moment; what was only true then (`live`) is not known any more.
    ///
    /// # Errors
    /// [`CommandError`] if the moment is to come, or older than the log.
    pub async fn at(&self, moment: TimeMs) -> Result<Snapshot, CommandError> {
        let now = self.clock.now();
        let (state, seq) = self.past.state_at(moment, now).await?;
        Ok(Snapshot {
            seq,
            at: moment,
            state,
            holder: Holder {
                simulated: self.snapshot().holder.simulated,
                ..Holder::default()
            },
            ..Snapshot::default()
        })
    }

    /// A picture, and every delta after it.
    ///
    /// # Errors
    /// [`Missed::Gone`] when the control plane is gone.
    pub fn listen(&self) -> Result<(Arc<Snapshot>, Deltas), Missed> {
        let sender = self.deltas.upgrade().ok_or(Missed::Gone)?;
        // First the ear, then the picture: what comes between is heard and left out by number.
        let receiver = sender.subscribe();
        let snapshot = self.snapshot();
        let version = snapshot.version;
        Ok((snapshot, Deltas { receiver, version }))
    }

    /// Where logs, stats and shells find an instance's engine.
    #[must_use]
    pub fn engines(&self) -> &EngineDirectory {
        &self.engines
    }

    /// Fails an instance of a simulated fleet or mends it; `None` where engines are real.
    #[must_use]
    pub fn toggle_fault(&self, instance: &InstanceName) -> Option<EngineResult<String>> {
        self.connector.toggle_fault(instance)
    }
}

/// Deltas from one picture on, without a gap.
pub struct Deltas {
    receiver: broadcast::Receiver<Arc<Delta>>,
    version: u64,
}

impl Deltas {
    /// The next delta. May be dropped half-way.
    ///
    /// # Errors
    /// [`Missed`] when there is a gap or the control plane is gone.
    pub async fn next(&mut self) -> Result<Arc<Delta>, Missed> {
        loop {
            match self.receiver.recv().await {
                Ok(delta) if delta.version <= self.version => {}
                Ok(delta) if delta.version == self.version + 1 => {
                    self.version = delta.version;
                    return Ok(delta);
                }
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return Err(Missed::Behind),
                Err(broadcast::error::RecvError::Closed) => return Err(Missed::Gone),
            }
        }
    }
}
