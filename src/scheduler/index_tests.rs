//! An index that follows random changes is the one that is made afresh, and finds its way back.

use std::sync::Arc;

use super::{Index, fixture};
use crate::model::id::IdSource;
use crate::model::{
    Change, Connection, DesiredStatus, HostPort, Instance, InstanceStatus, LastStatus, Protocol,
    State, StopCode, Task, TaskId, TimeMs,
};

const STORIES: u64 = 300;
const CHANGES: u64 = 60;

/// A die from a seed.
struct Dice(IdSource);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0.next_u64() % sides
    }
}

fn instance(dice: &mut Dice) -> Instance {
    let name = format!("i{}", dice.below(6));
    let zone = ["a", "b"][dice.below(2) as usize];
    let mut instance = fixture::instance(&name, zone, 4096, 4096, &[]);
    instance
        .capacity
        .named
        .insert("GPU".to_owned(), dice.below(5));
    instance.reserved = fixture::resources(dice.below(100), dice.below(100));
    if dice.below(3) == 0 {
        instance.foreign.ports.insert(port(dice));
    }
    if dice.below(4) == 0 {
        instance.status = InstanceStatus::Draining;
    }
    if dice.below(4) == 0 {
        instance.connection = Connection::Disconnected {
            since: TimeMs(1),
            reason: "gone".to_owned(),
        };
    }
    instance
}

fn port(dice: &mut Dice) -> HostPort {
    HostPort {
        port: 8080 + dice.below(3) as u16,
        protocol: Protocol::Tcp,
    }
}

fn task(dice: &mut Dice, state: &State) -> Task {
    let id = TaskId(u128::from(dice.below(20)));
    let revision = 1 + dice.below(2) as u32;
    let definition = fixture::definition("web", revision, 1, 1, &[]);
    let name = format!("i{}", dice.below(7));
    let mut task = match state.tasks.get(&id) {
        // Now and then a log tells of a task that moved; it is believed.
        Some(known) if dice.below(10) > 0 => known.as_ref().clone(),
        _ => fixture::task(id, "web", &definition, &name),
    };
    task.resources.cpu.0 = dice.below(500);
    // More than any sum of amounts can say.
    task.resources.memory.0 = [dice.below(500), u64::MAX][usize::from(dice.below(9) == 0)];
    if dice.below(3) == 0 {
        task.resources.named.insert("GPU".to_owned(), dice.below(3));
    }
    if dice.below(3) == 0 {
        task.resources.ports.insert(port(dice));
    }
    if dice.below(3) == 0 {
        task.service = Some(fixture::service_name(
            ["web", "api"][dice.below(2) as usize],
        ));
    }
    if dice.below(4) == 0 {
        task.desired_status = DesiredStatus::Stopped;
        task.last_status = [LastStatus::Stopping, LastStatus::Stopped][dice.below(2) as usize];
    }
    task.stop_code = [None, Some(StopCode::EssentialContainerExited)][dice.below(2) as usize];
    task.lost_at = (dice.below(4) == 0).then_some(TimeMs(1));
    task
}

fn change(dice: &mut Dice, state: &State) -> Change {
    match dice.below(10) {
        0 => Change::InstanceRemoved(fixture::instance_name(&format!("i{}", dice.below(6)))),
        1 | 2 => Change::Instance(Arc::new(instance(dice))),
        3 => Change::TaskRemoved(TaskId(u128::from(dice.below(20)))),
        _ => Change::Task(Arc::new(task(dice, state))),
    }
}

#[test]
fn an_index_follows_every_change_and_every_way_back() {
    for seed in 0..STORIES {
        let mut dice = Dice(IdSource::new(seed));
        let mut state = fixture::state([]);
        let mut index = Index::new(&state);
        for step in 0..CHANGES {
            let before = state.clone();
            let mut changes = Vec::new();
            for _ in 0..=dice.below(4) {
                let change = change(&mut dice, &state);
                index.apply(&state, &change);
                state.apply(&change);
                changes.push(change);
            }
            assert_eq!(index, Index::new(&state), "seed {seed}, step {step}");
            if dice.below(3) == 0 {
                index.undo(&before, &state, &changes);
                state = before;
                assert_eq!(index, Index::new(&state), "back: seed {seed}, step {step}");
            }
        }
    }
}

#[test]
fn a_pass_leaves_no_trace_in_the_index() {
    let zones = ["a", "b", "c"];
    let hosts = (0..6).map(|n| fixture::instance(&format!("i{n}"), zones[n % 3], 4096, 600, &[]));
    let mut state = fixture::state(hosts);
    for (name, count) in [("web", 9), ("api", 30)] {
        let definition = fixture::definition(name, 1, 64, 100, &[8080]);
        state.apply(&Change::TaskDefinition(Arc::new(definition)));
        state.apply(&Change::Service(Arc::new(fixture::service(name, count))));
    }
    let mut index = Index::new(&state);
    let plan = super::plan_with(&mut index, &state, fixture::START, &mut fixture::ids());
    assert_eq!(plan.starts.len(), 6);
    assert_eq!(index, Index::new(&state));
    let afresh = super::plan(&state, fixture::START, &mut fixture::ids());
    assert_eq!(plan, afresh);
}

#[test]
fn where_something_was_placed_is_found_after_the_instances_moved() {
    let named = |name: &str| fixture::instance(name, "a", 4096, 4096, &[]);
    let mut state = fixture::state([named("i3"), named("i5")]);
    let mut index = Index::new(&state);
    for at in 0..2 {
        index.hold_for_new(at, &fixture::resources(1, 1), "family:web");
    }
    index.settle();
    for change in [
        Change::Instance(Arc::new(named("i1"))),
        Change::InstanceRemoved(fixture::instance_name("i3")),
        Change::Instance(Arc::new(named("i4"))),
    ] {
        index.apply(&state, &change);
        state.apply(&change);
        for at in 0..index.nodes.len() {
            let name = index.nodes[at].instance.name.clone();
            assert_eq!(index.position(&name), Some(at), "{name}");
        }
        assert_eq!(index, Index::new(&state));
    }
    assert_eq!(index.position(&fixture::instance_name("i3")), None);
}
