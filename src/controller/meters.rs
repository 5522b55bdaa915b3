//! What is counted while the control plane runs: by who drives it, never by who decides.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::command::Response;
use super::core::Decision;
use crate::model::{Change, State, StopCode};

/// Upper bounds of a histogram's buckets, in seconds; what is longer is counted besides.
pub const BOUNDS_S: [f64; 12] = [
    0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0,
];
/// A decision that is not made for so long beyond its time is not made at all any more.
const SILENT_MAX: Duration = Duration::from_secs(120);
/// A write that takes so long is stuck.
const WRITE_MAX: Duration = Duration::from_secs(15);
/// Stands for "not now".
const NEVER: u64 = u64::MAX;

/// How long something took, over and over.
#[derive(Debug, Default)]
pub struct Histogram {
    /// One for each bound, and one for what is longer.
    counts: [AtomicU64; BOUNDS_S.len() + 1],
    sum_us: AtomicU64,
}

/// What a histogram holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Bound in seconds, and how many took no longer.
    pub buckets: Vec<(f64, u64)>,
    /// How many in all.
    pub count: u64,
    /// All together, in seconds.
    pub sum_s: f64,
}

impl Histogram {
    /// Takes one in.
    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS_S.partition_point(|bound| *bound < seconds);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// What it holds now.
    #[must_use]
    pub fn read(&self) -> Reading {
        let mut count = 0;
        let mut buckets = Vec::with_capacity(BOUNDS_S.len());
        for (index, held) in self.counts.iter().enumerate() {
            count += held.load(Ordering::Relaxed);
            if let Some(bound) = BOUNDS_S.get(index) {
                buckets.push((*bound, count));
            }
        }
        let sum = Duration::from_micros(self.sum_us.load(Ordering::Relaxed));
        Reading {
            buckets,
            count,
            sum_s: sum.as_secs_f64(),
        }
    }
}

/// A number that grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// What it has come to.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is counted of a running control plane.
#[derive(Debug)]
pub struct Meters {
    begun: Instant,
    /// Milliseconds since `begun`: when the last decision was done with.
    passed_ms: AtomicU64,
    /// Since when the store writes; [`NEVER`] while it does not.
    writing_ms: AtomicU64,
    /// How long decisions took, without the store.
    pub decisions: Histogram,
    /// How long the store took to keep what was decided.
    pub appends: Histogram,
    /// Tasks that were placed.
    pub placements: Counter,
    /// Tasks that found no place when one was looked for.
    pub placement_failures: Counter,
    /// Tasks that were placed and could not be started.
    pub start_failures: Counter,
    /// Commands that were done.
    pub commands_done: Counter,
    /// Commands that were refused.
    pub commands_refused: Counter,
    /// Changes of the state that were stored.
    pub changes: Counter,
    /// Watchers that fell behind and were given a fresh picture.
    pub resyncs: Counter,
    watchers: AtomicU64,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            passed_ms: AtomicU64::new(0),
            writing_ms: AtomicU64::new(NEVER),
            decisions: Histogram::default(),
            appends: Histogram::default(),
            placements: Counter::default(),
            placement_failures: Counter::default(),
            start_failures: Counter::default(),
            commands_done: Counter::default(),
            commands_refused: Counter::default(),
            changes: Counter::default(),
            resyncs: Counter::default(),
            watchers: AtomicU64::new(0),
        }
    }
}

impl Meters {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(NEVER - 1)
    }

    /// A decision was made in that time.
    pub(super) fn decided(&self, took: Duration) {
        self.decisions.observe(took);
    }

    /// What a decision came to is kept.
    pub(super) fn kept(&self, tally: &Tally) {
        self.placements.add(tally.placements);
        self.start_failures.add(tally.start_failures);
        self.placement_failures.add(tally.unplaced);
        self.commands_done.add(tally.done);
        self.commands_refused.add(tally.refused);
    }

    /// It could not be kept: nothing of it is, and whoever asked was refused.
    pub(super) fn not_kept(&self, tally: &Tally) {
        self.commands_refused.add(tally.done + tally.refused);
    }

    /// The store begins to write.
    pub(super) fn writes(&self) {
        self.writing_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// The store has kept so many changes after that time.
    pub(super) fn wrote(&self, took: Duration, changes: usize) {
        self.writing_ms.store(NEVER, Ordering::Relaxed);
        self.appends.observe(took);
        self.changes.add(u64::try_from(changes).unwrap_or(u64::MAX));
    }

    /// The store could not keep what was decided.
    pub(super) fn not_written(&self) {
        self.writing_ms.store(NEVER, Ordering::Relaxed);
    }

    /// A decision is done with: stored, published, answered.
    pub(super) fn passed(&self) {
        self.passed_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// What holds the control plane up, if something does.
    #[must_use]
    pub fn stuck(&self) -> Option<String> {
        let now = self.now_ms();
        let writing = self.writing_ms.load(Ordering::Relaxed);
        let since = |then: u64| Duration::from_millis(now.saturating_sub(then));
        if writing != NEVER && since(writing) > WRITE_MAX {
            let s = since(writing).as_secs();
            return Some(format!("the store has been writing for {s} s"));
        }
        let passed = since(self.passed_ms.load(Ordering::Relaxed));
        (passed > SILENT_MAX).then(|| format!("nothing was decided for {} s", passed.as_secs()))
    }

    /// Somebody watches until what is given is dropped.
    #[must_use]
    pub fn watch(self: &std::sync::Arc<Self>) -> Watching {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        Watching(self.clone())
    }

    /// How many watch now.
    #[must_use]
    pub fn watchers(&self) -> u64 {
        self.watchers.load(Ordering::Relaxed)
    }
}

/// Somebody who watches.
#[derive(Debug)]
pub struct Watching(std::sync::Arc<Meters>);

impl Watching {
    /// They fell behind and begin anew.
    pub fn fell_behind(&self) {
        self.0.resyncs.add(1);
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a decision comes to, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    placements: u64,
    start_failures: u64,
    unplaced: u64,
    done: u64,
    refused: u64,
}

impl Tally {
    /// Counts a decision made on that state.
    pub fn of(before: &State, decision: &Decision) -> Self {
        let mut tally = Self::default();
        for change in &decision.changes {
            match change {
                Change::Task(task) => {
                    let known = before.tasks.get(&task.id);
                    tally.placements += u64::from(known.is_none());
                    let failed = |code: Option<StopCode>| code == Some(StopCode::TaskFailedToStart);
                    let fresh = failed(task.stop_code)
                        && !known.is_some_and(|known| failed(known.stop_code));
                    tally.start_failures += u64::from(fresh);
                }
                Change::Service(service) => {
                    let of = |count: Option<u32>| u64::from(count.unwrap_or(0));
                    let known = before.service(&service.cluster, &service.name);
                    let known = known.and_then(|it| it.unplaced.as_ref());
                    let now = of(service.unplaced.as_ref().map(|it| it.count));
                    tally.unplaced += now.saturating_sub(of(known.map(|it| it.count)));
                }
                _ => {}
            }
        }
        for reply in &decision.replies {
            if let Ok(Response::Tasks(_, failures)) = reply {
                tally.unplaced += u64::try_from(failures.len()).unwrap_or(u64::MAX);
            }
        }
        let count = |of: usize| u64::try_from(of).unwrap_or(u64::MAX);
        let batches = decision.batches.iter().flatten();
        tally.done = count(decision.replies.iter().filter(|it| it.is_ok()).count())
            + count(batches.map(Vec::len).sum::<usize>());
        tally.refused = count(decision.replies.iter().filter(|it| it.is_err()).count())
            + count(decision.batches.iter().filter(|it| it.is_err()).count());
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_each_once_and_its_buckets_include_the_shorter() {
        let histogram = Histogram::default();
        for us in [50, 100, 101, 2_000, 60_000_000] {
            histogram.observe(Duration::from_micros(us));
        }
        let reading = histogram.read();
        assert_eq!(reading.count, 5);
        assert_eq!(reading.buckets.len(), BOUNDS_S.len());
        assert_eq!(reading.buckets[0], (0.000_1, 2), "a bound is in its bucket");
        assert_eq!(reading.buckets[1].1, 3);
        assert_eq!(
            reading.buckets[11].1, 4,
            "a minute is longer than all of them"
        );
        assert!((reading.sum_s - 60.002_251).abs() < 1e-9);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_hangs_and_a_driver_that_is_silent_are_told() {
        let meters = Meters::default();
        assert_eq!(meters.stuck(), None);
        meters.writes();
        tokio::time::advance(Duration::from_secs(16)).await;
        let said = meters.stuck().unwrap();
        assert_eq!(said, "the store has been writing for 16 s");
        meters.wrote(Duration::from_secs(16), 3);
        assert_eq!((meters.stuck(), meters.changes.read()), (None, 3));
        meters.passed();
        tokio::time::advance(Duration::from_secs(121)).await;
        let said = meters.stuck().unwrap();
        assert_eq!(said, "nothing was decided for 121 s");
        meters.passed();
        assert_eq!(meters.stuck(), None);
    }

    #[test]
    fn who_watches_is_counted_until_they_go() {
        let meters = std::sync::Arc::new(Meters::default());
        let (a, b) = (meters.watch(), meters.watch());
        a.fell_behind();
        drop(a);
        assert_eq!((meters.watchers(), meters.resyncs.read()), (1, 1));
        drop(b);
        assert_eq!(meters.watchers(), 0);
    }
}
