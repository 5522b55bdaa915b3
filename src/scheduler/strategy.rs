//! What placement strategies look at. Placement goes where there is the least of it, scale-in
//! takes where there is the most.

use crate::model::instance::attribute;
use crate::model::service::{PlacementStrategy, PlacementStrategyKind};

/// So many strategies count; ECS allows no more.
pub(crate) const STRATEGIES_MAX: usize = 5;

/// What one strategy looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// How many tasks of the group there are on all instances with the same value of this field.
    Spread(String),
    /// How many tasks of the group are on the instance; the field that says so.
    SpreadNodes(String),
    /// CPU that nobody holds.
    FreeCpu,
    /// Memory that nobody holds.
    FreeMemory,
    /// A lot that is drawn.
    Lot,
}

impl Measure {
    fn of(strategy: &PlacementStrategy) -> Self {
        let field = strategy.field.as_deref().unwrap_or_default();
        match strategy.kind {
            PlacementStrategyKind::Spread if matches!(field, "instanceId" | "host") => {
                Self::SpreadNodes(field.to_owned())
            }
            PlacementStrategyKind::Spread => Self::Spread(field.to_owned()),
            PlacementStrategyKind::Binpack if field.eq_ignore_ascii_case("cpu") => Self::FreeCpu,
            PlacementStrategyKind::Binpack => Self::FreeMemory,
            PlacementStrategyKind::Random => Self::Lot,
        }
    }
}

/// What the strategies look at, in their listed order; [`default_strategies`] where there are none.
pub(crate) fn measures(strategies: &[PlacementStrategy]) -> Vec<Measure> {
    let of = |all: &[PlacementStrategy]| all.iter().take(STRATEGIES_MAX).map(Measure::of).collect();
    match strategies {
        [] => of(&default_strategies()),
        some => of(some),
    }
}

/// What a service that names no strategy gets: over zones, then over instances.
#[must_use]
pub fn default_strategies() -> Vec<PlacementStrategy> {
    [
        format!("attribute:{}", attribute::AVAILABILITY_ZONE),
        "instanceId".to_owned(),
    ]
    .into_iter()
    .map(|field| PlacementStrategy {
        kind: PlacementStrategyKind::Spread,
        field: Some(field),
    })
    .collect()
}
