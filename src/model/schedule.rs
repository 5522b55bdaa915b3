//! Scheduled tasks: a cron or rate expression that runs a task definition.

use serde::{Deserialize, Serialize};

use super::capacity::{CapacityProviderStrategyItem, LaunchType};
use super::id::{ClusterName, ScheduleName, TaskId};
use super::parameters::TaskOverride;
use super::service::{PlacementConstraint, PlacementStrategy};
use super::tag::Tag;
use super::time::TimeMs;

/// A task definition that is run at set times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// Name, unique in its cluster.
    pub name: ScheduleName,
    /// Cluster.
    pub cluster: ClusterName,
    /// `cron(0 3 * * ? *)`, `rate(5 minutes)` or `at(2026-11-22T03:00:00)`.
    pub schedule_expression: String,
    /// IANA name of the time zone in which `cron` and `at` are read; UTC where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_expression_timezone: Option<String>,
    /// `family`, or `family:revision`; a bare family is its newest ACTIVE revision at each run.
    pub task_definition: String,
    /// Tasks per run, 1 to 10.
    pub task_count: u32,
    /// Whether it runs.
    pub enabled: bool,
    /// What a run does while tasks of the one before are still there.
    #[serde(default)]
    pub overlap: Overlap,
    /// When it was made or its expression last changed: a rate counts from here.
    pub since: TimeMs,
    /// The next moment at which it is due; `None` = never again.
    pub next_at: Option<TimeMs>,
    /// The period of a rate, in milliseconds; `None` for other expressions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_ms: Option<u64>,
    /// When the run that is due at `next_at` and found no place is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<TimeMs>,
    /// RunTask's constraints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub placement_constraints: Vec<PlacementConstraint>,
    /// RunTask's strategies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub placement_strategy: Vec<PlacementStrategy>,
    /// RunTask's launch type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_type: Option<LaunchType>,
    /// RunTask's capacity provider strategy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capacity_provider_strategy: Vec<CapacityProviderStrategyItem>,
    /// What its tasks have otherwise than their definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides: Option<TaskOverride>,
    /// Tags of its tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// The last runs, newest first, [`RUNS_MAX`] at most.
    #[serde(default)]
    pub runs: Vec<ScheduledRun>,
}

/// How many runs a schedule remembers.
pub const RUNS_MAX: usize = 20;

/// What a run does while tasks of the one before are still there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Overlap {
    /// It is skipped, and says so.
    #[default]
    Forbid,
    /// It starts beside them.
    Allow,
}

/// One time at which a schedule was due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduledRun {
    /// When it was due.
    pub due_at: TimeMs,
    /// When it was looked at.
    pub at: TimeMs,
    /// What came of it.
    pub outcome: RunOutcome,
    /// How many runs this stands for: more than one where several in a row were skipped or
    /// missed.
    #[serde(default = "one")]
    pub count: u32,
    /// Its tasks.
    #[serde(default)]
    pub tasks: Vec<TaskId>,
    /// In words: why it was skipped, missed or found no place.
    #[serde(default)]
    pub message: String,
}

fn one() -> u32 {
    1
}

impl Schedule {
    /// ECS's group of its tasks.
    #[must_use]
    pub fn group(&self) -> String {
        format!("schedule:{}", self.name)
    }

    /// What its tasks were started by.
    #[must_use]
    pub fn started_by(&self) -> String {
        format!("schedule/{}", self.name)
    }

    /// When it runs, in words: `cron(0 3 * * ? *) in Europe/Berlin`.
    #[must_use]
    pub fn times(&self) -> String {
        match &self.schedule_expression_timezone {
            Some(zone) => format!("{} in {zone}", self.schedule_expression),
            None if self.rate_ms.is_some() => self.schedule_expression.clone(),
            None => format!("{} in UTC", self.schedule_expression),
        }
    }

    /// When it has to be looked at next.
    #[must_use]
    pub fn look_at(&self) -> Option<TimeMs> {
        self.retry_at.or(self.next_at)
    }
}

impl ScheduledRun {
    /// What came of it: `STARTED`, `SKIPPED ×3`.
    #[must_use]
    pub fn words(&self) -> String {
        let outcome = match self.outcome {
            RunOutcome::Started => "STARTED",
            RunOutcome::Skipped => "SKIPPED",
            RunOutcome::Missed => "MISSED",
            RunOutcome::Failed => "FAILED",
        };
        match self.count {
            0 | 1 => outcome.to_owned(),
            count => format!("{outcome} ×{count}"),
        }
    }
}

/// What came of a scheduled run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RunOutcome {
    /// Its tasks were started.
    Started,
    /// Tasks of the run before were still there.
    Skipped,
    /// Nobody carried the control plane when it was due.
    Missed,
    /// No instance took it, or its definition is not there.
    Failed,
}
