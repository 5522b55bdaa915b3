//! A container that writes as fast as it can.

use portable_pty::CommandBuilder;

use super::engines::Engines;
use super::ship::Ship;
use crate::pty::Session;

/// As fast as the engine takes them, for long enough to look; then quiet.
const FLOOD: &str = r#"
[[taskDefinition]]
family = "flood"
[[taskDefinition.containerDefinitions]]
name = "app"
image = "qd-test:1"
command = ["sh", "-c", "busybox yes 'a line of the flood' | busybox head -n 4000000; sleep 100000"]
memory = 64
stopTimeout = 1
"#;

#[test]
fn keys_are_answered_while_logs_flood_and_what_was_let_go_is_counted() {
    let Some(engines) = Engines::start(1) else {
        return;
    };
    let mut ship = Ship::over(&engines, 1);
    ship.serve();
    let file = ship.file("flood.toml", FLOOD);
    ship.ok(&["taskdef", "register", &file]);
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_qd"));
    command.args(ship.global());
    command.env("TERM", "xterm-256color");
    command.env("LANG", "C.UTF-8");
    let mut session = Session::start(command, 120, 40);
    session.wait_for("ACTIVE");
    ship.ok(&["run", "flood", "--wait"]);
    session.press("2a");
    session.wait_for("RUNNING");
    session.press("l");
    session.wait_for("a line of the flood");
    for _ in 0..5 {
        session.press("w");
        session.wait_for("wrapped");
        session.press("w");
        session.wait("lines that are cut", |screen| {
            !screen.contents().contains("wrapped")
        });
    }
    session.wait_for("dropped");
    session.press("q");
    session.wait_for("Services");
    session.press("q");
    assert_eq!(session.end(), 0);
    session.assert_given_back();
}
