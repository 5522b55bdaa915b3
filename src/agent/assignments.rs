//! What was decided for one instance, kept up with the snapshots at the cost of what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::ordmap::DiffItem;

use crate::docker::ContainerSpec;
use crate::docker::holder::holder_spec;
use crate::docker::spec::container_spec;
use crate::docker::volume::task_volumes;
use crate::model::shared::Shared;
use crate::model::{ContainerName, InstanceName, Snapshot, State, Task, TaskDefinition, TaskId};

use super::pins;

/// The decisions that concern one instance.
#[derive(Debug)]
pub struct Assignments {
    instance: InstanceName,
    /// The newest snapshot.
    pub snapshot: Arc<Snapshot>,
    /// This instance's tasks in it, stopped ones included.
    pub tasks: BTreeMap<TaskId, Arc<Task>>,
}

/// Whether a deployment of any service has pinned another image since.
fn new_pins(old: &State, new: &State) -> bool {
    old.services.diff(&new.services).any(|item| match item {
        DiffItem::Update {
            old: (_, old),
            new: (_, new),
        } => new.deployments.iter().any(|deployment| {
            let before = old.deployments.iter().find(|d| d.id == deployment.id);
            before.is_none_or(|before| before.images != deployment.images)
        }),
        DiffItem::Add(..) => true,
        DiffItem::Remove(..) => false,
    })
}

impl Assignments {
    /// Nothing yet: take a snapshot in next.
    #[must_use]
    pub fn new(instance: InstanceName) -> Self {
        Self {
            instance,
            snapshot: Arc::default(),
            tasks: BTreeMap::new(),
        }
    }

    /// Takes a newer snapshot in. Whether anything in it concerns this instance.
    pub fn advance(&mut self, snapshot: Arc<Snapshot>) -> bool {
        let (old, new) = (&self.snapshot.state, &snapshot.state);
        let mut concerned = old.control_plane != new.control_plane
            || !old.task_definitions.ptr_eq(&new.task_definitions)
            || new_pins(old, new);
        for difference in old.tasks.diff(&new.tasks) {
            match difference {
                DiffItem::Add(id, task)
                | DiffItem::Update {
                    new: (id, task), ..
                } => {
                    if task.instance == self.instance {
                        self.tasks.insert(*id, task.clone());
                        concerned = true;
                    } else {
                        concerned |= self.tasks.remove(id).is_some();
                    }
                }
                // Even a task of another instance: its containers may be on this engine.
                DiffItem::Remove(id, _) => {
                    self.tasks.remove(id);
                    concerned = true;
                }
            }
        }
        self.snapshot = snapshot;
        concerned
    }

    /// A task's definition.
    #[must_use]
    pub fn definition(&self, task: &Task) -> Option<&Arc<TaskDefinition>> {
        let definitions = &self.snapshot.state.task_definitions;
        definitions.get(&task.task_definition)
    }

    /// What to make for a container of a task; `None` if either is not known any more.
    #[must_use]
    pub fn spec(&self, task: TaskId, container: &ContainerName) -> Option<ContainerSpec> {
        let task = self.tasks.get(&task)?;
        let state = &self.snapshot.state;
        let definition = state.definition_of(task)?;
        let (plane, arn) = (&state.control_plane, state.partition(&task.cluster));
        if container.is_holder() {
            return holder_spec(task, &definition, plane, &arn);
        }
        let container = definition.container(container)?;
        Some(ContainerSpec {
            image: pins::image(state, task, container),
            ..container_spec(task, &definition, container, plane, &arn)
        })
    }

    /// Every container of this instance's tasks that is made from that image, or will be once
    /// it is known what the image's tag stands for.
    pub fn users_of_image<'a>(
        &'a self,
        image: &'a str,
    ) -> impl Iterator<Item = (TaskId, &'a ContainerName)> {
        self.tasks.values().flat_map(move |task| {
            let containers = self.definition(task).map(|d| &d.container_definitions);
            let containers = containers.into_iter().flatten();
            containers
                .filter(move |c| pins::image(&self.snapshot.state, task, c) == image)
                .map(|c| (task.id, &c.name))
        })
    }

    /// Whether a task's containers share anything, so that it has a holder.
    #[must_use]
    pub fn is_held(&self, task: TaskId) -> bool {
        self.tasks.get(&task).is_some_and(|task| {
            let definition = self.definition(task);
            definition.is_some_and(|d| Shared::of(task, d).any())
        })
    }

    /// The tasks that need that volume.
    #[must_use]
    pub fn users_of_volume(&self, name: &str) -> BTreeSet<TaskId> {
        let needs = |task: &&Arc<Task>| {
            self.definition(task)
                .is_some_and(|d| task_volumes(task, d, "").iter().any(|v| v.name == name))
        };
        self.tasks.values().filter(needs).map(|t| t.id).collect()
    }
}
