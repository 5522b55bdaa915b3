//! What would change, member by member. Pure.

use serde_json::Value;

use super::shape;
use crate::model::{State, TaskDefinition};

/// The longest value that a line shows, in characters.
const VALUE_MAX: usize = 60;

/// One line for each member that differs: `containerDefinitions[app].image: "a" → "b"`. Lists of
/// named things are compared by name, other lists item by item.
#[must_use]
pub fn between(before: &Value, after: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", before, after, &mut lines);
    lines
}

/// What a task definition is made of, without what tells its revisions apart by themselves: its
/// number, its status, when it was registered.
#[must_use]
pub fn definition(state: &State, definition: &TaskDefinition) -> Value {
    let mut body = shape::task_definition(state, definition);
    if let Value::Object(members) = &mut body {
        for facts in ["registeredAt", "revision", "status", "taskDefinitionArn"] {
            members.remove(facts);
        }
    }
    body
}

fn compare(path: &str, before: &Value, after: &Value, lines: &mut Vec<String>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: Vec<&String> = a
                .keys()
                .chain(b.keys().filter(|key| !a.contains_key(*key)))
                .collect();
            for key in keys {
                let below = match path {
                    "" => key.clone(),
                    path => format!("{path}.{key}"),
                };
                member(&below, a.get(key), b.get(key), lines);
            }
        }
        (Value::Array(a), Value::Array(b)) => match (named(a), named(b)) {
            (Some(names_a), Some(names_b)) => {
                let before = lines.len();
                for (name, value) in &names_a {
                    let other = names_b.iter().find(|(n, _)| n == name).map(|(_, v)| *v);
                    member(&format!("{path}[{name}]"), Some(value), other, lines);
                }
                for (name, value) in &names_b {
                    if !names_a.iter().any(|(n, _)| n == name) {
                        member(&format!("{path}[{name}]"), None, Some(value), lines);
                    }
                }
                if lines.len() == before {
                    lines.push(format!("~ {path}: in another order"));
                }
            }
            _ if a.iter().chain(b).all(|item| !item.is_object()) => {
                lines.push(format!("~ {path}: {} → {}", shown(before), shown(after)));
            }
            _ => {
                for index in 0..a.len().max(b.len()) {
                    let below = format!("{path}[{index}]");
                    member(&below, a.get(index), b.get(index), lines);
                }
            }
        },
        _ => lines.push(format!("~ {path}: {} → {}", shown(before), shown(after))),
    }
}

fn member(path: &str, before: Option<&Value>, after: Option<&Value>, lines: &mut Vec<String>) {
    match (before, after) {
        (Some(before), Some(after)) => compare(path, before, after, lines),
        (Some(before), None) => lines.push(format!("- {path}: {}", shown(before))),
        (None, Some(after)) => lines.push(format!("+ {path}: {}", shown(after))),
        (None, None) => {}
    }
}

/// The items of a list by their names, if each has one of its own.
fn named(items: &[Value]) -> Option<Vec<(&str, &Value)>> {
    let mut names: Vec<(&str, &Value)> = Vec::new();
    for item in items {
        let name = item.get("name")?.as_str()?;
        if names.iter().any(|(other, _)| *other == name) {
            return None;
        }
        names.push((name, item));
    }
    Some(names)
}

/// A value in one short line.
#[must_use]
pub fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= VALUE_MAX {
        return text;
    }
    let mut short: String = text.chars().take(VALUE_MAX - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_are_compared_and_named_things_by_name() {
        let before = json!({"family": "web", "cpu": "256", "containerDefinitions": [
            {"name": "app", "image": "a:1", "command": ["x"], "environment":
                [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"name": "old", "image": "o"}]});
        let after = json!({"family": "web", "memory": "9", "containerDefinitions": [
            {"name": "new", "image": "n"},
            {"name": "app", "image": "a:2", "command": ["x", "y"], "environment":
                [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}]}]});
        assert_eq!(
            between(&before, &after),
            [
                "~ containerDefinitions[app].command: [\"x\"] → [\"x\",\"y\"]",
                "~ containerDefinitions[app].environment[B].value: \"2\" → \"3\"",
                "~ containerDefinitions[app].image: \"a:1\" → \"a:2\"",
                "- containerDefinitions[old]: {\"image\":\"o\",\"name\":\"old\"}",
                "+ containerDefinitions[new]: {\"image\":\"n\",\"name\":\"new\"}",
                "- cpu: \"256\"",
                "+ memory: \"9\"",
            ]
        );
        assert!(between(&before, &before).is_empty());
    }

    #[test]
    fn another_order_is_told_beside_what_else_differs() {
        let list = |cpu: &str, a: &str, b: &str| json!({"a": cpu, "c": [{"name": a}, {"name": b}]});
        assert_eq!(
            between(&list("1", "x", "y"), &list("2", "y", "x")),
            ["~ a: \"1\" → \"2\"", "~ c: in another order"]
        );
    }

    #[test]
    fn another_order_alone_is_told() {
        let list = |a: &str, b: &str| json!({"c": [{"name": a}, {"name": b}]});
        assert_eq!(
            between(&list("x", "y"), &list("y", "x")),
            ["~ c: in another order"]
        );
    }
}
