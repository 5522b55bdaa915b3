//! Which of a task's containers comes before which. Pure.

use std::collections::BTreeSet;

use crate::model::observation::{ContainerState, ObservedContainer};
use crate::model::task::Health;
use crate::model::task_definition::{Dependency, DependencyCondition};
use crate::model::{ContainerDefinition, ContainerName, TaskDefinition, TimeMs};

/// Whether a container may start, as far as one other is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// It may.
    Open,
    /// Not yet.
    Wait,
    /// Never: what it waits for cannot come any more. The text follows the container's name.
    Shut(String),
}

/// The container that another one waits for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Other<'a> {
    /// As the task definition has it.
    pub definition: Option<&'a ContainerDefinition>,
    /// As its engine has it.
    pub found: Option<&'a ObservedContainer>,
    /// It was made and is not on the engine any more.
    pub gone: bool,
    /// How it ended, as far as the state knows: it outlives the container.
    pub exit_code: Option<i64>,
    /// Since when it is seen to be up.
    pub up_since: Option<TimeMs>,
}

/// The containers that one links to. `NAME:ALIAS` counts as `NAME`.
pub fn links(container: &ContainerDefinition) -> impl Iterator<Item = ContainerName> {
    container
        .links
        .iter()
        .filter_map(|link| ContainerName::new(link.split(':').next().unwrap_or(link)).ok())
}

/// The containers that must be there before one can be made: those it links to, and those whose
/// volumes it mounts. They need not run.
pub fn made_before(container: &ContainerDefinition) -> impl Iterator<Item = ContainerName> {
    let sources = container.volumes_from.iter();
    links(container).chain(sources.map(|from| from.source_container.clone()))
}

/// A dependency on the start of a container, which is what a link amounts to.
#[must_use]
pub fn started(container_name: ContainerName) -> Dependency {
    Dependency {
        container_name,
        condition: DependencyCondition::Start,
    }
}

/// The containers that must end before this one is stopped: those that wait for it or link to it.
pub fn dependents<'a>(
    definition: &'a TaskDefinition,
    name: &'a ContainerName,
) -> impl Iterator<Item = &'a ContainerName> {
    definition
        .container_definitions
        .iter()
        .filter(move |c| &c.name != name && starts_after(c, name))
        .map(|c| &c.name)
}

fn starts_after(container: &ContainerDefinition, name: &ContainerName) -> bool {
    let depends = container.depends_on.iter();
    depends.map(|d| &d.container_name).any(|n| n == name)
        || links(container).any(|linked| &linked == name)
}

fn made_after(container: &ContainerDefinition, name: &ContainerName) -> bool {
    made_before(container).any(|before| &before == name)
}

/// The first container that can never start because of how the definition orders them: it needs
/// one that is not there, or they wait for each other.
#[must_use]
pub fn impossible(definition: &TaskDefinition) -> Option<(ContainerName, String)> {
    let all = &definition.container_definitions;
    for container in all {
        let depends = container.depends_on.iter();
        let named = depends.map(|d| d.container_name.clone());
        for name in named.chain(made_before(container)) {
            if definition.container(&name).is_none() {
                let reason = format!(
                    "ContainerDependencyError: container {} waits for container {name}, which \
                     the task definition does not have",
                    container.name
                );
                return Some((container.name.clone(), reason));
            }
        }
    }
    let stuck = [stuck(all, starts_after), stuck(all, made_after)];
    let stuck = stuck.into_iter().find(|stuck| !stuck.is_empty())?;
    let names: Vec<_> = stuck.iter().map(|c| c.name.as_str()).collect();
    let reason = format!(
        "ContainerDependencyError: containers {} wait for each other",
        names.join(", ")
    );
    stuck.first().map(|c| (c.name.clone(), reason))
}

/// The containers that no order can place: each comes after another of them.
fn stuck(
    all: &[ContainerDefinition],
    comes_after: fn(&ContainerDefinition, &ContainerName) -> bool,
) -> Vec<&ContainerDefinition> {
    let mut placed = BTreeSet::new();
    loop {
        let before = placed.len();
        for container in all {
            let waits = all
                .iter()
                .any(|other| !placed.contains(&other.name) && comes_after(container, &other.name));
            if !waits {
                placed.insert(container.name.clone());
            }
        }
        if placed.len() == before {
            return all.iter().filter(|c| !placed.contains(&c.name)).collect();
        }
    }
}

/// Whether a dependency lets its container start.
#[must_use]
pub fn gate(dependency: &Dependency, other: &Other<'_>) -> Gate {
    let name = &dependency.container_name;
    let state = other.found.map(|o| o.state);
    let up = state.is_some_and(ContainerState::is_up);
    let ended = other.gone || state.is_some_and(ContainerState::has_ended);
    let restarts = match (other.definition, other.found) {
        (Some(definition), Some(found)) => definition.restarts(found),
        _ => false,
    };
    let checked = other
        .definition
        .is_some_and(ContainerDefinition::checks_health);
    match dependency.condition {
        DependencyCondition::Start if ended || up => Gate::Open,
        // What is started again has not come to its end.
        _ if restarts => Gate::Wait,
        DependencyCondition::Complete if ended => Gate::Open,
        DependencyCondition::Success if ended => {
            match other.found.and_then(|o| o.exit_code).or(other.exit_code) {
                Some(0) => Gate::Open,
                Some(code) => Gate::Shut(format!(
                    "waits for container {name} to end with exit code 0; it ended with exit code \
                     {code}"
                )),
                None => Gate::Shut(format!(
                    "waits for container {name} to end with exit code 0; it is gone and its exit \
                     code is not known"
                )),
            }
        }
        DependencyCondition::Healthy if ended => Gate::Shut(format!(
            "waits for container {name} to be healthy; it has ended"
        )),
        DependencyCondition::Healthy if !checked => Gate::Shut(format!(
            "waits for container {name} to be healthy; that container has no health check"
        )),
        DependencyCondition::Healthy if up => match other.found.and_then(|o| o.health) {
            Some(Health::Healthy) => Gate::Open,
            _ => Gate::Wait,
        },
        _ => Gate::Wait,
    }
}

/// Until when a dependency is waited for: so long after the other container was started as its
/// `startTimeout` says. Its start itself is not bounded, as in ECS.
#[must_use]
pub fn deadline(dependency: &Dependency, other: &Other<'_>) -> Option<TimeMs> {
    if dependency.condition == DependencyCondition::Start {
        return None;
    }
    let timeout_s = other.definition?.start_timeout?;
    Some(other.up_since?.plus_ms(u64::from(timeout_s) * 1000))
}

/// Why a container whose wait went beyond the deadline does not start. Follows its name.
#[must_use]
pub fn too_long(dependency: &Dependency, other: &Other<'_>) -> String {
    let wanted = match dependency.condition {
        DependencyCondition::Start => "START",
        DependencyCondition::Complete => "COMPLETE",
        DependencyCondition::Success => "SUCCESS",
        DependencyCondition::Healthy => "HEALTHY",
    };
    let timeout_s = other.definition.and_then(|c| c.start_timeout);
    let name = &dependency.container_name;
    format!(
        "waits for container {name} to be {wanted}; it was not within its startTimeout of {} s",
        timeout_s.unwrap_or_default()
    )
}
