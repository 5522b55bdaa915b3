use super::rig::Rig;
use crate::controller::command::{ErrorKind, Response};
use crate::model::service::DEFAULT_GRACE_S;
use crate::model::{DesiredStatus, RolloutState, ServiceStatus};
use serde_json::json;

fn rig() -> Rig {
    let mut rig = Rig::new(&[("a", "z1"), ("b", "z2"), ("c", "z3")]);
    rig.register("web", json!({}));
    rig
}

#[test]
fn a_service_is_created_placed_and_runs() {
    let mut rig = rig();
    rig.create("web", 3);
    assert_eq!(rig.tasks().len(), 3, "placed in the same decision");
    rig.settle();
    assert_eq!(rig.running(), 3);
    let service = rig.service("web");
    assert_eq!(service.grace_s, DEFAULT_GRACE_S);
    let primary = service.primary().unwrap();
    assert_eq!(primary.rollout_state, RolloutState::Completed);
    assert!(primary.id.as_str().starts_with("ecs-svc/"));
    rig.told("(service web) was created by ann: web:1, desired count 3.");
    rig.told("has reached a steady state");
}

#[test]
fn creating_again_is_harmless_with_a_token_and_refused_without() {
    let mut rig = rig();
    let body = json!({"serviceName": "web", "taskDefinition": "web:1", "clientToken": "t"});
    let first = rig.ask("CreateService", body.clone()).unwrap();
    let count = rig.tasks().len();
    let Ok(Response::Service(again)) = rig.ask("CreateService", body) else {
        panic!("not a service")
    };
    let Response::Service(first) = first else {
        panic!("not a service")
    };
    assert_eq!(again.created_at, first.created_at);
    assert_eq!(rig.tasks().len(), count);
    let body = json!({"serviceName": "web", "taskDefinition": "web"});
    let (kind, message) = rig.refused("CreateService", body);
    assert_eq!(kind, ErrorKind::InvalidParameterException);
    assert!(message.contains("UpdateService"), "{message}");
}

#[test]
fn a_service_that_makes_no_sense_is_refused_with_every_reason() {
    let mut rig = rig();
    let (kind, message) = rig.refused(
        "CreateService",
        json!({"serviceName": "x", "taskDefinition": "web", "desiredCount": 3,
               "deploymentConfiguration": {"maximumPercent": 125},
               "placementConstraints": [{"type": "memberOf", "expression": "attribute:disk ="}],
               "placementStrategy": [{"type": "spread"}]}),
    );
    assert_eq!(kind, ErrorKind::InvalidParameterException);
    for part in [
        "⌊3 × 125 / 100⌋ = 3",
        "placementConstraints[0].expression",
        "placementStrategy[0]",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
    let (kind, message) = rig.refused(
        "CreateService",
        json!({"serviceName": "x", "taskDefinition": "wob"}),
    );
    assert_eq!(kind, ErrorKind::ClientException);
    assert!(message.contains("Did you mean web?"), "{message}");
    let (_, message) = rig.refused(
        "CreateService",
        json!({"serviceName": "x", "taskDefinition": "web:7"}),
    );
    assert!(message.contains("It has the revisions 1."), "{message}");
    let (kind, _) = rig.refused(
        "CreateService",
        json!({"serviceName": "x", "taskDefinition": "web", "cluster": "nowhere"}),
    );
    assert_eq!(kind, ErrorKind::ClusterNotFoundException);
}

#[test]
fn a_new_count_is_no_new_deployment_and_a_bad_count_is_refused() {
    let mut rig = rig();
    rig.ask(
        "CreateService",
        json!({"serviceName": "web", "taskDefinition": "web", "desiredCount": 4,
               "deploymentConfiguration": {"maximumPercent": 125}}),
    )
    .unwrap();
    rig.settle();
    let deployments = rig.service("web").deployments.clone();
    rig.ask(
        "UpdateService",
        json!({"service": "web", "desiredCount": 6}),
    )
    .unwrap();
    assert_eq!(rig.service("web").deployments.len(), deployments.len());
    assert_eq!(rig.service("web").deployments[0].id, deployments[0].id);
    rig.settle();
    assert_eq!(rig.running(), 6);
    rig.told("(service web) was updated by ann: desired count 4 → 6.");
    let (_, message) = rig.refused(
        "UpdateService",
        json!({"service": "web", "desiredCount": 3}),
    );
    assert!(message.contains("= 3 must stay up"), "{message}");
    rig.ask(
        "UpdateService",
        json!({"service": "web", "desiredCount": 0}),
    )
    .unwrap();
    rig.settle();
    assert_eq!(rig.running(), 0);
}

#[test]
fn an_update_keeps_what_it_does_not_name() {
    let mut rig = rig();
    rig.ask(
        "CreateService",
        json!({"serviceName": "web", "taskDefinition": "web", "desiredCount": 2,
               "hostLossGracePeriodSeconds": 7, "launchType": "EC2",
               "deploymentConfiguration":
                   {"minimumHealthyPercent": 50, "maximumPercent": 150,
                    "deploymentCircuitBreaker": {"enable": true, "rollback": true}}}),
    )
    .unwrap();
    rig.ask(
        "UpdateService",
        json!({"service": "web", "deploymentConfiguration": {"maximumPercent": 200},
               "enableExecuteCommand": true}),
    )
    .unwrap();
    let service = rig.service("web");
    let bounds = &service.deployment_configuration;
    assert_eq!(
        (bounds.minimum_healthy_percent, bounds.maximum_percent),
        (50, 200)
    );
    assert!(bounds.deployment_circuit_breaker.enable && bounds.deployment_circuit_breaker.rollback);
    assert_eq!(service.grace_s, 7);
    assert_eq!(service.unsupported.len(), 1, "{:?}", service.unsupported);
}

#[test]
fn a_new_definition_or_force_is_a_new_deployment_and_the_same_definition_is_not() {
    let mut rig = rig();
    rig.create("web", 2);
    rig.settle();
    let old: Vec<_> = rig.tasks().iter().map(|t| t.id).collect();
    rig.ask(
        "UpdateService",
        json!({"service": "web", "taskDefinition": "web"}),
    )
    .unwrap();
    assert_eq!(rig.service("web").deployments.len(), 1);
    rig.register("web", json!({"image": "busybox:2"}));
    rig.ask(
        "UpdateService",
        json!({"service": "web", "taskDefinition": "web"}),
    )
    .unwrap();
    let service = rig.service("web");
    assert_eq!(service.deployments.len(), 2);
    assert_eq!(service.deployments[0].task_definition.to_string(), "web:2");
    assert_eq!(
        service.deployments[0].rollout_state,
        RolloutState::InProgress
    );
    assert_eq!(service.deployments[1].task_definition.to_string(), "web:1");
    rig.settle();
    assert_eq!(rig.running(), 2);
    assert!(
        rig.tasks()
            .iter()
            .all(|t| t.task_definition.to_string() == "web:2")
    );
    assert!(rig.tasks().iter().all(|t| !old.contains(&t.id)));
    let settled: Vec<_> = rig.tasks().iter().map(|t| t.id).collect();
    rig.ask(
        "UpdateService",
        json!({"service": "web", "forceNewDeployment": true}),
    )
    .unwrap();
    assert_eq!(rig.service("web").deployments.len(), 2);
    rig.settle();
    assert_eq!(rig.running(), 2);
    assert!(rig.tasks().iter().all(|t| !settled.contains(&t.id)));
    assert_eq!(rig.service("web").deployments.len(), 1);
}

/// As the circuit breaker does it: what serves is not replaced by its like.
#[test]
fn what_still_serves_of_the_revision_that_is_gone_back_to_is_kept() {
    let mut rig = rig();
    rig.create("web", 2);
    rig.settle();
    let before = rig.service("web").deployments[0].id.clone();
    let old: Vec<_> = rig.tasks().iter().map(|t| t.id).collect();
    rig.register("web", json!({"image": "busybox:2"}));
    let update = |definition| json!({"service": "web", "taskDefinition": definition});
    rig.ask("UpdateService", update("web:2")).unwrap();
    assert_eq!(rig.tasks().len(), 4);
    rig.ask("UpdateService", update("web:1")).unwrap();
    rig.told("back to the deployment of web:1, whose tasks are kept");
    rig.settle();
    let all = rig.tasks();
    let running: Vec<_> = all.iter().filter(|it| it.is_wanted()).collect();
    assert_eq!(running.iter().map(|t| t.id).collect::<Vec<_>>(), old);
    let ever = rig.state.tasks.values();
    let ever = ever.filter(|it| it.task_definition.to_string() == "web:1");
    assert_eq!(ever.count(), 2, "none of it was started anew");
    let service = rig.service("web");
    assert_eq!(service.deployments.len(), 1);
    assert_eq!(service.deployments[0].id, before);
    assert_eq!(
        service.deployments[0].rollout_state,
        RolloutState::Completed
    );
    // Force means force.
    rig.ask("UpdateService", update("web:2")).unwrap();
    let mut forced = update("web:1");
    forced["forceNewDeployment"] = json!(true);
    rig.ask("UpdateService", forced).unwrap();
    assert_ne!(rig.service("web").deployments[0].id, before);
}

#[test]
fn deleting_needs_force_above_zero_and_leaves_nothing_behind() {
    let mut rig = rig();
    rig.create("web", 2);
    rig.settle();
    let (kind, message) = rig.refused("DeleteService", json!({"service": "web"}));
    assert_eq!(kind, ErrorKind::InvalidParameterException);
    assert!(message.starts_with("The service cannot be stopped while it is scaled above 0"));
    rig.ask("DeleteService", json!({"service": "web", "force": true}))
        .unwrap();
    assert_eq!(rig.service("web").status, ServiceStatus::Draining);
    assert!(
        rig.tasks()
            .iter()
            .all(|t| t.desired_status == DesiredStatus::Stopped)
    );
    let (kind, _) = rig.refused(
        "UpdateService",
        json!({"service": "web", "desiredCount": 1}),
    );
    assert_eq!(kind, ErrorKind::ServiceNotActiveException);
    let (_, message) = rig.refused(
        "CreateService",
        json!({"serviceName": "web", "taskDefinition": "web"}),
    );
    assert!(message.contains("still stopping"), "{message}");
    rig.settle();
    assert_eq!(rig.tasks(), vec![]);
    assert_eq!(rig.service("web").status, ServiceStatus::Inactive);
    rig.create("web", 1);
    assert_eq!(rig.service("web").status, ServiceStatus::Active);
    let (kind, message) = rig.refused("DeleteService", json!({"service": "wep", "force": true}));
    assert_eq!(kind, ErrorKind::ServiceNotFoundException);
    assert!(message.ends_with("Did you mean web?"), "{message}");
}

#[test]
fn names_may_be_arns() {
    let mut rig = rig();
    rig.create("web", 1);
    let service = "arn:aws:ecs:local:123456789012:service/default/web";
    let definition = "arn:aws:ecs:local:123456789012:task-definition/web:1";
    rig.ask(
        "UpdateService",
        json!({"service": service, "taskDefinition": definition, "desiredCount": 2,
               "cluster": "arn:aws:ecs:local:123456789012:cluster/default"}),
    )
    .unwrap();
    assert_eq!(rig.service("web").desired_count, 2);
    let elsewhere = "arn:aws:ecs:local:123456789012:service/other/web";
    let (kind, _) = rig.refused("UpdateService", json!({"service": elsewhere}));
    assert_eq!(kind, ErrorKind::ClusterNotFoundException);
}

#[test]
fn a_daemon_runs_on_every_instance_and_its_count_is_not_asked_for() {
    let mut rig = rig();
    let hosts = rig.state.instances.len();
    let body = json!({"serviceName": "logs", "taskDefinition": "web:1",
                      "schedulingStrategy": "DAEMON"});
    rig.ask("CreateService", body).unwrap();
    assert_eq!(rig.tasks().len(), hosts, "placed in the same decision");
    rig.settle();
    let service = rig.service("logs");
    assert_eq!(service.desired_count as usize, hosts);
    assert_eq!(service.deployment_configuration.maximum_percent, 100);
    rig.told("(service logs) was created by ann: web:1, one task on every matching instance.");
    let (kind, message) = rig.refused(
        "UpdateService",
        json!({"service": "logs", "desiredCount": 1}),
    );
    assert_eq!(kind, ErrorKind::InvalidParameterException);
    assert!(message.contains("is a DAEMON"), "{message}");
    rig.ask("DeleteService", json!({"service": "logs"}))
        .unwrap();
    rig.settle();
    assert_eq!(rig.running(), 0, "a DAEMON is deleted without force");
}

#[test]
fn a_protected_task_survives_scale_in_until_its_protection_ends() {
    let mut rig = rig();
    rig.create("web", 2);
    rig.settle();
    let ids: Vec<String> = rig.tasks().iter().map(|t| t.id.to_string()).collect();
    let body = json!({"tasks": [ids[0], "0123456789abcdef0123456789abcdef"],
                      "protectionEnabled": true, "expiresInMinutes": 5});
    let Ok(Response::ProtectedTasks(set, failures)) = rig.ask("UpdateTaskProtection", body) else {
        panic!("not protected")
    };
    assert_eq!(set[0].protected_until, Some(rig.now.plus_ms(300_000)));
    assert_eq!(failures[0].reason, "MISSING");
    rig.ask(
        "UpdateService",
        json!({"service": "web", "desiredCount": 0}),
    )
    .unwrap();
    rig.settle();
    let left: Vec<String> = rig.tasks().iter().map(|t| t.id.to_string()).collect();
    assert_eq!(left, [ids[0].clone()]);
    rig.told("was unable to scale in due to task protection of 1 task");
    let ends = rig.wake_at.unwrap();
    assert_eq!(Some(ends), set[0].protected_until);
    rig.wake_after(300_000);
    rig.settle();
    assert_eq!(rig.running(), 0);
    let bad = json!({"tasks": [ids[0]], "protectionEnabled": true, "expiresInMinutes": 2881});
    let (_, message) = rig.refused("UpdateTaskProtection", bad);
    assert!(message.contains("1 to 2880"), "{message}");
}

#[test]
fn zone_rebalancing_is_on_where_it_can_be_and_refused_by_name_where_not() {
    use crate::model::service::ZoneRebalancing::{Disabled, Enabled};
    let mut rig = rig();
    rig.create("web", 4);
    assert_eq!(rig.service("web").availability_zone_rebalancing, Enabled);
    let narrow = json!({"minimumHealthyPercent": 50, "maximumPercent": 100});
    let mut body = json!({"service": "web", "deploymentConfiguration": narrow,
                          "availabilityZoneRebalancing": "ENABLED"});
    let (kind, message) = rig.refused("UpdateService", body.clone());
    assert_eq!(kind, ErrorKind::InvalidParameterException);
    assert!(message.contains("availabilityZoneRebalancing"), "{message}");
    body.as_object_mut()
        .unwrap()
        .remove("availabilityZoneRebalancing");
    rig.ask("UpdateService", body).unwrap();
    assert_eq!(rig.service("web").availability_zone_rebalancing, Disabled);
    let (_, message) = rig.refused("RebalanceService", json!({"service": "web"}));
    assert!(message.contains("maximumPercent"), "{message}");
    let request = json!({"serviceName": "api", "taskDefinition": "web", "desiredCount": 2,
                         "availabilityZoneRebalancing": "DISABLED"});
    rig.ask("CreateService", request).unwrap();
    assert_eq!(rig.service("api").availability_zone_rebalancing, Disabled);
    rig.settle();
    rig.ask("RebalanceService", json!({"service": "api"}))
        .unwrap();
    rig.told("(service api): ann asked to balance its zones.");
    rig.settle();
    assert_eq!(rig.service("api").rebalance, None);
    let (kind, _) = rig.refused("RebalanceService", json!({"service": "apo"}));
    assert_eq!(kind, ErrorKind::ServiceNotFoundException);
}
