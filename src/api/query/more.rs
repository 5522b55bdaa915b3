//! Schedules and tags.

use serde_json::{Value, json};

use super::{Describe, List, cluster, definition, describe, invalid, page, shape};
use crate::controller::{CommandError, ErrorKind};
use crate::model::arn::Resource;
use crate::model::{ClusterName, InstanceName, Schedule, ScheduleName, ServiceName, State, TaskId};

pub(super) fn list_schedules(state: &State, asked: &List) -> Result<Value, CommandError> {
    let cluster = cluster(state, asked.cluster.as_deref())?;
    let names = of(state, &cluster.name).map(|it| it.name.to_string());
    page("schedules", names.collect(), asked)
}

fn of<'a>(state: &'a State, cluster: &'a ClusterName) -> impl Iterator<Item = &'a Schedule> {
    let all = state.schedules.values().map(AsRef::as_ref);
    all.filter(move |it| &it.cluster == cluster)
}

pub(super) fn describe_schedules(state: &State, asked: &Describe) -> Result<Value, CommandError> {
    let cluster = cluster(state, asked.cluster.as_deref())?;
    describe("schedules", &asked.schedules, str::to_owned, |name| {
        let key = (cluster.name.clone(), ScheduleName::new(name).ok()?);
        let schedule = state.schedules.get(&key)?;
        Some(shape::schedule(state, schedule))
    })
}

pub(super) fn list_tags(state: &State, asked: &Describe) -> Result<Value, CommandError> {
    let arn = asked.resource_arn.as_deref();
    let arn = arn.ok_or_else(|| invalid("the member resourceArn is missing"))?;
    let gone = || {
        let message = format!("the resource {arn} was not found");
        CommandError::new(ErrorKind::ResourceNotFoundException, message)
    };
    let resource = Resource::of(arn)
        .ok_or_else(|| invalid(format!("resourceArn: \"{arn}\" is no ARN of ECS")))?;
    let tags = match resource {
        Resource::Task(_, id) => {
            let id: Option<TaskId> = id.parse().ok();
            let task = id.and_then(|id| state.tasks.get(&id));
            &task.ok_or_else(gone)?.tags
        }
        Resource::Service(of, name) => {
            let cluster = cluster(state, Some(of))?;
            let name = ServiceName::new(name).ok();
            let service = name.and_then(|name| state.service(&cluster.name, &name));
            &service.ok_or_else(gone)?.tags
        }
        Resource::TaskDefinition(id) => &definition(state, id).ok_or_else(gone)?.tags,
        Resource::Cluster(name) => {
            let name = ClusterName::new(name).ok();
            let found = name.and_then(|name| state.clusters.get(&name));
            &found.ok_or_else(gone)?.tags
        }
        Resource::Instance(_, name) => {
            let name = InstanceName::new(name).ok();
            let found = name.and_then(|name| state.instances.get(&name));
            let found = found.filter(|it| !it.fargate);
            &found.ok_or_else(gone)?.tags
        }
        Resource::Other(_) | Resource::ServiceDeployment(..) => return Ok(json!({"tags": []})),
    };
    Ok(json!({"tags": tags}))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use crate::api::query::query;
    use crate::controller::core::{Input, decide};
    use crate::controller::wire;
    use crate::model::snapshot::Live;
    use crate::model::{Change, Cluster, ClusterName, Partition, Snapshot, TaskId, TimeMs};
    use crate::scheduler::fixture;
    use crate::scheduler::world::World;

    fn snapshot(commands: &[(&str, Value)]) -> Snapshot {
        let mut world = World::new([fixture::instance("a", "z", 4096, 4096, &[])]);
        world.put_definition(fixture::definition("job", 1, 256, 256, &[]));
        let cluster = Cluster::new(
            ClusterName::default_cluster(),
            Partition::default(),
            true,
            world.now,
        );
        world.state.apply(&Change::Cluster(Arc::new(cluster)));
        let inputs = commands
            .iter()
            .map(|(operation, body)| Input::Command {
                command: wire::decode(operation, body).unwrap(),
                who: "ann".into(),
            })
            .collect();
        let decision = decide(&world.state, &Live::default(), world.now, 1, inputs);
        for reply in &decision.replies {
            assert!(reply.is_ok(), "{reply:?}");
        }
        Snapshot {
            state: decision.state,
            ..Snapshot::default()
        }
    }

    #[test]
    fn tags_are_given_back_where_they_are_asked_for_and_overrides_always() {
        let run = json!({
            "taskDefinition": "job", "tags": [{"key": "team", "value": "db"}],
            "overrides": {"cpu": "512", "containerOverrides": [
                {"name": "main", "environment": [{"name": "A", "value": "1"}]}]},
        });
        let plain = json!({"taskDefinition": "job"});
        let snapshot = snapshot(&[("RunTask", run), ("RunTask", plain)]);
        let tasks = || snapshot.state.tasks.values();
        let tagged = tasks().find(|task| !task.tags.is_empty()).unwrap();
        let other = tasks().find(|task| task.tags.is_empty()).unwrap();
        let ask = |body: Value| query(&snapshot, "DescribeTasks", &body).unwrap();
        let without = ask(json!({"tasks": [tagged.id.to_string()]}));
        assert_eq!(without["tasks"][0]["tags"], json!([]));
        let with = ask(json!({"tasks": [tagged.id.to_string()], "include": ["TAGS"]}));
        assert_eq!(
            with["tasks"][0]["tags"],
            json!([{"key": "team", "value": "db"}])
        );
        assert_eq!(
            with["tasks"][0]["overrides"],
            json!({
                "cpu": "512",
                "containerOverrides": [
                    {"name": "main", "environment": [{"name": "A", "value": "1"}]}],
                "inferenceAcceleratorOverrides": [],
            })
        );
        assert_eq!(with["tasks"][0]["cpu"], "512");
        // ECS names the containers of which nothing is overridden, too.
        let none = ask(json!({"tasks": [other.id.to_string()]}));
        assert_eq!(
            none["tasks"][0]["overrides"]["containerOverrides"],
            json!([{"name": "main"}])
        );
        let arn = &with["tasks"][0]["taskArn"];
        let listed = query(
            &snapshot,
            "ListTagsForResource",
            &json!({"resourceArn": arn}),
        );
        assert_eq!(
            listed.unwrap(),
            json!({"tags": [{"key": "team", "value": "db"}]})
        );
        let gone = json!({"resourceArn": "arn:aws:ecs:local:1:task-definition/nope:1"});
        let error = query(&snapshot, "ListTagsForResource", &gone).unwrap_err();
        assert!(error.message.contains("was not found"), "{error}");
    }

    #[test]
    fn schedules_are_listed_and_described() {
        let put = json!({
            "name": "nightly", "taskDefinition": "job", "scheduleExpression": "rate(1 hour)",
        });
        let named = json!({"name": "nightly"});
        let snapshot = snapshot(&[("PutSchedule", put), ("RunSchedule", named)]);
        let listed = query(&snapshot, "ListSchedules", &json!({})).unwrap();
        assert_eq!(listed, json!({"schedules": ["nightly"]}));
        let asked = json!({"schedules": ["nightly", "daily"]});
        let told = query(&snapshot, "DescribeSchedules", &asked).unwrap();
        assert_eq!(
            told["failures"],
            json!([{"arn": "daily", "reason": "MISSING"}])
        );
        let schedule = &told["schedules"][0];
        assert_eq!(schedule["scheduleExpression"], "rate(1 hour)");
        assert_eq!(schedule["overlap"], "FORBID");
        assert_eq!(schedule["runs"][0]["outcome"], "STARTED");
        let arns = schedule["runs"][0]["taskArns"].as_array().unwrap();
        assert_eq!(arns.len(), 1);
        let due = schedule["nextRunAt"].as_f64().unwrap();
        let now = TimeMs(fixture::START.0).as_wire_seconds();
        assert!((due - now - 3600.0).abs() < 1.0, "{due} {now}");
        // What is described is what can be put again.
        let mut again = schedule.clone();
        for told_only in ["runs", "nextRunAt", "clusterArn"] {
            again.as_object_mut().unwrap().remove(told_only);
        }
        assert!(wire::decode("PutSchedule", &again).is_ok());
    }

    #[test]
    fn protection_is_told_of_the_tasks_named_or_of_all_that_are_protected() {
        let create = json!({"serviceName": "job", "taskDefinition": "job", "desiredCount": 2});
        let run = json!({"taskDefinition": "job"});
        let mut snapshot = snapshot(&[("CreateService", create), ("RunTask", run)]);
        let of = |snapshot: &Snapshot, service: bool| -> Vec<TaskId> {
            let tasks = snapshot.state.tasks.values();
            let those = tasks.filter(|it| it.service.is_some() == service);
            those.map(|it| it.id).collect()
        };
        let (held, free) = (of(&snapshot, true)[0], of(&snapshot, true)[1]);
        let alone = of(&snapshot, false)[0];
        snapshot.at = TimeMs(fixture::START.0);
        let mut task = (*snapshot.state.tasks[&held]).clone();
        task.protected_until = Some(snapshot.at.plus_ms(60_000));
        snapshot.state.apply(&Change::Task(Arc::new(task)));
        let ask =
            |snapshot: &Snapshot, body: Value| query(snapshot, "GetTaskProtection", &body).unwrap();
        let arn = |id: TaskId| format!("arn:aws:ecs:local:123456789012:task/default/{id}");
        let protected = json!({
            "taskArn": arn(held), "protectionEnabled": true,
            "expirationDate": snapshot.at.plus_ms(60_000).as_wire_seconds(),
        });
        let open = json!({"taskArn": arn(free), "protectionEnabled": false});
        let all = ask(&snapshot, json!({}));
        assert_eq!(all, json!({"protectedTasks": [protected], "failures": []}));
        let named = json!({"tasks": [held.to_string(), arn(free), alone.to_string()]});
        let told = ask(&snapshot, named);
        assert_eq!(told["protectedTasks"], json!([protected, open]));
        // A task without a service cannot be protected.
        let failures = json!([{"arn": arn(alone), "reason": "MISSING"}]);
        assert_eq!(told["failures"], failures);
        snapshot.at = snapshot.at.plus_ms(60_000);
        assert_eq!(ask(&snapshot, json!({}))["protectedTasks"], json!([]));
    }

    #[test]
    fn clusters_and_instances_have_tags_that_are_given_where_they_are_asked_for() {
        let arn = |rest: &str| format!("arn:aws:ecs:local:123456789012:{rest}");
        let instance = arn("container-instance/default/a");
        let tags = json!([{"key": "rack", "value": "7"}]);
        let made = json!({"clusterName": "blue", "tags": tags});
        let put = json!({"resourceArn": instance, "tags": tags});
        let snapshot = snapshot(&[("CreateCluster", made), ("TagResource", put)]);
        for (operation, asked, member, arn) in [
            (
                "DescribeClusters",
                json!({"clusters": ["blue"]}),
                "clusters",
                arn("cluster/blue"),
            ),
            (
                "DescribeContainerInstances",
                json!({"containerInstances": ["a"]}),
                "containerInstances",
                instance,
            ),
        ] {
            let told = |asked: &Value| query(&snapshot, operation, asked).unwrap();
            assert_eq!(told(&asked)[member][0]["tags"], json!([]));
            let mut with = asked;
            with["include"] = json!(["TAGS"]);
            assert_eq!(told(&with)[member][0]["tags"], tags);
            let asked = json!({"resourceArn": arn});
            let listed = query(&snapshot, "ListTagsForResource", &asked);
            assert_eq!(listed.unwrap(), json!({"tags": tags}));
        }
    }

    #[test]
    fn instances_are_listed_by_an_expression() {
        let run = json!({"taskDefinition": "job", "group": "batch"});
        let mut snapshot = snapshot(&[("RunTask", run)]);
        for (name, kind) in [("b", "ssd"), ("c", "ssd"), ("d", "tape")] {
            let instance = fixture::instance(name, "z", 64, 64, &[("disk", kind)]);
            snapshot.state.apply(&Change::Instance(Arc::new(instance)));
        }
        let ask = |filter: &str| {
            let asked = json!({"filter": filter});
            query(&snapshot, "ListContainerInstances", &asked)
        };
        let listed = |filter: &str| -> String {
            let told = ask(filter).unwrap();
            let arns = told["containerInstanceArns"].as_array().unwrap();
            let name = |arn: &Value| arn.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            arns.iter().map(name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(listed(""), "a b c d");
        assert_eq!(listed("attribute:disk == ssd"), "b c");
        let other = "attribute:disk exists and not(attribute:disk == ssd)";
        assert_eq!(listed(other), "d");
        assert_eq!(listed("task:group == batch"), "a");
        let refused = ask("attribute:disk =").unwrap_err();
        assert!(refused.message.starts_with("filter: "), "{refused}");
    }
}
