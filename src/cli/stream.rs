//! `qd logs` and `qd events`.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::args::{Events, Logs, Output};
use super::error::{CliError, CliResult};
use super::session::{FOLLOW_PATIENCE, Session, untried};
use super::wait::EventCursor;
use super::{out, resolve, time};
use crate::agent::{Clock as _, SystemClock};
use crate::api::serve::STALL_MOST;
use crate::client::{ClientError, LogItem, LogTarget, Standing};
use crate::docker::LogOptions;
use crate::model::{ClusterName, ContainerName, Event, Severity, State, TaskId, TimeMs};

/// Wait between two attempts to begin a stream of logs anew.
const AGAIN_GAP: Duration = Duration::from_millis(500);
/// So long before the last line a stream is begun anew, in milliseconds: engines count in seconds,
/// and lines of several hosts come in no strict order.
const RESUME_MARGIN_MS: u64 = 5_000;
/// So long before the newest line it is begun anew at most, in milliseconds, for containers whose
/// clock or whose lines are behind the others'.
const RESUME_MOST_MS: u64 = 600_000;
/// Of so many containers it is remembered how far they were printed.
const PLACES_MAX: usize = 4_096;

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
    let printer = Printer {
        several,
        timestamps: asked.timestamps,
        output,
    };
    let mut stream = session.client.logs(target.clone(), options.clone()).await?;
    // Without any line of before, none comes that was not asked for when it is begun anew either.
    let first = since.or_else(|| (asked.tail == Some(0)).then_some(now));
    let mut course = Course {
        place: Place::after(first),
        ..Course::default()
    };
    loop {
        let ended = course.read(&mut stream, &printer).await?;
        // A server that is killed, or an older one, ends its streams without a word: then nobody
        // answers any more.
        let away = match ended {
            None => session.client.whoami().await.err(),
            Some(error) => Some(course.explained(error)),
        };
        match away {
            None => break,
            Some(ClientError::Gone(reason)) if asked.follow => {
                stream = again(session, &target, &options, &mut course.place, reason).await?;
                // What broke off did so with the control plane, and goes on.
                course.broken = false;
            }
            Some(ClientError::Gone(reason)) => {
                let reason = format!("{reason}. These may not be all the lines");
                return Err(ClientError::Gone(reason).into());
            }
            Some(error) => return Err(error.into()),
        }
    }
    if course.broken {
        Err(CliError::Told)
    } else {
        Ok(())
    }
}

type Items = BoxStream<'static, Result<LogItem, ClientError>>;

/// How printing went so far.
#[derive(Default)]
struct Course {
    place: Place,
    /// A source broke off.
    broken: bool,
    /// The longest that a line of this stream waited for who reads the output.
    stalled: Duration,
}

impl Course {
    /// Prints a stream to its end, or to what it ends with.
    async fn read(
        &mut self,
        stream: &mut Items,
        printer: &Printer,
    ) -> CliResult<Option<ClientError>> {
        self.stalled = Duration::ZERO;
        while let Some(item) = stream.next().await {
            match item {
                Ok(item) if self.place.is_new(&item) => {
                    let begun = Instant::now();
                    self.broken |= printer.print(&item)?;
                    self.stalled = self.stalled.max(begun.elapsed());
                }
                Ok(_) => {}
                Err(error) => return Ok(Some(error)),
            }
        }
        Ok(None)
    }

    /// The error, with why a stream was cut from which nothing was taken: a pager that was left
    /// alone.
    fn explained(&self, error: ClientError) -> ClientError {
        match error {
            ClientError::Gone(reason) if self.stalled >= STALL_MOST => ClientError::Gone(format!(
                "the output was not read for {} s, and a stream from which nothing is taken for {} \
                 s is cut ({reason})",
                self.stalled.as_secs(),
                STALL_MOST.as_secs()
            )),
            other => other,
        }
    }
}

/// The stream anew, from where it broke off, once a control plane is there again. It is waited for
/// at most [`FOLLOW_PATIENCE`].
async fn again(
    session: &Session,
    target: &LogTarget,
    options: &LogOptions,
    place: &mut Place,
    reason: String,
) -> CliResult<Items> {
    let patience = FOLLOW_PATIENCE.as_secs();
    out::note(format!(
        "the control plane went away ({reason}); waiting {patience} s at most for it, then the \
         logs go on"
    ));
    let options = LogOptions {
        since: Some(place.resume(SystemClock.now())),
        tail: None,
        ..options.clone()
    };
    let deadline = Instant::now() + FOLLOW_PATIENCE;
    let attached = || !matches!(session.client.standing(), Standing::Lost { .. });
    loop {
        sleep(AGAIN_GAP).await;
        match session.client.logs(target.clone(), options.clone()).await {
            // Its hosts may not have answered it yet.
            Ok(stream) if attached() && untried(&session.snapshot()).is_empty() => {
                out::note("the control plane answers again");
                return Ok(stream);
            }
            Err(error) if !matches!(error, ClientError::Gone(_) | ClientError::Engine(_)) => {
                return Err(error.into());
            }
            Err(error) if Instant::now() >= deadline => return Err(error.into()),
            Ok(stream) if Instant::now() >= deadline => return Ok(stream),
            Ok(_) | Err(_) => {}
        }
    }
}

/// How far the lines of each container were printed, so that none comes twice when a stream is
/// begun anew a little before where it broke off.
#[derive(Default)]
struct Place {
    printed: BTreeMap<(TaskId, ContainerName), Printed>,
    /// Begun anew: what was printed is left out.
    again: BTreeMap<(TaskId, ContainerName), Printed>,
    newest: Option<TimeMs>,
    /// No line of before this was asked for.
    first: Option<TimeMs>,
}

/// The moment of the newest line, and how many lines of that very moment there were.
#[derive(Clone, Copy)]
struct Printed {
    at: TimeMs,
    lines: u32,
}

impl Place {
    /// With no lines of before that moment.
    fn after(first: Option<TimeMs>) -> Self {
        Self {
            first,
            ..Self::default()
        }
    }

    /// From when on a stream is asked for anew: from where the container is that is furthest behind,
    /// for hosts' clocks differ, and so does when their lines arrive.
    fn resume(&mut self, now: TimeMs) -> TimeMs {
        self.again.clone_from(&self.printed);
        let newest = self.newest.unwrap_or(now).min(now);
        let behind = self.printed.values().map(|it| it.at).min();
        let most = newest.0.saturating_sub(RESUME_MOST_MS);
        let from = behind.unwrap_or(newest).min(newest).0.max(most);
        let from = TimeMs(from.saturating_sub(RESUME_MARGIN_MS));
        // A host whose clock is behind writes lines of before that were asked for all the same.
        let first = self
            .first
            .map(|first| behind.map_or(first, |it| first.min(it)));
        first.map_or(from, |first| first.max(from))
    }

    /// Takes an item in; whether it was not printed yet.
    fn is_new(&mut self, item: &LogItem) -> bool {
        let LogItem::Line {
            at,
            task,
            container,
            ..
        } = item
        else {
            return true;
        };
        let key = (*task, container.clone());
        if let Some(before) = self.again.get_mut(&key) {
            if *at < before.at {
                return false;
            }
            if *at == before.at && before.lines > 0 {
                before.lines -= 1;
                return false;
            }
            if *at > before.at {
                self.again.remove(&key);
            }
        }
        self.newest = self.newest.max(Some(*at));
        if self.printed.len() >= PLACES_MAX && !self.printed.contains_key(&key) {
            self.printed.pop_first();
        }
        let printed = self
            .printed
            .entry(key)
            .or_insert(Printed { at: *at, lines: 0 });
        // Where lines go backwards, what was printed last is not how far they were.
        if printed.at < *at {
            *printed = Printed { at: *at, lines: 0 };
        }
        if printed.at == *at {
            printed.lines = printed.lines.saturating_add(1);
        }
        true
    }
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
    let mut presence = session.presence_for(FOLLOW_PATIENCE);
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
