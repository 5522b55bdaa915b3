//! Tasks spread over zones, and what dies is replaced.

use std::collections::BTreeMap;

use super::engines::{Engines, wait_for};
use super::ship::{PATIENCE, Ship};

/// A service of sleeping tasks, as a file for `qd apply`.
pub fn sleepers(service: &str, count: u32, more: &str) -> String {
    format!(
        r#"
[[taskDefinition]]
family = "{service}"

[[taskDefinition.containerDefinitions]]
name = "app"
image = "qd-test:1"
command = ["sleep", "100000"]
cpu = 64
memory = 32
stopTimeout = 1

[[service]]
serviceName = "{service}"
taskDefinition = "{service}"
desiredCount = {count}
{more}
"#
    )
}

#[test]
fn six_tasks_over_three_zones_sit_two_by_two_and_a_killed_one_is_replaced() {
    let Some(engines) = Engines::start(3) else {
        return;
    };
    let mut ship = Ship::over(&engines, 3);
    ship.serve();
    let file = ship.file("web.toml", &sleepers("web", 6, ""));
    ship.ok(&["apply", &file, "--yes", "--wait"]);
    ship.settles("web", 6);
    let counts = || -> Vec<usize> {
        engines
            .each
            .iter()
            .map(|e| e.running("web").len())
            .collect()
    };
    assert_eq!(counts(), [2, 2, 2]);

    let victim = engines.each[1].running("web")[0].clone();
    engines.each[1].docker(&["kill", &victim]);
    wait_for("a replacement", PATIENCE, || {
        let running = engines.each[1].running("web");
        running.len() == 2 && !running.contains(&victim)
    });
    ship.settles("web", 6);
    assert_eq!(counts(), [2, 2, 2]);
    let all = ship.json(&["task", "ls"]);
    assert!(all["tasks"].as_array().unwrap().len() >= 6);

    // Up, down and away.
    ship.ok(&["service", "scale", "web", "9", "--yes"]);
    ship.settles("web", 9);
    assert_eq!(counts(), [3, 3, 3]);
    ship.ok(&["service", "scale", "web", "3", "--yes"]);
    ship.settles("web", 3);
    wait_for("one task on each engine", PATIENCE, || {
        counts() == [1, 1, 1]
    });
    ship.ok(&["service", "rm", "web", "--yes"]);
    wait_for("no task anywhere", PATIENCE, || counts() == [0, 0, 0]);
}

#[test]
fn containers_of_one_task_start_in_order_and_carry_the_ecs_agents_labels() {
    let Some(engines) = Engines::start(1) else {
        return;
    };
    let mut ship = Ship::over(&engines, 1);
    ship.serve();
    let file = ship.file(
        "pair.json",
        r#"{
  "family": "pair",
  "containerDefinitions": [
    {"name": "app", "image": "qd-test:1", "memory": 32, "essential": true, "stopTimeout": 1,
     "command": ["sh", "-c", "echo app sees $(cat /shared/ready); exec sleep 100000"],
     "links": ["side:db"],
     "mountPoints": [{"sourceVolume": "shared", "containerPath": "/shared"}],
     "dependsOn": [{"containerName": "init", "condition": "SUCCESS"},
                   {"containerName": "side", "condition": "HEALTHY"}],
     "ulimits": [{"name": "nofile", "softLimit": 512, "hardLimit": 1024}],
     "dockerLabels": {"team": "deck"}},
    {"name": "init", "image": "qd-test:1", "memory": 32, "essential": false,
     "command": ["sh", "-c", "echo made-by-init > /shared/ready"],
     "mountPoints": [{"sourceVolume": "shared", "containerPath": "/shared"}]},
    {"name": "side", "image": "qd-test:1", "memory": 32, "essential": true, "stopTimeout": 1,
     "command": ["sh", "-c", "touch /tmp/up; exec sleep 100000"],
     "portMappings": [{"containerPort": 80}],
     "healthCheck": {"command": ["CMD-SHELL", "test -e /tmp/up"], "interval": 5}}
  ],
  "volumes": [{"name": "shared", "dockerVolumeConfiguration": {"scope": "task"}}]
}"#,
    );
    ship.ok(&["taskdef", "register", &file]);
    let ran = ship.json(&["run", "pair", "--wait"]);
    let task = &ran["tasks"][0];
    assert_eq!(task["lastStatus"], "RUNNING", "{ran:#}");
    let id = task["taskArn"]
        .as_str()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap();
    wait_for("the log of the app", PATIENCE, || {
        ship.ok(&["logs", id]).contains("app sees made-by-init")
    });

    let engine = &engines.each[0];
    let filter = format!("label=quarterdeck.task-id={id}");
    let names = engine.docker(&["ps", "-a", "--filter", &filter, "--format", "{{.Names}}"]);
    assert_eq!(names.lines().count(), 3, "{names}");
    let app = names.lines().find(|n| n.contains("-app-")).unwrap();
    assert_eq!(app, format!("qd-pair-1-app-{id}"));
    let labels = engine.docker(&["inspect", "--format", "{{json .Config.Labels}}", app]);
    let labels: BTreeMap<String, String> = serde_json::from_str(&labels).unwrap();
    assert_eq!(labels["com.amazonaws.ecs.cluster"], "default");
    assert_eq!(labels["com.amazonaws.ecs.task-definition-family"], "pair");
    assert_eq!(labels["com.amazonaws.ecs.task-definition-version"], "1");
    assert_eq!(labels["com.amazonaws.ecs.container-name"], "app");
    assert!(labels["com.amazonaws.ecs.task-arn"].ends_with(id));
    assert_eq!(labels["team"], "deck");
    // The link reaches the other container by its alias, and the app can be entered.
    let said = ship.ok(&["exec", id, "--container", "app", "--", "nslookup", "db"]);
    assert!(said.contains("Address"), "{said}");

    ship.ok(&["task", "stop", id, "--yes"]);
    let shown = || ship.json(&["task", "show", id])["tasks"][0].clone();
    wait_for("the task to stop", PATIENCE, || {
        shown()["lastStatus"] == "STOPPED"
    });
    assert_eq!(shown()["stopCode"], "UserInitiated");
}
