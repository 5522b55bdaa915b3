//! A simulated fleet on which something happens all the time: containers die, services are deployed
//! anew, scaled, rolled; hosts are lost and come back, are drained and activated; tasks are run once.
//! One thread, tokio's clock paused, everything drawn from a seed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck::agent::{TokioClock, Tuning};
use quarterdeck::config::{ClusterSettings, Endpoint, InstanceSettings, Settings};
use quarterdeck::controller::{ControlPlane, Start, start, wire};
use quarterdeck::model::id::IdSource;
use quarterdeck::model::snapshot::Holder;
use quarterdeck::model::{
    Change, ClusterName, CpuUnits, InstanceName, MemoryMib, Partition, Snapshot, State, TimeMs,
};
use quarterdeck::sim::{Fleet, HostSpec, Latency};
use quarterdeck::store::{Archive, SqliteStore, Store, StoreError};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

const BASE: TimeMs = TimeMs(1_790_000_000_000);
const HOUR: Duration = Duration::from_secs(3_600);
/// How long a lost host stays away.
const AWAY: Duration = Duration::from_secs(300);

/// How large the fleet is, and how much happens on it.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub instances: usize,
    pub services: usize,
    pub tasks_per_service: usize,
    /// What happens in one hour.
    pub exits: usize,
    pub deployments: usize,
    pub losses: usize,
    pub drains: usize,
    pub runs: usize,
}

/// What there is of everything that could grow.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub tasks: usize,
    pub stopped: usize,
    pub definitions: usize,
    pub events: usize,
    pub deployments: usize,
    pub history: usize,
    pub agents: usize,
    pub pulls: usize,
    pub containers: usize,
    /// Changes so far, forgotten ones included.
    pub changes: u64,
    /// The database and what lies beside it, in bytes.
    pub log_bytes: u64,
}

/// The log on disk, written where it is asked for: simulated time stands still meanwhile.
struct AtOnce(SqliteStore);

impl Store for AtOnce {
    fn is_instant(&self) -> bool {
        true
    }

    fn load(&mut self) -> Result<(State, u64), StoreError> {
        self.0.load()
    }

    fn append(&mut self, at: TimeMs, changes: &[Change], after: &State) -> Result<u64, StoreError> {
        self.0.append(at, changes, after)
    }

    fn archive(&self) -> Arc<dyn Archive> {
        self.0.archive()
    }
}

/// The fleet and its control plane.
pub struct Churn {
    size: Size,
    dice: IdSource,
    fleet: Fleet,
    plane: ControlPlane,
    dir: std::path::PathBuf,
    revisions: u64,
    lost: Vec<(Instant, InstanceName)>,
    drained: Option<InstanceName>,
}

impl Churn {
    /// Brings the fleet up, with its log in `dir` and at most `log_bytes_max` long.
    pub async fn begin(size: Size, seed: u64, dir: &Path, log_bytes_max: u64) -> Self {
        let names: Vec<InstanceName> = (0..size.instances)
            .map(|n| InstanceName::new(format!("host-{n:04}")).unwrap())
            .collect();
        let share = (size.services * size.tasks_per_service).div_ceil(size.instances) as u64;
        let hosts = names.iter().map(|name| {
            let room = 64 * (2 * share + 8);
            let mut host = HostSpec::new(name.clone(), CpuUnits(room), MemoryMib(room));
            host.images = vec!["shop/web:0".to_owned()];
            host.latency = Latency {
                typical_ms: 5,
                jitter_percent: 35,
            };
            host
        });
        let fleet = Fleet::new(seed, BASE, hosts.collect());
        let cluster = ClusterName::default_cluster();
        let instances = names.iter().enumerate().map(|(n, name)| InstanceSettings {
            availability_zone: ["a", "b", "c"][n % 3].to_owned(),
            ..InstanceSettings::new(name.clone(), cluster.clone(), Endpoint::Simulated)
        });
        let settings = Settings::new(
            None,
            vec![ClusterSettings::new(cluster.clone(), Partition::default())],
            instances.collect(),
        );
        let store = SqliteStore::open_within(dir, log_bytes_max).unwrap();
        let plane = start(Start {
            settings,
            store: Box::new(AtOnce(store)),
            last_alive: None,
            connector: Arc::new(fleet.clone()),
            clock: Arc::new(TokioClock::starting_at(BASE)),
            seed: Some(seed),
            holder: Holder::default(),
            // Signs of life and whole lists are most of what a quiet fleet costs, and say nothing
            // here.
            tuning: Tuning {
                heartbeat: Duration::from_secs(30),
                resync: Duration::from_secs(600),
                ..Tuning::default()
            },
        })
        .await
        .unwrap();
        let churn = Self {
            size,
            dice: IdSource::new(seed),
            fleet,
            plane,
            dir: dir.to_owned(),
            revisions: 0,
            lost: Vec::new(),
            drained: None,
        };
        sleep(Duration::from_secs(5)).await;
        churn.register("once", "shop/web:0").await;
        for n in 0..size.services {
            churn.register(&service(n), "shop/web:0").await;
            let count = size.tasks_per_service;
            churn
                .ask(
                    "CreateService",
                    json!({"serviceName": service(n), "taskDefinition": service(n),
                        "desiredCount": count}),
                )
                .await;
        }
        sleep(Duration::from_secs(120)).await;
        churn
    }

    /// One simulated hour.
    pub async fn hour(&mut self) {
        let begun = Instant::now();
        let size = self.size;
        let mut deeds: Vec<u8> = Vec::new();
        for (kind, count) in [
            size.exits,
            size.deployments,
            size.losses,
            size.drains,
            size.runs,
        ]
        .into_iter()
        .enumerate()
        {
            deeds.extend(std::iter::repeat_n(kind as u8, count));
        }
        for at in (1..deeds.len()).rev() {
            deeds.swap(at, self.draw(at + 1));
        }
        let gap = HOUR / deeds.len() as u32;
        for (n, deed) in deeds.into_iter().enumerate() {
            self.mend();
            match deed {
                0 => self.exit(),
                1 => self.deploy().await,
                2 => self.lose(),
                3 => self.drain().await,
                _ => self.run_once().await,
            }
            sleep_until(begun + gap * (n as u32 + 1)).await;
        }
    }

    /// Everything heals, and comes to rest.
    pub async fn rest(&mut self) {
        sleep(AWAY).await;
        self.mend();
        if let Some(name) = self.drained.take() {
            self.set_status(&name, "ACTIVE").await;
        }
        sleep(HOUR / 2).await;
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.plane.handle.snapshot()
    }

    pub fn counts(&self) -> Counts {
        let snapshot = self.snapshot();
        let state = &snapshot.state;
        let services = || state.services.values();
        let containers = self.fleet.names().map(|name| {
            let all = self.fleet.containers(name).unwrap();
            all.len()
        });
        let files = std::fs::read_dir(&self.dir).unwrap().flatten();
        Counts {
            tasks: state.tasks.len(),
            stopped: state.tasks.values().filter(|it| it.is_stopped()).count(),
            definitions: state.task_definitions.len(),
            events: state.events.len(),
            deployments: services().map(|it| it.deployments.len()).sum(),
            history: services().map(|it| it.history.len()).sum(),
            agents: snapshot.live.agents.len(),
            pulls: snapshot.live.pulls.len(),
            containers: containers.sum(),
            changes: snapshot.seq,
            log_bytes: files.map(|file| file.metadata().unwrap().len()).sum(),
        }
    }

    /// Tasks that run and are wanted.
    pub fn serving(&self) -> usize {
        let snapshot = self.snapshot();
        let tasks = snapshot.state.tasks.values();
        tasks
            .filter(|it| it.service.is_some() && it.is_serving())
            .count()
    }

    pub async fn end(self) {
        self.plane.stop().await.unwrap();
    }

    fn draw(&mut self, below: usize) -> usize {
        (self.dice.next_u64() % below as u64) as usize
    }

    fn any_host(&mut self) -> InstanceName {
        let at = self.draw(self.size.instances);
        self.fleet.names().nth(at).unwrap().clone()
    }

    async fn ask(&self, operation: &str, body: Value) {
        let command = wire::decode(operation, &body).unwrap();
        let answer = self.plane.handle.command(command, "churn".into()).await;
        answer.unwrap_or_else(|refusal| panic!("{operation} {body}: {refusal}"));
    }

    async fn register(&self, family: &str, image: &str) {
        let body = json!({"family": family, "containerDefinitions": [
            {"name": "web", "image": image, "cpu": 64, "memory": 64}]});
        self.ask("RegisterTaskDefinition", body).await;
    }

    /// A container dies.
    fn exit(&mut self) {
        let host = self.any_host();
        let containers = self.fleet.containers(&host).unwrap();
        let up: Vec<_> = containers.iter().filter(|it| it.state.is_up()).collect();
        if !up.is_empty() {
            let id = up[self.draw(up.len())].runtime_id.clone();
            self.fleet.kill_container(&host, &id).unwrap();
        }
    }

    /// A service gets a new revision; every fifth with another image.
    async fn deploy(&mut self) {
        let name = service(self.draw(self.size.services));
        self.revisions += 1;
        self.register(&name, &format!("shop/web:{}", self.revisions / 5 % 4))
            .await;
        self.ask(
            "UpdateService",
            json!({"service": name, "taskDefinition": name}),
        )
        .await;
    }

    fn lose(&mut self) {
        let host = self.any_host();
        self.fleet.fail(&host).unwrap();
        self.lost.push((Instant::now() + AWAY, host));
    }

    fn mend(&mut self) {
        let now = Instant::now();
        let fleet = self.fleet.clone();
        self.lost.retain(|(until, host)| {
            let away = *until > now;
            if !away {
                fleet.mend(host).unwrap();
            }
            away
        });
    }

    async fn set_status(&self, host: &InstanceName, status: &str) {
        let body = json!({"containerInstances": [host], "status": status});
        self.ask("UpdateContainerInstancesState", body).await;
    }

    /// One host is drained; the one before is ACTIVE again.
    async fn drain(&mut self) {
        if let Some(before) = self.drained.take() {
            self.set_status(&before, "ACTIVE").await;
        }
        let host = self.any_host();
        self.set_status(&host, "DRAINING").await;
        self.drained = Some(host);
    }

    /// A task is run by hand, and the one before is stopped.
    async fn run_once(&mut self) {
        let snapshot = self.snapshot();
        let before = snapshot.state.tasks.values();
        let before = before.filter(|it| it.service.is_none() && it.is_wanted());
        for task in before {
            let body = json!({"task": task.id.to_string()});
            self.ask("StopTask", body).await;
        }
        self.ask("RunTask", json!({"taskDefinition": "once"})).await;
    }
}

fn service(n: usize) -> String {
    format!("service-{n:03}")
}
