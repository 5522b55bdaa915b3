//! What becomes of tasks while the state cannot be had: another server on it, its disk full.

use super::engines::{Engines, wait_for};
use super::faults::{assert_exactly, obedient, tells};
use super::ship::{PATIENCE, Ship};
use crate::serving::Small;

#[test]
fn a_second_server_and_a_full_disk_leave_tasks_alone_and_what_was_missed_is_made_up_for() {
    let Some(engines) = Engines::start(1) else {
        return;
    };
    let Some(small) = Small::mount(engines.dir.path().join("state")) else {
        return;
    };
    let mut ship = Ship::over(&engines, 1);
    ship.serve();
    let engine = &engines.each[0];
    let file = ship.file("web.toml", &obedient("web", 2, "", ""));
    ship.ok(&["apply", &file, "--yes", "--wait"]);
    let before = engine.running("web");

    let second = ship.qd(&["serve"]);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("is carried already by qd serve"), "{said}");
    assert_exactly(&ship, &engines, "web", 2);
    assert_eq!(engine.running("web"), before);

    // What the log has room for in its own file is still taken; then no more.
    small.fill();
    wait_for("a change to be refused", PATIENCE, || {
        let count = ["3", "2"].map(|count| ship.qd(&["service", "scale", "web", count, "--yes"]));
        let refused = count.iter().find(|output| !output.status.success());
        refused.is_some_and(|output| {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.contains("disk is full"), "{said}");
            true
        })
    });
    let status = ship.ok(&["status"]);
    assert!(status.contains("NOTHING IS DECIDED"), "{status}");
    let wanted = ship.service("web")["desiredCount"].as_u64().unwrap();
    // Killed now, it is not replaced: that could not be kept. The others run on.
    let running = engine.running("web");
    engine.docker(&["kill", &running[0]]);
    std::thread::sleep(std::time::Duration::from_secs(2));
    let left = engine.running("web");
    assert_eq!(left.len(), running.len() - 1, "{left:?}");
    small.make_room();
    tells(&ship, &["decided nothing for"]);
    wait_for("the replacement", PATIENCE, || {
        engine.running("web").len() as u64 == wanted
    });
    ship.settles("web", wanted);
    assert_exactly(&ship, &engines, "web", usize::try_from(wanted).unwrap());
    assert!(left.iter().all(|id| engine.running("web").contains(id)));
}
