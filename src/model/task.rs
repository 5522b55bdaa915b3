//! A task: one running copy of a task definition, on one instance.

use serde::{Deserialize, Serialize};

use std::sync::Arc;

use super::capacity::LaunchType;
use super::id::{
    CapacityProviderName, ClusterName, ContainerName, DeploymentId, InstanceName, ServiceName,
    TaskDefinitionId, TaskId,
};
use super::parameters::TaskOverride;
use super::rare::Rare;
use super::resources::{Protocol, Resources};
use super::tag::Tag;
use super::texts::Texts;
use super::time::TimeMs;

/// What is wanted of a task (ECS: `desiredStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum DesiredStatus {
    /// It should run.
    Running,
    /// It should stop, and never start again.
    Stopped,
}

/// What was observed of a task (ECS: `lastStatus`). It only ever moves down this list, so the
/// order of the variants is the order of a task's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LastStatus {
    /// Placed; its instance has not taken it up yet.
    Provisioning,
    /// Its instance is pulling images and making containers.
    Pending,
    /// Some of its containers run, others wait for their turn.
    Activating,
    /// It runs.
    Running,
    /// Its stop was asked for and not yet begun.
    Deactivating,
    /// Its containers are being stopped.
    Stopping,
    /// All its containers have ended; what it held is being given back.
    Deprovisioning,
    /// It has stopped: confirmed by its engine, or its instance is gone for good.
    Stopped,
}

impl LastStatus {
    /// The word that ECS sends.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "PROVISIONING",
            Self::Pending => "PENDING",
            Self::Activating => "ACTIVATING",
            Self::Running => "RUNNING",
            Self::Deactivating => "DEACTIVATING",
            Self::Stopping => "STOPPING",
            Self::Deprovisioning => "DEPROVISIONING",
            Self::Stopped => "STOPPED",
        }
    }
}

/// Why a task stopped (ECS: `stopCode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopCode {
    /// A container could not be made or started, or its image not be had.
    TaskFailedToStart,
    /// A container without which the task is nothing has ended.
    EssentialContainerExited,
    /// A person or a program asked for it.
    UserInitiated,
    /// The scheduler decided it: scale-in, a deployment, a drained or lost instance.
    ServiceSchedulerInitiated,
}

/// Health as the engine's health checks tell it. Over several containers the worst one counts:
/// UNHEALTHY, then UNKNOWN, then HEALTHY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Health {
    /// Every check passes.
    Healthy,
    /// No check, or none has come to a result.
    #[default]
    Unknown,
    /// A check fails.
    Unhealthy,
}

/// A published port (ECS: `networkBindings`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkBinding {
    /// Address of the host that it is bound to.
    #[serde(rename = "bindIP")]
    pub bind_ip: String,
    /// Port in the container.
    pub container_port: u16,
    /// Port of the host.
    pub host_port: u16,
    /// Protocol.
    pub protocol: Protocol,
}

/// One container of a task, as last observed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Name in the task definition.
    pub name: ContainerName,
    /// The engine's id for it (ECS: `runtimeId`); empty until it was created.
    pub runtime_id: String,
    /// How far it has come; PENDING until its engine has made it.
    pub last_status: LastStatus,
    /// Exit code, once it has ended.
    pub exit_code: Option<i64>,
    /// Why it ended or could not start, in the words of ECS: `OutOfMemoryError: …`,
    /// `CannotPullContainerError: …`.
    pub reason: Option<Box<str>>,
    /// Its health check's word.
    pub health: Health,
    /// Whether it has a health check at all.
    pub has_health_check: bool,
    /// Whether its end ends the task.
    pub essential: bool,
    /// Whether the kernel killed it for memory; told apart from an ordinary exit 137.
    pub oom_killed: bool,
    /// Digest of the image it runs, once known.
    pub image_digest: Option<Arc<str>>,
    /// Published ports.
    pub network_bindings: Rare<Vec<NetworkBinding>>,
    /// How often its restart policy has started it again.
    #[serde(default)]
    pub restart_count: u32,
    /// When it last started, in its engine's clock: another moment is another start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<TimeMs>,
}

/// How far an image pull has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullProgress {
    /// The image being pulled.
    pub image: String,
    /// Bytes received.
    pub done_bytes: u64,
    /// Bytes known to come; grows while layers are found.
    pub total_bytes: u64,
}

/// One running copy of a task definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Id.
    pub id: TaskId,
    /// Cluster.
    pub cluster: ClusterName,
    /// The instance it was placed on, for good: tasks do not move, they are replaced.
    pub instance: InstanceName,
    /// What it is a copy of.
    pub task_definition: TaskDefinitionId,
    /// The service that it belongs to; `None` for one run by hand.
    pub service: Option<ServiceName>,
    /// The service's deployment that started it.
    pub deployment: Option<DeploymentId>,
    /// ECS's `group`: `service:NAME`, or `family:NAME` for one run by hand.
    pub group: Arc<str>,
    /// Who or what started it.
    pub started_by: Arc<str>,
    /// What is wanted.
    pub desired_status: DesiredStatus,
    /// What was observed.
    pub last_status: LastStatus,
    /// Its containers, in the definition's order.
    pub containers: Vec<Container>,
    /// What it holds of its instance until its stop is confirmed.
    pub resources: Resources,
    /// When it was placed.
    pub created_at: TimeMs,
    /// When it first was RUNNING.
    pub started_at: Option<TimeMs>,
    /// When its stop was asked for.
    pub stopping_at: Option<TimeMs>,
    /// When its stop was confirmed.
    pub stopped_at: Option<TimeMs>,
    /// Why it stopped or is stopping.
    pub stop_code: Option<StopCode>,
    /// Why, in words.
    pub stopped_reason: Option<Arc<str>>,
    /// Since when it is given up for lost: its instance has not answered for longer than the
    /// grace period. It counts for nothing while this is set, and counts again when its
    /// instance returns.
    pub lost_at: Option<TimeMs>,
    /// Why this instance was chosen, in the scheduler's words.
    pub placement: Arc<str>,
    /// Idempotency token of the RunTask that made it.
    pub client_token: Option<Arc<str>>,
    /// Launch type.
    #[serde(default)]
    pub launch_type: LaunchType,
    /// The group of instances that a capacity provider strategy chose for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_provider: Option<CapacityProviderName>,
    /// What it has otherwise than its definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides: Option<Arc<TaskOverride>>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Rare::is_empty")]
    pub tags: Rare<Vec<Tag>>,
    /// Its own address on its instance's bridge, if its containers share a network of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Box<str>>,
    /// Until when neither scale-in nor a deployment stops it (ECS: task protection).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protected_until: Option<TimeMs>,
}

impl Container {
    /// A container that nobody has made yet.
    #[must_use]
    pub fn new(name: ContainerName, essential: bool, has_health_check: bool) -> Self {
        Self {
            name,
            runtime_id: String::new(),
            last_status: LastStatus::Pending,
            exit_code: None,
            reason: None,
            health: Health::Unknown,
            has_health_check,
            essential,
            oom_killed: false,
            image_digest: None,
            network_bindings: Rare::default(),
            restart_count: 0,
            started_at: None,
        }
    }
}

impl Task {
    /// A task that was just placed, of no service, with no containers yet.
    #[must_use]
    pub fn new(
        id: TaskId,
        cluster: ClusterName,
        instance: InstanceName,
        task_definition: TaskDefinitionId,
        now: TimeMs,
    ) -> Self {
        Self {
            id,
            cluster,
            instance,
            task_definition,
            service: None,
            deployment: None,
            group: Arc::default(),
            started_by: Arc::default(),
            desired_status: DesiredStatus::Running,
            last_status: LastStatus::Provisioning,
            containers: Vec::new(),
            resources: Resources::default(),
            created_at: now,
            started_at: None,
            stopping_at: None,
            stopped_at: None,
            stop_code: None,
            stopped_reason: None,
            lost_at: None,
            placement: Arc::default(),
            client_token: None,
            launch_type: LaunchType::default(),
            capacity_provider: None,
            overrides: None,
            tags: Rare::default(),
            address: None,
            protected_until: None,
        }
    }

    /// Has its texts in common with the tasks that have equal ones, as a task has that was placed
    /// and not read.
    pub(crate) fn share(&mut self, texts: &mut Texts) {
        self.cluster.share(texts);
        self.instance.share(texts);
        self.task_definition.family.share(texts);
        self.service.iter_mut().for_each(|it| it.share(texts));
        self.deployment.iter_mut().for_each(|it| it.share(texts));
        let provider = self.capacity_provider.iter_mut();
        provider.for_each(|it| it.share(texts));
        texts.share(&mut self.group);
        texts.share(&mut self.started_by);
        for container in &mut self.containers {
            container.name.share(texts);
            let digest = container.image_digest.iter_mut();
            digest.for_each(|it| texts.share(it));
        }
    }

    /// Health over its containers: the worst of those that have a check, else UNKNOWN.
    #[must_use]
    pub fn health(&self) -> Health {
        self.containers
            .iter()
            .filter(|c| c.has_health_check && c.essential)
            .map(|c| c.health)
            .max()
            .unwrap_or_default()
    }

    /// Whether a deployment may count it as up: RUNNING, wanted, not lost, and HEALTHY if
    /// anything in it is checked.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        let checked = self
            .containers
            .iter()
            .any(|c| c.has_health_check && c.essential);
        self.last_status == LastStatus::Running
            && self.desired_status == DesiredStatus::Running
            && self.lost_at.is_none()
            && (!checked || self.health() == Health::Healthy)
    }

    /// Where it is, as people are told: its instance, or FARGATE, with which nobody sees one.
    #[must_use]
    pub fn whereabouts(&self) -> &str {
        match self.launch_type {
            LaunchType::Ec2 => self.instance.as_str(),
            LaunchType::Fargate => self.launch_type.as_str(),
        }
    }

    /// Whether its stop is confirmed.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.last_status == LastStatus::Stopped
    }

    /// Whether its service counts on it: wanted, not stopped, not given up for lost.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.desired_status == DesiredStatus::Running
            && !self.is_stopped()
            && self.lost_at.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As stores have it since before any of its texts and collections was shared.
    const WRITTEN: &str = r#"{
        "id": "00000000000000000000000000000007", "cluster": "default", "instance": "ops-1",
        "taskDefinition": "web:1", "service": null, "deployment": null, "group": "family:web",
        "startedBy": "ops", "desiredStatus": "STOPPED", "lastStatus": "STOPPED",
        "containers": [{
            "name": "main", "runtimeId": "f00d", "lastStatus": "STOPPED", "exitCode": 1,
            "reason": "OutOfMemoryError", "health": "UNKNOWN", "hasHealthCheck": false,
            "essential": true, "oomKilled": true, "imageDigest": "sha256:1",
            "networkBindings": [{
                "bindIP": "0.0.0.0", "containerPort": 80, "hostPort": 8080, "protocol": "tcp"
            }],
            "restartCount": 0
        }],
        "resources": {
            "cpu": 64, "memory": 64, "ports": [{"port": 8080, "protocol": "tcp"}],
            "named": {"GPU": 1}
        },
        "createdAt": 1, "startedAt": 2, "stoppingAt": 3, "stoppedAt": 4,
        "stopCode": "EssentialContainerExited", "stoppedReason": "it ended", "lostAt": null,
        "placement": "1 of 1 instances fit", "clientToken": "again", "launchType": "EC2",
        "tags": [{"key": "team", "value": "db"}], "address": "172.18.0.7"
    }"#;

    #[test]
    fn a_task_of_an_older_store_is_read_and_written_as_it_was() {
        let written: serde_json::Value = serde_json::from_str(WRITTEN).unwrap();
        let task: Task = serde_json::from_str(WRITTEN).unwrap();
        assert_eq!(serde_json::to_value(&task).unwrap(), written);
        // What is empty is left out or empty, as it was.
        let mut bare = task;
        bare.tags = Rare::default();
        bare.resources = Resources::default();
        bare.containers[0].network_bindings = Rare::default();
        let bare = serde_json::to_value(&bare).unwrap();
        assert!(bare.get("tags").is_none());
        assert_eq!(
            bare["resources"],
            serde_json::json!({"cpu": 0, "memory": 0})
        );
        assert_eq!(
            bare["containers"][0]["networkBindings"],
            serde_json::json!([])
        );
    }

    #[test]
    fn a_tasks_life_goes_one_way_and_the_worst_health_counts() {
        assert!(LastStatus::Pending < LastStatus::Running);
        assert!(LastStatus::Running < LastStatus::Stopped);
        assert!(Health::Unhealthy > Health::Unknown && Health::Unknown > Health::Healthy);
    }
}
