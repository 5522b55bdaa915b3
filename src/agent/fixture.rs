//! Tasks, definitions and containers for the agent's tests.

use std::sync::Arc;

use crate::model::observation::{ContainerState, ObservedContainer, Ownership};
use crate::model::task::Container;
use crate::model::{
    Change, ClusterName, Connection, ContainerName, Instance, InstanceName, InstanceStatus,
    LastStatus, State, Task, TaskDefinition, TaskId, TimeMs,
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
    let container =
        |name: &ContainerName, essential| Container::new(name.clone(), essential, false);
    let all = definition.container_definitions.iter();
    Task {
        group: "family:web".into(),
        last_status: LastStatus::Pending,
        containers: all.map(|c| container(&c.name, c.essential)).collect(),
        ..Task::new(
            TaskId(id),
            ClusterName::default_cluster(),
            instance(),
            definition.id(),
            TimeMs(0),
        )
    }
}

/// An ACTIVE instance of that name.
pub fn registered(name: &str, connection: Connection) -> Change {
    Change::Instance(Arc::new(Instance {
        status: InstanceStatus::Active,
        ..Instance::new(
            InstanceName::new(name).unwrap(),
            ClusterName::default_cluster(),
            "simulated".to_owned(),
            connection,
        )
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
        address: None,
    }
}
