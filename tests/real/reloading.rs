//! The config read anew, and ends of `qd serve`, over real engines: containers go on.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Stdio};

use rustix::process::Signal;

use super::engines::{Engines, wait_for};
use super::ship::{PATIENCE, Ship};
use super::spread::sleepers;

/// A config of these instances, the first with one attribute more.
fn config(engines: &Engines, indexes: &[usize], more: &str) -> String {
    let mut text = String::from("[[cluster]]\nname = \"default\"\n");
    for (place, index) in indexes.iter().enumerate() {
        let engine = &engines.each[*index];
        text += &Ship::tls_instance(engines, &engine.name, &engine.address);
        text += &format!("availability_zone = \"z{index}\"\n");
        if place == 0 {
            text += more;
        }
    }
    text
}

/// The lines that a following `qd logs` has printed so far.
struct Following {
    child: Child,
    file: std::path::PathBuf,
}

impl Following {
    fn of(ship: &Ship, engines: &Engines, target: &str) -> Self {
        let file = engines.dir.path().join("followed");
        let out = fs::File::create(&file).unwrap();
        let child = ship
            .following(&["logs", target, "-f"])
            .stdout(out)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, file }
    }

    fn lines(&self) -> usize {
        fs::read_to_string(&self.file).unwrap().lines().count()
    }

    fn goes_on(&self) {
        let now = self.lines();
        wait_for("more lines", PATIENCE, || self.lines() > now + 2);
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connections(ship: &Ship, name: &str) -> usize {
    let log = ship.log();
    let of = format!("connected instance={name} ");
    log.lines().filter(|line| line.contains(&of)).count()
}

#[test]
fn a_reload_adds_changes_and_removes_instances_and_the_others_do_not_notice() {
    let Some(engines) = Engines::start(3) else {
        return;
    };
    let mut ship = Ship::with_config(&engines, &config(&engines, &[0, 1], ""));
    ship.serve();
    let chatty = sleepers("web", 2, "").replace(
        "[\"sleep\", \"100000\"]",
        "[\"sh\", \"-c\", \"while true; do echo line; sleep 0.2; done\"]",
    );
    let file = ship.file("web.toml", &chatty);
    ship.ok(&["apply", &file, "--yes", "--wait"]);
    let followed = Following::of(&ship, &engines, "web");
    followed.goes_on();
    ship.ok(&["instance", "drain", "e2", "--wait"]);
    ship.settles("web", 2);
    let before = engines.each[0].running("web");
    assert_eq!(before.len(), 2);

    let attribute = "attributes = { disk = \"ssd\" }\n";
    ship.rewrite_config(&config(&engines, &[0, 2], attribute));
    ship.signal(Signal::HUP);
    wait_for("e3 to be heard", PATIENCE, || {
        let listed = ship.json(&["instance", "ls"]);
        let all = listed["containerInstances"].as_array().cloned().unwrap();
        let heard = |name: &str| {
            let ends = |arn: &str| arn.ends_with(&format!("/{name}"));
            all.iter().any(|it| {
                it["containerInstanceArn"].as_str().is_some_and(ends)
                    && it["agentConnected"] == true
            })
        };
        all.len() == 2 && heard("e1") && heard("e3")
    });
    let shown = ship.json(&["instance", "show", "e1"]).to_string();
    assert!(
        shown.contains("\"disk\"") && shown.contains("\"ssd\""),
        "{shown}"
    );
    assert_eq!(engines.each[0].running("web"), before, "e1's containers");
    assert_eq!((connections(&ship, "e1"), connections(&ship, "e3")), (1, 1));
    followed.goes_on();
    let log = ship.log();
    let words = "instance e3 added; instance e2 removed; \
                 instance e1 (attributes.disk = ssd) changed";
    assert!(log.contains(words), "{log}");
    ship.ok(&["service", "scale", "web", "4", "--wait"]);
    assert_eq!(engines.each[2].running("web").len(), 2);

    // What would leave tasks behind is refused in the words of a start, and nothing changes.
    ship.rewrite_config(&config(&engines, &[0], attribute));
    ship.signal(Signal::HUP);
    wait_for("the refusal", PATIENCE, || {
        ship.log()
            .contains("the fleet would lose 1 instance with 2 tasks")
    });
    assert_eq!(engines.each[2].running("web").len(), 2);
    assert_eq!(engines.each[0].running("web"), before);
}

#[test]
fn a_server_ends_cleanly_in_the_middle_of_a_pull_and_containers_go_on() {
    let Some(engines) = Engines::start(1) else {
        return;
    };
    let engine = &engines.each[0];
    let mut ship = Ship::over(&engines, 1);
    ship.serve();
    let file = ship.file("web.toml", &sleepers("web", 3, ""));
    ship.ok(&["apply", &file, "--yes", "--wait"]);
    let before = engine.running("web");
    assert_eq!(before.len(), 3);

    // A registry that takes connections and says nothing.
    let registry = TcpListener::bind((engines.host_address(), 0)).unwrap();
    let image = format!("{}/slow:1", registry.local_addr().unwrap());
    let slow = sleepers("slow", 1, "").replace("qd-test:1", &image);
    let file = ship.file("slow.toml", &slow);
    ship.ok(&["apply", &file, "--yes"]);
    let (connection, _) = registry.accept().unwrap();
    for signal in [Signal::TERM, Signal::INT] {
        ship.signal(signal);
        assert_eq!(ship.ended(), Some(0), "{}", ship.log());
        assert_eq!(engine.running("web"), before);
        ship.serve();
        ship.settles("web", 3);
        assert_eq!(engine.running("web"), before, "they were taken up again");
    }
    drop(connection);
}
