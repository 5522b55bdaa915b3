//! Proposals in words, and their commands.

use super::{Mend, Seeker, Short};
use crate::model::{CpuUnits, Instance, InstanceName, MemoryMib, State, TaskId};

/// The command that does it, where there is one.
pub(super) fn command(mend: &Mend, name: &InstanceName) -> Option<String> {
    match mend {
        Mend::Activate => Some(format!("qd instance activate {name}")),
        Mend::Answer => Some(format!("qd instance check {name}")),
        Mend::Stop(id) => Some(format!("qd task stop {}", id.short())),
        _ => None,
    }
}

/// What is to be done, as it stands in the sentence.
pub(super) fn mend(
    mend: &Mend,
    state: &State,
    seeker: &Seeker<'_>,
    instance: &Instance,
    short: &Short,
) -> String {
    let name = &instance.name;
    let line = |line: &str| format!("{line} under its [[instance]] in the configuration");
    match mend {
        Mend::Activate => format!("activate {name}, which is DRAINING"),
        Mend::Answer => format!("make the engine of {name} answer"),
        Mend::Stop(id) => stop(state, name, *id, short),
        Mend::Ask { cpu, memory } => ask(seeker, name, *cpu, *memory),
        Mend::Match {
            expression,
            attributes,
        } => {
            let each = attributes.iter();
            let each = each.map(|(key, value)| format!("{} = \"{value}\"", key_of(key)));
            let each: Vec<String> = each.collect();
            match each.is_empty() {
                true => format!("let {name} match the constraint {expression}, or change that"),
                false => format!(
                    "let {name} match the constraint {expression} with {}, or change that",
                    line(&format!("attributes = {{ {} }}", each.join(", ")))
                ),
            }
        }
        Mend::Give(resource, count) => {
            let has = instance.capacity.named.get(resource).copied().unwrap_or(0);
            let key = key_of(resource);
            format!(
                "give {name} {count} {resource} instead of {has} with {}",
                line(&format!("resources = {{ {key} = {count} }}"))
            )
        }
        Mend::OtherPort(port) => format!(
            "the service itself holds host port {port} on {name}: add an instance, or let {} name \
             another hostPort (0 = any that is free)",
            seeker.definition
        ),
        Mend::Configure(what) => format!("let {name} take it with {}", line(what)),
        Mend::Correct(expression) => format!("put the constraint {expression} right"),
        Mend::Elsewhere => "add an instance, or drop the distinctInstance constraint".to_owned(),
        Mend::Other(what) => format!("on {name}: {what}"),
        Mend::AddInstance => "add an instance".to_owned(),
    }
}

/// A key of TOML, in quotes where it needs them.
fn key_of(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match name.chars().all(bare) {
        true => name.to_owned(),
        false => format!("\"{name}\""),
    }
}

fn stop(state: &State, name: &InstanceName, id: TaskId, short: &Short) -> String {
    let Some(task) = state.tasks.get(&id) else {
        return format!("stop task {}", id.short());
    };
    let of = match &task.service {
        Some(service) => format!("of {service}"),
        None => format!("of {}, run by hand", task.task_definition),
    };
    let mut holds = Vec::new();
    if short.memory > 0 {
        holds.push(format!("{} MiB", task.resources.memory));
    }
    if short.cpu > 0 {
        holds.push(format!("{} CPU units", task.resources.cpu));
    }
    for resource in short.named.keys() {
        if let Some(count) = task.resources.named.get(resource) {
            holds.push(format!("{count} {resource}"));
        }
    }
    let ports = task.resources.ports.iter();
    for port in ports.filter(|port| short.ports.contains(port)) {
        holds.push(format!("host port {port}"));
    }
    format!(
        "stop task {} {of} on {name}, which holds {}",
        id.short(),
        holds.join(" and ")
    )
}

fn ask(seeker: &Seeker<'_>, name: &InstanceName, cpu: CpuUnits, memory: MemoryMib) -> String {
    let asks = seeker.resources;
    let mut parts = Vec::new();
    let mut flags = Vec::new();
    if memory < asks.memory {
        let less = asks.memory.saturating_sub(memory);
        parts.push(format!(
            "{less} MiB less memory ({memory} instead of {})",
            asks.memory
        ));
        if overrides(seeker).1 {
            flags.push("--memory");
        }
    }
    if cpu < asks.cpu {
        let less = asks.cpu.saturating_sub(cpu);
        parts.push(format!(
            "{less} CPU units less ({cpu} instead of {})",
            asks.cpu
        ));
        if overrides(seeker).0 {
            flags.push("--cpu");
        }
    }
    let who = match flags.is_empty() {
        true => seeker.definition.to_string(),
        false => format!(
            "the run's own {} for {}",
            flags.join(" and "),
            seeker.definition
        ),
    };
    format!(
        "let {who} ask for {}, which fits on {name}",
        parts.join(" and ")
    )
}

/// Whether the run names its own CPU, and its own memory.
fn overrides(seeker: &Seeker<'_>) -> (bool, bool) {
    let Some(it) = seeker.overrides else {
        return (false, false);
    };
    let mut containers = it.container_overrides.iter();
    let cpu = it.cpu.is_some() || containers.any(|it| it.cpu.is_some());
    let mut containers = it.container_overrides.iter();
    let memory = it.memory.is_some()
        || containers.any(|it| it.memory.is_some() || it.memory_reservation.is_some());
    (cpu, memory)
}
