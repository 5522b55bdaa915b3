//! Launch types and capacity providers of a request: what is meant, and whether it can be.

use super::find::{client, invalid, refuse};
use super::work::Work;
use crate::controller::command::{CommandError, ErrorKind, ground};
use crate::model::capacity::{FARGATE_PROVIDERS, is_fargate, launch_type_of};
use crate::model::members::nearest;
use crate::model::service::{PlacementConstraint, PlacementStrategy};
use crate::model::{
    CapacityProviderName, CapacityProviderStrategyItem, ClusterName, LaunchType, TaskDefinition,
    validate,
};

/// Where tasks are to run.
pub(super) struct Chosen {
    pub launch_type: LaunchType,
    pub strategy: Vec<CapacityProviderStrategyItem>,
}

/// What a request means that names these: the cluster's default strategy where it names neither.
pub(super) fn choose(
    work: &Work,
    cluster: &ClusterName,
    launch_type: Option<LaunchType>,
    strategy: &[CapacityProviderStrategyItem],
) -> Result<Chosen, CommandError> {
    refuse(
        ErrorKind::InvalidParameterException,
        &ground(launch_type, strategy),
    )?;
    let home = work.state.clusters.get(cluster);
    let strategy = match (launch_type, home) {
        (None, Some(home)) if strategy.is_empty() => &home.default_capacity_provider_strategy,
        _ => strategy,
    };
    let known = home.map_or(&[][..], |home| &home.capacity_providers);
    for (index, item) in strategy.iter().enumerate() {
        let name = &item.capacity_provider;
        if known.contains(name) || is_fargate(name) {
            continue;
        }
        let names = || {
            known
                .iter()
                .map(CapacityProviderName::as_str)
                .chain(FARGATE_PROVIDERS)
        };
        let help = match nearest(name.as_str(), names()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are {}.", names().collect::<Vec<_>>().join(", ")),
        };
        return Err(invalid(format!(
            "capacityProviderStrategy[{index}].capacityProvider: the specified capacity provider \
             {name} was not found in cluster {cluster}; {help}"
        )));
    }
    Ok(Chosen {
        launch_type: launch_type.unwrap_or_else(|| launch_type_of(strategy)),
        strategy: strategy.to_vec(),
    })
}

/// Refuses what FARGATE cannot run.
pub(super) fn check(
    launch_type: LaunchType,
    definition: &TaskDefinition,
    constraints: &[PlacementConstraint],
    strategies: &[PlacementStrategy],
) -> Result<(), CommandError> {
    if launch_type == LaunchType::Ec2 {
        return Ok(());
    }
    for (member, given) in [
        ("placementConstraints", !constraints.is_empty()),
        ("placementStrategy", !strategies.is_empty()),
    ] {
        if given {
            return Err(invalid(format!(
                "{member}: not supported with FARGATE, where the scheduler chooses; leave it out."
            )));
        }
    }
    let faults = validate::fargate(definition);
    if faults.is_empty() {
        return Ok(());
    }
    let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
    Err(client(format!(
        "Task definition {} does not support launch_type FARGATE:\n{}",
        definition.id(),
        said.join("\n")
    )))
}
