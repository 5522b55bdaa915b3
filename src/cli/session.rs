//! A command's line to the control plane.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::args::Global;
use super::error::{CliError, CliResult};
use super::{out, resolve};
use crate::client::{Client, ClientError};
use crate::controller::Command;
use crate::model::{ClusterName, Connection, Instance, InstanceName, Snapshot};
use serde_json::Value;

/// How long a command that carries the control plane itself waits for the instances' first word.
const FIRST_WORD: Duration = Duration::from_secs(5);
/// How long the picture must stand still to count as whole.
const STILL: Duration = Duration::from_millis(250);

/// A command's line to the control plane, near or far.
pub struct Session {
    /// The control plane.
    pub client: Arc<dyn Client>,
    /// Whether this process carries it.
    pub carried: bool,
    cluster: String,
    end: Option<End>,
}

/// What ends a control plane that this process carries.
pub type End = futures_util::future::BoxFuture<'static, ()>;

impl Session {
    /// A session over a client that is there already.
    #[must_use]
    pub fn over(client: Arc<dyn Client>, global: &Global, end: Option<End>) -> Self {
        Self {
            client,
            carried: end.is_some(),
            cluster: global.cluster.clone(),
            end,
        }
    }

    /// The newest picture.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.client.snapshots().borrow().clone()
    }

    /// The cluster that `--cluster` names.
    ///
    /// # Errors
    /// [`CliError::Usage`] when there is none.
    pub fn cluster(&self, snapshot: &Snapshot) -> CliResult<ClusterName> {
        resolve::cluster(&snapshot.state, &self.cluster)
    }

    /// The name that `--cluster` gives, not looked up.
    #[must_use]
    pub fn cluster_name(&self) -> &str {
        &self.cluster
    }

    /// A picture in which every instance was heard or tried, so that it tells the truth, and
    /// tasks do not crowd on whoever answered first. A control plane that only just started is
    /// waited for, at most five seconds.
    pub async fn whole(&self) -> Arc<Snapshot> {
        let mut snapshots = self.client.snapshots();
        let deadline = Instant::now() + FIRST_WORD;
        let tried = snapshots.wait_for(|snapshot| untried(snapshot).is_empty());
        // Too late or gone: what there is is shown, with a word on who is missing.
        let _ = timeout_at(deadline, tried).await.is_ok();
        if self.carried {
            self.stands_still(&mut snapshots, deadline).await;
        }
        let snapshot = self.snapshot();
        let silent = untried(&snapshot);
        if !silent.is_empty() {
            let names: Vec<&str> = silent.iter().map(InstanceName::as_str).collect();
            out::note(format!(
                "no word yet from {}: what is shown of them is what was last known",
                names.join(", ")
            ));
        }
        snapshot
    }

    /// Waits until the picture of a control plane that only just started has stood still for a
    /// moment, or the deadline is there.
    async fn stands_still(
        &self,
        snapshots: &mut watch::Receiver<Arc<Snapshot>>,
        deadline: Instant,
    ) {
        loop {
            snapshots.borrow_and_update();
            let still = (Instant::now() + STILL).min(deadline);
            match timeout_at(still, snapshots.changed()).await {
                Ok(Ok(())) if Instant::now() < deadline => {}
                _ => return,
            }
        }
    }

    /// Asks for a change, and names on standard error what of it has no effect.
    ///
    /// # Errors
    /// [`CliError::Client`] when it is refused.
    pub async fn command(&self, command: Command) -> CliResult<Value> {
        let reply = self.client.command(command).await?;
        for warning in &reply.warnings {
            out::note(format!("warning: {warning}"));
        }
        Ok(reply.body)
    }

    /// Says, where it is so, that nothing keeps services running after this command.
    pub fn say_who_carries(&self) {
        if self.carried {
            out::note(
                "It is stored. No `qd serve` runs and no console is open, so nothing carries it \
                 out or keeps services running after this command: start one of them.",
            );
        }
    }

    /// Ends it; a control plane that this process carries is stopped cleanly.
    pub async fn close(self) {
        if let Some(end) = self.end {
            end.await;
        }
    }

    /// Fails when the control plane is gone.
    ///
    /// # Errors
    /// [`CliError::Client`].
    pub fn gone<T>() -> CliResult<T> {
        Err(CliError::Client(ClientError::Gone(
            "it ended while this command waited".into(),
        )))
    }
}

/// The instances that were neither heard nor tried in vain since the control plane started.
fn untried(snapshot: &Snapshot) -> Vec<InstanceName> {
    let start = snapshot.holder.since;
    let tried = |instance: &Instance| {
        let agent = snapshot.live.agents.get(&instance.name);
        let connected =
            matches!(&instance.connection, Connection::Connected { since } if *since >= start);
        connected || agent.is_some_and(|agent| agent.heard_at.is_some() || agent.attempts > 0)
    };
    let instances = snapshot.state.instances.values();
    instances
        .filter(|instance| !tried(instance))
        .map(|instance| instance.name.clone())
        .collect()
}
