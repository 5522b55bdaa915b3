//! Where the change log and its checkpoints live. Blocking: the driver gives it a thread.

pub mod folder;
pub mod lock;
pub mod memory;
pub mod retention;
pub mod sqlite;
#[cfg(test)]
pub mod story;

pub use lock::{LockError, LockHolder, StateLock};
pub use memory::MemoryStore;
pub use sqlite::SqliteStore;

use std::sync::Arc;

use crate::model::{Change, Happening, HistoryAsk, State, TimeMs};

/// What went wrong with the store. The control plane does not act on what it could not store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store could not be opened, read or written.
    #[error("the state store {place}: {message}")]
    Failed {
        /// Where the store is.
        place: String,
        /// What it said.
        message: String,
    },
    /// It cannot be written just now, for a reason that may pass: the disk is full, say. Nothing
    /// was stored, and nothing is lost; unless it is in doubt.
    #[error("the state store {place} cannot be written: {message}")]
    Unwritable {
        /// Where the store is.
        place: String,
        /// What it said.
        message: String,
        /// The disk failed while it was told to keep what was written: if the machine goes down
        /// before the next write, it may be there all the same.
        in_doubt: bool,
    },
    /// What is stored cannot be understood: written by a newer version, or damaged.
    #[error("the state store {place} cannot be read: {message}")]
    Unreadable {
        /// Where the store is.
        place: String,
        /// What is wrong with it.
        message: String,
    },
    /// A moment was asked for that the log no longer reaches back to.
    #[error("the log begins at {}, and {} is before that", utc(*begins), utc(*at))]
    TooOld {
        /// The moment.
        at: TimeMs,
        /// Where the log begins.
        begins: TimeMs,
    },
}

/// The change log and its checkpoints.
pub trait Store: Send + 'static {
    /// The latest state and the number of the last change in it (0 = none).
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read whole.
    fn load(&mut self) -> Result<(State, u64), StoreError>;

    /// Whether appending never waits for anything, so that it needs no thread of its own: a
    /// simulation then replays to the millisecond.
    fn is_instant(&self) -> bool {
        false
    }

    /// Appends changes, all or none, durably. Returns the number of the last one. `after` is the
    /// state with these changes in it, for a checkpoint when one is due.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was appended.
    fn append(&mut self, at: TimeMs, changes: &[Change], after: &State) -> Result<u64, StoreError>;

    /// The log, to be read while it goes on being written.
    fn archive(&self) -> Arc<dyn Archive>;
}

/// How large a change log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogSize {
    /// Bytes on disk, checkpoints included; 0 in memory.
    pub bytes: u64,
    /// Changes that it holds.
    pub changes: u64,
}

/// A change log, read while somebody else writes it. Blocking: a look far back takes a while.
pub trait Archive: Send + Sync + 'static {
    /// The earliest moment that can be shown; `None` while nothing happened.
    ///
    /// # Errors
    /// [`StoreError`] if the log cannot be read.
    fn begins(&self) -> Result<Option<TimeMs>, StoreError>;

    /// The state as it was at that moment, and the number of the last change in it.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be rebuilt; as [`StoreError::TooOld`] because the moment is
    /// older than the log.
    fn state_at(&self, at: TimeMs) -> Result<(State, u64), StoreError>;

    /// What happened in a part of the past, newest first: the newest `most`.
    ///
    /// # Errors
    /// [`StoreError`] if the log cannot be read.
    fn happenings(&self, asked: &HistoryAsk, most: usize) -> Result<Vec<Happening>, StoreError>;

    /// How large the log is.
    ///
    /// # Errors
    /// [`StoreError`] if the log cannot be read.
    fn size(&self) -> Result<LogSize, StoreError>;
}

impl StoreError {
    /// Whether another attempt may go better.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unwritable { .. })
    }

    /// The refusal to rebuild a moment that the log no longer reaches back to.
    fn too_old(place: String, at: TimeMs, begins: Option<TimeMs>) -> Self {
        match begins {
            Some(begins) => Self::TooOld { at, begins },
            None => Self::Unreadable {
                place,
                message: "there are changes missing at its beginning".to_owned(),
            },
        }
    }
}

/// A moment for people, in UTC.
fn utc(at: TimeMs) -> String {
    i64::try_from(at.0)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .map_or_else(|| format!("{} ms", at.0), |stamp| stamp.to_string())
}
