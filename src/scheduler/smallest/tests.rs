//! What is proposed places the task, on thousands of random clusters.

use std::sync::Arc;

use super::*;
use crate::model::id::IdSource;
use crate::model::service::{PlacementConstraint, PlacementConstraintKind, Refusal};
use crate::model::{Change, Connection, InstanceStatus, LastStatus, Service, TaskDefinition};
use crate::scheduler::place::{PlaceRequest, Placement, place};
use crate::scheduler::{explain, fixture};

const RUNS: u64 = 1_000;

struct Case {
    state: State,
    service: Service,
    definition: TaskDefinition,
}

fn constraint(kind: PlacementConstraintKind, expression: Option<&str>) -> PlacementConstraint {
    PlacementConstraint {
        kind,
        expression: expression.map(str::to_owned),
    }
}

/// A small crowded cluster and a service that wants one task there.
fn case(random: &mut IdSource) -> Case {
    let mut pick = |most: u64| random.next_u64() % (most + 1);
    let mut instances = Vec::new();
    for n in 0..1 + pick(4) {
        let disk = if pick(1) == 0 { "ssd" } else { "hdd" };
        let (cpu, memory) = (512 + pick(8) * 128, 256 + pick(8) * 128);
        let name = format!("h{n}");
        let mut it = fixture::instance(&name, "z", cpu, memory, &[("disk", disk)]);
        match pick(5) {
            0 => it.status = InstanceStatus::Draining,
            1 => {
                it.connection = Connection::Disconnected {
                    since: fixture::START,
                    reason: "connection timed out".to_owned(),
                }
            }
            _ => {}
        }
        instances.push(it);
    }
    let names: Vec<String> = instances.iter().map(|it| it.name.to_string()).collect();
    let mut state = fixture::state(instances);
    let mut ids = IdSource::new(pick(u64::MAX - 1));
    for _ in 0..pick(10) {
        let ports: &[u16] = if pick(3) == 0 { &[80] } else { &[] };
        let other = fixture::definition("other", 1, pick(4) * 128, pick(4) * 128, ports);
        let at = &names[pick(names.len() as u64 - 1) as usize];
        let mut task = fixture::task(ids.task_id(), "other", &other, at);
        if pick(1) == 0 {
            task.service = Some(fixture::service_name("other"));
        }
        if pick(5) == 0 {
            task.protected_until = Some(TimeMs(u64::MAX));
        }
        let taken = state.tasks.values().any(|it| {
            it.instance == task.instance && !it.resources.ports.is_disjoint(&task.resources.ports)
        });
        if !taken {
            state.apply(&Change::Task(Arc::new(task)));
        }
    }
    let ports: &[u16] = if pick(2) == 0 { &[80] } else { &[] };
    let definition = fixture::definition("web", 1, pick(8) * 128, 128 + pick(7) * 128, ports);
    let mut service = fixture::service("web", 1);
    if pick(3) == 0 {
        let ssd = Some("attribute:disk == ssd");
        service.placement_constraints = vec![constraint(PlacementConstraintKind::MemberOf, ssd)];
    }
    state.apply(&Change::TaskDefinition(Arc::new(definition.clone())));
    state.apply(&Change::Service(Arc::new(service.clone())));
    Case {
        state,
        service,
        definition,
    }
}

fn placed(case: &Case) -> Placement {
    let request = PlaceRequest {
        cluster: &case.service.cluster,
        definition: &case.definition,
        group: "family:web",
        constraints: &case.service.placement_constraints,
        strategies: &[],
        launch_type: crate::model::LaunchType::Ec2,
        capacity_provider_strategy: &[],
        count: 1,
    };
    place(&case.state, fixture::START, &request)
}

/// Does in the model what is proposed; false where no one here can.
fn mend(case: &mut Case, smallest: &Smallest) -> bool {
    let name = smallest.instance.clone().unwrap();
    for mend in &smallest.mends {
        let mut instance = case.state.instances[&name].as_ref().clone();
        match mend {
            Mend::Activate => instance.status = InstanceStatus::Active,
            Mend::Answer => {
                instance.connection = Connection::Connected {
                    since: fixture::START,
                };
            }
            Mend::Stop(id) => {
                let mut task = case.state.tasks[id].as_ref().clone();
                assert_eq!(task.protected_until, None, "a protected task");
                task.last_status = LastStatus::Stopped;
                case.state.apply(&Change::Task(Arc::new(task)));
            }
            Mend::Ask { cpu, memory } => {
                let container = &mut case.definition.container_definitions[0];
                container.cpu = *cpu;
                container.memory = Some(*memory);
            }
            Mend::Match { .. } => {
                instance
                    .attributes
                    .insert("disk".to_owned(), "ssd".to_owned());
            }
            Mend::Give(name, count) => {
                instance.capacity.named.insert(name.clone(), *count);
            }
            Mend::Correct(_)
            | Mend::Configure(_)
            | Mend::OtherPort(_)
            | Mend::Elsewhere
            | Mend::AddInstance
            | Mend::Other(_) => return false,
        }
        case.state.apply(&Change::Instance(Arc::new(instance)));
    }
    true
}

#[test]
fn what_is_proposed_places_the_task() {
    let (mut unplaced, mut mended) = (0, 0);
    for seed in 0..RUNS {
        let mut case = case(&mut IdSource::new(seed));
        let placement = placed(&case);
        if !placement.placed.is_empty() {
            continue;
        }
        unplaced += 1;
        let about =
            explain::About::Service(case.service.cluster.clone(), case.service.name.clone());
        let told = explain::explain(&case.state, fixture::START, &about).unwrap();
        let smallest = told.smallest.unwrap();
        if mend(&mut case, &smallest) {
            mended += 1;
            let now = placed(&case);
            let refuses = |it: &Refusal| Some(&it.instance) == smallest.instance.as_ref();
            assert!(
                !now.placed.is_empty() && !now.refusals.iter().any(refuses),
                "seed {seed}: {smallest:#?}\n{:#?}",
                now.refusals
            );
        }
    }
    assert!(
        unplaced > RUNS / 10,
        "only {unplaced} of {RUNS} had no place"
    );
    assert!(
        mended > unplaced / 2,
        "{mended} of {unplaced} could be mended"
    );
}

fn told(state: &State) -> Smallest {
    let about =
        explain::About::Service(ClusterName::default_cluster(), fixture::service_name("web"));
    let told = explain::explain(state, fixture::START, &about).unwrap();
    told.smallest.unwrap()
}

#[test]
fn the_smallest_is_the_least_that_is_missing_for_the_instances_size() {
    let mut state = fixture::state([
        fixture::instance("big", "z", 4096, 4000, &[]),
        fixture::instance("small", "z", 4096, 1000, &[]),
    ]);
    let web = fixture::definition("web", 1, 0, 900, &[]);
    state.apply(&Change::TaskDefinition(Arc::new(web)));
    state.apply(&Change::Service(Arc::new(fixture::service("web", 1))));
    let mut ids = fixture::ids();
    let (first, second) = (ids.task_id(), ids.task_id());
    for (id, at, memory) in [(first, "big", 3300), (second, "small", 200)] {
        let definition = fixture::definition("job", 1, 0, memory, &[]);
        let task = fixture::task(id, "job", &definition, at);
        state.apply(&Change::Task(Arc::new(task)));
    }
    // 200 MiB are missing on the one, 100 on the other: a twentieth and a tenth.
    let smallest = told(&state);
    assert_eq!(smallest.mends, [Mend::Stop(first)]);
    let short = first.short();
    assert_eq!(
        smallest.sentence,
        format!(
            "Stop task {short} of job:1, run by hand on big, which holds 3300 MiB; or let web:1 \
             ask for 200 MiB less memory (700 instead of 900), which fits on big."
        )
    );
    assert_eq!(smallest.commands, [format!("qd task stop {short}")]);
}

#[test]
fn a_protected_task_is_never_proposed_and_a_drained_instance_is_nearer_than_a_full_one() {
    let mut full = fixture::instance("full", "z", 4096, 1000, &[]);
    full.status = InstanceStatus::Active;
    let mut drained = fixture::instance("drained", "z", 4096, 1000, &[]);
    drained.status = InstanceStatus::Draining;
    let mut state = fixture::state([full]);
    let web = fixture::definition("web", 1, 0, 900, &[]);
    state.apply(&Change::TaskDefinition(Arc::new(web)));
    state.apply(&Change::Service(Arc::new(fixture::service("web", 1))));
    let job = fixture::definition("job", 1, 0, 800, &[]);
    let mut task = fixture::task(fixture::ids().task_id(), "job", &job, "full");
    task.protected_until = Some(TimeMs(u64::MAX));
    state.apply(&Change::Task(Arc::new(task)));
    assert_eq!(
        told(&state).sentence,
        "Let web:1 ask for 700 MiB less memory (200 instead of 900), which fits on full."
    );
    state.apply(&Change::Instance(Arc::new(drained)));
    let smallest = told(&state);
    assert_eq!(smallest.mends, [Mend::Activate]);
    assert_eq!(smallest.commands, ["qd instance activate drained"]);
}

#[test]
fn an_empty_cluster_wants_an_instance() {
    let mut state = fixture::state([]);
    let web = fixture::definition("web", 1, 0, 900, &[]);
    state.apply(&Change::TaskDefinition(Arc::new(web)));
    state.apply(&Change::Service(Arc::new(fixture::service("web", 1))));
    assert_eq!(told(&state).mends, [Mend::AddInstance]);
}

/// `web` of that definition, which wants a task, in a cluster of `a` with 4096 units and MiB, its
/// disk is an hdd and it has two licenses.
fn wants_one(definition: TaskDefinition) -> State {
    let mut a = fixture::instance("a", "z", 4096, 4096, &[("disk", "hdd")]);
    a.capacity.named.insert("license".to_owned(), 2);
    let mut state = fixture::state([a]);
    state.apply(&Change::TaskDefinition(Arc::new(definition)));
    state.apply(&Change::Service(Arc::new(fixture::service("web", 1))));
    state
}

fn licensed(count: u64) -> TaskDefinition {
    let mut definition = fixture::definition("web", 1, 0, 100, &[]);
    let needs = serde_json::json!([{"type": "license", "value": count.to_string()}]);
    let container = &mut definition.container_definitions[0];
    container.resource_requirements = serde_json::from_value(needs).unwrap();
    definition
}

#[test]
fn a_named_resource_is_freed_by_a_stop_or_given_by_a_line_of_the_config() {
    let mut state = wants_one(licensed(1));
    let id = fixture::ids().task_id();
    let mut holder = fixture::task(id, "job", &licensed(2), "a");
    holder.service = None;
    state.apply(&Change::Task(Arc::new(holder.clone())));
    let smallest = told(&state);
    assert_eq!(smallest.commands, [format!("qd task stop {}", id.short())]);
    assert!(
        smallest.sentence.contains("which holds 2 license"),
        "{smallest:#?}"
    );
    holder.protected_until = Some(TimeMs(u64::MAX));
    state.apply(&Change::Task(Arc::new(holder)));
    assert_eq!(
        told(&state).sentence,
        "Give a 3 license instead of 2 with resources = { license = 3 } under its [[instance]] in \
         the configuration."
    );
}

#[test]
fn a_port_that_the_service_itself_holds_wants_another_port_or_instance() {
    let definition = fixture::definition("web", 1, 0, 100, &[80]);
    let mut state = wants_one(definition.clone());
    let mut own = fixture::task(fixture::ids().task_id(), "web", &definition, "a");
    own.service = Some(fixture::service_name("web"));
    state.apply(&Change::Task(Arc::new(own)));
    assert_eq!(
        told(&state).sentence,
        "The service itself holds host port 80/tcp on a: add an instance, or let web:1 name \
         another hostPort (0 = any that is free)."
    );
}

#[test]
fn an_attribute_that_is_missing_is_named_as_the_line_of_the_config() {
    let mut state = wants_one(fixture::definition("web", 1, 0, 100, &[]));
    let mut web = fixture::service("web", 1);
    let wants = "attribute:disk == ssd and attribute:ecs.os-type != windows";
    web.placement_constraints = vec![constraint(PlacementConstraintKind::MemberOf, Some(wants))];
    state.apply(&Change::Service(Arc::new(web)));
    let about =
        explain::About::Service(ClusterName::default_cluster(), fixture::service_name("web"));
    let explained = explain::explain(&state, fixture::START, &about).unwrap();
    assert_eq!(
        explained.instances[0].reasons,
        [format!(
            "memberOf does not match: {wants} (attribute:disk == ssd fails: it has disk = hdd)"
        )]
    );
    assert_eq!(
        explained.smallest.unwrap().sentence,
        format!(
            "Let a match the constraint {wants} with attributes = {{ disk = \"ssd\" }} under its \
             [[instance]] in the configuration, or change that."
        )
    );
}

#[test]
fn what_a_run_overrides_is_told_as_the_runs() {
    let written = fixture::definition("web", 1, 256, 100, &[]);
    let state = wants_one(written.clone());
    let overrides = TaskOverride {
        cpu: Some(CpuUnits(5000)),
        ..TaskOverride::default()
    };
    let definition = written.with_overrides(&overrides);
    let request = PlaceRequest {
        cluster: &ClusterName::default_cluster(),
        definition: &definition,
        group: "family:web",
        constraints: &[],
        strategies: &[],
        launch_type: crate::model::LaunchType::Ec2,
        capacity_provider_strategy: &[],
        count: 1,
    };
    let told = explain::smallest_for(&state, fixture::START, &request, Some(&overrides));
    assert_eq!(
        told.unwrap().sentence,
        "Let the run's own --cpu for web:1 ask for 904 CPU units less (4096 instead of 5000), which \
         fits on a."
    );
}

#[test]
fn protection_and_the_turn_of_a_capacity_provider_are_told() {
    let definition = fixture::definition("web", 1, 256, 100, &[]);
    let mut state = wants_one(definition.clone());
    let mut own = fixture::task(fixture::ids().task_id(), "web", &definition, "a");
    own.service = Some(fixture::service_name("web"));
    own.protected_until = Some(fixture::START.plus_ms(90_000));
    state.apply(&Change::Task(Arc::new(own.clone())));
    let mut web = fixture::service("web", 1);
    let shares = serde_json::json!([
        {"capacityProvider": "spot", "weight": 1},
        {"capacityProvider": "steady", "base": 1},
    ]);
    web.capacity_provider_strategy = serde_json::from_value(shares).unwrap();
    state.apply(&Change::Service(Arc::new(web)));
    let explained = |about| {
        explain::explain(&state, fixture::START, &about)
            .unwrap()
            .answer
    };
    let service = explained(explain::About::Service(
        ClusterName::default_cluster(),
        fixture::service_name("web"),
    ));
    for said in [
        "1 of its tasks is protected: scale-in, deployments and draining do not stop what is; the \
         next protection ends in 2 minutes.",
        "One more task is for capacity provider steady, for it has not its base yet (spot: weight \
         1, has 0; steady: base 1, weight 0, has 0).",
    ] {
        assert!(
            service.iter().any(|line| line == said),
            "{said}\n{service:#?}"
        );
    }
    let task = explained(explain::About::Task(own.id));
    let said =
        "It is protected for 2 minutes more: scale-in, deployments and draining do not stop it.";
    assert!(task.iter().any(|line| line == said), "{task:#?}");
}
