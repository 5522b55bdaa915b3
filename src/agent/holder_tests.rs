//! One test for each rule of a task's holder.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fixture::{name, observed, state, task};
use super::step::Key;
use super::step_tests::{lines, one, run, run_busy, with, world};
use crate::model::observation::ContainerState::{Created, Exited, Running};
use crate::model::observation::{ContainerState, ObservedContainer};
use crate::model::{ContainerName, DesiredStatus, LaunchType, TaskDefinition, TaskId};

/// `app` and `side` in one network of their own.
fn shared(members: Value) -> TaskDefinition {
    let mut text = json!({"family": "web", "revision": 1, "containerDefinitions": [
        {"name": "app", "image": "busybox"},
        {"name": "side", "image": "busybox", "essential": false},
    ]});
    let object = text.as_object_mut().unwrap();
    object.extend(members.as_object().unwrap().clone());
    serde_json::from_value(text).unwrap()
}

fn awsvpc() -> TaskDefinition {
    shared(json!({"networkMode": "awsvpc"}))
}

/// The task's holder.
fn holder(state: ContainerState) -> ObservedContainer {
    let mut holder = observed(1, "app", state);
    holder.runtime_id = "id-holder-1".to_owned();
    holder.name = format!("qd-web-1-internal.pause-{}", TaskId(1));
    holder.owner.as_mut().unwrap().container = ContainerName::holder();
    holder
}

const HOLDER: &str = "~internal~ecs~pause";

#[test]
fn a_task_with_a_network_of_its_own_gets_its_holder_first() {
    let state = state(&awsvpc(), &[task(1, &awsvpc())]);
    let mut bare = world(vec![]);
    (bare.images, bare.network) = (BTreeSet::new(), false);
    assert_eq!(
        lines(&run(&state, &bare)),
        ["pull busybox", "holder image", "network"]
    );
    let create = format!("create {HOLDER}");
    assert_eq!(lines(&run(&state, &world(vec![]))), [create]);
    // Containers are made beside it, and start in it.
    let made = vec![holder(Created), observed(1, "app", Created)];
    assert_eq!(
        lines(&run(&state, &world(made))),
        [format!("start {HOLDER}"), "create side".to_owned()]
    );
    let up = vec![holder(Running), observed(1, "app", Created)];
    assert_eq!(
        lines(&run(&state, &world(up))),
        ["start app", "create side"]
    );
}

#[test]
fn a_fargate_task_has_a_network_of_its_own_and_a_holder_for_processes_needs_no_network() {
    let fargate = with(task(1, &one()), |t| {
        t.launch_type = LaunchType::Fargate;
    });
    let of_fargate = state(&one(), &[fargate]);
    let create = format!("create {HOLDER}");
    assert_eq!(
        lines(&run(&of_fargate, &world(vec![]))),
        std::slice::from_ref(&create)
    );
    for members in [json!({"pidMode": "task"}), json!({"ipcMode": "task"})] {
        let mut members = members;
        members["networkMode"] = "none".into();
        let definition = shared(members);
        let state = state(&definition, &[task(1, &definition)]);
        let mut without_network = world(vec![]);
        without_network.network = false;
        assert_eq!(
            lines(&run(&state, &without_network)),
            std::slice::from_ref(&create)
        );
    }
}

#[test]
fn with_its_holder_gone_nothing_more_of_a_task_is_made_or_started() {
    let state = state(&awsvpc(), &[task(1, &awsvpc())]);
    let app = || observed(1, "app", Created);
    assert_eq!(run(&state, &world(vec![holder(Exited), app()])), []);
    assert_eq!(run(&state, &world(vec![app()])), [], "removed by somebody");
}

#[test]
fn a_holder_is_stopped_after_all_others_and_then_removed_without_waiting() {
    let stopping = with(task(1, &awsvpc()), |t| {
        t.desired_status = DesiredStatus::Stopped;
    });
    let state = state(&awsvpc(), &[stopping]);
    let at = |app, side, held| {
        let all = vec![
            observed(1, "app", app),
            observed(1, "side", side),
            holder(held),
        ];
        lines(&run(&state, &world(all)))
    };
    assert_eq!(
        at(Running, Running, Running),
        ["stop app 30", "stop side 30"]
    );
    assert_eq!(at(Exited, Running, Running), ["stop side 30"]);
    assert_eq!(at(Exited, Created, Running), ["remove side"]);
    assert_eq!(at(Exited, Exited, Running), [format!("stop {HOLDER} 0")]);
    assert_eq!(at(Exited, Exited, Exited), [format!("remove {HOLDER}")]);
    let over = || vec![observed(1, "app", Exited), observed(1, "side", Exited)];
    assert_eq!(lines(&run(&state, &world(over()))), [""; 0]);
    let mut made = over();
    made.push(holder(Created));
    assert_eq!(
        lines(&run(&state, &world(made))),
        [format!("remove {HOLDER}")]
    );
    // What is being made may still start.
    let mut all = over();
    all.push(holder(Running));
    let making = [Key::Container(TaskId(1), name("side"))];
    assert_eq!(run_busy(&state, &world(all), &making, &[]), []);
}

#[test]
fn a_holder_that_was_left_behind_goes_last() {
    let state = state(&awsvpc(), &[]);
    let both = vec![observed(1, "app", Running), holder(Running)];
    assert_eq!(lines(&run(&state, &world(both))), ["stop app 30"]);
    let both = vec![observed(1, "app", Exited), holder(Running)];
    assert_eq!(lines(&run(&state, &world(both))), ["remove app"]);
    assert_eq!(
        lines(&run(&state, &world(vec![holder(Running)]))),
        [format!("stop {HOLDER} 0")]
    );
    assert_eq!(
        lines(&run(&state, &world(vec![holder(Exited)]))),
        [format!("remove {HOLDER}")]
    );
}
