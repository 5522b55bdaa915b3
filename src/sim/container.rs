//! One simulated container: its state, and what its environment says it will do.

use super::dice::{between, fold_text};
use super::machine::{EXIT_KILLED, Foreign};
use crate::docker::ContainerSpec;
use crate::docker::spec::{NetworkSpec, PortSpec, label};
use crate::model::observation::{ContainerState, ObservedContainer, Ownership};
use crate::model::task::{Health, NetworkBinding};
use crate::model::{ContainerName, CpuUnits, HostPort, MemoryMib, TimeMs};

const MIB: u64 = 1024 * 1024;
/// The longest that a first health check is waited for, so that a demo settles soon.
const FIRST_CHECK_MS_MAX: u64 = 2_500;
/// How many runs of a container are remembered for its logs.
const RUNS_MAX: usize = 8;

/// How a container ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Death {
    /// Exit code.
    pub code: i64,
    /// Whether for memory.
    pub oom: bool,
}

impl Death {
    pub(super) fn of(code: i64) -> Self {
        Self { code, oom: false }
    }
}

/// What a container will do, read from its environment and command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Script {
    /// Ends by itself so long after its start.
    pub exit: Option<(u64, Death)>,
    /// Turns unhealthy so long after its start.
    pub unhealthy_ms: Option<u64>,
    /// Takes so long to end after the stop signal.
    pub stop_ms: Option<u64>,
}

impl Script {
    /// `SIM_EXIT_AFTER_MS`, `SIM_EXIT_CODE`, `SIM_OOM_AFTER_MS`, `SIM_UNHEALTHY_AFTER_MS`,
    /// `SIM_STOP_MS`; else the commands `true`, `false`, `sleep N`, `sh -c "exit N"` do what
    /// they say. Everything else runs for ever.
    fn read(spec: &ContainerSpec) -> Self {
        let number = |name: &str| {
            let value = spec
                .environment
                .iter()
                .rev()
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            value.and_then(|text| text.parse::<u64>().ok())
        };
        let code = number("SIM_EXIT_CODE").and_then(|code| i64::try_from(code).ok());
        let exit = match (number("SIM_EXIT_AFTER_MS"), code) {
            (Some(after), code) => Some((after, Death::of(code.unwrap_or(0)))),
            (None, Some(code)) => Some((0, Death::of(code))),
            (None, None) => by_command(spec),
        };
        let oom = number("SIM_OOM_AFTER_MS").map(|after| {
            let code = EXIT_KILLED;
            (after, Death { code, oom: true })
        });
        Self {
            exit: [exit, oom].into_iter().flatten().min_by_key(|e| e.0),
            unhealthy_ms: number("SIM_UNHEALTHY_AFTER_MS"),
            stop_ms: number("SIM_STOP_MS"),
        }
    }
}

fn by_command(spec: &ContainerSpec) -> Option<(u64, Death)> {
    let words: Vec<&str> = [&spec.entry_point, &spec.command]
        .into_iter()
        .flatten()
        .flatten()
        .flat_map(|part| part.split_whitespace())
        .filter(|word| !matches!(*word, "sh" | "/bin/sh" | "-c"))
        .collect();
    match words.as_slice() {
        ["true"] => Some((0, Death::of(0))),
        ["false"] => Some((0, Death::of(1))),
        ["exit", code] => code.parse().ok().map(|code| (0, Death::of(code))),
        ["sleep", seconds] => {
            let seconds = seconds.parse::<u64>().ok()?;
            Some((seconds.saturating_mul(1000), Death::of(0)))
        }
        _ => None,
    }
}

/// One stretch of a container's life, for its logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// From when.
    pub started: TimeMs,
    /// Until when, and how it ended.
    pub ended: Option<(TimeMs, Death)>,
}

/// A container of a simulated engine.
#[derive(Clone, Debug)]
pub(super) struct SimContainer {
    pub id: String,
    pub spec: ContainerSpec,
    /// Digest of the image it was made from.
    digest: String,
    pub script: Script,
    pub state: ContainerState,
    pub error: String,
    pub runs: Vec<Run>,
    health: Option<Health>,
    bindings: Vec<NetworkBinding>,
    /// Its own address on the shared bridge.
    pub address: Option<String>,
    ends: Option<(TimeMs, Death)>,
    healthy_at: Option<TimeMs>,
    unhealthy_at: Option<TimeMs>,
}

impl SimContainer {
    pub(super) fn new(id: String, spec: ContainerSpec, digest: String) -> Self {
        Self {
            id,
            script: Script::read(&spec),
            spec,
            digest,
            state: ContainerState::Created,
            error: String::new(),
            runs: Vec::new(),
            health: None,
            bindings: Vec::new(),
            address: None,
            ends: None,
            healthy_at: None,
            unhealthy_at: None,
        }
    }

    pub(super) fn start(&mut self, now: TimeMs, bindings: Vec<NetworkBinding>) {
        self.state = ContainerState::Running;
        self.error.clear();
        self.bindings = bindings;
        let run = Run {
            started: now,
            ended: None,
        };
        self.runs.push(run);
        if self.runs.len() > RUNS_MAX {
            self.runs.remove(0);
        }
        self.ends = self.script.exit.map(|(ms, death)| (now.plus_ms(ms), death));
        (self.healthy_at, self.unhealthy_at) = self.turns(now);
        if self.spec.health.is_some() {
            self.health = Some(Health::Unknown);
        }
    }

    /// When it turns healthy, and when unhealthy, if it was started then; by its health check.
    pub(super) fn turns(&self, started: TimeMs) -> (Option<TimeMs>, Option<TimeMs>) {
        let Some(check) = &self.spec.health else {
            return (None, None);
        };
        let interval_ms = u64::from(check.interval_s) * 1000;
        let never = matches!(
            check.test.last().map(String::as_str),
            Some("false" | "exit 1")
        );
        if never {
            let failures = interval_ms.saturating_mul(u64::from(check.retries.max(1)));
            let start_ms = u64::from(check.start_period_s) * 1000;
            return (None, Some(started.plus_ms(failures.max(start_ms))));
        }
        let most = interval_ms.clamp(200, FIRST_CHECK_MS_MAX);
        let draw = fold_text(started.0, &self.id);
        let healthy = started.plus_ms(between(draw, most / 2, most));
        let unhealthy = self.script.unhealthy_ms.map(|ms| started.plus_ms(ms));
        (Some(healthy), unhealthy)
    }

    /// Lets what is due happen; whether anything did.
    pub(super) fn advance(&mut self, now: TimeMs) -> bool {
        if !self.state.is_up() {
            return false;
        }
        let mut moved = false;
        for (at, health) in [
            (self.healthy_at, Health::Healthy),
            (self.unhealthy_at, Health::Unhealthy),
        ] {
            if at.is_some_and(|at| at <= now) {
                self.health = Some(health);
                moved = true;
            }
        }
        self.healthy_at = self.healthy_at.filter(|at| *at > now);
        self.unhealthy_at = self.unhealthy_at.filter(|at| *at > now);
        if let Some((at, death)) = self.ends.filter(|(at, _)| *at <= now) {
            self.end(at, death);
            moved = true;
        }
        moved
    }

    pub(super) fn next_due(&self) -> Option<TimeMs> {
        let ends = self.ends.map(|(at, _)| at);
        [ends, self.healthy_at, self.unhealthy_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// Ends at `at` unless it ends sooner anyway; says when it will have ended.
    pub(super) fn end_at(&mut self, at: TimeMs, death: Death) -> TimeMs {
        match self.ends {
            Some((sooner, _)) if sooner <= at => sooner,
            _ => {
                self.ends = Some((at, death));
                at
            }
        }
    }

    pub(super) fn end(&mut self, at: TimeMs, death: Death) {
        self.state = ContainerState::Exited;
        self.bindings.clear();
        (self.ends, self.healthy_at, self.unhealthy_at) = (None, None, None);
        if let Some(run) = self.runs.last_mut() {
            run.ended = Some((at, death));
        }
    }

    /// When it last started, if it is up.
    pub(super) fn up_since(&self) -> Option<TimeMs> {
        let run = self.runs.last()?;
        self.state.is_up().then_some(run.started)
    }

    pub(super) fn host_ports(&self) -> impl Iterator<Item = HostPort> {
        self.bindings.iter().map(|binding| HostPort {
            port: binding.host_port,
            protocol: binding.protocol,
        })
    }

    pub(super) fn volumes(&self) -> impl Iterator<Item = &String> {
        let named = self.spec.mounts.iter().filter(|mount| !mount.bind);
        named.filter_map(|mount| mount.source.as_ref())
    }

    fn owner(&self) -> Option<Ownership> {
        let labels = &self.spec.labels;
        Some(Ownership {
            control_plane: labels.get(label::CONTROL_PLANE)?.clone(),
            task: labels.get(label::TASK_ID)?.parse().ok()?,
            container: ContainerName::of_label(labels.get(label::CONTAINER)?)?,
        })
    }

    pub(super) fn observed(&self) -> ObservedContainer {
        let run = self.runs.last();
        let ended = run.and_then(|run| run.ended);
        let soft = self.spec.memory_reservation_bytes;
        let memory = if soft > 0 {
            soft
        } else {
            self.spec.memory_bytes
        };
        ObservedContainer {
            runtime_id: self.id.clone(),
            name: self.spec.name.clone(),
            owner: self.owner(),
            image: self.spec.image.clone(),
            image_digest: Some(self.digest.clone()),
            state: self.state,
            exit_code: ended.map(|(_, death)| death.code),
            oom_killed: ended.is_some_and(|(_, death)| death.oom),
            error: self.error.clone(),
            started_at: run.map(|run| run.started),
            finished_at: ended.map(|(at, _)| at),
            health: self.health,
            network_bindings: self.bindings.clone(),
            cpu: CpuUnits(self.spec.cpu_shares),
            memory: MemoryMib(memory / MIB),
            host_ports: self.host_ports().collect(),
            volumes: self.volumes().cloned().collect(),
            address: self.address.clone().filter(|_| self.state.is_up()),
        }
    }
}

/// What somebody else asked the engine for.
pub(super) fn foreign_spec(foreign: &Foreign) -> ContainerSpec {
    let ports = foreign.ports.iter().map(|port| PortSpec {
        container_port: port.port,
        host_port: port.port,
        protocol: port.protocol,
    });
    ContainerSpec {
        name: foreign.name.clone(),
        image: foreign.image.clone(),
        cpu_shares: foreign.cpu.0,
        memory_bytes: foreign.memory.0 * MIB,
        ports: ports.collect(),
        network: NetworkSpec::Host,
        health: None,
        stop_timeout_s: 10,
        ..ContainerSpec::default()
    }
}
