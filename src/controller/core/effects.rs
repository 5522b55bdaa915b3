//! What a set of commands comes to at once: what a plan promises, and an apply keeps or refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::tag::Tag;
use crate::model::task_definition::TaskDefinitionStatus;
use crate::model::{
    DesiredStatus, InstanceName, Schedule, Service, ServiceStatus, State, Task, TaskDefinitionId,
    TaskId, validate,
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
        let moves = counted(moved(before, after));
        Self {
            differences: differences(before, after),
            moves: moves.into_iter().collect(),
        }
    }

    /// Where these effects are not those that were planned, a line each; empty if they are equal.
    /// What time alone has made due since, more than was planned, is no departure.
    #[must_use]
    pub fn departs_from(&self, planned: &Self, due: &BTreeMap<Move, u32>) -> Vec<String> {
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
            let by_time = due.get(one).copied().unwrap_or(0);
            if now < then || now - then > by_time {
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

/// What zone rebalancing has started between two states. It waits for instances to have answered for
/// a while, and for pauses to end: whether it begins with a command or a moment after it is the
/// clock's doing, and every course follows it to its end.
#[must_use]
pub fn balancing(before: &State, after: &State) -> BTreeMap<Move, u32> {
    let all = after
        .services
        .values()
        .filter_map(|it| it.rebalance.as_ref());
    let extra: BTreeSet<&TaskId> = all.flat_map(|it| &it.extra).collect();
    let started =
        |(action, task): &(Action, &Task)| *action == Action::Start && extra.contains(&task.id);
    counted(moved(before, after).filter(started))
}

fn counted<'a>(moved: impl Iterator<Item = (Action, &'a Task)>) -> BTreeMap<Move, u32> {
    let mut moves: BTreeMap<Move, u32> = BTreeMap::new();
    for (action, task) in moved {
        let one = Move {
            action,
            subject: subject(task),
            instance: task.instance.clone(),
            task_definition: task.task_definition.clone(),
        };
        *moves.entry(one).or_default() += 1;
    }
    moves
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
    for (name, cluster) in &after.clusters {
        match before.clusters.get(name) {
            None => lines.push(format!("+ cluster {name}")),
            Some(old) => tags(
                &mut lines,
                &format!("cluster {name}"),
                (&old.tags, &cluster.tags),
            ),
        }
    }
    for name in before.clusters.keys() {
        if !after.clusters.contains_key(name) {
            lines.push(format!("- cluster {name}"));
        }
    }
    for (name, instance) in &after.instances {
        if let Some(old) = before.instances.get(name) {
            let old_tags = &old.tags;
            let (old, new) = (old.status.as_str(), instance.status.as_str());
            if old != new {
                lines.push(format!("~ container instance {name}: {old} → {new}"));
            }
            tags(
                &mut lines,
                &format!("container instance {name}"),
                (old_tags, &instance.tags),
            );
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
            Some(old) => tags(
                &mut lines,
                &format!("task definition {id}"),
                (&old.tags, &definition.tags),
            ),
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
    schedules(&mut lines, before, after);
    marks(&mut lines, before, after);
    lines
}

fn service_lines(lines: &mut Vec<String>, old: Option<&Service>, new: &Service) {
    let name = &new.name;
    let Some(old) = old.filter(|old| old.status != ServiceStatus::Inactive) else {
        if new.status == ServiceStatus::Active {
            let plain = Service::new(new.name.clone(), new.cluster.clone(), new.created_at);
            let runs = new
                .primary()
                .map_or_else(String::new, |primary| primary.task_definition.to_string());
            let (count, more) = (new.desired_count, beside(members(new), &members(&plain)));
            lines.push(format!("+ service {name}: {count} × {runs}{more}"));
        }
        return;
    };
    if old.status != new.status {
        lines.push(format!("- service {name}: its tasks stop"));
        return;
    }
    let (before, after) = (members(old), members(new));
    let count = lines.len();
    changed_members(lines, &format!("service {name}"), &before, &after);
    let id = |service: &Service| service.primary().map(|primary| primary.id.clone());
    if lines.len() == count && id(old) != id(new) {
        lines.push(format!(
            "~ service {name}: a new deployment replaces every task"
        ));
    }
}

/// What people decide of a service, under ECS's names. What the scheduler notes of it is no part.
fn members(service: &Service) -> Members {
    let definition = service.primary().map(|primary| &primary.task_definition);
    // Where it can do nothing, it says nothing.
    let zones = validate::cannot_rebalance(service).is_none();
    let zones = zones.then_some(service.availability_zone_rebalancing);
    Members::from([
        ("desiredCount", plain(&service.desired_count)),
        ("taskDefinition", plain(&definition)),
        (
            "deploymentConfiguration",
            plain(&service.deployment_configuration),
        ),
        (
            "placementConstraints",
            plain(&service.placement_constraints),
        ),
        ("placementStrategy", plain(&service.placement_strategy)),
        ("hostLossGracePeriodSeconds", plain(&service.grace_s)),
        ("availabilityZoneRebalancing", plain(&zones)),
        ("schedulingStrategy", plain(&service.scheduling_strategy)),
        ("launchType", plain(&service.launch_type)),
        (
            "capacityProviderStrategy",
            plain(&service.capacity_provider_strategy),
        ),
        (
            "healthCheckGracePeriodSeconds",
            plain(&service.health_check_grace_period_s),
        ),
        ("tags", plain(&service.tags)),
        ("propagateTags", plain(&service.propagate_tags)),
        ("unsupported", plain(&service.unsupported)),
    ])
}

/// Members by their names.
type Members = BTreeMap<&'static str, Value>;

/// A line for each member that is another.
fn changed_members(lines: &mut Vec<String>, what: &str, old: &Members, new: &Members) {
    for (member, value) in new {
        let before = old.get(member);
        if before != Some(value) {
            let before = before.map_or_else(String::new, plain_words);
            let after = plain_words(value);
            lines.push(format!("~ {what}: {member} {before} → {after}"));
        }
    }
}

/// The members of something new that are not as they are where nothing is said, other than those
/// that its headline names.
fn beside(mut members: Members, default: &Members) -> String {
    for told in ["desiredCount", "taskDefinition", "scheduleExpression"] {
        members.remove(told);
    }
    let empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    members.retain(|member, value| !empty(value) && default.get(member) != Some(value));
    let each = members
        .iter()
        .map(|(member, value)| format!(", {member} {}", plain_words(value)));
    each.collect()
}

fn tags(lines: &mut Vec<String>, what: &str, (old, new): (&[Tag], &[Tag])) {
    if old != new {
        lines.push(format!("~ {what}: tags {} → {}", json(&old), json(&new)));
    }
}

/// Text without its quotes, all else as JSON.
fn plain_words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What people decide of a schedule: when it is due next and what came of it are no part.
fn timetable(schedule: &Schedule) -> Members {
    Members::from([
        ("scheduleExpression", plain(&schedule.schedule_expression)),
        (
            "scheduleExpressionTimezone",
            plain(&schedule.schedule_expression_timezone),
        ),
        ("taskDefinition", plain(&schedule.task_definition)),
        ("taskCount", plain(&schedule.task_count)),
        ("enabled", plain(&schedule.enabled)),
        ("overlap", plain(&schedule.overlap)),
        (
            "placementConstraints",
            plain(&schedule.placement_constraints),
        ),
        ("placementStrategy", plain(&schedule.placement_strategy)),
        ("launchType", plain(&schedule.launch_type)),
        (
            "capacityProviderStrategy",
            plain(&schedule.capacity_provider_strategy),
        ),
        ("overrides", plain(&schedule.overrides)),
        ("tags", plain(&schedule.tags)),
    ])
}

/// Schedules that were made, changed or deleted.
fn schedules(lines: &mut Vec<String>, before: &State, after: &State) {
    for (key, new) in &after.schedules {
        let what = format!("schedule {}", new.name);
        match before.schedules.get(key) {
            Some(old) if Arc::ptr_eq(old, new) => {}
            Some(old) => changed_members(lines, &what, &timetable(old), &timetable(new)),
            None => {
                let more = beside(timetable(new), &Members::new());
                let (times, runs) = (&new.schedule_expression, &new.task_definition);
                lines.push(format!("+ {what}: {times} runs {runs}{more}"));
            }
        }
    }
    for (key, old) in &before.schedules {
        if !after.schedules.contains_key(key) {
            lines.push(format!("- schedule {}", old.name));
        }
    }
}

/// What changed of tasks that neither started nor stopped: their tags, and whether they are
/// protected. For how long is a matter of time, which is no part.
fn marks(lines: &mut Vec<String>, before: &State, after: &State) {
    let marks = |task: &Task| {
        Members::from([
            ("tags", plain(&task.tags)),
            ("protectionEnabled", plain(&task.protected_until.is_some())),
        ])
    };
    for (id, new) in &after.tasks {
        if let Some(old) = before.tasks.get(id)
            && !Arc::ptr_eq(old, new)
        {
            let what = format!("task {id} of {}", subject(new));
            changed_members(lines, &what, &marks(old), &marks(new));
        }
    }
}

fn plain<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// A value as JSON. Our types have text keys only, which is all that could fail.
fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::rig::Rig;
    use super::*;

    /// What a request comes to.
    fn effects(rig: &mut Rig, operation: &str, body: Value) -> Vec<String> {
        let before = rig.state.clone();
        rig.ask(operation, body).unwrap();
        let effects = Effects::between(&before, &rig.state);
        assert_eq!(effects.moves, [], "no task moves");
        effects.differences
    }

    #[test]
    fn what_moves_no_task_is_an_effect_too() {
        let mut rig = Rig::new(&[("a", "z1")]);
        rig.register("web", json!({}));
        rig.create("web", 1);
        rig.settle();
        let task = rig.tasks()[0].id;
        let arn = |rest: &str| format!("arn:aws:ecs:local:123456789012:{rest}");
        let mut said = |operation, body| effects(&mut rig, operation, body);
        let put = json!({"name": "nightly", "taskDefinition": "web", "taskCount": 2,
                         "scheduleExpression": "rate(1 hour)"});
        assert_eq!(
            said("PutSchedule", put.clone()),
            [
                "+ schedule nightly: rate(1 hour) runs web, enabled true, overlap FORBID, taskCount 2"
            ]
        );
        let mut other = put.clone();
        other["launchType"] = "EC2".into();
        other["enabled"] = false.into();
        assert_eq!(
            said("PutSchedule", other),
            [
                "~ schedule nightly: enabled true → false",
                "~ schedule nightly: launchType null → EC2",
            ]
        );
        assert_eq!(
            said("DeleteSchedule", json!({"name": "nightly"})),
            ["- schedule nightly"]
        );
        let tags = json!([{"key": "team", "value": "db"}]);
        let id = task.to_string();
        for (rest, what) in [
            ("service/default/web".to_owned(), "service web".to_owned()),
            ("cluster/default".to_owned(), "cluster default".to_owned()),
            (
                "container-instance/default/a".to_owned(),
                "container instance a".to_owned(),
            ),
            (
                "task-definition/web:1".to_owned(),
                "task definition web:1".to_owned(),
            ),
            (format!("task/default/{id}"), format!("task {id} of web")),
        ] {
            let tag = json!({"resourceArn": arn(&rest), "tags": tags});
            assert_eq!(
                said("TagResource", tag),
                [format!(
                    "~ {what}: tags [] → [{{\"key\":\"team\",\"value\":\"db\"}}]"
                )]
            );
        }
        let protect = json!({"tasks": [id], "protectionEnabled": true});
        assert_eq!(
            said("UpdateTaskProtection", protect),
            [format!(
                "~ task {id} of web: protectionEnabled false → true"
            )]
        );
        for (member, value, words) in [
            (
                "propagateTags",
                json!("SERVICE"),
                "propagateTags NONE → SERVICE",
            ),
            (
                "healthCheckGracePeriodSeconds",
                json!(9),
                "healthCheckGracePeriodSeconds null → 9",
            ),
            (
                "hostLossGracePeriodSeconds",
                json!(7),
                "hostLossGracePeriodSeconds 30 → 7",
            ),
            (
                "availabilityZoneRebalancing",
                json!("DISABLED"),
                "availabilityZoneRebalancing ENABLED → DISABLED",
            ),
            (
                "enableExecuteCommand",
                json!(true),
                "unsupported {} → {\"enableExecuteCommand\":true}",
            ),
        ] {
            let update = json!({"service": "web", member: value});
            assert_eq!(
                said("UpdateService", update),
                [format!("~ service web: {words}")]
            );
        }
    }

    #[test]
    fn a_new_service_is_told_with_all_that_is_not_as_usual() {
        let mut rig = Rig::new(&[]);
        rig.register("web", json!({}));
        let before = rig.state.clone();
        rig.create("web", 2);
        let create = json!({"serviceName": "logs", "taskDefinition": "web",
            "schedulingStrategy": "DAEMON", "tags": [{"key": "a"}]});
        rig.ask("CreateService", create).unwrap();
        let lines = Effects::between(&before, &rig.state).differences;
        assert!(lines[0].starts_with("+ service logs: 0 × web:1, deploymentConfiguration {"));
        assert!(
            lines[0].contains(", schedulingStrategy DAEMON, tags [{"),
            "{lines:?}"
        );
        assert_eq!(lines[1], "+ service web: 2 × web:1");
    }
}
