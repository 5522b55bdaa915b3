//! A command's line to the control plane.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::args::Global;
use super::error::{CliError, CliResult};
use super::{out, resolve};
use crate::client::{Client, ClientError, Standing};
use crate::controller::Command;
use crate::model::snapshot::Holder;
use crate::model::{ClusterName, Connection, Instance, InstanceName, Snapshot};
use serde_json::Value;

/// How long a command that carries the control plane itself waits for the instances' first word.
const FIRST_WORD: Duration = Duration::from_secs(5);
/// How long a control plane that went away is waited for.
const LOST_PATIENCE: Duration = Duration::from_secs(15);
/// The same of a command that follows logs or events: a machine that is restarted, an upgrade.
pub const FOLLOW_PATIENCE: Duration = Duration::from_secs(600);
/// How long it may be away unmentioned: a moment's gap mends itself.
const LOST_TOLD: Duration = Duration::from_secs(1);
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
            cluster: global.cluster().to_owned(),
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

    /// Watches whether the control plane is still there.
    #[must_use]
    pub fn presence(&self) -> Presence {
        self.presence_for(LOST_PATIENCE)
    }

    /// The same, waiting so long for one that went away.
    #[must_use]
    pub fn presence_for(&self, patience: Duration) -> Presence {
        Presence::of(self.client.as_ref(), patience)
    }

    /// Says, where it is so, that nothing keeps services running after this command, or after
    /// the one that it is attached to.
    pub fn say_who_carries(&self) {
        if self.carried {
            out::note(
                "It is stored. No `qd serve` runs and no console is open, so nothing carries it \
                 out or keeps services running after this command: start one of them.",
            );
        } else if let Some(line) = passing(&self.snapshot().holder) {
            out::note(line);
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

/// What to know about a carrier that soon ends; `None` for one that stays.
fn passing(holder: &Holder) -> Option<String> {
    let (role, pid) = (&holder.role, holder.pid);
    let stays = holder.simulated || matches!(role.as_str(), "serve" | "console");
    (!stays).then(|| {
        format!(
            "It is stored. Only another command, qd {role} (pid {pid}), carries it out just now, \
             and nothing keeps services running after that: start `qd serve` or open the console."
        )
    })
}

/// Watches whether the control plane is still there, for a command that waits.
pub struct Presence {
    standings: watch::Receiver<Standing>,
    lost: Option<Instant>,
    told: bool,
    patience: Duration,
}

impl Presence {
    fn of(client: &dyn Client, patience: Duration) -> Self {
        Self {
            patience,
            standings: client.standings(),
            lost: None,
            told: false,
        }
    }

    /// Resolves when the control plane has been gone for too long, with what to end with; that
    /// it is waited for is told before. May be dropped half-way and called anew.
    pub async fn gone(&mut self) -> CliError {
        loop {
            let lost = match &*self.standings.borrow_and_update() {
                Standing::Lost { reason, .. } => Some(reason.clone()),
                _ => None,
            };
            let Some(reason) = lost else {
                self.lost = None;
                if std::mem::take(&mut self.told) {
                    out::note("the control plane answers again");
                }
                if self.standings.changed().await.is_err() {
                    return CliError::Client(ClientError::Gone("it has ended".into()));
                }
                continue;
            };
            let since = *self.lost.get_or_insert_with(Instant::now);
            let now = Instant::now();
            if now >= since + self.patience {
                return CliError::Client(ClientError::Gone(reason));
            }
            if now >= since + LOST_TOLD && !self.told {
                self.told = true;
                out::note(format!(
                    "the control plane does not answer ({reason}); waiting {} s for it",
                    self.patience.as_secs()
                ));
            }
            let next = since + if self.told { self.patience } else { LOST_TOLD };
            // Either way it is looked at anew.
            let _moved = timeout_at(next, self.standings.changed()).await;
        }
    }
}

/// The instances that were neither heard nor tried in vain since the control plane started.
pub(super) fn untried(snapshot: &Snapshot) -> Vec<InstanceName> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TimeMs;

    fn watched() -> (watch::Sender<Standing>, Presence) {
        let standing = watch::Sender::new(Standing::Carrying);
        let presence = Presence {
            standings: standing.subscribe(),
            lost: None,
            told: false,
            patience: LOST_PATIENCE,
        };
        (standing, presence)
    }

    fn lost() -> Standing {
        Standing::Lost {
            since: TimeMs(1),
            reason: "it has hung up".into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_control_plane_that_stays_away_ends_the_wait_with_the_reason() {
        let (standing, mut presence) = watched();
        standing.send_replace(lost());
        // Dropped and called anew, as in a loop over pictures: it does not begin anew.
        for _ in 0..4 {
            let short = tokio::time::timeout(Duration::from_secs(3), presence.gone()).await;
            assert!(short.is_err());
        }
        let rest = tokio::time::timeout(Duration::from_secs(4), presence.gone()).await;
        assert!(rest.unwrap().to_string().contains("it has hung up"));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_comes_back_in_time_is_waited_on() {
        let (standing, mut presence) = watched();
        for _ in 0..3 {
            standing.send_replace(lost());
            let short = tokio::time::timeout(Duration::from_secs(10), presence.gone()).await;
            assert!(short.is_err());
            standing.send_replace(Standing::Carrying);
            let short = tokio::time::timeout(Duration::from_secs(10), presence.gone()).await;
            assert!(short.is_err());
        }
    }

    #[test]
    fn only_a_carrier_that_soon_ends_is_warned_of() {
        let holder = |role: &str| Holder {
            role: role.into(),
            pid: 4242,
            user: "ann".into(),
            since: TimeMs(1),
            simulated: false,
        };
        assert_eq!(passing(&holder("serve")), None);
        assert_eq!(passing(&holder("console")), None);
        let line = passing(&holder("apply")).unwrap();
        assert!(line.contains("qd apply (pid 4242)"), "{line}");
    }
}
