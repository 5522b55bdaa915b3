//! What happened, as far back as the change log reaches.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::time::TimeMs;

/// The most happenings in one answer.
pub const HAPPENINGS_MAX: usize = 5_000;

/// Which part of the past is asked for. Of more than one answer takes, the newest are given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HistoryAsk {
    /// Nothing before this moment.
    pub since: TimeMs,
    /// Nothing after this moment.
    pub until: TimeMs,
    /// Nothing from this change of the log on: the [`Happening::seq`] of the oldest that is known,
    /// to go on from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// How many at most; never more than [`HAPPENINGS_MAX`].
    pub most: usize,
}

impl Default for HistoryAsk {
    /// The newest there are.
    fn default() -> Self {
        Self {
            since: TimeMs(0),
            until: TimeMs(u64::MAX),
            before: None,
            most: HAPPENINGS_MAX,
        }
    }
}

impl HistoryAsk {
    /// How many are given at most.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.most.min(HAPPENINGS_MAX)
    }
}

/// One thing that happened, and where it is in the change log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Happening {
    /// Its number in the log; unique, and it grows with time.
    pub seq: u64,
    /// The moment that it was stored with: the fleet as it was right after it is the fleet at this
    /// moment.
    pub at: TimeMs,
    /// What happened.
    pub event: Arc<Event>,
}

/// A part of the past.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// The earliest moment that the log can show; `None` while it is empty.
    pub begins: Option<TimeMs>,
    /// What happened, oldest first.
    pub happenings: Vec<Happening>,
    /// Whether earlier ones that were asked for found no room in this answer.
    pub more: bool,
}
