//! What is written is read here as strictly as the format's description has it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::api::tests::{Rig, http_text};
use crate::controller::fixture::*;
use crate::controller::wire;
use crate::model::task::NetworkBinding;
use crate::model::{
    AccessRole, Actor, Cluster, ClusterName, Instance, InstanceName, Partition, Protocol, Service,
    ServiceName, Surface, Task, TaskDefinitionId, TaskId, TimeMs,
};

/// A page as it was read: type by family, and value by name and labels.
#[derive(Debug, Default)]
struct Read {
    kinds: BTreeMap<String, String>,
    samples: BTreeMap<(String, Vec<(String, String)>), f64>,
}

impl Read {
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let key = (name.to_owned(), labels.collect());
        self.samples.get(&key).copied()
    }
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    chars.next().is_some_and(first) && chars.all(|c| first(c) || c.is_ascii_digit())
}

/// Reads the labels of a sample after the opening brace, and gives what follows the closing one.
fn labels(mut text: &str) -> (Vec<(String, String)>, &str) {
    let mut found = Vec::new();
    loop {
        let (name, rest) = text.split_once("=\"").expect("a label and its value");
        assert!(is_name(name) && !name.contains(':'), "{name:?}");
        let mut value = String::new();
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next().expect("a closing quote") {
                (at, '"') => break at,
                (_, '\\') => match chars.next().unwrap().1 {
                    '\\' => value.push('\\'),
                    '"' => value.push('"'),
                    'n' => value.push('\n'),
                    other => panic!("\\{other} is no escape"),
                },
                (_, c) => value.push(c),
            }
        };
        found.push((name.to_owned(), value));
        match rest[end + 1..].split_at_checked(1) {
            Some((",", more)) => text = more,
            Some(("}", after)) => return (found, after),
            other => panic!("{other:?} after a label"),
        }
    }
}

fn read(page: &str) -> Read {
    assert!(page.ends_with('\n'), "the last line is ended too");
    let mut read = Read::default();
    let (mut current, mut over) = (String::new(), BTreeSet::new());
    let mut helped = None;
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help text");
            assert!(is_name(name) && !help.is_empty());
            helped = Some(name.to_owned());
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["gauge", "counter", "histogram"].contains(&kind), "{kind}");
            assert_eq!(helped.take().as_deref(), Some(name), "help comes first");
            assert!(over.insert(name.to_owned()), "{name} comes twice");
            assert_eq!(
                kind == "counter",
                name.ends_with("_total") || name == "quarterdeck_last_change"
            );
            current = name.to_owned();
            read.kinds.insert(current.clone(), kind.to_owned());
            continue;
        }
        assert!(!line.is_empty() && !line.starts_with('#'), "{line:?}");
        let at = line.find(['{', ' ']).expect("a value");
        let name = &line[..at];
        assert!(is_name(name), "{name:?}");
        let of = match read.kinds[&current].as_str() {
            "histogram" => ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end)),
            _ => Some(name),
        };
        assert_eq!(of, Some(current.as_str()), "within its family");
        let (labels, rest) = match line.as_bytes()[at] {
            b'{' => labels(&line[at + 1..]),
            _ => (Vec::new(), &line[at..]),
        };
        let value: f64 = rest.strip_prefix(' ').unwrap().parse().unwrap();
        assert!(value.is_finite() && value >= 0.0, "{line}");
        let key = (name.to_owned(), labels);
        assert!(
            read.samples.insert(key, value).is_none(),
            "{line} comes twice"
        );
    }
    for (name, kind) in &read.kinds {
        if kind == "histogram" {
            histogram(&read, name);
        }
    }
    read
}

/// Buckets grow, and the last is the count.
fn histogram(read: &Read, name: &str) {
    let bucket = format!("{name}_bucket");
    let buckets = read.samples.iter().filter(|((of, _), _)| *of == bucket);
    let mut buckets: Vec<(f64, f64)> = buckets
        .map(|((_, labels), count)| {
            let [(label, bound)] = &labels[..] else {
                panic!("{labels:?}");
            };
            assert_eq!(label, "le");
            let bound = if bound == "+Inf" {
                f64::INFINITY
            } else {
                bound.parse().unwrap()
            };
            (bound, *count)
        })
        .collect();
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(
        buckets.windows(2).all(|two| two[0].1 <= two[1].1),
        "{buckets:?}"
    );
    let last = buckets.last().unwrap();
    assert!(last.0.is_infinite());
    assert_eq!(Some(last.1), read.value(&format!("{name}_count"), &[]));
    assert!(read.value(&format!("{name}_sum"), &[]).is_some());
}

#[tokio::test]
async fn the_page_tells_what_runs_what_does_not_and_what_was_done() {
    let rig = Rig::new(2).await;
    let handle = &rig.plane.handle;
    ask(handle, register("web")).await;
    ask(handle, create("web", "web", 3)).await;
    until(handle, "three run", |it| serving(it, "web").len() == 3).await;
    let viewer = Actor::new("vic", Surface::Api).held_to(AccessRole::Viewer);
    handle.command(scale("web", 4), viewer).await.unwrap_err();
    // Far more than two instances take.
    ask(handle, scale("web", 500)).await;
    let full = until(handle, "no place is left", |it| {
        let web = it.state.services.values().next().unwrap();
        web.unplaced.is_some() && serving(it, "web").len() > 3
    })
    .await;
    until(handle, "each instance is heard", |it| {
        let heard = it
            .live
            .agents
            .values()
            .filter(|agent| agent.heard_at.is_some());
        heard.count() == 2
    })
    .await;
    let watching = handle.meters().watch();
    watching.fell_behind();

    let (status, head, page) = http_text(&rig.socket(), "GET /metrics").await;
    assert_eq!(status, 200);
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    let read = read(&page);
    let service = [("cluster", "default"), ("service", "web")];
    assert_eq!(
        read.value("quarterdeck_service_desired_tasks", &service),
        Some(500.0)
    );
    let unplaced = read
        .value("quarterdeck_service_unplaced_tasks", &service)
        .unwrap();
    assert!(unplaced > 0.0);
    let by_reason: f64 = read
        .samples
        .iter()
        .filter(|((name, _), _)| name == "quarterdeck_unplaced_tasks")
        .map(|((_, labels), count)| {
            assert!(
                ["cpu", "memory"].contains(&labels[0].1.as_str()),
                "{labels:?}"
            );
            count
        })
        .sum();
    assert!((by_reason - unplaced).abs() < f64::EPSILON);
    let placed = read.value("quarterdeck_placements_total", &[]).unwrap();
    assert!(placed >= serving(&full, "web").len() as f64, "{placed}");
    assert!(
        read.value("quarterdeck_placement_failures_total", &[])
            .unwrap()
            >= unplaced
    );
    assert_eq!(
        read.value("quarterdeck_task_start_failures_total", &[]),
        Some(0.0)
    );
    assert_eq!(
        read.value("quarterdeck_commands_total", &[("outcome", "refused")]),
        Some(1.0)
    );
    assert_eq!(
        read.value("quarterdeck_commands_total", &[("outcome", "done")]),
        Some(3.0)
    );
    assert_eq!(read.value("quarterdeck_watchers", &[]), Some(1.0));
    assert_eq!(
        read.value("quarterdeck_watch_resyncs_total", &[]),
        Some(1.0)
    );
    let instance = [("cluster", "default"), ("instance", "host-0")];
    assert_eq!(
        read.value("quarterdeck_instance_connected", &instance),
        Some(1.0)
    );
    assert!(
        read.value("quarterdeck_instance_heard_age_seconds", &instance)
            .is_some()
    );
    let web = [("cluster", "default"), ("service", "web")];
    assert_eq!(
        read.value("quarterdeck_unreachable_tasks", &web),
        Some(0.0),
        "each answers"
    );
    assert!(read.value("quarterdeck_change_log_changes", &[]).unwrap() > 10.0);
    assert!(
        read.value("quarterdeck_decision_seconds_count", &[])
            .unwrap()
            > 3.0
    );
    assert!(
        read.value("quarterdeck_store_append_seconds_count", &[])
            .unwrap()
            > 3.0
    );
    let running = [
        ("cluster", "default"),
        ("service", "web"),
        ("last_status", "RUNNING"),
    ];
    assert!(read.value("quarterdeck_tasks", &running).unwrap() >= 3.0);
    let rollouts: f64 = ["IN_PROGRESS", "COMPLETED", "FAILED"]
        .iter()
        .filter_map(|word| read.value("quarterdeck_deployments", &[("rollout_state", word)]))
        .sum();
    assert!((rollouts - 1.0).abs() < f64::EPSILON);
    drop(watching);
    rig.end().await;
}

#[test]
fn a_label_may_hold_anything_and_there_are_so_many_series_at_most() {
    let mut snapshot = Snapshot::default();
    let cluster = ClusterName::default_cluster();
    for n in 0..SERVICES_MAX + 50 {
        let name = ServiceName::new(format!("s{n:05}")).unwrap();
        let mut service = Service::new(name.clone(), cluster.clone(), TimeMs(0));
        service.desired_count = 2;
        let key = (cluster.clone(), name.clone());
        snapshot.state.services.insert(key, Arc::new(service));
        let definition = "web:1".parse::<TaskDefinitionId>().unwrap();
        let instance = InstanceName::new("host").unwrap();
        let id = TaskId(n as u128 + 1);
        let mut task = Task::new(id, cluster.clone(), instance, definition, TimeMs(0));
        task.service = Some(name);
        snapshot.state.tasks.insert(id, Arc::new(task));
    }
    let read = read(&page(&snapshot, &Meters::default(), None));
    let series = |name: &str| read.samples.keys().filter(|(of, _)| of == name).count();
    assert_eq!(
        series("quarterdeck_service_desired_tasks"),
        SERVICES_MAX + 1
    );
    assert_eq!(series("quarterdeck_tasks"), SERVICES_MAX + 1);
    let other = [("cluster", "default"), ("service", OTHER)];
    assert_eq!(
        read.value("quarterdeck_service_desired_tasks", &other),
        Some(100.0)
    );

    // No instance answers, so of each of their tasks it is not known what it does.
    let unreachable = |of: &[(&str, &str)]| read.value("quarterdeck_unreachable_tasks", of);
    assert_eq!(unreachable(&other), Some(50.0));
    let first = [("cluster", "default"), ("service", "s00000")];
    assert_eq!(unreachable(&first), Some(1.0));

    let mut page = Page::default();
    let odd = "a\"b\\c\nd{}=,é";
    page.family("x", Kind::Gauge, "one\\two\nthree")
        .put(&[("l", odd), ("m", "")], 0.5);
    let read = self::read(&page.into_text());
    assert_eq!(read.value("x", &[("l", odd), ("m", "")]), Some(0.5));
}

#[tokio::test]
async fn a_control_plane_that_has_stopped_is_not_well() {
    let rig = Rig::new(1).await;
    let (status, _, body) = http_text(&rig.socket(), "GET /healthz").await;
    assert_eq!((status, body.lines().count()), (200, 1));
    let socket = rig.socket();
    let (plane, server, _rest) = rig.apart();
    plane.stop().await.unwrap();
    let (status, _, body) = http_text(&socket, "GET /healthz").await;
    assert_eq!(status, 503);
    assert_eq!(body, "the control plane has stopped\n");
    server.stop().await;
}

fn binding(bind_ip: &str, host_port: u16) -> NetworkBinding {
    NetworkBinding {
        bind_ip: bind_ip.into(),
        container_port: 80,
        host_port,
        protocol: Protocol::Tcp,
    }
}

#[test]
fn what_serves_is_found_where_its_instance_is_reached() {
    let mut snapshot = Snapshot::default();
    let cluster = ClusterName::default_cluster();
    let known = Cluster::new(cluster.clone(), Partition::default(), false, TimeMs(0));
    snapshot
        .state
        .clusters
        .insert(cluster.clone(), Arc::new(known));
    let body = json!({"family": "web", "containerDefinitions": [{"name": "web", "image": "x",
        "memory": 4, "dockerLabels": {"com.shop/team": "é".repeat(1_000)}}]});
    let crate::controller::Command::RegisterTaskDefinition(request) =
        wire::decode("RegisterTaskDefinition", &body).unwrap()
    else {
        panic!("another command");
    };
    let definition = request.definition(crate::model::Revision(1), TimeMs(0));
    snapshot
        .state
        .task_definitions
        .insert(definition.id(), Arc::new(definition));
    let here = crate::model::Connection::Connected { since: TimeMs(0) };
    for (n, endpoint) in [
        "ssh://ann@ops-1:22",
        "tcp://[fd00::1]:2376",
        "unix:///run/d.sock",
    ]
    .into_iter()
    .enumerate()
    {
        let name = InstanceName::new(format!("host-{n}")).unwrap();
        let instance = Instance::new(name.clone(), cluster.clone(), endpoint.into(), here.clone());
        snapshot
            .state
            .instances
            .insert(name.clone(), Arc::new(instance));
        let id = TaskId(n as u128 + 1);
        let definition = "web:1".parse::<TaskDefinitionId>().unwrap();
        let mut task = Task::new(id, cluster.clone(), name, definition, TimeMs(0));
        task.last_status = crate::model::LastStatus::Running;
        let mut container = crate::model::task::Container::new("web".parse().unwrap(), true, false);
        container.network_bindings = vec![
            binding("0.0.0.0", 32_768),
            binding("::", 32_768),
            binding("127.0.0.1", 32_769),
        ]
        .into();
        task.containers.push(container);
        // The last one does not serve.
        let mut stopping = task.clone();
        stopping.id = TaskId(100 + n as u128);
        stopping.desired_status = crate::model::DesiredStatus::Stopped;
        snapshot.state.tasks.insert(stopping.id, Arc::new(stopping));
        snapshot.state.tasks.insert(id, Arc::new(task));
    }
    let found = targets(&snapshot, None, true);
    let addresses: Vec<_> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["targets"])
        .collect();
    assert_eq!(
        addresses,
        [
            &json!(["ops-1:32768"]),
            &json!(["[fd00::1]:32768"]),
            &json!(["localhost:32768"]),
        ],
        "each once, and nothing that cannot be reached"
    );
    let connected = |found: &serde_json::Value, at: usize| {
        let label = &found[at]["labels"]["__meta_quarterdeck_instance_connected"];
        label.as_str().unwrap().to_owned()
    };
    assert_eq!(connected(&found, 0), "true");
    // What was seen last on a silent one is kept, and says so.
    let mut silent = snapshot.clone();
    for instance in snapshot.state.instances.values() {
        let mut instance = instance.as_ref().clone();
        instance.connection = crate::model::Connection::Disconnected {
            since: TimeMs(1),
            reason: "away".to_owned(),
        };
        let name = instance.name.clone();
        silent.state.instances.insert(name, Arc::new(instance));
    }
    assert_eq!(connected(&targets(&silent, None, true), 0), "false");
    let labels = found[0]["labels"].as_object().unwrap();
    assert!(
        labels
            .iter()
            .all(|(name, value)| is_name(name) && value.is_string())
    );
    assert_eq!(labels["__meta_quarterdeck_container"], "web");
    assert_eq!(labels["__meta_quarterdeck_port"], "80");
    assert_eq!(labels["__meta_quarterdeck_instance"], "host-0");
    let team = labels["__meta_quarterdeck_label_com_shop_team"]
        .as_str()
        .unwrap();
    assert_eq!(team.chars().count(), 256);
    let elsewhere = ClusterName::new("edge").unwrap();
    assert_eq!(targets(&snapshot, Some(&elsewhere), true), json!([]));
    // They may hold secrets, and no name is asked for on the plain listener.
    let bare = targets(&snapshot, None, false);
    let labels = bare[0]["labels"].as_object().unwrap();
    assert_eq!(labels["__meta_quarterdeck_container"], "web");
    assert!(labels.keys().all(|name| !name.contains("_label_")));
}

#[tokio::test]
async fn without_a_name_only_figures_health_and_addresses_are_to_be_had() {
    let mut rig = Rig::new(1).await;
    ask(&rig.plane.handle, register("web")).await;
    ask(&rig.plane.handle, create("web", "web", 1)).await;
    until(&rig.plane.handle, "one runs", |it| {
        serving(it, "web").len() == 1
    })
    .await;
    let listen = crate::config::ListenSettings {
        api: None,
        metrics: Some(([127, 0, 0, 1], 0).into()),
    };
    rig.server.listen(&listen).await.unwrap();
    let address = rig.server.metrics_address().unwrap();
    let asked = async |line: &str| {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        crate::api::tests::spoken(stream, line).await
    };
    let (status, _, page) = asked("GET /metrics").await;
    assert_eq!(status, 200);
    read(&page);
    assert_eq!(asked("GET /healthz").await.0, 200);
    let (status, head, body) = asked("GET /v1/http_sd?cluster=default").await;
    assert_eq!(status, 200);
    assert!(head.contains("application/json"), "{head}");
    let found: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
    let (status, _, body) = asked("GET /v1/http_sd?cluster=none").await;
    assert_eq!(status, 400);
    assert!(body.contains("ClusterNotFoundException"), "{body}");
    for line in [
        "POST /",
        "GET /v1/snapshot",
        "GET /v1/watch",
        "POST /v1/exec",
        "POST /metrics",
    ] {
        let (status, _, body) = asked(line).await;
        assert!([400, 405].contains(&status), "{line}: {status} {body}");
    }
    // What stays as it is keeps listening; what is taken out does not.
    rig.server.listen(&listen).await.unwrap();
    assert_eq!(rig.server.metrics_address(), Some(address));
    rig.server
        .listen(&crate::config::ListenSettings::default())
        .await
        .unwrap();
    let gone = tokio::time::timeout(
        Duration::from_secs(60),
        tokio::net::TcpStream::connect(address),
    );
    assert!(gone.await.unwrap().is_err());
    rig.end().await;
}

#[test]
fn a_host_that_is_away_since_before_the_start_has_its_age_all_the_same() {
    let connection = crate::model::Connection::Disconnected {
        since: TimeMs(20_000),
        reason: "away".to_owned(),
    };
    let name = crate::model::InstanceName::new("host-0").unwrap();
    let cluster = crate::model::ClusterName::default_cluster();
    let mut host = crate::model::Instance::new(name, cluster, String::new(), connection);
    let age = |host: &crate::model::Instance| {
        let mut snapshot = Snapshot {
            at: TimeMs(90_000),
            ..Snapshot::default()
        };
        let change = crate::model::Change::Instance(Arc::new(host.clone()));
        snapshot.state.apply(&change);
        let labels = [("cluster", "default"), ("instance", "host-0")];
        let page = read(&page(&snapshot, &Meters::default(), None));
        page.value("quarterdeck_instance_heard_age_seconds", &labels)
    };
    assert_eq!(age(&host), None, "it has never answered");
    host.registered_at = Some(TimeMs(1));
    host.heard_at = Some(TimeMs(9_000));
    assert_eq!(age(&host), Some(81.0));
}
