//! How fast tasks start, and how fast a killed one is replaced, against what the machine's own
//! Docker Engine does when it is asked straight. `cargo bench --bench engine` prints two ratios.
//!
//! The image is made here from the machine's static busybox; no registry is asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "shared/ours.rs"]
mod ours;
#[path = "shared/mod.rs"]
mod shared;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use hyper::Method;
use ours::{Kind, Ours, running};
use quarterdeck::config::{ClusterSettings, Endpoint, InstanceSettings, Settings};
use quarterdeck::docker::connector::RealConnector;
use quarterdeck::docker::spec::container_spec;
use quarterdeck::docker::{Connector, ContainerSpec, Engine};
use quarterdeck::model::{ClusterName, InstanceName, Partition, Task, TaskDefinition, TaskId};
use shared::{SOCKET, import_image, sweep, transport};

const IMAGE: &str = "quarterdeck-engine-bench:1";
/// Containers started in one go.
const TASKS: usize = 40;
/// How often everything is measured; the medians count.
const ROUNDS: usize = 3;
/// Killed tasks.
const KILLS: usize = 9;
/// What the plain API is tried with; its best counts.
const PARALLELISM: [usize; 5] = [1, 2, 4, 8, 16];
/// What a wait must not exceed, so that a fault does not hang the bench.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long a lost host is given; none is lost here.
const GRACE_S: u32 = 30;

fn main() {
    // `cargo test --all-targets` builds and runs benches too; they are not for that.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("engine bench: run it with: cargo bench --bench engine");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(bench());
}

async fn bench() {
    let folder = tempfile::tempdir().unwrap();
    let connector = Arc::new(RealConnector::new(folder.path().join("run")));
    let engine = match connector.connect(&instance()).await {
        Ok(engine) => engine,
        Err(error) => return println!("engine bench: skipped: {error}"),
    };
    import_image(&*engine, IMAGE).await;
    let sample = sample(&connector).await;
    sweep(&*engine, IMAGE).await;

    start_rate(&connector, &engine, &sample).await;
    replacement(&connector, &engine, &sample).await;
    sweep(&*engine, IMAGE).await;
}

/// Part one: tasks a second, through Quarterdeck and straight.
async fn start_rate(connector: &Arc<RealConnector>, engine: &Arc<dyn Engine>, sample: &Sample) {
    let mut plain: Vec<Vec<f64>> = vec![Vec::new(); PARALLELISM.len()];
    let mut ours = Vec::new();
    for _ in 0..ROUNDS {
        for (rates, parallel) in plain.iter_mut().zip(PARALLELISM) {
            rates.push(plain_rate(engine, sample, parallel).await);
            sweep(&**engine, IMAGE).await;
        }
        ours.push(task_rate(connector).await);
        sweep(&**engine, IMAGE).await;
    }
    let mut best = (0.0, 0);
    for (rates, parallel) in plain.into_iter().zip(PARALLELISM) {
        let rate = median(rates);
        println!("engine bench: plain API, {parallel:>2} at a time: {rate:.2} containers/s");
        if rate > best.0 {
            best = (rate, parallel);
        }
    }
    let ours = median(ours);
    println!(
        "engine bench: start rate: {ours:.2} tasks/s against {:.2} containers/s ({} at a time): \
         ratio {:.2} (target 0.80 or more)",
        best.0,
        best.1,
        ours / best.0
    );
}

/// Part two: from a kill to its replacement RUNNING, against one plain create-and-start.
async fn replacement(connector: &Arc<RealConnector>, engine: &Arc<dyn Engine>, sample: &Sample) {
    let mut plain = Vec::new();
    for _ in 0..KILLS {
        let begun = Instant::now();
        make(&**engine, &sample.spec()).await;
        plain.push(begun.elapsed().as_secs_f64());
        sweep(&**engine, IMAGE).await;
    }
    let plane = plane(connector).await;
    let mut ours = Vec::new();
    for n in 0..KILLS {
        // A service of its own each time: one whose tasks die again and again is made to wait.
        let service = format!("victim-{n}");
        let snapshot = plane.serve(&service, 1, GRACE_S).await;
        let victim = running(&snapshot, &service)[0].clone();
        let pid = pid_of(&victim.containers[0].runtime_id).await;
        let begun = Instant::now();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        plane.until_replaced(&service, &victim).await;
        ours.push(begun.elapsed().as_secs_f64());
    }
    plane.stop().await;
    let (ours, plain) = (median(ours), median(plain));
    println!(
        "engine bench: replacement: RUNNING {:.0} ms after the kill against {:.0} ms for one \
         create and start: ratio {:.2} (target 1.50 or less)",
        ours * 1000.0,
        plain * 1000.0,
        ours / plain
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A real task and its definition, to make plain containers that are the same in everything.
struct Sample {
    task: Task,
    definition: TaskDefinition,
}

impl Sample {
    fn spec(&self) -> ContainerSpec {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut task = self.task.clone();
        task.id = TaskId(u128::from(NEXT.fetch_add(1, Ordering::Relaxed)));
        let container = &self.definition.container_definitions[0];
        let partition = Partition::default();
        container_spec(&task, &self.definition, container, "bench", &partition)
    }
}

async fn sample(connector: &Arc<RealConnector>) -> Sample {
    let plane = plane(connector).await;
    let snapshot = plane.serve("sample", 1, GRACE_S).await;
    let task = Task::clone(running(&snapshot, "sample")[0]);
    let definitions = &snapshot.state.task_definitions;
    let definition = definitions.get(&task.task_definition).unwrap();
    let sample = Sample {
        definition: TaskDefinition::clone(definition),
        task,
    };
    plane.stop().await;
    sample
}

async fn make(engine: &dyn Engine, spec: &ContainerSpec) {
    let id = engine.create(spec).await.unwrap();
    engine.start(&id).await.unwrap();
}

async fn plain_rate(engine: &Arc<dyn Engine>, sample: &Sample, parallel: usize) -> f64 {
    let specs: Vec<ContainerSpec> = (0..TASKS).map(|_| sample.spec()).collect();
    let begun = Instant::now();
    stream::iter(specs)
        .for_each_concurrent(parallel, |spec| {
            let engine = engine.clone();
            async move { make(&*engine, &spec).await }
        })
        .await;
    TASKS as f64 / begun.elapsed().as_secs_f64()
}

async fn task_rate(connector: &Arc<RealConnector>) -> f64 {
    let plane = plane(connector).await;
    let begun = Instant::now();
    plane.serve("rate", TASKS, GRACE_S).await;
    let rate = TASKS as f64 / begun.elapsed().as_secs_f64();
    plane.stop().await;
    rate
}

fn instance() -> InstanceSettings {
    InstanceSettings::new(
        InstanceName::new("local").unwrap(),
        ClusterName::default_cluster(),
        Endpoint::Unix(PathBuf::from(SOCKET)),
    )
}

/// A whole control plane with its store on disk, whose engine is connected.
async fn plane(connector: &Arc<RealConnector>) -> Ours {
    let cluster = ClusterSettings::new(ClusterName::default_cluster(), Partition::default());
    let settings = Settings::new(None, vec![cluster], vec![instance()]);
    let kind = Kind {
        image: IMAGE,
        command: &["sleep", "3600"],
        memory_mib: 16,
        patience: PATIENCE,
    };
    Ours::start(settings, connector.clone(), &kind).await
}

async fn pid_of(id: &str) -> rustix::process::Pid {
    let path = format!("/containers/{id}/json");
    let container = transport().json(Method::GET, &path, None).await.unwrap();
    let pid = container.pointer("/State/Pid").unwrap().as_i64().unwrap();
    rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
}
