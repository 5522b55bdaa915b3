//! The page about a task.

use ratatui::text::Span;

use crate::client::About;
use crate::model::parameters::TaskOverride;
use crate::model::task::{Container, Health, NetworkBinding};
use crate::model::{DesiredStatus, LastStatus, Task, TimeMs};

use super::super::super::fleet::{Mood, stage};
use super::super::super::text;
use super::super::{silent, stats, tasks, theme};
use super::parameters::Fact;
use super::{Sheet, definition, health, pinned, short_digest};

pub(super) fn write(sheet: &mut Sheet<'_>, task: &Task) {
    let screen = sheet.screen;
    let model = screen.model;
    if let Some(row) = model.fleet.task(task.id) {
        let style = screen.theme.mood(row.mood);
        sheet.field_in("state", tasks::state(model, row), style);
        if let Some(words) = silent::outlook(screen, row) {
            sheet.field_in("what comes", words, style);
        }
    }
    let heard = silent::since(model, task);
    let heard = heard.map(|since| format!(" · as last heard, {} ago", screen.age_exact(since)));
    let heard = heard.unwrap_or_default();
    sheet.field("status", format!("{}{heard}", status(task)));
    // What fails comes first: it is what the page was opened for.
    let sick = task
        .containers
        .iter()
        .any(|it| it.health == Health::Unhealthy);
    if sick {
        stopped(sheet, task);
        health::write(sheet, task);
        sheet.heading("Task");
    }
    if let Some(pull) = model.snapshot.live.pulls.get(&task.id) {
        let words = format!("{} · {}", super::pulled(model, task.id, pull), pull.image);
        let amount = (pull.done_bytes, pull.total_bytes);
        sheet.progress("pulling", amount, &words, Mood::Busy);
    }
    sheet.field("id", task.id.to_string());
    sheet.field("definition", task.task_definition.to_string());
    sheet.field("group", &task.group);
    sheet.field("started by", &task.started_by);
    sheet.tags(&task.tags);
    if let Some(overrides) = &task.overrides {
        sheet.field("overridden", overridden(overrides));
    }
    let zone = model.fleet.instance(&task.instance);
    let zone = zone.map_or("", |row| row.instance.zone());
    sheet.field("instance", format!("{} {zone}", task.whereabouts()));
    sheet.field("why there", &task.placement);
    if !sick {
        stopped(sheet, task);
    }
    times(sheet, task);
    sheet.field("holds", holds(task));
    if let Some(address) = &task.address {
        sheet.field("address", address);
    }
    sheet.heading("Containers");
    for container in &task.containers {
        write_container(sheet, task, container);
        image(sheet, task, container);
    }
    if !sick {
        health::write(sheet, task);
    }
    let explanation = sheet.explanation(&About::Task(task.id)).cloned();
    match &explanation {
        Some(Ok(explanation)) if !task.is_stopped() => sheet.verdicts(explanation),
        Some(Err(reason)) => sheet.field("why", reason),
        Some(Ok(_)) | None => {}
    }
    sheet.events(|event| event.task == Some(task.id));
    definition::write(sheet, &task.task_definition);
}

fn stopped(sheet: &mut Sheet<'_>, task: &Task) {
    let style = sheet.screen.theme.mood(Mood::Warn);
    if let Some(at) = task.lost_at {
        let then = match task.is_stopped() {
            true => "; when it was heard of again, it had been replaced",
            false => "",
        };
        let words = format!("given up for lost {} ago{then}", sheet.screen.age(at));
        sheet.field_in("lost", words, style);
    }
    if let Some(code) = task.stop_code {
        sheet.field_in("stop code", format!("{code:?}"), style);
    }
    if let Some(reason) = &task.stopped_reason {
        sheet.field_in("stopped because", reason, style);
    }
}

fn times(sheet: &mut Sheet<'_>, task: &Task) {
    let screen = sheet.screen;
    for (name, at) in moments(task) {
        sheet.field(name, screen.moment_ago(at));
    }
}

/// What was observed of a task, and what is wanted.
pub(crate) fn status(task: &Task) -> String {
    let desired = match task.desired_status {
        DesiredStatus::Running => "RUNNING",
        DesiredStatus::Stopped => "STOPPED",
    };
    format!("last {} · desired {desired}", task.last_status.as_str())
}

/// What it holds of its instance.
pub(crate) fn holds(task: &Task) -> String {
    let (cpu, memory) = (task.resources.cpu.0, task.resources.memory.0);
    format!("{} vCPU, {}", text::vcpu(cpu), text::mib(memory))
}

/// The moments of its life that have been.
pub(crate) fn moments(task: &Task) -> impl Iterator<Item = (&'static str, TimeMs)> {
    let all = [
        ("placed", Some(task.created_at)),
        ("running since", task.started_at),
        ("stop asked", task.stopping_at),
        ("stopped", task.stopped_at),
    ];
    all.into_iter().filter_map(|(name, at)| Some((name, at?)))
}

/// How a container is, in a word or two each: a name for it, and the words.
pub(crate) fn condition(container: &Container) -> Vec<Fact> {
    let mut facts = vec![("status", container.last_status.as_str().to_owned())];
    if container.has_health_check && container.last_status == LastStatus::Running {
        let health = format!("{:?}", container.health).to_uppercase();
        facts.push(("health", health));
    }
    if let Some(code) = container.exit_code {
        facts.push(("ended", format!("exit {code}")));
    }
    if container.oom_killed {
        facts.push(("memory", "killed for memory".to_owned()));
    }
    match container.restart_count {
        0 => {}
        1 => facts.push(("restarts", "restarted once".to_owned())),
        count => facts.push(("restarts", format!("restarted {count} times"))),
    }
    if !container.essential {
        facts.push(("essential", "not essential".to_owned()));
    }
    facts
}

/// Where a port of a container is to be reached.
pub(crate) fn binding(port: &NetworkBinding) -> String {
    format!(
        "{}:{} → {}/{}",
        port.bind_ip, port.host_port, port.container_port, port.protocol
    )
}

fn write_container(sheet: &mut Sheet<'_>, task: &Task, container: &Container) {
    let screen = sheet.screen;
    let reachable = true;
    let silent = silent::since(screen.model, task).is_some();
    let ended_badly = container.oom_killed || container.exit_code.is_some_and(|code| code != 0);
    let mood = match container.last_status {
        // It went with its host, or nobody can know.
        _ if task.lost_at.is_some() || silent => Mood::Quiet,
        _ if ended_badly => Mood::Bad,
        LastStatus::Running if container.health == Health::Unhealthy => Mood::Bad,
        LastStatus::Running => Mood::Calm,
        LastStatus::Stopped => Mood::Quiet,
        _ if stage(task, reachable) == super::Stage::Stopped => Mood::Quiet,
        _ => Mood::Busy,
    };
    let words: Vec<String> = condition(container).into_iter().map(|it| it.1).collect();
    let mark = if silent { "?" } else { "" };
    let words = format!(" {}{mark}", words.join(" · "));
    sheet.line(vec![
        Span::styled(format!("  {} ", theme::sign(mood)), screen.theme.mood(mood)),
        Span::styled(container.name.to_string(), screen.theme.strong()),
        Span::styled(words, screen.theme.mood(mood)),
    ]);
    if let Some(reason) = &container.reason {
        sheet.field_in("  because", reason, screen.theme.mood(Mood::Warn));
    }
    for port in &container.network_bindings {
        sheet.field("  port", binding(port));
    }
    usage(sheet, task, container);
    if !container.runtime_id.is_empty() {
        sheet.field("  docker id", text::cut(&container.runtime_id, 13));
    }
}

/// What its image is called, what that stands for throughout its deployment, and what it runs.
fn image(sheet: &mut Sheet<'_>, task: &Task, container: &Container) {
    let state = &sheet.screen.model.snapshot.state;
    let definition = state.definition_of(task);
    let image = definition
        .as_ref()
        .and_then(|it| it.container(&container.name));
    let image = image.map(|it| it.image.clone());
    let service = task.service.as_ref();
    let service = service.and_then(|name| state.service(&task.cluster, name));
    let deployments = service.into_iter().flat_map(|it| &it.deployments);
    let pin = deployments
        .filter(|it| Some(&it.id) == task.deployment.as_ref())
        .find_map(|it| it.images.get(image.as_ref()?));
    let runs = container.image_digest.as_deref();
    let words = match (pin, runs) {
        (Some(pin), _) => pinned(pin),
        (None, Some(digest)) => short_digest(digest),
        (None, None) => String::new(),
    };
    let other = pin.and_then(|pin| pin.digest.as_deref()) != runs;
    let runs = runs.filter(|_| other && pin.is_some()).map(short_digest);
    let parts = [
        image,
        Some(words).filter(|it| !it.is_empty()),
        runs.map(|it| format!("runs {it}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if !parts.is_empty() {
        sheet.field("  image", parts.join(" · "));
    }
}

/// What the container uses over time, once it was sampled.
fn usage(sheet: &mut Sheet<'_>, task: &Task, container: &Container) {
    let screen = sheet.screen;
    if screen.model.past.is_some() {
        let why = "what it used then is not kept: this is the past";
        return sheet.field_in("  uses", why, screen.theme.dim());
    }
    let Some(book) = screen.model.usage.book(task.id) else {
        return;
    };
    let warn = screen.theme.mood(Mood::Warn);
    if let Some(why) = &book.error {
        sheet.field_in("  uses", why, warn);
    }
    if let Some(old) = stats::age(book, screen.model.now) {
        sheet.field_in(
            "  uses",
            format!("Not known now; the last sample is {old} old."),
            warn,
        );
    }
    let at = book
        .containers
        .iter()
        .position(|(name, _)| *name == container.name);
    let Some(at) = at else {
        return;
    };
    for (name, spans) in stats::chart(screen, book, at, sheet.columns) {
        sheet.figures(name, spans);
    }
}

/// What a task has otherwise than its definition. Values may be secrets: the names of variables
/// are enough to know what is set.
pub(crate) fn overridden(overrides: &TaskOverride) -> String {
    let mut parts = Vec::new();
    if let Some(cpu) = overrides.cpu {
        parts.push(format!("cpu {cpu}"));
    }
    if let Some(memory) = overrides.memory {
        parts.push(format!("memory {memory}"));
    }
    if let Some(role) = &overrides.task_role_arn {
        parts.push(format!("role {role}"));
    }
    for of in &overrides.container_overrides {
        let mut what = Vec::new();
        if let Some(command) = &of.command {
            what.push(format!("command {}", command.join(" ")));
        }
        let names: Vec<&str> = of.environment.iter().map(|it| it.name.as_str()).collect();
        if !names.is_empty() {
            what.push(format!("environment {}", names.join(" ")));
        }
        for (name, amount) in [
            ("cpu", of.cpu.map(|it| it.0)),
            ("memory", of.memory.map(|it| it.0)),
            ("reservation", of.memory_reservation.map(|it| it.0)),
        ] {
            what.extend(amount.map(|amount| format!("{name} {amount}")));
        }
        if !what.is_empty() {
            parts.push(format!("{}: {}", of.name, what.join(", ")));
        }
    }
    parts.join(" · ")
}
