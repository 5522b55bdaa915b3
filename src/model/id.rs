//! Names and ids, each a type of its own so that one is never passed for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not a valid name or id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty.
    #[error("a {what} must not be empty")]
    Empty {
        /// What was being named.
        what: &'static str,
    },
    /// The text is longer than ECS allows.
    #[error("{what} \"{text}\" is {length} characters long; at most {most} are allowed")]
    TooLong {
        /// What was being named.
        what: &'static str,
        /// The text as given; of a long one, its beginning.
        text: String,
        /// Its length in characters.
        length: usize,
        /// The limit in characters.
        most: usize,
    },
    /// A character that ECS does not allow in names.
    #[error(
        "{what} \"{text}\" has the character '{found}'; only letters, digits, '-' and '_' are allowed"
    )]
    Character {
        /// What was being named.
        what: &'static str,
        /// The text as given; of a long one, its beginning.
        text: String,
        /// The first offending character.
        found: char,
    },
    /// A task definition that is not `family` or `family:revision`.
    #[error("\"{text}\" is not a task definition: write FAMILY:REVISION, with a revision from 1")]
    TaskDefinition {
        /// The text as given; of a long one, its beginning.
        text: String,
    },
    /// A task id that is not 32 hexadecimal digits.
    #[error("\"{text}\" is not a task id: 32 hexadecimal digits")]
    TaskId {
        /// The text as given; of a long one, its beginning.
        text: String,
    },
}

/// The most characters of a text that are said again where it is refused.
const TOLD_MAX: usize = 80;

/// A text as it is said again in a refusal.
fn told(text: &str) -> String {
    let mut told: String = text.chars().take(TOLD_MAX).collect();
    if told.len() < text.len() {
        told.push('…');
    }
    told
}

/// ECS's limit for names: 255 letters, digits, hyphens and underscores.
const NAME_LENGTH_MAX: usize = 255;

fn check_name(what: &'static str, text: &str, also: &[char]) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { what });
    }
    let length = text.chars().count();
    if length > NAME_LENGTH_MAX {
        return Err(IdError::TooLong {
            what,
            text: told(text),
            length,
            most: NAME_LENGTH_MAX,
        });
    }
    match text
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || also.contains(c)))
    {
        Some(found) => Err(IdError::Character {
            what,
            text: told(text),
            found,
        }),
        None => Ok(()),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $also:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The name, checked against ECS's rules for names.
            ///
            /// # Errors
            /// [`IdError`] when it is empty, over 255 characters, or has a character outside
            /// letters, digits, `-` and `_`.
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                check_name($what, text.as_ref(), $also)?;
                Ok(Self(text.as_ref().into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Has its text in common with all equal ones.
            pub fn share(&mut self, texts: &mut super::texts::Texts) {
                texts.share(&mut self.0);
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for std::sync::Arc<str> {
            /// The text itself, shared with the name.
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name!(
    /// A cluster's name; unique in the control plane.
    ClusterName, "cluster name", &[]
);
name!(
    /// A container instance's configured name. This, and never the engine's own id, is an
    /// instance's identity: cloned machines share engine ids.
    InstanceName, "instance name", &['.']
);
name!(
    /// A service's name; unique in its cluster.
    ServiceName, "service name", &[]
);
name!(
    /// A task definition's family.
    Family, "task definition family", &[]
);
name!(
    /// A container's name in its task definition.
    ContainerName, "container name", &[]
);
name!(
    /// A role's name, which `taskRoleArn` ends in.
    RoleName, "role name", &['+', '=', ',', '.', '@']
);
name!(
    /// A schedule's name; unique in its cluster.
    ScheduleName, "schedule name", &['.']
);
name!(
    /// A capacity provider's name: a named group of instances.
    CapacityProviderName, "capacity provider name", &[]
);
name!(
    /// A deployment's id, `ecs-svc/` and digits as in ECS.
    DeploymentId, "deployment id", &['/']
);

impl ClusterName {
    /// `default`, the cluster that exists without asking.
    #[must_use]
    pub fn default_cluster() -> Self {
        Self("default".into())
    }
}

impl ContainerName {
    /// The name of the container that holds what its task's containers share. No text that a
    /// user writes is read as it.
    #[must_use]
    pub fn holder() -> Self {
        Self(super::shared::HOLDER.into())
    }

    /// The name in a container's label, which may be the [`holder`](Self::holder)'s.
    #[must_use]
    pub fn of_label(text: &str) -> Option<Self> {
        match text {
            super::shared::HOLDER => Some(Self::holder()),
            name => Self::new(name).ok(),
        }
    }
}

impl DeploymentId {
    /// The id that ECS would print for this number.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        Self(format!("ecs-svc/{number:019}").into())
    }

    /// Its digits, as ARNs carry them.
    #[must_use]
    pub fn digits(&self) -> &str {
        self.as_str().rsplit('/').next().unwrap_or_default()
    }
}

/// A task definition's revision, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u32);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `family:revision`: one immutable task definition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskDefinitionId {
    /// The family.
    pub family: Family,
    /// The revision.
    pub revision: Revision,
}

impl fmt::Display for TaskDefinitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}:{}", self.family, self.revision))
    }
}

impl FromStr for TaskDefinitionId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let refusal = || IdError::TaskDefinition { text: told(text) };
        let (family, revision) = text.rsplit_once(':').ok_or_else(refusal)?;
        match revision.parse::<u32>() {
            Ok(revision) if revision > 0 => Ok(Self {
                family: Family::new(family)?,
                revision: Revision(revision),
            }),
            _ => Err(refusal()),
        }
    }
}

impl TryFrom<String> for TaskDefinitionId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<TaskDefinitionId> for String {
    fn from(id: TaskDefinitionId) -> String {
        id.to_string()
    }
}

/// A task's id: 128 bits, written as 32 hexadecimal digits as in ECS's ARNs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId(pub u128);

impl TaskId {
    /// The first eight digits, which is what a person reads on a screen.
    #[must_use]
    pub fn short(&self) -> String {
        format!("{:08x}", (self.0 >> 96) as u32)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:032x}", self.0))
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({self})")
    }
}

impl FromStr for TaskId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let refusal = || IdError::TaskId { text: told(text) };
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(refusal());
        }
        u128::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| refusal())
    }
}

impl TryFrom<String> for TaskId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> String {
        id.to_string()
    }
}

/// Fresh ids from a seed, so that the core stays pure and a run can be replayed.
///
/// The generator is SplitMix64: tiny, well known, and good enough for ids (not for secrets).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdSource {
    state: u64,
}

impl IdSource {
    /// A source of ids; equal seeds give equal ids in the same order.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.state)
    }

    /// A fresh task id.
    pub fn task_id(&mut self) -> TaskId {
        TaskId((u128::from(self.next_u64()) << 64) | u128::from(self.next_u64()))
    }

    /// A fresh deployment id.
    pub fn deployment_id(&mut self) -> DeploymentId {
        DeploymentId::from_number(self.next_u64() % 10_000_000_000_000_000_000)
    }
}

/// SplitMix64's finaliser: spreads every input bit over the whole word.
#[must_use]
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_ecs() {
        assert!(ServiceName::new("web-2_x").is_ok());
        assert_eq!(
            ServiceName::new("web 2").unwrap_err().to_string(),
            "service name \"web 2\" has the character ' '; only letters, digits, '-' and '_' are allowed"
        );
        assert!(ServiceName::new("").is_err());
        let long = ServiceName::new("x".repeat(1 << 20))
            .unwrap_err()
            .to_string();
        assert!(
            long.contains("is 1048576 characters long; at most 255"),
            "{long}"
        );
        assert!(long.len() < 200, "{long}");
    }

    #[test]
    fn task_definition_ids_round_trip() {
        let id: TaskDefinitionId = "web:7".parse().unwrap();
        assert_eq!(id.to_string(), "web:7");
        for wrong in ["web", "web:0", "web:x", ":1", "a b:1"] {
            assert!(wrong.parse::<TaskDefinitionId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ids_replay_from_their_seed_and_round_trip() {
        let (mut a, mut b) = (IdSource::new(7), IdSource::new(7));
        let id = a.task_id();
        assert_eq!(id, b.task_id());
        assert_ne!(id, a.task_id());
        assert_eq!(id.to_string().parse::<TaskId>().unwrap(), id);
        assert!(id.to_string().starts_with(&id.short()));
    }
}
