//! A task definition, on the page of what is made from it.

use crate::model::task_definition::{MountPoint, NetworkMode, VolumeScope};
use crate::model::{ContainerDefinition, TaskDefinition, TaskDefinitionId};

use super::super::super::text;
use super::Sheet;
use super::parameters::{self, Fact};

pub(super) fn write(sheet: &mut Sheet<'_>, id: &TaskDefinitionId) {
    sheet.heading(format!("Task definition {id}"));
    let state = &sheet.screen.model.snapshot.state;
    let Some(definition) = state.task_definitions.get(id).cloned() else {
        sheet.words("It is not kept any more.", sheet.screen.theme.dim());
        return;
    };
    for (name, words) in of_task(&definition) {
        sheet.field(name, words);
    }
    for container in &definition.container_definitions {
        let essential = if container.essential {
            ""
        } else {
            " (not essential)"
        };
        sheet.field("container", format!("{}{essential}", container.name));
        for (name, words) in of_container(&definition, container) {
            sheet.field(name, words);
        }
    }
    for member in definition.unsupported.keys() {
        sheet.field("no effect yet", member);
    }
}

/// What holds for the whole task.
pub(crate) fn of_task(definition: &TaskDefinition) -> Vec<Fact> {
    let asks = definition.resources();
    let mode = match definition.network_mode {
        NetworkMode::Bridge => "bridge",
        NetworkMode::Host => "host",
        NetworkMode::None => "none",
        NetworkMode::Awsvpc => "awsvpc",
    };
    let asks = format!(
        "{} vCPU, {} · network {mode}",
        text::vcpu(asks.cpu.0),
        text::mib(asks.memory.0)
    );
    let mut facts = vec![("a task asks", asks)];
    facts.extend(parameters::of_task(definition));
    facts
}

/// What holds for one of its containers. Of its environment only the names: values may be
/// secrets.
pub(crate) fn of_container(
    definition: &TaskDefinition,
    container: &ContainerDefinition,
) -> Vec<Fact> {
    let mut facts = vec![("  image", container.image.clone())];
    if let Some(command) = &container.command {
        facts.push(("  command", command.join(" ")));
    }
    if let Some(entry) = &container.entry_point {
        facts.push(("  entry point", entry.join(" ")));
    }
    let limit = container
        .memory
        .map_or("no limit".to_owned(), |m| text::mib(m.0));
    let asks = format!(
        "{} vCPU, {} (limit {limit})",
        text::vcpu(container.cpu.0),
        text::mib(container.scheduling_memory().0)
    );
    facts.push(("  asks", asks));
    let mut list = |name, words: Vec<String>, between: &str| {
        if !words.is_empty() {
            facts.push((name, words.join(between)));
        }
    };
    let ports = container.port_mappings.iter();
    let ports = ports.map(|p| match (p.host_port, &p.container_port_range) {
        (_, Some(range)) => format!("any→{range}/{}", p.protocol),
        (None | Some(0), None) => format!("any→{}/{}", p.container_port, p.protocol),
        (Some(host), None) => format!("{host}→{}/{}", p.container_port, p.protocol),
    });
    list("  ports", ports.collect(), " ");
    let variables = container.environment.iter();
    list(
        "  environment",
        variables.map(|e| e.name.clone()).collect(),
        " ",
    );
    let secrets = container.secrets.iter();
    let secrets = secrets.map(|it| format!("{} from {}", it.name, it.value_from));
    list("  secrets", secrets.collect(), ", ");
    let files = container.environment_files.iter();
    list(
        "  env files",
        files.map(|it| it.value.clone()).collect(),
        ", ",
    );
    let mounts = container.mount_points.iter();
    let mounts = mounts.map(|mount| mount_words(definition, mount));
    list("  mounts", mounts.collect(), ", ");
    let check = container.health_check.iter();
    list(
        "  health check",
        check.flat_map(|it| it.command.clone()).collect(),
        " ",
    );
    let depends = container.depends_on.iter();
    let depends = depends.map(|d| format!("{} {:?}", d.container_name, d.condition).to_lowercase());
    list("  depends on", depends.collect(), ", ");
    facts.extend(parameters::of_container(container));
    let without_effect = container.unsupported.keys();
    facts.extend(without_effect.map(|member| ("  no effect yet", member.clone())));
    facts
}

/// What is mounted where: `/srv/data at /data (read-only)`.
fn mount_words(definition: &TaskDefinition, mount: &MountPoint) -> String {
    let mut volumes = definition.volumes.iter();
    let volume = volumes.find(|it| it.name == mount.source_volume);
    let folder = volume
        .and_then(|it| it.host.as_ref())
        .and_then(|host| host.source_path.clone());
    let docker = volume.and_then(|it| it.docker_volume_configuration.as_ref());
    let from = match (folder, docker.map(|it| it.scope)) {
        (Some(folder), _) => folder,
        (None, Some(VolumeScope::Shared)) => format!("shared volume {}", mount.source_volume),
        (None, _) => format!("volume {}", mount.source_volume),
    };
    let read_only = if mount.read_only { " (read-only)" } else { "" };
    format!("{from} at {}{read_only}", mount.container_path)
}
