//! `apply`, `plan` and `taskdef register`: from files to what is kept running.

pub mod read;
pub mod steps;

use serde_json::{Value, json};

use super::args::{Apply, Files, Output};
use super::error::{CliError, CliResult};
use super::follow::Made;
use super::out::{self, Table};
use super::session::Session;
use super::wait;
use crate::client::PlanReport;
use crate::controller::Command;
use crate::model::State;
use crate::model::state::ServiceKey;
use read::{Item, Wanted};
use steps::Step;

/// The steps that files come to, against the state as it is.
///
/// # Errors
/// Faults of the files.
async fn steps_of(session: &Session, items: &[Item]) -> CliResult<Vec<Step>> {
    let snapshot = session.whole().await;
    Ok(steps::steps(
        items,
        &snapshot.state,
        session.cluster_name(),
    )?)
}

fn commands(steps: &[Step]) -> Vec<Command> {
    steps
        .iter()
        .filter_map(|step| step.command.clone())
        .collect()
}

/// `qd apply`: the difference, the question, the change, and the wait if asked for.
///
/// # Errors
/// Exit code 2 for what is wrong with the files, 1 for what did not settle.
pub async fn apply(session: &Session, items: &[Item], asked: &Apply, output: Output) -> CliResult {
    let steps = steps_of(session, items).await?;
    let commands = commands(&steps);
    if asked.dry_run {
        return show_plan(session, &steps, output).await;
    }
    show(&steps);
    if commands.is_empty() {
        out::note("Nothing to change.");
    } else {
        let report = session.client.plan(commands.clone()).await?;
        foresee(&report);
        sure(asked).await?;
    }
    let mut replies: Vec<Value> = Vec::new();
    for (done, command) in commands.iter().enumerate() {
        match session.carry_out(command.clone()).await {
            Ok(body) => {
                out::note(told(command, &body));
                replies.push(body);
            }
            Err(error) => {
                if done > 0 {
                    let total = commands.len();
                    out::note(format!("{done} of {total} changes were made before this:"));
                }
                return Err(error);
            }
        }
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

async fn sure(asked: &Apply) -> CliResult {
    if asked.sure.yes {
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
        Err(CliError::Failed("nothing was changed".into()))
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
        other => format!("done: {}", other.operation()),
    }
}

fn show(steps: &[Step]) {
    for step in steps {
        out::note(step.lines.join("\n"));
    }
}

/// What is worth knowing before it is done: what has no effect, what finds no place.
fn foresee(report: &PlanReport) {
    for warning in &report.warnings {
        out::note(format!("warning: {warning}"));
    }
    for unplaced in &report.unplaced {
        out::note(format!("no place: {unplaced}"));
    }
}

/// `qd plan`: the difference, where each task would go, and why.
///
/// # Errors
/// Exit code 2 for what is wrong with the files.
pub async fn plan(session: &Session, items: &[Item], output: Output) -> CliResult {
    let steps = steps_of(session, items).await?;
    show_plan(session, &steps, output).await
}

async fn show_plan(session: &Session, steps: &[Step], output: Output) -> CliResult {
    let mut report = session.client.plan(commands(steps)).await?;
    report.differences = steps.iter().flat_map(|step| step.lines.clone()).collect();
    if output == Output::Json {
        let value = serde_json::to_value(&report)
            .map_err(|error| CliError::Failed(format!("the plan as JSON: {error}")))?;
        return out::json(&value);
    }
    for line in &report.differences {
        out::line(line)?;
    }
    if !report.steps.is_empty() {
        let mut table = Table::new(&["ACTION", "FOR", "INSTANCE", "DEFINITION", "WHY"]);
        for step in &report.steps {
            table.row([
                step.action.clone(),
                step.subject.clone(),
                step.instance.to_string(),
                step.task_definition.clone(),
                step.reason.clone(),
            ]);
        }
        out::line("")?;
        table.print("")?;
    }
    for unplaced in &report.unplaced {
        out::line(format!("no place: {unplaced}"))?;
    }
    for warning in &report.warnings {
        out::note(format!("warning: {warning}"));
    }
    Ok(())
}

/// `qd taskdef register`: a new revision of every definition that is not the newest already.
///
/// # Errors
/// Exit code 2 for what is wrong with the files.
pub async fn register(session: &Session, files: &Files, output: Output) -> CliResult {
    let items = read::files(&files.files)?;
    if let Some(service) = items
        .iter()
        .find(|it| matches!(it.wanted, Wanted::Service { .. }))
    {
        let fault = service.fault(
            "",
            "this is a service; taskdef register takes task definitions",
        );
        return Err(CliError::Faults(fault.into()));
    }
    let steps = steps::steps(&items, &session.snapshot().state, session.cluster_name())?;
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
