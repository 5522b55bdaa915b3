//! Placement as one would explain it on a whiteboard: slow, obvious, and compared with the real
//! one by property tests.

mod leaving;

use proptest::prelude::*;
use std::sync::Arc;

use super::{Index, PlaceRequest, Rejection, default_strategies, fixture, place, place_with, rank};
use crate::model::id::mix;
use crate::model::parameters::ResourceRequirement;
use crate::model::service::{
    PlacementConstraint, PlacementConstraintKind, PlacementStrategy, PlacementStrategyKind,
};
use crate::model::{
    CapacityProviderName, CapacityProviderStrategyItem, Change, Connection, HostPort, Instance,
    InstanceStatus, LaunchType, Protocol, Resources, State, Task, TaskDefinition, TimeMs,
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

/// How much of a named resource nobody holds.
fn free_named(state: &State, instance: &Instance, name: &str) -> i128 {
    let of = |resources: &Resources| i128::from(resources.named.get(name).copied().unwrap_or(0));
    let held: i128 = on(state, instance).iter().map(|it| of(&it.resources)).sum();
    let room = of(&instance.capacity) - of(&instance.reserved) - of(&instance.foreign);
    (room.max(0) - held).max(0)
}

/// Whether the task's images run there.
fn runs(instance: &Instance, definition: &TaskDefinition) -> bool {
    let Some(platform) = &definition.runtime_platform else {
        return true;
    };
    let is = |name: &str, wanted: &Option<String>| match wanted {
        None => true,
        Some(wanted) => instance
            .attribute(name)
            .is_some_and(|is| is.to_lowercase() == wanted.to_lowercase()),
    };
    is("ecs.cpu-architecture", &platform.cpu_architecture)
        && is("ecs.os-type", &platform.operating_system_family)
}

/// Whether instances of that kind are asked at all: FARGATE's, a provider's, or all others.
fn asked(instance: &Instance, request: &PlaceRequest<'_>, provider: Option<&str>) -> bool {
    let fargate = ["FARGATE", "FARGATE_SPOT"];
    if request.launch_type == LaunchType::Fargate || provider.is_some_and(|p| fargate.contains(&p))
    {
        return instance.fargate;
    }
    let own = instance.capacity_provider.as_ref().map(|it| it.as_str());
    !instance.fargate && (provider.is_none() || own == provider)
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
        && (asks.named.iter()).all(|(name, n)| i128::from(*n) <= free_named(state, instance, name))
        && runs(instance, request.definition)
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

/// The instances that the next task can go to, the best first.
pub(super) fn ranked(state: &State, request: &PlaceRequest<'_>) -> Vec<Standing> {
    ranked_of(state, request, None)
}

/// Those of a capacity provider.
fn ranked_of(state: &State, request: &PlaceRequest<'_>, provider: Option<&str>) -> Vec<Standing> {
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
        .filter(|instance| asked(instance, request, provider) && takes(state, instance, request))
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

/// How many of `total` tasks each provider of a strategy should have: the bases first, then one
/// after the other where the fewest are for the weight.
fn shares(items: &[CapacityProviderStrategyItem], total: u32) -> Vec<u32> {
    let mut left = total;
    let mut share = Vec::new();
    for item in items {
        share.push(item.base.min(left));
        left -= item.base.min(left);
    }
    let mut beyond = vec![0u32; items.len()];
    for _ in 0..left {
        let weighty = (0..items.len()).filter(|&at| items[at].weight > 0);
        // Equal fractions, compared over their common denominator.
        let all: u64 = items.iter().map(|it| u64::from(it.weight.max(1))).product();
        let per = |at: &usize| u64::from(beyond[*at]) * (all / u64::from(items[*at].weight));
        if let Some(at) = weighty.min_by_key(per) {
            beyond[at] += 1;
            share[at] += 1;
        }
    }
    share
}

/// Places one after the other, each time looking at the whole state again: where a provider lacks
/// the most of its share. One without room takes no more, and nobody takes its share.
fn slow(state: &State, request: &PlaceRequest<'_>) -> Vec<crate::model::InstanceName> {
    let mut state = state.clone();
    let mut ids = crate::model::id::IdSource::new(99);
    let mut chosen = Vec::new();
    let items = request.capacity_provider_strategy;
    let mut lacks = match items {
        [] => vec![(None, request.count)],
        items => {
            let names = items.iter().map(|it| Some(it.capacity_provider.as_str()));
            names.zip(shares(items, request.count)).collect()
        }
    };
    loop {
        let lack = lacks.iter_mut().filter(|(_, lack)| *lack > 0).rev();
        let Some((provider, lack)) = lack.max_by_key(|(_, lack)| *lack) else {
            return chosen;
        };
        let ranked = ranked_of(&state, request, *provider);
        let Some((.., name)) = ranked.first() else {
            *lack = 0;
            continue;
        };
        *lack -= 1;
        let mut task = fixture::task(ids.task_id(), "web", request.definition, name.as_str());
        task.group = request.group.into();
        state.apply(&Change::Task(std::sync::Arc::new(task)));
        chosen.push(name.clone());
    }
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

/// What one instance is besides: how many GPUs, what it runs, whose it is.
type Kit = (u64, u8, u8);

/// Gives instances their kits, and every third task a GPU.
fn equip(state: &mut State, kits: &[Kit]) {
    let instances: Vec<_> = state.instances.values().cloned().collect();
    for (instance, (gpus, platform, whose)) in instances.iter().zip(kits) {
        let mut instance = instance.as_ref().clone();
        instance.capacity.named = gpu(*gpus);
        instance.reserved.named = gpu(u64::from(*gpus > 2));
        let word = ["x86_64", "arm64", ""][usize::from(*platform % 3)];
        if !word.is_empty() {
            let name = "ecs.cpu-architecture".to_owned();
            instance.attributes.insert(name, word.to_owned());
        }
        instance.fargate = *whose == 0;
        instance.capacity_provider = ["p", "q"].get(usize::from(*whose)).map(|it| provider(it));
        state.apply(&Change::Instance(Arc::new(instance)));
    }
    let tasks: Vec<_> = state.tasks.values().step_by(3).cloned().collect();
    for task in tasks {
        let mut task = task.as_ref().clone();
        task.resources.named = gpu(1);
        state.apply(&Change::Task(Arc::new(task)));
    }
}

fn gpu(count: u64) -> crate::model::rare::Rare<std::collections::BTreeMap<String, u64>> {
    let some = (count > 0).then(|| ("GPU".to_owned(), count));
    some.into_iter()
        .collect::<std::collections::BTreeMap<_, _>>()
        .into()
}

fn provider(name: &str) -> CapacityProviderName {
    CapacityProviderName::new(name).unwrap()
}

/// Launch type and strategy of a request.
fn whose() -> impl Strategy<Value = (LaunchType, Vec<CapacityProviderStrategyItem>)> {
    let item = |name: &'static str, least: u32| {
        (0u32..3, least..4).prop_map(move |(base, weight)| CapacityProviderStrategyItem {
            capacity_provider: provider(name),
            base,
            weight,
        })
    };
    prop_oneof![
        3 => Just((LaunchType::Ec2, Vec::new())),
        1 => Just((LaunchType::Fargate, Vec::new())),
        1 => item("FARGATE", 1).prop_map(|it| (LaunchType::Fargate, vec![it])),
        3 => (item("p", 1), item("q", 0)).prop_map(|(p, q)| (LaunchType::Ec2, vec![p, q])),
    ]
}

/// A definition that asks for GPUs and a platform too.
fn wants(definition: &mut TaskDefinition, (gpus, platform): (u64, u8)) {
    if gpus > 0 {
        let container = &mut definition.container_definitions[0];
        container.resource_requirements.push(ResourceRequirement {
            value: gpus.to_string(),
            kind: "GPU".to_owned(),
        });
    }
    let word = [None, None, Some("X86_64"), Some("ARM64")][usize::from(platform % 4)];
    definition.runtime_platform = fixture::platform(word.as_slice());
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
        kits in proptest::collection::vec((0u64..5, 0u8..3, 0u8..6), 0..9),
        more in (0u64..3, 0u8..4),
        (launch_type, providers) in whose(),
    ) {
        let mut state = build(&hosts, &tasks);
        equip(&mut state, &kits);
        let mut index = Index::new(&state);
        let mut ids = crate::model::id::IdSource::new(5);
        let ports: &[u16] = match asks.2 { 0 => &[8080], 1 => &[8081], _ => &[] };
        let mut definition = fixture::definition("web", 1, asks.0, asks.1, ports);
        wants(&mut definition, more);
        let mut turns = turns.into_iter();
        for count in counts {
            let request = PlaceRequest {
                cluster: &crate::model::ClusterName::default_cluster(),
                definition: &definition,
                group: "family:web",
                constraints: &constraints,
                strategies: &strategies,
                launch_type,
                capacity_provider_strategy: &providers,
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
