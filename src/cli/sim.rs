//! `qd sim`: storms over simulated fleets, seed by seed.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use super::args::Output;
use super::error::{CliError, CliResult};
use super::out;
use crate::sim::storm::{Outcome, storm};

/// So many seeds that failed are told with what happened in them.
const TOLD_MAX: usize = 5;

/// `sim`.
#[derive(Clone, Debug, Args)]
pub struct Sim {
    /// How many seeds
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub seeds: u64,
    /// The first of them
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub from: u64,
    /// This seed and no other
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "from", "threads"])]
    pub seed: Option<u64>,
    /// With --seed: tell every step as it happens
    #[arg(long, requires = "seed")]
    pub trace: bool,
    /// Simulated hours in which things happen, for each seed; what it takes to settle comes on top
    #[arg(long, value_name = "H", default_value_t = 0.5)]
    pub hours: f64,
    /// Seeds at a time; else as many as there are cores
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub threads: Option<u8>,
}

/// Runs the seeds that were asked for. A failure is exit code 1.
pub(super) fn run(asked: &Sim, output: Output) -> CliResult {
    let length = Duration::try_from_secs_f64(asked.hours * 3600.0)
        .map_err(|error| CliError::Usage(format!("--hours {}: {error}", asked.hours)))?;
    let begun = Instant::now();
    let (outcomes, threads) = match asked.seed {
        Some(seed) => {
            let aloud: Option<fn(&str)> = asked.trace.then_some(print);
            (vec![one(seed, length, aloud)?], 1)
        }
        None => several(asked, length)?,
    };
    let took = begun.elapsed().as_secs_f64().max(f64::EPSILON);
    let failed: Vec<_> = outcomes.iter().filter(|it| it.failure.is_some()).collect();
    if output == Output::Json {
        out::json(&as_json(&outcomes))?;
    } else {
        for outcome in failed.iter().take(TOLD_MAX) {
            tell(outcome, asked)?;
        }
        if let [outcome] = outcomes.as_slice() {
            out::line(format!(
                "seed {}: {} s simulated, {} calls to engines, {} changes, {} torn, trace {:016x}",
                outcome.seed,
                outcome.simulated_ms / 1000,
                outcome.calls,
                outcome.changes,
                out::count(usize::try_from(outcome.torn).unwrap_or(usize::MAX), "write"),
                outcome.hash
            ))?;
        } else {
            out::line(summary(&outcomes, took, threads))?;
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(CliError::Told),
    }
}

fn print(line: &str) {
    // A reader that went away reads nothing more; the run goes on to its end.
    let _ = out::line(line);
}

fn one(seed: u64, length: Duration, aloud: Option<fn(&str)>) -> CliResult<Outcome> {
    storm(seed, length, aloud)
        .map_err(|error| CliError::Failed(format!("seed {seed} did not run: {error}")))
}

/// Each thread takes the next seed; a seed has one thread for itself.
fn several(asked: &Sim, length: Duration) -> CliResult<(Vec<Outcome>, usize)> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = asked.threads.map_or(cores, usize::from);
    let next = AtomicU64::new(0);
    let outcomes = Mutex::new(Vec::new());
    let work = || -> CliResult {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= asked.seeds {
                return Ok(());
            }
            let outcome = one(asked.from.wrapping_add(index), length, None)?;
            let mut all = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(outcome);
        }
    };
    let broken = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let ended = all.into_iter().map(std::thread::ScopedJoinHandle::join);
        let ended: Vec<_> = ended.collect();
        ended
    });
    for ended in broken {
        match ended {
            Ok(result) => result?,
            Err(_panic) => {
                return Err(CliError::Failed(
                    "a simulation broke down; what it said is above".to_owned(),
                ));
            }
        }
    }
    let mut outcomes = outcomes
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by_key(|it: &Outcome| it.seed);
    Ok((outcomes, threads))
}

fn tell(outcome: &Outcome, asked: &Sim) -> CliResult {
    for line in &outcome.last {
        out::line(line)?;
    }
    if let Some(failure) = &outcome.failure {
        out::line(format!("seed {} failed {failure}", outcome.seed))?;
    }
    out::line(format!(
        "all that happened in it: qd sim --seed {} --hours {} --trace\n",
        outcome.seed, asked.hours
    ))
}

fn summary(outcomes: &[Outcome], took: f64, threads: usize) -> String {
    let failed: Vec<String> = outcomes
        .iter()
        .filter(|it| it.failure.is_some())
        .map(|it| it.seed.to_string())
        .collect();
    let hours: f64 = outcomes
        .iter()
        .map(|it| it.simulated_ms as f64 / 3_600_000.0)
        .sum();
    let sum = |count: fn(&Outcome) -> u64| outcomes.iter().map(count).sum::<u64>();
    let failures = match failed.as_slice() {
        [] => "none failed".to_owned(),
        some => format!("{} failed: {}", some.len(), some.join(" ")),
    };
    format!(
        "{} in {took:.1} s on {}, {failures}\n\
         {} seeds and {} simulated hours a second; {} simulated hours, {} calls to engines, {} \
         changes, {} writes torn",
        out::count(outcomes.len(), "seed"),
        out::count(threads, "thread"),
        digits(outcomes.len() as f64 / took),
        digits(hours / took),
        digits(hours),
        sum(|it| it.calls),
        sum(|it| it.changes),
        sum(|it| it.torn),
    )
}

/// A figure with three digits that say something, and no more.
fn digits(figure: f64) -> String {
    match figure {
        100.0.. => format!("{figure:.0}"),
        10.0.. => format!("{figure:.1}"),
        1.0.. => format!("{figure:.2}"),
        _ => format!("{figure:.3}"),
    }
}

fn as_json(outcomes: &[Outcome]) -> serde_json::Value {
    let seeds = outcomes.iter().map(|it| {
        json!({
            "seed": it.seed, "failure": it.failure.as_ref().map(ToString::to_string),
            "trace": format!("{:016x}", it.hash), "simulatedMs": it.simulated_ms,
            "calls": it.calls, "changes": it.changes, "torn": it.torn,
        })
    });
    json!({ "seeds": seeds.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::digits;

    #[test]
    fn a_short_run_is_not_told_as_none() {
        let told = [0.0217, 0.4, 1.234, 56.78, 1_234.5].map(digits);
        assert_eq!(told, ["0.022", "0.400", "1.23", "56.8", "1234"]);
    }
}
