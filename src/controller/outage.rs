//! A change log that cannot be written just now: nothing is decided until it can. What was to be
//! taken in is kept, agents keep the newest of what they see, and whoever asks for a change is
//! refused at once.

use std::time::Duration;

use tokio::time::Instant;

use super::command::{CommandError, ErrorKind};
use super::core::Input;
use crate::model::TimeMs;
use crate::model::snapshot::StoreOutage;
use crate::store::StoreError;

/// Wait before the second attempt to write; doubles with every further one.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest wait between two attempts.
const RETRY_MOST: Duration = Duration::from_secs(15);

/// How the refusal of what was certainly not stored begins.
pub(crate) const UNCHANGED: &str = "nothing was changed";

/// An outage under way.
pub(super) struct Outage {
    pub since: TimeMs,
    /// What the last attempt ran into.
    pub failure: StoreError,
    pub retry_at: Instant,
    /// What was to be taken in. No more comes while it lasts: reports wait with their agents.
    pub kept: Vec<Input>,
    attempts: u32,
}

impl Outage {
    /// It begins, or goes on after another attempt in vain.
    pub fn after(before: Option<Self>, now: TimeMs, failure: StoreError, kept: Vec<Input>) -> Self {
        let (since, attempts) = before.map_or((now, 1), |it| (it.since, it.attempts + 1));
        Self {
            since,
            failure,
            kept,
            retry_at: Instant::now() + wait(attempts),
            attempts,
        }
    }

    /// As it is shown.
    pub fn shown(&self) -> StoreOutage {
        StoreOutage {
            since: self.since,
            reason: self.failure.to_string(),
        }
    }

    /// What who asks for a change meanwhile is told: it was not even tried to be stored.
    pub fn refusal(&self) -> CommandError {
        unchanged(&self.failure)
    }
}

/// What who asks for a change is told that could not be stored.
pub(super) fn refusal(failure: &StoreError) -> CommandError {
    if !matches!(failure, StoreError::Unwritable { in_doubt: true, .. }) {
        return unchanged(failure);
    }
    CommandError::new(
        ErrorKind::ServerException,
        format!(
            "it may have been stored, for the disk failed while it was told to keep it: {failure}. \
             It is not gone by for now, and after a restart it may be there: look then. Writing is \
             tried again, what was asked for is not; tasks go on as they are"
        ),
    )
}

fn unchanged(failure: &StoreError) -> CommandError {
    CommandError::new(
        ErrorKind::ServerException,
        format!(
            "{UNCHANGED}, for it cannot be stored: {failure}. Writing is tried again, what was \
             asked for is not; tasks go on as they are"
        ),
    )
}

/// The same for who asked for a reload: nobody asks for it anew but who sends the signal.
pub(super) fn of_reload(refusal: &CommandError) -> CommandError {
    let message = format!(
        "{}. The configuration is not read again by itself: send SIGHUP again once there is room",
        refusal.message
    );
    CommandError::new(refusal.kind, message)
}

/// The inputs that are taken in again: what agents saw, and that the clock was set. Who asked for
/// something was refused.
pub(super) fn kept(inputs: &[Input]) -> Vec<Input> {
    let again =
        |input: &&Input| matches!(input, Input::Observation(_) | Input::ClockStepped { .. });
    inputs.iter().filter(again).cloned().collect()
}

fn wait(attempts: u32) -> Duration {
    let doubled = RETRY_FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(10));
    doubled.min(RETRY_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asked_for_a_reload_is_told_to_ask_again() {
        let refusal = CommandError::new(ErrorKind::ServerException, "it cannot be stored");
        let told = of_reload(&refusal).to_string();
        assert!(told.contains("it cannot be stored. "), "{told}");
        assert!(told.contains("send SIGHUP again"), "{told}");
    }

    #[test]
    fn nothing_is_claimed_of_what_the_disk_may_have() {
        let failure = |in_doubt| StoreError::Unwritable {
            place: "state.db".to_owned(),
            message: "disk I/O error".to_owned(),
            in_doubt,
        };
        let sure = refusal(&failure(false)).message;
        assert!(sure.starts_with(UNCHANGED), "{sure}");
        let unsure = refusal(&failure(true)).message;
        assert!(!unsure.contains(UNCHANGED), "{unsure}");
        assert!(unsure.starts_with("it may have been stored"), "{unsure}");
        // Who asks later is refused before anything is written.
        let outage = Outage::after(None, TimeMs(1), failure(true), Vec::new());
        assert!(outage.refusal().message.starts_with(UNCHANGED));
    }

    #[test]
    fn attempts_become_rarer_up_to_a_bound() {
        let waits: Vec<u64> = (1..=7).map(|n| wait(n).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 15, 15, 15]);
        assert_eq!(wait(u32::MAX), RETRY_MOST);
    }
}
