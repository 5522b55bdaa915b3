//! What a task asks for that its role must grant, and what of it the role does not.
//!
//! Secrets and environment files always need a grant. Images and folders of the host need one
//! only under a role that lists them.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use imbl::OrdMap;

use super::id::{ContainerName, RoleName};
use super::parameters::TaskOverride;
use super::role::Role;
use super::task_definition::{ContainerDefinition, DockerVolume, TaskDefinition, Volume};

/// Something that a task asks for and its role does not grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingGrant {
    /// The container that asks; `None` where the task as a whole does.
    pub container: Option<ContainerName>,
    /// What it asks for.
    pub asked: Asked,
    /// What stands in the way.
    pub gap: Gap,
}

/// What a task asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A secret, by its name in the config.
    Secret(String),
    /// To run an image.
    Image(String),
    /// To mount a path of the host.
    HostPath(String),
    /// A file of variables on the control plane's machine.
    EnvironmentFile(String),
}

/// Why something is not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
    /// The task names no role.
    NoRole,
    /// The config has no role of that name.
    UnknownRole(String),
    /// The role does not grant it.
    NotGranted(RoleName),
}

impl Asked {
    /// The line of the config that would grant it.
    fn line(&self) -> String {
        match self {
            Self::Secret(name) => format!("secrets = [\"{name}\"]"),
            Self::Image(image) => format!("images = [\"{image}\"]"),
            Self::HostPath(path) => format!("host_paths = [\"{path}\"]"),
            Self::EnvironmentFile(path) => format!("environment_files = [\"{path}\"]"),
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(name) => write!(f, "the secret {name}"),
            Self::Image(image) => write!(f, "the image {image}"),
            Self::HostPath(path) => write!(f, "the host's path {path}"),
            Self::EnvironmentFile(path) => write!(f, "the environment file {path}"),
        }
    }
}

impl fmt::Display for MissingGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.container {
            Some(container) => write!(f, "container {container} asks for {}", self.asked)?,
            None => write!(f, "the task asks for {}", self.asked)?,
        }
        let mend = self.mend();
        match &self.gap {
            Gap::NoRole => write!(f, ", and names no task role: {mend}"),
            Gap::UnknownRole(role) => {
                write!(f, ", and its task role {role} is not in the config: {mend}")
            }
            Gap::NotGranted(role) => {
                write!(f, ", which task role {role} does not grant: {mend}")
            }
        }
    }
}

impl MissingGrant {
    /// What a person can do about it.
    #[must_use]
    pub fn mend(&self) -> String {
        let line = self.asked.line();
        match &self.gap {
            Gap::NoRole => format!(
                "give it a taskRoleArn, and in the config a [[role]] of that name with {line}"
            ),
            Gap::UnknownRole(role) => format!("add [[role]] name = \"{role}\" with {line}"),
            Gap::NotGranted(role) => {
                format!("add it to {line} of [[role]] {role} in the config")
            }
        }
    }
}

/// The name that a `taskRoleArn` stands for: itself, or what an ARN ends in.
#[must_use]
pub fn role_name(arn: &str) -> &str {
    match arn.strip_prefix("arn:") {
        Some(rest) => rest.rsplit(['/', ':']).next().unwrap_or(rest),
        None => arn,
    }
}

/// The name of the secret that a `valueFrom` stands for: itself, the path of a parameter's ARN,
/// or what another ARN ends in.
#[must_use]
pub fn secret_name(value_from: &str) -> &str {
    if !value_from.starts_with("arn:") {
        return value_from;
    }
    match value_from.split_once(":parameter/") {
        Some((_, path)) => path,
        None => value_from.rsplit(['/', ':']).next().unwrap_or(value_from),
    }
}

/// The role that a task has: its override's, else its definition's.
#[must_use]
pub fn role_of<'a>(
    definition: &'a TaskDefinition,
    overrides: Option<&'a TaskOverride>,
) -> Option<&'a str> {
    let replaced = overrides.and_then(|o| o.task_role_arn.as_deref());
    let arn = replaced.or(definition.task_role_arn.as_deref());
    arn.map(role_name).filter(|name| !name.is_empty())
}

/// Everything that a task of this definition asks for and its role does not grant; empty if it
/// may run.
#[must_use]
pub fn missing(
    roles: &OrdMap<RoleName, Arc<Role>>,
    definition: &TaskDefinition,
    overrides: Option<&TaskOverride>,
) -> Vec<MissingGrant> {
    let named = role_of(definition, overrides);
    let role = named
        .and_then(|name| RoleName::new(name).ok())
        .and_then(|name| roles.get(&name));
    let gap = match (named, role) {
        (_, Some(role)) => Gap::NotGranted(role.name.clone()),
        (Some(name), None) => Gap::UnknownRole(name.to_owned()),
        (None, None) => Gap::NoRole,
    };
    let mut missing = Vec::new();
    let mut ask = |container: Option<&ContainerName>, asked: Asked| {
        let granted = match role {
            Some(role) => grants(role, &asked),
            None => matches!(asked, Asked::Image(_) | Asked::HostPath(_)),
        };
        if !granted {
            missing.push(MissingGrant {
                container: container.cloned(),
                asked,
                gap: gap.clone(),
            });
        }
    };
    for container in &definition.container_definitions {
        let name = Some(&container.name);
        ask(name, Asked::Image(container.image.clone()));
        for secret in &container.secrets {
            let secret = secret_name(&secret.value_from).to_owned();
            ask(name, Asked::Secret(secret));
        }
        for file in environment_files(container, overrides) {
            ask(name, Asked::EnvironmentFile(file.value.clone()));
        }
        for device in devices(container) {
            ask(name, Asked::HostPath(device.to_owned()));
        }
    }
    let paths: BTreeSet<&str> = definition.volumes.iter().filter_map(host_path).collect();
    for path in paths {
        ask(None, Asked::HostPath(path.to_owned()));
    }
    missing
}

/// What a person who registers a definition should know of its role: each grant that is missing,
/// or else that the config does not have the role at all.
#[must_use]
pub fn warnings(roles: &OrdMap<RoleName, Arc<Role>>, definition: &TaskDefinition) -> Vec<String> {
    let missing = missing(roles, definition, None);
    if !missing.is_empty() {
        return missing.iter().map(ToString::to_string).collect();
    }
    let unknown =
        role_of(definition, None).filter(|name| !roles.keys().any(|known| known.as_str() == *name));
    let told = unknown.map(|name| {
        format!(
            "taskRoleArn: the config has no [[role]] \"{name}\": its tasks run, as they ask for \
             nothing that needs a grant"
        )
    });
    told.into_iter().collect()
}

/// A container's environment files: its override's if it has any, else its own.
#[must_use]
pub fn environment_files<'a>(
    container: &'a ContainerDefinition,
    overrides: Option<&'a TaskOverride>,
) -> &'a [super::parameters::EnvironmentFile] {
    let replaced = overrides
        .into_iter()
        .flat_map(|o| &o.container_overrides)
        .find(|o| o.name == container.name && !o.environment_files.is_empty());
    match replaced {
        Some(replaced) => &replaced.environment_files,
        None => &container.environment_files,
    }
}

fn devices(container: &ContainerDefinition) -> impl Iterator<Item = &str> {
    let linux = container.linux_parameters.iter();
    linux
        .flat_map(|linux| &linux.devices)
        .map(|device| device.host_path.as_str())
}

/// The path of the host that a volume shows: its own, or that of a local volume which is bound
/// to one.
fn host_path(volume: &Volume) -> Option<&str> {
    let folder = volume.host.as_ref().and_then(|h| h.source_path.as_deref());
    let bound = |docker: &'_ DockerVolume| {
        let local = docker
            .driver
            .as_deref()
            .is_none_or(|d| matches!(d, "" | "local"));
        let kind = docker.driver_opts.get("type").map(String::as_str);
        // These show nothing of the host; whatever else is mounted may.
        local && !matches!(kind, Some("tmpfs" | "nfs" | "nfs4" | "cifs"))
    };
    folder.or_else(|| {
        let docker = volume.docker_volume_configuration.as_ref();
        let options = &docker.filter(|docker| bound(docker))?.driver_opts;
        options.get("device").map(String::as_str)
    })
}

fn grants(role: &Role, asked: &Asked) -> bool {
    match asked {
        Asked::Secret(name) => role.secrets.contains(name),
        Asked::EnvironmentFile(path) => role.environment_files.iter().any(|f| is_under(path, f)),
        Asked::Image(image) => match &role.images {
            Some(patterns) => patterns.iter().any(|pattern| matches(pattern, image)),
            None => true,
        },
        Asked::HostPath(path) => match &role.host_paths {
            Some(folders) => folders.iter().any(|folder| is_under(path, folder)),
            None => true,
        },
    }
}

/// Whether a text is what a pattern says, `*` standing for any text, also none.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty(); // No star at all.
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether a path is that folder or in it, after `.` and `..` are taken out of both. A path that
/// leaves its own beginning by `..` is in nothing. Symbolic links are the host's to know.
#[must_use]
pub fn is_under(path: &str, folder: &str) -> bool {
    // Segment by segment: /srv/database is not in /srv/data.
    match (normal(path), normal(folder)) {
        (Some(path), Some(folder)) => {
            path.absolute == folder.absolute && path.segments.starts_with(&folder.segments)
        }
        _ => false,
    }
}

struct Normal<'a> {
    absolute: bool,
    segments: Vec<&'a str>,
}

fn normal(path: &str) -> Option<Normal<'_>> {
    let absolute = path.starts_with('/');
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            // The root's parent is the root; a relative path's is out of bounds.
            ".." if segments.pop().is_none() && !absolute => return None,
            ".." => {}
            name => segments.push(name),
        }
    }
    Some(Normal { absolute, segments })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn definition(role: Option<&str>, container: Value, volumes: Value) -> TaskDefinition {
        let mut whole = json!({"name": "web", "image": "shop/web:1", "memory": 64});
        for (name, value) in container.as_object().unwrap() {
            whole[name] = value.clone();
        }
        serde_json::from_value(json!({
            "family": "web", "revision": 1, "taskRoleArn": role,
            "containerDefinitions": [whole], "volumes": volumes,
        }))
        .unwrap()
    }

    fn roles(role: Value) -> OrdMap<RoleName, Arc<Role>> {
        let role: Role = serde_json::from_value(role).unwrap();
        OrdMap::from_iter([(role.name.clone(), Arc::new(role))])
    }

    fn told(roles: &OrdMap<RoleName, Arc<Role>>, definition: &TaskDefinition) -> Vec<String> {
        let missing = missing(roles, definition, None);
        missing.iter().map(ToString::to_string).collect()
    }

    fn with_secret() -> Value {
        json!({"secrets": [{"name": "DB", "valueFrom": "db-password"}]})
    }

    #[test]
    fn a_secret_needs_a_role_that_is_known_and_grants_it() {
        let app = roles(json!({"name": "app", "secrets": ["db-password"]}));
        let bare = roles(json!({"name": "app"}));
        let asks = |role| definition(role, with_secret(), json!([]));
        for role in [
            "app",
            "arn:aws:iam::123456789012:role/app",
            "arn:aws:iam::1:role/team/app",
        ] {
            assert_eq!(told(&app, &asks(Some(role))), [""; 0], "{role}");
        }
        assert_eq!(
            told(&app, &asks(None)),
            [
                "container web asks for the secret db-password, and names no task role: give it a \
              taskRoleArn, and in the config a [[role]] of that name with secrets = \
              [\"db-password\"]"
            ]
        );
        assert_eq!(
            told(&app, &asks(Some("ap"))),
            [
                "container web asks for the secret db-password, and its task role ap is not in the \
              config: add [[role]] name = \"ap\" with secrets = [\"db-password\"]"
            ]
        );
        assert_eq!(
            told(&bare, &asks(Some("app"))),
            [
                "container web asks for the secret db-password, which task role app does not grant: \
              add it to secrets = [\"db-password\"] of [[role]] app in the config"
            ]
        );
    }

    #[test]
    fn what_needs_no_grant_is_asked_of_no_role() {
        let none = OrdMap::new();
        let volumes = json!([{"name": "data", "host": {"sourcePath": "/srv/data"}}]);
        assert_eq!(
            told(&none, &definition(None, json!({}), volumes.clone())),
            [""; 0]
        );
        assert_eq!(
            told(&none, &definition(Some("gone"), json!({}), volumes)),
            [""; 0]
        );
    }

    #[test]
    fn a_role_that_lists_images_and_paths_keeps_to_them() {
        let strict = roles(json!({
            "name": "app", "images": ["shop/*"], "hostPaths": ["/srv/data"],
        }));
        let volumes = json!([
            {"name": "a", "host": {"sourcePath": "/srv/data/../data/x"}},
            {"name": "b", "host": {"sourcePath": "/srv/data/../secret"}},
            {"name": "c", "host": {"sourcePath": "/srv/database"}},
            {"name": "d", "dockerVolumeConfiguration": {"driverOpts":
                {"type": "none", "o": "bind", "device": "/etc"}}},
            {"name": "e", "dockerVolumeConfiguration": {"scope": "shared"}},
            {"name": "f", "host": {}},
            {"name": "g", "dockerVolumeConfiguration": {"driver": "", "driverOpts":
                {"type": "none", "o": "bind", "device": "/root"}}},
            {"name": "h", "dockerVolumeConfiguration": {"driverOpts":
                {"type": "none", "o": "bind", "device": "etc"}}},
            {"name": "i", "dockerVolumeConfiguration": {"driverOpts":
                {"type": "overlay", "o": "lowerdir=/etc:/var", "device": "overlay"}}},
            {"name": "j", "dockerVolumeConfiguration": {"driverOpts":
                {"type": "nfs", "o": "addr=10.0.0.9", "device": ":/srv"}}},
            {"name": "k", "dockerVolumeConfiguration": {"driverOpts":
                {"type": "tmpfs", "device": "tmpfs"}}},
        ]);
        let device = json!({"linuxParameters": {"devices": [{"hostPath": "/dev/sda"}]}});
        let paths: Vec<_> = missing(&strict, &definition(Some("app"), device, volumes), None)
            .into_iter()
            .map(|m| m.asked.to_string())
            .collect();
        assert_eq!(
            paths,
            [
                "the host's path /dev/sda",
                "the host's path /etc",
                "the host's path /root",
                "the host's path /srv/data/../secret",
                "the host's path /srv/database",
                "the host's path etc",
                "the host's path overlay",
            ]
        );
        let other = json!({"image": "other/web:1"});
        assert_eq!(
            told(&strict, &definition(Some("app"), other, json!([]))),
            [
                "container web asks for the image other/web:1, which task role app does not grant: \
              add it to images = [\"other/web:1\"] of [[role]] app in the config"
            ]
        );
    }

    #[test]
    fn an_override_names_another_role_and_other_files() {
        let app = roles(json!({
            "name": "app", "secrets": ["db-password"], "environmentFiles": ["env", "/etc/qd/a.env"],
        }));
        let overrides: TaskOverride = serde_json::from_value(json!({
            "taskRoleArn": "app", "containerOverrides": [{"name": "web", "environmentFiles": [
                {"type": "file", "value": "env/web.env"},
                {"type": "file", "value": "env/../../shadow"},
                {"type": "file", "value": "/etc/qd/a.env"},
                {"type": "file", "value": "/etc/qd/b.env"},
            ]}],
        }))
        .unwrap();
        let asks = definition(None, with_secret(), json!([]));
        let missing: Vec<_> = missing(&app, &asks, Some(&overrides))
            .into_iter()
            .map(|m| m.asked)
            .collect();
        let file = |path: &str| Asked::EnvironmentFile(path.to_owned());
        assert_eq!(missing, [file("env/../../shadow"), file("/etc/qd/b.env")]);
    }

    #[test]
    fn secrets_go_by_their_name_or_by_what_an_arn_ends_in() {
        for (value_from, name) in [
            ("db-password", "db-password"),
            ("shop/db", "shop/db"),
            (
                "arn:aws:ssm:eu-central-1:123456789012:parameter/shop/db",
                "shop/db",
            ),
            (
                "arn:aws:secretsmanager:eu-central-1:123456789012:secret:db-a1B2c3",
                "db-a1B2c3",
            ),
        ] {
            assert_eq!(secret_name(value_from), name);
        }
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("busybox", "busybox", true),
            ("busybox", "busybox:1", false),
            ("busybox*", "busybox:1.36", true),
            ("busybox*", "busybox", true),
            ("*/web:*", "r.example/team/web:7", true),
            ("*/web:*", "web:7", false),
            ("*", "anything", true),
            ("", "", true),
            ("", "x", false),
            ("a*a", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("**", "x", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_path_is_under_a_folder_segment_by_segment() {
        for (path, folder, expected) in [
            ("/srv/data", "/srv/data/", true),
            ("/srv/data/./a//b", "/srv/data", true),
            ("/srv/data/../etc", "/srv/data", false),
            ("/../../srv/data", "/srv", true),
            ("/srv", "/srv/data", false),
            ("/anything", "/", true),
            ("env/a", "env", true),
            ("../env/a", "env", false),
            ("../env/a", "../env", false),
            ("/env/a", "env", false),
            ("env/a", "/", false),
        ] {
            assert_eq!(is_under(path, folder), expected, "{path} {folder}");
        }
    }
}
