//! What people and programs can ask for: ECS's own operations, one variant each.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

use crate::model::service::{DeploymentConfiguration, PlacementConstraint, PlacementStrategy};
use crate::model::task_definition::{ContainerDefinition, Kept, NetworkMode, Volume};
use crate::model::{
    Cluster, CpuUnits, Family, Instance, InstanceStatus, MemoryMib, Service, ServiceName, Task,
    TaskDefinition,
};

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
    /// Deletes a service and stops its tasks.
    DeleteService(DeleteService),
    /// Runs tasks once, placed by the scheduler.
    RunTask(Box<RunTask>),
    /// Stops one task.
    StopTask(StopTask),
    /// Drains or activates instances.
    UpdateContainerInstancesState(UpdateContainerInstancesState),
    /// Makes a cluster.
    CreateCluster(CreateCluster),
    /// Deletes an empty cluster.
    DeleteCluster(DeleteCluster),
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
            Self::DeleteService(_) => "DeleteService",
            Self::RunTask(_) => "RunTask",
            Self::StopTask(_) => "StopTask",
            Self::UpdateContainerInstancesState(_) => "UpdateContainerInstancesState",
            Self::CreateCluster(_) => "CreateCluster",
            Self::DeleteCluster(_) => "DeleteCluster",
        }
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
    /// Members not acted on.
    #[serde(default, skip_serializing_if = "Kept::is_empty")]
    pub unsupported: Kept,
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
    /// Makes a repeated request harmless.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    /// Members not acted on.
    #[serde(default, skip_serializing_if = "Kept::is_empty")]
    pub unsupported: Kept,
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
    /// New bounds.
    pub deployment_configuration: Option<DeploymentConfiguration>,
    /// New constraints.
    pub placement_constraints: Option<Vec<PlacementConstraint>>,
    /// New strategies.
    pub placement_strategy: Option<Vec<PlacementStrategy>>,
    /// Ours: new grace period.
    pub host_loss_grace_period_seconds: Option<u32>,
    /// Starts a deployment even if nothing changed: every task is replaced.
    pub force_new_deployment: bool,
    /// Members not acted on.
    #[serde(skip_serializing_if = "Kept::is_empty")]
    pub unsupported: Kept,
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
    /// Makes a repeated request harmless.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    /// Members not acted on.
    #[serde(default, skip_serializing_if = "Kept::is_empty")]
    pub unsupported: Kept,
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateCluster {
    /// Name; `default` where nothing is said.
    #[serde(default)]
    pub cluster_name: Option<String>,
}

/// Request of DeleteCluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteCluster {
    /// Name or ARN.
    pub cluster: String,
}

/// Something that an operation on several things could not do (ECS: `failures`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// About what.
    pub arn: String,
    /// ECS's word: `MISSING`, `RESOURCE:MEMORY`, `RESOURCE:CPU`, `RESOURCE:PORTS`, `AGENT`, …
    pub reason: String,
    /// In words, every instance with every reason.
    pub detail: String,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// A task definition as it now is.
    TaskDefinition(Arc<TaskDefinition>),
    /// A service as it now is.
    Service(Arc<Service>),
    /// Tasks that were made, and what could not be.
    Tasks(Vec<Arc<Task>>, Vec<Failure>),
    /// A task as it now is.
    Task(Arc<Task>),
    /// Instances as they now are, and those that could not be changed.
    Instances(Vec<Arc<Instance>>, Vec<Failure>),
    /// A cluster as it now is.
    Cluster(Arc<Cluster>),
}

/// ECS's names for what can be wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorKind {
    /// The request cannot be carried out as it is.
    ClientException,
    /// A parameter is wrong.
    InvalidParameterException,
    /// No such cluster.
    ClusterNotFoundException,
    /// The cluster still has instances.
    ClusterContainsContainerInstancesException,
    /// The cluster still has services.
    ClusterContainsServicesException,
    /// The cluster still has tasks.
    ClusterContainsTasksException,
    /// No such service.
    ServiceNotFoundException,
    /// The service was deleted.
    ServiceNotActiveException,
    /// Not offered.
    UnsupportedFeatureException,
    /// No such operation.
    UnknownOperationException,
    /// Our fault: the store failed, the control plane is going down.
    ServerException,
}

/// Why a command was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct CommandError {
    /// ECS's name for it.
    #[serde(rename = "__type")]
    pub kind: ErrorKind,
    /// What happened, to what, and what to do.
    pub message: String,
}

impl CommandError {
    /// An error of that kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}
