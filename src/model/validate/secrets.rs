//! Secrets, environment files and the role that grants them.

use std::collections::BTreeSet;

use super::Faults;
use crate::model::grants::{role_name, secret_name};
use crate::model::id::RoleName;
use crate::model::task_definition::{ContainerDefinition, TaskDefinition};

/// ECS's limit for the environment files of a container.
const ENVIRONMENT_FILES_MAX: usize = 10;
/// The type of an environment file on the control plane's machine.
const FILE: &str = "file";

/// A task role must be one that a config could have.
pub(super) fn role(definition: &TaskDefinition, faults: &mut Faults) {
    let Some(arn) = &definition.task_role_arn else {
        return;
    };
    if let Err(error) = RoleName::new(role_name(arn)) {
        faults.add(
            "taskRoleArn",
            format!("\"{arn}\" names no role: {error}; give a [[role]]'s name, or an ARN that ends in it"),
        );
    }
}

/// A container's secrets and environment files.
pub(super) fn container(
    container: &ContainerDefinition,
    at: &dyn Fn(&str) -> String,
    faults: &mut Faults,
) {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let plain: BTreeSet<&str> = container
        .environment
        .iter()
        .map(|e| e.name.as_str())
        .collect();
    for (index, secret) in container.secrets.iter().enumerate() {
        let here = |member: &str| at(&format!("secrets[{index}].{member}"));
        let name = secret.name.as_str();
        if name.is_empty() || name.contains(['=', '\0']) {
            faults.add(here("name"), format!("\"{name}\" cannot name a variable"));
        } else if !seen.insert(name) {
            faults.add(here("name"), format!("another secret is called {name} too"));
        } else if plain.contains(name) {
            faults.add(
                here("name"),
                format!("the environment has {name} too; a secret's name must be its own"),
            );
        }
        let wanted = secret_name(&secret.value_from);
        let letters = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if wanted.is_empty() || !wanted.chars().all(letters) {
            faults.add(
                here("valueFrom"),
                format!(
                    "\"{}\" names no secret: give a [[secret]]'s name, or an ARN that ends in it. \
                     A key inside a secret cannot be named; make it a secret of its own",
                    secret.value_from
                ),
            );
        }
    }
    let files = &container.environment_files;
    if files.len() > ENVIRONMENT_FILES_MAX {
        faults.add(
            at("environmentFiles"),
            format!(
                "{} files; at most {ENVIRONMENT_FILES_MAX} are allowed",
                files.len()
            ),
        );
    }
    for (index, file) in files.iter().enumerate() {
        let here = |member: &str| at(&format!("environmentFiles[{index}].{member}"));
        if file.kind == "s3" || file.value.starts_with("arn:") {
            faults.add(
                here("type"),
                format!(
                    "\"{}\" is in S3, which is not reached from here: put the file on the control \
                     plane's machine, and write {{\"type\": \"{FILE}\", \"value\": \"/path/to/it\"}}",
                    file.value
                ),
            );
        } else if file.kind != FILE {
            let message = format!("\"{}\" is no type of file; expected \"{FILE}\"", file.kind);
            faults.add(here("type"), message);
        }
        if file.value.is_empty() || file.value.contains('\0') {
            faults.add(here("value"), "a path must be named, such as env/web.env");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::model::TaskDefinition;
    use crate::model::validate::task_definition;

    fn told(role: &str, container: Value) -> Vec<String> {
        let mut whole = json!({"name": "web", "image": "shop/web:1", "memory": 64});
        for (name, value) in container.as_object().unwrap() {
            whole[name] = value.clone();
        }
        let definition: TaskDefinition = serde_json::from_value(json!({
            "family": "web", "revision": 1, "taskRoleArn": role, "containerDefinitions": [whole],
        }))
        .unwrap();
        let faults = task_definition(&definition);
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn secrets_have_names_of_their_own_and_name_a_secret() {
        let good = json!({"secrets": [
            {"name": "A", "valueFrom": "shop/db"},
            {"name": "B", "valueFrom": "arn:aws:ssm:eu-central-1:123456789012:parameter/shop/db"},
        ]});
        assert_eq!(told("arn:aws:iam::1:role/team/app", good), [""; 0]);
        let bad = json!({
            "environment": [{"name": "A", "value": "1"}],
            "secrets": [
                {"name": "A", "valueFrom": "x"},
                {"name": "B", "valueFrom": "arn:aws:secretsmanager:r:1:secret:db-a1B2c3:key::"},
                {"name": "B", "valueFrom": ""},
                {"name": "C=D", "valueFrom": "x"},
            ],
        });
        let told = told("not a role!", bad);
        let begins = [
            "containerDefinitions[0].secrets[0].name: the environment has A too",
            "containerDefinitions[0].secrets[1].valueFrom: \"arn:aws:secretsmanager",
            "containerDefinitions[0].secrets[2].name: another secret is called B",
            "containerDefinitions[0].secrets[2].valueFrom: \"\" names no secret",
            "containerDefinitions[0].secrets[3].name: \"C=D\" cannot name a variable",
            "taskRoleArn: \"not a role!\" names no role",
        ];
        for begin in begins {
            assert!(
                told.iter().any(|line| line.starts_with(begin)),
                "{begin}: {told:#?}"
            );
        }
        assert_eq!(told.len(), begins.len(), "{told:#?}");
    }

    #[test]
    fn an_environment_file_in_s3_is_refused_with_what_to_do() {
        let file = |kind: &str, value: &str| json!({"type": kind, "value": value});
        let told = told(
            "app",
            json!({"environmentFiles": [
                file("file", "env/web.env"), file("s3", "arn:aws:s3:::b/web.env"),
                file("http", "x"), file("file", ""),
            ]}),
        );
        assert_eq!(told.len(), 3, "{told:#?}");
        assert!(told[0].contains("environmentFiles[1].type: \"arn:aws:s3:::b/web.env\" is in S3"));
        assert!(told[1].contains("environmentFiles[2].type: \"http\" is no type"));
        assert!(told[2].contains("environmentFiles[3].value: a path must be named"));
        let many: Vec<Value> = (0..11).map(|_| file("file", "a.env")).collect();
        let told = self::told("app", json!({"environmentFiles": many}));
        assert_eq!(
            told,
            ["containerDefinitions[0].environmentFiles: 11 files; at most 10 are allowed"]
        );
    }
}
