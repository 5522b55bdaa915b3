use super::*;
use crate::model::service::CircuitBreaker;
use serde_json::{Value, json};

pub(super) fn faults(definition: Value) -> Vec<String> {
    let mut definition = definition;
    definition["revision"] = 1.into();
    if definition.get("family").is_none() {
        definition["family"] = "web".into();
    }
    let definition: TaskDefinition = serde_json::from_value(definition).unwrap();
    task_definition(&definition)
        .iter()
        .map(ToString::to_string)
        .collect()
}

pub(super) fn container(name: &str, more: Value) -> Value {
    let mut container = json!({"name": name, "image": "busybox", "memory": 64});
    for (member, value) in more.as_object().unwrap() {
        container[member] = value.clone();
    }
    container
}

pub(super) fn one(more: Value) -> Vec<String> {
    faults(json!({"containerDefinitions": [container("a", more)]}))
}

pub(super) fn two(first: Value, second: Value) -> Vec<String> {
    faults(json!({"containerDefinitions": [container("a", first), container("b", second)]}))
}

#[track_caller]
pub(super) fn only(found: &[String], expected: &str) {
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains(expected), "{found:#?} lacks {expected}");
}

#[test]
fn a_whole_and_right_definition_has_no_fault() {
    let found = faults(json!({
        "cpu": 512, "memory": 256,
        "volumes": [{"name": "conf", "host": {"sourcePath": "/etc"}},
                    {"name": "data", "dockerVolumeConfiguration":
                        {"scope": "shared", "autoprovision": true}},
                    {"name": "tmp"}],
        "placementConstraints": [{"type": "memberOf", "expression": "attribute:disk == ssd"}],
        "containerDefinitions": [
            {"name": "web", "image": "web:1", "cpu": 256, "memory": 128, "memoryReservation": 64,
             "links": ["db:database"], "workingDirectory": "/srv", "stopTimeout": 600,
             "dependsOn": [{"containerName": "db", "condition": "HEALTHY"},
                           {"containerName": "init", "condition": "SUCCESS"}],
             "portMappings": [{"containerPort": 80, "hostPort": 80},
                              {"containerPort": 80, "hostPort": 80, "protocol": "udp"},
                              {"containerPort": 81}, {"containerPort": 82, "hostPort": 0}],
             "mountPoints": [{"sourceVolume": "data", "containerPath": "/data"}],
             "ulimits": [{"name": "nofile", "softLimit": 1024, "hardLimit": -1}]},
            {"name": "db", "image": "db:1",
             "healthCheck": {"command": ["CMD", "ready"], "interval": 5, "timeout": 60,
                             "retries": 10, "startPeriod": 0}},
            {"name": "init", "image": "init:1", "essential": false}]
    }));
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_task_has_one_to_ten_containers_with_names_of_their_own_and_one_essential() {
    only(
        &faults(json!({"containerDefinitions": []})),
        "1 to 10 containers, not 0",
    );
    let eleven: Vec<Value> = (0..11)
        .map(|n| container(&format!("c{n}"), json!({})))
        .collect();
    only(&faults(json!({"containerDefinitions": eleven})), "not 11");
    only(
        &faults(json!({"containerDefinitions":
            [container("a", json!({})), container("a", json!({}))]})),
        "containerDefinitions[1].name: there is another container a",
    );
    only(
        &one(json!({"essential": false})),
        "at least one container must be essential",
    );
}

#[test]
fn memory_must_be_said_somewhere_and_add_up() {
    let bare = json!({"containerDefinitions": [{"name": "a", "image": "x"}]});
    only(
        &faults(bare),
        "containerDefinitions[0].memory: container a needs memory",
    );
    only(
        &one(json!({"memory": 5})),
        "5 MiB is below the 6 MiB that Docker needs",
    );
    assert!(one(json!({"memory": 6})).is_empty());
    only(
        &one(json!({"memoryReservation": 65})),
        "65 MiB is above the container's memory of 64",
    );
    let sums = |cpu, memory| {
        faults(json!({"cpu": cpu, "memory": memory, "containerDefinitions":
            [container("a", json!({"cpu": 100})), container("b", json!({"cpu": 100}))]}))
    };
    assert!(sums(200, 128).is_empty());
    only(
        &sums(199, 128),
        "cpu: its containers ask for 200 CPU units, more than the task's 199",
    );
    only(
        &sums(200, 127),
        "memory: its containers ask for 128 MiB, more than the task's 127 MiB",
    );
}

#[test]
fn links_and_dependencies_lead_somewhere_and_not_in_circles() {
    only(
        &one(json!({"links": ["db"]})),
        "links[0]: there is no container db in this task; it has a",
    );
    only(&one(json!({"links": ["a:x"]})), "links to itself");
    only(
        &one(json!({"dependsOn": [{"containerName": "z", "condition": "START"}]})),
        "dependsOn[0].containerName: there is no container z",
    );
    only(
        &one(json!({"dependsOn": [{"containerName": "a", "condition": "START"}]})),
        "depends on itself",
    );
    let on = |name: &str, condition: &str| json!({"dependsOn": [{"containerName": name, "condition": condition}]});
    only(
        &two(on("b", "START"), on("a", "START")),
        "containerDefinitions[0].dependsOn: containers wait for each other in a circle: a → b → a",
    );
    only(&two(on("b", "START"), json!({"links": ["a"]})), "a → b → a");
    only(&two(on("b", "HEALTHY"), json!({})), "has no healthCheck");
    only(
        &two(on("b", "SUCCESS"), json!({})),
        "container b is essential",
    );
    only(
        &two(on("b", "COMPLETE"), json!({})),
        "container b is essential",
    );
    assert!(two(on("b", "SUCCESS"), json!({"essential": false})).is_empty());
}

#[test]
fn every_circle_is_named_once_and_a_tail_is_not_part_of_it() {
    let on = |name: &str, target: &str| {
        container(
            name,
            json!({"dependsOn": [{"containerName": target, "condition": "START"}]}),
        )
    };
    let found = faults(json!({"containerDefinitions":
        [on("tail", "a"), on("a", "b"), on("b", "c"), on("c", "a"), on("x", "y"), on("y", "x")]}));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].contains("a → b → c → a"), "{found:#?}");
    assert!(found[1].contains("x → y → x"), "{found:#?}");
}

#[test]
fn health_checks_are_within_ecs_bounds() {
    let check = |more: Value| {
        let mut check = json!({"command": ["CMD-SHELL", "true"]});
        for (member, value) in more.as_object().unwrap() {
            check[member] = value.clone();
        }
        one(json!({"healthCheck": check}))
    };
    assert!(check(json!({})).is_empty());
    only(
        &check(json!({"interval": 4})),
        "healthCheck.interval: 4 is out of range; 5 to 300",
    );
    only(&check(json!({"timeout": 61})), "2 to 60");
    only(&check(json!({"retries": 0})), "1 to 10");
    only(&check(json!({"startPeriod": 301})), "0 to 300");
    only(
        &check(json!({"command": ["true"]})),
        "healthCheck.command: must be [\"CMD\"",
    );
    only(
        &check(json!({"command": ["CMD-SHELL", "a", "b"]})),
        "as one text",
    );
    only(&check(json!({"command": ["CMD"]})), "must be [\"CMD\"");
}

#[test]
fn ports_do_not_collide_and_follow_the_network_mode() {
    let port = |host: u16| json!({"portMappings": [{"containerPort": 80, "hostPort": host}]});
    only(
        &two(port(8080), port(8080)),
        "containerDefinitions[1].portMappings[0].hostPort: port 8080/tcp of the host is already \
         taken by container a",
    );
    assert!(two(port(0), port(0)).is_empty());
    only(
        &one(json!({"portMappings": [{"containerPort": 0}]})),
        "1 to 65535",
    );
    let mode = |mode: &str, host: u16| {
        faults(json!({"networkMode": mode, "containerDefinitions": [container("a", port(host))]}))
    };
    only(
        &mode("host", 81),
        "in networkMode host the host's port is the container's, 80",
    );
    assert!(mode("host", 80).is_empty() && mode("host", 0).is_empty());
    only(&mode("none", 0), "no ports to map");
}

#[test]
fn mounts_name_a_volume_and_paths_are_absolute() {
    let mount = |volume: &str, path: &str| {
        faults(
            json!({"volumes": [{"name": "data"}], "containerDefinitions": [
            container("a", json!({"mountPoints":
                [{"sourceVolume": volume, "containerPath": path}]}))]}),
        )
    };
    assert!(mount("data", "/data").is_empty());
    only(
        &mount("date", "/data"),
        "mountPoints[0].sourceVolume: the task has no volume \"date\"",
    );
    only(&mount("data", "data"), "\"data\" is not an absolute path");
    only(
        &one(json!({"workingDirectory": "srv"})),
        "workingDirectory: \"srv\" is not an absolute",
    );
    let volume = |volume: Value| {
        faults(json!({"volumes": [volume], "containerDefinitions": [container("a", json!({}))]}))
    };
    only(
        &volume(json!({"name": "v", "host": {"sourcePath": "x"}})),
        "volumes[0].host.sourcePath",
    );
    only(&volume(json!({"name": "a b"})), "volumes[0].name");
    only(
        &volume(
            json!({"name": "v", "host": {"sourcePath": "/x"}, "dockerVolumeConfiguration": {}}),
        ),
        "not both",
    );
    only(
        &volume(json!({"name": "v", "dockerVolumeConfiguration": {"autoprovision": true}})),
        "autoprovision is for the scope shared",
    );
}

#[test]
fn limits_labels_and_log_drivers_are_known() {
    let limit = |name: &str, soft: i64, hard: i64| {
        one(json!({"ulimits": [{"name": name, "softLimit": soft, "hardLimit": hard}]}))
    };
    only(
        &limit("nofiles", 1, 1),
        "\"nofiles\" is not a limit; expected nofile",
    );
    only(&limit("nofile", 2, 1), "2 is above the hard limit of 1");
    only(&limit("nofile", -1, 1), "-1 is above the hard limit of 1");
    only(
        &one(json!({"dockerLabels": {"quarterdeck.task-id": "x"}})),
        "set by Quarterdeck itself",
    );
    only(
        &one(json!({"logConfiguration": {"logDriver": "awsfirelens"}})),
        "not a log driver",
    );
    only(&one(json!({"image": " "})), "containerDefinitions[0].image");
    only(
        &one(json!({"environment": [{"name": "A=B", "value": "x"}]})),
        "environment[0].name",
    );
}

#[test]
fn a_definition_takes_member_of_only_and_all_faults_come_at_once() {
    let found = faults(json!({
        "placementConstraints": [{"type": "distinctInstance"}, {"type": "memberOf"}],
        "containerDefinitions": [container("a", json!({"image": "", "memory": 1, "links": ["q"]}))]
    }));
    assert_eq!(found.len(), 5, "{found:#?}");
}

fn pair(min: u32, max: u32, desired: u32) -> Vec<String> {
    let configuration = DeploymentConfiguration {
        minimum_healthy_percent: min,
        maximum_percent: max,
        deployment_circuit_breaker: CircuitBreaker::default(),
    };
    bounds(&configuration, desired)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_pair_that_can_neither_start_nor_stop_a_task_is_refused_with_the_arithmetic() {
    let found = pair(100, 125, 3);
    only(&found, "⌈3 × 100 / 100⌉ = 3 must stay up");
    only(&found, "⌊3 × 125 / 100⌋ = 3 may exist");
    only(
        &found,
        "minimumHealthyPercent to 66 or less, or maximumPercent to 134 or more",
    );
    assert!(pair(66, 125, 3).is_empty() && pair(100, 134, 3).is_empty());
    only(
        &pair(100, 100, 1),
        "minimumHealthyPercent to 0 or less, or maximumPercent to 200 or more",
    );
    assert!(pair(0, 100, 1).is_empty() && pair(100, 200, 1).is_empty());
    assert!(pair(100, 100, 0).is_empty());
    only(&pair(101, 200, 2), "0 to 100 is allowed");
    only(&pair(0, 99, 2), "too low");
}

#[test]
fn strategies_and_constraints_have_what_they_need() {
    let strategy = |kind, field: Option<&str>| PlacementStrategy {
        kind,
        field: field.map(str::to_owned),
    };
    let wrong = [
        strategy(PlacementStrategyKind::Spread, None),
        strategy(PlacementStrategyKind::Binpack, Some("disk")),
        strategy(PlacementStrategyKind::Random, Some("cpu")),
    ];
    assert_eq!(placement(&[], &wrong).len(), 3);
    let right = [
        strategy(PlacementStrategyKind::Spread, Some("instanceId")),
        strategy(PlacementStrategyKind::Binpack, Some("CPU")),
        strategy(PlacementStrategyKind::Random, None),
    ];
    let distinct = PlacementConstraint {
        kind: PlacementConstraintKind::DistinctInstance,
        expression: None,
    };
    assert!(placement(std::slice::from_ref(&distinct), &right).is_empty());
    let confused = PlacementConstraint {
        expression: Some("x".into()),
        ..distinct
    };
    assert_eq!(placement(&[confused], &[]).len(), 1);
}

#[test]
fn a_restart_policy_and_a_start_timeout_have_ecs_s_ranges() {
    let with = |members: serde_json::Value| {
        let mut container = json!({"name": "app", "image": "x", "memory": 64});
        let object = container.as_object_mut().unwrap();
        object.extend(members.as_object().unwrap().clone());
        let text = json!({"family": "web", "revision": 1, "containerDefinitions": [container]});
        task_definition(&serde_json::from_value(text).unwrap())
    };
    for fits in [2, 120] {
        assert_eq!(with(json!({"startTimeout": fits})), []);
    }
    for (members, path) in [
        (json!({"startTimeout": 1}), "startTimeout"),
        (json!({"startTimeout": 121}), "startTimeout"),
        (
            json!({"restartPolicy": {"enabled": true, "restartAttemptPeriod": 59}}),
            "restartPolicy.restartAttemptPeriod",
        ),
        (
            json!({"restartPolicy": {"enabled": true, "restartAttemptPeriod": 1801}}),
            "restartPolicy.restartAttemptPeriod",
        ),
        (
            json!({"restartPolicy": {"enabled": true, "ignoredExitCodes": vec![1; 51]}}),
            "restartPolicy.ignoredExitCodes",
        ),
    ] {
        let faults = with(members);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(faults[0].path, format!("containerDefinitions[0].{path}"));
    }
}
