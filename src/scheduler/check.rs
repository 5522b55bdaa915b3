//! What must hold in every state after a pass, whatever happened before.

mod acts;

use std::collections::BTreeMap;

use super::Plan;
use super::index::Index;
use crate::model::service::{SchedulingStrategy, Service, ServiceStatus};
use crate::model::{
    CpuUnits, DesiredStatus, HostPort, InstanceName, MemoryMib, ServiceName, State, TaskId, TimeMs,
};

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// An instance's tasks hold more than it has.
    #[error(
        "instance {instance}: its tasks hold {cpu} CPU units and {memory} MiB, more than it has"
    )]
    Overcommitted {
        /// The instance.
        instance: InstanceName,
        /// CPU units that its tasks hold.
        cpu: CpuUnits,
        /// MiB that its tasks hold.
        memory: MemoryMib,
    },
    /// An instance's tasks hold more of a named resource than it has.
    #[error("instance {instance}: its tasks hold {held} {name}, it has {has}")]
    OvercommittedNamed {
        /// The instance.
        instance: InstanceName,
        /// The resource, such as `GPU`.
        name: String,
        /// How many its tasks hold.
        held: u64,
        /// How many it has.
        has: u64,
    },
    /// Two tasks hold one host port.
    #[error("instance {instance}: tasks {first} and {second} both hold host port {port}")]
    SamePort {
        /// The instance.
        instance: InstanceName,
        /// The port.
        port: HostPort,
        /// One task.
        first: TaskId,
        /// The other.
        second: TaskId,
    },
    /// More tasks are RUNNING or PENDING than the ceiling allows.
    #[error("service {service}: {tasks} tasks are RUNNING or PENDING, over its ceiling {ceiling}")]
    OverCeiling {
        /// The service.
        service: ServiceName,
        /// How many tasks count.
        tasks: u32,
        /// How many may.
        ceiling: u32,
    },
    /// An ACTIVE service has no deployment.
    #[error("service {service} is ACTIVE and has no deployment")]
    NoDeployment {
        /// The service.
        service: ServiceName,
    },
    /// A deleted service still wants a task.
    #[error("service {service} was deleted and still wants task {task}")]
    Undead {
        /// The service.
        service: ServiceName,
        /// The task.
        task: TaskId,
    },
    /// A task is lost although its instance answers.
    #[error("task {task} is given up for lost, and its instance {instance} answers")]
    NotLost {
        /// The task.
        task: TaskId,
        /// Its instance.
        instance: InstanceName,
    },
    /// A task has stopped and is still wanted: nothing would ever replace it.
    #[error("task {task} is STOPPED, and its desired status is RUNNING")]
    StoppedButWanted {
        /// The task.
        task: TaskId,
    },
    /// A plan starts a task where its constraints or the instance's standing refuse it.
    #[error("task {task} is started on instance {instance}, which refuses it: {reason}")]
    Refused {
        /// The task.
        task: TaskId,
        /// The instance.
        instance: InstanceName,
        /// The refusals.
        reason: String,
    },
    /// A plan starts a task where there is no room for it.
    #[error("task {task} is started on instance {instance}, which has no room for it")]
    NoRoom {
        /// The task.
        task: TaskId,
        /// The instance.
        instance: InstanceName,
    },
    /// A plan starts a second task of a group that wants one on an instance.
    #[error("task {task} is started on instance {instance}, which has one of service {service}")]
    Second {
        /// The task.
        task: TaskId,
        /// The instance.
        instance: InstanceName,
        /// The service.
        service: ServiceName,
    },
    /// A plan stops tasks that serve, below the floor.
    #[error("service {service}: a plan leaves {after} of {before} serving, its floor is {floor}")]
    BelowFloor {
        /// The service.
        service: ServiceName,
        /// How many served before.
        before: u32,
        /// How many are left.
        after: u32,
        /// How many must be.
        floor: u32,
    },
    /// A plan starts tasks above the ceiling.
    #[error("service {service}: a plan starts up to {tasks} tasks, its ceiling is {ceiling}")]
    AboveCeiling {
        /// The service.
        service: ServiceName,
        /// How many are RUNNING or PENDING then.
        tasks: u32,
        /// How many may be.
        ceiling: u32,
    },
    /// A plan stops a protected task without need.
    #[error("task {task} is protected, and a plan stops it")]
    Protected {
        /// The task.
        task: TaskId,
    },
    /// A wanted task is on an instance of another cluster, or on none.
    #[error("task {task} is on instance {instance}, which is not in its cluster")]
    Astray {
        /// The task.
        task: TaskId,
        /// The instance that it names.
        instance: InstanceName,
    },
}

/// Everything that must not be after a plan: [`check`] of the state it leads to, and what the
/// plan itself must not do to the state before: start a task where it is refused, has no room or
/// is one too many; go below a floor or above a ceiling; stop what is protected. (That planning
/// again gives nothing is checked where plans are applied.)
#[must_use]
pub fn check_plan(before: &State, plan: &Plan, after: &State, now: TimeMs) -> Vec<Violation> {
    let mut found = check(after, now);
    // A host that shrank below what its tasks hold is a fact; what counts is what is started there.
    let started_on = |name: &InstanceName| plan.starts.iter().any(|task| task.instance == *name);
    found.retain(|violation| match violation {
        Violation::Overcommitted { instance, .. }
        | Violation::OvercommittedNamed { instance, .. } => started_on(instance),
        _ => true,
    });
    acts::starts(before, plan, after, &mut found);
    acts::stops(before, plan, after, &mut found);
    found
}

/// Everything that must not be, in a state to which a plan of this moment has just been applied.
#[must_use]
pub fn check(state: &State, now: TimeMs) -> Vec<Violation> {
    check_with(&Index::new(state), state, now)
}

/// [`check`] with the index that is kept beside the state.
#[must_use]
pub fn check_with(index: &Index, state: &State, now: TimeMs) -> Vec<Violation> {
    let mut found = Vec::new();
    instances(state, index, &mut found);
    tasks(state, &mut found);
    for (key, service) in &state.services {
        let tasks = index.services.get(key).into_iter().flat_map(|t| t.values());
        let wanted = tasks.filter(|task| task.is_wanted());
        match service.status {
            ServiceStatus::Active => {
                // Protected tasks stay above the ceiling until their protection ends.
                let wanted =
                    wanted.filter(|it| it.protected_until.is_none_or(|until| until <= now));
                let count = u32::try_from(wanted.count()).unwrap_or(u32::MAX);
                active(service, count, &mut found);
            }
            ServiceStatus::Draining | ServiceStatus::Inactive => {
                found.extend(wanted.map(|task| Violation::Undead {
                    service: service.name.clone(),
                    task: task.id,
                }));
            }
        }
    }
    found
}

fn instances(state: &State, index: &Index, found: &mut Vec<Violation>) {
    for node in &index.nodes {
        let has = &node.instance.capacity;
        if node.used_cpu > has.cpu || node.used_memory > has.memory {
            found.push(Violation::Overcommitted {
                instance: node.instance.name.clone(),
                cpu: node.used_cpu,
                memory: node.used_memory,
            });
        }
        for name in node.named() {
            let (held, has) = (node.used_named(name), has.named.get(name));
            let has = has.copied().unwrap_or(0);
            if held > has {
                found.push(Violation::OvercommittedNamed {
                    instance: node.instance.name.clone(),
                    name: name.to_owned(),
                    held,
                    has,
                });
            }
        }
    }
    let mut ports: BTreeMap<(&InstanceName, HostPort), TaskId> = BTreeMap::new();
    for task in state.tasks.values().filter(|task| !task.is_stopped()) {
        for port in &task.resources.ports {
            if let Some(first) = ports.insert((&task.instance, *port), task.id) {
                found.push(Violation::SamePort {
                    instance: task.instance.clone(),
                    port: *port,
                    first,
                    second: task.id,
                });
            }
        }
    }
}

fn tasks(state: &State, found: &mut Vec<Violation>) {
    for task in state.tasks.values() {
        let wanted = task.desired_status == DesiredStatus::Running;
        if task.is_stopped() {
            if wanted {
                found.push(Violation::StoppedButWanted { task: task.id });
            }
            continue;
        }
        let instance = state.instances.get(&task.instance);
        if wanted && instance.is_none_or(|instance| instance.cluster != task.cluster) {
            found.push(Violation::Astray {
                task: task.id,
                instance: task.instance.clone(),
            });
        }
        if wanted && task.lost_at.is_some() && instance.is_some_and(|i| i.is_connected()) {
            found.push(Violation::NotLost {
                task: task.id,
                instance: task.instance.clone(),
            });
        }
    }
}

fn active(service: &Service, count: u32, found: &mut Vec<Violation>) {
    if service.primary().is_none() {
        found.push(Violation::NoDeployment {
            service: service.name.clone(),
        });
    }
    let desired = service.desired_count;
    let ceiling = service.deployment_configuration.ceiling(desired);
    let ceiling = ceiling.max(desired);
    // A DAEMON has one task an instance, and some more on those that drain.
    let replica = service.scheduling_strategy == SchedulingStrategy::Replica;
    if replica && count > ceiling {
        found.push(Violation::OverCeiling {
            service: service.name.clone(),
            tasks: count,
            ceiling,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Change;
    use crate::model::parameters::ResourceRequirement;
    use crate::scheduler::fixture;
    use crate::scheduler::world::World;

    #[test]
    fn no_more_of_a_named_resource_is_handed_out_than_there_is() {
        let mut instance = fixture::instance("ops-1", "a", 4096, 4096, &[]);
        instance.capacity.named.insert("GPU".to_owned(), 3);
        instance.reserved.named.insert("GPU".to_owned(), 1);
        let mut before = fixture::state([instance]);
        let mut definition = fixture::definition("web", 1, 1, 1, &[]);
        let container = &mut definition.container_definitions[0];
        container.resource_requirements.push(ResourceRequirement {
            value: "1".to_owned(),
            kind: "GPU".to_owned(),
        });
        let service = fixture::service("web", 4);
        before.apply(&Change::TaskDefinition(definition.clone().into()));
        before.apply(&Change::Service(service.into()));
        let mut ids = fixture::ids();
        let mut tasks = Vec::new();
        let mut with = |count: usize| {
            let mut state = before.clone();
            tasks.resize_with(count, || {
                let mut task = fixture::task(ids.task_id(), "web", &definition, "ops-1");
                task.service = Some(fixture::service_name("web"));
                task
            });
            for task in &tasks {
                state.apply(&Change::Task(task.clone().into()));
            }
            let starts = tasks.clone();
            let plan = Plan {
                starts,
                ..Plan::default()
            };
            check_plan(&before, &plan, &state, fixture::START)
        };
        assert_eq!(with(2), []);
        // The third is the host's own: nothing starts on it, and it is not beyond what there is.
        let kept = with(3);
        assert!(
            matches!(kept[..], [Violation::NoRoom { .. }, ..]),
            "{kept:?}"
        );
        assert_eq!(
            with(4)[0].to_string(),
            "instance ops-1: its tasks hold 4 GPU, it has 3"
        );
    }

    /// Its owner takes memory away from a host, or puts another machine in its place.
    #[test]
    fn a_host_that_shrank_is_no_fault_of_a_plan_that_starts_nothing_there() {
        let mut world = World::new([fixture::instance("ops-1", "a", 4096, 4096, &[])]);
        world.put_definition(fixture::definition("web", 1, 1024, 1024, &[]));
        world.put_service(fixture::service("web", 4));
        world.settle();
        world.edit_instance("ops-1", |it| it.capacity.memory = MemoryMib(2048));
        let found = check(&world.state, world.now);
        assert!(
            matches!(found[..], [Violation::Overcommitted { .. }]),
            "{found:?}"
        );
        // It plans within what there is, and what it finds it says nothing of: see World::plan.
        world.edit_service("web", |it| it.desired_count = 6);
        world.settle();
        assert_eq!(world.service("web").unplaced.as_ref().unwrap().count, 2);
        world.edit_service("web", |it| it.desired_count = 1);
        world.settle();
        assert_eq!(check(&world.state, world.now), []);
    }

    #[test]
    fn what_is_not_protected_any_more_counts_for_the_ceiling() {
        let mut world = World::new([fixture::instance("ops-1", "a", 4096, 4096, &[])]);
        world.put_definition(fixture::definition("web", 1, 1, 1, &[]));
        world.put_service(fixture::service("web", 4));
        world.settle();
        let until = world.now.plus_ms(1_000);
        for task in world.tasks("web") {
            world.edit_task(task.id, |it| it.protected_until = Some(until));
        }
        world.edit_service("web", |it| it.desired_count = 1);
        assert_eq!(check(&world.state, world.now), []);
        let found = check(&world.state, until);
        assert!(
            matches!(found[..], [Violation::OverCeiling { tasks: 4, .. }]),
            "{found:?}"
        );
    }
}
