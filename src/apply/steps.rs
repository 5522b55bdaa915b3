//! From what files ask for and what there is, to what has to be done. Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::read::{Item, Wanted};
use crate::api::difference;
use crate::controller::Command;
use crate::controller::command::schedule::{PutSchedule, next_words};
use crate::controller::command::{CreateService, RegisterTaskDefinition, UpdateService};
use crate::controller::wire;
use crate::document::{Faults, nearest};
use crate::model::arn::short_name;
use crate::model::members::Shape;
use crate::model::service::{DEFAULT_GRACE_S, SchedulingStrategy};
use crate::model::state::{NoDefinition, ServiceKey};
use crate::model::{
    CapacityProviderStrategyItem, ClusterName, Family, Revision, Service, ServiceStatus, State,
    TaskDefinition, TaskDefinitionId, TimeMs,
};

/// One thing to do, or to leave as it is.
#[derive(Clone, Debug)]
pub struct Step {
    /// The difference: a headline that begins with `+`, `~` or `=`, then a line for each member.
    pub lines: Vec<String>,
    /// What to ask for; `None` if it is as wanted.
    pub command: Option<Command>,
    /// The service it is about.
    pub service: Option<ServiceKey>,
}

/// What has to be done, task definitions first.
///
/// # Errors
/// [`Faults`] of what only the state can tell: a cluster or a definition that is not there.
pub fn steps(
    items: &[Item],
    state: &State,
    now: TimeMs,
    cluster: &str,
) -> Result<Vec<Step>, Faults> {
    let mut steps = Vec::new();
    let mut faults = Faults::default();
    let mut new: BTreeMap<Family, Revision> = BTreeMap::new();
    for item in items {
        if let Wanted::Definition(request) = &item.wanted {
            let step = definition(request, state);
            if step.command.is_some() {
                let revision = state.next_revision(&request.family);
                new.insert(request.family.clone(), revision);
            }
            steps.push(step);
        }
    }
    for item in items {
        if let Wanted::Service {
            request,
            says_count,
        } = &item.wanted
        {
            match service(item, request, *says_count, state, &new, cluster) {
                Ok(step) => steps.push(step),
                Err(more) => faults.0.extend(more.0),
            }
        }
    }
    for item in items {
        if let Wanted::Schedule(request) = &item.wanted {
            match schedule(item, request, (state, now), &new, cluster) {
                Ok(step) => steps.push(step),
                Err(more) => faults.0.extend(more.0),
            }
        }
    }
    faults.or(steps)
}

fn definition(request: &RegisterTaskDefinition, state: &State) -> Step {
    let family = &request.family;
    let revision = state.next_revision(family);
    let asked = Command::RegisterTaskDefinition(Box::new(request.clone()));
    let Some(newest) = state.latest_definition(family) else {
        let mut lines = vec![format!("+ task definition {family}:{revision}")];
        lines.extend(
            request
                .container_definitions
                .iter()
                .map(|container| format!("    container {}: {}", container.name, container.image)),
        );
        return Step {
            lines,
            command: Some(asked),
            service: None,
        };
    };
    let same = request
        .clone()
        .definition(newest.revision, newest.registered_at);
    if same == **newest {
        return Step {
            lines: vec![format!("= task definition {}", newest.id())],
            command: None,
            service: None,
        };
    }
    let before = wire::encode(&Command::RegisterTaskDefinition(Box::new(request_of(
        newest,
    ))));
    let mut lines = vec![format!(
        "+ task definition {family}:{revision}, against {}:",
        newest.id()
    )];
    let changed = difference::between(&before, &wire::encode(&asked));
    lines.extend(changed.iter().map(|line| format!("    {line}")));
    Step {
        lines,
        command: Some(asked),
        service: None,
    }
}

/// The request that would register this definition again.
pub fn request_of(definition: &TaskDefinition) -> RegisterTaskDefinition {
    let definition = definition.clone();
    RegisterTaskDefinition {
        tags: definition.tags,
        volumes: definition.volumes,
        network_mode: definition.network_mode,
        cpu: definition.cpu,
        memory: definition.memory,
        placement_constraints: definition.placement_constraints,
        pid_mode: definition.pid_mode,
        ipc_mode: definition.ipc_mode,
        runtime_platform: definition.runtime_platform,
        task_role_arn: definition.task_role_arn.clone(),
        requires_compatibilities: definition.requires_compatibilities,
        unsupported: definition.unsupported,
        ..RegisterTaskDefinition::new(definition.family, definition.container_definitions)
    }
}

/// The request that would create this service again; `None` where it runs no definition.
pub fn service_request(service: &Service) -> Option<CreateService> {
    let definition = service.primary()?.task_definition.to_string();
    let shares = &service.capacity_provider_strategy;
    Some(CreateService {
        cluster: Some(service.cluster.to_string()),
        desired_count: service.desired_count,
        deployment_configuration: service.deployment_configuration.clone(),
        placement_constraints: service.placement_constraints.clone(),
        placement_strategy: service.placement_strategy.clone(),
        host_loss_grace_period_seconds: Some(service.grace_s),
        scheduling_strategy: service.scheduling_strategy,
        health_check_grace_period_seconds: service.health_check_grace_period_s,
        launch_type: shares.is_empty().then_some(service.launch_type),
        capacity_provider_strategy: shares.clone(),
        availability_zone_rebalancing: Some(service.availability_zone_rebalancing),
        propagate_tags: service.propagate_tags,
        unsupported: service.unsupported.clone(),
        ..CreateService::new(service.name.clone(), definition)
    })
}

fn service(
    item: &Item,
    request: &CreateService,
    says_count: bool,
    state: &State,
    new: &BTreeMap<Family, Revision>,
    cluster: &str,
) -> Result<Step, Faults> {
    let cluster = cluster_of(item, request.cluster.as_deref(), state, cluster)?;
    let wanted = definition_of(item, &request.task_definition, state, new)?;
    let key = (cluster.clone(), request.service_name.clone());
    let existing = state
        .services
        .get(&key)
        .filter(|service| service.status == ServiceStatus::Active);
    let (lines, command) = match existing {
        None => {
            let mut request = request.clone();
            request.cluster = Some(cluster.to_string());
            (
                created(&request, &wanted),
                Some(Command::CreateService(Box::new(request))),
            )
        }
        Some(service) if service.scheduling_strategy != request.scheduling_strategy => {
            let what = "the schedulingStrategy of a service cannot be changed: delete the service \
                        first, or give this one another name";
            return Err(item.fault("schedulingStrategy", what).into());
        }
        Some(service) => {
            let strategy = ground(item, service, request, state)?;
            updated(service, request, says_count, &wanted, &strategy)
        }
    };
    Ok(Step {
        lines,
        command,
        service: Some(key),
    })
}

fn cluster_of(
    item: &Item,
    asked: Option<&str>,
    state: &State,
    cluster: &str,
) -> Result<ClusterName, Faults> {
    let name = short_name(asked.unwrap_or(cluster));
    let found = state.clusters.keys().find(|known| known.as_str() == name);
    found.cloned().ok_or_else(|| {
        let names = state.clusters.keys().map(ClusterName::as_str);
        item.fault("cluster", format!("there is no cluster \"{name}\""))
            .or_nearest(nearest(name, names))
            .into()
    })
}

/// The revision that a service or a schedule would run.
fn definition_of(
    item: &Item,
    asked: &str,
    state: &State,
    new: &BTreeMap<Family, Revision>,
) -> Result<TaskDefinitionId, Faults> {
    let text = short_name(asked);
    let (family_text, revision) = match text.rsplit_once(':') {
        Some((family, revision)) => (family, Some(revision)),
        None => (text, None),
    };
    let fault = |what: String| item.fault("taskDefinition", what);
    let refusal = |what: String| Faults::from(fault(what));
    let family = Family::new(family_text).map_err(|error| refusal(error.to_string()))?;
    let newest = new
        .get(&family)
        .copied()
        .or_else(|| state.latest_definition(&family).map(|it| it.revision));
    let Some(newest) = newest else {
        let known = state.task_definitions.keys().map(|id| id.family.as_str());
        let names: Vec<&str> = known.chain(new.keys().map(Family::as_str)).collect();
        return Err(
            fault(format!("there is no task definition \"{family_text}\""))
                .or_nearest(nearest(family_text, names))
                .into(),
        );
    };
    let Some(revision) = revision else {
        return Ok(TaskDefinitionId {
            family,
            revision: newest,
        });
    };
    let id: TaskDefinitionId = format!("{family}:{revision}")
        .parse()
        .map_err(|error: crate::model::id::IdError| refusal(error.to_string()))?;
    if new.get(&id.family) == Some(&id.revision) {
        return Ok(id);
    }
    let what = match state.named_definition(text) {
        Ok(_) => return Ok(id),
        Err(NoDefinition::Inactive(_)) => {
            format!("{id} is INACTIVE: it was deregistered, so nothing new starts from it")
        }
        Err(_) => format!("there is no revision {} of {}", id.revision, id.family),
    };
    let near = format!("{}:{newest}", id.family);
    Err(fault(what).or_nearest(Some(near)).into())
}

/// What has to be done for a schedule.
fn schedule(
    item: &Item,
    request: &PutSchedule,
    (state, now): (&State, TimeMs),
    new: &BTreeMap<Family, Revision>,
    cluster: &str,
) -> Result<Step, Faults> {
    let cluster = cluster_of(item, request.cluster.as_deref(), state, cluster)?;
    definition_of(item, &request.task_definition, state, new)?;
    let mut request = request.clone();
    request.cluster = Some(cluster.to_string());
    let name = request.name.clone();
    let times = match &request.schedule_expression_timezone {
        Some(zone) => format!("{} in {zone}", request.schedule_expression),
        None => request.schedule_expression.clone(),
    };
    let next = match request.calendar() {
        Ok((expression, zone)) if request.enabled => {
            format!(", next {}", next_words(&expression, &zone, now))
        }
        _ if !request.enabled => ", disabled".to_owned(),
        _ => String::new(),
    };
    let known = state.schedules.get(&(cluster, name.clone()));
    let after = wire::encode(&Command::PutSchedule(Box::new(request.clone())));
    let before =
        known.map(|known| wire::encode(&Command::PutSchedule(Box::new(PutSchedule::of(known)))));
    let lines = match &before {
        None => vec![format!("+ schedule {name}: {times}{next}")],
        Some(before) => {
            let changed = difference::between(before, &after);
            if changed.is_empty() {
                return Ok(Step {
                    lines: vec![format!("= schedule {name}")],
                    command: None,
                    service: None,
                });
            }
            let headline = format!("~ schedule {name}: {times}{next}");
            let more = changed.iter().map(|line| format!("    {line}"));
            std::iter::once(headline).chain(more).collect()
        }
    };
    Ok(Step {
        lines,
        command: Some(Command::PutSchedule(Box::new(request))),
        service: None,
    })
}

fn created(request: &CreateService, wanted: &TaskDefinitionId) -> Vec<String> {
    let count = request.desired_count;
    let many = match (request.scheduling_strategy, count) {
        (SchedulingStrategy::Daemon, _) => "one task on every matching instance".to_owned(),
        (SchedulingStrategy::Replica, 1) => "1 task".to_owned(),
        (SchedulingStrategy::Replica, count) => format!("{count} tasks"),
    };
    let headline = format!("+ service {}: {many} of {wanted}", request.service_name);
    let default = json!({
        "deploymentConfiguration": crate::model::service::DeploymentConfiguration::default(),
        "schedulingStrategy": SchedulingStrategy::default(),
    });
    let mut members = wire::encode(&Command::CreateService(Box::new(request.clone())));
    if let Value::Object(members) = &mut members {
        for told in ["cluster", "serviceName", "taskDefinition", "desiredCount"] {
            members.remove(told);
        }
        members.retain(|_, value| value.as_array().is_none_or(|list| !list.is_empty()));
    }
    let mut lines = vec![headline];
    let more = difference::between(&default, &members);
    lines.extend(more.iter().map(|line| format!("    {line}")));
    lines
}

/// The capacity provider strategy that a service would have if it were created from the file
/// now: the cluster's default where the file names neither one nor a launch type.
///
/// # Errors
/// A launch type that ECS's UpdateService, which has none, cannot lead to.
fn ground(
    item: &Item,
    service: &Service,
    request: &CreateService,
    state: &State,
) -> Result<Vec<CapacityProviderStrategyItem>, Faults> {
    let default = state
        .clusters
        .get(&service.cluster)
        .map(|home| home.default_capacity_provider_strategy.as_slice())
        .filter(|_| request.launch_type.is_none());
    let wanted = match request.capacity_provider_strategy.as_slice() {
        [] => default.unwrap_or_default(),
        named => named,
    };
    let (have, want) = (service.launch_type, request.launch_type.unwrap_or_default());
    if !wanted.is_empty() || have == want {
        return Ok(wanted.to_vec());
    }
    let (have, want) = (have.as_str(), want.as_str());
    let said = match request.launch_type {
        Some(_) => want.to_owned(),
        None => format!("{want}, which is what a file means that names none"),
    };
    let what = format!(
        "the launchType of a service cannot be changed: {} has {have}, and this would be {said}. \
         Name a capacityProviderStrategy instead, or give {have}, or delete the service first",
        service.name
    );
    Err(item.fault("launchType", what).into())
}

fn updated(
    service: &Service,
    request: &CreateService,
    says_count: bool,
    wanted: &TaskDefinitionId,
    strategy: &[CapacityProviderStrategyItem],
) -> (Vec<String>, Option<Command>) {
    let mut update = UpdateService {
        cluster: Some(service.cluster.to_string()),
        service: service.name.to_string(),
        ..UpdateService::default()
    };
    let mut lines = Vec::new();
    let mut differs = |member: &str, before: Value, after: Value| {
        let differs = before != after;
        if differs {
            lines.extend(difference::between(
                &json!({member: before}),
                &json!({member: after}),
            ));
        }
        differs
    };
    let now = service.primary().map(|primary| &primary.task_definition);
    if differs("taskDefinition", json!(now), json!(wanted)) {
        update.task_definition = Some(request.task_definition.clone());
    }
    if says_count
        && differs(
            "desiredCount",
            service.desired_count.into(),
            request.desired_count.into(),
        )
    {
        update.desired_count = Some(request.desired_count);
    }
    if differs(
        "deploymentConfiguration",
        json!(service.deployment_configuration),
        json!(request.deployment_configuration),
    ) {
        update.deployment_configuration = Some(request.deployment_configuration.clone().into());
    }
    if differs(
        "placementConstraints",
        json!(service.placement_constraints),
        json!(request.placement_constraints),
    ) {
        update.placement_constraints = Some(request.placement_constraints.clone());
    }
    if differs(
        "placementStrategy",
        json!(service.placement_strategy),
        json!(request.placement_strategy),
    ) {
        update.placement_strategy = Some(request.placement_strategy.clone());
    }
    // A file says all of a service: what it drops is taken away, as far as ECS can say so.
    let health = request
        .health_check_grace_period_seconds
        .or_else(|| service.health_check_grace_period_s.map(|_| 0));
    if health.is_some()
        && differs(
            "healthCheckGracePeriodSeconds",
            json!(service.health_check_grace_period_s),
            json!(health),
        )
    {
        update.health_check_grace_period_seconds = health;
    }
    if differs(
        "capacityProviderStrategy",
        json!(service.capacity_provider_strategy),
        json!(strategy),
    ) {
        update.capacity_provider_strategy = Some(strategy.to_vec());
    }
    let zones = request.availability_zone_rebalancing;
    if zones.is_some()
        && differs(
            "availabilityZoneRebalancing",
            json!(service.availability_zone_rebalancing),
            json!(zones),
        )
    {
        update.availability_zone_rebalancing = zones;
    }
    let grace = request
        .host_loss_grace_period_seconds
        .unwrap_or(DEFAULT_GRACE_S);
    if differs(
        "hostLossGracePeriodSeconds",
        service.grace_s.into(),
        grace.into(),
    ) {
        update.host_loss_grace_period_seconds = Some(grace);
    }
    if differs(
        "propagateTags",
        json!(service.propagate_tags),
        json!(request.propagate_tags),
    ) {
        update.propagate_tags = Some(request.propagate_tags);
    }
    // Of the members that are only kept, those can be updated that ECS's UpdateService has.
    for (path, value) in &request.unsupported {
        let member = path.split('.').next().unwrap_or(path);
        let known = Shape::UpdateService.known().any(|name| name == member);
        let before = service.unsupported.get(path).cloned().unwrap_or_default();
        if known && differs(path, before, value.clone()) {
            update.unsupported.insert(path.clone(), value.clone());
        }
    }
    for (path, before) in &service.unsupported {
        let none = match before {
            Value::Array(kept) if !kept.is_empty() => json!([]),
            Value::Bool(true) => json!(false),
            _ => continue,
        };
        let known = Shape::UpdateService.known().any(|name| name == path);
        if known && !request.unsupported.contains_key(path) {
            differs(path, before.clone(), none.clone());
            update.unsupported.insert(path.clone(), none);
        }
    }
    if lines.is_empty() {
        return (vec![format!("= service {}", service.name)], None);
    }
    let mut all = vec![format!("~ service {}", service.name)];
    all.extend(lines.iter().map(|line| format!("    {line}")));
    (all, Some(Command::UpdateService(Box::new(update))))
}
