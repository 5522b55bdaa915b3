//! `qd schedule …`

use serde_json::json;

use super::args::{Output, ScheduleVerb};
use super::error::{CliError, CliResult};
use super::out::{self, Table};
use super::session::Session;
use super::time;
use crate::agent::{Clock as _, SystemClock};
use crate::api::shape;
use crate::client::ClientError;
use crate::controller::Command;
use crate::controller::command::schedule::{NamedSchedule, PutSchedule};
use crate::document::nearest;
use crate::model::calendar::Zone;
use crate::model::capacity::launch_words;
use crate::model::schedule::{Overlap, Schedule, ScheduledRun};
use crate::model::{ClusterName, Snapshot, State, TimeMs};

/// Runs one of them.
///
/// # Errors
/// What the command runs into.
pub async fn run(session: &Session, verb: &ScheduleVerb, output: Output) -> CliResult {
    match verb {
        ScheduleVerb::Ls => list(session, output),
        ScheduleVerb::Show(it) => show(session, &it.name, output),
        ScheduleVerb::Rm { name, sure } => {
            let schedule = find(session, name)?;
            let effect = format!(
                "Schedule {} will be deleted; what it has started goes on.",
                schedule.name
            );
            session.confirm(&schedule.cluster, &effect, sure).await?;
            let command = Command::DeleteSchedule(request(&schedule));
            act(
                session,
                command,
                output,
                &format!("deleted schedule {name}"),
            )
            .await
        }
        ScheduleVerb::Run(it) => {
            let schedule = find(session, &it.name)?;
            let before = session.whole().await;
            session.cluster(&before)?;
            let body = match session
                .command(Command::RunSchedule(request(&schedule)))
                .await
            {
                // The name is right, so what refuses it is how things stand.
                Err(CliError::Client(ClientError::Refused(error))) => {
                    return Err(CliError::Failed(error.message));
                }
                other => other?,
            };
            if output == Output::Json {
                return out::json(&body);
            }
            let run = &body["schedule"]["runs"][0];
            for arn in run["taskArns"].as_array().into_iter().flatten() {
                let id = arn.as_str().unwrap_or_default();
                let id = crate::model::arn::short_name(id);
                out::line(format!("started task {id}"))?;
            }
            if let Some(message) = run["message"].as_str() {
                out::note(message);
            }
            session.say_who_carries();
            Ok(())
        }
        ScheduleVerb::Enable(it) => switch(session, &it.name, true, output).await,
        ScheduleVerb::Disable(it) => switch(session, &it.name, false, output).await,
    }
}

fn request(schedule: &Schedule) -> NamedSchedule {
    NamedSchedule {
        name: schedule.name.to_string(),
        cluster: Some(schedule.cluster.to_string()),
    }
}

async fn act(session: &Session, command: Command, output: Output, done: &str) -> CliResult {
    let body = session.command(command).await?;
    match output {
        Output::Json => out::json(&body),
        Output::Table => out::line(done),
    }
}

async fn switch(session: &Session, name: &str, enabled: bool, output: Output) -> CliResult {
    let schedule = find(session, name)?;
    let request = PutSchedule {
        enabled,
        ..PutSchedule::of(&schedule)
    };
    let done = if enabled { "enabled" } else { "disabled" };
    let command = Command::PutSchedule(Box::new(request));
    act(session, command, output, &format!("{done} schedule {name}")).await
}

/// The schedule of that name.
fn find(session: &Session, name: &str) -> CliResult<Schedule> {
    let snapshot = session.snapshot();
    let cluster = session.cluster(&snapshot)?;
    let known = || of(&snapshot.state, &cluster).map(|it| it.name.as_str());
    match of(&snapshot.state, &cluster).find(|it| it.name.as_str() == name) {
        Some(schedule) => Ok(schedule.clone()),
        None => {
            let near = nearest(name, known());
            let near = near.map_or_else(String::new, |it| format!("; did you mean \"{it}\"?"));
            Err(CliError::Usage(format!(
                "there is no schedule \"{name}\" in cluster {cluster}{near}"
            )))
        }
    }
}

fn of<'a>(state: &'a State, cluster: &'a ClusterName) -> impl Iterator<Item = &'a Schedule> {
    let all = state.schedules.values().map(AsRef::as_ref);
    all.filter(move |it| &it.cluster == cluster)
}

fn list(session: &Session, output: Output) -> CliResult {
    let snapshot = session.snapshot();
    let cluster = session.cluster(&snapshot)?;
    let state = &snapshot.state;
    if output == Output::Json {
        let all: Vec<_> = of(state, &cluster)
            .map(|it| shape::schedule(state, it))
            .collect();
        return out::json(&json!({"schedules": all, "failures": []}));
    }
    let now = SystemClock.now();
    let mut table = Table::new(&[
        "SCHEDULE", "TIMES", "RUNS", "NEXT", "LAST", "OUTCOME", "RUNNING",
    ]);
    for it in of(state, &cluster) {
        let last = it.runs.first();
        table.row([
            it.name.to_string(),
            it.times(),
            runs(it),
            next(it, now),
            last.map_or_else(String::new, |run| format!("{} ago", time::age(run.at, now))),
            last.map_or_else(String::new, ScheduledRun::words),
            match running(&snapshot, it) {
                0 => String::new(),
                running => out::count(running, "task"),
            },
        ]);
    }
    table.print("there is no schedule; qd apply FILE makes one")
}

fn runs(schedule: &Schedule) -> String {
    match schedule.task_count {
        1 => schedule.task_definition.clone(),
        count => format!("{count} × {}", schedule.task_definition),
    }
}

/// When it runs next, in its own zone, and in how long.
fn next(schedule: &Schedule, now: TimeMs) -> String {
    match schedule.next_at {
        None if schedule.enabled => "never again".to_owned(),
        None => "disabled".to_owned(),
        Some(at) => {
            let when = zone(schedule).words(at);
            if at <= now {
                format!("{when} (now)")
            } else {
                format!("{when} (in {})", time::age(now, at))
            }
        }
    }
}

fn zone(schedule: &Schedule) -> Zone {
    Zone::named(schedule.schedule_expression_timezone.as_deref()).unwrap_or(Zone::UTC)
}

fn running(snapshot: &Snapshot, schedule: &Schedule) -> usize {
    let ids = schedule.runs.iter().flat_map(|run| &run.tasks);
    let tasks = ids.filter_map(|id| snapshot.state.tasks.get(id));
    tasks.filter(|task| !task.is_stopped()).count()
}

fn show(session: &Session, name: &str, output: Output) -> CliResult {
    let schedule = find(session, name)?;
    let snapshot = session.snapshot();
    if output == Output::Json {
        let body = shape::schedule(&snapshot.state, &schedule);
        return out::json(&json!({"schedules": [body], "failures": []}));
    }
    let now = SystemClock.now();
    let overlap = match schedule.overlap {
        Overlap::Forbid => "forbidden: a run is skipped while tasks of an earlier one are there",
        Overlap::Allow => "allowed",
    };
    let overrides = schedule.overrides.as_ref().map(|it| json!(it).to_string());
    let mut facts = vec![
        ("schedule", schedule.name.to_string()),
        ("times", schedule.times()),
        ("runs", runs(&schedule)),
        ("next", next(&schedule, now)),
        ("overlap", overlap.to_owned()),
        (
            "launch",
            launch_words(schedule.launch_type, &schedule.capacity_provider_strategy).join("\n"),
        ),
        ("overrides", overrides.unwrap_or_default()),
        ("tags", out::tags(&schedule.tags)),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    out::facts(&facts)?;
    out::line("")?;
    let zone = zone(&schedule);
    let mut table = Table::new(&["DUE", "LOOKED AT", "OUTCOME", "TASKS", "WHY"]);
    for run in &schedule.runs {
        let tasks: Vec<String> = run
            .tasks
            .iter()
            .map(|id| match snapshot.state.tasks.get(id) {
                Some(task) => format!("{} {}", id.short(), task.last_status.as_str()),
                None => id.short(),
            })
            .collect();
        table.row([
            zone.words(run.due_at),
            time::local(run.at),
            run.words(),
            tasks.join(", "),
            run.message.lines().next().unwrap_or_default().to_owned(),
        ]);
    }
    table.print("it has not run yet")
}
