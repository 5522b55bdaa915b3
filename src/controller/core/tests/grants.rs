//! Task roles of the configuration: what asks for more than they grant is refused.

use serde_json::json;

use super::rig::Rig;
use crate::controller::command::ErrorKind;
use crate::model::{Change, Role, RoleName};

fn role(secrets: &[&str]) -> Role {
    Role {
        secrets: secrets.iter().map(|s| (*s).to_owned()).collect(),
        ..Role::new(RoleName::new("app").unwrap())
    }
}

/// The configuration is read anew, and the host answers again.
fn configure(rig: &mut Rig) {
    rig.configure();
    rig.connect("a");
}

/// A control plane with a role, and a definition that asks for a secret under it.
fn rig(secrets: &[&str]) -> Rig {
    let mut rig = Rig::new(&[("a", "z1")]);
    rig.fleet.roles = vec![role(secrets)];
    configure(&mut rig);
    let body = json!({"family": "web", "taskRoleArn": "app", "containerDefinitions": [{
        "name": "main", "image": "busybox", "memory": 64,
        "secrets": [{"name": "DB", "valueFrom": "db-password"},
                    {"name": "KEY", "valueFrom": "key"}]}]});
    rig.ask("RegisterTaskDefinition", body).unwrap();
    rig
}

#[test]
fn what_asks_for_more_than_its_role_grants_is_refused_with_every_missing_grant() {
    let mut rig = rig(&[]);
    for (operation, body) in [
        ("RunTask", json!({"taskDefinition": "web"})),
        (
            "CreateService",
            json!({"serviceName": "web", "taskDefinition": "web"}),
        ),
    ] {
        let (kind, message) = rig.refused(operation, body);
        assert_eq!(kind, ErrorKind::InvalidParameterException);
        for part in [
            "the secret db-password",
            "the secret key",
            "task role app does not grant",
        ] {
            assert!(message.contains(part), "{operation}: {message}");
        }
    }
}

#[test]
fn a_service_that_loses_its_grants_can_be_scaled_in_and_not_deployed_anew() {
    let mut rig = rig(&["db-password", "key"]);
    rig.create("web", 2);
    rig.settle();
    assert_eq!(rig.running(), 2);
    rig.fleet.roles = vec![role(&["key"])];
    configure(&mut rig);
    rig.settle();
    assert_eq!(rig.running(), 2, "what runs stays");
    let anew = json!({"service": "web", "forceNewDeployment": true});
    let (_, message) = rig.refused("UpdateService", anew);
    assert!(message.contains("db-password"), "{message}");
    let more = json!({"service": "web", "desiredCount": 3});
    rig.ask("UpdateService", more).unwrap();
    rig.settle();
    assert_eq!(rig.running(), 2);
    let unplaced = rig.service("web").unplaced.clone().unwrap();
    assert!(
        unplaced.message.contains("does not grant"),
        "{}",
        unplaced.message
    );
    let fewer = json!({"service": "web", "desiredCount": 1});
    rig.ask("UpdateService", fewer).unwrap();
    rig.settle();
    assert_eq!(rig.running(), 1);
    assert_eq!(rig.service("web").unplaced, None);
}

#[test]
fn the_state_has_the_roles_of_the_configuration_and_no_others() {
    let mut rig = rig(&["key"]);
    assert_eq!(rig.state.roles.len(), 1);
    let stored = |rig: &Rig| {
        let changes = rig.changes.iter();
        changes.filter(|c| matches!(c, Change::Role(_))).count()
    };
    let before = stored(&rig);
    rig.configure();
    assert_eq!(stored(&rig), before, "nothing new, nothing stored");
    rig.fleet.roles.clear();
    rig.configure();
    assert!(rig.state.roles.is_empty());
}

#[test]
fn a_schedule_that_its_role_does_not_let_run_is_refused_and_can_still_be_turned_off() {
    let mut rig = rig(&["db-password"]);
    let put = |enabled: bool, expression: &str| {
        json!({"name": "nightly", "taskDefinition": "web", "scheduleExpression": expression,
               "enabled": enabled})
    };
    let hourly = "rate(1 hour)";
    for enabled in [true, false] {
        let (kind, message) = rig.refused("PutSchedule", put(enabled, hourly));
        assert_eq!(kind, ErrorKind::InvalidParameterException);
        assert!(message.contains("the secret key"), "{message}");
    }
    rig.fleet.roles = vec![role(&["db-password", "key"])];
    configure(&mut rig);
    rig.ask("PutSchedule", put(true, hourly)).unwrap();
    // Overrides may name another role.
    let mut other = put(true, hourly);
    other["overrides"] = json!({"taskRoleArn": "nobody"});
    let (_, message) = rig.refused("PutSchedule", other);
    assert!(message.contains("nobody"), "{message}");
    // The grant goes: the schedule can be turned off as it is, and not be changed otherwise.
    rig.fleet.roles = vec![role(&["db-password"])];
    configure(&mut rig);
    rig.refused("PutSchedule", put(false, "rate(2 hours)"));
    rig.ask("PutSchedule", put(false, hourly)).unwrap();
    rig.refused("PutSchedule", put(true, hourly));
}
