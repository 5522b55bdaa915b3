//! The health log of a simulated container: worked out anew whenever somebody asks, from its
//! script and the time alone.

use super::container::SimContainer;
use super::dice::{between, fold_text};
use crate::docker::health::{CheckResult, HealthLog};
use crate::docker::spec::HealthSpec;
use crate::model::TimeMs;

/// How many checks a real engine keeps.
const KEPT: u64 = 5;
/// One failing check out of so many takes too long instead.
const TIMEOUTS: u64 = 4;

/// What its last checks came to; empty without a check, or before the first has ended.
pub(super) fn log(container: &SimContainer, now: TimeMs) -> HealthLog {
    let (Some(check), Some(run)) = (&container.spec.health, container.runs.last()) else {
        return HealthLog::default();
    };
    let until = run.ended.map_or(now, |(at, _)| at.min(now));
    let (healthy, unhealthy) = container.turns(run.started);
    let every = (u64::from(check.interval_s) * 1000).max(1);
    let retries = u64::from(check.retries.max(1));
    // The failures that made it unhealthy end when it becomes so, however soon that is.
    let failing = unhealthy.map(|at| {
        let step = every.min(at.since_ms(run.started) / retries).max(1);
        (TimeMs(at.0 - (retries - 1) * step), step, at)
    });
    let passed = healthy.map_or_else(Vec::new, |first| {
        let last = failing.map_or(until.0, |(at, ..)| until.0.min(at.0.saturating_sub(1)));
        ends(first.0, every, last)
    });
    let (mut failed, mut streak) = (Vec::new(), 0);
    if let Some((first, step, at)) = failing {
        failed = ends(first.0, step, until.0.min(at.0));
        failed.extend(ends(at.0 + every, every, until.0));
        streak = count(first.0, step, until.0.min(at.0)) + count(at.0 + every, every, until.0);
    }
    let passed = passed
        .into_iter()
        .map(|end| result(container, check, end, true));
    let failed = failed
        .into_iter()
        .map(|end| result(container, check, end, false));
    let all: Vec<CheckResult> = passed.chain(failed).collect();
    let kept = all.len().saturating_sub(KEPT as usize);
    HealthLog::new(streak, all.into_iter().skip(kept))
}

/// How many there are from `first` on, one each `step`, up to `last`.
fn count(first: u64, step: u64, last: u64) -> u64 {
    last.checked_sub(first).map_or(0, |span| span / step + 1)
}

/// The last of those.
fn ends(first: u64, step: u64, last: u64) -> Vec<u64> {
    let all = count(first, step, last);
    let kept = all.saturating_sub(KEPT)..all;
    kept.map(|at| first + at * step).collect()
}

fn result(container: &SimContainer, check: &HealthSpec, end: u64, passes: bool) -> CheckResult {
    let draw = fold_text(end, &container.id);
    let test = check.test.join(" ");
    let timeout_s = check.timeout_s;
    let (took, code, output) = match passes {
        true => (between(draw, 20, 90), 0, said(&test)),
        false if draw.is_multiple_of(TIMEOUTS) => (
            u64::from(timeout_s) * 1000,
            -1,
            format!("Health check exceeded timeout ({timeout_s}s)"),
        ),
        false => {
            let (code, words) = complaint(&test);
            (between(draw, 20, 90), code, format!("{words}\n"))
        }
    };
    let start = TimeMs(end.saturating_sub(took));
    CheckResult::new(Some(start), Some(TimeMs(end)), Some(code), output)
}

/// What a check says that passes.
fn said(test: &str) -> String {
    match test.contains("wget -q") || test.contains("curl -s") {
        true => String::new(),
        false => "ok\n".to_owned(),
    }
}

/// How a check fails: by the program that it runs.
fn complaint(test: &str) -> (i64, &'static str) {
    if test.contains("wget") {
        (
            1,
            "wget: server returned error: HTTP/1.1 503 Service Unavailable",
        )
    } else if test.contains("curl") {
        (22, "curl: (22) The requested URL returned error: 503")
    } else {
        (1, "not ready: it does not answer")
    }
}
