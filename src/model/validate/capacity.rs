//! Capacity provider strategies.

use std::collections::BTreeSet;

use super::{Fault, Faults};
use crate::model::capacity::{CapacityProviderStrategyItem, is_fargate};

/// ECS's limit for the items of a strategy.
const STRATEGY_ITEMS_MAX: usize = 20;
/// ECS's limit for a base.
const BASE_MAX: u32 = 100_000;
/// ECS's limit for a weight.
const WEIGHT_MAX: u32 = 1_000;

/// What is wrong with a strategy in itself; whether its providers exist is for those to say who
/// know the cluster. No items = no strategy, which is right.
#[must_use]
pub fn capacity_provider_strategy(items: &[CapacityProviderStrategyItem]) -> Vec<Fault> {
    let at = "capacityProviderStrategy";
    let mut faults = Faults::default();
    if items.len() > STRATEGY_ITEMS_MAX {
        let count = items.len();
        faults.add(
            at,
            format!("it has {count} items; {STRATEGY_ITEMS_MAX} are allowed"),
        );
    }
    let mut names = BTreeSet::new();
    let mut based: Option<&CapacityProviderStrategyItem> = None;
    for (index, item) in items.iter().enumerate() {
        let here = |member: &str| format!("{at}[{index}].{member}");
        let name = &item.capacity_provider;
        if !names.insert(name) {
            faults.add(here("capacityProvider"), format!("{name} is named twice"));
        }
        for (member, value, most) in [
            ("base", item.base, BASE_MAX),
            ("weight", item.weight, WEIGHT_MAX),
        ] {
            if value > most {
                faults.add(
                    here(member),
                    format!("{value} is out of range; 0 to {most} is allowed"),
                );
            }
        }
        if item.base > 0 {
            if let Some(other) = based {
                let other = &other.capacity_provider;
                let message =
                    format!("{other} has a base already; one item of a strategy may have one");
                faults.add(here("base"), message);
            }
            based = based.or(Some(item));
        }
    }
    if !items.is_empty() && items.iter().all(|item| item.weight == 0) {
        faults.add(
            at,
            "every weight is 0, so no task could start; give one item a weight above 0",
        );
    }
    let fargate = items
        .iter()
        .filter(|item| is_fargate(&item.capacity_provider))
        .count();
    if fargate > 0 && fargate < items.len() {
        faults.add(
            at,
            "FARGATE and FARGATE_SPOT cannot stand beside providers of instances of your own",
        );
    }
    faults.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CapacityProviderName;

    fn item(name: &str, base: u32, weight: u32) -> CapacityProviderStrategyItem {
        CapacityProviderStrategyItem {
            capacity_provider: CapacityProviderName::new(name).unwrap(),
            base,
            weight,
        }
    }

    #[test]
    fn a_strategy_follows_the_rules_of_ecs() {
        let most = |count: u32| {
            (0..count)
                .map(|n| item(&format!("p{n}"), 0, 1))
                .collect::<Vec<_>>()
        };
        for (items, says) in [
            (vec![], ""),
            (vec![item("a", 100_000, 1_000), item("b", 0, 0)], ""),
            (vec![item("FARGATE", 1, 1), item("FARGATE_SPOT", 0, 4)], ""),
            (most(20), ""),
            (most(21), "20 are allowed"),
            (
                vec![item("a", 1, 1), item("b", 1, 1)],
                "capacityProviderStrategy[1].base: a has a base already",
            ),
            (
                vec![item("a", 100_001, 1)],
                "[0].base: 100001 is out of range; 0 to 100000",
            ),
            (
                vec![item("a", 0, 1_001)],
                "[0].weight: 1001 is out of range; 0 to 1000",
            ),
            (vec![item("a", 5, 0), item("b", 0, 0)], "every weight is 0"),
            (vec![item("a", 0, 1), item("a", 0, 1)], "a is named twice"),
            (
                vec![item("FARGATE", 0, 1), item("a", 0, 1)],
                "cannot stand beside",
            ),
        ] {
            let said: Vec<String> = capacity_provider_strategy(&items)
                .iter()
                .map(ToString::to_string)
                .collect();
            let said = said.join("\n");
            assert!(
                said.contains(says) && says.is_empty() == said.is_empty(),
                "{items:?}: {said}"
            );
        }
    }
}
