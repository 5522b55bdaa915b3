//! A whole control plane in the process of a bench, its store on disk, over real engines.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck::agent::{SystemClock, Tuning};
use quarterdeck::config::Settings;
use quarterdeck::controller::{ControlPlane, Start, start, wire};
use quarterdeck::docker::connector::RealConnector;
use quarterdeck::model::snapshot::Holder;
use quarterdeck::model::{LastStatus, Snapshot, Task, TimeMs};
use quarterdeck::store::SqliteStore;
use serde_json::{Value, json};

/// The only task definition's family.
const FAMILY: &str = "bench";

/// What a task of the bench is.
pub struct Kind<'a> {
    pub image: &'a str,
    pub command: &'a [&'a str],
    pub memory_mib: u64,
    /// What a wait must not exceed, so that a fault does not hang the bench.
    pub patience: Duration,
}

/// A control plane all of whose engines are connected.
pub struct Ours {
    plane: ControlPlane,
    patience: Duration,
    _folder: tempfile::TempDir,
}

impl Ours {
    /// Starts one with an empty store, and registers what the tasks are.
    pub async fn start(settings: Settings, connector: Arc<RealConnector>, kind: &Kind<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plane = start(Start {
            settings,
            store: Box::new(SqliteStore::open(folder.path()).unwrap()),
            last_alive: None,
            connector,
            clock: Arc::new(SystemClock),
            seed: Some(1),
            holder: Holder {
                role: "bench".to_owned(),
                pid: std::process::id(),
                user: String::new(),
                since: TimeMs(0),
                simulated: false,
            },
            tuning: Tuning::default(),
        })
        .await
        .unwrap();
        let ours = Self {
            plane,
            patience: kind.patience,
            _folder: folder,
        };
        ours.until(|snapshot| {
            let mut instances = snapshot.state.instances.values();
            instances.all(|instance| instance.is_connected())
        })
        .await;
        let container = json!({
            "name": "app", "image": kind.image, "memory": kind.memory_mib, "command": kind.command,
        });
        let definition = json!({"family": FAMILY, "containerDefinitions": [container]});
        ours.ask("RegisterTaskDefinition", &definition).await;
        ours
    }

    async fn ask(&self, operation: &str, body: &Value) {
        let command = wire::decode(operation, body).unwrap();
        let asked = self.plane.handle.command(command, "bench".into());
        asked.await.unwrap();
    }

    /// Makes a service that gives a lost host so long, and waits until all its tasks run.
    pub async fn serve(&self, service: &str, count: usize, grace_s: u32) -> Arc<Snapshot> {
        let body = json!({
            "serviceName": service, "taskDefinition": FAMILY, "desiredCount": count,
            "hostLossGracePeriodSeconds": grace_s,
        });
        self.ask("CreateService", &body).await;
        self.until(|snapshot| running(snapshot, service).len() == count)
            .await
    }

    /// Waits until another task of a service of one runs than this one.
    pub async fn until_replaced(&self, service: &str, victim: &Task) {
        self.until(|snapshot| running(snapshot, service).iter().any(|t| t.id != victim.id))
            .await;
    }

    pub async fn until(&self, holds: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let mut snapshots = self.plane.handle.snapshots();
        let wait = snapshots.wait_for(|snapshot| holds(snapshot));
        let waited = tokio::time::timeout(self.patience, wait).await;
        waited.expect("nothing hangs").unwrap().clone()
    }

    pub async fn stop(self) {
        self.plane.stop().await.unwrap();
    }
}

/// A service's tasks that run on engines that answer.
pub fn running<'a>(snapshot: &'a Snapshot, service: &str) -> Vec<&'a Arc<Task>> {
    let of = |task: &&Arc<Task>| task.service.as_ref().is_some_and(|s| s.as_str() == service);
    let up = |task: &&Arc<Task>| task.last_status == LastStatus::Running && task.lost_at.is_none();
    let tasks = snapshot.state.tasks.values();
    tasks.filter(of).filter(up).collect()
}
