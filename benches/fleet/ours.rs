//! Quarterdeck over the engines, behind TLS as in the field: the control plane in this process,
//! its store on disk.

use std::sync::Arc;
use std::time::Instant;

use hyper::Method;
use quarterdeck::agent::{Clock, SystemClock, Tuning};
use quarterdeck::config::{self, Lookup};
use quarterdeck::controller::{ControlPlane, Handle, Start, start, wire};
use quarterdeck::docker::connector::RealConnector;
use quarterdeck::model::snapshot::Holder;
use quarterdeck::model::{LastStatus, Snapshot, Task, TimeMs};
use quarterdeck::store::SqliteStore;
use serde_json::{Value, json};

use super::engines::{Engines, IMAGE};
use super::{COMMAND, MEMORY_MIB, PATIENCE, SPREAD, TASKS, sweep, transport};

/// Seconds from the kill of a service's one container to its replacement RUNNING. Each time it is
/// another service: one whose tasks die again and again is made to wait.
pub async fn kills(engines: &Engines, rounds: usize) -> Vec<f64> {
    let ours = Ours::over(engines, 1).await;
    let engine = transport(&engines.each[0]);
    let mut seconds = Vec::new();
    for round in 0..rounds {
        let service = format!("victim-{round}");
        let snapshot = ours.serve(&service, 1, 30).await;
        let victim = running(&snapshot, &service)[0].clone();
        let path = format!("/containers/{}/kill", victim.containers[0].runtime_id);
        let begun = Instant::now();
        engine.json(Method::POST, &path, None).await.unwrap();
        ours.until(|snapshot| {
            running(snapshot, &service)
                .iter()
                .any(|t| t.id != victim.id)
        })
        .await;
        seconds.push(begun.elapsed().as_secs_f64());
    }
    ours.end(engines).await;
    seconds
}

/// Seconds from asking for a service to all its tasks RUNNING.
pub async fn fills(engines: &Engines, rounds: usize) -> Vec<f64> {
    let mut seconds = Vec::new();
    for _ in 0..rounds {
        let ours = Ours::over(engines, 3).await;
        let begun = Instant::now();
        ours.serve("fill", TASKS, 30).await;
        seconds.push(begun.elapsed().as_secs_f64());
        ours.end(engines).await;
    }
    seconds
}

/// Seconds from the death of an engine, with all its containers, to all tasks RUNNING on others.
pub async fn losses(engines: &mut Engines, grace_s: u32, rounds: usize) -> Vec<f64> {
    let mut seconds = Vec::new();
    for _ in 0..rounds {
        let ours = Ours::over(engines, 3).await;
        ours.serve("spread", SPREAD, grace_s).await;
        let lost = engines.each[2].name.clone();
        let begun = SystemClock.now();
        engines.each[2].power_off();
        let snapshot = ours
            .until(|snapshot| {
                let elsewhere = running(snapshot, "spread").into_iter();
                elsewhere.filter(|t| t.instance.as_str() != lost).count() == SPREAD
            })
            .await;
        // When they were seen RUNNING: it may have been while the power still went off.
        let all = running(&snapshot, "spread").into_iter();
        let last = all.filter_map(|t| t.started_at).max().unwrap();
        seconds.push(last.since_ms(begun) as f64 / 1000.0);
        engines.each[2].power_on();
        ours.end(engines).await;
    }
    seconds
}

struct Ours {
    plane: ControlPlane,
    _folder: tempfile::TempDir,
}

impl Ours {
    /// A whole control plane whose first `count` engines are connected.
    async fn over(engines: &Engines, count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut text = "[[cluster]]\nname = \"default\"\n".to_owned();
        let at = |file: &str| engines.certificate(file);
        for (n, engine) in engines.each.iter().take(count).enumerate() {
            text += &format!(
                "[[instance]]\nname = \"{}\"\nendpoint = \"tcp://{}:2376\"\n\
                 availability_zone = \"z{n}\"\n\
                 tls = {{ ca = \"{}\", cert = \"{}\", key = \"{}\" }}\n",
                engine.name,
                engine.address,
                at("ca.pem"),
                at("client.pem"),
                at("client-key.pem"),
            );
        }
        let file = folder.path().join("quarterdeck.toml");
        std::fs::write(&file, text).unwrap();
        let settings = config::load(&Lookup::from_environment(Some(file))).unwrap();
        let state = folder.path().join("state");
        std::fs::create_dir(&state).unwrap();
        let plane = start(Start {
            settings,
            store: Box::new(SqliteStore::open(&state).unwrap()),
            connector: Arc::new(RealConnector::new(folder.path().join("run"))),
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
            _folder: folder,
        };
        ours.until(|snapshot| {
            let mut instances = snapshot.state.instances.values();
            instances.all(|instance| instance.is_connected())
        })
        .await;
        let register = json!({
            "family": "bench",
            "containerDefinitions": [{
                "name": "app", "image": IMAGE, "memory": MEMORY_MIB, "command": COMMAND,
            }],
        });
        ask(&ours.plane.handle, "RegisterTaskDefinition", &register).await;
        ours
    }

    /// Makes a service and waits until all its tasks run.
    async fn serve(&self, service: &str, count: usize, grace_s: u32) -> Arc<Snapshot> {
        let body = json!({
            "serviceName": service, "taskDefinition": "bench", "desiredCount": count,
            "hostLossGracePeriodSeconds": grace_s,
        });
        ask(&self.plane.handle, "CreateService", &body).await;
        self.until(|snapshot| running(snapshot, service).len() == count)
            .await
    }

    async fn until(&self, holds: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let mut snapshots = self.plane.handle.snapshots();
        let wait = snapshots.wait_for(|snapshot| holds(snapshot));
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        waited.expect("nothing hangs").unwrap().clone()
    }

    async fn end(self, engines: &Engines) {
        self.plane.stop().await.unwrap();
        sweep(engines);
    }
}

async fn ask(handle: &Handle, operation: &str, body: &Value) {
    let command = wire::decode(operation, body).unwrap();
    handle.command(command, "bench".into()).await.unwrap();
}

fn running<'a>(snapshot: &'a Snapshot, service: &str) -> Vec<&'a Arc<Task>> {
    let of = |task: &&Arc<Task>| task.service.as_ref().is_some_and(|s| s.as_str() == service);
    let up = |task: &&Arc<Task>| task.last_status == LastStatus::Running && task.lost_at.is_none();
    let tasks = snapshot.state.tasks.values();
    tasks.filter(of).filter(up).collect()
}
