//! The page about a container instance.

use ratatui::text::Span;

use crate::model::{Connection, Instance, InstanceStatus, LaunchType, Resources};

use super::super::super::fleet::{InstanceRow, Mood};
use super::super::super::text::{self, count};
use super::super::{instances, stats, tasks, theme};
use super::Sheet;

pub(super) fn write(sheet: &mut Sheet<'_>, instance: &Instance) {
    let screen = sheet.screen;
    let row = screen.model.fleet.instance(&instance.name);
    let mood = row.map_or(Mood::Calm, |row| row.mood);
    let state = instances::state(screen, instance);
    sheet.field_in("state", state, screen.theme.mood(mood));
    sheet.field("status", instance.status.as_str());
    if instance.status == InstanceStatus::Draining {
        let drain = super::drain(screen, instance);
        let (left, of) = (u64::from(drain.left), u64::from(drain.of));
        let words = match left {
            0 => "no task of a service is left".to_owned(),
            left => format!("{left} of {} left", count(of, "task")),
        };
        let mood = if left == 0 { Mood::Calm } else { Mood::Busy };
        // Nothing to drain is drained.
        sheet.progress("drain", (of.max(1) - left, of.max(1)), &words, mood);
    }
    sheet.field("endpoint", &instance.endpoint);
    let serves = instance.serves();
    if !serves.is_empty() {
        sheet.field("serves", serves);
    }
    connection(sheet, instance);
    sheet.field(
        "engine",
        format!(
            "Docker {} · API {} · id {}",
            instance.docker_version, instance.api_version, instance.engine_id
        ),
    );
    if let Some(at) = instance.registered_at {
        sheet.field("registered", screen.moment(at));
    }
    sheet.heading("Resources");
    if let Some(row) = row {
        usage(sheet, "cpu", row, |it| it.cpu.0);
        usage(sheet, "memory", row, |it| it.memory.0);
        let ports: Vec<String> = row.used.ports.iter().map(ToString::to_string).collect();
        if !ports.is_empty() {
            sheet.field("host ports", ports.join(" "));
        }
    }
    sheet.field("has in all", amount(&instance.capacity));
    sheet.field("kept for host", amount(&instance.reserved));
    let foreign = count(u64::from(instance.foreign_count), "container");
    sheet.field(
        "of others",
        format!("{foreign}: {}", amount(&instance.foreign)),
    );
    sheet.heading("Tasks");
    figures(sheet, instance);
    write_tasks(sheet, instance);
    sheet.heading("Attributes");
    for (name, value) in &instance.attributes {
        sheet.words(&format!("{name} = {value}"), ratatui::style::Style::new());
    }
    sheet.events(|event| event.instance.as_ref() == Some(&instance.name));
}

fn connection(sheet: &mut Sheet<'_>, instance: &Instance) {
    let screen = sheet.screen;
    match &instance.connection {
        Connection::Connected { since } => {
            sheet.field("connected", format!("for {}", screen.age(*since)));
        }
        Connection::Disconnected { since, reason } => {
            let since = instance.silent_since().unwrap_or(*since);
            let style = screen.theme.mood(Mood::Bad);
            let words = format!("for {}: {reason}", screen.age_exact(since));
            sheet.field_in("not answering", words, style);
        }
    }
    let Some(agent) = screen.model.snapshot.live.agents.get(&instance.name) else {
        return;
    };
    let mut parts = Vec::new();
    if let Some(ms) = agent.latency_ms {
        parts.push(format!("answers in {ms} ms"));
    }
    if agent.attempts > 0 {
        parts.push(format!(
            "{} in vain",
            count(u64::from(agent.attempts), "attempt")
        ));
    }
    if let Some(at) = agent.retry_at.filter(|at| *at > screen.now) {
        parts.push(format!("next in {}", screen.until(at)));
    }
    if !parts.is_empty() {
        sheet.field("agent", parts.join(" · "));
    }
}

fn usage(sheet: &mut Sheet<'_>, name: &str, row: &InstanceRow, of: fn(&Resources) -> u64) {
    let screen = sheet.screen;
    let (used, all) = (of(&row.used), of(&row.instance.capacity));
    let mut spans = vec![Span::styled(
        format!("  {name:<width$}", width = super::NAME),
        screen.theme.dim(),
    )];
    spans.extend(instances::usage(screen, row, of).spans);
    let mut words = if name == "cpu" {
        format!("  {} of {} vCPU taken", text::vcpu(used), text::vcpu(all))
    } else {
        format!("  {} of {} taken", text::mib(used), text::mib(all))
    };
    if let Some(since) = row.instance.silent_since() {
        words.push_str(&format!(", as last heard {} ago", screen.age_exact(since)));
    }
    spans.push(Span::raw(words));
    sheet.line(spans);
}

fn amount(resources: &Resources) -> String {
    format!(
        "{} vCPU, {}",
        text::vcpu(resources.cpu.0),
        text::mib(resources.memory.0)
    )
}

/// What the tasks use together.
fn figures(sheet: &mut Sheet<'_>, instance: &Instance) {
    let model = sheet.screen.model;
    let here = model.fleet.instance(&instance.name);
    let here = here.into_iter().flat_map(InstanceRow::live);
    let tasks: Vec<_> = here.map(|row| row.task.id).collect();
    if let (known, Some(total)) = stats::total(model, &tasks) {
        sheet.field("use together", stats::figures(&total, true));
        let known = format!("{known} of {} sampled", count(tasks.len() as u64, "task"));
        let words = match instance.foreign_count {
            0 => known,
            others => format!(
                "{known}; {} of others not counted",
                count(u64::from(others), "container")
            ),
        };
        sheet.field("", words);
    }
}

fn write_tasks(sheet: &mut Sheet<'_>, instance: &Instance) {
    let screen = sheet.screen;
    let model = screen.model;
    let before = sheet.lines.len();
    for row in model.fleet.of_instance(&instance.name) {
        let task = &row.task;
        let of = task.service.as_ref().map_or("run by hand", |s| s.as_str());
        let mood = screen.theme.mood(row.mood);
        let fargate = match task.launch_type {
            LaunchType::Ec2 => "",
            LaunchType::Fargate => "  a FARGATE task",
        };
        sheet.line(vec![
            Span::styled(format!("  {} ", theme::sign(row.mood)), mood),
            Span::raw(format!("{}  ", task.id.short())),
            Span::styled(format!("{:<16}", tasks::state(model, row)), mood),
            Span::styled(of.to_owned(), screen.theme.strong()),
            Span::styled(
                format!("  {}{fargate}", task.task_definition),
                screen.theme.dim(),
            ),
        ]);
    }
    if sheet.lines.len() == before {
        sheet.words("None.", screen.theme.dim());
    }
}
