//! From what is to what was decided: the next actions at one engine. Pure.
//!
//! Level-triggered: every call looks at all of it afresh. What is under way is left out, and
//! with everything as wanted there is nothing to do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::docker::spec::{STOP_TIMEOUT_S, VolumeSpec};
use crate::docker::volume::is_volume_of;
use crate::docker::{holder, holder_image};
use crate::model::observation::{ContainerState, ObservedContainer};
use crate::model::{
    ContainerName, DeploymentId, DesiredStatus, InstanceName, LastStatus, State, Task, TaskId,
    TimeMs,
};

use super::order;
use super::start::bring_up;

/// What an action is about. One thing never has two actions at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The shared network.
    Network,
    /// A volume, by its name on the engine.
    Volume(String),
    /// An image, by its reference: however many tasks wait for it, it is pulled once.
    Image(String),
    /// What an image's tag stands for in a deployment.
    Pin(DeploymentId, String),
    /// A container of a task.
    Container(TaskId, ContainerName),
}

/// One thing to do at the engine, or to report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make the shared network if it is not there.
    EnsureNetwork,
    /// Make a volume if it is not there.
    EnsureVolume(VolumeSpec),
    /// Make the image of the tasks' holders if it is not there.
    EnsureHolderImage,
    /// Make sure that an image is there.
    Pull(String),
    /// Ask what an image's tag stands for, for a deployment that has not pinned it yet.
    Resolve {
        /// A task that waits for it.
        task: TaskId,
        /// Its deployment.
        deployment: DeploymentId,
        /// The image, as the definition names it.
        image: String,
    },
    /// Make a container.
    Create(TaskId, ContainerName),
    /// Start a container that was made.
    Start(TaskId, ContainerName, String),
    /// Stop a container that is up.
    Stop {
        /// Its task.
        task: TaskId,
        /// Its name in the task definition.
        container: ContainerName,
        /// The engine's id for it.
        runtime_id: String,
        /// Seconds between stop signal and kill.
        timeout_s: u32,
    },
    /// Remove a container that is not up.
    Remove(TaskId, ContainerName, String),
    /// Remove a volume that lived with a task.
    RemoveVolume(String),
    /// Report that a task cannot be brought up.
    Fail {
        /// The task.
        task: TaskId,
        /// The container it failed at.
        container: ContainerName,
        /// Why, in words.
        reason: String,
    },
}

impl Action {
    /// What it is about.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::EnsureNetwork => Key::Network,
            Self::EnsureVolume(volume) => Key::Volume(volume.name.clone()),
            Self::RemoveVolume(name) => Key::Volume(name.clone()),
            Self::Pull(image) => Key::Image(image.clone()),
            Self::EnsureHolderImage => Key::Image(holder_image::IMAGE.to_owned()),
            Self::Resolve {
                deployment, image, ..
            } => Key::Pin(deployment.clone(), image.clone()),
            Self::Create(task, container)
            | Self::Start(task, container, _)
            | Self::Remove(task, container, _)
            | Self::Stop {
                task, container, ..
            }
            | Self::Fail {
                task, container, ..
            } => Key::Container(*task, container.clone()),
        }
    }
}

/// What is known of an engine.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Every container by the engine's id.
    pub containers: BTreeMap<String, ObservedContainer>,
    /// Images that are known to be there.
    pub images: BTreeSet<String>,
    /// Images whose tag could not be resolved because no registry answered and they are not
    /// there: once pulled, the engine itself knows.
    pub pull_first: BTreeSet<String>,
    /// Images that no registry gives this engine: where no other instance could resolve them
    /// either, what their tag names here is run.
    pub local: BTreeSet<String>,
    /// The shared network is known to be there.
    pub network: bool,
    /// Volumes that are known to be there.
    pub volumes: BTreeSet<String>,
    /// Since when each container that is up was seen so, in the agent's own clock: engines'
    /// clocks may differ from it.
    pub up_since: BTreeMap<String, TimeMs>,
}

impl World {
    /// Takes note of whether a container is up.
    pub fn note(&mut self, runtime_id: &str, is_up: bool, now: TimeMs) {
        if !is_up {
            self.up_since.remove(runtime_id);
        } else if !self.up_since.contains_key(runtime_id) {
            self.up_since.insert(runtime_id.to_owned(), now);
        }
    }

    /// Takes note of which of all containers are up.
    pub fn note_all(&mut self, now: TimeMs) {
        let up = self.containers.iter().filter(|(_, c)| c.state.is_up());
        let since = up.map(|(id, _)| (id.clone(), *self.up_since.get(id).unwrap_or(&now)));
        self.up_since = since.collect();
    }
}

/// All that a step looks at.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The instance whose engine this is.
    pub instance: &'a InstanceName,
    /// What was decided. With no control plane id in it, nothing has been decided yet.
    pub state: &'a State,
    /// This instance's tasks, as in `state`.
    pub tasks: &'a BTreeMap<TaskId, Arc<Task>>,
    /// What is there.
    pub world: &'a World,
    /// What is under way, or waits for its time to be tried again.
    pub busy: &'a BTreeSet<Key>,
    /// Tasks that were reported as failed.
    pub failed: &'a BTreeSet<TaskId>,
    /// Now, in the agent's own clock.
    pub now: TimeMs,
}

/// The next actions, the most urgent first. Empty when all is as decided, or under way.
#[must_use]
pub fn step(view: &View<'_>) -> Vec<Action> {
    if view.state.control_plane.is_empty() {
        return Vec::new();
    }
    let owned = owned(view);
    let mut actions = Vec::new();
    for task in view.tasks.values() {
        let containers = owned.get(&task.id);
        if is_to_stop(task) {
            stop(view, task, containers, &mut actions);
        } else if !view.failed.contains(&task.id) {
            bring_up(view, task, containers, &mut actions);
        }
    }
    for (task, containers) in &owned {
        if is_left_behind(view, *task) {
            clear(*task, containers, &mut actions);
        }
    }
    clear_volumes(view, &owned, &mut actions);
    let mut seen = BTreeSet::new();
    actions.retain(|action| {
        let key = action.key();
        !view.busy.contains(&key) && seen.insert(key)
    });
    actions.sort_by_key(urgency);
    actions
}

/// Starts come before creates, so that tasks are finished one after the other rather than all
/// begun; what takes something away comes last.
fn urgency(action: &Action) -> u8 {
    match action {
        Action::Fail { .. } => 0,
        Action::Stop { .. } => 1,
        Action::EnsureNetwork
        | Action::EnsureVolume(_)
        | Action::EnsureHolderImage
        | Action::Pull(_)
        | Action::Resolve { .. } => 2,
        Action::Start(..) => 3,
        Action::Create(..) => 4,
        Action::Remove(..) | Action::RemoveVolume(_) => 5,
    }
}

/// Whether a task is never to be started again.
#[must_use]
pub fn is_to_stop(task: &Task) -> bool {
    task.desired_status == DesiredStatus::Stopped || task.last_status >= LastStatus::Stopping
}

/// A task's containers on this engine, by their names in the definition.
pub(super) type Owned<'a> = BTreeMap<&'a ContainerName, &'a ObservedContainer>;

/// This control plane's containers by task.
pub(super) fn owned<'a>(view: &View<'a>) -> BTreeMap<TaskId, Owned<'a>> {
    let mut owned: BTreeMap<TaskId, Owned<'a>> = BTreeMap::new();
    for container in view.world.containers.values() {
        if let Some(owner) = view.state.owner_of(container) {
            let of_task = owned.entry(owner.task).or_default();
            of_task.insert(&owner.container, container);
        }
    }
    owned
}

/// The observed container of that name, if the task has any.
pub(super) fn find<'a>(
    owned: Option<&Owned<'a>>,
    name: &ContainerName,
) -> Option<&'a ObservedContainer> {
    owned.and_then(|o| o.get(name)).copied()
}

/// Stops a task's containers in reverse dependency order. A container that never started has
/// nothing to stop and no logs worth keeping: it is removed.
fn stop(view: &View<'_>, task: &Task, owned: Option<&Owned<'_>>, actions: &mut Vec<Action>) {
    let Some(owned) = owned else { return };
    let definition = view.state.task_definitions.get(&task.task_definition);
    for (name, container) in owned {
        if name.is_holder() {
            release(view, task, container, owned, actions);
            continue;
        }
        if container.state == ContainerState::Created {
            actions.push(remove(task.id, name, container));
        }
        if !container.state.is_up() {
            continue;
        }
        let held_up = definition.is_some_and(|d| {
            order::dependents(d, name).any(|other| {
                let key = Key::Container(task.id, other.clone());
                let up = owned.get(other).is_some_and(|c| c.state.is_up());
                up || view.busy.contains(&key)
            })
        });
        if !held_up {
            let timeout_s = definition
                .and_then(|d| d.container(name))
                .and_then(|c| c.stop_timeout)
                .unwrap_or(STOP_TIMEOUT_S);
            actions.push(Action::Stop {
                task: task.id,
                container: (*name).clone(),
                runtime_id: container.runtime_id.clone(),
                timeout_s,
            });
        }
    }
}

/// Stops a task's holder after everything that it holds for has ended, and removes it: it has no
/// logs worth keeping.
fn release(
    view: &View<'_>,
    task: &Task,
    holder: &ObservedContainer,
    owned: &Owned<'_>,
    actions: &mut Vec<Action>,
) {
    let others = owned.iter().filter(|(name, _)| !name.is_holder());
    let in_use = others.into_iter().any(|(_, c)| !c.state.has_ended());
    let busy = |name: &ContainerName| view.busy.contains(&Key::Container(task.id, name.clone()));
    if in_use || task.containers.iter().any(|c| busy(&c.name)) {
        return;
    }
    let name = ContainerName::holder();
    if holder.state.is_up() {
        actions.push(Action::Stop {
            task: task.id,
            container: name,
            runtime_id: holder.runtime_id.clone(),
            timeout_s: holder::STOP_TIMEOUT_S,
        });
    } else if holder.state != ContainerState::Removing {
        actions.push(remove(task.id, &name, holder));
    }
}

/// Whether nobody else sees to a task's containers any more: the state does not know the task,
/// or counts it as STOPPED on an instance that left the fleet. That one may have come back under
/// another name, with its containers running.
fn is_left_behind(view: &View<'_>, task: TaskId) -> bool {
    view.state
        .tasks
        .get(&task)
        .is_none_or(|task| task.is_stopped() && !view.state.instances.contains_key(&task.instance))
}

/// Stops and removes the containers of a task that was left behind, its holder last.
fn clear(task: TaskId, containers: &Owned<'_>, actions: &mut Vec<Action>) {
    for (name, container) in containers {
        if name.is_holder() && containers.len() > 1 {
            continue;
        }
        if container.state.is_up() {
            actions.push(Action::Stop {
                task,
                container: (*name).clone(),
                runtime_id: container.runtime_id.clone(),
                timeout_s: match name.is_holder() {
                    true => holder::STOP_TIMEOUT_S,
                    false => STOP_TIMEOUT_S,
                },
            });
        } else if container.state != ContainerState::Removing {
            actions.push(remove(task, name, container));
        }
    }
}

fn remove(task: TaskId, name: &ContainerName, container: &ObservedContainer) -> Action {
    Action::Remove(task, name.clone(), container.runtime_id.clone())
}

/// Removes the volumes of tasks that are over and have no container left.
fn clear_volumes(view: &View<'_>, owned: &BTreeMap<TaskId, Owned<'_>>, actions: &mut Vec<Action>) {
    for name in &view.world.volumes {
        let Some(task) = volume_owner(name) else {
            continue;
        };
        let own = view.tasks.get(&task);
        let over = own.is_some_and(|task| task.is_stopped()) || is_left_behind(view, task);
        if over && !owned.contains_key(&task) {
            actions.push(Action::RemoveVolume(name.clone()));
        }
    }
}

/// The task that a volume of this name lives with.
#[must_use]
pub fn volume_owner(name: &str) -> Option<TaskId> {
    let task = name.rsplit('-').next()?.parse().ok()?;
    is_volume_of(name, task).then_some(task)
}

/// The stopping tasks of which nothing is left up, to be made, or under way: a report made from
/// now on confirms their stop.
#[must_use]
pub fn settled(view: &View<'_>) -> BTreeSet<TaskId> {
    let owned = owned(view);
    let stopping = view
        .tasks
        .values()
        .filter(|t| is_to_stop(t) && !t.is_stopped());
    let over = stopping.filter(|task| {
        let containers = owned.get(&task.id).into_iter().flatten();
        let all_ended = containers
            .map(|(_, c)| c.state)
            .all(ContainerState::has_ended);
        let busy =
            |name: &ContainerName| view.busy.contains(&Key::Container(task.id, name.clone()));
        let mut all = task.containers.iter().map(|c| &c.name);
        all_ended && !busy(&ContainerName::holder()) && !all.any(busy)
    });
    over.map(|t| t.id).collect()
}
