//! The page about a service.

use crate::client::{About, Explanation};
use crate::model::capacity::launch_words;
use crate::model::service::{
    Backoff, PlacementConstraintKind, PlacementStrategyKind, SchedulingStrategy,
};
use crate::model::{Service, validate};

use super::super::super::fleet::Mood;
use super::super::super::text::count;
use super::super::silent;
use super::{Sheet, definition, deployments, refusals, service_state, spread};

pub(super) fn write(sheet: &mut Sheet<'_>, service: &Service) {
    let screen = sheet.screen;
    let (state, style) = service_state(screen, service);
    sheet.field_in("state", state, style);
    if let Some(row) = screen.model.fleet.row_of(service) {
        let t = row.tally;
        let unknown = match t.unreachable {
            0 => String::new(),
            n => format!(" · {n} not known, on silent instances"),
        };
        sheet.field(
            "tasks",
            format!(
                "{} wanted · {} running{unknown} · {} starting · {} stopping · {} lost",
                service.desired_count,
                t.up(),
                t.starting,
                t.stopping,
                t.lost
            ),
        );
    }
    sheet.field("where", spread(screen, service));
    sheet.field("placement", placement(service));
    let strategy = &service.capacity_provider_strategy;
    let launch = launch_words(Some(service.launch_type), strategy);
    sheet.field("launch type", launch.join(" · "));
    sheet.field("zones", validate::rebalancing_words(service));
    let bounds = &service.deployment_configuration;
    sheet.field(
        "rolling update",
        format!(
            "at least {} up, at most {} in all ({} % to {} %)",
            bounds.floor(service.desired_count),
            bounds.ceiling(service.desired_count),
            bounds.minimum_healthy_percent,
            bounds.maximum_percent
        ),
    );
    sheet.field("grace period", silent::grace(screen, service));
    sheet.field("created", screen.moment(service.created_at));
    sheet.tags(&service.tags);
    if service.backoff.failures > 0 {
        let mut words = Backoff::in_a_row(service.backoff.failures);
        if service.backoff.until > screen.now {
            words.push_str(&format!(
                ", next start in {}",
                screen.until(service.backoff.until)
            ));
        }
        sheet.field_in("back-off", words, screen.theme.mood(Mood::Warn));
    }
    let about = About::Service(service.cluster.clone(), service.name.clone());
    let explanation = match sheet.explanation(&about).cloned() {
        Some(Ok(explanation)) => Some(explanation),
        Some(Err(reason)) => {
            sheet.field("why", reason);
            None
        }
        None => None,
    };
    unplaced(sheet, service, explanation.as_deref());
    deployments::write(sheet, service);
    if let Some(explanation) = &explanation {
        sheet.verdicts(explanation);
    }
    sheet.events(|event| {
        event.service.as_ref() == Some(&service.name) && event.cluster == service.cluster
    });
    if let Some(primary) = service.primary() {
        definition::write(sheet, &primary.task_definition);
    }
}

fn placement(service: &Service) -> String {
    let strategies = service.placement_strategy.iter().map(|s| {
        let kind = match s.kind {
            PlacementStrategyKind::Spread => "spread",
            PlacementStrategyKind::Binpack => "binpack",
            PlacementStrategyKind::Random => "random",
        };
        match &s.field {
            Some(field) => format!("{kind}({field})"),
            None => kind.to_owned(),
        }
    });
    let mut parts: Vec<String> = strategies.collect();
    if service.scheduling_strategy == SchedulingStrategy::Daemon {
        parts = vec!["DAEMON: one on every instance that takes it".to_owned()];
    } else if parts.is_empty() {
        parts.push("spread over zones, then over instances".to_owned());
    }
    parts.extend(service.placement_constraints.iter().map(|c| match c.kind {
        PlacementConstraintKind::DistinctInstance => "each on an instance of its own".to_owned(),
        PlacementConstraintKind::MemberOf => {
            format!("only where {}", c.expression.as_deref().unwrap_or("?"))
        }
    }));
    parts.join(" · ")
}

fn unplaced(sheet: &mut Sheet<'_>, service: &Service, explanation: Option<&Explanation>) {
    let Some(unplaced) = &service.unplaced else {
        return;
    };
    let screen = sheet.screen;
    let tasks = count(u64::from(unplaced.count), "task");
    sheet.heading(format!(
        "No place for {tasks}, for {}",
        screen.age(unplaced.since)
    ));
    for reason in refusals(service) {
        sheet.words(&reason, screen.theme.mood(Mood::Warn));
    }
    if let Some(explanation) = explanation {
        if let Some(smallest) = &explanation.smallest {
            sheet.smallest(smallest);
        }
        return;
    }
    sheet.heading("Instance by instance");
    for refusal in &unplaced.refusals {
        sheet.field(refusal.instance.as_str(), refusal.reasons.join("; "));
    }
}
