//! What happened, line by line, and what must not have.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::model::id::mix;

/// So many of the last lines are kept for a failure.
const LINES_KEPT: usize = 120;

/// Something that must not be, and when.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("after {}.{:03} s: {what}", at_ms / 1000, at_ms % 1000)]
pub struct Failure {
    /// Simulated milliseconds since the beginning.
    pub at_ms: u64,
    /// What it is.
    pub what: String,
}

/// What everybody in a storm writes to. Clones are the same record.
#[derive(Clone)]
pub struct Record(Arc<Mutex<Lines>>);

struct Lines {
    begun: Instant,
    hash: u64,
    last: VecDeque<String>,
    /// Is given every line as it is written.
    aloud: Option<fn(&str)>,
    failure: Option<Failure>,
    calls: u64,
    changes: u64,
    torn: u64,
    /// What this machine did not let be seen.
    trouble: Option<String>,
}

/// Folds what is written into a number.
struct Folded(u64);

impl fmt::Write for Folded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for chunk in text.as_bytes().chunks(8) {
            let word = chunk
                .iter()
                .fold(0_u64, |word, byte| (word << 8) | u64::from(*byte));
            self.0 = mix(self.0.rotate_left(17) ^ word);
        }
        Ok(())
    }
}

impl Record {
    /// A record that begins now.
    #[must_use]
    pub fn new(aloud: Option<fn(&str)>) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            begun: Instant::now(),
            hash: 0,
            last: VecDeque::new(),
            aloud,
            failure: None,
            calls: 0,
            changes: 0,
            torn: 0,
            trouble: None,
        })))
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Simulated milliseconds since the beginning.
    #[must_use]
    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.lines().begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Something happened.
    pub fn note(&self, what: &str) {
        let at_ms = self.elapsed_ms();
        let mut lines = self.lines();
        lines.fold(at_ms, format_args!("{what}"));
        let line = format!("{:>7}.{:03}  {what}", at_ms / 1000, at_ms % 1000);
        if let Some(tell) = lines.aloud {
            tell(&line);
        }
        lines.last.push_back(line);
        if lines.last.len() > LINES_KEPT {
            lines.last.pop_front();
        }
    }

    /// Something happened that a reader need not see: it counts for the hash alone.
    pub(super) fn fold(&self, what: fmt::Arguments<'_>) {
        let at_ms = self.elapsed_ms();
        self.lines().fold(at_ms, what);
    }

    /// One more call to an engine came to its end.
    pub(super) fn count_call(&self) {
        self.lines().calls += 1;
    }

    /// So many changes were stored.
    pub(super) fn count_changes(&self, count: usize) {
        self.lines().changes += count as u64;
    }

    /// One more write was torn in the middle.
    pub(super) fn count_torn(&self) {
        self.lines().torn += 1;
    }

    /// Writes that were torn in the middle so far.
    #[must_use]
    pub fn torn(&self) -> u64 {
        self.lines().torn
    }

    /// This machine did not let something be seen, which says nothing of the seed: it has not been
    /// run. The first of them counts.
    pub(super) fn trouble(&self, what: String) {
        self.lines().trouble.get_or_insert(what);
    }

    /// The first such trouble, if there was one.
    pub(super) fn troubled(&self) -> Option<String> {
        self.lines().trouble.clone()
    }

    /// Something must not be. The first of them counts.
    pub fn fail(&self, what: impl Into<String>) {
        let failure = Failure {
            at_ms: self.elapsed_ms(),
            what: what.into(),
        };
        self.note(&format!("FAILED: {}", failure.what));
        self.lines().failure.get_or_insert(failure);
    }

    /// The first thing that must not be, if there was one.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        self.lines().failure.clone()
    }

    /// Everything that was written, as one number.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.lines().hash
    }

    /// Calls to engines and stored changes so far.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let lines = self.lines();
        (lines.calls, lines.changes)
    }

    /// The last lines.
    #[must_use]
    pub fn last(&self) -> Vec<String> {
        self.lines().last.iter().cloned().collect()
    }
}

impl Lines {
    fn fold(&mut self, at_ms: u64, what: fmt::Arguments<'_>) {
        let mut folded = Folded(mix(self.hash ^ at_ms));
        // Folding does not fail.
        let _ = folded.write_fmt(what);
        self.hash = folded.0;
    }
}
