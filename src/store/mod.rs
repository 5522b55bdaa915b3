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

use crate::model::{Change, State, TimeMs};

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
    /// What is stored cannot be understood: written by a newer version, or damaged.
    #[error("the state store {place} cannot be read: {message}")]
    Unreadable {
        /// Where the store is.
        place: String,
        /// What is wrong with it.
        message: String,
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

    /// The state as it was at that moment, and the number of the last change in it.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be rebuilt, say because the moment is older than the log.
    fn state_at(&mut self, at: TimeMs) -> Result<(State, u64), StoreError>;
}

/// The refusal to rebuild a moment that the log no longer reaches back to.
fn too_old(place: String, at: TimeMs) -> StoreError {
    StoreError::Unreadable {
        place,
        message: format!(
            "the moment {} ms since 1970 is older than the oldest change that is kept",
            at.0
        ),
    }
}
