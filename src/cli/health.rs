//! What a task's health checks said last: `qd task health`, and below `qd task show`.

use serde_json::json;

use super::args::Output;
use super::error::CliResult;
use super::session::Session;
use super::{out, resolve, time};
use crate::agent::streams::has_health_log;
use crate::client::ContainerHealth;
use crate::docker::health::{CONTAINER_GONE, HealthLog, NONE_YET, command_words, rule_words};
use crate::model::{Snapshot, Task};

/// Prints the health logs of a task alone.
///
/// # Errors
/// What the command runs into.
pub async fn run(session: &Session, target: &str, output: Output) -> CliResult {
    let snapshot = session.whole().await;
    let task = resolve::task(&snapshot.state, &session.cluster(&snapshot)?, target)?;
    let logs = session.client.health_log(task.id).await?;
    match output {
        Output::Json => out::json(&json!({"taskId": task.id.to_string(), "containers": logs})),
        Output::Table if logs.is_empty() => {
            out::note(nothing(&task));
            Ok(())
        }
        Output::Table => print(&snapshot, &task, &logs),
    }
}

/// Why there is no log.
fn nothing(task: &Task) -> String {
    let id = task.id.short();
    match task.containers.iter().any(|it| it.has_health_check) {
        true => format!("no container of task {id} was made, so nothing was checked"),
        false => format!("no container of task {id} has a health check"),
    }
}

/// Prints them below what else there is to say of a task. That they are not to be had is said,
/// and no failure of that.
///
/// # Errors
/// [`CliError::Pipe`](super::error::CliError::Pipe) when the reader went away.
pub async fn after(session: &Session, snapshot: &Snapshot, task: &Task) -> CliResult {
    if !has_health_log(task) {
        return Ok(());
    }
    out::line("")?;
    match session.client.health_log(task.id).await {
        Ok(logs) => print(snapshot, task, &logs),
        Err(error) => {
            out::note(format!("health log: not known now: {error}"));
            Ok(())
        }
    }
}

fn print(snapshot: &Snapshot, task: &Task, logs: &[ContainerHealth]) -> CliResult {
    let definition = snapshot.state.definition_of(task);
    for (at, of) in logs.iter().enumerate() {
        if at > 0 {
            out::line("")?;
        }
        out::line(format!("HEALTH LOG OF {}", of.name))?;
        let defined = definition
            .as_ref()
            .and_then(|it| it.container(&of.name)?.health_check.as_ref());
        if let Some(check) = defined {
            let facts = [("check", command_words(check)), ("when", rule_words(check))];
            out::facts(&facts)?;
        }
        match &of.health_log {
            Some(log) => out::line(words(log, snapshot).join("\n"))?,
            None => out::line(CONTAINER_GONE)?,
        }
    }
    Ok(())
}

/// The checks, newest first, each with its output below it.
fn words(log: &HealthLog, snapshot: &Snapshot) -> Vec<String> {
    if log.log.is_empty() {
        return vec![NONE_YET.to_owned()];
    }
    let streak = log.streak_words().map(|words| format!("streak  {words}"));
    let mut lines: Vec<String> = streak.into_iter().collect();
    for result in &log.log {
        let when = result.start.or(result.end).map(|at| {
            let ago = time::age(at, snapshot.at);
            format!("{} ({ago} ago)  ", time::local(at))
        });
        lines.push(format!("{}{}", when.unwrap_or_default(), result.words()));
        lines.extend(result.lines().iter().map(|line| format!("  {line}")));
    }
    lines.extend(log.left_out_words());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::health::CheckResult;
    use crate::model::TimeMs;

    #[test]
    fn each_check_has_its_output_below_it() {
        let at = |ms: u64| Some(TimeMs(1_790_000_000_000 + ms));
        let results = [
            CheckResult::new(at(0), at(50), Some(0), String::new()),
            CheckResult::new(at(5_000), at(5_050), Some(22), "one\ntwo\n".to_owned()),
        ];
        let log = HealthLog::new(1, results.into_iter());
        let snapshot = Snapshot {
            at: TimeMs(1_790_000_010_000),
            ..Snapshot::default()
        };
        let lines = words(&log, &snapshot);
        assert_eq!(lines[0], "streak  1 failure");
        assert!(
            lines[1].ends_with("(5s ago)  failed, exit 22 · took 50 ms"),
            "{lines:?}"
        );
        assert_eq!(lines[2..4], ["  one", "  two"]);
        assert!(
            lines[4].ends_with("(10s ago)  passed, exit 0 · took 50 ms"),
            "{lines:?}"
        );
        assert_eq!(lines.len(), 5);
        assert_eq!(words(&HealthLog::default(), &snapshot), [NONE_YET]);
    }
}
