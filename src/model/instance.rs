//! A container instance: one Docker Engine, registered in one cluster.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::id::{CapacityProviderName, ClusterName, InstanceName};
use super::resources::Resources;
use super::tag::Tag;
use super::time::TimeMs;

/// ECS's attribute names that the agent fills in from the engine's own info.
pub mod attribute {
    /// Operating system: `linux`.
    pub const OS_TYPE: &str = "ecs.os-type";
    /// Processor architecture: `x86_64`, `arm64`.
    pub const CPU_ARCHITECTURE: &str = "ecs.cpu-architecture";
    /// Failure domain, from the config.
    pub const AVAILABILITY_ZONE: &str = "ecs.availability-zone";
    /// Size of the machine, such as `8cpu-32gib`, or what the config names.
    pub const INSTANCE_TYPE: &str = "ecs.instance-type";
    /// The engine's version.
    pub const DOCKER_VERSION: &str = "quarterdeck.docker-version";
}

/// Whether the scheduler may place tasks on an instance (ECS: `status`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InstanceStatus {
    /// Known from the config; its engine has never answered yet.
    #[default]
    Registering,
    /// Takes tasks.
    Active,
    /// Takes no new tasks; its services' tasks move away.
    Draining,
}

impl InstanceStatus {
    /// The word that ECS sends.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registering => "REGISTERING",
            Self::Active => "ACTIVE",
            Self::Draining => "DRAINING",
        }
    }
}

/// Whether the agent hears its engine (ECS: `agentConnected`), and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum Connection {
    /// The engine answers.
    Connected {
        /// Since when.
        since: TimeMs,
    },
    /// The engine does not answer. What was last observed still stands, growing stale.
    Disconnected {
        /// Since when that is known, later by the time in which no control plane looked; the grace
        /// period of every task there is counted from this.
        since: TimeMs,
        /// What the last attempt ran into.
        reason: String,
    },
}

/// One Docker Engine, by its configured name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    /// Configured name: the identity. Engine ids are not unique.
    pub name: InstanceName,
    /// The cluster it is registered in.
    pub cluster: ClusterName,
    /// Where the engine is reached, as configured.
    pub endpoint: String,
    /// Whether it takes tasks.
    pub status: InstanceStatus,
    /// Whether its engine answers.
    pub connection: Connection,
    /// When its engine last answered anything, while it does not: a little before that was known.
    /// `None` while it answers (its agent knows), and where no control plane noted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_at: Option<TimeMs>,
    /// Until when nothing there is given up, however long it has been silent: the control plane
    /// has started, and one whole attempt to reach it may take so long. `None` once one has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settles_at: Option<TimeMs>,
    /// Attributes by name: the engine's own and the configured ones.
    pub attributes: BTreeMap<String, String>,
    /// What the engine has in all (ECS: `registeredResources`, before `reserved`).
    pub capacity: Resources,
    /// What is kept for the host itself.
    pub reserved: Resources,
    /// What containers use that no task here accounts for: those that are not ours, and any of
    /// ours whose task is over or another instance's.
    pub foreign: Resources,
    /// How many such containers run.
    pub foreign_count: u32,
    /// The engine's version; empty until it first answered.
    pub docker_version: String,
    /// The API version that was negotiated; empty until then.
    pub api_version: String,
    /// The engine's own id, for warning about clones only.
    pub engine_id: String,
    /// When it first answered (ECS: `registeredAt`).
    pub registered_at: Option<TimeMs>,
    /// The capacity provider that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_provider: Option<CapacityProviderName>,
    /// Whether it serves FARGATE tasks. It then takes no others.
    #[serde(default)]
    pub fargate: bool,
    /// Tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

impl Instance {
    /// An instance whose engine has never answered.
    #[must_use]
    pub fn new(
        name: InstanceName,
        cluster: ClusterName,
        endpoint: String,
        connection: Connection,
    ) -> Self {
        Self {
            name,
            cluster,
            endpoint,
            status: InstanceStatus::Registering,
            connection,
            heard_at: None,
            settles_at: None,
            attributes: BTreeMap::new(),
            capacity: Resources::default(),
            reserved: Resources::default(),
            foreign: Resources::default(),
            foreign_count: 0,
            docker_version: String::new(),
            api_version: String::new(),
            engine_id: String::new(),
            registered_at: None,
            capacity_provider: None,
            fargate: false,
            tags: Vec::new(),
        }
    }

    /// Whether its engine answers now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self.connection, Connection::Connected { .. })
    }

    /// Whether new tasks may come to it: it is ACTIVE and answers.
    #[must_use]
    pub fn takes_tasks(&self) -> bool {
        self.status == InstanceStatus::Active && self.is_connected()
    }

    /// Since when its engine is known not to answer; `None` while it answers. Waits are counted
    /// from this; people are told [`Self::silent_since`].
    #[must_use]
    pub fn disconnected_since(&self) -> Option<TimeMs> {
        match &self.connection {
            Connection::Disconnected { since, .. } => Some(*since),
            Connection::Connected { .. } => None,
        }
    }

    /// When its engine last answered as far as anybody knows; `None` while it answers. What people
    /// are told everywhere, and metrics.
    #[must_use]
    pub fn silent_since(&self) -> Option<TimeMs> {
        let since = self.disconnected_since()?;
        Some(self.heard_at.map_or(since, |heard| heard.min(since)))
    }

    /// When a task there that waits for its instance so many seconds is given up; `None` while its
    /// engine answers.
    #[must_use]
    pub fn given_up_at(&self, grace_s: u32) -> Option<TimeMs> {
        let end = self
            .disconnected_since()?
            .plus_ms(u64::from(grace_s) * 1_000);
        Some(self.settles_at.map_or(end, |settled| settled.max(end)))
    }

    /// Whose tasks it takes, where it does not take any; else empty.
    #[must_use]
    pub fn serves(&self) -> String {
        match &self.capacity_provider {
            _ if self.fargate => "FARGATE tasks only; API clients do not see it".to_owned(),
            Some(provider) => format!("capacity provider {provider}"),
            None => String::new(),
        }
    }

    /// Its availability zone; empty if none is configured.
    #[must_use]
    pub fn zone(&self) -> &str {
        self.attributes
            .get(attribute::AVAILABILITY_ZONE)
            .map_or("", String::as_str)
    }

    /// The value of an attribute, with ECS's pseudo-attributes `instanceId` and `host`.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        match name {
            "instanceId" | "host" => Some(self.name.as_str()),
            "availabilityZone" | "attribute:availabilityZone" => Some(self.zone()),
            _ => self
                .attributes
                .get(name.strip_prefix("attribute:").unwrap_or(name))
                .map(String::as_str),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_from_the_last_answer_and_graces_count_from_when_it_was_known() {
        let mut instance = Instance::new(
            InstanceName::new("a").unwrap(),
            ClusterName::default_cluster(),
            String::new(),
            Connection::Connected { since: TimeMs(1) },
        );
        assert_eq!(
            (instance.silent_since(), instance.given_up_at(5)),
            (None, None)
        );
        instance.connection = Connection::Disconnected {
            since: TimeMs(20_000),
            reason: "away".to_owned(),
        };
        assert_eq!(instance.silent_since(), Some(TimeMs(20_000)));
        instance.heard_at = Some(TimeMs(9_000));
        assert_eq!(instance.silent_since(), Some(TimeMs(9_000)));
        assert_eq!(instance.disconnected_since(), Some(TimeMs(20_000)));
        assert_eq!(instance.given_up_at(5), Some(TimeMs(25_000)));
        instance.settles_at = Some(TimeMs(60_000));
        assert_eq!(instance.given_up_at(5), Some(TimeMs(60_000)));
        assert_eq!(instance.given_up_at(90), Some(TimeMs(110_000)));
    }
}
