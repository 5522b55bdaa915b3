//! CreateService, UpdateService, DeleteService.

use std::collections::BTreeSet;

use super::find::{self, invalid};
use super::ground::{self, Chosen};
use super::work::Work;
use crate::controller::command::{
    CommandError, CreateService, DeleteService, ErrorKind, RebalanceService, Response,
    UpdateService,
};
use crate::model::service::PlacementConstraint;
use crate::model::service::{
    Backoff, DEFAULT_GRACE_S, DeploymentConfiguration, PlacementStrategy, SchedulingStrategy,
    ZoneRebalancing,
};
use crate::model::validate::Fault;
use crate::model::{
    Deployment, DeploymentId, EventKind, Service, ServiceStatus, Severity, TaskDefinitionId,
    validate,
};
use crate::scheduler::Expression;

/// What is wrong with the expressions of constraints.
pub(super) fn expressions(constraints: &[PlacementConstraint]) -> Vec<Fault> {
    let texts = constraints.iter().enumerate();
    texts
        .filter_map(|(index, constraint)| {
            let text = constraint.expression.as_deref()?;
            let error = Expression::parse(text).err()?;
            Some(Fault {
                path: format!("placementConstraints[{index}].expression"),
                message: error.to_string(),
            })
        })
        .collect()
}

fn deployment(work: &mut Work, task_definition: TaskDefinitionId, who: &str) -> Deployment {
    Deployment::new(work.ids.deployment_id(), task_definition, who, work.now)
}

pub(super) fn create(
    work: &mut Work,
    request: CreateService,
    who: &str,
) -> Result<Response, CommandError> {
    let cluster = find::cluster(work, request.cluster.as_deref(), "")?;
    let name = &request.service_name;
    if let Some(known) = work.state.service(&cluster, name) {
        let again = request.client_token.is_some() && request.client_token == known.client_token;
        if again {
            return Ok(Response::Service(known.clone()));
        }
        match known.status {
            ServiceStatus::Active => {
                return Err(invalid(format!(
                    "Creation of service was not idempotent: there is already a service {name} in \
                     cluster {cluster}. Change it with UpdateService (qd apply does), or delete it \
                     first."
                )));
            }
            ServiceStatus::Draining => {
                return Err(invalid(format!(
                    "Unable to start service {name}: the one of that name that was deleted is \
                     still stopping its tasks. Try again when they have stopped."
                )));
            }
            ServiceStatus::Inactive => {}
        }
    }
    let mut faults = request.faults();
    faults.extend(expressions(&request.placement_constraints));
    find::refuse(ErrorKind::InvalidParameterException, &faults)?;
    let chosen = ground::choose(
        work,
        &cluster,
        request.launch_type,
        &request.capacity_provider_strategy,
    )?;
    // The cluster's default may have been chosen.
    daemon_ground(request.scheduling_strategy, &chosen)?;
    let definition = find::definition(work, &request.task_definition)?;
    find::granted(work, &definition, None)?;
    ground::check(
        chosen.launch_type,
        &definition,
        &request.placement_constraints,
        &request.placement_strategy,
    )?;
    let definition = definition.id();
    let rebalancing = request.availability_zone_rebalancing.unwrap_or(balancing(
        request.scheduling_strategy,
        &request.deployment_configuration,
        &request.placement_strategy,
    ));
    let first = deployment(work, definition.clone(), who);
    let started = first.id.clone();
    let service = work.put_service(Service {
        desired_count: match request.scheduling_strategy {
            SchedulingStrategy::Replica => request.desired_count,
            // The scheduler counts the instances.
            SchedulingStrategy::Daemon => 0,
        },
        deployment_configuration: request.deployment_configuration,
        placement_constraints: request.placement_constraints,
        placement_strategy: request.placement_strategy,
        deployments: vec![first],
        grace_s: request
            .host_loss_grace_period_seconds
            .unwrap_or(DEFAULT_GRACE_S),
        availability_zone_rebalancing: rebalancing,
        scheduling_strategy: request.scheduling_strategy,
        health_check_grace_period_s: request.health_check_grace_period_seconds,
        client_token: request.client_token,
        tags: request.tags,
        propagate_tags: request.propagate_tags,
        launch_type: chosen.launch_type,
        capacity_provider_strategy: chosen.strategy,
        unsupported: request.unsupported,
        ..Service::new(request.service_name, cluster, work.now)
    });
    let wanted = match service.scheduling_strategy {
        SchedulingStrategy::Replica => format!("desired count {}", service.desired_count),
        SchedulingStrategy::Daemon => "one task on every matching instance".to_owned(),
    };
    let message = format!(
        "(service {}) was created by {who}: {definition}, {wanted}.",
        service.name
    );
    work.operator(&*service, message);
    began(work, &service, &started.to_string(), &definition);
    Ok(Response::Service(service))
}

fn began(work: &mut Work, service: &Service, deployment: &str, definition: &TaskDefinitionId) {
    work.event(
        Severity::Info,
        EventKind::Deployment,
        service,
        format!(
            "(service {}) (deployment {deployment}) of {definition} in progress.",
            service.name
        ),
    );
}

pub(super) fn update(
    work: &mut Work,
    request: UpdateService,
    who: &str,
) -> Result<Response, CommandError> {
    let cluster = find::cluster(work, request.cluster.as_deref(), &request.service)?;
    let before = find::service(work, &cluster, &request.service)?;
    active(&before)?;
    let mut service = (*before).clone();
    let mut said = Vec::new();
    if request.desired_count.is_some() && before.scheduling_strategy == SchedulingStrategy::Daemon {
        return Err(invalid(format!(
            "desiredCount: service {} is a DAEMON: it runs one task on every instance that \
             meets its constraints, and its count follows them.",
            before.name
        )));
    }
    if let Some(count) = request.desired_count.filter(|c| *c != before.desired_count) {
        said.push(format!("desired count {} → {count}", before.desired_count));
        service.desired_count = count;
    }
    if let Some(bounds) = &request.deployment_configuration {
        service.deployment_configuration = bounds.over(&before.deployment_configuration);
    }
    if let Some(constraints) = request.placement_constraints {
        service.placement_constraints = constraints;
    }
    if let Some(strategy) = request.placement_strategy {
        service.placement_strategy = strategy;
    }
    if let Some(grace) = request.host_loss_grace_period_seconds {
        service.grace_s = grace;
    }
    if let Some(propagate) = request.propagate_tags {
        service.propagate_tags = propagate;
    }
    if let Some(seconds) = request.health_check_grace_period_seconds {
        service.health_check_grace_period_s = Some(seconds);
    }
    if let Some(strategy) = &request.capacity_provider_strategy {
        // An empty list goes back to the launch type.
        let launch_type = strategy.is_empty().then_some(before.launch_type);
        let chosen = ground::choose(work, &cluster, launch_type, strategy)?;
        daemon_ground(before.scheduling_strategy, &chosen)?;
        service.launch_type = chosen.launch_type;
        service.capacity_provider_strategy = chosen.strategy;
    }
    service.unsupported.extend(request.unsupported);
    let zones = request.availability_zone_rebalancing;
    let possible = balancing(
        service.scheduling_strategy,
        &service.deployment_configuration,
        &service.placement_strategy,
    );
    // What nobody asks for goes off by itself where it can no longer be.
    service.availability_zone_rebalancing = match possible {
        ZoneRebalancing::Enabled => zones.unwrap_or(before.availability_zone_rebalancing),
        ZoneRebalancing::Disabled => zones.unwrap_or(ZoneRebalancing::Disabled),
    };
    check(&service, zones)?;
    for (changed, what) in [
        (
            service.deployment_configuration != before.deployment_configuration,
            "deployment configuration",
        ),
        (
            service.placement_constraints != before.placement_constraints,
            "placement constraints",
        ),
        (
            service.placement_strategy != before.placement_strategy,
            "placement strategy",
        ),
        (
            service.capacity_provider_strategy != before.capacity_provider_strategy,
            "capacity provider strategy",
        ),
        (
            service.availability_zone_rebalancing != before.availability_zone_rebalancing,
            "zone rebalancing",
        ),
        (service.grace_s != before.grace_s, "grace period"),
        (
            service.health_check_grace_period_s != before.health_check_grace_period_s,
            "grace period of health checks",
        ),
    ] {
        if changed {
            said.push(format!("new {what}"));
        }
    }
    let started = redeploy(
        work,
        &mut service,
        request.task_definition.as_deref(),
        request.force_new_deployment,
        who,
    )?;
    if let Some(definition) = service
        .primary()
        .and_then(|primary| work.state.task_definitions.get(&primary.task_definition))
    {
        let (constraints, strategies) =
            (&service.placement_constraints, &service.placement_strategy);
        ground::check(service.launch_type, definition, constraints, strategies)?;
    }
    if let Some((_, definition)) = &started {
        let primary = service.primary();
        let resumed =
            primary.is_some_and(|it| before.deployments.iter().any(|was| was.id == it.id));
        said.push(if resumed {
            format!("back to the deployment of {definition}, whose tasks are kept")
        } else {
            format!("new deployment of {definition}")
        });
    }
    if !said.is_empty() {
        service.steady = false;
    }
    let service = work.put_service(service);
    let what = if said.is_empty() {
        "nothing changed".to_owned()
    } else {
        said.join(", ")
    };
    work.operator(
        &*service,
        format!("(service {}) was updated by {who}: {what}.", service.name),
    );
    if let Some((deployment, definition)) = started {
        began(work, &service, &deployment, &definition);
    }
    Ok(Response::Service(service))
}

fn daemon_ground(scheduling: SchedulingStrategy, chosen: &Chosen) -> Result<(), CommandError> {
    let faults = validate::daemon_ground(scheduling, chosen.launch_type, &chosen.strategy);
    find::refuse(ErrorKind::InvalidParameterException, &faults)
}

/// Whether zones are balanced again by themselves where nobody says: where that can be, as in ECS.
fn balancing(
    scheduling: SchedulingStrategy,
    bounds: &DeploymentConfiguration,
    strategies: &[PlacementStrategy],
) -> ZoneRebalancing {
    match validate::no_rebalancing(scheduling, bounds.maximum_percent, strategies) {
        None => ZoneRebalancing::Enabled,
        Some(_) => ZoneRebalancing::Disabled,
    }
}

/// Refuses a service that makes no sense as a whole.
fn check(service: &Service, zones: Option<ZoneRebalancing>) -> Result<(), CommandError> {
    let mut faults = validate::scheduling(
        service.scheduling_strategy,
        &service.deployment_configuration,
        service.desired_count,
        &service.placement_strategy,
    );
    faults.extend(validate::health_grace(service.health_check_grace_period_s));
    faults.extend(validate::desired_count(service.desired_count));
    faults.extend(validate::placement(
        &service.placement_constraints,
        &service.placement_strategy,
    ));
    faults.extend(expressions(&service.placement_constraints));
    faults.extend(validate::zone_rebalancing(
        zones,
        service.scheduling_strategy,
        service.deployment_configuration.maximum_percent,
        &service.placement_strategy,
    ));
    find::refuse(ErrorKind::InvalidParameterException, &faults)
}

fn active(service: &Service) -> Result<(), CommandError> {
    if service.status == ServiceStatus::Active {
        return Ok(());
    }
    Err(CommandError::new(
        ErrorKind::ServiceNotActiveException,
        format!(
            "Service {} is {}: it was deleted. Create it anew.",
            service.name,
            service.status.as_str()
        ),
    ))
}

/// Puts a new PRIMARY deployment before the others if a new definition or force asks for one.
fn redeploy(
    work: &mut Work,
    service: &mut Service,
    named: Option<&str>,
    force: bool,
    who: &str,
) -> Result<Option<(String, TaskDefinitionId)>, CommandError> {
    let current = service
        .primary()
        .map(|primary| primary.task_definition.clone());
    let wanted = match (named, &current) {
        (Some(named), _) => find::definition(work, named)?.id(),
        (None, Some(current)) => current.clone(),
        (None, None) => return Ok(None),
    };
    if Some(&wanted) == current.as_ref() && !force {
        return Ok(None);
    }
    // Without a new deployment anything goes: a service that lost its grants can be scaled in.
    if let Some(definition) = work.state.task_definitions.get(&wanted) {
        find::granted(work, definition, None)?;
    }
    // What ran before stays counted as failed, so that it is not counted again.
    service.backoff = Backoff {
        counted: std::mem::take(&mut service.backoff.counted),
        ..Backoff::default()
    };
    // What still serves of it need not be replaced by its like.
    let kept = |id: &DeploymentId| {
        let mut tasks = work.state.service_tasks(&service.cluster, &service.name);
        tasks.any(|task| task.is_wanted() && task.deployment.as_ref() == Some(id))
    };
    let serves: BTreeSet<DeploymentId> = (service.deployments.iter())
        .map(|it| it.id.clone())
        .filter(kept)
        .collect();
    let resumed = match force {
        false => service.resume(&wanted, &serves, who, work.now),
        true => None,
    };
    let id = match resumed {
        Some(id) => id.to_string(),
        None => {
            let new = deployment(work, wanted.clone(), who);
            let id = new.id.to_string();
            service.begin(new, work.now);
            id
        }
    };
    Ok(Some((id, wanted)))
}

/// Has a service's zones balanced now, whether or not that would happen by itself.
pub(super) fn rebalance(
    work: &mut Work,
    request: &RebalanceService,
    who: &str,
) -> Result<Response, CommandError> {
    let cluster = find::cluster(work, request.cluster.as_deref(), &request.service)?;
    let before = find::service(work, &cluster, &request.service)?;
    let name = &before.name;
    active(&before)?;
    if let Some(why) = validate::cannot_rebalance(&before) {
        return Err(invalid(format!(
            "The zones of service {name} cannot be balanced: {why}."
        )));
    }
    let mut service = (*before).clone();
    let rebalance = service.rebalance.get_or_insert_default();
    rebalance.asked_at = rebalance.asked_at.or(Some(work.now));
    let service = work.put_service(service);
    let message = format!("(service {name}): {who} asked to balance its zones.");
    work.operator(&*service, message);
    Ok(Response::Service(service))
}

pub(super) fn delete(
    work: &mut Work,
    request: &DeleteService,
    who: &str,
) -> Result<Response, CommandError> {
    let cluster = find::cluster(work, request.cluster.as_deref(), &request.service)?;
    let before = find::service(work, &cluster, &request.service)?;
    if before.status != ServiceStatus::Active {
        return Ok(Response::Service(before));
    }
    let counted = before.scheduling_strategy == SchedulingStrategy::Replica;
    if counted && before.desired_count > 0 && !request.force {
        return Err(invalid(format!(
            "The service cannot be stopped while it is scaled above 0: {} has desired count {}. \
             Scale it to 0 first, or delete it with force.",
            before.name, before.desired_count
        )));
    }
    let mut service = (*before).clone();
    service.status = ServiceStatus::Draining;
    service.desired_count = 0;
    service.unplaced = None;
    let service = work.put_service(service);
    let message = format!(
        "(service {}) was deleted by {who}; its tasks are stopping.",
        service.name
    );
    work.operator(&*service, message);
    Ok(Response::Service(service))
}
