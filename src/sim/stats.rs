//! What simulated containers use: curves that wander, as a function of (seed, container, time).

use std::f64::consts::TAU;

use super::container::SimContainer;
use super::dice::{fold, fold_text, unit};
use crate::docker::StatsSample;
use crate::model::TimeMs;

const MIB: f64 = 1024.0 * 1024.0;
/// What a container without a limit is taken to have.
const MEMORY_WITHOUT_LIMIT: f64 = 256.0 * MIB;
/// What a container without shares is taken to have, in units.
const CPU_WITHOUT_SHARES: f64 = 256.0;

/// A slow wave around 0, at most 1 high.
fn wave(key: u64, n: u64, seconds: f64, period_s: f64) -> f64 {
    let phase = unit(fold(key, &[n]));
    (TAU * (seconds / period_s + phase)).sin()
}

/// A sample at `now`; nothing for a container that does not run.
pub(super) fn sample(seed: u64, container: &SimContainer, now: TimeMs) -> StatsSample {
    let limit = container.spec.memory_bytes;
    let Some(since) = container.up_since() else {
        return StatsSample {
            at: now,
            memory_limit_bytes: limit,
            ..StatsSample::default()
        };
    };
    let key = fold_text(seed, &container.id);
    let ran_ms = now.since_ms(since);
    let seconds = ran_ms as f64 / 1000.0;
    let clock_s = now.0 as f64 / 1000.0;
    let share = match container.spec.cpu_shares {
        0 => CPU_WITHOUT_SHARES,
        shares => shares as f64,
    };
    let busy = 0.25 + 0.35 * unit(fold(key, &[1]));
    let jitter = unit(fold(key, &[2, now.0 / 1000])) - 0.5;
    let load = busy
        + 0.16 * wave(key, 3, clock_s, 97.0)
        + 0.08 * wave(key, 4, clock_s, 23.0)
        + 0.10 * jitter;
    let rate = (20_000.0 + 180_000.0 * unit(fold(key, &[5]))) * busy;
    let received = carried(key, 6, rate, seconds);
    let sent = carried(key, 7, rate * (1.5 + 4.0 * unit(fold(key, &[8]))), seconds);
    let disk = rate * 0.6;
    let read = carried(key, 12, disk * unit(fold(key, &[13])), seconds);
    let written = carried(key, 14, disk * unit(fold(key, &[15])), seconds);
    StatsSample {
        at: now,
        read_bytes: Some(read as u64),
        written_bytes: Some(written as u64),
        cpu_units: (share * load).clamp(1.0, share * 1.4),
        memory_bytes: memory(key, container, seconds, clock_s) as u64,
        memory_limit_bytes: limit,
        rx_bytes: received as u64,
        tx_bytes: sent as u64,
    }
}

/// Bytes carried so far at a rate that swings by half; never goes back.
fn carried(key: u64, n: u64, rate: f64, seconds: f64) -> f64 {
    let period = 61.0;
    let phase = TAU * unit(fold(key, &[n]));
    let swing = (phase.cos() - (TAU * seconds / period + phase).cos()) * period / TAU;
    (rate * (seconds + 0.5 * swing)).max(0.0)
}

fn memory(key: u64, container: &SimContainer, seconds: f64, clock_s: f64) -> f64 {
    let limit = match container.spec.memory_bytes {
        0 => MEMORY_WITHOUT_LIMIT,
        bytes => bytes as f64,
    };
    if let Some((after_ms, death)) = container.script.exit
        && death.oom
    {
        let done = seconds * 1000.0 / (after_ms.max(1) as f64);
        return limit * (0.3 + 0.69 * done.min(1.0));
    }
    let level = 0.35 + 0.25 * unit(fold(key, &[10]));
    let warm = 1.0 - 0.5 * (-seconds / 20.0).exp();
    let collect_s = 35.0 + 20.0 * unit(fold(key, &[11]));
    let garbage = 0.10 * (seconds / collect_s).fract();
    limit * (level * warm + garbage + 0.03 * wave(key, 12, clock_s, 211.0)).clamp(0.02, 0.97)
}
