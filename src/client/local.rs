//! The control plane in this process.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::sync::watch;

use super::{
    About, Client, ClientError, ContainerHealth, Effects, Explanation, LogItem, LogTarget, PlanAsk,
    PlanReport, Reply, Standing, WhoAmI,
};
use crate::agent::streams::{self, StreamError};
use crate::api;
use crate::api::wire::{ExecRequest, WireError};
use crate::controller::{Command, CommandError, ErrorKind, Handle};
use crate::docker::{ExecOptions, ExecSession, LogOptions, StatsSample};
use crate::model::{
    Actor, ContainerName, History, HistoryAsk, InstanceName, Snapshot, TaskId, TimeMs,
};

/// The surface over a control plane in this process.
#[derive(Clone)]
pub struct LocalClient {
    handle: Handle,
    who: Actor,
    standing: Arc<watch::Sender<Standing>>,
}

impl LocalClient {
    /// A client that asks in the name of `who`.
    #[must_use]
    pub fn new(handle: Handle, who: Actor) -> Self {
        Self {
            handle,
            who,
            standing: Arc::new(watch::Sender::new(Standing::Carrying)),
        }
    }

    /// An error of the controller; one that has stopped is gone, not refusing.
    fn refused(&self, error: CommandError) -> ClientError {
        match self.handle.snapshots().has_changed() {
            Err(_) if error.kind == ErrorKind::ServerException => ClientError::Gone(error.message),
            _ => ClientError::Refused(error),
        }
    }
}

/// What was asked wrongly is refused; what the engine did is the engine's.
fn stream_error(error: StreamError) -> ClientError {
    of_wire(api::stream_error(&error))
}

fn of_wire(wire: WireError) -> ClientError {
    match wire.command_error() {
        Some(refusal) => ClientError::Refused(refusal),
        None => ClientError::Engine(wire.message),
    }
}

impl Client for LocalClient {
    fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.handle.snapshots()
    }

    fn standings(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    fn whoami(&self) -> BoxFuture<'_, Result<WhoAmI, ClientError>> {
        Box::pin(async move { Ok(WhoAmI::from(&self.who)) })
    }

    fn command(&self, command: Command) -> BoxFuture<'_, Result<Reply, ClientError>> {
        Box::pin(async move {
            api::act(&self.handle, command, self.who.clone())
                .await
                .map_err(|error| self.refused(error))
        })
    }

    fn plan(&self, asked: PlanAsk) -> BoxFuture<'_, Result<PlanReport, ClientError>> {
        Box::pin(async move { Ok(api::plan_apart(self.handle.snapshot(), asked).await?) })
    }

    fn apply(
        &self,
        commands: Vec<Command>,
        planned: Option<Effects>,
    ) -> BoxFuture<'_, Result<Vec<Reply>, ClientError>> {
        Box::pin(async move {
            api::act_on_all(&self.handle, commands, planned, self.who.clone())
                .await
                .map_err(|error| self.refused(error))
        })
    }

    fn explain(&self, about: About) -> BoxFuture<'_, Result<Explanation, ClientError>> {
        Box::pin(async move { Ok(api::explained(&self.handle.picture(), &about)?) })
    }

    fn history(&self, asked: HistoryAsk) -> BoxFuture<'_, Result<History, ClientError>> {
        Box::pin(async move { Ok(self.handle.history(asked).await?) })
    }

    fn at(&self, moment: TimeMs) -> BoxFuture<'_, Result<Arc<Snapshot>, ClientError>> {
        Box::pin(async move { Ok(Arc::new(self.handle.at(moment).await?)) })
    }

    fn logs(
        &self,
        target: LogTarget,
        options: LogOptions,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<LogItem, ClientError>>, ClientError>> {
        let items = streams::logs(
            self.handle.snapshots(),
            self.handle.engines().clone(),
            target,
            options,
        );
        Box::pin(async move { Ok(items.map(|item| item.map_err(stream_error)).boxed()) })
    }

    fn stats(
        &self,
        task: TaskId,
    ) -> BoxFuture<'_, Result<Vec<(ContainerName, StatsSample)>, ClientError>> {
        Box::pin(async move {
            let snapshot = self.handle.snapshot();
            let stats = streams::stats(&snapshot, self.handle.engines(), task).await;
            stats.map_err(stream_error)
        })
    }

    fn health_log(&self, task: TaskId) -> BoxFuture<'_, Result<Vec<ContainerHealth>, ClientError>> {
        Box::pin(async move {
            let snapshot = self.handle.snapshot();
            let logs = streams::health(&snapshot, self.handle.engines(), task).await;
            logs.map_err(stream_error)
        })
    }

    fn exec(
        &self,
        task: TaskId,
        container: Option<ContainerName>,
        options: ExecOptions,
    ) -> BoxFuture<'_, Result<ExecSession, ClientError>> {
        Box::pin(async move {
            let asked = ExecRequest {
                task,
                container,
                options,
            };
            let session = api::exec(&self.handle, asked, self.who.clone()).await;
            session.map_err(of_wire)
        })
    }

    fn toggle_fault(
        &self,
        instance: InstanceName,
    ) -> Option<BoxFuture<'_, Result<String, ClientError>>> {
        if !self.handle.snapshot().holder.simulated {
            return None;
        }
        Some(Box::pin(async move {
            match self.handle.toggle_fault(&instance) {
                Some(outcome) => outcome.map_err(|error| ClientError::Engine(error.to_string())),
                None => Err(ClientError::Engine(format!(
                    "the engine of {instance} is real and not ours to break"
                ))),
            }
        }))
    }
}
