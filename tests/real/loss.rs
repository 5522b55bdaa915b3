//! Hosts that die, hang and are cut off, and the return of each.

use std::time::Duration;

use super::engines::{Engines, wait_for};
use super::ship::{PATIENCE, Ship};
use super::spread::sleepers;

const SHORT_GRACE: &str = "hostLossGracePeriodSeconds = 3";

fn total(engines: &Engines) -> usize {
    engines.each.iter().map(|e| e.running("web").len()).sum()
}

#[test]
fn a_dead_hosts_tasks_move_and_exactly_n_remain_when_it_returns() {
    let Some(mut engines) = Engines::start(3) else {
        return;
    };
    let mut ship = Ship::over(&engines, 3);
    ship.serve();
    let file = ship.file("web.toml", &sleepers("web", 6, SHORT_GRACE));
    ship.ok(&["apply", &file, "--yes", "--wait"]);
    assert_eq!(total(&engines), 6);

    engines.each[0].power_off();
    wait_for("six tasks on the two that live", PATIENCE, || {
        engines.each[1..]
            .iter()
            .map(|e| e.running("web").len())
            .sum::<usize>()
            == 6
    });
    let lost = ship.json(&["instance", "show", "e1"]);
    assert_eq!(
        lost["containerInstances"][0]["agentConnected"], false,
        "{lost:#}"
    );

    engines.each[0].power_on();
    wait_for("the host to be heard again", PATIENCE, || {
        ship.json(&["instance", "show", "e1"])["containerInstances"][0]["agentConnected"] == true
    });
    ship.settles("web", 6);
    wait_for("exactly six containers", PATIENCE, || total(&engines) == 6);
}

#[test]
fn a_host_that_is_cut_off_keeps_its_containers_and_the_surplus_goes_when_it_is_back() {
    let Some(engines) = Engines::start(3) else {
        return;
    };
    let mut ship = Ship::over(&engines, 3);
    ship.serve();
    let file = ship.file("web.toml", &sleepers("web", 6, SHORT_GRACE));
    ship.ok(&["apply", &file, "--yes", "--wait"]);

    // Cut off: its containers go on, unheard; elsewhere they are replaced.
    engines.each[2].cut();
    wait_for("eight containers, two of them unheard", PATIENCE, || {
        total(&engines) == 8
    });
    assert_eq!(engines.each[2].running("web").len(), 2);
    ship.settles("web", 6);
    engines.each[2].mend();
    wait_for("the surplus to go", PATIENCE, || total(&engines) == 6);
    ship.settles("web", 6);
}

#[test]
fn a_host_that_hangs_slows_nobody_and_comes_back_unharmed_within_its_grace() {
    let Some(engines) = Engines::start(3) else {
        return;
    };
    let mut ship = Ship::over(&engines, 3);
    ship.serve();
    let more = "hostLossGracePeriodSeconds = 600";
    let file = ship.file("web.toml", &sleepers("web", 3, more));
    ship.ok(&["apply", &file, "--yes", "--wait"]);

    engines.each[1].hang();
    wait_for("the hang to be noticed", PATIENCE, || {
        ship.json(&["instance", "show", "e2"])["containerInstances"][0]["agentConnected"] == false
    });
    // Meanwhile the others take a whole new service.
    let file = ship.file("api.toml", &sleepers("api", 4, ""));
    ship.ok(&["apply", &file, "--yes", "--wait", "--timeout", "60s"]);
    assert_eq!(
        engines.each[0].running("api").len() + engines.each[2].running("api").len(),
        4
    );
    engines.each[1].thaw();
    wait_for("it to answer again", PATIENCE, || {
        ship.json(&["instance", "show", "e2"])["containerInstances"][0]["agentConnected"] == true
    });
    ship.settles("web", 3);
    std::thread::sleep(Duration::from_secs(1));
    let counts: Vec<usize> = engines
        .each
        .iter()
        .map(|e| e.running("web").len())
        .collect();
    assert_eq!(
        counts,
        [1, 1, 1],
        "nothing was replaced within the grace period"
    );
}
