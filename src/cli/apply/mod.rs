//! `apply`, `plan` and `taskdef register`: from files to what is kept running.

mod plan;

use serde_json::{Value, json};

use super::args::{Apply, Files, Output};
use super::error::{CliError, CliResult};
use super::follow::Made;
use super::out;
use super::session::Session;
use super::wait;
use crate::agent::{Clock as _, SystemClock};
pub use crate::apply::{read, steps};
use crate::client::{ClientError, PlanReport};
use crate::controller::{Command, ErrorKind};
use crate::model::State;
use crate::model::state::ServiceKey;
use read::{Item, Wanted};
use steps::Step;

pub use plan::plan;

/// So often `apply --yes` plans before it gives up on a state that keeps moving.
const ATTEMPTS_MAX: u32 = 3;

/// The steps that files come to, against the state as it is.
///
/// # Errors
/// Faults of the files.
async fn steps_of(session: &Session, items: &[Item]) -> CliResult<Vec<Step>> {
    let snapshot = session.whole().await;
    Ok(steps::steps(
        items,
        &snapshot.state,
        SystemClock.now(),
        session.cluster_name(),
    )?)
}

fn commands(steps: &[Step]) -> Vec<Command> {
    steps
        .iter()
        .filter_map(|step| step.command.clone())
        .collect()
}

/// `qd apply`: the difference, the question, the change, and the wait if asked for. What was
/// planned is what is done, or nothing is.
///
/// # Errors
/// Exit code 2 for what is wrong with the files, 1 for what did not settle, or if the state moved
/// between plan and change.
pub async fn apply(session: &Session, items: &[Item], asked: &Apply, output: Output) -> CliResult {
    if let Some(file) = &asked.plan {
        return plan::carry_out(session, file, asked, output).await;
    }
    if asked.dry_run {
        let steps = steps_of(session, items).await?;
        return plan::show(session, &steps, Vec::new(), output).await;
    }
    let (steps, replies) = carry_out(session, items, asked).await?;
    let commands = commands(&steps);
    for (command, body) in commands.iter().zip(&replies) {
        out::note(told(command, body));
    }
    if output == Output::Json {
        out::json(&json!({"applied": replies}))?;
    }
    for hint in left_behind(&session.snapshot().state, &commands) {
        out::note(hint);
    }
    if asked.wait.wait {
        let services = awaited(&steps, &replies);
        return wait::services(session, services, false, asked.wait.timeout).await;
    }
    if !commands.is_empty() {
        session.say_who_carries();
    }
    Ok(())
}

/// Plans, asks, and does what was planned. Where nobody is asked, a state that moves in between is
/// planned on anew, a few times.
async fn carry_out(
    session: &Session,
    items: &[Item],
    asked: &Apply,
) -> CliResult<(Vec<Step>, Vec<Value>)> {
    for attempt in 1.. {
        let steps = steps_of(session, items).await?;
        show(&steps);
        let commands = commands(&steps);
        if commands.is_empty() {
            out::note("Nothing to change.");
            return Ok((steps, Vec::new()));
        }
        let report = session.client.plan(commands.clone().into()).await?;
        foresee(&report);
        sure(session, asked).await?;
        match session.client.apply(commands, Some(report.effects)).await {
            Ok(replies) => {
                let bodies = replies.into_iter().map(|reply| reply.body);
                return Ok((steps, bodies.collect()));
            }
            Err(ClientError::Refused(refusal)) if refusal.kind == ErrorKind::ConflictException => {
                if !asked.sure.waived() || attempt == ATTEMPTS_MAX {
                    return Err(CliError::Failed(refusal.message));
                }
                out::note(format!("{}\nPlanned anew:", refusal.message));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(CliError::Failed("nothing was changed".into()))
}

/// The services to wait for, each with what was made of it. The replies are those to the steps
/// that ask for something, in their order.
fn awaited(steps: &[Step], replies: &[Value]) -> Vec<(ServiceKey, Option<Made>)> {
    let mut replies = replies.iter();
    let mut services = Vec::new();
    for step in steps {
        let reply = step.command.as_ref().and_then(|_| replies.next());
        if let Some(key) = &step.service {
            services.push((key.clone(), reply.and_then(wait::made)));
        }
    }
    services
}

/// What to do about services whose family got a new revision here that they do not run: a
/// registration alone rolls nothing out.
fn left_behind(state: &State, commands: &[Command]) -> Vec<String> {
    let families = commands.iter().filter_map(|command| match command {
        Command::RegisterTaskDefinition(it) => Some(&it.family),
        _ => None,
    });
    let mut hints = Vec::new();
    for newest in families.filter_map(|family| state.latest_definition(family)) {
        let id = newest.id();
        for service in state.services.values() {
            let runs = service.primary().map(|primary| &primary.task_definition);
            if let Some(runs) = runs.filter(|it| it.family == id.family && **it != id) {
                hints.push(format!(
                    "service {0} goes on with {runs}: qd service update {0} --task-definition {id}",
                    service.name
                ));
            }
        }
    }
    hints
}

/// Asks before files or a plan are applied: in a protected cluster for its name.
async fn sure(session: &Session, asked: &Apply) -> CliResult {
    let refused = || CliError::Failed("nothing was changed".into());
    let cluster = session.cluster(&session.snapshot())?;
    if let Some(wanted) = session.wanted(&cluster, &asked.sure)? {
        let sure = super::sure::by_name(wanted).await?;
        return sure.then_some(()).ok_or_else(refused);
    }
    if asked.sure.waived() {
        return Ok(());
    }
    if !out::can_ask() {
        return Err(CliError::Usage(
            "not on a terminal, so nobody can be asked: add --yes to apply this, or --dry-run to \
             only show it. Nothing was changed."
                .into(),
        ));
    }
    if out::ask("Apply this?").await {
        Ok(())
    } else {
        Err(refused())
    }
}

/// One line for what was done.
fn told(command: &Command, body: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    match command {
        Command::RegisterTaskDefinition(_) => {
            let definition = &body["taskDefinition"];
            format!(
                "registered {}:{}",
                text(&definition["family"]),
                definition["revision"]
            )
        }
        Command::CreateService(it) => format!("created service {}", it.service_name),
        Command::UpdateService(it) => format!("updated service {}", it.service),
        Command::PutSchedule(it) => format!("put schedule {}", it.name),
        other => format!("done: {}", other.operation()),
    }
}

fn show(steps: &[Step]) {
    for step in steps {
        out::note(step.lines.join("\n"));
    }
}

/// What is worth knowing before it is done: what it comes to, what has no effect, what finds no
/// place.
fn foresee(report: &PlanReport) {
    if !report.steps.is_empty() {
        out::note(format!("plan: {}", report.headline()));
    }
    for warning in &report.warnings {
        out::note(format!("warning: {warning}"));
    }
    for unplaced in &report.unplaced {
        out::note(format!("no place: {unplaced}"));
    }
}

/// `qd taskdef register`: a new revision of every definition that is not the newest already.
///
/// # Errors
/// Exit code 2 for what is wrong with the files.
pub async fn register(session: &Session, files: &Files, output: Output) -> CliResult {
    let items = read::files(&files.files)?;
    if let Some(service) = items
        .iter()
        .find(|it| !matches!(it.wanted, Wanted::Definition(_)))
    {
        let kind = match service.wanted {
            Wanted::Schedule(_) => "schedule",
            _ => "service",
        };
        let what = format!("this is a {kind}; taskdef register takes task definitions");
        let fault = service.fault("", what);
        return Err(CliError::Faults(fault.into()));
    }
    let steps = steps::steps(
        &items,
        &session.snapshot().state,
        SystemClock.now(),
        session.cluster_name(),
    )?;
    show(&steps);
    let mut replies = Vec::new();
    for command in commands(&steps) {
        let body = session.command(command.clone()).await?;
        if output == Output::Table {
            out::line(told(&command, &body))?;
        }
        replies.push(body);
    }
    match (output, replies.as_slice()) {
        (Output::Json, [one]) => out::json(one),
        (Output::Json, many) => out::json(&json!(many)),
        (Output::Table, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
