//! A container's health log: what its last health checks came to. Read when somebody asks, never
//! kept. Pure, and bounded whatever an engine sends.

use serde::{Deserialize, Serialize};

use crate::model::TimeMs;
use crate::model::task_definition::HealthCheck;

/// Health checks told of one container at most; an engine keeps five.
pub const CHECKS_MAX: usize = 10;
/// Output told of one health check at most, in bytes; an engine keeps as much.
pub const OUTPUT_BYTES_MAX: usize = 4 * 1024;
/// How an engine's output begins for a check that took too long.
const TIMED_OUT: &str = "Health check exceeded timeout";
/// The exit code that an engine gives a check that did not come to its end.
const NO_END: i64 = -1;

/// What a container's last health checks came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthLog {
    /// How many checks failed in a row, to the newest.
    pub failing_streak: u64,
    /// The checks that the engine has kept, newest first; at most [`CHECKS_MAX`].
    pub log: Vec<CheckResult>,
    /// How many older ones the engine had, beyond that.
    #[serde(default)]
    pub older_left_out: u64,
}

/// One health check that has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckResult {
    /// When it began, in the engine's clock; `None` = the engine did not say.
    pub start: Option<TimeMs>,
    /// When it ended, in the engine's clock; `None` = the engine did not say.
    pub end: Option<TimeMs>,
    /// 0 = healthy; -1 = it did not come to its end, and the output says why; `None` = the engine
    /// did not say.
    pub exit_code: Option<i64>,
    /// What it wrote, at most [`OUTPUT_BYTES_MAX`] bytes: may hold control sequences.
    pub output: String,
    /// Whether it wrote more than that.
    #[serde(default)]
    pub output_cut: bool,
}

/// How a health check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It said that the container is healthy.
    Passed,
    /// It ended with this code.
    Failed(i64),
    /// It took too long.
    TimedOut,
    /// It could not be run, or its end is not known.
    Broken,
}

impl Outcome {
    /// In words.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Passed => "passed, exit 0".to_owned(),
            Self::Failed(code) => format!("failed, exit {code}"),
            Self::TimedOut => "failed, timed out".to_owned(),
            Self::Broken => "failed, could not be run".to_owned(),
        }
    }
}

impl CheckResult {
    /// A check's result, its output bounded. Times are as the engine told them.
    #[must_use]
    pub fn new(
        start: Option<TimeMs>,
        end: Option<TimeMs>,
        exit_code: Option<i64>,
        mut output: String,
    ) -> Self {
        let output_cut = output.len() > OUTPUT_BYTES_MAX;
        if output_cut {
            let mut end = OUTPUT_BYTES_MAX;
            while !output.is_char_boundary(end) {
                end -= 1;
            }
            output.truncate(end);
            output.shrink_to_fit();
        }
        Self {
            start,
            end,
            exit_code,
            output,
            output_cut,
        }
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.exit_code {
            Some(0) => Outcome::Passed,
            Some(NO_END) if self.output.starts_with(TIMED_OUT) => Outcome::TimedOut,
            Some(NO_END) | None => Outcome::Broken,
            Some(code) => Outcome::Failed(code),
        }
    }

    /// How long it took, in milliseconds; `None` if the engine did not say.
    #[must_use]
    pub fn took_ms(&self) -> Option<u64> {
        let (start, end) = (self.start?, self.end?);
        (end >= start).then(|| end.since_ms(start))
    }

    /// How it ended and how long it took: `failed, exit 1 · took 40 ms`.
    #[must_use]
    pub fn words(&self) -> String {
        let took = match self.took_ms() {
            Some(ms @ ..1_000) => format!(" · took {ms} ms"),
            Some(ms) => format!(" · took {}.{} s", ms / 1_000, ms % 1_000 / 100),
            None => String::new(),
        };
        format!("{}{took}", self.outcome().words())
    }

    /// The lines that it wrote, without empty ones at the end; after them, that it was cut.
    #[must_use]
    pub fn lines(&self) -> Vec<&str> {
        let mut lines: Vec<&str> = self.output.trim_end().lines().collect();
        if self.output_cut {
            lines.push("(more than 4 KiB: the rest is not kept)");
        }
        lines
    }
}

impl HealthLog {
    /// A log of the checks that an engine has kept, oldest first as it tells them, bounded.
    #[must_use]
    pub fn new(
        failing_streak: u64,
        oldest_first: impl DoubleEndedIterator<Item = CheckResult>,
    ) -> Self {
        let mut newest_first = oldest_first.rev();
        let log: Vec<CheckResult> = newest_first.by_ref().take(CHECKS_MAX).collect();
        Self {
            failing_streak,
            log,
            older_left_out: newest_first.count() as u64,
        }
    }

    /// `3 failures in a row`; `None` if the newest check passed, or there was none.
    #[must_use]
    pub fn streak_words(&self) -> Option<String> {
        match self.failing_streak {
            0 => None,
            1 => Some("1 failure".to_owned()),
            n => Some(format!("{n} failures in a row")),
        }
    }

    /// That older checks are not told; `None` if all are.
    #[must_use]
    pub fn left_out_words(&self) -> Option<String> {
        match self.older_left_out {
            0 => None,
            1 => Some("1 older check is not shown".to_owned()),
            n => Some(format!("{n} older checks are not shown")),
        }
    }
}

/// What is said of a check that has not run yet.
pub const NONE_YET: &str = "No check has ended yet.";
/// What is said of a container that its engine has no more.
pub const CONTAINER_GONE: &str = "The engine has this container no more, nor its health log.";

/// A health check's command: `CMD-SHELL curl -f http://localhost/`.
#[must_use]
pub fn command_words(check: &HealthCheck) -> String {
    check.command.join(" ")
}

/// When a health check is made, and what comes of failures, with ECS's defaults filled in.
#[must_use]
pub fn rule_words(check: &HealthCheck) -> String {
    let spec = super::spec::health(check);
    let start = match spec.start_period_s {
        0 => String::new(),
        s => format!(" · start period {s} s"),
    };
    let retries = match spec.retries {
        1 => "unhealthy at 1 failure".to_owned(),
        n => format!("unhealthy at {n} failures in a row"),
    };
    format!(
        "every {} s · timeout {} s · {retries}{start}",
        spec.interval_s, spec.timeout_s
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(code: Option<i64>, output: &str) -> CheckResult {
        CheckResult::new(
            Some(TimeMs(1_000)),
            Some(TimeMs(1_040)),
            code,
            output.into(),
        )
    }

    #[test]
    fn the_newest_come_first_and_what_is_too_much_is_counted() {
        let all = (0..1_000).map(|n| result(Some(n), ""));
        let log = HealthLog::new(7, all);
        let codes: Vec<_> = log.log.iter().filter_map(|it| it.exit_code).collect();
        assert_eq!(codes, (990..1_000).rev().collect::<Vec<_>>());
        assert_eq!(log.older_left_out, 990);
        assert_eq!(
            log.left_out_words().as_deref(),
            Some("990 older checks are not shown")
        );
        let few = HealthLog::new(0, (0..3).map(|n| result(Some(n), "")));
        assert_eq!((few.log.len(), few.older_left_out), (3, 0));
    }

    #[test]
    fn a_long_output_is_cut_between_characters_and_that_is_told() {
        let long = format!("x{}", "ü".repeat(1 << 19));
        let cut = result(Some(1), &long);
        assert!(cut.output_cut && cut.output.len() <= OUTPUT_BYTES_MAX);
        assert!(cut.output.len() >= OUTPUT_BYTES_MAX - 1 && long.starts_with(&cut.output));
        assert_eq!(
            cut.lines().last(),
            Some(&"(more than 4 KiB: the rest is not kept)")
        );
        let fits = result(Some(1), &"x".repeat(OUTPUT_BYTES_MAX));
        assert!(!fits.output_cut);
        assert_eq!(result(Some(0), "a\n\nb\n\n\n").lines(), ["a", "", "b"]);
        assert_eq!(result(Some(0), "").lines(), Vec::<&str>::new());
    }

    #[test]
    fn an_end_is_told_from_no_end() {
        let words = |code, output| result(code, output).words();
        assert_eq!(words(Some(0), "ok"), "passed, exit 0 · took 40 ms");
        assert_eq!(words(Some(22), "curl"), "failed, exit 22 · took 40 ms");
        assert_eq!(
            words(Some(-1), "Health check exceeded timeout (5s)"),
            "failed, timed out · took 40 ms"
        );
        assert_eq!(
            words(Some(-1), "OCI runtime exec failed: no such file"),
            "failed, could not be run · took 40 ms"
        );
        let unknown = CheckResult::new(None, Some(TimeMs(5)), None, String::new());
        assert_eq!(unknown.words(), "failed, could not be run");
        let backwards = CheckResult::new(Some(TimeMs(9)), Some(TimeMs(5)), Some(0), String::new());
        assert_eq!(backwards.took_ms(), None);
        assert_eq!(
            HealthLog::new(3, std::iter::empty())
                .streak_words()
                .as_deref(),
            Some("3 failures in a row")
        );
        assert_eq!(HealthLog::default().streak_words(), None);
    }

    #[test]
    fn the_rule_has_ecs_defaults() {
        let check = HealthCheck {
            command: vec!["CMD-SHELL".into(), "true".into()],
            interval: None,
            timeout: None,
            retries: None,
            start_period: Some(10),
        };
        assert_eq!(command_words(&check), "CMD-SHELL true");
        assert_eq!(
            rule_words(&check),
            "every 30 s · timeout 5 s · unhealthy at 3 failures in a row · start period 10 s"
        );
    }
}
