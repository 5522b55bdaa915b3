//! A cluster: the boundary within which tasks are placed.

use serde::{Deserialize, Serialize};

use super::arn::Partition;
use super::capacity::CapacityProviderStrategyItem;
use super::id::{CapacityProviderName, ClusterName};
use super::tag::Tag;
use super::time::TimeMs;

/// A named pool of container instances. `default` exists without asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// Name, unique in the control plane.
    pub name: ClusterName,
    /// Region and account, which every ARN of the cluster carries.
    pub partition: Partition,
    /// The config file names it (such a cluster is not removed by command).
    pub configured: bool,
    /// The config marks it: whoever stops something of it by hand is to type a name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protected: bool,
    /// When it was first seen.
    pub created_at: TimeMs,
    /// Its capacity providers, as the config names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capacity_providers: Vec<CapacityProviderName>,
    /// What a service or task that names neither launch type nor strategy gets; empty = any
    /// instance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub default_capacity_provider_strategy: Vec<CapacityProviderStrategyItem>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

impl Cluster {
    /// A cluster without capacity providers.
    #[must_use]
    pub fn new(
        name: ClusterName,
        partition: Partition,
        configured: bool,
        created_at: TimeMs,
    ) -> Self {
        Self {
            name,
            partition,
            configured,
            protected: false,
            created_at,
            capacity_providers: Vec::new(),
            default_capacity_provider_strategy: Vec::new(),
            tags: Vec::new(),
        }
    }
}
