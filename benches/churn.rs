//! Whether a control plane grows: 24 simulated hours of churn on 1,000 instances with 10,000 tasks,
//! `cargo bench --bench churn`. Printed after each hour: the process's memory (RSS) and what there
//! is of everything; at the end the slope of the memory over the second half. The log is on disk, in
//! `$TMPDIR`. `QD_BENCH_SCALE=10` makes the fleet and what happens on it ten times smaller,
//! `QD_CHURN_LOAD=5` only what runs and happens on it, `QD_CHURN_HOURS=6` the time shorter.

use std::time::Instant;

use churn::{Churn, Size};

#[path = "shared/churn.rs"]
mod churn;

/// The log's bound in this run, in bytes: small enough to be reached.
const LOG_BYTES_MAX: u64 = 256 << 20;

fn number(name: &str, otherwise: usize) -> usize {
    let set = std::env::var(name).ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The process's memory in MiB, where the system tells.
fn rss_mib() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|it| it.parse::<f64>().ok());
    pages.map_or(f64::NAN, |pages| pages * 4096.0 / (1024.0 * 1024.0))
}

/// The growth by least squares, in MiB an hour.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let above: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    let below: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    above / below
}

fn main() {
    let scale = number("QD_BENCH_SCALE", 1).max(1);
    let load = scale * number("QD_CHURN_LOAD", 1).max(1);
    let hours = number("QD_CHURN_HOURS", 24).max(2);
    let size = Size {
        instances: (1_000 / scale).max(3),
        services: (200 / load).max(1),
        tasks_per_service: 50,
        exits: (1_000 / load).max(1),
        deployments: (40 / load).max(1),
        losses: (6 / load).max(1),
        drains: (4 / load).max(1),
        runs: (30 / load).max(1),
    };
    println!("{size:?}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let (Ok(runtime), Ok(dir)) = (runtime, tempfile::tempdir()) else {
        println!("no runtime, or nowhere to put the log");
        return;
    };
    runtime.block_on(async {
        let begun = Instant::now();
        let mut churn = Churn::begin(size, 7, dir.path(), LOG_BYTES_MAX).await;
        println!(
            "up: {} tasks run, {:.0} s of this machine",
            churn.serving(),
            begun.elapsed().as_secs_f64()
        );
        println!(
            "hour   RSS MiB   tasks  stopped  defs  events  deploys  history  containers    \
             changes  log MiB  seconds"
        );
        let mut points = Vec::new();
        for hour in 0..=hours {
            if hour > 0 {
                churn.hour().await;
            }
            let (rss, c) = (rss_mib(), churn.counts());
            println!(
                "{hour:>4}  {rss:>8.1}  {:>6}  {:>7}  {:>4}  {:>6}  {:>7}  {:>7}  {:>10}  {:>9}  \
                 {:>7.1}  {:>7.0}",
                c.tasks,
                c.stopped,
                c.definitions,
                c.events,
                c.deployments,
                c.history,
                c.containers,
                c.changes,
                c.log_bytes as f64 / (1024.0 * 1024.0),
                begun.elapsed().as_secs_f64()
            );
            points.push((hour as f64, rss));
        }
        let second_half = &points[points.len() / 2..];
        println!(
            "memory over the second half: {:+.2} MiB an hour",
            slope(second_half)
        );
        churn.rest().await;
        println!("at rest: {} tasks run", churn.serving());
        churn.end().await;
    });
}
