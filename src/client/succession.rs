//! A surface that outlives who carries the control plane: when that process ends, this one
//! takes the folder and carries it on, and whoever holds the surface need not know.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::open::take_over;
use super::{
    About, Carried, Client, ClientError, ContainerHealth, Effects, Explanation, LogItem, LogTarget,
    OpenOptions, Opened, PlanAsk, PlanReport, Reply, Standing, WhoAmI,
};
use crate::controller::{Command, Ended};
use crate::docker::{ExecOptions, ExecSession, LogOptions, StatsSample};
use crate::model::{ContainerName, History, HistoryAsk, InstanceName, Snapshot, TaskId, TimeMs};

/// Wait between two looks whether the folder can be taken.
pub(super) const LOOK_GAP: Duration = Duration::from_millis(250);

/// Keeps one surface over a succession of carriers, this process among them if need be.
pub struct Succession {
    client: Arc<Heir>,
    stop: oneshot::Sender<()>,
    keeper: JoinHandle<Result<(), Ended>>,
}

impl Succession {
    /// Begins with what was opened. `again` says what to open when its carrier has gone; what only
    /// `looks_on` waits for another one instead.
    #[must_use]
    pub fn over(
        opened: Opened,
        looks_on: bool,
        again: impl FnMut() -> OpenOptions + Send + 'static,
    ) -> Self {
        let snapshots = watch::Sender::new(opened.client.snapshots().borrow().clone());
        let standings = watch::Sender::new(opened.client.standing());
        let current = watch::Sender::new(opened.client.clone());
        let client = Heir {
            current: current.subscribe(),
            snapshots: snapshots.subscribe(),
            standings: standings.subscribe(),
        };
        let (stop, stopped) = oneshot::channel();
        let keeper = Keeper {
            client: opened.client,
            plane: opened.plane,
            again: Box::new(again),
            looks_on,
            after_server: false,
            current,
            snapshots: Some(snapshots),
            standings,
        };
        Self {
            client: Arc::new(client),
            stop,
            keeper: tokio::spawn(keeper.keep(stopped)),
        }
    }

    /// The surface.
    #[must_use]
    pub fn client(&self) -> Arc<dyn Client> {
        self.client.clone()
    }

    /// Ends it; a control plane that this process carries by now is stopped cleanly.
    ///
    /// # Errors
    /// [`Ended`] if the control plane had ended before, or the last change was not stored.
    pub async fn close(self) -> Result<(), Ended> {
        // Nobody hears it only if the keeper is gone already, and then there is its outcome.
        let _gone = self.stop.send(());
        match self.keeper.await {
            Ok(outcome) => outcome,
            Err(broken) => std::panic::resume_unwind(broken.into_panic()),
        }
    }
}

/// Follows the carrier of the day, and succeeds it.
struct Keeper {
    client: Arc<dyn Client>,
    plane: Option<Carried>,
    again: Box<dyn FnMut() -> OpenOptions + Send>,
    looks_on: bool,
    /// Whether a server was the last that carried on for longer than a command.
    after_server: bool,
    current: watch::Sender<Arc<dyn Client>>,
    /// `None` once no picture will come any more: who watches is told by the closed end.
    snapshots: Option<watch::Sender<Arc<Snapshot>>>,
    standings: watch::Sender<Standing>,
}

impl Keeper {
    async fn keep(mut self, mut stop: oneshot::Receiver<()>) -> Result<(), Ended> {
        let mut snapshots = self.client.snapshots();
        let mut standings = self.client.standings();
        let mut look_at = self.look_at();
        loop {
            tokio::select! {
                _ = &mut stop => break,
                changed = snapshots.changed(), if self.snapshots.is_some() => match changed {
                    Ok(()) => self.show(&snapshots.borrow_and_update().clone()),
                    // What was carried here ended by itself, for a reason that stays.
                    Err(_) => self.snapshots = None,
                },
                Ok(()) = standings.changed() => {
                    self.standings.send_replace(standings.borrow_and_update().clone());
                    look_at = match look_at {
                        Some(at) if self.is_lost() => Some(at),
                        _ => self.look_at(),
                    };
                }
                () = until(look_at) => {
                    if self.succeed().await {
                        snapshots = self.client.snapshots();
                        standings = self.client.standings();
                    }
                    look_at = self.look_at();
                }
            }
        }
        match self.plane {
            Some(plane) => plane.stop().await,
            None => Ok(()),
        }
    }

    fn is_lost(&self) -> bool {
        matches!(*self.standings.borrow(), Standing::Lost { .. })
    }

    /// When to look whether the folder is free, if the carrier has gone. A server is not succeeded:
    /// it is started again, and finding its folder taken by a console that somebody left open it
    /// could not. That a command carried for a moment meanwhile changes nothing about it. Nor does
    /// anything decide that is only to look on.
    fn look_at(&mut self) -> Option<Instant> {
        match self.client.snapshots().borrow().holder.role.as_str() {
            "serve" => self.after_server = true,
            "console" => self.after_server = false,
            _ => {}
        }
        let succeeds = self.is_lost() && !self.after_server && !self.looks_on;
        succeeds.then(|| Instant::now() + LOOK_GAP)
    }

    fn show(&self, snapshot: &Arc<Snapshot>) {
        if let Some(snapshots) = &self.snapshots {
            snapshots.send_replace(snapshot.clone());
        }
    }

    /// Carries the control plane from now on, if nobody else holds its folder.
    async fn succeed(&mut self) -> bool {
        let opened = match take_over((self.again)()).await {
            Ok(Some(opened)) => opened,
            // Whoever has it now is attached to as soon as it answers.
            Ok(None) => return false,
            Err(error) => {
                tracing::warn!(%error, "the control plane cannot be carried on here");
                self.standings.send_modify(|standing| {
                    if let Standing::Lost { reason, .. } = standing {
                        *reason = format!("it has ended, and cannot be carried on here: {error}");
                    }
                });
                return false;
            }
        };
        tracing::info!("the carrier has ended; this process carries the control plane on");
        self.client = opened.client;
        self.plane = opened.plane;
        self.current.send_replace(self.client.clone());
        self.show(&self.client.snapshots().borrow().clone());
        self.standings.send_replace(self.client.standing());
        true
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The surface: whoever carries it now is asked.
struct Heir {
    current: watch::Receiver<Arc<dyn Client>>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    standings: watch::Receiver<Standing>,
}

impl Heir {
    fn now(&self) -> Arc<dyn Client> {
        self.current.borrow().clone()
    }
}

impl Client for Heir {
    fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    fn standings(&self) -> watch::Receiver<Standing> {
        self.standings.clone()
    }

    fn whoami(&self) -> BoxFuture<'_, Result<WhoAmI, ClientError>> {
        Box::pin(async move { self.now().whoami().await })
    }

    fn command(&self, command: Command) -> BoxFuture<'_, Result<Reply, ClientError>> {
        Box::pin(async move { self.now().command(command).await })
    }

    fn plan(&self, asked: PlanAsk) -> BoxFuture<'_, Result<PlanReport, ClientError>> {
        Box::pin(async move { self.now().plan(asked).await })
    }

    fn apply(
        &self,
        commands: Vec<Command>,
        planned: Option<Effects>,
    ) -> BoxFuture<'_, Result<Vec<Reply>, ClientError>> {
        Box::pin(async move { self.now().apply(commands, planned).await })
    }

    fn explain(&self, about: About) -> BoxFuture<'_, Result<Explanation, ClientError>> {
        Box::pin(async move { self.now().explain(about).await })
    }

    fn history(&self, asked: HistoryAsk) -> BoxFuture<'_, Result<History, ClientError>> {
        Box::pin(async move { self.now().history(asked).await })
    }

    fn at(&self, moment: TimeMs) -> BoxFuture<'_, Result<Arc<Snapshot>, ClientError>> {
        Box::pin(async move { self.now().at(moment).await })
    }

    fn logs(
        &self,
        target: LogTarget,
        options: LogOptions,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<LogItem, ClientError>>, ClientError>> {
        Box::pin(async move { self.now().logs(target, options).await })
    }

    fn stats(
        &self,
        task: TaskId,
    ) -> BoxFuture<'_, Result<Vec<(ContainerName, StatsSample)>, ClientError>> {
        Box::pin(async move { self.now().stats(task).await })
    }

    fn health_log(&self, task: TaskId) -> BoxFuture<'_, Result<Vec<ContainerHealth>, ClientError>> {
        Box::pin(async move { self.now().health_log(task).await })
    }

    fn exec(
        &self,
        task: TaskId,
        container: Option<ContainerName>,
        options: ExecOptions,
    ) -> BoxFuture<'_, Result<ExecSession, ClientError>> {
        Box::pin(async move { self.now().exec(task, container, options).await })
    }

    fn toggle_fault(
        &self,
        instance: InstanceName,
    ) -> Option<BoxFuture<'_, Result<String, ClientError>>> {
        if !self.snapshots.borrow().holder.simulated {
            return None;
        }
        Some(Box::pin(async move {
            match self.now().toggle_fault(instance) {
                Some(asked) => asked.await,
                None => Err(ClientError::Engine("this fleet is not simulated".into())),
            }
        }))
    }
}
