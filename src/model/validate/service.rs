//! Bounds of a rolling update, placement constraints and strategies.

use super::{
    DeploymentConfiguration, Fault, Faults, PlacementConstraint, PlacementConstraintKind,
    PlacementStrategy, PlacementStrategyKind,
};

/// How many tasks a service may ask for. ECS stops at 5,000; a simulated fleet goes further.
pub const DESIRED_COUNT_MAX: u32 = 100_000;
/// ECS's limit for constraints of a service or task.
const CONSTRAINTS_MAX: usize = 10;
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
        let at = format!("placementStrategy[{index}].field");
        let field = one.field.as_deref().filter(|field| !field.is_empty());
        match (one.kind, field) {
            (PlacementStrategyKind::Spread, None) => faults.add(
                at,
                "spread needs a field, such as attribute:ecs.availability-zone or instanceId",
            ),
            (PlacementStrategyKind::Binpack, Some(field))
                if field.eq_ignore_ascii_case("cpu") || field.eq_ignore_ascii_case("memory") => {}
            (PlacementStrategyKind::Binpack, _) => {
                faults.add(at, "binpack needs the field cpu or memory");
            }
            (PlacementStrategyKind::Random, Some(_)) => faults.add(at, "random takes no field"),
            (PlacementStrategyKind::Spread, Some(_)) | (PlacementStrategyKind::Random, None) => {}
        }
    }
    faults.0
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
