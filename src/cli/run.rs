//! `qd run`: tasks that are run once, by hand.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use serde_json::Value;

use super::args::{Output, Run};
use super::error::{CliError, CliResult};
use super::out;
use super::session::Session;
use super::wait::Until;
use super::{resolve, wait};
use crate::api::shape;
use crate::client::{ClientError, Standing};
use crate::controller::Command;
use crate::controller::command::RunTask;
use crate::model::arn::short_name;
use crate::model::parameters::{ContainerOverride, TaskOverride};
use crate::model::{
    CapacityProviderStrategyItem, ContainerName, CpuUnits, LaunchType, MemoryMib, TaskDefinition,
    TaskId,
};

/// Wait before a request that got no answer is repeated.
const ANEW_GAP: Duration = Duration::from_millis(500);
/// How long such a request waits for somebody to ask.
const ANEW_LIMIT: Duration = Duration::from_secs(10);

/// The answer to RunTask with its tasks as they are by now.
fn as_they_are(session: &Session, ids: &[TaskId], mut body: Value) -> Value {
    let state = &session.snapshot().state;
    let known = ids.iter().filter_map(|id| state.tasks.get(id));
    let tasks: Vec<Value> = known.map(|task| shape::task(state, task)).collect();
    if tasks.len() == ids.len() {
        body["tasks"] = Value::Array(tasks);
    }
    body
}

/// A token that no other request has, by which a repeated one is known for the same.
fn token() -> String {
    // Every such state is keyed anew from the system's random numbers.
    let draw = || RandomState::new().hash_one(std::process::id());
    format!("qd-run-{:016x}{:016x}", draw(), draw())
}

/// Asks for what bears a token. When no answer came it is not known whether it was done, so it
/// is asked for once more, when there is somebody to ask: the token keeps it from being done
/// twice.
async fn once(session: &Session, command: Command) -> CliResult<Value> {
    let reason = match session.command(command.clone()).await {
        Err(CliError::Client(ClientError::Gone(reason))) => reason,
        answer => return answer,
    };
    out::note(format!("no answer came ({reason}); asking once more"));
    tokio::time::sleep(ANEW_GAP).await;
    let mut standings = session.client.standings();
    let there = standings.wait_for(|standing| !matches!(standing, Standing::Lost { .. }));
    // Too late or gone: then the second attempt tells so.
    let _ = tokio::time::timeout(ANEW_LIMIT, there).await.is_ok();
    session.command(command).await
}

/// What `qd run`'s options make otherwise than the definition has it.
fn overrides(asked: &Run, definition: &TaskDefinition) -> CliResult<Option<TaskOverride>> {
    let known = || definition.container_definitions.iter();
    let name = match &asked.container {
        Some(name) => ContainerName::new(name).map_err(|it| CliError::Usage(it.to_string()))?,
        None => match known().find(|it| it.essential).or(known().next()) {
            Some(first) => first.name.clone(),
            None => return Ok(None),
        },
    };
    let of_task = (definition.cpu.is_some(), definition.memory.is_some());
    let (cpu, memory) = (asked.cpu.map(CpuUnits), asked.memory.map(MemoryMib));
    let container = ContainerOverride {
        command: Some(asked.command.clone()).filter(|words| !words.is_empty()),
        environment: asked.env.clone(),
        cpu: cpu.filter(|_| !of_task.0),
        memory: memory.filter(|_| !of_task.1),
        ..ContainerOverride::new(name)
    };
    let overrides = TaskOverride {
        container_overrides: vec![container],
        cpu: cpu.filter(|_| of_task.0),
        memory: memory.filter(|_| of_task.1),
        ..TaskOverride::default()
    };
    // A container that is named wrongly is told even if nothing is overridden in it.
    let wrong = overrides.faults(definition);
    if let Some(fault) = wrong.first() {
        return Err(CliError::Usage(fault.message.clone()));
    }
    Ok(Some(overrides).filter(|it| !it.is_empty()))
}

/// `qd run`.
///
/// # Errors
/// Exit code 1 when not every task found a place, or with `--wait` when one failed.
pub async fn run_once(session: &Session, asked: &Run, output: Output) -> CliResult {
    // Placing needs to know which instances answer.
    let snapshot = session.whole().await;
    let cluster = session.cluster(&snapshot)?;
    let definition = resolve::active_definition(&snapshot.state, &asked.definition)?;
    let command = Command::RunTask(Box::new(RunTask {
        cluster: Some(cluster.to_string()),
        count: asked.count,
        launch_type: asked.launch_type.as_deref().map(|word| match word {
            word if word.eq_ignore_ascii_case("FARGATE") => LaunchType::Fargate,
            _ => LaunchType::Ec2,
        }),
        capacity_provider_strategy: (asked.capacity_provider.iter())
            .map(|name| CapacityProviderStrategyItem {
                capacity_provider: name.clone(),
                base: 0,
                weight: 1,
            })
            .collect(),
        client_token: Some(token()),
        overrides: overrides(asked, &definition)?,
        tags: asked.tag.clone(),
        ..RunTask::new(definition.id().to_string())
    }));
    let body = once(session, command).await?;
    let ids = task_ids(&body)?;
    if output == Output::Table {
        for id in &ids {
            out::line(id.to_string())?;
        }
    }
    let failures: Vec<String> = body["failures"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|failure| {
            let text = |member: &str| failure[member].as_str().unwrap_or("").to_owned();
            format!("{}: {}", text("reason"), text("detail"))
        })
        .collect();
    let short = asked
        .count
        .saturating_sub(u32::try_from(ids.len()).unwrap_or(u32::MAX));
    let until = match (asked.wait_stopped, asked.wait.wait) {
        (true, _) => Some(Until::Stopped),
        (false, true) => Some(Until::Running),
        (false, false) => None,
    };
    let waited = match until.filter(|_| !ids.is_empty()) {
        Some(until) => wait::tasks(session, &ids, until, asked.wait.timeout).await,
        None => Ok(()),
    };
    if output == Output::Json {
        out::json(&as_they_are(session, &ids, body))?;
    }
    waited?;
    if until.is_none() && !ids.is_empty() {
        session.say_who_carries();
    }
    if short > 0 {
        return Err(CliError::Failed(format!(
            "{short} of {} tasks found no place:\n{}",
            asked.count,
            failures.join("\n")
        )));
    }
    Ok(())
}

fn task_ids(body: &Value) -> CliResult<Vec<TaskId>> {
    let tasks = body["tasks"].as_array().into_iter().flatten();
    tasks
        .map(|task| {
            let arn = task["taskArn"].as_str().unwrap_or("");
            short_name(arn).parse().map_err(|_| {
                CliError::Failed(format!("the control plane's answer names a task {arn:?}"))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use clap::Parser as _;
    use futures_util::future::BoxFuture;
    use futures_util::stream::BoxStream;
    use tokio::sync::watch;

    use super::*;
    use crate::cli::args::Arguments;
    use crate::client::{
        About, Client, ContainerHealth, Effects, Explanation, LocalClient, LogItem, LogTarget,
        PlanAsk, PlanReport, Reply, WhoAmI,
    };
    use crate::controller::fixture::{ready, register};
    use crate::docker::{ExecOptions, ExecSession, LogOptions, StatsSample};
    use crate::model::{ContainerName, History, HistoryAsk, InstanceName, Snapshot, TimeMs};

    /// Does what is asked and loses the first answers.
    struct Forgetful {
        inner: LocalClient,
        lose: usize,
        asked: Mutex<Vec<Command>>,
    }

    impl Client for Forgetful {
        fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
            self.inner.snapshots()
        }
        fn standings(&self) -> watch::Receiver<Standing> {
            self.inner.standings()
        }
        fn whoami(&self) -> BoxFuture<'_, Result<WhoAmI, ClientError>> {
            self.inner.whoami()
        }
        fn command(&self, command: Command) -> BoxFuture<'_, Result<Reply, ClientError>> {
            Box::pin(async move {
                let before = {
                    let mut asked = self.asked.lock().unwrap();
                    asked.push(command.clone());
                    asked.len() - 1
                };
                let reply = self.inner.command(command).await?;
                if before < self.lose {
                    return Err(ClientError::Gone("it has hung up".into()));
                }
                Ok(reply)
            })
        }
        fn plan(&self, asked: PlanAsk) -> BoxFuture<'_, Result<PlanReport, ClientError>> {
            self.inner.plan(asked)
        }
        fn apply(
            &self,
            commands: Vec<Command>,
            planned: Option<Effects>,
        ) -> BoxFuture<'_, Result<Vec<Reply>, ClientError>> {
            self.inner.apply(commands, planned)
        }
        fn explain(&self, about: About) -> BoxFuture<'_, Result<Explanation, ClientError>> {
            self.inner.explain(about)
        }
        fn history(&self, asked: HistoryAsk) -> BoxFuture<'_, Result<History, ClientError>> {
            self.inner.history(asked)
        }
        fn at(&self, moment: TimeMs) -> BoxFuture<'_, Result<Arc<Snapshot>, ClientError>> {
            self.inner.at(moment)
        }
        fn logs(
            &self,
            target: LogTarget,
            options: LogOptions,
        ) -> BoxFuture<'_, Result<BoxStream<'static, Result<LogItem, ClientError>>, ClientError>>
        {
            self.inner.logs(target, options)
        }
        fn stats(
            &self,
            task: TaskId,
        ) -> BoxFuture<'_, Result<Vec<(ContainerName, StatsSample)>, ClientError>> {
            self.inner.stats(task)
        }
        fn health_log(
            &self,
            task: TaskId,
        ) -> BoxFuture<'_, Result<Vec<ContainerHealth>, ClientError>> {
            self.inner.health_log(task)
        }
        fn exec(
            &self,
            task: TaskId,
            container: Option<ContainerName>,
            options: ExecOptions,
        ) -> BoxFuture<'_, Result<ExecSession, ClientError>> {
            self.inner.exec(task, container, options)
        }
        fn toggle_fault(
            &self,
            instance: InstanceName,
        ) -> Option<BoxFuture<'_, Result<String, ClientError>>> {
            self.inner.toggle_fault(instance)
        }
    }

    #[tokio::test]
    async fn a_run_whose_answer_is_lost_is_repeated_and_starts_once() {
        let (_fleet, plane) = ready(2).await;
        let inner = LocalClient::new(plane.handle.clone(), "tester".into());
        inner.command(register("web")).await.unwrap();
        let client = Arc::new(Forgetful {
            inner,
            lose: 1,
            asked: Mutex::default(),
        });
        let line = ["qd", "run", "web", "--count", "2"];
        let arguments = Arguments::try_parse_from(line).unwrap();
        let Some(crate::cli::args::Verb::Run(asked)) = arguments.command else {
            panic!("not a run");
        };
        let session = Session::over(client.clone(), &arguments.global, None);
        for runs in 1..=2 {
            run_once(&session, &asked, Output::Table).await.unwrap();
            assert_eq!(session.snapshot().state.tasks.len(), 2 * runs);
        }
        // The first was asked for twice; the second is another run, not the first repeated.
        assert_eq!(client.asked.lock().unwrap().len(), 3);
        plane.stop().await.unwrap();
    }
}
