//! What a task's `placement` says of the instances that came after the chosen one, compared with
//! the whiteboard.

use std::sync::Arc;

use proptest::prelude::*;

use super::reference::{self, Standing};
use super::{PlaceRequest, default_strategies, fixture, place};
use crate::model::service::{PlacementStrategy, PlacementStrategyKind};
use crate::model::{Change, ClusterName, LaunchType, State, TaskDefinition};

/// So many random clusters are asked.
const CLUSTERS: u32 = 1_000;

fn request<'a>(
    definition: &'a TaskDefinition,
    cluster: &'a ClusterName,
    strategies: &'a [PlacementStrategy],
) -> PlaceRequest<'a> {
    PlaceRequest {
        cluster,
        definition,
        group: "family:web",
        constraints: &[],
        strategies,
        launch_type: LaunchType::Ec2,
        capacity_provider_strategy: &[],
        count: 1,
    }
}

fn tasks(count: i128) -> String {
    match count {
        1 => "had 1 task".to_owned(),
        count => format!("had {count} tasks"),
    }
}

/// In what one instance comes after another.
fn lost(state: &State, strategies: &[PlacementStrategy], best: &Standing, it: &Standing) -> String {
    let differs = best.0.iter().zip(&it.0).position(|(best, its)| best != its);
    let Some(at) = differs else {
        return match it.1 == best.1 {
            true => "by lot".to_owned(),
            false => format!("{} tasks in all", it.1),
        };
    };
    let field = strategies[at].field.as_deref().unwrap_or_default();
    match (strategies[at].kind, field) {
        (PlacementStrategyKind::Spread, "instanceId") => tasks(it.0[at]),
        (PlacementStrategyKind::Spread, field) => {
            let value = state.instances[&it.3].attribute(field).unwrap_or("(none)");
            format!("{value} {}", tasks(it.0[at]))
        }
        (PlacementStrategyKind::Binpack, "cpu") => format!("{} CPU units free", it.0[at]),
        (PlacementStrategyKind::Binpack, _) => format!("{} MiB free", it.0[at]),
        (PlacementStrategyKind::Random, _) => "drawn after it".to_owned(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: CLUSTERS, ..ProptestConfig::default() })]

    /// The second and the third best are named, each with the first thing in which it lost.
    #[test]
    fn those_named_come_next_on_the_whiteboard(
        hosts in proptest::collection::vec((0u8..3, 0u64..4000, 0u64..4000, 0u64..300, 0u8..24), 1..9),
        there in proptest::collection::vec((0usize..9, 0u64..500, 0u64..500, 0u8..8, any::<bool>(), 0u8..10), 0..20),
        strategies in reference::strategies(),
        rounds in 1usize..5,
    ) {
        let mut state = reference::build(&hosts, &there);
        let (definition, cluster) = (fixture::definition("web", 1, 100, 100, &[]), ClusterName::default_cluster());
        let default = default_strategies();
        let used = if strategies.is_empty() { &default } else { &strategies };
        let mut ids = crate::model::id::IdSource::new(5);
        for _ in 0..rounds {
            let request = request(&definition, &cluster, &strategies);
            let placement = place(&state, fixture::START, &request);
            let ranked = reference::ranked(&state, &request);
            let Some((best, others)) = ranked.split_first() else {
                prop_assert_eq!(placement.placed.len(), 0);
                break;
            };
            let said = |it: &Standing| format!("{} ({})", it.3, lost(&state, used, best, it));
            let next: Vec<String> = others.iter().take(2).map(said).collect();
            let placed = &placement.placed[0];
            let named = placed.reason.split_once("; before ").map_or("", |(_, named)| named);
            prop_assert_eq!(named, next.join(", "), "{}", placed.reason);
            let mut task = fixture::task(ids.task_id(), "web", &definition, placed.instance.as_str());
            task.group = "family:web".into();
            state.apply(&Change::Task(Arc::new(task)));
        }
    }
}

/// Every task keeps these words, so they are bounded whatever the names are.
#[test]
fn long_names_leave_the_third_out() {
    let name = |letter: &str| letter.repeat(80);
    let zone = "z";
    let instances = ["a", "b", "c"].map(|it| fixture::instance(&name(it), zone, 1024, 1024, &[]));
    let state = fixture::state(instances);
    let (definition, cluster) = (
        fixture::definition("web", 1, 1, 1, &[]),
        ClusterName::default_cluster(),
    );
    let placement = place(&state, fixture::START, &request(&definition, &cluster, &[]));
    let reason = &placement.placed[0].reason;
    let (_, named) = reason.split_once("; before ").unwrap();
    assert_eq!(named.matches(" (by lot)").count(), 1, "{reason}");
    assert_eq!(named.len(), 80 + " (by lot)".len(), "{reason}");
}
