//! A change log in memory, for simulated fleets and tests: nothing outlives the process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Archive, LogSize, Store, StoreError, retention};
use crate::model::history::{Happening, HistoryAsk};
use crate::model::{Change, State, TimeMs};

const PLACE: &str = "in memory";

/// A change log in memory, bounded like the one on disk.
#[derive(Debug, Default)]
pub struct MemoryStore {
    log: Arc<Mutex<Log>>,
}

/// What is kept.
#[derive(Debug, Default)]
struct Log {
    changes: VecDeque<(u64, TimeMs, Change)>,
    checkpoints: Vec<(u64, TimeMs, State)>,
    last: u64,
    last_at: TimeMs,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// The log, whoever broke down while holding it: every step of it is whole.
fn held(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Log {
    /// The newest checkpoint at or before a moment; the empty state if the log is whole.
    fn base(&self, at: TimeMs) -> Option<(u64, State)> {
        let found = self
            .checkpoints
            .iter()
            .rev()
            .find(|(_, taken, _)| *taken <= at);
        match found {
            Some((seq, _, state)) => Some((*seq, state.clone())),
            None => self.is_whole().then(|| (0, State::default())),
        }
    }

    fn is_whole(&self) -> bool {
        self.changes.front().is_none_or(|(seq, ..)| *seq == 1)
    }

    fn begins(&self) -> Option<TimeMs> {
        if self.is_whole() {
            return self.changes.front().map(|(_, at, _)| *at);
        }
        self.checkpoints.first().map(|(_, at, _)| *at)
    }

    fn tidy(&mut self, after: &State) {
        let newest = self.checkpoints.last().map_or(0, |(seq, ..)| *seq);
        if !retention::checkpoint_due(newest, self.last, after) {
            return;
        }
        self.checkpoints
            .push((self.last, self.last_at, after.clone()));
        let numbers: Vec<u64> = self.checkpoints.iter().map(|(seq, ..)| *seq).collect();
        let dropped = retention::thin(&numbers, self.last);
        self.checkpoints.retain(|(seq, ..)| !dropped.contains(seq));
        let limit = retention::aged_before(self.last_at);
        let aged = self.changes.partition_point(|(_, at, _)| *at < limit);
        let aged = aged
            .checked_sub(1)
            .and_then(|index| self.changes.get(index))
            .map_or(0, |(seq, ..)| *seq);
        let numbers: Vec<u64> = self.checkpoints.iter().map(|(seq, ..)| *seq).collect();
        let aged = retention::forget_up_to(&numbers, self.last, aged);
        let many = retention::beyond(&numbers, self.last, retention::MEMORY_CHANGES_MAX);
        if let Some(upto) = aged.max(many) {
            self.checkpoints.retain(|(seq, ..)| *seq >= upto);
            while self.changes.front().is_some_and(|(seq, ..)| *seq <= upto) {
                self.changes.pop_front();
            }
        }
    }
}

impl Store for MemoryStore {
    fn is_instant(&self) -> bool {
        true
    }

    fn load(&mut self) -> Result<(State, u64), StoreError> {
        self.archive().state_at(TimeMs(u64::MAX))
    }

    fn append(&mut self, at: TimeMs, changes: &[Change], after: &State) -> Result<u64, StoreError> {
        let mut log = held(&self.log);
        let at = log.last_at.max(at);
        log.last_at = at;
        for change in changes {
            log.last += 1;
            let seq = log.last;
            log.changes.push_back((seq, at, change.clone()));
        }
        log.tidy(after);
        Ok(log.last)
    }

    fn archive(&self) -> Arc<dyn Archive> {
        Arc::new(MemoryArchive(self.log.clone()))
    }
}

/// The log of a [`MemoryStore`], to be read meanwhile. It is held only while what is needed of it
/// is copied, which is cheap: states and changes share what is in them.
struct MemoryArchive(Arc<Mutex<Log>>);

impl Archive for MemoryArchive {
    fn begins(&self) -> Result<Option<TimeMs>, StoreError> {
        Ok(held(&self.0).begins())
    }

    fn state_at(&self, at: TimeMs) -> Result<(State, u64), StoreError> {
        let (base, mut state, changes) = {
            let log = held(&self.0);
            let Some((base, state)) = log.base(at) else {
                return Err(StoreError::too_old(PLACE.to_owned(), at, log.begins()));
            };
            let first = log.changes.partition_point(|(seq, ..)| *seq <= base);
            let end = log.changes.partition_point(|(_, taken, _)| *taken <= at);
            let changes = log.changes.range(first..end.max(first));
            let changes: Vec<_> = changes.map(|(seq, _, it)| (*seq, it.clone())).collect();
            (base, state, changes)
        };
        let mut last = base;
        for (seq, change) in &changes {
            state.apply(change);
            last = *seq;
        }
        Ok((state, last))
    }

    fn happenings(&self, asked: &HistoryAsk, most: usize) -> Result<Vec<Happening>, StoreError> {
        let log = held(&self.0);
        let end = log.changes.partition_point(|(seq, at, _)| {
            *at <= asked.until && asked.before.is_none_or(|before| *seq < before)
        });
        let newest_first = log.changes.range(..end).rev();
        Ok(newest_first
            .take_while(|(_, at, _)| *at >= asked.since)
            .filter_map(|(seq, at, change)| match change {
                Change::Event(event) => Some(Happening {
                    seq: *seq,
                    at: *at,
                    event: event.clone(),
                }),
                _ => None,
            })
            .take(most)
            .collect())
    }

    fn size(&self) -> Result<LogSize, StoreError> {
        let held = held(&self.0).changes.len();
        Ok(LogSize {
            bytes: 0,
            changes: u64::try_from(held).unwrap_or(u64::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::story;

    #[test]
    fn the_store_story_holds_in_memory() {
        let mut store = MemoryStore::new();
        story::tell(&mut store);
    }
}
