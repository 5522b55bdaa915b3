//! What is not known of a host that is silent, and what comes of its tasks meanwhile.

use crate::model::service::{DEFAULT_GRACE_S, SchedulingStrategy};
use crate::model::{LaunchType, Service, Task, TimeMs};

use super::super::fleet::{Stage, TaskRow};
use super::super::state::Model;
use super::Screen;

/// Since when the host of a task that is not known to have stopped has not been heard.
pub(crate) fn since(model: &Model, task: &Task) -> Option<TimeMs> {
    let row = model.fleet.instance(&task.instance)?;
    let since = row.instance.silent_since();
    since.filter(|_| !task.is_stopped())
}

/// What a task's host is called.
pub(crate) fn host(task: &Task) -> &str {
    match task.launch_type {
        LaunchType::Ec2 => task.instance.as_str(),
        LaunchType::Fargate => "its host",
    }
}

/// What comes of a task whose host is silent, in a few words.
pub(crate) fn outlook(screen: &Screen<'_>, row: &TaskRow) -> Option<String> {
    let task = &row.task;
    since(screen.model, task)?;
    let host = host(task);
    let service = task.service.as_ref();
    let service = service.and_then(|name| screen.model.snapshot.state.service(&task.cluster, name));
    Some(match (row.stage, service) {
        (Stage::Lost, Some(service)) if replaces(service) => {
            format!("given up: {host} stayed silent; its service wants another instead")
        }
        (Stage::Lost, _) => format!("given up: {host} stayed silent"),
        (Stage::Stopping, _) => format!("its stop is known only once {host} answers"),
        (_, None) => format!("run by hand: waits for {host}, nothing replaces it"),
        (_, Some(service)) => {
            let instance = &screen.model.fleet.instance(&task.instance)?.instance;
            waits(
                screen,
                service,
                instance.given_up_at(service.grace_s)?,
                host,
            )
        }
    })
}

/// Whether a service wants another task for one that is lost with its host: a DAEMON has no host
/// for it.
fn replaces(service: &Service) -> bool {
    service.scheduling_strategy != SchedulingStrategy::Daemon
}

fn waits(screen: &Screen<'_>, service: &Service, end: TimeMs, host: &str) -> String {
    let becomes = match replaces(service) {
        true => "replaced",
        false => "given up",
    };
    if end > screen.now {
        format!("{becomes} in {} if {host} stays silent", screen.until(end))
    } else {
        format!("about to be {becomes}: {host} stayed silent")
    }
}

/// How long a service waits for a silent host; beside it what the demo has otherwise.
pub(crate) fn grace(screen: &Screen<'_>, service: &Service) -> String {
    let words = format!("{} s for an instance that does not answer", service.grace_s);
    let short = screen.model.is_simulated() && service.grace_s < DEFAULT_GRACE_S;
    match short {
        true => format!("{words} (short, to be watched here: {DEFAULT_GRACE_S} s unless set)"),
        false => words,
    }
}
