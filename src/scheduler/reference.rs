//! Placement as one would explain it on a whiteboard: slow, obvious, and compared with the real
//! one by property tests.

use proptest::prelude::*;
use std::sync::Arc;

use super::{Index, PlaceRequest, Rejection, default_strategies, fixture, place, place_with, rank};
use crate::model::id::mix;
use crate::model::service::{
    PlacementConstraint, PlacementConstraintKind, PlacementStrategy, PlacementStrategyKind,
};
use crate::model::{
    Change, Connection, HostPort, Instance, InstanceStatus, LaunchType, Protocol, State, Task,
    TimeMs,
};

/// So many random clusters are tried, each with several requests.
const CLUSTERS: u32 = 2_000;

/// Tasks on an instance whose stop is not confirmed.
fn on<'a>(state: &'a State, instance: &Instance) -> Vec<&'a Task> {
    let all = state.tasks.values().map(AsRef::as_ref);
    all.filter(|task| task.instance == instance.name && !task.is_stopped())
        .collect()
}

fn counts(task: &Task, request: &PlaceRequest<'_>) -> bool {
    &task.cluster == request.cluster && &*task.group == request.group && task.is_wanted()
}

fn free(state: &State, instance: &Instance) -> (i128, i128) {
    let mut cpu = i128::from(instance.capacity.cpu.0)
        - i128::from(instance.reserved.cpu.0)
        - i128::from(instance.foreign.cpu.0);
    let mut memory = i128::from(instance.capacity.memory.0)
        - i128::from(instance.reserved.memory.0)
        - i128::from(instance.foreign.memory.0);
    for task in on(state, instance) {
        cpu -= i128::from(task.resources.cpu.0);
        memory -= i128::from(task.resources.memory.0);
    }
    (cpu.max(0), memory.max(0))
}

fn takes(state: &State, instance: &Instance, request: &PlaceRequest<'_>) -> bool {
    let asks = request.definition.resources();
    let here = on(state, instance);
    let (cpu, memory) = free(state, instance);
    let taken = |port: &HostPort| {
        instance.foreign.ports.contains(port)
            || instance.reserved.ports.contains(port)
            || here.iter().any(|task| task.resources.ports.contains(port))
    };
    let of_group = here.iter().filter(|task| {
        &*task.group == request.group && task.desired_status == crate::model::DesiredStatus::Running
    });
    let constraints = request.constraints.iter().all(|rule| match rule.kind {
        PlacementConstraintKind::DistinctInstance => of_group.clone().count() == 0,
        // The reference knows one expression only.
        PlacementConstraintKind::MemberOf => instance.attribute("disk") == Some("ssd"),
    });
    &instance.cluster == request.cluster
        && instance.status == InstanceStatus::Active
        && instance.is_connected()
        && i128::from(asks.cpu.0) <= cpu
        && i128::from(asks.memory.0) <= memory
        && !asks.ports.iter().any(taken)
        && constraints
}

/// How an instance stands under one strategy; the smaller, the better.
fn key(
    state: &State,
    instance: &Instance,
    request: &PlaceRequest<'_>,
    strategy: &PlacementStrategy,
) -> i128 {
    let field = strategy.field.as_deref().unwrap_or("");
    match strategy.kind {
        PlacementStrategyKind::Spread => {
            let value = instance.attribute(field).unwrap_or("");
            let same = state
                .tasks
                .values()
                .filter(|task| counts(task, request))
                .filter(|task| {
                    let there = &state.instances[&task.instance];
                    there.attribute(field).unwrap_or("") == value
                });
            same.count() as i128
        }
        PlacementStrategyKind::Binpack if field == "cpu" => free(state, instance).0,
        PlacementStrategyKind::Binpack => free(state, instance).1,
        PlacementStrategyKind::Random => {
            let counted = state.tasks.values().filter(|task| counts(task, request));
            let seed = rank::hash(rank::hash(0, &state.control_plane), request.group);
            let salt = rank::hash(seed, "random").wrapping_add(counted.count() as u64);
            i128::from(rank::hash(mix(salt), instance.name.as_str()))
        }
    }
}

/// How an instance stands under each strategy, its tasks in all, its lot, its name.
pub(super) type Standing = (Vec<i128>, usize, u64, crate::model::InstanceName);

/// The instance that the next task goes to.
fn next(state: &State, request: &PlaceRequest<'_>) -> Option<crate::model::InstanceName> {
    let mut ranked = ranked(state, request).into_iter();
    ranked.next().map(|(.., name)| name)
}

/// The instances that the next task can go to, the best first.
pub(super) fn ranked(state: &State, request: &PlaceRequest<'_>) -> Vec<Standing> {
    let default = default_strategies();
    let strategies = if request.strategies.is_empty() {
        &default[..]
    } else {
        request.strategies
    };
    let seed = rank::hash(rank::hash(0, &state.control_plane), request.group);
    let mut fitting: Vec<_> = state
        .instances
        .values()
        .filter(|instance| takes(state, instance, request))
        .map(|instance| {
            let keys: Vec<i128> = strategies
                .iter()
                .map(|strategy| key(state, instance, request, strategy))
                .collect();
            let lot = rank::hash(seed, instance.name.as_str());
            (keys, on(state, instance).len(), lot, instance.name.clone())
        })
        .collect();
    fitting.sort();
    fitting
}

/// Places one after the other, each time looking at the whole state again.
fn slow(state: &State, request: &PlaceRequest<'_>) -> Vec<crate::model::InstanceName> {
    let mut state = state.clone();
    let mut ids = crate::model::id::IdSource::new(99);
    let mut chosen = Vec::new();
    for _ in 0..request.count {
        let Some(name) = next(&state, request) else {
            break;
        };
        let mut task = fixture::task(ids.task_id(), "web", request.definition, name.as_str());
        task.group = request.group.into();
        state.apply(&Change::Task(std::sync::Arc::new(task)));
        chosen.push(name);
    }
    chosen
}

/// One instance: zone, cpu, memory, foreign memory, what is special about it.
pub(super) type Host = (u8, u64, u64, u64, u8);
/// One task there: host, cpu, memory, port, group, what became of it.
pub(super) type There = (usize, u64, u64, u8, bool, u8);

pub(super) fn build(hosts: &[Host], tasks: &[There]) -> State {
    let instances = hosts.iter().enumerate().map(|(n, host)| {
        let (zone, cpu, memory, foreign, special) = host;
        let disk = if special & 1 == 0 { "ssd" } else { "hdd" };
        let zone = ["a", "b", "c"][usize::from(*zone % 3)];
        let mut instance =
            fixture::instance(&format!("i{n:02}"), zone, *cpu, *memory, &[("disk", disk)]);
        instance.foreign = fixture::resources(0, *foreign);
        match special >> 1 {
            0 => instance.status = InstanceStatus::Draining,
            1 => {
                instance.connection = Connection::Disconnected {
                    since: TimeMs(0),
                    reason: "gone".to_owned(),
                };
            }
            2 => {
                instance.foreign.ports.insert(HostPort {
                    port: 8081,
                    protocol: Protocol::Tcp,
                });
            }
            _ => {}
        }
        instance
    });
    let mut state = fixture::state(instances);
    let mut ids = fixture::ids();
    for (host, cpu, memory, port, ours, fate) in tasks {
        let ports: Vec<u16> = if *port < 2 {
            vec![8080 + u16::from(*port)]
        } else {
            vec![]
        };
        let definition = fixture::definition("web", 1, *cpu, *memory, &ports);
        let name = format!("i{:02}", host % hosts.len());
        let mut task = fixture::task(ids.task_id(), "web", &definition, &name);
        task.group = if *ours { "family:web" } else { "family:else" }.into();
        match fate {
            0 => task.desired_status = crate::model::DesiredStatus::Stopped,
            1 => {
                task.desired_status = crate::model::DesiredStatus::Stopped;
                task.last_status = crate::model::LastStatus::Stopped;
            }
            2 => task.lost_at = Some(TimeMs(1)),
            _ => {}
        }
        state.apply(&Change::Task(std::sync::Arc::new(task)));
    }
    state
}

pub(super) fn strategies() -> impl Strategy<Value = Vec<PlacementStrategy>> {
    let one = prop_oneof![
        Just((
            PlacementStrategyKind::Spread,
            "attribute:ecs.availability-zone"
        )),
        Just((PlacementStrategyKind::Spread, "instanceId")),
        Just((PlacementStrategyKind::Spread, "attribute:disk")),
        Just((PlacementStrategyKind::Binpack, "cpu")),
        Just((PlacementStrategyKind::Binpack, "memory")),
        Just((PlacementStrategyKind::Random, "")),
    ];
    let one = one.prop_map(|(kind, field)| PlacementStrategy {
        kind,
        field: Some(field.to_owned()),
    });
    proptest::collection::vec(one, 0..4)
}

fn constraints() -> impl Strategy<Value = Vec<PlacementConstraint>> {
    let one = prop_oneof![
        Just(PlacementConstraint {
            kind: PlacementConstraintKind::DistinctInstance,
            expression: None,
        }),
        Just(PlacementConstraint {
            kind: PlacementConstraintKind::MemberOf,
            expression: Some("attribute:disk == ssd".to_owned()),
        }),
    ];
    proptest::collection::vec(one, 0..2)
}

/// Something else that happens to a cluster between two requests.
type Turn = (u8, usize, u64);

fn happen(state: &State, (what, at, amount): Turn) -> Option<Change> {
    let task = || state.tasks.values().nth(at % state.tasks.len().max(1));
    let instance = state
        .instances
        .values()
        .nth(at % state.instances.len().max(1));
    let with = |change: &dyn Fn(&mut Instance)| {
        let mut instance = instance?.as_ref().clone();
        change(&mut instance);
        Some(Change::Instance(Arc::new(instance)))
    };
    match what {
        0 => Some(Change::TaskRemoved(task()?.id)),
        1 => {
            let mut task = task()?.as_ref().clone();
            task.desired_status = crate::model::DesiredStatus::Stopped;
            if amount.is_multiple_of(2) {
                task.last_status = crate::model::LastStatus::Stopped;
            }
            Some(Change::Task(Arc::new(task)))
        }
        2 => with(&|instance| instance.foreign = fixture::resources(amount, amount)),
        3 => with(&|instance| {
            instance.status = match instance.status {
                InstanceStatus::Active => InstanceStatus::Draining,
                _ => InstanceStatus::Active,
            };
        }),
        4 => with(&|instance| {
            let zone = ["a", "b"][amount as usize % 2].to_owned();
            let field = crate::model::instance::attribute::AVAILABILITY_ZONE;
            instance.attributes.insert(field.to_owned(), zone);
        }),
        _ => with(&|instance| {
            instance.name = fixture::instance_name(&format!("i{:02}", amount % 12));
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: CLUSTERS, ..ProptestConfig::default() })]

    /// The index goes along with what happens, and with it the rankers of the requests before.
    #[test]
    fn placement_agrees_with_the_whiteboard(
        hosts in proptest::collection::vec((0u8..3, 0u64..2000, 0u64..2000, 0u64..300, 0u8..24), 1..9),
        tasks in proptest::collection::vec((0usize..9, 0u64..500, 0u64..500, 0u8..8, any::<bool>(), 0u8..10), 0..20),
        strategies in strategies(),
        constraints in constraints(),
        asks in (0u64..700, 0u64..700, 0u8..4),
        counts in proptest::collection::vec(1u32..6, 1..5),
        turns in proptest::collection::vec((0u8..6, 0usize..40, 0u64..900), 0..8),
    ) {
        let mut state = build(&hosts, &tasks);
        let mut index = Index::new(&state);
        let mut ids = crate::model::id::IdSource::new(5);
        let ports: &[u16] = match asks.2 { 0 => &[8080], 1 => &[8081], _ => &[] };
        let definition = fixture::definition("web", 1, asks.0, asks.1, ports);
        let mut turns = turns.into_iter();
        for count in counts {
            let request = PlaceRequest {
                cluster: &crate::model::ClusterName::default_cluster(),
                definition: &definition,
                group: "family:web",
                constraints: &constraints,
                strategies: &strategies,
                launch_type: LaunchType::Ec2,
                capacity_provider_strategy: &[],
                count,
            };
            let placement = place_with(&mut index, &state, fixture::START, &request);
            prop_assert_eq!(&placement, &place(&state, fixture::START, &request), "warm and cold");
            let fast: Vec<_> = placement.placed.iter().map(|p| p.instance.clone()).collect();
            prop_assert_eq!(&fast, &slow(&state, &request));
            prop_assert_eq!(fast.len() as u32 + placement.unplaced, count);
            if placement.unplaced > 0 {
                // Whoever takes no more tasks says why.
                prop_assert_eq!(placement.refusals.len(), state.instances.len());
                prop_assert!(placement.refusals.iter().all(|r| !r.reasons.is_empty()));
            }
            let placed = fast.iter().map(|name| {
                let mut task = fixture::task(ids.task_id(), "web", &definition, name.as_str());
                task.group = "family:web".into();
                Change::Task(Arc::new(task))
            });
            let placed: Vec<Change> = placed.collect();
            let others: Vec<Change> = turns.by_ref().take(2).filter_map(|turn| happen(&state, turn)).collect();
            for change in placed.iter().chain(&others) {
                index.apply(&state, change);
                state.apply(change);
            }
            prop_assert!(index == Index::new(&state), "the index follows");
        }
    }
}

#[test]
fn rejections_say_the_shortfall() {
    let mut small = fixture::instance("ops-1", "a", 1024, 456, &[]);
    small.reserved = fixture::resources(0, 256);
    let mut state = fixture::state([small]);
    let holder = fixture::definition("web", 1, 0, 0, &[8080]);
    let id = "a1b2c3d4000000000000000000000000".parse().unwrap();
    let mut task = fixture::task(id, "web", &holder, "ops-1");
    task.service = Some(fixture::service_name("web"));
    state.apply(&Change::Task(std::sync::Arc::new(task)));
    let definition = fixture::definition("api", 1, 2048, 512, &[8080]);
    let placement = place(
        &state,
        fixture::START,
        &PlaceRequest {
            cluster: &crate::model::ClusterName::default_cluster(),
            definition: &definition,
            group: "family:api",
            constraints: &[],
            strategies: &[],
            launch_type: LaunchType::Ec2,
            capacity_provider_strategy: &[],
            count: 1,
        },
    );
    assert_eq!(
        placement.refusals[0].reasons,
        [
            "1024 CPU units short (needs 2048, 1024 free)",
            "312 MiB of memory short (needs 512, 200 free)",
            "host port 8080/tcp is held by task a1b2c3d4 of web",
        ]
    );
    assert_eq!(placement.failure, Some("RESOURCE:CPU"));
    let draining = Rejection::Draining.to_string();
    assert_eq!(draining, "it is DRAINING and takes no new tasks");
}
