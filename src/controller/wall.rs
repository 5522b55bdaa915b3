//! Tells a wall clock that was set from time that went by.

use tokio::time::Instant;

use crate::model::TimeMs;

/// What a clock may be off from one decision to the next without having been set, in milliseconds.
/// One that is kept right by being made a little faster or slower never is so much.
const STEP_MS_MIN: u64 = 2_000;

/// A wall clock as it was seen last, beside one that nobody can set.
pub(super) struct Wall {
    shown: TimeMs,
    at: Instant,
}

impl Wall {
    /// It shows `now` now.
    pub fn new(now: TimeMs) -> Self {
        Self {
            shown: now,
            at: Instant::now(),
        }
    }

    /// It shows `now` now. By how many milliseconds it was set since it was seen last, if it was.
    /// (On Linux the clock that nobody can set stands still while the machine is suspended, so waking
    /// up counts as being set forward: nothing was seen to be silent meanwhile.)
    pub fn stepped(&mut self, now: TimeMs) -> Option<i64> {
        let gone = u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX);
        let expected = self.shown.plus_ms(gone);
        *self = Self::new(now);
        let off = now.0.abs_diff(expected.0);
        if off < STEP_MS_MIN {
            return None;
        }
        let off = i64::try_from(off).unwrap_or(i64::MAX);
        Some(if now > expected { off } else { -off })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_that_goes_by_is_no_step_and_an_hour_either_way_is() {
        let mut now = TimeMs(10_000_000);
        let mut wall = Wall::new(now);
        tokio::time::advance(Duration::from_secs(90)).await;
        now = now.plus_ms(90_400);
        assert_eq!(wall.stepped(now), None, "it runs a little fast");
        now = now.plus_ms(3_600_000);
        assert_eq!(wall.stepped(now), Some(3_600_000));
        assert_eq!(wall.stepped(now), None, "it is told once");
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(wall.stepped(TimeMs(now.0 - 3_600_000)), Some(-3_605_000));
    }
}
