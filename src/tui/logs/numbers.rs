//! Numbers of log entries, in their order: which ones pass a filter, which ones match a search.

use std::collections::VecDeque;

/// Ascending numbers; the oldest are let go with their entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers(VecDeque<u64>);

impl Numbers {
    /// Takes a number in that is greater than all before.
    pub(crate) fn push(&mut self, number: u64) {
        self.0.push_back(number);
    }

    /// Lets go of all numbers under `first`.
    pub(crate) fn forget_before(&mut self, first: u64) {
        while self.0.front().is_some_and(|number| *number < first) {
            self.0.pop_front();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The first one that is `number` or greater.
    pub(crate) fn at_or_after(&self, number: u64) -> Option<u64> {
        self.0.get(self.place(number)).copied()
    }

    /// The last one under `number`.
    pub(crate) fn before(&self, number: u64) -> Option<u64> {
        self.0.get(self.place(number).checked_sub(1)?).copied()
    }

    /// How many come before `number`.
    pub(crate) fn place(&self, number: u64) -> usize {
        self.0.partition_point(|each| *each < number)
    }
}
