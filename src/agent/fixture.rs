//! Tasks, definitions and containers for the agent's tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::observation::{ContainerState, ObservedContainer, Ownership};
use crate::model::task::Container;
use crate::model::{
    Change, ClusterName, Connection, ContainerName, DesiredStatus, Instance, InstanceName,
    InstanceStatus, LastStatus, Resources, State, Task, TaskDefinition, TaskId, TimeMs,
};

/// This control plane's id.
pub const PLANE: &str = "plane-1";

pub fn instance() -> InstanceName {
    InstanceName::new("ops-1").unwrap()
}

pub fn name(text: &str) -> ContainerName {
    ContainerName::new(text).unwrap()
}

/// A definition `web:1` with these containers, written as in ECS's JSON.
pub fn definition(containers: serde_json::Value) -> TaskDefinition {
    serde_json::from_value(serde_json::json!({
        "family": "web", "revision": 1, "containerDefinitions": containers,
    }))
    .unwrap()
}

/// A task of that definition, to run on [`instance`].
pub fn task(id: u128, definition: &TaskDefinition) -> Task {
    let container = |name: &ContainerName, essential| Container {
        name: name.clone(),
        runtime_id: String::new(),
        last_status: LastStatus::Pending,
        exit_code: None,
        reason: None,
        health: Default::default(),
        has_health_check: false,
        essential,
        oom_killed: false,
        image_digest: None,
        network_bindings: Vec::new(),
    };
    let all = definition.container_definitions.iter();
    Task {
        id: TaskId(id),
        cluster: ClusterName::default_cluster(),
        instance: instance(),
        task_definition: definition.id(),
        service: None,
        deployment: None,
        group: "family:web".to_owned(),
        started_by: String::new(),
        desired_status: DesiredStatus::Running,
        last_status: LastStatus::Pending,
        containers: all.map(|c| container(&c.name, c.essential)).collect(),
        resources: Default::default(),
        created_at: TimeMs(0),
        started_at: None,
        stopping_at: None,
        stopped_at: None,
        stop_code: None,
        stopped_reason: None,
        lost_at: None,
        placement: String::new(),
        client_token: None,
    }
}

/// An ACTIVE instance of that name.
pub fn registered(name: &str, connection: Connection) -> Change {
    Change::Instance(Arc::new(Instance {
        name: InstanceName::new(name).unwrap(),
        cluster: ClusterName::default_cluster(),
        endpoint: "simulated".to_owned(),
        status: InstanceStatus::Active,
        connection,
        attributes: BTreeMap::new(),
        capacity: Resources::default(),
        reserved: Resources::default(),
        foreign: Resources::default(),
        foreign_count: 0,
        docker_version: String::new(),
        api_version: String::new(),
        engine_id: String::new(),
        registered_at: None,
    }))
}

/// A state of [`PLANE`] with [`instance`], that definition and these tasks.
pub fn state(definition: &TaskDefinition, tasks: &[Task]) -> State {
    let mut state = State::default();
    state.apply(&Change::ControlPlane(PLANE.to_owned()));
    let since = TimeMs(0);
    state.apply(&registered("ops-1", Connection::Connected { since }));
    state.apply(&Change::TaskDefinition(Arc::new(definition.clone())));
    for task in tasks {
        state.apply(&Change::Task(Arc::new(task.clone())));
    }
    state
}

/// A container of that task as [`PLANE`] would have made it.
pub fn observed(task: u128, container: &str, state: ContainerState) -> ObservedContainer {
    let task = TaskId(task);
    ObservedContainer {
        runtime_id: format!("id-{container}-{}", task.0),
        name: format!("qd-web-1-{container}-{task}"),
        owner: Some(Ownership {
            control_plane: PLANE.to_owned(),
            task,
            container: name(container),
        }),
        image: "busybox".to_owned(),
        image_digest: None,
        state,
        exit_code: state.has_ended().then_some(0),
        oom_killed: false,
        error: String::new(),
        started_at: None,
        finished_at: None,
        health: None,
        network_bindings: Vec::new(),
        cpu: Default::default(),
        memory: Default::default(),
        host_ports: Vec::new(),
        volumes: Vec::new(),
    }
}
