//! Which volumes an engine must have before a task's containers are made. Pure.

use crate::model::task_definition::{Volume, VolumeScope};
use crate::model::{Task, TaskDefinition, TaskId};

use super::spec::{VolumeSpec, label};

/// What a volume of a task definition is on the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeSource {
    /// A folder of the host.
    Folder(String),
    /// A Docker volume of this name, which lives as long as the task.
    OfTask(String),
    /// A Docker volume of this name, which stays.
    Shared(String),
}

/// What a volume of this task is on the engine. A mount's source is read from this, so that the
/// volume that is made and the one that is mounted are the same. A volume that names neither a
/// folder nor a Docker volume belongs to the task, as in ECS: its containers share it.
#[must_use]
pub fn volume_source(task: &Task, volume: &Volume) -> VolumeSource {
    let folder = volume.host.as_ref().and_then(|h| h.source_path.as_ref());
    match (&volume.docker_volume_configuration, folder) {
        (Some(docker), _) if docker.scope == VolumeScope::Shared => {
            VolumeSource::Shared(volume.name.clone())
        }
        (None, Some(path)) => VolumeSource::Folder(path.clone()),
        _ => VolumeSource::OfTask(task_volume_name(task, &volume.name)),
    }
}

/// `qd-FAMILY-REVISION-VOLUME-TASKID`: ends in the task's id, as its containers' names do.
fn task_volume_name(task: &Task, volume: &str) -> String {
    let definition = &task.task_definition;
    let (family, revision) = (&definition.family, definition.revision);
    format!("qd-{family}-{revision}-{volume}-{}", task.id)
}

/// Whether a volume of this name lives and dies with that task.
#[must_use]
pub fn is_volume_of(name: &str, task: TaskId) -> bool {
    name.starts_with("qd-") && name.ends_with(&format!("-{task}"))
}

/// The Docker volumes that must be there before the task's containers are made. A shared one
/// that is not to be made (`autoprovision` is not true) is left to whoever made it.
#[must_use]
pub fn task_volumes(
    task: &Task,
    definition: &TaskDefinition,
    control_plane: &str,
) -> Vec<VolumeSpec> {
    definition
        .volumes
        .iter()
        .filter_map(|volume| {
            let docker = volume.docker_volume_configuration.clone();
            let asked = docker.as_ref().and_then(|d| d.autoprovision) == Some(true);
            let (name, ours) = match volume_source(task, volume) {
                VolumeSource::Folder(_) => return None,
                VolumeSource::Shared(_) if !asked => return None,
                VolumeSource::Shared(name) => (name, false),
                VolumeSource::OfTask(name) => (name, true),
            };
            let docker = docker.unwrap_or_default();
            let mut labels = docker.labels;
            if ours {
                labels.insert(label::TASK_ID.to_owned(), task.id.to_string());
                labels.insert(label::CONTROL_PLANE.to_owned(), control_plane.to_owned());
            }
            Some(VolumeSpec {
                name,
                driver: docker.driver,
                driver_opts: docker.driver_opts,
                labels,
            })
        })
        .collect()
}
