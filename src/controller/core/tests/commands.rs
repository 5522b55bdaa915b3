use super::rig::{Rig, instance_name};
use crate::controller::command::{ErrorKind, Response};
use crate::model::{DesiredStatus, InstanceStatus, LastStatus, StopCode, TaskId};
use serde_json::json;

fn rig() -> Rig {
    let mut rig = Rig::new(&[("a", "z1"), ("b", "z2")]);
    rig.register("job", json!({}));
    rig
}

fn run(rig: &mut Rig, body: serde_json::Value) -> (Vec<TaskId>, Vec<(String, String)>) {
    match rig.ask("RunTask", body).unwrap() {
        Response::Tasks(tasks, failures) => (
            tasks.iter().map(|t| t.id).collect(),
            failures.into_iter().map(|f| (f.reason, f.detail)).collect(),
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn registering_makes_revisions_that_are_never_used_again() {
    let mut rig = rig();
    rig.register("job", json!({}));
    rig.ask(
        "DeregisterTaskDefinition",
        json!({"taskDefinition": "job:2"}),
    )
    .unwrap();
    rig.register("job", json!({}));
    let ids: Vec<String> = rig
        .state
        .task_definitions
        .keys()
        .map(ToString::to_string)
        .collect();
    assert_eq!(ids, ["job:1", "job:2", "job:3"]);
    rig.told("(task definition job:3) was registered by ann.");
    let (_, message) = rig.refused("RunTask", json!({"taskDefinition": "job:2"}));
    assert!(message.contains("INACTIVE"), "{message}");
    let again = json!({"taskDefinition": "job:2"});
    let (kind, _) = rig.refused("DeregisterTaskDefinition", again);
    assert_eq!(kind, ErrorKind::ClientException);
    rig.refused("DeregisterTaskDefinition", json!({"taskDefinition": "job"}));
    let (tasks, _) = run(&mut rig, json!({"taskDefinition": "job"}));
    assert_eq!(rig.task(tasks[0]).task_definition.to_string(), "job:3");
}

#[test]
fn a_definition_that_makes_no_sense_is_refused_with_every_fault() {
    let mut rig = rig();
    let (kind, message) = rig.refused(
        "RegisterTaskDefinition",
        json!({"family": "x", "containerDefinitions": [
            {"name": "a", "image": "", "links": ["z"], "essential": false}]}),
    );
    assert_eq!(kind, ErrorKind::ClientException);
    assert_eq!(message.lines().count(), 4, "{message}");
    assert!(
        message.contains("containerDefinitions[0].links[0]: "),
        "{message}"
    );
}

#[test]
fn tasks_are_run_once_each_and_belong_to_nobody() {
    let mut rig = rig();
    let body = json!({"taskDefinition": "job", "count": 2, "clientToken": "t", "startedBy": "ci"});
    let (tasks, failures) = run(&mut rig, body.clone());
    assert_eq!((tasks.len(), failures.len()), (2, 0));
    let task = rig.task(tasks[0]);
    assert_eq!((&*task.group, &*task.started_by), ("family:job", "ci"));
    assert_eq!(task.service, None);
    assert!(!task.placement.is_empty());
    let (again, _) = run(&mut rig, body);
    let sorted = |mut ids: Vec<TaskId>| {
        ids.sort_unstable();
        ids
    };
    assert_eq!(sorted(again), sorted(tasks), "the token makes it harmless");
    rig.settle();
    assert_eq!(rig.running(), 2);
}

#[test]
fn what_finds_no_place_is_a_failure_with_every_instances_reason() {
    let mut rig = rig();
    rig.register("big", json!({"memory": 5000}));
    let (tasks, failures) = run(&mut rig, json!({"taskDefinition": "big", "count": 3}));
    assert_eq!(tasks.len(), 2);
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].0, "RESOURCE:MEMORY");
    for part in ["\na: ", "\nb: "] {
        assert!(failures[0].1.contains(part), "{}", failures[0].1);
    }
    rig.register(
        "port",
        json!({"portMappings": [{"containerPort": 80, "hostPort": 80}]}),
    );
    let (_, failures) = run(&mut rig, json!({"taskDefinition": "port", "count": 3}));
    assert_eq!(failures[0].0, "RESOURCE:PORTS");
    for name in ["a", "b"] {
        rig.cut(name);
    }
    let (_, failures) = run(&mut rig, json!({"taskDefinition": "job"}));
    assert_eq!(failures[0].0, "AGENT");
}

#[test]
fn what_cannot_be_asked_of_run_task_is_refused() {
    let mut rig = rig();
    for (body, part) in [
        (json!({"taskDefinition": "job", "count": 0}), "1 to 10"),
        (json!({"taskDefinition": "job", "count": 11}), "1 to 10"),
        (
            json!({"taskDefinition": "job", "group": "service:web"}),
            "group",
        ),
        (
            json!({"taskDefinition": "job", "placementStrategy": [{"type": "binpack"}]}),
            "placementStrategy[0].field",
        ),
    ] {
        let (kind, message) = rig.refused("RunTask", body);
        assert_eq!(kind, ErrorKind::InvalidParameterException);
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_task_is_stopped_by_id_or_by_the_beginning_of_it() {
    let mut rig = rig();
    let (tasks, _) = run(&mut rig, json!({"taskDefinition": "job"}));
    rig.settle();
    let id = tasks[0].to_string();
    for wrong in ["zzzz", "123", "0123456789abcdef0123456789abcdef0"] {
        let (kind, message) = rig.refused("StopTask", json!({"task": wrong}));
        assert_eq!(kind, ErrorKind::InvalidParameterException);
        assert!(message.contains("is not a task id"), "{message}");
    }
    let (_, message) = rig.refused("StopTask", json!({"task": TaskId(1).to_string()}));
    assert!(
        message.starts_with("The referenced task was not found"),
        "{message}"
    );
    rig.ask("StopTask", json!({"task": &id[..6], "reason": "enough"}))
        .unwrap();
    let task = rig.task(tasks[0]);
    assert_eq!(task.desired_status, DesiredStatus::Stopped);
    assert_eq!(
        task.last_status,
        LastStatus::Deactivating,
        "not confirmed yet"
    );
    assert_eq!(task.stop_code, Some(StopCode::UserInitiated));
    assert_eq!(task.stopped_reason.as_deref(), Some("enough"));
    rig.settle();
    assert!(rig.task(tasks[0]).is_stopped());
    let before = rig.state.clone();
    let arn = format!("arn:aws:ecs:local:123456789012:task/default/{id}");
    rig.ask("StopTask", json!({"task": arn, "reason": "again"}))
        .unwrap();
    // Stopping what has stopped is no change.
    rig.unchanged_since(&before);
}

#[test]
fn a_beginning_that_fits_several_tasks_lists_them() {
    let mut rig = rig();
    let (tasks, _) = run(&mut rig, json!({"taskDefinition": "job"}));
    let mut twin = rig.task(tasks[0]).clone();
    twin.id = TaskId(twin.id.0 ^ 1);
    let twin = std::sync::Arc::new(twin);
    rig.state.apply(&crate::model::Change::Task(twin.clone()));
    let beginning = &tasks[0].to_string()[..8];
    let (_, message) = rig.refused("StopTask", json!({"task": beginning}));
    assert!(message.starts_with("2 tasks begin with"), "{message}");
    assert!(message.contains(&tasks[0].to_string()) && message.contains(&twin.id.to_string()));
}

#[test]
fn a_services_stopped_task_is_replaced() {
    let mut rig = rig();
    rig.create("job", 1);
    rig.settle();
    let old = rig.tasks()[0].id;
    rig.ask("StopTask", json!({"task": old.to_string()}))
        .unwrap();
    rig.settle();
    assert_eq!(rig.running(), 1);
    assert_ne!(rig.tasks()[0].id, old);
    assert_eq!(
        rig.service("job").backoff.failures,
        0,
        "a person's stop is no failure"
    );
}

#[test]
fn draining_moves_tasks_away_and_activating_takes_them_again() {
    let mut rig = rig();
    rig.create("job", 2);
    rig.settle();
    let Ok(Response::Instances(changed, failures)) = rig.ask(
        "UpdateContainerInstancesState",
        json!({"containerInstances": ["b", "x"], "status": "DRAINING"}),
    ) else {
        panic!("not instances")
    };
    assert_eq!(changed[0].status, InstanceStatus::Draining);
    assert_eq!(failures[0].reason, "MISSING");
    rig.settle();
    assert_eq!(rig.running(), 2);
    assert!(rig.tasks().iter().all(|t| t.instance == instance_name("a")));
    rig.told("(instance b) was set to DRAINING by ann.");
    rig.cut("b");
    rig.connect("b");
    assert_eq!(
        rig.instance("b").status,
        InstanceStatus::Draining,
        "it stays so"
    );
    let body = json!({"containerInstances": ["b"], "status": "ACTIVE"});
    rig.ask("UpdateContainerInstancesState", body).unwrap();
    assert_eq!(rig.instance("b").status, InstanceStatus::Active);
    let body = json!({"containerInstances": ["b"], "status": "REGISTERING"});
    rig.refused("UpdateContainerInstancesState", body);
}

#[test]
fn an_instance_that_never_answered_can_be_drained_and_let_go_again() {
    let mut rig = Rig::unreached(&[("a", "z1")]);
    for (asked, is) in [
        ("DRAINING", InstanceStatus::Draining),
        ("ACTIVE", InstanceStatus::Registering),
    ] {
        let body = json!({"containerInstances": ["a"], "status": asked});
        rig.ask("UpdateContainerInstancesState", body).unwrap();
        assert_eq!(rig.instance("a").status, is);
    }
}

#[test]
fn clusters_are_made_once_and_deleted_when_empty() {
    let mut rig = rig();
    let body = json!({"clusterName": "blue"});
    rig.ask("CreateCluster", body.clone()).unwrap();
    let before = rig.state.clone();
    rig.ask("CreateCluster", body).unwrap();
    // As in ECS, asking again is no error.
    rig.unchanged_since(&before);
    rig.ask(
        "CreateService",
        json!({"cluster": "blue", "serviceName": "s", "taskDefinition": "job", "desiredCount": 0}),
    )
    .unwrap();
    let (kind, _) = rig.refused("DeleteCluster", json!({"cluster": "blue"}));
    assert_eq!(kind, ErrorKind::ClusterContainsServicesException);
    rig.ask("DeleteService", json!({"cluster": "blue", "service": "s"}))
        .unwrap();
    rig.ask("DeleteCluster", json!({"cluster": "blue"}))
        .unwrap();
    assert_eq!((rig.state.clusters.len(), rig.state.services.len()), (1, 0));
    let (kind, _) = rig.refused("DeleteCluster", json!({"cluster": "blue"}));
    assert_eq!(kind, ErrorKind::ClusterNotFoundException);
}
