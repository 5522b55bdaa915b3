//! A container of which only the engine's list is to be had: its inspection fails. Pure.

use std::collections::HashMap;

use serde_json::Value;

use super::EngineError;
use super::cache::lasting;
use super::observe::{held_ports, owner_of, port_of, state_of};
use crate::model::observation::{ContainerState, ObservedContainer};
use crate::model::task::NetworkBinding;
use crate::model::{CpuUnits, MemoryMib};

/// What came of looking at one container of a list.
#[derive(Debug)]
pub enum Look {
    /// This is what it is.
    Seen(Box<ObservedContainer>),
    /// It went away meanwhile.
    Gone,
    /// It cannot be inspected: what the list tells of it, and why.
    Failed(Box<Listed>, EngineError),
}

/// What an engine's list tells of a container.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The engine's id for it.
    pub id: String,
    /// Its name, without the leading slash.
    pub name: String,
    /// Its labels.
    pub labels: HashMap<String, String>,
    /// Image reference it was made from.
    pub image: String,
    /// Id of the image it runs.
    pub image_id: Option<String>,
    /// State, if the list tells it.
    pub state: Option<ContainerState>,
    /// State in words: `Exited (137) 5 minutes ago`.
    pub status: String,
    /// Published ports.
    pub bindings: Vec<NetworkBinding>,
    /// Named volumes that it mounts.
    pub volumes: Vec<String>,
}

impl Listed {
    /// Reads an entry of the engine's list.
    #[must_use]
    pub fn read(id: String, entry: &Value) -> Self {
        let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let all = |name: &str| entry[name].as_array().into_iter().flatten();
        let number = |value: &Value| value.as_u64().and_then(|n| u16::try_from(n).ok());
        let binding = |port: &Value| {
            let kind = port["Type"].as_str().unwrap_or("tcp");
            let (container_port, protocol) = port_of(&format!("{}/{kind}", port["PrivatePort"]))?;
            Some(NetworkBinding {
                bind_ip: text(port, "IP"),
                container_port,
                host_port: number(&port["PublicPort"]).filter(|p| *p > 0)?,
                protocol,
            })
        };
        let mut bindings: Vec<_> = all("Ports").filter_map(binding).collect();
        bindings.sort_unstable();
        // Links give a container further names, of the form `/other/alias`.
        let names = all("Names").filter_map(Value::as_str);
        let mut names = names.map(|name| name.trim_start_matches('/'));
        let labels = entry["Labels"].as_object().into_iter().flatten();
        let volumes = all("Mounts").filter_map(|mount| mount["Name"].as_str());
        Self {
            id,
            name: names.find(|n| !n.contains('/')).unwrap_or_default().into(),
            labels: labels
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect(),
            image: text(entry, "Image"),
            image_id: entry["ImageID"].as_str().map(str::to_owned),
            state: entry["State"].as_str().and_then(state_of),
            status: text(entry, "Status"),
            bindings,
            volumes: volumes.map(str::to_owned).collect(),
        }
    }

    /// The container as far as it is known: the list's word on what changes, and what was `last`
    /// seen of the rest. One whose state nobody tells counts as running: it is in the way, and
    /// not over.
    #[must_use]
    pub fn observed(self, last: Option<ObservedContainer>) -> ObservedContainer {
        let known = last.as_ref().map(|last| last.state);
        let state = self.state.or(known).unwrap_or(ContainerState::Running);
        let mut seen = last.unwrap_or_else(|| ObservedContainer {
            runtime_id: self.id,
            name: String::new(),
            owner: owner_of(&self.labels),
            image: self.image,
            image_digest: self.image_id,
            state,
            exit_code: None,
            oom_killed: false,
            error: String::new(),
            started_at: None,
            finished_at: None,
            health: None,
            network_bindings: Vec::new(),
            cpu: CpuUnits(0),
            memory: MemoryMib(0),
            host_ports: Vec::new(),
            volumes: self.volumes,
            address: None,
        });
        seen.name = self.name;
        seen.state = state;
        seen.exit_code = match state.has_ended() {
            true => exit_code(&self.status).or(seen.exit_code),
            false => None,
        };
        seen.network_bindings = self.bindings;
        if state.is_up() {
            // Ports of the host's own network are in no list of bindings: what was seen stays.
            seen.host_ports
                .extend(held_ports(&seen.network_bindings, &[]));
            seen.host_ports.sort_unstable();
            seen.host_ports.dedup();
        } else {
            seen.health = None;
            seen.host_ports.clear();
        }
        seen
    }
}

/// The exit code in `Exited (137) 5 minutes ago`.
fn exit_code(status: &str) -> Option<i64> {
    let within = lasting(status).strip_prefix('(')?.strip_suffix(')')?;
    within.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::spec::label;
    use crate::model::task::Health;
    use crate::model::{HostPort, Protocol};

    fn listed(state: ContainerState, status: &str) -> Listed {
        let label = |name: &str, value: String| (name.to_owned(), value);
        Listed {
            id: "a".to_owned(),
            name: "app".to_owned(),
            labels: HashMap::from([
                label(label::CONTROL_PLANE, "p".to_owned()),
                label(label::TASK_ID, format!("{:032x}", 5)),
                label(label::CONTAINER, "app".to_owned()),
            ]),
            image: "busybox".to_owned(),
            image_id: None,
            state: Some(state),
            status: status.to_owned(),
            bindings: vec![NetworkBinding {
                bind_ip: String::new(),
                container_port: 80,
                host_port: 8080,
                protocol: Protocol::Tcp,
            }],
            volumes: vec!["data".to_owned()],
        }
    }

    #[test]
    fn the_list_alone_tells_owner_state_ports_and_exit_code() {
        let up = listed(ContainerState::Running, "Up 3 hours").observed(None);
        assert_eq!(up.owner.as_ref().map(|o| o.task.0), Some(5));
        let port = HostPort {
            port: 8080,
            protocol: Protocol::Tcp,
        };
        assert_eq!(
            (up.host_ports.as_slice(), up.exit_code),
            (&[port][..], None)
        );
        let over = listed(ContainerState::Exited, "Exited (137) 2 minutes ago").observed(None);
        assert_eq!((over.host_ports.len(), over.exit_code), (0, Some(137)));
    }

    #[test]
    fn what_was_seen_before_fills_in_what_the_list_does_not_tell() {
        let mut last = listed(ContainerState::Running, "").observed(None);
        last.cpu = CpuUnits(256);
        last.health = Some(Health::Healthy);
        let up = listed(ContainerState::Running, "Up").observed(Some(last.clone()));
        assert_eq!(up, last);
        let over = listed(ContainerState::Exited, "Exited (0) 1 second ago").observed(Some(last));
        assert_eq!(
            (over.cpu.0, over.health, over.exit_code),
            (256, None, Some(0))
        );
    }
}
