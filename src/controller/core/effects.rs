//! What a set of commands comes to at once: what a plan promises, and an apply keeps or refuses.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::task_definition::TaskDefinitionStatus;
use crate::model::{
    DesiredStatus, InstanceName, Service, ServiceStatus, State, Task, TaskDefinitionId, TaskId,
};

/// How many differences between two sets of effects are named; the rest is counted.
const NAMED_MAX: usize = 12;

/// Whether a task starts or stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It starts.
    Start,
    /// It stops.
    Stop,
}

impl Action {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
        }
    }
}

/// Equal tasks that start or stop on one instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Move {
    /// What is done with them.
    pub action: Action,
    /// The service, or the family of tasks run by hand.
    pub subject: String,
    /// Where.
    pub instance: InstanceName,
    /// What they are copies of.
    pub task_definition: TaskDefinitionId,
}

/// What a set of commands changes, and which tasks start and stop in the same decision. Ids and
/// times are no part of it, so the same commands on an equal state have equal effects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Effects {
    /// What differs, one line each: `~ service web: desiredCount 3 → 5`.
    pub differences: Vec<String>,
    /// How many tasks move how.
    pub moves: Vec<(Move, u32)>,
}

impl Effects {
    /// What turned one state into the other.
    #[must_use]
    pub fn between(before: &State, after: &State) -> Self {
        let mut moves: BTreeMap<Move, u32> = BTreeMap::new();
        for (action, task) in moved(before, after) {
            let one = Move {
                action,
                subject: subject(task),
                instance: task.instance.clone(),
                task_definition: task.task_definition.clone(),
            };
            *moves.entry(one).or_default() += 1;
        }
        Self {
            differences: differences(before, after),
            moves: moves.into_iter().collect(),
        }
    }

    /// Where these effects are not those that were planned, a line each; empty if they are equal.
    #[must_use]
    pub fn departs_from(&self, planned: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for line in &planned.differences {
            if !self.differences.contains(line) {
                lines.push(format!("planned, and not so now: {line}"));
            }
        }
        for line in &self.differences {
            if !planned.differences.contains(line) {
                lines.push(format!("not planned: {line}"));
            }
        }
        let mut counts: BTreeMap<&Move, (u32, u32)> = BTreeMap::new();
        for (one, count) in &planned.moves {
            counts.entry(one).or_default().0 += count;
        }
        for (one, count) in &self.moves {
            counts.entry(one).or_default().1 += count;
        }
        for (one, (then, now)) in counts {
            if then != now {
                lines.push(format!(
                    "{} {} of {} on {}: {then} planned, {now} now",
                    one.action.as_str(),
                    one.task_definition,
                    one.subject,
                    one.instance
                ));
            }
        }
        let more = lines.len().saturating_sub(NAMED_MAX);
        lines.truncate(NAMED_MAX);
        if more > 0 {
            lines.push(format!("and {more} more differences"));
        }
        lines
    }
}

/// The service of a task, or the family of one run by hand.
#[must_use]
pub fn subject(task: &Task) -> String {
    match &task.service {
        Some(service) => service.to_string(),
        None => task.task_definition.family.to_string(),
    }
}

/// Which tasks were started, and which were told to stop, between two states.
pub fn moved<'a>(
    before: &'a State,
    after: &'a State,
) -> impl Iterator<Item = (Action, &'a Task)> + 'a {
    let known = |id: &TaskId| before.tasks.get(id);
    after.tasks.iter().filter_map(move |(id, task)| {
        let was_wanted = known(id).map(|old| old.desired_status == DesiredStatus::Running);
        match (was_wanted, task.desired_status) {
            (None, DesiredStatus::Running) => Some((Action::Start, task.as_ref())),
            (Some(true), DesiredStatus::Stopped) => Some((Action::Stop, task.as_ref())),
            _ => None,
        }
    })
}

fn differences(before: &State, after: &State) -> Vec<String> {
    let mut lines = Vec::new();
    for name in after.clusters.keys() {
        if !before.clusters.contains_key(name) {
            lines.push(format!("+ cluster {name}"));
        }
    }
    for name in before.clusters.keys() {
        if !after.clusters.contains_key(name) {
            lines.push(format!("- cluster {name}"));
        }
    }
    for (name, instance) in &after.instances {
        if let Some(old) = before.instances.get(name) {
            let (old, new) = (old.status.as_str(), instance.status.as_str());
            if old != new {
                lines.push(format!("~ container instance {name}: {old} → {new}"));
            }
        }
    }
    for (id, definition) in &after.task_definitions {
        match before.task_definitions.get(id) {
            None => lines.push(format!("+ task definition {id}")),
            Some(old)
                if old.status != definition.status
                    && definition.status == TaskDefinitionStatus::Inactive =>
            {
                lines.push(format!("- task definition {id}: becomes INACTIVE"));
            }
            Some(_) => {}
        }
    }
    for (key, service) in &after.services {
        let old = before.services.get(key).map(AsRef::as_ref);
        service_lines(&mut lines, old, service);
    }
    for (key, service) in &before.services {
        if !after.services.contains_key(key) {
            lines.push(format!("- service {}", service.name));
        }
    }
    lines
}

fn service_lines(lines: &mut Vec<String>, old: Option<&Service>, new: &Service) {
    let name = &new.name;
    let definition = |service: &Service| {
        service
            .primary()
            .map_or_else(String::new, |primary| primary.task_definition.to_string())
    };
    let Some(old) = old.filter(|old| old.status != ServiceStatus::Inactive) else {
        if new.status == ServiceStatus::Active {
            let (count, runs) = (new.desired_count, definition(new));
            lines.push(format!("+ service {name}: {count} × {runs}"));
        }
        return;
    };
    if old.status != new.status {
        lines.push(format!("- service {name}: its tasks stop"));
        return;
    }
    let members: [(&str, String, String); 6] = [
        (
            "desiredCount",
            old.desired_count.to_string(),
            new.desired_count.to_string(),
        ),
        ("taskDefinition", definition(old), definition(new)),
        (
            "deploymentConfiguration",
            json(&old.deployment_configuration),
            json(&new.deployment_configuration),
        ),
        (
            "placementConstraints",
            json(&old.placement_constraints),
            json(&new.placement_constraints),
        ),
        (
            "placementStrategy",
            json(&old.placement_strategy),
            json(&new.placement_strategy),
        ),
        (
            "hostLossGracePeriodSeconds",
            old.grace_s.to_string(),
            new.grace_s.to_string(),
        ),
    ];
    let count = lines.len();
    for (member, old, new) in members {
        if old != new {
            lines.push(format!("~ service {name}: {member} {old} → {new}"));
        }
    }
    let id = |service: &Service| service.primary().map(|primary| primary.id.clone());
    if lines.len() == count && id(old) != id(new) {
        lines.push(format!(
            "~ service {name}: a new deployment replaces every task"
        ));
    }
}

/// A value as JSON. Our types have text keys only, which is all that could fail.
fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
