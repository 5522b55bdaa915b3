//! Whether an engine still answers. A connection that stays open proves nothing: a frozen
//! engine, or one behind a cut cable, is found only by asking.

use std::time::Duration;

use tokio::time::Instant;

use crate::docker::EngineResult;

use super::tuning::Tuning;

/// The heartbeat of one connection.
#[derive(Debug)]
pub struct Pulse {
    due: Instant,
    asking: bool,
    missed: u32,
    heard: Option<Instant>,
}

/// What one ping says.
#[derive(Debug, PartialEq, Eq)]
pub enum Beat {
    /// The engine answered after so long.
    Well(Duration),
    /// It did not, and that may yet mean nothing.
    Missed,
    /// It does not answer, for this reason.
    Lost(String),
}

impl Pulse {
    /// The first ping is due at `due`.
    #[must_use]
    pub fn new(due: Instant) -> Self {
        Self {
            due,
            asking: false,
            missed: 0,
            heard: None,
        }
    }

    /// When the next ping is due; `None` while one is under way.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        (!self.asking).then_some(self.due)
    }

    /// Whether to send a ping now. If so it counts as sent.
    pub fn begin(&mut self, now: Instant) -> bool {
        let begins = !self.asking && self.due <= now;
        self.asking |= begins;
        begins
    }

    /// Something went unanswered: do not wait for the next beat to ask.
    pub fn probe(&mut self, now: Instant) {
        self.due = self.due.min(now);
    }

    /// The engine answered something.
    pub fn hear(&mut self, now: Instant) {
        self.heard = Some(now);
        self.missed = 0;
    }

    /// A ping that was sent at `asked` came to this result.
    pub fn take(
        &mut self,
        asked: Instant,
        result: &EngineResult<Duration>,
        tuning: &Tuning,
    ) -> Beat {
        self.asking = false;
        let now = Instant::now();
        self.due = now + tuning.heartbeat;
        let error = match result {
            Ok(latency) => {
                self.missed = 0;
                return Beat::Well(*latency);
            }
            Err(error) => error,
        };
        if self.heard.is_some_and(|heard| heard > asked) {
            return Beat::Missed; // It is slow, but it lives.
        }
        self.missed += 1;
        if self.missed >= tuning.pings_missed_most {
            return Beat::Lost(format!("no answer to {} pings: {error}", self.missed));
        }
        self.due = now;
        Beat::Missed
    }
}
