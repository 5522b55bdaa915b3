//! Who may ask for what. The one place where it is decided, for whatever way a command comes.

use super::{Command, CommandError, ErrorKind};
use crate::model::{AccessRole, Actor};

impl Command {
    /// The least role that may ask for it. A new operation does not build without one.
    #[must_use]
    pub fn needs(&self) -> AccessRole {
        match self {
            Self::RegisterTaskDefinition(_)
            | Self::CreateService(_)
            | Self::UpdateService(_)
            | Self::RebalanceService(_)
            | Self::DeleteService(_)
            | Self::RunTask(_)
            | Self::StopTask(_)
            | Self::ExecuteCommand(_)
            | Self::UpdateTaskProtection(_)
            | Self::UpdateContainerInstancesState(_)
            | Self::TagResource(_)
            | Self::UntagResource(_)
            | Self::PutSchedule(_)
            | Self::DeleteSchedule(_)
            | Self::RunSchedule(_) => AccessRole::Operator,
            // Neither can be taken back.
            Self::DeregisterTaskDefinition(_) | Self::CreateCluster(_) | Self::DeleteCluster(_) => {
                AccessRole::Admin
            }
        }
    }
}

/// Whether `actor` may ask for it.
///
/// # Errors
/// [`CommandError`] with the role that it takes.
pub fn check(command: &Command, actor: &Actor) -> Result<(), CommandError> {
    allowed(actor.role, command.needs(), command.operation())
}

/// Whether `role` may do what is called `what` and needs `needed`.
///
/// # Errors
/// [`CommandError`] with the role that it takes.
pub fn allowed(role: AccessRole, needed: AccessRole, what: &str) -> Result<(), CommandError> {
    if role.allows(needed) {
        return Ok(());
    }
    Err(CommandError::new(
        ErrorKind::AccessDeniedException,
        format!(
            "{what} needs the role {needed}, and yours is {role}. Roles are given under \
             [[api.operator]] in the config of the server."
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::command::execute::ExecuteCommand;
    use crate::controller::wire;
    use crate::model::Surface;
    use serde_json::{Value, json};

    /// One request of each operation.
    fn all() -> Vec<(&'static str, Value, AccessRole)> {
        use AccessRole::{Admin, Operator};
        let container = json!([{"name": "a", "image": "a", "memory": 4}]);
        let arn = "arn:aws:ecs:local:123456789012:cluster/default";
        vec![
            (
                "RegisterTaskDefinition",
                json!({"family": "a", "containerDefinitions": container}),
                Operator,
            ),
            (
                "DeregisterTaskDefinition",
                json!({"taskDefinition": "a:1"}),
                Admin,
            ),
            (
                "CreateService",
                json!({"serviceName": "a", "taskDefinition": "a"}),
                Operator,
            ),
            ("UpdateService", json!({"service": "a"}), Operator),
            ("RebalanceService", json!({"service": "a"}), Operator),
            ("DeleteService", json!({"service": "a"}), Operator),
            ("RunTask", json!({"taskDefinition": "a"}), Operator),
            ("StopTask", json!({"task": "a"}), Operator),
            (
                "UpdateTaskProtection",
                json!({"tasks": ["a"], "protectionEnabled": true}),
                Operator,
            ),
            (
                "UpdateContainerInstancesState",
                json!({"containerInstances": ["a"], "status": "DRAINING"}),
                Operator,
            ),
            ("CreateCluster", json!({}), Admin),
            ("DeleteCluster", json!({"cluster": "a"}), Admin),
            (
                "TagResource",
                json!({"resourceArn": arn, "tags": [{"key": "a", "value": "b"}]}),
                Operator,
            ),
            (
                "UntagResource",
                json!({"resourceArn": arn, "tagKeys": ["a"]}),
                Operator,
            ),
            (
                "PutSchedule",
                json!({"name": "a", "scheduleExpression": "rate(1 minute)", "taskDefinition": "a"}),
                Operator,
            ),
            ("DeleteSchedule", json!({"name": "a"}), Operator),
            ("RunSchedule", json!({"name": "a"}), Operator),
        ]
    }

    #[test]
    fn every_operation_of_the_wire_is_held_to_its_role() {
        let shell = Command::ExecuteCommand(ExecuteCommand {
            task: "a".into(),
            cluster: None,
            container: None,
            command: vec!["sh".into()],
            interactive: true,
        });
        let on_the_wire = all().into_iter().map(|(operation, body, needed)| {
            let command = wire::decode(operation, &body).unwrap();
            assert_eq!(command.operation(), operation);
            (command, needed)
        });
        for (command, needed) in on_the_wire.chain([(shell, AccessRole::Operator)]) {
            let operation = command.operation();
            for role in [
                AccessRole::Viewer,
                AccessRole::Operator,
                AccessRole::Admin,
                AccessRole::Owner,
            ] {
                let actor = Actor::new("ann", Surface::Api).held_to(role);
                let said = check(&command, &actor);
                assert_eq!(said.is_ok(), role >= needed, "{operation} by {role}");
                if let Err(refusal) = said {
                    assert_eq!(refusal.kind, ErrorKind::AccessDeniedException);
                    let words = format!("{operation} needs the role {needed}, and yours is {role}");
                    assert!(refusal.message.starts_with(&words), "{refusal}");
                }
            }
        }
    }
}
