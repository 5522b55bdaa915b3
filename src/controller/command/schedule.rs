//! Operations on schedules. ECS has none of its own (there they are EventBridge's); these are
//! ours, in EventBridge's words.

use serde::{Deserialize, Serialize};

use super::{RunTask, ground};
use crate::model::calendar::{Expression, Zone};
use crate::model::parameters::TaskOverride;
use crate::model::schedule::{Overlap, Schedule};
use crate::model::service::{PlacementConstraint, PlacementStrategy};
use crate::model::tag::{self, Tag};
use crate::model::validate::{self, Fault};
use crate::model::{CapacityProviderStrategyItem, LaunchType, ScheduleName, TimeMs};

/// Tasks of one run, at most: ECS's limit for a RunTask.
pub const TASK_COUNT_MAX: u32 = 10;

/// Request of PutSchedule: makes a schedule, or makes the one of that name be this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PutSchedule {
    /// Name, unique in its cluster.
    pub name: ScheduleName,
    /// Cluster.
    #[serde(default)]
    pub cluster: Option<String>,
    /// `cron(0 3 * * ? *)`, `rate(5 minutes)` or `at(2026-11-22T03:00:00)`.
    pub schedule_expression: String,
    /// Time zone in which `cron` and `at` are read; UTC where nothing is said.
    #[serde(default)]
    pub schedule_expression_timezone: Option<String>,
    /// `family`, or `family:revision`; a bare family is its newest ACTIVE revision at each run.
    pub task_definition: String,
    /// Tasks per run, 1 to 10.
    #[serde(default = "super::one")]
    pub task_count: u32,
    /// Whether it runs.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What a run does while tasks of the one before are still there.
    #[serde(default)]
    pub overlap: Overlap,
    /// RunTask's constraints.
    #[serde(default)]
    pub placement_constraints: Vec<PlacementConstraint>,
    /// RunTask's strategies.
    #[serde(default)]
    pub placement_strategy: Vec<PlacementStrategy>,
    /// RunTask's launch type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_type: Option<LaunchType>,
    /// RunTask's capacity provider strategy; not together with a launch type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capacity_provider_strategy: Vec<CapacityProviderStrategyItem>,
    /// RunTask's overrides.
    #[serde(default)]
    pub overrides: Option<TaskOverride>,
    /// Tags of its tasks.
    #[serde(default)]
    pub tags: Vec<Tag>,
}

fn yes() -> bool {
    true
}

impl PutSchedule {
    /// One task of that definition at each of those moments, of which nothing more is said.
    #[must_use]
    pub fn new(
        name: ScheduleName,
        schedule_expression: impl Into<String>,
        task_definition: impl Into<String>,
    ) -> Self {
        Self {
            name,
            cluster: None,
            schedule_expression: schedule_expression.into(),
            schedule_expression_timezone: None,
            task_definition: task_definition.into(),
            task_count: 1,
            enabled: true,
            overlap: Overlap::default(),
            placement_constraints: Vec::new(),
            placement_strategy: Vec::new(),
            launch_type: None,
            capacity_provider_strategy: Vec::new(),
            overrides: None,
            tags: Vec::new(),
        }
    }

    /// When it is due, and in which zone.
    ///
    /// # Errors
    /// What is wrong with either.
    pub fn calendar(&self) -> Result<(Expression, Zone), Vec<Fault>> {
        let fault = |path: &str, message: String| Fault {
            path: path.to_owned(),
            message,
        };
        let expression = Expression::parse(&self.schedule_expression)
            .map_err(|error| fault("scheduleExpression", error.to_string()));
        let zone = Zone::named(self.schedule_expression_timezone.as_deref())
            .map_err(|error| fault("scheduleExpressionTimezone", error.to_string()));
        match (expression, zone) {
            (Ok(expression), Ok(zone)) => Ok((expression, zone)),
            (expression, zone) => Err([expression.err(), zone.err()]
                .into_iter()
                .flatten()
                .collect()),
        }
    }

    /// What is wrong with it in itself. Whether its cluster and definition exist is the
    /// controller's to know.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = self.calendar().err().unwrap_or_default();
        if !(1..=TASK_COUNT_MAX).contains(&self.task_count) {
            faults.push(Fault {
                path: "taskCount".to_owned(),
                message: format!(
                    "{} is out of range; 1 to {TASK_COUNT_MAX} tasks can be run at once",
                    self.task_count
                ),
            });
        }
        faults.extend(validate::placement(
            &self.placement_constraints,
            &self.placement_strategy,
        ));
        faults.extend(tag::faults("tags", &self.tags));
        faults.extend(ground(self.launch_type, &self.capacity_provider_strategy));
        faults
    }

    /// What a run of it asks for, but for whose tasks they are.
    #[must_use]
    pub fn run(self) -> RunTask {
        RunTask {
            cluster: self.cluster,
            count: self.task_count,
            placement_constraints: self.placement_constraints,
            placement_strategy: self.placement_strategy,
            launch_type: self.launch_type,
            capacity_provider_strategy: self.capacity_provider_strategy,
            overrides: self.overrides,
            tags: self.tags,
            ..RunTask::new(self.task_definition)
        }
    }

    /// The request that would make this schedule again.
    #[must_use]
    pub fn of(schedule: &Schedule) -> Self {
        let schedule = schedule.clone();
        Self {
            name: schedule.name,
            cluster: Some(schedule.cluster.to_string()),
            schedule_expression: schedule.schedule_expression,
            schedule_expression_timezone: schedule.schedule_expression_timezone,
            task_definition: schedule.task_definition,
            task_count: schedule.task_count,
            enabled: schedule.enabled,
            overlap: schedule.overlap,
            placement_constraints: schedule.placement_constraints,
            placement_strategy: schedule.placement_strategy,
            launch_type: schedule.launch_type,
            capacity_provider_strategy: schedule.capacity_provider_strategy,
            overrides: schedule.overrides,
            tags: schedule.tags,
        }
    }
}

/// The request that a run of a schedule makes.
#[must_use]
pub fn run_task(schedule: &Schedule) -> RunTask {
    RunTask {
        group: Some(schedule.group()),
        started_by: Some(schedule.started_by()),
        ..PutSchedule::of(schedule).run()
    }
}

/// Request of DeleteSchedule and of RunSchedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamedSchedule {
    /// Name.
    pub name: String,
    /// Cluster.
    #[serde(default)]
    pub cluster: Option<String>,
}

/// When an expression is next due, from now on: the words that people read.
#[must_use]
pub fn next_words(expression: &Expression, zone: &Zone, now: TimeMs) -> String {
    match expression.next(zone, now, now) {
        Some(at) => zone.words(at),
        None => "never".to_owned(),
    }
}
