//! A control plane without I/O over hosts that are a list of containers each.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::agent::pins::{self, Source};
use crate::config::{ClusterSettings, Endpoint, InstanceSettings};
use crate::controller::command::{CommandError, ErrorKind, Response};
use crate::controller::core::{Beginning, Decision, Fleet, Input, decide, decide_with};
use crate::controller::wire;
use crate::model::observation::{ContainerState, EngineInfo, ObservedContainer, Ownership};
use crate::model::snapshot::Live;
use crate::model::{
    Audit, Change, ClusterName, CpuUnits, DesiredStatus, Instance, InstanceName, LastStatus,
    MemoryMib, Observation, Outcome, Partition, Service, ServiceName, State, Task, TaskId, TimeMs,
};
use crate::scheduler::Index;

pub fn instance_name(name: &str) -> InstanceName {
    InstanceName::new(name).unwrap()
}

pub fn settings(name: &str, zone: &str) -> InstanceSettings {
    InstanceSettings {
        availability_zone: zone.to_owned(),
        attributes: BTreeMap::from([("disk".to_owned(), "ssd".to_owned())]),
        ..InstanceSettings::new(
            instance_name(name),
            ClusterName::default_cluster(),
            Endpoint::Simulated,
        )
    }
}

pub fn info(name: &str) -> EngineInfo {
    EngineInfo {
        engine_id: format!("engine-{name}"),
        host_name: name.to_owned(),
        docker_version: "28.5.2".to_owned(),
        api_version: "1.51".to_owned(),
        os_type: "linux".to_owned(),
        architecture: "aarch64".to_owned(),
        cpu: CpuUnits(4096),
        memory: MemoryMib(7900),
    }
}

/// How long an agent's attempt at a host may take.
pub const ATTEMPT_MS: u64 = 30_000;

/// A control plane, its hosts, and a clock.
pub struct Rig {
    pub state: State,
    pub live: Live,
    pub now: TimeMs,
    pub fleet: Fleet,
    pub wake_at: Option<TimeMs>,
    pub changes: Vec<Change>,
    pub hosts: BTreeMap<InstanceName, Vec<ObservedContainer>>,
    /// What image tags stand for; agents ask for those that are in here.
    pub registry: BTreeMap<String, String>,
    index: Index,
    /// The state that `index` belongs to; a test may have put another in its place.
    indexed: State,
    seed: u64,
}

impl Rig {
    /// A control plane whose hosts, one per zone letter, are all connected.
    pub fn new(hosts: &[(&str, &str)]) -> Self {
        let mut rig = Self::unreached(hosts);
        for (name, _) in hosts {
            rig.connect(name);
        }
        rig
    }

    /// A control plane that has just read its configuration.
    pub fn unreached(hosts: &[(&str, &str)]) -> Self {
        let mut rig = Self {
            state: State::default(),
            live: Live::default(),
            now: TimeMs(1_000_000),
            fleet: Fleet {
                clusters: vec![ClusterSettings::new(
                    ClusterName::default_cluster(),
                    Partition::default(),
                )],
                instances: hosts.iter().map(|(n, z)| settings(n, z)).collect(),
                roles: Vec::new(),
            },
            wake_at: None,
            changes: Vec::new(),
            index: Index::default(),
            indexed: State::default(),
            hosts: BTreeMap::new(),
            registry: BTreeMap::new(),
            seed: 1,
        };
        for (name, _) in hosts {
            rig.hosts.insert(instance_name(name), Vec::new());
        }
        rig.configure();
        rig
    }

    pub fn decide(&mut self, inputs: Vec<Input>) -> Decision {
        self.seed += 1;
        if self.state != self.indexed {
            self.index = Index::new(&self.state);
        }
        let decision = decide_with(
            &mut self.index,
            &self.state,
            &self.live,
            self.now,
            self.seed,
            inputs.clone(),
        );
        let again = decide(&self.state, &self.live, self.now, self.seed, inputs);
        assert_eq!(decision, again, "the same inputs give the same decision");
        assert_eq!(self.index, Index::new(&decision.state), "the index follows");
        let mut rebuilt = self.state.clone();
        rebuilt.apply_all(&decision.changes);
        assert_eq!(rebuilt, decision.state, "the changes lead to the state");
        let violations = crate::scheduler::check(&decision.state, self.now);
        assert!(violations.is_empty(), "{violations:#?}");
        self.state = decision.state.clone();
        self.indexed = self.state.clone();
        if let Some(live) = &decision.live {
            self.live = live.clone();
        }
        self.wake_at = decision.wake_at;
        self.changes.extend(decision.changes.iter().cloned());
        decision
    }

    pub fn configure(&mut self) {
        self.begin(None);
    }

    /// The control plane starts, and one of this state last ran then.
    pub fn begin(&mut self, last_alive: Option<TimeMs>) {
        let beginning = Beginning {
            fleet: self.fleet.clone(),
            last_alive,
            attempt_ms: ATTEMPT_MS,
        };
        self.decide(vec![Input::Configure(beginning)]);
    }

    pub fn observe(&mut self, observation: Observation) -> Decision {
        self.decide(vec![Input::Observation(observation)])
    }

    pub fn wake_after(&mut self, ms: u64) -> Decision {
        self.now = self.now.plus_ms(ms);
        self.decide(vec![Input::Wake])
    }

    pub fn connect(&mut self, name: &str) {
        let connected = Observation::Connected {
            instance: instance_name(name),
            info: info(name),
        };
        self.observe(connected);
        self.list(name);
    }

    pub fn cut(&mut self, name: &str) {
        self.cut_heard(name, None);
    }

    /// It does not answer, and last did then.
    pub fn cut_heard(&mut self, name: &str, heard_at: Option<TimeMs>) {
        self.cut_because(name, heard_at, "connection refused");
    }

    /// It does not answer for that reason, and last did then.
    pub fn cut_because(&mut self, name: &str, heard_at: Option<TimeMs>, reason: &str) {
        self.observe(Observation::Disconnected {
            instance: instance_name(name),
            reason: reason.to_owned(),
            heard_at,
        });
    }

    /// The host reports what it has.
    pub fn list(&mut self, name: &str) -> Decision {
        let instance = instance_name(name);
        let containers = Arc::new(self.hosts[&instance].clone());
        self.observe(Observation::Containers {
            instance,
            containers,
        })
    }

    pub fn ask(&mut self, operation: &str, body: Value) -> Result<Response, CommandError> {
        let command = wire::decode(operation, &body)?;
        let who = "ann".into();
        let mut decision = self.decide(vec![Input::Command { command, who }]);
        assert_eq!(decision.replies.len(), 1);
        decision.replies.remove(0)
    }

    /// A request that must be refused, with nothing changed; the audit trail says so. What cannot
    /// be read as a command at all is no deed.
    #[track_caller]
    pub fn refused(&mut self, operation: &str, body: Value) -> (ErrorKind, String) {
        let before = self.state.clone();
        let is_command = wire::decode(operation, &body).is_ok();
        let error = self.ask(operation, body).unwrap_err();
        if is_command {
            let told = self.state.events.iter().rev();
            let mut told = told.filter_map(|event| event.audit.as_ref());
            let is_it = |it: &Audit| it.outcome == Outcome::Refused && it.operation == operation;
            assert!(
                told.any(is_it),
                "the audit trail lacks a refused {operation}"
            );
        }
        self.unchanged_since(&before);
        (error.kind, error.message)
    }

    /// Nothing is otherwise than it was, but for what was written down.
    #[track_caller]
    pub fn unchanged_since(&self, before: &State) {
        let after = State {
            events: before.events.clone(),
            ..self.state.clone()
        };
        assert_eq!(&after, before, "something has changed");
    }

    /// Registers `family` with one container `main` and these members besides.
    pub fn register(&mut self, family: &str, more: Value) {
        let mut container = json!({"name": "main", "image": "busybox", "cpu": 256, "memory": 256});
        for (member, value) in more.as_object().unwrap() {
            container[member] = value.clone();
        }
        let body = json!({"family": family, "containerDefinitions": [container]});
        self.ask("RegisterTaskDefinition", body).unwrap();
    }

    pub fn create(&mut self, service: &str, count: u32) {
        let body = json!({
            "serviceName": service, "taskDefinition": service, "desiredCount": count,
        });
        self.ask("CreateService", body).unwrap();
    }

    pub fn instance(&self, name: &str) -> &Instance {
        &self.state.instances[&instance_name(name)]
    }

    pub fn service(&self, name: &str) -> &Service {
        let name = ServiceName::new(name).unwrap();
        let found = self.state.service(&ClusterName::default_cluster(), &name);
        found.unwrap()
    }

    pub fn task(&self, id: TaskId) -> &Task {
        &self.state.tasks[&id]
    }

    /// Tasks whose stop is not confirmed.
    pub fn tasks(&self) -> Vec<Arc<Task>> {
        let tasks = self.state.tasks.values();
        tasks.filter(|task| !task.is_stopped()).cloned().collect()
    }

    pub fn running(&self) -> usize {
        let tasks = self.state.tasks.values();
        tasks.filter(|task| task.is_serving()).count()
    }

    /// Every host does as it was told, and reports; until nothing moves.
    pub fn settle(&mut self) {
        for _ in 0..40 {
            let before = self.state.clone();
            for name in self.hosts.keys().cloned().collect::<Vec<_>>() {
                if self
                    .state
                    .instances
                    .get(&name)
                    .is_some_and(|i| i.is_connected())
                {
                    self.resolve(&name);
                    self.obey(&name);
                    self.list(name.as_str());
                }
            }
            if self.state == before {
                match self.wake_at.filter(|at| self.proves_by(*at)) {
                    Some(at) => {
                        self.wake_after(at.since_ms(self.now));
                    }
                    None => return,
                }
            }
        }
        panic!("the fleet does not settle");
    }

    /// Whether that moment is soon and a deployment, or a drain, only waits for tasks to stay up.
    fn proves_by(&self, at: TimeMs) -> bool {
        at.since_ms(self.now) <= crate::scheduler::COMPLETION_SETTLE_MS
            && (crate::scheduler::awaits_proof(&self.state, self.now)
                || self.state.services.values().any(|service| {
                    let tasks = self.state.service_tasks(&service.cluster, &service.name);
                    let serving = tasks.filter(|task| task.is_serving()).count();
                    let underway = service.primary().map(|p| p.rollout_state);
                    underway == Some(crate::model::RolloutState::InProgress)
                        && serving >= service.desired_count as usize
                }))
    }

    /// The images of an instance's tasks that are not pinned yet are asked for.
    fn resolve(&mut self, name: &InstanceName) {
        let tasks: Vec<_> = self.state.instance_tasks(name).cloned().collect();
        for task in tasks.iter().filter(|task| task.is_wanted()) {
            let definition = self.state.definition_of(task).unwrap();
            for container in &definition.container_definitions {
                let image = container.image.clone();
                let asked = pins::source(&self.state, task, container);
                if let (Source::Unresolved(_), Some(digest)) = (asked, self.registry.get(&image)) {
                    let (task, answer) = (task.id, Ok(digest.clone()));
                    self.observe(Observation::ImageResolved {
                        task,
                        image,
                        answer,
                    });
                }
            }
        }
    }

    /// One host does as it was told.
    pub fn obey(&mut self, name: &InstanceName) {
        let tasks: Vec<_> = self.state.instance_tasks(name).cloned().collect();
        let control_plane = self.state.control_plane.clone();
        let host = self.hosts.get_mut(name).unwrap();
        for task in tasks {
            if task.desired_status == DesiredStatus::Stopped {
                for container in host.iter_mut().filter(|c| is_of(c, task.id)) {
                    if container.state.is_up() {
                        container.state = ContainerState::Exited;
                        container.exit_code = Some(143);
                    }
                }
            } else if !host.iter().any(|c| is_of(c, task.id))
                && task.last_status < LastStatus::Running
            {
                let definition = self.state.definition_of(&task).unwrap();
                for container in &definition.container_definitions {
                    let running = ContainerState::Running;
                    let made = made(&control_plane, task.id, container.name.as_str(), running);
                    let named = self.registry.get(&container.image).cloned();
                    host.push(ObservedContainer {
                        image: pins::image(&self.state, &task, container),
                        image_digest: named.or(made.image_digest),
                        ..made
                    });
                }
            }
        }
    }

    /// Changes one of a task's containers on its host.
    pub fn edit(&mut self, task: TaskId, edit: impl Fn(&mut ObservedContainer)) {
        for container in self.hosts.values_mut().flatten() {
            if is_of(container, task) {
                edit(container);
            }
        }
    }

    pub fn messages(&self) -> Vec<&str> {
        self.state
            .events
            .iter()
            .map(|e| e.message.as_str())
            .collect()
    }

    #[track_caller]
    pub fn told(&self, part: &str) {
        let told = self.messages().iter().filter(|m| m.contains(part)).count();
        assert_eq!(told, 1, "{part:?} in {:#?}", self.messages());
    }
}

fn is_of(container: &ObservedContainer, task: TaskId) -> bool {
    container.owner.as_ref().is_some_and(|o| o.task == task)
}

/// A container of ours.
pub fn made(
    control_plane: &str,
    task: TaskId,
    container: &str,
    state: ContainerState,
) -> ObservedContainer {
    ObservedContainer {
        runtime_id: format!("run-{container}-{}", task.short()),
        name: format!("qd-x-1-{container}-{task}"),
        owner: Some(Ownership {
            control_plane: control_plane.to_owned(),
            task,
            container: container.parse().unwrap(),
        }),
        ..foreign(state)
    }
}

/// A container of someone else's.
pub fn foreign(state: ContainerState) -> ObservedContainer {
    ObservedContainer {
        runtime_id: "other".to_owned(),
        name: "other".to_owned(),
        owner: None,
        image: "busybox".to_owned(),
        image_digest: Some("sha256:1".to_owned()),
        state,
        exit_code: None,
        oom_killed: false,
        error: String::new(),
        started_at: None,
        finished_at: None,
        health: None,
        network_bindings: Vec::new(),
        cpu: CpuUnits(100),
        memory: MemoryMib(200),
        host_ports: Vec::new(),
        volumes: Vec::new(),
        address: None,
    }
}
