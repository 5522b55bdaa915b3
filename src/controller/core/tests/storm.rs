//! A fleet under a random storm of crashes, cuts, restarts and orders: whatever happened, once
//! it is over exactly what is wanted runs.

use super::rig::{Rig, instance_name};
use crate::model::id::IdSource;
use crate::model::observation::ContainerState;
use crate::model::{InstanceStatus, TaskId};
use serde_json::json;

const HOSTS: [(&str, &str); 5] = [
    ("a", "z1"),
    ("b", "z1"),
    ("c", "z2"),
    ("d", "z2"),
    ("e", "z3"),
];
const SERVICES: [&str; 2] = ["web", "api"];
const STEPS: usize = 120;

fn pick(random: &mut IdSource, among: usize) -> usize {
    usize::try_from(random.next_u64() % among as u64).unwrap()
}

fn any_task(rig: &Rig, random: &mut IdSource) -> Option<TaskId> {
    let tasks = rig.tasks();
    (!tasks.is_empty()).then(|| tasks[pick(random, tasks.len())].id)
}

fn step(rig: &mut Rig, random: &mut IdSource) {
    let host = HOSTS[pick(random, HOSTS.len())].0;
    let service = SERVICES[pick(random, SERVICES.len())];
    match pick(random, 12) {
        0 => rig.cut(host),
        1 => rig.connect(host),
        2 => {
            // The host was switched off and on: nothing runs there any more.
            let containers = rig.hosts.get_mut(&instance_name(host)).unwrap();
            containers
                .iter_mut()
                .for_each(|c| c.state = ContainerState::Exited);
        }
        3 => {
            if let Some(task) = any_task(rig, random) {
                rig.edit(task, |c| c.state = ContainerState::Exited);
            }
        }
        4 => {
            if let Some(task) = any_task(rig, random) {
                rig.ask("StopTask", json!({"task": task.to_string()}))
                    .unwrap();
            }
        }
        5 => {
            let count = pick(random, 7);
            // Zero is fine; so is every other count with these bounds.
            rig.ask(
                "UpdateService",
                json!({"service": service, "desiredCount": count}),
            )
            .unwrap();
        }
        6 => {
            rig.register(service, json!({}));
            rig.ask(
                "UpdateService",
                json!({"service": service, "taskDefinition": service}),
            )
            .unwrap();
        }
        7 => {
            let status = ["DRAINING", "ACTIVE"][pick(random, 2)];
            rig.ask(
                "UpdateContainerInstancesState",
                json!({"containerInstances": [host], "status": status}),
            )
            .unwrap();
        }
        8 => {
            // The control plane is killed and started again.
            rig.live = Default::default();
            rig.configure();
        }
        9 => {
            rig.wake_after(20_000);
        }
        _ => {
            let name = instance_name(host);
            if rig.instance(host).is_connected() {
                rig.obey(&name);
                rig.list(host);
            }
            rig.wake_after(500);
        }
    }
}

fn calm_down(rig: &mut Rig) {
    for (host, _) in HOSTS {
        rig.ask(
            "UpdateContainerInstancesState",
            json!({"containerInstances": [host], "status": "ACTIVE"}),
        )
        .unwrap();
        rig.connect(host);
    }
    for _ in 0..6 {
        rig.settle();
        rig.wake_after(300_000);
    }
    rig.settle();
}

#[test]
fn after_the_storm_exactly_what_is_wanted_runs() {
    for seed in 0..12 {
        let mut rig = Rig::new(&HOSTS);
        let random = &mut IdSource::new(seed);
        for service in SERVICES {
            rig.register(service, json!({}));
            rig.create(service, 4);
        }
        for _ in 0..STEPS {
            step(&mut rig, random);
        }
        calm_down(&mut rig);
        for service in SERVICES {
            let service = rig.service(service);
            let primary = service.primary().unwrap();
            let tasks: Vec<_> = rig
                .tasks()
                .into_iter()
                .filter(|task| task.service.as_ref() == Some(&service.name))
                .collect();
            let wanted = usize::try_from(service.desired_count).unwrap();
            assert_eq!(tasks.len(), wanted, "seed {seed}: {tasks:#?}");
            assert!(tasks.iter().all(|task| task.is_serving()), "seed {seed}");
            let current = |task: &std::sync::Arc<crate::model::Task>| {
                task.deployment.as_ref() == Some(&primary.id)
            };
            assert!(
                tasks.iter().all(current),
                "seed {seed}: an old revision still runs"
            );
        }
        assert!(
            rig.state
                .instances
                .values()
                .all(|i| i.status == InstanceStatus::Active)
        );
        let decision = rig.wake_after(1_000);
        assert_eq!(
            decision.changes,
            vec![],
            "seed {seed}: at rest nothing moves"
        );
    }
}
