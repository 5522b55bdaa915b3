//! Task overrides: what one task has otherwise than its definition, and the definition that
//! comes of it. Applied here and nowhere else.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::members::nearest;
use super::parameters::{ContainerOverride, TaskOverride};
use super::state::State;
use super::task::Task;
use super::task_definition::{ContainerDefinition, TaskDefinition};
use super::validate::{self, Fault};

/// ECS's limit for the JSON of a task's overrides, in characters.
pub const OVERRIDES_MAX: usize = 8192;

impl TaskOverride {
    /// Whether it overrides nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let nothing = |it: &ContainerOverride| *it == ContainerOverride::new(it.name.clone());
        self.container_overrides.iter().all(nothing)
            && self.cpu.is_none()
            && self.memory.is_none()
            && self.task_role_arn.is_none()
    }

    /// What is wrong with it for tasks of that definition: containers that it does not have,
    /// more text than ECS takes, and what the definition would not be valid with.
    #[must_use]
    pub fn faults(&self, definition: &TaskDefinition) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut add = |path: String, message: String| faults.push(Fault { path, message });
        let length = serde_json::to_string(self).map_or(0, |text| text.chars().count());
        if length > OVERRIDES_MAX {
            let message = format!(
                "they are {length} characters of JSON; at most {OVERRIDES_MAX} are allowed"
            );
            add("overrides".to_owned(), message);
        }
        let mut seen = BTreeSet::new();
        for (index, of) in self.container_overrides.iter().enumerate() {
            let path = format!("overrides.containerOverrides[{index}].name");
            if definition.container(&of.name).is_none() {
                let known = || {
                    definition
                        .container_definitions
                        .iter()
                        .map(|it| it.name.as_str())
                };
                let help = match nearest(of.name.as_str(), known()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("it has {}", known().collect::<Vec<_>>().join(", ")),
                };
                let id = definition.id();
                add(
                    path,
                    format!("there is no container {} in {id}; {help}", of.name),
                );
            } else if !seen.insert(&of.name) {
                add(path, format!("the container {} is given twice", of.name));
            }
        }
        if !faults.is_empty() {
            return faults;
        }
        let before = validate::task_definition(definition);
        let after = validate::task_definition(&definition.with_overrides(self));
        let new = after.into_iter().filter(|fault| !before.contains(fault));
        new.map(|fault| Fault {
            path: "overrides".to_owned(),
            message: format!("with them, {fault}"),
        })
        .collect()
    }
}

impl ContainerOverride {
    /// One that overrides nothing yet.
    #[must_use]
    pub fn new(name: super::id::ContainerName) -> Self {
        Self {
            name,
            command: None,
            environment: Vec::new(),
            environment_files: Vec::new(),
            cpu: None,
            memory: None,
            memory_reservation: None,
            resource_requirements: Vec::new(),
        }
    }

    fn apply(&self, container: &mut ContainerDefinition) {
        if let Some(command) = &self.command {
            container.command = Some(command.clone());
        }
        for variable in &self.environment {
            let mut known = container.environment.iter_mut();
            match known.find(|it| it.name == variable.name) {
                Some(known) => known.value.clone_from(&variable.value),
                None => container.environment.push(variable.clone()),
            }
        }
        if !self.environment_files.is_empty() {
            container
                .environment_files
                .clone_from(&self.environment_files);
        }
        if let Some(cpu) = self.cpu {
            container.cpu = cpu;
        }
        container.memory = self.memory.or(container.memory);
        container.memory_reservation = self.memory_reservation.or(container.memory_reservation);
        if !self.resource_requirements.is_empty() {
            container
                .resource_requirements
                .clone_from(&self.resource_requirements);
        }
    }
}

impl TaskDefinition {
    /// The definition that a task with these overrides really has: what its resources, its
    /// containers and its role are read from.
    #[must_use]
    pub fn with_overrides(&self, overrides: &TaskOverride) -> Self {
        let mut effective = self.clone();
        effective.cpu = overrides.cpu.or(effective.cpu);
        effective.memory = overrides.memory.or(effective.memory);
        if let Some(role) = &overrides.task_role_arn {
            effective.task_role_arn = Some(role.clone());
        }
        for of in &overrides.container_overrides {
            let mut containers = effective.container_definitions.iter_mut();
            if let Some(container) = containers.find(|it| it.name == of.name) {
                of.apply(container);
            }
        }
        effective
    }
}

impl State {
    /// The definition that a task really has, its overrides included; `None` if the one it is a
    /// copy of is not known (any more).
    #[must_use]
    pub fn definition_of(&self, task: &Task) -> Option<Arc<TaskDefinition>> {
        let definition = self.task_definitions.get(&task.task_definition)?;
        Some(match &task.overrides {
            None => definition.clone(),
            Some(overrides) => Arc::new(definition.with_overrides(overrides)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CpuUnits, MemoryMib};
    use serde_json::json;

    fn definition() -> TaskDefinition {
        serde_json::from_value(json!({
            "family": "job", "revision": 3,
            "taskRoleArn": "reader",
            "containerDefinitions": [
                {"name": "main", "image": "busybox", "cpu": 256, "memory": 256,
                 "command": ["sleep", "9"],
                 "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
                {"name": "sidecar", "image": "busybox", "cpu": 64, "memory": 64}]
        }))
        .unwrap()
    }

    fn overrides(body: serde_json::Value) -> TaskOverride {
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn the_effective_definition_has_what_was_overridden_and_all_the_rest() {
        let given = overrides(json!({
            "taskRoleArn": "writer",
            "containerOverrides": [{"name": "main", "command": ["echo", "hi"], "cpu": 512,
                "memory": 1024, "memoryReservation": 300,
                "environment": [{"name": "B", "value": "20"}, {"name": "C", "value": "3"}],
                "resourceRequirements": [{"type": "GPU", "value": "1"}]}]
        }));
        let before = definition();
        let effective = before.with_overrides(&given);
        let main = &effective.container_definitions[0];
        assert_eq!(
            main.command.as_deref(),
            Some(&["echo".into(), "hi".into()][..])
        );
        let environment: Vec<_> = main
            .environment
            .iter()
            .map(|it| format!("{}={}", it.name, it.value))
            .collect();
        assert_eq!(environment, ["A=1", "B=20", "C=3"]);
        assert_eq!(main.resource_requirements[0].kind, "GPU");
        assert_eq!(effective.task_role_arn.as_deref(), Some("writer"));
        assert_eq!(effective.resources().cpu, CpuUnits(512 + 64));
        // memoryReservation is what is counted, as ever.
        assert_eq!(effective.resources().memory, MemoryMib(300 + 64));
        assert_eq!(
            effective.container_definitions[1],
            before.container_definitions[1]
        );
        assert_eq!(before.with_overrides(&TaskOverride::default()), before);
    }

    #[test]
    fn what_does_not_fit_the_definition_is_named() {
        let faults = |body| -> Vec<String> {
            let faults = overrides(body).faults(&definition());
            faults.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            faults(json!({"containerOverrides": [{"name": "main", "cpu": 1}]})),
            [""; 0]
        );
        assert_eq!(
            faults(json!({"containerOverrides": [{"name": "mian"}, {"name": "x"}]})),
            [
                "overrides.containerOverrides[0].name: there is no container mian in job:3; did you mean main?",
                "overrides.containerOverrides[1].name: there is no container x in job:3; it has main, sidecar",
            ]
        );
        assert_eq!(
            faults(json!({"containerOverrides": [{"name": "main"}, {"name": "main"}]})),
            ["overrides.containerOverrides[1].name: the container main is given twice"]
        );
        let invalid = faults(json!({"containerOverrides": [{"name": "main", "memory": 1}]}));
        assert_eq!(invalid.len(), 1, "{invalid:?}");
        assert!(invalid[0].starts_with("overrides: with them, containerDefinitions[0].memory"));
        let long = "x".repeat(OVERRIDES_MAX);
        let long = faults(json!({"containerOverrides": [{"name": "main", "command": [long]}]}));
        assert!(long[0].contains("at most 8192 are allowed"), "{long:?}");
    }

    #[test]
    fn nothing_overridden_is_nothing() {
        assert!(TaskOverride::default().is_empty());
        assert!(overrides(json!({"containerOverrides": [{"name": "main"}]})).is_empty());
        assert!(!overrides(json!({"cpu": 5})).is_empty());
    }
}
