//! Tags: what users note on things (ECS: `tags`).

use serde::{Deserialize, Serialize};

/// A note on a thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tag {
    /// Name, unique on the thing; 1 to 128 characters.
    pub key: String,
    /// Value; up to 256 characters.
    #[serde(default)]
    pub value: String,
}

/// Whose tags a service's new tasks get (ECS: `propagateTags`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PropagateTags {
    /// Nobody's.
    #[default]
    None,
    /// The task definition's.
    TaskDefinition,
    /// The service's.
    Service,
}
