//! Every number of an agent, in one place.

use std::time::Duration;

/// How patient, how parallel and how chatty an agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// How long one attempt to connect may take, from dialling to the first whole list.
    pub connect_timeout: Duration,
    /// Wait after the first failed attempt; doubles with every further one.
    pub backoff_first: Duration,
    /// The longest wait between two attempts.
    pub backoff_most: Duration,
    /// A connection that lasted this long was a good one: back-off begins anew after it.
    pub settled_after: Duration,
    /// Time between two signs of life that are asked for.
    pub heartbeat: Duration,
    /// How long such an answer may take.
    pub ping_timeout: Duration,
    /// So many unanswered in a row, and the engine counts as not answering.
    pub pings_missed_most: u32,
    /// Time between two whole lists, give or take a fifth.
    pub resync: Duration,
    /// Two reports of containers are at least this far apart. The first after a quiet time goes
    /// at once, and so does every death.
    pub report_gap: Duration,
    /// Creates and starts at a time on one engine.
    pub makes_at_once: usize,
    /// Pulls at a time on one engine.
    pub pulls_at_once: usize,
    /// Stops at a time on one engine: they mostly wait for a process to end.
    pub stops_at_once: usize,
    /// Removals at a time on one engine.
    pub removes_at_once: usize,
    /// Inspections at a time on one engine.
    pub inspects_at_once: usize,
    /// How long inspecting, listing or making a network or a volume may take.
    pub call_timeout: Duration,
    /// How long a create or a start may take.
    pub make_timeout: Duration,
    /// How long a stop may take beyond the container's own stop timeout.
    pub stop_margin: Duration,
    /// How long a removal may take.
    pub remove_timeout: Duration,
    /// A pull that brings nothing for this long has failed.
    pub pull_idle_timeout: Duration,
    /// Further attempts at a pull that failed in a way that may pass.
    pub pull_retries: u32,
    /// Wait before the first such attempt; doubles with every further one.
    pub pull_retry_wait: Duration,
    /// Reports of one pull's progress are at least this far apart.
    pub pull_report_gap: Duration,
    /// How long fetching one secret or environment file may take.
    pub secret_timeout: Duration,
    /// Further attempts at one that could not be had in a way that may pass.
    pub secret_retries: u32,
    /// Wait before the first such attempt; doubles with every further one.
    pub secret_retry_wait: Duration,
    /// So many attempts at an action that got no answer, and its task has failed.
    pub attempts_most: u32,
    /// Wait before an action is tried again; doubles with every further attempt.
    pub retry_first: Duration,
    /// The longest such wait.
    pub retry_most: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(30),
            backoff_first: Duration::from_millis(500),
            backoff_most: Duration::from_secs(15),
            settled_after: Duration::from_secs(10),
            heartbeat: Duration::from_secs(2),
            ping_timeout: Duration::from_secs(5),
            pings_missed_most: 2,
            resync: Duration::from_secs(60),
            report_gap: Duration::from_millis(8),
            makes_at_once: 8,
            pulls_at_once: 3,
            stops_at_once: 32,
            removes_at_once: 4,
            inspects_at_once: 16,
            call_timeout: Duration::from_secs(20),
            make_timeout: Duration::from_secs(120),
            stop_margin: Duration::from_secs(30),
            remove_timeout: Duration::from_secs(60),
            pull_idle_timeout: Duration::from_secs(120),
            pull_retries: 2,
            pull_retry_wait: Duration::from_secs(1),
            pull_report_gap: Duration::from_millis(250),
            secret_timeout: Duration::from_secs(20),
            secret_retries: 2,
            secret_retry_wait: Duration::from_secs(1),
            attempts_most: 3,
            retry_first: Duration::from_secs(1),
            retry_most: Duration::from_secs(30),
        }
    }
}

impl Tuning {
    /// For tests on real time: the same behaviour with waits that do not bore.
    #[must_use]
    pub fn fast() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            backoff_first: Duration::from_millis(50),
            backoff_most: Duration::from_millis(500),
            settled_after: Duration::from_secs(1),
            heartbeat: Duration::from_millis(200),
            ping_timeout: Duration::from_millis(500),
            resync: Duration::from_secs(5),
            report_gap: Duration::from_millis(2),
            call_timeout: Duration::from_secs(5),
            make_timeout: Duration::from_secs(20),
            stop_margin: Duration::from_secs(5),
            remove_timeout: Duration::from_secs(20),
            pull_idle_timeout: Duration::from_secs(10),
            pull_retry_wait: Duration::from_millis(50),
            secret_retry_wait: Duration::from_millis(20),
            pull_report_gap: Duration::from_millis(50),
            retry_first: Duration::from_millis(50),
            retry_most: Duration::from_millis(500),
            ..Self::default()
        }
    }

    /// How long to wait before attempt number `attempt` (from 1) to reach the instance of that
    /// name: doubling, capped, and between half and the whole of that, so that fifty agents do
    /// not knock in step. Equal arguments give equal waits.
    #[must_use]
    pub fn backoff(&self, name: &str, attempt: u32) -> Duration {
        let doubled = double(self.backoff_first, attempt.saturating_sub(1));
        let whole = doubled.min(self.backoff_most);
        whole.mul_f64(0.5 + 0.5 * fraction(name, u64::from(attempt)))
    }

    /// When the next whole list is due: `resync` give or take a fifth.
    #[must_use]
    pub fn resync_wait(&self, name: &str, round: u64) -> Duration {
        self.resync.mul_f64(0.8 + 0.4 * fraction(name, round))
    }

    /// How long to wait before the next attempt at an action that failed `attempts` times.
    #[must_use]
    pub fn retry_wait(&self, attempts: u32) -> Duration {
        double(self.retry_first, attempts.saturating_sub(1)).min(self.retry_most)
    }
}

/// `first`, doubled so many times, stopping short of overflow.
pub(super) fn double(first: Duration, times: u32) -> Duration {
    first.saturating_mul(1_u32 << times.min(20))
}

/// A number from 0 to 1 that depends on the name and the number alone.
fn fraction(name: &str, number: u64) -> f64 {
    let seed = name.bytes().fold(number, |seed, byte| {
        crate::model::id::mix(seed ^ u64::from(byte))
    });
    crate::model::id::mix(seed) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_is_capped_jittered_and_replays() {
        let tuning = Tuning::default();
        for attempt in 1..40 {
            let wait = tuning.backoff("ops-1", attempt);
            let whole = double(tuning.backoff_first, attempt - 1).min(tuning.backoff_most);
            assert!(wait <= whole && wait >= whole / 2, "{attempt}: {wait:?}");
            assert_eq!(wait, tuning.backoff("ops-1", attempt));
        }
        assert_ne!(tuning.backoff("ops-1", 6), tuning.backoff("ops-2", 6));
    }
}
