//! Zone rebalancing over random fleets: it comes to an end, it never makes zones more uneven, and
//! where it ends nothing more could be moved. That the floor and the ceiling hold, and that
//! planning again finds nothing, is checked by [`World::plan`].

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::world::World;
use super::{PlaceRequest, REBALANCE_WAIT_MS, fixture, place};
use crate::model::{ClusterName, InstanceStatus, LaunchType};

const ZONES: [&str; 4] = ["a", "b", "c", "d"];

/// RUNNING and PENDING tasks by zone, of the zones that take tasks.
fn by_zone(world: &World) -> BTreeMap<String, u32> {
    let instances = world.state.instances.values();
    let mut counts: BTreeMap<String, u32> = instances
        .filter(|instance| instance.takes_tasks())
        .map(|instance| (instance.zone().to_owned(), 0))
        .collect();
    for task in world.tasks("web").iter().filter(|task| task.is_wanted()) {
        let zone = world.state.instances[&task.instance].zone().to_owned();
        *counts.entry(zone).or_default() += 1;
    }
    counts
}

fn gap(counts: &BTreeMap<String, u32>) -> u32 {
    counts.values().max().unwrap() - counts.values().min().unwrap()
}

/// The zone that placement would choose for one more task.
fn next_zone(world: &World) -> Option<String> {
    let id: crate::model::TaskDefinitionId = "web:1".parse().unwrap();
    let request = PlaceRequest {
        cluster: &ClusterName::default_cluster(),
        definition: &world.state.task_definitions[&id],
        group: "service:web",
        constraints: &[],
        strategies: &[],
        launch_type: LaunchType::Ec2,
        capacity_provider_strategy: &[],
        count: 1,
    };
    let placed = place(&world.state, world.now, &request).placed;
    let instance = &world.state.instances[&placed.first()?.instance];
    Some(instance.zone().to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn it_ends_and_where_it_ends_nothing_is_left_to_move(
        hosts in proptest::collection::vec((0usize..4, 1u64..12, any::<bool>()), 2..9),
        count in 0u32..25,
        minimum in prop_oneof![Just(0u32), Just(50), Just(100)],
        asked in any::<bool>(),
    ) {
        let names: Vec<String> = (0..hosts.len()).map(|n| format!("i{n}")).collect();
        let instances = hosts.iter().zip(&names).map(|((zone, room, _), name)| {
            fixture::instance(name, ZONES[*zone], 9999, room * 100, &[])
        });
        let mut world = World::new(instances);
        world.put_definition(fixture::definition("web", 1, 1, 100, &[]));
        let mut service = fixture::service("web", count);
        service.deployment_configuration.minimum_healthy_percent = minimum;
        for ((_, _, away), name) in hosts.iter().zip(&names) {
            if *away {
                world.set_status(name, InstanceStatus::Draining);
            }
        }
        world.put_service(service);
        world.settle();
        let before = by_zone(&world);
        names.iter().for_each(|name| world.set_status(name, InstanceStatus::Active));
        world.advance_ms(REBALANCE_WAIT_MS);
        let waits = world.service("web").unplaced.is_some();
        if asked {
            let now = world.now;
            world.edit_service("web", |s| s.rebalance.get_or_insert_default().asked_at = Some(now));
        }
        world.settle();
        let after = by_zone(&world);
        let open: BTreeMap<String, u32> =
            after.keys().map(|zone| (zone.clone(), before.get(zone).copied().unwrap_or(0))).collect();
        prop_assert!(waits || gap(&after) <= gap(&open), "{open:?} became {after:?}");
        if world.service("web").steady {
            prop_assert_eq!(&world.service("web").rebalance, &None);
            if let Some(zone) = next_zone(&world) {
                let most = after.values().max().unwrap();
                prop_assert!(after[&zone] + 2 > *most, "{after:?}: {zone} would take one more");
            }
        }
        // And it stays so.
        world.advance_ms(1_000_000);
        prop_assert!(world.plan().is_empty());
    }
}
