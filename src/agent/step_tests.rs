//! One test for each rule of [`step`](super::step::step).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::fixture::{PLANE, definition, instance, name, observed, registered, state, task};
use super::step::{Action, Key, View, World, step};
use crate::model::observation::ContainerState::{Created, Exited, Running};
use crate::model::observation::{ContainerState, ObservedContainer};
use crate::model::task::Health;
use crate::model::{
    Change, Connection, DesiredStatus, InstanceName, LastStatus, State, Task, TaskDefinition,
    TaskId, TimeMs,
};

/// An engine with the network and the image `busybox`, and these containers.
fn world(containers: Vec<ObservedContainer>) -> World {
    World {
        containers: containers
            .into_iter()
            .map(|c| (c.runtime_id.clone(), c))
            .collect(),
        images: BTreeSet::from(["busybox".to_owned()]),
        network: true,
        volumes: BTreeSet::new(),
    }
}

fn run_busy(state: &State, world: &World, busy: &[Key], failed: &[TaskId]) -> Vec<Action> {
    let instance = instance();
    let tasks: BTreeMap<TaskId, Arc<Task>> = state
        .instance_tasks(&instance)
        .map(|t| (t.id, t.clone()))
        .collect();
    step(&View {
        instance: &instance,
        state,
        tasks: &tasks,
        world,
        busy: &busy.iter().cloned().collect(),
        failed: &failed.iter().copied().collect(),
        now: TimeMs(1),
    })
}

fn run(state: &State, world: &World) -> Vec<Action> {
    run_busy(state, world, &[], &[])
}

/// In a line: `create app`, `start app`, `stop app 30`, …
fn lines(actions: &[Action]) -> Vec<String> {
    actions
        .iter()
        .map(|action| match action {
            Action::EnsureNetwork => "network".to_owned(),
            Action::EnsureVolume(volume) => format!("volume {}", volume.name),
            Action::Pull(image) => format!("pull {image}"),
            Action::Create(_, c) => format!("create {c}"),
            Action::Start(_, c, _) => format!("start {c}"),
            Action::Stop {
                container,
                timeout_s,
                ..
            } => format!("stop {container} {timeout_s}"),
            Action::Remove(_, c, _) => format!("remove {c}"),
            Action::RemoveVolume(volume) => format!("remove volume {volume}"),
            Action::Fail {
                container, reason, ..
            } => format!("fail {container}: {reason}"),
        })
        .collect()
}

fn one() -> TaskDefinition {
    definition(json!([{"name": "app", "image": "busybox"}]))
}

/// `db` ← `app`, where `app` waits for `db` to come that far.
fn two(condition: &str) -> TaskDefinition {
    definition(json!([
        {"name": "app", "image": "busybox", "stopTimeout": 5,
         "dependsOn": [{"containerName": "db", "condition": condition}]},
        {"name": "db", "image": "busybox", "essential": false,
         "healthCheck": {"command": ["CMD", "true"]}},
    ]))
}

fn with(mut task: Task, change: impl FnOnce(&mut Task)) -> Task {
    change(&mut task);
    task
}

#[test]
fn a_new_task_needs_network_and_image_then_create_then_start_then_nothing() {
    let state = state(&one(), &[task(1, &one())]);
    let cases = [
        (World::default(), vec!["network", "pull busybox"]),
        (world(vec![]), vec!["create app"]),
        (world(vec![observed(1, "app", Created)]), vec!["start app"]),
        (world(vec![observed(1, "app", Running)]), vec![]),
    ];
    for (world, expected) in cases {
        assert_eq!(lines(&run(&state, &world)), expected);
    }
}

#[test]
fn a_container_found_by_its_name_is_adopted_and_never_doubled() {
    // The state has not heard of it yet: the create was cut short.
    let state = state(&one(), &[task(1, &one())]);
    assert!(state.tasks[&TaskId(1)].containers[0].runtime_id.is_empty());
    let actions = run(&state, &world(vec![observed(1, "app", Created)]));
    assert_eq!(lines(&actions), ["start app"]);
}

#[test]
fn what_ended_is_never_started_again_and_what_vanished_is_never_made_again() {
    let known = with(task(1, &one()), |t| {
        t.containers[0].runtime_id = "id-app-1".into();
    });
    let state = state(&one(), &[known]);
    for world in [
        world(vec![observed(1, "app", Exited)]),
        world(vec![observed(1, "app", ContainerState::Dead)]),
        world(vec![]),
    ] {
        assert_eq!(lines(&run(&state, &world)), [""; 0]);
    }
}

#[test]
fn one_thing_never_has_two_actions() {
    let tasks = [task(1, &one()), task(2, &one())];
    let state = state(&one(), &tasks);
    let mut without_image = world(vec![]);
    without_image.images.clear();
    assert_eq!(lines(&run(&state, &without_image)), ["pull busybox"]);
    let pulling = [Key::Image("busybox".into())];
    assert_eq!(run_busy(&state, &without_image, &pulling, &[]), []);
    let making = [Key::Container(TaskId(1), name("app"))];
    let actions = run_busy(&state, &world(vec![]), &making, &[]);
    assert_eq!(actions, [Action::Create(TaskId(2), name("app"))]);
}

#[test]
fn a_failed_task_and_a_stopping_one_are_not_brought_up() {
    let state_running = state(&one(), &[task(1, &one())]);
    let failed = [TaskId(1)];
    assert_eq!(
        run_busy(&state_running, &World::default(), &[], &failed),
        []
    );
    for status in [
        LastStatus::Stopping,
        LastStatus::Deprovisioning,
        LastStatus::Stopped,
    ] {
        let state = state(&one(), &[with(task(1, &one()), |t| t.last_status = status)]);
        assert_eq!(run(&state, &World::default()), [], "{status:?}");
    }
}

#[test]
fn a_dependency_opens_waits_or_fails_the_task() {
    let wrong = |mut c: ObservedContainer| {
        c.exit_code = Some(3);
        c
    };
    let health = |mut c: ObservedContainer, health| {
        c.health = Some(health);
        c
    };
    let db = |state| observed(1, "db", state);
    let cases = [
        ("START", db(Created), "start db"),
        ("START", db(Running), "start app"),
        ("START", wrong(db(Exited)), "start app"),
        ("COMPLETE", db(Running), ""),
        ("COMPLETE", wrong(db(Exited)), "start app"),
        ("SUCCESS", db(Running), ""),
        ("SUCCESS", db(Exited), "start app"),
        (
            "SUCCESS",
            wrong(db(Exited)),
            "fail app: ContainerDependencyError: container app waits for container db to end with exit code 0; it ended with exit code 3",
        ),
        ("HEALTHY", health(db(Running), Health::Unknown), ""),
        ("HEALTHY", health(db(Running), Health::Unhealthy), ""),
        ("HEALTHY", health(db(Running), Health::Healthy), "start app"),
        (
            "HEALTHY",
            db(Exited),
            "fail app: ContainerDependencyError: container app waits for container db to be healthy; it has ended",
        ),
    ];
    for (condition, db, expected) in cases {
        let definition = two(condition);
        let state = state(&definition, &[task(1, &definition)]);
        let found = db.state;
        let actions = run(&state, &world(vec![observed(1, "app", Created), db]));
        let expected: Vec<_> = [expected].into_iter().filter(|e| !e.is_empty()).collect();
        assert_eq!(lines(&actions), expected, "{condition} {found:?}");
    }
}

#[test]
fn the_linked_container_is_made_and_started_first() {
    let definition = definition(json!([
        {"name": "app", "image": "busybox", "links": ["db:database"]},
        {"name": "db", "image": "busybox"},
    ]));
    let state = state(&definition, &[task(1, &definition)]);
    let (app, db) = (|s| observed(1, "app", s), |s| observed(1, "db", s));
    let cases = [
        (vec![], vec!["create db"]),
        (vec![db(Created)], vec!["start db", "create app"]),
        (vec![db(Created), app(Created)], vec!["start db"]),
        (vec![db(Running), app(Created)], vec!["start app"]),
    ];
    for (containers, expected) in cases {
        assert_eq!(lines(&run(&state, &world(containers))), expected);
    }
}

#[test]
fn nothing_more_starts_once_an_essential_container_has_ended() {
    let definition = definition(json!([
        {"name": "app", "image": "busybox"}, {"name": "side", "image": "busybox"},
    ]));
    let state = state(&definition, &[task(1, &definition)]);
    let actions = run(
        &state,
        &world(vec![
            observed(1, "app", Exited),
            observed(1, "side", Created),
        ]),
    );
    assert_eq!(lines(&actions), [""; 0]);
}

#[test]
fn orders_that_cannot_be_kept_fail_the_task() {
    let dependency = |on: &str| json!([{"containerName": on, "condition": "START"}]);
    let circle = json!([
        {"name": "a", "image": "busybox", "dependsOn": dependency("b")},
        {"name": "b", "image": "busybox", "dependsOn": dependency("a")},
    ]);
    let missing = json!([{"name": "a", "image": "busybox", "dependsOn": dependency("x")}]);
    let cases: [(Value, &str); 2] = [
        (
            circle,
            "fail a: ContainerDependencyError: containers a, b wait for each other",
        ),
        (
            missing,
            "fail a: ContainerDependencyError: container a waits for container x, which the task definition does not have",
        ),
    ];
    for (containers, expected) in cases {
        let definition = definition(containers);
        let state = state(&definition, &[task(1, &definition)]);
        assert_eq!(lines(&run(&state, &world(vec![]))), [expected]);
    }
}

#[test]
fn a_stop_runs_in_reverse_each_with_its_own_timeout() {
    let definition = two("START");
    let stopped = with(task(1, &definition), |t| {
        t.desired_status = DesiredStatus::Stopped;
    });
    let state = state(&definition, &[stopped]);
    let (app, db) = (|s| observed(1, "app", s), |s| observed(1, "db", s));
    let cases = [
        (vec![app(Running), db(Running)], vec!["stop app 5"]),
        (vec![app(Exited), db(Running)], vec!["stop db 30"]),
        (vec![app(Created), db(Running)], vec!["stop db 30"]),
        (vec![app(Exited), db(Exited)], vec![]),
        (vec![], vec![]),
    ];
    for (containers, expected) in cases {
        let actions = run(&state, &world(containers));
        let stops: Vec<_> = lines(&actions)
            .into_iter()
            .filter(|line| line.starts_with("stop"))
            .collect();
        assert_eq!(stops, expected);
    }
    // What never started has no logs to keep.
    let actions = run(&state, &world(vec![app(Created), db(Exited)]));
    assert_eq!(lines(&actions), ["remove app"]);
    // A start under way may yet bring it up: what it needs is kept until that is known.
    let busy = [Key::Container(TaskId(1), name("app"))];
    let both = world(vec![app(Created), db(Running)]);
    assert_eq!(run_busy(&state, &both, &busy, &[]), []);
}

#[test]
fn containers_of_tasks_that_left_the_state_go() {
    let state = state(&one(), &[]);
    let cases = [
        (Running, "stop app 30"),
        (Exited, "remove app"),
        (Created, "remove app"),
    ];
    for (found, expected) in cases {
        let actions = run(&state, &world(vec![observed(9, "app", found)]));
        assert_eq!(lines(&actions), [expected]);
    }
}

#[test]
fn nothing_is_cleared_before_a_decision_was_seen() {
    let world = world(vec![observed(9, "app", Running)]);
    assert_eq!(run(&State::default(), &world), []);
}

#[test]
fn what_is_not_ours_is_never_touched() {
    let state = state(&one(), &[]);
    let mut foreign = observed(9, "app", Running);
    foreign.owner = None;
    let mut other_plane = observed(9, "app", Exited);
    if let Some(owner) = &mut other_plane.owner {
        owner.control_plane = format!("not-{PLANE}");
    }
    // Made from an image that was committed from one of our containers: our labels, not our name.
    let mut copied = observed(9, "app", Running);
    copied.name = "mine".to_owned();
    for container in [foreign, other_plane, copied] {
        assert_eq!(run(&state, &world(vec![container])), []);
    }
}

#[test]
fn a_task_of_another_instance_on_the_same_engine_is_left_alone() {
    // Two instances of the config that lead to one engine.
    let elsewhere = with(task(1, &one()), |t| {
        t.instance = InstanceName::new("ops-2").unwrap();
        t.desired_status = DesiredStatus::Stopped;
    });
    let mut state = state(&one(), &[elsewhere]);
    let since = TimeMs(0);
    state.apply(&registered("ops-2", Connection::Connected { since }));
    let actions = run(&state, &world(vec![observed(1, "app", Running)]));
    assert_eq!(actions, []);
    let over = with((*state.tasks[&TaskId(1)]).clone(), |t| {
        t.last_status = LastStatus::Stopped;
    });
    state.apply(&Change::Task(Arc::new(over)));
    let kept = run(&state, &world(vec![observed(1, "app", Exited)]));
    assert_eq!(kept, [], "its logs are the other instance's");
}

#[test]
fn a_stopped_tasks_containers_are_kept_for_their_logs() {
    let over = with(task(1, &one()), |t| {
        t.desired_status = DesiredStatus::Stopped;
        t.last_status = LastStatus::Stopped;
    });
    let state = state(&one(), &[over]);
    assert_eq!(run(&state, &world(vec![observed(1, "app", Exited)])), []);
}

#[test]
fn what_a_renamed_instance_left_running_is_stopped_removed_and_its_volume_too() {
    let over = with(task(1, &one()), |t| {
        t.instance = InstanceName::new("old-name").unwrap();
        t.desired_status = DesiredStatus::Stopped;
        t.last_status = LastStatus::Stopped;
    });
    let unstopped = with(over.clone(), |t| {
        t.id = TaskId(2);
        t.last_status = LastStatus::Stopping;
    });
    let state = state(&one(), &[over, unstopped]);
    let volume = format!("qd-web-1-data-{}", TaskId(1));
    let mut world = world(vec![
        observed(1, "app", Running),
        observed(2, "app", Running),
    ]);
    world.volumes = BTreeSet::from([volume.clone()]);
    let stop = run(&state, &world);
    assert_eq!(lines(&stop), ["stop app 30"]);
    assert_eq!(stop[0].key(), Key::Container(TaskId(1), name("app")));
    let ended = observed(1, "app", Exited);
    world.containers.insert(ended.runtime_id.clone(), ended);
    assert_eq!(lines(&run(&state, &world)), ["remove app"]);
    world.containers.remove("id-app-1");
    let gone = lines(&run(&state, &world));
    assert_eq!(gone, [format!("remove volume {volume}")]);
}

#[test]
fn a_tasks_volume_is_made_before_and_removed_after_its_containers() {
    let mut definition = one();
    definition.volumes = serde_json::from_value(json!([
        {"name": "data", "dockerVolumeConfiguration": {"scope": "task"}},
        {"name": "kept", "dockerVolumeConfiguration": {"scope": "shared", "autoprovision": true}},
        {"name": "theirs", "dockerVolumeConfiguration": {"scope": "shared"}},
        {"name": "etc", "host": {"sourcePath": "/etc"}},
    ]))
    .unwrap();
    let own = format!("qd-web-1-data-{}", TaskId(1));
    let running = state(&definition, &[task(1, &definition)]);
    let actions = run(&running, &world(vec![]));
    assert_eq!(
        lines(&actions),
        [format!("volume {own}"), "volume kept".to_owned()]
    );

    let mut world = world(vec![observed(1, "app", Exited)]);
    world.volumes = BTreeSet::from([own.clone(), "kept".to_owned()]);
    let gone = state(&definition, &[]);
    assert_eq!(lines(&run(&gone, &world)), ["remove app"]);
    world.containers.clear();
    assert_eq!(lines(&run(&gone, &world)), [format!("remove volume {own}")]);
}

#[test]
fn a_task_whose_definition_is_gone_fails_with_a_reason() {
    let mut state = state(&one(), &[task(1, &one())]);
    state.task_definitions.clear();
    assert_eq!(
        lines(&run(&state, &world(vec![]))),
        ["fail app: CannotCreateContainerError: the task definition web:1 is not known any more"]
    );
}
