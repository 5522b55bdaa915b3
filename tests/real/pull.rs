//! Images come from a real registry that wants a password.

use std::fs;

use super::engines::{Engines, IMAGE, wait_for};
use super::registry::{Registry, installed};
use super::ship::{PATIENCE, Ship};

/// The user `deck` with the password `aye-aye`.
const HTPASSWD: &str = "deck:$2b$05$abcdefghijklmnopqrstuuBpO0vqbDuJIawq39o0yc5ujhsmeKVt6\n";
const AUTH: &str = "ZGVjazpheWUtYXll";

#[test]
fn an_image_is_pulled_with_the_credentials_of_dockers_own_config() {
    if !installed() {
        return;
    }
    let Some(engines) = Engines::start(1) else {
        return;
    };
    let docker = engines.dir.path().join("docker");
    fs::create_dir_all(&docker).unwrap();
    let registry = Registry::start(&engines, Some(HTPASSWD));
    let address = &registry.address;

    let auths = format!("{{\"auths\": {{\"{address}\": {{\"auth\": \"{AUTH}\"}}}}}}");
    fs::write(docker.join("config.json"), auths).unwrap();
    let image = format!("{address}/deck/app:1");
    let engine = &engines.each[0];
    engine.docker(&["tag", IMAGE, &image]);
    let host = format!("unix://{}", engine.socket().display());
    super::engines::run(
        "docker",
        &[
            "--config",
            docker.to_str().unwrap(),
            "-H",
            &host,
            "push",
            &image,
        ],
    );
    let forget = || {
        engine.docker(&["rmi", "-f", &image, IMAGE]);
    };
    forget();

    let run_once = |docker_config: &std::path::Path, path: Option<&std::path::Path>| {
        let mut ship = Ship::over(&engines, 1);
        ship.environment("DOCKER_CONFIG", docker_config);
        if let Some(path) = path {
            let all = format!("{}:{}", path.display(), std::env::var("PATH").unwrap());
            ship.environment("PATH", all);
        }
        ship.serve();
        let file = ship.file(
            "app.toml",
            &format!(
                "[[taskDefinition]]\nfamily = \"app\"\n[[taskDefinition.containerDefinitions]]\n\
                 name = \"app\"\nimage = \"{image}\"\nmemory = 32\nstopTimeout = 1\n\
                 command = [\"sleep\", \"100000\"]\n"
            ),
        );
        ship.ok(&["taskdef", "register", &file]);
        let ran = ship.json(&["run", "app"]);
        let arn = ran["tasks"][0]["taskArn"].as_str().unwrap().to_owned();
        let id = arn.rsplit('/').next().unwrap().to_owned();
        let mut task = serde_json::Value::Null;
        wait_for("the task to run or to stop", PATIENCE, || {
            task = ship.json(&["task", "show", &id])["tasks"][0].clone();
            task["lastStatus"] == "RUNNING" || task["lastStatus"] == "STOPPED"
        });
        if task["lastStatus"] == "RUNNING" {
            ship.ok(&["task", "stop", &id, "--yes"]);
            wait_for("the task to stop", PATIENCE, || {
                ship.json(&["task", "show", &id])["tasks"][0]["lastStatus"] == "STOPPED"
            });
        }
        task
    };

    // The password in the file.
    assert_eq!(run_once(&docker, None)["lastStatus"], "RUNNING");
    engine.docker(&["container", "prune", "-f"]);
    engine.docker(&["rmi", "-f", &image]);

    // A helper that knows it.
    let helped = engines.dir.path().join("helped");
    fs::create_dir_all(&helped).unwrap();
    let helper = helped.join("docker-credential-deck");
    fs::write(
        &helper,
        "#!/bin/sh\nread server\n\
         echo \"{\\\"ServerURL\\\":\\\"$server\\\",\\\"Username\\\":\\\"deck\\\",\\\"Secret\\\":\\\"aye-aye\\\"}\"\n",
    )
    .unwrap();
    super::engines::run("chmod", &["755", helper.to_str().unwrap()]);
    let helpers = format!("{{\"credHelpers\": {{\"{address}\": \"deck\"}}}}");
    fs::write(helped.join("config.json"), helpers).unwrap();
    assert_eq!(run_once(&helped, Some(&helped))["lastStatus"], "RUNNING");
    engine.docker(&["container", "prune", "-f"]);
    engine.docker(&["rmi", "-f", &image]);

    // No password: a clear reason.
    let bare = engines.dir.path().join("bare");
    fs::create_dir_all(&bare).unwrap();
    let task = run_once(&bare, None);
    assert_eq!(task["stopCode"], "TaskFailedToStart", "{task:#}");
    let reason = task["stoppedReason"].as_str().unwrap();
    assert!(reason.contains("CannotPullContainerError"), "{reason}");
}
