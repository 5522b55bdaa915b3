//! `qd service …`

use serde_json::json;

use super::args::{AsOf, Output, ServiceAct, ServiceUpdate, ServiceVerb, Wait};
use super::error::{CliError, CliResult};
use super::out::{self, Table};
use super::session::Session;
use super::{follow, history, reasons, resolve, time, wait};
use crate::api::shape;
use crate::controller::Command;
use crate::controller::command::{
    DeleteService, DeploymentConfigurationUpdate, RebalanceService, UpdateService,
};
use crate::model::capacity::launch_words;
use crate::model::rollback::{rollback_target, rolling_back};
use crate::model::service::{Backoff, SchedulingStrategy};
use crate::model::state::ServiceKey;
use crate::model::{
    LastStatus, RolloutState, Service, Snapshot, State, Task, TaskDefinitionId, TimeMs, validate,
};

/// How many deployments that are over `show` prints.
const HISTORY_SHOWN: usize = 10;
/// How many events `show` prints.
const EVENTS_SHOWN: usize = 10;

/// Runs one of them.
///
/// # Errors
/// What the command runs into.
pub async fn run(session: &Session, verb: &ServiceVerb, output: Output) -> CliResult {
    match verb {
        ServiceVerb::Ls(of) => list(session, of, output).await,
        ServiceVerb::Show(named) => show(session, &named.name, output).await,
        ServiceVerb::Scale {
            name,
            count,
            wait,
            sure,
        } => {
            let service = find(session, name)?;
            let effect = format!(
                "Service {} in cluster {}: desired count {} → {count}.",
                service.name, service.cluster, service.desired_count
            );
            let update = UpdateService {
                desired_count: Some(*count),
                ..of(&service)
            };
            foresee(session, &update).await?;
            session.confirm(&service.cluster, &effect, sure).await?;
            change(session, &service, update, wait, output).await
        }
        ServiceVerb::Update(asked) => update(session, asked, output).await,
        ServiceVerb::Rollback { act, to } => rollback(session, act, to.as_deref(), output).await,
        ServiceVerb::Restart(act) => {
            let service = find(session, &act.name)?;
            let effect = format!(
                "Every one of the {} tasks of service {} will be replaced, within the bounds of its \
                 deployments.",
                service.desired_count, service.name
            );
            session
                .confirm(&service.cluster, &effect, &act.sure)
                .await?;
            let update = UpdateService {
                force_new_deployment: true,
                ..of(&service)
            };
            change(session, &service, update, &act.wait, output).await
        }
        ServiceVerb::Rebalance(act) => rebalance(session, act, output).await,
        ServiceVerb::Rm(act) => remove(session, act, output).await,
    }
}

fn find(session: &Session, name: &str) -> CliResult<std::sync::Arc<Service>> {
    let snapshot = session.snapshot();
    resolve::service(&snapshot.state, &session.cluster(&snapshot)?, name)
}

fn of(service: &Service) -> UpdateService {
    UpdateService {
        cluster: Some(service.cluster.to_string()),
        service: service.name.to_string(),
        ..UpdateService::default()
    }
}

/// Says what would find no place.
async fn foresee(session: &Session, update: &UpdateService) -> CliResult {
    let commands = vec![Command::UpdateService(Box::new(update.clone()))];
    let report = session.client.plan(commands.into()).await?;
    for unplaced in &report.unplaced {
        out::note(format!("no place: {unplaced}"));
    }
    Ok(())
}

async fn change(
    session: &Session,
    service: &Service,
    update: UpdateService,
    asked: &Wait,
    output: Output,
) -> CliResult {
    let command = Command::UpdateService(Box::new(update));
    let body = session.command(command).await?;
    if output == Output::Json {
        out::json(&body)?;
    } else {
        out::line(format!("updated service {}", service.name))?;
    }
    rest(session, service, wait::made(&body), false, asked).await
}

async fn rest(
    session: &Session,
    service: &Service,
    made: Option<follow::Made>,
    deleting: bool,
    asked: &Wait,
) -> CliResult {
    if asked.wait {
        let key: ServiceKey = (service.cluster.clone(), service.name.clone());
        return wait::services(session, vec![(key, made)], deleting, asked.timeout).await;
    }
    session.say_who_carries();
    Ok(())
}

async fn update(session: &Session, asked: &ServiceUpdate, output: Output) -> CliResult {
    let service = find(session, &asked.act.name)?;
    let snapshot = session.snapshot();
    let bounds = DeploymentConfigurationUpdate {
        minimum_healthy_percent: asked.minimum_healthy_percent,
        maximum_percent: asked.maximum_percent,
        deployment_circuit_breaker: None,
    };
    let other = bounds != DeploymentConfigurationUpdate::default()
        || asked.desired_count.is_some()
        || asked.grace.is_some()
        || asked.health_check_grace.is_some();
    let now = service.primary().map(|primary| &primary.task_definition);
    let definition = match (&asked.task_definition, now) {
        (Some(text), _) => Some(resolve::active_definition(&snapshot.state, text)?.id()),
        (None, Some(now)) if !other => {
            Some(resolve::active_definition(&snapshot.state, now.family.as_str())?.id())
        }
        _ => None,
    };
    let mut effects = Vec::new();
    if let Some(definition) = definition.as_ref().filter(|it| Some(*it) != now) {
        let now = now.map_or_else(|| "nothing".to_owned(), ToString::to_string);
        effects.push(format!("task definition {now} → {definition}"));
    }
    if let Some(count) = asked.desired_count {
        effects.push(format!("desired count {} → {count}", service.desired_count));
    }
    if bounds != DeploymentConfigurationUpdate::default() {
        let (before, after) = (
            &service.deployment_configuration,
            bounds.over(&service.deployment_configuration),
        );
        effects.push(format!(
            "bounds {}–{} % → {}–{} %",
            before.minimum_healthy_percent,
            before.maximum_percent,
            after.minimum_healthy_percent,
            after.maximum_percent
        ));
    }
    if let Some(grace) = asked.grace {
        effects.push(format!("grace period {} s → {grace} s", service.grace_s));
    }
    if let Some(grace) = asked.health_check_grace {
        effects.push(format!("grace period of health checks {grace} s"));
    }
    if effects.is_empty() {
        out::note(format!(
            "service {} is as asked already; qd service restart replaces its tasks all the same",
            service.name
        ));
        return rest(session, &service, None, false, &asked.act.wait).await;
    }
    let effect = format!("Service {}: {}.", service.name, effects.join(", "));
    let update = UpdateService {
        task_definition: definition.map(|it| it.to_string()),
        desired_count: asked.desired_count,
        deployment_configuration: (bounds != DeploymentConfigurationUpdate::default())
            .then_some(bounds),
        host_loss_grace_period_seconds: asked.grace,
        health_check_grace_period_seconds: asked.health_check_grace,
        ..of(&service)
    };
    foresee(session, &update).await?;
    session
        .confirm(&service.cluster, &effect, &asked.act.sure)
        .await?;
    change(session, &service, update, &asked.act.wait, output).await
}

async fn rollback(
    session: &Session,
    act: &ServiceAct,
    to: Option<&str>,
    output: Output,
) -> CliResult {
    let service = find(session, &act.name)?;
    let snapshot = session.snapshot();
    let target = match to {
        Some(named) => Some(named_target(&snapshot.state, &service, named)?),
        None => None,
    };
    not_again(&service, target.as_ref())?;
    let to = match target {
        Some(named) => named,
        None => rollback_target(&snapshot.state, &service).map_err(CliError::Usage)?,
    };
    let from = service.primary().map(|it| it.task_definition.to_string());
    let effect = format!(
        "Service {}: back from {} to {to}, within the bounds of its deployments.",
        service.name,
        from.unwrap_or_default()
    );
    if act.sure.waived() || !out::can_ask() {
        out::note(&effect);
    }
    session
        .confirm(&service.cluster, &effect, &act.sure)
        .await?;
    let update = UpdateService {
        task_definition: Some(to.to_string()),
        ..of(&service)
    };
    change(session, &service, update, &act.wait, output).await
}

/// Refuses a rollback while the circuit breaker rolls back: it would lead one revision further.
fn not_again(service: &Service, to: Option<&TaskDefinitionId>) -> CliResult {
    match rolling_back(service) {
        Some(back) if to.is_none_or(|to| to == back) => Err(CliError::Failed(format!(
            "service {} is already rolling back to {back}; nothing was changed. --to names \
             another revision",
            service.name
        ))),
        _ => Ok(()),
    }
}

/// Where a rollback to a named revision or deployment leads.
fn named_target(state: &State, service: &Service, named: &str) -> CliResult<TaskDefinitionId> {
    let past = service
        .history
        .iter()
        .map(|it| (&it.id, &it.task_definition));
    let listed = service
        .deployments
        .iter()
        .map(|it| (&it.id, &it.task_definition));
    let mut known = listed.chain(past);
    let of = |id: &str| id == named || id.rsplit('/').next() == Some(named);
    if let Some((_, definition)) = known.find(|(id, _)| of(id.as_str())) {
        return Ok(definition.clone());
    }
    let family = service
        .primary()
        .map(|primary| &primary.task_definition.family);
    let text = match (named.parse::<u32>(), family) {
        (Ok(revision), Some(family)) => format!("{family}:{revision}"),
        _ => named.to_owned(),
    };
    Ok(resolve::definition(state, &text)?.id())
}

async fn rebalance(session: &Session, act: &ServiceAct, output: Output) -> CliResult {
    let service = find(session, &act.name)?;
    let effect = format!(
        "Service {}: tasks will be started in zones that have fewer, then as many stopped in zones \
         that have more, never below its desired count.",
        service.name
    );
    session
        .confirm(&service.cluster, &effect, &act.sure)
        .await?;
    let body = session
        .command(Command::RebalanceService(RebalanceService {
            cluster: Some(service.cluster.to_string()),
            service: service.name.to_string(),
        }))
        .await?;
    if output == Output::Json {
        out::json(&body)?;
    } else {
        out::line(format!(
            "asked to balance the zones of service {}",
            service.name
        ))?;
    }
    rest(session, &service, wait::made(&body), false, &act.wait).await
}

async fn remove(session: &Session, act: &ServiceAct, output: Output) -> CliResult {
    let service = find(session, &act.name)?;
    let snapshot = session.snapshot();
    let tasks = snapshot
        .state
        .service_tasks(&service.cluster, &service.name)
        .filter(|task| !task.is_stopped())
        .count();
    let effect = format!(
        "Service {} in cluster {} will be deleted and its {tasks} tasks stopped.",
        service.name, service.cluster
    );
    session
        .confirm(&service.cluster, &effect, &act.sure)
        .await?;
    let body = session
        .command(Command::DeleteService(DeleteService {
            cluster: Some(service.cluster.to_string()),
            service: service.name.to_string(),
            force: true,
        }))
        .await?;
    if output == Output::Json {
        out::json(&body)?;
    } else {
        out::line(format!("deleted service {}", service.name))?;
    }
    rest(session, &service, None, true, &act.wait).await
}

async fn list(session: &Session, of: &AsOf, output: Output) -> CliResult {
    let snapshot = history::picture(session, of).await?;
    let cluster = session.cluster(&snapshot)?;
    if output == Output::Json {
        let counts = shape::Counts::of(&snapshot.state);
        let services: Vec<_> = resolve::services(&snapshot.state, &cluster)
            .map(|service| shape::service(&snapshot.state, service, &counts))
            .collect();
        return out::json(&json!({"services": services, "failures": []}));
    }
    let services = resolve::services(&snapshot.state, &cluster);
    table(&snapshot, services.map(AsRef::as_ref)).print(&format!(
        "there is no service in cluster {cluster}; qd apply FILE makes one"
    ))
}

/// Services, one a row.
pub(super) fn table<'a>(snapshot: &Snapshot, services: impl Iterator<Item = &'a Service>) -> Table {
    let mut table = Table::new(&[
        "SERVICE",
        "STATUS",
        "RUNNING",
        "DEFINITION",
        "DEPLOYMENT",
        "NOTE",
    ]);
    for service in services {
        table.row([
            service.name.to_string(),
            service.status.as_str().to_owned(),
            running(&snapshot.state, service),
            service
                .primary()
                .map(|it| it.task_definition.to_string())
                .unwrap_or_default(),
            service.primary().map(rollout).unwrap_or_default(),
            remark(&snapshot.state, service, snapshot.at),
        ]);
    }
    table
}

/// How many of its tasks are known to serve, of how many; with a mark where more may.
fn running(state: &State, service: &Service) -> String {
    let serving = || tasks_of(state, service).filter(|task| task.is_serving());
    let known = serving().filter(|task| state.hears(task)).count();
    let mark = if known < serving().count() { "?" } else { "" };
    format!("{known}{mark}/{}", service.desired_count)
}

fn rollout(deployment: &crate::model::Deployment) -> String {
    match deployment.rollout_state {
        RolloutState::InProgress => "IN_PROGRESS",
        RolloutState::Completed => "COMPLETED",
        RolloutState::Failed => "FAILED",
    }
    .to_owned()
}

fn tasks_of<'a>(state: &'a State, service: &'a Service) -> impl Iterator<Item = &'a Task> {
    state
        .service_tasks(&service.cluster, &service.name)
        .map(AsRef::as_ref)
}

/// What is not as it should be with a service, in a few words.
fn remark(state: &State, service: &Service, now: TimeMs) -> String {
    let mut remarks = Vec::new();
    if let Some(unplaced) = &service.unplaced {
        remarks.push(format!("{} without a place", unplaced.count));
    }
    let starting = tasks_of(state, service)
        .filter(|task| task.is_wanted() && task.last_status < LastStatus::Running)
        .count();
    if starting > 0 {
        remarks.push(format!("{starting} starting"));
    }
    let stale = tasks_of(state, service)
        .filter(|task| state.is_unreachable(task))
        .count();
    if stale > 0 {
        remarks.push(format!("{stale} on a host that does not answer"));
    }
    if (service.rebalance.as_ref()).is_some_and(|it| it.begun_at.is_some()) {
        remarks.push("balancing zones".to_owned());
    }
    if let Some(failures) = service.backoff.failing(now) {
        remarks.push(Backoff::in_a_row(failures));
    }
    remarks.join(", ")
}

/// What a deployment's images are pinned to, a line each.
fn images(deployment: &crate::model::Deployment) -> String {
    let lines = deployment.images.iter().map(|(image, pin)| {
        let what = pin.digest.clone();
        let what = what.unwrap_or_else(|| format!("what it names on each host: {}", pin.reason()));
        format!("\n  {image} is {what}")
    });
    lines.collect()
}

async fn show(session: &Session, name: &str, output: Output) -> CliResult {
    let snapshot = session.whole().await;
    let state = &snapshot.state;
    let service = resolve::service(state, &session.cluster(&snapshot)?, name)?;
    if output == Output::Json {
        let service = shape::service(state, &service, &shape::Counts::of(state));
        return out::json(&json!({"services": [service], "failures": []}));
    }
    let bounds = &service.deployment_configuration;
    let breaker = &bounds.deployment_circuit_breaker;
    let deployments: Vec<String> = service
        .deployments
        .iter()
        .map(|it| {
            let reason = match it.rollout_state_reason.as_str() {
                "" => String::new(),
                reason => format!(": {reason}"),
            };
            let images = images(it);
            format!("{} {}{reason}{images}", it.task_definition, rollout(it))
        })
        .collect();
    out::facts(&[
        ("service", service.name.to_string()),
        ("cluster", service.cluster.to_string()),
        ("status", service.status.as_str().to_owned()),
        (
            "desired",
            match service.scheduling_strategy {
                SchedulingStrategy::Replica => service.desired_count.to_string(),
                SchedulingStrategy::Daemon => format!(
                    "{}: a DAEMON, one on each matching instance",
                    service.desired_count
                ),
            },
        ),
        ("deployments", deployments.join("\n")),
        (
            "bounds",
            format!(
                "{}–{} % of the desired count ({} to {} tasks)",
                bounds.minimum_healthy_percent,
                bounds.maximum_percent,
                bounds.floor(service.desired_count),
                bounds.ceiling(service.desired_count)
            ),
        ),
        (
            "launch",
            launch_words(
                Some(service.launch_type),
                &service.capacity_provider_strategy,
            )
            .join("\n"),
        ),
        (
            "circuit breaker",
            match (breaker.enable, breaker.rollback) {
                (false, _) => "off".into(),
                (true, false) => "on".into(),
                (true, true) => "on, with rollback".into(),
            },
        ),
        ("zones", validate::rebalancing_words(&service)),
        ("grace period", format!("{} s", service.grace_s)),
        ("created", time::local(service.created_at)),
    ])?;
    if !service.tags.is_empty() {
        out::facts(&[("tags        ", out::tags(&service.tags))])?;
    }
    if let Some(unplaced) = &service.unplaced {
        out::line(format!("\n{} without a place:", unplaced.count))?;
        for refusal in &unplaced.refusals {
            out::line(format!(
                "  {}: {}",
                refusal.instance,
                refusal.reasons.join("; ")
            ))?;
        }
    }
    out::line("")?;
    super::task::table(
        &snapshot,
        tasks_of(state, &service).filter(|it| !it.is_stopped()),
    )
    .print("no task of it runs")?;
    history(&service)?;
    let key = (service.cluster.clone(), service.name.clone());
    let reasons = reasons::reasons(state, &key, None);
    if !reasons.is_empty() {
        out::line("\nlatest failures:")?;
        for reason in reasons {
            out::line(format!("  {reason}"))?;
        }
    }
    let events: Vec<_> = state
        .events
        .iter()
        .rev()
        .filter(|it| it.cluster == service.cluster && it.service.as_ref() == Some(&service.name))
        .take(EVENTS_SHOWN)
        .collect();
    if !events.is_empty() {
        out::line("\nevents:")?;
        for event in events.iter().rev() {
            out::line(format!("  {}  {}", time::local(event.at), event.message))?;
        }
    }
    Ok(())
}

/// The deployments that are over, newest first.
fn history(service: &Service) -> CliResult {
    if service.history.is_empty() {
        return Ok(());
    }
    out::line("")?;
    let mut table = Table::new(&[
        "DEPLOYMENT",
        "DEFINITION",
        "OUTCOME",
        "BY",
        "BEGAN",
        "ENDED",
    ]);
    for past in service.history.iter().take(HISTORY_SHOWN) {
        let outcome = match past.rollout_state {
            RolloutState::InProgress => "replaced",
            RolloutState::Completed => "COMPLETED",
            RolloutState::Failed => "FAILED",
        };
        table.row([
            past.id.to_string(),
            past.task_definition.to_string(),
            outcome.to_owned(),
            past.started_by.clone(),
            time::local(past.created_at),
            time::local(past.ended_at),
        ]);
    }
    table.print("no deployment is over")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::service::ROLLING_BACK;
    use crate::scheduler::fixture;
    use crate::scheduler::world::World;

    #[test]
    fn a_rollback_goes_to_what_last_completed_else_to_the_revision_before() {
        let mut world = World::new([]);
        for revision in 1..=3 {
            world.put_definition(fixture::definition("web", revision, 1, 1, &[]));
        }
        let mut service = fixture::service("web", 1);
        service.deployments = vec![fixture::deployment(1, "web", 3, fixture::START)];
        let to = |service: &Service| rollback_target(&world.state, service).unwrap().to_string();
        assert_eq!(to(&service), "web:2");
        service.last_completed = "web:3".parse().ok();
        assert_eq!(to(&service), "web:2");
        service.last_completed = "web:1".parse().ok();
        assert_eq!(to(&service), "web:1");
        let failed = fixture::deployment(7, "web", 2, fixture::START);
        let mut completed = fixture::deployment(8, "web", 1, fixture::START);
        completed.rollout_state = RolloutState::Completed;
        service.remember(completed);
        service.remember(failed);
        service.last_completed = "web:3".parse().ok();
        assert_eq!(to(&service), "web:1", "the last that completed");
        let named =
            |name: &str| named_target(&world.state, &service, name).map(|it| it.to_string());
        assert_eq!(named("2").unwrap(), "web:2");
        assert_eq!(
            named(service.history[0].id.as_str()).unwrap(),
            service.history[0].task_definition.to_string()
        );
        assert!(named("9").is_err());
        service.history.clear();
        service.last_completed = None;
        service.deployments = vec![fixture::deployment(1, "web", 1, fixture::START)];
        let error = rollback_target(&world.state, &service).unwrap_err();
        assert!(error.to_string().contains("no ACTIVE revision before"));
    }

    #[test]
    fn a_row_tells_what_is_not_as_it_should_be() {
        let mut world = World::new([fixture::instance("a", "z", 1024, 1024, &[])]);
        world.put_definition(fixture::definition("web", 1, 512, 256, &[]));
        world.put_service(fixture::service("web", 3));
        world.plan();
        world.act();
        let snapshot = Snapshot {
            state: world.state.clone(),
            ..Snapshot::default()
        };
        let lines = table(&snapshot, std::iter::once(world.service("web").as_ref())).lines();
        assert!(lines[1].starts_with("web      ACTIVE"), "{lines:?}");
        assert!(lines[1].contains("1 without a place"), "{lines:?}");
        assert!(lines[1].contains(" 2/3 "), "{lines:?}");
        // What a silent host runs is not known.
        world.disconnect("a");
        let snapshot = Snapshot {
            state: world.state.clone(),
            ..Snapshot::default()
        };
        let lines = table(&snapshot, std::iter::once(world.service("web").as_ref())).lines();
        assert!(lines[1].contains(" 0?/3 "), "{lines:?}");
        assert!(
            lines[1].contains("2 on a host that does not answer"),
            "{lines:?}"
        );
        let tasks = world.tasks("web");
        let tasks = super::super::task::table(&snapshot, tasks.iter().map(AsRef::as_ref)).lines();
        assert!(tasks[1].contains(" RUNNING? "), "{tasks:?}");
        let said = super::super::status::running(&snapshot.state, None);
        assert_eq!(
            said,
            "0 tasks running, 2 more on instances that do not answer"
        );
        // ECS's count stays what it is; ours is beside it.
        let counts = shape::Counts::of(&snapshot.state);
        let shaped = shape::service(&snapshot.state, world.service("web"), &counts);
        assert_eq!(shaped["runningCount"], 2);
        assert_eq!(shaped["unreachableCount"], 2);
        assert_eq!(shaped["deployments"][0]["unreachableCount"], 2);
    }

    #[test]
    fn no_second_rollback_while_the_breaker_rolls_back() {
        let mut service = fixture::service("web", 1);
        let back = service.deployments[0].task_definition.clone();
        assert!(not_again(&service, None).is_ok());
        service.deployments[0].rollout_state_reason = format!("{ROLLING_BACK} x.");
        service.deployments[0].rollout_state = RolloutState::InProgress;
        let refused = not_again(&service, None).unwrap_err().to_string();
        let says = format!("service web is already rolling back to {back}");
        assert!(refused.contains(&says), "{refused}");
        assert!(not_again(&service, Some(&back)).is_err());
        let other = "web:9".parse().unwrap();
        assert!(not_again(&service, Some(&other)).is_ok());
    }
}
