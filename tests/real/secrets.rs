//! A secret reaches a real container, and nothing else of ours.

use std::fs;

use super::engines::{Engines, IMAGE, wait_for};
use super::ship::{PATIENCE, Ship};

const VALUE: &str = "hunter2-and-more";
/// SHA-256 of the value.
const HASH: &str = "f15edafa33d8f8c0d4257f853f2c246d7ea9b8da4eb0f3ed3b643969ffeb7a9a";
const OF_FILE: &str = "a-value-of-the-file";

#[test]
fn a_container_gets_its_secrets_and_nobody_else_does() {
    let Some(engines) = Engines::start(1) else {
        return;
    };
    let mut config = String::from("[[cluster]]\nname = \"default\"\n");
    let engine = &engines.each[0];
    config += &Ship::tls_instance(&engines, &engine.name, &engine.address);
    config += r#"
[[secret]]
name = "db"
command = ["cat", "value"]

[[secret]]
name = "gone"
file = "no-such-file"

[[role]]
name = "app"
secrets = ["db", "gone"]
environment_files = ["env"]
"#;
    let mut ship = Ship::with_config(&engines, &config);
    ship.file("value", &format!("{VALUE}\n"));
    fs::create_dir(engines.dir.path().join("env")).unwrap();
    ship.file("env/web.env", &format!("# of the file\nFILE={OF_FILE}\n"));
    ship.serve();
    let definition = |family: &str, secret: &str| {
        format!(
            "[[taskDefinition]]\nfamily = \"{family}\"\ntaskRoleArn = \"arn:aws:iam::123456789012:role/app\"\n\
             [[taskDefinition.containerDefinitions]]\nname = \"app\"\nimage = \"{IMAGE}\"\n\
             memory = 32\nstopTimeout = 1\nentryPoint = [\"sh\", \"-c\"]\n\
             command = [\"printf %s \\\"$DB\\\" | sha256sum; printf %s \\\"$FILE\\\" | wc -c; sleep 100000\"]\n\
             secrets = [{{ name = \"DB\", valueFrom = \"{secret}\" }}]\n\
             environmentFiles = [{{ type = \"file\", value = \"env/web.env\" }}]\n"
        )
    };
    for (family, secret) in [("app", "db"), ("lost", "gone"), ("greedy", "other")] {
        let file = ship.file(&format!("{family}.toml"), &definition(family, secret));
        ship.ok(&["taskdef", "register", &file]);
    }
    let run = |family: &str| {
        let ran = ship.json(&["run", family]);
        let arn = ran["tasks"][0]["taskArn"].as_str().unwrap().to_owned();
        arn.rsplit('/').next().unwrap().to_owned()
    };
    let id = run("app");
    let shown = || ship.json(&["task", "show", &id])["tasks"][0].clone();
    wait_for("the task to run", PATIENCE, || {
        shown()["lastStatus"] == "RUNNING"
    });
    wait_for("what it says of its secret", PATIENCE, || {
        ship.ok(&["logs", &id]).contains(HASH)
    });
    assert!(ship.ok(&["logs", &id]).contains(&OF_FILE.len().to_string()));

    let lost = run("lost");
    wait_for("the one without its secret to fail", PATIENCE, || {
        ship.json(&["task", "show", &lost])["tasks"][0]["lastStatus"] == "STOPPED"
    });
    let lost = ship.json(&["task", "show", &lost])["tasks"][0].clone();
    let reason = lost["stoppedReason"].as_str().unwrap();
    let begin = "ResourceInitializationError: unable to retrieve secret gone: ";
    assert!(reason.starts_with(begin), "{reason}");

    let refused = ship.qd(&["run", "greedy"]);
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains("the secret other, which task role app does not grant"),
        "{said}"
    );

    let mut everywhere = vec![
        shown().to_string(),
        ship.ok(&["task", "show", &id]),
        ship.ok(&["taskdef", "show", "app"]),
        ship.ok(&["events"]),
        ship.ok(&["config", "check", "--output", "json"]),
        engine.docker(&[
            "ps",
            "-a",
            "--no-trunc",
            "--format",
            "{{.Labels}} {{.Command}}",
        ]),
    ];
    ship.kill_9();
    everywhere.push(ship.log());
    for entry in fs::read_dir(engines.dir.path().join("state")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            everywhere.push(String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned());
        }
    }
    assert!(everywhere.len() > 7, "the state folder is looked through");
    for text in everywhere {
        for value in [VALUE, OF_FILE] {
            assert!(!text.contains(value), "{value} is in: {text}");
        }
    }
}
