//! The demo in simulated time: its scripted voyage, and how soon a fail-over is to be seen.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck::agent::TokioClock;
use quarterdeck::client::LocalClient;
use quarterdeck::controller::ControlPlane;
use quarterdeck::controller::driver::{Start, start};
use quarterdeck::model::snapshot::Holder;
use quarterdeck::model::{InstanceName, Snapshot, State, TimeMs};
use quarterdeck::sim::{Fleet, demo};
use quarterdeck::store::memory::MemoryStore;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

const BASE: TimeMs = TimeMs(1_790_000_000_000);

fn near(plane: &ControlPlane) -> Arc<LocalClient> {
    Arc::new(LocalClient::new(plane.handle.clone(), "demo".into()))
}

async fn launch(seed: u64) -> (ControlPlane, Fleet) {
    let fleet = demo::fleet(seed, BASE).unwrap();
    let plane = start(Start {
        settings: demo::settings().unwrap(),
        store: Box::new(MemoryStore::new()),
        last_alive: None,
        connector: Arc::new(fleet.clone()),
        clock: Arc::new(TokioClock::starting_at(BASE)),
        seed: Some(seed),
        holder: Holder::default(),
        tuning: demo::tuning(),
    })
    .await
    .unwrap();
    (plane, fleet)
}

#[tokio::test(start_paused = true)]
async fn the_voyage_arrives_and_says_that_it_is_simulated() {
    for seed in [1, 2, 3] {
        let (plane, fleet) = launch(seed).await;
        let client = near(&plane);
        let mut out = Vec::new();
        let begun = Instant::now();
        let result = demo::voyage(client, fleet, &mut out).await;
        let text = String::from_utf8(out).unwrap();
        assert!(result.is_ok(), "{result:?}\n{text}");
        assert!(text.starts_with("SIMULATED:"), "{text}");
        assert!(text.contains("The surplus is gone"), "{text}");
        let told = begun.elapsed();
        assert!(told < Duration::from_secs(30), "{told:?}\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_voyage_that_gets_stuck_says_where() {
    let (plane, fleet) = launch(1).await;
    let all: Vec<InstanceName> = fleet.names().cloned().collect();
    fleet.fail(&all[0]).unwrap();
    let client = near(&plane);
    let error = demo::voyage(client, fleet, &mut Vec::new())
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("every instance registering"), "{text}");
    assert!(text.contains("instance fra-a1 does not answer"), "{text}");
}

fn serves(state: &State, without: Option<&InstanceName>) -> bool {
    let mut services = state.services.values();
    let full = services.all(|service| {
        let tasks = state.service_tasks(&service.cluster, &service.name);
        let serving = tasks.filter(|task| task.is_serving() && Some(&task.instance) != without);
        serving.count() == service.desired_count as usize
    });
    full && !state.services.is_empty()
}

/// Simulated time until the picture is as wanted.
async fn until(
    snapshots: &mut watch::Receiver<Arc<Snapshot>>,
    ask: impl Fn(&State) -> bool,
) -> Duration {
    let begun = Instant::now();
    let waiting = snapshots.wait_for(|snapshot| ask(&snapshot.state));
    let seen = timeout(Duration::from_secs(600), waiting).await;
    assert!(matches!(seen, Ok(Ok(_))), "it did not come about");
    begun.elapsed()
}

/// The promise: a newcomer sees the fail-over within ten seconds. Any instance will do.
#[tokio::test(start_paused = true)]
async fn a_failed_instances_tasks_serve_elsewhere_within_ten_seconds() {
    for victim in ["fra-a1", "fra-a4", "fra-b3", "fra-c1", "fra-c3"] {
        let (plane, fleet) = launch(7).await;
        let mut snapshots = plane.handle.snapshots();
        until(&mut snapshots, |state| {
            state.instances.values().all(|i| i.is_connected())
        })
        .await;
        demo::load(near(&plane).as_ref(), demo::commands().unwrap())
            .await
            .unwrap();
        until(&mut snapshots, |state| serves(state, None)).await;
        let victim = InstanceName::new(victim).unwrap();
        let hit = plane
            .handle
            .snapshot()
            .state
            .instance_tasks(&victim)
            .count();
        assert!(hit > 0, "{victim} carries nothing");
        fleet.fail(&victim).unwrap();
        let took = until(&mut snapshots, |state| serves(state, Some(&victim))).await;
        assert!(
            took < Duration::from_secs(10),
            "{hit} tasks of {victim}: {took:?}"
        );
        fleet.mend(&victim).unwrap();
        until(&mut snapshots, |state| {
            state.instances[&victim].is_connected() && serves(state, None)
        })
        .await;
    }
}
