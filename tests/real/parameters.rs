//! Container parameters, seen from inside the containers.

use std::io::Write as _;

use serde_json::{Value, json};

use super::engines::{Engine, Engines, wait_for};
use super::ship::{PATIENCE, Ship};

/// Registers a definition, runs one task of it and gives its id.
fn run(ship: &Ship, definition: &Value) -> String {
    let family = definition["family"].as_str().unwrap();
    let file = ship.file(&format!("{family}.json"), &definition.to_string());
    ship.ok(&["taskdef", "register", &file]);
    let task = &ship.json(&["run", family, "--wait"])["tasks"][0];
    let arn = task["taskArn"].as_str().unwrap();
    arn.rsplit('/').next().unwrap().to_owned()
}

/// What a shell says inside a container.
fn inside(engine: &Engine, container: &str, script: &str) -> String {
    let said = engine.docker(&["exec", container, "sh", "-c", script]);
    said.trim().to_owned()
}

fn inspect(engine: &Engine, container: &str) -> Value {
    let said = engine.docker(&["inspect", container]);
    serde_json::from_str::<Value>(&said).unwrap()[0].clone()
}

/// Whether a process has a capability, by its number in the kernel's `capability.h`.
fn is_capable(engine: &Engine, container: &str, number: u32) -> bool {
    let status = inside(engine, container, "cat /proc/1/status");
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    u64::from_str_radix(mask.unwrap().trim(), 16).unwrap() & (1 << number) != 0
}

const CHOWN: u32 = 0;
const NET_ADMIN: u32 = 12;
const SYS_ADMIN: u32 = 21;

#[test]
fn parameters_are_so_inside_the_containers() {
    let Some(engines) = Engines::start(1) else {
        return;
    };
    let mut ship = Ship::over(&engines, 1);
    ship.serve();
    let engine = &engines.each[0];
    most_at_once(&ship, engine);
    the_hosts_own_namespaces(&ship, engine);
    nothing_shared_and_no_network(&ship, engine);
}

fn most_at_once(ship: &Ship, engine: &Engine) {
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "ARM64",
        _ => "X86_64",
    };
    let definition = json!({
        "family": "most",
        "runtimePlatform": {"cpuArchitecture": architecture, "operatingSystemFamily": "LINUX"},
        "volumes": [{"name": "shared"}],
        "containerDefinitions": [
            {"name": "side", "image": "qd-test:1", "memory": 32, "stopTimeout": 1,
             "command": ["sh", "-c", "echo hello > /shared/x; sleep 100000"],
             "mountPoints": [{"sourceVolume": "shared", "containerPath": "/shared"}],
             "portMappings": [{"containerPortRange": "7000-7001"}]},
            {"name": "app", "image": "qd-test:1", "memory": 64, "stopTimeout": 1,
             "command": ["sleep", "100000"],
             "hostname": "box", "dnsServers": ["10.9.8.7"], "dnsSearchDomains": ["corp.example"],
             "extraHosts": [{"hostname": "db", "ipAddress": "10.9.8.6"}],
             "readonlyRootFilesystem": true, "interactive": true, "pseudoTerminal": true,
             "dockerSecurityOptions": ["no-new-privileges"],
             "systemControls": [{"namespace": "net.core.somaxconn", "value": "777"}],
             "ulimits": [{"name": "nofile", "softLimit": 512, "hardLimit": 1024}],
             "volumesFrom": [{"sourceContainer": "side", "readOnly": true}],
             "linuxParameters": {
                 "capabilities": {"add": ["NET_ADMIN"], "drop": ["CHOWN"]},
                 "devices": [{"hostPath": "/dev/null", "containerPath": "/dev/qd",
                              "permissions": ["read"]}],
                 "initProcessEnabled": true, "sharedMemorySize": 8, "maxSwap": 0,
                 "tmpfs": [{"containerPath": "/scratch", "size": 4,
                            "mountOptions": ["noexec"]}]}}]
    });
    let id = run(ship, &definition);
    let app = format!("qd-most-1-app-{id}");
    let see = |script: &str| inside(engine, &app, script);

    assert!(is_capable(engine, &app, NET_ADMIN) && !is_capable(engine, &app, CHOWN));
    assert!(see("cat /proc/1/status").contains("NoNewPrivs:\t1"));
    assert_eq!(see("cat /proc/1/comm"), "docker-init");
    assert!(see("readlink /proc/1/fd/0").contains("/dev/pts"));
    assert_eq!(see("cat /etc/hostname"), "box");
    assert!(see("cat /etc/hosts").contains("10.9.8.6\tdb"));
    assert!(see("cat /etc/resolv.conf").contains("search corp.example"));
    assert_eq!(see("cat /proc/sys/net/core/somaxconn"), "777");
    let files = see("grep 'open files' /proc/1/limits");
    let files: Vec<&str> = files.split_whitespace().collect();
    assert_eq!(files[3..5], ["512", "1024"]);
    let mounts = see("cat /proc/mounts");
    let mount = |path: &str| {
        let found = mounts
            .lines()
            .find(|line| line.split(' ').nth(1) == Some(path));
        found
            .unwrap_or_else(|| panic!("{path} is not in {mounts}"))
            .to_owned()
    };
    assert!(mount("/dev/shm").contains("size=8192k"), "{mounts}");
    let scratch = mount("/scratch");
    assert!(
        scratch.contains("size=4096k") && scratch.contains("noexec"),
        "{mounts}"
    );
    assert_eq!(see("touch /x 2>/dev/null || echo refused"), "refused");
    assert_eq!(see("touch /scratch/x && echo written"), "written");
    assert_eq!(see("test -c /dev/qd && echo there"), "there");
    wait_for("the other container's file", PATIENCE, || {
        see("cat /shared/x 2>/dev/null || true") == "hello"
    });
    assert_eq!(
        see("touch /shared/y 2>/dev/null || echo refused"),
        "refused"
    );

    // What cannot be seen from inside, in the engine's words.
    let seen = inspect(engine, &app);
    assert_eq!(seen["HostConfig"]["Dns"], json!(["10.9.8.7"]));
    assert_eq!(seen["Config"]["OpenStdin"], true);
    // -1 where the kernel does not count swap.
    let swap = seen["HostConfig"]["MemorySwap"].as_i64().unwrap();
    assert!([64 << 20, -1].contains(&swap), "{swap}");
    let ports = engine.docker(&["port", &format!("qd-most-1-side-{id}")]);
    assert!(
        ports.contains("7000/tcp ->") && ports.contains("7001/tcp ->"),
        "{ports}"
    );

    // And all of it is given back as it was written.
    let shown = ship.json(&["taskdef", "show", "most"]);
    let (given, back) = (
        &definition["containerDefinitions"][1],
        &shown["taskDefinition"]["containerDefinitions"][1],
    );
    for member in [
        "linuxParameters",
        "systemControls",
        "extraHosts",
        "volumesFrom",
        "hostname",
    ] {
        assert_eq!(back[member], given[member], "{member}");
    }
}

/// Whether this machine lets a container have every power: inside a container of its own it may
/// not have them all to give.
fn has_every_power() -> bool {
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    let last: u32 = read("/proc/sys/kernel/cap_last_cap")
        .trim()
        .parse()
        .unwrap();
    let status = read("/proc/self/status");
    let mask = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    let mask = u64::from_str_radix(mask.unwrap().trim(), 16).unwrap();
    (0..=last).all(|number| mask & (1 << number) != 0)
}

fn the_hosts_own_namespaces(ship: &Ship, engine: &Engine) {
    let privileged = has_every_power();
    if !privileged {
        // No fault of the program's, under CI either: a machine can only give what it has.
        let note = "privileged is left out: this machine has not every capability itself";
        let _ = writeln!(std::io::stderr(), "{note}");
    }
    let id = run(
        ship,
        &json!({
            "family": "open", "networkMode": "host", "pidMode": "host", "ipcMode": "host",
            "containerDefinitions": [
                {"name": "app", "image": "qd-test:1", "memory": 32, "stopTimeout": 1,
                 "command": ["sleep", "100000"], "privileged": privileged,
                 "dnsServers": ["10.9.8.7"]}]
        }),
    );
    let app = format!("qd-open-1-app-{id}");
    let see = |script: &str| inside(engine, &app, script);
    for namespace in ["pid", "ipc"] {
        let link = format!("/proc/self/ns/{namespace}");
        let here = std::fs::read_link(&link).unwrap();
        assert_eq!(see(&format!("readlink {link}")), here.to_str().unwrap());
    }
    let status = see("cat /proc/self/status");
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = u64::from_str_radix(mask.unwrap().trim(), 16).unwrap();
    assert_eq!(mask & (1 << SYS_ADMIN) != 0, privileged, "{status}");
    assert!(see("cat /etc/resolv.conf").contains("nameserver 10.9.8.7"));
}

fn nothing_shared_and_no_network(ship: &Ship, engine: &Engine) {
    let id = run(
        ship,
        &json!({
            "family": "alone", "ipcMode": "none",
            "containerDefinitions": [
                {"name": "app", "image": "qd-test:1", "memory": 32, "stopTimeout": 1,
                 "command": ["sh", "-c", "echo spoke; sleep 100000"], "disableNetworking": true,
                 "logConfiguration": {"logDriver": "awslogs",
                                      "options": {"awslogs-group": "none"}}}]
        }),
    );
    let app = format!("qd-alone-1-app-{id}");
    assert_eq!(inside(engine, &app, "ls /sys/class/net"), "lo");
    assert_eq!(
        inside(
            engine,
            &app,
            "grep -q ' /dev/shm ' /proc/mounts || echo none"
        ),
        "none"
    );
    // CloudWatch is not here: the engine's own log driver stands in.
    wait_for("the line in the log", PATIENCE, || {
        ship.ok(&["logs", &id]).contains("spoke")
    });
}
