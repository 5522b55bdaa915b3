//! What a pass does, case by case.

use super::fixture;
use super::world::World;

fn three() -> World {
    let mut world = World::new([
        fixture::instance("ops-1", "a", 4096, 4096, &[]),
        fixture::instance("ops-2", "b", 4096, 4096, &[]),
        fixture::instance("ops-3", "c", 4096, 4096, &[]),
    ]);
    world.put_definition(fixture::definition("web", 1, 256, 256, &[]));
    world.put_definition(fixture::definition("web", 2, 256, 256, &[]));
    world
}

#[test]
fn six_tasks_over_three_zones_sit_two_by_two() {
    let mut world = three();
    world.put_service(fixture::service("web", 6));
    world.settle();
    assert_eq!(world.spread("web"), "ops-1 2 ops-2 2 ops-3 2");
    assert!(world.service("web").steady);
    let messages: Vec<_> = world.state.events.iter().map(|e| &e.message).collect();
    assert!(
        messages
            .last()
            .unwrap()
            .contains("has reached a steady state"),
        "{messages:?}"
    );
}

#[test]
fn a_rolling_update_never_serves_fewer_than_its_floor() {
    let mut world = three();
    world.put_service(fixture::service("web", 4));
    world.settle();
    let at = world.now;
    world.edit_service("web", |service| {
        service
            .deployments
            .insert(0, fixture::deployment(2, "web", 2, at));
    });
    for _ in 0..10 {
        world.plan();
        let serving = world.tasks("web").iter().filter(|t| t.is_serving()).count();
        assert!(serving >= 4, "{serving}");
        let wanted = world.tasks("web").iter().filter(|t| t.is_wanted()).count();
        assert!(wanted <= 8, "{wanted}");
        world.act();
    }
    assert!(
        world
            .tasks("web")
            .iter()
            .all(|t| t.task_definition.to_string() == "web:2")
    );
    assert_eq!(world.tasks("web").len(), 4);
    assert_eq!(world.service("web").deployments.len(), 1);
}

#[test]
fn a_lost_host_is_replaced_after_its_grace_and_its_return_leaves_n() {
    let mut world = three();
    world.put_service(fixture::service("web", 6));
    world.settle();
    world.disconnect("ops-2");
    let plan = world.plan();
    assert_eq!(plan.wake_at, Some(world.now.plus_ms(30_000)));
    assert!(plan.starts.is_empty());
    world.advance_ms(30_000);
    world.settle();
    assert_eq!(world.spread("web"), "ops-1 3 ops-2 0 ops-3 3");
    world.reconnect("ops-2");
    world.settle();
    assert_eq!(world.spread("web"), "ops-1 2 ops-2 2 ops-3 2");
}

#[test]
fn scaling_moves_both_ways() {
    let mut world = three();
    world.put_service(fixture::service("web", 2));
    world.settle();
    for (count, total) in [(7, 7), (3, 3), (0, 0), (1, 1)] {
        world.edit_service("web", |service| service.desired_count = count);
        world.settle();
        assert_eq!(world.tasks("web").len(), total);
    }
}

/// The size that the design promises: a thousand instances, ten thousand tasks in one pass. Not
/// timed; building an index per task instead of per pass would make it hang visibly.
#[test]
fn a_thousand_instances_take_ten_thousand_tasks_evenly() {
    let zones = ["a", "b", "c", "d"];
    let mut world = World::new(
        (0..1000).map(|n| fixture::instance(&format!("i{n:04}"), zones[n % 4], 8192, 8192, &[])),
    );
    for name in ["web", "api"] {
        world.put_definition(fixture::definition(name, 1, 64, 64, &[]));
        world.put_service(fixture::service(name, 5000));
    }
    let plan = world.plan();
    assert_eq!(plan.starts.len(), 10_000);
    for name in world.state.instances.keys() {
        assert_eq!(world.state.instance_tasks(name).count(), 10, "{name}");
    }
    world.act();
    world.disconnect("i0000");
    world.advance_ms(30_000);
    assert_eq!(world.plan().starts.len(), 10);
}
