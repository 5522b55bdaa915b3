//! Launch types and capacity providers, as requests name them.

use super::rig::{Rig, instance_name};
use crate::controller::command::{ErrorKind, Response};
use crate::model::service::SchedulingStrategy;
use crate::model::{CapacityProviderName, InstanceName, LaunchType, Task};
use serde_json::{Value, json};
use std::sync::Arc;

/// Instances `spot` and `steady`, each of the capacity provider of its name, `plain` of none, and
/// `far`, which serves FARGATE; definitions `web`, and `big` that is fit for FARGATE.
fn rig() -> Rig {
    let mut rig = Rig::new(&[
        ("spot", "z1"),
        ("steady", "z2"),
        ("plain", "z3"),
        ("far", "z1"),
    ]);
    let provider = |name: &str| CapacityProviderName::new(name).unwrap();
    for instance in &mut rig.fleet.instances {
        instance.fargate = instance.name.as_str() == "far";
        instance.capacity_provider = ["spot", "steady"]
            .into_iter()
            .find(|name| instance.name.as_str() == *name)
            .map(provider);
    }
    rig.fleet.clusters[0].capacity_providers = vec![provider("spot"), provider("steady")];
    configure(&mut rig);
    rig.register("web", json!({}));
    rig.ask(
        "RegisterTaskDefinition",
        json!({"family": "big", "cpu": "256", "memory": "512", "networkMode": "awsvpc",
               "requiresCompatibilities": ["FARGATE"],
               "containerDefinitions": [{"name": "main", "image": "busybox"}]}),
    )
    .unwrap();
    rig
}

/// The file is read, and the hosts answer.
fn configure(rig: &mut Rig) {
    rig.configure();
    for name in ["spot", "steady", "plain", "far"] {
        rig.connect(name);
    }
}

fn tasks(answer: Response) -> Vec<Arc<Task>> {
    match answer {
        Response::Tasks(tasks, failures) if failures.is_empty() => tasks,
        other => panic!("{other:?}"),
    }
}

fn places(tasks: &[Arc<Task>]) -> Vec<&str> {
    let mut names: Vec<_> = tasks.iter().map(|it| it.instance.as_str()).collect();
    names.sort_unstable();
    names
}

fn on(name: &str) -> impl Fn(&&Arc<Task>) -> bool {
    let name: InstanceName = instance_name(name);
    move |task| task.instance == name
}

#[test]
fn a_daemon_has_nothing_to_do_with_fargate_nor_with_shares_by_provider() {
    let mut rig = rig();
    let daemon = |more: Value| {
        let mut body = json!({
            "serviceName": "logs", "taskDefinition": "big", "schedulingStrategy": "DAEMON",
        });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    for (more, says) in [
        (
            json!({"launchType": "FARGATE"}),
            "launchType: FARGATE does not support",
        ),
        (
            json!({"capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}]}),
            "capacityProviderStrategy: a DAEMON runs on every instance",
        ),
        (
            json!({"capacityProviderStrategy": [{"capacityProvider": "spot", "weight": 1}]}),
            "capacityProviderStrategy: a DAEMON runs on every instance",
        ),
    ] {
        let (kind, message) = rig.refused("CreateService", daemon(more));
        assert_eq!(kind, ErrorKind::InvalidParameterException);
        assert!(message.contains(says), "{message}");
        assert!(message.contains("EC2"), "what to do: {message}");
    }
    // The cluster's default counts where a request names nothing, for a DAEMON too.
    rig.fleet.clusters[0].default_capacity_provider_strategy =
        serde_json::from_value(json!([{"capacityProvider": "spot", "weight": 1}])).unwrap();
    configure(&mut rig);
    let (_, message) = rig.refused("CreateService", daemon(json!({})));
    assert!(message.contains("give launchType EC2"), "{message}");
    let body = daemon(json!({"launchType": "EC2", "taskDefinition": "web"}));
    rig.ask("CreateService", body).unwrap();
    let logs = rig.service("logs");
    assert_eq!(logs.scheduling_strategy, SchedulingStrategy::Daemon);
    assert_eq!(logs.desired_count, 3, "and none on the instance of FARGATE");
    let (_, message) = rig.refused(
        "UpdateService",
        json!({"service": "logs",
               "capacityProviderStrategy": [{"capacityProvider": "spot", "weight": 1}]}),
    );
    assert!(
        message.contains("a DAEMON runs on every instance"),
        "{message}"
    );
}

#[test]
fn fargate_runs_on_its_own_instances_and_takes_no_placement_of_the_writers() {
    let mut rig = rig();
    let run = json!({"taskDefinition": "big", "launchType": "FARGATE"});
    let ran = tasks(rig.ask("RunTask", run).unwrap());
    assert_eq!(places(&ran), ["far"]);
    assert_eq!(ran[0].launch_type, LaunchType::Fargate);
    let create = json!({
        "serviceName": "big", "taskDefinition": "big", "launchType": "FARGATE", "desiredCount": 2,
    });
    rig.ask("CreateService", create.clone()).unwrap();
    assert_eq!(rig.service("big").launch_type, LaunchType::Fargate);
    assert_eq!(rig.tasks().iter().filter(on("far")).count(), 3);
    // A provider of ECS's own is the launch type in other words.
    let ran = tasks(
        rig.ask(
            "RunTask",
            json!({"taskDefinition": "big", "count": 2, "capacityProviderStrategy": [
                {"capacityProvider": "FARGATE", "base": 1, "weight": 0},
                {"capacityProvider": "FARGATE_SPOT", "weight": 1}]}),
        )
        .unwrap(),
    );
    assert_eq!(places(&ran), ["far", "far"]);
    let chosen: Vec<_> = ran
        .iter()
        .map(|it| it.capacity_provider.clone().unwrap())
        .collect();
    assert_eq!(chosen[0].as_str(), "FARGATE");
    assert_eq!(chosen[1].as_str(), "FARGATE_SPOT");
    for (operation, name, given) in [
        ("CreateService", "serviceName", json!({"serviceName": "x"})),
        ("RunTask", "group", json!({"group": "x"})),
    ] {
        let mut body = given;
        assert!(body.get(name).is_some());
        body["taskDefinition"] = "big".into();
        body["launchType"] = "FARGATE".into();
        body["placementStrategy"] = json!([{"type": "random"}]);
        let (_, message) = rig.refused(operation, body.clone());
        assert!(
            message.contains("placementStrategy: not supported with FARGATE"),
            "{message}"
        );
        body.as_object_mut().unwrap().remove("placementStrategy");
        body["taskDefinition"] = "web".into();
        let (kind, message) = rig.refused(operation, body);
        assert_eq!(kind, ErrorKind::ClientException);
        assert!(
            message.contains("web:1 does not support launch_type FARGATE"),
            "{message}"
        );
        assert!(message.contains("networkMode"), "{message}");
    }
}

#[test]
fn a_strategy_shares_tasks_among_its_providers_and_a_wrong_one_is_refused() {
    let mut rig = rig();
    let strategy = json!([
        {"capacityProvider": "steady", "base": 1, "weight": 1},
        {"capacityProvider": "spot", "weight": 3}]);
    let run = json!({"taskDefinition": "web", "count": 5, "capacityProviderStrategy": strategy});
    let ran = tasks(rig.ask("RunTask", run.clone()).unwrap());
    assert_eq!(places(&ran), ["spot", "spot", "spot", "steady", "steady"]);
    rig.ask(
        "CreateService",
        json!({"serviceName": "web", "taskDefinition": "web", "desiredCount": 5,
               "capacityProviderStrategy": strategy}),
    )
    .unwrap();
    assert_eq!(rig.service("web").capacity_provider_strategy.len(), 2);
    assert_eq!(rig.tasks().iter().filter(on("spot")).count(), 6);
    assert_eq!(rig.tasks().iter().filter(on("plain")).count(), 0);
    for operation in ["CreateService", "RunTask"] {
        let mut body = json!({"taskDefinition": "web", "capacityProviderStrategy": strategy});
        if operation == "CreateService" {
            body["serviceName"] = "x".into();
        }
        body["launchType"] = "EC2".into();
        let (_, message) = rig.refused(operation, body.clone());
        assert!(message.contains("launchType is given too"), "{message}");
        body.as_object_mut().unwrap().remove("launchType");
        body["capacityProviderStrategy"] = json!([{"capacityProvider": "spott", "weight": 1}]);
        let (_, message) = rig.refused(operation, body.clone());
        assert!(message.contains("did you mean spot?"), "{message}");
        body["capacityProviderStrategy"] = json!([{"capacityProvider": "spot"}]);
        let (_, message) = rig.refused(operation, body);
        assert!(message.contains("every weight is 0"), "{message}");
    }
    // The cluster's default stands in where nothing is named, and not where a launch type is.
    rig.fleet.clusters[0].default_capacity_provider_strategy =
        serde_json::from_value(json!([{"capacityProvider": "steady", "weight": 1}])).unwrap();
    configure(&mut rig);
    let run = json!({"taskDefinition": "web", "count": 2});
    let ran = tasks(rig.ask("RunTask", run).unwrap());
    assert_eq!(places(&ran), ["steady", "steady"]);
    let run = json!({"taskDefinition": "web", "launchType": "EC2"});
    let ran = tasks(rig.ask("RunTask", run).unwrap());
    assert_eq!(ran[0].capacity_provider, None);
    // An empty list goes back to the launch type.
    let update = json!({"service": "web", "capacityProviderStrategy": []});
    rig.ask("UpdateService", update).unwrap();
    assert!(rig.service("web").capacity_provider_strategy.is_empty());
    assert_eq!(rig.service("web").launch_type, LaunchType::Ec2);
}

#[test]
fn a_schedule_runs_where_it_says_and_is_refused_where_it_never_could() {
    let mut rig = rig();
    let put = |name: &str, definition: &str, more: Value| {
        let mut body = json!({
            "name": name, "taskDefinition": definition, "scheduleExpression": "rate(1 hour)",
        });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    let spot = json!({"capacityProviderStrategy": [{"capacityProvider": "spot", "weight": 1}],
                      "taskCount": 2});
    rig.ask("PutSchedule", put("cheap", "web", spot.clone()))
        .unwrap();
    let fargate = json!({"launchType": "FARGATE"});
    rig.ask("PutSchedule", put("far", "big", fargate.clone()))
        .unwrap();
    rig.wake_after(60 * 60_000);
    let mut went: Vec<_> = rig.tasks();
    went.sort_by_key(|it| it.instance.clone());
    assert_eq!(places(&went), ["far", "spot", "spot"]);
    assert_eq!(went[0].launch_type, LaunchType::Fargate);
    assert_eq!(went[1].capacity_provider.as_ref().unwrap().as_str(), "spot");
    for (definition, mut more, member, value, says) in [
        (
            "web",
            spot,
            "launchType",
            json!("EC2"),
            "launchType is given too",
        ),
        (
            "web",
            fargate.clone(),
            "tags",
            json!([]),
            "does not support launch_type FARGATE",
        ),
        (
            "big",
            fargate,
            "placementStrategy",
            json!([{"type": "random"}]),
            "placementStrategy: not supported with FARGATE",
        ),
        (
            "web",
            json!({}),
            "capacityProviderStrategy",
            json!([{"capacityProvider": "nowhere", "weight": 1}]),
            "nowhere was not found",
        ),
    ] {
        more[member] = value;
        let (_, message) = rig.refused("PutSchedule", put("wrong", definition, more));
        assert!(message.contains(says), "{message}");
    }
}
