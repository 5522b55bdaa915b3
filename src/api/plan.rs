//! What a set of commands would do, on a copy of the state.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{difference, shape};
use crate::controller::core::{Input, decide};
use crate::controller::{Command, CommandError, Response};
use crate::model::id::mix;
use crate::model::snapshot::Live;
use crate::model::{
    DesiredStatus, InstanceName, Service, ServiceStatus, Snapshot, State, Task, TaskDefinition,
};

/// So many lines tell how a task definition differs; the rest is counted.
const LINES_MAX: usize = 40;

/// Where one task of a plan would go, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedStep {
    /// `start` or `stop`.
    pub action: String,
    /// Which service or family.
    pub subject: String,
    /// On which instance.
    pub instance: InstanceName,
    /// Which definition.
    pub task_definition: String,
    /// Why there.
    pub reason: String,
}

/// What a set of commands would do, computed on a copy of the state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanReport {
    /// The differences, one line each: `~ service web: desiredCount 3 → 5`.
    pub differences: Vec<String>,
    /// First starts and stops.
    pub steps: Vec<PlannedStep>,
    /// What would find no place, with every instance's reasons.
    pub unplaced: Vec<String>,
    /// Members that would be kept without effect.
    pub warnings: Vec<String>,
}

/// What these commands, in this order, would do first. What would happen without them is left
/// out: the copy comes to rest before they are asked.
///
/// # Errors
/// The first refusal.
pub fn plan(snapshot: &Snapshot, commands: Vec<Command>) -> Result<PlanReport, CommandError> {
    let seed = mix(snapshot.seq);
    let live = Live::default();
    let before = decide(&snapshot.state, &live, snapshot.at, seed, vec![Input::Wake]).state;
    let warnings = commands.iter().flat_map(Command::warnings).collect();
    let inputs = commands
        .into_iter()
        .map(|command| Input::Command {
            command,
            who: "plan".to_owned(),
        })
        .collect();
    // Another seed than above, or the ids of both would meet.
    let decision = decide(&before, &live, snapshot.at, mix(!seed), inputs);
    let mut unplaced = unplaced(&before, &decision.state);
    for reply in decision.replies {
        if let Response::Tasks(_, failures) = reply? {
            unplaced.extend(failures.iter().map(|failure| {
                let detail = Some(&failure.detail).filter(|detail| !detail.is_empty());
                detail.unwrap_or(&failure.reason).clone()
            }));
        }
    }
    Ok(PlanReport {
        differences: differences(&before, &decision.state),
        steps: steps(&before, &decision.state),
        unplaced,
        warnings,
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
            None => {
                let old = before.latest_definition(&definition.family);
                new_definition(&mut lines, after, old.map(AsRef::as_ref), definition);
            }
            Some(old) if old.status != definition.status => {
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

fn new_definition(
    lines: &mut Vec<String>,
    state: &State,
    old: Option<&TaskDefinition>,
    new: &TaskDefinition,
) {
    lines.push(format!("+ task definition {}", new.id()));
    let Some(old) = old else { return };
    let shaped = |definition| {
        let mut body = shape::task_definition(state, definition);
        if let Value::Object(members) = &mut body {
            for facts in ["registeredAt", "revision", "status", "taskDefinitionArn"] {
                members.remove(facts);
            }
        }
        body
    };
    let mut told = difference::between(&shaped(old), &shaped(new));
    let more = told.len().saturating_sub(LINES_MAX);
    told.truncate(LINES_MAX);
    let id = new.id();
    for line in told {
        let (mark, what) = line.split_once(' ').unwrap_or(("~", &line));
        lines.push(format!("{mark} task definition {id}: {what}"));
    }
    if more > 0 {
        lines.push(format!("~ task definition {id}: {more} more differences"));
    }
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

fn json<T: Serialize>(value: &T) -> String {
    shape::plain(value).to_string()
}

fn steps(before: &State, after: &State) -> Vec<PlannedStep> {
    let mut steps = Vec::new();
    for (id, task) in &after.tasks {
        match before.tasks.get(id) {
            None => steps.push(step("start", task, task.placement.clone())),
            Some(old)
                if old.desired_status == DesiredStatus::Running
                    && task.desired_status == DesiredStatus::Stopped =>
            {
                let reason = task.stopped_reason.clone().unwrap_or_default();
                steps.push(step("stop", task, reason));
            }
            Some(_) => {}
        }
    }
    steps.sort_by(|a, b| {
        (&a.subject, &a.action, &a.instance).cmp(&(&b.subject, &b.action, &b.instance))
    });
    steps
}

fn step(action: &str, task: &Task, reason: String) -> PlannedStep {
    let subject = match &task.service {
        Some(service) => service.to_string(),
        None => task.task_definition.family.to_string(),
    };
    PlannedStep {
        action: action.to_owned(),
        subject,
        instance: task.instance.clone(),
        task_definition: task.task_definition.to_string(),
        reason,
    }
}

/// What finds no place after the commands and did before, or less of it did not.
fn unplaced(before: &State, after: &State) -> Vec<String> {
    let mut lines = Vec::new();
    for (key, service) in &after.services {
        let Some(now) = &service.unplaced else {
            continue;
        };
        let then = before
            .services
            .get(key)
            .and_then(|old| old.unplaced.as_ref());
        if then.is_some_and(|then| then.count >= now.count) {
            continue;
        }
        let name = &service.name;
        lines.push(format!(
            "service {name}: {} of its tasks would find no place",
            now.count
        ));
        for refusal in &now.refusals {
            let reasons = refusal.reasons.join("; ");
            lines.push(format!("service {name}: {}: {reasons}", refusal.instance));
        }
    }
    lines
}
