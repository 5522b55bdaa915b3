//! `qd stats`: what tasks use.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use super::args::{Output, Stats};
use super::error::CliResult;
use super::out::{self, Table};
use super::resolve::{self, Target};
use super::session::Session;
use crate::client::ClientError;
use crate::docker::StatsSample;
use crate::docker::stats::Rates;
use crate::model::{ContainerName, InstanceName, LastStatus, Snapshot, Task, TaskId};

/// Between two samples: rates need both.
const GAP: Duration = Duration::from_secs(2);
/// Hosts that are asked at a time; of each, one task after the other.
const HOSTS_MAX: usize = 16;

type Samples = BTreeMap<(TaskId, ContainerName), StatsSample>;

/// One round of samples.
#[derive(Default)]
struct Round {
    samples: Samples,
    /// What could not be had, in words.
    failed: Vec<(TaskId, String)>,
}

/// Prints it.
///
/// # Errors
/// What the command runs into.
pub async fn stats(session: &Session, asked: &Stats, output: Output) -> CliResult {
    let mut before = take(session, &tasks(session, &asked.target).await?).await;
    loop {
        tokio::time::sleep(GAP).await;
        let tasks = tasks(session, &asked.target).await?;
        let now = take(session, &tasks).await;
        print(&tasks, &before.samples, &now, asked, output)?;
        if !asked.watch {
            return Ok(());
        }
        before = now;
    }
}

/// The tasks meant that run.
async fn tasks(session: &Session, target: &str) -> CliResult<Vec<Task>> {
    let snapshot: std::sync::Arc<Snapshot> = session.whole().await;
    let cluster = session.cluster(&snapshot)?;
    let state = &snapshot.state;
    let all: Vec<Task> = match resolve::target(state, &cluster, target) {
        Ok(Target::Task(task)) => vec![Task::clone(&task)],
        Ok(Target::Service(service)) => {
            let tasks = state.service_tasks(&cluster, &service.name);
            tasks.map(|task| Task::clone(task)).collect()
        }
        Err(error) => {
            let Ok(instance) = resolve::instance(state, target) else {
                return Err(error);
            };
            let tasks = state.instance_tasks(&instance.name);
            tasks.map(|task| Task::clone(task)).collect()
        }
    };
    let runs = |task: &Task| task.last_status == LastStatus::Running;
    Ok(all.into_iter().filter(runs).collect())
}

/// Samples each: hosts beside each other, the tasks of one after each other. A host that fails
/// is not asked for the rest.
async fn take(session: &Session, tasks: &[Task]) -> Round {
    let mut hosts: BTreeMap<InstanceName, Vec<TaskId>> = BTreeMap::new();
    for task in tasks {
        hosts
            .entry(task.instance.clone())
            .or_default()
            .push(task.id);
    }
    let rounds = stream::iter(hosts.into_values().map(|tasks| async move {
        let mut round = Round::default();
        for task in tasks {
            match session.client.stats(task).await {
                Ok(samples) => {
                    let of = |(name, sample)| ((task, name), sample);
                    round.samples.extend(samples.into_iter().map(of));
                }
                Err(error) => {
                    let dead = matches!(error, ClientError::Engine(_) | ClientError::Gone(_));
                    round.failed.push((task, error.to_string()));
                    if dead {
                        break;
                    }
                }
            }
        }
        round
    }));
    let mut all = Round::default();
    let mut rounds = rounds.buffer_unordered(HOSTS_MAX);
    while let Some(round) = rounds.next().await {
        all.samples.extend(round.samples);
        all.failed.extend(round.failed);
    }
    all
}

fn print(
    tasks: &[Task],
    before: &Samples,
    now: &Round,
    asked: &Stats,
    output: Output,
) -> CliResult {
    let task = |id: &TaskId| tasks.iter().find(|task| task.id == *id);
    let mut table = Table::new(&[
        "TASK",
        "SERVICE",
        "INSTANCE",
        "CONTAINER",
        "VCPU",
        "MEMORY",
        "LIMIT",
        "IN/S",
        "OUT/S",
        "READ/S",
        "WRITE/S",
    ]);
    let mut items: Vec<Value> = Vec::new();
    for (key, sample) in &now.samples {
        let Some(task) = task(&key.0) else {
            continue;
        };
        let rates = before.get(key).map(|before| Rates::between(before, sample));
        let rates = rates.unwrap_or_default();
        items.push(json!({
            "taskId": task.id.to_string(), "containerInstance": task.instance,
            "container": key.1, "sample": sample, "bytesPerSecond": rates,
        }));
        let rate = |bytes: Option<f64>| bytes.map(|b| amount(b as u64)).unwrap_or_default();
        let limit = sample.memory_limit_bytes;
        table.row([
            task.id.short(),
            task.service
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            task.whereabouts().to_string(),
            key.1.to_string(),
            format!("{:.2}", sample.cpu_units / 1024.0),
            amount(sample.memory_bytes),
            if limit > 0 {
                amount(limit)
            } else {
                String::new()
            },
            rate(rates.received),
            rate(rates.sent),
            rate(rates.read),
            rate(rates.written),
        ]);
    }
    for (id, why) in &now.failed {
        out::note(format!("qd: task {}: {why}", id.short()));
    }
    match output {
        Output::Json if asked.watch => out::json_line(&Value::from(items)),
        Output::Json => out::json(&Value::from(items)),
        Output::Table => {
            if asked.watch && out::on_terminal() {
                out::raw(b"\x1b[H\x1b[J")?;
            }
            table.print("nothing of it runs")
        }
    }
}

/// Bytes in the unit that a person would say.
fn amount(bytes: u64) -> String {
    crate::tui::amount(bytes)
}
