//! Builders for tests, for any room that wants a small fleet.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::id::IdSource;
use crate::model::instance::attribute;
use crate::model::parameters::{RuntimePlatform, Secret};
use crate::model::service::{Deployment, Service};
use crate::model::task_definition::{
    ContainerDefinition, HostVolume, PortMapping, TaskDefinition, Volume,
};
use crate::model::{
    Change, Cluster, ClusterName, Connection, ContainerName, CpuUnits, DeploymentId, Family,
    Instance, InstanceName, InstanceStatus, LastStatus, MemoryMib, Partition, Resources, Revision,
    Role, RoleName, ServiceName, State, Task, TaskId, TimeMs,
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
        ..Resources::default()
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
        status: InstanceStatus::Active,
        attributes: all,
        capacity: resources(cpu, memory),
        docker_version: "28.0.0".to_owned(),
        api_version: "1.48".to_owned(),
        engine_id: name.to_owned(),
        registered_at: Some(START),
        ..Instance::new(
            instance_name(name),
            ClusterName::default_cluster(),
            format!("sim://{name}"),
            Connection::Connected { since: START },
        )
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
        cpu: CpuUnits(cpu),
        memory: Some(MemoryMib(memory)),
        port_mappings: ports
            .iter()
            .map(|port| PortMapping {
                host_port: Some(*port),
                ..PortMapping::new(*port)
            })
            .collect(),
        ..ContainerDefinition::new(
            ContainerName::new("main").unwrap(),
            format!("{family}:{revision}"),
        )
    };
    TaskDefinition {
        registered_at: START,
        ..TaskDefinition::new(
            Family::new(family).unwrap(),
            Revision(revision),
            vec![container],
        )
    }
}

/// A new deployment of `family:revision`.
pub fn deployment(number: u64, family: &str, revision: u32, at: TimeMs) -> Deployment {
    Deployment {
        rollout_state_reason: String::new(),
        ..Deployment::new(
            DeploymentId::from_number(number),
            format!("{family}:{revision}").parse().unwrap(),
            "tests",
            at,
        )
    }
}

/// An ACTIVE service `name` that wants `count` tasks of `name:1`.
pub fn service(name: &str, count: u32) -> Service {
    Service {
        desired_count: count,
        deployments: vec![deployment(1, name, 1, START)],
        ..Service::new(service_name(name), ClusterName::default_cluster(), START)
    }
}

/// A state with the `default` cluster and these instances.
pub fn state(instances: impl IntoIterator<Item = Instance>) -> State {
    let mut state = State::default();
    state.apply(&Change::ControlPlane("test".to_owned()));
    state.apply(&Change::Cluster(Arc::new(Cluster::new(
        ClusterName::default_cluster(),
        Partition::default(),
        true,
        START,
    ))));
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
        group: format!("family:{family}").into(),
        started_by: "tests".into(),
        last_status: LastStatus::Running,
        containers: super::containers(definition),
        resources: definition.resources(),
        started_at: Some(START),
        ..Task::new(
            id,
            ClusterName::default_cluster(),
            instance_name(instance),
            definition.id(),
            START,
        )
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

/// Gives a definition a task role, a secret and a folder of the host.
pub fn ask_for(
    definition: &mut TaskDefinition,
    role: Option<String>,
    secret: Option<String>,
    mount: Option<String>,
) {
    definition.task_role_arn = role;
    let container = definition.container_definitions.first_mut().unwrap();
    container.secrets.extend(secret.map(|value_from| Secret {
        name: "SECRET".to_owned(),
        value_from,
    }));
    definition.volumes.extend(mount.map(|path| Volume {
        name: "data".to_owned(),
        host: Some(HostVolume {
            source_path: Some(path),
        }),
        docker_volume_configuration: None,
        unsupported: BTreeMap::new(),
    }));
}

/// A role that grants that secret, and folders of the host below that path.
pub fn role(name: &str, secret: Option<String>, path: Option<String>) -> Role {
    Role {
        secrets: secret.into_iter().collect(),
        host_paths: path.map(|path| vec![path]),
        ..Role::new(RoleName::new(name).unwrap())
    }
}

/// The platform that one of some words names.
pub fn platform(words: &[&str]) -> Option<RuntimePlatform> {
    let known = |word: &&&str| matches!(**word, "X86_64" | "ARM64");
    words.iter().find(known).map(|word| RuntimePlatform {
        cpu_architecture: Some((*word).to_owned()),
        operating_system_family: None,
    })
}
