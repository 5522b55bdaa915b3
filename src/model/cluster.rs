//! A cluster: the boundary within which tasks are placed.

use serde::{Deserialize, Serialize};

use super::arn::Partition;
use super::id::ClusterName;
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
    /// When it was first seen.
    pub created_at: TimeMs,
}
