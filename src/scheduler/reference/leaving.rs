//! Scale-in on the whiteboard: one task after the other, each time looking at the whole state.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::{provider, shares, strategies};
use crate::model::service::{PlacementStrategy, PlacementStrategyKind, Service};
use crate::model::task::Health;
use crate::model::{
    CapacityProviderStrategyItem, Change, DesiredStatus, Instance, LastStatus, Resources, State,
    StopCode, Task, TaskId, TimeMs,
};
use crate::scheduler::{BAD_HOST_FAILURES, default_strategies, fixture, plan, scale_in};

/// So many random services are scaled in.
const SERVICES: u32 = 2_000;

/// Tasks that were chosen already.
type Gone = BTreeSet<TaskId>;

/// Whether a task is on its way out.
fn leaves(task: &Task, gone: &Gone) -> bool {
    task.desired_status == DesiredStatus::Stopped || gone.contains(&task.id)
}

/// Tasks that stay on an instance, of whatever service.
fn stay<'a>(state: &'a State, instance: &Instance, gone: &Gone) -> Vec<&'a Task> {
    let all = state.tasks.values().map(AsRef::as_ref);
    all.filter(|task| task.instance == instance.name)
        .filter(|task| !task.is_stopped() && !leaves(task, gone))
        .collect()
}

fn free(state: &State, instance: &Instance, gone: &Gone, of: fn(&Resources) -> u64) -> i128 {
    let held = stay(state, instance, gone);
    let held: i128 = held
        .iter()
        .map(|task| i128::from(of(&task.resources)))
        .sum();
    let room = of(&instance.capacity).saturating_sub(of(&instance.foreign));
    (i128::from(room) - held).max(0)
}

/// How a task stands under one strategy; the most goes first.
fn key(state: &State, task: &Task, strategy: &PlacementStrategy, gone: &Gone) -> i128 {
    let field = strategy.field.as_deref().unwrap_or("");
    let value = |task: &Task| {
        let there = state.instances.get(&task.instance)?;
        there.attribute(field).map(str::to_owned)
    };
    let there = state.instances.get(&task.instance);
    match strategy.kind {
        PlacementStrategyKind::Spread => {
            let ours = state.tasks.values().filter(|it| it.service.is_some());
            let ours = ours.filter(|it| !it.is_stopped() && !leaves(it, gone));
            ours.filter(|it| value(it) == value(task)).count() as i128
        }
        PlacementStrategyKind::Binpack => there.map_or(0, |there| match field {
            "cpu" => free(state, there, gone, |it| it.cpu.0),
            _ => free(state, there, gone, |it| it.memory.0),
        }),
        PlacementStrategyKind::Random => i128::from(scale_in::lot(task.id)),
    }
}

/// What goes before what, whatever the strategies say; the least goes first.
fn class(state: &State, task: &Task) -> (u8, u8) {
    let stage = match (task.last_status, task.is_serving()) {
        (LastStatus::Running, true) => 2,
        (LastStatus::Running, false) => 1,
        _ => 0,
    };
    let failed = state.tasks.values().filter(|it| {
        it.instance == task.instance && it.stop_code == Some(StopCode::EssentialContainerExited)
    });
    let standing = match state.instances.get(&task.instance) {
        None => 0,
        Some(_) if failed.count() >= BAD_HOST_FAILURES as usize => 1,
        Some(_) => 2,
    };
    (stage, standing)
}

/// The one of these tasks that goes first.
fn first<'a>(state: &State, service: &Service, of: &[&'a Task], gone: &Gone) -> Option<&'a Task> {
    let default = default_strategies();
    let strategies = match &service.placement_strategy[..] {
        [] => &default[..],
        some => some,
    };
    let all = of.iter().filter(|task| !gone.contains(&task.id));
    let all = all.max_by_key(|task| {
        let keys = strategies.iter();
        let keys: Vec<_> = keys.map(|it| key(state, task, it, gone)).collect();
        let there = state.instances.get(&task.instance);
        let tasks = there.map_or(0, |there| stay(state, there, gone).len());
        let sooner = std::cmp::Reverse(class(state, task));
        (sooner, keys, tasks, task.created_at, task.id)
    });
    all.copied()
}

/// How many of each provider's tasks should go, those of no provider of the strategy first; these
/// are the last group.
fn dealt(
    service: &Service,
    groups: &[Vec<&Task>],
    wanted: &[&Task],
    mut count: usize,
) -> Vec<usize> {
    let items = &service.capacity_provider_strategy;
    let mut take = vec![0; groups.len()];
    take[items.len()] = groups[items.len()].len().min(count);
    count -= take[items.len()];
    let of = |at: usize| {
        let ours =
            |task: &&&Task| task.capacity_provider.as_ref() == Some(&items[at].capacity_provider);
        wanted.iter().filter(ours).count() as i64
    };
    let shares = shares(items, service.desired_count);
    for _ in 0..count {
        let giving = (0..items.len()).filter(|&at| take[at] < groups[at].len());
        let over = |at: &usize| of(*at) - take[*at] as i64 - i64::from(shares[*at]);
        if let Some(at) = giving.max_by_key(over) {
            take[at] += 1;
        }
    }
    take
}

/// What a service that has more than it wants stops, in order.
fn slow(state: &State, service: &Service) -> Vec<TaskId> {
    let wanted = state.tasks.values().map(AsRef::as_ref);
    let wanted = wanted.filter(|task: &&Task| task.service.is_some() && task.is_wanted());
    let wanted: Vec<&Task> = wanted.collect();
    let may_go = wanted.iter().filter(|task| task.protected_until.is_none());
    let items = &service.capacity_provider_strategy;
    let mut groups: Vec<Vec<&Task>> = vec![Vec::new(); items.len() + 1];
    for task in may_go {
        let own = task.capacity_provider.as_ref();
        let item = items
            .iter()
            .position(|it| Some(&it.capacity_provider) == own);
        groups[item.unwrap_or(items.len())].push(*task);
    }
    let surplus = wanted.len().saturating_sub(service.desired_count as usize);
    let surplus = surplus.min(groups.iter().map(Vec::len).sum());
    let take = dealt(service, &groups, &wanted, surplus);
    let (mut gone, mut chosen) = (Gone::new(), Vec::new());
    for at in std::iter::once(items.len()).chain(0..items.len()) {
        for _ in 0..take[at] {
            let task = first(state, service, &groups[at], &gone).unwrap();
            gone.insert(task.id);
            chosen.push(task);
        }
    }
    // Never below the floor.
    let all = state.tasks.values().filter(|task| task.service.is_some());
    let serving = all.filter(|task| task.is_serving()).count();
    let bounds = &service.deployment_configuration;
    let floor = bounds.floor(service.desired_count) as usize;
    let mut spare = serving.saturating_sub(floor);
    chosen.retain(|task| {
        let serves = task.is_serving();
        let stops = !serves || spare > 0;
        spare -= usize::from(serves && stops);
        stops
    });
    chosen.iter().map(|task| task.id).collect()
}

/// One instance: zone, cpu, memory, foreign memory, whether its disk is an ssd.
type Host = (u8, u64, u64, u64, bool);
/// One task: host (one more than there are: none), cpu, memory, age, whose, what became of it.
type There = (usize, u64, u64, u64, u8, u8);

fn build(hosts: &[Host], tasks: &[There], bad: usize) -> State {
    let instances = hosts.iter().enumerate().map(|(n, host)| {
        let (zone, cpu, memory, foreign, ssd) = host;
        let disk = if *ssd { "ssd" } else { "hdd" };
        let zone = ["a", "b", "c"][usize::from(*zone % 3)];
        let name = format!("i{n:02}");
        let mut instance = fixture::instance(&name, zone, *cpu, *memory, &[("disk", disk)]);
        instance.foreign = fixture::resources(0, *foreign);
        instance
    });
    let mut state = fixture::state(instances);
    let mut ids = fixture::ids();
    let mut put = |there: &There| {
        let (host, cpu, memory, age, whose, fate) = there;
        let definition = fixture::definition("web", 1, *cpu, *memory, &[]);
        let name = format!("i{:02}", host % (hosts.len() + 1));
        let mut task = fixture::task(ids.task_id(), "web", &definition, &name);
        task.created_at = TimeMs(fixture::START.0 - age);
        if *whose > 0 {
            task.service = Some(fixture::service_name("web"));
            task.deployment = Some(fixture::deployment(1, "web", 1, fixture::START).id);
            task.group = "service:web".into();
            let providers = ["p", "q"];
            let whose = providers.get(usize::from(*whose - 1));
            task.capacity_provider = whose.map(|name| provider(name));
        }
        meets(&mut task, *fate);
        state.apply(&Change::Task(Arc::new(task)));
    };
    tasks.iter().for_each(&mut put);
    for _ in 0..BAD_HOST_FAILURES {
        put(&(bad, 1, 1, 0, 3, FAILED));
    }
    state
}

const FAILED: u8 = 4;

fn meets(task: &mut Task, fate: u8) {
    match fate {
        0 => task.desired_status = DesiredStatus::Stopped,
        1 => task.protected_until = Some(fixture::START.plus_ms(60_000)),
        2 => (task.last_status, task.started_at) = (LastStatus::Pending, None),
        3 => {
            // Its health is not known yet.
            task.containers[0].has_health_check = true;
            task.containers[0].health = Health::Unknown;
        }
        FAILED => {
            task.desired_status = DesiredStatus::Stopped;
            task.last_status = LastStatus::Stopped;
            task.stop_code = Some(StopCode::EssentialContainerExited);
            task.stopped_at = Some(fixture::START);
        }
        _ => {}
    }
}

fn scale(state: &mut State, service: &mut Service, to: u32) -> Vec<TaskId> {
    service.desired_count = to;
    state.apply(&Change::Service(Arc::new(service.clone())));
    let plan = plan(state, fixture::START, &mut fixture::ids());
    assert!(plan.starts.is_empty(), "scale-in starts nothing");
    plan.stops.iter().map(|stop| stop.task).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: SERVICES, ..ProptestConfig::default() })]

    #[test]
    fn scale_in_agrees_with_the_whiteboard(
        hosts in proptest::collection::vec((0u8..3, 0u64..2000, 0u64..2000, 0u64..300, any::<bool>()), 1..7),
        tasks in proptest::collection::vec((0usize..9, 0u64..3, 0u64..500, 0u64..3, 0u8..4, 0u8..12), 0..22),
        strategies in strategies(),
        weights in proptest::option::of((0u32..3, 1u32..4, 0u32..4)),
        bad in 0usize..12,
        counts in (0u32..12, 0u32..12),
    ) {
        // Amounts of cpu that are often alike, so that what comes after binpack decides too.
        let tasks: Vec<There> = tasks.into_iter().map(|mut it| { it.1 *= 200; it }).collect();
        let tasks: Vec<There> = tasks.into_iter().filter(|it| it.5 != FAILED).collect();
        let mut state = build(&hosts, &tasks, bad);
        state.apply(&Change::TaskDefinition(Arc::new(fixture::definition("web", 1, 1, 1, &[]))));
        let mut service = fixture::service("web", 0);
        service.placement_strategy = strategies;
        if let Some((base, p, q)) = weights {
            let item = |name, base, weight| CapacityProviderStrategyItem {
                capacity_provider: provider(name), base, weight,
            };
            service.capacity_provider_strategy = vec![item("p", base, p), item("q", 0, q)];
        }
        let ours = state.tasks.values().filter(|task| task.service.is_some());
        let wanted = ours.filter(|task| task.is_wanted()).count() as u32;
        let (more, less) = (counts.0.max(counts.1).min(wanted), counts.0.min(counts.1).min(wanted));
        let at_once = scale(&mut state, &mut service, less);
        prop_assert_eq!(&at_once, &slow(&state, &service));
        // In two steps, of which the first is not confirmed when the second is taken.
        let mut twice = scale(&mut state, &mut service, more);
        prop_assert_eq!(&twice, &slow(&state, &service));
        for id in &twice {
            let mut task = state.tasks[id].as_ref().clone();
            task.desired_status = DesiredStatus::Stopped;
            state.apply(&Change::Task(Arc::new(task)));
        }
        twice.extend(scale(&mut state, &mut service, less));
        if weights.is_none() {
            prop_assert_eq!(twice, at_once);
        }
    }
}
