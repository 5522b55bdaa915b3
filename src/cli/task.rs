//! `qd task …` and `qd run`.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use serde_json::{Value, json};

use super::args::{Output, Run, Sure, TaskVerb, Wait};
use super::error::{CliError, CliResult};
use super::out::{self, Table};
use super::session::Session;
use super::wait::Until;
use super::{health, history, reasons, resolve, stream, time, wait};
use crate::api::shape;
use crate::client::{ClientError, Standing};
use crate::controller::Command;
use crate::controller::command::{RunTask, StopTask, UpdateTaskProtection};
use crate::model::arn::short_name;
use crate::model::parameters::{ContainerOverride, TaskOverride};
use crate::model::task::{Container, Health};
use crate::model::{
    CapacityProviderStrategyItem, ContainerName, CpuUnits, LaunchType, MemoryMib, Snapshot, State,
    Task, TaskDefinition, TaskId,
};

/// Wait before a request that got no answer is repeated.
const ANEW_GAP: Duration = Duration::from_millis(500);
/// How long such a request waits for somebody to ask.
const ANEW_LIMIT: Duration = Duration::from_secs(10);

/// Runs one of them.
///
/// # Errors
/// What the command runs into.
pub async fn run(session: &Session, verb: &TaskVerb, output: Output) -> CliResult {
    match verb {
        TaskVerb::Ls {
            service,
            instance,
            all,
            of,
        } => {
            let snapshot = history::picture(session, of).await?;
            let (service, instance) = (service.as_deref(), instance.as_deref());
            list(session, &snapshot, service, instance, *all, output)
        }
        TaskVerb::Show(target) => show(session, &target.target, output).await,
        TaskVerb::Health(target) => health::run(session, &target.target, output).await,
        TaskVerb::Stop {
            task,
            reason,
            wait,
            sure,
        } => stop(session, task, reason.clone(), wait, sure, output).await,
        TaskVerb::Protect { task, minutes, off } => {
            protect(session, task, (!off).then_some(*minutes), output).await
        }
        TaskVerb::Logs(asked) => stream::logs(session, asked, output).await,
        TaskVerb::Exec(asked) => super::exec::exec(session, asked).await,
    }
}

fn list(
    session: &Session,
    snapshot: &Snapshot,
    service: Option<&str>,
    instance: Option<&str>,
    all: bool,
    output: Output,
) -> CliResult {
    let state = &snapshot.state;
    let cluster = session.cluster(snapshot)?;
    let service = service
        .map(|name| resolve::service(state, &cluster, name))
        .transpose()?;
    let instance = instance
        .map(|name| resolve::instance(state, name))
        .transpose()?;
    let mut tasks: Vec<&Task> = state
        .tasks
        .values()
        .map(AsRef::as_ref)
        .filter(|task| task.cluster == cluster && (all || !task.is_stopped()))
        .filter(|task| {
            let of_service = |it: &_| task.service.as_ref() == Some(it);
            service.as_ref().is_none_or(|it| of_service(&it.name))
        })
        .filter(|task| instance.as_ref().is_none_or(|it| task.instance == it.name))
        .collect();
    tasks.sort_by(|a, b| (&a.group, a.created_at, a.id).cmp(&(&b.group, b.created_at, b.id)));
    if output == Output::Json {
        let tasks: Vec<_> = tasks.iter().map(|task| shape::task(state, task)).collect();
        return out::json(&json!({"tasks": tasks, "failures": []}));
    }
    let nothing = if all {
        "there is no task"
    } else {
        "no task runs; --all shows stopped ones too"
    };
    table(snapshot, tasks.into_iter()).print(nothing)
}

/// Tasks, one a row.
pub(super) fn table<'a>(snapshot: &Snapshot, tasks: impl Iterator<Item = &'a Task>) -> Table {
    let mut table = Table::new(&[
        "TASK",
        "GROUP",
        "DEFINITION",
        "INSTANCE",
        "STATUS",
        "HEALTH",
        "AGE",
        "PORTS",
        "NOTE",
    ]);
    for task in tasks {
        table.row([
            task.id.short(),
            task.group.to_string(),
            task.task_definition.to_string(),
            task.whereabouts().to_owned(),
            status(&snapshot.state, task),
            health(&snapshot.state, task),
            time::age(task.created_at, snapshot.at),
            ports(task),
            remark(snapshot, task),
        ]);
    }
    table
}

/// Its status, with a mark where nobody can say whether it still is so.
fn status(state: &State, task: &Task) -> String {
    format!("{}{}", task.last_status.as_str(), doubt(state, task))
}

/// A mark at what was last heard of a task whose instance is silent.
fn doubt(state: &State, task: &Task) -> &'static str {
    if task.is_stopped() || state.hears(task) {
        ""
    } else {
        "?"
    }
}

/// What its checks say, with the same mark.
fn health(state: &State, task: &Task) -> String {
    let word = match task.health() {
        Health::Healthy => "HEALTHY",
        Health::Unhealthy => "UNHEALTHY",
        Health::Unknown if task.containers.iter().any(|it| it.has_health_check) => "UNKNOWN",
        Health::Unknown => return String::new(),
    };
    format!("{word}{}", doubt(state, task))
}

fn ports(task: &Task) -> String {
    let bindings = task.containers.iter().flat_map(|it| &it.network_bindings);
    let mut ports: Vec<String> = bindings
        .map(|it| format!("{}→{}/{}", it.host_port, it.container_port, it.protocol))
        .collect();
    // An engine binds IPv4 and IPv6 apart; people read one port.
    ports.sort();
    ports.dedup();
    ports.join(" ")
}

fn remark(snapshot: &Snapshot, task: &Task) -> String {
    if let Some(pull) = snapshot.live.pulls.get(&task.id) {
        let percent = (pull.done_bytes * 100).checked_div(pull.total_bytes);
        let percent = percent.map_or_else(String::new, |it| format!(" {it} %"));
        return format!("pulling {}{percent}", pull.image);
    }
    if let Some(lost) = task.lost_at {
        return format!("given up for lost {} ago", time::age(lost, snapshot.at));
    }
    if task.stopped_reason.is_some() {
        return reasons::failure(task);
    }
    if let Some(until) = task.protected_until.filter(|until| *until > snapshot.at) {
        let minutes = until.since_ms(snapshot.at).div_ceil(60_000);
        return format!("protected for {minutes} min");
    }
    let instance = snapshot.state.instances.get(&task.instance);
    match instance.and_then(|it| it.silent_since()) {
        Some(since) => format!("last heard of {} ago", time::age(since, snapshot.at)),
        None => String::new(),
    }
}

async fn show(session: &Session, target: &str, output: Output) -> CliResult {
    let snapshot = session.whole().await;
    let state = &snapshot.state;
    let task = resolve::task(state, &session.cluster(&snapshot)?, target)?;
    if output == Output::Json {
        return out::json(&json!({"tasks": [shape::task(state, &task)], "failures": []}));
    }
    let moment = |at: Option<crate::model::TimeMs>| at.map(time::local).unwrap_or_default();
    let reason = task
        .stopped_reason
        .as_ref()
        .map(|_| reasons::failure(&task));
    let wanted = match task.desired_status {
        crate::model::DesiredStatus::Running => "RUNNING",
        crate::model::DesiredStatus::Stopped => "STOPPED",
    };
    let mut facts = vec![
        ("task", task.id.to_string()),
        ("group", task.group.to_string()),
        ("definition", task.task_definition.to_string()),
        ("instance", task.whereabouts().to_owned()),
        (
            "capacity provider",
            task.capacity_provider
                .as_ref()
                .map_or_else(String::new, ToString::to_string),
        ),
        (
            "address",
            task.address.as_deref().unwrap_or_default().to_owned(),
        ),
        (
            "status",
            format!("{} (desired {wanted})", status(state, &task)),
        ),
        ("health", health(state, &task)),
        (
            "overrides",
            task.overrides
                .as_ref()
                .map(|it| json!(it).to_string())
                .unwrap_or_default(),
        ),
        ("tags", out::tags(&task.tags)),
        ("placed", task.placement.to_string()),
        ("created", time::local(task.created_at)),
        ("started", moment(task.started_at)),
        ("stopped", moment(task.stopped_at)),
        (
            "protected until",
            moment(
                task.protected_until
                    .filter(|until| *until > snapshot.at && !task.is_stopped()),
            ),
        ),
        ("reason", reason.unwrap_or_default()),
        ("note", remark(&snapshot, &task)),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    if task.stopped_reason.is_some() {
        facts.retain(|(name, _)| *name != "note");
    }
    out::facts(&facts)?;
    out::line("")?;
    let mut table = Table::new(&[
        "CONTAINER",
        "STATUS",
        "HEALTH",
        "EXIT",
        "ESSENTIAL",
        "ID",
        "REASON",
    ]);
    for it in &task.containers {
        let health = match it.health {
            Health::Healthy => "HEALTHY",
            Health::Unhealthy => "UNHEALTHY",
            Health::Unknown => "",
        };
        table.row([
            it.name.to_string(),
            it.last_status.as_str().to_owned(),
            health.to_owned(),
            it.exit_code
                .map(|code| code.to_string())
                .unwrap_or_default(),
            if it.essential { "yes" } else { "no" }.to_owned(),
            it.runtime_id.chars().take(12).collect(),
            it.reason
                .as_deref()
                .map_or_else(|| restarts(it), str::to_owned),
        ]);
    }
    table.print("it has no containers")?;
    health::after(session, &snapshot, &task).await
}

fn restarts(container: &Container) -> String {
    match container.restart_count {
        0 => String::new(),
        1 => "restarted once".to_owned(),
        count => format!("restarted {count} times"),
    }
}

async fn protect(session: &Session, task: &str, minutes: Option<u32>, output: Output) -> CliResult {
    let snapshot = session.snapshot();
    let task = resolve::task(&snapshot.state, &session.cluster(&snapshot)?, task)?;
    let body = session
        .command(Command::UpdateTaskProtection(UpdateTaskProtection {
            cluster: Some(task.cluster.to_string()),
            tasks: vec![task.id.to_string()],
            protection_enabled: minutes.is_some(),
            expires_in_minutes: minutes,
        }))
        .await?;
    if output == Output::Json {
        out::json(&body)?;
    }
    if let Some(failure) = body["failures"].get(0) {
        let detail = failure["detail"]
            .as_str()
            .unwrap_or("it could not be protected");
        return Err(CliError::Usage(format!(
            "task {}: {detail}",
            task.id.short()
        )));
    }
    if output != Output::Json {
        out::line(match minutes {
            Some(minutes) => format!("protected task {} for {minutes} minutes", task.id.short()),
            None => format!("task {} is no longer protected", task.id.short()),
        })?;
    }
    session.say_who_carries();
    Ok(())
}

async fn stop(
    session: &Session,
    task: &str,
    reason: Option<String>,
    asked: &Wait,
    sure: &Sure,
    output: Output,
) -> CliResult {
    let snapshot = session.snapshot();
    let task = resolve::task(&snapshot.state, &session.cluster(&snapshot)?, task)?;
    if task.is_stopped() {
        out::note(format!("task {} has stopped already", task.id.short()));
        return Ok(());
    }
    let then = match &task.service {
        Some(service) => format!("; service {service} will start another in its place"),
        None => String::new(),
    };
    let silent =
        !snapshot.state.hears(&task) && snapshot.state.instances.contains_key(&task.instance);
    let when = match silent {
        true => " once that answers again",
        false => "",
    };
    let effect = format!(
        "Task {} ({}) on {} will be stopped{when}{then}.",
        task.id.short(),
        task.group,
        task.whereabouts()
    );
    session.confirm(&task.cluster, &effect, sure).await?;
    let body = session
        .command(Command::StopTask(StopTask {
            cluster: Some(task.cluster.to_string()),
            task: task.id.to_string(),
            reason,
        }))
        .await?;
    if output == Output::Json {
        out::json(&body)?;
    } else {
        out::line(stopping(&task, silent))?;
    }
    if asked.wait {
        return wait::tasks(session, &[task.id], Until::Stopped, asked.timeout).await;
    }
    session.say_who_carries();
    Ok(())
}

/// What follows from StopTask: an instance that is silent is told once it answers again.
pub(super) fn stopping(task: &Task, silent: bool) -> String {
    let (id, on) = (task.id.short(), task.whereabouts());
    match silent {
        true => format!(
            "task {id} is to stop: {on} does not answer, and it may run on there until it does"
        ),
        false => format!("stopping task {id}"),
    }
}

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
    use crate::model::{ContainerName, History, HistoryAsk, InstanceName, TimeMs};

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
