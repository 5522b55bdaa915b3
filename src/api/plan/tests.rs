//! Plans on worlds without I/O: what is planned is what is then done, and what a loss comes to.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::controller::core::{Batch, Decision, Move};
use crate::controller::{ErrorKind, wire};
use crate::model::id::IdSource;
use crate::model::service::ZoneRebalancing;
use crate::model::{Change, Connection, DesiredStatus, InstanceStatus, TimeMs};
use crate::scheduler::REBALANCE_WAIT_MS;
use crate::scheduler::fixture;
use crate::scheduler::world::World;

const RUNS: u64 = 60;

fn command(operation: &str, body: &serde_json::Value) -> Command {
    wire::decode(operation, body).unwrap()
}

fn update(service: &str, body: &serde_json::Value) -> Command {
    let mut body = body.clone();
    body["service"] = service.into();
    command("UpdateService", &body)
}

fn snapshot(world: &World) -> Snapshot {
    Snapshot {
        seq: 7,
        at: world.now,
        state: world.state.clone(),
        ..Snapshot::default()
    }
}

fn foresee(world: &World, commands: Vec<Command>, without: &[&str]) -> PlanReport {
    let without = without.iter().map(|it| fixture::instance_name(it));
    let asked = PlanAsk {
        commands,
        without: without.collect(),
    };
    plan(&snapshot(world), asked).unwrap()
}

fn apply(world: &World, commands: Vec<Command>, planned: &PlanReport, seed: u64) -> Decision {
    let batch = Batch {
        commands,
        who: "tests".into(),
        planned: Some(planned.effects.clone()),
    };
    let now = world.now.plus_ms(seed % 3_000);
    decide(
        &world.state,
        &Live::default(),
        now,
        seed,
        vec![Input::Batch(batch)],
    )
}

/// Where tasks of the first round start or stop, and why.
fn told(action: Action, task: &Task) -> (Action, String, String, String) {
    let reason = match action {
        Action::Start => task.placement.to_string(),
        Action::Stop => String::new(),
    };
    let at = task.instance.to_string();
    (action, core::subject(task), at, reason)
}

fn random_world(random: &mut IdSource) -> World {
    let mut pick = |least: u64, most: u64| least + random.next_u64() % (most - least + 1);
    let zones = ["a", "b", "c"];
    let count = pick(2, 6);
    let instances: Vec<_> = (0..count)
        .map(|n| {
            let zone = zones[pick(0, 2) as usize];
            fixture::instance(
                &format!("h{n}"),
                zone,
                pick(1, 4) * 1024,
                pick(1, 4) * 1024,
                &[],
            )
        })
        .collect();
    let mut world = World::new(instances);
    for name in ["web", "api", "db"] {
        let port = if pick(0, 3) == 0 { vec![80] } else { vec![] };
        for revision in 1..=2 {
            let (cpu, memory) = (pick(1, 4) * 128, pick(1, 4) * 128);
            world.put_definition(fixture::definition(name, revision, cpu, memory, &port));
        }
        let mut service = fixture::service(name, pick(1, 6) as u32);
        if pick(0, 1) == 0 {
            service.deployment_configuration.minimum_healthy_percent = 50;
        }
        world.put_service(service);
    }
    world.settle();
    world
}

fn random_commands(random: &mut IdSource) -> Vec<Command> {
    let mut pick = |among: usize| (random.next_u64() % among as u64) as usize;
    let names = ["web", "api", "db"];
    let mut commands = Vec::new();
    for _ in 0..=pick(2) {
        let name = names[pick(3)];
        commands.push(match pick(5) {
            0 => update(name, &json!({"taskDefinition": format!("{name}:2")})),
            1 => update(name, &json!({"forceNewDeployment": true})),
            2 => command(
                "RunTask",
                &json!({"taskDefinition": name, "count": 1 + pick(3)}),
            ),
            3 => command(
                "UpdateContainerInstancesState",
                &json!({"containerInstances": ["h0"], "status": "DRAINING"}),
            ),
            _ => update(name, &json!({"desiredCount": pick(8)})),
        });
    }
    commands
}

/// What starts for a subject at once is listed as it was decided: each reason counts what went
/// before it.
fn in_the_order_of_decision(report: &PlanReport, decision: &Decision) {
    let first = report
        .steps
        .iter()
        .filter(|it| it.round == 1 && it.action == Action::Start);
    let listed: Vec<_> = first
        .map(|it| (it.subject.clone(), it.reason.clone()))
        .collect();
    let born = decision.changes.iter().filter_map(|change| match change {
        Change::Task(task) if task.created_at == task_time(decision) => Some(task),
        _ => None,
    });
    let mut seen = BTreeSet::new();
    let born =
        born.filter(|task| seen.insert(task.id) && task.desired_status == DesiredStatus::Running);
    let mut decided: Vec<_> = born
        .map(|task| (core::subject(task), task.placement.to_string()))
        .collect();
    decided.sort_by_key(|(subject, _)| subject.clone());
    if !report.effects.moves.is_empty() {
        assert_eq!(listed, decided);
    }
}

/// When the newest tasks were made.
fn task_time(decision: &Decision) -> TimeMs {
    let made = decision.state.tasks.values().map(|it| it.created_at);
    made.max().unwrap_or_default()
}

#[test]
fn what_is_planned_is_what_is_then_done() {
    for seed in 0..RUNS {
        let mut random = IdSource::new(seed);
        let world = random_world(&mut random);
        let commands = random_commands(&mut random);
        let report = foresee(&world, commands.clone(), &[]);
        let decision = apply(&world, commands, &report, random.next_u64());
        assert!(
            decision.batches[0].is_ok(),
            "seed {seed}: {:?}",
            decision.batches
        );
        let mut done: Vec<_> = (decision.state.tasks.values())
            .filter_map(|task| {
                let before = world.state.tasks.get(&task.id);
                match (before.map(|it| it.desired_status), task.desired_status) {
                    (None, _) => Some(told(Action::Start, task)),
                    (Some(DesiredStatus::Running), DesiredStatus::Stopped) => {
                        Some(told(Action::Stop, task))
                    }
                    _ => None,
                }
            })
            .collect();
        done.sort_unstable();
        let mut planned: Vec<_> = (report.steps.iter())
            .filter(|it| it.round == 1)
            .map(|it| {
                let reason = match it.action {
                    Action::Start => it.reason.clone(),
                    Action::Stop => String::new(),
                };
                let at = it.instance.to_string();
                (it.action, it.subject.clone(), at, reason)
            })
            .collect();
        in_the_order_of_decision(&report, &decision);
        planned.sort_unstable();
        if report.effects.moves.is_empty() {
            // The first to be seen in the plan is then a later round.
            assert_eq!(done, [], "seed {seed}");
        } else {
            assert_eq!(planned, done, "seed {seed}");
        }
    }
}

/// Between plan and Enter an instance has answered for long enough that zones are balanced by it.
#[test]
fn balancing_that_falls_due_before_enter_does_not_refuse_what_was_planned() {
    let hosts =
        ["a", "b"].map(|zone| fixture::instance(&format!("h-{zone}"), zone, 4096, 4096, &[]));
    let mut world = World::new(hosts);
    world.put_definition(fixture::definition("web", 1, 256, 256, &[]));
    let set = |world: &mut World, status, since| {
        let mut host = Instance::clone(&world.state.instances[&fixture::instance_name("h-b")]);
        host.status = status;
        host.connection = Connection::Connected { since };
        world.state.apply(&Change::Instance(Arc::new(host)));
    };
    set(&mut world, InstanceStatus::Draining, TimeMs(0));
    let mut service = fixture::service("web", 4);
    service.availability_zone_rebalancing = ZoneRebalancing::Enabled;
    world.put_service(service);
    world.settle();
    let since = TimeMs(world.now.0 - (REBALANCE_WAIT_MS - 1_000));
    set(&mut world, InstanceStatus::Draining, since);
    let activate = || {
        let body = json!({"containerInstances": ["h-b"], "status": "ACTIVE"});
        vec![command("UpdateContainerInstancesState", &body)]
    };
    let mut planned = foresee(&world, activate(), &[]);
    assert_eq!(planned.effects.moves, [], "it is not due at once");
    assert!(
        planned.steps.iter().any(|it| it.instance.as_str() == "h-b"),
        "and yet it is told of: {:?}",
        planned.steps
    );
    let done = apply(&world, activate(), &planned, 2_999);
    assert!(done.batches[0].is_ok(), "{:?}", done.batches);
    let there = |it: &&Arc<Task>| it.instance.as_str() == "h-b";
    assert_eq!(
        done.state.tasks.values().filter(there).count(),
        1,
        "it was due"
    );
    // What else was planned and is not so is refused as ever.
    let other = Move {
        action: Action::Start,
        subject: "web".to_owned(),
        instance: fixture::instance_name("h-a"),
        task_definition: "web:1".parse().unwrap(),
    };
    planned.effects.moves.push((other, 1));
    let done = apply(&world, activate(), &planned, 2_999);
    assert!(done.batches[0].is_err(), "{:?}", done.batches);
}

#[test]
fn a_state_that_moved_refuses_the_whole_batch() {
    let mut refused = 0;
    for seed in 0..RUNS {
        let mut random = IdSource::new(seed);
        let mut world = random_world(&mut random);
        let commands = random_commands(&mut random);
        let report = foresee(&world, commands.clone(), &[]);
        // Something interferes: an instance goes silent for good, or a service is scaled.
        if random.next_u64().is_multiple_of(2) {
            world.disconnect("h1");
            world.advance_ms(60_000);
        } else {
            let count = (random.next_u64() % 9) as u32;
            world.edit_service("web", |it| it.desired_count = count);
        }
        world.settle();
        let now_it_would = foresee(&world, commands.clone(), &[]).effects;
        let decision = apply(&world, commands, &report, random.next_u64());
        match &decision.batches[0] {
            Ok(_) => assert_eq!(now_it_would, report.effects, "seed {seed}"),
            Err(refusal) => {
                refused += 1;
                assert_eq!(refusal.kind, ErrorKind::ConflictException);
                assert_ne!(now_it_would, report.effects, "seed {seed}");
                assert_eq!(decision.state.services, world.state.services, "seed {seed}");
                assert_eq!(decision.state.tasks, world.state.tasks, "seed {seed}");
                let definitions = &decision.state.task_definitions;
                assert_eq!(definitions, &world.state.task_definitions, "seed {seed}");
            }
        }
    }
    assert!(refused > RUNS / 4, "{refused} of {RUNS} were refused");
}

#[test]
fn one_refused_command_refuses_the_batch() {
    let mut world = World::new([fixture::instance("a", "z", 4096, 4096, &[])]);
    world.put_definition(fixture::definition("web", 1, 256, 256, &[]));
    world.put_service(fixture::service("web", 2));
    world.settle();
    let good = update("web", &json!({"desiredCount": 5}));
    let bad = update("nothing", &json!({"desiredCount": 5}));
    let batch = Batch {
        commands: vec![good, bad],
        who: "tests".into(),
        planned: None,
    };
    let inputs = vec![Input::Batch(batch)];
    let decision = decide(&world.state, &Live::default(), world.now, 1, inputs);
    let refusal = decision.batches[0].as_ref().unwrap_err();
    assert_eq!(refusal.kind, ErrorKind::ServiceNotFoundException);
    // Nothing is left of it but its line in the audit trail.
    let [Change::Event(told)] = decision.changes.as_slice() else {
        panic!("{:?}", decision.changes);
    };
    assert_eq!(
        told.message,
        "(service nothing) UpdateService by tests was refused: There is no service nothing in \
         cluster default. There are web.",
    );
}

/// A course in the model comes to where the world comes when it is really gone.
#[test]
fn the_course_ends_where_the_world_ends() {
    for seed in 0..RUNS {
        let mut random = IdSource::new(seed);
        let mut world = random_world(&mut random);
        let count = (random.next_u64() % 9) as u32;
        let report = foresee(
            &world,
            vec![update("web", &json!({"desiredCount": count}))],
            &[],
        );
        assert!(report.at_rest, "seed {seed}");
        world.edit_service("web", |it| it.desired_count = count);
        world.settle();
        let serving = world
            .tasks("web")
            .iter()
            .filter(|it| it.is_serving())
            .count();
        if let Some(web) = report
            .services
            .iter()
            .find(|it| it.service.as_str() == "web")
        {
            assert_eq!(web.settled as usize, serving, "seed {seed}");
            assert!(
                web.most <= web.ceiling.max(web.before),
                "seed {seed}: {web:?}"
            );
        }
    }
}

/// What goes by the clock, or would be replaced anyhow, is no part of a plan, however long that takes.
#[test]
fn what_would_happen_anyhow_is_left_out_of_a_plan() {
    let hosts = ["h1", "h2", "h3"].map(|name| fixture::instance(name, name, 4096, 8192, &[]));
    let mut world = World::new(hosts);
    for family in ["web", "api", "job"] {
        world.put_definition(fixture::definition(family, 1, 128, 128, &[]));
    }
    for name in ["web", "api"] {
        world.put_service(fixture::service(name, 6));
    }
    world.settle();
    let put =
        json!({"name": "job", "scheduleExpression": "rate(1 minute)", "taskDefinition": "job"});
    let input = Input::Command {
        command: command("PutSchedule", &put),
        who: "tests".into(),
    };
    let live = Live::default();
    world.state = decide(&world.state, &live, world.now, 5, vec![input]).state;
    let mut due = world
        .state
        .schedules
        .values()
        .next()
        .unwrap()
        .as_ref()
        .clone();
    due.next_at = Some(world.now.plus_ms(2_000));
    world.state.apply(&Change::Schedule(due.into()));
    // What it has of api is given up in a moment.
    world.edit_service("api", |it| it.grace_s = 2);
    world.disconnect("h1");
    let restart = update("web", &json!({"forceNewDeployment": true}));
    let report = foresee(&world, vec![restart], &[]);
    let subjects: BTreeSet<&str> = report.steps.iter().map(|it| it.subject.as_str()).collect();
    assert_eq!(subjects, BTreeSet::from(["web"]), "{:#?}", report.steps);
    let nothing = update("api", &json!({"desiredCount": 6}));
    assert_eq!(foresee(&world, vec![nothing], &[]).steps, []);
}

/// With every host silent, nobody can say that anything serves.
#[test]
fn what_does_not_answer_is_not_promised_to_serve() {
    let instance = |name, zone| fixture::instance(name, zone, 4096, 4096, &[]);
    let mut world = World::new([instance("h0", "a"), instance("h1", "b")]);
    for revision in 1..=2 {
        world.put_definition(fixture::definition("web", revision, 256, 256, &[]));
    }
    world.put_service(fixture::service("web", 4));
    world.settle();
    world.disconnect("h0");
    world.disconnect("h1");
    let scaled = vec![update("web", &json!({"desiredCount": 5}))];
    let report = foresee(&world, scaled, &[]);
    let web = &report.services[0];
    assert_eq!((web.before, web.settled, web.unreachable), (0, 0, 4));
    let said = web.on_the_way();
    assert!(
        said.starts_with(
            "web: 0 of 5 serve in the end, 4 more are on instances that do not answer; "
        ),
        "{said}"
    );
    world.reconnect("h0");
    let scaled = vec![update("web", &json!({"desiredCount": 5}))];
    let web = foresee(&world, scaled, &[]).services.remove(0);
    assert_eq!((web.before, web.settled, web.unreachable), (2, 3, 2));
}

#[test]
fn a_floor_is_said_where_it_holds() {
    let course = |before, fewest, floor, settled| ServiceCourse {
        cluster: ClusterName::default_cluster(),
        service: ServiceName::new("web").unwrap(),
        scheduling_strategy: SchedulingStrategy::default(),
        desired: settled,
        floor,
        ceiling: 18,
        before,
        fewest,
        most: 9,
        settled,
        unreachable: 0,
        lost: 0,
        unplaced: 0,
    };
    for (course, words) in [
        (course(6, 6, 6, 6), "never fewer than 6 (floor 6)"),
        (course(6, 6, 9, 9), "never fewer than 6, 9 once they are up"),
        (course(6, 2, 4, 6), "down to 2, below its floor of 4"),
        (course(6, 6, 9, 7), "down to 6, below its floor of 9"),
    ] {
        assert!(
            course.on_the_way().contains(words),
            "{}",
            course.on_the_way()
        );
    }
}

fn two_zones() -> World {
    let mut world = World::new([
        fixture::instance("h1", "a", 4096, 1024, &[]),
        fixture::instance("h2", "b", 4096, 1024, &[]),
        fixture::instance("h3", "b", 4096, 1024, &[]),
    ]);
    world.put_definition(fixture::definition("web", 1, 256, 512, &[]));
    world.put_definition(fixture::definition("web", 2, 256, 512, &[]));
    world.put_service(fixture::service("web", 4));
    world.settle();
    world
}

#[test]
fn a_loss_tells_who_falls_below_its_floor_and_what_finds_no_place() {
    let world = two_zones();
    let loss = foresee(&world, Vec::new(), &["h1"]).loss.unwrap();
    let web = &loss.services[0];
    assert_eq!((web.lost, web.before, web.floor), (2, 4, 4));
    assert_eq!((web.fewest, web.settled, web.unplaced), (2, 4, 0));
    assert!(web.falls_below_its_floor() && !web.stays_below_its_floor());
    assert_eq!(loss.steps.len(), 2);
    assert!(loss.unplaced.is_empty());
    assert_eq!(
        loss.tight.iter().map(|it| it.memory_percent).max(),
        Some(100)
    );

    let loss = foresee(&world, Vec::new(), &["h1", "h3"]).loss.unwrap();
    let web = &loss.services[0];
    assert!(web.stays_below_its_floor(), "{web:?}");
    assert_eq!(web.unplaced, 2);
    assert_eq!(
        loss.unplaced,
        [
            "service web: 2 of its tasks would find no place",
            "service web: h2: 512 MiB of memory short (needs 512, 0 free)",
        ]
    );
}

#[test]
fn standalone_tasks_are_lost_with_their_instance() {
    let mut world = two_zones();
    let began = world.now;
    let definition = fixture::definition("job", 1, 128, 0, &[]);
    let mut ids = fixture::ids();
    let task = fixture::task(ids.task_id(), "job", &definition, "h2");
    world.state.apply(&Change::Task(task.clone().into()));
    let loss = foresee(&world, Vec::new(), &["h2"]).loss.unwrap();
    assert_eq!(loss.tasks.len(), 1);
    assert_eq!(loss.tasks[0].task, task.id);
    assert_eq!(world.now, began);
}

#[test]
fn what_does_not_exist_yet_has_no_id_in_a_plan() {
    let mut world = two_zones();
    for revision in 1..=2 {
        world.put_definition(fixture::definition("api", revision, 128, 128, &[80]));
    }
    world.put_service(fixture::service("api", 0));
    world.settle();
    let report = foresee(
        &world,
        vec![update("api", &json!({"desiredCount": 4}))],
        &[],
    );
    let said = report.unplaced.join("\n");
    assert!(said.contains("held by a new task of api"), "{said}");
    let report = foresee(
        &world,
        vec![update("web", &json!({"taskDefinition": "web:2"}))],
        &[],
    );
    let stop = report
        .steps
        .iter()
        .find(|it| it.action == Action::Stop)
        .unwrap();
    assert_eq!(
        stop.reason,
        "Scaling activity initiated by the new deployment"
    );
}

/// `foresee scale NAME N`, `foresee update NAME REVISION`, `without I…`.
fn also(world: &World, words: &[&str]) -> Option<Vec<String>> {
    let report = match words {
        ["without", instances @ ..] => foresee(world, Vec::new(), instances),
        ["foresee", "scale", name, count] => {
            let count: u32 = count.parse().unwrap();
            foresee(
                world,
                vec![update(name, &json!({"desiredCount": count}))],
                &[],
            )
        }
        ["foresee", "update", name, revision] => {
            let definition = format!("{name}:{revision}");
            foresee(
                world,
                vec![update(name, &json!({"taskDefinition": definition}))],
                &[],
            )
        }
        _ => return None,
    };
    let mut lines = Vec::new();
    let (steps, services, unplaced, tight) = match &report.loss {
        None => (
            &report.steps,
            &report.services,
            &report.unplaced,
            &report.tight,
        ),
        Some(loss) => (&loss.steps, &loss.services, &loss.unplaced, &loss.tight),
    };
    for it in steps {
        let (action, definition) = (it.action.as_str(), &it.task_definition);
        let why = match it.action {
            Action::Start => String::new(),
            Action::Stop => format!(": {}", it.reason),
        };
        lines.push(format!(
            "round {}: {action} {definition} on {}{why}",
            it.round, it.instance
        ));
    }
    lines.extend(services.iter().map(|it| match &report.loss {
        None => it.on_the_way(),
        Some(_) => it.after_a_loss(),
    }));
    lines.extend(tight.iter().map(|it| {
        format!(
            "tight: {}: {} % of its memory",
            it.instance, it.memory_percent
        )
    }));
    lines.extend(unplaced.iter().map(|it| format!("no place: {it}")));
    Some(lines)
}

macro_rules! scenarios {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                crate::scheduler::scenario::hold(stringify!($name), also);
            }
        )*
    };
}

scenarios! {
    plan_update
    what_if
}
