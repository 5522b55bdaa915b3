//! A wall clock that is set by hand while time goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::agent::{Clock, TokioClock};
use crate::model::TimeMs;

/// Goes with tokio's clock, and jumps when told to. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct WallClock {
    steady: TokioClock,
    ahead_ms: Arc<AtomicI64>,
}

impl WallClock {
    /// A clock that shows `base` now.
    #[must_use]
    pub fn starting_at(base: TimeMs) -> Self {
        Self {
            steady: TokioClock::starting_at(base),
            ahead_ms: Arc::default(),
        }
    }

    /// From now on it shows so much more, or less.
    pub fn jump(&self, by_ms: i64) {
        self.ahead_ms.fetch_add(by_ms, Ordering::Relaxed);
    }
}

impl Clock for WallClock {
    fn now(&self) -> TimeMs {
        let ahead = self.ahead_ms.load(Ordering::Relaxed);
        TimeMs(self.steady.now().0.saturating_add_signed(ahead))
    }
}
