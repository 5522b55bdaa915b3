//! What everyone but the controller sees: an immutable picture, cheap to copy.

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::change::Change;
use super::id::{InstanceName, TaskId};
use super::observation::AgentStatus;
use super::state::State;
use super::task::PullProgress;
use super::time::TimeMs;

/// What is true only now: shown, never stored, never decided upon.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Live {
    /// How each agent stands with its engine.
    pub agents: OrdMap<InstanceName, AgentStatus>,
    /// Pulls under way, by the task that waits.
    pub pulls: OrdMap<TaskId, PullProgress>,
    /// That nothing is decided just now, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outage: Option<StoreOutage>,
}

/// The change log cannot be written. What cannot be kept is not acted on, so nothing is decided
/// until it can; containers go on as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreOutage {
    /// Since when, in the control plane's clock.
    pub since: TimeMs,
    /// What the store said last.
    pub reason: String,
}

/// Who carries the scheduler.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// What kind of process: `serve`, `console`, `apply`, `demo`.
    pub role: String,
    /// Its process id.
    pub pid: u32,
    /// Who started it.
    pub user: String,
    /// Since when.
    pub since: TimeMs,
    /// Whether the fleet is simulated.
    pub simulated: bool,
}

/// An immutable picture of everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Number of the picture: every delta adds one, also where only `live` moved. It begins anew
    /// with every control plane.
    #[serde(default)]
    pub version: u64,
    /// Number of the last change in it.
    pub seq: u64,
    /// When it was taken, in the control plane's clock.
    pub at: TimeMs,
    /// What is stored.
    pub state: State,
    /// What is true only now.
    pub live: Live,
    /// Who carries the scheduler.
    pub holder: Holder,
}

/// What turns one picture into the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delta {
    /// Number of the picture that it leads to, from the one before.
    #[serde(default)]
    pub version: u64,
    /// Number of the last change in it; unchanged where only `live` moved.
    pub seq: u64,
    /// When.
    pub at: TimeMs,
    /// Changes of the state, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// The new live part, where it moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Live>,
}

impl Snapshot {
    /// Takes a delta in.
    pub fn advance(&mut self, delta: &Delta) {
        self.version = delta.version;
        self.seq = delta.seq;
        self.at = delta.at;
        self.state.apply_all(&delta.changes);
        if let Some(live) = &delta.live {
            self.live = live.clone();
        }
    }
}
