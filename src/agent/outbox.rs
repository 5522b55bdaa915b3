//! What an agent has to report and the controller has not taken yet. A newer report of the same
//! thing takes the place of the older one, so a slow controller costs nothing but freshness.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;

use crate::model::{Observation, TaskId};

/// Nobody takes reports any more: the control plane is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// Reports on their way.
pub struct Outbox {
    out: mpsc::Sender<Observation>,
    waiting: VecDeque<Observation>,
    closed: bool,
}

/// What a report is about: there is at most one waiting for each.
#[derive(PartialEq, Eq)]
enum Slot {
    Connection,
    Containers,
    Agent,
    Pulling(TaskId),
    Failed(TaskId),
    Resolved(TaskId, String),
    Stuck(String),
}

fn slot(observation: &Observation) -> Slot {
    match observation {
        Observation::Connected { .. } | Observation::Disconnected { .. } => Slot::Connection,
        Observation::Containers { .. } => Slot::Containers,
        Observation::Agent { .. } => Slot::Agent,
        Observation::Pulling { task, .. } => Slot::Pulling(*task),
        Observation::TaskFailed { task, .. } => Slot::Failed(*task),
        Observation::ImageResolved { task, image, .. } => Slot::Resolved(*task, image.clone()),
        Observation::Stuck { reason, .. } => Slot::Stuck(reason.clone()),
    }
}

impl Outbox {
    /// Reports go to `out`.
    #[must_use]
    pub fn new(out: mpsc::Sender<Observation>) -> Self {
        Self {
            out,
            waiting: VecDeque::new(),
            closed: false,
        }
    }

    /// Sends a report now, or as soon as the controller has room.
    pub fn push(&mut self, observation: Observation) {
        let about = slot(&observation);
        self.waiting.retain(|older| slot(older) != about);
        self.waiting.push_back(observation);
        while let Some(first) = self.waiting.pop_front() {
            match self.out.try_send(first) {
                Ok(()) => {}
                Err(TrySendError::Full(first)) => {
                    self.waiting.push_front(first);
                    break;
                }
                Err(TrySendError::Closed(_)) => {
                    self.closed = true;
                    self.waiting.clear();
                }
            }
        }
    }

    /// Goes on sending what waits; ends only when nobody takes it any more. May be dropped and
    /// called anew at any time.
    pub async fn pump(&mut self) -> Closed {
        while !self.closed {
            if self.waiting.is_empty() {
                self.out.closed().await;
                break;
            }
            let Ok(room) = self.out.reserve().await else {
                break;
            };
            if let Some(first) = self.waiting.pop_front() {
                room.send(first);
            }
        }
        self.closed = true;
        Closed
    }
}

/// Spaces the reports of containers: the first after a quiet time goes at once, a flood is
/// gathered, and what is urgent does not wait.
#[derive(Debug)]
pub struct Pacer {
    gap: Duration,
    last: Option<Instant>,
    due: Option<Instant>,
}

impl Pacer {
    /// Reports at least `gap` apart.
    #[must_use]
    pub fn new(gap: Duration) -> Self {
        Self {
            gap,
            last: None,
            due: None,
        }
    }

    /// There is something to report.
    pub fn touch(&mut self, now: Instant, urgent: bool) {
        let earliest = match self.last {
            Some(last) if !urgent => (last + self.gap).max(now),
            _ => now,
        };
        self.due = Some(self.due.map_or(earliest, |due| due.min(earliest)));
    }

    /// When the next report is due; `None` if there is nothing to report.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether a report is due now. If so it counts as made.
    pub fn take(&mut self, now: Instant) -> bool {
        let is_due = self.due.is_some_and(|due| due <= now);
        if is_due {
            self.due = None;
            self.last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::fixture::instance;
    use std::sync::Arc;

    fn containers() -> Observation {
        Observation::Containers {
            instance: instance(),
            containers: Arc::new(Vec::new()),
        }
    }

    fn lost(reason: &str) -> Observation {
        Observation::Disconnected {
            instance: instance(),
            reason: reason.to_owned(),
            heard_at: None,
        }
    }

    #[tokio::test]
    async fn a_slow_controller_gets_the_newest_of_each_and_in_order() {
        let (out, mut taken) = mpsc::channel(1);
        let mut outbox = Outbox::new(out);
        for report in [
            lost("first"),
            containers(),
            lost("a"),
            containers(),
            lost("b"),
        ] {
            outbox.push(report);
        }
        assert_eq!(outbox.waiting, [containers(), lost("b")]);
        let reader = tokio::spawn(async move {
            let mut got = Vec::new();
            while got.len() < 3 {
                got.extend(taken.recv().await);
            }
            got
        });
        assert_eq!(outbox.pump().await, Closed);
        assert_eq!(
            reader.await.unwrap(),
            [lost("first"), containers(), lost("b")]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_goes_at_once_a_flood_is_gathered_and_a_death_does_not_wait() {
        let gap = Duration::from_millis(8);
        let mut pacer = Pacer::new(gap);
        let start = Instant::now();
        assert!(!pacer.take(start));
        pacer.touch(start, false);
        assert!(pacer.take(start));
        pacer.touch(start + gap / 4, false);
        pacer.touch(start + gap / 2, false);
        assert_eq!(pacer.due(), Some(start + gap));
        assert!(!pacer.take(start + gap / 2));
        pacer.touch(start + gap / 2, true);
        assert!(pacer.take(start + gap / 2));
        assert_eq!(pacer.due(), None);
    }
}
