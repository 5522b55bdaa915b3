use super::*;
use crate::model::task_definition::{TaskDefinitionStatus, Volume};
use crate::model::{ClusterName, InstanceName, LastStatus, ServiceName, TaskId, TimeMs};
use serde_json::json;

pub(super) fn definition(body: serde_json::Value) -> TaskDefinition {
    let definition: TaskDefinition = serde_json::from_value(body).unwrap();
    assert_eq!(definition.status, TaskDefinitionStatus::Active);
    definition
}

fn task(definition: &TaskDefinition) -> Task {
    Task {
        service: Some(ServiceName::new("web").unwrap()),
        group: "service:web".into(),
        last_status: LastStatus::Pending,
        ..Task::new(
            TaskId(0xab),
            ClusterName::default_cluster(),
            InstanceName::new("ops-1").unwrap(),
            definition.id(),
            TimeMs(0),
        )
    }
}

pub(super) fn spec_of(definition: &TaskDefinition, index: usize) -> ContainerSpec {
    container_spec(
        &task(definition),
        definition,
        &definition.container_definitions[index],
        "plane-1",
        &Partition::default(),
    )
}

const ID: &str = "000000000000000000000000000000ab";

#[test]
fn a_container_is_named_and_labelled_after_its_task() {
    let definition = definition(json!({
        "family": "web", "revision": 7,
        "containerDefinitions": [{
            "name": "app", "image": "app:1",
            "dockerLabels": {"team": "blue", "quarterdeck.task-id": "forged"},
        }],
    }));
    let spec = spec_of(&definition, 0);
    assert_eq!(spec.name, format!("qd-web-7-app-{ID}"));
    let label = |name: &str| spec.labels.get(name).map(String::as_str);
    assert_eq!(label(label::TASK_ID), Some(ID), "ours win over the user's");
    assert_eq!(label("team"), Some("blue"));
    assert_eq!(label("com.amazonaws.ecs.cluster"), Some("default"));
    assert_eq!(
        label("com.amazonaws.ecs.task-arn"),
        Some(format!("arn:aws:ecs:local:123456789012:task/default/{ID}").as_str())
    );
    assert_eq!(
        label("com.amazonaws.ecs.task-definition-family"),
        Some("web")
    );
    assert_eq!(
        label("com.amazonaws.ecs.task-definition-version"),
        Some("7")
    );
    assert_eq!(label("com.amazonaws.ecs.container-name"), Some("app"));
    assert_eq!(label(label::CONTROL_PLANE), Some("plane-1"));
    assert_eq!(label(label::SERVICE), Some("web"));
    assert_eq!(label(label::INSTANCE), Some("ops-1"));
}

#[test]
fn what_is_not_said_is_as_ecs_has_it() {
    let definition = definition(json!({
        "family": "web", "revision": 1, "memory": 64,
        "containerDefinitions": [
            {"name": "a", "image": "i", "healthCheck": {"command": ["CMD", "true"]}},
            {"name": "b", "image": "i", "memory": 32, "memoryReservation": 16, "cpu": 1,
             "stopTimeout": 2},
        ],
    }));
    let (a, b) = (spec_of(&definition, 0), spec_of(&definition, 1));
    assert_eq!(a.memory_bytes, 64 << 20, "the task's memory is the limit");
    assert_eq!(a.memory_reservation_bytes, 0);
    assert_eq!(a.cpu_shares, 2);
    assert_eq!(a.stop_timeout_s, 30);
    assert_eq!(
        a.health,
        Some(HealthSpec {
            test: vec!["CMD".to_owned(), "true".to_owned()],
            interval_s: 30,
            timeout_s: 5,
            retries: 3,
            start_period_s: 0,
        })
    );
    assert_eq!(
        (b.memory_bytes, b.memory_reservation_bytes),
        (32 << 20, 16 << 20)
    );
    assert_eq!(b.cpu_shares, 2);
    assert_eq!(b.stop_timeout_s, 2);
    assert_eq!(b.health, None);
}

#[test]
fn the_tasks_cpu_is_shared_by_those_that_name_none() {
    let definition = definition(json!({
        "family": "web", "revision": 1, "cpu": 1024,
        "containerDefinitions": [
            {"name": "a", "image": "i", "cpu": 512},
            {"name": "b", "image": "i"},
            {"name": "c", "image": "i"},
        ],
    }));
    let shares: Vec<u64> = (0..3).map(|i| spec_of(&definition, i).cpu_shares).collect();
    assert_eq!(shares, [512, 256, 256]);
}

#[test]
fn links_and_ports_are_for_the_bridge_only() {
    let body = |mode: &str| {
        definition(json!({
            "family": "web", "revision": 1, "networkMode": mode,
            "containerDefinitions": [
                {"name": "app", "image": "i", "links": ["db:store", "db"],
                 "portMappings": [{"containerPort": 80}, {"containerPort": 53, "hostPort": 5353, "protocol": "udp"}]},
                {"name": "db", "image": "i"},
            ],
        }))
    };
    let bridge = spec_of(&body("bridge"), 0);
    assert_eq!(
        bridge.network,
        NetworkSpec::Bridge {
            links: vec![
                format!("qd-web-1-db-{ID}:store"),
                format!("qd-web-1-db-{ID}:db")
            ]
        }
    );
    assert_eq!(
        bridge.ports,
        [
            PortSpec {
                container_port: 80,
                host_port: 0,
                protocol: Protocol::Tcp
            },
            PortSpec {
                container_port: 53,
                host_port: 5353,
                protocol: Protocol::Udp
            },
        ]
    );
    let host = spec_of(&body("host"), 0);
    assert_eq!((host.network, host.ports), (NetworkSpec::Host, Vec::new()));
    assert_eq!(spec_of(&body("none"), 0).network, NetworkSpec::None);
}

#[test]
fn a_mount_names_the_volume_that_is_made() {
    let definition = definition(json!({
        "family": "web", "revision": 1,
        "volumes": [
            {"name": "conf", "host": {"sourcePath": "/etc/app"}},
            {"name": "scratch"},
            {"name": "data", "dockerVolumeConfiguration": {"scope": "shared"}},
        ],
        "containerDefinitions": [{"name": "a", "image": "i", "mountPoints": [
            {"sourceVolume": "conf", "containerPath": "/conf", "readOnly": true},
            {"sourceVolume": "scratch", "containerPath": "/scratch"},
            {"sourceVolume": "data", "containerPath": "/data"},
        ]}],
    }));
    let mounts = spec_of(&definition, 0).mounts;
    assert_eq!(mounts[0].source.as_deref(), Some("/etc/app"));
    assert!(mounts[0].bind && mounts[0].read_only);
    let task = task(&definition);
    let made = |volume: &Volume| match volume_source(&task, volume) {
        VolumeSource::OfTask(name) | VolumeSource::Shared(name) => name,
        VolumeSource::Folder(_) => String::new(),
    };
    assert_eq!(mounts[1].source, Some(made(&definition.volumes[1])));
    assert_eq!(mounts[2].source.as_deref(), Some("data"));
    assert!(!mounts[1].bind && !mounts[2].bind);
}

#[test]
fn environment_and_log_driver_go_through() {
    let definition = definition(json!({
        "family": "web", "revision": 1,
        "containerDefinitions": [{"name": "a", "image": "i",
            "environment": [{"name": "A", "value": "1=2"}, {"name": "EMPTY", "value": ""}],
            "logConfiguration": {"logDriver": "local", "options": {"max-size": "1m"}}}],
    }));
    let spec = spec_of(&definition, 0);
    assert_eq!(spec.environment, ["A=1=2", "EMPTY="]);
    let (driver, options) = spec.log.unwrap();
    assert_eq!(driver, "local");
    assert_eq!(options["max-size"], "1m");
}
