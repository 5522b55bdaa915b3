//! `plan`, and `apply --dry-run`: what would be done, and what the loss of instances would come to.

use std::collections::BTreeMap;

use serde_json::Value;

use super::read::Item;
use super::steps::Step;
use super::{commands, steps_of};
use crate::api::wire::PlanCommand;
use crate::api::{LossReport, ServiceCourse, Tight};
use crate::cli::args::{Output, Plan};
use crate::cli::error::{CliError, CliResult};
use crate::cli::out::{self, Table};
use crate::cli::resolve;
use crate::cli::session::Session;
use crate::client::{PlanAsk, PlanReport, PlannedStep};
use crate::model::{InstanceName, State};

/// So many steps are shown one by one; of more, equal ones are shown together.
const ROWS_MAX: usize = 40;

/// `qd plan`: the difference, where each task would go, and why; with `--without`, what the loss
/// of instances would come to.
///
/// # Errors
/// Exit code 2 for what is wrong with the files or names, 1 if after a loss something would find
/// no place.
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
    let no_place = report
        .loss
        .as_ref()
        .is_some_and(|it| !it.unplaced.is_empty());
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
        out::line(on_the_way(it))?;
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

fn on_the_way(it: &ServiceCourse) -> String {
    let least = match it.before {
        0 => String::new(),
        _ => format!("never fewer than {} (floor {}), ", it.fewest, it.floor),
    };
    format!(
        "{}: {} of {} serve in the end; {least}at most {} RUNNING and PENDING (ceiling {})",
        it.service, it.settled, it.desired, it.most, it.ceiling
    )
}

fn print_tight(tight: &[Tight]) -> CliResult {
    for it in tight {
        out::line(format!(
            "tight: {}: {} % of its memory and {} % of its CPU are then held",
            it.instance, it.memory_percent, it.cpu_percent
        ))?;
    }
    Ok(())
}

fn print_loss(loss: &LossReport) -> CliResult {
    let names: Vec<&str> = loss.instances.iter().map(InstanceName::as_str).collect();
    out::line(format!("without {}:", names.join(", ")))?;
    for it in &loss.services {
        out::line(format!("  service {}", without_them(it)))?;
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

/// How a service fares after a loss.
fn without_them(it: &ServiceCourse) -> String {
    let (name, floor) = (&it.service, it.floor);
    let mut line = format!(
        "{name}: loses {} of {}",
        it.lost,
        out::count(it.before as usize, "task")
    );
    if it.stays_below_its_floor() {
        line.push_str(&format!(
            "; falls to {} of {} serving, below its floor of {floor}, and stays at {}",
            it.fewest, it.desired, it.settled
        ));
    } else if it.falls_below_its_floor() {
        line.push_str(&format!(
            "; falls to {} of {} serving, below its floor of {floor}, until replacements run; then {} serve",
            it.fewest, it.desired, it.settled
        ));
    } else {
        line.push_str(&format!(
            "; stays at or above its floor of {floor} with {}; then {} of {} serve",
            it.fewest, it.settled, it.desired
        ));
    }
    if it.unplaced > 0 {
        line.push_str(&format!("; {} would find no place", it.unplaced));
    }
    line
}
