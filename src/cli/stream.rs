//! `qd logs` and `qd events`.

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::args::{Events, Logs, Output};
use super::error::{CliError, CliResult};
use super::session::Session;
use super::wait::EventCursor;
use super::{out, resolve, time};
use crate::agent::{Clock as _, SystemClock};
use crate::client::{LogItem, LogTarget};
use crate::docker::LogOptions;
use crate::model::{ClusterName, ContainerName, Event, Severity, State};

/// `qd logs`.
///
/// # Errors
/// What the command runs into.
pub async fn logs(session: &Session, asked: &Logs, output: Output) -> CliResult {
    let now = SystemClock.now();
    let since = asked
        .since
        .as_deref()
        .map(|text| time::moment(text, now))
        .transpose()
        .map_err(|error| CliError::Usage(format!("--since: {error}")))?;
    // The instances have to be connected before they can be asked.
    let snapshot = session.whole().await;
    let cluster = session.cluster(&snapshot)?;
    let (target, several) = match &asked.instance {
        Some(name) => on_instance(&snapshot.state, name)?,
        None => of_target(&snapshot.state, &cluster, asked)?,
    };
    let options = LogOptions {
        follow: asked.follow,
        since,
        until: None,
        tail: asked.tail,
    };
    let mut stream = session.client.logs(target, options).await?;
    let printer = Printer {
        several,
        timestamps: asked.timestamps,
        output,
    };
    let mut broken = false;
    while let Some(item) = stream.next().await {
        broken |= printer.print(&item?)?;
    }
    if broken { Err(CliError::Told) } else { Ok(()) }
}

/// All tasks on an instance; that others run something there too is said.
fn on_instance(state: &State, name: &str) -> CliResult<(LogTarget, bool)> {
    let instance = resolve::instance(state, name)?;
    if instance.foreign_count > 0 {
        let (count, name) = (instance.foreign_count, &instance.name);
        out::note(format!(
            "left out: {count} containers on {name} that qd did not make"
        ));
    }
    let instance = instance.name.clone();
    Ok((LogTarget::Instance { instance }, true))
}

/// A task or a service, and whether several containers write.
fn of_target(state: &State, cluster: &ClusterName, asked: &Logs) -> CliResult<(LogTarget, bool)> {
    let container = asked
        .container
        .as_deref()
        .map(ContainerName::new)
        .transpose()
        .map_err(|error| CliError::Usage(error.to_string()))?;
    let text = asked.target.as_deref().unwrap_or_default();
    Ok(match resolve::target(state, cluster, text)? {
        resolve::Target::Task(task) => {
            if let Some(name) = &container
                && !task.containers.iter().any(|it| &it.name == name)
            {
                let names: Vec<&str> = task.containers.iter().map(|it| it.name.as_str()).collect();
                return Err(CliError::Usage(format!(
                    "task {} has no container \"{name}\"; it has {}",
                    task.id.short(),
                    names.join(", ")
                )));
            }
            let several = container.is_none() && task.containers.len() > 1;
            let target = LogTarget::Task {
                task: task.id,
                container,
            };
            (target, several)
        }
        resolve::Target::Service(_) if container.is_some() => {
            return Err(CliError::Usage(
                "--container goes with a task; a service's logs are those of all its containers"
                    .into(),
            ));
        }
        resolve::Target::Service(service) => {
            let target = LogTarget::Service {
                cluster: service.cluster.clone(),
                service: service.name.clone(),
            };
            (target, true)
        }
    })
}

struct Printer {
    several: bool,
    timestamps: bool,
    output: Output,
}

impl Printer {
    /// Prints an item; `true` if it says that a source broke off.
    fn print(&self, item: &LogItem) -> CliResult<bool> {
        if self.output == Output::Json {
            let value = serde_json::to_value(item)
                .map_err(|error| CliError::Failed(format!("a log line as JSON: {error}")))?;
            out::json_line(&value)?;
            return Ok(matches!(item, LogItem::Broken { .. }));
        }
        match item {
            LogItem::Line {
                at,
                task,
                container,
                text,
                ..
            } => {
                let mut before = String::new();
                if self.timestamps {
                    before.push_str(&format!("{}  ", time::local(*at)));
                }
                if self.several {
                    before.push_str(&format!("{} {container} | ", task.short()));
                }
                out::log_line(&before, text)?;
                Ok(false)
            }
            LogItem::Dropped { count, .. } => {
                out::note(format!("{count} lines were dropped: they came too fast"));
                Ok(false)
            }
            LogItem::Broken { task, reason } => {
                out::note(format!("task {}: {reason}", task.short()));
                Ok(true)
            }
        }
    }
}

/// `qd events`.
///
/// # Errors
/// What the command runs into.
pub async fn events(session: &Session, asked: &Events, output: Output) -> CliResult {
    let mut snapshots = session.client.snapshots();
    let first = session.snapshot();
    let cluster = session.cluster(&first)?;
    let service = match &asked.service {
        Some(name) => Some(resolve::service_name(name)?),
        None => None,
    };
    let wanted =
        |event: &Event| event.cluster == cluster && (service.is_none() || event.service == service);
    let all: Vec<_> = first.state.events.iter().filter(|it| wanted(it)).collect();
    for event in all.iter().skip(all.len().saturating_sub(asked.tail)) {
        print_event(event, output)?;
    }
    if !asked.follow {
        return Ok(());
    }
    let mut cursor = EventCursor::after(&first);
    let mut presence = session.presence();
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        for event in cursor.fresh(&snapshot).iter().filter(|it| wanted(it)) {
            print_event(event, output)?;
        }
        tokio::select! {
            changed = snapshots.changed() => if changed.is_err() {
                return Session::gone();
            },
            gone = presence.gone() => return Err(gone),
        }
    }
}

/// An event as JSON.
pub(super) fn event_json(event: &Event) -> Value {
    let mut value = json!({
        "createdAt": event.at.as_wire_seconds(),
        "severity": event.severity,
        "kind": event.kind,
        "message": event.message,
    });
    for (member, text) in [
        (
            "serviceName",
            event.service.as_ref().map(ToString::to_string),
        ),
        ("task", event.task.as_ref().map(ToString::to_string)),
        ("instance", event.instance.as_ref().map(ToString::to_string)),
    ] {
        if let Some(text) = text {
            value[member] = Value::String(text);
        }
    }
    value
}

/// Prints an event in one line.
pub(super) fn print_event(event: &Event, output: Output) -> CliResult {
    if output == Output::Json {
        return out::json_line(&event_json(event));
    }
    let mark = match event.severity {
        Severity::Info => " ",
        Severity::Warning => "!",
        Severity::Error => "✗",
    };
    out::line(format!(
        "{} {mark} {}",
        time::local(event.at),
        event.message
    ))
}
