//! When the next frame is due: at most 30 a second, and a key never waits for what the fleet drew.

use std::time::Duration;

use tokio::time::Instant;

/// The least time from frame to frame, over any while.
const FRAME: Duration = Duration::from_millis(33);
/// How many frames in advance a key is answered: one right after a frame that showed something new.
const AHEAD: Duration = FRAME;

/// The most that a slow frame holds the next one up, beyond the time it took itself.
const HELD_UP: Duration = Duration::from_millis(150);

/// Every frame pushes the next one back by what it is worth. What the fleet does waits for that;
/// a key waits for one frame less, so that it is answered at once, and the fleet's next frame
/// comes later instead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    due: Instant,
}

impl Pace {
    /// The first frame is due now.
    pub(super) fn new(now: Instant) -> Self {
        Self { due: now }
    }

    /// When the next frame is due, if a key waits for it or not.
    pub(super) fn next(self, pressed: bool) -> Instant {
        match pressed {
            true => self.due.checked_sub(AHEAD).unwrap_or(self.due),
            false => self.due,
        }
    }

    /// A frame was begun then and took so long. A terminal or machine that is slow gets fewer
    /// frames, never a queue of them.
    pub(super) fn drawn(&mut self, began: Instant, took: Duration) {
        // A stall of half a minute is over when it is over.
        let worth = (took * 3).min(took + HELD_UP);
        self.due = self.due.max(began) + FRAME.max(worth);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_key_right_after_a_picture_is_answered_at_once() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.drawn(start, MS);
        assert_eq!(pace.next(false), start + FRAME);
        assert!(pace.next(true) <= start);
        pace.drawn(start + 5 * MS, MS);
        assert_eq!(pace.next(true), start + FRAME, "once, not again and again");
        assert_eq!(pace.next(false), start + 2 * FRAME);
    }

    #[test]
    fn after_a_stall_the_screen_is_there_at_once() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let stall = Duration::from_secs(30);
        pace.drawn(start, stall);
        assert_eq!(pace.next(false), start + stall + HELD_UP);
        assert!(pace.next(true) < pace.next(false));
    }

    #[test]
    fn whatever_happens_there_are_at_most_thirty_frames_a_second() {
        // The first one, and one ahead.
        for (slow, most) in [(MS, 303 + 2), (20 * MS, 166 + 2)] {
            let start = Instant::now();
            let (mut pace, mut frames) = (Pace::new(start), 0);
            for ms in 0..10_000 {
                let now = start + ms * MS;
                // A key held down and a fleet that never rests.
                if now >= pace.next(true) {
                    pace.drawn(now, slow);
                    frames += 1;
                }
            }
            assert!(frames <= most, "{frames} frames");
        }
    }
}
