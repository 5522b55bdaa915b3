//! A control plane over a simulated fleet, for tests of the driver, the API and the clients.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{Command, ControlPlane, Handle, Start, start, wire};
use crate::agent::{Clock, TokioClock, Tuning};
use crate::config::{ClusterSettings, Endpoint, InstanceSettings, Settings};
use crate::model::snapshot::Holder;
use crate::model::{
    ClusterName, CpuUnits, InstanceName, MemoryMib, Partition, Snapshot, Task, TimeMs,
};
use crate::sim::{Fleet, HostSpec, Latency};
use crate::store::{MemoryStore, Store};

/// When simulated time begins.
pub(crate) const BASE: TimeMs = TimeMs(1_790_000_000_000);
/// An image that every host has.
pub(crate) const IMAGE: &str = "shop/web:1";
/// How long a test waits for what must come, in the test's own time.
const PATIENCE: Duration = Duration::from_secs(120);

/// `one`, `two`, … in zones a, b, c.
pub(crate) fn names(count: usize) -> Vec<InstanceName> {
    (0..count)
        .map(|n| InstanceName::new(format!("host-{n}")).unwrap())
        .collect()
}

pub(crate) fn settings(count: usize) -> Settings {
    let instances = names(count).into_iter().enumerate();
    Settings::new(
        None,
        vec![ClusterSettings::new(
            ClusterName::default_cluster(),
            Partition::default(),
        )],
        instances
            .map(|(n, name)| InstanceSettings {
                availability_zone: ["a", "b", "c"][n % 3].to_owned(),
                ..InstanceSettings::new(name, ClusterName::default_cluster(), Endpoint::Simulated)
            })
            .collect(),
    )
}

pub(crate) fn fleet(count: usize) -> Fleet {
    let hosts = names(count).into_iter().map(|name| {
        let mut host = HostSpec::new(name, CpuUnits(4096), MemoryMib(8192));
        host.images = vec![IMAGE.to_owned()];
        host.latency = Latency {
            typical_ms: 1,
            jitter_percent: 20,
        };
        host
    });
    Fleet::new(7, BASE, hosts.collect())
}

pub(crate) fn holder() -> Holder {
    Holder {
        role: "serve".into(),
        pid: std::process::id(),
        user: "tester".into(),
        since: BASE,
        simulated: true,
    }
}

/// Starts a control plane over these engines on this store.
pub(crate) async fn plane(fleet: &Fleet, instances: usize, store: Box<dyn Store>) -> ControlPlane {
    plane_of(fleet, settings(instances), store).await
}

/// The same with settings of one's own.
pub(crate) async fn plane_of(
    fleet: &Fleet,
    settings: Settings,
    store: Box<dyn Store>,
) -> ControlPlane {
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(BASE));
    start(Start {
        settings,
        store,
        last_alive: None,
        connector: Arc::new(fleet.clone()),
        clock,
        seed: Some(11),
        holder: holder(),
        tuning: Tuning::fast(),
    })
    .await
    .unwrap()
}

/// The same on a store in memory, with every instance connected.
pub(crate) async fn ready(instances: usize) -> (Fleet, ControlPlane) {
    let fleet = fleet(instances);
    let plane = plane(&fleet, instances, Box::new(MemoryStore::new())).await;
    until(&plane.handle, "every instance is connected", |snapshot| {
        snapshot
            .state
            .instances
            .values()
            .all(|it| it.is_connected())
    })
    .await;
    (fleet, plane)
}

/// Waits for a picture of which `holds` is true, and gives it.
pub(crate) async fn until(
    handle: &Handle,
    what: &str,
    holds: impl Fn(&Snapshot) -> bool,
) -> Arc<Snapshot> {
    let mut snapshots = handle.snapshots();
    let wait = snapshots.wait_for(|snapshot| holds(snapshot));
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(Ok(snapshot)) => snapshot.clone(),
        Ok(Err(_)) => panic!(
            "the control plane ended before: {what} ({:?})",
            handle.fate()
        ),
        Err(_) => panic!("waited in vain for: {what}; {:#?}", handle.snapshot().state),
    }
}

/// A service's tasks that run and are wanted.
pub(crate) fn serving<'a>(snapshot: &'a Snapshot, service: &str) -> Vec<&'a Arc<Task>> {
    snapshot
        .state
        .tasks
        .values()
        .filter(|it| {
            it.service
                .as_ref()
                .is_some_and(|name| name.as_str() == service)
        })
        .filter(|it| it.is_serving())
        .collect()
}

pub(crate) fn register(family: &str) -> Command {
    let body = json!({"family": family, "containerDefinitions": [
        {"name": "web", "image": IMAGE, "cpu": 128, "memory": 128,
         "portMappings": [{"containerPort": 80}]}]});
    wire::decode("RegisterTaskDefinition", &body).unwrap()
}

pub(crate) fn create(service: &str, family: &str, count: u32) -> Command {
    let body = json!({"serviceName": service, "taskDefinition": family, "desiredCount": count,
        "clientToken": format!("token-{service}")});
    wire::decode("CreateService", &body).unwrap()
}

pub(crate) fn scale(service: &str, count: u32) -> Command {
    let body = json!({"service": service, "desiredCount": count});
    wire::decode("UpdateService", &body).unwrap()
}

/// Sends a command that must be taken.
pub(crate) async fn ask(handle: &Handle, command: Command) {
    let asked = format!("{command:?}");
    if let Err(refusal) = handle.command(command, "tester".into()).await {
        panic!("{refusal}: {asked}");
    }
}
