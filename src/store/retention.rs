//! What a change log keeps. Pure; both stores go by it.
//!
//! Every change of the last [`KEPT_MS`] and at least the last [`KEPT_CHANGES`] stay, but never more
//! than [`CHANGES_MAX`] (and what lies between the oldest checkpoint and there), nor more than fits
//! into [`LOG_BYTES_MAX`]. Checkpoints grow
//! sparse with age, so that a moment long past costs more to rebuild, not more to keep.

use crate::model::{State, TimeMs};

/// Changes between two checkpoints.
pub const CHECKPOINT_EVERY: u64 = 1_000;
/// Changes that stay however old they are.
pub const KEPT_CHANGES: u64 = 200_000;
/// Milliseconds for which changes stay however many came after: 7 days.
pub const KEPT_MS: u64 = 7 * 24 * 3600 * 1000;
/// Changes that are kept at most.
pub const CHANGES_MAX: u64 = 2_000_000;
/// What the log may take on disk, in bytes: 1 GiB. Looked at with each checkpoint, so what was
/// written since the last one comes on top, and the write-ahead file ([`WAL_BYTES_MAX`]).
pub const LOG_BYTES_MAX: u64 = 1 << 30;
/// What is left standing of the write-ahead file once it was copied back, in bytes.
pub const WAL_BYTES_MAX: u64 = 64 << 20;
/// Changes that a log in memory keeps at most: nothing outlives its process anyway.
pub const MEMORY_CHANGES_MAX: u64 = 100_000;
/// Newest checkpoints that always stay.
const NEWEST_KEPT: usize = 4;

/// Whether a checkpoint is due at `seq`. A state with more things in it than changes came since
/// waits until writing it whole is worth that.
#[must_use]
pub fn checkpoint_due(last_checkpoint: u64, seq: u64, state: &State) -> bool {
    let things = state.tasks.len()
        + state.instances.len()
        + state.services.len()
        + state.task_definitions.len();
    let every = CHECKPOINT_EVERY.max(u64::try_from(things).unwrap_or(u64::MAX));
    seq.saturating_sub(last_checkpoint) >= every
}

/// Which checkpoints to drop, of `checkpoints` in ascending order: the newest stay, and before
/// them those without which the gap would exceed half of its age in changes.
#[must_use]
pub fn thin(checkpoints: &[u64], last: u64) -> Vec<u64> {
    let mut dropped = Vec::new();
    let Some(newest) = checkpoints.len().checked_sub(NEWEST_KEPT) else {
        return dropped;
    };
    let Some(mut newer) = checkpoints.get(newest).copied() else {
        return dropped;
    };
    for index in (1..newest).rev() {
        let (this, older) = (checkpoints[index], checkpoints[index - 1]);
        if newer - older <= (last - newer) / 2 {
            dropped.push(this);
        } else {
            newer = this;
        }
    }
    dropped
}

/// Up to which number changes may be forgotten: the newest checkpoint all of whose predecessors
/// are beyond keeping. `aged` is the number of the last change older than [`KEPT_MS`].
#[must_use]
pub fn forget_up_to(checkpoints: &[u64], last: u64, aged: u64) -> Option<u64> {
    let by_count = last.saturating_sub(KEPT_CHANGES).min(aged);
    let horizon = by_count.max(last.saturating_sub(CHANGES_MAX));
    checkpoints
        .iter()
        .copied()
        .filter(|&seq| seq > 0 && seq <= horizon)
        .max()
}

/// Up to which number changes are forgotten so that at most so many are left: the newest checkpoint
/// before there.
#[must_use]
pub fn beyond(checkpoints: &[u64], last: u64, most: u64) -> Option<u64> {
    let horizon = last.saturating_sub(most);
    let below = checkpoints.iter().copied();
    below.filter(|&seq| seq > 0 && seq <= horizon).max()
}

/// The moment before which changes have aged.
#[must_use]
pub fn aged_before(now: TimeMs) -> TimeMs {
    TimeMs(now.0.saturating_sub(KEPT_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_thin_out_with_age_and_never_leave_a_gap_beyond_half_the_age() {
        let mut kept: Vec<u64> = Vec::new();
        for step in 1..=1_000 {
            let last = step * CHECKPOINT_EVERY;
            kept.push(last);
            let dropped = thin(&kept, last);
            kept.retain(|seq| !dropped.contains(seq));
        }
        assert!(kept.len() < 30, "{} kept: {kept:?}", kept.len());
        let last = 1_000 * CHECKPOINT_EVERY;
        for pair in kept.windows(2) {
            let (gap, age) = (pair[1] - pair[0], last - pair[1]);
            assert!(gap <= CHECKPOINT_EVERY.max(age / 2), "{pair:?}");
        }
    }

    #[test]
    fn changes_are_forgotten_only_when_both_old_and_many_or_beyond_the_most() {
        let checkpoints = [1_000, 50_000, 900_000];
        assert_eq!(forget_up_to(&checkpoints, 1_000_000, 0), None);
        assert_eq!(forget_up_to(&checkpoints, 1_000_000, 60_000), Some(50_000));
        assert_eq!(forget_up_to(&checkpoints, 1_000_000, 990_000), Some(50_000));
        assert_eq!(forget_up_to(&checkpoints, 100_000, 99_000), None);
        assert_eq!(forget_up_to(&checkpoints, 3_000_000, 0), Some(900_000));
    }
}
