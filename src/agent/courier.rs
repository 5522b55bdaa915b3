//! Brings each agent the snapshots, by a channel of its own.
//!
//! Many receivers of one `watch` are woken in an order that tokio draws at random. With one receiver
//! a channel, and the channels served one after the other, a simulation replays from its seed; and
//! agents that come and go disturb nobody else's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::model::Snapshot;

/// Serves agents until it is dropped, or the one who publishes is gone.
pub struct Courier {
    round: Arc<Mutex<Round>>,
    _task: AbortOnDropHandle<()>,
}

struct Round {
    /// What was brought last.
    newest: Arc<Snapshot>,
    /// In the order in which agents came; `None` = there is nothing to bring any more.
    feeds: Option<Vec<watch::Sender<Arc<Snapshot>>>>,
}

fn lock(round: &Mutex<Round>) -> MutexGuard<'_, Round> {
    round.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Courier {
    /// Brings what is published to `snapshots`.
    #[must_use]
    pub fn new(mut snapshots: watch::Receiver<Arc<Snapshot>>) -> Self {
        let round = Arc::new(Mutex::new(Round {
            newest: snapshots.borrow_and_update().clone(),
            feeds: Some(Vec::new()),
        }));
        let served = round.clone();
        let task = tokio::spawn(async move {
            while snapshots.changed().await.is_ok() {
                let newest = snapshots.borrow_and_update().clone();
                lock(&served).bring(newest);
            }
            lock(&served).feeds = None;
        });
        Self {
            round,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// A channel for one more agent. It is closed when nothing is published any more.
    #[must_use]
    pub fn feed(&self) -> watch::Receiver<Arc<Snapshot>> {
        let mut round = lock(&self.round);
        let (feed, snapshots) = watch::channel(round.newest.clone());
        if let Some(feeds) = &mut round.feeds {
            feeds.push(feed);
        }
        snapshots
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        // The task lets go of the round only when it is next polled.
        lock(&self.round).feeds = None;
    }
}

impl Round {
    fn bring(&mut self, newest: Arc<Snapshot>) {
        if let Some(feeds) = &mut self.feeds {
            // An agent that is gone took its end with it.
            feeds.retain(|feed| feed.send(newest.clone()).is_ok());
        }
        self.newest = newest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(version: u64) -> Arc<Snapshot> {
        Arc::new(Snapshot {
            version,
            ..Snapshot::default()
        })
    }

    #[tokio::test]
    async fn agents_are_served_in_the_order_in_which_they_came_and_told_of_the_end() {
        let publisher = watch::Sender::new(picture(1));
        let courier = Courier::new(publisher.subscribe());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut agents = Vec::new();
        for name in 0..40 {
            let (mut feed, seen) = (courier.feed(), seen.clone());
            agents.push(tokio::spawn(async move {
                while feed.changed().await.is_ok() {
                    let version = feed.borrow_and_update().version;
                    seen.lock().unwrap().push((version, name));
                }
            }));
        }
        let gone = courier.feed();
        drop(gone);
        let mut expected = Vec::new();
        for version in 2..5 {
            publisher.send_replace(picture(version));
            expected.extend((0..40).map(|name| (version, name)));
            while seen.lock().unwrap().len() < expected.len() {
                tokio::task::yield_now().await;
            }
            assert_eq!(*seen.lock().unwrap(), expected);
        }
        assert_eq!(courier.feed().borrow().version, 4, "who comes late is told");
        drop(publisher);
        for agent in agents {
            agent.await.unwrap();
        }
        assert!(courier.feed().changed().await.is_err());
    }
}
