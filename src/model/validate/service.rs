//! Bounds of a rolling update, placement constraints and strategies.

use super::{
    DeploymentConfiguration, Fault, Faults, PlacementConstraint, PlacementConstraintKind,
    PlacementStrategy, PlacementStrategyKind,
};
use crate::model::capacity::{CapacityProviderStrategyItem, LaunchType};
use crate::model::members::nearest;
use crate::model::service::SchedulingStrategy;

/// How many tasks a service may ask for. ECS stops at 5,000; a simulated fleet goes further.
pub const DESIRED_COUNT_MAX: u32 = 100_000;
/// ECS's limit for the grace period of health checks, in seconds.
const HEALTH_GRACE_MAX_S: u32 = 2_147_483_647;
/// ECS's limit for constraints of a service or task.
pub(super) const CONSTRAINTS_MAX: usize = 10;
/// ECS's limit for strategies of a service or task.
const STRATEGIES_MAX: usize = 5;

/// What is wrong with the bounds of a rolling update at this desired count. A pair that can
/// neither start nor stop a task would never get a new revision in; it is refused with the
/// arithmetic.
#[must_use]
pub fn bounds(bounds: &DeploymentConfiguration, desired: u32) -> Vec<Fault> {
    let mut faults = Faults::default();
    let (min, max) = (bounds.minimum_healthy_percent, bounds.maximum_percent);
    let at = |member: &str| format!("deploymentConfiguration.{member}");
    if min > 100 {
        faults.add(
            at("minimumHealthyPercent"),
            format!("{min} is out of range; 0 to 100 is allowed"),
        );
    }
    if max < 100 {
        faults.add(
            at("maximumPercent"),
            format!("{max} is too low: the desired count itself is 100 percent"),
        );
    }
    let (floor, ceiling) = (bounds.floor(desired), bounds.ceiling(desired));
    let stuck = desired > 0 && floor >= desired && ceiling <= desired;
    if faults.0.is_empty() && stuck {
        let n = u64::from(desired);
        faults.add(
            "deploymentConfiguration",
            format!(
                "no task could be started or stopped in an update: with desiredCount {desired}, at \
                 least ⌈{desired} × {min} / 100⌉ = {floor} must stay up and at most \
                 ⌊{desired} × {max} / 100⌋ = {ceiling} may exist. Set minimumHealthyPercent to \
                 {} or less, or maximumPercent to {} or more",
                (n - 1) * 100 / n,
                ((n + 1) * 100).div_ceil(n),
            ),
        );
    }
    faults.0
}

/// What is wrong with the bounds and strategies of a service of that scheduling strategy.
#[must_use]
pub fn scheduling(
    strategy: SchedulingStrategy,
    limits: &DeploymentConfiguration,
    desired: u32,
    placement: &[PlacementStrategy],
) -> Vec<Fault> {
    if strategy == SchedulingStrategy::Replica {
        return bounds(limits, desired);
    }
    // How many instances there will be is not known: only the percents can be judged.
    let mut faults = Faults(bounds(limits, 0));
    if limits.minimum_healthy_percent == 100 {
        faults.add(
            "deploymentConfiguration.minimumHealthyPercent",
            "a DAEMON's task is stopped before another starts on its instance, so 100 would let \
             nothing be replaced; 0 is the default",
        );
    }
    if limits.maximum_percent > 100 {
        faults.add(
            "deploymentConfiguration.maximumPercent",
            "a DAEMON has one task on an instance: leave it out, or set 100",
        );
    }
    if !placement.is_empty() {
        faults.add(
            "placementStrategy",
            "a DAEMON runs on every instance that meets its constraints: leave it out",
        );
    }
    faults.0
}

/// What is wrong with where a service's tasks are to run. A DAEMON follows the instances, so it
/// has nothing to do with FARGATE, which shows none, nor with shares by capacity provider.
#[must_use]
pub fn daemon_ground(
    scheduling: SchedulingStrategy,
    launch_type: LaunchType,
    strategy: &[CapacityProviderStrategyItem],
) -> Vec<Fault> {
    let mut faults = Faults::default();
    if scheduling == SchedulingStrategy::Replica {
        return faults.0;
    }
    if !strategy.is_empty() {
        faults.add(
            "capacityProviderStrategy",
            "a DAEMON runs on every instance that meets its constraints, and takes no capacity \
             provider strategy: give launchType EC2 and, to keep to some instances, a placement \
             constraint",
        );
    } else if launch_type == LaunchType::Fargate {
        faults.add(
            "launchType",
            "FARGATE does not support the scheduling strategy DAEMON: give EC2, or make it a \
             REPLICA",
        );
    }
    faults.0
}

/// What is wrong with a grace period for health checks.
#[must_use]
pub fn health_grace(seconds: Option<u32>) -> Vec<Fault> {
    let mut faults = Faults::default();
    if let Some(seconds) = seconds.filter(|s| *s > HEALTH_GRACE_MAX_S) {
        faults.add(
            "healthCheckGracePeriodSeconds",
            format!("{seconds} is out of range; 0 to {HEALTH_GRACE_MAX_S} is allowed"),
        );
    }
    faults.0
}

/// What is wrong with a desired count.
#[must_use]
pub fn desired_count(desired: u32) -> Vec<Fault> {
    let mut faults = Faults::default();
    if desired > DESIRED_COUNT_MAX {
        faults.add(
            "desiredCount",
            format!("{desired} is too many; a service has at most {DESIRED_COUNT_MAX} tasks"),
        );
    }
    faults.0
}

/// What is wrong with placement constraints and strategies.
#[must_use]
pub fn placement(
    constraints: &[PlacementConstraint],
    strategies: &[PlacementStrategy],
) -> Vec<Fault> {
    let mut faults = Faults::default();
    if constraints.len() > CONSTRAINTS_MAX {
        faults.add(
            "placementConstraints",
            format!("at most {CONSTRAINTS_MAX} are allowed"),
        );
    }
    if strategies.len() > STRATEGIES_MAX {
        faults.add(
            "placementStrategy",
            format!("at most {STRATEGIES_MAX} are allowed"),
        );
    }
    for (index, one) in constraints.iter().enumerate() {
        constraint(one, &format!("placementConstraints[{index}]"), &mut faults);
    }
    for (index, one) in strategies.iter().enumerate() {
        strategy(
            one,
            format!("placementStrategy[{index}].field"),
            &mut faults,
        );
    }
    faults.0
}

/// What `spread` takes beside `attribute:NAME`.
const SPREAD_FIELDS: [&str; 3] = ["instanceId", "host", "availabilityZone"];

fn strategy(strategy: &PlacementStrategy, at: String, faults: &mut Faults) {
    let field = strategy.field.as_deref().filter(|field| !field.is_empty());
    let meant = |known: &[&'static str], field: &str| {
        nearest(field, known.iter().copied())
            .map_or_else(String::new, |near| format!("; did you mean {near}?"))
    };
    match (strategy.kind, field) {
        (PlacementStrategyKind::Spread, None) => faults.add(
            at,
            "spread needs a field, such as attribute:ecs.availability-zone or instanceId",
        ),
        (PlacementStrategyKind::Spread, Some(field)) => {
            let attribute = field.strip_prefix("attribute:");
            if !SPREAD_FIELDS.contains(&field) && attribute.is_none_or(str::is_empty) {
                let known = ["instanceId", "host", "attribute:ecs.availability-zone"];
                let near = if field.contains(['.', '-']) {
                    format!("; did you mean attribute:{field}?")
                } else {
                    meant(&known, field)
                };
                let what = "spread goes over instanceId, host or attribute:NAME, such as \
                            attribute:ecs.availability-zone";
                faults.add(at, format!("{what}, not over \"{field}\"{near}"));
            }
        }
        (PlacementStrategyKind::Binpack, Some(field))
            if field.eq_ignore_ascii_case("cpu") || field.eq_ignore_ascii_case("memory") => {}
        (PlacementStrategyKind::Binpack, None) => {
            faults.add(at, "binpack needs the field cpu or memory");
        }
        (PlacementStrategyKind::Binpack, Some(field)) => {
            let near = meant(&["cpu", "memory"], field);
            faults.add(
                at,
                format!("binpack packs by cpu or memory, not by \"{field}\"{near}"),
            );
        }
        (PlacementStrategyKind::Random, Some(_)) => faults.add(at, "random takes no field"),
        (PlacementStrategyKind::Random, None) => {}
    }
}

pub(super) fn constraint(constraint: &PlacementConstraint, at: &str, faults: &mut Faults) {
    let expression = constraint
        .expression
        .as_deref()
        .filter(|text| !text.trim().is_empty());
    match (constraint.kind, expression) {
        (PlacementConstraintKind::MemberOf, None) => faults.add(
            format!("{at}.expression"),
            "memberOf needs an expression, such as attribute:disk == ssd",
        ),
        (PlacementConstraintKind::DistinctInstance, Some(_)) => {
            faults.add(
                format!("{at}.expression"),
                "distinctInstance takes no expression",
            );
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: PlacementStrategyKind, field: &str) -> String {
        let field = Some(field.to_owned()).filter(|field| !field.is_empty());
        let faults = placement(&[], &[PlacementStrategy { kind, field }]);
        let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
        said.join("\n")
    }

    #[test]
    fn a_strategys_field_is_ecss_or_the_right_one_is_named() {
        use PlacementStrategyKind::{Binpack, Random, Spread};
        for (kind, field) in [
            (Spread, "instanceId"),
            (Spread, "host"),
            (Spread, "attribute:ecs.availability-zone"),
            (Spread, "attribute:rack"),
            (Binpack, "cpu"),
            (Binpack, "MEMORY"),
            (Random, ""),
        ] {
            assert_eq!(said(kind, field), "", "{kind:?} {field}");
        }
        for (kind, field, says) in [
            (Spread, "", "spread needs a field"),
            (
                Spread,
                "ecs.availability-zone",
                "did you mean attribute:ecs.availability-zone?",
            ),
            (Spread, "instanceID", "did you mean instanceId?"),
            (Spread, "attribute:", "attribute:NAME"),
            (Binpack, "", "needs the field cpu or memory"),
            (Binpack, "memroy", "not by \"memroy\"; did you mean memory?"),
            (Random, "cpu", "random takes no field"),
        ] {
            let said = said(kind, field);
            assert!(said.contains(says), "{kind:?} {field}: {said}");
            assert!(said.starts_with("placementStrategy[0].field: "), "{said}");
        }
    }

    #[test]
    fn ten_constraints_and_five_strategies_are_the_most() {
        let constraint = PlacementConstraint {
            kind: PlacementConstraintKind::DistinctInstance,
            expression: None,
        };
        let strategy = PlacementStrategy {
            kind: PlacementStrategyKind::Random,
            field: None,
        };
        let of = |constraints, strategies| {
            placement(
                &vec![constraint.clone(); constraints],
                &vec![strategy.clone(); strategies],
            )
        };
        assert!(of(10, 5).is_empty());
        assert_eq!(of(11, 6).len(), 2);
    }
}
