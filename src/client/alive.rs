//! Says in the state folder that its control plane is at work, so that the next one can tell how
//! long nobody looked.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use crate::agent::Clock;
use crate::model::Snapshot;
use crate::store::lock::LifeSign;

/// Wait between two signs: of the time before it was killed, so much at most counts as time away.
pub(super) const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// Gives signs of life until it is ended or dropped, or its control plane ends by itself.
pub(super) struct Alive {
    stop: oneshot::Sender<()>,
    keeper: AbortOnDropHandle<()>,
}

impl Alive {
    /// Begins at once. `snapshots` are those of the control plane: closed, it has ended.
    pub fn keep(
        sign: LifeSign,
        clock: impl Clock,
        snapshots: watch::Receiver<Arc<Snapshot>>,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        let keeper = tokio::spawn(keep(sign, clock, snapshots, stopped));
        Self {
            stop,
            keeper: AbortOnDropHandle::new(keeper),
        }
    }

    /// Gives the last sign of a control plane that has ended as it was asked to.
    pub async fn end(self) {
        // Nobody hears it if the control plane ended by itself: then it has not been at work since.
        let _gone = self.stop.send(());
        if let Err(broken) = self.keeper.await {
            tracing::debug!(%broken, "no last sign of life was given");
        }
    }
}

async fn keep(
    sign: LifeSign,
    clock: impl Clock,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut warned = false;
    let mut last = false;
    loop {
        let (to_give, now) = (sign.clone(), clock.now());
        // A disk may be slow.
        let given = tokio::task::spawn_blocking(move || to_give.give(now)).await;
        if let Err(error) = given.unwrap_or_else(|broken| Err(io::Error::other(broken)))
            && !warned
        {
            tracing::warn!(
                %error,
                "the lock file in the state folder cannot be touched: how long nobody looks after the \
                 hosts when this ends is then reckoned too long, and lost ones are given up later"
            );
            warned = true;
        }
        if last {
            return;
        }
        tokio::select! {
            biased; // The first comes once.
            _ = &mut stopped => last = true,
            () = sleep(ALIVE_EVERY) => {
                if snapshots.has_changed().is_err() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::TokioClock;
    use crate::model::TimeMs;
    use crate::store::{LockHolder, StateLock};

    fn take(dir: &std::path::Path) -> StateLock {
        let holder = LockHolder {
            pid: 42,
            user: "ann".into(),
            role: "serve".into(),
            since: TimeMs(7),
        };
        StateLock::take(dir, &holder).unwrap()
    }

    const BASE: TimeMs = TimeMs(1_700_000_000_000);

    /// Gives signs for so long, then ends in that way; when the next holder finds it was alive.
    async fn last_alive(for_ms: u64, cleanly: bool, ended_by_itself: bool) -> u64 {
        let dir = tempfile::tempdir().unwrap();
        let lock = take(dir.path());
        let (plane, snapshots) = watch::channel(Arc::new(Snapshot::default()));
        let mut plane = Some(plane);
        let clock = TokioClock::starting_at(BASE);
        let alive = Alive::keep(lock.life_sign(), clock, snapshots);
        if ended_by_itself {
            sleep(Duration::from_millis(1)).await;
            plane = None;
        }
        sleep(Duration::from_millis(for_ms)).await;
        drop(plane);
        match cleanly {
            true => alive.end().await,
            false => drop(alive),
        }
        drop(lock);
        take(dir.path()).last_alive().unwrap().since_ms(BASE)
    }

    #[tokio::test]
    async fn a_clean_end_is_told_to_the_moment_and_what_ended_by_itself_is_not_alive() {
        let told = last_alive(120, true, false).await;
        assert!((120..2_000).contains(&told), "{told}");
        let told = last_alive(120, false, false).await;
        assert!(told < 120, "killed: when it gave its last sign: {told}");
    }

    #[tokio::test(start_paused = true)]
    async fn while_it_runs_it_is_told_every_few_seconds_and_no_longer_once_it_ended_by_itself() {
        let every = u64::try_from(ALIVE_EVERY.as_millis()).unwrap();
        let killed = last_alive(12 * every + 100, false, false).await;
        assert!(killed >= 11 * every, "{killed}");
        let ended = last_alive(12 * every, true, true).await;
        assert!(ended <= 2 * every, "{ended}");
    }
}
