//! The one place that asks what time it is. Decisions get the answer as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::model::TimeMs;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> TimeMs;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> TimeMs {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        TimeMs(since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// A clock that goes with tokio's, which a simulation pauses and winds on.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    base: TimeMs,
    start: Instant,
}

impl TokioClock {
    /// A clock that shows `base` now.
    #[must_use]
    pub fn starting_at(base: TimeMs) -> Self {
        Self {
            base,
            start: Instant::now(),
        }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> TimeMs {
        let elapsed = self.start.elapsed().as_millis();
        self.base
            .plus_ms(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }
}
