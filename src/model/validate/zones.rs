//! Which services zone rebalancing can do something for (ECS: `availabilityZoneRebalancing`).

use super::Fault;
use crate::model::instance::attribute;
use crate::model::service::{
    PlacementStrategy, PlacementStrategyKind, SchedulingStrategy, Service, ZoneRebalancing,
};

/// Why zone rebalancing does not go with what a service is written as; `None` if it does. ECS's
/// rules: a REPLICA, room above the desired count, and zones first among what is spread over.
#[must_use]
pub fn no_rebalancing(
    scheduling: SchedulingStrategy,
    maximum_percent: u32,
    strategies: &[PlacementStrategy],
) -> Option<&'static str> {
    let zones = |first: &PlacementStrategy| {
        let field = first.field.as_deref().unwrap_or_default();
        let field = field.strip_prefix("attribute:").unwrap_or(field);
        first.kind == PlacementStrategyKind::Spread
            && matches!(field, attribute::AVAILABILITY_ZONE | "availabilityZone")
    };
    if scheduling == SchedulingStrategy::Daemon {
        Some(
            "a DAEMON runs one task on every instance that meets its constraints, whatever its zone",
        )
    } else if maximum_percent <= 100 {
        Some("maximumPercent of 100 or less leaves no room to start a task before one is stopped")
    } else if strategies.first().is_some_and(|first| !zones(first)) {
        Some("its first placement strategy is not to spread over zones")
    } else {
        None
    }
}

/// Why no task of a service can be moved, as it is now; `None` if some could.
#[must_use]
pub fn cannot_rebalance(service: &Service) -> Option<String> {
    let bounds = &service.deployment_configuration;
    let (percent, desired) = (bounds.maximum_percent, service.desired_count);
    let why = no_rebalancing(
        service.scheduling_strategy,
        percent,
        &service.placement_strategy,
    );
    if let Some(why) = why {
        return Some(why.to_owned());
    }
    (desired > 0 && bounds.ceiling(desired) <= desired).then(|| {
        format!(
            "its ceiling is ⌊{desired} × {percent} / 100⌋ = {desired}, which leaves no room to \
             start a task before one is stopped"
        )
    })
}

/// What is wrong with asking for zone rebalancing by name. Where nothing is said it is on if it can
/// be, as in ECS.
#[must_use]
pub fn zone_rebalancing(
    asked: Option<ZoneRebalancing>,
    scheduling: SchedulingStrategy,
    maximum_percent: u32,
    strategies: &[PlacementStrategy],
) -> Option<Fault> {
    if asked != Some(ZoneRebalancing::Enabled) {
        return None;
    }
    let why = no_rebalancing(scheduling, maximum_percent, strategies)?;
    Some(Fault {
        path: "availabilityZoneRebalancing".to_owned(),
        message: format!("{why}: change that, or set it to DISABLED"),
    })
}

/// What zone rebalancing does for a service, in words for people.
#[must_use]
pub fn rebalancing_words(service: &Service) -> String {
    let moving = service.rebalance.as_ref().map(|it| it.extra.len());
    match (moving, cannot_rebalance(service)) {
        (Some(0), _) => "to be balanced when nothing else moves".to_owned(),
        (Some(1), _) => "being balanced, 1 task on the move".to_owned(),
        (Some(moving), _) => format!("being balanced, {moving} tasks on the move"),
        (None, Some(why)) => format!("not balanced: {why}"),
        (None, None) => match service.availability_zone_rebalancing {
            ZoneRebalancing::Enabled => "balanced again when a zone has too few tasks".to_owned(),
            ZoneRebalancing::Disabled => "balanced again on request only".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ClusterName, ServiceName, TimeMs};

    fn service(maximum_percent: u32, desired: u32, field: Option<&str>) -> Service {
        let name = ServiceName::new("web").unwrap();
        let mut service = Service::new(name, ClusterName::default_cluster(), TimeMs(0));
        service.desired_count = desired;
        service.deployment_configuration.maximum_percent = maximum_percent;
        service
            .placement_strategy
            .extend(field.map(|field| PlacementStrategy {
                kind: PlacementStrategyKind::Spread,
                field: Some(field.to_owned()),
            }));
        service
    }

    #[test]
    fn what_has_no_room_or_no_zones_is_not_balanced_and_says_why() {
        let zone = "attribute:ecs.availability-zone";
        let why = |service: &Service| cannot_rebalance(service).unwrap_or_default();
        assert_eq!(why(&service(200, 4, None)), "");
        assert_eq!(why(&service(200, 4, Some(zone))), "");
        assert!(why(&service(100, 4, None)).contains("maximumPercent"));
        assert!(why(&service(110, 4, None)).contains("⌊4 × 110 / 100⌋ = 4"));
        assert!(why(&service(200, 4, Some("instanceId"))).contains("strategy"));
        let mut daemon = service(200, 4, None);
        daemon.scheduling_strategy = SchedulingStrategy::Daemon;
        assert!(why(&daemon).contains("DAEMON"));
    }

    #[test]
    fn only_what_is_asked_for_by_name_is_refused() {
        let of = |asked| zone_rebalancing(asked, SchedulingStrategy::Replica, 100, &[]);
        assert_eq!(of(None), None);
        assert_eq!(of(Some(ZoneRebalancing::Disabled)), None);
        let fault = of(Some(ZoneRebalancing::Enabled)).unwrap();
        assert_eq!(fault.path, "availabilityZoneRebalancing");
    }
}
