//! A change log that cannot be written for a while, or hangs.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use futures_util::FutureExt as _;

use super::fixture::*;
use crate::model::{Change, EventKind, State, TimeMs};
use crate::store::{Archive, MemoryStore, Store, StoreError};

/// A disk that is full whenever it is told so.
#[derive(Clone, Default)]
struct Disk {
    full: Arc<AtomicUsize>,
    attempts: Arc<AtomicU64>,
}

struct Filling {
    inner: MemoryStore,
    disk: Disk,
}

impl Store for Filling {
    fn is_instant(&self) -> bool {
        true
    }

    fn load(&mut self) -> Result<(State, u64), StoreError> {
        self.inner.load()
    }

    fn append(&mut self, at: TimeMs, changes: &[Change], after: &State) -> Result<u64, StoreError> {
        self.disk.attempts.fetch_add(1, Ordering::Relaxed);
        if self.disk.full.load(Ordering::Relaxed) > 0 {
            return Err(StoreError::Unwritable {
                place: "under test".into(),
                message: "database or disk is full".into(),
                in_doubt: false,
            });
        }
        self.inner.append(at, changes, after)
    }

    fn archive(&self) -> Arc<dyn Archive> {
        self.inner.archive()
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_stops_decisions_and_nothing_else_and_is_survived() {
    let fleet = fleet(3);
    let disk = Disk::default();
    let store = Filling {
        inner: MemoryStore::new(),
        disk: disk.clone(),
    };
    let mut plane = plane(&fleet, 3, Box::new(store)).await;
    let handle = plane.handle.clone();
    ask(&handle, register("web")).await;
    ask(&handle, create("web", "web", 6)).await;
    let before = until(&handle, "six run", |it| serving(it, "web").len() == 6).await;

    disk.full.store(1, Ordering::Relaxed);
    let refusal = handle
        .command(scale("web", 9), "tester".into())
        .await
        .unwrap_err();
    for part in ["nothing was changed", "disk is full", "tried again"] {
        assert!(refusal.message.contains(part), "{part}: {refusal}");
    }
    let during = until(&handle, "it is shown", |it| it.live.outage.is_some()).await;
    let shown = during.live.outage.clone().unwrap();
    assert!(shown.reason.contains("disk is full"), "{shown:?}");
    // Two tasks die meanwhile, one host is lost and comes back: nobody can say so now.
    let victims: Vec<_> = serving(&before, "web")
        .into_iter()
        .take(2)
        .cloned()
        .collect();
    for victim in &victims {
        let id = &victim.containers[0].runtime_id;
        fleet.kill_container(&victim.instance, id).unwrap();
    }
    let refused = plane.reload(settings(3)).await.unwrap_err();
    assert!(refused.to_string().contains("disk is full"), "{refused}");
    handle.probe().await.unwrap();
    let attempts = disk.attempts.load(Ordering::Relaxed);
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    let more = disk.attempts.load(Ordering::Relaxed) - attempts;
    assert!((3..=10).contains(&more), "{more} attempts in a minute");
    let still = handle.snapshot();
    assert_eq!(still.state, before.state, "nothing was decided");
    assert!(still.live.outage.is_some());
    for name in names(3) {
        let up = fleet.containers(&name).unwrap();
        let up = up.iter().filter(|it| it.state.is_up()).count();
        let killed = victims.iter().filter(|it| it.instance == name).count();
        let there = serving(&before, "web");
        let there = there.iter().filter(|it| it.instance == name).count();
        assert_eq!(up, there - killed, "{name}: containers are left alone");
    }

    disk.full.store(0, Ordering::Relaxed);
    let after = until(&handle, "the dead are replaced", |it| {
        let tasks = serving(it, "web");
        tasks.len() == 6
            && it.live.outage.is_none()
            && victims
                .iter()
                .all(|victim| tasks.iter().all(|task| task.id != victim.id))
    })
    .await;
    let told = after.state.events.iter().filter(|event| {
        event.kind == EventKind::Service && event.message.contains("decided nothing for")
    });
    assert_eq!(told.count(), 1);
    ask(&handle, scale("web", 9)).await;
    until(&handle, "nine run", |it| serving(it, "web").len() == 9).await;
    plane.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn stopped_on_a_full_disk_it_says_that_the_last_was_not_kept() {
    let fleet = fleet(1);
    let disk = Disk::default();
    let store = Filling {
        inner: MemoryStore::new(),
        disk: disk.clone(),
    };
    let plane = plane(&fleet, 1, Box::new(store)).await;
    disk.full.store(1, Ordering::Relaxed);
    let asked = plane.handle.command(register("web"), "tester".into()).await;
    assert!(asked.is_err());
    let ended = plane.stop().await.unwrap_err();
    assert!(ended.to_string().contains("disk is full"), "{ended}");
}

#[tokio::test(start_paused = true)]
async fn a_control_plane_does_not_start_on_a_full_disk() {
    let disk = Disk::default();
    disk.full.store(1, Ordering::Relaxed);
    let store = Filling {
        inner: MemoryStore::new(),
        disk,
    };
    let fleet = fleet(1);
    let refusal = super::start(super::Start {
        settings: settings(1),
        store: Box::new(store),
        last_alive: None,
        connector: Arc::new(fleet),
        clock: Arc::new(crate::agent::TokioClock::starting_at(BASE)),
        seed: Some(11),
        holder: holder(),
        tuning: crate::agent::Tuning::fast(),
    })
    .await
    .err()
    .unwrap();
    assert!(refusal.to_string().contains("disk is full"), "{refusal}");
}

/// A disk whose writes do not come back until they are let go.
struct Hanging {
    inner: MemoryStore,
    entered: mpsc::SyncSender<()>,
    released: mpsc::Receiver<()>,
}

impl Store for Hanging {
    fn load(&mut self) -> Result<(State, u64), StoreError> {
        self.inner.load()
    }

    fn append(&mut self, at: TimeMs, changes: &[Change], after: &State) -> Result<u64, StoreError> {
        // Nobody waits for either any more once the test has let it go.
        let _ = self.entered.send(());
        let _ = self.released.recv();
        self.inner.append(at, changes, after)
    }

    fn archive(&self) -> Arc<dyn Archive> {
        self.inner.archive()
    }
}

#[tokio::test]
async fn a_driver_that_hangs_in_its_store_answers_no_probe_until_it_goes_on() {
    let fleet = fleet(1);
    let (enter, entered) = mpsc::sync_channel(64);
    let (release, released) = mpsc::sync_channel(1_024);
    release.send(()).unwrap();
    let store = Hanging {
        inner: MemoryStore::new(),
        entered: enter,
        released,
    };
    // The first write is let through: it is the configuration.
    let plane = plane(&fleet, 1, Box::new(store)).await;
    entered.recv().unwrap();
    let handle = plane.handle.clone();
    let asked = tokio::spawn({
        let handle = handle.clone();
        async move { handle.command(register("web"), "tester".into()).await }
    });
    tokio::task::spawn_blocking(move || entered.recv().unwrap())
        .await
        .unwrap();
    let mut probe = Box::pin(handle.probe());
    for _ in 0..100 {
        assert!(probe.as_mut().now_or_never().is_none(), "it hangs");
        tokio::task::yield_now().await;
    }
    for _ in 0..1_024 {
        let _ = release.try_send(());
    }
    drop(release);
    probe.await.unwrap();
    drop(plane);
    drop(asked);
}
