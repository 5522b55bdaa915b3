//! `cargo bench --bench watch`: how soon what was asked for is on every console that is attached.
//!
//! A control plane over a simulated fleet, with its change log on disk and its socket, and ten
//! clients that watch over that socket. A service is scaled up and down; for each command the clock
//! runs from its answer to the moment at which each client's picture has it. All of it is in this
//! one process, so the clients' own work is in the figures.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use quarterdeck::agent::{Clock, SystemClock, Tuning};
use quarterdeck::api::Server;
use quarterdeck::api::serve::SOCKET;
use quarterdeck::client::{Client, LocalClient, RemoteClient};
use quarterdeck::controller::command::UpdateService;
use quarterdeck::controller::{Command, ControlPlane, Start, start};
use quarterdeck::model::snapshot::Holder;
use quarterdeck::model::{DesiredStatus, LastStatus};
use quarterdeck::sim::demo::{self, Crowd};
use quarterdeck::store::SqliteStore;

const CONSOLES: usize = 10;
const COMMANDS: u32 = 100;
/// Between two commands: a fast operator.
const PACE: Duration = Duration::from_millis(100);
/// How long a picture may take to have a command's effect.
const PATIENCE: Duration = Duration::from_secs(60);

/// When each picture came to a client, by its number.
type Seen = Arc<Mutex<Vec<(u64, Instant)>>>;

fn main() {
    println!(
        "{:>8} {:>9} {:>9} {:>9} {:>9}   ms from a command's answer to a console's picture",
        "tasks", "consoles", "median", "p95", "max"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    for crowd in [
        Crowd {
            instances: 10,
            tasks: 100,
        },
        Crowd {
            instances: 1_000,
            tasks: 10_000,
        },
    ] {
        runtime.block_on(measure(crowd));
    }
}

async fn measure(crowd: Crowd) {
    let dir = tempfile::tempdir().unwrap();
    let plane = plane(crowd, dir.path()).await;
    let near = LocalClient::new(plane.handle.clone(), "bench".into());
    demo::load(&near, crowd.commands().unwrap()).await.unwrap();
    let mut snapshots = near.snapshots();
    let all = snapshots.wait_for(|it| {
        let up = it.state.tasks.values().filter(|task| {
            task.last_status == LastStatus::Running && task.desired_status == DesiredStatus::Running
        });
        up.count() >= crowd.tasks as usize
    });
    tokio::time::timeout(Duration::from_secs(600), all)
        .await
        .unwrap()
        .unwrap();
    let server = Server::start(dir.path(), plane.handle.clone()).unwrap();

    let mut consoles = Vec::new();
    for _ in 0..CONSOLES {
        let client = RemoteClient::connect(&dir.path().join(SOCKET), "bench".into())
            .await
            .unwrap();
        let (mut pictures, seen) = (client.snapshots(), Seen::default());
        let noted = seen.clone();
        let noting = tokio::spawn(async move {
            while pictures.changed().await.is_ok() {
                let version = pictures.borrow_and_update().version;
                noted.lock().unwrap().push((version, Instant::now()));
            }
        });
        consoles.push((client, seen, noting));
    }
    let mut answered = Vec::new();
    for n in 0..COMMANDS {
        let service = UpdateService {
            service: "service-001".to_owned(),
            desired_count: Some(49 + n % 2),
            ..UpdateService::default()
        };
        let command = Command::UpdateService(Box::new(service));
        let answer = plane.handle.command(command, "bench".into()).await.unwrap();
        answered.push((answer.snapshot.version, Instant::now()));
        tokio::time::sleep(PACE).await;
    }
    let last = answered.last().unwrap().0;
    for (client, ..) in &consoles {
        let mut pictures = client.snapshots();
        let there = pictures.wait_for(|it| it.version >= last);
        tokio::time::timeout(PATIENCE, there)
            .await
            .unwrap()
            .unwrap();
    }
    let mut waits = Vec::new();
    for (_, seen, _) in &consoles {
        let seen = seen.lock().unwrap();
        for (version, at) in &answered {
            // The first picture with it; one that came before the answer took no time at all.
            let first = seen.iter().find(|(number, _)| number >= version);
            let (_, there) = first.expect("every console has it by now");
            waits.push(there.saturating_duration_since(*at));
        }
    }
    waits.sort_unstable();
    let at = |share: usize| {
        let index = (waits.len() * share / 100).min(waits.len() - 1);
        waits[index].as_secs_f64() * 1_000.0
    };
    println!(
        "{:>8} {:>9} {:>9.2} {:>9.2} {:>9.2}",
        crowd.tasks,
        CONSOLES,
        at(50),
        at(95),
        at(100)
    );
    for (_, _, noting) in consoles {
        noting.abort();
    }
    server.stop().await;
    plane.stop().await.unwrap();
}

async fn plane(crowd: Crowd, dir: &std::path::Path) -> ControlPlane {
    let clock = SystemClock;
    let fleet = crowd.fleet(7, clock.now()).unwrap();
    start(Start {
        settings: crowd.settings().unwrap(),
        store: Box::new(SqliteStore::open(dir).unwrap()),
        last_alive: None,
        connector: Arc::new(fleet),
        clock: Arc::new(clock),
        seed: Some(7),
        holder: Holder {
            role: "bench".to_owned(),
            pid: std::process::id(),
            user: "bench".to_owned(),
            since: clock.now(),
            simulated: true,
        },
        tuning: Tuning::default(),
    })
    .await
    .unwrap()
}
