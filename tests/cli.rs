//! The program as a user or a script runs it.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const QD: &str = env!("CARGO_BIN_EXE_qd");

/// A user with nothing but an empty home.
struct User {
    home: TempDir,
}

impl User {
    fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> &Path {
        self.home.path()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(QD);
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.path())
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

const ONE_INSTANCE: &str =
    "[[instance]]\nname = \"nowhere\"\nendpoint = \"unix:///nowhere/docker.sock\"\n";

#[test]
fn a_bad_config_is_told_whole_and_nothing_starts() {
    let user = User::new();
    user.write(
        "quarterdeck.toml",
        "[[instance]]\nname = \"a\"\nendpoint = \"shh://a\"\nzone = \"x\"\n\n\
         [[instance]]\nname = \"a\"\nendpoint = \"unix:///run/docker.sock\"\ncluster = \"defualt\"\n",
    );
    for line in [&["config", "check"][..], &["service", "ls"], &["serve"]] {
        let output = user.run(line);
        assert_eq!(output.status.code(), Some(2), "{line:?}: {output:?}");
        let said = err(&output);
        for fault in [
            "quarterdeck.toml:3:12: the endpoint \"shh://a\" has the unknown form shh://",
            "did you mean \"ssh://a\"?",
            "  3 | endpoint = \"shh://a\"\n    |            ^^^^^^^^^",
            "quarterdeck.toml:4:1: an instance has no member \"zone\"",
            "quarterdeck.toml:9:11: there is no cluster \"defualt\"",
        ] {
            assert!(said.contains(fault), "{line:?}: no {fault:?} in\n{said}");
        }
        assert!(out(&output).is_empty());
    }
    assert!(!user.path().join(".local").exists(), "a state was begun");
}

#[test]
fn a_good_config_is_told_in_short() {
    let user = User::new();
    user.write("quarterdeck.toml", ONE_INSTANCE);
    let output = user.run(&["config", "check"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(out(&output).contains("quarterdeck.toml is valid: 1 cluster, 1 instance"));
    let output = user.run(&["config", "check", "--output", "json"]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["instances"][0]["name"], "nowhere");
}

#[test]
fn wrong_usage_is_exit_code_2_on_standard_error() {
    let user = User::new();
    for line in [
        &["sail"][..],
        &["service", "scale", "web"],
        &["service", "scale", "web", "many"],
        &["run", "web", "--count", "11"],
        &["apply"],
        &["exec", "ab"],
        &["--output", "yaml", "status"],
    ] {
        let output = user.run(line);
        assert_eq!(output.status.code(), Some(2), "{line:?}: {output:?}");
        assert!(out(&output).is_empty(), "{line:?}");
        assert!(!err(&output).is_empty(), "{line:?}");
    }
    for (line, meant) in [
        (&["scale", "web", "3"][..], "did you mean qd service scale?"),
        (&["drain", "ops-1"], "did you mean qd instance drain?"),
        (&["show", "web"], "did you mean qd service show or qd "),
    ] {
        let said = err(&user.run(line));
        assert!(said.contains(meant), "{line:?}: {said}");
    }
    let output = user.run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(out(&output).contains("config"));
}

#[test]
fn completions_are_made_for_every_shell() {
    let user = User::new();
    for shell in ["bash", "zsh", "fish"] {
        let output = user.run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(out(&output).contains("taskdef"), "{shell}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let user = User::new();
    let mut child = user
        .command(&["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    let status = child.wait().unwrap();
    assert_eq!(said, "");
    assert!(status.success(), "{status}");
}

#[test]
fn faults_of_a_file_to_apply_point_at_their_lines() {
    let user = User::new();
    user.write("quarterdeck.toml", ONE_INSTANCE);
    user.write(
        "web.json",
        "{\"family\": \"web\", \"containerDefinitions\": [\n  \
         {\"name\": \"app\", \"image\": \"i\", \"memry\": 128}]}\n",
    );
    user.write("web.toml", "[[service]]\nserviceName = \"web\"\n");
    let output = user.run(&["apply", "--yes", "web.json", "web.toml", "none.toml"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = err(&output);
    for fault in [
        "web.json:2:33: containerDefinitions[0].memry: there is no member memry here; did you mean \"memory\"?",
        "web.toml:1:1: the member taskDefinition is missing",
        "none.toml: cannot be read: No such file or directory",
    ] {
        assert!(said.contains(fault), "no {fault:?} in\n{said}");
    }
}

#[test]
fn qd_alone_off_a_terminal_prints_the_status() {
    let user = User::new();
    user.write("quarterdeck.toml", ONE_INSTANCE);
    let output = user.run(&[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = out(&output);
    assert!(
        said.contains("cluster default: 0 of 1 instances answer"),
        "{said}"
    );
    assert!(said.contains("nowhere"), "{said}");
    assert!(said.contains("never answered: "), "{said}");
    assert!(!said.contains('\u{1b}'), "colour off a terminal: {said:?}");
}

#[test]
fn json_is_in_the_shape_of_ecs() {
    let user = User::new();
    user.write("quarterdeck.toml", ONE_INSTANCE);
    let json = |line: &[&str]| {
        let output = user.run(line);
        assert_eq!(output.status.code(), Some(0), "{line:?}: {output:?}");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let value = json(&["instance", "ls", "--output", "json"]);
    let instance = &value["containerInstances"][0];
    assert_eq!(instance["agentConnected"], false);
    let arn = instance["containerInstanceArn"].as_str().unwrap();
    assert!(
        arn.ends_with(":container-instance/default/nowhere"),
        "{arn}"
    );
    assert_eq!(
        json(&["service", "ls", "-o", "json"]),
        serde_json::json!({"services": [], "failures": []})
    );
}

#[test]
fn a_definition_is_registered_once_and_a_service_applied_only_when_it_is_meant() {
    let user = User::new();
    user.write("quarterdeck.toml", ONE_INSTANCE);
    user.write(
        "web.toml",
        "[[taskDefinition]]\nfamily = \"web\"\n\
         containerDefinitions = [{ name = \"app\", image = \"i\", memory = 64 }]\n\
         [[service]]\nserviceName = \"web\"\ntaskDefinition = \"web\"\ndesiredCount = 2\n",
    );
    let output = user.run(&["apply", "web.toml"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = err(&output);
    assert!(said.contains("+ task definition web:1"), "{said}");
    assert!(said.contains("+ service web: 2 tasks of web:1"), "{said}");
    assert!(said.contains("add --yes"), "{said}");
    assert_eq!(out(&user.run(&["taskdef", "ls"])), "");

    let output = user.run(&["apply", "--yes", "web.toml"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = err(&output);
    assert!(said.contains("registered web:1"), "{said}");
    assert!(said.contains("created service web"), "{said}");
    assert!(said.contains("qd serve"), "{said}");

    let output = user.run(&["apply", "--yes", "web.toml"]);
    let said = err(&output);
    assert!(said.contains("= task definition web:1"), "{said}");
    assert!(said.contains("Nothing to change."), "{said}");

    let output = user.run(&["plan", "web.toml"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let output = user.run(&["service", "scale", "wep", "3"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(err(&output).contains("did you mean \"web\"?"));
    let output = user.run(&["service", "scale", "web", "3"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(err(&output).contains("no place: "), "{output:?}");
    assert!(out(&user.run(&["service", "ls"])).contains("0/3"));
    let output = user.run(&["explain", "web"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(out(&output).contains("nowhere"), "{output:?}");
    let output = user.run(&["apply", "--yes", "--wait", "--timeout", "2s", "web.toml"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(err(&output).contains("without a place"), "{output:?}");
}

#[test]
fn a_plan_in_a_file_is_done_once_and_no_longer_when_the_state_has_moved() {
    let user = User::new();
    user.write("quarterdeck.toml", ONE_INSTANCE);
    let file = |image: &str| {
        format!(
            "[[taskDefinition]]\nfamily = \"web\"\n\
             containerDefinitions = [{{ name = \"app\", image = \"{image}\", memory = 64 }}]\n"
        )
    };
    user.write("web.toml", &file("web:1"));
    let plan = user.run(&["plan", "web.toml", "--output", "json"]);
    assert_eq!(plan.status.code(), Some(0), "{plan:?}");
    user.write("plan.json", &out(&plan));
    let apply = ["apply", "--plan", "plan.json"];
    let output = user.run(&apply);
    assert_eq!(output.status.code(), Some(2), "nobody can be asked");
    assert_eq!(out(&user.run(&["taskdef", "ls"])), "");
    let sure = ["apply", "--plan", "plan.json", "--yes"];
    let output = user.run(&sure);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(err(&output).contains("registered web:1"), "{output:?}");
    let output = user.run(&sure);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = err(&output);
    assert!(
        said.contains("not planned: + task definition web:2"),
        "{said}"
    );
    assert!(!out(&user.run(&["taskdef", "ls"])).contains("web:2"));

    // What is already as wanted is a plan that does nothing.
    let plan = user.run(&["plan", "web.toml", "--output", "json"]);
    user.write("plan.json", &out(&plan));
    let output = user.run(&apply);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(err(&output).contains("Nothing to change."), "{output:?}");

    for (text, says) in [
        ("{", "it is made by qd plan FILE"),
        ("{\"commands\": []}", "missing"),
    ] {
        user.write("plan.json", text);
        let output = user.run(&sure);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(err(&output).contains(says), "{output:?}");
    }
    let output = user.run(&["apply", "--plan", "nowhere.json", "--yes"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let output = user.run(&["plan", "--without", "nowere"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(
        err(&output).contains("did you mean \"nowhere\"?"),
        "{output:?}"
    );
}

#[test]
fn an_instance_that_does_not_answer_fails_the_check() {
    let user = User::new();
    user.write("quarterdeck.toml", ONE_INSTANCE);
    let output = user.run(&["instance", "check"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(out(&output).contains("unix:///nowhere/docker.sock"));
    let output = user.run(&["instance", "check", "nowere"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(err(&output).contains("did you mean \"nowhere\"?"));
}

#[test]
fn the_demo_off_a_terminal_sails_its_voyage() {
    let user = User::new();
    let output = user.run(&["demo"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(
        out(&output).to_lowercase().contains("simulated"),
        "{output:?}"
    );
}
