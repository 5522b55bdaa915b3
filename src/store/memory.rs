//! A change log in memory, for simulated fleets and tests: nothing outlives the process.

use std::collections::VecDeque;

use super::{Store, StoreError, retention};
use crate::model::{Change, State, TimeMs};

const PLACE: &str = "in memory";

/// A change log in memory, bounded like the one on disk.
#[derive(Debug, Default)]
pub struct MemoryStore {
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

    fn base(&self, at: TimeMs) -> Option<(u64, State)> {
        let found = self
            .checkpoints
            .iter()
            .rev()
            .find(|(_, taken, _)| *taken <= at);
        match found {
            Some((seq, _, state)) => Some((*seq, state.clone())),
            None => {
                let whole = self.changes.front().is_none_or(|(seq, ..)| *seq == 1);
                whole.then(|| (0, State::default()))
            }
        }
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
        if let Some(upto) = retention::forget_up_to(&numbers, self.last, aged) {
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
        self.state_at(TimeMs(u64::MAX))
    }

    fn append(&mut self, at: TimeMs, changes: &[Change], after: &State) -> Result<u64, StoreError> {
        self.last_at = self.last_at.max(at);
        for change in changes {
            self.last += 1;
            self.changes
                .push_back((self.last, self.last_at, change.clone()));
        }
        self.tidy(after);
        Ok(self.last)
    }

    fn state_at(&mut self, at: TimeMs) -> Result<(State, u64), StoreError> {
        let Some((base, mut state)) = self.base(at) else {
            return Err(super::too_old(PLACE.to_owned(), at));
        };
        let mut last = base;
        for (seq, taken, change) in &self.changes {
            if *seq > base && *taken <= at {
                state.apply(change);
                last = *seq;
            }
        }
        Ok((state, last))
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
