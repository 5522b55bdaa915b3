//! Rolling updates keep their floor, and survive `kill -9` of the control plane.

use std::collections::{BTreeMap, BTreeSet};

use super::engines::{Engines, wait_for};
use super::ship::{PATIENCE, Ship};
use super::spread::sleepers;

/// When a container ran, as text that sorts by time; an end that is not yet is `None`.
#[derive(Clone)]
struct Span {
    task: String,
    started: String,
    finished: Option<String>,
    running: bool,
}

/// Every container of the service on every engine, from the engines' own records.
fn spans(engines: &Engines, service: &str) -> Vec<Span> {
    let filter = format!("label=quarterdeck.service={service}");
    let mut all = Vec::new();
    for engine in &engines.each {
        let ids = engine.docker(&["ps", "-aq", "--no-trunc", "--filter", &filter]);
        for id in ids.lines() {
            let format = "{{.State.StartedAt}} {{.State.FinishedAt}} {{.State.Running}} \
                          {{index .Config.Labels \"quarterdeck.task-id\"}}";
            let told = engine.docker(&["inspect", "--format", format, id]);
            let mut words = told.split_whitespace();
            let started = padded(words.next().unwrap());
            let finished = padded(words.next().unwrap());
            let running = words.next() == Some("true");
            all.push(Span {
                task: words.next().unwrap().to_owned(),
                started,
                finished: (!running).then_some(finished),
                running,
            });
        }
    }
    all.retain(|span| !span.started.starts_with("0001"));
    all
}

/// RFC 3339 with nanoseconds, padded so that text order is time order.
fn padded(time: &str) -> String {
    let time = time.trim_end_matches('Z');
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, ""));
    format!("{seconds}.{fraction:0<9}")
}

/// How many ran at that moment.
fn running_at(spans: &[Span], moment: &str) -> usize {
    let up = |s: &&Span| {
        s.started.as_str() <= moment && s.finished.as_deref().is_none_or(|end| end > moment)
    };
    spans.iter().filter(up).count()
}

/// The fewest and the most that ran at once from `from` on: counted at every start and end, so
/// no moment is missed.
fn extremes(spans: &[Span], from: &str) -> (usize, usize) {
    let starts = spans.iter().map(|s| s.started.as_str());
    let ends = spans.iter().filter_map(|s| s.finished.as_deref());
    let counts: Vec<usize> = starts
        .chain(ends)
        .filter(|moment| *moment >= from)
        .map(|moment| running_at(spans, moment))
        .collect();
    (
        counts.iter().copied().min().unwrap(),
        counts.iter().copied().max().unwrap(),
    )
}

/// The spans with a task's end at the moment at which its stop was asked for: the ceiling is over
/// what is RUNNING or PENDING, and a task that stops is neither.
fn until_asked_to_stop(ship: &Ship, spans: &[Span]) -> Vec<Span> {
    let all = ship.json(&["task", "ls", "--all"]);
    let asked: BTreeMap<String, String> = all["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|task| {
            let id = task["taskArn"].as_str()?.rsplit('/').next()?.to_owned();
            let at = jiff::Timestamp::from_nanosecond((task["stoppingAt"].as_f64()? * 1e9) as i128);
            Some((id, padded(&at.ok()?.to_string())))
        })
        .collect();
    let mut spans = spans.to_vec();
    for span in &mut spans {
        if let Some(at) = asked.get(&span.task) {
            span.finished = Some(at.clone());
        }
    }
    spans
}

/// The same service with another command: a new revision.
fn revised(count: u32, more: &str, command: &str) -> String {
    sleepers("web", count, more).replace("\"100000\"", &format!("\"{command}\""))
}

#[test]
fn a_rolling_update_never_falls_below_its_floor_nor_rises_above_its_ceiling() {
    let Some(engines) = Engines::start(3) else {
        return;
    };
    let mut ship = Ship::over(&engines, 3);
    ship.serve();
    // Floor ⌈6 × 67 %⌉ = 5, ceiling ⌊6 × 134 %⌋ = 8.
    let bounds = "deploymentConfiguration = { minimumHealthyPercent = 67, maximumPercent = 134 }";
    let file = ship.file("web.toml", &revised(6, bounds, "100000"));
    ship.ok(&["apply", &file, "--yes", "--wait"]);
    ship.settles("web", 6);
    let before = spans(&engines, "web");
    let settled = before.iter().map(|s| s.started.clone()).max().unwrap();

    let file = ship.file("web2.toml", &revised(6, bounds, "200000"));
    ship.ok(&["apply", &file, "--yes", "--wait"]);
    ship.settles("web", 6);
    let after = spans(&engines, "web");
    assert_eq!(after.iter().filter(|s| s.running).count(), 6);
    assert!(
        after.len() >= 12,
        "every task was replaced: {}",
        after.len()
    );
    let (fewest, _) = extremes(&after, &settled);
    assert!(fewest >= 5, "fell to {fewest}");
    let wanted = until_asked_to_stop(&ship, &after);
    assert_eq!(wanted.iter().filter(|s| s.finished.is_none()).count(), 6);
    let (_, most) = extremes(&wanted, &settled);
    assert!(most <= 8, "rose to {most}");
    assert_eq!(
        ship.service("web")["taskDefinition"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next(),
        Some("web:2")
    );
}

#[test]
fn kill_9_in_the_middle_of_a_deployment_ends_in_the_same_place() {
    let Some(engines) = Engines::start(3) else {
        return;
    };
    let mut ship = Ship::over(&engines, 3);
    ship.serve();
    let bounds = "deploymentConfiguration = { minimumHealthyPercent = 100, maximumPercent = 134 }";
    let file = ship.file("web.toml", &revised(6, bounds, "100000"));
    ship.ok(&["apply", &file, "--yes", "--wait"]);
    ship.settles("web", 6);
    let settled = spans(&engines, "web")
        .iter()
        .map(|s| s.started.clone())
        .max()
        .unwrap();

    let file = ship.file("web2.toml", &revised(6, bounds, "200000"));
    ship.ok(&["apply", &file, "--yes"]);
    for round in 0..3 {
        let new = || -> usize {
            let filter = "label=com.amazonaws.ecs.task-definition-version=2";
            let listed = |e: &super::engines::Engine| {
                e.docker(&["ps", "-aq", "--filter", filter]).lines().count()
            };
            engines.each.iter().map(listed).sum()
        };
        wait_for("the deployment to go on", PATIENCE, || new() > round * 2);
        ship.kill_9();
        ship.serve();
    }
    ship.settles("web", 6);

    let after = spans(&engines, "web");
    assert_eq!(
        after.iter().filter(|s| s.running).count(),
        6,
        "nothing doubled"
    );
    let (fewest, _) = extremes(&after, &settled);
    assert!(fewest >= 6, "fell to {fewest}");
    // What runs is exactly what the state says: nothing orphaned, nothing made up.
    let known: BTreeSet<String> = ship
        .tasks("web")
        .iter()
        .map(|t| {
            t["taskArn"]
                .as_str()
                .unwrap()
                .rsplit('/')
                .next()
                .unwrap()
                .to_owned()
        })
        .collect();
    let mut found = BTreeSet::new();
    for engine in &engines.each {
        for id in engine.running("web") {
            let format = "{{index .Config.Labels \"quarterdeck.task-id\"}}";
            found.insert(
                engine
                    .docker(&["inspect", "--format", format, &id])
                    .trim()
                    .to_owned(),
            );
        }
    }
    assert_eq!(known, found);
    assert_eq!(found.len(), 6);
}
