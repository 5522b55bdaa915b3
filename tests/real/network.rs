//! What the containers of a task share, and how they start again.

use serde_json::{Value, json};

use super::engines::{Engine, Engines, IMAGE, run, wait_for};
use super::ship::{PATIENCE, Ship};

fn container(name: &str, script: &str, more: Value) -> Value {
    let mut container = json!({
        "name": name, "image": IMAGE, "memory": 32, "stopTimeout": 1,
        "command": ["sh", "-c", script],
    });
    let object = container.as_object_mut().unwrap();
    object.extend(more.as_object().unwrap().clone());
    container
}

/// Registers a family and runs one task of it; gives the task's id.
fn launch(ship: &Ship, family: &str, more: Value, containers: &[Value]) -> String {
    let mut definition = json!({"family": family, "containerDefinitions": containers});
    let object = definition.as_object_mut().unwrap();
    object.extend(more.as_object().unwrap().clone());
    let file = ship.file(&format!("{family}.json"), &definition.to_string());
    ship.ok(&["taskdef", "register", &file]);
    let run = ship.json(&["run", family]);
    let arn = run["tasks"][0]["taskArn"].as_str().unwrap();
    arn.rsplit('/').next().unwrap().to_owned()
}

fn shown(ship: &Ship, id: &str) -> Value {
    ship.json(&["task", "show", id])["tasks"][0].clone()
}

fn until_status(ship: &Ship, id: &str, status: &str) -> Value {
    wait_for(&format!("task {id} to be {status}"), PATIENCE, || {
        shown(ship, id)["lastStatus"] == status
    });
    shown(ship, id)
}

/// The task's holder on its engine, if it is there.
fn holders(engine: &Engine, id: &str) -> usize {
    let filter = format!("name=internal.pause-{id}");
    let listed = engine.docker(&["ps", "-aq", "--filter", &filter]);
    listed.lines().count()
}

fn said(engine: &Engine, family: &str, container: &str, id: &str) -> String {
    engine.docker(&["logs", &format!("qd-{family}-1-{container}-{id}")])
}

/// Nothing of the task runs, and its holder is gone.
fn nothing_left(engine: &Engine, id: &str) {
    wait_for("the holder to be removed", PATIENCE, || {
        holders(engine, id) == 0
    });
    let filter = format!("label=quarterdeck.task-id={id}");
    assert_eq!(engine.docker(&["ps", "-q", "--filter", &filter]), "");
}

#[test]
fn an_awsvpc_task_talks_over_localhost_and_a_container_of_it_starts_again_in_place() {
    let Some(engines) = Engines::start(1) else {
        return;
    };
    let mut ship = Ship::over(&engines, 1);
    ship.serve();
    let engine = &engines.each[0];
    let web = container(
        "web",
        "echo hello > /tmp/index.html; httpd -f -p 8080 -h /tmp",
        json!({"portMappings": [{"containerPort": 8080, "hostPort": 8080}]}),
    );
    let reader = container(
        "reader",
        "until wget -q -O /tmp/got http://127.0.0.1:8080/; do sleep 1; done; cat /tmp/got; \
         sleep 61; exit 3",
        json!({
            "dependsOn": [{"containerName": "web", "condition": "START"}],
            "restartPolicy": {"enabled": true, "restartAttemptPeriod": 60},
        }),
    );
    let mode = json!({"networkMode": "awsvpc"});
    let id = launch(&ship, "shared", mode, &[web, reader]);
    let task = until_status(&ship, &id, "RUNNING");
    assert_eq!(task["containers"].as_array().unwrap().len(), 2, "{task:#}");
    assert_eq!(holders(engine, &id), 1);
    let reads = || {
        said(engine, "shared", "reader", &id)
            .matches("hello")
            .count()
    };
    wait_for("the reader to have read", PATIENCE, || reads() == 1);

    // At the host's address by its published port, and at the task's own.
    let published = format!("http://{}:8080/", engine.address);
    assert_eq!(
        run("busybox", &["wget", "-q", "-O", "-", &published]),
        "hello\n"
    );
    let interface = &task["containers"][1]["networkInterfaces"][0];
    let address = interface["privateIpv4Address"].as_str().unwrap();
    assert_eq!(task["attachments"][0]["details"][0]["value"], address);
    let netns = format!("--net=/run/netns/{}", engine.netns);
    let own = format!("http://{address}:8080/");
    let got = run(
        "nsenter",
        &[&netns, "busybox", "wget", "-q", "-O", "-", &own],
    );
    assert_eq!(got, "hello\n");
    let bound = &task["containers"][0]["networkBindings"][0];
    assert_eq!(bound["hostPort"], 8080, "{task:#}");

    // The reader ends after a minute; its policy starts it again, in the same namespace.
    wait_for("the reader to have read again", PATIENCE, || reads() == 2);
    wait_for("the restart to be told", PATIENCE, || {
        ship.ok(&["events"]).contains("restarted container reader")
    });
    assert_eq!(shown(&ship, &id)["lastStatus"], "RUNNING");

    // The control plane dies and comes back: nothing is made twice.
    ship.kill_9();
    ship.serve();
    assert_eq!(holders(engine, &id), 1);
    // A second task, with another port: the holders' image is there already.
    let idle = container("idle", "exec sleep 100000", json!({}));
    let second = launch(&ship, "idle", json!({"networkMode": "awsvpc"}), &[idle]);
    until_status(&ship, &second, "RUNNING");
    let images = engine.docker(&["images", "-aq"]);
    assert_eq!(
        images.lines().count(),
        2,
        "busybox and the holders': {images}"
    );
    ship.ok(&["task", "stop", &second]);
    ship.ok(&["task", "stop", &id]);
    until_status(&ship, &id, "STOPPED");
    nothing_left(engine, &id);
}

#[test]
fn shared_processes_are_seen_and_a_wait_that_takes_too_long_fails_the_task() {
    let Some(engines) = Engines::start(1) else {
        return;
    };
    let mut ship = Ship::over(&engines, 1);
    ship.serve();
    let engine = &engines.each[0];
    let quiet = container("quiet", "exec sleep 12345", json!({}));
    let watcher = container(
        "watcher",
        "until ps | grep -q '[s]leep 12345'; do sleep 1; done; touch /dev/shm/seen; echo seen; \
         exec sleep 100000",
        json!({}),
    );
    let mode = json!({"pidMode": "task", "ipcMode": "task"});
    let id = launch(&ship, "crew", mode, &[quiet, watcher]);
    until_status(&ship, &id, "RUNNING");
    wait_for("the watcher to see the other's process", PATIENCE, || {
        said(engine, "crew", "watcher", &id).contains("seen")
    });
    let quiet = format!("qd-crew-1-quiet-{id}");
    engine.docker(&["exec", &quiet, "test", "-e", "/dev/shm/seen"]);

    // Who kills the holder takes the task with it.
    let holder = format!("qd-crew-1-internal.pause-{id}");
    engine.docker(&["kill", &holder]);
    let task = until_status(&ship, &id, "STOPPED");
    let reason = task["stoppedReason"].as_str().unwrap();
    assert!(reason.contains("~internal~ecs~pause"), "{reason}");
    nothing_left(engine, &id);

    let slow = container(
        "slow",
        "exec sleep 100000",
        json!({"startTimeout": 2, "essential": false,
               "healthCheck": {"command": ["CMD", "false"]}}),
    );
    let waiting = container(
        "waiting",
        "exec sleep 100000",
        json!({"dependsOn": [{"containerName": "slow", "condition": "HEALTHY"}]}),
    );
    let id = launch(&ship, "hasty", json!({}), &[slow, waiting]);
    let task = until_status(&ship, &id, "STOPPED");
    assert_eq!(task["stopCode"], "TaskFailedToStart", "{task:#}");
    let reason = task["stoppedReason"].as_str().unwrap();
    for part in ["waiting", "slow", "HEALTHY", "startTimeout of 2 s"] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    nothing_left(engine, &id);
}
