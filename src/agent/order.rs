//! Which of a task's containers comes before which. Pure.

use std::collections::BTreeSet;

use crate::model::observation::{ContainerState, ObservedContainer};
use crate::model::task::Health;
use crate::model::task_definition::{Dependency, DependencyCondition};
use crate::model::{ContainerDefinition, ContainerName, TaskDefinition};

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

/// The containers that one links to. `NAME:ALIAS` counts as `NAME`.
pub fn links(container: &ContainerDefinition) -> impl Iterator<Item = ContainerName> {
    container
        .links
        .iter()
        .filter_map(|link| ContainerName::new(link.split(':').next().unwrap_or(link)).ok())
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
        .filter(move |c| &c.name != name && comes_after(c, name))
        .map(|c| &c.name)
}

fn comes_after(container: &ContainerDefinition, name: &ContainerName) -> bool {
    let depends = container.depends_on.iter();
    depends.map(|d| &d.container_name).any(|n| n == name)
        || links(container).any(|linked| &linked == name)
}

/// The first container that can never start because of how the definition orders them: it waits
/// for one that is not there, or they wait for each other.
#[must_use]
pub fn impossible(definition: &TaskDefinition) -> Option<(ContainerName, String)> {
    let all = &definition.container_definitions;
    for container in all {
        let named = container
            .depends_on
            .iter()
            .map(|d| d.container_name.clone());
        for name in named.chain(links(container)) {
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
        if placed.len() == all.len() {
            return None;
        }
        if placed.len() == before {
            break;
        }
    }
    let stuck: Vec<_> = all.iter().filter(|c| !placed.contains(&c.name)).collect();
    let names: Vec<_> = stuck.iter().map(|c| c.name.as_str()).collect();
    let reason = format!(
        "ContainerDependencyError: containers {} wait for each other",
        names.join(", ")
    );
    stuck.first().map(|c| (c.name.clone(), reason))
}

/// Whether a dependency lets its container start. `gone`: the other was made and is not on the
/// engine any more. `checked`: the definition gives the other a health check.
#[must_use]
pub fn gate(
    dependency: &Dependency,
    other: Option<&ObservedContainer>,
    gone: bool,
    checked: bool,
) -> Gate {
    let name = &dependency.container_name;
    let state = other.map(|o| o.state);
    let up = state.is_some_and(ContainerState::is_up);
    let ended = gone || state.is_some_and(ContainerState::has_ended);
    match dependency.condition {
        DependencyCondition::Start | DependencyCondition::Complete if ended => Gate::Open,
        DependencyCondition::Start if up => Gate::Open,
        DependencyCondition::Success if ended => match other.and_then(|o| o.exit_code) {
            Some(0) => Gate::Open,
            Some(code) => Gate::Shut(format!(
                "waits for container {name} to end with exit code 0; it ended with exit code {code}"
            )),
            None => Gate::Shut(format!(
                "waits for container {name} to end with exit code 0; it is gone and its exit code is not known"
            )),
        },
        DependencyCondition::Healthy if ended => Gate::Shut(format!(
            "waits for container {name} to be healthy; it has ended"
        )),
        DependencyCondition::Healthy if !checked => Gate::Shut(format!(
            "waits for container {name} to be healthy; that container has no health check"
        )),
        DependencyCondition::Healthy if up => match other.and_then(|o| o.health) {
            Some(Health::Healthy) => Gate::Open,
            _ => Gate::Wait,
        },
        _ => Gate::Wait,
    }
}
