//! Builders for tests, for any room that wants a small fleet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::id::IdSource;
use crate::model::instance::attribute;
use crate::model::service::{
    Backoff, DEFAULT_GRACE_S, Deployment, DeploymentConfiguration, RolloutState, Service,
    ServiceStatus,
};
use crate::model::task_definition::{
    ContainerDefinition, PortMapping, TaskDefinition, TaskDefinitionStatus,
};
use crate::model::{
    Change, Cluster, ClusterName, Connection, ContainerName, CpuUnits, DeploymentId, DesiredStatus,
    Family, Instance, InstanceName, InstanceStatus, LastStatus, MemoryMib, Partition, Resources,
    Revision, ServiceName, State, Task, TaskId, TimeMs,
};

/// The moment at which fixtures begin.
pub const START: TimeMs = TimeMs(1_000_000);

/// The name, in tests that know it is one.
pub fn instance_name(name: &str) -> InstanceName {
    InstanceName::new(name).unwrap()
}

/// The name, in tests that know it is one.
pub fn service_name(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

/// That much CPU and memory.
pub fn resources(cpu: u64, memory: u64) -> Resources {
    Resources {
        cpu: CpuUnits(cpu),
        memory: MemoryMib(memory),
        ports: BTreeSet::new(),
    }
}

/// A connected ACTIVE instance of the `default` cluster.
pub fn instance(
    name: &str,
    zone: &str,
    cpu: u64,
    memory: u64,
    attributes: &[(&str, &str)],
) -> Instance {
    let mut all: BTreeMap<String, String> = attributes
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    all.insert(attribute::AVAILABILITY_ZONE.to_owned(), zone.to_owned());
    Instance {
        name: instance_name(name),
        cluster: ClusterName::default_cluster(),
        endpoint: format!("sim://{name}"),
        status: InstanceStatus::Active,
        connection: Connection::Connected { since: START },
        attributes: all,
        capacity: resources(cpu, memory),
        reserved: Resources::default(),
        foreign: Resources::default(),
        foreign_count: 0,
        docker_version: "28.0.0".to_owned(),
        api_version: "1.48".to_owned(),
        engine_id: name.to_owned(),
        registered_at: Some(START),
    }
}

/// A definition of one essential container with fixed host ports.
pub fn definition(
    family: &str,
    revision: u32,
    cpu: u64,
    memory: u64,
    ports: &[u16],
) -> TaskDefinition {
    let container = ContainerDefinition {
        name: ContainerName::new("main").unwrap(),
        image: format!("{family}:{revision}"),
        command: None,
        entry_point: None,
        environment: Vec::new(),
        cpu: CpuUnits(cpu),
        memory: Some(MemoryMib(memory)),
        memory_reservation: None,
        port_mappings: ports
            .iter()
            .map(|port| PortMapping {
                container_port: *port,
                host_port: Some(*port),
                protocol: crate::model::Protocol::Tcp,
                name: None,
            })
            .collect(),
        essential: true,
        health_check: None,
        links: Vec::new(),
        depends_on: Vec::new(),
        stop_timeout: None,
        user: None,
        working_directory: None,
        mount_points: Vec::new(),
        ulimits: Vec::new(),
        docker_labels: BTreeMap::new(),
        log_configuration: None,
        unsupported: BTreeMap::new(),
    };
    TaskDefinition {
        family: Family::new(family).unwrap(),
        revision: Revision(revision),
        container_definitions: vec![container],
        volumes: Vec::new(),
        network_mode: crate::model::task_definition::NetworkMode::Bridge,
        cpu: None,
        memory: None,
        placement_constraints: Vec::new(),
        status: TaskDefinitionStatus::Active,
        registered_at: START,
        unsupported: BTreeMap::new(),
    }
}

/// A new deployment of `family:revision`.
pub fn deployment(number: u64, family: &str, revision: u32, at: TimeMs) -> Deployment {
    Deployment {
        id: DeploymentId::from_number(number),
        task_definition: format!("{family}:{revision}").parse().unwrap(),
        rollout_state: RolloutState::InProgress,
        rollout_state_reason: String::new(),
        failed_tasks: 0,
        created_at: at,
        updated_at: at,
    }
}

/// An ACTIVE service `name` that wants `count` tasks of `name:1`.
pub fn service(name: &str, count: u32) -> Service {
    Service {
        name: service_name(name),
        cluster: ClusterName::default_cluster(),
        status: ServiceStatus::Active,
        desired_count: count,
        deployment_configuration: DeploymentConfiguration::default(),
        placement_constraints: Vec::new(),
        placement_strategy: Vec::new(),
        deployments: vec![deployment(1, name, 1, START)],
        last_completed: None,
        grace_s: DEFAULT_GRACE_S,
        backoff: Backoff::default(),
        unplaced: None,
        steady: false,
        created_at: START,
        client_token: None,
        unsupported: BTreeMap::new(),
    }
}

/// A state with the `default` cluster and these instances.
pub fn state(instances: impl IntoIterator<Item = Instance>) -> State {
    let mut state = State::default();
    state.apply(&Change::ControlPlane("test".to_owned()));
    state.apply(&Change::Cluster(Arc::new(Cluster {
        name: ClusterName::default_cluster(),
        partition: Partition::default(),
        configured: true,
        created_at: START,
    })));
    for instance in instances {
        state.apply(&Change::Instance(Arc::new(instance)));
    }
    state
}

/// A source of ids that every test may share.
pub fn ids() -> IdSource {
    IdSource::new(7)
}

/// A RUNNING task of that definition on that instance, run by hand in the group `family:FAMILY`.
pub fn task(id: TaskId, family: &str, definition: &TaskDefinition, instance: &str) -> Task {
    Task {
        id,
        cluster: ClusterName::default_cluster(),
        instance: instance_name(instance),
        task_definition: definition.id(),
        service: None,
        deployment: None,
        group: format!("family:{family}"),
        started_by: "tests".to_owned(),
        desired_status: DesiredStatus::Running,
        last_status: LastStatus::Running,
        containers: super::containers(definition),
        resources: definition.resources(),
        created_at: START,
        started_at: Some(START),
        stopping_at: None,
        stopped_at: None,
        stop_code: None,
        stopped_reason: None,
        lost_at: None,
        placement: String::new(),
        client_token: None,
    }
}

/// Gives every container of a definition a health check.
pub fn check_health(definition: &mut TaskDefinition) {
    for container in &mut definition.container_definitions {
        container.health_check = Some(crate::model::task_definition::HealthCheck {
            command: vec!["CMD".to_owned(), "true".to_owned()],
            interval: None,
            timeout: None,
            retries: None,
            start_period: None,
        });
    }
}
