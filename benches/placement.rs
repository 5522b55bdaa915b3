//! What a placement costs over simulated fleets: `cargo bench --bench placement`.
//!
//! One by one, each placement is a request of its own: an instance is chosen, the whole task is
//! made, and its change is applied to the index and to the state, as the controller does. In
//! groups, one request asks for many tasks; each is then made and applied all the same. Bytes a
//! task are what the process grew by (RSS), divided by the tasks; every fleet has a process of its
//! own, so that none grows into what another gave back. Others on the machine make a placement
//! wait, so costs are compared in processor time. Nothing is asserted: a shared machine is
//! noisy, so read the ratios. `QD_BENCH_SCALE=10` makes every fleet's tasks ten times fewer.

use std::error::Error;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use quarterdeck::model::id::IdSource;
use quarterdeck::model::instance::attribute;
use quarterdeck::model::service::{PlacementStrategy, PlacementStrategyKind};
use quarterdeck::model::task_definition::ContainerDefinition;
use quarterdeck::model::{
    Change, ClusterName, Connection, ContainerName, CpuUnits, Family, Instance, InstanceName,
    InstanceStatus, LaunchType, MemoryMib, Revision, State, Task, TaskDefinition, TimeMs,
};
use quarterdeck::scheduler::{self, Index, PlaceRequest};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Tasks that one request asks for, in groups.
const GROUP: u32 = 10;
const ZONES: usize = 3;
const NOW: TimeMs = TimeMs(1_700_000_000_000);

#[derive(Clone, Copy)]
struct Run {
    name: &'static str,
    instances: usize,
    tasks: u32,
    group: u32,
    binpack: bool,
}

struct Figures {
    /// Wall time of all placements.
    seconds: f64,
    /// What they had of a processor, where the system tells.
    cpu_seconds: Option<f64>,
    placed: u32,
    asked: u32,
    bytes: Option<u64>,
}

/// The environment variable that names the one fleet that a process is for.
const ONE: &str = "QD_BENCH_FLEET";

const fn run(name: &'static str, instances: usize, tasks: u32, group: u32, binpack: bool) -> Run {
    Run {
        name,
        instances,
        tasks,
        group,
        binpack,
    }
}

const FLEETS: [Run; 7] = [
    run("1,000 x 100,000 one by one", 1_000, 100_000, 1, false),
    run("1,000 x 100,000 in groups", 1_000, 100_000, GROUP, false),
    run("100,000 x 1,000 one by one", 100_000, 1_000, 1, false),
    run(
        "10,000 x 1,000,000 zones, binpack",
        10_000,
        1_000_000,
        1,
        true,
    ),
    run("1,000 instances", 1_000, 20_000, 1, false),
    run("10,000 instances", 10_000, 20_000, 1, false),
    run("100,000 instances", 100_000, 20_000, 1, false),
];

/// From this fleet on, they differ in the number of instances only.
const OVER_INSTANCES: usize = 4;

fn main() -> Outcome<()> {
    if let Ok(one) = std::env::var(ONE) {
        let fleet = FLEETS.get(one.parse::<usize>()?).ok_or("no such fleet")?;
        return alone(*fleet);
    }
    println!(
        "fleet                                        placements/s  us each   us cpu  bytes/task"
    );
    let mut first = None;
    for (number, fleet) in FLEETS.iter().enumerate() {
        if number == OVER_INSTANCES {
            println!("\nThe same number of tasks, one by one, over more instances:");
        }
        let figures = apart(number)?;
        show(fleet, &figures);
        if number >= OVER_INSTANCES {
            let cost = figures.cpu_seconds.unwrap_or(figures.seconds);
            let each = cost / f64::from(figures.placed.max(1));
            let first = *first.get_or_insert(each);
            println!("    {:.2} times the cost at 1,000 instances", each / first);
        }
    }
    Ok(())
}

/// Measures a fleet in a process of its own.
fn apart(number: usize) -> Outcome<Figures> {
    let mut process = Command::new(std::env::current_exe()?);
    let said = process.env(ONE, number.to_string()).output()?;
    if !said.status.success() {
        return Err(String::from_utf8_lossy(&said.stderr).into());
    }
    let text = String::from_utf8(said.stdout)?;
    let mut words = text.split_whitespace();
    let mut next = || words.next().ok_or("a fleet's process said too little");
    Ok(Figures {
        seconds: next()?.parse()?,
        cpu_seconds: next()?.parse().ok(),
        placed: next()?.parse()?,
        asked: next()?.parse()?,
        bytes: next()?.parse().ok(),
    })
}

/// Measures the fleet that this process is for.
fn alone(mut run: Run) -> Outcome<()> {
    let scale: u32 = match std::env::var("QD_BENCH_SCALE") {
        Ok(text) => text.parse()?,
        Err(_) => 1,
    };
    run.tasks = (run.tasks / scale.max(1)).max(run.group);
    let figures = measure(&run)?;
    let bytes = figures.bytes.map_or("?".to_owned(), |it| it.to_string());
    let cpu = figures.cpu_seconds;
    let cpu = cpu.map_or("?".to_owned(), |it| it.to_string());
    let (seconds, placed) = (figures.seconds, figures.placed);
    println!("{seconds} {cpu} {placed} {} {bytes}", run.tasks);
    Ok(())
}

fn show(run: &Run, figures: &Figures) {
    let seconds = figures.seconds;
    let placed = f64::from(figures.placed.max(1));
    let cpu = figures
        .cpu_seconds
        .map_or_else(|| "?".to_owned(), |it| format!("{:.2}", it * 1e6 / placed));
    let bytes = figures
        .bytes
        .map_or_else(|| "?".to_owned(), |bytes| bytes.to_string());
    println!(
        "{:<44} {:>12.0} {:>8.2} {cpu:>8} {bytes:>11}",
        run.name,
        placed / seconds,
        seconds * 1e6 / placed,
    );
    if figures.placed < figures.asked {
        println!("    {} found no place", figures.asked - figures.placed);
    }
}

fn measure(run: &Run) -> Outcome<Figures> {
    let cluster = ClusterName::default_cluster();
    let mut state = fleet(run)?;
    let mut index = Index::new(&state);
    let definition = definition()?;
    let strategies = if run.binpack {
        let zone = format!("attribute:{}", attribute::AVAILABILITY_ZONE);
        vec![
            strategy(PlacementStrategyKind::Spread, &zone),
            strategy(PlacementStrategyKind::Binpack, "memory"),
        ]
    } else {
        Vec::new()
    };
    let request = |count| PlaceRequest {
        cluster: &cluster,
        definition: &definition,
        group: "family:web",
        constraints: &[],
        strategies: &strategies,
        launch_type: LaunchType::Ec2,
        capacity_provider_strategy: &[],
        count,
    };
    // The first request sorts the fleet; it is paid once, and not by the placements.
    let _ = scheduler::place_with(&mut index, &state, NOW, &request(1));
    let mut ids = IdSource::new(1);
    let before = resident();
    let cpu_before = on_processor();
    let start = Instant::now();
    let mut placed = 0;
    while placed < run.tasks {
        let count = run.group.min(run.tasks - placed);
        let placement = scheduler::place_with(&mut index, &state, NOW, &request(count));
        let unplaced = placement.unplaced;
        // Tasks share their texts, as the controller makes them.
        let group = index.shared("family:web");
        let started_by = index.shared("bench");
        for at in placement.placed {
            let task = Task {
                group: group.clone(),
                started_by: started_by.clone(),
                containers: scheduler::containers(&definition),
                resources: definition.resources(),
                placement: at.reason,
                ..Task::new(
                    ids.task_id(),
                    cluster.clone(),
                    at.instance,
                    definition.id(),
                    NOW,
                )
            };
            let change = Change::Task(Arc::new(task));
            index.apply(&state, &change);
            state.apply(&change);
            placed += 1;
        }
        if unplaced > 0 {
            break;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let cpu = on_processor().zip(cpu_before);
    let grown = resident()
        .zip(before)
        .map(|(after, before)| after.saturating_sub(before) / u64::from(placed.max(1)));
    Ok(Figures {
        seconds,
        cpu_seconds: cpu.map(|(after, before)| after.saturating_sub(before) as f64 / 1e9),
        placed,
        asked: run.tasks,
        // Of a few tasks over a large fleet, the fleet's own pages would be counted.
        bytes: grown.filter(|_| placed >= 10_000),
    })
}

fn strategy(kind: PlacementStrategyKind, field: &str) -> PlacementStrategy {
    PlacementStrategy {
        kind,
        field: Some(field.to_owned()),
    }
}

/// Instances in three zones, each with room for its share of the tasks and a half more.
fn fleet(run: &Run) -> Outcome<State> {
    let mut state = State::default();
    let each = (run.tasks as usize).div_ceil(run.instances) as u64;
    let room = (each * 3).div_ceil(2).max(2);
    for number in 0..run.instances {
        let connection = Connection::Connected { since: NOW };
        let mut instance = Instance::new(
            InstanceName::new(format!("ops-{number:06}"))?,
            ClusterName::default_cluster(),
            "simulated://".to_owned(),
            connection,
        );
        instance.status = InstanceStatus::Active;
        instance.capacity.cpu = CpuUnits(room * 64);
        instance.capacity.memory = MemoryMib(room * 64);
        let zone = ["a", "b", "c"].get(number % ZONES).copied().unwrap_or("a");
        let zone = format!("eu-central-1{zone}");
        let field = attribute::AVAILABILITY_ZONE.to_owned();
        instance.attributes.insert(field, zone);
        state.apply(&Change::Instance(Arc::new(instance)));
    }
    Ok(state)
}

/// One container, 64 CPU units and 64 MiB.
fn definition() -> Outcome<TaskDefinition> {
    let container = ContainerDefinition {
        cpu: CpuUnits(64),
        memory: Some(MemoryMib(64)),
        ..ContainerDefinition::new(ContainerName::new("main")?, "web:1")
    };
    Ok(TaskDefinition::new(
        Family::new("web")?,
        Revision(1),
        vec![container],
    ))
}

/// How long this thread, the only one, was on a processor, in nanoseconds; `None` where that
/// cannot be read.
fn on_processor() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// What the process has in memory now, in bytes; `None` where that cannot be read.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    kib.checked_mul(1024)
}
