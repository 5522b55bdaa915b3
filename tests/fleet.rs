//! A fleet to look at: 12 instances in 3 zones, 6 services, everything that can be wrong with
//! them, and a fixed time.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use quarterdeck::model::instance::attribute;
use quarterdeck::model::observation::AgentStatus;
use quarterdeck::model::schedule::{RunOutcome, ScheduledRun};
use quarterdeck::model::service::{Backoff, ImagePin, Refusal, Unplaced};
use quarterdeck::model::snapshot::Holder;
use quarterdeck::model::task::{Container, Health, NetworkBinding, PullProgress};
use quarterdeck::model::task_definition::{HealthCheck, KeyValue, PortMapping};
use quarterdeck::model::*;
use quarterdeck::tui::{ClusterView, Colours, KeyMap, Model, Palette, Theme, TuiOptions};

/// 2026-09-21 12:53:20 UTC.
pub const NOW: TimeMs = TimeMs(1_790_000_000_000);
/// The process id of the console under test.
pub const PID: u32 = 4242;

pub fn ago(seconds: u64) -> TimeMs {
    TimeMs(NOW.0 - seconds * 1_000)
}

fn cluster() -> ClusterName {
    ClusterName::default_cluster()
}

pub fn service_name(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

pub fn instance_name(name: &str) -> InstanceName {
    InstanceName::new(name).unwrap()
}

fn definition_id(text: &str) -> TaskDefinitionId {
    text.parse().unwrap()
}

/// Options that do not depend on the machine the test runs on.
pub fn options() -> TuiOptions {
    TuiOptions {
        cluster_view: ClusterView::One(cluster()),
        read_only: false,
        simulated: true,
        pid: PID,
        theme: Theme {
            colours: Colours::Full,
            unicode: true,
            palette: Palette::DARK,
        },
        keys: KeyMap::default(),
        mouse: true,
        view: None,
        time_zone: jiff::tz::TimeZone::UTC,
        notice: None,
    }
}

/// A console that shows the fleet.
pub fn console(size: (u16, u16)) -> Model {
    let mut model = Model::new(options(), size, NOW);
    let event = quarterdeck::tui::Event::Snapshot(Arc::new(snapshot()));
    assert!(quarterdeck::tui::update(&mut model, NOW, event).is_empty());
    model
}

/// The fleet.
pub fn snapshot() -> Snapshot {
    let mut fleet = Fleet::default();
    fleet.clusters();
    fleet.instances();
    fleet.definitions();
    fleet.services();
    fleet.events();
    for schedule in schedules() {
        fleet.state.apply(&Change::Schedule(Arc::new(schedule)));
    }
    Snapshot {
        version: 1,
        seq: 1,
        at: NOW,
        state: fleet.state,
        live: fleet.live,
        holder: Holder {
            role: "demo".into(),
            pid: PID,
            user: "ops".into(),
            since: ago(600),
            simulated: true,
        },
    }
}

/// What an image stands for: what comes from the registry is pinned, what was built on a host
/// cannot be.
fn pin(image: &str) -> ImagePin {
    let built = image.starts_with("redis");
    let digest = format!(
        "sha256:{:0<64}",
        format!("{:x}", image.len() * 0x00ab_cdef_0123)
    );
    if !built {
        return ImagePin::to_digest(digest);
    }
    let why = "it was built or loaded there, not pulled".to_owned();
    ImagePin {
        unresolved: [(InstanceName::new("ops-a3").unwrap(), why)].into(),
        is_local: true,
        ..ImagePin::default()
    }
}

#[derive(Default)]
struct Fleet {
    state: State,
    live: quarterdeck::model::snapshot::Live,
    ids: u128,
}

impl Fleet {
    fn clusters(&mut self) {
        for (name, region) in [("default", "eu-central-1"), ("staging", "eu-west-1")] {
            self.state.apply(&Change::Cluster(Arc::new(Cluster::new(
                ClusterName::new(name).unwrap(),
                Partition {
                    region: region.into(),
                    account: "123456789012".into(),
                },
                true,
                ago(90_000),
            ))));
        }
    }

    fn instances(&mut self) {
        for zone in ["a", "b", "c"] {
            for number in 1..=4_u64 {
                self.instance(zone, number);
            }
        }
    }

    fn instance(&mut self, zone: &str, number: u64) {
        let name = instance_name(&format!("ops-{zone}{number}"));
        let lost = name.as_str() == "ops-b2";
        let draining = name.as_str() == "ops-c4";
        let big = number.is_multiple_of(2);
        let connection = if lost {
            Connection::Disconnected {
                since: ago(12),
                reason: "connect to 10.0.2.12:22: no route to host".into(),
            }
        } else {
            Connection::Connected { since: ago(86_000) }
        };
        let attributes = [
            (attribute::OS_TYPE, "linux".to_owned()),
            (attribute::CPU_ARCHITECTURE, "x86_64".to_owned()),
            (attribute::AVAILABILITY_ZONE, format!("eu-central-1{zone}")),
            ("disk", if big { "ssd" } else { "hdd" }.to_owned()),
        ];
        let zone_number = zone.as_bytes()[0] - b'a' + 1;
        let endpoint = format!("ssh://deploy@10.0.{zone_number}.1{number}");
        let instance = Instance {
            status: if draining {
                InstanceStatus::Draining
            } else {
                InstanceStatus::Active
            },
            attributes: attributes
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            capacity: resources(
                if big { 8192 } else { 4096 },
                if big { 16_384 } else { 8192 },
            ),
            reserved: resources(128, 256),
            foreign: resources(256, 512 * number),
            foreign_count: u32::try_from(number).unwrap(),
            docker_version: "28.1.1".into(),
            api_version: "1.49".into(),
            engine_id: format!("ENGINE-{zone}{number}"),
            registered_at: Some(ago(86_000)),
            ..Instance::new(name.clone(), cluster(), endpoint, connection)
        };
        self.state.apply(&Change::Instance(Arc::new(instance)));
        let status = AgentStatus {
            heard_at: Some(if lost { ago(12) } else { ago(2) }),
            latency_ms: Some(3 + number),
            attempts: if lost { 3 } else { 0 },
            retry_at: lost.then(|| NOW.plus_ms(4_000)),
        };
        self.live.agents.insert(name, status);
    }

    fn definitions(&mut self) {
        for (id, image, cpu, memory) in [
            ("web:6", "nginx:1.27", 256, 512),
            ("web:7", "nginx:1.28", 256, 512),
            ("api:3", "registry.internal/api:2.3", 512, 1024),
            ("api:4", "registry.internal/api:2.4", 512, 1024),
            ("worker:11", "registry.internal/worker:9", 512, 768),
            ("cache:2", "redis:8", 256, 2048),
            ("search:1", "opensearch:3", 2048, 12_288),
            ("mailer:5", "registry.internal/mailer:5", 128, 256),
            ("migrate:9", "registry.internal/api:2.4", 256, 512),
        ] {
            let id = definition_id(id);
            let mut container = container_definition(id.family.as_str(), image, cpu, memory);
            container.health_check = (id.family.as_str() == "api").then(|| HealthCheck {
                command: vec![
                    "CMD-SHELL".into(),
                    "curl -f http://localhost:8080/ready".into(),
                ],
                interval: Some(10),
                timeout: None,
                retries: None,
                start_period: None,
            });
            let definition = TaskDefinition {
                registered_at: ago(7_000),
                task_role_arn: Some(format!("{}-task", id.family)),
                ..TaskDefinition::new(id.family, id.revision, vec![container])
            };
            self.state
                .apply(&Change::TaskDefinition(Arc::new(definition)));
        }
    }

    fn services(&mut self) {
        let steady = |_: &mut Service| {};
        self.service("web", 6, &["web:7"], RolloutState::Completed, steady);
        for host in ["ops-a1", "ops-a2", "ops-b1", "ops-b3", "ops-c1", "ops-c2"] {
            self.task(Some("web"), "web:7", host, LastStatus::Running, 5_400);
        }
        self.service("worker", 8, &["worker:11"], RolloutState::Completed, steady);
        let hosts = [
            "ops-a1", "ops-a3", "ops-a4", "ops-b1", "ops-b2", "ops-b4", "ops-c1", "ops-c3",
        ];
        for host in hosts {
            self.task(
                Some("worker"),
                "worker:11",
                host,
                LastStatus::Running,
                36_000,
            );
        }
        self.service(
            "api",
            4,
            &["api:4", "api:3"],
            RolloutState::InProgress,
            |service| {
                service.deployments[0].rollout_state_reason =
                    "ECS deployment ecs-svc/0000000000000000001 in progress.".into();
            },
        );
        for host in ["ops-a2", "ops-c2"] {
            self.task(Some("api"), "api:3", host, LastStatus::Running, 50_000);
        }
        for host in ["ops-a4", "ops-b4"] {
            self.task(Some("api"), "api:4", host, LastStatus::Running, 40);
        }
        let pulling = self.task(Some("api"), "api:4", "ops-c3", LastStatus::Pending, 8);
        let progress = PullProgress {
            image: "registry.internal/api:2.4".into(),
            done_bytes: 45 << 20,
            total_bytes: 100 << 20,
        };
        self.live.pulls.insert(pulling, progress);
        self.task(Some("api"), "api:4", "ops-b3", LastStatus::Activating, 6);
        self.service("cache", 3, &["cache:2"], RolloutState::Completed, steady);
        for host in ["ops-a3", "ops-b2", "ops-c4"] {
            self.task(Some("cache"), "cache:2", host, LastStatus::Running, 200_000);
        }
        self.service(
            "search",
            3,
            &["search:1"],
            RolloutState::Completed,
            no_place,
        );
        for host in ["ops-a2", "ops-b4"] {
            self.task(
                Some("search"),
                "search:1",
                host,
                LastStatus::Running,
                20_000,
            );
        }
        self.service(
            "mailer",
            2,
            &["mailer:5"],
            RolloutState::InProgress,
            |service| {
                service.backoff = Backoff {
                    failures: 4,
                    until: NOW.plus_ms(6_000),
                    ..Backoff::default()
                };
                service.deployments[0].failed_tasks = 4;
                service.deployments[0].rollout_state_reason =
                    "4 of its tasks failed to start.".into();
            },
        );
        for seconds in [9, 20, 40, 60] {
            self.failed_task("mailer", "mailer:5", "ops-c1", seconds);
        }
        self.task(None, "migrate:9", "ops-a1", LastStatus::Running, 95);
    }

    fn service(
        &mut self,
        name: &str,
        desired: u32,
        definitions: &[&str],
        rollout: RolloutState,
        change: impl FnOnce(&mut Service),
    ) {
        let deployments = definitions.iter().map(|id| {
            let id = definition_id(id);
            let number = DeploymentId::from_number(u64::from(id.revision.0));
            let containers = &self.state.task_definitions[&id].container_definitions;
            let images = containers
                .iter()
                .map(|it| (it.image.clone(), pin(&it.image)));
            Deployment {
                images: images.collect(),
                rollout_state: rollout,
                rollout_state_reason: String::new(),
                updated_at: ago(5),
                ..Deployment::new(number, id, "ops", ago(45))
            }
        });
        let mut service = Service {
            desired_count: desired,
            deployments: deployments.collect(),
            steady: rollout == RolloutState::Completed,
            ..Service::new(service_name(name), cluster(), ago(172_000))
        };
        change(&mut service);
        self.state.apply(&Change::Service(Arc::new(service)));
    }

    fn task(
        &mut self,
        service: Option<&str>,
        definition: &str,
        host: &str,
        status: LastStatus,
        seconds: u64,
    ) -> TaskId {
        let task = self.new_task(service, definition, host, status, seconds);
        let id = task.id;
        self.state.apply(&Change::Task(Arc::new(task)));
        id
    }

    fn failed_task(&mut self, service: &str, definition: &str, host: &str, seconds: u64) {
        let mut task = self.new_task(
            Some(service),
            definition,
            host,
            LastStatus::Stopped,
            seconds + 2,
        );
        task.desired_status = DesiredStatus::Stopped;
        task.stopped_at = Some(ago(seconds));
        task.stop_code = Some(StopCode::EssentialContainerExited);
        task.stopped_reason = Some("Essential container in task exited".into());
        task.containers[0].exit_code = Some(1);
        task.containers[0].reason = Some("Error: smtp host \u{1b}[31mnot set\u{1b}[0m".into());
        self.state.apply(&Change::Task(Arc::new(task)));
    }

    fn new_task(
        &mut self,
        service: Option<&str>,
        definition: &str,
        host: &str,
        status: LastStatus,
        seconds: u64,
    ) -> Task {
        self.ids += 1;
        let id = TaskId(
            self.ids
                .wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835),
        );
        let definition = definition_id(definition);
        let made_from = self.state.task_definitions[&definition].clone();
        let port = u16::try_from(32_768 + self.ids).unwrap();
        let up = status == LastStatus::Running;
        let container = |c: &ContainerDefinition| Container {
            runtime_id: "f00dfeedf00dfeedf00d".into(),
            last_status: status,
            health: if up { Health::Healthy } else { Health::Unknown },
            network_bindings: vec![NetworkBinding {
                bind_ip: "0.0.0.0".into(),
                container_port: 8080,
                host_port: port,
                protocol: Protocol::Tcp,
            }]
            .into(),
            image_digest: pin(&c.image).digest.map(Into::into),
            ..Container::new(c.name.clone(), true, c.health_check.is_some())
        };
        let deployment =
            service.map(|_| DeploymentId::from_number(u64::from(definition.revision.0)));
        Task {
            service: service.map(service_name),
            deployment,
            group: service.map_or("family:migrate".into(), |s| format!("service:{s}").into()),
            started_by: service.map_or("ops".into(), |_| "ecs-svc/7".into()),
            last_status: status,
            containers: made_from
                .container_definitions
                .iter()
                .map(container)
                .collect(),
            resources: made_from.resources(),
            started_at: up.then(|| ago(seconds - 1)),
            placement: "fewest tasks of the service in its zone, then on the instance".into(),
            ..Task::new(id, cluster(), instance_name(host), definition, ago(seconds))
        }
    }

    fn events(&mut self) {
        type E = (
            u64,
            Severity,
            EventKind,
            Option<&'static str>,
            Option<&'static str>,
            &'static str,
        );
        let list: [E; 9] = [
            (
                5_400,
                Severity::Info,
                EventKind::Service,
                Some("web"),
                None,
                "(service web) has reached a steady state.",
            ),
            (
                900,
                Severity::Info,
                EventKind::Operator,
                Some("search"),
                None,
                "ops created service search with 3 tasks of search:1.",
            ),
            (
                890,
                Severity::Warning,
                EventKind::Service,
                Some("search"),
                None,
                "(service search) was unable to place a task because no container instance met all of its requirements.",
            ),
            (
                120,
                Severity::Info,
                EventKind::Instance,
                None,
                Some("ops-c4"),
                "(instance ops-c4) is DRAINING: ops asked for it.",
            ),
            (
                45,
                Severity::Info,
                EventKind::Deployment,
                Some("api"),
                None,
                "(service api) has begun deployment ecs-svc/0000000000000000004 of api:4.",
            ),
            (
                40,
                Severity::Info,
                EventKind::Task,
                Some("api"),
                None,
                "(service api) has started 2 tasks: (task 9e3779b9) (task 3c6ef372).",
            ),
            (
                12,
                Severity::Error,
                EventKind::Instance,
                None,
                Some("ops-b2"),
                "(instance ops-b2) does not answer: connect to 10.0.2.12:22: no route to host. Its 2 tasks are waited for.",
            ),
            (
                9,
                Severity::Warning,
                EventKind::Task,
                Some("mailer"),
                Some("ops-c1"),
                "(service mailer) (task 1f3a9c20) stopped: Essential container in task exited (mailer: exit 1).",
            ),
            (
                8,
                Severity::Info,
                EventKind::Task,
                Some("api"),
                None,
                "(service api) has started 1 tasks: (task daa66d2c).",
            ),
        ];
        for (seconds, severity, kind, service, instance, message) in list {
            self.state.apply(&Change::Event(Arc::new(Event {
                at: ago(seconds),
                severity,
                kind,
                cluster: cluster(),
                service: service.map(service_name),
                task: None,
                instance: instance.map(instance_name),
                audit: None,
                message: message.to_owned(),
            })));
        }
    }
}

fn run(due: u64, outcome: RunOutcome, count: u32, message: &str) -> ScheduledRun {
    ScheduledRun {
        due_at: ago(due),
        at: ago(due),
        outcome,
        count,
        tasks: Vec::new(),
        message: message.to_owned(),
    }
}

/// What runs at set times: one that goes well, one that is skipped, one that is disabled.
fn schedules() -> Vec<Schedule> {
    let schedule = |name: &str, expression: &str, family: &str| -> Schedule {
        serde_json::from_value(serde_json::json!({
            "name": name, "cluster": "default", "scheduleExpression": expression,
            "taskDefinition": family, "taskCount": 1, "enabled": true,
            "since": ago(90_000), "nextAt": null,
        }))
        .unwrap()
    };
    vec![
        Schedule {
            schedule_expression_timezone: Some("Europe/Berlin".to_owned()),
            launch_type: Some(LaunchType::Fargate),
            next_at: Some(TimeMs(NOW.0 + 38_800_000)),
            runs: vec![
                run(47_600, RunOutcome::Started, 1, ""),
                run(
                    220_400,
                    RunOutcome::Missed,
                    2,
                    "nothing carried the control plane when it was due",
                ),
            ],
            ..schedule("nightly-backup", "cron(0 3 * * ? *)", "backup")
        },
        Schedule {
            rate_ms: Some(300_000),
            next_at: Some(TimeMs(NOW.0 + 95_000)),
            task_count: 3,
            runs: vec![
                run(
                    205,
                    RunOutcome::Skipped,
                    4,
                    "(task 0123456789abcdef0123456789abcdef) of an earlier run is still RUNNING \
                     on (instance ops-a1)",
                ),
                run(1_705, RunOutcome::Started, 1, ""),
            ],
            ..schedule("reindex", "rate(5 minutes)", "search")
        },
        Schedule {
            enabled: false,
            runs: vec![run(
                86_400,
                RunOutcome::Failed,
                1,
                "No container instance met all of its requirements: 9 too little memory.",
            )],
            ..schedule("report", "cron(30 6 ? * MON-FRI *)", "worker:4")
        },
    ]
}

fn no_place(service: &mut Service) {
    let refusal = |host: &str, reason: &str| Refusal {
        instance: instance_name(host),
        reasons: vec![reason.to_owned()],
    };
    let small = "memory 4,096 MiB short of 12,288";
    service.unplaced = Some(Unplaced {
        count: 1,
        since: ago(890),
        message: String::new(),
        refusals: vec![
            refusal("ops-a1", small),
            refusal("ops-a2", "memory 8,960 MiB short of 12,288"),
            refusal("ops-a3", small),
            refusal("ops-b1", small),
            refusal("ops-b2", "does not answer"),
            refusal("ops-c1", small),
            refusal("ops-c4", "is DRAINING"),
        ],
    });
}

fn container_definition(name: &str, image: &str, cpu: u64, memory: u64) -> ContainerDefinition {
    let json = serde_json::json!({
        "name": name, "image": image, "cpu": cpu, "memory": memory * 2, "memoryReservation": memory,
    });
    let mut container: ContainerDefinition = serde_json::from_value(json).unwrap();
    container.environment = vec![KeyValue {
        name: "LOG_LEVEL".into(),
        value: "info".into(),
    }];
    container.port_mappings = vec![PortMapping::new(8080)];
    container
}

fn resources(cpu: u64, memory: u64) -> Resources {
    Resources {
        cpu: CpuUnits(cpu),
        memory: MemoryMib(memory),
        ..Resources::default()
    }
}
