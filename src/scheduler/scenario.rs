//! Scenario scripts: `tests/scenarios/*.txt` say what happens to a small fleet, line by line, and
//! what is seen (`SCENARIO_UPDATE=1` writes it there: read the difference). Lines that begin with `|` are what the line above them shows; the rest are
//! commands. A script passes when running it gives the same text again.
//!
//! ```text
//! instance NAME zone Z cpu N memory N [with KEY=VALUE,…] [provider P] [fargate] [GPU N]
//!     [foreign PORT,…] [reserved MEMORY]
//! definition FAMILY:N cpu N memory N [port P] [udp P] [GPU N] [health] [X86_64 | ARM64] [role R] [secret S] [mount PATH]
//! role NAME [secrets S] [paths PATH] · unrole NAME
//! service NAME count N | daemon [min P] [max P] [grace S] [breaker] [rollback] [distinct]
//!     [fargate] [on PROVIDER:BASE:WEIGHT,…] [by KIND:FIELD,…] [where EXPRESSION]
//! scale NAME N · update NAME REVISION · delete NAME
//! rebalance NAME (asks for it) · rebalancing NAME on | off
//! drain I · activate I · disconnect I · reconnect I
//! crash NAME [all | [N] on I] · fail NAME REVISION [newest] · stop NAME on I · sicken NAME on I
//! run FAMILY:N COUNT · crash by hand FAMILY on I · by hand FAMILY (tasks that no service has)
//! patience NAME S (for failing health checks)  ·  protect NAME S on I  ·  unprotect NAME on I
//! plan       one pass; hosts do not act yet          act      hosts do as they are told
//! settle     plan and act until nothing is left, deployments completed
//! wait S     time goes on by S seconds
//! roll NAME  settle, one task at a time, sampling the floor and the ceiling throughout
//! show NAME · events · deployments NAME · history NAME · refusals NAME · explain NAME · wake
//! why NAME   what placed each of its tasks
//! ```

use std::fmt::Write;

use super::script::{self, Numbers, after};
use super::world::World;
use super::{check, explain, fixture};
use crate::model::parameters::ResourceRequirement;
use crate::model::service::{
    PlacementConstraint, PlacementConstraintKind, PlacementStrategy, PlacementStrategyKind,
    SchedulingStrategy, ServiceStatus, ZoneRebalancing,
};
use crate::model::task::Health;
use crate::model::task_definition::PortMapping;
use crate::model::{
    CapacityProviderName, CapacityProviderStrategyItem, ClusterName, HostPort, Instance,
    InstanceStatus, LaunchType, MemoryMib, Protocol, TaskDefinition, TaskId, TimeMs,
};

struct Script {
    also: Also,
    world: World,
    told: usize,
    deployments: u64,
    numbers: Numbers,
}

/// What a script of another room says of a world besides; `None` if it does not know the words.
pub(crate) type Also = fn(&World, &[&str]) -> Option<Vec<String>>;

/// Holds a script; `also` knows the commands of another room.
pub(crate) fn hold(name: &str, also: Also) {
    let mut script = Script {
        also,
        world: World::new([]),
        told: 0,
        deployments: 1,
        numbers: Numbers::default(),
    };
    script::hold(name, |words, line| script.command(words, line));
}

/// `P:BASE:WEIGHT,…`
fn strategy(items: &str) -> Vec<CapacityProviderStrategyItem> {
    let items = items.split(',').map(|item| {
        let parts: Vec<&str> = item.split(':').collect();
        CapacityProviderStrategyItem {
            capacity_provider: CapacityProviderName::new(parts[0]).unwrap(),
            base: parts[1].parse().unwrap(),
            weight: parts[2].parse().unwrap(),
        }
    });
    items.collect()
}

/// `spread:attribute:rack,binpack:cpu,random`
fn placement(items: &str) -> Vec<PlacementStrategy> {
    let items = items.split(',').map(|item| {
        let (kind, field) = match item.split_once(':') {
            Some((kind, field)) => (kind, Some(field.to_owned())),
            None => (item, None),
        };
        let kind = match kind {
            "spread" => PlacementStrategyKind::Spread,
            "binpack" => PlacementStrategyKind::Binpack,
            "random" => PlacementStrategyKind::Random,
            _ => panic!("no such strategy: {item}"),
        };
        PlacementStrategy { kind, field }
    });
    items.collect()
}

/// What an instance has beside cpu and memory.
fn offers(instance: &mut Instance, rest: &[&str]) {
    let provider: Option<String> = after(rest, "provider");
    instance.capacity_provider = provider.map(|name| CapacityProviderName::new(name).unwrap());
    instance.fargate = rest.contains(&"fargate");
    if let Some(count) = after(rest, "GPU") {
        instance.capacity.named.insert("GPU".to_owned(), count);
    }
    let foreign: String = after(rest, "foreign").unwrap_or_default();
    for port in foreign.split(',').filter_map(|port| port.parse().ok()) {
        let protocol = Protocol::Tcp;
        instance.foreign.ports.insert(HostPort { port, protocol });
        instance.foreign.memory += MemoryMib(512);
        instance.foreign_count += 1;
    }
    if let Some(memory) = after(rest, "reserved") {
        instance.reserved.memory = MemoryMib(memory);
    }
}

/// What a task asks for beside cpu, memory and tcp ports.
fn asks(definition: &mut TaskDefinition, rest: &[&str]) {
    let container = &mut definition.container_definitions[0];
    if let Some(port) = after(rest, "udp") {
        container.port_mappings.push(PortMapping {
            host_port: Some(port),
            protocol: Protocol::Udp,
            ..PortMapping::new(port)
        });
    }
    if let Some(count) = after::<String>(rest, "GPU") {
        container.resource_requirements.push(ResourceRequirement {
            value: count,
            kind: "GPU".to_owned(),
        });
    }
}

impl Script {
    fn command(&mut self, words: &[&str], line: usize) -> Vec<String> {
        let world = &mut self.world;
        match words {
            ["instance", name, rest @ ..] => {
                let zone: String = after(rest, "zone").unwrap();
                let (cpu, memory) = (after(rest, "cpu"), after(rest, "memory"));
                let with: String = after(rest, "with").unwrap_or_default();
                let pairs = with.split(',').filter_map(|pair| pair.split_once('='));
                let pairs: Vec<(&str, &str)> = pairs.collect();
                let mut instance =
                    fixture::instance(name, &zone, cpu.unwrap(), memory.unwrap(), &pairs);
                offers(&mut instance, rest);
                world
                    .state
                    .apply(&crate::model::Change::Instance(instance.into()));
            }
            ["definition", id, rest @ ..] => {
                let (family, revision) = id.split_once(':').unwrap();
                let ports: Vec<u16> = after(rest, "port").into_iter().collect();
                let mut definition = fixture::definition(
                    family,
                    revision.parse().unwrap(),
                    after(rest, "cpu").unwrap(),
                    after(rest, "memory").unwrap(),
                    &ports,
                );
                asks(&mut definition, rest);
                if rest.contains(&"health") {
                    fixture::check_health(&mut definition);
                }
                fixture::ask_for(
                    &mut definition,
                    after(rest, "role"),
                    after(rest, "secret"),
                    after(rest, "mount"),
                );
                definition.runtime_platform = fixture::platform(rest);
                world.put_definition(definition);
            }
            ["role", name, rest @ ..] => {
                let role = fixture::role(name, after(rest, "secrets"), after(rest, "paths"));
                world.state.apply(&crate::model::Change::Role(role.into()));
            }
            ["unrole", name] => {
                let name = crate::model::RoleName::new(*name).unwrap();
                world.state.apply(&crate::model::Change::RoleRemoved(name));
            }
            ["service", name, rest @ ..] => self.service(name, rest),
            ["scale", name, count] => {
                let count = count.parse().unwrap();
                world.edit_service(name, |service| service.desired_count = count);
            }
            ["update", name, revision] => {
                self.deployments += 1;
                let revision = revision.parse().unwrap();
                let new = fixture::deployment(self.deployments, name, revision, world.now);
                let now = world.now;
                world.edit_service(name, |service| service.begin(new, now));
            }
            ["strategy", name, items] => {
                world.edit_service(name, |service| {
                    service.capacity_provider_strategy = strategy(items);
                });
            }
            ["rebalance", name] => {
                let asked_at = Some(world.now);
                world.edit_service(name, |service| {
                    service.rebalance.get_or_insert_default().asked_at = asked_at;
                });
            }
            ["rebalancing", name, how] => {
                world.edit_service(name, |service| {
                    service.availability_zone_rebalancing = match *how {
                        "off" => ZoneRebalancing::Disabled,
                        _ => ZoneRebalancing::Enabled,
                    };
                });
            }
            ["delete", name] => {
                world.edit_service(name, |service| service.status = ServiceStatus::Draining);
            }
            ["drain", name] => world.set_status(name, InstanceStatus::Draining),
            ["activate", name] => world.set_status(name, InstanceStatus::Active),
            ["disconnect", name] => world.disconnect(name),
            ["reconnect", name] => world.reconnect(name),
            ["run", definition, count] => {
                let placement = world.run(definition, count.parse().unwrap());
                let first = placement.placed.first();
                let told = first.map(|it| format!("the first to {}: {}", it.instance, it.reason));
                return told.into_iter().collect();
            }
            ["crash", "by", "hand", family, "on", instance] => {
                for task in world.by_hand(family) {
                    if task.instance.as_str() == *instance {
                        world.crash(task.id);
                    }
                }
            }
            ["crash", name, rest @ ..] => {
                for id in self.pick(name, rest) {
                    self.world.crash(id);
                }
            }
            ["fail", name, revision, rest @ ..] => {
                let id = format!("{name}:{revision}").parse().unwrap();
                let mut tasks = world.tasks(name);
                tasks.retain(|task| task.is_wanted() && task.task_definition == id);
                if rest == ["newest"] {
                    tasks.sort_by_key(|task| task.created_at);
                    tasks = tasks.split_off(tasks.len().saturating_sub(1));
                }
                for task in tasks {
                    world.crash(task.id);
                }
            }
            ["stop", name, rest @ ..] => {
                for id in self.pick(name, rest) {
                    self.world.stop_by_hand(id);
                }
            }
            ["sicken", name, rest @ ..] => {
                for id in self.pick(name, rest) {
                    self.world.edit_task(id, |task| {
                        task.containers[0].health = Health::Unhealthy;
                    });
                }
            }
            ["patience", name, seconds] => {
                let seconds = seconds.parse().ok();
                world.edit_service(name, |s| s.health_check_grace_period_s = seconds);
            }
            ["protect", name, seconds, rest @ ..] => {
                let until = world.now.plus_ms(seconds.parse::<u64>().unwrap() * 1000);
                for id in self.pick(name, rest) {
                    self.world
                        .edit_task(id, |task| task.protected_until = Some(until));
                }
            }
            ["unprotect", name, rest @ ..] => {
                for id in self.pick(name, rest) {
                    self.world.edit_task(id, |task| task.protected_until = None);
                }
            }
            ["wait", seconds] => {
                let seconds: u64 = seconds.parse().unwrap();
                world.advance_ms(seconds * 1000);
            }
            ["plan"] => {
                world.plan();
                assert_eq!(check(&world.state, world.now), [], "line {line}");
            }
            ["act"] => world.act(),
            ["settle"] => {
                world.settle();
                assert_eq!(check(&world.state, world.now), [], "line {line}");
            }
            ["roll", name] => return self.roll(name),
            _ => return self.look(words, line),
        }
        Vec::new()
    }

    fn look(&mut self, words: &[&str], line: usize) -> Vec<String> {
        let world = &self.world;
        match words {
            ["show", name] => vec![self.show(name)],
            ["by", "hand", family] => vec![world.spread_of(&world.by_hand(family))],
            ["events"] => self.events(),
            ["deployments", name] => world
                .service(name)
                .deployments
                .iter()
                .map(|d| {
                    let line = format!("{} {:?}", d.task_definition, d.rollout_state);
                    match d.failed_tasks {
                        0 => line,
                        failed => format!("{line}, {failed} failed"),
                    }
                })
                .collect(),
            ["history", name] => world
                .service(name)
                .history
                .iter()
                .map(|d| {
                    let second = |at: TimeMs| at.since_ms(fixture::START) / 1000;
                    format!(
                        "{} {:?}, by {}, {} s to {} s: {}",
                        d.task_definition,
                        d.rollout_state,
                        d.started_by,
                        second(d.created_at),
                        second(d.ended_at),
                        d.rollout_state_reason
                    )
                })
                .collect(),
            ["refusals", name] => match &world.service(name).unplaced {
                None => vec!["every task has a place".to_owned()],
                Some(unplaced) => unplaced
                    .refusals
                    .iter()
                    .map(|r| format!("{}: {}", r.instance, r.reasons.join("; ")))
                    .collect(),
            },
            ["explain", name] => {
                let name = fixture::service_name(name);
                let cluster = ClusterName::default_cluster();
                let told = explain::service(&world.state, world.now, &cluster, &name).unwrap();
                let verdicts = told.instances.iter().map(|verdict| {
                    let takes = if verdict.takes {
                        "takes one"
                    } else {
                        "refuses"
                    };
                    format!(
                        "{} {takes}: {}",
                        verdict.instance,
                        verdict.reasons.join("; ")
                    )
                });
                let smallest = told.smallest.iter();
                let smallest = smallest.map(|it| format!("smallest change: {}", it.sentence));
                let shown = told.answer.iter().cloned().chain(verdicts);
                shown.chain(smallest).collect()
            }
            ["why", name] => {
                let tasks = world.tasks(name);
                let said = tasks.iter().map(|task| {
                    let (id, on) = (task.id, &task.instance);
                    format!("(task {id}) on {on}: {}", task.placement)
                });
                let said: Vec<String> = said.collect();
                let mut said: Vec<String> =
                    said.iter().map(|line| self.numbers.short(line)).collect();
                said.sort();
                said
            }
            ["wake"] => {
                let plan = super::plan(&world.state, world.now, &mut world.ids.clone());
                vec![match plan.wake_at {
                    None => "nothing changes by time alone".to_owned(),
                    Some(at) => format!("in {} s", at.since_ms(world.now) / 1000),
                }]
            }
            _ => (self.also)(world, words)
                .unwrap_or_else(|| panic!("line {line}: no such command: {words:?}")),
        }
    }

    fn service(&mut self, name: &str, rest: &[&str]) {
        let mut service = fixture::service(name, after(rest, "count").unwrap_or(0));
        if rest.contains(&"daemon") {
            service.scheduling_strategy = SchedulingStrategy::Daemon;
            service.deployment_configuration.minimum_healthy_percent = 0;
            service.deployment_configuration.maximum_percent = 100;
        }
        let bounds = &mut service.deployment_configuration;
        if let Some(percent) = after(rest, "min") {
            bounds.minimum_healthy_percent = percent;
        }
        if let Some(percent) = after(rest, "max") {
            bounds.maximum_percent = percent;
        }
        bounds.deployment_circuit_breaker.enable = rest.contains(&"breaker");
        bounds.deployment_circuit_breaker.rollback = rest.contains(&"rollback");
        if let Some(seconds) = after(rest, "grace") {
            service.grace_s = seconds;
        }
        if rest.contains(&"distinct") {
            service.placement_constraints.push(PlacementConstraint {
                kind: PlacementConstraintKind::DistinctInstance,
                expression: None,
            });
        }
        if rest.contains(&"fargate") {
            service.launch_type = LaunchType::Fargate;
        }
        if let Some(items) = after::<String>(rest, "on") {
            service.capacity_provider_strategy = strategy(&items);
        }
        if let Some(items) = after::<String>(rest, "by") {
            service.placement_strategy = placement(&items);
        }
        if let Some(at) = rest.iter().position(|word| *word == "where") {
            service.placement_constraints.push(PlacementConstraint {
                kind: PlacementConstraintKind::MemberOf,
                expression: Some(rest[at + 1..].join(" ")),
            });
        }
        self.world.put_service(service);
    }

    /// The tasks meant: the first by default, `all`, or those on an instance.
    fn pick(&self, name: &str, rest: &[&str]) -> Vec<TaskId> {
        let mut tasks = self.world.tasks(name);
        tasks.retain(|task| task.is_wanted());
        match rest {
            [] => tasks.truncate(1),
            ["all"] => {}
            ["on", instance] => tasks.retain(|task| task.instance.as_str() == *instance),
            [count, "on", instance] => {
                tasks.retain(|task| task.instance.as_str() == *instance);
                tasks.truncate(count.parse().unwrap());
            }
            _ => panic!("which tasks? {rest:?}"),
        }
        tasks.iter().map(|task| task.id).collect()
    }

    fn show(&self, name: &str) -> String {
        let service = self.world.service(name);
        let tasks = self.world.tasks(name);
        let count = |test: &dyn Fn(&crate::model::Task) -> bool| {
            tasks.iter().filter(|task| test(task)).count()
        };
        let mut line = format!(
            "{}: {}, {} of {} serve",
            service.status.as_str(),
            self.world.spread(name),
            count(&|t| t.is_serving()),
            service.desired_count
        );
        for (count, what) in [
            (count(&|t| t.is_wanted() && !t.is_serving()), "pending"),
            (count(&|t| t.lost_at.is_some()), "lost"),
            (
                count(&|t| t.desired_status == crate::model::DesiredStatus::Stopped),
                "stopping",
            ),
            (
                service.unplaced.as_ref().map_or(0, |u| u.count as usize),
                "unplaced",
            ),
        ] {
            if count > 0 {
                write!(line, ", {count} {what}").unwrap();
            }
        }
        if service.steady {
            line.push_str(", steady");
        }
        line
    }

    /// What was told since the last time.
    fn events(&mut self) -> Vec<String> {
        let events: Vec<_> = self
            .world
            .state
            .events
            .iter()
            .skip(self.told)
            .cloned()
            .collect();
        self.told += events.len();
        events
            .iter()
            .map(|event| {
                let seconds = event.at.since_ms(TimeMs(fixture::START.0)) / 1000;
                format!("{seconds:>4} s {}", self.numbers.short(&event.message))
            })
            .collect()
    }

    /// Settles with one task moving at a time, and samples before and after each.
    fn roll(&mut self, name: &str) -> Vec<String> {
        let world = &mut self.world;
        let (mut fewest, mut most) = (usize::MAX, 0);
        for _ in 0..1000 {
            let plan = world.plan();
            let tasks = world.tasks(name);
            fewest = fewest.min(tasks.iter().filter(|t| t.is_serving()).count());
            most = most.max(tasks.iter().filter(|t| t.is_wanted()).count());
            let unfinished = tasks.iter().find(|t| !t.is_serving());
            match unfinished {
                Some(task) => world.act_on(task.id),
                None if plan.is_empty() => match plan.wake_at.filter(|at| world.proves_by(*at)) {
                    Some(at) => world.now = at,
                    None => break,
                },
                None => {}
            }
        }
        world.settle();
        let service = world.service(name);
        let (bounds, desired) = (&service.deployment_configuration, service.desired_count);
        vec![format!(
            "fewest serving {fewest} (floor {}), most RUNNING and PENDING {most} (ceiling {})",
            bounds.floor(desired),
            bounds.ceiling(desired)
        )]
    }
}

macro_rules! scenarios {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                hold(stringify!($name), |_, _| None);
            }
        )*
    };
}

scenarios! {
    spread
    kill_one
    host_loss
    rolling_update
    rolling_update_in_place
    runtime_platform
    scale
    scale_in
    full_instance
    make_room
    given_up
    taken_port
    distinct_instance
    smallest_change
    member_of
    running_tasks_count
    capacity_providers
    fargate
    what_is_taken
    bad_host
    bad_host_zones
    named_resources
    drain
    drain_proof
    delete
    crash_loop
    circuit_breaker
    scattered_failures
    stop_unconfirmed
    stop_unconfirmed_full
    unhealthy
    unhealthy_start_first
    health_grace
    protection
    protection_deployment
    zone_rebalancing
    zone_rebalancing_bounds
    history
    completion
    daemon
    daemon_update
    grants
}
