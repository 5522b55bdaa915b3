//! One test for each rule of [`step`](super::step::step).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::fixture::{PLANE, definition, instance, name, observed, registered, state, task};
use super::start::wake;
use super::step::{Action, Key, View, World, step};
use crate::docker::holder_image;
use crate::model::observation::ContainerState::{Created, Exited, Running};
use crate::model::observation::{ContainerState, ObservedContainer};
use crate::model::task::Health;
use crate::model::{
    Change, Connection, DesiredStatus, InstanceName, LastStatus, State, Task, TaskDefinition,
    TaskId, TimeMs,
};

/// An engine with the network and the image `busybox`, and these containers.
pub(super) fn world(containers: Vec<ObservedContainer>) -> World {
    World {
        containers: containers
            .into_iter()
            .map(|c| (c.runtime_id.clone(), c))
            .collect(),
        images: BTreeSet::from(["busybox".to_owned(), holder_image::IMAGE.to_owned()]),
        network: true,
        ..World::default()
    }
}

pub(super) fn run_busy(
    state: &State,
    world: &World,
    busy: &[Key],
    failed: &[TaskId],
) -> Vec<Action> {
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

pub(super) fn run(state: &State, world: &World) -> Vec<Action> {
    run_busy(state, world, &[], &[])
}

/// In a line: `create app`, `start app`, `stop app 30`, …
pub(super) fn lines(actions: &[Action]) -> Vec<String> {
    actions
        .iter()
        .map(|action| match action {
            Action::EnsureNetwork => "network".to_owned(),
            Action::EnsureVolume(volume) => format!("volume {}", volume.name),
            Action::EnsureHolderImage => "holder image".to_owned(),
            Action::Pull(image) => format!("pull {image}"),
            Action::Resolve {
                deployment, image, ..
            } => format!("resolve {image} for {deployment}"),
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

pub(super) fn one() -> TaskDefinition {
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

pub(super) fn with(mut task: Task, change: impl FnOnce(&mut Task)) -> Task {
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
fn a_container_that_was_renamed_is_stopped_with_its_task() {
    let mut stopping = task(1, &one());
    let mut renamed = observed(1, "app", Running);
    renamed.name = "mine".to_owned();
    stopping.desired_status = DesiredStatus::Stopped;
    stopping.containers[0]
        .runtime_id
        .clone_from(&renamed.runtime_id);
    let actions = run(&state(&one(), &[stopping]), &world(vec![renamed]));
    assert_eq!(lines(&actions), ["stop app 30"]);
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

/// `app` with a restart policy of a minute that ignores exit code 3, and what waits for it.
fn restarting() -> TaskDefinition {
    definition(json!([
        {"name": "app", "image": "busybox",
         "restartPolicy": {"enabled": true, "ignoredExitCodes": [3], "restartAttemptPeriod": 60}},
        {"name": "after", "image": "busybox", "essential": false,
         "dependsOn": [{"containerName": "app", "condition": "COMPLETE"}]},
    ]))
}

/// `app` after it ran so long and ended with that code.
fn ended(ran_ms: u64, code: i64) -> ObservedContainer {
    let mut ended = observed(1, "app", Exited);
    ended.exit_code = Some(code);
    ended.started_at = Some(TimeMs(1_000));
    ended.finished_at = Some(TimeMs(1_000 + ran_ms));
    ended
}

#[test]
fn a_restart_policy_starts_a_container_again_that_ran_long_enough_and_ended_with_another_code() {
    let known = with(task(1, &restarting()), |t| {
        t.containers[0].runtime_id = "id-app-1".into();
    });
    let stopping = with(known.clone(), |t| t.desired_status = DesiredStatus::Stopped);
    let running = state(&restarting(), &[known]);
    let started = |world: &World| lines(&run(&running, world)).contains(&"start app".to_owned());
    assert!(started(&world(vec![ended(60_000, 1)])));
    assert!(started(&world(vec![ended(60_000, 0)])), "0 is not ignored");
    assert!(!started(&world(vec![ended(60_000, 3)])), "ignored");
    assert!(!started(&world(vec![ended(59_999, 1)])), "ran too short");
    let mut dead = ended(60_000, 1);
    dead.state = ContainerState::Dead;
    assert!(!started(&world(vec![dead])));
    let mut timeless = ended(60_000, 1);
    timeless.started_at = None;
    assert!(!started(&world(vec![timeless])));
    assert!(!started(&world(vec![])), "removed by somebody");
    let stopping = state(&restarting(), &[stopping]);
    assert_eq!(run(&stopping, &world(vec![ended(60_000, 1)])), []);
}

#[test]
fn what_is_started_again_has_not_completed() {
    let state = state(&restarting(), &[task(1, &restarting())]);
    let waiting = || observed(1, "after", Created);
    let actions = run(&state, &world(vec![ended(60_000, 1), waiting()]));
    assert_eq!(lines(&actions), ["start app"]);
    // An ignored exit code is an end; here it ends the task, `app` being essential.
    assert_eq!(run(&state, &world(vec![ended(60_000, 3), waiting()])), []);
}

/// `app` waits for `db`, for 5 s at most.
fn hasty(condition: &str) -> TaskDefinition {
    let mut definition = two(condition);
    definition.container_definitions[1].start_timeout = Some(5);
    definition
}

/// `db` up and not healthy since that moment, `app` made.
fn waiting_since(since: u64) -> World {
    let mut world = world(vec![
        observed(1, "db", Running),
        observed(1, "app", Created),
    ]);
    world.up_since.insert("id-db-1".to_owned(), TimeMs(since));
    world
}

fn run_at(state: &State, world: &World, now: u64) -> (Vec<String>, Option<TimeMs>) {
    let instance = instance();
    let tasks: BTreeMap<TaskId, Arc<Task>> = state
        .instance_tasks(&instance)
        .map(|t| (t.id, t.clone()))
        .collect();
    let view = View {
        instance: &instance,
        state,
        tasks: &tasks,
        world,
        busy: &BTreeSet::new(),
        failed: &BTreeSet::new(),
        now: TimeMs(now),
    };
    (lines(&step(&view)), wake(&view))
}

#[test]
fn a_start_timeout_bounds_the_wait_for_a_condition_and_the_reason_names_both_containers() {
    for condition in ["HEALTHY", "SUCCESS", "COMPLETE"] {
        let state = state(&hasty(condition), &[task(1, &hasty(condition))]);
        let world = waiting_since(10_000);
        assert_eq!(
            run_at(&state, &world, 14_999),
            (vec![], Some(TimeMs(15_000)))
        );
        let (actions, wake) = run_at(&state, &world, 15_000);
        assert_eq!(
            actions,
            [format!(
                "fail app: ContainerDependencyError: container app waits for container db to be \
                 {condition}; it was not within its startTimeout of 5 s"
            )]
        );
        assert_eq!(wake, None);
    }
}

#[test]
fn a_start_timeout_bounds_no_start_and_nothing_that_is_not_up_yet() {
    let start = state(&hasty("START"), &[task(1, &hasty("START"))]);
    let (actions, wake) = run_at(&start, &waiting_since(0), 99_000);
    assert_eq!(
        (actions.as_slice(), wake),
        (&["start app".to_owned()][..], None)
    );
    let healthy = state(&hasty("HEALTHY"), &[task(1, &hasty("HEALTHY"))]);
    let made = world(vec![
        observed(1, "db", Created),
        observed(1, "app", Created),
    ]);
    assert_eq!(run_at(&healthy, &made, 99_000).1, None);
    let untimed = state(&two("HEALTHY"), &[task(1, &two("HEALTHY"))]);
    assert_eq!(run_at(&untimed, &waiting_since(0), 99_000), (vec![], None));
}

#[test]
fn a_container_is_made_after_those_whose_volumes_it_mounts_and_need_not_wait_for_their_start() {
    let definition = definition(json!([
        {"name": "app", "image": "busybox", "volumesFrom": [{"sourceContainer": "data"}]},
        {"name": "data", "image": "busybox", "essential": false},
    ]));
    let state = state(&definition, &[task(1, &definition)]);
    assert_eq!(lines(&run(&state, &world(vec![]))), ["create data"]);
    let made = observed(1, "data", Created);
    let actions = lines(&run(&state, &world(vec![made])));
    assert_eq!(actions, ["start data", "create app"]);
    let over = vec![observed(1, "data", Exited), observed(1, "app", Created)];
    assert_eq!(lines(&run(&state, &world(over))), ["start app"]);
}

#[test]
fn volumes_from_each_other_can_never_be_made() {
    let definition = definition(json!([
        {"name": "a", "image": "busybox", "volumesFrom": [{"sourceContainer": "b"}]},
        {"name": "b", "image": "busybox", "volumesFrom": [{"sourceContainer": "a"}]},
    ]));
    let state = state(&definition, &[task(1, &definition)]);
    let actions = lines(&run(&state, &world(vec![])));
    assert_eq!(
        actions,
        ["fail a: ContainerDependencyError: containers a, b wait for each other"]
    );
}

#[test]
fn a_dependency_that_was_removed_counts_by_the_exit_code_that_the_state_knows() {
    let gone = |code: Option<i64>| {
        with(task(1, &two("SUCCESS")), |t| {
            t.containers[1].runtime_id = "id-db-1".into();
            t.containers[1].exit_code = code;
        })
    };
    let made = || world(vec![observed(1, "app", Created)]);
    let ok = state(&two("SUCCESS"), &[gone(Some(0))]);
    assert_eq!(lines(&run(&ok, &made())), ["start app"]);
    for (code, why) in [
        (Some(2), "it ended with exit code 2"),
        (None, "is not known"),
    ] {
        let bad = state(&two("SUCCESS"), &[gone(code)]);
        let actions = lines(&run(&bad, &made()));
        assert!(
            actions[0].starts_with("fail app") && actions[0].contains(why),
            "{actions:?}"
        );
    }
}

#[test]
fn what_the_config_does_not_grant_any_more_is_not_made() {
    let asks = definition(json!([{"name": "app", "image": "busybox",
        "secrets": [{"name": "DB", "valueFrom": "db"}]}]));
    let state = state(&asks, &[task(1, &asks)]);
    let told = lines(&run(&state, &world(vec![])));
    assert_eq!(told.len(), 1, "{told:?}");
    let begin = "fail app: ResourceInitializationError: container app asks for the secret db";
    assert!(told[0].starts_with(begin), "{told:?}");
    let told = lines(&run(&state, &world(vec![observed(1, "app", Running)])));
    assert_eq!(told, [""; 0]);
}
