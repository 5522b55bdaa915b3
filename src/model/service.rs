//! A service: keep N tasks of a definition running.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::capacity::{CapacityProviderStrategyItem, LaunchType};
use super::id::{ClusterName, DeploymentId, InstanceName, ServiceName, TaskDefinitionId, TaskId};
use super::tag::{PropagateTags, Tag};
use super::time::TimeMs;

/// Seconds that a service's tasks on an instance that does not answer are waited for, where the
/// service does not say.
pub const DEFAULT_GRACE_S: u32 = 30;

/// Whether a service is kept (ECS: `status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ServiceStatus {
    /// It is kept at its desired count.
    Active,
    /// It was deleted; its last tasks are stopping.
    Draining,
    /// It was deleted and has no task left.
    Inactive,
}

impl ServiceStatus {
    /// The word that ECS sends.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Draining => "DRAINING",
            Self::Inactive => "INACTIVE",
        }
    }
}

/// A rule that an instance must meet (ECS: `placementConstraints`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlacementConstraint {
    /// Kind of rule.
    #[serde(rename = "type")]
    pub kind: PlacementConstraintKind,
    /// The expression of a `memberOf`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
}

/// Kinds of placement constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PlacementConstraintKind {
    /// Every task of the group on an instance of its own.
    DistinctInstance,
    /// Only instances that an expression matches.
    MemberOf,
}

/// A preference among instances that fit (ECS: `placementStrategy`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlacementStrategy {
    /// Kind of preference.
    #[serde(rename = "type")]
    pub kind: PlacementStrategyKind,
    /// What to spread over or to pack by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// Kinds of placement strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlacementStrategyKind {
    /// As even as possible over the values of an attribute.
    Spread,
    /// The fullest instance that still fits.
    Binpack,
    /// Any, drawn from the seed.
    Random,
}

/// How far a rolling update may go below and above the desired count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentConfiguration {
    /// Percent of the desired count that must stay up.
    pub minimum_healthy_percent: u32,
    /// Percent of the desired count that RUNNING and PENDING together may reach.
    pub maximum_percent: u32,
    /// What to do when a deployment keeps failing.
    pub deployment_circuit_breaker: CircuitBreaker,
}

impl Default for DeploymentConfiguration {
    fn default() -> Self {
        Self {
            minimum_healthy_percent: 100,
            maximum_percent: 200,
            deployment_circuit_breaker: CircuitBreaker::default(),
        }
    }
}

impl DeploymentConfiguration {
    /// The fewest tasks that must stay up: ⌈desired × minimumHealthyPercent / 100⌉.
    #[must_use]
    pub fn floor(&self, desired: u32) -> u32 {
        let product = u64::from(desired) * u64::from(self.minimum_healthy_percent);
        u32::try_from(product.div_ceil(100)).unwrap_or(u32::MAX)
    }

    /// The most tasks that may be RUNNING or PENDING: ⌊desired × maximumPercent / 100⌋.
    #[must_use]
    pub fn ceiling(&self, desired: u32) -> u32 {
        let product = u64::from(desired) * u64::from(self.maximum_percent);
        u32::try_from(product / 100).unwrap_or(u32::MAX)
    }
}

/// Gives up a deployment that keeps failing (ECS: `deploymentCircuitBreaker`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CircuitBreaker {
    /// Whether it is on.
    pub enable: bool,
    /// Whether the service then goes back to its last completed deployment.
    pub rollback: bool,
}

/// How a deployment is going (ECS: `rolloutState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RolloutState {
    /// Under way.
    InProgress,
    /// The service reached a steady state with it.
    Completed,
    /// Given up.
    Failed,
}

/// One attempt to have a service run one task definition. The first in a service's list is the
/// PRIMARY one; the others are being replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// Id.
    pub id: DeploymentId,
    /// What it runs.
    pub task_definition: TaskDefinitionId,
    /// How it is going.
    pub rollout_state: RolloutState,
    /// Why it is so, in words.
    pub rollout_state_reason: String,
    /// Consecutive failures to bring a task up: none any more once a task that was created after
    /// the last of them has been up for a minute.
    pub failed_tasks: u32,
    /// When it was asked for.
    pub created_at: TimeMs,
    /// When it last changed.
    pub updated_at: TimeMs,
    /// Who asked for it; [`CIRCUIT_BREAKER`] for a rollback of its own.
    #[serde(default)]
    pub started_by: String,
    /// What each image reference is pinned to, for every task of this deployment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<String, ImagePin>,
}

/// So many instances that cannot resolve an image are remembered; by then it counts as local.
pub const UNRESOLVED_MAX: usize = 16;

/// What an image reference means for the whole of a deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImagePin {
    /// `sha256:…`, as the first instance that could resolve it said; `None` = none could yet.
    pub digest: Option<String>,
    /// Instances for which no registry gives it, each with why; [`UNRESOLVED_MAX`] at most.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unresolved: BTreeMap<InstanceName, String>,
    /// Whether none of the instances that were asked could resolve it. Each of them then runs
    /// what the reference names there.
    #[serde(default)]
    pub is_local: bool,
}

impl ImagePin {
    /// Pinned to this digest.
    #[must_use]
    pub fn to_digest(digest: impl Into<String>) -> Self {
        Self {
            digest: Some(digest.into()),
            ..Self::default()
        }
    }

    /// Why it is not pinned: what each instance says that could not resolve it.
    #[must_use]
    pub fn reason(&self) -> String {
        let each = self.unresolved.iter();
        let each = each.map(|(instance, reason)| format!("on {instance}: {reason}"));
        each.collect::<Vec<_>>().join("; ")
    }
}

/// Whether two deployments run the same images, as far as they are pinned.
#[must_use]
pub fn same_images(a: &BTreeMap<String, ImagePin>, b: &BTreeMap<String, ImagePin>) -> bool {
    let digest = |(image, pin): (&String, &ImagePin)| (image.clone(), pin.digest.clone());
    a.iter().map(digest).eq(b.iter().map(digest))
}

/// How the reason of a deployment begins that the circuit breaker goes back to.
pub const ROLLING_BACK: &str = "ECS deployment circuit breaker: rolling back to deploymentId";

/// Who asks for a rollback that nobody asked for.
pub const CIRCUIT_BREAKER: &str = "circuit breaker";

/// How many deployments that are over a service remembers.
pub const HISTORY_MAX: usize = 50;

/// A deployment that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PastDeployment {
    /// Id.
    pub id: DeploymentId,
    /// What it ran.
    pub task_definition: TaskDefinitionId,
    /// How it ended; IN_PROGRESS if another took its place first.
    pub rollout_state: RolloutState,
    /// Why, in words.
    pub rollout_state_reason: String,
    /// Who asked for it.
    #[serde(default)]
    pub started_by: String,
    /// When it was asked for.
    pub created_at: TimeMs,
    /// When it last changed: completed, failed, or was replaced.
    pub ended_at: TimeMs,
}

/// How many tasks a service wants (ECS: `schedulingStrategy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SchedulingStrategy {
    /// Its desired count.
    #[default]
    Replica,
    /// One on every ACTIVE instance that its constraints match.
    Daemon,
}

/// Whether tasks are moved when zones are out of balance (ECS: `availabilityZoneRebalancing`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ZoneRebalancing {
    /// They are.
    #[default]
    Enabled,
    /// They are not, unless a person asks.
    Disabled,
}

/// Tasks are moved from fuller zones to emptier ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rebalance {
    /// When a person asked for it; `None` if it is the scheduler's own doing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<TimeMs>,
    /// When the first task was moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_at: Option<TimeMs>,
    /// Tasks started above the desired count. When one has proven itself, a task in a fuller zone
    /// is stopped.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub extra: BTreeSet<TaskId>,
    /// Tasks that were started for it and failed, in a row.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// No other is started before this moment.
    #[serde(default)]
    pub until: TimeMs,
}

/// Holds back the next start after failures: 1 s doubling to 5 min, reset by a new revision or
/// a task that stayed up for 10 min.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backoff {
    /// Failures in a row, counted in rounds: tasks that were up together and fail together are
    /// one, a replacement that fails too is the next.
    pub failures: u32,
    /// No replacement of a failed task before this moment.
    pub until: TimeMs,
    /// When the last round began.
    #[serde(default)]
    pub round_at: TimeMs,
    /// When the last failure was counted.
    #[serde(default)]
    pub failed_at: TimeMs,
    /// How many failed tasks wait for `until`; what is missing for other reasons does not wait.
    #[serde(default)]
    pub held: u32,
    /// Failed tasks that are already counted and still known, so that none counts twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<TaskId>,
}

/// So long after its last failure, or after the pause that followed, a service is not failing any
/// more, in milliseconds; the streak itself ends later.
const FAILING_MS: u64 = 60_000;

impl Backoff {
    /// How many failures in a row there are, while they are what goes on: what failed some time ago
    /// is not why a service is short of tasks now.
    #[must_use]
    pub fn failing(&self, now: TimeMs) -> Option<u32> {
        let lately = self.failing_until().is_some_and(|until| now < until);
        lately.then_some(self.failures)
    }

    /// When they cease to be what goes on, if nothing fails until then.
    #[must_use]
    pub fn failing_until(&self) -> Option<TimeMs> {
        let last = self.failed_at.max(self.until);
        (self.failures > 0).then(|| last.plus_ms(FAILING_MS))
    }

    /// That many failures, in words.
    #[must_use]
    pub fn in_a_row(failures: u32) -> String {
        match failures {
            1 => "1 failure".to_owned(),
            n => format!("{n} failures in a row"),
        }
    }
}

/// Why one instance does not take a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The instance.
    pub instance: InstanceName,
    /// Every filter that refused, in words with the shortfall.
    pub reasons: Vec<String>,
}

/// Tasks that a service wants and no instance takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unplaced {
    /// How many tasks.
    pub count: u32,
    /// Since when.
    pub since: TimeMs,
    /// The instances' reasons, the nearest misses first, 64 at most; `explain` tells all.
    pub refusals: Vec<Refusal>,
    /// Why, in one line: what the event list says.
    #[serde(default)]
    pub message: String,
}

/// Keep N tasks of a definition running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// Name, unique in its cluster.
    pub name: ServiceName,
    /// Cluster.
    pub cluster: ClusterName,
    /// Whether it is kept.
    pub status: ServiceStatus,
    /// How many tasks are wanted.
    pub desired_count: u32,
    /// Bounds of a rolling update.
    pub deployment_configuration: DeploymentConfiguration,
    /// Rules for instances.
    pub placement_constraints: Vec<PlacementConstraint>,
    /// Preferences among instances; none = spread over zones, then over instances.
    pub placement_strategy: Vec<PlacementStrategy>,
    /// Deployments, PRIMARY first; never empty while the service is ACTIVE.
    pub deployments: Vec<Deployment>,
    /// The definition of the last COMPLETED deployment, to roll back to.
    pub last_completed: Option<TaskDefinitionId>,
    /// What its images were pinned to: a tag can mean another image by now.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub last_completed_images: BTreeMap<String, ImagePin>,
    /// Seconds that its tasks on an instance that does not answer are waited for.
    pub grace_s: u32,
    /// Holds back starts after failures.
    pub backoff: Backoff,
    /// What is wanted and finds no place; `None` when all do.
    pub unplaced: Option<Unplaced>,
    /// Whether it was last announced to be in a steady state.
    pub steady: bool,
    /// When it was created.
    pub created_at: TimeMs,
    /// Idempotency token of the CreateService that made it.
    pub client_token: Option<String>,
    /// How many tasks it wants.
    #[serde(default)]
    pub scheduling_strategy: SchedulingStrategy,
    /// Launch type of its tasks.
    #[serde(default)]
    pub launch_type: LaunchType,
    /// Shares of its tasks by group of instances; empty = any instance of the cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capacity_provider_strategy: Vec<CapacityProviderStrategyItem>,
    /// Whether zones are balanced again by themselves.
    #[serde(default)]
    pub availability_zone_rebalancing: ZoneRebalancing,
    /// The zone rebalancing that is asked for or under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebalance: Option<Rebalance>,
    /// How many tasks should stop and are protected: told once, when the number grows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub held_by_protection: u32,
    /// Seconds after its start in which a task's failing health checks are not acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check_grace_period_s: Option<u32>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// Whose tags its new tasks get.
    #[serde(default)]
    pub propagate_tags: PropagateTags,
    /// Deployments that are over, newest first, [`HISTORY_MAX`] at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<PastDeployment>,
    /// Members of CreateService that are not acted on, kept and given back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unsupported: super::task_definition::Kept,
}

impl Deployment {
    /// A deployment that has just been asked for.
    #[must_use]
    pub fn new(
        id: DeploymentId,
        task_definition: TaskDefinitionId,
        started_by: impl Into<String>,
        now: TimeMs,
    ) -> Self {
        Self {
            rollout_state_reason: format!("ECS deployment {id} in progress."),
            id,
            task_definition,
            rollout_state: RolloutState::InProgress,
            failed_tasks: 0,
            created_at: now,
            updated_at: now,
            started_by: started_by.into(),
            images: BTreeMap::new(),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for a reference
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl From<Deployment> for PastDeployment {
    fn from(over: Deployment) -> Self {
        Self {
            id: over.id,
            task_definition: over.task_definition,
            rollout_state: over.rollout_state,
            rollout_state_reason: over.rollout_state_reason,
            started_by: over.started_by,
            created_at: over.created_at,
            ended_at: over.updated_at,
        }
    }
}

impl Service {
    /// An ACTIVE service that wants nothing and has no deployment yet.
    #[must_use]
    pub fn new(name: ServiceName, cluster: ClusterName, now: TimeMs) -> Self {
        Self {
            name,
            cluster,
            status: ServiceStatus::Active,
            desired_count: 0,
            deployment_configuration: DeploymentConfiguration::default(),
            placement_constraints: Vec::new(),
            placement_strategy: Vec::new(),
            deployments: Vec::new(),
            last_completed: None,
            last_completed_images: BTreeMap::new(),
            grace_s: DEFAULT_GRACE_S,
            backoff: Backoff::default(),
            unplaced: None,
            steady: false,
            created_at: now,
            client_token: None,
            scheduling_strategy: SchedulingStrategy::default(),
            launch_type: LaunchType::default(),
            capacity_provider_strategy: Vec::new(),
            availability_zone_rebalancing: ZoneRebalancing::default(),
            rebalance: None,
            held_by_protection: 0,
            health_check_grace_period_s: None,
            tags: Vec::new(),
            propagate_tags: PropagateTags::default(),
            history: Vec::new(),
            unsupported: BTreeMap::new(),
        }
    }

    /// Puts a new PRIMARY deployment before the others. One that was under way is replaced.
    pub fn begin(&mut self, deployment: Deployment, now: TimeMs) {
        if let Some(before) = self.deployments.first_mut()
            && before.rollout_state == RolloutState::InProgress
        {
            before.rollout_state_reason = format!(
                "ECS deployment {} took its place before it completed.",
                deployment.id
            );
            before.updated_at = now;
        }
        self.deployments.insert(0, deployment);
    }

    /// Goes back to the deployment that last completed, if the tasks of it are being replaced just
    /// now: those that still serve are kept, and it has nothing to prove anew. `serves` has the
    /// deployments of which any task is still wanted. Gives its id.
    pub fn resume(
        &mut self,
        wanted: &TaskDefinitionId,
        serves: &BTreeSet<DeploymentId>,
        who: &str,
        now: TimeMs,
    ) -> Option<DeploymentId> {
        let left = self.primary()?.id.clone();
        let completed = self.last_completed.as_ref() == Some(wanted);
        let at = self.deployments.iter().position(|it| {
            it.id != left
                && serves.contains(&it.id)
                && it.task_definition == *wanted
                && same_images(&it.images, &self.last_completed_images)
        });
        let mut to = self.deployments.remove(at.filter(|_| completed)?);
        let id = to.id.clone();
        to.rollout_state = RolloutState::InProgress;
        to.rollout_state_reason =
            format!("ECS deployment {left} is rolled back to deployment {id} by {who}.");
        to.failed_tasks = 0;
        to.updated_at = now;
        self.begin(to, now);
        Some(id)
    }

    /// Keeps what became of a deployment that is no longer listed.
    pub fn remember(&mut self, over: Deployment) {
        self.history.retain(|known| known.id != over.id);
        let older = |known: &PastDeployment| known.created_at <= over.created_at;
        let at = self.history.iter().position(older);
        let at = at.unwrap_or(self.history.len());
        self.history.insert(at, over.into());
        self.history.truncate(HISTORY_MAX);
    }

    /// The deployment that the service is moving to or has reached.
    #[must_use]
    pub fn primary(&self) -> Option<&Deployment> {
        self.deployments.first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floor_rounds_up_and_ceiling_rounds_down() {
        let bounds = |min, max| DeploymentConfiguration {
            minimum_healthy_percent: min,
            maximum_percent: max,
            ..DeploymentConfiguration::default()
        };
        assert_eq!(bounds(50, 125).floor(3), 2);
        assert_eq!(bounds(50, 125).ceiling(3), 3);
        assert_eq!(bounds(100, 200).floor(4), 4);
        assert_eq!(bounds(100, 200).ceiling(4), 8);
        assert_eq!(bounds(0, 100).floor(7), 0);
    }
}
