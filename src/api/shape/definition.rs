//! ECS's TaskDefinition.

use serde_json::{Value, json};

use super::{definition_arn, plain, strip_nulls};
use crate::model::members::{self, Shape};
use crate::model::{State, TaskDefinition, validate};

/// Lists of a container definition that ECS sends even when they are empty.
const CONTAINER_LISTS: [&str; 4] = ["environment", "mountPoints", "portMappings", "volumesFrom"];

/// ECS's TaskDefinition. A definition's cpu and memory are strings, its containers' numbers, as
/// in ECS; tags stand beside it in a response, not in it.
#[must_use]
pub fn task_definition(state: &State, definition: &TaskDefinition) -> Value {
    let mut body = plain(definition);
    members::restore(Shape::RegisterTaskDefinition, &mut body);
    strip_nulls(&mut body);
    if let Value::Object(members) = &mut body {
        members.remove("tags");
    }
    body["taskDefinitionArn"] = definition_arn(state, &definition.id()).into();
    body["registeredAt"] = definition.registered_at.as_wire_seconds().into();
    body["compatibilities"] = if validate::fargate(definition).is_empty() {
        json!(["EC2", "FARGATE"])
    } else {
        json!(["EC2"])
    };
    if let Some(cpu) = definition.cpu {
        body["cpu"] = cpu.to_string().into();
    }
    if let Some(memory) = definition.memory {
        body["memory"] = memory.to_string().into();
    }
    for list in ["volumes", "placementConstraints", "requiresAttributes"] {
        fill(&mut body, list);
    }
    if let Some(containers) = body["containerDefinitions"].as_array_mut() {
        for container in containers {
            for list in CONTAINER_LISTS {
                fill(container, list);
            }
        }
    }
    body
}

fn fill(body: &mut Value, list: &str) {
    if body.get(list).is_none() {
        body[list] = json!([]);
    }
}
