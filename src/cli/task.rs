//! `qd task …`.

use serde_json::json;

use super::args::{Output, Sure, TaskVerb, Wait};
use super::error::{CliError, CliResult};
use super::out::{self, Table};
use super::session::Session;
use super::wait::Until;
use super::{health, history, reasons, resolve, stream, time, wait};
use crate::api::shape;
use crate::controller::Command;
use crate::controller::command::{StopTask, UpdateTaskProtection};
use crate::model::task::{Container, Health};
use crate::model::{Snapshot, State, Task};

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
