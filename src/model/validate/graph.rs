//! Which container waits for which, and whether that goes round in a circle.

use super::{Faults, TaskDefinition};
use crate::model::ContainerName;

/// The index of the container of that name.
pub(super) fn named(definition: &TaskDefinition, name: &str) -> Option<usize> {
    definition
        .container_definitions
        .iter()
        .position(|c| c.name.as_str() == name)
}

/// Names every circle of `dependsOn`, `links` and `volumesFrom`: none of its containers could ever be first.
pub(super) fn cycles(definition: &TaskDefinition, faults: &mut Faults) {
    let waits_for: Vec<Vec<usize>> = definition
        .container_definitions
        .iter()
        .enumerate()
        .map(|(index, container)| {
            let depended = container
                .depends_on
                .iter()
                .filter_map(|d| named(definition, d.container_name.as_str()));
            let linked = container
                .links
                .iter()
                .filter_map(|link| named(definition, link.split(':').next().unwrap_or(link)));
            let borrowed = container
                .volumes_from
                .iter()
                .filter_map(|from| named(definition, from.source_container.as_str()));
            // Waiting for oneself has a message of its own.
            let waited_for = depended.chain(linked).chain(borrowed);
            waited_for.filter(|t| *t != index).collect()
        })
        .collect();
    let mut told: Vec<bool> = vec![false; waits_for.len()];
    for start in 0..waits_for.len() {
        if told[start] {
            continue;
        }
        if let Some(cycle) = circle_through(start, &waits_for) {
            for member in &cycle {
                told[*member] = true;
            }
            let name = |index: &usize| -> &ContainerName {
                &definition.container_definitions[*index].name
            };
            let mut names: Vec<String> = cycle.iter().map(|i| name(i).to_string()).collect();
            names.push(name(&start).to_string());
            faults.add(
                format!("containerDefinitions[{start}].dependsOn"),
                format!(
                    "containers wait for each other in a circle: {}; take one dependsOn, link or volumesFrom away",
                    names.join(" → ")
                ),
            );
        }
    }
}

/// A shortest way from `start` back to itself, breadth first.
fn circle_through(start: usize, waits_for: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut came_from: Vec<Option<usize>> = vec![None; waits_for.len()];
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for &next in &waits_for[at] {
            if next == start {
                let mut way = vec![at];
                while let Some(before) = way.last().and_then(|last| came_from[*last]) {
                    way.push(before);
                }
                way.reverse();
                return Some(way);
            }
            if came_from[next].is_none() {
                came_from[next] = Some(at);
                queue.push_back(next);
            }
        }
    }
    None
}
