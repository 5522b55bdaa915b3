//! A failing health check says why.

use serde_json::Value;

use super::engines::{Engines, wait_for};
use super::ship::{PATIENCE, Ship};

const DEFINITION: &str = r#"
[[taskDefinition]]
family = "sick"
[[taskDefinition.containerDefinitions]]
name = "app"
image = "qd-test:1"
command = ["sleep", "100000"]
memory = 32
stopTimeout = 1
healthCheck = { command = ["CMD-SHELL", "echo no anchor; echo on the second line >&2; exit 7"], interval = 5, timeout = 2, retries = 2 }
[[taskDefinition.containerDefinitions]]
name = "slow"
image = "qd-test:1"
command = ["sleep", "100000"]
memory = 32
stopTimeout = 1
healthCheck = { command = ["CMD-SHELL", "sleep 100"], interval = 5, timeout = 2 }
"#;

#[test]
fn a_failing_health_check_tells_its_output_and_exit_code_and_a_lost_host_that_it_cannot() {
    let Some(mut engines) = Engines::start(1) else {
        return;
    };
    let mut ship = Ship::over(&engines, 1);
    ship.serve();
    let file = ship.file("sick.toml", DEFINITION);
    ship.ok(&["taskdef", "register", &file]);
    let run = ship.json(&["run", "sick"]);
    let arn = run["tasks"][0]["taskArn"].as_str().unwrap();
    let id = arn.rsplit('/').next().unwrap().to_owned();
    let mut logs = Value::Null;
    wait_for("two checks to have failed", PATIENCE, || {
        logs = ship.json(&["task", "health", &id]);
        let streak = |at: usize| logs["containers"][at]["healthLog"]["failingStreak"].as_u64();
        streak(0) >= Some(2) && streak(1) >= Some(1)
    });
    let newest = |at: usize| &logs["containers"][at]["healthLog"]["log"][0];
    assert_eq!(newest(0)["exitCode"], 7, "{logs:#}");
    // The two outputs of a program come in either order.
    let output = newest(0)["output"].as_str().unwrap();
    assert!(output.contains("no anchor\n") && output.contains("on the second line\n"));
    assert!(newest(0)["end"].as_u64() >= newest(0)["start"].as_u64());
    assert_eq!(newest(1)["exitCode"], -1, "{logs:#}");

    let said = ship.ok(&["task", "show", &id]);
    for words in [
        "HEALTH LOG OF app",
        "every 5 s · timeout 2 s · unhealthy at 2 failures in a row",
        "failures in a row",
        "failed, exit 7",
        "  on the second line",
        "HEALTH LOG OF slow",
        "failed, timed out",
    ] {
        assert!(said.contains(words), "no {words:?} in {said}");
    }

    // The host is gone: that is said, and no empty log.
    engines.each[0].end_daemon();
    let mut said = String::new();
    wait_for("the lost host to be told", PATIENCE, || {
        let output = ship.qd(&["task", "health", &id]);
        said = String::from_utf8_lossy(&output.stderr).into_owned();
        !output.status.success() && said.contains("e1")
    });
    let shown = ship.qd(&["task", "show", &id]);
    assert!(shown.status.success(), "the rest is told all the same");
    let said = String::from_utf8_lossy(&shown.stderr).into_owned();
    assert!(said.contains("health log: not known now: "), "{said}");
}
