//! What cannot run says why.

use serde_json::Value;

use super::engines::{Engines, wait_for};
use super::ship::{PATIENCE, Ship};

fn definition(family: &str, container: &str) -> String {
    format!(
        "[[taskDefinition]]\nfamily = \"{family}\"\n[[taskDefinition.containerDefinitions]]\n\
         name = \"app\"\nstopTimeout = 1\n{container}\n"
    )
}

fn id_of(task: &Value) -> String {
    let arn = task["taskArn"].as_str().unwrap();
    arn.rsplit('/').next().unwrap().to_owned()
}

#[test]
fn a_bad_image_a_taken_port_a_full_instance_and_an_oom_kill_each_give_their_reason() {
    let Some(engines) = Engines::start(1) else {
        return;
    };
    let mut ship = Ship::over(&engines, 1);
    ship.serve();
    let register = |family: &str, container: &str| {
        let file = ship.file(&format!("{family}.toml"), &definition(family, container));
        ship.ok(&["taskdef", "register", &file]);
    };
    let stopped = |id: &str| -> Value {
        wait_for("the task to stop", PATIENCE, || {
            ship.json(&["task", "show", id])["tasks"][0]["lastStatus"] == "STOPPED"
        });
        ship.json(&["task", "show", id])["tasks"][0].clone()
    };

    // A bad image: nobody answers at that registry.
    let image = format!("{}:1/nope:1", engines.host_address());
    register("nope", &format!("image = \"{image}\"\nmemory = 32"));
    let task = stopped(&id_of(&ship.json(&["run", "nope"])["tasks"][0]));
    assert_eq!(task["stopCode"], "TaskFailedToStart", "{task:#}");
    let reason = task["stoppedReason"].as_str().unwrap();
    assert!(reason.contains("CannotPullContainerError"), "{reason}");
    assert!(reason.contains(&image), "{reason}");

    // A port that one of our own tasks holds: refused before anything starts.
    let port = "image = \"qd-test:1\"\ncommand = [\"sleep\", \"100000\"]\nmemory = 32\n\
                portMappings = [{ containerPort = 80, hostPort = 8080 }]";
    register("door", port);
    ship.ok(&["run", "door", "--wait"]);
    let second = ship.qd(&["run", "door"]);
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("8080"), "{said}");
    assert!(said.contains("e1"), "{said}");

    // A port that something outside Docker holds: the engine's own words.
    let mut thief = std::process::Command::new("nsenter")
        .arg(format!("--net=/run/netns/{}", engines.each[0].netns))
        .args(["busybox", "nc", "-l", "-p", "9090"])
        .spawn()
        .unwrap();
    register("window", &port.replace("8080", "9090"));
    let mut task = Value::Null;
    wait_for("the taken port to refuse a task", PATIENCE, || {
        task = stopped(&id_of(&ship.json(&["run", "window"])["tasks"][0]));
        task["stopCode"] == "TaskFailedToStart"
    });
    thief.kill().unwrap();
    thief.wait().unwrap();
    let reason = task["stoppedReason"].as_str().unwrap();
    assert!(reason.contains("CannotStartContainerError"), "{reason}");
    assert!(reason.contains("9090"), "{reason}");

    // A full instance: every instance with its shortfall.
    register(
        "huge",
        "image = \"qd-test:1\"\ncommand = [\"sleep\", \"1\"]\nmemory = 9000000",
    );
    let refused = ship.qd(&["run", "huge"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("e1") && said.contains("MiB"), "{said}");

    // Killed for memory is told apart from killed.
    register(
        "glutton",
        "image = \"qd-test:1\"\nmemory = 8\n\
         command = [\"sh\", \"-c\", \"x=a; while true; do x=$x$x; done\"]",
    );
    let task = stopped(&id_of(&ship.json(&["run", "glutton"])["tasks"][0]));
    let container = &task["containers"][0];
    assert_eq!(container["exitCode"], 137, "{task:#}");
    let reason = container["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("OutOfMemory"), "{task:#}");
    register(
        "mortal",
        "image = \"qd-test:1\"\nmemory = 32\ncommand = [\"sleep\", \"100000\"]",
    );
    let id = id_of(&ship.json(&["run", "mortal", "--wait"])["tasks"][0]);
    engines.each[0].docker(&["kill", &format!("qd-mortal-1-app-{id}")]);
    let task = stopped(&id);
    assert_eq!(task["stopCode"], "EssentialContainerExited", "{task:#}");
    assert_eq!(task["containers"][0]["exitCode"], 137);
    assert!(
        !task["containers"][0]["reason"]
            .as_str()
            .unwrap_or_default()
            .contains("OutOfMemory")
    );

    // A service whose image is not to be had: apply --wait fails, and says so.
    let service = format!(
        "{}\n[[service]]\nserviceName = \"bad\"\ntaskDefinition = \"nope\"\ndesiredCount = 1\n\
         deploymentConfiguration = {{ deploymentCircuitBreaker = {{ enable = true, rollback = false }} }}\n",
        definition("nope", &format!("image = \"{image}\"\nmemory = 32"))
    );
    let file = ship.file("bad.toml", &service);
    let failed = ship.qd(&["apply", &file, "--yes", "--wait", "--timeout", "60s"]);
    assert_eq!(failed.status.code(), Some(1));
    let said = String::from_utf8_lossy(&failed.stdout).into_owned()
        + &String::from_utf8_lossy(&failed.stderr);
    assert!(said.contains("CannotPullContainerError"), "{said}");
}
