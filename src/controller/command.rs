//! What people and programs can ask for: ECS's own operations, one variant each.

pub mod answer;
pub mod execute;
pub mod permit;
pub mod schedule;
pub mod subject;
pub mod tagging;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::parameters::{IpcMode, PidMode, RuntimePlatform, TaskOverride};
use crate::model::service::{
    CircuitBreaker, DeploymentConfiguration, PlacementConstraint, PlacementStrategy,
    SchedulingStrategy, ZoneRebalancing,
};
use crate::model::tag::{self, PropagateTags, Tag};
use crate::model::task_definition::{
    ContainerDefinition, Kept, LogConfiguration, NetworkMode, TaskDefinitionStatus, Volume,
};
use crate::model::validate::{self, Elsewhere, Fault};
use crate::model::{
    CapacityProviderStrategyItem, CpuUnits, Family, InstanceStatus, LaunchType, MemoryMib,
    Revision, ServiceName, TaskDefinition, TimeMs,
};

pub use answer::{CommandError, ErrorKind, Failure, Response};
pub use schedule::{NamedSchedule, PutSchedule};
pub use tagging::{TagResource, UntagResource};

/// One ECS operation that changes something. Names of clusters, services, tasks, instances and
/// task definitions may be short names or full ARNs, as in ECS; an absent cluster is `default`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "operation", content = "request")]
pub enum Command {
    /// Makes a new revision.
    RegisterTaskDefinition(Box<RegisterTaskDefinition>),
    /// Makes a revision INACTIVE.
    DeregisterTaskDefinition(DeregisterTaskDefinition),
    /// Makes a service.
    CreateService(Box<CreateService>),
    /// Changes a service; a new definition or `forceNewDeployment` starts a deployment.
    UpdateService(Box<UpdateService>),
    /// Ours: moves a service's tasks from fuller zones to emptier ones now.
    RebalanceService(RebalanceService),
    /// Deletes a service and stops its tasks.
    DeleteService(DeleteService),
    /// Runs tasks once, placed by the scheduler.
    RunTask(Box<RunTask>),
    /// Stops one task.
    StopTask(StopTask),
    /// Notes who runs which program in which task's container.
    ExecuteCommand(execute::ExecuteCommand),
    /// Protects tasks from scale-in and deployments, or no longer.
    UpdateTaskProtection(UpdateTaskProtection),
    /// Drains or activates instances.
    UpdateContainerInstancesState(UpdateContainerInstancesState),
    /// Makes a cluster.
    CreateCluster(CreateCluster),
    /// Deletes an empty cluster.
    DeleteCluster(DeleteCluster),
    /// Puts tags on a thing.
    TagResource(TagResource),
    /// Takes tags off a thing.
    UntagResource(UntagResource),
    /// Ours: makes or changes a schedule.
    PutSchedule(Box<PutSchedule>),
    /// Ours: deletes a schedule; what it has started goes on.
    DeleteSchedule(NamedSchedule),
    /// Ours: runs a schedule now, besides its times.
    RunSchedule(NamedSchedule),
}

impl Command {
    /// ECS's name of the operation.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        match self {
            Self::RegisterTaskDefinition(_) => "RegisterTaskDefinition",
            Self::DeregisterTaskDefinition(_) => "DeregisterTaskDefinition",
            Self::CreateService(_) => "CreateService",
            Self::UpdateService(_) => "UpdateService",
            Self::RebalanceService(_) => "RebalanceService",
            Self::DeleteService(_) => "DeleteService",
            Self::RunTask(_) => "RunTask",
            Self::StopTask(_) => "StopTask",
            Self::ExecuteCommand(_) => "ExecuteCommand",
            Self::UpdateTaskProtection(_) => "UpdateTaskProtection",
            Self::UpdateContainerInstancesState(_) => "UpdateContainerInstancesState",
            Self::CreateCluster(_) => "CreateCluster",
            Self::DeleteCluster(_) => "DeleteCluster",
            Self::TagResource(_) => "TagResource",
            Self::UntagResource(_) => "UntagResource",
            Self::PutSchedule(_) => "PutSchedule",
            Self::DeleteSchedule(_) => "DeleteSchedule",
            Self::RunSchedule(_) => "RunSchedule",
        }
    }

    /// One line for each member that is kept and has no effect yet. A member whose value asks
    /// for what happens anyway (`launchType` EC2, an empty list, `false`) is not worth a line.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match self {
            Self::RegisterTaskDefinition(request) => {
                warn(&mut lines, "", &request.unsupported, KEPT);
                for (index, container) in request.container_definitions.iter().enumerate() {
                    let place = format!("containerDefinitions[{index}].");
                    warn(&mut lines, &place, &container.unsupported, KEPT);
                    log_driver(&mut lines, &place, container);
                }
                for (index, volume) in request.volumes.iter().enumerate() {
                    let place = format!("volumes[{index}].");
                    warn(&mut lines, &place, &volume.unsupported, KEPT);
                }
            }
            Self::CreateService(request) => warn(&mut lines, "", &request.unsupported, KEPT),
            Self::UpdateService(request) => warn(&mut lines, "", &request.unsupported, KEPT),
            Self::RunTask(request) => warn(&mut lines, "", &request.unsupported, NOT_KEPT),
            Self::CreateCluster(request) => warn(&mut lines, "", &request.unsupported, NOT_KEPT),
            Self::DeregisterTaskDefinition(_)
            | Self::RebalanceService(_)
            | Self::DeleteService(_)
            | Self::StopTask(_)
            | Self::ExecuteCommand(_)
            | Self::UpdateTaskProtection(_)
            | Self::UpdateContainerInstancesState(_)
            | Self::DeleteCluster(_)
            | Self::TagResource(_)
            | Self::UntagResource(_)
            | Self::PutSchedule(_)
            | Self::DeleteSchedule(_)
            | Self::RunSchedule(_) => {}
        }
        lines
    }
}

const KEPT: &str = "is not supported yet: it is kept and given back, and has no effect";
const NOT_KEPT: &str = "is not supported yet and has no effect";

fn warn(lines: &mut Vec<String>, place: &str, kept: &Kept, what: &str) {
    for (path, value) in kept {
        if asks_for_what_happens_anyway(path, value) {
            continue;
        }
        match validate::elsewhere(path) {
            Some(Elsewhere::Warned(why)) => lines.push(format!("{place}{path} {why}")),
            // What is refused is told as a fault.
            Some(Elsewhere::Refused(_) | Elsewhere::Silent) => {}
            None => lines.push(format!("{place}{path} {what}")),
        }
    }
}

/// Where an engine has no way to a log service, its own log is better than a task that fails.
fn log_driver(lines: &mut Vec<String>, place: &str, container: &ContainerDefinition) {
    let log = container.log_configuration.as_ref();
    if log.is_some_and(|log| log.log_driver == LogConfiguration::CLOUDWATCH) {
        lines.push(format!(
            "{place}logConfiguration.logDriver awslogs is CloudWatch's: the engine's own log \
             driver is used instead, and qd logs shows the lines"
        ));
    }
}

fn asks_for_what_happens_anyway(path: &str, value: &Value) -> bool {
    !validate::asks_for_something(value)
        || match path {
            "deploymentConfiguration.strategy" => value == "ROLLING",
            "deploymentController" => value["type"] == "ECS",
            "serviceConnectConfiguration" => value["enabled"] == false,
            _ => false,
        }
}

/// Request of RegisterTaskDefinition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterTaskDefinition {
    /// Family.
    pub family: Family,
    /// Containers.
    pub container_definitions: Vec<ContainerDefinition>,
    /// Volumes.
    #[serde(default)]
    pub volumes: Vec<Volume>,
    /// Network mode.
    #[serde(default)]
    pub network_mode: NetworkMode,
    /// CPU units of the task. ECS sends a string (`"256"`, `"1 vCPU"`); decoding takes both.
    #[serde(default)]
    pub cpu: Option<CpuUnits>,
    /// MiB of the task. ECS sends a string (`"512"`, `"1 GB"`); decoding takes both.
    #[serde(default)]
    pub memory: Option<MemoryMib>,
    /// Constraints.
    #[serde(default)]
    pub placement_constraints: Vec<PlacementConstraint>,
    /// Whose processes the containers see.
    #[serde(default)]
    pub pid_mode: Option<PidMode>,
    /// Whose shared memory the containers use.
    #[serde(default)]
    pub ipc_mode: Option<IpcMode>,
    /// What the images are made for.
    #[serde(default)]
    pub runtime_platform: Option<RuntimePlatform>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// The role whose grants its tasks have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_role_arn: Option<String>,
    /// Launch types that it must be fit for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires_compatibilities: Vec<LaunchType>,
    /// Members not acted on.
    #[serde(default, skip_serializing_if = "Kept::is_empty")]
    pub unsupported: Kept,
}

impl RegisterTaskDefinition {
    /// A request of which nothing more is said than its containers.
    #[must_use]
    pub fn new(family: Family, container_definitions: Vec<ContainerDefinition>) -> Self {
        Self {
            family,
            container_definitions,
            volumes: Vec::new(),
            network_mode: NetworkMode::default(),
            cpu: None,
            memory: None,
            placement_constraints: Vec::new(),
            requires_compatibilities: Vec::new(),
            pid_mode: None,
            ipc_mode: None,
            runtime_platform: None,
            tags: Vec::new(),
            task_role_arn: None,
            unsupported: Kept::new(),
        }
    }

    /// The task definition that this request makes.
    #[must_use]
    pub fn definition(self, revision: Revision, now: TimeMs) -> TaskDefinition {
        TaskDefinition {
            volumes: self.volumes,
            network_mode: self.network_mode,
            cpu: self.cpu,
            memory: self.memory,
            placement_constraints: self.placement_constraints,
            pid_mode: self.pid_mode,
            ipc_mode: self.ipc_mode,
            runtime_platform: self.runtime_platform,
            task_role_arn: self.task_role_arn,
            requires_compatibilities: self.requires_compatibilities,
            status: TaskDefinitionStatus::Active,
            registered_at: now,
            tags: self.tags,
            unsupported: self.unsupported,
            ..TaskDefinition::new(self.family, revision, self.container_definitions)
        }
    }

    /// Everything that is wrong with it; empty if it can be registered.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults =
            validate::task_definition(&self.clone().definition(Revision(1), TimeMs::default()));
        faults.extend(tag::faults("tags", &self.tags));
        faults
    }
}

/// Request of DeregisterTaskDefinition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeregisterTaskDefinition {
    /// `family:revision` or ARN.
    pub task_definition: String,
}

/// Request of CreateService.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateService {
    /// Cluster.
    #[serde(default)]
    pub cluster: Option<String>,
    /// Name.
    pub service_name: ServiceName,
    /// `family`, `family:revision` or ARN; a bare family is its newest ACTIVE revision.
    pub task_definition: String,
    /// How many tasks; 1 where nothing is said (as `apply` of a TOML file would mean it).
    #[serde(default = "one")]
    pub desired_count: u32,
    /// Bounds of a rolling update.
    #[serde(default)]
    pub deployment_configuration: DeploymentConfiguration,
    /// Constraints.
    #[serde(default)]
    pub placement_constraints: Vec<PlacementConstraint>,
    /// Strategies.
    #[serde(default)]
    pub placement_strategy: Vec<PlacementStrategy>,
    /// Ours: seconds that tasks on an instance that does not answer are waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_loss_grace_period_seconds: Option<u32>,
    /// REPLICA, or DAEMON: one task on every instance that meets the constraints. The desired
    /// count of a DAEMON counts for nothing.
    #[serde(default)]
    pub scheduling_strategy: SchedulingStrategy,
    /// Seconds after a task's start in which its failing health checks are not acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check_grace_period_seconds: Option<u32>,
    /// Launch type; EC2 where neither it nor a strategy is given, here or by the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_type: Option<LaunchType>,
    /// Shares of the tasks by capacity provider; not together with a launch type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capacity_provider_strategy: Vec<CapacityProviderStrategyItem>,
    /// Whether tasks are moved when zones are out of balance; ENABLED where nothing is said and
    /// the service allows it, as in ECS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability_zone_rebalancing: Option<ZoneRebalancing>,
    /// Makes a repeated request harmless.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// Whose tags its new tasks get.
    #[serde(default, skip_serializing_if = "PropagateTags::is_none")]
    pub propagate_tags: PropagateTags,
    /// Members not acted on.
    #[serde(default, skip_serializing_if = "Kept::is_empty")]
    pub unsupported: Kept,
}

impl CreateService {
    /// One task of that definition, of which nothing more is said.
    #[must_use]
    pub fn new(service_name: ServiceName, task_definition: impl Into<String>) -> Self {
        Self {
            cluster: None,
            service_name,
            task_definition: task_definition.into(),
            desired_count: 1,
            deployment_configuration: DeploymentConfiguration::default(),
            placement_constraints: Vec::new(),
            placement_strategy: Vec::new(),
            scheduling_strategy: SchedulingStrategy::default(),
            health_check_grace_period_seconds: None,
            host_loss_grace_period_seconds: None,
            launch_type: None,
            capacity_provider_strategy: Vec::new(),
            availability_zone_rebalancing: None,
            client_token: None,
            tags: Vec::new(),
            propagate_tags: PropagateTags::default(),
            unsupported: Kept::new(),
        }
    }

    /// What is wrong with it in itself: bounds, constraints, strategies, count. Whether its
    /// cluster and definition exist is the controller's to know.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = validate::scheduling(
            self.scheduling_strategy,
            &self.deployment_configuration,
            self.desired_count,
            &self.placement_strategy,
        );
        faults.extend(validate::health_grace(
            self.health_check_grace_period_seconds,
        ));
        faults.extend(validate::placement(
            &self.placement_constraints,
            &self.placement_strategy,
        ));
        faults.extend(validate::desired_count(self.desired_count));
        faults.extend(validate::zone_rebalancing(
            self.availability_zone_rebalancing,
            self.scheduling_strategy,
            self.deployment_configuration.maximum_percent,
            &self.placement_strategy,
        ));
        faults.extend(tag::faults("tags", &self.tags));
        faults.extend(ground(self.launch_type, &self.capacity_provider_strategy));
        faults.extend(validate::daemon_ground(
            self.scheduling_strategy,
            self.launch_type.unwrap_or_default(),
            &self.capacity_provider_strategy,
        ));
        faults
    }
}

/// What is wrong with a launch type and a capacity provider strategy in themselves.
#[must_use]
pub fn ground(
    launch_type: Option<LaunchType>,
    strategy: &[CapacityProviderStrategyItem],
) -> Vec<Fault> {
    let mut faults = validate::capacity_provider_strategy(strategy);
    if launch_type.is_some() && !strategy.is_empty() {
        faults.push(Fault {
            path: "capacityProviderStrategy".to_owned(),
            message: "launchType is given too; give one of the two".to_owned(),
        });
    }
    faults
}

fn one() -> u32 {
    1
}

/// Request of UpdateService. What is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateService {
    /// Cluster.
    pub cluster: Option<String>,
    /// Service name or ARN.
    pub service: String,
    /// New definition.
    pub task_definition: Option<String>,
    /// New count.
    pub desired_count: Option<u32>,
    /// New bounds; of those, too, what is `None` stays as it is.
    pub deployment_configuration: Option<DeploymentConfigurationUpdate>,
    /// New constraints.
    pub placement_constraints: Option<Vec<PlacementConstraint>>,
    /// New strategies.
    pub placement_strategy: Option<Vec<PlacementStrategy>>,
    /// New shares by capacity provider; an empty list goes back to the launch type.
    pub capacity_provider_strategy: Option<Vec<CapacityProviderStrategyItem>>,
    /// Whether tasks are moved when zones are out of balance.
    pub availability_zone_rebalancing: Option<ZoneRebalancing>,
    /// Ours: new grace period.
    pub host_loss_grace_period_seconds: Option<u32>,
    /// New grace period for failing health checks.
    pub health_check_grace_period_seconds: Option<u32>,
    /// Starts a deployment even if nothing changed: every task is replaced.
    pub force_new_deployment: bool,
    /// Whose tags its new tasks get from now on.
    pub propagate_tags: Option<PropagateTags>,
    /// Members not acted on.
    #[serde(skip_serializing_if = "Kept::is_empty")]
    pub unsupported: Kept,
}

/// New bounds of a rolling update. What is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentConfigurationUpdate {
    /// Percent of the desired count that must stay up.
    pub minimum_healthy_percent: Option<u32>,
    /// Percent of the desired count that RUNNING and PENDING together may reach.
    pub maximum_percent: Option<u32>,
    /// What to do when a deployment keeps failing.
    pub deployment_circuit_breaker: Option<CircuitBreaker>,
}

impl From<DeploymentConfiguration> for DeploymentConfigurationUpdate {
    fn from(whole: DeploymentConfiguration) -> Self {
        Self {
            minimum_healthy_percent: Some(whole.minimum_healthy_percent),
            maximum_percent: Some(whole.maximum_percent),
            deployment_circuit_breaker: Some(whole.deployment_circuit_breaker),
        }
    }
}

impl DeploymentConfigurationUpdate {
    /// The bounds after this update.
    #[must_use]
    pub fn over(&self, before: &DeploymentConfiguration) -> DeploymentConfiguration {
        DeploymentConfiguration {
            minimum_healthy_percent: self
                .minimum_healthy_percent
                .unwrap_or(before.minimum_healthy_percent),
            maximum_percent: self.maximum_percent.unwrap_or(before.maximum_percent),
            deployment_circuit_breaker: self
                .deployment_circuit_breaker
                .clone()
                .unwrap_or_else(|| before.deployment_circuit_breaker.clone()),
        }
    }
}

/// Request of RebalanceService.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RebalanceService {
    /// Cluster.
    #[serde(default)]
    pub cluster: Option<String>,
    /// Service name or ARN.
    pub service: String,
}

/// Request of DeleteService.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteService {
    /// Cluster.
    #[serde(default)]
    pub cluster: Option<String>,
    /// Service name or ARN.
    pub service: String,
    /// Also when its desired count is above 0 (ECS refuses otherwise).
    #[serde(default)]
    pub force: bool,
}

/// Request of RunTask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunTask {
    /// Cluster.
    #[serde(default)]
    pub cluster: Option<String>,
    /// Definition.
    pub task_definition: String,
    /// How many, 1 to 10.
    #[serde(default = "one")]
    pub count: u32,
    /// ECS's group; `family:NAME` where nothing is said.
    #[serde(default)]
    pub group: Option<String>,
    /// Who started it.
    #[serde(default)]
    pub started_by: Option<String>,
    /// Constraints.
    #[serde(default)]
    pub placement_constraints: Vec<PlacementConstraint>,
    /// Strategies.
    #[serde(default)]
    pub placement_strategy: Vec<PlacementStrategy>,
    /// Launch type; EC2 where neither it nor a strategy is given, here or by the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_type: Option<LaunchType>,
    /// Shares of the tasks by capacity provider; not together with a launch type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capacity_provider_strategy: Vec<CapacityProviderStrategyItem>,
    /// Makes a repeated request harmless.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    /// What the tasks have otherwise than their definition.
    #[serde(default)]
    pub overrides: Option<TaskOverride>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// Whether the tasks get the definition's tags too.
    #[serde(default)]
    pub propagate_tags: PropagateTags,
    /// Members not acted on.
    #[serde(default, skip_serializing_if = "Kept::is_empty")]
    pub unsupported: Kept,
}

impl RunTask {
    /// One task of that definition, of which nothing more is said.
    #[must_use]
    pub fn new(task_definition: impl Into<String>) -> Self {
        Self {
            cluster: None,
            task_definition: task_definition.into(),
            count: 1,
            group: None,
            started_by: None,
            placement_constraints: Vec::new(),
            placement_strategy: Vec::new(),
            launch_type: None,
            capacity_provider_strategy: Vec::new(),
            client_token: None,
            overrides: None,
            tags: Vec::new(),
            propagate_tags: PropagateTags::None,
            unsupported: Kept::new(),
        }
    }
}

/// Request of StopTask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StopTask {
    /// Cluster.
    #[serde(default)]
    pub cluster: Option<String>,
    /// Task id or ARN.
    pub task: String,
    /// Why, for the stopped reason.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Request of UpdateTaskProtection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateTaskProtection {
    /// Cluster.
    #[serde(default)]
    pub cluster: Option<String>,
    /// Task ids or ARNs, 1 to 10; tasks of services only.
    pub tasks: Vec<String>,
    /// Whether they are protected from now on.
    pub protection_enabled: bool,
    /// For how long, 1 to 2,880; 120 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_minutes: Option<u32>,
}

/// Request of UpdateContainerInstancesState.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateContainerInstancesState {
    /// Cluster.
    #[serde(default)]
    pub cluster: Option<String>,
    /// Names or ARNs.
    pub container_instances: Vec<String>,
    /// ACTIVE or DRAINING.
    pub status: InstanceStatus,
}

/// Request of CreateCluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateCluster {
    /// Name; `default` where nothing is said.
    #[serde(default)]
    pub cluster_name: Option<String>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// Members not acted on.
    #[serde(default, skip_serializing_if = "Kept::is_empty")]
    pub unsupported: Kept,
}

/// Request of DeleteCluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteCluster {
    /// Name or ARN.
    pub cluster: String,
}
