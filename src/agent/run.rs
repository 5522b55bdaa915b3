//! The agent of one instance: connects, looks after the engine, and connects again.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use crate::config::InstanceSettings;
use crate::docker::{Connector, Engine, EngineError, EngineResult};
use crate::model::observation::AgentStatus;
use crate::model::{InstanceName, Observation, Snapshot, TaskId};

use super::clock::Clock;
use super::directory::{EngineWatch, Heard};
use super::outbox::Outbox;
use super::session::{self, Bearings, End, Opened};
use super::tuning::Tuning;
use super::vault::Vault;

/// An agent at work. Dropping it ends the agent; what it was doing at the engine is found again
/// by the next one.
pub struct AgentHandle {
    /// The instance.
    pub instance: InstanceName,
    /// Its engine while it answers.
    pub engine: EngineWatch,
    /// When that last answered anything.
    pub heard: Heard,
    task: AbortOnDropHandle<()>,
}

impl AgentHandle {
    /// Ends the agent and waits until it has ended.
    pub async fn stop(self) {
        self.task.abort();
        // Either it was aborted, which was asked for, or it had ended by itself.
        let _ = self.task.await;
    }
}

/// Starts the agent of an instance. It ends when `snapshots` or `out` is closed.
pub fn spawn(
    settings: InstanceSettings,
    connector: Arc<dyn Connector>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    out: mpsc::Sender<Observation>,
    clock: Arc<dyn Clock>,
    tuning: Tuning,
    vault: Arc<Vault>,
) -> AgentHandle {
    let (engine, watch) = watch::channel(None);
    let instance = settings.name.clone();
    let heard = Heard::default();
    let agent = Agent {
        heard: heard.clone(),
        settings,
        connector,
        snapshots,
        clock,
        tuning: Arc::new(tuning),
        vault,
        outbox: Outbox::new(out),
        engine,
        status: AgentStatus::default(),
        failed: BTreeSet::new(),
        told: None,
    };
    AgentHandle {
        instance,
        engine: watch,
        heard,
        task: AbortOnDropHandle::new(tokio::spawn(agent.run())),
    }
}

struct Agent {
    settings: InstanceSettings,
    connector: Arc<dyn Connector>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    clock: Arc<dyn Clock>,
    tuning: Arc<Tuning>,
    vault: Arc<Vault>,
    outbox: Outbox,
    engine: watch::Sender<Option<Arc<dyn Engine>>>,
    heard: Heard,
    status: AgentStatus,
    failed: BTreeSet<TaskId>,
    /// The reason last reported for being disconnected; `None` while connected.
    told: Option<String>,
}

impl Agent {
    async fn run(mut self) {
        let mut attempts: u32 = 0;
        loop {
            attempts = attempts.saturating_add(1);
            let reason = match self.connect().await {
                Some(Ok(opened)) => {
                    let begun = Instant::now();
                    match self.look_after(opened).await {
                        End::Over => return,
                        End::Lost(reason) => {
                            if begun.elapsed() >= self.tuning.settled_after {
                                attempts = 1;
                            }
                            reason
                        }
                    }
                }
                Some(Err(error)) => error.to_string(),
                None => return,
            };
            if !self.wait(attempts, reason).await {
                return;
            }
        }
    }

    /// One attempt; `None` if the control plane is gone.
    async fn connect(&mut self) -> Option<EngineResult<Opened>> {
        let limit = self.tuning.connect_timeout;
        let attempt = timeout(limit, open(&*self.connector, &self.settings));
        tokio::select! {
            biased;
            opened = attempt => Some(opened.unwrap_or_else(|_| {
                Err(EngineError::Unreachable(format!(
                    "no answer within {} s",
                    limit.as_secs_f32()
                )))
            })),
            _closed = self.outbox.pump() => None,
        }
    }

    async fn look_after(&mut self, opened: Opened) -> End {
        info!(instance = %self.settings.name, version = opened.info.docker_version, "connected");
        self.told = None;
        let now = self.clock.now();
        self.heard.note(now);
        self.status.heard_at = Some(now);
        self.engine.send_replace(Some(opened.engine.clone()));
        let with = Bearings {
            instance: &self.settings.name,
            tuning: &self.tuning,
            vault: &self.vault,
            clock: &*self.clock,
            snapshots: &mut self.snapshots,
            outbox: &mut self.outbox,
            status: &mut self.status,
            heard: &self.heard,
            failed: &mut self.failed,
        };
        let end = session::run(with, opened).await;
        self.engine.send_replace(None);
        end
    }

    /// Reports the loss and waits before the next attempt. Whether there is to be one.
    async fn wait(&mut self, attempts: u32, reason: String) -> bool {
        let name = self.settings.name.clone();
        let wait = self.tuning.backoff(name.as_str(), attempts);
        warn!(instance = %name, reason, attempts, ?wait, "does not answer");
        if self.told.as_ref() != Some(&reason) {
            self.outbox.push(Observation::Disconnected {
                instance: name.clone(),
                reason: reason.clone(),
                heard_at: self.status.heard_at,
            });
            self.told = Some(reason);
        }
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.status.attempts = attempts;
        self.status.latency_ms = None;
        self.status.retry_at = Some(self.clock.now().plus_ms(wait_ms));
        self.outbox.push(Observation::Agent {
            instance: name,
            status: self.status.clone(),
        });
        let until = Instant::now() + wait;
        loop {
            tokio::select! {
                biased;
                () = sleep_until(until) => return true,
                changed = self.snapshots.changed() => {
                    if changed.is_err() {
                        return false;
                    }
                }
                _closed = self.outbox.pump() => return false,
            }
        }
    }
}

/// Opens an engine: events first, so that the list misses nothing.
async fn open(connector: &dyn Connector, settings: &InstanceSettings) -> EngineResult<Opened> {
    let engine = connector.connect(settings).await?;
    let events = engine.events().await?;
    let info = engine.info().await?;
    let containers = engine.list().await?;
    Ok(Opened {
        engine,
        events,
        info,
        containers,
    })
}
