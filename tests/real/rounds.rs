//! `kill -9` of `qd serve` at random moments, again and again.

use std::time::{Duration, Instant};

use super::engines::{Engines, wait_for};
use super::faults::{obedient, told_and_found};
use super::ship::{PATIENCE, Ship};

/// How many rounds are run where `QD_KILL_ROUNDS` says nothing.
const ROUNDS: u64 = 6;
/// The latest moment of a kill after its deployment was asked for.
const LATEST_MS: u64 = 4_000;

/// Where `qd taskdef show` says in which round a definition was made.
const ROUND_OF: &str = "/taskDefinition/containerDefinitions/0/environment/0/value";

/// A well-mixed number for each round, so that a failure can be run again.
fn moment_ms(seed: u64, round: u64) -> u64 {
    let mixed =
        (seed ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (mixed ^ (mixed >> 32)) % LATEST_MS
}

fn number(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn the_server_killed_at_random_moments_of_deployments_loses_doubles_and_orphans_nothing() {
    let Some(engines) = Engines::start(2) else {
        return;
    };
    let rounds = number("QD_KILL_ROUNDS", ROUNDS);
    let seed = number("QD_KILL_SEED", 1);
    let mut ship = Ship::over(&engines, 2);
    ship.serve();
    let (mut acknowledged, mut unanswered) = (0, 0);
    let begun = Instant::now();
    for round in 1..=rounds {
        let count = 3 + u32::try_from(round % 3).unwrap();
        let mark = format!("environment = [{{ name = \"ROUND\", value = \"{round}\" }}]");
        let text = obedient("web", count, &mark, "");
        let file = ship.file("web.toml", &text);
        let mut apply = ship.spawn(&["apply", &file, "--yes"]);
        let wait = moment_ms(seed, round);
        let what = format!("round {round} (seed {seed}, killed after {wait} ms)");
        std::thread::sleep(Duration::from_millis(wait));
        ship.kill_9();
        let answered = apply.wait().unwrap().success();
        ship.serve();
        if answered {
            acknowledged += 1;
        } else {
            // Nobody was told that it was done: it is asked for again.
            unanswered += 1;
            ship.ok(&["apply", &file, "--yes"]);
        }
        let kept = ship.service("web");
        assert_eq!(kept["desiredCount"], count, "{what}: {kept:#}");
        let definition = kept["taskDefinition"].as_str().unwrap();
        let definition = definition.rsplit('/').next().unwrap();
        let definition = ship.json(&["taskdef", "show", definition]);
        let value = definition.pointer(ROUND_OF).cloned().unwrap_or_default();
        assert_eq!(value, round.to_string(), "{what}: {definition:#}");
        ship.settles("web", u64::from(count));
        wait_for(
            &format!("exactly what is wanted, in {what}"),
            PATIENCE,
            || {
                let (told, found) = told_and_found(&ship, &engines, "web");
                found.len() == count as usize && told == found.into_iter().collect()
            },
        );
    }
    println!(
        "{rounds} rounds of kill -9 in {} s: {acknowledged} commands acknowledged and kept, \
         {unanswered} not answered and asked again; none lost, doubled or orphaned",
        begun.elapsed().as_secs()
    );
}
