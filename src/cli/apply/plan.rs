//! `plan`, and `apply --dry-run`: what would be done, and what the loss of instances would come to.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::read::Item;
use super::steps::Step;
use super::{commands, steps_of};
use crate::api::wire::PlanCommand;
use crate::api::{LossReport, Tight};
use crate::apply::plan_file;
use crate::cli::args::{Apply, Output, Plan};
use crate::cli::error::{CliError, CliResult};
use crate::cli::out::{self, Table};
use crate::cli::resolve;
use crate::cli::session::Session;
use crate::client::{ClientError, PlanAsk, PlanReport, PlannedStep};
use crate::controller::ErrorKind;
use crate::model::{InstanceName, State};

/// So many steps are shown one by one; of more, equal ones are shown together.
const ROWS_MAX: usize = 40;

/// `qd plan`: the difference, where each task would go, and why; with `--without`, what the loss
/// of instances would come to.
///
/// # Errors
/// Exit code 2 for what is wrong with the files or names, 1 if something would find no place.
pub async fn plan(session: &Session, items: &[Item], asked: &Plan, output: Output) -> CliResult {
    let steps = steps_of(session, items).await?;
    let without = lost(&session.snapshot().state, asked)?;
    show(session, &steps, without, output).await
}

/// The instances that are to be left out, by their names and their zones.
fn lost(state: &State, asked: &Plan) -> CliResult<Vec<InstanceName>> {
    let mut lost = Vec::new();
    for name in &asked.without {
        lost.push(resolve::instance(state, name)?.name.clone());
    }
    for zone in &asked.without_zone {
        lost.extend(resolve::zone(state, zone)?);
    }
    lost.sort_unstable();
    lost.dedup();
    Ok(lost)
}

/// Plans and prints; in JSON with the commands, so that `apply --plan` can carry it out.
pub(super) async fn show(
    session: &Session,
    steps: &[Step],
    without: Vec<InstanceName>,
    output: Output,
) -> CliResult {
    let asked = PlanAsk {
        commands: commands(steps),
        without,
    };
    let planned: Vec<PlanCommand> = asked.commands.iter().map(PlanCommand::from).collect();
    let mut report = session.client.plan(asked).await?;
    report.differences = steps.iter().flat_map(|step| step.lines.clone()).collect();
    let after_loss = report.loss.iter().flat_map(|loss| &loss.unplaced);
    let no_place = report.unplaced.iter().chain(after_loss).next().is_some();
    match output {
        Output::Json => {
            let mut value = json(&report)?;
            value["commands"] = json(&planned)?;
            out::json(&value)?;
        }
        Output::Table => print(&report)?,
    }
    if no_place {
        Err(CliError::Told)
    } else {
        Ok(())
    }
}

/// Does what a plan in a file says, or nothing if the state has moved since.
///
/// # Errors
/// Exit code 2 for a file that is no plan, 1 if the state has moved.
pub(super) async fn carry_out(
    session: &Session,
    file: &Path,
    asked: &Apply,
    output: Output,
) -> CliResult {
    let wrong = |what: String| {
        let hint = "it is made by qd plan FILE --output json";
        CliError::Usage(format!("{}: {what}; {hint}", file.display()))
    };
    let plan = plan_file::read(file).map_err(wrong)?;
    let commands = plan.commands;
    session.whole().await;
    out::note(plan.differences.join("\n"));
    if commands.is_empty() {
        out::note("Nothing to change.");
        return Ok(());
    }
    super::sure(session, asked).await?;
    let replies = match session
        .client
        .apply(commands.clone(), Some(plan.effects))
        .await
    {
        Ok(replies) => replies,
        Err(ClientError::Refused(refusal)) if refusal.kind == ErrorKind::ConflictException => {
            return Err(CliError::Failed(refusal.message));
        }
        Err(error) => return Err(error.into()),
    };
    for (command, reply) in commands.iter().zip(&replies) {
        out::note(super::told(command, &reply.body));
    }
    if output == Output::Json {
        let bodies: Vec<Value> = replies.into_iter().map(|reply| reply.body).collect();
        return out::json(&serde_json::json!({"applied": bodies}));
    }
    session.say_who_carries();
    Ok(())
}

fn json<T: serde::Serialize>(value: &T) -> CliResult<Value> {
    serde_json::to_value(value)
        .map_err(|error| CliError::Failed(format!("the plan as JSON: {error}")))
}

fn print(report: &PlanReport) -> CliResult {
    for line in &report.differences {
        out::line(line)?;
    }
    print_steps(&report.steps)?;
    for it in &report.services {
        out::line(it.on_the_way())?;
    }
    print_tight(&report.tight)?;
    for unplaced in &report.unplaced {
        out::line(format!("no place: {unplaced}"))?;
    }
    if !report.at_rest {
        out::note("this was not followed to its end: what comes after these steps is left out");
    }
    for warning in &report.warnings {
        out::note(format!("warning: {warning}"));
    }
    report.loss.as_ref().map_or(Ok(()), print_loss)
}

fn print_steps(steps: &[PlannedStep]) -> CliResult {
    if steps.is_empty() {
        return Ok(());
    }
    out::line("")?;
    if steps.len() > ROWS_MAX {
        return print_many(steps);
    }
    let mut table = Table::new(&["ROUND", "ACTION", "FOR", "INSTANCE", "DEFINITION", "WHY"]);
    for step in steps {
        table.row([
            step.round.to_string(),
            step.action.as_str().to_owned(),
            step.subject.clone(),
            step.instance.to_string(),
            step.task_definition.to_string(),
            step.reason.clone(),
        ]);
    }
    table.print("")?;
    out::line("")
}

/// Equal steps of a round in one row.
fn print_many(steps: &[PlannedStep]) -> CliResult {
    let mut groups: BTreeMap<_, Vec<&InstanceName>> = BTreeMap::new();
    for step in steps {
        let of = (
            step.round,
            &step.subject,
            step.action,
            &step.task_definition,
        );
        groups.entry(of).or_default().push(&step.instance);
    }
    let mut table = Table::new(&["ROUND", "ACTION", "FOR", "DEFINITION", "TASKS", "INSTANCES"]);
    for ((round, subject, action, definition), mut instances) in groups {
        let tasks = instances.len();
        instances.sort_unstable();
        instances.dedup();
        table.row([
            round.to_string(),
            action.as_str().to_owned(),
            subject.clone(),
            definition.to_string(),
            tasks.to_string(),
            instances.len().to_string(),
        ]);
    }
    table.print("")?;
    out::line(format!(
        "These are {} steps; --output json lists each with its instance and why.",
        steps.len()
    ))?;
    out::line("")
}

fn print_tight(tight: &[Tight]) -> CliResult {
    for it in tight {
        out::line(it.to_string())?;
    }
    Ok(())
}

fn print_loss(loss: &LossReport) -> CliResult {
    let names: Vec<&str> = loss.instances.iter().map(InstanceName::as_str).collect();
    out::line(format!("without {}:", names.join(", ")))?;
    for it in &loss.services {
        out::line(format!("  service {}", it.after_a_loss()))?;
    }
    for it in &loss.tasks {
        out::line(format!(
            "  task {} of {}, run by hand on {}, is lost; nothing replaces it",
            it.task.short(),
            it.task_definition,
            it.instance
        ))?;
    }
    if loss.services.is_empty() && loss.tasks.is_empty() {
        out::line("  no task is lost")?;
    }
    print_steps(&loss.steps)?;
    print_tight(&loss.tight)?;
    for unplaced in &loss.unplaced {
        out::line(format!("no place: {unplaced}"))?;
    }
    if loss.unplaced.is_empty() {
        out::line("Every task that is to be replaced finds a place.")?;
    }
    Ok(())
}
