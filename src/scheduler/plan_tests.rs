//! What a pass does, case by case.

use std::collections::BTreeSet;

use super::fixture;
use super::world::World;
use crate::model::RolloutState;
use crate::model::task::Health;

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
        world.advance_ms(super::COMPLETION_SETTLE_MS / 2);
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
fn what_is_lost_is_not_said_to_be_scaled_in() {
    let mut world = three();
    world.put_service(fixture::service("web", 6));
    world.settle();
    world.disconnect("ops-2");
    world.advance_ms(30_000);
    world.settle();
    world.edit_service("web", |service| service.desired_count = 2);
    world.plan();
    let reasons = |host: &str| -> BTreeSet<String> {
        let there = world
            .state
            .tasks
            .values()
            .filter(|it| it.instance.as_str() == host);
        let reasons = there.filter_map(|it| it.stopped_reason.as_deref());
        reasons.map(str::to_owned).collect()
    };
    let lost = "Lost with container instance ops-2, which did not answer";
    assert_eq!(reasons("ops-2"), BTreeSet::from([lost.to_owned()]));
    let others: Vec<_> = reasons("ops-1")
        .into_iter()
        .chain(reasons("ops-3"))
        .collect();
    assert!(!others.is_empty());
    assert!(
        others.iter().all(|it| it.starts_with("Scaling activity")),
        "{others:?}"
    );
    let lost: Vec<String> = world
        .state
        .events
        .iter()
        .map(|it| it.message.to_string())
        .filter(|it| it.contains("no longer wants 2 tasks lost on (instance ops-2)"))
        .collect();
    assert_eq!(lost.len(), 1, "{:?}", world.state.events);
    let said = |words: &str| {
        world
            .state
            .events
            .iter()
            .any(|it| it.message.contains(words))
    };
    assert!(
        said("has stopped 4 running tasks"),
        "{:?}",
        world.state.events
    );
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

fn pinned(world: &mut World, digest: &str) {
    world.edit_service("web", |service| {
        let pin = crate::model::service::ImagePin::to_digest(digest);
        let images = &mut service.deployments[0].images;
        images.insert("web".to_owned(), pin);
    });
}

/// Every task of the primary deployment crashes until it is given up or has had ten chances.
fn crash_on(world: &mut World) {
    for _ in 0..10 {
        let service = world.service("web").clone();
        let primary = service.primary().unwrap();
        for task in world.tasks("web") {
            if task.deployment.as_ref() == Some(&primary.id) {
                world.crash(task.id);
            }
        }
        world.advance_ms(400_000);
        world.plan();
        if world.service("web").primary().unwrap().id != primary.id {
            return;
        }
    }
}

fn with_breaker(count: u32) -> World {
    let mut world = three();
    let mut service = fixture::service("web", count);
    let breaker = &mut service.deployment_configuration.deployment_circuit_breaker;
    (breaker.enable, breaker.rollback) = (true, true);
    world.put_service(service);
    world
}

#[test]
fn the_same_revision_with_another_image_behind_its_tag_is_given_up_and_rolled_back() {
    let mut world = with_breaker(2);
    pinned(&mut world, "sha256:good");
    world.settle();
    let first = world.service("web").primary().unwrap().id.clone();
    let now = world.now;
    world.edit_service("web", |service| {
        service.begin(fixture::deployment(2, "web", 1, now), now);
    });
    pinned(&mut world, "sha256:bad");
    world.plan();
    crash_on(&mut world);
    let service = world.service("web");
    let primary = service.primary().unwrap();
    assert_eq!(primary.id, first, "{service:#?}");
    assert_eq!(primary.images["web"].digest.as_deref(), Some("sha256:good"));
}

#[test]
fn of_deployments_that_failed_one_is_listed_and_the_others_are_history() {
    let mut world = with_breaker(1);
    world.settle();
    for number in 2..6 {
        let now = world.now;
        world.edit_service("web", |service| {
            service.begin(fixture::deployment(number, "web", 2, now), now);
        });
        world.plan();
        crash_on(&mut world);
        world.settle();
    }
    let service = world.service("web");
    assert!(service.deployments.len() <= 2, "{:#?}", service.deployments);
    assert!(service.history.len() >= 3, "{:#?}", service.history);
}

#[test]
fn one_more_of_a_definition_is_told_by_every_instance_not_by_the_best_alone() {
    let mut world = three();
    world.set_status("ops-3", crate::model::InstanceStatus::Draining);
    let cluster = crate::model::ClusterName::default_cluster();
    let id = "web:1".parse().unwrap();
    let told = super::explain::definition(&world.state, world.now, &cluster, &id).unwrap();
    let all: Vec<_> = told
        .instances
        .iter()
        .map(|it| (it.instance.as_str(), it.takes))
        .collect();
    assert_eq!(all.len(), 3, "{all:?}");
    assert!(all[0].1 && all[1].1, "{all:?}");
    assert_eq!(all[2], ("ops-3", false));
    assert!(told.answer[0].ends_with(&format!("would go to {}.", all[0].0)));
}

/// What is protected and does not serve stays, but not in the stead of what serves.
#[test]
fn after_a_given_up_deployment_scale_in_keeps_the_floor() {
    let mut world = World::new([fixture::instance("a", "z", 4096, 4096, &[])]);
    for revision in 1..=2 {
        let mut definition = fixture::definition("web", revision, 64, 64, &[]);
        fixture::check_health(&mut definition);
        world.put_definition(definition);
    }
    world.put_service(fixture::service("web", 4));
    world.settle();
    let now = world.now;
    for task in world.tasks("web").iter().take(2) {
        world.edit_task(task.id, |it| {
            it.protected_until = Some(now.plus_ms(60_000));
            it.containers[0].health = Health::Unhealthy;
        });
    }
    world.edit_service("web", |it| {
        it.begin(fixture::deployment(2, "web", 2, now), now);
        it.deployments[0].rollout_state = RolloutState::Failed;
        it.desired_count = 2;
    });
    world.plan();
    let serving = world.tasks("web").into_iter().filter(|it| it.is_serving());
    assert_eq!(serving.count(), 2);
}
