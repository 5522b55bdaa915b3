//! Task roles and secrets of a config file.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use super::lookup::Lookup;
use super::reader::Reader;
use super::settings::{SecretSettings, SecretSource, Settings};
use crate::document::{Node, nearest};
use crate::model::{Role, RoleName};

const ROLE: &[&str] = &[
    "name",
    "secrets",
    "images",
    "host_paths",
    "environment_files",
];
const SECRET: &[&str] = &["name", "file", "env", "command"];
const SOURCES: [&str; 3] = ["file", "env", "command"];
/// What is expected where a secret does not say where it comes from.
const FORMS: &str = "one of file = \"…\", env = \"NAME\", command = [\"program\", \"argument\", …]";
/// The longest name of a secret, as in ECS's parameter store.
const SECRET_NAME_MAX: usize = 255;

/// The secrets of a config file.
pub(super) fn secrets<'a>(
    reader: &mut Reader<'a>,
    root: &'a Node,
    file: &Path,
    lookup: &Lookup,
) -> Vec<SecretSettings> {
    let mut secrets: Vec<SecretSettings> = Vec::new();
    for node in reader.tables(root, "secret") {
        if !reader.table(node, "a secret", SECRET) {
            continue;
        }
        let source = source(reader, node, file, lookup);
        let Some((name, span)) = reader.required(node, "a secret", "name") else {
            continue;
        };
        let letters = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if name.is_empty() || name.len() > SECRET_NAME_MAX || !name.chars().all(letters) {
            let fault = reader
                .fault(&span, format!("\"{name}\" cannot name a secret"))
                .expected("1 to 255 letters, digits, '-', '_', '.' and '/'");
            reader.push(fault);
        } else if secrets.iter().any(|secret| secret.name == name) {
            let fault = reader.fault(&span, format!("the secret \"{name}\" is given twice"));
            reader.push(fault);
        } else if let Some(source) = source {
            secrets.push(SecretSettings {
                name: name.to_owned(),
                source,
            });
        }
    }
    secrets
}

/// Where a secret comes from: exactly one of the three.
fn source<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    file: &Path,
    lookup: &Lookup,
) -> Option<SecretSource> {
    let named: Vec<&str> = SOURCES
        .into_iter()
        .filter(|key| node.get(key).is_some())
        .collect();
    let [one] = named.as_slice() else {
        let what = if named.is_empty() {
            "a secret does not say where it comes from".to_owned()
        } else {
            format!(
                "a secret comes from one place, not from {}",
                named.join(" and ")
            )
        };
        let fault = reader.fault(&node.span, what).expected(FORMS);
        reader.push(fault);
        return None;
    };
    if *one == "command" {
        let command = texts(reader, node, "command")?;
        let words: Vec<String> = command
            .into_iter()
            .map(|(text, _)| text.to_owned())
            .collect();
        if words.first().is_none_or(String::is_empty) {
            let span = node
                .get("command")
                .map_or(node.span.clone(), |v| v.span.clone());
            let fault = reader
                .fault(&span, "command names no program")
                .expected(FORMS);
            reader.push(fault);
            return None;
        }
        return Some(SecretSource::Command(words));
    }
    let (text, span) = reader.text(node, one)?;
    if text.is_empty() || text.contains(['=', '\0']) && *one == "env" {
        let fault = reader
            .fault(&span, format!("{one} is \"{text}\""))
            .expected(FORMS);
        reader.push(fault);
        return None;
    }
    Some(match *one {
        // It need not be there yet: it is read whenever a container is made.
        "file" => SecretSource::File(lookup.resolve(file, text)),
        _ => SecretSource::Environment(text.to_owned()),
    })
}

/// The roles of a config file.
pub(super) fn roles<'a>(
    reader: &mut Reader<'a>,
    root: &'a Node,
    secrets: &[SecretSettings],
) -> Vec<Role> {
    // One that is written and is not valid has been told: it is known all the same.
    let known: BTreeSet<&str> = reader
        .tables(root, "secret")
        .iter()
        .filter_map(|node| node.get("name").and_then(Node::as_str))
        .chain(secrets.iter().map(|s| s.name.as_str()))
        .collect();
    let mut roles: Vec<Role> = Vec::new();
    for node in reader.tables(root, "role") {
        if !reader.table(node, "a role", ROLE) {
            continue;
        }
        let granted = texts(reader, node, "secrets").unwrap_or_default();
        for (name, span) in &granted {
            if !known.contains(name) {
                let fault = reader
                    .fault(span, format!("there is no secret \"{name}\""))
                    .expected(format!("the name of a [[secret]]: {}", list(&known)))
                    .or_nearest(nearest(name, known.iter().copied()));
                reader.push(fault);
            }
        }
        let images = texts(reader, node, "images");
        let host_paths = texts(reader, node, "host_paths");
        for (path, span) in host_paths.iter().flatten() {
            if !path.starts_with('/') {
                let fault = reader
                    .fault(span, format!("the host's path \"{path}\" is not absolute"))
                    .expected("a path such as \"/srv/data\"");
                reader.push(fault);
            }
        }
        let files = texts(reader, node, "environment_files").unwrap_or_default();
        let Some((text, span)) = reader.required(node, "a role", "name") else {
            continue;
        };
        let Some(name) = reader.checked::<RoleName>(text, &span) else {
            continue;
        };
        if roles.iter().any(|role| role.name == name) {
            let fault = reader.fault(&span, format!("the role \"{name}\" is given twice"));
            reader.push(fault);
            continue;
        }
        roles.push(Role {
            secrets: owned(granted),
            images: images.map(owned),
            host_paths: host_paths.map(owned),
            environment_files: owned(files),
            ..Role::new(name)
        });
    }
    roles
}

fn list(known: &BTreeSet<&str>) -> String {
    match known.is_empty() {
        true => "there is none yet".to_owned(),
        false => known.iter().copied().collect::<Vec<_>>().join(", "),
    }
}

type Texts<'a> = Vec<(&'a str, Range<usize>)>;

fn owned(texts: Texts<'_>) -> Vec<String> {
    texts.into_iter().map(|(text, _)| text.to_owned()).collect()
}

/// A list of strings; `None` if it is absent. What is no string in it is told and left out.
fn texts<'a>(reader: &mut Reader<'a>, node: &'a Node, key: &str) -> Option<Texts<'a>> {
    let value = node.get(key)?;
    let mut texts = Vec::new();
    let Some(items) = value.items() else {
        let fault = reader
            .fault(&value.span, format!("{key} is {}", value.kind_name()))
            .expected("a list of strings, such as [\"…\"]");
        reader.push(fault);
        return Some(texts);
    };
    for item in items {
        match item.as_str() {
            Some(text) => texts.push((text, item.span.clone())),
            None => {
                let fault = reader
                    .fault(&item.span, format!("{key} has {} in it", item.kind_name()))
                    .expected("strings");
                reader.push(fault);
            }
        }
    }
    Some(texts)
}

impl Settings {
    /// What is valid and probably not meant, one line each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let granted: BTreeSet<&String> = self.roles.iter().flat_map(|r| &r.secrets).collect();
        self.secrets
            .iter()
            .filter(|secret| !granted.contains(&secret.name))
            .map(|secret| {
                format!(
                    "no role grants the secret \"{0}\", so no task can have it: name it in \
                     secrets = [\"{0}\"] of a [[role]], or take it out",
                    secret.name
                )
            })
            .collect()
    }
}
