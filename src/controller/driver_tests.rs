//! The driver over simulated engines.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fixture::*;
use super::handle::Missed;
use crate::model::{Change, Snapshot, State, TimeMs};
use crate::store::{MemoryStore, SqliteStore, Store, StoreError};

#[tokio::test(start_paused = true)]
async fn a_service_runs_spreads_scales_and_what_dies_is_replaced() {
    let (fleet, plane) = ready(3).await;
    let handle = plane.handle.clone();
    ask(&handle, register("web")).await;
    ask(&handle, create("web", "web", 6)).await;
    let snapshot = until(&handle, "six tasks run", |it| serving(it, "web").len() == 6).await;
    let mut spread = BTreeMap::new();
    for task in serving(&snapshot, "web") {
        *spread.entry(task.instance.clone()).or_insert(0) += 1;
    }
    assert_eq!(spread.into_values().collect::<Vec<_>>(), [2, 2, 2]);

    let victim = serving(&snapshot, "web")[0].clone();
    fleet
        .kill_container(&victim.instance, &victim.containers[0].runtime_id)
        .unwrap();
    until(&handle, "another took its place", |it| {
        let tasks = serving(it, "web");
        tasks.len() == 6 && tasks.iter().all(|task| task.id != victim.id)
    })
    .await;

    ask(&handle, scale("web", 2)).await;
    until(&handle, "two are left", |it| {
        serving(it, "web").len() == 2
            && it
                .state
                .tasks
                .values()
                .filter(|task| !task.is_stopped())
                .count()
                == 2
    })
    .await;
    plane.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn deltas_rebuild_every_picture_without_a_gap() {
    let (_fleet, plane) = ready(2).await;
    let handle = plane.handle.clone();
    let (first, mut deltas) = handle.listen().unwrap();
    let mut copy = Snapshot::clone(&first);
    let follower = tokio::spawn(async move {
        loop {
            match deltas.next().await {
                Ok(delta) => copy.advance(&delta),
                Err(Missed::Gone) => return copy,
                Err(Missed::Behind) => panic!("this listener keeps up"),
            }
        }
    });
    ask(&handle, register("web")).await;
    ask(&handle, create("web", "web", 4)).await;
    until(&handle, "four tasks run", |it| {
        serving(it, "web").len() == 4
    })
    .await;
    ask(&handle, scale("web", 1)).await;
    until(&handle, "one is left", |it| serving(it, "web").len() == 1).await;
    plane.stop().await.unwrap();
    let last = handle.snapshot();
    assert_eq!(follower.await.unwrap(), *last);
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_command_comes_with_a_picture_that_has_its_effect() {
    let (_fleet, plane) = ready(1).await;
    let answer = plane
        .handle
        .command(register("web"), "tester".into())
        .await
        .unwrap();
    assert_eq!(answer.snapshot.state.task_definitions.len(), 1);
    let refusal = plane
        .handle
        .command(create("web", "nothing", 1), "tester".into())
        .await
        .unwrap_err();
    assert!(refusal.message.contains("nothing"), "{refusal}");
    plane.stop().await.unwrap();
}

#[tokio::test]
async fn killed_mid_way_and_started_again_nothing_is_doubled_or_orphaned() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = fleet(3);
    let open = || SqliteStore::open(dir.path()).unwrap();
    let (released, release) = tokio::sync::oneshot::channel();
    let store = Box::new(Watched {
        inner: open(),
        _released: released,
    });
    let first = plane(&fleet, 3, store).await;
    ask(&first.handle, register("web")).await;
    ask(&first.handle, create("web", "web", 9)).await;
    until(&first.handle, "some of nine run", |it| {
        serving(it, "web").len() >= 2
    })
    .await;
    drop(first);
    // As good as killed: agents were cut short, and what was being written is there or not.
    assert!(release.await.is_err(), "the store was let go");

    let second = plane(&fleet, 3, Box::new(open())).await;
    until(&second.handle, "nine run", |it| {
        serving(it, "web").len() == 9
    })
    .await;
    let stored = until(&second.handle, "engines and state agree", |it| {
        let ours: usize = names(3)
            .iter()
            .map(|name| {
                let containers = fleet.containers(name).unwrap();
                containers.iter().filter(|it| it.state.is_up()).count()
            })
            .sum();
        ours == 9 && serving(it, "web").len() == 9
    })
    .await;
    for name in names(3) {
        for container in fleet.containers(&name).unwrap() {
            let owner = container.owner.unwrap();
            let task = &stored.state.tasks[&owner.task];
            assert_eq!(task.instance, name);
        }
    }
    second.stop().await.unwrap();
    let kept = SqliteStore::open(dir.path()).unwrap().load().unwrap().0;
    assert_eq!(kept.control_plane, stored.state.control_plane);
}

/// Tells when the store is let go.
struct Watched {
    inner: SqliteStore,
    _released: tokio::sync::oneshot::Sender<()>,
}

impl Store for Watched {
    fn load(&mut self) -> Result<(State, u64), StoreError> {
        self.inner.load()
    }

    fn append(&mut self, at: TimeMs, changes: &[Change], after: &State) -> Result<u64, StoreError> {
        self.inner.append(at, changes, after)
    }

    fn archive(&self) -> Arc<dyn crate::store::Archive> {
        self.inner.archive()
    }
}

/// Fails from the `after`th append on.
struct Failing {
    inner: MemoryStore,
    after: u32,
}

impl Store for Failing {
    fn load(&mut self) -> Result<(State, u64), StoreError> {
        self.inner.load()
    }

    fn append(&mut self, at: TimeMs, changes: &[Change], after: &State) -> Result<u64, StoreError> {
        if self.after == 0 {
            return Err(StoreError::Failed {
                place: "under test".into(),
                message: "the disk is full".into(),
            });
        }
        self.after -= 1;
        self.inner.append(at, changes, after)
    }

    fn archive(&self) -> Arc<dyn crate::store::Archive> {
        self.inner.archive()
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_stored_is_not_acted_on_and_stops_everything_loudly() {
    let fleet = fleet(1);
    let store = Failing {
        inner: MemoryStore::new(),
        after: 1,
    };
    let mut plane = plane(&fleet, 1, Box::new(store)).await;
    let before = plane.handle.snapshot();
    let refusal = plane
        .handle
        .command(register("web"), "tester".into())
        .await
        .unwrap_err();
    assert!(refusal.message.contains("the disk is full"), "{refusal}");
    let ended = plane.ended().await.unwrap_err();
    assert!(ended.to_string().contains("the disk is full"), "{ended}");
    assert_eq!(plane.handle.snapshot(), before, "nothing was adopted");
    let mut pictures = plane.handle.snapshots();
    pictures.mark_unchanged();
    assert!(pictures.changed().await.is_err(), "the watch is closed");
    let again = plane
        .handle
        .command(register("web"), "tester".into())
        .await
        .unwrap_err();
    assert!(again.message.contains("the disk is full"), "{again}");
}

#[tokio::test(start_paused = true)]
async fn equal_seeds_give_equal_ids_and_a_restart_draws_new_ones() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (_fleet, plane) = ready(2).await;
        ask(&plane.handle, register("web")).await;
        runs.push(plane.handle.snapshot().state.control_plane.clone());
        plane.stop().await.unwrap();
    }
    assert!(!runs[0].is_empty());
    assert_eq!(runs[0], runs[1]);

    let fleet = fleet(2);
    let dir = tempfile::tempdir().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for round in 1..=3 {
        let store = SqliteStore::open(dir.path()).unwrap();
        let plane = plane(&fleet, 2, Box::new(store)).await;
        if round == 1 {
            ask(&plane.handle, register("web")).await;
            ask(&plane.handle, create("web", "web", 2)).await;
        } else {
            ask(&plane.handle, scale("web", 2 * round)).await;
        }
        let count = usize::try_from(2 * round).unwrap();
        let snapshot = until(&plane.handle, "all run", |it| {
            serving(it, "web").len() == count
        })
        .await;
        seen.extend(snapshot.state.tasks.keys().copied());
        assert_eq!(seen.len(), count, "no id was drawn twice");
        plane.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_falls_behind_is_told_to_begin_anew() {
    let (_fleet, plane) = ready(1).await;
    let handle = plane.handle.clone();
    let (_, mut deltas) = handle.listen().unwrap();
    for n in 0..super::handle::DELTAS_MAX + 10 {
        ask(&handle, register(&format!("family-{n}"))).await;
    }
    assert_eq!(deltas.next().await.unwrap_err(), Missed::Behind);
    let (fresh, mut deltas) = handle.listen().unwrap();
    let mut copy = Snapshot::clone(&fresh);
    ask(&handle, register("last")).await;
    while copy.state != handle.snapshot().state {
        copy.advance(&deltas.next().await.unwrap());
    }
    let plane_handle: Arc<Snapshot> = handle.snapshot();
    assert!(plane_handle.state.task_definitions.len() > super::handle::DELTAS_MAX);
    plane.stop().await.unwrap();
}

/// The digests that a service's serving tasks run.
fn digests(snapshot: &Snapshot, service: &str) -> Vec<String> {
    let tasks = serving(snapshot, service).into_iter();
    tasks
        .map(|task| {
            task.containers[0]
                .image_digest
                .as_deref()
                .unwrap()
                .to_owned()
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn all_tasks_of_a_deployment_run_one_digest_though_the_tag_moves_midway() {
    let (fleet, plane) = ready(3).await;
    let handle = plane.handle.clone();
    ask(&handle, register("web")).await;
    ask(&handle, create("web", "web", 2)).await;
    let before = until(&handle, "two run", |it| serving(it, "web").len() == 2).await;
    let old = digests(&before, "web")[0].clone();
    assert_eq!(digests(&before, "web"), [old.clone(), old.clone()]);

    // The tag moves, and what a host has under it goes: only the digest can be meant.
    fleet.push_image(IMAGE);
    for name in names(3) {
        fleet.remove_image(&name, IMAGE).unwrap();
    }
    ask(&handle, scale("web", 6)).await;
    let six = until(&handle, "six run", |it| serving(it, "web").len() == 6).await;
    assert!(digests(&six, "web").iter().all(|digest| *digest == old));
    let service = six.state.services.values().next().unwrap();
    let pin = &service.primary().unwrap().images[IMAGE];
    assert_eq!(pin.digest.as_ref(), Some(&old));

    // A new deployment asks anew.
    let body = serde_json::json!({"service": "web", "forceNewDeployment": true});
    let anew = super::wire::decode("UpdateService", &body).unwrap();
    ask(&handle, anew).await;
    let moved = until(&handle, "six others run", |it| {
        let digests = digests(it, "web");
        digests.len() == 6 && digests.iter().all(|digest| *digest != old)
    })
    .await;
    let new = digests(&moved, "web")[0].clone();
    assert!(digests(&moved, "web").iter().all(|digest| *digest == new));
    plane.stop().await.unwrap();
}
