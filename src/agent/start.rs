//! Bringing a task up: what it needs is made, then its containers, each in its turn. Pure.

use crate::docker::holder_image;
use crate::docker::volume::task_volumes;
use crate::model::grants;
use crate::model::observation::{ContainerState, ObservedContainer};
use crate::model::shared::{Shared, network_mode};
use crate::model::task_definition::NetworkMode;
use crate::model::{ContainerDefinition, ContainerName, Task, TaskDefinition, TimeMs};

use super::order::{self, Gate, Other};
use super::pins::{self, Source};
use super::step::{Action, Owned, View, find, is_to_stop, owned};

/// Takes the next steps of a task that is to run.
pub(super) fn bring_up(
    view: &View<'_>,
    task: &Task,
    owned: Option<&Owned<'_>>,
    actions: &mut Vec<Action>,
) {
    let definition = match view.state.task_definitions.get(&task.task_definition) {
        Some(definition) => definition,
        None => return fail_whole(task, actions),
    };
    let essential_gone = definition
        .container_definitions
        .iter()
        .any(|c| c.essential && is_over(task, c, find(owned, &c.name)));
    if essential_gone {
        return; // The task is as good as stopped: nothing more of it starts.
    }
    if let Some((container, reason)) = order::impossible(definition) {
        actions.push(Action::Fail {
            task: task.id,
            container,
            reason,
        });
        return;
    }
    let ready = surroundings(view, task, definition, owned, actions);
    let held = hold(view, task, definition, owned, actions);
    if held == Held::Lost {
        return; // With its namespaces the task is as good as stopped, too.
    }
    for container in &definition.container_definitions {
        match find(owned, &container.name) {
            Some(_) if held != Held::Up => {}
            Some(found) if found.state == ContainerState::Created => {
                start(view, task, definition, container, found, owned, actions);
            }
            Some(found) if container.restarts(found) => {
                actions.push(begin(task, container, found));
            }
            Some(_) => {}
            None if is_over(task, container, None) => {}
            None => {
                let based = order::made_before(container).all(|name| find(owned, &name).is_some());
                let ready = ready && held != Held::Missing;
                let made_from = made_from(view, task, container);
                let there =
                    matches!(made_from, Source::Image(image) if view.world.images.contains(&image));
                if ready && based && there {
                    actions.push(Action::Create(task.id, container.name.clone()));
                }
            }
        }
    }
}

/// How it stands with what a task's containers share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// Its holder is up, or it needs none: containers can start.
    Up,
    /// Its holder is made and does not run yet: containers can be made.
    Made,
    /// Its holder is not there yet.
    Missing,
    /// Its holder is over, and what it held with it.
    Lost,
}

/// Takes the next step of a task's holder, if it needs one.
fn hold(
    view: &View<'_>,
    task: &Task,
    definition: &TaskDefinition,
    owned: Option<&Owned<'_>>,
    actions: &mut Vec<Action>,
) -> Held {
    let shared = Shared::of(task, definition);
    if !shared.any() {
        return Held::Up;
    }
    let name = ContainerName::holder();
    match find(owned, &name) {
        Some(holder) if holder.state.is_up() => return Held::Up,
        Some(holder) if holder.state == ContainerState::Created => {
            let id = holder.runtime_id.clone();
            actions.push(Action::Start(task.id, name, id));
            return Held::Made;
        }
        Some(_) => return Held::Lost,
        // It is made before all others.
        None if owned.is_some() => return Held::Lost,
        None => {}
    }
    let image = view.world.images.contains(holder_image::IMAGE);
    let network = view.world.network || !shared.network;
    if !image {
        actions.push(Action::EnsureHolderImage);
    }
    if !network {
        actions.push(Action::EnsureNetwork);
    }
    if image && network {
        actions.push(Action::Create(task.id, name));
    }
    Held::Missing
}

/// A definition that is not known cannot be run.
fn fail_whole(task: &Task, actions: &mut Vec<Action>) {
    if let Some(first) = task.containers.first() {
        actions.push(Action::Fail {
            task: task.id,
            container: first.name.clone(),
            reason: format!(
                "CannotCreateContainerError: the task definition {} is not known any more",
                task.task_definition
            ),
        });
    }
}

/// Whether a container ran and is over: it has ended for good, or it is gone.
fn is_over(
    task: &Task,
    container: &ContainerDefinition,
    found: Option<&ObservedContainer>,
) -> bool {
    match found {
        Some(found) => found.state.has_ended() && !container.restarts(found),
        None => is_gone(task, &container.name),
    }
}

/// Whether a container that the engine does not have was made before, as the state knows.
fn is_gone(task: &Task, name: &ContainerName) -> bool {
    let mut known = task.containers.iter();
    known.any(|c| &c.name == name && !c.runtime_id.is_empty())
}

/// Asks for the network, the volumes and the images that are still missing. Whether containers
/// can be made: network and volumes are there (images count container by container).
fn surroundings(
    view: &View<'_>,
    task: &Task,
    definition: &TaskDefinition,
    owned: Option<&Owned<'_>>,
    actions: &mut Vec<Action>,
) -> bool {
    let missing = |c: &&ContainerDefinition| {
        let found = find(owned, &c.name);
        found.is_none() && !is_gone(task, &c.name)
    };
    let to_make: Vec<_> = definition
        .container_definitions
        .iter()
        .filter(missing)
        .collect();
    let Some(first) = to_make.first() else {
        return true;
    };
    // It may have been placed before the config took a grant away.
    let roles = &view.state.roles;
    if let Some(missing) = grants::missing(roles, definition, task.overrides.as_deref()).first() {
        let container = missing.container.as_ref().unwrap_or(&first.name);
        actions.push(Action::Fail {
            task: task.id,
            container: container.clone(),
            reason: format!("ResourceInitializationError: {missing}"),
        });
        return false;
    }
    let mut ready = true;
    if network_mode(task, definition) == NetworkMode::Bridge && !view.world.network {
        actions.push(Action::EnsureNetwork);
        ready = false;
    }
    for volume in task_volumes(task, definition, &view.state.control_plane) {
        if !view.world.volumes.contains(&volume.name) {
            actions.push(Action::EnsureVolume(volume));
            ready = false;
        }
    }
    for container in to_make {
        actions.extend(image(view, task, container));
    }
    ready
}

/// What a container is made from, by what this engine has said of its image.
fn made_from(view: &View<'_>, task: &Task, container: &ContainerDefinition) -> Source {
    match pins::source(view.state, task, container) {
        Source::Local(_) if view.world.local.contains(&container.image) => {
            Source::Image(container.image.clone())
        }
        other => other,
    }
}

/// What is still to be done about a container's image: first to know which it is, then to have
/// it. What has been asked stays under way until the pin is decided.
fn image(view: &View<'_>, task: &Task, container: &ContainerDefinition) -> Option<Action> {
    let there = |image: &String| view.world.images.contains(image);
    match made_from(view, task, container) {
        Source::Image(image) => (!there(&image)).then_some(Action::Pull(image)),
        Source::Unresolved(deployment) | Source::Local(deployment) => {
            let image = container.image.clone();
            if view.world.pull_first.contains(&image) && !there(&image) {
                return Some(Action::Pull(image));
            }
            Some(Action::Resolve {
                task: task.id,
                deployment,
                image,
            })
        }
    }
}

/// Starts a container that was made, once everything it waits for has come far enough.
fn start(
    view: &View<'_>,
    task: &Task,
    definition: &TaskDefinition,
    container: &ContainerDefinition,
    found: &ObservedContainer,
    owned: Option<&Owned<'_>>,
    actions: &mut Vec<Action>,
) {
    match waits(view, task, definition, container, owned) {
        Waits::Over => actions.push(begin(task, container, found)),
        Waits::Until(_) => {}
        Waits::InVain(why) => actions.push(Action::Fail {
            task: task.id,
            container: container.name.clone(),
            reason: format!(
                "ContainerDependencyError: container {} {why}",
                container.name
            ),
        }),
    }
}

fn begin(task: &Task, container: &ContainerDefinition, found: &ObservedContainer) -> Action {
    Action::Start(task.id, container.name.clone(), found.runtime_id.clone())
}

/// What is to become of a container that was made and waits for others.
enum Waits {
    /// Everything has come: it starts.
    Over,
    /// Something has not come yet; `Some` = it is waited for until then.
    Until(Option<TimeMs>),
    /// Something does not come any more. The text follows the container's name.
    InVain(String),
}

fn waits(
    view: &View<'_>,
    task: &Task,
    definition: &TaskDefinition,
    container: &ContainerDefinition,
    owned: Option<&Owned<'_>>,
) -> Waits {
    let linked = order::links(container).map(order::started);
    let depended = container.depends_on.iter().cloned();
    let mut until = None;
    for dependency in depended.chain(linked) {
        let name = &dependency.container_name;
        let found = find(owned, name);
        let known = task.containers.iter().find(|c| &c.name == name);
        let other = Other {
            definition: definition.container(name),
            found,
            gone: found.is_none() && is_gone(task, name),
            exit_code: known.and_then(|c| c.exit_code),
            up_since: found.and_then(|c| view.world.up_since.get(&c.runtime_id).copied()),
        };
        match order::gate(&dependency, &other) {
            Gate::Open => {}
            Gate::Shut(why) => return Waits::InVain(why),
            Gate::Wait => match order::deadline(&dependency, &other) {
                Some(deadline) if deadline <= view.now => {
                    return Waits::InVain(order::too_long(&dependency, &other));
                }
                deadline => {
                    let sooner = until.flatten().into_iter().chain(deadline).min();
                    until = Some(sooner);
                }
            },
        }
    }
    until.map_or(Waits::Over, Waits::Until)
}

/// When the next step is due though nothing happens: a container has then waited for another as
/// long as that one's `startTimeout` allows.
#[must_use]
pub fn wake(view: &View<'_>) -> Option<TimeMs> {
    let mut all_owned = None;
    let mut wake: Option<TimeMs> = None;
    for task in view.tasks.values().filter(|task| !is_to_stop(task)) {
        let definition = view.state.task_definitions.get(&task.task_definition);
        let Some(definition) = definition.filter(|d| is_timed(d)) else {
            continue;
        };
        let of_task = all_owned.get_or_insert_with(|| owned(view)).get(&task.id);
        for container in &definition.container_definitions {
            let found = find(of_task, &container.name);
            if found.is_none_or(|c| c.state != ContainerState::Created) {
                continue;
            }
            if let Waits::Until(Some(until)) = waits(view, task, definition, container, of_task) {
                wake = Some(wake.map_or(until, |wake| wake.min(until)));
            }
        }
    }
    wake
}

fn is_timed(definition: &TaskDefinition) -> bool {
    let mut all = definition.container_definitions.iter();
    all.any(|c| c.start_timeout.is_some())
}
