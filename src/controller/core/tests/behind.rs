//! What was done to containers behind our back, and what would not go.

use serde_json::json;

use super::observing::{one_task, put};
use crate::model::observation::ContainerState;
use crate::model::{LastStatus, Observation};

#[test]
fn a_renamed_container_is_still_its_tasks_and_what_a_committed_image_made_is_not() {
    let (mut rig, id) = one_task(json!({}));
    put(&mut rig, id, "main", ContainerState::Running);
    rig.list("a");
    rig.edit(id, |c| c.name = "old-web".to_owned());
    let host = rig.hosts.values_mut().next().unwrap();
    let mut copy = host[0].clone();
    copy.runtime_id = "of-a-committed-image".to_owned();
    host.push(copy);
    rig.list("a");
    assert_eq!(rig.task(id).last_status, LastStatus::Running);
    assert_eq!(rig.tasks().len(), 1);
    let instance = rig.state.instances.values().next().unwrap();
    assert_eq!(instance.foreign_count, 1);
}

#[test]
fn a_container_that_had_to_be_killed_when_it_was_to_end_says_so() {
    for (seconds, killed) in [(2, true), (1, false)] {
        let (mut rig, id) = one_task(json!({"stopTimeout": 2}));
        put(&mut rig, id, "main", ContainerState::Running);
        rig.list("a");
        rig.ask("StopTask", json!({"task": id.to_string()}))
            .unwrap();
        rig.now = rig.now.plus_ms(seconds * 1000);
        rig.edit(id, |c| {
            c.state = ContainerState::Exited;
            c.exit_code = Some(137);
        });
        rig.list("a");
        let reason = "Killed: it had not ended 2 s after it was asked to (its stopTimeout)";
        let container = &rig.task(id).containers[0];
        assert_eq!(container.reason.as_deref(), killed.then_some(reason));
    }
}

/// What was not heard all the while was not asked to stop, or nobody knows: its engine may have
/// died with its containers.
#[test]
fn what_died_with_its_engine_was_not_killed_for_going_on() {
    let (mut rig, id) = one_task(json!({"stopTimeout": 2}));
    put(&mut rig, id, "main", ContainerState::Running);
    rig.list("a");
    rig.ask("StopTask", json!({"task": id.to_string()}))
        .unwrap();
    rig.cut("a");
    rig.now = rig.now.plus_ms(60_000);
    rig.edit(id, |c| {
        c.state = ContainerState::Exited;
        c.exit_code = Some(137);
    });
    rig.list("a");
    assert_eq!(rig.task(id).containers[0].reason, None);
}

#[test]
fn what_does_not_go_is_told_of_its_task_or_else_of_its_instance() {
    let (mut rig, id) = one_task(json!({}));
    let of_task = format!("(service web) (task {}) on ", id.short());
    for (task, who) in [(Some(id), of_task.as_str()), (None, "")] {
        rig.observe(Observation::Stuck {
            instance: "a".parse().unwrap(),
            task,
            reason: "it cannot be removed: device or resource busy".to_owned(),
        });
        let told = "(instance a): it cannot be removed: device or resource busy. It is tried on.";
        assert_eq!(
            rig.messages().last(),
            Some(&format!("{who}{told}").as_str())
        );
    }
}
