//! How soon what is killed runs again, and how fast a fleet fills: three real engines on this
//! machine, ours beside Docker Swarm's on the same engines in the same run, and beside what the
//! engines' own API gives. `cargo bench --bench fleet` prints one table.
//!
//! Needs what the tests on real engines need (`tests/real/engines.rs`), and `iptables`. The image
//! is the machine's static busybox; no registry is asked, Swarm runs it by its id.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

#[path = "../tests/real/engines.rs"]
mod engines;
#[path = "fleet/ours.rs"]
mod ours;
#[path = "fleet/plain.rs"]
mod plain;
#[path = "shared/ours.rs"]
mod plane;
#[path = "fleet/swarm.rs"]
mod swarm;

use std::process::{Command, Stdio};
use std::time::Duration;

use engines::{Engine, Engines, IMAGE};
use quarterdeck::docker::transport::{Dial, Route, Transport};

/// Killed containers.
const KILLS: usize = 9;
/// Killed containers of Swarm's, which takes longer.
const SWARM_KILLS: usize = 5;
/// Containers started in one go over three engines.
const TASKS: usize = 40;
/// How often they are.
const FILLS: usize = 3;
/// Killed engines.
const LOSSES: usize = 3;
/// Tasks over three engines when one is killed.
const SPREAD: usize = 6;
/// What the engines' own API is tried with, containers at a time over all three; its best counts.
const PARALLELISM: [usize; 3] = [3, 6, 12];
/// What a wait must not exceed, so that a fault does not hang the bench.
const PATIENCE: Duration = Duration::from_secs(180);
/// What every container runs.
const COMMAND: [&str; 2] = ["sleep", "100000"];
/// What every container may have, in MiB.
const MEMORY_MIB: u64 = 16;

fn main() {
    // `cargo test --all-targets` builds and runs benches too; they are not for that.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("fleet bench: run it with: cargo bench --bench fleet");
        return;
    }
    let Some(mut engines) = Engines::start(3) else {
        return;
    };
    engines.let_them_talk();
    let image = same_image(&engines);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    println!("fleet bench: load before: {}", load.trim());
    let rows = runtime.block_on(bench(&mut engines, &image));
    println!("\n| | n | median | min–max |\n|---|---|---|---|");
    for row in rows {
        println!("{row}");
    }
}

async fn bench(engines: &mut Engines, image: &str) -> Vec<String> {
    let mut rows = Vec::new();
    let mut row = |what: &str, seconds: Vec<f64>| {
        let row = row(what, seconds);
        println!("{row}");
        rows.push(row);
    };
    let one = plain::one_by_one(engines, KILLS).await;
    row("one plain create and start", one);
    let ours = ours::kills(engines, KILLS).await;
    row("`docker kill` to replacement RUNNING, Quarterdeck", ours);
    let mut best: Option<(usize, Vec<f64>)> = None;
    for parallel in PARALLELISM {
        let seconds = plain::fills(engines, parallel, FILLS - 1).await;
        if best
            .as_ref()
            .is_none_or(|(_, b)| median(&seconds) < median(b))
        {
            best = Some((parallel, seconds));
        }
    }
    let (parallel, seconds) = best.unwrap();
    let what = format!(
        "{TASKS} containers over three engines, the engines' own API ({parallel} at a time, the \
         best of {PARALLELISM:?})"
    );
    row(&what, seconds);
    let filled = ours::fills(engines, FILLS).await;
    row(
        &format!("{TASKS} containers over three engines, Quarterdeck"),
        filled,
    );
    for (grace_s, n) in [(0, LOSSES), (30, 1)] {
        let lost = ours::losses(engines, grace_s, n).await;
        let what = format!(
            "engine killed to its tasks RUNNING elsewhere, Quarterdeck, {grace_s} s of it grace"
        );
        row(&what, lost);
    }
    let swarm = swarm::Swarm::over(engines, image).await;
    for delay_s in [5, 0] {
        let kills = swarm.kills(engines, delay_s, SWARM_KILLS).await;
        let default = if delay_s == 5 { ", its default" } else { "" };
        let what = format!(
            "`docker kill` to replacement running, Swarm, restart delay {delay_s} s{default}"
        );
        row(&what, kills);
    }
    let filled = swarm.fills(engines, FILLS).await;
    row(
        &format!("{TASKS} containers over three engines, Swarm"),
        filled,
    );
    let lost = swarm.losses(engines, LOSSES).await;
    row("engine killed to its tasks running elsewhere, Swarm", lost);
    swarm.leave(engines);
    rows
}

fn row(what: &str, mut seconds: Vec<f64>) -> String {
    seconds.sort_by(f64::total_cmp);
    let (first, last) = (seconds[0], seconds[seconds.len() - 1]);
    format!(
        "| {what} | {} | {} | {}–{} |",
        seconds.len(),
        time(median(&seconds)),
        time(first),
        time(last)
    )
}

fn time(seconds: f64) -> String {
    match seconds < 1.0 {
        true => format!("{:.0} ms", seconds * 1000.0),
        false => format!("{seconds:.1} s"),
    }
}

fn median(seconds: &[f64]) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    f64::midpoint(low, high)
}

/// Gives every engine the very image of the first, and tells its id.
fn same_image(engines: &Engines) -> String {
    let file = engines.dir.path().join("same.tar");
    let file = file.to_str().unwrap();
    engines.each[0].docker(&["save", "-o", file, IMAGE]);
    for engine in &engines.each[1..] {
        engine.docker(&["load", "-q", "-i", file]);
    }
    let id = engines.each[0].docker(&["image", "inspect", "-f", "{{.Id}}", IMAGE]);
    id.trim().to_owned()
}

/// A straight way to an engine.
fn transport(engine: &Engine) -> Transport {
    Transport::new(Route {
        endpoint: engine.socket().display().to_string(),
        dial: Dial::Unix(engine.socket()),
        explain: None,
    })
}

/// Removes every container. One may be about to go by itself, which is no error.
fn sweep(engines: &Engines) {
    for engine in &engines.each {
        let host = format!("unix://{}", engine.socket().display());
        engines::wait_for("the containers to go", PATIENCE, || {
            let ids = engine.docker(&["ps", "-aq"]);
            if ids.is_empty() {
                return true;
            }
            let mut remove = Command::new("docker");
            remove.args(["-H", &host, "rm", "-f"]).args(ids.lines());
            remove.stdout(Stdio::null()).stderr(Stdio::null());
            remove.status().unwrap();
            false
        });
    }
}
