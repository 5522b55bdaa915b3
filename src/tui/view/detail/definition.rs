//! A task definition, on the page of what is made from it.

use crate::model::task_definition::NetworkMode;
use crate::model::{ContainerDefinition, TaskDefinitionId};

use super::super::super::text;
use super::{Sheet, parameters};

pub(super) fn write(sheet: &mut Sheet<'_>, id: &TaskDefinitionId) {
    sheet.heading(format!("Task definition {id}"));
    let state = &sheet.screen.model.snapshot.state;
    let Some(definition) = state.task_definitions.get(id).cloned() else {
        sheet.words("It is not kept any more.", sheet.screen.theme.dim());
        return;
    };
    let asks = definition.resources();
    let mode = match definition.network_mode {
        NetworkMode::Bridge => "bridge",
        NetworkMode::Host => "host",
        NetworkMode::None => "none",
        NetworkMode::Awsvpc => "awsvpc",
    };
    sheet.field(
        "a task asks",
        format!(
            "{} vCPU, {} · network {mode}",
            text::vcpu(asks.cpu.0),
            text::mib(asks.memory.0)
        ),
    );
    for (name, words) in parameters::of_task(&definition) {
        sheet.field(name, words);
    }
    for container in &definition.container_definitions {
        write_container(sheet, container);
    }
    for member in definition.unsupported.keys() {
        sheet.field("no effect yet", member);
    }
}

fn write_container(sheet: &mut Sheet<'_>, container: &ContainerDefinition) {
    let essential = if container.essential {
        ""
    } else {
        " (not essential)"
    };
    sheet.field("container", format!("{}{essential}", container.name));
    sheet.field("  image", &container.image);
    if let Some(command) = &container.command {
        sheet.field("  command", command.join(" "));
    }
    if let Some(entry) = &container.entry_point {
        sheet.field("  entry point", entry.join(" "));
    }
    let limit = container
        .memory
        .map_or("no limit".to_owned(), |m| text::mib(m.0));
    sheet.field(
        "  asks",
        format!(
            "{} vCPU, {} (limit {limit})",
            text::vcpu(container.cpu.0),
            text::mib(container.scheduling_memory().0)
        ),
    );
    let ports: Vec<String> = container
        .port_mappings
        .iter()
        .map(|p| match (p.host_port, &p.container_port_range) {
            (_, Some(range)) => format!("any→{range}/{}", p.protocol),
            (None | Some(0), None) => format!("any→{}/{}", p.container_port, p.protocol),
            (Some(host), None) => format!("{host}→{}/{}", p.container_port, p.protocol),
        })
        .collect();
    if !ports.is_empty() {
        sheet.field("  ports", ports.join(" "));
    }
    // Values may be secrets: the names are enough to know what is set.
    let names: Vec<&str> = container
        .environment
        .iter()
        .map(|e| e.name.as_str())
        .collect();
    if !names.is_empty() {
        sheet.field("  environment", names.join(" "));
    }
    if let Some(check) = &container.health_check {
        sheet.field("  health check", check.command.join(" "));
    }
    let depends: Vec<String> = container
        .depends_on
        .iter()
        .map(|d| format!("{} {:?}", d.container_name, d.condition).to_lowercase())
        .collect();
    if !depends.is_empty() {
        sheet.field("  depends on", depends.join(", "));
    }
    for (name, words) in parameters::of_container(container) {
        sheet.field(name, words);
    }
    for member in container.unsupported.keys() {
        sheet.field("  no effect yet", member);
    }
}
