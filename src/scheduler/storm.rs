//! Random sequences of everything that can happen to a small fleet: after every plan the
//! invariants hold, planning again finds nothing, and when calm returns each service has exactly
//! what it wants.

use proptest::prelude::*;

use super::world::World;
use super::{check, fixture};
use crate::model::service::{
    PlacementConstraint, PlacementConstraintKind, SchedulingStrategy, ServiceStatus,
};
use crate::model::task::Health;
use crate::model::{
    CapacityProviderName, CapacityProviderStrategyItem, Change, InstanceStatus, TaskId, TimeMs,
};

/// `log` is a DAEMON; what it and `db` ask for can be revoked; `job` has capacity providers.
const SERVICES: [&str; 5] = ["web", "api", "db", "job", "log"];
const REPLICAS: usize = 4;
const PROVIDERS: [&str; 2] = ["steady", "spot"];
const HOSTS: [(&str, &str); 5] = [
    ("ops-1", "a"),
    ("ops-2", "a"),
    ("ops-3", "b"),
    ("ops-4", "b"),
    ("ops-5", "c"),
];

#[derive(Clone, Debug)]
enum Happening {
    Scale(usize, u32),
    Deploy(usize, u32),
    Crash(usize),
    StopByHand(usize),
    /// Everything on a host crashes.
    CrashOn(usize),
    Sicken(usize),
    Recover(usize),
    Protect(usize, u64),
    Unprotect(usize),
    Revoke,
    Grant,
    Disconnect(usize),
    Reconnect(usize),
    Drain(usize),
    Activate(usize),
    Time(u64),
    Act,
    ActOn(usize),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (0..REPLICAS, 0..7u32).prop_map(|(s, n)| Happening::Scale(s, n)),
        (0..SERVICES.len(), 1..4u32).prop_map(|(s, r)| Happening::Deploy(s, r)),
        (0..40usize).prop_map(Happening::Crash),
        (0..40usize).prop_map(Happening::StopByHand),
        (0..5usize).prop_map(Happening::CrashOn),
        (
            0..40usize,
            prop_oneof![Just(1_000u64), Just(40_000), Just(800_000)]
        )
            .prop_map(|(at, ms)| Happening::Protect(at, ms)),
        (0..40usize).prop_map(Happening::Unprotect),
        Just(Happening::Revoke),
        Just(Happening::Grant),
        (0..40usize).prop_map(Happening::Sicken),
        (0..40usize).prop_map(Happening::Recover),
        (0..5usize).prop_map(Happening::Disconnect),
        (0..5usize).prop_map(Happening::Reconnect),
        (0..5usize).prop_map(Happening::Drain),
        (0..5usize).prop_map(Happening::Activate),
        prop_oneof![Just(100u64), Just(1_500), Just(31_000), Just(700_000)]
            .prop_map(Happening::Time),
        Just(Happening::Act),
        Just(Happening::Act),
        (0..40usize).prop_map(Happening::ActOn),
    ]
}

fn world(bounds: (u32, u32), tight: bool, breaker: bool) -> World {
    let memory = if tight { 1024 } else { 8192 };
    let mut world = World::new(HOSTS.iter().enumerate().map(|(at, (name, zone))| {
        let mut instance = fixture::instance(name, zone, 8192, memory, &[]);
        let provider = PROVIDERS[at % PROVIDERS.len()];
        instance.capacity_provider = Some(CapacityProviderName::new(provider).unwrap());
        instance
    }));
    grant(&mut world, true);
    for name in SERVICES {
        let port = (name == "db").then_some(5432u16);
        for revision in 1..4 {
            let ports: Vec<u16> = port.into_iter().collect();
            let mut definition =
                fixture::definition(name, revision, 64, 200 + 50 * u64::from(revision), &ports);
            fixture::check_health(&mut definition);
            if matches!(name, "db" | "log") {
                let text = |it: &str| Some(it.to_owned());
                fixture::ask_for(&mut definition, text("app"), text("password"), None);
            }
            world.put_definition(definition);
        }
        let mut service = fixture::service(name, 3);
        service.deployment_configuration.minimum_healthy_percent = bounds.0;
        service.deployment_configuration.maximum_percent = bounds.1;
        let circuit = &mut service.deployment_configuration.deployment_circuit_breaker;
        (circuit.enable, circuit.rollback) = (breaker, breaker);
        match name {
            "api" => service.placement_constraints.push(PlacementConstraint {
                kind: PlacementConstraintKind::DistinctInstance,
                expression: None,
            }),
            "job" => service.capacity_provider_strategy = shares(),
            "log" => {
                service.scheduling_strategy = SchedulingStrategy::Daemon;
                service.desired_count = 0;
                let bounds = &mut service.deployment_configuration;
                bounds.minimum_healthy_percent %= 100;
                bounds.maximum_percent = 100;
            }
            _ => {}
        }
        world.put_service(service);
    }
    world
}

/// The first of `job` on one provider's, of those after it twice as many on the other's.
fn shares() -> Vec<CapacityProviderStrategyItem> {
    let item = |name: &str, base, weight| CapacityProviderStrategyItem {
        capacity_provider: CapacityProviderName::new(name).unwrap(),
        base,
        weight,
    };
    vec![item(PROVIDERS[0], 1, 1), item(PROVIDERS[1], 0, 2)]
}

/// The role of `db` and `log` grants what they ask for, or nothing.
fn grant(world: &mut World, granted: bool) {
    let role = fixture::role("app", granted.then(|| "password".to_owned()), None);
    world.state.apply(&Change::Role(role.into()));
}

fn pick(world: &World, at: usize) -> Option<TaskId> {
    let running: Vec<TaskId> = world
        .state
        .tasks
        .values()
        .filter(|task| !task.is_stopped())
        .filter(|task| world.state.instances[&task.instance].is_connected())
        .map(|task| task.id)
        .collect();
    (!running.is_empty()).then(|| running[at % running.len()])
}

fn happen(world: &mut World, happening: &Happening, number: u64) {
    let health = |world: &mut World, id, health| {
        world.edit_task(id, |task| {
            for container in &mut task.containers {
                container.health = health;
            }
        });
    };
    match happening {
        Happening::Scale(s, count) => {
            world.edit_service(SERVICES[*s], |service| service.desired_count = *count);
        }
        Happening::Deploy(s, revision) => {
            let (name, at) = (SERVICES[*s], world.now);
            world.edit_service(name, |service| {
                let new = fixture::deployment(number, name, *revision, at);
                service.deployments.insert(0, new);
            });
        }
        Happening::Crash(at) => {
            if let Some(id) = pick(world, *at) {
                world.crash(id);
            }
        }
        Happening::CrashOn(i) => {
            let name = fixture::instance_name(HOSTS[*i].0);
            let tasks = world.state.tasks.values();
            let there = tasks.filter(|it| it.instance == name && !it.is_stopped());
            let there: Vec<TaskId> = there.map(|it| it.id).collect();
            let answers = world.state.instances[&name].is_connected();
            for id in there.into_iter().filter(|_| answers) {
                world.crash(id);
            }
        }
        Happening::Protect(at, ms) => {
            let until = Some(world.now.plus_ms(*ms));
            if let Some(id) = pick(world, *at) {
                world.edit_task(id, |task| task.protected_until = until);
            }
        }
        Happening::Unprotect(at) => {
            if let Some(id) = pick(world, *at) {
                world.edit_task(id, |task| task.protected_until = None);
            }
        }
        Happening::Revoke => grant(world, false),
        Happening::Grant => grant(world, true),
        Happening::StopByHand(at) => {
            if let Some(id) = pick(world, *at) {
                world.stop_by_hand(id);
            }
        }
        Happening::Sicken(at) => {
            if let Some(id) = pick(world, *at) {
                health(world, id, Health::Unhealthy);
            }
        }
        Happening::Recover(at) => {
            if let Some(id) = pick(world, *at) {
                health(world, id, Health::Healthy);
            }
        }
        Happening::Disconnect(i) => {
            if world.state.instances[&fixture::instance_name(HOSTS[*i].0)].is_connected() {
                world.disconnect(HOSTS[*i].0);
            }
        }
        Happening::Reconnect(i) => world.reconnect(HOSTS[*i].0),
        Happening::Drain(i) => world.set_status(HOSTS[*i].0, InstanceStatus::Draining),
        Happening::Activate(i) => world.set_status(HOSTS[*i].0, InstanceStatus::Active),
        Happening::Time(ms) => world.advance_ms(*ms),
        Happening::Act => world.act(),
        Happening::ActOn(at) => {
            if let Some(id) = pick(world, *at) {
                world.act_on(id);
            }
        }
    }
}

/// Serving tasks of a service.
fn serving(world: &World, name: &str) -> u32 {
    world.tasks(name).iter().filter(|t| t.is_serving()).count() as u32
}

/// Until `wake_at`, time alone changes nothing.
fn nothing_before_wake(world: &World) {
    let again = super::plan(&world.state, world.now, &mut world.ids.clone());
    let last = again
        .wake_at
        .map_or(world.now.plus_ms(1 << 40), |at| TimeMs(at.0 - 1));
    let later = super::plan(&world.state, last, &mut world.ids.clone());
    assert!(later.is_empty(), "before {:?}: {later:#?}", again.wake_at);
}

/// A plan never takes a service below its floor, or further below it; tasks that come back from
/// a lost host only add.
fn plan_within_bounds(world: &mut World) {
    let before = SERVICES.map(|name| serving(world, name));
    world.plan();
    assert_eq!(check(&world.state, world.now), []);
    nothing_before_wake(world);
    for (name, before) in SERVICES.iter().zip(before) {
        let service = world.service(name);
        // What counts of a DAEMON is checked with the plan: its desired count moves.
        if service.status != ServiceStatus::Active || name == &"log" {
            continue;
        }
        let desired = service.desired_count;
        let floor = service.deployment_configuration.floor(desired);
        let lost = world
            .tasks(name)
            .iter()
            .filter(|t| t.lost_at == Some(world.now))
            .count() as u32;
        let after = serving(world, name) + lost;
        assert!(
            after >= before.min(floor),
            "{name} went from {before} to {after} serving, its floor is {floor}"
        );
    }
}

/// Bounds that let nothing start and nothing stop; such a pair is refused when it is written.
fn stuck(service: &crate::model::Service) -> bool {
    let desired = service.desired_count;
    let bounds = &service.deployment_configuration;
    desired > 0 && bounds.floor(desired) == desired && bounds.ceiling(desired) <= desired
}

/// Every host answers and is ACTIVE, everybody is well, and time goes on.
fn calm(world: &mut World) {
    grant(world, true);
    for (name, _) in HOSTS {
        world.reconnect(name);
        world.set_status(name, InstanceStatus::Active);
    }
    for task in world.state.tasks.clone().values() {
        world.edit_task(task.id, |task| {
            for container in &mut task.containers {
                container.health = Health::Healthy;
            }
        });
    }
    for _ in 0..4 {
        world.settle();
        world.advance_ms(700_000);
    }
    world.settle();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_invariants_hold_and_calm_converges(
        bounds in prop_oneof![Just((100, 200)), Just((50, 100)), Just((0, 100)), Just((50, 150)), Just((67, 134))],
        tight in any::<bool>(),
        breaker in any::<bool>(),
        story in proptest::collection::vec(happening(), 1..60),
    ) {
        let mut world = world(bounds, tight, breaker);
        plan_within_bounds(&mut world);
        for (number, what) in story.iter().enumerate() {
            happen(&mut world, what, number as u64 + 10);
            plan_within_bounds(&mut world);
        }
        calm(&mut world);
        for name in SERVICES {
            let service = world.service(name);
            let failed = service.primary().unwrap().rollout_state
                == crate::model::RolloutState::Failed;
            let unplaced = service.unplaced.is_some();
            let count = world.tasks(name).len() as u32;
            prop_assert!(count <= service.desired_count || failed, "{} has {}", name, count);
            if !failed && !unplaced && !stuck(service) {
                prop_assert_eq!(count, service.desired_count, "{}", name);
                prop_assert!(service.steady, "{} is not steady", name);
                prop_assert_eq!(service.deployments[0].rollout_state, crate::model::RolloutState::Completed);
            }
            // Without more than there is room for, nothing stays unplaced.
            prop_assert!(tight || !unplaced || name == "api" || name == "db");
        }
    }
}
