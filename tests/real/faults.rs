//! What is done to containers and engines behind our back, and what comes of it. The table of
//! faults is in `tests/README.md`.

use std::collections::BTreeSet;
use std::process::{Child, Command};

use serde_json::Value;

use super::engines::{Engine, Engines, IMAGE, run, wait_for};
use super::ship::{PATIENCE, Ship};

/// A service of tasks that end when they are asked to.
pub fn obedient(service: &str, count: u32, container: &str, more: &str) -> String {
    service_of(
        service,
        count,
        &format!("command = [\"sh\", \"-c\", \"{OBEYS}\"]\nimage = \"{IMAGE}\"\n{container}"),
        more,
    )
}

/// Sleeps, and ends when it is asked to: what is process 1 is not ended by a signal that it does
/// not handle.
const OBEYS: &str = "trap 'exit 0' TERM; sleep 100000 & wait";

fn service_of(service: &str, count: u32, container: &str, more: &str) -> String {
    format!(
        r#"
[[taskDefinition]]
family = "{service}"

[[taskDefinition.containerDefinitions]]
name = "app"
cpu = 64
memory = 32
stopTimeout = 2
{container}

[[service]]
serviceName = "{service}"
taskDefinition = "{service}"
desiredCount = {count}
{more}
"#
    )
}

/// Containers of a service that run, over all engines.
fn total(engines: &Engines, service: &str) -> usize {
    engines.each.iter().map(|e| e.running(service).len()).sum()
}

/// Waits until `qd events` tells of all these words in one line.
pub fn tells(ship: &Ship, words: &[&str]) -> String {
    let mut found = String::new();
    wait_for(&format!("an event with {words:?}"), PATIENCE, || {
        let events = ship.ok(&["events"]);
        let line = events.lines().find(|l| words.iter().all(|w| l.contains(w)));
        found = line.unwrap_or_default().to_owned();
        line.is_some()
    });
    found
}

fn is_connected(ship: &Ship, instance: &str) -> bool {
    let told = ship.json(&["instance", "show", instance]);
    told["containerInstances"][0]["agentConnected"] == true
}

fn id_of(task: &Value) -> String {
    let arn = task["taskArn"].as_str().unwrap();
    arn.rsplit('/').next().unwrap().to_owned()
}

/// The task ids that qd holds for RUNNING, and those of the containers that run.
pub fn told_and_found(
    ship: &Ship,
    engines: &Engines,
    service: &str,
) -> (BTreeSet<String>, Vec<String>) {
    let told = ship.tasks(service).iter().map(id_of).collect();
    let mut found = Vec::new();
    for engine in &engines.each {
        let filter = format!("label=quarterdeck.service={service}");
        let format = "{{.Label \"quarterdeck.task-id\"}}";
        let listed = engine.docker(&["ps", "--filter", &filter, "--format", format]);
        found.extend(listed.lines().map(str::to_owned));
    }
    found.sort();
    (told, found)
}

/// What qd holds for RUNNING is what runs, and it is so many.
pub fn assert_exactly(ship: &Ship, engines: &Engines, service: &str, count: usize) {
    let (told, found) = told_and_found(ship, engines, service);
    assert_eq!(found.len(), count, "{found:?}");
    assert_eq!(told, found.into_iter().collect());
}

/// Something that listens on a port in an engine's namespace and is no container.
struct Listener(Child);

impl Listener {
    fn on(engine: &Engine, port: &str) -> Self {
        let child = Command::new("nsenter")
            .arg(format!("--net=/run/netns/{}", engine.netns))
            .args(["busybox", "nc", "-l", "-p", port])
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn containers_removed_and_renamed_images_deleted_and_ports_taken_by_others() {
    let Some(engines) = Engines::start(2) else {
        return;
    };
    let mut ship = Ship::over(&engines, 2);
    ship.serve();
    let [e1, e2] = &engines.each[..] else {
        panic!("two engines");
    };
    let file = ship.file("web.toml", &obedient("web", 2, "", ""));
    ship.ok(&["apply", &file, "--yes", "--wait"]);

    // Removed by hand: replaced, and told.
    let victim = e1.running("web")[0].clone();
    e1.docker(&["rm", "-f", &victim]);
    tells(&ship, &["(service web)", "has stopped on (instance e1)"]);
    wait_for("a replacement", PATIENCE, || total(&engines, "web") == 2);
    ship.settles("web", 2);

    // Renamed by hand: still the task's container, so nothing is replaced, and it goes with it.
    let renamed = e2.running("web")[0].clone();
    e2.docker(&["rename", &renamed, "mine"]);
    let file = ship.file("web2.toml", &obedient("web", 3, "", ""));
    ship.ok(&["apply", &file, "--yes", "--wait"]);
    assert_exactly(&ship, &engines, "web", 3);
    assert!(e2.running("web").contains(&renamed));
    ship.ok(&["service", "rm", "web", "--yes"]);
    wait_for("no task anywhere", PATIENCE, || total(&engines, "web") == 0);

    // The image deleted between two tasks: the failure names it; once it is back, so is the task.
    // (The name is one for which no registry answers.)
    let image = format!("{}:1/app:1", engines.host_address());
    for engine in &engines.each {
        engine.docker(&["tag", IMAGE, &image]);
    }
    let container = format!("command = [\"sh\", \"-c\", \"{OBEYS}\"]\nimage = \"{image}\"");
    let file = ship.file("img.toml", &service_of("img", 2, &container, ""));
    ship.ok(&["apply", &file, "--yes", "--wait"]);
    let other = e2.running("img");
    e1.docker(&["rmi", "-f", &image]);
    e1.docker(&["kill", &e1.running("img")[0]]);
    tells(
        &ship,
        &["(service img)", "CannotPullContainerError", &image],
    );
    e1.docker(&["tag", IMAGE, &image]);
    ship.settles("img", 2);
    assert_exactly(&ship, &engines, "img", 2);
    assert!(e2.running("img").contains(&other[0]), "it was left alone");
    ship.ok(&["service", "rm", "img", "--yes"]);

    // A port held by a container that is not ours: nothing is tried there, and explain says why.
    let foreign = e1.docker(&["run", "-d", "-p", "8080:80", IMAGE, "sleep", "100000"]);
    let door = "portMappings = [{ containerPort = 80, hostPort = 8080 }]";
    let file = ship.file("door.toml", &obedient("door", 2, door, ""));
    wait_for("the foreign port to be seen", PATIENCE, || {
        ship.ok(&["instance", "show", "e1", "--output", "json"])
            .contains("8080")
    });
    ship.ok(&["apply", &file, "--yes"]);
    wait_for("one on the other host", PATIENCE, || {
        e2.running("door").len() == 1
    });
    let why = ship.ok(&["explain", "door"]);
    assert!(why.contains("8080"), "{why}");
    assert_eq!(e1.running("door").len(), 0);
    e1.docker(&["rm", "-f", foreign.trim()]);
    ship.settles("door", 2);
    assert_eq!(e1.running("door").len(), 1);
    ship.ok(&["service", "rm", "door", "--yes"]);

    // A port held by a process that no engine knows of: the engine's own words, the other host
    // serves, and both do once the process is gone.
    let listener = Listener::on(e1, "9090");
    let window = door.replace("8080", "9090");
    let file = ship.file("window.toml", &obedient("window", 2, &window, ""));
    ship.ok(&["apply", &file, "--yes"]);
    tells(&ship, &["CannotStartContainerError", "9090"]);
    wait_for("one on the other host", PATIENCE, || {
        e2.running("window").len() == 1
    });
    drop(listener);
    ship.settles("window", 2);
    assert_exactly(&ship, &engines, "window", 2);
}

#[test]
fn an_oom_loop_backs_off_a_deaf_container_is_killed_and_a_stuck_removal_is_told() {
    let Some(engines) = Engines::start(1) else {
        return;
    };
    let mut ship = Ship::over(&engines, 1);
    ship.serve();
    let engine = &engines.each[0];

    // Killed for memory again and again: from the second failure on each start waits longer than
    // the one before.
    let glutton = format!(
        "image = \"{IMAGE}\"\n\
         command = [\"sh\", \"-c\", \"x=a; while true; do x=$x$x; done\"]"
    );
    let glutton = service_of("glutton", 1, &glutton, "").replace("memory = 32", "memory = 8");
    let file = ship.file("glutton.toml", &glutton);
    ship.ok(&["apply", &file, "--yes"]);
    tells(
        &ship,
        &["(service glutton)", "exit code 137", "OutOfMemoryError"],
    );
    tells(
        &ship,
        &[
            "(service glutton)",
            "3 failures in a row; the next start is in",
        ],
    );
    let filter = "label=quarterdeck.service=glutton";
    // From when to when each of its containers ran; the last may still run.
    let ran = || {
        let all = engine.docker(&["ps", "-aq", "--no-trunc", "--filter", filter]);
        let mut spans: Vec<(jiff::Timestamp, jiff::Timestamp)> = Vec::new();
        for id in all.lines() {
            let format = "{{.State.StartedAt}} {{.State.FinishedAt}}";
            let told = engine.docker(&["inspect", "--format", format, id]);
            let mut times = told.split_whitespace().map(|time| time.parse().unwrap());
            spans.push((times.next().unwrap(), times.next().unwrap()));
        }
        spans.retain(|(started, _)| *started > jiff::Timestamp::UNIX_EPOCH);
        spans.sort();
        spans
    };
    wait_for("a fourth container", PATIENCE, || ran().len() >= 4);
    let spans = ran();
    for (two, least_s) in spans.windows(2).zip([0, 1, 2]) {
        let wait = two[0].1.duration_until(two[1].0);
        assert!(!wait.is_negative(), "two at a time: {spans:?}");
        assert!(
            wait.as_secs() >= least_s,
            "{wait:?} < {least_s} s: {spans:?}"
        );
    }
    ship.ok(&["service", "rm", "glutton", "--yes"]);

    // Deaf to SIGTERM: killed after its stopTimeout, and that is what its task says.
    let deaf = "[[taskDefinition]]\nfamily = \"deaf\"\n[[taskDefinition.containerDefinitions]]\n\
                name = \"app\"\nimage = \"qd-test:1\"\nmemory = 32\nstopTimeout = 2\n\
                command = [\"sh\", \"-c\", \"trap '' TERM; while true; do sleep 1; done\"]\n";
    let file = ship.file("deaf.toml", deaf);
    ship.ok(&["taskdef", "register", &file]);
    let id = id_of(&ship.json(&["run", "deaf", "--wait"])["tasks"][0]);
    ship.ok(&["task", "stop", &id, "--yes"]);
    let shown = || ship.json(&["task", "show", &id])["tasks"][0].clone();
    wait_for("the task to stop", PATIENCE, || {
        shown()["lastStatus"] == "STOPPED"
    });
    let container = &shown()["containers"][0];
    assert_eq!(container["exitCode"], 137, "{container:#}");
    let reason = container["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("stopTimeout"), "{container:#}");

    // A container whose files the engine cannot delete: told, and tried until it can.
    let shared = deaf
        .replace(
            "family = \"deaf\"",
            "family = \"net\"\nnetworkMode = \"awsvpc\"",
        )
        .replace("trap '' TERM", "trap 'exit 0' TERM");
    let file = ship.file("net.toml", &shared);
    ship.ok(&["taskdef", "register", &file]);
    let id = id_of(&ship.json(&["run", "net", "--wait"])["tasks"][0]);
    let name = format!("name=qd-net-1-internal.pause-{id}");
    let holder = || engine.docker(&["ps", "-aq", "--no-trunc", "--filter", &name]);
    let files = engine.dir.join("data/containers").join(holder().trim());
    let kept = files.join("hostname").to_str().unwrap().to_owned();
    run("chattr", &["+i", &kept]);
    let freed = Freed(kept);
    ship.ok(&["task", "stop", &id, "--yes"]);
    let told = tells(&ship, &["cannot be removed", "operation not permitted"]);
    assert!(told.contains("(instance e1)"), "{told}");
    let shown = ship.json(&["task", "show", &id])["tasks"][0].clone();
    assert_eq!(shown["lastStatus"], "STOPPED", "it waits for no removal");
    drop(freed);
    wait_for("the holder to go", PATIENCE, || holder().is_empty());
}

/// A file that cannot be deleted until this is dropped.
struct Freed(String);

impl Drop for Freed {
    fn drop(&mut self) {
        run("chattr", &["-i", &self.0]);
    }
}

#[test]
fn an_engine_restarted_with_and_without_live_restore_and_one_killed_under_its_containers() {
    let Some(mut engines) = Engines::start(2) else {
        return;
    };
    let mut ship = Ship::over(&engines, 2);
    ship.serve();
    let grace = "hostLossGracePeriodSeconds = 600";
    let file = ship.file("web.toml", &obedient("web", 4, "", grace));
    ship.ok(&["apply", &file, "--yes", "--wait"]);
    let before = engines.each[0].running("web");
    assert_eq!(before.len(), 2);

    // Without live-restore the engine ends its containers: they are replaced.
    engines.each[0].end_daemon();
    wait_for("the restart to be noticed", PATIENCE, || {
        !is_connected(&ship, "e1")
    });
    engines.each[0].power_on();
    wait_for("it to answer again", PATIENCE, || is_connected(&ship, "e1"));
    ship.settles("web", 4);
    assert_exactly(&ship, &engines, "web", 4);
    let after = engines.each[0].running("web");
    assert!(after.iter().all(|id| !before.contains(id)), "{after:?}");

    // With live-restore they go on, and so do their tasks.
    engines.each[0].set_live_restore(true);
    let (tasks, _) = told_and_found(&ship, &engines, "web");
    let before = engines.each[0].running("web");
    engines.each[0].end_daemon();
    wait_for("the restart to be noticed", PATIENCE, || {
        !is_connected(&ship, "e1")
    });
    engines.each[0].power_on();
    wait_for("it to answer again", PATIENCE, || is_connected(&ship, "e1"));
    ship.settles("web", 4);
    assert_exactly(&ship, &engines, "web", 4);
    assert_eq!(told_and_found(&ship, &engines, "web").0, tasks);
    assert_eq!(engines.each[0].running("web"), before);

    // SIGKILL of the daemon alone: its containers run on unheard, and are replaced after the
    // grace period; when it is back, what is too many goes.
    ship.ok(&["service", "update", "web", "--grace", "2", "--yes"]);
    engines.each[0].kill_daemon();
    wait_for("four on the one that answers", PATIENCE, || {
        engines.each[1].running("web").len() == 4
    });
    engines.each[0].power_on();
    wait_for("it to answer again", PATIENCE, || is_connected(&ship, "e1"));
    wait_for("the surplus to go", PATIENCE, || {
        total(&engines, "web") == 4
    });
    ship.settles("web", 4);
    assert_exactly(&ship, &engines, "web", 4);
}
