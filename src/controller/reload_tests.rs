//! A configuration that is read anew over simulated engines: who is not meant does not notice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use serde_json::json;

use super::fixture::*;
use super::{ControlPlane, ReloadRefusal, Start, start, wire};
use crate::agent::{TokioClock, Tuning};
use crate::config::{ClusterSettings, Difference, Endpoint, InstanceChange, InstanceSettings};
use crate::docker::{Connector, Engine, EngineResult};
use crate::model::instance::attribute;
use crate::model::{
    ClusterName, EventKind, InstanceName, Partition, Role, RoleName, Severity, Snapshot,
};
use crate::sim::Fleet;
use crate::store::MemoryStore;

/// Counts who connects.
#[derive(Clone)]
struct Counting {
    fleet: Fleet,
    connects: Arc<Mutex<BTreeMap<InstanceName, u32>>>,
}

impl Connector for Counting {
    fn connect<'a>(
        &'a self,
        instance: &'a InstanceSettings,
    ) -> BoxFuture<'a, EngineResult<Arc<dyn Engine>>> {
        let mut connects = self.connects.lock().unwrap();
        *connects.entry(instance.name.clone()).or_default() += 1;
        self.fleet.connect(instance)
    }
}

/// A control plane over the first `instances` of five hosts, all connected.
async fn counted(instances: usize) -> (Counting, ControlPlane) {
    let connector = Counting {
        fleet: fleet(5),
        connects: Arc::default(),
    };
    let plane = start(Start {
        settings: settings(instances),
        store: Box::new(MemoryStore::new()),
        last_alive: None,
        connector: Arc::new(connector.clone()),
        clock: Arc::new(TokioClock::starting_at(BASE)),
        seed: Some(11),
        holder: holder(),
        tuning: Tuning::fast(),
    })
    .await
    .unwrap();
    connected(&plane, instances).await;
    (connector, plane)
}

async fn connected(plane: &ControlPlane, instances: usize) -> Arc<Snapshot> {
    until(&plane.handle, "every instance is connected", |it| {
        let mut all = it.state.instances.values();
        it.state.instances.len() == instances && all.all(|i| i.is_connected())
    })
    .await
}

impl Counting {
    fn counts(&self, instances: usize) -> Vec<u32> {
        let connects = self.connects.lock().unwrap();
        let of = |name| connects.get(&name).copied().unwrap_or_default();
        names(instances).into_iter().map(of).collect()
    }
}

fn name(n: usize) -> InstanceName {
    names(5)[n].clone()
}

async fn drain(plane: &ControlPlane, instance: &InstanceName) {
    let body = json!({"containerInstances": [instance], "status": "DRAINING"});
    let drain = wire::decode("UpdateContainerInstancesState", &body).unwrap();
    ask(&plane.handle, drain).await;
    until(&plane.handle, "it is empty", |it| {
        let left = it.state.instance_tasks(instance);
        left.filter(|task| !task.is_stopped()).count() == 0
    })
    .await;
}

/// Where the serving tasks are, and what they are.
fn placed(snapshot: &Snapshot) -> BTreeMap<String, InstanceName> {
    let tasks = serving(snapshot, "web").into_iter();
    tasks
        .map(|task| (task.id.to_string(), task.instance.clone()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn instances_come_go_and_change_and_nobody_else_notices() {
    let (connector, mut plane) = counted(3).await;
    let handle = plane.handle.clone();
    ask(&handle, register("web")).await;
    ask(&handle, create("web", "web", 6)).await;
    until(&handle, "six run", |it| serving(it, "web").len() == 6).await;
    drain(&plane, &name(1)).await;
    let before = until(&handle, "six run elsewhere", |it| {
        serving(it, "web").len() == 6
    })
    .await;
    assert_eq!(connector.counts(5), [1, 1, 1, 0, 0]);
    let since = |it: &Snapshot, n| it.state.instances[&name(n)].connection.clone();

    // The first is changed, the second goes, the fourth comes; roles and clusters too.
    let mut new = settings(4);
    new.instances.remove(1);
    new.instances[0].availability_zone = "z".into();
    new.instances[0].reserved.cpu.0 = 64;
    new.instances[0]
        .attributes
        .insert("disk".into(), "ssd".into());
    new.roles.push(Role::new("shop".parse().unwrap()));
    let west = ClusterName::new("west").unwrap();
    new.clusters
        .push(ClusterSettings::new(west.clone(), Partition::default()));
    let difference = plane.reload(new.clone()).await.unwrap();
    assert_eq!(
        difference.to_string(),
        "instance host-3 added; instance host-1 removed; instance host-0 (availability_zone \
         a → z, reserved.cpu 0 → 64, attributes.disk = ssd) changed; clusters changed; task roles \
         changed"
    );
    let after = connected(&plane, 3).await;
    assert_eq!(connector.counts(5), [1, 1, 1, 1, 0], "one new connection");
    assert_eq!(placed(&after), placed(&before), "no task moved");
    for n in [0, 2] {
        assert_eq!(since(&after, n), since(&before, n), "host-{n} went on");
    }
    let first = &after.state.instances[&name(0)];
    assert_eq!((first.zone(), first.reserved.cpu.0), ("z", 64));
    assert_eq!(first.attribute("disk"), Some("ssd"));
    assert!(first.attribute(attribute::DOCKER_VERSION).is_some());
    assert!(after.state.clusters.contains_key(&west));
    assert!(
        after
            .state
            .roles
            .contains_key(&"shop".parse::<RoleName>().unwrap())
    );
    assert!(handle.engines().engine(&name(1)).is_none());
    assert!(handle.engines().engine(&name(3)).is_some());
    let mut told = after.state.events.iter().rev();
    let event = told.find(|it| it.kind == EventKind::Operator);
    let message = &event.unwrap().message;
    assert!(message.starts_with("(configuration) was read anew: instance host-3 added;"));

    // What came is used, and the same once more is nothing.
    ask(&handle, scale("web", 9)).await;
    until(&handle, "the new one has tasks", |it| {
        let tasks = serving(it, "web");
        tasks.len() == 9 && tasks.iter().any(|task| task.instance == name(3))
    })
    .await;
    let same = plane.reload(new).await.unwrap();
    assert_eq!(same, Difference::default());
    assert_eq!(connector.counts(5), [1, 1, 1, 1, 0]);
    plane.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_was_never_heard_of_its_agent_stays_connected_over_a_reload() {
    // Right after connecting no heartbeat has been told yet: what the state says stands.
    let (_connector, mut plane) = counted(2).await;
    assert!(plane.handle.snapshot().live.agents.is_empty());
    let mut new = settings(2);
    new.instances[1].availability_zone = "elsewhere".into();
    plane.reload(new).await.unwrap();
    let instances = plane.handle.snapshot().state.instances.clone();
    assert!(instances.values().all(|it| it.is_connected()));
    plane.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_that_is_reached_elsewhere_connects_anew_and_alone() {
    let (connector, mut plane) = counted(3).await;
    let mut new = settings(3);
    new.instances[2].endpoint = Endpoint::Unix("/elsewhere.sock".into());
    let difference = plane.reload(new).await.unwrap();
    let moved: Vec<_> = difference.of(InstanceChange::Moved).collect();
    assert_eq!(moved, [&name(2)]);
    until(&plane.handle, "it is told as not reached", |it| {
        !it.state.instances[&name(2)].is_connected()
    })
    .await;
    let after = connected(&plane, 3).await;
    assert_eq!(connector.counts(3), [1, 1, 2]);
    let endpoint = &after.state.instances[&name(2)].endpoint;
    assert_eq!(endpoint, "unix:///elsewhere.sock");
    plane.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_would_leave_tasks_behind_is_refused_and_nothing_changes() {
    let (connector, mut plane) = counted(3).await;
    let handle = plane.handle.clone();
    ask(&handle, register("web")).await;
    ask(&handle, create("web", "web", 3)).await;
    let before = until(&handle, "three run", |it| serving(it, "web").len() == 3).await;
    let refusal = plane.reload(settings(2)).await.unwrap_err();
    let ReloadRefusal::Orphaned(orphaned) = &refusal else {
        panic!("{refusal:?}");
    };
    assert_eq!(orphaned.instances, [(name(2), 1)]);
    let words = refusal.to_string();
    for part in [
        "the fleet would lose 1 instance with 1 task",
        "It was not taken in, and nothing was changed.",
        "qd instance drain NAME",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let after = handle.snapshot();
    assert_eq!(after.state.instances, before.state.instances);
    assert_eq!(placed(&after), placed(&before));
    assert_eq!(plane.settings().map(|it| it.instances.len()), Some(3));
    let event = after.state.events.back().unwrap().clone();
    assert_eq!(event.severity, Severity::Error);
    assert!(event.message.contains("would lose 1 instance"), "{event:?}");
    assert_eq!(connector.counts(3), [1, 1, 1]);

    handle
        .reload_refused("quarterdeck.toml:3:1: no".into())
        .await;
    let event = handle.snapshot().state.events.back().unwrap().clone();
    assert_eq!(
        event.message,
        "(configuration) was not read anew, and nothing was changed. quarterdeck.toml:3:1: no"
    );
    plane.stop().await.unwrap();
}
