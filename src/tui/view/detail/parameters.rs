//! The parameters of a container and of its task, in short, and only those that are set.

use crate::model::parameters::{IpcMode, LinuxParameters, PidMode};
use crate::model::{ContainerDefinition, TaskDefinition, grants};

/// A name and what is set.
pub(crate) type Fact = (&'static str, String);

/// What holds for the whole task.
pub(super) fn of_task(definition: &TaskDefinition) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(role) = grants::role_of(definition, None) {
        facts.push(("task role", role.to_owned()));
    }
    if let Some(mode) = definition.pid_mode {
        let word = match mode {
            PidMode::Host => "host",
            PidMode::Task => "task",
        };
        facts.push(("process ids", word.to_owned()));
    }
    if let Some(mode) = definition.ipc_mode {
        let word = match mode {
            IpcMode::Host => "host",
            IpcMode::Task => "task",
            IpcMode::None => "none",
        };
        facts.push(("shared memory", word.to_owned()));
    }
    if let Some(platform) = &definition.runtime_platform {
        let words: Vec<&str> = [
            &platform.operating_system_family,
            &platform.cpu_architecture,
        ]
        .into_iter()
        .filter_map(|word| word.as_deref())
        .collect();
        facts.push(("platform", words.join(" ")));
    }
    facts
}

/// What holds for one container.
pub(super) fn of_container(container: &ContainerDefinition) -> Vec<Fact> {
    let mut facts = Vec::new();
    let flags: Vec<&str> = [
        ("privileged", container.privileged),
        ("read-only root", container.readonly_root_filesystem),
        ("interactive", container.interactive),
        ("terminal", container.pseudo_terminal),
        ("no network", container.disable_networking),
    ]
    .into_iter()
    .filter_map(|(word, set)| set.then_some(word))
    .collect();
    list(&mut facts, "  runs with", flags);
    list(&mut facts, "  hostname", container.hostname.iter());
    list(
        &mut facts,
        "  dns",
        container
            .dns_servers
            .iter()
            .chain(&container.dns_search_domains),
    );
    let hosts = container.extra_hosts.iter();
    let hosts = hosts.map(|entry| format!("{}={}", entry.hostname, entry.ip_address));
    list(&mut facts, "  hosts", hosts);
    list(
        &mut facts,
        "  security",
        container.docker_security_options.iter(),
    );
    let controls = container.system_controls.iter();
    list(
        &mut facts,
        "  kernel",
        controls.map(|control| format!("{}={}", control.namespace, control.value)),
    );
    let required = container.resource_requirements.iter();
    let required = required.map(|required| format!("{} {}", required.value, required.kind));
    list(&mut facts, "  requires", required);
    let from = container.volumes_from.iter();
    list(
        &mut facts,
        "  volumes of",
        from.map(|from| match from.read_only {
            true => format!("{} (read-only)", from.source_container),
            false => from.source_container.to_string(),
        }),
    );
    if let Some(linux) = &container.linux_parameters {
        list(&mut facts, "  linux", linux_words(linux));
    }
    facts
}

fn list<T: AsRef<str>>(
    facts: &mut Vec<Fact>,
    name: &'static str,
    words: impl IntoIterator<Item = T>,
) {
    let words: Vec<T> = words.into_iter().collect();
    if !words.is_empty() {
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        facts.push((name, words.join(", ")));
    }
}

fn linux_words(linux: &LinuxParameters) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(capabilities) = &linux.capabilities {
        words.extend(capabilities.add.iter().map(|name| format!("+{name}")));
        words.extend(capabilities.drop.iter().map(|name| format!("-{name}")));
    }
    words.extend(linux.devices.iter().map(|device| device.host_path.clone()));
    if linux.init_process_enabled == Some(true) {
        words.push("init".to_owned());
    }
    let sizes = [("shm", linux.shared_memory_size), ("swap", linux.max_swap)];
    for (name, size) in sizes {
        words.extend(size.map(|mib| format!("{name} {mib} MiB")));
    }
    words.extend(linux.swappiness.map(|eager| format!("swappiness {eager}")));
    let folders = linux.tmpfs.iter();
    words.extend(folders.map(|folder| format!("{} {} MiB", folder.container_path, folder.size)));
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_set_is_shown() {
        let bare: ContainerDefinition =
            serde_json::from_value(json!({"name": "a", "image": "i"})).unwrap();
        assert_eq!(of_container(&bare), []);
        let full: ContainerDefinition = serde_json::from_value(json!({
            "name": "a", "image": "i", "privileged": true, "pseudoTerminal": true,
            "dnsServers": ["10.0.0.1"], "dnsSearchDomains": ["corp"],
            "volumesFrom": [{"sourceContainer": "b", "readOnly": true}],
            "linuxParameters": {"capabilities": {"add": ["NET_ADMIN"], "drop": ["CHOWN"]},
                "initProcessEnabled": true, "sharedMemorySize": 8,
                "tmpfs": [{"containerPath": "/run", "size": 1}]}}))
        .unwrap();
        let shown = of_container(&full);
        let shown: Vec<(&str, &str)> = shown.iter().map(|(n, w)| (n.trim(), w.as_str())).collect();
        assert_eq!(
            shown,
            [
                ("runs with", "privileged, terminal"),
                ("dns", "10.0.0.1, corp"),
                ("volumes of", "b (read-only)"),
                ("linux", "+NET_ADMIN, -CHOWN, init, shm 8 MiB, /run 1 MiB"),
            ]
        );
    }
}
